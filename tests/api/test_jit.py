"""`jit`: options, caching, staging, donation; in all the ways in which people call it."""

import functools
import gc
import re
import threading
import weakref

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax
from ferax.sharding import AxisType, NamedSharding, PartitionSpec, SingleDeviceSharding


class Counter:
    """Counts how often a function is traced (its Python runs)."""

    def __init__(self, fun):
        self.fun = fun
        self.count = 0
        functools.update_wrapper(self, fun)

    def __call__(self, *args, **kwargs):
        self.count += 1
        return self.fun(*args, **kwargs)


# --- calling --------------------------------------------------------------------------------------


def test_pytrees_keywords_and_scalars():
    @ferax.jit
    def f(tree, *rest, scale=2.0, **more):
        return {"a": tree["x"] * scale, "rest": sum(rest), "more": {k: v + 1 for k, v in more.items()}, "none": None}

    for _ in range(2):
        out = f({"x": np.arange(3.0)}, 1, 2.5, scale=3, z=jnp.ones(2))
        np.testing.assert_array_equal(out["a"], [0, 3, 6])
        assert out["rest"] == 3.5 and out["none"] is None
        np.testing.assert_array_equal(out["more"]["z"], [2, 2])
    assert all(isinstance(x, ferax.Array) for x in ferax.tree.leaves(out))


def test_results_without_computation():
    x = jnp.arange(3.0)
    assert ferax.jit(lambda: 3)() == 3
    assert ferax.jit(lambda x: ())(x) == ()
    a, b, c = ferax.jit(lambda x, y: (x, x, 7.0))(x, 1)
    np.testing.assert_array_equal(a, x)
    np.testing.assert_array_equal(b, x)
    assert c == 7.0 and c.weak_type
    assert ferax.jit(lambda x: x)(True).dtype == bool


def test_nested_and_inlined():
    @ferax.jit
    def inner(x):
        return jnp.sin(x) * 2

    inlined = ferax.jit(lambda x: jnp.cos(x) * 3, inline=True)
    outer = ferax.jit(lambda x: inner(x) + inlined(x))
    x = jnp.arange(3.0)
    np.testing.assert_allclose(outer(x), 2 * np.sin(x) + 3 * np.cos(x), rtol=1e-6)
    text = str(ferax.make_jaxpr(outer)(x))
    assert text.count("jit[") == 2 and "name=inner" in text       # outer and inner; the inlined one is gone
    assert "cos" in text


def test_methods_partials_and_callable_objects():
    class Model:
        def __init__(self, w):
            self.w = w

        @ferax.jit
        def no_self(x):                                           # noqa: N805 (used through the class)
            return x + 1

        @functools.partial(ferax.jit, static_argnums=0)
        def __call__(self, x):
            return self.w * x

    m, n = Model(2.0), Model(3.0)
    assert m(4.0) == 8.0 and n(4.0) == 12.0 and m(4.0) == 8.0
    assert Model.no_self(1) == 2
    assert ferax.jit(m.__call__)(1.0) == 2.0
    assert ferax.jit(n)(1.0) == 3.0
    add = functools.partial(lambda a, b, c: a + 2 * b + c, 1, c=3)
    assert ferax.jit(add)(5.0) == 14.0


def test_decorator_forms_keep_the_face():
    @ferax.jit
    def f(x):
        """Doubles."""
        return 2 * x

    @functools.partial(ferax.jit, static_argnames="n")
    def g(x, n):
        return x * n

    @ferax.jit(static_argnames=("n",), inline=True)
    def h(x, *, n):
        return x * n

    assert f.__name__ == "f" and f.__doc__ == "Doubles." and f.__wrapped__(2) == 4
    assert g(3, n=4) == 12 and g(3, 4) == 12 and h(2, n=5) == 10


def test_default_arguments_and_kwargs_share_nothing_wrong():
    f = ferax.jit(lambda x, y=10: x - y)
    assert f(1) == -9 and f(1, 2) == -1 and f(1, y=2) == -1 and f(y=2, x=1) == -1


# --- static arguments -----------------------------------------------------------------------------


def test_static_argnums():
    f = Counter(lambda n, x, mode: x * n if mode == "mul" else x + n)
    jf = ferax.jit(f, static_argnums=(0, 2))
    assert jf(3, 2.0, "mul") == 6 and jf(3, 5.0, "mul") == 15 and f.count == 1
    assert jf(3, 2.0, "add") == 5 and jf(4, 2.0, "add") == 6 and f.count == 3
    assert jf(3, 2.0, "mul") == 6 and f.count == 3


