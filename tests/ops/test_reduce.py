"""Reductions and cumulative operations against NumPy; their derivatives, transposes and batching rules."""

import ml_dtypes
import numpy as np
import pytest
from rule_checks import check_batch, check_derivative, check_values, distinct, draw, jvp, primitives, vjp, x64

from ferax._src.control import reductions as rg
from ferax._src.ops import arg_extrema as ae, base, compare, cumulative as cu, elementwise as el, reduce as re
from ferax._src.ops import elementwise_bits as bits, select

X = distinct((3, 4, 2))

REDUCTIONS = {
    "sum": (re.reduce_sum, np.sum), "prod": (cu.reduce_prod, np.prod),
    "max": (re.reduce_max, np.max), "min": (re.reduce_min, np.min),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axes", [(), (1,), (2, 0), (0, 1, 2)])
def test_reduction(name, axes):
    f, oracle = REDUCTIONS[name]
    x = X / 3 if name == "prod" else X
    with x64():
        check_values(lambda x: f(x, axes), lambda x: oracle(x, axis=axes), x)
        check_derivative(lambda x: f(x, axes), x, rtol=1e-5)
        if len(axes) < 3:
            check_batch(lambda x: f(x, axes), (x,), (0,), (2,))


@pytest.mark.parametrize("dtype", ["int8", "uint32", "float16", "bfloat16", "float32", "complex64"])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_dtypes(name, dtype):
    f, oracle = REDUCTIONS[name]
    dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))
    x = np.array([[1, 3, 2], [0, 2, 2]]).astype(dtype)
    if dtype.kind == "c":
        x = x + np.array([1, 0, -1], dtype) * np.complex64(1j)
    got = np.asarray(f(x, (1,)))
    wide = x.astype(np.float32) if dtype.kind == "V" else x
    assert got.dtype == dtype
    np.testing.assert_allclose(got.astype(wide.dtype), oracle(wide, axis=1), rtol=1e-2)


def test_bits():
    x = np.array([[6, 3, 7], [4, 0, 5]], np.uint8)
    for f, ufunc in ((re.reduce_and, np.bitwise_and), (re.reduce_or, np.bitwise_or), (re.reduce_xor, np.bitwise_xor)):
        check_values(lambda x: f(x, (1,)), lambda x: ufunc.reduce(x, 1), x, exact=True)
        check_values(lambda x: f(x, (0, 1)), lambda x: ufunc.reduce(x, None), x > 4, exact=True)
        check_batch(lambda x: f(x, (0,)), (x,), (0,), (1,))
    with pytest.raises(TypeError, match="float32"):
        re.reduce_and(np.ones(3, np.float32), (0,))


def test_nothing_to_reduce():
    x = np.zeros((0, 2), np.float32)
    for f, value in ((re.reduce_sum, 0), (cu.reduce_prod, 1), (re.reduce_max, -np.inf), (re.reduce_min, np.inf)):
        assert np.asarray(f(x, (0,))).tolist() == [value, value]
        (ct,) = vjp(lambda x: f(x, (0,)), [x], [np.ones(2, np.float32)])
        assert ct.shape == (0, 2)
    assert np.asarray(re.reduce_max(np.zeros((0,), np.int8), (0,))) == -128
    assert np.asarray(re.reduce_and(np.zeros((0,), bool), (0,)))


def test_nan_and_equal_values():
    x = np.array([[1., np.nan, 2.], [2., 2., 0.]])
    with x64():
        np.testing.assert_array_equal(np.asarray(re.reduce_max(x, (1,))), [np.nan, 2])
        (ct,) = vjp(lambda x: re.reduce_max(x, (0,)), [x[1]], [np.array(1.)])
        np.testing.assert_array_equal(ct, [0.5, 0.5, 0])


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_products_with_zeros(zeros):
    x = draw((5, 2), 3)
    x[:zeros, 0] = 0
    with x64():
        check_derivative(lambda x: cu.reduce_prod(x, (0,)), x)
        check_derivative(lambda x: cu.cumprod(x, 0), x)
        second = lambda x: jvp(lambda x: cu.reduce_prod(x, (0,)), [x], [np.ones((5, 2))])[1][0]
        check_derivative(second, x)


# --- where the extremum is ----------------------------------------------------------------------

@pytest.mark.parametrize("axis", [0, 1, 2])
def test_argmax(axis):
    x = np.round(X / 3)                                         # with equal values
    x[0, 1, 1] = x[2, 3, 1] = np.nan
    for f, oracle in ((ae.argmax, np.argmax), (ae.argmin, np.argmin)):
        got = np.asarray(f(x.astype(np.float32), axis, np.int16))
        assert got.dtype == np.int16
        np.testing.assert_array_equal(got, oracle(x, axis))
        ints = np.nan_to_num(x).astype(np.int32)
        check_values(lambda x: f(x, axis, np.int32), lambda x: oracle(x, axis).astype(np.int32), ints, exact=True)
    check_batch(lambda x: ae.argmax(x, axis, np.int32), (x.astype(np.float32),), (0,), (3,))
    assert np.asarray(ae.argmax(np.array([False, True, True]), 0, np.int32)) == 1
    assert np.asarray(ae.argmin(np.full(300, np.inf, np.float32), 0, np.uint8)) == 0


def test_argmax_has_no_derivative_and_no_empty_axis():
    (out,), (t,) = jvp(lambda x: ae.argmax(x, 0, np.int32), [np.ones(3, np.float32)], [np.ones(3, np.float32)])
    assert t.dtype.names == ("float0",)
    with pytest.raises(ValueError, match="non-empty"):
        ae.argmax(np.zeros((0, 2)), 0, np.int32)


