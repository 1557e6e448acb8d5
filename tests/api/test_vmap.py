"""`vmap`: axes in and out, names, sizes, nesting, and what does not fit."""

import functools
from typing import NamedTuple

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax


class Pair(NamedTuple):
    a: object
    b: object


X = jnp.arange(24.0).reshape(2, 3, 4)


def test_all_leaves_along_the_first_axis():
    out = ferax.vmap(lambda t, y: {"s": t["x"].sum() + y, "t": t})({"x": X, "n": None}, jnp.arange(2))
    np.testing.assert_allclose(out["s"], X.sum((1, 2)) + np.arange(2))
    np.testing.assert_array_equal(out["t"]["x"], X)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_each_axis_in_and_out(axis):
    f = lambda x: x * 2 + 1
    np.testing.assert_array_equal(ferax.vmap(f, in_axes=axis, out_axes=axis)(X), X * 2 + 1)
    np.testing.assert_array_equal(ferax.vmap(f, in_axes=axis)(X), np.moveaxis(np.asarray(X) * 2 + 1, axis, 0))
    np.testing.assert_array_equal(ferax.vmap(lambda x: x.sum(), in_axes=axis)(X),
                                  np.asarray(X).sum(tuple({0, 1, 2} - {axis % 3})))


def test_in_axes_as_prefix_pytrees():
    tree = Pair(a={"x": X, "y": jnp.ones(3)}, b=(jnp.arange(3.0), 5.0))
    f = lambda t, s: t.a["x"].sum() * s + t.b[0] + t.a["y"] + t.b[1]
    expected = np.asarray(X).sum((0, 2)) * 2 + np.arange(3) + 1 + 5
    axes = (Pair(a={"x": 1, "y": 0}, b=(0, None)), None)
    np.testing.assert_allclose(ferax.vmap(f, in_axes=axes)(tree, 2.0), expected)
    np.testing.assert_allclose(ferax.vmap(f, in_axes=list(axes))(tree, 2.0), expected)
    g = ferax.vmap(lambda a, b: a["p"] + a["q"][0] + b, in_axes=(0, None))
    np.testing.assert_allclose(g({"p": jnp.arange(3), "q": [jnp.ones(3)]}, 1), [2, 3, 4])


def test_out_axes_as_prefix_pytrees():
    f = lambda x: ({"a": x, "b": x.T}, x.sum(), 7)
    out, total, seven = ferax.vmap(f, out_axes=(1, 0, None))(X)
    assert out["a"].shape == (3, 2, 4) and out["b"].shape == (4, 2, 3) and total.shape == (2,) and seven == 7
    out, total, seven = ferax.vmap(f, out_axes=({"a": -1, "b": 0}, 0, 0))(X)
    assert out["a"].shape == (3, 4, 2) and out["b"].shape == (2, 4, 3) and seven.tolist() == [7, 7]


def test_none_and_keywords():
    f = ferax.vmap(lambda x, w, *, b: x @ w + b, in_axes=(0, None))
    np.testing.assert_allclose(f(jnp.ones((5, 2)), jnp.ones((2, 3)), b=jnp.arange(5.0)), 2 + np.arange(5)[:, None] * np.ones(3))
    assert ferax.vmap(lambda x: x, in_axes=None, axis_size=4)(3.0).shape == (4,)
    assert ferax.vmap(lambda: jnp.zeros(2), axis_size=3)().shape == (3, 2)


def test_static_things_inside():
    f = ferax.vmap(lambda x: jnp.zeros(x.shape[0]) + x.ndim)
    assert f(X).shape == (2, 3) and f(X)[0, 0] == 2


def test_nested():
    dot = lambda a, b: (a * b).sum()
    matmul = ferax.vmap(ferax.vmap(dot, in_axes=(None, 1)), in_axes=(0, None))
    a, b = np.random.RandomState(0).randn(3, 4), np.random.RandomState(1).randn(4, 5)
    np.testing.assert_allclose(matmul(a, b), a.astype(np.float32) @ b.astype(np.float32), rtol=1e-5)
    np.testing.assert_allclose(ferax.jit(matmul)(a, b), a @ b, rtol=1e-5)


