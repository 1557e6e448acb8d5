"""The regularised incomplete beta function, by its continued fraction.

With ``y = 1 - x`` and ``x < (a + 1)/(a + b + 2)``, where it converges quickly (DLMF 8.17.22)

    I_x(a, b) = x^a y^b gamma(a+b) / (gamma(a+1) gamma(b)) * 1/(1 + d1/(1 + d2/(1 + ...)))
    d[2n] = n (b-n) x / ((a+2n-1) (a+2n))       d[2n+1] = -(a+n) (a+b+n) x / ((a+2n) (a+2n+1))

and ``I_x(a, b) = 1 - I_y(b, a)`` elsewhere (8.17.4). It is evaluated as its even part (1.12.21 there)

    1/(1 + d1 - d1 d2/(1 + d2 + d3 - ...))      1 + d[2n+1] = ((a+n) (u + n y) + n (2a+3n) + a + 2n) / ((a+2n) (a+2n+1))

with ``u = a y - b x``, where nothing cancels that matters. The factor in front is computed by Stirling's formula wherever its parts
are large; of both large, what is left of the powers are the gaps of ``log1p`` at ``w/a`` and ``-w/b``, with ``w = x b - a y``:
Didonato and Morris, *Significant digit computation of the incomplete beta function ratios* (1992).
"""

from __future__ import annotations

import math

from ferax._src.ops.base import FLOAT, add, nary
from ferax._src.ops.compare import eq, ge, gt, le, lt, ne
from ferax._src.ops.elementwise import abs, div, exp, log, log1p, max, min, mul, neg, reciprocal, rsqrt, sub
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not, bitwise_or
from ferax._src.ops.elementwise_special import lgamma
from ferax._src.ops.gamma_pieces import LARGE, like, log1p_gap, rounding, stirling, where
from ferax._src.ops.stages import Repeat, lower_in_stages
from ferax._src.types import dtypes

_LIMIT = 20000          # of turns, two terms in each; it takes about the root of the larger parameter


# --- the factor in front ------------------------------------------------------------------------

def _log_gamma_ratio(large, s):
    """``lgamma(large) - lgamma(large + s)`` for ``large`` of `LARGE` and more, without its ``-s log(large + s)``."""
    total = add(large, s)
    return add(sub(s, mul(sub(large, 0.5), log1p(div(s, large)))), sub(stirling(large), stirling(total)))


def _front(a, b, x, y):
    """``x^a y^b gamma(a+b) / (gamma(a+1) gamma(b))``"""
    total = add(a, b)
    least, most = min(a, b), max(a, b)
    log_x = where(lt(x, 0.5), log(x), log1p(neg(y)))
    log_y = where(lt(y, 0.5), log(y), log1p(neg(x)))

    big_a, big_b = max(a, LARGE), max(b, LARGE)     # both large
    w = sub(mul(x, b), mul(a, y))
    ratio_a, ratio_b = mul(x, add(div(b, big_a), 1)), mul(y, add(div(a, big_b), 1))
    exponent = add(mul(big_a, log1p_gap(div(w, big_a), ratio_a)), mul(big_b, log1p_gap(neg(div(w, big_b)), ratio_b)))
    corrections = sub(stirling(max(total, LARGE)), add(stirling(big_a), stirling(big_b)))
    scale = rsqrt(mul(mul(big_a, 2 * math.pi), add(div(big_a, big_b), 1)))
    both = mul(exp(sub(corrections, exponent)), scale)

    # One large: the logarithm of the sum goes with that of the power of the small one.
    s, big = where(lt(least, LARGE), least, 1), max(most, LARGE)
    ratio, log_total = _log_gamma_ratio(big, s), log(add(big, s))
    a_is_large = gt(a, b)
    with_a = sub(sub(add(mul(big, log_x), mul(s, add(log_y, log_total))), add(ratio, log(big))), lgamma(s))
    with_b = sub(sub(add(mul(s, add(log_x, log_total)), mul(big, log_y)), ratio), lgamma(add(s, 1)))
    one = exp(where(a_is_large, with_a, with_b))

    neither = exp(add(add(mul(a, log_x), mul(b, log_y)), sub(lgamma(total), add(lgamma(add(a, 1)), lgamma(b)))))
    return where(ge(least, LARGE), both, where(ge(most, LARGE), one, neither))


# --- the continued fraction ---------------------------------------------------------------------

def _is_quick(a, b, x):
    return lt(x, div(add(a, 1), add(add(a, b), 2)))


