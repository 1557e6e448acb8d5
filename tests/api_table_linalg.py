"""Rows of `numpy.linalg`: systems, determinants, factors, eigenvalues, norms."""

import numpy as np
from api_draw import ANY, NUMBERS, Draw, call, kind
from api_harness import TOLERANCE, Row

KINDS = ("float32", "complex64", "float64", "int32", "complex128")      # of the factorizations: LAPACK's and what converts to them
H = lambda x: np.conj(np.swapaxes(x, -1, -2))


# --- matrices -----------------------------------------------------------------------------------

def batch(d: Draw):
    return d.shape(0, 2, sizes=(2, 3, 1))


def regular(d: Draw, n=None, lead=None, kinds=KINDS):
    """Square matrices far from singular ones."""
    n = d.pick(3, 2, 1, 4, *(() if d.smooth else (0,))) if n is None else n
    x = d.array(kinds, (*(batch(d) if lead is None else lead), n, n), -1.5, 1.5, special=False)
    return (x + 4 * np.eye(n, dtype=x.dtype)).astype(x.dtype)


def hermitian(d: Draw, n=None, lead=None, kinds=KINDS):
    """Symmetric or Hermitian matrices with eigenvalues well apart."""
    n = d.pick(3, 2, 1, 4) if n is None else n
    x = d.array(kinds, (*(batch(d) if lead is None else lead), n, n), -1.5, 1.5, special=False)
    return (x + H(x) + 5 * np.diag(np.arange(1, n + 1)).astype(x.dtype)).astype(x.dtype)


def positive(d: Draw):
    x = regular(d)
    return (np.matmul(x.astype(np.complex128 if x.dtype.kind == "c" else np.float64), H(x))).astype(x.dtype)


def rectangular(d: Draw, kinds=KINDS, low=2):
    """Matrices of any shape with singular values well apart."""
    shape = (*batch(d), d.pick(3, 2, 4, *((1,) if low == 1 else ())), d.pick(3, 4, 2))
    x = d.array(kinds, shape, -1.5, 1.5, special=False)
    diagonal = np.zeros(shape[-2:])
    for i in range(min(diagonal.shape)):
        diagonal[i, i] = 4 * i + 4
    return (x + diagonal.astype(x.dtype)).astype(x.dtype)


def wide(f):
    """The oracle on numbers: booleans and integers as float64."""
    return lambda x, *args, **kwargs: f(x if np.asarray(x).dtype.kind in "fc" else np.asarray(x, float), *args, **kwargs)


# --- comparisons of what is not unique ----------------------------------------------------------

def close(a, b, like, factor=20.0):
    tolerance = factor * TOLERANCE[np.asarray(like).dtype.name]
    scale = max(1.0, np.abs(b).max()) if np.size(b) else 1.0
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


def host(*xs):
    return [np.asarray(x, np.complex128) for x in xs]


def given_matrix(given):
    return given.args[0].astype(np.complex128)


def orthonormal(q, like):
    close(H(q) @ q, np.broadcast_to(np.eye(q.shape[-1]), (*q.shape[:-2], q.shape[-1], q.shape[-1])), like)


def eigenpairs(found, _, given):
    """A v = v w, with eigenvalues as NumPy's."""
    w, v = host(*found)
    a = given_matrix(given)
    close(a @ v, v * w[..., None, :], found[1])
    key = lambda x: np.sort_complex(np.round(x, 3).reshape(-1, x.shape[-1]))
    close(key(w), key(np.linalg.eigvals(a)), found[0], 200)
    assert np.allclose(np.linalg.norm(v, axis=-2), 1, atol=1e-4)


def eigenvalues(found, _, given):
    key = lambda x: np.sort_complex(np.round(x, 3).reshape(-1, x.shape[-1]))
    close(key(np.asarray(found, np.complex128)), key(np.linalg.eigvals(given_matrix(given))), found, 200)


def triangle(a, upper):
    """The Hermitian matrix that one triangle of ``a`` says."""
    one = np.triu(a, 1) if upper else np.tril(a, -1)
    return one + H(one) + np.einsum("...ii,ij->...ij", a, np.eye(a.shape[-1])).real


