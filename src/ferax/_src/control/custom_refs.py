"""Functions with derivative rules of their own that take array references.

A ``bwd`` rule of a `custom_vjp` may write to a reference that the function was given, to let a gradient be seen. The
function itself leaves it alone; what the rule does happens in the backward pass, and it must then find the reference.

* In a jaxpr the reference is an operand of the call, and of the calls around it; the effect `PassEffect` says so. A ``jit``
  under differentiation is evaluated in place, so that the rule gets the reference itself.
* A loop or branch under reverse mode cannot be evaluated so. There the reference is *carried*: a value stands for it whose
  cotangent is what the reference holds in the backward pass. The loop carries it along, each call hands it on unchanged, and
  the call's ``bwd`` makes of its cotangent after the call (what the reference holds before, going backward) that before
  the call. `Closing`, behind the loop, reads the reference in the backward pass, and `Opening`, before it, writes it.
* Anywhere else the call is one that cannot be differentiated.
"""

from __future__ import annotations

from ferax._src.control.tracing_utils import with_outputs
from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.ops.refs import ProgramCaller, discharged, handed_to_rules, has_refs, is_variable, read, values_of, write
from ferax._src.ops.zeros import accumulate, instantiate_zeros
from ferax._src.tracing.core import Zero, abstract_eval, eval_trace, is_active_dtype, state
from ferax._src.tracing.refs import CarrierCell, DeadCell, Ref, ValueCell
from ferax._src.tracing.staging import JaxprTrace
from ferax._src.transforms.linearize import LinearizeTrace, LinearizeTracer
from ferax._src.types.avals import aval_of
from ferax._src.types.refs import AbstractRef, PassEffect, ReadEffect, RefEffect, passed_vars, written_vars


# --- calls of functions with rules ----------------------------------------------------------------

def write_call(trace, primitive, operands, params) -> list:
    """Write a call into a jaxpr."""
    if has_refs(operands):
        return write_call_with_refs(trace, primitive, operands, params)
    return trace.process(primitive, operands, params)


def write_call_with_refs(trace, primitive, operands, params) -> list:
    """Write a call that takes references into a jaxpr."""
    closed = params["call_jaxpr"]
    if written_vars(closed.effects):
        raise NotImplementedError(
            f"{primitive.name}: `{closed.debug_info.func_name}`, which has a derivative rule of its own, writes to an array reference "
            "in a function that is traced. Let its rules write, or the function around it.")
    refs = [(i, x) for i, x in enumerate(operands) if type(x) is Ref]
    if primitive.rules_take_refs and all(is_variable(x, trace) for _, x in refs):
        invars = [trace.ref_var(x) if type(x) is Ref else trace.atom(x) for x in operands]
        effects = {e for e in closed.effects if not isinstance(e, RefEffect)}
        effects |= {kind(invars[i]) for i, _ in refs for kind in (PassEffect, ReadEffect)}
        return trace.emit(primitive, invars, closed.out_avals, params, frozenset(effects))
    program, _ = discharged(closed)
    n_consts = params["num_consts"]
    if primitive.rules_take_refs and all(type(x._cell) is CarrierCell and i >= n_consts for i, x in refs):
        rules = CarriedRules(params[primitive.rules_param], tuple([i - n_consts for i, _ in refs]), primitive.jvp_of)
        m = len(closed.jaxpr.outvars)
        outs = trace.process(primitive, values_of(operands),
                             {**params, "call_jaxpr": answering_inputs(program, tuple([i for i, _ in refs])), primitive.rules_param: rules})
        for (_, x), value in zip(refs, outs[m:]):
            write(x, value)
        return outs[:m]
    rules = RulesWithRefs(primitive.name, closed.debug_info.func_name)
    return trace.process(primitive, values_of(operands), {**params, "call_jaxpr": program, primitive.rules_param: rules})


def answering_inputs(closed: ClosedJaxpr, numbers: tuple) -> ClosedJaxpr:
    """The program that answers, after its results, some of its inputs."""
    key = "answering inputs", numbers
    found = closed.cache.get(key)
    if found is None:
        jaxpr = closed.jaxpr
        found = closed.cache[key] = with_outputs(closed, [*jaxpr.outvars, *(jaxpr.invars[i] for i in numbers)])
    return found


