"""Factorizations of matrices: Cholesky, QR."""

from __future__ import annotations

from typing import NamedTuple

from ferax._src.numpy.util import ensure_arraylike, promote_dtypes_inexact
from ferax._src.ops import linalg_cholesky, linalg_qr
from ferax._src.ops.linalg_matrices import mH, mT
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array


class QRResult(NamedTuple):
    """What `qr` answers: ``a = Q @ R``."""

    Q: Array
    R: Array


def cholesky(a, *, upper=False, symmetrize_input=True):
    """Factor positive definite matrices into a lower triangular one and its conjugate transpose: ``a = l @ l^H``.

    Parameters
    ----------
    a : array-like, shape (..., n, n), Hermitian
    upper : whether to answer ``l^H`` instead
    symmetrize_input : whether to take ``(a + a^H) / 2`` for a; otherwise only the lower triangle is read, or the upper one

    Returns
    -------
    array, shape (..., n, n); nan where the matrix is not positive definite, for which NumPy raises

    Raises
    ------
    TypeError : if there are fewer than two dimensions.
    ValueError : if the matrices are not square; TypeError if they were to be symmetrized.

    References
    ----------
    ``numpy.linalg.cholesky``

    Examples
    --------
    >>> jnp.linalg.cholesky(jnp.array([[4., 2.], [2., 5.]]))
    Array([[2., 0.],
           [1., 2.]], dtype=float32)
    """
    a = ensure_arraylike("jnp.linalg.cholesky", a)
    return _cholesky(a, upper=bool(upper), symmetrize=bool(symmetrize_input))


@fused(static=("upper", "symmetrize"))
def _cholesky(a, *, upper, symmetrize):
    (a,) = promote_dtypes_inexact(a)
    if upper and a.ndim > 1:
        return mH(linalg_cholesky.cholesky(mH(a), symmetrize_input=symmetrize))
    return linalg_cholesky.cholesky(a, symmetrize_input=symmetrize)


def qr(a, mode="reduced"):
    """Factor matrices into a unitary and an upper triangular one: ``a = q @ r``.

    Parameters
    ----------
    a : array-like, shape (..., m, n), and k = min(m, n)
    mode : "reduced" for q of shape (..., m, k) and r of shape (..., k, n); "complete" for (..., m, m) and (..., m, n);
        "r" for the r of "reduced" alone; "raw" for the compact form of LAPACK, transposed, of shape (..., n, m), and the
        factors ``tau`` of the reflections, of shape (..., k)

    Returns
    -------
    QRResult(Q, R), or the array r

    Raises
    ------
    ValueError : if there is no such mode.
    TypeError : if there are fewer than two dimensions.

    References
    ----------
    ``numpy.linalg.qr``

    Examples
    --------
    >>> q, r = jnp.linalg.qr(jnp.array([[3., 1.], [4., 1.]]))
    >>> print(jnp.round(abs(r), 3))
    [[5.        1.4000001]
     [0.        0.2      ]]
    """
    a = ensure_arraylike("jnp.linalg.qr", a)
    if mode not in ("reduced", "complete", "r", "raw", "full"):         # "full" is what NumPy once called "reduced"
        raise ValueError(f"Unsupported QR decomposition mode '{mode}'; there are 'reduced', 'complete', 'r' and 'raw'")
    return _qr(a, mode=mode)


@fused(static=("mode",))
def _qr(a, *, mode):
    (a,) = promote_dtypes_inexact(a)
    if mode == "raw":
        compact, taus = linalg_qr.geqrf(a)
        return QRResult(mT(compact), taus)
    q, r = linalg_qr.qr(a, full_matrices=mode == "complete")
    return r if mode == "r" else QRResult(q, r)
