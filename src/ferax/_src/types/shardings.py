"""Shardings: on which devices an array lies, and which part of it on each.

`SingleDeviceSharding` puts all of it on one device. `NamedSharding` cuts it along the named axes of a mesh as a
`PartitionSpec` says; `GSPMDSharding` as an XLA sharding says, which is what the compiler answers when it may choose.
All are interned: two equal shardings are the same object, so dispatch compares them by identity.

The engine's C++ classes are the bases, one each, so what the kinds share cannot come by inheritance: the methods of
`Sharding` are copied into each of them, and ``isinstance(s, Sharding)`` holds by registration.
"""

from __future__ import annotations

import abc
import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from ferax._src import engine
from ferax._src.engine.sharding import OpSharding, check_memory_kind
from ferax._src.types.meshes import AbstractMesh, Mesh


class DuplicateSpecError(ValueError):
    """A partition spec that names a mesh axis twice."""


# --- partition specs ----------------------------------------------------------------------------

class UnconstrainedSingleton:
    """The value of ``PartitionSpec.UNCONSTRAINED``: the compiler may cut this dimension as it likes."""

    def __repr__(self) -> str:
        return "UNCONSTRAINED"

    def __reduce__(self):
        return "UNCONSTRAINED"


UNCONSTRAINED = UnconstrainedSingleton()


def _entry(part):
    """One partition in its plain form: None, a name, or a tuple of at least two names."""
    if part is None or part is UNCONSTRAINED or isinstance(part, str):
        return part
    if isinstance(part, (tuple, list)):
        names = tuple(part)
        if len(names) == 1:
            return names[0]
        return names or None
    return part


class PartitionSpec:
    """How each dimension of an array is cut over mesh axes: ``PartitionSpec("data", None, ("x", "y"))``.

    Parameters
    ----------
    partitions : for each dimension, None (whole), the name of a mesh axis, or a tuple of names, major first;
        dimensions beyond the last are whole
    unreduced, reduced : sets of mesh axes along which the values are partial sums, or were
    """

    __slots__ = ("_partitions", "unreduced", "reduced", "_hash")
    UNCONSTRAINED = UNCONSTRAINED

    def __init__(self, *partitions, unreduced=frozenset(), reduced=frozenset()):
        self._partitions = tuple(_entry(p) for p in partitions)
        self.unreduced = frozenset(unreduced)
        self.reduced = frozenset(reduced)
        overlap = self.unreduced & self.reduced
        if overlap:
            raise ValueError(f"axes {sorted(map(str, overlap))} are both unreduced and reduced in {self}")
        self._hash = hash((self._partitions, self.unreduced, self.reduced))

    @property
    def partitions(self) -> tuple:
        return self._partitions

    def __len__(self) -> int:
        return len(self._partitions)

    def __getitem__(self, i):
        return self._partitions[i]

    def __iter__(self):
        return iter(self._partitions)

    def index(self, value) -> int:
        return self._partitions.index(_entry(value))

    def count(self, value) -> int:
        return self._partitions.count(_entry(value))

    def __eq__(self, other) -> bool:
        if isinstance(other, PartitionSpec):
            return self is other or (self._partitions == other._partitions and self.unreduced == other.unreduced
                                     and self.reduced == other.reduced)
        if isinstance(other, tuple):
            return not self.unreduced and not self.reduced and self._partitions == tuple(map(_entry, other))
        return NotImplemented

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other):
        if isinstance(other, PartitionSpec):
            return PartitionSpec(*self, *other, unreduced=self.unreduced | other.unreduced,
                                 reduced=self.reduced | other.reduced)
        if isinstance(other, tuple):
            return PartitionSpec(*self, *other, unreduced=self.unreduced, reduced=self.reduced)
        return NotImplemented

    def __radd__(self, other):
        if isinstance(other, tuple):
            return PartitionSpec(*other, *self, unreduced=self.unreduced, reduced=self.reduced)
        return NotImplemented

    def __reduce__(self):
        return _partition_spec, (self._partitions, self.unreduced, self.reduced)

    def update(self, partitions=None, unreduced=None, reduced=None) -> PartitionSpec:
        """The spec with some fields replaced."""
        return PartitionSpec(*(self._partitions if partitions is None else partitions),
                             unreduced=self.unreduced if unreduced is None else unreduced,
                             reduced=self.reduced if reduced is None else reduced)

    def to_tangent_spec(self) -> PartitionSpec:
        return self

    def to_ct_spec(self) -> PartitionSpec:
        """The spec of the cotangent: what was a partial sum is whole there, and the other way round."""
        return PartitionSpec(*self, unreduced=self.reduced, reduced=self.unreduced)

    def to_lo(self) -> PartitionSpec:
        return self

    def __repr__(self) -> str:
        parts = list(map(repr, self._partitions))
        for name, axes in (("unreduced", self.unreduced), ("reduced", self.reduced)):
            if axes:
                parts.append(f"{name}={set(axes)!r}")
        only = "," if len(self._partitions) == 1 and len(parts) == 1 else ""
        return f"P({', '.join(parts)}{only})"


