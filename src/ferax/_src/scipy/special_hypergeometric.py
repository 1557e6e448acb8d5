"""Hypergeometric functions of Kummer and Gauss, of real arguments. Formulas are from the NIST *Digital Library of Mathematical
Functions* (DLMF). Derivatives by the parameters are those of the terms of the series."""

from __future__ import annotations

import math

import numpy as np

from ferax._src.control.custom_common import SymbolicZero
from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.control.while_loop import while_loop
from ferax._src.numpy import util
from ferax._src.numpy.reductions import any as any_of
from ferax._src.numpy.rounding import round as nearest
from ferax._src.numpy.selection import where
from ferax._src.ops.elementwise import abs as absolute, exp, floor, log, log1p
from ferax._src.ops.elementwise_special import lgamma
from ferax._src.scipy.elementwise import at_least_32_bits, elementwise
from ferax._src.scipy.series import rounding
from ferax._src.scipy.special_gamma import _sign as sign_of_gamma

_LIMIT = 200000         # of terms


def _sums(least, ratio, slopes=None):
    """The sum of a series with first term 1, and of the derivatives of its terms.

    Parameters
    ----------
    least : array, before which number of terms there is no end, for they may still grow
    ratio : function of k, a scalar, that answers the term k + 1 over the term k
    slopes : function of k and the ratio that answers a list of the ratio's derivatives
    """
    one = 0 * least + 1
    eps = rounding(one)
    zeros = [0 * one for _ in (slopes(one, one) if slopes else [])]

    def goes_on(state):
        k, terms, totals = state
        moves = [absolute(t) > eps * absolute(s) for t, s in zip(terms, totals)]
        moves = [any_of(m) for m in (*moves, k < least)]
        active = moves[0]
        for m in moves[1:]:
            active = active | m
        return active & (k < _LIMIT)

    def step(state):
        k, (term, *derived), totals = state
        r = ratio(k)
        changes = slopes(k, r) if slopes else []
        terms = [term * r, *[d * r + term * c for d, c in zip(derived, changes)]]
        return k + 1, terms, [s + t for s, t in zip(totals, terms)]
    start = np.asarray(0, one.dtype), [one, *zeros], [one, *zeros]
    return while_loop(goes_on, step, start)[2]


def _is_pole(a):
    """Whether gamma has a pole: where series end."""
    return (a <= 0) & (a == floor(a))


# --- Kummer's function --------------------------------------------------------------------------

def _kummer(a, b, x, slopes: bool = False):
    """``sum (a)_k/(b)_k x^k/k!``, DLMF 13.2.2; and its derivatives by a and b."""
    def ratio(k):
        return (a + k) / (b + k) * (x / (k + 1))

    def changes(k, r):
        return [x / ((b + k) * (k + 1)), -r / (b + k)]
    return _sums(absolute(x), ratio, changes if slopes else None)


def _kummer_far(a, b, x):
    """For large x and ``a`` that is no pole: DLMF 13.7.1, its least term being among the first."""
    inverse = 1 / x
    total = term = 1 + 0 * x
    for s in range(24):
        grown = (1 - a + s) * (b - a + s) / (s + 1) * inverse
        term = where(absolute(grown) < 1, term * grown, 0)
        total = total + term
    front = (a - b) * log(x) + lgamma(b) - lgamma(a)
    return total, front, sign_of_gamma(a) * sign_of_gamma(b)


def _turned(a, b, x):
    """Kummer's transformation for negative x, DLMF 13.2.39, where it keeps signs from alternating."""
    turn = (x < 0) & ~_is_pole(a)
    return turn, where(turn, b - a, a), where(turn, -x, x)


