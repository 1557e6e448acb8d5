"""The gamma function and its kin. Formulas are from the NIST *Digital Library of Mathematical Functions* (DLMF)."""

from __future__ import annotations

import functools
import math

import numpy as np

from ferax._src.api.autodiff import jvp
from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.numpy import util
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.floating import signbit
from ferax._src.numpy.selection import where
from ferax._src.ops import elementwise_gamma
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import exp, floor, log, log1p
from ferax._src.ops.elementwise import max as maximum, min as minimum
from ferax._src.ops.elementwise_beta import betainc as ops_betainc
from ferax._src.ops.elementwise_complex import complex as as_complex, conj, imag, real
from ferax._src.ops.elementwise_special import digamma as ops_digamma, lgamma, polygamma as ops_polygamma, zeta as ops_zeta
from ferax._src.ops.gamma_pieces import LARGE, bernoulli as bernoulli_numbers, stirling
from ferax._src.ops.static import as_static_int
from ferax._src.scipy.elementwise import at_least_32_bits, elementwise
from ferax._src.types import dtypes


@elementwise(complexes=True)
def gammaln(x):
    """Logarithm of the absolute value of the gamma function.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats; infinite at 0 and the negative integers

    References
    ----------
    DLMF 5.2. ``scipy.special.gammaln``

    Examples
    --------
    >>> print(np.round(np.float64(gammaln(5.0)), 3))        # log(24)
    3.178
    """
    return lgamma(x)


def _sign(x):
    x = util.as_array(x)                        # in rules of derivatives, an operand may be a number
    whole = floor(x)
    negative = x < 0
    minus = (negative & (whole % 2 != 0)) | ((x == 0) & signbit(x))
    sign = where(minus, np.asarray(-1, x.dtype), np.asarray(1, x.dtype))
    return where((negative & (x == whole)) | (x != x), np.asarray(np.nan, x.dtype), sign)


@elementwise
def gammasgn(x):
    """Sign of the gamma function.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats: 1 or -1, -1 for -0.0 also; NaN at the negative integers

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    ``scipy.special.gammasgn``

    Examples
    --------
    >>> gammasgn(jnp.array([0.5, -0.5, -1.5, -2.0]))
    Array([ 1., -1.,  1., nan], dtype=float32)
    """
    return _sign(x)


# --- complex arguments --------------------------------------------------------------------------
# To the right of 1/2 by Stirling's formula at z + 10, and gamma's recurrence back to z (DLMF 5.11.1, 5.5.1). To the left of it by
# reflection (5.5.3), where in the upper half plane log(sin(pi z)) = log(i/2) - i pi z + log1p(-exp(2 pi i z)) is without jumps; the
# lower half plane is its mirror image.

_SHIFT = 10


def _right_loggamma(z):
    w = z + _SHIFT
    logs = [log(z + k) for k in range(_SHIFT)]
    return (w - 0.5) * log(w) - w + 0.5 * math.log(2 * math.pi) + stirling(w) - functools.reduce(lambda a, b: a + b, logs)


def _complex_loggamma(z):
    below = signbit(imag(z))
    pole = (imag(z) == 0) & (real(z) <= 0) & (real(z) == floor(real(z)))
    bad = pole | (z != z)
    upper = where(bad, 1, where(below, conj(z), z))
    left = real(upper) < 0.5
    right = _right_loggamma(where(left, 1 - upper, upper))
    mirrored = where(left, upper, 0.25)
    turned = as_complex(-imag(mirrored), real(mirrored))            # i z
    log_sine = -math.pi * turned + log1p(-exp(2 * math.pi * turned)) + np.asarray(complex(-math.log(2), math.pi / 2), z.dtype)
    found = where(left, math.log(math.pi) - log_sine - right, right)
    found = where(below, conj(found), found)
    return where(bad, np.asarray(complex(math.nan, math.nan), z.dtype), found)


@elementwise(complexes=True)
def loggamma(x):
    """Principal branch of the logarithm of the gamma function, with its cut along the negative real axis.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    Array of floats, NaN for ``x`` not positive; or complex, for complex ``x``

    References
    ----------
    DLMF 5.2, 5.5, 5.11. ``scipy.special.loggamma``

    Examples
    --------
    >>> print(np.round(np.float64(loggamma(5.0)), 3))
    3.178
    """
    if util.dtype_kind(x) == "c":
        return _complex_loggamma(x)
    return where(x > 0, lgamma(x), util.const(x, math.nan))


