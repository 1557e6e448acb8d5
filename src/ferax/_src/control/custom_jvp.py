"""`custom_jvp`: a function with a forward derivative of its own.

Called, it asks the current trace: evaluation runs the function, differentiation runs the rule instead, staging
writes a ``custom_jvp_call`` equation that holds both.
"""

from __future__ import annotations

from ferax._src.control.custom_common import Arguments, CustomFunction, SymbolicZero, positional
from ferax._src.control.custom_refs import write_call
from ferax._src.control.tracing_utils import Remembered, avals_of, describe_function, same_type
from ferax._src.control.varying import cast_to
from ferax._src.ir.jaxpr import ClosedJaxpr, DebugInfo
from ferax._src.ops.axes import place_axis
from ferax._src.ops.convert import as_array
from ferax._src.ops.refs import ProgramCaller
from ferax._src.ops.zeros import accumulate, instantiate_zeros
from ferax._src.tracing.core import Array, Tracer, Zero, register, remember, state
from ferax._src.tracing.refs import Ref
from ferax._src.tracing.staging import hoist_consts, trace_to_jaxpr
from ferax._src.transforms.batch import batch_flat, batch_jaxpr
from ferax._src.transforms.transpose import transpose_flat
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.pytrees import explain_mismatch, keystr, tree_flatten, tree_flatten_with_path, tree_unflatten
from ferax._src.util import config
from ferax._src.util.tracebacks import api_boundary


class custom_jvp(CustomFunction):                           # noqa: N801 (JAX's name)
    """A function whose derivative is given by a rule.

    Parameters
    ----------
    fun : callable
    nondiff_argnums, nondiff_argnames : arguments that are not differentiated; the rule gets them first

    Examples
    --------
    >>> @custom_jvp
    ... def log1pexp(x):
    ...     return jnp.log(1 + jnp.exp(x))
    >>> @log1pexp.defjvp
    ... def log1pexp_jvp(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return log1pexp(x), t / (1 + jnp.exp(-x))
    """

    jvp = None
    symbolic_zeros = False

    def defjvp(self, jvp, symbolic_zeros: bool = False):
        """Set the rule, ``jvp(*nondiff, primals, tangents) -> (out, out_tangent)``; works as a decorator.

        With ``symbolic_zeros``, tangents known to be zero arrive as `SymbolicZero` and may be returned.
        """
        self.jvp = jvp
        self.symbolic_zeros = bool(symbolic_zeros)
        self.staged.clear()
        return jvp

    def defjvps(self, *jvps):
        """Set the rule as one function per argument, ``jvp_i(t_i, ans, *primals) -> tangent``, or None for zero."""
        if self.nondiff_argnums:
            raise TypeError("Can't use ``defjvps`` with ``nondiff_argnums``. Use defjvp.")

        def jvp(primals, tangents):
            ans = self(*primals)
            leaves, tree = tree_flatten(ans)
            terms = [tree_flatten(rule(t, ans, *primals))[0]
                     for rule, t in zip(jvps, tangents, strict=True) if rule is not None]
            if not terms:
                return ans, tree_unflatten(tree, [instantiate_zeros(Zero.of(x)) for x in leaves])
            sums = terms[0]
            for more in terms[1:]:
                sums = [accumulate(a, b) for a, b in zip(sums, more, strict=True)]
            return ans, tree_unflatten(tree, sums)

        self.defjvp(jvp)

    @api_boundary
    def __call__(self, *args, **kwargs):
        if self.jvp is None:
            raise AttributeError(f"No JVP defined for custom_jvp function {describe_function(self.fun)} using defjvp.")
        if kwargs or self.fills_in or self.nondiff_argnums:
            args = positional(self.fun, args, kwargs)
        call = CustomJVPCall(self, Arguments("custom_jvp", self.fun, args, self.nondiff_argnums))
        outs = state.trace.custom_jvp(call, call.args.leaves)
        return tree_unflatten(call.out_tree, outs)


