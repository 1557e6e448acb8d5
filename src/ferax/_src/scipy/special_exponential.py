"""Special functions made of exponentials and logarithms."""

from __future__ import annotations

import numpy as np

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.nn import softmax as nn_softmax
from ferax._src.numpy import util
from ferax._src.numpy.selection import where
from ferax._src.ops.elementwise import abs as absolute, expm1, log, log1p, logistic
from ferax._src.scipy.elementwise import elementwise


@elementwise(complexes=True)
def expit(x):
    """The logistic function ``1 / (1 + exp(-x))``, inverse of `logit`.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    Array of the inexact dtype of ``x``

    References
    ----------
    ``scipy.special.expit``

    Examples
    --------
    >>> expit(0.0)
    Array(0.5, dtype=float32, weak_type=True)
    """
    return logistic(x)


@custom_jvp
def _logit(x):
    odds = log(x / (1 - x))
    if util.dtype_kind(x) == "c":
        return odds
    gap = x - 0.5                               # exact near 1/2, where x / (1 - x) is rounded to near 1
    near = absolute(gap) < 0.25
    return where(near, log1p(2 * where(near, gap, 0) / (1 - where(near, x, 0))), odds)


@_logit.defjvp
def _logit_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return _logit(x), t / (x * (1 - x))


@elementwise(complexes=True)
def logit(x):
    """The logarithm of odds, ``log(x / (1 - x))``, inverse of `expit`.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    Array of the inexact dtype of ``x``; NaN for real numbers outside of [0, 1]

    References
    ----------
    ``scipy.special.logit``

    Examples
    --------
    >>> logit(jnp.array([0.0, 0.5]))
    Array([-inf,   0.], dtype=float32)
    """
    return _logit(x)


# --- x log(y), 0 at x = 0 -----------------------------------------------------------------------
# The derivative by y is x/y and that by x log(y), also at x = 0, where a choice between pieces would give 0.

def _product(log_, slope):
    @custom_jvp
    def product(x, y):
        return where((x != 0) | (y != y), x * log_(y), 0)

    @product.defjvp
    def derivative(primals, tangents):
        (x, y), (dx, dy) = primals, tangents
        return product(x, y), dx * log_(y) + dy * slope(x, y)
    return product


_xlogy = _product(log, lambda x, y: x / y)
_xlog1py = _product(log1p, lambda x, y: x / (1 + y))


@elementwise(complexes=True)
def xlogy(x, y):
    """``x * log(y)``, and 0 where ``x`` is 0 unless ``y`` is NaN.

    Parameters
    ----------
    x, y : array-likes

    Returns
    -------
    Array of the inexact dtype that they promote to

    References
    ----------
    ``scipy.special.xlogy``

    Examples
    --------
    >>> xlogy(jnp.array([0.0, 1.0]), 0.0)
    Array([  0., -inf], dtype=float32)
    """
    return _xlogy(x, y)


@elementwise(complexes=True)
def xlog1py(x, y):
    """``x * log1p(y)``, and 0 where ``x`` is 0 unless ``y`` is NaN.

    Parameters
    ----------
    x, y : array-likes

    Returns
    -------
    Array of the inexact dtype that they promote to

    References
    ----------
    ``scipy.special.xlog1py``

    Examples
    --------
    >>> xlog1py(jnp.array([0.0, 1.0]), -1.0)
    Array([  0., -inf], dtype=float32)
    """
    return _xlog1py(x, y)


# --- entropies ----------------------------------------------------------------------------------

@custom_jvp
def _xlogx(x):
    return _xlogy(x, x)


@_xlogx.defjvp
def _xlogx_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return _xlogx(x), t * (log(x) + 1)


@elementwise
def entr(x):
    """Terms of entropy: ``-x log(x)``, 0 at 0, minus infinity for negative ``x``.

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
    ``scipy.special.entr``

    Examples
    --------
    >>> print(jnp.round(entr(jnp.array([-1.0, 0.5])), 4))
    [  -inf 0.3466]
    """
    return where(x < 0, -np.inf, -_xlogx(x))


