"""Meshes, partition specs and shardings."""

import copy
import pickle

import numpy as np
import pytest

from ferax._src import engine
from ferax._src.runtime import devices
from ferax._src.types import meshes
from ferax._src.types.meshes import AbstractDevice, AbstractMesh, AxisType, Mesh, make_mesh
from ferax._src.types.shardings import (
    DuplicateSpecError, GSPMDSharding, NamedSharding, PartitionSpec as P, Sharding, SingleDeviceSharding, as_sharding,
    named_from_hlo)
from ferax._src.util import config


@pytest.fixture
def mesh():
    return Mesh(np.array(devices.devices()[:4]).reshape(2, 2), ("x", "y"))


def test_mesh(mesh):
    again = Mesh(np.array(devices.devices()[:4]).reshape(2, 2), ("x", "y"))
    assert again is mesh and pickle.loads(pickle.dumps(mesh)) is mesh
    assert dict(mesh.shape) == {"x": 2, "y": 2} and mesh.size == 4 and not mesh.empty
    assert mesh.axis_names == ("x", "y") and mesh.axis_sizes == (2, 2) and mesh.device_ids.tolist() == [[0, 1], [2, 3]]
    assert mesh.axis_types == (AxisType.Auto,) * 2 and mesh.are_all_axes_auto and mesh.auto_axes == ("x", "y")
    assert str(mesh) == "Mesh('x': 2, 'y': 2, axis_types=(Auto, Auto))"
    assert repr(mesh) == "Mesh(axis_sizes=(2, 2), axis_names=('x', 'y'), axis_types=(Auto, Auto))"
    assert mesh.local_mesh is mesh and not mesh.is_multi_process and mesh.local_devices == devices.devices()[:4]
    explicit = mesh.update(axis_types=(AxisType.Explicit, AxisType.Manual))
    assert explicit is not mesh and explicit.explicit_axes == ("x",) and explicit.manual_axes == ("y",)
    assert Mesh(devices.devices()[:2], "i").axis_names == ("i",)
    made = make_mesh((2, 2), ("a", "b"), devices=devices.devices())
    assert made.are_all_axes_explicit and made.devices.shape == (2, 2)


def test_mesh_errors(mesh):
    with pytest.raises(ValueError, match="one axis name for each dimension"):
        Mesh(mesh.devices, ("x",))
    with pytest.raises(ValueError, match="differ"):
        Mesh(mesh.devices, ("x", "x"))
    with pytest.raises(ValueError, match="axis types"):
        Mesh(mesh.devices, ("x", "y"), (AxisType.Auto,))
    with pytest.raises(ValueError, match="needs 64 devices"):
        make_mesh((8, 8), ("a", "b"), devices=devices.devices())


def test_abstract_mesh(mesh):
    a = AbstractMesh((2, 4), ("x", "y"))
    assert a is AbstractMesh((2, 4), ["x", "y"]) and pickle.loads(pickle.dumps(a)) is a
    assert a.size == 8 and a.shape["y"] == 4
    assert a.update_axis_types({"x": AxisType.Explicit}).explicit_axes == ("x",)
    with pytest.raises(ValueError, match="devices"):
        _ = a.devices
    assert mesh.abstract_mesh.abstract_device == AbstractDevice("cpu", None, "cpu")
    assert mesh.abstract_mesh is mesh.abstract_mesh.abstract_mesh
    s = NamedSharding(a, P("x"))
    assert s.shard_shape((4, 3)) == (2, 3) and s.num_devices == 8 and "AbstractMesh" in repr(s)
    with pytest.raises(ValueError, match="no devices"):
        _ = s.device_set


def test_mesh_of_the_thread(mesh):
    before = config.trace_context()
    assert meshes.get_mesh().empty
    with mesh:
        assert meshes.get_mesh() is mesh and meshes.get_abstract_mesh() is mesh.abstract_mesh
        assert config.trace_context() != before             # functions are traced anew under another mesh
        with meshes.use_abstract_mesh(AbstractMesh((3,), ("z",))):
            assert meshes.get_mesh() is mesh and meshes.get_abstract_mesh().axis_names == ("z",)
    assert meshes.get_mesh().empty and config.trace_context() == before
    with meshes.set_mesh(mesh):
        assert meshes.get_mesh() is mesh
    assert meshes.get_mesh().empty
    with pytest.raises(ValueError, match="set_mesh"):
        meshes.set_mesh(3)


def test_partition_spec():
    p = P("x", None, ("y", "z"))
    assert p == P("x", None, ("y", "z")) == ("x", None, ("y", "z")) and hash(p) == hash(P("x", None, ("y", "z")))
    assert repr(p) == "P('x', None, ('y', 'z'))" and repr(P("x")) == "P('x',)" and repr(P()) == "P()"
    assert P(("x",)) == P("x") and P(()) == P(None) and len(p) == 3 and p[2] == ("y", "z") and list(P("x")) == ["x"]
    assert p + P("w") == P("x", None, ("y", "z"), "w") and ("w",) + P("x") == P("w", "x")
    assert p.index("x") == 0 and p.count(None) == 1
    assert pickle.loads(pickle.dumps(p)) == p and pickle.loads(pickle.dumps(P.UNCONSTRAINED)) is P.UNCONSTRAINED
    assert P("x", unreduced={"y"}).to_ct_spec() == P("x", reduced={"y"})
    with pytest.raises(ValueError, match="both"):
        P(unreduced={"x"}, reduced={"x"})


