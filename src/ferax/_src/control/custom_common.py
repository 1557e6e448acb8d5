"""What functions with their own derivatives share: arguments in signature order, static ones apart, flat ones typed.

An argument that is not differentiated (``nondiff_argnums``) may be anything. Tracers in it become operands all
the same, without tangents: a rule that runs later, when their trace has ended, then gets live values.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ferax._src.control.tracing_utils import describe_function, flatten_arrays
from ferax._src.tracing.core import Tracer, Zero
from ferax._src.types.avals import ShapedArray
from ferax._src.types.pytrees import tree_flatten, tree_unflatten


class SymbolicZero:
    """A tangent or cotangent known to be zero, as rules with ``symbolic_zeros`` see it: a shape and a dtype.

    Parameters
    ----------
    aval : ShapedArray
    """

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray):
        self.aval = aval

    shape = property(lambda self: self.aval.shape)
    dtype = property(lambda self: self.aval.dtype)
    ndim = property(lambda self: self.aval.ndim)
    size = property(lambda self: self.aval.size)
    weak_type = property(lambda self: self.aval.weak_type)

    def __len__(self) -> int:
        return len(self.aval)

    def __add__(self, other):
        return other

    __radd__ = __add__

    def __eq__(self, other):
        return isinstance(other, SymbolicZero) and self.aval is other.aval

    def __hash__(self):
        return hash(self.aval)

    def __repr__(self) -> str:
        return f"SymbolicZero({self.aval})"

    @staticmethod
    def from_primal_value(val) -> SymbolicZero:
        """The zero tangent of a primal value."""
        return SymbolicZero(Zero.of(val).aval)


class Arguments:
    """The arguments of one call: flat operands, and how to rebuild from them what the user's functions take.

    leaves : flat values of the differentiated arguments, then the tracers inside the others
    n_diff : number of the former
    key : hashable description of everything but the leaves, or None if there is none
    """

    __slots__ = ("leaves", "avals", "n_diff", "n_args", "diff_positions", "trees", "static", "static_tree", "traced_static", "key")

    def __init__(self, name: str, fun, args, nondiff: tuple[int, ...]):
        self.n_args = len(args)
        self.diff_positions = [i for i in range(len(args)) if i not in nondiff]
        diff = tuple([args[i] for i in self.diff_positions])
        self.leaves, self.avals, self.trees = flatten_arrays(diff, f"{name} {describe_function(fun)}", "argument")
        self.n_diff = len(self.leaves)
        static, self.static_tree = tree_flatten([args[i] for i in range(len(args)) if i in nondiff])
        self.traced_static = [i for i, x in enumerate(static) if isinstance(x, Tracer)]
        traced = [static[i] for i in self.traced_static]
        self.leaves = self.leaves + traced
        self.avals = self.avals + [x.aval for x in traced]
        self.static = [None if isinstance(x, Tracer) else x for x in static]
        self.key = self.trees, self.static_tree, tuple(self.avals), tuple(self.traced_static), tuple(self.static)
        try:
            hash(self.key)
        except TypeError:                       # a static argument that does not hash, an array above all
            self.key = None

    def diff_args(self, flat) -> tuple:
        """The differentiated arguments, as a tuple of pytrees."""
        return tree_unflatten(self.trees, flat[:self.n_diff])

    def static_args(self, flat) -> list:
        """The other arguments, in order."""
        leaves = list(self.static)
        for i, x in zip(self.traced_static, flat[self.n_diff:]):
            leaves[i] = x
        return tree_unflatten(self.static_tree, leaves)

    def all_args(self, flat) -> list:
        """All arguments, in the order of the signature."""
        diff, static = iter(self.diff_args(flat)), iter(self.static_args(flat))
        positions = set(self.diff_positions)
        return [next(diff) if i in positions else next(static) for i in range(self.n_args)]


def positional(fun, args, kwargs) -> tuple:
    """Arguments by keyword put in their places; defaults are filled in."""
    try:
        bound = inspect.signature(fun).bind(*args, **kwargs)
    except ValueError:                          # a builtin without signature
        if kwargs:
            raise TypeError(f"{describe_function(fun)} has no signature, so its arguments must be positional") from None
        return tuple(args)
    bound.apply_defaults()
    if any(name in kwargs for name in bound.kwargs):        # those left to their defaults are the function's own affair
        raise TypeError(f"keyword arguments could not be resolved to positions: {', '.join(bound.kwargs)} of "
                        f"{describe_function(fun)}. Functions with derivative rules of their own take no keyword-only arguments.")
    return bound.args


def has_defaults(fun) -> bool:
    """Whether a function has arguments that may be left out: its rules get them all."""
    if type(fun) is FunctionType and not hasattr(fun, "__wrapped__"):
        return bool(fun.__defaults__)
    try:
        return any(p.default is not p.empty and p.kind is not p.KEYWORD_ONLY for p in inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):             # a builtin without signature
        return False


def nondiff_positions(fun, argnums, argnames) -> tuple[int, ...]:
    """The positions of the arguments that are not differentiated, given by number or by name."""
    argnums = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    argnames = (argnames,) if isinstance(argnames, str) else tuple(argnames)
    if not argnames and all(i >= 0 for i in argnums):
        return tuple(sorted(set(argnums)))
    parameters = list(inspect.signature(fun).parameters)
    found = {i + len(parameters) if i < 0 else i for i in argnums}
    found |= {parameters.index(name) for name in argnames if name in parameters}
    return tuple(sorted(found))


class CustomFunction:
    """Base of `custom_jvp` and `custom_vjp`: wraps a function, works as a method, and as a decorator with options."""

    fun: Callable
    __name__: str
    nondiff_argnums: tuple[int, ...] = ()
    nondiff_argnames: tuple[str, ...] = ()

    def __init__(self, fun, nondiff_argnums=(), nondiff_argnames=()):
        if not callable(fun):
            raise TypeError(f"{type(self).__name__} expects a function, got {type(fun).__name__}")
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.nondiff_argnums = nondiff_positions(fun, nondiff_argnums, nondiff_argnames)
        self.nondiff_argnames = tuple([nondiff_argnames] if isinstance(nondiff_argnames, str) else nondiff_argnames)
        self.fills_in = has_defaults(fun)
        self.staged: dict[Any, Any] = {}        # programs already traced, by types and static arguments

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {describe_function(self.fun)}>"
