"""Meshes: devices in a grid whose axes have names.

A `Mesh` is an array of devices with one name for each of its dimensions; a `PartitionSpec` (in `types.shardings`)
says along which of them an array is cut. An `AbstractMesh` has the names and sizes but no devices yet, so that a
program can be traced for machines one does not hold. Both are interned: equal meshes are the same object.

A mesh may be set for the current thread (`set_mesh`, ``with mesh:``); bare partition specs then refer to it.
"""

from __future__ import annotations

import collections
import contextlib
import enum
import math
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from ferax._src import engine
from ferax._src.util import config


class AxisType(enum.Enum):
    """Who decides how arrays are cut along a mesh axis: the compiler, their types, or the program by hand."""

    Auto = enum.auto()
    Explicit = enum.auto()
    Manual = enum.auto()

    def __repr__(self) -> str:
        return self.name


class AbstractDevice(NamedTuple):
    """The kind of device that an abstract mesh stands for."""

    device_kind: str
    num_cores: int | None
    platform: str | None


def _names(axis_names) -> tuple:
    return (axis_names,) if isinstance(axis_names, str) else tuple(axis_names)


def _types(axis_types, count: int) -> tuple[AxisType, ...]:
    if axis_types is None:
        return (AxisType.Auto,) * count
    types = (axis_types,) * count if isinstance(axis_types, AxisType) else tuple(axis_types)
    if len(types) != count:
        raise ValueError(f"a mesh with {count} axes needs as many axis types, got {len(types)}: {types}")
    for t in types:
        if not isinstance(t, AxisType):
            raise TypeError(f"axis_types must be AxisType values, got {t!r}")
    return types


def _check_names(names: tuple) -> None:
    if any(name is None for name in names):
        raise ValueError(f"None is not a mesh axis name; got axis_names {names}")
    if len(set(names)) != len(names):
        raise ValueError(f"the names of mesh axes must differ from each other, got {names}")


class _AxisFacts:
    """What concrete and abstract meshes have in common, all of it from names, sizes and types."""

    axis_names: tuple
    axis_sizes: tuple[int, ...]
    axis_types: tuple[AxisType, ...]

    @cached_property
    def shape(self) -> Mapping[Any, int]:
        """Axis name to size, in order."""
        return collections.OrderedDict(zip(self.axis_names, self.axis_sizes))

    @property
    def shape_tuple(self) -> tuple:
        return tuple(zip(self.axis_names, self.axis_sizes))

    @cached_property
    def size(self) -> int:
        """The number of devices."""
        return math.prod(self.axis_sizes) if self.axis_names else 0

    @property
    def empty(self) -> bool:
        return self.size == 0

    def _axes_of_type(self, axis_type: AxisType) -> tuple:
        return tuple(n for n, t in zip(self.axis_names, self.axis_types) if t is axis_type)

    @property
    def auto_axes(self) -> tuple:
        return self._axes_of_type(AxisType.Auto)

    @property
    def explicit_axes(self) -> tuple:
        return self._axes_of_type(AxisType.Explicit)

    @property
    def manual_axes(self) -> tuple:
        return self._axes_of_type(AxisType.Manual)

    @property
    def are_all_axes_auto(self) -> bool:
        return all(t is AxisType.Auto for t in self.axis_types)

    @property
    def are_all_axes_explicit(self) -> bool:
        return all(t is AxisType.Explicit for t in self.axis_types)

    @property
    def are_all_axes_manual(self) -> bool:
        return all(t is AxisType.Manual for t in self.axis_types)

    @property
    def are_all_axes_explicit_or_manual(self) -> bool:
        return not self.auto_axes

    def _axes_text(self) -> str:
        axes = ", ".join(f"{n!r}: {s}" for n, s in self.shape_tuple)
        types = ", ".join(map(repr, self.axis_types))
        return f"{axes}, axis_types=({types}{',' if len(self.axis_types) == 1 else ''})"


_meshes: dict[tuple, Mesh] = {}
_abstract_meshes: dict[tuple, AbstractMesh] = {}


