"""Broadcasting and summing, each the other's transpose; and transposition, its own.

The batching rules of all operations are made of these three, so they stand below everything else.
"""

from __future__ import annotations

from ferax._src.ops.linear import Linear
from ferax._src.ops.placing import placed
from ferax._src.ops.static import as_static_int, as_static_ints, canonical_shape, normalize_axis
from ferax._src.tracing.core import Array, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of

# --- broadcast_in_dim ---------------------------------------------------------------------------


class BroadcastInDim(Linear):
    """Dimension i of the operand becomes ``broadcast_dimensions[i]`` of a result of ``shape``.

    Where the operand's size is 1 it is repeated, as it is along the dimensions it does not have.
    """

    name = "broadcast_in_dim"
    recompute = True                            # storing the result costs more than making it again

    def abstract_eval(self, x, *, shape, broadcast_dimensions, sharding):
        ndim, dims = len(shape), broadcast_dimensions
        if len(dims) != x.ndim:
            raise TypeError("broadcast_in_dim: broadcast_dimensions must have one entry for each dimension of the "
                            f"operand; got broadcast_dimensions {dims} for operand of shape {x.shape}")
        if ndim < x.ndim:
            raise TypeError("broadcast_in_dim: the target shape must have at least as many dimensions as the "
                            f"operand; got operand of shape {x.shape} and target shape {shape}")
        if any(not 0 <= d < ndim for d in dims):
            raise TypeError("broadcast_in_dim: broadcast_dimensions must be dimensions of the target shape; got "
                            f"broadcast_dimensions {dims} for target shape {shape}")
        if len(set(dims)) != len(dims):
            raise TypeError(f"broadcast_in_dim: broadcast_dimensions must not repeat; got {dims}")
        for size, d in zip(x.shape, dims):
            if size != 1 and size != shape[d]:
                raise TypeError(
                    "broadcast_in_dim: each size of the operand must be 1 or equal to the size it is broadcast to; "
                    f"got operand of shape {x.shape}, target shape {shape}, broadcast_dimensions {dims}")
        return [ShapedArray(shape, x.dtype, x.weak_type, sharding)]

    def lower(self, ctx, x, *, shape, broadcast_dimensions, sharding):
        if ctx.avals_in[0].shape == shape and broadcast_dimensions == tuple(range(len(shape))):
            return [x]
        return ctx.emit("stablehlo.broadcast_in_dim", (x,), {"broadcast_dimensions": ctx.i64s(broadcast_dimensions)})

    def transpose(self, cts, x, *, shape, broadcast_dimensions, sharding):
        (ct,) = cts
        kept = {d for size, d in zip(x.shape, broadcast_dimensions) if size == shape[d]}
        summed = tuple([d for d in range(len(shape)) if d not in kept])
        if summed:
            ct = reduce_sum_p.bind(ct, axes=summed, out_sharding=None)[0]
        left = [i for i in range(x.ndim) if broadcast_dimensions[i] in kept]
        order = sorted(left, key=broadcast_dimensions.__getitem__)          # as they lie in ct now
        if order != left:
            ct = transpose_p.bind(ct, permutation=tuple([order.index(i) for i in left]))[0]
        if len(kept) != x.ndim:                 # sizes of 1 that were repeated: summed away above
            ct = self.bind(ct, shape=x.shape, broadcast_dimensions=tuple(left), sharding=None)[0]
        return [ct]

    def batch(self, axis, args, dims, *, shape, broadcast_dimensions, sharding):
        (x,), (d,) = args, dims
        # The mapped axis goes where it keeps the order of the dimensions, so that nothing need be transposed.
        if not broadcast_dimensions:
            to = 0
        elif d < len(broadcast_dimensions):
            to = broadcast_dimensions[d]
        else:
            to = broadcast_dimensions[-1] + 1
        where = [b + (b >= to) for b in broadcast_dimensions]
        where.insert(d, to)
        out = self.bind(x, shape=(*shape[:to], axis.size, *shape[to:]), broadcast_dimensions=tuple(where),
                        sharding=None)
        return out, [to]


# --- reduce_sum ---------------------------------------------------------------------------------

