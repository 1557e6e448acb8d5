"""Matrices with a name."""

from __future__ import annotations

import math
import operator

import numpy as np

from ferax._src.numpy.creation import asarray
from ferax._src.numpy.fills import zeros
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.manipulation import atleast_1d, atleast_2d, broadcast_to, flip
from ferax._src.numpy.padding import pad
from ferax._src.numpy.util import check_arraylike, promote_args_inexact, promote_dtypes
from ferax._src.ops.broadcasting import broadcast_shapes
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise_complex import conj
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


def block_diag(*arrs):
    """Put matrices on the diagonal of a matrix, zeros elsewhere.

    Parameters
    ----------
    *arrs : array-likes of at most two dimensions; a vector counts as a row

    Returns
    -------
    Array of two dimensions, of the dtype that they promote to; of shape (1, 0) if there are none

    Raises
    ------
    ValueError : if there are more dimensions.

    References
    ----------
    ``scipy.linalg.block_diag``

    Examples
    --------
    >>> block_diag(1, jnp.array([[2, 3]]))
    Array([[1, 0, 0],
           [0, 2, 3]], dtype=int32)
    """
    blocks = [asarray(a) for a in arrs] or [zeros((1, 0))]
    for i, a in enumerate(blocks):
        if a.ndim > 2:
            raise ValueError(f"Arguments to block_diag must have at most 2 dimensions, got shape {a.shape} at argument {i}.")
    blocks = [atleast_2d(as_array(a)) for a in promote_dtypes(*blocks)]
    width, at, rows = sum(a.shape[1] for a in blocks), 0, []
    for a in blocks:
        rows.append(pad(a, ((0, 0), (at, width - at - a.shape[1]))))
        at += a.shape[1]
    return concatenate(rows, axis=0)


# --- constant along diagonals -------------------------------------------------------------------

def _by_place(values, places):
    """``values[..., places]``, for places known while tracing."""
    return values[..., places]


@fused
def _toeplitz(c, r):
    batch = broadcast_shapes(c.shape[:-1], r.shape[:-1])
    m, n = c.shape[-1], r.shape[-1]
    c, r = promote_dtypes(broadcast_to(c, (*batch, m)), broadcast_to(r, (*batch, n)))
    if 0 in (m, n):
        return zeros((*batch, m, n), c.dtype)
    values = concatenate([flip(c, -1), r[..., 1:]], axis=-1)
    return _by_place(values, m - 1 - np.arange(m)[:, None] + np.arange(n)[None, :])


def toeplitz(c, r=None):
    """Toeplitz matrices: constant along each diagonal.

    Parameters
    ----------
    c : array-like, shape (..., m): the first column
    r : array-like, shape (..., n): the first row, whose first element does not count; by default the conjugate of ``c``

    Returns
    -------
    Array, shape (..., m, n)

    References
    ----------
    ``scipy.linalg.toeplitz``

    Examples
    --------
    >>> toeplitz(jnp.array([1, 2, 3]), jnp.array([1, 4]))
    Array([[1, 4],
           [2, 1],
           [3, 2]], dtype=int32)
    """
    check_arraylike("toeplitz", c, *([] if r is None else [r]))
    c = atleast_1d(asarray(c))
    r = (conj(c) if dtypes.kind_of(c.dtype) == "c" else c) if r is None else atleast_1d(asarray(r))
    return _toeplitz(c, r)


@fused
def _hankel(c, r):
    batch = broadcast_shapes(c.shape[:-1], r.shape[:-1])
    m, n = c.shape[-1], r.shape[-1]
    c, r = promote_dtypes(broadcast_to(c, (*batch, m)), broadcast_to(r, (*batch, n)))
    if 0 in (m, n):
        return zeros((*batch, m, n), c.dtype)
    values = concatenate([c, r[..., 1:]], axis=-1)
    return _by_place(values, np.arange(m)[:, None] + np.arange(n)[None, :])


