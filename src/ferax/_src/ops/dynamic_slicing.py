"""Slices whose place is computed: dynamic_slice takes one out, dynamic_update_slice puts one in.

A slice that would reach over an end is moved to where it fits. If `vmap` maps only the array, they stay
what they are; with a place for each row they are a gather and a scatter.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from ferax._src.ops.axes import move_axis, place_axis
from ferax._src.ops.base import add
from ferax._src.ops.compare import lt
from ferax._src.ops.convert import convert
from ferax._src.ops.gather import CLIP, gather_p
from ferax._src.ops.indexing import GatherDimensionNumbers, ScatterDimensionNumbers
from ferax._src.ops.joining import concatenate_p, unstack
from ferax._src.ops.scatter import scatter_p
from ferax._src.ops.select import select
from ferax._src.ops.shape import reshape, squeeze_p
from ferax._src.ops.static import as_static_int, canonical_shape, normalize_axis
from ferax._src.ops.zeros import instantiate_zeros, zeros
from ferax._src.tracing.core import Array, Primitive, Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.symbolic_dims import as_value, has_symbolic, is_symbolic_dim


def _check_indices(name: str, x, indices) -> None:
    if len(indices) != x.ndim:
        raise TypeError(f"{name}: there must be one start index for each dimension of the operand, got {len(indices)} for "
                        f"operand of shape {x.shape}")
    for i in indices:
        if i.shape:
            raise TypeError(f"{name}: start indices must be scalars, got one of shape {i.shape}")
        if dtypes.kind_of(i.dtype) not in "iu" or i.dtype != indices[0].dtype:
            raise _not_same_dtype(name, [i.dtype for i in indices])


def _not_same_dtype(name: str, given) -> TypeError:
    return TypeError(f"index arguments to {name} must be integers of the same type, got: "
                     f"{', '.join([dtypes.dtype_name(dtype) for dtype in given])}")


# --- dynamic_slice ------------------------------------------------------------------------------

class DynamicSlice(Primitive):
    """The slice of ``slice_sizes`` that starts at the given indices; linear in the operand."""

    name = "dynamic_slice"

    def abstract_eval(self, x, *indices, slice_sizes):
        _check_indices(self.name, x, indices)
        if len(slice_sizes) != x.ndim:
            raise TypeError(f"dynamic_slice: slice_sizes must have one entry for each dimension, got slice_sizes {slice_sizes} "
                            f"for operand of shape {x.shape}")
        if any(not 0 <= n <= size for n, size in zip(slice_sizes, x.shape)):
            raise TypeError("slice slice_sizes must be less than or equal to operand shape and not negative, got slice_sizes "
                            f"{slice_sizes} for operand shape {x.shape}.")
        return [ShapedArray(slice_sizes, x.dtype, x.weak_type)]

    def lower(self, ctx, x, *indices, slice_sizes):
        if ctx.avals_in[0].shape == slice_sizes:
            return [x]
        return ctx.emit("stablehlo.dynamic_slice", (x, *indices), {"slice_sizes": ctx.i64s(slice_sizes)})

    def jvp(self, primals, tangents, *, slice_sizes):
        outs = self.bind(*primals, slice_sizes=slice_sizes)
        if type(tangents[0]) is Zero:
            return outs, [Zero.of(outs[0])]
        return outs, self.bind(tangents[0], *primals[1:], slice_sizes=slice_sizes)

    def transpose(self, cts, x, *indices, slice_sizes):
        (ct,) = cts
        start = zeros(ShapedArray(x.shape, ct.dtype))
        return [dynamic_update_slice_p.bind(start, ct, *indices)[0], *[None] * len(indices)]

    def batch(self, axis, args, dims, *, slice_sizes):
        (x, *indices), (d, *d_indices) = args, dims
        shape = list(aval_of(x).shape)
        if d is not None:
            del shape[d]
        indices, moved, mapped = _where_it_moves(indices, d_indices, slice_sizes, shape)
        if not mapped:
            if d is None:
                return self.bind(x, *indices, slice_sizes=slice_sizes), [None]
            sizes = (*slice_sizes[:d], axis.size, *slice_sizes[d:])
            return self.bind(x, *_with_zero(indices, d), slice_sizes=sizes), [d]
        vectors = _index_vectors([indices[i] for i in moved], [d_indices[i] for i in moved], axis.size)
        windows = tuple(range(1, len(slice_sizes) + 1))
        if d is None:
            numbers = GatherDimensionNumbers(windows, (), moved)
            sizes = slice_sizes
        else:
            x = move_axis(x, d, 0)
            numbers = GatherDimensionNumbers(windows, (), tuple([i + 1 for i in moved]), (0,), (0,))
            sizes = (min(1, axis.size), *slice_sizes)
        return gather_p.bind(x, vectors, dimension_numbers=numbers, slice_sizes=sizes, unique_indices=d is not None,
                             indices_are_sorted=d is not None, mode=CLIP, fill_value=None), [0]


def _with_zero(indices, d: int) -> list:
    """Start indices with one more, 0, for the mapped axis ``d``."""
    dtype = aval_of(indices[0]).dtype if indices else np.dtype(np.int32)
    return [*indices[:d], dtype.type(0), *indices[d:]]


def _where_it_moves(indices, dims, window, shape):
    """The dimensions in which a slice can move at all, and whether it moves differently for each row.

    In the others the start is 0 whatever the index says, and becomes a plain 0.
    """
    moved = tuple([i for i, (n, size) in enumerate(zip(window, shape)) if n != size])
    indices = [x if i in moved else aval_of(x).dtype.type(0) for i, x in enumerate(indices)]
    return indices, moved, any(dims[i] is not None for i in moved)


def _index_vectors(indices, dims, size: int):
    """Start indices, some of them mapped, as rows of index vectors."""
    columns = [place_axis(reshape(x, (*aval_of(x).shape, 1)), d, size, 0) for x, d in zip(indices, dims)]
    return columns[0] if len(columns) == 1 else concatenate_p.bind(*columns, dimension=1)[0]


# --- dynamic_update_slice -----------------------------------------------------------------------

class DynamicUpdateSlice(Primitive):
    """The operand with a slice, starting at the given indices, replaced; linear in operand and update together."""

    name = "dynamic_update_slice"

    def abstract_eval(self, x, update, *indices):
        _check_indices(self.name, x, indices)
        if update.ndim != x.ndim:
            raise TypeError("dynamic_update_slice update must have the same rank as operand, got update shape "
                            f"{update.shape} for operand shape {x.shape}.")
        if update.dtype != x.dtype:
            raise TypeError("dynamic_update_slice requires arguments to have the same dtypes, got "
                            f"{dtypes.dtype_name(x.dtype)}, {dtypes.dtype_name(update.dtype)}.")
        if any(n > size for n, size in zip(update.shape, x.shape)):
            raise TypeError("dynamic_update_slice update shape must be smaller than operand shape, got update shape "
                            f"{update.shape} for operand shape {x.shape}.")
        weak = all([a.weak_type for a in (x, update, *indices)])
        return [x.update(sharding=None, weak_type=weak)]

    def lower(self, ctx, x, update, *indices):
        return ctx.emit("stablehlo.dynamic_update_slice", (x, update, *indices))

    def jvp(self, primals, tangents):
        outs = self.bind(*primals)
        t, t_update = tangents[:2]
        if type(t) is Zero and type(t_update) is Zero:
            return outs, [Zero.of(outs[0])]
        return outs, self.bind(instantiate_zeros(t), instantiate_zeros(t_update), *primals[2:])

    def transpose(self, cts, x, update, *indices):
        (ct,) = cts
        ct_x = ct_update = None
        shape = update.shape
        if isinstance(x, ShapedArray):          # what was replaced has no influence
            (ct_x,) = self.bind(ct, zeros(ShapedArray(shape, ct.dtype)), *indices)
        if isinstance(update, ShapedArray):
            (ct_update,) = dynamic_slice_p.bind(ct, *indices, slice_sizes=shape)
        return [ct_x, ct_update, *[None] * len(indices)]

    def batch(self, axis, args, dims):
        (x, update, *indices), (d, d_update, *d_indices) = args, dims
        to = 0 if d is None or any(i is not None for i in d_indices) else d
        x, update = place_axis(x, d, axis.size, to), place_axis(update, d_update, axis.size, to)
        shape, window = [[size for i, size in enumerate(aval_of(a).shape) if i != to] for a in (x, update)]
        indices, moved, mapped = _where_it_moves(indices, d_indices, window, shape)
        if not mapped:
            return self.bind(x, update, *_with_zero(indices, to)), [to]
        vectors = _index_vectors([indices[i] for i in moved], [d_indices[i] for i in moved], axis.size)
        numbers = ScatterDimensionNumbers(tuple(range(1, len(shape) + 1)), (), tuple([i + 1 for i in moved]), (0,), (0,))
        return scatter_p.bind(x, vectors, update, dimension_numbers=numbers, unique_indices=True, indices_are_sorted=True,
                              mode=CLIP, update_jaxpr=None, update_consts=()), [0]


dynamic_slice_p = register(DynamicSlice())
dynamic_update_slice_p = register(DynamicUpdateSlice())


# --- start indices ------------------------------------------------------------------------------

def _start_indices(name: str, shape, start_indices, allow_negative) -> list:
    """One index for each dimension, of one dtype, counted from the front.

    Plain integers take the dtype of the others and are counted from the front at once.
    """
    if not isinstance(start_indices, Sequence):
        ndim = aval_of(start_indices).ndim
        if ndim != 1:
            raise (ValueError if ndim else TypeError)(
                f"{name}: start indices must be a sequence or an array of one dimension, got {start_indices!r} of {ndim}")
        start_indices = unstack(start_indices) if isinstance(start_indices, Array) else list(start_indices)
    if len(start_indices) != len(shape):
        raise ValueError("Length of slice indices must match number of operand dimensions "
                         f"({len(start_indices)} vs {len(shape)})")
    if isinstance(allow_negative, bool):
        allow_negative = (allow_negative,) * len(shape)
    elif not isinstance(allow_negative, Sequence) or isinstance(allow_negative, str):
        raise TypeError(f"{name}: allow_negative_indices must be a bool or a sequence of them, got {allow_negative!r}")
    elif len(allow_negative) != len(shape):
        raise ValueError(f"{name}: allow_negative_indices must have one entry for each of {len(shape)} dimensions, got "
                         f"{allow_negative}")
    if has_symbolic(start_indices):
        start_indices = [as_value(i) if is_symbolic_dim(i) else i for i in start_indices]
    given = {aval_of(i).dtype for i in start_indices if type(i) is not int}
    if len(given) > 1:
        raise _not_same_dtype(name, [aval_of(i).dtype for i in start_indices])
    dtype = given.pop() if given else dtypes.default_int_dtype()
    if dtypes.kind_of(dtype) in "iu" and any([n > _integer_range(dtype)[1] for n in shape]):
        dtype = _wide_index(shape)              # in which every position can be said, also from the end
        start_indices = [i if type(i) is int else convert(i, dtype) for i in start_indices]
    out = []
    for i, size, negative in zip(start_indices, shape, allow_negative):
        if isinstance(i, (int, np.integer)) and not isinstance(i, bool):
            plain = int(i)
            if plain < 0 and not negative:
                raise ValueError(f"Index {plain} is out of bounds for dimension {size} if allow_negative_indices=False")
            if plain < 0 and is_symbolic_dim(size):
                out.append(convert(plain + size, dtype))
                continue
            plain += size if plain < 0 else 0
            out.append(_plain_index(plain, dtype if type(i) is int else i.dtype))
        elif negative and dtypes.kind_of(aval_of(i).dtype) == "i":
            out.append(_from_front(i, size))
        else:
            out.append(i)
    return out


def _plain_index(i: int, dtype):
    """A Python int as an index of a dtype; where it does not fit, the nearest that does (slices are clamped anyway)."""
    if dtypes.kind_of(dtype) not in "iu":       # the type rule says what is wrong with the other indices
        return i
    low, high = _integer_range(dtype)
    return dtype.type(max(low, min(i, high)))


@functools.lru_cache
def _integer_range(dtype) -> tuple[int, int]:
    info = dtypes.iinfo(dtype)
    return int(info.min), int(info.max)


def _wide_index(shape):
    """The dtype of positions in an array of a shape."""
    return np.dtype(np.int32 if max(shape) < 2 ** 31 else np.int64)


def _from_front(i, size: int):
    """A traced index that may count from the end."""
    dtype = aval_of(i).dtype
    return select(lt(i, dtype.type(0)), add(i, convert(size, dtype) if is_symbolic_dim(size) else dtype.type(size)), i)


# --- the functions ------------------------------------------------------------------------------

def dynamic_slice(operand, start_indices, slice_sizes, *, allow_negative_indices=True):
    """Take a slice of fixed size whose start is computed.

    Parameters
    ----------
    operand : array
    start_indices : one integer scalar for each dimension, or an array of them; the slice is moved to where it
        fits into the operand
    slice_sizes : one int for each dimension
    allow_negative_indices : whether negative starts count from the end, for all dimensions or for each

    Returns
    -------
    array of shape ``slice_sizes``
    """
    indices = _start_indices("dynamic_slice", aval_of(operand).shape, start_indices, allow_negative_indices)
    return dynamic_slice_p.bind(operand, *indices, slice_sizes=canonical_shape(slice_sizes, "slice_sizes"))[0]


def dynamic_update_slice(operand, update, start_indices, *, allow_negative_indices=True):
    """Replace a slice whose start is computed.

    Parameters
    ----------
    operand : array
    update : array of the same dtype and number of dimensions, nowhere larger
    start_indices : one integer scalar for each dimension, or an array of them; the slice is moved to where it
        fits into the operand
    allow_negative_indices : whether negative starts count from the end, for all dimensions or for each

    Returns
    -------
    array like ``operand``
    """
    indices = _start_indices("dynamic_update_slice", aval_of(operand).shape, start_indices, allow_negative_indices)
    return dynamic_update_slice_p.bind(operand, update, *indices)[0]


def _along(ndim: int, axis: int, index) -> list:
    """Start indices that are 0 but for one axis."""
    indices: list = [0] * ndim
    indices[axis] = index
    return indices


def dynamic_slice_in_dim(operand, start_index, slice_size, axis=0, *, allow_negative_indices=True):
    """Take a slice of fixed size along one axis: ``operand[start_index:start_index + slice_size]`` there.

    Parameters
    ----------
    operand : array
    start_index : integer scalar; the slice is moved to where it fits
    slice_size : int
    axis : along which
    allow_negative_indices : whether a negative start counts from the end

    Returns
    -------
    array
    """
    shape = aval_of(operand).shape
    axis = normalize_axis(axis, len(shape))
    sizes = (*shape[:axis], as_static_int(slice_size, "slice_size"), *shape[axis + 1:])
    return dynamic_slice(operand, _along(len(shape), axis, _scalar(start_index)), sizes,
                         allow_negative_indices=allow_negative_indices)


def dynamic_index_in_dim(operand, index, axis=0, keepdims=True, *, allow_negative_indices=True):
    """Take one slice along an axis: ``operand[index]`` there.

    Parameters
    ----------
    operand : array
    index : integer scalar; it is moved within bounds
    axis : along which
    keepdims : whether the axis stays, with size 1
    allow_negative_indices : whether a negative index counts from the end

    Returns
    -------
    array
    """
    axis = normalize_axis(axis, aval_of(operand).ndim)
    result = dynamic_slice_in_dim(operand, index, 1, axis, allow_negative_indices=allow_negative_indices)
    return result if keepdims else squeeze_p.bind(result, dimensions=(axis,))[0]


def dynamic_update_slice_in_dim(operand, update, start_index, axis, *, allow_negative_indices=True):
    """Replace a slice along one axis: ``operand[start_index:start_index + update.shape[axis]]`` there.

    Parameters
    ----------
    operand, update : arrays of the same number of dimensions
    start_index : integer scalar; the slice is moved to where it fits
    axis : along which
    allow_negative_indices : whether a negative start counts from the end

    Returns
    -------
    array like ``operand``
    """
    ndim = aval_of(operand).ndim
    axis = normalize_axis(axis, ndim)
    return dynamic_update_slice(operand, update, _along(ndim, axis, _scalar(start_index)),
                                allow_negative_indices=allow_negative_indices)


def dynamic_update_index_in_dim(operand, update, index, axis, *, allow_negative_indices=True):
    """Replace one slice along an axis: ``operand[index]`` there.

    Parameters
    ----------
    operand : array
    update : array with the operand's number of dimensions and size 1 along the axis, or without the axis
    index : integer scalar; it is moved within bounds
    axis : along which
    allow_negative_indices : whether a negative index counts from the end

    Returns
    -------
    array like ``operand``
    """
    ndim = aval_of(operand).ndim
    axis = normalize_axis(axis, ndim)
    shape = aval_of(update).shape
    if len(shape) != ndim:
        if len(shape) + 1 != ndim:
            raise ValueError("dynamic_update_index_in_dim: update must have the dimensions of the operand, with or without "
                             f"the axis; got update of shape {shape} for operand of shape {aval_of(operand).shape}")
        update = reshape(update, (*shape[:axis], 1, *shape[axis:]))
    return dynamic_update_slice_in_dim(operand, update, index, axis, allow_negative_indices=allow_negative_indices)


def _scalar(index):
    """An index as a scalar; arrays of one element are accepted as such."""
    if isinstance(index, (int, np.integer)):
        return index
    shape = aval_of(index).shape
    if not shape:
        return index
    if any([n != 1 for n in shape]):
        raise TypeError(f"start indices must be scalars, got an index of shape {shape}")
    return reshape(index, ())
