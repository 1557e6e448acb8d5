"""What the loops share: the check that a step keeps the carry's types, and rows of arrays."""

from __future__ import annotations

from ferax._src.control.tracing_utils import same_type
from ferax._src.control.varying import cast_to
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.joining import stack
from ferax._src.ops.slicing import index_in_dim
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of, nowhere
from ferax._src.types.promotion import combine
from ferax._src.types.pytrees import explain_mismatch, keystr, tree_flatten_with_path, tree_unflatten


def promote_carry(values, avals, out_avals):
    """A first carry in the dtypes that a step makes of it, where it is weakly typed (``0``, ``1.0``), and varying as it does.

    Returns
    -------
    (values, avals) if anything changed, else None
    """
    if len(avals) != len(out_avals):
        return None
    values, new_avals = list(values), list(avals)
    changed = False
    for i, (a, b) in enumerate(zip(avals, out_avals)):
        if a.weak_type and not same_type(a, b) and a.shape == b.shape:
            values[i] = convert(values[i], combine((a.dtype, True), (b.dtype, b.weak_type))[0])
            new_avals[i] = aval_of(values[i])
            changed = True
        more = getattr(b, "varying", nowhere) - getattr(a, "varying", nowhere)
        if more:
            values[i], new_avals[i], changed = cast_to(values[i], more), new_avals[i].update(varying=a.varying | more), True
    return (values, new_avals) if changed else None


def check_carry(name: str, function: str, carry_name: str, tree, avals, out_tree, out_avals, page: str) -> None:
    """Check that one step gives back what it was given.

    Parameters
    ----------
    name : the API function
    function : the user's function, in words
    carry_name : what to call the carry in paths: ``carry['w']``
    tree, avals : before the step
    out_tree, out_avals : after it
    page : of the documentation
    """
    if out_tree != tree:
        raise TypeError(f"{name}: the carry changed its structure after one step of {function}.\n"
                        + explain_mismatch(tree, out_tree, names=("the carry before", "the carry after"), root=carry_name)
                        + f"\nReturn the carry in the same structure. See {page}")
    if all(map(same_type, avals, out_avals)):
        return
    lines = []
    cure = ""
    example = tree_unflatten(tree, range(len(avals)))
    for path, i in tree_flatten_with_path(example)[0]:
        a, b = avals[i], out_avals[i]
        if not same_type(a, b):
            lines.append(f"  {carry_name}{keystr(path)}  started as {a.str_short(False)}  and came back as  {b.str_short(False)}")
            cure = cure or _cure(a, b)
    raise TypeError(f"{name}: the carry changed type after one step of {function}; carry input and carry output must have "
                    "equal types.\n" + "\n".join(lines) + f"\n{cure} See {page}")


def _cure(a, b) -> str:
    dtype = dtypes.dtype_name(b.dtype)
    if a.shape == b.shape and not dtypes.is_extended(b.dtype):
        return (f"Make both the same, for example start with jnp.zeros({a.shape}, jnp.{dtype}), or return the new value "
                f"with .astype(jnp.{dtypes.dtype_name(a.dtype)}).")
    return f"Make both the same, for example start with an array of shape {b.shape} and dtype {dtype}."


def index_row(x, i: int):
    """Row ``i`` along the first axis."""
    return index_in_dim(as_array(x), i, 0, keepdims=False)


def stack_rows(rows):
    """Values stacked along a new first axis."""
    return stack([as_array(y) for y in rows])
