"""Partial evaluation: split a program into what can run now and what must wait.

Given which inputs are unknown, `split_jaxpr` cuts a program into a *known* program, that computes all
that depends on known inputs alone, and an *unknown* program, that takes the rest and the *residuals*
which the known part hands over. With tangents for the unknowns this turns a jvp into a linearisation;
with a policy it is rematerialisation.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferax._src.ir.dce import dce_jaxpr, drop_unused_consts
from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var, join_effects
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
    saveable : callable (primitive, *avals, **params) -> bool or None; where given, only results for
        which it is true may become residuals, everything else is computed again (rematerialisation)

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

        again, needed = self.recomputed(known_eqns, unknown_eqns, unknown_outs, unknown_ins)
        unknown_eqns = again + unknown_eqns
        return self.assemble(known_eqns, unknown_eqns, known_ins, unknown_ins, known_outs, unknown_outs,
                             out_unknown, needed)

    def recomputed(self, known_eqns, unknown_eqns, unknown_outs, unknown_ins):
        """The known equations that the unknown half does again, and the values it then still needs.

        Done again is what depends on no input (the zeros, iotas and broadcast scalars of derivative
        rules), what is cheaper than its storage (`Primitive.recompute`), and, where a policy is given,
        all that the policy does not save.
        """
        needed = _free_vars(unknown_eqns, unknown_outs)
        needed.difference_update(unknown_ins)
        varies: set[Var] = set(self.jaxpr.invars)
        for eqn in known_eqns:
            if any(v in varies for v in eqn.invars if type(v) is not Literal):
                varies.update(eqn.outvars)
        again: list[Eqn] = []
        for eqn in reversed(known_eqns):
            if eqn.effects or not any(v in needed for v in eqn.outvars):
                continue
            if self.do_again(eqn, any(v in varies for v in eqn.outvars)):
                again.append(eqn)
                needed.difference_update(eqn.outvars)
                needed.update(v for v in eqn.invars if type(v) is not Literal)
        again.reverse()
        return again, needed

    def do_again(self, eqn: Eqn, varies: bool) -> bool:
        if self.saveable is not None:
            avals = [v.aval for v in eqn.invars]
            return not self.saveable(eqn.primitive, *avals, **eqn.params)
        if not varies:
            return True
        if not eqn.primitive.recompute:
            return False
        grown = sum(v.aval.size for v in eqn.outvars)
        return grown > sum(v.aval.size for v in eqn.invars)

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


def _free_vars(eqns, outvars) -> set[Var]:
    """The variables that a list of equations and its results read but do not define."""
    free: set[Var] = {v for v in outvars if type(v) is not Literal}
    for eqn in reversed(eqns):
        free.difference_update(eqn.outvars)
        free.update(v for v in eqn.invars if type(v) is not Literal)
    return free
