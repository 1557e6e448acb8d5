"""The LU decomposition with partial pivoting."""

from __future__ import annotations

import numpy as np

from ferax._src.engine import custom_calls
from ferax._src.ops.base import add, inline, operand
from ferax._src.ops.broadcasting import broadcast_in_dim
from ferax._src.ops.compare import eq
from ferax._src.ops.dynamic_slicing import dynamic_index_in_dim, dynamic_update_index_in_dim
from ferax._src.ops.elementwise import sub
from ferax._src.ops.gather import gather, take_along
from ferax._src.ops.indexing import GatherDimensionNumbers, GatherScatterMode
from ferax._src.ops.joining import concatenate
from ferax._src.ops.linalg_lapack import gpu_prefix, info_aval, kernel_call, lapack_call, nan_where_failed, solver_call
from ferax._src.ops.linalg_matrices import MatrixPrimitive, matmul, repeat, tril, triu
from ferax._src.ops.linalg_triangular import triangular_solve
from ferax._src.ops.select import select
from ferax._src.ops.shape import broadcasted_iota
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import as_static_int
from ferax._src.tracing.core import Zero, register
from ferax._src.types.avals import aval_of

_INT32 = np.dtype(np.int32)


class LU(MatrixPrimitive):
    """``x[permutation] = l u``, l with ones on its diagonal and u share one matrix; and ``pivots``.

    ``pivots[i]`` is the row that row i was swapped with, in the order of i. A singular u has a zero on its diagonal.
    """

    name = "lu"

    def shapes(self, x):
        return [x, (min(x),), (x[0],)]

    def dtypes(self, count, x):
        return [x.dtype, _INT32, _INT32]

    def lower(self, ctx, x):
        (aval,) = ctx.avals_in
        lu_aval, pivots_aval, _ = ctx.avals_out
        if ctx.platform == "tpu":
            return ctx.custom_call("LuDecomposition", [x], backend_config="", api_version=2)
        if pivots_aval.size == 0:
            factors, pivots = x, ctx.const(0, pivots_aval)
        else:
            call = lapack_call if ctx.platform == "cpu" else solver_call
            info = info_aval(aval.shape[:-2])
            factors, pivots, failed = call(ctx, "getrf", [x], [aval], [lu_aval, pivots_aval, info], aliases={0: 0})
            pivots = ctx.elementwise("stablehlo.subtract", pivots, ctx.const(1, pivots_aval))
            (factors,) = nan_where_failed(ctx, failed, [factors], [lu_aval], ok="GE")
        (permutation,) = inline(ctx, lu_pivots_to_permutation, [pivots], [pivots_aval], {"permutation_size": aval.shape[-2]})
        return [factors, pivots, permutation]

    def jvp(self, primals, tangents):
        """The derivative of both factors, from ``P dx = dl u + l du``.

        For a square x, ``l^-1 P dx u^-1 = l^-1 dl + du u^-1``, of which the first term is strictly lower triangular, the second
        upper triangular. Otherwise that holds for the square parts, and the remaining rows of l, or columns of u, follow.
        """
        lu, pivots, permutation = outs = self.bind(*primals)
        (t,) = tangents
        if type(t) is Zero or t.size == 0:
            return outs, [Zero.of(out) for out in outs]
        m, n = aval_of(lu).shape[-2:]
        k = min(m, n)
        t = permute_rows(t, permutation)
        rows, columns = aval_of(lu).ndim - 2, aval_of(lu).ndim - 1
        top = slice_in_dim(lu, 0, k, axis=rows)
        square = slice_in_dim(top, 0, k, axis=columns)
        first = t if n == k else slice_in_dim(t, 0, k, axis=columns)
        right = triangular_solve(square, first)                         # dx u^-1
        inner = slice_in_dim(right, 0, k, axis=rows)
        inner = triangular_solve(square, inner, left_side=True, lower=True, unit_diagonal=True)
        below, above = tril(inner, -1), triu(inner)
        found = add(add(below, matmul(tril(square, -1), below)), matmul(above, triu(square)))
        if m > n:
            rest = sub(slice_in_dim(right, k, m, axis=rows), matmul(slice_in_dim(lu, k, m, axis=rows), above))
            found = concatenate([found, rest], rows)
        if n > m:
            rest = triangular_solve(square, slice_in_dim(t, k, n, axis=columns), left_side=True, lower=True, unit_diagonal=True)
            found = concatenate([found, sub(rest, matmul(below, slice_in_dim(lu, k, n, axis=columns)))], columns)
        return outs, [found, Zero.of(pivots), Zero.of(permutation)]


