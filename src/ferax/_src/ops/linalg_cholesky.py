"""The Cholesky decomposition of positive definite matrices, and its update by a matrix of rank one."""

from __future__ import annotations

from ferax._src.ops.base import FLOAT, add, inline, operand
from ferax._src.ops.broadcasting import broadcast_in_dim, expand_dims
from ferax._src.ops.compare import eq
from ferax._src.ops.convert import convert
from ferax._src.ops.dynamic_slicing import dynamic_index_in_dim, dynamic_update_index_in_dim
from ferax._src.ops.elementwise import abs as absolute, div, max as maximum, mul, sqrt, sub
from ferax._src.ops.linalg_lapack import gpu_prefix, info_aval, kernel_call, lapack_call, nan_where_failed, solver_call
from ferax._src.ops.linalg_matrices import (
    MatrixPrimitive,
    check_square,
    eye,
    hermitian_part,
    is_empty,
    matmul,
    mT,
    repeat,
    tril,
    triu,
)
from ferax._src.ops.linalg_triangular import triangular_solve
from ferax._src.ops.select import select
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of


class Cholesky(MatrixPrimitive):
    """The lower triangular ``l`` with ``l l^H = x``, for positive definite ``x``, whose lower triangle alone is read.

    Where ``x`` is not positive definite, the triangle is NaN.
    """

    name = "cholesky"

    def shapes(self, x):
        check_square("cholesky", x)
        return [x]

    def lower(self, ctx, x):
        (aval,) = ctx.avals_in
        if is_empty(ctx):
            return [x]
        if ctx.platform in ("cpu", "gpu"):
            call, attrs = (lapack_call, {"uplo": "L"}) if ctx.platform == "cpu" else (solver_call, {"lower": True})
            info = info_aval(aval.shape[:-2])
            factor, failed = call(ctx, "potrf", [x], [aval], [aval, info], attrs, {0: 0})
            (factor,) = nan_where_failed(ctx, failed, [factor], [aval])
        else:
            factor = ctx.op("stablehlo.cholesky", (x,), None, {"lower": ctx.boolean(True)}).result
        return inline(ctx, tril, [factor], [aval], {})      # the other triangle may hold anything

    def jvp(self, primals, tangents):
        """Murray, Differentiation of the Cholesky decomposition (2016), equation 8: ``dl = l phi(l^-1 dx l^-H)``."""
        (l,) = self.bind(*primals)  # noqa: E741
        (t,) = tangents
        if type(t) is Zero:
            return [l], [Zero.of(l)]
        inner = triangular_solve(l, t, left_side=True, lower=True)
        inner = triangular_solve(l, inner, lower=True, transpose_a=True, conjugate_a=True)
        return [l], [matmul(l, _lower_half(inner))]


def _lower_half(x):
    """The lower triangle with half the diagonal: ``phi(x) + phi(x)^H = x`` for Hermitian x."""
    aval = aval_of(x)
    return sub(tril(x), mul(x, mul(eye(aval.dtype, aval.shape), aval.dtype.type(0.5))))


class CholeskyUpdate(MatrixPrimitive):
    """The upper triangular ``s`` with ``s^T s = r^T r + w w^T``."""

    name = "cholesky_update"
    ranks = (2, 1)
    accepts = (FLOAT, FLOAT)

    def shapes(self, r, w):
        if r[0] != r[1] or w[0] != r[0]:
            raise ValueError("Rank-1 update to Cholesky decomposition takes a square matrix and a vector of the same size as "
                             f"input. Got shapes {r} and {w} instead")
        return [r]

    def lower(self, ctx, r, w):
        r_aval, w_aval = ctx.avals_in
        if is_empty(ctx):
            return [r]
        if ctx.platform == "gpu" and r_aval.ndim == 2 and ctx.gpu_kind == "cuda":
            return kernel_call(ctx, f"{gpu_prefix(ctx)}_cholesky_update_ffi", [r, w], ctx.avals_in, ctx.avals_in,
                               aliases={0: 0, 1: 1}, row_major=True)[:1]
        return repeat(ctx, r_aval.shape[-1], _rotate_into, [r, w], [r_aval, w_aval])[:1]

    def jvp(self, primals, tangents):
        """From ``s^T s = r^T r + w w^T``, as the derivative of `Cholesky`."""
        (r, w), (t_r, t_w) = primals, tangents
        (s,) = self.bind(r, w)
        terms = []
        if type(t_r) is not Zero:
            terms.append(matmul(mT(r), triu(t_r)))
        if type(t_w) is not Zero:
            terms.append(_outer(w, t_w))
        if not terms:
            return [s], [Zero.of(s)]
        half = terms[0] if len(terms) == 1 else add(*terms)
        change = add(half, mT(half))
        inner = triangular_solve(s, change, left_side=True, transpose_a=True)
        inner = triangular_solve(s, inner)
        return [s], [matmul(mT(_lower_half(inner)), s)]


