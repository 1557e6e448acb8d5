"""Quantiles: quantile, percentile, median, and their versions that leave out nan.

The axes are brought together as the last one and sorted along it. The q-th of n elements is at ``q * (n - 1)``, between two
of them, from which ``method`` makes one; where nan is left out n is another for each row.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.numpy import reductions
from ferax._src.numpy.fusing import fused_optional
from ferax._src.numpy.gathering import take_along
from ferax._src.numpy.manipulation import index_tuple, moveaxis
from ferax._src.numpy.nan_reductions import isnan
from ferax._src.numpy.util import broadcast_to, choose, const, ensure_arraylike, promote_dtypes_inexact
from ferax._src.ops.broadcasting import broadcast_in_dim, expand_dims
from ferax._src.ops.compare import eq, le, lt
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.cumulative import cumsum
from ferax._src.ops.elementwise import add, ceil, div, floor, mul, sub
from ferax._src.ops.elementwise import max as ops_max
from ferax._src.ops.elementwise import min as ops_min
from ferax._src.ops.elementwise_bits import bitwise_not, bitwise_or
from ferax._src.ops.reduce import reduce_or
from ferax._src.ops.shape import iota, reshape
from ferax._src.ops.slicing import index_in_dim
from ferax._src.ops.sort import sort, sort_key_val
from ferax._src.ops.static import normalize_axes
from ferax._src.ops.zeros import full
from ferax._src.types import dtypes
from ferax._src.types.symbolic_dims import is_symbolic_dim

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf")
_int32 = np.dtype(np.int32)


def _at(rows, places):
    """From ``rows`` (..., n) what is at ``places`` (*q, ...), a place for each q and row: shape (*q, ...)."""
    n, count = rows.shape[-1], math.prod(rows.shape[:-1])
    q_shape = places.shape[:places.ndim - rows.ndim + 1]
    start = reshape(mul(iota(_int32, count), np.int32(n)), (1,) * len(q_shape) + rows.shape[:-1])
    return take_along(reshape(rows, (count * n,)), add(start, places), 0)


def _between(low_value, high_value, high_weight, method: str):
    if method == "lower":
        return low_value
    if method == "higher":
        return high_value
    if method == "nearest":
        return choose(le(high_weight, const(high_weight, 0.5)), low_value, high_value)
    if method == "midpoint":
        return mul(add(low_value, high_value), const(low_value, 0.5))
    dtype = high_weight.dtype
    low_weight = sub(const(high_weight, 1), high_weight)
    return add(mul(convert(low_value, dtype), low_weight), mul(convert(high_value, dtype), high_weight))


def _by_position(rows, q, method: str, missing):
    """The methods other than inverted_cdf. ``missing`` says where nan was, to be left out, or is None."""
    last = rows.ndim - 1
    n = rows.shape[-1]
    rows = sort(rows, dimension=last)
    dtype = q.dtype
    if missing is None:
        top = convert(n - 1, dtype) if is_symbolic_dim(n) else np.asarray(n - 1, dtype)[()]
        q = mul(q, top)
    else:
        count = reductions.sum(bitwise_not(missing), -1, dtype=dtype)
        q = expand_dims(q, tuple(range(q.ndim, q.ndim + last)))
        top = expand_dims(sub(count, const(count, 1)), tuple(range(q.ndim - last)))
        q = mul(q, top)
        top = broadcast_to(top, q.shape)
    low, high = floor(q), ceil(q)
    high_weight = sub(q, low)
    zero = const(q, 0)
    low, high = [convert(ops_max(ops_min(place, top), zero), _int32) for place in (low, high)]
    if missing is not None:
        return _between(_at(rows, low), _at(rows, high), high_weight, method)
    low_value, high_value = [take_along(rows, place, last) for place in (low, high)]
    if q.ndim:                                              # a vector of q comes first in the result
        low_value, high_value = moveaxis(low_value, -1, 0), moveaxis(high_value, -1, 0)
        high_weight = expand_dims(high_weight, tuple(range(1, low_value.ndim)))
    return _between(low_value, high_value, high_weight, method)


def _by_weight(rows, q, weights, missing):
    """inverted_cdf: the first element at which the weights so far reach their q-th part."""
    last = rows.ndim - 1
    n = rows.shape[-1]
    if weights is None:
        weights = full(rows.shape, 1, rows.dtype)
    bad = reduce_or(bitwise_or(lt(weights, const(weights, 0)), isnan(weights)), (last,))
    rows, weights = sort_key_val(rows, weights, dimension=last)
    weights = choose(isnan(rows), const(weights, 0), weights)
    so_far = cumsum(weights, last)
    total = index_in_dim(so_far, n - 1, last, keepdims=False)
    q = convert(expand_dims(q, tuple(range(q.ndim, q.ndim + last))), total.dtype)
    goal = mul(q, expand_dims(total, tuple(range(q.ndim - last))))
    before = lt(expand_dims(so_far, tuple(range(q.ndim - last))), expand_dims(goal, (goal.ndim,)))
    place = reductions.sum(before, -1, dtype=_int32)
    top = np.int32(n - 1)
    if missing is not None:
        count = reductions.sum(bitwise_not(missing), -1, dtype=_int32)
        bad = bitwise_or(bad, eq(count, np.int32(0)))
        top = broadcast_to(sub(count, np.int32(1)), place.shape)
    out = _at(rows, ops_max(ops_min(place, top), np.int32(0)))
    return choose(bad, const(out, np.nan), out)


@fused_optional(static=("axes", "method", "keepdims", "skip_nan"))
def _quantile(a, q, weights, *, axes, method, keepdims, skip_nan):
    if weights is None:
        (a,) = promote_dtypes_inexact(a)
    else:
        a, weights = promote_dtypes_inexact(a, weights)
        if weights.shape != a.shape:
            weights = broadcast_in_dim(weights, a.shape, axes)
    (q,) = promote_dtypes_inexact(q)
    rest = tuple([i for i in range(a.ndim) if i not in axes])
    kept = tuple([a.shape[i] for i in rest])
    n = math.prod([a.shape[i] for i in axes])
    rows, row_weights = [None if x is None else reshape(x, (*kept, n), (*rest, *axes)) for x in (a, weights)]
    if n == 0:
        out = full((*q.shape, *kept), np.nan, a.dtype)
    else:
        missing = isnan(rows)
        skipped = missing if skip_nan else None
        if method == "inverted_cdf":
            out = _by_weight(rows, q, row_weights, skipped)
        else:
            out = _by_position(rows, q, method, skipped)
        if not skip_nan:
            out = choose(reduce_or(missing, (missing.ndim - 1,)), const(out, np.nan), out)
    out = convert(out, a.dtype)
    return expand_dims(out, tuple([q.ndim + i for i in axes])) if keepdims else out


def _checked(name: str, a, q, axis, out, overwrite_input, method, keepdims, weights, skip_nan, scale=None):
    if overwrite_input or out is not None:
        raise ValueError(f"jax.numpy.{name} does not support overwrite_input=True or out != None")
    if method not in _METHODS:
        raise ValueError(f"method can only be one of {', '.join(map(repr, _METHODS))}; got {method!r}")
    a, q = ensure_arraylike(name, a, q)
    if dtypes.kind_of(a.dtype) == "c":
        raise ValueError("quantile does not support complex input, as the operation is poorly defined.")
    if q.ndim > 1:
        raise ValueError(f"q must be have rank <= 1, got shape {q.shape}")
    if scale is not None:
        (q,) = promote_dtypes_inexact(q)
        q = div(q, const(q, scale))
    axes = normalize_axes(None if axis is None else index_tuple(axis), a.ndim)
    if weights is not None:
        weights = ensure_arraylike(name, weights)
        if dtypes.kind_of(weights.dtype) == "c":
            raise ValueError("Weights cannot be complex types.")
        if method != "inverted_cdf":
            raise NotImplementedError(f"{method} doesn't support weights. Only method 'inverted_cdf' supports weights.")
        if weights.shape != a.shape:
            if axis is None:
                raise ValueError("Weights shape must match 'a' shape when axis is None.")
            if weights.shape != tuple([a.shape[i] for i in axes]):
                raise ValueError(f"Weights shape {weights.shape} must match reduction axes "
                                 f"{tuple([a.shape[i] for i in axes])}")
    return _quantile(a, as_array(q), weights, axes=axes, method=method, keepdims=bool(keepdims), skip_nan=skip_nan)


def quantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Quantiles: the values below which given parts of the elements lie.

    Parameters
    ----------
    a : array-like of real numbers
    q : number, or vector of them, between 0 and 1
    axis : int, tuple of int, or None for all axes
    out, overwrite_input : not supported
    method : "linear", "lower", "higher", "midpoint", "nearest" or "inverted_cdf": what to make of the two elements
        between which the quantile lies
    keepdims : whether the axes stay, with size 1
    weights : array-like of the shape of ``a``, or along the axes; only for "inverted_cdf"

    Returns
    -------
    array; for a vector q this is its first dimension. Where there is a nan the result is nan

    References
    ----------
    ``numpy.quantile``

    Examples
    --------
    >>> jnp.quantile(jnp.arange(5.), jnp.array([0.25, 0.6]))
    Array([1. , 2.4], dtype=float32)
    """
    return _checked("quantile", a, q, axis, out, overwrite_input, method, keepdims, weights, False)


def nanquantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Quantiles of the elements that are not nan.

    Parameters
    ----------
    a, q, axis, out, overwrite_input, method, keepdims, weights : as of `quantile`

    Returns
    -------
    array

    References
    ----------
    ``numpy.nanquantile``

    Examples
    --------
    >>> jnp.nanquantile(jnp.array([1., jnp.nan, 3.]), 0.25)
    Array(1.5, dtype=float32)
    """
    return _checked("nanquantile", a, q, axis, out, overwrite_input, method, keepdims, weights, True)


def percentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None,
               out_sharding=None):
    """Quantiles in percent: `quantile` with ``q`` between 0 and 100.

    Parameters
    ----------
    a, q, axis, out, overwrite_input, method, keepdims, weights : as of `quantile`
    out_sharding : sharding of the result, or None

    Returns
    -------
    array

    References
    ----------
    ``numpy.percentile``

    Examples
    --------
    >>> jnp.percentile(jnp.arange(5.), 25, method="lower")
    Array(1., dtype=float32)
    """
    return _checked("percentile", a, q, axis, out, overwrite_input, method, keepdims, weights, False, 100)


def nanpercentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Quantiles in percent of the elements that are not nan.

    Parameters
    ----------
    a, q, axis, out, overwrite_input, method, keepdims, weights : as of `percentile`

    Returns
    -------
    array

    References
    ----------
    ``numpy.nanpercentile``

    Examples
    --------
    >>> jnp.nanpercentile(jnp.array([1., jnp.nan, 3.]), 50)
    Array(2., dtype=float32)
    """
    return _checked("nanpercentile", a, q, axis, out, overwrite_input, method, keepdims, weights, True, 100)


def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """The element in the middle, or the mean of the two there.

    Parameters
    ----------
    a, axis, out, overwrite_input, keepdims : as of `quantile`

    Returns
    -------
    array

    References
    ----------
    ``numpy.median``

    Examples
    --------
    >>> jnp.median(jnp.array([4, 1, 3, 2]))
    Array(2.5, dtype=float32)
    """
    return _checked("median", a, 0.5, axis, out, overwrite_input, "midpoint", keepdims, None, False)


def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """The middle of the elements that are not nan.

    Parameters
    ----------
    a, axis, out, overwrite_input, keepdims : as of `quantile`

    Returns
    -------
    array

    References
    ----------
    ``numpy.nanmedian``

    Examples
    --------
    >>> jnp.nanmedian(jnp.array([1., jnp.nan, 3., 4.]))
    Array(3., dtype=float32)
    """
    return _checked("nanmedian", a, 0.5, axis, out, overwrite_input, "midpoint", keepdims, None, True)
