"""Staging: run a function on tracers that write down what happens, as a jaxpr.

`JaxprTrace` records each applied primitive as an equation. Values that are not its own tracers are
constants: Python scalars become literals, arrays and tracers of outer traces become constvars whose
values the finished `ClosedJaxpr` holds.
"""

from __future__ import annotations

import numpy as np

from ferax._src.ir.dce import drop_unused_consts
from ferax._src.ir.jaxpr import (
    Atom, ClosedJaxpr, DebugInfo, Eqn, Jaxpr, Literal, Var, join_effects, no_effects)
from ferax._src.tracing import core
from ferax._src.tracing.core import Primitive, Trace, Tracer, abstract_eval, set_current_trace, state
from ferax._src.tracing.leaks import check_leaks
from ferax._src.tracing.refs import Ref, is_live, returned_error, unpack_error
from ferax._src.types.avals import aval_of
from ferax._src.types.refs import AbstractRef
from ferax._src.util import source as source_info

_SCALARS = (int, float, bool, complex)


class JaxprTracer(Tracer):
    """A variable of the jaxpr being written."""

    __slots__ = ("_var", "eqn")

    _trace: JaxprTrace

    def __init__(self, trace: JaxprTrace, var: Var, eqn: Eqn | None = None):
        self._trace = trace
        self.aval = var.aval
        self._var = var
        self.eqn = eqn                          # what computed it; None for an input

    def _origin(self) -> str:
        trace = self._trace
        debug = trace.debug_info
        if self.eqn is not None:
            where = source_info.summarize(self.eqn.source)
            return f"the result of `{self.eqn.primitive.name}` at {where}"
        at = f" at {debug.func_location}" if debug.func_location else ""
        index = trace.invars.index(self._var) if self._var in trace.invars else None
        if index is not None and debug.arg_names is not None and index < len(debug.arg_names):
            return f"the argument {debug.arg_names[index]} of {debug.func_name}{at}, traced for {debug.transform}"
        return f"an input of {debug.func_name}{at}, traced for {debug.transform}"


class JaxprTrace(Trace):
    """Writes a jaxpr."""

    __slots__ = ("eqns", "invars", "constvars", "consts", "_const_of", "effects", "debug_info", "refs")

    def __init__(self, debug_info: DebugInfo = DebugInfo(), parent: Trace | None = None):
        super().__init__(parent)
        self.eqns: list[Eqn] = []
        self.invars: list[Var] = []
        self.constvars: list[Var] = []
        self.consts: list = []
        self._const_of: dict[int, Var] = {}     # id(value) -> constvar; self.consts keeps the values alive
        self.effects: set = set()
        self.debug_info = debug_info
        self.refs: list[Ref] | None = None      # from outside: given as arguments, or closed over

    def new_input(self, aval):
        var = Var(aval)
        self.invars.append(var)
        if type(aval) is AbstractRef:
            ref = Ref(aval, self, None)
            self._enter_ref(ref, var)
            return ref
        return JaxprTracer(self, var)

    def ref_var(self, ref: Ref) -> Var:
        """The variable for a reference from outside."""
        var = self._const_of.get(id(ref))
        if var is None:
            if not ref._trace.alive:
                raise core.escaped_tracer_error(ref)
            var = Var(ref.aval)
            self._enter_ref(ref, var)
            self.constvars.append(var)
            self.consts.append(ref)
        return var

    def _enter_ref(self, ref: Ref, var: Var) -> None:
        self._const_of[id(ref)] = var
        if self.refs is None:
            self.refs = []
        self.refs.append(ref)                   # keeps it alive, as it is known by its address

    def atom(self, value) -> Atom:
        """The variable or literal for a value given to an operation."""
        if type(value) is JaxprTracer and value._trace is self:
            return value._var
        kind = type(value)
        if kind in _SCALARS or (isinstance(value, np.generic) and value.dtype.names is None):
            return Literal(value, aval_of(value))
        return self.constvar(value)

    def constvar(self, value) -> Var:
        var = self._const_of.get(id(value)) if type(value) is not Ref else None
        if var is None:
            if isinstance(value, Tracer) and not value._trace.alive:
                raise core.escaped_tracer_error(value)
            if type(value) is Ref:
                raise unpack_error(value)
            var = Var(aval_of(value))
            self._const_of[id(value)] = var
            self.constvars.append(var)
            self.consts.append(value)
        return var

    def process(self, primitive: Primitive, args, params) -> list:
        if primitive.splices:
            return self.splice(params["jaxpr"], args)
        if core.match_varying is not None:
            args = core.match_varying(self, primitive, args)
        invars = [x._var if type(x) is JaxprTracer and x._trace is self else self.atom(x) for x in args]
        avals = tuple([v.aval for v in invars])
        out_avals = abstract_eval(primitive, avals, params)
        effects = primitive.effects_of(*avals, **params) if primitive.has_effects else no_effects
        return self.emit(primitive, invars, out_avals, params, effects)

    def emit(self, primitive, invars, out_avals, params, effects=no_effects) -> list[JaxprTracer]:
        """Write one equation."""
        outvars = [Var(a) for a in out_avals]
        where = state.source
        eqn = Eqn(primitive, invars, outvars, params, effects,
                  source_info.current() if where is None else where or None, state.name_stack)
        if effects:
            self.effects |= effects
        self.eqns.append(eqn)
        return [JaxprTracer(self, v, eqn) for v in outvars]

    def splice(self, closed: ClosedJaxpr, args) -> list:
        """Write the equations of a finished program in place of a call to it."""
        jaxpr = closed.jaxpr
        env: dict[Var, Atom] = {}
        for var, value in zip(jaxpr.constvars, closed.consts):
            env[var] = self.atom(value)
        for var, value in zip(jaxpr.invars, args):
            env[var] = value._var if type(value) is JaxprTracer and value._trace is self else self.atom(value)
        where = source_info.current() if state.source is None else state.source or None
        scope = state.name_stack
        eqns = self.eqns
        made: dict[Var, Eqn] = {}
        for eqn in jaxpr.eqns:
            outvars: list[Var] = []
            for v in eqn.outvars:
                env[v] = new = Var(v.aval)
                outvars.append(new)
            invars = [v if type(v) is Literal else env[v] for v in eqn.invars]
            stack = f"{scope}/{eqn.name_stack}" if scope and eqn.name_stack else scope or eqn.name_stack
            new_eqn = Eqn(eqn.primitive, invars, outvars, eqn.params, eqn.effects, eqn.source or where, stack)
            eqns.append(new_eqn)
            for new in outvars:
                made[new] = new_eqn
        if jaxpr.effects:
            self.effects |= jaxpr.effects
        results = []
        for v in jaxpr.outvars:
            atom = v if type(v) is Literal else env[v]
            results.append(atom.val if type(atom) is Literal else JaxprTracer(self, atom, made.get(atom)))
        return results

    def custom_jvp(self, call, args) -> list:
        return call.stage(self, args)

    def custom_vjp(self, call, args) -> list:
        return call.stage(self, args)

    def finish(self, outs) -> ClosedJaxpr:
        """The program that computes ``outs``."""
        for i, x in enumerate(outs):
            if type(x) is Ref:
                raise returned_error(x, self, i)
        outvars = [self.atom(x) for x in outs]
        effects = join_effects(frozenset(self.effects)) if self.effects else no_effects
        jaxpr = Jaxpr(self.constvars, self.invars, outvars, self.eqns, effects, self.debug_info)
        return drop_unused_consts(jaxpr, self.consts)


