"""Arrays in another shape: reshape, squeeze, rev, tile; and iota, the array that is known by its shape.

What is here needs no arithmetic. The operations that everything is made of, broadcasting, summing and
transposing, stand in `broadcasting` and are passed on from here.
"""

from __future__ import annotations

import builtins
import math

from ferax._src.ops.axes import move_axis, shift_axes
from ferax._src.ops.broadcasting import (  # noqa: F401
    broadcast,
    broadcast_in_dim,
    broadcast_in_dim_p,
    broadcast_like,
    broadcast_shapes,
    broadcast_to,
    broadcast_to_rank,
    expand_dims,
    inverse_permutation,
    reduce_sum_p,
    transpose,
    transpose_p,
)
from ferax._src.ops.linear import Linear
from ferax._src.ops.placing import placed
from ferax._src.ops.static import as_static_int, as_static_ints, normalize_axis, shape_or_size
from ferax._src.tracing.core import Array, Primitive, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of

# --- reshape ------------------------------------------------------------------------------------


class Reshape(Linear):
    """The elements in row-major order, in another shape; ``dimensions`` permutes the operand before."""

    name = "reshape"

    def abstract_eval(self, x, *, new_sizes, dimensions, sharding):
        if any(size < 0 for size in new_sizes):
            raise TypeError(f"reshape: new_sizes must not be negative, got {new_sizes}")
        if math.prod(new_sizes) != x.size:
            raise TypeError(f"reshape: the total size must stay the same, got new shape {new_sizes} (size "
                            f"{math.prod(new_sizes)}) for shape {x.shape} (size {x.size})")
        if dimensions is not None and sorted(dimensions) != list(range(x.ndim)):
            raise TypeError("reshape: dimensions must name each dimension of the operand once, got dimensions "
                            f"{dimensions} for shape {x.shape}")
        return [ShapedArray(new_sizes, x.dtype, x.weak_type, sharding)]

    def lower(self, ctx, x, *, new_sizes, dimensions, sharding):
        if dimensions is not None:
            aval = ctx.avals_in[0]
            x = ctx.transpose(x, tuple([aval.shape[d] for d in dimensions]), aval.dtype, dimensions)
        return ctx.emit("stablehlo.reshape", (x,))

    def transpose(self, cts, x, *, new_sizes, dimensions, sharding):
        if dimensions is None:
            return self.bind(cts[0], new_sizes=x.shape, dimensions=None, sharding=None)
        permuted = tuple([x.shape[d] for d in dimensions])
        (ct,) = self.bind(cts[0], new_sizes=permuted, dimensions=None, sharding=None)
        return transpose_p.bind(ct, permutation=inverse_permutation(dimensions))

    def batch(self, axis, args, dims, *, new_sizes, dimensions, sharding):
        (x,), (d,) = args, dims
        to = None if dimensions is not None else place_in_reshape(aval_of(x).shape, d, new_sizes)
        if to is None:                          # rows before the mapped axis would be torn: it goes first
            x, to = move_axis(x, d, 0), 0
            if dimensions is not None:
                dimensions = (0, *[i + 1 for i in dimensions])
        new_sizes = (*new_sizes[:to], axis.size, *new_sizes[to:])
        return self.bind(x, new_sizes=new_sizes, dimensions=dimensions, sharding=None), [to]


def place_in_reshape(shape, d: int, new_sizes) -> int | None:
    """Where in the new shape the axis ``d`` may stay without moving data: as many elements before it as now."""
    before, count = math.prod(shape[:d]), 1
    if before == 0:
        return None
    for to, size in enumerate(new_sizes):
        if count == before:
            return to
        count *= size
    return len(new_sizes) if count == before else None


# --- squeeze ------------------------------------------------------------------------------------

