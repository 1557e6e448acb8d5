"""Cumulative operations and the search for extrema: the CPU's forms against NumPy and the plain ones, special values included."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from op_harness import compiled
from rule_checks import check_derivative, x64

from ferax import lax
from ferax import numpy as jnp
from ferax._src.api.autodiff import grad, vjp
from ferax._src.ops import row_loops
from ferax._src.types.avals import ShapedArray
from ferax._src.util import config

ACCUMULATE = {"cumsum": np.add, "cumprod": np.multiply, "cummax": np.maximum, "cummin": np.minimum, "cumlogsumexp": np.logaddexp}
rng = np.random.default_rng(0)


def accumulated(name, x, axis, reverse):
    with np.errstate(all="ignore"):
        flipped = np.flip(x, axis) if reverse else x
        out = ACCUMULATE[name].accumulate(flipped, axis=axis, dtype=x.dtype)
    return np.flip(out, axis) if reverse else out


def in_both_forms(f, *args) -> list:
    """The results of the CPU's forms and of the plain ones."""
    out = []
    for lowerings in ("fast", "plain"):
        with config.cpu_lowerings(lowerings):
            out.append([np.asarray(y) for y in compiled(f)(*args)])
    return out


# Shapes for each way: rows that lie together, rows that do not, narrow rows in blocks that come out even or do not.
SHAPES = [((5, 40), 0), ((2, 6, 20), 1), ((40, 7), 1), ((100,), 0), ((2, 81, 3), 1)]