def test_negative_static_argnums():
    jf = ferax.jit(lambda x, n: [x] * n, static_argnums=-1)
    assert len(jf(1.0, 3)) == 3 and len(jf(1.0, 2)) == 2
    jf = ferax.jit(lambda x, n, m: x.reshape(n, m), static_argnums=(-2, -1))
    assert jf(jnp.arange(6), 2, 3).shape == (2, 3) and jf(jnp.arange(6), 3, 2).shape == (3, 2)


def test_static_argnums_and_argnames_follow_from_each_other():
    def f(x, n, *, m=1):
        assert isinstance(n, int) and isinstance(m, int)
        return jnp.full((n, m), x)

    assert ferax.jit(f, static_argnums=1, static_argnames="m")(1.0, 2, m=3).shape == (2, 3)
    assert ferax.jit(f, static_argnames=("n", "m"))(1.0, 2, m=3).shape == (2, 3)
    assert ferax.jit(f, static_argnames=("n", "m"))(1.0, n=2).shape == (2, 1)
    g = lambda x, n: jnp.full((n,), x)
    assert ferax.jit(g, static_argnums=1)(1.0, n=4).shape == (4,)


def test_static_values_are_compared_by_type_too():
    f = Counter(lambda n, x: x * n)
    jf = ferax.jit(f, static_argnums=0)
    assert jf(1, 2).dtype == jnp.int32 and jf(1.0, 2).dtype == jnp.float32 and jf(True, 2).dtype == jnp.int32
    assert f.count == 3


def test_static_errors():
    f = ferax.jit(lambda x, n: x, static_argnums=1)
    with pytest.raises(ValueError, match="Non-hashable static arguments.*index 1.*tuple instead of a list"):
        f(1.0, [1, 2])
    with pytest.raises(ValueError, match="Arrays cannot be static"):
        f(1.0, np.ones(2))
    with pytest.raises(ValueError, match="static_argnums=5 names positional argument 5"):
        ferax.jit(lambda x: x, static_argnums=5)
    with pytest.raises(ValueError, match="'m', which is not a parameter"):
        ferax.jit(lambda x: x, static_argnames="m")
    with pytest.raises(TypeError, match="static_argnums must be an int or a sequence of ints"):
        ferax.jit(lambda x: x, static_argnums="x")
    with pytest.raises(TypeError, match="static_argnames must be a str or a sequence of str"):
        ferax.jit(lambda x: x, static_argnames=(1,))


# --- caching --------------------------------------------------------------------------------------


def test_traced_once_for_each_type():
    f = Counter(lambda x: x + 1)
    jf = ferax.jit(f)
    jf(jnp.ones(3)), jf(jnp.zeros(3)), jf(np.ones(3, np.float32))
    assert f.count == 1
    jf(jnp.ones(4))
    assert f.count == 2
    jf(jnp.ones(3, jnp.int32))
    assert f.count == 3
    jf(1), jf(2)
    assert f.count == 4                         # a weakly typed int
    jf(1.0), jf(jnp.float32(1))
    assert f.count == 6                         # weak and strong floats are two types


def test_jits_of_one_function_share_traces():
    f = Counter(lambda x: jnp.sin(x))
    a, b = ferax.jit(f), ferax.jit(f, donate_argnums=())
    a(1.0), b(2.0), ferax.jit(f)(3.0)
    assert f.count == 1


def test_flags_that_change_meaning_trace_anew():
    f = Counter(lambda x: x + np.float64(1))
    jf = ferax.jit(f)
    x = jnp.ones(2)
    assert jf(x).dtype == jnp.float32
    with ferax.enable_x64(True):
        assert jf(x).dtype == jnp.float64
    assert f.count == 2
    assert jf(x).dtype == jnp.float32 and f.count == 2
    with ferax.numpy_dtype_promotion("strict"):
        assert jf(x).dtype == jnp.float32
        g = ferax.jit(lambda a, b: a + b)
        with pytest.raises(ferax.dtypes.TypePromotionError):
            g(x, jnp.ones(2, jnp.int32))
    assert g(x, jnp.ones(2, jnp.int32)).dtype == jnp.float32
    with ferax.numpy_rank_promotion("raise"), pytest.raises(ValueError, match="rank"):
        g(x, jnp.ones((2, 2)))
    with ferax.default_matmul_precision("float32"):
        jf(x)
    assert f.count == 4


