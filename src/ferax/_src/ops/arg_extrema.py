"""Where the greatest or smallest of many elements is: the first of equal ones, the first NaN if there is any.

XLA's form is one reduction of pairs (element, index), which its CPU computes one pair at a time. Two plain reductions run
faster there: the extremum first, then the least index at which it stands. Along the last axis, rows are cut into blocks
whose extrema are found in one go; the rest is done on the extrema and on one block of each row.
"""

from __future__ import annotations

import numpy as np

from ferax._src.ops.base import inline
from ferax._src.ops.broadcasting import broadcast_in_dim_p, reduced_shape
from ferax._src.ops.compare import eq, ne
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import add, min, mul
from ferax._src.ops.elementwise_bits import bitwise_or
from ferax._src.ops.gather import take_along
from ferax._src.ops.joining import concatenate_p
from ferax._src.ops.reduce import Reduction, reduce_max_p, reduce_min_p
from ferax._src.ops.select import select
from ferax._src.ops.shape import iota_p, reshape_p
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import as_static_int
from ferax._src.tracing.core import Primitive, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray

_BLOCK = 32                 # elements of a row that are looked at together
_LONG_ROW = 256             # from here on, blocks are quicker


class _ArgExtremum(Reduction):
    """The index of the extremum along an axis."""

    accepts = "biuf"
    extremum: Primitive
    direction: str                              # of the comparison in which the extremum is ahead

    def abstract_eval(self, x, *, axes, index_dtype):
        if len(axes) != 1:
            raise ValueError(f"{self.name}: there must be one axis, got {axes}")
        shape = reduced_shape(self.name, x, axes)
        if x.shape[axes[0]] < 1:
            raise ValueError("argmin and argmax require non-empty reduced dimension. "
                             f"operand.shape={x.shape} axis={axes[0]}")
        if dtypes.kind_of(index_dtype) not in "iu":
            raise TypeError(f"index_dtype must be an integer type, but got {dtypes.dtype_name(index_dtype)}")
        if dtypes.kind_of(x.dtype) not in self.accepts:
            raise TypeError(f"{self.name} does not accept dtype {dtypes.dtype_name(x.dtype)}")
        return [ShapedArray(shape, index_dtype)]

    def lower(self, ctx, x, *, axes, index_dtype):
        (aval,), (axis,) = ctx.avals_in, axes
        last, n = axis == aval.ndim - 1, aval.shape[axis]
        if ctx.tuned and (not last or n >= _LONG_ROW):
            find = find_in_blocks if last else find_in_two_passes
            return inline(ctx, find, (x,), (aval,), {"extremum": self.extremum, "axis": axis, "index_dtype": index_dtype})
        wide = _index_dtype(n)
        index = ctx.op("stablehlo.iota", (), [ctx.tensor(aval.shape, wide)], {"iota_dimension": ctx.i64(axis)}).result
        (out,) = ctx.avals_out
        types = [ctx.tensor(out.shape, aval.dtype), ctx.tensor(out.shape, wide)]
        starts = [ctx.scalar(self.extremum.identity(aval.dtype), aval.dtype), ctx.scalar(0, wide)]

        def ahead(x, i, y, j):                  # a NaN is ahead of everything
            first = ctx.compare(x, y, self.direction, (), aval.dtype)
            if dtypes.kind_of(aval.dtype) == "f":
                first = ctx.elementwise("stablehlo.or", first, ctx.compare(x, x, "NE", (), aval.dtype))
            same = ctx.elementwise("stablehlo.and", ctx.compare(x, y, "EQ", (), aval.dtype), ctx.compare(i, j, "LT", (), wide))
            return [ctx.select(first, x, y), ctx.select(ctx.elementwise("stablehlo.or", first, same), i, j)]
        _, found = ctx.reduce(ahead, (x, index), starts, axes, types, [aval.dtype, wide])
        return [found if wide == index_dtype else ctx.convert(found, out.shape, index_dtype)]


def _index_dtype(n: int):
    return np.dtype(np.int32 if n < 2 ** 31 else np.int64)


def find_in_two_passes(x, *, extremum, axis, index_dtype):
    """The extremum, and the least index at which it stands."""
    (best,) = extremum.bind(x, axes=(axis,))
    return convert(_first(x, best, axis), index_dtype)


