"""Values to devices and back."""

import pickle

import ml_dtypes
import numpy as np
import pytest

from ferax._src.runtime import devices, dispatch  # noqa: F401 (dispatch makes operations run)
from ferax._src.runtime.array import ArrayImpl
from ferax._src.runtime.transfer import (
    MemoryKind,
    array_from_host,
    as_array,
    device_get,
    device_put,
    device_put_p,
    from_dlpack,
    make_array_from_callback,
    make_array_from_single_device_arrays,
    put_leaf,
    scalar_array,
)
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray
from ferax._src.types.memory_space import MemorySpace
from ferax._src.types.shardings import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding
from ferax._src.util import config


def aligned(n):
    raw = np.empty(4 * n + 64, np.uint8)
    at = -raw.__array_interface__["data"][0] % 64
    return raw[at:at + 4 * n].view(np.float32)


def mesh4():
    return Mesh(np.array(devices.devices()[:4]), ("x",))


def test_numpy_memory_is_never_shared():
    value = aligned(1000)
    value[:] = 1
    for x in (array_from_host(value), device_put(value), put_leaf(value), as_array(value),
              device_put(value, devices.devices()[1])):
        value[0] = 99
        assert np.asarray(x)[0] == 1
        value[0] = 1


def test_64_bits_follow_the_switch():
    assert array_from_host(np.ones(2)).dtype == np.float32
    assert array_from_host(np.arange(2)).dtype == np.int32
    assert array_from_host(np.ones(2, np.complex128)).dtype == np.complex64
    assert array_from_host([1, 2]).dtype == np.int32 and array_from_host([1.5]).dtype == np.float32
    assert array_from_host(1).dtype == np.int32 and array_from_host(True).dtype == np.bool_
    with config.enable_x64(True):
        assert array_from_host(np.ones(2)).dtype == np.float64
        assert array_from_host([1, 2]).dtype == np.int64 and array_from_host(1j).dtype == np.complex128
        assert device_put(1.5).dtype == np.float64
    assert array_from_host([1, 2], np.float32).tolist() == [1.0, 2.0]
    assert array_from_host(np.array([1e300])).tolist() == [np.inf]


@pytest.mark.filterwarnings("error")
def test_overflow_to_inf_is_silent():
    assert array_from_host([1e300, 1.0]).tolist() == [np.inf, 1.0]


def test_what_is_no_array():
    for bad in ("a", object(), [1, "a"], np.array(["a"]), np.array([object()]), b"x"):
        with pytest.raises((TypeError, ValueError)):
            array_from_host(bad)
        with pytest.raises(TypeError):
            put_leaf(bad)
    with pytest.raises(OverflowError):
        array_from_host(2**40)
    with pytest.raises(OverflowError):
        array_from_host([2**40])
    with pytest.raises(TypeError, match="Argument 'a' of type <class 'str'> is not a valid JAX type"):
        device_put("a")


def test_python_scalars_as_arguments():
    assert scalar_array(1) is scalar_array(1) and scalar_array(1).weak_type
    assert scalar_array(1).dtype == np.int32 and scalar_array(1.0).dtype == np.float32
    assert scalar_array(True).dtype == np.bool_ and not scalar_array(True).weak_type
    assert np.signbit(np.asarray(scalar_array(-0.0))) and not np.signbit(np.asarray(scalar_array(0.0)))
    assert np.isnan(np.asarray(scalar_array(float("nan"))))
    assert scalar_array(0).dtype == np.int32 and scalar_array(False).dtype == np.bool_
    with config.enable_x64(True):
        assert scalar_array(1).dtype == np.int64
    one = scalar_array(1)
    one.delete()
    assert int(scalar_array(1)) == 1
    assert as_array(np.float32(2)).dtype == np.float32 and not as_array(np.float32(2)).weak_type


