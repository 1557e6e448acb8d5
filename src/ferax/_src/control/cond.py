"""`cond_p`: run one of several programs; ``cond`` and ``switch`` for the user.

Operands are an int32 index and the operands of the branches, which all branches take; what a branch closes over
is among them. Under ``vmap`` with an index that is mapped all branches run and their results are selected.
"""

from __future__ import annotations

import numpy as np

from ferax._src.control.custom_refs import RefCarrier
from ferax._src.control.tracing_utils import (
    avals_of, described, eqn_like, flatten_arrays, intern_jaxpr, joined_aval, same_type, trace_function, with_outputs)
from ferax._src.control.varying import cast_to, varying_of, with_varying_outputs
from ferax._src.ir.dce import dce_closed, keeps_alive
from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var, join_effects
from ferax._src.ops.broadcasting import broadcast_in_dim
from ferax._src.ops.compare import ne
from ferax._src.ops.convert import convert
from ferax._src.ops.refs import check_aliases, discharged, values_of, write_back
from ferax._src.ops.select import clamp, select_n
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.tracing.core import Tracer, Zero, register, remember
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.transforms.batch import batch_jaxpr
from ferax._src.transforms.jvp import jvp_jaxpr
from ferax._src.transforms.split import rematerialize_jaxpr, split_jaxpr
from ferax._src.transforms.transpose import transpose_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.pytrees import (
    explain_mismatch, keystr, tree_flatten_with_path, tree_structure, tree_unflatten)
from ferax._src.util import config
from ferax._src.util.tracebacks import api_boundary


