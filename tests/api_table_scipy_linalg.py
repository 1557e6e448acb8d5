"""Rows of `scipy.linalg`: SciPy is the oracle; what is not unique is multiplied out."""

import numpy as np
import scipy.linalg as sl
from api_draw import Draw, call
from api_harness import Refusal, Row
from api_table_linalg import H, batch, close, hermitian, host, orthonormal, positive, rectangular, regular

KINDS = ("float32", "complex64", "float64", "int32")
FLOATING = ("float32", "complex64", "float64", "complex128")
E = 2
NO_DERIVATIVE = {"grad": False, "why": "LAPACK's iteration has no derivative"}
SIZE = {"jit": False, "vmap": False, "grad": False, "why": "its arguments are sizes"}


def row(names, oracle, calls, **options):
    names = " ".join(f"scipy.linalg.{n}" for n in names.split())
    return Row(names, oracle, calls, **{"examples": E, "tolerance": 10, **options})


def even(a):
    """A Hermitian matrix as a function of all its elements: derivatives of what reads one triangle only are then defined."""
    return (a + a.mT.conj()) / 2


def right_side(d: Draw, a):
    return d.array(shape=(*a.shape[:-2], a.shape[-1], d.pick(2, 1)), low=-2, high=2, special=False, dtype=a.dtype)


def system(matrix, **options):
    def calls(d):
        a = matrix(d)
        return call(a, right_side(d, a), **d.some(**options))
    return calls


def positive_system(d: Draw):
    a = positive(d)
    return call(a, right_side(d, a), assume_a="pos", **d.some(lower=(True, False)))


def triangular_oracle(a, b, trans=0, lower=False, unit_diagonal=False):
    a = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        a = a - a * np.eye(a.shape[-1]) + np.eye(a.shape[-1])
    a = {0: a, "N": a, 1: np.swapaxes(a, -1, -2), "T": np.swapaxes(a, -1, -2), 2: H(a), "C": H(a)}[trans]
    return np.linalg.solve(a, b)


def upper(a, lower=False):
    found = np.linalg.cholesky(a)
    return found if lower else H(found)


def square(d: Draw, kinds=KINDS, low=-1.5, high=1.5, n=None):
    n = d.pick(3, 2, 1, 4) if n is None else n
    return d.array(kinds, (*batch(d), n, n), low, high, special=False)


def product_is_given(found, _, given):
    """``a = q r`` or ``z t z^H`` ... whatever the parts are named, with unitary first or last factors checked by the caller."""
    a = given.args[0].astype(np.complex128)
    q, r = host(*found[:2])
    p = np.asarray(found[2]) if len(found) > 2 else None
    orthonormal(q, found[0])
    close(q @ r, a if p is None else np.take_along_axis(a, p[..., None, :].astype(int), -1), found[0])


def schur_form(found, _, given):
    t, z = host(*found)
    orthonormal(z, found[1])
    close(z @ t @ H(z), given.args[0], found[0])


def hessenberg_form(found, _, given):
    h, q = host(*found)
    orthonormal(q, found[1])
    close(q @ h @ H(q), given.args[0], found[0])
    assert not np.tril(h, -2).any()


def singular(found, _, given):
    u, s, vh = host(*found)
    k = s.shape[-1]
    close(u[..., :k] * s[..., None, :] @ vh[..., :k, :], given.args[0], found[0])
    orthonormal(u, found[0])
    orthonormal(H(vh), found[0])


def eigenpairs(found, _, given):
    w, v = host(*found)
    a = given.args[0].astype(np.complex128)
    close(a @ v, v * w[..., None, :], found[1])
    orthonormal(v, found[1])


def triangular_schur(found, _, given):
    t, z = host(*found)
    t0, z0 = [x.astype(np.complex128) for x in given.args]
    close(z @ t @ H(z), z0 @ t0 @ H(z0), found[0])
    orthonormal(z, found[1])
    assert not np.tril(t, -1).any()


