"""Reading by index: hypothesis against NumPy, what is out of bounds, errors, and the functions that take elements."""

import ferax as jax
import ferax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)


# --- any index ----------------------------------------------------------------------------------

def slices(n):
    bound = st.one_of(st.none(), st.integers(-n - 2, n + 2))
    return st.builds(slice, bound, bound, st.sampled_from([None, 1, 2, 3, -1, -2]))


def positions(n, shape):
    return st.lists(st.integers(-n, n - 1), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))).map(
        lambda values: np.array(values, np.int32).reshape(shape))


@st.composite
def an_index(draw):
    """Any index of `X` that NumPy knows: all kinds of entries, in any order, positions of any integer dtype."""
    shape = draw(st.sampled_from([(2,), (1,), (2, 1), (1, 2), ()]))
    entries, axis = [], 0
    while axis < 3:
        kind = draw(st.sampled_from(["int", "slice", "array", "list", "new", "mask", "mask2", "dots", "stop", "truth", "unsigned"]))
        n = X.shape[axis]
        if kind == "stop":
            break
        if kind == "new":
            entries.append(None)
            if len(entries) > 6:
                break
            continue
        if kind == "truth":
            if any(e is True or e is False for e in entries):
                continue
            entries.append(draw(st.sampled_from([True, True, False])))
            continue
        if kind == "dots":
            if any(e is Ellipsis for e in entries):
                continue
            entries.append(Ellipsis)
            axis += draw(st.integers(0, 3 - axis))
            continue
        if kind == "mask2":
            if axis < 2:
                entries.append(np.arange(n * X.shape[axis + 1]).reshape(X.shape[axis:axis + 2]) % 7 < 1)
                axis += 2
            continue
        entries.append(draw({"int": st.integers(-n, n - 1), "slice": slices(n), "array": positions(n, shape),
                             "list": positions(n, shape).map(lambda p: p.tolist()),
                             "unsigned": positions(n, shape).map(lambda p: np.abs(p).clip(max=n - 1).astype(np.uint8)),
                             "mask": st.just(np.arange(n) % 2 == 0)}[kind]))
        axis += 1
    return tuple(entries)


@settings(max_examples=30)
@given(an_index(), st.booleans())
def test_any_update_as_numpy(index, set_one):
    """Elements that are met several times are added to each time."""
    expected = X.copy()
    try:
        np.add.at(expected, index, 2.0)
        value = np.arange(X[index].size, dtype=np.float32).reshape(X[index].shape)
        if not set_one:
            np.add.at(expected, index, value)
        else:
            expected[index] = -1
    except IndexError:
        return
    got = jnp.asarray(X).at[index].add(2.0)
    got = got.at[index].set(-1) if set_one else jax.jit(lambda x, v: x.at[index].add(v))(got, value)
    np.testing.assert_array_equal(got, expected)


@settings(max_examples=100)
@given(an_index())
def test_any_index_as_numpy(index):
    try:
        expected = X[index]
    except IndexError:              # Ellipsis took fewer dimensions than drawn, or shapes do not broadcast
        return
    x = jnp.asarray(X)
    np.testing.assert_array_equal(x[index], expected)
    traced = jax.make_jaxpr(lambda x: x[index])(x)
    assert traced.out_avals[0].shape == expected.shape
    np.testing.assert_array_equal(jax.core.eval_jaxpr(traced.jaxpr, traced.consts, x)[0], expected)


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

@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_take(axis):
    i = np.array([[0, 2], [1, 1]])
    np.testing.assert_array_equal(jnp.take(X, i, axis=axis), np.take(X, i, axis=axis))
    for mode in ("wrap", "clip"):
        j = np.array([-7, 2, 9])
        np.testing.assert_array_equal(jnp.take(X, j, axis=axis, mode=mode), np.take(X, j, axis=axis, mode=mode))
    assert np.isnan(jnp.take(X, 100, axis=axis)).all()
    np.testing.assert_array_equal(jnp.take(X, np.array([True, False]), axis=axis), np.take(X, [1, 0], axis=axis))
    np.testing.assert_array_equal(jnp.take(X, -1, axis=axis), np.take(X, -1, axis=axis))
    np.testing.assert_array_equal(jnp.take(X, 100, axis=axis, fill_value=3), np.full(np.take(X, 0, axis=axis).shape, 3))


