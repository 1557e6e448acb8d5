"""Taking elements out of an array and putting some in: delete, insert, trim_zeros; and functions of vectors along an axis."""

from __future__ import annotations

import operator

import numpy as np

from ferax._src.api.vmap import vmap
from ferax._src.numpy.gathering import take_along
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.manipulation import index_tuple, moveaxis
from ferax._src.numpy.sorting import argsort
from ferax._src.numpy.util import choose, ensure_arraylike
from ferax._src.ops.broadcasting import broadcast_shapes, broadcast_to, expand_dims, reduce_sum
from ferax._src.ops.compare import ge, lt
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import add, mul, sub
from ferax._src.ops.select import clamp
from ferax._src.ops.shape import iota, reshape
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.sort import sort
from ferax._src.ops.static import normalize_axes, normalize_axis
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors

_int32 = np.dtype(np.int32)


@fused(static=("axis",))
def _take(a, indices, *, axis):
    return take_along(a, indices, axis)


@fused(static=("axis",))
def _delete_unique(a, places, *, axis):
    """Delete at places that all differ: the i-th element left comes after as many of them as are before it."""
    n = a.shape[axis]
    places = reshape(convert(places, _int32), (places.size,))
    places = choose(lt(places, np.int32(0)), add(places, np.int32(n)), places)
    places = sort(clamp(np.int32(0), places, np.int32(n)))
    places = sub(places, iota(_int32, places.size))
    left = iota(_int32, n - places.size)
    passed = convert(ge(expand_dims(left, (0,)), expand_dims(places, (1,))), _int32)
    return take_along(a, add(left, reduce_sum(passed, (0,))), axis)


def delete(arr, obj, axis=None, *, assume_unique_indices=False):
    """An array without some of its slices along an axis.

    Parameters
    ----------
    arr : array-like
    obj : int, slice, integer array or boolean mask: which ones
    axis : int, or None for the flattened array
    assume_unique_indices : a promise that no index is there twice; then ``obj`` need not be known while tracing

    Returns
    -------
    array

    References
    ----------
    ``numpy.delete``

    Examples
    --------
    >>> jnp.delete(jnp.arange(5), jnp.array([1, 3]))
    Array([0, 2, 4], dtype=int32)
    """
    a = ensure_arraylike("delete", arr)
    if axis is None:
        a, axis = reshape(a, (a.size,)), 0
    axis = normalize_axis(axis, a.ndim)
    n = a.shape[axis]
    if not isinstance(obj, (slice, Tracer)) and np.ndim(obj) == 0 and not isinstance(obj, (bool, np.bool_)):
        i = normalize_axis(operator.index(obj), n, "index")
        return concatenate([slice_in_dim(a, 0, i, axis=axis), slice_in_dim(a, i + 1, n, axis=axis)], axis)
    if isinstance(obj, slice):
        mask = np.ones(n, bool)
        mask[obj] = False
    else:
        obj = ensure_arraylike("delete", obj)
        if assume_unique_indices and dtypes.kind_of(obj.dtype) in "iu":
            return _delete_unique(a, obj, axis=axis)
        if isinstance(obj, Tracer):
            raise errors.ConcretizationTypeError(
                obj, "'obj' array argument of jnp.delete(). With assume_unique_indices=True it need not be known.")
        given = np.asarray(obj)
        if given.dtype == bool:
            if given.shape != (n,):
                raise ValueError("np.delete(arr, obj): for boolean indices, obj must be one-dimensional with length matching "
                                 f"specified axis; got shape {given.shape} for size {n}.")
            mask = ~given
        elif given.dtype.kind in "iu":
            mask = np.ones(n, bool)
            mask[given] = False
        else:
            raise ValueError(f"np.delete(arr, obj): got obj.dtype={given.dtype}; must be integer or bool.")
    return _take(a, as_array(np.flatnonzero(mask).astype(np.int32)), axis=axis)


@fused(static=("axis", "at"))
def _insert_at(a, values, *, axis, at):
    """All values at one place that is known: no order to be found."""
    values = expand_dims(convert(values, a.dtype), tuple(range(max(a.ndim - values.ndim, 0))))
    values = moveaxis(values, 0, axis)                      # NumPy: the first dimension of the values is the one inserted
    values = broadcast_to(values, (*a.shape[:axis], values.shape[axis], *a.shape[axis + 1:]))
    return concatenate([slice_in_dim(a, 0, at, axis=axis), values, slice_in_dim(a, at, a.shape[axis], axis=axis)], axis)


@fused(static=("axis", "one", "scalar"))
def _insert(a, places, values, *, axis, one, scalar):
    n = a.shape[axis]
    values = expand_dims(convert(values, a.dtype), tuple(range(max(a.ndim - values.ndim, 0))))
    if scalar:                                              # NumPy: the first dimension of the values is the one inserted
        values = moveaxis(values, 0, axis)
    places = reshape(convert(places, _int32), (places.size,))
    if one:
        places = broadcast_to(places, (values.shape[axis],))
    (m,) = broadcast_shapes(places.shape, (values.shape[axis],))
    places = broadcast_to(places, (m,))
    places = clamp(np.int32(0), choose(lt(places, np.int32(0)), add(places, np.int32(n)), places), np.int32(n))
    shape = (*a.shape[:axis], m, *a.shape[axis + 1:])
    both = concatenate([broadcast_to(values, shape), a], axis)
    # What is inserted at i comes just before the i-th element: sort by 2i and 2i + 1.
    keys = concatenate([mul(places, np.int32(2)), add(mul(iota(_int32, n), np.int32(2)), np.int32(1))])
    return take_along(both, argsort(keys, dtype=_int32), axis)


