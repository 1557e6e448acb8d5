"""Reductions, running sums, extremes and quantiles against NumPy."""

import warnings

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from numpy_compare import assert_close, check, check_gradient

import ferax
import ferax.numpy as jnp

X = (np.arange(24) * 7 % 11 - 3).reshape(2, 3, 4).astype(np.float32)
WITH_NAN = np.where(X == 4, np.nan, X).astype(np.float32)
INTS = (np.arange(24) * 5 % 7).reshape(2, 3, 4).astype(np.int32)
BOOLS = INTS > 2
MASK = (np.arange(12) % 3 > 0).reshape(3, 4)
AXES = [None, 0, -1, (0, 2), (1,), ()]

PLAIN = ["sum", "prod", "max", "min", "mean", "var", "std", "any", "all", "ptp"]
SKIPPING = ["nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd"]


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("axis", AXES)
def test_plain(name, axis):
    for keepdims in (False, True):
        check(getattr(jnp, name), getattr(np, name), [X], {"axis": axis, "keepdims": keepdims})


@pytest.mark.parametrize("name", [n for n in PLAIN if n != "ptp"])
def test_ints_and_bools(name):
    check(getattr(jnp, name), getattr(np, name), [INTS], {"axis": 1})
    check(getattr(jnp, name), getattr(np, name), [BOOLS], {"axis": (0, 1)})


@pytest.mark.parametrize("name", SKIPPING)
def test_skipping_nan(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for axis in (None, 1, (0, 2)):
            check(getattr(jnp, name), getattr(np, name), [WITH_NAN], {"axis": axis, "keepdims": axis == 1})
        only = np.array([[np.nan, np.nan], [1, np.nan]], np.float32)
        check(getattr(jnp, name), getattr(np, name), [only], {"axis": 1})
    check(getattr(jnp, name), getattr(np, name), [INTS])


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "any", "all", "nansum", "nanmean"])
def test_where(name):
    check(getattr(jnp, name), getattr(np, name), [X], {"axis": (1, 2), "where": MASK})


def test_initial():
    check(jnp.sum, np.sum, [X], {"initial": 3.0})
    check(jnp.max, np.max, [X], {"axis": 0, "initial": 5.0})
    check(jnp.min, np.min, [INTS], {"axis": 0, "where": MASK, "initial": 2})
    check(jnp.prod, np.prod, [np.zeros((0, 3), np.float32)], {"axis": 0})
    assert int(jnp.max(jnp.zeros(0), initial=2.0)) == 2


# What JAX gives, where NumPy gives something else: by function and dtype of the operand, dtype of the result.
RECORDED = {
    "sum": {"bool": "int32", "int8": "int32", "uint8": "uint32", "int32": "int32", "float16": "float16",
            "bfloat16": "bfloat16", "float32": "float32", "complex64": "complex64"},
    "mean": {"bool": "float32", "int8": "float32", "float16": "float16", "bfloat16": "bfloat16", "complex64": "complex64"},
    "var": {"bool": "float32", "int32": "float32", "float16": "float16", "bfloat16": "bfloat16", "complex64": "float32"},
    "max": {"bool": "bool", "int8": "int8", "uint8": "uint8", "bfloat16": "bfloat16"},
    "any": {"float32": "bool", "int8": "bool"},
    "cumsum": {"bool": "int32", "int8": "int8", "bfloat16": "bfloat16"},
    "cumulative_sum": {"bool": "int32", "int8": "int32", "uint8": "uint32"},
    "argmax": {"float32": "int32"},
    "median": {"int8": "float32", "bfloat16": "bfloat16"},
    "count_nonzero": {"float32": "int32"},
    "nansum": {"int8": "int32", "bfloat16": "bfloat16"},
}


@pytest.mark.parametrize("name, dtype, expected", [(n, d, e) for n, row in RECORDED.items() for d, e in row.items()])
def test_dtypes(name, dtype, expected):
    x = jnp.asarray(np.ones(3), dtype=dtype)
    assert str(getattr(jnp, name)(x).dtype) == expected
    assert not getattr(jnp, name)(x).weak_type


