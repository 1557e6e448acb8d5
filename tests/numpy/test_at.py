"""Updates by index: modes, masks, dtypes, gradients, and what is refused. Any index: see `api_table_indexing`."""

import ferax as jax
import ferax.numpy as jnp
import numpy as np
import pytest

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def test_repeated_positions_add_up():
    i = jnp.array([0, 0, 2])
    np.testing.assert_array_equal(jnp.zeros(3).at[i].add(1.0), [2, 0, 1])
    np.testing.assert_array_equal(jnp.zeros(3).at[i].subtract(1.0), [-2, 0, -1])
    np.testing.assert_array_equal(jnp.ones(3).at[i].multiply(2.0), [4, 1, 2])
    np.testing.assert_array_equal(jnp.ones(3).at[i].max(jnp.array([5.0, 3.0, 0.0])), [5, 1, 1])


def test_modes():
    x = jnp.arange(3)
    far = jnp.array([1, 5, -1, -7])
    np.testing.assert_array_equal(x.at[5].set(9), [0, 1, 2])
    np.testing.assert_array_equal(x.at[far].set(9), [0, 9, 9])
    np.testing.assert_array_equal(x.at[far].set(9, mode="clip"), [9, 9, 9])
    np.testing.assert_array_equal(x.at[-1].set(9, mode="clip"), [0, 1, 9])
    np.testing.assert_array_equal(x.at[jnp.int32(5)].set(9), [0, 1, 2])
    np.testing.assert_array_equal(x.at[jnp.int32(5)].set(9, mode="clip"), [0, 1, 9])
    np.testing.assert_array_equal(x.at[far].get(mode="fill", fill_value=-5), [1, -5, 2, -5])
    np.testing.assert_array_equal(x.at[far].get(mode="clip"), [1, 2, 2, 0])
    np.testing.assert_array_equal(x.at[-1].get(mode="clip", wrap_negative_indices=False), 0)
    assert np.isnan(jnp.ones(3).at[5].get(mode="fill")) and x.at[5].get(mode="fill") == np.iinfo(np.int32).min
    np.testing.assert_array_equal(x.at[jnp.array([-1])].set(9, wrap_negative_indices=False), [0, 1, 2])
    np.testing.assert_array_equal(jax.jit(lambda x, i: x.at[i].set(9))(x, 5), [0, 1, 2])
    np.testing.assert_array_equal(jax.jit(lambda x, i: x.at[i].set(9, mode="promise_in_bounds"))(x, -1), [0, 1, 9])
    with pytest.raises(ValueError, match="Unknown gather mode"):
        x.at[0].set(1, mode="nearest")


def test_dtypes_stay():
    assert jnp.zeros(3, jnp.bfloat16).at[0].set(1.5).dtype == jnp.bfloat16
    assert jnp.zeros(3, jnp.int8).at[0].add(1).dtype == jnp.int8
    assert jnp.zeros(3, bool).at[0].set(True).dtype == jnp.bool_
    np.testing.assert_array_equal(jnp.zeros(3, bool).at[jnp.array([1, 1])].add(True), [False, True, False])
    assert jnp.arange(3).at[0].divide(2).dtype == jnp.float32
    with pytest.warns(FutureWarning, match="cannot safely cast value from dtype=float32 to dtype=int32"):
        jnp.zeros(3, jnp.int32).at[0].set(1.5)


def test_masks():
    x = jnp.arange(4.0)
    f = jax.jit(lambda x, m: x.at[m].set(-1.0))
    np.testing.assert_array_equal(f(x, x > 1), [0, 1, -1, -1])
    np.testing.assert_array_equal(jax.jit(lambda x: x.at[x > 1].add(10))(x), [0, 1, 12, 13])
    rows = jax.jit(lambda x, m: x.at[m].multiply(jnp.array([1.0, 2.0])))(jnp.ones((3, 2)), jnp.array([True, False, True]))
    np.testing.assert_array_equal(rows, [[1, 2], [1, 1], [1, 2]])
    np.testing.assert_array_equal(x.at[x > 1].set(jnp.array([7.0, 8.0])), [0, 1, 7, 8])
    with pytest.raises(jax.errors.NonConcreteBooleanIndexError):
        jax.jit(lambda x, m: x.at[m].set(jnp.array([7.0, 8.0])))(x, x > 1)


