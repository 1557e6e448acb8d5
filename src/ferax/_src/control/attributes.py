"""Attributes of operations that the compiler, or a native function, reads: values that are known while tracing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class Attributes:
    """The attributes of an operation by name, copied; equal for equal values, so that programs are found again."""

    __slots__ = ("values", "key")

    def __init__(self, values: Mapping[str, Any]):
        self.values = {name: _frozen(value) for name, value in values.items()}
        self.key = tuple([(name, _key_of(name, value)) for name, value in sorted(self.values.items())])

    def __eq__(self, other) -> bool:
        return isinstance(other, Attributes) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return repr(self.values)


def _key_of(name: str, value):
    """A hashable stand-in for the value of an attribute."""
    if isinstance(value, np.ndarray):
        return "array", value.dtype, value.shape, value.tobytes()
    if isinstance(value, Mapping):
        return "dict", tuple([(k, _key_of(name, v)) for k, v in sorted(value.items())])
    if isinstance(value, (list, tuple)):
        return "list", tuple([_key_of(name, v) for v in value])
    try:
        hash(value)
    except TypeError:
        raise TypeError(f"Non-hashable keyword argument {name}: {value!r}. Attributes are numbers, strings, NumPy arrays, "
                        "and lists and dicts of these.") from None
    return type(value), value


def _frozen(value):
    """A copy of an attribute's value that the caller cannot change."""
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flags.writeable = False
        return value
    if isinstance(value, Mapping):
        return {k: _frozen(v) for k, v in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value
