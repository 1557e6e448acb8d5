"""`MemorySpace`: on which side of the bus a value is, whatever the platform calls its memories."""

from __future__ import annotations

import enum


class MemorySpace(enum.Enum):
    """Memory of the device, memory of the host that the device can reach, or either."""

    Device = enum.auto()
    Host = enum.auto()
    Any = enum.auto()

    @property
    def memory_kind(self) -> str:
        """The platform's word for it, as in the ``memory_kind`` of a sharding."""
        if self is MemorySpace.Any:
            raise ValueError("MemorySpace.Any is no place to put a value: choose MemorySpace.Device or MemorySpace.Host")
        return "device" if self is MemorySpace.Device else "pinned_host"

    def __repr__(self) -> str:
        return f"MemorySpace.{self.name}"
