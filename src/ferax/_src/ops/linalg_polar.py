"""Polar decompositions ``x = u h`` by Halley's iteration with dynamic weights, and singular values from them.

The iteration ``x <- x (a + b x^H x) (1 + c x^H x)^-1`` takes all singular values towards 1 and leaves the singular vectors
alone, so that it ends in ``u``. The weights a, b and c follow from a lower bound of the singular values; with those of
Nakatsukasa, Bai and Gygi (2010) six steps suffice in double precision. A step is a QR decomposition while c is large, and then
a Cholesky decomposition, which is cheaper.
"""

from __future__ import annotations

import numpy as np

from ferax._src.ops.base import add
from ferax._src.ops.broadcasting import expand_dims, reduce_sum_p
from ferax._src.ops.compare import ge
from ferax._src.ops.elementwise import abs as ops_abs
from ferax._src.ops.elementwise import is_finite, mul, rsqrt, sub
from ferax._src.ops.elementwise import max as ops_max
from ferax._src.ops.elementwise_complex import real
from ferax._src.ops.joining import concatenate
from ferax._src.ops.linalg_cholesky import cholesky
from ferax._src.ops.linalg_decomposition import as_row, part, times
from ferax._src.ops.linalg_eigh import EighImplementation, eigh_p
from ferax._src.ops.linalg_matrices import diagonal, eye, hermitian_part, matmul, mH, scale
from ferax._src.ops.linalg_qr import qr
from ferax._src.ops.linalg_triangular import triangular_solve
from ferax._src.ops.reduce import reduce_and, reduce_max
from ferax._src.ops.select import select
from ferax._src.ops.shape import rev
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of

_CHOLESKY_LIMIT = 100                   # of the weight c; beyond it the matrix to be factored is too ill conditioned
HALLEY = (3.0, 1.0, 3.0)                # what the weights tend to


def weights(eps: float, limit: int) -> tuple[list, list]:
    """The weights (a, b, c) of the steps for singular values from ``eps`` to 1, at most ``limit`` steps.

    Returns
    -------
    those of the steps by QR decomposition, and those of the steps by Cholesky decomposition after them

    References
    ----------
    Nakatsukasa, Bai and Gygi, "Optimizing Halley's iteration for computing the matrix polar decomposition", SIAM Journal on
    Matrix Analysis and Applications 31 (2010), 2700-2720.
    """
    by_qr: list[tuple[float, float, float]] = []
    by_cholesky: list[tuple[float, float, float]] = []
    low, enough = float(eps), 5.0 * eps
    while low + enough < 1 and len(by_qr) + len(by_cholesky) < limit:
        square = low * low
        d = (4 * (1 - square) / square ** 2) ** (1 / 3)
        root = (1 + d) ** 0.5
        a = root + 0.5 * (8 - 4 * d + 8 * (2 - square) / (square * root)) ** 0.5
        b = (a - 1) ** 2 / 4
        c = a + b - 1
        low = low * (a + b * square) / (1 + c * square)
        (by_qr if c > _CHOLESKY_LIMIT else by_cholesky).append((a, b, c))
    return by_qr, by_cholesky


def bounded(x):
    """Matrices divided by a bound of their greatest singular value, the root of the product of their 1- and their inf-norm."""
    size = ops_abs(x)
    n = aval_of(x).ndim
    one, zero = size.dtype.type(1), size.dtype.type(0)
    by_columns, by_rows = [
        reduce_max(reduce_sum_p.bind(size, axes=(axis,), out_sharding=None)[0], (n - 2,)) for axis in (n - 2, n - 1)]
    factor = select(ge(zero, by_columns), one, mul(rsqrt(by_columns), rsqrt(by_rows)))
    return times(x, expand_dims(factor, (n - 2, n - 1)))


def step_by_qr(u, a_minus, root, e):
    """``e u + a_minus q1 q2^H``, where ``[root u; 1] = [q1; q2] r``; e = b / c, a_minus = (a - e) / root, root = sqrt(c)."""
    m, n = u.shape[-2:]
    stacked = concatenate([times(u, root), eye(u.dtype, (*u.shape[:-2], n, n))], u.ndim - 2)
    q, _ = qr(stacked, full_matrices=False)
    return add(times(u, e), times(matmul(part(q, -2, 0, m), mH(part(q, -2, m, m + n))), a_minus))


