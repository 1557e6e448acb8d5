"""Members of `ferax.stages` and of what belongs to them: structures, formats, devices to compile for, shards, DLPack dtypes."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax.experimental.layout import Format, Layout
from ferax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec as P, Sharding, SingleDeviceSharding
from ferax.stages import ArgInfo, Compiled


def f(x, unused, *, tree):
    return {"y": x @ x.T}, tree["n"] + 1


def test_structures_and_formats():
    traced = ferax.jit(f, donate_argnums=0).trace(jnp.ones((2, 2)), 1., tree={"n": 2})
    lowered = traced.lower()
    compiled = lowered.compile()
    for stage in (traced, lowered, compiled):
        assert stage.in_tree == ferax.tree.structure(((0, 0), {"tree": {"n": 0}}))
        assert stage.out_tree == ferax.tree.structure(({"y": 0}, 0))
        args, kwargs = stage.args_info
        assert args[0].donated and not args[1].donated and kwargs["tree"]["n"].dtype == np.int32
    assert traced.fun_name == "f" and len(traced.jaxpr.in_avals) == 3
    here = SingleDeviceSharding(ferax.devices()[0])
    (x, unused), kwargs = compiled.input_formats
    assert x == Format(Layout((0, 1), ()), here) and unused == Format(None, here)
    assert kwargs["tree"]["n"] == Format(Layout((), ()), here)
    y, n = compiled.output_formats
    assert y["y"] == x and n == kwargs["tree"]["n"]
    _, n = Compiled.call(compiled, jnp.ones((2, 2)), 1., tree={"n": 2})
    assert int(n) == 3


def test_argument_info():
    info = ferax.jit(f).trace(jnp.ones((2, 3)), 1., tree={"n": 2}).args_info[0][0]
    assert info == ArgInfo(info._aval, False) and len({info, ArgInfo(info._aval, False), ArgInfo(info._aval, True)}) == 2
    assert repr(info) == f"ArgInfo(_aval={info._aval!r}, donated=False)"


def test_compiling_for_other_devices():
    first, second, *_ = ferax.devices()
    lowered = ferax.jit(lambda x: x * 2).lower(jnp.ones(3))
    assert lowered.compile(device_assignment=(first,))(jnp.ones(3)).devices() == {first}
    y = lowered.compile(device_assignment=[second])(jnp.ones(3))
    assert y.devices() == {second} and y.tolist() == [2., 2., 2.]
    with pytest.raises(ValueError, match="as many devices"):
        lowered.compile(device_assignment=(first, second))
    cut = ferax.device_put(jnp.ones(4), NamedSharding(Mesh([first, second], "x"), P("x")))
    lowered = ferax.jit(lambda x: x * 2).lower(cut)
    assert lowered.compile(device_assignment=(first, second))(cut).sharding.is_equivalent_to(cut.sharding, 1)
    with pytest.raises(ValueError, match="cannot replace"):
        lowered.compile(device_assignment=(second, first))


def test_shards():
    mesh = Mesh(np.array(ferax.devices()[:4]).reshape(2, 2), ("a", "b"))
    x = ferax.device_put(jnp.arange(4.), NamedSharding(mesh, P("b")))
    found = [(s.device.id, s.index, s.replica_id, s.data.tolist()) for s in x.addressable_shards]
    left, right = (slice(0, 2),), (slice(2, 4),)
    assert found == [(0, left, 0, [0., 1.]), (1, right, 0, [2., 3.]), (2, left, 1, [0., 1.]), (3, right, 1, [2., 3.])]
    made = ferax.Shard(ferax.devices()[3], x.sharding, x.shape)
    assert made.index == right and made.replica_id == 1 and made.data is None and "replica_id=1" in repr(made)


def test_what_must_be_given():
    with pytest.raises(TypeError, match="new_val"):
        ferax.transfer_guard()
    with pytest.raises(TypeError, match="axis_names"):
        AbstractMesh((("x", 2),))
    assert NamedSharding.__annotations__.keys() >= {"mesh", "spec"} and Sharding.is_fully_replicated is not None
    with ferax.set_mesh(Mesh(ferax.devices()[:2], "x")) as scope:
        assert scope.prev_mesh.empty and scope.prev_abstract_mesh.empty


def test_making_arrays_from_callbacks():
    x = ferax.make_array_from_callback((3,), SingleDeviceSharding(ferax.devices()[0]), lambda index: np.arange(3)[index], np.int8)
    assert x.dtype == np.int8 and x.tolist() == [0, 1, 2]


def test_dlpack_dtypes():
    supported = ferax.dlpack.is_supported_dtype
    assert all(map(supported, (bool, "int8", np.uint64, jnp.bfloat16, np.dtype("complex128"))))
    assert not supported(jnp.int4) and not supported(jnp.float8_e4m3fn) and not supported(str)
    with pytest.raises(TypeError, match="None"):
        supported(None)
