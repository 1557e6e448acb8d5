"""The jaxpr: Ferax's intermediate representation.

A jaxpr is a straight-line typed program. `Var` is a variable with a type, `Literal` a scalar written
in place (both in `ir/atoms.py`), `Eqn` one application of a primitive, `Jaxpr` a list of equations with inputs and outputs,
`ClosedJaxpr` a jaxpr with the values of its constants. Programs are made by tracing (floor 3), rewritten
by tracing again (floor 6), and lowered to StableHLO (floor 4).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ferax._src.ir.atoms import Atom, DropVar as DropVar, Literal as Literal, Var
from ferax._src.ir.printer import pp_eqn_alone, pp_jaxpr
from ferax._src.types.avals import AbstractValue

Effects = frozenset
no_effects: Effects = frozenset()


class Eqn:
    """``outvars = primitive[params] invars``, with where the user wrote it."""

    __slots__ = ("primitive", "invars", "outvars", "params", "effects", "source", "name_stack")

    def __init__(self, primitive, invars, outvars, params, effects=no_effects, source=None, name_stack=""):
        self.primitive = primitive
        self.invars: list[Atom] = invars
        self.outvars: list[Var] = outvars
        self.params: dict[str, Any] = params
        self.effects: Effects = effects
        self.source = source
        self.name_stack: str = name_stack

    def replace(self, **changes) -> Eqn:
        fields = {name: getattr(self, name) for name in Eqn.__slots__}
        fields.update(changes)
        return Eqn(**fields)

    def __repr__(self) -> str:
        return pp_eqn_alone(self)


class DebugInfo(NamedTuple):
    """Names for people: the traced function, its arguments and its results."""

    func_name: str = "<unknown>"
    func_location: str = ""                           # "train.py:41"
    arg_names: tuple[str, ...] | None = None          # one per flat input: "params['w']"
    result_paths: tuple[str, ...] | None = None
    transform: str = "trace"                          # the API function that asked: "jit", "scan", ...


class Jaxpr:
    """``lambda constvars ; invars . let eqns in outvars``."""

    __slots__ = ("constvars", "invars", "outvars", "eqns", "effects", "debug_info", "__weakref__")

    def __init__(self, constvars, invars, outvars, eqns, effects=no_effects, debug_info=DebugInfo()):
        self.constvars: list[Var] = constvars
        self.invars: list[Var] = invars
        self.outvars: list[Atom] = outvars
        self.eqns: list[Eqn] = eqns
        self.effects: Effects = effects
        self.debug_info: DebugInfo = debug_info

    def replace(self, **changes) -> Jaxpr:
        fields = {name: getattr(self, name) for name in Jaxpr.__slots__ if name != "__weakref__"}
        fields.update(changes)
        return Jaxpr(**fields)

    @property
    def in_avals(self) -> list[AbstractValue]:
        return [v.aval for v in self.invars]

    @property
    def out_avals(self) -> list[AbstractValue]:
        return [v.aval for v in self.outvars]

    def __repr__(self) -> str:
        return self.pretty_print()

    def pretty_print(self, **settings) -> str:
        return pp_jaxpr(self, **settings)


class ClosedJaxpr:
    """A jaxpr with its constants, and a place (`cache`) for all that is derived from it.

    Two closed jaxprs are equal only if they are the same object: the transformations cache their
    results here, so that a program is transformed, lowered and compiled once.
    """

    __slots__ = ("jaxpr", "consts", "cache", "__weakref__")

    def __init__(self, jaxpr: Jaxpr, consts=()):
        assert len(consts) == len(jaxpr.constvars), (len(consts), len(jaxpr.constvars))
        self.jaxpr = jaxpr
        self.consts: list[Any] = list(consts)
        self.cache: dict[Any, Any] = {}

    @property
    def in_avals(self) -> list[Any]:
        return [v.aval for v in self.jaxpr.invars]

    @property
    def out_avals(self) -> list[Any]:
        return [v.aval for v in self.jaxpr.outvars]

    @property
    def literals(self) -> list[Any]:
        return self.consts

    @property
    def eqns(self) -> list[Eqn]:
        return self.jaxpr.eqns

    @property
    def effects(self) -> Effects:
        return self.jaxpr.effects

    @property
    def debug_info(self) -> DebugInfo:
        return self.jaxpr.debug_info

    def replace(self, *, jaxpr=None, consts=None) -> ClosedJaxpr:
        return ClosedJaxpr(self.jaxpr if jaxpr is None else jaxpr, self.consts if consts is None else consts)

    def map_jaxpr(self, f) -> ClosedJaxpr:
        return ClosedJaxpr(f(self.jaxpr), self.consts)

    def __repr__(self) -> str:
        return repr(self.jaxpr)

    def pretty_print(self, **settings) -> str:
        return self.jaxpr.pretty_print(**settings)


def jaxprs_in_params(params: dict[str, Any]):
    """The jaxprs that an equation's parameters hold, open or closed, also inside tuples and lists."""
    for value in params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(item, (Jaxpr, ClosedJaxpr)):
                yield item


def subjaxprs(jaxpr: Jaxpr):
    """All jaxprs held by the equations of ``jaxpr``, one level down."""
    for eqn in jaxpr.eqns:
        yield from jaxprs_in_params(eqn.params)


def count_eqns(jaxpr: Jaxpr | ClosedJaxpr) -> int:
    """The number of equations, those of inner jaxprs included."""
    inner = jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr
    return len(inner.eqns) + sum(count_eqns(j) for j in subjaxprs(inner))


def join_effects(*effects: Effects) -> Effects:
    return frozenset().union(*effects) if effects else no_effects
