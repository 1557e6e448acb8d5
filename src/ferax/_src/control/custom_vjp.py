"""`custom_vjp`: a function with a reverse derivative of its own.

``fwd`` computes the result and residuals, ``bwd`` turns residuals and the result's cotangent into cotangents of
the arguments. Reverse mode runs ``fwd`` forward and puts ``bwd`` on the tape. Staging writes a ``custom_vjp_call``
equation; its jvp is ``fwd`` and a ``custom_lin`` equation that stands for the unknown linear map, whose transpose
is ``bwd`` and which nothing can evaluate: forward mode is refused.
"""

from __future__ import annotations

import numpy as np

from ferax._src.control.custom_common import Arguments, CustomFunction, SymbolicZero, positional
from ferax._src.control.custom_refs import write_call, write_call_with_refs
from ferax._src.control.custom_jvp import refuse_const_tangents, transpose_call, without_leaves
from ferax._src.control.remat_opt import call_fwd
from ferax._src.control.tracing_utils import Remembered, avals_of, describe_function, same_type
from ferax._src.control.varying import summed_to
from ferax._src.ir.jaxpr import DebugInfo
from ferax._src.ops.axes import place_axis
from ferax._src.ops.broadcasting import reduce_sum
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.refs import ProgramCaller
from ferax._src.ops.zeros import accumulate, instantiate_zeros
from ferax._src.tracing.core import Array, Primitive, Tracer, Zero, eval_trace, is_active_dtype, register, remember, state
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.tracing.refs import Ref
from ferax._src.tracing.staging import JaxprTrace, hoist_consts, trace_to_jaxpr
from ferax._src.transforms.batch import batch_flat, batch_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import (
    broadcast_prefix, explain_mismatch, keystr, tree_flatten, tree_flatten_with_path, tree_leaves, tree_map, tree_unflatten)
from ferax._src.util import config
from ferax._src.util.tracebacks import api_boundary

FORWARD_MODE = (
    "can't apply forward-mode differentiation (jvp) to a custom_vjp function. It has only a reverse-mode rule: use grad or vjp, "
    "or give it a forward rule with custom_jvp, from which reverse mode follows. See docs/errors/custom-vjp-forward.md")


class CustomVJPPrimal:
    """An argument of a ``fwd`` rule with ``symbolic_zeros``: its value, and whether it is being differentiated."""

    __slots__ = ("value", "perturbed")

    def __init__(self, value, perturbed: bool):
        self.value = value
        self.perturbed = perturbed

    def __repr__(self) -> str:
        return f"CustomVJPPrimal(value={self.value!r}, perturbed={self.perturbed})"


def custom_vjp_primal_tree_values(tree):
    """The values in a tree of `CustomVJPPrimal`."""
    def value(leaf):
        if not isinstance(leaf, CustomVJPPrimal):
            raise TypeError(f"unexpected leaf type {type(leaf).__name__}, expected CustomVJPPrimal")
        return leaf.value
    return tree_map(value, tree)


def zero_from_primal(val, symbolic_zeros: bool = False):
    """The zero tangent of a value: a `SymbolicZero`, or an array."""
    zero = Zero.of(val)
    return SymbolicZero(zero.aval) if symbolic_zeros else instantiate_zeros(zero)


