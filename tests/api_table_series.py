"""Rows of sequences: differences, interpolation, convolutions, polynomials, windows, covariance, phases, bits."""

import numpy as np
from api_draw import ANY, BOOL, FLOATS, INTS, NUMBERS, SIGNED, Draw, call, kind
from api_harness import Refusal, Row, assert_same

BITS = "its results are bits"
FIXED = "its sizes decide shapes and its results are constants"
WIDE = ("float32", "float64", "complex64", "complex128", "int32")       # where rounding of halves would drown what is checked


# --- differences and integrals ---------------------------------------------------------------------

def differences(d: Draw):
    x = d.array(ANY, d.shape(1, 3))
    axis = d.axis(x.ndim)
    n = d.integer(0, 3)
    beside = tuple(2 if a == axis % x.ndim else size for a, size in enumerate(x.shape))
    return call(x, n=n, axis=axis, **d.some(prepend=d.array(dtype=x.dtype, shape=d.pick((), beside)),
                                     append=d.array(dtype=x.dtype, shape=d.pick(beside, ()))))


def diff(x, n, axis, **beside):
    beside = {k: v if v.ndim else np.broadcast_to(v, tuple(1 if a == axis % x.ndim else s for a, s in enumerate(x.shape)))
              for k, v in beside.items()}
    if n == 0:
        return x
    return np.diff(x, n, axis, **beside)


def flat_differences(d: Draw):
    x = d.array(NUMBERS, d.shape(0, 2))
    ends = d.some(to_end=d.array(dtype=x.dtype, shape=d.pick((), (2,), (1, 2))), to_begin=d.array(dtype=x.dtype, shape=d.pick((2,), ())))
    return call(x, **ends)


def slopes(d: Draw):
    x = d.array(NUMBERS, d.shape(1, 3, empty=False, sizes=(2, 3, 4)), special=False)
    x = x.astype("float32") if kind(x.dtype) == "u" else x
    axis = d.pick(None, d.axis(x.ndim), *([(0, -1)] if x.ndim > 1 else []))
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis)
    def spacing(a):
        if d.flag():
            return d.pick(2.0, 0.5) if d.flag() else np.asarray(1.5, "float64" if d.smooth else "float32")
        return np.cumsum(d.array(("float32",) if not d.smooth else ("float64",), (x.shape[a],), 0.5, 2.0, special=False))
    spacings = d.pick([], [0.5], [spacing(a) for a in axes])
    if len(spacings) == 1 and len(axes) > 1 and np.ndim(spacings[0]):
        spacings = []
    return call(x, *spacings, axis=axis) if axis is not None or d.flag() else call(x, *spacings)


def gradient(x, *spacings, axis=None):
    found = np.gradient(x if kind(x.dtype) in "fc" else x.astype(float), *spacings, axis=axis)
    return list(found) if isinstance(found, tuple) else found


def areas(d: Draw):
    y = d.array(ANY, d.shape(1, 3, empty=False), special=False)
    axis = d.axis(y.ndim)
    n = y.shape[axis]
    match d.integer(0, 3):
        case 0:
            return call(y, **d.some(axis=axis))
        case 1:
            return call(y, axis=axis, dx=d.pick(0.5, 2, np.asarray(1.5, "float64" if d.smooth else "float32")))
        case 2:
            return call(y, d.array(("float64",) if d.smooth else ("float32", "int32"), (n,), special=False), axis=axis)
    return call(y, d.array(("float64",) if d.smooth else ("float32",), y.shape, special=False), axis=axis)


def trapezoid(y, x=None, dx=1.0, axis=-1):
    return np.trapezoid(y.astype(float) if kind(y.dtype) in "biu" else y, x, dx, axis)


def between(d: Draw):
    n = d.pick(4, 2, 1)
    real, complex_ = d.pick(("float32", "complex64"), ("float64", "complex128"))
    x = d.array((real, "int32"), d.shape(0, 2), -3.0, 6.0, special=False)
    xp = np.cumsum(d.array((real,), (n,), 0.5, 2.0, special=False))
    fp = d.array((real, complex_), (n,), special=False)
    kwargs: dict = d.some(left=("extrapolate", -1.5) if n > 1 else (-1.5,), right=(2.5, "extrapolate") if n > 1 else (2.5,))
    if d.flag():
        kwargs["period"] = d.pick(3.0, 5)
    return call(x, xp, fp, **kwargs)


