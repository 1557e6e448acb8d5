"""``lax.scan``: what the user calls. Pytrees, checks with words about them, and one bind."""

from __future__ import annotations

from ferax._src.control.loops_common import check_carry, index_row, promote_carry, stack_rows
from ferax._src.control.scan import scan_p
from ferax._src.control.tracing_utils import (
    described, describe_function, element_aval, flatten_arrays, rewired, trace_function)
from ferax._src.control.varying import with_varying_outputs
from ferax._src.ops.convert import as_array
from ferax._src.tracing.core import Tracer
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import (
    keystr, tree_flatten_with_path, tree_map, tree_unflatten, treedef_children, treedef_tuple)
from ferax._src.util import config, errors
from ferax._src.util.tracebacks import api_boundary


@api_boundary
def scan(f, init, xs=None, length=None, reverse=False, unroll=1, _split_transpose=False):
    """Run a function over the first axis of arrays, carrying state along.

    Parameters
    ----------
    f : callable (carry, x) -> (carry, y); the new carry has the structure, shapes and dtypes of the old one
    init : pytree of arrays, the first carry
    xs : pytree of arrays with one first axis, or None
    length : int, the number of steps; needed if ``xs`` has no arrays
    reverse : whether to go from the last row to the first; ys lie as xs do
    unroll : int, how many steps to write in one turn of the loop; True means all, False one
    _split_transpose : accepted; the backward pass is always split from what it can compute beforehand

    Returns
    -------
    carry : the last carry
    ys : pytree of the y of each step, stacked

    Raises
    ------
    TypeError : if one step changes the structure, a shape or a dtype of the carry, or ``f`` does not return a pair.
    ValueError : if the sizes of the first axes differ, or disagree with ``length``.

    Examples
    --------
    >>> scan(lambda total, x: (total + x, total), 0, jnp.arange(4))
    (Array(6, dtype=int32), Array([0, 0, 1, 3], dtype=int32, weak_type=True))
    """
    if not callable(f):
        raise TypeError(f"scan: the first argument must be a function (carry, x) -> (carry, y), got {type(f).__name__}")
    xs_flat, xs_avals, xs_tree = flatten_arrays(xs, "scan", "xs")
    length = scan_length(xs, xs_avals, length)
    steps = unroll_steps(unroll, length)
    if config.disable_jit.value:
        return scan_in_python(f, init, xs_flat, xs_tree, length, reverse)

    init_flat, init_avals, init_tree = flatten_arrays(init, "scan", "init")
    x_avals = [element_aval(a) for a in xs_avals]
    in_tree = treedef_tuple((init_tree, xs_tree))
    closed, consts, out_tree = trace_function(f, in_tree, [*init_avals, *x_avals], "scan")
    carry_tree, ys_tree = split_pair(out_tree, f)
    n_carry = len(init_flat)
    while carry_tree == init_tree and (promoted := promote_carry(init_flat, init_avals, closed.out_avals[:n_carry])) is not None:
        init_flat, init_avals = promoted
        closed, consts, out_tree = trace_function(f, in_tree, [*init_avals, *x_avals], "scan")
        carry_tree, ys_tree = split_pair(out_tree, f)
    check_carry("scan", described(closed.debug_info), "carry", init_tree, init_avals, carry_tree,
                closed.out_avals[:carry_tree.num_leaves], "docs/errors/scan-carry.md")

    closed = with_varying_outputs(closed, [*(a.varying for a in init_avals), *(a.varying for a in closed.out_avals[n_carry:])])
    outs = bind_scan(closed, consts, init_flat, xs_flat, length=length, reverse=bool(reverse), unroll=steps)
    return tree_unflatten(init_tree, outs[:n_carry]), tree_unflatten(ys_tree, outs[n_carry:])


