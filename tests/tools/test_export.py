"""Exported functions: called in other programs and processes, differentiated, for several platforms, and with symbolic sizes."""

import collections
import subprocess
import sys
import textwrap
from typing import NamedTuple

import numpy as np
import pytest

import ferax as jax
import ferax.numpy as jnp
from ferax import export, lax
from ferax._src.control.call_exported import call_exported_p
from ferax._src.engine import mlir, mlir_text
from ferax._src.tools import export_format
from ferax._src.types.symbolic_dims import InconclusiveDimensionOperation
from ferax._src.util import config
from ferax.export import DisabledSafetyCheck
from ferax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec as P

X = np.arange(6, dtype=np.float32).reshape(2, 3) / 4


def through_bytes(exported, vjp_order=0):
    return export.deserialize(exported.serialize(vjp_order=vjp_order))


def symbolic(f, text, *args, constraints=(), **options):
    """``f`` exported for arguments like these, with symbolic shapes."""
    return export.export(jax.jit(f), **options)(*export.symbolic_args_specs(args, text, constraints=constraints))


# --- the round trip ---------------------------------------------------------------------------------------


def f(x, y, *, scale):
    return {"sin": jnp.sin(x) * scale["by"], "unused": x.shape[0], "sum": (x + jnp.arange(40.0)[37]).sum()}


@pytest.fixture(scope="module")
def exported():
    return export.export(jax.jit(f))(X, 2.0, scale={"by": jnp.float32(3)})


def test_what_an_exported_function_says(exported):
    assert exported.fun_name == "f" and exported.platforms == ("cpu",) == (export.default_export_platform(),)
    assert [str(a) for a in exported.in_avals] == ["f32[2,3]", "~f32[]", "f32[]"]
    assert [str(a) for a in exported.out_avals] == ["f32[2,3]", "f32[]", "~i32[]"]
    assert exported.module_kept_var_idx == (0, 2) and exported.nr_devices == 1
    assert exported.calling_convention_version == export.maximum_supported_calling_convention_version
    assert exported.ordered_effects == exported.unordered_effects == exported.disabled_safety_checks == ()
    assert exported.in_shardings_hlo == (None,) * 3 and exported.out_shardings_hlo == (None,) * 3
    assert exported.in_shardings_jax(None) == (None,) * 3
    assert not exported.uses_global_constants and exported.has_vjp()
    assert "stablehlo.sine" in exported.mlir_module() and "@main" in str(exported.mlir_module(serialized=False))
    assert str(exported) == repr(exported) == "Exported(fun_name=f, ...)"


def test_calls(exported):
    args, kwargs = (X, 5.0), {"scale": {"by": 2.0 * jnp.ones(())}}
    expected = f(*args, **kwargs)
    for version in (exported, through_bytes(exported)):
        for call in (version.call, jax.jit(version.call)):
            result = call(*args, **kwargs)
            np.testing.assert_allclose(result["sin"], expected["sin"], rtol=1e-6)
            assert float(result["sum"]) == float(expected["sum"]) and int(result["unused"]) == 2
    assert jax.eval_shape(exported.call, *args, **kwargs)["sin"].shape == (2, 3)


def test_big_constants_are_written_into_the_program():
    table = jnp.asarray(np.random.default_rng(0).normal(size=500), np.float32)
    exported = export.export(jax.jit(lambda i: lax.map(lambda j: table[j], i)))(np.arange(3))
    assert exported.module_kept_var_idx == (0,)
    np.testing.assert_array_equal(through_bytes(exported).call(jnp.array([7, 499, 0])), table[jnp.array([7, 499, 0])])


def test_another_process_calls_it(tmp_path):
    def g(x, w):
        return jnp.linalg.qr(x @ w).R, jax.random.normal(jax.random.key(3), x.shape)

    exported = export.export(jax.jit(g))(np.ones((4, 3), np.float32), np.eye(3, dtype=np.float32))
    (tmp_path / "blob").write_bytes(exported.serialize(vjp_order=1))
    program = textwrap.dedent("""
        import sys, pathlib
        import numpy as np
        import ferax
        from ferax import export
        exported = export.deserialize(pathlib.Path(sys.argv[1], "blob").read_bytes())
        x = np.arange(12, dtype=np.float32).reshape(4, 3) ** 2
        r, noise = exported.call(x, np.eye(3, dtype=np.float32))
        np.testing.assert_allclose(np.asarray(r).T @ r, x.T @ x, rtol=1e-4)
        grad = ferax.grad(lambda w: exported.call(x, w)[1].sum())(np.eye(3, dtype=np.float32))
        assert not np.any(grad)
        np.save(pathlib.Path(sys.argv[1], "noise.npy"), noise)
    """)
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=120)
    np.testing.assert_array_equal(np.load(tmp_path / "noise.npy"), jax.random.normal(jax.random.key(3), (4, 3)))


