"""`jit`: compile a function.

For arguments of structure, types and places seen before, a jitted function runs the program it has
(`runtime.callpath`). Otherwise it calls `_Jitted.miss`, which traces the function once for the types of its arguments,
then, outside of any transformation, compiles and runs it, and inside one applies the `jit` primitive to the traced
program.
"""

from __future__ import annotations

import functools
import weakref

from ferax._src.api.arguments import check_arraylike, check_callable, complete_static, debug_info_for, name_of
from ferax._src.api.explain import explain_miss
from ferax._src.api.jit_shardings import argument_shardings, checked_shardings, result_shardings
from ferax._src.api.stages import Traced
from ferax._src.api.staging import abstract_of
from ferax._src.control.call import call_jit
from ferax._src.ir.checker import check_jaxpr
from ferax._src.ir.jaxpr import ClosedJaxpr, DebugInfo
from ferax._src.ops.refs import PureCall, as_pure, check_aliases, lent_values, take_back
from ferax._src.runtime import devices, key_reuse
from ferax._src.runtime.callpath import Entry, make_call
from ferax._src.runtime.calls import Call
from ferax._src.tracing import core
from ferax._src.tracing.refs import Ref
from ferax._src.tracing.staging import has_tracer_consts, hoist_consts, trace_to_jaxpr
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import keystr, tree_flatten, tree_leaves_with_path, tree_unflatten
from ferax._src.util import caches, config, monitoring
from ferax._src.util.tracebacks import api_boundary

_UNSPECIFIED = object()
_traced_of: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()     # fun -> {key: TracedCall}


class TracedCall:
    """A function traced for certain argument types."""

    __slots__ = ("closed", "out_tree")

    def __init__(self, closed: ClosedJaxpr, out_tree):
        self.closed = closed
        self.out_tree = out_tree


