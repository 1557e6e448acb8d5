"""Forward-mode differentiation: the jvp of a function at flat arguments.

`JVPTrace` carries (primal, tangent) pairs through a function. For each operation it looks up the jvp
program of (primitive, params, types, active operands), traced once from the primitive's rule, and
calls it on its parent. `jvp_jaxpr` does the same for a whole jaxpr, once.
"""

from __future__ import annotations

from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.ops.refs import read, write
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.tracing import core
from ferax._src.tracing.core import Primitive, Trace, Tracer, Zero, ascribe, remember, set_current_trace
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.tracing.leaks import check_leaks
from ferax._src.tracing.refs import Ref
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.transforms.program import call_program, rule_cache
from ferax._src.types.avals import aval_of
from ferax._src.util import config


class JVPTracer(Tracer):
    """A primal value with a tangent that may be nonzero."""

    __slots__ = ("primal", "tangent")

    def __init__(self, trace: JVPTrace, primal, tangent):
        self._trace = trace
        self.aval = aval_of(primal)
        self.primal = primal
        self.tangent = tangent

    def concrete_value(self):
        primal = self.primal
        return primal.concrete_value() if isinstance(primal, Tracer) else primal

    def _origin(self) -> str:
        return self.primal._origin() if isinstance(self.primal, Tracer) else ""


class JVPTrace(Trace):
    """Propagates tangents forward."""

    __slots__ = ()

    def process(self, primitive, args, params) -> list:
        if core.match_varying is not None:
            args = core.match_varying(self, primitive, args)
        primals, tangents, active = self.split(args)
        if not tangents:
            return self.parent.process(primitive, args, params)
        avals = tuple([aval_of(p) for p in primals])
        program, out_active = jvp_program(primitive, params, avals, active)
        results = call_program(self.parent, program, [*primals, *tangents])
        return self.pair(results, out_active)

    def refuses_write(self, value):
        if type(value) is JVPTracer and value._trace is self:
            return "with a differentiated value on a non-differentiated", "of the differentiated function"
        return None

    def split(self, args):
        """The primals, the tangents of the active operands, and which operands are active."""
        primals, tangents, active = [], [], []
        for x in args:
            if type(x) is JVPTracer and x._trace is self:
                primals.append(x.primal)
                tangents.append(x.tangent)
                active.append(True)
            else:
                primals.append(x)
                active.append(False)
        return primals, tangents, tuple(active)

    def pair(self, results, out_active) -> list:
        """Tracers from a jvp program's results: all primals, then the active tangents."""
        tangents = iter(results[len(out_active):])
        return [JVPTracer(self, primal, next(tangents)) if is_active else primal
                for primal, is_active in zip(results, out_active)]

    def custom_jvp(self, call, args) -> list:
        primals, tangents, active = self.split(args)
        with set_current_trace(self.parent):
            if not tangents:
                return self.parent.custom_jvp(call, args)
            it = iter(tangents)
            full = [next(it) if is_active else Zero.of(p) for p, is_active in zip(primals, active)]
            outs, out_tangents = call.jvp(primals, full)
        return [out if type(t) is Zero else JVPTracer(self, out, t) for out, t in zip(outs, out_tangents)]

    def custom_vjp(self, call, args) -> list:
        primals, tangents, active = self.split(args)
        with set_current_trace(self.parent):
            if not tangents:
                return self.parent.custom_vjp(call, args)
            it = iter(tangents)
            full = [next(it) if is_active else Zero.of(p) for p, is_active in zip(primals, active)]
            outs, out_tangents = call.jvp(primals, full, active)
        return [out if type(t) is Zero else JVPTracer(self, out, t) for out, t in zip(outs, out_tangents)]


def jvp_program(primitive: Primitive, params, avals: tuple, active: tuple) -> tuple[ClosedJaxpr, tuple]:
    """The jvp of one operation as a program.

    Parameters
    ----------
    primitive, params : the operation
    avals : types of its operands
    active : which operands have a tangent

    Returns
    -------
    program : primals ++ active tangents -> results ++ active result tangents
    out_active : which results have a tangent
    """
    if primitive.splices:
        return jvp_jaxpr(params["jaxpr"], active)
    cache = rule_cache(primitive, params)
    key = ("jvp", primitive, tuple(params.items()), avals, active, config.enable_x64.value)
    found = cache.get(key)
    if found is None:
        found = _trace_jvp_rule(primitive, params, avals, active)
        remember(cache, key, found)
    return found


