"""Finding places in sorted arrays, and counting: searchsorted, digitize, bincount, histogram and its kin."""

from __future__ import annotations

import math

import numpy as np

from ferax._src.control.while_loop import fori_loop
from ferax._src.numpy.ranges import linspace
from ferax._src.numpy.gathering import add_at, take_along
from ferax._src.numpy.util import (
    check_arraylike, choose, const, ensure_arraylike, promote_dtypes, promote_dtypes_inexact)
from ferax._src.ops.broadcasting import expand_dims, reduce_sum
from ferax._src.ops.compare import eq, ge, le, lt, ne
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import add, div, mul, sub
from ferax._src.ops.elementwise import max as ops_max
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not, bitwise_or, shift_left
from ferax._src.ops.elementwise_complex import imag, real
from ferax._src.ops.reduce import reduce_max, reduce_min
from ferax._src.ops.select import select
from ferax._src.ops.shape import reshape, rev
from ferax._src.ops.slicing import index_in_dim, slice_in_dim
from ferax._src.ops.static import as_static_int
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors

_int32 = np.dtype(np.int32)
_METHODS = ("scan", "scan_unrolled", "sort", "compare_all")
_FEW = 16           # so few elements are compared with all values at once
_MANY = 1 << 14     # so many do not lie in the quickest cache


# --- search -------------------------------------------------------------------------------------

def _before(a, b):
    """Whether ``a`` is before ``b`` in sorted order: nan is last, complex numbers go by real and then imaginary part."""
    kind = dtypes.kind_of(a.dtype)
    if kind == "c":
        return bitwise_or(_before(real(a), real(b)),
                          bitwise_and(bitwise_not(_before(real(b), real(a))), _before(imag(a), imag(b))))
    if kind == "f":
        return bitwise_or(lt(a, b), bitwise_and(ne(b, b), eq(a, a)))
    return lt(a, b)


def search(a, v, side: str):
    """Where in the sorted vector ``a`` the values ``v``, of the same dtype, would be put in; int32."""
    n = a.shape[0]

    def is_left_of(x):
        return _before(x, v) if side == "left" else bitwise_not(_before(v, x))

    if n <= _FEW:
        column = expand_dims(a, tuple(range(1, v.ndim + 1)))
        v = expand_dims(v, (0,))
        return reduce_sum(convert(is_left_of(column), _int32), (0,)) if n else full(v.shape[1:], 0, _int32)
    # `found` elements are known to be to the left; try whether twice, then once, ... as many more are.
    def with_as_many_as(step, found):
        more = add(found, step)
        inside = le(more, np.int32(n))
        return select(bitwise_and(inside, is_left_of(take_along(a, sub(more, np.int32(1)), 0))), more, found)

    found = full(v.shape, 0, _int32)
    top = n.bit_length() - 1
    if n > _MANY:                   # each step a pass over all values: their waits for memory overlap
        return fori_loop(0, top + 1, lambda k, found: with_as_many_as(shift_left(np.int32(1), sub(np.int32(top), k)), found), found)
    for k in range(top, -1, -1):
        found = with_as_many_as(np.int32(1 << k), found)
    return found


@fused(static=("side", "sorted_by"))
def _searchsorted(a, v, *sorter, side, sorted_by):
    a, v = [as_array(x) for x in promote_dtypes(a, v)]
    if sorted_by:
        a = take_along(a, sorter[0], 0)
    return search(a, v, side)


def searchsorted(a, v, side="left", sorter=None, *, method="scan"):
    """Where values would have to be put into a sorted vector to keep it sorted.

    Parameters
    ----------
    a : sorted vector
    v : array-like of values
    side : "left" to come before equal elements, "right" to come after
    sorter : indices that sort ``a``, if it is not sorted
    method : accepted for JAX's sake ("scan", "scan_unrolled", "sort" or "compare_all"); the result is the same

    Returns
    -------
    array of int32, of the shape of ``v``

    References
    ----------
    ``numpy.searchsorted``

    Examples
    --------
    >>> jnp.searchsorted(jnp.array([1, 3, 3, 5]), jnp.array([3, 4]), side="right")
    Array([3, 3], dtype=int32)
    """
    if side not in ("left", "right"):
        raise ValueError(f"{side!r} is an invalid value for keyword 'side'. Expected one of ['left', 'right'].")
    if method not in _METHODS:
        raise ValueError(f"{method!r} is an invalid value for keyword 'method'. Expected one of {sorted(_METHODS)}.")
    arrays = ensure_arraylike("searchsorted", a, v, *([] if sorter is None else [sorter]))
    if arrays[0].ndim != 1:
        raise ValueError(f"a should be 1-dimensional, got shape {arrays[0].shape}")
    return _searchsorted(*arrays, side=side, sorted_by=sorter is not None)


