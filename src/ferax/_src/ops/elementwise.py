"""Arithmetic and the elementary functions, with their derivatives.

Each row reads: name, StableHLO operation, dtypes, derivative for each operand (see `base`). Derivatives
are written ``mul(t, coefficient)``: what does not depend on the tangent is then computed once, forward,
and the linear part that reverse mode transposes is a single product.
"""

from __future__ import annotations

import enum
import math

from ferax._src.ops.accuracy import AccuracyMode, Tolerance, as_accuracy  # noqa: F401
from ferax._src.ops.base import (
    ANY, FLOAT, INEXACT, NUMBER, REAL, SIGNED, Elementwise, add, add_p, binary, lower_with, operand, prepare,  # noqa: F401
    scalar_like, unary)
from ferax._src.ops.compare import eq, ge
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise_complex import complex, conj, imag, real
from ferax._src.ops.select import select_n
from ferax._src.ops.static import as_static_int
from ferax._src.tracing.core import Array, register, state
from ferax._src.types import dtypes


def is_complex(x) -> bool:
    return dtypes.kind_of(x.dtype) == "c"


def numbers_like(x, *values) -> list:
    """Numbers of the dtype of ``x``, for operations none of whose operands has it."""
    return [scalar_like(value, x.aval) for value in values]


# --- arithmetic ---------------------------------------------------------------------------------

neg = unary("neg", "stablehlo.negate", NUMBER, lambda t, ans, x: neg(t), linear=True, doc="``-x``, element by element.")


class Sub(Elementwise):
    """Difference; if both operands have tangents, theirs is one difference too."""

    def jvp(self, primals, tangents):
        if all([getattr(t, "dtype", None) == p.dtype and isinstance(t, Array) for t, p in zip(tangents, primals)]):
            return self.bind(*primals), self.bind(*tangents)
        return super().jvp(primals, tangents)


sub = binary("sub", "stablehlo.subtract", NUMBER, lambda t, ans, x, y: t, lambda t, ans, x, y: neg(t),
             linear_in=(0, 1), kind=Sub, doc="Difference ``x - y``, element by element.")


class Mul(Elementwise):
    """Product; with ``out_dtype`` computed in that dtype, for operands of narrower ones."""

    def abstract_eval(self, x, y, *, out_dtype=None):
        if out_dtype is None:
            return super().abstract_eval(x, y)
        wide = [a.update(dtype=out_dtype, weak_type=False) for a in (x, y)]
        for narrow in (x, y):
            if dtypes.kind_of(narrow.dtype) not in NUMBER:
                raise TypeError(f"mul does not accept dtype {dtypes.dtype_name(narrow.dtype)}")
        return super().abstract_eval(*wide)

    def lower(self, ctx, x, y, *, out_dtype=None):
        if out_dtype is None:
            return super().lower(ctx, x, y)
        avals = ctx.avals_in
        values = [v if a.dtype == out_dtype else ctx.convert(v, a.shape, out_dtype) for v, a in zip((x, y), avals)]
        ctx.avals_in = [a.update(dtype=out_dtype) for a in avals]
        return super().lower(ctx, *values)


def _mul_by(t, other, operand_dtype, out_dtype):
    """``t * other``; transposed (t is the product's cotangent) it has the dtype of the operand."""
    if out_dtype is None:
        return mul(t, other)
    return mul(t, other, out_dtype=operand_dtype if t.dtype == out_dtype and operand_dtype != out_dtype else out_dtype)


mul_p = register(Mul("mul", "stablehlo.multiply", (NUMBER, NUMBER), (
    lambda t, ans, x, y, out_dtype=None: _mul_by(t, y, x.dtype, out_dtype),
    lambda t, ans, x, y, out_dtype=None: _mul_by(t, x, y.dtype, out_dtype)), linear_in=(0, 1)))


def mul(x, y, *, out_dtype=None):
    """Product ``x * y``, element by element.

    Parameters
    ----------
    x, y : arrays of one dtype, and of one shape or scalars
    out_dtype : dtype of the result, if it is to be a wider one; the operands' dtypes may then differ

    Returns
    -------
    array
    """
    if not (isinstance(x, Array) and isinstance(y, Array)):
        x, y = prepare("mul", x, y)
    if out_dtype is not None:
        out_dtype = dtypes.check_user_dtype(out_dtype, "mul")
    return state.trace.process(mul_p, (x, y), {"out_dtype": out_dtype})[0]


mul.p = mul_p