def _gamma(x):
    return _sign(x) * exp(lgamma(x))


@elementwise(complexes=True)
def gamma(x):
    """The gamma function.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    Array of the inexact dtype of ``x``; NaN at the negative integers, infinite at 0

    References
    ----------
    DLMF 5.2. ``scipy.special.gamma``

    Examples
    --------
    >>> print(np.round(np.float64(gamma(5.0)), 3))
    24.0
    """
    return exp(_complex_loggamma(x)) if util.dtype_kind(x) == "c" else _gamma(x)


@elementwise
def _factorial(n):
    return where(n < 0, 0, exp(lgamma(n + 1)))


def factorial(n, exact=False):
    """``n! = gamma(n + 1)``, and 0 for negative ``n``.

    Parameters
    ----------
    n : array-like of real numbers
    exact : must be False: exact integers do not fit in an array

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 5.4.1. ``scipy.special.factorial``

    Examples
    --------
    >>> print(jnp.round(factorial(jnp.array([0, 3, 5])), 2))
    [  1.   6. 120.]
    """
    if exact:
        raise NotImplementedError("factorial with exact=True: arrays hold no integers of any size; math.factorial does it for one")
    return _factorial(n)


def _binomial(n, k):
    valid = (k <= n) & (n >= 0) & (k >= 0)
    n, k = where(valid, n, 0.0), where(valid, k, 0.0)
    return where(valid, exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n + 1 - k)), 0.0)


_comb = elementwise(_binomial)


@elementwise
def _comb_with_repetition(n, k):
    return where((k == 0) & (n >= 0), 1.0, _binomial(n + k - 1, k))


def comb(N, k, *, repetition=False):  # noqa: N803 (SciPy's name)
    """Number of ways to choose ``k`` of ``N`` things.

    Parameters
    ----------
    N, k : array-likes of real numbers
    repetition : whether a thing may be chosen again

    Returns
    -------
    Array of floats: ``N! / (k! (N - k)!)``; 0 where ``k > N`` or one of them is negative

    References
    ----------
    DLMF 1.2.1. ``scipy.special.comb``

    Examples
    --------
    >>> print(jnp.round(comb(5, 2), 2))
    10.0
    """
    return (_comb_with_repetition if repetition else _comb)(N, k)


# --- beta ---------------------------------------------------------------------------------------

@custom_jvp
@at_least_32_bits
def _betaln(a, b):
    """Of large arguments, Stirling's formula is used, whose large parts cancel on paper."""
    total, plain = a + b, lgamma(a) + lgamma(b) - lgamma(a + b)
    s, large = minimum(*util.broadcast_all("betaln", a, b)), maximum(*util.broadcast_all("betaln", a, b))
    is_large = (large >= LARGE) & (s > 0) & (large < math.inf)
    large, s = where(is_large, large, LARGE), where(is_large, s, 1)
    total = large + s
    ratio = stirling(large) - stirling(total) - (large - 0.5) * log1p(s / large)       # with s - s log(total): of large and total
    both = s >= LARGE
    t = where(both, s, LARGE)
    of_both = (t - 0.5) * log(t / total) - 0.5 * log(total) + 0.5 * math.log(2 * math.pi) + stirling(t)
    of_one = lgamma(s) + s - s * log(total)
    return where(is_large, ratio + where(both, of_both, of_one), plain)


@_betaln.defjvp
def _betaln_jvp(primals, tangents):
    (a, b), (da, db) = primals, tangents
    together = ops_digamma(a + b)
    return _betaln(a, b), da * (ops_digamma(a) - together) + db * (ops_digamma(b) - together)


@elementwise
def betaln(a, b):
    """Logarithm of the absolute value of the beta function.

    Parameters
    ----------
    a, b : array-likes of real numbers

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 5.12.1, 5.11.1. ``scipy.special.betaln``

    Examples
    --------
    >>> print(np.round(np.float64(betaln(2.0, 3.0)), 3))    # log(1/12)
    -2.485
    """
    return _betaln(a, b)


