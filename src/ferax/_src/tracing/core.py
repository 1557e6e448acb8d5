"""Primitives, traces and tracers: the one mechanism behind every transformation.

A *primitive* is an operation that carries its own rules. A *trace* is an interpreter: it says what
applying a primitive means. A *tracer* is the value a trace works on. Exactly one trace is current in
a thread; `Primitive.bind` hands the application to it. The base trace, `EvalTrace`, evaluates; the
others (staging in `tracing.staging`, differentiation and batching in `transforms`) do their part and
hand the rest to their parent, the trace that was current before them.

There are no levels: a trace takes any value that is not one of its own tracers for a constant.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np

from ferax._src.ir.jaxpr import Effects, no_effects
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.util import errors
from ferax._src.util.tracebacks import api_boundary


class Array:
    """An array: concrete, with values on a device, or a tracer, that stands for one in a transformation.

    ``isinstance(x, ferax.Array)`` holds for both. Operators and methods (``x + y``, ``x.sum()``,
    ``x.at[...]``) are hung on this class by `numpy.array_methods`, the one place that may.
    """

    __slots__ = ()
    __array_priority__ = 100

    aval: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dimension."""
        return self.aval.shape

    @property
    def dtype(self):
        """The element type."""
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.aval.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.aval.size

    @property
    def weak_type(self) -> bool:
        """Whether the dtype yields to others in promotion, as that of Python scalars does."""
        return self.aval.weak_type

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.aval.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.aval.size * self.aval.dtype.itemsize

    def __len__(self) -> int:
        return len(self.aval)

    __hash__ = None                                             # type: ignore[assignment]


class Tracer(Array):
    """A value inside a transformation, known by its abstract value."""

    __slots__ = ("_trace", "aval", "__weakref__")

    def __init__(self, trace: Trace, aval):
        self._trace = trace
        self.aval = aval

    def concrete_value(self):
        """The concrete array behind this tracer, or None where there is only a type."""
        return None

    def _origin(self) -> str:
        """Where the value came from, in words, for error messages."""
        return ""

    def _concrete_or(self, error):
        if not self._trace.alive:
            raise escaped_tracer_error(self)
        value = self.concrete_value()
        if value is None:
            raise error(self)
        return value

    def __bool__(self) -> bool:
        return bool(self._concrete_or(errors.TracerBoolConversionError))

    def __int__(self) -> int:
        return int(self._concrete_or(lambda t: errors.ConcretizationTypeError(t, "int() was called on it")))

    def __float__(self) -> float:
        return float(self._concrete_or(lambda t: errors.ConcretizationTypeError(t, "float() was called on it")))

    def __complex__(self) -> complex:
        return complex(self._concrete_or(
            lambda t: errors.ConcretizationTypeError(t, "complex() was called on it")))

    def __index__(self) -> int:
        return self._concrete_or(errors.TracerIntegerConversionError).__index__()

    def __array__(self, *args, **kwargs):
        return np.asarray(self._concrete_or(errors.TracerArrayConversionError), *args, **kwargs)

    def item(self, *args):
        """The value as a Python scalar; only where it is concrete."""
        return self._concrete_or(
            lambda t: errors.ConcretizationTypeError(t, ".item() was called on it")).item(*args)

    def tolist(self):
        """The values as nested lists; only where they are concrete."""
        return self._concrete_or(
            lambda t: errors.ConcretizationTypeError(t, ".tolist() was called on it")).tolist()

    @property
    def sharding(self):
        return self.aval.sharding

    def block_until_ready(self):
        return self

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}<{self.aval}>"

    def __format__(self, spec: str) -> str:
        value = self.concrete_value()
        if value is not None and spec:
            return format(value, spec)
        try:
            return format(repr(self), spec)
        except ValueError:                      # a format for numbers
            raise errors.ConcretizationTypeError(
                self, f"it was to be formatted with the format {spec!r}; to print values when the program runs, use "
                "debug.print") from None

    def __reduce__(self):
        raise errors.ConcretizationTypeError(self, "it was pickled")


for _name in ("__bool__", "__int__", "__float__", "__complex__", "__index__", "__array__", "item", "tolist", "__format__",
              "__reduce__"):
    setattr(Tracer, _name, api_boundary(vars(Tracer)[_name]))


def escaped_tracer_error(tracer: Tracer) -> Exception:
    """The error for a tracer used after its transformation has ended."""
    return errors.UnexpectedTracerError(tracer)


# --- the current trace --------------------------------------------------------------------------

class Trace:
    """An interpreter of primitives. `parent` is the trace that was current when this one was made."""

    __slots__ = ("parent", "alive", "__weakref__")
    parent: Trace | None

    def __init__(self, parent: Trace | None):
        self.parent = parent
        self.alive = True

    def process(self, primitive: Primitive, args, params) -> list:
        """Apply ``primitive`` to ``args``; answers the list of its results."""
        raise NotImplementedError

    def custom_jvp(self, call, args) -> list:
        """Apply a function with its own forward derivative (`control.custom_jvp.CustomJVPCall`)."""
        raise NotImplementedError

    def custom_vjp(self, call, args) -> list:
        """Apply a function with its own reverse derivative (`control.custom_vjp.CustomVJPCall`)."""
        raise NotImplementedError

    def refuses_write(self, value) -> tuple[str, str] | None:
        """Why ``value`` must not be written to an array reference from outside of this trace, in words; None if it may."""
        return None

    def invalidate(self) -> None:
        """Mark the trace as ended: its tracers may not be used any more."""
        self.alive = False


