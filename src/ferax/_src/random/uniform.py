"""Uniform numbers, real and integer: all other samplers are made of these.

A floating-point number in [1, 2) has a fixed exponent and a mantissa of random bits; subtracting 1 gives one in [0, 1).
"""

from __future__ import annotations

import numpy as np

from ferax._src.ops.convert import bitcast_convert_type, convert_element_type
from ferax._src.ops.elementwise import max as maximum
from ferax._src.ops.elementwise import rem
from ferax._src.ops.elementwise_bits import bitwise_or, shift_right_logical
from ferax._src.ops.joining import unstack
from ferax._src.ops.select import clamp, select
from ferax._src.ops.broadcasting import broadcast_to
from ferax._src.ops.static import canonical_shape
from ferax._src.random.keys import random_bits, single, split
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of

UINT = {8: np.dtype(np.uint8), 16: np.dtype(np.uint16), 32: np.dtype(np.uint32), 64: np.dtype(np.uint64)}


def float_dtype(dtype, name: str) -> np.dtype:
    """The floating dtype a sampler was asked for; None is the default one.

    Raises
    ------
    ValueError : for other dtypes
    """
    if dtype is None:
        return dtypes.default_float_dtype()
    found = dtypes.check_user_dtype(dtype, name)
    if dtypes.kind_of(found) != "f":
        raise ValueError(f"dtype argument to `{name}` must be a float dtype, got {dtypes.dtype_name(found)}")
    return found


def sample_shape(shape, *parameters, name: str) -> tuple[int, ...]:
    """The shape of a sample: the given one, which the parameters must broadcast to, or for None theirs.

    Raises
    ------
    ValueError : if they do not fit
    """
    shapes = [aval_of(p).shape for p in parameters]
    own = np.broadcast_shapes(*shapes)
    if shape is None:
        return own
    shape = canonical_shape(shape, "shape")
    try:
        fits = np.broadcast_shapes(shape, own) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: parameters of shapes {', '.join(map(str, shapes))} do not broadcast to shape={shape}")
    return shape


def bits(key, shape=(), dtype=None, *, out_sharding=None):
    """Random bits as unsigned integers.

    Parameters
    ----------
    key : a key
    shape : tuple of int
    dtype : unsigned integer dtype; by default uint32, or uint64 with x64

    Raises
    ------
    ValueError : for a dtype that is no unsigned integer
    """
    dtype = dtypes.default_uint_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "bits")
    if dtypes.kind_of(dtype) != "u" or dtypes.itemsize_bits(dtype) not in UINT:
        raise ValueError(f"dtype argument to `bits` must be an unsigned int dtype, got {dtypes.dtype_name(dtype)}")
    return random_bits(single(key, "bits"), dtypes.itemsize_bits(dtype), canonical_shape(shape))


def uniform(key, shape=(), dtype=None, minval=0.0, maxval=1.0, *, out_sharding=None):
    """Uniform numbers in [minval, maxval).

    Parameters
    ----------
    key : a key
    shape : tuple of int
    dtype : floating dtype
    minval, maxval : arrays that broadcast to ``shape``

    Returns
    -------
    Array of ``shape`` and ``dtype``
    """
    dtype = float_dtype(dtype, "uniform")
    shape = canonical_shape(shape)
    return uniform_between(single(key, "uniform"), minval, maxval, shape=sample_shape(shape, minval, maxval, name="uniform"),
                           dtype=dtype)


@fused(static=("shape", "dtype"))
def uniform_between(key, minval, maxval, *, shape, dtype):
    """`uniform` with all arguments checked."""
    minval = broadcast_to(convert_element_type(minval, dtype), shape)
    maxval = broadcast_to(convert_element_type(maxval, dtype), shape)
    info = dtypes.finfo(dtype)
    width, mantissa = info.bits, info.nmant
    drawn = 8 if mantissa < 8 else width
    if width not in (8, 16, 32, 64):
        raise TypeError(f"uniform only accepts 8-, 16-, 32-, or 64-bit dtypes, got {dtypes.dtype_name(dtype)}.")
    words = random_bits(key, drawn, shape)
    if drawn != width:
        words = convert_element_type(words, UINT[width])
    one = np.array(1, dtype).view(UINT[width])
    words = bitwise_or(shift_right_logical(words, np.array(drawn - mantissa, UINT[width])), one)
    floats = bitcast_convert_type(words, dtype) - np.array(1, dtype)
    return maximum(minval, floats * (maxval - minval) + minval)


def randint(key, shape, minval, maxval, dtype=None, *, out_sharding=None):
    """Uniform integers in [minval, maxval).

    Parameters
    ----------
    key : a key
    shape : tuple of int
    minval, maxval : integers that broadcast to ``shape``; where ``maxval <= minval``, the result is ``minval``
    dtype : integer dtype

    Raises
    ------
    TypeError : for a dtype or bounds that are no integers
    """
    dtype = dtypes.default_int_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "randint")
    if dtypes.kind_of(dtype) not in "iu":
        raise TypeError(f"randint only accepts integer dtypes, got {dtypes.dtype_name(dtype)}")
    for which, value in (("minval", minval), ("maxval", maxval)):
        if dtypes.kind_of(aval_of(value).dtype if not isinstance(value, int) else np.dtype(np.int32)) not in "iu":
            raise TypeError(f"randint: {which} must be an integer, got {dtypes.dtype_name(aval_of(value).dtype)}")
    info = dtypes.iinfo(dtype)
    above = _is_above(maxval, int(info.max))
    minval, maxval = (_clipped(v, int(info.min), int(info.max), dtype) for v in (minval, maxval))
    shape = sample_shape(canonical_shape(shape), minval, maxval, name="randint")
    return _randint(single(key, "randint"), minval, maxval, above, shape=shape, dtype=dtype)


def _is_above(value, limit: int):
    if isinstance(value, int):
        return value > limit
    if int(dtypes.iinfo(aval_of(value).dtype).max) <= limit:
        return False
    return value > np.array(limit, aval_of(value).dtype)


def _clipped(value, low: int, high: int, dtype):
    """A bound within the range of ``dtype``."""
    if isinstance(value, int):
        return np.array(min(max(value, low), high), dtype)
    info = dtypes.iinfo(aval_of(value).dtype)
    low, high = max(low, int(info.min)), min(high, int(info.max))
    given = aval_of(value).dtype
    return convert_element_type(clamp(np.array(low, given), value, np.array(high, given)), dtype)


@fused(static=("shape", "dtype"))
def _randint(key, minval, maxval, above, *, shape, dtype):
    """Two words for each number make the bias of the remainder small: ``(a * 2^n + b) mod span``."""
    width = dtypes.itemsize_bits(dtype)
    unsigned = UINT[width]
    minval, maxval = broadcast_to(minval, shape), broadcast_to(maxval, shape)
    first, second = unstack(split(key))
    higher, lower = random_bits(first, width, shape), random_bits(second, width, shape)
    span = convert_element_type(maxval - minval, unsigned)
    span = select(maxval <= minval, broadcast_to(np.array(1, unsigned), shape), span)
    wider = broadcast_to(above, shape) & (maxval > minval)
    span = select(wider, span + np.array(1, unsigned), span)
    half = rem(broadcast_to(np.array(2 ** (width // 2), unsigned), shape), span)
    multiplier = rem(half * half, span)
    offset = rem(rem(higher, span) * multiplier + rem(lower, span), span)
    return minval + convert_element_type(offset, dtype)
