"""Incomplete gamma functions: the regularised P(a, x) and Q(a, x) = 1 - P(a, x), and their derivatives by ``a``.

There are four ways to compute them, each element taking the one that suits it, with D = x^a exp(-x) / gamma(a + 1):

series      P = D sum_n x^n / ((a+1) ... (a+n))                  DLMF 8.7.1   x up to a, or up to 1
fraction    Q = a D / (x+1-a - 1(1-a)/(x+3-a - ...))             DLMF 8.9.2   x above a and above 1
power       Q = 1 - x^a/gamma(a+1) - a x^a/gamma(a+1) sum_n (-x)^n/(n! (a+n))     DLMF 8.7.3   small x and a, where P is near 1
uniform     Q = erfc(eta sqrt(a/2))/2 + D' sum_k c_k(eta) a^-k   DLMF 8.12    a of 100 and more, x within 15% of it

with ``eta^2/2 = x/a - 1 - log(x/a)``, ``eta`` of the sign of ``x - a``, and ``D' = exp(-a eta^2/2) / sqrt(2 pi a)``. The choice follows
Gil, Segura and Temme, *Efficient and accurate algorithms for the computation and inversion of the incomplete gamma function
ratios* (2012). The derivatives by ``a`` are those of the terms; each is written as D times something of moderate size,
which is all that the derivative of a sample needs.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np

from ferax._src.ops.base import FLOAT, add, binary
from ferax._src.ops.compare import eq, ge, gt, le, lt, ne
from ferax._src.ops.elementwise import (
    abs, div, exp, expm1, is_finite, log, log1p, mul, neg, reciprocal, sign, sqrt, square, sub)
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not, bitwise_or
from ferax._src.ops.elementwise_special import digamma, erfc, lgamma
from ferax._src.ops.gamma_pieces import (
    bernoulli, lgamma1p, like, log1p_gap, power_term, rounding, stirling, where)
from ferax._src.ops.stages import Repeat, lower_in_stages
from ferax._src.types import dtypes

_LIMIT = 3000                                   # of terms


# --- Temme's uniform expansion ------------------------------------------------------------------

_FROM, _WITHIN = 100.0, 0.15                    # where few terms are enough; there ``eta`` is at most 0.16 in size
_ETA, _ORDER = 0.16, 9


@functools.cache
def _uniform_coefficients(precision: float) -> list[list[float]]:
    """Rows d[k][n] of ``c_k(eta) = sum_n d[k][n] eta^n`` as far as they matter for a relative precision, computed exactly.

    The expansion ``x/a = 1 + sum_n alpha[n] eta^n`` gives the row 0, DLMF 8.12.10; the others follow by 8.12.11,
    ``d[k][n] = (-1)^k g[k] d[0][n] + (n + 2) d[k-1][n+2]``, with g[k] those of gamma's asymptotic series, DLMF 5.11.3.
    """
    length = 20 + 2 * _ORDER
    alpha = [Fraction(0), Fraction(1)]
    for n in range(2, length + 2):
        inner = sum([k * alpha[k] * alpha[n - k + 1] for k in range(2, n)], Fraction(0))
        alpha.append((alpha[n - 1] - inner) / (n + 1))
    first = [Fraction(-1, 3), *[(n + 2) * alpha[n + 2] for n in range(1, length)]]
    b = bernoulli(_ORDER + 3)
    logs = [b[j + 1] / (j * (j + 1)) if j % 2 else Fraction(0) for j in range(1, _ORDER + 1)]
    g = [Fraction(1)]                           # the exponential of a power series
    for n in range(1, _ORDER + 1):
        g.append(sum([j * logs[j - 1] * g[n - j] for j in range(1, n + 1)], Fraction(0)) / n)
    rows = [first]
    for k in range(1, _ORDER):
        rows.append([(-1) ** k * g[k] * d + (n + 2) * rows[-1][n + 2] for n, d in enumerate(first[:len(rows[-1]) - 2])])
    kept = [[float(d) for n, d in enumerate(row) if _ETA ** n * _FROM ** -k > precision / 20] for k, row in enumerate(rows)]
    return [row for row in kept if row]


def _is_uniform(a, x):
    return bitwise_and(ge(a, _FROM), le(abs(sub(x, a)), mul(a, _WITHIN)))


def _density_of_uniform(a, gap):
    """``D' = exp(-a eta^2/2) / sqrt(2 pi a)``"""
    return div(exp(neg(mul(a, gap))), sqrt(mul(a, 2 * math.pi)))


