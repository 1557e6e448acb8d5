"""Device buffers: making them, reading them, exchanging them; with jaxlib's traps closed.

A *buffer* is jaxlib's ``ArrayImpl``.  Ferax's own array class holds one.  The traps (and what is done here):

* aligned NumPy memory would be aliased: :func:`put` copies unless the caller owns the memory for good;
* 64-bit values would be cut to 32 bits by a process-wide switch: the aval decides here, never the switch;
* one NumPy array for several devices of many fails in the copy: it gets one copy more;
* several methods of a deleted buffer crash the process in jaxlib 0.10: every function here asks first;
* NumPy turns a buffer whose dtype it does not know into a 0-d object array: :func:`to_numpy` does not;
* some calls import the real jax: they are made through ``without_jax``.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from ferax._src.engine.jaxguard import without_jax
from ferax._src.engine.lib import SINCE_0_11, SINCE_0_12, _jax

ArrayImpl = _jax.ArrayImpl
ArrayCopySemantics = _jax.ArrayCopySemantics
ResultHandler = _jax.ResultHandler

_ZERO_COPY = _jax.HostBufferSemantics.ZERO_COPY
_device_put = _jax.batched_device_put
_SUB_BYTE = frozenset(
    np.dtype(getattr(ml_dtypes, name))
    for name in (
        "int4",
        "uint4",
        "int2",
        "uint2",
        "int1",
        "uint1",
        "float4_e2m1fn",
        "float6_e2m3fn",
        "float6_e3m2fn",
    )
    if hasattr(ml_dtypes, name)
)
_BITS_VIEW = {1: "|u1", 2: "<u2"}


class DeletedArrayError(RuntimeError):
    """The buffer of an array was deleted or given away (donated) and is used again."""


def check_alive(buffer: Any) -> None:
    """Raises :class:`DeletedArrayError` for a deleted buffer."""
    if buffer.is_deleted():
        aval = buffer.aval
        what = f" with shape={aval.dtype.name}[{','.join(map(str, aval.shape))}]" if aval is not None else ""
        raise DeletedArrayError(
            f"Array has been deleted{what}. It was deleted by hand, or donated to a compiled function "
            "(donate_argnums), which reuses its memory. Keep a copy of what is needed later, or do not donate it. "
            "See docs/errors/deleted-array.md"
        )


# Host to device ---------------------------------------------------------------------------------------------------


def put(
    aval: Any, sharding: Any, values: list, devices: Sequence[Any], committed: bool = True, copy: bool = True
) -> Any:
    """A buffer of ``aval`` under ``sharding`` from one value per device (NumPy arrays, or buffers on any device).

    ``copy=False`` lets the buffer keep using the memory of the NumPy arrays: only for memory nobody writes to again.
    """
    if copy and len(values) > 2:
        values = _distinct(values)
    return _device_put(aval, sharding, values, devices, committed, copy, _ZERO_COPY, True)


def _distinct(values: list) -> list:
    """``values`` without two that share memory, unless all do.

    A copying put of one array to some of the devices, but not to all, fails inside jaxlib (``bad_function_call``).
    """
    places = [v.__array_interface__["data"][0] if isinstance(v, np.ndarray) else None for v in values]
    first = places[0]
    if all(p == first for p in places):
        return values
    seen: set = set()
    result = []
    for value, place in zip(values, places):
        result.append(value.copy() if place in seen else value)
        if place is not None:
            seen.add(place)
    return result


def assemble(aval: Any, sharding: Any, shards: list, committed: bool = True) -> Any:
    """One buffer out of single-device buffers, in the order of the sharding's addressable devices; nothing is copied."""
    return ArrayImpl(aval, sharding, shards, committed, _skip_checks=True)


def copy_to_devices(
    buffer: Any, devices: Any, sharding: Any, *, donate: bool = False, reuse: bool = False
) -> Any:
    """``buffer`` on another ``DeviceList``, shard by shard.  Its committed flag follows the input's."""
    check_alive(buffer)
    how = (
        ArrayCopySemantics.DONATE_INPUT
        if donate
        else ArrayCopySemantics.REUSE_INPUT
        if reuse
        else ArrayCopySemantics.ALWAYS_COPY
    )
    return _jax.batched_copy_array_to_devices_with_sharding([buffer], [devices], [sharding], [how])[0]


def rewrap(buffer: Any, aval: Any, sharding: Any) -> Any:
    """The same memory under another aval and sharding; the result is always committed."""
    check_alive(buffer)
    return buffer._rewrap_with_aval_and_sharding(aval, sharding)


def clone(buffer: Any) -> Any:
    """A second handle on the same memory: deleting either deletes both."""
    check_alive(buffer)
    return buffer.clone()