class CustomJVPCall:
    """One call, as the traces see it: flat functions for the value and for the derivative."""

    __slots__ = ("owner", "args", "out_tree")

    def __init__(self, owner: custom_jvp, args: Arguments):
        self.owner = owner
        self.args = args
        self.out_tree = None

    def __repr__(self) -> str:
        return f"<the rule of {describe_function(self.owner.fun)}>"

    def fun(self, *flat) -> list:
        """The function itself."""
        outs, self.out_tree = tree_flatten(self.owner.fun(*self.args.all_args(flat)))
        return outs

    def jvp(self, primals, tangents) -> tuple[list, list]:
        """The user's rule, on the current trace."""
        owner, args = self.owner, self.args
        given = tangents[:args.n_diff]
        if owner.symbolic_zeros:
            given = [SymbolicZero(t.aval) if type(t) is Zero else t for t in given]
        else:
            given = [instantiate_zeros(t) for t in given]
        result = owner.jvp(*args.static_args(primals), args.diff_args(primals), tree_unflatten(args.trees, given))
        outs, out_tangents, self.out_tree = check_jvp_result(result, owner, self.out_tree)
        return outs, out_tangents

    def batch(self, axis, dims):
        """The call mapped over an axis; all results are mapped, along their first axis."""
        batched = BatchedJVPCall(self, axis, tuple(dims))
        return batched, lambda: [0] * batched.n_out

    def stage(self, trace, args) -> list:
        """Write the call into a jaxpr; the program is traced once for equal types and static arguments."""
        owner, key = self.owner, self.args.key
        if key is not None:
            key = key, config.trace_context()
            found = owner.staged.get(key)
            if found is not None and found.is_good(owner.fun, owner.jvp):
                params, consts, self.out_tree = found.value
                return write_call(trace, custom_jvp_call_p, [*consts, *args], params)
        params, consts = stage_call(self, self.args.avals, owner.symbolic_zeros)
        if key is not None and not any(isinstance(c, (Tracer, Ref)) for c in consts):
            kept = CustomJVPCall(owner, without_leaves(self.args))
            kept.out_tree = self.out_tree
            params["jvp_jaxpr_fun"] = kept
            remember(owner.staged, key, Remembered((params, consts, self.out_tree), owner.fun, owner.jvp))
        return write_call(trace, custom_jvp_call_p, [*consts, *args], params)


def without_leaves(args: Arguments) -> Arguments:
    """The same without the values of the operands, to be kept."""
    kept = Arguments.__new__(Arguments)
    for name in Arguments.__slots__:
        setattr(kept, name, getattr(args, name))
    kept.leaves = []
    return kept


def stage_call(call, avals, symbolic_zeros: bool):
    """The parameters of an equation for a call, and the values it closes over."""
    debug = DebugInfo(getattr(getattr(call, "owner", None), "__name__", "function"), transform="custom_jvp")
    closed, consts = hoist_consts(trace_to_jaxpr(call.fun, avals, debug))
    params = {"call_jaxpr": closed, "jvp_jaxpr_fun": call, "num_consts": len(consts), "symbolic_zeros": symbolic_zeros}
    return params, consts


class BatchedJVPCall:
    """A call mapped over an axis. The tangent of a result is mapped as the result is: along the first axis, always."""

    __slots__ = ("inner", "axis", "dims", "n_out")

    def __init__(self, inner, axis, dims: tuple):
        self.inner = inner
        self.axis = axis
        self.dims = dims
        self.n_out = 0

    def fun(self, *values) -> list:
        outs, dims = batch_flat(self.inner.fun, values, self.dims, self.axis)
        self.n_out = len(outs)
        return [place_axis(as_array(x), d, self.axis.size, 0) for x, d in zip(outs, dims)]

    def jvp(self, primals, tangents) -> tuple[list, list]:
        n = len(primals)
        active = [type(t) is not Zero for t in tangents]
        zero_out: list[bool] = []

        def run(*flat):
            given = iter(flat[n:])
            ts = [next(given) if a else Zero.of(p) for p, a in zip(flat, active)]
            outs, out_tangents = self.inner.jvp(list(flat[:n]), ts)
            zero_out[:] = [type(t) is Zero for t in out_tangents]
            return [*outs, *(t for t in out_tangents if type(t) is not Zero)]

        dims = [*self.dims, *(d for d, a in zip(self.dims, active) if a)]
        results, out_dims = batch_flat(run, [*primals, *(t for t in tangents if type(t) is not Zero)], dims, self.axis)
        results = [place_axis(as_array(x), d, self.axis.size, 0) for x, d in zip(results, out_dims)]
        self.n_out = m = len(zero_out)
        given = iter(results[m:])
        return results[:m], [Zero.of(out) if z else next(given) for z, out in zip(zero_out, results)]

    def batch(self, axis, dims):
        batched = BatchedJVPCall(self, axis, tuple(dims))
        return batched, lambda: [0] * batched.n_out

    def stage(self, trace, args) -> list:
        params, consts = stage_call(self, avals_of(args), False)
        return write_call(trace, custom_jvp_call_p, [*consts, *args], params)


