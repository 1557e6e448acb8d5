"""``ferax.memory``: memory spaces, as places for ``device_put``."""

from ferax._src.types.memory_space import MemorySpace as Space

__all__ = ["Space"]