class _Jitted:
    """What a jitted function knows: the function and the options of `jit`."""

    __slots__ = ("fun", "name", "static_argnums", "static_argnames", "donate_argnums", "donate_argnames",
                 "keep_unused", "inline", "device", "compiler_options", "in_shardings", "out_shardings", "traced")

    def __init__(self, fun, static_argnums, static_argnames, donate_argnums, donate_argnames, keep_unused, inline,
                 device, compiler_options, in_shardings, out_shardings):
        self.fun = fun
        self.name = name_of(fun)
        self.static_argnums = static_argnums
        self.static_argnames = static_argnames
        self.donate_argnums = donate_argnums
        self.donate_argnames = donate_argnames
        self.keep_unused = keep_unused
        self.inline = inline
        self.device = device
        self.compiler_options = compiler_options
        self.in_shardings = in_shardings
        self.out_shardings = out_shardings
        try:
            self.traced = _traced_of.setdefault(fun, {})
        except TypeError:                       # a callable that cannot be hashed or weakly referenced
            self.traced = {}

    # -- arguments --

    def split(self, args, kwargs):
        """Dynamic arguments flattened, with the key of all that is static."""
        static: tuple = ()
        if self.static_argnums:
            n = len(args)
            positions = tuple(sorted({i % n for i in self.static_argnums if -n <= i < n})) if n else ()
            static = tuple((i, args[i]) for i in positions)
            args = tuple(a for i, a in enumerate(args) if i not in positions)
        if self.static_argnames:
            static += tuple((k, kwargs[k]) for k in sorted(kwargs) if k in self.static_argnames)
            kwargs = {k: v for k, v in kwargs.items() if k not in self.static_argnames}
        for where, value in static:
            _check_hashable(value, where, self.name)
        leaves, in_tree = tree_flatten((args, kwargs))
        return leaves, in_tree, static

    def trace(self, args, kwargs, type_of=aval_of) -> tuple[TracedCall, list, object]:
        """The traced function for these arguments, from the cache if seen before; and the flat arguments."""
        leaves, in_tree, static = self.split(args, kwargs)
        try:
            avals = tuple([x.aval if isinstance(x, core.Array) else type_of(_unwrap(x)) for x in leaves])
        except TypeError:
            self.reject_leaves(leaves, args, kwargs)
            raise
        kinds = tuple([type(value) for _, value in static])         # 1 and 1.0 and True are equal
        key = (in_tree, avals, static, kinds, config.trace_context())
        found = self.traced.get(key)
        if found is None:
            if config.explain_cache_misses.value:
                debug = self.debug_info(args, kwargs)
                explain_miss(self.name, debug.func_location, debug.arg_names, list(self.traced), key)
            found = self.trace_anew(args, kwargs, in_tree, avals, static)
            if not has_tracer_consts(found.closed):
                core.remember(self.traced, key, found)
        return found, leaves, in_tree

    def trace_anew(self, args, kwargs, in_tree, avals, static) -> TracedCall:
        fun = self.fun
        if config.no_tracing.value:
            raise RuntimeError(f"jit: {self.name} would be traced for new argument types, but the option jax_no_tracing forbids it")
        debug = self.debug_info(args, kwargs)
        out_tree = None

        def flat_fun(*xs):
            nonlocal out_tree
            given, named = tree_unflatten(in_tree, xs)
            given = list(given)
            for where, value in static:
                if isinstance(where, int):
                    given.insert(where, value)
                else:
                    named[where] = value
            out = fun(*given, **named)
            leaves, out_tree = tree_flatten(out)
            check_arraylike(leaves, f"jit: the result of {self.name}",
                            lambda: tuple(keystr(p) or "itself" for p, _ in tree_leaves_with_path(out)))
            return leaves

        with monitoring.timed(monitoring.TRACE, self.name):
            closed = trace_to_jaxpr(flat_fun, avals, debug)
        if config.enable_checks.value:
            check_jaxpr(closed)
        if key_reuse.wanted.value:
            key_reuse.usage(closed)
        return TracedCall(closed, out_tree)

    def debug_info(self, args, kwargs) -> DebugInfo:
        n = len(args)
        static = {i % n for i in self.static_argnums if -n <= i < n} if n else set()
        return debug_info_for("jit", self.fun, args, kwargs, static_argnums=static,
                              static_argnames=self.static_argnames)

    def reject_leaves(self, leaves, args, kwargs) -> None:
        names = self.debug_info(args, kwargs).arg_names
        check_arraylike(leaves, "jit", lambda: names)

    def donated(self, args, kwargs, static_positions) -> tuple[bool, ...]:
        """For each flat argument, whether it is donated."""
        if not self.donate_argnums and not self.donate_argnames:
            return ()
        n = len(args)
        positions = {i % n for i in self.donate_argnums if -n <= i < n} if n else set()
        flags: list[bool] = []
        for i, a in enumerate(args):
            if i not in static_positions:
                flags += [i in positions] * len(tree_flatten(a)[0])
        for k in sorted(kwargs):
            if k not in self.static_argnames:
                flags += [k in self.donate_argnames] * len(tree_flatten(kwargs[k])[0])
        return tuple(flags)

    def donated_for(self, args, kwargs) -> tuple[bool, ...]:
        n = len(args)
        return self.donated(args, kwargs, {i % n for i in self.static_argnums if -n <= i < n} if n else set())

    # -- calls --

    def miss(self, args, kwargs):
        """A call whose program is not at hand: the result, and what the call path should remember, or None."""
        if config.disable_jit.value:
            return self.fun(*args, **kwargs), None
        traced, leaves, in_tree = self.trace(args, kwargs)
        leaves = [_unwrap(x) for x in leaves]
        closed = traced.closed
        donated = self.donated_for(args, kwargs)
        if not core.is_evaluating() or _has_tracer(leaves) or has_tracer_consts(closed):
            hoisted, consts = hoist_consts(closed)
            n = len(consts)
            wanted = argument_shardings(self.in_shardings, in_tree)
            outs = call_jit(hoisted, [*consts, *leaves], name=self.name, inline=self.inline, keep_unused=self.keep_unused,
                            donated_invars=(False,) * n + (donated or (False,) * len(leaves)),
                            in_shardings=wanted and (None,) * n + wanted,
                            out_shardings=result_shardings(self.out_shardings, traced.out_tree),
                            compiler_options_kvs=self.compiler_options or ())
            return tree_unflatten(traced.out_tree, outs), None
        pure = as_pure(closed)
        if pure is not None:
            return tree_unflatten(traced.out_tree, self.run_with_refs(pure, leaves, donated, in_tree, traced.out_tree)), None
        outs, compiled = self.prepare(closed, donated, in_tree, traced.out_tree).run(leaves)
        result = tree_unflatten(traced.out_tree, outs)
        return result, Entry(compiled, traced.out_tree)

    def prepare(self, closed: ClosedJaxpr, donated, in_tree, out_tree) -> Call:
        return Call(closed, name=self.name, donated=donated, keep_unused=self.keep_unused, device=self.device,
                    compiler_options=self.compiler_options, in_shardings=argument_shardings(self.in_shardings, in_tree),
                    out_shardings=result_shardings(self.out_shardings, out_tree))

    def run_with_refs(self, pure: PureCall, leaves, donated, in_tree, out_tree) -> list:
        """Run a program that reads and writes array references; those that it writes are written in place."""
        args = [*pure.refs, *leaves]
        check_aliases(args, pure.program.debug_info)
        n, written = len(pure.refs), pure.written
        ins = argument_shardings(self.in_shardings, in_tree)
        outs = result_shardings(self.out_shardings, out_tree)
        flags = ((False,) * n + (donated or (False,) * len(leaves)))
        call = Call(pure.program, name=self.name, donated=tuple([i in written or d and type(x) is not Ref
                                                                 for i, (d, x) in enumerate(zip(flags, args))]),
                    keep_unused=self.keep_unused, device=self.device, compiler_options=self.compiler_options,
                    in_shardings=ins and (None,) * n + ins, out_shardings=outs and outs + (None,) * len(written))
        results, _ = call.run(lent_values(args, written))
        m = len(results) - len(written)
        take_back(args, written, results[m:])
        return results[:m]

    # -- looking inside --

    def stage(self, args, kwargs) -> Traced:
        """The function traced for these arguments, which may be `ShapeDtypeStruct`s."""
        traced, leaves, in_tree = self.trace(args, kwargs, abstract_of)
        return Traced(self, traced.closed, leaves, in_tree, traced.out_tree, self.donated_for(args, kwargs))


