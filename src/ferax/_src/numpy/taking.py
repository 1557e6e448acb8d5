"""Taking elements along an axis, by positions or by conditions, and putting them."""

from __future__ import annotations

import operator

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.array_at import update
from ferax._src.numpy.division import remainder
from ferax._src.numpy.indexing import index_dtype, position, take_index
from ferax._src.numpy.special import clip
from ferax._src.ops.axes import move_axis
from ferax._src.ops.broadcasting import broadcast_in_dim, expand_dims, reduce_sum
from ferax._src.ops.compare import eq, ge
from ferax._src.ops.convert import convert
from ferax._src.ops.cumulative import cumsum
from ferax._src.ops.elementwise import sub
from ferax._src.ops.gather import gather
from ferax._src.ops.indexing import GatherDimensionNumbers, GatherScatterMode
from ferax._src.ops.reduce import reduce_or
from ferax._src.ops.select import select_n
from ferax._src.ops.shape import iota, reshape, squeeze
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.sort import sort_key_val
from ferax._src.ops.static import normalize_axis
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors


def _static_number(value):
    """A fill value as a Python number or None."""
    if value is None or isinstance(value, (bool, int, float, complex)):
        return value
    if isinstance(value, Tracer):
        raise errors.ConcretizationTypeError(value, "fill_value must be static")
    return np.asarray(value).item()


