"""Helpers for lists: all take any iterable and return lists (tuples are for keys)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from ferax._src import engine

T = TypeVar("T")
S = TypeVar("S")

#: ``map`` and ``zip`` that return lists and raise ValueError on unequal lengths.
safe_map = engine.safe_map
safe_zip = engine.safe_zip


def unzip2(pairs: Iterable[tuple[T, S]]) -> tuple[list[T], list[S]]:
    """[(a, b), ...] as two lists; two empty ones for no pairs."""
    first: list[T] = []
    second: list[S] = []
    for a, b in pairs:
        first.append(a)
        second.append(b)
    return first, second


def unzip3(triples: Iterable[tuple[Any, Any, Any]]) -> tuple[list, list, list]:
    """[(a, b, c), ...] as three lists."""
    lists: tuple[list, list, list] = ([], [], [])
    for triple in triples:
        for out, value in zip(lists, triple, strict=True):
            out.append(value)
    return lists


def split_list(values: Sequence[T], lengths: Sequence[int]) -> list[list[T]]:
    """Consecutive pieces of the given lengths, and last whatever remains: ``len(lengths) + 1`` lists."""
    values = list(values)
    pieces, start = [], 0
    for n in lengths:
        if n < 0 or start + n > len(values):
            raise ValueError(f"cannot split a list of {len(values)} into pieces of lengths {list(lengths)}")
        pieces.append(values[start : start + n])
        start += n
    return [*pieces, values[start:]]


def split_exactly(values: Sequence[T], lengths: Sequence[int]) -> list[list[T]]:
    """Consecutive pieces of the given lengths, which must use up the list."""
    *pieces, rest = split_list(values, lengths)
    if rest:
        raise ValueError(f"pieces of lengths {list(lengths)} leave {len(rest)} of {len(values)} over")
    return pieces


def partition_list(mask: Sequence[bool], values: Sequence[T]) -> tuple[list[T], list[T]]:
    """(those where the mask is false, those where it is true)."""
    false: list[T] = []
    true: list[T] = []
    for flag, value in zip(mask, values, strict=True):
        (true if flag else false).append(value)
    return false, true


def merge_lists(mask: Sequence[bool], false: Sequence[T], true: Sequence[T]) -> list[T]:
    """Undo ``partition_list``."""
    if len(mask) != len(false) + len(true) or sum(map(bool, mask)) != len(true):
        raise ValueError(
            f"a mask with {sum(map(bool, mask))} of {len(mask)} true does not merge "
            f"lists of {len(false)} and {len(true)}"
        )
    falses, trues = iter(false), iter(true)
    return [next(trues) if flag else next(falses) for flag in mask]


def subs_list(indices: Sequence[int | None], source: Sequence[T], base: Sequence[T]) -> list[T]:
    """``base`` with ``source[i]`` wherever the index ``i`` at that place is not None."""
    return [b if i is None else source[i] for i, b in zip(indices, base, strict=True)]


def concatenate(lists: Iterable[Iterable[T]]) -> list[T]:
    """One list of all."""
    return list(itertools.chain.from_iterable(lists))


def unique(values: Iterable[T], key: Callable[[T], Any] | None = None) -> list[T]:
    """The first of each, in order; ``key=id`` for values that do not hash."""
    first: dict[Any, T] = {}
    for value in values:
        first.setdefault(value if key is None else key(value), value)
    return list(first.values())


def moved(values: Sequence[T], source: int, destination: int) -> list[T]:
    """The list with one element moved to another place."""
    out = list(values)
    out.insert(destination, out.pop(source))
    return out


def without(values: Sequence[T], index: int) -> list[T]:
    """The list without the element at ``index``."""
    out = list(values)
    del out[index]
    return out


def with_inserted(values: Sequence[T], index: int, value: T) -> list[T]:
    """The list with ``value`` at ``index``."""
    out = list(values)
    out.insert(index, value)
    return out
