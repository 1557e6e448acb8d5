"""``ferax.lax.linalg``: factorizations and solutions of linear systems. Their rules are in `op_table_linalg`."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax._src import engine
from ferax._src.ops.linalg_qr import geqrf
from ferax._src.runtime import compile as compiling
from ferax._src.runtime.lowering import lower_jaxpr
from ferax._src.types.avals import aval_of
from ferax._src.types.shardings import SingleDeviceSharding
from ferax._src.util import config
from ferax.lax import linalg
from ferax.sharding import Mesh, NamedSharding, PartitionSpec as P

EYE = np.eye(3, dtype=np.float32)
ONES = np.ones(3, np.float32)


def H(x):  # noqa: N802
    return np.conj(np.swapaxes(x, -1, -2))


def near(found, wanted, tolerance=1e-4):
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=tolerance, atol=tolerance)


# --- values -------------------------------------------------------------------------------------

batches = st.sampled_from([(), (2,), (0,), (2, 1)])
inexact = st.sampled_from(["float32", "complex64"])


def drawn(seed, shape, dtype):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype == "complex64" else 0)
    return x.astype(dtype)


@hypothesis.settings(max_examples=8)
@hypothesis.given(batches, st.integers(0, 4), inexact, st.integers(0, 9))
def test_cholesky(batch, n, dtype, seed):
    x = drawn(seed, (*batch, n, n), dtype)
    x = x @ H(x) + np.eye(n, dtype=dtype)
    l = np.asarray(linalg.cholesky(x))  # noqa: E741
    assert l.dtype == dtype and (np.triu(l, 1) == 0).all()
    near(l @ H(l), x)


@hypothesis.settings(max_examples=8)
@hypothesis.given(batches, st.integers(0, 4), st.integers(0, 4), inexact, st.integers(0, 9))
def test_lu(batch, m, n, dtype, seed):
    x = drawn(seed, (*batch, m, n), dtype)
    lu, pivots, order = [np.asarray(y) for y in linalg.lu(x)]
    k = min(m, n)
    assert (lu.dtype, pivots.dtype, order.dtype) == (dtype, np.int32, np.int32)
    assert (lu.shape, pivots.shape, order.shape) == (x.shape, (*batch, k), (*batch, m))
    l, u = np.tril(lu, -1)[..., :k] + np.eye(m, k), np.triu(lu)[..., :k, :]
    near(l @ u, np.take_along_axis(x, order[..., None], -2))
    assert (np.abs(l) <= 2).all()                           # LAPACK compares |re| + |im| of complex numbers
    near(linalg.lu_pivots_to_permutation(pivots, m), order)


@hypothesis.settings(max_examples=12)
@hypothesis.given(batches, st.integers(0, 4), st.integers(0, 4), inexact, st.booleans(), st.booleans(), st.integers(0, 9))
def test_qr(batch, m, n, dtype, full_matrices, pivoting, seed):
    x = drawn(seed, (*batch, m, n), dtype)
    q, r, *order = linalg.qr(x, full_matrices=full_matrices, pivoting=pivoting)
    q, r = np.asarray(q), np.asarray(r)
    k = m if full_matrices else min(m, n)
    assert (q.shape, r.shape, q.dtype, r.dtype) == ((*batch, m, k), (*batch, k, n), dtype, dtype)
    assert (np.tril(r, -1) == 0).all()
    near(H(q) @ q, np.broadcast_to(np.eye(k), (*batch, k, k)))
    if pivoting:
        (order,) = order
        assert order.dtype == np.int32
        x = np.take_along_axis(x, np.asarray(order)[..., None, :], -1)
        size = np.abs(np.diagonal(r, 0, -2, -1))
        assert (size[..., 1:] <= size[..., :-1] + 1e-5).all()
    near(q @ r, x)


@hypothesis.settings(max_examples=12)
@hypothesis.given(st.integers(1, 4), st.integers(0, 3), inexact, *[st.booleans()] * 5, st.integers(0, 9))
def test_triangular_solve(n, k, dtype, left_side, lower, transpose_a, conjugate_a, unit_diagonal, seed):
    a = drawn(seed, (2, n, n), dtype) + 4 * np.eye(n, dtype=dtype)
    b = drawn(seed + 1, (2, n, k) if left_side else (2, k, n), dtype)
    x = linalg.triangular_solve(a, b, left_side=left_side, lower=lower, transpose_a=transpose_a, conjugate_a=conjugate_a,
                                unit_diagonal=unit_diagonal)
    a = (np.tril if lower else np.triu)(a)
    if unit_diagonal:
        a = (np.tril(a, -1) if lower else np.triu(a, 1)) + np.eye(n)
    a = np.conj(a) if conjugate_a else a
    a = np.swapaxes(a, -1, -2) if transpose_a else a
    near(a @ np.asarray(x) if left_side else np.asarray(x) @ a, b, 1e-3)


def test_ormqr_multiplies_by_q():
    x, c = drawn(0, (2, 4, 3), "complex64"), drawn(1, (2, 4, 2), "complex64")
    compact, taus = geqrf(x)
    q = np.asarray(linalg.qr(x)[0])
    near(linalg.householder_product(compact, taus), q[..., :3])
    near(linalg.ormqr(compact, taus, c), q @ c)
    near(linalg.ormqr(compact, taus, c, transpose=True), H(q) @ c)
    near(linalg.ormqr(compact, taus, H(c), left=False), H(c) @ q)
    near(linalg.ormqr(compact, taus, H(c), left=False, transpose=True), H(c) @ H(q))


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_small_floats(name):
    x = jnp.asarray(EYE, name) * 2
    near(linalg.triangular_solve(x, x).astype("float32"), EYE)
    near(linalg.cholesky_update(x, x[0]).astype("float32"), np.diag([8 ** 0.5, 2, 2]), 1e-2)
    near(linalg.symmetric_product(x, x, beta=1.0).astype("float32"), 6 * EYE)
    vectors = [x[0] * 0, jnp.ones(3, name), x[0] * 0]
    for call in (linalg.cholesky, linalg.lu, linalg.qr, lambda x: linalg.householder_product(x, x[0]),
                 lambda x: linalg.tridiagonal_solve(*vectors, x)):
        with pytest.raises(NotImplementedError, match=f"Unsupported dtype {name}"):
            call(x)


def test_weak_types_are_kept():
    x = ferax.lax.full((3, 3), 2.0) + jnp.eye(3, dtype=int)
    assert x.weak_type
    for out in (linalg.cholesky(x), *linalg.lu(x), *linalg.qr(x), linalg.triangular_solve(x, x)):
        assert out.weak_type
    assert not linalg.triangular_solve(x, jnp.asarray(EYE) + 0 * x).weak_type


# --- failures -----------------------------------------------------------------------------------

def test_failure_is_nan():
    """Only for the matrices concerned."""
    found = np.asarray(linalg.cholesky(np.stack([4 * EYE, -EYE])))
    near(found[0], 2 * EYE)
    assert np.isnan(found[1][np.tril_indices(3)]).all() and (found[1][np.triu_indices(3, 1)] == 0).all()
    zero, d = np.zeros((2, 3), np.float32), np.stack([ONES, 0 * ONES])
    x = np.asarray(linalg.tridiagonal_solve(zero, d, zero, np.stack([EYE, EYE])))
    near(x[0], EYE)
    assert np.isnan(x[1]).all()
    x = np.asarray(linalg.tridiagonal_solve(zero, d, zero, np.stack([EYE, EYE]), perturb_singular=True))
    assert np.isfinite(x).all()
    lu, pivots, _ = linalg.lu(0 * EYE)                      # a singular matrix has an LU decomposition
    assert (np.asarray(lu) == 0).all() and (np.asarray(pivots) == [0, 1, 2]).all()
    assert np.isnan(linalg.lu(np.nan * EYE)[0]).any()


REFUSED = [
    (lambda: linalg.cholesky(ONES), TypeError, "rank at least 2"),
    (lambda: linalg.cholesky(np.ones((3, 2))), TypeError, "square"),
    (lambda: linalg.cholesky(np.ones((3, 2)), symmetrize_input=False), ValueError, "square"),
    (lambda: linalg.cholesky(np.eye(3, dtype=int), symmetrize_input=False), TypeError, "does not accept dtype int"),
    (lambda: linalg.cholesky([[1.0]]), TypeError, "type list"),
    (lambda: linalg.cholesky_update(EYE[None], ONES[None]), TypeError, "rank of exactly 2"),
    (lambda: linalg.cholesky_update(EYE, np.ones(4, np.float32)), ValueError, "same size"),
    (lambda: linalg.cholesky_update(EYE + 0j, ONES + 0j), TypeError, "does not accept dtype complex"),
    (lambda: linalg.triangular_solve(EYE, EYE.astype(np.float16)), TypeError, "same dtypes"),
    (lambda: linalg.triangular_solve(EYE, np.ones((2, 4), np.float32)), ValueError, "Incompatible shapes"),
    (lambda: linalg.triangular_solve(EYE, np.ones((2, 3, 3), np.float32)), TypeError, "same number of batch dimensions"),
    (lambda: linalg.triangular_solve(np.ones((2, 3, 3)), np.ones((4, 3, 3))), ValueError, "same batch dimensions"),
    (lambda: linalg.triangular_solve(np.ones((2, 3)), np.ones((3, 3))), ValueError, "square"),
    (lambda: linalg.triangular_solve(EYE, 2.0), TypeError, "rank at least 2"),
    (lambda: linalg.lu(EYE.astype(int)), TypeError, "does not accept dtype int"),
    (lambda: linalg.lu(ONES), TypeError, "rank at least 2"),
    (lambda: linalg.lu_pivots_to_permutation(np.zeros(3, np.int32), 2), ValueError, "permutation size 2"),
    (lambda: linalg.lu_pivots_to_permutation(np.zeros(3, np.uint8), 3), TypeError, "does not accept dtype uint8"),
    (lambda: linalg.lu_pivots_to_permutation(np.zeros(3, np.int32), 3.0), TypeError, "permutation_size must be an integer"),
    (lambda: linalg.qr(ONES), TypeError, "rank at least 2"),
    (lambda: linalg.householder_product(EYE, EYE), TypeError, "same number of batch dimensions"),
    (lambda: linalg.householder_product(EYE, np.ones(4, np.float32)), ValueError, "must not have more rows"),
    (lambda: linalg.householder_product(EYE[:2], ONES[:2]), ValueError, "at least as many rows"),
    (lambda: linalg.ormqr(EYE, ONES, np.ones((4, 2), np.float32)), ValueError, "as many rows"),
    (lambda: linalg.ormqr(EYE, ONES, np.ones((4, 2), np.float32), left=False), ValueError, "as many columns"),
    (lambda: linalg.ormqr(EYE, np.ones(4, np.float32), EYE), ValueError, "taus"),
    (lambda: linalg.symmetric_product(EYE, np.ones((4, 4), np.float32)), ValueError, "rectangular matrix"),
    (lambda: linalg.symmetric_product(EYE + 0j, EYE + 0j), TypeError, "does not accept dtype complex"),
    (lambda: ferax.jit(lambda s: linalg.symmetric_product(EYE, EYE, alpha=s))(1.0), TypeError, "alpha"),
    (lambda: linalg.tridiagonal_solve(ONES, ONES, ONES[:2], EYE), TypeError, "same shape"),
    (lambda: linalg.tridiagonal_solve(ONES, ONES, ONES, ONES), TypeError, "rank at least 2"),
    (lambda: linalg.tridiagonal_solve(ONES, ONES, ONES, np.ones((4, 2), np.float32)), TypeError, "leading ndim-1"),
    (lambda: ferax.grad(lambda a: linalg.householder_product(a, ONES).sum())(EYE), NotImplementedError, "forward derivative"),
    (lambda: ferax.grad(lambda a: linalg.ormqr(a, ONES, EYE).sum())(EYE), NotImplementedError, "by the reflections"),
]


@pytest.mark.parametrize("call, error, text", REFUSED, ids=range(len(REFUSED)))
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


# --- other platforms, other processes -----------------------------------------------------------

BATCH = np.stack([EYE, EYE])
VECTORS = np.stack([ONES, ONES])
KERNELS = [
    ("cholesky", lambda: (linalg.cholesky, BATCH), "cusolver_potrf_ffi", "stablehlo.cholesky"),
    ("lu", lambda: (linalg.lu, BATCH), "cusolver_getrf_ffi", "@LuDecomposition"),
    ("pivots", lambda: (lambda x: linalg.lu_pivots_to_permutation(x, 3), VECTORS.astype(np.int32)), "cu_lu_pivots_to_permutation",
     "stablehlo.while"),
    ("qr", lambda: (linalg.qr, BATCH), "cusolver_geqrf_ffi", "@Qr"),
    ("householder", lambda: (linalg.householder_product, BATCH, VECTORS), "cusolver_orgqr_ffi",
     "@ProductOfElementaryHouseholderReflectors"),
    ("ormqr", lambda: (linalg.ormqr, BATCH, VECTORS, BATCH), "cusolver_ormqr_ffi", "@ProductOfElementaryHouseholderReflectors"),
    ("pivoted", lambda: (lambda x: linalg.qr(x, pivoting=True), BATCH), "cuhybrid_geqp3", NotImplementedError),
    ("triangular", lambda: (linalg.triangular_solve, BATCH, BATCH), "stablehlo.triangular_solve", "stablehlo.triangular_solve"),
    ("tridiagonal", lambda: (linalg.tridiagonal_solve, *[VECTORS] * 3, BATCH), "cusparse_gtsv2_ffi", "stablehlo.while"),
    ("perturbed", lambda: (lambda *xs: linalg.tridiagonal_solve(*xs, perturb_singular=True), *[VECTORS] * 3, BATCH),
     "cu_tridiagonal_solve_perturbed", NotImplementedError),
    ("update", lambda: (linalg.cholesky_update, EYE, ONES), "cu_cholesky_update_ffi", "stablehlo.while"),
    ("symmetric", lambda: (linalg.symmetric_product, BATCH, BATCH), "cusolver_syrk_ffi", "stablehlo.dot_general"),
]


def lowered_for(platform, fn, *args):
    return lower_jaxpr(ferax.make_jaxpr(fn)(*args), platform=platform)


@pytest.mark.parametrize("make, on_gpu, on_tpu", [row[1:] for row in KERNELS], ids=[row[0] for row in KERNELS])
def test_lowered_for_accelerators(make, on_gpu, on_tpu):
    assert on_gpu in lowered_for("cuda", *make()).as_text()
    if "cu" in on_gpu and "update" not in on_gpu:
        assert on_gpu.replace("cu", "hip", 1) in lowered_for("rocm", *make()).as_text()
    if on_tpu is NotImplementedError:
        with pytest.raises(NotImplementedError, match="tpu"):
            lowered_for("tpu", *make())
    else:
        assert on_tpu in lowered_for("tpu", *make()).as_text()


def test_what_accelerators_run_without_kernels_is_right():
    """The forms in plain StableHLO, compiled for the CPU."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)
    d, others, b = draw(2, 4) + 5, [draw(2, 4), draw(2, 4)], draw(2, 4, 2)
    x = draw(2, 3, 3)
    for fn, *args in ((linalg.tridiagonal_solve, others[0], d, others[1], b),
                      (linalg.tridiagonal_solve, others[0][:, :1], d[:, :1], others[1][:, :1], b[:, :1]),
                      (linalg.cholesky, x @ H(x) + EYE), (linalg.triangular_solve, x + 4 * EYE, x),
                      (lambda p: linalg.lu_pivots_to_permutation(p, 4), np.array([2, 2, 3], np.int32))):
        near(run_on_cpu(lowered_for("tpu", fn, *args), args), np.asarray(fn(*args)), 1e-3)


