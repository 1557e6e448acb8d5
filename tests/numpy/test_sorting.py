"""Sorting and sets, beyond their rows in `api_table_sorting` and `api_table_sets`: where equal elements go, known sizes."""

import numpy as np

import ferax
import ferax.numpy as jnp

X = (np.arange(12) * 7 % 5).reshape(3, 4).astype(np.float32)
V = np.array([3, 1, 4, 1, 5, 1], np.int32)
ROWS = np.array([[1, 2], [0, 1], [1, 2], [1, 1]])


def test_more_of_sorting():
    assert jnp.sort_complex(X).dtype == jnp.complex64 and jnp.argsort(V, dtype="int8").dtype == jnp.int8
    for kth in (0, 3, -1):                              # where equal elements go, and the order of the rest
        k = kth % 6
        order = np.argsort(V, kind="stable")
        assert jnp.argpartition(V, kth).tolist() == [*order[:k + 1], *sorted(order[k + 1:])]
        assert jnp.partition(V, kth).tolist() == [*np.sort(V)[:k + 1], *np.sort(V)[k + 1:][::-1]]


def test_unique_of_known_size():
    for size in (2, 4, 6):
        values, index, inverse, counts = ferax.jit(
            lambda x: jnp.unique(x, True, True, True, size=size, fill_value=-1))(V)
        assert values.tolist() == ([1, 3, 4, 5] + [-1] * 2)[:size]
        assert counts.tolist() == ([3, 1, 1, 1] + [0] * 2)[:size]
        assert index[:2].tolist() == [1, 0] and inverse.tolist() == [1, 0, 2, 0, 3, 0]
    assert jnp.unique(V, size=6).tolist() == [1, 3, 4, 5, 1, 1]
    assert jnp.unique(ROWS, axis=0, size=4, fill_value=9).tolist() == [[0, 1], [1, 1], [1, 2], [9, 9]]


def test_what_jax_refuses():
    """Kept out of the rows of the table, which JAX runs too; see docs/differences.md."""
    assert jnp.partition(V > 2, 3).tolist() == [False, False, False, True, True, True]
    assert jnp.argpartition(V > 2, 2).tolist() == [1, 3, 5, 0, 2, 4]
    counts, edges = jnp.histogram(np.zeros((2, 0), np.float32), bins=2)
    assert counts.tolist() == [0, 0] and edges.tolist() == [0, 0.5, 1]
    assert jnp.quantile(3.0, 0.5, keepdims=True).shape == () and jnp.quantile(V, 1) == 5
    assert np.isnan(jnp.nanmedian(np.zeros(0, np.float32)))
    vector, matrix = np.arange(3.0), np.arange(6.0).reshape(3, 2) ** 2
    np.testing.assert_allclose(jnp.corrcoef(vector, matrix, rowvar=False), np.corrcoef(vector, matrix, rowvar=False), rtol=1e-5)
