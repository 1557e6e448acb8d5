"""Device lists, XLA's own shardings, and base classes for Ferax's sharding classes.

What C++ asks of a sharding: ``_internal_device_list`` (given by the C++ base), ``memory_kind``, ``_to_xla_hlo_sharding``,
and for dispatch keys ``__eq__`` and ``__hash__``, whose defaults by identity suit interned shardings.  jaxlib's own
``NamedSharding`` cannot be constructed without jax, so a named sharding derives from :class:`TiledShardingBase`.
"""

from typing import Any

from ferax._src.engine.lib import _jax, xc

Device = _jax.Device
Memory = _jax.Memory
DeviceList = _jax.DeviceList  # takes a tuple of devices
HloSharding = xc.HloSharding
OpSharding = xc.OpSharding
Sharding = _jax.Sharding
PjRtLayout = _jax.PjRtLayout
Layout = xc.Layout
check_memory_kind = _jax.check_and_canonicalize_memory_kind  # (kind or None, DeviceList) -> kind

REPLICATED = HloSharding.replicate()


class SingleDeviceShardingBase(_jax.SingleDeviceSharding):
    """A sharding on one device: construct with ``(device, memory_kind=None)``."""

    @property
    def memory_kind(self) -> str | None:
        return self._memory_kind

    def _to_xla_hlo_sharding(self, ndim: int) -> Any:
        return REPLICATED


class TiledShardingBase(_jax.GSPMDSharding):
    """A sharding over several devices by an ``HloSharding``: ``(devices: DeviceList, hlo_sharding, memory_kind=None)``.

    A subclass with other constructor arguments overrides ``__new__`` too (``return super().__new__(cls)``), because the
    C++ class looks at them there, and one whose tiling depends on the rank overrides ``_to_xla_hlo_sharding``.
    """

    @property
    def memory_kind(self) -> str | None:
        return self._memory_kind

    def _to_xla_hlo_sharding(self, ndim: int) -> Any:
        return self._hlo_sharding


def device_assignment(device_ids: Any) -> Any:
    """The assignment ``device_ids[replica][partition]`` (an int32 array of two dimensions) as C++ wants it."""
    return xc.DeviceAssignment.create(device_ids)
