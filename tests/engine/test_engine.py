"""The facade over jaxlib: buffers, the call path, compiling, callbacks; and that its traps stay closed."""

import gc
import os
import subprocess
import sys
import types

import ml_dtypes
import numpy as np
import pytest

from ferax._src import engine
from ferax._src.engine import buffers, callbacks, compiler, custom_calls, mlir, mlir_text
from ferax._src.engine.jaxguard import without_jax
from ferax._src.types.avals import ShapedArray
from ferax._src.types.shardings import GSPMDSharding, SingleDeviceSharding
from ferax._src.util import config

DOUBLE = """module @m { func.func public @main(%a: tensor<8xf32>) -> tensor<8xf32> {
  %0 = stablehlo.add %a, %a : tensor<8xf32>
  return %0 : tensor<8xf32> } }"""
V8 = ShapedArray((8,), np.float32)


@pytest.fixture(scope="module")
def client():
    config.install_process_switches()
    return engine.make_cpu_client(num_devices=4)


@pytest.fixture
def device(client):
    return client.devices()[0]


def put(value, device, **settings):
    value = np.asarray(value)
    return engine.put(
        ShapedArray(value.shape, value.dtype), SingleDeviceSharding(device), [value], [device], **settings
    )


def compiled(client, text, device, options=None):
    return engine.compile_module(client, text, [device], engine.compile_options(options))


def handler(device, aval=V8):
    return engine.result_handler(aval, SingleDeviceSharding(device), False)


def aligned(n):
    """A float32 array in 64-byte aligned memory, which the runtime would like to alias."""
    raw = np.empty(4 * n + 128, np.uint8)
    start = -raw.__array_interface__["data"][0] % 64
    return raw[start : start + 4 * n].view(np.float32)


# Buffers ------------------------------------------------------------------------------------------------------------

