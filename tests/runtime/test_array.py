"""The concrete array: what users know of arrays that needs no operations."""

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest

from ferax._src.engine import DeletedArrayError
from ferax._src.runtime import devices
from ferax._src.runtime.array import ArrayImpl, live_arrays, signature
from ferax._src.runtime.transfer import array_from_host, device_put, from_numpy
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray
from ferax._src.types.shardings import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding
from ferax._src.util import config

NAMES = ["bool", "int8", "int32", "uint8", "uint32", "float16", "float32", "complex64", "bfloat16", "float8_e4m3fn",
         "float8_e5m2", "float8_e4m3b11fnuz", "float8_e8m0fnu", "int4", "uint4", "int2", "uint2"]


def dtype_named(name):
    return np.dtype(getattr(ml_dtypes, name, name))


def sharded(shape=(8, 2), spec=("x", None), grid=(4,), names=("x",)):
    mesh = Mesh(np.array(devices.devices()[:int(np.prod(grid))]).reshape(grid), names)
    value = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return value, device_put(value, NamedSharding(mesh, PartitionSpec(*spec)))


@pytest.mark.parametrize("name", NAMES)
def test_every_dtype_comes_back(name):
    value = np.array([1, 2, 1]).astype(dtype_named(name)) if name != "bool" else np.array([True, False, True])
    if name.endswith("2") and name.startswith(("int", "uint")):
        value = np.array([1, 0, 1]).astype(dtype_named(name))
    x = array_from_host(value)
    back = np.asarray(x)
    assert x.dtype == back.dtype == value.dtype
    assert (back == value).all()
    assert not back.flags.writeable
    again = pickle.loads(pickle.dumps(x))
    assert again.dtype == x.dtype and (np.asarray(again) == value).all()


def test_numpy_sees_the_memory_itself():
    for value in (np.arange(1000, dtype=np.float32), np.arange(1000).astype(ml_dtypes.bfloat16)):
        x = array_from_host(value)
        assert np.asarray(x).__array_interface__["data"][0] == x.unsafe_buffer_pointer()
        assert np.asarray(x) is np.asarray(x)


def test_a_view_outlives_its_array():
    x = array_from_host(np.arange(4, dtype=np.float32))
    view = np.asarray(x)
    x.delete()
    assert view[3] == 3


def test_array_protocol_arguments():
    x = array_from_host(np.arange(3, dtype=np.float32))
    own = np.array(x)
    own[0] = 7                                  # np.array copies
    assert np.asarray(x)[0] == 0
    assert np.asarray(x, dtype=np.int64).dtype == np.int64
    assert np.asarray(x, copy=False) is np.asarray(x)
    with pytest.raises(ValueError, match="without a copy"):
        x.__array__(np.float64, copy=False)
    assert np.add(np.ones(3, np.float32), np.asarray(x)).dtype == np.float32


def test_what_it_knows_of_itself():
    x = array_from_host(np.zeros((2, 3), np.float32))
    assert (x.shape, x.dtype, x.ndim, x.size, x.itemsize, x.nbytes) == ((2, 3), np.float32, 2, 6, 4, 24)
    assert len(x) == 2 and not x.weak_type and isinstance(x, Array)
    assert x.on_device_size_in_bytes() == 24
    assert x.devices() == {devices.default_device()} and x.device is devices.default_device()
    assert x.sharding is SingleDeviceSharding(devices.default_device()) and not x.committed
    assert x.is_fully_addressable and x.is_fully_replicated and x.platform() == "cpu"
    assert x.__array_priority__ == 100
    assert x.is_ready() in (True, False) and x.block_until_ready() is x and x.is_ready()
    x.copy_to_host_async()
    assert x.traceback is not None
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)
    with pytest.raises(TypeError, match="unsized"):
        len(array_from_host(1.0))


