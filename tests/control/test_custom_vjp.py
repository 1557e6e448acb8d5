"""`custom_vjp`, `custom_gradient`, `closure_convert`: the rules are used wherever the function is called from."""

from functools import partial

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import custom_derivatives, lax
from ferax import pure_callback
from ferax._src.control.custom_common import SymbolicZero
from ferax._src.control.custom_vjp import CustomVJPPrimal


def marked():
    """x y, with a gradient ten times too large: so one sees that the rule was used."""
    @ferax.custom_vjp
    def f(x, y):
        return {"a": x * y}

    def fwd(x, y):
        return f(x, y), {"x": x, "y": y, "note": "a residual may hold what is no array"}

    def bwd(res, ct):
        return 10 * ct["a"] * res["y"], 10 * ct["a"] * res["x"]
    f.defvjp(fwd, bwd)
    return lambda x, y: f(x, y)["a"]


def test_value_and_gradients():
    f = marked()
    for g in (f, ferax.jit(f)):
        assert g(2.0, 3.0) == 6
        assert [float(t) for t in ferax.grad(g, (0, 1))(2.0, 3.0)] == [30, 20]
        assert ferax.grad(ferax.grad(g), 1)(2.0, 3.0) == 10
        assert ferax.jacrev(ferax.jacrev(g), 1)(2.0, 3.0) == 10
        assert ferax.jit(ferax.grad(g, 1))(2.0, 3.0) == 20


def test_forward_over_reverse():
    f = ferax.custom_vjp(lambda x, y: x * y)
    f.defvjp(lambda x, y: (x * y, (x, y)), lambda res, ct: (10 * ct * res[1], 10 * ct * res[0]))
    for g in (f, ferax.jit(f)):
        assert ferax.jacfwd(ferax.grad(g), 1)(2.0, 3.0) == 10
        assert ferax.jvp(ferax.grad(g), (2.0, 3.0), (1.0, 2.0)) == (30.0, 20.0)


def test_vmap_in_all_mixtures():
    f = marked()
    xs = np.float32([1, 2, 3])
    for g in (f, ferax.jit(f)):
        assert ferax.vmap(g, (0, None))(xs, 3.0).tolist() == [3, 6, 9]
        assert ferax.vmap(ferax.grad(g), (0, None))(xs, 3.0).tolist() == [30] * 3
        assert ferax.vmap(ferax.grad(g, 1), (0, None))(xs, 3.0).tolist() == [10, 20, 30]
        total = lambda x, y: ferax.vmap(g, (0, None))(x, y).sum()
        gx, gy = ferax.grad(total, (0, 1))(xs, 3.0)
        assert gx.tolist() == [30] * 3 and gy == 60             # the unmapped argument's cotangents are summed
        assert ferax.jit(ferax.grad(total, 1))(xs, 3.0) == 60
        nested = lambda x, y: ferax.vmap(ferax.vmap(g, (0, None)), (None, 0))(x, y).sum()
        gx, gy = ferax.grad(nested, (0, 1))(xs, xs[:2])
        assert gx.tolist() == [30] * 3 and gy.tolist() == [60] * 2


def test_under_control_flow():
    f = marked()
    loop = lambda x: lax.scan(lambda c, _: (f(c, x), f(x, c)), 1.0, None, length=2)[0]
    for g in (loop, ferax.jit(loop)):
        assert ferax.grad(g)(3.0) == 10 * (3.0 + 10 * 3.0)
    assert ferax.grad(lambda x: lax.cond(x > 0, lambda: f(x, x), lambda: x))(3.0) == 60
    assert ferax.grad(ferax.checkpoint(lambda x: jnp.sin(f(x, 2.0))))(0.0) == 20
    mapped = ferax.vmap(ferax.grad(lambda x: lax.scan(lambda c, _: (f(c, x), None), 1.0, None, length=2)[0]))
    assert mapped(np.float32([3, 1])).tolist() == [330, 110]


def test_nondifferentiated_arguments():
    @partial(ferax.custom_vjp, nondiff_argnums=(0, 2))
    def apply(fun, x, scale):
        return fun(x) * scale
    apply.defvjp(lambda fun, x, scale: (apply(fun, x, scale), x), lambda fun, scale, x, ct: (10 * scale * ct,))
    assert ferax.grad(lambda x: apply(jnp.sin, x, 3.0))(0.3) == 30
    assert ferax.jit(ferax.grad(lambda x: apply(jnp.sin, x, scale=3.0)))(0.3) == 30
    assert ferax.grad(ferax.jit(lambda x, s: apply(jnp.sin, x, s)))(0.3, 2.0) == 20         # a traced one
    named = ferax.custom_vjp(lambda x, flag: x, nondiff_argnames=("flag",))
    named.defvjp(lambda x, flag: (x, None), lambda flag, _, ct: (ct * (2 if flag else 3),))
    assert ferax.grad(named)(1.0, True) == 2 and ferax.grad(named)(1.0, flag=False) == 3