def real_schur(d: Draw):
    return call(*[x.astype("float64") for x in sl.schur(d.array(("float64",), (d.pick(3, 2, 1, 4),) * 2, special=False))])


def qr_calls(d: Draw):
    return call(rectangular(d), mode=d.pick("full", "economic"), **d.some(pivoting=(True,)))


def polar_product(found, _, given):
    u, p = host(*found)
    left = given.kwargs.get("side") == "left"
    close(p @ u if left else u @ p, given.args[0], found[0], 100)
    close(p, H(p), found[1])
    assert (np.linalg.eigvalsh(p) > -1e-3).all()


def polar_calls(d: Draw):
    a = rectangular(d, FLOATING)
    return call(a, **d.pick({"method": "svd"}, {"method": "svd", "side": "left"},
        {"side": "right" if a.shape[-2] >= a.shape[-1] else "left"}))


def by_matrix(f):
    """An oracle for single matrices, applied to batches."""
    def oracle(*args, **kwargs):
        shape = np.broadcast_shapes(*[a.shape[:-2] for a in args])
        args = [np.broadcast_to(a, (*shape, *a.shape[-2:])) for a in args]
        parts = [f(*[a[i] for a in args], **kwargs) for i in np.ndindex(*shape)]
        return np.reshape(parts, (*shape, *np.shape(parts[0]))) if parts else np.zeros(args[0].shape)
    return oracle


def on_vectors(f):
    """An oracle for vectors, applied to batches."""
    def oracle(*args, **kwargs):
        shape = np.broadcast_shapes(*[a.shape[:-1] for a in args])
        args = [np.broadcast_to(a, (*shape, a.shape[-1])) for a in args]
        parts = [f(*[a[i] for a in args], **kwargs) for i in np.ndindex(*shape)]
        return np.reshape(parts, (*shape, *np.shape(parts[0])))
    return oracle


def vector(low=2, high=5, kinds=KINDS):
    def calls(d: Draw):
        return call(d.array(kinds, (*d.shape(0, 2, empty=False), d.integer(low, high)), 0.5, 4, special=False))
    return calls


def two_vectors(less=None):
    def calls(d: Draw):
        n, lead, dtype = d.integer(2, 4), d.shape(0, 1, empty=False), d.dtype(KINDS)
        m = n - less if less is not None else d.integer(1, 4)
        return call(*[d.array(shape=(*lead, k), low=0.5, high=4, special=False, dtype=dtype) for k in (n, m)])
    return calls


def sylvester(d: Draw):
    a = regular(d, 3, (), FLOATING)
    b = regular(d, 2, (), (a.dtype.name,))
    return call(a, b, d.array(shape=(3, 2), special=False, dtype=a.dtype), **d.some(method=("schur", "eigen")))


def rooted(found, _, given):
    (r,) = host(found)
    close(r @ r, given.args[0], found, 100)


def tridiagonal(d: Draw):
    n, dtype = d.pick(3, 4, 2), d.dtype(("float32", "float64"))
    diagonal = (d.array(shape=(n,), special=False, dtype=dtype) + 9 * np.arange(n)).astype(dtype)
    return call(diagonal, d.array(shape=(n - 1,), low=0.5, high=2, special=False, dtype=dtype), eigvals_only=True,
                **d.pick({}, {"select": "i", "select_range": (0, 1)}))


def multiplied(d: Draw):
    a = d.array(FLOATING, (d.pick(3, 2, 4), d.pick(3, 2)), special=False)
    mode, k = d.pick("right", "left"), min(a.shape)
    shape = d.pick((2, a.shape[0]) if mode == "right" else (k, 2), (a.shape[0],) if mode == "right" else (k,))
    return call(a, d.array(shape=shape, special=False, dtype=a.dtype), mode, **d.some(conjugate=(True,), pivoting=(True,)))


