"""`lax.composite` and `lax.stage`."""

from functools import partial

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax


@partial(lax.composite, name="test.scaled", version=3)
def scaled(x, /, *, by=None):
    """Doc."""
    return {"out": x * (2.0 if by is None else by), "x": x}


def test_the_parts_give_the_values():
    assert scaled.__name__ == "scaled" and scaled.__doc__ == "Doc."
    for f in (scaled, ferax.jit(scaled, static_argnames="by")):
        out = f(np.float32(3), by=4)
        assert (out["out"], out["x"]) == (12, 3)
        assert f(np.float32(3))["out"] == 6
    w = np.arange(100.0, dtype=np.float32)
    assert ferax.jit(lax.composite(lambda x: x * w, name="test.closing"))(2.0).sum() == 9900


def test_what_the_compiler_is_told():
    f = lambda x: scaled(x, by=np.float32(3))["out"]
    text = ferax.jit(f).lower(1.0).as_text()
    assert 'stablehlo.composite "test.scaled"' in text and "version = 3" in text and "by = 3.000000e+00 : f32" in text
    (eqn,) = ferax.make_jaxpr(f)(1.0).eqns
    assert eqn.primitive.name == "composite" and eqn.params["name"] == "test.scaled"
    assert ferax.jit(lambda x: (f(x), f(x))).lower(1.0).as_text().count("func.func") == 2      # equal calls share their parts
    assert "composite" not in ferax.jit(ferax.vmap(f)).lower(np.float32([1, 2])).as_text()
    assert ferax.vmap(f)(np.float32([1, 2])).tolist() == [3, 6]


def test_attributes_of_all_kinds():
    f = lax.composite(lambda x, **_: x, name="test.attributes")
    call = lambda x: f(x, a=1, b=2.0, c="s", d=(1, 2), e=True, g=np.arange(3), h={"k": 1}, i=None)
    text = ferax.jit(call).lower(1.0).as_text()
    for part in ("a = 1 : i64", "b = 2.000000e+00 : f64", 'c = "s"', "d = [1, 2]", "e = true", "dense<[0, 1, 2]>", "h = {k = 1 : i64}"):
        assert part in text
    assert " i = " not in text


@pytest.mark.parametrize("call, error, text", [
    (lambda: ferax.grad(lambda x: scaled(x)["out"])(1.0), ValueError, "JVP rule for composite 'test.scaled' not implemented.*custom_jvp"),
    (lambda: lax.composite(3, "a"), TypeError, "must be a function"),
    (lambda: lax.composite(lambda x: x, 3), TypeError, "name must be a str"),
    (lambda: scaled(1.0, by=object.__new__(type("Odd", (), {"__hash__": None, "__rmul__": lambda s, x: x}))), TypeError, "Non-hashable"),
    (lambda: ferax.jit(lambda a: lax.composite(lambda x: x * a, "test.open")(2.0))(1.0), ferax.errors.UnexpectedTracerError, "closes over"),
    (lambda: lax.stage("a"), TypeError, "stage"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_stage():
    for x in (1, 2.0, np.float32(3), np.arange(2), jnp.arange(2), True):
        out = lax.stage(x)
        assert isinstance(out, ferax.Array)
        np.testing.assert_array_equal(out, x)
    assert lax.stage(2.0).weak_type and ferax.grad(lax.stage)(1.0) == 1
    assert ferax.jit(lambda: isinstance(lax.stage(3.0), ferax.core.Tracer) and lax.stage(3.0))() == 3
