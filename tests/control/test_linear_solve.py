"""`custom_linear_solve`, `custom_root`, `linear_call`: derivatives follow from the equation, whatever the solver."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax
from ferax._src.control.linear_call import linear_call
from ferax._src.control.linear_solve import custom_linear_solve, custom_root

A = np.float32([[4, 1], [2, 3]])
B = np.float32([1, 2])


def inverse2(a):
    (p, q), (r, s) = a
    return jnp.array([[s, -q], [-r, p]]) / (p * s - q * r)


def solver(matvec, b):
    """Finds the matrix by applying it to a basis; no derivative could be taken through a real solver."""
    a = jnp.stack([matvec(jnp.float32([1, 0])), matvec(jnp.float32([0, 1]))], 1)
    return lax.stop_gradient(inverse2(a) @ b)


def solve(a, b, **kw):
    kw = kw or {"transpose_solve": solver}
    return custom_linear_solve(lambda x: a @ x, b, solver, **kw)


def plain(a, b):
    return inverse2(a) @ b


def close(x, y, tol=1e-4):
    for a, b in zip(ferax.tree.leaves(x), ferax.tree.leaves(y), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol)


def test_values_and_derivatives():
    for f in (solve, ferax.jit(solve)):
        close(f(A, B), np.linalg.solve(A, B))
        close(ferax.jvp(f, (A, B), (A.T, B)), ferax.jvp(plain, (A, B), (A.T, B)))
        close(ferax.jacrev(f, (0, 1))(A, B), ferax.jacrev(plain, (0, 1))(A, B))
        close(ferax.jacfwd(ferax.jacrev(f), 1)(A, B), ferax.jacfwd(ferax.jacrev(plain), 1)(A, B))
        close(ferax.jacrev(ferax.jacrev(f))(A, B), ferax.jacrev(ferax.jacrev(plain))(A, B))


def test_vmap():
    stack = np.stack([A, 2 * A, A.T])
    close(ferax.vmap(solve, (0, None))(stack, B), np.stack([plain(a, B) for a in stack]))
    close(ferax.vmap(solve, (None, 0))(A, stack[0]), np.stack([plain(A, b) for b in stack[0]]))
    g = lambda f: ferax.grad(lambda a, b: f(a, b).sum())
    close(ferax.vmap(g(solve), (0, None))(stack, B), np.stack([g(plain)(a, B) for a in stack]))


def test_symmetric():
    s = A @ A.T
    f = lambda s, b: solve(s, b, symmetric=True)
    close(ferax.jacrev(f, 1)(s, B), ferax.jacrev(plain, 1)(s, B))


def test_aux_and_pytrees():
    def solve_tree(matvec, b):
        return {"x": b["x"] / 4}, jnp.float32(7)
    f = lambda w, b: custom_linear_solve(lambda v: {"x": w * v["x"]}, {"x": b}, solve_tree, solve_tree, has_aux=True)
    x, aux = f(4.0, B)
    close(x["x"], B / 4)
    assert aux == 7
    assert abs(ferax.grad(lambda w: f(w, B)[0]["x"].sum())(4.0) - (-B.sum() / 16)) < 1e-6


def test_no_transpose():
    f = lambda b: custom_linear_solve(lambda x: A @ x, b, solver).sum()
    close(ferax.jvp(f, (B,), (B,))[1], plain(A, B).sum())
    with pytest.raises(TypeError, match="transpose_solve required for backwards mode"):
        ferax.grad(f)(B)


def newton(f, x):
    return lax.while_loop(lambda x: jnp.abs(f(x)) > 1e-4, lambda x: x - f(x) / ferax.jvp(f, (x,), (1.0,))[1], x)


def root_of(a):
    return custom_root(lambda x: x ** 2 - a ** 3, 1.0 + 0 * a, newton, lambda g, y: y / g(1.0))


def test_root():
    exact = lambda a: a ** 1.5
    for f in (root_of, ferax.jit(root_of)):
        close(f(2.0), exact(2.0))
        close(ferax.grad(f)(2.0), ferax.grad(exact)(2.0))
        close(ferax.jvp(f, (2.0,), (1.0,))[1], ferax.grad(exact)(2.0))
        close(ferax.grad(ferax.grad(f))(2.0), ferax.grad(ferax.grad(exact))(2.0), 1e-3)
        close(ferax.vmap(ferax.grad(f))(np.float32([1, 2, 3])), ferax.vmap(ferax.grad(exact))(np.float32([1, 2, 3])))


def test_root_of_a_system():
    def system(a, b):
        tangent = lambda g, y: custom_linear_solve(g, y, solver, solver)
        return custom_root(lambda x: a @ x - b, jnp.zeros(2), lambda f, x: plain(a, b), tangent)
    close(ferax.jacrev(system, (0, 1))(A, B), ferax.jacrev(plain, (0, 1))(A, B))


def test_linear_call():
    scale = lambda x, s: linear_call(lambda s, x: x * s, lambda s, ct: 10 * ct * s, s, x)
    assert scale(2.0, 3.0) == 6 and ferax.jit(scale)(2.0, 3.0) == 6
    assert ferax.grad(scale)(2.0, 3.0) == 30 and ferax.jvp(lambda x: scale(x, 3.0), (2.0,), (1.0,))[1] == 3
    assert ferax.linear_transpose(ferax.jit(lambda x: scale(x, 3.0)), 1.0)(1.0)[0] == 30
    assert ferax.vmap(ferax.grad(scale), (0, None))(B, 3.0).tolist() == [30, 30]
    with pytest.raises(NotImplementedError, match="with respect to residuals"):
        ferax.grad(scale, 1)(2.0, 3.0)
    with pytest.raises(TypeError, match="must match those of linear_args"):
        linear_call(lambda s, x: x * s, lambda s, ct: (ct, ct), 1.0, 2.0)


@pytest.mark.parametrize("call, error, text", [
    (lambda: custom_linear_solve(lambda x: x[:1], B, solver), TypeError, r"matvec\(\) output must have identical shapes"),
    (lambda: custom_linear_solve(lambda x: (x, x), B, solver), TypeError, r"matvec\(\) output pytree structure"),
    (lambda: custom_linear_solve(lambda x: x, B, lambda f, b: b[0]), TypeError, r"solve\(\) output must have identical"),
    (lambda: custom_root(lambda x: (x, x), 1.0, newton, lambda g, y: y), TypeError, "must have the structure"),
    (lambda: custom_root(lambda x: x, 1.0, lambda f, x: (x, x), lambda g, y: y), TypeError, "structure of initial_guess"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
