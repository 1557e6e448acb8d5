"""Error functions, the Faddeeva function, and the normal distribution.

``w(z) = exp(-z^2) erfc(-iz)`` is computed in the upper half plane as Weideman, *Computation of the complex error function* (1994),
does: a power series in ``Z = (L + iz) / (L - iz)``,

    w(z) = 2/(L - iz)^2 sum_n a[n] Z^n + 1/(sqrt(pi) (L - iz))

whose coefficients are those of Fourier of ``exp(-t^2) (L^2 + t^2)``, ``t = L tan(theta/2)``. On the imaginary axis it is real: `erfcx`.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.numpy import util
from ferax._src.numpy.selection import where
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import abs as absolute, exp, log, log1p, sign, sqrt, square
from ferax._src.ops.elementwise_complex import complex as as_complex, imag, real
from ferax._src.ops.elementwise_special import erf as ops_erf, erf_inv, erfc as ops_erfc
from ferax._src.scipy.elementwise import at_least_32_bits, elementwise, only_wide
from ferax._src.runtime.fused import fused

_ROOT_PI = math.sqrt(math.pi)


@elementwise(complexes=True)
def erf(x):
    """The error function.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats: ``2/sqrt(pi)`` times the integral of ``exp(-t^2)`` from 0 to ``x``

    References
    ----------
    DLMF 7.2.1. ``scipy.special.erf``

    Examples
    --------
    >>> print(jnp.round(erf(0.5), 4))
    0.5205
    """
    return ops_erf(x)


@elementwise(complexes=True)
def erfc(x):
    """The complementary error function ``1 - erf(x)``, exact also where that is small.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 7.2.2. ``scipy.special.erfc``

    Examples
    --------
    >>> print(jnp.round(erfc(0.5), 4))
    0.4795
    """
    return ops_erfc(x)


@elementwise(complexes=True)
def erfinv(x):
    """The inverse of the error function.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats; infinite at -1 and 1, NaN beyond

    References
    ----------
    ``scipy.special.erfinv``

    Examples
    --------
    >>> print(jnp.round(erfinv(0.5205), 4))
    0.5
    """
    return erf_inv(x)


# --- the Faddeeva function ----------------------------------------------------------------------

@functools.cache
def _weideman(n: int) -> tuple[float, list[float]]:
    """``L`` and the coefficients a[0] ... a[n-1]."""
    scale = math.sqrt(n / math.sqrt(2))
    half = 2 * n
    theta = np.arange(-half + 1, half) * np.pi / half
    t = scale * np.tan(theta / 2)
    f = np.exp(-t * t) * (scale * scale + t * t)
    return scale, [math.fsum(f * np.cos(k * theta)) / (2 * half) for k in range(1, n + 1)]


def _terms(x) -> int:
    return 48 if x.dtype in (np.float64, np.complex128) else 20


def _by_weideman(turned):
    """``w(z)`` from ``turned = -iz`` with a positive real part: a real number for a real one."""
    scale, a = _weideman(_terms(turned))
    below = scale + turned
    z = (scale - turned) / below
    total = a[-1]
    for c in a[-2::-1]:
        total = total * z + c
    return 2 * total / (below * below) + (1 / _ROOT_PI) / below


_FAR = 1e6          # where w(z) is i/(sqrt(pi) z) (1 + 1/(2 z^2)) to all digits


@at_least_32_bits
def _faddeeva(z):
    lower = imag(z) < 0
    upper = where(lower, -z, z)
    far = absolute(upper) > _FAR
    near = where(far, 1, upper)
    found = _by_weideman(as_complex(imag(near), -real(near)))
    on_axis = as_complex(exp(-square(real(near))), imag(found))     # the real part to all digits
    found = where(imag(near) == 0, on_axis, found)
    safe = where(far, upper, _FAR)
    found = where(far, np.asarray(1j / _ROOT_PI, z.dtype) / safe, found)
    mirrored = 2 * exp(-square(where(lower, z, 0))) - found
    return where(lower, mirrored, found)


@custom_jvp
def _wofz(z):
    return _faddeeva(z)


@_wofz.defjvp
def _wofz_jvp(primals, tangents):
    (z,), (t,) = primals, tangents
    w = _wofz(z)                                # DLMF 7.10.2: w' = 2i/sqrt(pi) - 2 z w
    return w, t * (np.asarray(2j / _ROOT_PI, z.dtype) - 2 * z * w)


def wofz(z):
    """The Faddeeva function, ``exp(-z^2) erfc(-i z)``.

    Parameters
    ----------
    z : array-like

    Returns
    -------
    Array of complex numbers

    References
    ----------
    DLMF 7.2.3. Weideman (1994). ``scipy.special.wofz``

    Examples
    --------
    >>> print(jnp.round(wofz(1j), 4))
    (0.4276+0j)
    """
    util.check_arraylike("wofz", z)
    return _wofz_program(util.operand(z))


@fused
def _wofz_program(z):
    return _wofz(util.as_array(*util.promote_args_complex("wofz", z)))


@at_least_32_bits
def _erfcx_value(x):
    size = absolute(x)
    far = size > _FAR
    found = where(far, (1 / _ROOT_PI) / where(far, size, _FAR), _by_weideman(where(far, 1, size)))
    return where(x < 0, 2 * exp(square(where(x < 0, x, 0))) - found, found)


@custom_jvp
def _erfcx(x):
    return _erfcx_value(x)


@_erfcx.defjvp
def _erfcx_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    found = _erfcx(x)
    return found, t * (2 * x * found - 2 / _ROOT_PI)


@elementwise(complexes=True)
def erfcx(x):
    """The scaled complementary error function, ``exp(x^2) erfc(x)``.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    Array of the inexact dtype of ``x``

    References
    ----------
    Weideman (1994). ``scipy.special.erfcx``

    Examples
    --------
    >>> print(jnp.round(erfcx(jnp.array([0.0, 10.0])), 4))
    [1.     0.0561]
    """
    if util.dtype_kind(x) == "c":
        return _wofz(as_complex(-imag(x), real(x)))
    return _erfcx(convert(x, x.dtype))


@at_least_32_bits
def _dawsn_value(x):
    """By its series near 0, ``exp(-x^2) sum x^(2k+1) / (k! (2k+1))``, else as the imaginary part of w: DLMF 7.5.1, 7.6.1."""
    size = absolute(x)
    near, far = size < 2, size > _FAR
    s = where(near, size, 0)
    total, power, factor = s, square(s), s
    for k in range(1, 32 if x.dtype == np.float64 else 20):
        factor = factor * power / k
        total = total + factor / (2 * k + 1)
    series = exp(-power) * total
    middle = where(near | far, 2, size)
    found = imag(_by_weideman(as_complex(middle * 0, -middle))) * (_ROOT_PI / 2)
    found = where(far, 0.5 / where(far, size, 1), where(near, series, found))
    return sign(x) * found


@custom_jvp
def _dawsn(x):
    return _dawsn_value(x)


@_dawsn.defjvp
def _dawsn_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    found = _dawsn(x)
    return found, t * (1 - 2 * x * found)       # DLMF 7.10.3


@elementwise
def dawsn(x):
    """Dawson's integral: ``exp(-x^2)`` times the integral of ``exp(t^2)`` from 0 to ``x``.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    DLMF 7.2.5. ``scipy.special.dawsn``

    Examples
    --------
    >>> print(jnp.round(dawsn(1.0), 4))
    0.5381
    """
    return _dawsn(convert(x, x.dtype))


# --- the normal distribution --------------------------------------------------------------------

@fused
def _ndtr(x):
    return 0.5 * ops_erfc(x * -math.sqrt(0.5))


def ndtr(x):
    """The distribution function of the standard normal distribution.

    Parameters
    ----------
    x : array-like of float32 or float64

    Returns
    -------
    Array of that dtype

    Raises
    ------
    TypeError : for other dtypes.

    References
    ----------
    ``scipy.special.ndtr``

    Examples
    --------
    >>> print(np.round(np.float64(ndtr(jnp.array([-1.0, 0.0, 1.0]))), 4))
    [0.1587 0.5    0.8413]
    """
    return _ndtr(only_wide("ndtr", x))


def _log_ndtr_value(x):
    """``log(erfcx(-x/sqrt(2))/2) - x^2/2`` on the left, which does not underflow; ``log1p(-ndtr(-x))`` on the right."""
    left = x < 1
    u = where(left, x, 0)
    small = 0.5 * ops_erfc(where(left, 1, x) * math.sqrt(0.5))
    return where(left, log(0.5 * _erfcx(u * -math.sqrt(0.5))) - 0.5 * square(u), log1p(-small))


def _inverse_mills(x, log_p):
    """``(log ndtr)'``: the density over the distribution function, on the left as ``sqrt(2/pi) / erfcx(-x/sqrt(2))``."""
    left = x < 1
    u = where(left, x, 0)
    v = where(left, 1, x)
    right = exp(-0.5 * square(v) - log_p) * (1 / math.sqrt(2 * math.pi))
    return where(left, math.sqrt(2 / math.pi) / _erfcx(u * -math.sqrt(0.5)), right)