def test_clear_cache_and_clear_caches():
    f = Counter(lambda x: x * 2)
    jf = ferax.jit(f)
    jf(1.0), jf(1.0)
    assert f.count == 1
    jf.clear_cache()
    jf(1.0)
    assert f.count == 2
    ferax.clear_caches()
    assert jf(1.0) == 2.0 and f.count == 3


def test_dropped_functions_are_freed():
    class Big:
        pass

    big = Big()
    ref = weakref.ref(big)

    def make(big):
        return ferax.jit(lambda x: (x + 1, big)[0])

    f = make(big)
    f(1.0)
    del f, big
    gc.collect()
    assert ref() is None


def test_failing_functions_fail_again():
    calls = Counter(lambda x: 1 / 0)
    f = ferax.jit(calls)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            f(1.0)
    assert calls.count == 2 and ferax.jit(lambda x: x + 1)(1.0) == 2


def test_threads_may_share_a_jitted_function():
    f = ferax.jit(lambda x: jnp.sin(x).sum())
    results = [None] * 8

    def run(i):
        results[i] = [float(f(jnp.full(i % 3 + 1, 0.5))) for _ in range(20)]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    [t.start() for t in threads], [t.join() for t in threads]
    for i, r in enumerate(results):
        np.testing.assert_allclose(r, np.sin(0.5) * (i % 3 + 1), rtol=1e-6)


def test_disable_jit():
    seen = []

    @ferax.jit
    def f(x):
        seen.append(type(x).__name__)
        return x + 1 if x > 0 else x - 1         # Python control flow on values

    with ferax.disable_jit():
        assert f(jnp.float32(2)) == 3 and f(jnp.float32(-2)) == -3
    assert not any("Tracer" in name for name in seen)
    with pytest.raises(ferax.errors.TracerBoolConversionError):
        f(jnp.float32(2))
    with ferax.disable_jit(False), pytest.raises(ferax.errors.TracerBoolConversionError):
        f(jnp.float32(2))


def test_no_tracing():
    f = ferax.jit(lambda x: x * 2)
    f(1.0)
    with ferax.no_tracing(True):
        assert f(2.0) == 4
        with pytest.raises(RuntimeError, match="no_tracing"):
            f(jnp.ones(7))


def test_no_execution():
    with ferax.no_execution(True):
        assert ferax.jit(lambda x: x @ x).lower(np.ones((3, 3), np.float32)).compile() is not None
        assert ferax.eval_shape(jnp.sin, 1.0).shape == ()
        for use in (lambda: ferax.jit(lambda x: x * 3)(2.0), lambda: jnp.add(np.float32(1), 2), lambda: ferax.grad(jnp.sin)(1.0)):
            with pytest.raises(RuntimeError, match="no_execution"):
                use()
    assert ferax.jit(lambda x: x * 3)(2.0) == 6


def test_explain_cache_misses(caplog):
    def step(params, n, mode="a"):
        return params["w"] * n

    f = ferax.jit(step, static_argnames="mode")
    said = lambda: caplog.messages[-1]
    with ferax.explain_cache_misses(True):
        f({"w": 1.0}, 2)
        assert "step (test_jit.py" in said() and "for the first time" in said()
        f({"w": jnp.ones(3)}, 2)
        assert "params['w'] is f32[3] instead of ~f32[]" in said()
        f({"w": jnp.ones(3)}, 2, mode="b")
        assert "static arguments are {" in said() and "'b'" in said()
        f({"w": jnp.ones(3), "extra": 1}, 2)
        assert "another structure" in said() and "'extra'" in said()
        with ferax.default_matmul_precision("highest"):
            f({"w": 1.0}, 2)
        assert "the option jax_default_matmul_precision is 'highest' instead of None" in said()
        count = len(caplog.messages)
        f({"w": 2.0}, 3)
        assert len(caplog.messages) == count


