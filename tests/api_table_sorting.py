"""Rows of what sorts, searches, counts and chooses: sort and its kin, histograms, places of elements, where and select."""

import functools

import numpy as np
from api_draw import ANY, BOOL, COMPLEX, INTS, NARROW, NUMBERS, REAL, Draw, call, kind
from api_harness import Refusal, Row, assert_same

INTEGERS = "its results are integers"


# --- sorting --------------------------------------------------------------------------------------

def sorting(kinds, stable=(True, False), **more):
    def calls(d: Draw):
        x = d.array(kinds, d.shape(1, 3))
        return call(x, **d.some(axis=(None, d.axis(x.ndim)), stable=stable, descending=(True, False), **more))
    return calls


def sorted_(x, axis=-1, stable=True, descending=False):
    out = np.sort(x, axis=axis)
    return np.flip(out, -1 if axis is None else axis) if descending else out


def argsorted(x, axis=-1, stable=True, descending=False, dtype=None):
    if axis is None:
        x, axis = x.reshape(-1), 0
    if not descending:
        return np.argsort(x, axis=axis, stable=True)
    # backwards, twice: equal elements keep their order
    return np.flip(x.shape[axis] - 1 - np.argsort(np.flip(x, axis), axis=axis, stable=True), axis)


def with_kth(kinds):
    def calls(d: Draw):
        x = d.array(kinds, d.shape(1, 3, empty=False))
        axis = d.axis(x.ndim)
        kth = d.integer(-x.shape[axis], x.shape[axis] - 1)
        return call(x, kth, axis) if d.flag() else call(x, d.integer(-x.shape[-1], x.shape[-1] - 1))
    return calls


def partitioned(x, kth, axis=-1):
    """Ascending up to the k-th, descending after it: one of many answers, which JAX gives."""
    before, after = np.split(np.sort(x, axis=axis), [kth % x.shape[axis] + 1], axis)
    return np.concatenate([before, np.flip(after, axis)], axis)


def keys(d: Draw):
    shape = d.shape(1, 2)
    several = [d.array(REAL + BOOL, shape) for _ in range(d.integer(1, 3))]
    axis = d.some(axis=(d.axis(len(shape)),))
    return call(d.array(REAL, (2, *shape)), **axis) if d.flag() else call(d.pick(tuple, list)(several), **axis)


def topped(d: Draw):
    x = d.array(REAL, d.shape(1, 3, empty=False))
    axis = d.axis(x.ndim)
    return call(x, d.integer(0, x.shape[axis]), axis=axis, **d.some(mode=("largest", "smallest"), sorted=(True, False)))


def top_k(x, k, axis=-1, mode="largest", sorted=True):  # noqa: A002
    places = np.take(argsorted(x, axis, descending=mode == "largest"), range(k), axis)
    return np.take_along_axis(x, places, axis), places


# --- searching and counting --------------------------------------------------------------------------

def searched(d: Draw):
    a = np.sort(d.array(NUMBERS, (d.pick(3, 1, 5, 20, 0),), special=False))
    v = d.array(NUMBERS if kind(a.dtype) == "c" else REAL, d.shape(0, 2), special=kind(a.dtype) != "c")
    kwargs = d.some(side=("left", "right"), method=("scan", "sort", "compare_all", "scan_unrolled"))
    if d.flag():
        order = d.rng.permutation(len(a))
        back = np.argsort(order).astype(np.int32)
        return call(a[order], v, sorter=back, **kwargs)
    return call(a, v, **kwargs)


def binned(d: Draw):
    bins = np.sort(d.array(REAL, (d.pick(3, 1, 5, 20, 0),), special=False))
    bins = bins[::-1].copy() if d.flag() and len(bins) > 1 and bins[0] < bins[-1] else bins
    return call(d.array(REAL, d.shape(0, 2), special=kind(bins.dtype) == "f"), bins, **d.some(right=(True, False), method=("sort", None)))