class EvalTrace(Trace):
    """The base trace: evaluates at once.

    `process` is a slot: `runtime.dispatch` fills it at import, since evaluation needs devices and
    compiled programs, which live a floor higher.
    """

    __slots__ = ()

    def process(self, primitive, args, params) -> list:
        raise RuntimeError("ferax: nothing can be evaluated before ferax._src.runtime.dispatch is imported")

    def custom_jvp(self, call, args) -> list:
        return call.fun(*args)

    def custom_vjp(self, call, args) -> list:
        return call.fun(*args)


eval_trace = EvalTrace(None)


class _ThreadState(threading.local):
    trace: Trace = eval_trace
    name_stack: str = ""
    source: Any = None          # when not None, new equations are ascribed to it instead of to the caller


state = _ThreadState()


def current_trace() -> Trace:
    """The trace that `bind` uses now, in this thread."""
    return state.trace


class set_current_trace:
    """Make a trace the current one: ``with set_current_trace(trace): ...``."""

    __slots__ = ("trace", "previous")

    def __init__(self, trace: Trace):
        self.trace = trace

    def __enter__(self) -> Trace:
        self.previous = state.trace
        state.trace = self.trace
        enter_trace_state(self.trace)
        return self.trace

    def __exit__(self, *exc) -> None:
        state.trace = self.previous
        enter_trace_state(self.previous)


def enter_trace_state(trace: Trace) -> None:
    """Tell the C++ call path whether it may run compiled programs: only while the base trace is current."""
    _tracing_flag(trace is not eval_trace)


def _tracing_flag(tracing: bool) -> None:
    from ferax._src.util import config  # lazy: replaced by the flag's setter at the first call
    global _tracing_flag
    _tracing_flag = config.tracing.set_local
    _tracing_flag(tracing)


def is_evaluating() -> bool:
    """Whether the base trace is current, so that operations on arrays happen at once."""
    return state.trace is eval_trace


@contextmanager
def eval_context():
    """Evaluate at once inside, whatever trace is current outside."""
    with set_current_trace(eval_trace):
        yield


@contextmanager
def named_scope(name: str):
    """Add a name to the name stack; it shows in jaxprs, compiled programs and profiles.

    Parameters
    ----------
    name : str
    """
    if not isinstance(name, str):
        raise TypeError(f"named_scope: the name must be a str, got {type(name).__name__}")
    previous = state.name_stack
    state.name_stack = f"{previous}/{name}" if previous else name
    try:
        yield
    finally:
        state.name_stack = previous


class ascribe:
    """Ascribe the equations written inside to a source already known: ``with ascribe(eqn.source): ...``.

    ``ascribe(False)`` writes no source; rules are traced so, for their equations get that of the user's call.
    """

    __slots__ = ("source", "previous")

    def __init__(self, source):
        self.source = source

    def __enter__(self) -> None:
        self.previous = state.source
        state.source = self.source

    def __exit__(self, *exc) -> None:
        state.source = self.previous


# --- primitives ---------------------------------------------------------------------------------

class Primitive:
    """An operation and its rules, side by side.

    Operands are positional and are arrays; parameters are keyword-only, static and hashable. Every
    rule takes lists and answers lists. A rule that is missing raises an error that names it. Rules are
    pure: each is run once per (parameters, types, active operands) and its trace is reused.
    """

    name: str = ""
    has_effects = False                 # whether effects_of is worth asking
    splices = False                     # whether staging writes the equations of params["jaxpr"] in place
    holds_jaxprs = False                # whether params hold programs that transformations must reach
    handles_extended_dtypes = False     # whether `lower` knows PRNG key dtypes itself
    recompute = False                   # cheaper to do again in the backward pass than to keep the result
    types_varying = False               # whether `abstract_eval` says along which mesh axes results vary (see `with_varying`)
    multiple_results = True

    def __init__(self, name: str | None = None):
        if name is not None:
            self.name = name
        self.type_cache: dict = {}      # (params, avals) -> out avals
        self.exec_cache: dict = {}      # (params, signatures) -> compiled program
        self.rule_cache: dict = {}      # (rule, params, avals, ...) -> traced rule

    def bind(self, *args, **params) -> list:
        """Apply the primitive on the current trace; answers the list of results."""
        return state.trace.process(self, args, params)

    def abstract_eval(self, *avals, **params) -> list:
        raise self.missing_rule("abstract_eval", "a type")

    def effects_of(self, *avals, **params) -> Effects:
        return no_effects

    def lower(self, ctx, *values, **params) -> list:
        raise self.missing_rule("lower", f"a lowering for {ctx.platform}")

    def jvp(self, primals, tangents, **params):
        raise self.missing_rule("jvp", "a forward derivative")

    def transpose(self, cts, *args, **params) -> list:
        raise self.missing_rule("transpose", "a transpose: it is not linear in the operand asked for")

    def batch(self, axis, args, dims, **params):
        raise self.missing_rule("batch", "a batching rule for vmap")

    def missing_rule(self, rule: str, what: str) -> NotImplementedError:
        where = type(self).__module__
        return NotImplementedError(f"{self.name}: the primitive has no {what} (rule `{rule}`, defined in {where})")

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__

    def __reduce__(self):
        return _find_primitive, (self.name,)


