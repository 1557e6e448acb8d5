"""Functions of matrices, and the equation of Sylvester."""

from __future__ import annotations

import functools
import math

import numpy as np

from ferax._src.api.autodiff import jvp
from ferax._src.control.cond import cond
from ferax._src.control.scan_api import scan
from ferax._src.control.while_loop import fori_loop
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.fills import zeros_like
from ferax._src.numpy.linalg_solve import inv, solve, solve_matrices
from ferax._src.numpy.linalg_spectral import eig
from ferax._src.numpy.matrices import diag, diagonal, eye, triu
from ferax._src.numpy.reductions import all as all_of, any as any_of, max as max_of, min as min_of, sum as sum_of
from ferax._src.numpy.selection import where
from ferax._src.numpy.vectorizing import vectorize
from ferax._src.ops.convert import convert
from ferax._src.ops.dynamic_slicing import dynamic_index_in_dim, dynamic_slice_in_dim, dynamic_update_slice_in_dim
from ferax._src.ops.elementwise import abs as absolute, ceil, is_finite, log2, max as maximum, min as minimum, sqrt
from ferax._src.ops.elementwise_complex import real
from ferax._src.ops.linalg_matrices import mH
from ferax._src.ops.linalg_triangular import triangular_solve
from ferax._src.runtime.fused import fused
from ferax._src.scipy.linalg_common import check_square, inexact, times
from ferax._src.scipy.linalg_factors import rsf2csf, schur
from ferax._src.types import dtypes


# --- the exponential ----------------------------------------------------------------------------
# Scaling and squaring with diagonal Pade approximants [m/m]: Higham, *The scaling and squaring method for the matrix exponential
# revisited* (2005). For matrices of a 1-norm up to theta the approximant has full accuracy.

_PADE = {"float64": (13, 5.371920351148152), "float32": (7, 3.925724783138660)}


def _exponential_of_small(a, upper_triangular: bool, degree: int):
    """``q(a)^-1 p(a)`` with ``p(x) = sum_k c[k] x^k`` and ``q(x) = p(-x)``, even and odd powers apart."""
    c = [math.factorial(2 * degree - k) * math.comb(degree, k) / math.factorial(2 * degree) for k in range(degree + 1)]
    square = times(a, a)
    power = eye(a.shape[-1], dtype=a.dtype)
    even, odd = c[0] * power, c[1] * power
    for k in range(2, degree + 1, 2):
        power = square if k == 2 else times(power, square)
        even = even + c[k] * power
        odd = odd + c[k + 1] * power if k < degree else odd
    odd = times(a, odd)
    if upper_triangular:
        return triangular_solve(even - odd, even + odd, left_side=True, lower=False)
    return solve_matrices(even - odd, even + odd)


def _expm_one(a, upper_triangular, max_squarings):
    if a.size == 0:
        return a
    number = dtypes.to_floating_dtype(a.dtype)
    degree, theta = _PADE.get(number.name, _PADE["float32"])
    norm = max_of(sum_of(absolute(a), axis=0))
    turns = maximum(ceil(log2(norm / theta)), np.zeros((), number))
    scale = np.asarray(0.5, number) ** where(turns <= max_squarings, turns, 0)
    x = _exponential_of_small(a * convert(scale, a.dtype), upper_triangular, degree)

    def squared(x, k):
        return cond(k < turns, lambda x: times(x, x), lambda x: x, x), None
    x, _ = scan(squared, x, np.arange(max_squarings, dtype=number))
    return where(turns > max_squarings, np.asarray(np.nan, a.dtype), x)


@fused(static=("upper_triangular", "max_squarings"))
def _expm(a, *, upper_triangular, max_squarings):
    (a,) = inexact(a)
    one = functools.partial(_expm_one, upper_triangular=upper_triangular, max_squarings=max_squarings)
    return vectorize(one, signature="(n,n)->(n,n)")(a)


def expm(A, *, upper_triangular=False, max_squarings=16):  # noqa: N803 (SciPy's name)
    """The exponential of matrices.

    Parameters
    ----------
    A : array-like, shape (..., n, n)
    upper_triangular : whether ``A`` is known to be upper triangular
    max_squarings : int, how often a scaled exponential may be squared; of matrices with a norm too great for that, the result is NaN

    Returns
    -------
    Array, shape (..., n, n), of the inexact dtype of ``A``

    Raises
    ------
    ValueError : if the matrices are not square.

    References
    ----------
    ``scipy.linalg.expm``. Higham, *The scaling and squaring method for the matrix exponential revisited* (2005)

    Examples
    --------
    >>> print(jnp.round(expm(jnp.array([[0., 1.], [0., 0.]])), 3))
    [[1. 1.]
     [0. 1.]]
    """
    A = asarray(A)  # noqa: N806
    check_square("expm", A, "A")
    return _expm(A, upper_triangular=bool(upper_triangular), max_squarings=int(max_squarings))


