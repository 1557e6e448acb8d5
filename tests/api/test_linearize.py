"""`linearize`: evaluate once, push many tangents."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax


def test_linearize_agrees_with_jvp():
    f = lambda x, w: {"y": jnp.tanh(x @ w), "s": x.sum()}
    x, w = jnp.arange(3.0), jnp.ones((3, 2)) * 0.1
    y, push = ferax.linearize(f, x, w)
    for seed in range(2):
        rng = np.random.RandomState(seed)
        t = jnp.asarray(rng.randn(3), jnp.float32), jnp.asarray(rng.randn(3, 2), jnp.float32)
        y2, t_y = ferax.jvp(f, (x, w), t)
        ferax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), (y, push(*t)), (y2, t_y))


def test_the_function_runs_once():
    calls = []

    def f(x):
        calls.append(1)
        return jnp.sin(x)

    y, push = ferax.linearize(f, 1.0)
    push(1.0), push(2.0), push(jnp.float32(3))
    assert len(calls) == 1
    np.testing.assert_allclose(push(2.0), 2 * np.cos(1.0), rtol=1e-6)


def test_has_aux_integers_and_constants():
    y, push, aux = ferax.linearize(lambda x, i: ((x * i, i, 3.0), "x" and x), 2.0, 3, has_aux=True)
    assert y == (6, 3, 3) and aux == 2
    t = push(1.0, np.zeros((), ferax.float0))
    assert t[0] == 3 and t[1].dtype == ferax.float0 and t[2] == 0


def test_pushforwards_are_linear_functions():
    x = jnp.arange(1.0, 4.0)
    _, push = ferax.linearize(lambda x: jnp.log(x) * x, x)
    np.testing.assert_allclose(ferax.vmap(push)(jnp.eye(3)), np.diag(np.log(x) + 1), rtol=1e-6)
    np.testing.assert_allclose(ferax.jit(push)(x), (np.log(x) + 1) * x, rtol=1e-6)
    back = ferax.linear_transpose(push, x)
    np.testing.assert_allclose(back(x)[0], (np.log(x) + 1) * x, rtol=1e-6)
    pushed = ferax.jit(lambda x: ferax.linearize(jnp.sin, x)[1])(x)     # a pytree of residuals
    np.testing.assert_allclose(pushed(x), np.cos(x) * x, rtol=1e-6)


def test_through_control_flow():
    def f(x):
        y, _ = lax.scan(lambda c, t: (jnp.sin(c) * t, None), x, jnp.arange(1.0, 4.0))
        return lax.fori_loop(0, 3, lambda i, c: c * 1.5, y)

    y, push = ferax.linearize(f, 0.4)
    y2, t = ferax.jvp(f, (0.4,), (1.0,))
    np.testing.assert_allclose((y, push(1.0)), (y2, t), rtol=1e-6)


def test_refusals():
    _, push = ferax.linearize(lambda x: x * 2, jnp.ones(3))
    with pytest.raises(TypeError, match="must have the structure of the primals"):
        push(jnp.ones(3), jnp.ones(3))
    with pytest.raises(ValueError, match=r"tangent has shape \(2,\), but the primal has shape \(3,\)"):
        push(jnp.ones(2))
    with pytest.raises(TypeError, match="tangent has dtype int32"):
        push(jnp.ones(3, int))
    with pytest.raises(TypeError, match="expected a callable"):
        ferax.linearize(None, 1.0)
    with pytest.raises(TypeError, match="not a valid type"):
        ferax.linearize(lambda x: x, "a")
