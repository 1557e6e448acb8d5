"""``ferax.debug``: looking at values while compiled programs run."""

from ferax._src.control.callback import DebugEffect, OrderedDebugEffect, debug_callback as callback
from ferax._src.control.debug_print import debug_log as log, debug_print as print  # noqa: A004 (JAX's name)

__all__ = ["DebugEffect", "OrderedDebugEffect", "callback", "log", "print"]
