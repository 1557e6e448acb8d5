"""Where Ferax runs, and under what conditions: a report for bug reports, and short context managers."""

from __future__ import annotations

import os
import platform
import sys

import numpy as np

from ferax import version
from ferax._src import engine
from ferax._src.runtime import devices
from ferax._src.types.meshes import Mesh, make_mesh as mesh_of
from ferax._src.util import config


def checking_leaks():
    """A context manager: inside, a tracer that outlives its transformation is an error when that ends.

    The same as ``check_tracer_leaks(True)``. Functions are traced anew inside, and it is slow.
    """
    return config.check_tracer_leaks(True)


def disable_x64():
    """A context manager: inside, 64-bit dtypes become their 32-bit kin."""
    return config.enable_x64(False)


def print_environment_info(return_string: bool = False) -> str | None:
    """Versions, devices and settings: what a bug report should say.

    Parameters
    ----------
    return_string : answer the text instead of printing it
    """
    settings = [f"{name}={value}" for name, value in sorted(os.environ.items())
                if name.startswith(("FERAX_", "JAX_", "XLA_"))]
    system = platform.uname()
    text = "\n".join([
        f"ferax:  {version.__version__}",
        f"jaxlib: {engine.JAXLIB_VERSION}",
        f"numpy:  {np.__version__}",
        f"python: {sys.version}",
        f"device info: {_devices_text()}",
        f"process_count: {devices.process_count()}",
        f"platform: {system.system} {system.release} {system.machine}",
        *settings,
    ])
    if return_string:
        return text
    print(text)
    return None


def _devices_text() -> str:
    found = devices.devices()
    kinds = sorted({d.device_kind for d in found})
    return f"{', '.join(kinds)}-{len(found)}, {devices.local_device_count()} local devices"


def make_mesh(axis_shapes, axis_names, axis_types=None, *, devices=None) -> Mesh:
    """A mesh of the given shape over devices, in their order; by default over all there are.

    Parameters
    ----------
    axis_shapes : sizes of the axes
    axis_names : their names
    axis_types : default all ``Explicit``
    devices : sequence of devices, at least as many as the product of the sizes
    """
    return mesh_of(axis_shapes, axis_names, axis_types, devices=all_devices() if devices is None else devices)


def all_devices() -> list:
    """The devices of the default platform."""
    return devices.devices()
