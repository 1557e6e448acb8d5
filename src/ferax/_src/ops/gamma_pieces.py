"""What the incomplete gamma and beta functions are made of: parts of the gamma function without loss of digits.

For large arguments ``exp(a log(x) - x - lgamma(a))`` is a small difference of large numbers. By Stirling's formula (DLMF 5.11.1)

    lgamma(a) = (a - 1/2) log(a) - a + log(2 pi)/2 + stirling(a)

the large parts cancel on paper, and what is left is ``log1p`` near 0: `log1p_gap`.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np

from ferax._src.ops.base import add
from ferax._src.ops.compare import lt
from ferax._src.ops.elementwise import (
    abs, div, exp, log, log1p, max, mul, neg, reciprocal, rsqrt, square, sub)
from ferax._src.ops.elementwise_special import lgamma
from ferax._src.ops.select import select_n
from ferax._src.ops.zeros import filled
from ferax._src.types import dtypes

LARGE = 10.0            # where Stirling's series with eight terms has full accuracy in float64


def where(condition, x, y):
    """``x`` where the condition holds, else ``y``; numbers are spread."""
    return select_n(condition, y, x)


def like(x, value: float):
    """An array like ``x``, filled with a number."""
    return filled(x.aval.strip_weak_type(), value)


def rounding(x) -> float:
    """Half the distance of 1 and the next number."""
    return float(dtypes.finfo(x.dtype).eps) / 2


def polynomial(x, coefficients):
    """``c[0] + c[1] x + c[2] x^2 + ...`` by Horner's rule."""
    *rest, total = [float(c) for c in coefficients]
    if not rest:
        return like(x, total)
    total = add(mul(x, total), rest.pop())
    while rest:
        total = add(mul(x, total), rest.pop())
    return total


@functools.cache
def bernoulli(count: int) -> list[Fraction]:
    """The Bernoulli numbers B0, B1, ... (DLMF 24.5.3)."""
    found = [Fraction(1)]
    for m in range(1, count):
        found.append(-sum([math.comb(m + 1, k) * b for k, b in enumerate(found)], Fraction(0)) / (m + 1))
    return found


def stirling(a):
    """The remainder of Stirling's formula, for ``a`` of `LARGE` and more (DLMF 5.11.1): a polynomial in 1/a."""
    b = bernoulli(17)
    series = [b[2 * k] / (2 * k * (2 * k - 1)) for k in range(1, 9)]
    inverse = reciprocal(a)
    return mul(inverse, polynomial(square(inverse), series))


def log1p_gap(m, ratio):
    """``m - log1p(m)``, which is at least 0, exact also near 0; ``ratio`` is ``1 + m``, exact also near 0.

    ``log1p(m) = 2 artanh(r)`` with ``r = m / (2 + m)``, and ``m - 2r = m r``: so it is ``m r - 2 (r^3/3 + r^5/5 + ...)``.
    """
    near = lt(abs(sub(m, 0.25)), 0.75)          # from -1/2 to 1, where |r| <= 1/3
    safe = where(near, m, 0)
    r = div(safe, add(safe, 2))
    r2 = square(r)
    terms = 18 if m.dtype == np.float64 else 8
    series = mul(mul(mul(r, r2), 2), polynomial(r2, [1 / (2 * k + 3) for k in range(terms)]))
    return where(near, sub(mul(safe, r), series), sub(m, log(ratio)))


def power_term(a, x):
    """``x^a exp(-x) / gamma(a + 1)`` for positive ``a`` and ``x``."""
    large = lt(LARGE, a)
    big = max(a, LARGE)
    exact = mul(exp(sub(neg(mul(big, log1p_gap(div(sub(x, big), big), div(x, big)))), stirling(big))), rsqrt(mul(big, 2 * math.pi)))
    small = where(large, 1, a)
    plain = exp(sub(sub(mul(small, log(x)), x), lgamma(add(small, 1))))
    return where(large, exact, plain)


# --- log gamma near 1 ---------------------------------------------------------------------------

@functools.cache
def _zetas_less_one(count: int) -> list[float]:
    """``zeta(k) - 1`` for k = 2, 3, ...: a sum up to 1/49^k, and the rest by Euler and Maclaurin (DLMF 2.10.1)."""
    n, found = 50, []
    for k in range(2, 2 + count):
        head = math.fsum([j ** -float(k) for j in range(2, n)])
        tail = n ** (1.0 - k) / (k - 1) + n ** -float(k) / 2 + k * n ** (-1.0 - k) / 12 - k * (k + 1) * (k + 2) * n ** (-3.0 - k) / 720
        found.append(head + tail)
    return found


def lgamma1p(a):
    """``lgamma(1 + a)`` for ``a`` from -1/2 to 1/2, with few relative errors (DLMF 5.7.3)."""
    series = [0.0, 1 - np.euler_gamma, *[(-1) ** k * z / k for k, z in enumerate(_zetas_less_one(26), 2)]]
    return sub(polynomial(a, series), log1p(a))
