"""The derivative of extrema over windows: forwards it gathers, backwards it scatters.

Of each window the element that wins is *selected*: the first that is not beaten, where ``select_prim`` (`ge` or `le`)
says of an earlier element and a later one that the earlier stays. (A NaN beats and is beaten by anything.)
`select_and_gather_add` answers, for each window, the tangent that stands where the selected element does;
`select_and_scatter_add` is its transpose: it adds the cotangent of each window to the place of the selected element.

XLA's CPU goes through windows one element at a time. Where windows have few taps, selection is written there as a
chain of elementwise operations on whole arrays, one tap after the other, and scattering as sums of slices.
"""

from __future__ import annotations

import numpy as np

from ferax._src.ops.axes import place_axis
from ferax._src.ops.base import inline
from ferax._src.ops.broadcasting import broadcast_in_dim_p
from ferax._src.ops.compare import eq, ge_p
from ferax._src.ops.elementwise_bits import bitwise_or
from ferax._src.ops.reduce import greatest, least
from ferax._src.ops.select import select
from ferax._src.ops.slicing import slice_p
from ferax._src.ops.windows import (
    FEW_TAPS, batched_window, check_window, padded, padded_shape, room, seen_through, sees_padding, spread_over_taps, taps_of, unpadded,
    window_attributes, window_shape, without_dilation, without_padding)
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray

_I32 = np.dtype(np.int32)


def beaten(select_prim, dtype):
    """The value of a dtype that never beats another."""
    return (least if select_prim is ge_p else greatest)(dtype)


def _number(value, dtype):
    return dtype.type(value)


def _padded(operand, *, select_prim, window):
    return padded(operand, _number(beaten(select_prim, operand.dtype), operand.dtype), dict(window))


def _unpadded(x, *, shape, window):
    return unpadded(x, shape, dict(window))


def _is_written_out(ctx, window: dict) -> bool:
    return ctx.tuned and len(taps_of(window)) <= FEW_TAPS


def _check_dtypes(name: str, select_prim, values: ShapedArray, operand: ShapedArray) -> None:
    if dtypes.kind_of(operand.dtype) not in "biuf":
        raise TypeError(f"{name}: {select_prim} does not accept dtype {dtypes.dtype_name(operand.dtype)}: the elements of windows must "
                        "have an order")
    if values.dtype != operand.dtype:
        raise TypeError(f"{name}: both operands must have the same dtype, got {dtypes.dtype_name(values.dtype)} and "
                        f"{dtypes.dtype_name(operand.dtype)}")


class _OverWindows(Primitive):
    """The rules that gathering and scattering share: linear in the first operand, constant in the second."""

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        t = tangents[0]                         # a small change of the operand changes no selection
        return outs, [Zero.of(outs[0])] if type(t) is Zero else self.bind(t, primals[1], **params)

    def batch(self, axis, args, dims, *, select_prim, **window):
        to = next(d for d in dims if d is not None)
        args = [place_axis(x, d, axis.size, to) for x, d in zip(args, dims)]
        return self.bind(*args, select_prim=select_prim, **batched_window(window, to)), [to]


# --- gathering ----------------------------------------------------------------------------------

class SelectAndGatherAdd(_OverWindows):
    """For each window of ``operand`` the element of ``tangents`` that stands where the selected one does.

    Zero where padding or the start, a value that never beats another, is not beaten either.
    """

    name = "select_and_gather_add"

    def abstract_eval(self, tangents, operand, *, select_prim, **window):
        if tangents.shape != operand.shape:
            raise TypeError(f"{self.name}: tangents and operand must have the same shape, got {tangents.shape} and {operand.shape}")
        _check_dtypes(self.name, select_prim, tangents, operand)
        check_window(self.name, operand.shape, window)
        return [ShapedArray(window_shape(operand.shape, window), tangents.dtype)]

    def lower(self, ctx, tangents, operand, *, select_prim, **window):
        (t_aval, aval), (out,) = ctx.avals_in, ctx.avals_out
        if out.size == 0:
            return [ctx.const(0, out)]
        if _is_written_out(ctx, window):
            return inline(ctx, gather_by_taps, (tangents, operand), ctx.avals_in, {
                "select_prim": select_prim, "window": tuple(window.items())})
        inits = [ctx.scalar(beaten(select_prim, aval.dtype), aval.dtype), ctx.scalar(0, t_aval.dtype)]
        op = ctx.op("stablehlo.reduce_window", (operand, tangents, *inits), [ctx.tensor(out.shape, aval.dtype), ctx.type(out)],
                    window_attributes(ctx, window), regions=1)
        direction = "GE" if select_prim is ge_p else "LE"

        def later_or_earlier(x, t, y, u):
            stays = ctx.compare(x, y, direction, (), aval.dtype)
            return [ctx.select(stays, x, y), ctx.select(stays, t, u)]
        ctx.reducer_region(op.regions[0], [aval.dtype, t_aval.dtype], later_or_earlier)
        return [op.results[1]]

    def transpose(self, cts, tangents, operand, *, select_prim, **window):
        (ct,) = cts
        if any(d > 1 for d in window["window_dilation"]):
            return [scatter_by_taps(ct, operand, select_prim=select_prim, window=tuple(window.items())), None]
        shape = operand.shape
        if any(b > 1 for b in window["base_dilation"]):  # between the elements stand some that never win
            between = {**window, "padding": ((0, 0),) * len(shape)}
            operand = _padded(operand, select_prim=select_prim, window=between)
        plain = {key: window[key] for key in ("window_dimensions", "window_strides", "padding")}
        (out,) = select_and_scatter_add_p.bind(ct, operand, select_prim=select_prim, **plain)
        if any(b > 1 for b in window["base_dilation"]):
            (out,) = slice_p.bind(out, start_indices=(0,) * len(shape), limit_indices=operand.shape, strides=window["base_dilation"])
        return [out, None]