def _unwrap(x):
    """The array of an object that offers one by ``__jax_array__``."""
    if isinstance(x, core.Array):
        return x
    method = getattr(type(x), "__jax_array__", None)
    return x if method is None else method(x)


def _has_tracer(leaves) -> bool:
    return any([isinstance(x, core.Tracer) for x in leaves])


def _check_hashable(value, where, name: str) -> None:
    try:
        hash(value)
    except TypeError:
        which = f"index {where}" if isinstance(where, int) else f"the name {where!r}"
        hint = ("Arrays cannot be static: pass them as ordinary arguments." if hasattr(value, "__array__") else
                "Pass a tuple instead of a list, or a frozen dataclass instead of a dict.")
        raise ValueError(f"Non-hashable static arguments are used in a jit function: static argument at {which} of "
                         f"{name} is {value!r}, of non-hashable type {type(value).__name__}. {hint}") from None


def jit(fun=_UNSPECIFIED, /, *, in_shardings=_UNSPECIFIED, out_shardings=_UNSPECIFIED, static_argnums=None,
        static_argnames=None, donate_argnums=None, donate_argnames=None, keep_unused=False, device=None, backend=None,
        inline=False, abstracted_axes=None, compiler_options=None):
    """Compile a function with XLA, once for each combination of argument types.

    Parameters
    ----------
    fun : callable
        Pure: its result depends on its arguments alone. Arguments and result are pytrees of arrays. Left out, `jit`
        answers a decorator.
    static_argnums, static_argnames : int or str, or sequences of them
        Arguments known when the function is traced; hashable, and each value compiles anew.
    donate_argnums, donate_argnames : likewise
        Arguments whose memory may be reused for results; they cannot be used afterwards.
    keep_unused : bool
        Pass also arguments that the function does not use.
    device, backend : Device or str
        Where to run; by default where the arguments are.
    in_shardings, out_shardings : pytree prefixes of the arguments (a tuple) and of the result, of Sharding, PartitionSpec or
        None. Where arguments are brought before the call, and where results shall lie; None leaves it open.
    inline : bool
        Write the function's equations in place when it is called inside a traced function.
    compiler_options : dict or None
        Options of XLA for this function.

    Returns
    -------
    callable with the methods ``trace``, ``lower``, ``eval_shape`` and ``clear_cache``

    Raises
    ------
    ValueError : for static arguments that are not hashable, or argument numbers the function does not have
    TypeError : for arguments or results that are not arrays

    Examples
    --------
    >>> import ferax
    >>> @ferax.jit
    ... def f(x):
    ...     return x * 2 + 1
    >>> int(f(3))
    7
    """
    options = dict(static_argnums=static_argnums, static_argnames=static_argnames, donate_argnums=donate_argnums,
                   donate_argnames=donate_argnames, keep_unused=keep_unused, device=device, backend=backend, inline=inline,
                   compiler_options=compiler_options, in_shardings=in_shardings, out_shardings=out_shardings)
    if fun is _UNSPECIFIED:
        return functools.partial(jit, **options)
    check_callable(fun, "jit")
    if abstracted_axes is not None:
        raise NotImplementedError("jit: abstracted_axes (dynamic shapes) is not supported")
    if device is not None and backend is not None:
        raise ValueError("can't specify both a device and a backend for jit, got device="
                         f"{device} and backend={backend}.")
    return _make(fun, **options)


