"""``ferax.ops``: reductions over segments of rows."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {"ferax._src.numpy.segments": "segment_sum segment_prod segment_max segment_min"},
    first="ferax._src.numpy.array_methods",
)