@at_least_32_bits
def _hyp1f1_value(a, b, x):
    a, b, x = util.broadcast_all("hyp1f1", a, b, x)
    turn, p, y = _turned(a, b, x)
    far = (y > (400 if x.dtype == np.float64 else 60)) & ~_is_pole(p)
    special = (a == b) | (b == 0)
    near = where(far | special, 1, y)
    by_series = _kummer(where(special, 1, p), where(special, 1, b), near)[0] * exp(where(turn, -near, 0))
    total, front, sign = _kummer_far(where(far, p, 1), where(far, b, 1), where(far, y, 400))
    by_powers = sign * total * exp(front + where(turn, 0, where(far, y, 0)))
    found = where(far, by_powers, by_series)
    found = where(a == b, exp(x), where(b == 0, math.inf, found))
    return where(a == 0, 1, found)


@at_least_32_bits
def _hyp1f1_by_parameters(a, b, x):
    a, b, x = util.broadcast_all("hyp1f1", a, b, x)
    turn, p, y = _turned(a, b, x)
    _, by_p, by_b = _kummer(p, b, y, slopes=True)
    front = exp(where(turn, x, 0))
    return front * where(turn, -by_p, by_p), front * where(turn, by_p + by_b, by_b)


@custom_jvp
def _hyp1f1(a, b, x):
    return _hyp1f1_value(a, b, x)


def _tangent(t, slope):
    """A part of a tangent; nothing for a number that does not vary."""
    return 0 if t is None else t * slope


def _hyp1f1_jvp(primals, tangents):
    a, b, x = primals
    da, db, dx = [None if isinstance(t, SymbolicZero) else t for t in tangents]
    found = _hyp1f1(a, b, x)
    total = _tangent(dx, 0 if dx is None else a / b * _hyp1f1(a + 1, b + 1, x))
    if da is not None or db is not None:
        by_a, by_b = _hyp1f1_by_parameters(a, b, x)
        total = total + _tangent(da, by_a) + _tangent(db, by_b)
    return found, total + 0 * found


_hyp1f1.defjvp(_hyp1f1_jvp, symbolic_zeros=True)


@elementwise
def hyp1f1(a, b, x):
    """Kummer's confluent hypergeometric function ``1F1(a; b; x)``.

    Parameters
    ----------
    a, b, x : array-likes of real numbers

    Returns
    -------
    Array of floats; infinite for ``b`` of 0

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    DLMF 13.2.2, 13.2.39, 13.7.1. ``scipy.special.hyp1f1``

    Examples
    --------
    >>> print(jnp.round(hyp1f1(1.0, 2.0, 1.0), 4))       # e - 1
    1.7183
    """
    return _hyp1f1(a, b, x)


# --- Gauss's function ---------------------------------------------------------------------------

def _gauss(a, b, c, x, slopes: bool = False):
    """``sum (a)_k (b)_k/(c)_k x^k/k!``, DLMF 15.2.1; and its derivatives by a, b and c."""
    def ratio(k):
        return (a + k) * (b + k) / ((c + k) * (k + 1)) * x

    def changes(k, r):
        common = x / ((c + k) * (k + 1))
        return [(b + k) * common, (a + k) * common, -r / (c + k)]
    grows = absolute(a) + absolute(b)
    return _sums(where(grows > 1000, 1000, grows), ratio, changes if slopes else None)


def _gamma_ratio(above, below):
    """The product of gammas over a product of gammas, 0 at the poles of those below."""
    sign, exponent, zero = 1, 0, False
    for p in above:
        sign, exponent = sign * sign_of_gamma(p), exponent + lgamma(p)
    for p in below:
        pole = _is_pole(p)
        p = where(pole, 1, p)
        sign, exponent, zero = sign * sign_of_gamma(p), exponent - lgamma(p), zero | pole
    return where(zero, 0, sign * exp(exponent))


