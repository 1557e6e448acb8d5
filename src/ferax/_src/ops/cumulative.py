"""Cumulative sums, products, extrema and logarithms of sums; and reduce_prod, whose derivative is made of them.

Short ones are a loop on CPU, where that is fastest; the others a StableHLO ``reduce_window`` over all that
came before, which XLA turns into a tree. Those that are not linear have derivatives by `scan_pairs`: the
same scan over pairs of a value and its tangent.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.ops.base import add
from ferax._src.ops.broadcasting import inverse_permutation, reduce_sum_p
from ferax._src.ops.compare import eq, ne
from ferax._src.ops.elementwise import abs, exp, log1p, max, min, mul, neg, sub
from ferax._src.ops.gather import take_along
from ferax._src.ops.joining import concatenate_p
from ferax._src.ops.reduce import Reduction, greatest, least
from ferax._src.ops.select import select
from ferax._src.ops.shape import iota_p, reshape_p, rev_p
from ferax._src.ops.slicing import pad_p, slice_p
from ferax._src.ops.static import as_static_ints, normalize_axis
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of

_LOOP_LIMIT = 4096          # beyond it rounding errors of a loop add up, and trees are as fast


class Cumulative(Primitive):
    """Each element combined with all before it along ``axis`` (after it, if ``reverse``)."""

    reducer: str | None = None                  # StableHLO operation, or None: `function` is traced
    accepts = "iufc"

    def abstract_eval(self, x, *, axis, reverse):
        if dtypes.kind_of(x.dtype) not in self.accepts:
            raise TypeError(f"{self.name} does not accept dtype {dtypes.dtype_name(x.dtype)}")
        if not 0 <= axis < x.ndim:
            raise ValueError(f"{self.name}: axis {axis} is out of bounds for array of shape {x.shape}")
        return [x.update(sharding=None)]

    def identity(self, dtype):
        """What combines with anything to that."""
        raise NotImplementedError

    def combine(self, x, y):
        """Combine two arrays."""
        raise NotImplementedError

    def scalar_reducer(self, dtype):
        """What `ctx.reducer_region` takes: an operation's name, or a jaxpr of two scalars."""
        if self.reducer is not None and dtypes.kind_of(dtype) != "c":
            return self.reducer
        scalar = ShapedArray((), dtype)
        return trace_to_jaxpr(lambda x, y: [self.combine(x, y)], [scalar, scalar])

    def lower(self, ctx, x, *, axis, reverse):
        aval = ctx.avals_in[0]
        if aval.size == 0 or aval.shape[axis] == 1:
            return [x]
        if ctx.platform == "cpu" and aval.shape[axis] <= _LOOP_LIMIT:
            if math.prod(aval.shape[:axis]) < 32:
                return [self.as_loop(ctx, x, aval, axis, reverse)]
            # Rows of scattered elements are slow to step over: the axis goes first for the time of the loop.
            order = [axis, *range(axis), *range(axis + 1, aval.ndim)]
            front = aval.update(shape=tuple([aval.shape[i] for i in order]))
            x = self.as_loop(ctx, ctx.transpose(x, front.shape, aval.dtype, order), front, 0, reverse)
            return [ctx.transpose(x, aval.shape, aval.dtype, inverse_permutation(order))]
        n = aval.shape[axis]
        window = [1] * aval.ndim
        window[axis] = n
        padding = np.zeros((aval.ndim, 2), np.int64)
        padding[axis] = (0, n - 1) if reverse else (n - 1, 0)
        op = ctx.op("stablehlo.reduce_window", (x, ctx.scalar(self.identity(aval.dtype), aval.dtype)), None, {
            "window_dimensions": ctx.i64s(window), "padding": ctx.i64_tensor(padding)}, regions=1)
        ctx.reducer_region(op.regions[0], [aval.dtype], self.scalar_reducer(aval.dtype))
        return [op.result]

    def as_loop(self, ctx, x, aval, axis: int, reverse: bool):
        """``for i: total = combine(total, x[i]); out[i] = total``, as MLIR values."""
        row = aval.update(shape=(*aval.shape[:axis], 1, *aval.shape[axis + 1:]))
        n, i32 = aval.shape[axis], np.dtype(np.int32)
        index = ShapedArray((), i32)
        reducer = self.scalar_reducer(aval.dtype)
        if not isinstance(reducer, str):
            reducer = trace_to_jaxpr(lambda a, b: [self.combine(a, b)], [row, row])

        def starts(i):
            return [i if d == axis else ctx.scalar(0, i32) for d in range(aval.ndim)]

        def step(i, total, out):
            place = ctx.op("stablehlo.subtract", (ctx.scalar(n - 1, i32), i), [ctx.type(index)]).result if reverse else i
            new = ctx.op("stablehlo.dynamic_slice", (x, *starts(place)), [ctx.type(row)],
                         {"slice_sizes": ctx.i64s(row.shape)}).result
            if isinstance(reducer, str):
                total = ctx.elementwise(reducer, total, new)
            else:
                (total,) = ctx.inline(reducer, total, new)
            out = ctx.op("stablehlo.dynamic_update_slice", (out, total, *starts(place)), [ctx.type(aval)]).result
            return [ctx.elementwise("stablehlo.add", i, ctx.scalar(1, i32)), total, out]

        identity = self.identity(aval.dtype)
        init = [ctx.scalar(0, i32), ctx.const(identity, row.strip_weak_type()), ctx.const(identity, aval.strip_weak_type())]
        return ctx.while_loop(init, lambda i, *_: ctx.compare(i, ctx.scalar(n, i32), "LT", (), i32), step)[2]

    def batch(self, axis_, args, dims, *, axis, reverse):
        (d,) = dims
        return self.bind(*args, axis=axis + (axis >= d), reverse=reverse), [d]

    def jvp(self, primals, tangents, *, axis, reverse):
        (x,), (t,) = primals, tangents
        if type(t) is Zero:
            outs = self.bind(x, axis=axis, reverse=reverse)
            return outs, [Zero.of(outs[0])]
        return self.derivative(x, t, axis, reverse)

    def derivative(self, x, t, axis: int, reverse: bool):
        """([result], [its tangent]), the tangent not zero."""
        if reverse:
            (x,), (t,) = rev_p.bind(x, dimensions=(axis,)), rev_p.bind(t, dimensions=(axis,))
        pair = scan_pairs(self.combine_tangents, [x, t], axis)
        if reverse:
            pair = [rev_p.bind(a, dimensions=(axis,))[0] for a in pair]
        return pair[:1], pair[1:]

    def combine_tangents(self, a, b):
        """Combine two pairs (value, tangent)."""
        raise NotImplementedError


