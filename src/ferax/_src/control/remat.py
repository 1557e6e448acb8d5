"""`checkpoint` (rematerialisation): keep little of the forward pass, and compute it again in the backward pass.

The function becomes one ``checkpoint`` equation. Its derivative is that of its program; where partial evaluation cuts
it, only what the policy allows is handed from the first half to the second, which does the rest again. In the
program that is compiled the second half stands behind an optimization barrier: otherwise the compiler would notice
that it has seen these computations before, and keep their results after all.
"""

from __future__ import annotations

import functools
from operator import is_ as _is

from ferax._src.control import checkpoint_policies
from ferax._src.control.barrier import barrier_of
from ferax._src.control.call import again_call
from ferax._src.control.custom_refs import RefCarrier
from ferax._src.control.tracing_utils import eqn_like, flatten_arrays, function_name, trace_function
from ferax._src.ir.dce import dce_closed, keeps_alive
from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Var
from ferax._src.ops.convert import as_array
from ferax._src.ops.refs import check_aliases, discharged, values_of, write_back
from ferax._src.tracing.core import Array, Primitive, Tracer, Zero, register, remember
from ferax._src.transforms.batch import batch_jaxpr
from ferax._src.transforms.jvp import jvp_jaxpr
from ferax._src.transforms.split import split_jaxpr
from ferax._src.transforms.transpose import transpose_jaxpr
from ferax._src.types.avals import ShapedArray
from ferax._src.types.pytrees import tree_map, tree_unflatten
from ferax._src.util import errors
from ferax._src.util.caches import memoize
from ferax._src.util.tracebacks import api_boundary


class Checkpoint(RefCarrier):
    """Run ``jaxpr``; ``differentiated`` says that it is, or holds, a backward half that computes things again."""

    name = "checkpoint"

    def lower(self, ctx, *values, jaxpr, prevent_cse, differentiated, policy):
        if differentiated and prevent_cse:
            values = barrier_of(ctx, values)
        return ctx.inline(jaxpr, *values, scope="checkpoint")

    def bind_refs(self, args, *, jaxpr, carry=False, **params):
        check_aliases(args, jaxpr.debug_info)
        program, written = discharged(jaxpr, carry)
        m = len(jaxpr.jaxpr.outvars)
        outs = self.bind(*values_of(args), jaxpr=program, **params)
        write_back(args, written, outs[m:])
        return outs[:m]

    def jvp(self, primals, tangents, *, jaxpr, **params):
        program, out_active = jvp_jaxpr(jaxpr, [type(t) is not Zero for t in tangents])
        results = self.bind(*primals, *(t for t in tangents if type(t) is not Zero), jaxpr=program, **params)
        n = len(out_active)
        given = iter(results[n:])
        return results[:n], [next(given) if a else Zero.of(aval) for a, aval in zip(out_active, jaxpr.out_avals)]

    def transpose(self, cts, *args, jaxpr, prevent_cse, differentiated, policy):
        linear = [isinstance(x, ShapedArray) for x in args]
        program, in_active = transpose_jaxpr(jaxpr, linear, [type(ct) is not Zero for ct in cts])
        results = iter(self.bind(*(x for x in args if not isinstance(x, ShapedArray)), *(ct for ct in cts if type(ct) is not Zero),
                                 jaxpr=program, prevent_cse=prevent_cse, differentiated=True, policy=policy))
        answered = iter(in_active)
        return [(next(results) if next(answered) else Zero.of(x)) if is_linear else None for x, is_linear in zip(args, linear)]

    def batch(self, axis, args, dims, *, jaxpr, **params):
        program, out_dims = batch_jaxpr(jaxpr, dims, axis)
        return self.bind(*args, jaxpr=program, **params), out_dims

    def partial_eval(self, eqn: Eqn, unknown):
        params = eqn.params
        policy = params["policy"]
        if policy is None:
            split = split_jaxpr(params["jaxpr"], unknown, saveable=checkpoint_policies.nothing_saveable)
        else:
            split = split_jaxpr(under_policy(params["jaxpr"], policy), unknown, saveable=decision(policy))
        known_vars = [v for v, u in zip(eqn.invars, unknown) if not u]
        known_outs = [v for v, u in zip(eqn.outvars, split.out_unknown) if not u]
        results = [*known_outs, *map(Var, split.known.out_avals[len(known_outs):])]
        eqns = []
        if results or split.known.effects:
            eqns.append(eqn_like(eqn, self, known_vars, results, dict(params, jaxpr=split.known), split.known.effects))
        second = eqn_like(eqn, self, [*split.gather(known_vars, results), *(v for v, u in zip(eqn.invars, unknown) if u)],
                          [v for v, u in zip(eqn.outvars, split.out_unknown) if u],
                          dict(params, jaxpr=split.unknown, differentiated=True), split.unknown.effects)
        return eqns, [second], list(split.out_unknown)

    def rematerialize(self, eqn: Eqn, needed, saveable):
        """Inside of another `checkpoint`: the policy of that one decides what is kept of values that both compute again."""
        params = eqn.params
        parts = again_call(eqn, needed, saveable)
        first = eqn_like(eqn, self, eqn.invars, parts.results, dict(params, jaxpr=parts.split.first), eqn.effects)
        again = dict(params, jaxpr=parts.split.again, differentiated=True)
        return [first], [eqn_like(eqn, self, parts.residuals, parts.wanted, again, parts.split.again.effects)]

    def dce(self, eqn: Eqn, used):
        if not any(used) and not keeps_alive(eqn):
            return None
        program, used_ins = dce_closed(eqn.params["jaxpr"], used)
        return eqn_like(eqn, self, [v for v, u in zip(eqn.invars, used_ins) if u], [v for v, u in zip(eqn.outvars, used) if u],
                        dict(eqn.params, jaxpr=program), program.effects)