def replace_contents(buffer: Any, other: Any) -> None:
    """Puts ``other``'s memory under ``buffer`` (for mutable references); aval and sharding must agree."""
    buffer._replace_with(other)


def reorder_shards(buffer: Any, sharding: Any, semantics: Any = ArrayCopySemantics.REUSE_INPUT) -> Any:
    """``buffer`` under a sharding that has the same shards on the same devices in another order."""
    check_alive(buffer)
    return _jax.reorder_shards(buffer, sharding, semantics)


# Device to host ---------------------------------------------------------------------------------------------------


class _Memory:
    """Memory of a buffer in NumPy's array interface; keeps the buffer alive as long as a view of it lives."""

    __slots__ = ("__array_interface__", "buffer")

    def __init__(self, buffer: Any, typestr: str, shape: tuple[int, ...]):
        self.buffer = buffer
        self.__array_interface__ = {
            "data": (without_jax(buffer.unsafe_buffer_pointer), True),
            "typestr": typestr,
            "shape": shape,
            "version": 3,
        }


def to_numpy(buffer: Any) -> np.ndarray:
    """The value of a buffer with one shard as a read-only array; waits for it.  On the CPU mostly without a copy."""
    check_alive(buffer)
    aval = buffer.aval
    dtype = aval.dtype
    if buffer.platform() == "cpu":
        if dtype.isbuiltin == 1:
            return np.asarray(buffer)
        if dtype not in _SUB_BYTE and 0 not in aval.shape:
            buffer.block_until_ready()
            return np.asarray(_Memory(buffer, _BITS_VIEW[dtype.itemsize], aval.shape)).view(dtype)
    return copy_to_numpy(buffer)


def copy_to_numpy(buffer: Any) -> np.ndarray:
    """`to_numpy` that also knows memory with strides of its own, as DLPack may bring it."""
    if SINCE_0_11:
        value = buffer._to_np_array_did_copy()[0]
    else:
        buffer.block_until_ready()
        value = without_jax(buffer._single_device_array_to_np_array_did_copy)[0]
    value.flags.writeable = False
    return value


def start_copy_to_host(buffer: Any) -> None:
    """Starts the transfer to the host so that a later :func:`to_numpy` need not wait; returns at once."""
    check_alive(buffer)
    if SINCE_0_11:
        _jax.batched_copy_to_host_async([buffer])
    elif buffer.platform() != "cpu":
        without_jax(buffer._copy_single_device_array_to_host_async)


def shards(buffer: Any) -> list:
    """The single-device buffers of a buffer, in the order of its sharding's addressable devices.

    They have no aval: give them one with :func:`rewrap`.
    """
    check_alive(buffer)
    return without_jax(_get_arrays, buffer)


def _get_arrays(buffer: Any) -> list:
    return buffer._arrays


def first_shard(buffer: Any) -> Any:
    """One shard, without an aval; of a replicated buffer it is the whole value."""
    check_alive(buffer)
    return without_jax(buffer._fully_replicated_shard)


# Life -------------------------------------------------------------------------------------------------------------

block_until_ready = (
    _jax.batched_block_until_ready
)  # (list of buffers); raises the error of a failed computation


def is_ready(buffer: Any) -> bool:
    check_alive(buffer)
    return buffer.is_ready()


def pointer(buffer: Any) -> int:
    """Address of the memory of a buffer with one shard; waits for it."""
    check_alive(buffer)
    buffer.block_until_ready()
    return without_jax(buffer.unsafe_buffer_pointer)


def platform(buffer: Any) -> str:
    check_alive(buffer)
    return buffer.platform()


def size_in_bytes(buffer: Any) -> int:
    check_alive(buffer)
    return buffer.on_device_size_in_bytes()


def layout(buffer: Any) -> Any:
    """The device layout (``PjRtLayout``; its text is minor to major, as in ``{1,0}``)."""
    check_alive(buffer)
    return buffer._pjrt_layout


def live_buffers(client: Any) -> list:
    """All buffers of a client that exist and are not deleted."""
    return [b for b in client.live_arrays() if not b.is_deleted()]


def error_buffer(client: Any, aval_with_sharding: Any, message: str) -> Any:
    """A buffer that raises ``message`` when it is waited for; so does whatever is computed from it."""
    return _jax._make_error_array(client, aval_with_sharding, message)


def result_handler(aval: Any, sharding: Any, committed: bool) -> Any:
    """Makes a buffer of ``aval`` under ``sharding`` out of one output of ``execute`` (see ``consume``)."""
    if SINCE_0_11:
        return _jax.array_result_handler(aval, sharding, committed)
    return _jax.array_result_handler(aval, sharding, committed, True)


# DLPack and the CUDA array interface --------------------------------------------------------------------------------


