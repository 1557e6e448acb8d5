"""Solutions defined by equations: `custom_linear_solve` for ``A x = b``, `custom_root` for ``f(x) = 0``.

How the solution is found is the user's; its derivative follows from the equation, by the implicit function
theorem. ``A x = b`` gives ``A dx = db - dA x``: one more solve with the same matrix; and transposed, ``A^T ct_b = ct_x``.
"""

from __future__ import annotations

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.control.tracing_utils import flatten_arrays, rewired, same_type, trace_function
from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.ops.axes import place_axis
from ferax._src.ops.convert import as_array
from ferax._src.ops.elementwise import neg, sub
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.tracing.core import Array, Primitive, Zero, register, state
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.transforms.batch import batch_jaxpr
from ferax._src.transforms.jvp import jvp_flat, jvp_jaxpr
from ferax._src.transforms.program import call_program
from ferax._src.transforms.transpose import transpose_jaxpr
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.pytrees import explain_mismatch, tree_flatten, tree_unflatten, treedef_children, treedef_tuple
from ferax._src.util.lists import split_exactly
from ferax._src.util.tracebacks import api_boundary


class LinearSolve(Primitive):
    """``x`` with ``matvec(x) = b``, found by ``solve(b)``.

    ``jaxprs`` are (matvec, vecmat, solve, transpose_solve), the last one or None; operands are what they close over, in
    this order, ``const_lengths`` values each, then b. Results are x, then what else ``solve`` answers.
    """

    name = "custom_linear_solve"
    holds_jaxprs = True
    types_varying = True
    handles_extended_dtypes = True

    def abstract_eval(self, *avals, jaxprs, const_lengths):
        return jaxprs[2].out_avals

    def lower(self, ctx, *values, jaxprs, const_lengths):
        *_, solve_consts, _, b = _operands(values, const_lengths)
        return ctx.inline(jaxprs[2], *solve_consts, *b)

    def jvp(self, primals, tangents, *, jaxprs, const_lengths):
        outs = self.bind(*primals, jaxprs=jaxprs, const_lengths=const_lengths)
        matvec_consts, *_, b = _operands(primals, const_lengths)
        matvec_ts, *_, b_ts = _operands(tangents, const_lengths)
        n = len(b)
        x, rest = outs[:n], outs[n:]
        active = [type(t) is not Zero for t in matvec_ts]
        rhs = list(b_ts)
        if any(active):                         # db - dA x
            program, out_active = jvp_jaxpr(jaxprs[0], active + [False] * n)
            results = call_program(state.trace, program, [*matvec_consts, *x, *(t for t in matvec_ts if type(t) is not Zero)])
            change = iter(results[n:])
            rhs = [_minus(t, next(change)) if a else t for t, a in zip(rhs, out_active)]
        if all(type(t) is Zero for t in rhs):
            return outs, [Zero.of(out) for out in outs]
        consts = primals[:sum(const_lengths)]
        x_ts = self.bind(*consts, *map(instantiate_zeros, rhs), jaxprs=jaxprs, const_lengths=const_lengths)[:n]
        return outs, [*x_ts, *map(Zero.of, rest)]

    def transpose(self, cts, *args, jaxprs, const_lengths):
        matvec_consts, vecmat_consts, solve_consts, transpose_consts, b = _operands(args, const_lengths)
        if any(isinstance(c, ShapedArray) for c in args[:sum(const_lengths)]):
            raise NotImplementedError("custom_linear_solve is linear in b, not in the matrix")
        matvec, vecmat, solve, transpose_solve = jaxprs
        if transpose_solve is None:
            raise TypeError("transpose_solve required for backwards mode automatic differentiation of custom_linear_solve. Give it, "
                            "or symmetric=True if the operator is.")
        n = len(b)
        flipped = (vecmat, matvec, transpose_solve, solve)
        lengths = tuple(map(len, (vecmat_consts, matvec_consts, transpose_consts, solve_consts)))
        b_cts = self.bind(*vecmat_consts, *matvec_consts, *transpose_consts, *solve_consts, *map(instantiate_zeros, cts[:n]),
                          jaxprs=flipped, const_lengths=lengths)[:n]
        return [*[None] * sum(const_lengths), *b_cts]

    def batch(self, axis, args, dims, *, jaxprs, const_lengths):
        *const_dims, b_dims = _operands(dims, const_lengths)
        consts, b = args[:sum(const_lengths)], args[sum(const_lengths):]
        b = [place_axis(x, d, axis.size, 0) for x, d in zip(b, b_dims)]
        batched = [None if j is None else batch_jaxpr(j, [*ds, *[0] * len(b)], axis, force_out=True)[0]
                   for j, ds in zip(jaxprs, const_dims)]
        outs = self.bind(*consts, *b, jaxprs=tuple(batched), const_lengths=const_lengths)
        return outs, [0] * len(outs)


