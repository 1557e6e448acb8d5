"""Finding tracers that outlive their transformation, for the option ``jax_check_tracer_leaks``.

When a trace ends nothing should refer to its tracers any more. `check_leaks` looks for those that somebody still holds, and
says who: the list, dict, attribute, closure or global variable that they were put into.
"""

from __future__ import annotations

import gc
from sys import getrefcount
from types import CellType, FrameType, FunctionType
from typing import Any

from ferax._src.tracing.core import Trace, Tracer
from ferax._src.util import config, errors

_DEPTH = 4                      # how far from a tracer to look for a holder that has a name


def check_leaks(trace: Trace) -> None:
    """Raise UnexpectedTracerError if tracers of a trace that has ended are still referred to.

    The caller has let go of its own. Does nothing unless ``jax_check_tracer_leaks`` is on.
    """
    if not config.check_tracer_leaks.value or getrefcount(trace) <= _UNHELD:
        return
    gc.collect()                                # what only a cycle keeps alive has not leaked
    leaked = [x for x in gc.get_referrers(trace) if isinstance(x, Tracer) and x._trace is trace]
    if leaked:
        holder = _holder(leaked[0], [leaked])
        held = f"\n  It is held by {holder}." if holder else ""
        raise errors.UnexpectedTracerError(errors.leak_message(leaked[0], held))


def _references(trace: Trace) -> int:
    return getrefcount(trace)


def _references_of_unheld() -> int:
    trace = Trace(None)
    return _references(trace)


_UNHELD = _references_of_unheld()       # what the count is, seen from a function, if only its caller has the trace


def _holder(value: Any, ignored: list) -> str:
    """Who holds a value, in words, followed outward until something has a name."""
    steps: list[str] = []
    for _ in range(_DEPTH):
        owners = [x for x in gc.get_referrers(value) if not isinstance(x, FrameType)
                  and not any(x is other for other in ignored)]
        owner = next((x for x in owners if isinstance(x, (dict, CellType))), owners[0] if owners else None)
        if owner is None:
            break
        ignored += [owners, owner]
        step, is_name = _describe(owner, value)
        if step:
            steps.append(step)
        if is_name:
            break
        value = owner
    return ", which is ".join(steps)


def _describe(owner: Any, value: Any) -> tuple[str, bool]:
    """How ``owner`` holds ``value``, and whether that is all one needs to know."""
    if isinstance(owner, dict):
        key = next((k for k, v in owner.items() if v is value), None)
        if "__builtins__" in owner:
            return f"the global variable {key} of {owner.get('__name__')}", True
        for instance in gc.get_referrers(owner):
            if getattr(instance, "__dict__", None) is owner:
                return f"the attribute {key} of an object of type {type(instance).__name__}", True
        return f"a dict, at {key!r}", False
    if isinstance(owner, CellType):
        for closure in gc.get_referrers(owner):
            for f in gc.get_referrers(closure):
                if isinstance(f, FunctionType) and f.__closure__ is closure:
                    return f"the variable {f.__code__.co_freevars[closure.index(owner)]} that {f.__qualname__} closes over", True
        return "", False
    name = next((k for k, v in getattr(owner, "__dict__", {}).items() if v is value), None)
    if name is not None:
        return f"the attribute {name} of an object of type {type(owner).__name__}", True
    return f"a {type(owner).__name__}", False
