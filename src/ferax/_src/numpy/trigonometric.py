"""Trigonometric and hyperbolic functions and their inverses; degrees and radians."""

from __future__ import annotations

import math

from ferax._src.numpy import util
from ferax._src.numpy.rows import INEXACT, binary, composite, renamed, unary
from ferax._src.ops import elementwise as ops
from ferax._src.ops.compare import eq, lt

sin = unary("sin", ops.sin, INEXACT, "Sine, of radians.")
cos = unary("cos", ops.cos, INEXACT, "Cosine, of radians.")
tan = unary("tan", ops.tan, INEXACT, "Tangent, of radians.")
sinh = unary("sinh", ops.sinh, INEXACT, "Hyperbolic sine.")
cosh = unary("cosh", ops.cosh, INEXACT, "Hyperbolic cosine.")
tanh = unary("tanh", ops.tanh, INEXACT, "Hyperbolic tangent.")
arcsin = unary("arcsin", ops.asin, INEXACT, "Inverse sine, from -pi/2 to pi/2; nan outside of [-1, 1].")
arccos = unary("arccos", ops.acos, INEXACT, "Inverse cosine, from 0 to pi; nan outside of [-1, 1].")
arctan = unary("arctan", ops.atan, INEXACT, "Inverse tangent, from -pi/2 to pi/2.")
arcsinh = unary("arcsinh", ops.asinh, INEXACT, "Inverse hyperbolic sine.")
arctanh = unary("arctanh", ops.atanh, INEXACT, "Inverse hyperbolic tangent; nan outside of [-1, 1].")
arctan2 = binary("arctan2", ops.atan2, INEXACT, "The angle of the point with ordinate x1 and abscissa x2, from -pi to pi.")


def _complex_arccosh(x):
    """The root with a real part that is not negative, as NumPy takes it."""
    y = ops.acosh(x)
    re = ops.real(y)
    return util.choose(lt(re, util.const(re, 0)), ops.neg(y), y)


arccosh = unary("arccosh", ops.acosh, INEXACT, "Inverse hyperbolic cosine; nan below 1.", kinds="f",
                otherwise=_complex_arccosh)

acos, asin, atan = renamed(arccos, "acos"), renamed(arcsin, "asin"), renamed(arctan, "atan")
acosh, asinh, atanh = renamed(arccosh, "acosh"), renamed(arcsinh, "asinh"), renamed(arctanh, "atanh")
atan2 = renamed(arctan2, "atan2")

deg2rad = unary("deg2rad", lambda x: ops.mul(x, util.const(x, math.pi / 180)), INEXACT, "Radians from degrees.")
rad2deg = unary("rad2deg", lambda x: ops.mul(x, util.const(x, 180 / math.pi)), INEXACT, "Degrees from radians.")
radians, degrees = renamed(deg2rad, "radians"), renamed(rad2deg, "degrees")


@composite("sinc", INEXACT, "``sin(pi x) / (pi x)``, and 1 at 0.", params=("x",))
def sinc(x):
    y = ops.mul(x, util.const(x, math.pi))
    zero = eq(x, util.const(x, 0))
    # At 0 the series stands in, for its derivatives: sin(y) / y = sum (-1)^k y^2k / (2k + 1)!
    z = ops.square(y)
    series = util.const(x, 1 / math.factorial(15))
    for k in range(6, -1, -1):
        series = ops.sub(util.const(x, 1 / math.factorial(2 * k + 1)), ops.mul(z, series))
    safe = util.choose(zero, util.const(x, 1), y)
    return util.choose(zero, series, ops.div(ops.sin(safe), safe))
