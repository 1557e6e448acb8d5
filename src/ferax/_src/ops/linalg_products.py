"""Products of matrices that are symmetric."""

from __future__ import annotations

from ferax._src.engine import custom_calls
from ferax._src.ops.base import FLOAT, add, inline, operand
from ferax._src.ops.linalg_lapack import LETTERS, gpu_prefix, kernel_call
from ferax._src.ops.linalg_matrices import MatrixPrimitive, matmul, mT, scale, tril
from ferax._src.tracing.core import Tracer, Zero, register
from ferax._src.types.avals import ShapedArray
from ferax._src.util import errors


class SymmetricProduct(MatrixPrimitive):
    """``alpha a a^T + beta c`` for symmetric c; where the platform has it, only its lower triangle is computed."""

    name = "symmetric_product"
    ranks = (2, 2)
    accepts = (FLOAT, FLOAT)

    def shapes(self, a, c, *, alpha, beta):
        if c != (a[0], a[0]):
            raise ValueError("symmetric_product expects a rectangular matrix of shape (m, n) and a square matrix of shape "
                             f"(m, m). Got shapes {a} and {c}.")
        return [c]

    def lower(self, ctx, a, c, *, alpha, beta):
        a_aval, c_aval = ctx.avals_in
        if ctx.platform == "gpu" and a_aval.dtype in LETTERS and a_aval.size:
            custom_calls.ensure_gpu("solver", ctx.gpu_kind.upper())
            number = ShapedArray((), a_aval.dtype)
            return kernel_call(
                ctx, f"{gpu_prefix(ctx)}solver_syrk_ffi", [a, c, ctx.const(alpha, number), ctx.const(beta, number)],
                [a_aval, c_aval, number, number], ctx.avals_out, {"transpose": False}, {0: 1}, row_major=True)
        return inline(ctx, _sum_of_products, [a, c], ctx.avals_in, {"alpha": alpha, "beta": beta})

    def jvp(self, primals, tangents, *, alpha, beta):
        (a, _), (t_a, t_c) = primals, tangents
        outs = self.bind(*primals, alpha=alpha, beta=beta)
        terms = []
        if type(t_a) is not Zero:
            half = scale(matmul(t_a, mT(a)), alpha)
            terms.append(add(half, mT(half)))
        if type(t_c) is not Zero:
            terms.append(scale(t_c, beta))
        if not terms:
            return outs, [Zero.of(outs[0])]
        return outs, [terms[0] if len(terms) == 1 else add(*terms)]


def _sum_of_products(a, c, *, alpha, beta):
    return add(scale(matmul(a, mT(a)), alpha), scale(c, beta))


symmetric_product_p = register(SymmetricProduct())


def symmetric_product(a_matrix, c_matrix, *, alpha=1.0, beta=0.0, symmetrize_output=False):
    """The symmetric matrix ``alpha * a @ a^T + beta * c``.

    Parameters
    ----------
    a_matrix : array, shape (..., m, n), of real numbers
    c_matrix : array of the same dtype, shape (..., m, m), symmetric
    alpha, beta : float
    symmetrize_output : whether to write the lower triangle of the result over the upper one, too

    Returns
    -------
    array, shape (..., m, m); only its lower triangle is sure to hold the result on all platforms, unless symmetrized

    Raises
    ------
    TypeError : if dtypes are not floating, or differ, or ``alpha`` and ``beta`` are not numbers known while tracing.
    ValueError : if the shapes do not fit.
    """
    a, c = operand("symmetric_product", a_matrix, 0), operand("symmetric_product", c_matrix, 1)
    for name, number in (("alpha", alpha), ("beta", beta)):
        if isinstance(number, Tracer):
            raise errors.ConcretizationTypeError(number, f"symmetric_product: {name} must be a number known while tracing")
    (out,) = symmetric_product_p.bind(a, c, alpha=float(alpha), beta=float(beta))
    return add(tril(out), mT(tril(out, -1))) if symmetrize_output else out