def test_single_device():
    first, second = devices.devices()[:2]
    s = SingleDeviceSharding(first)
    assert s is SingleDeviceSharding(first) is SingleDeviceSharding(first, "device")
    assert s is not SingleDeviceSharding(second) and isinstance(s, Sharding) and s == copy.deepcopy(s)
    assert s.device_set == {first} == s.addressable_devices and s.num_devices == 1 and s.is_fully_replicated
    assert s.is_fully_addressable and s.shard_shape((3, 4)) == (3, 4) and s.memory_kind == "device"
    assert s.devices_indices_map((3, 4)) == {first: (slice(None), slice(None))}
    assert repr(s) == "SingleDeviceSharding(device=CpuDevice(id=0), memory_kind=device)"
    assert pickle.loads(pickle.dumps(s)) is s
    assert s.with_memory_kind("pinned_host") is SingleDeviceSharding(first, "pinned_host")
    assert as_sharding(first) is s and as_sharding(s) is s
    with pytest.raises(TypeError, match="expected a Device"):
        SingleDeviceSharding("cpu")


def test_named(mesh):
    s = NamedSharding(mesh, P("x", "y"))
    assert s is NamedSharding(mesh, P("x", "y")) and pickle.loads(pickle.dumps(s)) is s
    assert s.shard_shape((4, 6)) == (2, 3) and s.is_fully_addressable and not s.is_fully_replicated
    assert list(s.devices_indices_map((4, 6)).values())[1] == (slice(0, 2), slice(3, 6))
    assert repr(s) == ("NamedSharding(mesh=Mesh('x': 2, 'y': 2, axis_types=(Auto, Auto)), spec=P('x', 'y'), "
                       "memory_kind=device)")
    both = NamedSharding(mesh, P(("y", "x")))
    assert [i[0] for i in both.devices_indices_map((8,)).values()] == [
        slice(0, 2), slice(4, 6), slice(2, 4), slice(6, 8)]
    whole = NamedSharding(mesh, P())
    assert whole.is_fully_replicated and whole.replicated_axes == {"x", "y"}
    assert whole.is_equivalent_to(NamedSharding(mesh, P(None, None)), 2) and not whole.is_equivalent_to(s, 2)
    assert s.update(spec=P("y")).spec == P("y") and s.with_spec(P()) is whole


def test_named_says_what_is_wrong(mesh):
    with pytest.raises(ValueError, match=r"Resource axis: z of P\('z',\) is not found in mesh"):
        NamedSharding(mesh, P("z"))
    with pytest.raises(DuplicateSpecError, match="duplicate entries for `x`"):
        NamedSharding(mesh, P("x", "x"))
    with pytest.raises(TypeError, match="PartitionSpec"):
        NamedSharding(mesh, "x")
    with pytest.raises(TypeError, match="mesh"):
        NamedSharding(3, P())
    with pytest.raises(ValueError, match="array axis 0 is partitioned 2 times"):
        NamedSharding(mesh, P("x")).shard_shape((3,))
    with pytest.raises(ValueError, match="rank"):
        NamedSharding(mesh, P("x", "y")).check_compatible_aval((4,))


@pytest.mark.parametrize("spec", [P(), P("x"), P(None, "y"), P("y", "x"), P(("x", "y")), P(None, ("y", "x")), P("x", "y")])
def test_xla_form_agrees_with_the_index_map(mesh, spec):
    s = NamedSharding(mesh, spec)
    hlo = s._to_xla_hlo_sharding(2)
    g = GSPMDSharding(mesh.device_list, hlo)
    assert g is GSPMDSharding(list(mesh.devices.flat), hlo)
    assert g.devices_indices_map((8, 8)) == s.devices_indices_map((8, 8))
    assert g.is_equivalent_to(s, 2) and s.is_equivalent_to(g, 2)
    assert g.is_fully_replicated == s.is_fully_replicated
    found = named_from_hlo(mesh, hlo, 2)
    assert found._to_xla_hlo_sharding(2) == hlo


def test_gspmd(mesh):
    whole = GSPMDSharding.get_replicated(mesh.device_list)
    assert whole.is_fully_replicated and whole.shard_shape((5,)) == (5,)
    rows = GSPMDSharding(mesh.device_list, engine.HloSharding.iota_tile([4, 1]))
    assert rows.shard_shape((8, 3)) == (2, 3) and "devices=[4,1]" in repr(rows)
    with pytest.raises(ValueError, match="evenly divide"):
        rows.shard_shape((7, 3))