class Cond(RefCarrier):
    """Run ``branches[index]`` on the other operands."""

    name = "cond"

    def abstract_eval(self, index, *avals, branches, **extra):
        return [joined_aval((index, *outs)) for outs in zip(*(b.out_avals for b in reversed(branches)))]

    def effects_of(self, index, *avals, branches, **extra):
        return join_effects(*(b.effects for b in branches))

    def lower(self, ctx, index, *values, branches):
        return ctx.case(index, [lambda b=b: ctx.inline(b, *values) for b in branches], ctx.types(ctx.avals_out),
                        self.effects_of(None, branches=branches))

    def programs(self, params):
        return list(params["branches"])

    def bind_refs(self, args, *, branches, carry=False, **extra):
        index, *operands = args
        for b in branches:
            check_aliases(operands, b.debug_info)
        written = tuple(sorted({i for b in branches for i in discharged(b, carry)[1]}))
        programs = tuple([answering(b, written, carry) for b in branches])
        outs = self.bind(index, *values_of(operands), branches=programs, **extra)
        m = len(outs) - len(written)
        write_back(operands, written, outs[m:])
        return outs[:m]

    def jvp(self, primals, tangents, *, branches, **extra):
        index, *operands = primals
        active = [type(t) is not Zero for t in tangents[1:]]
        actives = [jvp_jaxpr(b, active)[1] for b in branches]
        out_active = tuple([any(column) for column in zip(*actives)])
        programs = tuple([jvp_jaxpr(b, active, instantiate=out_active)[0] for b in branches])
        results = self.bind(index, *operands, *(t for t in tangents[1:] if type(t) is not Zero), branches=programs, **extra)
        n = len(out_active)
        given = iter(results[n:])
        return results[:n], [next(given) if a else Zero.of(aval_of(x)) for a, x in zip(out_active, results)]

    def transpose(self, cts, index, *args, branches, **extra):
        linear = tuple([isinstance(x, ShapedArray) for x in args])
        ct_active = tuple([type(ct) is not Zero for ct in cts])
        actives = [transpose_jaxpr(b, linear, ct_active)[1] for b in branches]
        in_active = tuple([any(column) for column in zip(*actives)])
        programs = tuple([full_transpose(b, linear, ct_active, in_active) for b in branches])
        results = iter(self.bind(index, *(x for x in args if not isinstance(x, ShapedArray)),
                                 *(ct for ct in cts if type(ct) is not Zero), branches=programs, **extra))
        answered = iter(in_active)
        return [None, *((next(results) if next(answered) else Zero.of(x)) if is_linear else None
                        for x, is_linear in zip(args, linear))]

    def batch(self, axis, args, dims, *, branches, **extra):
        index, *operands = args
        index_dim, *dims = dims
        if index_dim is None:
            out_dims = [batch_jaxpr(b, dims, axis)[1] for b in branches]
            mapped = tuple([any(d is not None for d in column) for column in zip(*out_dims)])
            programs = tuple([batch_jaxpr(b, dims, axis, force_out=mapped)[0] for b in branches])
            return self.bind(index, *operands, branches=programs, **extra), [0 if m else None for m in mapped]
        effects = self.effects_of(index, branches=branches)
        if any(getattr(e, "keeps_alive", True) for e in effects):
            raise NotImplementedError(
                f"vmap of cond with a mapped predicate: the branches have effects ({', '.join(sorted(map(repr, effects)))}). "
                "All branches would run for all examples. Take the effect out of the branches, or map with lax.map.")
        # Each example has its own branch: all of them run on everything, and each result is selected.
        results = []
        for b in branches:
            program, _ = batch_jaxpr(b, dims, axis, force_out=True)
            results.append(eval_closed(program, *operands))
        which = ne(index, np.int32(0)) if len(branches) == 2 else clamp(np.int32(0), index, np.int32(len(branches) - 1))
        outs = [select_n(broadcast_in_dim(which, aval_of(xs[0]).shape, (0,)), *xs) for xs in zip(*results)]
        return outs, [0] * len(outs)

    def partial_eval(self, eqn: Eqn, unknown):
        if unknown[0]:
            return [], [eqn], [True] * len(eqn.outvars)
        branches = eqn.params["branches"]
        mask = list(unknown[1:])
        out_unknown = [any(column) for column in zip(*(split_jaxpr(b, mask).out_unknown for b in branches))]
        splits = [split_jaxpr(b, mask, force_unknown_out=out_unknown) for b in branches]
        known_ops = [v for v, u in zip(eqn.invars[1:], mask) if not u]
        unknown_ops = [v for v, u in zip(eqn.invars[1:], mask) if u]
        known_outs = [v for v, u in zip(eqn.outvars, out_unknown) if not u]
        slots, places = share_slots([s.known.out_avals[len(known_outs):] for s in splits])
        moved = use_free_slots([s.residuals for s in splits], [v.aval for v in known_ops], slots, places)
        firsts = tuple([fill_slots(s.known, len(known_outs), slots, p, m) for s, p, m in zip(splits, places, moved)])
        extra = [Var(aval) for aval in slots]
        eqns = []
        results = [*known_outs, *extra]
        effects = join_effects(*(b.effects for b in firsts))
        if results or effects:
            eqns.append(eqn_like(eqn, self, [eqn.invars[0], *known_ops], results, dict(eqn.params, branches=firsts), effects))
        # The second takes all the residuals of all branches; each branch reads its own.
        wanted = []                             # for each branch where each of its residuals comes from
        for s, place, m in zip(splits, places, moved):
            wanted.append([("extra", place[i]) if kind == "extra" else
                           ("extra", m[i]) if kind == "in" and i in m else (kind, i) for kind, i in s.residuals])
        residuals, seconds = joined_residuals([s.unknown for s in splits], wanted, known_ops, known_outs, extra, len(unknown_ops))
        second = eqn_like(eqn, self, [eqn.invars[0], *residuals, *unknown_ops],
                          [v for v, u in zip(eqn.outvars, out_unknown) if u], dict(eqn.params, branches=seconds),
                          join_effects(*(b.effects for b in seconds)))
        return eqns, [second], out_unknown

    def rematerialize(self, eqn: Eqn, needed, saveable):
        """The policy of a `checkpoint` around it is about the operations in the branches."""
        branches = eqn.params["branches"]
        needed = list(needed)
        while True:                             # a result that one branch keeps is kept
            splits = [rematerialize_jaxpr(b, needed, saveable) for b in branches]
            fewer = [n and not any(column) for n, column in zip(needed, zip(*(s.kept for s in splits)))]
            if fewer == needed:
                break
            needed = fewer
        slots, places = share_slots([s.extra_avals for s in splits])
        firsts = tuple([fill_slots(s.first, len(eqn.outvars), slots, place, {}) for s, place in zip(splits, places)])
        extra = [Var(aval) for aval in slots]
        first = eqn_like(eqn, self, eqn.invars, [*eqn.outvars, *extra], dict(eqn.params, branches=firsts), eqn.effects)
        if not any(needed):
            return [first], []
        wanted = [[("extra", place[i]) if kind == "extra" else (kind, i) for kind, i in s.residuals]
                  for s, place in zip(splits, places)]
        residuals, seconds = joined_residuals([s.again for s in splits], wanted, eqn.invars[1:], eqn.outvars, extra, 0)
        second = eqn_like(eqn, self, [eqn.invars[0], *residuals], [v for v, n in zip(eqn.outvars, needed) if n],
                          dict(eqn.params, branches=seconds), join_effects(*(b.effects for b in seconds)))
        return [first], [second]

    def dce(self, eqn: Eqn, used):
        if not any(used) and not keeps_alive(eqn):
            return None
        branches = eqn.params["branches"]
        needed = [any(column) for column in zip(*(dce_closed(b, used)[1] for b in branches))]
        new = tuple([dce_closed(b, used, tuple(needed))[0] for b in branches])
        return eqn_like(eqn, self, [eqn.invars[0], *(v for v, u in zip(eqn.invars[1:], needed) if u)],
                        [v for v, u in zip(eqn.outvars, used) if u], dict(eqn.params, branches=new),
                        join_effects(*(b.effects for b in new)))


