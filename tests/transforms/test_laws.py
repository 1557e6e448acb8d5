"""The laws that transformations obey, on functions made of many kinds of operations."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax


def smooth(x):
    return jnp.sin(x) * jnp.exp(-x * x) + jnp.tanh(x @ x.T if x.ndim == 2 else x).sum()


def with_control_flow(x):
    def step(carry, t):
        carry = jnp.where(carry > 0, jnp.sin(carry) * t, carry * 2.0)
        return carry, jnp.cos(carry)
    carry, ys = lax.scan(step, x, jnp.arange(1.0, 4.0))
    return lax.cond(carry.sum() > 0, lambda c: c * 2, lambda c: c * 3, carry) + ys.sum(0)


def with_indexing(x):
    return x[::-1] * x[jnp.array([2, 0, 1])] + jnp.concatenate([x[1:], x[:1]]).at[0].add(3 * x[2])


def with_inner_jit(x):
    @ferax.jit
    def inner(y, scale):
        return {"out": jnp.log1p(y * y) * scale, "aux": y.sum()}
    result = inner(x, 2.0)
    return result["out"] * result["aux"]


@ferax.custom_jvp
def cubed(x):
    return x * x * x


@cubed.defjvp
def _cubed_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return cubed(x), 3 * x * x * t


def with_custom_rule(x):
    return cubed(x) + jnp.cos(cubed(2 * x))


def with_checkpoint(x):
    return ferax.checkpoint(lambda y: jnp.sin(jnp.sin(y)) * y)(x)


FUNCTIONS = [smooth, with_control_flow, with_indexing, with_inner_jit, with_custom_rule, with_checkpoint]
vector_functions = pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)


@pytest.fixture(autouse=True)
def _double(x64):
    yield


@pytest.fixture
def x():
    return jnp.asarray(np.random.RandomState(0).uniform(0.2, 1.0, 3))


@pytest.fixture
def v():
    return jnp.asarray(np.random.RandomState(1).randn(3))


def assert_close(a, b, rtol=1e-9):
    ferax.tree.map(lambda p, q: np.testing.assert_allclose(p, q, rtol=rtol, atol=1e-10), a, b)


def numerical_jvp(f, x, v, eps=1e-6):
    return (np.asarray(f(x + eps * v)) - np.asarray(f(x - eps * v))) / (2 * eps)


@vector_functions
def test_jit_is_the_function(f, x):
    assert_close(ferax.jit(f)(x), f(x))


@vector_functions
def test_jvp_is_the_directional_derivative(f, x, v):
    out, tangent = ferax.jvp(f, (x,), (v,))
    assert_close(out, f(x))
    np.testing.assert_allclose(tangent, numerical_jvp(f, x, v), rtol=1e-6, atol=1e-8)


@vector_functions
def test_jvp_is_linear_in_the_tangent(f, x, v):
    w = jnp.cos(v)
    push = lambda t: ferax.jvp(f, (x,), (t,))[1]
    assert_close(push(2.0 * v + w), 2.0 * push(v) + push(w))


@vector_functions
def test_vjp_is_the_transpose_of_jvp(f, x, v):
    out, pull = ferax.vjp(f, x)
    ct = jnp.sin(jnp.arange(1.0, 4.0))
    (back,) = pull(ct)
    _, tangent = ferax.jvp(f, (x,), (v,))
    assert_close(jnp.vdot(ct, tangent), jnp.vdot(back, v))


@vector_functions
def test_linearize_is_jvp(f, x, v):
    out, push = ferax.linearize(f, x)
    assert_close((out, push(v)), ferax.jvp(f, (x,), (v,)))
    assert_close(push(3 * v), 3 * push(v))


@vector_functions
def test_jacfwd_is_jacrev(f, x):
    assert_close(ferax.jacfwd(f)(x), ferax.jacrev(f)(x))


@vector_functions
def test_second_order_in_every_mixture_of_modes(f, x):
    g = lambda y: f(y).sum()
    reference = ferax.jacfwd(ferax.jacfwd(g))(x)
    assert_close(ferax.hessian(g)(x), reference)
    assert_close(ferax.jacrev(ferax.jacrev(g))(x), reference)
    assert_close(ferax.jacrev(ferax.jacfwd(g))(x), reference)
    assert_close(ferax.jit(ferax.hessian(g))(x), reference)
    assert_close(reference, reference.T)
    np.testing.assert_allclose(reference @ jnp.ones(3), numerical_jvp(ferax.grad(g), x, jnp.ones(3)), rtol=1e-5, atol=1e-7)


@vector_functions
def test_third_derivative(f, x):
    g = lambda s: f(s * x).sum()
    third = ferax.grad(ferax.grad(ferax.grad(g)))
    eps = 1e-5
    numeric = (ferax.grad(ferax.grad(g))(1.0 + eps) - ferax.grad(ferax.grad(g))(1.0 - eps)) / (2 * eps)
    np.testing.assert_allclose(third(1.0), numeric, rtol=1e-4, atol=1e-6)


@vector_functions
def test_vmap_is_a_loop(f):
    xs = jnp.asarray(np.random.RandomState(2).uniform(0.2, 1.0, (4, 3)))
    assert_close(ferax.vmap(f)(xs), jnp.stack([f(x) for x in xs]))
    assert_close(ferax.vmap(f, in_axes=1, out_axes=1)(xs.T), jnp.stack([f(x) for x in xs]).T)
    assert_close(ferax.jit(ferax.vmap(f))(xs), jnp.stack([f(x) for x in xs]))


@vector_functions
def test_vmap_of_vmap(f):
    xs = jnp.asarray(np.random.RandomState(3).uniform(0.2, 1.0, (2, 4, 3)))
    assert_close(ferax.vmap(ferax.vmap(f))(xs), jnp.stack([jnp.stack([f(x) for x in row]) for row in xs]))


@vector_functions
def test_gradients_of_each_example(f):
    xs = jnp.asarray(np.random.RandomState(4).uniform(0.2, 1.0, (4, 3)))
    g = ferax.grad(lambda y: f(y).sum())
    expected = jnp.stack([g(x) for x in xs])
    assert_close(ferax.vmap(g)(xs), expected)
    assert_close(ferax.jit(ferax.vmap(g))(xs), expected)
    assert_close(ferax.grad(lambda ys: ferax.vmap(f)(ys).sum())(xs), expected)


@vector_functions
def test_grad_of_jit_and_jit_of_grad(f, x):
    g = lambda y: f(y).sum()
    expected = ferax.grad(g)(x)
    assert_close(ferax.grad(ferax.jit(g))(x), expected)
    assert_close(ferax.jit(ferax.grad(g))(x), expected)
    assert_close(ferax.jit(ferax.grad(ferax.jit(g)))(x), expected)
    assert_close(ferax.grad(ferax.checkpoint(g))(x), expected)


@vector_functions
def test_jaxprs_are_well_formed(f, x):
    from ferax._src.ir.checker import check_jaxpr
    xs = jnp.stack([x, x])
    g = lambda y: f(y).sum()
    for transformed, arg in ((f, x), (ferax.grad(g), x), (ferax.hessian(g), x), (ferax.vmap(ferax.grad(g)), xs),
                             (ferax.jit(ferax.grad(g)), x), (lambda y: ferax.linearize(f, y)[1](y), x)):
        check_jaxpr(ferax.make_jaxpr(transformed)(arg))


def test_the_pullback_is_a_pytree(x, v):
    @ferax.jit
    def forward(y):
        return ferax.vjp(with_control_flow, y)

    _, pull = forward(x)
    expected = ferax.vjp(with_control_flow, x)[1](v)
    assert_close(pull(v), expected)
    assert_close(ferax.jit(lambda p, ct: p(ct))(pull, v), expected)
    pulls = ferax.vmap(lambda y: ferax.vjp(smooth, y)[1])(jnp.stack([x, 2 * x]))
    assert ferax.tree.leaves(pulls)[0].shape[0] == 2


def test_closed_over_tracers(x):
    def outer(y):
        inner = ferax.grad(lambda z: (y * z).sum() * (z * z).sum())
        return inner(x).sum()
    expected = ferax.jacfwd(lambda y: ((y * x.sum()).sum() * 0 + y * (x * x).sum() + 2 * x * (y * x).sum()).sum())(x)
    assert_close(ferax.grad(outer)(x), expected)
    assert_close(ferax.jit(ferax.grad(outer))(x), expected)

    def mapped(y):
        return ferax.vmap(lambda z: z * y.sum())(x).sum()
    assert_close(ferax.grad(mapped)(x), jnp.full(3, x.sum()))


def test_perturbations_are_not_confused():
    # d/dx (x * d/dy (x + y)) at x = 1 is 1; a system that mixes up the two tangents answers 2.
    f = lambda x: x * ferax.jvp(lambda y: x + y, (1.0,), (1.0,))[1]
    assert ferax.jvp(f, (1.0,), (1.0,))[1] == 1.0
    assert ferax.grad(lambda x: x * ferax.grad(lambda y: x + y)(1.0))(1.0) == 1.0


def test_complex_gradients():
    f = lambda z: jnp.abs(z * z + 1.0).sum()
    z = jnp.asarray([0.3 + 0.4j, -1.0 + 0.2j])
    g = ferax.grad(f)(z)
    eps = 1e-6
    for i in range(2):
        step = np.zeros(2, complex)
        step[i] = eps
        real = (f(z + step) - f(z - step)) / (2 * eps)
        imag = (f(z + 1j * step) - f(z - 1j * step)) / (2 * eps)
        np.testing.assert_allclose(g[i], real - 1j * imag, rtol=1e-6)
    h = ferax.grad(lambda w: jnp.sin(w) * w, holomorphic=True)
    np.testing.assert_allclose(h(1.0 + 2.0j), np.sin(1 + 2j) + np.cos(1 + 2j) * (1 + 2j))


def test_integer_inputs_have_float0_gradients():
    g = ferax.grad(lambda n, x: n * x, argnums=(0, 1), allow_int=True)(3, 2.0)
    assert g[0].dtype == ferax.float0 and g[0].shape == ()
    assert g[1] == 3.0
    _, pull = ferax.vjp(lambda n, x: (n + 1, x * n), 3, 2.0)
    n_bar, x_bar = pull((np.zeros((), ferax.float0), 1.0))
    assert n_bar.dtype == ferax.float0 and x_bar == 3.0


def test_aux_and_pytrees(x):
    def loss(params, scale):
        y = params["w"] * scale + params["b"][0]
        return (y * y).sum(), {"y": y, "count": 3}
    params = {"w": x, "b": (jnp.float64(2.0), None)}
    (value, aux), (g, g_scale) = ferax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(params, 2.0)
    assert_close(aux["y"], x * 2 + 2)
    assert aux["count"] == 3
    assert_close(g["w"], 4 * (2 * x + 2))
    assert_close(g["b"][0], (2 * (2 * x + 2)).sum())
    assert_close(g_scale, (2 * (2 * x + 2) * x).sum())
    out, tangent, aux = ferax.jvp(lambda y: (y * 2, y), (x,), (x,), has_aux=True)
    assert_close((out, tangent, aux), (2 * x, 2 * x, x))


def test_linear_transpose(x):
    f = lambda a, b: 2 * a[::-1] + b.sum() * jnp.ones(3)
    back = ferax.linear_transpose(f, x, ferax.ShapeDtypeStruct((2,), jnp.float64))
    a, b = back(x)
    assert_close(a, 2 * x[::-1])
    assert_close(b, jnp.full(2, x.sum()))


def test_the_same_operand_twice(x):
    assert_close(ferax.grad(lambda y: (y * y).sum())(x), 2 * x)
    assert_close(ferax.grad(lambda y: jnp.where(y > 0, y, y).sum())(x), jnp.ones(3))
    assert_close(ferax.grad(lambda y: jnp.concatenate([y, y, y]).sum())(x), jnp.full(3, 3.0))


def test_results_that_do_not_depend_on_the_argument(x):
    assert_close(ferax.grad(lambda y: jnp.sum(x))(x), jnp.zeros(3))
    assert_close(ferax.jacrev(lambda y: x)(x), jnp.zeros((3, 3)))
    assert_close(ferax.jacfwd(lambda y: x)(x), jnp.zeros((3, 3)))
    assert_close(ferax.vmap(lambda y: 3.0)(x), jnp.full(3, 3.0))
    assert ferax.vmap(lambda y: 3.0, out_axes=None)(x) == 3.0
    assert ferax.grad(lambda y: y)(2.0) == 1.0


def test_named_axes(x):
    xs = jnp.stack([x, 2 * x])
    mean = ferax.vmap(lambda y: y - lax.pmean(y, "batch"), axis_name="batch")(xs)
    assert_close(mean, xs - xs.mean(0))
    assert_close(ferax.vmap(lambda y: lax.axis_index("i") * y, axis_name="i")(xs), jnp.stack([0 * x, 2 * x]))
    g = ferax.grad(lambda ys: ferax.vmap(lambda y: (y * lax.psum(y, "i")).sum(), axis_name="i")(ys).sum())(xs)
    assert_close(g, 2 * jnp.stack([xs.sum(0)] * 2))
    both = ferax.vmap(ferax.vmap(lambda y: lax.psum(y, ("a", "b")), axis_name="b"), axis_name="a")(xs)
    assert_close(both, jnp.full((2, 3), xs.sum()))
