"""``ferax.distributed``: several processes as one."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__, {"ferax._src.tools.distributed": "initialize is_initialized shutdown"}
)
