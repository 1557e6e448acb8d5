"""Reductions: the greatest and smallest of many elements; and, or, xor.

`reduce_sum` stands in `broadcasting`, beside its transpose, and `reduce_prod` in `cumulative`, of which its
derivative is made. `arg_extrema` finds where the greatest and smallest are, `control.reductions` reduces by any function.
"""

from __future__ import annotations

import numpy as np

from ferax._src.ops.broadcasting import (  # noqa: F401
    batched_reduction_axes,
    broadcast_in_dim_p,
    reduce_sum,
    reduce_sum_p,
    reduced_shape,
)
from ferax._src.ops.compare import eq
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import div, max, min, mul
from ferax._src.ops.static import as_static_ints
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray


class Reduction(Primitive):
    """Combine the elements along ``axes`` by an associative operation.

    ``reducer`` is the StableHLO operation, ``accepts`` the kinds of dtype.
    """

    reducer: str
    accepts = "biufc"
    keeps_weak_type = True

    def abstract_eval(self, x, *, axes, **params):
        shape = reduced_shape(self.name, x, axes)
        if dtypes.kind_of(x.dtype) not in self.accepts:
            raise TypeError(f"{self.name} does not accept dtype {dtypes.dtype_name(x.dtype)}")
        return [ShapedArray(shape, x.dtype, self.keeps_weak_type and x.weak_type)]

    def lower(self, ctx, x, *, axes, **params):
        dtype = ctx.avals_in[0].dtype
        return ctx.reduce(self.reducer, (x,), (self.identity(dtype),), axes)

    def identity(self, dtype):
        """What an empty reduction answers."""
        raise NotImplementedError

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        return outs, [Zero.of(outs[0])]

    def batch(self, axis, args, dims, *, axes, **params):
        axes, to = batched_reduction_axes(axes, dims[0])
        return self.bind(args[0], axes=axes, **params), [to]


# --- greatest and smallest ----------------------------------------------------------------------

class _Extremum(Reduction):
    """The greatest or smallest element; several that are equal share its derivative."""

    accepts = "biufc"
    function = staticmethod(max)

    def lower(self, ctx, x, *, axes):
        dtype = ctx.avals_in[0].dtype
        reducer = self.reducer
        if dtypes.kind_of(dtype) == "c":        # ordered by real, then imaginary part: several operations
            scalar = ShapedArray((), dtype)
            reducer = trace_to_jaxpr(lambda a, b: [self.function(a, b)], [scalar, scalar])
        return ctx.reduce(reducer, (x,), (self.identity(dtype),), axes)

    def jvp(self, primals, tangents, *, axes):
        (x,), (t,) = primals, tangents
        outs = self.bind(x, axes=axes)
        if type(t) is Zero:
            return outs, [Zero.of(outs[0])]
        kept = tuple([i for i in range(x.ndim) if i not in axes])
        column = tuple([1 if i in axes else size for i, size in enumerate(x.shape)])
        (best,) = broadcast_in_dim_p.bind(outs[0], shape=column, broadcast_dimensions=kept, sharding=None)
        is_best = convert(eq(x, best), t.dtype)
        count, total = [reduce_sum_p.bind(a, axes=axes, out_sharding=None)[0] for a in (is_best, mul(t, is_best))]
        return outs, [div(total, count)]


class ReduceMax(_Extremum):
    name = "reduce_max"
    reducer = "stablehlo.maximum"

    def identity(self, dtype):
        return least(dtype)


class ReduceMin(_Extremum):
    name = "reduce_min"
    reducer = "stablehlo.minimum"
    function = staticmethod(min)

    def identity(self, dtype):
        return greatest(dtype)


def least(dtype):
    """The smallest value of a dtype."""
    kind = dtypes.kind_of(dtype)
    if kind in "fc":
        return -np.inf if dtypes.supports_inf(dtype) else dtypes.finfo(dtype).min
    return False if kind == "b" else int(dtypes.iinfo(dtype).min)


def greatest(dtype):
    """The greatest value of a dtype."""
    kind = dtypes.kind_of(dtype)
    if kind in "fc":
        return np.inf if dtypes.supports_inf(dtype) else dtypes.finfo(dtype).max
    return True if kind == "b" else int(dtypes.iinfo(dtype).max)


# --- bits ---------------------------------------------------------------------------------------

class _Bits(Reduction):
    accepts = "biu"
    keeps_weak_type = False

    def identity(self, dtype):
        return 0


class ReduceAnd(_Bits):
    name = "reduce_and"
    reducer = "stablehlo.and"

    def identity(self, dtype):
        return True if dtype == dtypes.bool_ else -1


class ReduceOr(_Bits):
    name = "reduce_or"
    reducer = "stablehlo.or"


class ReduceXor(_Bits):
    name = "reduce_xor"
    reducer = "stablehlo.xor"


reduce_max_p = register(ReduceMax())
reduce_min_p = register(ReduceMin())
reduce_and_p = register(ReduceAnd())
reduce_or_p = register(ReduceOr())
reduce_xor_p = register(ReduceXor())


# --- the functions ------------------------------------------------------------------------------

def reduce_max(operand, axes):
    """The greatest element along axes; NaN if there is one.

    Parameters
    ----------
    operand : array
    axes : the dimensions to reduce, counted from the front

    Returns
    -------
    array of the operand's dtype, without those dimensions
    """
    return reduce_max_p.bind(operand, axes=as_static_ints(axes, "axes"))[0]


def reduce_min(operand, axes):
    """The smallest element along axes; NaN if there is one.

    Parameters
    ----------
    operand : array
    axes : the dimensions to reduce, counted from the front

    Returns
    -------
    array of the operand's dtype, without those dimensions
    """
    return reduce_min_p.bind(operand, axes=as_static_ints(axes, "axes"))[0]


def reduce_and(operand, axes):
    """Bitwise (for booleans logical) and of the elements along axes.

    Parameters
    ----------
    operand : array of booleans or integers
    axes : the dimensions to reduce, counted from the front

    Returns
    -------
    array of the operand's dtype, without those dimensions
    """
    return reduce_and_p.bind(operand, axes=as_static_ints(axes, "axes"))[0]


def reduce_or(operand, axes):
    """Bitwise (for booleans logical) or of the elements along axes.

    Parameters
    ----------
    operand : array of booleans or integers
    axes : the dimensions to reduce, counted from the front

    Returns
    -------
    array of the operand's dtype, without those dimensions
    """
    return reduce_or_p.bind(operand, axes=as_static_ints(axes, "axes"))[0]


def reduce_xor(operand, axes):
    """Bitwise (for booleans logical) exclusive or of the elements along axes.

    Parameters
    ----------
    operand : array of booleans or integers
    axes : the dimensions to reduce, counted from the front

    Returns
    -------
    array of the operand's dtype, without those dimensions
    """
    return reduce_xor_p.bind(operand, axes=as_static_ints(axes, "axes"))[0]
