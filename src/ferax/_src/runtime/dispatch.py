"""Evaluation: what applying a primitive means on the base trace.

`EvalTrace.process` looks up the compiled program for (primitive, parameters, argument signatures, configuration) and
runs it. A program is made at the first application. For primitives that hold jaxprs it is kept on the jaxpr
(`ClosedJaxpr.cache`), so that it goes when the jaxpr goes, for all others on the primitive.

The configuration enters keys as a small number, looked up anew only when `config.mark` or `config.changes` say so.
There are two such numbers, one of all flags, for traced functions, and one of those that a single operation depends on.
"""

from __future__ import annotations

from typing import Any

from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var, no_effects
from ferax._src.runtime import devices
from ferax._src.runtime.array import ArrayImpl
from ferax._src.runtime.effects import effects_barrier  # noqa: F401
from ferax._src.runtime.program import compile_program
from ferax._src.runtime.transfer import as_array
from ferax._src.tracing import core
from ferax._src.tracing.core import EvalTrace, Primitive, Tracer, abstract_eval, remember
from ferax._src.util import caches, config, source as source_info

_mark = config.mark


# --- the configuration as a number --------------------------------------------------------------

_context_numbers: dict[tuple, int] = {}
# Of the thread that looked last: its mark, the count of changes, the number of its configuration, and the number of the
# part of it that matters to a single operation.
_last_context: tuple[Any, int, int, int] = (None, -1, -1, -1)

# Options that matter while a function is traced, but not to what one given operation compiles to.
_OF_TRACING = ("jax_numpy_dtype_promotion", "jax_numpy_rank_promotion", "jax_explicit_x64_dtypes", "jax_disable_jit",
               "ferax_axis_env", "ferax_varying_axes")


def _context_changed() -> tuple[Any, int, int, int]:
    """`_last_context` as it is now."""
    global _last_context
    seen = _mark.value, config.changes          # read before the values: what changes meanwhile is noticed next time
    context = config.trace_context()
    of_programs = tuple([value for name, value in zip(config.trace_context_names(), context) if name not in _OF_TRACING])
    whole = _context_numbers.setdefault(context, len(_context_numbers))
    part = _context_numbers.setdefault(("program", *of_programs), len(_context_numbers))
    _last_context = found = (*seen, whole, part)
    return found


# --- applying a primitive -----------------------------------------------------------------------

def process(self: EvalTrace, primitive: Primitive, args, params) -> list:
    """Evaluate one application of a primitive, compiled."""
    seen = _last_context                        # one read: another thread may change it meanwhile
    if seen[0] is not _mark.value or seen[1] != config.changes:
        seen = _context_changed()
    key: list[Any] = [seen[3]]
    bufs = []
    for x in args:
        if type(x) is not ArrayImpl:
            x = as_array(x)
        key.append(x._sig)
        bufs.append(x._buf)
    if primitive.holds_jaxprs:
        cache, extra = _jaxpr_cache(primitive, params)
        key += extra
    else:
        cache = primitive.exec_cache
        if params:
            key += params.items()
    try:
        run = cache[tuple(key)]
    except KeyError:
        run = _prepare(primitive, args, params, cache, tuple(key))
    except TypeError as error:
        raise core.unhashable_params_error(primitive, params) from error
    return run(bufs)


def _jaxpr_cache(primitive: Primitive, params) -> tuple[dict, list]:
    """The cache of the first jaxpr among the parameters, and what else belongs into the key."""
    if len(params) == 1:
        (value,) = params.values()
        if type(value) is ClosedJaxpr:
            return value.cache, [primitive]
    for value in params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(item, ClosedJaxpr):
                return item.cache, [primitive, *params.items()]
    return primitive.exec_cache, list(params.items())


def _prepare(primitive: Primitive, args, params, cache: dict, key: tuple):
    """The function that runs this application, entered in the cache."""
    arrays = [as_array(x) for x in args]
    evaluate = getattr(primitive, "evaluate", None)
    if evaluate is not None:                    # device_put and its kin: no program, it only moves values
        return lambda bufs: evaluate(arrays, params)
    program_for = getattr(primitive, "program_for", None)
    if program_for is not None:                 # shard_map: it knows where it runs
        run = program_for(arrays, params).run_buffers
        remember(cache, key, run)
        return run
    closed = _program_of(primitive, tuple([x.aval for x in arrays]), params)
    for x in arrays:
        if x.is_deleted():
            x.block_until_ready()               # raises; before anything is compiled in vain
    program = compile_program(closed, [x._sig for x in arrays], name=primitive.name)
    run = program.run_buffers
    remember(cache, key, run)
    return run


def _program_of(primitive: Primitive, avals: tuple, params) -> ClosedJaxpr:
    """The application as a jaxpr of one equation; the program itself where that is what is applied."""
    if primitive.splices:
        return params["jaxpr"]
    out_avals = abstract_eval(primitive, avals, params)
    effects = primitive.effects_of(*avals, **params) if primitive.has_effects else no_effects
    invars, outvars = [Var(a) for a in avals], [Var(a) for a in out_avals]
    where = core.state.source if getattr(core.state, "source", None) is not None else source_info.current()
    eqn = Eqn(primitive, invars, outvars, params, effects, where, core.state.name_stack)
    return ClosedJaxpr(Jaxpr([], invars, outvars, [eqn], effects))


EvalTrace.process = process                     # the slot that tracing.core documents


# --- caches -------------------------------------------------------------------------------------

def _forget_programs() -> None:
    for primitive in core.all_primitives():
        primitive.exec_cache.clear()
    for table in program_tables:
        table.clear()


program_tables: list[dict] = []                 # caches of programs kept elsewhere (fused functions)
caches.register_cache(_forget_programs)
devices.on_clear(caches.clear_all_caches)


def is_concrete(x) -> bool:
    """Whether a value is known now: anything but a tracer."""
    return not isinstance(x, Tracer)