def _uniform_sum(a, eta):
    """``S = sum_k c_k(eta) a^-k``, its derivative by ``eta``, and ``sum_k k c_k(eta) a^-k``: Horner's rule, twice, with derivatives."""
    inverse = reciprocal(a)
    total = by_eta = by_power = like(a, 0)
    for row in _uniform_coefficients(rounding(a))[::-1]:
        c = slope = None
        for d in row[::-1]:
            if c is not None:
                slope = c if slope is None else add(mul(slope, eta), c)
            c = like(a, d) if c is None else add(mul(c, eta), d)
        by_power = mul(add(by_power, total), inverse)
        total = add(mul(total, inverse), c)
        by_eta = mul(by_eta, inverse)
        by_eta = by_eta if slope is None else add(by_eta, slope)
    return total, by_eta, by_power


def _gap(a, x):
    """``eta^2/2``"""
    return log1p_gap(div(sub(x, a), a), div(x, a))


def _uniform(a, x, upper: bool):
    """Q, or P if not ``upper``."""
    gap = _gap(a, x)
    eta = mul(sign(sub(x, a)), sqrt(mul(gap, 2)))
    total = mul(_density_of_uniform(a, gap), _uniform_sum(a, eta)[0])
    half = mul(erfc(mul(eta if upper else neg(eta), sqrt(mul(a, 0.5)))), 0.5)
    return add(half, total) if upper else sub(half, total)


def _uniform_by_a(a, x):
    """The derivative of Q by ``a``, divided by D'.

    With ``m = x/a - 1`` and ``y = eta sqrt(a/2)``, ``y^2`` has the derivative ``-log1p(m)``, so ``y`` has ``-log1p(m)/(2y)``, and
    ``eta`` has ``-m/(a eta)``.
    """
    m = div(sub(x, a), a)
    eta = mul(sign(m), sqrt(mul(_gap(a, x), 2)))
    middle = eq(m, 0)
    safe = where(middle, 1, eta)
    by_log, by_m = [where(middle, 1, div(v, safe)) for v in (log1p(m), m)]
    total, by_eta, by_power = _uniform_sum(a, eta)
    inner = sub(mul(total, sub(log1p(m), div(0.5, a))), div(add(mul(by_eta, by_m), by_power), a))
    return add(by_log, inner)


# --- the series: of P / D, and of its derivative ------------------------------------------------

def _series(active, a, x, *rest):
    """The state: n + a, the term c of number n, and the sum of all; for derivatives the sum of ``c (1/(a+1) + ... + 1/(a+n))``."""
    one, zero = like(a, 1), like(a, 0)
    return [active, a, x, a, one, one, zero, zero, *rest]


def _series_term(active, a, x, r, c, total, harmonic, moment, *rest):
    r = add(r, 1)
    c = mul(c, div(x, r))
    total = where(active, add(total, c), total)
    return [bitwise_and(active, gt(c, mul(total, rounding(x)))), a, x, r, c, total, harmonic, moment, *rest]


def _series_term_by_a(active, a, x, r, c, total, harmonic, moment, *rest):
    r = add(r, 1)
    c, harmonic = mul(c, div(x, r)), add(harmonic, reciprocal(r))
    term = mul(c, harmonic)
    total, moment = where(active, add(total, c), total), where(active, add(moment, term), moment)
    return [bitwise_and(active, gt(term, mul(moment, rounding(x)))), a, x, r, c, total, harmonic, moment, *rest]


