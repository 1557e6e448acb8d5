"""Pytrees: nested containers whose leaves are arrays or anything else.

A tree is taken apart into its leaves, in a fixed order, and its structure (a ``PyTreeDef``), and put together again
from the two. Lists, tuples, dicts (by sorted key), namedtuples, None (no leaves), ``OrderedDict``, ``defaultdict`` and
registered classes are nodes; all else is a leaf. The work is done in C++ by the engine's registry.

This module holds the functions of ``ferax.tree`` and ``ferax.tree_util`` and gathers the rest:
``pytree_registry`` (which classes are nodes), ``pytree_paths`` (where a leaf lies), ``pytree_prefix`` (trees that stand
for bigger trees), ``pytree_errors`` (where two trees part).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from ferax._src import engine
from ferax._src.types.pytree_errors import (  # noqa: F401
    describe,
    differences,
    equality_errors,
    equality_errors_pytreedef,
    explain_mismatch,
    prefix_errors,
    structure_text,
)
from ferax._src.types.pytree_paths import (  # noqa: F401
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    KeyEntry,
    KeyLeafPair,
    KeyLeafPairs,
    KeyPath,
    SequenceKey,
    key_value,
    keystr,
)
from ferax._src.types.pytree_prefix import (  # noqa: F401
    NotAPrefix,
    broadcast_flattened_prefix_with_treedef,
    broadcast_prefix,
    flatten_axes,
    prefix_counts,
)
from ferax._src.types.pytree_registry import (  # noqa: F401
    NodeType,
    PyTreeDef,
    PyTreeRegistry,
    default_registry,
    dispatch_registry,
    flatten_one_level,
    flatten_one_level_with_keys,
    is_namedtuple,
    is_tree_node,
    node_types,
    none_leaf_registry,
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    register_pytree_with_keys_class,
    register_static,
    registry,
    static,
)
from ferax._src.util.tracebacks import filter_at_exit

Leaf = Any
PyTree = Any


class Unspecified:
    """The default of arguments for which None is a value."""

    def __repr__(self) -> str:
        return "Unspecified()"


_flatten = registry.flatten


# -- leaves and structure -----------------------------------------------------------------------------------------


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], PyTreeDef]:
    """The leaves of a tree and its structure.

    Parameters
    ----------
    tree : pytree
    is_leaf : called with each node; a true answer makes it a leaf

    Returns
    -------
    leaves, treedef : `tree_unflatten` makes the tree of them again

    Raises
    ------
    ValueError : if the keys of a dict cannot be sorted.

    Examples
    --------
    >>> tree_flatten({'b': (1, None), 'a': [2, 3]})
    ([2, 3, 1], PyTreeDef({'a': [*, *], 'b': (*, None)}))
    """
    try:
        return _flatten(tree, is_leaf)
    except ValueError as e:
        raise _flatten_error(e, tree, is_leaf) from e.__cause__


def _flatten_error(e: ValueError, tree: Any, is_leaf: Callable[[Any], bool] | None) -> ValueError:
    """What to raise for an error of flattening: the same, or for keys that cannot be sorted, one that names them."""
    if not str(e).startswith("Comparator raised"):
        return e
    return ValueError(
        "a dict in the tree has keys that cannot be sorted, such as numbers and strings together: "
        f"{_unsortable(tree, is_leaf)}. Use keys of one type, or collections.OrderedDict, which keeps its order."
    )


def _unsortable(tree: Any, is_leaf: Callable[[Any], bool] | None) -> str:
    """The keys of the first dict in a tree that cannot be sorted."""

    def is_culprit(x):
        if type(x) is dict:
            try:
                sorted(x)
            except Exception:  # whatever a key's ``__lt__`` raises
                return True
        return bool(is_leaf is not None and is_leaf(x))

    found = [x for x in _flatten(tree, is_culprit)[0] if type(x) is dict]
    return repr(list(found[0])) if found else "(the keys sort one by one)"


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The tree of a structure and its leaves, in the order of `tree_flatten`."""
    return treedef.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of a tree; see `tree_flatten`."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> PyTreeDef:
    """The structure of a tree; see `tree_flatten`."""
    return tree_flatten(tree, is_leaf)[1]


def tree_leaves_checked(treedef_expected: PyTreeDef, tree: Any) -> list[Any]:
    """The leaves of a tree that must have a given structure."""
    leaves, treedef = tree_flatten(tree)
    if treedef != treedef_expected:
        raise ValueError(
            explain_mismatch(treedef_expected, tree, names=("the expected tree", "the tree"))
            or f"expected structure {treedef_expected}, got {treedef}"
        )
    return leaves


