"""Orthogonal and spectral factorizations. Arguments that do nothing are there for SciPy's sake."""

from __future__ import annotations

import functools

from ferax._src.control.while_loop import fori_loop
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.fills import ones, zeros, zeros_like
from ferax._src.numpy.joining import block, concatenate
from ferax._src.numpy.linalg_polar import qdwh
from ferax._src.numpy.manipulation import broadcast_to, ravel
from ferax._src.numpy.matrices import diag, triu
from ferax._src.numpy.selection import where
from ferax._src.numpy.vectorizing import vectorize
from ferax._src.ops import linalg_cholesky, linalg_eigh, linalg_hessenberg, linalg_qr, linalg_schur, linalg_svd
from ferax._src.ops.broadcasting import broadcast_shapes
from ferax._src.ops.convert import convert
from ferax._src.ops.dynamic_slicing import dynamic_slice, dynamic_update_slice
from ferax._src.ops.elementwise import abs as absolute, sqrt
from ferax._src.ops.elementwise_complex import conj, real
from ferax._src.ops.linalg_matrices import mH, mT
from ferax._src.ops.linalg_triangular import triangular_solve
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.runtime.fused import fused
from ferax._src.scipy.linalg_common import check_square, inexact, times
from ferax._src.types import dtypes


# --- singular values and QR ---------------------------------------------------------------------

@fused(static=("full_matrices", "compute_uv"))
def _svd(a, *, full_matrices, compute_uv):
    (a,) = inexact(a)
    found = linalg_svd.svd(a, full_matrices=full_matrices, compute_uv=compute_uv)
    return tuple(found) if compute_uv else found


def svd(a, full_matrices=True, compute_uv=True, overwrite_a=False, check_finite=True, lapack_driver="gesdd"):
    """Singular value decomposition: ``a = u @ diag(s) @ vh``.

    Parameters
    ----------
    a : array-like, shape (..., m, n), and k = min(m, n)
    full_matrices : whether u and vh are square
    compute_uv : whether to answer u and vh
    overwrite_a, check_finite, lapack_driver : not used

    Returns
    -------
    (u, s, vh) of shapes (..., m, m or k), (..., k) and (..., n or k, n), or s alone

    References
    ----------
    ``scipy.linalg.svd``. Golub and Van Loan, section 8.6

    Examples
    --------
    >>> svd(jnp.array([[0., 3.], [2., 0.]]), compute_uv=False)
    Array([3., 2.], dtype=float32)
    """
    return _svd(asarray(a), full_matrices=bool(full_matrices), compute_uv=bool(compute_uv))


@fused(static=("mode", "pivoting"))
def _qr(a, *, mode, pivoting):
    (a,) = inexact(a)
    found = linalg_qr.qr(a, pivoting=pivoting, full_matrices=mode != "economic")
    return tuple(found[1:] if mode == "r" else found)


def qr(a, overwrite_a=False, lwork=None, mode="full", pivoting=False, check_finite=True):
    """Factor matrices into a unitary and an upper triangular one: ``a = q @ r``.

    Parameters
    ----------
    a : array-like, shape (..., m, n), and k = min(m, n)
    mode : "full" for q of shape (..., m, m) and r of shape (..., m, n); "economic" for (..., m, k) and (..., k, n); "r" for r alone
    pivoting : whether to permute columns such that absolute values on the diagonal of r descend: ``a[:, p] = q @ r``
    overwrite_a, lwork, check_finite : not used

    Returns
    -------
    (q, r), (q, r, p), (r,) or (r, p)

    Raises
    ------
    ValueError : if there is no such mode.

    References
    ----------
    ``scipy.linalg.qr``. Golub and Van Loan, section 5.2

    Examples
    --------
    >>> q, r = qr(jnp.array([[3., 1.], [4., 1.]]))
    >>> print(jnp.round(abs(r), 3))
    [[5.        1.4000001]
     [0.        0.2      ]]
    """
    if mode not in ("full", "r", "economic"):
        raise ValueError(f"Unsupported QR decomposition mode '{mode}'; there are 'full', 'economic' and 'r'")
    return _qr(asarray(a), mode=mode, pivoting=bool(pivoting))


