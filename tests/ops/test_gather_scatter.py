"""Gather and the scatters against loops; their derivatives, transposes and batching rules."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from rule_checks import check_batch, check_derivative, check_values, distinct, draw, primitives, transposed, vjp, x64

from ferax._src.ops import elementwise as el, gather as ga, scatter as sc
from ferax._src.ops.indexing import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers

MODES = ("clip", "fill", "promise_in_bounds")


# --- oracles: straight from the definitions ------------------------------------------------------

def windows(shape, indices, numbers, sizes, mode):
    """For each index vector the place of its window: (row of the indices, start in the operand or None if left out)."""
    _, _, index_map, operand_batch, indices_batch = numbers
    for row in np.ndindex(indices.shape[:-1]):
        start = [0] * len(shape)
        for d, i in zip(index_map, indices[row]):
            start[d] = int(i)
        for d, r in zip(operand_batch, indices_batch):
            start[d] = row[r]
        inside = all(0 <= start[d] <= shape[d] - sizes[d] for d in range(len(shape)))
        if not inside and mode == "fill":
            start = None
        elif not inside:
            start = [min(max(s, 0), n - w) for s, n, w in zip(start, shape, sizes)]
        yield row, start


def pairs(shape, indices, numbers, sizes, mode):
    """Element of the windowed array <-> element of the operand (None: left out)."""
    window, hidden, _, operand_batch, _ = numbers
    shown = [d for d in range(len(shape)) if d not in hidden and d not in operand_batch]
    ndim = len(window) + indices.ndim - 1
    rows = [d for d in range(ndim) if d not in window]
    for row, start in windows(shape, indices, numbers, sizes, mode):
        for offset in itertools.product(*[range(sizes[d]) for d in shown]):
            out = [0] * ndim
            for d, r in zip(rows, row):
                out[d] = r
            for d, o in zip(window, offset):
                out[d] = o
            at = None
            if start is not None:
                place = list(start)
                for d, o in zip(shown, offset):
                    place[d] += o
                at = tuple(place)
            yield tuple(out), at


def gathered(x, indices, numbers, sizes, mode, fill=np.nan):
    window, hidden, _, operand_batch, _ = numbers
    shown = iter([sizes[d] for d in range(x.ndim) if d not in hidden and d not in operand_batch])
    rows = iter(indices.shape[:-1])
    out = np.full([next(shown) if d in window else next(rows) for d in range(len(window) + indices.ndim - 1)], fill, x.dtype)
    for o, at in pairs(x.shape, indices, numbers, sizes, mode):
        if at is not None:
            out[o] = x[at]
    return out


def scattered(combine, x, indices, updates, numbers, sizes, mode):
    out = x.copy()
    for o, at in pairs(x.shape, indices, numbers, sizes, mode):
        if at is not None:
            out[at] = combine(out[at], updates[o])
    return out


# name -> (operand shape, indices, numbers, slice sizes); some index vectors lead out of the operand
CASES = {
    "rows": ((4, 3), [[1], [3], [1], [7]], GatherDimensionNumbers((1,), (0,), (0,)), (1, 3)),
    "elements": ((4, 3), [[[1, 2], [3, 0]], [[0, 5], [-1, 1]]], GatherDimensionNumbers((), (0, 1), (0, 1)), (1, 1)),
    "windows": ((5, 4, 3), [[0, 1], [4, 2]], GatherDimensionNumbers((0, 2), (1,), (0, 1)), (2, 1, 3)),
    "swapped": ((5, 4), [[3, 0], [2, 4]], GatherDimensionNumbers((0, 1), (), (1, 0)), (2, 1)),
    "batched": ((2, 4, 3), [[[1], [2], [0]], [[3], [9], [3]]], GatherDimensionNumbers((2,), (1,), (1,), (0,), (0,)), (1, 1, 3)),
    "no indices": ((4, 3), np.zeros((0, 1)), GatherDimensionNumbers((1,), (0,), (0,)), (1, 3)),
}


def case(name):
    shape, indices, numbers, sizes = CASES[name]
    return distinct(shape), np.array(indices, np.int32), numbers, sizes


def in_bounds(x, indices, numbers, sizes):
    """The index vectors moved to where the promise holds."""
    room = np.array([x.shape[d] - sizes[d] for d in numbers.start_index_map])
    return np.clip(indices, 0, room).astype(np.int32)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_gather(name, mode):
    x, indices, numbers, sizes = case(name)
    if mode == "promise_in_bounds":
        indices = in_bounds(x, indices, numbers, sizes)
    f = lambda x, i: ga.gather(x, i, numbers, sizes, mode=mode)
    with x64():
        check_values(f, lambda x, i: gathered(x, i, numbers, sizes, mode), x, indices, exact=True)
        zero_filled = lambda x: ga.gather(x, indices, numbers, sizes, mode=mode, fill_value=0)
        check_derivative(zero_filled, x)


@pytest.mark.parametrize("name", [n for n in CASES if n != "no indices"])
def test_gather_is_batched(name):
    x, indices, numbers, sizes = case(name)
    f = lambda x, i: ga.gather(x, i, numbers, sizes, mode="fill", fill_value=-5.)
    with x64():
        check_batch(f, (x, indices), (0, None), (x.ndim, None), (None, 1), (0, 0), (1, indices.ndim))


def test_gather_of_other_dtypes_and_default_fills():
    numbers, sizes = GatherDimensionNumbers((), (0,), (0,)), (1,)
    i = np.array([[0], [9]])
    for dtype, fill in (("float32", np.nan), ("int8", -128), ("uint8", 255), ("bool", True), ("complex64", np.nan)):
        x = np.array([0, 1]).astype(dtype)
        got = np.asarray(ga.gather(x, i, numbers, sizes, mode="fill"))
        assert got.dtype == x.dtype
        np.testing.assert_array_equal(got, np.array([0, fill]).astype(dtype))
    for dtype in ("int8", "uint8", "uint32", "int32"):         # no index is taken for another when it is converted
        got = np.asarray(ga.gather(np.arange(300.), np.array([[100], [127]], dtype), numbers, sizes, mode="fill"))
        np.testing.assert_array_equal(got, [100, 127])


def test_gather_and_scatter_add_are_each_others_transpose():
    x, indices, numbers, sizes = case("rows")
    x = x.astype(np.float32)
    f = lambda x: ga.gather(x, indices, numbers, sizes, mode="clip")
    ct = np.ones((4, 3), np.float32)
    assert primitives(f, x) == ["gather"]
    assert primitives(transposed(f, x), ct) == ["broadcast_in_dim", "scatter-add"]


def test_index_take():
    x = draw((4, 5, 3))
    i, j = np.array([0, -1]), np.array([4, -2])
    with x64():
        check_values(lambda x, i, j: ga.index_take(x, [i, j], (0, 1)), lambda x, i, j: x[i, j], x, i, j, exact=True)
        check_values(lambda x, i: ga.index_take(x, [i], (1,)), lambda x, i: x[:, i].transpose(1, 0, 2), x, j, exact=True)


# --- scatters -----------------------------------------------------------------------------------

SCATTERS = {
    "add": (sc.scatter_add, lambda a, b: a + b), "sub": (sc.scatter_sub, lambda a, b: a - b),
    "mul": (sc.scatter_mul, lambda a, b: a * b), "min": (sc.scatter_min, np.minimum),
    "max": (sc.scatter_max, np.maximum), "set": (sc.scatter, lambda a, b: b),
}


def scatter_case(name, unique=False):
    x, indices, numbers, sizes = case(name)
    if unique:
        flat = indices.reshape(-1, indices.shape[-1])
        room = [x.shape[d] - sizes[d] for d in numbers.start_index_map]
        for k, row in enumerate(flat):                          # all different, and windows apart
            row[:] = [min(k * sizes[d], r) if j == 0 else 0 for j, (d, r) in enumerate(zip(numbers.start_index_map, room))]
        x = distinct((20, *x.shape[1:])) if not numbers.operand_batching_dims else x
    updates = gathered(x, indices, numbers, sizes, "clip")
    updates = distinct(updates.shape, 5) * 0.9 + 0.03
    return x, indices, updates, ScatterDimensionNumbers(*numbers), sizes


@pytest.mark.parametrize("mode", ["clip", "drop"])
@pytest.mark.parametrize("kind", SCATTERS)
def test_scatter(kind, mode):
    f, combine = SCATTERS[kind]
    names = ("rows", "windows", "batched") if kind in ("add", "max") else ("rows",)
    for name in names:
        x, indices, updates, numbers, sizes = scatter_case(name)
        if kind == "set":                                       # which of several wins is not specified
            indices = indices + np.array([[0], [0], [1], [9]], np.int32) if mode == "drop" else indices[:2]
            updates = updates if mode == "drop" else updates[:2]
        g = lambda x, i, u: f(x, i, u, numbers, mode=mode)
        with x64():
            check_values(g, lambda x, i, u: scattered(combine, x, i, u, numbers, sizes, "fill" if mode == "drop" else mode),
                         x, indices, updates)


@pytest.mark.parametrize("kind", ["add", "sub", "min", "max", "set"])
def test_scatters_have_derivatives(kind):
    f, _ = SCATTERS[kind]
    x, indices, updates, numbers, _ = scatter_case("rows")
    with x64():
        for active in ([0], [1], [0, 1]):
            check_derivative(lambda x, u: f(x, indices, u, numbers), x, updates, active=active)
            if kind not in ("add", "sub"):
                break
        check_derivative(lambda x, u: f(x, indices, u, numbers, mode="clip"), x, updates)


def test_unique_indices():
    x, indices, updates, numbers, _ = scatter_case("rows", unique=True)
    with x64():
        for f in (sc.scatter, sc.scatter_mul):
            check_derivative(lambda x, u: f(x, indices, u, numbers, unique_indices=True), x, updates)
        assert primitives(lambda x, u: sc.scatter(x, indices, u, numbers, unique_indices=True), x, updates) == ["scatter"]


def test_equal_values_share_the_derivative_of_scatter_max():
    numbers = ScatterDimensionNumbers((), (0,), (0,))
    i = np.array([[0], [0], [1]], np.int32)
    x, u = np.array([1., 5., 0.]), np.array([1., 1., 5.])

    with x64():
        pulled = vjp(lambda x, u: sc.scatter_max(x, i, u, numbers), [x, u], [np.array([3., 2., 1.])])
    np.testing.assert_allclose(pulled[0], [1, 1, 1])
    np.testing.assert_allclose(pulled[1], [1, 1, 1])


@pytest.mark.parametrize("kind", ["add", "set"])
@pytest.mark.parametrize("name", ["rows", "windows", "batched"])
def test_scatters_are_batched(kind, name):
    f, _ = SCATTERS[kind]
    x, indices, updates, numbers, _ = scatter_case(name, unique=kind == "set")
    g = lambda x, i, u: f(x, i, u, numbers)
    axes = [(0, None, None), (None, None, 1), (x.ndim, None, 0)]
    if kind == "add":
        axes += [(None, 0, None), (1, 1, 0)]
    with x64():
        check_batch(g, (x, indices, updates), *axes)


def test_scatter_apply():
    numbers = ScatterDimensionNumbers((), (0,), (0,))
    x = np.array([1., 2., 3., 4.], np.float32)
    got = sc.scatter_apply(x, np.array([[1], [1], [3]]), el.square, numbers, update_shape=(3,))
    np.testing.assert_allclose(np.asarray(got), [1, 16, 3, 16])
    assert sc._applied(el.square, x.dtype) is sc._applied(el.square, x.dtype)


@given(st.data())
@settings(max_examples=10)
def test_any_gather_has_its_transpose(data):
    """Random operand, windows and index vectors: values, and transpose by inner products."""
    shape = tuple(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    ndim = len(shape)
    index_map = tuple(data.draw(st.permutations(range(ndim)))[:data.draw(st.integers(1, ndim))])
    hidden = tuple(d for d in range(ndim) if data.draw(st.booleans()))
    sizes = tuple(1 if d in hidden else data.draw(st.integers(1, n)) for d, n in enumerate(shape))
    rows = tuple(data.draw(st.lists(st.integers(1, 3), max_size=2)))
    out_ndim = len(rows) + ndim - len(hidden)
    window = tuple(sorted(data.draw(st.permutations(range(out_ndim)))[:ndim - len(hidden)]))
    numbers = GatherDimensionNumbers(window, hidden, index_map)
    count = int(np.prod((*rows, len(index_map))))
    indices = np.array(data.draw(st.lists(st.integers(-1, 3), min_size=count, max_size=count)), np.int32)
    indices = indices.reshape(*rows, len(index_map))
    mode = data.draw(st.sampled_from(["clip", "fill"]))
    with x64():
        check_values(lambda x: ga.gather(x, indices, numbers, sizes, mode=mode),
                     lambda x: gathered(x, indices, numbers, sizes, mode), distinct(shape), exact=True)
        f = lambda x: ga.gather(x, indices, numbers, sizes, mode=mode, fill_value=0)
        check_derivative(f, distinct(shape))
        check_batch(f, (distinct(shape),), (data.draw(st.integers(0, ndim)),))


def test_modes():
    assert GatherScatterMode.from_any(None) is GatherScatterMode.from_any("drop") is GatherScatterMode.FILL_OR_DROP
    with pytest.raises(ValueError, match="Unknown gather mode"):
        GatherScatterMode.from_any("nearest")


X, I, NUMBERS = np.ones((4, 3), np.float32), np.zeros((2, 1), np.int32), GatherDimensionNumbers((1,), (0,), (0,))


@pytest.mark.parametrize("call, text", [
    (lambda: ga.gather(X, I, NUMBERS, (2, 3)), "can only collapse slice dims with bound 1"),
    (lambda: ga.gather(X, I, NUMBERS, (1, 4)), "out of range"),
    (lambda: ga.gather(X, I, NUMBERS._replace(start_index_map=(0, 1)), (1, 3)), "must be equal"),
    (lambda: ga.gather(X, I, NUMBERS._replace(offset_dims=(5,)), (1, 3)), "offset_dims"),
    (lambda: ga.gather(X, I, NUMBERS._replace(collapsed_slice_dims=()), (1, 3)), "each dimension of the operand"),
    (lambda: sc.scatter(X, I, X[:3], ScatterDimensionNumbers(*NUMBERS)), "Bounds of the scatter dimensions"),
    (lambda: sc.scatter(X, I, X[:2, 0], ScatterDimensionNumbers(*NUMBERS)), "must be of rank 2"),
    (lambda: sc.scatter(X, I, X[:2].astype(np.int32), ScatterDimensionNumbers(*NUMBERS)), "same dtype"),
])
def test_errors(call, text):
    with pytest.raises(TypeError, match=text):
        call()


def test_indices_must_be_integers():
    with pytest.raises(ValueError, match="integer"):
        ga.gather(X, I.astype(np.float32), NUMBERS, (1, 3))
