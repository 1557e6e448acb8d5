"""Reduction over windows by any function. Sums and extrema have primitives of their own, in `ops.reduce_window`.

The derivative is that of the reduction written out: what each tap of the windows sees is put side by side and folded.
"""

from __future__ import annotations

from ferax._src.control.reductions import flatten_operands, fold, fold_jvp, is_neutral, is_sum, reducer, without_boundary
from ferax._src.ops.axes import place_axis
from ferax._src.ops.base import add
from ferax._src.ops.broadcasting import broadcast_in_dim_p
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import max, min
from ferax._src.ops.joining import concatenate_p
from ferax._src.ops.reduce import greatest, least
from ferax._src.ops.reduce_window import reduce_window_max_p, reduce_window_min_p, reduce_window_sum_p
from ferax._src.ops.shape import reshape_p
from ferax._src.ops.windows import (
    batched_window, canonical_window, check_window, padded, seen_through, taps_of, window_attributes, window_shape)
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.transforms.batch import batch_flat
from ferax._src.types import dtypes, pytrees
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.util.tracebacks import api_boundary


class ReduceWindow(Primitive):
    """Combine what each window sees by ``jaxpr``, a program of n running values and n new ones.

    The operands are n arrays of one shape, then n initial values, which padding consists of as well. They must not
    change what they are combined with.
    """

    name = "reduce_window"

    def abstract_eval(self, *avals, jaxpr, **window):
        n = len(avals) // 2
        xs, inits = avals[:n], avals[n:]
        if any(i.shape for i in inits):
            raise TypeError(f"reduce_window expected init_values to be scalars but init_values have shapes {[i.shape for i in inits]}.")
        if any(x.dtype != i.dtype for x, i in zip(xs, inits)):
            raise TypeError("reduce_window got inconsistent dtypes for operands and init_values: got operand dtypes "
                            f"{[dtypes.dtype_name(x.dtype) for x in xs]} and init_value dtypes "
                            f"{[dtypes.dtype_name(i.dtype) for i in inits]}.")
        check_window(self.name, xs[0].shape, window)
        shape = window_shape(xs[0].shape, window)
        return [ShapedArray(shape, x.dtype) for x in xs]

    def lower(self, ctx, *values, jaxpr, **window):
        if ctx.avals_out[0].size == 0:
            return [ctx.const(0, out) for out in ctx.avals_out]
        op = ctx.op("stablehlo.reduce_window", values, None, window_attributes(ctx, window), regions=1)
        ctx.reducer_region(op.regions[0], [a.dtype for a in ctx.avals_out], jaxpr)
        return list(op.results)

    def batch(self, axis, args, dims, *, jaxpr, **window):
        n = len(args) // 2
        if any(d is not None for d in dims[n:]):
            return batch_flat(lambda *values: _written_out(values, jaxpr, window), args, dims, axis)
        xs = [place_axis(x, d, axis.size, 0) for x, d in zip(args[:n], dims[:n])]
        return self.bind(*xs, *args[n:], jaxpr=jaxpr, **batched_window(window, 0)), [0] * n

    def jvp(self, primals, tangents, *, jaxpr, **window):
        outs = self.bind(*primals, jaxpr=jaxpr, **window)
        if any(type(t) is not Zero for t in tangents[len(outs):]):
            raise TypeError("reduce_window has no derivative with respect to initial values: they must not change what they are "
                            "combined with, and it is not specified how often they are")
        return outs, fold_jvp(lambda *values: _written_out(values, jaxpr, window), primals, tangents, outs)


def _written_out(values, jaxpr, window: dict) -> list:
    n = len(values) // 2
    counts = window_shape(aval_of(values[0]).shape, window)
    if 0 in counts:
        return [broadcast_in_dim_p.bind(i, shape=counts, broadcast_dimensions=(), sharding=None)[0] for i in values[n:]]
    return fold(jaxpr, [_side_by_side(x, init, window) for x, init in zip(values[:n], values[n:])], values[n:])


