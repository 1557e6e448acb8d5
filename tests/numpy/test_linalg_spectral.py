"""Eigenvalues, singular values and norms of ``ferax.numpy.linalg`` against NumPy."""

import numpy as np
import pytest
from numpy_compare import assert_close, check, check_gradient

import ferax
import ferax.numpy as jnp
from ferax._src.util import config
from ferax.numpy import linalg

rng = np.random.default_rng(0)


def rand(*shape):
    return rng.normal(size=shape).astype(np.float32)


def H(x):  # noqa: N802
    return np.conj(np.swapaxes(x, -1, -2))


WIDE, TALL, BATCH, SQUARE = rand(3, 4), rand(4, 3), rand(2, 4, 3), rand(3, 3)
COMPLEX = rand(2, 3, 3) + 1j * rand(2, 3, 3)
INTS = np.array([[4, 1, 0], [1, 5, 2], [0, 2, -6]], np.int32)
SYMMETRIC = [SQUARE + SQUARE.T, COMPLEX + H(COMPLEX), INTS]
LOW_RANK = (rand(4, 2) @ rand(2, 3)).astype(np.float32)

SAME_AS_NUMPY = [       # what the rows of `api_table_linalg` do not draw
    *[("pinv", [x]) for x in (np.zeros((3, 2), "f"), np.zeros((0, 3), "f"))],
    ("pinv", [LOW_RANK], {"rcond": 1e-4}), ("pinv", [TALL], {"rcond": 0.5}), ("pinv", [BATCH], {"rcond": np.array([0.5, 1e-6], "f")}),
    *[("matrix_rank", [x]) for x in (LOW_RANK, rand(3), np.zeros(3, "f"))],
    ("matrix_rank", [BATCH], {"tol": np.array([2.0, 0.1], "f")}),
    ("norm", [np.zeros((0, 3), "f"), 2]), ("norm", [np.zeros((0, 3), "f"), "nuc"]), ("norm", [BATCH, "nuc", (0, 2), True]),
    ("norm", [BATCH, 2, (1, 0), True]), ("norm", [BATCH, "fro", (2, 0)]),
]


@pytest.mark.parametrize("name, args, options", [(n, a, *(o or [{}])) for n, a, *o in SAME_AS_NUMPY])
def test_same_as_numpy(name, args, options):
    check(getattr(linalg, name), lambda *a, **k: in_single(getattr(np.linalg, name)(*a, **k)), args, options)


def in_single(x):
    return np.asarray(x).astype({"d": "f", "D": "F"}.get(np.asarray(x).dtype.char, np.asarray(x).dtype))


def test_dtypes_of_norms_of_integers():
    """Sums and extrema of integers stay integers; roots do not."""
    x = jnp.asarray(INTS)
    assert linalg.vector_norm(x, ord=1).dtype == linalg.vector_norm(x, ord=jnp.inf).dtype == jnp.int32
    assert linalg.vector_norm(x).dtype == linalg.vector_norm(x, ord=3).dtype == linalg.norm(x, 1).dtype == jnp.float32
    assert_close(linalg.vector_norm(x, ord=3), np.float32(np.linalg.vector_norm(INTS, ord=3)))


def test_condition_of_singular_matrices():
    singular = np.ones((2, 2), "f")
    assert np.isinf(linalg.cond(np.diag([1.0, 0.0]).astype("f"))) and linalg.cond(singular) > 1e6
    assert np.isinf(linalg.cond(np.zeros((2, 2), "f"), 1))
    assert np.isnan(linalg.cond(np.full((2, 2), np.nan, "f"), 1))


def test_names_of_results():
    assert linalg.eigh(SQUARE)._fields == linalg.eig(SQUARE)._fields == ("eigenvalues", "eigenvectors")
    assert linalg.svd(WIDE)._fields == ("U", "S", "Vh")
    assert [a.shape for a in linalg.svd(np.zeros((2, 0, 3), "f"))] == [(2, 0, 0), (2, 0), (2, 3, 3)]
    assert (np.diff(linalg.svd(SYMMETRIC[2], hermitian=True).S) <= 0).all()


# --- derivatives --------------------------------------------------------------------------------

GRADIENTS = [
    (lambda x: jnp.abs(linalg.eigvals(x + 3 * np.diag([1.0, 2.0, 4.0]))), SQUARE),
    (lambda x: linalg.pinv(ferax.vmap(linalg.pinv)(x)), BATCH),
]


