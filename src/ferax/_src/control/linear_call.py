"""``linear_call``: a linear function given together with its transpose."""

from __future__ import annotations

from ferax._src.control.tracing_utils import flatten_arrays, same_type, trace_function
from ferax._src.ops.axes import place_axis
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.transforms.batch import batch_jaxpr
from ferax._src.types.avals import ShapedArray
from ferax._src.types.pytrees import explain_mismatch, tree_unflatten, treedef_tuple
from ferax._src.util.lists import split_exactly
from ferax._src.util.tracebacks import api_boundary


class LinearCall(Primitive):
    """``callee`` of its constants, residuals and linear operands; ``transpose_rule`` has its own constants.

    Operands are ``callee_consts ++ transpose_consts ++ residuals ++ linear``, ``lengths`` says how many of the first three.
    """

    name = "linear_call"
    holds_jaxprs = True
    types_varying = True
    handles_extended_dtypes = True

    def abstract_eval(self, *avals, callee, transpose_rule, lengths):
        return callee.out_avals

    def lower(self, ctx, *values, callee, transpose_rule, lengths):
        consts, _, residuals, linear = _split(values, lengths)
        return ctx.inline(callee, *consts, *residuals, *linear)

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        known = sum(params["lengths"])
        if any(type(t) is not Zero for t in tangents[:known]):
            raise NotImplementedError("linear_call: its derivative with respect to residuals is not known, only that it is linear in "
                                      "the linear arguments. Call it inside a rule of custom_jvp or custom_vjp.")
        return outs, self.bind(*primals[:known], *map(instantiate_zeros, tangents[known:]), **params)

    def transpose(self, cts, *args, callee, transpose_rule, lengths):
        consts, rule_consts, residuals, _ = _split(args, lengths)
        if any(isinstance(x, ShapedArray) for x in (*consts, *rule_consts, *residuals)):
            raise NotImplementedError("linear_call is not linear in its residuals")
        outs = self.bind(*rule_consts, *consts, *residuals, *map(instantiate_zeros, cts), callee=transpose_rule,
                         transpose_rule=callee, lengths=(len(rule_consts), len(consts), len(residuals)))
        return [None] * sum(lengths) + outs

    def batch(self, axis, args, dims, *, callee, transpose_rule, lengths):
        values = [place_axis(x, d, axis.size, 0) for x, d in zip(args, dims)]
        both = [batch_jaxpr(j, [0] * len(j.jaxpr.invars), axis, force_out=True)[0] for j in (callee, transpose_rule)]
        outs = self.bind(*values, callee=both[0], transpose_rule=both[1], lengths=lengths)
        return outs, [0] * len(outs)


linear_call_p = register(LinearCall())


def _split(values, lengths):
    return split_exactly(values, (*lengths, len(values) - sum(lengths)))


@api_boundary
def linear_call(fun, fun_transpose, residual_args, linear_args):
    """Call a linear function whose transpose is given.

    Parameters
    ----------
    fun : callable (residuals, linear) -> out, linear in the second argument
    fun_transpose : callable (residuals, ct) -> cotangents like ``linear_args``
    residual_args, linear_args : pytrees of arrays

    Returns
    -------
    ``fun(residual_args, linear_args)``
    """
    residuals, res_avals, res_tree = flatten_arrays(residual_args, "linear_call", "residual_args")
    linear, avals, tree = flatten_arrays(linear_args, "linear_call", "linear_args")
    callee, consts, out_tree = trace_function(fun, treedef_tuple((res_tree, tree)), [*res_avals, *avals], "linear_call")
    ct_avals = [a.to_tangent_aval() for a in callee.out_avals]
    rule, rule_consts, ct_tree = trace_function(
        fun_transpose, treedef_tuple((res_tree, out_tree)), [*res_avals, *ct_avals], "linear_call")
    if ct_tree != tree or not all(map(same_type, rule.out_avals, avals)):
        raise TypeError("linear_call: transpose output pytree structure, shapes and dtypes must match those of linear_args.\n"
                        + (explain_mismatch(tree, ct_tree, names=("linear_args", "the transpose's output")) or
                           f"  linear_args are {', '.join(a.str_short(False) for a in avals)}; the transpose answers "
                           f"{', '.join(a.str_short(False) for a in rule.out_avals)}"))
    outs = linear_call_p.bind(*consts, *rule_consts, *residuals, *linear, callee=callee, transpose_rule=rule,
                              lengths=(len(consts), len(rule_consts), len(residuals)))
    return tree_unflatten(out_tree, outs)