linear_solve_p = register(LinearSolve())


def _operands(values, const_lengths):
    return split_exactly(values, (*const_lengths, len(values) - sum(const_lengths)))


def _minus(t, change):
    return neg(change) if type(t) is Zero else sub(t, change)


@api_boundary
def custom_linear_solve(matvec, b, solve, transpose_solve=None, symmetric: bool = False, has_aux: bool = False):
    """Solve ``matvec(x) = b`` by a function of the user's, differentiable as the equation says.

    Parameters
    ----------
    matvec : callable, linear, pytree like ``b`` -> pytree like ``b``
    b : pytree of arrays
    solve : callable (matvec, b) -> x
    transpose_solve : callable (vecmat, b) -> x for the transposed operator; needed for reverse mode
    symmetric : whether the operator is its own transpose, so that ``solve`` serves for both
    has_aux : ``solve`` (and ``transpose_solve``) answer (x, more), and so does this function

    Returns
    -------
    x, or (x, more)
    """
    if transpose_solve is not None and symmetric:
        transpose_solve = None
    leaves, avals, tree = flatten_arrays(b, "custom_linear_solve", "b")
    in_tree = treedef_tuple((tree,))

    def check(name, out_tree, out_avals):
        if out_tree != tree:
            raise TypeError(f"custom_linear_solve: {name}() output pytree structure must match that of b.\n"
                            + explain_mismatch(tree, out_tree, names=("b", f"the output of {name}")))
        for expected, got in zip(avals, out_avals):
            if not same_type(expected, got):
                raise TypeError(f"custom_linear_solve: {name}() output must have identical shapes and dtypes to b, but there is "
                                f"{got.str_short(False)} for {expected.str_short(False)}.")

    def traced_solve(name, fun, operator):
        closed, consts, out_tree = trace_function(lambda v: fun(operator, v), in_tree, avals, "custom_linear_solve")
        x_tree = treedef_children(out_tree)[0] if has_aux else out_tree
        check(name, x_tree, closed.out_avals)
        return closed, consts, out_tree

    operator, consts, out_tree = trace_function(matvec, in_tree, avals, "custom_linear_solve")
    check("matvec", out_tree, operator.out_avals)
    solver, solve_consts, solution_tree = traced_solve("solve", solve, matvec)
    jaxprs: list = [operator, None, solver, None]
    all_consts: list = [consts, [], solve_consts, []]
    if symmetric:
        jaxprs[1], jaxprs[3] = operator, solver
        all_consts[1], all_consts[3] = consts, solve_consts
    elif transpose_solve is not None:
        transposed = transposed_operator(operator, len(consts))

        def vecmat(v):
            flat, v_tree = tree_flatten(v)
            return tree_unflatten(v_tree, eval_closed(transposed, *consts, *flat))

        transpose_solver, transpose_consts, _ = traced_solve("transpose_solve", transpose_solve, vecmat)
        jaxprs[1], jaxprs[3] = transposed, transpose_solver
        all_consts[1], all_consts[3] = consts, transpose_consts
    outs = linear_solve_p.bind(*(c for cs in all_consts for c in cs), *leaves, jaxprs=tuple(jaxprs),
                               const_lengths=tuple(map(len, all_consts)))
    return tree_unflatten(solution_tree, outs)


def transposed_operator(operator: ClosedJaxpr, n_consts: int) -> ClosedJaxpr:
    """The transpose of ``consts, x -> A x`` as a program ``consts, y -> A^T y``."""
    n = len(operator.jaxpr.invars) - n_consts
    linear = [False] * n_consts + [True] * n
    program, active = transpose_jaxpr(operator, linear, [True] * n)
    if all(active):
        return rewired(program, range(len(program.jaxpr.invars)))

    def run(*flat):
        given = iter(eval_closed(program, *flat))
        return [next(given) if a else instantiate_zeros(Zero.of(aval)) for a, aval in zip(active, operator.in_avals[n_consts:])]

    return trace_to_jaxpr(run, program.in_avals)