class CumSum(Cumulative):
    name = "cumsum"
    reducer = "stablehlo.add"
    combine = staticmethod(add)

    def identity(self, dtype):
        return 0

    def derivative(self, x, t, axis, reverse):
        return self.bind(x, axis=axis, reverse=reverse), self.bind(t, axis=axis, reverse=reverse)

    def transpose(self, cts, x, *, axis, reverse):
        return self.bind(cts[0], axis=axis, reverse=not reverse)


class CumProd(Cumulative):
    name = "cumprod"
    reducer = "stablehlo.multiply"
    combine = staticmethod(mul)

    def identity(self, dtype):
        return 1

    def combine_tangents(self, a, b):
        (x, t), (y, s) = a, b
        return [mul(x, y), add(mul(t, y), mul(s, x))]


class CumLogSumExp(Cumulative):
    name = "cumlogsumexp"
    accepts = "f"

    def identity(self, dtype):
        return least(dtype)

    def combine(self, x, y):
        high = max(x, y)
        gap = abs(sub(x, y))
        gap = select(eq(x, y), 0, gap)          # two infinities have no difference
        return add(high, log1p(exp(neg(gap))))

    def combine_tangents(self, a, b):
        (x, t), (y, s) = a, b
        both = self.combine(x, y)
        return [both, add(mul(t, _weight(x, both)), mul(s, _weight(y, both)))]


def _weight(x, total):
    """``exp(x - total)``, the part of a summand in the sum of exponentials."""
    return exp(select(eq(x, total), 0, sub(x, total)))


class _CumulativeExtremum(Cumulative):
    """The derivative at each place is that of the element which is the extremum so far, the first of equal ones."""

    def derivative(self, x, t, axis, reverse):
        outs = self.bind(x, axis=axis, reverse=reverse)
        (out,) = outs
        shape = aval_of(out).shape
        n = shape[axis]
        if n < 2:
            return outs, [t]
        before, after = [_cut(out, axis, start, start + n - 1) for start in ((1, 0) if reverse else (0, 1))]
        config = [(0, 0, 0)] * len(shape)
        config[axis] = (0, 1, 0) if reverse else (1, 0, 0)
        (is_new,) = pad_p.bind(ne(before, after), False, padding_config=tuple(config))
        (index,) = iota_p.bind(dtype=np.dtype(np.int32), shape=shape, dimension=axis, sharding=None)
        place = select(is_new, index, np.int32(n - 1 if reverse else 0))
        last = cummin_p if reverse else cummax_p
        (place,) = last.bind(place, axis=axis, reverse=reverse)
        return outs, [take_along(t, place, axis)]


class CumMax(_CumulativeExtremum):
    name = "cummax"
    reducer = "stablehlo.maximum"
    combine = staticmethod(max)

    def identity(self, dtype):
        return least(dtype)


class CumMin(_CumulativeExtremum):
    name = "cummin"
    reducer = "stablehlo.minimum"
    combine = staticmethod(min)

    def identity(self, dtype):
        return greatest(dtype)


cumsum_p = register(CumSum())
cumprod_p = register(CumProd())
cummax_p = register(CumMax())
cummin_p = register(CumMin())
cumlogsumexp_p = register(CumLogSumExp())


# --- scans of pairs -----------------------------------------------------------------------------

