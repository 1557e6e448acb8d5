"""`while_p`: repeat while a condition holds; ``while_loop`` and ``fori_loop`` for the user.

Operands are ``cond_consts ++ body_consts ++ carry``, results the last carry. How often the body runs is not known
beforehand, so nothing can be kept for a backward pass: reverse mode is refused, with the ways out. A
``fori_loop`` whose bounds are known is a `scan` instead, which has no such limit.
"""

from __future__ import annotations

import numpy as np

from ferax._src.control.loops_common import check_carry, promote_carry
from ferax._src.control.scan_api import bind_scan, unroll_steps
from ferax._src.control.tracing_utils import (
    described, eqn_like, fixpoint, flatten_arrays, joined_aval, rewired, trace_function)
from ferax._src.control.varying import with_varying_outputs
from ferax._src.ir.dce import dce_closed, keeps_alive
from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Var, join_effects
from ferax._src.ops.axes import place_axis
from ferax._src.ops.broadcasting import broadcast_in_dim
from ferax._src.ops.compare import lt
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import add
from ferax._src.ops.reduce import reduce_or
from ferax._src.ops.refs import ProgramCaller, check_aliases, discharged, values_of, write_back
from ferax._src.ops.select import select_n
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.tracing.core import Array, Tracer, Zero, register, remember
from ferax._src.tracing.refs import Ref
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.transforms.batch import batch_jaxpr
from ferax._src.transforms.jvp import jvp_jaxpr
from ferax._src.transforms.split import split_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.promotion import combine
from ferax._src.types.pytrees import tree_structure, tree_unflatten, treedef_tuple
from ferax._src.types.symbolic_dims import as_value, is_symbolic_dim
from ferax._src.util import config
from ferax._src.util.lists import split_exactly
from ferax._src.util.tracebacks import api_boundary

_LEAF = tree_structure(0)

REVERSE_MODE = (
    "Reverse-mode differentiation does not work for lax.while_loop, or for lax.fori_loop with bounds that are computed: how "
    "many values a backward pass would need is not known when the program is compiled. Use lax.scan (a fixed number of "
    "steps, perhaps with lax.cond inside to stop early), lax.fori_loop with bounds that are Python integers, forward mode "
    "(jvp, jacfwd), or give the loop a derivative of its own with custom_vjp or lax.custom_root. See docs/errors/while-reverse.md")


