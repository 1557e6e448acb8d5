"""Floats taken apart: special values, signs, neighbours, mantissa and exponent."""

from __future__ import annotations

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.rows import INEXACT, SAME, binary, composite, unary
from ferax._src.ops import compare, elementwise as ops
from ferax._src.ops.base import numpy_scalar
from ferax._src.ops.convert import bitcast_convert_type, convert
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_or, shift_right_logical
from ferax._src.ops.zeros import full_like
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes

_INTEGER_OF_WIDTH = {bits: np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)}


# --- special values -----------------------------------------------------------------------------

def _everywhere(value: bool):
    return lambda x: full_like(x, value, dtype=dtypes.bool_)


def _either_part(fun, combine):
    return lambda x: combine(fun(ops.real(x)), fun(ops.imag(x)))


def _of_kind(on_complex, on_whole: bool):
    """What is said of complex numbers and of integers, which are all finite."""
    return lambda x: on_complex(x) if util.dtype_kind(x) == "c" else _everywhere(on_whole)(x)


def _number(x, value):
    """A number of x's dtype, strongly typed."""
    return numpy_scalar(value, util.aval_of(x).dtype)


def _is_inf(x):
    return compare.eq(ops.abs(x), _number(x, np.inf))


def _refuse_complex(name: str):
    def refuse(x):
        raise ValueError(f"{name}: positive and negative infinity are not defined for complex numbers, got {x.dtype}; "
                         "use isinf, or take jnp.real or jnp.imag first")
    return refuse


isfinite = unary("isfinite", ops.is_finite, SAME, "Whether it is neither infinite nor nan.", kinds="f",
                 otherwise=_of_kind(_either_part(ops.is_finite, bitwise_and), True), gives="bool")
isnan = unary("isnan", lambda x: compare.ne(x, x), SAME, "Whether it is nan: not equal to itself.", gives="bool")
isinf = unary("isinf", _is_inf, SAME, "Whether it is infinite, of either sign.", kinds="f",
              otherwise=_of_kind(_either_part(_is_inf, bitwise_or), False), gives="bool")
_isposinf = unary("isposinf", lambda x: compare.eq(x, _number(x, np.inf)), SAME, "", kinds="f",
                  otherwise=_of_kind(_refuse_complex("isposinf"), False))
_isneginf = unary("isneginf", lambda x: compare.eq(x, _number(x, -np.inf)), SAME, "", kinds="f",
                  otherwise=_of_kind(_refuse_complex("isneginf"), False))


def _no_out(name: str, out) -> None:
    if out is not None:
        raise NotImplementedError(f"The 'out' argument to jnp.{name} is not supported: arrays cannot be written to.")


def isposinf(x, /, out=None):
    """Whether it is positive infinity.

    Parameters
    ----------
    x : array or number

    Returns
    -------
    Array of bool, of the shape of x

    Raises
    ------
    ValueError : for complex numbers.

    Examples
    --------
    >>> jnp.isposinf(jnp.array([1.0, jnp.inf, -jnp.inf]))
    Array([False,  True, False], dtype=bool)
    """
    _no_out("isposinf", out)
    return _isposinf(x)


def isneginf(x, /, out=None):
    """Whether it is negative infinity.

    Parameters
    ----------
    x : array or number

    Returns
    -------
    Array of bool, of the shape of x

    Raises
    ------
    ValueError : for complex numbers.

    Examples
    --------
    >>> jnp.isneginf(jnp.array([1.0, jnp.inf, -jnp.inf]))
    Array([False, False,  True], dtype=bool)
    """
    _no_out("isneginf", out)
    return _isneginf(x)


def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    """Numbers in place of nan and infinities.

    Parameters
    ----------
    x : array
    copy : ignored
    nan : what is put in place of nan
    posinf, neginf : what is put in place of infinities; by default the largest and least finite number

    Returns
    -------
    Array like ``x``

    Examples
    --------
    >>> jnp.nan_to_num(jnp.array([1.0, jnp.nan, jnp.inf]), posinf=9.0)
    Array([1., 0., 9.], dtype=float32)
    """
    util.check_arraylike("nan_to_num", x)
    util.check_arraylike_or_none("nan_to_num", nan, posinf, neginf)
    given = [util.operand(v) for v in (posinf, neginf) if v is not None]
    return _nan_to_num(util.operand(x), util.operand(nan), *given, given=(posinf is not None, neginf is not None))


