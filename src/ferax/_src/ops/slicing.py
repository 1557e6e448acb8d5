"""Slices with static bounds, and padding: each the other's transpose.

Padding puts ``low`` elements before, ``high`` after and ``interior`` between every two of a dimension; with
negative numbers it takes away. What a strided slice left out is thus what its transpose pads with zeros.
"""

from __future__ import annotations

from collections.abc import Iterable

from ferax._src.ops.axes import place_axis
from ferax._src.ops.broadcasting import broadcast_in_dim_p, reduce_sum_p
from ferax._src.ops.elementwise import sub
from ferax._src.ops.linear import Linear
from ferax._src.ops.select import select
from ferax._src.ops.shape import squeeze_p
from ferax._src.ops.static import as_static_int, as_static_ints, normalize_axis
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.tracing.core import Array, Primitive, Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of

# --- slice --------------------------------------------------------------------------------------


class Slice(Linear):
    """``operand[start_indices:limit_indices:strides]``, all static and within bounds; strides None means 1."""

    name = "slice"

    def abstract_eval(self, x, *, start_indices, limit_indices, strides):
        for name, values in (("start_indices", start_indices), ("limit_indices", limit_indices), ("strides", strides)):
            if values is not None and len(values) != x.ndim:
                raise TypeError(f"slice: {name} must have one entry for each dimension of the operand, got {name} {values} "
                                f"for operand of shape {x.shape}")
        for start, limit, size in zip(start_indices, limit_indices, x.shape):
            if not 0 <= start <= limit:
                raise TypeError("slice: start_indices must not be negative nor greater than limit_indices, got start_indices "
                                f"{start_indices} and limit_indices {limit_indices} for operand of shape {x.shape}")
            if limit > size:
                raise TypeError("slice: limit_indices must be less than or equal to the operand's shape, got limit_indices "
                                f"{limit_indices} for operand of shape {x.shape}")
        if strides is None:
            shape = tuple([limit - start for start, limit in zip(start_indices, limit_indices)])
        else:
            if any(stride <= 0 for stride in strides):
                raise TypeError(f"slice: strides must be positive, got {strides}")
            shape = tuple([-((start - limit) // stride)
                           for start, limit, stride in zip(start_indices, limit_indices, strides)])
        return [ShapedArray(shape, x.dtype, x.weak_type)]

    def lower(self, ctx, x, *, start_indices, limit_indices, strides):
        return ctx.emit("stablehlo.slice", (x,), {
            "start_indices": ctx.i64s(start_indices), "limit_indices": ctx.i64s(limit_indices),
            "strides": ctx.i64s((1,) * len(start_indices) if strides is None else strides)})

    def transpose(self, cts, x, *, start_indices, limit_indices, strides):
        (ct,) = cts
        config = []
        for i, (start, n) in enumerate(zip(start_indices, ct.shape)):
            stride = 1 if strides is None else strides[i]
            taken = (n - 1) * stride + 1 if n else 0
            config.append((start, x.shape[i] - start - taken, stride - 1))
        return pad_p.bind(ct, ct.dtype.type(0), padding_config=tuple(config))

    def batch(self, axis, args, dims, *, start_indices, limit_indices, strides):
        (x,), (d,) = args, dims
        def insert(values, value):
            return (*values[:d], value, *values[d:])
        return self.bind(x, start_indices=insert(start_indices, 0), limit_indices=insert(limit_indices, axis.size),
                         strides=None if strides is None else insert(strides, 1)), [d]


# --- pad ----------------------------------------------------------------------------------------

class Pad(Primitive):
    """The operand with ``padding_value`` around and between: per dimension (low, high, interior)."""

    name = "pad"
    recompute = True

    def abstract_eval(self, x, value, *, padding_config):
        if x.dtype != value.dtype:
            raise TypeError("pad operand and padding_value must be same dtype: got "
                            f"{dtypes.dtype_name(x.dtype)} and {dtypes.dtype_name(value.dtype)}.")
        if value.shape:
            raise ValueError(f"padding_value must be a scalar; got shape {value.shape}")
        if len(padding_config) != x.ndim:
            raise ValueError("length of padding_config must equal the number of axes of operand, got padding_config "
                             f"{padding_config} for operand shape {x.shape}")
        if any(interior < 0 for _, _, interior in padding_config):
            raise ValueError(f"interior padding in padding_config must be nonnegative, got padding_config {padding_config}")
        shape = tuple([low + high + (size + (size - 1) * interior if size else 0)
                       for size, (low, high, interior) in zip(x.shape, padding_config)])
        if any(size < 0 for size in shape):
            raise ValueError(f"Dimension size after padding is not at least 0, got result shape {shape}, for padding_config "
                             f"{padding_config} and operand shape {x.shape}")
        return [ShapedArray(shape, x.dtype, x.weak_type and value.weak_type)]

    def lower(self, ctx, x, value, *, padding_config):
        low, high, interior = zip(*padding_config) if padding_config else ((), (), ())
        return ctx.emit("stablehlo.pad", (x, value), {
            "edge_padding_low": ctx.i64s(low), "edge_padding_high": ctx.i64s(high), "interior_padding": ctx.i64s(interior)})

    def jvp(self, primals, tangents, *, padding_config):
        outs = self.bind(*primals, padding_config=padding_config)
        t, t_value = tangents
        if type(t) is Zero and type(t_value) is Zero:
            return outs, [Zero.of(outs[0])]
        if type(t_value) is Zero:
            t_value = t.dtype.type(0)
        return outs, self.bind(instantiate_zeros(t), t_value, padding_config=padding_config)

    def transpose(self, cts, x, value, *, padding_config):
        (ct,) = cts
        ct_x = ct_value = None
        if isinstance(x, ShapedArray) or isinstance(value, ShapedArray):
            ct_x = unpad(ct, padding_config)
        if isinstance(value, ShapedArray):      # what went to the operand did not come from the value
            ct_value = sub(_total(ct), _total(ct_x))
        return [ct_x if isinstance(x, ShapedArray) else None, ct_value]

    def batch(self, axis, args, dims, *, padding_config):
        (x, value), (d, d_value) = args, dims
        if d is None:
            x, d = place_axis(x, None, axis.size, 0), 0
        config = (*padding_config[:d], (0, 0, 0), *padding_config[d:])
        if d_value is None:
            return self.bind(x, value, padding_config=config), [d]
        # Each row has its own padding value: pad with any, and fill in the values where a mask says so.
        dtype = aval_of(x).dtype
        any_value = index_in_dim(value, 0, d_value, keepdims=False) if dtypes.is_extended(dtype) else dtype.type(0)
        (out,) = self.bind(x, any_value, padding_config=config)
        ones = broadcast_in_dim_p.bind(True, shape=aval_of(x).shape, broadcast_dimensions=(), sharding=None)[0]
        (mask,) = self.bind(ones, False, padding_config=config)
        (values,) = broadcast_in_dim_p.bind(value, shape=aval_of(out).shape, broadcast_dimensions=(d,), sharding=None)
        return [select(mask, out, values)], [d]


def unpad(ct, padding_config):
    """The elements of a padded array that came from the operand; zeros where padding cut the operand off."""
    if any(low < 0 or high < 0 for low, high, _ in padding_config):
        (ct,) = pad_p.bind(ct, ct.dtype.type(0), padding_config=tuple(
            [(max(-low, 0), max(-high, 0), 0) for low, high, _ in padding_config]))
    if all(low <= 0 and high <= 0 and interior == 0 for low, high, interior in padding_config):
        return ct
    starts = tuple([max(low, 0) for low, _, _ in padding_config])
    limits = tuple([size - max(high, 0) for size, (_, high, _) in zip(ct.shape, padding_config)])
    strides = tuple([interior + 1 for _, _, interior in padding_config])
    if strides == (1,) * len(strides):
        strides = None
    return slice_p.bind(ct, start_indices=starts, limit_indices=limits, strides=strides)[0]


def _total(x):
    return reduce_sum_p.bind(x, axes=tuple(range(x.ndim)), out_sharding=None)[0]


slice_p = register(Slice())
pad_p = register(Pad())


# --- the functions ------------------------------------------------------------------------------

def slice(operand, start_indices, limit_indices, strides=None):  # noqa: A001 (JAX's name)
    """Take a slice with static bounds: ``operand[start:limit:stride]`` in each dimension.

    Parameters
    ----------
    operand : array
    start_indices, limit_indices : one int for each dimension, within bounds
    strides : one positive int for each dimension, or None for 1

    Returns
    -------
    array
    """
    starts, limits = as_static_ints(start_indices, "start_indices"), as_static_ints(limit_indices, "limit_indices")
    if strides is not None:
        strides = as_static_ints(strides, "strides")
    return slice_p.bind(operand, start_indices=starts, limit_indices=limits, strides=strides)[0]


def slice_in_dim(operand, start_index, limit_index, stride=1, axis=0):
    """Take a slice along one axis: ``operand[start_index:limit_index:stride]`` there.

    Parameters
    ----------
    operand : array
    start_index, limit_index : int or None; negative ones count from the end; they must be within bounds
    stride : positive int
    axis : along which

    Returns
    -------
    array
    """
    shape = aval_of(operand).shape
    axis = normalize_axis(axis, len(shape))
    size = shape[axis]
    start = 0 if start_index is None else as_static_int(start_index, "start_index")
    limit = size if limit_index is None else as_static_int(limit_index, "limit_index")
    start += size if start < 0 else 0
    limit += size if limit < 0 else 0
    stride = as_static_int(stride, "stride")
    if start == 0 and limit == size and stride == 1 and isinstance(operand, Array):
        return operand
    ndim = len(shape)
    starts = (0,) * axis + (start,) + (0,) * (ndim - axis - 1)
    limits = shape[:axis] + (limit,) + shape[axis + 1:]
    strides = None if stride == 1 else (1,) * axis + (stride,) + (1,) * (ndim - axis - 1)
    return slice_p.bind(operand, start_indices=starts, limit_indices=limits, strides=strides)[0]


def index_in_dim(operand, index, axis=0, keepdims=True):
    """Take one slice along an axis: ``operand[index]`` there.

    Parameters
    ----------
    operand : array
    index : int; negative ones count from the end
    axis : along which
    keepdims : whether the axis stays, with size 1

    Returns
    -------
    array

    Raises
    ------
    IndexError : if the index is out of bounds.
    """
    shape = aval_of(operand).shape
    index, axis = as_static_int(index, "index"), normalize_axis(axis, len(shape))
    wrapped = index + shape[axis] if index < 0 else index
    if not 0 <= wrapped < shape[axis]:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {shape[axis]}")
    result = slice_in_dim(operand, wrapped, wrapped + 1, 1, axis)
    return result if keepdims else squeeze_p.bind(result, dimensions=(axis,))[0]


def pad(operand, padding_value, padding_config):
    """Pad an array: before, after and between the elements of each dimension.

    Parameters
    ----------
    operand : array
    padding_value : scalar of the operand's dtype
    padding_config : for each dimension (low, high, interior): how many elements to put before the first, after
        the last and between every two; negative low and high take elements away

    Returns
    -------
    array
    """
    if not isinstance(padding_config, Iterable) or isinstance(padding_config, str):
        raise TypeError(f"padding_config must be a sequence of triples (low, high, interior), got {padding_config!r}")
    config = tuple([as_static_ints(entry, "padding_config") for entry in padding_config])
    if any([len(entry) != 3 for entry in config]):
        raise ValueError(f"padding_config must have triples (low, high, interior), got {config}")
    return pad_p.bind(operand, padding_value, padding_config=config)[0]