def _relative_entropy(p, q):
    both = (p > 0) & (q > 0)
    safe_p, safe_q = where(both, p, 1), where(both, q, 1)
    rest = where((p == 0) & (q >= 0), 0, np.inf)
    return where(both, _xlogx(safe_p) - _xlogy(safe_p, safe_q), rest)


@elementwise
def rel_entr(p, q):
    """Terms of relative entropy: ``p log(p / q)``, 0 where p is 0 and q not negative, infinite elsewhere outside of p, q > 0.

    Parameters
    ----------
    p, q : array-likes of real numbers

    Returns
    -------
    Array of floats

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    ``scipy.special.rel_entr``

    Examples
    --------
    >>> print(jnp.round(rel_entr(jnp.array([0.0, 2.0]), 1.0), 4))
    [0.     1.3863]
    """
    return _relative_entropy(p, q)


@elementwise
def kl_div(p, q):
    """Terms of the Kullback-Leibler divergence: ``rel_entr(p, q) - p + q``.

    Parameters
    ----------
    p, q : array-likes of real numbers

    Returns
    -------
    Array of floats

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    ``scipy.special.kl_div``

    Examples
    --------
    >>> print(jnp.round(kl_div(jnp.array([0.0, 2.0]), 1.0), 4))
    [1.     0.3863]
    """
    return _relative_entropy(p, q) - p + q


# --- Box and Cox --------------------------------------------------------------------------------

def _power_of(log_x, lmbda):
    """``(exp(lmbda log_x) - 1) / lmbda``, and its limit ``log_x`` for 0."""
    zero = lmbda == 0
    safe = where(zero, 1, lmbda)
    return where(zero, log_x, expm1(safe * log_x) / safe)


@elementwise(complexes=True)
def boxcox(x, lmbda):
    """The transformation of Box and Cox: ``(x**lmbda - 1) / lmbda``, and ``log(x)`` where ``lmbda`` is 0.

    Parameters
    ----------
    x, lmbda : array-likes

    Returns
    -------
    Array of the inexact dtype that they promote to

    References
    ----------
    ``scipy.special.boxcox``. Box and Cox, *An analysis of transformations* (1964)

    Examples
    --------
    >>> print(jnp.round(boxcox(4.0, jnp.array([0.0, 0.5, 1.0])), 4))
    [1.3863 2.     3.    ]
    """
    return _power_of(log(x), lmbda)


@elementwise(complexes=True)
def boxcox1p(x, lmbda):
    """`boxcox` of ``1 + x``, exact for small ``x`` too.

    Parameters
    ----------
    x, lmbda : array-likes

    Returns
    -------
    Array of the inexact dtype that they promote to

    References
    ----------
    ``scipy.special.boxcox1p``

    Examples
    --------
    >>> print(jnp.round(boxcox1p(3.0, jnp.array([0.0, 0.5, 1.0])), 4))
    [1.3863 2.     3.    ]
    """
    return _power_of(log1p(x), lmbda)


# --- softmax ------------------------------------------------------------------------------------

def softmax(x, /, *, axis=None):
    """``exp(x) / sum(exp(x))``, without overflow.

    Parameters
    ----------
    x : array-like
    axis : int, tuple of int, or None for all axes: over which to add up

    Returns
    -------
    Array of the shape of ``x``

    References
    ----------
    ``scipy.special.softmax``

    Examples
    --------
    >>> softmax(jnp.zeros(4))
    Array([0.25, 0.25, 0.25, 0.25], dtype=float32)
    """
    return nn_softmax.softmax(x, axis=axis)


def log_softmax(x, /, *, axis=None):
    """Logarithm of `softmax`: ``x - log(sum(exp(x)))``, without overflow.

    Parameters
    ----------
    x : array-like
    axis : int, tuple of int, or None for all axes: over which to add up

    Returns
    -------
    Array of the shape of ``x``

    References
    ----------
    ``scipy.special.log_softmax``

    Examples
    --------
    >>> print(jnp.round(log_softmax(jnp.zeros(4)), 4))
    [-1.3863 -1.3863 -1.3863 -1.3863]
    """
    return nn_softmax.log_softmax(x, axis=axis)
