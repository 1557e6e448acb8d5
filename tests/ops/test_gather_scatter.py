"""Gather and the scatters against loops; their derivatives, transposes and batching rules."""

import ml_dtypes
import numpy as np
import pytest
from gather_reference import gathered, problems, scattered, windowed_shape
from hypothesis import given, settings, strategies as st
from rule_checks import check_batch, check_derivative, check_values, distinct, draw, primitives, transposed, vjp, x64

from ferax._src.ops import elementwise as el, gather as ga, scatter as sc
from ferax._src.ops.indexing import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers

MODES = ("clip", "fill", "promise_in_bounds")


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


@given(problems(), st.sampled_from(["clip", "fill"]), st.integers(0, 4), st.booleans())
@settings(max_examples=12)
def test_any_gather(problem, mode, axis, both):
    """Random operand, dimension numbers and index vectors: values, derivative and transpose, vmap."""
    shape, indices, numbers, sizes = problem
    with x64():
        x = distinct(shape)
        check_values(lambda x, i: ga.gather(x, i, numbers, sizes, mode=mode),
                     lambda x, i: gathered(x, i, numbers, sizes, mode), x, indices, exact=True)
        check_derivative(lambda x: ga.gather(x, indices, numbers, sizes, mode=mode, fill_value=0), x)
        f = lambda x, i: ga.gather(x, i, numbers, sizes, mode=mode, fill_value=-3)
        check_batch(f, (x, indices), (min(axis, len(shape)), min(axis, indices.ndim) if both else None))


@given(problems(), st.sampled_from(["clip", "drop"]), st.sampled_from(["add", "sub", "mul", "min", "max"]), st.data())
@settings(max_examples=14)
def test_any_scatter(problem, mode, kind, data):
    """Random operand, dimension numbers and index vectors, which meet more often than not."""
    shape, indices, numbers, sizes = problem
    f, combine = SCATTERS[kind]
    x, updates = distinct(shape), distinct(windowed_shape(indices, numbers, sizes), 5) * 0.9 + 0.03
    g = lambda x, i, u: f(x, i, u, ScatterDimensionNumbers(*numbers), mode=mode)
    with x64():
        reference = "fill" if mode == "drop" else mode
        check_values(g, lambda x, i, u: scattered(combine, x, i, u, numbers, sizes, reference), x, indices, updates, rtol=1e-12)
        active = [0] if kind == "mul" else data.draw(st.sampled_from([[0], [1], [0, 1]]))
        check_derivative(lambda x, u: g(x, indices, u), x, updates, active=active)
        axes = [data.draw(st.sampled_from([None, 0, np.ndim(a)])) for a in (x, indices, updates)]
        if any(a is not None for a in axes):
            check_batch(g, (x, indices, updates), axes)


@given(problems(), st.sampled_from(["clip", "drop"]))
@settings(max_examples=8)
def test_of_updates_that_meet_one_wins(problem, mode):
    """Whichever it is: each element is one of those that were put there, and its derivative is of the same one."""
    shape, indices, numbers, sizes = problem
    x, updates = distinct(shape), distinct(windowed_shape(indices, numbers, sizes), 5) + 100
    f = lambda x, u: sc.scatter(x, indices, u, ScatterDimensionNumbers(*numbers), mode=mode)
    came = np.empty(shape, object)
    came.ravel()[:] = [frozenset() for _ in range(x.size)]
    ids = np.empty(updates.shape, object)
    ids.ravel()[:] = [frozenset([u]) for u in updates.ravel()]
    came = scattered(lambda old, new: old | new, came, indices, ids, numbers, sizes, "fill" if mode == "drop" else mode)
    with x64():
        out = np.asarray(f(x, updates))
        assert all(y in given if given else y == old for y, given, old in zip(out.ravel(), came.ravel(), x.ravel()))
        dx, du = vjp(f, [x, updates], [np.ones(shape)])
        np.testing.assert_array_equal(dx, np.vectorize(lambda given: not given, otypes=[float])(came))
        np.testing.assert_array_equal(np.sort(updates[du == 1]), np.sort(out[dx == 0]))
        assert du.sum() + dx.sum() == x.size


DTYPES = ["bool", "int4", "int8", "uint8", "int32", "uint64", "float8_e4m3fn", "bfloat16", "float32", "complex128"]


