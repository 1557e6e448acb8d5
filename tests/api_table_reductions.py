"""Rows of reductions: sums, means, moments, quantiles, extremes and where they are, running sums, segments."""

import functools
import warnings

import numpy as np
from api_draw import ANY, BOOL, COMPLEX, FLOATS, INEXACT, INTS, NARROW, NUMBERS, REAL, Draw, call, kind, np_dtype
from api_harness import Refusal, Row

SIZES = (2, 3, 4)       # where one element is no sample
X, EMPTY = np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0, 3), np.float32)
NO_DERIVATIVE = "its results are integers or booleans"


# --- generators ---------------------------------------------------------------------------------

def quiet(f):
    """``f`` without NumPy's warnings of empty slices and the like."""
    @functools.wraps(f)
    def silent(*args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f(*args, **kwargs)
    return silent


def mask(d: Draw, shape):
    """What ``where=`` takes: of the whole shape, of its last dimensions, or with dimensions of size 1."""
    return d.array(BOOL, d.pick(shape, shape[1:], (1,) * len(shape)))


def reduced(kinds=NUMBERS, where=False, initial=False, dtype=(), empty=True, sample=False, low=-4.0, high=4.0, more=None):
    """An array, ``axis`` in all its forms, ``keepdims``, and what else there is of ``where``, ``initial`` and ``dtype``.

    initial : whether it may be given; "needed": it must be, where there may be nothing to reduce
    sample : whether a single element has no derivative
    more : ``more(d, x)`` answers further keyword arguments
    """
    def calls(d: Draw):
        sample_here = sample and d.smooth
        x = d.array(kinds, d.shape(1 if sample_here else 0, empty=empty, sizes=SIZES if sample_here else (2, 3, 1, 4)), low, high)
        kwargs: dict = d.some(axis=(d.axis(x.ndim) if sample_here else d.axes(x.ndim),), keepdims=(True, False))
        if where and not sample_here and d.flag():
            kwargs["where"] = mask(d, x.shape)
        if initial and (d.flag() or initial == "needed" and ("where" in kwargs or not x.size)):
            kwargs["initial"] = d.pick(2, np.asarray(1, x.dtype), 3.0 if kind(x.dtype) in "fc" else 3) if x.dtype != bool else d.flag()
        if dtype and not d.smooth and d.flag():
            to = d.pick(*[t for t in dtype if "iufc".index(kind(t)) >= "iufc".find(kind(x.dtype))])
            kwargs["dtype"] = d.pick(to, np_dtype(to))
        return call(x, **kwargs, **(more(d, x) if more else {}))
    return calls


def in_dtype(f, keep_real=False):
    """``f`` on the elements in the dtype asked for; ``keep_real``: real ones stay so, as NumPy's quotients of infinities need."""
    def converted(x, *args, dtype=None, promote_integers=True, **kwargs):
        if dtype is not None and not (keep_real and kind(dtype) == "c"):
            x = x.astype(np_dtype(dtype))
            x = x.astype(np.float64) if kind(x.dtype) == "f" else x
        return f(x, *args, **kwargs)
    return quiet(converted)


def narrow_sums(d, x):
    return d.some(promote_integers=(True, False)) if x.dtype != bool else {}


DTYPES = ("float32", "int32", "bfloat16", "float64", "complex64", "int8", "uint16", "float16")


def weighted(d: Draw):
    x = d.array(INEXACT + INTS, d.shape(1, 3, empty=False), special=False)
    axis = d.pick(None, d.axis(x.ndim), d.axes(x.ndim))
    kwargs = d.some(returned=(True, False), keepdims=(True, False))
    if d.flag():
        shape = x.shape if axis is None or d.flag() else tuple(x.shape[a] for a in (axis if isinstance(axis, tuple) else (axis,)))
        if isinstance(axis, tuple) and shape != x.shape and len(axis) > 1:
            shape = x.shape
        kwargs["weights"] = d.array(REAL + COMPLEX, shape, low=1.0, high=4.0, special=False)
    return call(x, axis=axis, **kwargs)


def averaged(x, axis=None, weights=None, returned=False, keepdims=False):
    if weights is not None and isinstance(axis, tuple) and len(axis) == 1 and weights.ndim == 1 < x.ndim:
        axis = axis[0]
    if axis == () and x.ndim:
        w = np.ones(x.shape) if weights is None else weights
        return (x * w / w, w) if returned else x * w / w
    return np.average(x, axis=axis, weights=weights, returned=returned, keepdims=keepdims)


def spread(d: Draw, x):
    """What var and std take besides."""
    return d.some(**d.pick({"ddof": (1, 0)}, {"correction": (1, 0, 0.5)}, {}))


def nan_spread(d: Draw, x):
    return d.some(ddof=(1, 0, 2))


def in_double(f):
    """``f`` without its dtype: as exact as it can be."""
    return quiet(lambda x, dtype=None, **kwargs: f(x, **kwargs))


# --- quantiles ----------------------------------------------------------------------------------

METHODS = ("linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf")


def quantiles(scale=1):
    def calls(d: Draw):
        x = d.array(REAL + BOOL, d.shape(0, 3, empty=False), special=True)
        if not d.smooth and kind(x.dtype) == "b":
            x = x.astype(np.float32)
        kwargs: dict = d.some(axis=(d.axes(x.ndim) or None,), method=METHODS, **({"keepdims": (True, False)} if x.ndim else {}))
        shape = d.pick((), (3,), (1,))
        # of few bits in float32, and away from where two methods or roundings part
        q = (np.round(d.rng.uniform(0.02, 0.98, shape) * 64) / 64 + 1 / 256).astype(np.float64 if d.smooth else np.float32)
        if x.dtype == np.float32 and kwargs.get("method") == "inverted_cdf" and d.flag():
            kwargs["weights"] = d.array(("float32", "int32", "uint8"), x.shape, low=1.0, high=3.0, special=False)
        return call(x, d.pick(np.asarray(q * scale), 0.25 * scale, 0.0, 1.0 * scale, *([50] if scale == 100 else [])), **kwargs)
    return calls


def quantile_oracle(scale=1, skip_nan=False):
    """By the definition: the elements on both sides of place ``q (n - 1)``, and what the method makes of them."""
    def along(row, q, method, w):
        nan = np.isnan(row)
        if skip_nan:
            row, w = row[~nan], None if w is None else w[~nan]
        if not row.size or nan.any() and not skip_nan:
            return np.nan
        order = np.argsort(row, kind="stable")
        row = row[order]
        if method == "inverted_cdf":
            w = np.ones(len(row)) if w is None else w[order]
            total = np.cumsum(w)
            return row[min(np.searchsorted(total, q * total[-1]), len(row) - 1)]
        place = q * (len(row) - 1)
        low, high = row[int(np.floor(place))], row[int(np.ceil(place))]
        part = place - np.floor(place)
        return {"lower": low, "higher": high, "midpoint": (low + high) / 2, "nearest": low if part <= 0.5 else high,
                "linear": low * (1 - part) + high * part}[method]

    @quiet
    def oracle(x, q, axis=None, method="linear", keepdims=False, weights=None):
        x = x.astype(float)
        q = np.asarray(q, float) / scale
        axes = tuple(range(x.ndim)) if axis is None else tuple(a % x.ndim for a in np.atleast_1d(axis))
        rest = tuple(a for a in range(x.ndim) if a not in axes)
        kept = tuple(x.shape[a] for a in rest)
        rows, ws = [None if a is None else np.transpose(a, rest + axes).reshape(*kept, -1) for a in (x, weights)]
        out = np.empty(q.shape + kept)
        for i in np.ndindex(out.shape):
            j = i[q.ndim:]
            out[i] = along(rows[j], q[i[:q.ndim]], method, None if ws is None else ws[j])
        return np.expand_dims(out, tuple(a + q.ndim for a in axes)) if keepdims else out
    return oracle


def middle(d: Draw):
    x = d.array(REAL, d.shape(0, 3, empty=False))
    return call(x, **d.some(axis=(d.axes(x.ndim) or None,), **({"keepdims": (True, False)} if x.ndim else {})))


def median_oracle(skip_nan):
    found = quantile_oracle(1, skip_nan)
    return lambda x, axis=None, keepdims=False: found(x, 0.5, axis, "midpoint", keepdims)


# --- extremes, running sums, segments --------------------------------------------------------------

def arg_extreme(kinds):
    def calls(d: Draw):
        x = d.array(kinds, d.shape(0, 3, empty=False))
        return call(x, **d.some(axis=(d.axis(x.ndim, none=True),), keepdims=(True, False)))
    return calls


def skipping(f, fill):
    """``f`` without regard to nan; -1 where there is nothing else."""
    def oracle(x, axis=None, keepdims=False):
        missing = np.isnan(x)
        found = f(np.where(missing, fill, x), axis=axis, keepdims=keepdims)
        return np.where(np.all(missing, axis=axis, keepdims=keepdims), -1, found)
    return oracle


def running(d: Draw):
    x = d.array(ANY, d.shape())
    kwargs = d.some(axis=(d.axis(x.ndim, none=True),))
    if not d.smooth and d.flag():
        kwargs["dtype"] = d.pick(*[t for t in DTYPES if "iufc".index(kind(t)) >= "iufc".find(kind(x.dtype))])
    return call(x, **kwargs)


def running_standard(d: Draw):
    given = running(d)
    (x,) = given.args
    axis = {} if x.ndim == 1 and d.flag() else {"axis": d.axis(x.ndim)}
    if not x.ndim:
        x, axis = x.reshape(1), {}
    return call(x, **{**given.kwargs, "axis": axis.get("axis"), **d.some(include_initial=(True, False))})


def segments(update):
    """A reduction over segments by ``ufunc.at``."""
    def oracle(data, ids, num_segments=None, mode=None, **promises):
        ids = ids.astype(int)
        n = int(ids.max()) + 1 if num_segments is None else num_segments
        least = {np.maximum: -np.inf, np.minimum: np.inf}.get(update)
        if least is not None and kind(data.dtype) in "iu":
            info = np.iinfo(data.dtype)
            least = info.min if least < 0 else info.max
        out = np.full((n, *data.shape[1:]), update.identity if least is None else least, data.dtype)
        if mode in ("clip", "promise_in_bounds"):
            ids = np.clip(ids, 0, n - 1)
        inside = (ids >= 0) & (ids < n)
        with np.errstate(all="ignore"):
            update.at(out, ids[inside], data[inside])
        return out
    return oracle


def segmented(kinds, unique=False):
    def calls(d: Draw):
        data = d.array(kinds, d.shape(1, 3))
        if d.smooth:                                # each segment has a row, and only one where that matters
            n = len(data)
            m = n if unique else d.integer(1, n)
            ids = (d.rng.permutation(n) % m).astype(np.int32)
            return call(data, ids, num_segments=m, **({"unique_indices": True} if unique else {}))
        ids = d.rng.integers(-1, 4, data.shape[:1]).astype(d.pick("int32", "int64", "int8"))
        kwargs: dict = {"num_segments": d.pick(3, 5, 1, 0)} if d.traced or not len(ids) or d.flag() else {}
        if "num_segments" not in kwargs:
            ids[0] = 3
        if d.flag():
            ids, kwargs["indices_are_sorted"] = np.sort(ids), True
        if len(ids) and d.flag():
            kwargs["bucket_size"] = d.pick(2, 1, 3)
        if d.flag():
            kwargs["mode"] = d.pick("drop", "clip", "fill")
        return call(data, ids, **kwargs)
    return calls


no_identity = {"initial": "needed", "where": True}

ROWS = [
    Row("numpy.sum", in_dtype(np.sum), reduced(ANY, where=True, initial=True, dtype=DTYPES, more=narrow_sums)),
    Row("Array.sum", in_dtype(np.sum), reduced(ANY, where=True, initial=True, dtype=DTYPES, more=narrow_sums), examples=3,
        differs="JAX's method ignores initial"),
    Row("numpy.prod Array.prod", in_dtype(np.prod), reduced(ANY, where=True, initial=True, dtype=DTYPES, more=narrow_sums, low=-2, high=2)),
    Row("numpy.max numpy.amax Array.max", quiet(np.max), reduced(ANY, **no_identity), "same"),
    Row("numpy.min numpy.amin Array.min", quiet(np.min), reduced(ANY, **no_identity), "same"),
    Row("numpy.ptp Array.ptp", quiet(np.ptp), reduced(NUMBERS, empty=False), "same"),
    Row("numpy.all Array.all", np.all, reduced(ANY, where=True), "bool", grad=False, why=NO_DERIVATIVE),
    Row("numpy.any Array.any", np.any, reduced(ANY, where=True), "bool", grad=False, why=NO_DERIVATIVE),
    Row("numpy.count_nonzero", np.count_nonzero, reduced(ANY), grad=False, why=NO_DERIVATIVE),
    Row("numpy.minmax", lambda x, **kw: (quiet(np.min)(x, **kw), quiet(np.max)(x, **kw)), reduced(REAL, **no_identity),
        differs="JAX 0.10.2 has it not yet"),
    Row("numpy.mean Array.mean", in_dtype(np.mean, keep_real=True), reduced(ANY, where=True, dtype=FLOATS + COMPLEX, sample=True)),
    Row("numpy.average", averaged, weighted),
    Row("numpy.var Array.var", in_double(np.var), reduced(ANY, where=True, dtype=FLOATS + COMPLEX, more=spread, sample=True), tolerance=4),
    Row("numpy.std Array.std", in_double(np.std), reduced(ANY, where=True, dtype=FLOATS + COMPLEX, more=spread, sample=True), tolerance=4),

    Row("numpy.nansum", in_dtype(np.nansum), reduced(ANY, where=True, initial=True, dtype=DTYPES)),
    Row("numpy.nanprod", in_dtype(np.nanprod), reduced(ANY, where=True, initial=True, dtype=DTYPES, low=-2, high=2)),
    Row("numpy.nanmax", quiet(np.nanmax), reduced(ANY, **no_identity), "same"),
    Row("numpy.nanmin", quiet(np.nanmin), reduced(ANY, **no_identity), "same"),
    Row("numpy.nanmean", in_dtype(np.nanmean, keep_real=True), reduced(ANY, where=True, dtype=FLOATS + COMPLEX, sample=True)),
    Row("numpy.nanvar", in_double(np.nanvar),
        reduced(ANY, where=True, dtype=FLOATS + COMPLEX, more=nan_spread, sample=True), tolerance=4),
    Row("numpy.nanstd", in_double(np.nanstd),
        reduced(ANY, where=True, dtype=FLOATS + COMPLEX, more=nan_spread, sample=True), tolerance=4),

    Row("numpy.quantile", quantile_oracle(), quantiles(), tolerance=4),
    Row("numpy.percentile", quantile_oracle(100), quantiles(100), tolerance=4),
    Row("numpy.nanquantile", quantile_oracle(1, True), quantiles(), tolerance=4),
    Row("numpy.nanpercentile", quantile_oracle(100, True), quantiles(100), tolerance=4),
    Row("numpy.median", median_oracle(False), middle, "inexact"),
    Row("numpy.nanmedian", median_oracle(True), middle, "inexact"),

    Row("numpy.argmax Array.argmax", np.argmax, arg_extreme(REAL + BOOL + NARROW), "index", grad=False, why=NO_DERIVATIVE),
    Row("numpy.argmin Array.argmin", np.argmin, arg_extreme(REAL + BOOL + NARROW), "index", grad=False, why=NO_DERIVATIVE),
    Row("numpy.nanargmax", skipping(np.argmax, -np.inf), arg_extreme(REAL), "index", grad=False, why=NO_DERIVATIVE),
    Row("numpy.nanargmin", skipping(np.argmin, np.inf), arg_extreme(REAL), "index", grad=False, why=NO_DERIVATIVE),

    Row("numpy.cumsum Array.cumsum", in_dtype(np.cumsum), running),
    Row("numpy.cumprod Array.cumprod", in_dtype(np.cumprod), running),
    Row("numpy.nancumsum", in_dtype(np.nancumsum), running),
    Row("numpy.nancumprod", in_dtype(np.nancumprod), running),
    Row("numpy.cumulative_sum", in_dtype(np.cumulative_sum), running_standard),
    Row("numpy.cumulative_prod", in_dtype(np.cumulative_prod), running_standard),

    Row("ops.segment_sum", segments(np.add), segmented(NUMBERS)),
    Row("ops.segment_prod", segments(np.multiply), segmented(NUMBERS, unique=True)),
    Row("ops.segment_max", segments(np.maximum), segmented(REAL)),
    Row("ops.segment_min", segments(np.minimum), segmented(REAL)),
]

REFUSALS = [
    Refusal("numpy.sum", lambda m: m.numpy.sum([1, 2]), TypeError, "sum requires ndarray or scalar.*list.* at position 0", "list"),
    Refusal("numpy.sum", lambda m: m.numpy.sum("abc"), TypeError, "sum requires.*str.* at position 0", "string"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(None), TypeError, "sum requires.*NoneType", "None"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(np.array([object()])), TypeError, "dtype object", "objects"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(np.array(["a"])), TypeError, "dtype <U1", "strings"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(X, axis=2), ValueError, "axis 2 is out of bounds for array of dimension 2", "axis"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(X, axis=(0, -2)), ValueError, "duplicate value in axis", "axis twice"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(X, axis=1.0), TypeError, "axis must be an integer, got 1.0", "float as axis"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(X, dtype="nope"), TypeError, "'nope'", "dtype"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(X, dtype=str), TypeError, "str.* in sum", "dtype of strings"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(X, out=X), NotImplementedError, "'out' argument to jnp.sum", "out"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(X, where=X), ValueError, "where must be None or a boolean array; got .*float32", "where"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(X, where=X[:1, :2] > 0), ValueError, r"where, of shape \(1, 2\)", "shape of where"),
    Refusal("numpy.sum", lambda m: m.numpy.sum(X, initial=X[0]), ValueError, r"initial value must be a scalar.*\(3,\)", "initial"),
    Refusal("numpy.max", lambda m: m.numpy.max(EMPTY), ValueError, r"zero-size array to reduction operation max.*\(0, 3\)", "empty"),
    Refusal("numpy.max", lambda m: m.numpy.max(X, where=X > 1), ValueError, "one has to specify 'initial'", "where"),
    Refusal("numpy.nanmin", lambda m: m.numpy.nanmin(EMPTY, axis=0), ValueError, "zero-size array to reduction", "empty"),
    Refusal("numpy.ptp", lambda m: m.numpy.ptp(X > 1), TypeError, "bool", "booleans"),
    Refusal("numpy.average", lambda m: m.numpy.average(X, weights=X[0]), ValueError, r"\(2, 3\) and \(3,\)", "no axis"),
    Refusal("numpy.average", lambda m: m.numpy.average(X, axis=0, weights=X[0]), ValueError, r"weights of shape \(3,\)", "weights"),
    Refusal("numpy.var", lambda m: m.numpy.var(X, ddof=1, correction=1), ValueError, "ddof and correction", "twice"),
    Refusal("numpy.std", lambda m: m.numpy.std(X, dtype=int), ValueError, "dtype argument to jnp.std must be inexact", "dtype"),
    Refusal("numpy.var", lambda m: m.numpy.var(X + 1j, dtype="float32"), ValueError, "real dtype for complex", "complex"),
    Refusal("numpy.quantile", lambda m: m.numpy.quantile(X, X), ValueError, r"q must be have rank <= 1, got shape \(2, 3\)", "q"),
    Refusal("numpy.quantile", lambda m: m.numpy.quantile(X, [0.5]), TypeError, "list.* at position 1", "list"),
    Refusal("numpy.quantile", lambda m: m.numpy.quantile(X, 0.5, method="hazen"), ValueError, "method.*'hazen'", "method"),
    Refusal("numpy.quantile", lambda m: m.numpy.quantile(X + 1j, 0.5), ValueError, "complex", "complex"),
    Refusal("numpy.quantile", lambda m: m.numpy.quantile(X, 0.5, weights=X), NotImplementedError, "inverted_cdf", "weights"),
    Refusal("numpy.quantile", lambda m: m.numpy.quantile(X, 0.5, axis=1, weights=X[0, :2], method="inverted_cdf"), ValueError,
            r"Weights shape \(2,\) must match reduction axes \(3,\)", "shape of weights"),
    Refusal("numpy.median", lambda m: m.numpy.median(X, overwrite_input=True), ValueError, "overwrite_input", "overwrite"),
    Refusal("numpy.argmax", lambda m: m.numpy.argmax(EMPTY), ValueError, "argmax of an empty sequence", "empty"),
    Refusal("numpy.argmax", lambda m: m.numpy.argmax(X + 1j), TypeError, "argmax does not accept dtype complex64", "complex"),
    Refusal("numpy.argmax", lambda m: m.numpy.argmax(X, axis=(0, 1)), TypeError, r"axis must be an integer, got \(0, 1\)", "axes"),
    Refusal("numpy.cumsum", lambda m: m.numpy.cumsum(X, axis=2), ValueError, "axis 2 is out of bounds", "axis"),
    Refusal("numpy.cumulative_sum", lambda m: m.numpy.cumulative_sum(X), ValueError, "rank 2, however axis was not set", "no axis"),
    Refusal("numpy.cumulative_sum", lambda m: m.numpy.cumulative_sum(1.0), ValueError, "must be non-scalar", "scalar"),
    Refusal("ops.segment_sum", lambda m: m.ops.segment_sum(X, X[:, 0], 2), TypeError, "segment_ids.*got dtype float32", "floats"),
    Refusal("ops.segment_sum", lambda m: m.ops.segment_sum(X, np.zeros(2, int), -1), ValueError, "num_segments.*-1", "negative size"),
    Refusal("ops.segment_sum", lambda m: m.ops.segment_sum(X, np.zeros(2, int), 2, mode="nope"), ValueError, "mode.*nope", "mode"),
    Refusal("ops.segment_sum", lambda m: m.jit(m.ops.segment_sum)(X, np.zeros(2, int)), TypeError, "num_segments", "no size under jit"),
]
