"""Reductions over windows and their derivatives against loops over windows; the quick forms against the plain ones."""

import operator

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from op_harness import compiled
from rule_checks import check_batch, check_derivative, distinct, primitives, x64
from window_reference import KEYS, counts, gathered, reduced, scattered, window

from ferax import lax
from ferax import numpy as jnp
from ferax._src.api.autodiff import grad, jvp, vjp
from ferax._src.api.vmap import vmap
from ferax._src.ops.reduce import greatest, least
from ferax._src.ops.select_and_scatter import select_and_gather_add_p, select_and_scatter_add_p
from ferax._src.util import config

MONOIDS = {"sum": (0.0, lax.add, np.add), "max": (-np.inf, lax.max, np.maximum), "min": (np.inf, lax.min, np.minimum)}
STAYS = {"max": operator.ge, "min": operator.le}


def pooled(name, w):
    init, computation, _ = MONOIDS[name]
    return lambda x: lax.reduce_window(x, init, computation, *[w[key] for key in KEYS])


@st.composite
def cases(draw):
    """An array and a window over it."""
    n = draw(st.integers(1, 2))
    def sizes(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(n))
    shape = sizes(0, 5)
    w = window(sizes(1, 3), sizes(1, 3), tuple(zip(sizes(-1, 2), sizes(-1, 2))), sizes(1, 2), sizes(1, 2))
    elements = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1.0, 2.0, 3.0, 4.0])
    size = int(np.prod(shape))
    x = np.array(draw(st.lists(elements, min_size=size, max_size=size)), np.float32).reshape(shape)
    return x, w


@given(cases(), st.sampled_from(["fast", "plain"]))
@settings(max_examples=15, deadline=None)
def test_against_loops(case, lowerings):
    x, w = case
    t, ct = np.arange(x.size, dtype=np.float32).reshape(x.shape) + 1, np.zeros(counts(x.shape, w), np.float32)
    ct += np.arange(ct.size, dtype=np.float32).reshape(ct.shape) + 1

    def everything(x, t, ct):
        out = {}
        for name in MONOIDS:
            f = pooled(name, w)
            out[name] = f(x)
            out[name, "vjp"] = vjp(f, x)[1](ct)[0]
        out["sum", "jvp"] = jvp(pooled("sum", w), (x,), (t,))[1]
        return {str(key): value for key, value in out.items()}

    with config.cpu_lowerings(lowerings):
        got = compiled(everything)(x, t, ct)
    for name, (init, _, combine) in MONOIDS.items():
        np.testing.assert_array_equal(got[name], reduced(x, init, combine, w), err_msg=name)
    np.testing.assert_array_equal(got[str(("sum", "jvp"))], reduced(t, 0, np.add, w))
    for name, stays in STAYS.items():
        np.testing.assert_array_equal(got[str((name, "vjp"))], scattered(ct, x, stays, w), err_msg=name)
    inner = float(np.sum(np.asarray(got[str(("sum", "vjp"))]) * t)), float(np.sum(ct * np.asarray(got[str(("sum", "jvp"))])))
    assert inner[0] == inner[1]


SPECIAL = np.array([[1, np.nan, 2, 2, -np.inf], [np.inf, 2, np.nan, -0.0, 0.0], [3, np.inf, 1, np.nan, 5], [0.0, -0.0, 2, 2, 1],
                    [-np.inf, -np.inf, -np.inf, 4, 4]], np.float32)


@pytest.mark.parametrize("w", [window((2, 3), (1, 2), ((1, 1), (0, 1))), window((3, 2), (2, 1), None, (1, 2), (1, 2))],
                         ids=["padded", "dilated"])
def test_quick_forms_do_as_the_plain_ones(w):
    x, t = SPECIAL, np.arange(25, dtype=np.float32).reshape(5, 5)
    ct = np.arange(np.prod(counts(x.shape, w)), dtype=np.float32).reshape(counts(x.shape, w))
    plain = {key: w[key] for key in ("window_dimensions", "window_strides", "padding")}
    source_shape = counts(x.shape, {**window((1, 1)), **plain})
    source = np.arange(np.prod(source_shape), dtype=np.float32).reshape(source_shape)

    def everything(x, t, ct, source):
        out = [pooled(name, w)(x) for name in MONOIDS]
        for select in (lax.ge_p, lax.le_p):
            out += select_and_gather_add_p.bind(t, x, select_prim=select, **w)
            out += select_and_scatter_add_p.bind(source, x, select_prim=select, **plain)
        return out

    found = []
    for lowerings in ("fast", "plain"):
        with config.cpu_lowerings(lowerings):
            found.append([np.asarray(y) for y in compiled(everything)(x, t, ct, source)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "bfloat16"])
