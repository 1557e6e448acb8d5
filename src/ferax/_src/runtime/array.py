"""Concrete arrays: a device buffer, its abstract value, and a signature that dispatch compares by identity.

`ArrayImpl` is the `Array` that holds values. It is a thin object with slots, made once for each result of each
program, so its constructor is as short as can be. The engine's buffer (`_buf`) is *physical*: an array of an extended
dtype (PRNG keys) of shape ``(n,)`` holds a buffer of shape ``(n, *element_shape)``.

What dispatch must know of an argument (abstract value, sharding, whether it was committed to its place) is one interned
object, the `Signature`; two arrays that may go to the same compiled program have the same one.

Nothing here computes: operators and the methods of NumPy are hung on `Array` by `numpy.array_methods`.
"""

from __future__ import annotations

import functools
import gc
import operator
from typing import Any

import numpy as np

from ferax._src import engine
from ferax._src.engine import buffers
from ferax._src.engine.callbacks import original_error
from ferax._src.runtime import devices
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray
from ferax._src.types.layouts import Format, Layout
from ferax._src.types.shardings import Index, SingleDeviceSharding
from ferax._src.util.tracebacks import api_boundary

# --- signatures ---------------------------------------------------------------------------------

class Signature:
    """All that a compiled program depends on in an argument: type, place, and whether it may be moved. Interned."""

    __slots__ = ("aval", "sharding", "committed", "physical", "handler", "single", "__weakref__")

    def __init__(self, aval: ShapedArray, sharding, committed: bool):
        self.aval = aval
        self.sharding = sharding
        self.committed = committed
        self.physical = physical_aval(aval)
        self.single = type(sharding) is SingleDeviceSharding
        self.handler = engine.result_handler(self.physical, sharding, committed)   # makes buffers of this kind

    def __repr__(self) -> str:
        return f"Signature({self.aval}, {self.sharding}, committed={self.committed})"


_signatures: dict[tuple, Signature] = {}


def signature(aval: ShapedArray, sharding, committed: bool) -> Signature:
    """The one signature with these fields."""
    key = (aval, sharding, committed)
    found = _signatures.get(key)
    if found is None:
        if not isinstance(sharding, engine.Sharding):
            raise TypeError(f"an array needs a concrete sharding, got {sharding!r}")
        found = _signatures.setdefault(key, Signature(aval, sharding, bool(committed)))
    return found


def physical_aval(aval: ShapedArray) -> ShapedArray:
    """The type of the buffer under an array of this type; another one for extended dtypes and for float0."""
    dtype = aval.dtype
    if dtype is dtypes.float0 or dtype == dtypes.float0:
        return ShapedArray(aval.shape, np.dtype(bool))
    if not isinstance(dtype, dtypes.ExtendedDType):
        return aval
    return ShapedArray(dtypes.physical_shape(aval.shape, dtype), dtypes.physical_dtype(dtype))


def scatter(value: np.ndarray, aval: ShapedArray, sharding, committed: bool):
    """A buffer over several devices from the whole (physical) value on the host.

    Each part gets memory of its own, also where devices hold the same part: asked to copy one host array twice, the
    engine fails.
    """
    where = sharding.addressable_devices_indices_map(value.shape)
    places = list(sharding._device_list.addressable_device_list)
    return engine.put(aval, sharding, [np.array(value[where[d]]) for d in places], places, committed, copy=False)


# --- shards -------------------------------------------------------------------------------------

@functools.lru_cache(maxsize=256)
def _places(sharding, shape: tuple) -> dict[Any, tuple[Index, int]]:
    """For each device the index of its part, and how many devices before it have the same part."""
    copies: dict[str, int] = {}
    found = {}
    for device, index in sharding.devices_indices_map(shape).items():
        key = str(index)
        copies[key] = copies.get(key, -1) + 1
        found[device] = index, copies[key]
    return found