def check_jvp_result(result, owner: custom_jvp, out_tree):
    """The flat results and tangents that a rule answered.

    Raises
    ------
    TypeError : if it is no pair, or the two differ in structure, shape or dtype; says where.
    """
    rule = describe_function(owner.jvp)
    if not isinstance(result, (list, tuple)) or len(result) != 2:
        raise TypeError(f"Custom JVP rule {rule} for function {describe_function(owner.fun)} must produce a pair (list or tuple "
                        f"of length two) representing primal and tangent outputs, but got {type(result).__name__}.")
    out, out_tangent = result
    outs, tree = tree_flatten(out)
    tangents, tangent_tree = tree_flatten(out_tangent)
    if tree != tangent_tree:
        raise TypeError(f"Custom JVP rule {rule} for function {describe_function(owner.fun)} must produce primal and tangent "
                        "outputs with equal container (pytree) structures.\n"
                        + explain_mismatch(out, out_tangent, names=("the primal output", "the tangent output"), root="out"))
    if out_tree is not None and tree != out_tree:
        raise TypeError(f"Custom JVP rule {rule} must produce a pair (list or tuple of length two) where the first element "
                        f"represents the primal output, with the structure that {describe_function(owner.fun)} returns.\n"
                        + explain_mismatch(out_tree, tree, root="out",
                                           names=("the result of the function", "the primal output of the rule")))
    checked = []
    wrong = []
    for i, (x, t) in enumerate(zip(outs, tangents)):
        expected = Zero.of(x).aval
        if isinstance(t, SymbolicZero):
            checked.append(Zero(expected))
            continue
        t = t if isinstance(t, Array) else _tangent_array(t, expected)
        aval = aval_of(t)
        if aval.shape != expected.shape or aval.dtype != expected.dtype:
            path = keystr(tree_flatten_with_path(out)[0][i][0])
            wrong.append(f"  out{path}  is {aval_of(x).str_short(False)}, its tangent {aval.str_short(False)} where "
                         f"{expected.str_short(False)} is needed")
        checked.append(Zero(expected) if not expected.is_differentiable else cast_to(t, expected.varying))
    if wrong:
        raise TypeError(f"Custom JVP rule {rule} for function {describe_function(owner.fun)} must produce primal and tangent "
                        "outputs with corresponding shapes and dtypes, but got:\n" + "\n".join(wrong)
                        + "\nThe tangent of an integer or boolean result has dtype float0, jax.dtypes.float0.")
    return outs, checked, tree


def _tangent_array(t, expected: ShapedArray):
    """A number or NumPy array given as a tangent; a plain number takes the dtype asked for."""
    if type(t) in (int, float, bool, complex) and expected.is_differentiable and expected.shape == ():
        return as_array(expected.dtype.type(t))
    return t if getattr(t, "dtype", None) == expected.dtype and not expected.is_differentiable else as_array(t)


class CustomJVPCallPrimitive(ProgramCaller):
    """A call in a jaxpr: ``call_jaxpr`` gives the values, ``jvp_jaxpr_fun`` the derivative.

    Operands are what the function closes over, ``num_consts`` values, and its arguments.
    """

    name = "custom_jvp_call"
    rules_take_refs = False
    rules_param = "jvp_jaxpr_fun"
    program = "call_jaxpr"

    def lower(self, ctx, *values, call_jaxpr, **params):
        return ctx.inline(call_jaxpr, *values)

    def jvp(self, primals, tangents, *, call_jaxpr, jvp_jaxpr_fun, num_consts, symbolic_zeros):
        refuse_const_tangents("custom_jvp", call_jaxpr, tangents[:num_consts])
        outs, out_tangents = jvp_jaxpr_fun.jvp(primals[num_consts:], tangents[num_consts:])
        for i, (x, aval) in enumerate(zip(outs, call_jaxpr.out_avals)):
            if not same_type(aval_of(x), aval):
                raise TypeError(f"Custom JVP rule for function `{call_jaxpr.debug_info.func_name}` must produce a pair (list or tuple of "
                                "length two) where the first element represents the primal output, of the shapes and dtypes that the "
                                f"function returns, but result {i} is {aval_of(x).str_short(False)} where the function returns "
                                f"{aval.str_short(False)}.")
        return outs, out_tangents

    def transpose(self, cts, *args, call_jaxpr, **params):
        return transpose_call(call_jaxpr, cts, args)

    def batch(self, axis, args, dims, *, call_jaxpr, jvp_jaxpr_fun, num_consts, symbolic_zeros):
        program, out_dims = batch_jaxpr(call_jaxpr, dims, axis, force_out=True)
        rule = BatchedJVPCall(jvp_jaxpr_fun, axis, tuple(dims[num_consts:]))
        rule.n_out = len(out_dims)
        return self.bind(*args, call_jaxpr=program, jvp_jaxpr_fun=rule, num_consts=num_consts, symbolic_zeros=symbolic_zeros), out_dims


custom_jvp_call_p = register(CustomJVPCallPrimitive())


def transpose_call(call_jaxpr: ClosedJaxpr, cts, args) -> list:
    """The transpose of a call of a linear function: that of its program."""
    linear = [isinstance(x, ShapedArray) for x in args]
    in_cts = iter(transpose_flat(call_jaxpr, linear, [x for x in args if not isinstance(x, ShapedArray)], cts))
    return [next(in_cts) if is_linear else None for is_linear in linear]


def refuse_const_tangents(what: str, call_jaxpr, tangents) -> None:
    """What a function with its own derivative closes over cannot be differentiated: the rule does not know of it."""
    if any(type(t) is not Zero for t in tangents):
        name = call_jaxpr.debug_info.func_name
        raise TypeError(f"{what}: `{name}` closes over a value that is being differentiated, but its derivative rule only knows "
                        "its arguments. Pass the value as an argument. See docs/errors/custom-derivative-closure.md")
