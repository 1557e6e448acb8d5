"""Schur decompositions: ``a = z t z^H``, ``z`` unitary and ``t`` triangular, up to 2 by 2 blocks for real matrices."""

from __future__ import annotations

from ferax._src.ops.convert import as_array
from ferax._src.ops.linalg_decomposition import Decomposition
from ferax._src.ops.linalg_lapack import info_aval, lapack_call, nan_where_failed
from ferax._src.ops.linalg_matrices import check_square
from ferax._src.tracing.core import register
from ferax._src.types import dtypes


class Schur(Decomposition):
    """The Schur form ``t``, and with ``compute_schur_vectors`` the unitary ``z``; of LAPACK, so on CPU only."""

    name = "schur"

    def shapes(self, shape, *, compute_schur_vectors, **_):
        n = check_square("schur", shape)
        return [(n, n)] * (1 + compute_schur_vectors)

    def lower_matrices(self, ctx, x, *, compute_schur_vectors, sort_eig_vals, select_callable):
        if ctx.platform != "cpu":
            raise NotImplementedError(f"schur: there is no lowering for {ctx.platform}, only for cpu")
        if sort_eig_vals:
            raise NotImplementedError("schur: the eigenvalues cannot be sorted; leave `sort_eig_vals` out")
        (aval,) = ctx.avals_in
        w, info = aval.update(shape=aval.shape[:-1]), info_aval(aval.shape[:-2])
        eigenvalues = [w] if dtypes.kind_of(aval.dtype) == "c" else [w, w]      # real and imaginary parts
        t, z, *_, failed = lapack_call(ctx, "gees", [x], [aval], [aval, aval, *eigenvalues, info, info],
                                       {"mode": "V" if compute_schur_vectors else "N", "sort": "N"}, {0: 0})
        count = 1 + compute_schur_vectors
        return nan_where_failed(ctx, failed, [t, z][:count], [aval] * count)


schur_p = register(Schur())


def schur(x, *, compute_schur_vectors=True, sort_eig_vals=False, select_callable=None):
    """Schur decomposition ``x = z t z^H`` of square matrices; on CPU only, and without derivatives.

    Parameters
    ----------
    x : array of floating or complex dtype, shape (..., n, n)
    compute_schur_vectors : whether to answer ``z``
    sort_eig_vals : must be False
    select_callable : not used

    Returns
    -------
    [t, z], or [t]
        ``t`` is upper triangular for complex matrices; for real ones it has a block of 2 by 2 on the diagonal for each pair
        of conjugate eigenvalues. ``z`` is unitary. Both have the shape and dtype of ``x``; NaN where the method did not
        converge.

    Raises
    ------
    TypeError : if ``x`` is not of floating or complex dtype, or has fewer than two dimensions.
    ValueError : if the matrices are not square.

    References
    ----------
    Golub and Van Loan, Matrix Computations, sections 7.1 and 7.4.
    """
    return schur_p.bind(as_array(x), compute_schur_vectors=bool(compute_schur_vectors), sort_eig_vals=bool(sort_eig_vals),
                        select_callable=select_callable)