checkpoint_p = register(Checkpoint())
remat_p = checkpoint_p


@memoize
def decision(policy):
    """A policy as `split_jaxpr` takes it: the same object for the same policy, since it is a cache key."""
    def keep(primitive, *avals, **params):
        answer = policy(primitive, *avals, **params)
        return answer if isinstance(answer, checkpoint_policies.Offloadable) else bool(answer)
    return keep


def under_policy(closed: ClosedJaxpr, policy) -> ClosedJaxpr:
    """A program whose inner `checkpoint` calls, at any depth, have the policy of the one around them.

    What the outer one keeps is at hand in the backward pass, so no inner one need compute it again.
    """
    key = "under policy", policy
    found = closed.cache.get(key)
    if found is None:
        eqns = [_under_policy(eqn, policy) for eqn in closed.eqns]
        same = all(a is b for a, b in zip(eqns, closed.eqns))
        found = closed if same else ClosedJaxpr(closed.jaxpr.replace(eqns=eqns), closed.consts)
        remember(closed.cache, key, found)
    return found


def _under_policy(eqn: Eqn, policy) -> Eqn:
    if not eqn.primitive.holds_jaxprs:
        return eqn
    new = {}
    for name, value in eqn.params.items():
        if isinstance(value, ClosedJaxpr):
            new[name] = under_policy(value, policy)
        elif isinstance(value, tuple) and value and all(isinstance(v, ClosedJaxpr) for v in value):
            new[name] = tuple([under_policy(v, policy) for v in value])
    if eqn.primitive is checkpoint_p and eqn.params["policy"] is not policy:
        new["policy"] = policy
    elif all(value is eqn.params[name] or isinstance(value, tuple) and all(map(_is, value, eqn.params[name]))
             for name, value in new.items()):
        return eqn
    return eqn.replace(params={**eqn.params, **new})


# --- names for policies ---------------------------------------------------------------------------

class Name(Primitive):
    """The operand, under a name that policies know it by."""

    name = "name"
    handles_extended_dtypes = True

    def abstract_eval(self, x, *, name):
        return [x]

    def lower(self, ctx, x, *, name):
        return [x]

    def jvp(self, primals, tangents, *, name):
        outs = self.bind(*primals, name=name)
        return outs, tangents if type(tangents[0]) is Zero else self.bind(*tangents, name=name)

    def transpose(self, cts, x, *, name):
        return list(cts)

    def batch(self, axis, args, dims, *, name):
        return self.bind(*args, name=name), dims


