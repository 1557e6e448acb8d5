"""From users' functions to jaxprs, and small surgery on jaxprs: what all files of this floor share.

`trace_function` traces a function of pytrees to a jaxpr without constants: what the function closes over becomes
leading inputs, so that tracers among them are transformed like every other operand. Two programs traced from
the same place that do the same are made one object (`intern_jaxpr`), so a fresh ``lambda`` in a loop is
neither transformed nor compiled anew.
"""

from __future__ import annotations

import functools
import inspect
import types
import weakref
from typing import Any, NamedTuple

import numpy as np

from ferax._src.ir.jaxpr import ClosedJaxpr, DebugInfo, Eqn, Literal, Var
from ferax._src.ops.convert import as_array
from ferax._src.tracing.core import Array, Tracer, remember
from ferax._src.tracing.refs import Ref, is_live
from ferax._src.tracing.staging import hoist_consts, trace_to_jaxpr
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.pytrees import keystr, tree_flatten, tree_flatten_with_path, tree_unflatten
from ferax._src.types.refs import AbstractRef
from ferax._src.util import config
from ferax._src.util import source as source_info
from ferax._src.util.caches import WeakIdCache, register_cache


class Traced(NamedTuple):
    """A function traced at given types: ``closed(*consts, *flat arguments) -> flat results``."""

    closed: ClosedJaxpr
    consts: list
    out_tree: Any


_traced = WeakIdCache()


# --- whether a function still is what it was when it was traced --------------------------------------

@functools.lru_cache(4096)
def _global_names(code) -> tuple[str, ...]:
    """The names that a function's code, and that of functions inside it, may look up among the globals."""
    names = dict.fromkeys(code.co_names)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            names.update(dict.fromkeys(_global_names(const)))
    return tuple(names)


def _bindings(fun) -> list:
    """The values of the outer variables that a Python function reads."""
    while isinstance(fun, functools.partial):
        fun = fun.func
    code = getattr(fun, "__code__", None)
    if code is None:
        return []
    values = []
    for cell in getattr(fun, "__closure__", None) or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:                      # not bound yet
            values.append(None)
    globals_ = fun.__globals__
    values += [globals_.get(name) for name in _global_names(code)]
    return values


class Remembered:
    """Something traced from functions, good while the outer variables that they read are what they were.

    The variables' values are held weakly where that is possible. What happens inside a value (a list that grows)
    is not seen.
    """

    __slots__ = ("holders", "value")

    def __init__(self, value, *funs):
        self.value = value
        self.holders = [[_hold(x) for x in _bindings(fun)] for fun in funs]

    def is_good(self, *funs) -> bool:
        """Whether the variables are bound to the same objects still."""
        for fun, holders in zip(funs, self.holders):
            now = _bindings(fun)
            if len(now) != len(holders):
                return False
            for x, held in zip(now, holders):
                if held() is not x:
                    return False
        return True


def _hold(x):
    try:
        return weakref.ref(x)
    except TypeError:                           # numbers, strings, tuples
        return lambda: x


# --- tracing ----------------------------------------------------------------------------------------


def trace_function(fun, in_tree, in_avals, transform: str, *, kwargs: bool = False) -> Traced:
    """Trace a function of pytrees to a jaxpr of flat arguments.

    Parameters
    ----------
    fun : callable
    in_tree : structure of the tuple of its arguments; with ``kwargs`` of the pair (args, kwargs)
    in_avals : types of the flat arguments
    transform : the API function that asks, for error messages
    kwargs : whether ``in_tree`` has keyword arguments as well

    Returns
    -------
    Traced
        Remembered for as long as ``fun`` lives and reads the same outer variables, unless it closes over tracers.
    """
    key = in_tree, tuple(in_avals), kwargs, config.trace_context()
    of_fun = _traced.get(fun)
    if of_fun is not None:
        found = of_fun.get(key)
        if found is not None and found.is_good(fun):
            return found.value
    debug = debug_info(fun, transform, in_tree, kwargs)
    out_tree = None

    def flat(*leaves):
        nonlocal out_tree
        tree = tree_unflatten(in_tree, leaves)
        out = fun(*tree[0], **tree[1]) if kwargs else fun(*tree)
        results, out_tree = tree_flatten(out)
        return [x if isinstance(x, Array) else checked_result(x, i, out, debug) for i, x in enumerate(results)]

    closed, consts = hoist_consts(trace_to_jaxpr(flat, in_avals, debug))
    traced = Traced(intern_jaxpr(closed), consts, out_tree)
    if not any(isinstance(c, Tracer) or type(c) is Ref and not is_live(c) for c in consts):
        if of_fun is None:
            try:
                _traced[fun] = of_fun = {}
            except TypeError:                   # a callable that cannot be referred to weakly
                return traced
        remember(of_fun, key, Remembered(traced, fun))
    return traced


