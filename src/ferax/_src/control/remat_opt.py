"""`remat_opt_p`: the forward rule of a `custom_vjp` that may turn back into the function.

A forward rule computes results and residuals. Under `checkpoint` it is run twice, and the first time nobody reads the
residuals. Where the rule is one opaque kernel, only the function itself can do without them: so, once
residuals are found to be unused, the equation becomes a call of the function.
"""

from __future__ import annotations

from ferax._src.control.call import jit_p, jit_params
from ferax._src.control.custom_jvp import transpose_call
from ferax._src.control.tracing_utils import avals_of, eqn_like, intern_jaxpr
from ferax._src.ir.dce import dce_closed, keeps_alive
from ferax._src.ir.jaxpr import Eqn
from ferax._src.ops.program_holder import ProgramHolder
from ferax._src.tracing.core import Zero, register, state
from ferax._src.tracing.staging import hoist_consts, trace_to_jaxpr
from ferax._src.transforms.batch import batch_jaxpr
from ferax._src.transforms.jvp import jvp_jaxpr
from ferax._src.transforms.program import call_program
from ferax._src.types.avals import aval_of


class RematOpt(ProgramHolder):
    """Run ``fwd_jaxpr``, which answers what ``fun_jaxpr`` does and after it ``num_res`` residuals.

    Operands are what the two programs close over, ``lengths`` values each, and the arguments.
    """

    name = "remat_opt"
    program = "fwd_jaxpr"

    def lower(self, ctx, *values, fwd_jaxpr, fun_jaxpr, lengths, num_res):
        return ctx.inline(fwd_jaxpr, *fwd_operands(values, lengths))

    def jvp(self, primals, tangents, *, fwd_jaxpr, fun_jaxpr, lengths, num_res):
        tangents = fwd_operands(tangents, lengths)
        program, out_active = jvp_jaxpr(fwd_jaxpr, [type(t) is not Zero for t in tangents])
        results = call_program(state.trace, program, [*fwd_operands(primals, lengths), *(t for t in tangents if type(t) is not Zero)])
        n = len(out_active)
        given = iter(results[n:])
        return results[:n], [next(given) if a else Zero.of(aval_of(x)) for a, x in zip(out_active, results)]

    def transpose(self, cts, *args, fwd_jaxpr, fun_jaxpr, lengths, num_res):
        n, m = lengths
        in_cts = transpose_call(fwd_jaxpr, cts, fwd_operands(args, lengths))
        return [*in_cts[:n], *[None] * m, *in_cts[n:]]

    def batch(self, axis, args, dims, *, fwd_jaxpr, fun_jaxpr, lengths, num_res):
        fwd, _ = batch_jaxpr(fwd_jaxpr, fwd_operands(dims, lengths), axis, force_out=True)
        fun, _ = batch_jaxpr(fun_jaxpr, dims[lengths[0]:], axis, force_out=True)
        outs = self.bind(*args, fwd_jaxpr=fwd, fun_jaxpr=fun, lengths=lengths, num_res=num_res)
        return outs, [0] * len(outs)

    def partial_eval(self, eqn: Eqn, unknown):
        return jit_p.partial_eval(*self.as_call(eqn, unknown))  # type: ignore[attr-defined]

    def as_call(self, eqn: Eqn, mask):
        """The equation as a call of the forward rule, and a mask of operands as one of its operands."""
        params = eqn.params
        call = eqn_like(eqn, jit_p, fwd_operands(eqn.invars, params["lengths"]), eqn.outvars,
                        jit_params(params["fwd_jaxpr"], name="fwd", inline=True), eqn.effects)
        return call, fwd_operands(mask, params["lengths"])

    def dce(self, eqn: Eqn, used):
        if not any(used) and not keeps_alive(eqn):
            return None
        params = eqn.params
        n_out = len(used) - params["num_res"]
        if any(used[n_out:]):
            call, _ = self.as_call(eqn, used)
            return jit_p.dce(call, used)  # type: ignore[attr-defined]
        fun, used_ins = dce_closed(params["fun_jaxpr"], used[:n_out])
        return eqn_like(eqn, jit_p, [v for v, u in zip(eqn.invars[params["lengths"][0]:], used_ins) if u],
                        [v for v, u in zip(eqn.outvars, used) if u], jit_params(fun, name="fun", inline=True), fun.effects)


remat_opt_p = register(RematOpt())


def fwd_operands(values, lengths) -> list:
    """What the forward rule takes of the operands: not what the function alone closes over."""
    n, m = lengths
    return [*values[:n], *values[n + m:]]


def call_fwd(fwd, fun, primals) -> list:
    """Run a forward rule, such that it can become the function again.

    Parameters
    ----------
    fwd : callable on flat values -> flat results ++ flat residuals
    fun : callable on flat values -> flat results
    primals : flat values

    Returns
    -------
    list, what ``fwd`` answers
    """
    avals = avals_of(primals)
    fwd_jaxpr, fwd_consts = hoist_consts(trace_to_jaxpr(fwd, avals))
    fun_jaxpr, fun_consts = hoist_consts(trace_to_jaxpr(fun, avals))
    return remat_opt_p.bind(*fwd_consts, *fun_consts, *primals, fwd_jaxpr=intern_jaxpr(fwd_jaxpr), fun_jaxpr=intern_jaxpr(fun_jaxpr),
                            lengths=(len(fwd_consts), len(fun_consts)),
                            num_res=len(fwd_jaxpr.jaxpr.outvars) - len(fun_jaxpr.jaxpr.outvars))
