"""Where two pytrees part, in words.

`differences` walks two trees side by side and reports each place where they part: the path, what each has there, and
why that does not fit. The trees are compared as equal structures, or the first as a *prefix* of the second (a leaf of
the first then stands for a whole subtree of the second). All of this runs only when something went wrong already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from ferax._src.types.pytree_paths import KeyPath, key_value, keystr
from ferax._src.types.pytree_registry import (
    PyTreeDef,
    flatten_one_level,
    flatten_one_level_with_keys,
    is_namedtuple,
    is_tree_node,
    registry,
)

Predicate = Callable[[Any], bool] | None


class Difference(NamedTuple):
    path: KeyPath
    what: str  # 'different types', 'different lengths of list', ...
    first: str  # what the first tree has there
    second: str
    why: str  # why the two do not fit


class Placeholder:
    """Stands for a leaf in a tree built from a structure alone."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "*"


def differences(
    first: Any, second: Any, *, prefix: bool = False, is_leaf: Predicate = None, path: KeyPath = ()
) -> Iterator[Difference]:
    """Each place where two trees part; nothing below such a place is looked at."""
    first_is_leaf, second_is_leaf = _is_leaf(first, is_leaf), _is_leaf(second, is_leaf)
    if first_is_leaf and (prefix or second_is_leaf):
        return
    if type(first) is not type(second) or first_is_leaf or second_is_leaf:
        words = describe(first, first_is_leaf), describe(second, second_is_leaf)
        if words[0] == words[1]:  # two classes of one name
            words = f"{words[0]} ({type(first)!r})", f"{words[1]} ({type(second)!r})"
        yield Difference(path, "different types", *words, "their Python types differ")
        return
    pairs1, pairs2 = _children(first), _children(second)
    if len(pairs1) != len(pairs2):
        if isinstance(first, (list, tuple)):
            what, why = f"different lengths of {type(first).__name__}", "the lengths do not match"
        else:
            what, why = "different numbers of pytree children", "the numbers of children do not match"
        yield Difference(path, what, describe(first), describe(second), why + _key_difference(pairs1, pairs2))
        return
    meta1, meta2 = flatten_one_level(first)[1], flatten_one_level(second)[1]
    if not _equal(meta1, meta2):
        if isinstance(first, dict):
            what, words, why = "different keys", (describe(first), describe(second)), "the keys do not match"
        else:
            what, why = "different pytree metadata", "the pytree node metadata does not match"
            words = f"{describe(first)} and metadata {meta1}", f"{describe(second)} and metadata {meta2}"
        yield Difference(path, what, *words, why + _key_difference(pairs1, pairs2))
        return
    for (key, child1), (_, child2) in zip(pairs1, pairs2, strict=True):
        yield from differences(child1, child2, prefix=prefix, is_leaf=is_leaf, path=(*path, key))


def _is_leaf(tree: Any, is_leaf: Predicate) -> bool:
    return bool(is_leaf is not None and is_leaf(tree)) or not is_tree_node(type(tree))


def _children(tree: Any) -> list[tuple[Any, Any]]:
    return list(flatten_one_level_with_keys(tree)[0])


def _equal(meta1: Any, meta2: Any) -> bool:
    try:
        return bool(meta1 == meta2)
    except Exception:  # static data of a user's class, compared by its own ``__eq__``
        return False


def _key_difference(pairs1: list, pairs2: list) -> str:
    """What keys only one of two nodes has, where that says something."""
    values1, values2 = ([key_value(k) for k, _ in pairs] for pairs in (pairs1, pairs2))
    if all(type(v) is int for v in values1 + values2):  # positions; the numbers have been told
        return ""
    only1 = [repr(v) for v in values1 if v not in values2]
    only2 = [repr(v) for v in values2 if v not in values1]
    told = [
        f"only the {which} has {', '.join(only)}"
        for which, only in (("first", only1), ("second", only2))
        if only
    ]
    return ", " + " and ".join(told) if told else ""


