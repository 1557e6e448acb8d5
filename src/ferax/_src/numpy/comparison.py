"""Comparisons, logic of truth values, and closeness."""

from __future__ import annotations

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.rows import SAME, binary, unary
from ferax._src.ops import compare, elementwise as ops
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not, bitwise_or, bitwise_xor
from ferax._src.ops.convert import convert
from ferax._src.ops.reduce import reduce_and
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes

_XY = ("x", "y")


def _lexicographic(op):
    """The comparison of complex numbers by real part, then by imaginary part."""
    def compared(x, y):
        (xr, yr), (xi, yi) = [[part(v) for v in (x, y)] for part in (ops.real, ops.imag)]
        return util.choose(compare.eq(xr, yr), op(xi, yi), op(xr, yr))
    return compared


def _ordering(name: str, op, doc: str):
    doc += " Complex numbers are compared by real part, then by imaginary part."
    return binary(name, op, SAME, doc, kinds="biuf", otherwise=_lexicographic(op), params=_XY, gives="bool")


equal = binary("equal", compare.eq, SAME, "Whether ``x == y``.", params=_XY, gives="bool")
not_equal = binary("not_equal", compare.ne, SAME, "Whether ``x != y``.", params=_XY, gives="bool")
less = _ordering("less", compare.lt, "Whether ``x < y``.")
less_equal = _ordering("less_equal", compare.le, "Whether ``x <= y``.")
greater = _ordering("greater", compare.gt, "Whether ``x > y``.")
greater_equal = _ordering("greater_equal", compare.ge, "Whether ``x >= y``.")


# --- logic --------------------------------------------------------------------------------------

def _truth(x):
    """Whether each element is not zero; weakly typed as ``x`` is."""
    return x if util.dtype_kind(x) == "b" else compare.ne(x, util.literal(x, 0))


def _of_truth(op):
    return lambda *args: op(*map(_truth, args))


def _logical(name: str, op, doc: str):
    return binary(name, op, SAME, doc + " Numbers are true if they are not zero.", kinds="b", otherwise=_of_truth(op),
                  params=_XY, gives="bool")


logical_and = _logical("logical_and", bitwise_and, "Whether both are true.")
logical_or = _logical("logical_or", bitwise_or, "Whether at least one is true.")
logical_xor = _logical("logical_xor", bitwise_xor, "Whether exactly one is true.")
logical_not = unary("logical_not", bitwise_not, SAME, "Whether it is false. Numbers are true if they are not zero.",
                    kinds="b", otherwise=_of_truth(bitwise_not), gives="bool")


# --- closeness ----------------------------------------------------------------------------------

def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether numbers are equal up to a tolerance: ``abs(a - b) <= atol + rtol * abs(b)``.

    Parameters
    ----------
    a, b : arrays or numbers, broadcast against each other
    rtol, atol : relative and absolute tolerance
    equal_nan : bool; whether nan is close to nan. Infinities are close to themselves only

    Returns
    -------
    Array of bool

    Examples
    --------
    >>> jnp.isclose(jnp.array([1.0, 2.0]), jnp.array([1.0 + 1e-7, 2.1]))
    Array([ True, False], dtype=bool)
    """
    util.check_arraylike("isclose", a, b, rtol, atol)
    return _isclose(*[util.operand(x) for x in (a, b, rtol, atol)], equal_nan=bool(equal_nan))


@fused(static=("equal_nan",))
def _isclose(a, b, rtol, atol, *, equal_nan):
    if dtypes.is_extended(util.aval_of(a).dtype):
        return compare.eq(a, b)
    a, b = util.promote_args_inexact("isclose", a, b)
    dtype = dtypes.to_floating_dtype(util.aval_of(a).dtype)
    rtol, atol = convert(rtol, dtype), convert(atol, dtype)
    difference, size = ops.abs(ops.sub(a, b)), ops.abs(b)
    difference, tolerance = util.promote_shapes("isclose", difference, ops.add(*util.promote_shapes(
        "isclose", atol, ops.mul(*util.promote_shapes("isclose", rtol, size)))))
    near = bitwise_and(compare.le(difference, tolerance), compare.ne(size, util.const(size, np.inf)))
    close = bitwise_or(compare.eq(a, b), near)
    if equal_nan:
        close = bitwise_or(close, bitwise_and(compare.ne(a, a), compare.ne(b, b)))
    return close


def _all(x):
    return reduce_and(x, tuple(range(util.aval_of(x).ndim)))


@fused(static=("equal_nan",))
def _allclose(a, b, rtol, atol, *, equal_nan):
    return _all(_isclose(a, b, rtol, atol, equal_nan=equal_nan))


def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all numbers are equal up to a tolerance: see `isclose`.

    Returns
    -------
    Array of bool, without dimensions

    Examples
    --------
    >>> jnp.allclose(jnp.array([1.0, jnp.nan]), jnp.array([1.0, jnp.nan]), equal_nan=True)
    Array(True, dtype=bool)
    """
    util.check_arraylike("allclose", a, b, rtol, atol)
    return _allclose(*[util.operand(x) for x in (a, b, rtol, atol)], equal_nan=bool(equal_nan))


def array_equal(a1, a2, equal_nan=False):
    """Whether two arrays have the same shape and equal elements.

    Parameters
    ----------
    a1, a2 : arrays, or what `asarray` makes arrays of
    equal_nan : bool; whether nan equals nan

    Returns
    -------
    Array of bool, without dimensions

    Raises
    ------
    TypeError or ValueError : for what is no array.

    Examples
    --------
    >>> jnp.array_equal(jnp.arange(3), jnp.array([0, 1, 2]))
    Array(True, dtype=bool)
    """
    a1, a2 = asarray(a1), asarray(a2)
    if a1.shape != a2.shape:
        return util.as_array(np.bool_(False))
    return _array_equal(a1, a2, equal_nan=bool(equal_nan))


def array_equiv(a1, a2):
    """Whether two arrays broadcast against each other and all elements are equal then.

    Returns
    -------
    Array of bool, without dimensions

    Examples
    --------
    >>> jnp.array_equiv(jnp.ones((2, 3)), jnp.ones(3))
    Array(True, dtype=bool)
    """
    a1, a2 = asarray(a1), asarray(a2)
    try:
        util.broadcast_shapes(a1.shape, a2.shape)
    except ValueError:
        return util.as_array(np.bool_(False))
    return _array_equal(a1, a2, equal_nan=False)


@fused(static=("equal_nan",))
def _array_equal(a, b, *, equal_nan):
    same = equal(a, b)
    if equal_nan:
        a, b = util.promote_args("array_equal", a, b)
        same = bitwise_or(same, bitwise_and(compare.ne(a, a), compare.ne(b, b)))
    return _all(same)