@api_boundary
def custom_root(f, initial_guess, solve, tangent_solve, has_aux: bool = False):
    """Find ``x`` with ``f(x) = 0`` by a function of the user's, differentiable as the equation says.

    Parameters
    ----------
    f : callable, pytree like ``initial_guess`` -> pytree like it
    initial_guess : pytree of arrays
    solve : callable (f, initial_guess) -> x
    tangent_solve : callable (g, y) -> x that solves ``g(x) = y`` for linear ``g``; `custom_linear_solve` is made for it
    has_aux : ``solve`` answers (x, more), and so does this function

    Returns
    -------
    x, or (x, more). The derivative with respect to what ``f`` closes over is that of the implicit function

    Examples
    --------
    >>> def sqrt(a):
    ...     return custom_root(lambda x: x * x - a, 1., newton, lambda g, y: y / g(1.))
    """
    leaves, avals, tree = flatten_arrays(initial_guess, "custom_root", "initial_guess")
    in_tree = treedef_tuple((tree,))
    fun, f_consts, out_tree = trace_function(f, in_tree, avals, "custom_root")
    if out_tree != tree or not all(map(same_type, fun.out_avals, avals)):
        raise TypeError("custom_root: f(x) must have the structure, shapes and dtypes of x.\n"
                        + (explain_mismatch(tree, out_tree, names=("initial_guess", "f(initial_guess)")) or
                           f"  x is {', '.join(a.str_short(False) for a in avals)}; f(x) is "
                           f"{', '.join(a.str_short(False) for a in fun.out_avals)}"))
    solver, solve_consts, solution_tree = trace_function(lambda x: solve(f, x), in_tree, avals, "custom_root")
    x_tree = treedef_children(solution_tree)[0] if has_aux else solution_tree
    if x_tree != tree:
        raise TypeError("custom_root: solve(f, initial_guess) must have the structure of initial_guess.\n"
                        + explain_mismatch(tree, x_tree, names=("initial_guess", "the solution")))
    n = len(leaves)

    def linearize_and_solve(x, rhs):
        """The solution of the linearised equation at ``x``."""
        def g(v):
            tangents, v_tree = tree_flatten(v)
            xs = tree_flatten(x)[0]

            def at(*values):
                return tree_flatten(f(tree_unflatten(tree, values)))[0]

            return tree_unflatten(v_tree, [instantiate_zeros(t) for t in jvp_flat(at, xs, map(_like, tangents, avals))[1]])

        return tangent_solve(g, rhs)

    both = treedef_tuple((tree, tree))
    linear_solver, linear_consts, _ = trace_function(linearize_and_solve, both, [*avals, *(a.to_tangent_aval() for a in avals)],
                                                     "custom_root")

    @custom_jvp
    def root(f_consts, solve_consts, linear_consts, guess):
        return eval_closed(solver, *solve_consts, *guess)

    @root.defjvp
    def root_jvp(primals, tangents):
        f_consts, solve_consts, linear_consts, guess = primals
        outs = root(f_consts, solve_consts, linear_consts, guess)
        x = outs[:n]
        _, change = jvp_flat(lambda *cs: eval_closed(fun, *cs, *x), f_consts,
                             [t if aval_of(c).is_differentiable else None for c, t in zip(f_consts, tangents[0])])
        rhs = [neg(instantiate_zeros(t)) for t in change]
        x_tangents = eval_closed(linear_solver, *linear_consts, *x, *rhs)
        return outs, [*x_tangents, *(instantiate_zeros(Zero.of(out)) for out in outs[n:])]

    outs = root(list(f_consts), list(solve_consts), list(linear_consts), leaves)
    return tree_unflatten(solution_tree, [x if isinstance(x, Array) else as_array(x) for x in outs])


def _like(t, aval):
    """A tangent of the type that goes with ``aval``; plain numbers become arrays."""
    return as_array(t) if aval_of(t).dtype == aval.dtype else as_array(aval.dtype.type(t))
