"""``ferax.experimental.shard_map``: where `ferax.shard_map` was before."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {"ferax._src.api.shard_map": "shard_map=experimental_shard_map"},
    first="ferax._src.numpy.array_methods",
)