@fused(static=("side",))
def _digitize(x, bins, *, side):
    x, bins = [as_array(v) for v in promote_dtypes(x, bins)]
    n = bins.shape[0]
    ascending = ge(index_in_dim(bins, n - 1, 0, keepdims=False), index_in_dim(bins, 0, 0, keepdims=False))
    return choose(ascending, search(bins, x, side), sub(np.int32(n), search(rev(bins, (0,)), x, side)))


def digitize(x, bins, right=False, *, method=None):
    """In which bin each value is: ``bins[i - 1] <= x < bins[i]`` gives i.

    Parameters
    ----------
    x : array-like
    bins : vector of bounds, ascending or descending
    right : whether the upper bound, instead of the lower one, belongs to a bin
    method : as of `searchsorted`

    Returns
    -------
    array of int32, of the shape of ``x``

    References
    ----------
    ``numpy.digitize``

    Examples
    --------
    >>> jnp.digitize(jnp.array([0.5, 2.5]), jnp.array([0., 1., 2.]))
    Array([1, 3], dtype=int32)
    """
    x, bins = ensure_arraylike("digitize", x, bins)
    if bins.ndim != 1:
        raise ValueError(f"digitize: bins must be a 1-dimensional array; got shape {bins.shape}")
    if method is not None and method not in _METHODS:
        raise ValueError(f"{method!r} is an invalid value for keyword 'method'. Expected one of {sorted(_METHODS)}.")
    if bins.shape[0] == 0:
        return full(x.shape, 0, _int32)
    return _digitize(x, bins, side="left" if right else "right")


# --- counting -----------------------------------------------------------------------------------

@fused(static=("length",))
def _count(x, *weights, length):
    dtype = weights[0].dtype if weights else dtypes.default_int_dtype()
    if dtypes.kind_of(x.dtype) == "i":
        x = ops_max(x, const(x, 0))
    ones = weights[0] if weights else full(x.shape, 1, dtype)
    return add_at(full((length,), 0, dtype), x, ones)


def bincount(x, weights=None, minlength=0, *, length=None, out_sharding=None):
    """How often each integer occurs.

    Parameters
    ----------
    x : vector of integers; negative ones count as 0
    weights : vector of what each element counts, by default 1
    minlength : smallest size of the result
    length : size of the result, needed where ``x`` is not known while tracing; larger integers are not counted
    out_sharding : sharding of the result, or None

    Returns
    -------
    array of one dimension

    References
    ----------
    ``numpy.bincount``

    Examples
    --------
    >>> jnp.bincount(jnp.array([0, 2, 2]), length=4)
    Array([1, 0, 2, 0], dtype=int32)
    """
    x = ensure_arraylike("bincount", x)
    if x.dtype == dtypes.bool_:
        x = convert(x, _int32)
    if dtypes.kind_of(x.dtype) not in "iu":
        raise TypeError(f"x argument to bincount must have an integer type; got {x.dtype}")
    if x.ndim != 1:
        raise ValueError(f"only 1-dimensional input supported, got shape {x.shape}")
    minlength = as_static_int(minlength, "minlength")
    if length is None:
        if isinstance(x, Tracer) and x.concrete_value() is None:
            raise errors.ConcretizationTypeError(
                x, "The error occurred because of argument 'x' of jnp.bincount. To avoid this error, pass a static `length` "
                "argument.")
        length = max(minlength, max(0, int(np.max(np.asarray(x)))) + 1 if x.size else 0)
    length = as_static_int(length, "length")
    if isinstance(length, int) and length < 0:
        raise TypeError(f"bincount: length must not be negative, got {length}")
    if weights is None:
        return _count(x, length=length)
    weights = ensure_arraylike("bincount", weights)
    if weights.shape != x.shape:
        raise ValueError(f"shape of weights must match shape of x, got {weights.shape} and {x.shape}")
    return _count(x, weights, length=length)


# --- histograms ---------------------------------------------------------------------------------