def test_dtypes(dtype):
    x = (np.arange(8) % 3).astype(jnp.dtype(dtype))
    for name in ("max", "min"):
        start = (least if name == "max" else greatest)(x.dtype)
        f = lambda x, start=start, name=name: lax.reduce_window(x, np.asarray(start, x.dtype)[()], MONOIDS[name][1], (3,), (2,))
        got = np.asarray(f(x))
        assert got.dtype == x.dtype
        wide = x.astype(np.float32)
        np.testing.assert_array_equal(got.astype(np.float32), [getattr(wide[i:i + 3], name)() for i in (0, 2, 4)])
        assert primitives(f, x) == [f"reduce_window_{name}"]


def test_narrow_sums_round_once():
    x = np.array([256, 1, 1, 1, 1], jnp.bfloat16)
    with config.cpu_lowerings("fast"):
        assert float(lax.reduce_window(x, jnp.bfloat16(0), lax.add, (5,))[0]) == 260


def test_which_primitive():
    x = np.ones((4, 3), np.float32)
    for computation, init, name in ((lax.add, 0, "reduce_window_sum"), (lax.max, -np.inf, "reduce_window_max"),
                                    (lax.min, np.inf, "reduce_window_min"), (lambda a, b: a + b, np.float32(0), "reduce_window_sum"),
                                    (lax.add, np.float32(1), "reduce_window"), (lax.max, np.float32(0), "reduce_window"),
                                    (lax.mul, np.float32(1), "reduce_window")):
        f = lambda x, i=init, c=computation: lax.reduce_window(x, i, c, (2, 2), padding="SAME")
        assert primitives(f, x)[-1] == name
        assert f(x).shape == (4, 3)


def test_any_function():
    x = distinct((4, 5)) / 20
    with x64():
        far = lambda x: lax.reduce_window(x, 0.0, lambda a, b: jnp.maximum(jnp.abs(a), jnp.abs(b)), (2, 2), (1, 2))
        np.testing.assert_array_equal(far(x), reduced(np.abs(x), 0, np.maximum, window((2, 2), (1, 2))))
        check_derivative(far, x)
        check_batch(far, (x,), (0,), (2,))
        lse = lambda x: lax.reduce_window(x, -np.inf, jnp.logaddexp, (3, 1), padding=((1, 1), (0, 0)))
        check_derivative(lse, x)
        both = lax.reduce_window({"a": x, "b": x}, {"a": 0.0, "b": 1.0}, lambda p, q: {"a": p["a"] + q["a"], "b": p["b"] * q["b"]}, (2, 2))
        np.testing.assert_allclose(both["b"], reduced(x, 1, np.multiply, window((2, 2))))


def test_second_derivative_of_dilated_pooling():
    """Windows with dilation have a reverse mode too, of any order."""
    x = distinct((6, 5))
    w = window((2, 2), (1, 2), ((1, 0), (0, 0)), (1, 1), (2, 1))
    with x64():
        f = pooled("max", w)
        check_derivative(f, x)
        check_derivative(grad(lambda x: (f(x) ** 3).sum()), x, rtol=1e-5, atol=1e-4)


def test_many_taps():
    """Beyond the windows that are written out."""
    x, w = distinct((40,)).astype(np.float32), window((30,), (3,), ((4, 5),))
    for name, stays in STAYS.items():
        init, _, combine = MONOIDS[name]
        f = pooled(name, w)
        np.testing.assert_array_equal(f(x), reduced(x, init, combine, w))
        ct = np.arange(len(f(x)), dtype=np.float32)
        np.testing.assert_array_equal(vjp(f, x)[1](ct)[0], scattered(ct, x, stays, w))
        np.testing.assert_array_equal(jvp(f, (x,), (x * 2,))[1], gathered(x * 2, x, stays, w, init))