def describe(tree: Any, leaf: bool = False) -> str:
    """A node or leaf in a few words; its contents are left out."""
    name = type(tree).__name__
    if tree is None:
        return "None"
    if isinstance(tree, Placeholder):
        return "a leaf"
    if leaf or not is_tree_node(type(tree)):
        return f"a leaf of type {name}"
    if is_namedtuple(tree):
        return f"a {name}({', '.join(tree._fields)})"
    if isinstance(tree, (list, tuple)):
        return f"a {name} of length {len(tree)}"
    if isinstance(tree, dict):
        return f"a {name} with keys {_listed(list(tree))}" if tree else f"an empty {name}"
    children = len(_children(tree))
    return f"a {name} with {children} child{'' if children == 1 else 'ren'}"


def _listed(items: list, limit: int = 12) -> str:
    words = ", ".join(map(repr, items[:limit]))
    return words if len(items) <= limit else f"{words}, ... ({len(items)} in all)"


def structure_text(tree: Any, is_leaf: Predicate = None, limit: int = 500) -> str:
    """The structure of a tree (or a structure) as text of reasonable length."""
    text = str(tree if isinstance(tree, PyTreeDef) else registry.flatten(tree, is_leaf)[1])
    return text if len(text) <= limit else text[: limit - 4] + " ..."


# -- messages -----------------------------------------------------------------------------------------------------


def explain_mismatch(
    first: Any,
    second: Any,
    *,
    names: tuple[str, str] = ("the first tree", "the second tree"),
    root: str = "tree",
    prefix: bool = False,
    is_leaf: Predicate = None,
    limit: int = 4,
) -> str:
    """Where two trees part, and both structures: the body of an error message; empty if they do not part.

    Parameters
    ----------
    first, second : trees, or structures; the first is a prefix if ``prefix``
    names : how the message calls the two
    root : how it calls the root in paths: ``root['w'][0]``
    limit : number of places to tell
    """
    if isinstance(first, PyTreeDef) or isinstance(second, PyTreeDef):
        first, second = (rebuilt(t) if isinstance(t, PyTreeDef) else t for t in (first, second))
    found = list(differences(first, second, prefix=prefix, is_leaf=is_leaf))
    if not found:
        return ""
    lines = []
    for d in found[:limit]:
        lines += [
            f"pytree structure error: {d.what} at key path",
            f"    {root}{keystr(d.path)}",
            f"where {names[0]} has {d.first}, but {names[1]} has {d.second}, so {d.why}.",
        ]
    if len(found) > limit:
        lines.append(f"... and {len(found) - limit} more such places.")
    for name, tree in zip(names, (first, second), strict=True):
        lines += [f"The structure of {name}:", f"    {structure_text(tree, is_leaf)}"]
    return "\n".join(lines)


def rebuilt(treedef: PyTreeDef) -> Any:
    """A tree of a given structure, with placeholders for leaves."""
    return treedef.unflatten([Placeholder()] * treedef.num_leaves)


def prefix_errors(
    prefix_tree: Any, full_tree: Any, is_leaf: Predicate = None
) -> list[Callable[[str], ValueError]]:
    """An error for each place where ``prefix_tree`` is no prefix of ``full_tree``, as functions of its name."""

    def error(d: Difference) -> Callable[[str], ValueError]:
        return lambda name: ValueError(
            f"pytree structure error: {d.what} at key path\n"
            f"    {name}{keystr(d.path)}\n"
            f"At that key path, the prefix pytree {name} has {d.first}, "
            f"but the full pytree has {d.second}, so {d.why}."
        )

    return [error(d) for d in differences(prefix_tree, full_tree, prefix=True, is_leaf=is_leaf)]


def equality_errors(
    tree1: Any, tree2: Any, is_leaf: Predicate = None
) -> Iterable[tuple[KeyPath, str, str, str]]:
    """Each place where two trees part, as (path, what the first has, what the second has, why they do not fit).

    A message is made of them like this: ``f"{name}{keystr(path)} is {thing1} in one and {thing2} in the other, so {why}"``.
    """
    for d in differences(tree1, tree2, is_leaf=is_leaf):
        yield d.path, d.first, d.second, d.why


def equality_errors_pytreedef(tree1: PyTreeDef, tree2: PyTreeDef) -> Iterable[tuple[KeyPath, str, str, str]]:
    """`equality_errors` of structures."""
    return equality_errors(rebuilt(tree1), rebuilt(tree2))
