"""`scan_p`: a loop of known length over the first axis of its inputs.

``scan`` runs ``body``, one step ``consts, carry, x -> carry, y``, ``length`` times. Operands are ``consts ++ carry ++
xs``, results ``carry ++ ys``; xs and ys have the scan axis first. Each rule transforms the body, arranges the
operands to suit and binds again. The user's ``lax.scan`` is in `scan_api`, the lowering in `scan_lowering`.
"""

from __future__ import annotations

from ferax._src.control.call import call_eqn
from ferax._src.control.custom_refs import RefCarrier
from ferax._src.control.scan_lowering import lower_scan
from ferax._src.control.tracing_utils import eqn_like, fixpoint, joined_aval, rewired, stacked_aval, with_outputs
from ferax._src.ir.dce import dce_closed, keeps_alive
from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Literal, Var
from ferax._src.ops.axes import move_axis, place_axis
from ferax._src.ops.refs import check_aliases, discharged, values_of, write_back
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.tracing.core import Zero, register, remember, state
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.transforms.batch import batch_jaxpr
from ferax._src.transforms.jvp import jvp_jaxpr
from ferax._src.transforms.program import call_program
from ferax._src.transforms.split import rematerialize_jaxpr, split_jaxpr
from ferax._src.transforms.transpose import backward_pass, transpose_jaxpr
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.util.lists import split_exactly