cond_p = register(Cond())


# --- making branches alike ------------------------------------------------------------------------

def full_transpose(branch: ClosedJaxpr, linear, ct_active, in_active) -> ClosedJaxpr:
    """The transpose of a branch, with zeros for the cotangents that only other branches have."""
    program, own = transpose_jaxpr(branch, linear, ct_active)
    if own == in_active:
        return program
    key = "full", in_active
    found = program.cache.get(key)
    if found is None:
        avals = [aval for aval, is_linear in zip(branch.in_avals, linear) if is_linear]

        def run(*flat):
            given = iter(eval_closed(program, *flat))
            cts = [next(given) if is_own else Zero.of(aval) for is_own, aval in zip(own, avals)]
            return [instantiate_zeros(ct) for ct, a in zip(cts, in_active) if a]

        found = program.cache[key] = trace_to_jaxpr(run, program.in_avals, program.debug_info)
    return found


def answering(branch: ClosedJaxpr, written: tuple, carry: bool) -> ClosedJaxpr:
    """A branch without references that answers also those values that other branches write."""
    program, own = discharged(branch, carry)
    if own == written:
        return program
    key = "answering", written
    found = program.cache.get(key)
    if found is None:
        jaxpr = program.jaxpr
        m = len(jaxpr.outvars) - len(own)
        last = dict(zip(own, jaxpr.outvars[m:]))
        found = program.cache[key] = with_outputs(program, [*jaxpr.outvars[:m], *(last.get(i, jaxpr.invars[i]) for i in written)])
    return found


def share_slots(avals_by_branch):
    """Places for the residuals of several branches, of which only one runs: equal types share a place.

    Returns
    -------
    slots : list of types
    places : for each branch the slot of each of its residuals
    """
    slots: list = []
    places = []
    for avals in avals_by_branch:
        free: dict = {}
        for i, aval in enumerate(slots):
            free.setdefault(aval, []).append(i)
        place = []
        for aval in avals:
            if free.get(aval):
                place.append(free[aval].pop(0))
            else:
                place.append(len(slots))
                slots.append(aval)
        places.append(place)
    return slots, places