class While(ProgramCaller):
    """Apply ``body_jaxpr`` to the carry while ``cond_jaxpr`` of it is true."""

    name = "while"

    def abstract_eval(self, *avals, cond_nconsts, cond_jaxpr, body_nconsts, body_jaxpr):
        (pred,) = cond_jaxpr.out_avals
        n = len(body_jaxpr.jaxpr.outvars)
        return [joined_aval((a, b, pred, out)) for a, b, out in zip(avals[len(avals) - n:], body_jaxpr.in_avals[body_nconsts:],
                                                                     body_jaxpr.out_avals)]

    def effects_of(self, *avals, cond_jaxpr, body_jaxpr, **params):
        return join_effects(cond_jaxpr.effects, body_jaxpr.effects)

    def lower(self, ctx, *values, cond_nconsts, cond_jaxpr, body_nconsts, body_jaxpr):
        cond_consts, body_consts, carry = _split(values, cond_nconsts, body_nconsts)
        return ctx.while_loop(carry, lambda *c: ctx.inline(cond_jaxpr, *cond_consts, *c)[0],
                              lambda *c: ctx.inline(body_jaxpr, *body_consts, *c),
                              join_effects(cond_jaxpr.effects, body_jaxpr.effects))

    def bind_refs(self, args, *, cond_nconsts, cond_jaxpr, body_nconsts, body_jaxpr):
        """References that the loop writes are carried."""
        cond_consts, body_consts, carry = _split(args, cond_nconsts, body_nconsts)
        check_aliases([*body_consts, *carry], body_jaxpr.debug_info)
        writes = [consts[i] for closed, consts in ((cond_jaxpr, cond_consts), (body_jaxpr, body_consts))
                  for i in discharged(closed)[1]]
        refs = list({id(ref): ref for ref in writes}.values())
        numbers = {id(ref): k for k, ref in enumerate(refs)}
        cond_places, body_places = ([numbers.get(id(x)) if type(x) is Ref else None for x in consts]
                                    for consts in (cond_consts, body_consts))
        cond, body, tested = loop_with_refs(cond_jaxpr, cond_places, body_jaxpr, body_places,
                                            tuple([ref.aval.inner_aval for ref in refs]))
        rest = [values_of([x for x, k in zip(consts, places) if k is None])
                for consts, places in ((cond_consts, cond_places), (body_consts, body_places))]
        state = [*values_of(refs), *carry]
        if tested is not None:                  # the condition writes: it is part of the step, and is asked once before
            state = eval_closed(tested, *rest[0], *state)
            rest = [[], [*rest[0], *rest[1]]]
        outs = self.bind(*rest[0], *rest[1], *state, cond_nconsts=len(rest[0]), cond_jaxpr=cond, body_nconsts=len(rest[1]),
                         body_jaxpr=body)
        outs = outs[tested is not None:]
        write_back(refs, range(len(refs)), outs[:len(refs)])
        return outs[len(refs):]

    def jvp(self, primals, tangents, *, cond_nconsts, cond_jaxpr, body_nconsts, body_jaxpr):
        _, consts, carry = _split([type(t) is not Zero for t in tangents], cond_nconsts, body_nconsts)
        n = body_nconsts + len(carry)

        def step(carry):
            return jvp_jaxpr(body_jaxpr, consts + carry, instantiate=carry)

        carry = fixpoint(lambda carry: step(carry)[1], carry)
        program, _ = step(carry)
        t_consts = range(n, n + sum(consts))
        t_carry = range(n + sum(consts), n + sum(consts) + sum(carry))
        body = rewired(program, [*range(body_nconsts), *t_consts, *range(body_nconsts, n), *t_carry])
        carry_avals = [a.to_tangent_aval() for a, is_active in zip(body_jaxpr.out_avals, carry) if is_active]
        cond = rewired(cond_jaxpr, [*range(len(cond_jaxpr.jaxpr.invars)), *carry_avals])
        cond_ps, body_ps, carry_ps = _split(primals, cond_nconsts, body_nconsts)
        _, body_ts, carry_ts = _split(tangents, cond_nconsts, body_nconsts)
        results = self.bind(
            *cond_ps, *body_ps, *(t for t in body_ts if type(t) is not Zero), *carry_ps,
            *(instantiate_zeros(t) for t, is_active in zip(carry_ts, carry) if is_active), cond_nconsts=cond_nconsts,
            cond_jaxpr=cond, body_nconsts=body_nconsts + sum(consts), body_jaxpr=body)
        outs, given = results[:len(carry)], iter(results[len(carry):])
        return outs, [next(given) if is_active else Zero.of(aval_of(out)) for is_active, out in zip(carry, outs)]

    def transpose(self, cts, *args, **params):
        raise ValueError(REVERSE_MODE)

    def batch(self, axis, args, dims, *, cond_nconsts, cond_jaxpr, body_nconsts, body_jaxpr):
        cond_dims, body_dims, carry_dims = _split(list(dims), cond_nconsts, body_nconsts)

        def cond_batched(carry):
            return batch_jaxpr(cond_jaxpr, [*cond_dims, *(0 if c else None for c in carry)], axis)

        def body_batched(carry):
            return batch_jaxpr(body_jaxpr, [*body_dims, *(0 if c else None for c in carry)], axis, force_out=carry)

        def step(carry):
            if cond_batched(carry)[1][0] is not None:
                return [True] * len(carry)      # each example stops in its own time, so all it carries is its own
            return [d is not None for d in body_batched(carry)[1]]

        carry = fixpoint(step, [d is not None for d in carry_dims])
        cond, (pred_dim,) = cond_batched(carry)
        body, _ = body_batched(carry)
        cond_consts, body_consts, init = _split(args, cond_nconsts, body_nconsts)
        init = [place_axis(x, d, axis.size, 0) if is_mapped else x for x, d, is_mapped in zip(init, carry_dims, carry)]
        out_dims = [0 if is_mapped else None for is_mapped in carry]
        if pred_dim is None:
            return self.bind(*cond_consts, *body_consts, *init, cond_nconsts=cond_nconsts, cond_jaxpr=cond,
                             body_nconsts=body_nconsts, body_jaxpr=body), out_dims
        some, each = masked_loop(cond, pred_dim, body, cond_nconsts, body_nconsts)
        consts = [*cond_consts, *body_consts]
        running = eval_closed(cond, *cond_consts, *init)
        results = self.bind(*consts, *running, *init, cond_nconsts=0, cond_jaxpr=some, body_nconsts=len(consts), body_jaxpr=each)
        return results[1:], out_dims

    def partial_eval(self, eqn: Eqn, unknown):
        params = eqn.params
        cond_jaxpr, body_jaxpr = params["cond_jaxpr"], params["body_jaxpr"]
        cond_u, body_u, carry_u = _split(list(unknown), params["cond_nconsts"], params["body_nconsts"])

        def step(carry):
            return split_jaxpr(body_jaxpr, body_u + carry, force_unknown_out=carry).out_unknown

        carry_u = fixpoint(step, carry_u)
        if any(cond_u) or split_jaxpr(cond_jaxpr, cond_u + carry_u).out_unknown[0] or all(carry_u):
            return [], [eqn], [True] * len(carry_u)
        # Values of single steps cannot be kept, there may be any number: the loop that waits runs everything again.
        first = self.dce(eqn, [not u for u in carry_u])
        outvars = [v if u else Var(v.aval) for v, u in zip(eqn.outvars, carry_u)]
        return [] if first is None else [first], [eqn.replace(outvars=outvars)], list(carry_u)

    def dce(self, eqn: Eqn, used):
        if not any(used) and not keeps_alive(eqn):
            return None
        params = eqn.params
        cond_jaxpr, body_jaxpr = params["cond_jaxpr"], params["body_jaxpr"]
        n_cond, n_body = params["cond_nconsts"], params["body_nconsts"]
        cond, cond_used = dce_closed(cond_jaxpr, (True,))

        def step(carry):
            return dce_closed(body_jaxpr, carry, (*[False] * n_body, *carry))

        carry = fixpoint(lambda carry: step(carry)[1][n_body:], [a or b for a, b in zip(used, cond_used[n_cond:])])
        body, body_used = step(carry)
        cond, cond_used = dce_closed(cond_jaxpr, (True,), (*[False] * n_cond, *carry))
        cond_vars, body_vars, carry_vars = _split(eqn.invars, n_cond, n_body)
        new = dict(params, cond_nconsts=sum(cond_used[:n_cond]), cond_jaxpr=cond, body_nconsts=sum(body_used[:n_body]),
                   body_jaxpr=body)
        invars = [v for v, u in zip([*cond_vars, *body_vars, *carry_vars],
                                    [*cond_used[:n_cond], *body_used[:n_body], *carry]) if u]
        return eqn_like(eqn, self, invars, [v for v, u in zip(eqn.outvars, carry) if u], new,
                        join_effects(cond.effects, body.effects))