def _find_primitive(name: str) -> Primitive:
    """Unpickle a primitive: the one object of that name."""
    stack = [Primitive]
    while stack:
        cls = stack.pop()
        stack.extend(cls.__subclasses__())
        for instance in registry.get(cls, ()):
            if instance.name == name:
                return instance
    raise LookupError(f"no primitive is named {name!r}")


registry: dict[type, list[Primitive]] = {}


def register(primitive: Primitive) -> Primitive:
    """Enter a primitive in the list of all primitives (tests walk it; pickle finds by it)."""
    registry.setdefault(type(primitive), []).append(primitive)
    return primitive


def all_primitives() -> list[Primitive]:
    """Every registered primitive, by name."""
    return sorted((p for ps in registry.values() for p in ps), key=lambda p: p.name)


class Zero:
    """A tangent or cotangent known to be zero, of tangent type `aval`; no array is made for it."""

    __slots__ = ("aval",)

    def __init__(self, aval):
        self.aval = aval

    @staticmethod
    def of(x) -> Zero:
        """The zero tangent of a primal value (or of its abstract value)."""
        aval = x if isinstance(x, ShapedArray) else aval_of(x)
        return Zero(aval.to_tangent_aval())

    @property
    def shape(self):
        return self.aval.shape

    @property
    def dtype(self):
        return self.aval.dtype

    def __repr__(self) -> str:
        return f"Zero({self.aval})"


class MappedAxis:
    """The axis that a batching rule adds: its size, and its name if it has one. Interned."""

    __slots__ = ("size", "name", "spmd_name")
    _interned: dict[tuple, MappedAxis] = {}

    size: int
    name: Any
    spmd_name: Any

    def __new__(cls, size: int, name=None, spmd_name=None) -> MappedAxis:
        key = size, name, spmd_name
        found = cls._interned.get(key)
        if found is None:
            found = object.__new__(cls)
            found.size, found.name, found.spmd_name = key
            remember(cls._interned, key, found)
        return found

    def __repr__(self) -> str:
        return f"MappedAxis(size={self.size}, name={self.name!r})"


class NamedAxisEffect:
    """The effect of using a named axis: the program means something only where the name is bound."""

    __slots__ = ("name",)
    keeps_alive = False
    ordered = False

    def __init__(self, name):
        self.name = name

    def __eq__(self, other) -> bool:
        return isinstance(other, NamedAxisEffect) and self.name == other.name

    def __hash__(self) -> int:
        return hash(("NamedAxisEffect", self.name))

    def __repr__(self) -> str:
        return f"NamedAxis:{self.name}"


def abstract_eval(primitive: Primitive, avals: tuple, params) -> list:
    """The result types of a primitive, from its cache."""
    key = (tuple(params.items()), avals)
    try:
        found = primitive.type_cache.get(key)
    except TypeError as error:
        raise unhashable_params_error(primitive, params) from error
    if found is None:
        found = primitive.abstract_eval(*avals, **params)
        if match_varying is not None and not primitive.types_varying:
            found = with_varying(found, avals)
        remember(primitive.type_cache, key, found)
    return found


#: A slot, filled by `control.varying` when the first `shard_map` that checks asks for it: ``match_varying(trace, primitive,
#: args)`` answers the operands of an operation cast so that all vary along the same mesh axes.
match_varying: Callable | None = None


def with_varying(out_avals, avals) -> list:
    """Result types of an operation all of whose results vary where any of its operands does."""
    varying = frozenset().union(*(getattr(a, "varying", ()) for a in avals))
    return [a.update(varying=varying) if isinstance(a, ShapedArray) else a for a in out_avals] if varying else out_avals


_CACHE_LIMIT = 4096


def remember(cache: dict, key, value) -> None:
    """Enter a value in a bounded cache: when it is full, the older half goes."""
    if len(cache) >= _CACHE_LIMIT:
        for old in list(cache)[: _CACHE_LIMIT // 2]:
            cache.pop(old, None)
    cache[key] = value


def unhashable_params_error(primitive: Primitive, params) -> TypeError:
    """The error for a parameter that cannot be a cache key."""
    for name, value in params.items():
        try:
            hash(value)
        except TypeError:
            return TypeError(
                f"{primitive.name}: the parameter {name} must be hashable, since it is part of the program; "
                f"got {type(value).__name__}. Pass arrays as operands, and tuples instead of lists.")
    return TypeError(f"{primitive.name}: arguments cannot be compared")


def is_active_dtype(dtype) -> bool:
    """Whether values of this dtype carry derivatives."""
    return dtypes.tangent_dtype(dtype) != dtypes.float0