class ReduceSum(Linear):
    """Sum over ``axes``: f32[a,b,c] with axes=(1,) gives f32[a,c].  StableHLO: ``reduce`` with ``add``."""

    name = "reduce_sum"

    def abstract_eval(self, x, *, axes, out_sharding):
        shape = reduced_shape(self.name, x, axes)
        if dtypes.kind_of(x.dtype) not in "iufc":
            raise TypeError(f"reduce_sum does not accept dtype {dtypes.dtype_name(x.dtype)}: it must be a number")
        return [ShapedArray(shape, x.dtype, x.weak_type, out_sharding)]

    def lower(self, ctx, x, *, axes, out_sharding):
        return ctx.reduce("stablehlo.add", (x,), (0,), axes)

    def transpose(self, cts, x, *, axes, out_sharding):
        (ct,) = cts                             # each summand gets the cotangent of the sum
        kept = tuple([i for i in range(x.ndim) if i not in axes])
        return broadcast_in_dim_p.bind(ct, shape=x.shape, broadcast_dimensions=kept, sharding=None)

    def batch(self, axis, args, dims, *, axes, out_sharding):
        axes, to = batched_reduction_axes(axes, dims[0])
        return self.bind(args[0], axes=axes, out_sharding=None), [to]


def reduced_shape(name: str, x, axes) -> tuple[int, ...]:
    """The shape of ``x`` without ``axes``, which must be dimensions of it, each given once."""
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: duplicate value in axes {axes}")
    if any(not 0 <= a < x.ndim for a in axes):
        raise ValueError(f"{name}: axes {axes} are out of bounds for an operand of shape {x.shape}")
    return tuple([size for i, size in enumerate(x.shape) if i not in axes])


def batched_reduction_axes(axes, d: int) -> tuple[tuple[int, ...], int]:
    """The axes of a reduction when a mapped axis is put in at ``d``, and where that ends up in the result."""
    axes = tuple([a + (a >= d) for a in axes])
    return axes, d - sum([a < d for a in axes])


# --- transpose ----------------------------------------------------------------------------------

class Transpose(Linear):
    """Dimension i of the result is dimension ``permutation[i]`` of the operand."""

    name = "transpose"

    def abstract_eval(self, x, *, permutation):
        if sorted(permutation) != list(range(x.ndim)):
            raise TypeError("transpose: permutation must name each dimension of the operand once; got permutation "
                            f"{permutation} for operand of shape {x.shape}")
        return [x.update(shape=tuple([x.shape[p] for p in permutation]), sharding=None)]

    def lower(self, ctx, x, *, permutation):
        return ctx.emit("stablehlo.transpose", (x,), {"permutation": ctx.i64s(permutation)})

    def transpose(self, cts, x, *, permutation):
        return self.bind(cts[0], permutation=inverse_permutation(permutation))

    def batch(self, axis, args, dims, *, permutation):
        (x,), (d,) = args, dims
        order = [p + (p >= d) for p in permutation]
        order.insert(d, d)
        return self.bind(x, permutation=tuple(order)), [d]


def inverse_permutation(permutation) -> tuple[int, ...]:
    return tuple(sorted(range(len(permutation)), key=permutation.__getitem__))


broadcast_in_dim_p = register(BroadcastInDim())
reduce_sum_p = register(ReduceSum())
transpose_p = register(Transpose())


# --- the functions ------------------------------------------------------------------------------

def broadcast_in_dim(operand, shape, broadcast_dimensions, *, out_sharding=None):
    """Broadcast an array to ``shape``, saying where each of its dimensions goes.

    Parameters
    ----------
    operand : array
    shape : target shape
    broadcast_dimensions : for each dimension of the operand the dimension of the result that it becomes;
        where its size is 1 it is repeated
    out_sharding : sharding of the result, or None

    Returns
    -------
    array of shape ``shape`` and the operand's dtype
    """
    shape = canonical_shape(shape)
    dims = as_static_ints(broadcast_dimensions, "broadcast_dimensions")
    if not shape and not dims and out_sharding is None and isinstance(operand, Array) and not operand.shape:
        return operand
    (out,) = broadcast_in_dim_p.bind(operand, shape=shape, broadcast_dimensions=dims, sharding=None)
    return out if out_sharding is None else placed(out, out_sharding, "broadcast_in_dim")