# --- donation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"donate_argnums": 0}, {"donate_argnames": "x"}, {"donate_argnums": (-2,)}])
def test_donated_arguments_are_gone(how):
    f = ferax.jit(lambda x, y: x + y, **how)
    x, y = jnp.arange(4.0) + 0, jnp.ones(4)
    np.testing.assert_array_equal(f(x, y), [1, 2, 3, 4])
    assert x.is_deleted() and not y.is_deleted()
    for use in (lambda: x + 1, lambda: f(x, y), lambda: np.asarray(x), lambda: ferax.jit(jnp.sin)(x), lambda: x[0]):
        with pytest.raises(RuntimeError, match=r"Array has been deleted with shape=float32\[4\]"):
            use()
    x = jnp.arange(4.0) + 0
    f(x, y=y) if how != {"donate_argnums": (-2,)} else f(x, y)
    assert x.is_deleted()


def test_donation_of_pytrees_and_of_numbers():
    f = ferax.jit(lambda state, g: {k: v - g for k, v in state.items()}, donate_argnums=0)
    state = {"a": jnp.ones(3) + 0, "b": jnp.zeros((2, 2)) + 0}
    new = f(state, 1.0)
    assert all(v.is_deleted() for v in state.values())
    np.testing.assert_array_equal(new["a"], np.zeros(3))
    g = ferax.jit(lambda x: x + 1, donate_argnums=0)
    assert g(1.0) == 2 and g(1.0) == 2          # a number's array is shared, and must survive
    host = np.ones(3, np.float32)
    g(host), g(host)
    np.testing.assert_array_equal(host, np.ones(3))


def test_the_same_array_donated_and_passed_again():
    f = ferax.jit(lambda x, y: (x + 1, y * 2), donate_argnums=0)
    x = jnp.arange(3.0) + 0
    with pytest.raises((ValueError, RuntimeError), match="[Dd]onat|deleted"):
        a, b = f(x, x)
        np.asarray(a), np.asarray(b)


def test_one_array_donated_twice_or_closed_over():
    f = ferax.jit(lambda x, y: (x + 1, y * 2), donate_argnums=(0, 1))
    x = jnp.arange(3.0) + 0
    with pytest.raises((ValueError, RuntimeError), match="[Dd]onat|deleted"):
        f(x, x)
    big = jnp.arange(100.0) + 0
    g = ferax.jit(lambda y: y + big, donate_argnums=0)
    try:
        np.testing.assert_array_equal(g(big), np.arange(100.0) * 2)
    except (ValueError, RuntimeError) as e:
        assert "onat" in str(e) or "deleted" in str(e)


def test_unusable_donations_warn():
    f = ferax.jit(lambda x: x.sum(), donate_argnums=0)
    x = jnp.arange(4.0) + 0
    with pytest.warns(UserWarning, match=r"Some donated buffers were not usable: float32\[4\]"):
        f(x)


def test_donation_inside_a_trace_is_ignored():
    f = ferax.jit(lambda x: x * 2, donate_argnums=0)
    x = jnp.arange(3.0) + 0
    np.testing.assert_array_equal(ferax.jit(lambda x: f(x) + x)(x), np.arange(3) * 3)
    np.testing.assert_array_equal(ferax.grad(lambda x: f(x).sum())(x), [2, 2, 2])
    assert not x.is_deleted()


def test_donate_errors():
    with pytest.raises(ValueError, match="cannot intersect"):
        ferax.jit(lambda x: x, static_argnums=0, donate_argnums=0)
    with pytest.raises(ValueError, match="donate_argnums=3"):
        ferax.jit(lambda x: x, donate_argnums=3)
    with pytest.raises(ValueError, match="donate_argnames='y'"):
        ferax.jit(lambda x: x, donate_argnames="y")


# --- where it runs --------------------------------------------------------------------------------


def test_device_and_backend():
    d = ferax.devices()[2]
    x = jnp.ones(2)
    assert ferax.jit(lambda x: x + 1, device=d)(x).devices() == {d}
    assert ferax.jit(lambda x: x + 1, backend="cpu")(x).devices() == {ferax.devices("cpu")[0]}
    y = ferax.device_put(x, ferax.devices()[1])
    assert ferax.jit(lambda x, y: x + y)(x, y).devices() == {ferax.devices()[1]}
    with pytest.raises(ValueError, match="can't specify both a device and a backend"):
        ferax.jit(lambda x: x, device=d, backend="cpu")
    with pytest.raises(ValueError, match="(?s)incompatible devices.*argument x.*argument y.*device_put"):
        ferax.jit(lambda x, y: x + y)(ferax.device_put(x, d), y)
    with ferax.default_device(ferax.devices()[3]):
        assert ferax.jit(lambda: jnp.zeros(3))().devices() == {ferax.devices()[3]}