class Scan(RefCarrier):
    """Run ``jaxpr``, one step ``consts, carry, x -> carry, y``, ``length`` times."""

    name = "scan"

    def abstract_eval(self, *avals, jaxpr, length, num_consts, num_carry, reverse, unroll):
        outs = jaxpr.out_avals
        starts = zip(avals[num_consts:], jaxpr.in_avals[num_consts:], outs[:num_carry])
        return [*map(joined_aval, starts), *(stacked_aval(y, length) for y in outs[num_carry:])]

    def lower(self, ctx, *values, **params):
        return lower_scan(ctx, values, **params)

    def bind_refs(self, args, *, jaxpr, num_consts, num_carry, carry=False, **loop):
        """References that all steps share are carried; of those scanned over each step has its row."""
        check_aliases(args, jaxpr.debug_info)
        program, written = discharged(jaxpr, carry)
        n, m, first_x = len(args), len(jaxpr.jaxpr.outvars), num_consts + num_carry
        shared = [i for i in written if i < num_consts]
        rows = [i for i in written if i >= first_x]
        fixed = [i for i in range(num_consts) if i not in shared]
        last = {i: m + k for k, i in enumerate(written)}
        body = rewired(program, [*fixed, *shared, *range(num_consts, n)],
                       [*(last[i] for i in shared), *range(m), *(last[i] for i in rows)])
        values = values_of(args)
        outs = self.bind(*(values[i] for i in (*fixed, *shared)), *values[num_consts:], jaxpr=body, num_consts=len(fixed),
                         num_carry=len(shared) + num_carry, **loop)
        shared_outs, outs, row_outs = split_exactly(outs, (len(shared), m, len(rows)))
        write_back(args, (*shared, *rows), [*shared_outs, *row_outs])
        return outs

    def jvp(self, primals, tangents, *, jaxpr, num_consts, num_carry, **loop):
        n, m = len(primals), len(jaxpr.jaxpr.outvars)
        lengths = num_consts, num_carry, n - num_consts - num_carry
        consts, carry, xs = split_exactly([type(t) is not Zero for t in tangents], lengths)
        ys = [False] * (m - num_carry)

        def step(carry):
            return jvp_jaxpr(jaxpr, consts + carry + xs, instantiate=carry + ys)

        carry = fixpoint(lambda carry: step(carry)[1][:num_carry], carry)
        program, out_active = step(carry)
        t_consts, t_carry, t_xs = split_exactly(range(n, n + sum(consts + carry + xs)), map(sum, (consts, carry, xs)))
        t_ys = range(m + sum(carry), m + sum(out_active))
        body = rewired(
            program,
            [*range(num_consts), *t_consts, *range(num_consts, num_consts + num_carry), *t_carry,
             *range(num_consts + num_carry, n), *t_xs],
            [*range(num_carry), *range(m, m + sum(carry)), *range(num_carry, m), *t_ys])

        const_ps, carry_ps, x_ps = split_exactly(primals, lengths)
        const_ts, carry_ts, x_ts = split_exactly(tangents, lengths)
        results = self.bind(
            *const_ps, *nonzero(const_ts), *carry_ps, *(instantiate_zeros(t) for t, a in zip(carry_ts, carry) if a),
            *x_ps, *nonzero(x_ts), jaxpr=body, num_consts=num_consts + sum(consts), num_carry=num_carry + sum(carry), **loop)
        carry_out, t_carry_out, ys_out, t_ys_out = split_exactly(
            results, (num_carry, sum(carry), m - num_carry, len(t_ys)))
        given = iter(t_carry_out + t_ys_out)
        outs = carry_out + ys_out
        return outs, [next(given) if a else Zero.of(aval_of(out)) for a, out in zip(out_active, outs)]

    def transpose(self, cts, *args, jaxpr, length, num_consts, num_carry, reverse, unroll):
        n = len(args)
        lengths = num_consts, num_carry, n - num_consts - num_carry
        linear = [isinstance(x, ShapedArray) for x in args]
        consts, starts, xs = split_exactly(linear, lengths)
        if not all(starts):
            carry = unknown_carry(jaxpr, consts, starts, xs)
            if not all(carry):                  # a counter, say: run that part first, then transpose the rest
                return self.transpose_rest(cts, args, linear, jaxpr=jaxpr, length=length, num_consts=num_consts,
                                           num_carry=num_carry, reverse=reverse, unroll=unroll)
            # A carry that starts with a known value, by linearity zero, and then depends on linear operands.
            linear = consts + carry + xs
        ct_ys = [type(ct) is not Zero for ct in cts[num_carry:]]
        accumulate = (True,) * sum(consts) + (False,) * (num_carry + sum(xs))

        def step(ct_carry):
            return transpose_jaxpr(jaxpr, linear, ct_carry + ct_ys, accumulate)

        def grown(ct_carry):
            return step(ct_carry)[1][sum(consts):sum(consts) + num_carry]

        # The carry's cotangent is nonzero if it ends so or if a step backward makes it so.
        ct_carry = fixpoint(grown, [type(ct) is not Zero for ct in cts[:num_carry]])
        program, in_active = step(ct_carry)
        _, carry_active, x_active = split_exactly(in_active, (sum(consts), num_carry, sum(xs)))
        body = backward_body(program, jaxpr, num_consts, consts, ct_carry, carry_active, xs, ct_ys, sum(x_active))

        const_args, _, x_args = split_exactly(args, lengths)
        results = self.bind(
            *known(const_args),
            *(instantiate_zeros(Zero.of(a)) for a, is_linear in zip(const_args, consts) if is_linear),
            *(instantiate_zeros(ct) for ct, a in zip(cts, ct_carry) if a),
            *known(x_args), *nonzero(cts[num_carry:]),
            jaxpr=body, length=length, num_consts=num_consts - sum(consts), num_carry=sum(consts) + sum(ct_carry),
            reverse=not reverse, unroll=unroll)
        const_cts, carry_cts, x_cts = map(iter, split_exactly(results, (sum(consts), sum(ct_carry), sum(x_active))))
        x_active = iter(x_active)
        return [*(next(const_cts) if is_linear else None for is_linear in consts),
                *carry_start_cts(ct_carry, carry_cts, starts, args[num_consts:]),
                *((next(x_cts) if next(x_active) else Zero.of(x)) if is_linear else None
                  for x, is_linear in zip(x_args, xs))]

    def transpose_rest(self, cts, args, linear, **params):
        """Transpose a scan whose carry is linear only in part, by splitting it."""
        closed = trace_to_jaxpr(lambda *xs: self.bind(*xs, **params), [a if l else aval_of(a) for a, l in zip(args, linear)])
        split = split_jaxpr(closed, linear)
        known_args = [a for a, is_linear in zip(args, linear) if not is_linear]
        residuals = split.gather(known_args, call_program(state.trace, split.known, known_args))
        operands = [*residuals, *(a for a, is_linear in zip(args, linear) if is_linear)]
        in_cts = iter(backward_pass(split.unknown.jaxpr, split.unknown.consts, operands,
                                    [ct for ct, u in zip(cts, split.out_unknown) if u])[len(residuals):])
        return [next(in_cts) if is_linear else None for is_linear in linear]

    def batch(self, axis, args, dims, *, jaxpr, num_consts, num_carry, **loop):
        mapped = [d is not None for d in dims]
        carry = mapped[num_consts:num_consts + num_carry]
        first_x = num_consts + num_carry
        ys = [False] * (len(jaxpr.jaxpr.outvars) - num_carry)
        args = list(args)
        body_dims: list = list(dims)
        for i in range(first_x, len(args)):     # the scan axis stays first; the body sees the others
            if dims[i] is not None:
                if dims[i] == 0:
                    args[i] = move_axis(args[i], 0, 1)
                body_dims[i] = max(dims[i], 1) - 1

        def step(carry):
            body_dims[num_consts:first_x] = [0 if c else None for c in carry]
            return batch_jaxpr(jaxpr, body_dims, axis, force_out=carry + ys)

        # A carry is mapped if it starts so or if one step makes it so.
        carry = fixpoint(lambda carry: [d is not None for d in step(carry)[1][:num_carry]], carry)
        body, out_dims = step(carry)
        for i, is_mapped in enumerate(carry, num_consts):
            if is_mapped:
                args[i] = place_axis(args[i], dims[i], axis.size, 0)
        results = self.bind(*args, jaxpr=body, num_consts=num_consts, num_carry=num_carry, **loop)
        return results, [d if d is None or i < num_carry else d + 1 for i, d in enumerate(out_dims)]

    def partial_eval(self, eqn: Eqn, unknown):
        return split_scan(self, eqn, unknown)

    def rematerialize(self, eqn: Eqn, needed, saveable):
        return scan_again(self, eqn, needed, saveable)

    def dce(self, eqn: Eqn, used):
        if not any(used) and not keeps_alive(eqn):
            return None
        params = eqn.params
        body, num_consts, num_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
        used_ys = list(used[num_carry:])
        n_xs = len(eqn.invars) - num_consts - num_carry

        def step(carry):
            return dce_closed(body, carry + used_ys, (*[False] * num_consts, *carry, *[False] * n_xs))

        carry = fixpoint(lambda carry: step(carry)[1][num_consts:num_consts + num_carry], list(used[:num_carry]))
        new_body, used_ins = step(carry)
        new = dict(params, jaxpr=new_body, num_consts=sum(used_ins[:num_consts]), num_carry=sum(carry))
        return eqn_like(eqn, self, [v for v, u in zip(eqn.invars, used_ins) if u],
                        [v for v, u in zip(eqn.outvars, carry + used_ys) if u], new, new_body.effects)