def interp(x, xp, fp, left=None, right=None, period=None):
    if period is not None:
        return np.interp(x, xp, fp, period=period)
    found = np.interp(x, xp, fp, *(None if isinstance(v, str) else v for v in (left, right)))
    if left == "extrapolate":
        found = np.where(x < xp[0], fp[0] + (x - xp[0]) * (fp[1] - fp[0]) / (xp[1] - xp[0]), found)
    if right == "extrapolate":
        found = np.where(x > xp[-1], fp[-1] + (x - xp[-1]) * (fp[-1] - fp[-2]) / (xp[-1] - xp[-2]), found)
    return found


# --- convolutions, covariance ----------------------------------------------------------------------

def convolved(d: Draw):
    a, v = (d.array(NUMBERS, (d.integer(1, 5),), special=False) for _ in range(2))
    kwargs = d.some(mode=("same", "full", "valid"), precision=("highest", None))
    if not d.smooth and not {"c", "f"} & {kind(a.dtype), kind(v.dtype)} and a.itemsize + v.itemsize <= 8 and d.flag():
        kwargs["preferred_element_type"] = d.pick("float32", np.float32)
    return call(a, v, **kwargs)


def convolve(a, v, mode="full", precision=None, preferred_element_type=None):
    return np.convolve(a, v, mode)


def correlate(a, v, mode="valid", precision=None, preferred_element_type=None):
    return np.correlate(a, v, mode)


def observations(weights):
    def calls(d: Draw):
        rowvar = d.pick(True, False)
        n = d.pick(4, 3)
        shape = lambda: d.pick((n,), (2, n) if rowvar else (n, 2), (3, n) if rowvar else (n, 3))
        m, y = d.array(WIDE + BOOL, shape(), special=False), d.array(WIDE, shape(), special=False)
        if not weights and not rowvar and m.ndim < y.ndim:          # which JAX's corrcoef refuses
            m, y = y, m
        kwargs = d.some(y=y)
        if weights:
            wide = 64 if {"float64", "complex128"} & {m.dtype.name, y.dtype.name} else 32
            kwargs.update(d.some(bias=(True, False), ddof=(0, 1, 2)))
            kwargs.update(d.some(fweights=d.array(("int32", "uint8"), (n,), 1, 4),
                                 aweights=d.array((f"float{wide}", "int32"), (n,), 1.0, 3.0, special=False)))
        return call(m, rowvar=rowvar, **kwargs)
    return calls


def cov(m, **kwargs):
    return np.cov(m, **{k: v for k, v in kwargs.items() if k != "dtype"})


# --- polynomials -----------------------------------------------------------------------------------

def coefficients(d: Draw, low=1, high=4, kinds=WIDE):
    return d.array(kinds, (d.integer(low, high),), -2.0, 2.0, special=False)


def of_two(trim=None, low=1):
    def calls(d: Draw):
        a, b = coefficients(d, low), coefficients(d, low)
        if trim and not d.traced and d.flag():
            a[:d.integer(0, 1)] = 0
            return call(a, b, trim_leading_zeros=True)
        return call(a, b)
    return calls


def sum_of(sign):
    def oracle(a, b):
        n = max(len(a), len(b))
        return np.pad(a, (n - len(a), 0)) + sign * np.pad(b, (n - len(b), 0))
    return oracle


def polymul(a, b, trim_leading_zeros=False):
    if trim_leading_zeros:
        a, b = (np.trim_zeros(p, "f") if np.any(p) else np.zeros(1) for p in (a, b))
    return np.convolve(a, b)


def quotients(d: Draw):
    u, v = coefficients(d, 1, 5), coefficients(d)
    v[0] = 2
    return call(u, v) if d.traced or d.flag() else call(u, v, trim_leading_zeros=True)


def polydiv(u, v, trim_leading_zeros=False):
    rest, quotient = u.astype(np.result_type(u, v, 1.0)), []
    for k in range(len(u) - len(v) + 1):
        quotient.append(rest[k] / v[0])
        rest[k:k + len(v)] -= quotient[-1] * v
        rest[k] = 0
    return np.array(quotient or [0]), np.trim_zeros(rest, "f") if trim_leading_zeros else rest


def same_quotient(found, expected, given):
    """A remainder whose first coefficients vanish up to rounding is not trimmed."""
    for f, e in zip(found, expected):
        f = np.asarray(f)
        n = max(len(f), len(e))
        assert_same(np.pad(f, (n - len(f), 0)), np.pad(e, (n - len(e), 0)), 100, "quotient and remainder")


def integrals(d: Draw):
    p, m = coefficients(d), d.integer(0, 3)
    kwargs = {}
    if m and d.flag():
        kwargs["k"] = d.pick(2, d.array(dtype=p.dtype, shape=(m,), special=False), d.array(dtype=p.dtype, shape=(1,), special=False))
    return call(p, m, **kwargs) if d.flag() else call(p)


