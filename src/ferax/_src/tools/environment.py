"""What a bug report should say of the place where Ferax runs."""

from __future__ import annotations

import os
import platform
import sys

import numpy as np

from ferax._src import engine
from ferax._src.runtime import devices


def print_environment_info(return_string: bool = False) -> str | None:
    """Versions, devices and settings: what a bug report should say.

    Parameters
    ----------
    return_string : answer the text instead of printing it
    """
    from ferax import version  # lazy: the version stands in the public package

    found = devices.devices()
    kinds = ", ".join(sorted({d.device_kind for d in found}))
    system = platform.uname()
    text = "\n".join([
        f"ferax:  {version.__version__}",
        f"jaxlib: {'.'.join(map(str, engine.JAXLIB_VERSION))}",
        f"numpy:  {np.__version__}",
        f"python: {sys.version}",
        f"device info: {kinds}-{len(found)}, {devices.local_device_count()} local devices",
        f"process_count: {devices.process_count()}",
        f"platform: {system.system} {system.release} {system.machine}",
        *(f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(("FERAX_", "JAX_", "XLA_"))),
    ])
    if return_string:
        return text
    print(text)
    return None
