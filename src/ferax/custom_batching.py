"""``ferax.custom_batching``: functions with a rule of their own for ``vmap``."""

from ferax._src.control.custom_batching import custom_vmap, sequential_vmap

__all__ = ["custom_vmap", "sequential_vmap"]