def test_device_put_of_pytrees():
    second = devices.devices()[1]
    tree = {"a": np.ones(2, np.float32), "b": (1.0, [True, np.int32(3)], None)}
    out = device_put(tree, second)
    assert out["b"][2] is None and out["a"].device is second and out["a"].committed
    assert out["b"][0].weak_type and out["b"][1][0].dtype == np.bool_
    out = device_put(tree)
    assert not out["a"].committed and out["a"].device is devices.default_device()
    out = device_put([tree, 1.0], [second, None])
    assert out[0]["a"].device is second and out[1].device is devices.default_device() and not out[1].committed
    with pytest.raises(ValueError, match="prefix"):
        device_put([1, 2], {})
    with pytest.raises(ValueError, match="only accepts"):
        device_put(3, "cpu")


def test_moving():
    first, second = devices.devices()[:2]
    x = array_from_host(np.arange(4, dtype=np.float32))
    y = device_put(x, second)
    assert y.device is second and y.tolist() == x.tolist() and y.committed and not x.is_deleted()
    assert device_put(y, second) is y and device_put(y) is y
    z = device_put(x, first)
    assert z.committed and z.unsafe_buffer_pointer() == x.unsafe_buffer_pointer()
    w = device_put(x, first, may_alias=False)
    assert w.unsafe_buffer_pointer() != x.unsafe_buffer_pointer()
    weak = device_put(array_from_host(1.0, weak_type=True), second)
    assert weak.weak_type and weak.device is second
    gone = array_from_host(np.ones(3, np.float32))
    moved = device_put(gone, second, donate=True)
    assert gone.is_deleted() and moved.tolist() == [1, 1, 1]


def test_sharding_and_gathering():
    mesh = mesh4()
    rows, whole = NamedSharding(mesh, PartitionSpec("x")), NamedSharding(mesh, PartitionSpec())
    value = np.arange(8, dtype=np.float32).reshape(4, 2)
    x = device_put(value, rows)
    assert (np.asarray(x) == value).all()
    for target in (whole, NamedSharding(mesh, PartitionSpec(None)), SingleDeviceSharding(devices.devices()[2]), rows):
        y = device_put(x, target)
        assert y.sharding is target and (np.asarray(y) == value).all()
    single = array_from_host(value)
    assert (np.asarray(device_put(single, whole)) == value).all()
    assert (np.asarray(device_put(single, rows)) == value).all()
    with pytest.raises(ValueError, match="evenly divide"):
        device_put(np.ones(7, np.float32), rows)
    with pytest.raises(ValueError, match="rank"):
        device_put(1.0, rows)


def test_device_get():
    tree = {"a": array_from_host([1.0, 2.0]), "b": 3, "c": (array_from_host(1), np.ones(2))}
    out = device_get(tree)
    assert type(out["a"]) is np.ndarray and out["a"].tolist() == [1, 2] and out["b"] == 3 and type(out["b"]) is int
    assert isinstance(out["c"][0], np.ndarray) and out["c"][1] is tree["c"][1]


def test_default_device():
    second = devices.devices()[1]
    with config.default_device(second):
        assert array_from_host([1.0]).device is second and not array_from_host([1.0]).committed
        assert scalar_array(5).device is second
    with config.default_device("cpu"):
        assert array_from_host([1.0]).device is devices.devices()[0]
    assert scalar_array(5).device is devices.devices()[0]
    with pytest.raises(ValueError, match="default_device"):
        config.config.update("jax_default_device", 3)


def test_float0_is_held_as_booleans():
    x = put_leaf(np.zeros(3, dtypes.float0))
    assert x.dtype == dtypes.float0 and x._sig.physical.dtype == np.bool_
    assert np.asarray(x).dtype == dtypes.float0 and pickle.loads(pickle.dumps(x)).dtype == dtypes.float0


def test_objects_that_offer_an_array():
    class Offers:
        def __jax_array__(self):
            return array_from_host([1.0])

    class LikeNumpy:
        def __array__(self, dtype=None, copy=None):
            return np.ones(2, np.float32)

    assert as_array(Offers()).tolist() == [1.0] and put_leaf(Offers()).tolist() == [1.0]
    assert put_leaf(LikeNumpy()).tolist() == [1, 1]


