"""Events for whoever watches: listeners are called when Ferax traces, lowers, compiles, or finds a program on disk.

Four kinds of event, each with listeners of its own: something happened, something took so many seconds, something lasted from
one moment to another, something has a value.  A listener gets the event's name, its numbers, and the keyword arguments that
were recorded with it.  The names of Ferax's own events are JAX's, so that dashboards made for JAX show them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

Listener = Callable[..., None]

TRACE = "/jax/core/compile/jaxpr_trace_duration"
LOWER = "/jax/core/compile/jaxpr_to_mlir_module_duration"
COMPILE = "/jax/core/compile/backend_compile_duration"
CACHE_REQUEST = "/jax/compilation_cache/compile_requests_use_cache"
CACHE_HIT = "/jax/compilation_cache/cache_hits"
CACHE_MISS = "/jax/compilation_cache/cache_misses"
CACHE_SAVED = "/jax/compilation_cache/compile_time_saved_sec"
CACHE_READ = "/jax/compilation_cache/cache_retrieval_time_sec"

_events: list[Listener] = []
_durations: list[Listener] = []
_spans: list[Listener] = []
_scalars: list[Listener] = []
_all = (_events, _durations, _spans, _scalars)


# Recording ------------------------------------------------------------------------------------------------------------


def record_event(event: str, **kwargs: str | int) -> None:
    """Tell the event listeners that ``event`` happened.

    ``kwargs`` go to the listeners; pass the same names, in the same order, each time an event is recorded.
    """
    for listener in tuple(_events):
        listener(event, **kwargs)


def record_event_duration_secs(event: str, duration: float, **kwargs: str | int) -> None:
    """Tell the duration listeners that ``event`` took ``duration`` seconds."""
    for listener in tuple(_durations):
        listener(event, duration, **kwargs)


def record_event_time_span(event: str, start_time: float, end_time: float, **kwargs: str | int) -> None:
    """Tell the time span listeners that ``event`` lasted from ``start_time`` to ``end_time``, in seconds since 1970."""
    for listener in tuple(_spans):
        listener(event, start_time, end_time, **kwargs)


def record_scalar(event: str, value: float | int, **kwargs: str | int) -> None:
    """Tell the scalar listeners that ``event`` has the value ``value``."""
    for listener in tuple(_scalars):
        listener(event, value, **kwargs)


def is_watched() -> bool:
    """Whether anybody listens."""
    return bool(_events or _durations or _spans or _scalars)


_nobody = contextlib.nullcontext()


def timed(event: str, fun_name: str) -> contextlib.AbstractContextManager[None]:
    """A context that records how long it took: a scalar at its start, a duration and a time span at its end."""
    return _timed(event, fun_name) if is_watched() else _nobody


@contextlib.contextmanager
def _timed(event: str, fun_name: str) -> Any:
    start = time.time()
    record_scalar(event, start, fun_name=fun_name)
    try:
        yield
    finally:
        end = time.time()
        record_event_duration_secs(event, end - start, fun_name=fun_name)
        record_event_time_span(event, start, end, fun_name=fun_name)


# Listening ------------------------------------------------------------------------------------------------------------


def register_event_listener(callback: Listener) -> None:
    """Have ``callback(event, **kwargs)`` called at each `record_event`."""
    _events.append(callback)


def register_event_duration_secs_listener(callback: Listener) -> None:
    """Have ``callback(event, duration, **kwargs)`` called at each `record_event_duration_secs`."""
    _durations.append(callback)


def register_event_time_span_listener(callback: Listener) -> None:
    """Have ``callback(event, start_time, end_time, **kwargs)`` called at each `record_event_time_span`."""
    _spans.append(callback)


def register_scalar_listener(callback: Listener) -> None:
    """Have ``callback(event, value, **kwargs)`` called at each `record_scalar`."""
    _scalars.append(callback)


def _remove(listeners: list[Listener], callback: Listener, name: str) -> None:
    # AssertionError is what callers of JAX's function know.
    if callback not in listeners:
        raise AssertionError(f"{name}: {callback!r} is not registered")
    listeners.remove(callback)


def unregister_event_listener(callback: Listener) -> None:
    """Take back `register_event_listener`; an AssertionError for a callback that is not registered."""
    _remove(_events, callback, "unregister_event_listener")


def unregister_event_duration_listener(callback: Listener) -> None:
    """Take back `register_event_duration_secs_listener`; an AssertionError for a callback that is not registered."""
    _remove(_durations, callback, "unregister_event_duration_listener")


def unregister_event_time_span_listener(callback: Listener) -> None:
    """Take back `register_event_time_span_listener`; an AssertionError for a callback that is not registered."""
    _remove(_spans, callback, "unregister_event_time_span_listener")


def unregister_scalar_listener(callback: Listener) -> None:
    """Take back `register_scalar_listener`; an AssertionError for a callback that is not registered."""
    _remove(_scalars, callback, "unregister_scalar_listener")


def clear_event_listeners() -> None:
    """Take back all listeners, of every kind."""
    for listeners in _all:
        listeners.clear()
