"""`grad` and `value_and_grad`: what they take, what they give, what they refuse."""

import functools
from typing import NamedTuple

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax


class Params(NamedTuple):
    w: object
    b: object


def test_numbers_arrays_and_numpy():
    f = lambda x: x ** 3
    assert ferax.grad(f)(2.0) == 12 and ferax.grad(f)(np.float32(2)) == 12 and ferax.grad(f)(jnp.float32(2)) == 12
    g = ferax.grad(lambda x: (x * x).sum())(np.arange(3, dtype=np.float32))
    assert isinstance(g, ferax.Array) and g.tolist() == [0, 2, 4]
    assert ferax.grad(f)(2.0).weak_type and not ferax.grad(f)(jnp.float32(2)).weak_type


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_gradients_have_the_dtype_of_the_argument(dtype):
    x = jnp.arange(3.0).astype(dtype)
    value, g = ferax.value_and_grad(lambda x: jnp.sum(x * x))(x)
    assert g.dtype == x.dtype and value.dtype == x.dtype
    # Through another dtype and back.
    assert ferax.grad(lambda x: jnp.sum(x.astype(jnp.float32)))(x).dtype == x.dtype


def test_argnums():
    f = lambda a, b, c: a * b ** 2 * c ** 3
    assert ferax.grad(f, argnums=1)(2.0, 3.0, 1.0) == 12
    assert ferax.grad(f, argnums=-1)(2.0, 3.0, 1.0) == 54
    assert ferax.grad(f, argnums=(0,))(2.0, 3.0, 1.0) == (9,)
    assert ferax.grad(f, argnums=(2, 0))(2.0, 3.0, 1.0) == (54, 9)
    assert ferax.grad(f, argnums=[0, -2])(2.0, 3.0, 1.0) == (9, 12)
    assert ferax.grad(f, argnums=np.int64(1))(2.0, 3.0, 1.0) == 12


def test_argnums_errors():
    f = lambda a, b: a * b
    with pytest.raises(ValueError, match="argnums=2 names positional argument 2.*called with 2 positional arguments"):
        ferax.grad(f, argnums=2)(1.0, 2.0)
    with pytest.raises(ValueError, match="names positional argument -3"):
        ferax.grad(f, argnums=-3)(1.0, 2.0)
    with pytest.raises(ValueError, match="names an argument twice"):
        ferax.grad(f, argnums=(0, 0))(1.0, 2.0)
    with pytest.raises(TypeError, match="argnums must be an int or a sequence of ints, got 1.5"):
        ferax.grad(f, argnums=1.5)
    with pytest.raises(ValueError, match="positional argument 1, but the function was called with 1 positional argument"):
        ferax.grad(f, argnums=1)(1.0, b=2.0)


def test_keyword_arguments_pass_through():
    assert ferax.grad(lambda x, *, power: x ** power)(3.0, power=2) == 6
    assert ferax.grad(lambda x, scale=1.0, label="a": x * scale)(3.0, scale=4.0, label="text") == 4


def test_pytrees():
    params = Params(w={"a": jnp.ones((2, 3)), "none": None}, b=(jnp.zeros(2), 1.0))

    def loss(p, x, opts):
        assert opts["mode"] == "train"          # arguments that are not differentiated may be anything
        return jnp.sum((p.w["a"] @ x + p.b[0]) ** 2) * p.b[1]

    x = jnp.arange(3.0)
    value, g = ferax.value_and_grad(loss)(params, x, {"mode": "train"})
    assert isinstance(g, Params) and g.w["none"] is None and isinstance(g.b, tuple)
    np.testing.assert_allclose(g.w["a"], 2 * np.outer([3, 3], x))
    np.testing.assert_allclose(g.b[0], [6, 6])
    assert value == 18 and g.b[1] == 18
    gp, gx = ferax.grad(loss, argnums=(0, 1))(params, x, {"mode": "train"})
    assert isinstance(gp, Params)
    np.testing.assert_allclose(gx, [12, 12, 12])