name_p = register(Name())


def checkpoint_name(x, name: str):
    """Name values, for policies such as ``checkpoint_policies.save_only_these_names``.

    Parameters
    ----------
    x : pytree of arrays
    name : str

    Returns
    -------
    pytree of the same values
    """
    return tree_map(lambda leaf: name_p.bind(leaf if isinstance(leaf, Array) else as_array(leaf), name=name)[0], x)


# --- for the user ---------------------------------------------------------------------------------

@api_boundary
def checkpoint(fun, *, prevent_cse: bool = True, policy=None, static_argnums=(), static_argnames=(), concrete=False):
    """``fun``, which under differentiation keeps little of its forward pass and computes it again when it is needed.

    Parameters
    ----------
    fun : callable
    prevent_cse : keep the compiler from joining the two computations. False is safe, and quicker to run, inside of `scan`
    policy : callable (primitive, *avals, **params) -> whether to keep the operation's results; see
        ``checkpoint_policies``. By default nothing is kept but the arguments
    static_argnums, static_argnames : arguments that are hashable values and not traced
    concrete : no longer supported; use ``static_argnums``

    Returns
    -------
    callable with the same results and the same derivatives

    Examples
    --------
    >>> loss = lambda w, x: layer(w, checkpoint(layer)(w, x)).sum()
    """
    if concrete is True:
        raise NotImplementedError("checkpoint: the option concrete=True is no longer supported. Use static_argnums for arguments "
                                  "that control flow depends on.")
    if not callable(fun):
        raise TypeError(f"checkpoint expects a function, got {type(fun).__name__}")
    if policy is not None and not callable(policy):
        raise TypeError(f"checkpoint: policy must be callable or None, got {type(policy).__name__}")
    argnums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    argnames = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    closures: dict = {}

    @functools.wraps(fun)
    @api_boundary
    def fun_remat(*args, **kwargs):
        f, args, kwargs = without_static(fun, argnums, argnames, args, kwargs, closures)
        leaves, avals, tree = flatten_arrays((args, kwargs), f"checkpoint of {function_name(fun)}", "arguments")
        closed, consts, out_tree = trace_function(f, tree, avals, "checkpoint", kwargs=True)
        outs = checkpoint_p.bind(*consts, *leaves, jaxpr=closed, prevent_cse=prevent_cse, differentiated=False, policy=policy)
        return tree_unflatten(out_tree, outs)

    return fun_remat


def remat(fun, *, prevent_cse: bool = True, policy=None, static_argnums=(), static_argnames=(), concrete=False):
    """The same as `checkpoint`."""
    return checkpoint(fun, prevent_cse=prevent_cse, policy=policy, static_argnums=static_argnums, static_argnames=static_argnames,
                      concrete=concrete)


def without_static(fun, argnums, argnames, args, kwargs, closures: dict):
    """A function of the arguments that are not static, and these; the function is the same for equal static values."""
    if not argnums and not argnames:
        return fun, args, kwargs
    numbers = {i + len(args) if i < 0 else i for i in argnums}
    if any(not 0 <= i < len(args) for i in numbers):
        raise ValueError(f"the `static_argnums` argument to checkpoint, {argnums}, names arguments that {function_name(fun)} was not "
                         f"given: it got {len(args)} positional arguments")
    static = {i: args[i] for i in sorted(numbers)}
    static_kw = {name: kwargs[name] for name in argnames if name in kwargs}
    for value in [*static.values(), *static_kw.values()]:
        if isinstance(value, Tracer):
            raise errors.ConcretizationTypeError(value, "it was given as a static argument of a function under checkpoint")
    n = len(args)

    def f(*rest, **kw):
        given = iter(rest)
        return fun(*(static[i] if i in static else next(given) for i in range(n)), **static_kw, **kw)

    try:
        f = closures.setdefault((n, *static.items(), *static_kw.items()), f)
    except TypeError:                           # a static argument that does not hash: traced anew at each call
        pass
    return (f, tuple([x for i, x in enumerate(args) if i not in static]),
            {name: x for name, x in kwargs.items() if name not in static_kw})
