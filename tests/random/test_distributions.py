"""Samplers draw what they are said to draw: Kolmogorov-Smirnov and chi-square tests, with fixed keys.

A test that fails for a given key fails always, so the bound on the p-value only has to be small against the number of tests.
"""

import numpy as np
import pytest
import scipy.stats as st

import ferax
import ferax.numpy as jnp
from ferax import random

KEY = random.key(2024)
N = 4000
LEAST = 1e-3

CONTINUOUS = {
    "uniform": (lambda k: random.uniform(k, (N,)), st.uniform()),
    "uniform between": (lambda k: random.uniform(k, (N,), minval=-2.0, maxval=3.0), st.uniform(-2, 5)),
    "normal": (lambda k: random.normal(k, (N,)), st.norm()),
    "lognormal": (lambda k: random.lognormal(k, 0.7, (N,)), st.lognorm(0.7)),
    "truncated_normal": (lambda k: random.truncated_normal(k, -0.5, 2.0, (N,)), st.truncnorm(-0.5, 2)),
    "exponential": (lambda k: random.exponential(k, (N,)), st.expon()),
    "laplace": (lambda k: random.laplace(k, (N,)), st.laplace()),
    "logistic": (lambda k: random.logistic(k, (N,)), st.logistic()),
    "cauchy": (lambda k: random.cauchy(k, (N,)), st.cauchy()),
    "maxwell": (lambda k: random.maxwell(k, (N,)), st.maxwell()),
    "double_sided_maxwell": (lambda k: abs(random.double_sided_maxwell(k, 3.0, 2.0, (N,)) - 3) / 2, st.maxwell()),
    "gumbel": (lambda k: random.gumbel(k, (N,)), st.gumbel_r()),
    "gumbel high": (lambda k: random.gumbel(k, (N,), mode="high"), st.gumbel_r()),
    "gumbel highest": (lambda k: random.gumbel(k, (N,), mode="highest"), st.gumbel_r()),
    "rayleigh": (lambda k: random.rayleigh(k, 1.5, (N,)), st.rayleigh(scale=1.5)),
    "pareto": (lambda k: random.pareto(k, 2.5, (N,)), st.pareto(2.5)),
    "wald": (lambda k: random.wald(k, 1.5, (N,)), st.invgauss(1.5)),
    "triangular": (lambda k: random.triangular(k, -1.0, 0.5, 2.0, (N,)), st.triang(0.5, -1, 3)),
    "weibull_min": (lambda k: random.weibull_min(k, 1.5, 2.5, (N,)), st.weibull_min(2.5, scale=1.5)),
    "gamma": (lambda k: random.gamma(k, 2.5, (N,)), st.gamma(2.5)),
    "gamma of a small parameter": (lambda k: random.gamma(k, 0.3, (N,)), st.gamma(0.3)),
    "loggamma": (lambda k: random.loggamma(k, 0.3, (N,)), st.loggamma(0.3)),
    "beta": (lambda k: random.beta(k, 2.0, 0.7, (N,)), st.beta(2, 0.7)),
    "dirichlet": (lambda k: random.dirichlet(k, jnp.array([1.0, 2.0, 3.0]), (N,))[:, 0], st.beta(1, 5)),
    "f": (lambda k: random.f(k, 3.0, 7.0, (N,)), st.f(3, 7)),
    "t": (lambda k: random.t(k, 3.0, (N,)), st.t(3)),
    "ball": (lambda k: jnp.linalg.norm(random.ball(k, 3, 2, (N,)), axis=-1) ** 3, st.uniform()),
    "normal of complex numbers": (lambda k: random.normal(k, (N,), "complex64").imag, st.norm(scale=0.5**0.5)),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous(name):
    draw, distribution = CONTINUOUS[name]
    x = np.asarray(draw(random.fold_in(KEY, len(name))), np.float64)
    assert x.shape == (N,) and np.isfinite(x).all()
    assert st.kstest(x, distribution.cdf).pvalue > LEAST


DISCRETE = {
    "randint": (lambda k: random.randint(k, (N,), -3, 4), st.randint(-3, 4)),
    "randint of 8 bits": (lambda k: random.randint(k, (N,), 250, 256, "uint8"), st.randint(250, 256)),
    "bernoulli": (lambda k: random.bernoulli(k, 0.3, (N,)), st.bernoulli(0.3)),
    "bernoulli high": (lambda k: random.bernoulli(k, 0.3, (N,), mode="high"), st.bernoulli(0.3)),
    "rademacher": (lambda k: (random.rademacher(k, (N,)) + 1) // 2, st.bernoulli(0.5)),
    "geometric": (lambda k: random.geometric(k, 0.4, (N,)), st.geom(0.4)),
    "poisson of a small mean": (lambda k: random.poisson(k, 3.0, (N,)), st.poisson(3)),
    "poisson of a great mean": (lambda k: random.poisson(k, 30.0, (N,)), st.poisson(30)),
    "binomial of a small mean": (lambda k: random.binomial(k, 10, 0.3, (N,)), st.binom(10, 0.3)),
    "binomial of a great mean": (lambda k: random.binomial(k, 100, 0.7, (N,)), st.binom(100, 0.7)),
    "multinomial": (lambda k: random.multinomial(k, 10, jnp.broadcast_to(jnp.array([0.2, 0.5, 0.3]), (N, 3)))[:, 1],
                    st.binom(10, 0.5)),
    "categorical": (lambda k: random.categorical(k, jnp.log(jnp.array([0.3, 0.7])), shape=(N,)), st.bernoulli(0.7)),
    "categorical high": (lambda k: random.categorical(k, jnp.log(jnp.array([0.3, 0.7])), shape=(N,), mode="high"),
                         st.bernoulli(0.7)),
    "choice": (lambda k: random.choice(k, 7, (N,)), st.randint(0, 7)),
    "choice with p": (lambda k: random.choice(k, 2, (N,), p=jnp.array([0.3, 0.7])), st.bernoulli(0.7)),
    "choice without replacement": (
        lambda k: ferax.vmap(lambda k: random.choice(k, 5, (2,), replace=False))(random.split(k, N))[:, 1], st.randint(0, 5)),
    "permutation": (lambda k: ferax.vmap(lambda k: random.permutation(k, 5))(random.split(k, N))[:, 2], st.randint(0, 5)),
    "bits": (lambda k: random.bits(k, (N,)) % 11, st.randint(0, 11)),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete(name):
    draw, distribution = DISCRETE[name]
    x = np.asarray(draw(random.fold_in(KEY, len(name))))
    assert x.shape == (N,)
    # Numbers that are expected less than ten times are counted together.
    values = np.arange(int(distribution.ppf(1e-9)) - 1, int(distribution.ppf(1 - 1e-9)) + 2)
    expected = N * distribution.pmf(values)
    common = values[expected >= 10]
    counts = [np.count_nonzero(x == v) for v in common]
    expected = list(expected[np.isin(values, common)])
    counts.append(N - sum(counts))
    expected.append(max(N - sum(expected), 0.0))
    if expected[-1] < 1e-6:
        assert counts.pop() == 0
        expected.pop()
    assert st.chisquare(counts, np.array(expected) * N / sum(expected)).pvalue > LEAST


def test_choices_without_replacement_are_distinct():
    p = jnp.array([0.1, 0.2, 0.3, 0.15, 0.25])
    keys = random.split(KEY, 50)
    for drawn in (ferax.vmap(lambda k: random.choice(k, 5, (4,), replace=False, p=p))(keys),
                  ferax.vmap(lambda k: random.categorical(k, jnp.log(p), shape=(4,), replace=False))(keys),
                  ferax.vmap(lambda k: random.choice(k, 9, (4,), replace=False))(keys)):
        assert all(len(set(row)) == 4 for row in drawn.tolist())


def test_permutations_keep_the_elements():
    x = jnp.arange(60.0).reshape(5, 4, 3)
    for axis in range(3):
        found = np.asarray(random.permutation(KEY, x, axis))
        order = np.argsort(np.moveaxis(found, axis, 0)[:, 0, 0])
        assert np.array_equal(np.take(found, order, axis), x)
        assert np.array_equal(np.sort(random.permutation(KEY, x, axis, independent=True), axis), x)
    assert np.array_equal(np.sort(random.permutation(KEY, 5000)), np.arange(5000))


def test_bounds_are_kept():
    tiny = random.uniform(KEY, (20000,), "bfloat16", 0.0, 1.0)
    assert tiny.min() >= 0 and tiny.max() < 1
    x = random.truncated_normal(KEY, 0.0, 1e-3, (1000,))
    assert x.min() > 0 and x.max() < 1e-3
    assert np.all(np.asarray(random.randint(KEY, (100,), 5, 5)) == 5)
    assert np.all(np.asarray(random.randint(KEY, (100,), 5, -5)) == 5)
    assert set(random.randint(KEY, (20000,), 0, 256, "uint8").tolist()) == set(range(256))
    assert np.isinf(random.gumbel(KEY, (1000,))).sum() == 0


def test_different_keys_are_independent():
    a, b = [np.asarray(random.normal(k, (20000,))) for k in random.split(KEY)]
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    folded = np.asarray(ferax.vmap(lambda i: random.normal(random.fold_in(KEY, i)))(jnp.arange(4000)))
    assert st.kstest(folded.astype(np.float64), st.norm().cdf).pvalue > LEAST