def use_free_slots(residuals_by_branch, avals, slots, places) -> list[dict[int, int]]:
    """Operands that are residuals, put in slots that only other branches fill: one value less to be kept.

    Inside a loop an operand that is kept is stacked, while a slot is stacked anyway.

    Returns
    -------
    for each branch the slot of each operand that is handed on in one
    """
    moved: list[dict[int, int]] = [{} for _ in places]
    taken = [set(place) for place in places]
    for i, aval in enumerate(avals):
        found = {}
        for b, residuals in enumerate(residuals_by_branch):
            if ("in", i) in residuals:
                found[b] = next((k for k, a in enumerate(slots) if a is aval and k not in taken[b]), None)
        if found and None not in found.values():    # else it must be kept for some branch, and so serves all
            for b, k in found.items():
                moved[b][i] = k
                taken[b].add(k)
    return moved


def joined_residuals(branches, wanted, known_ins, known_outs, extra, n_rest: int):
    """Branches that take the residuals of all, each of which reads its own.

    Parameters
    ----------
    branches : programs from own residuals ++ ``n_rest`` other inputs
    wanted : for each branch where its residuals come from: ("in" | "out" | "extra", number)
    known_ins, known_outs, extra : variables for these

    Returns
    -------
    residuals : variables
    branches : programs from these ++ other inputs
    """
    sources = {source: i for i, source in enumerate(dict.fromkeys(x for w in wanted for x in w))}
    atoms = {"in": known_ins, "out": known_outs, "extra": extra}
    residuals = [atoms[kind][i] for kind, i in sources]
    avals = [v.aval for v in residuals]
    return residuals, tuple([with_inputs_at(b, [sources[x] for x in w], avals, n_rest) for b, w in zip(branches, wanted)])


def fill_slots(branch: ClosedJaxpr, n_outs: int, slots, place, moved) -> ClosedJaxpr:
    """A branch that answers, after its ``n_outs`` results, all slots: its residuals in their places, zeros elsewhere."""
    if place == list(range(len(slots))):
        return branch
    key = "slots", n_outs, tuple(slots), tuple(place), tuple(moved.items())
    found = branch.cache.get(key)
    if found is None:
        def run(*flat):
            results = eval_closed(branch, *flat)
            filled = dict(zip(place, results[n_outs:]))
            filled.update((k, flat[i]) for i, k in moved.items())
            return results[:n_outs] + [filled[i] if i in filled else blank(aval, flat) for i, aval in enumerate(slots)]

        found = trace_to_jaxpr(run, branch.in_avals, branch.debug_info)
        remember(branch.cache, key, found)
    return found


def blank(aval, operands):
    """Any value of a type, for a place that nobody will read."""
    if not dtypes.is_extended(aval.dtype):
        return instantiate_zeros(Zero(aval))
    for x in operands:                          # keys cannot be made of nothing: repeat one that is at hand
        if aval_of(x).dtype == aval.dtype and aval_of(x).shape == aval.shape:
            return x
    raise NotImplementedError(f"cond: a residual of type {aval.str_short()} cannot be given by the branches that have none")


def with_inputs_at(branch: ClosedJaxpr, wanted, avals, n_rest: int) -> ClosedJaxpr:
    """``branch``, whose first inputs are number ``wanted`` of a list of types, as a program that takes all of them."""
    jaxpr = branch.jaxpr
    invars = [Var(a) for a in avals]
    for old, i in zip(jaxpr.invars, wanted):
        invars[i] = old
    rest = jaxpr.invars[len(jaxpr.invars) - n_rest:]
    names = jaxpr.debug_info.arg_names
    if names is not None:
        names = ("a closed-over value",) * len(avals) + names[len(names) - n_rest:]
    return ClosedJaxpr(Jaxpr(jaxpr.constvars, [*invars, *rest], jaxpr.outvars, jaxpr.eqns, jaxpr.effects,
                             jaxpr.debug_info._replace(arg_names=names)), branch.consts)


# --- for the user ---------------------------------------------------------------------------------

_NOTHING = object()


