"""Cases of eigenvalue, singular value and Schur decompositions; see `op_harness`.

What a decomposition leaves open, the phases of complex vectors above all, is taken out before results are compared.
"""

import numpy as np
import scipy.linalg
from op_harness import Arg, Case, Refusal, bind

from ferax._src.api.autodiff import jvp
from ferax._src.numpy import manipulation, matrices, products
from ferax._src.ops import linalg_eig, linalg_eigh, linalg_svd
from ferax._src.ops.elementwise_complex import conj
from ferax._src.ops.linalg_hessenberg import hessenberg, tridiagonal
from ferax._src.ops.linalg_schur import schur
from ferax._src.types import dtypes

CASES: list[Case] = []
KINDS = ("float32", "complex64", "complex128")
SQUARE = Arg((3, 3), -1.0, 1.0)


def case(name: str, fn, *args: Arg, **options) -> None:
    CASES.append(Case(name, fn, args, **options))


def adjoint(x):
    x = manipulation.matrix_transpose(x)
    return conj(x) if dtypes.kind_of(x.dtype) == "c" else x


def weights(n: int, dtype):
    """Different numbers, one for each vector."""
    return np.arange(1, n + 1).astype(dtype)


def apart(x):
    """Matrices with eigenvalues, or singular values, that are well apart."""
    k = min(x.shape[-2:])
    return x + 5 * np.eye(*x.shape[-2:], dtype=x.dtype) * weights(x.shape[-1], x.dtype) if k else x


# --- eigh ---------------------------------------------------------------------------------------

def eigh(x, **options):
    """Eigenvalues, and a sum of projections on the eigenvectors."""
    v, w = linalg_eigh.eigh(apart(x), **options)
    return [products.matmul(v * weights(v.shape[-1], v.dtype), adjoint(v)), w]


def eigh_oracle(x, subset=None):
    x = apart(x)
    w, v = np.linalg.eigh((x + np.swapaxes(x, -1, -2).conj()) / 2)
    chosen = slice(*(subset or (0, x.shape[-1])))
    w, v = w[..., chosen], v[..., chosen]
    return [v * weights(v.shape[-1], v.dtype) @ np.swapaxes(v, -1, -2).conj(), w]


case("eigh", eigh, SQUARE, oracle=eigh_oracle, diff=(0,), kinds=KINDS, shapes=(((0, 0),), ((2, 0, 0),), ((0, 2, 2),), ((1, 1),)),
     tolerance=20)
case("eigh", eigh, SQUARE, oracle=eigh_oracle, dtype="complex128", diff=(0,), label="complex", tolerance=20)
case("eigh", lambda x: linalg_eigh.eigh(apart(x))[::-1], SQUARE, diff=(0,), second=False, label="vectors",
     oracle=lambda x: np.linalg.eigh(apart((x + x.T) / 2)), tolerance=20)
case("eigh", lambda x: eigh(x, subset_by_index=(1, 3)), Arg((4, 4), -1.0, 1.0), diff=(0,), mapped=(), second=False, label="subset",
     oracle=lambda x: eigh_oracle(x, (1, 3)), tolerance=20)


# --- eig ----------------------------------------------------------------------------------------

def eigenvalues(x):
    return linalg_eig.eig(apart(x), compute_left_eigenvectors=False, compute_right_eigenvectors=False)


def eig(x):
    return linalg_eig.eig(apart(x), enable_eigvec_derivs=True)


def eig_oracle(x):
    """LAPACK's normalization: length 1, and the largest component real."""
    x = apart(x)
    w, left, right = scipy.linalg.eig(x, left=True, right=True)
    for v in (left, right):
        v /= np.linalg.norm(v, axis=0)
    return [w, left, right]


case("eig", eigenvalues, Arg((2, 3, 3), -3.0, 3.0), oracle=lambda x: [np.linalg.eigvals(apart(x)).astype(complex)], diff=(0,),
     kinds=KINDS, shapes=(((0, 0),), ((2, 0, 0),), ((1, 1),)), label="values", tolerance=20)
case("eig", eig, Arg((3, 3), -1.0, 1.0), oracle=eig_oracle, diff=(0,), second=False, tolerance=20)
case("eig", eig, Arg((3, 3), -1.0, 1.0), oracle=eig_oracle, dtype="complex128", diff=(0,), label="complex", tolerance=20)
# Two of the eigenvalues are a conjugate pair.
case("eig", lambda x: linalg_eig.eig(x + np.diag([1.0, 2.0], 1) - np.diag([2.0, 0.0], -1), enable_eigvec_derivs=True,
                                     compute_left_eigenvectors=False),
     Arg((3, 3), -0.2, 0.2), diff=(0,), mapped=(), second=False, label="pair", tolerance=20)


# --- svd ----------------------------------------------------------------------------------------

def svd(x, **options):
    """Singular values, and a sum of products of the vectors that belong together."""
    u, s, vh = linalg_svd.svd(apart(x), **{"full_matrices": False, **options})
    return [products.matmul(u * weights(u.shape[-1], u.dtype), vh), s]