def checked_result(x, index: int, out, debug: DebugInfo):
    """A result that is not an array: a number is fine, other things are an error that says where they are."""
    if getattr(x, "__jax_array__", None) is not None:
        return as_array(x)
    try:
        aval_of(x)
    except TypeError as error:
        path = keystr(tree_flatten_with_path(out)[0][index][0])
        at = f" at result{path}" if path else ""
        raise TypeError(f"{debug.transform}: {described(debug)} returned a value of type {type(x).__name__}{at}, which is "
                        "not an array or a number. Return arrays, in pytrees; close over what is none.") from error
    return x


def function_name(fun) -> str:
    """The name of a callable, for people."""
    while isinstance(fun, functools.partial):
        fun = fun.func
    return getattr(fun, "__name__", None) or type(fun).__name__


def described(debug: DebugInfo) -> str:
    """A traced function in an error message: ``\\`step\\` (train.py:41)``."""
    return f"`{debug.func_name}`" + (f" ({debug.func_location})" if debug.func_location else "")


def describe_function(fun) -> str:
    """A function in an error message: ``\\`step\\` (train.py:41)``."""
    location = source_info.function_location(fun)
    return f"`{function_name(fun)}`" + (f" ({location})" if location else "")


def debug_info(fun, transform: str, in_tree=None, kwargs: bool = False) -> DebugInfo:
    """Names for the jaxpr of ``fun``."""
    names = None if in_tree is None else argument_names(fun, in_tree, kwargs)
    return DebugInfo(function_name(fun), source_info.function_location(fun), names, None, transform)


def argument_names(fun, in_tree, kwargs: bool = False) -> tuple[str, ...]:
    """A name for each flat argument: ``carry['w']``."""
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):             # builtin functions may have no signature
        parameters = []
    names = []
    example = tree_unflatten(in_tree, range(in_tree.num_leaves))
    for path, _ in tree_flatten_with_path(example)[0]:
        if kwargs and path[0].idx == 1:
            names.append(f"{path[1].key}{keystr(path[2:])}")
            continue
        path = path[1:] if kwargs else path
        i = path[0].idx
        if i < len(parameters) and parameters[i].kind in (parameters[i].POSITIONAL_ONLY, parameters[i].POSITIONAL_OR_KEYWORD):
            names.append(f"{parameters[i].name}{keystr(path[1:])}")
        else:
            names.append(f"args{keystr(path)}")
    return tuple(names)


def avals_of(values) -> list:
    """The types of flat values."""
    return [x.aval if isinstance(x, Array) else aval_of(x) for x in values]


def flatten_arrays(tree, name: str, what: str):
    """Flatten a pytree of arrays and numbers given by the user.

    Returns
    -------
    leaves, avals, treedef

    Raises
    ------
    TypeError : if a leaf is neither an array nor a number; says which.
    """
    leaves, treedef = tree_flatten(tree)
    avals = []
    for i, x in enumerate(leaves):
        if not isinstance(x, Array):
            if getattr(x, "__jax_array__", None) is not None:
                leaves[i] = x = as_array(x)
            else:
                try:
                    avals.append(aval_of(x))
                except TypeError as error:
                    path = keystr(tree_flatten_with_path(tree)[0][i][0])
                    raise TypeError(f"{name}: {what}{path} is of type {type(x).__name__}, which is not an array or a "
                                    "number.") from error
                continue
        avals.append(x.aval)
    return leaves, avals, treedef


# --- one object for equal programs ----------------------------------------------------------------

_interned: dict[tuple, ClosedJaxpr] = {}
register_cache(_interned.clear)