while_p = register(While())


def _split(values, cond_nconsts: int, body_nconsts: int):
    return split_exactly(values, (cond_nconsts, body_nconsts, len(values) - cond_nconsts - body_nconsts))


def loop_with_refs(cond: ClosedJaxpr, cond_places, body: ClosedJaxpr, body_places, ref_avals: tuple):
    """A loop that carries the values of the references it writes.

    Parameters
    ----------
    cond, body : the programs, with references
    cond_places, body_places : for each constant the number of the reference that it is, or None for what is not carried
    ref_avals : types of the references' values

    Returns
    -------
    cond, body : programs of the loop that carries values ++ carry. Where the condition writes, the carry is led by its answer
    tested : None; where the condition writes, a program from its constants and what is carried to the answer and the same
    """
    key = "refs", cond, tuple(cond_places), tuple(body_places), ref_avals
    found = body.cache.get(key)
    if found is not None:
        return found
    (cond_program, cond_written), (body_program, body_written) = discharged(cond), discharged(body)
    n, n_cond, n_body = len(ref_avals), cond_places.count(None), body_places.count(None)

    def call(program, places, written, consts, values, carry):
        """The results, and the values of the references afterwards."""
        given = iter(consts)
        outs = eval_closed(program, *(next(given) if k is None else values[k] for k in places), *carry)
        m = len(outs) - len(written)
        values = list(values)
        for i, x in zip(written, outs[m:]):
            values[places[i]] = x
        return outs[:m], values

    def test(*flat):
        consts, values, carry = split_exactly(flat, (n_cond, n, len(flat) - n_cond - n))
        (pred,), values = call(cond_program, cond_places, cond_written, consts, values, carry)
        return [pred, *values, *carry]

    def step(*flat):
        consts, values, carry = split_exactly(flat, (n_body, n, len(flat) - n_body - n))
        carry, values = call(body_program, body_places, body_written, consts, values, carry)
        return [*values, *carry]

    def step_and_test(*flat):
        cond_consts, body_consts, (_,), rest = split_exactly(flat, (n_cond, n_body, 1, len(flat) - n_cond - n_body - 1))
        return test(*cond_consts, *step(*body_consts, *rest))

    state_avals = [*ref_avals, *body.in_avals[len(body_places):]]
    cond_avals = [a for a, k in zip(cond_program.in_avals, cond_places) if k is None]
    body_avals = [a for a, k in zip(body_program.in_avals, body_places) if k is None]
    cond_debug, body_debug = (closed.debug_info._replace(arg_names=None) for closed in (cond, body))
    if cond_written:
        pred_aval = cond.out_avals[0]
        found = (trace_to_jaxpr(lambda pred, *_: [pred], [pred_aval, *state_avals]),
                 trace_to_jaxpr(step_and_test, [*cond_avals, *body_avals, pred_aval, *state_avals], body_debug),
                 trace_to_jaxpr(test, [*cond_avals, *state_avals]))
    else:
        found = (trace_to_jaxpr(lambda *flat: test(*flat)[:1], [*cond_avals, *state_avals], cond_debug),
                 trace_to_jaxpr(step, [*body_avals, *state_avals], body_debug), None)
    remember(body.cache, key, found)
    return found