# --- any function -------------------------------------------------------------------------------

def test_reduce_knows_the_monoids():
    x = X.astype(np.float32)
    for fun, init, name in ((base.add, 0., "reduce_sum"), (el.mul, 1., "reduce_prod"), (el.max, -np.inf, "reduce_max"),
                            (el.min, np.inf, "reduce_min"), (el.max, 0., "reduce"), (lambda a, b: a, 0., "reduce")):
        assert primitives(lambda x: rg.reduce(x, np.float32(init), fun, (1,)), x) == [name]
    flags = x > 0
    assert primitives(lambda x: rg.reduce(x, True, bits.bitwise_and, (0,)), flags) == ["reduce_and"]


def test_reduce_by_a_function():
    farther = lambda a, b: el.max(el.abs(a), el.abs(b))
    with x64():
        f = lambda x: rg.reduce(x, np.float64(0), farther, (0, 2))
        check_values(f, lambda x: np.abs(x).max((0, 2)), X)
        check_derivative(f, X)
        check_batch(f, (X,), (0,), (3,))


def test_reduce_of_several():
    def first_greatest(a, b):
        (x, i), (y, j) = a, b
        keep = bits.bitwise_or(compare.gt(x, y), bits.bitwise_and(compare.eq(x, y), compare.lt(i, j)))
        return select.select(keep, x, y), select.select(keep, i, j)
    index = np.broadcast_to(np.arange(4, dtype=np.int32)[:, None], (3, 4, 2))
    with x64():
        f = lambda x: rg.reduce((x, index), (np.float64(-np.inf), np.int32(0)), first_greatest, (1,))
        check_values(f, lambda x: (x.max(1), x.argmax(1).astype(np.int32)), X)
        check_derivative(f, X)
        check_batch(f, (X,), (1,))


def test_reduce_errors():
    x = np.ones(3, np.float32)
    with pytest.raises(ValueError, match="tree structure"):
        rg.reduce([x], np.float32(0), base.add, (0,))
    with pytest.raises(TypeError, match="dtypes should match"):
        rg.reduce(x, np.int32(0), lambda a, b: base.add(a, b), (0,))
    with pytest.raises(ValueError, match="non-scalar initial value"):
        rg.reduce(x, x, base.add, (0,))


# --- cumulative ---------------------------------------------------------------------------------

def logaddexp(x, axis):
    return np.logaddexp.accumulate(x, axis)


CUMULATIVE = {
    "cumsum": (cu.cumsum, np.cumsum), "cumprod": (cu.cumprod, np.cumprod),
    "cummax": (cu.cummax, lambda x, axis: np.maximum.accumulate(x, axis)),
    "cummin": (cu.cummin, lambda x, axis: np.minimum.accumulate(x, axis)),
    "cumlogsumexp": (cu.cumlogsumexp, logaddexp),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CUMULATIVE)
def test_cumulative(name, reverse):
    f, oracle = CUMULATIVE[name]
    x = distinct((2, 5)) / 3
    with x64():
        for axis in (0, 1):
            g = lambda x: f(x, axis, reverse)
            check_values(g, lambda x: np.flip(oracle(np.flip(x, axis), axis), axis) if reverse else oracle(x, axis), x)
            check_derivative(g, x)
        check_batch(g, (x,), (0,), (2,))


@pytest.mark.parametrize("name", CUMULATIVE)
def test_long_cumulative(name):
    f, oracle = CUMULATIVE[name]
    x = draw(5000, low=-1, high=1)
    x = x / 100 + 1 if name == "cumprod" else x
    with x64():
        check_values(lambda x: f(x), lambda x: oracle(x, 0), x)
        check_values(lambda x: f(x, 0, True), lambda x: oracle(x[::-1], 0)[::-1], x)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 8])
def test_cumulative_of_few(n):
    x = draw(n)
    with x64():
        for f, oracle in CUMULATIVE.values():
            check_values(lambda x: f(x), lambda x: oracle(x, 0), x)
            if n in (1, 3):
                check_derivative(lambda x: f(x, 0, True), x)


def test_cumulative_dtypes():
    x = np.array([1, 3, 2])
    for dtype in ("int8", "uint16", "complex64"):
        for f, oracle in (CUMULATIVE["cumsum"], CUMULATIVE["cumprod"], CUMULATIVE["cummax"]):
            got = np.asarray(f(x.astype(dtype)))
            assert got.dtype == dtype
            np.testing.assert_array_equal(got, oracle(x, 0).astype(dtype))
    infinite = np.array([-np.inf, -np.inf, 0, np.inf], np.float32)
    np.testing.assert_array_equal(np.asarray(cu.cumlogsumexp(infinite)), infinite)
    with pytest.raises(TypeError, match="bool"):
        cu.cumsum(x > 1)
    with pytest.raises(ValueError, match="axis 1 is out of bounds"):
        cu.cumsum(x, 1)


def test_derivatives_are_lean():
    x = X.astype(np.float32)
    f = lambda x, t: jvp(lambda x: re.reduce_sum(x, (0,)), [x], [t])[1]
    assert primitives(f, x, x) == ["reduce_sum", "reduce_sum"]
    f = lambda x, t: jvp(lambda x: cu.cumsum(x, 0), [x], [t])[1]
    assert primitives(f, x, x) == ["cumsum", "cumsum"]
    f = lambda x, t: jvp(lambda x: re.reduce_max(x, (0,)), [x], [t])[1]
    assert len(primitives(f, x, x)) <= 8
