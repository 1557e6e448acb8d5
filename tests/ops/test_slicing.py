"""Slices, static and dynamic, and padding: values, derivatives, transposes and batching rules."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from rule_checks import check_batch, check_derivative, check_values, draw, primitives, transposed, vmap, x64

from ferax._src.ops import convert, dynamic_slicing as ds, joining, slicing

X = draw((4, 5))


def padded(x, value, config):
    """`pad` by NumPy."""
    for axis, (low, high, interior) in enumerate(config):
        n = x.shape[axis]
        size = n + max(n - 1, 0) * interior
        spread = np.full((*x.shape[:axis], size, *x.shape[axis + 1:]), value, x.dtype)
        spread[(slice(None),) * axis + (slice(None, None, interior + 1),)] = x
        cut = spread[(slice(None),) * axis + (slice(max(-low, 0), size - max(-high, 0)),)]
        widths = [(0, 0)] * x.ndim
        widths[axis] = (max(low, 0), max(high, 0))
        x = np.pad(cut, widths, constant_values=value)
    return x


# --- static slices and padding ------------------------------------------------------------------

@given(st.data())
@settings(max_examples=12)
def test_slice(data):
    shape = tuple(data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=2)))
    starts = tuple(data.draw(st.integers(0, n)) for n in shape)
    limits = tuple(data.draw(st.integers(s, n)) for s, n in zip(starts, shape))
    strides = data.draw(st.sampled_from([None, (1,) * len(shape), tuple(range(2, 2 + len(shape)))]))
    index = tuple(slice(*t) for t in zip(starts, limits, strides or (1,) * len(shape)))
    f = lambda x: slicing.slice(x, starts, limits, strides)
    with x64():
        x = draw(shape)
        check_values(f, lambda x: x[index], x, exact=True)
        check_derivative(f, x)
        check_batch(f, (x,), (data.draw(st.integers(0, len(shape))),))


@given(st.data())
@settings(max_examples=12)
def test_pad(data):
    shape = tuple(data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=2)))
    config = []
    for n in shape:
        interior = data.draw(st.integers(0, 2))
        size = n + max(n - 1, 0) * interior
        low = data.draw(st.integers(-size, 3))
        high = data.draw(st.integers(-(size + min(low, 0)), 3))
        config.append((low, high, interior))
    f = lambda x, v: slicing.pad(x, v, config)
    with x64():
        x, v = draw(shape), np.float64(7)
        check_values(f, lambda x, v: padded(x, v, config), x, v, exact=True)
        check_derivative(f, x, v)
        check_batch(f, (x, v), (data.draw(st.integers(0, len(shape))), None))


def test_pad_with_a_value_for_each_row():
    with x64():
        f = lambda x, v: slicing.pad(x, v, [(1, 2, 1), (-1, 0, 0)])
        check_batch(f, (X, np.float64(3)), (0, 0), (None, 0), (1, None))
        check_derivative(vmap(f, (0, 0)), np.stack([X, X]), np.array([1., 2.]))


def test_slice_in_dim_and_index_in_dim():
    check_values(lambda x: slicing.slice_in_dim(x, 1, -1, 2, axis=1), lambda x: x[:, 1:-1:2], X, exact=False, rtol=1e-5)
    check_values(lambda x: slicing.index_in_dim(x, -1, 0, keepdims=False), lambda x: x[-1].astype(np.float32), X, exact=True)
    assert slicing.slice_in_dim(convert.as_array(X), None, None).shape == X.shape
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 1 with size 5"):
        slicing.index_in_dim(X, 5, 1)


def test_a_slice_is_one_equation_and_so_is_its_transpose():
    f = lambda x: slicing.slice(x, (1, 0), (3, 5), (2, 1))
    assert primitives(f, X) == ["slice"]
    assert primitives(transposed(f, X.astype(np.float32)), np.ones((1, 5), np.float32)) == ["pad"]


# --- dynamic slices -----------------------------------------------------------------------------

def clamped(i, n, size):
    """A start index as dynamic slices take it: from the front, moved to where the slice fits."""
    return int(np.clip(i + size if i < 0 else i, 0, size - n))


@pytest.mark.parametrize("start", [(0, 0), (2, 3), (9, 1), (-1, -2), (-9, 2)])
def test_dynamic_slice(start):
    window = (2, 3)
    i, j = (clamped(s, n, size) for s, n, size in zip(start, window, X.shape))
    start = np.array(start, np.int32)
    with x64():
        take = lambda x, s: ds.dynamic_slice(x, s, window)
        check_values(take, lambda x, s: x[i:i + 2, j:j + 3], X, start, exact=True)
        plain = lambda x: ds.dynamic_slice(x, [int(s) for s in start], window)
        check_values(plain, lambda x: x[i:i + 2, j:j + 3], X, exact=True)

        def put_oracle(x, u, s):
            x = x.copy()
            x[i:i + 2, j:j + 3] = u
            return x
        put = lambda x, u, s: ds.dynamic_update_slice(x, u, s)
        check_values(put, put_oracle, X, draw(window, 1), start, exact=True)


def test_dynamic_slices_have_derivatives():
    s = np.array([1, 2], np.int32)
    with x64():
        check_derivative(lambda x: ds.dynamic_slice(x, s, (2, 3)), X)
        put = lambda x, u: ds.dynamic_update_slice(x, u, s)
        check_derivative(put, X, draw((2, 2), 1))
        check_derivative(put, X, draw((2, 2), 1), active=[0])
        check_derivative(put, X, draw((2, 2), 1), active=[1])


def test_dynamic_slices_are_batched():
    i, j, u = np.int32(1), np.int32(2), draw((2, 5), 1)
    with x64():
        take = lambda x, i, j: ds.dynamic_slice(x, (i, j), (2, 2))
        check_batch(take, (X, i, j), (0, None, None), (2, None, None), (None, 0, None), (1, 0, 0), (None, None, 0))
        put = lambda x, u, i: ds.dynamic_update_slice(x, u, (i, 0))
        check_batch(put, (X, u, i), (0, None, None), (None, 1, None), (2, 0, 0), (None, None, 0))

        rows = np.array([0, 3, -1, 9], np.int32)          # each row with its own start, some of them moved
        got = np.asarray(vmap(lambda x, i: ds.dynamic_slice(x, (i, 0), (2, 5)), (None, 0))(X, rows))
        np.testing.assert_array_equal(got, [X[s:s + 2] for s in (clamped(i, 2, 4) for i in rows)])
        got = np.asarray(vmap(lambda x, u, i: ds.dynamic_update_slice(x, u, (i, 0)), (None, None, 0))(X, u, rows))
        for y, i in zip(got, rows):
            s = clamped(i, 2, 4)
            np.testing.assert_array_equal(y[s:s + 2], u)
            np.testing.assert_array_equal(np.delete(y, [s, s + 1], 0), np.delete(X, [s, s + 1], 0))


def test_mapping_the_array_alone_keeps_a_slice_a_slice():
    x = np.ones((3, 4, 5), np.float32)
    f = vmap(lambda x, i: ds.dynamic_slice_in_dim(x, i, 2, allow_negative_indices=False), (0, None))
    assert primitives(f, x, np.int32(1)) == ["dynamic_slice"]
    # A mapped index along a dimension in which the slice cannot move makes no difference.
    f = vmap(lambda x, i: ds.dynamic_slice(x, (0, i), (2, 5), allow_negative_indices=False), (0, 0))
    assert primitives(f, x, np.ones(3, np.int32)) == ["dynamic_slice"]


def test_in_dim_forms():
    x = X.astype(np.float32)
    check_values(lambda x: ds.dynamic_slice_in_dim(x, 3, 2, axis=1), lambda x: x[:, 3:5], x, exact=True)
    check_values(lambda x: ds.dynamic_index_in_dim(x, -1, 1, keepdims=False), lambda x: x[:, -1], x, exact=True)
    wanted = x.copy()
    wanted[:, 2] = 1
    check_values(lambda x: ds.dynamic_update_index_in_dim(x, np.ones(4, np.float32), 2, 1), lambda x: wanted, x, exact=True)
    check_values(lambda x: ds.dynamic_update_slice_in_dim(x, np.ones((4, 1), np.float32), 2, 1), lambda x: wanted, x, exact=True)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_narrow_indices_reach_everywhere(dtype):
    """Positions that an index dtype has, in a dimension that it cannot count: neither they nor those from the end wrap around."""
    x = np.arange(300, dtype=np.float32)
    for i in (0, 100, 127, *((200, 255) if dtype == "uint8" else (-1, -128))):
        at, k = i % 300, np.asarray(i).astype(dtype)
        start = min(at, 298)
        np.testing.assert_array_equal(ds.dynamic_slice(x, (k,), (2,)), x[start:start + 2])
        assert np.asarray(ds.dynamic_index_in_dim(x, k, keepdims=False)) == at
        changed = np.asarray(ds.dynamic_update_index_in_dim(x, np.float32(-7), k, 0))
        np.testing.assert_array_equal(np.nonzero(changed != x)[0], [at])
        rows = vmap(lambda k: ds.dynamic_slice(x, (k,), (1,)), (0,))(np.array([k, k]))
        np.testing.assert_array_equal(rows, [[at], [at]])


def test_weak_types_of_updates():
    weak, strong = as_weak(np.ones(3, np.float32)), np.ones(1, np.float32)
    assert not ds.dynamic_update_slice(weak, strong, (0,)).weak_type and not ds.dynamic_update_slice(weak, weak, (0,)).weak_type


def as_weak(x):
    return convert.convert(convert.as_array(x), np.dtype(np.float32), True)


@pytest.mark.parametrize("call, error, text", [
    (lambda x: slicing.slice(x, (0, 0), (5, 5)), TypeError, "limit_indices must be less than or equal"),
    (lambda x: slicing.slice(x, (2, 0), (1, 5)), TypeError, "nor greater than limit_indices"),
    (lambda x: slicing.slice(x, (0,), (1,)), TypeError, "one entry for each dimension"),
    (lambda x: slicing.slice(x, (0, 0), (1, 1), (0, 1)), TypeError, "strides must be positive"),
    (lambda x: slicing.pad(x, np.int32(0), [(0, 0, 0)] * 2), TypeError, "must be same dtype"),
    (lambda x: slicing.pad(x, np.float32(0), [(-3, -3, 0), (0, 0, 0)]), ValueError, "not at least 0"),
    (lambda x: ds.dynamic_slice(x, (0,), (1, 1)), ValueError, "must match number of operand dimensions"),
    (lambda x: ds.dynamic_slice(x, (0, 0), (5, 1)), TypeError, "less than or equal to operand shape"),
    (lambda x: ds.dynamic_slice(x, (0., 0), (1, 1)), TypeError, "integers of the same type"),
    (lambda x: ds.dynamic_update_slice(x, np.ones((5, 1), np.float32), (0, 0)), TypeError, "smaller than operand shape"),
    (lambda x: ds.dynamic_slice(x, (-1, 0), (1, 1), allow_negative_indices=False), ValueError, "out of bounds"),
    (lambda x: ds.dynamic_slice(x, 0, (1, 1)), TypeError, "must be a sequence or an array of one dimension, got 0 of 0"),
    (lambda x: ds.dynamic_slice(x, np.zeros((1, 2), int), (1, 1)), ValueError, "sequence or an array of one dimension"),
    (lambda x: ds.dynamic_slice(x, (0, np.zeros(2, int)), (1, 1)), TypeError, r"must be scalars, got one of shape \(2,\)"),
    (lambda x: ds.dynamic_slice(x, (np.int8(0), np.int32(0)), (1, 1)), TypeError, "of the same type, got: int8, int32"),
    (lambda x: ds.dynamic_slice(x, (0, 0), (1,)), TypeError, r"one entry for each dimension, got slice_sizes \(1,\)"),
    (lambda x: ds.dynamic_slice(x, (0, 0), (1, -1)), TypeError, "slice_sizes must have sizes that are not negative"),
    (lambda x: ds.dynamic_slice(x, (0, 0), (1, 1.)), TypeError, r"slice_sizes must be a sequence of integers, got \(1, 1.0\)"),
    (lambda x: ds.dynamic_slice(x, (0, 0), (1, 1), allow_negative_indices=(True,)), ValueError, "one entry for each of 2 dimensions"),
    (lambda x: ds.dynamic_slice(x, (0, 0), (1, 1), allow_negative_indices=None), TypeError, "a bool or a sequence of them, got None"),
    (lambda x: ds.dynamic_slice_in_dim(x, np.zeros(2, int), 1), TypeError, r"must be scalars, got an index of shape \(2,\)"),
    (lambda x: ds.dynamic_index_in_dim(x, 0, 2), ValueError, "axis 2 is out of bounds"),
    (lambda x: ds.dynamic_update_slice(x, np.ones((1, 1), int), (0, 0)), TypeError, "same dtypes"),
    (lambda x: ds.dynamic_update_slice(x, np.ones(1, np.float32), (0, 0)), TypeError, "same rank"),
    (lambda x: ds.dynamic_update_index_in_dim(x, np.ones((1, 1, 5), np.float32), 0, 0), ValueError, "with or without the axis"),
    (lambda x: slicing.slice_in_dim(x, 0, 9), TypeError, "limit_indices must be less than or equal"),
    (lambda x: slicing.slice_in_dim(x, 0, 2, 1.5), TypeError, "stride must be an integer, got 1.5"),
    (lambda x: slicing.pad(x, np.float32(0), [(0, 0)] * 2), ValueError, r"triples \(low, high, interior\)"),
    (lambda x: slicing.pad(x, np.float32(0), None), TypeError, "sequence of triples"),
    (lambda x: slicing.pad(x, np.float32(0), [(0, 0, -1), (0, 0, 0)]), ValueError, "interior padding"),
    (lambda x: slicing.pad(x, np.zeros(1, np.float32), [(0, 0, 0)] * 2), ValueError, "must be a scalar"),
    (lambda x: joining.concatenate(3, 0), TypeError, "operands must be a sequence of arrays, got 3"),
    (lambda x: joining.concatenate([x, x], None), TypeError, "dimension must be an integer, got None"),
    (lambda x: joining.split(x, (2, 3)), ValueError, "Sum of sizes 5 must be equal to dimension 0"),
    (lambda x: joining.split(x, (5, -1)), ValueError, "nonnegative"),
    (lambda x: joining.unstack(x, 2), ValueError, "axis 2 is out of bounds"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(X.astype(np.float32))