@pytest.mark.parametrize("fun, x", GRADIENTS)
def test_gradients(fun, x):
    check_gradient(fun, x)


@pytest.mark.parametrize("shape", [(4, 3), (2, 4)])
def test_derivatives_of_pinv_of_first_and_second_order(shape):
    """Complex matrices without full rank, along a direction in which the rank stays: ``a(t) = b(t) c(t)``."""
    m, n = shape
    parts = [rng.normal(size=s) + 1j * rng.normal(size=s) for s in ((m, 1), (1, n)) * 2]

    def along(t):
        b, c, db, dc = parts
        return (b + t * db) @ (c + t * dc)

    with config.enable_x64(True):
        f = ferax.jit(lambda t: linalg.pinv(along(t), 1e-9))
        for g, h in ((f, 1e-5), (lambda t: ferax.jvp(f, (t,), (1.0,))[1], 1e-5)):
            wanted = (np.asarray(g(h)) - np.asarray(g(-h))) / (2 * h)
            np.testing.assert_allclose(ferax.jvp(g, (0.0,), (1.0,))[1], wanted, atol=1e-6 * np.abs(wanted).max())
        # Reverse mode against forward mode.
        ct = rng.normal(size=(n, m)) + 1j * rng.normal(size=(n, m))
        (back,) = ferax.vjp(f, 0.0)[1](ct)
        np.testing.assert_allclose(back, np.real(np.sum(ct * np.asarray(ferax.jvp(f, (0.0,), (1.0,))[1]))), rtol=1e-8)


def test_derivative_of_pinv_by_its_limit_is_zero():
    assert ferax.grad(lambda r: linalg.pinv(TALL, r).sum())(1e-3) == 0


def test_transformed():
    x = jnp.asarray(BATCH)
    for fun in (linalg.svdvals, linalg.pinv, linalg.matrix_rank, linalg.cond, lambda x: linalg.norm(x, "nuc", (-2, -1))):
        wanted = np.asarray(fun(x))
        np.testing.assert_allclose(ferax.vmap(fun)(x), wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(ferax.jit(fun)(x), wanted, rtol=1e-5, atol=1e-6)


# --- bad input ----------------------------------------------------------------------------------

REFUSED = [
    (lambda: linalg.svd([[1.0]]), TypeError, "jnp.linalg.svd requires ndarray"),
    (lambda: linalg.svd(WIDE[0]), TypeError, "rank at least 2"),
    (lambda: linalg.svd(WIDE, subset_by_index=(0, 2)), ValueError, "cannot both be set"),
    (lambda: linalg.svd(WIDE, hermitian=True), TypeError, "square"),
    (lambda: linalg.eig(WIDE), ValueError, "square"),
    (lambda: linalg.eigvals(WIDE[0]), TypeError, "rank at least 2"),
    (lambda: linalg.eigh(SQUARE, "Q"), ValueError, "UPLO must be one of None, 'L', or 'U', got Q"),
    (lambda: linalg.eigvalsh(WIDE), TypeError, "square"),
    (lambda: linalg.pinv(WIDE[0]), ValueError, "at least two dimensions"),
    (lambda: linalg.pinv(WIDE, rtol=1.0, rcond=1.0), ValueError, "only one of rtol and rcond"),
    (lambda: linalg.matrix_rank(WIDE, rtol=1.0, tol=1.0), ValueError, "only one of tol or rtol"),
    (lambda: linalg.cond(WIDE[0]), ValueError, "at least 2D"),
    (lambda: linalg.cond(WIDE[:0]), ValueError, "not be empty"),
    (lambda: linalg.cond(WIDE, 1), ValueError, "must be square"),
    (lambda: linalg.norm(WIDE, "nucl"), ValueError, "Invalid order 'nucl' for matrix norm"),
    (lambda: linalg.norm(WIDE[0], "nuc"), ValueError, "Invalid order 'nuc' for vector norm"),
    (lambda: linalg.norm(BATCH, 2), ValueError, "Improper number of axes"),
    (lambda: linalg.vector_norm(WIDE, ord="inf"), ValueError, "Use jax.numpy.inf instead"),
    (lambda: ferax.jvp(linalg.eig, (SQUARE,), (SQUARE,)), NotImplementedError, "eigenvalues alone"),
]


@pytest.mark.parametrize("call, error, text", REFUSED)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()