def test_names():
    f = lambda x: x - lax.pmean(x, "i")
    np.testing.assert_allclose(ferax.vmap(f, axis_name="i")(jnp.arange(4.0)), [-1.5, -0.5, 0.5, 1.5])
    assert ferax.vmap(lambda x: lax.axis_index("i"), axis_name="i")(jnp.zeros(3)).tolist() == [0, 1, 2]
    assert ferax.vmap(lambda x: lax.psum(1, "i"), axis_name="i")(jnp.zeros(3)).tolist() == [3, 3, 3]
    assert ferax.vmap(lambda x: lax.psum(1, "i"), axis_name="i", axis_size=5, in_axes=None)(0).tolist() == [5] * 5
    both = ferax.vmap(ferax.vmap(lambda x: lax.psum(x, ("r", "c")) + lax.axis_index("r"), axis_name="c"), axis_name="r")
    np.testing.assert_allclose(both(jnp.ones((2, 3))), [[6, 6, 6], [7, 7, 7]])
    # Inside jit the name is seen too, and the function is traced for each size.
    inner = ferax.jit(lambda x: lax.psum(x, "i"))
    for n in (2, 5):
        assert ferax.vmap(inner, axis_name="i")(jnp.ones(n)).tolist() == [n] * n
    with pytest.raises(NameError, match="(?i)axis name.*nowhere|nowhere"):
        ferax.vmap(lambda x: lax.psum(x, "nowhere"), axis_name="i")(jnp.ones(2))
    with pytest.raises(NameError, match="i"):
        inner(jnp.ones(2))


def test_spmd_axis_name_is_accepted():
    np.testing.assert_array_equal(ferax.vmap(lambda x: x + 1, spmd_axis_name="data")(jnp.arange(3)), [1, 2, 3])


def test_random_keys_and_numpy():
    keys = ferax.random.split(ferax.random.key(0), 3)
    found = ferax.vmap(lambda k: ferax.random.normal(k, (2,)))(keys)
    expected = np.stack([ferax.random.normal(k, (2,)) for k in keys])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert isinstance(ferax.vmap(lambda x: x + 1)(np.arange(3)), ferax.Array)


def test_conditions_and_loops_per_example():
    f = lambda x: lax.cond(x > 1, lambda x: x * 10, lambda x: x - 1, x)
    np.testing.assert_allclose(ferax.vmap(f)(jnp.arange(4.0)), [-1, 0, 20, 30])
    g = lambda n: lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * 2), (0, 1))[1]
    assert ferax.vmap(g)(jnp.array([0, 3, 5])).tolist() == [1, 8, 32]


def test_with_jit_and_grad():
    f = lambda w, x: jnp.tanh(x @ w).sum()
    w, xs = jnp.ones((3, 2)) * 0.1, jnp.arange(12.0).reshape(4, 3) / 10
    each = np.stack([ferax.grad(f)(w, x) for x in xs])
    for g in (ferax.vmap(ferax.grad(f), (None, 0)), ferax.jit(ferax.vmap(ferax.grad(f), (None, 0))),
              ferax.vmap(ferax.jit(ferax.grad(f)), (None, 0))):
        np.testing.assert_allclose(g(w, xs), each, rtol=1e-5)


def test_functions_keep_their_face():
    @functools.partial(ferax.vmap, in_axes=0)
    def double(x):
        """Twice."""
        return 2 * x

    assert double.__name__ == "double" and "Vectorized version of double" in double.__doc__ and "Twice." in double.__doc__


def test_empty_axis():
    assert ferax.vmap(lambda x: x.sum())(jnp.ones((0, 3))).shape == (0,)
    assert ferax.vmap(lambda x: jnp.sin(x) @ x)(jnp.ones((0, 3))).shape == (0,)


# --- refusals -------------------------------------------------------------------------------------