def test_gradients():
    def f(x, v):
        return jnp.sum(x.at[jnp.array([0, 2])].set(v) ** 2 + x.at[1].add(v[0]) + x.at[1:3].multiply(v))
    x, v = jnp.array([1.0, 2.0, 3.0]), jnp.array([0.5, 0.25])
    gx, gv = jax.grad(f, argnums=(0, 1))(x, v)
    np.testing.assert_allclose(gx, [0 + 1 + 1, 4 + 1 + 0.5, 0 + 1 + 0.25])
    np.testing.assert_allclose(gv, [2 * 0.5 + 1 + 2, 2 * 0.25 + 3])
    batched = jax.vmap(lambda i: jnp.zeros(3).at[i].set(1.0))(jnp.arange(3))
    np.testing.assert_array_equal(batched, np.eye(3))


def test_errors():
    x = jnp.ones((2, 3))
    with pytest.raises(ValueError, match=r"at\[\.\.\.\]\.set: values of shape \(5,\) cannot be broadcast to the shape \(3,\)"):
        x.at[0].set(jnp.ones(5))
    with pytest.raises(IndexError, match="Too many indices"):
        x.at[0, 0, 0].set(1.0)
    with pytest.raises(ValueError, match=r"at\[mask\]\.set: values of shape \(2,\) cannot be broadcast to the shape \(2, 3\)"):
        jax.jit(lambda m: x.at[m].set(jnp.ones(2)))(np.array([True, False]))
    with pytest.raises(ValueError, match="None"):
        x.at[0].set(None)
    with pytest.raises(TypeError, match="func must be callable, got 3"):
        x.at[0].apply(3)
    with pytest.raises(ValueError, match=r"a scalar for a scalar, got a result of shape \(2,\)"):
        x.at[0].apply(lambda v: jnp.ones(2) * v)
    with pytest.raises(IndexError, match="axis 0 with size 0"):
        jnp.zeros((0, 3)).at[0].set(1.0)
    with pytest.raises(TypeError, match="fill_value argument to indexed get.. must be a number, got 'a'"):
        x.at[5].get(mode="fill", fill_value="a")
    with pytest.raises(ValueError, match=r"must be a scalar, got an array of shape \(2,\)"):
        x.at[5].get(mode="fill", fill_value=np.ones(2))
    with pytest.raises(TypeError, match="Slice entries must be integers or None"):
        x.at[1.0:].set(1.0)


def test_lists_as_values():
    x = jnp.zeros((2, 3))
    np.testing.assert_array_equal(x.at[0].set([1, 2, 3]), [[1, 2, 3], [0, 0, 0]])
    np.testing.assert_array_equal(x.at[:, 1].add((1.0, 2.0)), [[0, 1, 0], [0, 2, 0]])


def test_apply_is_of_each_element():
    x = jnp.arange(4.0)
    twice = lambda v: 2 * v.sum()               # of an element its sum is the element
    for index in (1, np.s_[1:3], jnp.array([1, 2]), np.s_[::2], X[0, 0] > 1):
        expected = np.arange(4.0)
        expected[index] *= 2
        np.testing.assert_array_equal(x.at[index].apply(twice), expected)
    np.testing.assert_array_equal(jax.jit(lambda x: x.at[x > 1].apply(twice))(x), [0, 1, 4, 6])
    np.testing.assert_allclose(jax.grad(lambda x: x.at[1:].apply(jnp.sin).sum())(x), [1, *np.cos([1, 2, 3])], rtol=1e-6)
    keys = jax.random.split(jax.random.key(0), 3)
    assert (keys.at[0].apply(lambda key: key) == keys).all()


def test_nothing_to_update():
    empty = jnp.zeros((0, 3))
    assert empty.at[jnp.array([0, 1])].set(1.0).shape == (0, 3)         # out of bounds, so left out
    assert empty.at[jnp.array([], int)].add(1.0).shape == (0, 3)
    weak = jax.lax.broadcast(1.0, (3,))
    assert weak.at[:0].set(2).weak_type and weak[False].weak_type and weak[jnp.array([], int)].weak_type
    keys = jax.random.split(jax.random.key(0), 3)
    assert keys[jnp.array([], int)].shape == (0,) and keys[False].shape == (0, 3)


def test_unsigned_positions_do_not_count_from_the_end():
    x = jnp.arange(4.0)
    for far in (np.array([2**32 - 1], np.uint32), jnp.array([2**32 - 1], jnp.uint32)):
        for f in (lambda f: f, jax.jit):
            np.testing.assert_array_equal(f(lambda x: x.at[far].set(9))(x), x)
            assert np.isnan(f(lambda x: x.at[far].get(mode="fill"))(x)).all()
            assert f(lambda x: x[far])(x) == 0          # 32 bits more is -1, which is moved within


def test_nan_as_a_fill_value_of_integers():
    with np.errstate(invalid="ignore"):
        assert jnp.arange(3).at[9].get(mode="fill", fill_value=np.nan) == np.array(np.nan).astype(np.int32)