def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """The bounds of the bins of a histogram.

    Parameters
    ----------
    a : array-like
    bins : number of bins of equal width, or a vector of bounds
    range : pair of the lowest and the highest bound; by default the extremes of ``a``
    weights : ignored

    Returns
    -------
    array of one more than the number of bins

    References
    ----------
    ``numpy.histogram_bin_edges``

    Examples
    --------
    >>> jnp.histogram_bin_edges(jnp.array([0., 4.]), bins=2)
    Array([0., 2., 4.], dtype=float32)
    """
    if isinstance(bins, str):
        raise NotImplementedError("string values for `bins` not implemented.")
    a, edges = ensure_arraylike("histogram_bin_edges", a, bins)
    dtype = dtypes.to_inexact_dtype(a.dtype)
    if edges.ndim == 1:
        return convert(edges, dtype)
    n = as_static_int(bins, "bins argument of histogram_bin_edges")
    if range is None:
        if a.size == 0:
            low, high = full((), 0, dtype), full((), 1, dtype)
        else:
            axes = tuple(np.arange(a.ndim).tolist())
            low, high = convert(reduce_min(a, axes), dtype), convert(reduce_max(a, axes), dtype)
    else:
        if np.shape(range) != (2,):
            raise ValueError(f"`range` must be either None or a sequence of scalars, got {range}")
        low, high = [convert(as_array(r), dtype) for r in range]
    low, high = _widened(low, high)
    return linspace(low, high, n + 1, dtype=dtype)


@fused
def _widened(low, high):
    """Bounds that are one and the same, moved apart."""
    same = eq(low, high)
    return choose(same, sub(low, const(low, 0.5)), low), choose(same, add(high, const(high, 0.5)), high)


@fused(static=("density",))
def _histogram(a, edges, weights, *, density):
    n = edges.shape[0]
    flat, weights = reshape(a, (a.size,)), reshape(weights, (weights.size,))
    (edges_like, flat) = promote_dtypes(edges, flat)
    i = search(edges_like, flat, "right")
    i = choose(eq(flat, index_in_dim(edges_like, n - 1, 0, keepdims=False)), np.int32(n - 1), i)
    counts = slice_in_dim(add_at(full((n,), 0, weights.dtype), i, weights), 1, n)
    if density:
        widths = sub(slice_in_dim(edges, 1, n), slice_in_dim(edges, 0, n - 1))
        counts, widths = promote_dtypes(counts, widths)
        counts = div(div(counts, widths), reduce_sum(counts, (0,)))
    return counts


def histogram(a, bins=10, range=None, weights=None, density=None):
    """How many values are in each bin.

    Parameters
    ----------
    a : array-like
    bins, range : as of `histogram_bin_edges`
    weights : array-like of the shape of ``a``: what each value counts
    density : whether to give the density, whose integral is 1, instead of counts

    Returns
    -------
    pair of arrays: counts, bounds of the bins

    References
    ----------
    ``numpy.histogram``

    Examples
    --------
    >>> jnp.histogram(jnp.array([0., 1., 4.]), bins=2)
    (Array([2., 1.], dtype=float32), Array([0., 2., 4.], dtype=float32))
    """
    if weights is None:
        check_arraylike("histogram", a, bins)
        (a,) = promote_dtypes_inexact(as_array(a))
        weights = full(a.shape, 1, a.dtype)
    else:
        a, _, weights = ensure_arraylike("histogram", a, bins, weights)
        if a.shape != weights.shape:
            raise ValueError(f"weights should have the same shape as a; got shapes {weights.shape} and {a.shape}.")
        a, weights = promote_dtypes_inexact(a, weights)
    edges = histogram_bin_edges(a, bins, range, weights)
    return _histogram(a, edges, weights, density=bool(density)), edges


def histogram2d(x, y, bins=10, range=None, weights=None, density=None):
    """How many points of the plane are in each rectangle of a grid.

    Parameters
    ----------
    x, y : vectors of one size
    bins : number of bins or bounds of them, for both axes, or a pair of these
    range : pair of ranges, one for each axis
    weights : vector of what each point counts
    density : whether to give the density instead of counts

    Returns
    -------
    tuple of three arrays: counts, bounds along x, bounds along y

    References
    ----------
    ``numpy.histogram2d``

    Examples
    --------
    >>> jnp.histogram2d(jnp.array([0., 1.]), jnp.array([0., 1.]), bins=2)[0]
    Array([[1, 0],
    [0, 1]], dtype=int32)
    """
    x, y = promote_dtypes(*ensure_arraylike("histogram2d", x, y))
    try:
        n = len(bins)
    except TypeError:
        n = 1
    if n not in (1, 2):
        bins = [as_array(np.asarray(bins) if isinstance(bins, (list, tuple)) else bins)] * 2
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"x and y must be vectors of one size, got shapes {x.shape} and {y.shape}")
    counts, edges = _histogramdd([x, y], bins, range, weights, density)
    return counts, edges[0], edges[1]