@fused(static=("left", "pivoting", "conjugate"))
def _qr_multiply(a, c, *, left, pivoting, conjugate):
    m, n = a.shape[-2:]
    k = min(m, n)
    batch = broadcast_shapes(a.shape[:-2], c.shape[:-2])
    a, c = broadcast_to(a, (*batch, m, n)), broadcast_to(c, (*batch, *c.shape[-2:]))
    if pivoting:
        compact, p, taus = linalg_qr.geqp3(a, zeros((*batch, n), "int32"))
    else:
        compact, taus = linalg_qr.geqrf(a)
    if left and m > n:
        c = concatenate([c, zeros((*batch, m - k, c.shape[-1]), c.dtype)], axis=-2)
    if conjugate:                               # conj(q) c = (c^T q^H)^T
        out = mT(linalg_qr.ormqr(compact, taus, mT(c), left=not left, transpose=True))
    else:
        out = linalg_qr.ormqr(compact, taus, c, left=left)
    out = out if left else slice_in_dim(out, 0, k, axis=-1)
    r = triu(slice_in_dim(compact, 0, k, axis=-2))
    return (out, r, p - 1) if pivoting else (out, r)


def qr_multiply(a, c, mode="right", pivoting=False, conjugate=False, overwrite_a=False, overwrite_c=False):
    """Multiply by the q of a QR decomposition, without forming it.

    Parameters
    ----------
    a : array-like, shape (..., m, n), and k = min(m, n)
    c : array-like, shape (..., k, j) or (k,) for "left", (..., j, m) or (m,) for "right"
    mode : "left" for ``q @ c``, "right" for ``c @ q``, where q has k columns
    pivoting : whether to permute columns, as in `qr`
    conjugate : whether to multiply by the conjugate of q
    overwrite_a, overwrite_c : not used

    Returns
    -------
    (product, r), or (product, r, p)

    Raises
    ------
    ValueError : if shapes do not fit, or there is no such mode.

    References
    ----------
    ``scipy.linalg.qr_multiply``

    Examples
    --------
    >>> product, r = qr_multiply(jnp.array([[3., 1.], [4., 1.]]), jnp.eye(2))
    >>> product.shape, r.shape
    ((2, 2), (2, 2))
    """
    if mode not in ("right", "left"):
        raise ValueError(f"mode must be 'right' or 'left', got {mode!r}")
    a, c = inexact(a, c)
    if a.ndim < 2 or c.ndim < 1:
        raise ValueError(f"qr_multiply: a must be a matrix and c at least a vector, got shapes {a.shape} and {c.shape}")
    left, single = mode == "left", c.ndim == 1
    if single:
        c = c[:, None] if left else c[None, :]
    m, n = a.shape[-2:]
    given, needed = (c.shape[-2], min(m, n)) if left else (c.shape[-1], m)
    if given != needed:
        raise ValueError(f"qr_multiply: a of shape {a.shape} and c of shape {c.shape} do not fit: c must have {needed} "
                         f"{'rows' if left else 'columns'}")
    out, *rest = _qr_multiply(a, c, left=left, pivoting=bool(pivoting), conjugate=bool(conjugate))
    return (ravel(out) if single else out, *rest)


# --- eigenvalues --------------------------------------------------------------------------------

@fused(static=("lower", "eigvals_only", "part", "type"))
def _eigh(a, *b, lower, eigvals_only, part, type):
    """A generalised problem is made an ordinary one by ``b = l l^H``: Golub and Van Loan, section 8.7.2."""
    a, *b = inexact(a, *b)
    if b:
        factor = linalg_cholesky.cholesky(b[0])
        solve = functools.partial(triangular_solve, factor, left_side=True, lower=True)
        a = mH(solve(mH(solve(a)))) if type == 1 else times(times(mH(factor), a), factor)
    v, w = linalg_eigh.eigh(a, lower=lower, subset_by_index=part)
    if eigvals_only:
        return w
    if b:
        v = times(factor, v) if type == 3 else solve(v, transpose_a=True, conjugate_a=True)
    return w, v


