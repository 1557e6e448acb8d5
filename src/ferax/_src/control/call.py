"""`jit_p`: a call of a program inside a program, as an inner ``jit`` leaves it in a jaxpr.

The program has no constants of its own: they are operands. Every rule transforms the program, once, and
calls the result. How ``jit`` treats its arguments is not here but in `api.jit`.
"""

from __future__ import annotations

from typing import NamedTuple

from ferax._src.ir.dce import dce_closed, keeps_alive
from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Var
from ferax._src.control.tracing_utils import eqn_like
from ferax._src.ops.refs import (
    ProgramCaller, check_aliases, discharged, handed_to_rules, has_refs, values_of, write_back)
from ferax._src.runtime.lowering_shardings import constrain
from ferax._src.tracing.core import Zero, eval_trace, register, state
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.transforms.batch import batch_jaxpr
from ferax._src.transforms.jvp import jvp_jaxpr
from ferax._src.transforms.program import call_program
from ferax._src.transforms.split import Again, rematerialize_jaxpr, split_jaxpr
from ferax._src.transforms.transpose import transpose_jaxpr
from ferax._src.types.avals import ShapedArray

#: Parameters with one entry per operand, and the entry for an operand of which nothing is said; likewise for results.
_PER_OPERAND = {"in_shardings": None, "in_layouts": None, "donated_invars": False}
_PER_RESULT = {"out_shardings": None, "out_layouts": None}


class JitCall(ProgramCaller):
    """Run ``jaxpr``; compiled by itself where it stands alone, a function of the module otherwise."""

    name = "jit"

    def lower(self, ctx, *values, jaxpr, name, inline, in_shardings, out_shardings, **params):
        values = [constrain(ctx, v, aval, s) for v, aval, s in zip(values, ctx.avals_in, in_shardings)]
        results = ctx.inline(jaxpr, *values) if inline else ctx.call_function(jaxpr, *values, name=name)
        return [constrain(ctx, v, aval, s) for v, aval, s in zip(results, ctx.avals_out, out_shardings)]

    def bind_refs(self, args, *, jaxpr, **params):
        check_aliases(args, jaxpr.debug_info)
        if handed_to_rules(jaxpr.effects) and state.trace is not eval_trace:
            return eval_closed(jaxpr, *args)    # derivative rules in it use references themselves, perhaps much later
        program, written = discharged(jaxpr)
        m = len(jaxpr.jaxpr.outvars)
        outs = self.bind(*values_of(args), **derived(dict(params, jaxpr=jaxpr), program, range(len(args)),
                                                     [*range(m), *[None] * len(written)]))
        write_back(args, written, outs[m:])
        return outs[:m]

    def jvp(self, primals, tangents, *, jaxpr, **params):
        active = [type(t) is not Zero for t in tangents]
        program, out_active = jvp_jaxpr(jaxpr, active)
        ins = [*range(len(primals)), *(i for i, a in enumerate(active) if a)]
        outs = [*range(len(out_active)), *(i for i, a in enumerate(out_active) if a)]
        results = self.bind(*primals, *(t for t in tangents if type(t) is not Zero),
                            **derived(params, program, ins, outs, donate=False))
        n = len(out_active)
        given = iter(results[n:])
        return results[:n], [next(given) if a else Zero.of(aval) for a, aval in zip(out_active, jaxpr.out_avals)]

    def transpose(self, cts, *args, jaxpr, **params):
        linear = [isinstance(x, ShapedArray) for x in args]
        ct_active = [type(ct) is not Zero for ct in cts]
        program, in_active = transpose_jaxpr(jaxpr, linear, ct_active)
        known = [i for i, is_linear in enumerate(linear) if not is_linear]
        # Cotangents lie as their primals do; only shardings and layouts are looked up so.
        flipped = dict(params, in_shardings=params["in_shardings"] + params["out_shardings"],
                       in_layouts=params["in_layouts"] + params["out_layouts"],
                       donated_invars=(False,) * (len(args) + len(cts)),
                       out_shardings=params["in_shardings"], out_layouts=params["in_layouts"])
        answered = iter(in_active)
        outs = [i for i, is_linear in enumerate(linear) if is_linear and next(answered)]
        ins = [*known, *(len(args) + i for i, a in enumerate(ct_active) if a)]
        results = iter(self.bind(*(args[i] for i in known), *(ct for ct in cts if type(ct) is not Zero),
                                 **derived(flipped, program, ins, outs, donate=False)))
        answered = iter(in_active)
        return [(next(results) if next(answered) else Zero.of(x)) if is_linear else None
                for x, is_linear in zip(args, linear)]

    def batch(self, axis, args, dims, *, jaxpr, **params):
        program, out_dims = batch_jaxpr(jaxpr, dims, axis)
        ins = [i if d is None else None for i, d in enumerate(dims)]
        outs = [i if d is None else None for i, d in enumerate(out_dims)]
        return self.bind(*args, **derived(params, program, ins, outs, donate=False)), out_dims

    def partial_eval(self, eqn: Eqn, unknown):
        jaxpr = eqn.params["jaxpr"]
        split = split_jaxpr(jaxpr, unknown)
        ins = list(range(len(unknown)))
        known_ins = [i for i in ins if not unknown[i]]
        known_outs = [i for i, u in enumerate(split.out_unknown) if not u]
        unknown_outs = [i for i, u in enumerate(split.out_unknown) if u]
        extra = [Var(aval) for aval in split.known.out_avals[len(known_outs):]]
        known_vars = [eqn.invars[i] for i in known_ins]
        results = [*(eqn.outvars[i] for i in known_outs), *extra]
        residuals = split.gather(known_vars, results)
        eqns = []
        if results or split.known.effects:
            params = derived(eqn.params, split.known, known_ins, [*known_outs, *[None] * len(extra)], donate=False)
            eqns.append(eqn_like(eqn, self, known_vars, results, params, split.known.effects))
        params = derived(eqn.params, split.unknown,
                         [*[None] * len(residuals), *(i for i in ins if unknown[i])], unknown_outs, donate=False)
        second = eqn_like(eqn, self, [*residuals, *(eqn.invars[i] for i in ins if unknown[i])],
                          [eqn.outvars[i] for i in unknown_outs], params, split.unknown.effects)
        return eqns, [second], list(split.out_unknown)

    def rematerialize(self, eqn: Eqn, needed, saveable):
        """The policy of a `checkpoint` around the call is about the operations in it."""
        n, m = len(eqn.invars), len(eqn.outvars)
        parts = again_call(eqn, needed, saveable)
        split = parts.split
        first = derived(eqn.params, split.first, range(n), [*range(m), *[None] * len(split.extra_avals)])
        again = derived(eqn.params, split.again, [i if kind == "in" else None for kind, i in split.residuals],
                        [i for i, (asked, kept) in enumerate(zip(needed, split.kept)) if asked and not kept], donate=False)
        return ([eqn_like(eqn, self, eqn.invars, parts.results, first, eqn.effects)],
                [eqn_like(eqn, self, parts.residuals, parts.wanted, again, split.again.effects)])

    def dce(self, eqn: Eqn, used):
        if not any(used) and not keeps_alive(eqn):
            return None
        program, used_ins = dce_closed(eqn.params["jaxpr"], used)
        ins = [i for i, u in enumerate(used_ins) if u]
        outs = [i for i, u in enumerate(used) if u]
        params = derived(eqn.params, program, ins, outs)
        return eqn_like(eqn, self, [eqn.invars[i] for i in ins], [eqn.outvars[i] for i in outs], params, program.effects)