def test_weak_types_are_made_strong():
    for name in ("sum", "prod", "max", "mean", "var"):
        assert not getattr(jnp, name)(2.0).weak_type


def test_halves_are_summed_in_single_precision():
    x = jnp.full(4096, 1.0, dtype=jnp.bfloat16)
    assert float(jnp.sum(x)) == 4096 and float(jnp.mean(x)) == 1
    assert float(jnp.mean(jnp.full(4096, 300.0, jnp.float16))) == 300         # the sum is more than float16 holds


def test_promotion_of_integers():
    x = jnp.array([100, 100], jnp.int8)
    assert jnp.sum(x).dtype == jnp.int32 and int(jnp.sum(x)) == 200
    assert jnp.sum(x, promote_integers=False).dtype == jnp.int8 and int(jnp.sum(x, promote_integers=False)) == -56
    assert jnp.sum(x, dtype="float32").dtype == jnp.float32


@pytest.mark.parametrize("call, error, text", [
    (lambda: jnp.sum([1, 2]), TypeError, "sum requires ndarray or scalar arguments, got <class 'list'>"),
    (lambda: jnp.sum(X, axis=3), ValueError, "axis 3 is out of bounds for array of dimension 3"),
    (lambda: jnp.mean(X, axis=(0, 0)), ValueError, "duplicate value in"),
    (lambda: jnp.max(jnp.zeros((0, 2))), ValueError, "zero-size array to reduction operation max which has no identity"),
    (lambda: jnp.max(X, where=X > 0), ValueError, "does not have an identity"),
    (lambda: jnp.sum(X, out=X), NotImplementedError, "'out' argument to jnp.sum is not supported"),
    (lambda: jnp.sum(X, where=X), ValueError, "where must be None or a boolean array"),
    (lambda: jnp.sum(X, initial=np.ones(2)), ValueError, "initial value must be a scalar"),
    (lambda: jnp.var(X, ddof=1, correction=1), ValueError, "can't be provided simultaneously"),
    (lambda: jnp.argmax(jnp.zeros(0)), ValueError, "attempt to get argmax of an empty sequence"),
    (lambda: jnp.quantile(X, 0.5, method="foo"), ValueError, "method can only be"),
    (lambda: jnp.quantile(1j, 0.5), ValueError, "does not support complex"),
    (lambda: jnp.average(X, weights=np.arange(4)), ValueError, "Axis must be specified"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_moments():
    check(jnp.var, np.var, [X], {"axis": 1, "ddof": 1})
    check(jnp.std, np.std, [X], {"axis": (0, 1), "ddof": 2.5})
    check(jnp.var, np.var, [X + 1j * X[::-1]], {"axis": 2})
    check(jnp.var, np.var, [X], {"axis": 1, "mean": np.ones((2, 1, 4), np.float32)})
    assert np.isnan(jnp.var(jnp.ones(2), ddof=2))
    check(jnp.average, np.average, [X], {"axis": 2, "weights": np.arange(4.0)})
    check(jnp.average, np.average, [X], {"weights": X + 5, "axis": (0, 1), "returned": True})
    check(jnp.average, np.average, [INTS], {"axis": 0, "returned": True, "keepdims": True})
    check(jnp.count_nonzero, np.count_nonzero, [X], {"axis": 1, "keepdims": True})


@pytest.mark.parametrize("name", ["argmax", "argmin", "nanargmax", "nanargmin"])
def test_arguments(name):
    for axis in (None, 0, -1):
        check(getattr(jnp, name), getattr(np, name), [X], {"axis": axis, "keepdims": axis == 0})
        check(getattr(jnp, name), getattr(np, name), [WITH_NAN], {"axis": axis})
    assert int(getattr(jnp, name)(jnp.array([np.nan, np.nan]))) == (-1 if name.startswith("nan") else 0)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "nancumsum", "nancumprod"])
def test_running(name):
    for axis in (None, 0, 2):
        check(getattr(jnp, name), getattr(np, name), [X], {"axis": axis})
    check(getattr(jnp, name), getattr(np, name), [WITH_NAN], {"axis": 1})
    check(getattr(jnp, name), getattr(np, name), [BOOLS], {"axis": 1})


def test_running_of_the_standard():
    x = INTS[0]
    check(jnp.cumulative_sum, lambda x, **k: np.concatenate([np.zeros((1, 4), int), np.cumsum(x, 0)]), [x],
          {"axis": 0, "include_initial": True})
    check(jnp.cumulative_prod, lambda x: np.cumprod(x), [x[0]])
    with pytest.raises(ValueError, match="axis was not set"):
        jnp.cumulative_sum(x)


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf"])
def test_quantiles(method):
    for q in (0.3, np.array([0.0, 0.2, 1.0])):
        q = np.float32(q)
        for axis, keepdims in ((1, False), (None, True), ((0, 2), True)):
            check(jnp.quantile, np.quantile, [X, q], {"axis": axis, "method": method, "keepdims": keepdims})
        check(jnp.nanquantile, np.nanquantile, [WITH_NAN, q], {"axis": (0, 2), "method": method})
    check(jnp.quantile, np.quantile, [WITH_NAN, 0.5], {"axis": 1, "method": method})


def test_medians():
    check(jnp.median, np.median, [X], {"axis": (0, 1)})
    check(jnp.nanmedian, np.nanmedian, [WITH_NAN], {"axis": 2})
    check(jnp.percentile, np.percentile, [X, 30])
    check(jnp.nanpercentile, np.nanpercentile, [WITH_NAN, np.array([10.0, 60.0], np.float32)], {"axis": 1})
    check(jnp.quantile, np.quantile, [X, 0.4], {"weights": np.abs(X), "method": "inverted_cdf", "axis": 1})


@hypothesis.settings(max_examples=12)
@hypothesis.given(st.lists(st.integers(0, 3), max_size=3), st.data())
def test_shapes(shape, data):
    shape = tuple(shape)
    axis = tuple(data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True))) if shape else ()
    x = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    check(jnp.sum, np.sum, [x], {"axis": axis, "keepdims": True})
    if all(shape[i] for i in axis):
        check(jnp.max, np.max, [x], {"axis": axis})
        check(jnp.mean, np.mean, [x], {"axis": axis})


