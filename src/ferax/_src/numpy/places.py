"""Where a new array goes: the arguments ``device`` and ``out_sharding``, and when values are made on the host.

Small constant arrays made eagerly are filled by NumPy and handed to the device: that takes a few microseconds and
compiles nothing. So are large ones where the device is the host.
"""

from __future__ import annotations

from ferax._src.runtime import devices, transfer
from ferax._src.tracing.core import eval_trace, state
from ferax._src.types.meshes import get_abstract_mesh, get_mesh
from ferax._src.types.shardings import NamedSharding, PartitionSpec, Sharding, as_sharding

_SMALL = 1 << 16        # elements; up to so many a transfer is quicker than compiling a program


def sharding_for(device, out_sharding, name: str):
    """The sharding that the arguments ``device`` and ``out_sharding`` ask for, or None."""
    if device is None and out_sharding is None:
        return None
    if device is not None and out_sharding is not None:
        raise ValueError(f"{name}: Only one of `device` or `out_sharding` can be set. Got device={device!r} and "
                         f"out_sharding={out_sharding!r}")
    if device is not None:
        return as_sharding(device)
    if isinstance(out_sharding, PartitionSpec):
        mesh = get_mesh()
        mesh = mesh if mesh.axis_names else get_abstract_mesh()
        if not mesh.axis_names:
            raise ValueError(f"{name}: out_sharding={out_sharding!r} is a PartitionSpec, which needs a mesh: set one with "
                             "ferax.set_mesh(mesh), or pass a NamedSharding")
        return NamedSharding(mesh, out_sharding)
    if isinstance(out_sharding, Sharding):
        return out_sharding
    raise TypeError(f"{name}: out_sharding must be a NamedSharding or a PartitionSpec, got {type(out_sharding).__name__}")


def put(x, sharding):
    """An array at a place, or where it is."""
    return x if sharding is None else transfer.put_leaf(x, sharding)


def made_on_host(size: int) -> bool:
    """Whether a constant array of this size is best filled on the host, now."""
    if state.trace is not eval_trace:
        return False
    return size <= _SMALL or devices.default_sharding()._device.platform == "cpu"
