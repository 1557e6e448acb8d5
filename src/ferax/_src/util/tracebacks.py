"""Traceback filtering: an exception that crosses ferax's public door shows the user's frames and not ferax's.

``api_boundary(fn)`` wraps a public function.  While nothing raises it costs a Python call (0.05 us).  When an
exception passes the *outermost* boundary of the stack, the chain of traceback entries is rebuilt without
internal frames, so that it ends in the user's line.  The complete one is kept on the exception as
``__unfiltered_traceback__``.

The option ``jax_traceback_filtering`` says how:

- ``off``                  nothing is removed;
- ``quiet_remove_frames``  internal frames are removed;
- ``remove_frames``        so too, with a note that says so, and the complete traceback is shown as the cause;
- ``tracebackhide``        frames stay, marked with ``__tracebackhide__`` for IPython and pytest to fold away;
- ``auto``                 ``tracebackhide`` inside IPython, otherwise ``quiet_remove_frames``.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import TypeVar

from ferax._src.util import config
from ferax._src.util.source import is_internal_file

F = TypeVar("F", bound=Callable)

_NOTE = (
    "--------------------\n"
    "For simplicity, ferax has removed its internal frames from the traceback of this exception. "
    "Set FERAX_TRACEBACK_FILTERING=off to include them."
)


class UnfilteredStackTrace(Exception):
    """Carries the complete traceback of an exception whose own was filtered."""


def api_boundary(fn: F) -> F:
    """``fn``, with ferax's frames filtered out of the exceptions that leave it."""

    @functools.wraps(fn)
    def boundary(*args, **kwargs):
        try:
            return fn(*args, **kwargs)
        except Exception as e:
            if hasattr(e, "value_at_fault"):
                name_argument(e, fn, args, kwargs)
            if not _below_another_boundary():
                filter_exception(e)
            raise  # a bare raise continues with e.__traceback__ as it is now, without this frame

    return boundary  # type: ignore[return-value]


def at_fault(e: Exception, value: object) -> Exception:
    """The error ``e``, for a value that is not what it must be: the public function that was given it says where.

    What finds out knows the value and not whose argument it is; the public function knows that and not the value.
    """
    e.value_at_fault = value  # type: ignore[attr-defined]
    return e


def name_argument(e: Exception, fn: Callable, args: tuple, kwargs: dict) -> None:
    """Say in the text of an error which argument of ``fn`` the value at fault is, if it is one."""
    import inspect  # lazy: only to word an error

    value = e.__dict__.pop("value_at_fault")
    try:
        given = inspect.signature(fn).bind(*args, **kwargs)
    except (TypeError, ValueError):  # not a call that fits; then Python's own error says so
        return
    for name, argument in given.arguments.items():
        place = _place_in(argument, value)
        if place is not None:
            e.args = (f"{fn.__name__}: the argument {name}{place}: {e.args[0]}", *e.args[1:])
            return


def _place_in(argument, value) -> str | None:
    if argument is value:
        return ""
    if isinstance(argument, (list, tuple)):
        for i, item in enumerate(argument):
            if item is value:
                return f"[{i}]"
    return None


def filter_at_exit(e: Exception) -> None:
    """What `api_boundary` does to an exception, for functions too hot for a wrapper.

    A ``try`` costs nothing while nothing raises::

        except Exception as e:
            filter_at_exit(e)
            raise
    """
    if not _below_another_boundary():
        filter_exception(e)


def is_boundary(fn: object) -> bool:
    """Whether a function filters the exceptions that leave it."""
    return getattr(fn, "__code__", None) is _BOUNDARY or getattr(fn, "filters_tracebacks", False)


def _code_of_boundary() -> CodeType:
    return api_boundary(lambda: None).__code__  # type: ignore[attr-defined]


_BOUNDARY = _code_of_boundary()  # all boundaries share one code object: that is how one is known on the stack


def _below_another_boundary() -> bool:
    frame = sys._getframe(2)  # the caller of the boundary that asks
    while frame is not None:
        if frame.f_code is _BOUNDARY:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def filtering_mode() -> str:
    """The mode in force; ``auto`` is resolved."""
    mode = config.traceback_filtering.value
    if mode == "auto":
        return "tracebackhide" if _in_ipython() else "quiet_remove_frames"
    return mode


def _in_ipython() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def filter_traceback(tb: TracebackType | None) -> TracebackType | None:
    """A copy of the chain ``tb`` without internal frames; None when nothing is left."""
    kept = []
    while tb is not None:
        if not is_internal_file(tb.tb_frame.f_code.co_filename):
            kept.append(tb)
        tb = tb.tb_next
    chain: TracebackType | None = None
    for entry in reversed(kept):
        chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return chain


def filter_exception(e: BaseException) -> None:
    """Filter the tracebacks of ``e`` and of the exceptions chained to it, in place, as the mode says."""
    mode = filtering_mode()
    if mode == "off":
        return
    if mode == "tracebackhide":
        _hide_frames(e.__traceback__)
        return
    complete = e.__traceback__
    seen: set[int] = set()
    pending: list[BaseException | None] = [e]
    while pending:
        exception = pending.pop()
        if exception is None or id(exception) in seen or isinstance(exception, UnfilteredStackTrace):
            continue
        seen.add(id(exception))
        filtered = filter_traceback(exception.__traceback__)
        if (
            filtered is not None or exception is e
        ):  # a chained one that is all internal keeps its text and frames
            exception.__traceback__ = filtered
        pending += [exception.__cause__, exception.__context__]
    if hasattr(e, "__dict__"):
        e.__dict__["__unfiltered_traceback__"] = complete
    if mode == "remove_frames":
        unfiltered = UnfilteredStackTrace("The traceback with ferax's internal frames is above.")
        unfiltered.__traceback__ = complete
        unfiltered.__cause__ = e.__cause__
        unfiltered.__context__ = e.__context__
        unfiltered.__suppress_context__ = e.__suppress_context__
        e.__cause__ = unfiltered
        e.add_note(_NOTE)


def _hide_frames(tb: TracebackType | None) -> None:
    while tb is not None:
        if is_internal_file(tb.tb_frame.f_code.co_filename):
            tb.tb_frame.f_locals["__tracebackhide__"] = True
        tb = tb.tb_next
