"""Joining arrays and taking them apart: concatenate and split, stack and unstack, each the other's transpose."""

from __future__ import annotations

from collections.abc import Iterable

from ferax._src.ops.axes import place_axis, shift_axes
from ferax._src.ops.linear import Linear
from ferax._src.ops.static import as_static_int, as_static_ints, normalize_axis
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.tracing.core import Array, Primitive, Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of

_FAN_IN = 16        # a concatenation of very many operands compiles slowly; of groups of this many quickly


class _Joining(Primitive):
    """What concatenate and stack share: linear in all operands together, which have one dtype."""

    def check(self, avals) -> None:
        first = avals[0]
        for aval in avals:
            if aval.ndim != first.ndim:
                raise TypeError(f"Cannot {self.name} arrays with different numbers of dimensions: got "
                                f"{', '.join(str(a.shape) for a in avals)}")
            if aval.dtype != first.dtype:
                raise TypeError(f"{self.name} requires arguments to have the same dtypes, got "
                                f"{', '.join(dtypes.dtype_name(a.dtype) for a in avals)}. (Tip: jnp.{self.name} converts them)")

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        if all(type(t) is Zero for t in tangents):
            return outs, [Zero.of(outs[0])]
        return outs, self.bind(*[instantiate_zeros(t) for t in tangents], **params)

    def place(self, axis, args, dims):
        """The operands with their mapped axes in one place, and the place: where most of them have it."""
        found = [d for d in dims if d is not None]
        to = max(found, key=found.count)
        return [place_axis(x, d, axis.size, to) for x, d in zip(args, dims)], to


class Concatenate(_Joining):
    """The operands one after the other along ``dimension``."""

    name = "concatenate"

    def abstract_eval(self, *avals, dimension):
        if not avals:
            raise TypeError("concatenate expects at least one operand, got 0.")
        self.check(avals)
        first = avals[0]
        shapes = ", ".join(str(a.shape) for a in avals) if len(avals) < 20 else f"{first.shape}, ..."
        if not 0 <= dimension < first.ndim:
            raise TypeError(f"concatenate dimension out of bounds: dimension {dimension} for shapes {shapes}")
        before, after = first.shape[:dimension], first.shape[dimension + 1:]
        for aval in avals:
            if aval.shape[:dimension] != before or aval.shape[dimension + 1:] != after:
                raise TypeError("Cannot concatenate arrays with shapes that differ in dimensions other than the one being "
                                f"concatenated: concatenating along dimension {dimension} for shapes {shapes}")
        total = sum([a.shape[dimension] for a in avals])
        weak = all(a.weak_type for a in avals)
        return [ShapedArray((*before, total, *after), first.dtype, weak)]

    def lower(self, ctx, *values, dimension):
        (out,) = ctx.avals_out
        if out.size == 0:
            return [ctx.const(0, out)]
        # Empty operands are left out: XLA fails (in 0.10) on a slice of a concatenation that has one.
        some = [(v, a.shape[dimension]) for v, a in zip(values, ctx.avals_in) if a.shape[dimension]]
        return [join_values(ctx, *zip(*some), dimension)]

    def transpose(self, cts, *args, dimension):
        sizes = tuple([x.shape[dimension] for x in args])
        pieces = split_p.bind(cts[0], sizes=sizes, axis=dimension)
        return [piece if isinstance(x, ShapedArray) else None for x, piece in zip(args, pieces)]

    def batch(self, axis, args, dims, *, dimension):
        args, to = self.place(axis, args, dims)
        return self.bind(*args, dimension=dimension + (dimension >= to)), [to]


class Stack(_Joining):
    """The operands side by side along a new dimension ``axis``."""

    name = "stack"

    def abstract_eval(self, *avals, axis):
        if not avals:
            raise ValueError("stack expects at least one operand, got 0.")
        self.check(avals)
        first = avals[0]
        if any(a.shape != first.shape for a in avals):
            raise ValueError("All input arrays must have the same shape. Got "
                             f"{', '.join(str(a.shape) for a in avals)}")
        shape = (*first.shape[:axis], len(avals), *first.shape[axis:])
        return [ShapedArray(shape, first.dtype, all(a.weak_type for a in avals))]

    def lower(self, ctx, *values, axis):
        aval = ctx.avals_in[0]
        one = (*aval.shape[:axis], 1, *aval.shape[axis:])
        rows = [ctx.reshape(v, one, aval.dtype) for v in values]
        return [join_values(ctx, rows, [1] * len(rows), axis)]

    def transpose(self, cts, *args, axis):
        rows = unstack_p.bind(cts[0], axis=axis)
        return [row if isinstance(x, ShapedArray) else None for x, row in zip(args, rows)]

    def batch(self, axis_, args, dims, *, axis):
        args, to = self.place(axis_, args, dims)
        if axis <= to:                          # the new dimension comes before the mapped one
            return self.bind(*args, axis=axis), [to + 1]
        return self.bind(*args, axis=axis + 1), [to]


def join_values(ctx, values, sizes, dimension: int):
    """Concatenate MLIR values that differ in size along one dimension only, as a tree if there are many."""
    out = ctx.avals_out[0]
    attrs = {"dimension": ctx.i64(dimension)}
    values, sizes = list(values), list(sizes)
    while True:
        groups = range(0, len(values), _FAN_IN)
        joined = [sum(sizes[i:i + _FAN_IN]) for i in groups]
        types = [ctx.tensor((*out.shape[:dimension], n, *out.shape[dimension + 1:]), out.dtype) for n in joined]
        values = [ctx.op("stablehlo.concatenate", values[i:i + _FAN_IN], [t], attrs).result
                  for i, t in zip(groups, types)]
        sizes = joined
        if len(values) == 1:
            return values[0]


