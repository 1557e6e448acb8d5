"""Arguments of the API functions: argnums, static arguments, and names for error messages."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterable

from ferax._src import engine
from ferax._src.ir.jaxpr import DebugInfo
from ferax._src.tracing import core
from ferax._src.types import pytrees
from ferax._src.types.avals import aval_of
from ferax._src.util import source as source_info


def check_callable(fun, name: str) -> None:
    """Raise TypeError where ``fun`` cannot be transformed."""
    if not callable(fun):
        raise TypeError(f"{name}: expected a callable, got {type(fun).__name__}: {fun!r}")
    if inspect.isgeneratorfunction(fun):
        raise TypeError(f"{name}: a generator function cannot be transformed; got {name_of(fun)}. "
                        "Return a list or an array instead of yielding.")


def name_of(fun) -> str:
    """The function's name, for people."""
    while isinstance(fun, functools.partial):
        fun = fun.func
    name = getattr(fun, "__name__", None)
    return name if isinstance(name, str) else type(fun).__name__


def as_index_tuple(value, name: str, api: str) -> tuple[int, ...]:
    """``argnums``-like values as a tuple of ints."""
    try:
        return (operator.index(value),)
    except TypeError:
        pass
    try:
        return tuple(operator.index(i) for i in value)
    except TypeError:
        raise TypeError(f"{api}: {name} must be an int or a sequence of ints, got {value!r}") from None


def as_name_tuple(value, name: str, api: str) -> tuple[str, ...]:
    """``argnames``-like values as a tuple of str."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Iterable):
        names = tuple(value)
        if all(isinstance(v, str) for v in names):
            return names
    raise TypeError(f"{api}: {name} must be a str or a sequence of str, got {value!r}")


def resolve_indices(indices, n: int, name: str, api: str) -> tuple[int, ...]:
    """Non-negative positions for ``indices`` into ``n`` positional arguments."""
    if len(indices) == 1 and 0 <= indices[0] < n:
        return indices
    for i in indices:
        if not -n <= i < n:
            raise ValueError(f"{api}: {name}={indices if len(indices) > 1 else i} names positional argument {i}, but the "
                             f"function was called with {n} positional argument{'s' if n != 1 else ''}")
    resolved = tuple(i % n for i in indices)
    if len(set(resolved)) != len(resolved):
        raise ValueError(f"{api}: {name}={indices} names an argument twice")
    return resolved


def signature_of(fun) -> inspect.Signature | None:
    """The signature, or None where Python cannot tell it."""
    try:
        return inspect.signature(fun)
    except (ValueError, TypeError):
        return None


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def complete_static(fun, argnums, argnames, api: str, kind: str = "static") -> tuple[tuple, tuple]:
    """Fill in ``*_argnums`` from ``*_argnames`` and the other way round, by the function's signature.

    Raises
    ------
    ValueError : where a number or name is none of the function's parameters
    """
    nums = None if argnums is None else as_index_tuple(argnums, f"{kind}_argnums", api)
    names = None if argnames is None else as_name_tuple(argnames, f"{kind}_argnames", api)
    if nums is None and names is None:
        return (), ()
    signature = signature_of(fun)
    if signature is None:
        return nums or (), names or ()
    parameters = list(signature.parameters.values())
    positional = [p.name for p in parameters if p.kind in _POSITIONAL]
    has_varargs = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    has_kwargs = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    if nums is not None and not has_varargs:
        for i in nums:
            if not -len(positional) <= i < len(positional):
                raise ValueError(f"{api}: {kind}_argnums={argnums} names positional argument {i}, but "
                                 f"{name_of(fun)}{signature} takes {len(positional)}")
    if names is not None and not has_kwargs:
        named = [p.name for p in parameters if p.kind not in
                 (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY)]
        for name in names:
            if name not in named:
                raise ValueError(f"{api}: {kind}_argnames={argnames!r} names {name!r}, which is not a "
                                 f"parameter of {name_of(fun)}{signature}")
    if nums is None:
        nums = tuple(i for i, p in enumerate(parameters) if p.kind is _POSITIONAL[1] and p.name in names)
    elif names is None:
        by_position = {i: p.name for i, p in enumerate(parameters) if p.kind is _POSITIONAL[1]}
        names = tuple(by_position[i % len(positional)] for i in nums
                      if positional and -len(positional) <= i < len(positional) and i % len(positional) in by_position)
    return nums, names


def location_of(fun) -> str:
    """``train.py:41`` of a function, or an empty text."""
    return source_info.function_location(fun) or ""


def debug_info_for(api: str, fun, args, kwargs, *, static_argnums=(), static_argnames=()) -> DebugInfo:
    """Names of a function's flat arguments: ``x``, ``params['w']``, ``batch[0]``."""
    signature = signature_of(fun)
    names: list[str] = []
    positional = None
    if signature is not None:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            bound = None
        if bound is not None:
            positional = []
            for name, value in bound.arguments.items():
                kind = signature.parameters[name].kind
                if kind in _POSITIONAL and name not in kwargs:
                    positional.append(name)
                elif kind is inspect.Parameter.VAR_POSITIONAL:
                    positional += [f"{name}[{i}]" for i in range(len(value))]
    for i, arg in enumerate(args):
        if i in static_argnums:
            continue
        base = positional[i] if positional is not None and i < len(positional) else f"args[{i}]"
        names += [base + pytrees.keystr(path) for path, _ in pytrees.tree_leaves_with_path(arg)]
    for key in sorted(kwargs):
        if key not in static_argnames:
            names += [key + pytrees.keystr(path) for path, _ in pytrees.tree_leaves_with_path(kwargs[key])]
    return DebugInfo(name_of(fun), location_of(fun), tuple(names), None, api)


def check_arraylike(leaves, api: str, names: Callable[[], tuple[str, ...]]) -> None:
    """Raise TypeError for a leaf that is not an array or a number; ``names()`` gives their names."""
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, core.Array):
            continue
        try:
            aval_of(leaf)
        except TypeError as error:
            raise not_an_array_error(leaf, api, names()[i] if i < len(names()) else f"leaf {i}") from error


def not_an_array_error(leaf, api: str, name: str) -> TypeError:
    """The error for an argument that is not an array, with the way out for the usual cases."""
    kind = type(leaf)
    module = kind.__module__.split(".")[0]
    if isinstance(leaf, (engine.ArrayImpl,)) or module in ("jax", "jaxlib"):
        hint = "It is an array of jax; convert it with numpy.asarray(x) or ferax.numpy.from_dlpack(x)."
    elif hasattr(leaf, "__dlpack__"):
        hint = f"It is an array of {module}; convert it with ferax.numpy.from_dlpack(x) or numpy.asarray(x)."
    elif isinstance(leaf, str) or callable(leaf):
        hint = ("Mark the argument as static (static_argnums or static_argnames) or close over it."
                if api == "jit" else "Close over it, for example with functools.partial or a lambda.")
    else:
        hint = ("If it is a container, register its class as a pytree (ferax.tree_util.register_dataclass, "
                "register_pytree_node).")
    return TypeError(f"{api}: the argument {name} of type {kind.__name__} is not a valid type: arrays, numbers "
                     f"and pytrees of them are. {hint}")
