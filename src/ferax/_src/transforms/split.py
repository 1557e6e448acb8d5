"""Partial evaluation: split a program into what can run now and what must wait.

Given which inputs are unknown, `split_jaxpr` cuts a program into a *known* program, that computes all
that depends on known inputs alone, and an *unknown* program, that takes the rest and the *residuals*
which the known part hands over. With tangents for the unknowns this turns a jvp into a linearisation;
with a policy it is rematerialisation, and `rematerialize_jaxpr` carries the policy into the programs that
equations hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferax._src.ir.dce import dce_jaxpr, drop_unused_consts, keeps_alive
from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var, join_effects
from ferax._src.runtime.transfer import MemoryKind, device_put_p
from ferax._src.tracing.core import remember


@dataclass(frozen=True)
class Split:
    """The two halves of a program.

    known : known inputs -> known outputs ++ extra residuals
    unknown : residuals ++ unknown inputs -> unknown outputs
    out_unknown : which outputs of the whole are computed by `unknown`
    residuals : where each residual comes from: ("in", i) the i-th known input, ("out", i) the i-th
        known output, ("extra", i) the i-th extra result of `known`; nothing is returned twice
    """

    known: ClosedJaxpr
    unknown: ClosedJaxpr
    out_unknown: tuple[bool, ...]
    residuals: tuple[tuple[str, int], ...]

    @property
    def n_known_out(self) -> int:
        return len(self.out_unknown) - sum(self.out_unknown)

    def gather(self, known_inputs, known_results) -> list:
        """The residuals, from the known program's arguments and results."""
        n = self.n_known_out
        sources = {"in": known_inputs, "out": known_results, "extra": known_results[n:]}
        return [sources[kind][i] for kind, i in self.residuals]


def split_jaxpr(closed: ClosedJaxpr, unknown_in, *, force_unknown_out=(), saveable=None) -> Split:
    """Split a program by which inputs are unknown; cached on it.

    Parameters
    ----------
    closed : ClosedJaxpr
    unknown_in : which inputs are unknown
    force_unknown_out : outputs to compute in the unknown half in any case
    saveable : callable (primitive, *avals, **params) -> bool, or None; where given, only results for
        which it is true may become residuals, everything else is computed again (rematerialisation). An
        answer with attributes ``src`` and ``dst`` keeps the result in the memory ``dst``

    Returns
    -------
    Split
    """
    key = ("split", tuple(unknown_in), tuple(force_unknown_out), saveable)
    found = closed.cache.get(key)
    if found is None:
        found = _Splitter(closed, unknown_in, force_unknown_out, saveable).split()
        remember(closed.cache, key, found)
    return found


@dataclass(frozen=True)
class Again:
    """A program that is run, and some of whose results are computed once more, later.

    first : inputs -> outputs ++ extra residuals
    again : residuals -> the outputs asked for, but those that are kept
    kept : for each output whether it was asked for and is itself what the policy keeps
    residuals : where each residual comes from: ("in", i), ("out", i) or ("extra", i)
    """

    first: ClosedJaxpr
    again: ClosedJaxpr
    kept: tuple[bool, ...]
    residuals: tuple[tuple[str, int], ...]

    @property
    def extra_avals(self) -> list:
        return self.first.out_avals[len(self.kept):]


def rematerialize_jaxpr(closed: ClosedJaxpr, needed, saveable) -> Again:
    """Split a program, all of whose inputs are known, into what runs now and what is done again; cached on it.

    Parameters
    ----------
    closed : ClosedJaxpr
    needed : one bool per output: whether it is asked for again
    saveable : as in `split_jaxpr`; says which values on the way are handed over

    Returns
    -------
    Again
    """
    key = ("again", tuple(needed), saveable)
    found = closed.cache.get(key)
    if found is None:
        found = _Splitter(closed, (), (), saveable).rematerialize(needed)
        remember(closed.cache, key, found)
    return found