def test_none_stands_for_zero():
    f = ferax.custom_vjp(lambda a, b: a["x"] * b)
    f.defvjp(lambda a, b: (f(a, b), b), lambda b, ct: (None, 7 * ct))
    ga, gb = ferax.grad(f, (0, 1))({"x": 2.0, "y": np.float32([1, 2])}, 3.0)
    assert ga["x"] == 0 and ga["y"].tolist() == [0, 0] and gb == 7
    g = ferax.custom_vjp(lambda a, b: a["x"] * b)
    g.defvjp(lambda a, b: (g(a, b), b), lambda b, ct: ({"x": ct, "y": None}, None))
    ga, gb = ferax.jit(ferax.grad(g, (0, 1)))({"x": 2.0, "y": np.float32([1, 2])}, 3.0)
    assert ga["x"] == 1 and ga["y"].tolist() == [0, 0] and gb == 0


def test_integers_in_and_out():
    f = ferax.custom_vjp(lambda x, i: (x * i, i + 1))
    f.defvjp(lambda x, i: (f(x, i), i), lambda i, ct: (ct[0] * i * 10, None))
    for g in (f, ferax.jit(f)):
        assert ferax.grad(lambda x, g=g: g(x, 3)[0])(2.0) == 30
    loop = lambda x: lax.scan(lambda c, _: (f(c[0], c[1]), None), (x, 1), None, length=2)[0][0]
    assert ferax.grad(loop)(1.0) == 10 * 1 * 10 * 2


def test_symbolic_zeros():
    seen = {}

    @ferax.custom_vjp
    def f(x, y):
        return x * y, y

    def fwd(x, y):
        seen["fwd"] = (type(x) is CustomVJPPrimal, x.perturbed, y.perturbed)
        return f(x.value, y.value), y.value

    def bwd(y, cts):
        seen["bwd"] = [isinstance(ct, SymbolicZero) for ct in cts]
        return cts[0] * y, SymbolicZero.from_primal_value(y)
    f.defvjp(fwd, bwd, symbolic_zeros=True)
    for g in (f, ferax.jit(f)):
        assert ferax.grad(lambda x, g=g: g(x, 3.0)[0])(2.0) == 3
        assert seen == {"fwd": (True, True, False), "bwd": [False, True]}


def test_optimize_remat():
    """Where residuals are not read, the function is run in place of ``fwd``."""
    runs = []

    def make(optimize):
        number = jnp.float32(0)
        call = partial(pure_callback, vmap_method="sequential")
        f = ferax.custom_vjp(lambda x: call(lambda x: runs.append("fun") or np.sin(x), number, x))

        def fwd(x):
            return call(lambda x: runs.append("fwd") or (np.sin(x), np.cos(x)), (number, number), x)
        f.defvjp(fwd, lambda res, ct: (10 * ct * res,), optimize_remat=optimize)
        return f

    for optimize, expected in ((False, ["fwd", "fwd"]), (True, ["fun", "fwd"])):
        f = make(optimize)
        runs.clear()
        _, g = ferax.jit(ferax.value_and_grad(ferax.checkpoint(lambda x: 2 * f(x))))(0.5)
        np.testing.assert_allclose(g, 20 * np.cos(0.5), rtol=1e-6)
        assert sorted(runs) == sorted(expected)                 # of what does not depend on each other the order is free
        np.testing.assert_allclose(ferax.grad(f)(0.5), 10 * np.cos(0.5), rtol=1e-6)
        np.testing.assert_allclose(ferax.vmap(ferax.grad(f))(np.float32([0.5, 1])), 10 * np.cos([0.5, 1]), rtol=1e-6)
    f.defvjp(f.fwd, f.bwd, optimize_remat=True, symbolic_zeros=True)
    with pytest.raises(NotImplementedError, match="does not support symbolic zeros"):
        ferax.grad(f)(0.5)


def test_defaults_are_filled_in_and_unknown_names_ignored():
    f = ferax.custom_vjp(lambda x, y=3.0: x * y, nondiff_argnames=("no_such",))
    f.defvjp(lambda x, y: (x * y, y), lambda y, ct: (ct * y, None))
    assert f(2.0) == 6 and ferax.grad(f)(2.0) == 3 and ferax.grad(f)(2.0, y=4.0) == 4
    assert f.nondiff_argnums == () and ferax.custom_vjp.nondiff_argnames == ()


def test_forward_mode_is_refused():
    f = marked()
    for g in (f, ferax.jit(f), lambda x, y: lax.scan(lambda c, _: (f(c, y), None), x, None, length=2)[0]):
        with pytest.raises(TypeError, match="can't apply forward-mode differentiation \\(jvp\\) to a custom_vjp"):
            ferax.jvp(g, (1.0, 2.0), (1.0, 1.0))