def expm_frechet(A, E, *, method=None, compute_expm=True):  # noqa: N803
    """The derivative of the exponential of matrices in a direction.

    Parameters
    ----------
    A : array-like, shape (..., n, n)
    E : array-like of that shape, the direction
    method : not used
    compute_expm : whether to answer the exponential too

    Returns
    -------
    (expm(A), derivative), or the derivative

    Raises
    ------
    ValueError : if shapes are not square, or differ.

    References
    ----------
    ``scipy.linalg.expm_frechet``. Al-Mohy and Higham, *Computing the Frechet derivative of the matrix exponential* (2009)

    Examples
    --------
    >>> print(jnp.round(expm_frechet(jnp.zeros((2, 2)), jnp.eye(2), compute_expm=False), 3))
    [[1. 0.]
     [0. 1.]]
    """
    A, E = asarray(A), asarray(E)  # noqa: N806
    check_square("expm_frechet", A, "A")
    check_square("expm_frechet", E, "E")
    if A.shape != E.shape:
        raise ValueError(f"expm_frechet: A and E must have the same shape, got {A.shape} and {E.shape}")
    value, derivative = jvp(expm, (A,), (E,))
    return (value, derivative) if compute_expm else derivative


# --- functions by the Schur form ----------------------------------------------------------------
# A function f of an upper triangular t is upper triangular. Its columns are found one after the other, each from the part of f
# that is known, by the solution of a triangular system.

def _by_columns(t, start, column):
    """``start`` with the part of each column j above the diagonal replaced by the solution of a triangular system, whose matrix
    and right side ``column(j, known)`` answers; only the first j rows and columns of it count."""
    n = t.shape[-1]
    places = np.arange(n)

    def body(j, f):
        matrix, right = column(j, f)
        inside = places < j
        kept = where(inside[:, None] & inside[None, :], triu(matrix), 0)
        pivots = diagonal(kept)
        kept = kept + diag(where(pivots == 0, np.asarray(1, t.dtype), np.asarray(0, t.dtype)))
        x = triangular_solve(kept, where(inside, right, 0)[:, None], left_side=True, lower=False)[:, 0]
        old = dynamic_index_in_dim(f, j, 1, keepdims=False)
        return dynamic_update_slice_in_dim(f, where(inside, x, old)[:, None], j, 1)
    return fori_loop(1, n, body, start) if n > 1 else start


def _root_of_triangular(t):
    """Bjoerck and Hammarling, *A Schur method for the square root of a matrix* (1983)."""
    roots = sqrt(diagonal(t))

    def column(j, f):
        return f + diag(zeros_like(roots) + roots[j]), dynamic_index_in_dim(t, j, 1, keepdims=False)
    return _by_columns(t, diag(roots), column)


@fused
def _sqrtm(t, z):
    return times(times(z, _root_of_triangular(t)), mH(z))


def sqrtm(A, blocksize=1):  # noqa: N803
    """A square root of a square matrix.

    Parameters
    ----------
    A : array-like of floats or complex numbers, shape (n, n)
    blocksize : must be 1

    Returns
    -------
    Array of complex numbers, shape (n, n): the root whose eigenvalues have real parts that are not negative

    Raises
    ------
    ValueError : if the matrix is not square.

    References
    ----------
    ``scipy.linalg.sqrtm``. Bjoerck and Hammarling, *A Schur method for the square root of a matrix* (1983)

    Examples
    --------
    >>> print(np.round(np.float64(sqrtm(jnp.array([[4., 0.], [0., 9.]])).real), 3))
    [[2. 0.]
     [0. 3.]]
    """
    if blocksize > 1:
        raise NotImplementedError(f"sqrtm: there is no version with blocks, got blocksize={blocksize}")
    A = asarray(A)  # noqa: N806
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"sqrtm: A must be a square matrix, got shape {A.shape}")
    return _sqrtm(*schur(A, output="complex"))


def _function_of_triangular(t, values):
    """Parlett's recurrence, from ``f t = t f``: Golub and Van Loan, section 9.1.4."""
    eigenvalues = diagonal(t)

    def column(j, f):
        t_column = dynamic_index_in_dim(t, j, 1, keepdims=False)
        above = where(np.arange(t.shape[-1]) < j, t_column, 0)
        matrix = t - diag(zeros_like(eigenvalues) + eigenvalues[j])
        return matrix, times(f, above) - above * values[j]
    return _by_columns(t, diag(values), column)


