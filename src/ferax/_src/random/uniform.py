"""Uniform numbers, real and integer: all other samplers are made of these.

A floating-point number in [1, 2) has a fixed exponent and a mantissa of random bits; subtracting 1 gives one in [0, 1).
"""

from __future__ import annotations

import numpy as np

from ferax._src.ops.compare import gt, le
from ferax._src.ops.convert import bitcast_convert_type, convert
from ferax._src.ops.elementwise import add, max as maximum, mul, rem, sub
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_or, shift_right_logical
from ferax._src.ops.joining import unstack
from ferax._src.ops.select import clamp, select
from ferax._src.random.arguments import as_shape, constrained, float_dtype, parameter, sample_shape
from ferax._src.random.keys import random_bits, single
from ferax._src.random.prng import random_split_p
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.util.tracebacks import api_boundary

UINT = {8: np.dtype(np.uint8), 16: np.dtype(np.uint16), 32: np.dtype(np.uint32), 64: np.dtype(np.uint64)}
_INT32 = np.dtype(np.int32)


@api_boundary
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

    Examples
    --------
    >>> ferax.random.bits(ferax.random.key(0), (2,), 'uint8').dtype
    dtype('uint8')
    """
    key = single(key, "bits")
    dtype = dtypes.default_uint_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "bits")
    if dtypes.kind_of(dtype) != "u" or dtypes.itemsize_bits(dtype) not in UINT:
        raise ValueError(f"dtype argument to `bits` must be an unsigned int dtype, got {dtypes.dtype_name(dtype)}")
    return constrained(random_bits(key, dtypes.itemsize_bits(dtype), as_shape(shape)), out_sharding)


@api_boundary
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

    Examples
    --------
    >>> ferax.random.uniform(ferax.random.key(0), (2,), minval=-1.0)
    Array([0.895334  , 0.95715976], dtype=float32)
    """
    key = single(key, "uniform")
    dtype = float_dtype(dtype, "uniform")
    shape = as_shape(shape)
    if type(minval) is float and type(maxval) is float and minval == 0.0 and maxval == 1.0:
        return constrained(unit(key, shape=shape, dtype=dtype), out_sharding)
    sample_shape("uniform", shape, minval, maxval)
    return constrained(uniform_between(key, minval, maxval, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def unit(key, *, shape, dtype):
    """Uniform numbers in [0, 1)."""
    info = dtypes.finfo(dtype)
    width, mantissa = info.bits, info.nmant
    if width not in UINT:
        raise TypeError(f"uniform only accepts 8-, 16-, 32-, or 64-bit dtypes, got {dtypes.dtype_name(dtype)}.")
    drawn = 8 if mantissa < 8 else width
    unsigned = UINT[width]
    words = random_bits(key, drawn, shape)
    if drawn != width:
        words = convert(words, unsigned)
    one = np.ones((), dtype)
    words = bitwise_or(shift_right_logical(words, unsigned.type(drawn - mantissa)), one.view(unsigned)[()])
    return sub(bitcast_convert_type(words, dtype), one[()])


@fused(static=("shape", "dtype"))
def uniform_between(key, minval, maxval, *, shape, dtype):
    """Uniform numbers in [minval, maxval); the bounds broadcast to the shape."""
    low, high = parameter(minval, dtype, len(shape)), parameter(maxval, dtype, len(shape))
    width = sub(high, low) if isinstance(low, Array) or isinstance(high, Array) else high - low
    # Rounding of the product may lead to just below ``minval``.
    return maximum(low, add(mul(unit(key, shape=shape, dtype=dtype), width), low))


# --- integers -----------------------------------------------------------------------------------

@api_boundary
def randint(key, shape, minval, maxval, dtype=None, *, out_sharding=None):
    """Uniform integers in [minval, maxval).

    Parameters
    ----------
    key : a key
    shape : tuple of int
    minval, maxval : integers that broadcast to ``shape``; where ``maxval <= minval``, the result is ``minval``. What does
        not fit the dtype is moved to its nearest number; a greater ``maxval`` makes its greatest number possible
    dtype : integer dtype

    Raises
    ------
    TypeError : for a dtype that is no integer
    OverflowError : for a Python int that fits neither the dtype nor the default integer dtype

    Notes
    -----
    A number is the remainder of twice as many random bits as ``dtype`` has (at least 64), so that the bias towards smaller
    numbers can be neglected unless the range is nearly all of the dtype's.

    Examples
    --------
    >>> ferax.random.randint(ferax.random.key(0), (5,), 0, 10)
    Array([9, 0, 2, 3, 1], dtype=int32)
    """
    key = single(key, "randint")
    dtype = dtypes.default_int_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "randint")
    if dtypes.kind_of(dtype) not in "iu" or dtypes.itemsize_bits(dtype) < 8:
        raise TypeError(f"randint only accepts integer dtypes, got {dtypes.dtype_name(dtype)}")
    shape = as_shape(shape)
    sample_shape("randint", shape, minval, maxval)
    info = dtypes.iinfo(dtype)
    low, _ = _bound(minval, info, "minval")
    high, above = _bound(maxval, info, "maxval")
    return constrained(_randint(key, low, high, shape=shape, dtype=dtype, above=above), out_sharding)


def _bound(value, info, which: str):
    """A bound as an operand, and for a Python int whether it is above all numbers of the dtype; else None."""
    if not isinstance(value, int):
        if not isinstance(value, (Array, np.ndarray, np.generic, float)) and not hasattr(value, "__jax_array__"):
            raise TypeError(f"randint requires ndarray or scalar arguments, got {type(value)} for {which}")
        return value, None
    if info.bits < 32:                          # clipped in int32, see below
        dtypes.check_python_int(value)
        return int(np.int64(value).astype(np.int32)), False
    least, most = int(info.min), int(info.max)
    if not least <= value <= most + 1:
        dtypes.check_python_int(value)
    return np.asarray(min(max(value, least), most), info.dtype)[()], value > most


@fused(static=("shape", "dtype", "above"))
def _randint(key, minval, maxval, *, shape, dtype, above):
    info = dtypes.iinfo(dtype)
    if info.bits >= 32:
        return _integers(key, minval, maxval, shape, dtype, above)
    # A narrow dtype would make the bias large: the numbers are drawn in 32 bits.
    least, most = np.int32(info.min), np.int32(info.max)
    minval = clamp(least, convert(_whole(minval), _INT32), most)
    maxval = clamp(least, convert(_whole(maxval), _INT32), np.int32(most + 1))
    return convert(_integers(key, minval, maxval, shape, _INT32, False), dtype)


def _integers(key, minval, maxval, shape, dtype, above):
    """Two words for each number: ``(a * 2^n + b) mod span``."""
    width = dtypes.itemsize_bits(dtype)
    unsigned = UINT[width]
    minval, maxval = _whole(minval), _whole(maxval)
    if above is None:
        above = _is_above(maxval, dtype)
    low, high = parameter(_clipped(minval, dtype), dtype, len(shape)), parameter(_clipped(maxval, dtype), dtype, len(shape))
    one = unsigned.type(1)
    empty = le(high, low)
    span = select(empty, one, convert(sub(high, low), unsigned))
    if above is True:
        span = select(empty, span, add(span, one))          # may wrap to 0: then remainders are the dividends
    elif above is not False:
        wider = bitwise_and(parameter(above, dtypes.bool_, len(shape)), gt(high, low))
        span = select(wider, add(span, one), span)
    keys = random_split_p.bind(key, shape=(2,))[0]
    # One after the other: other generators may draw all from the first of several keys, and XLA computes two rows of bits
    # more slowly than twice one.
    higher, lower = [random_bits(k, width, shape) for k in unstack(keys)]
    half = rem(unsigned.type(2 ** (width // 2)), span)
    multiplier = rem(mul(half, half), span)                 # 2^width mod span
    offset = rem(add(mul(rem(higher, span), multiplier), rem(lower, span)), span)
    return add(low, convert(offset, dtype))


def _whole(x):
    """A bound as integers: floats lose their fraction."""
    return x if dtypes.kind_of(aval_of(x).dtype) in "iu" else convert(x, dtypes.default_int_dtype())


def _is_above(x, dtype):
    """Where a bound is above all numbers of a dtype; False if its own dtype has no such number."""
    given, most = aval_of(x).dtype, int(dtypes.iinfo(dtype).max)
    return gt(x, given.type(most)) if int(dtypes.iinfo(given).max) > most else False


def _clipped(x, dtype):
    """A bound, with what a dtype does not hold moved to its nearest number."""
    given = aval_of(x).dtype
    own, info = dtypes.iinfo(given), dtypes.iinfo(dtype)
    if own.min >= info.min and own.max <= info.max:
        return x
    return clamp(given.type(max(int(own.min), int(info.min))), x, given.type(min(int(own.max), int(info.max))))