@api_boundary
def cond(pred, true_fun, false_fun, *operands, operand=_NOTHING, linear=None):
    """``true_fun(*operands)`` if ``pred`` is true, else ``false_fun(*operands)``.

    Parameters
    ----------
    pred : boolean scalar (a number counts as true if it is not zero)
    true_fun, false_fun : callables whose results have the same structure, shapes and dtypes
    *operands : pytrees of arrays, given to the function that runs
    operand : the one operand, in an older form of the call
    linear : pytree of bools like the operands, of an older form of the call; ignored

    Returns
    -------
    the result of the function that runs

    Raises
    ------
    TypeError : if the results of the two functions differ in structure, shape or dtype; says where.

    Notes
    -----
    Both functions are traced, one runs; under ``vmap`` with a mapped ``pred`` both run. The old form
    ``cond(pred, true_operand, true_fun, false_operand, false_fun)`` works too.

    Examples
    --------
    >>> cond(True, lambda x: x + 1, lambda x: x - 1, 3)
    Array(4, dtype=int32, weak_type=True)
    """
    if not (callable(true_fun) and callable(false_fun)):
        if len(operands) == 2 and callable(false_fun) and callable(operands[1]):
            true_operand, true_fun, (false_operand, false_fun) = true_fun, false_fun, operands
            first, second = true_fun, false_fun
            return cond(pred, lambda pair: first(pair[0]), lambda pair: second(pair[1]), (true_operand, false_operand))
        raise TypeError("lax.cond: true_fun and false_fun arguments should be callable.")
    if operand is not _NOTHING:
        if operands:
            raise TypeError("if 'operand' keyword is passed then no positional operands can be passed, got operand and "
                            f"positional operands {operands}")
        operands = (operand,)
    if linear is not None and tree_structure(linear) != tree_structure(tuple(operands)) and tree_structure((linear,)) != tree_structure(
            tuple(operands)):
        raise TypeError("lax.cond: linear must have the structure of the operands, got "
                        f"{tree_structure(linear)} for {tree_structure(tuple(operands))}")
    index = predicate(pred)
    if config.disable_jit.value and not isinstance(index, Tracer):
        return true_fun(*operands) if bool(index) else false_fun(*operands)
    return branch_on(index, (false_fun, true_fun), operands, "cond", ("false_fun", "true_fun"))


@api_boundary
def switch(index, branches, *operands, operand=_NOTHING):
    """``branches[index](*operands)``, with ``index`` clamped to the branches there are.

    Parameters
    ----------
    index : integer scalar
    branches : sequence of callables whose results have the same structure, shapes and dtypes
    *operands : pytrees of arrays
    operand : the one operand, in an older form of the call

    Returns
    -------
    the result of the branch that runs

    Raises
    ------
    ValueError : if there are no branches.
    TypeError : if ``index`` is not an integer scalar, or the results differ in structure, shape or dtype; says where.
    """
    branches = tuple(branches)
    if not all(map(callable, branches)):
        raise TypeError("lax.switch: branches argument should be a sequence of callables.")
    if operand is not _NOTHING:
        if operands:
            raise TypeError("if 'operand' keyword is passed then no positional operands can be passed, got operand and "
                            f"positional operands {operands}")
        operands = (operand,)
    try:
        aval = aval_of(index)
    except TypeError:
        raise TypeError(f"switch: Index must be an integer scalar, got {type(index).__name__}") from None
    if aval.shape != ():
        raise TypeError(f"Branch index must be scalar, got {aval.str_short(False)}.")
    if not dtypes.issubdtype(aval.dtype, np.integer):
        raise TypeError(f"Index type must be an integer, got {aval.str_short(False)}.")
    if not branches:
        raise ValueError("Empty branch sequence")
    if len(branches) == 1:
        return branches[0](*operands)
    if config.disable_jit.value and not isinstance(index, Tracer):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    index = clamp(np.int32(0), convert(index, np.dtype(np.int32)), np.int32(len(branches) - 1))
    names = tuple(f"branch {i}" for i in range(len(branches)))
    return branch_on(index, branches, operands, "switch", names)


