"""Which classes are nodes of pytrees, and how each is taken apart and put together.

A registry is a C++ table from class to node functions. Ferax has three, and what a user registers goes into all:

``registry``            the one that users see: arrays are leaves, None is a node without children
``none_leaf_registry``  None is a leaf, for trees such as ``in_axes`` where None is an answer
``dispatch_registry``   for the C++ call path alone: there, Ferax's array class is a node around the engine's buffer

A structure of one registry compares equal to that of another where both have the same nodes.
"""

from __future__ import annotations

import collections
import dataclasses
import operator
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from ferax._src import engine
from ferax._src.types.pytree_paths import DictKey, GetAttrKey, KeyLeafPair, KeyLeafPairs

PyTreeDef = engine.PyTreeDef
PyTreeRegistry = engine.PyTreeRegistry

C = TypeVar("C", bound=type[Any])


def _make_registry(name: str, **options: bool) -> Any:
    made = PyTreeRegistry(**options)
    made.__name__, made.__module__ = name, __name__  # a pickled structure finds its registry by these
    return made


registry = _make_registry("registry")
none_leaf_registry = _make_registry("none_leaf_registry", enable_none=False)
dispatch_registry = _make_registry("dispatch_registry")
default_registry = registry

_all_registries = (registry, none_leaf_registry, dispatch_registry)


class NodeType(NamedTuple):
    """How a class is taken apart, ``value -> (children, aux)``, and put together, ``(aux, children) -> value``."""

    to_iter: Callable[[Any], tuple[Iterable[Any], Any]]
    from_iter: Callable[[Any, Iterable[Any]], Any]


def _dict_to_iter(d: dict) -> tuple[tuple, tuple]:
    keys = tuple(sorted(d))
    return tuple(d[k] for k in keys), keys


# Every node class but namedtuples, which are recognised by what they are.
node_types: dict[type, NodeType] = {
    tuple: NodeType(lambda xs: (xs, None), lambda _, xs: tuple(xs)),
    list: NodeType(lambda xs: (tuple(xs), None), lambda _, xs: list(xs)),
    dict: NodeType(_dict_to_iter, lambda keys, xs: dict(zip(keys, xs, strict=True))),
    type(None): NodeType(lambda _: ((), None), lambda _, xs: None),
}


# -- registration -------------------------------------------------------------------------------------------------


def _check_class(name: str, nodetype: Any) -> None:
    if not isinstance(nodetype, type):
        raise TypeError(f"{name}: expected a class, got {nodetype!r}")


def register_pytree_node(
    nodetype: type,
    flatten_func: Callable[[Any], tuple[Iterable[Any], Hashable]],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_with_keys_func: Callable[[Any], tuple[KeyLeafPairs, Hashable]] | None = None,
) -> None:
    """Make a class a node of pytrees. Subclasses are not included.

    Parameters
    ----------
    nodetype : the class
    flatten_func : ``value -> (children, aux)``; ``aux`` is static: hashable and comparable
    unflatten_func : ``(aux, children) -> value``; may be given children of any kind, so it should not check them
    flatten_with_keys_func : ``value -> ((key, child) pairs, aux)``, for key paths that name the children

    Raises
    ------
    ValueError : if the class is registered already.
    """
    _check_class("register_pytree_node", nodetype)
    for r in _all_registries:
        r.register_node(nodetype, flatten_func, unflatten_func, flatten_with_keys_func)
    node_types[nodetype] = NodeType(flatten_func, unflatten_func)


def register_pytree_with_keys(
    nodetype: type,
    flatten_with_keys: Callable[[Any], tuple[KeyLeafPairs, Hashable]],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_func: Callable[[Any], tuple[Iterable[Any], Hashable]] | None = None,
) -> None:
    """Make a class a node of pytrees whose children have keys.

    ``flatten_with_keys`` is ``value -> ((key, child) pairs, aux)``. A ``flatten_func`` without keys may be given
    for speed; it must answer the same children in the same order. See `register_pytree_node`.
    """
    if flatten_func is None:

        def flatten_func(tree):
            pairs, aux = flatten_with_keys(tree)
            return [child for _, child in pairs], aux

    register_pytree_node(nodetype, flatten_func, unflatten_func, flatten_with_keys)


def register_pytree_node_class(cls: C) -> C:
    """Class decorator: a node of pytrees by its methods ``tree_flatten(self)`` and ``tree_unflatten(cls, aux, children)``.

    Examples
    --------
    >>> @register_pytree_node_class
    ... class Point:
    ...     def __init__(self, x, y):
    ...         self.x, self.y = x, y
    ...     def tree_flatten(self):
    ...         return (self.x, self.y), None
    ...     @classmethod
    ...     def tree_unflatten(cls, aux, children):
    ...         return cls(*children)
    """
    register_pytree_node(cls, operator.methodcaller("tree_flatten"), cls.tree_unflatten)
    return cls


def register_pytree_with_keys_class(cls: C) -> C:
    """Class decorator: as `register_pytree_node_class`, by the method ``tree_flatten_with_keys``.

    A method ``tree_flatten``, where there is one, is used when no keys are wanted.
    """
    flatten_func = operator.methodcaller("tree_flatten") if hasattr(cls, "tree_flatten") else None
    register_pytree_with_keys(
        cls, operator.methodcaller("tree_flatten_with_keys"), cls.tree_unflatten, flatten_func
    )
    return cls


def register_static(cls: C) -> C:
    """Class decorator: a node without children, all of it static. Instances must be hashable and comparable."""
    register_pytree_with_keys(cls, lambda obj: ((), obj), lambda obj, _: obj)
    return cls


