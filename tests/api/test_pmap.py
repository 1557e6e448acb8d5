"""`pmap`: one element of the mapped axis on each device; and arrays out of what a process holds."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax
from ferax._src.runtime.process_local import global_extent
from ferax.sharding import Mesh, NamedSharding, PartitionSpec as P, SingleDeviceSharding

pytestmark = pytest.mark.skipif(len(ferax.devices()) < 4, reason="needs four devices")
X = np.arange(1, 13, dtype=np.float32).reshape(4, 3)


def same(found, wanted):
    for a, b in zip(ferax.tree.leaves(found), ferax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_each_element_on_its_device():
    f = ferax.pmap(lambda x: {"y": 2 * x, "total": x.sum()})
    out = f(X)
    same(out, {"y": 2 * X, "total": X.sum(1)})
    assert len(out["y"].devices()) == 4
    assert [s.data.shape for s in out["y"].addressable_shards] == [(1, 3)] * 4
    same(f(out["y"]), {"y": 4 * X, "total": 2 * X.sum(1)})     # results are arguments, where they lie
    assert ferax.pmap(jnp.sin).__name__ == "sin"
    assert len(ferax.pmap(lambda x: -x)(X[:3]).devices()) == 3


def test_collectives():
    f = ferax.pmap(lambda x: (x / lax.psum(x, "i"), lax.axis_index("i"), lax.pmean(x, "i"), lax.all_gather(x, "i")), axis_name="i")
    y, index, mean, every = f(X)
    same(y, X / X.sum(0))
    assert index.tolist() == [0, 1, 2, 3]
    same(mean, np.tile(X.mean(0), (4, 1)))
    same(every, np.tile(X, (4, 1, 1)))


def test_axes():
    f = ferax.pmap(lambda a, b, *, c: (a * b + c, lax.psum(a, "i")), axis_name="i", in_axes=(1, None), out_axes=(1, None))
    out, total = f(X, 2.0, c=np.float32([1, 2, 3]))
    same((out, total), (2 * X + np.float32([1, 2, 3]), X.sum(1)))
    assert out.sharding.spec == P(None, "i") and total.sharding.spec == P()
    same(ferax.pmap(lambda a: a, in_axes=-1, out_axes={"k": 0}["k"])(X), X.T)
    g = ferax.pmap(lambda t: t["a"] + t["b"], in_axes=({"a": 0, "b": None},))
    same(g({"a": X, "b": X[0]}), X + X[0])


def test_static_and_donated_arguments():
    f = ferax.pmap(lambda a, power, b: a ** power + b, in_axes=(0, None, None), static_broadcasted_argnums=1)
    same(f(X, 2, 1.0), X ** 2 + 1)
    same(f(X, 3, 1.0), X ** 3 + 1)
    with pytest.raises(ValueError, match="index 1.*non-hashable"):
        f(X, [2], 1.0)
    with pytest.raises(ValueError, match="called with only 1 positional argument"):
        f(X)
    x = ferax.pmap(lambda a: a + 1)(X)
    same(ferax.pmap(lambda a: 2 * a, donate_argnums=0)(x), 2 * (X + 1))
    assert x.is_deleted()


def test_devices():
    devices = ferax.devices()
    out = ferax.pmap(lambda x: -x, devices=devices[2:4])(X[:2])
    assert [s.device for s in out.addressable_shards] == devices[2:4]
    same(ferax.pmap(lambda x: -x, backend="cpu", axis_size=4)(X), -X)


def test_under_transformations():
    f = ferax.pmap(lambda x: lax.psum(jnp.sin(x), "i"), axis_name="i")
    same(ferax.grad(lambda x: f(x).sum())(X), 4 * np.cos(X))
    same(ferax.pmap(ferax.grad(lambda x: lax.psum(jnp.sin(x).sum(), "i")), axis_name="i")(X), 4 * np.cos(X))
    same(ferax.jvp(f, (X,), (X,))[1], np.tile((np.cos(X) * X).sum(0), (4, 1)))
    same(ferax.jit(f)(X), np.tile(np.sin(X).sum(0), (4, 1)))
    same(ferax.vmap(f)(np.stack([X, 2 * X]))[1], np.tile(np.sin(2 * X).sum(0), (4, 1)))
    same(ferax.pmap(ferax.vmap(lambda x, y: x * y, (0, None)), in_axes=(0, None))(X, 2.0), 2 * X)
    assert ferax.eval_shape(f, X).shape == (4, 3)
    assert "all_reduce" in f.lower(X).as_text()
    with pytest.raises(ValueError, match="context mesh"):
        ferax.pmap(ferax.pmap(lambda x: x))(X[:, :2])


def test_errors():
    f = lambda a, b: a + b
    for call, error, text in (
            (lambda: ferax.pmap(f)(X, X[:3]), ValueError, r"(?s)inconsistent sizes.*a of type f32\[4,3\] has axis 0 of size 4.*size 3"),
            (lambda: ferax.pmap(lambda x: x)(np.zeros(99)), ValueError, "axis of size 99 needs as many devices, but only"),
            (lambda: ferax.pmap(lambda x: x, axis_size=3)(X), ValueError, "axis_size 3 doesn't match received axis_size 4"),
            (lambda: ferax.pmap(lambda x: x, in_axes=None)(X), ValueError, "at least one argument with a mapped axis"),
            (lambda: ferax.pmap(lambda: 1)(), ValueError, "at least one argument with a mapped axis"),
            (lambda: ferax.pmap(f)(X, 2.0), ValueError, "argument that is a scalar"),
            (lambda: ferax.pmap(lambda x: x, in_axes=2)(X), ValueError, "in_axes has the axis 2"),
            (lambda: ferax.pmap(f, in_axes=(0, 0, 0))(X, X), ValueError, "pmap in_axes"),
            (lambda: ferax.pmap(lambda x: x, out_axes=(0, 0))(X), ValueError, "pmap out_axes"),
            (lambda: ferax.pmap(lambda x: x, out_axes=-1)(X), ValueError, "must not be negative"),
            (lambda: ferax.pmap(f, in_axes="a"), TypeError, "in_axes must be an int, None"),
            (lambda: ferax.pmap(f, out_axes=1.5), TypeError, "out_axes must be an int, None"),
            (lambda: ferax.pmap(f, devices=[]), ValueError, "must be non-empty"),
            (lambda: ferax.pmap(3), TypeError, "callable"),
            (lambda: ferax.pmap(f, axis_name=("i",)), TypeError, "one name"),
            (lambda: ferax.pmap(f, donate_argnums=0, static_broadcasted_argnums=0), ValueError, "cannot intersect"),
            (lambda: ferax.pmap(lambda x: lax.psum(x, "q"), axis_name="i")(X), NameError, "unbound axis name: q"),
            (lambda: ferax.pmap(lambda x: x)("text"), TypeError, "text|str")):
        with pytest.raises(error, match=text):
            call()


def test_arrays_of_what_a_process_holds():
    mesh = Mesh(np.array(ferax.devices()[:4]), ("i",))
    cut, whole = NamedSharding(mesh, P("i")), NamedSharding(mesh, P())
    make = ferax.make_array_from_process_local_data
    out = make({"a": cut, "b": whole}, {"a": X, "b": 3})
    same(out, {"a": X, "b": 3})
    assert out["a"].sharding == cut and make(SingleDeviceSharding(ferax.devices()[1]), X).devices() == {ferax.devices()[1]}
    same(make(cut, X, (4, 3)), X)
    same(make(cut, [X, X[:, 0]], [(4, 3), None]), [X, X[:, 0]])
    with pytest.raises(ValueError, match=r"global_shape=\(8, 3\)"):
        make(cut, X, (8, 3))
    with pytest.raises(ValueError, match="divide"):
        make(cut, X[:3])


def test_the_whole_of_which_a_process_holds_a_part():
    """Pieces held, along dimensions cut in 4 and 2, by a process with two of eight devices."""
    held = [(2, 0), (3, 0)]
    assert global_extent((4, 3), None, (4, 2), held) == ((8, 6), (4, 0))
    assert global_extent((4, 3), (8, None), (4, 2), held) == ((8, 6), (4, 0))
    assert global_extent((8, 3), (8, 6), (4, 2), held) == ((8, 6), (0, 0))
    assert global_extent((5, 7), None, (1, 1), [(0, 0)]) == ((5, 7), (0, 0))
    with pytest.raises(ValueError, match="dimension 1"):
        global_extent((4, 3), (8, 7), (4, 2), held)
    with pytest.raises(ValueError, match="not consecutive"):
        global_extent((4,), None, (4,), [(0,), (2,)])
    with pytest.raises(ValueError, match="equally many dimensions"):
        global_extent((4,), (8, 6), (4,), [(0,)])
