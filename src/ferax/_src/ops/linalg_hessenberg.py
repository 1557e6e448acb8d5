"""Unitary reductions to Hessenberg form, and of Hermitian matrices to tridiagonal form.

Both are the first step of eigenvalue computations. The unitary matrix is left as a product of Householder reflections,
whose vectors are stored below the result, and which `householder_product` multiplies.
"""

from __future__ import annotations

import numpy as np

from ferax._src.ops.convert import as_array
from ferax._src.ops.linalg_decomposition import Decomposition
from ferax._src.ops.linalg_lapack import info_aval, lapack_call, nan_where_failed, solver_call
from ferax._src.ops.linalg_matrices import check_square
from ferax._src.tracing.core import register
from ferax._src.types import dtypes


class Hessenberg(Decomposition):
    """The Hessenberg form with the vectors of the reflections below it, and their factors; of LAPACK, so on CPU only."""

    name = "hessenberg"

    def shapes(self, shape):
        n = check_square("hessenberg", shape)
        return [(n, n), (max(n - 1, 0),)]

    def lower_matrices(self, ctx, x):
        if ctx.platform != "cpu":
            raise NotImplementedError(f"hessenberg: there is no lowering for {ctx.platform}, only for cpu")
        (aval,) = ctx.avals_in
        a, taus, failed = lapack_call(ctx, "gehrd", [x], [aval], [*ctx.avals_out, info_aval(aval.shape[:-2])],
                                      {"low": np.int32(1), "high": np.int32(aval.shape[-1])}, {0: 0})
        return nan_where_failed(ctx, failed, [a, taus], ctx.avals_out)


class Tridiagonal(Decomposition):
    """The tridiagonal form with the vectors of the reflections beside it, its diagonal, off-diagonal, and their factors."""

    name = "tridiagonal"

    def shapes(self, shape, *, lower):
        n = check_square("tridiagonal", shape)
        if n == 0:
            raise ValueError("The input to tridiagonal must be a square matrix with at least one row. Got shape (0, 0).")
        return [(n, n), (n,), (n - 1,), (n - 1,)]

    def dtypes(self, count, aval, *, lower):
        real = dtypes.to_floating_dtype(aval.dtype)
        return [aval.dtype, real, real, aval.dtype]

    def lower_matrices(self, ctx, x, *, lower):
        (aval,) = ctx.avals_in
        avals = [*ctx.avals_out, info_aval(aval.shape[:-2])]
        if ctx.platform == "cpu":
            routine = "hetrd" if dtypes.kind_of(aval.dtype) == "c" else "sytrd"
            found = lapack_call(ctx, routine, [x], [aval], avals, {"uplo": "L" if lower else "U"}, {0: 0})
        elif ctx.platform == "gpu":
            found = solver_call(ctx, "sytrd", [x], [aval], avals, {"lower": lower}, {0: 0})
        else:
            raise NotImplementedError(f"tridiagonal: there is no lowering for {ctx.platform}")
        return nan_where_failed(ctx, found[-1], found[:-1], ctx.avals_out)


hessenberg_p = register(Hessenberg())
tridiagonal_p = register(Tridiagonal())


def hessenberg(a):
    """Reduce square matrices to upper Hessenberg form ``h = q^H a q``; on CPU only, and without derivatives.

    Parameters
    ----------
    a : array of floating or complex dtype, shape (..., n, n)

    Returns
    -------
    [a, taus]
        ``a`` of shape (..., n, n) has ``h`` on and above the first subdiagonal, and below it the vectors of the Householder
        reflections that make ``q``; ``taus`` of shape (..., n - 1) has their factors

    Raises
    ------
    TypeError : if ``a`` is not of floating or complex dtype, or has fewer than two dimensions.
    ValueError : if the matrices are not square.

    References
    ----------
    Golub and Van Loan, Matrix Computations, section 7.4.3.
    """
    return hessenberg_p.bind(as_array(a))


def tridiagonal(a, *, lower=True):
    """Reduce symmetric or Hermitian matrices to real tridiagonal form ``t = q^H a q``; without derivatives.

    Parameters
    ----------
    a : array of floating or complex dtype, shape (..., n, n), n at least 1
    lower : which triangle is read

    Returns
    -------
    [a, d, e, taus]
        ``a`` of shape (..., n, n) has ``t`` in the triangle that was read, and beyond its first off-diagonal the vectors of
        the Householder reflections that make ``q``; ``d`` (..., n) and ``e`` (..., n - 1) are the diagonal and the
        off-diagonal of ``t``, real; ``taus`` (..., n - 1) has the factors of the reflections

    Raises
    ------
    TypeError : if ``a`` is not of floating or complex dtype, or has fewer than two dimensions.
    ValueError : if the matrices are not square, or have no rows.

    References
    ----------
    Golub and Van Loan, Matrix Computations, section 8.3.1.
    """
    return tridiagonal_p.bind(as_array(a), lower=bool(lower))
