"""What the equations of a jaxpr read and write: variables and scalar literals."""

from __future__ import annotations

from typing import Any

from ferax._src.types.avals import AbstractValue


class Var:
    """A typed variable. Its identity is its name; letters are given when it is printed."""

    __slots__ = ("aval", "__weakref__")

    aval: Any  # a ShapedArray, or the abstract value of something that is no array

    def __init__(self, aval: AbstractValue):
        self.aval = aval

    def __repr__(self) -> str:
        return f"Var({self.aval})"


class DropVar(Var):
    """A result that nothing reads; printed as ``_``."""

    __slots__ = ()


class Literal:
    """A scalar constant written into an equation."""

    __slots__ = ("val", "aval")

    aval: Any

    def __init__(self, val: Any, aval: AbstractValue):
        self.val = val
        self.aval = aval

    def __repr__(self) -> str:
        return f"{self.val}:{self.aval}"


Atom = Var | Literal
