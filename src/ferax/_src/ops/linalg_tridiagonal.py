"""Linear systems with tridiagonal matrices."""

from __future__ import annotations

from ferax._src.engine import custom_calls
from ferax._src.ops.axes import move_axis
from ferax._src.ops.base import INEXACT, add, inline, operand
from ferax._src.ops.broadcasting import broadcast_in_dim
from ferax._src.ops.dynamic_slicing import dynamic_index_in_dim, dynamic_update_index_in_dim
from ferax._src.ops.elementwise import div, mul, neg, sub
from ferax._src.ops.linalg_lapack import (
    LETTERS,
    gpu_prefix,
    info_aval,
    kernel_call,
    lapack_call,
    nan_where_failed,
    unsupported_dtype,
)
from ferax._src.ops.linalg_matrices import MatrixPrimitive, repeat
from ferax._src.ops.shape import reshape, rev
from ferax._src.ops.slicing import pad
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.tracing.core import Zero, register
from ferax._src.types.avals import ShapedArray, aval_of


class TridiagonalSolve(MatrixPrimitive):
    """``x`` with ``a x = b``, where row i of a has ``dl[i]``, ``d[i]``, ``du[i]`` on and beside its diagonal."""

    name = "tridiagonal_solve"
    ranks = (1, 1, 1, 2)
    accepts = (INEXACT,) * 4

    def shapes(self, dl, d, du, b, *, perturb_singular):
        if not dl == d == du:
            raise TypeError("tridiagonal_solve requires that all diagonal arguments have the same shape; got "
                            f"{dl}, {d} and {du}.")
        if d != b[:-1]:
            raise TypeError("tridiagonal_solve requires that the leading ndim-1 dimensions of b equal the dimensions of the "
                            f"diagonal arguments; got {b} and {d}.")
        return [b]

    def lower(self, ctx, dl, d, du, b, *, perturb_singular):
        operands, avals, aval = [dl, d, du, b], ctx.avals_in, ctx.avals_in[3]
        if aval.size == 0:
            return [b]
        n = aval.shape[-2]
        if ctx.platform in ("cpu", "gpu"):
            if aval.dtype not in LETTERS:
                raise unsupported_dtype("tridiagonal_solve", aval.dtype)
            if perturb_singular and ctx.platform == "cpu":
                custom_calls.ensure_lapack()
                return kernel_call(ctx, "tridiagonal_solve_perturbed_ffi", operands, avals, [aval])
            if perturb_singular:
                custom_calls.ensure_gpu("linalg", ctx.gpu_kind.upper())
                return kernel_call(ctx, f"{gpu_prefix(ctx)}_tridiagonal_solve_perturbed", operands, avals, [aval])
            if ctx.platform == "cpu":
                results = [*avals, info_aval(aval.shape[:-2])]
                *_, x, failed = lapack_call(ctx, "gtsv", operands, avals, results, aliases={i: i for i in range(4)})
                return nan_where_failed(ctx, failed, [x], [aval])
            if n >= 3:                          # cuSPARSE asks for as many
                custom_calls.ensure_gpu("sparse", ctx.gpu_kind.upper())
                return kernel_call(ctx, f"{gpu_prefix(ctx)}sparse_gtsv2_ffi", operands, avals, [aval], aliases={0: 3})
        if perturb_singular:
            raise NotImplementedError(f"tridiagonal_solve: perturb_singular=True is not supported on {ctx.platform}")
        return _by_elimination(ctx, operands, avals)

    def jvp(self, primals, tangents, **params):
        """From ``a x = b``: ``a dx = db - da x``."""
        *diagonals, b = primals
        *changes, t_b = tangents
        outs = self.bind(*diagonals, b, **params)
        (x,) = outs
        if not all([type(t) is Zero for t in changes]):
            product = neg(_product(*[instantiate_zeros(t) for t in changes], x))
            t_b = product if type(t_b) is Zero else add(t_b, product)
        return outs, [Zero.of(x)] if type(t_b) is Zero else self.bind(*diagonals, t_b, **params)

    def transpose(self, cts, dl, d, du, b, **params):
        (ct,) = cts
        if any([isinstance(x, ShapedArray) for x in (dl, d, du)]):
            raise self.missing_rule("transpose", "a transpose for the diagonals: it is linear in `b` only")
        if type(ct) is Zero:
            return [None, None, None, ct]
        return [None, None, None, self.bind(_shifted(du, 1), d, _shifted(dl, -1), ct, **params)[0]]

    def batch(self, axis, args, dims, **params):
        if any([d is not None for d in dims[:3]]):
            return super().batch(axis, args, dims, **params)
        *diagonals, b = args                    # one matrix for all: they are as many more columns of b
        last = aval_of(b).ndim - 1
        b = move_axis(b, dims[3], last)
        flat = reshape(b, (*b.shape[:-2], b.shape[-2] * b.shape[-1]))
        (x,) = self.bind(*diagonals, flat, **params)
        return [reshape(x, b.shape)], [last]