class custom_vjp(CustomFunction):                           # noqa: N801 (JAX's name)
    """A function whose reverse derivative is given by two rules.

    Parameters
    ----------
    fun : callable
    nondiff_argnums, nondiff_argnames : arguments that are not differentiated; ``bwd`` gets them first

    Examples
    --------
    >>> @custom_vjp
    ... def clip_gradient(x):
    ...     return x
    >>> def fwd(x):
    ...     return x, None
    >>> def bwd(_, ct):
    ...     return (jnp.clip(ct, -1, 1),)
    >>> clip_gradient.defvjp(fwd, bwd)
    """

    fwd = None
    bwd = None
    symbolic_zeros = False
    optimize_remat = False

    def defvjp(self, fwd, bwd, symbolic_zeros: bool = False, optimize_remat: bool = False) -> None:
        """Set the rules.

        Parameters
        ----------
        fwd : callable, the arguments of the function -> (result, residuals)
        bwd : callable (*nondiff, residuals, cotangent of the result) -> tuple with a cotangent for each differentiated
            argument; None stands for zero
        symbolic_zeros : give ``fwd`` its arguments as `CustomVJPPrimal`, and ``bwd`` zero cotangents as `SymbolicZero`
        optimize_remat : under `checkpoint`, run the function and not ``fwd`` where the residuals are not needed
        """
        self.fwd = fwd
        self.bwd = bwd
        self.symbolic_zeros = bool(symbolic_zeros)
        self.optimize_remat = bool(optimize_remat)
        self.staged.clear()

    @api_boundary
    def __call__(self, *args, **kwargs):
        if self.fwd is None or self.bwd is None:
            raise AttributeError(f"No VJP defined for custom_vjp function {describe_function(self.fun)} using defvjp.")
        if kwargs or self.fills_in or self.nondiff_argnums:
            args = positional(self.fun, args, kwargs)
        call = CustomVJPCall(self, Arguments("custom_vjp", self.fun, args, self.nondiff_argnums))
        outs = state.trace.custom_vjp(call, call.args.leaves)
        return tree_unflatten(call.out_tree, outs)


class CustomVJPCall:
    """One call, as the traces see it.

    linears : what the last `forward` for a set of active arguments told about its residuals, by that set
    """

    __slots__ = ("owner", "args", "out_tree", "linears")

    def __init__(self, owner: custom_vjp, args: Arguments):
        self.owner = owner
        self.args = args
        self.out_tree = None
        self.linears: dict = {}

    def __repr__(self) -> str:
        return f"<the rules of {describe_function(self.owner.fun)}>"

    def fun(self, *flat) -> list:
        """The function itself."""
        outs, self.out_tree = tree_flatten(self.owner.fun(*self.args.all_args(flat)))
        return outs

    def forward(self, primals, active) -> tuple[list, list]:
        """The results and the flat residuals, from ``fwd`` on the current trace."""
        owner, args = self.owner, self.args
        if not owner.optimize_remat:
            outs, values = self.run_fwd(primals, active)
        else:
            if owner.symbolic_zeros:
                raise NotImplementedError("remat optimization for custom_vjp does not support symbolic zeros: give defvjp one of "
                                          "optimize_remat and symbolic_zeros")
            results = call_fwd(lambda *flat: [x for part in self.run_fwd(flat, active) for x in part], self.fun, primals)
            n = len(self.linears[tuple(active)].out_avals)
            outs, values = results[:n], results[n:]
        return outs, [*values, *primals[args.n_diff:]]

    def run_fwd(self, primals, active) -> tuple[list, list]:
        """The results and those residuals that are arrays."""
        owner, args = self.owner, self.args
        flat = list(primals)
        if owner.symbolic_zeros:
            flat[:args.n_diff] = [CustomVJPPrimal(x, bool(a)) for x, a in zip(primals[:args.n_diff], active)]
        result = owner.fwd(*args.all_args(flat))
        if not isinstance(result, (list, tuple)) or len(result) != 2:
            raise TypeError(f"Custom VJP fwd rule {describe_function(owner.fwd)} for function {describe_function(owner.fun)} must "
                            "produce a pair (list or tuple of length two) where the first element represents the primal output "
                            f"and the second element represents residuals (i.e. values stored from the forward pass for use on "
                            f"the backward pass), but got {type(result).__name__}.")
        out, residuals = result
        outs, tree = tree_flatten(out)
        if self.out_tree is not None and tree != self.out_tree:
            raise TypeError(f"Custom VJP fwd rule {describe_function(owner.fwd)} must produce a pair whose first element has the "
                            f"structure that {describe_function(owner.fun)} returns.\n"
                            + explain_mismatch(self.out_tree, tree, root="out",
                                               names=("the result of the function", "the primal output of fwd")))
        self.out_tree = tree
        leaves, res_tree = tree_flatten(residuals)
        # What is no array among the residuals (a string, a function) stays in Python.
        is_value = [isinstance(x, (Array, np.ndarray, np.generic, int, float, complex)) for x in leaves]
        others = [None if v else x for x, v in zip(leaves, is_value)]
        values = [x for x, v in zip(leaves, is_value) if v]
        self.linears[tuple(active)] = CustomLinear(
            owner, args, tuple(active), tuple(avals_of(outs)), tree, res_tree, is_value, others, len(primals) - args.n_diff)
        return outs, values

    def linear(self, residuals, active):
        """The linear map that goes with the residuals of `forward`."""
        return self.linears[tuple(active)]

    def jvp(self, primals, tangents, active) -> tuple[list, list]:
        return forward_with_custom_lin(self, primals, tangents, active)

    def batch(self, axis, dims):
        """The call mapped over an axis; all results are mapped, along their first axis."""
        batched = BatchedVJPCall(self, axis, tuple(dims))
        return batched, lambda: [0] * batched.n_out

    def stage(self, trace, args) -> list:
        """Write the call into a jaxpr; the program is traced once for equal types and static arguments."""
        owner, key = self.owner, self.args.key
        if key is not None:
            key = key, config.trace_context()
            found = owner.staged.get(key)
            if found is not None and found.is_good(owner.fun, owner.fwd, owner.bwd):
                params, consts, self.out_tree = found.value
                return write_call(trace, custom_vjp_call_p, [*consts, *args], params)
        params, consts = stage_vjp_call(self, self.args.avals)
        if key is not None and not any(isinstance(c, (Tracer, Ref)) for c in consts):
            kept = CustomVJPCall(owner, without_leaves(self.args))
            kept.out_tree = self.out_tree
            params["fwd_jaxpr_thunk"] = kept
            remember(owner.staged, key, Remembered((params, consts, self.out_tree), owner.fun, owner.fwd, owner.bwd))
        return write_call(trace, custom_vjp_call_p, [*consts, *args], params)