def eigh(a, b=None, lower=True, eigvals_only=False, overwrite_a=False, overwrite_b=False, turbo=True, eigvals=None, type=1,
         check_finite=True):
    """Eigenvalues and eigenvectors of symmetric or Hermitian matrices: ``a @ v = v w``.

    Parameters
    ----------
    a : array-like, shape (..., n, n)
    b : array-like of that shape, positive definite, for a generalised problem
    lower : which triangle to look at; matrices are made Hermitian before
    eigvals_only : whether to answer the eigenvalues alone
    eigvals : pair of int, the first and the last of the ascending eigenvalues to answer; all by default
    type : with b, 1 for ``a @ v = b @ v w``, 2 for ``a @ b @ v = v w``, 3 for ``b @ a @ v = v w``
    overwrite_a, overwrite_b, turbo, check_finite : not used

    Returns
    -------
    (w, v) of shapes (..., k), ascending, and (..., n, k), or w

    Raises
    ------
    ValueError : if matrices are not square, shapes differ, the type is not there, or ``eigvals`` is out of range.

    References
    ----------
    ``scipy.linalg.eigh``. Golub and Van Loan, chapter 8

    Examples
    --------
    >>> print(np.round(np.float64(eigh(jnp.array([[2., 1.], [1., 2.]]), eigvals_only=True)), 3))
    [1. 3.]
    """
    matrices = [asarray(x) for x in (a, b) if x is not None]
    for x, name in zip(matrices, "ab"):
        check_square("eigh", x, name)
    if matrices[-1].shape != matrices[0].shape:
        raise ValueError(f"eigh: a and b must have the same shape, got {matrices[0].shape} and {matrices[-1].shape}")
    if type not in (1, 2, 3):
        raise ValueError(f"eigh: type must be 1, 2 or 3, got {type!r}")
    part = None if eigvals is None else (int(eigvals[0]), int(eigvals[1]) + 1)
    return _eigh(*matrices, lower=bool(lower), eigvals_only=bool(eigvals_only), part=part, type=int(type))


@fused(static=("eigvals_only", "first", "last"))
def _eigh_tridiagonal(d, e, *, eigvals_only, first, last):
    a = diag(convert(real(d) if dtypes.kind_of(d.dtype) == "c" else d, d.dtype)) + diag(e, -1) + diag(conj(e), 1)
    v, w = linalg_eigh.eigh(a, symmetrize_input=False, subset_by_index=(first, last))
    return w if eigvals_only else (w, v)


def eigh_tridiagonal(d, e, *, eigvals_only=False, select="a", select_range=None, tol=None, key=None):
    """Eigenvalues and eigenvectors of a symmetric or Hermitian tridiagonal matrix. The matrix is formed: it takes n^2 memory.

    Parameters
    ----------
    d : array-like of floats or complex numbers, shape (n,), the diagonal, whose real parts count
    e : array-like of the same dtype, shape (n - 1,), what stands below it
    eigvals_only : whether to answer the eigenvalues alone
    select : "a" for all, "i" for those from number ``select_range[0]`` to ``select_range[1]``, both included
    select_range : pair of int
    tol, key : not used; eigenvalues have full accuracy

    Returns
    -------
    (w, v) of shapes (k,), ascending, and (n, k), or w

    Raises
    ------
    TypeError : if the dtypes differ, or are not of 32 or more bits.
    ValueError : if there is no such selection.

    References
    ----------
    ``scipy.linalg.eigh_tridiagonal``

    Examples
    --------
    >>> print(np.round(np.float64(eigh_tridiagonal(jnp.array([2., 2.]), jnp.array([1.]), eigvals_only=True)), 3))
    [1. 3.]
    """
    d, e = asarray(d), asarray(e)
    if d.dtype != e.dtype:
        raise TypeError(f"diagonal and off-diagonal values must have same dtype, got {d.dtype} and {e.dtype}")
    if d.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        raise TypeError(f"eigh_tridiagonal: only float32, float64 and their complex kin are supported, got {d.dtype}")
    if d.ndim != 1 or e.shape != (max(d.shape[0] - 1, 0),):
        raise ValueError(f"eigh_tridiagonal: d must have n and e n - 1 elements, got shapes {d.shape} and {e.shape}")
    n = d.shape[0]
    first, last = 0, n
    if select == "i":
        if select_range is None:
            raise ValueError("for select='i', select_range must be specified.")
        first, last = int(select_range[0]), int(select_range[1]) + 1
        if first >= last:
            raise ValueError(f"Got empty index range in select_range: {select_range}")
    elif select == "v":
        raise NotImplementedError("eigh_tridiagonal: select='v' would decide the shape by values; select by index, or all")
    elif select != "a":
        raise ValueError(f"eigh_tridiagonal: select must be 'a' or 'i', got {select!r}")
    return _eigh_tridiagonal(d, e, eigvals_only=bool(eigvals_only), first=first, last=last)


