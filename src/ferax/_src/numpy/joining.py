"""Joining arrays, taking them apart, repeating them: concatenate, stack, split, tile, repeat and their like."""

from __future__ import annotations

import math
import operator

import numpy as np

from ferax._src.numpy.gathering import add_at, take_along
from ferax._src.numpy.manipulation import atleast_1d, atleast_2d, atleast_3d, index_tuple
from ferax._src.numpy.util import cast, check_arraylike, ensure_arraylike, promote_dtypes
from ferax._src.ops import joining, shape as ops_shape
from ferax._src.ops.broadcasting import broadcast_in_dim_p, broadcast_to, expand_dims
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.cumulative import cumsum
from ferax._src.ops.static import as_static_int, normalize_axis
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors

_int32 = np.dtype(np.int32)


def _operands(name: str, arrays, dtype) -> list:
    """The arrays to join, in one dtype; an array stands for its rows."""
    if isinstance(arrays, (Array, np.ndarray)):
        arrays = list(joining.unstack(as_array(arrays)))
    elif not isinstance(arrays, (list, tuple)):
        if not hasattr(arrays, "__iter__"):
            check_arraylike(name, arrays)
        arrays = list(arrays)
    check_arraylike(name, *arrays)
    if dtype is not None:
        dtype = dtypes.check_user_dtype(dtype, name)
        return [as_array(cast(x, dtype)) for x in arrays]
    return [as_array(x) for x in promote_dtypes(*arrays)] if len(arrays) > 1 else [as_array(x) for x in arrays]


# --- joining ------------------------------------------------------------------------------------

def concatenate(arrays, axis=0, dtype=None):
    """Join arrays along an axis.

    Parameters
    ----------
    arrays : sequence of array-likes whose shapes agree but for that axis, or an array, which stands for its rows
    axis : int, or None to flatten the arrays before
    dtype : dtype of the result; by default what theirs promote to

    Returns
    -------
    array

    References
    ----------
    ``numpy.concatenate``

    Examples
    --------
    >>> jnp.concatenate([jnp.arange(2), jnp.ones(2)])
    Array([0., 1., 1., 1.], dtype=float32)
    """
    arrays = _operands("concatenate", arrays, dtype)
    if not arrays:
        raise ValueError("Need at least one array to concatenate.")
    if axis is None:
        return joining.concatenate([ops_shape.reshape(a, (a.size,)) for a in arrays], 0)
    if arrays[0].ndim == 0:
        raise ValueError("Zero-dimensional arrays cannot be concatenated.")
    return joining.concatenate(arrays, normalize_axis(axis, arrays[0].ndim))


def concat(arrays, /, *, axis=0):
    """Join arrays along an axis: `concatenate`, as the array API standard calls it.

    Examples
    --------
    >>> jnp.concat([jnp.ones((2, 1)), jnp.zeros((2, 2))], axis=1)
    Array([[1., 0., 0.],
           [1., 0., 0.]], dtype=float32)
    """
    return concatenate(arrays, axis=axis)


