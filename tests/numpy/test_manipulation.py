"""Shapes known only while running, padding by a function, errors, gradients. All else: see `api_table_manipulation`."""

import numpy as np
import pytest
from numpy_compare import assert_close, check, check_gradient

import ferax
import ferax.numpy as jnp

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
M = X[0]
V = np.array([3.0, 1.0, 4.0, 1.5, 0.5], np.float32)
INTS = (np.arange(12) * 5 % 7).reshape(3, 4).astype(np.int32)
MASK = M % 3 > 0


def test_pad_by_a_function():
    def marks(vector, widths, axis, options):
        return vector.at[:widths[0]].set(options["mark"]).at[len(vector) - widths[1]:].set(-1.0)

    def numpy_marks(vector, widths, axis, options):
        vector[:widths[0]] = options["mark"]
        vector[len(vector) - widths[1]:] = -1
    assert_close(jnp.pad(jnp.asarray(X), 1, marks, mark=7.0), np.pad(X, 1, numpy_marks, mark=7.0))


def test_dtypes_of_joining():
    assert jnp.concatenate([jnp.ones(2, jnp.int8), jnp.ones(2, jnp.uint8)]).dtype == jnp.int16
    assert jnp.stack([1, 2.0]).dtype == jnp.float32 and jnp.stack([1, 2.0]).weak_type
    assert jnp.where(M > 1, jnp.asarray(M, jnp.bfloat16), 2.0).dtype == jnp.bfloat16
    assert jnp.where(True, 1, 2).weak_type and not jnp.where(True, jnp.int32(1), 2).weak_type
    assert jnp.astype(jnp.asarray(V), "int8").dtype == jnp.int8 and jnp.astype(INTS, None).dtype == jnp.float32


@pytest.mark.parametrize("call, error, text", [
    (lambda: jnp.where(MASK, M), TypeError, "Either both or neither"),
    (lambda: jnp.where(MASK, M, V), ValueError, "Incompatible shapes for broadcasting"),
    (lambda: jnp.bincount(V), TypeError, "must have an integer type"),
    (lambda: jnp.searchsorted(M, 1), ValueError, "a should be 1-dimensional"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_known_only_while_running():
    roll = ferax.jit(lambda shift: jnp.roll(M, shift, (0, 1)))
    assert_close(roll(jnp.array([1, -6])), np.roll(M, (1, -6), (0, 1)))
    repeat = ferax.jit(lambda r: jnp.repeat(V, r, total_repeat_length=6))
    assert_close(repeat(jnp.array([0, 1, 2, 0, 1])), V[[1, 2, 2, 4, 4, 4]])
    assert_close(repeat(jnp.array([3, 1, 2, 3, 4])), np.repeat(V, [3, 1, 2, 3, 4])[:6])
    delete = ferax.jit(lambda i: jnp.delete(M, i, axis=1, assume_unique_indices=True))
    assert_close(delete(jnp.array([3, -4])), np.delete(M, [3, -4], 1))
    with pytest.raises(ferax.errors.ConcretizationTypeError, match="total_repeat_length"):
        ferax.jit(lambda r: jnp.repeat(V, r))(jnp.arange(5))
    with pytest.raises(ferax.errors.ConcretizationTypeError, match="length"):
        ferax.jit(jnp.bincount)(INTS[0])
    assert_close(ferax.jit(lambda x: jnp.bincount(x, length=3))(INTS[0]), np.bincount(INTS[0])[:3])


def test_piecewise_takes_the_last_condition_that_holds():
    check(lambda v: jnp.piecewise(v, [v > 1, v > 2], [-1, lambda x: 2 * x, lambda x: x + 10]),
          lambda v: np.piecewise(v, [v > 1, v > 2], [-1, lambda x: 2 * x, lambda x: x + 10]), [V])


@pytest.mark.parametrize("fun", [
    lambda x: jnp.where(x > 0, x * x, jnp.sin(x)), lambda x: jnp.gradient(x)[0],
    lambda x: jnp.interp(x, jnp.arange(-2.0, 3.0), jnp.array([1.0, 3, 2, 5, 4])), lambda x: jnp.repeat(x, jnp.array([1, 0, 2]), 0)])
def test_gradients(fun):
    rng = np.random.default_rng(2)
    check_gradient(fun, rng.permutation(12).reshape(3, 4) / 5 - 1.13, step=2e-3)


def test_where_is_one_equation():
    jaxpr = ferax.make_jaxpr(lambda c, x: jnp.where(c, x, 0.0))(MASK, M)
    assert [e.primitive.name for e in jaxpr.eqns] == ["select_n"]