def digitized(x, bins, right=False, method=None):
    return np.digitize(x, bins, right) if len(bins) else np.zeros(x.shape, int)


def counted(d: Draw):
    x = d.array(INTS, (d.pick(5, 1, 0),), low=-1 if d.flag() else 0, high=5)
    kwargs = d.some(minlength=(3, 8), weights=d.array(NUMBERS, x.shape, special=False))
    if d.traced or d.flag():
        kwargs["length"] = d.pick(4, 7, 1)
    return call(x, **kwargs)


def bincount(x, weights=None, minlength=0, length=None):
    x = np.maximum(x.astype(int), 0)
    n = max(minlength, x.max() + 1 if x.size else 0) if length is None else length
    out = np.zeros(n, int if weights is None else weights.dtype)
    np.add.at(out, x[x < n], 1 if weights is None else weights[x < n])
    return out


def edges(d: Draw, dtype="float32"):
    """Numbers of bins, or their bounds."""
    if d.flag():
        return d.integer(1, 6)
    return np.sort(d.array((dtype,), (d.pick(4, 2, 7),), special=False, distinct=True))


def sampled(d: Draw):
    """Where bounds are computed no element is at one but the least and the greatest: rounding would decide where it belongs."""
    bins = d.pick(edges(d), 10, 10)
    if not isinstance(bins, int):
        return call(d.array(("float32", "float64", "int32", "uint8", "bfloat16"), d.shape(0, 2, empty=False), special=False), bins)
    x = d.array(("float32", "float64"), d.shape(1, 2, sizes=(3, 2, 4)), special=False)
    if d.flag():
        return call(x, bins, d.pick((-2.0, 2), [0, 1.5]))
    return call(x) if bins == 10 else call(x, bins)


def histogrammed(d: Draw):
    given = sampled(d)
    weights = d.array(("float32", "float64", "int32"), given.args[0].shape, low=0.5, high=3.0, special=False)
    return call(*given.args, **d.some(weights=weights, density=(True, False)))


def bin_edges(x, bins=10, limits=None):
    if isinstance(bins, int):
        low, high = (x.min(), x.max()) if limits is None and x.size else (0, 1) if limits is None else limits
        if low == high:
            low, high = low - 0.5, high + 0.5
        return np.linspace(low, high, bins + 1)
    return bins


def same_histogram(found, expected, given):
    """The bounds are right up to rounding, and the counts are right for these bounds."""
    found_edges = np.asarray(found[1], np.float64)
    x, *rest = given.args
    assert_same(np.asarray(found[1]), bin_edges(x.astype(np.float64), *rest), 10, "bounds of the bins")
    weights, density = given.kwargs.get("weights"), given.kwargs.get("density")
    weights = None if weights is None else weights.astype(np.float64)
    known = np.histogram(x.astype(np.float64), found_edges, weights=weights)[0]
    if density:
        known = known / np.diff(found_edges) / known.sum() if known.any() else np.full(known.shape, np.nan)
    assert_same(np.asarray(found[0]), known, 1, "counts")


def points(columns):
    def calls(d: Draw):
        n = d.pick(6, 2, 3)
        kinds = ("float32", "float64")
        dims = 2 if columns else d.integer(1, 3)
        xs = [d.array(kinds, (n,), special=False) for _ in range(2)] if columns else [d.array(kinds, (n, dims), special=False)]
        bins = d.pick(3, [2] * dims, [edges(d) for _ in range(dims)], *([np.asarray([-2.0, 0, 1.5], np.float32)] if columns else []))
        kwargs = d.some(range=([(-2.0, 2.0)] * dims, [None] * (dims - 1) + [(-1, 1.5)]), density=(True, False),
                        weights=d.array(("float32", "int32"), (n,), low=0.5, high=3.0, special=False))
        kwargs.pop("density", None) if "range" in kwargs else None
        return call(*xs, **kwargs, **({} if d.flag() else {"bins": bins}))
    return calls