def _swapped(a, b, x):
    """The parameters, and x and 1 - x, in the order in which the fraction converges."""
    quick, y = _is_quick(a, b, x), sub(1, x)
    return where(quick, a, b), where(quick, b, a), where(quick, x, y), where(quick, y, x)


def _start(a, b, x):
    p, q, u, v = _swapped(a, b, x)
    active = bitwise_and(bitwise_and(gt(a, 0), gt(b, 0)), bitwise_and(gt(x, 0), lt(x, 1)))
    active = bitwise_and(active, bitwise_and(ne(a, math.inf), ne(b, math.inf)))
    gap = sub(mul(p, v), mul(q, u))
    d = div(add(p, 1), add(gap, 1))             # 1 / (1 + d1)
    zero = like(a, 0)
    huge = like(a, 1 / float(dtypes.finfo(a.dtype).tiny))
    odd = neg(mul(div(add(p, q), add(p, 1)), u))
    return [active, a, b, x, p, q, u, v, gap, zero, odd, huge, d, d]


def _turn(active, a, b, x, p, q, u, v, gap, n, odd, c, d, f):
    """One term of the even part, by Lentz's method; ``odd`` is d[2n-1]."""
    n = add(n, 1)
    at = add(p, mul(n, 2))
    even = div(mul(div(mul(n, sub(q, n)), sub(at, 1)), u), at)
    top = neg(mul(odd, even))
    odd = neg(div(mul(mul(div(add(p, n), at), u), add(add(p, q), n)), add(at, 1)))
    grown = add(mul(div(n, at), div(add(mul(p, 2), mul(n, 3)), add(at, 1))), reciprocal(add(at, 1)))
    one_and_odd = add(mul(div(add(p, n), at), div(add(gap, mul(n, v)), add(at, 1))), grown)
    b_n = add(one_and_odd, even)
    c, d = add(b_n, div(top, c)), reciprocal(add(b_n, mul(top, d)))
    step = mul(c, d)
    f = where(active, mul(f, step), f)
    active = bitwise_and(active, gt(abs(sub(step, 1)), 2 * rounding(x)))
    return [active, a, b, x, p, q, u, v, gap, n, odd, c, d, f]


def _finish(_, a, b, x, p, q, u, v, gap, n, odd, c, d, f):
    found = mul(_front(p, q, u, v), f)
    found = where(_is_quick(a, b, x), found, sub(1, found))
    at_0, at_1 = eq(x, 0), eq(x, 1)
    all_at_0 = bitwise_or(eq(a, 0), eq(b, math.inf))        # all the weight of the distribution
    all_at_1 = bitwise_or(eq(b, 0), eq(a, math.inf))
    found = where(bitwise_or(at_0, bitwise_and(all_at_1, bitwise_not(at_1))), 0, found)
    found = where(bitwise_or(at_1, bitwise_and(all_at_0, bitwise_not(at_0))), 1, found)
    valid = bitwise_and(bitwise_and(ge(a, 0), ge(b, 0)), bitwise_and(ge(x, 0), le(x, 1)))
    return [where(bitwise_and(valid, bitwise_not(bitwise_and(all_at_0, all_at_1))), found, math.nan)]


# --- the function -------------------------------------------------------------------------------

def _by_parameter(t, ans, a, b, x):
    raise ValueError("Betainc gradient with respect to a and b not supported.")


def _by_x(t, ans, a, b, x):
    """``x^(a-1) (1-x)^(b-1) / B(a, b)``"""
    log_beta = sub(add(lgamma(a), lgamma(b)), lgamma(add(a, b)))
    return mul(t, exp(sub(add(mul(sub(b, 1), log1p(neg(x))), mul(sub(a, 1), log(x))), log_beta)))


_betainc = nary("regularized_incomplete_beta", None, (FLOAT,) * 3, (_by_parameter, _by_parameter, _by_x),
                lower=lower_in_stages(_start, Repeat(_turn, _LIMIT), _finish))
regularized_incomplete_beta_p = _betainc.p


def betainc(a, b, x):
    """Regularised incomplete beta function, element by element.

    Parameters
    ----------
    a, b : arrays of floats, not negative
    x : array of the same dtype, from 0 to 1

    Returns
    -------
    array: the integral of ``t^(a-1) (1-t)^(b-1)`` from 0 to ``x``, over that to 1; NaN outside of the domain and where the limit
    depends on the way there. It can be differentiated by ``x``

    References
    ----------
    DLMF 8.17. ``scipy.special.betainc``
    """
    return _betainc(a, b, x)
