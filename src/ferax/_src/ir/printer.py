"""Printing jaxprs as people know them.

    { lambda a:f32[3]; b:f32[3]. let
        c:f32[3] = sin b
        d:f32[3] = mul c a
      in (d,) }

Constvars stand before the semicolon. Names run a, b, ..., z, ba, ...; results nobody reads are ``_``.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ferax._src.ir.atoms import DropVar, Literal
from ferax._src.types.avals import ShapedArray
from ferax._src.util import source as source_info

if TYPE_CHECKING:  # jaxprs print themselves with this module, so it knows them by their shape alone
    from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr

_WIDTH = 100


class Names:
    """Gives each variable its letters, in order of appearance; shared by a jaxpr and those inside it."""

    def __init__(self):
        self._names: dict[Any, str] = {}
        self._count = itertools.count()

    def __call__(self, var) -> str:
        if isinstance(var, DropVar):
            return "_"
        name = self._names.get(var)
        if name is None:
            name = self._names[var] = letters(next(self._count))
        return name


def letters(i: int) -> str:
    """0 -> a, 25 -> z, 26 -> ba: base 26 in letters."""
    text = chr(97 + i % 26)
    while i >= 26:
        i //= 26
        text = chr(97 + i % 26) + text
    return text


def pp_jaxpr(jaxpr: Jaxpr, *, source_info: bool = False, print_shapes: bool = True, custom_pp_eqn_rules: bool = True,
             name_stack: bool = False, use_color: bool = False, **ignored) -> str:
    """The text of a jaxpr.

    Parameters
    ----------
    jaxpr : Jaxpr
    source_info : add the user's file and line to each equation
    print_shapes : write the types
    custom_pp_eqn_rules : let primitives print their equations their own way (rule ``pp``)
    name_stack : add the name stack to each equation
    """
    return "\n".join(_Printer(Names(), source_info, print_shapes, custom_pp_eqn_rules, name_stack).jaxpr(jaxpr))


def pp_eqn_alone(eqn: Eqn) -> str:
    """The text of one equation, its variables named on their own."""
    return "\n".join(_Printer(Names(), False, True, True, False).eqn(eqn, used=None))


def is_jaxpr(value) -> bool:
    """Whether ``value`` is a jaxpr, open or closed."""
    return hasattr(value, "eqns")


class _Printer:
    def __init__(self, names, source, shapes, custom, name_stack):
        self.names = names
        self.source = source
        self.shapes = shapes
        self.custom = custom
        self.name_stack = name_stack

    def atom(self, v) -> str:
        if type(v) is Literal:
            value = v.val
            if isinstance(value, (np.ndarray, np.generic)) and np.ndim(value) == 0:
                value = value.item() if not hasattr(value, "dtype") or value.dtype.kind != "V" else float(value)
            return f"{value}:{v.aval.str_short()}" if self.shapes else f"{value}"
        return self.names(v)

    def binder(self, v, used=None) -> str:
        name = "_" if used is not None and v not in used else self.names(v)
        return f"{name}:{v.aval.str_short()}" if self.shapes else name

    def jaxpr(self, jaxpr: Jaxpr | ClosedJaxpr) -> list[str]:
        inner = getattr(jaxpr, "jaxpr", jaxpr)
        used = {v for e in inner.eqns for v in e.invars if type(v) is not Literal}
        used.update(v for v in inner.outvars if type(v) is not Literal)
        consts = "".join(f" {self.binder(v)}" for v in inner.constvars)
        inputs = "".join(f" {self.binder(v)}" for v in inner.invars)
        head = f"{{ lambda{consts or ' '};{inputs or ' '}. let"
        body = [line for eqn in inner.eqns for line in self.eqn(eqn, used)]
        outs = [self.atom(v) for v in inner.outvars]
        result = f"({', '.join(outs)}{',' if len(outs) == 1 else ''})"
        if len(body) <= 1 and len(head) + sum(map(len, body)) + len(result) + 8 <= _WIDTH - 20 and (
                inner is not jaxpr or not body):
            return [f"{head} {body[0] if body else ''} in {result} }}"]
        return [head, *("    " + line for line in body), f"  in {result} }}"]

    def eqn(self, eqn: Eqn, used) -> list[str]:
        rule = getattr(eqn.primitive, "pp", None)
        params = rule(eqn) if self.custom and rule is not None else eqn.params
        left = " ".join(self.binder(v, used) for v in eqn.outvars)
        args = " ".join(map(self.atom, eqn.invars))
        note = []
        if self.name_stack and eqn.name_stack:
            note.append(eqn.name_stack)
        if self.source and eqn.source:
            note.append(source_info.summarize(eqn.source))
        tail = f"  # {' '.join(note)}" if note else ""
        text = getattr(eqn.primitive, "text", None)
        if self.custom and text is not None:
            ref, *operands = map(self.atom, eqn.invars)
            return [f"{text(left, ref, operands, eqn.params['index'])}{tail}"]
        shown = [(k, self.param(k, v)) for k, v in params.items() if v is not None]
        name = eqn.primitive.name
        start = f"{left} = {name}" if left else name
        flat = " ".join(f"{k}={lines[0]}" for k, lines in shown)
        multiline = any(len(lines) > 1 for _, lines in shown)
        bracket = f"[{flat}]" if flat else ""
        if not multiline and len(start) + len(bracket) + len(args) < _WIDTH:
            return [f"{start}{bracket} {args}{tail}".rstrip()]
        lines = [f"{start}["]
        for key, text in shown:
            lines.append(f"  {key}={text[0]}")
            lines.extend("  " + more for more in text[1:])
        lines.append(f"] {args}{tail}".rstrip())
        return lines

    def param(self, key: str, value) -> list[str]:
        if is_jaxpr(value):
            return self.jaxpr(value)
        if isinstance(value, (tuple, list)) and any(map(is_jaxpr, value)):
            return ["(", *("  " + line for x in value for line in self.jaxpr(x)), ")"]
        if isinstance(value, np.dtype):
            return [value.name]
        if isinstance(value, type) and issubclass(value, np.generic):
            return [value.__name__]
        if isinstance(value, ShapedArray):
            return [value.str_short()]
        if callable(value) and hasattr(value, "__name__"):
            return [value.__name__]
        return [" ".join(str(value).split("\n"))]
