"""Arrays as sets: unique and its kin, union1d, isin.

`unique` sorts, and marks each element that differs from the one before. How many there are is not known while tracing:
there ``size`` says how many to give. Rows, for ``axis``, are sorted by all their elements as keys.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ferax._src.numpy.gathering import add_at, take_along
from ferax._src.numpy.histograms import search
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.manipulation import moveaxis
from ferax._src.numpy.nan_reductions import is_inexact, isnan
from ferax._src.numpy.reductions import all as jnp_all
from ferax._src.numpy.reductions import any as jnp_any
from ferax._src.numpy.util import choose, const, ensure_arraylike, promote_dtypes
from ferax._src.ops import sort as ops_sort
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.compare import eq, le, ne
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.cumulative import cumsum
from ferax._src.ops.elementwise import min as minimum
from ferax._src.ops.elementwise import sub
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not
from ferax._src.ops.reduce import reduce_or
from ferax._src.ops.select import select
from ferax._src.ops.shape import iota, reshape
from ferax._src.ops.slicing import index_in_dim, slice_in_dim
from ferax._src.ops.static import as_static_int, normalize_axis
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors

_COMPARE_ALL = 64       # up to so many, comparing with each is quicker than sorting and searching

_HINT = ("To make jnp.unique() compatible with JIT and other transforms, you can specify a concrete value for the size "
         "argument, which will determine the output size.")


@fused(static=("axis", "equal_nan"))
def sorted_unique(a, *, axis, equal_nan):
    """The slices along the axis sorted, whether each is the first of its kind, and where it came from."""
    rows = moveaxis(a, axis, 0)
    n, width = rows.shape[0], math.prod(rows.shape[1:])
    integer = dtypes.default_int_dtype()
    if n == 0 or width == 0:                                # slices without elements are all the same
        first = full((n,), False) if n == 0 else eq(iota(integer, n), 0)
        return rows, first, iota(integer, n)
    if dtypes.kind_of(a.dtype) == "c":
        rows = choose(isnan(rows), const(rows, np.nan), rows)
    flat = reshape(rows, (n, width))
    keys = [index_in_dim(flat, i, 1, keepdims=False) for i in range(width)]
    *keys, places = ops_sort.sort((*keys, iota(integer, n)), dimension=0, num_keys=width)
    rows = reshape(keys[0], rows.shape) if width == 1 else take_along(rows, places, 0)
    left, right = slice_in_dim(rows, 0, n - 1), slice_in_dim(rows, 1, n)
    differs = ne(left, right)
    if equal_nan and is_inexact(rows):
        differs = bitwise_and(differs, bitwise_not(bitwise_and(isnan(left), isnan(right))))
    differs = reduce_or(reshape(differs, (n - 1, width)), (1,))
    return rows, concatenate([full((1,), True), differs]), places


@fused(static=("size", "axis"))
def _first_ones(rows, first, places, *fill, size, axis):
    """``size`` unique slices, where they came from, to which each slice is equal, how often each occurs."""
    n = rows.shape[0]
    integer = dtypes.default_int_dtype()
    number = sub(cumsum(convert(first, integer), 0), integer.type(1))   # of the unique slice to which each is equal
    start = add_at(full((size,), 0, integer), select(first, number, full((n,), size, integer)), iota(integer, n))
    counts = add_at(full((size,), 0, integer), number, full((n,), 1, integer))
    inverse = add_at(full((n,), 0, integer), places, number)
    if n == 0:
        return full((size, *rows.shape[1:]), fill[0] if fill else 0, rows.dtype), start, inverse, counts
    out = take_along(rows, start, 0)
    if fill:
        real = le(iota(integer, size), index_in_dim(number, n - 1, 0, keepdims=False))
        out = choose(expand_dims(real, tuple(range(1, out.ndim))), out, convert(fill[0], out.dtype))
    return moveaxis(out, 0, axis), take_along(places, start, 0), inverse, counts


def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True, size=None,
           fill_value=None, sorted=True):  # noqa: A002
    """The different elements of an array, sorted.

    Parameters
    ----------
    ar : array-like
    return_index : whether to answer where each is found first
    return_inverse : whether to answer for each element of ``ar`` which of the result it is
    return_counts : whether to answer how often each occurs
    axis : int, to compare the slices along this axis; None compares the elements
    equal_nan : whether all nan are one element
    size : how many to give, needed where ``ar`` is not known while tracing: cut off, or filled up
    fill_value : what to fill up with, by default the smallest
    sorted : accepted for NumPy's sake; the result is always sorted

    Returns
    -------
    array, or tuple of arrays

    References
    ----------
    ``numpy.unique``

    Examples
    --------
    >>> jnp.unique(jnp.array([3, 1, 3]), return_counts=True)
    (Array([1, 3], dtype=int32), Array([1, 2], dtype=int32))
    """
    a = ensure_arraylike("unique", ar)
    shape = a.shape
    if size is not None:
        size = as_static_int(size, "size")
        if isinstance(size, int) and size < 0:
            raise TypeError(f"jnp.unique: size must not be negative, got {size}")
    elif isinstance(a, Tracer):
        a = a.concrete_value()
        if a is None:
            raise errors.ConcretizationTypeError(
                ensure_arraylike("unique", ar), f"The error arose for the first argument of jnp.unique(). {_HINT}")
    if axis is None:
        a = reshape(a, (a.size,))
    where = 0 if axis is None else normalize_axis(axis, a.ndim)
    if not a.shape[where] and size and fill_value is None:
        raise ValueError("jnp.unique: for zero-sized input with nonzero size argument, fill_value must be specified")
    rows, first, places = sorted_unique(a, axis=where, equal_nan=bool(equal_nan))
    fill = []
    if size is None:
        size = int(np.count_nonzero(np.asarray(first)))
    elif fill_value is not None:
        fill = [as_array(fill_value)]
    out, index, inverse, counts = _first_ones(rows, first, places, *fill, size=size, axis=where)
    if axis is None:
        inverse = reshape(inverse, shape)
    wanted = [x for x, asked in ((index, return_index), (inverse, return_inverse), (counts, return_counts)) if asked]
    return (out, *wanted) if wanted else out


class UniqueAll(NamedTuple):
    """What `unique_all` answers."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCounts(NamedTuple):
    """What `unique_counts` answers."""

    values: Array
    counts: Array