@custom_jvp
def _log_ndtr(x):
    return _log_ndtr_value(x)


@_log_ndtr.defjvp
def _log_ndtr_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    found = _log_ndtr(x)
    return found, t * _inverse_mills(x, found)


_log_ndtr_program = fused(lambda x: _log_ndtr(x))


def log_ndtr(x, series_order=3):
    """Logarithm of `ndtr`, exact also far to the left.

    Parameters
    ----------
    x : array-like of float32 or float64
    series_order : int from 0 to 30; it is checked but has no effect, for no asymptotic series is used

    Returns
    -------
    Array of that dtype

    Raises
    ------
    TypeError : for other dtypes, or if ``series_order`` is not an int.
    ValueError : if ``series_order`` is out of range.

    References
    ----------
    ``scipy.special.log_ndtr``

    Examples
    --------
    >>> print(np.round(np.float64(log_ndtr(jnp.array([-20.0, 0.0]))), 4))
    [-203.9172   -0.6931]
    """
    if not isinstance(series_order, int):
        raise TypeError(f"log_ndtr: series_order must be a Python integer, got {series_order!r}")
    if not 0 <= series_order <= 30:
        raise ValueError(f"log_ndtr: series_order must be non-negative and <= 30, got {series_order}")
    return _log_ndtr_program(only_wide("log_ndtr", x))


