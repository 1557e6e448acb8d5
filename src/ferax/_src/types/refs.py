"""The type of a mutable array reference, and what a program may do to one.

A variable of a jaxpr has the type `AbstractRef` where a traced function was given a reference or closes over one.
The effects of a jaxpr say which of these it reads, writes and adds to.
"""

from __future__ import annotations

import weakref
from typing import Any

from ferax._src.types import dtypes
from ferax._src.types.avals import AbstractValue, ShapedArray

_interned: weakref.WeakValueDictionary[tuple, AbstractRef] = weakref.WeakValueDictionary()


class AbstractRef(AbstractValue):
    """The type of a reference to an array: ``Ref{float32[3]}``. Interned, as `ShapedArray` is.

    Parameters
    ----------
    inner_aval : ShapedArray, the type of the array
    memory_space, kind : hashable, or None; accepted and kept
    """

    __slots__ = ("inner_aval", "memory_space", "kind", "__weakref__")

    inner_aval: ShapedArray
    memory_space: Any
    kind: Any

    is_differentiable = False

    def __new__(cls, inner_aval: ShapedArray, memory_space=None, kind=None) -> AbstractRef:
        if not isinstance(inner_aval, ShapedArray):
            raise TypeError(f"AbstractRef: inner_aval must be the type of an array, a ShapedArray, got {inner_aval!r}")
        key = inner_aval, memory_space, kind
        self = _interned.get(key)
        if self is None:
            self = object.__new__(cls)
            for name, value in zip(("inner_aval", "memory_space", "kind"), key):
                object.__setattr__(self, name, value)
            self = _interned.setdefault(key, self)
        return self

    def __setattr__(self, name, value):
        raise AttributeError(f"AbstractRef is immutable; use .update({name}=...) to get another one")

    def __reduce__(self):
        return AbstractRef, (self.inner_aval, self.memory_space, self.kind)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    shape = property(lambda self: self.inner_aval.shape)
    dtype = property(lambda self: self.inner_aval.dtype)
    ndim = property(lambda self: self.inner_aval.ndim)
    size = property(lambda self: self.inner_aval.size)
    weak_type = property(lambda self: self.inner_aval.weak_type)
    sharding = property(lambda self: self.inner_aval.sharding)
    varying = property(lambda self: self.inner_aval.varying)

    def update(self, inner_aval=None, memory_space=None, kind=None) -> AbstractRef:
        """The type with some fields replaced."""
        return AbstractRef(self.inner_aval if inner_aval is None else inner_aval,
                           self.memory_space if memory_space is None else memory_space, self.kind if kind is None else kind)

    def to_tangent_aval(self) -> ShapedArray:
        """A reference itself has no tangent, what it holds may: that is found by following the reads and writes."""
        return ShapedArray(self.shape, dtypes.float0)

    def __len__(self) -> int:
        return len(self.inner_aval)

    def str_short(self, short_dtypes: bool = True) -> str:
        return f"Ref{{{self.inner_aval.str_short(short_dtypes)}}}"

    def __repr__(self) -> str:
        return self.str_short(False)


class RefEffect:
    """That a program does something to a reference: to the variable ``var`` among its inputs or constants."""

    __slots__ = ("var",)
    ordered = False
    keeps_alive = True          # whether an equation with this effect must run though nobody reads its results

    def __init__(self, var):
        self.var = var

    def __eq__(self, other) -> bool:
        return type(other) is type(self) and other.var is self.var

    def __hash__(self) -> int:
        return hash((type(self), id(self.var)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.var!r})"


class ReadEffect(RefEffect):
    """The reference is read."""

    __slots__ = ()
    keeps_alive = False


class WriteEffect(RefEffect):
    """The reference is written."""

    __slots__ = ()


class AccumEffect(RefEffect):
    """Something is added to what the reference holds."""

    __slots__ = ()


class PassEffect(RefEffect):
    """The reference is handed to a function with a derivative rule of its own, which may use it when it runs."""

    __slots__ = ()
    keeps_alive = False


def written_vars(effects) -> set:
    """The variables that a program with these effects writes or adds to."""
    return {e.var for e in effects if isinstance(e, (WriteEffect, AccumEffect))}


def passed_vars(effects) -> set:
    """The variables that a program with these effects hands to derivative rules."""
    return {e.var for e in effects if isinstance(e, PassEffect)}
