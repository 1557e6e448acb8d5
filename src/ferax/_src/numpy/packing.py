"""Bits in bytes: packbits and unpackbits."""

from __future__ import annotations

import numpy as np

from ferax._src.numpy.util import as_bool, ensure_arraylike
from ferax._src.ops.broadcasting import expand_dims, reduce_sum
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise_bits import bitwise_and, shift_left, shift_right_logical
from ferax._src.ops.shape import reshape
from ferax._src.ops.slicing import pad, slice_in_dim
from ferax._src.ops.static import as_static_int, normalize_axis
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


def _places(bitorder: str, name: str) -> np.ndarray:
    """By how much each of the eight bits of a byte is shifted, in the order in which they are listed."""
    if bitorder == "big":
        return np.arange(7, -1, -1, dtype=np.uint8)
    if bitorder == "little":
        return np.arange(8, dtype=np.uint8)
    raise ValueError(f"jnp.{name}: bitorder must be 'big' or 'little', got {bitorder!r}")


def _along(shifts, axis: int, ndim: int):
    """The eight shifts along the dimension after ``axis`` of ``ndim`` dimensions."""
    return shifts.reshape((1,) * (axis + 1) + (8,) + (1,) * (ndim - axis - 2))


@fused(static=("axis", "bitorder"))
def _pack(a, *, axis, bitorder):
    n = a.shape[axis]
    bits = convert(as_bool(a), np.dtype(np.uint8))
    width = [(0, 0, 0)] * a.ndim
    width[axis] = (0, -n % 8, 0)
    bits = pad(bits, np.uint8(0), width)
    bits = reshape(bits, (*a.shape[:axis], -(-n // 8), 8, *a.shape[axis + 1:]))
    places = np.broadcast_to(_along(_places(bitorder, "packbits"), axis, bits.ndim), bits.shape)
    return reduce_sum(shift_left(bits, places), (axis + 1,))


def packbits(a, axis=None, bitorder="big"):
    """Eight truth values to a byte.

    Parameters
    ----------
    a : array of bool or integers; what is not zero is a 1
    axis : int, along which to pack; None flattens the array first
    bitorder : "big", the first of eight is the highest bit, or "little"

    Returns
    -------
    array of uint8, an eighth as long along the axis, rounded up; missing bits are 0

    Raises
    ------
    TypeError : for dtypes other than bool and integers.

    References
    ----------
    ``numpy.packbits``

    Examples
    --------
    >>> jnp.packbits(jnp.array([1, 0, 0, 0, 0, 0, 1, 1]))
    Array([131], dtype=uint8)
    """
    a = ensure_arraylike("packbits", a)
    if dtypes.kind_of(a.dtype) not in "biu":
        raise TypeError(f"Expected an input array of integer or boolean data type, got {dtypes.dtype_name(a.dtype)}")
    _places(bitorder, "packbits")
    if axis is None:
        a, axis = reshape(a, (a.size,)), 0
    return _pack(a, axis=normalize_axis(axis, a.ndim), bitorder=bitorder)


@fused(static=("axis", "count", "bitorder"))
def _unpack(a, *, axis, count, bitorder):
    places = np.broadcast_to(_along(_places(bitorder, "unpackbits"), axis, a.ndim + 1),
                             (*a.shape[:axis + 1], 8, *a.shape[axis + 1:]))
    bits = bitwise_and(shift_right_logical(expand_dims(a, (axis + 1,)), places), np.uint8(1))
    bits = reshape(bits, (*a.shape[:axis], 8 * a.shape[axis], *a.shape[axis + 1:]))
    n = bits.shape[axis]
    if count is None:
        return bits
    if count < 0:
        return slice_in_dim(bits, 0, max(n + count, 0), axis=axis)
    if count <= n:
        return slice_in_dim(bits, 0, count, axis=axis)
    width = [(0, 0, 0)] * a.ndim
    width[axis] = (0, count - n, 0)
    return pad(bits, np.uint8(0), width)


def unpackbits(a, axis=None, count=None, bitorder="big"):
    """The bits of bytes, one to a byte.

    Parameters
    ----------
    a : array of uint8
    axis : int, along which to unpack; None flattens the array first
    count : int, how many bits to give along the axis, zeros after the last; negative: how many to leave out at the end
    bitorder : "big", the highest bit comes first, or "little"

    Returns
    -------
    array of uint8, zeros and ones

    Raises
    ------
    TypeError : for other dtypes.

    References
    ----------
    ``numpy.unpackbits``

    Examples
    --------
    >>> jnp.unpackbits(jnp.array([131], jnp.uint8))
    Array([1, 0, 0, 0, 0, 0, 1, 1], dtype=uint8)
    """
    a = ensure_arraylike("unpackbits", a)
    if a.dtype != np.uint8:
        raise TypeError(f"Expected an input array of unsigned byte data type, got {dtypes.dtype_name(a.dtype)}")
    _places(bitorder, "unpackbits")
    if axis is None:
        a, axis = reshape(a, (a.size,)), 0
    count = None if count is None else as_static_int(count, "count")
    return _unpack(a, axis=normalize_axis(axis, a.ndim), count=count, bitorder=bitorder)
