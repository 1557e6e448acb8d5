"""`custom_vmap`: a function with a batching rule of its own; `sequential_vmap`, whose rule is a loop.

The function becomes a ``custom_vmap_call`` equation. Under ``vmap`` the user's rule runs instead of the
function's operations. Under differentiation the rule is differentiated too; where partial evaluation cuts the
call, in reverse mode, its operations stand for themselves.
"""

from __future__ import annotations

import functools

from ferax._src.control.call import jit_p, jit_params
from ferax._src.control.custom_common import CustomFunction, positional
from ferax._src.control.custom_jvp import transpose_call
from ferax._src.control.map import map as lax_map
from ferax._src.control.tracing_utils import describe_function, eqn_like, flatten_arrays, trace_function
from ferax._src.ir.jaxpr import Eqn
from ferax._src.ops.axes import move_axis, place_axis
from ferax._src.ops.convert import as_array
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.ops.program_holder import ProgramHolder
from ferax._src.tracing.core import Zero, register
from ferax._src.transforms.batch import batch_jaxpr
from ferax._src.transforms.jvp import jvp_flat, jvp_jaxpr
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import (
    broadcast_prefix, explain_mismatch, tree_flatten, tree_leaves, tree_map, tree_unflatten)
from ferax._src.util.tracebacks import api_boundary


class custom_vmap(CustomFunction):                          # noqa: N801 (JAX's name)
    """A function whose behaviour under ``vmap`` is given by a rule.

    Parameters
    ----------
    fun : callable

    Examples
    --------
    >>> @custom_vmap
    ... def f(x, y):
    ...     return x + y
    >>> @f.def_vmap
    ... def f_vmap_rule(axis_size, in_batched, xs, ys):
    ...     return xs + ys, True
    """

    vmap_rule = None

    def __init__(self, fun):
        super().__init__(fun)

    def def_vmap(self, vmap_rule):
        """Set the rule, ``vmap_rule(axis_size, in_batched, *args) -> (out, out_batched)``; works as a decorator.

        Mapped arguments have the mapped axis first. ``in_batched`` and ``out_batched`` say for each leaf whether it is.
        """
        self.vmap_rule = vmap_rule
        return vmap_rule

    @api_boundary
    def __call__(self, *args, **kwargs):
        if self.vmap_rule is None:
            raise AttributeError(f"No batching rule defined for custom_vmap function {describe_function(self.fun)} using def_vmap.")
        if kwargs or self.fills_in:
            args = positional(self.fun, args, kwargs)
        leaves, avals, tree = flatten_arrays(tuple(args), f"custom_vmap {describe_function(self.fun)}", "argument")
        call, consts, out_tree = trace_function(self.fun, tree, avals, "custom_vmap")
        rule = _rule_of(self, tree, out_tree, len(consts))
        outs = custom_vmap_p.bind(*consts, *leaves, call=call, rule=rule, in_tree=tree, out_tree=out_tree)
        return tree_unflatten(out_tree, outs)


@functools.lru_cache(1024)
def _rule_of(owner: custom_vmap, in_tree, out_tree, n_consts: int) -> FlatRule:
    return FlatRule(owner, in_tree, out_tree, n_consts)


class FlatRule:
    """The user's rule on flat values: (axis, batched flags, values with the mapped axis first) -> values, flags."""

    def __init__(self, owner: custom_vmap, in_tree, out_tree, n_consts: int):
        self.owner = owner
        self.in_tree = in_tree
        self.out_tree = out_tree
        self.n_consts = n_consts

    def primal_flags(self, batched):
        """Which arguments of the user's function are mapped."""
        return batched

    def __call__(self, axis, batched, values):
        name = describe_function(self.owner.vmap_rule)
        if any(batched[:self.n_consts]):
            raise NotImplementedError(f"custom_vmap: {describe_function(self.owner.fun)} closes over a value that is mapped, but its "
                                      "rule only knows its arguments. Pass the value as an argument.")
        args = tree_unflatten(self.in_tree, values[self.n_consts:])
        flags = tree_unflatten(self.in_tree, batched[self.n_consts:])
        result = self.owner.vmap_rule(axis.size, list(flags), *args)
        if not isinstance(result, (list, tuple)) or len(result) != 2:
            raise TypeError(f"custom_vmap: the rule {name} must return a pair (out, out_batched), got {type(result).__name__}.")
        out, out_batched = result
        outs, tree = tree_flatten(out)
        if tree != self.out_tree:
            raise ValueError("structure of output value from custom vmap rule does not match the structure of the function's.\n"
                             + explain_mismatch(self.out_tree, tree, names=("the result of the function", "that of the rule")))
        try:
            out_flags = broadcast_prefix(out_batched, out)
        except ValueError as error:
            raise ValueError("structure of output batching specification from custom vmap rule does not match that of its output: "
                             f"{error}") from None
        return [as_array(x) for x in outs], [bool(b) for b in out_flags]


