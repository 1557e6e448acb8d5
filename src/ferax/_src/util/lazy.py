"""Lazy public packages: a package lists where its names live, and each is loaded when first asked for.

    __getattr__, __dir__, __all__ = lazy_names(__name__, {"ferax._src.api.vmap": "vmap"}, submodules="numpy lax")
"""

from __future__ import annotations

import importlib
import sys
from types import FunctionType


class LazyModule:
    """A module that is loaded when one of its names is first asked for."""

    def __init__(self, name: str):
        self.__name__ = name

    def __getattr__(self, name: str):
        value = getattr(importlib.import_module(self.__name__), name)
        setattr(self, name, value)
        return value


def _at_the_door(value, package: str, name: str):
    """What is handed out for a name: functions with ferax's frames filtered out of the exceptions that leave them."""
    if type(value) is not FunctionType:
        return value
    tracebacks = importlib.import_module("ferax._src.util.tracebacks")  # lazy: loads jaxlib
    if tracebacks.is_boundary(value):
        return value
    public = tracebacks.api_boundary(value)
    public.__module__, public.__name__, public.__qualname__ = package, name, name        # where pickle finds it
    return public


def lazy_names(package: str, table: dict[str, str], submodules: str = "", constants: dict | None = None,
               first: str | None = None):
    """``__getattr__``, ``__dir__`` and ``__all__`` for a package.

    Parameters
    ----------
    package : str; the package's ``__name__``
    table : dict; module -> its public names, separated by spaces; ``name=other`` gives ``other`` of the module as ``name``
    submodules : str; names of submodules that load by attribute access, separated by spaces
    constants : dict; further names with their values
    first : str; a module to import before any name of the table is given out, for what it does at import
    """
    home: dict[str, tuple[str, str]] = {}
    for module, names in table.items():
        for name in names.split():
            public, _, private = name.partition("=")
            if public in home:
                raise ValueError(f"{package}: {public} is listed for {home[public][0]} and for {module}")
            home[public] = module, private or public
    children = set(submodules.split())
    constants = constants or {}
    everything = sorted({*home, *children, *constants})

    def __getattr__(name: str):
        if name in home:
            if first is not None:
                importlib.import_module(first)
            module, attribute = home[name]
            value = _at_the_door(getattr(importlib.import_module(module), attribute), package, name)
        elif name in children:
            value = importlib.import_module(f"{package}.{name}")
        elif name in constants:
            value = constants[name]
        else:
            import difflib  # lazy: only to word an error
            near = difflib.get_close_matches(name, everything, n=1)
            hint = f". Did you mean {near[0]!r}?" if near else ""
            raise AttributeError(f"module {package!r} has no attribute {name!r}{hint}", name=name, obj=sys.modules[package])
        setattr(sys.modules[package], name, value)
        return value

    def __dir__():
        return sorted({*everything, *vars(sys.modules[package])})

    return __getattr__, __dir__, everything
