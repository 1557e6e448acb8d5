"""Caches: by value, or by object without keeping the object alive; all of them can be emptied at once.

- ``memoize``       remember results by hashable arguments.
- ``trace_memoize`` so too, for results that depend on the configuration: ``trace_context()`` is part of the
                    key.
- ``WeakIdCache``   a mapping from objects, compared by identity, whose entries die with them.
- ``weak_memoize``  remember results by the first argument's identity (held weakly) and the hashable others.

Hot paths use an attribute or a plain dict of their own and give ``register_cache`` the way to empty it.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from ferax._src.util import config

F = TypeVar("F", bound=Callable)

_clear_functions: list[Callable[[], None]] = []


def register_cache(clear: Callable[[], None]) -> None:
    """Have ``clear()`` called when all caches are emptied."""
    _clear_functions.append(clear)


def clear_all_caches() -> None:
    """Forget everything that can be computed again: traces, programs, derived tables."""
    for clear in list(_clear_functions):
        clear()


def memoize(fn: F, maxsize: int | None = 4096) -> F:
    """``fn``, remembering results by its (hashable) arguments; has ``cache_clear`` and ``cache_info``."""
    cached = functools.lru_cache(maxsize)(fn)
    register_cache(cached.cache_clear)
    return cached  # type: ignore[return-value]


def trace_memoize(fn: F, maxsize: int | None = 4096) -> F:
    """``memoize`` for results that hold something traced: another configuration is another entry."""
    trace_context = config.trace_context
    cached = functools.lru_cache(maxsize)(lambda _, args, kwargs: fn(*args, **dict(kwargs)))

    @functools.wraps(fn)
    def lookup(*args, **kwargs):
        return cached(trace_context(), args, tuple(sorted(kwargs.items())) if kwargs else ())

    lookup.cache_clear, lookup.cache_info = cached.cache_clear, cached.cache_info  # type: ignore[attr-defined]
    register_cache(cached.cache_clear)
    return lookup  # type: ignore[return-value]


class WeakIdCache:
    """A mapping from objects, compared by identity and held weakly, to values."""

    __slots__ = ("_entries", "__weakref__")

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref, Any]] = {}
        ref = weakref.ref(self)

        def clear() -> None:
            cache = ref()
            if cache is not None:
                cache._entries.clear()

        register_cache(clear)
        weakref.finalize(self, _clear_functions.remove, clear).atexit = False

    def get(self, key: Any, default: Any = None) -> Any:
        entry = self._entries.get(id(key))
        # An id may be reused while the old object's callback has not run yet: the reference decides.
        return entry[1] if entry is not None and entry[0]() is key else default

    def __setitem__(self, key: Any, value: Any) -> None:
        entries, number = self._entries, id(key)

        def forget(ref: weakref.ref) -> None:
            entry = entries.get(number)
            if entry is not None and entry[0] is ref:
                del entries[number]

        entries[number] = (weakref.ref(key, forget), value)

    def setdefault(self, key: Any, make: Callable[[], Any]) -> Any:
        """The value of ``key``; ``make()`` if there is none yet."""
        value = self.get(key, _missing)
        if value is _missing:
            value = make()
            self[key] = value
        return value

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        self._entries.clear()


_missing = object()


def weak_memoize(fn: F) -> F:
    """``fn(obj, *args)``, remembered for as long as ``obj`` lives; the other arguments must be hashable.

    A value that refers to ``obj`` would keep it alive for ever: then put the value on the object instead.
    """
    caches = WeakIdCache()

    @functools.wraps(fn)
    def lookup(obj, *args):
        of_obj = caches.get(obj)
        if of_obj is None:
            caches[obj] = of_obj = {}
        value = of_obj.get(args, _missing)
        if value is _missing:
            value = of_obj[args] = fn(obj, *args)
        return value

    lookup.cache_clear = caches.clear  # type: ignore[attr-defined]
    return lookup  # type: ignore[return-value]
