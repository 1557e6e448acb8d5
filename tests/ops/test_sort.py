"""Sorting and the greatest elements against NumPy; derivatives and batching rules."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays as np_arrays
from rule_checks import arrays, check_batch, check_derivative, check_values, distinct, jvp, x64

from ferax._src.ops import sort as so
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types.avals import ShapedArray

SPECIAL = np.array([3, np.nan, -0., 0., -np.inf, 1, -np.nan, np.inf, -1, 0.], np.float32)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_sort(axis):
    x = distinct((3, 4, 2))
    with x64():
        f = lambda x: so.sort(x, axis)
        check_values(f, lambda x: np.sort(x, axis), x, exact=True)
        check_derivative(f, x)
        check_batch(f, (x,), (0,), (3,))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "float16", "float32", "complex64"])
def test_sort_dtypes(dtype):
    x = (np.array([3, 0, 2, 0, 1]) - (0 if dtype in ("bool", "uint32") else 2)).astype(dtype)
    if dtype == "complex64":
        x = x * (1 + 1j) + np.array([0, 1, -1, -2, 0], dtype) * 1j
    check_values(lambda x: so.sort(x), np.sort, x, exact=True)


def test_order_of_special_values():
    got, index = arrays(so.sort((SPECIAL, np.arange(10, dtype=np.int32)), num_keys=1))
    np.testing.assert_array_equal(index, np.argsort(SPECIAL, kind="stable"))    # zeros alike, and NaNs, in their order
    np.testing.assert_array_equal(got, SPECIAL[index])
    np.testing.assert_array_equal(np.signbit(got), np.signbit(SPECIAL[index]))


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "bfloat16", "float16", "float64"])
def test_special_values_of_all_floats(name):
    """In one order whatever the width: also of negative NaNs and zeros, and of what is sorted with them."""
    dtype = np.dtype(getattr(ml_dtypes, name, None) or name)
    x = np.where(np.isinf(SPECIAL) & (name == "float8_e4m3fn"), 100 * np.sign(SPECIAL), SPECIAL).astype(dtype)
    order = np.argsort(x.astype(np.float64), kind="stable")
    with x64():
        got, index = arrays(so.sort((x, np.arange(10)), num_keys=1))
        np.testing.assert_array_equal(index, order)
        np.testing.assert_array_equal(got.view(f"u{dtype.itemsize}") >> (8 * dtype.itemsize - 1),      # signs
                                      x[order].view(f"u{dtype.itemsize}") >> (8 * dtype.itemsize - 1))
        second = arrays(so.sort((np.zeros(10, np.int32), x, np.arange(10)), num_keys=2))[2]
        np.testing.assert_array_equal(second, order)


def test_complex_numbers_are_sorted_by_real_and_then_by_imaginary_part():
    parts = (np.inf, -0.0, 0.0, -1, 1)
    x = np.array([complex(a, b) for a in parts for b in parts], np.complex64)
    order = np.lexsort((x.imag, x.real))
    np.testing.assert_array_equal(arrays(so.sort((x, np.arange(25, dtype=np.int32))))[1], order)


@pytest.mark.parametrize("num_keys", [1, 2, 3])
def test_several_keys(num_keys):
    keys = [np.array([1., 0, 1, 0, np.nan, np.nan]), np.array([2, 2, 1, 2, 5, 4]), np.array([1., -1, 0, -2, 0, 0])]
    order = np.lexsort(keys[:num_keys][::-1])
    with x64():
        got = arrays(so.sort(keys, num_keys=num_keys))
        for g, k in zip(got, keys):
            np.testing.assert_array_equal(g, k[order])


@given(np_arrays(np.float32, st.integers(2, 8), elements=st.sampled_from(list(SPECIAL))))
@settings(max_examples=20)
def test_the_two_ways_of_comparing_agree(row):
    """Comparing as IEEE does, and in the total order as GPUs want it, put values in the same order."""
    for x, y in zip(row, row[1:]):
        same = [bool(np.asarray(eval_closed(c, x, y)[0])) for c in COMPARATORS]
        assert same[0] == same[1], (x, y)


def _comparator(total_order):
    scalar = ShapedArray((), np.float32)
    return trace_to_jaxpr(lambda x, y: [so.is_less(x, y, num_keys=1, total_order=total_order)], [scalar, scalar])


COMPARATORS = [_comparator(False), _comparator(True)]


def test_sort_key_val():
    keys, values = distinct((3, 4)), distinct((3, 4), 1)
    with x64():
        f = lambda k, v: so.sort_key_val(k, v, 0)
        order = np.argsort(keys, 0)
        check_values(f, lambda k, v: (np.take_along_axis(k, order, 0), np.take_along_axis(v, order, 0)), keys, values)
        check_derivative(f, keys, values)
        check_derivative(f, keys, values, active=[1])
        check_batch(f, (keys, values), (0, 2), (None, 1))


def test_empty():
    assert np.asarray(so.sort(np.zeros((0, 2)), 0)).shape == (0, 2)


# --- top_k --------------------------------------------------------------------------------------

@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("k", [0, 1, 3])
def test_top_k(axis, k):
    x = distinct((3, 4, 5))
    order = np.take(np.argsort(-x, axis, kind="stable"), range(k), axis)
    with x64():
        f = lambda x: so.top_k(x, k, axis=axis)
        check_values(f, lambda x: (np.take_along_axis(x, order, axis), order.astype(np.int32)), x)
        check_derivative(f, x)
        if k == 3:
            check_batch(f, (x,), (0,), (3,))


def test_top_k_takes_the_first_of_equal_ones():
    values, index = arrays(so.top_k(np.array([1, 3, 3, 2], np.int32), 3))
    assert values.tolist() == [3, 3, 2] and index.tolist() == [1, 2, 3] and index.dtype == np.int32


def test_indices_have_no_tangent():
    x = distinct((4,)).astype(np.float32)
    _, (t, t_index) = jvp(lambda x: so.top_k(x, 2), [x], [x])
    assert t.shape == (2,) and t_index.dtype.names == ("float0",)


@pytest.mark.parametrize("call, error, text", [
    (lambda x: so.sort([]), TypeError, "at least one operand"),
    (lambda x: so.sort([x], num_keys=2), ValueError, "num_keys=2 must be between 1 and"),
    (lambda x: so.sort(x, num_keys=2), ValueError, "num_keys=2 must equal 1"),
    (lambda x: so.sort(x, 2), ValueError, "dimension 2 is out of bounds"),
    (lambda x: so.sort([x, x[0]]), TypeError, "equal shapes"),
    (lambda x: so.sort([x], num_keys=None), TypeError, "num_keys must be an integer, got None"),
    (lambda x: so.sort(x, 0.5), TypeError, "dimension must be an integer, got 0.5"),
    (lambda x: so.sort_key_val(x, x[0]), TypeError, "equal shapes"),
    (lambda x: so.top_k(x, 1.5), TypeError, "k must be an integer, got 1.5"),
    (lambda x: so.top_k(x, 4), ValueError, "no larger than size along axis"),
    (lambda x: so.top_k(x, -1), ValueError, "nonnegative"),
    (lambda x: so.top_k(x.astype(np.complex64), 1), ValueError, "order"),
    (lambda x: so.top_k(np.float32(1), 1), ValueError, "out of bounds"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(np.ones((2, 3), np.float32))