# --- Schur and Hessenberg forms, on CPU ---------------------------------------------------------

@fused
def _schur(a):
    return list(linalg_schur.schur(a))


def schur(a, output="real"):
    """Schur decomposition of square matrices: ``a = z @ t @ z^H``; on CPU only, and without derivatives.

    Parameters
    ----------
    a : array-like of floats or complex numbers, shape (..., n, n)
    output : "complex" to make real matrices complex first, so that ``t`` is triangular; "real" to leave them real

    Returns
    -------
    [t, z] : ``z`` is unitary, ``t`` upper triangular; of real matrices with blocks of 2 by 2 on the diagonal for conjugate pairs

    Raises
    ------
    ValueError : if there is no such output.

    References
    ----------
    ``scipy.linalg.schur``. Golub and Van Loan, sections 7.1 and 7.4

    Examples
    --------
    >>> t, z = schur(jnp.array([[1., 2.], [0., 3.]]))
    >>> t
    Array([[1., 2.],
           [0., 3.]], dtype=float32)
    """
    if output not in ("real", "complex"):
        raise ValueError(f"Expected 'output' to be either 'real' or 'complex', got output={output!r}.")
    a = asarray(a)
    return _schur(convert(a, dtypes.to_complex_dtype(a.dtype)) if output == "complex" else a)


def _rotated(m, t, z, n: int):
    """One step of `rsf2csf`: the element ``t[m, m-1]`` is made zero by a rotation of two rows and columns."""
    pair = dynamic_slice(t, (m - 1, m - 1), (2, 2))
    a, b, c, d = pair[0, 0], pair[0, 1], pair[1, 0], pair[1, 1]
    mean, half = (a + d) / 2, (a - d) / 2
    mu = mean + sqrt(half * half + b * c) - d   # an eigenvalue, less d: (mu, c) is its eigenvector
    mu = where(c == 0, 1, mu)
    r = sqrt(absolute(mu) ** 2 + absolute(c) ** 2)
    cos, sin = mu / r, c / r
    g = concatenate([concatenate([conj(cos)[None], conj(sin)[None]])[None], concatenate([-sin[None], cos[None]])[None]])
    rows = times(g, dynamic_slice(t, (m - 1, 0), (2, n)))
    t = dynamic_update_slice(t, rows, (m - 1, 0))
    t = dynamic_update_slice(t, times(dynamic_slice(t, (0, m - 1), (n, 2)), mH(g)), (0, m - 1))
    z = dynamic_update_slice(z, times(dynamic_slice(z, (0, m - 1), (n, 2)), mH(g)), (0, m - 1))
    return t, z


def _rsf2csf_one(t, z):
    dtype = dtypes.to_complex_dtype(dtypes.promoted(t, z)[0])
    t, z, n = convert(t, dtype), convert(z, dtype), t.shape[-1]
    t, z = fori_loop(1, n, lambda i, state: _rotated(n - i, *state, n), (t, z)) if n > 1 else (t, z)
    return triu(t), z


def rsf2csf(T, Z, check_finite=True):  # noqa: N803 (SciPy's names)
    """Make the real Schur form of a real matrix complex, that is triangular.

    Parameters
    ----------
    T, Z : array-likes, shape (..., n, n): what `schur` answers
    check_finite : not used

    Returns
    -------
    (T, Z) : complex, with the same ``Z @ T @ Z^H``, ``Z`` unitary and ``T`` upper triangular

    Raises
    ------
    ValueError : if the matrices are not square, or their sizes differ.

    References
    ----------
    ``scipy.linalg.rsf2csf``. Rotations: Golub and Van Loan, section 5.1.8

    Examples
    --------
    >>> t, z = rsf2csf(*schur(jnp.array([[0., 2.], [-2., 0.]])))
    >>> print(jnp.round(jnp.sort(jnp.diagonal(t).imag), 3))
    [-2.  2.]
    """
    T, Z = asarray(T), asarray(Z)  # noqa: N806
    check_square("rsf2csf", T, "T")
    check_square("rsf2csf", Z, "Z")
    if T.shape[-1] != Z.shape[-1]:
        raise ValueError(f"Input array shapes must match: Z: {Z.shape} vs. T: {T.shape}")
    return vectorize(_rsf2csf_one, signature="(n,n),(n,n)->(n,n),(n,n)")(T, Z)


