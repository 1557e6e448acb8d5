"""The linear recurrence ``h[i] = w[i] h[i-1] + b[i]`` along an axis, with ``h[-1] = 0``.

It is what the derivatives of cumulative operations are, and it is closed under differentiation: the derivative of a
recurrence is one with the same w, and its transpose is one that runs the other way.
"""

from __future__ import annotations

from ferax._src.ops.axes import place_axis
from ferax._src.ops.base import add, inline
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import mul
from ferax._src.ops.prefixes import scan_pairs, shifted
from ferax._src.ops.row_loops import loop_over_blocks, loop_over_rows, wants_blocks, wide_dtype
from ferax._src.ops.shape import rev_p
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.types import dtypes


class LinearRecurrence(Primitive):
    """``h[i] = w[i] h[i-1] + b[i]`` along ``axis``, from the last to the first if ``reverse``. The first w has no effect."""

    name = "linear_recurrence"

    def abstract_eval(self, w, b, *, axis, reverse):
        if dtypes.kind_of(b.dtype) not in "fc" or w.dtype != b.dtype:
            raise TypeError(f"linear_recurrence: both operands must be of one inexact dtype, got {dtypes.dtype_name(w.dtype)} and "
                            f"{dtypes.dtype_name(b.dtype)}")
        if w.shape != b.shape:
            raise TypeError(f"linear_recurrence: both operands must have the same shape, got {w.shape} and {b.shape}")
        if not 0 <= axis < b.ndim:
            raise ValueError(f"linear_recurrence: axis {axis} is out of bounds for operands of shape {b.shape}")
        return [b.update(weak_type=False, sharding=None)]

    def lower(self, ctx, w, b, *, axis, reverse):
        avals = ctx.avals_in
        dtype = avals[1].dtype
        if avals[1].size == 0 or avals[1].shape[axis] == 1:
            return [b]
        if ctx.tuned:
            wide = wide_dtype(dtype)
            if not wants_blocks(avals[1], axis, is_accurate=False):
                return loop_over_rows(ctx, _step, {}, (w, b), avals, [(0, wide)], [dtype], axis, reverse)
            _, h = loop_over_blocks(ctx, _step_of_maps, {}, (w, b), avals, [(1, wide), (0, wide)], [wide, wide], axis, reverse,
                                    _combined, (1, 0))
            return [h if wide == dtype else ctx.convert(h, avals[1].shape, dtype)]
        return inline(ctx, _by_pairs, (w, b), avals, {"axis": axis, "reverse": reverse})

    def jvp(self, primals, tangents, *, axis, reverse):
        (w, b), (dw, db) = primals, tangents
        (h,) = self.bind(w, b, axis=axis, reverse=reverse)
        terms = [] if type(db) is Zero else [db]
        if type(dw) is not Zero:
            terms.append(mul(dw, shifted(h, axis, 0, reverse)))
        if not terms:
            return [h], [Zero.of(h)]
        return [h], self.bind(w, terms[0] if len(terms) == 1 else add(*terms), axis=axis, reverse=reverse)

    def transpose(self, cts, w, b, *, axis, reverse):
        # b[i] enters h[j] with the factor w[i+1] ... w[j], so its cotangent is a recurrence from the end.
        return [None, *self.bind(shifted(w, axis, 0, not reverse), cts[0], axis=axis, reverse=not reverse)]

    def batch(self, axis_, args, dims, *, axis, reverse):
        to = next(d for d in dims if d is not None)
        args = [place_axis(x, d, axis_.size, to) for x, d in zip(args, dims)]
        return self.bind(*args, axis=axis + (axis >= to), reverse=reverse), [to]


def _step(h, w, b):
    h = add(mul(convert(w, h.dtype), h), convert(b, h.dtype))
    return [h, convert(h, b.dtype)]


def _step_of_maps(v, h, w, b):
    v, h = _combined(v, h, convert(w, h.dtype), convert(b, h.dtype))
    return [v, h, v, h]


def _combined(w, b, v, c):
    """Two steps as one: each is a map ``h -> w h + b``, the first one (w, b)."""
    return [mul(v, w), add(mul(v, b), c)]


def _by_pairs(w, b, *, axis, reverse):
    dtype = b.dtype
    pair = [convert(x, wide_dtype(dtype)) for x in (w, b)]
    if reverse:
        pair = [rev_p.bind(x, dimensions=(axis,))[0] for x in pair]
    _, h = scan_pairs(lambda first, second: _combined(*first, *second), pair, axis)
    if reverse:
        (h,) = rev_p.bind(h, dimensions=(axis,))
    return convert(h, dtype)


linear_recurrence_p = register(LinearRecurrence())
