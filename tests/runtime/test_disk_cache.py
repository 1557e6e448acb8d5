"""The disk cache: what is kept, under which name, and what happens to damaged entries."""

import os

import numpy as np
import pytest

from ferax._src import engine
from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from ferax._src.runtime import compile as compiling, disk_cache
from ferax._src.runtime.lowering import lower_jaxpr
from ferax._src.tracing.core import Primitive
from ferax._src.types.avals import ShapedArray
from ferax._src.types.shardings import SingleDeviceSharding
from ferax._src.util import config

AVAL = ShapedArray((8, 8), np.float32)


class Dot(Primitive):
    name = "dot_general"

    def lower(self, ctx, x, y):
        return ctx.emit(
            "stablehlo.dot_general",
            (x, y),
            {"dot_dimension_numbers": ctx.dot_dimension_numbers((), (), (1,), (0,))},
        )


class Callback(Primitive):
    name = "callback"

    def lower(self, ctx, x, y):
        return ctx.host_callback(lambda a, b: (a + b,), [x, y], ctx.avals_out)


def lowered(primitive=None, name="f"):
    x, y = Var(AVAL), Var(AVAL)
    return lower_jaxpr(
        ClosedJaxpr(Jaxpr([], [x], [y], [Eqn(primitive or Dot(), [x, x], [y], {})])), name=name
    )


@pytest.fixture(scope="module")
def device():
    config.install_process_switches()
    return engine.make_cpu_client(2).devices()[0]


@pytest.fixture(autouse=True)
def cache_dir(tmp_path):
    flags = config.FLAGS
    with (
        flags["jax_compilation_cache_dir"](str(tmp_path)),
        flags["jax_persistent_cache_min_compile_time_secs"](0.0),
    ):
        yield tmp_path


def entries(where):
    return sorted(p.name for p in where.iterdir())


def product(executable, device):
    where = SingleDeviceSharding(device)
    x = engine.put(AVAL, where, [np.full((8, 8), 2, np.float32)], [device])
    return engine.to_numpy(engine.execute(executable, [x], [engine.result_handler(AVAL, where, False)])[0])[
        0, 0
    ]


def test_second_compilation_comes_from_disk(device, cache_dir, monkeypatch):
    assert product(compiling.compile_lowered(lowered(), [device]), device) == 32
    (name,) = entries(cache_dir)
    assert name.startswith("jit_f-") and name.endswith("-cache")
    assert disk_cache.compile_time_of(name.removesuffix("-cache")) > 0
    monkeypatch.setattr(engine.compiler, "compile_module", lambda *a: pytest.fail("compiled again"))
    assert product(compiling.compile_lowered(lowered(), [device]), device) == 32
    assert disk_cache.clear() == 1 and entries(cache_dir) == []


def test_keys_tell_options_and_devices_apart(device):
    low = lowered()
    other = device.client.devices()[1]
    key = lambda device, options=None: disk_cache.key_of(
        low, [device], compiling.options_for(low, [device], options)
    )
    keys = {key(device), key(device, {"xla_backend_optimization_level": 0}), key(other)}
    assert len(keys) == 3 and key(device) in keys


def test_callbacks_are_not_kept(device, cache_dir):
    compiling.compile_lowered(lowered(Callback()), [device])
    assert entries(cache_dir) == []


def test_quick_programs_are_not_kept(device, cache_dir):
    with config.FLAGS["jax_persistent_cache_min_compile_time_secs"](1e3):
        compiling.compile_lowered(lowered(), [device])
    assert entries(cache_dir) == []


def test_damaged_entries_warn_and_are_replaced(device, cache_dir):
    compiling.compile_lowered(lowered(), [device])
    (path,) = cache_dir.iterdir()
    path.write_bytes(b"nonsense")
    with pytest.warns(UserWarning, match="Could not read the disk cache entry"):
        compiling.compile_lowered(lowered(), [device])
    assert path.stat().st_size > 100
    path.write_bytes(b"nonsense")
    with (
        config.FLAGS["jax_raise_persistent_cache_errors"](True),
        pytest.raises(ValueError, match="not one of ferax"),
    ):
        compiling.compile_lowered(lowered(), [device])


def test_the_least_used_go_first(device, cache_dir):
    for i, name in enumerate("abc"):
        compiling.compile_lowered(lowered(name=name), [device])
        for path in cache_dir.glob(f"jit_{name}-*"):
            os.utime(path, (i, i))
    size = max(p.stat().st_size for p in cache_dir.iterdir())
    with config.FLAGS["jax_compilation_cache_max_size"](3 * size + 10):
        compiling.compile_lowered(lowered(name="d"), [device])
    assert [name[4] for name in entries(cache_dir)] == ["b", "c", "d"]


def test_remote_directories_are_refused(device):
    with (
        config.FLAGS["jax_compilation_cache_dir"]("gs://bucket"),
        pytest.warns(UserWarning, match="file system"),
    ):
        compiling.compile_lowered(lowered(), [device])
