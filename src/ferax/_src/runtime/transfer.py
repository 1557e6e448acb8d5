"""Values to devices and back: one leaf at a time, and whole pytrees.

A NumPy array that is put on a device is always copied, since its owner may write to it later, unless the caller made it
and gives it away (`own=True`). Values that nobody placed go to the default device *uncommitted*: a computation with
committed values takes them along to where those are.
"""

from __future__ import annotations

import contextvars
import threading
import warnings
from dataclasses import dataclass

import numpy as np

from ferax._src import engine
from ferax._src.engine import buffers
from ferax._src.runtime import devices, lowering_shardings
from ferax._src.runtime.array import ArrayImpl, Signature, scatter, signature
from ferax._src.tracing import core
from ferax._src.tracing.core import Primitive, Tracer
from ferax._src.tracing.refs import Ref, unpack_error
from ferax._src.types import dtypes, pytrees
from ferax._src.types.avals import ShapedArray
from ferax._src.types.memory_space import MemorySpace
from ferax._src.types.shardings import NamedSharding, Sharding, SingleDeviceSharding
from ferax._src.util import config
from ferax._src.util.tracebacks import at_fault

_device_put = buffers._device_put
_ZERO_COPY = buffers._ZERO_COPY
_x64 = config.enable_x64
_default_device = config.default_device


# --- from the host ------------------------------------------------------------------------------

_sigs: dict[tuple, Signature] = {}              # the signatures of common kinds of values, found by one look

def from_numpy(value: np.ndarray, weak_type: bool = False, sharding=None, *, own: bool = False,
               committed: bool = False) -> ArrayImpl:
    """A NumPy array of a canonical dtype on a device; copied unless ``own`` says that nobody else will write to it."""
    if sharding is None:
        sharding = devices.default_sharding()
    key = (value.shape, value.dtype, weak_type, sharding, committed)
    sig = _sigs.get(key)
    if sig is None:
        sig = signature(ShapedArray(value.shape, value.dtype, weak_type), sharding, committed)
        if len(_sigs) < 4096:
            _sigs[key] = sig
    if sig.single:
        buf = _device_put(sig.physical, sharding, [value], [sharding._device], committed, not own, _ZERO_COPY, True)
        return ArrayImpl(buf, sig)
    return ArrayImpl(_scatter(value, sig), sig)


def _scatter(value: np.ndarray, sig: Signature):
    """A buffer over several devices from the whole (physical) value on the host."""
    sig.sharding.check_compatible_aval(value.shape)
    return scatter(value, sig.physical, sig.sharding, sig.committed)


def array_from_host(value, dtype=None, weak_type: bool = False, sharding=None, committed: bool = False) -> ArrayImpl:
    """The array for a NumPy array, a Python scalar or nested lists of them.

    Parameters
    ----------
    value : numpy array or scalar, Python scalar, nested sequences of these
    dtype : the wanted dtype, by default that of the value; 64 bits become 32 while x64 is off
    weak_type : bool
    sharding : Sharding or None, for the default device
    committed : bool
    """
    kind = type(value)
    if kind is np.ndarray:
        if value.dtype.names is not None and value.dtype == dtypes.float0 and dtype is None:
            return _float0_array(value.shape, sharding, committed)
        npy, own = value, False
    else:
        if dtype is None and (kind is float or kind is int or kind is bool or kind is complex):
            dtype = dtypes.scalar_type_to_dtype(kind, value)
            npy = np.array(value, dtype)
        else:
            npy = np.array(value)
        own = True
    wanted = dtypes.canonicalize(npy.dtype if dtype is None else dtype)
    if npy.dtype is not wanted and npy.dtype != wanted:
        npy = _convert(value, npy, wanted, dtype is None)
        own = True
    elif not dtypes.is_supported(wanted):
        if not dtypes.is_supported(wanted.newbyteorder("=")):
            raise not_a_value(value)
        npy, own = npy.astype(wanted.newbyteorder("=")), True       # the bytes in the machine's order
    return from_numpy(npy, weak_type, sharding, own=own, committed=committed)


