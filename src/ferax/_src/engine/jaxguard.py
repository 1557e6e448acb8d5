"""Keeping C++ from importing the real jax.

Some of jaxlib's C++ functions execute ``import jax`` to find a class there.  Where jax is installed this would pull the
whole of it into the process; where it is not, each call wastes 100 us.  ``without_jax`` calls such a function with the
import made to fail at once.  The modules table belongs to the whole process, so a lock is held and only C++ runs inside,
and callers wait for values before, not inside.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any

_lock = threading.RLock()
_modules = sys.modules


def without_jax(fn: Callable[..., Any], *args: Any) -> Any:
    """``fn(*args)`` with ``import jax`` failing; does nothing special once jax is loaded."""
    with _lock:
        if "jax" in _modules:
            return fn(*args)
        _modules["jax"] = None  # type: ignore[assignment]  # None is Python's own mark for "known to be missing"
        try:
            return fn(*args)
        finally:
            if _modules.get("jax", 0) is None:
                del _modules["jax"]
