"""Gather, and scatter-add: each the other's transpose.

`Gather` takes windows out of an array, `ScatterAdd` adds windows to one. The other scatters, and the public
functions of all of them, are in `scatter`.
"""

from __future__ import annotations

from numbers import Number

import numpy as np
from ferax._src.ops.axes import move_axis, place_axis
from ferax._src.ops.base import add, lower_as, numpy_scalar
from ferax._src.ops.broadcasting import broadcast_in_dim_p, expand_dims
from ferax._src.ops.compare import ge, le
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import neg, rem
from ferax._src.ops.elementwise_bits import bitwise_and
from ferax._src.ops.elementwise_complex import complex, imag, real
from ferax._src.ops.indexing import (
    GatherDimensionNumbers,
    GatherScatterMode,
    ScatterDimensionNumbers,
    batch_both,
    batch_indices,
    batch_operand,
    check_scatter,
    gather_numbers,
    gather_shape,
    hashable_numbers,
    scatter_numbers,
    window_sizes,
)
from ferax._src.ops.joining import concatenate, concatenate_p
from ferax._src.ops.reduce import reduce_and
from ferax._src.ops.select import clamp, select
from ferax._src.ops.shape import reshape_p
from ferax._src.ops.static import canonical_shape
from ferax._src.ops.zeros import instantiate_zeros, zeros
from ferax._src.tracing.core import Array, Primitive, Tracer, Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.symbolic_dims import has_symbolic, maximum, minimum
from ferax._src.util import errors

CLIP, FILL, PROMISE = (
    GatherScatterMode.CLIP, GatherScatterMode.FILL_OR_DROP, GatherScatterMode.PROMISE_IN_BOUNDS)


# --- gather -------------------------------------------------------------------------------------

class Gather(Primitive):
    """Windows of ``slice_sizes`` out of the operand, one for each index vector; linear in the operand."""

    name = "gather"

    def abstract_eval(self, x, indices, *, dimension_numbers, slice_sizes, unique_indices, indices_are_sorted, mode,
                      fill_value):
        return [ShapedArray(gather_shape(x, indices, dimension_numbers, slice_sizes), x.dtype, x.weak_type)]

    def lower(self, ctx, x, indices, **params):
        out = ctx.avals_out[0]
        if params["mode"] is FILL:
            return gather_and_fill(self, ctx, x, indices, **params)
        if out.size == 0:
            return [ctx.const(0, out)]
        return ctx.emit("stablehlo.gather", (x, indices), {
            "dimension_numbers": gather_attribute(ctx, params["dimension_numbers"], ctx.avals_in[1].ndim),
            "slice_sizes": ctx.i64s(params["slice_sizes"]),
            "indices_are_sorted": ctx.boolean(params["indices_are_sorted"])})

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        if type(tangents[0]) is Zero:
            return outs, [Zero.of(outs[0])]
        if params["mode"] is FILL:
            params["fill_value"] = 0            # what is filled in does not depend on the operand
        return outs, self.bind(tangents[0], primals[1], **params)

    def transpose(self, cts, x, indices, *, dimension_numbers, slice_sizes, unique_indices, indices_are_sorted, mode,
                  fill_value):
        (ct,) = cts
        start = zeros(ShapedArray(x.shape, ct.dtype))
        return [scatter_add_p.bind(start, indices, ct, dimension_numbers=scatter_numbers(dimension_numbers),
                                   indices_are_sorted=indices_are_sorted, unique_indices=unique_indices, mode=mode,
                                   update_jaxpr=None, update_consts=())[0], None]

    def batch(self, axis, args, dims, *, dimension_numbers, slice_sizes, unique_indices, indices_are_sorted, mode, fill_value):
        (x, indices), (d, d_indices) = args, dims
        to = 0
        if d_indices is None:                   # each window has one more dimension
            dimension_numbers, to = batch_operand(dimension_numbers, len(slice_sizes), d)
            slice_sizes = (*slice_sizes[:d], axis.size, *slice_sizes[d:])
        elif d is None:                         # there are more windows; they may now meet
            indices = move_axis(indices, d_indices, 0)
            dimension_numbers = batch_indices(dimension_numbers)
            unique_indices = indices_are_sorted = False
        else:
            x, indices = move_axis(x, d, 0), move_axis(indices, d_indices, 0)
            dimension_numbers = batch_both(dimension_numbers)
            slice_sizes = (min(1, axis.size), *slice_sizes)
        return self.bind(x, indices, dimension_numbers=dimension_numbers, slice_sizes=slice_sizes,
                         unique_indices=unique_indices, indices_are_sorted=indices_are_sorted, mode=mode,
                         fill_value=fill_value), [to]