def polyval(p, x, unroll=16):
    y = np.zeros(np.broadcast_shapes(p.shape[1:], x.shape))
    for c in p:
        y = y * x + c
    return y


def values(d: Draw):
    x = d.array(WIDE, d.shape(0, 2), -1.5, 1.5, special=False)
    return call(coefficients(d), x, **d.some(unroll=(1, 4)))


def vandermonde(d: Draw):
    x = d.array(NUMBERS, (d.integer(0 if not d.smooth else 1, 4),), -2.0, 2.0, special=False)
    return call(x, **d.some(N=(0, 1, 3, 5), increasing=(True, False)))


def zeros_of(d: Draw):
    if d.flag():
        n = d.integer(1, 3)
        return call(d.array(("float32", "float64", "complex64"), (n, n), special=False))
    return call(coefficients(d, 0))


def poly(x):
    return np.asarray(np.poly(x)) if x.size else np.asarray(1.0)


def with_roots(d: Draw):
    p = coefficients(d, 1, 5, ("float32", "float64", "complex64", "int32"))
    if d.traced or d.flag():
        p[0] = 1
        return call(p, strip_zeros=False)
    p[:d.integer(0, 1)] = 0
    p[len(p) - d.integer(0, 1):] = 0
    return call(p)


def same_roots(found, expected, given):
    """The same roots in any order."""
    found = np.asarray(found)
    assert found.shape == expected.shape and found.dtype.kind == "c"
    rest = list(expected)
    for root in found:
        nearest = min(rest, key=lambda r: abs(r - root))
        np.testing.assert_allclose(root, nearest, rtol=2e-3, atol=2e-3)
        rest.remove(nearest)


def data(d: Draw):
    n, deg = d.pick(5, 4), d.integer(0, 2)
    kinds = ("float32", "float64")
    x = np.linspace(-1, 1, n).astype("float64" if d.smooth else "float32") + d.array(kinds, (n,), -0.1, 0.1, special=False)
    y = d.array(kinds, d.pick((n,), (n, 2)), special=False)
    kwargs = d.some(w=d.array(kinds, (n,), 0.5, 2.0, special=False), rcond=(1e-6, None))
    return call(x, y, deg, **kwargs, **d.pick({}, {}, {"cov": True}, {"cov": "unscaled"}, {"full": True} if not d.smooth else {}))


def same_fit(found, expected, given):
    """All results but the threshold, which is that of the dtype."""
    pairs = zip(found[:4], expected[:4]) if isinstance(found, tuple) else [(found, expected)]
    for f, e in pairs:
        if f.ndim != np.ndim(e):                # NumPy repeats the one unscaled covariance
            e = e[..., 0]
        assert_same(np.asarray(f), e, 1000, "fit")


# --- phases, bits, windows --------------------------------------------------------------------------

def phases(d: Draw):
    p = d.array(FLOATS + SIGNED, d.shape(1, 3), low=0.0, high=12.0)
    kwargs: dict = d.some(axis=d.axis(p.ndim), discont=(4.0, 1.0, None) if kind(p.dtype) == "f" else (4, 1))
    if kind(p.dtype) in "iu" or d.flag():
        kwargs["period"] = d.pick(4, 5) if kind(p.dtype) in "iu" else d.pick(4.0, 6)
    return call(p, **kwargs)


def unwrap(p, discont=None, axis=-1, period=2 * np.pi):
    return np.unwrap(p, discont, axis, period=period)


def bits(kinds):
    def calls(d: Draw):
        x = d.array(kinds, d.shape(1, 3, sizes=(2, 9, 1, 8)), low=0, high=255 if kinds == ("uint8",) else 2)
        kwargs = d.some(axis=(None, d.axis(x.ndim)), bitorder=("little", "big"))
        if kinds == ("uint8",) and d.flag():
            kwargs["count"] = d.pick(5, -3, 0, 20)
        return call(x, **kwargs)
    return calls


def lengths(d: Draw):
    return call(d.pick(5, 1, 0, 2, 8))


def kaisers(d: Draw):
    return call(d.pick(5, 1, 2, 8), d.pick(*[np.asarray(b, "float64" if d.smooth else "float32") for b in (3.0, 14.0)],
                                           *([] if d.smooth else [4, 2.5])))


