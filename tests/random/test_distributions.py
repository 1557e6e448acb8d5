"""What samples keep besides their distributions, which `api_table_random` tests: distinct elements, bounds, independence."""

import numpy as np
import scipy.stats as st

import ferax
import ferax.numpy as jnp
from ferax import random

KEY = random.key(2024)
LEAST = 1e-3


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