SMALL = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e3m4", "int4", "uint4", "int2", "float4_e2m1fn"]
PLAIN = ["bool", "int8", "uint16", "int64", "float16", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("name", PLAIN + SMALL)
def test_every_dtype_goes_there_and_back(device, name):
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    value = np.array([[1, 0, 1], [0, 1, 1]], dtype)
    back = engine.to_numpy(put(value, device))
    assert back.dtype == dtype and back.shape == (2, 3) and (back == value).all()
    assert not back.flags.writeable
    assert engine.to_numpy(put(value[:0], device)).shape == (0, 3)
    assert engine.to_numpy(put(value[0, 0], device)).shape == ()


def test_the_view_keeps_the_buffer_alive(device):
    view = engine.to_numpy(put(np.ones(1000, ml_dtypes.bfloat16), device))
    gc.collect()
    assert (view == 1).all()


def test_put_copies_unless_told_otherwise(device):
    value = aligned(1000)
    value[:] = 1
    copy, alias = put(value, device), put(value, device, copy=False)
    value[:] = 2
    assert engine.to_numpy(copy)[0] == 1 and engine.to_numpy(alias)[0] == 2


def test_one_array_for_several_devices(client):
    devices = client.devices()
    sharding = GSPMDSharding(
        devices, engine.HloSharding.from_string("{devices=[2,2]<=[4] last_tile_dim_replicate}")
    )
    a, b = np.ones(4, np.float32), np.zeros(4, np.float32)
    x = engine.put(V8, sharding, [a, a, b, b], devices)
    assert [float(np.asarray(s)[0]) for s in engine.shards(x)] == [1, 1, 0, 0]


def test_64_bits_survive_whatever_the_switch_says(device):
    assert engine.to_numpy(put(np.array([1e300]), device))[0] == 1e300


def test_deleted_buffers_raise_and_never_crash(device):
    x = put(np.ones(8), device)
    x.delete()
    uses = [
        engine.to_numpy,
        buffers.is_ready,
        buffers.clone,
        buffers.platform,
        buffers.layout,
        buffers.pointer,
        buffers.size_in_bytes,
        buffers.to_dlpack,
        buffers.start_copy_to_host,
        buffers.shards,
    ]
    for use in uses:
        with pytest.raises(engine.DeletedArrayError, match=r"float64\[8\]"):
            use(x)


def test_clone_rewrap_and_replace(device):
    x = put(np.arange(8, dtype=np.float32), device)
    weak = ShapedArray((8,), np.float32, True)
    assert engine.rewrap(x, weak, SingleDeviceSharding(device)).aval is weak
    assert buffers.pointer(buffers.clone(x)) == buffers.pointer(x)
    y = put(np.zeros(8, np.float32), device)
    buffers.replace_contents(y, buffers.clone(x))
    assert engine.to_numpy(y)[7] == 7


def test_shards_assemble_and_copies(client):
    devices = client.devices()
    sharding = GSPMDSharding(devices, engine.HloSharding.iota_tile([4]))
    x = engine.put(V8, sharding, list(np.split(np.arange(8, dtype=np.float32), 4)), devices)
    part = ShapedArray((2,), np.float32)
    parts = [engine.rewrap(s, part, SingleDeviceSharding(d)) for s, d in zip(engine.shards(x), devices)]
    assert [engine.to_numpy(p)[0] for p in parts] == [0, 2, 4, 6]
    again = engine.assemble(V8, sharding, parts)
    assert len(engine.shards(again)) == 4
    there = SingleDeviceSharding(devices[1])
    moved = buffers.copy_to_devices(parts[0], engine.DeviceList((devices[1],)), there)
    assert moved._sharding is there and (engine.to_numpy(moved) == [0, 1]).all()
    assert any(b is parts[0] for b in buffers.live_buffers(client))


@pytest.mark.parametrize("name", ["float32", "int8", "bool", "complex64", "bfloat16"])
def test_dlpack_out_and_in(device, name):
    value = np.array([[1, 0], [0, 1], [1, 1]], np.dtype(getattr(ml_dtypes, name, name)))
    x = put(value, device)
    capsule = buffers.to_dlpack(x)
    assert buffers.dlpack_describe(capsule)[:3] == ((3, 2), value.dtype, buffers.DLPACK_CPU)
    raw, shape, dtype = buffers.from_dlpack(capsule, device)
    y = engine.rewrap(raw, ShapedArray(shape, dtype), SingleDeviceSharding(device))
    assert buffers.pointer(y) == buffers.pointer(x) and (engine.to_numpy(y) == value).all()
    with pytest.raises(ValueError, match="unused DLPack capsule"):
        buffers.dlpack_describe(capsule)


def test_dlpack_from_numpy(device):
    raw, shape, dtype = buffers.from_dlpack(aligned(8).__dlpack__(), device)
    assert (shape, dtype) == ((8,), np.float32)


def test_error_buffers(client, device):
    described = types.SimpleNamespace(
        shape=(4,), dtype=np.dtype("f4"), weak_type=False, sharding=SingleDeviceSharding(device)
    )
    with pytest.raises(engine.JaxRuntimeError, match="boom"):
        buffers.block_until_ready([buffers.error_buffer(client, described, "boom")])


# Keeping jax out ------------------------------------------------------------------------------------------------------


def test_without_jax_blocks_and_restores():
    def attempt():
        with pytest.raises(ImportError):
            import jax  # noqa: F401

    without_jax(attempt)
    assert "jax" not in sys.modules
    with pytest.raises(ZeroDivisionError):
        without_jax(lambda: 1 / 0)
    assert "jax" not in sys.modules


def test_importing_the_engine_is_light():
    heavy = ("jaxlib.mlir", "scipy", "jax.")
    code = (
        f"import sys; from ferax._src import engine; print([m for m in sys.modules if m.startswith({heavy})])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": "src"},
        cwd=_root(),
    )
    assert out.stdout.strip() == "[]", out.stderr


def _root():
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


# Clients --------------------------------------------------------------------------------------------------------------


def test_missing_plugins_are_named(monkeypatch, tmp_path):
    with pytest.raises(engine.PluginError, match="no plugin for platform 'nowhere'.*PJRT_NAMES"):
        engine.make_plugin_client("nowhere")
    monkeypatch.setenv("PJRT_NAMES_AND_LIBRARY_PATHS", f"mine:{tmp_path}/lib.so")
    assert engine.available_plugins()["mine"].library == f"{tmp_path}/lib.so"
    with pytest.raises(engine.PluginError, match="could not be loaded"):
        engine.make_plugin_client("mine")
    described = tmp_path / "described.json"
    described.write_text('{"library_path": "/x.so", "create_options": {"a": 1}}')
    monkeypatch.setenv("PJRT_NAMES_AND_LIBRARY_PATHS", f"other:{described}")
    assert engine.available_plugins()["other"].options == {"a": 1}
    monkeypatch.setenv("PJRT_NAMES_AND_LIBRARY_PATHS", "nonsense")
    with pytest.raises(engine.PluginError, match="name:path"):
        engine.available_plugins()