def test_keys_and_tangents_of_integers():
    exported = export.export(jax.jit(lambda k, n, x: jax.random.uniform(k, (2,)) * x * n))(jax.random.key(1), 2, 3.0)
    version = through_bytes(exported, vjp_order=1)
    assert version.in_avals[0].dtype == jax.random.key(0).dtype
    expected = jax.random.uniform(jax.random.key(1), (2,)) * 6
    np.testing.assert_allclose(version.call(jax.random.key(1), 2, 3.0), expected, rtol=1e-6)
    value, pullback = jax.vjp(lambda n, x: version.call(jax.random.key(1), n, x), 2, 3.0)
    of_n, of_x = pullback(jnp.ones(2))
    assert of_n.dtype == jax.float0 and np.isclose(float(of_x), float(expected.sum()) / 3)


# --- derivatives --------------------------------------------------------------------------------------------


def test_derivatives():
    exported = export.export(jax.jit(lambda x: jnp.sin(x) ** 2))(1.0)
    for version in (exported, through_bytes(exported, vjp_order=2)):
        first = jax.grad(version.call)
        assert np.isclose(first(0.3), np.sin(0.6)) and np.isclose(jax.grad(first)(0.3), 2 * np.cos(0.6))
    derivative = exported.vjp()
    assert derivative is exported.vjp() and [str(a) for a in derivative.in_avals] == ["~f32[]", "~f32[]"]
    assert np.isclose(derivative.call(0.3, 2.0)[0], 2 * np.sin(0.6))
    once = through_bytes(exported, vjp_order=1)
    assert once.has_vjp() and not once.vjp().has_vjp()
    with pytest.raises(ValueError, match="No VJP is available"):
        jax.grad(jax.grad(once.call))(0.3)
    with pytest.raises(ValueError, match="vjps of high-enough order"):
        once.serialize(vjp_order=2)


def test_transformations_without_a_rule():
    exported = export.export(jax.jit(jnp.sin))(1.0)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(exported.call, (1.0,), (1.0,))
    with pytest.raises(NotImplementedError, match="call_exported.*batching rule"):
        jax.vmap(exported.call)(jnp.ones(2))


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("args, text", [
    ((np.ones((2, 4), np.float32), 2.0), r"Shape mismatch for args\[0\].shape\[1\] \(expected same constant\)"),
    ((np.ones((2, 3), np.int32), 2.0), r"Dtype mismatch for args\[0\]: expected float32 and called with int32"),
    ((np.ones((2, 3, 1), np.float32), 2.0), r"Rank mismatch for args\[0\]"),
])
def test_arguments_that_do_not_fit(exported, args, text):
    with pytest.raises(ValueError, match=text):
        exported.call(*args, scale={"by": jnp.float32(1)})


def test_structures_that_do_not_fit(exported):
    with pytest.raises(ValueError, match=r"(?s)same pytree structure as when the function 'f'.*args is a tuple of length 1"):
        exported.call(X, scale={"by": 1.0})
    with pytest.raises(ValueError, match=r"kwargs\['scale'\] is a dict with keys"):
        exported.call(X, 1.0, scale={"of": 1.0})


def test_what_cannot_be_exported():
    with pytest.raises(ValueError, match="must be the result of `jit`"):
        export.export(lambda x: x)
    with pytest.raises(ValueError, match="must be a sequence of names"):
        export.export(jax.jit(jnp.sin), platforms="cpu")
    with pytest.raises(ValueError, match="at least one platform"):
        export.export(jax.jit(jnp.sin), platforms=())
    with pytest.raises(ValueError, match="_override_lowering_rules"):
        export.export(jax.jit(jnp.sin), _override_lowering_rules=[(1, 2)])
    for effectful in (lambda x: jax.pure_callback(np.sin, x, x), lambda x: jax.debug.print("{}", x)):
        with pytest.raises(NotImplementedError, match="calls Python"):
            export.export(jax.jit(effectful))(1.0)
    with config.FLAGS["jax_export_calling_convention_version"](7):
        with pytest.raises(ValueError, match="version 7 is outside the range of supported versions"):
            export.export(jax.jit(jnp.sin))(1.0)