class _Splitter:
    def __init__(self, closed, unknown_in, force_unknown_out, saveable):
        self.closed = closed
        self.jaxpr: Jaxpr = closed.jaxpr
        self.unknown_in = list(unknown_in)
        self.force = {i for i, f in enumerate(force_unknown_out) if f}
        self.saveable = saveable

    def split(self) -> Split:
        jaxpr = self.jaxpr
        unknown: set[Var] = {v for v, u in zip(jaxpr.invars, self.unknown_in, strict=True) if u}
        known_eqns: list[Eqn] = []
        unknown_eqns: list[Eqn] = []
        for eqn in jaxpr.eqns:
            mask = [type(v) is not Literal and v in unknown for v in eqn.invars]
            if not any(mask):
                known_eqns.append(eqn)
                continue
            rule = getattr(eqn.primitive, "partial_eval", None)
            if rule is None or all(mask):
                unknown_eqns.append(eqn)
                unknown.update(eqn.outvars)
            else:
                first, second, out_unknown = rule(eqn, mask)
                known_eqns += first
                unknown_eqns += second
                unknown.update(v for v, u in zip(eqn.outvars, out_unknown) if u)

        out_unknown = [type(v) is not Literal and v in unknown or i in self.force
                       for i, v in enumerate(jaxpr.outvars)]
        known_outs = [v for v, u in zip(jaxpr.outvars, out_unknown) if not u]
        unknown_outs = [v for v, u in zip(jaxpr.outvars, out_unknown) if u]
        known_ins = [v for v, u in zip(jaxpr.invars, self.unknown_in) if not u]
        unknown_ins = [v for v, u in zip(jaxpr.invars, self.unknown_in) if u]

        known_eqns, again, needed = self.recomputed(known_eqns, unknown_eqns, unknown_outs, unknown_ins)
        unknown_eqns = again + unknown_eqns
        return self.assemble(known_eqns, unknown_eqns, known_ins, unknown_ins, known_outs, unknown_outs,
                             out_unknown, needed)

    def rematerialize(self, needed_out) -> Again:
        """Split by what is asked for again, all inputs being known."""
        jaxpr, closed = self.jaxpr, self.closed
        asked = [v for v, n in zip(jaxpr.outvars, needed_out, strict=True) if n]
        eqns, again, needed = self.recomputed(jaxpr.eqns, [], asked, [])
        inputs = {v: i for i, v in enumerate(jaxpr.invars)}
        given = {*inputs, *jaxpr.constvars}
        kept = [n and type(v) is not Literal and v in needed and v not in given for v, n in zip(jaxpr.outvars, needed_out)]
        outvars = [v for v, n, k in zip(jaxpr.outvars, needed_out, kept) if n and not k]
        free = _free_vars(again, outvars)
        outputs = {v: i for i, v in enumerate(jaxpr.outvars) if type(v) is not Literal}
        residual_vars: list[Var] = []
        spec: list[tuple[str, int]] = []
        extra: list[Var] = []
        for v in [*jaxpr.invars, *(v for e in eqns for v in e.outvars)]:
            if v not in free:
                continue
            residual_vars.append(v)
            if v in inputs:
                spec.append(("in", inputs[v]))
            elif v in outputs:
                spec.append(("out", outputs[v]))
            else:
                spec.append(("extra", len(extra)))
                extra.append(v)
        debug = jaxpr.debug_info._replace(arg_names=None, result_paths=None)
        first = closed
        if extra or any(a is not b for a, b in zip(eqns, jaxpr.eqns)):
            first = ClosedJaxpr(jaxpr.replace(outvars=[*jaxpr.outvars, *extra], eqns=eqns, debug_info=debug), closed.consts)
        second = Jaxpr(jaxpr.constvars, residual_vars, outvars, again, join_effects(*(e.effects for e in again)), debug)
        second, _ = dce_jaxpr(second, [True] * len(outvars), instantiate=True)
        return Again(first, drop_unused_consts(second, closed.consts), tuple(kept), tuple(spec))

    def recomputed(self, known_eqns, unknown_eqns, unknown_outs, unknown_ins):
        """The known equations, those that the unknown half does again, and the values it then still needs.

        Done again is what depends on no input (the zeros, iotas and broadcast scalars of derivative
        rules), what is cheaper than its storage (`Primitive.recompute`), and, where a policy is given,
        all that the policy does not save. An equation that holds programs is asked, by its rule
        `rematerialize`, to split itself in two: the policy is about the operations in it. What has an
        effect happens once.
        """
        needed = _free_vars(unknown_eqns, unknown_outs)
        needed.difference_update(unknown_ins)
        varies: set[Var] = set(self.jaxpr.invars)
        for eqn in known_eqns:
            if any(v in varies for v in eqn.invars if type(v) is not Literal):
                varies.update(eqn.outvars)
        known: list[Eqn] = []                   # this and the next from the last to the first
        again: list[Eqn] = []

        def do_again(eqn):
            again.append(eqn)
            needed.difference_update(eqn.outvars)
            needed.update(v for v in eqn.invars if type(v) is not Literal)

        for eqn in reversed(known_eqns):
            wanted = [v in needed for v in eqn.outvars]
            if not any(wanted):
                known.append(eqn)
                continue
            rule = getattr(eqn.primitive, "rematerialize", None)
            if self.saveable is not None and rule is not None:
                first, second = rule(eqn, wanted, self.saveable)
                known += reversed(first)
                for e in reversed(second):
                    do_again(e)
                continue
            if keeps_alive(eqn):
                known.append(eqn)
                continue
            answer = self.saved(eqn, any(v in varies for v in eqn.outvars))
            if not answer:
                do_again(eqn)
            elif (dst := getattr(answer, "dst", None)) is not None:
                away = [Var(v.aval) for v in eqn.outvars]
                known += [_moved(eqn, v, w, dst) for v, w in zip(eqn.outvars, away)]
                for v, w in zip(eqn.outvars, away):
                    if v in needed:
                        do_again(_moved(eqn, w, v, answer.src))
            known.append(eqn)
        known.reverse()
        again.reverse()
        return known, again, needed

    def saved(self, eqn: Eqn, varies: bool):
        """Whether the results of an equation are kept, or where."""
        if self.saveable is not None:
            return self.saveable(eqn.primitive, *[v.aval for v in eqn.invars], **eqn.params)
        if not varies:
            return bool(eqn.effects)            # a use of an axis name stays where the name is bound
        if not eqn.primitive.recompute:
            return True
        grown = sum(v.aval.size for v in eqn.outvars)
        return grown <= sum(v.aval.size for v in eqn.invars)

    def assemble(self, known_eqns, unknown_eqns, known_ins, unknown_ins, known_outs, unknown_outs,
                 out_unknown, needed) -> Split:
        jaxpr, closed = self.jaxpr, self.closed
        consts = set(jaxpr.constvars)
        from_in = {v: i for i, v in enumerate(known_ins)}
        from_out = {v: i for i, v in enumerate(known_outs) if type(v) is not Literal}
        residual_vars: list[Var] = []
        spec: list[tuple[str, int]] = []
        extra: list[Var] = []
        ordered = [*known_ins, *(v for e in known_eqns for v in e.outvars)]
        for v in ordered:                       # in program order, so that the result is deterministic
            if v not in needed or v in consts:
                continue
            residual_vars.append(v)
            if v in from_in:
                spec.append(("in", from_in[v]))
            elif v in from_out:
                spec.append(("out", from_out[v]))
            else:
                spec.append(("extra", len(extra)))
                extra.append(v)
        debug = jaxpr.debug_info._replace(arg_names=None, result_paths=None)
        known_jaxpr = Jaxpr(jaxpr.constvars, known_ins, [*known_outs, *extra], known_eqns,
                            join_effects(*(e.effects for e in known_eqns)), debug)
        known_jaxpr, _ = dce_jaxpr(known_jaxpr, [True] * len(known_jaxpr.outvars), instantiate=True)
        unknown_jaxpr = Jaxpr(jaxpr.constvars, [*residual_vars, *unknown_ins], unknown_outs, unknown_eqns,
                              join_effects(*(e.effects for e in unknown_eqns)), debug)
        unknown_jaxpr, _ = dce_jaxpr(unknown_jaxpr, [True] * len(unknown_outs), instantiate=True)
        return Split(drop_unused_consts(known_jaxpr, closed.consts),
                     drop_unused_consts(unknown_jaxpr, closed.consts),
                     tuple(out_unknown), tuple(spec))


def _moved(eqn: Eqn, source: Var, target: Var, kind: str) -> Eqn:
    """An equation that puts a value into a kind of memory; it stands beside ``eqn``."""
    return Eqn(device_put_p, [source], [target], {"sharding": MemoryKind(kind)}, frozenset(), eqn.source, eqn.name_stack)


def _free_vars(eqns, outvars) -> set[Var]:
    """The variables that a list of equations and its results read but do not define."""
    free: set[Var] = {v for v in outvars if type(v) is not Literal}
    for eqn in reversed(eqns):
        free.difference_update(eqn.outvars)
        free.update(v for v in eqn.invars if type(v) is not Literal)
    return free
