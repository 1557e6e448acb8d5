"""Lowerings in stages: functions of arrays with loops between them that turn until every element has converged.

    lower = lower_in_stages(prepare, Repeat(step, limit=2000), finish)

Each stage is a function of arrays answering a list of arrays, which are the operands of the next stage. A `Repeat` is a
function of the state, of the same type as its results. Of the state the first array says, for each element, whether it is still
of interest; the loop ends when none is. So operations below the floor of control flow can have loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ferax._src.tracing.core import ascribe
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.util.caches import trace_memoize

_INT32, _BOOL = np.dtype(np.int32), np.dtype(np.bool_)
_F32 = np.dtype(np.float32)


class Repeat(NamedTuple):
    """A step that is repeated while the first array of the state holds anywhere, at most ``limit`` times."""

    step: Callable
    limit: int


def lower_in_stages(*stages) -> Callable:
    """The option ``lower`` of an elementwise operation on floats, of stages; those of fewer than 32 bits are computed in 32."""
    def lower(ctx, *values):
        (out,) = ctx.avals_out
        if out.size == 0:
            return ctx.const(0, out.strip_weak_type())
        dtype = out.dtype if dtypes.itemsize_bits(out.dtype) >= 32 else _F32
        if dtype != out.dtype:
            values = [ctx.convert(v, out.shape, dtype) for v in values]
        avals = tuple([out.update(dtype=dtype, weak_type=False, sharding=None)] * len(values))
        for i, stage in enumerate(stages):
            if i:                               # large expressions, fused into one, would take the compiler long
                values = list(ctx.op("stablehlo.optimization_barrier", values, ctx.types(avals)).results)
            if isinstance(stage, Repeat):
                values = _repeated(ctx, stage, avals, values)
            else:
                closed = _traced(stage, avals)
                values, avals = ctx.inline(closed, *values, here=True), tuple(closed.out_avals)
        return values[0] if dtype == out.dtype else ctx.convert(values[0], out.shape, out.dtype)
    return lower


def _repeated(ctx, stage: Repeat, avals, values):
    closed = _traced(stage.step, avals)
    shape = avals[0].shape

    def goes_on(turns, active, *_):
        left = ctx.compare(turns, ctx.scalar(stage.limit, _INT32), "LT", (), _INT32)
        if shape:
            (active,) = ctx.reduce("stablehlo.or", [active], [False], range(len(shape)), [ctx.tensor((), _BOOL)], [_BOOL])
        return ctx.elementwise("stablehlo.and", left, active)

    def step(turns, *state):
        return [ctx.elementwise("stablehlo.add", turns, ctx.scalar(1, _INT32)), *ctx.inline(closed, *state, here=True)]

    return ctx.while_loop([ctx.scalar(0, _INT32), *values], goes_on, step)[1:]


@trace_memoize
def _traced(stage: Callable, avals: tuple):
    with ascribe(False):
        return trace_to_jaxpr(lambda *xs: list(stage(*xs)), avals)