def test_linearize_then_transpose():
    f = marked()
    _, pullback = ferax.vjp(ferax.jit(f), 2.0, 3.0)
    assert [float(c) for c in pullback(1.0)] == [30, 20]
    assert [float(c) for c in ferax.vmap(pullback)(np.float32([1, 2]))[0]] == [30, 60]


@pytest.mark.parametrize("fwd, bwd, error, text", [
    (lambda x, y: x * y, lambda r, ct: (ct, ct), TypeError, "must produce a pair"),
    (lambda x, y: ((x, y), None), lambda r, ct: (ct, ct), TypeError, "the structure that"),
    (lambda x, y: (x * y, None), lambda r, ct: ct, TypeError, "must produce a tuple of length equal to the primal args tuple"),
    (lambda x, y: (x * y, None), lambda r, ct: (ct,), TypeError, "tuple of length 1"),
    (lambda x, y: (x * y, None), lambda r, ct: (ct, {"a": ct}), TypeError, "same structure"),
    (lambda x, y: (x * y, None), lambda r, ct: (ct, jnp.ones(3)), ValueError, r"args\[1\], of type float32\[\], it produced float32\[3\]"),
])
def test_rules_that_answer_amiss(fwd, bwd, error, text):
    f = ferax.custom_vjp(lambda x, y: x * y)
    f.defvjp(fwd, bwd)
    with pytest.raises(error, match=text) as e:
        ferax.grad(ferax.jit(f), (0, 1))(1.0, 2.0)
    assert "test_custom_vjp.py" in str(e.value)


def test_no_rules():
    with pytest.raises(AttributeError, match="No VJP defined"):
        ferax.custom_vjp(lambda x: x)(1.0)


# --- custom_gradient, closure_convert -------------------------------------------------------------

def test_custom_gradient():
    @ferax.custom_gradient
    def f(x, y):
        s = jnp.sin(x)
        return s * y, lambda ct: (10 * ct * jnp.cos(x) * y, ct * s)
    for g in (f, ferax.jit(f)):
        gx, gy = ferax.grad(g, (0, 1))(0.3, 2.0)
        np.testing.assert_allclose([gx, gy], [20 * np.cos(0.3), np.sin(0.3)], rtol=1e-6)
        assert ferax.vmap(ferax.grad(g), (0, None))(np.float32([0, 0]), 1.0).tolist() == [10, 10]
    one = ferax.custom_gradient(lambda x: (x * x, lambda ct: 7 * ct))
    assert ferax.grad(one)(3.0) == 7


def test_closure_convert():
    def minimum(objective, x0):
        converted, consts = ferax.closure_convert(objective, x0)
        return newton(converted, x0, *consts)

    @partial(ferax.custom_vjp, nondiff_argnums=(0,))
    def newton(objective, x0, *consts):
        g = ferax.grad(objective)
        return lax.fori_loop(0, 10, lambda _, x: x - g(x, *consts) / ferax.grad(g)(x, *consts), x0)

    def fwd(objective, x0, *consts):
        x = newton(objective, x0, *consts)
        return x, (x, consts)

    def bwd(objective, res, ct):
        x, consts = res
        _, pull = ferax.vjp(lambda *cs: ferax.grad(objective)(x, *cs), *consts)
        return (None, *pull(-ct / ferax.grad(ferax.grad(objective))(x, *consts)))
    newton.defvjp(fwd, bwd)
    assert abs(ferax.grad(lambda a: minimum(lambda x: (x - a * a) ** 2, 0.0))(3.0) - 6) < 1e-4
    converted, consts = ferax.closure_convert(lambda x: x * 2, 1.0)
    assert consts == [] and converted(3.0) == 6
    with pytest.raises(TypeError, match="structure of the example"):
        converted((3.0, 3.0))


def test_helpers_of_rules():
    primal = custom_derivatives.CustomVJPPrimal(np.float32(2), True)
    assert custom_derivatives.custom_vjp_primal_tree_values({"a": [primal]}) == {"a": [2]}
    with pytest.raises(TypeError, match="expected CustomVJPPrimal"):
        custom_derivatives.custom_vjp_primal_tree_values([1.0])
    zero = custom_derivatives.zero_from_primal(jnp.ones((2, 3), jnp.bfloat16))
    assert zero.shape == (2, 3) and zero.dtype == jnp.bfloat16 and not zero.any()
    assert custom_derivatives.zero_from_primal(jnp.ones(2, int)).dtype == ferax.dtypes.float0
    assert isinstance(custom_derivatives.zero_from_primal(1.0, symbolic_zeros=True), custom_derivatives.SymbolicZero)
