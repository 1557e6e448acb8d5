"""`jacfwd`, `jacrev`, `hessian`: pytrees in and out, against one derivative after the other."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp

both = pytest.mark.parametrize("jac", [ferax.jacfwd, ferax.jacrev, ferax.jacobian], ids=["jacfwd", "jacrev", "jacobian"])


def f(p, x):
    return {"y": jnp.tanh(p["w"] @ x) + p["b"], "s": (x ** 2).sum(), "rows": p["w"] * p["b"][:, None]}


PARAMS = {"w": jnp.arange(6.0).reshape(2, 3) / 10, "b": jnp.array([0.5, -1.0])}
X = jnp.array([0.1, 0.2, -0.3])


def column_by_column(fun, tree):
    """The Jacobian from one jvp for each element of the argument."""
    leaves, treedef = ferax.tree.flatten(tree)
    columns = []
    for i, leaf in enumerate(leaves):
        blocks = []
        for k in range(leaf.size):
            basis = [jnp.zeros_like(x) for x in leaves]
            basis[i] = basis[i].reshape(-1).at[k].set(1).reshape(leaf.shape)
            blocks.append(ferax.jvp(fun, (tree,), (treedef.unflatten(basis),))[1])
        columns.append(ferax.tree.map(lambda *b, leaf=leaf: np.stack(b, -1).reshape(*b[0].shape, *leaf.shape), *blocks))
    return ferax.tree.transpose(treedef, ferax.tree.structure(columns[0]), treedef.unflatten(columns))


@both
def test_pytrees_in_and_out(jac):
    found = jac(f)(PARAMS, X)
    expected = column_by_column(lambda p: f(p, X), PARAMS)
    assert found["rows"]["w"].shape == (2, 3, 2, 3) and found["s"]["b"].shape == (2,)
    ferax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)


@both
def test_argnums(jac):
    p_bar, x_bar = jac(lambda p, x: f(p, x)["y"], argnums=(0, 1))(PARAMS, X)
    assert p_bar["w"].shape == (2, 2, 3) and x_bar.shape == (2, 3)
    (only,) = jac(lambda x: x ** 2, argnums=(0,))(X)
    np.testing.assert_allclose(only, np.diag(2 * X), rtol=1e-6)
    np.testing.assert_allclose(jac(lambda p, x: x ** 2, argnums=-1)(None, X), np.diag(2 * X), rtol=1e-6)
    np.testing.assert_allclose(jac(lambda x, *, k: x ** k)(X, k=2), np.diag(2 * X), rtol=1e-6)


@both
def test_scalars_and_empties(jac):
    assert jac(lambda x: x ** 2)(3.0) == 6
    assert jac(lambda x: x * 2)(jnp.ones(0)).shape == (0, 0)
    assert jac(lambda x: jnp.zeros((0, 2)) * x[0])(jnp.ones(3)).shape == (0, 2, 3)
    np.testing.assert_array_equal(jac(lambda x: jnp.ones(2))(X), np.zeros((2, 3)))
    np.testing.assert_array_equal(jac(lambda x: x)(X), np.eye(3))


@both
def test_has_aux(jac):
    j, aux = jac(lambda x: (x ** 2, {"x": x, "n": 2}), has_aux=True)(X)
    np.testing.assert_allclose(j, np.diag(2 * X), rtol=1e-6)
    np.testing.assert_array_equal(aux["x"], X)
    assert aux["n"] == 2


@both
def test_holomorphic(jac):
    z = jnp.array([1.0 + 1j, 2.0])
    np.testing.assert_allclose(jac(lambda z: z ** 2, holomorphic=True)(z), np.diag(2 * z), rtol=1e-6)
    with pytest.raises(TypeError, match="holomorphic=True requires inputs.*float32"):
        jac(lambda x: x, holomorphic=True)(X)
    with pytest.raises(TypeError, match="holomorphic=True requires outputs.*float32"):
        jac(lambda z: z.real, holomorphic=True)(z)


@both
def test_integers_are_refused(jac):
    with pytest.raises(TypeError, match="inputs.*has int32"):
        jac(lambda i: i * 1.0)(jnp.arange(3))


def test_complex_inputs_and_outputs():
    z = jnp.array([1.0 + 1j, 2.0])
    with pytest.raises(TypeError, match="jacfwd requires real-valued inputs.*complex64.*holomorphic=True"):
        ferax.jacfwd(lambda z: z)(z)
    with pytest.raises(TypeError, match="jacrev requires real-valued outputs.*complex64"):
        ferax.jacrev(lambda z: z)(z)
    j = ferax.jacfwd(lambda x: jnp.exp(1j * x))(X)
    np.testing.assert_allclose(j, np.diag(1j * np.exp(1j * np.asarray(X))), rtol=1e-6)


def test_jacrev_allow_int():
    j = ferax.jacrev(lambda x, i: x * i, argnums=(0, 1), allow_int=True)(X, jnp.arange(3))
    np.testing.assert_allclose(j[0], np.diag([0.0, 1.0, 2.0]))
    assert j[1].dtype == ferax.float0 and j[1].shape == (3, 3)


def test_hessian():
    g = lambda x: jnp.sum(x ** 3) + x[0] * x[1]
    expected = np.diag(6 * np.asarray(X)) + np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(ferax.hessian(g)(X), expected, rtol=1e-5)
    np.testing.assert_allclose(ferax.jit(ferax.hessian(g))(X), expected, rtol=1e-5)
    tree = {"a": jnp.array([1.0, 2.0]), "b": 3.0}
    h = ferax.hessian(lambda t: (t["a"] ** 2).sum() * t["b"])(tree)
    np.testing.assert_allclose(h["a"]["a"], 6 * np.eye(2))
    np.testing.assert_allclose(h["a"]["b"], 2 * tree["a"])
    np.testing.assert_allclose(h["b"]["a"], 2 * tree["a"])
    assert h["b"]["b"] == 0
    h, aux = ferax.hessian(lambda x: ((x ** 2).sum(), x), has_aux=True)(X)
    np.testing.assert_allclose(h, 2 * np.eye(3))
    hv = ferax.hessian(lambda x: x ** 3)(X)
    assert hv.shape == (3, 3, 3)


@both
def test_under_vmap_and_grad(jac):
    xs = jnp.stack([X, 2 * X])
    np.testing.assert_allclose(ferax.vmap(jac(lambda x: x ** 2))(xs), np.stack([np.diag(2 * x) for x in np.asarray(xs)]), rtol=1e-6)
    np.testing.assert_allclose(ferax.grad(lambda x: jac(lambda y: y ** 3)(x).sum())(X), 6 * X, rtol=1e-5)