def _float0_array(shape: tuple, sharding, committed: bool) -> ArrayImpl:
    """An array of dtype float0, which devices hold as booleans."""
    held = from_numpy(np.zeros(shape, bool), False, sharding, own=True, committed=committed)
    return ArrayImpl(held._buf, signature(ShapedArray(shape, dtypes.float0), held._sig.sharding, committed))


def _convert(value, npy: np.ndarray, dtype, implicit: bool) -> np.ndarray:
    kind = npy.dtype.kind
    if kind in "iu" and not isinstance(value, (np.ndarray, np.generic)):
        return np.array(value, dtype)           # Python ints: raises OverflowError for one that does not fit
    if kind in "OSUMm" or npy.dtype.names is not None:
        raise not_a_value(value)
    if kind == "c" and not implicit and dtypes.kind_of(dtype) not in "cb":
        npy = real_part(value, npy, dtype)
    return _quiet.context.run(npy.astype, dtype)


def real_part(value, npy: np.ndarray, dtype) -> np.ndarray:
    """Of complex numbers what a real dtype can hold: a TypeError for Python's, a warning for arrays.

    Parameters
    ----------
    value : what the user gave
    npy : the same as a NumPy array
    dtype : the real dtype that was asked for
    """
    if not isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(f"complex numbers cannot be made {dtypes.dtype_name(dtype)}: the imaginary part would be lost, got "
                        f"{value!r}. Take its real part first")
    warnings.warn("Casting complex values to real discards the imaginary part; say which part is meant, by x.real or x.imag",
                  np.exceptions.ComplexWarning, stacklevel=6)
    return npy.real


class _Quiet(threading.local):
    """A context in which NumPy says nothing of overflow: too large a float becomes inf, as on the device.

    ``np.errstate`` takes longer than the conversion itself.
    """

    def __init__(self):
        self.context = contextvars.copy_context()
        self.context.run(np.seterr, all="ignore")


_quiet = _Quiet()


def not_a_value(value) -> Exception:
    """The error for a value that cannot be an array."""
    if type(value) is Ref:
        return unpack_error(value)
    if isinstance(value, np.ndarray):
        return at_fault(TypeError(f"a NumPy array of dtype {value.dtype} cannot be an array: its elements are not numbers"), value)
    text = repr(value) if isinstance(value, str) else f"'{value!r}'"
    text = text if len(text) <= 60 else text[:57] + "..."
    return at_fault(TypeError(f"Argument {text} of type {type(value)} is not a valid JAX type: expected an array, a number, or "
                              "nested lists of numbers"), value)


# Python scalars become device arrays at every eager `x + 1`; the last ones are kept.
_scalars: dict[tuple, ArrayImpl] = {}
_SCALARS_KEPT = 1024


def scalar_array(value) -> ArrayImpl:
    """The uncommitted array for a Python scalar (weakly typed) or a NumPy one, for use as an argument.

    It is shared: do not hand it to users, and do not donate it.
    """
    key = (value, type(value), _x64.value, _default_device.value)
    found = _scalars.get(key)
    if found is not None and value and not found._buf.is_deleted():
        return found
    kind = type(value)
    if isinstance(value, np.generic):
        made = array_from_host(value)
        if value:
            _keep(key, made)
        return made
    if kind not in dtypes.python_scalar_dtypes:
        kind = dtypes.python_scalar_base(kind)
        value = kind(value)
    if not value:                               # 0.0 == -0.0 and 0j == -0j: told apart by their text
        key = (repr(value), *key[1:])
        found = _scalars.get(key)
        if found is not None and not found._buf.is_deleted():
            return found
    made = from_numpy(np.array(value, dtypes.scalar_type_to_dtype(kind, value)), kind is not bool, own=True)
    _keep(key, made)
    return made