def test_text():
    put = array_from_host
    assert repr(put(np.array([1, 2], np.float32))) == "Array([1., 2.], dtype=float32)"
    assert repr(put(3.0, weak_type=True)) == "Array(3., dtype=float32, weak_type=True)"
    assert repr(put(np.zeros((0, 3), np.float32))) == "Array([], shape=(0, 3), dtype=float32)"
    assert repr(put(np.array([True, False]))) == "Array([ True, False], dtype=bool)"
    assert repr(put(np.ones(2000, np.float32))) == "Array([1., 1., 1., ..., 1., 1., 1.], dtype=float32)"
    assert repr(put(np.arange(12).reshape(3, 4).astype(np.float32))) == (
        "Array([[ 0.,  1.,  2.,  3.],\n       [ 4.,  5.,  6.,  7.],\n       [ 8.,  9., 10., 11.]], dtype=float32)")
    long = repr(put(np.linspace(0, 1, 12).astype(np.float32)))
    assert all(len(line) <= 75 for line in long.splitlines()) and long.splitlines()[-1].startswith("      ")
    assert str(put(np.arange(3, dtype=np.float32))) == "[0. 1. 2.]"
    assert f"{put(2.0):.3f}" == "2.000" and f"{put(np.int32(7)):>4}" == "   7"
    with pytest.raises(TypeError, match="format"):
        format(put(np.arange(3)), ".3f")


def test_python_scalars():
    three = array_from_host(np.int32(3))
    assert int(three) == 3 and float(three) == 3.0 and complex(three) == 3 + 0j and bool(three)
    assert three.__index__() == 3 and [10, 11, 12, 13][three] == 13 and hex(three) == "0x3" and oct(three) == "0o3"
    assert three.item() == 3 and three.tolist() == 3 and type(three.item()) is int
    x = array_from_host(np.arange(3, dtype=np.float32))
    assert x.tolist() == [0.0, 1.0, 2.0] and x.item(1) == 1.0 and x.tobytes() == np.asarray(x).tobytes()
    for convert in (int, float, complex):
        with pytest.raises(TypeError, match="Only scalar arrays"):
            convert(x)
    for bad in (x, array_from_host(1.0)):
        with pytest.raises(TypeError, match="Only integer scalar arrays"):
            bad.__index__()
    with pytest.raises(ValueError, match="more than one element is ambiguous"):
        bool(x)
    with pytest.raises(ValueError, match="empty array is ambiguous"):
        bool(array_from_host(np.zeros(0, np.float32)))
    with pytest.raises(ValueError):
        x.item()


def test_iteration():
    x = array_from_host(np.arange(6, dtype=np.float32).reshape(3, 2))
    rows = list(x)
    assert all(type(r) is ArrayImpl and r.shape == (2,) for r in rows)
    assert [r.tolist() for r in rows] == [[0, 1], [2, 3], [4, 5]]
    assert [float(v) for v in array_from_host(np.arange(3, dtype=np.int32))] == [0, 1, 2]
    a, b = device_put(np.ones(2, np.float32), devices.devices()[1])
    assert a.device is devices.devices()[1] and b.committed
    with pytest.raises(TypeError, match="iteration over a 0-d array"):
        iter(array_from_host(1.0))


def test_copies_have_their_own_memory():
    x = array_from_host(np.arange(3, dtype=np.float32))
    for y in (x.copy(), copy.copy(x), copy.deepcopy(x)):
        assert y.unsafe_buffer_pointer() != x.unsafe_buffer_pointer() and y.tolist() == x.tolist()
        assert y._sig is x._sig


def test_pickle_keeps_weak_type():
    x = pickle.loads(pickle.dumps(array_from_host(2.0, weak_type=True)))
    assert x.weak_type and repr(x) == "Array(2., dtype=float32, weak_type=True)"
    with config.enable_x64(True):
        data = pickle.dumps(array_from_host(np.arange(3)))
    assert pickle.loads(data).dtype == np.int32             # x64 is off here


