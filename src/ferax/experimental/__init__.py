"""``ferax.experimental``: what may still change."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.api.environment": "disable_x64",
        "ferax._src.control.callback": "io_callback",
        "ferax._src.util.config": "enable_x64",
    },
    submodules="layout shard_map",
    first="ferax._src.numpy.array_methods",
)