def test_parts():
    mesh = mesh4()
    rows = NamedSharding(mesh, PartitionSpec("x"))
    parts = [device_put(np.full(2, i, np.float32), d) for i, d in enumerate(devices.devices()[:4])]
    x = make_array_from_single_device_arrays((8,), rows, parts)
    assert x.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    value = np.arange(8, dtype=np.float32)
    assert make_array_from_callback((8,), rows, lambda i: value[i]).tolist() == value.tolist()
    with pytest.raises(ValueError, match="one array on each"):
        make_array_from_single_device_arrays((8,), rows, parts[:3])
    with pytest.raises(ValueError, match="each part must be"):
        make_array_from_single_device_arrays((12,), rows, parts)


def test_from_dlpack():
    value = aligned(16)
    value[:] = np.arange(16)
    x = from_dlpack(value)
    assert x.tolist() == value.tolist() and x.unsafe_buffer_pointer() == value.__array_interface__["data"][0]
    assert x.committed and type(x) is ArrayImpl
    y = from_dlpack(value, copy=True)
    assert y.unsafe_buffer_pointer() != x.unsafe_buffer_pointer()
    assert from_dlpack(x) is x and from_dlpack(x, copy=True) is not x
    assert from_dlpack(np.arange(12.0, dtype=np.float32).reshape(3, 4).T).tolist() == np.arange(12.0).reshape(3, 4).T.tolist()
    readonly = np.ones(3, np.float32)
    readonly.flags.writeable = False
    assert from_dlpack(readonly).tolist() == [1, 1, 1]
    wide = from_dlpack(np.ones(3))
    assert wide.dtype == np.float32 and wide.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="copy=False"):
        from_dlpack(np.ones(3), copy=False)
    moved = from_dlpack(value, device=devices.devices()[1])
    assert moved.device is devices.devices()[1] and moved.tolist() == value.tolist()
    with pytest.raises(TypeError, match="__dlpack__"):
        from_dlpack([1, 2])
    for kind in (ml_dtypes.bfloat16, ml_dtypes.float8_e5m2):
        source = array_from_host(np.array([1, 2, 0.5], kind))

        class Foreign:
            def __init__(self, x):
                self.x = x

            def __dlpack__(self, **kwargs):
                return self.x.__dlpack__()

            def __dlpack_device__(self):
                return self.x.__dlpack_device__()

        if kind is ml_dtypes.bfloat16:
            back = from_dlpack(Foreign(source))
            assert back.dtype == source.dtype and back.unsafe_buffer_pointer() == source.unsafe_buffer_pointer()


def test_tracers_go_through_the_primitive():
    second = SingleDeviceSharding(devices.devices()[1])
    closed = trace_to_jaxpr(lambda x: [put_leaf(x, second)], [ShapedArray((2,), np.float32)])
    assert [e.primitive for e in closed.eqns] == [device_put_p]
    (x,) = device_put_p.bind(array_from_host([1.0]), sharding=second)
    assert x.device is devices.devices()[1]


def test_memory_spaces_are_places():
    x = device_put(np.arange(3.0, dtype=np.float32), devices.devices()[1])
    there = device_put({"a": x, "b": 2.0}, MemorySpace.Host)
    assert there["a"].sharding.memory_kind == there["b"].sharding.memory_kind == "pinned_host"
    assert there["a"].devices() == x.devices() and there["a"].committed
    back = device_put(there, {"a": MemorySpace.Device, "b": None})
    assert back["a"].sharding is x.sharding and back["b"].sharding.memory_kind == "pinned_host"
    assert np.asarray(back["a"]).tolist() == [0, 1, 2]
    traced = trace_to_jaxpr(lambda x: [device_put(x, MemorySpace.Host)], [x.aval])
    assert traced.eqns[0].params["sharding"] == MemoryKind("pinned_host")
    with pytest.raises(ValueError, match=r"MemorySpace.Any is no place"):
        device_put(x, MemorySpace.Any)
