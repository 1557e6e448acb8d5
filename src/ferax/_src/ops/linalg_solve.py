"""Linear systems whose matrix has been factored already."""

from __future__ import annotations

import numpy as np

from ferax._src.ops.axes import move_axis
from ferax._src.ops.base import INEXACT, check_same_dtypes, inline
from ferax._src.ops.elementwise import neg, sub
from ferax._src.ops.linalg_lu import permute_rows
from ferax._src.ops.linalg_matrices import MatrixPrimitive, matmul, mT
from ferax._src.ops.linalg_triangular import triangular_solve
from ferax._src.ops.shape import broadcasted_iota, reshape
from ferax._src.ops.sort import sort_key_val
from ferax._src.tracing.core import Zero, register
from ferax._src.types.avals import ShapedArray, aval_of


class LUSolve(MatrixPrimitive):
    """``x`` with ``a x = b``, or ``a^T x = b``, by the LU decomposition of a.

    The factors are there to find x; x depends on a and b. So the derivative is that of the equation, and that of the
    factors is nobody's concern: they are taken for constants.
    """

    name = "lu_solve"
    ranks = (2, 2, 1, 2)
    accepts = (INEXACT, INEXACT, "i", INEXACT)
    mixes_dtypes = True

    def shapes(self, a, factors, order, b, *, transposed):
        n = b[0]
        if a != (n, n) or factors != (n, n) or order != (n,):
            raise ValueError(f"lu_solve: a matrix of shape {a} and factors of shapes {factors} and {order} do not fit a right "
                             f"side of shape {b}")
        return [b]

    def abstract_eval(self, a, factors, order, b, *, transposed):
        check_same_dtypes("lu_solve", [a, factors, b])
        return super().abstract_eval(a, factors, order, b, transposed=transposed)

    def lower(self, ctx, a, factors, order, b, *, transposed):
        if ctx.avals_out[0].size == 0:
            return [b]
        return inline(ctx, _by_transposed_factors if transposed else _by_factors, [factors, order, b], ctx.avals_in[1:], {})

    def jvp(self, primals, tangents, *, transposed):
        """From ``a x = b``: ``a dx = db - da x``."""
        a, factors, order, b = primals
        t_a, _, _, t_b = tangents
        (x,) = self.bind(a, factors, order, b, transposed=transposed)
        if type(t_a) is not Zero:
            product = matmul(mT(t_a) if transposed else t_a, x)
            t_b = neg(product) if type(t_b) is Zero else sub(t_b, product)
        if type(t_b) is Zero:
            return [x], [Zero.of(x)]
        return [x], self.bind(a, factors, order, t_b, transposed=transposed)

    def transpose(self, cts, a, factors, order, b, *, transposed):
        (ct,) = cts
        if any([isinstance(x, ShapedArray) for x in (a, factors, order)]):
            raise self.missing_rule("transpose", "a transpose for the matrix: it is linear in `b` only")
        return [None, None, None, ct if type(ct) is Zero else self.bind(a, factors, order, ct, transposed=not transposed)[0]]

    def batch(self, axis, args, dims, **params):
        if any([d is not None for d in dims[:3]]):
            return super().batch(axis, args, dims, **params)
        *matrix, b = args                       # one matrix for all: they are as many more columns of b
        last = aval_of(b).ndim - 1
        b = move_axis(b, dims[3], last)
        (x,) = self.bind(*matrix, reshape(b, (*b.shape[:-2], b.shape[-2] * b.shape[-1])), **params)
        return [reshape(x, b.shape)], [last]


def _by_factors(factors, order, b):
    """``a = P^T l u``, so ``x = u^-1 l^-1 P b``."""
    y = triangular_solve(factors, permute_rows(b, order), left_side=True, lower=True, unit_diagonal=True)
    return triangular_solve(factors, y, left_side=True)


def _by_transposed_factors(factors, order, b):
    """``a^T = u^T l^T P``, so ``x = P^T l^-T u^-T b``."""
    y = triangular_solve(factors, b, left_side=True, transpose_a=True)
    y = triangular_solve(factors, y, left_side=True, lower=True, unit_diagonal=True, transpose_a=True)
    return permute_rows(y, inverse_permutation(order))


def inverse_permutation(order):
    """The inverses of permutations, which are vectors of int32."""
    place = broadcasted_iota(np.dtype(np.int32), order.shape, order.ndim - 1)
    return sort_key_val(order, place, is_stable=False)[1]


lu_solve_p = register(LUSolve())


def lu_solve(a, factors, order, b, *, transposed: bool = False):
    """Solve ``a @ x = b``, or ``a^T @ x = b``, where ``factors, _, order = lu(a)`` is known.

    Parameters
    ----------
    a : array, shape (..., n, n)
    factors, order : arrays of shapes (..., n, n) and (..., n); constants as far as derivatives are concerned
    b : array, shape (..., n, k)
    transposed : whether to solve with the transpose of a

    Returns
    -------
    array, shape (..., n, k); inf or nan where ``a`` is singular
    """
    return lu_solve_p.bind(a, factors, order, b, transposed=transposed)[0]