def all_leaves(iterable: Iterable[Any], is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether every element is a leaf."""
    if is_leaf is None:
        return engine.pytree.all_leaves(registry, iterable)
    items = list(iterable)
    leaves = tree_leaves(items, is_leaf)
    return len(leaves) == len(items) and all(a is b for a, b in zip(items, leaves, strict=True))


def tree_all(tree: Any, *, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether all leaves are true."""
    return all(tree_leaves(tree, is_leaf))


# -- mapping and folding ------------------------------------------------------------------------------------------


def tree_map(
    f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """Apply a function to each leaf.

    Parameters
    ----------
    f : called with a leaf of ``tree`` and what each tree of ``rest`` has in its place
    tree : pytree, which sets the structure
    rest : trees of the same structure, or with whole subtrees where ``tree`` has leaves
    is_leaf : called with each node of ``tree``; a true answer makes it a leaf

    Returns
    -------
    tree of the structure of ``tree``, of the results

    Raises
    ------
    ValueError : if a tree of ``rest`` does not fit; says where.

    Examples
    --------
    >>> tree_map(lambda x, y: x + y, {'a': 1, 'b': [2]}, {'a': 10, 'b': [20]})
    {'a': 11, 'b': [22]}
    """
    try:
        leaves, treedef = tree_flatten(tree, is_leaf)
        if not rest:
            return treedef.unflatten(map(f, leaves))
        return treedef.unflatten(map(f, leaves, *_align("tree_map", tree, treedef, rest, is_leaf)))
    except Exception as e:
        filter_at_exit(e)
        raise


def _align(
    name: str, tree: Any, treedef: PyTreeDef, rest: tuple, is_leaf: Callable[[Any], bool] | None
) -> list[list]:
    """What each of the other trees has where ``tree`` has leaves."""
    out = []
    for i, other in enumerate(rest):
        try:
            out.append(treedef.flatten_up_to(other))
        except Exception as e:
            message = explain_mismatch(
                tree, other, prefix=True, is_leaf=is_leaf, names=("the first tree", f"tree number {i + 2}")
            )
            if not message:  # the structures fit: a user's flatten function failed
                raise
            raise ValueError(f"{name}: {message}") from e
    return out


def tree_reduce(
    function: Callable[[Any, Any], Any],
    tree: Any,
    initializer: Any = Unspecified(),
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """Fold the leaves from the left: ``function(function(leaf0, leaf1), leaf2)``, after ``initializer`` if given."""
    leaves = tree_leaves(tree, is_leaf)
    if isinstance(initializer, Unspecified):
        return functools.reduce(function, leaves)
    return functools.reduce(function, leaves, initializer)


def tree_reduce_associative(
    operation: Callable[[Any, Any], Any],
    tree: Any,
    *,
    identity: Any = Unspecified(),
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """Fold the leaves as a balanced tree, so that the results depend on each other over few steps only.

    ``identity`` is the answer for a tree without leaves.
    """
    values = tree_leaves(tree, is_leaf)
    if not values:
        if isinstance(identity, Unspecified):
            raise TypeError("tree_reduce_associative: must specify identity for a tree without leaves.")
        return identity

    def fold(lo: int, hi: int) -> Any:
        if hi - lo == 1:
            return values[lo]
        middle = lo + (hi - lo) // 2
        return operation(fold(lo, middle), fold(middle, hi))

    return fold(0, len(values))


def tree_transpose(
    outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose: Any
) -> Any:
    """Turn an outer tree of inner trees into an inner tree of outer trees.

    Parameters
    ----------
    outer_treedef, inner_treedef : the two structures; None finds the inner one from the tree
    pytree_to_transpose : tree of structure ``outer_treedef.compose(inner_treedef)``

    Examples
    --------
    >>> tree_transpose(tree_structure([0, 0]), None, [(1, 2), (3, 4)])
    ([1, 3], [2, 4])
    """
    leaves, treedef = tree_flatten(pytree_to_transpose)
    if inner_treedef is None:
        subtrees = outer_treedef.flatten_up_to(pytree_to_transpose)
        if not subtrees:
            raise ValueError(
                f"tree_transpose: the outer structure {outer_treedef} has no leaves, "
                "so inner_treedef must be given"
            )
        inner_treedef = tree_structure(subtrees[0])
    outer, inner = outer_treedef.num_leaves, inner_treedef.num_leaves
    if treedef.num_leaves != outer * inner:
        raise TypeError(
            f"tree_transpose: Mismatch: the tree has structure\n    {treedef}\nbut the outer structure with "
            f"the inner one in place of each leaf is\n    {outer_treedef.compose(inner_treedef)}"
        )
    return inner_treedef.unflatten(outer_treedef.unflatten(leaves[i::inner]) for i in range(inner))


def tree_broadcast(prefix_tree: Any, full_tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """A tree of the structure of ``full_tree``, of the leaves of a prefix of it, each repeated for its subtree.

    Examples
    --------
    >>> tree_broadcast((1, 2), (0, {'a': 0, 'b': 0}))
    (1, {'a': 2, 'b': 2})
    """
    leaves = broadcast_prefix(prefix_tree, full_tree, is_leaf=is_leaf)
    return tree_structure(full_tree).unflatten(leaves)


# -- with key paths -----------------------------------------------------------------------------------------------


def tree_flatten_with_path(
    tree: Any,
    is_leaf: Callable[..., bool] | None = None,
    is_leaf_takes_path: bool = False,
) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """The (key path, leaf) pairs of a tree and its structure.

    With ``is_leaf_takes_path``, ``is_leaf`` is called with the path as well: ``is_leaf(path, node)``.
    """
    predicate = is_leaf
    if is_leaf is not None and not is_leaf_takes_path:

        def predicate(_, node):
            return is_leaf(node)

    try:
        return registry.flatten_with_path(tree, predicate)
    except ValueError as e:
        raise _flatten_error(e, tree, None if is_leaf_takes_path else is_leaf) from e.__cause__


def tree_leaves_with_path(
    tree: Any,
    is_leaf: Callable[..., bool] | None = None,
    is_leaf_takes_path: bool = False,
) -> list[tuple[KeyPath, Any]]:
    """The (key path, leaf) pairs of a tree; see `tree_flatten_with_path`."""
    return tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)[0]


generate_key_paths = tree_leaves_with_path


def tree_map_with_path(
    f: Callable[..., Any],
    tree: Any,
    *rest: Any,
    is_leaf: Callable[..., bool] | None = None,
    is_leaf_takes_path: bool = False,
) -> Any:
    """`tree_map` of a function that takes the key path first: ``f(path, leaf, *others)``."""
    pairs, treedef = tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    paths, leaves = [p for p, _ in pairs], [x for _, x in pairs]
    others = _align("tree_map_with_path", tree, treedef, rest, None if is_leaf_takes_path else is_leaf)
    return treedef.unflatten(map(f, paths, leaves, *others))


# -- structures ---------------------------------------------------------------------------------------------------


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of trees of the given structures."""
    return engine.pytree.treedef_tuple(registry, list(treedefs))


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """The structures of the children of a node; none for a leaf."""
    return treedef.children()


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether a structure is a single node: a leaf, or a node without children such as None."""
    return treedef.num_nodes == 1


def treedef_is_strict_leaf(treedef: PyTreeDef) -> bool:
    """Whether a structure is that of a leaf."""
    return treedef.num_nodes == 1 and treedef.num_leaves == 1


def build_tree(treedef: PyTreeDef, xs: Any) -> Any:
    """The tree of a structure whose nodes are given as plain iterables."""
    return treedef.from_iterable_tree(xs)


# -- functions as trees -------------------------------------------------------------------------------------------


class _Opaque:
    """A ``functools.partial`` as one indivisible callable.

    ``functools.partial`` of a partial merges the two, which would make leaves of the inner one's arguments.
    """

    __slots__ = ("fun",)

    def __init__(self, fun: Callable[..., Any]):
        self.fun = fun

    func = property(lambda self: self.fun.func)
    args = property(lambda self: self.fun.args)
    keywords = property(lambda self: self.fun.keywords)

    def __call__(self, *args, **kwargs):
        return self.fun(*args, **kwargs)

    def __eq__(self, other):
        return self.fun == (other.fun if isinstance(other, _Opaque) else other)

    def __hash__(self):
        return hash(self.fun)

    def __reduce__(self):
        return _Opaque, (self.fun,)

    def __repr__(self):
        return repr(self.fun)


class Partial(functools.partial):
    """``functools.partial`` as a pytree: its arguments are children, its function is static.

    So a function with arrays bound to it can be passed to, and returned from, transformed functions. A
    ``functools.partial`` given as the function is taken as a whole: its arguments are no leaves.

    Examples
    --------
    >>> tree_leaves(Partial(max, 1, 2))
    [1, 2]
    """

    def __new__(klass, func, *args, **kw):
        if isinstance(func, functools.partial):
            func = _Opaque(func)
        return super().__new__(klass, func, *args, **kw)


register_pytree_node(
    Partial,
    lambda p: ((p.args, p.keywords), p.func),
    lambda func, children: Partial(func, *children[0], **children[1]),
)