# --- scattering ---------------------------------------------------------------------------------

class SelectAndScatterAdd(_OverWindows):
    """Zeros like ``operand``, with each element of ``source`` added to the place of the element its window selects."""

    name = "select_and_scatter_add"

    def abstract_eval(self, source, operand, *, select_prim, **plain):
        window = {**without_dilation(plain), **plain}
        _check_dtypes(self.name, select_prim, source, operand)
        check_window(self.name, operand.shape, window)
        _check_source(self.name, source, window_shape(operand.shape, window))
        return [ShapedArray(operand.shape, source.dtype)]

    def lower(self, ctx, source, operand, *, select_prim, **plain):
        window = {**without_dilation(plain), **plain}
        (ct_aval, aval), (out,) = ctx.avals_in, ctx.avals_out
        if ct_aval.size == 0 or out.size == 0:
            return [ctx.const(0, out)]
        if _is_written_out(ctx, window):
            return inline(ctx, scatter_by_taps, (source, operand), ctx.avals_in, {
                "select_prim": select_prim, "window": tuple(window.items())})
        # Padding is written out first: so it takes part in the selection, as it does in the reduction.
        shape = padded_shape(aval.shape, window)
        (operand,) = inline(ctx, _padded, (operand,), (aval,), {"select_prim": select_prim, "window": tuple(window.items())})
        op = ctx.op("stablehlo.select_and_scatter", (operand, source, ctx.scalar(0, ct_aval.dtype)),
                    [ctx.tensor(shape, ct_aval.dtype)], _scatter_attributes(ctx, without_padding(window)), regions=2)
        direction = "GE" if select_prim is ge_p else "LE"
        scalars = [ctx.tensor((), aval.dtype)] * 2
        ctx.region(op.regions[0], scalars, lambda x, y: [ctx.compare(x, y, direction, (), aval.dtype)], isolated=True)
        ctx.reducer_region(op.regions[1], [ct_aval.dtype], "stablehlo.add")
        return inline(ctx, _unpadded, (op.result,), (ct_aval.update(shape=shape),), {
            "shape": aval.shape, "window": tuple(window.items())})

    def transpose(self, cts, source, operand, *, select_prim, **plain):
        window = {**without_dilation(plain), **plain}
        return [*select_and_gather_add_p.bind(cts[0], operand, select_prim=select_prim, **window), None]


def _check_source(name: str, source, shape) -> None:
    if source.shape != shape:
        raise TypeError(f"{name}: source must have one element for each window, shape {shape}, got {source.shape}")


def _scatter_attributes(ctx, window: dict) -> dict:
    attributes = window_attributes(ctx, window)
    return {key: attributes[key] for key in ("window_dimensions", "window_strides", "padding")}