def run_on_cpu(lowered, args):
    """The one result of a program of plain StableHLO, for whatever platform it was lowered."""
    device = ferax.devices()[0]
    where = SingleDeviceSharding(device)
    executable = compiling.compile_lowered(lowered, [device])
    buffers = [engine.put(aval_of(x), where, [x], [device]) for x, kept in zip(args, lowered.kept) if kept]
    (found,) = engine.execute(executable, buffers, [engine.result_handler(a, where, False) for a in lowered.out_avals])
    return engine.to_numpy(found)


def test_programs_come_back_from_the_disk_cache(tmp_path, monkeypatch):
    run = lambda: ferax.jit(lambda x: linalg.cholesky(x) + 1)(9 * EYE)
    flags = config.FLAGS
    with flags["jax_compilation_cache_dir"](str(tmp_path)), flags["jax_persistent_cache_min_compile_time_secs"](0.0):
        near(run(), 3 * EYE + 1)
        assert len(list(tmp_path.iterdir())) == 1
        monkeypatch.setattr(engine.compiler, "compile_module", lambda *a: pytest.fail("compiled again"))
        near(run(), 3 * EYE + 1)


def test_batches_over_several_devices():
    """Each device factors its own matrices."""
    mesh = Mesh(np.array(ferax.devices()[:4]), ("x",))
    x = drawn(0, (8, 3, 3), "float32")
    shards = ferax.device_put(x, NamedSharding(mesh, P("x")))
    fn = ferax.jit(lambda x: (linalg.qr(x), linalg.lu(x)[2]))
    text = fn.lower(shards).compile().as_text()
    assert "all-gather" not in text and "custom-call" in text
    (q, r), order = fn(shards)
    assert q.sharding.spec == P("x") == order.sharding.spec
    near(np.asarray(q) @ np.asarray(r), x)
    whole = ferax.device_put(np.diag(np.arange(1.0, 9)).astype(np.float32), NamedSharding(mesh, P("x")))
    near(ferax.jit(linalg.cholesky)(whole), np.diag(np.arange(1.0, 9) ** 0.5))      # a matrix is not cut