ROWS = [
    Row("numpy.diff", diff, differences, "same"),
    Row("numpy.ediff1d", np.ediff1d, flat_differences, "same"),
    Row("numpy.gradient", gradient, slopes, tolerance=4),
    Row("numpy.trapezoid", trapezoid, areas, tolerance=4),
    Row("numpy.interp", interp, between, tolerance=10),

    Row("numpy.convolve", convolve, convolved, tolerance=4),
    Row("numpy.correlate", correlate, convolved, tolerance=4),
    Row("numpy.cov", cov, observations(True), tolerance=4),
    Row("numpy.corrcoef", lambda x, **kw: np.corrcoef(x, **kw), observations(False), tolerance=4),

    Row("numpy.polyadd", sum_of(1), of_two()),
    Row("numpy.polysub", sum_of(-1), of_two()),
    Row("numpy.polymul", polymul, of_two(trim=True), tolerance=4),
    Row("numpy.polydiv", polydiv, quotients, tolerance=100, compare=same_quotient),
    Row("numpy.polyder", lambda p, m=1: np.polyder(p, m) if m < len(p) else p[:0],
        lambda d: call(coefficients(d), d.integer(0, 4)) if d.flag() else call(coefficients(d)), "inexact"),
    Row("numpy.polyint", lambda p, m=1, k=None: np.polyint(p, m, k), integrals),
    Row("numpy.polyval", polyval, values, tolerance=4),
    Row("numpy.vander", np.vander, vandermonde, "same"),
    Row("numpy.poly", poly, zeros_of, tolerance=100),
    Row("numpy.roots", lambda p, strip_zeros=True: np.roots(p).astype(complex), with_roots, compare=same_roots, tolerance=1000, slack=10,
        differs="roots may come in another order"),
    Row("numpy.polyfit", np.polyfit, data, tolerance=1000, slack=10, compare=same_fit),

    Row("numpy.unwrap", unwrap, phases, tolerance=4),
    Row("numpy.packbits", np.packbits, bits(INTS + BOOL), "uint8", grad=False, why=BITS),
    Row("numpy.unpackbits", np.unpackbits, bits(("uint8",)), "uint8", grad=False, why=BITS),
    *[Row(f"numpy.{name}", getattr(np, name), lengths, "float32", vmap=False, grad=False, why=FIXED, examples=4)
      for name in ("bartlett", "blackman", "hamming", "hanning")],
    Row("numpy.kaiser", np.kaiser, kaisers),
]
X, V = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(3, dtype=np.int32)