class Squeeze(Linear):
    """Drop ``dimensions``, all of size 1."""

    name = "squeeze"

    def abstract_eval(self, x, *, dimensions):
        if len(set(dimensions)) != len(dimensions):
            raise ValueError(f"squeeze: dimensions are not unique: {dimensions}")
        if any(not 0 <= d < x.ndim for d in dimensions):
            raise ValueError(f"squeeze: dimensions {dimensions} are out of bounds for shape {x.shape}")
        if any(x.shape[d] != 1 for d in dimensions):
            raise ValueError("cannot select an axis to squeeze out which has size not equal to one, "
                             f"got shape={x.shape} and dimensions={dimensions}")
        shape = tuple([size for i, size in enumerate(x.shape) if i not in dimensions])
        return [x.update(shape=shape, sharding=None)]

    def lower(self, ctx, x, *, dimensions):
        return ctx.emit("stablehlo.reshape", (x,))

    def transpose(self, cts, x, *, dimensions):
        return reshape_p.bind(cts[0], new_sizes=x.shape, dimensions=None, sharding=None)

    def batch(self, axis, args, dims, *, dimensions):
        (x,), (d,) = args, dims
        dimensions = shift_axes(dimensions, d)
        return self.bind(x, dimensions=dimensions), [d - sum([i < d for i in dimensions])]


# --- rev ----------------------------------------------------------------------------------------

class Rev(Linear):
    """Reverse the order of elements along ``dimensions``."""

    name = "rev"

    def abstract_eval(self, x, *, dimensions):
        if len(set(dimensions)) != len(dimensions):
            raise TypeError(f"rev: dimensions must be unique, got {dimensions}")
        if any(not 0 <= d < x.ndim for d in dimensions):
            raise TypeError(f"rev: dimensions {dimensions} are out of bounds for shape {x.shape}")
        return [x]

    def lower(self, ctx, x, *, dimensions):
        return ctx.emit("stablehlo.reverse", (x,), {"dimensions": ctx.i64s(dimensions)})

    def transpose(self, cts, x, *, dimensions):
        return self.bind(cts[0], dimensions=dimensions)

    def batch(self, axis, args, dims, *, dimensions):
        return self.bind(args[0], dimensions=shift_axes(dimensions, dims[0])), dims


# --- tile ---------------------------------------------------------------------------------------

class Tile(Linear):
    """Repeat the whole array ``reps[i]`` times along dimension i."""

    name = "tile"
    recompute = True

    def abstract_eval(self, x, *, reps):
        if len(reps) != x.ndim:
            raise TypeError(f"tile: reps must have one entry for each dimension, got reps {reps} for shape {x.shape}")
        if any(r < 0 for r in reps):
            raise TypeError(f"tile: reps must not be negative, got {reps}")
        return [x.update(shape=tuple([r * size for r, size in zip(reps, x.shape)]), sharding=None)]

    def lower(self, ctx, x, *, reps):
        aval = ctx.avals_in[0]
        split = tuple([n for pair in zip(reps, aval.shape) for n in pair])
        x = ctx.broadcast_in_dim(x, split, aval.dtype, range(1, 2 * aval.ndim, 2))
        return ctx.emit("stablehlo.reshape", (x,))

    def transpose(self, cts, x, *, reps):
        split = tuple([n for pair in zip(reps, x.shape) for n in pair])
        (ct,) = reshape_p.bind(cts[0], new_sizes=split, dimensions=None, sharding=None)
        return reduce_sum_p.bind(ct, axes=tuple(range(0, 2 * x.ndim, 2)), out_sharding=None)

    def batch(self, axis, args, dims, *, reps):
        d = dims[0]
        return self.bind(args[0], reps=(*reps[:d], 1, *reps[d:])), dims


# --- iota ---------------------------------------------------------------------------------------

class Iota(Primitive):
    """Each element is its own index along ``dimension``."""

    name = "iota"
    recompute = True

    def abstract_eval(self, *, dtype, shape, dimension, sharding):
        if dtypes.kind_of(dtype) not in "iufc":
            raise TypeError(f"iota does not accept dtype {dtypes.dtype_name(dtype)}: it must be a number")
        if not 0 <= dimension < len(shape):
            raise ValueError(f"iota: dimension must be one of the {len(shape)} of shape {shape}, got {dimension}")
        return [ShapedArray(shape, dtype, False, sharding)]

    def lower(self, ctx, *, dtype, shape, dimension, sharding):
        return ctx.emit("stablehlo.iota", (), {"iota_dimension": ctx.i64(dimension)})


