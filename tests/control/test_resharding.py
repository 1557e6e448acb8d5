"""`sharding.reshard`, `auto_axes` and `explicit_axes` on a mesh of four devices."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec as P, auto_axes, explicit_axes, get_abstract_mesh, reshard

DEVICES = np.array(ferax.devices()[:4]).reshape(2, 2)
EXPLICIT = Mesh(DEVICES, ("a", "b"), (AxisType.Explicit,) * 2)
AUTO = Mesh(DEVICES, ("a", "b"), (AxisType.Auto,) * 2)
X = np.arange(32, dtype=np.float32).reshape(4, 8)


def types():
    return get_abstract_mesh().axis_types


def is_cut(x, mesh, *parts):
    return x.sharding.is_equivalent_to(NamedSharding(mesh, P(*parts)), x.ndim)


def test_reshard():
    y = reshard({"x": X, "y": X[0]}, {"x": NamedSharding(EXPLICIT, P("a", "b", None)), "y": NamedSharding(EXPLICIT, P("b"))})
    assert is_cut(y["x"], EXPLICIT, "a", "b") and is_cut(y["y"], EXPLICIT, "b")
    np.testing.assert_array_equal(y["x"], X)
    with ferax.set_mesh(EXPLICIT):
        y = ferax.jit(lambda x: reshard(x, P(None, "b")) + 1)(y["x"])
        gradient = ferax.grad(lambda x: (reshard(x, P("b")) ** 2).sum())(X)
    assert is_cut(y, EXPLICIT, None, "b")
    np.testing.assert_array_equal(y, X + 1)
    np.testing.assert_array_equal(gradient, 2 * X)


@pytest.mark.parametrize("sharding, error, match", [
    (P("a"), ValueError, "without a mesh"),
    (None, ValueError, "None"),
    ("a", TypeError, "'a'"),
    (NamedSharding(AUTO, P("a")), ValueError, "of type Explicit"),
    (NamedSharding(EXPLICIT, P(None, None, "a")), ValueError, "more dimensions"),
    (NamedSharding(EXPLICIT, P(("a", "b"))), ValueError, "evenly"),
])
def test_reshard_refuses(sharding, error, match):
    with pytest.raises(error, match=match):
        reshard(X[:3], sharding)


def test_auto_axes():
    seen = []

    @auto_axes(axes="a")
    def f(x):
        seen.append(types())
        return x * 2

    assert float(f(1., out_sharding=P())) == 2.                 # no mesh: only a call
    with ferax.set_mesh(EXPLICIT):
        y = f(X, out_sharding=P("a", "b"))
        z = ferax.jit(auto_axes(jnp.sin, out_sharding=P("b")))(X)
    assert seen[1:] == [(AxisType.Auto, AxisType.Explicit)]
    assert is_cut(y, EXPLICIT, "a", "b") and is_cut(z, EXPLICIT, "b")
    np.testing.assert_array_equal(y, 2 * X)
    assert is_cut(auto_axes(jnp.cos, out_sharding=NamedSharding(EXPLICIT, P("a")))(X), EXPLICIT, "a")   # brings its mesh
    with pytest.raises(TypeError, match="out_sharding"):
        f(X)
    with ferax.set_mesh(AUTO), pytest.raises(ValueError, match="not that of"):
        f(X, out_sharding=NamedSharding(EXPLICIT, P("a")))


def test_explicit_axes():
    seen = []

    def f(x, y):
        seen.append((types(), x.sharding))
        return reshard(x + y, P("b"))

    with ferax.set_mesh(AUTO):
        y = explicit_axes(f, in_sharding=(P("a"), P()))(X, 1.)
        with pytest.raises(ValueError, match="'c'"):
            explicit_axes(f, axes=("a", "c"), in_sharding=P())(X, 1.)
    assert seen[0][0] == (AxisType.Explicit,) * 2
    assert seen[0][1].is_equivalent_to(NamedSharding(EXPLICIT, P("a")), 2)
    assert is_cut(y, AUTO, "b")
    np.testing.assert_array_equal(y, X + 1)
    with pytest.raises(ValueError, match="no mesh"):
        explicit_axes(f)(X, 1., in_sharding=P())
    with pytest.raises(TypeError, match="in_sharding"):
        explicit_axes(f)(X, 1.)