def _keep(key: tuple, made: ArrayImpl) -> None:
    if len(_scalars) >= _SCALARS_KEPT:
        _scalars.clear()
    _scalars[key] = made


devices.on_clear(_scalars.clear)
devices.on_clear(_sigs.clear)


def as_array(value) -> ArrayImpl:
    """Any concrete value as an argument of a compiled program."""
    if type(value) is ArrayImpl:
        return value
    kind = type(value)
    if kind is float or kind is int or kind is bool or kind is complex:
        return scalar_array(value)
    if kind is np.ndarray:
        return array_from_host(value)
    if isinstance(value, np.generic):
        return scalar_array(value)
    if isinstance(value, np.ndarray):
        return array_from_host(value)
    if isinstance(value, ArrayImpl):
        return value
    if isinstance(value, (bool, int, float, complex)):
        return scalar_array(value)
    if getattr(value, "__jax_array__", None) is not None:       # None on tracers of the real jax
        return as_array(value.__jax_array__())
    if isinstance(value, Tracer):
        raise core.escaped_tracer_error(value)
    raise not_a_value(value)


# --- between devices ----------------------------------------------------------------------------

def move(x: ArrayImpl, sharding, *, donate: bool = False, may_alias: bool | None = None) -> ArrayImpl:
    """The array under another sharding, committed to it; without a copy where it lies so already."""
    sig = x._sig
    buffers.check_alive(x._buf)
    if sharding is None or sharding is sig.sharding:
        if may_alias is False and not donate:
            x = x.copy()
        return x if sharding is None or sig.committed else ArrayImpl(x._buf, signature(x.aval, sharding, True))
    sharding.check_compatible_aval(x.aval.shape)
    new = signature(x.aval, sharding, True)
    places = sharding._device_list
    same_client = places[0].client is sig.sharding._device_list[0].client
    if same_client and sig.single and new.single:
        buf = buffers.copy_to_devices(x._buf, places, sharding)
    elif same_client and sig.single and sharding.is_fully_replicated and sharding.is_fully_addressable:
        buf = engine.put(new.physical, sharding, [x._buf] * len(places), list(places), True)
    elif new.single:
        buf = engine.put(new.physical, sharding, [x._fetch()], [places[0]], True)
    else:
        buf = _scatter(x._fetch(), new)
    if donate:                                  # the engine's own donating copy leaves an object that crashes when asked
        buffers.block_until_ready([buf])
        x.delete()
    return ArrayImpl(buf, new)


def put_leaf(value, sharding=None, *, donate: bool = False, may_alias: bool | None = None):
    """One leaf on its place: ``sharding`` None leaves an array where it is and a host value uncommitted."""
    if type(sharding) is MemoryKind and not isinstance(value, Tracer):
        value = as_array(value)
        sharding = value.sharding.with_memory_kind(sharding.kind)
    if type(value) is ArrayImpl:
        return move(value, sharding, donate=donate, may_alias=may_alias)
    if isinstance(value, Tracer):
        return device_put_p.bind(value, sharding=sharding)[0]
    kind = type(value)
    if sharding is not None:
        sharding.check_compatible_aval(np.shape(value))
    if isinstance(value, (np.ndarray, np.generic)):
        return array_from_host(value, sharding=sharding, committed=sharding is not None)
    if kind in dtypes.python_scalar_dtypes:
        return array_from_host(value, None, kind is not bool, sharding, sharding is not None)
    if isinstance(value, (bool, int, float, complex)):
        return put_leaf(dtypes.python_scalar_base(kind)(value), sharding)
    if getattr(value, "__jax_array__", None) is not None:       # None on tracers of the real jax
        return put_leaf(value.__jax_array__(), sharding, donate=donate, may_alias=may_alias)
    if hasattr(value, "__array__") and not isinstance(value, (str, bytes)):
        return put_leaf(np.asarray(value), sharding)
    raise not_a_value(value)