scan_p = register(Scan())


def unknown_carry(body: ClosedJaxpr, consts, carry, xs) -> list[bool]:
    """Which carries depend on unknown (or linear) operands, at the start or after some steps."""
    ys = [False] * (len(body.jaxpr.outvars) - len(carry))

    def step(carry):
        return split_jaxpr(body, consts + carry + xs, force_unknown_out=carry + ys).out_unknown[:len(carry)]

    return fixpoint(step, carry)


def carry_start_cts(ct_carry, carry_cts, starts, avals) -> list:
    """The cotangents of the first carry: None where that is known."""
    found = [next(carry_cts) if a else None for a in ct_carry]
    return [None if not is_linear else Zero.of(aval) if ct is None else ct
            for ct, is_linear, aval in zip(found, starts, avals)]


def nonzero(tangents) -> list:
    """Those that are not known to be zero."""
    return [t for t in tangents if type(t) is not Zero]


def known(args) -> list:
    """The operands of a transposition that have values."""
    return [x for x in args if not isinstance(x, ShapedArray)]


def backward_body(program: ClosedJaxpr, jaxpr, num_consts, consts, ct_carry, carry_active, xs, ct_ys, n_x_cts) -> ClosedJaxpr:
    """One step backward: known consts; sums of the consts' cotangents, carry cotangents; known xs, cotangents of ys.

    ``program`` is the transposed step. It answers no cotangent for a carry that a step does not read; the loop
    needs zeros there.
    """
    key = "backward", tuple(ct_carry), tuple(carry_active), num_consts
    found = program.cache.get(key)
    if found is not None:
        return found
    n_known_consts, n_sums, n_carry = num_consts - sum(consts), sum(consts), sum(ct_carry)
    n_known_xs = len(xs) - sum(xs)
    carry_avals = [aval for aval, a in zip(jaxpr.out_avals, ct_carry) if a]

    def run(*flat):
        known_consts, sums, carry, known_xs, ys = split_exactly(
            flat, (n_known_consts, n_sums, n_carry, n_known_xs, sum(ct_ys)))
        results = eval_closed(program, *known_consts, *known_xs, *carry, *ys, *sums)
        new_sums, new_carry, x_cts = split_exactly(results, (n_sums, sum(carry_active), n_x_cts))
        given = iter(new_carry)
        stepped = [next(given) if is_active else Zero.of(aval) for is_active, aval in zip(carry_active, jaxpr.out_avals)]
        return [*new_sums, *(instantiate_zeros(ct) for ct, a in zip(stepped, ct_carry) if a), *x_cts]

    if list(ct_carry) == list(carry_active):    # nothing to fill in: the same equations, rearranged
        a = n_known_consts + n_known_xs
        b = a + n_carry
        c = b + sum(ct_ys)
        found = rewired(program, [*range(n_known_consts), *range(c, c + n_sums), *range(a, b),
                                  *range(n_known_consts, a), *range(b, c)])
    else:
        ct_avals = [aval.to_tangent_aval() for aval in carry_avals]
        in_avals = program.in_avals
        n_known = n_known_consts + n_known_xs
        sum_avals = in_avals[len(in_avals) - n_sums:]
        y_avals = in_avals[n_known + n_carry:len(in_avals) - n_sums]
        found = trace_to_jaxpr(run, [*in_avals[:n_known_consts], *sum_avals, *ct_avals,
                                     *in_avals[n_known_consts:n_known], *y_avals], program.debug_info)
    remember(program.cache, key, found)
    return found


