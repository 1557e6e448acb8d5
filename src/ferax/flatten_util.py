"""``ferax.flatten_util``: a pytree of arrays as one vector, and back."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {"ferax._src.numpy.raveling": "ravel_pytree"},
    first="ferax._src.numpy.array_methods",
)
