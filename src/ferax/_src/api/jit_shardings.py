"""The shardings that `jit` is told: where arguments shall lie, and results."""

from __future__ import annotations

from typing import Any

from ferax._src.types.meshes import get_mesh
from ferax._src.types.pytrees import PyTreeDef, flatten_axes, tree_map
from ferax._src.types.shardings import NamedSharding, PartitionSpec, Sharding


def checked_shardings(tree: Any, what: str):
    """A pytree of shardings as given to `jit`, with partition specs made shardings of the mesh in force.

    Parameters
    ----------
    tree : pytree of Sharding, PartitionSpec and None
    what : "in_shardings" or "out_shardings"
    """
    def checked(leaf):
        if leaf is None or isinstance(leaf, Sharding):
            return leaf
        if isinstance(leaf, PartitionSpec):
            mesh = get_mesh()
            if mesh.empty:
                raise ValueError(f"jit: {what} has the PartitionSpec {leaf}, which needs a mesh: set one with "
                                 "ferax.set_mesh(mesh), or pass NamedSharding(mesh, spec).")
            return NamedSharding(mesh, leaf)
        raise ValueError(f"jit: {what} leaf values are expected to be instances of Sharding, PartitionSpec or None, but got "
                         f"{leaf!r} of type {type(leaf).__name__}")

    return tree_map(checked, tree, is_leaf=lambda x: x is None)


def argument_shardings(tree: Any, in_tree: PyTreeDef) -> tuple | None:
    """One sharding, or None, for each flat argument; None if none is asked for.

    ``in_tree`` is the structure of ``(args, kwargs)``.
    """
    if tree is None:
        return None
    args_tree, kwargs_tree = in_tree.children()
    if kwargs_tree.num_leaves:
        raise ValueError("jit does not support keyword arguments when in_shardings is specified: pass them by position.")
    return _some(flatten_axes("jit in_shardings", args_tree, tree))


def result_shardings(tree: Any, out_tree: PyTreeDef) -> tuple | None:
    """One sharding, or None, for each flat result; None if none is asked for."""
    return None if tree is None else _some(flatten_axes("jit out_shardings", out_tree, tree))


def _some(shardings: list) -> tuple | None:
    return tuple(shardings) if any(s is not None for s in shardings) else None
