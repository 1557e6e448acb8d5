"""Associated Legendre functions, and spherical harmonics.

All degrees l and orders m up to a greatest one are computed together. The first of an order is

    P[m, m] = d[m] sqrt(1 - x^2) P[m-1, m-1]            DLMF 14.7.15 with 14.10.3

and those of higher degrees follow by recurrence, ``P[m, l] = a[m, l] x P[m, l-1] - b[m, l] P[m, l-2]`` (14.10.3). Normalised functions,
times ``sqrt((2l+1)/(4 pi) (l-m)!/(l+m)!)``, have coefficients of their own, and do not overflow.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ferax._src.control.scan_api import scan
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.cumulative import cumprod
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.manipulation import broadcast_to, transpose
from ferax._src.numpy.selection import where
from ferax._src.numpy.util import check_arraylike, promote_dtypes_inexact
from ferax._src.ops.elementwise import cos, sin, sqrt, square
from ferax._src.ops.elementwise_complex import complex as as_complex, conj
from ferax._src.ops.static import as_static_int
from ferax._src.runtime.fused import fused
from ferax._src.scipy.elementwise import only_wide
from ferax._src.tracing.core import Tracer
from ferax._src.util import errors


@functools.cache
def _coefficients(size: int, normalised: bool):
    """``d[m]``, ``a[l, m]`` and ``b[l, m]`` for l and m below ``size``; zeros where m is not below l."""
    m, l = np.arange(size, dtype=float), np.arange(size, dtype=float)[:, None]
    below = m < l
    with np.errstate(all="ignore"):
        if normalised:
            d = -np.sqrt((2 * m + 1) / (2 * m))
            d[0] = math.sqrt(1 / (4 * math.pi))
            a = np.sqrt((4 * l * l - 1) / (l * l - m * m))
            b = a * np.sqrt(np.maximum((l - 1) ** 2 - m * m, 0) / (4 * (l - 1) ** 2 - 1))
        else:
            d = 1 - 2 * m
            a, b = (2 * l - 1) / (l - m), (l + m - 1) / (l - m)
    return d, np.where(below, a, 0), np.where(m < l - 1, b, 0)


@fused(static=("size", "normalised"))
def _legendre(x, *, size, normalised):
    d, a, b = [c.astype(x.dtype) for c in _coefficients(size, normalised)]
    first = broadcast_to(x[None] * 0 + d[0], (1, *x.shape))
    factors = d[1:, None] * broadcast_to(sqrt(1 - square(x))[None], (size - 1, *x.shape))
    diagonal = cumprod(concatenate([first, factors], axis=0), axis=0)
    here = np.eye(size, dtype=x.dtype)

    def step(state, rows):
        before, one = state
        a_l, b_l, at = rows
        found = a_l[:, None] * x * one - b_l[:, None] * before + at[:, None] * diagonal
        return (one, found), found
    zero = 0 * diagonal
    return transpose(scan(step, (zero, zero), (a, b, here))[1], (1, 0, 2))


@fused
def _slopes(p, x):
    """``(1 - x^2) P' = (l + m) P[m, l-1] - l x P[m, l]``, DLMF 14.10.5."""
    size = p.shape[0]
    l, m = np.arange(size, dtype=x.dtype)[None, :, None], np.arange(size, dtype=x.dtype)[:, None, None]
    lower = concatenate([0 * p[:, :1], p[:, :-1]], axis=1)
    return ((l + m) * lower - l * x * p) / (1 - square(x))


def _checked(name: str, m, n, z):
    z = only_wide(name, z)
    if z.ndim != 1:
        raise ValueError(f"{name}: z must be a 1D array, got shape {z.shape}")
    m, n = as_static_int(m, "m"), as_static_int(n, "n")
    if m != n:
        raise NotImplementedError(f"{name}: computations for m != n are not there, got m={m} and n={n}")
    return n + 1, z


