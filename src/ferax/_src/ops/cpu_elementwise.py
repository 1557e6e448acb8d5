"""Forms of elementwise operations that the CPU computes many times as quickly as XLA's own.

XLA calls a library function for each element of ``sin``, ``tan``, ``asin``, ``acos``, ``atan``, ``atan2``, ``rem``, ``cbrt``
and ``pow``. The forms here are arithmetic without branches, which it writes for vectors and fuses with what stands
around. In single precision they are computed in double precision, so that most results are the correctly
rounded ones. `FORMS` has them by the name of the primitive; `Elementwise.lower` asks there when ``ctx.tuned``.

Zeros keep their signs, infinities and NaN give what they give in XLA's form. XLA's threads take denormal numbers
for zeros; where that would show, single ones are widened by way of integers (`magnitude`).

The coefficients are those of the best approximations in the sense of Chebyshev (the largest relative error is the
least possible), found by Remez's exchange for polynomials and by Lawson's weights for quotients, in
extended precision; each comment says of what, where, and how large the relative error is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from ferax._src.engine.mlir import constant_number
from ferax._src.ops.cpu_expressions import F32, F64, I32, I64, U32, U64, Expr, polynomial
from ferax._src.types.avals import ShapedArray

F16, BF16 = np.dtype("float16"), np.dtype(ml_dtypes.bfloat16)

#: With fewer elements the time to compile a form, 5 to 10 ms, is not worth it ...
SMALL = 256
#: ... nor is it for more than so many of them in a program.
MOST = 64
#: From this many elements on `rem` looks at all of them before it chooses how much to do.
LARGE = 1 << 9


class Form:
    """How an operation is written, as a rule ``(ctx, *values, **params) -> value or None`` for the plain form.

    Parameters
    ----------
    name : of the operation
    single, double : ``(*Expr) -> Expr`` for operands of 32 and of 64 bits; those of 16 bits are widened to 32
    """

    def __init__(self, name: str, single: Callable[..., Expr], double: Callable[..., Expr] | None = None):
        self.name = name
        self.forms = {F32: single, F64: double, F16: single, BF16: single}

    def __call__(self, ctx, *values, accuracy=None):
        (aval,) = ctx.avals_out
        form = self.forms.get(aval.dtype)
        # An accuracy that was asked for is XLA's to give.
        if form is None or aval.size < SMALL or accuracy is not None or ctx.state.written_calls >= MOST:
            return None
        aval = ShapedArray(aval.shape, aval.dtype)

        def write(ctx, *values):
            xs = [Expr(ctx, v, aval) for v in values]
            if aval.dtype.itemsize == 2:
                xs = [x.to(F32) for x in xs]
            return form(*xs).to(aval.dtype).value

        return ctx.call_written((self.name, aval), write, values, self.name)


def copysign(size: Expr, sign: Expr) -> Expr:
    """A number of the size of one and the sign of another."""
    dtype = size.aval.dtype
    integer = U32 if dtype == F32 else U64
    top = 1 << (8 * dtype.itemsize - 1)
    return ((size.bits(integer) & (top - 1)) | (sign.bits(integer) & top)).bits(dtype)


def magnitude(x: Expr) -> Expr:
    """``abs(x)`` of a single number in double precision, denormal ones included."""
    bits = x.bits(U32) & 0x7FFFFFFF
    return (bits.bits(I32).to(F64) * 2.0**-149).where(bits < 0x00800000, abs(x).to(F64))


def rounded(size: Expr) -> Expr:
    """A double number that is not negative in single precision, denormal ones included."""
    denormal = (size * 2.0**149 + 2.0**23).to(F32).bits(U32) - 0x4B000000       # a sum whose last place is 1
    return denormal.where(size < 2.0**-126, size.to(F32).bits(U32)).bits(F32)


def is_negative(x: Expr) -> Expr:
    """Whether the sign is minus, that of zeros included."""
    return x.bits(I32 if x.aval.dtype == F32 else I64) < 0


# --- sine, cosine, tangent ----------------------------------------------------------------------

#: 1/(2 pi), cut into pieces of 28 bits, and the rest as one number.
TURNS = (0.15915494225919247, 8.327028684640414e-10, 5.69002511952534e-19, 6.3170650472507054e-27, 4.170716914254881e-35,
         2.897178338357036e-44)
# sin(2 pi m)/m as a polynomial of m^2, for m up to 1/4; 2.1e-11
SINE = (-14.38139077561463, 42.0077971401303, -76.70417025236685, 81.60522369013121, -41.34170209692601, 6.283185307046691)
# tan(pi m)/m as a quotient of polynomials of m^2, for m up to 1/4; 2.2e-11
TANGENT = ((0.32901848895084085, -3.452903594080596, 3.141592653659182), (1.5559535615217297, -4.38896146733007, 1.0))


def fraction(x: Expr, scale: int) -> Expr:
    """``scale x / (2 pi)`` less the nearest integer, for any single x.

    A single number has 24 bits, so its product with each piece of 28 bits is exact in 52. Its whole part is dropped
    before the products are added up: so nothing is lost where the first of them are whole. Infinities become NaN.
    """
    x = x.to(F64)
    total = x * (scale * TURNS[-1])                         # below 2^-13
    for piece in TURNS[-2::-1]:
        turns = x * (scale * piece)
        total = total + (turns - turns.round())
    return total - total.round()


def sin(x: Expr) -> Expr:
    s = fraction(x, 1)
    half = s.constant(-0.5).where(s < 0, 0.5)
    m = (half - s).where(abs(s) > 0.25, s)                  # sin(pi - a) = sin(a)
    return x.where(x == 0, (m * polynomial(m * m, SINE)).to(F32))


def cos(x: Expr) -> Expr:
    m = 0.25 - abs(fraction(x, 1))                          # cos(a) = sin(pi/2 - |a|)
    return (m * polynomial(m * m, SINE)).to(F32)


def tan(x: Expr) -> Expr:
    s = fraction(x, 2)
    outer = abs(s) > 0.25
    half = s.constant(-0.5).where(s < 0, 0.5)
    m = (half - s).where(outer, s)                          # tan(pi/2 - a) = 1/tan(a)
    z = m * m
    above, below = m * polynomial(z, TANGENT[0]), polynomial(z, TANGENT[1])
    return x.where(x == 0, (below.where(outer, above) / above.where(outer, below)).to(F32))


# --- inverse functions --------------------------------------------------------------------------

# pi/2 and pi as double numbers, and what is missing
HALF_PI, HALF_PI_REST = math.pi / 2, 6.123233995736766e-17
PI, PI_REST = math.pi, 1.2246467991473532e-16

# atan(m)/m as a polynomial of m^2, for m up to 1; 3.7e-10
ARCTAN = (0.0010911153368498472, -0.007199404604953978, 0.02227439346908714, -0.04435753266966642, 0.06716109480422368,
          -0.08798772559637069, 0.11054501261861735, -0.1427915963020359, 0.19999604635780163, -0.33333323935234443,
          0.9999999996282285)
# (atan(m)/m - 1)/m^2 as a quotient of polynomials of m^2, for m up to tan(pi/8); 2.1e-16
ARCTAN_64 = ((-0.019175029150484156, -0.20018497848939779, -0.49261037428302834, -0.33333333333333326),
             (0.02281768627398501, 0.3515686753861832, 1.4186821806283993, 2.077831122848916, 1.0))
TAN_PI_8 = 0.41421356237309503
# asin(m)/m as a polynomial of m^2, for m up to 1/2; 2.5e-10
ARCSIN = (0.03788562963042574, 0.014139455982637876, 0.03190081429657089, 0.0445030852706991, 0.07500604106643943,
          0.16666656944693511, 1.0000000002546072)
# (asin(m)/m - 1)/m^2 as a quotient of polynomials of m^2, for m^2 up to 0.38; 4.7e-17
ARCSIN_64 = ((-7.857697631678266e-05, 0.011584537274000897, -0.10689785726737472, 0.3239642754196333, -0.394118717361803,
              0.16666666666666669),
             (-0.01914825277584234, 0.2874383734892025, -1.3938850854055256, 2.9425490465362083, -2.8147123041708033, 1.0))
ARCSIN_64_NEAR = 0.61                                       # half of 1 - 0.61, and 0.61^2, are within 0.38


def atan(x: Expr) -> Expr:
    a = abs(x)
    outer = a > 1
    a = a.to(F64)
    m = (1 / a).where(outer, a)
    r = m * polynomial(m * m, ARCTAN)
    return x.where(x == 0, copysign((HALF_PI - r).where(outer, r).to(F32), x))


def atan_64(x: Expr) -> Expr:
    a = abs(x)
    middle, outer = a > TAN_PI_8, a > 1 / TAN_PI_8          # there pi/4 + atan((a - 1)/(a + 1)) and pi/2 + atan(-1/a)
    above = a.constant(-1).where(outer, (a - 1).where(middle, a))
    below = a.where(outer, (a + 1).where(middle, 1))
    m = above / below
    z = m * m
    r = m + m * z * (polynomial(z, ARCTAN_64[0]) / polynomial(z, ARCTAN_64[1]))
    base = a.constant(HALF_PI).where(outer, a.constant(HALF_PI / 2).where(middle, 0))
    return copysign(base + (r + base * (HALF_PI_REST / HALF_PI)), x)


def atan2(y: Expr, x: Expr) -> Expr:
    ay, ax = magnitude(y), magnitude(x)
    steep = ay > ax
    above, below = ax.where(steep, ay), ay.where(steep, ax)
    of_equals = below.constant(1).where(below > 0, 0)       # infinities and zeros too
    m = of_equals.where(above == below, above / below)
    r = m * polynomial(m * m, ARCTAN)
    r = (HALF_PI - r).where(steep, r)
    return copysign(rounded((PI - r).where(is_negative(x), r)), y)


def asin(x: Expr) -> Expr:
    a = abs(x).to(F64)
    outer = a > 0.5                                         # asin(a) = pi/2 - 2 asin(sqrt((1 - a)/2))
    z = (0.5 - a * 0.5).where(outer, a * a)
    m = z.sqrt().where(outer, a)
    r = m * polynomial(z, ARCSIN)
    return copysign((HALF_PI - (r + r)).where(outer, r).to(F32), x)


def acos(x: Expr) -> Expr:
    d = x.to(F64)
    a = abs(d)
    outer = a > 0.5
    z = (0.5 - a * 0.5).where(outer, a * a)
    m = z.sqrt().where(outer, d)
    r = m * polynomial(z, ARCSIN)
    twice = r + r
    return (PI - twice).where(d < 0, twice).where(outer, HALF_PI - r).to(F32)


def asin_64(x: Expr) -> Expr:
    a = abs(x)
    outer = a > ARCSIN_64_NEAR
    z = (0.5 - a * 0.5).where(outer, a * a)
    m = z.sqrt().where(outer, a)
    r = m + m * (z * (polynomial(z, ARCSIN_64[0]) / polynomial(z, ARCSIN_64[1])))
    return copysign((HALF_PI - (r + r - HALF_PI_REST)).where(outer, r), x)


def acos_64(x: Expr) -> Expr:
    a = abs(x)
    outer = a > ARCSIN_64_NEAR
    z = (0.5 - a * 0.5).where(outer, a * a)
    m = z.sqrt().where(outer, x)
    r = m + m * (z * (polynomial(z, ARCSIN_64[0]) / polynomial(z, ARCSIN_64[1])))
    twice = r + r
    return (PI - (twice - PI_REST)).where(x < 0, twice).where(outer, HALF_PI - (r - HALF_PI_REST))


# --- remainder ----------------------------------------------------------------------------------

STEP = 29                                                   # bits of a quotient: with 24 of the divisor they are 53
STEPS = 9                                                   # so many steps divide any number by any


def rem(x: Expr, y: Expr) -> Expr:
    """Long division, 29 bits of the quotient at a time; each step is exact.

    Among many numbers there is mostly none whose quotient has more than 29 bits, so for them the first step is the last.
    """
    ctx, aval = x.ctx, x.aval
    if aval.size < LARGE or ctx.isolated or ctx.state.num_partitions > 1:
        return _divide(x, y, STEPS)
    excess = abs(x) * 2.0**-STEP - abs(y)
    most = ctx.reduce("stablehlo.maximum", [excess.value], [np.float32(-1)], range(len(aval.shape)), [ctx.tensor((), F32)], [F32])
    short = ctx.compare(most[0], ctx.scalar(0.0, F32), "LE", (), F32)           # not so if one is NaN
    branches = [lambda steps=steps: [_divide(x, y, steps).value] for steps in (STEPS, 1)]
    return Expr(ctx, ctx.case(ctx.convert(short, (), I32), branches, [ctx.type(aval)])[0], aval)


def _divide(x: Expr, y: Expr, steps: int) -> Expr:
    divisor = abs(y).to(F64)
    inverse = 1 / divisor
    r = abs(x).to(F64) * 2.0**(-STEP * (steps - 1))
    for step in range(steps):
        if step:
            r = r * 2.0**STEP
        r = r - (r * inverse).round() * divisor             # the remainder of least size, whichever its sign
    r = rounded((r + divisor).where(r < 0, r))
    return x.where(abs(x) < abs(y), copysign(r, x))


# --- powers and roots ---------------------------------------------------------------------------

def cbrt(x: Expr) -> Expr:
    root = _cbrt(magnitude(x), 2)
    return _zero_or_not_finite(x, copysign(root.to(F32), x))


def cbrt_64(x: Expr) -> Expr:
    return _zero_or_not_finite(x, copysign(_cbrt(abs(x), 3), x))


def _cbrt(a: Expr, steps: int) -> Expr:
    # A third of the bits, read as an integer, is a third of the logarithm: this is right to 1 in 20.
    high = (a.bits(U64) >> 32).to(I32)
    third = (high.to(F32) * (1 / 3)).to(I32) + 715094163
    root = (third.to(I64) << 32).bits(F64)
    for _ in range(steps):                                  # Halley's method triples the digits
        cube = root * root * root
        root = root - root * ((cube - a) / (cube + cube + a))
    return root


def _zero_or_not_finite(x: Expr, otherwise: Expr) -> Expr:
    """``x`` itself where it is zero, infinite or NaN."""
    return x.where((x == 0) | ((abs(x) < np.inf) ^ True), otherwise)


def _half_power(n: int) -> Callable[[Expr], Expr]:
    """``x ** (n + 1/2)``"""
    def power(x: Expr) -> Expr:
        single = x.aval.dtype == F32
        base = magnitude(x) if single else abs(x)
        total = (1 / base).sqrt() if n == -1 else base.sqrt()       # XLA has no quick form of 1 / sqrt(x)
        for _ in range(n if n >= 0 else -n - 1):
            total = total * base
        if n < -1:
            total = 1 / total
        below_zero = x.bits(U32 if single else U64) > (1 << (31 if single else 63))
        return x.constant(np.nan).where(below_zero & (abs(x) < np.inf), total.to(x.aval.dtype))
    return power


# XLA knows the square root.
HALF_POWERS = {n + 0.5: Form(f"pow_{2 * n + 1}_2", _half_power(n), _half_power(n)) for n in (-3, -2, -1, 1, 2, 3)}


def constant_power(ctx, x, y):
    """``x ** y`` where y is a constant and among `HALF_POWERS`, otherwise None."""
    form = HALF_POWERS.get(constant_number(y))
    return None if form is None else form(ctx, x)


FORMS: dict[str, Callable[..., Any]] = {form.name: form for form in (
    Form("sin", sin), Form("cos", cos), Form("tan", tan), Form("asin", asin, asin_64), Form("acos", acos, acos_64),
    Form("atan", atan, atan_64), Form("atan2", atan2), Form("rem", rem), Form("cbrt", cbrt, cbrt_64))}
