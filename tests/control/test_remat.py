"""`checkpoint`: the same values and derivatives, with what the policy says kept and the rest computed again."""

from functools import partial

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import checkpoint_policies as policies
from ferax import lax
from ferax._src.control.remat import checkpoint_name

POLICIES = {
    "none": None,
    "everything": policies.everything_saveable,
    "nothing": policies.nothing_saveable,
    "dots": policies.dots_saveable,
    "dots without batch": policies.checkpoint_dots_with_no_batch_dims,
    "named": policies.save_only_these_names("h"),
    "other names": policies.save_any_names_but_these("h"),
    "not named": policies.save_anything_except_these_names("h"),
    "both": policies.save_from_both_policies(policies.dots_saveable, policies.save_only_these_names("h")),
    "offload": policies.save_and_offload_only_these_names(
        names_which_can_be_saved=["h"], names_which_can_be_offloaded=["k"], offload_src="device", offload_dst="pinned_host"),
}
W, X = np.float32([[0.5, -0.3], [0.2, 0.8]]), np.float32([0.3, -0.4])


def layer(w, x):
    h = checkpoint_name(jnp.sin(w @ x), "h")
    return jnp.sum(jnp.sin(w @ h) ** 2)


def count(name, fun, *args):
    """How often an operation stands in a program, programs inside it included."""
    def walk(jaxpr):
        from ferax._src.ir.jaxpr import subjaxprs
        inner = getattr(jaxpr, "jaxpr", jaxpr)
        return sum(e.primitive.name == name for e in inner.eqns) + sum(map(walk, subjaxprs(inner)))
    return walk(ferax.make_jaxpr(fun)(*args))


@pytest.mark.parametrize("policy", POLICIES)
def test_values_and_derivatives(policy):
    f = ferax.checkpoint(layer, policy=POLICIES[policy])
    np.testing.assert_allclose(f(W, X), layer(W, X), rtol=1e-6)
    for g in (f, ferax.jit(f)):
        for a, b in zip(ferax.grad(g, (0, 1))(W, X), ferax.grad(layer, (0, 1))(W, X)):
            np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(ferax.jvp(f, (W, X), (W, X)), ferax.jvp(layer, (W, X), (W, X)), rtol=1e-5)
    np.testing.assert_allclose(ferax.hessian(f, 1)(W, X), ferax.hessian(layer, 1)(W, X), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ferax.jacrev(ferax.grad(f, 1), 1)(W, X), ferax.hessian(layer, 1)(W, X), rtol=1e-4, atol=1e-5)
    xs = np.stack([X, 2 * X])
    np.testing.assert_allclose(ferax.vmap(ferax.grad(f, 1), (None, 0))(W, xs),
                               np.stack([ferax.grad(layer, 1)(W, x) for x in xs]), rtol=1e-5)


def test_what_is_computed_again():
    sines = lambda policy: count("sin", ferax.grad(ferax.checkpoint(layer, policy=policy)), W, X)
    dots = lambda policy: count("dot_general", ferax.grad(ferax.checkpoint(layer, policy=policy)), W, X)
    once = count("sin", ferax.grad(layer), W, X), count("dot_general", ferax.grad(layer), W, X)
    assert (sines(policies.everything_saveable), dots(policies.everything_saveable)) == once
    assert sines(None) > sines(policies.save_only_these_names("h")) > once[0]
    assert dots(None) == dots(policies.save_only_these_names("h")) == once[1] + 2     # the cosines need both products
    assert dots(policies.dots_saveable) == once[1]


def test_the_policy_sees_into_inner_jits():
    f = ferax.checkpoint(lambda w, x: ferax.jit(layer)(w, x), policy=policies.dots_saveable)
    assert count("dot_general", ferax.grad(f), W, X) == count("dot_general", ferax.grad(layer), W, X)


@pytest.mark.parametrize("prevent_cse", [True, False])
def test_the_compiler_is_kept_from_joining_both_passes(prevent_cse):
    f = ferax.jit(ferax.grad(ferax.checkpoint(layer, prevent_cse=prevent_cse)))
    assert ("optimization_barrier" in f.lower(W, X).as_text()) == prevent_cse