def lpmn(m, n, z):
    """Associated Legendre functions of the first kind, with the phase ``(-1)^m``, and their derivatives.

    Parameters
    ----------
    m, n : equal int: the greatest order and degree
    z : array-like of float32 or float64, shape (k,), with elements between -1 and 1

    Returns
    -------
    (p, slopes) : arrays of shape (m + 1, n + 1, k), by order and degree; zero where the order is greater than the degree

    Raises
    ------
    TypeError : for other dtypes.
    ValueError : if ``z`` does not have one dimension.

    References
    ----------
    DLMF 14.7, 14.10. ``scipy.special.assoc_legendre_p_all``

    Examples
    --------
    >>> p, slopes = lpmn(1, 1, jnp.array([0.5]))
    >>> print(jnp.round(p[:, :, 0], 4))
    [[ 1.     0.5  ]
     [ 0.    -0.866]]
    """
    size, z = _checked("lpmn", m, n, z)
    p = _legendre(z, size=size, normalised=False)
    return p, _slopes(p, z)


def lpmn_values(m, n, z, is_normalized):
    """Associated Legendre functions of the first kind, with the phase ``(-1)^m``.

    Parameters
    ----------
    m, n : equal int: the greatest order and degree
    z : array-like of float32 or float64, shape (k,), with elements between -1 and 1
    is_normalized : whether to normalise as spherical harmonics are: times ``sqrt((2l+1)/(4 pi) (l-m)!/(l+m)!)``

    Returns
    -------
    Array of shape (m + 1, n + 1, k), by order and degree; zero where the order is greater than the degree

    Raises
    ------
    TypeError : for other dtypes.
    ValueError : if ``z`` does not have one dimension.

    References
    ----------
    DLMF 14.7, 14.10, 14.30.1. ``scipy.special.assoc_legendre_p_all``

    Examples
    --------
    >>> print(jnp.round(lpmn_values(1, 1, jnp.array([0.5]), True)[:, :, 0], 4))
    [[ 0.2821  0.2443]
     [ 0.     -0.2992]]
    """
    size, z = _checked("lpmn_values", m, n, z)
    return _legendre(z, size=size, normalised=bool(is_normalized))


@fused(static=("size",))
def _spherical(n, m, theta, phi, *, size):
    theta, phi = promote_dtypes_inexact(theta, phi)
    order = abs(m)
    p = _legendre(cos(theta), size=size, normalised=True)
    p = p.at[order, n, np.arange(n.shape[0])].get(mode="clip")
    angle = order * phi
    found = as_complex(p * cos(angle), p * sin(angle))
    return where(m < 0, where(order % 2 == 0, 1, -1) * conj(found), found)


def sph_harm_y(n, m, theta, phi, diff_n=None, n_max=None):
    """Spherical harmonics ``Y_n^m(theta, phi)``, with the phase ``(-1)^m``.

    Parameters
    ----------
    n, m : arrays of integers, shape (k,): degrees, and orders from ``-n`` to ``n``
    theta, phi : arrays of real numbers, shape (k,), or numbers: angle from the pole, and around the axis
    diff_n : must be None
    n_max : int, the greatest degree; by default the greatest of ``n``, which must then be known

    Returns
    -------
    Array of complex numbers, shape (k,)

    References
    ----------
    DLMF 14.30.1. ``scipy.special.sph_harm_y``

    Examples
    --------
    >>> print(jnp.round(sph_harm_y(jnp.array([1]), jnp.array([0]), jnp.array([0.0]), jnp.array([0.0])), 4))
    [0.4886+0.j]
    """
    if diff_n is not None:
        raise NotImplementedError("sph_harm_y: the argument diff_n is not supported")
    check_arraylike("sph_harm_y", n, m, theta, phi)
    if n_max is None:
        if isinstance(n, Tracer):
            raise errors.ConcretizationTypeError(n, "sph_harm_y: n_max must be given, for n is not known while tracing")
        n_max = int(np.max(n))
    n, m, theta, phi = [asarray(x) for x in (n, m, theta, phi)]
    theta = theta[None] if theta.ndim == 0 else theta
    return _spherical(n, m, theta, phi, size=as_static_int(n_max, "n_max") + 1)
