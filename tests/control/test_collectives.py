"""Collectives over the axes of `vmap`: against NumPy along an array's axis; derivatives; nesting; bad names."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax

X = np.float32([[1, -2, 3, 0.5], [4, 5, -6, 2], [7, 0, 9, 1]])


def over(f, x=X, **kw):
    """``f`` for each row of ``x``, rows knowing each other by the name i."""
    return np.asarray(ferax.vmap(f, axis_name="i", **kw)(x))


REDUCTIONS = [(lax.psum, np.sum), (lax.pmean, np.mean), (lax.pmax, np.max), (lax.pmin, np.min)]


@pytest.mark.parametrize("collective, oracle", REDUCTIONS)
def test_reductions(collective, oracle):
    np.testing.assert_allclose(over(lambda x: collective(x, "i")), np.tile(oracle(X, 0), (3, 1)), rtol=1e-6)
    np.testing.assert_allclose(over(lambda x: collective(x, "i"), in_axes=1), np.tile(oracle(X, 1), (4, 1)), rtol=1e-6)
    f = ferax.vmap(ferax.jit(lambda x: collective({"a": x, "c": 2.0 * x}, "i")), axis_name="i", out_axes=None)
    np.testing.assert_allclose(f(X)["c"], oracle(2 * X, 0), rtol=1e-6)
    both = ferax.vmap(ferax.vmap(lambda x: collective(x, ("i", "j")), axis_name="j"), axis_name="i")
    np.testing.assert_allclose(both(X), np.full(X.shape, oracle(X)), rtol=1e-6)


def test_numbers_and_unmapped_values():
    f = ferax.vmap(lambda x: (lax.psum(1, "i"), lax.psum(2.5, "i"), lax.psum(jnp.float32(3), "i"), lax.pmax(jnp.int32(3), "i"),
                              lax.axis_size("i"), lax.pmean(jnp.int32(3), "i")), axis_name="i", out_axes=None)
    assert [float(v) for v in f(X)] == [3, 7.5, 9, 3, 3, 3]
    assert type(_inside(lambda: lax.psum(1, "i"))) is int and type(_inside(lambda: lax.axis_size("i"))) is int
    assert over(lambda x: lax.psum(x > 0, "i")).tolist() == [(X > 0).sum(0).tolist()] * 3
    assert lax.psum(X, ()) is X or np.array_equal(lax.psum(X, ()), X)


def _inside(f):
    seen = []
    ferax.vmap(lambda x: seen.append(f()) or x, axis_name="i")(X)
    return seen[0]


def test_positional_axes():
    np.testing.assert_allclose(over(lambda x: lax.psum(x, ("i", 0))), np.full(3, X.sum()), rtol=1e-6)


def test_axis_index():
    assert over(lambda x: lax.axis_index("i")).tolist() == [0, 1, 2]
    both = ferax.vmap(ferax.vmap(lambda x: lax.axis_index(("i", "j")), axis_name="j"), axis_name="i")(X)
    assert both.tolist() == np.arange(12).reshape(3, 4).tolist()
    swapped = ferax.vmap(ferax.vmap(lambda x: lax.axis_index(("j", "i")), axis_name="j"), axis_name="i")(X)
    assert swapped.tolist() == np.arange(12).reshape(4, 3).T.tolist()


def test_all_gather():
    assert over(lambda x: lax.all_gather(x, "i"))[1].tolist() == X.tolist()
    assert over(lambda x: lax.all_gather(x, "i", axis=1))[2].tolist() == X.T.tolist()
    assert over(lambda x: lax.all_gather(x, "i", axis=-1))[2].tolist() == X.T.tolist()
    assert over(lambda x: lax.all_gather(x, "i", tiled=True))[0].tolist() == X.ravel().tolist()
    both = ferax.vmap(ferax.vmap(lambda x: lax.all_gather(x, ("i", "j")), axis_name="j"), axis_name="i", out_axes=None)
    assert both(X)[0].tolist() == X.ravel().tolist()


def test_moving_data():
    assert over(lambda x: lax.ppermute(x, "i", [(0, 2), (1, 0)])).tolist() == [X[1].tolist(), [0] * 4, X[0].tolist()]
    assert over(lambda x: lax.pshuffle(x, "i", [2, 0, 1])).tolist() == X[[2, 0, 1]].tolist()
    assert over(lambda x: lax.pbroadcast(x, "i", 1)).tolist() == X[[1, 1, 1]].tolist()
    square = X[:, :3]
    assert over(lambda x: lax.all_to_all(x, "i", 0, 0), square).tolist() == square.T.tolist()
    assert over(lambda x: lax.pswapaxes(x, "i", 0), square).tolist() == square.T.tolist()
    assert over(lambda x: lax.psum_scatter(x, "i"), square).tolist() == square.sum(0).tolist()
    six = np.arange(18, dtype=np.float32).reshape(3, 6)
    assert over(lambda x: lax.psum_scatter(x, "i", tiled=True), six).tolist() == six.sum(0).reshape(3, 2).tolist()
    assert over(lambda x: lax.all_to_all(x, "i", 0, 0, tiled=True), six).tolist() == (
        six.reshape(3, 3, 2).transpose(1, 0, 2).reshape(3, 6).tolist())


def test_all_to_all_in_more_dimensions():
    x = np.arange(3 * 2 * 3 * 4, dtype=np.float32).reshape(3, 2, 3, 4)
    out = over(lambda x: lax.all_to_all(x, "i", 1, 2), x)
    assert out.tolist() == np.moveaxis(x, 2, 0).transpose(0, 2, 3, 1).tolist()


def test_beside_another_mapped_axis():
    x = np.arange(2 * 3 * 6, dtype=np.float32).reshape(2, 3, 6)
    for f in (lambda v: lax.all_gather(v, "i", axis=1), lambda v: lax.psum_scatter(v, "i", tiled=True),
              lambda v: lax.all_to_all(v, "i", 0, 0, tiled=True), lambda v: lax.ppermute(v, "i", [(0, 1)]),
              lambda v: lax.psum(v, "i"), lambda v: lax.pbroadcast(v, "i", 2)):
        named_outside = ferax.vmap(ferax.vmap(f), in_axes=1, out_axes=1, axis_name="i")(x)
        assert named_outside.tolist() == [over(f, row).tolist() for row in x]


CALLS = {
    "psum": lambda x: lax.psum(x, "i"), "pmean": lambda x: lax.pmean(x, "i"), "pmax": lambda x: lax.pmax(x, "i"),
    "all_gather": lambda x: lax.all_gather(x, "i"), "tiled": lambda x: lax.all_gather(x, "i", tiled=True),
    "psum_scatter": lambda x: lax.psum_scatter(x[:3], "i"), "all_to_all": lambda x: lax.all_to_all(x[:3], "i", 0, 0),
    "ppermute": lambda x: lax.ppermute(x, "i", [(0, 1), (2, 0)]), "pbroadcast": lambda x: lax.pbroadcast(x, "i", 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_derivatives(name):
    """The whole is a function of the stacked array, so its gradient can be checked by finite differences."""
    def whole(x):
        return jnp.sum(ferax.vmap(lambda r: jnp.sin(CALLS[name](r * r)), axis_name="i")(x) * 0.7)
    g = np.asarray(ferax.grad(whole)(X / 4))
    _, t = ferax.jvp(whole, (X / 4,), (np.cos(X),))
    eps = 1e-2
    difference = (whole(X / 4 + eps * np.cos(X)) - whole(X / 4 - eps * np.cos(X))) / (2 * eps)
    np.testing.assert_allclose(t, difference, rtol=2e-2, atol=1e-2)
    np.testing.assert_allclose((g * np.cos(X)).sum(), t, rtol=1e-4)


@pytest.mark.parametrize("name", ["psum", "all_gather", "ppermute", "all_to_all", "psum_scatter", "pbroadcast"])
def test_derivatives_taken_inside(name):
    """Inside, the sum over examples of an example's loss is what is differentiated: grad and psum commute."""
    def inside(x):
        return ferax.vmap(ferax.grad(lambda r: jnp.sum(jnp.sin(CALLS[name](r * r)))), axis_name="i")(x)

    def total(x):
        return jnp.sum(ferax.vmap(lambda r: jnp.sin(CALLS[name](r * r)), axis_name="i")(x))
    np.testing.assert_allclose(inside(X), ferax.grad(total)(X), rtol=1e-4, atol=1e-5)