# --- the continued fraction: f = Q / (a D), and the derivative of its logarithm -----------------

def _fraction(active, a, x, *rest):
    """Lentz's method in the form of Thompson and Barnett: f is a product of ``c d``, of which the first is ``1 / (x + 1 - a)``."""
    b = where(active, sub(add(x, 1), a), 1)
    d, zero = reciprocal(b), like(a, 0)
    huge = like(a, 1 / float(dtypes.finfo(a.dtype).tiny))
    return [active, a, x, zero, b, huge, d, d, zero, square(d), d, *rest]


def _fraction_term(active, a, x, n, b, c, d, f, c_by_a, d_by_a, log_by_a, *rest):
    n, b = add(n, 1), add(b, 2)
    top = mul(n, sub(a, n))
    c, d = add(b, div(top, c)), reciprocal(add(b, mul(top, d)))
    step = mul(c, d)
    f = where(active, mul(f, step), f)
    active = bitwise_and(active, gt(abs(sub(step, 1)), 2 * rounding(x)))
    return [active, a, x, n, b, c, d, f, c_by_a, d_by_a, log_by_a, *rest]


def _fraction_term_by_a(active, a, x, n, b, c, d, f, c_by_a, d_by_a, log_by_a, *rest):
    n, b = add(n, 1), add(b, 2)
    top = mul(n, sub(a, n))                     # has the derivative n, and b has -1
    c_by_a = sub(div(sub(n, mul(top, div(c_by_a, c))), c), 1)
    inner = sub(add(mul(n, d), mul(top, d_by_a)), 1)
    c, d = add(b, div(top, c)), reciprocal(add(b, mul(top, d)))
    d_by_a = neg(mul(square(d), inner))
    step, log_step = mul(c, d), add(div(c_by_a, c), div(d_by_a, d))
    f, log_by_a = where(active, mul(f, step), f), where(active, add(log_by_a, log_step), log_by_a)
    goes_on = bitwise_or(gt(abs(sub(step, 1)), 2 * rounding(x)), gt(abs(log_step), mul(abs(log_by_a), 2 * rounding(x))))
    return [bitwise_and(active, goes_on), a, x, n, b, c, d, f, c_by_a, d_by_a, log_by_a, *rest]


# --- the power series of Q ----------------------------------------------------------------------

def _power(a, x):
    """Q for small ``a`` and ``x``, where P is near 1."""
    total, factor = like(a, 0), like(a, 1)
    for n in range(1, 21 if a.dtype == np.float64 else 13):
        factor = mul(factor, div(neg(x), n))
        total = add(total, div(factor, add(a, n)))
    near = lt(a, 0.5)
    log_gamma = where(near, lgamma1p(where(near, a, 0)), lgamma(add(a, 1)))
    exponent = sub(mul(a, log(x)), log_gamma)
    return neg(add(expm1(exponent), mul(mul(a, exp(exponent)), total)))


def _takes_power(a, x):
    """Where the power series of Q is better than 1 - P: where P is above 1/2, about."""
    small = bitwise_and(le(x, 0.5), le(mul(a, neg(log(x))), 0.4))
    return bitwise_and(le(x, 1.1), bitwise_or(small, bitwise_and(gt(x, 0.5), le(a, mul(x, 1.1)))))


# --- putting them together ----------------------------------------------------------------------

def _is_regular(a, x):
    """Where there is something to compute: both positive and finite."""
    return bitwise_and(bitwise_and(gt(a, 0), gt(x, 0)), bitwise_and(is_finite(a), is_finite(x)))


def _below(a, x):
    """Where the series of P is used."""
    return bitwise_or(le(x, 1), le(x, a))


def _both(*conditions):
    return functools.reduce(bitwise_and, conditions)


