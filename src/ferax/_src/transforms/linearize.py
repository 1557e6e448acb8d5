"""Linearisation and reverse mode.

`LinearizeTrace` runs a function forward and writes a *tape*. For each operation with active operands it
looks up its linearisation, a pair of programs cached by (primitive, params, types, active operands):

* *forward*: primals -> results, residuals;
* *linear*: residuals, tangents -> tangents of the results.

It runs the forward program on its parent and puts (linear program, residuals) on the tape. Pushing
tangents through the tape in order is the linearised function; pulling cotangents through it in reverse,
with the cached transposes of the linear programs, is reverse mode. Un-jitted, each operation costs one
compiled call forward and one back; under `jit` the same programs are written into the jaxpr.
"""

from __future__ import annotations

from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.ops.zeros import accumulate, instantiate_zeros
from ferax._src.tracing import core
from ferax._src.tracing.core import Primitive, Trace, Tracer, Zero, ascribe, remember, set_current_trace, state
from ferax._src.tracing.leaks import check_leaks
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.transforms.jvp import jvp_program
from ferax._src.transforms.program import call_program, rule_cache
from ferax._src.transforms.split import Split, split_jaxpr
from ferax._src.transforms.transpose import transpose_jaxpr
from ferax._src.types.avals import aval_of
from ferax._src.util import config
from ferax._src.util import source as source_info


class LinearProgram:
    """A program that is linear in its last inputs: residuals ++ tangents -> tangents."""

    __slots__ = ("closed", "n_residuals", "mask")

    def __init__(self, closed: ClosedJaxpr, n_residuals: int):
        self.closed = closed
        self.n_residuals = n_residuals
        self.mask = (False,) * n_residuals + (True,) * (len(closed.jaxpr.invars) - n_residuals)

    @property
    def in_avals(self) -> list:
        return self.closed.in_avals[self.n_residuals:]

    def apply(self, residuals, tangents) -> list:
        """Tangents through; a `Zero` among them is made an array."""
        return call_program(state.trace, self.closed, [*residuals, *map(instantiate_zeros, tangents)])

    def transpose(self, residuals, cts, accumulators) -> list:
        """Cotangents back, added to the accumulators. None stands for zero in all three lists."""
        program, in_active = transpose_jaxpr(
            self.closed, self.mask, tuple([ct is not None for ct in cts]),
            tuple([acc is not None for acc in accumulators]))
        operands = [*residuals, *[ct for ct in cts if ct is not None],
                    *[acc for acc in accumulators if acc is not None]]
        results = iter(call_program(state.trace, program, operands))
        return [next(results) if is_active else None for is_active in in_active]


class Linearization:
    """The cached linearisation of one operation."""

    __slots__ = ("split", "linear", "n_out", "out_active")

    def __init__(self, split: Split, n_out: int, out_active: tuple):
        self.split = split
        self.linear = LinearProgram(split.unknown, len(split.residuals))
        self.n_out = n_out
        self.out_active = out_active            # which results have a tangent


def linearize_program(primitive: Primitive, params, avals: tuple, active: tuple) -> Linearization:
    """The linearisation of one operation: its jvp, split by what depends on tangents."""
    cache = rule_cache(primitive, params)
    key = ("linearize", primitive, tuple(params.items()), avals, active, config.enable_x64.value)
    found = cache.get(key)
    if found is None:
        program, jvp_active = jvp_program(primitive, params, avals, active)
        found = split_jvp(program, jvp_active, len(avals))
        remember(cache, key, found)
    return found


def split_jvp(program: ClosedJaxpr, jvp_active, n_in: int) -> Linearization:
    """Split a jvp program into forward and linear parts.

    A tangent of a result that depends on no tangent is zero, by linearity, and dropped.
    """
    n_out = len(jvp_active)
    n_tangents = len(program.jaxpr.invars) - n_in
    split = split_jaxpr(program, [False] * n_in + [True] * n_tangents)
    if any(split.out_unknown[:n_out]):
        raise AssertionError("ferax: a result of a jvp rule depends on its tangents; the rule is at fault")
    tangent_unknown = iter(split.out_unknown[n_out:])
    out_active = tuple([bool(is_active) and next(tangent_unknown) for is_active in jvp_active])
    return Linearization(split, n_out, out_active)


