"""`lax.with_sharding_constraint`: outside of programs, in them, and under transformations; on a mesh of four devices."""

import re

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax
from ferax.sharding import Mesh, NamedSharding, PartitionSpec as P, SingleDeviceSharding

pytestmark = pytest.mark.skipif(len(ferax.devices()) < 4, reason="needs four devices")
X = np.arange(16, dtype=np.float32).reshape(4, 4)
wsc = lax.with_sharding_constraint


@pytest.fixture(scope="module")
def mesh():
    return Mesh(np.array(ferax.devices()[:4]).reshape(2, 2), ("a", "b"))


def constraints(f, *args):
    """What the program says of the values inside."""
    return re.findall(r"sdy.sharding_constraint %\S+ <@mesh, (.*?)>", ferax.jit(f).lower(*args).as_text())


def test_outside_of_programs_values_are_moved(mesh):
    tree = {"u": X, "v": (X, 3.0)}
    out = wsc(tree, {"u": NamedSharding(mesh, P("a", "b")), "v": NamedSharding(mesh, P())})
    assert [x.sharding.spec for x in ferax.tree.leaves(out)] == [P("a", "b"), P(), P()]
    np.testing.assert_array_equal(out["u"], X)
    assert out["u"].addressable_shards[0].data.shape == (2, 2) and out["v"][1] == 3


def test_inside_of_programs(mesh):
    """A program whose arguments nobody placed runs on the devices of the shardings in it."""
    f = lambda x: wsc(2 * x, NamedSharding(mesh, P("a", None)))
    out = ferax.jit(f)(X)
    assert out.sharding.is_equivalent_to(NamedSharding(mesh, P("a")), 2) and len(out.devices()) == 4
    np.testing.assert_array_equal(out, 2 * X)
    assert constraints(f, X) == ['[{"a"}, {}]']
    assert constraints(lambda x: wsc(x, NamedSharding(mesh, P(P.UNCONSTRAINED, "b"))), X) == ['[{?}, {"b"}]']
    nested = ferax.jit(lambda x: lax.scan(lambda c, r: (wsc(c + r, NamedSharding(mesh, P("a"))), r), jnp.zeros(4), x)[0])(X)
    np.testing.assert_array_equal(nested, X.sum(0))
    assert len(nested.devices()) == 4
    with pytest.raises(ValueError, match="incompatible devices.*device ids \\[1\\] and a sharding inside"):
        ferax.jit(f)(ferax.device_put(X, ferax.devices()[1]))
    here = SingleDeviceSharding(ferax.devices()[0])
    assert ferax.jit(lambda x: wsc(x, here))(X).devices() == {ferax.devices()[0]}


def test_partition_specs_take_the_mesh_that_is_set(mesh):
    f = lambda x: wsc(x + 1, P("b"))
    with ferax.set_mesh(mesh):
        assert ferax.jit(f)(X).sharding.is_equivalent_to(NamedSharding(mesh, P("b")), 2)
    with mesh:
        assert wsc(X, P(None, "a")).sharding.spec == P(None, "a")
    with pytest.raises(RuntimeError, match="requires a non-empty mesh in context"):
        ferax.jit(f)(X)


def test_derivatives_and_vmap(mesh):
    f = lambda x: wsc(x * x, NamedSharding(mesh, P("a")))
    np.testing.assert_array_equal(ferax.jit(ferax.grad(lambda x: f(x).sum()))(X), 2 * X)
    assert len(constraints(ferax.grad(lambda x: f(x).sum()), X)) == 1               # of the cotangent
    np.testing.assert_array_equal(ferax.jvp(f, (X,), (X,))[1], 2 * X * X)
    assert constraints(ferax.vmap(f), X) == ['[{?}, {"a"}]']
    assert constraints(ferax.vmap(f, spmd_axis_name="b"), X) == ['[{"b"}, {"a"}]']
    assert constraints(ferax.vmap(lambda x: wsc(x, NamedSharding(mesh, P())), in_axes=1), X)[0] == "[{}, {?}]"
    np.testing.assert_array_equal(ferax.jit(ferax.vmap(f))(X), X * X)


def test_uneven_shapes_inside_of_programs(mesh):
    f = lambda x: wsc(x, NamedSharding(mesh, P("a")))
    assert ferax.jit(f)(np.arange(3)).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="does not evenly divide"):
        f(np.arange(3))


@pytest.mark.parametrize("call, error, text", [
    (lambda s: wsc((X, X), (s, None)), ValueError, "got sharding None"),
    (lambda s: wsc((X, X), (s, s, s)), ValueError, "must be a tree prefix"),
    (lambda s: wsc(np.arange(4), NamedSharding(s.mesh, P("a", "b"))), ValueError, "only valid for values of rank at least 2"),
    (lambda s: wsc(X, 3), TypeError, "expected to be PartitionSpec"),
])
def test_bad_input(mesh, call, error, text):
    with pytest.raises(error, match=text):
        call(NamedSharding(mesh, P("a")))