@at_least_32_bits
def _hyp2f1_value(a, b, c, x):
    """Negative x by Pfaff's transformation, DLMF 15.8.1; x near 1 from 1 - x, 15.8.4, unless c - a - b is near an integer; else by
    the series, of ``(1-x)^(c-a-b) F(c-a, c-b; c; x)`` where that ends or converges better, 15.8.1 again."""
    a, b, c, x = util.broadcast_all("hyp2f1", a, b, c, x)
    one = 0 * x + 1
    ends = _is_pole(a) | _is_pole(b)
    flat = (x == 0) | (((a == 0) | (b == 0)) & (c != 0))
    gap = c - a - b
    regular = (ends | (x < 1)) & ~flat & ~_is_pole(c)
    y = where(regular, x, 0.25)
    pfaff = (y < 0) & ~ends
    log_rest = log1p(-where(y < 1, y, 0))
    z = where(pfaff, y / (y - 1), y)
    q = where(pfaff, c - b, b)
    d = c - a - q
    close = (z > 0.9) & (absolute(d - nearest(d)) > 0.01) & ~ends & ~_is_pole(q)
    euler = ~close & ~ends & (d < 0)
    p, r = where(euler, c - a, a), where(euler, c - q, q)
    by_series = _gauss(where(close, one, p), where(close, one, r), where(regular, c, one), where(close, 0.1, z))[0]
    log_z = where(pfaff, -log_rest, log_rest)       # log(1 - z)
    by_series = by_series * exp(where(euler, d * log_z, 0))
    w, e = where(close, 1 - z, 0.05), where(close, d, 0.5)
    a1, q1, c1 = [where(close, v, u) for v, u in ((a, 0.25), (q, 0.25), (c, 1.0))]
    first = _gamma_ratio((c1, e), (c1 - a1, c1 - q1)) * _gauss(a1, q1, 1 - e, w)[0]
    second = _gamma_ratio((c1, -e), (a1, q1)) * exp(e * log(w)) * _gauss(c1 - a1, c1 - q1, 1 + e, w)[0]
    found = where(close, first + second, by_series) * exp(where(pfaff, -a * log_rest, 0))
    at_one = where(gap > 0, _gamma_ratio((c, where(gap > 0, gap, 1)), (c - a, c - b)), math.inf)
    found = where((x == 1) & ~ends, at_one, where((x > 1) & ~ends, math.inf, found))
    found = where(_is_pole(c), math.inf, found)
    return where(flat, 1, where(x != x, math.nan, found))


@at_least_32_bits
def _hyp2f1_by_parameters(a, b, c, x):
    a, b, c, x = util.broadcast_all("hyp2f1", a, b, c, x)
    pfaff = x < 0
    log_rest = log1p(-where(pfaff, x, 0))
    z, q = where(pfaff, x / (x - 1), x), where(pfaff, c - b, b)
    value, by_a, by_q, by_c = _gauss(a, q, c, z, slopes=True)
    front = exp(-a * log_rest)
    return front * (by_a - log_rest * value), front * where(pfaff, -by_q, by_q), front * where(pfaff, by_c + by_q, by_c)


@custom_jvp
def _hyp2f1(a, b, c, x):
    return _hyp2f1_value(a, b, c, x)


def _hyp2f1_jvp(primals, tangents):
    a, b, c, x = primals
    *by, dx = [None if isinstance(t, SymbolicZero) else t for t in tangents]
    found = _hyp2f1(a, b, c, x)
    total = _tangent(dx, 0 if dx is None else a * b / c * _hyp2f1(a + 1, b + 1, c + 1, x))
    if any(t is not None for t in by):
        for t, slope in zip(by, _hyp2f1_by_parameters(a, b, c, x)):
            total = total + _tangent(t, slope)
    return found, total + 0 * found


_hyp2f1.defjvp(_hyp2f1_jvp, symbolic_zeros=True)


@elementwise
def hyp2f1(a, b, c, x):
    """Gauss's hypergeometric function ``2F1(a, b; c; x)``.

    Parameters
    ----------
    a, b, c, x : array-likes of real numbers

    Returns
    -------
    Array of floats; infinite for ``x`` above 1, unless the series ends, and for ``c`` of 0 or a negative integer

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    DLMF 15.2.1, 15.4.20, 15.8.1, 15.8.4. ``scipy.special.hyp2f1``

    Examples
    --------
    >>> print(jnp.round(hyp2f1(1.0, 1.0, 2.0, 0.5), 4))  # 2 log(2)
    1.3863
    """
    return _hyp2f1(a, b, c, x)