class RulesWithRefs:
    """In place of the rules of a function that cannot be differentiated where it is, for the references it takes."""

    __slots__ = ("primitive", "name")

    def __init__(self, primitive: str, name: str):
        self.primitive = primitive
        self.name = name

    def _refuse(self, *args):
        raise TypeError(f"{self.primitive}: `{self.name}` takes array references and has a derivative rule of its own. It cannot be "
                        "differentiated here, inside of a loop, branch, vmap or jit for a reference that is not an argument of it of "
                        "floating dtype from outside of the differentiated function: the rule would need the reference later.")

    fun = jvp = forward = linear = _refuse

    def __repr__(self) -> str:
        return f"<no rules for {self.name}>"


class CarriedRules:
    """The rules of a call whose references, the arguments at ``positions``, are carried. They are results of it, too.

    ``jvp_of`` is how rules with ``forward`` and ``linear`` are applied where a call in a jaxpr is differentiated.
    """

    __slots__ = ("inner", "positions", "jvp_of", "linears")

    def __init__(self, inner, positions: tuple[int, ...], jvp_of):
        self.inner = inner
        self.positions = positions
        self.jvp_of = jvp_of
        self.linears: dict = {}

    def forward(self, primals, active) -> tuple[list, list]:
        refs = {i: Ref(AbstractRef(aval_of(primals[i])), state.trace, ValueCell(primals[i])) for i in self.positions}
        inner_active = tuple([a and i not in refs for i, a in enumerate(active)])
        outs, residuals = self.inner.forward([refs.get(i, x) for i, x in enumerate(primals)], inner_active)
        for ref in refs.values():
            let_go(ref)
        self.linears[tuple(active)] = CarriedLinear(self.inner.linear(residuals, inner_active), refs, tuple(active))
        return [*outs, *(primals[i] for i in self.positions)], residuals

    def linear(self, residuals, active):
        return self.linears[tuple(active)]

    def jvp(self, primals, tangents, active):
        return self.jvp_of(self, primals, tangents, active)

    def __repr__(self) -> str:
        return repr(self.inner)


class CarriedLinear:
    """The linear map of such a call: ``bwd``, run on references that hold the cotangents of the carried values."""

    __slots__ = ("inner", "refs", "active")

    def __init__(self, inner, refs: dict[int, Ref], active: tuple):
        self.inner = inner
        self.refs = refs
        self.active = active

    def apply(self, residuals, tangents):
        return self.inner.apply(residuals, tangents)

    def transpose(self, residuals, cts, accumulators) -> list:
        n = len(cts) - len(self.refs)
        for ref, ct in zip(self.refs.values(), cts[n:]):
            zero = ct is None or type(ct) is Zero
            ref._trace, ref._cell = state.trace, ValueCell(instantiate_zeros(Zero(ref.aval.inner_aval)) if zero else ct)
        positions = [i for i, a in enumerate(self.active) if a]
        given = dict(zip(positions, accumulators, strict=True))
        others = [i for i in positions if i not in self.refs]
        found = dict(zip(others, self.inner.transpose(residuals, cts[:n], [given[i] for i in others]), strict=True))
        for i, ref in self.refs.items():
            ct = read(ref)
            let_go(ref)
            found[i] = ct if given.get(i) is None else accumulate(given[i], ct)
        return [found[i] for i in positions]


def let_go(ref: Ref) -> None:
    """Take the value from a reference that a rule keeps, so that it holds no tracer when its trace ends."""
    ref._trace, ref._cell = eval_trace, DeadCell("used outside of the derivative rule that it was given to")


# --- loops and branches around them ---------------------------------------------------------------