def test_has_aux():
    def f(x):
        return (x * x).sum(), {"x2": x * 2, "n": 3, "text": None}

    x = jnp.arange(3.0)
    g, aux = ferax.grad(f, has_aux=True)(x)
    np.testing.assert_allclose(g, 2 * x)
    np.testing.assert_allclose(aux["x2"], 2 * x)
    (value, aux), g = ferax.value_and_grad(f, has_aux=True)(x)
    assert value == 5 and aux["n"] == 3
    g, aux = ferax.jit(ferax.grad(f, has_aux=True))(x)
    np.testing.assert_allclose(aux["x2"], 2 * x)
    gg = ferax.grad(lambda x: ferax.grad(f, has_aux=True)(x)[1]["x2"].sum())(x)      # aux is differentiable from outside
    np.testing.assert_allclose(gg, [2, 2, 2])
    with pytest.raises(TypeError, match="has_aux=True.*pair.*returned a ArrayImpl|has_aux=True.*must return a pair"):
        ferax.grad(lambda x: x * 2, has_aux=True)(1.0)
    with pytest.raises(TypeError, match="a tuple of length 3"):
        ferax.grad(lambda x: (x, x, x), has_aux=True)(1.0)


def test_outputs_that_are_refused():
    x = jnp.ones(3)
    with pytest.raises(TypeError, match=r"Gradient only defined for scalar-output functions.*shape \(3,\).*float32.*jnp.sum"):
        ferax.grad(lambda x: x * 2)(x)
    with pytest.raises(TypeError, match=r"requires real-valued outputs.*gave int32"):
        ferax.grad(lambda x: x.astype(int).sum())(x)
    with pytest.raises(TypeError, match=r"requires real-valued outputs.*gave bool"):
        ferax.grad(lambda x: (x > 0).any())(x)
    with pytest.raises(TypeError, match=r"gave complex64.*holomorphic=True"):
        ferax.grad(lambda x: x.sum() * 1j)(x)
    with pytest.raises(TypeError, match="returned the pytree.*has_aux=True"):
        ferax.grad(lambda x: {"loss": x.sum()})(x)
    with pytest.raises(TypeError, match="returned None of type NoneType"):
        ferax.grad(lambda x: None)(x)
    with pytest.raises(TypeError, match="scalar-output functions.*'text' of type str"):
        ferax.grad(lambda x: "text")(x)


def test_inputs_that_are_refused():
    with pytest.raises(TypeError, match=r"requires real- or complex-valued inputs.*has int32.*allow_int"):
        ferax.grad(lambda x: x * 1.0)(3)
    with pytest.raises(TypeError, match=r"the argument \['n'\] has int32"):
        ferax.grad(lambda p: p["w"] * 1.0)({"w": 1.0, "n": jnp.arange(3)})
    with pytest.raises(TypeError, match="has bool"):
        ferax.grad(lambda x: x * 1.0)(True)
    with pytest.raises(TypeError, match="of type str is not a valid type"):
        ferax.grad(lambda x: 1.0)("text")
    with pytest.raises(TypeError, match="has no derivative"):
        ferax.grad(lambda k: 1.0)(ferax.random.key(0))
    with pytest.raises(TypeError, match="expected a callable, got NoneType"):
        ferax.grad(None)


def test_allow_int():
    g = ferax.grad(lambda x, i: (x * i[1]).sum(), argnums=(0, 1), allow_int=True)(jnp.ones(2), np.arange(3))
    np.testing.assert_array_equal(g[0], [1, 1])
    assert g[1].dtype == ferax.float0 and g[1].shape == (3,) and isinstance(g[1], np.ndarray)
    assert ferax.grad(lambda b: 2.0, allow_int=True)(True).dtype == ferax.float0


def test_holomorphic():
    f = lambda z: jnp.sin(z) * z
    z = 0.5 + 1.5j
    expected = np.cos(z) * z + np.sin(z)
    np.testing.assert_allclose(ferax.grad(f, holomorphic=True)(z), expected, rtol=1e-5)
    np.testing.assert_allclose(ferax.grad(ferax.grad(lambda z: z ** 3, holomorphic=True), holomorphic=True)(z), 6 * z, rtol=1e-5)
    with pytest.raises(TypeError, match="holomorphic=True requires inputs.*has float32"):
        ferax.grad(f, holomorphic=True)(1.0)
    with pytest.raises(TypeError, match="holomorphic=True requires outputs.*got float32"):
        ferax.grad(lambda z: z.real, holomorphic=True)(z)


def test_complex_arguments_of_real_functions(x64):
    """The gradient of a real function is the conjugate of the direction of steepest ascent."""
    z = jnp.asarray([1.0 + 2.0j, -0.5j])
    np.testing.assert_allclose(ferax.grad(lambda z: (jnp.abs(z) ** 2).sum())(z), 2 * np.conj(z))
    np.testing.assert_allclose(ferax.grad(lambda z: z.real.sum() + 2 * z.imag.sum())(z), [1 - 2j] * 2)