def masked_loop(cond: ClosedJaxpr, pred_dim: int, body: ClosedJaxpr, n_cond: int, n_body: int):
    """A mapped loop whose examples stop at different times: it runs while any goes on, and holds the others still.

    The carry is led by the mask of examples that go on, so the condition is computed once a step.
    """
    key = "masked", cond, pred_dim, n_cond, n_body
    found = body.cache.get(key)
    if found is not None:
        return found
    assert pred_dim == 0
    mask_aval = cond.out_avals[0]
    carry_avals = body.in_avals[n_body:]

    def some(mask, *carry):
        return [reduce_or(mask, (0,))]

    def each(*flat):
        cond_consts, body_consts, (mask,), carry = split_exactly(flat, (n_cond, n_body, 1, len(carry_avals)))
        stepped = eval_closed(body, *body_consts, *carry)
        new = [select_n(broadcast_in_dim(mask, aval.shape, (0,)), old, x)
               for old, x, aval in zip(carry, stepped, carry_avals)]
        return [*eval_closed(cond, *cond_consts, *new), *new]

    found = (trace_to_jaxpr(some, [mask_aval, *carry_avals], cond.debug_info._replace(arg_names=None)),
             trace_to_jaxpr(each, [*cond.in_avals[:n_cond], *body.in_avals[:n_body], mask_aval, *carry_avals],
                            body.debug_info._replace(arg_names=None)))
    remember(body.cache, key, found)
    return found


