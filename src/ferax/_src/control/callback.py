"""Python functions called from programs: `pure_callback`, `io_callback`, `debug_callback`.

They differ in what the compiler may do. A pure callback is a function like any other: it may run once, twice or not
at all. An io callback runs exactly as often as it is written, and ``ordered`` ones in order. A debug callback
answers nothing, and never stands in the way of a transformation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ferax._src.control.map import map as lax_map
from ferax._src.control.tracing_utils import describe_function
from ferax._src.ops.axes import move_axis, place_axis
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.convert import as_array
from ferax._src.ops.joining import stack
from ferax._src.ops.refs import read
from ferax._src.ops.slicing import index_in_dim
from ferax._src.runtime.callbacks import host_function
from ferax._src.runtime.lowering_context import has_extended
from ferax._src.tracing.core import Array, Primitive, register
from ferax._src.tracing.refs import Ref
from ferax._src.transforms.batch import batched_aval
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.pytrees import tree_flatten, tree_leaves, tree_unflatten
from ferax._src.util.tracebacks import api_boundary


# --- effects --------------------------------------------------------------------------------------

class Effect:
    """What an equation does besides computing its results. All effects of a class are one and the same."""

    ordered = False             # whether programs must keep the order of the equations that have it
    keeps_alive = True          # whether the equation must run even if nothing reads its results

    def __eq__(self, other) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return type(self).__name__


class IOEffect(Effect):
    """Reads or changes the world outside."""

    __str__ = lambda self: "IO"


class OrderedIOEffect(Effect):
    """Reads or changes the world outside, in the order of the program."""

    ordered = True
    __str__ = lambda self: "OrderedIO"


class DebugEffect(Effect):
    """Shows something to the programmer."""

    __str__ = lambda self: "Debug"


class OrderedDebugEffect(Effect):
    """Shows something to the programmer, in the order of the program."""

    ordered = True
    __str__ = lambda self: "OrderedDebug"


io_effect, ordered_io_effect = IOEffect(), OrderedIOEffect()
debug_effect, ordered_debug_effect = DebugEffect(), OrderedDebugEffect()


# --- a user's function, flat ----------------------------------------------------------------------

@dataclass(frozen=True)
class FlatCallback:
    """A function of pytrees as one of flat arrays; equal for equal functions, so that programs are found again."""

    callback_func: Callable
    in_tree: Any

    def __call__(self, *flat) -> list:
        args, kwargs = tree_unflatten(self.in_tree, flat)
        return tree_leaves(self.callback_func(*args, **kwargs))


@dataclass(frozen=True)
class EachCallback:
    """A callback without results, called for each example of a mapped axis in turn."""

    inner: Callable
    dims: tuple
    size: int

    def __call__(self, *flat) -> list:
        for i in range(self.size):
            self.inner(*(x if d is None else x[(slice(None),) * d + (i,)] for x, d in zip(flat, self.dims)))
        return []


def result_avals(name: str, result_shape_dtypes):
    """The types that a callback is said to answer.

    Raises
    ------
    ValueError : for dtypes of 64 bits while they are switched off.
    """
    leaves, tree = tree_flatten(result_shape_dtypes)
    avals = []
    for x in leaves:
        if not (hasattr(x, "shape") and hasattr(x, "dtype")):
            raise TypeError(f"{name}: result_shape_dtypes must be a pytree of objects with `shape` and `dtype`, such as "
                            f"ferax.ShapeDtypeStruct, got {type(x).__name__}")
        dtype = dtypes.as_dtype(x.dtype)
        if dtypes.canonicalize(dtype) != dtype:
            raise ValueError(f"{name}: result_shape_dtypes cannot specify 64-bit types when `jax_enable_x64` is disabled, got {dtype}. "
                             "Declare 32 bits, and convert in the function.")
        avals.append(ShapedArray(x.shape, dtype))
    return tuple(avals), tree


def operands_of(args, kwargs, name: str):
    """Flat arrays, and their structure."""
    leaves, tree = tree_flatten((args, kwargs))
    for i, x in enumerate(leaves):
        if not isinstance(x, Array):
            try:
                leaves[i] = as_array(x)
            except TypeError as error:
                raise TypeError(f"{name}: an argument is of type {type(x).__name__}, which is not an array or a number. Bind it to the "
                                "function, with functools.partial or a closure.") from error
    return leaves, tree


class CallbackPrimitive(Primitive):
    """Base of the three."""

    handles_extended_dtypes = True

    def abstract_eval(self, *avals, result_avals, **params):
        return list(result_avals)

    def transpose(self, cts, *args, **params):
        raise ValueError(f"{self.name}: a call into Python is not linear, it cannot be transposed.")


# --- pure -----------------------------------------------------------------------------------------

class PureCallback(CallbackPrimitive):
    name = "pure_callback"

    def lower(self, ctx, *values, callback, result_avals, sharding, vmap_method):
        fn = host_function(callback, ctx.avals_in, list(result_avals), name="pure_callback")
        return ctx.host_callback(fn, values, list(result_avals), has_side_effect=False, name="pure_callback")

    def jvp(self, primals, tangents, *, callback, **params):
        raise ValueError("Pure callbacks do not support JVP: nothing is known of the function but its values. Please use "
                         "`custom_jvp` or `custom_vjp` to use callbacks while taking gradients. See docs/errors/callback-jvp.md")

    def batch(self, axis, args, dims, *, callback, result_avals, sharding, vmap_method):
        size = axis.size

        def run(values, avals):
            return self.bind(*values, callback=callback, result_avals=avals, sharding=sharding, vmap_method=vmap_method)

        if vmap_method is None:
            raise NotImplementedError(
                "vmap is only supported for pure_callback with non-None vmap_method. Say how the function takes many examples: "
                "vmap_method='sequential' calls it for each, 'expand_dims' and 'broadcast_all' once, with a leading axis. See "
                "docs/errors/callback-vmap.md")
        if vmap_method in ("expand_dims", "broadcast_all", "legacy_vectorized"):
            values = []
            for x, d in zip(args, dims):
                if d is not None:
                    values.append(move_axis(x, d, 0))
                elif vmap_method == "expand_dims":
                    values.append(expand_dims(x, (0,)))
                else:
                    values.append(place_axis(x, None, size, 0) if vmap_method == "broadcast_all" else x)
            outs = run(values, tuple([batched_aval(a, 0, size) for a in result_avals]))
        elif vmap_method == "sequential":
            outs = one_by_one(lambda values: run(values, result_avals), args, dims, size, unrolled=False)
        else:
            outs = one_by_one(lambda values: run(values, result_avals), args, dims, size, unrolled=True)
        return outs, [0] * len(outs)


pure_callback_p = register(PureCallback())

VMAP_METHODS = ("sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized", None)


def one_by_one(run, args, dims, size: int, *, unrolled: bool) -> list:
    """``run`` for each example in turn, results stacked along the first axis."""
    if not unrolled:
        def one(rows):
            given = iter(rows)
            return run([next(given) if d is not None else x for x, d in zip(args, dims)])

        return lax_map(one, [move_axis(x, d, 0) for x, d in zip(args, dims) if d is not None])
    results = [run([x if d is None else index_in_dim(x, i, d, keepdims=False) for x, d in zip(args, dims)]) for i in range(size)]
    return [stack(list(ys)) for ys in zip(*results)]


@api_boundary
def pure_callback(callback, result_shape_dtypes, *args, sharding=None, vmap_method: str | None = None, **kwargs):
    """Call a Python function without side effects from inside transformed functions.

    Parameters
    ----------
    callback : callable of arrays, answering arrays (NumPy's will do) of the declared shapes and dtypes
    result_shape_dtypes : pytree of objects with ``shape`` and ``dtype``, such as `ShapeDtypeStruct`
    *args, **kwargs : pytrees of arrays, given to ``callback``
    sharding : device on which it runs, in a program over several
    vmap_method : what ``vmap`` does: 'sequential' (a call for each example), 'sequential_unrolled' (the same, written out),
        'expand_dims' (one call; arguments have a leading axis, of size 1 if not mapped), 'broadcast_all' (one call; all
        arguments have the mapped axis), None (an error)

    Returns
    -------
    pytree like ``result_shape_dtypes``, of arrays

    Examples
    --------
    >>> ferax.jit(lambda x: ferax.pure_callback(np.sinc, x, x))(jnp.float32(0.5))
    Array(0.63661975, dtype=float32)
    """
    if not callable(callback):
        raise TypeError(f"pure_callback: the first argument must be a function, got {type(callback).__name__}")
    if vmap_method not in VMAP_METHODS:
        raise ValueError(f"pure_callback: vmap_method must be one of {VMAP_METHODS}, got {vmap_method!r}")
    avals, out_tree = result_avals("pure_callback", result_shape_dtypes)
    leaves, in_tree = operands_of(args, kwargs, f"pure_callback of {describe_function(callback)}")
    outs = pure_callback_p.bind(*leaves, callback=FlatCallback(callback, in_tree), result_avals=avals, sharding=sharding,
                                vmap_method=vmap_method)
    return tree_unflatten(out_tree, outs)


# --- io -------------------------------------------------------------------------------------------

class IOCallback(CallbackPrimitive):
    name = "io_callback"
    has_effects = True

    def effects_of(self, *avals, ordered, **params):
        return frozenset([ordered_io_effect if ordered else io_effect])

    def lower(self, ctx, *values, callback, result_avals, sharding, ordered):
        fn = host_function(callback, ctx.avals_in, list(result_avals), name="io_callback")
        return ctx.host_callback(fn, values, list(result_avals), effect=ordered_io_effect if ordered else None, name="io_callback")

    def jvp(self, primals, tangents, **params):
        raise ValueError("IO callbacks do not support JVP: nothing is known of the function but its values. Stop the gradient of the "
                         "arguments with lax.stop_gradient, or use `custom_jvp`. See docs/errors/callback-jvp.md")

    def batch(self, axis, args, dims, *, ordered, **params):
        if ordered:
            raise ValueError("Cannot `vmap` ordered IO callbacks: the examples of a mapped axis have no order. Use ordered=False, or "
                             "lax.map instead of vmap.")
        outs = one_by_one(lambda values: self.bind(*values, ordered=ordered, **params), args, dims, axis.size, unrolled=False)
        return outs, [0] * len(outs)


io_callback_p = register(IOCallback())


@api_boundary
def io_callback(callback, result_shape_dtypes, *args, sharding=None, ordered: bool = False, **kwargs):
    """Call a Python function with side effects from inside transformed functions.

    Parameters
    ----------
    callback : callable of arrays, answering arrays of the declared shapes and dtypes (None where none are declared)
    result_shape_dtypes : pytree of objects with ``shape`` and ``dtype``, or None
    *args, **kwargs : pytrees of arrays, given to ``callback``
    sharding : device on which it runs, in a program over several
    ordered : whether calls happen in the order of the program

    Returns
    -------
    pytree like ``result_shape_dtypes``, of arrays
    """
    if not callable(callback):
        raise TypeError(f"io_callback: the first argument must be a function, got {type(callback).__name__}")
    avals, out_tree = result_avals("io_callback", result_shape_dtypes)
    leaves, in_tree = operands_of(args, kwargs, f"io_callback of {describe_function(callback)}")
    outs = io_callback_p.bind(*leaves, callback=FlatCallback(callback, in_tree), result_avals=avals, sharding=sharding,
                              ordered=bool(ordered))
    return tree_unflatten(out_tree, outs)


# --- debug ----------------------------------------------------------------------------------------

class DebugCallback(Primitive):
    """Call a function for its side effect alone; derivatives pass it by, and mapped it is called for each example."""

    name = "debug_callback"
    has_effects = True
    handles_extended_dtypes = True

    def abstract_eval(self, *avals, **params):
        return []

    def effects_of(self, *avals, effect, **params):
        return frozenset([effect])

    def lower(self, ctx, *values, callback, effect, partitioned, as_arrays):
        fn = host_function(callback, ctx.avals_in, (), name="debug_callback", as_arrays=as_arrays or has_extended(ctx.avals_in, ()))
        return ctx.host_callback(fn, values, (), effect=effect if effect.ordered else None, partitioned=partitioned, name="debug_callback")

    def jvp(self, primals, tangents, **params):
        return self.bind(*primals, **params), []

    def transpose(self, cts, *args, **params):
        raise ValueError("Transpose doesn't support debugging callbacks.")

    def batch(self, axis, args, dims, *, callback, **params):
        each = EachCallback(callback, tuple(dims), axis.size)
        return self.bind(*args, callback=each, **params), []


debug_callback_p = register(DebugCallback())


@dataclass(frozen=True)
class DebugFunction:
    """A user's function with some arguments static (strings, say)."""

    fun: Callable
    in_tree: Any
    static: tuple               # one per leaf: (value,) if static, None if it is an operand

    def __call__(self, *flat) -> list:
        given = iter(flat)
        leaves = [next(given) if s is None else s[0] for s in self.static]
        args, kwargs = tree_unflatten(self.in_tree, leaves)
        self.fun(*args, **kwargs)
        return []


def bind_debug(fun, args, kwargs, ordered: bool, partitioned: bool, as_arrays: bool = True) -> None:
    """Bind `debug_callback_p` on a function of pytrees; leaves that are no arrays are given to it as they are.

    ``as_arrays``: give it ferax arrays; False gives NumPy's, which can be formatted at once.
    """
    leaves, tree = tree_flatten((args, kwargs))
    operands, static = [], []
    for x in leaves:
        try:
            aval_of(x)
        except TypeError:
            static.append((x,))
            continue
        operands.append(read(x) if type(x) is Ref else x)
        static.append(None)
    debug_callback_p.bind(*operands, callback=DebugFunction(fun, tree, tuple(static)),
                          effect=ordered_debug_effect if ordered else debug_effect, partitioned=partitioned, as_arrays=as_arrays)


@api_boundary
def debug_callback(callback=None, *args, ordered: bool = False, partitioned: bool = False, **kwargs) -> None:
    """Call a Python function for its side effect alone, such as plotting; ``ferax.debug.callback``.

    Parameters
    ----------
    callback : callable of arrays; its result is ignored
    *args, **kwargs : pytrees of arrays (other leaves are passed on as they are)
    ordered : whether calls happen in the order of the program
    partitioned : in a program over several devices, call it on each with the part of the arrays that lies there
    """
    if not callable(callback):
        raise TypeError("first positional argument to `debug.callback` must be a function to call, but got a "
                        f"{type(callback).__name__}")
    bind_debug(callback, args, kwargs, ordered, partitioned)
