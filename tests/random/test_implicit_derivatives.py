"""Samples of the gamma family by their parameters: the derivative that keeps a number's place in its distribution.

``F(x, a)`` stays the same, so ``dx/da = -(dF/da) / (dF/dx)``, with SciPy's distribution function. What is made of several such
numbers follows by the chain rule from the numbers themselves, drawn again with the keys that the sampler splits off.
"""

import numpy as np
import pytest
import scipy.stats

import ferax
import ferax.numpy as jnp
from ferax import random

N = 40
KEY = random.key(5)
DOUBLE = dict(shape=(N,), dtype="float64")


def slope(g, a):
    """Of gamma numbers by their parameter."""
    law, h = scipy.stats.gamma, 1e-5 * a
    far, near = (law.cdf(g, a + k * h) - law.cdf(g, a - k * h) for k in (2, 1))
    return -(8 * near - far) / (12 * h) / law.pdf(g, a)


def log_gamma(key, a):
    """Logarithms of gamma numbers, and their derivatives."""
    x = np.asarray(random.loggamma(key, a, **DOUBLE))
    return x, slope(np.exp(x), a) / np.exp(x)


def check(draw, a, expected):
    """The derivative of each of N numbers by the one parameter that all have."""
    found = ferax.jvp(draw, (jnp.float64(a),), (jnp.float64(1),))[1]
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-9)


@pytest.fixture(autouse=True)
def double():
    quick = ferax.config.jax_disable_most_optimizations
    ferax.config.update("jax_disable_most_optimizations", True)
    with ferax.enable_x64(True):
        yield
    ferax.config.update("jax_disable_most_optimizations", quick)


@pytest.mark.parametrize("a", [0.4, 2.5])
def test_gamma_and_loggamma(a):
    g = np.asarray(random.gamma(KEY, a, **DOUBLE))
    check(lambda a: random.gamma(KEY, a, **DOUBLE), a, slope(g, a))
    check(lambda a: random.loggamma(KEY, a, **DOUBLE), a, slope(g, a) / g)


def test_chisquare():
    x = np.asarray(random.chisquare(KEY, 3.0, **DOUBLE))
    check(lambda df: random.chisquare(KEY, df, **DOUBLE), 3.0, slope(x / 2, 1.5))


def test_beta():
    keys = random.split(KEY)
    (x, dx), (y, dy) = log_gamma(keys[0], 1.5), log_gamma(keys[1], 0.7)
    value = np.exp(x) / (np.exp(x) + np.exp(y))
    np.testing.assert_allclose(random.beta(KEY, 1.5, 0.7, **DOUBLE), value)
    check(lambda a: random.beta(KEY, a, 0.7, **DOUBLE), 1.5, value * (1 - value) * dx)
    check(lambda b: random.beta(KEY, 1.5, b, **DOUBLE), 0.7, -value * (1 - value) * dy)


def test_dirichlet():
    alpha = np.array([0.6, 1.5, 3.0])
    logs = np.asarray(random.loggamma(KEY, alpha, (N, 3), "float64"))
    by_own = slope(np.exp(logs), alpha) / np.exp(logs)
    p = np.exp(logs) / np.exp(logs).sum(-1, keepdims=True)
    found = ferax.jvp(lambda a: random.dirichlet(KEY, a, (N,), "float64"), (jnp.asarray(alpha),), (jnp.array([1.0, 0, 0]),))
    np.testing.assert_allclose(found[0], p)
    np.testing.assert_allclose(found[1], p * (np.eye(3)[0] - p[:, :1]) * by_own[:, :1], rtol=2e-6, atol=1e-9)


def test_f():
    keys = random.split(KEY)
    (upper, by_upper), (lower, by_lower) = log_gamma(keys[1], 1.5), log_gamma(keys[0], 3.5)
    value = np.exp(upper - lower) * 7 / 3
    np.testing.assert_allclose(random.f(KEY, 3.0, 7.0, **DOUBLE), value)
    check(lambda df: random.f(KEY, df, 7.0, **DOUBLE), 3.0, value * (by_upper / 2 - 1 / 3))
    check(lambda df: random.f(KEY, 3.0, df, **DOUBLE), 7.0, value * (1 / 7 - by_lower / 2))


def test_t():
    keys = random.split(KEY)
    normal, g = np.asarray(random.normal(keys[0], (N,), "float64")), np.asarray(random.gamma(keys[1], 1.5, **DOUBLE))
    value = normal * np.sqrt(1.5 / g)
    np.testing.assert_allclose(random.t(KEY, 3.0, **DOUBLE), value)
    check(lambda df: random.t(KEY, df, **DOUBLE), 3.0, value * (1 / 3.0 - slope(g, 1.5) / g / 2) / 2)


def test_generalized_normal():
    keys, p = random.split(KEY), 1.6
    g = np.asarray(random.gamma(keys[0], 1 / p, **DOUBLE))
    value = np.asarray(random.generalized_normal(KEY, p, **DOUBLE))
    np.testing.assert_allclose(abs(value), g ** (1 / p))
    by_p = -(np.log(g) + slope(g, 1 / p) / g / p) / p ** 2
    check(lambda p: random.generalized_normal(KEY, p, **DOUBLE), p, value * by_p)