def test_fork_warns():
    code = (
        "import os, warnings; from ferax._src import engine; engine.make_cpu_client()\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n"
        "    pid = os.fork()\n"
        "    if not pid: os._exit(0)\n"
        "os.waitpid(pid, 0); print([w.category.__name__ for w in seen].count('RuntimeWarning'))\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": "src"},
        cwd=_root(),
    )
    assert out.stdout.split() == ["1"], out.stderr             # Python 3.12 and later warn as well


# Compiling and running --------------------------------------------------------------------------------------------------


def test_compile_execute_analyse_store(client, device):
    executable = compiled(client, DOUBLE, device)
    x = put(np.arange(8, dtype=np.float32), device)
    (y,) = engine.execute(executable, [x], [handler(device)])
    assert engine.to_numpy(y)[7] == 14
    (y,), token = engine.execute_with_token(executable, [x], [handler(device)])
    token.block_until_ready()
    assert "HloModule m" in compiler.hlo_text(executable)
    assert compiler.cost_analysis(executable)["flops"] == 8
    assert compiler.unoptimized_cost_analysis(client, DOUBLE)["flops"] == 8
    assert compiler.memory_analysis(executable).argument_size_in_bytes == 32
    assert compiler.output_shardings(executable) is None
    again = compiler.deserialize(client, compiler.serialize(executable), [device], engine.compile_options())
    assert engine.to_numpy(engine.execute(again, [x], [handler(device)])[0])[7] == 14


def test_compile_options(client, device):
    compiled(client, DOUBLE, device, {"xla_backend_optimization_level": 0, "xla_cpu_enable_fast_math": False})
    with pytest.raises(engine.JaxRuntimeError, match="No such compile option"):
        compiled(client, DOUBLE, device, {"xla_nothing": 1})
    engine.compile_options({"optimization_level": 1})
    one, two = engine.compile_options(device_ids=[[0]]), engine.compile_options(device_ids=[[3]])
    two.executable_build_options.debug_options.xla_dump_to = ""
    assert compiler.options_fingerprint(one) == compiler.options_fingerprint(two)
    other = engine.compile_options({"xla_backend_optimization_level": 0}, device_ids=[[0]])
    assert compiler.options_fingerprint(one) != compiler.options_fingerprint(other)


def test_fastpath(client, device):
    executable = compiled(client, DOUBLE, device)
    registry = engine.PyTreeRegistry()
    where = SingleDeviceSharding(device)
    missed = []

    def miss(tree):
        missed.append(tree)
        (out,) = engine.execute(executable, [tree["x"]], [handler(device)])
        data = engine.FastpathData(
            executable, registry.flatten([out], None)[1], [where], [where], [V8], [False], [True], [None], []
        )
        return [out], data, False

    call = engine.make_fastpath(
        "double", None, miss, (), (), None, registry, lambda *a: pytest.fail("no sharding needed")
    )
    x = put(np.ones(8, np.float32), device)
    outs = [call({"x": x}), call({"x": x}), call({"x": x})]
    assert len(missed) == 1 and [engine.to_numpy(o[0])[0] for o in outs] == [2, 2, 2]
    assert call._cache_size() == 1


# Callbacks ----------------------------------------------------------------------------------------------------------------

CALLBACK = """module @m { func.func public @main(%a: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.custom_call @xla_ffi_python_cpu_callback(%a) {api_version = 4 : i32, has_side_effect = true,
       backend_config = {index = 0 : ui64}} : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32> } }"""


def call_python(client, device, fn):
    spec = ShapedArray((2,), np.float32)
    executable = engine.compile_module(
        client,
        mlir_text.parse_module(CALLBACK),
        [device],
        engine.compile_options(),
        [callbacks.guarded(fn, [(spec.shape, spec.dtype)], name="cb")],
    )
    return engine.to_numpy(
        engine.execute(executable, [put(np.float32([1, 2]), device)], [handler(device, spec)])[0]
    )


def test_callbacks(client, device):
    assert (call_python(client, device, lambda a: [a * 10]) == [10, 20]).all()