def test_in_and_out_shardings():
    mesh = ferax.make_mesh((4,), ("x",), (AxisType.Auto,))
    rows, whole = NamedSharding(mesh, PartitionSpec("x")), NamedSharding(mesh, PartitionSpec())
    f = ferax.jit(lambda a, b: {"rows": a @ b, "sum": a.sum()}, in_shardings=(rows, None),
                  out_shardings={"rows": rows, "sum": whole})
    for _ in range(2):
        out = f(jnp.ones((8, 3)), jnp.ones(3))
        assert out["rows"].sharding == rows and out["sum"].sharding.is_fully_replicated
        np.testing.assert_array_equal(out["rows"], np.full(8, 3.0))
    with ferax.set_mesh(mesh):
        g = ferax.jit(lambda a: a * 2, in_shardings=PartitionSpec("x"), out_shardings=PartitionSpec("x"))
    x = jnp.arange(8.0)
    assert len(g(x).addressable_shards) == 4 and g(x).addressable_shards[1].data.tolist() == [4.0, 6.0]
    assert g.lower(x).compile().input_shardings == ((rows,), {})
    assert ferax.jit(lambda x: g(x) + 1)(ferax.device_put(x, whole)).sharding == rows
    np.testing.assert_array_equal(ferax.grad(lambda x: g(x).sum())(x), np.full(8, 2.0))
    there = SingleDeviceSharding(ferax.devices()[1])
    assert ferax.jit(lambda x: x + 1, out_shardings=there)(x).sharding == there
    with pytest.raises(ValueError, match="PartitionSpec.*needs a mesh"):
        ferax.jit(lambda a: a, in_shardings=PartitionSpec("x"))
    with pytest.raises(ValueError, match="in_shardings leaf values are expected"):
        ferax.jit(lambda a: a, in_shardings="x")
    with pytest.raises(ValueError, match="(?s)jit in_shardings.*prefix.*length 2"):
        ferax.jit(lambda a: a, in_shardings=(rows, rows))(x)
    with pytest.raises(ValueError, match="keyword arguments"):
        f(jnp.ones((8, 3)), b=jnp.ones(3))


def test_keep_unused():
    f = lambda x, y: x + 1
    x = jnp.ones(3)
    count = lambda jf: jf.lower(x, x).as_text().split("@main(")[1].split(")")[0].count("%arg")
    assert count(ferax.jit(f)) == 1 and count(ferax.jit(f, keep_unused=True)) == 2
    np.testing.assert_array_equal(ferax.jit(f, keep_unused=True)(x, x), [2, 2, 2])
    np.testing.assert_array_equal(ferax.jit(f)(x, x), [2, 2, 2])


def test_compiler_options():
    f = ferax.jit(lambda x: jnp.sin(x) * 2, compiler_options={"xla_embed_ir_in_executable": True})
    np.testing.assert_allclose(f(1.0), 2 * np.sin(1.0), rtol=1e-6)
    low = ferax.jit(lambda x: x + 1).lower(1.0)
    assert low.compile({"xla_llvm_disable_expensive_passes": True})(1.0) == 2
    with pytest.raises(Exception, match="(?i)no such|unknown|xla_not_an_option"):
        ferax.jit(lambda x: x + 2, compiler_options={"xla_not_an_option": True})(1.0)
    with pytest.raises(TypeError, match="compiler_options must be a dict, got list"):
        ferax.jit(lambda x: x, compiler_options=["a"])


# --- closing over arrays --------------------------------------------------------------------------


def test_big_constants_are_hidden_arguments():
    big = jnp.asarray(np.random.RandomState(0).randn(64, 64).astype(np.float32))
    host = np.arange(1000.0, dtype=np.float32)
    f = ferax.jit(lambda x: big @ x + host[:64].sum() + jnp.sum(host))
    x = jnp.ones(64)
    expected = np.asarray(big) @ np.ones(64, np.float32) + host[:64].sum() + host.sum()
    np.testing.assert_allclose(f(x), expected, rtol=1e-5)
    np.testing.assert_allclose(f(x), expected, rtol=1e-5)
    text = f.lower(x).as_text()
    assert len(text) < 5000 and "tensor<64x64xf32>" in text.split("@main(")[1].split("->")[0]
    np.testing.assert_allclose(f.lower(x).compile()(x), expected, rtol=1e-5)
    g = ferax.grad(lambda x: f(x).sum())
    np.testing.assert_allclose(g(x), np.asarray(big).sum(0), rtol=1e-4, atol=1e-5)