def _first(x, best, axis: int):
    """The least index along an axis at which ``x`` is ``best`` or a NaN; the last one if there is none."""
    kept = tuple([i for i in range(x.ndim) if i != axis])
    column = tuple([1 if i == axis else size for i, size in enumerate(x.shape)])
    (best,) = broadcast_in_dim_p.bind(best, shape=column, broadcast_dimensions=kept, sharding=None)
    found = eq(x, best)
    if dtypes.kind_of(x.dtype) == "f":          # a NaN is the extremum, and not equal to itself
        found = bitwise_or(found, ne(x, x))
    n = x.shape[axis]
    wide = _index_dtype(n)
    (index,) = iota_p.bind(dtype=wide, shape=x.shape, dimension=axis, sharding=None)
    return reduce_min_p.bind(select(found, index, wide.type(n - 1)), axes=(axis,))[0]


def find_in_blocks(x, *, extremum, axis, index_dtype):
    """Along the last axis: the first block of each row that has the extremum, then where it is in there."""
    n = x.shape[axis]
    wide = _index_dtype(n)
    whole = n // _BLOCK
    blocks = x if whole * _BLOCK == n else slice_in_dim(x, 0, whole * _BLOCK, axis=axis)
    (blocks,) = reshape_p.bind(blocks, new_sizes=(*x.shape[:axis], whole, _BLOCK), dimensions=None, sharding=None)
    (bests,) = extremum.bind(blocks, axes=(axis + 1,))
    if whole * _BLOCK < n:                      # the rest of each row is one more block
        (rest,) = extremum.bind(slice_in_dim(x, whole * _BLOCK, n, axis=axis), axes=(axis,))
        (rest,) = reshape_p.bind(rest, new_sizes=(*x.shape[:axis], 1), dimensions=None, sharding=None)
        (bests,) = concatenate_p.bind(bests, rest, dimension=axis)
    (best,) = extremum.bind(bests, axes=(axis,))
    start = min(mul(convert(_first(bests, best, axis), wide), wide.type(_BLOCK)), wide.type(n - _BLOCK))
    shape = (*x.shape[:axis], _BLOCK)
    (offset,) = iota_p.bind(dtype=wide, shape=shape, dimension=axis, sharding=None)
    (starts,) = broadcast_in_dim_p.bind(start, shape=shape, broadcast_dimensions=tuple(range(axis)), sharding=None)
    within = _first(take_along(x, add(starts, offset), axis), best, axis)
    return convert(add(start, convert(within, wide)), index_dtype)


class ArgMax(_ArgExtremum):
    name = "argmax"
    extremum = reduce_max_p
    direction = "GT"


class ArgMin(_ArgExtremum):
    name = "argmin"
    extremum = reduce_min_p
    direction = "LT"


argmax_p = register(ArgMax())
argmin_p = register(ArgMin())


# --- the functions ------------------------------------------------------------------------------

def argmax(operand, axis, index_dtype):
    """The index of the greatest element along an axis: the first of equal ones, the first NaN if there is any.

    Parameters
    ----------
    operand : array
    axis : counted from the front
    index_dtype : integer dtype of the result

    Returns
    -------
    array without the axis

    Raises
    ------
    ValueError : if there is no such axis, or it has no elements.
    TypeError : if the elements are complex, or ``index_dtype`` is no integer dtype.
    """
    return argmax_p.bind(operand, axes=(as_static_int(axis, "axis"),),
                         index_dtype=dtypes.check_user_dtype(index_dtype, "argmax"))[0]


def argmin(operand, axis, index_dtype):
    """The index of the smallest element along an axis: the first of equal ones, the first NaN if there is any.

    Parameters
    ----------
    operand : array
    axis : counted from the front
    index_dtype : integer dtype of the result

    Returns
    -------
    array without the axis

    Raises
    ------
    ValueError : if there is no such axis, or it has no elements.
    TypeError : if the elements are complex, or ``index_dtype`` is no integer dtype.
    """
    return argmin_p.bind(operand, axes=(as_static_int(axis, "axis"),),
                         index_dtype=dtypes.check_user_dtype(index_dtype, "argmin"))[0]