def histogramdd(sample, bins=10, range=None, weights=None, density=None):
    """How many points of a space are in each cell of a grid.

    Parameters
    ----------
    sample : array-like of shape (number of points, dimensions)
    bins : number of bins or bounds of them, for all dimensions, or a sequence of these
    range : sequence of a range, or None, for each dimension
    weights : vector of what each point counts
    density : whether to give the density instead of counts

    Returns
    -------
    pair: array of counts, list of the bounds along each dimension

    References
    ----------
    ``numpy.histogramdd``

    Examples
    --------
    >>> jnp.histogramdd(jnp.array([[0., 0.], [1., 1.]]), bins=2)[0]
    Array([[1, 0],
    [0, 1]], dtype=int32)
    """
    sample = ensure_arraylike("histogramdd", sample)
    if sample.ndim != 2:
        raise ValueError(f"histogramdd: sample must have two dimensions, points and their coordinates; got shape {sample.shape}")
    return _histogramdd([index_in_dim(sample, i, 1, keepdims=False) for i in np.arange(sample.shape[1]).tolist()],
                        bins, range, weights, density)


def _histogramdd(columns, bins, range, weights, density):
    n_dims, n = len(columns), columns[0].shape[0]
    if weights is None:
        columns = list(promote_dtypes_inexact(*columns))
    else:
        weights = ensure_arraylike("histogramdd", weights)
        if weights.shape != (n,):
            raise ValueError(f"should have one weight for each sample: got weights of shape {weights.shape} for {n} samples.")
        *columns, weights = promote_dtypes_inexact(*columns, weights)
    if range is not None and (len(range) != n_dims or any(r is not None and np.shape(r)[0] != 2 for r in range)):
        raise ValueError(f"For sample.shape={(n, n_dims)}, range must be a sequence of {n_dims} pairs or Nones; got {range=}")
    try:
        bins = list(bins)
    except TypeError:
        bins = [bins] * n_dims
    else:
        if len(bins) != n_dims:
            raise ValueError(f"should be a bin for each dimension: got {len(bins)} for {n_dims} dimensions.")
    bins = [b if np.ndim(b) == 0 else as_array(np.asarray(b) if isinstance(b, (list, tuple)) else b) for b in bins]
    edges = [histogram_bin_edges(x, b, None if range is None else range[i])
             for i, (x, b) in enumerate(zip(columns, bins))]
    extra = [] if weights is None else [weights]
    return _cells(*columns, *edges, *extra, n_dims=n_dims, density=bool(density)), edges


@fused(static=("n_dims", "density"))
def _cells(*arrays, n_dims, density):
    columns, edges, weights = arrays[:n_dims], arrays[n_dims:2 * n_dims], arrays[2 * n_dims:]
    sizes = [e.shape[0] - 1 for e in edges]
    cell = full(columns[0].shape, 0, _int32)
    outside = full(columns[0].shape, False)
    for x, e, n in zip(columns, edges, sizes):
        i = sub(search(*promote_dtypes(e, x), "right"), np.int32(1))
        i = choose(eq(x, index_in_dim(e, n, 0, keepdims=False)), np.int32(n - 1), i)
        outside = bitwise_or(outside, bitwise_or(lt(i, np.int32(0)), ge(i, np.int32(n))))
        cell = add(mul(cell, np.int32(n)), i)
    total = math.prod(sizes)
    cell = select(outside, full(cell.shape, total, _int32), cell)
    dtype = weights[0].dtype if weights else dtypes.default_int_dtype()
    ones = weights[0] if weights else full(cell.shape, 1, dtype)
    counts = reshape(add_at(full((total,), 0, dtype), cell, ones), tuple(sizes))
    if density:
        counts = convert(counts, columns[0].dtype)
        counts = div(counts, reduce_sum(counts, tuple(range(n_dims))))
        for k, (e, n) in enumerate(zip(edges, sizes)):
            width = sub(slice_in_dim(e, 1, n + 1), slice_in_dim(e, 0, n))
            counts = div(counts, expand_dims(width, tuple([d for d in range(n_dims) if d != k])))
    return counts