class _DLDataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _DLTensor(ctypes.Structure):
    """The head of every DLPack message (dlpack.h)."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("dtype", _DLDataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


# Versioned messages (DLPack 1.0) have the version, two pointers and the flags before the tensor.
_VERSIONED_HEADER = 8 + 2 * ctypes.sizeof(ctypes.c_void_p) + 8

_capsule_name = ctypes.pythonapi.PyCapsule_GetName
_capsule_name.restype, _capsule_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype, _capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]

_DLPACK_NUMBERS = {0: "int", 1: "uint", 2: "float", 5: "complex"}
_DLPACK_SMALL_FLOATS = {
    4: "bfloat16",
    7: "float8_e3m4",
    8: "float8_e4m3",
    9: "float8_e4m3b11fnuz",
    10: "float8_e4m3fn",
    11: "float8_e4m3fnuz",
    12: "float8_e5m2",
    13: "float8_e5m2fnuz",
    14: "float8_e8m0fnu",
    15: "float6_e2m3fn",
    16: "float6_e3m2fn",
    17: "float4_e2m1fn",
}
DLPACK_CPU, DLPACK_CUDA, DLPACK_CUDA_HOST, DLPACK_ROCM = 1, 2, 3, 10


def dlpack_is_dense(capsule: Any) -> bool:
    """Whether the elements of a DLPack capsule lie in row-major order without gaps."""
    tensor = _dlpack_tensor(capsule)
    shape = [tensor.shape[i] for i in range(tensor.ndim)]
    if not tensor.strides or 0 in shape:
        return True
    expected = 1
    for i in reversed(range(tensor.ndim)):
        if shape[i] != 1 and tensor.strides[i] != expected:
            return False
        expected *= shape[i]
    return True


def dlpack_describe(capsule: Any) -> tuple[tuple[int, ...], np.dtype, int, int]:
    """(shape, dtype, device type, device id) of a DLPack capsule that nobody has consumed yet."""
    tensor = _dlpack_tensor(capsule)
    return (
        tuple(tensor.shape[i] for i in range(tensor.ndim)),
        _dlpack_dtype(tensor.dtype),
        tensor.device_type,
        tensor.device_id,
    )


def _dlpack_tensor(capsule: Any) -> _DLTensor:
    name = _capsule_name(capsule)
    if name not in (b"dltensor", b"dltensor_versioned"):
        raise ValueError(
            f"expected an unused DLPack capsule, got one named {name!r} (a capsule can be imported once)"
        )
    address = _capsule_pointer(capsule, name)
    if name == b"dltensor_versioned":
        address += _VERSIONED_HEADER
    return _DLTensor.from_address(address)


def _dlpack_dtype(t: _DLDataType) -> np.dtype:
    if t.lanes != 1:
        raise ValueError(f"DLPack vector types are not supported ({t.lanes} lanes)")
    if t.code == 6:
        return np.dtype(bool)
    if t.code in _DLPACK_NUMBERS:
        name = f"{_DLPACK_NUMBERS[t.code]}{t.bits}"
        return np.dtype(getattr(ml_dtypes, name)) if t.bits < 8 else np.dtype(name)
    if t.code in _DLPACK_SMALL_FLOATS:
        return np.dtype(getattr(ml_dtypes, _DLPACK_SMALL_FLOATS[t.code]))
    raise ValueError(f"unsupported DLPack data type: code {t.code}, {t.bits} bits")


def to_dlpack(
    buffer: Any, stream: int | None = None, max_version: tuple[int, int] | None = None, copied: bool = False
) -> Any:
    """A DLPack capsule that shares the memory of ``buffer`` and keeps it alive."""
    check_alive(buffer)
    if SINCE_0_12 and (max_version is not None or copied):
        return _jax.buffer_to_dlpack_managed_tensor(
            buffer, stream=stream, max_version=max_version, copied=copied
        )
    return _jax.buffer_to_dlpack_managed_tensor(buffer, stream=stream)


def from_dlpack(
    capsule: Any, device: Any, stream: int | None = None, copy: bool | None = None
) -> tuple[Any, tuple[int, ...], np.dtype]:
    """Imports a capsule onto ``device``: (raw buffer, shape, dtype).

    The raw buffer has no aval: give it one with :func:`rewrap`.  jaxlib shares the memory where alignment allows and
    ignores ``copy=True``, so a caller who wants a copy copies the result; ``copy=False`` raises if it cannot share.
    """
    shape, dtype, _, _ = dlpack_describe(capsule)
    raw = without_jax(_jax.dlpack_managed_tensor_to_buffer, capsule, device, stream, None if copy else copy)
    return raw, shape, dtype


def from_cuda_array_interface(interface: dict, client: Any, device_id: int | None = None) -> Any:
    """A raw buffer (without aval) on memory described by ``__cuda_array_interface__``."""
    return without_jax(_jax.cuda_array_interface_to_buffer, interface, client, device_id)