class JVPRule:
    """The derivative of a flat rule, as a rule for primals and tangents."""

    def __init__(self, inner, n: int, active: tuple, out_active: tuple):
        self.inner = inner
        self.n = n
        self.active = active
        self.out_active = out_active

    def primal_flags(self, batched):
        return self.inner.primal_flags(batched[:self.n])

    def __call__(self, axis, batched, values):
        given = iter(zip(values[self.n:], batched[self.n:]))
        primals, tangents, flags = list(values[:self.n]), [], list(batched[:self.n])
        for i, is_active in enumerate(self.active):
            t, t_batched = next(given) if is_active else (None, False)
            if is_active and t_batched != flags[i]:          # a value and its tangent are mapped together
                if t_batched:
                    primals[i] = place_axis(primals[i], None, axis.size, 0)
                    flags[i] = True
                else:
                    t = place_axis(t, None, axis.size, 0)
            tangents.append(t)
        out_flags: list = []

        def run(*flat):
            outs, out_flags[:] = self.inner(axis, flags, list(flat))
            return outs

        outs, out_tangents = jvp_flat(run, primals, tangents)
        active_tangents = [(instantiate_zeros(t), f) for t, f, a in zip(out_tangents, out_flags, self.out_active) if a]
        return [*outs, *(t for t, _ in active_tangents)], [*out_flags, *(f for _, f in active_tangents)]


class CustomVmap(ProgramHolder):
    """Run ``call``; mapped by ``rule``."""

    name = "custom_vmap_call"
    program = "call"

    def lower(self, ctx, *values, call, **params):
        return ctx.inline(call, *values)

    def jvp(self, primals, tangents, *, call, rule, in_tree, out_tree):
        active = tuple([type(t) is not Zero for t in tangents])
        program, out_active = jvp_jaxpr(call, active)
        results = self.bind(*primals, *(t for t in tangents if type(t) is not Zero), call=program,
                            rule=JVPRule(rule, len(primals), active, out_active), in_tree=in_tree, out_tree=out_tree)
        n = len(out_active)
        given = iter(results[n:])
        return results[:n], [next(given) if a else Zero.of(aval_of(x)) for a, x in zip(out_active, results)]

    def transpose(self, cts, *args, call, **params):
        return transpose_call(call, cts, args)

    def batch(self, axis, args, dims, *, call, rule, in_tree, out_tree):
        values = [x if d is None else move_axis(x, d, 0) for x, d in zip(args, dims)]
        batched = [d is not None for d in dims]
        if not any(batched):                    # only the axis name concerns it
            program, out_dims = batch_jaxpr(call, dims, axis)
            return jit_p.bind(*args, **jit_params(program, name="custom_vmap", inline=True)), out_dims
        if not any(rule.primal_flags(batched)):
            # Tangents alone are mapped, so the function itself is not.
            program, out_dims = batch_jaxpr(call, dims, axis)
            return jit_p.bind(*args, **jit_params(program, name="custom_vmap", inline=True)), out_dims
        outs, flags = rule(axis, batched, values)
        return outs, [0 if f else None for f in flags]

    def partial_eval(self, eqn: Eqn, unknown):
        plain = eqn_like(eqn, jit_p, eqn.invars, eqn.outvars, jit_params(eqn.params["call"], name="custom_vmap"), eqn.effects)
        return jit_p.partial_eval(plain, unknown)  # type: ignore[attr-defined]


custom_vmap_p = register(CustomVmap())


def sequential_vmap(f):
    """A `custom_vmap` of ``f`` that does the examples one after the other, with `lax.map`.

    Parameters
    ----------
    f : callable

    Returns
    -------
    callable
    """
    mapped = custom_vmap(f)

    @mapped.def_vmap
    def rule(axis_size, in_batched, *args):
        leaves, tree = tree_flatten(args)
        flags = tree_leaves(in_batched)
        rows = [x for x, b in zip(leaves, flags) if b]

        def one(row):
            given = iter(row)
            return f(*tree_unflatten(tree, [next(given) if b else x for x, b in zip(leaves, flags)]))

        out = lax_map(one, rows)
        return out, tree_map(lambda _: True, out)

    return mapped