class UniqueInverse(NamedTuple):
    """What `unique_inverse` answers."""

    values: Array
    inverse_indices: Array


def unique_all(x, /, *, size=None, fill_value=None):
    """The different elements, where each is first, which each element is, and how often each occurs; each nan is its own.

    Parameters
    ----------
    x, size, fill_value : as of `unique`

    Returns
    -------
    named tuple (values, indices, inverse_indices, counts)

    References
    ----------
    ``numpy.unique_all``

    Examples
    --------
    >>> jnp.unique_all(jnp.array([3, 1, 3])).indices
    Array([1, 0], dtype=int32)
    """
    return UniqueAll(*unique(x, True, True, True, equal_nan=False, size=size, fill_value=fill_value))


def unique_counts(x, /, *, size=None, fill_value=None):
    """The different elements and how often each occurs; each nan is its own.

    Parameters
    ----------
    x, size, fill_value : as of `unique`

    Returns
    -------
    named tuple (values, counts)

    References
    ----------
    ``numpy.unique_counts``

    Examples
    --------
    >>> jnp.unique_counts(jnp.array([3, 1, 3])).counts
    Array([1, 2], dtype=int32)
    """
    return UniqueCounts(*unique(x, return_counts=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_inverse(x, /, *, size=None, fill_value=None):
    """The different elements and for each element which of them it is; each nan is its own.

    Parameters
    ----------
    x, size, fill_value : as of `unique`

    Returns
    -------
    named tuple (values, inverse_indices)

    References
    ----------
    ``numpy.unique_inverse``

    Examples
    --------
    >>> jnp.unique_inverse(jnp.array([3, 1, 3])).inverse_indices
    Array([1, 0, 1], dtype=int32)
    """
    return UniqueInverse(*unique(x, return_inverse=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_values(x, /, *, size=None, fill_value=None):
    """The different elements; each nan is its own.

    Parameters
    ----------
    x, size, fill_value : as of `unique`

    Returns
    -------
    array

    References
    ----------
    ``numpy.unique_values``

    Examples
    --------
    >>> jnp.unique_values(jnp.array([3, 1, 3]), size=3)
    Array([1, 3, 1], dtype=int32)
    """
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


def union1d(ar1, ar2, *, size=None, fill_value=None):
    """The different elements of two arrays together, sorted.

    Parameters
    ----------
    ar1, ar2 : array-likes, flattened
    size, fill_value : as of `unique`

    Returns
    -------
    array of one dimension

    References
    ----------
    ``numpy.union1d``

    Examples
    --------
    >>> jnp.union1d(jnp.array([3, 1]), jnp.array([2, 3]))
    Array([1, 2, 3], dtype=int32)
    """
    ar1, ar2 = ensure_arraylike("union1d", ar1, ar2)
    return unique(concatenate([ar1, ar2], axis=None), size=size, fill_value=fill_value)


@fused(static=("invert", "by_sorting"))
def _isin(x, among, *, invert, by_sorting):
    x, among = [as_array(v) for v in promote_dtypes(x, among)]
    among = reshape(among, (among.size,))
    if by_sorting:                                          # equal to its neighbour in the sorted list, if to any
        among = ops_sort.sort(among)
        place = minimum(search(among, x, "left"), np.int32(among.size - 1))
        neighbour = take_along(among, place, 0)
        return ne(x, neighbour) if invert else eq(x, neighbour)
    x = expand_dims(x, (x.ndim,))
    among = expand_dims(among, tuple(range(x.ndim - 1)))
    return jnp_all(ne(x, among), axis=-1) if invert else jnp_any(eq(x, among), axis=-1)


def isin(element, test_elements, assume_unique=False, invert=False, *, method="auto"):
    """Whether each element occurs among others.

    Parameters
    ----------
    element : array-like
    test_elements : array-like, flattened
    assume_unique : accepted for NumPy's sake
    invert : whether to say of each whether it does not occur
    method : "compare_all" compares all with all, "binary_search" and "sort" search in the sorted ``test_elements``, "auto"
        chooses by the sizes; the result is the same

    Returns
    -------
    array of bool, of the shape of ``element``

    References
    ----------
    ``numpy.isin``

    Examples
    --------
    >>> jnp.isin(jnp.array([1, 2, 3]), jnp.array([1, 3]))
    Array([ True, False,  True], dtype=bool)
    """
    if method not in ("auto", "compare_all", "binary_search", "sort"):
        raise ValueError(f"{method=} is not implemented; options are 'compare_all', 'binary_search', 'sort', and 'auto'")
    element, test_elements = ensure_arraylike("isin", element, test_elements)
    by_sorting = test_elements.size > _COMPARE_ALL if method == "auto" else method != "compare_all"
    return _isin(element, test_elements, invert=bool(invert), by_sorting=by_sorting and test_elements.size > 0)