def test_closures_over_outer_tracers():
    def outer(y):
        @ferax.jit
        def inner(x):
            return x * y
        return inner(3.0) + inner(4.0)

    assert ferax.jit(outer)(2.0) == 14 and ferax.grad(outer)(2.0) == 7
    np.testing.assert_array_equal(ferax.vmap(outer)(jnp.arange(3.0)), [0, 7, 14])


def test_closed_over_arrays_that_were_deleted():
    w = jnp.arange(100.0) + 0
    f = ferax.jit(lambda x: (x * w).sum())
    f(1.0)
    w.delete()
    with pytest.raises(RuntimeError, match="deleted"):
        f(1.0)
    with pytest.raises(RuntimeError, match="deleted"):
        f(np.ones(100, np.float32))


# --- looking inside -------------------------------------------------------------------------------


def test_the_stages():
    @functools.partial(ferax.jit, static_argnames="n")
    def step(params, x, *, n=1):
        return {"y": params["w"] @ x * n}

    args = {"w": jnp.ones((2, 3))}, jnp.arange(3.0)
    traced = step.trace(*args, n=2)
    assert isinstance(traced, ferax.stages.Traced) and traced.fun_name == "step"
    assert "dot_general" in str(traced.jaxpr)
    assert traced.out_info == {"y": ferax.ShapeDtypeStruct((2,), jnp.float32)}
    lowered = traced.lower()
    assert isinstance(lowered, ferax.stages.Lowered) and lowered.out_info == traced.out_info
    assert "stablehlo.dot_general" in lowered.as_text() and "func.func public @main" in lowered.as_text()
    assert "loc(" in lowered.as_text(debug_info=True) and "test_jit.py" in lowered.as_text(debug_info=True)
    assert lowered.as_text("hlo").startswith("HloModule jit_step")
    assert "stablehlo.dot_general" in str(lowered.compiler_ir("stablehlo"))
    assert lowered.cost_analysis()["flops"] > 0
    with pytest.raises(ValueError, match="dialect must be"):
        lowered.as_text("llvm")
    compiled = lowered.compile()
    assert isinstance(compiled, ferax.stages.Compiled)
    assert "HloModule" in compiled.as_text() and compiled.cost_analysis()["flops"] > 0
    assert compiled.memory_analysis().argument_size_in_bytes >= 36
    assert compiled.in_tree == lowered.in_tree and compiled.out_tree == lowered.out_tree
    out = compiled(*args)
    np.testing.assert_array_equal(out["y"], [6, 6])
    np.testing.assert_array_equal(compiled({"w": np.ones((2, 3), np.float32)}, np.arange(3, dtype=np.float32))["y"], [6, 6])
    assert step.eval_shape(*args, n=3) == traced.out_info
    assert isinstance(step, ferax.stages.Wrapped)


def test_stages_take_descriptions():
    f = ferax.jit(lambda x, y: (x @ y, y.sum()), donate_argnums=0)
    s = ferax.ShapeDtypeStruct((4, 4), jnp.bfloat16)
    low = f.lower(s, s)
    assert "tensor<4x4xbf16>" in low.as_text()
    assert low.donate_argnums == (0,) and low.args_info[0][0].donated and not low.args_info[0][1].donated
    a, b = low.compile()(jnp.ones((4, 4), jnp.bfloat16), jnp.ones((4, 4), jnp.bfloat16))
    assert a.dtype == jnp.bfloat16 and b == 16