def trace_to_jaxpr(fun, in_avals, debug_info: DebugInfo = DebugInfo()) -> ClosedJaxpr:
    """Trace a function of flat arguments to a closed jaxpr.

    Parameters
    ----------
    fun : callable taking one positional tracer per type, answering a list or tuple of flat results
    in_avals : sequence of ShapedArray
    debug_info : names for error messages and printing

    Returns
    -------
    ClosedJaxpr
        Its consts are arrays and, where ``fun`` closes over values of outer traces, tracers.
    """
    trace = JaxprTrace(debug_info, state.trace)
    try:
        with set_current_trace(trace):
            closed = trace.finish(fun(*[trace.new_input(aval) for aval in in_avals]))
    finally:
        trace.invalidate()
    check_leaks(trace)
    return closed


def make_jaxpr_of(fun, *args, debug_info: DebugInfo = DebugInfo()) -> ClosedJaxpr:
    """`trace_to_jaxpr` at the types of flat example arguments."""
    return trace_to_jaxpr(fun, [aval_of(x) for x in args], debug_info)


def hoist_consts(closed: ClosedJaxpr) -> tuple[ClosedJaxpr, list]:
    """Turn the constants into leading inputs; answers the program without constants and their values.

    Higher-order primitives pass all constants as operands, so that tracers among them are transformed.
    """
    if not closed.consts:
        return closed, []
    found = closed.cache.get("hoisted")
    if found is not None:
        return found
    jaxpr = closed.jaxpr
    debug = jaxpr.debug_info
    names = debug.arg_names
    if names is not None:
        debug = debug._replace(arg_names=("a closed-over value",) * len(closed.consts) + names)
    hoisted = Jaxpr([], [*jaxpr.constvars, *jaxpr.invars], jaxpr.outvars, jaxpr.eqns, jaxpr.effects, debug)
    found = closed.cache["hoisted"] = ClosedJaxpr(hoisted, []), closed.consts
    return found


def has_tracer_consts(closed: ClosedJaxpr) -> bool:
    """Whether the program closes over values, or references, of a running trace."""
    return any(isinstance(c, Tracer) or type(c) is Ref and not is_live(c) for c in closed.consts)