GROUPS = [[0, 3], [2, 1]]
Y = np.arange(8, dtype=np.float32).reshape(4, 2) ** 2


def test_groups():
    """Each group by itself: against the collective over a group's rows alone."""
    def oracle(f):
        out = {}
        for group in GROUPS:
            for i, row in zip(group, np.asarray(ferax.vmap(f, axis_name="i")(Y[np.array(group)]))):
                out[i] = row
        return np.stack([out[i] for i in range(4)])

    for f in (lambda x, **kw: lax.psum(x, "i", **kw), lambda x, **kw: lax.pmean(x, "i", **kw), lambda x, **kw: lax.pmax(x, "i", **kw),
              lambda x, **kw: lax.all_gather(x, "i", **kw), lambda x, **kw: lax.all_gather(x, "i", tiled=True, **kw),
              lambda x, **kw: lax.all_to_all(x, "i", 0, 0, **kw), lambda x, **kw: lax.psum_scatter(x, "i", **kw),
              lambda x, **kw: lax.pswapaxes(x, "i", 0, **kw), lambda x, **kw: 0 * x + lax.psum(1, "i", **kw)):
        np.testing.assert_allclose(over(lambda x: f(x, axis_index_groups=GROUPS), Y), oracle(f), rtol=1e-6)
        g = ferax.grad(lambda y: (over_values(lambda x: f(x, axis_index_groups=GROUPS), y) ** 2).sum())(Y)
        assert g.shape == Y.shape
    total = ferax.grad(lambda y: (over_values(lambda x: lax.psum(x, "i", axis_index_groups=GROUPS), y) * Y).sum())(Y)
    np.testing.assert_allclose(total, oracle(lambda x: lax.psum(x, "i")))