def stack(arrays, axis=0, out=None, dtype=None):
    """Join arrays of one shape along a new axis.

    Parameters
    ----------
    arrays : sequence of array-likes
    axis : where in the result the new axis is
    out : not supported
    dtype : dtype of the result; by default what theirs promote to

    Returns
    -------
    array

    References
    ----------
    ``numpy.stack``

    Examples
    --------
    >>> jnp.stack([jnp.arange(3), jnp.ones(3, int)], axis=1)
    Array([[0, 1],
           [1, 1],
           [2, 1]], dtype=int32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.stack is not supported.")
    arrays = _operands("stack", arrays, dtype)
    if not arrays:
        raise ValueError("Need at least one array to stack.")
    if any([a.aval.shape != arrays[0].aval.shape for a in arrays]):
        raise ValueError(f"All input arrays must have the same shape. Got {', '.join(str(a.shape) for a in arrays)}")
    return joining.stack(arrays, axis)


def unstack(x, /, *, axis=0):
    """The slices of an array along an axis, without it.

    Parameters
    ----------
    x : array-like of at least one dimension
    axis : int

    Returns
    -------
    tuple of arrays

    References
    ----------
    ``numpy.unstack``

    Examples
    --------
    >>> jnp.unstack(jnp.arange(6).reshape(2, 3))
    (Array([0, 1, 2], dtype=int32), Array([3, 4, 5], dtype=int32))
    """
    x = ensure_arraylike("unstack", x)
    if x.ndim == 0:
        raise ValueError("Unstack requires arrays with rank > 0, however a scalar array was passed.")
    return joining.unstack(x, axis)


def _at_least(name: str, arrays, place, dtype):
    arrays = place(*_operands(name, arrays, dtype))
    return arrays if isinstance(arrays, list) else [arrays]


def vstack(tup, dtype=None):
    """Join arrays as rows: along the first axis, vectors being rows of a matrix.

    Parameters
    ----------
    tup : sequence of array-likes
    dtype : dtype of the result, or None

    Returns
    -------
    array of at least two dimensions

    References
    ----------
    ``numpy.vstack``

    Examples
    --------
    >>> jnp.vstack([jnp.arange(3), jnp.ones(3, int)])
    Array([[0, 1, 2],
           [1, 1, 1]], dtype=int32)
    """
    return concatenate(_at_least("vstack", tup, atleast_2d, dtype), 0)


def hstack(tup, dtype=None):
    """Join arrays side by side: along the second axis, or the first for vectors.

    Parameters
    ----------
    tup : sequence of array-likes
    dtype : dtype of the result, or None

    Returns
    -------
    array

    References
    ----------
    ``numpy.hstack``

    Examples
    --------
    >>> jnp.hstack([jnp.arange(3), jnp.ones(2, int)])
    Array([0, 1, 2, 1, 1], dtype=int32)
    """
    arrays = _at_least("hstack", tup, atleast_1d, dtype)
    return concatenate(arrays, 0 if arrays[0].ndim == 1 else 1)


def dstack(tup, dtype=None):
    """Join arrays along the third axis.

    Parameters
    ----------
    tup : sequence of array-likes
    dtype : dtype of the result, or None

    Returns
    -------
    array of at least three dimensions

    References
    ----------
    ``numpy.dstack``

    Examples
    --------
    >>> jnp.dstack([jnp.arange(3), jnp.ones(3, int)]).shape
    (1, 3, 2)
    """
    return concatenate(_at_least("dstack", tup, atleast_3d, dtype), 2)


def column_stack(tup):
    """Join arrays as columns: along the second axis, vectors being columns of a matrix.

    Parameters
    ----------
    tup : sequence of array-likes

    Returns
    -------
    array of at least two dimensions

    References
    ----------
    ``numpy.column_stack``

    Examples
    --------
    >>> jnp.column_stack([jnp.arange(2), jnp.ones(2, int)])
    Array([[0, 1],
           [1, 1]], dtype=int32)
    """
    arrays = _operands("column_stack", tup, None)
    return concatenate([ops_shape.reshape(a, (a.size, 1)) if a.ndim < 2 else a for a in arrays], 1)


def append(arr, values, axis=None):
    """Join two arrays, flattened unless an axis is named.

    Parameters
    ----------
    arr, values : array-likes
    axis : int or None

    Returns
    -------
    array

    References
    ----------
    ``numpy.append``

    Examples
    --------
    >>> jnp.append(jnp.arange(3), 7)
    Array([0, 1, 2, 7], dtype=int32)
    """
    return concatenate([arr, values], axis)


def block(arrays):
    """Put together an array from nested lists of blocks: the innermost lists join along the last axis.

    Parameters
    ----------
    arrays : nested lists, all of one depth, of array-likes

    Returns
    -------
    array

    References
    ----------
    ``numpy.block``

    Examples
    --------
    >>> jnp.block([[jnp.eye(2), jnp.zeros((2, 1))], [jnp.ones((1, 3))]])
    Array([[1., 0., 0.],
           [0., 1., 0.],
           [1., 1., 1.]], dtype=float32)
    """
    depth = _depth(arrays)
    leaves = list(_leaves(arrays))
    check_arraylike("block", *leaves)
    ndim = max([depth, *[np.ndim(x) for x in leaves]])
    return _assembled(arrays, ndim, depth)


def _depth(arrays) -> int:
    if isinstance(arrays, tuple):
        raise ValueError(f"jax.numpy.block does not allow tuples, got {arrays}; use lists")
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise ValueError("jax.numpy.block does not allow empty list arguments")
    depths = {_depth(x) for x in arrays}
    if len(depths) > 1:
        raise ValueError(f"Mismatched list depths in jax.numpy.block: {sorted(depths)} in one list")
    return 1 + depths.pop()


def _leaves(arrays):
    if not isinstance(arrays, list):
        yield arrays
        return
    for x in arrays:
        yield from _leaves(x)


def _assembled(arrays, ndim: int, depth: int):
    if not isinstance(arrays, list):
        x = as_array(arrays)
        return expand_dims(x, tuple(range(ndim - x.ndim)))
    return concatenate([_assembled(x, ndim, depth - 1) for x in arrays], -depth)


# --- splitting ----------------------------------------------------------------------------------

def _split(name: str, ary, indices_or_sections, axis):
    ary = ensure_arraylike(name, ary)
    axis = normalize_axis(axis, ary.ndim)
    size = ary.shape[axis]
    if isinstance(indices_or_sections, (tuple, list)) or getattr(indices_or_sections, "ndim", 0) > 0:
        # Bounds past the end give empty parts, negative ones count from the end: what NumPy's slices do.
        bounds = [0, *[_bound(i, size, name) for i in indices_or_sections], size]
        sizes = [b - a for a, b in zip(bounds, bounds[1:])]
        if any(n < 0 for n in sizes):
            return [_sliced(ary, a, b, axis) for a, b in zip(bounds, bounds[1:])]
    else:
        sections = as_static_int(indices_or_sections, f"jax.numpy.{name} argument 1")
        if sections <= 0:
            raise ValueError(f"{name}: number of sections must be larger than 0, got {sections}")
        part, rest = divmod(size, sections)
        if rest and name != "array_split":
            raise ValueError(f"array split does not result in an equal division: rest is {rest}")
        sizes = [part + 1] * rest + [part] * (sections - rest)
    return list(joining.split(ary, tuple(sizes), axis))


def _bound(i, size: int, name: str) -> int:
    i = as_static_int(i, f"jax.numpy.{name} argument 1")
    return max(i + size, 0) if i < 0 else min(i, size)


def _sliced(ary, start: int, stop: int, axis: int):
    return joining.split(ary, (start, max(stop - start, 0), ary.shape[axis] - max(stop, start)), axis)[1]


def split(ary, indices_or_sections, axis=0):
    """Split an array into parts.

    Parameters
    ----------
    ary : array-like
    indices_or_sections : number of parts of equal size, or a sequence of int: where the parts after the first start
    axis : int

    Returns
    -------
    list of arrays

    Raises
    ------
    ValueError : if the parts would not be of equal size.

    References
    ----------
    ``numpy.split``

    Examples
    --------
    >>> jnp.split(jnp.arange(6), 3)
    [Array([0, 1], dtype=int32), Array([2, 3], dtype=int32), Array([4, 5], dtype=int32)]
    """
    return _split("split", ary, indices_or_sections, axis)


def array_split(ary, indices_or_sections, axis=0):
    """Split an array into parts; of parts of unequal size the larger ones come first.

    Parameters
    ----------
    ary, indices_or_sections, axis : as in `split`

    Returns
    -------
    list of arrays

    References
    ----------
    ``numpy.array_split``

    Examples
    --------
    >>> jnp.array_split(jnp.arange(5), 2)
    [Array([0, 1, 2], dtype=int32), Array([3, 4], dtype=int32)]
    """
    return _split("array_split", ary, indices_or_sections, axis)


def vsplit(ary, indices_or_sections):
    """Split an array by rows: `split` along axis 0.

    Examples
    --------
    >>> jnp.vsplit(jnp.arange(6).reshape(2, 3), 2)
    [Array([[0, 1, 2]], dtype=int32), Array([[3, 4, 5]], dtype=int32)]
    """
    return _split("vsplit", ary, indices_or_sections, 0)


def hsplit(ary, indices_or_sections):
    """Split an array by columns: `split` along axis 1, or 0 for a vector.

    Examples
    --------
    >>> [x.shape for x in jnp.hsplit(jnp.arange(6).reshape(2, 3), [1])]
    [(2, 1), (2, 2)]
    """
    ary = ensure_arraylike("hsplit", ary)
    return _split("hsplit", ary, indices_or_sections, 0 if ary.ndim == 1 else 1)


def dsplit(ary, indices_or_sections):
    """Split an array along its third axis: `split` along axis 2.

    Examples
    --------
    >>> [x.shape for x in jnp.dsplit(jnp.ones((2, 3, 4)), 2)]
    [(2, 3, 2), (2, 3, 2)]
    """
    return _split("dsplit", ary, indices_or_sections, 2)


# --- repeating ----------------------------------------------------------------------------------

def tile(A, reps):
    """Repeat a whole array along its dimensions.

    Parameters
    ----------
    A : array-like
    reps : int or sequence of int: how often along each dimension, matched from the last

    Returns
    -------
    array

    References
    ----------
    ``numpy.tile``

    Examples
    --------
    >>> jnp.tile(jnp.arange(3), (2, 2))
    Array([[0, 1, 2, 0, 1, 2],
           [0, 1, 2, 0, 1, 2]], dtype=int32)
    """
    A = ensure_arraylike("tile", A)
    reps = index_tuple(reps, "reps")
    reps = (1,) * (A.ndim - len(reps)) + reps
    return ops_shape.tile(expand_dims(A, tuple(range(len(reps) - A.ndim))), reps)


@fused(static=("times", "axis"))
def _repeat_each(a, *, times, axis):
    shape = a.shape
    kept = tuple([i for i in range(len(shape) + 1) if i != axis + 1])
    (a,) = broadcast_in_dim_p.bind(a, shape=(*shape[:axis + 1], times, *shape[axis + 1:]), broadcast_dimensions=kept,
                                   sharding=None)
    return ops_shape.reshape(a, (*shape[:axis], shape[axis] * times, *shape[axis + 1:]))


@fused(static=("total", "axis"))
def _repeat_by(a, repeats, *, total, axis):
    # Which element each place of the result shows: as many as end at or before it come before.
    ends = cumsum(convert(repeats, _int32), 0)
    ended = add_at(full((total,), 0, _int32), ends, full(ends.shape, 1, _int32))
    return take_along(a, cumsum(ended, 0), axis)


@fused(static=("axis",))
def _take(a, source, *, axis):
    return take_along(a, source, axis)


def repeat(a, repeats, axis=None, *, total_repeat_length=None, out_sharding=None):
    """Repeat each element.

    Parameters
    ----------
    a : array-like
    repeats : int, or array of int: how often each element along the axis
    axis : int, or None for the flattened array
    total_repeat_length : size of the result along the axis, for ``repeats`` not known while tracing: the result is cut off,
        or its last element repeated on
    out_sharding : sharding of the result, or None

    Returns
    -------
    array

    References
    ----------
    ``numpy.repeat``

    Examples
    --------
    >>> jnp.repeat(jnp.arange(3), jnp.array([1, 0, 2]))
    Array([0, 2, 2], dtype=int32)
    """
    check_arraylike("repeat", a, repeats)
    a = as_array(a)
    if axis is None:
        a, axis = ops_shape.reshape(a, (a.size,)), 0
    axis = normalize_axis(axis, a.ndim)
    size = a.shape[axis]
    if total_repeat_length is None:
        if isinstance(repeats, Tracer):
            raise errors.ConcretizationTypeError(
                repeats, "When jit-compiling jnp.repeat, the total number of repeats must be static. To fix this, either "
                "specify a static value for `repeats`, or pass a static value to `total_repeat_length`.")
        counts = np.ravel(np.asarray(repeats))
        if counts.size == 1 and (counts[0] or not np.ndim(repeats)):    # [0] makes an array of its own, no longer weak
            return _repeat_each(a, times=operator.index(counts[0]), axis=axis)
        if counts.shape not in ((size,), (1,)):
            raise ValueError(f"repeat: got {counts.size} repeats for an axis of size {size}")
        total = int(counts.sum())
        source = np.repeat(np.arange(size, dtype=np.int32), np.broadcast_to(counts, (size,)))
        return _take(a, source, axis=axis) if total else full((*a.shape[:axis], 0, *a.shape[axis + 1:]), 0, a.dtype)
    total = as_static_int(total_repeat_length, "total_repeat_length")
    shape = (*a.shape[:axis], total, *a.shape[axis + 1:])
    repeats = as_array(repeats)
    if repeats.size not in (1, size):
        raise ValueError(f"repeat: got {repeats.size} repeats for an axis of size {size}")
    if math.prod(shape) == 0 or size == 0:
        return full(shape, 0, a.dtype)
    repeats = broadcast_to(ops_shape.reshape(repeats, (repeats.size,)), (size,))
    return _repeat_by(a, repeats, total=total, axis=axis)
