"""Special functions: error functions, gamma and its kin, Bessel functions.

They have floats for operands. Their derivatives are from Abramowitz and Stegun, *Handbook of Mathematical
Functions* (AS below), and the NIST *Digital Library of Mathematical Functions* (DLMF).
"""

from __future__ import annotations

import math

from ferax._src.ops.base import FLOAT, add, binary, lower_with, unary
from ferax._src.ops.compare import eq, le
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import abs, div, exp, mul, neg, rsqrt, sign, square, sub
from ferax._src.ops.select import select_n
from ferax._src.types import dtypes

# --- error functions: d erf(x) = 2/sqrt(pi) exp(-x^2) dx  (AS 7.1.1) ------------------------------


def _gauss(x, factor: float):
    return mul(exp(neg(square(x))), factor)


erf = unary("erf", "chlo.erf", FLOAT, lambda t, ans, x: mul(t, _gauss(x, 2 / math.sqrt(math.pi))),
            doc="Error function.")
erfc = unary("erfc", "chlo.erfc", FLOAT, lambda t, ans, x: mul(t, _gauss(x, -2 / math.sqrt(math.pi))),
             doc="Complementary error function ``1 - erf(x)``, exact also for large ``x``.")
erf_inv = unary("erf_inv", "chlo.erf_inv", FLOAT,
                lambda t, ans, x: mul(t, mul(exp(square(ans)), math.sqrt(math.pi) / 2)),
                doc="Inverse of the error function, on [-1, 1].")

# --- gamma: psi = (log gamma)', polygamma(m, .) = its m-th derivative  (AS 6.3.1, 6.4.1) ----------


def _not_by_first(t, ans, x, y):
    raise ValueError("polygamma and zeta cannot be differentiated with respect to their first argument")


lgamma = unary("lgamma", "chlo.lgamma", FLOAT, lambda t, ans, x: mul(t, digamma(x)),
               doc="Logarithm of the absolute value of the gamma function.")
digamma = unary("digamma", "chlo.digamma", FLOAT, lambda t, ans, x: mul(t, polygamma(1, x)),
                doc="Digamma function, the derivative of `lgamma`.")
polygamma = binary("polygamma", "chlo.polygamma", FLOAT, _not_by_first,
                   lambda t, ans, m, x: mul(t, polygamma(add(m, 1), x)), parameters="m x",
                   doc="The derivative of order ``m`` of `digamma` at ``x``.")
# d/dq sum (q + n)^-s = -s zeta(s + 1, q)  (DLMF 25.11.17)
zeta = binary("zeta", "chlo.zeta", FLOAT, _not_by_first,
              lambda t, ans, s, q: mul(t, mul(neg(s), zeta(add(s, 1), q))),
              parameters="x q",
              doc="Hurwitz zeta function: the sum over n >= 0 of ``(q + n)**-x``.")

# --- Bessel functions, scaled by exp(-|x|): I0' = I1, I1' = I0 - I1/x  (AS 9.6.27, 9.6.26) --------

# Chebyshev expansions in y from -2 to 2, highest term first, of the form that Cephes (S. L. Moshier, Methods
# and Programs for Mathematical Functions) uses: of i0e(x) for x <= 8, y = x/2 - 2; and of sqrt(x) i0e(x)
# for x > 8, y = 32/x - 2. Computed from AS 9.6.12 and 9.7.1 with 60 digits.
_I0_NEAR = (
    -4.4153416464793395e-18, 3.3307945188222384e-17, -2.431279846547955e-16, 1.715391285555133e-15, -1.1685332877993451e-14,
    7.676185498604936e-14, -4.856446783111929e-13, 2.95505266312964e-12, -1.726826291441556e-11, 9.675809035373237e-11,
    -5.189795601635263e-10, 2.6598237246823866e-09, -1.300025009986248e-08, 6.046995022541919e-08, -2.670793853940612e-07,
    1.1173875391201037e-06, -4.4167383584587505e-06, 1.6448448070728896e-05, -5.754195010082104e-05, 0.00018850288509584165,
    -0.0005763755745385824, 0.0016394756169413357, -0.004324309995050576, 0.010546460394594998, -0.02373741480589947,
    0.04930528423967071, -0.09490109704804764, 0.17162090152220877, -0.3046826723431984, 0.6767952744094761)
_I0_FAR = (
    -7.233180487874754e-18, -4.830504485944182e-18, 4.46562142029676e-17, 3.461222867697461e-17, -2.8276239805165836e-16,
    -3.425485619677219e-16, 1.7725601330565263e-15, 3.8116806693526224e-15, -9.554846698828307e-15, -4.150569347287222e-14,
    1.54008621752141e-14, 3.8527783827421426e-13, 7.180124451383666e-13, -1.7941785315068062e-12, -1.3215811840447713e-11,
    -3.1499165279632416e-11, 1.1889147107846439e-11, 4.94060238822497e-10, 3.3962320257083865e-09, 2.266668990498178e-08,
    2.0489185894690638e-07, 2.8913705208347567e-06, 6.889758346916825e-05, 0.0033691164782556943, 0.8044904110141088)
_TERMS = {"float64": (30, 25), "float32": (18, 7)}      # how many are needed for full accuracy


def _chebyshev(y, coefficients):
    """Clenshaw's recurrence for sum c_k T_k(y/2), with c_0 halved."""
    b0, b1, b2 = coefficients[0], 0.0, 0.0
    for c in coefficients[1:]:
        b0, b1, b2 = add(sub(mul(y, b0), b1), c), b0, b1
    return mul(sub(b0, b2), 0.5)


def _bessel_i0e(x):
    dtype = x.dtype
    if dtype.name not in _TERMS:
        return convert(_bessel_i0e(convert(x, dtypes.as_dtype("float32"))), dtype)
    near, far = _TERMS[dtype.name]
    x = abs(x)
    small = _chebyshev(sub(mul(x, 0.5), 2), _I0_NEAR[-near:])
    large = mul(_chebyshev(sub(div(32, x), 2), _I0_FAR[-far:]), rsqrt(x))
    return select_n(le(x, 8), large, small)


def _i1e_slope(ans, x):
    """i0e(x) - i1e(x) (sign(x) + 1/x), and 1/2 at 0."""
    at_zero = eq(x, 0)
    safe = select_n(at_zero, x, 1)
    slope = sub(bessel_i0e(safe), mul(ans, add(sign(safe), div(1, safe))))
    return select_n(at_zero, slope, 0.5)


bessel_i0e = unary("bessel_i0e", None, FLOAT, lambda t, ans, x: mul(t, sub(bessel_i1e(x), mul(sign(x), ans))),
                   lower=lower_with(_bessel_i0e),
                   doc="Modified Bessel function of order 0, times ``exp(-abs(x))``.")
bessel_i1e = unary("bessel_i1e", "chlo.bessel_i1e", FLOAT, lambda t, ans, x: mul(t, _i1e_slope(ans, x)),
                   doc="Modified Bessel function of order 1, times ``exp(-abs(x))``.")

erf_p, erfc_p, erf_inv_p = erf.p, erfc.p, erf_inv.p
lgamma_p, digamma_p, polygamma_p, zeta_p = lgamma.p, digamma.p, polygamma.p, zeta.p
bessel_i0e_p, bessel_i1e_p = bessel_i0e.p, bessel_i1e.p