def stage_vjp_call(call, avals):
    """The parameters of an equation for a call, and the values it closes over."""
    owner = getattr(call, "owner", None)
    debug = DebugInfo(getattr(owner, "__name__", "function"), transform="custom_vjp")
    closed, consts = hoist_consts(trace_to_jaxpr(call.fun, avals, debug))
    params = {"call_jaxpr": closed, "fwd_jaxpr_thunk": call, "bwd": getattr(owner, "bwd", None), "num_consts": len(consts),
              "out_trees": call.out_tree if owner is not None else None, "symbolic_zeros": bool(getattr(owner, "symbolic_zeros", False))}
    return params, consts


class CustomLinear:
    """The linear map of a call: ``bwd`` is its transpose, and nobody knows how to apply it."""

    __slots__ = ("owner", "args", "active", "out_avals", "out_tree", "res_tree", "is_value", "others", "n_traced")

    def __init__(self, owner, args, active, out_avals, out_tree, res_tree, is_value, others, n_traced):
        self.owner = owner
        self.args = args if args.leaves == [] else without_leaves(args)
        self.active = active
        self.out_avals = out_avals
        self.out_tree = out_tree
        self.res_tree = res_tree
        self.is_value = is_value
        self.others = others
        self.n_traced = n_traced

    @property
    def in_avals(self) -> list:
        """The tangent types of the active arguments."""
        return [a.to_tangent_aval() for a, is_active in zip(self.args.avals, self.active) if is_active]

    def apply(self, residuals, tangents):
        raise TypeError(FORWARD_MODE)

    def transpose(self, residuals, cts, accumulators) -> list:
        """Cotangents of the results that have any to those of the active arguments; None stands for zero."""
        owner, args = self.owner, self.args
        values = list(residuals)
        traced = values[len(values) - self.n_traced:]
        it = iter(values)
        leaves = [next(it) if is_value else other for is_value, other in zip(self.is_value, self.others)]
        given = iter(cts)
        out_cts = []
        for aval in self.out_avals:
            ct = next(given) if is_active_dtype(aval.dtype) else None
            if ct is None or type(ct) is Zero:
                zero = Zero(aval.to_tangent_aval())
                ct = SymbolicZero(zero.aval) if owner.symbolic_zeros else instantiate_zeros(zero)
            out_cts.append(ct)
        result = owner.bwd(*args.static_args([None] * args.n_diff + traced), tree_unflatten(self.res_tree, leaves),
                           tree_unflatten(self.out_tree, out_cts))
        in_cts = checked_cotangents(result, owner, args)
        wanted = [ct for ct, a in zip(in_cts + [None] * self.n_traced, self.active) if a]
        return [ct if acc is None else acc if ct is None else accumulate(acc, ct)
                for ct, acc in zip(wanted, accumulators, strict=True)]


