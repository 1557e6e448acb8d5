"""`debug.inspect_array_sharding` in and outside of programs, and pictures of shardings."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import debug
from ferax.sharding import Mesh, NamedSharding, PartitionSpec as P, SingleDeviceSharding

MESH = Mesh(np.array(ferax.devices()[:4]).reshape(2, 2), ("a", "b"))
CUT = NamedSharding(MESH, P("a", "b"))


def test_inspecting():
    x = ferax.device_put(jnp.ones((8, 16)), CUT)
    seen = []
    debug.inspect_array_sharding({"x": x}, callback=seen.append)
    assert seen.pop() is CUT

    def f(x):
        debug.inspect_array_sharding(jnp.sin(x), callback=seen.append)
        return x.sum()

    lowered = ferax.jit(f).lower(x)
    assert not seen                             # known when it is compiled
    lowered.compile()
    assert seen.pop() is CUT
    ferax.jit(f).lower(ferax.device_put(1., ferax.devices()[2]))
    assert seen.pop() == SingleDeviceSharding(ferax.devices()[2])
    ferax.grad(f)(jnp.ones(3))
    assert seen.pop() == SingleDeviceSharding(ferax.devices()[0])
    with pytest.raises(TypeError, match="callback"):
        debug.inspect_array_sharding(x, callback=None)


@pytest.mark.parametrize("shape, spec, picture", [
    ((4, 2), P("a", "b"), """
┌─────────┬─────────┐
│         │         │
│  CPU 0  │  CPU 1  │
│         │         │
│         │         │
├─────────┼─────────┤
│         │         │
│  CPU 2  │  CPU 3  │
│         │         │
│         │         │
└─────────┴─────────┘
"""),
    ((4,), P(("a", "b")), """
┌─────────┬─────────┬─────────┬─────────┐
│  CPU 0  │  CPU 1  │  CPU 2  │  CPU 3  │
└─────────┴─────────┴─────────┴─────────┘
"""),
    ((2, 4), P(None, "b"), """
┌────────────┬────────────┐
│            │            │
│  CPU 0,2   │  CPU 1,3   │
│            │            │
│            │            │
└────────────┴────────────┘
"""),
])
def test_pictures(capsys, shape, spec, picture):
    scale = .5 if shape == (2, 4) else 1.
    debug.visualize_sharding(shape, NamedSharding(MESH, spec), use_color=False, scale=scale)
    found = capsys.readouterr().out
    assert found.strip() == picture.strip()


def test_pictures_of_arrays(capsys, monkeypatch):
    debug.visualize_array_sharding(jnp.ones(3))
    assert "CPU 0" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    x = ferax.device_put(jnp.ones((2, 2)), CUT)
    debug.visualize_array_sharding(x)
    coloured = capsys.readouterr().out
    assert coloured.count("CPU") == 4 and coloured.count("\x1b[38;2;") == coloured.count("\x1b[0m")
    debug.visualize_array_sharding(x, color_map=lambda t: (1., t, 0., 1.))
    assert "48;2;255;191;0m" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"\(2, 2, 2\)"):
        debug.visualize_sharding((2, 2, 2), CUT)