def test_mapped_starts():
    x, inits = distinct((3, 4)).astype(np.float32), np.array([1, 2, 3], np.float32)
    got = vmap(lambda x, i: lax.reduce_window(x, i, lax.mul, (2,), (2,)))(x, inits)
    np.testing.assert_allclose(got, x.reshape(3, 2, 2).prod(2) * inits[:, None])
    got = vmap(lambda x, i: lax.reduce(x, i, lambda a, b: a * b, (0,)))(x, inits)
    np.testing.assert_allclose(got, x.prod(1) * inits)


def test_shape_tuple():
    assert lax.reduce_window_shape_tuple((4, 6), (3, 2), (2, 2), [(1, 1), (0, 0)], (2, 1), (1, 2)) == (4, 2)
    assert lax.reduce_window_shape_tuple((4, 6), (9, 2), (1, 1), [(0, 0), (0, 0)]) == (0, 5)
    assert lax.reduce_window(np.ones((4, 6)), 0.0, lax.add, (9, 2)).shape == (0, 5)
    assert lax.reduce_window(np.ones((0, 2)), 0.0, lax.add, (2, 1), padding=((2, 2), (0, 0))).shape == (3, 2)


X = np.ones((4, 6), np.float32)


@pytest.mark.parametrize("change, error, text", [
    ({"window_dimensions": (2,)}, TypeError, "wrong number of window_dimensions"),
    ({"window_dimensions": (0, 2)}, TypeError, "window_dimensions must have every element be strictly positive"),
    ({"window_dimensions": (2.0, 2)}, TypeError, "window_dimensions must be"),
    ({"window_strides": (1,)}, TypeError, "inconsistent window_strides"),
    ({"window_strides": (0, 1)}, TypeError, "window_strides must have every element be strictly positive"),
    ({"base_dilation": (1,)}, TypeError, "inconsistent base_dilation"),
    ({"window_dilation": (0, 1)}, TypeError, "window_dilation must have every element be strictly positive"),
    ({"padding": "FULL"}, RuntimeError, "'FULL'"),
    ({"padding": ((0, 0),)}, ValueError, "pair for each of the 2 dimensions"),
    ({"padding": (1, 1)}, ValueError, "pair"),
    ({"init_value": np.zeros(2, np.float32)}, TypeError, "to be scalars"),
    ({"init_value": 0, "computation": lambda a, b: a * b}, TypeError, "inconsistent dtypes"),
    ({"init_value": (0.0,)}, ValueError, "same tree structure"),
    ({"operand": (), "init_value": ()}, ValueError, "at least one operand"),
    ({"operand": (X, X[0]), "init_value": (0.0, 0.0), "computation": lambda a, b: a}, TypeError, "same shape"),
    ({"computation": lambda a, b: a > b}, TypeError, "scalars of the dtypes of its arguments"),
    ({"computation": lambda a, b: (a, b)}, ValueError, "as many values"),
    ({"computation": 3}, TypeError, "must be a function"),
    ({"operand": X > 0, "init_value": False}, TypeError, "number dtype, got bool"),
    ({"operand": "text"}, TypeError, "not an array or a number"),
])
def test_bad_input(change, error, text):
    given = {"operand": X, "init_value": 0.0, "computation": lax.add, "window_dimensions": (2, 2), **change}
    with pytest.raises(error, match=text):
        lax.reduce_window(**given)


def test_what_has_no_derivative():
    with pytest.raises(TypeError, match="initial values"):
        jvp(lambda i: lax.reduce_window(X, i, lax.mul, (2, 2)), (2.0,), (1.0,))
    with pytest.raises(NotImplementedError, match="initial values"):
        jvp(lambda i: lax.reduce(X, i, lax.mul, (0,)), (2.0,), (1.0,))
    z = X.astype(np.complex64)
    with pytest.raises(TypeError, match="order"):
        jvp(lambda z: lax.reduce_window(z, np.complex64(-np.inf), lax.max, (2, 2)), (z,), (z,))
    with pytest.raises(NotImplementedError, match="closes over a traced value"):
        grad(lambda s: lax.reduce_window(X, 0.0, lambda a, b: a + b * s, (2, 2)).sum())(2.0)