def hankel(c, r=None):
    """Hankel matrices: constant along each line from the lower left to the upper right.

    Parameters
    ----------
    c : array-like, shape (..., m): the first column
    r : array-like, shape (..., n): the last row, whose first element does not count; by default zeros, as many as in ``c``

    Returns
    -------
    Array, shape (..., m, n)

    Raises
    ------
    ValueError : for scalars.

    References
    ----------
    ``scipy.linalg.hankel``

    Examples
    --------
    >>> hankel(jnp.array([1, 2, 3]))
    Array([[1, 2, 3],
           [2, 3, 0],
           [3, 0, 0]], dtype=int32)
    """
    check_arraylike("hankel", c, *([] if r is None else [r]))
    c = asarray(c)
    r = 0 * c if r is None else asarray(r)
    for name, x in (("c", c), ("r", r)):
        if x.ndim == 0:
            raise ValueError(f"hankel: {name} must be at least 1-dimensional, got a scalar.")
    return _hankel(c, r)


def circulant(c):
    """Circulant matrices: each column is the one before, turned down by one.

    Parameters
    ----------
    c : array-like, shape (..., n): the first column

    Returns
    -------
    Array, shape (..., n, n)

    References
    ----------
    ``scipy.linalg.circulant``

    Examples
    --------
    >>> circulant(jnp.array([1, 2, 3]))
    Array([[1, 3, 2],
           [2, 1, 3],
           [3, 2, 1]], dtype=int32)
    """
    check_arraylike("circulant", c)
    c = atleast_1d(asarray(c))
    n = c.shape[-1]
    if n == 0:
        return zeros((*c.shape, 0), c.dtype)
    return _by_place(c, (np.arange(n)[:, None] - np.arange(n)[None, :]) % n)


