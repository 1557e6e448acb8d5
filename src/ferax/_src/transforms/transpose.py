"""Transposition: run a linear program backward, cotangents of its outputs to cotangents of its inputs."""

from __future__ import annotations

from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from ferax._src.ops.zeros import accumulate
from ferax._src.tracing.core import Zero, ascribe, remember, state
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.transforms.program import call_program
from ferax._src.types.avals import ShapedArray


def transpose_jaxpr(closed: ClosedJaxpr, linear, ct_active, accumulate_into=None) -> tuple[ClosedJaxpr, tuple]:
    """The transpose of a program that is linear in some of its inputs, as a program; cached on it.

    Parameters
    ----------
    closed : ClosedJaxpr
    linear : which inputs it is linear in; the others are known when it is transposed
    ct_active : which outputs have a cotangent that may be nonzero
    accumulate_into : one bool per linear input, or None: where true, the transposed program takes a
        cotangent to which it adds its own

    Returns
    -------
    program : known inputs ++ active cotangents ++ accumulators -> active cotangents of the linear inputs
    in_active : one bool per linear input, whether the program answers a cotangent for it
    """
    linear, ct_active = tuple(linear), tuple(ct_active)
    if accumulate_into is None:
        accumulate_into = (False,) * sum(linear)
    key = ("transpose", linear, ct_active, accumulate_into)
    found = closed.cache.get(key)
    if found is not None:
        return found
    jaxpr = closed.jaxpr
    known_avals = [v.aval for v, is_linear in zip(jaxpr.invars, linear) if not is_linear]
    linear_avals = [v.aval for v, is_linear in zip(jaxpr.invars, linear) if is_linear]
    ct_avals = [v.aval.to_tangent_aval() for v, is_active in zip(jaxpr.outvars, ct_active) if is_active]
    acc_avals = [a.to_tangent_aval() for a, acc in zip(linear_avals, accumulate_into) if acc]
    in_active: tuple = ()

    def run(*flat):
        nonlocal in_active
        values = iter(flat)
        known = [next(values) for _ in known_avals]
        cts = [next(values) if is_active else Zero(v.aval.to_tangent_aval())
               for v, is_active in zip(jaxpr.outvars, ct_active)]
        accumulators = [next(values) if acc else None for acc in accumulate_into]
        it = iter(known)
        args = [v.aval if is_linear else next(it) for v, is_linear in zip(jaxpr.invars, linear)]
        results = backward_pass(jaxpr, closed.consts, args, cts)
        sums = []
        for ct, acc in zip((r for r, is_linear in zip(results, linear) if is_linear), accumulators):
            sums.append(ct if acc is None else accumulate(acc, ct))
        in_active = tuple([type(ct) is not Zero for ct in sums])
        return [ct for ct in sums if type(ct) is not Zero]

    program = trace_to_jaxpr(run, [*known_avals, *ct_avals, *acc_avals])
    found = program, in_active
    remember(closed.cache, key, found)
    return found


def backward_pass(jaxpr: Jaxpr, consts, args, cts) -> list:
    """Transpose a jaxpr on the current trace.

    Parameters
    ----------
    jaxpr : Jaxpr
    consts : values of its constvars
    args : one per input: a value, or where the program is linear in it, its ShapedArray
    cts : one cotangent per output; may be `Zero`

    Returns
    -------
    list with, for each linear input, its cotangent or `Zero`; for the others None
    """
    env: dict[Var, object] = dict(zip(jaxpr.constvars, consts))
    linear_vars: set[Var] = set()
    for v, value in zip(jaxpr.invars, args, strict=True):
        if isinstance(value, ShapedArray):
            linear_vars.add(v)
        else:
            env[v] = value
    linear_eqns: list[Eqn] = []
    for eqn in jaxpr.eqns:                      # forward: what does not depend on the linear inputs
        if any(type(v) is not Literal and v in linear_vars for v in eqn.invars):
            linear_eqns.append(eqn)
            linear_vars.update(eqn.outvars)
            continue
        operands = [v.val if type(v) is Literal else env[v] for v in eqn.invars]
        with _written_by(eqn):
            if eqn.effects:                     # as in `eval_jaxpr`
                results = eqn.primitive.bind(*operands, **eqn.params)
            else:
                results = state.trace.process(eqn.primitive, operands, eqn.params)
            env.update(zip(eqn.outvars, results))

    ct_env: dict[Var, object] = {}

    def add_ct(v, ct):
        if ct is None or type(ct) is Zero or type(v) is Literal or v not in linear_vars:
            return
        ct_env[v] = accumulate(ct_env[v], ct) if v in ct_env else ct

    for v, ct in zip(jaxpr.outvars, cts, strict=True):
        add_ct(v, ct)
    for eqn in reversed(linear_eqns):           # backward
        if not any(v in ct_env for v in eqn.outvars):
            continue
        out_cts = [ct_env.pop(v) if v in ct_env else Zero(v.aval.to_tangent_aval()) for v in eqn.outvars]
        operands = [v.val if type(v) is Literal else v.aval if v in linear_vars else env[v]
                    for v in eqn.invars]
        with _written_by(eqn):
            in_cts = eqn.primitive.transpose(out_cts, *operands, **eqn.params)
        for v, ct in zip(eqn.invars, in_cts, strict=True):
            add_ct(v, ct)
    return [ct_env.get(v, Zero(v.aval.to_tangent_aval())) if v in linear_vars else None
            for v in jaxpr.invars]


def _written_by(eqn: Eqn) -> ascribe:
    """Ascribe what is written to the user's line of ``eqn``, unless the caller is already ascribed."""
    return ascribe(eqn.source if state.source is None else state.source)


def transpose_flat(closed: ClosedJaxpr, linear, args, cts) -> list:
    """Apply the transpose of ``closed`` to values: ``args`` holds the known inputs, in order."""
    active = tuple(type(ct) is not Zero for ct in cts)
    program, in_active = transpose_jaxpr(closed, linear, active)
    results = iter(call_program(state.trace, program, [*args, *(ct for ct in cts if type(ct) is not Zero)]))
    avals = [v.aval for v, is_linear in zip(closed.jaxpr.invars, linear) if is_linear]
    return [next(results) if is_active else Zero(aval.to_tangent_aval())
            for is_active, aval in zip(in_active, avals)]