def insert(arr, obj, values, axis=None):
    """An array with values put in along an axis.

    Parameters
    ----------
    arr : array-like
    obj : int, slice or vector of int: before which elements
    values : array-like that broadcasts to what is put in
    axis : int, or None for the flattened array

    Returns
    -------
    array of the dtype of ``arr``

    References
    ----------
    ``numpy.insert``

    Examples
    --------
    >>> jnp.insert(jnp.arange(3), 1, 9)
    Array([0, 9, 1, 2], dtype=int32)
    """
    a, values = ensure_arraylike("insert", arr, values)
    if axis is None:
        a, axis = reshape(a, (a.size,)), 0
    axis = normalize_axis(axis, a.ndim)
    if isinstance(obj, slice):
        places = as_array(np.arange(*obj.indices(a.shape[axis]), dtype=np.int32))
    else:
        places = ensure_arraylike("insert", np.zeros(0, np.int32) if not isinstance(obj, Array) and np.size(obj) == 0 else obj)
    if places.ndim > 1:
        raise ValueError(f"jnp.insert(): obj must be a slice, a one-dimensional array, or a scalar; got {obj}")
    if dtypes.kind_of(places.dtype) not in "iu":
        raise ValueError(f"jnp.insert(): index array must be integer typed; got {obj}")
    if places.ndim == 0 and not isinstance(places, Tracer):
        at = int(np.asarray(places))
        n = a.shape[axis]
        return _insert_at(a, values, axis=axis, at=min(max(at + n if at < 0 else at, 0), n))
    return _insert(a, places, values, axis=axis, one=places.size == 1, scalar=places.ndim == 0)


def trim_zeros(filt, trim="fb", axis=None):
    """An array without the zeros at its ends.

    Parameters
    ----------
    filt : array-like, known while tracing
    trim : "f" for the front, "b" for the back, "fb" for both
    axis : int or tuple of int, or None for all axes

    Returns
    -------
    array

    References
    ----------
    ``numpy.trim_zeros``

    Examples
    --------
    >>> jnp.trim_zeros(jnp.array([0, 0, 1, 0, 2, 0]))
    Array([1, 0, 2], dtype=int32)
    """
    filt = ensure_arraylike("trim_zeros", filt)
    if isinstance(filt, Tracer):
        raise errors.ConcretizationTypeError(filt, "Error arose in the `filt` argument of trim_zeros()")
    axes = normalize_axes(None if axis is None else index_tuple(axis), filt.ndim)
    nonzero = np.asarray(filt) != 0
    out = filt
    for i in axes:
        there = np.flatnonzero(nonzero.any(axis=tuple([k for k in range(filt.ndim) if k != i])))
        start, stop = (int(there[0]), int(there[-1]) + 1) if there.size else (0, 0)
        start = start if "f" in trim.lower() or not there.size else 0
        stop = stop if "b" in trim.lower() or not there.size else filt.shape[i]
        if "f" in trim.lower() or "b" in trim.lower():
            out = slice_in_dim(out, start, stop, axis=i)
    return out


# --- functions along axes -----------------------------------------------------------------------

def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    """Apply a function of vectors to all vectors along an axis.

    Parameters
    ----------
    func1d : function of a vector, and of the further arguments
    axis : int
    arr : array-like
    args, kwargs : further arguments of the function

    Returns
    -------
    array; what the function answers takes the place of the axis

    References
    ----------
    ``numpy.apply_along_axis``

    Examples
    --------
    >>> jnp.apply_along_axis(jnp.sum, 1, jnp.arange(6).reshape(2, 3))
    Array([ 3, 12], dtype=int32)
    """
    arr = ensure_arraylike("apply_along_axis", arr)
    axis = normalize_axis(axis, arr.ndim)

    def fun(vector):
        return func1d(vector, *args, **kwargs)
    for i in range(1, arr.ndim - axis):
        fun = vmap(fun, in_axes=i, out_axes=-1)
    for _ in range(axis):
        fun = vmap(fun, in_axes=0, out_axes=0)
    return fun(arr)


def apply_over_axes(func, a, axes):
    """Apply a function of an array and an axis for one axis after the other.

    Parameters
    ----------
    func : function of array and axis; its result has as many dimensions, or one less
    a : array-like
    axes : sequence of int

    Returns
    -------
    array with as many dimensions as ``a``

    References
    ----------
    ``numpy.apply_over_axes``

    Examples
    --------
    >>> jnp.apply_over_axes(jnp.sum, jnp.arange(6).reshape(2, 3), [0, 1])
    Array([[15]], dtype=int32)
    """
    a = ensure_arraylike("apply_over_axes", a)
    for axis in index_tuple(axes, "axes"):
        out = func(a, axis)
        if out.ndim == a.ndim - 1:
            out = expand_dims(out, (axis,))
        if out.ndim != a.ndim:
            raise ValueError("function is not returning an array of the correct shape: it answered shape "
                             f"{out.shape} for {a.shape}")
        a = out
    return a