def split_scan(scan: Scan, eqn: Eqn, unknown):
    """The partial evaluation of a scan: one that runs now, and one that waits.

    The values that the waiting loop needs of the first are, where they do not change from step to step, computed
    once, outside (and the first loop uses them from there too); otherwise they leave the first loop as ys and
    enter the second as xs.
    """
    params = eqn.params
    body, num_consts, num_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    lengths = num_consts, num_carry, len(eqn.invars) - num_consts - num_carry
    const_u, carry_u, x_u = split_exactly(unknown, lengths)
    n_ys = len(eqn.outvars) - num_carry

    carry_u = unknown_carry(body, const_u, carry_u, x_u)
    split = split_jaxpr(body, const_u + carry_u + x_u, force_unknown_out=carry_u + [False] * n_ys)
    if all(split.out_unknown) and not split.known.eqns:
        return [], [eqn], [True] * len(eqn.outvars)
    consts, carry, xs = split_exactly(eqn.invars, lengths)
    known_consts, known_carry, known_xs = (
        [v for v, u in zip(vs, us) if not u] for vs, us in ((consts, const_u), (carry, carry_u), (xs, x_u)))
    known_outs = [v for v, u in zip(eqn.outvars, split.out_unknown) if not u]
    n_kc, n_kk, n_ko = len(known_consts), len(known_carry), len(known_outs)

    eqns, first = hoist_invariants(eqn, split.known, known_consts, n_kc, n_ko)
    first_body, first_consts, invariants = first
    # invariants: for each extra result of split.known the variable outside that holds it, or None if it varies

    stacked: list[Var] = []                     # outside
    stacked_inside: list = []                   # what the first loop's body gives for them
    second_consts: list = []                    # (position among the unknown body's inputs, variable)
    second_xs: list = []
    varying = iter(range(n_ko, len(first_body.jaxpr.outvars)))
    extra_position = [None if v is not None else next(varying) for v in invariants]
    carry_inputs = first_body.jaxpr.invars[len(first_consts):len(first_consts) + n_kk]

    def stack(atom):
        var = Var(stacked_aval(atom.aval, params["length"]))
        stacked.append(var)
        stacked_inside.append(atom)
        return var

    for position, (kind, i) in enumerate(split.residuals):
        if kind == "in" and i < n_kc:
            second_consts.append((position, known_consts[i]))
        elif kind == "in" and i < n_kc + n_kk:
            second_xs.append((position, stack(carry_inputs[i - n_kc])))
        elif kind == "in":
            second_xs.append((position, known_xs[i - n_kc - n_kk]))
        elif kind == "out" and i < n_kk:
            second_xs.append((position, stack(first_body.jaxpr.outvars[i])))
        elif kind == "out":
            second_xs.append((position, known_outs[i]))
        elif invariants[i] is not None:
            second_consts.append((position, invariants[i]))
        else:
            second_xs.append((position, stack(first_body.jaxpr.outvars[extra_position[i]])))

    first_body = with_outputs(first_body, [*first_body.jaxpr.outvars[:n_ko], *stacked_inside])
    results = [*known_outs, *stacked]
    if results or first_body.effects:
        new = dict(params, jaxpr=first_body, num_consts=len(first_consts), num_carry=n_kk)
        eqns.append(eqn_like(eqn, scan, [*first_consts, *known_carry, *known_xs], results, new, first_body.effects))

    n_res = len(split.residuals)
    n_uc, n_uk, n_ux = sum(const_u), sum(carry_u), sum(x_u)
    second_body = rewired(split.unknown, [
        *(p for p, _ in second_consts), *range(n_res, n_res + n_uc + n_uk),
        *(p for p, _ in second_xs), *range(n_res + n_uc + n_uk, n_res + n_uc + n_uk + n_ux)])
    new = dict(params, jaxpr=second_body, num_consts=len(second_consts) + n_uc, num_carry=n_uk)
    second = eqn_like(
        eqn, scan,
        [*(v for _, v in second_consts), *(v for v, u in zip(consts, const_u) if u),
         *(v for v, u in zip(carry, carry_u) if u), *(v for _, v in second_xs), *(v for v, u in zip(xs, x_u) if u)],
        [v for v, u in zip(eqn.outvars, split.out_unknown) if u], new, second_body.effects)
    return eqns, [second], list(split.out_unknown)


