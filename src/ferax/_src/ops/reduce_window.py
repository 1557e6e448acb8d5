"""Sums and extrema over windows. `control.reduce_window` reduces windows by any function.

Sums are linear. The derivative of an extremum is that of the element which is selected; see `select_and_scatter`.
On the CPU a window of few taps is written as elementwise operations on what each tap sees, which XLA computes for many
elements at a time.
"""

from __future__ import annotations

import numpy as np

from ferax._src.ops.base import add, inline
from ferax._src.ops.compare import ge_p, le_p
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import max, min
from ferax._src.ops.linear import Linear
from ferax._src.ops.reduce import greatest, least
from ferax._src.ops.select_and_scatter import select_and_gather_add_p
from ferax._src.ops.conv_numbers import dilated
from ferax._src.ops.windows import (
    FEW_TAPS, batched_window, check_window, reduce_slices, seen, taps_of, window_attributes, window_shape)
from ferax._src.ops.zeros import zeros
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray

_F32 = np.dtype(np.float32)


class _ReduceWindow(Primitive):
    """Combine what each window sees. A window is the parameters; `ops.windows` says what they mean."""

    accepts = "biufc"
    kinds = "a number or a boolean"
    op: str                                     # StableHLO operation

    def abstract_eval(self, x, **window):
        if dtypes.kind_of(x.dtype) not in self.accepts:
            raise TypeError(f"operand to {self.name} must have a number dtype, got {dtypes.dtype_name(x.dtype)}")
        check_window(self.name, x.shape, window)
        return [ShapedArray(window_shape(x.shape, window), x.dtype, x.weak_type)]

    def identity(self, dtype):
        """What an empty window answers, and padding consists of."""
        raise NotImplementedError

    def combine(self, x, y):
        """Combine two arrays."""
        raise NotImplementedError

    def lower(self, ctx, x, **window):
        (aval,), (out,) = ctx.avals_in, ctx.avals_out
        if out.size == 0:
            return [ctx.const(0, out)]
        if ctx.tuned and len(taps_of(window)) <= FEW_TAPS:
            return inline(ctx, _by_taps, (x,), (aval,), {"primitive": self, "window": tuple(window.items())})
        op = ctx.op("stablehlo.reduce_window", (x, ctx.scalar(self.identity(aval.dtype), aval.dtype)), None,
                    window_attributes(ctx, window), regions=1)
        reducer = self.op
        if dtypes.kind_of(aval.dtype) == "c":
            scalar = ShapedArray((), aval.dtype)
            reducer = trace_to_jaxpr(lambda x, y: [self.combine(x, y)], [scalar, scalar])
        ctx.reducer_region(op.regions[0], [aval.dtype], reducer)
        return [op.result]

    def batch(self, axis, args, dims, **window):
        return self.bind(*args, **batched_window(window, dims[0])), list(dims)


def _by_taps(x, *, primitive, window):
    """A reduction over windows as one of slices, one for each tap, in their order."""
    dtype = x.dtype
    narrow = primitive is reduce_window_sum_p and dtypes.kind_of(dtype) == "f" and dtype.itemsize < 4
    if narrow:                                  # add up without rounding each time
        x = convert(x, _F32)
    total = reduce_slices(x, x.dtype.type(primitive.identity(x.dtype)), primitive.combine, dict(window))
    return convert(total, dtype)


class ReduceWindowSum(_ReduceWindow, Linear):
    """The sum of what each window sees."""

    name = "reduce_window_sum"
    accepts = "iufc"
    op = "stablehlo.add"
    combine = staticmethod(add)

    def identity(self, dtype):
        return 0

    def transpose(self, cts, x, **window):
        # Element j of the operand is seen by window i through tap t if j b = i s + t d - low. So element j of the cotangent is the
        # sum of what a window sees of the cotangents, dilated by the strides, that moves by the base dilation.
        (ct,) = cts
        padding = []
        for n, count, w, s, (low, _), b in zip(x.shape, ct.shape, seen(window), window["window_strides"], window["padding"],
                                               window["base_dilation"]):
            before = w - 1 - low
            padding.append((before, (n - 1) * b + w - before - dilated(count, s)))
        if ct.size == 0:
            return [zeros(x)]
        return self.bind(ct, **{**window, "padding": tuple(padding), "window_strides": window["base_dilation"],
                                "base_dilation": window["window_strides"]})


class _Extremum(_ReduceWindow):
    select_prim: Primitive

    def jvp(self, primals, tangents, **window):
        outs = self.bind(*primals, **window)
        (x,), (t,) = primals, tangents
        if type(t) is Zero:
            return outs, [Zero.of(outs[0])]
        return outs, select_and_gather_add_p.bind(t, x, select_prim=self.select_prim, **window)


class ReduceWindowMax(_Extremum):
    """The greatest element that each window sees."""

    name = "reduce_window_max"
    op = "stablehlo.maximum"
    select_prim = ge_p
    combine = staticmethod(max)

    def identity(self, dtype):
        return least(dtype)


class ReduceWindowMin(_Extremum):
    """The smallest element that each window sees."""

    name = "reduce_window_min"
    op = "stablehlo.minimum"
    select_prim = le_p
    combine = staticmethod(min)

    def identity(self, dtype):
        return greatest(dtype)


reduce_window_sum_p = register(ReduceWindowSum())
reduce_window_max_p = register(ReduceWindowMax())
reduce_window_min_p = register(ReduceWindowMin())
