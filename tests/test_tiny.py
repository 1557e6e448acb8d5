"""Does the world still turn? The important things, each once, in a few seconds."""

import numpy as np
import pytest

import ferax as jax
import ferax.numpy as jnp
from ferax import lax


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=tolerance, atol=tolerance)


def test_arrays_compute():
    x = jnp.arange(6.0).reshape(2, 3)
    assert (x.shape, x.dtype, x.ndim, x.size) == ((2, 3), jnp.float32, 2, 6)
    close(x + 1, np.arange(1, 7).reshape(2, 3))
    close(jnp.sin(x).sum(axis=0), np.sin(np.arange(6.0)).reshape(2, 3).sum(axis=0))
    close(x @ x.T, [[5, 14], [14, 50]])
    close(x[1, ::-1], [5, 4, 3])
    close(jnp.where(x > 2, x, 0.0), [[0, 0, 0], [3, 4, 5]])
    assert isinstance(x, jax.Array) and isinstance(np.asarray(x), np.ndarray)
    assert float(x[0, 2]) == 2.0 and [float(v) for v in x[0]] == [0.0, 1.0, 2.0]


def test_dtypes_promote():
    assert (jnp.int8(1) + 1.0).dtype == jnp.float32
    assert (jnp.ones(2, jnp.bfloat16) * 2).dtype == jnp.bfloat16
    assert (jnp.ones(2, jnp.int32) + jnp.ones(2, jnp.uint8)).dtype == jnp.int32
    assert jnp.zeros(3).dtype == jnp.float32
    with jax.enable_x64(True):
        assert jnp.zeros(3).dtype == jnp.float64


def test_jit_compiles_once():
    traced = []

    @jax.jit
    def f(x, y):
        traced.append(x)
        return {"sum": x + y, "product": x * y}

    for _ in range(3):
        out = f(jnp.ones(3), 2.0)
    close(out["sum"], [3, 3, 3])
    close(out["product"], [2, 2, 2])
    assert len(traced) == 1 and isinstance(traced[0], jax.core.Tracer)


def test_static_arguments():
    @jax.jit
    def f(x, *, n):
        return x**n if n > 0 else x

    power = jax.jit(lambda x, n: x**n, static_argnums=1)
    close(power(jnp.float32(3), 4), 81)
    with pytest.raises(jax.errors.TracerBoolConversionError):
        f(1.0, n=2)


def test_grad():
    close(jax.grad(jnp.sin)(1.0), np.cos(1.0))
    close(jax.grad(jax.grad(jax.grad(jnp.sin)))(1.0), -np.cos(1.0))
    close(jax.jit(jax.grad(lambda x: jnp.sum(jnp.tanh(x) ** 2)))(jnp.zeros(3)), np.zeros(3))
    value, (gx, gy) = jax.value_and_grad(lambda x, y: x * y["a"], argnums=(0, 1))(2.0, {"a": 3.0})
    close([value, gx, gy["a"]], [6, 3, 2])


def test_forward_and_second_order():
    def f(x):
        return jnp.sum(jnp.sin(x) ** 2)

    x = jnp.linspace(0.0, 1.0, 4)
    out, tangent = jax.jvp(f, (x,), (jnp.ones(4),))
    close(out, np.sum(np.sin(x) ** 2))
    close(tangent, np.sum(np.sin(2 * np.asarray(x))))
    close(jax.hessian(f)(x), np.diag(2 * np.cos(2 * np.asarray(x))))
    close(jax.jacfwd(jnp.sin)(x), jax.jacrev(jnp.sin)(x))
    _, pullback = jax.vjp(jnp.sin, x)
    close(pullback(jnp.ones(4))[0], np.cos(x))


def test_vmap():
    x = jnp.arange(12.0).reshape(3, 4)
    close(jax.vmap(jnp.dot)(x, x), np.sum(np.arange(12.0).reshape(3, 4) ** 2, axis=1))
    close(jax.vmap(lambda a, b: a * b, in_axes=(0, None), out_axes=1)(x, jnp.ones(4)), x.T)
    per_example = jax.vmap(jax.grad(lambda w, row: jnp.dot(w, row) ** 2), in_axes=(None, 0))(jnp.ones(4), x)
    close(per_example, 2 * x.sum(axis=1, keepdims=True) * x)
    close(jax.vmap(lambda v: v - lax.pmean(v, "i"), axis_name="i")(x), x - x.mean(axis=0))


