"""Roots of polynomials, sets while tracing, concatenators, vectorize and files; the rest of these is in `api_table_series`."""

import io

import numpy as np
import pytest
from numpy_compare import assert_close, check_gradient

import ferax
import ferax.numpy as jnp

INTS = np.array([3, 1, 2, 3, 7], np.int32)
OTHERS = np.array([2, 3, 3, 9], np.int32)
MATRIX = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)


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
