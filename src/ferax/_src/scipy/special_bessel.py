"""Bessel functions. Formulas are from the NIST *Digital Library of Mathematical Functions* (DLMF)."""

from __future__ import annotations

import functools

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.control.scan_api import scan
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.manipulation import broadcast_to
from ferax._src.numpy.ranges import arange
from ferax._src.numpy.selection import where
from ferax._src.numpy.util import promote_dtypes_inexact
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import abs as absolute, exp
from ferax._src.ops.elementwise_special import bessel_i0e, bessel_i1e
from ferax._src.ops.static import as_static_int
from ferax._src.runtime.fused import fused
from ferax._src.scipy.elementwise import FLOAT32, elementwise, refuse_complex
from ferax._src.types import dtypes


@elementwise(complexes=True)
def i0e(x):
    """Modified Bessel function of the first kind and order 0, times ``exp(-abs(x))``.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 10.25. ``scipy.special.i0e``

    Examples
    --------
    >>> print(jnp.round(i0e(1.0), 4))
    0.4658
    """
    return bessel_i0e(x)


@elementwise(complexes=True)
def i1e(x):
    """Modified Bessel function of the first kind and order 1, times ``exp(-abs(x))``.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 10.25. ``scipy.special.i1e``

    Examples
    --------
    >>> print(np.round(np.float64(i1e(1.0)), 4))
    0.2079
    """
    return bessel_i1e(x)


@elementwise(complexes=True)
def i0(x):
    """Modified Bessel function of the first kind and order 0.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 10.25. ``scipy.special.i0``

    Examples
    --------
    >>> print(np.round(np.float64(i0(1.0)), 4))
    1.2661
    """
    return exp(absolute(x)) * bessel_i0e(x)


@elementwise(complexes=True)
def i1(x):
    """Modified Bessel function of the first kind and order 1.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 10.25. ``scipy.special.i1``

    Examples
    --------
    >>> print(jnp.round(i1(1.0), 4))
    0.5652
    """
    return exp(absolute(x)) * bessel_i1e(x)


def _ratios_down(z, v: int, n_iter: int):
    """J_0 to J_v by Miller's algorithm, DLMF 3.6(ii) and 10.74(iv): backward recurrence, scaled such that J0 + 2 (J2 + J4 + ...) = 1."""
    z = as_array(z)                             # in rules of derivatives, it may be a number
    zero = z == 0
    safe = where(zero, 1, z)
    info = dtypes.finfo(z.dtype)
    tiny, huge = float(info.tiny) ** 0.5, float(info.max) ** 0.25

    def step(state, k):
        above, here, total, kept = state
        below = here * (2 * (k + 1) / safe) - above
        grown = absolute(below) > huge
        scale = where(grown, 1 / huge, 1)
        below, here, total, kept = below * scale, here * scale, total * scale, kept * scale
        total = total + where(k % 2 == 0, where(k == 0, below, 2 * below), 0)
        at = where(arange(v + 1, dtype=z.dtype).reshape((v + 1,) + (1,) * z.ndim) == k, below, kept)
        return (here, below, total, at), None
    start = (0 * z, 0 * z + tiny, 0 * z, broadcast_to(0 * z, (v + 1, *z.shape)))
    (_, _, total, kept), _ = scan(step, start, arange(n_iter + 1, dtype=z.dtype)[::-1])
    at_zero = where(arange(v + 1).reshape((v + 1,) + (1,) * z.ndim) == 0, 1, 0)
    return where(zero, convert(at_zero, z.dtype), kept / total)


@functools.partial(custom_jvp, nondiff_argnums=(1, 2))
def _orders(z, v, n_iter):
    return _ratios_down(z, v, n_iter)


@_orders.defjvp
def _orders_jvp(v, n_iter, primals, tangents):
    (z,), (t,) = primals, tangents              # J_k' = (J_(k-1) - J_(k+1))/2, DLMF 10.6.1
    j = _orders(z, v + 1, n_iter)
    return j[:-1], t * concatenate([-j[1:2], (j[:-2] - j[2:]) / 2], axis=0)


@fused(static=("v", "n_iter"))
def _bessel_jn(z, *, v, n_iter):
    wide = convert(z, FLOAT32) if z.dtype.itemsize < 4 else as_array(z)
    return convert(_orders(wide, v, n_iter), z.dtype)


def bessel_jn(z, *, v, n_iter=50):
    """Bessel functions of the first kind, of the orders 0 to ``v``.

    Parameters
    ----------
    z : array-like of real numbers
    v : int, not negative
    n_iter : int, the order from which recurrence goes down: it must be well above ``v`` and ``abs(z)``

    Returns
    -------
    Array of floats, shape (v + 1, ...)

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    DLMF 3.6(ii), 10.6.1, 10.74(iv). ``scipy.special.jv``

    Examples
    --------
    >>> print(np.round(np.float64(bessel_jn(1.0, v=2)), 4))
    [0.7652 0.4401 0.1149]
    """
    (z,) = promote_dtypes_inexact(asarray(z))
    refuse_complex("bessel_jn", z)
    v, n_iter = as_static_int(v, "v"), as_static_int(n_iter, "n_iter")
    return _bessel_jn(z, v=v, n_iter=n_iter)