def intern_jaxpr(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The first program seen that does the same and was written at the same place.

    Transformations and compiled programs are kept on the object, and are shared so. A program with constants, or
    with an operation whose parameters cannot be compared, stands for itself.
    """
    jaxpr = closed.jaxpr
    if closed.consts:
        return closed
    number: dict[Var, int] = {}

    def atom(v):
        if type(v) is Literal:
            val = v.val
            return type(val), val.tobytes() if isinstance(val, np.generic) else repr(val), v.aval
        return number.setdefault(v, len(number))

    key: list[Any] = [jaxpr.debug_info, tuple([(number.setdefault(v, len(number)), v.aval) for v in jaxpr.invars])]
    for eqn in jaxpr.eqns:
        key.append((eqn.primitive, tuple([atom(v) for v in eqn.invars]), tuple(eqn.params.items()),
                    tuple([(number.setdefault(v, len(number)), v.aval) for v in eqn.outvars]), eqn.name_stack))
    key.append(tuple([atom(v) for v in jaxpr.outvars]))
    try:
        found = _interned.get(tuple(key))
    except TypeError:                           # unhashable parameters
        return closed
    if found is None:
        remember(_interned, tuple(key), closed)
        return closed
    return found


# --- masks ----------------------------------------------------------------------------------------

def fixpoint(step, start) -> list[bool]:
    """The smallest mask that holds ``start`` and that ``step`` does not enlarge."""
    mask = list(start)
    while True:
        grown = [a or bool(b) for a, b in zip(mask, step(mask), strict=True)]
        if grown == mask:
            return mask
        mask = grown


def positions(mask, start: int = 0) -> list[int | None]:
    """Consecutive numbers from ``start`` where the mask is true, None elsewhere."""
    count = iter(range(start, start + len(mask)))
    return [next(count) if m else None for m in mask]


# --- surgery --------------------------------------------------------------------------------------

def rewired(closed: ClosedJaxpr, ins, outs=None) -> ClosedJaxpr:
    """The same equations with inputs and outputs in another order; cached.

    Parameters
    ----------
    closed : ClosedJaxpr
    ins : for each new input the number of the old one, or the type of a new one that nothing reads
    outs : for each new output the number of the old one; by default all as they are
    """
    jaxpr = closed.jaxpr
    outs = tuple(range(len(jaxpr.outvars))) if outs is None else tuple(outs)
    ins = tuple(ins)
    if ins == tuple(range(len(jaxpr.invars))) and outs == tuple(range(len(jaxpr.outvars))):
        return closed
    key = ("rewired", ins, outs)
    found = closed.cache.get(key)
    if found is None:
        invars = [jaxpr.invars[i] if isinstance(i, int) else Var(i) for i in ins]
        names = jaxpr.debug_info.arg_names
        if names is not None:
            names = tuple([names[i] for i in ins]) if len(names) == len(jaxpr.invars) and all(map(_is_int, ins)) else None
        debug = jaxpr.debug_info._replace(arg_names=names, result_paths=None)
        found = ClosedJaxpr(jaxpr.replace(invars=invars, outvars=[jaxpr.outvars[i] for i in outs], debug_info=debug),
                            closed.consts)
        remember(closed.cache, key, found)
    return found


def _is_int(x) -> bool:
    return isinstance(x, int)


def with_outputs(closed: ClosedJaxpr, outvars) -> ClosedJaxpr:
    """The same equations with other outputs, atoms of the program."""
    jaxpr = closed.jaxpr
    debug = jaxpr.debug_info._replace(result_paths=None)
    return ClosedJaxpr(jaxpr.replace(outvars=list(outvars), debug_info=debug), closed.consts)


def eqn_like(eqn: Eqn, primitive, invars, outvars, params, effects) -> Eqn:
    """An equation that stands in for a part of ``eqn``."""
    return Eqn(primitive, list(invars), list(outvars), params, effects, eqn.source, eqn.name_stack)


def stacked_aval(aval: ShapedArray, length: int) -> ShapedArray:
    """The type of ``length`` values along a new first axis."""
    return ShapedArray((length, *aval.shape), aval.dtype, aval.weak_type, varying=aval.varying)


def element_aval(aval):
    """The type of one value along the first axis."""
    if type(aval) is AbstractRef:
        return aval.update(element_aval(aval.inner_aval))
    return ShapedArray(aval.shape[1:], aval.dtype, aval.weak_type, varying=aval.varying)


def joined_aval(avals):
    """The last of some types, varying along all the mesh axes along which one of them does."""
    *_, aval = avals
    varying = frozenset().union(*(getattr(a, "varying", ()) for a in avals))
    return aval.update(varying=varying) if varying else aval


def same_type(a, b) -> bool:
    """Whether two types agree but for weak typing (and sharding, which the compiler finds)."""
    return a is b or (getattr(a, "shape", None) == getattr(b, "shape", None) and a.dtype == b.dtype)