def checked_cotangents(result, owner: custom_vjp, args: Arguments) -> list:
    """The flat cotangents that ``bwd`` answered, None for zero, each of its argument's type.

    Raises
    ------
    TypeError : if they do not have the structure of the arguments; says where.
    ValueError : if a shape or dtype does not fit; says which.
    """
    rule = f"Custom VJP bwd rule {describe_function(owner.bwd)} for function {describe_function(owner.fun)}"
    if isinstance(result, list):
        result = tuple(result)
    if not isinstance(result, tuple) or len(result) != len(args.trees.children()):
        got = f"a tuple of length {len(result)}" if isinstance(result, tuple) else type(result).__name__
        raise TypeError(f"{rule} must produce a tuple of length equal to the primal args tuple, {len(args.trees.children())}, but "
                        f"got {got}. Return a tuple even for one argument: (ct,).")
    leaves = match_cotangents(result, args.trees)
    if leaves is None:
        primal = tree_unflatten(args.trees, [0] * args.n_diff)
        raise TypeError(f"{rule} must produce the same structure (pytree) as the arguments, in a tuple of length equal to the "
                        "primal args tuple.\n"
                        + explain_mismatch(result, primal, prefix=True, is_leaf=_is_none, root="args",
                                           names=("the output of bwd", "the arguments")))
    checked = []
    for i, (ct, aval) in enumerate(zip(leaves, args.avals)):
        expected = aval.to_tangent_aval()
        if ct is None or isinstance(ct, (SymbolicZero, Zero)) or not expected.is_differentiable:
            checked.append(None)
            continue
        ct_aval = aval_of(ct)
        if ct_aval.dtype == dtypes.float0 and ct_aval.shape == expected.shape:
            checked.append(None)
            continue
        if ct_aval.shape != expected.shape or dtypes.kind_of(ct_aval.dtype) not in "fciub":
            path = keystr(tree_flatten_with_path(tree_unflatten(args.trees, range(args.n_diff)))[0][i][0])
            raise ValueError(f"{rule} must produce cotangents with the shapes and dtypes of the arguments, but for args{path}, of "
                             f"type {aval.str_short(False)}, it produced {ct_aval.str_short(False)}.")
        checked.append(summed_to(convert(ct, expected.dtype) if ct_aval.dtype != expected.dtype else as_array(ct), aval.varying))
    return checked


def _is_none(x) -> bool:
    return x is None


def match_cotangents(result, tree) -> list | None:
    """The leaves of ``result`` in the structure ``tree``, None repeated for a whole subtree; None if it does not fit."""
    def leaf(x):
        return x is None or isinstance(x, (SymbolicZero, Zero))

    try:
        leaves = broadcast_prefix(result, tree_unflatten(tree, range(tree.num_leaves)), is_leaf=leaf)
    except ValueError:
        return None
    given = [x for x in tree_leaves(result, is_leaf=leaf) if not leaf(x)]
    spread = [x for x in leaves if not leaf(x)]
    return leaves if len(given) == len(spread) else None