class Shard:
    """The part of an array on one device.

    Parameters
    ----------
    device : Device
    sharding : Sharding of the whole array
    global_shape : shape of the whole array
    data : array on that device; None where another process holds it
    """

    __slots__ = ("_device", "_sharding", "_global_shape", "_data")

    def __init__(self, device, sharding, global_shape, data=None):
        self._device = device
        self._sharding = sharding
        self._global_shape = tuple(global_shape)
        self._data = data

    @property
    def device(self):
        """The device."""
        return self._device

    @property
    def index(self) -> Index:
        """Where the part belongs in the whole array."""
        return _places(self._sharding, self._global_shape)[self._device][0]

    @property
    def replica_id(self) -> int:
        """How many devices before this one hold the same part: 0 for the first."""
        return _places(self._sharding, self._global_shape)[self._device][1]

    @property
    def data(self):
        """The part as an array on that device; None where another process holds it."""
        return self._data

    def __repr__(self) -> str:
        return f"Shard(device={self.device!r}, index={self.index}, replica_id={self.replica_id}, data={self.data})"


# --- the array ----------------------------------------------------------------------------------

class ArrayImpl(Array):
    """An array with values, on one device or cut over several."""

    __slots__ = ("_buf", "aval", "_sig", "_npy", "__weakref__")

    _buf: Any               # the engine's buffer
    aval: ShapedArray
    _sig: Signature
    _npy: np.ndarray        # the value on the host, once somebody asked for it

    def __init__(self, buf, sig: Signature):
        self._buf = buf
        self._sig = sig
        self.aval = sig.aval

    # -- values on the host --

    @property
    def _value(self) -> np.ndarray:
        """The value as a read-only NumPy array; kept, so that asking again is free."""
        try:
            npy = self._npy
        except AttributeError:
            pass
        else:
            if not self._buf.is_deleted():
                return npy
        self._refuse_extended()
        npy = self._fetch()
        if self.aval.dtype == dtypes.float0:    # stored as booleans
            npy = np.zeros(self.aval.shape, dtypes.float0)
        self._npy = npy
        return npy

    def _refuse_extended(self) -> None:
        dtype = self.aval.dtype
        if isinstance(dtype, dtypes.ExtendedDType):
            raise TypeError(
                f"an array of dtype {dtype} cannot be converted to a NumPy array. "
                "Use ferax.random.key_data(arr) if you wish to extract the underlying integer array.")

    def _fetch(self) -> np.ndarray:
        """The physical value on the host."""
        buf, sig = self._buf, self._sig
        if sig.single:
            try:
                return buffers.to_numpy(buf)
            except engine.JaxRuntimeError as error:
                raise (original_error(error) or error) from None
        buffers.check_alive(buf)
        sharding = sig.sharding
        if sharding.is_fully_replicated:
            return self._shard_buffers()[0]._value
        if not sharding.is_fully_addressable:
            raise RuntimeError(
                "Fetching value for an array that spans non-addressable (non process local) devices is not possible. "
                "Use multihost_utils.process_allgather to gather it, or work on array.addressable_shards.")
        shape = sig.physical.shape
        out = np.empty(shape, sig.physical.dtype)
        where = sharding.addressable_devices_indices_map(shape)
        done = set()                            # of equal parts the first device's counts
        for device, part in zip(sharding._device_list.addressable_device_list, self._shard_buffers()):
            index = where[device]
            key = tuple([(s.start, s.stop) for s in index])
            if key not in done:
                done.add(key)
                out[index] = part._value
        out.flags.writeable = False
        return out

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        value = self._value
        if dtype is not None and dtype != value.dtype:
            if copy is False:
                raise ValueError(f"an array of dtype {value.dtype} cannot become {np.dtype(dtype)} without a copy")
            return value.astype(dtype)
        return value.copy() if copy else value

    def __bool__(self) -> bool:
        if self._sig.physical is not self.aval:
            raise TypeError(f"an array of dtype {self.aval.dtype} cannot be converted to a boolean: its elements are no numbers")
        size = self.aval.size
        if size != 1:
            if size == 0:
                raise ValueError("The truth value of an empty array is ambiguous. "
                                 "Use `array.size > 0` to check that an array is not empty.")
            raise ValueError("The truth value of an array with more than one element is ambiguous. "
                             "Use a.any() or a.all()")
        return bool(self._value)

    def _scalar(self) -> np.ndarray:
        if self.aval.ndim:
            raise TypeError("Only scalar arrays can be converted to Python scalars; "
                            f"got arr.ndim={self.aval.ndim}")
        return self._value

    def __int__(self) -> int:
        return self._scalar().__int__()

    def __float__(self) -> float:
        return self._scalar().__float__()

    def __complex__(self) -> complex:
        return self._scalar().__complex__()

    def __index__(self) -> int:
        if self.aval.ndim or dtypes.kind_of(self.aval.dtype) not in "iu":
            raise TypeError("Only integer scalar arrays can be converted to a scalar index.")
        return operator.index(self._value.item())

    def __hex__(self) -> str:
        return hex(self.__index__())

    def __oct__(self) -> str:
        return oct(self.__index__())

    def item(self, *args):
        """One element as a Python scalar."""
        return self._value.item(*args)

    def tolist(self):
        """The values as nested lists of Python scalars."""
        return self._value.tolist()

    def tobytes(self, order: str = "C") -> bytes:
        """The values' bytes."""
        return self._value.tobytes(order)

    def __iter__(self):
        if not self.aval.ndim:
            raise TypeError("iteration over a 0-d array")
        sig = self._sig
        if sig.single and buffers.platform(self._buf) == "cpu":
            return self._rows(self._value if sig.physical is self.aval else self._fetch())
        return (self[i] for i in range(self.aval.shape[0]))     # type: ignore[index]

    def _rows(self, value: np.ndarray):
        sig = self._sig
        row = signature(sig.aval.update(shape=sig.aval.shape[1:]), sig.sharding, sig.committed)
        place = [sig.sharding._device]
        for part in value:
            yield ArrayImpl(engine.put(row.physical, row.sharding, [np.asarray(part)], place, row.committed), row)

    # -- as text --

    def __repr__(self) -> str:
        aval = self.aval
        prefix, width = "Array(", np.get_printoptions()["linewidth"]
        tail = f"dtype={dtypes.dtype_name(aval.dtype)}" + (", weak_type=True" if aval.weak_type else "") + ")"
        if self._sig.physical is not aval and aval.dtype != dtypes.float0:
            return f"{prefix}{aval.shape}, {tail} overlaying:\n{self._fetch()}"
        if not (self.is_fully_addressable or self.is_fully_replicated):
            return f"{prefix}{aval.shape}, {tail}"
        if aval.size == 0:
            body, tail = "[]", f"shape={aval.shape}, {tail}"
        else:
            body = np.array2string(self._value, prefix=prefix, suffix=",", separator=", ", max_line_width=width)
        last = len(body) - body.rfind("\n")
        gap = " " if last + len(tail) + 1 <= width else "\n" + " " * len(prefix)
        return f"{prefix}{body},{gap}{tail}"

    def __str__(self) -> str:
        if self._sig.physical is not self.aval:
            return repr(self)
        return str(self._value)

    def __format__(self, spec: str) -> str:
        if self._sig.physical is not self.aval:
            return format(repr(self), spec)
        return format(self._value[()] if self.aval.ndim == 0 else self._value, spec)

    # -- copies --

    def copy(self) -> ArrayImpl:
        """A copy with memory of its own."""
        sig = self._sig
        return ArrayImpl(buffers.copy_to_devices(self._buf, sig.sharding._device_list, sig.sharding), sig)

    __copy__ = copy

    def __deepcopy__(self, memo) -> ArrayImpl:
        return self.copy()

    def __reduce__(self):
        aval = self.aval
        return _unpickle, (self._fetch(), aval.dtype if self._sig.physical is not aval else None, aval.weak_type)

    # -- life --

    def block_until_ready(self) -> ArrayImpl:
        """Wait until the values are there; raises what went wrong in computing them."""
        buffers.check_alive(self._buf)
        try:
            self._buf.block_until_ready()
        except engine.JaxRuntimeError as error:
            raise (original_error(error) or error) from None
        return self

    def is_ready(self) -> bool:
        """Whether the values are there already."""
        return buffers.is_ready(self._buf)

    def copy_to_host_async(self) -> None:
        """Start copying the values to the host, for a later ``np.asarray`` that need not wait."""
        buffers.check_alive(self._buf)
        if self._sig.single:
            buffers.start_copy_to_host(self._buf)
        else:
            for shard in self._shard_buffers():
                buffers.start_copy_to_host(shard._buf)

    def delete(self) -> None:
        """Free the memory now; the array cannot be used any more."""
        self._buf.delete()
        try:
            del self._npy
        except AttributeError:                  # nobody had asked for the value
            return

    def is_deleted(self) -> bool:
        return self._buf.is_deleted()

    # -- place --

    @property
    def sharding(self):
        """Where the array lies."""
        return self._sig.sharding

    @property
    def committed(self) -> bool:
        """Whether the array was put where it lies on purpose, so that computations follow it."""
        return self._sig.committed

    @property
    def _committed(self) -> bool:
        return self._sig.committed

    @property
    def device(self):
        """The device, or the sharding where there are several."""
        sharding = self._sig.sharding
        return sharding._device if self._sig.single else sharding

    @property
    def format(self) -> Format:
        """How the elements lie in memory: their layout on each device, and the sharding."""
        layout = None if self.is_deleted() else buffers.layout(self._buf)
        return Format(layout and Layout.from_pjrt_layout(layout), self._sig.sharding)

    def devices(self) -> set:
        """The devices that hold the array."""
        buffers.check_alive(self._buf)
        return self._sig.sharding.device_set

    def platform(self) -> str:
        return buffers.platform(self._buf)

    @property
    def is_fully_addressable(self) -> bool:
        """Whether this process reaches all of the array."""
        return self._sig.single or self._sig.sharding.is_fully_addressable

    @property
    def is_fully_replicated(self) -> bool:
        """Whether every device holds all of the array."""
        return self._sig.single or self._sig.sharding.is_fully_replicated

    def _shard_buffers(self) -> list[ArrayImpl]:
        """The parts on the devices of this process, as physical arrays of one device each."""
        sig = self._sig
        if sig.single:
            return [ArrayImpl(self._buf, signature(sig.physical, sig.sharding, True))]
        part = sig.physical.update(shape=sig.sharding.shard_shape(sig.physical.shape), sharding=None)
        kind = sig.sharding.memory_kind
        parts = []
        for device, buf in zip(sig.sharding._device_list.addressable_device_list, buffers.shards(self._buf)):
            place = signature(part, SingleDeviceSharding(device, kind), True)
            parts.append(ArrayImpl(buffers.rewrap(buf, part, place.sharding), place))
        return parts

    def _logical_shard(self, part: ArrayImpl) -> ArrayImpl:
        """A part of the buffer as a part of the array: the same thing but for extended dtypes."""
        sig = self._sig
        if sig.physical is self.aval:
            return part
        shape = sig.sharding.shard_shape(self.aval.shape)
        return ArrayImpl(part._buf, signature(self.aval.update(shape=shape), part._sig.sharding, True))

    @property
    def addressable_shards(self) -> list[Shard]:
        """The parts on the devices of this process."""
        buffers.check_alive(self._buf)
        return [s for s in self.global_shards if s.data is not None]

    @property
    def global_shards(self) -> list[Shard]:
        """The parts on all devices; those of other processes have no data."""
        buffers.check_alive(self._buf)
        sharding = self._sig.sharding
        mine = {d: self._logical_shard(part)
                for d, part in zip(sharding._device_list.addressable_device_list, self._shard_buffers())}
        return [Shard(device, sharding, self.aval.shape, mine.get(device)) for device in _places(sharding, self.aval.shape)]

    def addressable_data(self, index: int) -> ArrayImpl:
        """The part on the ``index``-th device of this process."""
        buffers.check_alive(self._buf)
        return self._logical_shard(self._shard_buffers()[index])

    def on_device_size_in_bytes(self) -> int:
        """Bytes on all devices together."""
        return buffers.size_in_bytes(self._buf)

    def unsafe_buffer_pointer(self) -> int:
        """The address of the memory."""
        return buffers.pointer(self._buf)

    @property
    def traceback(self):
        """Where the array was made."""
        return self._buf.traceback

    # -- exchange with other libraries --

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        self._refuse_extended()
        if not self._sig.single:
            raise BufferError("to_dlpack can only pack a dlpack tensor from an array on a singular device, but an array "
                              f"with sharding {self._sig.sharding} was given")
        here = self.__dlpack_device__()
        if dl_device is not None and tuple(dl_device) != here:
            if copy is False or dl_device[0] != buffers.DLPACK_CPU:
                raise BufferError(f"the array is on DLPack device {here}, not on {tuple(dl_device)}")
            return self._value.__dlpack__()
        buf = self.copy()._buf if copy else self._buf
        return buffers.to_dlpack(buf, stream=stream, max_version=max_version, copied=bool(copy))

    def __dlpack_device__(self) -> tuple[int, int]:
        if not self._sig.single:
            raise BufferError("__dlpack__ only supports arrays on one device")
        device = self._sig.sharding._device
        if device.platform == "cpu":
            return buffers.DLPACK_CPU, 0
        if device.platform == "gpu":
            rocm = "rocm" in device.client.platform_version.lower()
            return buffers.DLPACK_ROCM if rocm else buffers.DLPACK_CUDA, device.local_hardware_id
        raise BufferError(f"DLPack does not know the platform {device.platform!r}")

    @property
    def __cuda_array_interface__(self) -> dict:
        buffers.check_alive(self._buf)
        return self._buf.__cuda_array_interface__


