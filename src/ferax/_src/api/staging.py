"""Looking at a function without running it: `make_jaxpr`, `eval_shape`; and small context tools."""

from __future__ import annotations

import functools
from contextlib import contextmanager

from ferax._src.api.arguments import (
    as_index_tuple, check_arraylike, check_callable, debug_info_for, name_of)
from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.ops.refs import check_given
from ferax._src.tracing import core
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import keystr, tree_flatten, tree_leaves_with_path, tree_map, tree_unflatten
from ferax._src.types.shape_dtype import ShapeDtypeStruct
from ferax._src.util import config
from ferax._src.util.tracebacks import api_boundary


def abstract_of(x):
    """The type of an argument that may also be a `ShapeDtypeStruct` or anything with shape and dtype."""
    try:
        return aval_of(x)
    except TypeError:
        if hasattr(x, "shape") and hasattr(x, "dtype"):
            return ShapeDtypeStruct(x.shape, x.dtype).aval
        raise


def trace_function(api: str, fun, args, kwargs, static_argnums=()) -> tuple[ClosedJaxpr, object]:
    """Trace a function of pytrees; answers the jaxpr and the structure of the result."""
    static = {i % len(args) for i in static_argnums} if static_argnums else set()
    dynamic = tuple(a for i, a in enumerate(args) if i not in static)
    leaves, in_tree = tree_flatten((dynamic, kwargs))
    debug = debug_info_for(api, fun, args, kwargs, static_argnums=static)
    try:
        avals = [abstract_of(x) for x in leaves]
    except TypeError:
        check_arraylike(leaves, api, lambda: debug.arg_names)
        raise
    check_given(leaves, debug)
    out_tree = None

    def flat_fun(*xs):
        nonlocal out_tree
        given, named = tree_unflatten(in_tree, xs)
        it = iter(given)
        out = fun(*[a if i in static else next(it) for i, a in enumerate(args)], **named)
        out_leaves, out_tree = tree_flatten(out)
        check_arraylike(out_leaves, f"{api}: the result of {name_of(fun)}",
                        lambda: tuple(keystr(p) or "itself" for p, _ in tree_leaves_with_path(out)))
        return out_leaves

    closed = trace_to_jaxpr(flat_fun, avals, debug)
    return closed, out_tree


def make_jaxpr(fun, static_argnums=(), axis_env=None, return_shape=False):
    """A function that answers the jaxpr of ``fun`` for example arguments.

    Parameters
    ----------
    fun : callable
    static_argnums : int or sequence of int; arguments given as they are
    axis_env : sequence of (name, size), or None; named axes to assume
    return_shape : bool; answer also the pytree of `ShapeDtypeStruct` of the result

    Returns
    -------
    callable answering a ClosedJaxpr, or a pair

    Examples
    --------
    >>> import ferax
    >>> ferax.make_jaxpr(lambda x: x + 1.0)(2.0)
    { lambda ; a:f32[]. let b:f32[] = add a 1.0:f32[] in (b,) }
    """
    check_callable(fun, "make_jaxpr")
    nums = as_index_tuple(static_argnums, "static_argnums", "make_jaxpr")

    @api_boundary
    def make_jaxpr_f(*args, **kwargs):
        with _axes(axis_env):
            closed, out_tree = trace_function("make_jaxpr", fun, args, kwargs, nums)
        if return_shape:
            return closed, tree_unflatten(out_tree, [_struct(a) for a in closed.out_avals])
        return closed

    functools.update_wrapper(make_jaxpr_f, fun, assigned=[
        a for a in functools.WRAPPER_ASSIGNMENTS if hasattr(fun, a) and a != "__doc__"])
    return make_jaxpr_f


@contextmanager
def _axes(axis_env):
    if not axis_env:
        yield
        return
    with config.axis_env((*config.axis_env.value, *map(tuple, axis_env))):
        yield


def _struct(aval) -> ShapeDtypeStruct:
    return ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


@api_boundary
def eval_shape(fun, *args, **kwargs):
    """The shapes and dtypes of a function's result, without computing it.

    Parameters
    ----------
    fun : callable
    *args, **kwargs : pytrees of arrays or of anything with ``shape`` and ``dtype``

    Returns
    -------
    pytree of ShapeDtypeStruct
    """
    check_callable(fun, "eval_shape")
    closed, out_tree = trace_function("eval_shape", fun, args, kwargs)
    return tree_unflatten(out_tree, [_struct(a) for a in closed.out_avals])


def typeof(x):
    """The abstract value of an array or number, as jaxprs print it."""
    return abstract_of(x)


@contextmanager
def ensure_compile_time_eval():
    """Evaluate operations at once inside, also where a surrounding function is being traced.

    Values that depend on traced arguments cannot be used inside.
    """
    with core.eval_context():
        yield


def named_call(fun, *, name=None):
    """The function, with its operations under a name in jaxprs, compiled programs and profiles.

    Parameters
    ----------
    fun : callable
    name : str; by default the function's name
    """
    check_callable(fun, "named_call")
    scope = name_of(fun) if name is None else name

    @functools.wraps(fun)
    def named(*args, **kwargs):
        with core.named_scope(scope):
            return fun(*args, **kwargs)

    return named


class named_scope:
    """A name for the operations inside: a context manager and a decorator.

    Parameters
    ----------
    name : str

    Raises
    ------
    TypeError : if ``name`` is not a str
    """

    def __init__(self, name: str):
        if not isinstance(name, str):
            raise TypeError(f"named_scope name argument must be a string; got {name!r}")
        self.name = name
        self._open: list = []

    def __enter__(self):
        scope = core.named_scope(self.name)
        self._open.append(scope)
        scope.__enter__()
        return self

    def __exit__(self, *exc):
        return self._open.pop().__exit__(*exc)

    def __call__(self, fun):
        return named_call(fun, name=self.name)


def block_until_ready(x):
    """Wait for all arrays of a pytree; answers the pytree."""
    def wait(leaf):
        method = getattr(leaf, "block_until_ready", None)
        return leaf if method is None else method()
    return tree_map(wait, x)


def copy_to_host_async(x):
    """Start copying all arrays of a pytree to the host; answers the pytree."""
    def start(leaf):
        method = getattr(leaf, "copy_to_host_async", None)
        if method is not None:
            method()
        return leaf
    return tree_map(start, x)