@pytest.mark.parametrize("shape, axis", SHAPES, ids=str)
def test_forms(shape, axis):
    x = rng.uniform(0.5, 1.5, shape)
    runs = [(name, reverse) for name in ACCUMULATE for reverse in (False, True)]
    with x64():
        fast, plain = in_both_forms(lambda x: [getattr(lax, name)(x, axis, reverse) for name, reverse in runs], x)
    for (name, reverse), a, b in zip(runs, fast, plain, strict=True):
        np.testing.assert_allclose(a, accumulated(name, x, axis, reverse), rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(a, b, rtol=1e-12, err_msg=name)


def test_which_form():
    wants = lambda shape, axis, accurate: row_loops.wants_blocks(ShapedArray(shape, np.float32), axis, accurate)
    assert not wants((5, 40), 0, False) and not wants((40,), 0, False) and not wants((5000, 40), 0, True)
    assert wants((100,), 0, True) and wants((5000, 40), 0, False)


SPECIAL = np.array([1, -0.0, 0.0, -np.inf, 2, np.inf, -1, np.nan, 3], np.float32)


@pytest.mark.parametrize("n", [20, 90])
def test_special_values(n):
    """Rows that end before the NaN, with infinities of one sign and of both."""
    x = np.stack([rng.permuted(np.resize(SPECIAL[choice], n)) for choice in ([0, 1, 2, 4], [0, 3, 4, 6], [0, 4, 5, 8], range(9))])
    fast, _ = in_both_forms(lambda x: [getattr(lax, name)(x, 1) for name in ACCUMULATE], x)
    for name, a in zip(ACCUMULATE, fast, strict=True):
        np.testing.assert_allclose(a, accumulated(name, x, 1, False), rtol=2e-5, err_msg=name)


def test_accuracy():
    ones = np.ones((3000, 40), jnp.bfloat16)
    with config.cpu_lowerings("fast"):
        for axis, x in ((0, ones), (0, ones[:, 0])):        # added up in bfloat16 they would never exceed 256
            total = np.asarray(lax.cumsum(x, axis)).astype(np.float32)[-1]
            assert np.all(total == 3008)                    # 3000, rounded
        x = rng.uniform(0, 1, (4000, 40)).astype(np.float32)
        exact = np.cumsum(x.astype(np.float64), 0)
        np.testing.assert_allclose(lax.cumsum(x), exact, rtol=1.2e-7)
        x = rng.uniform(0, 1, 20_000).astype(np.float32)
        np.testing.assert_allclose(lax.cumsum(x), np.cumsum(x.astype(np.float64)), rtol=2e-6)
        np.testing.assert_allclose(lax.cumlogsumexp(x * 40), np.logaddexp.accumulate(x.astype(np.float64) * 40), rtol=1e-6)


@pytest.mark.parametrize("shape", [(4, 33), (70,)], ids=str)
@pytest.mark.parametrize("name", ["cumprod", "cummax", "cumlogsumexp"])
def test_derivatives(name, shape):
    """Of first and second order, where the quick forms are; products with zeros among the factors."""
    x = np.random.default_rng(1).permutation(np.arange(int(np.prod(shape)))).reshape(shape) / 40 + 0.3
    if name == "cumprod":
        x[x < 0.4] = 0
    f = lambda x: getattr(lax, name)(x, 0, reverse=len(shape) == 1)
    with x64():
        check_derivative(f, x, rtol=1e-5)
        check_derivative(grad(lambda x: (f(x) ** 2).sum()), x, rtol=1e-4, atol=1e-4)


def test_derivatives_with_ties_and_zeros():
    with x64():
        (ct,) = vjp(lax.cummax, np.array([1.0, 3.0, 3.0, 2.0, 4.0]))[1](np.ones(5))
        np.testing.assert_array_equal(ct, [1, 3, 0, 0, 1])
        (ct,) = vjp(lax.cumprod, np.array([2.0, 0.0, 3.0, 0.0]))[1](np.ones(4))
        np.testing.assert_array_equal(ct, [1, 2 + 6, 0, 0])
        (ct,) = vjp(lax.cumlogsumexp, np.array([-np.inf, 0.0, 0.0]))[1](np.ones(3))
        np.testing.assert_allclose(ct, [1, 1.5, 0.5])


@pytest.mark.parametrize("call, error, text", [
    (lambda: lax.cumsum(np.ones(3), -1), ValueError, "must not be negative"),
    (lambda: lax.cumsum(np.ones(3), 1), ValueError, "out of bounds"),
    (lambda: lax.cumsum(np.ones(3), 0.5), TypeError, "axis must be an integer"),
    (lambda: lax.cumsum([1.0, 2.0]), TypeError, "list"),
    (lambda: lax.cummax(np.ones(3, bool)), TypeError, "bool"),
    (lambda: lax.cumlogsumexp(np.ones(3, np.int32)), TypeError, "int32"),
    (lambda: lax.argmax(np.ones(3), -1, np.int32), ValueError, "out of bounds"),
    (lambda: lax.argmax(np.ones(3), None, np.int32), TypeError, "axis must be an integer"),
    (lambda: lax.argmin(np.ones(3), 0, np.float32), TypeError, "must be an integer type"),
    (lambda: lax.argmin(np.ones(3, np.complex64), 0, np.int32), TypeError, "complex64"),
    (lambda: lax.argmax(np.ones((0, 2)), 0, np.int32), ValueError, "non-empty"),
    (lambda: lax.approx_max_k(np.ones(3, np.float32), 0), ValueError, "k must be positive"),
    (lambda: lax.approx_max_k(np.ones(3, np.float32), 4), ValueError, "k must be smaller"),
    (lambda: lax.approx_max_k(np.ones(3, np.float32), 2.0), TypeError, "k must be an integer"),
    (lambda: lax.approx_max_k(np.ones(3, np.int32), 1), ValueError, "floating"),
    (lambda: lax.approx_min_k(np.float32(1), 1), TypeError, "at least one dimension"),
    (lambda: lax.approx_min_k(np.ones(3, np.float32), 1, 1), ValueError, "reduction_dimension 1 is out of bounds"),
    (lambda: lax.approx_min_k(np.ones(3, np.float32), 1, recall_target=0.0), ValueError, "recall_target"),
    (lambda: lax.approx_min_k(np.ones(3, np.float32), 1, recall_target="much"), TypeError, "recall_target"),
    (lambda: lax.approx_min_k(np.ones(3, np.float32), 1, reduction_input_size_override=2), ValueError, "size_override"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


# --- where the extremum is ----------------------------------------------------------------------

@given(st.data())
@settings(max_examples=6, deadline=None)
def test_argmax_forms(data):
    """Ties, NaN and infinities; rows that blocks divide and rows that they do not."""
    n = data.draw(st.sampled_from([3, 256, 300]))
    values = data.draw(st.sampled_from([SPECIAL, SPECIAL[:7], np.array([0.0, -0.0, 1.0]), np.array([-np.inf])])).astype(np.float32)
    x = np.random.default_rng(data.draw(st.integers(0, 99))).choice(values, (3, n))
    def f(x, i):
        return [g(a, axis, np.int32) for a in (x, i) for g in (lax.argmax, lax.argmin) for axis in (0, 1)]
    ints = np.nan_to_num(x, posinf=9, neginf=-9).astype(np.int32)
    wanted = [g(a, axis) for a in (x, ints) for g in (np.argmax, np.argmin) for axis in (0, 1)]
    for found in in_both_forms(f, x, ints):
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_argmax_of_a_late_element():
    """An index in the rest of a row that is no whole block, and one that an index dtype holds just so."""
    x = np.zeros((2, 270), np.float32)
    x[0, 269], x[1, 255] = 1, np.nan
    assert np.asarray(lax.argmax(x, 1, np.int32)).tolist() == [269, 255]
    assert np.asarray(lax.argmin(-x[:, :256], 1, np.uint8)).tolist() == [0, 255]
    bools = np.zeros(300, bool)
    bools[280] = True
    assert int(lax.argmax(bools, 0, np.int64 if jnp.zeros(()).dtype == np.float64 else np.int32)) == 280


# --- approximate greatest elements --------------------------------------------------------------

def test_approx_top_k():
    x = rng.permuted(np.arange(600.0)).reshape(2, 300).astype(np.float32)
    order = np.argsort(-x, 1)
    values, index = lax.approx_max_k(x, 3, recall_target=0.5, reduction_input_size_override=1000)
    np.testing.assert_array_equal(index, order[:, :3])
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, 1)[:, :3])
    values, index = lax.approx_min_k(x, 2, 0)
    np.testing.assert_array_equal(values, np.sort(x, 0))
    values, index = lax.approx_max_k(x, 2, aggregate_to_topk=False)       # all that are found: the best first
    assert values.shape == index.shape == (2, 256)
    np.testing.assert_array_equal(np.take_along_axis(x, np.asarray(index), 1), values)
    np.testing.assert_array_equal(values[:, :2], np.take_along_axis(x, order, 1)[:, :2])
    (ct,) = vjp(lambda x: lax.approx_max_k(x, 1)[0], x)[1](np.ones((2, 1), np.float32))
    np.testing.assert_array_equal(ct, np.arange(300) == order[:, :1])