def _outside(a, x):
    return _both(_is_regular(a, x), bitwise_not(_is_uniform(a, x)))


def _invalid(a, x):
    """Where the result is NaN; a comparison with NaN does not hold."""
    return bitwise_not(_both(ge(a, 0), ge(x, 0), bitwise_or(ne(a, 0), ne(x, 0))))


def _P_start(a, x):
    return _series(_both(_outside(a, x), _below(a, x)), a, x)


def _P_go_on(_, a, x, r, c, total, *rest):
    return _fraction(_both(_outside(a, x), bitwise_not(_below(a, x))), a, x, total)


def _P(_, a, x, n, b, c, d, f, *rest):
    d, total = power_term(a, x), rest[-1]
    p = where(_below(a, x), mul(d, total), sub(1, mul(mul(a, d), f)))
    p = where(_is_uniform(a, x), _uniform(a, x, upper=False), p)
    p = where(bitwise_or(eq(x, 0), eq(a, math.inf)), 0, p)
    p = where(bitwise_or(eq(a, 0), eq(x, math.inf)), 1, p)
    return [where(_invalid(a, x), math.nan, p)]


def _Q_start(a, x):
    return _series(_both(_outside(a, x), bitwise_not(_takes_power(a, x)), bitwise_or(le(x, 1.1), lt(x, a))), a, x)


def _Q_go_on(_, a, x, r, c, total, *rest):
    return _fraction(_both(_outside(a, x), gt(x, 1.1), ge(x, a)), a, x, total)


def _Q(_, a, x, n, b, c, d, f, *rest):
    d, total = power_term(a, x), rest[-1]
    q = where(bitwise_and(gt(x, 1.1), ge(x, a)), mul(mul(a, d), f), sub(1, mul(d, total)))
    q = where(_takes_power(a, x), _power(a, x), q)
    q = where(_is_uniform(a, x), _uniform(a, x, upper=True), q)
    q = where(bitwise_or(eq(x, 0), eq(a, math.inf)), 1, q)
    q = where(bitwise_or(eq(a, 0), eq(x, math.inf)), 0, q)
    return [where(_invalid(a, x), math.nan, q)]


# Of the slope, ``-dP/da / D`` and with the uniform expansion ``-dP/da / D'``, the ways are stages of their own: the compiler takes
# its time over large expressions.

def _slope_by_terms(_, a, x, n, b, c, d, f, c_by_a, d_by_a, log_by_a, total, moment):
    psi, log_x = digamma(add(a, 1)), log(x)
    of_series = add(mul(total, sub(psi, log_x)), moment)
    of_fraction = mul(f, add(mul(a, add(sub(log_x, psi), log_by_a)), 1))        # psi(a) = psi(a + 1) - 1/a
    return [a, x, where(_below(a, x), of_series, of_fraction)]


def _slope(a, x, slope):
    return [a, x, where(_is_uniform(a, x), _uniform_by_a(a, x), slope)]


def _slope_go_on(_, a, x, r, c, total, harmonic, moment):
    return _fraction(_both(_outside(a, x), bitwise_not(_below(a, x))), a, x, total, moment)


def _P_by_a(a, x, slope):
    density = where(_is_uniform(a, x), _density_of_uniform(a, _gap(a, x)), power_term(a, x))
    return [_finished_slope(a, x, where(eq(x, math.inf), 0, neg(mul(density, slope))))]


def _sample_by_a(a, x, slope):
    # The density of the distribution is D a / x, and D = D' exp(-stirling(a)).
    uniform = _is_uniform(a, x)
    slope = mul(slope, where(uniform, exp(stirling(where(uniform, a, _FROM))), 1))
    return [_finished_slope(a, x, where(is_finite(x), mul(slope, div(x, a)), math.nan))]


def _finished_slope(a, x, slope):
    valid = _both(gt(a, 0), ge(x, 0), is_finite(a))
    slope = where(valid, slope, math.nan)
    return where(bitwise_and(eq(x, 0), gt(a, 0)), 0, slope)


