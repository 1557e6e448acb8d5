"""Looking at functions without running them, and the small tools around tracing."""

import re

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax


def text(jaxpr) -> str:
    return re.sub(r"\s+", " ", str(jaxpr))


# --- make_jaxpr -----------------------------------------------------------------------------------


def test_printed_jaxprs():
    assert text(ferax.make_jaxpr(lambda x, y: lax.sin(x) * 2.0 + y)(1.0, jnp.ones(()))) == (
        "{ lambda ; a:f32[] b:f32[]. let c:f32[] = sin a d:f32[] = mul c 2.0:f32[] e:f32[] = add d b in (e,) }")
    assert text(ferax.make_jaxpr(lambda: 3)()) == "{ lambda ; . let in (3:i32[],) }"
    assert text(ferax.make_jaxpr(lambda x: (x, None, [x]))(np.int8(3))) == "{ lambda ; a:i8[]. let in (a, a) }"
    jaxpr = ferax.make_jaxpr(lambda x: lax.reduce_sum(x, (0,)))(jnp.ones((2, 3)))
    assert "reduce_sum[axes=(0,)] a" in text(jaxpr)
    assert text(ferax.make_jaxpr(ferax.jit(lambda x: x + 1))(2)).startswith("{ lambda ; a:i32[]. let b:i32[] = jit[")


def test_what_a_jaxpr_is():
    big = jnp.arange(3.0)
    jaxpr = ferax.make_jaxpr(lambda x: {"y": x * big})(jnp.ones(3))
    assert isinstance(jaxpr, ferax.core.ClosedJaxpr) and isinstance(jaxpr.jaxpr, ferax.core.Jaxpr)
    assert len(jaxpr.consts) == 1 and jaxpr.consts[0] is big
    assert [str(a) for a in jaxpr.in_avals] == ["f32[3]"] and jaxpr.eqns[0].primitive is lax.mul_p
    ferax.core.check_jaxpr(jaxpr.jaxpr)
    (y,) = ferax.core.eval_jaxpr(jaxpr.jaxpr, jaxpr.consts, jnp.full(3, 2.0))
    np.testing.assert_array_equal(y, [0, 2, 4])


def test_static_argnums_and_keywords():
    f = lambda n, x, *, mode="a": x * n if mode == "a" else x
    assert text(ferax.make_jaxpr(f, static_argnums=0)(3, 1.0)) == "{ lambda ; a:f32[]. let b:f32[] = mul a 3.0:f32[] in (b,) }"
    assert len(ferax.make_jaxpr(lambda x, n: x * n, static_argnums=(-1,))(1.0, 3).jaxpr.invars) == 1
    assert len(ferax.make_jaxpr(lambda x, y: x + y)(1.0, y=2.0).jaxpr.invars) == 2


def test_axis_env():
    jaxpr = ferax.make_jaxpr(lambda x: lax.psum(x, "i"), axis_env=[("i", 4)])(1.0)
    assert "psum" in text(jaxpr) and "'i'" in text(jaxpr)
    with pytest.raises(NameError):
        ferax.make_jaxpr(lambda x: lax.psum(x, "i"))(1.0)


def test_return_shape():
    jaxpr, shape = ferax.make_jaxpr(lambda x: {"a": x @ x, "b": [x.sum()]}, return_shape=True)(jnp.ones((2, 2)))
    assert shape == {"a": ferax.ShapeDtypeStruct((2, 2), jnp.float32), "b": [ferax.ShapeDtypeStruct((), jnp.float32)]}


def test_make_jaxpr_of_descriptions_and_of_transformations():
    s = ferax.ShapeDtypeStruct((4, 3), jnp.bfloat16)
    assert "bf16[4,3]" in text(ferax.make_jaxpr(lambda x: x * 2)(s))
    jaxpr = ferax.make_jaxpr(ferax.vmap(ferax.grad(lambda x: jnp.sum(jnp.sin(x)))))(jnp.ones((4, 3)))
    assert "cos" in text(jaxpr)
    ferax.core.check_jaxpr(jaxpr)
    with pytest.raises(TypeError, match="expected a callable"):
        ferax.make_jaxpr(3)
    with pytest.raises(TypeError, match="make_jaxpr: the argument x of type str"):
        ferax.make_jaxpr(lambda x: x)("text")


# --- eval_shape, typeof ---------------------------------------------------------------------------


def test_eval_shape():
    def init(key, n, *, scale):
        return {"w": jnp.zeros((n.shape[0], 3)) * scale, "key": key}

    out = ferax.eval_shape(init, ferax.ShapeDtypeStruct((2,), np.uint32), np.zeros(5), scale=2.0)
    assert out["w"] == ferax.ShapeDtypeStruct((5, 3), jnp.float32)
    assert out["key"].dtype == np.uint32 and out["key"].shape == (2,)
    huge = ferax.ShapeDtypeStruct((1 << 20, 1 << 20), jnp.float32)
    assert ferax.eval_shape(lambda x: x @ x, huge).shape == (1 << 20, 1 << 20)
    with pytest.raises(TypeError, match="(?s)matmul: the shapes .* do not fit"):
        ferax.eval_shape(lambda x, y: x @ y, ferax.ShapeDtypeStruct((2, 3), jnp.float32), huge)

    class Like:
        shape, dtype = (7,), np.dtype("int16")

    assert ferax.eval_shape(lambda x: x + x, Like()).shape == (7,)