def test_functions_keep_their_face():
    def loss(x):
        """Documentation."""
        return x

    g = ferax.grad(loss)
    assert g.__name__ == "loss" and "Gradient of loss" in g.__doc__ and "Documentation." in g.__doc__
    assert g.__wrapped__ is loss
    assert ferax.grad(functools.partial(lambda a, x: a * x, 3.0))(1.0) == 3


def test_control_flow_in_python_is_followed():
    def f(x):
        if x > 0:                               # a value is at hand: grad alone does not need to trace
            return x ** 2
        return -x

    assert ferax.grad(f)(3.0) == 6 and ferax.grad(f)(-3.0) == -1
    assert ferax.grad(lambda x: x * int(x) * len(f"{float(x)}"))(3.0) == 9
    assert ferax.grad(lambda x: x * np.asarray(lax.stop_gradient(x)))(3.0) == 3


def test_higher_orders():
    f = lambda x: jnp.sin(x) * x
    g = f
    for _ in range(4):
        g = ferax.grad(g)
    x = 0.7
    np.testing.assert_allclose(g(x), x * np.sin(x) - 4 * np.cos(x), rtol=1e-4)
    np.testing.assert_allclose(ferax.jit(g)(x), x * np.sin(x) - 4 * np.cos(x), rtol=1e-4)


def test_arguments_that_are_not_used_and_results_that_do_not_depend():
    np.testing.assert_array_equal(ferax.grad(lambda x, y: y * 2.0)(jnp.ones(2), 3.0), [0, 0])
    assert ferax.grad(lambda x: 3.0)(1.0) == 0
    assert ferax.grad(lambda x: x)(1.0) == 1
    with pytest.raises(NotImplementedError, match="reduce_axes"):
        ferax.grad(lambda x: x, reduce_axes=("i",))


def test_gradients_do_not_share_memory_with_their_arguments():
    x = jnp.ones(3)
    g = ferax.grad(lambda x: x.sum())(x)
    g.delete()
    np.testing.assert_array_equal(x, [1, 1, 1])
    one = ferax.grad(lambda x: x)(1.0)
    one.delete()
    assert ferax.grad(lambda x: x)(1.0) == 1


def test_in_place_style_updates():
    def f(x):
        y = jnp.zeros(4).at[1:3].set(x)
        y = y.at[0].add(x[0] * 2)
        y *= 2
        return (y * jnp.arange(4.0)).sum() + y[0]

    np.testing.assert_allclose(ferax.grad(f)(jnp.array([1.0, 2.0])), [6, 4])


def test_float0_crosses_jit_and_vmap():
    g = ferax.grad(lambda x, i: (x * i).sum(), argnums=(0, 1), allow_int=True)
    xs, ints = jnp.ones((2, 3)), jnp.arange(6).reshape(2, 3)
    for transformed in (ferax.vmap(g), ferax.jit(ferax.vmap(g)), ferax.vmap(ferax.jit(g))):
        gx, gi = transformed(xs, ints)
        np.testing.assert_array_equal(gx, ints)
        assert gi.dtype == ferax.float0 and gi.shape == (2, 3) and np.asarray(gi).dtype == ferax.float0
    zero = np.zeros(3, ferax.float0)
    assert ferax.jit(lambda z: z)(zero).dtype == ferax.float0
    y, t = ferax.jit(lambda i, z: ferax.jvp(lambda i: i + 1, (i,), (z,)))(ints[0], zero)
    assert t.dtype == ferax.float0
    assert lax.cond(True, lambda: zero, lambda: zero).dtype == ferax.float0
    with pytest.raises((TypeError, ValueError), match="float0"):
        t + 1


@pytest.mark.parametrize("f", [lambda x: x * 2, lambda x: x + jnp.float32(1), lambda x: x * jnp.float32(3), jnp.sin, lambda x: x])
def test_a_derivative_is_weakly_typed_where_its_value_is(f):
    out = jnp.asarray(f(2.0)).weak_type
    assert ferax.grad(f)(2.0).weak_type and ferax.jit(ferax.grad(f))(2.0).weak_type
    assert not ferax.grad(f)(jnp.float32(2)).weak_type
    assert ferax.jvp(f, (2.0,), (1.0,))[1].weak_type == ferax.linearize(f, 2.0)[1](1.0).weak_type == out
    value, pullback = ferax.vjp(f, 2.0)
    assert pullback(jnp.ones_like(value))[0].weak_type