def over_values(f, x):
    return ferax.vmap(f, axis_name="i")(x)


def test_over_several_axes_as_one():
    """The same as over one axis of the joint size, the last one fastest."""
    both = lambda f, x: np.asarray(ferax.vmap(ferax.vmap(f, axis_name="j"), axis_name="i")(x)).reshape(6, -1)
    one = lambda f, x: np.asarray(ferax.vmap(f, axis_name="i")(x.reshape(6, *x.shape[2:]))).reshape(6, -1)
    x = np.arange(6 * 3 * 6, dtype=np.float32).reshape(2, 3, 3, 6)
    for args in ((1, 0), (1, 1)):
        np.testing.assert_array_equal(both(lambda v: lax.all_to_all(v, ("i", "j"), *args), x),
                                      one(lambda v: lax.all_to_all(v, "i", *args), x))
    x = np.arange(6 * 3 * 12, dtype=np.float32).reshape(2, 3, 3, 12)
    for args in ((1, 0), (1, 1)):
        np.testing.assert_array_equal(both(lambda v: lax.all_to_all(v, ("i", "j"), *args, tiled=True), x),
                                      one(lambda v: lax.all_to_all(v, "i", *args, tiled=True), x))
    ring, part = [(k, (k + 1) % 6) for k in range(6)], [(0, 5), (4, 2)]
    for perm in (ring, part):
        np.testing.assert_array_equal(both(lambda v: lax.ppermute(v, ("i", "j"), perm), x), one(lambda v: lax.ppermute(v, "i", perm), x))


def test_numbers_in_trees_stay_numbers():
    a, n, flag = ferax.vmap(lambda x: lax.psum((x, 2, True), "i"), axis_name="i")(X)
    assert a.shape == X.shape and n.tolist() == [6] * 3 and n.weak_type and flag.tolist() == [3] * 3 and not flag.weak_type