def take(a, indices, axis=None, out=None, mode=None, unique_indices=False, indices_are_sorted=False, fill_value=None):
    """Take elements along an axis.

    Parameters
    ----------
    a : array
    indices : integer array
    axis : int or None, for the flattened array
    out : not supported
    mode : what to do with positions out of bounds: "fill" (the default) gives ``fill_value``, "clip" moves them within,
        "wrap" counts around. With "fill", negative positions count from the end
    unique_indices, indices_are_sorted : promises about the positions
    fill_value : number; by default nan, the least signed or the greatest unsigned integer, or True

    Returns
    -------
    Array, in which the dimensions of ``indices`` stand in place of ``axis``

    Examples
    --------
    >>> jnp.take(jnp.arange(10, 14), jnp.array([3, -1, 0]))
    Array([13, 13, 10], dtype=int32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.take is not supported.")
    if mode == "raise":
        raise NotImplementedError("The 'raise' mode to jnp.take is not supported: a compiled program cannot raise.")
    if mode not in (None, "fill", "wrap", "clip"):
        raise ValueError(f"Invalid mode '{mode}' for np.take")
    util.check_arraylike("take", a, indices)
    return _take(util.operand(a), util.operand(indices), axis=None if axis is None else operator.index(axis), mode=mode,
                 unique_indices=bool(unique_indices), indices_are_sorted=bool(indices_are_sorted),
                 fill_value=_static_number(fill_value))


@fused(static=("axis", "mode", "unique_indices", "indices_are_sorted", "fill_value"))
def _take(a, indices, *, axis, mode, unique_indices, indices_are_sorted, fill_value):
    a, indices = util.as_array(a), util.as_array(indices)
    if util.dtype_kind(indices) not in "biu":
        raise ValueError(f"take: indices must be integers, got {indices.dtype}")
    if axis is None:
        a, axis = reshape(a, (a.size,)), 0
    axis = normalize_axis(axis, a.ndim)
    n = a.shape[axis]
    shape = (*a.shape[:axis], *indices.shape, *a.shape[axis + 1:])
    if not n:
        if indices.size:
            raise IndexError("Cannot do a non-empty jnp.take() from an empty axis.")
        return a if a.shape == shape else full(shape, 0, a.dtype)
    if not indices.size:
        return full(shape, 0, a.dtype)
    how = GatherScatterMode.PROMISE_IN_BOUNDS
    if mode == "wrap":
        indices = position(remainder(indices, n), n, False)
    elif mode == "clip":
        how, indices = GatherScatterMode.CLIP, position(indices, n, False)
    else:
        how, indices = GatherScatterMode.FILL_OR_DROP, position(indices, n, True)
    nd = indices.ndim
    numbers = GatherDimensionNumbers(tuple(range(axis)) + tuple(range(axis + nd, len(shape))), (axis,), (axis,))
    sizes = (*a.shape[:axis], 1, *a.shape[axis + 1:])
    return gather(a, expand_dims(indices, (nd,)), numbers, sizes, mode=how, fill_value=fill_value,
                  unique_indices=unique_indices, indices_are_sorted=indices_are_sorted)


def take_along_axis(arr, indices, axis=-1, mode=None, fill_value=None, *, wrap_negative_indices=None):
    """Take one element for each position, from the same row: ``out[i, j] = arr[i, indices[i, j]]`` along axis 1.

    Parameters
    ----------
    arr : array
    indices : integer array of as many dimensions, which broadcast against those of ``arr`` except along ``axis``
    axis : int or None, for the flattened array
    mode : what to do with positions out of bounds: "fill" (the default), "clip", "promise_in_bounds"; "one_hot" computes
        by a product, which some accelerators do quicker
    fill_value : number, for "fill"
    wrap_negative_indices : whether negative positions count from the end; by default yes, unless they are promised to be
        in bounds

    Returns
    -------
    Array of the dtype of ``arr``

    Examples
    --------
    >>> jnp.take_along_axis(jnp.array([[3, 1, 2]]), jnp.array([[1, 2, 0]]), axis=1)
    Array([[1, 2, 3]], dtype=int32)
    """
    util.check_arraylike("take_along_axis", arr, indices)
    if wrap_negative_indices is None:
        wrap_negative_indices = mode not in ("promise_in_bounds", GatherScatterMode.PROMISE_IN_BOUNDS)
    return _take_along(util.operand(arr), util.operand(indices), axis=axis, mode=mode, fill_value=_static_number(fill_value),
                       wrap=bool(wrap_negative_indices))


@fused(static=("axis", "mode", "fill_value", "wrap"))
def _take_along(a, indices, *, axis, mode, fill_value, wrap):
    a, indices = util.as_array(a), util.as_array(indices)
    if util.dtype_kind(indices) not in "iu":
        raise TypeError(f"take_along_axis indices must be of integer type, got {indices.dtype}")
    if axis is None:
        if indices.ndim != 1:
            raise ValueError(f"take_along_axis indices must be 1D if axis=None, got shape {indices.shape}")
        a, axis = reshape(a, (a.size,)), 0
    if a.ndim != indices.ndim:
        raise ValueError("indices and arr must have the same number of dimensions; "
                         f"{indices.ndim} vs. {a.ndim}")
    axis = normalize_axis(axis, a.ndim)
    n = a.shape[axis]
    try:
        out_shape = util.broadcast_shapes(indices.shape, (*a.shape[:axis], 1, *a.shape[axis + 1:]))
    except ValueError:
        raise ValueError(f"take_along_axis: arr of shape {a.shape} and indices of shape {indices.shape} must broadcast against "
                         f"each other, except along axis {axis}") from None
    if 0 in out_shape or not n:
        return full(out_shape, 0, a.dtype)
    indices = position(indices, n, wrap)
    how = GatherScatterMode.from_any("fill" if mode is None else mode)
    if how is GatherScatterMode.ONE_HOT:
        return _take_by_product(a, indices, axis)

    # A dimension in which indices has size 1 is a window; one in which arr has size 1 belongs to the indices alone; in
    # all others both run in step.
    kept = [i for i in range(a.ndim) if i == axis or a.shape[i] != 1 or indices.shape[i] == 1]
    rows = [i for i in range(a.ndim) if i == axis or indices.shape[i] != 1]
    batching = [i for i in kept if i != axis and i in rows]
    numbers = GatherDimensionNumbers(
        tuple([i for i in range(a.ndim) if i not in rows]), (kept.index(axis),), (kept.index(axis),),
        tuple([kept.index(i) for i in batching]), tuple([rows.index(i) for i in batching]))
    sizes = tuple([1 if i == axis or i in batching else a.shape[i] for i in kept])
    operand = squeeze(a, tuple([i for i in range(a.ndim) if i not in kept]))
    starts = reshape(indices, (*[indices.shape[i] for i in rows], 1))
    return gather(operand, starts, numbers, sizes, mode=how, fill_value=fill_value)


def _take_by_product(a, indices, axis: int):
    """Sums over the axis of the elements times 1 where they are taken, and 0 elsewhere."""
    n, nd = a.shape[axis], a.ndim
    a = expand_dims(move_axis(a, axis, nd - 1), (axis,))
    hot = eq(*util.promote_shapes("take_along_axis", expand_dims(indices, (nd,)), iota(indices.dtype, n)))
    zero = util.const(a, 0)
    return convert(reduce_sum(util.choose(hot, a, zero), (nd,)), a.dtype)


# --- putting ------------------------------------------------------------------------------------

def _immutable(name: str) -> ValueError:
    return ValueError(f"jax.numpy.{name} cannot modify arrays in-place, because JAX arrays are immutable. Pass inplace=False "
                      "to instead return an updated array.")


def put_along_axis(arr, indices, values, axis, inplace=True, *, mode=None):
    """Put one value at each position, in the same row: the counterpart of `take_along_axis`.

    Parameters
    ----------
    arr : array
    indices : integer array of as many dimensions
    values : array that broadcasts to the shape of ``indices``
    axis : int or None, for the flattened array
    inplace : must be False: arrays cannot be written to
    mode : as for ``x.at``

    Returns
    -------
    Array like ``arr``

    Examples
    --------
    >>> jnp.put_along_axis(jnp.zeros((2, 2)), jnp.array([[0], [1]]), 5.0, 1, inplace=False)
    Array([[5., 0.],
           [0., 5.]], dtype=float32)
    """
    if inplace:
        raise _immutable("put_along_axis")
    util.check_arraylike("put_along_axis", arr, indices, values)
    return _put_along(util.operand(arr), util.operand(indices), util.operand(values), axis=axis, mode=mode)


@fused(static=("axis", "mode"))
def _put_along(arr, indices, values, *, axis, mode):
    arr, indices, values = [util.as_array(x) for x in (arr, indices, values)]
    shape = arr.shape
    if axis is None:
        arr, axis = reshape(arr, (arr.size,)), 0
    if arr.ndim != indices.ndim:
        raise ValueError("put_along_axis arguments 'arr' and 'indices' must have same ndim. Got "
                         f"arr.ndim={arr.ndim} and indices.ndim={indices.ndim}.")
    axis = normalize_axis(axis, arr.ndim)
    try:
        if util.broadcast_shapes(values.shape, indices.shape) != indices.shape:
            raise ValueError
    except ValueError:
        raise ValueError("put_along_axis argument 'values' must be broadcastable to 'indices'. Got "
                         f"values.shape={values.shape} and indices.shape={indices.shape}.") from None
    values = util.broadcast_to(values, indices.shape)
    index = [indices if i == axis else np.arange(n).reshape([-1 if j == i else 1 for j in range(arr.ndim)])
             for i, n in enumerate(arr.shape)]
    return reshape(update(arr, tuple(index), "set", values, mode=mode), shape)


def _repeated_to(values, size: int):
    """Values repeated, or cut off, to a length."""
    n = values.shape[0]
    if n < size:
        times = -(-size // n)
        values = reshape(broadcast_in_dim(values, (times, n), (1,)), (times * n,))
    return slice_in_dim(values, 0, size)


def put(a, ind, v, mode=None, *, inplace=True):
    """Put values at positions in the flattened array.

    Parameters
    ----------
    a : array
    ind : integer array
    v : array of values, repeated as needed
    mode : what to do with positions out of bounds: None leaves them out, "wrap" counts around, "clip" moves them within
    inplace : must be False: arrays cannot be written to

    Returns
    -------
    Array like ``a``

    Examples
    --------
    >>> jnp.put(jnp.arange(4), jnp.array([0, 2]), 9, inplace=False)
    Array([9, 1, 9, 3], dtype=int32)
    """
    if inplace:
        raise _immutable("put")
    if mode == "raise":
        raise NotImplementedError("The 'raise' mode to jnp.put is not supported.")
    if mode not in (None, "clip", "wrap"):
        raise ValueError(f"mode should be one of 'wrap' or 'clip'; got mode={mode!r}")
    util.check_arraylike("put", a, ind, v)
    return _put(util.operand(a), util.operand(ind), util.operand(v), mode=mode)


@fused(static=("mode",))
def _put(a, ind, v, *, mode):
    a, ind, v = [util.as_array(x) for x in (a, ind, v)]
    if util.dtype_kind(ind) not in "iu":
        raise TypeError(f"put: ind must be integers, got {ind.dtype}")
    if not (a.size and ind.size and v.size):
        return a
    ind = reshape(ind, (ind.size,))
    v = _repeated_to(reshape(v, (v.size,)), ind.size)
    if mode == "clip":
        ind = clip(ind, 0, a.size - 1)
    elif mode == "wrap":
        ind = remainder(ind, a.size)
    else:
        ind = position(ind, a.size, True)
    flat = update(reshape(a, (a.size,)), ind, "set", v, mode="drop", wrap=False)
    return reshape(flat, a.shape)


def place(arr, mask, vals, *, inplace=True):
    """Put values, one after the other and repeated as needed, where a mask is true.

    Parameters
    ----------
    arr : array
    mask : array of the same size
    vals : array of values
    inplace : must be False: arrays cannot be written to

    Returns
    -------
    Array like ``arr``

    Examples
    --------
    >>> x = jnp.arange(4)
    >>> jnp.place(x, x > 1, jnp.array([7, 8]), inplace=False)
    Array([0, 1, 7, 8], dtype=int32)
    """
    util.check_arraylike("place", arr, mask, vals)
    if inplace:
        raise _immutable("place")
    return _place(util.operand(arr), util.operand(mask), util.operand(vals))


@fused
def _place(arr, mask, vals):
    arr, mask, vals = [util.as_array(x) for x in (arr, mask, vals)]
    if arr.size != mask.size:
        raise ValueError("place: arr and mask must be the same size")
    if not vals.size:
        raise ValueError("Cannot place values from an empty array")
    if not arr.size:
        return arr
    truth = reshape(util.as_bool(mask), (mask.size,))
    dtype = index_dtype((arr.size,))
    rank = cumsum(convert(truth, dtype), 0)                 # of the true ones, from 1
    spread = _repeated_to(reshape(vals, (vals.size,)), arr.size)
    chosen = take(spread, sub(rank, dtype.type(1)), mode="clip")
    new = util.choose(truth, util.cast(chosen, arr.dtype), reshape(arr, (arr.size,)))
    return reshape(new, arr.shape)


# --- by conditions and choices ------------------------------------------------------------------

def choose(a, choices, out=None, mode="raise"):
    """Choose each element from one of several arrays.

    Parameters
    ----------
    a : integer array: which array to take the element from
    choices : sequence of arrays, or one array of which the first dimension counts them
    out : not supported
    mode : what to do with numbers out of bounds: "raise" (only where values are known), "wrap" or "clip"

    Returns
    -------
    Array, of the shape that all broadcast to

    Examples
    --------
    >>> jnp.choose(jnp.array([0, 1, 0]), [jnp.arange(3), 10])
    Array([ 0, 10,  2], dtype=int32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.choose is not supported.")
    choices = list(choices)
    util.check_arraylike("choose", a, *choices)
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"mode={mode!r} not understood. Must be 'raise', 'wrap', or 'clip'")
    a = util.as_array(util.operand(a))
    if util.dtype_kind(a) not in "iu":
        raise ValueError("`a` array must be integer typed")
    if mode == "raise":
        if isinstance(a, Tracer) and a.concrete_value() is None:
            raise errors.ConcretizationTypeError(
                a, "The error occurred because jnp.choose was jit-compiled with mode='raise'. Use mode='wrap' or mode='clip' "
                   "instead.")
        value = np.asarray(a)
        if ((value < 0) | (value >= len(choices))).any():
            raise ValueError("invalid entry in choice array")
    return _choose(a, *[util.operand(c) for c in choices], mode=mode)