def test_custom_calls_are_stable_or_allowed():
    def calls(x):
        return jax.ffi.ffi_call("nobody_knows_it", jax.ShapeDtypeStruct((), np.float32))(x)

    with pytest.raises(ValueError, match=r"(?s)no compatibility guarantees.*nobody_knows_it, at .*test_export.py"):
        export.export(jax.jit(calls))(1.0)
    for check in (DisabledSafetyCheck.custom_call("nobody_knows_it"), DisabledSafetyCheck.custom_call("ALL")):
        exported = export.export(jax.jit(calls), disabled_checks=[check])(1.0)
        assert "nobody_knows_it" in exported.custom_calls and through_bytes(exported).disabled_safety_checks == (check,)


def test_safety_checks():
    platform, call = DisabledSafetyCheck.platform(), DisabledSafetyCheck.custom_call("t")
    assert platform.is_custom_call() is None and call.is_custom_call() == "t"
    assert str(call) == "custom_call:t" and {platform, DisabledSafetyCheck.platform(), call} == {platform, call}


def test_blobs_that_are_none(exported):
    blob = bytes(exported.serialize())
    for bytes_, text in ((b"", "were not made by"), (b"TFL3" + blob, "were not made by"), (blob[:30], "cut short"),
                         (blob[:200], "cut short"), (blob[:-10], "cut short"),
                         (blob.replace(b"exported-1\n", b"exported-99\n", 1), "format version 99")):
        with pytest.raises(ValueError, match=text):
            export.deserialize(bytes_)


# --- structures ---------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    first: object
    second: object


@jax.tree_util.register_pytree_node_class
class Tagged:
    def __init__(self, value, tag):
        self.value, self.tag = value, tag

    def tree_flatten(self):
        return (self.value,), self.tag

    @classmethod
    def tree_unflatten(cls, tag, children):
        return cls(*children, tag)


def test_structures():
    def rebuilt(t):
        return {"pair": Pair(t[0].second, None), "tagged": Tagged(t[1]["k"] + 1, "out"), "list": [t[2]["z"], ()]}

    args = (Pair(1.0, 2.0), {"k": jnp.ones(2)}, collections.OrderedDict(z=3.0))
    exported = export.export(jax.jit(rebuilt))(args)
    with pytest.raises(ValueError, match="unregistered type.*Pair.*register_namedtuple_serialization"):
        exported.serialize()
    assert export.register_namedtuple_serialization(Pair, serialized_name="tests.Pair") is Pair
    with pytest.raises(ValueError, match="unregistered type.*Tagged.*register_pytree_node_serialization"):
        exported.serialize()
    export.register_pytree_node_serialization(Tagged, serialized_name="tests.Tagged", serialize_auxdata=str.encode,
                                              deserialize_auxdata=bytes.decode)
    try:
        result = through_bytes(exported).call(args)
        assert result["pair"] == Pair(2.0, None) and result["tagged"].tag == "out" and result["list"] == [3.0, ()]
        with pytest.raises(ValueError, match="Duplicate serialization registration for type"):
            export.register_namedtuple_serialization(Pair, serialized_name="tests.other")
        with pytest.raises(ValueError, match="Duplicate serialization registration for serialized_name `tests.Pair`"):
            export.register_namedtuple_serialization(collections.namedtuple("Other", "x"), serialized_name="tests.Pair")
        blob = exported.serialize()
        export_format._by_name.pop("tests.Pair")
        with pytest.raises(ValueError, match="was serialized as `tests.Pair`"):
            export.deserialize(blob)
    finally:
        for known in (export_format._by_name, export_format._by_type):
            for key in ("tests.Pair", "tests.Tagged", Pair, Tagged):
                known.pop(key, None)


