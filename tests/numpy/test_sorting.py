"""Sorting and sets against NumPy."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from numpy_compare import assert_close, check, check_gradient

import ferax
import ferax.numpy as jnp

X = (np.arange(12) * 7 % 5).reshape(3, 4).astype(np.float32)
WITH_NAN = np.where(X == 3, np.nan, X).astype(np.float32)
V = np.array([3, 1, 4, 1, 5, 1], np.int32)
C = np.array([1 + 2j, 1 - 1j, -3, 1 + 1j], np.complex64)
ROWS = np.array([[1, 2], [0, 1], [1, 2], [1, 1]])


@pytest.mark.parametrize("x", [X, WITH_NAN, V, C, X > 2])
def test_sort(x):
    for axis in (-1, 0, None):
        check(jnp.sort, np.sort, [x], {"axis": axis})
        check(jnp.argsort, lambda x, axis: np.argsort(x, axis, kind="stable"), [x], {"axis": axis})
    check(jnp.lexsort, np.lexsort, [[x, x]])


def test_descending():
    assert_close(jnp.sort(V, descending=True), np.sort(V)[::-1])
    assert_close(jnp.argsort(V, descending=True), np.array([4, 2, 0, 1, 3, 5]))     # equal elements keep their order
    assert np.isnan(jnp.sort(WITH_NAN.ravel(), descending=True)[0])


def test_more_of_sorting():
    check(jnp.lexsort, np.lexsort, [[V, -V % 2]])
    check(jnp.sort_complex, np.sort_complex, [C])
    assert jnp.sort_complex(X).dtype == jnp.complex64 and jnp.argsort(V, dtype="int8").dtype == jnp.int8
    part = np.asarray(jnp.partition(X, 2))
    assert (part[:, 2] == np.sort(X)[:, 2]).all() and (part[:, :2] <= part[:, 2:3]).all() and (part[:, 3:] >= part[:, 2:3]).all()
    where = np.asarray(jnp.argpartition(X, 2, axis=0))
    assert (np.take_along_axis(X, where, 0)[2] == np.sort(X, 0)[2]).all()
    for kth in (0, 3, -1):                              # where equal elements go, and the order of the rest
        k = kth % 6
        order = np.argsort(V, kind="stable")
        assert jnp.argpartition(V, kth).tolist() == [*order[:k + 1], *sorted(order[k + 1:])]
        assert jnp.partition(V, kth).tolist() == [*np.sort(V)[:k + 1], *np.sort(V)[k + 1:][::-1]]
    values, places = jnp.top_k(V, 2)
    assert values.tolist() == [5, 4] and places.tolist() == [4, 2]


@pytest.mark.parametrize("call, error, text", [
    (lambda: jnp.sort(V, kind="quicksort"), TypeError, "'kind' argument to sort is not supported"),
    (lambda: jnp.sort(X, 2), ValueError, "out of bounds"),
    (lambda: jnp.lexsort([]), TypeError, "need sequence of keys"),
    (lambda: jnp.lexsort([V, X]), ValueError, "same shape"),
    (lambda: jnp.partition(V, 6), ValueError, "out of bounds"),
    (lambda: jnp.partition(V, 1.5), TypeError, "kth must be an integer, got 1.5"),
    (lambda: jnp.top_k(V, 1.5), TypeError, "k must be an integer, got 1.5"),
    (lambda: jnp.top_k(V, 7), ValueError, "between 0 and the size of the axis, 6; got 7"),
    (lambda: jnp.partition(C, 1), NotImplementedError, "complex"),
    (lambda: ferax.jit(jnp.unique)(V), ferax.errors.ConcretizationTypeError, "size"),
    (lambda: jnp.unique(jnp.zeros(0), size=2), ValueError, "fill_value must be specified"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("x", [V, X, WITH_NAN, C, X > 2, np.zeros(0, np.float32), np.float32(2)])
def test_unique(x):
    check(jnp.unique, np.unique, [x], {"return_index": True, "return_inverse": True, "return_counts": True})
    check(jnp.unique, np.unique, [x], {"equal_nan": False})


@pytest.mark.parametrize("axis", [0, 1])
def test_unique_rows(axis):
    found = jnp.unique(ROWS, True, True, True, axis=axis)
    expected = np.unique(ROWS, True, True, True, axis=axis)
    assert_close(found, [e.ravel() if i == 2 else e for i, e in enumerate(expected)])


def test_unique_of_known_size():
    for size in (2, 4, 6):
        values, index, inverse, counts = ferax.jit(
            lambda x: jnp.unique(x, True, True, True, size=size, fill_value=-1))(V)
        assert values.tolist() == ([1, 3, 4, 5] + [-1] * 2)[:size]
        assert counts.tolist() == ([3, 1, 1, 1] + [0] * 2)[:size]
        assert index[:2].tolist() == [1, 0] and inverse.tolist() == [1, 0, 2, 0, 3, 0]
    assert jnp.unique(V, size=6).tolist() == [1, 3, 4, 5, 1, 1]
    assert jnp.unique(ROWS, axis=0, size=4, fill_value=9).tolist() == [[0, 1], [1, 1], [1, 2], [9, 9]]


def test_sets():
    check(jnp.union1d, np.union1d, [V, X])
    check(jnp.isin, np.isin, [X, V])
    check(jnp.isin, np.isin, [X, V], {"invert": True})
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        found = getattr(jnp, name)(V)
        assert_close(tuple(found), tuple(getattr(np, name)(V)))
        assert found.values is found[0]
    check(jnp.unique_values, lambda x: np.sort(np.unique_values(x)), [V])


@hypothesis.settings(max_examples=10)
@hypothesis.given(st.lists(st.integers(-3, 3), max_size=8))
def test_against_numpy(values):
    x = np.array(values, np.int32)
    check(jnp.sort, np.sort, [x])
    check(jnp.unique, np.unique, [x], {"return_counts": True, "return_inverse": True})
    check(lambda x: jnp.searchsorted(jnp.sort(x), x), lambda x: np.searchsorted(np.sort(x), x), [x])


def test_gradients():
    check_gradient(lambda x: jnp.sort(x, 0), np.random.default_rng(0).permutation(12).reshape(3, 4) / 4 - 1, step=1e-3)
    x = jnp.asarray(X)
    assert_close(ferax.vmap(jnp.sort)(x), np.sort(X))
    assert_close(ferax.vmap(lambda v: jnp.unique(v, size=4, fill_value=-1))(x[:, :4]),
                 np.stack([np.pad(np.unique(r), (0, 4 - len(np.unique(r))), constant_values=-1) for r in X]))
