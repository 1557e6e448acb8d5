"""Reading by index: lean programs, what is out of bounds, errors. Any index: see `api_table_indexing`."""

import ferax as jax
import ferax.numpy as jnp
import numpy as np
import pytest

X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)


def test_truth_values_among_other_entries():
    for index in (np.s_[None, True, 2:0:-1, 1:], np.s_[False, :, None], np.s_[:, True, 0], np.s_[True, np.array([0, 1]), None]):
        np.testing.assert_array_equal(jnp.asarray(X)[index], X[index])


def test_beyond_the_end_beside_a_mask():
    x, mask = jnp.asarray(X), np.array([True, False, False])
    assert np.isnan(x.at[mask, :, 9].get(mode="fill")).all() and (x[mask, :, 9] == X[mask, :, -1]).all()


def test_lean_programs():
    def names(f, *args):
        return [e.primitive.name for e in jax.make_jaxpr(f)(*args).eqns]
    assert names(lambda x: x[0], X) == ["slice", "squeeze"]
    assert names(lambda x: x[1:], X) == ["slice"]
    assert names(lambda x: x[..., None], X) == ["broadcast_in_dim"]
    assert names(lambda x: x[::-1], X) == ["rev"]
    assert names(lambda x: x[:], X) == []
    assert names(lambda x, i: x[i], X, np.uint32(1))[-2:] == ["dynamic_slice", "squeeze"]
    assert names(lambda x, i: x[i], X, np.array([1], np.uint32))[-1] == "gather"


def test_eager_integers_share_one_program():
    from ferax._src.numpy import indexing

    x = jnp.arange(7.0)
    assert [float(x[i]) for i in range(7)] == list(range(7))
    before = len(indexing._row.fused_programs), len(indexing._program.fused_programs)
    for i in range(7):
        assert x[i] == x[i - 7] == i
        assert x[i:i + 1] == i
    after = len(indexing._row.fused_programs), len(indexing._program.fused_programs)
    assert after[0] == before[0] and after[1] <= before[1] + 1


def test_out_of_bounds():
    x = jnp.arange(3)
    assert x[10] == 2 and x[-10] == 0 and x[jnp.int32(10)] == 2
    np.testing.assert_array_equal(x[jnp.array([-1, -10, 10])], [2, 0, 2])
    assert jax.jit(lambda x, i: x[i])(x, -1) == 2
    with pytest.raises(IndexError, match="size 0"):
        jnp.zeros(0)[0]
    assert jnp.zeros((0, 3))[:, 0].shape == (0,)
    jax.config.update("jax_check_static_indices", True)
    try:
        with pytest.raises(IndexError, match="index 10 out of bounds for axis 0 with size 3"):
            x[10]
    finally:
        jax.config.update("jax_check_static_indices", False)


def test_errors():
    x = jnp.ones((2, 3))
    with pytest.raises(IndexError, match="Too many indices: array is 2-dimensional, but 3 were indexed"):
        x[0, 0, 0]
    with pytest.raises(TypeError, match=r"arr\[array\(seq\)\]"):
        x[[0, 1]]
    with pytest.raises(TypeError, match=r"arr\[tuple\(seq\)\]"):
        x[[slice(None), 0]]
    with pytest.raises(TypeError, match="integer or boolean type, got indexer with type float32"):
        x[jnp.ones(2)]
    with pytest.raises(TypeError, match="string indexing"):
        x["a"]
    with pytest.raises(IndexError, match="single ellipsis"):
        x[..., ...]
    with pytest.raises(IndexError, match="only integers, slices"):
        x[object()]
    with pytest.raises(IndexError, match=r"boolean index did not match shape of indexed array in index 0: got \(3,\), expected \(2,\)"):
        x[jnp.ones(3, bool)]
    with pytest.raises(jax.errors.NonConcreteBooleanIndexError, match="where"):
        jax.jit(lambda x: x[x > 0])(x)
    with pytest.raises(IndexError, match="static integers.*dynamic_slice"):
        jax.jit(lambda x, n: x[:n])(x, 1)
    with pytest.raises(IndexError, match="only integers"):
        x[{}]
    for bad in (np.s_[1.0:], np.s_["a":], np.s_[np.ones(1):]):
        with pytest.raises(TypeError, match="Slice entries must be integers or None"):
            x[bad]
    with pytest.raises(IndexError, match="axis 0 with size 0"):
        jnp.zeros((0, 3))[jnp.array([0])]
    with pytest.raises(IndexError, match="axis 0 with size 0"):
        jnp.zeros((0, 3)).at[0].get(mode="fill")