def test_structures_that_cannot_be_kept():
    for tree, error, text in (({1: 2.0}, TypeError, "dictionaries with string keys"),
                              (collections.OrderedDict({1: 2.0}), NotImplementedError, "only when the keys are strings")):
        with pytest.raises(error, match=text):
            export.export(jax.jit(lambda t: 1.0))(tree).serialize()
    with pytest.raises(ValueError, match="for types other than"):
        export.register_namedtuple_serialization(Tagged, serialized_name="x")
    with pytest.raises(ValueError, match="you must call first `register_pytree_node`"):
        export.register_pytree_node_serialization(NamedSharding, serialized_name="x", serialize_auxdata=None, deserialize_auxdata=None)
    exported = export.export(jax.jit(lambda t: 1.0))(Tagged(1.0, "t"))
    export.register_pytree_node_serialization(Tagged, serialized_name="tests.Tagged", serialize_auxdata=str, deserialize_auxdata=str)
    try:
        with pytest.raises(ValueError, match="must return a `bytes` object"):
            exported.serialize()
    finally:
        del export_format._by_name["tests.Tagged"], export_format._by_type[Tagged]


# --- platforms ----------------------------------------------------------------------------------------------


def test_other_platforms():
    exported = export.export(jax.jit(jnp.sin), platforms=["tpu"])(1.0)
    with pytest.raises(ValueError, match=r"exported for platforms '\('tpu',\)' but it is used on '\('cpu',\)'"):
        exported.call(1.0)
    relaxed = export.export(jax.jit(jnp.sin), platforms=["tpu"], disabled_checks=[DisabledSafetyCheck.platform()])(1.0)
    assert np.isclose(through_bytes(relaxed).call(1.0), np.sin(1.0))


def test_several_platforms():
    def by_platform(x):
        return lax.platform_dependent(x, cuda=lambda x: x * 3, tpu=lambda x: x * 5, default=lambda x: jnp.linalg.cholesky(x) * 7)

    exported = export.export(jax.jit(by_platform), platforms=("cuda", "tpu", "rocm", "cpu"))(np.eye(2, dtype=np.float32))
    assert exported.uses_global_constants and "stablehlo.case" in exported.mlir_module()
    np.testing.assert_allclose(through_bytes(exported).call(4 * np.eye(2, dtype=np.float32)), 14 * np.eye(2))
    same = export.export(jax.jit(jnp.sin), platforms=("tpu", "cpu"))(1.0)
    assert "stablehlo.case" not in same.mlir_module() and np.isclose(same.call(2.0), np.sin(2.0))
    again = export.export(jax.jit(lambda x: same.call(x) + 1), platforms=("cpu", "tpu"))(1.0)
    assert np.isclose(again.call(2.0), np.sin(2.0) + 1)


# --- devices ------------------------------------------------------------------------------------------------


def mesh_of(devices, types=None):
    return Mesh(np.array(devices).reshape(2, 2), ("x", "y"), types)


def test_several_devices():
    if len(jax.devices()) < 4:
        pytest.skip("needs 4 devices")
    mesh = mesh_of(jax.devices()[:4])
    parts, whole = NamedSharding(mesh, P("x", ("y",))), NamedSharding(mesh, P())
    program = jax.jit(lambda x: lax.with_sharding_constraint(x * 2, parts).sum(0), in_shardings=parts, out_shardings=whole)
    exported = through_bytes(export.export(program)(np.ones((4, 4), np.float32)), vjp_order=0)
    assert exported.nr_devices == 4 and "sdy.mesh" in exported.mlir_module()
    backwards = mesh_of(jax.devices()[3::-1])
    (wanted,) = exported.in_shardings_jax(backwards)
    assert wanted == NamedSharding(backwards, P("x", ("y",))) and exported.out_shardings_jax(mesh) == (whole,)
    x = jax.device_put(np.arange(16, dtype=np.float32).reshape(4, 4), wanted)
    result = exported.call(x)
    np.testing.assert_array_equal(result, 2 * np.asarray(x).sum(0))
    assert result.sharding.is_fully_replicated and len(result.devices()) == 4
    with pytest.raises(ValueError, match="exported for 4 devices and is called in a context with 1 devices"):
        exported.call(np.ones((4, 4), np.float32))
    with pytest.raises(ValueError, match="does not match the mesh used for export"):
        exported.in_shardings_jax(mesh_of(jax.devices()[:4], (AxisType.Explicit,) * 2))
    alone = export.export(jax.jit(lambda x: x + 1))(np.ones((4, 4), np.float32))
    assert alone.call(x).sharding.is_equivalent_to(wanted, 2)


# --- symbolic sizes -----------------------------------------------------------------------------------------


