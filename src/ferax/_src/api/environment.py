"""Short context managers, and the mesh over all devices."""

from __future__ import annotations

from ferax._src.runtime import devices as runtime_devices
from ferax._src.types import meshes
from ferax._src.util import config


def checking_leaks():
    """A context manager: inside, a tracer that outlives its transformation is an error as soon as that ends.

    The same as ``check_tracer_leaks(True)``. Functions are traced anew inside, and it is slow.
    """
    return config.check_tracer_leaks(True)


def disable_x64():
    """A context manager: inside, 64-bit dtypes become their 32-bit kin."""
    return config.enable_x64(False)


def make_mesh(axis_shapes, axis_names, axis_types=None, *, devices=None) -> meshes.Mesh:
    """A mesh of the given shape over devices, in their order; by default over all there are.

    Parameters
    ----------
    axis_shapes : sizes of the axes
    axis_names : their names
    axis_types : default all ``Explicit``
    devices : sequence of devices, at least as many as the product of the sizes
    """
    return meshes.make_mesh(axis_shapes, axis_names, axis_types,
                            devices=runtime_devices.devices() if devices is None else devices)