@fused(static=("given",))
def _nan_to_num(x, nan, *rest, given):
    x = util.as_array(x)
    if util.dtype_kind(x) == "c":
        return ops.complex(*[_nan_to_num(part(x), nan, *rest, given=given) for part in (ops.real, ops.imag)])
    dtype = x.dtype
    if util.dtype_kind(x) != "f":
        return x
    info = dtypes.finfo(dtype)
    replacements = iter(rest)
    top, bottom = [next(replacements) if own else float(limit) for own, limit in zip(given, (info.max, info.min))]
    x = util.choose(compare.ne(x, x), util.cast(nan, dtype), x)
    x = util.choose(compare.eq(x, util.const(x, np.inf)), util.cast(top, dtype), x)
    x = util.choose(compare.eq(x, util.const(x, -np.inf)), util.cast(bottom, dtype), x)
    return convert(x, dtype) if x.aval.weak_type else x


# --- signs and neighbours -----------------------------------------------------------------------

def _as_bits(x):
    """The bits of floats as signed integers."""
    x = util.as_array(x)
    whole = _INTEGER_OF_WIDTH[dtypes.itemsize_bits(x.dtype)]
    return bitcast_convert_type(x, whole)


def _sign_of_float(x):
    kind = util.dtype_kind(x)
    if kind == "c":
        raise ValueError(f"jax.numpy.signbit is not well defined for {util.aval_of(x).dtype}")
    bits = _as_bits(x)
    return compare.lt(bits, _number(bits, 0))


def _sign_of_whole(x):
    if util.dtype_kind(x) == "i":
        return compare.lt(x, _number(x, 0))
    return _sign_of_float(x) if util.dtype_kind(x) == "c" else _everywhere(False)(x)


signbit = unary("signbit", _sign_of_float, SAME, "Whether the sign bit is set: for negative numbers, and -0.0.", kinds="f",
                otherwise=_sign_of_whole, gives="bool")
nextafter = binary("nextafter", ops.nextafter, INEXACT, "The next number after x in the direction of y.", kinds="f",
                   params=("x", "y"))


@composite("copysign", INEXACT, "The magnitude of x1 with the sign of x2.", refuse="c")
def copysign(x1, x2):
    if not util.aval_of(x2).weak_type:                      # of x2 only the sign goes into the result
        x1 = convert(x1, util.aval_of(x1).dtype)
    size = ops.abs(x1)
    return util.choose(_sign_of_float(x2), ops.neg(size), size)


@composite("spacing", INEXACT, "The distance to the next number away from zero.", params=("x",))
def spacing(x):
    if util.dtype_kind(x) == "c":
        raise ValueError(f"spacing is not defined for complex numbers, got {util.aval_of(x).dtype}")
    x = convert(x, util.aval_of(x).dtype)
    inf = util.const(x, np.inf)
    if x.dtype == np.float16:                               # as NumPy has it: towards infinity
        return ops.sub(ops.nextafter(x, inf), x)
    negative = _sign_of_float(x)
    infinity = util.choose(negative, ops.neg(full_like(x, np.inf)), inf)
    step = ops.sub(ops.nextafter(x, infinity), x)
    least = util.const(x, float(dtypes.finfo(x.dtype).smallest_subnormal))
    # Where the step is flushed to zero it is the least number there is.
    return util.choose(compare.eq(step, util.const(x, 0)), util.choose(negative, ops.neg(full_like(x, least)), least), step)


# --- mantissa and exponent ----------------------------------------------------------------------

def _power_of_two(e, dtype):
    """``2**e`` for whole floats ``e``, written as bits, so that it is exact. ``e`` must be that of a normal number."""
    info = dtypes.finfo(dtype)
    whole = _INTEGER_OF_WIDTH[info.bits]
    bits = ops.mul(convert(ops.add(e, util.const(e, 1 - int(info.minexp))), whole), whole.type(1 << info.nmant))
    return bitcast_convert_type(bits, dtype)


def _scaled(x, e):
    """``x * 2**e`` for whole floats ``e`` of twice the range of exponents, in three steps that are each in range."""
    info = dtypes.finfo(x.dtype)
    least, most = util.const(e, float(info.minexp)), util.const(e, float(info.maxexp - 1))
    for _ in range(3):
        step = ops.max(ops.min(e, most), least)
        x, e = ops.mul(x, _power_of_two(step, x.dtype)), ops.sub(e, step)
    return x