def _ndtri_value(p):
    """By the inverse of erf in the middle. In the tails by the estimate 26.2.23 of Abramowitz and Stegun, *Handbook of Mathematical
    Functions*, and steps of Halley's method for ``log_ndtr(x) = log(p)``, a concave function of x."""
    tail = where(p > 0.5, 1 - p, p)
    inside = (tail > 0) & (tail < 0.125)
    log_p = log(where(inside, tail, 0.1))
    t = sqrt(-2 * log_p)
    x = -(t - (2.515517 + t * (0.802853 + 0.010328 * t)) / (1 + t * (1.432788 + t * (0.189269 + 0.001308 * t))))
    for _ in range(3 if p.dtype == np.float64 else 2):
        found = _log_ndtr_value(x)
        step, slope = found - log_p, _inverse_mills(x, found)
        x = x - 2 * step / (2 * slope + step * (slope + x))         # the second derivative is -slope (slope + x)
    x = where(p > 0.5, -x, x)
    middle = erf_inv(2 * where(inside, 0.5, p) - 1) * math.sqrt(2)  # infinite at 0 and 1, NaN beyond
    return where(inside, x, middle)


@custom_jvp
def _ndtri(p):
    return _ndtri_value(p)


@_ndtri.defjvp
def _ndtri_jvp(primals, tangents):
    (p,), (t,) = primals, tangents
    x = _ndtri(p)
    return x, t * math.sqrt(2 * math.pi) * exp(0.5 * square(x))


_ndtri_program = fused(lambda p: _ndtri(p))


def ndtri(p):
    """The inverse of `ndtr`: quantiles of the standard normal distribution.

    Parameters
    ----------
    p : array-like of float32 or float64

    Returns
    -------
    Array of that dtype; infinite at 0 and 1, NaN beyond

    Raises
    ------
    TypeError : for other dtypes.

    References
    ----------
    ``scipy.special.ndtri``

    Examples
    --------
    >>> print(np.round(np.float64(ndtri(jnp.array([0.1, 0.5, 0.975]))), 4))
    [-1.2816  0.      1.96  ]
    """
    return _ndtri_program(only_wide("ndtri", p))