def test_masks_in_eager_use():
    x = jnp.asarray(X)
    np.testing.assert_array_equal(x[x > 7], X[X > 7])
    np.testing.assert_array_equal(x[:, X[0] > 7], X[:, X[0] > 7])
    np.testing.assert_array_equal(x[jnp.array([True, False, True]), 1], X[np.array([True, False, True]), 1])
    assert x[x > 1000].shape == (0,)


def test_gradient_and_batching():
    x = jnp.arange(4.0)
    np.testing.assert_array_equal(jax.grad(lambda x: x[jnp.array([0, 0, 2])].sum() + x[1] + x[::-2].sum())(x), [2, 2, 1, 1])
    np.testing.assert_array_equal(jax.vmap(lambda x, i: x[i], (None, 0))(x, jnp.array([3, 0])), [3, 0])
    np.testing.assert_array_equal(jax.vmap(lambda x, i: x[i, 1:], (0, 0))(X, jnp.array([3, 0, 1])), X[[0, 1, 2], [3, 0, 1], 1:])


# --- taking -------------------------------------------------------------------------------------

def test_choose():
    with pytest.raises(ValueError, match="choose got incompatible shapes"):
        jnp.choose(np.array([0, 1]), [np.ones(3, int), 1])
    assert not jnp.choose(1, [1, 2.5]).weak_type
    np.testing.assert_array_equal(jnp.choose(np.array([0, 1]), [np.array([1, 2]), 5]), [1, 5])          # mode="raise"


# --- finding ------------------------------------------------------------------------------------

def test_nonzero():
    x = np.array([[0, 1, 0, 2], [3, 0, 0, 4]])
    for ours, theirs in zip(jnp.nonzero(x), np.nonzero(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == jnp.int32
    for size in (0, 2, 4, 6):
        padded = [np.concatenate([i, np.full(6, -1)])[:size] for i in np.nonzero(x)]
        for f in (jnp.nonzero, jax.jit(jnp.nonzero, static_argnames=("size", "fill_value"))):
            for ours, theirs in zip(f(x, size=size, fill_value=-1), padded, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(jnp.argwhere(x), np.argwhere(x))
    np.testing.assert_array_equal(jnp.flatnonzero(x), np.flatnonzero(x))
    assert jnp.argwhere(3).shape == (1, 0) and jnp.argwhere(0).shape == (0, 0)
    with pytest.raises(jax.errors.ConcretizationTypeError, match="size"):
        jax.jit(jnp.nonzero)(x)
    with pytest.raises(ValueError, match="0d"):
        jnp.nonzero(1)
    with pytest.raises(TypeError, match="size must not be negative, got -1"):
        jnp.nonzero(x, size=-1)


def test_flat_positions():
    i = np.array([0, 7, 23])
    for ours, theirs in zip(jnp.unravel_index(i, (2, 3, 4)), np.unravel_index(i, (2, 3, 4)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(jnp.stack(jnp.unravel_index(jnp.array([-1, 100]), (2, 3))), [[1, 1], [2, 2]])
    parts = np.unravel_index(i, (2, 3, 4))
    for order in "CF":
        np.testing.assert_array_equal(jnp.ravel_multi_index(parts, (2, 3, 4), order=order),
                                      np.ravel_multi_index(parts, (2, 3, 4), order=order))
    for mode in ("wrap", "clip"):
        far = ([3, -1], [5, 1])
        np.testing.assert_array_equal(jnp.ravel_multi_index([np.array(f) for f in far], (2, 3), mode=mode),
                                      np.ravel_multi_index(far, (2, 3), mode=mode))
    with pytest.raises(ValueError, match="invalid entry"):
        jnp.ravel_multi_index((np.array([5]), np.array([0])), (2, 3))