for _name in ("__array__", "__bool__", "__int__", "__float__", "__complex__", "__index__", "item", "tolist", "tobytes", "__iter__",
              "__repr__", "__str__", "__format__", "copy", "__copy__", "__deepcopy__", "__reduce__", "block_until_ready",
              "copy_to_host_async", "devices", "__dlpack__"):
    setattr(ArrayImpl, _name, api_boundary(vars(ArrayImpl)[_name]))


def _unpickle(value: np.ndarray, dtype, weak_type: bool) -> ArrayImpl:
    """An array on the default device from its pickled value."""
    sharding = devices.default_sharding()
    if dtype is None:
        aval = ShapedArray(value.shape, dtypes.canonicalize_dtype(value.dtype), weak_type)
    else:
        aval = ShapedArray(value.shape[: value.ndim - len(getattr(dtype, "element_shape", ()))], dtype)
    sig = signature(aval, sharding, False)
    value = value.astype(sig.physical.dtype, copy=False)
    return ArrayImpl(engine.put(sig.physical, sharding, [value], [sharding._device], False), sig)


def live_arrays(platform: str | None = None) -> list[ArrayImpl]:
    """All arrays that exist and are not deleted.

    Parameters
    ----------
    platform : str or None; only those on this platform
    """
    found = [x for x in gc.get_objects() if type(x) is ArrayImpl and not x.is_deleted()]
    return found if platform is None else [x for x in found if x.platform() == platform]


devices.on_clear(_signatures.clear)
devices.on_clear(_places.cache_clear)
