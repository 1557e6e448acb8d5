"""Rounding to whole numbers and to decimals."""

from __future__ import annotations

import math
import operator

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.rows import SAME, composite, unary
from ferax._src.ops import elementwise as ops
from ferax._src.ops.compare import lt
from ferax._src.ops.convert import convert
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes

_EVEN = ops.RoundingMethod.TO_NEAREST_EVEN


floor = unary("floor", ops.floor, SAME, "The largest integer not above; integers keep their dtype.", kinds="f",
              unchanged="biu")
ceil = unary("ceil", ops.ceil, SAME, "The smallest integer not below; integers keep their dtype.", kinds="f",
             unchanged="biu")


@composite("rint", SAME, "The nearest integer, as a float; the even one of two that are as near.", params=("x",))
def rint(x):
    kind = util.dtype_kind(x)
    if kind in "biu":
        return convert(x, dtypes.default_float_dtype())
    return _each_part(x, lambda part: ops.round(part, _EVEN))


def _each_part(x, fun):
    """``fun`` of a real array, or of the real and the imaginary part of a complex one."""
    if util.dtype_kind(x) == "c":
        return ops.complex(fun(ops.real(x)), fun(ops.imag(x)))
    return fun(x)


def trunc(x):
    """The integer next to each element towards zero.

    Parameters
    ----------
    x : array of real numbers

    Returns
    -------
    Array like ``x``

    Examples
    --------
    >>> jnp.trunc(jnp.array([1.7, -1.7]))
    Array([ 1., -1.], dtype=float32)
    """
    util.check_arraylike("trunc", x)
    return _trunc(util.operand(x))


@fused
def _trunc(x):
    x = util.as_array(x)
    if util.dtype_kind(x) in "biu":
        return x
    return util.choose(lt(x, util.const(x, 0)), ops.ceil(x), ops.floor(x))


def round(a, decimals=0, out=None):                         # noqa: A001 (NumPy's name)
    """Round to a number of decimals, to the even digit of two that are as near.

    Parameters
    ----------
    a : array
    decimals : int; negative ones round to tens, hundreds, ...
    out : not supported

    Returns
    -------
    Array like ``a``

    Examples
    --------
    >>> jnp.round(jnp.array([0.5, 1.5, 2.25]), 1)
    Array([0.5, 1.5, 2.2], dtype=float32)
    """
    util.check_arraylike("round", a)
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.round is not supported.")
    try:
        decimals = operator.index(decimals)
    except TypeError:
        raise TypeError(f"round: decimals must be an integer, got {decimals!r}") from None
    return _round(util.operand(a), decimals=decimals)


@fused(static=("decimals",))
def _round(x, *, decimals):
    x = util.as_array(x)
    dtype = x.dtype
    if util.dtype_kind(x) in "iu":
        if decimals < 0:
            raise NotImplementedError("integer np.round not implemented for decimals < 0")
        return x
    if util.dtype_kind(x) == "b":
        raise TypeError("round does not accept dtype bool. Accepted dtypes are numbers.")
    if decimals > math.log10(float(dtypes.finfo(dtype).max)):
        return x                                            # more decimals than any number of the dtype has
    if decimals == 0:
        return _each_part(x, lambda part: ops.round(part, _EVEN))

    def scaled(part):
        if dtype == np.float16:                             # 10**decimals soon leaves its range
            part = convert(part, np.dtype(np.float32))
        factor = util.const(part, 10.0 ** decimals)
        result = ops.div(ops.round(ops.mul(part, factor), _EVEN), factor)
        return convert(result, dtype) if dtype == np.float16 else result
    return _each_part(x, scaled)


def around(a, decimals=0, out=None):
    """Another name of `round`.

    Examples
    --------
    >>> jnp.around(jnp.array([0.5, 1.5]))
    Array([0., 2.], dtype=float32)
    """
    return round(a, decimals, out)
