"""Polynomials as arrays of coefficients, that of the highest power first: ``[1, -3, 2]`` is ``x^2 - 3 x + 2``.

Sums, derivatives, integrals, values by Horner's rule, and the matrix of powers. What needs products of polynomials or
linear algebra is in `polynomial_roots`.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.control.scan_api import scan
from ferax._src.numpy.fills import zeros
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.util import broadcast_to, ensure_arraylike, promote_dtypes, promote_dtypes_inexact
from ferax._src.ops.broadcasting import broadcast_in_dim, broadcast_shapes
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import add, div, integer_pow, mul, neg
from ferax._src.ops.joining import stack
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import as_static_int
from ferax._src.ops.zeros import full, full_like
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


def check_coefficients(name: str, p, argument: str = "p") -> None:
    """Raise a ValueError unless ``p`` has one dimension."""
    if p.ndim != 1:
        raise ValueError(f"jnp.{name}: {argument} must be an array of coefficients, of one dimension; got shape {p.shape}")


@fused
def _sum(a, b):
    """The sum, the shorter one filled up in front with zeros."""
    n, m = a.shape[0], b.shape[0]
    if n < m:
        a, b, n, m = b, a, m, n
    if n == m:
        return add(a, b)
    return concatenate([slice_in_dim(a, 0, n - m), add(slice_in_dim(a, n - m, n), b)])


def _two_polynomials(name: str, a1, a2):
    a1, a2 = map(as_array, promote_dtypes(*ensure_arraylike(name, a1, a2)))
    check_coefficients(name, a1, "a1")
    check_coefficients(name, a2, "a2")
    return a1, a2


def polyadd(a1, a2):
    """The sum of two polynomials.

    Parameters
    ----------
    a1, a2 : arrays of coefficients, the highest power first

    Returns
    -------
    array of as many coefficients as the longer one has

    References
    ----------
    ``numpy.polyadd``

    Examples
    --------
    >>> jnp.polyadd(jnp.array([1, 2]), jnp.array([1, 0, 0]))
    Array([1, 1, 2], dtype=int32)
    """
    return _sum(*_two_polynomials("polyadd", a1, a2))


def polysub(a1, a2):
    """The difference of two polynomials.

    Parameters
    ----------
    a1, a2 : arrays of coefficients, the highest power first

    Returns
    -------
    array of as many coefficients as the longer one has

    References
    ----------
    ``numpy.polysub``

    Examples
    --------
    >>> jnp.polysub(jnp.array([1, 2]), jnp.array([1, 0, 0]))
    Array([-1,  1,  2], dtype=int32)
    """
    a1, a2 = _two_polynomials("polysub", a1, a2)
    return _sum(a1, neg(a2))


def _order(m, name: str) -> int:
    m = as_static_int(m, f"jnp.{name}: m")
    if m < 0:
        raise ValueError(f"jnp.{name}: the order m must not be negative, got {m}")
    return m


@fused(static=("m",))
def _derivative(p, *, m):
    n = p.shape[0]
    if m >= n:
        return full((0,), 0, p.dtype)
    factors = np.array([math.perm(power, m) for power in range(n - 1, m - 1, -1)], p.dtype)
    return mul(slice_in_dim(p, 0, n - m), factors)


def polyder(p, m=1):
    """The derivative of order ``m`` of a polynomial.

    Parameters
    ----------
    p : array of coefficients, the highest power first
    m : int, known while tracing and not negative

    Returns
    -------
    array of ``m`` coefficients less, of an inexact dtype

    References
    ----------
    ``numpy.polyder``

    Examples
    --------
    >>> jnp.polyder(jnp.array([1, -3, 2]))
    Array([ 2., -3.], dtype=float32)
    """
    p = ensure_arraylike("polyder", p)
    check_coefficients("polyder", p)
    m = _order(m, "polyder")
    p = as_array(promote_dtypes_inexact(p)[0])
    return p if m == 0 else _derivative(p, m=m)


@fused(static=("m",))
def _integral(p, k, *, m):
    n = p.shape[0]
    # The coefficient of x^j becomes that of x^(j + m), divided by (j + m) ... (j + 1); the constants after them likewise.
    whole = concatenate([p, k])
    steps = [math.perm(n + m - 1 - i, m) if i < n else math.factorial(n + m - 1 - i) for i in range(n + m)]
    return div(whole, np.array(steps, whole.dtype))


def polyint(p, m=1, k=None):
    """The integral of order ``m`` of a polynomial.

    Parameters
    ----------
    p : array of coefficients, the highest power first
    m : int, known while tracing and not negative
    k : number or array of ``m`` numbers, the constant of each integration in turn; None for zeros

    Returns
    -------
    array of ``m`` coefficients more, of an inexact dtype

    References
    ----------
    ``numpy.polyint``

    Examples
    --------
    >>> jnp.polyint(jnp.array([2, -3]), k=2)
    Array([ 1., -3.,  2.], dtype=float32)
    """
    m = _order(m, "polyint")
    p, k = ensure_arraylike("polyint", p, 0 if k is None else k)
    check_coefficients("polyint", p)
    p, k = map(as_array, promote_dtypes_inexact(p, k))
    if k.ndim == 0:
        k = broadcast_in_dim(k, (m,), ())
    elif k.shape == (1,):
        k = broadcast_in_dim(k, (m,), (0,))
    if k.shape != (m,):
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or m.")
    return p if m == 0 else _integral(p, k, m=m)


@fused(static=("unroll",))
def _value(p, x, *, unroll):
    dtype = dtypes.result_type(p, x)
    p, x = convert(p, dtype), convert(x, dtype)
    zero = full(broadcast_shapes(p.shape[1:], x.shape), 0, dtype)
    x = broadcast_to(x, zero.shape)
    return scan(lambda y, c: (add(mul(y, x), broadcast_to(c, zero.shape)), None), zero, p, unroll=unroll)[0]


def polyval(p, x, *, unroll=16):
    """The value of a polynomial, by Horner's rule.

    Parameters
    ----------
    p : array of coefficients, the highest power first; further dimensions are broadcast against ``x``
    x : array of any shape, where
    unroll : int, how many steps to write in one turn of the loop

    Returns
    -------
    array of the shape of ``x``

    References
    ----------
    ``numpy.polyval``

    Examples
    --------
    >>> jnp.polyval(jnp.array([1, -3, 2]), jnp.array([0, 1, 3]))
    Array([2, 0, 2], dtype=int32)
    """
    p, x = ensure_arraylike("polyval", p, x)
    if p.ndim == 0:
        raise ValueError("jnp.polyval: p must be an array of coefficients, got a scalar")
    return _value(p, x, unroll=as_static_int(unroll, "unroll"))


@fused(static=("n", "increasing"))
def _powers(x, *, n, increasing):
    one = full_like(x, 1)
    columns = [one if k == 0 else integer_pow(x, k) for k in range(n)]
    return stack(columns if increasing else columns[::-1], 1)


def vander(x, N=None, increasing=False):
    """The Vandermonde matrix, whose columns are powers of ``x``.

    Parameters
    ----------
    x : array of one dimension
    N : int, how many columns; by default as many as ``x`` has elements
    increasing : bool, whether the powers grow from left to right

    Returns
    -------
    array of shape (x.size, N)

    Raises
    ------
    ValueError : if ``x`` has not one dimension, or ``N`` is negative.

    References
    ----------
    ``numpy.vander``

    Examples
    --------
    >>> jnp.vander(jnp.array([2, 3]), 3)
    Array([[4, 2, 1],
    [9, 3, 1]], dtype=int32)
    """
    x = ensure_arraylike("vander", x)
    if x.ndim != 1:
        raise ValueError(f"x must be a one-dimensional array, got shape {x.shape}")
    N = x.shape[0] if N is None else as_static_int(N, "N")
    if N < 0:
        raise ValueError(f"N must be nonnegative, got {N}")
    if N == 0:
        return zeros((x.shape[0], 0), x.dtype)
    return _powers(x, n=N, increasing=bool(increasing))
