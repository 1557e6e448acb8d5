"""Scan in StableHLO: a ``while`` over a counter, the carry, and a buffer for each stacked result.

Step t reads row t of each x and writes row t of each buffer. ``unroll`` steps stand in one turn of the loop; what is
left over stands behind it. A loop that is unrolled whole is no loop: its results are concatenated.
"""

from __future__ import annotations

import numpy as np

from ferax._src.control.tracing_utils import element_aval, stacked_aval
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray
from ferax._src.util.lists import split_exactly

_FULL_UNROLL_LIMIT = 1          # a loop of one step is written without a loop


def lower_scan(ctx, values, *, jaxpr, length, num_consts, num_carry, reverse, unroll) -> list:
    """The values of the results of a scan."""
    n_xs = len(values) - num_consts - num_carry
    consts, carry, xs = split_exactly(values, (num_consts, num_carry, n_xs))
    y_avals = jaxpr.out_avals[num_carry:]
    rows = _Rows(ctx, length, reverse)
    x_avals = ctx.avals_in[num_consts + num_carry:]

    def step(t, carry):
        """One step; ``t`` is a Python int or the counter's value."""
        i = rows.index(t)
        outs = ctx.inline(jaxpr, *consts, *carry, *(rows.read(x, a, i) for x, a in zip(xs, x_avals)))
        return outs[:num_carry], outs[num_carry:]

    if length == 0:
        return [*carry, *(rows.empty(a) for a in y_avals)]
    if type(length) is int and (unroll >= length or length <= _FULL_UNROLL_LIMIT):
        steps = []
        for t in range(length):
            carry, ys = step(t, carry)
            steps.append(ys)
        if reverse:
            steps.reverse()
        return [*carry, *(rows.stack([ys[k] for ys in steps], a) for k, a in enumerate(y_avals))]

    unroll = unroll if type(length) is int else 1           # how many steps are left over must be known
    turns, left = divmod(length, unroll)

    def run_steps(t, carry, buffers, count):
        for k in range(count):
            now = rows.add(t, k)
            carry, ys = step(now, carry)
            i = rows.index(now)
            buffers = [rows.write(b, y, a, i) for b, y, a in zip(buffers, ys, y_avals)]
        return carry, buffers

    end = turns * unroll

    def body(t, *state):
        carry, buffers = run_steps(t, list(state[:num_carry]), list(state[num_carry:]), unroll)
        return [rows.add(t, unroll), *carry, *buffers]

    start = [rows.constant(0), *carry, *(rows.empty(a) for a in y_avals)]
    state = ctx.while_loop(start, lambda t, *_: rows.less(t, end), body, jaxpr.effects)[1:]
    carry, buffers = run_steps(end, list(state[:num_carry]), list(state[num_carry:]), left)
    return [*carry, *buffers]


class _Rows:
    """Reading and writing rows along the first axis."""

    def __init__(self, ctx, length: int, reverse: bool):
        self.ctx = ctx
        self.length = length
        self.reverse = reverse
        self.dtype = np.dtype(np.int32 if length < 2**31 else np.int64)
        self.scalar = ctx.tensor((), self.dtype)

    def constant(self, n: int):
        return self.ctx.scalar(n, self.dtype)

    def add(self, t, k: int):
        if isinstance(t, int):
            return t + k
        return t if k == 0 else self.ctx.elementwise("stablehlo.add", t, self.constant(k))

    def less(self, t, end: int):
        ctx = self.ctx
        attrs = {"comparison_direction": ctx.comparison_direction("LT"), "compare_type": ctx.comparison_type("SIGNED")}
        return ctx.op("stablehlo.compare", [t, self.constant(end)], [ctx.tensor((), np.bool_)], attrs).result

    def index(self, t):
        """The row of step ``t``."""
        if isinstance(t, int):
            return self.constant(self.length - 1 - t if self.reverse else t)
        return self.ctx.elementwise("stablehlo.subtract", self.constant(self.length - 1), t) if self.reverse else t

    def read(self, x, aval, i):
        """Row ``i`` of ``x``, of type ``aval``."""
        ctx = self.ctx
        row = element_aval(aval)
        shape, dtype = dtypes.physical_shape(row.shape, row.dtype), dtypes.physical_dtype(row.dtype)
        sliced = ctx.op("stablehlo.dynamic_slice", [x, i, *[self.constant(0)] * len(shape)],
                        [ctx.tensor((1, *shape), _stored(dtype))], {"slice_sizes": ctx.i64s((1, *shape))}).result
        return ctx.op("stablehlo.reshape", [sliced], [ctx.type(row)]).result

    def write(self, buffer, y, aval, i):
        """``buffer`` with row ``i`` replaced by ``y``, of type ``aval``."""
        ctx = self.ctx
        shape, dtype = dtypes.physical_shape(aval.shape, aval.dtype), dtypes.physical_dtype(aval.dtype)
        row = ctx.op("stablehlo.reshape", [y], [ctx.tensor((1, *shape), _stored(dtype))]).result
        return ctx.op("stablehlo.dynamic_update_slice", [buffer, row, i, *[self.constant(0)] * len(shape)],
                      [buffer.type]).result

    def empty(self, aval):
        """A buffer for rows of type ``aval``; each row is written before anybody reads it."""
        shape, dtype = dtypes.physical_shape(aval.shape, aval.dtype), _stored(dtypes.physical_dtype(aval.dtype))
        return self.ctx.const(dtype.type(0), ShapedArray((self.length, *shape), dtype))

    def stack(self, ys, aval):
        """Values of type ``aval``, stacked."""
        ctx = self.ctx
        shape, dtype = dtypes.physical_shape(aval.shape, aval.dtype), _stored(dtypes.physical_dtype(aval.dtype))
        rows = [ctx.op("stablehlo.reshape", [y], [ctx.tensor((1, *shape), dtype)]).result for y in ys]
        if len(rows) == 1:
            return rows[0]
        return ctx.op("stablehlo.concatenate", rows, [ctx.type(stacked_aval(aval, len(ys)))], {"dimension": ctx.i64(0)}).result


def _stored(dtype) -> np.dtype:
    """The dtype that elements have in a program: tangents of integers, float0, are stored as booleans."""
    return np.dtype(np.bool_) if dtype == dtypes.float0 else dtype
