"""Products in groups: the functions, all modes under vmap, and what is refused; the rules are in `op_table_ragged`."""

import numpy as np
import pytest

import ferax
from ferax import lax
from ferax.lax import RaggedDotDimensionNumbers

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(5, 3)).astype("f"), RNG.normal(size=(3, 3, 2)).astype("f")
SIZES = np.array([2, 0, 2], np.int32)
COLUMNS = RaggedDotDimensionNumbers((((1,), (0,)), ((), ())), (1,), ())


def by_rows(x, w, sizes):
    out, start = np.zeros((len(x), w.shape[2]), "f"), 0
    for g, n in enumerate(sizes):
        out[start:start + n] = x[start:start + n] @ w[g]
        start += n
    return out


def by_columns(x, y, sizes):
    ends = np.cumsum(sizes)
    return np.stack([x[:, end - n:end] @ y[end - n:end] for n, end in zip(sizes, ends)])


def test_rows_and_columns():
    np.testing.assert_allclose(lax.ragged_dot(X, W, SIZES), by_rows(X, W, SIZES), rtol=1e-5, atol=1e-6)
    x, y = X.T, RNG.normal(size=(5, 2)).astype("f")
    np.testing.assert_allclose(lax.ragged_dot_general(x, y, SIZES, COLUMNS), by_columns(x, y, SIZES), rtol=1e-5, atol=1e-6)


def test_ragged_batches_are_an_ordinary_product():
    numbers = RaggedDotDimensionNumbers([[[2], [1]], [[0], [0]]], [0], [])
    x, y = RNG.normal(size=(2, 2, 3)).astype("f"), RNG.normal(size=(2, 3, 4)).astype("f")
    np.testing.assert_allclose(lax.ragged_dot_general(x, y, np.array([1, 1]), numbers), x @ y, rtol=1e-5, atol=1e-6)


def test_dtypes_and_precision():
    half = lax.ragged_dot(X.astype("float16"), W.astype("float16"), SIZES, preferred_element_type=np.float32, precision="highest")
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, by_rows(X, W, SIZES), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("axes", [(0, None, None), (None, 0, None), (None, None, 0), (1, 3, None), (0, None, 1), (0, 1, 0)])
def test_vmap(axes):
    given = [np.stack([x, np.roll(x, 1, 0)], d) if d is not None else x for x, d in zip((X, W, SIZES), axes)]
    rows = [[np.take(x, i, d) if d is not None else x for x, d in zip(given, axes)] for i in (0, 1)]
    np.testing.assert_allclose(ferax.vmap(lax.ragged_dot, axes)(*given), [by_rows(*row) for row in rows], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axes", [(2, None, None), (None, 0, None), (None, None, 0), (0, 2, 1)])
def test_vmap_of_columns(axes):
    operands = X.T, RNG.normal(size=(5, 2)).astype("f"), SIZES
    given = [np.stack([x, np.roll(x, 1, -1)], d) if d is not None else x for x, d in zip(operands, axes)]
    rows = [[np.take(x, i, d) if d is not None else x for x, d in zip(given, axes)] for i in (0, 1)]
    found = ferax.vmap(lambda *xs: lax.ragged_dot_general(*xs, COLUMNS), axes)(*given)
    np.testing.assert_allclose(found, [by_columns(*row) for row in rows], rtol=1e-5, atol=1e-5)


def test_dimension_numbers_are_values():
    numbers = RaggedDotDimensionNumbers([[[1], [1]], [[], []]], [0], [0])
    assert numbers == RaggedDotDimensionNumbers((((1,), (1,)), ((), ())), (0,), (0,)) and hash(numbers)
    assert (numbers.dot_dimension_numbers, numbers.lhs_ragged_dimensions, numbers.rhs_group_dimensions) == (
        (((1,), (1,)), ((), ())), (0,), (0,))
    with pytest.raises(AttributeError):
        numbers.lhs_ragged_dimensions = (1,)


def numbers(contract=((1,), (1,)), batch=((), ()), ragged=(0,), group=(0,)):
    return RaggedDotDimensionNumbers((contract, batch), ragged, group)


@pytest.mark.parametrize(("args", "error", "message"), [
    ((X, W, SIZES, numbers(ragged=(0, 1))), TypeError, "exactly one lhs ragged dimension"),
    ((X, W, SIZES, numbers(ragged=(2,))), TypeError, "got 2 for lhs of rank 2"),
    ((X, W, SIZES.astype("f"), numbers()), TypeError, "subtype of np.integer, got float32"),
    ((X, W, np.int32(3), numbers()), TypeError, "rank of group_sizes to be >=1"),
    ((X, W, SIZES[None], numbers()), TypeError, r"expected group_sizes to have shape \(3,\)"),
    ((X, W, SIZES, numbers(group=())), TypeError, "exactly one rhs group dimension"),
    ((X, W, SIZES, numbers(group=(3,))), TypeError, "got 3 for rhs of rank 3"),
    ((X, W, SIZES, numbers(group=(1,))), TypeError, "distinct from contracting"),
    ((X, W, SIZES[:2], numbers()), TypeError, "group dimension size to be 2, got 3"),
    ((X, W, SIZES, numbers(ragged=(1,))), TypeError, "zero group dimensions"),
    ((X, W, SIZES, (((1,), (1,)), ((), ()))), TypeError, "must be a RaggedDotDimensionNumbers, got tuple"),
    ((X[:, :2], W, SIZES, numbers()), TypeError, "contracting dimensions to have the same shape"),
    ((X, W, SIZES, numbers(), None, None, np.array([0])), NotImplementedError, "group_offset"),
])
def test_refused(args, error, message):
    with pytest.raises(error, match=message):
        lax.ragged_dot_general(*args)


def test_scaled_dot():
    x, y = RNG.normal(size=(2, 4, 8)).astype("f"), RNG.normal(size=(2, 8, 3)).astype("f")
    scales = (2.0 ** RNG.integers(-2, 3, (2, 4, 4))).astype("f")
    wanted = (x * np.repeat(scales, 2, 2)) @ y
    found = lax.scaled_dot(x, y, lhs_scale=ferax.numpy.asarray(scales).astype("float8_e8m0fnu"), preferred_element_type=np.float32)
    assert found.dtype == np.float32 and lax.scaled_dot(x, y).dtype == ferax.numpy.bfloat16
    np.testing.assert_allclose(found, wanted, rtol=0.05, atol=0.1)
    for kwargs, message in (({"lhs_scale": scales[:, :, :3]}, "must be divisible"), ({"lhs_scale": x}, "must be at least 2"),
                            ({"lhs_scale": scales[:, :2]}, "does not match scale dim size 2"), ({"rhs_scale": y[0]}, "same number of dim")):
        with pytest.raises(TypeError, match=message):
            lax.scaled_dot(x, y, **kwargs)
    with pytest.raises(TypeError, match="without dimension_numbers"):
        lax.scaled_dot(x[0, 0], y[0, :, 0])
