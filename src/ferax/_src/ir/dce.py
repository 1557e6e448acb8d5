"""Dead code: dropping equations, inputs and constants that no used output needs."""

from __future__ import annotations

from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var, join_effects


def dce_jaxpr(jaxpr: Jaxpr, used_outputs, instantiate=False) -> tuple[Jaxpr, list[bool]]:
    """Keep the equations that the used outputs need; equations with effects always stay.

    Parameters
    ----------
    jaxpr : Jaxpr
    used_outputs : sequence of bool, one per output
    instantiate : bool or sequence of bool, one per input: inputs to keep in any case

    Returns
    -------
    jaxpr : with the unused outputs and inputs gone (constvars stay, used or not)
    used_inputs : list of bool
    """
    if isinstance(instantiate, bool):
        instantiate = [instantiate] * len(jaxpr.invars)
    outvars = [v for v, used in zip(jaxpr.outvars, used_outputs, strict=True) if used]
    live: set[Var] = {v for v in outvars if type(v) is not Literal}
    kept: list[Eqn] = []
    for eqn in reversed(jaxpr.eqns):
        used = [v in live for v in eqn.outvars]
        if not any(used) and not keeps_alive(eqn):
            continue
        rule = getattr(eqn.primitive, "dce", None)
        if rule is not None and not all(used):
            eqn = rule(eqn, used)
            if eqn is None:
                continue
        kept.append(eqn)
        live.update(v for v in eqn.invars if type(v) is not Literal)
    kept.reverse()
    used_inputs = [v in live or keep for v, keep in zip(jaxpr.invars, instantiate, strict=True)]
    invars = [v for v, used in zip(jaxpr.invars, used_inputs) if used]
    effects = join_effects(*(e.effects for e in kept))
    debug = jaxpr.debug_info._replace(
        arg_names=_select(jaxpr.debug_info.arg_names, used_inputs),
        result_paths=_select(jaxpr.debug_info.result_paths, used_outputs))
    return Jaxpr(jaxpr.constvars, invars, outvars, kept, effects, debug), used_inputs


def keeps_alive(eqn: Eqn) -> bool:
    """Whether the equation must run even if nothing reads its results."""
    return any(getattr(effect, "keeps_alive", True) for effect in eqn.effects)


def dce_closed(closed: ClosedJaxpr, used_outputs, instantiate=False) -> tuple[ClosedJaxpr, list[bool]]:
    """`dce_jaxpr` for a closed jaxpr; constants that nothing reads are dropped. Cached on the jaxpr."""
    key = ("dce", tuple(used_outputs), instantiate if isinstance(instantiate, bool) else tuple(instantiate))
    found = closed.cache.get(key)
    if found is None:
        jaxpr, used_inputs = dce_jaxpr(closed.jaxpr, used_outputs, instantiate)
        found = closed.cache[key] = drop_unused_consts(jaxpr, closed.consts), used_inputs
    return found


def drop_unused_consts(jaxpr: Jaxpr, consts) -> ClosedJaxpr:
    """Close ``jaxpr`` over those of ``consts`` that it reads."""
    if not consts:
        return ClosedJaxpr(jaxpr, consts)
    used = {v for eqn in jaxpr.eqns for v in eqn.invars if type(v) is not Literal}
    used.update(v for v in jaxpr.outvars if type(v) is not Literal)
    keep = [v in used for v in jaxpr.constvars]
    if all(keep):
        return ClosedJaxpr(jaxpr, consts)
    constvars = [v for v, k in zip(jaxpr.constvars, keep) if k]
    return ClosedJaxpr(jaxpr.replace(constvars=constvars), [c for c, k in zip(consts, keep) if k])


def _select(items, mask):
    if items is None or len(items) != len(mask):
        return None
    return tuple(item for item, keep in zip(items, mask) if keep)
