"""Eigenvalues, singular values and their kin in ``ferax.lax.linalg``. Their rules are in `op_table_linalg_spectral`."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.linalg

import ferax
import ferax.numpy as jnp
from ferax._src.ops.linalg_eig import _unpacked
from ferax._src.ops.linalg_polar import weights
from ferax._src.runtime.lowering import lower_jaxpr
from ferax._src.tracing.staging import make_jaxpr_of
from ferax._src.util import config
from ferax.lax import linalg
from ferax.lax.linalg import EighImplementation, EigImplementation, SvdAlgorithm

DTYPES = ("float32", "float64", "complex64", "complex128")
TOLERANCE = {"float32": 3e-5, "complex64": 3e-5, "float64": 1e-12, "complex128": 1e-12}


def H(x):  # noqa: N802
    return np.conj(np.swapaxes(x, -1, -2))


def drawn(seed, shape, dtype):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) + (1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else 0)
    return x.astype(dtype)


def arrays(outs):
    return [np.asarray(x) for x in outs]


def near(found, wanted, tolerance):
    found = np.asarray(found)
    assert found.shape == np.shape(wanted)
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def near_eye(x, tolerance):
    near(x, np.broadcast_to(np.eye(x.shape[-1]), x.shape), tolerance)


# --- what decompositions are --------------------------------------------------------------------

batches = st.sampled_from([(), (2,), (0,), (2, 1)])
cases = st.tuples(batches, st.sampled_from(DTYPES), st.integers(0, 9))


@hypothesis.settings(max_examples=12)
@hypothesis.given(cases, st.integers(0, 5), st.booleans())
def test_eigh(case, n, lower):
    batch, dtype, seed = case
    tol = TOLERANCE[dtype]
    with config.enable_x64(True):
        x = drawn(seed, (*batch, n, n), dtype)
        hermitian = (x + H(x)) / 2
        # Of a matrix that is not symmetrized only one triangle counts.
        other = np.triu(hermitian, 1) + 9 * np.tril(x, -1) if not lower else np.tril(hermitian, -1) + 9 * np.triu(x, 1)
        other = other + hermitian * np.eye(n, dtype=dtype)
        for v, w in (arrays(linalg.eigh(x)), arrays(linalg.eigh(other, lower=lower, symmetrize_input=False))):
            assert v.dtype == x.dtype and w.dtype == x.real.dtype
            near(hermitian @ v, v * w[..., None, :], tol)
            near_eye(H(v) @ v, tol)
            assert (np.diff(w) >= 0).all()


@hypothesis.settings(max_examples=12)
@hypothesis.given(cases, st.integers(0, 5))
def test_eig(case, n):
    batch, dtype, seed = case
    with config.enable_x64(True):
        x = drawn(seed, (*batch, n, n), dtype)
        w, left, right = arrays(linalg.eig(x))
        assert w.dtype == left.dtype == right.dtype == np.result_type(x.dtype, np.complex64)
        near(x @ right, right * w[..., None, :], 5 * TOLERANCE[dtype])
        near(H(left) @ x, w[..., :, None] * H(left), 5 * TOLERANCE[dtype])
        for v in (left, right):
            near(np.linalg.norm(v, axis=-2), np.ones(w.shape), TOLERANCE[dtype])
            largest = np.take_along_axis(v, np.abs(v).argmax(-2)[..., None, :], -2) if v.size else v
            near(largest.imag, np.zeros(largest.shape), TOLERANCE[dtype])


@hypothesis.settings(max_examples=16)
@hypothesis.given(cases, st.integers(0, 5), st.integers(0, 5), st.booleans(),
                  st.sampled_from([None, SvdAlgorithm.QR, SvdAlgorithm.DIVIDE_AND_CONQUER]))
def test_svd(case, m, n, full, algorithm):
    batch, dtype, seed = case
    with config.enable_x64(True):
        check_svd(drawn(seed, (*batch, m, n), dtype), full, algorithm)


def check_svd(x, full, algorithm):
    tol = TOLERANCE[x.dtype.name]
    u, s, vh = arrays(linalg.svd(x, full_matrices=full, algorithm=algorithm))
    k = min(x.shape[-2:])
    wanted = np.linalg.svd(x, full_matrices=full)
    assert [a.shape for a in (u, s, vh)] == [a.shape for a in wanted]
    assert u.dtype == vh.dtype == x.dtype and s.dtype == x.real.dtype
    near(s, wanted[1], 3 * tol)
    near((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], x, 3 * tol)
    near_eye(H(u) @ u, tol)
    near_eye(vh @ H(vh), tol)
    near(linalg.svd(x, compute_uv=False, algorithm=algorithm), s, 3 * tol)


@pytest.mark.parametrize("shape, dtype", [((2, 5, 3), "complex128"), ((2, 4), "float32")])
def test_svd_by_polar_decomposition(shape, dtype):
    """It serves TPUs; the same program runs here."""
    with config.enable_x64(True):
        x = drawn(3, shape, dtype)
        check_svd(x, len(shape) == 2, SvdAlgorithm.POLAR)


def test_svd_by_polar_decomposition_without_full_rank():
    x = drawn(0, (4, 4), "float32")
    x[3] = x[2]
    check_svd(x, True, SvdAlgorithm.POLAR)
    x[0, 0] = np.nan
    assert all(np.isnan(a).all() for a in arrays(linalg.svd(x, algorithm=SvdAlgorithm.POLAR)))


@hypothesis.settings(max_examples=7)
@hypothesis.given(cases, st.integers(1, 4))
def test_reductions(case, n):
    """The product of the reflections takes the matrix to the form that is answered."""
    batch, dtype, seed = case
    tol = 3 * TOLERANCE[dtype]
    with config.enable_x64(True):
        x = drawn(seed, (*batch, n, n), dtype)
        a, taus = linalg.hessenberg(x)
        q = unitary(a, taus)
        near(H(q) @ x @ q, np.triu(a, -1), tol)
        x = x + H(x)
        a, d, e, taus = linalg.tridiagonal(x)
        assert d.dtype == e.dtype == x.real.dtype and taus.dtype == x.dtype
        form = np.zeros_like(x)
        for i in range(n):
            form[..., i, i] = d[..., i]
            if i:
                form[..., i, i - 1] = form[..., i - 1, i] = e[..., i - 1]
        q = unitary(a, taus)
        near(H(q) @ x @ q, form, tol)
        t, z = arrays(linalg.schur(x))
        near(z @ t @ H(z), x, tol)
        near_eye(H(z) @ z, tol)


def unitary(a, taus):
    """The unitary matrix of reflections that leave the first row alone."""
    q = np.zeros_like(np.asarray(a))
    q[..., 0, 0] = 1
    if a.shape[-1] > 1:
        q[..., 1:, 1:] = linalg.householder_product(a[..., 1:, :-1], taus)
    return q


@pytest.mark.parametrize("dtype", DTYPES)
def test_signs_and_phases_are_those_of_lapack(dtype):
    tol = TOLERANCE[dtype]
    with config.enable_x64(True):
        x = drawn(5, (4, 4), dtype)
        hermitian = x + H(x)
        complex_ = np.dtype(dtype).kind == "c"

        def lapack(name, *args, **kwargs):
            return scipy.linalg.get_lapack_funcs(name, (x,))(*args, **kwargs)
        w, v, _ = lapack("heevd" if complex_ else "syevd", hermitian, lower=1)
        for a, b in zip(linalg.eigh(hermitian), (v, w)):
            near(a, b, tol)
        u, s, vh, _ = lapack("gesdd", x[:, :3], full_matrices=1)
        for a, b in zip(linalg.svd(x[:, :3]), (u, s, vh)):
            near(a, b, tol)
        t, *_, z, _, _ = lapack("gees", lambda *w: False, x)
        for a, b in zip(linalg.schur(x), (t, z)):
            near(a, b, 5 * tol)
        w, left, right = scipy.linalg.eig(x, left=True, right=True)
        for a, b in zip(linalg.eig(x), (w, left / np.linalg.norm(left, axis=0), right / np.linalg.norm(right, axis=0))):
            near(a, b, 5 * tol)


def test_empty():
    eye = np.eye(3)
    for full in (True, False):
        for shape in ((0, 3), (3, 0), (2, 0, 3), (0, 0), (0, 3, 4)):
            wanted = np.linalg.svd(np.zeros(shape, "f"), full_matrices=full)
            assert [a.shape for a in linalg.svd(np.zeros(shape, "f"), full_matrices=full)] == [a.shape for a in wanted]
    np.testing.assert_array_equal(linalg.svd(np.zeros((3, 0), "f"))[0], eye)
    np.testing.assert_array_equal(linalg.svd(np.zeros((2, 0, 3), "f"))[2], [eye, eye])
    assert [a.shape for a in linalg.hessenberg(np.zeros((0, 0), "f"))] == [(0, 0), (0,)]
    assert [a.shape for a in linalg.tridiagonal(np.zeros((0, 2, 2), "f"))] == [(0, 2, 2), (0, 2), (0, 1), (0, 1)]


def test_not_a_number():
    """A matrix with NaN has results of NaN; the others of its batch are not concerned."""
    x = drawn(1, (2, 3, 3), "float32")
    x[1, 0, 2] = np.nan
    for fun in (linalg.eigh, linalg.eig, linalg.svd, linalg.schur, lambda x: linalg.svd(x, algorithm=SvdAlgorithm.QR)):
        for out in arrays(fun(x)):
            assert np.isnan(out[1]).all() and np.isfinite(out[0]).all()


def test_subsets():
    x = drawn(2, (4, 4), "float32")
    v, w = arrays(linalg.eigh(x))
    for a, b in zip(linalg.eigh(x, subset_by_index=(1, 3)), (v[:, 1:3], w[1:3])):
        near(a, b, 1e-6)
    u, s, vh = arrays(linalg.svd(x[:3], full_matrices=False))
    for a, b in zip(linalg.svd(x[:3], full_matrices=False, subset_by_index=(0, 2)), (u[:, :2], s[:2], vh[:2])):
        near(a, b, 1e-6)
    near(linalg.svd(x, compute_uv=False, subset_by_index=(2, 4)), np.linalg.svd(x)[1][2:], 1e-5)


# --- derivatives where they end -----------------------------------------------------------------

def test_equal_eigenvalues_have_derivatives_of_eigenvalues_only():
    eye = jnp.eye(3)
    np.testing.assert_allclose(ferax.grad(lambda x: linalg.eigh(x)[1].sum())(eye), np.eye(3), atol=1e-6)
    assert not np.isfinite(ferax.grad(lambda x: linalg.eigh(x)[0][0, 1])(eye)).all()


def test_second_derivative_of_eigenvalues():
    """The trace of ``x @ x`` is the sum of squares of the eigenvalues."""
    x = jnp.asarray(drawn(0, (3, 3), "float32"))
    found = ferax.hessian(lambda x: (linalg.eig(x, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0] ** 2)
                          .sum().real)(x)
    wanted = 2 * np.einsum("il,jk->ijkl", np.eye(3), np.eye(3))
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_forms_have_no_derivatives():
    x = jnp.eye(3)
    for fun in (linalg.schur, linalg.hessenberg, linalg.tridiagonal):
        with pytest.raises(NotImplementedError, match=fun.__name__):
            ferax.jvp(fun, (x,), (x,))


# --- bad input ----------------------------------------------------------------------------------

WIDE, SQUARE = np.ones((2, 3), np.float32), np.eye(3, dtype=np.float32)
REFUSED = [
    (lambda: linalg.eigh(SQUARE[0]), TypeError, "rank at least 2"),
    (lambda: linalg.eigh(WIDE), TypeError, "must be square"),
    (lambda: linalg.eigh(WIDE, symmetrize_input=False), ValueError, "square"),
    (lambda: linalg.eigh(np.eye(2, dtype=int)), TypeError, "eigh does not accept dtype int"),
    (lambda: linalg.eigh(SQUARE, subset_by_index=(1, 4)), ValueError, "subset_by_index"),
    (lambda: linalg.eigh(SQUARE, subset_by_index=3), ValueError, "pair of int"),
    (lambda: linalg.eigh(SQUARE, implementation="qr"), ValueError, "EighImplementation.QR"),
    (lambda: linalg.eigh(SQUARE, implementation=EighImplementation.JACOBI), NotImplementedError, "not there on cpu"),
    (lambda: linalg.eigh(SQUARE, implementation=EighImplementation.QDWH), NotImplementedError, "not there on cpu"),
    (lambda: linalg.eigh(SQUARE.astype(np.float16)), NotImplementedError, "Unsupported dtype float16"),
    (lambda: linalg.eig(WIDE), ValueError, "square"),
    (lambda: linalg.eig(SQUARE, implementation=EigImplementation.MAGMA), ValueError, "LAPACK"),
    (lambda: linalg.svd(SQUARE[0]), TypeError, "rank at least 2"),
    (lambda: linalg.svd(WIDE, subset_by_index=(0, 1)), ValueError, "cannot both be set"),
    (lambda: linalg.svd(WIDE, algorithm=SvdAlgorithm.JACOBI), NotImplementedError, "Jacobi"),
    (lambda: linalg.svd(WIDE, algorithm="QR"), ValueError, "SvdAlgorithm.QR"),
    (lambda: linalg.schur(WIDE), ValueError, "square"),
    (lambda: linalg.schur(SQUARE, sort_eig_vals=True), NotImplementedError, "sorted"),
    (lambda: linalg.hessenberg(WIDE), ValueError, "square"),
    (lambda: linalg.tridiagonal(np.zeros((0, 0), "f")), ValueError, "at least one row"),
    (lambda: linalg.qdwh(WIDE), ValueError, "M >= N"),
    (lambda: linalg.qdwh(SQUARE[None]), ValueError, "must be a matrix"),
    (lambda: linalg.qdwh(np.eye(2, dtype=int)), TypeError, "qdwh does not accept dtype int"),
]


@pytest.mark.parametrize("call, error, text", REFUSED)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_use_magma_is_deprecated():
    with pytest.warns(DeprecationWarning, match="use_magma"):
        linalg.eig(SQUARE, use_magma=False)


# --- the polar decomposition --------------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_qdwh(dtype):
    tol = TOLERANCE[dtype]
    with config.enable_x64(True):
        x = drawn(0, (5, 3), dtype)
        u, h, steps, converged = arrays(linalg.qdwh(x))
        near(u @ h, x, tol)
        near_eye(H(u) @ u, tol)
        near(h, H(h), tol)
        assert (np.linalg.eigvalsh(h) > 0).all() and converged and 0 < steps <= 10
        assert not linalg.qdwh(x, max_iterations=2)[3]


def test_qdwh_of_a_part():
    x = drawn(1, (5, 4), "float32")
    u, h, *_ = ferax.jit(lambda x, m: linalg.qdwh(x, dynamic_shape=(m, 2)))(x, 3)
    wanted_u, wanted_h, *_ = linalg.qdwh(x[:3, :2])
    near(u, np.pad(wanted_u, [(0, 2), (0, 2)]), 1e-5)
    near(h, np.pad(wanted_h, [(0, 2), (0, 2)]), 1e-5)


def test_weights_take_the_least_singular_value_to_one():
    """Nakatsukasa, Bai and Gygi: six steps for a condition of 1e16."""
    by_qr, by_cholesky = weights(2.0 ** -52, 10)
    low = 2.0 ** -52
    for a, b, c in (*by_qr, *by_cholesky):
        low = low * (a + b * low ** 2) / (1 + c * low ** 2)
    assert len(by_qr) + len(by_cholesky) == 6 and abs(low - 1) < 1e-14


# --- other platforms ----------------------------------------------------------------------------

def text(fun, x, platform):
    return lower_jaxpr(make_jaxpr_of(fun, x), platform=platform).as_text()


LOWERED = [
    ("cuda", lambda x: linalg.eigh(x), ["@cusolver_syevd_ffi", "algorithm = 0 : ui8"]),
    ("rocm", lambda x: linalg.eigh(x, implementation=EighImplementation.JACOBI), ["@hipsolver_syevd_ffi", "algorithm = 2 : ui8"]),
    ("tpu", lambda x: linalg.eigh(x), ["@Eigh", '"1,1,100,1e-6"']),
    ("cuda", lambda x: linalg.eig(x), ["@cuhybrid_eig_real", "left = true"]),
    ("cuda", lambda x: linalg.eig(x, compute_left_eigenvectors=False), ["@cusolver_geev_ffi", "left = false"]),
    ("cuda", lambda x: linalg.eig(x, implementation=EigImplementation.MAGMA), ["@cuhybrid_eig_real", 'magma = "on"']),
    ("cuda", lambda x: linalg.svd(x[:2]), ["@cusolver_gesvdj_ffi", "full_matrices = true"]),
    ("cuda", lambda x: linalg.svd(x[:2], algorithm=SvdAlgorithm.QR), ["@cusolver_gesvd_ffi", "transposed = true"]),
    ("cuda", lambda x: [linalg.svd(x, compute_uv=False, algorithm=SvdAlgorithm.QR)], ["transposed = false", "compute_uv = false"]),
    ("cuda", lambda x: linalg.svd(x, algorithm=SvdAlgorithm.POLAR), ["@cusolver_gesvdp_ffi"]),
    ("rocm", lambda x: linalg.svd(x, algorithm=SvdAlgorithm.DIVIDE_AND_CONQUER), ["@hipsolver_gesdd_ffi"]),
    ("tpu", lambda x: linalg.svd(x), ["@Eigh", "@Qr"]),
    ("cuda", lambda x: linalg.tridiagonal(x), ["@cusolver_sytrd_ffi", "lower = true"]),
]


@pytest.mark.parametrize("platform, fun, parts", LOWERED)
def test_lowering_for_other_platforms(platform, fun, parts):
    found = text(fun, SQUARE, platform)
    assert all(part in found for part in parts), found


@pytest.mark.parametrize("platform, fun, said", [
    ("cuda", lambda x: linalg.schur(x), "only for cpu"), ("tpu", lambda x: linalg.hessenberg(x), "only for cpu"),
    ("tpu", lambda x: linalg.eig(x), "no lowering for tpu"), ("tpu", lambda x: linalg.tridiagonal(x), "no lowering for tpu"),
    ("tpu", lambda x: linalg.svd(x, algorithm=SvdAlgorithm.QR), "only POLAR"),
    ("cuda", lambda x: linalg.svd(x, algorithm=SvdAlgorithm.DIVIDE_AND_CONQUER), "AMD GPUs"),
    ("cuda", lambda x: linalg.eig(x, implementation=EigImplementation.CUSOLVER), "no left eigenvectors"),
])
def test_what_other_platforms_lack(platform, fun, said):
    with pytest.raises(NotImplementedError, match=said):
        text(fun, SQUARE, platform)


def test_unpacking_conjugate_pairs():
    """The form in which cuSOLVER answers eigenvectors of real matrices, made here of LAPACK's."""
    x = np.stack([scipy.linalg.block_diag([[1, 2], [-2, 1]], 3, [[0, 1], [-1, 0]]),
                  scipy.linalg.block_diag(3, [[0, 1], [-1, 0]], [[1, 2], [-2, 1]])]) + drawn(0, (2, 5, 5), "float64") / 9
    w, v = np.linalg.eig(x)
    packed = v.real.copy()
    for b in range(2):
        for j in np.flatnonzero(w[b].imag > 0):
            packed[b, :, j + 1] = v[b, :, j].imag
    near(_unpacked(jnp.asarray(w.astype("complex64")), jnp.asarray(packed.astype("float32"))), v, 1e-6)