def agree(f, text, *shapes, constraints=()):
    """Export ``f`` once for arguments of symbolic shapes, and compare it for several shapes with ``f`` lowered for these.

    StableHLO's interpreter runs both: XLA would take seconds for each shape to compile so many operations.
    """
    rng = np.random.default_rng(1)
    specs = [jax.ShapeDtypeStruct(s, np.float32) for s in symbolic_shapes(text, constraints)]
    exported = through_bytes(export.export(jax.jit(f))(*specs))
    for given in shapes:
        args = [rng.uniform(-2, 3, size=shape).astype(np.float32) for shape in given]
        with config.cpu_lowerings("plain"):
            right = export.export(jax.jit(f))(*args)
        avals = call_exported_p.abstract_eval(*[a.aval for a in map(jnp.asarray, args)], exported=exported)
        assert [str(a) for a in avals] == [str(a) for a in right.out_avals] and exported.out_tree == right.out_tree
        ours = interpreted(exported.module_for(given, mlir.workbench()), args)
        expected = interpreted(right.mlir_module(serialized=False), [args[i] for i in right.module_kept_var_idx])
        for i, (x, y) in enumerate(zip(ours, expected, strict=True)):
            assert x.shape == y.shape == avals[i].shape and x.dtype == y.dtype, i
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5, err_msg=str(i))
    return exported


def interpreted(module, args):
    mlir_text.run_passes(module, "builtin.module(func.func(chlo-legalize-to-stablehlo))")
    return mlir_text.interpret(module, args)


def symbolic_shapes(text, constraints):
    scope = export.SymbolicScope(constraints)
    return [export.symbolic_shape(part, scope=scope) for part in text.split(";")]


def test_symbolic_elementwise_broadcasts_and_reductions():
    def f(x, y):
        n, m = x.shape
        return [
            x + 1, x * y, jnp.where(x > y, x, 0.0), x - x[0], x[:, None, :] * x[None], jnp.broadcast_to(y, (2, n, m)), x.sum(),
            x.max(0), x.mean(1, keepdims=True) + x, x.var(0), jnp.var(x, axis=1, ddof=1), (x > 0).any(1), x.argmax(1),
            jax.nn.softmax(x), x * n + m, x.sum() / x.size, jnp.zeros((n, 2)) + n // 2, jnp.full_like(x, 3.0), jnp.eye(n, m),
            jnp.arange(n) % m, jnp.arange(2, n + 2), lax.iota(np.int32, m), jnp.clip(x, 0, 1), jnp.linalg.norm(x, axis=1),
            x.astype(jnp.bfloat16).astype(jnp.float32), jnp.outer(y, y), jnp.cov(x.T), lax.complex(x, x).real, jnp.float32(n) ** 2,
        ]

    exported = agree(f, "a, b; b", ((3, 4), (4,)), ((1, 2), (2,)), constraints=("b >= 2",))
    assert [str(a) for a in exported.out_avals[:6:5]] == ["f32[a,b]", "f32[2,a,b]"] and exported.uses_global_constants


