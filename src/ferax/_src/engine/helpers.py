"""Small C++ helpers: checked map and zip, weak caches, tracebacks, the pretty printer."""

from typing import Any

from jaxlib import utils as _utils, weakref_lru_cache as _weakref_lru_cache

from ferax._src.engine.lib import _jax

safe_map = _utils.safe_map  # lists; ValueError when lengths differ
safe_zip = _utils.safe_zip
foreach = _utils.foreach
topological_sort = _utils.topological_sort  # (name of the parents attribute, end nodes) -> parents first
Mutex = _utils.Mutex
install_failure_signal_handler = _utils.install_failure_signal_handler

Traceback = _jax.Traceback
Frame = _jax.Frame
TracebackScope = _jax.TracebackScope
#: The Python stack as it is now, 0.08 us: code objects and instruction offsets, no text.
get_traceback = Traceback.get_traceback
set_tracebacks_enabled = _jax.set_tracebacks_enabled
tracebacks_enabled = _jax.tracebacks_enabled
code_addr2location = Traceback.code_addr2location

JaxRuntimeError = _jax.JaxRuntimeError

_jax.set_tracebacks_enabled(True)


def weakref_lru_cache(context: Any, fn: Any, maxsize: int | None = 2048, *, num_weakrefs: int = 1) -> Any:
    """``fn`` remembered by its arguments, the first ``num_weakrefs`` of them held weakly; ``context()`` is part of the key.

    The result has ``cache_info()``, ``cache_clear()``, ``cache_keys()`` and ``evict_weakref(obj)``.  Threads that miss on
    one key compute it once.  A hit costs 0.5 us: hot paths want an attribute or a plain dict instead.
    """
    return _weakref_lru_cache.weakref_lru_cache(context, fn, maxsize, num_weakrefs=num_weakrefs)


def pretty_printer() -> Any:
    """jaxlib's document printer (``text``, ``concat``, ``brk``, ``nest``, ``group``, ``color``), loaded when asked for."""
    from jaxlib import _pretty_printer  # lazy: only printing needs it

    return _pretty_printer
