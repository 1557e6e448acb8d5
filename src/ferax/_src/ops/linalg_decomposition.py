"""What the spectral decompositions of one matrix have in common: empty operands, arguments, and the algebra of their derivatives."""

from __future__ import annotations

import enum

import numpy as np

from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import mul, reciprocal
from ferax._src.ops.linalg_matrices import MatrixPrimitive, eye
from ferax._src.ops.select import select
from ferax._src.ops.slicing import slice_p
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of


class Decomposition(MatrixPrimitive):
    """A decomposition of matrices, each by itself."""

    def lower(self, ctx, x, **params):
        if ctx.avals_in[0].size == 0:
            return [of_nothing(ctx, out) for out in ctx.avals_out]
        return self.lower_matrices(ctx, x, **params)

    def lower_matrices(self, ctx, x, **params):
        """`lower` for operands that are not empty."""
        raise NotImplementedError


def of_nothing(ctx, out):
    """A result for an operand without elements: if it has elements all the same, it is the basis of a whole space."""
    if out.size == 0:
        return ctx.const(0, out)
    eyes = np.broadcast_to(np.eye(out.shape[-1], dtype=out.dtype), out.shape)
    return ctx.const(np.ascontiguousarray(eyes))


# --- arguments ----------------------------------------------------------------------------------

def checked_range(name: str, subset, size: int) -> tuple[int, int]:
    """The bounds of ``subset_by_index``, which chooses of ``size`` values in order; None chooses all."""
    if subset is None:
        return 0, size
    start, end = subset
    if not 0 <= start <= end <= size:
        raise ValueError(f"{name}: subset_by_index must be a range (start, end) with 0 <= start <= end <= {size}, got {subset}")
    return start, end


def as_range(name: str, subset) -> tuple[int, int] | None:
    """``subset_by_index`` as a pair of int, or None.

    Raises
    ------
    ValueError : if it is neither.
    """
    if subset is None:
        return None
    try:
        start, end = [i.__index__() for i in subset]
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: subset_by_index must be None or a pair of int, got {subset!r}") from error
    return start, end


def check_choice(name: str, argument: str, value, choices: type[enum.Enum]):
    """``value``, which must be a member of an enum or None.

    Raises
    ------
    ValueError : if it is neither.
    """
    if value is None or isinstance(value, choices):
        return value
    members = ", ".join(f"{choices.__name__}.{c.name}" for c in choices)
    raise ValueError(f"{name}: {argument} must be None or one of {members}; got {value!r}")


# --- algebra ------------------------------------------------------------------------------------

def as_row(x):
    """Vectors as matrices of one row: their elements belong to columns."""
    return expand_dims(x, (aval_of(x).ndim - 1,))


def as_column(x):
    """Vectors as matrices of one column: their elements belong to rows."""
    return expand_dims(x, (aval_of(x).ndim,))


def times(x, y):
    """Product of elements, of real or complex ``x`` and real ``y``; sizes of 1 are repeated."""
    return mul(x, convert(y, aval_of(x).dtype))


def on_diagonal(x):
    """Where the diagonals of square matrices are."""
    return eye(dtypes.bool_, aval_of(x).shape)


def off_diagonal_reciprocal(x):
    """``1 / x`` off the diagonals of square matrices, and 0 on them."""
    on, dtype = on_diagonal(x), aval_of(x).dtype
    return select(on, dtype.type(0), reciprocal(select(on, dtype.type(1), x)))


def part(x, axis: int, start: int, end: int):
    """``x[..., start:end, ...]`` along an axis."""
    shape = aval_of(x).shape
    if (start, end) == (0, shape[axis]):
        return x
    axis %= len(shape)
    return slice_p.bind(x, start_indices=(0,) * axis + (start,) + (0,) * (len(shape) - axis - 1),
                        limit_indices=(*shape[:axis], end, *shape[axis + 1:]), strides=None)[0]


def cut(ctx, value, aval, axis: int, start: int, end: int):
    """`part` of an MLIR value of type ``aval``, for lowering rules."""
    if (start, end) == (0, aval.shape[axis]):
        return value
    axis %= aval.ndim
    starts, limits = [0] * aval.ndim, list(aval.shape)
    starts[axis], limits[axis] = start, end
    shape = tuple([b - a for a, b in zip(starts, limits)])
    return ctx.op("stablehlo.slice", (value,), [ctx.tensor(shape, aval.dtype)], {
        "start_indices": ctx.i64s(starts), "limit_indices": ctx.i64s(limits), "strides": ctx.i64s((1,) * aval.ndim)}).result
