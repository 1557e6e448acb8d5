"""Systems of linear equations, and the factorizations they are solved by. The arguments ``overwrite_...``, ``check_finite`` and
``debug`` are there for SciPy's sake and do nothing: arrays are never overwritten, and values are not known while compiling."""

from __future__ import annotations

import functools

from ferax._src.control.linear_solve import custom_linear_solve
from ferax._src.control.stop_gradient import stop_gradient
from ferax._src.numpy import linalg_det, linalg_solve
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.vectorizing import vectorize
from ferax._src.ops.compare import eq
from ferax._src.ops.convert import convert
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.linalg_cholesky import cholesky as ops_cholesky
from ferax._src.ops.linalg_lu import lu as ops_lu, lu_pivots_to_permutation, permute_rows
from ferax._src.ops.linalg_matrices import eye, mH, tril, triu
from ferax._src.ops.linalg_solve import inverse_permutation
from ferax._src.ops.linalg_triangular import triangular_solve
from ferax._src.ops.shape import broadcasted_iota, squeeze
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.runtime.fused import fused
from ferax._src.scipy.linalg_common import check_square, inexact, signature_of, times
from ferax._src.types import dtypes


# --- Cholesky -----------------------------------------------------------------------------------

@fused(static=("lower",))
def _cholesky(a, *, lower):
    (a,) = inexact(a)
    factor = ops_cholesky(a if lower else mH(a), symmetrize_input=False)
    return factor if lower else mH(factor)


def cholesky(a, lower=False, overwrite_a=False, check_finite=True):
    """Factor positive definite matrices: ``a = u^H @ u``, or ``l @ l^H``.

    Parameters
    ----------
    a : array-like, shape (..., n, n); one triangle is read
    lower : whether to answer the lower factor, and not the upper one
    overwrite_a, check_finite : not used

    Returns
    -------
    Array, shape (..., n, n); NaN where ``a`` is not positive definite

    Raises
    ------
    ValueError : if the matrices are not square.

    References
    ----------
    ``scipy.linalg.cholesky``. Golub and Van Loan, section 4.2

    Examples
    --------
    >>> cholesky(jnp.array([[4., 2.], [2., 5.]]))
    Array([[2., 1.],
           [0., 2.]], dtype=float32)
    """
    a = asarray(a)
    check_square("cholesky", a)
    return _cholesky(a, lower=bool(lower))


def cho_factor(a, lower=False, overwrite_a=False, check_finite=True):
    """Cholesky factorization, for `cho_solve`.

    Parameters
    ----------
    a : array-like, shape (..., n, n)
    lower : whether to take the lower factor
    overwrite_a, check_finite : not used

    Returns
    -------
    (c, lower) : the factor as `cholesky` gives it, and the argument

    References
    ----------
    ``scipy.linalg.cho_factor``

    Examples
    --------
    >>> cho_solve(cho_factor(jnp.array([[4., 2.], [2., 5.]])), jnp.array([8., 12.]))
    Array([1., 2.], dtype=float32)
    """
    return cholesky(a, lower=lower), lower


@fused(static=("lower",))
def _cho_solve(c, b, *, lower):
    c, b = inexact(c, b)
    solve_ = functools.partial(triangular_solve, left_side=True, lower=lower)
    first = functools.partial(solve_, transpose_a=not lower, conjugate_a=not lower)
    second = functools.partial(solve_, transpose_a=lower, conjugate_a=lower)
    return vectorize(lambda c, b: second(c, first(c, b)), signature=signature_of(c, b))(c, b)


def cho_solve(c_and_lower, b, overwrite_b=False, check_finite=True):
    """Solve ``a @ x = b`` by the Cholesky factorization of ``a``.

    Parameters
    ----------
    c_and_lower : what `cho_factor` answers
    b : array-like, shape (..., n) or (..., n, k)
    overwrite_b, check_finite : not used

    Returns
    -------
    Array, of the shape of ``b`` with batch dimensions broadcast

    References
    ----------
    ``scipy.linalg.cho_solve``

    Examples
    --------
    >>> cho_solve((2 * jnp.eye(2), True), jnp.array([4., 8.]))
    Array([1., 2.], dtype=float32)
    """
    c, lower = c_and_lower
    c, b = asarray(c), asarray(b)
    check_square("cho_solve", c, "c")
    return _cho_solve(c, b, lower=bool(lower))


# --- LU -----------------------------------------------------------------------------------------

@fused
def _lu_factor(a):
    (a,) = inexact(a)
    return tuple(ops_lu(a)[:2])