def same_cells(found, expected, given):
    """As `same_histogram`, in several dimensions."""
    counts, *bounds = found
    bounds = [np.asarray(e, np.float64) for e in (bounds[0] if isinstance(bounds[0], list) else bounds)]
    sample = np.stack(given.args, 1) if len(given.args) > 1 else given.args[0]
    sample = sample.astype(np.float64)
    bins, limits = given.kwargs.get("bins", 10), given.kwargs.get("range") or [None] * len(bounds)
    bins = bins if isinstance(bins, list) else [bins] * len(bounds)
    for i, (e, b, limit) in enumerate(zip(bounds, bins, limits)):
        assert_same(e, bin_edges(sample[:, i], b, limit), 1e6, "bounds of the bins")
    weights = given.kwargs.get("weights")
    known = np.histogramdd(sample, bounds, weights=None if weights is None else weights.astype(np.float64))[0]
    if given.kwargs.get("density"):
        volumes = functools.reduce(np.multiply.outer, [np.diff(e) for e in bounds])
        known = known / volumes / known.sum() if known.any() else np.full(known.shape, np.nan)
    assert_same(np.asarray(counts), known, 1, "counts")


# --- places -----------------------------------------------------------------------------------------

def places(fill=True):
    def calls(d: Draw):
        x = d.array(ANY, d.shape(1, 3), low=-1.0, high=1.0)
        kwargs = {"size": d.pick(3, 0, 8)} if d.traced or d.flag() else {}
        if kwargs and d.flag():
            kwargs["fill_value"] = d.pick(-1, 7, *([tuple(range(x.ndim)), np.asarray(2)] if fill else []))
        return call(x, **kwargs)
    return calls


def nonzero(x, size=None, fill_value=0):
    found = np.nonzero(x)
    if size is None:
        return found
    if not x.size:
        fill_value = 0                              # as JAX has it
    fills = fill_value if isinstance(fill_value, tuple) else (fill_value,) * x.ndim
    return tuple(np.concatenate([i[:size], np.full(max(size - len(i), 0), f, int)]) for i, f in zip(found, fills))


def flat_places(d: Draw):
    shape = d.pick((2, 3), (4,), (3, 1, 2), [2, 2])
    n = int(np.prod(shape))
    places = d.rng.integers(-n - 2, n + 3, d.shape(0, 2)).astype(d.pick("int32", "int8", "int64"))
    return call(places, d.pick(shape, *([5] if n > 5 else [])))


def unravelled(i, shape):
    n = int(np.prod(shape))
    i = np.clip(np.where(i < 0, i + n, i), 0, n - 1)
    return tuple(a.copy() for a in np.unravel_index(i, shape))


def several_places(d: Draw):
    dims = d.pick((2, 3), (4,), (3, 1, 2))
    mode = d.pick("raise", "wrap", "clip") if not d.traced else d.pick("wrap", "clip")
    beyond = 0 if mode == "raise" else 4
    shape = d.shape(0, 2)
    dtype = d.pick("int32", "int8", "int64", "uint8")
    index = [d.rng.integers(0 if kind(dtype) == "u" else -beyond, n + beyond, shape).astype(dtype) for n in dims]
    return call(d.pick(tuple, list)(index), dims, mode=mode, **d.some(order=("C", "F"), dtype=("int32", "int16", "int64")))


def ravelled(index, dims, mode="raise", order="C", dtype=None):
    return np.ravel_multi_index(tuple(i.astype(int) for i in index), dims, mode, order)


# --- choosing ------------------------------------------------------------------------------------------

def chosen(d: Draw):
    if d.flag() and not d.smooth:
        return places()(d)
    a, b, c = d.broadcasting(3)
    x, y = d.array(ANY, b), d.array(ANY, c)
    if not d.smooth:
        x = d.pick(x, x, 2, 1.5, True)
    return call(d.array(BOOL + ("int32", "float32"), a, low=-1.0, high=1.0), x, y)


