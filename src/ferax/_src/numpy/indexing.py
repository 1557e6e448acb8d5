"""Reading by index: ``x[...]`` and ``x.at[...].get(...)``.

A parsed index (see `index_parsing`) becomes the leanest operations that say it: slices and reversals where all is known;
one ``dynamic_slice`` where a position is computed; a ``gather`` where there are index arrays. `windows` says what gather
and scatter have in common; `array_at` writes by it.

In eager use an index is one program. Integers and starts of slices are operands of it, so that ``x[i]`` for all i, and
``x[i:i + 10]``, are the same program.

Positions that are out of bounds are moved within, as XLA does, unless a mode says otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.index_parsing import ParsedIndex, empty_axis, out_of_bounds, parse
from ferax._src.ops.broadcasting import broadcast_in_dim, expand_dims
from ferax._src.ops.compare import lt
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.dynamic_slicing import dynamic_slice_p
from ferax._src.ops.elementwise import add
from ferax._src.ops.gather import gather
from ferax._src.ops.indexing import GatherDimensionNumbers, GatherScatterMode
from ferax._src.ops.joining import concatenate
from ferax._src.ops.select import select_n
from ferax._src.ops.shape import rev, reshape_p, squeeze_p
from ferax._src.ops.slicing import slice_p
from ferax._src.ops.zeros import zeros
from ferax._src.runtime import transfer
from ferax._src.runtime.array import ArrayImpl
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, eval_trace, state
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.symbolic_dims import is_symbolic_dim
from ferax._src.util import config
from ferax._src.util.tracebacks import filter_at_exit

_INT32 = np.dtype(np.int32)
FILL, CLIP, PROMISE = GatherScatterMode.FILL_OR_DROP, GatherScatterMode.CLIP, GatherScatterMode.PROMISE_IN_BOUNDS
_check_static, _debug_key_reuse = config.check_static_indices, config.debug_key_reuse


# --- the door -----------------------------------------------------------------------------------

def getitem(x, index):
    """``x[index]``: `Array.__getitem__`."""
    try:
        if type(index) is int and type(x) is ArrayImpl and state.trace is eval_trace:
            shape = x.aval.shape
            if shape and shape[0] and not _check_static.value and not _keys_are_followed(x):
                n = shape[0]
                i = index + n if index < 0 else index
                return _row(x, i if 0 <= i < n else 0 if i < 0 else n - 1)
        return take_index(x, index)
    except Exception as e:
        filter_at_exit(e)
        raise


getitem.filters_tracebacks = True       # type: ignore[attr-defined]


def _keys_are_followed(x: ArrayImpl) -> bool:
    """Whether indices must be constants of the program, since that is to know which keys it uses."""
    return _debug_key_reuse.value and x._sig.physical is not x.aval


@fused
def _row(x, i):
    shape = x.shape
    zero = np.zeros((), aval_of(i).dtype)[()]
    (row,) = dynamic_slice_p.bind(x, i, *[zero] * (len(shape) - 1), slice_sizes=(1, *shape[1:]))
    return reshape_p.bind(row, new_sizes=shape[1:], dimensions=None, sharding=None)[0]


def take_index(x, index, *, mode=None, fill_value=None, indices_are_sorted=False, unique_indices=False, wrap=True):
    """The elements of ``x`` at an index.

    Parameters
    ----------
    x : Array
    index : anything between brackets
    mode : "clip", "fill", "promise_in_bounds" or None: what to do with positions out of bounds
    fill_value : number, for "fill"
    indices_are_sorted, unique_indices : promises about index arrays
    wrap : whether negative positions count from the end
    """
    mode = PROMISE if mode is None else GatherScatterMode.from_any(mode)
    if mode is GatherScatterMode.ONE_HOT:
        raise NotImplementedError("mode='one_hot' is for take_along_axis; write nn.one_hot(i, n) @ x for a row of a matrix")
    shape = x.aval.shape
    parsed = parse(shape, index, wrap=wrap)
    if mode is PROMISE and _check_static.value:
        error = out_of_bounds(parsed, wrap)
        if error is not None:
            raise error
    if fill_value is not None:
        fill_value = _fill_number(fill_value)
    entries = parsed.entries
    if mode is not FILL or 0 in parsed.shape:
        bounded = within_bounds(parsed)         # raises the error for an integer that is for an empty dimension
        entries = bounded if mode is not FILL else entries
    if state.trace is not eval_trace or not isinstance(x, ArrayImpl):
        return apply_index(x, *parsed.operands, entries=entries, together=parsed.together, expand=parsed.expand, mode=mode,
                           fill_value=fill_value, indices_are_sorted=indices_are_sorted, unique_indices=unique_indices,
                           wrap=wrap)
    if mode is not FILL and _has_mask(index) and _lies_on_host(x):
        return _masked_on_host(x, index, parsed)
    if mode is not FILL and not _keys_are_followed(x):
        entries, operands = positions_as_operands(entries, parsed.operands, parsed.shape)
    else:
        operands = parsed.operands
    if not operands and all([e[0] == "slice" and e[1:] == (0, n, 1) for e, n in zip(entries, shape)]) \
            and len(entries) == len(shape):
        return x                                            # x[:], x[...]
    return _program(x, *operands, entries=entries, together=parsed.together, expand=parsed.expand, mode=mode,
                    fill_value=fill_value, indices_are_sorted=bool(indices_are_sorted),
                    unique_indices=bool(unique_indices), wrap=bool(wrap))


def _fill_number(value):
    """A fill value as a Python number: it is part of the program."""
    if isinstance(value, (Array, np.ndarray, np.generic)):
        if value.ndim:
            raise ValueError(f"fill_value argument to indexed get() must be a scalar, got an array of shape {value.shape}")
        return value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(f"fill_value argument to indexed get() must be a number, got {value!r} of type {type(value).__name__}")
    return value


def within_bounds(parsed: ParsedIndex) -> tuple:
    """The entries, with integers moved within bounds."""
    out = []
    axis = 0
    for entry in parsed.entries:
        kind = entry[0]
        if kind == "int":
            n = parsed.shape[axis]
            if not n:
                raise empty_axis(axis)
            if not 0 <= entry[1] < n:
                entry = ("int", 0 if entry[1] < 0 else n - 1)
        elif kind == "scalar" and not parsed.shape[axis]:
            raise empty_axis(axis)
        out.append(entry)
        axis += kind != "new"
    return tuple(out)


# --- eager use ----------------------------------------------------------------------------------

def positions_as_operands(entries, operands, shape):
    """Entries with the integers and the starts of contiguous slices made operands: ("at",) and ("window", size)."""
    out, values, given = [], [], iter(operands)
    sizes = iter(shape)
    for entry in entries:
        kind = entry[0]
        size = None if kind == "new" else next(sizes, None)
        if kind == "int":
            out.append(("at",))
            values.append(entry[1])
        elif kind == "slice" and entry[3] == 1 and 0 < entry[2] != size:
            out.append(("window", entry[2]))
            values.append(entry[1])
        else:
            if kind in ("scalar", "array"):
                values.append(next(given))
            out.append(entry)
    return tuple(out), values


def _has_mask(index) -> bool:
    items = index if type(index) is tuple else (index,)
    return any([getattr(i, "dtype", None) == dtypes.bool_ and getattr(i, "ndim", 0) for i in items])


def _lies_on_host(x: ArrayImpl) -> bool:
    sig = x._sig
    return sig.single and sig.physical is x.aval and sig.sharding._device.platform == "cpu"


def _masked_on_host(x: ArrayImpl, index, parsed: ParsedIndex):
    """An index with masks, by NumPy: how many elements there are is different each time, and each would be a program."""
    items = index if type(index) is tuple else (index,)
    if any([e[0] == "scalar" for e in parsed.entries]) or any(
            [getattr(i, "ndim", 0) and dtypes.kind_of(i.dtype) in "iu" for i in items]) or out_of_bounds(parsed, False) is not None:
        return _program(x, *parsed.operands, entries=within_bounds(parsed), together=parsed.together,
                        expand=parsed.expand, mode=PROMISE, fill_value=None, indices_are_sorted=False, unique_indices=False,
                        wrap=True)
    items = tuple([np.asarray(i) if isinstance(i, Array) else i for i in items])
    sig = x._sig
    value = np.ascontiguousarray(x._value[items])
    return transfer.from_numpy(value, x.aval.weak_type, sig.sharding, own=True, committed=sig.committed)


# --- from entries to operations -----------------------------------------------------------------

def apply_index(x, *operands, entries, together, expand, mode, fill_value, indices_are_sorted, unique_indices, wrap):
    """What an index does, as operations."""
    if expand:
        x = expand_dims(x, expand)
    kinds = {e[0] for e in entries}
    if "array" in kinds or (mode is FILL and kinds & {"int", "scalar"}):
        return _gathered(x, entries, operands, together, mode, fill_value, indices_are_sorted, unique_indices, wrap)
    if kinds & {"scalar", "at", "window"}:
        x, entries = _moved(x, entries, operands, wrap)
    return _sliced(x, entries)


_program = fused(apply_index, static=("entries", "together", "expand", "mode", "fill_value", "indices_are_sorted",
                                      "unique_indices", "wrap"))


def _sliced(x, entries):
    """Slices, reversals, and dimensions taken away and put in."""
    shape = x.shape
    starts, limits, strides, reversed_axes, dropped, new = [], [], [], [], [], []
    axis = place = 0                            # place: the dimension of the result
    for entry in entries:
        kind = entry[0]
        if kind == "new":
            new.append(place)
            place += 1
            continue
        if kind == "int":
            start, limit, step = entry[1], entry[1] + 1, 1
            dropped.append(axis)
        else:
            _, start, size, step = entry
            place += 1
            if step < 0:
                if step != -1 or type(size) is not int or size > 1:
                    reversed_axes.append(axis)
                start, step = start + (size - 1) * step, -step
            if not size:
                start = 0
            limit = start + (size - 1) * step + 1 if size else start
            if step != 1 and type(size) is int and size < 2:
                step = 1
        starts.append(start)
        limits.append(limit)
        strides.append(step)
        axis += 1
    limits = tuple(limits)
    plain = strides.count(1) == len(strides)
    if limits != shape or any(starts) or not plain:
        x = slice_p.bind(x, start_indices=tuple(starts), limit_indices=limits,
                         strides=None if plain else tuple(strides))[0]
    if reversed_axes:
        x = rev(x, reversed_axes)
    if dropped:
        x = squeeze_p.bind(x, dimensions=tuple(dropped))[0]
    return expand_dims(x, new) if new else x


def _moved(x, entries, operands, wrap: bool):
    """A dynamic slice for the positions that are computed, and the entries that are left."""
    shape = x.shape
    given = iter(operands)
    starts: list[Any] = []
    sizes, left = [], []
    axis = 0
    for entry in entries:
        kind = entry[0]
        if kind == "new":
            left.append(entry)
            continue
        n = shape[axis]
        axis += 1
        if kind in ("scalar", "at"):
            i = next(given)
            starts.append(position(i, n, wrap and kind == "scalar"))
            sizes.append(1)
            left.append(("int", 0))
        elif kind == "window":
            starts.append(position(next(given), n, False))
            sizes.append(entry[1])
            left.append(("slice", 0, entry[1], 1))
        elif kind == "int":
            starts.append(entry[1])
            sizes.append(1)
            left.append(("int", 0))
        elif entry[3] == 1:
            starts.append(entry[1])
            sizes.append(entry[2])
            left.append(("slice", 0, entry[2], 1))
        else:
            starts.append(0)
            sizes.append(n)
            left.append(entry)
    return dynamic_slice_p.bind(x, *same_dtype(starts), slice_sizes=tuple(sizes))[0], tuple(left)


def same_dtype(starts) -> list:
    """Start indices in one dtype, as `dynamic_slice` wants them."""
    wide = any([type(s) is not int and aval_of(s).dtype.itemsize == 8 for s in starts])
    dtype = np.dtype(np.int64) if wide else _INT32
    return [dtype.type(s) if type(s) is int else util.cast(s, dtype) for s in starts]


def index_dtype(shape):
    """The dtype of positions in an array of a shape."""
    return _INT32 if all([n < 2**31 for n in shape]) else np.dtype(np.int64)


def position(i, size: int, wrap: bool):
    """Positions as integers of 32 bits (64 for huge dimensions), with negative ones counted from the end."""
    dtype = index_dtype((size,))
    if not isinstance(i, Array):
        i = np.asarray(i)
        if is_symbolic_dim(size):
            i = as_array(i)
    if not isinstance(i, Array):
        signed = dtypes.kind_of(i.dtype) == "i"
        i = i.astype(dtype, copy=False)
        return np.where(i < 0, i + size, i).astype(dtype, copy=False) if wrap and signed else i
    aval = i.aval
    signed = dtypes.kind_of(aval.dtype) == "i"
    if aval.dtype != dtype:
        i = convert(i, dtype)
    if not wrap or not signed:
        return i
    return select_n(lt(i, dtype.type(0)), i, add(i, convert(size, dtype) if is_symbolic_dim(size) else dtype.type(size)))


# --- windows: what gather and scatter share -----------------------------------------------------

class Windows(NamedTuple):
    """Which windows of an array an index means; dimensions put in by None are left out of all but `shape` and `new`."""

    indices: Any                        # where they start; the last dimension holds the index vectors
    numbers: GatherDimensionNumbers
    sizes: tuple[int, ...]              # of a window, for each dimension of the array
    shape: tuple[int, ...]              # of the result
    new: tuple[int, ...]                # the dimensions of the result that None put in
    distinct: bool                      # whether no two windows meet and they are in order


def windows(shape, entries, operands, together: bool, wrap: bool) -> Windows:
    """The windows that entries mean in an array of ``shape``."""
    dtype = index_dtype(shape)
    given = iter(operands)
    advanced = [k for k, e in enumerate(entries) if e[0] in ("int", "scalar", "array", "at")]
    has_arrays = any([e[0] == "array" for e in entries])
    positions: dict[int, Any] = {}              # entry -> where, for advanced ones
    starts: dict[int, Any] = {}                 # entry -> start, for slices with a computed start
    axis = 0
    for k, entry in enumerate(entries):
        kind = entry[0]
        if kind == "new":
            continue
        if kind in ("scalar", "array", "at"):
            if not shape[axis] and kind != "array":
                raise empty_axis(axis)
            positions[k] = position(next(given), shape[axis], wrap and kind != "at")
        elif kind == "int":
            positions[k] = dtype.type(entry[1])
        elif kind == "window":
            starts[k] = next(given)
        axis += 1
    group = util.broadcast_shapes(*[util.shape_of(p) for p in positions.values()]) if has_arrays else ()
    home = None
    if has_arrays:
        home = advanced[0] if together else 0

    parts: list[tuple[Any, tuple[int, ...]]] = []           # components of the index vectors, and their dimensions
    batch: list[int] = []                                   # dimensions of the indices
    offset_dims, collapsed, start_map, sizes, out, new = [], [], [], [], [], []
    group_at = 0
    inner = 0                                               # dimension of the result, without new ones
    axis = 0
    for k, entry in enumerate(entries):
        if k == home:
            group_at = len(batch)
            batch += group
            out += group
            inner += len(group)
        kind = entry[0]
        if kind == "new":
            new.append(len(out))
            out.append(1)
            continue
        if k in positions:
            p = positions[k]
            nd = len(util.shape_of(p))
            lead = group_at + len(group) - nd
            parts.append((p, tuple(range(lead, lead + nd))))
            start_map.append(axis)
            collapsed.append(axis)
            sizes.append(1)
        else:
            n = shape[axis]
            size = entry[1] if kind == "window" else entry[2]
            out.append(size)
            if kind == "window" or entry[3] == 1 or size < 2:
                start = starts[k] if kind == "window" else entry[1]
                if size != n:
                    parts.append((position(start, n, False) if kind == "window" else dtype.type(start if size else 0), ()))
                    start_map.append(axis)
                sizes.append(size)
                offset_dims.append(inner)
            else:                                           # a step: each element is a window of its own
                steps = np.arange(size, dtype=dtype) * dtype.type(entry[3]) + dtype.type(entry[1])
                parts.append((steps, (len(batch),)))
                start_map.append(axis)
                collapsed.append(axis)
                sizes.append(1)
                batch.append(size)
            inner += 1
        axis += 1
    numbers = GatherDimensionNumbers(tuple(offset_dims), tuple(collapsed), tuple(start_map))
    return Windows(_index_vectors(parts, tuple(batch), dtype), numbers, tuple(sizes), tuple(out), tuple(new), not has_arrays)


def _index_vectors(parts, batch: tuple[int, ...], dtype):
    """The components of the index vectors side by side along a last dimension."""
    if not parts:
        return np.zeros((*batch, 0), dtype)
    if all([not isinstance(p, Array) for p, _ in parts]):
        columns = []
        for p, dims in parts:
            p = np.asarray(p, dtype)
            shape = [1] * len(batch)
            for d, n in zip(dims, p.shape):
                shape[d] = n
            columns.append(np.broadcast_to(p.reshape(shape), batch))
        return np.stack(columns, -1)
    columns = []
    for p, dims in parts:
        p = util.cast(p, dtype)
        columns.append(broadcast_in_dim(p, (*batch, 1), dims))
    return columns[0] if len(columns) == 1 else concatenate(columns, len(batch))


def indexes_nothing(shape, entries) -> int | None:
    """The axis of size 0 that an index array is for, if there is one."""
    axis = 0
    for entry in entries:
        if entry[0] == "array" and not shape[axis]:
            return axis
        axis += entry[0] != "new"
    return None


def _gathered(x, entries, operands, together, mode, fill_value, indices_are_sorted, unique_indices, wrap):
    w = windows(x.shape, entries, operands, together, wrap)
    aval = x.aval
    if 0 in w.shape and not dtypes.is_extended(aval.dtype):
        return zeros(ShapedArray(w.shape, aval.dtype, aval.weak_type))
    axis = indexes_nothing(aval.shape, entries)
    if axis is not None and 0 not in w.indices.shape:
        raise empty_axis(axis)
    y = gather(x, w.indices, w.numbers, w.sizes, mode=mode, fill_value=fill_value,
               unique_indices=unique_indices or w.distinct, indices_are_sorted=indices_are_sorted or w.distinct)
    return expand_dims(y, w.new) if w.new else y
