"""What the operations of linear algebra share: batches of matrices as operands, and small tools for their rules.

Operands have batch dimensions, then the dimensions of one matrix or vector. All operands of an operation have the same
batch dimensions, and `vmap` adds one more in front.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ferax._src.ops.axes import place_axis
from ferax._src.ops.base import INEXACT, add, check_same_dtypes, inline, kinds_text
from ferax._src.ops.broadcasting import broadcast_in_dim_p, reduce_sum_p, transpose_p
from ferax._src.ops.compare import eq, ge
from ferax._src.ops.convert import convert
from ferax._src.ops.dot import dot_general_p
from ferax._src.ops.elementwise import mul
from ferax._src.ops.elementwise_complex import conj
from ferax._src.ops.precision import Precision
from ferax._src.ops.select import select
from ferax._src.ops.shape import broadcasted_iota
from ferax._src.tracing.core import Primitive
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of

_INT32 = np.dtype(np.int32)


class MatrixPrimitive(Primitive):
    """An operation on matrices, for each index of the batch dimensions.

    A subclass has ``ranks``, how many dimensions one matrix or vector has for each operand; ``accepts``, the letters of the
    kinds of dtype for each operand; and `shapes`, which checks the shapes without the batch and answers those of the results.
    """

    ranks: tuple[int, ...] = (2,)
    accepts: tuple[str, ...] = (INEXACT,)
    mixes_dtypes = False
    batches = True                      # whether there may be batch dimensions

    def shapes(self, *shapes: tuple[int, ...], **params) -> list[tuple[int, ...]]:
        """The shapes of the results, from those of the operands; without the batch dimensions."""
        raise NotImplementedError

    def dtypes(self, count: int, *avals: ShapedArray, **params) -> list:
        """The dtypes of the results."""
        return [avals[0].dtype] * count

    def abstract_eval(self, *avals, **params):
        check_kinds(self, avals)
        batch, shapes = split_batch(self.name, avals, self.ranks, self.batches)
        found = self.shapes(*shapes, **params)
        weak = all([a.weak_type for a in avals])
        return [ShapedArray(batch + tuple(shape), dtype, weak)
                for shape, dtype in zip(found, self.dtypes(len(found), *avals, **params), strict=True)]

    def batch(self, axis, args, dims, **params):
        outs = self.bind(*[place_axis(x, d, axis.size, 0) for x, d in zip(args, dims)], **params)
        return outs, [0] * len(outs)


def check_kinds(primitive: MatrixPrimitive, avals) -> None:
    """Check the dtypes of operands.

    Raises
    ------
    TypeError : if one is not accepted, or they differ and the primitive does not mix them.
    """
    for i, (aval, accepts) in enumerate(zip(avals, primitive.accepts, strict=True)):
        if dtypes.kind_of(aval.dtype) not in accepts:
            raise TypeError(f"{primitive.name} does not accept dtype {dtypes.dtype_name(aval.dtype)} at position {i}. "
                            f"Accepted dtypes at position {i} are subtypes of {kinds_text(accepts)}.")
    if not primitive.mixes_dtypes:
        check_same_dtypes(primitive.name, avals)


def split_batch(name: str, avals, ranks: Sequence[int], batches: bool = True) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """The batch dimensions of the operands, and the rest of their shapes.

    Raises
    ------
    TypeError : if an operand has too few dimensions, or any batch dimensions where ``batches`` is False, or if the numbers
        of batch dimensions differ.
    ValueError : if the sizes of batch dimensions differ.
    """
    for i, (aval, rank) in enumerate(zip(avals, ranks)):
        if aval.ndim < rank:
            raise TypeError(f"Input {i} to {name} must have rank at least {rank}, but got shape={aval.shape}")
        if not batches and aval.ndim != rank:
            raise TypeError(f"Input {i} to {name} must have a rank of exactly {rank}, but got shape={aval.shape}")
    batch = [a.shape[:a.ndim - rank] for a, rank in zip(avals, ranks)]
    counts = [len(b) for b in batch]
    if len(set(counts)) > 1:
        raise TypeError(f"All inputs to {name} must have the same number of batch dimensions, but got {counts} batch dimensions "
                        "for the inputs.")
    if len(set(batch)) > 1:
        raise ValueError(f"All inputs to {name} must have the same batch dimensions, but got "
                         f"{', '.join([str(a.shape) for a in avals])}.")
    return batch[0], [a.shape[n:] for a, n in zip(avals, counts)]


def check_square(name: str, shape) -> int:
    """The size of a square matrix.

    Raises
    ------
    ValueError : if it is not square.
    """
    if shape[0] != shape[1]:
        raise ValueError(f"The input to {name} must be a square matrix. Got shape {tuple(shape)}.")
    return shape[0]


# --- tools --------------------------------------------------------------------------------------

def mT(x):  # noqa: N802 (the field's name)
    """The transposes of matrices."""
    n = aval_of(x).ndim
    return transpose_p.bind(x, permutation=(*range(n - 2), n - 1, n - 2))[0]


def mH(x):  # noqa: N802
    """The conjugate transposes of matrices."""
    return mT(conjugate(x))


def conjugate(x):
    """The complex conjugate; real numbers are their own."""
    return conj(x) if dtypes.kind_of(aval_of(x).dtype) == "c" else x


def matmul(x, y):
    """The products of matrices with equal batch dimensions, in full precision."""
    n = aval_of(x).ndim
    batch = tuple(range(n - 2))
    return dot_general_p.bind(x, y, dimension_numbers=(((n - 1,), (n - 2,)), (batch, batch)), preferred_element_type=None,
                              precision=(Precision.HIGHEST, Precision.HIGHEST), out_sharding=None)[0]


def scale(x, number: float):
    """An array times a number of Python."""
    return mul(x, number)


def hermitian_part(x):
    """``(x + x^H) / 2``."""
    return scale(add(x, mH(x)), 0.5)


def _rows_and_columns(shape):
    return [broadcasted_iota(_INT32, shape[-2:], d) for d in (0, 1)]


def spread(x, shape):
    """A matrix repeated for each index of batch dimensions: to ``shape``."""
    n = len(shape)
    if n == 2:
        return x
    return broadcast_in_dim_p.bind(x, shape=tuple(shape), broadcast_dimensions=(n - 2, n - 1), sharding=None)[0]


def tril(x, k: int = 0):
    """The lower triangles: elements above the k-th diagonal become zero."""
    aval = aval_of(x)
    row, column = _rows_and_columns(aval.shape)
    return select(spread(ge(add(row, np.int32(k)) if k else row, column), aval.shape), x, aval.dtype.type(0))


def triu(x, k: int = 0):
    """The upper triangles: elements below the k-th diagonal become zero."""
    aval = aval_of(x)
    row, column = _rows_and_columns(aval.shape)
    return select(spread(ge(column, add(row, np.int32(k)) if k else row), aval.shape), x, aval.dtype.type(0))


def eye(dtype, shape):
    """Matrices with ones on the diagonal: of ``shape``, batch dimensions included."""
    row, column = _rows_and_columns(shape)
    return spread(convert(eq(row, column), dtype), shape)


def diagonal(x):
    """The diagonals of square matrices."""
    n = aval_of(x).ndim
    masked = select(spread(eq(*_rows_and_columns(x.shape)), x.shape), x, x.dtype.type(0))
    return reduce_sum_p.bind(masked, axes=(n - 1,), out_sharding=None)[0]


def scale_rows(x, numbers):
    """Matrices with row i times ``numbers[..., i]``."""
    n = aval_of(x).ndim
    factors = broadcast_in_dim_p.bind(numbers, shape=x.shape, broadcast_dimensions=tuple(range(n - 1)), sharding=None)[0]
    return mul(x, factors)


def scale_columns(x, numbers):
    """Matrices with column j times ``numbers[..., j]``."""
    n = aval_of(x).ndim
    kept = (*range(n - 2), n - 1)
    return mul(x, broadcast_in_dim_p.bind(numbers, shape=x.shape, broadcast_dimensions=kept, sharding=None)[0])


def constant(value, shape, dtype):
    """An array of one number."""
    return broadcast_in_dim_p.bind(dtype.type(value), shape=tuple(shape), broadcast_dimensions=(), sharding=None)[0]


def repeat(ctx, count: int, step, values: Sequence, avals: Sequence[ShapedArray], **params) -> list:
    """A loop in a lowering: ``step(i, *arrays, **params) -> arrays``, a function on arrays, for i = 0, ..., count - 1.

    Parameters
    ----------
    values, avals : MLIR values that the loop starts from, and their types
    """
    index = ShapedArray((), _INT32)
    one, end = ctx.const(1, index), ctx.const(count, index)

    def body(i, *carry):
        return [ctx.elementwise("stablehlo.add", i, one), *inline(ctx, step, (i, *carry), (index, *avals), params)]

    return ctx.while_loop([ctx.const(0, index), *values], lambda i, *_: ctx.compare(i, end, "LT", (), _INT32), body)[1:]


def is_empty(ctx) -> bool:
    """Whether all operands of a lowering rule have no elements, so that there is nothing to call a kernel for."""
    return all([a.size == 0 for a in ctx.avals_in])