@elementwise
def beta(a, b):
    """The beta function, ``gamma(a) gamma(b) / gamma(a + b)``.

    Parameters
    ----------
    a, b : array-likes of real numbers

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 5.12.1. ``scipy.special.beta``

    Examples
    --------
    >>> print(np.round(np.float64(beta(2.0, 3.0)), 4))
    0.0833
    """
    return _sign(a) * _sign(b) * _sign(a + b) * exp(_betaln(a, b))


@elementwise
def betainc(a, b, x):
    """The regularised incomplete beta function.

    Parameters
    ----------
    a, b : array-likes of real numbers, not negative
    x : array-like of real numbers from 0 to 1

    Returns
    -------
    Array of floats: the integral of ``t^(a-1) (1-t)^(b-1)`` from 0 to ``x``, over that to 1. It can be differentiated by ``x``

    References
    ----------
    DLMF 8.17. ``scipy.special.betainc``

    Examples
    --------
    >>> print(jnp.round(betainc(2.0, 3.0, 0.5), 4))
    0.6875
    """
    return ops_betainc(*util.broadcast_all("betainc", a, b, x))


# --- incomplete gamma functions -----------------------------------------------------------------

@elementwise(complexes=True)
def gammainc(a, x):
    """The regularised lower incomplete gamma function.

    Parameters
    ----------
    a, x : array-likes of real numbers, not negative

    Returns
    -------
    Array of floats: the integral of ``t^(a-1) exp(-t)`` from 0 to ``x``, over that to infinity

    References
    ----------
    DLMF 8.2.4. ``scipy.special.gammainc``

    Examples
    --------
    >>> print(jnp.round(gammainc(2.0, 1.0), 4))
    0.2642
    """
    return elementwise_gamma.igamma(*util.broadcast_all("gammainc", a, x))


@elementwise(complexes=True)
def gammaincc(a, x):
    """The regularised upper incomplete gamma function, ``1 - gammainc(a, x)``.

    Parameters
    ----------
    a, x : array-likes of real numbers, not negative

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 8.2.4. ``scipy.special.gammaincc``

    Examples
    --------
    >>> print(np.round(np.float64(gammaincc(2.0, 1.0)), 4))
    0.7358
    """
    return elementwise_gamma.igammac(*util.broadcast_all("gammaincc", a, x))


# --- derivatives of log gamma -------------------------------------------------------------------

@elementwise(complexes=True)
def digamma(x):
    """The digamma function, the derivative of `gammaln`.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats; NaN at the negative integers

    References
    ----------
    DLMF 5.2.2. ``scipy.special.digamma``

    Examples
    --------
    >>> print(jnp.round(digamma(1.0), 4))
    -0.5772
    """
    return ops_digamma(x)


@elementwise
def _polygamma(n, x):
    return ops_polygamma(*util.broadcast_all("polygamma", n, x))


def polygamma(n, x):
    """The derivative of order ``n`` of `digamma`.

    Parameters
    ----------
    n : array-like of integers, not negative
    x : array-like of real numbers

    Returns
    -------
    Array of floats. It can be differentiated by ``x``

    Raises
    ------
    ValueError : if ``n`` is not of integer dtype, or ``x`` is complex.

    References
    ----------
    DLMF 5.15. ``scipy.special.polygamma``

    Examples
    --------
    >>> print(jnp.round(polygamma(1, 1.0), 4))   # pi^2/6
    1.6449
    """
    util.check_arraylike("polygamma", n, x)
    if util.dtype_kind(util.operand(n)) not in "iu":
        raise ValueError(f"Argument `n` to polygamma must be of integer type. Got dtype {util.aval_of(util.operand(n)).dtype}.")
    return _polygamma(n, x)


def _zeta_sum(s, a):
    """The sum by Euler and Maclaurin's formula, DLMF 2.10.1: it can be differentiated by both arguments."""
    n = 16 if s.dtype == np.float64 else 8
    at = a + n
    total = functools.reduce(lambda x, y: x + y, [(a + k) ** -s for k in range(n)])
    last = at ** -s
    total = total + at * last / (s - 1) + last / 2
    numbers, factor = bernoulli_numbers(2 * n + 1), s * last / at
    for j in range(1, n):                       # B[2j]/(2j)! s (s+1) ... (s+2j-2) (a+n)^(1-s-2j)
        total = total + float(numbers[2 * j] / math.factorial(2 * j)) * factor
        factor = factor * (s + (2 * j - 1)) * (s + 2 * j) / (at * at)
    return total