def broadcast(operand, sizes, *, out_sharding=None):
    """Add leading dimensions of the given sizes, along which the array is repeated.

    Parameters
    ----------
    operand : array
    sizes : sizes of the new dimensions
    out_sharding : sharding of the result, or None

    Returns
    -------
    array of shape ``(*sizes, *operand.shape)``
    """
    sizes = canonical_shape(sizes, "sizes")
    if not sizes and out_sharding is None and isinstance(operand, Array):
        return operand
    shape = aval_of(operand).shape
    n = len(sizes)
    (out,) = broadcast_in_dim_p.bind(operand, shape=sizes + shape, sharding=None,
                                     broadcast_dimensions=tuple(range(n, n + len(shape))))
    return out if out_sharding is None else placed(out, out_sharding, "broadcast")


def broadcast_to_rank(x, rank: int):
    """Add leading dimensions of size 1 until the array has ``rank`` dimensions."""
    return broadcast(x, (1,) * (as_static_int(rank, "rank") - aval_of(x).ndim))


def broadcast_to(arr, shape, sharding=None):
    """Broadcast an array to ``shape`` as NumPy does: dimensions are matched from the end."""
    shape = canonical_shape(shape)
    given = aval_of(arr).shape
    if given == shape and sharding is None and isinstance(arr, Array):
        return arr
    lead = len(shape) - len(given)
    if lead < 0 or any(a != 1 and a != b for a, b in zip(given, shape[lead:])):
        raise ValueError(f"Incompatible shapes for broadcasting: {given} and requested shape {shape}")
    (out,) = broadcast_in_dim_p.bind(arr, shape=shape, broadcast_dimensions=tuple(range(lead, len(shape))),
                                     sharding=None)
    return out if sharding is None else placed(out, sharding, "broadcast_to")


def broadcast_like(arr, like_arr):
    """Broadcast an array to the shape of another, as NumPy does."""
    return broadcast_to(arr, aval_of(like_arr).shape)


def broadcast_shapes(*shapes):
    """The shape to which all the given shapes broadcast, by NumPy's rule.

    Parameters
    ----------
    *shapes : tuples of int

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError : if two of them do not fit each other.
    """
    if len(shapes) == 1:
        return canonical_shape(shapes[0])
    if not shapes:
        return ()
    if shapes.count(shapes[0]) == len(shapes):
        return canonical_shape(shapes[0])
    shapes = tuple([canonical_shape(s) for s in shapes])
    ndim = max([len(s) for s in shapes])
    out = [1] * ndim
    for shape in shapes:
        for i, size in enumerate(shape, ndim - len(shape)):
            if size != 1:
                if out[i] != 1 and out[i] != size:
                    raise ValueError(f"Incompatible shapes for broadcasting: {', '.join(map(str, shapes))}")
                out[i] = size
    return tuple(out)


def expand_dims(array, dimensions):
    """Insert dimensions of size 1.

    Parameters
    ----------
    array : array
    dimensions : where in the result they are; negative ones count from its end

    Returns
    -------
    array with ``len(dimensions)`` more dimensions
    """
    dims = as_static_ints(dimensions, "dimensions")
    shape = aval_of(array).shape
    ndim = len(shape) + len(dims)
    new = {normalize_axis(d, ndim, "dimension") for d in dims}
    if len(new) != len(dims):
        raise ValueError(f"expand_dims: repeated axis in {dims} for a result of {ndim} dimensions")
    if not new and isinstance(array, Array):
        return array
    sizes = iter(shape)
    return broadcast_in_dim_p.bind(
        array, shape=tuple([1 if i in new else next(sizes) for i in range(ndim)]),
        broadcast_dimensions=tuple([i for i in range(ndim) if i not in new]), sharding=None)[0]


def reduce_sum(operand, axes, *, out_sharding=None):
    """Sum over axes.

    Parameters
    ----------
    operand : array of numbers
    axes : the dimensions to sum over, counted from the front
    out_sharding : sharding of the result, or None

    Returns
    -------
    array of the operand's dtype, without those dimensions
    """
    (out,) = reduce_sum_p.bind(operand, axes=as_static_ints(axes, "axes"), out_sharding=None)
    return out if out_sharding is None else placed(out, out_sharding, "reduce_sum")


def transpose(operand, permutation):
    """Permute the dimensions of an array.

    Parameters
    ----------
    operand : array
    permutation : dimension i of the result is dimension ``permutation[i]`` of the operand

    Returns
    -------
    array
    """
    permutation = as_static_ints(permutation, "permutation")
    if isinstance(operand, Array) and permutation == tuple(range(operand.ndim)):
        return operand
    return transpose_p.bind(operand, permutation=permutation)[0]
