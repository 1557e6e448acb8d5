"""Choosing between values element by element, and clamping them to a range."""

from __future__ import annotations

from ferax._src.ops.base import (
    ANY, Elementwise, align, check_same_dtypes, common_shape, operand, prepare, unbroadcast)
from ferax._src.ops.compare import eq, gt, lt
from ferax._src.ops.elementwise_bits import bitwise_and
from ferax._src.runtime.array import physical_aval
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray


class SelectN(Primitive):
    """``cases[which]``, element by element: ``which`` is boolean, for two cases, or an integer.

    Any operand may be a scalar. StableHLO: ``select``, several where there are more than two cases.
    """

    name = "select_n"
    handles_extended_dtypes = True

    def abstract_eval(self, which, *cases):
        if not cases:
            raise TypeError("select_n must have at least one case")
        kind = dtypes.kind_of(which.dtype)
        if kind not in "biu":
            raise TypeError(f"select_n: `which` must be of boolean or integer dtype, got {dtypes.dtype_name(which.dtype)}")
        if kind == "b" and len(cases) > 2:
            raise TypeError(f"select_n: a boolean `which` chooses between two cases, got {len(cases)}")
        check_same_dtypes("select_n", cases)
        first = cases[0]
        if all([c is first for c in cases]) and which.shape in ((), first.shape):
            return [first]
        shape = common_shape("select_n", (which, *cases))
        sharding = next((a.sharding for a in (*cases, which) if a.shape == shape), None)
        return [ShapedArray(shape, first.dtype, all([c.weak_type for c in cases]), sharding)]

    def lower(self, ctx, which, *cases):
        aval, *case_avals = ctx.avals_in
        (out,) = ctx.avals_out
        physical = physical_aval(out)
        shape, ndim = physical.shape, physical.ndim
        if aval.shape != shape:
            which = ctx.broadcast_in_dim(which, shape, aval.dtype, range(aval.ndim))
        inner = range(out.ndim, ndim)           # the dimensions of one element of an extended dtype
        cases = [c if a.shape == out.shape
                 else ctx.broadcast_in_dim(c, shape, physical.dtype, (*range(a.ndim), *inner))
                 for c, a in zip(cases, case_avals)]
        if len(cases) == 1:
            return cases
        if aval.dtype == dtypes.bool_:
            return [ctx.select(which, cases[1], cases[0])]
        which_aval = aval.update(shape=shape)

        def search(first: int, cases):          # in a tree, so that the depth is the logarithm of their number
            if len(cases) == 1:
                return cases[0]
            half = len(cases) // 2
            before = ctx.compare(which, ctx.const(first + half, which_aval), "LT", shape, aval.dtype)
            return ctx.select(before, search(first, cases[:half]), search(first + half, cases[half:]))
        return [search(0, cases)]

    def jvp(self, primals, tangents):
        which, *cases = primals
        outs = self.bind(which, *cases)
        tangents = tangents[1:]
        if all([type(t) is Zero or t.dtype == dtypes.float0 for t in tangents]):
            return outs, [Zero.of(outs[0])]
        return outs, [select_n(which, *[0 if type(t) is Zero else t for t in tangents])]

    def transpose(self, cts, which, *cases):
        (ct,) = cts
        if type(ct) is Zero:
            return [None, *[Zero.of(c) if isinstance(c, ShapedArray) else None for c in cases]]
        boolean = which.dtype == dtypes.bool_
        out: list = [None]
        for i, case in enumerate(cases):
            if not isinstance(case, ShapedArray):
                out.append(None)
                continue
            if len(cases) == 1:
                chosen = ct
            elif boolean:
                chosen = select_n(which, 0, ct) if i else select_n(which, ct, 0)
            else:
                chosen = select_n(eq(which, i), 0, ct)
            out.append(unbroadcast(chosen, case.shape))
        return out

    def batch(self, axis, args, dims):
        operands, to = align(args, dims)
        return self.bind(*operands), [to]


select_n_p = register(SelectN())


def select_n(which, *cases):
    """Choose between values element by element.

    Parameters
    ----------
    which : boolean or integer array, or scalar: which case to take. Integers must be in range.
    *cases : arrays of one dtype and shape, or numbers; two of them for a boolean ``which``, where the
        first is for False

    Returns
    -------
    array of the cases' dtype and shape
    """
    if not cases:
        raise ValueError("select_n: there must be at least one case, got none")
    return select_n_p.bind(operand("select_n", which), *prepare("select_n", *cases))[0]


def select(pred, on_true, on_false):
    """``on_true`` where ``pred``, else ``on_false``, element by element.

    Parameters
    ----------
    pred : boolean array, or scalar
    on_true, on_false : arrays of one dtype and shape, or numbers

    Returns
    -------
    array
    """
    return select_n(pred, on_false, on_true)


clamp_p = register(Elementwise(
    "clamp", "stablehlo.clamp", (ANY, ANY, ANY), (
        lambda t, ans, low, x, high: select_n(bitwise_and(gt(low, x), lt(low, high)), 0, t),
        lambda t, ans, low, x, high: select_n(bitwise_and(gt(x, low), lt(x, high)), 0, t),
        lambda t, ans, low, x, high: select_n(lt(high, x), 0, t))))


def clamp(min, x, max):
    """``x``, or the bound that it exceeds, element by element.

    Parameters
    ----------
    min, max : arrays of the dtype and shape of ``x``, or scalars
    x : array

    Returns
    -------
    array
    """
    return clamp_p.bind(*prepare("clamp", min, x, max))[0]