def register_dataclass(
    nodetype: C,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> C:
    """Make a dataclass, or a class that behaves like one, a node of pytrees. Also a class decorator.

    Parameters
    ----------
    nodetype : class whose instances are rebuilt by ``nodetype(**fields)``
    data_fields : names of the fields that are children
    meta_fields : names of the fields that are static: hashable and comparable
        Without the two, all fields of a dataclass are children, but for those declared with ``tree.static()``
        (or ``field(metadata=dict(static=True))``).
    drop_fields : names of fields of a dataclass to leave out; rebuilding gives them their defaults

    Returns
    -------
    nodetype

    Raises
    ------
    TypeError : if only one of data_fields and meta_fields is given, or none for a class that is no dataclass.
    ValueError : if the two overlap, or are not together the ``init=True`` fields of a dataclass.
    """
    _check_class("register_dataclass", nodetype)
    fields = dataclasses.fields(nodetype) if dataclasses.is_dataclass(nodetype) else None
    if (data_fields is None) != (meta_fields is None):
        raise TypeError(
            "register_dataclass: data_fields and meta_fields must both be specified when either is. "
            f"Got {data_fields=} {meta_fields=}."
        )
    if data_fields is None or meta_fields is None:
        if fields is None:
            raise TypeError(
                "register_dataclass: data_fields and meta_fields are required when nodetype is not a "
                f"dataclass. Got {nodetype=}."
            )
        dropped = set(drop_fields)
        data_fields = [
            f.name for f in fields if not f.metadata.get("static", False) and f.name not in dropped
        ]
        meta_fields = [f.name for f in fields if f.metadata.get("static", False) and f.name not in dropped]
    data, meta = tuple(data_fields), tuple(meta_fields)

    if fields is not None:
        _check_fields(nodetype, {f.name for f in fields if f.init}.difference(drop_fields), {*data, *meta})
    if overlap := set(data) & set(meta):
        raise ValueError(
            f"register_dataclass: data_fields and meta_fields of {nodetype.__name__} must not overlap. "
            f"Overlapping fields: {sorted(overlap)}."
        )

    def to_iter(x):
        return tuple(getattr(x, name) for name in data), tuple(getattr(x, name) for name in meta)

    def from_iter(aux, children):
        return nodetype(**dict(zip(meta, aux, strict=True)), **dict(zip(data, children, strict=True)))

    for r in _all_registries:
        r.register_dataclass_node(nodetype, list(data), list(meta))
    node_types[nodetype] = NodeType(to_iter, from_iter)
    return nodetype


def _check_fields(nodetype: type, wanted: set[str], given: set[str]) -> None:
    if wanted == given:
        return
    message = (
        f"register_dataclass: data_fields and meta_fields must include all dataclass fields of "
        f"{nodetype.__name__} with ``init=True`` and only them."
    )
    if missing := wanted - given:
        message += f" Missing fields: {sorted(missing)}. Add them to drop_fields to suppress this error."
    if unexpected := given - wanted:
        message += f" Unexpected fields: {sorted(unexpected)}."
    raise ValueError(message)


def static(**kwargs) -> Any:
    """``dataclasses.field`` for a static field of a dataclass node: part of the structure, not a child.

    Examples
    --------
    >>> @register_dataclass
    ... @dataclasses.dataclass
    ... class Layer:
    ...     weights: object
    ...     activation: str = static(default='relu')
    """
    metadata = {"static": True, **(kwargs.pop("metadata", None) or {})}
    return dataclasses.field(metadata=metadata, **kwargs)


# -- one level ----------------------------------------------------------------------------------------------------


def is_tree_node(typ: type) -> bool:
    """Whether instances of exactly this class are nodes: built-in containers, namedtuples, registered classes."""
    return registry.is_node(typ)


def is_namedtuple(tree: Any) -> bool:
    return isinstance(tree, tuple) and type(tree) is not tuple and hasattr(tree, "_fields")


def flatten_one_level(tree: Any) -> tuple[Iterable[Any], Hashable]:
    """The children of a node and its static data.

    Raises
    ------
    ValueError : if ``tree`` is a leaf.
    """
    out = registry.flatten_one_level(tree)
    if out is None:
        raise ValueError(f"can't tree-flatten type: {type(tree)}")
    return out


def flatten_one_level_with_keys(tree: Any) -> tuple[Iterable[KeyLeafPair], Hashable]:
    """The (key, child) pairs of a node and its static data.

    Raises
    ------
    ValueError : if ``tree`` is a leaf.
    """
    out = registry.flatten_one_level_with_keys(tree)
    if out is None:
        raise ValueError(f"can't tree-flatten type: {type(tree)}")
    if (
        is_namedtuple(tree) and type(tree) not in node_types
    ):  # jaxlib 0.10 gives each child the first field's name
        return [(GetAttrKey(name), child) for name, child in zip(tree._fields, tree, strict=True)], out[1]
    return out


# -- classes of the standard library ------------------------------------------------------------------------------

register_pytree_with_keys(
    collections.OrderedDict,
    lambda d: (tuple((DictKey(k), v) for k, v in d.items()), tuple(d)),
    lambda keys, children: collections.OrderedDict(zip(keys, children, strict=True)),
    lambda d: (tuple(d.values()), tuple(d)),
)


def _flatten_defaultdict(d: collections.defaultdict) -> tuple[tuple, tuple]:
    keys = tuple(sorted(d))
    return tuple((DictKey(k), d[k]) for k in keys), (d.default_factory, keys)


register_pytree_with_keys(
    collections.defaultdict,
    _flatten_defaultdict,
    lambda aux, children: collections.defaultdict(aux[0], zip(aux[1], children, strict=True)),
)