def test_in_scan_and_with_scan_inside():
    def net(wrap):
        def f(w, x):
            return jnp.sum(lax.scan(wrap(lambda x, _: (jnp.tanh(w @ x), x)), x, None, length=4)[0])
        return f
    expected = ferax.grad(net(lambda f: f), (0, 1))(W, X)
    inside, outside = net(ferax.checkpoint), ferax.checkpoint(net(lambda f: f))
    for f in (inside, outside, ferax.checkpoint(inside), ferax.jit(inside)):
        for a, b in zip(ferax.grad(f, (0, 1))(W, X), expected):
            np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(ferax.hessian(inside, 1)(W, X), ferax.hessian(net(lambda f: f), 1)(W, X), rtol=1e-4, atol=1e-5)


def test_nested():
    f = ferax.checkpoint(lambda x: jnp.sin(ferax.checkpoint(lambda y: jnp.sin(jnp.sin(y)))(x)))
    g = lambda x: jnp.sin(jnp.sin(jnp.sin(x)))
    np.testing.assert_allclose(ferax.grad(f)(0.3), ferax.grad(g)(0.3), rtol=1e-6)
    np.testing.assert_allclose(ferax.grad(ferax.grad(f))(0.3), ferax.grad(ferax.grad(g))(0.3), rtol=1e-5)


def test_closing_over_tracers():
    f = lambda x: ferax.checkpoint(lambda y: jnp.sin(x) * y)(2.0 * x)
    np.testing.assert_allclose(ferax.grad(f)(0.3), ferax.grad(lambda x: jnp.sin(x) * 2 * x)(0.3), rtol=1e-6)


def test_static_arguments():
    seen = []

    @partial(ferax.checkpoint, static_argnums=(1, -1), static_argnames="how")
    def f(x, flag, y, n, how="no"):
        seen.append((flag, n, how))
        return x * y * n if flag else x
    assert ferax.grad(f)(2.0, True, 3.0, 4, how="yes") == 12
    assert ferax.grad(f)(2.0, False, 3.0, 4) == 1
    assert seen == [(True, 4, "yes"), (False, 4, "no")]
    f(2.0, True, 3.0, 4, how="yes")                             # traced before
    assert len(seen) == 2
    assert f(2.0, [1], 3.0, 4) == 24                            # one that does not hash is traced each time
    with pytest.raises(ferax.errors.ConcretizationTypeError, match="static argument of a function under checkpoint"):
        ferax.jit(lambda n: f(2.0, n, 3.0, 4))(1)
    with pytest.raises(ValueError, match="names arguments that f was not given"):
        f(2.0)


def test_keyword_arguments_and_pytrees():
    f = ferax.checkpoint(lambda p, *, scale: {"out": p["a"] * scale + p["b"]})
    assert ferax.grad(lambda s: f({"a": 2.0, "b": 1.0}, scale=s)["out"])(3.0) == 2


def test_effects_happen_once(capsys):
    from ferax._src.control.debug_print import debug_print

    def f(x):
        debug_print("x = {}", x)
        return jnp.sin(jnp.sin(x))
    ferax.grad(ferax.checkpoint(f))(1.0)
    ferax.effects_barrier()
    assert capsys.readouterr().out == "x = 1.0\n"


@pytest.mark.parametrize("call, error, text", [
    (lambda: ferax.checkpoint(lambda x: x, concrete=True), NotImplementedError, "Use static_argnums"),
    (lambda: ferax.checkpoint(3), TypeError, "expects a function"),
    (lambda: ferax.checkpoint(lambda x: x, policy="dots"), TypeError, "policy must be callable"),
    (lambda: policies.save_and_offload_only_these_names(names_which_can_be_saved=["a"], names_which_can_be_offloaded=["a"],
                                                        offload_src="a", offload_dst="b"), ValueError, "should be exclusive"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_optimization_barrier():
    f = lambda x: lax.optimization_barrier({"a": x * 2, "b": 1})
    assert f(3.0)["a"] == 6 and "optimization_barrier" in ferax.jit(f).lower(1.0).as_text()
    assert ferax.grad(lambda x: f(x)["a"])(3.0) == 2
    assert ferax.vmap(f)(np.float32([1, 2]))["a"].tolist() == [2, 4]
    assert lax.optimization_barrier(()) == ()
