"""``ferax.experimental.layout``: how the elements of an array lie in the memory of a device, as ``Array.format`` tells."""

from ferax._src.types.layouts import Format, Layout

__all__ = ["Format", "Layout"]