div = binary("div", "stablehlo.divide", NUMBER,
             lambda t, ans, x, y: div(t, y), lambda t, ans, x, y: mul(t, neg(div(ans, y))), linear_in=(0,),
             doc="Quotient ``x / y``, element by element; that of integers is truncated toward zero.")

rem = binary("rem", "stablehlo.remainder", REAL,
             lambda t, ans, x, y: t, lambda t, ans, x, y: mul(t, _minus_truncated(div(x, y))),
             quick=True, doc="Remainder of the truncated quotient, with the sign of ``x``, element by element.")


def _minus_truncated(x):
    """``-trunc(x)``"""
    return select_n(ge(x, 0), neg(ceil(x)), neg(floor(x)))


def _share(x, ans, y):
    """The derivative of an extremum with respect to ``x``: 1 where ``x`` attains it, half where ``y`` does too."""
    return select_n(eq(x, ans), 0, select_n(eq(y, ans), *numbers_like(ans, 1, 0.5)))


def _lower_extremum(op: str, direction: str):
    def lower(ctx, x, y):
        (aval,) = ctx.avals_out
        if dtypes.kind_of(aval.dtype) != "c":
            return ctx.elementwise(op, x, y)
        # Complex numbers are ordered by real part, then by imaginary part.
        dtype = dtypes.to_floating_dtype(aval.dtype)
        part = [ctx.tensor(aval.shape, dtype)]
        (xr, yr), (xi, yi) = ([ctx.op(f"stablehlo.{name}", (v,), part).result for v in (x, y)] for name in ("real", "imag"))
        by_real = ctx.compare(xr, yr, direction, aval.shape, dtype)
        by_imag = ctx.compare(xi, yi, direction, aval.shape, dtype)
        tie = ctx.compare(xr, yr, "EQ", aval.shape, dtype)
        return ctx.select(ctx.select(tie, by_imag, by_real), x, y)
    return lower


max = binary("max", None, ANY, lambda t, ans, x, y: mul(t, _share(x, ans, y)),
             lambda t, ans, x, y: mul(t, _share(y, ans, x)), lower=_lower_extremum("stablehlo.maximum", "GT"),
             doc="The larger of ``x`` and ``y``, element by element; NaN if either is.")
min = binary("min", None, ANY, lambda t, ans, x, y: mul(t, _share(x, ans, y)),
             lambda t, ans, x, y: mul(t, _share(y, ans, x)), lower=_lower_extremum("stablehlo.minimum", "LT"),
             doc="The smaller of ``x`` and ``y``, element by element; NaN if either is.")


# --- sign and rounding --------------------------------------------------------------------------

def _abs_tangent(t, ans, x):
    if is_complex(x):                           # d|x| = Re(conj(x) dx) / |x|
        scale = convert(select_n(eq(ans, 0), ans, 1), x.dtype, x.weak_type)
        return real(mul(t, div(conj(x), scale)))
    return mul(t, select_n(ge(x, 0), *numbers_like(ans, -1, 1)))


def _lower_sign(ctx, x):
    (aval,) = ctx.avals_out
    if dtypes.kind_of(aval.dtype) == "u":
        return ctx.elementwise("stablehlo.minimum", x, ctx.const(1, aval))
    return ctx.elementwise("stablehlo.sign", x)


abs = unary("abs", "stablehlo.abs", SIGNED, _abs_tangent,
            result=lambda dtype: dtypes.to_floating_dtype(dtype) if dtypes.kind_of(dtype) == "c" else dtype,
            doc="Absolute value; of complex numbers a real one.")
sign = unary("sign", None, NUMBER, lower=_lower_sign, doc="-1, 0 or 1; for complex numbers ``x / |x|``, and 0 for 0.")
floor = unary("floor", "stablehlo.floor", FLOAT, doc="The largest integer not above each element.")
ceil = unary("ceil", "stablehlo.ceil", FLOAT, doc="The smallest integer not below each element.")
is_finite = unary("is_finite", "stablehlo.is_finite", FLOAT, result=lambda dtype: dtypes.bool_,
                  doc="Whether each element is neither infinite nor NaN.")
nextafter = binary("nextafter", "chlo.next_after", FLOAT, lambda t, ans, x, y: t, parameters="x1 x2",
                   doc="The next number after ``x1`` in the direction of ``x2``.")