@dataclass(frozen=True)
class MemoryKind:
    """A kind of memory of the device where a value is, as a place for `device_put_p`: "device", "pinned_host", ..."""

    kind: str


class DevicePut(Primitive):
    """The same values, at another place."""

    name = "device_put"

    def abstract_eval(self, x, *, sharding):
        return [x]

    def evaluate(self, args, params):
        if isinstance(params["sharding"], MemoryKind):
            return [as_array(args[0])]          # evaluated at once, a value is in use already
        return [put_leaf(as_array(args[0]), params["sharding"])]

    def lower(self, ctx, x, *, sharding):
        if isinstance(sharding, MemoryKind):
            if ctx.platform == "cpu":           # has one memory, whatever it is called
                return [x]
            place = {"mhlo.frontend_attributes": ctx.bench.attribute({"_xla_buffer_placement": sharding.kind})}
            return ctx.custom_call("annotate_device_placement", [x], [x.type], has_side_effect=True, api_version=1, attrs=place)
        if sharding is None or type(sharding) is SingleDeviceSharding:
            return [x]                          # inside a program there is one place: the program's own
        return [lowering_shardings.constrain(ctx, x, ctx.avals_in[0], sharding)]

    def jvp(self, primals, tangents, *, sharding):
        (x,), (t,) = primals, tangents
        outs = self.bind(x, sharding=sharding)
        return outs, [t] if isinstance(t, core.Zero) else self.bind(t, sharding=sharding)

    def transpose(self, cts, x, *, sharding):
        return list(cts)

    def batch(self, axis, args, dims, *, sharding):
        (d,) = dims
        if isinstance(sharding, NamedSharding) and len(sharding.spec) > d:
            parts = list(sharding.spec)
            parts.insert(d, axis.spmd_name)
            sharding = sharding.update(spec=sharding.spec.update(partitions=parts))
        return self.bind(args[0], sharding=sharding), [d]


device_put_p = core.register(DevicePut())


# --- pytrees ------------------------------------------------------------------------------------

def _as_place(place):
    if place is None or isinstance(place, Sharding):
        return place
    if isinstance(place, engine.Device):
        return SingleDeviceSharding(place)
    if isinstance(place, MemorySpace):
        return MemoryKind(place.memory_kind)
    inner = getattr(place, "sharding", None)    # a Format: layout and sharding
    if isinstance(inner, Sharding):
        return inner
    raise ValueError("`device_put` only accepts `None`, a `Sharding`, a `Device`, a `memory.Space`, or a pytree of these values. "
                     f"Received invalid value: {place}")


def _is_place(x) -> bool:
    return x is None or isinstance(x, (Sharding, engine.Device, MemorySpace))


def device_put(x, device=None, *, src=None, donate=False, may_alias=None):
    """Put a pytree of arrays and numbers on a device.

    Parameters
    ----------
    x : pytree
    device : None, Device, Sharding, memory.Space, or a pytree of these that is a prefix of ``x``. With None, numbers and
        NumPy arrays go to the default device uncommitted, and arrays stay where they are. A space is a memory of the
        devices where the value is.
    src : accepted for compatibility
    donate : bool, or a prefix of ``x`` of them; the memory of arrays may be reused, they must not be used afterwards
    may_alias : bool or None; False asks for a copy even where nothing has to move

    Returns
    -------
    pytree of Array
    """
    leaves, tree = pytrees.tree_flatten(x)
    count = len(leaves)
    places = [_as_place(device)] * count if _is_place(device) else [
        _as_place(p) for p in _along(device, x, "device", _is_place)]
    gives = [donate] * count if isinstance(donate, bool) else _along(donate, x, "donate")
    alias = [may_alias] * count if may_alias is None or isinstance(may_alias, bool) else _along(
        may_alias, x, "may_alias", lambda v: v is None)
    return tree.unflatten([put_leaf(leaf, place, donate=give, may_alias=a)
                           for leaf, place, give, a in zip(leaves, places, gives, alias)])