def gather_attribute(ctx, numbers: GatherDimensionNumbers, indices_ndim: int):
    return ctx.gather_dimension_numbers(
        numbers.offset_dims, numbers.collapsed_slice_dims, numbers.operand_batching_dims,
        numbers.start_indices_batching_dims, numbers.start_index_map, indices_ndim - 1)


def _gather_and_fill(x, indices, *, dimension_numbers, slice_sizes, unique_indices, indices_are_sorted, mode, fill_value):
    """A gather by what StableHLO has: windows moved within bounds, and a mask over those that had to be."""
    (out,) = gather_p.bind(x, indices, dimension_numbers=dimension_numbers, slice_sizes=slice_sizes, fill_value=None,
                           unique_indices=unique_indices, indices_are_sorted=indices_are_sorted, mode=PROMISE)
    room = [aval_of(x).shape[d] - slice_sizes[d] for d in dimension_numbers.start_index_map]
    inside = within(indices, room)
    aval = aval_of(out)
    rows = tuple([i for i in range(aval.ndim) if i not in dimension_numbers.offset_dims])
    (mask,) = broadcast_in_dim_p.bind(inside, shape=aval.shape, broadcast_dimensions=rows, sharding=None)
    return select(mask, out, numpy_scalar(fill_value, aval.dtype))


gather_and_fill = lower_as(_gather_and_fill)


def within(indices, last):
    """Which index vectors, along the last dimension, are between 0 and ``last`` in every entry."""
    shape = indices.shape
    if indices.dtype.itemsize < 4:
        indices = convert(indices, np.dtype(np.int32))
    dtype = indices.dtype
    top = dtypes.iinfo(dtype).max
    inside = le(indices, _row([minimum(maximum(n, 0), top) for n in last], dtype, len(shape)))
    if dtypes.kind_of(dtype) == "i":
        inside = bitwise_and(inside, ge(indices, dtype.type(0)))
    if shape[-1] == 1:
        return reshape_p.bind(inside, new_sizes=shape[:-1], dimensions=None, sharding=None)[0]
    return reduce_and(inside, (len(shape) - 1,))


def _row(values, dtype, ndim: int):
    """Constants along the last of ``ndim`` dimensions; a scalar where they are all the same."""
    if has_symbolic(values):
        entries = [reshape_p.bind(convert(v, dtype), new_sizes=(1,) * ndim, dimensions=None, sharding=None)[0] for v in values]
        return concatenate_p.bind(*entries, dimension=ndim - 1)[0]
    if len(set(values)) == 1:
        return dtype.type(values[0])
    return np.array(values, dtype).reshape((1,) * (ndim - 1) + (len(values),))


# --- scatters -----------------------------------------------------------------------------------

class Scatter(Primitive):
    """Base of all scatters: windows of updates put into the operand, one for each index vector.

    ``reducer`` is the StableHLO operation that combines an element with an update; the parameters
    ``update_jaxpr`` and ``update_consts`` are None and () but for `scatter_apply`.
    """

    reducer: str | None = None
    accepts = "biufc"

    def abstract_eval(self, x, indices, updates, *, dimension_numbers, **params):
        check_scatter(x, indices, updates, dimension_numbers)
        if dtypes.kind_of(x.dtype) not in self.accepts and not (self.reducer is None and dtypes.is_extended(x.dtype)):
            raise TypeError(f"{self.name} does not accept dtype {dtypes.dtype_name(x.dtype)}")
        return [x.update(sharding=None)]

    def combine(self, ctx, region, **params):
        """Write the region that combines two scalars."""
        ctx.reducer_region(region, [ctx.avals_in[0].dtype], self.reducer)

    def lower(self, ctx, x, indices, updates, *, dimension_numbers, indices_are_sorted, unique_indices, mode, **params):
        if mode is CLIP:
            return clip_and_scatter(self, ctx, x, indices, updates, primitive=self, dimension_numbers=dimension_numbers,
                                    indices_are_sorted=indices_are_sorted, unique_indices=unique_indices, **params)
        numbers = dimension_numbers
        op = ctx.op("stablehlo.scatter", (x, indices, updates), None, {
            "scatter_dimension_numbers": ctx.scatter_dimension_numbers(
                numbers.update_window_dims, numbers.inserted_window_dims, numbers.operand_batching_dims,
                numbers.scatter_indices_batching_dims, numbers.scatter_dims_to_operand_dims, ctx.avals_in[1].ndim - 1),
            "indices_are_sorted": ctx.boolean(indices_are_sorted), "unique_indices": ctx.boolean(unique_indices)}, regions=1)
        self.combine(ctx, op.regions[0], **params)
        return [op.result]

    def batch(self, axis, args, dims, *, dimension_numbers, unique_indices, indices_are_sorted, **params):
        (x, indices, updates), (d, d_indices, d_updates) = args, dims
        to = 0 if d is None else d
        if d_indices is None:                   # each window has one more dimension
            ndim = aval_of(x).ndim - (d is not None)
            dimension_numbers, to_updates = batch_operand(dimension_numbers, ndim, to)
        else:
            to = to_updates = 0
            indices = move_axis(indices, d_indices, 0)
            dimension_numbers = batch_both(dimension_numbers)
        x = place_axis(x, d, axis.size, to)
        updates = place_axis(updates, d_updates, axis.size, to_updates)
        return self.bind(x, indices, updates, dimension_numbers=dimension_numbers, unique_indices=unique_indices,
                         indices_are_sorted=indices_are_sorted, **params), [to]