def where(condition, *xy, **kwargs):
    return np.where(condition, *xy) if xy else nonzero(condition, **kwargs)


def selected(d: Draw):
    n = d.integer(1, 3)
    shapes = d.broadcasting(2 * n)
    conditions = [d.array(BOOL, s) for s in shapes[:n]]
    choices = [d.array(NUMBERS, s, special=False) for s in shapes[n:]]
    return call(conditions, choices, **d.some(default=(1, 2.5) if not d.smooth else (2.5,)))


def select(conditions, choices, default=0):
    return np.select(np.broadcast_arrays(*conditions), choices, default)


def double(x, *args):
    return x * 2 + sum(args)


def pieces(d: Draw):
    x = d.array(REAL + COMPLEX, d.shape(0, 3), special=False)
    n = d.integer(1, 2)
    conditions = [d.array(BOOL, x.shape) for _ in range(n)]
    functions = [d.pick(double, 1, np.abs if d.smooth else double) for _ in range(n + d.integer(0, 1))]
    functions = [f if f is not np.abs else double for f in functions]
    more = (3,) if d.flag() else ()
    return call(x, conditions if d.flag() or not x.ndim else np.stack(conditions), functions, *more)


ROWS = [
    Row("numpy.sort Array.sort", sorted_, sorting(ANY + NARROW), "same", exact=True),
    Row("numpy.argsort", argsorted, sorting(ANY + NARROW, (True,), dtype=("int32", "int16")), grad=False, why=INTEGERS),
    Row("Array.argsort", argsorted, sorting(ANY, (True,)), "index", grad=False, why=INTEGERS),
    Row("numpy.lexsort", lambda keys, axis=-1: np.lexsort(keys, axis), keys, "index", grad=False, why=INTEGERS),
    Row("numpy.sort_complex", np.sort_complex, lambda d: call(d.array(NUMBERS + BOOL, d.shape(1, 2)))),
    Row("numpy.partition", partitioned, with_kth(REAL), exact=True),
    Row("numpy.argpartition Array.argpartition", lambda x, kth, axis=-1: None, with_kth(REAL), grad=False, why=INTEGERS,
        compare=lambda found, expected, given: assert_partitions(np.asarray(found), *given.args)),
    Row("numpy.top_k", top_k, topped, differs="JAX 0.10.2 has it not yet"),

    Row("numpy.searchsorted Array.searchsorted", lambda a, v, side="left", sorter=None, method=None: np.searchsorted(a, v, side, sorter),
        searched, "int32", grad=False, why=INTEGERS),
    Row("numpy.digitize", digitized, binned, "int32", grad=False, why=INTEGERS),
    Row("numpy.bincount", bincount, counted),
    Row("numpy.histogram_bin_edges", bin_edges, sampled, tolerance=10),
    Row("numpy.histogram", None, histogrammed, compare=same_histogram, grad=False, why="steps"),
    Row("numpy.histogram2d", None, points(True), compare=same_cells, grad=False, why="steps"),
    Row("numpy.histogramdd", None, points(False), compare=same_cells, grad=False, why="steps"),

    Row("numpy.nonzero Array.nonzero", nonzero, places(), grad=False, why=INTEGERS),
    Row("numpy.argwhere", lambda x, **kw: np.stack(nonzero(x, **kw), 1), places(), grad=False, why=INTEGERS),
    Row("numpy.flatnonzero", lambda x, **kw: nonzero(x.reshape(-1), **kw)[0], places(False), "index", grad=False, why=INTEGERS),
    Row("numpy.unravel_index", unravelled, flat_places, grad=False, why=INTEGERS),
    Row("numpy.ravel_multi_index", ravelled, several_places, grad=False, why=INTEGERS),

    Row("numpy.where", where, chosen),
    Row("numpy.select", select, selected),
    Row("numpy.piecewise", np.piecewise, pieces),
]


