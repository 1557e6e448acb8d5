"""Window functions: bartlett, blackman, hamming, hanning, kaiser.

A window of M points weighs a finite piece of a signal. Where the points lie is known while tracing, so the cosines and
the triangle are computed at once; only the shape of `kaiser` may depend on a traced number.
"""

from __future__ import annotations

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.fills import ones
from ferax._src.numpy.special import i0
from ferax._src.ops import elementwise as ops
from ferax._src.ops.convert import as_array, convert
from ferax._src.tracing.core import Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors


def _points(M, name: str) -> int:
    """The number of points, which must be known while tracing."""
    if isinstance(M, Tracer):
        concrete = M.concrete_value()
        if concrete is None:
            raise errors.ConcretizationTypeError(M, f"The number of points of jnp.{name} must be known while tracing")
        M = concrete
    try:
        n = int(M)
    except TypeError:
        raise TypeError(f"jnp.{name}: M must be a number of points, got {M!r} of type {type(M).__name__}") from None
    except ValueError:
        raise ValueError(f"jnp.{name}: M must be a number of points, got {M!r}") from None
    if n < 0:
        raise TypeError(f"jnp.{name}: the number of points M must not be negative, got {M!r}")
    return n


def _window(M, name: str, values):
    """``values(n, M)`` for ``n = 0 ... M - 1``, in the default dtype of floats; ones where there is one point at most."""
    M = _points(M, name)
    dtype = dtypes.default_float_dtype()
    if M <= 1:
        return ones((M,), dtype)
    return as_array(np.asarray(values(np.arange(M), M), dtype))


def bartlett(M):
    """The triangle ``1 - |2 n / (M - 1) - 1|``.

    Parameters
    ----------
    M : int, number of points

    Returns
    -------
    array of shape (M,), of the default float dtype

    References
    ----------
    ``numpy.bartlett``

    Examples
    --------
    >>> jnp.bartlett(5)
    Array([0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    return _window(M, "bartlett", lambda n, M: 1 - np.abs(2 * n - (M - 1)) / (M - 1))


def blackman(M):
    """``0.42 - 0.5 cos(2 pi n / (M - 1)) + 0.08 cos(4 pi n / (M - 1))``.

    Parameters
    ----------
    M : int, number of points

    Returns
    -------
    array of shape (M,), of the default float dtype

    References
    ----------
    ``numpy.blackman``

    Examples
    --------
    >>> jnp.blackman(1)
    Array([1.], dtype=float32)
    """
    return _window(M, "blackman", lambda n, M: (
        0.42 - 0.5 * np.cos(2 * np.pi * n / (M - 1)) + 0.08 * np.cos(4 * np.pi * n / (M - 1))))


def hamming(M):
    """``0.54 - 0.46 cos(2 pi n / (M - 1))``.

    Parameters
    ----------
    M : int, number of points

    Returns
    -------
    array of shape (M,), of the default float dtype

    References
    ----------
    ``numpy.hamming``

    Examples
    --------
    >>> jnp.hamming(3)
    Array([0.08, 1.  , 0.08], dtype=float32)
    """
    return _window(M, "hamming", lambda n, M: 0.54 - 0.46 * np.cos(2 * np.pi * n / (M - 1)))


def hanning(M):
    """``0.5 - 0.5 cos(2 pi n / (M - 1))``.

    Parameters
    ----------
    M : int, number of points

    Returns
    -------
    array of shape (M,), of the default float dtype

    References
    ----------
    ``numpy.hanning``

    Examples
    --------
    >>> jnp.hanning(5)
    Array([0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    return _window(M, "hanning", lambda n, M: 0.5 - 0.5 * np.cos(2 * np.pi * n / (M - 1)))


def kaiser(M, beta):
    """``I0(beta sqrt(1 - (2 n / (M - 1) - 1)^2)) / I0(beta)``, with the modified Bessel function I0.

    Parameters
    ----------
    M : int, number of points
    beta : real number, how quickly the window falls off; it may be traced and differentiated by

    Returns
    -------
    array of shape (M,), of the default float dtype

    References
    ----------
    ``numpy.kaiser``

    Examples
    --------
    >>> jnp.kaiser(3, 0.)
    Array([1., 1., 1.], dtype=float32)
    """
    M = _points(M, "kaiser")
    dtype = dtypes.default_float_dtype()
    if M <= 1:
        return ones((M,), dtype)
    util.check_arraylike("kaiser", beta)
    beta = util.operand(beta)
    if util.dtype_kind(beta) == "c":
        raise ValueError("jnp.kaiser: beta must be real, got a complex number")
    beta = convert(beta, dtype)
    half = (M - 1) / 2
    width = np.sqrt(1 - ((np.arange(M) - half) / half) ** 2).astype(dtype)
    return ops.div(i0(ops.mul(width, beta)), i0(beta))