def _trace_jvp_rule(primitive, params, avals, active):
    n = len(avals)
    out_active: tuple = ()

    def rule(*flat):
        nonlocal out_active
        primals, given = flat[:n], iter(flat[n:])
        tangents = [next(given) if is_active else Zero.of(aval) for is_active, aval in zip(active, avals)]
        outs, out_tangents = primitive.jvp(list(primals), tangents, **params)
        out_active = tuple([type(t) is not Zero for t in out_tangents])
        return [*outs, *(t for t in out_tangents if type(t) is not Zero)]

    tangent_avals = [aval.to_tangent_aval() for aval, is_active in zip(avals, active) if is_active]
    with ascribe(False):
        program = trace_to_jaxpr(rule, [*avals, *tangent_avals])
    return program, out_active


def jvp_jaxpr(closed: ClosedJaxpr, active, instantiate=False) -> tuple[ClosedJaxpr, tuple]:
    """The jvp of a program as a program, cached on it.

    Parameters
    ----------
    closed : ClosedJaxpr
    active : which inputs have a tangent
    instantiate : bool, or one per output: outputs that get a tangent even if it is zero

    Returns
    -------
    program : primals ++ active tangents -> outputs ++ active output tangents
    out_active : which outputs have a tangent
    """
    active = tuple(active)
    if not isinstance(instantiate, bool):
        instantiate = tuple(instantiate)
    key = ("jvp", active, instantiate)
    found = closed.cache.get(key)
    if found is not None:
        return found
    n = len(closed.jaxpr.invars)
    force = [instantiate] * len(closed.jaxpr.outvars) if isinstance(instantiate, bool) else instantiate
    out_active: tuple = ()

    def run(*flat):
        nonlocal out_active
        given = iter(flat[n:])
        tangents = [next(given) if is_active else None for is_active in active]
        outs, out_tangents = jvp_flat(lambda *xs: eval_closed(closed, *xs), flat[:n], tangents)
        out_tangents = [instantiate_zeros(t) if must else t for t, must in zip(out_tangents, force)]
        out_active = tuple([type(t) is not Zero for t in out_tangents])
        return [*outs, *(t for t in out_tangents if type(t) is not Zero)]

    in_avals = closed.in_avals
    tangent_avals = [aval.to_tangent_aval() for aval, is_active in zip(in_avals, active) if is_active]
    program = trace_to_jaxpr(run, [*in_avals, *tangent_avals], closed.debug_info._replace(arg_names=None))
    found = closed.cache[key] = program, out_active
    return found


def jvp_flat(fun, primals, tangents) -> tuple[list, list]:
    """Evaluate a flat function and its directional derivative.

    Parameters
    ----------
    fun : callable on flat arguments, answering a list
    primals : flat values
    tangents : one per primal; None or `Zero` where it is zero

    Returns
    -------
    outs, out_tangents : lists; a tangent known to be zero is a `Zero`
    """
    trace = JVPTrace(core.current_trace())
    try:
        with set_current_trace(trace):
            results = fun(*[p if t is None or type(t) is Zero else JVPTracer(trace, p, t) if type(p) is not Ref else
                            Ref(p.aval, trace, PairCell(p, t))
                            for p, t in zip(primals, tangents)])
    finally:
        trace.invalidate()
    outs, out_tangents = [], []
    for x in results:
        if type(x) is JVPTracer and x._trace is trace:
            outs.append(x.primal)
            out_tangents.append(x.tangent)
        else:
            outs.append(x)
            out_tangents.append(Zero.of(x))
    x = results = None
    check_leaks(trace)
    return outs, out_tangents


class PairCell:
    """A reference that is differentiated: one outer reference for the values, one for their tangents."""

    __slots__ = ("primal", "tangent")

    def __init__(self, primal: Ref, tangent: Ref):
        self.primal = primal
        self.tangent = tangent

    def read(self, trace: JVPTrace):
        return JVPTracer(trace, read(self.primal, trace.parent), read(self.tangent, trace.parent))

    def write(self, trace: JVPTrace, value) -> None:
        tangent = Zero.of(value)
        if type(value) is JVPTracer and value._trace is trace:
            value, tangent = value.primal, value.tangent
        with set_current_trace(trace.parent):
            write(self.primal, value)
            write(self.tangent, instantiate_zeros(tangent))
