"""Exponential, sine, cosine and Fresnel integrals, and the dilogarithm.

Each is summed by its power series near 0 and by a continued fraction, or an asymptotic series, far from it. Formulas are from the
NIST *Digital Library of Mathematical Functions* (DLMF).
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.numpy import util
from ferax._src.numpy.selection import where
from ferax._src.ops.elementwise import abs as absolute, cos, exp, floor, log, log1p, sign, sin, square
from ferax._src.ops.elementwise_complex import complex as as_complex, imag, real
from ferax._src.ops.elementwise_special import digamma, lgamma
from ferax._src.ops.gamma_pieces import bernoulli
from ferax._src.runtime.fused import fused
from ferax._src.scipy.elementwise import at_least_32_bits, elementwise, only_wide
from ferax._src.scipy.series import fraction, series

_GAMMA = float(np.euler_gamma)


def _is_wide(x) -> bool:
    return x.dtype == np.float64


# --- exponential integrals ----------------------------------------------------------------------

def _entire(x):
    """``sum_k x^k / (k! k)``, k from 1 on: DLMF 6.6.2."""
    return series(x, lambda k: x * (k / square(k + 1)))


def _e1_by_fraction(x, n=1):
    """``exp(x) E_n(x)`` for x of 1 and more: DLMF 8.19.17 in its contracted form."""
    return 1 / fraction(x + n, lambda k: (-k * (n - 1 + k), x + n + 2 * k))


def _e1(x):
    """E1 for positive x."""
    near = x < 1
    by_series = -_GAMMA - log(where(near, x, 1)) - _entire(where(near, -x, -0.5))
    far = where(near | (x == math.inf), 1, x)
    return where(near, by_series, where(x == math.inf, 0, _e1_by_fraction(far) * exp(-far)))


@at_least_32_bits
def _expi_value(x):
    """Ei. For large x by the asymptotic series exp(x)/x sum k!/x^k, DLMF 6.12.2, up to its least term."""
    border = 40.0 if _is_wide(x) else 18.0
    negative, large = x < 0, x > border
    small = where(negative | large | (x == 0), 1, x)
    by_series = _GAMMA + log(small) + _entire(small)
    inverse = 1 / where(large & (x < math.inf), x, border)
    total = term = 1 + 0 * inverse
    for k in range(1, int(border)):
        term = term * k * inverse
        total = total + term
    far = where(x == math.inf, math.inf, exp(x) * inverse * total)
    found = where(large, far, where(negative, -_e1(where(negative, -x, 1)), by_series))
    return where(x == 0, -math.inf, where(x != x, x, found))


@custom_jvp
def _expi(x):
    return _expi_value(x)


@_expi.defjvp
def _expi_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return _expi(x), t * exp(x) / x


@elementwise
def expi(x):
    """The exponential integral Ei: the principal value of the integral of ``exp(t)/t`` from minus infinity to ``x``.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats; minus infinity at 0

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    DLMF 6.2.5, 6.6.2, 6.12.2, 8.19.17. ``scipy.special.expi``

    Examples
    --------
    >>> print(jnp.round(expi(1.0), 4))
    1.8951
    """
    return _expi(x)


def _expn_series(n, x):
    """DLMF 8.19.8: ``(-x)^(n-1)/(n-1)! (psi(n) - log(x)) - sum_{k != n-1} (-x)^k / ((k - n + 1) k!)``, for x up to 1."""
    sign_of = where((n - 1) % 2 == 0, 1, -1)
    singular = sign_of * exp((n - 1) * log(x) - lgamma(n)) * (digamma(n) - log(x))
    total, power = 0 * x, 1 + 0 * x
    for k in range(22 if _is_wide(x) else 14):
        if k:
            power = power * (-x) / k
        gap = k - n + 1
        total = total + where(gap == 0, 0, power / where(gap == 0, 1, gap))
    return singular - total


def _expn_of_large_order(n, x):
    """DLMF 8.20.6, to the third order: for n above 5000."""
    s = x + n
    r = n / square(s)
    rest = r * (1 + r / n * (n - 2 * x) + r * r / (n * n) * (6 * x * x - 8 * n * x + n * n))
    return exp(-x) / s * (1 + rest)


@at_least_32_bits
def _expn_value(n, x):
    n, x = util.broadcast_all("expn", n, x)
    usual = (n >= 1) & (x > 0) & (x < math.inf)
    m, y = where(usual, n, 1), where(usual, x, 1)
    near, large = y <= 1, m > 5000
    by_series = _expn_series(where(large, 1, m), where(near, y, 1))
    z = where(near | large, 2, y)
    by_fraction = exp(-z) * _e1_by_fraction(z, where(large, 1, m))
    found = where(large, _expn_of_large_order(m, y), where(near, by_series, by_fraction))
    found = where(x == math.inf, 0, found)
    found = where(n == 0, exp(-x) / x, found)
    at_zero = where(n < 2, math.inf, 1 / where(n < 2, 1, n - 1))
    found = where((x == 0) & (n >= 0), at_zero, found)
    return where((n < 0) | (x < 0) | (x != x), math.nan, found)


@custom_jvp
def _expn(n, x):
    return _expn_value(n, x)


@_expn.defjvp
def _expn_jvp(primals, tangents):
    (n, x), (_, t) = primals, tangents          # E_n' = -E_(n-1), DLMF 8.19.13; the order is an integer
    last = n == 0                               # E_0 = exp(-x)/x
    slope = where(last, exp(-x) * (1 + x) / square(x), _expn(where(last, 1, n - 1), x))
    return _expn(n, x), -t * slope


@elementwise
def expn(n, x):
    """The generalised exponential integral ``E_n``: the integral of ``exp(-x t) / t^n`` from 1 to infinity.

    Parameters
    ----------
    n : array-like of integers, not negative; there is no derivative by it
    x : array-like of real numbers, not negative

    Returns
    -------
    Array of floats; NaN outside of the domain

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    DLMF 8.19.8, 8.19.17, 8.20.6. ``scipy.special.expn``

    Examples
    --------
    >>> print(jnp.round(expn(2, 1.0), 4))
    0.1485
    """
    return _expn(n, x)


@elementwise
def exp1(x):
    """The exponential integral ``E_1``: the integral of ``exp(-t)/t`` from ``x`` to infinity.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats; infinite at 0, NaN for negative numbers

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    DLMF 6.2.1. ``scipy.special.exp1``

    Examples
    --------
    >>> print(np.round(np.float64(exp1(1.0)), 4))
    0.2194
    """
    return _expn(util.as_array(util.const(x, 1)), x)


# --- sine and cosine integrals ------------------------------------------------------------------

@at_least_32_bits
def _sici_value(x):
    """By series for x up to 4, DLMF 6.6.5 and 6.6.6; beyond, ``Ci + i (Si - pi/2) = -E1(-ix)``, by its continued fraction."""
    size = absolute(x)
    near = size < 4
    s = where(near, size, 1)
    s2 = square(s)
    si = series(s, lambda k: -s2 * ((2 * k - 1) / ((2 * k) * square(2 * k + 1))))
    ci = series(-s2 / 4, lambda k: -s2 * (k / ((2 * k + 1) * 2 * square(k + 1)))) + _GAMMA + log(s)
    far = where(near | (size > 1e30), 4, size)
    z = as_complex(0 * far, far)                # E1(ix) = exp(-ix) / (ix + 1 - 1/(ix + 3 - ...))
    e1 = as_complex(cos(far), -sin(far)) * _e1_by_fraction(z)
    si = where(near, si, math.pi / 2 + imag(e1))
    ci = where(near, ci, -real(e1))
    si = where(size > 1e30, math.pi / 2, si)
    ci = where(size > 1e30, 0, ci)
    ci = where(x == 0, -math.inf, where(x == -math.inf, math.nan, ci))
    bad = x != x
    return where(bad, x, sign(x) * si), where(bad, x, ci)


@custom_jvp
def _sici(x):
    return _sici_value(x)


@_sici.defjvp
def _sici_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    zero = x == 0
    safe = where(zero, 1, x)
    return _sici(x), (t * where(zero, 1, sin(safe) / safe), t * cos(x) / x)


@elementwise
def sici(x):
    """Sine and cosine integrals: of ``sin(t)/t`` from 0 to ``x``, and of ``cos(t)/t`` from infinity to ``abs(x)``.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    (si, ci) : arrays of floats

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    DLMF 6.2.9, 6.2.11, 6.5, 6.6. ``scipy.special.sici``

    Examples
    --------
    >>> si, ci = sici(1.0)
    >>> print(jnp.round(si, 4), jnp.round(ci, 4))
    0.9461 0.3374
    """
    return _sici(x)


# --- Fresnel integrals --------------------------------------------------------------------------

@at_least_32_bits
def _fresnel_value(x):
    """By series for x up to 1.5, DLMF 7.6.4 and 7.6.6; beyond by f and g, of which ``g + i f`` is half of (1+i) times w at
    ``(1 + i) sqrt(pi)/2 x``: its continued fraction of erfc, 7.9.3, after 7.5.3 to 7.5.10."""
    size = absolute(x)
    near = size < 1.5
    s = where(near, size, 1)
    q = square(square(s)) * (math.pi / 2) ** 2
    c = series(s, lambda k: -q * ((4 * k - 3) / ((4 * k + 1) * 2 * k * (2 * k - 1))))
    si = series(s * square(s) * (math.pi / 6), lambda k: -q * ((4 * k - 1) / ((4 * k + 3) * 2 * k * (2 * k + 1))))
    far = where(near | (size > 1e15), 1.5, size)
    u = as_complex(far, -far) * (math.sqrt(math.pi) / 2)            # C + iS = (1+i)/2 (1 - exp(-u^2) h), h = exp(u^2) erfc(u)
    h = 1 / (math.sqrt(math.pi) * fraction(u, lambda k: (k / 2, u)))
    whole = square(far)
    turned = whole - 4 * floor(whole / 4)       # exp(i pi/2 x^2) has period 4 in x^2
    wave = as_complex(cos(turned * (math.pi / 2)), sin(turned * (math.pi / 2)))
    both = np.asarray(0.5 + 0.5j, u.dtype) * (1 - wave * h)
    c, si = where(near, c, real(both)), where(near, si, imag(both))
    c, si = where(size > 1e15, 0.5, c), where(size > 1e15, 0.5, si)
    bad = x != x
    return where(bad, x, sign(x) * si), where(bad, x, sign(x) * c)


@custom_jvp
def _fresnel(x):
    return _fresnel_value(x)


@_fresnel.defjvp
def _fresnel_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    angle = square(x) * (math.pi / 2)
    return _fresnel(x), (t * sin(angle), t * cos(angle))


@elementwise
def fresnel(x):
    """Fresnel integrals: of ``sin(pi t^2/2)`` and ``cos(pi t^2/2)`` from 0 to ``x``.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    (S, C) : arrays of floats

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    DLMF 7.2.7, 7.2.8, 7.6.4, 7.6.6, 7.9.3. ``scipy.special.fresnel``

    Examples
    --------
    >>> s, c = fresnel(1.0)
    >>> print(np.round(np.float64(s), 4), np.round(np.float64(c), 4))
    0.4383 0.7799
    """
    return _fresnel(x)


# --- the dilogarithm ----------------------------------------------------------------------------

def _dilogarithm_near_zero(x):
    """``Li2(x)`` for x from -1 to 1/2: with u = -log(1 - x), ``sum_k B[k] u^(k+1) / (k+1)!``; Lewin, *Polylogarithms* (1981), 1.3."""
    u = -log1p(-x)
    b = bernoulli(26)
    u2, total = square(u), 0 * u
    for k in range(24 if _is_wide(x) else 12, 0, -2):
        total = (total + float(b[k] / math.factorial(k + 1))) * u2
    return u * (1 + total) - u2 / 4


@custom_jvp
def _spence(x):
    """``Li2(1 - x)``, brought to arguments from -1 to 1/2 by DLMF 25.12.4 and 25.12.6."""
    above, small = x > 2, x < 0.5
    positive = where(x > 0, x, 1)
    large = where(above & (x < math.inf), x, 3)
    y = where(above, 1 / (1 - large), where(small, where(x < 0, 0, x), 1 - x))
    found = _dilogarithm_near_zero(y)
    of_large = -math.pi ** 2 / 6 - 0.5 * square(log(large - 1)) - found
    of_small = math.pi ** 2 / 6 - log(positive) * log1p(-where(small, positive, 0)) - found
    found = where(above, of_large, where(small, where(x == 0, math.pi ** 2 / 6, of_small), found))
    return where(x < 0, math.nan, where(x == math.inf, -math.inf, where(x != x, x, found)))


@_spence.defjvp
def _spence_jvp(primals, tangents):
    (x,), (t,) = primals, tangents              # log(x) / (1 - x), which is -1 at 1
    gap = x - 1
    near = absolute(gap) < 1e-3
    safe = where(near, 1, gap)
    slope = where(near, -1 + gap * (1 / 2 - gap * (1 / 3 - gap * (1 / 4 - gap / 5))), -log(x) / safe)
    return _spence(x), t * slope


_spence_program = fused(lambda x: _spence(x))


def spence(x):
    """Spence's function, ``Li2(1 - x)``: the integral of ``log(t)/(1 - t)`` from 1 to ``x``.

    Parameters
    ----------
    x : array-like of float32 or float64

    Returns
    -------
    Array of that dtype; NaN for negative numbers

    Raises
    ------
    TypeError : for other dtypes.

    References
    ----------
    DLMF 25.12. ``scipy.special.spence``

    Examples
    --------
    >>> print(jnp.round(spence(jnp.array([0.0, 1.0, 2.0])), 4))
    [ 1.6449  0.     -0.8225]
    """
    return _spence_program(only_wide("spence", x))