class _Parting(Linear):
    """What split and unstack share: linear in the operand; a result without a cotangent has zeros."""

    def pieces(self, ctx, x, starts, sizes, axis):
        """MLIR values of consecutive parts along ``axis``, and their shapes."""
        aval = ctx.avals_in[0]
        start, limit = [0] * aval.ndim, list(aval.shape)
        strides = ctx.i64s([1] * aval.ndim)
        for first, size in zip(starts, sizes):
            start[axis], limit[axis] = first, first + size
            shape = (*aval.shape[:axis], size, *aval.shape[axis + 1:])
            attrs = {"start_indices": ctx.i64s(start), "limit_indices": ctx.i64s(limit), "strides": strides}
            yield ctx.op("stablehlo.slice", (x,), [ctx.tensor(shape, aval.dtype)], attrs).result


class Split(_Parting):
    """Consecutive parts of the given ``sizes`` along ``axis``."""

    name = "split"

    def abstract_eval(self, x, *, sizes, axis):
        if any(size < 0 for size in sizes):
            raise ValueError(f"Sizes passed to split must be nonnegative, got {list(sizes)}")
        if not 0 <= axis < x.ndim:
            raise ValueError(f"split: axis {axis} is out of bounds for shape {x.shape}")
        if sum(sizes) != x.shape[axis]:
            raise ValueError(f"Sum of sizes {sum(sizes)} must be equal to dimension {axis} of the operand shape {x.shape}")
        return [x.update(shape=(*x.shape[:axis], size, *x.shape[axis + 1:]), sharding=None) for size in sizes]

    def lower(self, ctx, x, *, sizes, axis):
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        return list(self.pieces(ctx, x, starts, sizes, axis))

    def transpose(self, cts, x, *, sizes, axis):
        return concatenate_p.bind(*[instantiate_zeros(ct) for ct in cts], dimension=axis)

    def batch(self, axis_, args, dims, *, sizes, axis):
        (axis,) = shift_axes((axis,), dims[0])
        return self.bind(*args, sizes=sizes, axis=axis), dims * len(sizes)


class Unstack(_Parting):
    """The operand's slices along ``axis``, without it."""

    name = "unstack"

    def abstract_eval(self, x, *, axis):
        if not 0 <= axis < x.ndim:
            raise ValueError(f"unstack: axis {axis} is out of bounds for shape {x.shape}")
        row = x.update(shape=(*x.shape[:axis], *x.shape[axis + 1:]), sharding=None)
        return [row] * x.shape[axis]

    def lower(self, ctx, x, *, axis):
        n = ctx.avals_in[0].shape[axis]
        rows = self.pieces(ctx, x, range(n), [1] * n, axis)
        return [ctx.reshape(row, out.shape, out.dtype) for row, out in zip(rows, ctx.avals_out)]

    def transpose(self, cts, x, *, axis):
        return stack_p.bind(*[instantiate_zeros(ct) for ct in cts], axis=axis)

    def batch(self, axis_, args, dims, *, axis):
        (x,), (d,) = args, dims
        n = aval_of(x).shape[axis + (axis >= d)]
        if axis < d:
            return self.bind(x, axis=axis), [d - 1] * n
        return self.bind(x, axis=axis + 1), [d] * n


concatenate_p = register(Concatenate())
stack_p = register(Stack())
split_p = register(Split())
unstack_p = register(Unstack())


# --- the functions ------------------------------------------------------------------------------

def concatenate(operands, dimension):
    """Join arrays along a dimension.

    Parameters
    ----------
    operands : sequence of arrays of one dtype, whose shapes agree in all other dimensions
    dimension : which one, counted from the front

    Returns
    -------
    array
    """
    operands = unstacked_operands(operands)
    if len(operands) == 1 and isinstance(operands[0], Array):
        return operands[0]
    if not operands:
        raise ValueError("concatenate requires a non-empty sequences of arrays")
    return concatenate_p.bind(*operands, dimension=as_static_int(dimension, "dimension"))[0]


def unstacked_operands(operands) -> list:
    """A sequence of arrays as a list; an array stands for its rows."""
    if isinstance(operands, Array):
        return unstack(operands)
    if isinstance(operands, str) or not isinstance(operands, Iterable):
        raise TypeError(f"operands must be a sequence of arrays, got {operands!r} of type {type(operands).__name__}")
    return list(operands)


def split(operand, sizes, axis=0):
    """Split an array into consecutive parts.

    Parameters
    ----------
    operand : array
    sizes : sizes of the parts, which add up to that of the axis
    axis : along which

    Returns
    -------
    list of arrays
    """
    axis = normalize_axis(axis, aval_of(operand).ndim)
    return split_p.bind(operand, sizes=as_static_ints(sizes, "sizes"), axis=axis)


def stack(operands, axis=0):
    """Join arrays of one shape along a new axis.

    Parameters
    ----------
    operands : sequence of arrays
    axis : where in the result the new axis is

    Returns
    -------
    array
    """
    operands = unstacked_operands(operands)
    if not operands:
        raise ValueError("stack expects at least one operand, got 0.")
    return stack_p.bind(*operands, axis=normalize_axis(axis, aval_of(operands[0]).ndim + 1))[0]


def unstack(x, axis=0):
    """The slices of an array along an axis, without it.

    Parameters
    ----------
    x : array
    axis : along which

    Returns
    -------
    tuple of arrays
    """
    return tuple(unstack_p.bind(x, axis=normalize_axis(axis, aval_of(x).ndim)))