def _side_by_side(x, init, window: dict):
    """What each tap sees of an array: along a new first axis, in the order of the taps."""
    counts = window_shape(aval_of(x).shape, window)
    x = padded(x, init, window)
    seen = [seen_through(x, tap, counts, window["window_strides"]) for tap in taps_of(window)]
    seen = [reshape_p.bind(s, new_sizes=(1, *counts), dimensions=None, sharding=None)[0] for s in seen]
    return concatenate_p.bind(*seen, dimension=0)[0] if len(seen) > 1 else seen[0]


reduce_window_p = register(ReduceWindow())


# --- the function -------------------------------------------------------------------------------

#: function -> (its reduction, the initial value that makes it one)
_MONOIDS = {
    add: (reduce_window_sum_p, lambda dtype: 0),
    max: (reduce_window_max_p, least),
    min: (reduce_window_min_p, greatest),
}


@api_boundary
def reduce_window(operand, init_value, computation, window_dimensions, window_strides=None, padding="VALID",
                  base_dilation=None, window_dilation=None):
    """Reduce what windows that move over arrays see.

    Parameters
    ----------
    operand : array, or a pytree of arrays of one shape
    init_value : scalar, or a pytree like ``operand``: neutral elements of the function; padding consists of them
    computation : associative function of two scalars (or two such pytrees)
    window_dimensions : size of the window in each dimension
    window_strides : by how much it moves, in each dimension; 1 by default
    padding : 'VALID' for none; 'SAME' or 'SAME_LOWER' for as much as makes ``ceil(size / stride)`` windows; or a pair (low,
        high) for each dimension, where negative numbers take elements away
    base_dilation : how far apart the elements of ``operand`` are put, in each dimension; neutral elements lie between them
    window_dilation : how far apart the elements that a window sees are, in each dimension

    Returns
    -------
    array, or pytree like what ``computation`` answers; one element for each place of the window

    Raises
    ------
    TypeError : if there are too few or too many numbers for the dimensions, one is not positive, or dtypes of operands,
        initial values and results of the function differ.
    ValueError : if the pytrees differ, or explicit padding is not a pair for each dimension.
    RuntimeError : if there is no padding of that name.

    Notes
    -----
    `add`, `max` and `min` of ``ferax.lax``, begun with their neutral elements, are sum, maximum and minimum pooling. The derivative
    of a maximum goes to the first element that has it.

    Examples
    --------
    >>> reduce_window(jnp.arange(6.0), -jnp.inf, lax.max, (2,), (2,))
    Array([1., 3., 5.], dtype=float32)
    """
    xs, x_avals, inits, init_avals, tree = flatten_operands("reduce_window", operand, init_value)
    if any(a.shape for a in init_avals):
        raise TypeError(f"reduce_window expected init_values to be scalars but init_values have shapes {[a.shape for a in init_avals]}.")
    window = canonical_window("reduce_window", x_avals[0].shape, window_dimensions, window_strides, padding, base_dilation,
                              window_dilation)
    primitive = _monoid(computation, inits)
    if primitive is None:
        jaxpr, out_tree = reducer("reduce_window", computation, init_avals, tree)
        if out_tree != tree:
            raise ValueError(f"reduce_window output must have the same tree structure as the operands {tree} vs. {out_tree}")
        if not (is_sum(jaxpr, inits) and x_avals[0].dtype == init_avals[0].dtype):
            inits = [convert(i, a.dtype) for i, a in zip(inits, init_avals)]
            return pytrees.tree_unflatten(tree, reduce_window_p.bind(*xs, *inits, jaxpr=jaxpr, **window))
        (out,) = reduce_window_sum_p.bind(*xs, **window)
        return pytrees.tree_unflatten(tree, [convert(out, aval_of(out).dtype)])
    return pytrees.tree_unflatten(tree, primitive.bind(*xs, **window))


def _monoid(computation, inits):
    """The primitive that a function and its initial value stand for, or None."""
    try:
        found = _MONOIDS.get(without_boundary(computation))
    except TypeError:                           # a callable that is not hashable
        return None
    if found is None or len(inits) != 1:
        return None
    primitive, neutral = found
    return primitive if is_neutral(inits[0], neutral) else None