@pytest.mark.parametrize(
    "bad", [lambda a: [a[:1]], lambda a: [a.astype(float)], lambda a: [], lambda a: [a, a]]
)
def test_wrong_callback_results_are_refused(client, device, bad):
    with pytest.raises(engine.JaxRuntimeError, match="were declared") as info:
        call_python(client, device, bad)
    assert isinstance(callbacks.original_error(info.value), ValueError)


def test_callback_errors_keep_the_original(client, device):
    error = KeyError("mine")

    def boom(a):
        raise error

    with pytest.raises(engine.JaxRuntimeError, match="KeyError") as info:
        call_python(client, device, boom)
    assert callbacks.original_error(info.value) is error
    assert callbacks.original_error(info.value) is None
    assert callbacks.original_error(ValueError("x")) is None


def test_custom_call_targets():
    custom_calls.ensure_lapack()
    custom_calls.ensure_lapack()
    custom_calls.ensure_cpu_sparse()
    assert "lapack_spotrf_ffi" in custom_calls.registered()
    assert os.path.exists(os.path.join(custom_calls.include_dir(), "xla/ffi/api/ffi.h"))


# Helpers ------------------------------------------------------------------------------------------------------------------


def test_helpers():
    assert engine.safe_map(lambda a, b: a + b, [1, 2], [3, 4]) == [4, 6]
    with pytest.raises(ValueError):
        engine.safe_zip([1], [2, 3])

    class Key:
        pass

    calls = []
    cached = engine.weakref_lru_cache(lambda: 0, lambda k, x: calls.append(x) or x)
    key = Key()
    assert cached(key, 1) == cached(key, 1) == 1 and calls == [1]
    del key
    gc.collect()
    assert cached.cache_info().currsize == 0
    assert engine.get_traceback().frames[0].function_name == "test_helpers"


# MLIR ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLAIN + SMALL)
def test_constants(name):
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    bench = mlir.workbench()
    value = np.array([1, 0, 1, 1, 0, 1, 0, 0, 1], dtype)
    assert "9x" in str(bench.dense(value).type)
    assert "2x3x" in str(bench.splat(value[0], (2, 3)).type)
    assert "0x3x" in str(bench.dense(np.zeros((0, 3), dtype)).type) and "0x" in str(
        bench.splat(value[0], (0,)).type
    )
    if name in ("int8", "float32"):
        module = mlir_text.parse_module(
            "func.func @main(%a: T) -> T { return %a : T }".replace("T", str(bench.dense(value).type))
        )
        assert (mlir_text.interpret(module, [value])[0] == value).all()


def test_attributes():
    bench = mlir.workbench()
    made = bench.attribute(
        {
            "a": 1,
            "b": np.float32(2),
            "c": np.array([1, 2], np.int32),
            "d": "x",
            "e": True,
            "f": [1, 2.5],
            "g": np.uint8(3),
        }
    )
    assert (
        str(made)
        == '{a = 1 : i64, b = 2.000000e+00 : f32, c = array<i32: 1, 2>, d = "x", e = true, f = [1, 2.500000e+00], g = 3 : ui8}'
    )
    with pytest.raises(TypeError, match="cannot make an attribute"):
        bench.attribute(object())
    assert bench.i64s((1, 2)) is bench.i64s([1, 2])


def test_portable_artifacts_leave_the_module_alone():
    module = mlir_text.parse_module(DOUBLE)
    before = mlir_text.module_text(module)
    artifact = mlir_text.serialize_portable(module)
    assert mlir_text.module_text(module) == before
    assert "stablehlo.add" in mlir_text.module_text(mlir_text.deserialize_portable(artifact))
    assert mlir_text.module_text(mlir_text.parse_module(mlir_text.module_bytecode(module))) == before


def test_bytecode_without_locations_does_not_depend_on_the_place():
    with_names = [
        DOUBLE.replace("tensor<8xf32>\n  return", f'tensor<8xf32> loc("{name}")\n  return')
        for name in ("here", "there")
    ]
    modules = [mlir_text.parse_module(text) for text in with_names]
    full, bare = ([mlir_text.module_bytecode(m, locations=flag) for m in modules] for flag in (True, False))
    assert full[0] != full[1] and bare[0] == bare[1]


def test_each_thread_has_its_workbench():
    import threading

    benches = [mlir.workbench()]
    thread = threading.Thread(target=lambda: benches.append(mlir.workbench()))
    thread.start()
    thread.join()
    assert benches[0] is not benches[1] and benches[0] is mlir.workbench()