def _along(prefix, tree, what: str, is_leaf=None) -> list:
    """The values of a prefix tree, one for each leaf of the whole."""
    try:
        return pytrees.broadcast_prefix(prefix, tree, is_leaf)
    except ValueError as error:
        raise ValueError(f"device_put: the {what} specification must be a tree prefix of the value: {error}") from error


def device_get(x):
    """A pytree with its arrays as NumPy arrays; other leaves, and arrays of keys, stay as they are.

    Transfers start for all leaves before the first one is waited for.
    """
    leaves, tree = pytrees.tree_flatten(x)
    for leaf in leaves:
        if type(leaf) is ArrayImpl and leaf._sig.physical is leaf.aval:
            leaf.copy_to_host_async()
    return tree.unflatten([_get(leaf) for leaf in leaves])


def _get(leaf):
    if type(leaf) is ArrayImpl and leaf._sig.physical is not leaf.aval:
        return leaf                             # keys: NumPy has no such dtype
    if isinstance(leaf, core.Array):
        return np.asarray(leaf)
    convert = getattr(leaf, "__array__", None)
    return convert() if convert is not None and not isinstance(leaf, (np.ndarray, np.generic)) else leaf


# --- arrays from parts --------------------------------------------------------------------------

def make_array_from_single_device_arrays(shape, sharding, arrays, *, dtype=None) -> ArrayImpl:
    """An array over several devices from its parts, one array for each device of this process; nothing is copied."""
    shape = tuple(shape)
    parts = {x._sig.sharding._device: x for x in arrays}
    places = list(sharding._device_list.addressable_device_list)
    if set(parts) != set(places) or len(arrays) != len(places):
        raise ValueError(f"expected one array on each of {places}, got arrays on {[x.device for x in arrays]}")
    piece = sharding.shard_shape(shape)
    kind = arrays[0].dtype if arrays else dtypes.as_dtype(dtype)
    for x in arrays:
        if x.shape != piece or x.dtype != kind:
            raise ValueError(f"each part must be {kind}{list(piece)}, got {x.aval.str_short()} on {x.device}")
    weak = bool(arrays) and all(x.weak_type for x in arrays)
    sig = signature(ShapedArray(shape, kind, weak), sharding, True)
    for x in arrays:
        buffers.check_alive(x._buf)
    return ArrayImpl(engine.assemble(sig.physical, sharding, [parts[d]._buf for d in places], True), sig)


def make_array_from_callback(shape, sharding, data_callback, dtype=None) -> ArrayImpl:
    """An array over several devices; ``data_callback(index)`` answers the part at each index."""
    shape = tuple(shape)
    parts, seen = [], {}
    for device, index in sharding.addressable_devices_indices_map(shape).items():
        key = str(index)
        if key not in seen:
            seen[key] = data_callback(index)
        part = seen[key]
        place = SingleDeviceSharding(device, sharding.memory_kind)
        parts.append(put_leaf(part if dtype is None or isinstance(part, ArrayImpl) else np.asarray(part, dtype), place))
    return make_array_from_single_device_arrays(shape, sharding, parts, dtype=dtype)


# --- arrays of other libraries ------------------------------------------------------------------