def ragged(data, out, starts, sizes, targets, received):
    """What ragged_all_to_all means, in a loop."""
    out, (p, k) = out.copy(), starts.shape
    for s in range(p):
        for i in range(k):
            out[i // (k // p), targets[s, i]:targets[s, i] + sizes[s, i]] = data[s, starts[s, i]:starts[s, i] + sizes[s, i]]
    return out


def test_ragged_all_to_all():
    starts, sizes = np.int32([[0, 1], [0, 1]]), np.int32([[1, 2], [1, 1]])
    targets, received = np.int32([[0, 0], [1, 2]]), np.int32([[1, 1], [2, 1]])
    indices = starts, sizes, targets, received
    send = lambda *args: ferax.vmap(lambda *a: lax.ragged_all_to_all(*a, axis_name="i"), axis_name="i")(*args)
    for rest in ((), (2,)):
        data = np.arange(6 * (2 if rest else 1), dtype=np.float32).reshape(2, 3, *rest)
        out = -np.ones((2, 4, *rest), np.float32)
        wanted = ragged(data, out, *indices)
        np.testing.assert_array_equal(send(data, out, *indices), wanted)
        ct = np.arange(wanted.size, dtype=np.float32).reshape(wanted.shape)
        d_data, d_out = ferax.vjp(lambda d, o: send(d, o, *indices), data, out)[1](ct)
        t = np.ones_like(data), 2 * np.ones_like(out)           # linear: the transpose against the map itself
        assert (d_data * t[0]).sum() + (d_out * t[1]).sum() == (ragged(*t, *indices) * ct).sum()
    twice = ferax.vmap(lambda d, o: send(d, o, *indices))(np.stack([data, 2 * data]), np.stack([out, out]))
    np.testing.assert_array_equal(twice[1], ragged(2 * data, out, *indices))
    four = [np.repeat(np.concatenate([x, x]), 1, 0) for x in (data, out, *indices)]
    by_groups = ferax.vmap(lambda *a: lax.ragged_all_to_all(*a, axis_name="i", axis_index_groups=[[0, 1], [2, 3]]), axis_name="i")(*four)
    np.testing.assert_array_equal(by_groups, np.concatenate([wanted, wanted]))


def test_under_control_flow():
    f = lambda x: lax.scan(lambda c, _: (lax.psum(c, "i") * 0.1 + x, lax.axis_index("i")), x, None, length=3)
    c, ys = ferax.vmap(f, axis_name="i")(X)
    expected = X
    for _ in range(3):
        expected = expected.sum(0) * 0.1 + X
    np.testing.assert_allclose(c, expected, rtol=1e-5)
    assert ys.tolist() == [[0] * 3, [1] * 3, [2] * 3]
    g = lambda x: lax.cond(True, lambda x: lax.psum(x, "i"), lambda x: x, x)
    np.testing.assert_allclose(over(g), np.tile(X.sum(0), (3, 1)))
    w = lambda x: lax.while_loop(lambda c: lax.pmax(c, "i").max() < 50, lambda c: c * 2 + lax.axis_index("i"), x)
    assert over(w).max() >= 50


@pytest.mark.parametrize("call, error, text", [
    (lambda: lax.psum(1.0, "k"), NameError, "unbound axis name: k"),
    (lambda: ferax.vmap(lambda x: lax.psum(x, "k"), axis_name="i")(X), NameError, "unbound axis name: k.*axes bound here are 'i'"),
    (lambda: ferax.vmap(lambda x: lax.axis_index("k"))(X), NameError, "unbound axis name: k"),
    (lambda: over(lambda x: lax.ppermute(x, "i", [(0, 1), (0, 2)])), ValueError, "must be unique"),
    (lambda: over(lambda x: lax.ppermute(x, "i", [(0, 3)])), ValueError, "between 0 and 2"),
    (lambda: over(lambda x: lax.pshuffle(x, "i", [0, 0, 1])), ValueError, "does not represent a permutation"),
    (lambda: over(lambda x: lax.psum_scatter(x, "i")), ValueError, "size 4 must match shard count 3"),
    (lambda: over(lambda x: lax.psum_scatter(x, "i", tiled=True)), ValueError, "must be divisible by shard count 3"),
    (lambda: over(lambda x: lax.all_to_all(x, "i", 0, 0)), ValueError, r"x.shape\[split_axis\].*3 and 4"),
    (lambda: over(lambda x: lax.psum(x, "i", axis_index_groups=[[0, 1], [2]])), ValueError, "groups of one size that hold every index"),
    (lambda: over(lambda x: lax.psum(x, "i", axis_index_groups=[[0], [1]])), ValueError, "every index of the axis 'i', 0 to 2"),
    (lambda: over(lambda x: lax.psend(x, "i", [(0, 1)])), NotImplementedError, "Use lax.ppermute"),
    (lambda: over(lambda x: lax.precv(None, x, "i", [(0, 1), (0, 2)])), ValueError, "precv sources and destinations must be unique"),
    (lambda: over(lambda x: lax.ragged_all_to_all(x, x, *[np.ones(4, np.int32)] * 4, axis_name="i")), ValueError, "must be a multiple"),
    (lambda: over(lambda x: lax.ragged_all_to_all(x, x, *[np.ones(3)] * 4, axis_name="i")), ValueError, "must be integer type"),
    (lambda: over(lambda x: lax.ragged_all_to_all(x, x[:, None], *[np.ones(3, int)] * 4, axis_name="i")), ValueError, "the same shape"),
    (lambda: over(lambda x: lax.all_gather(x, "i", axis=5)), ValueError, "out of bounds"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
