"""Windows, polynomials, convolutions, sets, bits, covariance, concatenators, vectorize and files, against NumPy."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_compare import assert_close, check, check_gradient

import ferax
import ferax.numpy as jnp

rng = np.random.default_rng(0)
F32 = rng.normal(size=6).astype(np.float32)
SHORT = rng.normal(size=3).astype(np.float32)
COMPLEX = (SHORT + 1j * SHORT[::-1]).astype(np.complex64)
INTS = np.array([3, 1, 2, 3, 7], np.int32)
OTHERS = np.array([2, 3, 3, 9], np.int32)
MATRIX = rng.normal(size=(3, 5)).astype(np.float32)
BITS = rng.integers(0, 2, (3, 11)).astype(np.int32)
BYTES = rng.integers(0, 256, (2, 3)).astype(np.uint8)

ROWS = [
    *[(name, (m,), {}) for name in ("bartlett", "blackman", "hamming", "hanning") for m in (0, 1, 2, 7)],
    ("kaiser", (1, 3.0), {}), ("kaiser", (8, 3.0), {}), ("kaiser", (5, 0.0), {}),
    *[(name, (a, v), {"mode": mode}) for name in ("convolve", "correlate") for mode in ("full", "same", "valid")
      for a, v in ((F32, SHORT), (SHORT, F32), (F32, F32[:4]), (F32, COMPLEX), (COMPLEX, F32), (INTS.astype(float), SHORT))],
    *[(name, (a, b), {}) for name in ("polyadd", "polysub", "polymul")
      for a, b in ((F32, SHORT), (SHORT, F32), (F32, F32[::-1]), (SHORT, COMPLEX))],
    *[("polyder", (a, m), {}) for a in (F32, COMPLEX) for m in (0, 1, 3)],
    *[("polyint", (a, m), {}) for a in (F32, COMPLEX) for m in (0, 1, 3)],
    ("polyint", (F32, 2, np.array([3.0, 4.0])), {}), ("polyint", (F32, 2, 3.0), {}),
    ("polyval", (F32, MATRIX), {}), ("polyval", (COMPLEX, F32), {}), ("polyval", (INTS, OTHERS), {}),
    ("vander", (F32,), {}), ("vander", (COMPLEX, 4), {"increasing": True}), ("vander", (INTS, 2), {}),
    ("poly", (SHORT,), {}), ("poly", (np.array([[2.0, 1], [1, 3]]),), {}),
    ("cov", (MATRIX,), {}), ("cov", (MATRIX, MATRIX[:2] ** 2), {}), ("cov", (MATRIX,), {"rowvar": False}),
    ("cov", (MATRIX[0], MATRIX[1]), {}),
    ("cov", (MATRIX,), {"bias": True}), ("cov", (MATRIX,), {"ddof": 0}), ("cov", (MATRIX + 1j * MATRIX[::-1],), {}),
    ("cov", (MATRIX,), {"fweights": np.array([1, 2, 3, 1, 1]), "aweights": np.array([1, 0.2, 3, 1, 1])}),
    ("corrcoef", (MATRIX,), {}), ("corrcoef", (MATRIX, MATRIX[:1] ** 2), {}), ("corrcoef", (MATRIX[0],), {}),
    *[("packbits", (BITS,), {"axis": axis, "bitorder": order}) for axis in (None, 0, -1) for order in ("big", "little")],
    *[("unpackbits", (BYTES,), {"axis": axis, "count": count}) for axis in (None, 0, -1) for count in (None, 3, -3, 30)],
    ("unwrap", (np.array([0.0, 3.2, -3.1, 9.9, 2.5]),), {}), ("unwrap", (np.array([0, 1, 7, 8, 20]),), {"period": 4}),
    ("unwrap", (5 * MATRIX,), {"axis": 0, "discont": 4.0}), ("unwrap", (np.array([0, 9, 2, 14]),), {"period": 5}),
    *[(name, (a, b), {}) for name in ("intersect1d", "setdiff1d", "setxor1d")
      for a, b in ((INTS, OTHERS), (OTHERS, INTS), (INTS, np.zeros(0, np.int32)), (BITS, INTS), (INTS, np.array([100, 101], np.int32)))],
    *[(name, (np.array([5, 1, 4]), np.array([4, 5, 8])), {"assume_unique": True}) for name in ("intersect1d", "setdiff1d", "setxor1d")],
    ("intersect1d", (INTS, OTHERS), {"return_indices": True}),
]


@pytest.mark.parametrize("name, args, kwargs", ROWS, ids=[f"{i}-{row[0]}" for i, row in enumerate(ROWS)])
def test_against_numpy(name, args, kwargs):
    check(getattr(jnp, name), getattr(np, name), args, kwargs)


@pytest.mark.parametrize("u, v", [(F32, SHORT), (SHORT, F32), (F32, COMPLEX), (F32, F32[:1])])
def test_polydiv(u, v):
    quotient, rest = jnp.polydiv(jnp.asarray(u), jnp.asarray(v), trim_leading_zeros=True)
    expected = np.polydiv(u, v)
    np.testing.assert_allclose(quotient, expected[0], rtol=1e-3, atol=1e-3)
    whole = jnp.polyadd(jnp.polymul(quotient, jnp.asarray(v)), rest if rest.size else jnp.zeros(1))
    np.testing.assert_allclose(whole[-len(u):], u, rtol=1e-3, atol=1e-3)
    assert ferax.jit(jnp.polydiv)(u, v)[1].shape == u.shape


def sorted_roots(x):
    return np.sort_complex(np.round(np.asarray(x), 4))


@pytest.mark.parametrize("p", [[1.0, -6, 11, -6], [0.0, 0, 1, -3, 2, 0], [2.0, 0, 0], [3.0], [0.0, 0.0], [1j, 2, 1]])
def test_roots(p):
    p = np.array(p, np.complex64 if np.iscomplexobj(p) else np.float32)
    expected = sorted_roots(np.roots(p))
    np.testing.assert_allclose(sorted_roots(jnp.roots(jnp.asarray(p))), expected, atol=1e-3)
    traced = np.asarray(ferax.jit(lambda p: jnp.roots(p, strip_zeros=False))(p))
    assert traced.shape == (len(p) - 1,)
    np.testing.assert_allclose(sorted_roots(traced[~np.isnan(traced)]), expected, atol=1e-3)
    with pytest.raises(ferax.errors.ConcretizationTypeError, match="strip_zeros=False"):
        ferax.jit(jnp.roots)(p)


def test_roots_are_differentiable():
    check_gradient(lambda p: jnp.real(jnp.roots(p, strip_zeros=False)), np.array([1.0, -6, 11, -6]), tolerance=5e-2, step=1e-3)


X = np.array([0.0, 1, 2, 3, 4], np.float32)
Y = np.array([1.0, 2.1, 5.3, 9.8, 17.1], np.float32)
W = np.array([1.0, 2, 1, 0.5, 1], np.float32)


@pytest.mark.parametrize("y", [Y, np.stack([Y, 2 * Y, Y[::-1]], 1)], ids=["vector", "matrix"])
@pytest.mark.parametrize("kwargs", [{}, {"w": W}, {"cov": True}, {"cov": "unscaled", "w": W}, {"rcond": 0.5}])
@pytest.mark.filterwarnings("ignore:Polyfit may be poorly")
def test_polyfit(y, kwargs):
    found = jnp.polyfit(X, y, 2, **kwargs)
    expected = np.polyfit(X.astype(np.float64), y, 2, **kwargs)
    for f, e in zip(found if "cov" in kwargs else [found], expected if "cov" in kwargs else [expected]):
        if f.ndim != np.ndim(e):                # NumPy repeats the one unscaled covariance
            e = e[..., 0]
        np.testing.assert_allclose(f, e, rtol=2e-3, atol=2e-3)
    if "cov" not in kwargs:
        full = jnp.polyfit(X, y, 2, full=True, **kwargs)
        np.testing.assert_allclose(full[0], found)
        np.testing.assert_allclose(full[3], np.polyfit(X, y, 2, full=True, **kwargs)[3], rtol=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-3, 3), max_size=6), st.lists(st.integers(-3, 3), max_size=6), st.integers(1, 4))
def test_sets_of_a_given_size(a, b, size):
    a, b = np.array(a, np.int32), np.array(b, np.int32)
    for name in ("intersect1d", "setdiff1d", "setxor1d"):
        whole = getattr(np, name)(a, b)
        found = np.asarray(getattr(jnp, name)(a, b, size=size, fill_value=-9))
        np.testing.assert_array_equal(found, [*whole, *[-9] * size][:size])


def test_sets_while_tracing():
    found = ferax.jit(lambda a, b: jnp.intersect1d(a, b, return_indices=True, size=4, fill_value=-1))(INTS, OTHERS)
    assert_close(found, [np.array([2, 3, -1, -1]), np.array([2, 0, 5, 5]), np.array([0, 1, 4, 4])])
    with pytest.raises(ferax.errors.ConcretizationTypeError):
        ferax.jit(jnp.setdiff1d)(INTS, OTHERS)


A, M = np.array([1, 2, 3]), np.ones((2, 2))


@pytest.mark.parametrize("key", [
    (A, 0, 0, A), (slice(-1, 1, 6j), [0] * 3, 5, 6), ("-1", M, M), ("0,2", A, A), ("0,2,0", A, A), ("1,2,0", A, A), slice(0, 5),
    (slice(0, 5, 2), 1.5), ("r", A, A), ("c", A, A), 1, ("0,3,1", A, A), (M, M), ("0,3,-1", M)], ids=str)
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_r_and_c(key):
    for ours, theirs in ((jnp.r_, np.r_), (jnp.c_, np.c_)):
        try:
            expected = np.asarray(theirs[key])
        except ValueError:
            with pytest.raises((ValueError, TypeError)):
                ours[key]
        else:
            np.testing.assert_allclose(ours[key], expected, rtol=1e-6)


@pytest.mark.parametrize("key", [("x", A), ("a,b", A), (A, "0"), ()])
def test_bad_directives(key):
    with pytest.raises(ValueError, match="r_"):
        jnp.r_[key]


@pytest.mark.parametrize("fun, signature, shapes", [
    (np.matmul, "(n,m),(m)->(n)", [(4, 1, 2, 3), (5, 3)]), (np.dot, "(n),(n)->()", [(2, 3), (5, 1, 3)]),
    (lambda a, b: a + b, None, [(2, 1), (3,)]), (lambda a: (a, a.sum()), "(n)->(n),()", [(2, 3)])])
def test_vectorize(fun, signature, shapes):
    args = [np.random.default_rng(1).normal(size=s).astype(np.float32) for s in shapes]
    ours = {np.matmul: jnp.matmul, np.dot: jnp.dot}.get(fun, fun)
    assert_close(jnp.vectorize(ours, signature=signature)(*args), np.vectorize(fun, signature=signature)(*args))


def test_vectorize_leaves_out_what_is_excluded():
    power = jnp.vectorize(lambda x, n: x ** n, excluded={1, "n"})
    np.testing.assert_allclose(power(X, 3), X ** 3, rtol=1e-6)
    np.testing.assert_allclose(power(X, n=2), X ** 2, rtol=1e-6)
    np.testing.assert_allclose(jnp.vectorize(lambda x, y: x if y is None else x * y)(X, None), X)
    np.testing.assert_allclose(jnp.vectorize(lambda x, y: x * y)(X, y=Y), X * Y)


@pytest.mark.parametrize("call, error, text", [
    (lambda: jnp.vectorize(jnp.dot, signature="(n),(n)->()")(X, X[:2]), ValueError, "'n' has size 5 .* 2"),
    (lambda: jnp.vectorize(jnp.dot, signature="(n),(n)->()")(X), TypeError, "2 arguments, got 1"),
    (lambda: jnp.vectorize(lambda a: a, signature="(n)->()")(X), ValueError, "shape"),
    (lambda: jnp.vectorize(lambda a: a, signature="nonsense"), ValueError, "not a signature"),
    (lambda: jnp.vectorize(lambda a: a, excluded={1.5}), TypeError, "positions"),
    (lambda: jnp.convolve(X, X[:0]), ValueError, "empty"),
    (lambda: jnp.convolve(M, X), ValueError, "1-dimensional"),
    (lambda: jnp.correlate(X, X, mode="some"), ValueError, "mode"),
    (lambda: jnp.packbits(X), TypeError, "integer or boolean"),
    (lambda: jnp.unpackbits(BITS), TypeError, "unsigned byte"),
    (lambda: jnp.packbits(BITS, bitorder="middle"), ValueError, "bitorder"),
    (lambda: jnp.unwrap(COMPLEX), ValueError, "complex"),
    (lambda: jnp.cov(M[None]), ValueError, "2 dimensions"),
    (lambda: jnp.cov(MATRIX, fweights=W), TypeError, "fweights must be integer"),
    (lambda: jnp.cov(MATRIX, aweights=W[:2]), RuntimeError, "aweights"),
    (lambda: jnp.polyfit(X, Y, -1), ValueError, "deg"),
    (lambda: jnp.polyfit(X, Y[:2], 1), TypeError, "same length"),
    (lambda: jnp.polyder(X, -1), ValueError, "order"),
    (lambda: jnp.polyint(X, 2, np.ones(3)), ValueError, "k must be"),
    (lambda: jnp.vander(M), ValueError, "one-dimensional"),
    (lambda: jnp.poly(np.ones((2, 3))), ValueError, "square"),
    (lambda: jnp.hanning([1]), TypeError, "number of points"),
    (lambda: ferax.jit(jnp.hanning)(3), ferax.errors.ConcretizationTypeError, "known while tracing"),
    (lambda: ferax.jit(lambda x: jnp.save(io.BytesIO(), x))(X), ferax.errors.ConcretizationTypeError, "save"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("name", ["bfloat16", "float32", "bool", "complex64", "uint8"])
def test_files_keep_arrays(name):
    file = io.BytesIO()
    x = jnp.asarray(MATRIX > 0).astype(name)
    jnp.save(file, x)
    file.seek(0)
    back = jnp.load(file)
    assert back.dtype == x.dtype
    np.testing.assert_array_equal(np.asarray(back, np.complex64), np.asarray(x, np.complex64))


def test_several_arrays_in_a_file(tmp_path):
    jnp.savez(tmp_path / "all.npz", jnp.ones(2), other=jnp.zeros((2, 2)))
    found = jnp.load(tmp_path / "all.npz")
    assert sorted(found) == ["arr_0", "other"]
    np.testing.assert_array_equal(found["other"], np.zeros((2, 2)))
    small = io.BytesIO()
    jnp.save(small, jnp.zeros(2, jnp.int4))
    small.seek(0)
    with pytest.raises(TypeError, match="1 bytes"):
        jnp.load(small)


@pytest.mark.parametrize("fun", [lambda x: jnp.convolve(x, x[:3]), lambda x: jnp.cov(x.reshape(2, 3)), lambda x: jnp.polyval(x, x),
                                 lambda x: jnp.unwrap(5 * x), lambda x: jnp.kaiser(5, x[0]), lambda x: jnp.poly(x[:4]),
                                 lambda x: jnp.polyfit(X, x[:5], 2)])
def test_gradients(fun):
    check_gradient(fun, 0.5 + 0.1 * F32)