def test_deleted():
    x = array_from_host(np.ones(3, np.float32))
    assert not x.is_deleted()
    np.asarray(x)
    x.delete()
    x.delete()
    assert x.is_deleted() and x.shape == (3,) and x.dtype == np.float32
    uses = [lambda: np.asarray(x), lambda: repr(x), lambda: str(x), lambda: x.block_until_ready(), lambda: x.is_ready(),
            lambda: x.platform(), lambda: x.copy(), lambda: x.addressable_shards, lambda: x.addressable_data(0),
            lambda: x.__dlpack__(), lambda: x.devices(), lambda: x.unsafe_buffer_pointer(), lambda: pickle.dumps(x),
            lambda: x.on_device_size_in_bytes(), lambda: list(x), lambda: device_put(x), lambda: x.copy_to_host_async()]
    for use in uses:
        with pytest.raises(DeletedArrayError, match=r"Array has been deleted with shape=float32\[3\]\."):
            use()


def test_signatures_are_interned():
    x, y = array_from_host(np.ones(3, np.float32)), array_from_host(np.zeros(3, np.float32))
    assert x._sig is y._sig and x.aval is y.aval
    z = device_put(x, devices.default_device())
    assert z._sig is not x._sig and z.committed
    assert signature(x.aval, x.sharding, True) is z._sig


def test_sharded():
    value, x = sharded()
    assert x.shape == (8, 2) and len(x.devices()) == 4 and x.committed and not x.is_fully_replicated
    assert (np.asarray(x) == value).all() and repr(x) == repr(array_from_host(value)) and x.device is x.sharding
    shards = x.addressable_shards
    assert [s.device for s in shards] == list(devices.devices()[:4])
    assert shards[1].index == (slice(2, 4), slice(None)) and shards[1].data.shape == (2, 2)
    assert (np.asarray(shards[1].data) == value[2:4]).all() and shards[1].replica_id == 0
    assert x.addressable_data(3).tolist() == value[6:].tolist()
    assert len(x.global_shards) == 4 and "replica_id=0" in repr(shards[0])
    assert x.copy().sharding is x.sharding and (np.asarray(x.copy()) == value).all()
    assert pickle.loads(pickle.dumps(x)).tolist() == value.tolist()
    x.block_until_ready()
    x.delete()
    with pytest.raises(DeletedArrayError):
        np.asarray(x)


def test_replicated_shards_are_numbered():
    value, x = sharded(shape=(4, 2), spec=("x",), grid=(2, 2), names=("x", "y"))
    assert [s.replica_id for s in x.addressable_shards] == [0, 1, 0, 1]
    assert [s.index[0] for s in x.addressable_shards] == [slice(0, 2), slice(0, 2), slice(2, 4), slice(2, 4)]
    assert (np.asarray(x) == value).all()


def test_extended_dtypes_are_physical_underneath():
    class Pair(dtypes.ExtendedDType):
        name = "pair<u32>"
        element_shape = (2,)

    sharding = devices.default_sharding()
    raw = from_numpy(np.arange(6, dtype=np.uint32).reshape(3, 2))
    x = ArrayImpl(raw._buf, signature(ShapedArray((3,), Pair()), sharding, False))
    assert x.shape == (3,) and x.ndim == 1 and x.size == 3 and x.nbytes == 24
    assert repr(x) == "Array((3,), dtype=pair<u32>) overlaying:\n[[0 1]\n [2 3]\n [4 5]]"
    for use in (lambda: np.asarray(x), lambda: x.tolist(), lambda: x.__dlpack__()):
        with pytest.raises(TypeError, match="key_data"):
            use()
    assert x.addressable_data(0).dtype == Pair()
    assert device_put(x, devices.devices()[1]).dtype == Pair()


def test_live_arrays():
    x = array_from_host(np.ones(3, np.float32))
    assert any(a is x for a in live_arrays()) and any(a is x for a in live_arrays("cpu"))
    x.delete()
    assert not any(a is x for a in live_arrays())


def test_dlpack_out():
    x = array_from_host(np.arange(16, dtype=np.float32))
    view = np.from_dlpack(x)
    assert view.__array_interface__["data"][0] == x.unsafe_buffer_pointer() and view[5] == 5
    assert x.__dlpack_device__() == (1, 0)
    _, many = sharded()
    with pytest.raises(BufferError):
        many.__dlpack__()
    with pytest.raises(BufferError):
        x.__dlpack__(dl_device=(2, 0))
