"""Key paths: where in a pytree a leaf lies, as a tuple of keys, one for each level.

The keys are the engine's: ``SequenceKey(idx)``, ``DictKey(key)``, ``GetAttrKey(name)``, and ``FlattenedIndexKey(key)``
for a node whose class does not say how its children are called. Each prints as the Python that goes there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ferax._src import engine

DictKey = engine.pytree.DictKey
SequenceKey = engine.pytree.SequenceKey
GetAttrKey = engine.pytree.GetAttrKey
FlattenedIndexKey = engine.pytree.FlattenedIndexKey

KeyEntry = Any
KeyPath = tuple[KeyEntry, ...]
KeyLeafPair = tuple[KeyEntry, Any]
KeyLeafPairs = Iterable[KeyLeafPair]


def key_value(key: KeyEntry) -> Any:
    """What a key holds: the index, the dict key or the attribute name. Keys of other classes are taken as they are."""
    if isinstance(key, SequenceKey):
        return key.idx
    if isinstance(key, (DictKey, FlattenedIndexKey)):
        return key.key
    if isinstance(key, GetAttrKey):
        return key.name
    return key


def keystr(keys: KeyPath, *, simple: bool = False, separator: str = "") -> str:
    """The text of a key path.

    Parameters
    ----------
    keys : tuple of keys, or of anything with ``str``
    simple : bare indices, dict keys and names: shorter, but ``0`` may be a list's or a dict's
    separator : put between the keys

    Examples
    --------
    >>> path = (GetAttrKey('params'), DictKey('w'), SequenceKey(0))
    >>> keystr(path)
    ".params['w'][0]"
    >>> keystr(path, simple=True, separator='/')
    'params/w/0'
    """
    return separator.join([str(key_value(k)) for k in keys] if simple else map(str, keys))