@api_boundary
def while_loop(cond_fun, body_fun, init_val):
    """Apply ``body_fun`` to a value while ``cond_fun`` of it is true.

    Parameters
    ----------
    cond_fun : callable, value -> bool scalar
    body_fun : callable, value -> value of the same structure, shapes and dtypes
    init_val : pytree of arrays

    Returns
    -------
    the last value

    Raises
    ------
    TypeError : if the condition is not a boolean scalar, or the body changes structure, shape or dtype of the value.

    Notes
    -----
    Forward-mode differentiation works; reverse mode does not (use `scan`, or `fori_loop` with known bounds).

    Examples
    --------
    >>> while_loop(lambda x: x < 100, lambda x: 2 * x, 3)
    Array(192, dtype=int32, weak_type=True)
    """
    if not (callable(body_fun) and callable(cond_fun)):
        raise TypeError("lax.while_loop: body_fun and cond_fun arguments should be callable.")
    if config.disable_jit.value:
        value = init_val
        while cond_fun(value):
            value = body_fun(value)
        return value
    init, avals, tree = flatten_arrays(init_val, "while_loop", "init_val")
    in_tree = treedef_tuple((tree,))
    body, body_consts, out_tree = trace_function(body_fun, in_tree, avals, "while_loop")
    while out_tree == tree and (promoted := promote_carry(init, avals, body.out_avals)) is not None:
        init, avals = promoted
        body, body_consts, out_tree = trace_function(body_fun, in_tree, avals, "while_loop")
    check_carry("while_loop", described(body.debug_info), "value", tree, avals, out_tree, body.out_avals,
                "docs/errors/scan-carry.md")
    cond, cond_consts, pred_tree = trace_function(cond_fun, in_tree, avals, "while_loop")
    if pred_tree.num_leaves != 1 or pred_tree.num_nodes != 1:
        raise TypeError(f"while_loop: cond_fun must return a boolean scalar, but got pytree {pred_tree} from "
                        f"{described(cond.debug_info)}.")
    (pred,) = cond.out_avals
    if pred.shape != () or pred.dtype != np.bool_:
        raise TypeError(f"while_loop: cond_fun must return a boolean scalar, but got output type {pred.str_short(False)} from "
                        f"{described(cond.debug_info)}. Compare, or reduce with jnp.all or jnp.any.")
    outs = while_p.bind(*cond_consts, *body_consts, *init, cond_nconsts=len(cond_consts), cond_jaxpr=cond,
                        body_nconsts=len(body_consts), body_jaxpr=body)
    return tree_unflatten(tree, outs)


@api_boundary
def fori_loop(lower, upper, body_fun, init_val, *, unroll=None):
    """Apply ``body_fun(i, value)`` for i from ``lower`` up to, and without, ``upper``.

    Parameters
    ----------
    lower, upper : integers
    body_fun : callable (i, value) -> value of the same structure, shapes and dtypes
    init_val : pytree of arrays
    unroll : int or bool; how many steps to write in one turn. If more than one, the bounds must be known

    Returns
    -------
    the last value; ``init_val`` if there is no step

    Notes
    -----
    With bounds that are known while tracing this is a `scan`, and can be differentiated in reverse mode.

    Examples
    --------
    >>> fori_loop(0, 5, lambda i, total: total + i, 0)
    Array(10, dtype=int32, weak_type=True)
    """
    if not callable(body_fun):
        raise TypeError("lax.fori_loop: body_fun argument should be callable.")
    lower, upper, index_aval = _bounds(lower, upper)
    static = isinstance(lower, int) and isinstance(upper, int)
    if not static and unroll is not None and unroll_steps(unroll, 2) != 1:
        raise ValueError("fori_loop: can only use `unroll` when the loop bounds are statically known.")
    if config.disable_jit.value:
        value = init_val
        for i in range(int(lower), int(upper)):
            value = body_fun(convert(i, index_aval.dtype, index_aval.weak_type), value)
        return value
    init, avals, tree = flatten_arrays(init_val, "fori_loop", "init_val")
    in_tree = treedef_tuple((_LEAF, tree))
    traced = trace_function(body_fun, in_tree, [index_aval, *avals], "fori_loop")
    while traced.out_tree == tree and (promoted := promote_carry(init, avals, traced.closed.out_avals)) is not None:
        init, avals = promoted
        traced = trace_function(body_fun, in_tree, [index_aval, *avals], "fori_loop")
    closed, consts, out_tree = traced
    check_carry("fori_loop", described(closed.debug_info), "value", tree, avals, out_tree, closed.out_avals,
                "docs/errors/scan-carry.md")
    closed = with_varying_outputs(closed, [a.varying for a in avals])
    body = counting_body(closed, len(consts))
    start = convert(lower, index_aval.dtype, index_aval.weak_type)
    if static:
        length = max(upper - lower, 0)
        outs = bind_scan(body, consts, [start, *init], [], length=length,
                         unroll=1 if unroll is None else unroll_steps(unroll, length))
    else:
        stop = convert(upper, index_aval.dtype, index_aval.weak_type)
        cond = _below(aval_of(stop), tuple(body.out_avals))
        outs = while_p.bind(stop, *consts, start, *init, cond_nconsts=1, cond_jaxpr=cond, body_nconsts=len(consts),
                            body_jaxpr=body)
    return tree_unflatten(tree, outs[1:])


