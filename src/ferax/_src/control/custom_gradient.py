"""`custom_gradient`: value and gradient rule from one function. `closure_convert`: closed-over values as arguments."""

from __future__ import annotations

import functools

from ferax._src.control.custom_vjp import custom_vjp
from ferax._src.control.tracing_utils import avals_of, flatten_arrays, function_name, trace_function
from ferax._src.tracing.core import Tracer, is_active_dtype
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import (
    explain_mismatch, register_pytree_node, tree_flatten, tree_unflatten, treedef_is_leaf, treedef_tuple)
from ferax._src.util.tracebacks import api_boundary


class _Rule:
    """A traced gradient rule: what it closes over are its residuals."""

    def __init__(self, consts, program):
        self.consts = consts
        self.program = program                  # (closed jaxpr, structure of what it answers)


register_pytree_node(_Rule, lambda r: (tuple(r.consts), r.program), lambda program, consts: _Rule(list(consts), program))


@api_boundary
def custom_gradient(fun):
    """A function with its own gradient, given by a function that answers both the value and the rule.

    Parameters
    ----------
    fun : callable, answering ``(value, rule)`` with ``rule(ct) -> cotangents`` of the arguments: a tuple, or for one argument
        the cotangent alone

    Returns
    -------
    callable that answers the value

    Examples
    --------
    >>> @custom_gradient
    ... def f(x):
    ...     return x ** 2, lambda ct: (ct * x,)
    """
    @custom_vjp
    def wrapped(*args, **kwargs):
        return fun(*args, **kwargs)[0]

    def fwd(*args, **kwargs):
        ans, rule = fun(*args, **kwargs)
        leaves, tree = tree_flatten(ans)
        avals = [a.to_tangent_aval() for a in avals_of(leaves)]
        closed, consts, out_tree = trace_function(rule, treedef_tuple((tree,)), avals, "custom_gradient")
        return ans, _Rule(consts, (closed, out_tree))

    def bwd(rule, ct):
        closed, out_tree = rule.program
        cts = tree_unflatten(out_tree, eval_closed(closed, *rule.consts, *tree_flatten(ct)[0]))
        return (cts,) if treedef_is_leaf(out_tree) else cts

    wrapped.defvjp(fwd, bwd)
    functools.update_wrapper(wrapped, fun)
    return wrapped


@api_boundary
def closure_convert(fun, *example_args):
    """Make the values that a function closes over, and that may be differentiated, arguments of it.

    Parameters
    ----------
    fun : callable
    *example_args : pytrees of arrays with the types that ``fun`` will be called with

    Returns
    -------
    converted : callable ``(*args, *consts)`` with the same result
    consts : list of the values closed over

    Notes
    -----
    For functions with rules of their own that take functions as arguments: a rule knows arguments, not closures.
    """
    leaves, avals, tree = flatten_arrays(example_args, f"closure_convert of {function_name(fun)}", "example argument")
    closed, consts, out_tree = trace_function(fun, tree, avals, "closure_convert")
    hoist = [isinstance(c, Tracer) and is_active_dtype(aval_of(c).dtype) for c in consts]
    hoisted = [c for c, h in zip(consts, hoist) if h]

    def converted(*args):
        n = len(args) - len(hoisted)
        given, values = args[:n], iter(args[n:])
        flat, in_tree = tree_flatten(tuple(given))
        if in_tree != tree:
            raise TypeError(f"The inputs to the closure produced by closure_convert for {closed.debug_info.func_name} must have the "
                            "structure of the example arguments.\n"
                            + explain_mismatch(tree, in_tree, names=("the example arguments", "the arguments")))
        filled = [next(values) if h else c for c, h in zip(consts, hoist)]
        return tree_unflatten(out_tree, eval_closed(closed, *filled, *flat))

    return converted, hoisted