reshape_p = register(Reshape())
squeeze_p = register(Squeeze())
rev_p = register(Rev())
tile_p = register(Tile())
iota_p = register(Iota())


# --- the functions ------------------------------------------------------------------------------

def reshape(operand, new_sizes, dimensions=None, *, out_sharding=None):
    """Give an array another shape; the elements keep their row-major order.

    Parameters
    ----------
    operand : array
    new_sizes : the new shape, of the same total size; an int for one dimension
    dimensions : a permutation of the operand's dimensions to apply before, or None
    out_sharding : sharding of the result, or None

    Returns
    -------
    array of shape ``new_sizes``
    """
    new_sizes = shape_or_size(new_sizes, "new_sizes")
    shape = aval_of(operand).shape
    if dimensions is not None:
        dimensions = as_static_ints(dimensions, "dimensions")
        if dimensions == tuple(range(len(shape))):
            dimensions = None
    if shape == new_sizes and dimensions is None and out_sharding is None and isinstance(operand, Array):
        return operand
    (out,) = reshape_p.bind(operand, new_sizes=new_sizes, dimensions=dimensions, sharding=None)
    return out if out_sharding is None else placed(out, out_sharding, "reshape")


def squeeze(array, dimensions):
    """Drop dimensions of size 1.

    Parameters
    ----------
    array : array
    dimensions : which ones; negative ones count from the end

    Returns
    -------
    array with fewer dimensions
    """
    ndim = aval_of(array).ndim
    dims = tuple(sorted([normalize_axis(d, ndim, "dimension") for d in as_static_ints(dimensions, "dimensions")]))
    if not dims and isinstance(array, Array):
        return array
    return squeeze_p.bind(array, dimensions=dims)[0]


def collapse(operand, start_dimension, stop_dimension=None):
    """Merge the dimensions from ``start_dimension`` up to ``stop_dimension`` into one.

    Parameters
    ----------
    operand : array
    start_dimension, stop_dimension : as in ``range``; None means up to the last; negative ones count from the end

    Returns
    -------
    array
    """
    shape = aval_of(operand).shape
    start_dimension = 0 if start_dimension is None else as_static_int(start_dimension, "start_dimension")
    stop_dimension = None if stop_dimension is None else as_static_int(stop_dimension, "stop_dimension")
    low, high, _ = builtins.slice(start_dimension, stop_dimension).indices(len(shape))
    if high < low:
        raise ValueError(f"Invalid dimension range passed to collapse: {shape}[{start_dimension}:{stop_dimension}]")
    return reshape(operand, (*shape[:low], math.prod(shape[low:high]), *shape[high:]))


def rev(operand, dimensions):
    """Reverse an array along dimensions.

    Parameters
    ----------
    operand : array
    dimensions : which ones, counted from the front

    Returns
    -------
    array of the same shape
    """
    dimensions = as_static_ints(dimensions, "dimensions")
    if not dimensions and isinstance(operand, Array):
        return operand
    return rev_p.bind(operand, dimensions=dimensions)[0]


def tile(operand, reps):
    """Repeat a whole array along its dimensions.

    Parameters
    ----------
    operand : array
    reps : how often along each dimension

    Returns
    -------
    array of shape ``reps * operand.shape``
    """
    return tile_p.bind(operand, reps=as_static_ints(reps, "reps"))[0]


def iota(dtype, size):
    """The numbers 0, 1, ..., ``size - 1``.

    Parameters
    ----------
    dtype : dtype of the result
    size : how many

    Returns
    -------
    array of shape ``(size,)``
    """
    return broadcasted_iota(dtype, (size,), 0)


def broadcasted_iota(dtype, shape, dimension, *, out_sharding=None):
    """An array in which each element is its own index along one dimension.

    Parameters
    ----------
    dtype : dtype of the result
    shape : its shape
    dimension : which index
    out_sharding : sharding of the result, or None

    Returns
    -------
    array
    """
    (out,) = iota_p.bind(dtype=dtypes.check_and_canonicalize_user_dtype(dtype, "broadcasted_iota"),
                         shape=shape_or_size(shape), dimension=as_static_int(dimension, "dimension"), sharding=None)
    return out if out_sharding is None else placed(out, out_sharding, "broadcasted_iota")
