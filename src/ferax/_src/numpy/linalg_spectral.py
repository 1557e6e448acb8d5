"""Linear algebra by eigenvalues and singular values, in the manner of ``numpy.linalg``.

Decompositions, and what is made of singular values: the pseudo-inverse and the rank. The norms that need singular values
stand in `linalg_norms`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.numpy import products, reductions
from ferax._src.numpy.arithmetic import abs as jnp_abs
from ferax._src.numpy.arithmetic import multiply
from ferax._src.numpy.comparison import greater
from ferax._src.numpy.manipulation import matrix_transpose
from ferax._src.numpy.selection import where
from ferax._src.numpy.util import broadcast_to, const, ensure_arraylike, promote_dtypes_inexact
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.compare import ne
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import add, div, mul, neg, sign, sub
from ferax._src.ops.gather import take_along
from ferax._src.ops.linalg_eig import eig as lax_eig
from ferax._src.ops.linalg_eigh import eigh as lax_eigh
from ferax._src.ops.linalg_matrices import conjugate, hermitian_part, matmul, mH
from ferax._src.ops.linalg_svd import svd as lax_svd
from ferax._src.ops.precision import Precision
from ferax._src.ops.shape import broadcasted_iota, rev
from ferax._src.ops.sort import sort
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


class EigResult(NamedTuple):
    """Eigenvalues and right eigenvectors."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """Eigenvalues and eigenvectors of a Hermitian matrix."""

    eigenvalues: Any
    eigenvectors: Any


class SVDResult(NamedTuple):
    """A singular value decomposition ``U @ diag(S) @ Vh``."""

    U: Any
    S: Any
    Vh: Any


# --- eigenvalues --------------------------------------------------------------------------------

@fused(static=("vectors",))
def _eig(a, *, vectors):
    (a,) = promote_dtypes_inexact(a)
    return tuple(lax_eig(a, compute_left_eigenvectors=False, compute_right_eigenvectors=vectors))


def eig(a):
    """Eigenvalues and right eigenvectors of square matrices of any kind.

    Parameters
    ----------
    a : array-like, shape (..., n, n)

    Returns
    -------
    EigResult(eigenvalues, eigenvectors)
        Complex, of shapes (..., n) and (..., n, n); the eigenvectors are columns of length 1, and the eigenvalues in no
        particular order. Eigenvectors have no derivative, but those of `lax.linalg.eig` have.

    Raises
    ------
    ValueError : if the matrices are not square.

    References
    ----------
    ``numpy.linalg.eig``, which answers real arrays where all eigenvalues are real.

    Examples
    --------
    >>> w, v = jnp.linalg.eig(jnp.array([[2., 0.], [0., 3.]]))
    >>> w
    Array([2.+0.j, 3.+0.j], dtype=complex64)
    """
    return EigResult(*_eig(ensure_arraylike("jnp.linalg.eig", a), vectors=True))


def eigvals(a):
    """Eigenvalues of square matrices of any kind.

    Parameters
    ----------
    a : array-like, shape (..., n, n)

    Returns
    -------
    complex array, shape (..., n), in no particular order

    Raises
    ------
    ValueError : if the matrices are not square.

    References
    ----------
    ``numpy.linalg.eigvals``

    Examples
    --------
    >>> jnp.linalg.eigvals(jnp.array([[0., 1.], [-1., 0.]])).imag
    Array([ 1., -1.], dtype=float32)
    """
    return _eig(ensure_arraylike("jnp.linalg.eigvals", a), vectors=False)[0]


@fused(static=("lower", "symmetrize_input"))
def _eigh(a, *, lower, symmetrize_input):
    (a,) = promote_dtypes_inexact(a)
    v, w = lax_eigh(a, lower=lower, symmetrize_input=symmetrize_input)
    return w, v


def eigh(a, UPLO=None, symmetrize_input=True):  # noqa: N803 (NumPy's name)
    """Eigenvalues and eigenvectors of symmetric or Hermitian matrices.

    Parameters
    ----------
    a : array-like, shape (..., n, n)
    UPLO : "L", "U" or None, which is as "L": the triangle that is read if ``symmetrize_input`` is False
    symmetrize_input : whether to take ``(a + a^H) / 2`` instead of ``a``

    Returns
    -------
    EighResult(eigenvalues, eigenvectors)
        The eigenvalues are real and ascend, shape (..., n); the eigenvectors are the orthonormal columns of (..., n, n).

    Raises
    ------
    TypeError : if ``a`` has fewer than two dimensions, or is to be symmetrized and the matrices are not square.
    ValueError : if the matrices are not square, or ``UPLO`` is none of these.

    References
    ----------
    ``numpy.linalg.eigh``

    Examples
    --------
    >>> w, v = jnp.linalg.eigh(jnp.array([[2., 1.], [1., 2.]]))
    >>> print(jnp.round(w, 3))
    [1.        3.0000002]
    """
    a = ensure_arraylike("jnp.linalg.eigh", a)
    if UPLO not in (None, "L", "U"):
        raise ValueError(f"UPLO must be one of None, 'L', or 'U', got {UPLO}")
    return EighResult(*_eigh(a, lower=UPLO != "U", symmetrize_input=bool(symmetrize_input)))


def eigvalsh(a, UPLO="L", *, symmetrize_input=True):  # noqa: N803
    """Eigenvalues of symmetric or Hermitian matrices, see `eigh`.

    Parameters
    ----------
    a : array-like, shape (..., n, n)
    UPLO, symmetrize_input : as of `eigh`

    Returns
    -------
    array of real numbers, shape (..., n), ascending

    References
    ----------
    ``numpy.linalg.eigvalsh``

    Examples
    --------
    >>> print(jnp.round(jnp.linalg.eigvalsh(jnp.array([[2., 1.], [1., 2.]])), 3))
    [1.        3.0000002]
    """
    return eigh(ensure_arraylike("jnp.linalg.eigvalsh", a), UPLO, symmetrize_input)[0]


# --- singular values ----------------------------------------------------------------------------

@fused(static=("full_matrices", "compute_uv", "hermitian", "subset_by_index"))
def _svd(a, *, full_matrices, compute_uv, hermitian, subset_by_index):
    (a,) = promote_dtypes_inexact(a)
    if not hermitian:
        return lax_svd(a, full_matrices=full_matrices, compute_uv=compute_uv, subset_by_index=subset_by_index)
    v, w = lax_eigh(a, subset_by_index=subset_by_index)
    size, last = jnp_abs(w), w.ndim - 1
    if not compute_uv:
        return rev(sort(size, last), (last,))
    place = broadcasted_iota(np.dtype(np.int32), w.shape, last)
    s, order, signs = [rev(x, (last,)) for x in sort((size, place, sign(w)), last)]
    u = take_along(v, broadcast_to(expand_dims(order, (last,)), v.shape), last + 1)
    return u, s, mH(mul(u, expand_dims(convert(signs, u.dtype), (last,))))


def svd(a, full_matrices=True, compute_uv=True, hermitian=False, subset_by_index=None):
    """Singular value decomposition ``a = u @ diag(s) @ vh``.

    Parameters
    ----------
    a : array-like, shape (..., m, n)
    full_matrices : whether ``u`` and ``vh`` are square
    compute_uv : whether to answer ``u`` and ``vh``
    hermitian : whether the matrices are Hermitian; then their eigenvalues are used
    subset_by_index : pair (start, end) of the singular values to answer, all by default; with ``hermitian`` of the
        ascending eigenvalues

    Returns
    -------
    SVDResult(U, S, Vh), or S alone
        With k = min(m, n), or the number chosen: U of shape (..., m, m) or (..., m, k), S of (..., k), real and descending,
        Vh of (..., n, n) or (..., k, n).

    Raises
    ------
    TypeError : if ``a`` has fewer than two dimensions.
    ValueError : if ``subset_by_index`` is out of range, or is to choose among vectors with ``full_matrices``.

    References
    ----------
    ``numpy.linalg.svd``

    Examples
    --------
    >>> u, s, vt = jnp.linalg.svd(jnp.array([[0., 2., 0.], [3., 0., 0.]]), full_matrices=False)
    >>> print(jnp.round(s, 3), u.shape, vt.shape)
    [3.0000002 2.       ] (2, 2) (2, 3)
    """
    a = ensure_arraylike("jnp.linalg.svd", a)
    if subset_by_index is not None:
        subset_by_index = tuple(subset_by_index)
    found = _svd(a, full_matrices=bool(full_matrices), compute_uv=bool(compute_uv), hermitian=bool(hermitian),
                 subset_by_index=subset_by_index)
    return SVDResult(*found) if compute_uv else found


def svdvals(x, /):
    """Singular values of matrices, see `svd`.

    Parameters
    ----------
    x : array-like, shape (..., m, n)

    Returns
    -------
    array of real numbers, shape (..., min(m, n)), descending

    References
    ----------
    ``numpy.linalg.svdvals``

    Examples
    --------
    >>> print(jnp.round(jnp.linalg.svdvals(jnp.array([[0., 2.], [3., 0.]])), 3))
    [3.0000002 2.       ]
    """
    return svd(ensure_arraylike("jnp.linalg.svdvals", x), compute_uv=False)


# --- what is made of singular values ------------------------------------------------------------

@fused(static=("hermitian",))
def _pinv_by_svd(a, *rtol, hermitian):
    m, n = a.shape[-2:]
    if m == 0 or n == 0:
        return full((*a.shape[:-2], n, m), 0, a.dtype)
    u, s, vh = svd(conjugate(a), full_matrices=False, hermitian=hermitian)
    limit = rtol[0] if rtol else s.dtype.type(10.0 * max(m, n)) * dtypes.finfo(s.dtype).eps
    cutoff = multiply(expand_dims(as_array(limit), (np.ndim(limit),)), s[..., :1])
    s = convert(where(greater(s, cutoff), s, np.inf), u.dtype)
    return products.matmul(matrix_transpose(vh), div(matrix_transpose(u), expand_dims(s, (s.ndim,))),
                           precision=Precision.HIGHEST)


def _pinv_value(a, rtol, hermitian):
    return _pinv_by_svd(a, *([] if rtol is None else [rtol]), hermitian=hermitian)


_pinv = custom_jvp(_pinv_value, nondiff_argnums=(2,))


@fused(static=("hermitian",))
def _pinv_tangent(p, a, da, *, hermitian):
    if hermitian:
        a, da = hermitian_part(a), hermitian_part(da)
    ph, dah = mH(p), mH(da)
    if a.shape[-2] >= a.shape[-1]:              # the order of products that keeps them small
        left, right = matmul(matmul(p, ph), dah), matmul(matmul(dah, ph), p)
        change = neg(matmul(matmul(p, da), p))
        corrections = sub(left, matmul(matmul(left, a), p)), sub(right, matmul(matmul(p, a), right))
    else:
        left, right = matmul(p, matmul(ph, dah)), matmul(dah, matmul(ph, p))
        change = neg(matmul(p, matmul(da, p)))
        corrections = sub(left, matmul(left, matmul(a, p))), sub(right, matmul(p, matmul(a, right)))
    return add(add(change, corrections[0]), corrections[1])


@_pinv.defjvp
def _pinv_jvp(hermitian, primals, tangents):
    """``dp = -p da p + p p^H da^H (1 - a p) + (1 - p a) da^H p^H p``, where the rank does not change (Golub and Pereyra 1973)."""
    (a, rtol), (da, _) = primals, tangents
    p = _pinv(a, rtol, hermitian)
    return p, _pinv_tangent(p, a, da, hermitian=hermitian)


def pinv(a, rtol=None, hermitian=False, *, rcond=None):
    """The pseudo-inverse of Moore and Penrose.

    Parameters
    ----------
    a : array-like, shape (..., m, n)
    rtol : array-like, broadcastable to shape (...): singular values up to ``rtol`` times the greatest count as zero; by
        default ten times the greater size times the machine precision
    hermitian : whether the matrices are Hermitian; then their eigenvalues are used
    rcond : the same as ``rtol``

    Returns
    -------
    array, shape (..., n, m)

    Raises
    ------
    ValueError : if ``a`` has fewer than two dimensions, or both ``rtol`` and ``rcond`` are given.

    References
    ----------
    ``numpy.linalg.pinv``. Derivative: Golub and Pereyra, SIAM Journal on Numerical Analysis 10 (1973), 413-432.

    Examples
    --------
    >>> print(jnp.round(jnp.linalg.pinv(jnp.array([[1., 0.], [0., 2.], [0., 0.]])), 3))
    [[1.  0.  0. ]
     [0.  0.5 0. ]]
    """
    if rcond is not None:
        if rtol is not None:
            raise ValueError("pinv: only one of rtol and rcond may be specified.")
        rtol = rcond
    a = ensure_arraylike("jnp.linalg.pinv", a)
    if a.ndim < 2:
        raise ValueError(f"pinv: the array must have at least two dimensions, got shape {a.shape}")
    (a,) = promote_dtypes_inexact(a)
    if rtol is not None:
        rtol = ensure_arraylike("jnp.linalg.pinv", rtol)
    return _pinv(a, rtol, bool(hermitian))


@fused(static=("hermitian",))
def _matrix_rank(a, *tol, hermitian):
    (a,) = promote_dtypes_inexact(a)
    if a.ndim < 2:
        return convert(reductions.any(ne(a, const(a, 0))), np.dtype(np.int32))
    s = svd(a, full_matrices=False, compute_uv=False, hermitian=hermitian)
    if tol:
        limit = as_array(tol[0])
    else:
        eps = s.dtype.type(max(a.shape[-2:])) * dtypes.finfo(s.dtype).eps
        limit = mul(reductions.max(s, -1), s.dtype.type(eps))
    return reductions.sum(greater(s, expand_dims(limit, (limit.ndim,))), -1)


def matrix_rank(M, rtol=None, *, hermitian=False, tol=None):  # noqa: N803
    """How many singular values are greater than a limit.

    Parameters
    ----------
    M : array-like, shape (..., m, n); the rank of a vector is 1, or 0 if all its elements are 0
    rtol : array-like, broadcastable to shape (...): the limit itself, as in JAX; by default the greatest singular value times
        the greater size times the machine precision
    hermitian : whether the matrices are Hermitian; then their eigenvalues are used
    tol : the same as ``rtol``

    Returns
    -------
    array of int, shape (...)

    Raises
    ------
    ValueError : if both ``rtol`` and ``tol`` are given, or matrices without elements have no limit given.

    References
    ----------
    ``numpy.linalg.matrix_rank``

    Examples
    --------
    >>> jnp.linalg.matrix_rank(jnp.array([[1., 2.], [2., 4.]]))
    Array(1, dtype=int32)
    """
    if tol is not None:
        if rtol is not None:
            raise ValueError("matrix_rank: only one of tol or rtol may be specified.")
        rtol = tol
    M = ensure_arraylike("jnp.linalg.matrix_rank", M)
    limit = [] if rtol is None else [ensure_arraylike("jnp.linalg.matrix_rank", rtol)]
    return _matrix_rank(M, *limit, hermitian=bool(hermitian))