ROWS = [
    # systems
    row("cholesky", upper, lambda d: call(positive(d), **d.some(lower=(True, False))), tolerance=20,
        fn=lambda root: lambda a, **how: root.scipy.linalg.cholesky(even(a), **how)),
    row("cho_factor", None, lambda d: call(positive(d)), fn=lambda root: lambda a: root.scipy.linalg.cho_factor(even(a),
        lower=True)[0],
        compare=lambda found, _, given: close(host(found)[0] @ H(host(found)[0]), given.args[0], found)),
    row("cho_solve", np.linalg.solve, system(positive), tolerance=50,
        fn=lambda root: lambda a, b: root.scipy.linalg.cho_solve(root.scipy.linalg.cho_factor(even(a), lower=True), b)),
    row("lu_factor", None, lambda d: call(regular(d, kinds=KINDS)), compare=lambda found, _, given: None,
        fn=lambda root: lambda a: root.scipy.linalg.lu_factor(a)[0]),
    row("lu_solve", lambda a, b, trans=0: np.linalg.solve((a, np.swapaxes(a, -1, -2), H(a))[trans], b), system(regular,
        trans=(1, 2, 0)), tolerance=20,
        fn=lambda root: lambda a, b, trans=0: root.scipy.linalg.lu_solve(root.scipy.linalg.lu_factor(a), b, trans)),
    row("lu", lambda a, permute_l=False: sl.lu(a, permute_l), lambda d: call(d.array(KINDS, (d.pick(3, 2), d.pick(3, 4)),
        special=False),
                                                       **d.some(permute_l=(True,))), tolerance=20, vmap=False,
                                                           why="it takes single matrices"),
    row("det", np.linalg.det, lambda d: call(regular(d)), tolerance=20),
    row("inv", np.linalg.inv, lambda d: call(regular(d)), tolerance=20),
    row("solve", lambda a, b, lower=False, assume_a="gen": np.linalg.solve(a, b), lambda d: d.pick(positive_system,
        system(regular))(d), tolerance=50,
        fn=lambda root: lambda a, b, **how: root.scipy.linalg.solve(even(a) if how else a, b, **how)),
    row("solve_triangular", triangular_oracle, system(regular, trans=(1, 2, "N", "T", "C"), lower=(True, False),
        unit_diagonal=(True,)), tolerance=50),
    # factorizations
    row("svd", None, lambda d: call(rectangular(d)), compare=singular, grad=False, why="full matrices have no derivatives"),
    row("qr", None, qr_calls, compare=product_is_given, grad=False, why="full and pivoted forms have no derivatives"),
    row("qr_multiply", lambda a, c, mode, conjugate=False, pivoting=False: sl.qr_multiply(a, c, mode, pivoting, conjugate),
        multiplied, tolerance=20,
        grad=False, why="the compact form has no derivatives"),
    row("eigh", None, lambda d: call(hermitian(d)), compare=eigenpairs, grad=False,
        why="eigenvectors are free in sign; derivatives are those of lax.linalg.eigh"),
    row("eigh_tridiagonal", lambda d, e, eigvals_only, select="a", select_range=None: np.linalg.eigvalsh(np.diag(d) + np.diag(e,
        1) + np.diag(e, -1))[
        slice(None) if select == "a" else slice(select_range[0], select_range[1] + 1)], tridiagonal),
    row("schur", None, lambda d: call(square(d, FLOATING)), compare=schur_form, **NO_DERIVATIVE),
    row("rsf2csf", None, real_schur, compare=triangular_schur, **NO_DERIVATIVE),
    row("hessenberg", None, lambda d: call(square(d, FLOATING), calc_q=True), compare=hessenberg_form, **NO_DERIVATIVE),
    row("polar", None, polar_calls, compare=polar_product, grad=False, why="by iteration", jit=True),
    # functions
    row("expm", sl.expm, lambda d: call(square(d, n=d.pick(3, 2, 1))), tolerance=40),
    row("expm_frechet", by_matrix(lambda a, e, compute_expm: sl.expm_frechet(a, e, compute_expm=False)),
        lambda d: call(*[d.array(("float64",), (3, 3), -2, 2, special=False) for _ in range(2)], compute_expm=False),
        tolerance=40, second=False, grad=False, why="that of expm is checked"),
    row("sqrtm", None, lambda d: call(regular(d, lead=(), n=d.pick(3, 2, 1), kinds=FLOATING)), compare=rooted, vmap=False,
        **{**NO_DERIVATIVE, "why": "single matrices; LAPACK's iteration has no derivative"}),
    row("funm", lambda a: sl.expm(a), lambda d: call((d.array(("float32", "float64"), (3, 3), -0.3, 0.3,
        special=False) + np.diag([0, 1, 2])).astype("float64")),
        tolerance=1000, fn=lambda root: lambda a: root.scipy.linalg.funm(a, root.numpy.exp).real, vmap=False,
        **{**NO_DERIVATIVE, "why": "single matrices; LAPACK's iteration has no derivative"}),
    row("solve_sylvester", lambda a, b, c, method="schur": sl.solve_sylvester(a, b, c), sylvester, tolerance=50,
        **NO_DERIVATIVE),
    # matrices with a name
    row("block_diag", sl.block_diag, lambda d: call(*[d.array(KINDS, d.shape(0, 2), special=False) for _ in range(d.integer(1,
        3))])),
    row("toeplitz", on_vectors(sl.toeplitz), lambda d: d.pick(vector(), two_vectors())(d)),
    row("hankel", on_vectors(sl.hankel), lambda d: d.pick(vector(), two_vectors())(d)),
    row("circulant", on_vectors(sl.circulant), vector()),
    row("companion", on_vectors(sl.companion), vector(), gives="inexact"),
    row("convolution_matrix", lambda a, n, mode="full": on_vectors(lambda v: sl.convolution_matrix(v, n, mode))(a),
        lambda d: call(*vector()(d).args, d.integer(1, 5), **d.some(mode=("same", "valid", "full")))),
    row("fiedler", on_vectors(sl.fiedler), vector(kinds=("float32", "int32", "float64"))),
    row("fiedler_companion", on_vectors(sl.fiedler_companion), vector(2, 6), gives="inexact"),
    row("leslie", on_vectors(sl.leslie), two_vectors(1)),
    row("dft", lambda n, scale=None, dtype=None: sl.dft(n, scale), lambda d: call(d.integer(1, 6), **d.some(scale=("sqrtn",
        "n"), dtype=("complex64",))), **SIZE),
    row("hadamard", lambda n, dtype=int: sl.hadamard(n), lambda d: call(d.pick(1, 2, 4, 8), **d.some(dtype=("float32",
        "int8"))), **SIZE),
    row("helmert", sl.helmert, lambda d: call(d.integer(1, 6), **d.some(full=(True,))), **SIZE),
    row("hilbert", sl.hilbert, lambda d: call(d.integer(1, 6)), **SIZE),
    row("invhilbert", sl.invhilbert, lambda d: call(d.integer(1, 6)), **SIZE),
    row("pascal", lambda n, kind="symmetric": sl.pascal(n, kind), lambda d: call(d.integer(1, 6), **d.some(kind=("lower",
        "upper", "symmetric"))), **SIZE),
    row("invpascal", lambda n, kind="symmetric": sl.invpascal(n, kind), lambda d: call(d.integer(1, 6), **d.some(kind=("lower",
        "upper", "symmetric"))), **SIZE),
]


