"""What the Python array API standard asks a namespace about itself: version, capabilities, devices and dtypes.

The standard: https://data-apis.org/array-api/2024.12/
"""

from __future__ import annotations

import numpy as np

from ferax._src.runtime import devices as runtime_devices
from ferax._src.types import dtypes as known
from ferax._src.util import config

__array_api_version__ = "2024.12"

_NAMES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()
_OF_64_BITS = frozenset({"int64", "uint64", "float64", "complex128"})
_KINDS = ("bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric")


def __array_namespace_info__() -> ArrayNamespaceInfo:
    """What this namespace can do, as the Python array API standard asks for it.

    Returns
    -------
    ArrayNamespaceInfo

    Examples
    --------
    >>> jnp.__array_namespace_info__().default_dtypes()["integral"]
    dtype('int32')
    """
    return ArrayNamespaceInfo()


class ArrayNamespaceInfo:
    """Answers of ``jnp.__array_namespace_info__()``."""

    def capabilities(self) -> dict:
        """What inputs of the standard work everywhere, also in transformations, where shapes cannot depend on values."""
        return {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": 64}

    def default_device(self) -> None:
        """None: an array is not bound to the device that it is made on."""
        return None

    def devices(self) -> list:
        """All devices, and None for no particular one."""
        return [None, *(d for platform in runtime_devices.backends() for d in runtime_devices.devices(platform))]

    def default_dtypes(self, *, device=None) -> dict:
        """The dtypes that arrays have if none is asked for, the same on all devices.

        Parameters
        ----------
        device : Device, Sharding or None; ignored
        """
        whole = known.default_int_dtype()
        return {"real floating": known.default_float_dtype(), "complex floating": known.default_complex_dtype(),
                "integral": whole, "indexing": whole}

    def dtypes(self, *, device=None, kind=None) -> dict:
        """The dtypes of the standard, by their names; those of 64 bits only if they are enabled.

        Parameters
        ----------
        device : Device, Sharding or None; ignored
        kind : one of the kinds that `isdtype` takes, or a tuple of them; by default all

        Raises
        ------
        ValueError : for another kind.

        Examples
        --------
        >>> jnp.__array_namespace_info__().dtypes(kind="complex floating")
        {'complex64': dtype('complex64')}
        """
        kinds = _KINDS if kind is None else kind if isinstance(kind, tuple) else (kind,)
        for k in kinds:
            if k not in _KINDS:
                raise ValueError(f"dtypes: unknown kind {k!r}; the kinds are {_KINDS}")
        names = [name for name in _NAMES if config.enable_x64.value or name not in _OF_64_BITS]
        return {name: found for name in names if known.isdtype(found := np.dtype(name), kinds)}
