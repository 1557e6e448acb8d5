"""Sorting, of several arrays by some of them, and the k greatest elements.

Floats are sorted as NumPy does: -inf < ... < -0 = 0 < ... < inf < NaN, all NaNs being equal; complex numbers
by their real parts, then by their imaginary parts.

XLA's CPU sorts one array of integers five times as fast as anything that needs a comparator of its own. So
there one key of up to 32 bits is made an unsigned integer, packed with its index into 64 bits, and those are
sorted: the lower halves are then the order, and it is stable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ferax._src.ops.axes import place_axis
from ferax._src.ops.base import lower_as
from ferax._src.ops.compare import eq, eq_to, lt, lt_to, ne
from ferax._src.ops.convert import bitcast_convert_type_p, convert
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not, bitwise_or, bitwise_xor, shift_left
from ferax._src.ops.elementwise_complex import imag, real
from ferax._src.ops.gather import take_along
from ferax._src.ops.select import select
from ferax._src.ops.shape import iota_p
from ferax._src.ops.static import as_static_int, normalize_axis
from ferax._src.tracing.core import Array, Primitive, Zero, register
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.util import config

_U32, _U64, _I32, _F32 = (np.dtype(name) for name in ("uint32", "uint64", "int32", "float32"))
_SIGN = np.uint32(1 << 31)

# --- comparing ----------------------------------------------------------------------------------


def is_less(*operands, num_keys: int, total_order: bool):
    """Whether the first of two rows comes before the second.

    Parameters
    ----------
    *operands : scalars x0, y0, x1, y1, ...; the first ``num_keys`` pairs are compared, in that order
    total_order : compare floats by the total order, zeros and NaNs made alike. That is the form in which XLA
        knows sorting on GPUs; comparing as IEEE does costs less where it is computed as it stands.
    """
    pairs = []
    for x, y in zip(operands[:2 * num_keys:2], operands[1:2 * num_keys:2]):
        if dtypes.kind_of(x.dtype) == "c":
            pairs += [(real(x), real(y)), (imag(x), imag(y))]
        else:
            pairs.append((x, y))
    compare = _in_total_order if total_order else _as_ieee
    less = None
    for x, y in reversed(pairs):
        before, same = compare(x, y, less is not None)
        less = before if less is None else bitwise_or(before, bitwise_and(same, less))
    return less


def _as_ieee(x, y, want_same: bool):
    """Whether x comes before y, and whether they are alike."""
    before, same = lt(x, y), eq(x, y) if want_same else None
    if dtypes.kind_of(x.dtype) == "f":
        y_is_nan = ne(y, y)
        before = bitwise_or(before, bitwise_and(eq(x, x), y_is_nan))
        if want_same:
            same = bitwise_or(same, bitwise_and(ne(x, x), y_is_nan))
    return before, same


def _in_total_order(x, y, want_same: bool):
    if dtypes.kind_of(x.dtype) == "f":
        x, y = _without_variants(x), _without_variants(y)
    return lt_to(x, y), eq_to(x, y) if want_same else None


def _without_variants(x):
    """A float with one zero and one NaN."""
    dtype = x.dtype
    x = select(eq(x, dtype.type(0)), dtype.type(0), x)
    return select(ne(x, x), dtype.type(np.nan), x)


# --- one key, packed ----------------------------------------------------------------------------

def _packs(avals, dimension: int, num_keys: int) -> bool:
    """Whether packing is possible and worth while."""
    key = avals[0]
    kind = dtypes.kind_of(key.dtype)
    if num_keys != 1 or key.dtype.itemsize > 4 or key.shape[dimension] >= 2 ** 31 or key.size == 0:
        return False
    return kind == "f" or kind in "biu" and len(avals) > 1


def _sort_packed(*operands, dimension, is_stable, num_keys):
    with config.enable_x64(True):
        order = packed_order(operands[0], dimension)
    return [take_along(x, order, dimension) for x in operands]


def packed_order(key, dimension: int):
    """The indices that put a key of at most 32 bits in order along a dimension."""
    high = shift_left(convert(_ordered_bits(key), _U64), np.uint64(32))
    (index,) = iota_p.bind(dtype=_U64, shape=key.shape, dimension=dimension, sharding=None)
    (packed,) = sort_p.bind(bitwise_or(high, index), dimension=dimension, is_stable=True, num_keys=1)
    return convert(bitwise_and(packed, np.uint64(2 ** 31 - 1)), _I32)


def _ordered_bits(x):
    """An unsigned 32-bit integer for each element, in the same order; equal ones for those that compare equal."""
    kind = dtypes.kind_of(x.dtype)
    if kind in "bu":
        return convert(x, _U32)
    if kind == "i":
        return bitwise_xor(convert(convert(x, _I32), _U32), _SIGN)
    (bits,) = bitcast_convert_type_p.bind(_without_variants(convert(x, _F32)), new_dtype=_U32)
    # The bits of positive floats ascend as they do, those of negative ones descend.
    return select(lt(bits, _SIGN), bitwise_xor(bits, _SIGN), bitwise_not(bits))


sort_packed = lower_as(_sort_packed)


# --- sort ---------------------------------------------------------------------------------------

class Sort(Primitive):
    """The operands in the order of the first ``num_keys`` of them along ``dimension``."""

    name = "sort"

    def abstract_eval(self, *avals, dimension, is_stable, num_keys):
        first = avals[0]
        if any(a.shape != first.shape for a in avals):
            raise TypeError("Arguments to sort must have equal shapes, got: " + " ".join(str(a.shape) for a in avals))
        if not 0 <= dimension < first.ndim:
            raise ValueError(f"sort: dimension {dimension} is out of bounds for shape {first.shape}")
        for aval in avals[:num_keys]:
            if dtypes.kind_of(aval.dtype) not in "biufc":
                raise TypeError(f"sort does not accept keys of dtype {dtypes.dtype_name(aval.dtype)}")
        return list(avals)

    def lower(self, ctx, *values, dimension, is_stable, num_keys):
        if ctx.platform == "cpu" and _packs(ctx.avals_in, dimension, num_keys):
            return sort_packed(self, ctx, *values, dimension=dimension, is_stable=is_stable, num_keys=num_keys)
        op = ctx.op("stablehlo.sort", values, None, {
            "dimension": ctx.i64(dimension), "is_stable": ctx.boolean(is_stable)}, regions=1)
        scalars = [ShapedArray((), a.dtype) for a in ctx.avals_in for _ in range(2)]
        total_order = ctx.platform != "cpu"
        less = trace_to_jaxpr(lambda *xs: [is_less(*xs, num_keys=num_keys, total_order=total_order)], scalars)
        ctx.region(op.regions[0], ctx.types(scalars), lambda *xs: ctx.inline(less, *xs), isolated=True)
        return list(op.results)

    def jvp(self, primals, tangents, *, dimension, is_stable, num_keys):
        if all(type(t) is Zero for t in tangents):
            outs = self.bind(*primals, dimension=dimension, is_stable=is_stable, num_keys=num_keys)
            return outs, [Zero.of(x) for x in outs]
        (place,) = iota_p.bind(dtype=np.dtype(np.int32), shape=aval_of(primals[0]).shape, dimension=dimension, sharding=None)
        *outs, order = self.bind(*primals, place, dimension=dimension, is_stable=is_stable, num_keys=num_keys)
        return outs, [Zero.of(x) if type(t) is Zero else take_along(t, order, dimension) for t, x in zip(tangents, outs)]

    def batch(self, axis, args, dims, *, dimension, is_stable, num_keys):
        found = [d for d in dims if d is not None]
        to = max(found, key=found.count)
        args = [place_axis(x, d, axis.size, to) for x, d in zip(args, dims)]
        outs = self.bind(*args, dimension=dimension + (dimension >= to), is_stable=is_stable, num_keys=num_keys)
        return outs, [to] * len(outs)


# --- top_k --------------------------------------------------------------------------------------

class TopK(Primitive):
    """The ``k`` greatest elements along ``axis``, greatest first, and their indices."""

    name = "top_k"

    def abstract_eval(self, x, *, k, axis):
        if dtypes.kind_of(x.dtype) not in "biuf":
            raise ValueError(f"top_k is not compatible with dtype {dtypes.dtype_name(x.dtype)}: its elements must have an order")
        if k < 0:
            raise ValueError(f"k argument to top_k must be nonnegative, got {k}")
        if not x.shape:
            raise TypeError("top_k operand must have >= 1 dimension, got ()")
        if not 0 <= axis < x.ndim:
            raise ValueError(f"axis argument out of range: axis={axis} for operand.shape={x.shape}")
        if x.shape[axis] < k:
            raise ValueError(f"k argument to top_k must be no larger than size along axis; got k={k} with shape={x.shape} and "
                             f"axis={axis}")
        if x.shape[axis] > 2 ** 31:
            raise ValueError(f"top_k returns int32 indices, which do not suffice for operand.shape={x.shape}")
        shape = (*x.shape[:axis], k, *x.shape[axis + 1:])
        return [ShapedArray(shape, dtype, x.weak_type) for dtype in (x.dtype, _I32)]

    def lower(self, ctx, x, *, k, axis):
        (aval,), outs = ctx.avals_in, ctx.avals_out
        attrs = {"k": ctx.i64(k)}
        last = aval.ndim - 1
        if axis == last:
            return ctx.emit("chlo.top_k", (x,), attrs)
        swap = list(range(aval.ndim))           # StableHLO's works along the last dimension
        swap[axis], swap[last] = last, axis
        x = ctx.transpose(x, tuple([aval.shape[i] for i in swap]), aval.dtype, swap)
        types = [ctx.tensor(tuple([out.shape[i] for i in swap]), out.dtype) for out in outs]
        results = ctx.op("chlo.top_k", (x,), types, attrs).results
        return [ctx.transpose(r, out.shape, out.dtype, swap) for r, out in zip(results, outs)]

    def jvp(self, primals, tangents, *, k, axis):
        outs = self.bind(*primals, k=k, axis=axis)
        (t,) = tangents
        return outs, [Zero.of(outs[0]) if type(t) is Zero else take_along(t, outs[1], axis), Zero.of(outs[1])]

    def batch(self, axis_, args, dims, *, k, axis):
        (d,) = dims
        return self.bind(*args, k=k, axis=axis + (axis >= d)), [d, d]


sort_p = register(Sort())
top_k_p = register(TopK())


# --- the functions ------------------------------------------------------------------------------

def sort(operand, dimension=-1, is_stable=True, num_keys=1):
    """Sort an array, or several arrays together.

    Parameters
    ----------
    operand : array, or sequence of arrays of one shape
    dimension : along which to sort; negative ones count from the end
    is_stable : whether rows that compare equal keep their order
    num_keys : how many of the arrays, the first ones, say the order

    Returns
    -------
    array, or tuple of arrays
    """
    num_keys = as_static_int(num_keys, "num_keys")
    if isinstance(operand, Sequence) and not isinstance(operand, (Array, str)):
        if not operand:
            raise TypeError("Sort requires at least one operand")
        if not 1 <= num_keys <= len(operand):
            raise ValueError(f"num_keys={num_keys} must be between 1 and len(operand)={len(operand)}")
        dimension = normalize_axis(dimension, aval_of(operand[0]).ndim, "dimension")
        return tuple(sort_p.bind(*operand, dimension=dimension, is_stable=bool(is_stable), num_keys=num_keys))
    if num_keys != 1:
        raise ValueError(f"num_keys={num_keys} must equal 1 for a single operand.")
    dimension = normalize_axis(dimension, aval_of(operand).ndim, "dimension")
    return sort_p.bind(operand, dimension=dimension, is_stable=bool(is_stable), num_keys=1)[0]


def sort_key_val(keys, values, dimension=-1, is_stable=True):
    """Sort two arrays by the first.

    Parameters
    ----------
    keys, values : arrays of one shape
    dimension : along which to sort; negative ones count from the end
    is_stable : whether pairs with equal keys keep their order

    Returns
    -------
    (keys, values), sorted
    """
    dimension = normalize_axis(dimension, aval_of(keys).ndim, "dimension")
    keys, values = sort_p.bind(keys, values, dimension=dimension, is_stable=bool(is_stable), num_keys=1)
    return keys, values


def top_k(operand, k, *, axis=-1):
    """The ``k`` greatest elements along an axis, greatest first, and where they are.

    Parameters
    ----------
    operand : array
    k : how many
    axis : along which

    Returns
    -------
    [values, indices], the indices of dtype int32; of equal elements the first ones are taken
    """
    k = as_static_int(k, "k")
    if k < 0:
        raise ValueError(f"k argument to top_k must be nonnegative, got {k}")
    return top_k_p.bind(operand, k=k, axis=normalize_axis(axis, aval_of(operand).ndim))