def _split(x):
    """Mantissa in [0.5, 1) and exponent (an integer array) of floats; 0, inf and nan are their own mantissa."""
    dtype = x.dtype
    info = dtypes.finfo(dtype)
    whole = _INTEGER_OF_WIDTH[info.bits]
    least = int(info.minexp)
    # A subnormal number is its lowest bits, read as an integer, times the smallest number there is. It is taken from its bits
    # since the hardware may take it for zero.
    tiny = compare.lt(ops.abs(x), util.const(x, float(info.tiny)))
    lowest = convert(bitwise_and(_as_bits(x), whole.type((1 << info.nmant) - 1)), dtype)
    lifted = util.choose(tiny, util.choose(_sign_of_float(x), ops.neg(lowest), lowest), x)
    field = bitwise_and(shift_right_logical(_as_bits(lifted), whole.type(info.nmant)), whole.type((1 << info.nexp) - 1))
    e = ops.add(field, whole.type(least))
    special = bitwise_or(compare.eq(lifted, util.const(x, 0)), compare.ne(ops.sub(x, x), util.const(x, 0)))
    mantissa = util.choose(special, x, _scaled(lifted, ops.neg(convert(e, dtype))))
    e = ops.sub(e, util.choose(tiny, whole.type(info.nmant - least), whole.type(0)))
    return mantissa, util.choose(special, whole.type(0), e)


@fused
def _frexp(x):
    x = util.as_array(util.promote_dtypes_inexact(x)[0])
    if util.dtype_kind(x) == "c":
        raise TypeError("frexp does not support complex-valued inputs")
    mantissa, e = _split(x)
    return mantissa, convert(e, np.dtype(np.int32))


def frexp(x, /):
    """Mantissa and exponent: ``x == mantissa * 2**exponent`` with a mantissa of magnitude in [0.5, 1).

    Parameters
    ----------
    x : array of real numbers

    Returns
    -------
    (mantissa, exponent) : Arrays; the exponent is of int32. Zero, infinities and nan have exponent 0

    Examples
    --------
    >>> mantissa, exponent = jnp.frexp(jnp.array([3.0, 0.25]))
    >>> print(mantissa, exponent)
    [0.75 0.5 ] [ 2 -1]
    """
    util.check_arraylike("frexp", x)
    return _frexp(util.operand(x))


@fused
def _ldexp(x, e):
    kinds = util.dtype_kind(x), util.dtype_kind(e)
    if kinds[0] == "c" or kinds[1] in "fc":
        raise ValueError(f"ldexp not supported for input types {(util.aval_of(x).dtype, util.aval_of(e).dtype)}: the first "
                         "must be real, the second integer")
    x = util.as_array(util.promote_dtypes_inexact(x)[0])
    x = convert(x, x.dtype)
    x, e = util.broadcast_all("ldexp", *util.promote_shapes("ldexp", x, util.cast(e, x.dtype)))
    mantissa, own = _split(x)
    info = dtypes.finfo(x.dtype)
    limit = float(2 * (info.maxexp - int(info.minexp)))
    total = ops.add(convert(own, x.dtype), ops.max(ops.min(e, util.const(e, limit)), util.const(e, -limit)))
    # A mantissa of at most 1 with one more power of two left stays in range as long as the result does.
    return _scaled(mantissa, total)


def ldexp(x1, x2, /):
    """``x1 * 2**x2`` for an integer x2.

    Parameters
    ----------
    x1 : array of real numbers
    x2 : array of integers

    Returns
    -------
    Array of the inexact dtype of x1

    Examples
    --------
    >>> jnp.ldexp(jnp.array([0.75, 0.5]), jnp.array([2, -1]))
    Array([3.  , 0.25], dtype=float32)
    """
    util.check_arraylike("ldexp", x1, x2)
    return _ldexp(util.operand(x1), util.operand(x2))


@fused
def _modf(x):
    (x,) = util.promote_dtypes_inexact(x)
    if util.dtype_kind(x) == "c":
        raise TypeError("modf does not support complex-valued inputs")
    whole = util.choose(compare.ge(x, util.const(x, 0)), ops.floor(x), ops.ceil(x))
    return ops.sub(x, whole), whole


def modf(x, /, out=None):
    """Fractional and whole part of each element, both with its sign.

    Returns
    -------
    (fraction, whole) : Arrays of floats

    Examples
    --------
    >>> fraction, whole = jnp.modf(jnp.array([2.5, -1.25]))
    >>> print(fraction, whole)
    [ 0.5  -0.25] [ 2. -1.]
    """
    util.check_arraylike("modf", x)
    _no_out("modf", out)
    return _modf(util.operand(x))