def hermitian_pairs(found, _, given):
    a = given_matrix(given)
    if not given.kwargs.get("symmetrize_input", True):
        a = triangle(a, given.kwargs.get("UPLO") == "U")
    w, v = host(*found)
    close((v * w[..., None, :]) @ H(v), a, found[1])
    close(w, np.linalg.eigvalsh(a), found[0])
    orthonormal(v, found[1])


def singular(found, _, given):
    a = given_matrix(given)
    if not given.kwargs.get("compute_uv", True):
        close(np.asarray(found), np.linalg.svd(a, compute_uv=False), found)
        return
    u, s, vh = host(*found)
    full, k = given.kwargs.get("full_matrices", True), min(a.shape[-2:])
    assert u.shape[-1] == (a.shape[-2] if full else k) and vh.shape[-2] == (a.shape[-1] if full else k)
    close((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a, found[0])
    close(s, np.linalg.svd(a, compute_uv=False), found[1])
    orthonormal(u, found[0])
    orthonormal(H(vh), found[0])


def qr_factors(found, expected, given):
    a, mode = given_matrix(given), given.kwargs.get("mode", "reduced")
    if mode == "r":
        known = np.linalg.qr(a, "r")
        close(np.abs(np.asarray(found)), np.abs(known), found)
    elif mode == "raw":
        h, tau = found
        assert h.shape == (*a.shape[:-2], a.shape[-1], a.shape[-2]) and tau.shape == (*a.shape[:-2], min(a.shape[-2:]))
        close(np.abs(np.triu(np.swapaxes(np.asarray(h), -1, -2))[..., :min(a.shape[-2:]), :]), np.abs(np.linalg.qr(a, "r")), h)
    else:
        q, r = host(*found)
        assert q.shape[-1] == (a.shape[-2] if mode == "complete" else min(a.shape[-2:]))
        close(q @ r, a, found[0])
        close(r, np.triu(r), found[0])
        orthonormal(q, found[0])


# --- calls --------------------------------------------------------------------------------------

def systems(d: Draw):
    n = d.pick(3, 2, 1)
    a = regular(d, n)
    b = d.array(KINDS, d.pick((n,), (*a.shape[:-2], n, 2), (n, 2), (*a.shape[:-2], n, 0) if not d.smooth else (n, 1)), special=False)
    return call(a, b)


def solve_oracle(a, b):
    return np.linalg.solve(a, b[..., None])[..., 0] if b.ndim == 1 else np.linalg.solve(a, b)


def powers(d: Draw):
    n = d.pick(2, 0, 1, 3, 5, -1, -2)
    a = regular(d, kinds=NUMBERS if n >= 0 else KINDS)
    return call((a / 2).astype(a.dtype) if kind(a.dtype) == "f" else a, n)


def power_oracle(a, n):
    if a.dtype.kind in "iu" and n >= 0:
        a = a.astype(np.int64)
    return np.linalg.matrix_power(a, n)


def least_squares(d: Draw):
    m, n = d.pick((5, 3), (3, 3), (3, 5))
    a = d.array(KINDS, (m, n), -2, 2, special=False)
    a = (a + 4 * np.eye(m, n, dtype=a.dtype)).astype(a.dtype)
    given = {} if d.traced else d.some(numpy_resid=True)
    return call(a, d.array(KINDS, d.pick((m,), (m, 2)), special=False), **d.some(rcond=(1e-3, None)), **given)


def solution(a, b, rcond=None, numpy_resid=False):
    x, resid, rank, s = np.linalg.lstsq(a, b, rcond=rcond)
    if not numpy_resid:
        resid = np.sum(np.abs(b - a @ x) ** 2, axis=0).reshape(-1)
    return x, resid, rank, s


def stretched(root):
    """Without the residuals of exact solutions, which are rounding errors."""
    def solve(a, b, **options):
        x, resid, rank, s = root.numpy.linalg.lstsq(a, b, **options)
        return x, resid, rank, s
    return solve


def inverses(d: Draw):
    given: dict = d.some(hermitian=True)
    a = hermitian(d) if given else rectangular(d)
    return call(a, **given, **d.some(rcond=(1e-4, 1e-6)))


def pinv_oracle(a, rcond=None, hermitian=False):
    return np.linalg.pinv(a, rcond=1e-6 if rcond is None else rcond, hermitian=hermitian)


def ranks(d: Draw):
    given: dict = d.some(hermitian=True)
    a = hermitian(d) if given else rectangular(d)
    return call(a * 0 if d.integer(0, 4) == 4 else a, **given, **d.some(tol=(1e-3, 7.0)))


def rank_oracle(a, tol=1e-4, hermitian=False):
    s = np.abs(np.linalg.eigvalsh(a)) if hermitian else np.linalg.svd(a, compute_uv=False)
    return np.sum(s > tol, -1)


def conditions(d: Draw):
    if d.flag():
        return call(rectangular(d), *d.pick((), (2,), (-2,), (None,)))
    n = d.pick(2, 3)
    return call(regular(d, n), d.pick(1, -1, np.inf, -np.inf, "fro", "nuc"))


def norms(d: Draw):
    """All that `norm` takes: the whole array, vectors along an axis, matrices in two axes."""
    keepdims = d.some(keepdims=True)
    match d.integer(0, 2):
        case 0:
            x = d.array(ANY, d.shape(0, 3), special=False)
            return call(x, *(d.pick((), (None,)) if x.ndim != 1 else d.pick((), (1,), (np.inf,))), **keepdims)
        case 1:
            x = d.array(ANY, d.shape(1, 3, empty=False), special=False)
            return call(x, d.pick(None, 2, 1, 0, 3, -1, np.inf, -np.inf, 2.5) if not d.smooth else d.pick(None, 2, 1, 3, 2.5),
                        d.pick(d.axis(x.ndim), (d.axis(x.ndim),)), **keepdims)
    x = rectangular(d)
    axes = (-2, -1) if d.smooth else d.pick((-2, -1), (-1, -2))
    return call(x, d.pick(None, "fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf), axes, **keepdims)


def matrix_norms(d: Draw):
    return call(rectangular(d), **d.some(keepdims=(True, False), ord=("fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf)))


def vector_norms(d: Draw):
    x = d.array(("float32", "complex64", "float64", "bfloat16"), d.shape(1, 3, empty=False), special=False)
    orders = (1, 3, np.inf) if d.smooth else (1, 3, 0, -1, np.inf, -np.inf, 2.5)
    return call(x, **d.some(axis=(None, d.axis(x.ndim), tuple(range(x.ndim))), keepdims=True, ord=orders))


def chains(d: Draw):
    sizes = [d.pick(2, 3, 1, 4) for _ in range(d.integer(3, 5))]
    arrays = [d.array(("float32", "complex64", "int32", "bfloat16", "float64"), s, special=False) for s in zip(sizes, sizes[1:])]
    if d.flag():
        arrays[0] = arrays[0][0]
    if d.flag():
        arrays[-1] = arrays[-1][:, 0]
    return call(arrays)


def multi_dot_oracle(arrays):
    out = arrays[0]
    for x in arrays[1:]:
        out = out @ x
    return out


def tensors(d: Draw):
    x = regular(d, 6, ())
    return call(*d.pick((x.reshape(6, 2, 3), 1), (x.reshape(2, 3, 6),), (x.reshape(3, 2, 2, 3), 2)))


def tensor_systems(d: Draw):
    x, b = regular(d, 6, ()), d.array(KINDS, (2, 3), special=False)
    if d.flag():
        return call(x.reshape(2, 3, 6), b)
    return call(x.reshape(2, 3, 6).transpose(2, 0, 1), b, axes=(0,))


def factors(d: Draw):
    return call(rectangular(d), **d.some(mode=("complete", "reduced", "r", "raw") if not d.smooth else ("reduced", "r")))


def cholesky_calls(d: Draw):
    x = positive(d)
    if d.flag():
        upper = d.flag()
        one = np.triu(x) if upper else np.tril(x)               # the other triangle is not read
        return call(x if d.smooth else one, upper=upper, symmetrize_input=d.smooth)
    return call(x, **d.some(upper=(True, False)))


def cholesky_oracle(a, upper=False, symmetrize_input=True):
    a = a if symmetrize_input else triangle(a, upper)
    lower = np.linalg.cholesky(a)
    return H(lower) if upper else lower


def eigh_calls(d: Draw):
    x = hermitian(d, kinds=("float64",) if d.smooth else KINDS)     # the phases of complex vectors are free: differences do not see them
    if d.flag() and not d.smooth:
        uplo = d.pick("L", "U")
        return call(x, UPLO=uplo, symmetrize_input=False)
    return call(x, **d.some(UPLO=("L", "U", None)))


def eigvalsh_calls(d: Draw):
    return call(hermitian(d), **d.some(UPLO=("L", "U")))


def svd_calls(d: Draw):
    values_only = {"compute_uv": False} if d.flag() else {}
    given: dict = {} if d.smooth and not values_only else d.some(hermitian=True)
    a = hermitian(d) if given else rectangular(d)
    if d.smooth and not values_only:
        return call(a.real, full_matrices=False)                    # as in `eigh_calls`
    return call(a, **given, **values_only, **d.some(full_matrices=(False, True)))


def slogdet_calls(d: Draw):
    x = regular(d)
    return call(x, **(d.some(method=("lu", "qr")) if kind(x.dtype) != "c" else {}))


LA = dict(tolerance=20.0, slack=100.0, examples=6)

ROWS = [
    Row("numpy.linalg.det", wide(np.linalg.det), lambda d: call(regular(d)), "inexact", **LA),
    Row("numpy.linalg.slogdet", lambda a, method=None: wide(np.linalg.slogdet)(a), slogdet_calls, **LA),
    Row("numpy.linalg.inv", wide(np.linalg.inv), lambda d: call(regular(d)), "inexact", **LA),
    Row("numpy.linalg.solve", solve_oracle, systems, "inexact", **LA),
    Row("numpy.linalg.matrix_power", power_oracle, powers, **LA),
    Row("numpy.linalg.lstsq", solution, least_squares, second=False, fn=stretched, **LA),
    Row("numpy.linalg.pinv", wide(pinv_oracle), inverses, "inexact", **LA),
    Row("numpy.linalg.matrix_rank", wide(rank_oracle), ranks, "index", **LA),
    Row("numpy.linalg.cond", wide(np.linalg.cond), conditions, **LA),
    Row("numpy.linalg.norm", wide(np.linalg.norm), norms, **{**LA, "examples": 16}),
    Row("numpy.linalg.matrix_norm", wide(np.linalg.matrix_norm), matrix_norms, **{**LA, "examples": 12}),
    Row("numpy.linalg.vector_norm", np.linalg.vector_norm, vector_norms, **{**LA, "examples": 12}),
    Row("numpy.linalg.multi_dot", multi_dot_oracle, chains, **LA),
    Row("numpy.linalg.tensorinv", wide(np.linalg.tensorinv), tensors, "inexact", **LA),
    Row("numpy.linalg.tensorsolve", wide(np.linalg.tensorsolve), tensor_systems, "inexact", **LA),
    Row("numpy.linalg.cholesky", wide(cholesky_oracle), cholesky_calls, "inexact", **LA,
        differs="JAX reads the lower triangle also where upper=True"),
    Row("numpy.linalg.qr", lambda a, mode="reduced": a, factors, compare=qr_factors, **LA),
    Row("numpy.linalg.svd", lambda a, **_: a, svd_calls, compare=singular, **LA),
    Row("numpy.linalg.svdvals", wide(np.linalg.svdvals), lambda d: call(rectangular(d)), **LA),
    Row("numpy.linalg.eigh", lambda a, **_: a, eigh_calls, compare=hermitian_pairs, **LA),
    Row("numpy.linalg.eigvalsh", wide(np.linalg.eigvalsh), eigvalsh_calls, **LA),
    Row("numpy.linalg.eig", lambda a: a, lambda d: call(regular(d, d.pick(3, 2, 1))), compare=eigenpairs, grad=False,
        why="derivatives of eigenvectors exist only where their scale is fixed, and are refused as by JAX", **LA),
    Row("numpy.linalg.eigvals", lambda a: a, lambda d: call(hermitian(d) if d.smooth else regular(d, d.pick(3, 2, 1))),
        compare=eigenvalues, **LA),
    Row("numpy.linalg.diagonal", lambda x, offset=0: np.linalg.diagonal(x, offset=offset),
        lambda d: call(d.array(ANY, d.shape(2, 4)), **d.some(offset=(1, -1, 5))), "same"),
    Row("numpy.linalg.trace", lambda x, offset=0, dtype=None: np.linalg.trace(x, offset=offset),
        lambda d: call(d.array(NUMBERS, d.shape(2, 4), special=False), **d.some(offset=(1, -1, 5)))),
    Row("numpy.linalg.matrix_transpose", np.matrix_transpose, lambda d: call(d.array(ANY, d.shape(2, 4))), "same"),
]