def step_by_cholesky(u, a_minus, c, e):
    """``e u + a_minus u (1 + c u^H u)^-1``; e = b / c, a_minus = a - e."""
    n = u.shape[-1]
    factor = cholesky(add(times(matmul(mH(u), u), c), eye(u.dtype, (*u.shape[:-2], n, n))), symmetrize_input=False)
    solved = triangular_solve(factor, u, left_side=False, lower=True, transpose_a=True, conjugate_a=True)
    solved = triangular_solve(factor, solved, left_side=False, lower=True)
    return add(times(u, e), times(solved, a_minus))


def qr_numbers(a: float, b: float, c: float) -> tuple[float, float, float]:
    """The numbers that `step_by_qr` takes."""
    root = c ** 0.5
    return (a - b / c) / root, root, b / c


def cholesky_numbers(a: float, b: float, c: float) -> tuple[float, float, float]:
    """The numbers that `step_by_cholesky` takes."""
    return a - b / c, c, b / c


def refined(u):
    """A step of Newton and Schulz towards the nearest matrix with orthonormal columns: ``u (3 - u^H u) / 2``."""
    return sub(scale(u, 1.5), scale(matmul(u, matmul(mH(u), u)), 0.5))


def unitary_factor(x):
    """``u`` of ``x = u h`` for matrices of full rank with at least as many rows as columns, in a fixed number of steps."""
    number = dtypes.to_floating_dtype(x.dtype).type
    by_qr, by_cholesky = weights(float(dtypes.finfo(x.dtype).eps), 10)
    u = bounded(x)
    for w in by_qr:
        u = step_by_qr(u, *map(number, qr_numbers(*w)))
    for w in (*by_cholesky, HALLEY):
        u = step_by_cholesky(u, *map(number, cholesky_numbers(*w)))
    return refined(u)


def svd_by_polar(x, *, full_matrices: bool, compute_uv: bool, eigh_algorithm: EighImplementation | None):
    """Singular values, and vectors: of ``x = u h`` the eigenvalues and eigenvectors v of h, and ``u v``.

    Returns
    -------
    [s, u, vh], or [s]; NaN for all matrices of which some element is not finite

    References
    ----------
    Nakatsukasa and Higham, "Stable and efficient spectral divide and conquer algorithms for the symmetric eigenvalue
    decomposition and the SVD", SIAM Journal on Scientific Computing 35 (2013), A1325-A1349.
    """
    m, n = x.shape[-2:]
    if m < n:
        s, *vectors = svd_by_polar(mH(x), full_matrices=full_matrices, compute_uv=compute_uv, eigh_algorithm=eigh_algorithm)
        return [s, *[mH(v) for v in reversed(vectors)]]
    last = x.ndim - 1
    finite = reduce_and(is_finite(real(x) if dtypes.kind_of(x.dtype) == "c" else x), (last - 1, last))
    q = None
    if m > n:
        q, tall = qr(x, full_matrices=full_matrices)
        square = part(tall, -2, 0, n)
    else:
        square = x
    u = unitary_factor(square)
    v, w = eigh_p.bind(hermitian_part(matmul(mH(u), square)), lower=True, sort_eigenvalues=True, subset_by_index=None,
                       algorithm=eigh_algorithm)
    s, v = rev(ops_max(w, w.dtype.type(0)), (last - 1,)), rev(v, (last,))
    nan = s.dtype.type(np.nan)
    s = select(expand_dims(finite, (last - 1,)), s, nan)
    if not compute_uv:
        return [s]
    # Where x has not full rank, columns of u v are not unit vectors; this makes them such, and leaves the others as they are.
    u, r = qr(matmul(u, v), full_matrices=False)
    signs = diagonal(r)
    signs = real(signs) if dtypes.kind_of(signs.dtype) == "c" else signs
    u = times(u, as_row(select(ge(signs, signs.dtype.type(0)), *[signs.dtype.type(k) for k in (1, -1)])))
    if q is not None:
        first = matmul(part(q, -1, 0, n), u)
        u = concatenate([first, part(q, -1, n, m)], last) if full_matrices else first
    whole = expand_dims(finite, (last - 1, last))
    return [s, *[select(whole, a, a.dtype.type(np.nan)) for a in (u, mH(v))]]