@custom_jvp
def _zeta(s, a):
    return ops_zeta(*util.broadcast_all("zeta", s, a))


@_zeta.defjvp
def _zeta_jvp(primals, tangents):
    return _zeta(*primals), jvp(at_least_32_bits(_zeta_sum), primals, tangents)[1]


@elementwise(complexes=True)
def _hurwitz_zeta(x, q):
    return _zeta(x, q)


def zeta(x, q=None):
    """The Hurwitz zeta function: the sum over n >= 0 of ``(q + n)**-x``.

    Parameters
    ----------
    x : array-like of real numbers above 1
    q : array-like of real numbers; it must be given, 1 for Riemann's zeta function

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 25.11.1. ``scipy.special.zeta``

    Examples
    --------
    >>> print(jnp.round(zeta(2.0, 1.0), 4))      # pi^2/6
    1.6449
    """
    if q is None:
        raise NotImplementedError("zeta: the argument q must be given; zeta(x, 1) is Riemann's zeta function for x > 1")
    return _hurwitz_zeta(x, q)


# --- products -----------------------------------------------------------------------------------

@custom_jvp
def _poch(z, m):
    ratio = _sign(z + m) * _sign(z) * exp(lgamma(z + m) - lgamma(z))
    return where(m == 0, 1, ratio)


@_poch.defjvp
def _poch_jvp(primals, tangents):
    (z, m), (dz, dm) = primals, tangents
    found, end = _poch(z, m), ops_digamma(z + m)
    return found, found * (dz * (end - ops_digamma(z)) + dm * end)


@elementwise
def poch(z, m):
    """Pochhammer's symbol, the rising factorial ``gamma(z + m) / gamma(z)``.

    Parameters
    ----------
    z, m : array-likes of real numbers

    Returns
    -------
    Array of floats; 1 where ``m`` is 0, NaN at other poles of the gamma functions

    References
    ----------
    DLMF 5.2.5. ``scipy.special.poch``

    Examples
    --------
    >>> print(jnp.round(poch(2.0, 3.0), 2))      # 2 * 3 * 4
    24.0
    """
    return _poch(z, m)


def multigammaln(a, d):
    """Logarithm of the multivariate gamma function.

    Parameters
    ----------
    a : array-like of real numbers above ``(d - 1)/2``
    d : int, the dimension

    Returns
    -------
    Array of floats: ``d (d-1)/4 log(pi) + sum of gammaln(a - j/2)`` for j from 0 to d - 1

    References
    ----------
    DLMF 35.3.4. ``scipy.special.multigammaln``

    Examples
    --------
    >>> print(np.round(np.float64(multigammaln(3.0, 2)), 4))
    1.5502
    """
    d = as_static_int(d, "d")
    (a,) = util.promote_args_inexact("multigammaln", a)
    a = convert(a, util.aval_of(a).dtype)       # not weak any more
    total = functools.reduce(lambda x, y: x + y, [gammaln(a - j / 2) for j in range(d)], util.const(a, 0))
    return total + d * (d - 1) / 4 * math.log(math.pi)


def bernoulli(n):
    """The Bernoulli numbers B0 to Bn, with B1 = -1/2.

    Parameters
    ----------
    n : int, not negative

    Returns
    -------
    Array of floats, shape (n + 1,)

    Raises
    ------
    ValueError : if ``n`` is negative.

    References
    ----------
    DLMF 24.5.3. ``scipy.special.bernoulli``

    Examples
    --------
    >>> print(np.round(np.float64(bernoulli(4)), 4))
    [ 1.     -0.5     0.1667  0.     -0.0333]
    """
    n = as_static_int(n, "n")
    if n < 0:
        raise ValueError(f"bernoulli: n must be a non-negative integer, got {n}")
    exact = 258                                 # what is above does not fit in float64
    values = [float(b) for b in bernoulli_numbers(min(n, exact) + 1)]
    values += [0.0 if k % 2 else math.inf if k % 4 else -math.inf for k in range(exact + 1, n + 1)]
    with np.errstate(over="ignore"):
        return asarray(np.asarray(values).astype(dtypes.default_float_dtype()))