def _partition_spec(partitions, unreduced, reduced) -> PartitionSpec:
    return PartitionSpec(*partitions, unreduced=unreduced, reduced=reduced)


def spec_names(part) -> tuple:
    """The mesh axes of one entry of a spec."""
    if part is None or part is UNCONSTRAINED:
        return ()
    return part if isinstance(part, tuple) else (part,)


# --- what all shardings can do ------------------------------------------------------------------

Index = tuple[slice, ...]


class Sharding(abc.ABC):
    """Where an array lies. A kind gives `_device_list` and `_cuts`; the rest follows."""

    memory_kind: Any
    _to_xla_hlo_sharding: Any

    @property
    def _device_list(self):
        return self._internal_device_list

    def _cuts(self, ndim: int) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
        """Pieces per dimension, and for each device (in order) which piece it holds."""
        raise NotImplementedError

    @property
    def device_set(self) -> set:
        """The devices, as a set."""
        return set(self._device_list)

    @property
    def num_devices(self) -> int:
        return len(self._device_list)

    @property
    def addressable_devices(self) -> set:
        """The devices that this process can reach."""
        return set(self._device_list.addressable_device_list)

    @property
    def has_addressable_devices(self) -> bool:
        return len(self._device_list.addressable_device_list) > 0

    @property
    def is_fully_addressable(self) -> bool:
        """Whether this process reaches all of the devices."""
        return self._device_list.is_fully_addressable

    @property
    def is_fully_replicated(self) -> bool:
        """Whether every device holds all of the array."""
        raise NotImplementedError

    @property
    def _is_concrete(self) -> bool:
        return True

    def shard_shape(self, global_shape) -> tuple[int, ...]:
        """The shape of the part on each device."""
        shape = tuple(global_shape)
        self.check_compatible_aval(shape)
        cuts, _ = self._cuts(len(shape))
        return tuple(size // n for size, n in zip(shape, cuts))

    def check_compatible_aval(self, aval_shape) -> None:
        """Raises ValueError if an array of this shape cannot be laid out so."""
        shape = tuple(aval_shape)
        cuts, _ = self._cuts(len(shape))
        for axis, (size, n) in enumerate(zip(shape, cuts)):
            if size % n:
                raise ValueError(
                    f"Sharding {self} implies that array axis {axis} is partitioned {n} times, but this does not "
                    f"evenly divide the dimension size {size}. Got shape: {shape}. Pad the array to a multiple of {n} "
                    "along that axis, or leave the axis whole.")

    def devices_indices_map(self, global_shape) -> Mapping[Any, Index]:
        """For each device the part of the array that it holds, as an index."""
        shape = tuple(global_shape)
        pieces = self.shard_shape(shape)
        cuts, coords = self._cuts(len(shape))
        return {device: tuple(slice(None) if n == 1 else slice(c * size, (c + 1) * size)
                              for c, size, n in zip(at, pieces, cuts))
                for device, at in zip(self._device_list, coords)}

    def addressable_devices_indices_map(self, global_shape) -> Mapping[Any, Index]:
        """The same for the devices that this process can reach."""
        if self.is_fully_addressable:
            return self.devices_indices_map(global_shape)
        mine = self.addressable_devices
        return {d: i for d, i in self.devices_indices_map(global_shape).items() if d in mine}

    def is_equivalent_to(self, other, ndim: int) -> bool:
        """Whether both lay out arrays of that rank in the same way on the same devices."""
        if self is other:
            return True
        return (isinstance(other, Sharding) and self._device_list == other._device_list
                and self.memory_kind == other.memory_kind
                and engine_equal(self._to_xla_hlo_sharding(ndim), other._to_xla_hlo_sharding(ndim)))

    def with_memory_kind(self, kind: str):
        raise NotImplementedError

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


def engine_equal(a, b) -> bool:
    """Whether two XLA shardings mean the same."""
    return a == b or (a.is_replicated() and b.is_replicated())


def _shares_methods(cls):
    """Give a sharding class the methods of `Sharding` that it does not define itself."""
    for name, value in Sharding.__dict__.items():
        special = name.startswith("__") and name not in ("__copy__", "__deepcopy__")
        if name not in cls.__dict__ and not special and not name.startswith("_abc"):
            setattr(cls, name, value)
    Sharding.register(cls)
    return cls


_interned: dict[tuple, Any] = {}


@_shares_methods
class SingleDeviceSharding(engine.SingleDeviceShardingBase):
    """All of an array on one device.

    Parameters
    ----------
    device : Device
    memory_kind : str or None; "device", "pinned_host", ...
    """

    def __new__(cls, device, memory_kind: str | None = None):
        key = (cls, device, memory_kind)
        try:
            return _interned[key]
        except KeyError:
            pass
        if not isinstance(device, engine.Device):
            raise TypeError(f"SingleDeviceSharding: expected a Device, got {device!r} of type {type(device).__name__}")
        self = super().__new__(cls)
        engine.SingleDeviceShardingBase.__init__(self, device, memory_kind)  # type: ignore[call-arg]
        self = _interned.setdefault((cls, device, self._memory_kind), self)
        return _interned.setdefault(key, self)

    def __init__(self, device, memory_kind: str | None = None):
        self.device = device                    # the C++ part was made in __new__, once

    def _cuts(self, ndim: int):
        return (1,) * ndim, [(0,) * ndim]

    @property
    def is_fully_replicated(self) -> bool:
        return True

    def with_memory_kind(self, kind: str) -> SingleDeviceSharding:
        return SingleDeviceSharding(self.device, kind)

    def __repr__(self) -> str:
        return f"SingleDeviceSharding(device={self.device!r}, memory_kind={self.memory_kind})"


def make_single_device_sharding(device, *, memory_kind: str | None = None) -> SingleDeviceSharding:
    """A `SingleDeviceSharding`."""
    return SingleDeviceSharding(device, memory_kind)


# --- named shardings ----------------------------------------------------------------------------

def _check_spec(mesh, spec: PartitionSpec) -> None:
    seen: set = set()
    for part in spec:
        for name in spec_names(part):
            if name not in mesh.shape:
                raise ValueError(
                    f"Resource axis: {name} of {spec} is not found in mesh: {tuple(mesh.axis_names)}.")
            if name in seen:
                raise DuplicateSpecError(
                    f"a mesh axis can cut at most one dimension, but {spec} has duplicate entries for `{name}`")
            seen.add(name)
    for name in spec.unreduced | spec.reduced:
        if name not in mesh.shape:
            raise ValueError(f"axis {name} of {spec} is not found in mesh: {tuple(mesh.axis_names)}.")
        if name in spec.unreduced and name in seen:
            raise ValueError(f"axis {name} of {spec} cuts a dimension and is unreduced at once")


@_shares_methods
class NamedSharding(engine.TiledShardingBase):
    """An array cut along named mesh axes: ``NamedSharding(mesh, PartitionSpec("data", None))``.

    Parameters
    ----------
    mesh : Mesh or AbstractMesh
    spec : PartitionSpec
    memory_kind : str or None
    """

    mesh: Mesh | AbstractMesh
    spec: PartitionSpec

    def __new__(cls, mesh, spec, memory_kind: str | None = None, _logical_device_ids=None):
        key = (cls, mesh, spec, memory_kind)
        try:
            return _interned[key]
        except (KeyError, TypeError):           # TypeError: a spec that is no spec; said below
            pass
        if not isinstance(mesh, (Mesh, AbstractMesh)):
            raise TypeError(f"NamedSharding: the first argument must be a mesh, got {type(mesh).__name__}")
        if isinstance(spec, tuple):
            spec = PartitionSpec(*spec)
        if not isinstance(spec, PartitionSpec):
            raise TypeError(f"NamedSharding: the second argument must be a PartitionSpec, got {spec!r}")
        _check_spec(mesh, spec)
        key = (cls, mesh, spec, memory_kind)
        self = super().__new__(cls)
        abstract = isinstance(mesh, AbstractMesh)
        if not abstract:                        # without devices there is no C++ part; no array can lie there
            memory_kind = check_memory_kind(memory_kind, mesh.device_list)
            replicated = engine.sharding.REPLICATED
            engine.TiledShardingBase.__init__(self, mesh.device_list, replicated, memory_kind)  # type: ignore[call-arg]
        self.mesh, self.spec, self._kind, self._abstract, self._hlo = mesh, spec, memory_kind, abstract, {}
        self = _interned.setdefault((cls, mesh, spec, memory_kind), self)
        return _interned.setdefault(key, self)

    def __init__(self, mesh, spec, memory_kind: str | None = None, _logical_device_ids=None):
        pass                                    # made in __new__, once

    def __reduce__(self):
        return NamedSharding, (self.mesh, self.spec, self._kind)

    @property
    def memory_kind(self) -> str | None:
        return self._kind

    @property
    def _is_concrete(self) -> bool:
        return not self._abstract

    @property
    def _device_list(self):
        if self._abstract:
            raise ValueError(f"{self} is over an AbstractMesh and has no devices")
        return self._internal_device_list

    @property
    def num_devices(self) -> int:
        return self.mesh.size

    @property
    def is_fully_replicated(self) -> bool:
        shape = self.mesh.shape
        return not self.spec.unreduced and all(shape[n] == 1 for part in self.spec for n in spec_names(part))

    @property
    def replicated_axes(self) -> frozenset:
        """The mesh axes along which all devices hold the same."""
        used = {n for part in self.spec for n in spec_names(part)} | self.spec.unreduced
        return frozenset(n for n in self.mesh.axis_names if n not in used)

    def check_compatible_aval(self, aval_shape) -> None:
        shape = tuple(aval_shape)
        if len(self.spec) > len(shape):
            raise ValueError(
                f"Sharding {self} is only valid for values of rank at least {len(self.spec)}, but was applied to a "
                f"value of rank {len(shape)}. For scalars the spec should be `P()`")
        for axis, part in enumerate(self.spec):
            n = math.prod(self.mesh.shape[name] for name in spec_names(part))
            if shape[axis] % n:
                raise ValueError(
                    f"Sharding spec {self.spec} implies that array axis {axis} is partitioned {n} times, but does not "
                    f"evenly divide the dimension size {shape[axis]}. Got shape: {shape} and sharding {self}. Pad the "
                    f"array to a multiple of {n} along that axis, or leave the axis whole (None).")

    def _cuts(self, ndim: int):
        mesh = self.mesh
        parts = [spec_names(p) for p in self.spec] + [()] * (ndim - len(self.spec))
        position = {name: i for i, name in enumerate(mesh.axis_names)}
        coords = []
        for at in np.ndindex(*mesh.axis_sizes):
            piece = []
            for names in parts:
                k = 0
                for name in names:
                    k = k * mesh.shape[name] + at[position[name]]
                piece.append(k)
            coords.append(tuple(piece))
        return tuple(math.prod(mesh.shape[n] for n in names) for names in parts), coords

    def _to_xla_hlo_sharding(self, ndim: int):
        found = self._hlo.get(ndim)
        if found is None:
            found = self._hlo[ndim] = self._make_hlo(ndim)
        return found

    def _make_hlo(self, ndim: int):
        mesh, spec = self.mesh, self.spec
        parts = [spec_names(p) for p in spec] + [()] * (ndim - len(spec))
        used = [n for names in parts for n in names]
        unreduced = [n for n in mesh.axis_names if n in spec.unreduced]
        rest = [n for n in mesh.axis_names if n not in used and n not in unreduced]
        size = lambda names: math.prod(mesh.shape[n] for n in names)
        if size(used) == 1 and not unreduced:
            return engine.sharding.REPLICATED
        tiles = [size(names) for names in parts]
        kinds = []
        for names, kind in ((unreduced, "UNREDUCED"), (rest, "REPLICATED")):
            if size(names) > 1:
                tiles.append(size(names))
                kinds.append(getattr(OpSharding.Type, kind))
        order = [mesh.axis_names.index(n) for n in (*used, *unreduced, *rest)]
        return engine.HloSharding.iota_tile(
            tiles, reshape_dims=list(mesh.axis_sizes), transpose_perm=order, subgroup_types=kinds)

    def update(self, **kwargs) -> NamedSharding:
        """The sharding with some of ``mesh``, ``spec``, ``memory_kind`` replaced."""
        fields = {"mesh": self.mesh, "spec": self.spec, "memory_kind": self._kind, **kwargs}
        return NamedSharding(**fields)

    def with_spec(self, spec) -> NamedSharding:
        return self.update(spec=spec)

    def with_memory_kind(self, kind: str) -> NamedSharding:
        return NamedSharding(self.mesh, self.spec, kind)

    def __repr__(self) -> str:
        kind = f", memory_kind={self.memory_kind}" if self.memory_kind is not None else ""
        return f"NamedSharding(mesh={self.mesh}, spec={self.spec}{kind})"


def named_from_hlo(mesh: Mesh, hlo, ndim: int) -> NamedSharding | None:
    """The named sharding over ``mesh`` that means what an XLA sharding says, or None where there is none."""
    key = ("named_from_hlo", mesh, hlo, ndim)
    if key not in _interned:
        _interned[key] = _search_named(mesh, hlo, ndim)
    return _interned[key]


def _search_named(mesh: Mesh, hlo, ndim: int) -> NamedSharding | None:
    if hlo.is_replicated():
        return NamedSharding(mesh, PartitionSpec())
    if not hlo.is_tiled():
        return None
    tiles = list(hlo.tile_assignment_dimensions())[:ndim]

    def specs(tiles, names):
        """All ways to cut by these numbers, using each axis at most once."""
        if not tiles:
            yield ()
            return
        for count in range(len(names) + 1):
            for chosen in itertools.permutations(names, count):
                if math.prod(mesh.shape[n] for n in chosen) == tiles[0]:
                    left = [n for n in names if n not in chosen]
                    yield from ((_entry(chosen), *rest) for rest in specs(tiles[1:], left))

    axes = [n for n in mesh.axis_names if mesh.shape[n] > 1]
    for parts in specs(tiles, axes):
        while parts and parts[-1] is None:
            parts = parts[:-1]
        found = NamedSharding(mesh, PartitionSpec(*parts))
        if found._to_xla_hlo_sharding(ndim) == hlo:
            return found
    return None


# --- shardings in XLA's own terms ---------------------------------------------------------------

@_shares_methods
class GSPMDSharding(engine.TiledShardingBase):
    """An array laid out as an XLA sharding says; what the compiler answers where it chose itself.

    Parameters
    ----------
    devices : DeviceList or sequence of devices
    op_sharding : HloSharding or OpSharding
    memory_kind : str or None
    """

    def __new__(cls, devices, op_sharding, *, memory_kind: str | None = None):
        if not isinstance(devices, engine.DeviceList):
            devices = engine.DeviceList(tuple(devices))
        hlo = op_sharding if isinstance(op_sharding, engine.HloSharding) else engine.HloSharding.from_proto(op_sharding)
        kind = check_memory_kind(memory_kind, devices)
        key = (cls, devices, hlo, kind)
        found = _interned.get(key)
        if found is not None:
            return found
        self = super().__new__(cls)
        engine.TiledShardingBase.__init__(self, devices, hlo, kind)  # type: ignore[call-arg]
        return _interned.setdefault(key, self)

    def __init__(self, devices, op_sharding, *, memory_kind: str | None = None):
        pass                                    # made in __new__, once

    @classmethod
    def get_replicated(cls, devices, *, memory_kind: str | None = None) -> GSPMDSharding:
        return cls(devices, engine.sharding.REPLICATED, memory_kind=memory_kind)

    @property
    def is_fully_replicated(self) -> bool:
        return self._hlo_sharding.is_replicated()

    def _cuts(self, ndim: int):
        hlo, count = self._hlo_sharding, len(self._internal_device_list)
        if hlo.is_replicated():
            return (1,) * ndim, [(0,) * ndim] * count
        if not hlo.is_tiled():
            raise ValueError(f"{self} does not say which part of an array each device holds")
        dims = list(hlo.tile_assignment_dimensions())
        if len(dims) < ndim:
            raise ValueError(f"{self} is for arrays of rank {len(dims)} at most, got rank {ndim}")
        where = np.empty(math.prod(dims), dtype=object)
        grid = np.array(list(hlo.tile_assignment_devices())).reshape(dims)
        for at, device in np.ndenumerate(grid):
            where[device] = at[:ndim]
        return tuple(dims[:ndim]), list(where)

    def with_memory_kind(self, kind: str) -> GSPMDSharding:
        return GSPMDSharding(self._internal_device_list, self._hlo_sharding, memory_kind=kind)

    def __repr__(self) -> str:
        kind = f", memory_kind={self.memory_kind}" if self.memory_kind is not None else ""
        return f"GSPMDSharding({self._hlo_sharding!r}{kind})"


def as_sharding(place) -> Any:
    """A sharding for a `Device` or a sharding; raises TypeError for anything else."""
    if isinstance(place, engine.Device):
        return SingleDeviceSharding(place)
    if isinstance(place, Sharding):
        return place
    raise TypeError(f"expected a Device or a Sharding, got {place!r} of type {type(place).__name__}")