def forward_with_custom_lin(call, primals, tangents, active) -> tuple[list, list]:
    """Results from ``fwd``, and tangents that only reverse mode can make something of."""
    outs, residuals = call.forward(primals, tuple(active))
    linear = call.linear(residuals, tuple(active))
    avals = avals_of(outs)
    out_avals = tuple([a.to_tangent_aval() for a in avals if is_active_dtype(a.dtype)])
    if not out_avals:
        return outs, [Zero.of(a) for a in avals]
    given = iter(custom_lin_p.bind(*residuals, *(t for t, a in zip(tangents, active) if a), linear=linear,
                                   num_res=len(residuals), out_avals=out_avals))
    return outs, [next(given) if is_active_dtype(a.dtype) else Zero.of(a) for a in avals]


class BatchedVJPCall:
    """A call mapped over an axis: ``fwd`` and ``bwd`` are mapped, and cotangents of unmapped arguments are summed."""

    __slots__ = ("inner", "axis", "dims", "n_out", "linears")

    def __init__(self, inner, axis, dims: tuple):
        self.inner = inner
        self.axis = axis
        self.dims = dims
        self.n_out = 0
        self.linears: dict = {}

    def fun(self, *values) -> list:
        outs, dims = batch_flat(self.inner.fun, values, self.dims, self.axis)
        self.n_out = len(outs)
        return [place_axis(as_array(x), d, self.axis.size, 0) for x, d in zip(outs, dims)]

    def forward(self, primals, active) -> tuple[list, list]:
        n = 0

        def run(*flat):
            nonlocal n
            outs, residuals = self.inner.forward(list(flat), tuple(active))
            n = len(outs)
            return [*outs, *residuals]

        results, dims = batch_flat(run, primals, self.dims, self.axis)
        self.n_out = n
        outs = [place_axis(as_array(x), d, self.axis.size, 0) for x, d in zip(results[:n], dims)]
        in_dims = tuple([d for d, a in zip(self.dims, active) if a])
        self.linears[tuple(active)] = BatchedLinear(self.inner.linear(None, tuple(active)), self.axis, tuple(dims[n:]), in_dims)
        return outs, results[n:]

    def linear(self, residuals, active):
        return self.linears[tuple(active)]

    def jvp(self, primals, tangents, active) -> tuple[list, list]:
        return forward_with_custom_lin(self, primals, tangents, active)

    def batch(self, axis, dims):
        batched = BatchedVJPCall(self, axis, tuple(dims))
        return batched, lambda: [0] * batched.n_out

    def stage(self, trace, args) -> list:
        params, consts = stage_vjp_call(self, avals_of(args))
        return write_call(trace, custom_vjp_call_p, [*consts, *args], params)


class BatchedLinear:
    """The linear map of a mapped call."""

    __slots__ = ("inner", "axis", "res_dims", "in_dims")

    def __init__(self, inner, axis, res_dims: tuple, in_dims: tuple):
        self.inner = inner
        self.axis = axis
        self.res_dims = res_dims
        self.in_dims = in_dims

    def apply(self, residuals, tangents):
        raise TypeError(FORWARD_MODE)

    def transpose(self, residuals, cts, accumulators) -> list:
        n = len(residuals)
        given = [ct is not None and type(ct) is not Zero for ct in cts]
        zero: list[bool] = []

        def run(*flat):
            values = iter(flat[n:])
            in_cts = self.inner.transpose(list(flat[:n]), [next(values) if g else None for g in given], [None] * len(self.in_dims))
            zero[:] = [ct is None for ct in in_cts]
            return [ct for ct in in_cts if ct is not None]

        flat_cts = [ct for ct, g in zip(cts, given) if g]
        results, dims = batch_flat(run, [*residuals, *flat_cts], [*self.res_dims, *[0] * len(flat_cts)], self.axis)
        found = iter(zip(results, dims))
        answers = []
        for is_zero, in_dim, acc in zip(zero, self.in_dims, accumulators, strict=True):
            if is_zero:
                answers.append(acc)
                continue
            ct, d = next(found)
            if in_dim is not None:
                ct = place_axis(as_array(ct), d, self.axis.size, in_dim)
            else:                               # an argument that all examples share: their cotangents add up
                ct = reduce_sum(place_axis(as_array(ct), d, self.axis.size, 0), (0,))
            answers.append(ct if acc is None else accumulate(acc, ct))
        return answers