def _clip_and_scatter(x, indices, updates, *, primitive, dimension_numbers, **params):
    """A scatter that moves windows within bounds, by one that leaves those out that are not."""
    sizes = window_sizes(x.shape, updates.shape, dimension_numbers)
    top = dtypes.iinfo(indices.dtype).max
    room = [min(x.shape[d] - sizes[d], top) for d in dimension_numbers.scatter_dims_to_operand_dims]
    limit = _row(room, indices.dtype, indices.ndim)
    indices = clamp(indices.dtype.type(0), indices, limit) if room else indices
    return primitive.bind(x, indices, updates, dimension_numbers=dimension_numbers, mode=PROMISE, **params)


clip_and_scatter = lower_as(_clip_and_scatter)


class ScatterAdd(Scatter):
    """The operand plus all updates; linear in both together."""

    name = "scatter-add"
    reducer = "stablehlo.add"
    accepts = "iufc"

    def lower(self, ctx, x, indices, updates, **params):
        if ctx.platform == "gpu" and ctx.avals_in[0].dtype == np.complex128:
            return scatter_parts(self, ctx, x, indices, updates, primitive=self, **params)
        return Scatter.lower(self, ctx, x, indices, updates, **params)

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        t, _, t_updates = tangents
        if type(t) is Zero and type(t_updates) is Zero:
            return outs, [Zero.of(outs[0])]
        if type(t_updates) is Zero:
            return outs, [t]
        return outs, self.bind(instantiate_zeros(t), primals[1], t_updates, **params)

    def transpose(self, cts, x, indices, updates, *, dimension_numbers, mode, unique_indices, indices_are_sorted, **params):
        (ct,) = cts
        ct_updates = None
        if isinstance(updates, ShapedArray):
            ct_updates = self.signed(inverse_gather(ct, indices, updates.shape, dimension_numbers, mode,
                                                    indices_are_sorted, unique_indices))
        return [ct if isinstance(x, ShapedArray) else None, None, ct_updates]

    def signed(self, ct):
        """The cotangent of the updates, from the elements where they went."""
        return ct


class ScatterSub(ScatterAdd):
    """The operand minus all updates."""

    name = "scatter-sub"
    reducer = "stablehlo.subtract"

    def signed(self, ct):
        return neg(ct)


def _scatter_parts(x, indices, updates, *, primitive, **params):
    """A scatter of complex numbers as two of reals: GPUs have no atomic operations on 128 bits."""
    parts = [primitive.bind(part(x), indices, part(updates), **params)[0] for part in (real, imag)]
    return complex(*parts)


scatter_parts = lower_as(_scatter_parts)


def inverse_gather(x, indices, updates_shape, numbers: ScatterDimensionNumbers, mode, indices_are_sorted=False,
                   unique_indices=False, fill_value=0):
    """The windows of ``x`` where a scatter put its updates."""
    return gather_p.bind(x, indices, dimension_numbers=gather_numbers(numbers),
                         slice_sizes=window_sizes(aval_of(x).shape, updates_shape, numbers), mode=mode,
                         fill_value=fill_value if mode is FILL else None, indices_are_sorted=indices_are_sorted,
                         unique_indices=unique_indices)[0]


gather_p = register(Gather())
scatter_add_p = register(ScatterAdd())
scatter_sub_p = register(ScatterSub())


# --- the functions ------------------------------------------------------------------------------

