"""``ferax.debug``: looking at values while compiled programs run."""

from ferax._src.control.callback import DebugEffect, OrderedDebugEffect, debug_callback as callback
from ferax._src.control.debug_print import debug_log as log, debug_print as print  # noqa: A004 (JAX's name)
from ferax._src.control.debug_sharding import inspect_array_sharding, visualize_array_sharding, visualize_sharding
from ferax._src.util.lazy import lazy_names

# The debugger loads Python's, which few programs need.
__getattr__, __dir__, _names = lazy_names(__name__, {"ferax._src.control.debugger": "breakpoint"})

__all__ = [
    "DebugEffect",
    "OrderedDebugEffect",
    "breakpoint",
    "callback",
    "inspect_array_sharding",
    "log",
    "print",
    "visualize_array_sharding",
    "visualize_sharding",
]