class TapeEntry:
    """One linear step: values are numbered, ``outs = linear(residuals, ins)``."""

    __slots__ = ("linear", "residuals", "ins", "outs", "source")

    def __init__(self, linear, residuals, ins, outs, source):
        self.linear = linear
        self.residuals = residuals
        self.ins: list[int] = ins
        self.outs: list[int] = outs
        self.source = source


class Tape:
    """The linear steps of a function, in order. Tangents are numbered from 0; the inputs come first."""

    __slots__ = ("entries", "count", "avals")

    def __init__(self, in_avals):
        self.entries: list[TapeEntry] = []
        self.avals = list(in_avals)             # tangent type of each number
        self.count = len(self.avals)

    def record(self, linear, residuals, ins, out_avals) -> list[int]:
        first = self.count
        self.count = end = first + len(out_avals)
        self.avals += out_avals
        outs = list(range(first, end))
        where = state.source
        self.entries.append(TapeEntry(
            linear, residuals, ins, outs, source_info.current() if where is None else where or None))
        return outs

    def push(self, tangents, out_ids) -> list:
        """Tangents of the inputs (None or `Zero` for zero) to those of ``out_ids`` (None for zero ids)."""
        values: dict[int, object] = {
            i: t for i, t in enumerate(tangents) if t is not None and type(t) is not Zero}
        for entry in self.entries:
            if not any(i in values for i in entry.ins):
                continue
            operands = [values[i] if i in values else Zero(self.avals[i]) for i in entry.ins]
            with _ascribed(entry):
                values.update(zip(entry.outs, entry.linear.apply(entry.residuals, operands)))
        return [None if i is None else values.get(i) for i in out_ids]

    def pull(self, out_ids, cts, n_in: int, free=False) -> list:
        """Cotangents of ``out_ids`` to those of the first ``n_in`` numbers; None stands for zero.

        With ``free`` the residuals are let go as soon as they are used; the tape cannot be used again.
        """
        values: dict[int, object] = {}
        for i, ct in zip(out_ids, cts):
            if i is not None and ct is not None and type(ct) is not Zero:
                values[i] = accumulate(values[i], ct) if i in values else ct
        entries = self.entries
        outer = state.source
        try:
            for entry in reversed(entries):
                out_cts = [values.pop(i, None) for i in entry.outs]
                if any([ct is not None for ct in out_cts]):
                    if outer is None:
                        state.source = entry.source
                    ins = entry.ins
                    if len(ins) == 1 or len(set(ins)) == len(ins):
                        in_cts = entry.linear.transpose(
                            entry.residuals, out_cts, [values.pop(i, None) for i in ins])
                        for i, ct in zip(ins, in_cts):
                            if ct is not None:
                                values[i] = ct
                    else:                       # an operand given twice: its two cotangents add up
                        in_cts = entry.linear.transpose(entry.residuals, out_cts, [None] * len(ins))
                        for i, ct in zip(ins, in_cts):
                            if ct is not None:
                                values[i] = accumulate(values[i], ct) if i in values else ct
                if free:
                    entry.residuals = None
        finally:
            state.source = outer
        return [values.get(i) for i in range(n_in)]


def _ascribed(entry: TapeEntry) -> ascribe:
    return ascribe(entry.source if state.source is None else state.source)


class LinearizeTracer(Tracer):
    """A primal value whose tangent is number ``id`` of the tape."""

    __slots__ = ("primal", "id")

    def __init__(self, trace: LinearizeTrace, primal, id: int):
        self._trace = trace
        self.aval = primal.aval if isinstance(primal, core.Array) else aval_of(primal)
        self.primal = primal
        self.id = id

    def concrete_value(self):
        primal = self.primal
        return primal.concrete_value() if isinstance(primal, Tracer) else primal

    def _origin(self) -> str:
        return self.primal._origin() if isinstance(self.primal, Tracer) else ""


