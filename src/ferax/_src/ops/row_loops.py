"""Loops over the rows of arrays, in lowering rules for the CPU: how cumulative operations run quickest there.

A step combines a carry, of some rows, with the next row of each operand, and answers the new carry and a row of each result.
Where a row has many elements, a step is one or two vector operations. XLA's own forms, trees over whole arrays, read and
write everything several times.

Where rows are narrow, or so many that rounding errors would add up, the axis is cut into blocks (`loop_over_blocks`): first
all blocks are run through side by side, then the blocks' last results are, and these are combined with each block.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.ops.base import inline
from ferax._src.ops.broadcasting import broadcast_in_dim_p, inverse_permutation, transpose_p
from ferax._src.ops.joining import concatenate_p
from ferax._src.ops.prefixes import cut, shifted
from ferax._src.ops.shape import reshape_p
from ferax._src.ops.slicing import pad_p
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray
from ferax._src.types.symbolic_dims import has_symbolic

_I32 = np.dtype(np.int32)
_F32 = np.dtype(np.float32)

FEW_STEPS = 64              # that any loop may have
WIDE_ROW = 32               # elements; a loop over narrower rows pays for its steps only
AT_ONCE = 4                 # rows, where a step is cheap
CONTIGUOUS = 16             # elements that lie together in a row; with fewer the axis is moved to the front
LONG = 4096                 # steps after which rounding errors have added up to more than those of blocks


def row_size(aval: ShapedArray, axis: int) -> int:
    """How many elements the rows of an array along an axis have."""
    return math.prod(aval.shape[:axis]) * math.prod(aval.shape[axis + 1:])


def wants_blocks(aval: ShapedArray, axis: int, is_accurate: bool) -> bool:
    """Whether a loop over blocks is quicker or more accurate than one over rows.

    Parameters
    ----------
    is_accurate : whether rounding errors do not grow with the number of steps
    """
    n = aval.shape[axis]
    return n > FEW_STEPS and (row_size(aval, axis) < WIDE_ROW or n > LONG and not is_accurate)


def wide_dtype(dtype):
    """The dtype in which many numbers of ``dtype`` are combined: float32 for narrower floats."""
    return _F32 if dtypes.kind_of(dtype) == "f" and dtypes.itemsize_bits(dtype) < 32 else dtype


def loop_over_rows(ctx, step, params: dict, operands, avals, start, outs, axis: int, reverse: bool, at_once: int = AT_ONCE) -> list:
    """``for i: *carry, *[y[i] for y in results] = step(*carry, *[x[i] for x in operands])``, as MLIR values.

    Parameters
    ----------
    step : function of arrays, of the shape of a row; the same object for the same operation, see `ops.base.inline`
    params : hashable keyword arguments of ``step``
    operands, avals : MLIR values and their types, all of one shape
    start : pairs (number, dtype): with what each row of the carry begins
    outs : dtypes of the results
    axis : along which the rows lie one after the other
    reverse : whether to begin at the end
    at_once : how many rows to read and write at a time; 1 for steps that are not cheap, as XLA may do them again for each of these
    """
    shape = avals[0].shape
    if axis and not has_symbolic(shape) and math.prod(shape[axis + 1:]) < CONTIGUOUS:
        order = [axis, *range(axis), *range(axis + 1, len(shape))]
        front = tuple([shape[i] for i in order])
        operands = [ctx.transpose(x, front, a.dtype, order) for x, a in zip(operands, avals)]
        avals = [ShapedArray(front, a.dtype) for a in avals]
        results = loop_over_rows(ctx, step, params, operands, avals, start, outs, 0, reverse, at_once)
        return [ctx.transpose(y, shape, dtype, inverse_permutation(order)) for y, dtype in zip(results, outs)]
    n, n_carry = shape[axis], len(start)
    row = (*shape[:axis], 1, *shape[axis + 1:])
    carry_avals = [ShapedArray(row, dtype) for _, dtype in start]
    out_avals = [ShapedArray(shape, dtype) for dtype in outs]
    static = {"step": step, "params": tuple(params.items()), "n_carry": n_carry, "axis": axis, "reverse": reverse}

    def advance(place, count, values):          # by the rows from ``place`` on
        carry, results = values[:n_carry], values[n_carry:]
        starts = [place if d == axis else ctx.scalar(0, _I32) for d in range(len(shape))]
        sizes = (*shape[:axis], count, *shape[axis + 1:])
        rows = [ShapedArray(sizes, a.dtype) for a in avals]
        new = [ctx.op("stablehlo.dynamic_slice", (x, *starts), [ctx.type(a)], {"slice_sizes": ctx.i64s(sizes)}).result
               for x, a in zip(operands, rows)]
        found = inline(ctx, _steps, (*carry, *new), (*carry_avals, *rows), static)
        results = [ctx.op("stablehlo.dynamic_update_slice", (y, new, *starts), [ctx.type(a)]).result
                   for y, new, a in zip(results, found[n_carry:], out_avals)]
        return [*found[:n_carry], *results]

    at_once = at_once if at_once == 1 or n >= FEW_STEPS else 1
    whole = n - n % at_once

    def body(place, *values):
        values = advance(place, at_once, values)
        return [ctx.elementwise("stablehlo.add", place, ctx.scalar(-at_once if reverse else at_once, _I32)), *values]

    values = [*[ctx.const(value, a) for (value, _), a in zip(start, carry_avals)], *[ctx.const(0, a) for a in out_avals]]
    first, last = (n - at_once, n - whole) if reverse else (0, whole - at_once)
    _, *values = ctx.while_loop(
        [ctx.scalar(first, _I32), *values],
        lambda place, *_: ctx.compare(place, ctx.scalar(last, _I32), "GE" if reverse else "LE", (), _I32), body)
    if whole < n:
        values = advance(ctx.scalar(0 if reverse else whole, _I32), n - whole, values)
    return values[n_carry:]


def _steps(*values, step, params, n_carry, axis, reverse):
    """Some steps, one after the other: the carry after them, and their rows of the results side by side."""
    carry, chunks = values[:n_carry], values[n_carry:]
    count = chunks[0].shape[axis]
    found: dict = {}
    for i in reversed(range(count)) if reverse else range(count):
        carry_and_rows = step(*carry, *[cut(x, axis, i, i + 1) for x in chunks], **dict(params))
        carry, found[i] = carry_and_rows[:n_carry], carry_and_rows[n_carry:]
    if count == 1:
        return [*carry, *found[0]]
    return [*carry, *[concatenate_p.bind(*rows, dimension=axis)[0] for rows in zip(*[found[i] for i in range(count)])]]


# --- blocks -------------------------------------------------------------------------------------

def loop_over_blocks(ctx, step, params: dict, operands, avals, start, outs, axis: int, reverse: bool, combine, neutral,
                     at_once: int = AT_ONCE) -> list:
    """What `loop_over_rows` does, block by block.

    Parameters
    ----------
    combine : ``(*results of all before a block, *results in it, **params) -> results``, of arrays of one shape
    neutral : numbers, one for each result: what combines with anything to that
    """
    shape, n = avals[0].shape, avals[0].shape[axis]
    before, after = math.prod(shape[:axis]), math.prod(shape[axis + 1:])
    blocks = max(round(math.sqrt(n)), min(-(-256 // (before * after)), n // 8))
    geometry = {"axis": axis, "blocks": blocks, "steps": -(-n // blocks), "reverse": reverse}
    operands = [inline(ctx, _in_blocks, (x,), (a,), geometry)[0] for x, a in zip(operands, avals)]
    spread = (geometry["steps"], before, blocks, after)
    results = loop_over_rows(ctx, step, params, operands, [ShapedArray(spread, a.dtype) for a in avals], start, outs, 0, reverse,
                             at_once)
    spread_avals = [ShapedArray(spread, dtype) for dtype in outs]
    ends = [inline(ctx, _end, (y,), (a,), {"reverse": reverse})[0] for y, a in zip(results, spread_avals)]
    end_avals = [ShapedArray(spread[1:], dtype) for dtype in outs]
    ends = loop_over_rows(ctx, _combine_rows, {"combine": combine, "params": tuple(params.items())}, ends, end_avals,
                          list(zip(neutral, outs)), outs, 1, reverse, at_once)
    joined = inline(ctx, _joined, (*ends, *results), (*end_avals, *spread_avals), {
        "combine": combine, "params": tuple(params.items()), "neutral": tuple(neutral), "shape": shape, **geometry})
    return joined


def _in_blocks(x, *, axis, blocks, steps, reverse):
    """(steps, before, blocks, after): the axis in blocks of so many steps, filled up where the loop ends."""
    before, n, after = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1:])
    missing = blocks * steps - n
    (x,) = reshape_p.bind(x, new_sizes=(before, n, after), dimensions=None, sharding=None)
    if missing:
        config = ((0, 0, 0), (missing, 0, 0) if reverse else (0, missing, 0), (0, 0, 0))
        (x,) = pad_p.bind(x, x.dtype.type(0), padding_config=config)
    (x,) = reshape_p.bind(x, new_sizes=(before, blocks, steps, after), dimensions=None, sharding=None)
    return transpose_p.bind(x, permutation=(2, 0, 1, 3))[0]


def _end(x, *, reverse):
    """The last results of each block."""
    last = cut(x, 0, 0, 1) if reverse else cut(x, 0, x.shape[0] - 1, x.shape[0])
    return reshape_p.bind(last, new_sizes=x.shape[1:], dimensions=None, sharding=None)[0]


def _combine_rows(*values, combine, params):
    carry = combine(*values, **dict(params))
    return [*carry, *carry]


def _joined(*values, combine, params, neutral, shape, axis, blocks, steps, reverse):
    """Each block combined with all before it, in the original shape."""
    ends, results = values[:len(neutral)], values[len(neutral):]
    spread, n = results[0].shape, shape[axis]
    earlier = [broadcast_in_dim_p.bind(shifted(e, 1, v, reverse), shape=spread, broadcast_dimensions=(1, 2, 3), sharding=None)[0]
               for e, v in zip(ends, neutral)]
    out = []
    for y in combine(*earlier, *results, **dict(params)):
        (y,) = transpose_p.bind(y, permutation=(1, 2, 0, 3))
        (y,) = reshape_p.bind(y, new_sizes=(spread[1], blocks * steps, spread[3]), dimensions=None, sharding=None)
        y = cut(y, 1, blocks * steps - n, blocks * steps) if reverse else cut(y, 1, 0, n)
        out += reshape_p.bind(y, new_sizes=shape, dimensions=None, sharding=None)
    return out
