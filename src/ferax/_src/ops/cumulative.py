"""Cumulative sums, products, extrema and logarithms of sums; and reduce_prod, whose derivative is made of them.

On the CPU they are loops over rows, or over rows of blocks (`row_loops`); elsewhere a StableHLO ``reduce_window`` over all
that came before, which XLA turns into a tree.

A cumulative product y has ``dy[i] = x[i] dy[i-1] + y[i-1] dx[i]``, and a logarithm of sums the like: the derivative is a
linear recurrence (`linear_recurrence`), and so are its own derivative and its transpose.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.ops.base import add, operand as as_operand
from ferax._src.ops.broadcasting import reduce_sum_p
from ferax._src.ops.compare import eq
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import abs, exp, is_finite, log, log1p, max, min, mul, neg, sub
from ferax._src.ops.elementwise_complex import complex, real
from ferax._src.ops.linear_recurrence import linear_recurrence_p
from ferax._src.ops.prefixes import cut, shifted
from ferax._src.ops.reduce import Reduction, greatest, least
from ferax._src.ops.row_loops import AT_ONCE, loop_over_blocks, loop_over_rows, wants_blocks, wide_dtype
from ferax._src.ops.select import select
from ferax._src.ops.shape import reshape_p
from ferax._src.ops.slicing import pad_p
from ferax._src.ops.static import as_static_int, as_static_ints
from ferax._src.ops.zeros import filled
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.symbolic_dims import is_symbolic_dim


class Cumulative(Primitive):
    """Each element combined with all before it along ``axis`` (after it, if ``reverse``)."""

    reducer: str | None = None                  # StableHLO operation, or None: `function` is traced
    accepts = "iufc"
    at_once = AT_ONCE                           # rows that the loop takes at a time

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
        n = aval.shape[axis]
        if aval.size == 0 or n == 1:
            return [x]
        if is_symbolic_dim(n):
            return loop_over_rows(ctx, _step, {"primitive": self, "out": aval.dtype}, (x,), (aval,), self.start(aval.dtype), [aval.dtype],
                                  axis, reverse, at_once=1)
        if ctx.tuned:
            dtype, start = aval.dtype, self.start(aval.dtype)
            if not wants_blocks(aval, axis, self.is_accurate(dtype)):
                return loop_over_rows(ctx, _step, {"primitive": self, "out": dtype}, (x,), (aval,), start, [dtype], axis, reverse,
                                      self.at_once)
            out = wide_dtype(dtype)
            (y,) = loop_over_blocks(ctx, _step, {"primitive": self, "out": out}, (x,), (aval,), start, [out], axis, reverse, _combine,
                                    [self.identity(out)], self.at_once)
            return [y if out == dtype else ctx.convert(y, aval.shape, dtype)]
        window = [1] * aval.ndim
        window[axis] = n
        padding = np.zeros((aval.ndim, 2), np.int64)
        padding[axis] = (0, n - 1) if reverse else (n - 1, 0)
        op = ctx.op("stablehlo.reduce_window", (x, ctx.scalar(self.identity(aval.dtype), aval.dtype)), None, {
            "window_dimensions": ctx.i64s(window), "padding": ctx.i64_tensor(padding)}, regions=1)
        ctx.reducer_region(op.regions[0], [aval.dtype], self.scalar_reducer(aval.dtype))
        return [op.result]

    # As a loop: a carry, of one row or several, is combined with the next row.

    def is_accurate(self, dtype) -> bool:
        """Whether rounding errors of the loop do not grow with the number of steps."""
        return dtypes.kind_of(dtype) not in "fc"

    def start(self, dtype) -> list:
        """The numbers that the carry begins with, and their dtypes."""
        return [(self.identity(dtype), wide_dtype(dtype))]

    def step(self, carry, x) -> tuple:
        """The carry after one more row, and what stands in the result there, in any dtype."""
        total = self.combine(carry[0], convert(x, carry[0].dtype))
        return [total], total

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
        raise NotImplementedError


def _step(*values, primitive, out):
    *carry, x = values
    carry, y = primitive.step(carry, x)
    return [*carry, convert(y, out)]


def _combine(earlier, y, *, primitive, out):
    return [primitive.combine(earlier, y)]


class CumSum(Cumulative):
    name = "cumsum"
    reducer = "stablehlo.add"
    at_once = 1                                 # with conversions in between, several are no quicker
    combine = staticmethod(add)

    def identity(self, dtype):
        return 0

    def is_accurate(self, dtype):
        return dtypes.kind_of(dtype) != "c"

    def start(self, dtype):                     # float32 is added up in float64, which costs nothing there
        return [(0, np.dtype(np.float64) if dtype == np.float32 else wide_dtype(dtype))]

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

    def derivative(self, x, t, axis, reverse):
        (y,) = self.bind(x, axis=axis, reverse=reverse)
        return [y], linear_recurrence_p.bind(x, mul(t, shifted(y, axis, 1, reverse)), axis=axis, reverse=reverse)


class CumLogSumExp(Cumulative):
    name = "cumlogsumexp"
    accepts = "fc"
    at_once = 1

    def identity(self, dtype):
        return least(dtype)

    def combine(self, x, y):
        if dtypes.kind_of(x.dtype) == "c":
            high = _finite(max(real(x), real(y)))
            high = _as_complex(high)
            return add(log(add(exp(sub(x, high)), exp(sub(y, high)))), high)
        high = max(x, y)
        gap = abs(sub(x, y))
        gap = select(eq(x, y), 0, gap)          # two infinities have no difference
        return add(high, log1p(exp(neg(gap))))

    # The loop carries the maximum and the sum of exponentials relative to it.

    def start(self, dtype):
        wide = wide_dtype(dtype)
        return [(least(wide), dtypes.to_floating_dtype(wide)), (0, wide)]

    def step(self, carry, x):
        high, total = carry
        x = convert(x, total.dtype)
        if dtypes.kind_of(x.dtype) == "c":
            new = max(high, real(x))
            shift = _finite(new)
            total = add(mul(total, _as_complex(exp(sub(high, shift)))), exp(sub(x, _as_complex(shift))))
            return [new, total], add(log(total), _as_complex(shift))
        new = max(high, x)
        shift = _finite(new)
        total = add(mul(total, exp(sub(high, shift))), exp(sub(x, shift)))
        return [new, total], select(eq(new, np.inf), new, add(log(total), shift))

    def derivative(self, x, t, axis, reverse):
        # y[i] = log(exp y[i-1] + exp x[i]); the parts of both in the sum are the weights of their tangents.
        (y,) = self.bind(x, axis=axis, reverse=reverse)
        before = shifted(y, axis, least(aval_of(y).dtype), reverse)
        return [y], linear_recurrence_p.bind(_weight(before, y), mul(t, _weight(x, y)), axis=axis, reverse=reverse)


def _as_complex(x):
    return complex(x, filled(aval_of(x), 0))


def _finite(x):
    """A maximum as something that can be subtracted."""
    return select(is_finite(x), x, aval_of(x).dtype.type(0))


def _weight(x, total):
    """``exp(x - total)``, the part of a summand in the sum of exponentials."""
    return exp(select(eq(x, total), aval_of(x).dtype.type(0), sub(x, total)))


class _CumulativeExtremum(Cumulative):
    """The derivative at each place is that of the element which is the extremum so far, the first of equal ones."""

    def is_accurate(self, dtype):
        return True

    def start(self, dtype):
        return [(self.identity(dtype), dtype)]

    def derivative(self, x, t, axis, reverse):
        outs = self.bind(x, axis=axis, reverse=reverse)
        (out,) = outs
        n = aval_of(out).shape[axis]
        if n < 2:
            return outs, [t]
        before, after = [cut(out, axis, start, start + n - 1) for start in ((1, 0) if reverse else (0, 1))]
        config = [(0, 0, 0)] * aval_of(out).ndim
        config[axis] = (0, 1, 0) if reverse else (1, 0, 0)
        (stays,) = pad_p.bind(eq(before, after), False, padding_config=tuple(config))
        return outs, linear_recurrence_p.bind(convert(stays, t.dtype), select(stays, t.dtype.type(0), t), axis=axis, reverse=reverse)


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

        def others(reverse):                    # products of all before each element, or after it
            return shifted(cumprod_p.bind(x, axis=axis, reverse=reverse)[0], axis, 1, reverse)
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
        operand = as_operand(primitive.name, operand)
        axis = as_static_int(axis, "axis")
        if axis < 0:
            raise ValueError(f"{primitive.name}: axis must not be negative, got {axis}; count it from the front")
        return primitive.bind(operand, axis=axis, reverse=bool(reverse))[0]
    fn.__name__ = fn.__qualname__ = primitive.name
    fn.__doc__ = f"""{what} along an axis, up to and with each element.

    Parameters
    ----------
    operand : array
    axis : along which, counted from the front
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