def from_dlpack(external_array, device=None, copy: bool | None = None) -> ArrayImpl:
    """An array from one of another library (NumPy, PyTorch, CuPy, real JAX, ...) by DLPack.

    The memory is shared where possible: do not write to the other array afterwards, or pass ``copy=True``.

    Parameters
    ----------
    external_array : object with ``__dlpack__`` and ``__dlpack_device__``
    device : Device, Sharding on one device, or None for where the array is
    copy : True for a copy in any case, False to refuse one, None as needed
    """
    place = _as_place(device)
    if isinstance(external_array, ArrayImpl):
        x = external_array
        return move(x, place, may_alias=False if copy else None) if place or copy else x
    if not hasattr(external_array, "__dlpack__") or not hasattr(external_array, "__dlpack_device__"):
        raise TypeError("The array passed to from_dlpack must have __dlpack__ and __dlpack_device__ methods; got "
                        f"{type(external_array)}")
    x = _import_dlpack(external_array, copy)
    if copy:
        x = x.copy().block_until_ready()        # the owner of the memory may write to it as soon as we return
    if place is not None and place is not x.sharding:
        if copy is False:
            raise ValueError(f"from_dlpack: the array is on {x.device}, moving it to {device} needs a copy (copy=False)")
        x = move(x, place)
    return x


def is_supported_dtype(dtype) -> bool:
    """Whether arrays of this dtype can be exchanged by DLPack.

    Raises
    ------
    TypeError : for what is no dtype, and for None.
    """
    if dtype is None:
        raise TypeError("is_supported_dtype: a dtype is needed, got dtype=None")
    return np.dtype(dtype).name in _DLPACK_DTYPES


_DLPACK_DTYPES = frozenset((
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 float64 complex64 complex128").split())


def _dlpack_device(kind: int, number: int):
    platforms = {buffers.DLPACK_CPU: "cpu", buffers.DLPACK_CUDA_HOST: "cpu", buffers.DLPACK_CUDA: "cuda",
                 buffers.DLPACK_ROCM: "rocm"}
    if kind not in platforms:
        raise TypeError(f"Array passed to from_dlpack is on unsupported device type (DLDeviceType: {kind}, "
                        f"array: {number})")
    if platforms[kind] == "cpu":
        return devices.local_devices(backend="cpu")[0]
    for device in devices.local_devices(backend=platforms[kind]):
        if device.local_hardware_id == number:
            return device
    raise RuntimeError(f"from_dlpack: the array is on {platforms[kind]} device {number}, which ferax does not use")


def _import_dlpack(external, copy: bool | None) -> ArrayImpl:
    kind, number = external.__dlpack_device__()
    device = _dlpack_device(int(kind), int(number))
    on_cpu = device.platform == "cpu"
    try:
        capsule = external.__dlpack__()
        dense = engine.buffers.dlpack_is_dense(capsule)
        if not dense and copy is False:
            raise ValueError("its elements do not lie in row-major order")
        raw, shape, dtype = engine.buffers.from_dlpack(capsule, device)
    except (BufferError, ValueError, engine.JaxRuntimeError) as error:
        # Read-only or strided memory, which the exchange refuses; on the host NumPy can read it all the same.
        if copy is False or not on_cpu:
            raise ValueError(f"from_dlpack: the memory cannot be shared: {error}") from error
        read = np.asarray if hasattr(external, "__array__") else np.from_dlpack
        return array_from_host(np.array(read(external)), sharding=SingleDeviceSharding(device), committed=True)
    place = SingleDeviceSharding(device)
    if not dense:                               # programs expect row-major order
        value = buffers.copy_to_numpy(engine.rewrap(raw, ShapedArray(shape, dtype), place))
        return array_from_host(np.ascontiguousarray(value).reshape(shape), sharding=place, committed=True)
    if dtypes.canonicalize(dtype) != dtype:
        if copy is False:
            raise ValueError(f"from_dlpack: {dtype} becomes {dtypes.canonicalize(dtype)} while x64 is off, which needs "
                             "a copy (copy=False); switch on jax_enable_x64")
        aval = ShapedArray(shape, dtype)
        value = buffers.to_numpy(engine.rewrap(raw, aval, place))
        return array_from_host(value, sharding=place, committed=True)
    sig = signature(ShapedArray(shape, dtype), place, True)
    return ArrayImpl(engine.rewrap(raw, sig.physical, place), sig)