def bind_scan(closed, consts, init, xs, *, length: int, reverse: bool = False, unroll: int = 1) -> list:
    """Bind `scan_p`; what every step hands on unchanged is a constant of the loop and not carried."""
    n_consts, n_carry = len(consts), len(init)
    jaxpr = closed.jaxpr
    fixed = [jaxpr.outvars[i] is jaxpr.invars[n_consts + i] for i in range(n_carry)]
    if not any(fixed):
        return scan_p.bind(*consts, *init, *xs, jaxpr=closed, length=length, num_consts=n_consts, num_carry=n_carry,
                           reverse=reverse, unroll=unroll)
    stay = [i for i, is_fixed in enumerate(fixed) if is_fixed]
    move = [i for i, is_fixed in enumerate(fixed) if not is_fixed]
    carried = range(n_consts, n_consts + n_carry)
    body = rewired(closed, [*range(n_consts), *(carried[i] for i in stay), *(carried[i] for i in move),
                            *range(n_consts + n_carry, len(jaxpr.invars))],
                   [*move, *range(n_carry, len(jaxpr.outvars))])
    init = [x if isinstance(x, Tracer) else as_array(x) for x in init]
    results = scan_p.bind(*consts, *(init[i] for i in stay), *(init[i] for i in move), *xs, jaxpr=body, length=length,
                          num_consts=n_consts + len(stay), num_carry=len(move), reverse=reverse, unroll=unroll)
    moved = iter(results)
    return [x if is_fixed else next(moved) for x, is_fixed in zip(init, fixed)] + list(moved)


def scan_length(xs, xs_avals, length) -> int:
    """The number of steps, from the sizes of the first axes and ``length``."""
    if any(a.ndim == 0 for a in xs_avals):
        paths = [f"xs{keystr(p)}" for p, x in tree_flatten_with_path(xs)[0] if aval_of(x).ndim == 0]
        raise ValueError(f"scan got values with no leading axis to scan over: {', '.join(paths)} "
                         f"{'is a scalar' if len(paths) == 1 else 'are scalars'}. Close over values that all steps share, or "
                         "give them in the carry.")
    sizes = {a.shape[0] for a in xs_avals}
    if length is not None:
        if isinstance(length, Tracer):
            raise errors.ConcretizationTypeError(
                length, "the `length` argument to `scan` must be known while tracing. Use fori_loop or while_loop for a number of steps "
                "that is computed, or make the argument static.")
        try:
            length = int(length)
        except (TypeError, ValueError) as error:
            raise type(error)(f"scan: the `length` argument must be an integer, got {length!r}") from None
        if length < 0:
            raise ValueError(f"scan: the `length` argument must not be negative, got {length}")
        if sizes - {length}:
            raise ValueError(f"scan got `length` argument of {length} which disagrees with leading axis sizes "
                             f"{sorted(sizes)} of xs:{_sizes_by_path(xs)}")
        return length
    if not sizes:
        raise ValueError("scan got no values to scan over and `length` not provided. Give `length`, the number of steps.")
    if len(sizes) > 1:
        raise ValueError(f"scan got values with different leading axis sizes: {_sizes_by_path(xs)}\n"
                         "All arrays in xs need the same size along their first axis.")
    return sizes.pop()


def _sizes_by_path(xs) -> str:
    return "".join(f"\n  xs{keystr(p)} has shape {aval_of(x).shape}" for p, x in tree_flatten_with_path(xs)[0])


def unroll_steps(unroll, length: int) -> int:
    """``unroll`` as a number of steps."""
    if isinstance(unroll, bool):
        return max(length, 1) if unroll else 1
    if isinstance(unroll, Tracer) or not hasattr(unroll, "__index__"):
        raise TypeError(f"`unroll` must be a `bool` or a positive `int`, got {unroll!r}.")
    steps = unroll.__index__()
    if steps < 0:
        raise ValueError(f"`unroll` must be a `bool` or a positive `int`, got {steps}.")
    return max(steps, 1)                        # 0 says no more than False does


def split_pair(out_tree, f):
    """The structures of the carry and of y, from that of what ``f`` returned."""
    children = treedef_children(out_tree)
    if len(children) != 2:
        raise TypeError(f"scan body output must be a pair (carry, y), got {out_tree} from {describe_function(f)}. A body "
                        "without stacked results returns (carry, None).")
    return children


def scan_in_python(f, init, xs_flat, xs_tree, length: int, reverse: bool):
    """``scan`` as a Python loop, for ``disable_jit``."""
    if length == 0:
        raise ValueError("zero-length scan is not supported in disable_jit() mode because the type of its results is not known.")
    carry, ys = init, []
    for i in reversed(range(length)) if reverse else range(length):
        carry, y = f(carry, tree_unflatten(xs_tree, [index_row(x, i) for x in xs_flat]))
        ys.append(y)
    if reverse:
        ys.reverse()
    return carry, tree_map(lambda *rows: stack_rows(rows), *ys)