class CustomVJPCallPrimitive(ProgramCaller):
    """A call in a jaxpr: ``call_jaxpr`` gives the values, ``fwd_jaxpr_thunk`` holds the rules.

    Operands are what the function closes over, ``num_consts`` values, and its arguments.
    """

    name = "custom_vjp_call"
    rules_take_refs = True
    rules_param = "fwd_jaxpr_thunk"
    jvp_of = staticmethod(forward_with_custom_lin)
    program = "call_jaxpr"

    def bind_refs(self, args, **params):
        trace = state.trace
        if isinstance(trace, JaxprTrace):
            return write_call_with_refs(trace, self, args, params)
        if trace is eval_trace:
            return eval_closed(params["call_jaxpr"], *args)
        return trace.custom_vjp(params["fwd_jaxpr_thunk"], list(args[params["num_consts"]:]))

    def lower(self, ctx, *values, call_jaxpr, **params):
        return ctx.inline(call_jaxpr, *values)

    def jvp(self, primals, tangents, *, call_jaxpr, fwd_jaxpr_thunk, num_consts, **params):
        refuse_const_tangents("custom_vjp", call_jaxpr, tangents[:num_consts])
        active = tuple([type(t) is not Zero for t in tangents[num_consts:]])
        outs, out_tangents = fwd_jaxpr_thunk.jvp(primals[num_consts:], tangents[num_consts:], active)
        for i, (x, aval) in enumerate(zip(outs, call_jaxpr.out_avals)):
            if not same_type(aval_of(x), aval):
                raise TypeError(f"Custom VJP fwd rule for function `{call_jaxpr.debug_info.func_name}` must produce the primal output "
                                f"that the function does, but result {i} is {aval_of(x).str_short(False)} where the function "
                                f"returns {aval.str_short(False)}.")
        return outs, out_tangents

    def transpose(self, cts, *args, call_jaxpr, **params):
        return transpose_call(call_jaxpr, cts, args)

    def batch(self, axis, args, dims, *, call_jaxpr, fwd_jaxpr_thunk, num_consts, **params):
        program, out_dims = batch_jaxpr(call_jaxpr, dims, axis, force_out=True)
        rule = BatchedVJPCall(fwd_jaxpr_thunk, axis, tuple(dims[num_consts:]))
        rule.n_out = len(out_dims)
        return self.bind(*args, call_jaxpr=program, fwd_jaxpr_thunk=rule, num_consts=num_consts, **params), out_dims


custom_vjp_call_p = register(CustomVJPCallPrimitive())


class CustomLin(Primitive):
    """The tangents of a `custom_vjp` call: a linear map of which only the transpose is known."""

    name = "custom_lin"
    types_varying = True
    handles_extended_dtypes = True

    def abstract_eval(self, *avals, linear, num_res, out_avals):
        return list(out_avals)

    def lower(self, ctx, *values, **params):
        raise TypeError(FORWARD_MODE)

    def jvp(self, primals, tangents, **params):
        raise TypeError(FORWARD_MODE)

    def batch(self, axis, args, dims, **params):
        raise TypeError(FORWARD_MODE)

    def transpose(self, cts, *args, linear, num_res, out_avals):
        given = [None if type(ct) is Zero else ct for ct in cts]
        tangents = args[num_res:]
        in_cts = linear.transpose(args[:num_res], given, [None] * len(tangents))
        return [*[None] * num_res, *(Zero.of(a) if ct is None else ct for ct, a in zip(in_cts, tangents))]


custom_lin_p = register(CustomLin())