class LinearizeTrace(Trace):
    """Runs forward on the parent, and writes the tape."""

    __slots__ = ("tape",)

    def __init__(self, parent: Trace, tape: Tape):
        super().__init__(parent)
        self.tape = tape

    def process(self, primitive, args, params) -> list:
        if core.match_varying is not None:
            args = core.match_varying(self, primitive, args)
        primals, ins, active = self.split(args)
        if not ins:
            return self.parent.process(primitive, args, params)
        avals = tuple([p.aval if isinstance(p, core.Array) else aval_of(p) for p in primals])
        lin = linearize_program(primitive, params, avals, active)
        split = lin.split
        results = call_program(self.parent, split.known, primals)
        if True not in lin.out_active:
            return results[:lin.n_out]
        residuals = split.gather(primals, results)
        return self.record(lin.linear, residuals, ins, results, lin.out_active)

    def refuses_write(self, value):
        if type(value) is LinearizeTracer and value._trace is self:
            return "with a differentiated value on a non-differentiated", "of the differentiated function"
        return None

    def record(self, linear, residuals, ins, results, out_active) -> list:
        """Put a step on the tape; answers the results, as tracers where they are active."""
        out_avals = [aval_of(r).to_tangent_aval() for r, is_active in zip(results, out_active) if is_active]
        ids = iter(self.tape.record(linear, residuals, ins, out_avals))
        return [LinearizeTracer(self, result, next(ids)) if is_active else result
                for result, is_active in zip(results, out_active)]

    def split(self, args):
        """The primals, the tape numbers of the active operands, and which operands are active."""
        primals, ins, active = [], [], []
        for x in args:
            if type(x) is LinearizeTracer and x._trace is self:
                primals.append(x.primal)
                ins.append(x.id)
                active.append(True)
            else:
                primals.append(x)
                active.append(False)
        return primals, ins, tuple(active)

    def custom_jvp(self, call, args) -> list:
        primals, ins, active = self.split(args)
        if not ins:
            with set_current_trace(self.parent):
                return self.parent.custom_jvp(call, args)
        tangent_trace = TangentTrace(self.parent, self.tape)
        with set_current_trace(tangent_trace):
            outs, out_tangents = call.jvp(primals, self.tangents(tangent_trace, primals, ins, active))
        return self.collect(tangent_trace, outs, out_tangents)

    def custom_vjp(self, call, args) -> list:
        primals, ins, active = self.split(args)
        if not ins:
            with set_current_trace(self.parent):
                return self.parent.custom_vjp(call, args)
        with set_current_trace(self.parent):
            outs, residuals = call.forward(primals, active)
        linear = call.linear(residuals, active)
        out_active = tuple([core.is_active_dtype(aval_of(x).dtype) for x in outs])
        if True not in out_active:
            return outs
        outs = [x if isinstance(x, core.Array) else _as_array(self.parent, x) for x in outs]
        return self.record(linear, residuals, ins, outs, out_active)

    def tangents(self, trace, primals, ins, active) -> list:
        ids = iter(ins)
        return [TangentTracer(trace, aval_of(p).to_tangent_aval(), next(ids)) if is_active else Zero.of(p)
                for p, is_active in zip(primals, active)]

    def collect(self, tangent_trace, outs, out_tangents) -> list:
        """Tracers for results whose tangents a rule has put on the tape."""
        results = []
        for out, t in zip(outs, out_tangents):
            if type(t) is TangentTracer and t._trace is tangent_trace:
                results.append(LinearizeTracer(self, out, t.id))
            else:                               # depends on no tangent: zero, by linearity
                results.append(out)
        tangent_trace.invalidate()
        return results


def _as_array(trace: Trace, x):
    """A Python scalar or NumPy array as an array of ``trace``."""
    from ferax._src.ops.convert import as_array  # lazy: only for custom rules that answer plain numbers
    with set_current_trace(trace):
        return as_array(x)