def refusals(name, error, text, *calls):
    return [Refusal(f"scipy.linalg.{name}", lambda root, c=c: c(root.scipy.linalg), error, text, str(i)) for i,
        c in enumerate(calls)]


I2, WIDE = np.eye(2), np.ones((2, 3))
REFUSALS = [
    *refusals("solve", ValueError, "assume_a", lambda s: s.solve(I2, I2, assume_a="no")),
    *refusals("solve_triangular", ValueError, "trans", lambda s: s.solve_triangular(I2, I2, trans=3)),
    *refusals("qr", ValueError, "mode", lambda s: s.qr(I2, mode="no")),
    *refusals("qr_multiply", ValueError, "mode|do not fit", lambda s: s.qr_multiply(I2, I2, "no"), lambda s: s.qr_multiply(I2,
        np.eye(3))),
    *refusals("schur", ValueError, "output", lambda s: s.schur(I2, output="no")),
    *refusals("eigh", ValueError, "same shape|type|square", lambda s: s.eigh(I2, np.eye(3)), lambda s: s.eigh(I2, I2, type=4),
              lambda s: s.eigh(WIDE)),
    *refusals("eigh_tridiagonal", TypeError, "dtype|float32", lambda s: s.eigh_tridiagonal(np.ones(2, int), np.ones(1, int)),
              lambda s: s.eigh_tridiagonal(np.ones(2, "float32"), np.ones(1, int))),
    *refusals("eigh_tridiagonal-select", ValueError, "select", lambda s: s.eigh_tridiagonal(np.ones(2), np.ones(1), select="i"),
              lambda s: s.eigh_tridiagonal(np.ones(2), np.ones(1), select="x"), lambda s: s.eigh_tridiagonal(np.ones(2),
                  np.ones(1), select="i", select_range=(1, 0))),
    *refusals("polar", ValueError, "2-D|side|Unknown", lambda s: s.polar(np.ones(2)), lambda s: s.polar(I2, side="x"),
        lambda s: s.polar(I2, method="x")),
    *refusals("expm", ValueError, "square", lambda s: s.expm(WIDE), lambda s: s.sqrtm(WIDE), lambda s: s.funm(WIDE, np.exp),
        lambda s: s.cholesky(WIDE)),
    *refusals("expm_frechet", ValueError, "square|same shape", lambda s: s.expm_frechet(WIDE, WIDE),
        lambda s: s.expm_frechet(I2, np.eye(3))),
    *refusals("solve_sylvester", ValueError, "Incompatible|Unrecognized", lambda s: s.solve_sylvester(I2, I2, np.eye(3)),
              lambda s: s.solve_sylvester(I2, I2, I2, method="x")),
    *refusals("rsf2csf", ValueError, "square|match", lambda s: s.rsf2csf(WIDE, I2), lambda s: s.rsf2csf(I2, np.eye(3))),
    *refusals("block_diag", ValueError, "2 dimensions", lambda s: s.block_diag(np.ones((1, 1, 1)))),
    *refusals("toeplitz", TypeError, "toeplitz", lambda s: s.toeplitz([1, 2])),
    *refusals("hankel", ValueError, "scalar", lambda s: s.hankel(1.0)),
    *refusals("companion", ValueError, "at least 2", lambda s: s.companion(np.ones(1)), lambda s: s.leslie(np.ones(1),
        np.ones(0))),
    *refusals("convolution_matrix", ValueError, "positive|mode|len", lambda s: s.convolution_matrix(np.ones(2), 0),
        lambda s: s.convolution_matrix(np.ones(2), 2, "x"),
              lambda s: s.convolution_matrix(np.ones(0), 2)),
    *refusals("pascal", ValueError, "kind", lambda s: s.pascal(2, "x"), lambda s: s.invpascal(2, "x")),
    *refusals("hadamard", ValueError, "power of 2", lambda s: s.hadamard(3)),
    *refusals("helmert", ValueError, "positive", lambda s: s.helmert(0)),
    *refusals("dft", ValueError, "scale|complex", lambda s: s.dft(2, "x"), lambda s: s.dft(2, dtype="float32")),
    *refusals("lu_solve", ValueError, "trans", lambda s: s.lu_solve((I2, np.zeros(2, "int32")), I2, 3)),
]
