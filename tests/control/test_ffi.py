"""`ferax.ffi`: a small library is compiled against the headers, registered, and called from programs."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import ferax
import ferax.ffi
import ferax.numpy as jnp
from ferax import lax
from ferax._src.control.ffi import ffi_call_p
from ferax._src.tracing.core import Primitive

COMPILER = shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")
SHAPE = ferax.ShapeDtypeStruct((3,), np.float32)
X, Y = np.float32([1, 2, 3]), np.float32([10, 20, 30])
XS = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if COMPILER is None:
        pytest.skip("there is no C++ compiler")
    path = tmp_path_factory.mktemp("ffi") / "handlers.so"
    source = Path(__file__).with_name("ffi_handlers.cc")
    subprocess.run([COMPILER, "-O0", "-w", "-std=c++17", "-fPIC", "-shared", f"-I{ferax.ffi.include_dir()}", str(source), "-o", str(path)],
                   check=True)
    library = ctypes.CDLL(str(path))
    for name in ("scale_add", "shapes", "memory"):
        ferax.ffi.register_ffi_target(f"ferax_test_{name}", ferax.ffi.pycapsule(getattr(library, name)))
    return library


def scale_add(shape=SHAPE, **options):
    return ferax.ffi.ffi_call("ferax_test_scale_add", shape, **options)


def test_values(library):
    call = scale_add()
    out = call(X, Y, scale=np.float32(2))
    assert out.tolist() == [12, 24, 36] and out.dtype == np.float32
    assert ferax.jit(lambda x, y: call(x, y, scale=np.float32(3)))(X, Y).tolist() == [13, 26, 39]
    assert [x.tolist() for x in scale_add([SHAPE])(X, Y, scale=np.float32(1))] == [[11, 22, 33]]
    assert isinstance(scale_add((SHAPE,))(X, Y, scale=np.float32(1)), tuple)
    (eqn,) = ferax.make_jaxpr(lambda x: call(x, Y, scale=np.float32(1)))(X).eqns
    assert eqn.primitive is ffi_call_p and eqn.params["target_name"] == "ferax_test_scale_add"


def test_equal_calls_share_one_program(library):
    before = len(ffi_call_p.exec_cache)
    for _ in range(3):
        scale_add(vmap_method="sequential", has_side_effect=True)(X, Y, scale=np.float32(7))
    assert len(ffi_call_p.exec_cache) == before + 1


def test_an_error_of_the_handler_is_raised(library):
    with pytest.raises(Exception, match="the scale must not be negative, got -1"):
        scale_add()(X, Y, scale=np.float32(-1)).block_until_ready()
    with pytest.raises(Exception, match="expected F32 but got F64"):   # a Python float is a double
        scale_add()(X, Y, scale=1.0).block_until_ready()
    with pytest.raises(Exception, match="ferax_test_nobody"):
        ferax.ffi.ffi_call("ferax_test_nobody", SHAPE)(X)


@pytest.mark.parametrize("method, rank", [
    ("sequential", 113), ("sequential_unrolled", 113), ("expand_dims", 221), ("broadcast_all", 222), ("legacy_vectorized", 213)])
def test_vmap(library, method, rank):
    call = scale_add(vmap_method=method)
    shapes = ferax.ffi.ffi_call("ferax_test_shapes", SHAPE, vmap_method=method)
    for axes, args, wanted in [((0, 0), (XS, XS), 3 * XS), ((0, None), (XS, Y), 2 * XS + Y), ((1, None), (XS.T, Y), 2 * XS + Y)]:
        mapped = ferax.vmap(lambda x, y: call(x, y, scale=np.float32(2)), axes)
        np.testing.assert_array_equal(mapped(*args), wanted)
        np.testing.assert_array_equal(ferax.jit(mapped)(*args), wanted)
    np.testing.assert_array_equal(ferax.vmap(shapes, (0, None))(XS, Y), np.full((2, 3), rank))


def test_vmap_of_vmap_and_in_loops(library):
    call = lambda x: scale_add(vmap_method="broadcast_all")(x, Y, scale=np.float32(2))
    np.testing.assert_array_equal(ferax.vmap(ferax.vmap(call))(np.stack([XS, XS])), np.stack([2 * XS + Y] * 2))
    last, rows = lax.scan(lambda c, _: (call(c), c), jnp.zeros(3), None, length=3)
    assert last.tolist() == [70, 140, 210] and rows.shape == (3, 3)


def test_attributes_layouts_and_aliases(library, x64):
    shapes = [ferax.ShapeDtypeStruct((2, 3), np.float32), ferax.ShapeDtypeStruct((), np.float64)]
    attributes = dict(n=3, span=np.array([10, 20], np.int32), mode="sum", flag=True, inner={"number": 0.5})
    for aliases in (None, {0: 0}):
        out, total = ferax.ffi.ffi_call("ferax_test_memory", shapes, input_output_aliases=aliases)(XS, **attributes)
        np.testing.assert_array_equal(out, XS)
        assert total == 33.5
    columns, _ = ferax.ffi.ffi_call("ferax_test_memory", shapes, input_layouts=[(1, 0)])(XS, **attributes)
    np.testing.assert_array_equal(columns, XS.T.reshape(2, 3))
    columns, _ = ferax.ffi.ffi_call("ferax_test_memory", shapes, output_layouts=[(1, 0), ()])(XS, **attributes)
    np.testing.assert_array_equal(columns.T.reshape(2, 3), XS)
    mapped = ferax.vmap(lambda x: ferax.ffi.ffi_call(
        "ferax_test_memory", [shapes[0], ferax.ShapeDtypeStruct((1,), np.float64)], input_layouts=[(1, 0)], vmap_method="sequential")(
            x, **attributes)[0])(np.stack([XS, XS]))
    np.testing.assert_array_equal(mapped, np.stack([XS.T.reshape(2, 3)] * 2))


def test_side_effects_are_kept(library, x64):
    shapes = [ferax.ShapeDtypeStruct((2, 3), np.float32), ferax.ShapeDtypeStruct((), np.float64)]
    attributes = dict(n=3, span=np.array([10, 20], np.int32), mode="sum", flag=True, inner={"number": 0.5})

    def calls(has_side_effect):
        call = ferax.ffi.ffi_call("ferax_test_memory", shapes, has_side_effect=has_side_effect)
        before = library.memory_calls()
        ferax.jit(lambda x: (call(x, **attributes), x + 1)[1])(XS).block_until_ready()
        return library.memory_calls() - before

    assert calls(True) == 1 and calls(False) == 0


def test_derivatives_are_the_users_to_give(library):
    call = lambda x: scale_add()(x, Y, scale=np.float32(2))
    for run in (lambda: ferax.jvp(call, (X,), (X,)), lambda: ferax.grad(lambda x: call(x).sum())(X)):
        with pytest.raises(ValueError, match=r"FFI call to `ferax_test_scale_add` cannot be differentiated.*custom_jvp or"):
            run()
    own = ferax.custom_jvp(call)
    own.defjvp(lambda primals, tangents: (own(*primals), 2 * tangents[0]))
    assert ferax.grad(lambda x: own(x).sum())(X).tolist() == [2, 2, 2]


def test_lowering_rules(library):
    class Doubled(Primitive):
        name = "doubled"

        def abstract_eval(self, x, y, *, scale):
            return [x]

        lower = staticmethod(ferax.ffi.ffi_lowering("ferax_test_scale_add"))

    assert Doubled().bind(X, Y, scale=np.float32(2))[0].tolist() == [12, 24, 36]
    text = ferax.jit(lambda x: scale_add(has_side_effect=True, input_output_aliases={0: 0})(x, Y, scale=np.float32(2))).lower(X).as_text()
    assert "stablehlo.custom_call @ferax_test_scale_add" in text and "output_operand_alias" in text and "scale = 2.0" in text


TWO = ferax.ShapeDtypeStruct((2, 3), np.float32)


@pytest.mark.parametrize("call, error, text", [
    (lambda: scale_add(vmap_method="all"), ValueError, "vmap_method must be one of"),
    (lambda: scale_add(3), ValueError, "must have 'shape' and 'dtype'"),
    (lambda: scale_add(legacy_backend_config="a"), ValueError, "requires custom_call_api_version < 4"),
    (lambda: scale_add(custom_call_api_version=1)(X, Y, scale=1), ValueError, "API version of at least 4"),
    (lambda: scale_add(input_layouts=[None])(X, Y), ValueError, r"number of input arguments \(2\) must equal .* input layouts \(1\)"),
    (lambda: scale_add([SHAPE], output_layouts=[None, None])(X, Y), ValueError, "number of output layouts"),
    (lambda: scale_add(input_layouts=[(1, 0), None])(X, Y), ValueError, "must be an order of the 1 dimensions"),
    (lambda: scale_add(input_output_aliases={2: 0})(X, Y), ValueError, "input index 2 outside the range"),
    (lambda: scale_add(input_output_aliases={0: 1})(X, Y), ValueError, "output index 1 outside the range"),
    (lambda: scale_add(TWO, input_output_aliases={0: 0})(X, Y), ValueError, "different abstract value"),
    (lambda: scale_add(TWO, input_output_aliases={0: 0}, output_layouts=(1, 0))(XS, Y), ValueError, "different layout"),
    (lambda: scale_add()(X, Y, scale=object.__new__(type("Odd", (), {"__hash__": None}))), TypeError, "Non-hashable keyword argument"),
    (lambda: ferax.vmap(lambda x: scale_add()(x, Y, scale=np.float32(1)))(XS), NotImplementedError, "gives none"),
    (lambda: ferax.ffi.pycapsule("f"), TypeError, "ctypes"),
    (lambda: ferax.ffi.register_ffi_type_id("a", None), ValueError, "Use register_ffi_type"),
    (lambda: ferax.ffi.build_ffi_lowering_function("a", layouts=3), TypeError, "unexpected keyword"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
