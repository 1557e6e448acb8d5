"""`jvp`, `vjp` and `linear_transpose`: directional derivatives, pullbacks, and what does not fit."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp


def f(tree, scale):
    return {"s": jnp.sin(tree["x"]) * scale, "n": tree["i"] + 1}, (tree["x"] ** 2).sum()


def test_jvp_of_pytrees_with_integers():
    x, t = jnp.arange(3.0), jnp.ones(3)
    zero = np.zeros((), ferax.float0)
    (out, total), (t_out, t_total) = ferax.jvp(f, ({"x": x, "i": 4}, 2.0), ({"x": t, "i": zero}, 0.5))
    np.testing.assert_allclose(out["s"], 2 * np.sin(x), rtol=1e-6)
    assert out["n"] == 5 and t_out["n"].dtype == ferax.float0
    np.testing.assert_allclose(t_out["s"], 2 * np.cos(x) + 0.5 * np.sin(x), rtol=1e-6)
    assert total == 5 and t_total == 6


def test_jvp_has_aux():
    y, t, aux = ferax.jvp(lambda x: (x ** 2, {"x": x, "n": 3}), (3.0,), (1.0,), has_aux=True)
    assert (y, t, aux["x"], aux["n"]) == (9, 6, 3, 3)


def test_jvp_refusals():
    x = jnp.ones(3)
    with pytest.raises(TypeError, match="primals and tangents must be tuples or lists.*found ArrayImpl"):
        ferax.jvp(jnp.sin, x, x)
    with pytest.raises(TypeError, match="must have the same structure"):
        ferax.jvp(jnp.sin, (x,), (x, x))
    with pytest.raises(TypeError, match="tangent has dtype int32.*float32 it must have float32"):
        ferax.jvp(jnp.sin, (x,), (jnp.ones(3, int),))
    with pytest.raises(TypeError, match="must have float0.*tangents of dtype float0"):
        ferax.jvp(lambda i: i, (3,), (1,))
    with pytest.raises(ValueError, match=r"tangent has shape \(2,\), but the primal has shape \(3,\)"):
        ferax.jvp(jnp.sin, (x,), (jnp.ones(2),))
    with pytest.raises(TypeError, match="of type str is not a valid type"):
        ferax.jvp(lambda x: x, ("a",), ("b",))
    with pytest.raises(TypeError, match="expected a callable"):
        ferax.jvp(3, (x,), (x,))


def test_tangents_are_cast_for_weak_types_only():
    y, t = ferax.jvp(lambda x: x * 2, (jnp.float32(1),), (1.0,))
    assert t.dtype == jnp.float32
    y, t = ferax.jvp(lambda x: x * 2, (1.0,), (jnp.float32(1),))
    assert t == 2


def test_vjp_of_pytrees_with_integers():
    x = jnp.arange(3.0)
    (out, total), pull = ferax.vjp(f, {"x": x, "i": jnp.arange(2)}, 2.0)
    np.testing.assert_allclose(out["s"], 2 * np.sin(x), rtol=1e-6)
    zero = np.zeros(2, ferax.float0)
    for _ in range(2):                          # a pullback may be called again
        tree_bar, scale_bar = pull(({"s": jnp.ones(3), "n": zero}, 1.0))
        np.testing.assert_allclose(tree_bar["x"], 2 * np.cos(x) + 2 * x, rtol=1e-6)
        assert tree_bar["i"].dtype == ferax.float0 and tree_bar["i"].shape == (2,)
        np.testing.assert_allclose(scale_bar, np.sin(x).sum(), rtol=1e-6)


def test_vjp_has_aux_and_no_primals():
    y, pull, aux = ferax.vjp(lambda x: (x ** 2, x + 1), 3.0, has_aux=True)
    assert (y, aux, pull(1.0)) == (9, 4, (6,))
    y, pull = ferax.vjp(lambda: 3.0)
    assert y == 3 and pull(1.0) == ()


def test_cotangents_that_do_not_fit():
    _, pull = ferax.vjp(lambda x: {"a": x, "b": x.sum()}, jnp.ones(3))
    with pytest.raises(ValueError, match="cotangent must have the structure of the function's result"):
        pull(jnp.ones(3))
    with pytest.raises(ValueError, match=r"cotangent has shape \(2,\), but the result has shape \(3,\)"):
        pull({"a": jnp.ones(2), "b": 1.0})
    with pytest.raises(TypeError, match="cotangent has dtype int32"):
        pull({"a": jnp.ones(3, int), "b": 1.0})
    _, pull = ferax.vjp(lambda x: x.astype(int), jnp.ones(3))
    with pytest.raises(TypeError, match="must have float0"):
        pull(jnp.ones(3, int))
    assert pull(np.zeros(3, ferax.float0))[0].tolist() == [0, 0, 0]


def test_results_that_do_not_depend_have_zero_cotangents():
    _, pull = ferax.vjp(lambda x, y: y * 2, jnp.ones((2, 2)), jnp.ones(3))
    x_bar, y_bar = pull(jnp.ones(3))
    np.testing.assert_array_equal(x_bar, np.zeros((2, 2)))
    np.testing.assert_array_equal(y_bar, [2, 2, 2])


def test_the_same_result_twice_adds_up():
    y, pull = ferax.vjp(lambda x: (x, x, x * 2), 3.0)
    assert pull((1.0, 10.0, 100.0)) == (211,)


def test_pullbacks_cross_transformations():
    x = jnp.arange(1.0, 4.0)
    pull = ferax.jit(lambda x: ferax.vjp(lambda y: y ** 3, x)[1])(x)
    np.testing.assert_allclose(pull(jnp.ones(3))[0], 3 * x ** 2)
    np.testing.assert_allclose(ferax.jit(lambda p, c: p(c)[0])(pull, x), 3 * x ** 3)
    np.testing.assert_allclose(ferax.vmap(pull)(jnp.eye(3))[0], np.diag(3 * x ** 2))
    np.testing.assert_allclose(ferax.grad(lambda c: pull(c)[0].sum())(x), 3 * x ** 2)
    np.testing.assert_allclose(ferax.grad(lambda x: ferax.vjp(lambda y: y ** 3, x)[1](x)[0].sum())(x), 9 * x ** 2)
    text = repr(ferax.tree.structure(pull))
    assert "Pullback" in text


def test_forward_over_reverse_and_reverse_over_forward():
    g = lambda x: jnp.sum(jnp.exp(x) * x ** 2)
    x, v = jnp.array([0.3, -0.2]), jnp.array([1.0, 2.0])
    hvp1 = ferax.jvp(ferax.grad(g), (x,), (v,))[1]
    hvp2 = ferax.grad(lambda x: ferax.jvp(g, (x,), (v,))[1])(x)
    hvp3 = ferax.vjp(ferax.grad(g), x)[1](v)[0]
    expected = np.exp(x) * (x ** 2 + 4 * x + 2) * v
    for hvp in (hvp1, hvp2, hvp3):
        np.testing.assert_allclose(hvp, expected, rtol=1e-5)


def test_linear_transpose():
    a = jnp.arange(6.0).reshape(2, 3)
    back = ferax.linear_transpose(lambda x, y: a @ x + 2 * y, jnp.ones(3), ferax.ShapeDtypeStruct((2,), jnp.float32))
    x, y = back(jnp.array([1.0, 10.0]))
    np.testing.assert_allclose(x, np.array([1, 10]) @ a)
    np.testing.assert_allclose(y, [2, 20])
    np.testing.assert_allclose(ferax.jit(back)(jnp.ones(2))[1], [2, 2])
    with pytest.raises(TypeError, match="only functions of floating or complex arguments"):
        ferax.linear_transpose(lambda i: i, 3)
    with pytest.raises((NotImplementedError, TypeError, ValueError), match="linear"):
        ferax.linear_transpose(jnp.sin, 1.0)(1.0)
    with pytest.raises(TypeError, match="must have the structure"):
        back((jnp.ones(2),))
    with pytest.raises(ValueError, match="cotangent has shape"):
        back(jnp.ones(3))