def test_compiled_refuses_other_arguments():
    compiled = ferax.jit(lambda x, n: x * n, static_argnums=1).lower(jnp.ones(3), 2).compile()
    np.testing.assert_array_equal(compiled(jnp.ones(3)), [2, 2, 2])
    with pytest.raises(TypeError, match=r"argument 0 was f32\[3\], called with f32\[4\]"):
        compiled(jnp.ones(4))
    with pytest.raises(TypeError, match=r"called with i32\[3\]"):
        compiled(jnp.ones(3, jnp.int32))
    with pytest.raises(TypeError, match="takes arguments of the structure.*Static arguments are left out"):
        compiled(jnp.ones(3), 2)
    with pytest.raises(TypeError, match="(?s)Cannot apply ferax transformations.*Tracer"):
        ferax.jit(lambda x: compiled(x))(jnp.ones(3))
    moved = ferax.device_put(jnp.ones(3), ferax.devices()[1])
    np.testing.assert_array_equal(compiled(moved), [2, 2, 2])


def test_lowering_for_another_platform_is_text_only():
    text = ferax.jit(lambda x: jnp.sin(x)).trace(jnp.ones(2)).lower(lowering_platforms=("cpu",)).as_text()
    assert "stablehlo.sine" in text


def test_the_module_bears_the_functions_name_and_the_users_scopes():
    def my_step(x):
        with ferax.named_scope("encoder"):
            return jnp.sin(x) + 1

    text = ferax.jit(my_step).lower(1.0).as_text(debug_info=True)
    assert "module @jit_my_step" in text and re.search(r"encoder.*sin", text)


# --- what it is given -----------------------------------------------------------------------------


def test_arguments_and_results_that_are_no_arrays():
    with pytest.raises(TypeError, match=r"jit: the argument mode of type str.*static_argnums or static_argnames"):
        ferax.jit(lambda x, mode: x)(1.0, "fast")
    with pytest.raises(TypeError, match=r"jit: the argument tree\['a'\]\[1\] of type object"):
        ferax.jit(lambda tree: tree)({"a": (1, object())})
    with pytest.raises(TypeError, match=r"the result of bad.*\['s'\].*str"):
        def bad(x):
            return {"s": "text", "x": x}
        ferax.jit(bad)(1.0)
    with pytest.raises(TypeError, match="expected a callable, got int: 3"):
        ferax.jit(3)
    with pytest.raises(TypeError, match="generator"):
        @ferax.jit
        def gen(x):
            yield x
    with pytest.raises(TypeError, match="positional argument|missing"):
        ferax.jit(lambda x, y: x)(1.0)


def test_objects_with_a_jax_array_method():
    class Param:
        def __init__(self, value):
            self.value = value

        def __jax_array__(self):
            return self.value

    f = ferax.jit(lambda p: p * 2)
    for _ in range(2):
        np.testing.assert_array_equal(f(Param(jnp.arange(3))), [0, 2, 4])


def test_numpy_arguments_are_read_at_the_call():
    x = np.arange(4.0, dtype=np.float32)
    y = ferax.jit(lambda x: x + 0)(x)
    x[:] = -1
    np.testing.assert_array_equal(y, np.arange(4.0))
    z = ferax.jit(lambda x: x)(x)
    x[:] = 5
    np.testing.assert_array_equal(z, np.full(4, -1.0))


def test_effects_wait():
    seen = []

    @ferax.jit
    def f(x):
        ferax.debug.callback(lambda v: seen.append(float(v)), x)
        ferax.debug.callback(lambda v: seen.append(float(v)), x + 1, ordered=True)
        return x

    f(1.0)
    ferax.effects_barrier()
    assert sorted(seen) == [1.0, 2.0]


def test_control_flow_inside():
    @ferax.jit
    def f(x, n):
        def body(carry):
            i, x = carry
            return i + 1, lax.cond(i % 2 == 0, jnp.sin, jnp.cos, x)
        return lax.while_loop(lambda c: c[0] < n, body, (0, x))[1]

    expected = 0.3
    for i in range(5):
        expected = np.sin(expected) if i % 2 == 0 else np.cos(expected)
    np.testing.assert_allclose(f(0.3, 5), expected, rtol=1e-6)


def test_clear_caches_drops_eager_programs():
    x = jnp.ones(3)
    client = ferax.devices()[0].client
    ferax.clear_caches()
    gc.collect()
    before = len(client.live_executables())
    for n in range(2, 7):
        jnp.sin(jnp.ones(n)), jnp.arctan2(jnp.ones(n), 2.0), ferax.lax.neg(jnp.ones(n))
    assert len(client.live_executables()) >= before + 15
    ferax.clear_caches()
    gc.collect()
    assert len(client.live_executables()) <= before
    np.testing.assert_allclose(jnp.sin(x), np.sin(1), rtol=1e-6)