REFUSALS = [
    Refusal("numpy.diff", lambda m: m.numpy.diff(V, n=-1), ValueError, "must be non-negative but got -1", "order"),
    Refusal("numpy.diff", lambda m: m.numpy.diff(V, n=1.5), TypeError, "n must be an integer, got 1.5", "float as order"),
    Refusal("numpy.diff", lambda m: m.numpy.diff(np.float32(1)), ValueError, r"at least one dimensional; got shape \(\)", "scalar"),
    Refusal("numpy.ediff1d", lambda m: m.numpy.ediff1d([1, 2]), TypeError, "ediff1d requires.*list", "list"),
    Refusal("numpy.gradient", lambda m: m.numpy.gradient(X, edge_order=2), NotImplementedError, "edge_order", "edge_order"),
    Refusal("numpy.gradient", lambda m: m.numpy.gradient(X[:1]), ValueError, r"at least 2 elements.*\(1, 3\)", "size"),
    Refusal("numpy.gradient", lambda m: m.numpy.gradient(X, 1.0, 2.0, 3.0), TypeError, "spacing arguments 3", "spacing"),
    Refusal("numpy.gradient", lambda m: m.numpy.gradient(X[0], X[0, :2]), ValueError, "same length.*3; got 2", "size of spacing"),
    Refusal("numpy.trapezoid", lambda m: m.numpy.trapezoid(X, axis=2), ValueError, "axis 2 is out of bounds", "axis"),
    Refusal("numpy.interp", lambda m: m.numpy.interp(V, V, V[:2]), ValueError, r"\(3,\) and \(2,\)", "shapes"),
    Refusal("numpy.interp", lambda m: m.numpy.interp(V + 1j, V, V), ValueError, "complex x values", "complex"),
    Refusal("numpy.interp", lambda m: m.numpy.interp(V, V, V, left="x"), ValueError, "`left` is 'extrapolate', but got: 'x'", "left"),
    Refusal("numpy.interp", lambda m: m.numpy.interp(V, V, V, period=V), ValueError, "period must be a scalar", "period"),
    Refusal("numpy.convolve", lambda m: m.numpy.convolve(X, V), ValueError, r"1-dimensional inputs; got shapes \(2, 3\)", "rank"),
    Refusal("numpy.convolve", lambda m: m.numpy.convolve(V, V[:0]), ValueError, "inputs cannot be empty", "empty"),
    Refusal("numpy.convolve", lambda m: m.numpy.convolve(V, V, mode="x"), ValueError, "mode must be one of.*'x'", "mode"),
    Refusal("numpy.convolve", lambda m: m.numpy.convolve(X[0], X[0], preferred_element_type="int32"), TypeError,
            "preferred_element_type", "dtype"),
    Refusal("numpy.cov", lambda m: m.numpy.cov(X[None]), ValueError, r"m has more than 2 dimensions.*\(1, 2, 3\)", "rank"),
    Refusal("numpy.cov", lambda m: m.numpy.cov(X, X[:, :2]), TypeError, "same number of observations, got 3 and 2", "sizes"),
    Refusal("numpy.cov", lambda m: m.numpy.cov(X, fweights=X[0]), TypeError, "fweights must be integer, got float32", "fweights"),
    Refusal("numpy.cov", lambda m: m.numpy.cov(X, aweights=X[0, :2]), RuntimeError, "aweights: 3 and 2", "aweights"),
    Refusal("numpy.cov", lambda m: m.numpy.cov(X, dtype=int), ValueError, "dtype must be a subclass of float", "dtype"),
    Refusal("numpy.polyder", lambda m: m.numpy.polyder(V, -1), ValueError, "order m must not be negative, got -1", "order"),
    Refusal("numpy.polyint", lambda m: m.numpy.polyint(V, 2, k=V), ValueError, "k must be a scalar or a rank-1 array", "k"),
    Refusal("numpy.polyadd", lambda m: m.numpy.polyadd([1], V), TypeError, "polyadd requires.*list", "list"),
    Refusal("numpy.polymul", lambda m: m.numpy.polymul(X, X), ValueError, r"a1 must be.*\(2, 3\)", "rank"),
    Refusal("numpy.polyfit", lambda m: m.numpy.polyfit(X[0], X[0], -1), ValueError, "deg >= 0, got -1", "degree"),
    Refusal("numpy.polyfit", lambda m: m.numpy.polyfit(X, X, 1), TypeError, r"1D vector for x, got shape \(2, 3\)", "rank"),
    Refusal("numpy.polyfit", lambda m: m.numpy.polyfit(X[0], X[0, :2], 1), TypeError, r"\(3,\) and \(2,\)", "sizes"),
    Refusal("numpy.poly", lambda m: m.numpy.poly(X), ValueError, r"square 2d array, got shape \(2, 3\)", "shape"),
    Refusal("numpy.roots", lambda m: m.numpy.roots(X), ValueError, r"rank-1 array, got shape \(2, 3\)", "rank"),
    Refusal("numpy.roots", lambda m: m.jit(m.numpy.roots)(V), TypeError, "strip_zeros=False", "under jit"),
    Refusal("numpy.vander", lambda m: m.numpy.vander(X), ValueError, r"one-dimensional array, got shape \(2, 3\)", "rank"),
    Refusal("numpy.vander", lambda m: m.numpy.vander(V, N=-1), ValueError, "N must be nonnegative, got -1", "negative size"),
    Refusal("numpy.unwrap", lambda m: m.numpy.unwrap(V + 1j), ValueError, "complex", "complex"),
    Refusal("numpy.packbits", lambda m: m.numpy.packbits(X), TypeError, "integer or boolean data type, got float32", "floats"),
    Refusal("numpy.packbits", lambda m: m.numpy.packbits(V, bitorder="x"), ValueError, "bitorder.*'x'", "bitorder"),
    Refusal("numpy.unpackbits", lambda m: m.numpy.unpackbits(V), TypeError, "unsigned byte data type, got int32", "dtype"),
    Refusal("numpy.hanning", lambda m: m.numpy.hanning("x"), ValueError, "M must be a number of points, got 'x'", "string"),
    Refusal("numpy.hanning", lambda m: m.numpy.hanning(V), TypeError, "M must be a number of points", "array"),
    Refusal("numpy.hanning", lambda m: m.jit(m.numpy.hanning)(5), TypeError, "jnp.hanning must be known", "under jit"),
    *[Refusal(f"numpy.{name}", lambda m, name=name: getattr(m.numpy, name)(-1), TypeError, "must not be negative, got -1", "negative size")
      for name in ("bartlett", "blackman", "hamming", "hanning")],
    Refusal("numpy.kaiser", lambda m: m.numpy.kaiser(-1, 3.0), TypeError, "must not be negative, got -1", "negative size"),
    Refusal("numpy.kaiser", lambda m: m.numpy.kaiser(5, 1j), ValueError, "beta must be real", "complex"),
]