# --- the functions ------------------------------------------------------------------------------

def _density(a, x):
    """``x^(a-1) exp(-x) / gamma(a)``, 1 at ``a = 1, x = 0``."""
    power = sub(a, 1)
    flat = eq(power, 0)
    return exp(sub(sub(mul(power, log(where(flat, 1, x))), x), lgamma(a)))


def _no_more_derivatives(name: str):
    def derivative(t, ans, a, x):
        raise NotImplementedError(f"{name} is itself a derivative, and has no rule for one of its own (igamma and igammac can be "
                                  "differentiated once by their first argument)")
    return derivative


_up_to_slope = (_P_start, Repeat(_series_term_by_a, _LIMIT), _slope_go_on, Repeat(_fraction_term_by_a, _LIMIT),
                _slope_by_terms, _slope)

igamma = binary("igamma", None, FLOAT,
                lambda t, ans, a, x: mul(t, igamma_grad_a(a, x)), lambda t, ans, a, x: mul(t, _density(a, x)),
                lower=lower_in_stages(_P_start, Repeat(_series_term, _LIMIT), _P_go_on, Repeat(_fraction_term, _LIMIT), _P),
                parameters="a x",
                doc="""Regularised incomplete gamma function P(a, x), element by element.

    Parameters
    ----------
    a, x : arrays of floats of one dtype, not negative

    Returns
    -------
    array: the integral of ``t^(a-1) exp(-t)`` from 0 to ``x``, over that to infinity; NaN outside of the domain, and at
    ``a = x = 0``. Its relative accuracy is near that of the dtype, but for the rounding of ``x`` itself

    References
    ----------
    DLMF 8.2.4. ``scipy.special.gammainc``
    """)
igammac = binary("igammac", None, FLOAT,
                 lambda t, ans, a, x: neg(mul(t, igamma_grad_a(a, x))), lambda t, ans, a, x: neg(mul(t, _density(a, x))),
                 lower=lower_in_stages(_Q_start, Repeat(_series_term, _LIMIT), _Q_go_on, Repeat(_fraction_term, _LIMIT), _Q),
                 parameters="a x",
                 doc="""Complement of `igamma`, ``1 - P(a, x)``, exact also where that is small.

    Parameters
    ----------
    a, x : arrays of floats of one dtype, not negative

    Returns
    -------
    array

    References
    ----------
    DLMF 8.2.4. ``scipy.special.gammaincc``
    """)
igamma_grad_a = binary("igamma_grad_a", None, FLOAT, *[_no_more_derivatives("igamma_grad_a")] * 2, parameters="a x",
                       lower=lower_in_stages(*_up_to_slope, _P_by_a),
                       doc="""The derivative of `igamma` by its first argument, element by element.

    Parameters
    ----------
    a, x : arrays of floats of one dtype, ``a`` positive and ``x`` not negative

    Returns
    -------
    array; NaN outside of the domain
    """)
random_gamma_grad = binary("random_gamma_grad", None, FLOAT, *[_no_more_derivatives("random_gamma_grad")] * 2, parameters="a x",
                           lower=lower_in_stages(*_up_to_slope, _sample_by_a),
                           doc="""The derivative of a gamma-distributed sample by the parameter of its distribution.

    Parameters
    ----------
    a : array of floats, positive; the parameter (the scale is 1)
    x : array of the same dtype, not negative; the sample

    Returns
    -------
    array: ``-dP/da / dP/dx`` of P(a, x) as in `igamma`, which keeps P(a, x) the same; NaN outside of the domain

    References
    ----------
    Figurnov, Mohamed and Mnih, *Implicit reparameterization gradients* (2018)
    """)

igamma_p, igammac_p, igamma_grad_a_p, random_gamma_grad_p = igamma.p, igammac.p, igamma_grad_a.p, random_gamma_grad.p