class PivotsToPermutation(MatrixPrimitive):
    """The permutation that swaps element i with element ``pivots[i]``, for one i after the other."""

    name = "lu_pivots_to_permutation"
    ranks = (1,)
    accepts = ("i",)

    def shapes(self, pivots, *, permutation_size):
        if permutation_size < pivots[0]:
            raise ValueError(f"Output permutation size {permutation_size} has to exceed the trailing dimension of the pivots. "
                             f"Got pivots size {pivots[0]}")
        return [(permutation_size,)]

    def abstract_eval(self, pivots, *, permutation_size):
        if pivots.dtype != _INT32:
            raise TypeError(f"lu_pivots_to_permutation does not accept dtype {pivots.dtype} at position 0. Accepted dtypes at "
                            "position 0 are subtypes of int32.")
        return super().abstract_eval(pivots, permutation_size=permutation_size)

    def lower(self, ctx, pivots, *, permutation_size):
        (aval,), (out,) = ctx.avals_in, ctx.avals_out
        if ctx.platform == "gpu" and aval.size:
            custom_calls.ensure_gpu("linalg", ctx.gpu_kind.upper())
            return kernel_call(ctx, f"{gpu_prefix(ctx)}_lu_pivots_to_permutation", [pivots], [aval], [out], core_ndim=1)
        start = ctx.op("stablehlo.iota", (), [ctx.type(out)], {"iota_dimension": ctx.i64(out.ndim - 1)}).result
        if aval.size == 0:
            return [start]
        return repeat(ctx, aval.shape[-1], _swap, [start, pivots], [out, aval])[:1]


def _swap(i, permutation, pivots):
    """Swap element i with element ``pivots[i]``."""
    last = permutation.ndim - 1
    j = dynamic_index_in_dim(pivots, i, last)
    here, there = dynamic_index_in_dim(permutation, i, last), take_along(permutation, j, last)
    spread = lambda x: broadcast_in_dim(x, permutation.shape, tuple(range(last + 1)))
    place = broadcasted_iota(_INT32, permutation.shape, last)
    permutation = select(eq(place, spread(j)), spread(here), permutation)
    return [dynamic_update_index_in_dim(permutation, there, i, last), pivots]


def permute_rows(x, order):
    """Row ``order[i]`` of a matrix as row i, for indices that are in range."""
    aval = aval_of(x)
    n = aval.ndim - 2
    batch = tuple(range(n))
    numbers = GatherDimensionNumbers(offset_dims=(n + 1,), collapsed_slice_dims=(n,), start_index_map=(n,),
                                     operand_batching_dims=batch, start_indices_batching_dims=batch)
    order = broadcast_in_dim(order, (*aval_of(order).shape, 1), tuple(range(n + 1)))
    sizes = (*[min(1, size) for size in aval.shape[:-1]], aval.shape[-1])
    return gather(x, order, numbers, sizes, unique_indices=True,
                  mode=GatherScatterMode.PROMISE_IN_BOUNDS)


lu_p = register(LU())
lu_pivots_to_permutation_p = register(PivotsToPermutation())


def lu(x):
    """Factor matrices into a lower triangular one with ones on its diagonal and an upper triangular one, rows permuted.

    Parameters
    ----------
    x : array, shape (..., m, n)

    Returns
    -------
    [lu, pivots, permutation]
        lu of shape (..., m, n) holds the factors, without the ones; pivots of shape (..., min(m, n)) is int32, and row i was
        swapped with row ``pivots[i]``; permutation of shape (..., m) is the result of these swaps: ``x[permutation] = l @ u``

    Raises
    ------
    TypeError : if the dtype is not floating or complex, or there are fewer than two dimensions.
    """
    return lu_p.bind(operand("lu", x))


def lu_pivots_to_permutation(pivots, permutation_size):
    """The permutation that a sequence of swaps makes, of element i with element ``pivots[i]``.

    Parameters
    ----------
    pivots : array of int32, shape (..., k)
    permutation_size : int, at least k

    Returns
    -------
    array of int32, shape (..., permutation_size)
    """
    pivots = operand("lu_pivots_to_permutation", pivots)
    return lu_pivots_to_permutation_p.bind(pivots, permutation_size=as_static_int(permutation_size, "permutation_size"))[0]
