"""Determinants, and logarithms of them.

The derivative of a determinant is ``tr(adj(a) da)``, where the adjugate matrix ``adj(a)`` is ``det(a) a^-1`` for a regular a, but
exists for a singular one too (Giles, Collected matrix derivative results, 2008, section 2.2.4).

What the rules of derivatives compute is jitted, so that it is one program where derivatives are taken eagerly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ferax._src.api.jit import jit
from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.numpy.linalg_solve import check_square, solve_matrices
from ferax._src.numpy.util import ensure_arraylike, promote_dtypes_inexact
from ferax._src.ops.base import add, broadcast_shape
from ferax._src.ops.broadcasting import expand_dims, reduce_sum
from ferax._src.ops.compare import eq, lt, ne
from ferax._src.ops.convert import convert
from ferax._src.ops.cumulative import reduce_prod
from ferax._src.ops.elementwise import abs as absolute, log, mul, neg, sign as sign_of, sub
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_or
from ferax._src.ops.elementwise_complex import real
from ferax._src.ops.joining import concatenate
from ferax._src.ops.linalg_lu import lu, permute_rows
from ferax._src.ops.linalg_matrices import constant, diagonal, eye, matmul, mT, spread
from ferax._src.ops.linalg_qr import geqrf
from ferax._src.ops.linalg_triangular import triangular_solve
from ferax._src.ops.arg_extrema import argmin
from ferax._src.ops.reduce import reduce_or
from ferax._src.ops.select import select
from ferax._src.ops.shape import broadcasted_iota
from ferax._src.ops.slicing import index_in_dim, slice_in_dim
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes

_INT32 = np.dtype(np.int32)


class SlogdetResult(NamedTuple):
    """What `slogdet` answers: the determinant is ``sign * exp(logabsdet)``."""

    sign: Array
    logabsdet: Array


def _entry(a, i: int, j: int):
    return index_in_dim(index_in_dim(a, i, a.ndim - 2, keepdims=False), j, a.ndim - 2, keepdims=False)


def _sign_of_swaps(pivots):
    """1 where an even number of rows was swapped with others, else -1."""
    moved = ne(pivots, broadcasted_iota(_INT32, pivots.shape, pivots.ndim - 1))
    one, minus = np.int32(1), np.int32(-1)
    return reduce_prod(select(moved, constant(minus, pivots.shape, _INT32), one), (pivots.ndim - 1,))


# --- det ----------------------------------------------------------------------------------------

def det(a):
    """The determinants of matrices.

    Parameters
    ----------
    a : array-like, shape (..., n, n)

    Returns
    -------
    array, shape (...). Its derivative is right for singular matrices, too, up to some with columns of zeros in n > 3 dimensions

    Raises
    ------
    ValueError : if ``a`` is not square.

    References
    ----------
    ``numpy.linalg.det``. By definition for n <= 3, else by LU: Golub and Van Loan, section 3.2.

    Examples
    --------
    >>> jnp.linalg.det(jnp.array([[2., 0.], [1., 3.]]))
    Array(6., dtype=float32)
    """
    a = ensure_arraylike("jnp.linalg.det", a)
    check_square("det", a.shape)
    return _det(a)


@fused
def _det(a):
    (a,) = promote_dtypes_inexact(a)
    n = a.shape[-1]
    return _small_det(a) if n <= 3 else _det_by_lu(a)


def _small_det(a):
    """A determinant by its definition."""
    n = a.shape[-1]
    if n == 0:
        return constant(1, a.shape[:-2], a.dtype)
    x = [[_entry(a, i, j) for j in range(n)] for i in range(n)]
    if n == 1:
        return x[0][0]
    minor = lambda i, j: sub(mul(x[n - 2][i], x[n - 1][j]), mul(x[n - 2][j], x[n - 1][i]))
    if n == 2:
        return minor(0, 1)
    return add(sub(mul(x[0][0], minor(1, 2)), mul(x[0][1], minor(0, 2))), mul(x[0][2], minor(0, 1)))


@custom_jvp
@jit
def _det_by_lu(a):
    factors, pivots, _ = lu(a)
    return mul(reduce_prod(diagonal(factors), (a.ndim - 2,)), convert(_sign_of_swaps(pivots), a.dtype))


@_det_by_lu.defjvp
def _det_jvp(primals, tangents):
    (a,), (t,) = primals, tangents
    value, adjugate = _det_and_adjugate(a)
    return value, _trace_of_product(adjugate, t)


def _trace_of_product(x, y):
    return reduce_sum(mul(mT(x), y), (x.ndim - 2, x.ndim - 1))


@jit
def _det_and_adjugate(a):
    """The determinant, and the matrix ``adj(a) = det(a) a^-1``, which exists for singular matrices too.

    From ``a = P^T l u`` follows ``adj(a) = det(P) adj(u) l^-1 P``. Let r be the least element on the diagonal of u, in row k,
    and c the product of the others. Then ``adj(u) = c (r e + x y^T)``, where e is the inverse of u without row and column k,
    zero there, x is ``e_k - e u[:, k]``, and y^T is ``e_k^T - u[k, :] e``, elements on the diagonal left out. Nothing is
    divided by r.
    """
    n, rows, columns = a.shape[-1], a.ndim - 2, a.ndim - 1
    factors, pivots, order = lu(a)
    on_diagonal = diagonal(factors)
    zero, one = a.dtype.type(0), a.dtype.type(1)
    least = argmin(absolute(on_diagonal), rows, _INT32)
    here = eq(broadcasted_iota(_INT32, on_diagonal.shape, rows), _spread(expand_dims(least, (rows,)), on_diagonal.shape, 0))
    others = reduce_prod(select(here, one, on_diagonal), (rows,))
    others = mul(others, convert(_sign_of_swaps(pivots), a.dtype))
    value = reduce_sum(select(here, on_diagonal, zero), (rows,))

    in_row, in_column = _spread(here, a.shape, 1), _spread(expand_dims(here, (rows,)), a.shape, 0)
    i, j = [broadcasted_iota(_INT32, (n, n), d) for d in (0, 1)]
    above, diagonal_mask = spread(lt(i, j), a.shape), spread(eq(i, j), a.shape)
    # A second zero on the diagonal makes `others` zero; put a one in its place, so that nothing becomes infinite.
    ones = bitwise_and(diagonal_mask, bitwise_or(in_row, eq(factors, zero)))
    without = select(ones, one, select(bitwise_or(in_row, in_column), zero, factors))
    right = triangular_solve(factors, permute_rows(eye(a.dtype, a.shape), order), left_side=True, lower=True, unit_diagonal=True)
    u_column = reduce_sum(select(bitwise_and(in_column, above), factors, zero), (columns,))
    u_row = reduce_sum(select(bitwise_and(in_row, above), factors, zero), (rows,))
    right_row = reduce_sum(select(in_row, right, zero), (rows,))
    both = concatenate([select(in_row, zero, right), expand_dims(u_column, (columns,))], columns)
    both = triangular_solve(without, both, left_side=True)
    e = slice_in_dim(both, 0, n, axis=columns)
    x = sub(convert(expand_dims(here, (columns,)), a.dtype), slice_in_dim(both, n, n + 1, axis=columns))
    y = sub(expand_dims(right_row, (rows,)), matmul(expand_dims(u_row, (rows,)), e))
    scaled = lambda number, m: mul(_spread(expand_dims(number, (rows, columns)), m.shape, 0), m)
    return mul(others, value), scaled(others, add(scaled(value, e), matmul(x, y)))


def _spread(x, shape, new: int):
    """An array with sizes of 1 repeated to ``shape``, which may have ``new`` more dimensions at its end."""
    return broadcast_shape(expand_dims(x, tuple(range(x.ndim, x.ndim + new))), shape)


# --- slogdet ------------------------------------------------------------------------------------

def slogdet(a, *, method=None):
    """Signs of determinants, and logarithms of their absolute values.

    Parameters
    ----------
    a : array-like, shape (..., n, n)
    method : by which decomposition, "lu" or "qr"; None means "lu". "qr" is for real numbers

    Returns
    -------
    SlogdetResult(sign, logabsdet) of shape (...): numbers of absolute value 1 and real numbers; 0 and -inf for a singular matrix

    Raises
    ------
    ValueError : if ``a`` is not square, or there is no such method.
    NotImplementedError : for complex numbers and "qr".

    References
    ----------
    ``numpy.linalg.slogdet``

    Examples
    --------
    >>> jnp.linalg.slogdet(jnp.array([[0., 1.], [1., 0.]]))
    SlogdetResult(sign=Array(-1., dtype=float32), logabsdet=Array(0., dtype=float32))
    """
    a = ensure_arraylike("jnp.linalg.slogdet", a)
    check_square("slogdet", a.shape)
    if method not in (None, "lu", "qr"):
        raise ValueError(f"Unknown slogdet method '{method}'. Supported methods are 'lu' (`None`), and 'qr'.")
    if method == "qr" and dtypes.kind_of(a.dtype) == "c":
        raise NotImplementedError("slogdet: method='qr' is not implemented for complex inputs; use method='lu'")
    return _slogdet(a, by_qr=method == "qr")


@fused(static=("by_qr",))
def _slogdet(a, *, by_qr):
    (a,) = promote_dtypes_inexact(a)
    return SlogdetResult(*(_sign_and_log_by_qr(a) if by_qr else _sign_and_log(a)))


@custom_jvp
@jit
def _sign_and_log(a):
    if a.shape[-1] <= 2:
        value = _small_det(a)
        return sign_of(value), log(absolute(value))
    factors, pivots, _ = lu(a)
    on_diagonal = diagonal(factors)
    last = (a.ndim - 2,)
    singular = reduce_or(eq(on_diagonal, a.dtype.type(0)), last)
    sign = mul(reduce_prod(sign_of(on_diagonal), last), convert(_sign_of_swaps(pivots), a.dtype))
    size = reduce_sum(log(absolute(on_diagonal)), last)
    return select(singular, a.dtype.type(0), sign), select(singular, size.dtype.type(-np.inf), size)


@custom_jvp
@jit
def _sign_and_log_by_qr(a):
    """A product of n reflections, of determinant -1, where ``tau`` is not 0, and a triangular matrix."""
    compact, taus = geqrf(a)
    on_diagonal = diagonal(compact)
    last = (a.ndim - 2,)
    signs = select(ne(taus, a.dtype.type(0)), neg(sign_of(on_diagonal)), sign_of(on_diagonal))
    return reduce_prod(signs, last), reduce_sum(log(absolute(on_diagonal)), last)


@jit
def _inverse(a):
    return solve_matrices(a, eye(a.dtype, a.shape))


def _with_derivative(method):
    """``d log(det(a)) = tr(a^-1 da)``: the real part is the change of the logarithm, the imaginary part that of the angle."""
    @method.defjvp
    def rule(primals, tangents):
        (a,), (t,) = primals, tangents
        sign, size = method(a)
        change = _trace_of_product(_inverse(a), t)
        if dtypes.kind_of(a.dtype) != "c":
            return (sign, size), (constant(0, sign.shape, sign.dtype), change)
        log_change = real(change)
        return (sign, size), (mul(sub(change, convert(log_change, change.dtype)), sign), log_change)


_with_derivative(_sign_and_log)
_with_derivative(_sign_and_log_by_qr)