def test_symbolic_products_shapes_and_slices():
    def f(x, w, q):
        n, m = x.shape
        return [
            x @ w, x.T @ x, jnp.einsum("ij,kj->ik", x, x), jax.vmap(lambda r: r @ w)(x), x.reshape(-1), x.reshape(n * m),
            x.ravel()[:, None], jnp.moveaxis(x, 0, 1)[None], q.reshape(q.shape[0] // 2, 2, -1),
            jnp.concatenate([x, jnp.ones((2, m), x.dtype), x]), jnp.stack([x, x], 1), jnp.pad(x, ((1, 2), (0, 1))), x[1:], x[:-1, ::2],
            x[::-1], x[0], x[-1, 1:], x[: n // 2], x[:, :1], x[jnp.array([0, -1])], jnp.take(x, jnp.array([[0, 1], [5, 0]]), axis=1),
            jnp.take_along_axis(x, jnp.zeros((n, 1), int), 1), lax.dynamic_slice(x, (n - 1, 0), (1, m)),
            lax.dynamic_slice(x, (-1, jnp.int32(-1)), (1, 1)), lax.dynamic_update_slice(x, x[:1] + 1, (1, 0)), x.at[0].set(1.0),
            x.at[:, 1].add(2.0), jnp.tile(x, (2, 1)), jnp.repeat(x, 2, axis=0), jnp.roll(x, 1, 0), jnp.tril(x), jnp.sort(x, 0),
            jnp.argsort(x, 1), jnp.cumsum(x, 0), lax.cummax(x, axis=1, reverse=True), jnp.median(x, axis=0), jnp.max(x, 1)[: x.shape[0]],
        ]

    agree(f, "a, b; b, 3; 2*c, d", ((3, 4), (4, 3), (4, 2)), ((2, 2), (2, 3), (2, 5)), constraints=("a >= 2", "b >= 2"))


def test_symbolic_control_flow_and_derivatives():
    def f(x, w):
        def loss(w):
            h = jnp.tanh(x @ w)
            return -jax.nn.log_softmax(h)[:, 0].mean() + jax.checkpoint(jnp.sin)(x[1:] * x[0]).sum()

        def steps(x):
            return lax.scan(lambda c, r: (jnp.sin(c) + r, c * 2), jnp.zeros(x.shape[1]), x)

        return [
            steps(x), lax.scan(lambda c, r: (c + r, c), x[0], x, unroll=2, reverse=True),
            lax.fori_loop(0, x.shape[0], lambda i, c: c + x[i], x[0]), lax.map(lambda r: r.max(), x),
            lax.while_loop(lambda c: jnp.abs(c).max() < 40, lambda c: 2 * c + 1, x), lax.cond(x.sum() > 0, lambda x: x, lambda x: -x, x),
            jax.grad(loss)(w), jax.grad(lambda x: steps(x)[0].sum())(x), jax.grad(lambda x: (jnp.cumsum(x, 0) ** 2).sum())(x),
            jax.grad(lambda x: (x[jnp.array([0, 0])] ** 2).sum() + x.max(1).sum() + x.mean())(x), jax.jit(lambda x: x + x.shape[0])(x),
            jax.random.normal(jax.random.key(0), (x.shape[0], 3)), x + jax.random.uniform(jax.random.key(1), x.shape),
        ]

    exported = agree(f, "a, b; b, 3", ((3, 4), (4, 3)), ((2, 1), (1, 3)), constraints=("a >= 2",))
    assert exported.in_avals[1].shape[0] == exported.in_avals[0].shape[1]


def test_symbolic_images_and_attention():
    """By XLA: StableHLO's interpreter has no convolutions."""
    def f(x, w, q):
        return [
            lax.conv(x, w, (1, 1), "SAME"), jax.grad(lambda w: (lax.conv(x, w, (1, 1), "VALID") ** 2).sum())(w),
            lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"),
            jax.nn.dot_product_attention(q, q, q, is_causal=True),
        ]

    specs = [jax.ShapeDtypeStruct(s, np.float32) for s in symbolic_shapes("n, 2, h, h; 3, 2, 2, 2; n, t, 2, 4", ())]
    exported = through_bytes(export.export(jax.jit(f))(*specs))
    rng = np.random.default_rng(2)
    args = [rng.normal(size=shape).astype(np.float32) for shape in ((2, 2, 5, 5), (3, 2, 2, 2), (2, 3, 2, 4))]
    for ours, right in zip(exported.call(*args), jax.jit(f)(*args), strict=True):
        np.testing.assert_allclose(ours, right, rtol=1e-4, atol=1e-5)


def test_symbolic_expressions_of_arguments():
    def f(x, y):
        n = x.shape[0]                          # 2*a + 1
        dims = (n % 3, n // 2, -(-n // 2), (3 - n) // 2, (3 - n) % 2)
        return [x[: n // 2].sum(), jnp.stack([jnp.asarray(d) for d in dims]), x.sum() + y]

    agree(f, "2*a + 1, a - 1;", ((5, 1), ()), ((3, 0), ()))


def test_symbolic_derivatives_of_what_was_read():
    exported = symbolic(lambda x, y: (x * y).sum(0), ("a, b", "b"), X, X[0])
    version = through_bytes(exported, vjp_order=1)
    x, y = jnp.arange(8.0).reshape(4, 2), jnp.array([1.0, 3.0])
    by_x, by_y = jax.grad(lambda x, y: (version.call(x, y) ** 2).sum(), (0, 1))(x, y)
    right = jax.grad(lambda x, y: ((x * y).sum(0) ** 2).sum(), (0, 1))(x, y)
    np.testing.assert_allclose(by_x, right[0])
    np.testing.assert_allclose(by_y, right[1])


def test_symbolic_inside_of_symbolic():
    inner = symbolic(lambda x: x.sum(1) * x.shape[0], "a, b", X, platforms=("cpu", "tpu"))
    outer = symbolic(lambda x: inner.call(x)[:-1] + inner.call(x.T).sum(), "c + 1, 2*d", X)
    assert str(outer.out_avals[0]) == "f32[c]"
    x = jnp.arange(12.0).reshape(3, 4)
    np.testing.assert_allclose(through_bytes(outer).call(x), (x.sum(1) * 3)[:-1] + (x.sum(0) * 4).sum())


def test_symbolic_sizes_that_do_not_fit():
    exported = through_bytes(symbolic(lambda x, y: x + y[: x.shape[0]], ("a", "2*b"), X[0], X[0], constraints=("2*b >= a",)))
    assert exported.call(X[0, :2], X[1, :2]).tolist() == (X[0, :2] + X[1, :2]).tolist()
    for n, m, text in ((3, 2, "is not negative"), (2, 3, "Division had remainder 1"), (0, 2, "Expected value >= 1")):
        with pytest.raises(ValueError, match=rf"(?s){text}.*args\[0\].shape = \(a,\)"):
            exported.call(np.ones(n, np.float32), np.ones(m, np.float32))
    with pytest.raises(ValueError, match=r"(?s)Cannot solve for values of dimension variables \['a', 'b'\].*args\[0\].shape = \(a\*b,\)"):
        symbolic(lambda x: x, "a*b", X[0])


def test_scopes_must_agree():
    specs = [jax.ShapeDtypeStruct(export.symbolic_shape("a"), np.float32) for _ in range(2)]
    with pytest.raises(ValueError, match=r"(?s)Invalid mixing of symbolic scopes when exporting.*from args\[0\].*args\[1\]\['k'\]"):
        export.export(jax.jit(lambda x, y: x))(specs[0], {"k": specs[1]})


@pytest.mark.parametrize("f, text, error, message", [
    (lambda x: jnp.ones(3) if x.shape[0] > 2 else x, "a, b", InconclusiveDimensionOperation, "'a' > '2' is inconclusive"),
    (lambda x: list(range(x.shape[0])), "a, b", TypeError, "integer"),
    (lambda x: jnp.fft.fft(x), "a, b", NotImplementedError, "fft with an attribute that is symbolic is not possible yet"),
    (lambda x: lax.conv(x[None, None], x[None, None, :1, :1], (2, 2), "SAME"), "a, b", InconclusiveDimensionOperation, "inconclusive"),
    (lambda x: jnp.linalg.cholesky(x), "a, a", NotImplementedError, "not possible yet"),
    (lambda x: x + jnp.ones(3), "a, b", ValueError, "shape"),
])
def test_what_cannot_be_symbolic(f, text, error, message):
    with pytest.raises(error, match=message):
        symbolic(f, text, np.ones((3, 3), np.float32))


def test_symbolic_args_specs():
    tree = {"x": X, "y": [jnp.ones(4), 3.0]}
    specs = export.symbolic_args_specs(tree, {"x": "a, ...", "y": None})
    assert [s.shape for s in jax.tree.leaves(specs)[1:]] == [(4,), ()] and str(specs["x"].shape) == "(a, 3)"
    assert specs["x"].dtype == np.float32
    both = export.symbolic_args_specs((X, X), ["a, b", "b, a"], constraints=("a >= b",))
    assert both[0].shape[0] >= both[1].shape[0]
    scope = both[0].shape[0].scope
    assert export.symbolic_args_specs(X, "a, _", scope=scope).shape[0] == both[0].shape[0]
    with pytest.raises(ValueError, match="both `scope` and `constraints`"):
        export.symbolic_args_specs(X, "a, b", scope=scope, constraints=("a >= 2",))
    with pytest.raises(ValueError, match="symbolic_args_specs shapes_specs"):
        export.symbolic_args_specs((X, X), ("a, b",))


def test_ordinary_programs_see_nothing_of_it():
    """Symbolic lowering is a context of its own; other modules have no dynamic operations, and functions stay functions."""
    text = jax.jit(lambda x: jax.nn.softmax(x)).lower(X).as_text()
    assert "dynamic_" not in text and "?" not in text
    exported = symbolic(lambda x: jax.nn.softmax(x), "a, b", X)
    assert "stablehlo.dynamic_broadcast_in_dim" in exported.mlir_module()
    refined = exported.module_for(((2, 3),), mlir.workbench())
    assert "?" not in mlir_text.module_text(refined) and "dynamic_" not in mlir_text.module_text(refined)