class SelectAndScatter(Primitive):
    """As `SelectAndScatterAdd`, with any functions: ``select_jaxpr(x, y)`` says whether x stays, ``scatter_jaxpr`` adds.

    Operands are ``operand``, ``source`` and a scalar, with which every place begins.
    """

    name = "select_and_scatter"

    def abstract_eval(self, operand, source, init, *, select_jaxpr, scatter_jaxpr, **plain):
        window = {**without_dilation(plain), **plain}
        check_window(self.name, operand.shape, window)
        _check_source(self.name, source, window_shape(operand.shape, window))
        if init.shape or init.dtype != source.dtype:
            raise TypeError(f"{self.name}: the initial value must be a scalar of the source's dtype, got {init} for {source}")
        scalar = ShapedArray((), source.dtype)
        for what, jaxpr, takes, answers in (("select_jaxpr", select_jaxpr, operand.dtype, np.dtype(bool)),
                                            ("scatter_jaxpr", scatter_jaxpr, source.dtype, scalar.dtype)):
            found = [(a.shape, a.dtype) for a in (*jaxpr.in_avals, *jaxpr.out_avals)]
            if found != [((), takes), ((), takes), ((), answers)]:
                raise TypeError(f"{self.name}: {what} must take two scalars of dtype {takes} and answer one of dtype {answers}, it "
                                f"has {found}")
        return [ShapedArray(operand.shape, source.dtype)]

    def lower(self, ctx, operand, source, init, *, select_jaxpr, scatter_jaxpr, **plain):
        window = {**without_dilation(plain), **plain}
        (aval, source_aval, _), (out,) = ctx.avals_in, ctx.avals_out
        if source_aval.size == 0 or out.size == 0:
            return [ctx.broadcast_in_dim(init, out.shape, out.dtype)]
        op = ctx.op("stablehlo.select_and_scatter", (operand, source, init), None, _scatter_attributes(ctx, window), regions=2)
        ctx.region(op.regions[0], [ctx.tensor((), aval.dtype)] * 2, lambda *xs: ctx.inline(select_jaxpr, *xs), isolated=True)
        ctx.reducer_region(op.regions[1], [source_aval.dtype], scatter_jaxpr)
        return [op.result]

    def batch(self, axis, args, dims, *, select_jaxpr, scatter_jaxpr, **plain):
        operand, source, init = args
        if dims[2] is not None:
            raise NotImplementedError("select_and_scatter: the initial value cannot be mapped by vmap")
        to = next(d for d in dims if d is not None)
        operand, source = [place_axis(x, d, axis.size, to) for x, d in zip((operand, source), dims)]
        out = self.bind(operand, source, init, select_jaxpr=select_jaxpr, scatter_jaxpr=scatter_jaxpr, **batched_window(plain, to))
        return out, [to]


select_and_gather_add_p = register(SelectAndGatherAdd())
select_and_scatter_add_p = register(SelectAndScatterAdd())
select_and_scatter_p = register(SelectAndScatter())


# --- tap by tap ---------------------------------------------------------------------------------

def gather_by_taps(tangents, operand, *, select_prim, window):
    """What `select_and_gather_add` does, as elementwise operations on what each tap sees."""
    window = dict(window)
    worst = _number(beaten(select_prim, operand.dtype), operand.dtype)
    zero = _number(0, tangents.dtype)
    shape, counts = operand.shape, window_shape(operand.shape, window)
    operand, tangents = padded(operand, worst, window), padded(tangents, zero, window)
    strides = window["window_strides"]
    best, out = worst, zero                     # as the reduction begins
    for tap in taps_of(window):
        x, t = [seen_through(a, tap, counts, strides) for a in (operand, tangents)]
        (stays,) = select_prim.bind(best, x)
        for beside in sees_padding(shape, tap, counts, window):
            stays = bitwise_or(stays, beside)   # what is not there does not even beat a NaN
        best, out = select(stays, best, x), select(stays, out, t)
    return out


def scatter_by_taps(source, operand, *, select_prim, window):
    """What `select_and_scatter_add` does, and for windows with dilations too.

    The number of the selected tap is found for each window; then places take the sources of windows that selected them.
    """
    window = dict(window)
    shape = operand.shape
    counts = window_shape(shape, window)
    size = padded_shape(shape, window)
    zero = _number(0, source.dtype)
    if 0 in counts:
        return broadcast_in_dim_p.bind(zero, shape=shape, broadcast_dimensions=(), sharding=None)[0]
    whole = _padded(operand, select_prim=select_prim, window=window)
    first, *others = taps_of(window)
    best = seen_through(whole, first, counts, window["window_strides"])
    (selected,) = broadcast_in_dim_p.bind(np.int32(0), shape=counts, broadcast_dimensions=(), sharding=None)
    for number, tap in enumerate(others, 1):
        x = seen_through(whole, tap, counts, window["window_strides"])
        (stays,) = select_prim.bind(best, x)
        best, selected = select(stays, best, x), select(stays, selected, np.int32(number))
    selected, source = room(selected, np.int32(-1), counts, window, size), room(source, zero, counts, window, size)

    def pick(number, starts, rows):
        limits = tuple([a + n for a, n in zip(starts, rows)])
        chosen, value = [slice_p.bind(a, start_indices=starts, limit_indices=limits, strides=None)[0] for a in (selected, source)]
        return select(eq(chosen, np.int32(number)), value, zero)
    return unpadded(spread_over_taps(pick, counts, window, size), shape, window)