def _shifted(x, by: int):
    """The elements of vectors moved by one place, and a zero where none comes."""
    low, high = (1, -1) if by > 0 else (-1, 1)
    return pad(x, aval_of(x).dtype.type(0), [(0, 0, 0)] * (aval_of(x).ndim - 1) + [(low, high, 0)])


def _product(dl, d, du, x):
    """A tridiagonal matrix times others."""
    n = x.ndim - 2
    spread = lambda v: broadcast_in_dim(v, x.shape, tuple(range(n + 1)))
    none = [(0, 0, 0)] * n
    zero = x.dtype.type(0)
    before = pad(x, zero, [*none, (1, -1, 0), (0, 0, 0)])
    after = pad(x, zero, [*none, (-1, 1, 0), (0, 0, 0)])
    return add(add(mul(spread(dl), before), mul(spread(d), x)), mul(spread(du), after))


# --- without a kernel ---------------------------------------------------------------------------

def _by_elimination(ctx, operands, avals) -> list:
    """Gaussian elimination without pivoting, Thomas's algorithm, for where no kernel is.

    Golub and Van Loan, Matrix Computations, section 4.3. The rows are in the first dimension meanwhile, and the last ones first
    in the second pass.
    """
    aval = avals[3]
    n = aval.ndim - 2
    diagonal = ShapedArray((aval.shape[-2], *aval.shape[:-2]), aval.dtype)
    kinds = [diagonal, diagonal, diagonal, ShapedArray((*diagonal.shape, aval.shape[-1]), aval.dtype)]
    steps = aval.shape[-2] - 1
    values = inline(ctx, _rows_first, operands, avals, {})
    values = repeat(ctx, steps, _eliminate, values, kinds)
    values = inline(ctx, _scaled, values, kinds, {})
    x = repeat(ctx, steps, _substitute, values, kinds)[3]
    return inline(ctx, _rows_back, [x], [kinds[3]], {"place": n})


def _rows_back(x, *, place):
    return move_axis(rev(x, (0,)), 0, place)


def _rows_first(dl, d, du, b):
    return [*[move_axis(x, x.ndim - 1, 0) for x in (dl, d, du)], move_axis(b, b.ndim - 2, 0)]


def _row(x, i):
    return dynamic_index_in_dim(x, i, 0, keepdims=False)


def _times(numbers, rows):
    return mul(broadcast_in_dim(numbers, rows.shape, tuple(range(rows.ndim - 1))), rows)


def _eliminate(i, dl, d, du, b):
    """Subtract row i, as often as it takes, from the next one."""
    j = add(i, 1)
    factor = div(_row(dl, j), _row(d, i))
    d = dynamic_update_index_in_dim(d, sub(_row(d, j), mul(factor, _row(du, i))), j, 0)
    b = dynamic_update_index_in_dim(b, sub(_row(b, j), _times(factor, _row(b, i))), j, 0)
    return [dl, d, du, b]


def _scaled(dl, d, du, b):
    """Each row divided by its diagonal element, and the rows in reverse order."""
    spread = broadcast_in_dim(d, b.shape, tuple(range(d.ndim)))
    return [dl, d, rev(div(du, d), (0,)), rev(div(b, spread), (0,))]


def _substitute(i, dl, d, du, x):
    """The next element of the solution, from the one before."""
    j = add(i, 1)
    return [dl, d, du, dynamic_update_index_in_dim(x, sub(_row(x, j), _times(_row(du, j), _row(x, i))), j, 0)]


tridiagonal_solve_p = register(TridiagonalSolve())


def tridiagonal_solve(dl, d, du, b, *, perturb_singular=False):
    """Solve linear systems with tridiagonal matrices: ``a @ x = b``.

    Parameters
    ----------
    dl : array, shape (..., n): ``dl[i]`` is ``a[i, i - 1]``; ``dl[0]`` must be 0
    d : array, shape (..., n): the diagonal
    du : array, shape (..., n): ``du[i]`` is ``a[i, i + 1]``; ``du[n - 1]`` must be 0
    b : array of the same dtype, shape (..., n, k)
    perturb_singular : whether to make pivots that are nearly zero large enough for a finite result, as inverse iteration
        for eigenvectors needs it; on CPUs and GPUs

    Returns
    -------
    array, shape (..., n, k); nan where the matrix is singular

    Raises
    ------
    TypeError : if dtypes are not floating or complex, or differ, or the shapes do not fit.
    """
    operands = [operand("tridiagonal_solve", x, i) for i, x in enumerate((dl, d, du, b))]
    return tridiagonal_solve_p.bind(*operands, perturb_singular=bool(perturb_singular))[0]