@fused(static=("mode",))
def _choose(a, *choices, mode):
    n = len(choices)
    if mode == "wrap":
        a = remainder(a, n)
    elif mode == "clip":
        a = clip(a, 0, n - 1)
    a = position(a, n, False)
    dtype, _ = dtypes.promoted(*choices)
    a, *choices = util.broadcast_all("choose", a, *[convert(c, dtype) for c in choices])
    return choices[0] if n == 1 else select_n(a if n > 2 else util.as_bool(a), *choices)


def compress(condition, a, axis=None, *, size=None, fill_value=0, out=None):
    """Keep the slices along an axis for which a condition holds.

    Parameters
    ----------
    condition : boolean array of one dimension
    a : array
    axis : int or None, for the flattened array
    size : int or None; how many are kept. It must be given where ``condition`` is a tracer
    fill_value : what follows if there are fewer
    out : not supported

    Returns
    -------
    Array

    Examples
    --------
    >>> jnp.compress(jnp.array([False, True, True]), jnp.arange(6).reshape(2, 3), axis=1)
    Array([[1, 2],
           [4, 5]], dtype=int32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.compress is not supported.")
    util.check_arraylike("compress", condition, a, fill_value)
    condition, a = util.as_array(util.operand(condition)), util.as_array(util.operand(a))
    if condition.ndim != 1:
        raise ValueError("condition must be a 1D array")
    if axis is None:
        a, axis = reshape(a, (a.size,)), 0
    axis = normalize_axis(axis, a.ndim)
    if size is not None:
        size = operator.index(size)
        if not 0 <= size <= a.shape[axis]:
            raise ValueError("size must be positive and not greater than the size of the array axis; "
                             f"got size={size} for a.shape[axis]={a.shape[axis]}")
        return _compress(condition, a, util.operand(fill_value), axis=axis, size=size)
    n = min(condition.shape[0], a.shape[axis])
    truth = util.as_bool(condition)
    if condition.shape[0] > n:
        extra = slice_in_dim(truth, n, None)
        if bool(reduce_or(extra, (0,))):
            raise ValueError("condition contains entries that are out of bounds")
        truth = slice_in_dim(truth, 0, n)
    whole = (slice(None),) * axis
    return take_index(take_index(a, (*whole, slice(0, n))), (*whole, truth))


@fused(static=("axis", "size"))
def _compress(condition, a, fill_value, *, axis, size):
    n = min(condition.shape[0], a.shape[axis])
    dtype = index_dtype(a.shape)
    drop = convert(eq(util.as_bool(slice_in_dim(condition, 0, n)), False), dtype)
    _, order = sort_key_val(drop, iota(dtype, n))           # stable: those that are kept come first, in order
    order = slice_in_dim(order, 0, min(size, n))
    kept = take(a, order, axis=axis, mode="clip")
    count = sub(dtype.type(n), reduce_sum(drop, (0,)))
    if size > n:
        raise ValueError(f"compress: size={size} is greater than the {n} elements that condition speaks of")
    missing = ge(iota(dtype, size), count)
    column = broadcast_in_dim(missing, (1,) * axis + (size,) + (1,) * (a.ndim - axis - 1), (axis,))
    return util.choose(column, util.cast(fill_value, a.dtype), kept)


def extract(condition, arr, *, size=None, fill_value=0):
    """The elements for which a condition holds, in one dimension; see `compress`.

    Examples
    --------
    >>> x = jnp.arange(5)
    >>> jnp.extract(x > 2, x)
    Array([3, 4], dtype=int32)
    """
    util.check_arraylike("extract", condition, arr, fill_value)
    condition = util.operand(condition)
    if isinstance(condition, np.ndarray):                   # known while tracing, and stays so
        return compress(condition.reshape(-1), arr, size=size, fill_value=fill_value)
    condition = util.as_array(condition)
    return compress(reshape(condition, (condition.size,)), arr, size=size, fill_value=fill_value)