def svd_oracle(x, subset=None):
    u, s, vh = np.linalg.svd(apart(x), full_matrices=False)
    chosen = slice(*(subset or (0, s.shape[-1])))
    u, s, vh = u[..., chosen], s[..., chosen], vh[..., chosen, :]
    return [u * weights(u.shape[-1], u.dtype) @ vh, s]


def singular_values(x):
    return linalg_svd.svd(apart(x), compute_uv=False)


case("svd", svd, Arg((4, 3), -1.0, 1.0), oracle=svd_oracle, diff=(0,), kinds=KINDS,
     shapes=(((0, 3),), ((3, 0),), ((2, 0, 0),), ((0, 2, 3),), ((1, 1),)), label="tall", tolerance=20)
case("svd", svd, Arg((2, 3), -1.0, 1.0), oracle=svd_oracle, dtype="complex128", diff=(0,), label="wide-complex", tolerance=20)
case("svd", lambda x: svd(x, full_matrices=True, algorithm=linalg_svd.SvdAlgorithm.QR), Arg((3, 3), -1.0, 1.0), oracle=svd_oracle,
     dtype="complex128", diff=(0,), second=False, label="square-complex", tolerance=20)
case("svd", lambda x: linalg_svd.svd(apart(x), full_matrices=False), Arg((2, 3), -1.0, 1.0), diff=(0,), second=False, label="vectors",
     oracle=lambda x: np.linalg.svd(apart(x), full_matrices=False), tolerance=20)
case("svd", lambda x: linalg_svd.svd(x), Arg((2, 4)), label="full", kinds=("float32",), shapes=(((0, 3),), ((2, 3, 0),)),
     oracle=lambda x: np.linalg.svd(x), tolerance=20)
case("svd", singular_values, Arg((2, 3, 2), -1.0, 1.0), oracle=lambda x: [np.linalg.svd(apart(x), compute_uv=False)], diff=(0,),
     kinds=KINDS, shapes=(((0, 3),), ((2, 3, 0),)), label="values", tolerance=20)
case("svd", lambda x: svd(x, subset_by_index=(1, 3)), Arg((3, 4), -1.0, 1.0), oracle=lambda x: svd_oracle(x, (1, 3)), diff=(0,),
     mapped=(), second=False, label="subset", tolerance=20)


# --- forms without derivatives ------------------------------------------------------------------

def schur_parts(x):
    """The product that must be the operand, the one that must be 1, and what must be 0."""
    t, z = schur(x)
    return [products.matmul(products.matmul(z, t), adjoint(z)), products.matmul(z, adjoint(z)), matrices.tril(t, -2)]


def schur_oracle(x):
    return [x, np.broadcast_to(np.eye(x.shape[-1]), x.shape), np.zeros(x.shape)]


def by_lapack(routine: str, **options):
    """A routine of SciPy's LAPACK on each matrix of a batch, without its last result, info."""
    def oracle(x):
        call = scipy.linalg.get_lapack_funcs(routine, (x,))
        found = [call(a, **options)[:-1] for a in x.reshape(-1, *x.shape[-2:])]
        return [np.stack(column).reshape(*x.shape[:-2], *np.shape(column[0])) for column in zip(*found)]
    return oracle


def reduced(x):
    """`by_lapack` for Hermitian matrices."""
    kind = "hetrd" if x.dtype.kind == "c" else "sytrd"
    return by_lapack(kind, lower=1)(x)


case("schur", schur_parts, SQUARE, oracle=schur_oracle, kinds=KINDS, shapes=(((0, 0),), ((0, 2, 2),), ((2, 3, 3),)), tolerance=20)
case("schur", bind("schur", compute_schur_vectors=False, sort_eig_vals=False, select_callable=None), SQUARE, label="form",
     oracle=lambda x: [scipy.linalg.schur(x)[0]], tolerance=20)
case("hessenberg", hessenberg, Arg((2, 4, 4)), oracle=by_lapack("gehrd"), kinds=KINDS, shapes=(((3, 1, 1),),), tolerance=20)
case("tridiagonal", lambda x: tridiagonal(x), Arg((2, 4, 4)), oracle=reduced, kinds=KINDS, shapes=(((3, 1, 1),),), tolerance=20)
case("tridiagonal", lambda x: tridiagonal(x, lower=False), Arg((4, 4)), oracle=by_lapack("sytrd", lower=0), label="upper",
     tolerance=20)

REFUSALS = [
    Refusal("eig", "jvp", lambda: jvp(lambda x: linalg_eig.eig(x), (np.eye(2, dtype=np.float32),), (np.eye(2, dtype=np.float32),)),
            NotImplementedError, "enable_eigvec_derivs=True"),
    Refusal("svd", "jvp", lambda: jvp(lambda x: linalg_svd.svd(x), (np.ones((2, 3), np.float32),), (np.ones((2, 3), np.float32),)),
            NotImplementedError, "full_matrices=False"),
]