def gather(operand, start_indices, dimension_numbers, slice_sizes, *, unique_indices=False, indices_are_sorted=False,
           mode=None, fill_value=None):
    """Take windows out of an array, starting where index vectors say.

    Parameters
    ----------
    operand : array
    start_indices : integer array; its last dimension holds the index vectors
    dimension_numbers : GatherDimensionNumbers
    slice_sizes : size of a window in each dimension of the operand
    unique_indices : a promise that no two windows meet, for the derivative
    indices_are_sorted : a promise that the index vectors ascend
    mode : GatherScatterMode or its name; what to do with windows that are not within bounds. None: a promise
        that all are
    fill_value : for "fill"; by default NaN, the least signed or the greatest unsigned integer, or True

    Returns
    -------
    array of the operand's dtype
    """
    mode = PROMISE if mode is None else GatherScatterMode.from_any(mode)
    if mode is FILL:
        fill_value = default_fill(aval_of(operand).dtype) if fill_value is None else _static_fill(fill_value)
    elif mode is GatherScatterMode.ONE_HOT:
        raise ValueError("gather: the mode 'one_hot' is for array indexing, x.at[...].get(mode='one_hot')")
    else:
        fill_value = None
    return gather_p.bind(operand, start_indices, dimension_numbers=hashable_numbers(dimension_numbers, GatherDimensionNumbers),
                         slice_sizes=canonical_shape(slice_sizes, "slice_sizes"), unique_indices=bool(unique_indices),
                         indices_are_sorted=bool(indices_are_sorted), mode=mode, fill_value=fill_value)[0]


def _static_fill(value):
    """A fill value as a Python number: it is a parameter."""
    if isinstance(value, Tracer):
        raise errors.ConcretizationTypeError(value, "fill_value must be known while tracing")
    if isinstance(value, (Array, np.ndarray, np.generic)):
        if value.ndim:
            raise TypeError(f"gather: fill_value must be a scalar, got an array of shape {value.shape}")
        value = value.item()
    if not isinstance(value, Number):
        raise TypeError(f"gather: fill_value must be a number, got {value!r} of type {type(value).__name__}")
    return np.nan if value != value else value              # one object for all NaNs, so that caches find it


def default_fill(dtype):
    """What a gather puts in place of windows that are not within bounds."""
    kind = dtypes.kind_of(dtype)
    if kind in "fc":
        return np.nan
    if kind == "i":
        return int(dtypes.iinfo(dtype).min)
    if kind == "u":
        return int(dtypes.iinfo(dtype).max)
    if kind == "b":
        return True
    if dtypes.is_extended(dtype):
        return int(dtypes.iinfo(dtypes.physical_dtype(dtype)).max)
    raise ValueError(f"gather: dtype {dtypes.dtype_name(dtype)} has no default fill_value")


def index_take(src, idxs, axes):
    """Take from ``src`` the windows where the axes have the given indices, which may count from the end.

    Parameters
    ----------
    src : array
    idxs : sequence of integer arrays of one dimension
    axes : the axis that each is for

    Returns
    -------
    array with the index first and then the other axes
    """
    indices = concatenate([expand_dims(i, (1,)) for i in idxs], 1)
    shape = aval_of(src).shape
    axes = tuple([int(a) for a in axes])
    dtype = aval_of(indices).dtype
    sizes = _row([shape[a] for a in axes], dtype, 2)
    wrapped = rem(indices, sizes)
    if dtypes.kind_of(dtype) == "i":
        wrapped = select(ge(wrapped, dtype.type(0)), wrapped, add(wrapped, sizes))
    numbers = GatherDimensionNumbers(tuple(range(1, len(shape) - len(axes) + 1)), tuple(sorted(axes)), axes)
    slice_sizes = tuple([1 if i in axes else size for i, size in enumerate(shape)])
    return gather(src, wrapped, numbers, slice_sizes)


def take_along(x, index, axis: int):
    """``x[..., index, ...]`` along an axis, where ``index`` has one entry for each element of the result."""
    aval = aval_of(x)
    others = tuple([i for i in range(aval.ndim) if i != axis])
    numbers = GatherDimensionNumbers((), (axis,), (axis,), others, others)
    (vectors,) = reshape_p.bind(index, new_sizes=(*aval_of(index).shape, 1), dimensions=None, sharding=None)
    sizes = tuple([1 if i == axis else min(1, n) for i, n in enumerate(aval.shape)])
    return gather_p.bind(x, vectors, dimension_numbers=numbers, slice_sizes=sizes, unique_indices=False,
                         indices_are_sorted=False, mode=PROMISE, fill_value=None)[0]
