"""``ferax.typing``: names for annotations of functions that take arrays."""

from ferax._src.api.typing import ArrayLike, DTypeLike

__all__ = ["ArrayLike", "DTypeLike"]