def scan_again(scan: Scan, eqn: Eqn, needed, saveable):
    """A scan under `checkpoint`, in two: the loop itself, and one that computes again what is needed of it.

    What the policy saves in a step leaves the first loop as ys and enters the second as xs, or as a constant if it is
    the same in all steps. The second loop carries again only what its steps read.
    """
    params = eqn.params
    body, num_consts, num_carry, length = params["jaxpr"], params["num_consts"], params["num_carry"], params["length"]
    n_xs, n_ys = len(eqn.invars) - num_consts - num_carry, len(eqn.outvars) - num_carry
    carried = range(num_consts, num_consts + num_carry)
    carry, ys = list(needed[:num_carry]), list(needed[num_carry:])
    while True:
        split = rematerialize_jaxpr(body, carry + ys, saveable)
        read = {i for kind, i in split.residuals if kind == "in"}
        more = [c or i in read for c, i in zip(carry, carried)]
        fewer = [y and not kept for y, kept in zip(ys, split.kept[num_carry:])]
        if more == carry and fewer == ys:
            break
        carry, ys = more, fewer

    # A new carry that is saved is stacked, and stands for itself in the second loop.
    saved_carry = [i for i in range(num_carry) if carry[i] and split.kept[i]]
    first = with_outputs(split.first, [*split.first.jaxpr.outvars, *(body.jaxpr.outvars[i] for i in saved_carry)])
    consts, init, xs = split_exactly(eqn.invars, (num_consts, num_carry, n_xs))
    eqns, (first, first_consts, invariants) = hoist_invariants(eqn, first, consts, num_consts, num_carry + n_ys)
    stacked = [Var(stacked_aval(aval, length)) for aval in first.out_avals[num_carry + n_ys:]]
    varying = iter(stacked)
    extra = [(True, v) if v is not None else (False, next(varying)) for v in invariants]
    eqns.append(eqn_like(eqn, scan, [*first_consts, *init, *xs], [*eqn.outvars, *stacked],
                         dict(params, jaxpr=first, num_consts=len(first_consts)), first.effects))

    saved_at = dict(zip(saved_carry, range(len(split.extra_avals), len(extra))))
    again = split.again.jaxpr
    inside = dict(zip(split.residuals, again.invars))       # where a residual comes from -> the step's input for it
    for i in saved_carry:
        inside.setdefault(("out", i), Var(body.out_avals[i]))
    new_consts, new_xs = [], []                 # (variable outside, input of the step)
    for (kind, i), v in inside.items():
        if kind == "in" and i in carried:
            continue
        if kind == "in":
            (new_consts if i < num_consts else new_xs).append((eqn.invars[i], v))
        elif kind == "out" and i >= num_carry:
            new_xs.append((eqn.outvars[i], v))
        else:
            is_const, outside = extra[i if kind == "extra" else saved_at[i]]
            (new_consts if is_const else new_xs).append((outside, v))
    moving = [i for i in range(num_carry) if carry[i]]
    carry_ins = [inside.get(("in", carried[i])) or Var(init[i].aval) for i in moving]
    outs = iter(again.outvars)
    carry_outs = [inside["out", i] if i in saved_at else next(outs) for i in moving]
    step = again.replace(invars=[*(v for _, v in new_consts), *carry_ins, *(v for _, v in new_xs)], outvars=[*carry_outs, *outs])
    new = dict(params, jaxpr=ClosedJaxpr(step, split.again.consts), num_consts=len(new_consts), num_carry=len(moving))
    second = eqn_like(
        eqn, scan, [*(v for v, _ in new_consts), *(init[i] for i in moving), *(v for v, _ in new_xs)],
        [*(eqn.outvars[i] if needed[i] else Var(eqn.outvars[i].aval) for i in moving),
         *(v for v, y in zip(eqn.outvars[num_carry:], ys) if y)], new, step.effects)
    return eqns, [second]


