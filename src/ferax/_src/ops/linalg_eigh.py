"""Eigenvalues and eigenvectors of symmetric and Hermitian matrices.

On CPU they are LAPACK's ``syevd`` and ``heevd`` (divide and conquer, after QR iteration to tridiagonal form), on GPUs
those of the solver library, and on TPUs the Jacobi method that XLA has.
"""

from __future__ import annotations

import enum

import numpy as np

from ferax._src.ops.convert import as_array
from ferax._src.ops.elementwise import sub
from ferax._src.ops.elementwise_complex import real
from ferax._src.ops.linalg_decomposition import (
    Decomposition,
    as_column,
    as_range,
    as_row,
    check_choice,
    checked_range,
    cut,
    off_diagonal_reciprocal,
    part,
    times,
)
from ferax._src.ops.linalg_lapack import info_aval, lapack_call, nan_where_failed, solver_call
from ferax._src.ops.linalg_matrices import check_square, diagonal, hermitian_part, matmul, mH
from ferax._src.tracing.core import Zero, register
from ferax._src.types import dtypes


class EighImplementation(enum.Enum):
    """How `eigh` is computed: by QR iteration, Jacobi rotations, or spectral divide and conquer (QDWH)."""

    QR = "qr"
    JACOBI = "jacobi"
    QDWH = "qdwh"


class Eigh(Decomposition):
    """Eigenvectors ``v`` and eigenvalues ``w`` of Hermitian matrices: ``a v = v diag(w)``.

    Only the triangle that ``lower`` names is read. ``subset_by_index`` chooses of the ascending eigenvalues. What
    eigenvalues there are does not depend on ``sort_eigenvalues``, and all methods but Jacobi's sort them anyway.
    """

    name = "eigh"

    def shapes(self, shape, *, subset_by_index, **_):
        n = check_square("eigh", shape)
        start, end = checked_range("eigh", subset_by_index, n)
        return [(n, end - start), (end - start,)]

    def dtypes(self, count, aval, **_):
        return [aval.dtype, dtypes.to_floating_dtype(aval.dtype)]

    def lower_matrices(self, ctx, x, *, lower, sort_eigenvalues, subset_by_index, algorithm):
        (aval,), outs = ctx.avals_in, ctx.avals_out
        n = aval.shape[-1]
        start, end = checked_range("eigh", subset_by_index, n)
        all_avals = [aval, aval.update(shape=aval.shape[:-1], dtype=outs[1].dtype)]
        if ctx.platform == "tpu":
            values = self.by_xla(ctx, x, all_avals, lower, sort_eigenvalues or subset_by_index is not None, algorithm)
        else:
            values = self.by_library(ctx, x, all_avals, lower, algorithm)
        return [cut(ctx, value, a, -1, start, end) for value, a in zip(values, all_avals)]

    def by_library(self, ctx, x, avals, lower, algorithm):
        aval = avals[0]
        if algorithm is EighImplementation.QDWH or algorithm is EighImplementation.JACOBI and ctx.platform == "cpu":
            raise _not_there(ctx, algorithm)
        info = info_aval(aval.shape[:-2])
        if ctx.platform == "cpu":
            routine = "heevd" if dtypes.kind_of(aval.dtype) == "c" else "syevd"
            call, attrs = lapack_call, {"mode": "V", "uplo": "L" if lower else "U"}
        else:
            codes = {None: 0, EighImplementation.QR: 1, EighImplementation.JACOBI: 2}
            routine, call, attrs = "syevd", solver_call, {"lower": bool(lower), "algorithm": np.uint8(codes[algorithm])}
        v, w, failed = call(ctx, routine, [x], [aval], [*avals, info], attrs, {0: 0})
        return nan_where_failed(ctx, failed, [v, w], avals)

    def by_xla(self, ctx, x, avals, lower, sort, algorithm):
        """Jacobi rotations, as the compiler writes them; the text says: the triangle, whether to sort, sweeps, tolerance."""
        if algorithm is EighImplementation.QR:
            raise _not_there(ctx, algorithm)
        return ctx.custom_call("Eigh", [x], ctx.types(avals), f"{int(lower)},{int(sort)},100,1e-6", api_version=1)

    def jvp(self, primals, tangents, *, subset_by_index, **params):
        """First-order perturbation theory, for distinct eigenvalues (Giles 2008, section 3.1).

        The eigenvectors' phases are held such that ``v^H dv`` has a diagonal of zeros.
        """
        (a,), (da,) = primals, tangents
        v, w = self.bind(a, subset_by_index=None, **params)
        n = a.shape[-1]
        start, end = checked_range("eigh", subset_by_index, n)
        outs = [part(v, -1, start, end), part(w, -1, start, end)]
        if type(da) is Zero:
            return outs, [Zero.of(out) for out in outs]
        turned = matmul(matmul(mH(v), da), v)
        dw = diagonal(real(turned) if dtypes.kind_of(turned.dtype) == "c" else turned)
        mixing = off_diagonal_reciprocal(sub(as_row(w), as_column(w)))          # 1 / (w_j - w_i)
        dv = matmul(v, times(turned, mixing))
        return outs, [part(dv, -1, start, end), part(dw, -1, start, end)]


def _not_there(ctx, algorithm) -> NotImplementedError:
    return NotImplementedError(f"eigh: {algorithm} is not there on {ctx.platform}; leave `implementation` out, to take what is")


eigh_p = register(Eigh())


def eigh(x, *, lower=True, symmetrize_input=True, sort_eigenvalues=True, subset_by_index=None, implementation=None):
    """Eigenvalues and eigenvectors of symmetric or Hermitian matrices.

    Parameters
    ----------
    x : array of floating or complex dtype, shape (..., n, n)
    lower : which triangle is read, if ``symmetrize_input`` is False
    symmetrize_input : whether to take ``(x + x^H) / 2`` instead of ``x``. Then derivatives are those of a function of
        all elements; otherwise tangents are taken to be Hermitian.
    sort_eigenvalues : whether eigenvalues must ascend; if not, the method may leave them in any order
    subset_by_index : pair (start, end) of the ascending eigenvalues to answer, all by default
    implementation : `EighImplementation` or None, for what is best on the platform. CPUs have QR only, GPUs QR and JACOBI.

    Returns
    -------
    v : array of the dtype of ``x``, shape (..., n, k), whose columns are orthonormal eigenvectors
    w : array of real numbers, shape (..., k), ascending eigenvalues

    Both are NaN for matrices where the method did not converge.

    Raises
    ------
    TypeError : if ``x`` is not of floating or complex dtype, or has fewer than two dimensions, or is to be symmetrized and
        the matrices are not square.
    ValueError : if the matrices are not square, or ``subset_by_index`` is out of range.

    Notes
    -----
    The derivative of eigenvectors needs distinct eigenvalues, else it is inf or NaN.

    References
    ----------
    Golub and Van Loan, Matrix Computations, chapter 8.
    """
    x = as_array(x)
    implementation = check_choice("eigh", "implementation", implementation, EighImplementation)
    if symmetrize_input and x.ndim >= 2 and dtypes.kind_of(x.dtype) in "fc":
        if x.shape[-1] != x.shape[-2]:
            raise TypeError(f"eigh: matrices must be square to be symmetrized, got shape {x.shape}")
        x = hermitian_part(x)
    v, w = eigh_p.bind(x, lower=bool(lower), sort_eigenvalues=bool(sort_eigenvalues),
                       subset_by_index=as_range("eigh", subset_by_index), algorithm=implementation)
    return v, w
