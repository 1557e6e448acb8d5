"""The part of an array that ``ref[index]`` means.

References take what is between their brackets more literally than arrays do. There is one entry for each dimension, at
most: an integer, a slice that goes forward, a slice of computed start (`ds`), or an integer array. What is written must
have just the shape of the part, and its dtype. An integer known now that is beyond the end is an error; computed ones
are moved within bounds; of positions in arrays those out of bounds are moved within when read and left out when written.

A `RefIndex` holds what is known when a function is traced, so that it is a parameter of an equation. Computed positions
are *operands* beside it.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ferax._src.numpy.array_at import update
from ferax._src.numpy.indexing import take_index
from ferax._src.numpy.slices import Slice
from ferax._src.ops.dynamic_slicing import dynamic_slice_in_dim, dynamic_update_slice_in_dim
from ferax._src.runtime.array import ArrayImpl
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray


class RefIndex:
    """A parsed index: one entry for each dimension.

    * ``("int", i)``
    * ``("slice", start, size, step)``
    * ``("ds", size, step)``: a slice that starts where the next operand says
    * ``("scalar",)`` and ``("array",)``: the next operand
    """

    __slots__ = ("entries", "shape")

    def __init__(self, entries: tuple[tuple, ...], shape: tuple[int, ...]):
        self.entries = entries
        self.shape = shape                      # of the array that is indexed

    def __eq__(self, other) -> bool:
        return isinstance(other, RefIndex) and self.entries == other.entries and self.shape == other.shape

    def __hash__(self) -> int:
        return hash((self.entries, self.shape))

    def __repr__(self) -> str:
        return f"RefIndex[{self.text(['?'] * sum(e[0] in ('ds', 'scalar', 'array') for e in self.entries))}]"

    def text(self, operands) -> str:
        """What stands between the brackets, with names for the operands."""
        given = iter(operands)
        words = []
        for entry, n in zip(self.entries, self.shape):
            if entry[0] == "int":
                words.append(str(entry[1]))
            elif entry[0] == "slice":
                _, start, size, step = entry
                stop = start + size * step
                words.append(f"{start or ''}:{'' if stop >= n else stop}" + (f":{step}" if step != 1 else ""))
            elif entry[0] == "ds":
                start = next(given)
                words.append(f"{start}:{start}+{entry[1]}" + (f":{entry[2]}" if entry[2] != 1 else ""))
            else:
                words.append(str(next(given)))
        return ",".join(words)

    def part_shape(self, operand_avals) -> tuple[int, ...]:
        """The shape of the part."""
        given = iter(operand_avals)
        sizes: list = []                        # of each dimension; None for those that positions are for
        positions: list = []
        for entry in self.entries:
            if entry[0] in ("slice", "ds"):
                sizes.append(entry[-2])
                if entry[0] == "ds":
                    next(given)
            else:
                sizes.append(None)
                positions.append(next(given).shape if entry[0] != "int" else ())
        if all(shape == () for shape in positions):
            return tuple([n for n in sizes if n is not None])
        common = np.broadcast_shapes(*positions)
        places = [i for i, n in enumerate(sizes) if n is None]
        first = places[0] if places[-1] - places[0] == len(places) - 1 else 0
        return (*(n for n in sizes[:first] if n is not None), *common, *(n for n in sizes[first:] if n is not None))

    def result(self, aval: ShapedArray, *operand_avals) -> ShapedArray:
        """The type of the part."""
        return aval.update(shape=self.part_shape(operand_avals), sharding=None)

    def take(self, value, *operands):
        """The part."""
        windows, rest = self.parts(operands)
        for axis, start, span in windows:
            value = dynamic_slice_in_dim(value, start, span, axis)
        return take_index(value, rest)

    def put(self, value, new, *operands):
        """The array with another part."""
        return self.updated(value, new, operands, "set")

    def add(self, value, new, *operands):
        """The array with something added to the part."""
        return self.updated(value, new, operands, "max" if value.dtype == np.bool_ else "add")

    def updated(self, value, new, operands, how: str):
        windows, rest = self.parts(operands)
        mode = None if any(e[0] == "array" for e in self.entries) else "clip"
        blocks = [value]
        for axis, start, span in windows:
            blocks.append(dynamic_slice_in_dim(blocks[-1], start, span, axis))
        block = update(blocks[-1], rest, how, new, mode=mode)
        for (axis, start, _), around in zip(reversed(windows), reversed(blocks[:-1])):
            block = dynamic_update_slice_in_dim(around, block, start, axis)
        return block

    def parts(self, operands) -> tuple[list, tuple]:
        """The slices of computed start, as (axis, start, span), and the index of what they leave."""
        given = iter(operands)
        windows = []
        rest: list[Any] = []
        for axis, entry in enumerate(self.entries):
            kind = entry[0]
            if kind == "int":
                rest.append(entry[1])
            elif kind == "slice":
                _, start, size, step = entry
                rest.append(slice(start, start + size * step, step))
            elif kind == "ds":
                window = Slice(next(given), *entry[1:])
                windows.append((axis, window.start, window.span))
                rest.append(slice(None, None, window.stride))
            else:
                rest.append(next(given))
        return windows, tuple(rest)


def parse_index(shape: tuple[int, ...], index) -> tuple[RefIndex | None, list]:
    """What is between the brackets of a reference to an array of ``shape``.

    Returns
    -------
    RefIndex, or None for the whole array
    operands : the computed positions

    Raises
    ------
    ValueError : for too many entries, two ellipses, positions out of bounds, or steps that are not positive.
    TypeError : for entries that are neither integers, slices nor integer arrays.
    """
    if index is None or index is Ellipsis or type(index) is tuple and not index:
        return None, []
    items = list(index) if type(index) is tuple else [index]
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise ValueError("Only one ellipsis is supported.")
    if len(items) - len(dots) > len(shape):
        raise ValueError(f"`indices` must not be longer than `shape`: indices={index!r}, shape={shape}")
    at = dots[0] if dots else len(items)
    items[at:at + len(dots)] = [slice(None)] * (len(shape) - len(items) + len(dots))
    entries, operands = [], []
    for item, n in zip(items, shape):
        entry, operand = _entry(item, n)
        entries.append(entry)
        if operand is not None:
            operands.append(operand)
    if all(e == ("slice", 0, n, 1) for e, n in zip(entries, shape)):
        return None, []
    return RefIndex(tuple(entries), shape), operands


def _entry(item, n: int) -> tuple[tuple, Any]:
    """The entry for one dimension of size ``n``, and the operand that goes with it, or None."""
    if type(item) is int:
        return _position(item, n), None
    if isinstance(item, slice):
        return _slice(item, n), None
    if isinstance(item, Slice):
        start = int(item.start) if isinstance(item.start, (ArrayImpl, np.generic, np.ndarray)) else item.start
        if item.stride < 1:
            raise ValueError(f"slice must have a step >= 1 (found: {item.stride})")
        if isinstance(start, Array):
            _check_integer(start)
            if item.span > n:
                raise ValueError(f"Out of bound slice: size={item.size}, stride={item.stride}, dim={n}.")
            return ("ds", item.size, item.stride), start
        try:
            start = operator.index(start)
        except TypeError:
            raise TypeError(f"ds: the start must be an integer, got {start!r} of type {type(start).__name__}") from None
        if start < 0 or start + item.span > n or item.size < 0:
            raise ValueError(f"Out of bound slice: start={start}, size={item.size}, stride={item.stride}, dim={n}.")
        return ("slice", start, item.size, item.stride), None
    if isinstance(item, (Array, np.ndarray, np.generic)):
        _check_integer(item)
        if item.ndim:
            return ("array",), item
        if isinstance(item, (ArrayImpl, np.ndarray, np.generic)):
            return _position(int(item), n), None
        return ("scalar",), item
    if item is None:
        raise ValueError("None in an index of an array reference: it cannot have new dimensions. Read it first, ref[...][None].")
    if isinstance(item, (bool, list, tuple, str, float, complex)) or not hasattr(item, "__index__"):
        raise TypeError(f"an array reference is indexed by integers, slices, ds(start, size) and integer arrays; got {item!r} of "
                        f"type {type(item).__name__}")
    return _position(operator.index(item), n), None


def _check_integer(item) -> None:
    if dtypes.kind_of(item.dtype) not in "iu":
        raise TypeError(f"an array reference is indexed by integers; got an array of dtype {item.dtype}. For a mask, read the whole "
                        "array: ref[...] = jnp.where(mask, x, ref[...])")


def _position(i: int, n: int) -> tuple:
    if i >= n:
        raise ValueError(f"Out of bound indexer: idx={i}, dim={n}.")
    return "int", max(i + n, 0) if i < 0 else i


def _slice(item: slice, n: int) -> tuple:
    if item.start is None and item.stop is None and item.step is None:
        return "slice", 0, n, 1
    try:
        start, stop, step = item.indices(n)
    except TypeError:
        raise TypeError(f"slice entries of an index must be integers or None, got {item}; a slice that starts where a computed "
                        "value says is ferax.ds(start, size)") from None
    if step < 1:
        raise ValueError(f"slice must have a step >= 1 (found: {step})")
    if start >= n and n:
        raise ValueError(f"Out of bound slice: start={start}, dim={n}.")
    return "slice", start, len(range(start, stop, step)), step