def funm(A, func, disp=True):  # noqa: N803
    """A function of a square matrix, by Parlett's recurrence. It needs eigenvalues that are well apart.

    Parameters
    ----------
    A : array-like of floats or complex numbers, shape (n, n)
    func : function of an array of complex numbers, applied to each
    disp : whether to answer the matrix alone

    Returns
    -------
    Array of complex numbers, shape (n, n); and if not ``disp``, an estimate of the relative error in the 1-norm

    Raises
    ------
    ValueError : if the matrix is not square.

    References
    ----------
    ``scipy.linalg.funm``. Golub and Van Loan, section 9.1.4

    Examples
    --------
    >>> print(np.round(np.float64(funm(jnp.array([[1., 1.], [0., 2.]]), lambda x: x ** 2).real), 3))
    [[1. 3.]
     [0. 4.]]
    """
    A = asarray(A)  # noqa: N806
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"expected square array_like input; got shape {A.shape}")
    t, z = rsf2csf(*schur(A))
    f = _function_of_triangular(t, convert(asarray(func(diagonal(t))), t.dtype))
    found = times(times(z, f), mH(z))
    if disp:
        return found
    eps = float(dtypes.finfo(found.dtype).eps)
    w = diagonal(t)
    gaps = where(np.eye(len(w), dtype=bool), 1, absolute(w[:, None] - w[None, :]))
    least = minimum(min_of(gaps), 1)
    least = where(least == 0, eps, least)
    spread = max_of(sum_of(absolute(triu(t, 1)), axis=0))
    error = minimum(maximum(eps / least * spread, eps), 1)
    return found, where(all_of(is_finite(absolute(found))), error, np.inf)


# --- a x + x b = c ------------------------------------------------------------------------------

def _sylvester_by_schur(a, b, c):
    """Bartels and Stewart, *Solution of the matrix equation AX + XB = C* (1972): with triangular a and b, column by column."""
    t, u = schur(a, output="complex")
    s, v = schur(b, output="complex")
    right = times(mH(u), times(convert(c, t.dtype), v))
    one = eye(t.shape[-1], dtype=t.dtype)

    def body(k, y):
        s_column = dynamic_slice_in_dim(s, k, 1, 1)
        above = where(np.arange(s.shape[0])[:, None] < k, s_column, 0)
        rest = dynamic_slice_in_dim(right, k, 1, 1) - times(y, above)
        x = triangular_solve(t + s_column[k, 0] * one, rest, left_side=True, lower=False)
        return dynamic_update_slice_in_dim(y, x, k, 1)
    y = fori_loop(0, s.shape[0], body, zeros_like(right))
    return times(u, times(y, mH(v))), diagonal(t)[:, None] + diagonal(s)[None, :]


def _sylvester_by_eigenvalues(a, b, c):
    w, u = eig(a)
    m, v = eig(b)
    sums = w[:, None] + m[None, :]
    y = solve(u, times(convert(c, u.dtype), v)) / sums
    return times(u, times(y, inv(v))), sums


@fused(static=("method", "tol"))
def _sylvester(a, b, c, *, method, tol):
    def one(a, b, c):
        x, sums = (_sylvester_by_schur if method == "schur" else _sylvester_by_eigenvalues)(a, b, c)
        x = x if dtypes.kind_of(c.dtype) == "c" else real(x)
        return where(any_of(absolute(sums) < tol), np.asarray(np.nan, x.dtype), x)
    return vectorize(one, signature="(m,m),(n,n),(m,n)->(m,n)")(a, b, c)


def solve_sylvester(A, B, C, *, method="schur", tol=1e-8):  # noqa: N803
    """Solve ``A @ X + X @ B = C``; on CPU only.

    Parameters
    ----------
    A, B, C : array-likes, shapes (..., m, m), (..., n, n) and (..., m, n)
    method : "schur", or "eigen" for the eigenvalue decompositions of A and B
    tol : float; where the sum of an eigenvalue of A and one of B is less in size, there is no solution: the result is NaN

    Returns
    -------
    Array, shape (..., m, n), of the inexact dtype that they promote to

    Raises
    ------
    ValueError : if shapes do not fit, or there is no such method.

    References
    ----------
    ``scipy.linalg.solve_sylvester``. Bartels and Stewart (1972)

    Examples
    --------
    >>> print(jnp.round(solve_sylvester(2 * jnp.eye(2), jnp.eye(2), jnp.ones((2, 2)), method="eigen"), 3))
    [[0.333 0.333]
     [0.333 0.333]]
    """
    if method not in ("schur", "eigen"):
        raise ValueError(f'Unrecognized method {method}. The two valid methods are either "schur" or "eigen".')
    a, b, c = inexact(A, B, C)
    m, n = c.shape[-2:] if c.ndim > 1 else (-1, -1)
    if a.shape[-2:] != (m, m) or b.shape[-2:] != (n, n):
        raise ValueError(f"Incompatible shapes for Sylvester equation:\nA: {a.shape}\nB: {b.shape}\nC: {c.shape}")
    return _sylvester(a, b, c, method=method, tol=float(tol))