@pytest.mark.parametrize("fun", [
    lambda x: jnp.sum(x, 1), lambda x: jnp.mean(x, (0, 2), keepdims=True), lambda x: jnp.var(x, 1), lambda x: jnp.std(x, 0),
    lambda x: jnp.prod(x, 2), lambda x: jnp.max(x, 1), lambda x: jnp.nanmean(x, 1), lambda x: jnp.cumsum(x, 1),
    lambda x: jnp.cumprod(x, 1), lambda x: jnp.quantile(x, 0.3, axis=1), lambda x: jnp.average(x, 1, jnp.arange(3.0)),
    lambda x: jnp.sum(x, where=x > 0)])
def test_gradients(fun):
    rng = np.random.default_rng(1)
    check_gradient(fun, rng.permutation(24).reshape(2, 3, 4) / 8 - 1.2, step=1e-3, tolerance=2e-2)


def test_eager_and_jit_agree():
    for fun in (jnp.mean, jnp.std, lambda x: jnp.sum(x, 1, keepdims=True), lambda x: jnp.where(x > 1, x, 0)):
        assert_close(ferax.jit(fun)(jnp.asarray(X)), np.asarray(fun(jnp.asarray(X))))


def test_few_equations():
    eqns = [e.primitive.name for e in ferax.make_jaxpr(lambda x: jnp.mean(x, -1))(X).eqns]
    assert eqns == ["reduce_sum", "div"]
    assert [e.primitive.name for e in ferax.make_jaxpr(jnp.sum)(X).eqns] == ["reduce_sum"]
