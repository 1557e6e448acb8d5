"""Complex numbers: their parts, conjugates, angles, and whether there are any."""

from __future__ import annotations

import math

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.rows import SAME, renamed, unary
from ferax._src.ops import compare, elementwise as ops
from ferax._src.ops.convert import convert
from ferax._src.ops.zeros import full_like
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes

conjugate = unary("conjugate", ops.conj, SAME, "Complex conjugate; real numbers are their own.", kinds="c",
                  unchanged="biuf")
conj = renamed(conjugate, "conj")
_real = unary("real", ops.real, SAME, "", kinds="c", unchanged="biuf")
_imag = unary("imag", ops.imag, SAME, "", kinds="c", otherwise=lambda x: full_like(x, 0))


def real(val, /):
    """Real part; real numbers are their own.

    Parameters
    ----------
    val : array or number

    Returns
    -------
    Array of real numbers, of the shape of val

    Examples
    --------
    >>> jnp.real(jnp.array([1 + 2j, 3]))
    Array([1., 3.], dtype=float32)
    """
    return _real(val)


def imag(val, /):
    """Imaginary part; zeros, of the same dtype, for real numbers.

    Parameters
    ----------
    val : array or number

    Returns
    -------
    Array of real numbers, of the shape of val

    Examples
    --------
    >>> jnp.imag(jnp.array([1 + 2j, 3]))
    Array([2., 0.], dtype=float32)
    """
    return _imag(val)


def angle(z, deg=False):
    """Angle of complex numbers in the plane, counterclockwise from the positive real axis.

    Parameters
    ----------
    z : array
    deg : bool; in degrees, else in radians

    Returns
    -------
    Array of floats, in (-pi, pi]

    Examples
    --------
    >>> jnp.angle(jnp.array([1, 1j, -1]), deg=True)
    Array([  0.,  90., 180.], dtype=float32)
    """
    util.check_arraylike("angle", z)
    return _angle(util.operand(z), deg=bool(deg))


@fused(static=("deg",))
def _angle(z, *, deg):
    z = util.as_array(z)
    kind = util.dtype_kind(z)
    if kind == "c":
        re, im = ops.real(z), ops.imag(z)
    else:
        re, im = z, full_like(z, 0)
        if kind != "f" or not z.shape:
            re, im = [convert(x, dtypes.default_float_dtype()) for x in (re, im)]
    result = ops.atan2(im, re)
    return ops.mul(result, util.const(result, 180 / math.pi)) if deg else result


@fused
def _is_complex(x):
    x = util.as_array(x)
    im = ops.imag(x) if util.dtype_kind(x) == "c" else full_like(x, 0)
    return compare.ne(im, util.const(im, 0))


@fused
def _is_real(x):
    x = util.as_array(x)
    im = ops.imag(x) if util.dtype_kind(x) == "c" else full_like(x, 0)
    return compare.eq(im, util.const(im, 0))


def iscomplex(x):
    """Whether each element has an imaginary part other than 0.

    Parameters
    ----------
    x : array or number

    Returns
    -------
    Array of bool, of the shape of x

    Examples
    --------
    >>> jnp.iscomplex(jnp.array([1 + 2j, 3]))
    Array([ True, False], dtype=bool)
    """
    util.check_arraylike("iscomplex", x)
    return _is_complex(util.operand(x))


def isreal(x):
    """Whether each element has an imaginary part of 0.

    Parameters
    ----------
    x : array or number

    Returns
    -------
    Array of bool, of the shape of x

    Examples
    --------
    >>> jnp.isreal(jnp.array([1 + 2j, 3]))
    Array([False,  True], dtype=bool)
    """
    util.check_arraylike("isreal", x)
    return _is_real(util.operand(x))


def iscomplexobj(x) -> bool:
    """Whether a value is complex by its dtype, whatever its imaginary part is.

    Examples
    --------
    >>> jnp.iscomplexobj(jnp.array([1, 2j]))
    True
    """
    if x is None:
        return False
    try:
        dtype = x.dtype if hasattr(x, "dtype") else dtypes.dtype_of(x)
    except (TypeError, ValueError):
        return bool(np.iscomplexobj(x))
    return dtypes.kind_of(dtype) == "c"


def isrealobj(x) -> bool:
    """Whether a value is not complex by its dtype.

    Examples
    --------
    >>> jnp.isrealobj(jnp.array([1, 2j]))
    False
    """
    return not iscomplexobj(x)