class RoundingMethod(enum.IntEnum):
    """What `round` does with a number half-way between two integers."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


def _lower_round(ctx, x, *, rounding_method):
    afz = rounding_method is RoundingMethod.AWAY_FROM_ZERO
    return ctx.elementwise("stablehlo.round_nearest_afz" if afz else "stablehlo.round_nearest_even", x)


round_p = register(Elementwise("round", None, (FLOAT,), (None,), lower=_lower_round))


def round(x, rounding_method=RoundingMethod.AWAY_FROM_ZERO):
    """The nearest integer of each element.

    Parameters
    ----------
    x : array of floats
    rounding_method : RoundingMethod, for numbers half-way between two

    Returns
    -------
    array like ``x``
    """
    return round_p.bind(operand("round", x), rounding_method=RoundingMethod(rounding_method))[0]


# --- powers and roots ---------------------------------------------------------------------------

def _pow_by_base(t, ans, x, y):
    """y x^(y-1), and 0 for y = 0 whatever x is."""
    down = select_n(eq(y, 0), sub(y, 1), 0)
    factor = y if y.dtype == x.dtype else convert(y, x.dtype, x.weak_type)
    return mul(t, mul(factor, pow(x, down)))


def _pow_by_exponent(t, ans, x, y):
    """log(x) x^y, and 0 for x = 0."""
    return mul(t, mul(log(select_n(eq(x, 0), x, 1)), ans))


class Pow(Elementwise):
    """Power; the exponent may be of integer dtype."""

    mixes_dtypes = True

    def result_dtype(self, avals):
        x, y = [a.dtype for a in avals]
        if x != y and dtypes.kind_of(y) not in "iu":
            raise TypeError("pow requires two operands of the same inexact dtype, or an exponent of integer dtype; got "
                            f"{dtypes.dtype_name(x)} and {dtypes.dtype_name(y)}")
        return x

    def abstract_eval(self, x, y):
        check = super().abstract_eval(x, y)[0]
        weak = x.weak_type and y.weak_type
        return [check.update(weak_type=weak)]

    def lower(self, ctx, x, y):
        base, exponent = ctx.avals_in
        if ctx.tuned and not exponent.shape and base.dtype == exponent.dtype:
            from ferax._src.ops.cpu_elementwise import constant_power  # lazy: most programs need none of it
            value = constant_power(ctx, x, y)
            if value is not None:
                return [value]
        if base.dtype != exponent.dtype:
            y = ctx.convert(y, exponent.shape, base.dtype)
            ctx.avals_in = [base, exponent.update(dtype=base.dtype)]
        return super().lower(ctx, x, y)


pow_p = register(Pow("pow", "stablehlo.power", (INEXACT, "iufc"), (_pow_by_base, _pow_by_exponent)))


def pow(x, y):
    """Power ``x ** y``, element by element.

    Parameters
    ----------
    x : array of floats or complex numbers
    y : array of the same dtype, or of integers

    Returns
    -------
    array of the dtype of ``x``
    """
    if not (isinstance(x, Array) and isinstance(y, Array)):
        if type(y) is int:                      # stays an integer: x ** 2 is exact, and defined for negative x
            x = operand("pow", x, 0)
        else:
            x, y = prepare("pow", x, y)
    return state.trace.process(pow_p, (x, y), {})[0]


pow.p = pow_p


def _lower_integer_pow(ctx, x, *, y):
    (aval,) = ctx.avals_out
    result, n = None, y if y >= 0 else -y
    while n:                                    # by repeated squaring
        if n & 1:
            result = x if result is None else ctx.elementwise("stablehlo.multiply", result, x)
        n >>= 1
        if n:
            x = ctx.elementwise("stablehlo.multiply", x, x)
    if result is None:
        return ctx.const(1, aval)
    return result if y > 0 else ctx.elementwise("stablehlo.divide", ctx.const(1, aval), result)


def _integer_pow_tangent(t, ans, x, *, y):
    if y == 0:
        return mul(t, 0)
    if y == 1:
        return t
    return mul(t, mul(x, 2) if y == 2 else mul(integer_pow(x, y - 1), y))


class IntegerPow(Elementwise):
    """Power with an exponent known while tracing."""

    def abstract_eval(self, x, *, y):
        if y < 0 and dtypes.kind_of(x.dtype) in "iu":
            raise TypeError(f"Integers cannot be raised to negative powers, got integer_pow({x}, {y})")
        return super().abstract_eval(x)


integer_pow_p = register(IntegerPow("integer_pow", None, (NUMBER,), (_integer_pow_tangent,), lower=_lower_integer_pow))


def integer_pow(x, y):
    """Power with a Python integer for exponent, by repeated squaring.

    Parameters
    ----------
    x : array of numbers
    y : int

    Returns
    -------
    array like ``x``
    """
    y = int(y) if isinstance(y, float) and y.is_integer() else as_static_int(y, "y")
    return integer_pow_p.bind(operand("integer_pow", x), y=y)[0]


integer_pow.p = integer_pow_p


def reciprocal(x):
    """``1 / x``, element by element."""
    return integer_pow(x, -1)


def _lower_square(ctx, x):
    if dtypes.kind_of(ctx.avals_out[0].dtype) in "iu":
        return ctx.elementwise("stablehlo.multiply", x, x)
    return ctx.elementwise("chlo.square", x)


square = unary("square", None, NUMBER, lambda t, ans, x: mul(t, mul(x, 2)), lower=_lower_square,
               doc="``x * x``, element by element.")
sqrt = unary("sqrt", "stablehlo.sqrt", INEXACT, lambda t, ans, x, **_: mul(t, div(0.5, ans)), accuracy=True,
             doc="Square root.")
rsqrt = unary("rsqrt", "stablehlo.rsqrt", INEXACT, lambda t, ans, x, **_: mul(t, mul(div(ans, x), -0.5)),
              accuracy=True, doc="``1 / sqrt(x)``.")
cbrt = unary("cbrt", "stablehlo.cbrt", FLOAT, lambda t, ans, x, **_: mul(t, mul(integer_pow(ans, -2), 1 / 3)),
             accuracy=True, quick=True, doc="Cube root, also of negative numbers.")


# --- exponentials and logarithms ----------------------------------------------------------------

def _lower_exp2(ctx, x, *, accuracy=None):
    scaled = ctx.elementwise("stablehlo.multiply", x, ctx.const(math.log(2), ctx.avals_out[0]))
    attrs = None if accuracy is None else {"result_accuracy": accuracy.attribute(ctx)}
    return ctx.emit("stablehlo.exponential", (scaled,), attrs)[0]


exp = unary("exp", "stablehlo.exponential", INEXACT, lambda t, ans, x, **_: mul(t, ans), accuracy=True,
            doc="Exponential of each element.")
exp2 = unary("exp2", None, INEXACT, lambda t, ans, x, **_: mul(t, mul(ans, math.log(2))), accuracy=True,
             lower=_lower_exp2, doc="2 to the power of each element.")
expm1 = unary("expm1", "stablehlo.exponential_minus_one", INEXACT, lambda t, ans, x, **_: mul(t, add(ans, 1)),
              accuracy=True, doc="``exp(x) - 1``, exact also for small ``x``.")
log = unary("log", "stablehlo.log", INEXACT, lambda t, ans, x, **_: div(t, x), accuracy=True,
            doc="Natural logarithm.")
log1p = unary("log1p", "stablehlo.log_plus_one", INEXACT, lambda t, ans, x, **_: div(t, add(x, 1)), accuracy=True,
              doc="``log(1 + x)``, exact also for small ``x``.")
log2 = unary("log2", None, INEXACT, lambda t, ans, x, **_: div(t, mul(x, math.log(2))), accuracy=True,
             lower=lower_with(lambda x, accuracy: div(log(x, accuracy=accuracy), math.log(2))),
             doc="Logarithm to base 2.")
logistic = unary("logistic", None, INEXACT, lambda t, ans, x, **_: mul(t, mul(ans, sub(1, ans))), accuracy=True,
                 lower=lower_with(lambda x, accuracy: div(1, add(exp(neg(x)), 1))),
                 doc="``1 / (1 + exp(-x))``.")
one_minus_square = unary("one_minus_square", None, NUMBER, lambda t, ans, x: mul(t, mul(x, -2)),
                         lower=lower_with(lambda x: mul(sub(1, x), add(x, 1))),
                         doc="``1 - x**2``, exact also where ``x`` is near 1 or -1.")


# --- trigonometric and hyperbolic functions -----------------------------------------------------

def _complex_sin(x, accuracy):
    """sin(a + ib) = sin a cosh b + i cos a sinh b, where 0 inf is 0."""
    a, b = real(x), imag(x)
    return complex(select_n(eq(a, 0), mul(sin(a), cosh(b)), 0), mul(cos(a), sinh(b)))


def _complex_cos(x, accuracy):
    """cos(a + ib) = cos a cosh b - i sin a sinh b, where 0 inf is 0."""
    a, b = real(x), imag(x)
    return complex(mul(cos(a), cosh(b)), select_n(eq(a, 0), mul(neg(sin(a)), sinh(b)), 0))


def _real_or(op: str, for_complex):
    lower_complex = lower_with(for_complex)

    def lower(ctx, x, *, accuracy=None):
        if dtypes.kind_of(ctx.avals_out[0].dtype) == "c":
            return lower_complex(ctx, x, accuracy=accuracy)
        return ctx.emit(op, (x,), None if accuracy is None else {"result_accuracy": accuracy.attribute(ctx)})[0]
    return lower


sin = unary("sin", None, INEXACT, lambda t, ans, x, accuracy=None: mul(t, cos(x, accuracy=accuracy)), accuracy=True,
            lower=_real_or("stablehlo.sine", _complex_sin), quick=True, doc="Sine, of radians.")
cos = unary("cos", None, INEXACT, lambda t, ans, x, accuracy=None: mul(t, neg(sin(x, accuracy=accuracy))),
            accuracy=True, lower=_real_or("stablehlo.cosine", _complex_cos), quick=True, doc="Cosine, of radians.")
tan = unary("tan", "stablehlo.tan", INEXACT, lambda t, ans, x, **_: mul(t, add(square(ans), 1)), accuracy=True,
            quick=True, doc="Tangent, of radians.")
asin = unary("asin", "chlo.asin", INEXACT, lambda t, ans, x: mul(t, rsqrt(sub(1, square(x)))), quick=True,
             doc="Inverse sine.")
acos = unary("acos", "chlo.acos", INEXACT, lambda t, ans, x: mul(t, neg(rsqrt(sub(1, square(x))))), quick=True,
             doc="Inverse cosine.")
atan = unary("atan", "chlo.atan", INEXACT, lambda t, ans, x: div(t, add(square(x), 1)), quick=True, doc="Inverse tangent.")
atan2 = binary("atan2", "stablehlo.atan2", INEXACT,
               lambda t, ans, x, y: mul(t, div(y, add(square(x), square(y)))),
               lambda t, ans, x, y: mul(t, div(neg(x), add(square(x), square(y)))),
               quick=True, doc="The angle of the point with ordinate ``x`` and abscissa ``y``, from -pi to pi.")

sinh = unary("sinh", "chlo.sinh", INEXACT, lambda t, ans, x: mul(t, cosh(x)), doc="Hyperbolic sine.")
cosh = unary("cosh", "chlo.cosh", INEXACT, lambda t, ans, x: mul(t, sinh(x)), doc="Hyperbolic cosine.")
tanh = unary("tanh", "stablehlo.tanh", INEXACT, lambda t, ans, x, accuracy=None: mul(t, _tanh_slope(ans, x, accuracy)),
             accuracy=True, doc="Hyperbolic tangent.")
asinh = unary("asinh", "chlo.asinh", INEXACT, lambda t, ans, x: mul(t, rsqrt(add(square(x), 1))),
              doc="Inverse hyperbolic sine.")
acosh = unary("acosh", "chlo.acosh", INEXACT, lambda t, ans, x: mul(t, _acosh_slope(x)),
              doc="Inverse hyperbolic cosine.")
atanh = unary("atanh", "chlo.atanh", INEXACT, lambda t, ans, x: div(t, mul(sub(1, x), add(x, 1))),
              doc="Inverse hyperbolic tangent.")


def _tanh_slope(ans, x, accuracy):
    if accuracy is AccuracyMode.HIGHEST:        # 1 - tanh(x)^2 = 4 logistic(2x) logistic(-2x), without cancellation
        return mul(mul(logistic(mul(x, 2)), logistic(mul(x, -2))), 4)
    return mul(sub(1, ans), add(ans, 1))


def _acosh_slope(x):
    if is_complex(x):                           # two roots, for sqrt(x^2 - 1) has another branch cut
        return mul(rsqrt(sub(x, 1)), rsqrt(add(x, 1)))
    return rsqrt(sub(square(x), 1))


# --- primitives under JAX's names ---------------------------------------------------------------

neg_p, sub_p, div_p, rem_p, max_p, min_p = neg.p, sub.p, div.p, rem.p, max.p, min.p
abs_p, sign_p, floor_p, ceil_p, is_finite_p, nextafter_p = abs.p, sign.p, floor.p, ceil.p, is_finite.p, nextafter.p
square_p, sqrt_p, rsqrt_p, cbrt_p = square.p, sqrt.p, rsqrt.p, cbrt.p
exp_p, exp2_p, expm1_p, log_p, log1p_p, log2_p = exp.p, exp2.p, expm1.p, log.p, log1p.p, log2.p
logistic_p, one_minus_square_p = logistic.p, one_minus_square.p
sin_p, cos_p, tan_p, asin_p, acos_p, atan_p, atan2_p = sin.p, cos.p, tan.p, asin.p, acos.p, atan.p, atan2.p
sinh_p, cosh_p, tanh_p, asinh_p, acosh_p, atanh_p = sinh.p, cosh.p, tanh.p, asinh.p, acosh.p, atanh.p
