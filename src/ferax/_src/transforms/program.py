"""Programs: what a cached rule is.

A rule (a derivative, a batching) is traced once to a small closed jaxpr, a *program*, and from then on
called. `program_p` is that call. The base trace runs it compiled; staging writes its equations in place;
every other transformation transforms the program, once, and calls the result. So one operation under
``vmap(jvp(grad(f)))`` is still one compiled call.
"""

from __future__ import annotations

from ferax._src.ir.jaxpr import ClosedJaxpr, Literal
from ferax._src.ops.convert import as_array
from ferax._src.ops.program_holder import ProgramHolder
from ferax._src.tracing.core import Array, Primitive, Trace, eval_trace, register
from ferax._src.types import dtypes


class Program(ProgramHolder):
    """Run ``jaxpr``. It never stands in a jaxpr itself: staging splices it."""

    name = "program"
    splices = True

    def lower(self, ctx, *values, jaxpr):
        return ctx.inline(jaxpr, *values)


program_p = register(Program())

_UNKNOWN = object()


def call_program(trace: Trace, closed: ClosedJaxpr, args) -> list:
    """Run a program on a trace; one of a single equation is applied as that operation, so that its
    compiled form is shared, and one of none only routes its arguments."""
    shortcut = closed.cache.get("shortcut", _UNKNOWN)
    if shortcut is _UNKNOWN:
        shortcut = closed.cache["shortcut"] = _shortcut(closed)
    if shortcut is None:
        return trace.process(program_p, args, {"jaxpr": closed})
    primitive, what = shortcut
    if primitive is not None:
        return trace.process(primitive, args, what)
    results = [args[i] if value is None else value for i, value in what]
    if trace is eval_trace:                     # what comes out of evaluation is an array, also where nothing was computed
        results = [x if isinstance(x, Array) or getattr(x, "dtype", None) == dtypes.float0 else as_array(x) for x in results]
    return results


def _shortcut(closed: ClosedJaxpr):
    """(primitive, params) for a program of one equation, (None, routing) for one of none, else None."""
    jaxpr = closed.jaxpr
    if closed.consts or jaxpr.effects:
        return None
    if not jaxpr.eqns:
        if any(type(v) is Literal and v.aval.weak_type is False for v in jaxpr.outvars):
            return None
        position = {v: i for i, v in enumerate(jaxpr.invars)}
        return None, [(0, v.val) if type(v) is Literal else (position[v], None) for v in jaxpr.outvars]
    if len(jaxpr.eqns) == 1:
        (eqn,) = jaxpr.eqns
        same_inputs = len(eqn.invars) == len(jaxpr.invars) and all(
            a is b for a, b in zip(eqn.invars, jaxpr.invars))
        same_outputs = len(eqn.outvars) == len(jaxpr.outvars) and all(
            a is b for a, b in zip(eqn.outvars, jaxpr.outvars))
        if same_inputs and same_outputs:
            return eqn.primitive, eqn.params
    return None


def rule_cache(primitive: Primitive, params) -> dict:
    """Where the traced rules of an operation are kept: on the jaxpr it holds, so that they go when it goes; for an
    operation that holds none, on the primitive."""
    if primitive.holds_jaxprs:
        for value in params.values():
            for item in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(item, ClosedJaxpr):
                    return item.cache
    return primitive.rule_cache