def hoist_invariants(eqn: Eqn, body: ClosedJaxpr, consts, n_consts: int, n_outs: int):
    """Take out of a loop's body what depends on its constants alone.

    Parameters
    ----------
    eqn : the scan, for its place
    body : step of the loop; its results from number ``n_outs`` on are residuals
    consts : variables outside for its ``n_consts`` constants

    Returns
    -------
    eqns : to be run before the loop
    (body, consts, invariants) : the new step and its constants; for each residual the variable that holds it if it
        does not vary, else None. The new step's results are those that vary.
    """
    n_extra = len(body.jaxpr.outvars) - n_outs
    nothing = [], (body, consts, [None] * n_extra)
    if n_consts == 0 or body.effects:           # an effect must happen in each step
        return nothing
    rest = len(body.jaxpr.invars) - n_consts
    split = split_jaxpr(body, [False] * n_consts + [True] * rest, force_unknown_out=[True] * n_outs + [False] * n_extra)
    if not split.known.eqns and all(split.out_unknown):
        return nothing
    outvars = [Var(aval) for aval in split.known.out_avals]
    eqns = [call_eqn(eqn, split.known, consts, outvars, "loop_invariants")] if split.known.eqns else []
    if not eqns:                                # a residual that is a constant of the loop as it stands
        source = dict(zip(split.known.jaxpr.invars, consts))
        outvars = [v if type(v) is Literal else source[v] for v in split.known.jaxpr.outvars]
        if any(type(v) is Literal for v in outvars):
            return nothing
    given = iter(outvars)
    invariants = [None if u else next(given) for u in split.out_unknown[n_outs:]]
    return eqns, (split.unknown, split.gather(consts, outvars), invariants)