def _make(fun, *, static_argnums, static_argnames, donate_argnums, donate_argnames, keep_unused, device, backend, inline,
          compiler_options, in_shardings, out_shardings):
    statics = complete_static(fun, static_argnums, static_argnames, "jit")
    donations = complete_static(fun, donate_argnums, donate_argnames, "jit", "donate")
    overlap = set(statics[0]) & set(donations[0])
    if overlap:
        raise ValueError(f"jit: static_argnums {statics[0]} and donate_argnums {donations[0]} cannot intersect, both "
                         f"name {sorted(overlap)}. Static arguments have no memory to donate.")
    in_shardings, out_shardings = (
        None if tree is _UNSPECIFIED else checked_shardings(tree, what)
        for tree, what in ((in_shardings, "in_shardings"), (out_shardings, "out_shardings")))
    if (in_shardings is not None or out_shardings is not None) and (device is not None or backend is not None):
        raise ValueError("jit: in_shardings and out_shardings say where the function runs, so that device and backend cannot be "
                         f"given as well; got device={device} and backend={backend}.")
    if backend is not None:
        device = devices.devices(backend)[0]
    if compiler_options is not None and not isinstance(compiler_options, dict):
        raise TypeError(f"jit: compiler_options must be a dict, got {type(compiler_options).__name__}")
    info = _Jitted(fun, *statics, *donations, bool(keep_unused), bool(inline), device,
                   None if compiler_options is None else tuple(sorted(compiler_options.items())), in_shardings, out_shardings)

    jitted = make_call(fun, api_boundary(info.miss), static_argnums=statics[0], static_argnames=statics[1])
    _describe(jitted, fun, info)
    return jitted


def _describe(jitted, fun, info: _Jitted) -> None:
    """Give a jitted function its methods."""
    jitted.__wrapped__ = fun
    jitted.trace = api_boundary(lambda *args, **kwargs: info.stage(args, kwargs))
    jitted.lower = api_boundary(lambda *args, **kwargs: info.stage(args, kwargs).lower())
    jitted.eval_shape = api_boundary(lambda *args, **kwargs: info.stage(args, kwargs).out_info)

    def clear_cache():
        info.traced.clear()
        jitted.clear()

    jitted.clear_cache = clear_cache


def clear_caches() -> None:
    """Forget all traced and compiled programs."""
    for cache in list(_traced_of.values()):
        cache.clear()
    caches.clear_all_caches()
    for primitive in core.all_primitives():
        primitive.type_cache.clear()
        primitive.rule_cache.clear()
        primitive.exec_cache.clear()