def predicate(pred):
    """``pred`` as an int32 index: 0 or 1."""
    try:
        aval = aval_of(pred)
    except TypeError:
        raise TypeError(f"Pred type must be either boolean or number, got {pred!r} of type {type(pred).__name__}.") from None
    if aval.shape != ():
        raise TypeError(f"Pred must be a scalar, got {aval.str_short(False)}: an array of truth values. Use jnp.where(pred, x, y) "
                        "to choose element by element, jnp.any or jnp.all to make one of many, or vmap.")
    if dtypes.kind_of(aval.dtype) not in "biuf":
        raise TypeError(f"Pred type must be either boolean or number, got {aval.str_short(False)}.")
    if aval.dtype != np.bool_:
        pred = ne(pred, aval.dtype.type(0))
    return convert(pred, np.dtype(np.int32))


def branch_on(index, branches, operands, name: str, names, primitive=None, **extra):
    """Trace the branches, make them alike, and bind `cond_p` or the given primitive."""
    leaves, avals, tree = flatten_arrays(operands, name, "operands")
    if varying_of(index):                       # devices may differ in the branch they take: what must be added up is, outside
        leaves = [cast_to(x, varying_of(index)) for x in leaves]
        avals = avals_of(leaves)
    traced = [trace_function(f, tree, avals, name) for f in branches]
    out_tree = traced[0].out_tree
    for other, other_name in zip(traced[1:], names[1:]):
        if other.out_tree != out_tree:
            raise TypeError(f"{name}: {names[0]} and {other_name} output must have same type structure, but they differ.\n"
                            + explain_mismatch(out_tree, other.out_tree, root="result",
                                               names=(_called(traced[0], names[0]), _called(other, other_name))))
    closeds = [t.closed for t in traced]
    check_results(closeds, traced, out_tree, name, names)
    wanted = [varying_of(index).union(*(aval.varying for aval in avals)) for avals in zip(*(b.out_avals for b in closeds))]
    closeds = [with_varying_outputs(b, wanted) for b in closeds]
    consts, closeds = join_consts(closeds, [t.consts for t in traced])
    outs = (primitive or cond_p).bind(index, *consts, *leaves, branches=tuple(closeds), **extra)
    return tree_unflatten(out_tree, outs)


def _called(traced, name: str) -> str:
    return f"{name} {described(traced.closed.debug_info)}"


def check_results(closeds, traced, out_tree, name: str, names) -> None:
    """Check that the branches' results have the same types."""
    first = closeds[0]
    for other, other_traced, other_name in zip(closeds[1:], traced[1:], names[1:]):
        if all(map(same_type, first.out_avals, other.out_avals)):
            continue
        paths = [keystr(p) for p, _ in tree_flatten_with_path(tree_unflatten(out_tree, range(out_tree.num_leaves)))[0]]
        lines = [f"  result{path}  is {a.str_short(False)} in {names[0]} and {b.str_short(False)} in {other_name}"
                 for path, a, b in zip(paths, first.out_avals, other.out_avals) if not same_type(a, b)]
        raise TypeError(f"{name}: {names[0]} and {other_name} output must have identical types, but they differ.\n"
                        + "\n".join(lines) + f"\n{names[0]} is {described(traced[0].closed.debug_info)}, {other_name} is "
                        f"{described(other_traced.closed.debug_info)}. Give both results the same shape and dtype, for example "
                        "with .astype or jnp.broadcast_to. See docs/errors/cond-branches.md")


def join_consts(closeds, consts_by_branch):
    """Branches that all take the constants of all, each value once.

    Returns
    -------
    consts : values
    closeds : branches whose leading inputs are these
    """
    consts: list = []
    where: dict[int, int] = {}
    for values in consts_by_branch:
        for c in values:
            if id(c) not in where:
                where[id(c)] = len(consts)
                consts.append(c)
    if not consts:
        return consts, closeds
    avals = [aval_of(c) for c in consts]
    joined = []
    for closed, values in zip(closeds, consts_by_branch):
        wanted = [where[id(c)] for c in values]
        if wanted == list(range(len(consts))):
            joined.append(closed)
            continue
        joined.append(intern_jaxpr(with_inputs_at(closed, wanted, avals, len(closed.jaxpr.invars) - len(values))))
    return consts, joined