def test_sizes_that_differ():
    with pytest.raises(ValueError) as e:
        ferax.vmap(lambda x, y, *, z: x, in_axes=(0, 1))({"w": jnp.ones(3)}, jnp.ones((2, 4)), z=jnp.ones(3))
    text = str(e.value)
    assert "inconsistent sizes" in text and "x['w'] of type f32[3] has axis 0 of size 3" in text
    assert "y of type f32[2,4] has axis 1 of size 4" in text and "z of type f32[3]" in text and "None in in_axes" in text
    with pytest.raises(ValueError, match="axis_size is 5"):
        ferax.vmap(lambda x: x, axis_size=5)(jnp.ones(3))
    with pytest.raises(ValueError, match="must have at least one mapped argument"):
        ferax.vmap(lambda x: x, in_axes=None)(1.0)
    with pytest.raises(ValueError, match="must have at least one mapped argument"):
        ferax.vmap(lambda: 1.0)()


def test_axes_that_are_not_there():
    with pytest.raises(ValueError, match=r"axis 2.*x of f has rank 1.*shape \(3,\).*axes run from -1 to 0"):
        def f(x):
            return x
        ferax.vmap(f, in_axes=2)(jnp.ones(3))
    with pytest.raises(ValueError, match=r"axis -2.*rank should be at least 2"):
        ferax.vmap(lambda x: x, in_axes=-2)(jnp.ones(3))
    with pytest.raises(ValueError, match=r"y\['b'\].*scalar: pass None in in_axes"):
        ferax.vmap(lambda x, y: x)(jnp.ones(3), {"b": 1.0})
    with pytest.raises(ValueError, match="out_axes is 2, but the result.* has 1 dimension"):
        ferax.vmap(lambda x: x, out_axes=2)(jnp.ones(3))
    with pytest.raises(ValueError, match="out_axes is -3"):
        ferax.vmap(lambda x: x, out_axes=-3)(jnp.ones((3, 2)))


def test_in_axes_that_do_not_fit():
    x = jnp.ones((3, 2))
    with pytest.raises(ValueError, match="got 2 entries for 1 positional argument"):
        ferax.vmap(lambda x: x, in_axes=(0, 0))(x)
    with pytest.raises(TypeError, match="in_axes must be an int, None, or a tuple.*got 'a'"):
        ferax.vmap(lambda x: x, in_axes="a")
    with pytest.raises(TypeError, match="in_axes must be an int, None, or .nested. container.*0.5"):
        ferax.vmap(lambda x: x, in_axes=(0.5,))
    with pytest.raises(TypeError, match="in_axes"):
        ferax.vmap(lambda x: x, in_axes={"x": 0})
    with pytest.raises(TypeError, match="out_axes"):
        ferax.vmap(lambda x: x, out_axes="b")
    with pytest.raises(ValueError, match="(?s)vmap in_axes.*prefix"):
        ferax.vmap(lambda t: t, in_axes=({"a": 0, "c": 0},))({"a": x, "b": x})
    with pytest.raises(ValueError, match="(?s)vmap out_axes.*prefix"):
        ferax.vmap(lambda t: (t, t), out_axes=(0, 0, 0))(x)
    with pytest.raises(ValueError, match="out_axes is None: the result.*depends on the mapped"):
        ferax.vmap(lambda t: {"a": t}, out_axes=None)(x)


def test_arguments_that_are_no_arrays():
    with pytest.raises(TypeError, match="vmap: the argument mode of type str"):
        ferax.vmap(lambda x, mode: x)(jnp.ones(3), "fast")
    with pytest.raises(TypeError, match="vmap: the result of .*str"):
        ferax.vmap(lambda x: "text")(jnp.ones(3))
    with pytest.raises(TypeError, match="expected a callable"):
        ferax.vmap(3)
    with pytest.raises(ferax.errors.TracerBoolConversionError, match="mapped by vmap"):
        ferax.vmap(lambda x: 1 if x > 0 else 0)(jnp.ones(3))
