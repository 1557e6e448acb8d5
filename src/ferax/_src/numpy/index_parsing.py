"""What a user wrote between brackets, in one form.

``x[i, 1:3, ..., None, rows]`` becomes a `ParsedIndex`: a tuple of *entries*, one for each dimension of x and one for
each new one, and the arrays among them, the *operands*. Entries are hashable, so that a program is found again by them:

* ``("new",)`` for None: a dimension of size 1;
* ``("slice", start, size, step)``, brought within bounds; the whole dimension is ``("slice", 0, n, 1)``;
* ``("int", i)`` for an integer known now, counted from the front but perhaps out of bounds;
* ``("scalar",)`` for an integer array without dimensions, ``("array",)`` for one with some: the next operand.

Integers and arrays are *advanced* entries as soon as there is one array: they are broadcast against each other, and
their common dimensions stand where the first was, or in front if something else stood between them. A boolean array
counts as the arrays that ``nonzero`` gives for it, so its values must be known. True and False by themselves
add a dimension of size 1 or 0: x gets such a dimension (`expand`) and it is indexed by an array.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ferax._src.numpy.creation import asarray
from ferax._src.numpy.slices import Slice
from ferax._src.tracing.core import Array, Tracer
from ferax._src.types import dtypes
from ferax._src.types.symbolic_dims import has_symbolic, maximum, minimum
from ferax._src.util import errors

_BOOLS = (bool, np.bool_)


class ParsedIndex(NamedTuple):
    """An index as entries and operands; see the module."""

    entries: tuple[tuple, ...]
    operands: list[Any]
    together: bool              # whether nothing stands between the advanced entries
    expand: tuple[int, ...]     # dimensions of size 1 that the array gets first
    shape: tuple[int, ...]      # of the array, with those


def parse(shape: tuple[int, ...], index, *, wrap: bool = True) -> ParsedIndex:
    """Parse an index of an array of ``shape``.

    Parameters
    ----------
    wrap : whether negative integers count from the end

    Raises
    ------
    IndexError : for too many indices, several ellipses, masks of a wrong shape, or something that is no index.
    TypeError : for lists, strings, slices and arrays that are neither integer nor boolean.
    NonConcreteBooleanIndexError : for a mask that is a tracer.
    """
    if type(index) is not tuple:
        index = (_not_a_list(index),)
    items, used = _classified(index)
    free = len(shape) - used
    if free < 0:
        raise IndexError(f"Too many indices: array is {len(shape)}-dimensional, but {used} were indexed")
    if not any([kind == "ellipsis" for kind, _ in items]):
        items.append(("ellipsis", None))
    entries: list[tuple] = []
    operands: list[Any] = []
    expand: list[int] = []
    axis = 0                                    # of x
    for position, (kind, item) in enumerate(items):
        if kind == "new":
            entries.append(("new",))
        elif kind == "int":
            entries.append(("int", item + shape[axis] if item < 0 and wrap else item))
            axis += 1
        elif kind == "slice":
            entries.append(("slice", *_bounds(item, shape[axis], position)))
            axis += 1
        elif kind == "ellipsis":
            entries += [("slice", 0, n, 1) for n in shape[axis:axis + free]]
            axis += free
        elif kind == "truth":
            expand.append(axis + len(expand))
            entries.append(("array",))
            operands.append(np.zeros(int(item), np.int32))
        elif kind == "mask":
            found = _where_true(item, shape[axis:axis + np.ndim(item)], position)
            entries += [("array",)] * len(found)
            operands += found
            axis += len(found)
        else:
            entries.append((kind,))
            operands.append(item)
            axis += 1
    given = iter(shape)
    shape = tuple([1 if axis in expand else next(given) for axis in range(len(shape) + len(expand))])
    return ParsedIndex(tuple(entries), operands, _stand_together(items), tuple(expand), shape)


def _not_a_list(index):
    if isinstance(index, Sequence) and not isinstance(index, str):
        nested = isinstance(index, list) and any([isinstance(i, (list, tuple, slice)) or i is None or i is Ellipsis
                                                  or getattr(i, "ndim", 0) for i in index])
        way = "arr[tuple(seq)]" if nested else "arr[array(seq)]"
        raise TypeError("Using a non-tuple sequence for multidimensional indexing is not allowed; use "
                        f"`{way}` instead of `arr[seq]`. A list would be turned into an array anew at each call.")
    return index


def _classified(index: tuple) -> tuple[list, int]:
    """Pairs (kind, item), and how many dimensions of x they use."""
    items: list[tuple[str, Any]] = []
    used = 0
    dots = False
    for item in index:
        kind = type(item)
        if kind is int:
            items.append(("int", item))
            used += 1
        elif kind is slice:
            items.append(("slice", item))
            used += 1
        elif item is None:
            items.append(("new", None))
        elif item is Ellipsis:
            if dots:
                raise IndexError("an index can only have a single ellipsis ('...')")
            dots = True
            items.append(("ellipsis", None))
        elif kind in _BOOLS:
            items.append(("truth", bool(item)))
        else:
            name, item = _of_other_type(item)
            items.append((name, item))
            used += item.ndim if name == "mask" else name != "truth"
    return items, used


def _of_other_type(item):
    """Arrays, sequences inside of a tuple, and whatever else stands for an integer."""
    if getattr(item, "__jax_array__", None) is not None:
        item = item.__jax_array__()
    if isinstance(item, Slice):
        if item.is_dynamic_start and isinstance(item.start, Tracer):
            return "array", item.start + np.arange(item.size, dtype=item.start.dtype) * item.stride
        places = Slice(int(item.start), item.size, item.stride).positions()
        return "slice", slice(places.start, places.stop, places.step)
    if not isinstance(item, (Array, np.ndarray, np.generic)):
        if isinstance(item, str):
            raise TypeError(f"JAX does not support string indexing; got idx={item!r}. Arrays are indexed by position.")
        if isinstance(item, (list, tuple, range)):
            item = _sequence(item)
        elif hasattr(item, "__index__"):
            return "int", operator.index(item)
        elif isinstance(item, (float, complex)):
            raise TypeError(f"Indexer must have integer or boolean type, got indexer with type {np.dtype(type(item))}")
        elif hasattr(item, "__array__"):
            item = np.asarray(item)
        else:
            raise IndexError("only integers, slices (`:`), ellipsis (`...`), newaxis (`None`) and integer or boolean arrays "
                             f"are valid indices. Got {item}")
    kind = dtypes.kind_of(item.dtype)
    if kind == "b":
        if item.ndim:
            return "mask", item
        if isinstance(item, Tracer):
            return "truth", bool(_concrete(item))
        return "truth", bool(item)
    if kind not in "iu":
        raise TypeError(f"Indexer must have integer or boolean type, got indexer with type {item.dtype}")
    if item.ndim:
        return "array", item
    return ("scalar", item) if isinstance(item, Array) else ("int", int(item))


def _sequence(item):
    """A list inside of an index, as an array; an empty one is an index too."""
    try:
        value = np.asarray(item)
    except (TypeError, ValueError, errors.TracerArrayConversionError):
        return asarray(item)
    if value.size == 0:
        return value.astype(np.int32)
    return asarray(item) if value.dtype == object else value


def _concrete(mask: Tracer):
    value = mask.concrete_value()
    if value is None:
        raise errors.NonConcreteBooleanIndexError(mask)
    return value


def _where_true(mask, shape, position: int) -> list:
    """The indices, one array for each dimension, of the true elements of a mask."""
    if not all([m in (0, n) for m, n in zip(mask.shape, shape)]):
        raise IndexError(f"boolean index did not match shape of indexed array in index {position}: got {tuple(mask.shape)}, "
                         f"expected {tuple(shape)}")
    if isinstance(mask, Tracer):
        mask = _concrete(mask)
    return [i.astype(np.int32) if max(shape) < 2**31 else i for i in np.nonzero(np.asarray(mask))]


def _bounds(item: slice, size: int, position: int) -> tuple[int, int, int]:
    """Start, length and step of a slice of a dimension."""
    start, stop, step = item.start, item.stop, item.step
    if start is None and stop is None and step is None:
        return 0, size, 1
    for bound in (start, stop, step):
        if isinstance(bound, Tracer) and bound.concrete_value() is None:
            raise IndexError(
                f"Slice entries must be static integers. Got {item} at position {position}. The size of the result would depend "
                "on values that are not known while tracing; to take a slice of fixed size at a computed position, use "
                "lax.dynamic_slice_in_dim(x, start, size), and lax.dynamic_update_slice_in_dim to replace one")
    try:
        start, stop, step = item.indices(size)
    except TypeError:
        if has_symbolic((size, start, stop, step)):
            return _symbolic_bounds(start, stop, step, size)
        raise TypeError(f"Slice entries must be integers or None. Got {item} at position {position}") from None
    return start, len(range(start, stop, step)), step


def _symbolic_bounds(start, stop, step, size) -> tuple:
    """Start, length and step of a slice where a bound or the size is symbolic."""
    step = 1 if step is None else step
    last, least = (size, 0) if step > 0 else (size - 1, -1)

    def clipped(bound):
        return maximum(bound + size, least) if bound < 0 else minimum(bound, last)

    start = (last if step < 0 else least) if start is None else clipped(start)
    stop = (least if step < 0 else last) if stop is None else clipped(stop)
    way = stop - start if step > 0 else start - stop
    return start, maximum((way + abs(step) - 1) // abs(step), 0), step


def _stand_together(items) -> bool:
    """Whether the advanced entries follow each other."""
    places = [i for i, (kind, _) in enumerate(items) if kind in ("int", "scalar", "array", "mask", "truth")]
    return not places or places[-1] - places[0] == len(places) - 1


def empty_axis(axis: int) -> IndexError:
    """The error for taking an element of nothing."""
    return IndexError(f"index is out of bounds for axis {axis} with size 0")


def out_of_bounds(parsed: ParsedIndex, wrap: bool) -> IndexError | None:
    """The error for an integer that is out of bounds, or None."""
    axis = 0
    for entry in parsed.entries:
        size = parsed.shape[axis] if axis < len(parsed.shape) else 0
        if entry[0] == "int" and not 0 <= entry[1] < size:
            given = entry[1] - size if entry[1] < 0 and wrap else entry[1]
            return IndexError(f"index {given} out of bounds for axis {axis} with size {size}")
        axis += entry[0] != "new"
    return None