@pytest.mark.parametrize("shape", [(3, 4, 2), (1, 4, 2), (3, 1, 2), (1, 1, 1)])
def test_take_along_axis(shape):
    rng = np.random.default_rng(0)
    i = rng.integers(-5, 5, shape)
    wide = np.broadcast_to(i, (3, 4, shape[2]))
    np.testing.assert_array_equal(jnp.take_along_axis(X, i, 2), np.take_along_axis(X, wide, 2))
    np.testing.assert_array_equal(jnp.take_along_axis(X, i, 2, mode="one_hot"), np.take_along_axis(X, wide, 2))
    np.testing.assert_array_equal(jnp.take_along_axis(X[:, :1], i, -1), np.take_along_axis(np.broadcast_to(X[:, :1], X.shape), wide, -1)
                                  if shape[1] != 1 else np.take_along_axis(X[:, :1], wide[:, :1], -1))
    g = jax.grad(lambda x: jnp.take_along_axis(x, i, 2).sum())(jnp.asarray(X))
    assert g.sum() == wide.size


def test_put_along_axis_and_put_and_place():
    x, i = X[0].copy(), np.array([[1], [0], [4], [2]])
    np.put_along_axis(x, i, 9.0, 1)
    np.testing.assert_array_equal(jnp.put_along_axis(X[0], i, 9.0, 1, inplace=False), x)
    with pytest.raises(ValueError, match="immutable"):
        jnp.put_along_axis(X[0], i, 9.0, 1)
    for mode in ("clip", "wrap"):
        y = X[0].copy()
        np.put(y, [0, 3, 25], [7, 8], mode=mode)
        np.testing.assert_array_equal(jnp.put(X[0], jnp.array([0, 3, 25]), jnp.array([7, 8]), mode=mode, inplace=False), y)
    with pytest.raises(TypeError, match="ind must be integers, got float32"):
        jnp.put(X[0], jnp.array([0.0]), 1.0, inplace=False)
    z = X[0].copy()
    np.place(z, z > 15, [1, 2, 3])
    np.testing.assert_array_equal(jnp.place(X[0], X[0] > 15, jnp.array([1, 2, 3]), inplace=False), z)


def test_choose_compress_extract():
    c = np.array([[0, 1, 2], [2, 1, 0]])
    choices = [np.array([1, 2, 3]), np.array([[10], [20]]), np.array(100)]
    np.testing.assert_array_equal(jnp.choose(c, choices), np.choose(c, choices))
    for mode in ("wrap", "clip"):
        np.testing.assert_array_equal(jnp.choose(c - 3, choices, mode=mode), np.choose(c - 3, choices, mode=mode))
    with pytest.raises(ValueError, match="invalid entry"):
        jnp.choose(c + 1, choices)
    with pytest.raises(ValueError, match="choose got incompatible shapes"):
        jnp.choose(np.array([0, 1]), [np.ones(3, int), 1])
    assert not jnp.choose(1, [1, 2.5]).weak_type
    keep = np.array([True, False, True])
    for axis in (0, 1, 2):
        np.testing.assert_array_equal(jnp.compress(keep, X, axis=axis), np.compress(keep, X, axis=axis))
    np.testing.assert_array_equal(jax.jit(lambda k: jnp.compress(k, X, axis=0, size=3, fill_value=-1))(keep),
                                  [X[0], X[2], np.full((4, 5), -1)])
    np.testing.assert_array_equal(jnp.extract(X > 50, X), np.extract(X > 50, X))


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