def scan_pairs(combine, xs: list, axis: int) -> list:
    """All prefixes ``x0, combine(x0, x1), combine(combine(x0, x1), x2), ...`` along an axis.

    Neighbours are combined, the half as many results are scanned, which gives every other prefix, and each
    of these is combined with the next element for those between: 2n operations in 2 log n wide steps.

    Parameters
    ----------
    combine : associative; two lists of arrays -> a list
    xs : list of arrays, of one size along the axis
    axis : int
    """
    n = aval_of(xs[0]).shape[axis]
    if n < 2:
        return xs
    firsts = [_cut(x, axis, 0, n - n % 2, 2) for x in xs]
    seconds = [_cut(x, axis, 1, n, 2) for x in xs]
    odd = scan_pairs(combine, combine(firsts, seconds), axis)           # prefixes that end with a second
    even = [_cut(x, axis, 0, 1) for x in xs]                            # prefixes that end with a first
    if n > 2:
        known = (n - 1) // 2
        between = combine([_cut(o, axis, 0, known) for o in odd], [_cut(x, axis, 2, n, 2) for x in xs])
        even = [concatenate_p.bind(e, b, dimension=axis)[0] for e, b in zip(even, between)]
    return [_interleave(e, o, axis) for e, o in zip(even, odd)]


def _cut(x, axis: int, start: int, limit: int, stride: int = 1):
    shape = aval_of(x).shape
    ndim = len(shape)
    starts = (0,) * axis + (start,) + (0,) * (ndim - axis - 1)
    strides = None if stride == 1 else (1,) * axis + (stride,) + (1,) * (ndim - axis - 1)
    return slice_p.bind(x, start_indices=starts, limit_indices=(*shape[:axis], limit, *shape[axis + 1:]),
                        strides=strides)[0]


def _interleave(x, y, axis: int):
    """``x0, y0, x1, y1, ...``; x may have one element more."""
    n, m = aval_of(x).shape[axis], aval_of(y).shape[axis]
    zero = aval_of(x).dtype.type(0)

    def spread(a, low, high):
        config = [(0, 0, 0)] * aval_of(a).ndim
        config[axis] = (low, high, 1)
        return pad_p.bind(a, zero, padding_config=tuple(config))[0]
    return add(spread(x, 0, 1 if n == m else 0), spread(y, 1, 0 if n == m else 1))


# --- reduce_prod --------------------------------------------------------------------------------

class ReduceProd(Reduction):
    """Product over ``axes``. Its derivative multiplies, for each factor, all before and all after it: zeros do no harm."""

    name = "reduce_prod"
    reducer = "stablehlo.multiply"
    accepts = "iufc"

    def identity(self, dtype):
        return 1

    def jvp(self, primals, tangents, *, axes):
        (x,), (t,) = primals, tangents
        outs = self.bind(x, axes=axes)
        if type(t) is Zero:
            return outs, [Zero.of(outs[0])]
        if len(axes) == 1:
            (axis,) = axes
        else:                                   # make one axis of them, in front
            kept = tuple([i for i in range(x.ndim) if i not in axes])
            dims = (*axes, *kept)
            sizes = (math.prod([x.shape[i] for i in axes]), *[x.shape[i] for i in kept])
            dims = None if dims == tuple(range(x.ndim)) else dims
            x, t = [reshape_p.bind(a, new_sizes=sizes, dimensions=dims, sharding=None)[0] for a in (x, t)]
            axis = 0
        one = aval_of(x).dtype.type(1)

        def others(reverse):                    # products of all before each element, or after it
            (inclusive,) = cumprod_p.bind(x, axis=axis, reverse=reverse)
            config = [(0, 0, 0)] * aval_of(x).ndim
            config[axis] = (-1, 1, 0) if reverse else (1, -1, 0)
            return pad_p.bind(inclusive, one, padding_config=tuple(config))[0]
        if aval_of(x).shape[axis] == 0:
            return outs, [Zero.of(outs[0])]
        terms = mul(t, mul(others(False), others(True)))
        return outs, reduce_sum_p.bind(terms, axes=(axis,), out_sharding=None)


reduce_prod_p = register(ReduceProd())


# --- the functions ------------------------------------------------------------------------------

def reduce_prod(operand, axes):
    """The product of the elements along axes.

    Parameters
    ----------
    operand : array of numbers
    axes : the dimensions to reduce, counted from the front

    Returns
    -------
    array of the operand's dtype, without those dimensions
    """
    return reduce_prod_p.bind(operand, axes=as_static_ints(axes, "axes"))[0]


def _function(primitive, what: str):
    def fn(operand, axis=0, reverse=False):
        axis = normalize_axis(axis, aval_of(operand).ndim)
        return primitive.bind(operand, axis=axis, reverse=bool(reverse))[0]
    fn.__name__ = fn.__qualname__ = primitive.name
    fn.__doc__ = f"""{what} along an axis, up to and with each element.

    Parameters
    ----------
    operand : array
    axis : along which
    reverse : whether to start at the end

    Returns
    -------
    array like ``operand``
    """
    return fn


cumsum = _function(cumsum_p, "The sum of the elements")
cumprod = _function(cumprod_p, "The product of the elements")
cummax = _function(cummax_p, "The greatest element")
cummin = _function(cummin_p, "The smallest element")
cumlogsumexp = _function(cumlogsumexp_p, "The logarithm of the sum of exponentials of the elements")
