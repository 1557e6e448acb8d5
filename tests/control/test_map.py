"""`lax.map` and `associative_scan` against NumPy."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax


@pytest.mark.parametrize("batch_size", [None, 1, 2, 3, 7, 100])
def test_map(batch_size):
    xs = {"a": np.arange(14, dtype=np.float32).reshape(7, 2), "b": np.arange(7)}
    f = lambda row: (jnp.sum(row["a"]) * row["b"], {"twice": row["a"] * 2})
    total, rest = lax.map(f, xs, batch_size=batch_size)
    np.testing.assert_allclose(total, xs["a"].sum(1) * xs["b"])
    np.testing.assert_allclose(rest["twice"], xs["a"] * 2)
    g = ferax.grad(lambda a: lax.map(lambda r: jnp.sin(r).sum(), a, batch_size=batch_size).sum())(xs["a"])
    np.testing.assert_allclose(g, np.cos(xs["a"]), rtol=1e-5, atol=1e-6)


def test_map_runs_a_batch_at_a_time():
    seen = []

    def f(x):
        ferax.debug.callback(lambda v: seen.append(float(v)), x)
        return x
    assert lax.map(f, np.float32([3, 1, 2])).tolist() == [3, 1, 2]
    ferax.effects_barrier()
    assert seen == [3, 1, 2]
    assert lax.map(lambda x: 1.0, jnp.zeros((0, 3)), batch_size=2).shape == (0,)


@pytest.mark.parametrize("call, error, text", [
    (lambda: lax.map(lambda x: x, jnp.ones(3), batch_size=-1), ValueError, "must be a positive integer, got -1"),
    (lambda: lax.map(lambda x: x, jnp.ones(3), batch_size=2.0), TypeError, "must be a positive integer, got 2.0"),
    (lambda: lax.map(lambda x: x, 1.0), ValueError, "no leading axis"),
    (lambda: lax.map(lambda x: x, (jnp.ones(2), jnp.ones(3)), batch_size=2), ValueError, "different leading axis sizes"),
])
def test_map_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 8, 13])
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan_of_sizes(n, reverse):
    x = np.arange(n) + 1
    expected = np.cumsum(x[::-1])[::-1] if reverse else np.cumsum(x)
    assert lax.associative_scan(jnp.add, x, reverse=reverse).tolist() == expected.tolist()


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_associative_scan_along_axes(axis):
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(lax.associative_scan(jnp.multiply, x, axis=axis), np.cumprod(x, axis), rtol=1e-5)
    np.testing.assert_allclose(ferax.jit(lambda x: lax.associative_scan(jnp.maximum, x, axis=axis))(x), np.maximum.accumulate(x, axis))


def test_associative_scan_of_what_does_not_commute():
    """Linear recurrences h = a h + b, composed as pairs (a, b)."""
    a, b = np.float32([0.5, 2, -1, 3, 0.1]), np.float32([1, 2, 3, 4, 5])
    compose = lambda f, g: (f[0] * g[0], f[1] * g[0] + g[1])
    recurrence = lambda a, b: lax.associative_scan(compose, (a, b))[1]
    h, expected = np.float32(0), []
    for x, y in zip(a, b):
        h = x * h + y
        expected.append(h)
    np.testing.assert_allclose(recurrence(a, b), expected, rtol=1e-5)
    by_scan = lambda a, b: lax.scan(lambda h, ab: (ab[0] * h + ab[1],) * 2, np.float32(0), (a, b))[1]
    for g, e in zip(ferax.grad(lambda *x: recurrence(*x).sum(), (0, 1))(a, b), ferax.grad(lambda *x: by_scan(*x).sum(), (0, 1))(a, b)):
        np.testing.assert_allclose(g, e, rtol=1e-4)
    np.testing.assert_allclose(ferax.vmap(recurrence, (None, 0))(a, np.stack([b, 2 * b])), np.stack([expected, 2 * np.array(expected)]),
                               rtol=1e-5)


@pytest.mark.parametrize("call, error, text", [
    (lambda: lax.associative_scan(jnp.add, (jnp.ones(2), jnp.ones(3))), ValueError, "must have the same first dimension"),
    (lambda: lax.associative_scan(jnp.add, jnp.ones(2), axis=1), ValueError, "out of bounds"),
    (lambda: lax.associative_scan(jnp.add, 1.0), ValueError, "got a scalar"),
    (lambda: lax.associative_scan(lambda a, b: (a, b), jnp.ones(4)), TypeError, "must answer a pytree like its arguments"),
    (lambda: lax.associative_scan(1, jnp.ones(4)), TypeError, "should be callable"),
])
def test_associative_scan_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