jit_p = register(JitCall())


class AgainCall(NamedTuple):
    """A call under `checkpoint` in two: ``results`` of the first, ``residuals`` and ``wanted`` of the one that does things again."""

    split: Again
    results: list
    residuals: list
    wanted: list


def again_call(eqn: Eqn, needed, saveable) -> AgainCall:
    """Split the program ``params["jaxpr"]`` of a call by what is needed again of its results."""
    split = rematerialize_jaxpr(eqn.params["jaxpr"], needed, saveable)
    extra = [Var(aval) for aval in split.extra_avals]
    sources = {"in": eqn.invars, "out": eqn.outvars, "extra": extra}
    return AgainCall(split, [*eqn.outvars, *extra], [sources[kind][i] for kind, i in split.residuals],
                     [v for v, asked, kept in zip(eqn.outvars, needed, split.kept) if asked and not kept])


def derived(params, jaxpr: ClosedJaxpr, ins, outs, donate: bool = True) -> dict:
    """The parameters for a call of a program made from this one.

    Parameters
    ----------
    params : of the call that it is made from
    jaxpr : the new program
    ins, outs : for each new operand and result the number of the one it corresponds to, or None
    donate : whether operands keep their donation
    """
    new = dict(params)
    new["jaxpr"] = jaxpr
    for name, default in _PER_OPERAND.items():
        old = params[name]
        new[name] = tuple([default if i is None else old[i] for i in ins])
    if not donate:
        new["donated_invars"] = (False,) * len(ins)
    for name, default in _PER_RESULT.items():
        old = params[name]
        new[name] = tuple([default if i is None else old[i] for i in outs])
    return {key: new[key] for key in _ORDER}


_ORDER = ("jaxpr", "in_shardings", "out_shardings", "in_layouts", "out_layouts", "donated_invars", "ctx_mesh", "name",
          "keep_unused", "inline", "compiler_options_kvs")


def jit_params(jaxpr: ClosedJaxpr, *, name: str = "function", inline: bool = False, donated_invars=None, keep_unused: bool = False,
               in_shardings=None, out_shardings=None, in_layouts=None, out_layouts=None, ctx_mesh=None,
               compiler_options_kvs=()) -> dict:
    """The parameters of `jit_p`; shardings and layouts of which nothing is said are None."""
    n, m = len(jaxpr.jaxpr.invars), len(jaxpr.jaxpr.outvars)
    return {"jaxpr": jaxpr, "in_shardings": in_shardings or (None,) * n, "out_shardings": out_shardings or (None,) * m,
            "in_layouts": in_layouts or (None,) * n, "out_layouts": out_layouts or (None,) * m,
            "donated_invars": donated_invars or (False,) * n, "ctx_mesh": ctx_mesh, "name": name,
            "keep_unused": keep_unused, "inline": inline, "compiler_options_kvs": compiler_options_kvs}


def call_jit(closed: ClosedJaxpr, args, *, name: str = "function", inline: bool = False, **params) -> list:
    """Call a program without constants on the current trace.

    Parameters
    ----------
    closed : ClosedJaxpr
    args : flat operands
    name : shown in jaxprs and profiles
    inline : whether staging writes its equations in place of a call
    **params : other parameters of `jit_p`, by JAX's names
    """
    if inline and has_refs(args):
        check_aliases(args, closed.debug_info)
        return eval_closed(closed, *args)
    if inline:
        return call_program(state.trace, closed, args)
    return jit_p.bind(*args, **jit_params(closed, name=name, **params))


def call_eqn(like: Eqn, closed: ClosedJaxpr, invars, outvars, name: str) -> Eqn:
    """An equation that calls a program, for rules that write equations."""
    return eqn_like(like, jit_p, invars, outvars, jit_params(closed, name=name, inline=True), closed.effects)