class Mesh(_AxisFacts):
    """Devices in a grid with named axes: ``Mesh(np.array(devices).reshape(4, 2), ("data", "model"))``.

    Parameters
    ----------
    devices : array of devices, or nested sequences of them; one dimension for each axis name
    axis_names : sequence of names, or one name
    axis_types : sequence of AxisType, default all ``Auto``
    """

    devices: np.ndarray

    def __new__(cls, devices, axis_names, axis_types=None):
        grid = np.array(devices, dtype=object)
        names = _names(axis_names)
        if grid.ndim != len(names):
            raise ValueError(
                f"a mesh needs one axis name for each dimension of its devices: the devices have shape "
                f"{grid.shape}, the axis names are {names}")
        _check_names(names)
        types = _types(axis_types, len(names))
        key = (tuple(grid.flat), grid.shape, names, types)
        self = _meshes.get(key)
        if self is None:
            grid.flags.writeable = False
            self = super().__new__(cls)
            self.devices = grid
            self.axis_names = names
            self.axis_sizes = grid.shape
            self.axis_types = types
            self = _meshes.setdefault(key, self)
        return self

    @property
    def is_scalar(self) -> bool:
        return self.devices.ndim == 0

    @cached_property
    def size(self) -> int:
        return self.devices.size if self.devices.ndim else 0

    @cached_property
    def device_ids(self) -> np.ndarray:
        return np.array([d.id for d in self.devices.flat], dtype=np.int64).reshape(self.devices.shape)

    @cached_property
    def device_list(self):
        """The engine's list of the devices, in row-major order."""
        return engine.DeviceList(tuple(self.devices.flat))

    @cached_property
    def _local_process(self) -> int:
        return self.devices.flat[0].client.process_index()

    @property
    def is_multi_process(self) -> bool:
        return self.size > 0 and any(d.process_index != self._local_process for d in self.devices.flat)

    @property
    def local_devices(self) -> list:
        return [d for d in self.devices.flat if d.process_index == self._local_process]

    @property
    def local_mesh(self) -> Mesh:
        """The part of the mesh that this process holds."""
        if not self.is_multi_process:
            return self
        mine = np.vectorize(lambda d: d.process_index == self._local_process, otypes=[bool])(self.devices)
        box = tuple(slice(i.min(), i.max() + 1) for i in np.nonzero(mine))
        if not mine[box].all():
            raise ValueError("the devices of this process do not form a box of the mesh")
        return Mesh(self.devices[box], self.axis_names, self.axis_types)

    @cached_property
    def abstract_mesh(self) -> AbstractMesh:
        device = self.devices.flat[0] if self.size else None
        kind = None if device is None else AbstractDevice(
            device.device_kind, getattr(device, "num_cores", None), device.platform)
        return AbstractMesh(self.axis_sizes, self.axis_names, self.axis_types, abstract_device=kind)

    def update(self, devices=None, axis_names=None, axis_types=None) -> Mesh:
        """The mesh with some fields replaced."""
        return Mesh(self.devices if devices is None else devices,
                    self.axis_names if axis_names is None else axis_names,
                    self.axis_types if axis_types is None else axis_types)

    def __enter__(self) -> Mesh:
        _context.stack.append((_context.mesh, _context.abstract_mesh))
        _enter(self, self.abstract_mesh)
        return self

    def __exit__(self, *exc) -> None:
        _enter(*_context.stack.pop())

    def __str__(self) -> str:
        return f"Mesh({self._axes_text()})"

    def __repr__(self) -> str:
        return f"Mesh(axis_sizes={self.axis_sizes}, axis_names={self.axis_names}, axis_types={self.axis_types})"


class AbstractMesh(_AxisFacts):
    """A mesh without devices: ``AbstractMesh((4, 2), ("data", "model"))``."""

    abstract_device: AbstractDevice | None

    def __new__(cls, axis_sizes, axis_names, axis_types=None, *, abstract_device=None):
        names = _names(axis_names)
        sizes = (axis_sizes,) if isinstance(axis_sizes, int) else tuple(axis_sizes)
        if len(sizes) != len(names):
            raise ValueError(f"a mesh needs one size for each axis, got sizes {sizes} and names {names}")
        _check_names(names)
        types = _types(axis_types, len(names))
        key = (sizes, names, types, abstract_device)
        self = _abstract_meshes.get(key)
        if self is None:
            self = super().__new__(cls)
            self.axis_sizes, self.axis_names, self.axis_types = sizes, names, types
            self.abstract_device = abstract_device
            self = _abstract_meshes.setdefault(key, self)
        return self

    def __reduce__(self):
        return _abstract_mesh, (self.axis_sizes, self.axis_names, self.axis_types, self.abstract_device)

    @property
    def abstract_mesh(self) -> AbstractMesh:
        return self

    def _no_devices(self, what: str):
        raise ValueError(f"an AbstractMesh has no {what}: it stands for devices that are not known yet")

    @property
    def devices(self):
        self._no_devices("devices")

    @property
    def device_ids(self):
        self._no_devices("device_ids")

    @property
    def is_multi_process(self):
        self._no_devices("is_multi_process")

    @property
    def local_devices(self):
        self._no_devices("local_devices")

    @property
    def local_mesh(self):
        self._no_devices("local_mesh")

    def update(self, axis_sizes=None, axis_names=None, axis_types=None, **kwargs) -> AbstractMesh:
        """The mesh with some fields replaced."""
        return AbstractMesh(self.axis_sizes if axis_sizes is None else axis_sizes,
                            self.axis_names if axis_names is None else axis_names,
                            self.axis_types if axis_types is None else axis_types,
                            abstract_device=kwargs.pop("abstract_device", self.abstract_device), **kwargs)

    def update_axis_types(self, name_to_type: Mapping[Any, AxisType]) -> AbstractMesh:
        """The mesh with other types for the named axes."""
        return self.update(axis_types=tuple(
            name_to_type.get(n, t) for n, t in zip(self.axis_names, self.axis_types)))

    def __enter__(self) -> AbstractMesh:
        _context.stack.append((_context.mesh, _context.abstract_mesh))
        _enter(_context.mesh, self)
        return self

    def __exit__(self, *exc) -> None:
        _enter(*_context.stack.pop())

    def __repr__(self) -> str:
        kind = self.abstract_device
        tail = "" if kind is None else (
            f", device_kind={kind.device_kind}, num_cores={kind.num_cores}, platform={kind.platform}")
        return f"AbstractMesh({self._axes_text()}{tail})"