def lu_factor(a, overwrite_a=False, check_finite=True):
    """LU factorization with partial pivoting in compact form, for `lu_solve`.

    Parameters
    ----------
    a : array-like, shape (..., m, n)
    overwrite_a, check_finite : not used

    Returns
    -------
    (lu, piv)
        of shape (..., m, n): u in the upper triangle, l without its diagonal of ones below; and of shape (..., min(m, n)),
        int32: row i was exchanged with row piv[i]

    References
    ----------
    ``scipy.linalg.lu_factor``. Golub and Van Loan, section 3.4

    Examples
    --------
    >>> lu_factor(jnp.array([[1., 2.], [4., 4.]]))[1]
    Array([1, 1], dtype=int32)
    """
    return _lu_factor(asarray(a))


def _lu_solve_one(factors, order, b, trans):
    if b.shape[0] == 0:
        return b
    columns = expand_dims(b, (1,)) if b.ndim == 1 else b
    lower = functools.partial(triangular_solve, factors, left_side=True, lower=True, unit_diagonal=True)
    upper = functools.partial(triangular_solve, factors, left_side=True, lower=False)
    if trans == 0:
        x = upper(lower(permute_rows(columns, order)))
    else:
        how = {"transpose_a": True, "conjugate_a": trans == 2}
        x = permute_rows(lower(upper(columns, **how), **how), inverse_permutation(order))
    return squeeze(x, (1,)) if b.ndim == 1 else x


@fused(static=("trans",))
def _lu_solve(factors, pivots, b, *, trans):
    factors, b = inexact(factors, b)
    order = lu_pivots_to_permutation(asarray(pivots), factors.shape[-2])
    solve_ = functools.partial(_lu_solve_one, trans=trans)
    return vectorize(solve_, signature=signature_of(factors, b, "(n),"))(factors, order, b)


def lu_solve(lu_and_piv, b, trans=0, overwrite_b=False, check_finite=True):
    """Solve ``op(a) @ x = b`` by the LU factorization of ``a``.

    Parameters
    ----------
    lu_and_piv : what `lu_factor` answers
    b : array-like, shape (..., n) or (..., n, k)
    trans : 0 for ``a`` itself, 1 for its transpose, 2 for its conjugate transpose
    overwrite_b, check_finite : not used

    Returns
    -------
    Array, of the shape of ``b`` with batch dimensions broadcast

    Raises
    ------
    ValueError : if the matrices are not square, or there is no such ``trans``.

    References
    ----------
    ``scipy.linalg.lu_solve``

    Examples
    --------
    >>> lu_solve(lu_factor(jnp.array([[1., 2.], [4., 4.]])), jnp.array([5., 12.]))
    Array([1., 2.], dtype=float32)
    """
    factors, pivots = lu_and_piv
    factors, b = asarray(factors), asarray(b)
    check_square("lu_solve", factors, "lu")
    if trans not in (0, 1, 2):
        raise ValueError(f"lu_solve: 'trans' value must be 0, 1, or 2, got {trans!r}")
    return _lu_solve(factors, asarray(pivots), b, trans=int(trans))


@fused(static=("permute_l",))
def _lu(a, *, permute_l):
    (a,) = inexact(a)
    factors, _, order = ops_lu(a)
    m, n = a.shape
    k = min(m, n)
    lower = tril(slice_in_dim(factors, 0, k, axis=1), -1) + eye(a.dtype, (m, k))
    upper = triu(slice_in_dim(factors, 0, k, axis=0))
    rows = broadcasted_iota(order.dtype, (m, m), 0)
    p = convert(eq(expand_dims(order, (0,)) + 0 * rows, rows), dtypes.to_floating_dtype(a.dtype))
    return (times(convert(p, a.dtype), lower), upper) if permute_l else (p, lower, upper)


def lu(a, permute_l=False, overwrite_a=False, check_finite=True):
    """LU factorization with partial pivoting: ``a = p @ l @ u``.

    Parameters
    ----------
    a : array-like, shape (m, n), and k = min(m, n)
    permute_l : whether to answer ``p @ l`` for ``l``, and no p
    overwrite_a, check_finite : not used

    Returns
    -------
    (p, l, u) of shapes (m, m), (m, k) and (k, n), or (p @ l, u)

    Raises
    ------
    ValueError : if ``a`` is not a matrix.

    References
    ----------
    ``scipy.linalg.lu``. Golub and Van Loan, section 3.4

    Examples
    --------
    >>> lu(jnp.array([[1., 2.], [4., 4.]]), permute_l=True)[0]
    Array([[0.25, 1.  ],
           [1.  , 0.  ]], dtype=float32)
    """
    a = asarray(a)
    if a.ndim != 2:
        raise ValueError(f"lu: a must be a matrix, got shape {a.shape}")
    return _lu(a, permute_l=bool(permute_l))


# --- determinants, inverses, solutions ----------------------------------------------------------

def det(a, overwrite_a=False, check_finite=True):
    """Determinants of matrices.

    Parameters
    ----------
    a : array-like, shape (..., n, n)
    overwrite_a, check_finite : not used

    Returns
    -------
    Array, shape (...)

    References
    ----------
    ``scipy.linalg.det``

    Examples
    --------
    >>> print(jnp.round(det(jnp.array([[1., 2.], [3., 4.]])), 3))
    -2.0
    """
    return linalg_det.det(a)


