"""`fused`: a function of arrays that runs as one compiled program when it is called eagerly.

``jnp.mean(x)`` is a handful of operations. Called on arrays outside of any transformation, a fused function traces them
once for each combination of types, static values and configuration, and from then on is one call of a program. Under
a transformation it simply runs, and its operations are seen one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ferax._src.ir.jaxpr import DebugInfo
from ferax._src.runtime import dispatch
from ferax._src.runtime.array import ArrayImpl
from ferax._src.runtime.effects import failure
from ferax._src.runtime.program import compile_program
from ferax._src.runtime.transfer import as_array
from ferax._src.tracing import core
from ferax._src.tracing.core import Tracer, eval_trace, remember, state
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.util import config
from ferax._src.util.caches import register_cache

_mark = config.mark


def fused(fun: Callable | None = None, *, static: tuple[str, ...] = ()) -> Callable:
    """Make a function one compiled program in eager use.

    Parameters
    ----------
    fun : callable of positional arrays (Python scalars count as weakly typed arrays) and static keyword arguments,
        answering an array, or a tuple or list of arrays
    static : names of the keyword arguments; they must be hashable, otherwise the function runs unfused
    """
    if fun is None:
        return lambda f: fused(f, static=static)
    cache: dict[tuple, Any] = {}
    dispatch.program_tables.append(cache)

    @functools.wraps(fun)
    def call(*args, **statics):
        if state.trace is not eval_trace:
            return fun(*args, **statics)
        seen = dispatch._last_context
        if seen[0] is not _mark.value or seen[1] != config.changes:
            seen = dispatch._context_changed()
        key: list[Any] = [seen[2]]
        bufs = []
        for x in args:
            if type(x) is not ArrayImpl:
                if isinstance(x, Tracer):       # left over from a transformation that evaluates at once
                    return fun(*args, **statics)
                x = as_array(x)
            key.append(x._sig)
            bufs.append(x._buf)
        if statics:
            key += statics.items()
            key += map(type, statics.values())  # 1, 1.0 and True are equal but do not mean the same
        try:
            run = cache[tuple(key)]
        except KeyError:
            run = None
        except TypeError:                       # a static value that cannot be hashed
            run = False
        if run:
            return run(bufs)
        if run is None:                         # not in the handler: an error of the function is not one of ours
            return _prepare(fun, args, statics, cache, tuple(key))(bufs)
        return fun(*args, **statics)

    call.fused_programs = cache  # type: ignore[attr-defined]
    return call


def of_one_array(fun: Callable) -> Callable:
    """A function of one array answering one array, as one program in eager use, found in the fewest steps.

    Called with anything else than a concrete array outside of transformations, it is the function itself.
    """
    by_context: dict[int, dict] = {}            # number of the configuration -> signature -> how to run
    valid: tuple = (None, -1)                   # for which mark and count of changes `programs` is the right table
    programs: dict = {}

    def call(x):
        if type(x) is not ArrayImpl or state.trace is not eval_trace:
            return fun(x)
        if valid[0] is _mark.value and valid[1] == config.changes:
            found = programs.get(x._sig)
            if found is not None:
                execute, handlers, out_sig = found
                try:
                    return ArrayImpl(execute([x._buf]).consume_with_handlers(handlers)[0], out_sig)
                except Exception as error:
                    raise failure(error, [x._buf]) from None
        return first(x)

    def first(x):
        nonlocal valid, programs
        seen = dispatch._context_changed()
        table = by_context.setdefault(seen[2], {})
        program = table.get((x._sig, "program"))
        if program is None:
            closed = trace_to_jaxpr(lambda t: [fun(t)], [x.aval], DebugInfo(func_name=fun.__name__, transform="eager"))
            program = table[x._sig, "program"] = compile_program(closed, [x._sig], name=fun.__name__)
        if program.is_plain:
            (out_sig,) = program.out_sigs
            table[x._sig] = program.executable.execute_sharded, [out_sig.handler], out_sig
        valid, programs = seen[:2], table
        return program.run_buffers([x._buf])[0]

    def forget():
        nonlocal valid, programs
        by_context.clear()
        valid, programs = (None, -1), {}

    register_cache(forget)
    return functools.update_wrapper(call, fun)


def _prepare(fun, args, statics, cache: dict, key: tuple):
    """Trace and compile; answers a function from buffers to the result in the user's shape."""
    arrays = [as_array(x) for x in args]
    name = getattr(fun, "__name__", "fused")
    shape: Any = None

    def flat(*tracers):
        nonlocal shape
        result = fun(*tracers, **statics)
        shape = type(result) if isinstance(result, (tuple, list)) else None
        return [result] if shape is None else list(result)

    closed = trace_to_jaxpr(flat, [x.aval for x in arrays], DebugInfo(func_name=name, transform="eager"))
    program = compile_program(closed, [x._sig for x in arrays], name=name)
    run = _runner(shape, program)
    remember(cache, key, run)
    return run


def _runner(shape, program):
    """A function from buffers to the results in the shape that the user's function gave them."""
    if shape is list:
        return program.run_buffers
    if shape is not None and hasattr(shape, "_fields"):
        return program.runner(shape._make)      # a namedtuple
    return program.runner(shape)


def is_eager() -> bool:
    """Whether operations happen at once."""
    return core.state.trace is eval_trace
