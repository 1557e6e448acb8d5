"""Prefix trees: a tree whose leaves each stand for a whole subtree of another.

``in_axes=(0, {'w': None})`` is such a prefix of the arguments: one axis for each leaf below. Here a prefix is checked
and spelt out, leaf by leaf.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from ferax._src.types.pytree_errors import Predicate, explain_mismatch, prefix_errors, rebuilt
from ferax._src.types.pytree_registry import PyTreeDef, none_leaf_registry, registry


def broadcast_prefix(prefix_tree: Any, full_tree: Any, is_leaf: Predicate = None) -> list[Any]:
    """For each leaf of ``full_tree``, the leaf of ``prefix_tree`` that stands for it.

    ``is_leaf`` says what else counts as a leaf of the prefix.

    Raises
    ------
    ValueError : if ``prefix_tree`` is not a prefix; names each place where the two part.
    """
    leaves, treedef = registry.flatten(prefix_tree, is_leaf)
    try:
        subtrees = treedef.flatten_up_to(full_tree)
    except ValueError:
        message = explain_mismatch(
            prefix_tree,
            full_tree,
            prefix=True,
            is_leaf=is_leaf,
            root="prefix_tree",
            names=("prefix_tree", "full_tree"),
        )
        if not message:
            raise
        raise ValueError(f"broadcast_prefix: {message}") from None
    out = []
    for leaf, subtree in zip(leaves, subtrees, strict=True):
        out += [leaf] * registry.flatten(subtree, None)[1].num_leaves
    return out


class NotAPrefix(ValueError):
    """A structure is no prefix of another."""


@functools.lru_cache(2048)
def prefix_counts(prefix_treedef: PyTreeDef, full_treedef: PyTreeDef) -> tuple[int, ...]:
    """For each leaf of a prefix structure, the number of leaves of the full structure that it stands for.

    Raises
    ------
    NotAPrefix : if it is none.
    """
    out: list[int] = []

    def walk(prefix: PyTreeDef, full: PyTreeDef) -> None:
        data = prefix.node_data()
        if data is None:  # a leaf
            out.append(full.num_leaves)
            return
        children, full_children = prefix.children(), full.children()
        if data != full.node_data() or len(children) != len(full_children):
            raise NotAPrefix(f"{prefix} is not a prefix of {full}")
        for child, full_child in zip(children, full_children, strict=True):
            walk(child, full_child)

    walk(prefix_treedef, full_treedef)
    return tuple(out)


def broadcast_flattened_prefix_with_treedef(
    prefix_leaves: Iterable[Any], prefix_treedef: PyTreeDef, full_treedef: PyTreeDef
) -> list[Any]:
    """`broadcast_prefix` for a prefix already flattened, and of structures alone.

    Raises
    ------
    NotAPrefix : (a ValueError) if it is no prefix.
    """
    out = []
    for leaf, count in zip(prefix_leaves, prefix_counts(prefix_treedef, full_treedef), strict=True):
        out += [leaf] * count
    return out


def flatten_axes(
    name: str, treedef: PyTreeDef, axis_tree: Any, *, kws: bool = False, tupled_args: bool = False
) -> list[Any]:
    """One axis for each leaf of ``treedef``, from a prefix tree of axes in which None is a leaf.

    Parameters
    ----------
    name : what the user calls the axes, such as 'vmap in_axes'
    treedef : structure of the values
    axis_tree : prefix of it
    kws : the structure is that of ``(args, kwargs)``; an error then speaks of ``args`` alone
    tupled_args : the structure is that of a tuple of arguments, which an error may remind of

    Raises
    ------
    ValueError : if ``axis_tree`` is no prefix; names each place where the two part.
    """
    leaves, axis_def = none_leaf_registry.flatten(axis_tree, None)
    if axis_def.num_nodes == 1 and len(leaves) == 1:
        return leaves * treedef.num_leaves
    try:
        return broadcast_flattened_prefix_with_treedef(leaves, axis_def, treedef)
    except NotAPrefix:
        pass  # explained below, outside of this exception
    if kws:
        treedef, _ = treedef.children()
        axis_tree, _ = axis_tree
    hint = ""
    if tupled_args:
        hint = f" {name} that are not one number must be a tuple with an entry for each positional argument."
        if len(treedef.children()) == 1 and _fits((axis_tree,), treedef):
            hint += f" Here one argument is passed, so wrap {name} in a tuple of one: ({axis_tree!r},)."
    errors = prefix_errors(axis_tree, rebuilt(treedef), is_leaf=_is_none)
    details = "\n  ".join(str(e(name)).replace("\n", "\n  ") for e in errors)
    raise ValueError(
        f"{name} specification must be a tree prefix of the corresponding value.{hint}\n"
        f"  Mismatch details ({len(errors)} found):\n  {details}\n"
        f"  The structure of the value: {treedef}"
    )


def _is_none(x: Any) -> bool:
    return x is None


def _fits(axis_tree: Any, treedef: PyTreeDef) -> bool:
    try:
        prefix_counts(none_leaf_registry.flatten(axis_tree, None)[1], treedef)
    except NotAPrefix:
        return False
    return True