def inv(a, overwrite_a=False, check_finite=True):
    """The inverses of matrices.

    Parameters
    ----------
    a : array-like, shape (..., n, n)
    overwrite_a, check_finite : not used

    Returns
    -------
    Array, shape (..., n, n); inf or NaN where ``a`` is singular

    References
    ----------
    ``scipy.linalg.inv``

    Examples
    --------
    >>> inv(jnp.array([[2., 0.], [0., 4.]]))
    Array([[0.5 , 0.  ],
           [0.  , 0.25]], dtype=float32)
    """
    return linalg_solve.inv(a)


def _solve_positive_one(a, b, lower):
    factor = _cholesky(stop_gradient(a), lower=lower)
    return custom_linear_solve(lambda x: times(a, x), b, lambda _, b: _cho_solve(factor, b, lower=lower), symmetric=True)


@fused(static=("lower",))
def _solve_positive(a, b, *, lower):
    a, b = inexact(a, b)
    return vectorize(functools.partial(_solve_positive_one, lower=lower), signature=signature_of(a, b))(a, b)


def solve(a, b, lower=False, overwrite_a=False, overwrite_b=False, debug=False, check_finite=True, assume_a="gen"):
    """Solve linear systems ``a @ x = b``.

    Parameters
    ----------
    a : array-like, shape (..., n, n)
    b : array-like, shape (n,) or (..., n, k)
    lower : for positive definite matrices, which triangle is read
    overwrite_a, overwrite_b, debug, check_finite : not used
    assume_a : "pos" for positive definite matrices, solved by Cholesky factorization; "gen", "sym" and "her" by LU

    Returns
    -------
    Array, of the inexact dtype that ``a`` and ``b`` promote to; inf or NaN where ``a`` is singular

    Raises
    ------
    ValueError : if shapes do not fit, or there is no such ``assume_a``.

    References
    ----------
    ``scipy.linalg.solve``

    Examples
    --------
    >>> solve(jnp.array([[4., 0.], [0., 16.]]), jnp.array([4., 32.]), assume_a="pos")
    Array([1., 2.], dtype=float32)
    """
    if assume_a not in ("gen", "sym", "her", "pos"):
        raise ValueError(f"Expected assume_a to be one of ['gen', 'sym', 'her', 'pos']; got {assume_a!r}")
    if assume_a != "pos":
        return linalg_solve.solve(a, b)
    a, b = asarray(a), asarray(b)
    check_square("solve", a)
    if b.ndim == 0 or b.shape[-2 if b.ndim > 1 and b.ndim != a.ndim - 1 else -1] != a.shape[-1]:
        raise ValueError(f"solve: matrices of shape {a.shape} and right sides of shape {b.shape} do not fit")
    return _solve_positive(a, b, lower=bool(lower))


_TRANS = {0: (False, False), 1: (True, False), 2: (True, True), "N": (False, False), "T": (True, False), "C": (True, True)}


@fused(static=("how", "lower", "unit_diagonal"))
def _solve_triangular(a, b, *, how, lower, unit_diagonal):
    a, b = inexact(a, b)
    solve_ = functools.partial(triangular_solve, left_side=True, lower=lower, transpose_a=how[0], conjugate_a=how[1],
                               unit_diagonal=unit_diagonal)
    return vectorize(solve_, signature=signature_of(a, b))(a, b)


def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, debug=None, check_finite=True):
    """Solve ``op(a) @ x = b`` for triangular ``a``.

    Parameters
    ----------
    a : array-like, shape (..., n, n); one triangle is read
    b : array-like, shape (..., n) or (..., n, k)
    trans : 0 or "N" for ``a`` itself, 1 or "T" for its transpose, 2 or "C" for its conjugate transpose
    lower : whether the lower triangle is the matrix, and not the upper one
    unit_diagonal : whether the diagonal is taken for ones, and not read
    overwrite_b, debug, check_finite : not used

    Returns
    -------
    Array, of the shape of ``b`` with batch dimensions broadcast

    Raises
    ------
    ValueError : if shapes do not fit, or there is no such ``trans``.

    References
    ----------
    ``scipy.linalg.solve_triangular``

    Examples
    --------
    >>> solve_triangular(jnp.array([[2., 0.], [1., 4.]]), jnp.array([2., 9.]), lower=True)
    Array([1., 2.], dtype=float32)
    """
    if trans not in _TRANS:
        raise ValueError(f"Invalid 'trans' value {trans}: it is 0, 1, 2, 'N', 'T' or 'C'")
    a, b = asarray(a), asarray(b)
    check_square("solve_triangular", a)
    return _solve_triangular(a, b, how=_TRANS[trans], lower=bool(lower), unit_diagonal=bool(unit_diagonal))