def test_typeof():
    assert str(ferax.typeof(jnp.ones((2, 3)))) == "f32[2,3]" and str(ferax.typeof(1.0)) == "~f32[]"
    assert str(ferax.typeof(np.int16(3))) == "i16[]"
    seen = []
    ferax.jit(lambda x: seen.append(ferax.typeof(x)))(jnp.ones(4, bool))
    assert str(seen[0]) == "bool[4]"
    with pytest.raises(TypeError):
        ferax.typeof("text")


# --- evaluation while tracing ---------------------------------------------------------------------


def test_ensure_compile_time_eval():
    @ferax.jit
    def f(x):
        with ferax.ensure_compile_time_eval():
            n = int(jnp.sum(jnp.arange(4)))     # values: 6
            table = np.asarray(jnp.sin(jnp.arange(3.0)))
        return x * n + table.sum()

    np.testing.assert_allclose(f(2.0), 12 + np.sin([0, 1, 2]).sum(), rtol=1e-6)
    with pytest.raises(ferax.errors.UnexpectedTracerError, match="evaluates at once"):
        @ferax.jit
        def g(x):
            with ferax.ensure_compile_time_eval():
                return jnp.sin(x)
        g(1.0)

    @ferax.ensure_compile_time_eval()
    def size():
        return int(jnp.prod(jnp.array([2, 3])))

    assert ferax.jit(lambda: jnp.zeros(size()))().shape == (6,)


# --- names ----------------------------------------------------------------------------------------


def names_in(f, *args) -> str:
    return ferax.jit(f).lower(*args).as_text(debug_info=True)


def test_names_reach_the_program():
    def f(x):
        with ferax.named_scope("encoder"):
            with ferax.named_scope("layer_0"):
                x = jnp.sin(x)
        return ferax.named_call(lambda y: jnp.cos(y), name="head")(x)

    found = names_in(f, 1.0)
    assert re.search(r"encoder/layer_0/sin", found) and re.search(r"head/cos", found)
    assert "encoder" in ferax.jit(f).lower(1.0).compile().as_text()

    @ferax.named_scope("block")
    def g(x):
        return jnp.tanh(x)

    @ferax.named_call
    def tower(x):
        return jnp.exp(x)

    assert "block/tanh" in names_in(g, 1.0) and "tower/exp" in names_in(tower, 1.0)
    assert "head" in names_in(ferax.grad(f), 1.0)
    assert g.__name__ == "g" and g(0.0) == 0


def test_names_must_be_text():
    with pytest.raises(TypeError, match="named_scope name argument must be a string; got 3"):
        ferax.named_scope(3)
    with pytest.raises(TypeError, match="must be a str"):
        ferax.named_call(lambda x: x, name=3)(1.0)
    with pytest.raises(ZeroDivisionError), ferax.named_scope("a"):
        1 / 0
    assert "a/" not in names_in(lambda x: jnp.sin(x), 1.0)


# --- waiting --------------------------------------------------------------------------------------


def test_block_until_ready():
    tree = {"a": jnp.ones(3) + 1, "b": [2.0, "text", None, np.ones(2)]}
    assert ferax.block_until_ready(tree)["b"][1] == "text"
    assert ferax.copy_to_host_async(tree)["a"] is tree["a"]
    x = jnp.ones(3) + 1
    assert x.block_until_ready() is x
    assert ferax.jit(lambda x: ferax.block_until_ready(x))(1.0) == 1


# --- what is kept ---------------------------------------------------------------------------------


def test_print_saved_residuals(capsys):
    from ferax.ad_checkpoint import print_saved_residuals

    def f(w, x):
        return jnp.sin(jnp.sin(w @ x)).sum()

    print_saved_residuals(f, jnp.ones((2, 3)), jnp.ones(3))
    out = capsys.readouterr().out
    assert "f32[2,3] from the argument" in out and re.search(r"f32\[2\] output of cos from test_staging.py:\d+", out)
    print_saved_residuals(ferax.checkpoint(f), jnp.ones((2, 3)), jnp.ones(3))
    assert "output of" not in capsys.readouterr().out


def test_print_environment_info(capsys):
    ferax.print_environment_info()
    shown = capsys.readouterr().out
    assert f"ferax:  {ferax.__version__}" in shown and "cpu" in shown and "FERAX_PLATFORMS=cpu" in shown
    assert ferax.print_environment_info(return_string=True).splitlines()[0] == f"ferax:  {ferax.__version__}"


def test_checks_of_jaxprs():
    with ferax.enable_checks(True):
        assert ferax.jit(lambda x: lax.scan(lambda c, t: (c + t, c), x, jnp.arange(3.0))[0])(1.0) == 4
    jaxpr = ferax.make_jaxpr(lambda x: lax.sin(x))(1.0).jaxpr
    broken = jaxpr.replace(outvars=[ferax.core.Var(jaxpr.outvars[0].aval)])
    with pytest.raises(ferax.errors.JaxprTypeError):
        ferax.core.check_jaxpr(broken)


def test_x64_contexts():
    from ferax.experimental import disable_x64, enable_x64
    with enable_x64():
        assert jnp.arange(3.0).dtype == jnp.float64
        with disable_x64():
            assert jnp.arange(3.0).dtype == jnp.float32
    assert jnp.arange(3.0).dtype == jnp.float32