def _abstract_mesh(sizes, names, types, kind) -> AbstractMesh:
    return AbstractMesh(sizes, names, types, abstract_device=kind)


empty_mesh = Mesh(np.empty((), dtype=object), ())
empty_abstract_mesh = AbstractMesh((), ())


def make_mesh(axis_shapes: Sequence[int], axis_names: Sequence[str], axis_types=None, *, devices) -> Mesh:
    """A mesh of the given shape over the first devices, in their order.

    Parameters
    ----------
    axis_shapes : sizes of the axes
    axis_names : their names
    axis_types : default all ``Explicit``
    devices : sequence of devices, at least as many as the product of the sizes
    """
    shape = tuple(axis_shapes)
    if len(shape) != len(axis_names):
        raise ValueError(f"make_mesh: {shape} are {len(shape)} sizes, {tuple(axis_names)} are {len(axis_names)} names")
    count = math.prod(shape)
    devices = list(devices)
    if count > len(devices):
        raise ValueError(f"make_mesh: a mesh of shape {shape} needs {count} devices, only {len(devices)} are there")
    grid = np.empty(count, dtype=object)
    grid[:] = devices[:count]
    types = (AxisType.Explicit,) * len(shape) if axis_types is None else axis_types
    return Mesh(grid.reshape(shape), axis_names, types)


# --- the mesh of the current thread -------------------------------------------------------------

class _Context(threading.local):
    def __init__(self):
        self.mesh = empty_mesh
        self.abstract_mesh = empty_abstract_mesh
        self.stack: list[tuple] = []


_context = _Context()
# The mesh in force is part of what a traced program means: as a configuration value it enters every cache key.
_key = config.Internal("ferax_mesh", None)


def _enter(mesh: Mesh, abstract: AbstractMesh) -> None:
    _context.mesh, _context.abstract_mesh = mesh, abstract
    nothing = mesh is empty_mesh and abstract is empty_abstract_mesh
    _key.set_local(engine.unset if nothing else (mesh, abstract))


def get_mesh() -> Mesh:
    """The mesh set for this thread; an empty one where there is none."""
    return _context.mesh


def get_abstract_mesh() -> AbstractMesh:
    """The abstract mesh set for this thread; an empty one where there is none."""
    return _context.abstract_mesh


class set_mesh:
    """Set the mesh of this thread, for good (``set_mesh(mesh)``) or for a block (``with set_mesh(mesh):``).

    Attributes
    ----------
    prev_mesh, prev_abstract_mesh : what was set before, and is again after the block
    """

    __slots__ = ("prev_mesh", "prev_abstract_mesh")

    def __init__(self, mesh: Mesh):
        if not isinstance(mesh, Mesh):
            raise ValueError(f"set_mesh: expected a Mesh, got {type(mesh).__name__}")
        self.prev_mesh, self.prev_abstract_mesh = _context.mesh, _context.abstract_mesh
        _enter(mesh, mesh.abstract_mesh)

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        _enter(self.prev_mesh, self.prev_abstract_mesh)


class use_abstract_mesh(contextlib.AbstractContextManager):
    """Set the abstract mesh for a block, leaving the devices as they are."""

    def __init__(self, mesh: AbstractMesh):
        if not isinstance(mesh, AbstractMesh):
            raise ValueError(f"use_abstract_mesh: expected an AbstractMesh, got {type(mesh).__name__}")
        self.mesh = mesh

    def __enter__(self) -> AbstractMesh:
        return self.mesh.__enter__()

    def __exit__(self, *exc) -> None:
        self.mesh.__exit__(*exc)