@fused(static=("calc_q",))
def _hessenberg(a, *, calc_q):
    compact, taus = linalg_hessenberg.hessenberg(a)
    h = triu(compact, -1)
    if not calc_q:
        return h
    n, batch = a.shape[-1], a.shape[:-2]
    q = linalg_qr.householder_product(compact[..., 1:, :-1], taus)
    edge = functools.partial(zeros, dtype=a.dtype)
    return h, block([[ones((*batch, 1, 1), a.dtype), edge((*batch, 1, n - 1))], [edge((*batch, n - 1, 1)), q]])


def hessenberg(a, *, calc_q=False, overwrite_a=False, check_finite=True):
    """Hessenberg form of square matrices: ``a = q @ h @ q^H``; on CPU only, and without derivatives.

    Parameters
    ----------
    a : array-like of floats or complex numbers, shape (..., n, n)
    calc_q : whether to answer q
    overwrite_a, check_finite : not used

    Returns
    -------
    h, or (h, q) : ``h`` is zero below the first subdiagonal, ``q`` unitary

    References
    ----------
    ``scipy.linalg.hessenberg``. Golub and Van Loan, section 7.4.3

    Examples
    --------
    >>> h, q = hessenberg(jnp.eye(3), calc_q=True)
    >>> h.shape, q.shape
    ((3, 3), (3, 3))
    """
    a = asarray(a)
    check_square("hessenberg", a)
    if a.shape[-1] == 0:
        return (zeros_like(a), zeros_like(a)) if calc_q else zeros_like(a)
    return _hessenberg(a, calc_q=bool(calc_q))


# --- the polar decomposition --------------------------------------------------------------------

def _polar_by_svd(a, side):
    u, s, vh = linalg_svd.svd(a, full_matrices=False)
    s = convert(s, a.dtype)
    positive = times(mH(vh) * s, vh) if side == "right" else times(u * s, mH(u))
    return times(u, vh), positive


def _polar_by_qdwh(a, side, eps):
    if side == "right":
        return qdwh(a, eps=eps)[:2]
    return tuple([mH(x) for x in qdwh(mH(a), eps=eps)[:2]])


def polar(a, side="right", *, method="qdwh", eps=None, max_iterations=None):
    """Polar decomposition: ``a = u @ p`` or ``a = p @ u``, with orthonormal columns or rows in u and p positive semidefinite.

    Parameters
    ----------
    a : array-like of floats or complex numbers, shape (..., m, n)
    side : "right" for ``u @ p``, "left" for ``p @ u``
    method : "qdwh", for ``m >= n`` on the right and ``m < n`` on the left; or "svd"
    eps : for "qdwh", for how small a ratio of singular values the steps are to suffice; by default the machine precision
    max_iterations : not used

    Returns
    -------
    (u, p) of shapes (..., m, n), and (..., n, n) or (..., m, m)

    Raises
    ------
    ValueError : if ``a`` is not a matrix, or there is no such side or method.

    References
    ----------
    ``scipy.linalg.polar``. Golub and Van Loan, section 6.4; see also ``ferax.lax.linalg.qdwh``

    Examples
    --------
    >>> u, p = polar(jnp.array([[0., 2.], [-1., 0.]]), method="svd")
    >>> print(jnp.round(jnp.diagonal(p), 3))
    [1. 2.]
    """
    a = asarray(a)
    if a.ndim < 2:
        raise ValueError("The input `a` must be at least a 2-D array.")
    if side not in ("right", "left"):
        raise ValueError(f"The argument `side` must be either 'right' or 'left', got {side!r}")
    if method not in ("qdwh", "svd"):
        raise ValueError(f"Unknown polar decomposition method {method}; there are 'qdwh' and 'svd'")
    if method == "qdwh" and (a.shape[-2] >= a.shape[-1]) != (side == "right"):
        raise NotImplementedError("polar: method='qdwh' is for m >= n with side='right' and m < n with side='left', got shape "
                                  f"{a.shape} with side={side!r}; method='svd' is for all")
    one = functools.partial(_polar_by_svd, side=side) if method == "svd" else functools.partial(_polar_by_qdwh, side=side, eps=eps)
    return vectorize(one, signature="(m,n)->(m,n),(n,n)" if side == "right" else "(m,n)->(m,n),(m,m)")(a)