@pytest.mark.parametrize("name", DTYPES)
def test_fill_values(name):
    """What is filled in by default, and given numbers as dtypes hold them."""
    dtype = np.dtype(getattr(ml_dtypes, name, None) or name)
    numbers, i = GatherDimensionNumbers((), (0,), (0,)), np.array([[0], [7]])
    kind = dtype.type(0).dtype.kind
    info = {"i": np.iinfo, "u": np.iinfo}.get(kind, lambda d: None)(dtype) if name != "int4" else ml_dtypes.iinfo(dtype)
    default = True if kind == "b" else info.min if kind == "i" or name == "int4" else info.max if kind == "u" else np.nan
    with x64():
        x = np.array([1, 0]).astype(dtype)
        for given, filled in ((None, default), (0, 0), (1, 1), (True, 1)):
            got = np.asarray(ga.gather(x, i, numbers, (1,), mode="fill", fill_value=given))
            assert got.dtype == dtype
            wanted = np.array([1, 0]).astype(dtype)
            wanted[1] = filled
            number = int if kind in "iu" else complex               # NumPy finds no NaN in narrow floats
            assert got[0] == 1
            np.testing.assert_array_equal(number(got[1]), number(wanted[1]))
        if kind in "iu" and name not in ("int8", "uint8", "int4"):          # NaN as an integer, by a cast
            with np.errstate(invalid="ignore"):
                wanted = np.array(np.nan).astype(dtype)
            assert np.asarray(ga.gather(x, i, numbers, (1,), mode="fill", fill_value=np.nan))[1] == wanted


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("mode", ["clip", "fill"])
def test_index_dtypes(dtype, mode):
    """Indices of a narrow dtype in a long dimension, and of a wide one far out: none is taken for another."""
    x = np.arange(300.0)
    i = np.array([0, 5, 127, -1 if dtype[0] == "i" else 200, np.iinfo(dtype).max], dtype)
    with x64():
        inside = [0 <= int(k) < 300 for k in i]
        wanted = [x[min(max(int(k), 0), 299)] if ok or mode == "clip" else np.nan for k, ok in zip(i, inside)]
        got = ga.gather(x, i[:, None], GatherDimensionNumbers((), (0,), (0,)), (1,), mode=mode)
        np.testing.assert_array_equal(got, wanted)
        counts = sc.scatter_add(np.zeros(300), i[:, None], np.ones(5), ScatterDimensionNumbers((), (0,), (0,)), mode=mode)
        expected = np.zeros(300)
        np.add.at(expected, [min(max(int(k), 0), 299) for k, ok in zip(i, inside) if ok or mode == "clip"], 1)
        np.testing.assert_array_equal(counts, expected)


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
    (lambda: ga.gather(X, I, ((1,), (0,), (0,)), (1, 3)), "dimension_numbers must be of type GatherDimensionNumbers"),
    (lambda: sc.scatter(X, I, X[:2], NUMBERS), "dimension_numbers must be of type ScatterDimensionNumbers"),
    (lambda: ga.gather(X, I, NUMBERS._replace(offset_dims=(1.5,)), (1, 3)), "offset_dims in dimension_numbers"),
    (lambda: ga.gather(X, I, NUMBERS, (1, 3), mode="fill", fill_value=np.ones(3)), "fill_value must be a scalar"),
    (lambda: ga.gather(X, I, NUMBERS, (1, 3), mode="fill", fill_value="a"), "fill_value must be a number"),
    (lambda: ga.gather(X, I, NUMBERS, (1, -3)), "slice_sizes must have sizes that are not negative"),
    (lambda: sc.scatter_add(X > 0, I, X[:2] > 0, ScatterDimensionNumbers(*NUMBERS)), "scatter-add does not accept dtype bool"),
    (lambda: sc.scatter_apply(X, I, 3, ScatterDimensionNumbers(*NUMBERS), update_shape=(2, 3)), "func must be callable"),
])
def test_errors(call, text):
    with pytest.raises(TypeError, match=text):
        call()


def test_indices_must_be_integers():
    with pytest.raises(ValueError, match="integer"):
        ga.gather(X, I.astype(np.float32), NUMBERS, (1, 3))
    with pytest.raises(ValueError, match="integer type, got bool"):
        ga.gather(X, I > 0, NUMBERS, (1, 3))


def test_the_function_of_scatter_apply_is_of_one_element():
    with pytest.raises(ValueError, match=r"a scalar for a scalar, got a result of shape \(2,\)"):
        sc.scatter_apply(X, I, lambda x: np.ones(2, np.float32), ScatterDimensionNumbers(*NUMBERS), update_shape=(2, 3))
