"""Linear systems, determinants and factorizations of ``ferax.numpy.linalg`` against NumPy."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from numpy_compare import assert_close, check

import ferax
import ferax.numpy as jnp
from ferax.numpy import linalg

rng = np.random.default_rng(0)


def rand(*shape):
    return rng.normal(size=shape).astype(np.float32)


def regular(*shape):
    return rand(*shape) + 3 * np.eye(shape[-1], dtype=np.float32)


def H(x):  # noqa: N802
    return np.conj(np.swapaxes(x, -1, -2))


A, C = regular(3, 3), regular(3, 3) + 1j * rand(3, 3)
B = regular(2, 3, 3)
INTS = np.array([[4, 1, 0], [1, 5, 2], [0, 2, 6]], np.int32)
POSITIVE = B @ H(B) + np.eye(3, dtype=np.float32)
TENSOR = rand(2, 3, 6)
EMPTY = np.zeros((0, 0), np.float32)

SAME_AS_NUMPY = [       # what the rows of `api_table_linalg` do not draw
    ("cholesky", [EMPTY]), ("det", [INTS > 1]), ("det", [EMPTY]), ("det", [np.zeros((0, 3, 3))]), ("slogdet", [0 * A]), ("inv", [EMPTY]),
    ("solve", [A, rand(2, 3, 2)]), ("solve", [B[:, None], rand(4, 3, 2)]), ("solve", [np.zeros((0, 3, 3)), rand(3)]),
    ("solve", [EMPTY, np.zeros((0, 2))]), ("tensorinv", [A], {"ind": 1}), ("lstsq", [INTS, INTS[:, 0]]),
]


@pytest.mark.parametrize("row", SAME_AS_NUMPY, ids=lambda row: row[0])
def test_same_as_numpy(row):
    name, args, *kwargs = row

    def oracle(*args, **kwargs):
        args = [x.astype("float64") if isinstance(x, np.ndarray) and x.dtype.kind == "b" else x for x in args]
        return getattr(np.linalg, name)(*args, **kwargs)

    ours = getattr(linalg, name)
    check((lambda *xs, **kw: ours(*xs, **kw, numpy_resid=True)) if name == "lstsq" else ours, oracle, args, *kwargs)


square_batches = st.sampled_from([(), (2,), (1, 2), (0,)])


@hypothesis.settings(max_examples=10)
@hypothesis.given(square_batches, square_batches, st.integers(0, 4), st.integers(0, 2), st.sampled_from("fc"), st.integers(0, 9))
def test_solve_broadcasts(batch_a, batch_b, n, k, kind, seed):
    draw = np.random.default_rng(seed).normal
    a = (draw(size=(*batch_a, n, n)) + 4 * np.eye(n)).astype("float32")
    b = draw(size=(*batch_b, n, k)).astype("float32" if kind == "f" else "complex64")
    try:
        wanted = np.linalg.solve(a, b)
    except ValueError:
        with pytest.raises(ValueError, match="broadcast"):
            linalg.solve(a, b)
        return
    assert_close(linalg.solve(a, b), wanted, dtypes=True)


def test_named_results():
    q, r = result = linalg.qr(A)
    assert type(result).__name__ == "QRResult" and result.Q is q and result.R is r
    sign, size = result = ferax.jit(linalg.slogdet)(A)
    assert type(result).__name__ == "SlogdetResult" and result.sign is sign and result.logabsdet is size


def test_cholesky_reads_one_triangle():
    l = np.linalg.cholesky(POSITIVE[0])  # noqa: E741
    assert_close(linalg.cholesky(np.tril(POSITIVE[0]), symmetrize_input=False), l)
    assert_close(linalg.cholesky(np.triu(POSITIVE[0]), upper=True, symmetrize_input=False), l.T)
    assert np.isnan(linalg.cholesky(-POSITIVE)).any((-2, -1)).all()


def test_slogdet_by_qr():
    for x in (A, B, INTS, rand(1, 1), EMPTY, 0 * A):
        assert_close(linalg.slogdet(x, method="qr"), list(np.linalg.slogdet(x)))


def test_singular_matrices():
    """No error, as NumPy has it: a compiled program cannot raise one."""
    assert not np.isfinite(linalg.inv(0 * A)).any() and not np.isfinite(linalg.solve(0 * A, A)).any()
    assert float(linalg.det(np.ones((4, 4), np.float32))) == 0


def test_least_squares():
    a = np.vander(np.arange(5.0), 3).astype(np.float32)
    b = rand(5, 2)
    x, residuals, rank, s = linalg.lstsq(a, b)
    assert_close([x, residuals, s], [(w := np.linalg.lstsq(a, b))[0], w[1], w[3]])
    assert int(rank) == 3 and rank.dtype == jnp.int32
    deficient = np.stack([a[:, 0], 2 * a[:, 0]], 1)
    assert [int(linalg.lstsq(deficient, b, rcond=rcond)[2]) for rcond in (None, -1, 1e-3)] == [1, 1, 1]
    assert int(linalg.lstsq(a, b, 0.5)[2]) == 1
    assert linalg.lstsq(deficient, b)[1].shape == (2,)
    assert linalg.lstsq(deficient, b, numpy_resid=True)[1].shape == (0,)
    assert [y.shape for y in linalg.lstsq(np.zeros((3, 0), np.float32), b[:3])] == [(0, 2), (2,), (), (0,)]
    jitted = ferax.jit(linalg.lstsq)(a, b[:, 0])
    assert jitted[0].shape == (3,) and jitted[1].shape == (1,)


def test_weak_types():
    x = ferax.lax.full((3, 3), 2.0) + jnp.eye(3, dtype=int)
    weak = [linalg.det(x), *linalg.qr(x), linalg.solve(x, x), linalg.cholesky(x), linalg.matrix_power(x, 3)]
    strong = [linalg.inv(x), *linalg.slogdet(x), linalg.matrix_power(x, 0), linalg.lstsq(x, x)[0]]
    assert all(y.weak_type for y in weak) and not any(y.weak_type for y in strong)


# --- derivatives --------------------------------------------------------------------------------

def adjugate(a):
    """From singular values: ``u diag(s) vh`` has the adjugate ``det(u vh) v diag(p) u^H``, p_i being the product without s_i."""
    u, s, vh = np.linalg.svd(a)
    others = np.array([np.prod(np.delete(s, i)) for i in range(len(s))])
    return np.linalg.det(u) * np.linalg.det(vh) * (H(vh) * others) @ H(u)


def singular(n, kind, complexes):
    a = np.random.default_rng(n).normal(size=(n, n)) + (1j * np.random.default_rng(9).normal(size=(n, n)) if complexes else 0)
    match kind:
        case "rows":
            a[-1] = 2 * a[0]
        case "columns":
            a[:, -1] = a[:, 0]
        case "zero column":
            a[:, n // 2] = 0
        case "rank 1":
            a = np.outer(a[0], a[0])
        case "zero":
            a = 0 * a
    return a


@pytest.mark.parametrize("n, complexes", [(2, False), (3, True), (4, False), (5, True)])
def test_derivative_of_det_at_singular_matrices(n, complexes):
    with ferax.enable_x64(True):
        gradient = ferax.jit(ferax.grad(linalg.det, holomorphic=complexes))
        for kind in ("regular", "rows", "columns", "zero column", "rank 1", "zero"):
            a = singular(n, kind, complexes)
            np.testing.assert_allclose(gradient(a), adjugate(a).T, rtol=1e-7, atol=1e-9, err_msg=kind)


def test_slogdet_of_complex_matrices_turns():
    """The sign of a complex determinant has a derivative: along ``i a`` it turns, and its size stays."""
    with ferax.enable_x64(True):
        a = np.array([[1, 2j, 0], [1, 1, 1], [0, 3, 1 + 1j]])
        (sign, size), (d_sign, d_size) = ferax.jvp(linalg.slogdet, (a,), (1j * a,))
        np.testing.assert_allclose(d_sign, 3j * np.asarray(sign), rtol=1e-12)
        np.testing.assert_allclose(d_size, 0, atol=1e-12)


def test_vmap_shares_what_is_not_mapped():
    """One matrix and many right sides: one factorization."""
    b = rand(5, 3)
    fn = ferax.vmap(linalg.solve, in_axes=(None, 0))
    assert_close(fn(A, b), np.linalg.solve(A, b.T).T)
    closed = ferax.make_jaxpr(fn)(A, b)
    assert [eqn.outvars[0].aval.shape for eqn in closed.jaxpr.eqns if eqn.primitive.name == "lu"] == [(3, 3)]
    assert_close(ferax.vmap(linalg.solve, in_axes=(0, None))(B, b[0]), np.linalg.solve(B, b[0]))
    assert_close(ferax.vmap(linalg.det)(B), np.linalg.det(B))


# --- bad input ----------------------------------------------------------------------------------

REFUSED = [
    *[(lambda f=f: getattr(linalg, f)([[1.0]]), TypeError, "ndarray or scalar") for f in "cholesky det slogdet inv qr".split()],
    *[(lambda f=f, s=s: f(rand(*s)), ValueError, "n, n")
      for f in (linalg.det, linalg.slogdet, linalg.inv) for s in ((3, 2), (3,))],
    (lambda: linalg.cholesky(rand(3)), TypeError, "rank"),
    (lambda: linalg.cholesky(rand(3, 2)), TypeError, "square"),
    (lambda: linalg.cholesky(rand(3, 2), symmetrize_input=False), ValueError, "square"),
    (lambda: linalg.slogdet(A, method="svd"), ValueError, "Unknown slogdet method"),
    (lambda: linalg.slogdet(C, method="qr"), NotImplementedError, "complex"),
    (lambda: linalg.qr(A, mode="economic"), ValueError, "Unsupported QR decomposition mode"),
    (lambda: linalg.qr(rand(3)), TypeError, "rank"),
    (lambda: linalg.solve(rand(3), rand(3)), ValueError, "at least two dim"),
    (lambda: linalg.solve(rand(3, 2), rand(3)), ValueError, "n, n"),
    (lambda: linalg.solve(A, rand(4)), ValueError, "must have 3 elements"),
    (lambda: linalg.solve(A, rand(2, 3)), ValueError, "must have 3 rows"),
    (lambda: linalg.solve(B, rand(2, 3)), ValueError, "batch of vectors"),
    (lambda: linalg.solve(A, 1.0), ValueError, "at least one dimension"),
    (lambda: linalg.solve(B, rand(4, 3, 1)), ValueError, "do not broadcast"),
    (lambda: linalg.matrix_power(rand(3), 2), TypeError, "at least two-dim"),
    (lambda: linalg.matrix_power(rand(3, 2), 2), TypeError, "square"),
    (lambda: linalg.matrix_power(A, 2.0), TypeError, "exponent must be an integer"),
    (lambda: ferax.jit(linalg.matrix_power)(A, 2), TypeError, "integer"),
    (lambda: linalg.tensorinv(TENSOR, 0), ValueError, "positive integer"),
    (lambda: linalg.tensorinv(TENSOR, 1), ValueError, "only possible"),
    (lambda: linalg.tensorsolve(TENSOR, rand(2, 4)), ValueError, "leading shape"),
    (lambda: linalg.tensorsolve(rand(3, 2), rand(3)), ValueError, "prod"),
    (lambda: linalg.tensorsolve(TENSOR, rand(2, 3), axes=(5,)), ValueError, "axes 5"),
    (lambda: linalg.lstsq(A, rand(4)), ValueError, "Leading dimensions"),
    (lambda: linalg.lstsq(rand(3), rand(3)), TypeError, "two-dimensional"),
    (lambda: linalg.lstsq(A, rand(3, 2, 2)), TypeError, "one or two"),
    (lambda: ferax.jit(lambda a: linalg.lstsq(a, a, numpy_resid=True))(A), TypeError, "numpy_resid"),
    (lambda: linalg.multi_dot([A, rand(2, 2)]), ValueError, "last dimension"),
    (lambda: linalg.inv(A.astype(np.float16)), NotImplementedError, "Unsupported dtype float16"),
]


@pytest.mark.parametrize("call, error, text", REFUSED, ids=range(len(REFUSED)))
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
