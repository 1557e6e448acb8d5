"""The same elements in another shape or order: reshape, transpose, squeeze, broadcast, flip, roll and their like.

Most are one operation and are bound as such; those of several are one program in eager use.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.numpy.util import broadcast_all, check_arraylike, ensure_arraylike, shape_of
from ferax._src.ops import broadcasting, convert, shape as ops_shape
from ferax._src.ops.broadcasting import transpose as ops_transpose
from ferax._src.ops.dynamic_slicing import dynamic_slice_in_dim
from ferax._src.ops.elementwise import rem, sub
from ferax._src.ops.joining import concatenate as ops_concatenate
from ferax._src.ops.select import select_n
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import as_static_int, as_static_ints, normalize_axes, normalize_axis
from ferax._src.ops.zeros import full
from ferax._src.ops.compare import lt
from ferax._src.runtime import transfer
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes


def index_tuple(value, name: str = "axis") -> tuple[int, ...]:
    """An int, or a sequence of them, as a tuple."""
    if type(value) is int:
        return (value,)
    if isinstance(value, (tuple, list, range)):
        return as_static_ints(tuple(value), name)
    if isinstance(value, np.ndarray) and value.ndim:
        return tuple([int(v) for v in value])
    if isinstance(value, Array) and value.ndim:
        return as_static_ints(tuple(np.asarray(value).tolist()), name)
    return (as_static_int(value, name),)


# --- reshape ------------------------------------------------------------------------------------

def completed_shape(given, shape) -> tuple[int, ...]:
    """A new shape for an array of shape ``given``, with its -1 replaced by the size that fits.

    Raises
    ------
    TypeError : if nothing fits, or there is more than one -1.
    """
    shape = index_tuple(shape, "shape")
    size = math.prod(given)
    unknown = shape.count(-1)
    if not unknown:
        if math.prod(shape) != size or (size == 0 and any(n < 0 for n in shape)):
            raise TypeError(f"cannot reshape array of shape {tuple(given)} (size {size}) into shape {shape} "
                            f"(size {math.prod(shape)})")
        return shape
    if unknown > 1:
        raise TypeError(f"can only specify one unknown axis size with a `-1` value, got {shape}")
    known = math.prod([n for n in shape if n != -1])
    if any(n < -1 for n in shape) or (size % known if known else size):
        raise TypeError(f"cannot reshape array of shape {tuple(given)} (size {size}) into shape {shape}: the size is not a "
                        f"multiple of {known}")
    return tuple([(size // known if known else 0) if n == -1 else n for n in shape])


def reshape(a, shape, order="C", *, copy=None, out_sharding=None):
    """Give an array another shape.

    Parameters
    ----------
    a : array-like
    shape : int or tuple of int; one of them may be -1, for what is left
    order : 'C' to read and write the elements with the last index changing fastest, 'F' with the first
    copy : ignored; arrays do not change, so whether they share memory cannot be seen
    out_sharding : sharding of the result, or None

    Returns
    -------
    array

    Raises
    ------
    TypeError : if the sizes differ.

    References
    ----------
    ``numpy.reshape``

    Examples
    --------
    >>> jnp.reshape(jnp.arange(6), (2, -1))
    Array([[0, 1, 2],
           [3, 4, 5]], dtype=int32)
    """
    if not isinstance(a, Array):
        a = ensure_arraylike("reshape", a)
    given = a.aval.shape
    shape = completed_shape(given, shape)
    if order == "C" or order is None:
        return ops_shape.reshape(a, shape, out_sharding=out_sharding)
    if order == "F":
        n = len(given)
        a = ops_shape.reshape(a, shape[::-1], tuple(range(n))[::-1])
        return ops_transpose(a, tuple(range(len(shape)))[::-1])
    if order == "A":
        raise NotImplementedError("np.reshape order=A is not implemented.")
    raise ValueError(f"Unexpected value for 'order' argument: {order}.")


def ravel(a, order="C", *, out_sharding=None):
    """The elements in one dimension.

    Parameters
    ----------
    a : array-like
    order : 'C' or 'F', see `reshape`
    out_sharding : sharding of the result, or None

    Returns
    -------
    array of one dimension

    References
    ----------
    ``numpy.ravel``

    Examples
    --------
    >>> jnp.ravel(jnp.arange(6).reshape(2, 3))
    Array([0, 1, 2, 3, 4, 5], dtype=int32)
    """
    if order == "K":
        raise NotImplementedError("Ravel not implemented for order='K'.")
    a = ensure_arraylike("ravel", a)
    return reshape(a, (a.size,), order, out_sharding=out_sharding)


@fused(static=("shape",))
def _resized(a, *, shape):
    size = math.prod(shape)
    flat = ops_shape.reshape(a, (a.size,))
    if a.size < size:
        flat = ops_shape.tile(flat, (-(-size // a.size),))
    return ops_shape.reshape(slice_in_dim(flat, 0, size), shape)


def resize(a, new_shape):
    """The elements of an array in a shape of any size: repeated from the start, or cut off.

    Parameters
    ----------
    a : array-like
    new_shape : int or tuple of int

    Returns
    -------
    array of shape ``new_shape``

    References
    ----------
    ``numpy.resize``

    Examples
    --------
    >>> jnp.resize(jnp.arange(3), (2, 4))
    Array([[0, 1, 2, 0],
           [1, 2, 0, 1]], dtype=int32)
    """
    a = ensure_arraylike("resize", a)
    shape = index_tuple(new_shape, "new_shape")
    if any(n < 0 for n in shape):
        raise ValueError(f"all elements of `new_shape` must be non-negative, got {shape}")
    if a.size == 0 or math.prod(shape) == 0:
        return full(shape, 0, a.dtype)
    return _resized(a, shape=shape)


# --- the order of dimensions --------------------------------------------------------------------

_REVERSED = [tuple(range(n))[::-1] for n in range(16)]


def transpose(a, axes=None):
    """Permute the dimensions of an array.

    Parameters
    ----------
    a : array-like
    axes : dimension i of the result is dimension ``axes[i]`` of ``a``; None reverses their order

    Returns
    -------
    array

    References
    ----------
    ``numpy.transpose``

    Examples
    --------
    >>> jnp.transpose(jnp.arange(6).reshape(2, 3))
    Array([[0, 3],
           [1, 4],
           [2, 5]], dtype=int32)
    """
    if not isinstance(a, Array):
        a = ensure_arraylike("transpose", a)
    ndim = len(a.aval.shape)
    if axes is None:
        return ops_transpose(a, _REVERSED[ndim]) if ndim > 1 else a
    axes = index_tuple(axes, "axes")
    if len(axes) != ndim:
        raise TypeError(f"axes don't match array: got {axes} for an array of shape {a.shape}")
    return ops_transpose(a, tuple([normalize_axis(i, ndim) for i in axes]))


def permute_dims(a, /, axes):
    """Permute the dimensions of an array: `transpose`, with ``axes`` required.

    Examples
    --------
    >>> jnp.permute_dims(jnp.ones((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return transpose(a, axes)


def matrix_transpose(x, /):
    """Swap the last two dimensions.

    Parameters
    ----------
    x : array-like of at least two dimensions

    Returns
    -------
    array

    References
    ----------
    ``numpy.matrix_transpose``

    Examples
    --------
    >>> jnp.matrix_transpose(jnp.ones((2, 3, 4))).shape
    (2, 4, 3)
    """
    x = ensure_arraylike("matrix_transpose", x)
    ndim = x.ndim
    if ndim < 2:
        raise ValueError(f"x must be at least two-dimensional for matrix_transpose; got {ndim=}")
    return ops_transpose(x, (*range(ndim - 2), ndim - 1, ndim - 2))


def swapaxes(a, axis1, axis2):
    """Exchange two dimensions.

    Parameters
    ----------
    a : array-like
    axis1, axis2 : int

    Returns
    -------
    array

    References
    ----------
    ``numpy.swapaxes``

    Examples
    --------
    >>> jnp.swapaxes(jnp.ones((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    a = a if isinstance(a, Array) else ensure_arraylike("swapaxes", a)
    order = list(range(a.ndim))
    i, j = normalize_axis(axis1, a.ndim), normalize_axis(axis2, a.ndim)
    order[i], order[j] = j, i
    return ops_transpose(a, tuple(order))


def moveaxis(a, source, destination):
    """Move dimensions to other places; the others keep their order.

    Parameters
    ----------
    a : array-like
    source, destination : int or tuple of int, as many of one as of the other

    Returns
    -------
    array

    References
    ----------
    ``numpy.moveaxis``

    Examples
    --------
    >>> jnp.moveaxis(jnp.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    a = a if isinstance(a, Array) else ensure_arraylike("moveaxis", a)
    ndim = a.ndim
    source = normalize_axes(index_tuple(source, "source"), ndim, "source")
    destination = normalize_axes(index_tuple(destination, "destination"), ndim, "destination")
    if len(source) != len(destination):
        raise ValueError(f"Inconsistent number of elements: {len(source)} vs {len(destination)}")
    order = [i for i in range(ndim) if i not in source]
    for to, i in sorted(zip(destination, source)):
        order.insert(to, i)
    return ops_transpose(a, tuple(order))


def rollaxis(a, axis, start=0):
    """Move a dimension back until it lies before another; `moveaxis` is easier to understand.

    Parameters
    ----------
    a : array-like
    axis : the dimension that moves
    start : the dimension before which it ends, or the number of dimensions for the last place

    Returns
    -------
    array

    References
    ----------
    ``numpy.rollaxis``

    Examples
    --------
    >>> jnp.rollaxis(jnp.ones((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    a = ensure_arraylike("rollaxis", a)
    ndim = a.ndim
    start, axis = as_static_int(start, "start"), normalize_axis(axis, ndim)
    if not -ndim <= start <= ndim:
        raise ValueError(f"{start=} must satisfy {-ndim}<=start<={ndim}")
    start += ndim if start < 0 else 0
    return moveaxis(a, axis, start - (start > axis))


# --- dimensions of size 1 -----------------------------------------------------------------------

def expand_dims(a, axis):
    """Insert dimensions of size 1.

    Parameters
    ----------
    a : array-like
    axis : int or tuple of int: where they are in the result

    Returns
    -------
    array

    References
    ----------
    ``numpy.expand_dims``

    Examples
    --------
    >>> jnp.expand_dims(jnp.arange(3), (0, 2)).shape
    (1, 3, 1)
    """
    a = a if isinstance(a, Array) else ensure_arraylike("expand_dims", a)
    return broadcasting.expand_dims(a, index_tuple(axis))


def squeeze(a, axis=None):
    """Drop dimensions of size 1.

    Parameters
    ----------
    a : array-like
    axis : int or tuple of int, or None for all of size 1

    Returns
    -------
    array

    Raises
    ------
    ValueError : if the size of a named dimension is not 1.

    References
    ----------
    ``numpy.squeeze``

    Examples
    --------
    >>> jnp.squeeze(jnp.ones((1, 3, 1)), axis=0).shape
    (3, 1)
    """
    a = a if isinstance(a, Array) else ensure_arraylike("squeeze", a)
    if axis is None:
        return ops_shape.squeeze(a, tuple([i for i, n in enumerate(a.shape) if n == 1]))
    return ops_shape.squeeze(a, index_tuple(axis))


def _at_least(name: str, arrays, place):
    check_arraylike(name, *arrays)
    out = [place(ensure_arraylike(name, a)) for a in arrays]
    return out[0] if len(out) == 1 else out


def _lead(a, ndim: int):
    missing = ndim - a.ndim
    return a if missing <= 0 else broadcasting.broadcast(a, (1,) * missing)


def atleast_1d(*arys):
    """Arrays with one dimension at least.

    Parameters
    ----------
    *arys : array-likes

    Returns
    -------
    array, or a list of them if several are given

    References
    ----------
    ``numpy.atleast_1d``

    Examples
    --------
    >>> jnp.atleast_1d(3.0)
    Array([3.], dtype=float32, weak_type=True)
    """
    return _at_least("atleast_1d", arys, lambda a: _lead(a, 1))


def atleast_2d(*arys):
    """Arrays with two dimensions at least; those that are missing come first.

    Parameters
    ----------
    *arys : array-likes

    Returns
    -------
    array, or a list of them if several are given

    References
    ----------
    ``numpy.atleast_2d``

    Examples
    --------
    >>> jnp.atleast_2d(jnp.arange(3))
    Array([[0, 1, 2]], dtype=int32)
    """
    return _at_least("atleast_2d", arys, lambda a: _lead(a, 2))


_TO_3D = {0: (0, 1, 2), 1: (0, 2), 2: (2,)}


def atleast_3d(*arys):
    """Arrays with three dimensions at least: (n,) becomes (1, n, 1), and (m, n) becomes (m, n, 1).

    Parameters
    ----------
    *arys : array-likes

    Returns
    -------
    array, or a list of them if several are given

    References
    ----------
    ``numpy.atleast_3d``

    Examples
    --------
    >>> jnp.atleast_3d(jnp.arange(3)).shape
    (1, 3, 1)
    """
    return _at_least("atleast_3d", arys, lambda a: broadcasting.expand_dims(a, _TO_3D.get(a.ndim, ())))


# --- broadcasting -------------------------------------------------------------------------------

def broadcast_shapes(*shapes):
    """The shape to which shapes broadcast.

    Parameters
    ----------
    *shapes : tuples of int, or ints

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError : if they do not fit each other.

    References
    ----------
    ``numpy.broadcast_shapes``

    Examples
    --------
    >>> jnp.broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    return broadcasting.broadcast_shapes(*[index_tuple(s, "shape") for s in shapes])


def broadcast_arrays(*args):
    """Arrays repeated to one shape.

    Parameters
    ----------
    *args : array-likes

    Returns
    -------
    list of arrays

    References
    ----------
    ``numpy.broadcast_arrays``

    Examples
    --------
    >>> [x.shape for x in jnp.broadcast_arrays(jnp.ones((2, 1)), jnp.arange(3))]
    [(2, 3), (2, 3)]
    """
    check_arraylike("broadcast_arrays", *args)
    if not args:
        return []
    return broadcast_all("broadcast_arrays", *[convert.as_array(x) for x in args])


def broadcast_to(array, shape, *, out_sharding=None):
    """An array repeated to a shape; dimensions are matched from the last to the first.

    Parameters
    ----------
    array : array-like
    shape : int or tuple of int
    out_sharding : sharding of the result, or None

    Returns
    -------
    array of shape ``shape``

    Raises
    ------
    ValueError : if it does not fit.

    References
    ----------
    ``numpy.broadcast_to``

    Examples
    --------
    >>> jnp.broadcast_to(jnp.arange(3), (2, 3))
    Array([[0, 1, 2],
           [0, 1, 2]], dtype=int32)
    """
    array = array if isinstance(array, Array) else ensure_arraylike("broadcast_to", array)
    return broadcasting.broadcast_to(array, index_tuple(shape, "shape"), out_sharding)


# --- reversing and rotating ---------------------------------------------------------------------

def flip(m, axis=None):
    """Reverse the order of elements.

    Parameters
    ----------
    m : array-like
    axis : int or tuple of int, or None for all axes

    Returns
    -------
    array

    References
    ----------
    ``numpy.flip``

    Examples
    --------
    >>> jnp.flip(jnp.arange(6).reshape(2, 3), axis=1)
    Array([[2, 1, 0],
           [5, 4, 3]], dtype=int32)
    """
    m = ensure_arraylike("flip", m)
    return ops_shape.rev(m, normalize_axes(None if axis is None else index_tuple(axis), m.ndim))


def fliplr(m):
    """Reverse the columns: `flip` along axis 1.

    Examples
    --------
    >>> jnp.fliplr(jnp.arange(6).reshape(2, 3))
    Array([[2, 1, 0],
           [5, 4, 3]], dtype=int32)
    """
    return flip(m, 1)


def flipud(m):
    """Reverse the rows: `flip` along axis 0.

    Examples
    --------
    >>> jnp.flipud(jnp.arange(6).reshape(2, 3))
    Array([[3, 4, 5],
           [0, 1, 2]], dtype=int32)
    """
    return flip(m, 0)


@fused(static=("k", "axes"))
def _rotated(m, *, k, axes):
    i, j = axes
    order = list(range(m.ndim))
    order[i], order[j] = j, i
    if k == 2:
        return ops_shape.rev(m, axes)
    if k == 1:
        return ops_transpose(ops_shape.rev(m, (j,)), tuple(order))
    return ops_shape.rev(ops_transpose(m, tuple(order)), (j,))


def rot90(m, k=1, axes=(0, 1)):
    """Rotate by quarter turns in a plane, from the first axis towards the second.

    Parameters
    ----------
    m : array-like of at least two dimensions
    k : int: how many quarter turns
    axes : pair of int: the plane

    Returns
    -------
    array

    References
    ----------
    ``numpy.rot90``

    Examples
    --------
    >>> jnp.rot90(jnp.arange(6).reshape(2, 3))
    Array([[2, 5],
           [1, 4],
           [0, 3]], dtype=int32)
    """
    m = ensure_arraylike("rot90", m)
    if m.ndim < 2:
        raise ValueError("rot90 requires its first argument to have ndim at least two, but got first argument of shape "
                         f"{m.shape}, which has ndim {m.ndim}")
    i, j = axes
    i, j = normalize_axis(i, m.ndim), normalize_axis(j, m.ndim)
    if i == j:
        raise ValueError(f"Axes must be different, got {axes}")
    k = as_static_int(k, "k") % 4
    return _rotated(m, k=k, axes=(i, j)) if k else m


@fused(static=("moves",))
def _roll_static(a, *, moves):
    for axis, shift in moves:
        size = a.shape[axis]
        cut = -shift % size if size else 0
        if cut:
            a = ops_concatenate([slice_in_dim(a, cut, size, axis=axis), slice_in_dim(a, 0, cut, axis=axis)], axis)
    return a


@fused(static=("axes",))
def _roll_dynamic(a, shifts, *, axes):
    int32 = np.dtype(np.int32)
    for k, axis in enumerate(axes):
        size = a.shape[axis]
        shift = shifts if not shifts.ndim else ops_shape.squeeze(slice_in_dim(shifts, k, k + 1), (0,))
        shift = rem(convert.convert(shift, int32), np.int32(size or 1))
        start = select_n(lt(shift, 0), sub(np.int32(size), shift), sub(np.int32(0), shift))
        a = dynamic_slice_in_dim(ops_concatenate([a, a], axis), start, size, axis=axis, allow_negative_indices=False)
    return a


def roll(a, shift, axis=None):
    """Shift elements along axes; those that leave at the end come in at the start.

    Parameters
    ----------
    a : array-like
    shift : int, tuple of int, or an integer array, which need not be known while tracing
    axis : int or tuple of int, or None to roll the flattened array

    Returns
    -------
    array of the shape of ``a``

    References
    ----------
    ``numpy.roll``

    Examples
    --------
    >>> jnp.roll(jnp.arange(5), 2)
    Array([3, 4, 0, 1, 2], dtype=int32)
    """
    a = ensure_arraylike("roll", a)
    if axis is None:
        return ops_shape.reshape(roll(ops_shape.reshape(a, (a.size,)), shift, 0), a.shape)
    axes = tuple([normalize_axis(i, a.ndim) for i in index_tuple(axis)])
    if isinstance(shift, Array):
        if shift.ndim > 1:
            raise ValueError("'shift' and 'axis' arguments to roll must be scalars or 1D arrays")
        if shift.ndim and len(shift) != len(axes):
            (n,) = broadcasting.broadcast_shapes(shift.shape, (len(axes),))
            axes, shift = axes * (n // len(axes)), broadcasting.broadcast_to(shift, (n,))
        return _roll_dynamic(a, shift, axes=axes)
    moves = tuple([(int(i), int(s)) for i, s in zip(*np.broadcast_arrays(axes, index_tuple(shift, "shift")))])
    return _roll_static(a, moves=moves)


# --- dtype --------------------------------------------------------------------------------------

def astype(x, dtype, /, *, copy=False, device=None):
    """Convert the elements to another dtype.

    Parameters
    ----------
    x : array-like
    dtype : dtype-like; None means the default float
    copy : whether to give new memory in any case
    device : device or sharding to put the result on, or None

    Returns
    -------
    array

    References
    ----------
    ``numpy.astype``

    Examples
    --------
    >>> jnp.astype(jnp.arange(3), float)
    Array([0., 1., 2.], dtype=float32)
    """
    x = ensure_arraylike("astype", x)
    dtype = dtypes.default_float_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "astype")
    out = convert.convert(x, dtype)
    if device is not None:
        out = transfer.device_put(out, device)
    if copy and out is x:
        (out,) = convert.copy_p.bind(x)
    return out


def ndim(a):
    """The number of dimensions of an array-like.

    Examples
    --------
    >>> jnp.ndim(jnp.ones((2, 3)))
    2
    """
    if hasattr(a, "ndim"):
        return a.ndim
    check_arraylike("ndim", a)
    return len(shape_of(a))


def shape(a):
    """The shape of an array-like.

    Examples
    --------
    >>> jnp.shape(jnp.ones((2, 3)))
    (2, 3)
    """
    if hasattr(a, "shape"):
        return a.shape
    check_arraylike("shape", a)
    return shape_of(a)


def size(a, axis=None):
    """The number of elements of an array-like, in all or along some axes.

    Examples
    --------
    >>> jnp.size(jnp.ones((2, 3)), axis=1)
    3
    """
    sizes = shape(a)
    return math.prod([sizes[i] for i in normalize_axes(axis, len(sizes))])
