"""Linear systems with triangular matrices."""

from __future__ import annotations

from ferax._src.ops.axes import move_axis, place_axis
from ferax._src.ops.base import INEXACT, operand
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.elementwise import neg, sub
from ferax._src.ops.linalg_lapack import LETTERS, lapack_call
from ferax._src.ops.linalg_matrices import MatrixPrimitive, conjugate, mT, matmul, tril, triu
from ferax._src.ops.shape import reshape, squeeze
from ferax._src.tracing.core import Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of


class TriangularSolve(MatrixPrimitive):
    """``x`` with ``op(a) x = b``, or ``x op(a) = b`` where not ``left_side``; ``op`` transposes and conjugates.

    Only one triangle of ``a`` is read, and its diagonal only where it is not taken for ones.
    """

    name = "triangular_solve"
    ranks = (2, 2)
    accepts = (INEXACT, INEXACT)

    def shapes(self, a, b, *, left_side, lower, transpose_a, conjugate_a, unit_diagonal):
        if a[0] != a[1]:
            raise ValueError(f"The first input to triangular_solve must be a square matrix. Got shape {a}.")
        if b[0 if left_side else 1] != a[0]:
            raise ValueError(f"Incompatible shapes for arguments to triangular_solve: {a} and {b}. With left_side={left_side} "
                             f"the number of {'rows' if left_side else 'columns'} of b must be {a[0]}.")
        return [b]

    def lower(self, ctx, a, b, *, left_side, lower, transpose_a, conjugate_a, unit_diagonal):
        a_aval, b_aval = ctx.avals_in
        if conjugate_a and not transpose_a:
            a = conjugated(ctx, a, a_aval)
        if b_aval.size == 0:
            return [b]
        if ctx.platform == "cpu" and a_aval.dtype in LETTERS:
            trans = ("C" if conjugate_a else "T") if transpose_a else "N"
            return lapack_call(ctx, "trsm", [a, b], ctx.avals_in, [b_aval], {
                "side": "L" if left_side else "R", "uplo": "L" if lower else "U", "trans_x": trans,
                "diag": "U" if unit_diagonal else "N"}, {0: 1})
        kind = ("ADJOINT" if conjugate_a else "TRANSPOSE") if transpose_a else "NO_TRANSPOSE"
        return ctx.emit("stablehlo.triangular_solve", (a, b), {
            "left_side": ctx.boolean(left_side), "lower": ctx.boolean(lower), "unit_diagonal": ctx.boolean(unit_diagonal),
            "transpose_a": ctx.transpose_kind(kind)})

    def jvp(self, primals, tangents, **params):
        """From ``op(a) x = b``: ``op(a) dx = db - op(da) x``."""
        (a, b), (t_a, t_b) = primals, tangents
        (x,) = self.bind(a, b, **params)
        change = t_b
        if type(t_a) is not Zero:
            inside = int(params["unit_diagonal"])           # whether the diagonal counts
            masked = tril(t_a, -inside) if params["lower"] else triu(t_a, inside)
            if params["conjugate_a"]:
                masked = conjugate(masked)
            if params["transpose_a"]:
                masked = mT(masked)
            product = matmul(masked, x) if params["left_side"] else matmul(x, masked)
            change = neg(product) if type(t_b) is Zero else sub(t_b, product)
        if type(change) is Zero:
            return [x], [Zero.of(x)]
        return [x], self.bind(a, change, **params)

    def transpose(self, cts, a, b, *, transpose_a, **params):
        (ct,) = cts
        if isinstance(a, ShapedArray):
            raise self.missing_rule("transpose", "a transpose for the matrix `a`: it is linear in `b` only")
        return [None, ct if type(ct) is Zero else self.bind(a, ct, transpose_a=not transpose_a, **params)[0]]

    def batch(self, axis, args, dims, *, left_side, **params):
        (a, b), (d_a, d_b) = args, dims
        if d_a is not None:
            a, b = place_axis(a, d_a, axis.size, 0), place_axis(b, d_b, axis.size, 0)
            return self.bind(a, b, left_side=left_side, **params), [0]
        # One matrix for all: they are as many more columns of b, or rows.
        to = aval_of(b).ndim - (1 if left_side else 3)
        b = move_axis(b, d_b, to)
        shape = b.shape
        first = to - 1 if left_side else to
        flat = reshape(b, (*shape[:first], shape[first] * shape[first + 1], *shape[first + 2:]))
        (x,) = self.bind(a, flat, left_side=left_side, **params)
        return [reshape(x, shape)], [to]


def conjugated(ctx, x, aval):
    """The complex conjugate of an MLIR value."""
    if dtypes.kind_of(aval.dtype) != "c":
        return x
    return ctx.op("chlo.conj", (x,), [x.type]).result


triangular_solve_p = register(TriangularSolve())


def triangular_solve(a, b, *, left_side=False, lower=False, transpose_a=False, conjugate_a=False, unit_diagonal=False):
    """Solve linear systems with triangular matrices: ``x @ op(a) = b``, or ``op(a) @ x = b``.

    Parameters
    ----------
    a : array, shape (..., n, n); one of its triangles is read, the rest need not be zero
    b : array of the same dtype and batch dimensions, shape (..., m, n), or (..., n, m) with ``left_side``; or one right side
        each, of shape (..., n)
    left_side : whether ``op(a)`` stands to the left of x
    lower : whether the lower triangle is the matrix, and not the upper one
    transpose_a, conjugate_a : what ``op`` does
    unit_diagonal : whether the diagonal is taken for ones, and not read

    Returns
    -------
    array of the shape of ``b``; inf or nan where ``a`` is singular

    Raises
    ------
    TypeError : if dtypes are not floating or complex, or differ, or the numbers of batch dimensions differ.
    ValueError : if ``a`` is not square, or ``b`` does not fit.
    """
    a, b = operand("triangular_solve", a, 0), operand("triangular_solve", b, 1)
    a_aval, b_aval = aval_of(a), aval_of(b)
    conjugate_a = bool(conjugate_a) and dtypes.kind_of(a_aval.dtype) == "c"
    single = b_aval.ndim == a_aval.ndim - 1
    place = b_aval.ndim if left_side else b_aval.ndim - 1
    if single:
        b = expand_dims(b, (place,))
    (x,) = triangular_solve_p.bind(a, b, left_side=bool(left_side), lower=bool(lower), transpose_a=bool(transpose_a),
                                   conjugate_a=conjugate_a, unit_diagonal=bool(unit_diagonal))
    return squeeze(x, (place,)) if single else x