def assert_partitions(found, x, kth, axis=-1):
    """A permutation that puts the k-th in its place."""
    np.testing.assert_array_equal(np.sort(found, axis), np.broadcast_to(
        np.arange(x.shape[axis]).reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)]), x.shape))
    values, ordered = np.take_along_axis(x, found, axis), np.sort(x, axis)
    kth %= x.shape[axis]
    at = lambda a: np.take(a, [kth], axis)
    np.testing.assert_array_equal(at(values), at(ordered))
    np.testing.assert_array_equal(np.sort(np.take(values, range(kth), axis), axis), np.take(ordered, range(kth), axis))


X, V = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(3, dtype=np.int32)

REFUSALS = [
    Refusal("numpy.sort", lambda m: m.numpy.sort(X, kind="heapsort"), TypeError, "'kind' argument to sort", "kind"),
    Refusal("numpy.sort", lambda m: m.numpy.sort(X, order="f"), TypeError, "'order' argument to sort", "order"),
    Refusal("numpy.sort", lambda m: m.numpy.sort(X, axis=2), ValueError, "axis 2 is out of bounds for array of dimension 2", "axis"),
    Refusal("numpy.sort", lambda m: m.numpy.sort([2, 1]), TypeError, "sort requires.*list", "list"),
    Refusal("numpy.lexsort", lambda m: m.numpy.lexsort(()), TypeError, "need sequence of keys with len > 0", "no keys"),
    Refusal("numpy.lexsort", lambda m: m.numpy.lexsort((V, V[:2])), ValueError, r"same shape, got \(3,\), \(2,\)", "shapes"),
    Refusal("numpy.partition", lambda m: m.numpy.partition(V, 3), ValueError, "kth 3 is out of bounds", "kth"),
    Refusal("numpy.partition", lambda m: m.numpy.partition(V, 1.5), TypeError, "kth must be an integer, got 1.5", "float as kth"),
    Refusal("numpy.partition", lambda m: m.numpy.partition(X + 1j, 1), NotImplementedError, "complex", "complex"),
    Refusal("numpy.top_k", lambda m: m.numpy.top_k(V, 4), ValueError, "k must be between 0 and the size of the axis, 3; got 4", "k"),
    Refusal("numpy.searchsorted", lambda m: m.numpy.searchsorted(V, 1, side="mid"), ValueError, "'mid' is an invalid.*'side'", "side"),
    Refusal("numpy.searchsorted", lambda m: m.numpy.searchsorted(V, 1, method="x"), ValueError, "'x' is an invalid.*'method'", "method"),
    Refusal("numpy.searchsorted", lambda m: m.numpy.searchsorted(X, 1), ValueError, r"1-dimensional, got shape \(2, 3\)", "rank"),
    Refusal("numpy.digitize", lambda m: m.numpy.digitize(V, X), ValueError, r"bins must be a 1-dimensional.*\(2, 3\)", "rank"),
    Refusal("numpy.bincount", lambda m: m.numpy.bincount(X[0]), TypeError, "integer type; got float32", "floats"),
    Refusal("numpy.bincount", lambda m: m.numpy.bincount(V, X[0, :2]), ValueError, r"shape of weights.*\(2,\) and \(3,\)", "weights"),
    Refusal("numpy.bincount", lambda m: m.numpy.bincount(V, length=-1), TypeError, "length must not be negative, got -1", "negative size"),
    Refusal("numpy.bincount", lambda m: m.jit(m.numpy.bincount)(V), TypeError, "static `length`", "no size under jit"),
    Refusal("numpy.histogram", lambda m: m.numpy.histogram(V, bins="auto"), TypeError, "histogram requires.*str.* at position 1", "string"),
    Refusal("numpy.histogram", lambda m: m.numpy.histogram(V, range=(1, 2, 3)), ValueError, r"`range`.*\(1, 2, 3\)", "range"),
    Refusal("numpy.histogram", lambda m: m.numpy.histogram(V, weights=X[0, :2]), ValueError, r"\(2,\) and \(3,\)", "weights"),
    Refusal("numpy.histogram", lambda m: m.numpy.histogram(V, bins=X), TypeError, "bins argument", "rank of bins"),
    Refusal("numpy.histogramdd", lambda m: m.numpy.histogramdd(X, bins=[2, 2]), ValueError, "got 2 for 3 dimensions", "bins"),
    Refusal("numpy.histogramdd", lambda m: m.numpy.histogramdd(X, range=[(0, 1)]), ValueError, "sequence of 3 pairs", "range"),
    Refusal("numpy.histogramdd", lambda m: m.numpy.histogramdd(X, weights=V), ValueError, r"shape \(3,\) for 2 samples", "weights"),
    Refusal("numpy.histogramdd", lambda m: m.numpy.histogramdd(V), ValueError, r"two dimensions.*\(3,\)", "rank"),
    Refusal("numpy.nonzero", lambda m: m.numpy.nonzero(np.float32(1)), ValueError, "nonzero on 0d arrays", "scalar"),
    Refusal("numpy.nonzero", lambda m: m.numpy.nonzero(V, size=-1), TypeError, "size must not be negative, got -1", "negative size"),
    Refusal("numpy.nonzero", lambda m: m.numpy.nonzero(V, size=1.5), TypeError, "size must be an integer, got 1.5", "float as size"),
    Refusal("numpy.nonzero", lambda m: m.numpy.nonzero(V, size=2**40), ValueError, "size must fit.*1099511627776", "absurd size"),
    Refusal("numpy.nonzero", lambda m: m.numpy.nonzero(X, size=2, fill_value=(1, 2, 3)), ValueError, "tuple of length 2", "fill_value"),
    Refusal("numpy.nonzero", lambda m: m.jit(m.numpy.nonzero)(V), TypeError, "size argument of jnp.nonzero", "no size under jit"),
    Refusal("numpy.unravel_index", lambda m: m.numpy.unravel_index(V, ((1, 2),)), ValueError, "scalar or 1D sequence", "shape"),
    Refusal("numpy.ravel_multi_index", lambda m: m.numpy.ravel_multi_index((V,), (2, 3)), ValueError, "len.multi_index.=1", "length"),
    Refusal("numpy.ravel_multi_index", lambda m: m.numpy.ravel_multi_index((X, X), (2, 3)), ValueError, "float32 is not", "floats"),
    Refusal("numpy.ravel_multi_index", lambda m: m.numpy.ravel_multi_index((V, V), (3, 2)), ValueError, "2 for.* of size 2", "raise"),
    Refusal("numpy.ravel_multi_index", lambda m: m.numpy.ravel_multi_index((V, V), (3, 3), mode="x"), ValueError, "mode='x'", "mode"),
    Refusal("numpy.ravel_multi_index", lambda m: m.numpy.ravel_multi_index((V, V), (300, 300), dtype="int8"), ValueError,
            "int8 not large enough", "dtype"),
    Refusal("numpy.where", lambda m: m.numpy.where(V, V), TypeError, "Either both or neither", "one branch"),
    Refusal("numpy.where", lambda m: m.numpy.where(V, V, V, size=2), ValueError, "size and fill_value", "size"),
    Refusal("numpy.where", lambda m: m.numpy.where(V, V, V[:2]), ValueError, r"\(3,\), \(3,\), \(2,\)", "shapes"),
    Refusal("numpy.where", lambda m: m.numpy.where(V > 1, [1, 2, 3], V), TypeError, "list.* at position 1", "list"),
    Refusal("numpy.select", lambda m: m.numpy.select([V > 1], [V, V]), ValueError, "1 vs 2", "lengths"),
    Refusal("numpy.select", lambda m: m.numpy.select([], []), ValueError, "condlist must be non-empty", "empty"),
    Refusal("numpy.piecewise", lambda m: m.numpy.piecewise(V, [V > 1], [1, 2, 3]), ValueError, "1 or 2 functions.*got 3", "lengths"),
]