def test_transformations_nest():
    def f(x):
        return jnp.prod(jnp.exp(-x))

    x = jnp.linspace(0.1, 1.0, 6).reshape(2, 3)
    one_by_one = np.stack([jax.hessian(f)(row) for row in x])
    close(jax.jit(jax.vmap(jax.hessian(f)))(x), one_by_one)


def test_control_flow():
    carry, ys = lax.scan(lambda c, x: (c + x, c * x), 0.0, jnp.arange(5.0))
    close(carry, 10)
    close(ys, [0, 0, 2, 9, 24])
    close(jax.grad(lambda a: lax.scan(lambda c, _: (c * a, None), 1.0, length=3)[0])(2.0), 12)
    close(lax.while_loop(lambda x: x < 100, lambda x: x * 2, 1), 128)
    close(lax.fori_loop(0, 5, lambda i, x: x + i, 0), 10)
    absolute = jax.jit(lambda x: lax.cond(x < 0, lambda x: -x, lambda x: x, x))
    close([absolute(-2.0), absolute(3.0)], [2, 3])


def test_custom_rules():
    @jax.custom_jvp
    def twice(x):
        return 2 * x

    twice.defjvp(lambda primals, tangents: (twice(*primals), 10 * tangents[0]))
    close(jax.grad(twice)(1.0), 10)

    @jax.custom_vjp
    def clipped(x):
        return x

    clipped.defvjp(lambda x: (x, None), lambda _, ct: (jnp.clip(ct, -1, 1),))
    close(jax.grad(lambda x: 5 * clipped(x))(1.0), 1)


def test_random_numbers_are_reproducible():
    key = jax.random.key(0)
    a, b = jax.random.split(key)
    close(jax.random.uniform(a, (3,)), jax.random.uniform(a, (3,)), 0)
    assert not np.array_equal(jax.random.bits(a, (4,)), jax.random.bits(b, (4,)))
    draws = np.asarray(jax.random.normal(key, (10_000,)))
    assert abs(draws.mean()) < 0.05 and abs(draws.std() - 1) < 0.05


def test_pytrees():
    tree = {"a": [1, 2], "b": (3, None)}
    leaves, treedef = jax.tree.flatten(tree)
    assert leaves == [1, 2, 3] and jax.tree.unflatten(treedef, leaves) == tree
    assert jax.tree.map(lambda x: x + 1, tree) == {"a": [2, 3], "b": (4, None)}
    doubled = jax.jit(lambda t: jax.tree.map(lambda x: 2 * x, t))(tree)
    assert jax.device_get(doubled) == {"a": [2, 4], "b": (6, None)}


def test_jaxprs_are_shown():
    text = str(jax.make_jaxpr(lambda x: jnp.sin(x) * 2)(1.0))
    assert "sin" in text and "mul" in text and "f32[]" in text
    assert jax.eval_shape(lambda x: x @ x.T, jax.ShapeDtypeStruct((2, 3), jnp.float32)).shape == (2, 2)
    assert "stablehlo.sine" in jax.jit(jnp.sin).lower(1.0).as_text()


def test_a_network_learns():
    def loss(params, x, y):
        hidden = jax.nn.relu(x @ params["w1"] + params["b1"])
        return jnp.mean((hidden @ params["w2"] - y) ** 2)

    k1, k2, k3 = jax.random.split(jax.random.key(1), 3)
    x = jax.random.normal(k1, (64, 2))
    y = jnp.abs(x[:, :1] - x[:, 1:])
    params = {
        "w1": jax.random.normal(k2, (2, 16)),
        "b1": jnp.zeros(16),
        "w2": jax.random.normal(k3, (16, 1)) / 4,
    }

    @jax.jit
    def step(params):
        value, grads = jax.value_and_grad(loss)(params, x, y)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), value

    params, before = step(params)
    for _ in range(200):
        params, after = step(params)
    assert after < 0.05 * before