def _outer(v, w):
    """The products of all elements of two vectors."""
    n = aval_of(v).ndim
    return matmul(expand_dims(v, (n,)), expand_dims(w, (n - 1,)))


def _rotate_into(k, r, w):
    """One step of the update: the Givens rotation of row k of r and of w that makes element k of w zero.

    Golub and Van Loan, Matrix Computations, section 6.5.4.
    """
    row_axis = r.ndim - 2
    row = dynamic_index_in_dim(r, k, row_axis, keepdims=False)
    x = dynamic_index_in_dim(row, k, row_axis, keepdims=False)
    y = dynamic_index_in_dim(w, k, row_axis, keepdims=False)
    size = maximum(absolute(x), absolute(y))                # divided by, so that squares do not overflow
    nothing = eq(y, y.dtype.type(0))
    size = select(nothing, y.dtype.type(1), size)
    x, y = div(x, size), div(y, size)
    length = sqrt(add(mul(x, x), mul(y, y)))
    length = select(nothing, y.dtype.type(1), length)
    c, s = select(nothing, y.dtype.type(1), div(x, length)), div(y, length)
    times = lambda number, v: mul(broadcast_in_dim(number, v.shape, tuple(range(v.ndim - 1))), v)
    new_row = add(times(c, row), times(s, w))
    w = sub(times(c, w), times(s, row))
    return [dynamic_update_index_in_dim(r, new_row, k, row_axis), w]


cholesky_p = register(Cholesky())
cholesky_update_p = register(CholeskyUpdate())


def cholesky(x, *, symmetrize_input=True):
    """Factor positive definite matrices into a lower triangular one and its conjugate transpose: ``x = l @ l^H``.

    Parameters
    ----------
    x : array, shape (..., n, n), Hermitian
    symmetrize_input : whether to take ``(x + x^H) / 2`` for x, so that the derivative is symmetric too; otherwise only its
        lower triangle is read

    Returns
    -------
    array, shape (..., n, n), lower triangular; nan in the triangle where the matrix is not positive definite

    Raises
    ------
    TypeError : if the dtype is not floating or complex, or there are fewer than two dimensions.
    ValueError : if the matrices are not square; TypeError if they were to be symmetrized.
    """
    x = operand("cholesky", x)
    aval = aval_of(x)
    if not symmetrize_input:
        return cholesky_p.bind(x)[0]
    if aval.ndim < 2:
        raise TypeError(f"Input 0 to cholesky must have rank at least 2, but got shape={aval.shape}")
    if aval.shape[-1] != aval.shape[-2]:
        raise TypeError(f"cholesky: matrices must be square to be symmetrized, got shape {aval.shape}")
    return _cholesky_of_hermitian_part(x)


@fused
def _cholesky_of_hermitian_part(x):
    if dtypes.kind_of(aval_of(x).dtype) in "biu":
        x = convert(x, dtypes.default_float_dtype())
    return cholesky_p.bind(hermitian_part(x))[0]


def cholesky_update(r_matrix, w_vector):
    """Update a Cholesky decomposition: the upper triangular ``s`` with ``s^T s = r^T r + w w^T``, in n^2 operations.

    Parameters
    ----------
    r_matrix : array, shape (n, n), upper triangular, of real numbers
    w_vector : array, shape (n,)

    Returns
    -------
    array, shape (n, n), upper triangular

    Raises
    ------
    TypeError : if dtypes are not floating, or differ, or the numbers of dimensions are not two and one.
    ValueError : if the shapes do not fit.
    """
    r, w = operand("cholesky_update", r_matrix, 0), operand("cholesky_update", w_vector, 1)
    for i, (x, rank) in enumerate(((r, 2), (w, 1))):
        shape = aval_of(x).shape
        if len(shape) != rank:
            raise TypeError(f"Input {i} to cholesky_update must have a rank of exactly {rank}, but got shape={shape}")
    return cholesky_update_p.bind(r, w)[0]
