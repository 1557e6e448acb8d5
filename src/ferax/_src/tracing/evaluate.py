"""Evaluating a jaxpr: bind its equations, one after the other, on the current trace.

On the base trace this runs the program operation by operation, each one a cached compiled program;
under a transformation it transforms the program.
"""

from __future__ import annotations

from ferax._src.ir.jaxpr import ClosedJaxpr, Jaxpr, Literal
from ferax._src.tracing.core import state


def eval_jaxpr(jaxpr: Jaxpr, consts, *args) -> list:
    """Evaluate ``jaxpr`` on flat arguments.

    Parameters
    ----------
    jaxpr : Jaxpr
    consts : values of ``jaxpr.constvars``
    *args : values of ``jaxpr.invars``

    Returns
    -------
    list of the values of ``jaxpr.outvars``
    """
    if len(args) != len(jaxpr.invars):
        raise TypeError(f"eval_jaxpr: the jaxpr takes {len(jaxpr.invars)} arguments, got {len(args)}")
    env: dict = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args))
    last_use = last_uses(jaxpr)
    trace = state.trace
    outer_source, outer_stack = state.source, state.name_stack
    try:
        for eqn, last in zip(jaxpr.eqns, last_use):
            operands = [v.val if type(v) is Literal else env[v] for v in eqn.invars]
            if outer_source is None:
                state.source = eqn.source or False      # what is written for this equation is the same user's line
            stack = eqn.name_stack
            state.name_stack = f"{outer_stack}/{stack}" if outer_stack and stack else outer_stack or stack
            if eqn.effects:                     # perhaps on references, of which traces know nothing: `ops.refs`
                results = eqn.primitive.bind(*operands, **eqn.params)
            else:
                results = trace.process(eqn.primitive, operands, eqn.params)
            env.update(zip(eqn.outvars, results))
            for v in last:
                env.pop(v, None)                # free buffers as soon as nothing reads them
    finally:
        state.source, state.name_stack = outer_source, outer_stack
    return [v.val if type(v) is Literal else env[v] for v in jaxpr.outvars]


def eval_closed(closed: ClosedJaxpr, *args) -> list:
    """`eval_jaxpr` for a closed jaxpr."""
    return eval_jaxpr(closed.jaxpr, closed.consts, *args)


def last_uses(jaxpr: Jaxpr) -> list[list]:
    """For each equation the variables that no later equation, nor the result, reads."""
    seen = {v for v in jaxpr.outvars if type(v) is not Literal}
    uses: list[list] = []
    for eqn in reversed(jaxpr.eqns):
        last = []
        for v in [*eqn.invars, *eqn.outvars]:
            if type(v) is not Literal and v not in seen:
                seen.add(v)
                last.append(v)
        uses.append(last)
    uses.reverse()
    return uses
