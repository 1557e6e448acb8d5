"""Powers and roots."""

from __future__ import annotations

import operator

from ferax._src.numpy import util
from ferax._src.numpy.rows import INEXACT, NUMERIC, binary, composite, dtypes_of, renamed, unary
from ferax._src.ops import elementwise as ops
from ferax._src.ops.compare import eq, ne
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_or, shift_right_logical
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, Tracer

_direct = dtypes_of(NUMERIC)

sqrt = unary("sqrt", ops.sqrt, INEXACT, "Square root; nan for negative reals.")
cbrt = unary("cbrt", ops.cbrt, INEXACT, "Real cube root, of the sign of the operand.")
reciprocal = unary("reciprocal", lambda x: ops.integer_pow(x, -1), INEXACT, "``1 / x``, as a float.")
float_power = binary("float_power", ops.pow, INEXACT, "``x1 ** x2``, of an inexact dtype.", params=("x", "y"))


def power(x1, x2, /):
    """``x1 ** x2``.

    An exponent that is an integer known while tracing is multiplied out, so that ``x ** 2`` is exactly ``x * x``
    and may be negative for floats. Integers to the power of an integer array wrap around.

    Parameters
    ----------
    x1, x2 : arrays or numbers, broadcast against each other

    Returns
    -------
    Array of the dtype that they promote to

    Raises
    ------
    TypeError : for integers to the power of a negative int; for what is neither array nor number.

    Examples
    --------
    >>> jnp.power(jnp.array([1, 2, 3]), 2)
    Array([1, 4, 9], dtype=int32)
    """
    kind = type(x2)
    if kind is int:
        if isinstance(x1, Array) and x1.aval.dtype in _direct:
            return ops.integer_pow(x1, x2)
    elif kind is not float:
        util.check_arraylike("power", x1, x2)
        x2 = util.operand(x2)
        if not isinstance(x2, (bool, float, Tracer)):
            try:
                x2 = operator.index(x2)
            except TypeError:
                pass
    util.check_arraylike("power", x1, x2)
    x1 = util.operand(x1)
    util.check_no_float0s("power", x1, x2)
    if type(x2) is int:
        return _integer_power(x1, exponent=x2)
    return _general_power(x1, x2)


power.direct = _direct
pow = renamed(power, "pow")                                 # noqa: A001 (NumPy's name)


@fused(static=("exponent",))
def _integer_power(x, *, exponent):
    (x,) = util.promote_dtypes_numeric(x)
    return ops.integer_pow(x, exponent)


@fused
def _general_power(x, y):
    x, y = util.promote_shapes("power", x, y)
    both_x, both_y = util.promote_dtypes_numeric(x, y)
    if util.dtype_kind(both_x) in "iu":
        return _whole_power(both_x, both_y)
    if util.dtype_kind(x) in "fc" and util.dtype_kind(y) in "iu":
        return ops.pow(x, y)                                # an integer exponent has a derivative at a base of zero
    return ops.pow(both_x, both_y)


def _whole_power(x, y):
    """Integers by repeated squaring: six bits of exponent are more than any base but -1, 0 and 1 can bear."""
    x, y = util.broadcast_all("power", x, y)
    zero, one = util.strong(x, 0), util.strong(x, 1)
    result = util.choose(bitwise_and(eq(x, zero), ne(y, zero)), zero, one)
    for _ in range(6):
        odd = util.as_bool(bitwise_and(y, one))
        result = util.choose(odd, ops.mul(result, x), result)
        x = ops.mul(x, x)
        y = shift_right_logical(y, one)
    return result


@composite("hypot", INEXACT, "``sqrt(x1**2 + x2**2)`` without overflow in between.")
def hypot(x1, x2):
    if util.dtype_kind(x1) == "c":
        raise ValueError("jnp.hypot is not well defined for complex-valued inputs. Take their magnitudes first, with abs(x).")
    x1, x2 = util.broadcast_all("hypot", ops.abs(x1), ops.abs(x2))
    inf, zero, one = (util.literal(x1, v) for v in (float("inf"), 0, 1))
    infinite = bitwise_or(eq(x1, inf), eq(x2, inf))
    big, small = ops.max(x1, x2), ops.min(x1, x2)
    none = eq(big, zero)
    ratio = ops.div(small, util.choose(none, one, big))
    length = ops.mul(big, ops.sqrt(ops.add(one, ops.square(ratio))))
    return util.choose(infinite, inf, util.choose(none, big, length))