class TangentTracer(Tracer):
    """A tangent: number ``id`` of the tape. It has no value yet."""

    __slots__ = ("id",)

    def __init__(self, trace, aval, id: int):
        self._trace = trace
        self.aval = aval
        self.id = id


class TangentTrace(Trace):
    """Runs a user's derivative rule: what depends on tangents goes on the tape, the rest is run."""

    __slots__ = ("tape",)

    def __init__(self, parent: Trace, tape: Tape):
        super().__init__(parent)
        self.tape = tape

    def process(self, primitive, args, params) -> list:
        if core.match_varying is not None:
            args = core.match_varying(self, primitive, args)
        known, ins, unknown = self.split(args)
        if not ins:
            return self.parent.process(primitive, args, params)
        avals = tuple([aval_of(x) for x in args])
        split = tangent_split(primitive, params, avals, unknown)
        results = call_program(self.parent, split.known, known)
        residuals = split.gather(known, results)
        linear = LinearProgram(split.unknown, len(split.residuals))
        ids = iter(self.tape.record(linear, residuals, ins, split.unknown.out_avals))
        avals_of = iter(split.unknown.out_avals)
        values = iter(results)
        return [TangentTracer(self, next(avals_of), next(ids)) if u else next(values)
                for u in split.out_unknown]

    def split(self, args):
        known, ins, unknown = [], [], []
        for x in args:
            if type(x) is TangentTracer and x._trace is self:
                ins.append(x.id)
                unknown.append(True)
            else:
                known.append(x)
                unknown.append(False)
        return known, ins, tuple(unknown)

    def custom_jvp(self, call, args) -> list:
        _, ins, _ = self.split(args)
        if ins:                                 # applied to a tangent, so linear already: no rule is needed
            return call.fun(*args)
        with set_current_trace(self.parent):    # its own rule counts for the derivative of this one
            return self.parent.custom_jvp(call, args)

    def custom_vjp(self, call, args) -> list:
        _, ins, _ = self.split(args)
        if ins:
            return call.fun(*args)
        with set_current_trace(self.parent):
            return self.parent.custom_vjp(call, args)


def tangent_split(primitive: Primitive, params, avals: tuple, unknown: tuple) -> Split:
    """One operation split by which operands are tangents, cached."""
    if primitive.splices:
        return split_jaxpr(params["jaxpr"], unknown)
    cache = rule_cache(primitive, params)
    key = ("split", primitive, tuple(params.items()), avals, unknown, config.enable_x64.value)
    found = cache.get(key)
    if found is None:
        with ascribe(False):
            closed = trace_to_jaxpr(lambda *xs: primitive.bind(*xs, **params), avals)
        found = split_jaxpr(closed, unknown)
        remember(cache, key, found)
    return found


def linearize_flat(fun, primals, active):
    """Run a flat function forward and write its tape.

    Parameters
    ----------
    fun : callable on flat arguments, answering a list
    primals : flat values
    active : which of them are differentiated

    Returns
    -------
    outs : list of results
    out_ids : their numbers on the tape; None where the tangent is zero
    tape : Tape; its first numbers are the active inputs
    """
    tape = Tape([aval_of(p).to_tangent_aval() for p, is_active in zip(primals, active) if is_active])
    trace = LinearizeTrace(state.trace, tape)
    ids = iter(range(tape.count))
    try:
        with set_current_trace(trace):
            results = fun(*[LinearizeTracer(trace, p, next(ids)) if is_active else p
                            for p, is_active in zip(primals, active)])
    finally:
        trace.invalidate()
    outs, out_ids = [], []
    for x in results:
        if type(x) is LinearizeTracer and x._trace is trace:
            outs.append(x.primal)
            out_ids.append(x.id)
        else:
            outs.append(x)
            out_ids.append(None)
    x = results = None
    check_leaks(trace)
    return outs, out_ids, tape