class RefCarrier(ProgramCaller):
    """A primitive that holds jaxprs in which references are handed to derivative rules.

    ``programs(params)`` names the programs, each of which takes the last operands.
    """

    def programs(self, params) -> list[ClosedJaxpr]:
        return [params["jaxpr"]]

    def bind(self, *args, **params) -> list:
        for x in args:
            if type(x) is Ref:
                if any(handed_to_rules(p.effects) for p in self.programs(params)):
                    return self.bind_handed(args, params)
                return self.bind_refs(args, **params)
        return state.trace.process(self, args, params)

    def bind_handed(self, args, params) -> list:
        trace, programs = state.trace, self.programs(params)
        refs = [x for x in args if type(x) is Ref]
        if isinstance(trace, JaxprTrace):
            if all(is_variable(x, trace) for x in refs):
                return self.stage_refs(trace, args, params, programs)
            return self.bind_refs(args, carry=any(type(x._cell) is CarrierCell for x in refs), **params)
        if not isinstance(trace, LinearizeTrace):
            return self.bind_refs(args, **params)
        handed = dict.fromkeys(self.operands_of(passed_vars, args, programs))
        changed = set(self.operands_of(written_vars, args, programs))
        if any(ref in changed or not is_active_dtype(ref.dtype) for ref in handed):
            return self.bind_refs(args, **params)
        carriers = {ref: Ref(ref.aval, trace, CarrierCell(opened(trace, ref))) for ref in handed}
        outs = self.bind_refs([carriers.get(x, x) if type(x) is Ref else x for x in args], carry=True, **params)
        return closed_over(trace, outs, [(ref, read(carrier)) for ref, carrier in carriers.items()])

    def operands_of(self, variables, args, programs) -> list[Ref]:
        """The references for those inputs of the programs that ``variables`` tells from their effects."""
        found = []
        for p in programs:
            chosen = variables(p.jaxpr.effects)
            operands = args[len(args) - len(p.jaxpr.invars):]
            found += [x for v, x in zip(p.jaxpr.invars, operands) if v in chosen]
        return found

    def stage_refs(self, trace: JaxprTrace, args, params, programs) -> list:
        """Write the equation with references among its operands."""
        invars = [trace.ref_var(x) if type(x) is Ref else trace.atom(x) for x in args]
        effects = set()
        for p in programs:
            outer = dict(zip(p.jaxpr.invars, invars[len(invars) - len(p.jaxpr.invars):]))
            effects |= {type(e)(outer[e.var]) if isinstance(e, RefEffect) else e for e in p.jaxpr.effects}
        out_avals = abstract_eval(self, tuple([v.aval for v in invars]), params)
        return trace.emit(self, invars, out_avals, params, frozenset(effects))


def opened(trace: LinearizeTrace, ref: Ref):
    """A carried value for a reference: in the backward pass its cotangent is written to the reference."""
    return trace.record(Opening(ref), [], [], [read(ref)], (True,))[0]


def closed_over(trace: LinearizeTrace, outs, ends) -> list:
    """Results of a loop, such that in the backward pass the cotangents of carried values are read from their references.

    Parameters
    ----------
    outs : results
    ends : pairs (reference, carried value at the end)
    """
    ends = [(ref, z) for ref, z in ends if type(z) is LinearizeTracer and z._trace is trace]
    active = [type(x) is LinearizeTracer and x._trace is trace for x in outs]
    if not ends or not any(active):
        return outs
    tracers = [x for x, a in zip(outs, active) if a]
    avals = [aval_of(z).to_tangent_aval() for _, z in ends] + [aval_of(x).to_tangent_aval() for x in tracers]
    linear = Closing([ref for ref, _ in ends], avals)
    given = iter(trace.record(linear, [], [*(z.id for _, z in ends), *(x.id for x in tracers)], [x.primal for x in tracers],
                              (True,) * len(tracers)))
    return [next(given) if a else x for x, a in zip(outs, active)]


class Opening:
    """No tangents to that of a carried value: zero. Backward: its cotangent is written to the reference."""

    __slots__ = ("ref",)
    in_avals: tuple = ()

    def __init__(self, ref: Ref):
        self.ref = ref

    def apply(self, residuals, tangents) -> list:
        return [instantiate_zeros(Zero(self.ref.aval.inner_aval))]

    def transpose(self, residuals, cts, accumulators) -> list:
        if cts[0] is not None:
            write(self.ref, cts[0])
        return []


class Closing:
    """Tangents of carried values and results to those of the results. Backward: the cotangents of the former are read."""

    __slots__ = ("refs", "in_avals")

    def __init__(self, refs: list[Ref], in_avals: list):
        self.refs = refs
        self.in_avals = in_avals

    def apply(self, residuals, tangents) -> list:
        return list(tangents[len(self.refs):])

    def transpose(self, residuals, cts, accumulators) -> list:
        found = [*map(read, self.refs), *cts]
        return [ct if acc is None else acc if ct is None else accumulate(acc, ct) for ct, acc in zip(found, accumulators, strict=True)]