def _bounds(lower, upper):
    """The bounds, as Python ints where their values are known, and the type of the counter."""
    values, avals = [], []
    for name, bound in (("lower", lower), ("upper", upper)):
        if isinstance(bound, bool):
            bound = int(bound)
        if is_symbolic_dim(bound):
            bound = as_value(bound)
        try:
            aval = aval_of(bound)
        except TypeError:
            if not hasattr(bound, "__index__"):
                raise TypeError(f"fori_loop: the {name} bound must be an integer, got {type(bound).__name__}") from None
            bound = bound.__index__()
            aval = aval_of(bound)
        if aval.shape != () or not dtypes.issubdtype(aval.dtype, np.integer):
            raise TypeError(f"fori_loop: the {name} bound must be an integer scalar, got {aval.str_short(False)}. "
                            "lower and upper arguments to fori_loop must have integer types.")
        known = not isinstance(bound, Tracer)
        values.append(int(bound) if known else bound)
        avals.append(aval)
    strong = {a.dtype for a in avals if not a.weak_type}
    if not strong and all(isinstance(v, int) for v in values):     # nothing but numbers: the counter is one, too
        return *values, aval_of(max(values, key=abs))
    if len(strong) > 1:
        raise TypeError("lower and upper arguments to fori_loop must have equal types, got "
                        + " and ".join(a.str_short(False) for a in avals))
    dtype, _ = combine(*[(a.dtype, a.weak_type) for a in avals])
    return *values, ShapedArray((), dtype, avals[0].weak_type and avals[0].dtype == dtype)      # it counts on from ``lower``


def counting_body(closed: ClosedJaxpr, n_consts: int) -> ClosedJaxpr:
    """From a step ``consts, i, value -> value`` one that counts: ``consts, i, value -> i + 1, value``."""
    found = closed.cache.get("counting")
    if found is None:
        def run(*flat):
            i = flat[n_consts]
            return [add(i, _one(i)), *eval_closed(closed, *flat)]

        found = closed.cache["counting"] = trace_to_jaxpr(run, closed.in_avals, closed.debug_info)
    return found


def _one(i: Array):
    return 1 if i.aval.weak_type else i.aval.dtype.type(1)


_below_cache: dict = {}


def _below(stop_aval, carry_avals) -> ClosedJaxpr:
    """The condition of a counting loop: ``stop, i, ... -> i < stop``."""
    key = stop_aval, carry_avals
    found = _below_cache.get(key)
    if found is None:
        found = trace_to_jaxpr(lambda stop, i, *_: [lt(i, stop)], [stop_aval, *carry_avals])
        remember(_below_cache, key, found)
    return found