def convolution_matrix(a, n, mode="full"):
    """The matrix whose product with a vector is its convolution with ``a``.

    Parameters
    ----------
    a : array-like, shape (..., m), m at least 1
    n : positive int, the size of the vector
    mode : "full", "same" or "valid", as of ``numpy.convolve``

    Returns
    -------
    Array, shape (..., k, n), k being the size of the convolution

    Raises
    ------
    ValueError : if ``a`` is a scalar or empty, ``n`` is not positive, or there is no such mode.

    References
    ----------
    ``scipy.linalg.convolution_matrix``

    Examples
    --------
    >>> convolution_matrix(jnp.array([1, 2]), 2)
    Array([[1, 0],
           [2, 1],
           [0, 2]], dtype=int32)
    """
    n = operator.index(n)
    if n <= 0:
        raise ValueError(f"convolution_matrix: n must be a positive integer; got {n}.")
    check_arraylike("convolution_matrix", a)
    a = asarray(a)
    if a.ndim == 0 or a.shape[-1] < 1:
        raise ValueError(f"convolution_matrix: a must have at least one dimension and len(a) must be at least 1; got shape {a.shape}")
    if mode not in ("full", "valid", "same"):
        raise ValueError(f"mode must be one of 'full', 'valid', 'same'; got {mode!r}.")
    m = a.shape[-1]
    less = min(m, n) - 1
    first = {"full": 0, "same": less // 2, "valid": less}[mode]
    last = {"full": 0, "same": less - less // 2, "valid": less}[mode]
    padded = pad(a, [(0, 0)] * (a.ndim - 1) + [(n - 1, n - 1)])
    rows = np.arange(first, m + n - 1 - last)
    return _by_place(padded, rows[:, None] + n - 1 - np.arange(n)[None, :])


# --- of polynomials and populations -------------------------------------------------------------

@fused
def _companion(a):
    (a,) = promote_args_inexact("companion", a)
    a = as_array(a)
    n = a.shape[-1] - 1
    first = (-a[..., 1:] / a[..., :1])[..., None, :]
    below = broadcast_to(asarray(np.eye(n - 1, n)), (*a.shape[:-1], n - 1, n)) if n > 1 else None
    return first if below is None else concatenate([first, convert(below, a.dtype)], axis=-2)


def companion(a):
    """The companion matrix of a polynomial, whose eigenvalues are its roots.

    Parameters
    ----------
    a : array-like, shape (..., n + 1): coefficients from the highest power on; n at least 1

    Returns
    -------
    Array of an inexact dtype, shape (..., n, n)

    Raises
    ------
    ValueError : if there are fewer than two coefficients.

    References
    ----------
    ``scipy.linalg.companion``

    Examples
    --------
    >>> companion(jnp.array([1., -3., 2.]))
    Array([[ 3., -2.],
           [ 1.,  0.]], dtype=float32)
    """
    check_arraylike("companion", a)
    a = atleast_1d(asarray(a))
    if a.shape[-1] < 2:
        raise ValueError(f"The length of `a` along the last axis must be at least 2; got shape {a.shape}.")
    return _companion(a)


def fiedler(a):
    """The matrix of distances ``abs(a[i] - a[j])``.

    Parameters
    ----------
    a : array-like, shape (..., n)

    Returns
    -------
    Array, shape (..., n, n)

    References
    ----------
    ``scipy.linalg.fiedler``

    Examples
    --------
    >>> fiedler(jnp.array([1, 4]))
    Array([[0, 3],
           [3, 0]], dtype=int32)
    """
    check_arraylike("fiedler", a)
    a = atleast_1d(asarray(a))
    return abs(a[..., None] - a[..., None, :])


@fused
def _fiedler_companion(a):
    (a,) = promote_args_inexact("fiedler_companion", a)
    a = as_array(a)
    n = a.shape[-1] - 1
    a = a / a[..., :1]
    c = zeros((*a.shape[:-1], n, n), a.dtype)
    if n == 0:
        return c
    if n == 1:
        return c.at[..., 0, 0].set(-a[..., 1])
    even = np.arange(0, n - 2, 2)
    c = c.at[..., even, even + 2].set(1.0)
    odd = np.arange(1, n - 2, 2)
    c = c.at[..., odd + 2, odd].set(1.0)
    at = np.arange(1, n - 1, 2)
    c = c.at[..., at + 1, at].set(-a[..., at + 2])
    at = np.arange(0, n - 1, 2)
    c = c.at[..., at, at + 1].set(-a[..., at + 2])
    return c.at[..., 0, 0].set(-a[..., 1]).at[..., 1, 0].set(1.0)


def fiedler_companion(a):
    """The Fiedler companion matrix of a polynomial: pentadiagonal, with the roots for eigenvalues.

    Parameters
    ----------
    a : array-like, shape (..., n + 1): coefficients from the highest power on

    Returns
    -------
    Array of an inexact dtype, shape (..., n, n)

    Raises
    ------
    ValueError : if there are no coefficients.

    References
    ----------
    ``scipy.linalg.fiedler_companion``. Fiedler, *A note on companion matrices* (2003)

    Examples
    --------
    >>> fiedler_companion(jnp.array([1., -3., 2.]))
    Array([[ 3., -2.],
           [ 1.,  0.]], dtype=float32)
    """
    check_arraylike("fiedler_companion", a)
    a = atleast_1d(asarray(a))
    if a.shape[-1] == 0:
        raise ValueError(f"fiedler_companion requires the last axis of 'a' to have nonzero length, but got an array of shape {a.shape}.")
    return _fiedler_companion(a)


def leslie(f, s):
    """Leslie matrices, of populations by age.

    Parameters
    ----------
    f : array-like, shape (..., n), n at least 2: fecundities, the first row
    s : array-like, shape (..., n - 1): rates of survival, below the diagonal

    Returns
    -------
    Array, shape (..., n, n)

    Raises
    ------
    ValueError : if the sizes do not fit.

    References
    ----------
    ``scipy.linalg.leslie``

    Examples
    --------
    >>> leslie(jnp.array([0., 2.]), jnp.array([0.5]))
    Array([[0. , 2. ],
           [0.5, 0. ]], dtype=float32)
    """
    check_arraylike("leslie", f, s)
    f, s = atleast_1d(asarray(f)), atleast_1d(asarray(s))
    n = f.shape[-1]
    if n < 2:
        raise ValueError(f"The length of f along the last axis must be at least 2; got shape {f.shape}.")
    if s.shape[-1] != n - 1:
        raise ValueError("Incorrect lengths for f and s. The length of s along the last axis must be one less than the length of f; "
                         f"got f shape {f.shape} and s shape {s.shape}.")
    f, s = [as_array(x) for x in promote_dtypes(f, s)]
    batch = broadcast_shapes(f.shape[:-1], s.shape[:-1])
    first = broadcast_to(f, (*batch, n))[..., None, :]
    survival = s[..., :, None] * np.eye(n - 1, n, dtype=s.dtype)
    return concatenate([first, broadcast_to(survival, (*batch, n - 1, n))], axis=-2)


# --- of a size ----------------------------------------------------------------------------------
# Their elements are computed exactly, or in float64, when they are asked for, and rounded once.

def _binomials(n: int) -> list[list[int]]:
    return [[math.comb(i, j) for j in range(n)] for i in range(n)]


def _rounded(rows, n: int, dtype):
    with np.errstate(over="ignore"):
        return asarray(np.array([[float(v) for v in row] for row in rows], np.float64).reshape(n, n).astype(dtype))


def hilbert(n):
    """The matrix of Hilbert, ``1 / (i + j + 1)``.

    Parameters
    ----------
    n : int, the size

    Returns
    -------
    Array of floats, shape (n, n)

    References
    ----------
    ``scipy.linalg.hilbert``

    Examples
    --------
    >>> print(jnp.round(hilbert(2), 3))
    [[1.    0.5  ]
     [0.5   0.333]]
    """
    i = np.arange(operator.index(n), dtype=dtypes.default_float_dtype())
    return asarray(1 / (i[:, None] + i[None, :] + 1))


def invhilbert(n):
    """The inverse of `hilbert`, rounded from exact integers.

    Parameters
    ----------
    n : int, the size

    Returns
    -------
    Array of floats, shape (n, n)

    References
    ----------
    ``scipy.linalg.invhilbert``. Choi, *Tricks or treats with the Hilbert matrix* (1983)

    Examples
    --------
    >>> invhilbert(2)
    Array([[ 4., -6.],
           [-6., 12.]], dtype=float32)
    """
    n, comb = operator.index(n), math.comb
    rows = [[(-1) ** (i + j) * (i + j + 1) * comb(n + i, n - j - 1) * comb(n + j, n - i - 1) * comb(i + j, i) ** 2 for j in range(n)]
            for i in range(n)]
    return _rounded(rows, n, dtypes.default_float_dtype())


def _triangle(rows, n: int, kind, dtype, symmetric):
    kind = "symmetric" if kind is None else kind
    if kind not in ("symmetric", "lower", "upper"):
        raise ValueError(f"Expected kind to be one of: ['symmetric', 'lower', 'upper']; got {kind}")
    lower = _rounded(rows, n, dtype)
    return lower if kind == "lower" else lower.T if kind == "upper" else _rounded(symmetric(), n, dtype)


def pascal(n, kind=None):
    """Pascal's matrix of binomial coefficients.

    Parameters
    ----------
    n : int, the size
    kind : "lower" for ``comb(i, j)``, "upper" for its transpose, "symmetric", the default, for their product ``comb(i + j, i)``

    Returns
    -------
    Array of float32, shape (n, n)

    Raises
    ------
    ValueError : if there is no such kind.

    References
    ----------
    ``scipy.linalg.pascal``

    Examples
    --------
    >>> pascal(3)
    Array([[1., 1., 1.],
           [1., 2., 3.],
           [1., 3., 6.]], dtype=float32)
    """
    n = operator.index(n)
    return _triangle(_binomials(n), n, kind, np.float32, lambda: [[math.comb(i + j, i) for j in range(n)] for i in range(n)])


def invpascal(n, kind=None):
    """The inverse of `pascal`, rounded from exact integers.

    Parameters
    ----------
    n : int, the size
    kind : "lower", "upper" or "symmetric", the default

    Returns
    -------
    Array of floats, shape (n, n)

    Raises
    ------
    ValueError : if there is no such kind.

    References
    ----------
    ``scipy.linalg.invpascal``

    Examples
    --------
    >>> invpascal(2)
    Array([[ 2., -1.],
           [-1.,  1.]], dtype=float32)
    """
    n = operator.index(n)
    rows = [[(-1) ** (i + j) * v for j, v in enumerate(row)] for i, row in enumerate(_binomials(n))]
    return _triangle(rows, n, kind, dtypes.default_float_dtype(),
                     lambda: [[sum(rows[k][i] * rows[k][j] for k in range(n)) for j in range(n)] for i in range(n)])


def helmert(n, full=False):
    """Helmert's matrix: orthonormal rows, the first constant, each later one a contrast of an element with those before it.

    Parameters
    ----------
    n : positive int, the size
    full : whether to answer the constant row too

    Returns
    -------
    Array of floats, shape (n - 1, n) or (n, n)

    Raises
    ------
    ValueError : if ``n`` is not positive.

    References
    ----------
    ``scipy.linalg.helmert``

    Examples
    --------
    >>> print(jnp.round(helmert(2, full=True), 3))
    [[ 0.707  0.707]
     [ 0.707 -0.707]]
    """
    n = operator.index(n)
    if n < 1:
        raise ValueError(f"helmert: n must be a positive integer; got {n}.")
    k = np.arange(n)[:, None]
    h = np.where(np.arange(n)[None, :] < k, 1.0, 0.0) - np.diag(np.arange(n, dtype=float))
    h[0] = 1
    h /= np.sqrt(np.where(k == 0, n, k * (k + 1)))
    return asarray((h if full else h[1:]).astype(dtypes.default_float_dtype()))


def hadamard(n, dtype=int):
    """Hadamard's matrix of ones and minus ones with orthogonal rows, by Sylvester's construction.

    Parameters
    ----------
    n : int, a power of two: the size
    dtype : dtype of the result

    Returns
    -------
    Array, shape (n, n)

    Raises
    ------
    ValueError : if ``n`` is not a power of two.

    References
    ----------
    ``scipy.linalg.hadamard``

    Examples
    --------
    >>> hadamard(2)
    Array([[ 1,  1],
           [ 1, -1]], dtype=int32)
    """
    n = operator.index(n)
    if n < 1 or n & (n - 1):
        raise ValueError(f"hadamard: n must be a positive power of 2; got {n}.")
    dtype = dtypes.check_user_dtype(dtype, "hadamard")
    h = np.ones((1, 1), dtype)
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    return asarray(h)


def dft(n, scale=None, *, dtype=None):
    """The matrix of the discrete Fourier transformation, ``exp(-2 pi i j k / n)``.

    Parameters
    ----------
    n : int, the size
    scale : None, "sqrtn" to divide by the root of n, which makes it unitary, or "n" to divide by n
    dtype : complex dtype of the result, by default the default one

    Returns
    -------
    Array of complex numbers, shape (n, n)

    Raises
    ------
    ValueError : if there is no such scale, or the dtype is not complex.

    References
    ----------
    ``scipy.linalg.dft``

    Examples
    --------
    >>> print(jnp.round(dft(2).real, 3))
    [[ 1.  1.]
     [ 1. -1.]]
    """
    n = operator.index(n)
    if scale not in (None, "sqrtn", "n"):
        raise ValueError(f"scale must be None, 'sqrtn', or 'n'; got {scale!r}.")
    dtype = dtypes.to_complex_dtype(dtypes.default_float_dtype()) if dtype is None else dtypes.check_user_dtype(dtype, "dft")
    if dtypes.kind_of(dtype) != "c":
        raise ValueError(f"dtype must be a complex floating-point type; got {dtype}.")
    k = np.arange(n)
    turns = (k[:, None] * k[None, :] % max(n, 1)) / max(n, 1)
    factor = {None: 1.0, "sqrtn": math.sqrt(n or 1), "n": float(n or 1)}[scale]
    return asarray((np.exp(-2j * np.pi * turns) / factor).astype(dtype))
