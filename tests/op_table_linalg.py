"""Cases of the factorizations of matrices and of the solutions of linear systems; see `op_table` and `op_harness`.

Matrices are drawn at random and made well conditioned inside of each case, so that differences are exact enough.
"""

import numpy as np
import scipy.linalg
from op_harness import Arg, Case, bind

from ferax._src.ops import linalg_cholesky, linalg_qr
from ferax._src.ops.base import add
from ferax._src.ops.linalg_lu import lu, lu_pivots_to_permutation
from ferax._src.ops.linalg_matrices import eye, matmul, mH, scale, triu
from ferax._src.ops.linalg_products import symmetric_product
from ferax._src.ops.linalg_solve import lu_solve
from ferax._src.ops.linalg_triangular import triangular_solve
from ferax._src.ops.linalg_tridiagonal import tridiagonal_solve
from ferax._src.types.avals import aval_of

CASES: list[Case] = []
WIDTHS = ("float32", "complex64")


def case(name: str, *args: Arg, params=None, fn=None, **options) -> None:
    CASES.append(Case(name, fn or bind(name, **(params or {})), args, **options))


def H(x):  # noqa: N802
    return np.conj(np.swapaxes(x, -1, -2))


def shifted(x, by=3.0):
    """``x + by I``"""
    aval = aval_of(x)
    return add(x, scale(eye(aval.dtype, aval.shape), by))


def positive(x):
    return shifted(matmul(x, mH(x)))


def shifted_in_numpy(x, by=3.0):
    return x + by * np.eye(x.shape[-1])


def positive_in_numpy(x):
    return shifted_in_numpy(x @ H(x))


# --- cholesky -----------------------------------------------------------------------------------

case("cholesky", Arg((2, 3, 3), -1, 1), fn=lambda x: linalg_cholesky.cholesky(positive(x), symmetrize_input=False), diff=(0,),
     oracle=lambda x: np.linalg.cholesky(positive_in_numpy(x)), kinds=WIDTHS, shapes=(((0, 0),), ((0, 3, 3),)))
case("cholesky", Arg((3, 3), -1, 1), fn=lambda x: linalg_cholesky.cholesky(shifted(x, 5.0)), dtype="complex128",
     label="symmetrized", diff=(0,), second=False, oracle=lambda x: np.linalg.cholesky(shifted_in_numpy((x + H(x)) / 2, 5.0)))
case("cholesky_update", Arg((3, 3)), Arg((3,)), fn=lambda r, w: linalg_cholesky.cholesky_update(triu(shifted(r)), w), diff=(0, 1),
     oracle=lambda r, w: H(np.linalg.cholesky((lambda s: s.T @ s + np.outer(w, w))(np.triu(shifted_in_numpy(r))))),
     kinds=("float32",), shapes=(((0, 0), (0,)),), second=False, tolerance=3)

# --- linear systems -----------------------------------------------------------------------------


def solved(a, b, left_side, lower, transpose_a, conjugate_a, unit_diagonal):
    a = (np.tril if lower else np.triu)(shifted_in_numpy(a))
    if unit_diagonal:
        a = a - shifted_in_numpy(np.zeros_like(a), 1) * np.diagonal(a, 0, -2, -1)[..., None] + np.eye(a.shape[-1])
    a = np.conj(a) if conjugate_a else a
    a = np.swapaxes(a, -1, -2) if transpose_a else a
    return np.linalg.solve(a, b) if left_side else b @ np.linalg.inv(a)


def triangular(shape_a, shape_b, label, left_side, lower, transpose_a=False, conjugate_a=False, unit_diagonal=False, **options):
    given = {"left_side": left_side, "lower": lower, "transpose_a": transpose_a, "conjugate_a": conjugate_a,
             "unit_diagonal": unit_diagonal}
    case("triangular_solve", Arg(shape_a, -1, 1), Arg(shape_b), fn=lambda a, b: triangular_solve(shifted(a), b, **given),
         oracle=lambda a, b: solved(a, b, **given), diff=(0, 1), linear=True, label=label, **options)


triangular((2, 3, 3), (2, 3, 4), "left", True, True, kinds=(*WIDTHS, "bfloat16"), tolerance=2,
           shapes=(((0, 0), (0, 2)), ((3, 3), (3, 0)), ((0, 3, 3), (0, 3, 2))))
triangular((3, 3), (4, 3), "right", False, True)
triangular((3, 3), (4, 3), "transposed", False, False, transpose_a=True)
triangular((2, 3, 3), (2, 3, 1), "unit", True, False, unit_diagonal=True)
triangular((3, 3), (3, 2), "adjoint", True, False, transpose_a=True, conjugate_a=True, dtype="complex128")
triangular((3, 3), (2, 3), "conjugate-unit", False, True, conjugate_a=True, unit_diagonal=True, dtype="complex128")
case("triangular_solve", Arg((3, 3), -1, 1), Arg((3,)), fn=lambda a, b: triangular_solve(shifted(a), b, left_side=True),
     oracle=lambda a, b: np.linalg.solve(np.triu(shifted_in_numpy(a)), b), diff=(0, 1), label="vector", second=False)


def tridiagonal(dl, d, du):
    n = d.shape[-1]
    full = np.zeros((*d.shape, n), d.dtype)
    i = np.arange(n)
    full[..., i, i] = d
    full[..., i[1:], i[:-1]] = dl[..., 1:]
    full[..., i[:-1], i[1:]] = du[..., :-1]
    return full


for label, dtype, batch, options in (
        ("", "float64", (2,), {"kinds": WIDTHS, "shapes": [((n,),) * 3 + ((n, k),) for n, k in ((0, 2), (1, 2), (3, 0))]}),
        ("complex", "complex128", (), {}), ("perturbed", "float64", (), {"second": False})):
    case("tridiagonal_solve", *[Arg((*batch, 4), *span) for span in ((-1, 1), (3, 4), (-1, 1))], Arg((*batch, 4, 2)), dtype=dtype,
         fn=lambda *xs, p=label == "perturbed": tridiagonal_solve(*xs, perturb_singular=p), diff=(0, 1, 2, 3),
         oracle=lambda dl, d, du, b: np.linalg.solve(tridiagonal(dl, d, du), b), linear=True, label=label, **options)

# --- lu -----------------------------------------------------------------------------------------


def lu_in_scipy(x):
    if x.size == 0:
        return [x, np.zeros((*x.shape[:-2], min(x.shape[-2:])), np.int32),
                np.broadcast_to(np.arange(x.shape[-2], dtype=np.int32), x.shape[:-1])]
    if x.ndim > 2:
        return [np.stack(part) for part in zip(*map(lu_in_scipy, x))]
    m, n = x.shape
    getrf = scipy.linalg.get_lapack_funcs("getrf", (x,))
    factors, pivots, _ = getrf(x)
    order = np.arange(m)
    for i, j in enumerate(pivots):
        order[[i, j]] = order[[j, i]]
    return [factors, pivots.astype(np.int32), order.astype(np.int32)]


case("lu", Arg((2, 3, 3)), oracle=lu_in_scipy, diff=(0,), kinds=WIDTHS, tolerance=30,
     shapes=(((0, 0),), ((3, 0),), ((0, 2),), ((0, 3, 2),)))
case("lu", Arg((4, 3)), oracle=lu_in_scipy, diff=(0,), dtype="complex128", label="tall", tolerance=10, second=False)
case("lu", Arg((2, 4)), oracle=lu_in_scipy, diff=(0,), label="wide", tolerance=10, second=False)


def swapped(pivots, n):
    if pivots.ndim > 1:
        return np.stack([swapped(row, n) for row in pivots])
    order = np.arange(n, dtype=np.int32)
    for i, j in enumerate(pivots):
        order[[i, j]] = order[[j, i]]
    return order


case("lu_pivots_to_permutation", Arg((2, 3), 0, 3.4, "int32"), dtype="int32",
     fn=lambda x: lu_pivots_to_permutation(x, 4), oracle=lambda x: swapped(x, 4),
     shapes=(((0,),), ((4,),)))

# --- qr -----------------------------------------------------------------------------------------


def qr_in_numpy(x, full_matrices, pivoting=False):
    if x.size == 0:
        m, n = x.shape[-2:]
        k = m if full_matrices else min(m, n)
        q = np.broadcast_to(np.eye(m, k), (*x.shape[:-2], m, k)).astype(x.dtype)
        return [q, np.zeros((*x.shape[:-2], k, n)), *([np.zeros((*x.shape[:-2], n), np.int32)] if pivoting else [])]
    if x.ndim > 2:
        return [np.stack(part) for part in zip(*[qr_in_numpy(m, full_matrices, pivoting) for m in x])]
    q, r, *p = scipy.linalg.qr(x, mode="full" if full_matrices else "economic", pivoting=pivoting)
    return [q, r, *[i.astype(np.int32) for i in p]]


for label, shape, full_matrices, pivoting, options in (
        ("", (2, 3, 2), False, False,
         {"kinds": WIDTHS, "shapes": (((0, 0),), ((3, 0),), ((0, 2),), ((0, 3, 2),)), "second": True}),
        ("complex", (4, 2), False, False, {"dtype": "complex128"}),
        ("square", (2, 2), True, False, {"dtype": "complex128"}),
        ("wide", (2, 4), True, False, {"shapes": (((0, 2),),)}),
        ("full", (4, 2), True, False, {"dtype": "complex128", "shapes": (((3, 0),),)}),
        ("pivoted", (2, 2, 3), False, True, {"shapes": (((0, 2),),)})):
    case("qr", Arg(shape, -1, 1), fn=lambda x, f=full_matrices, p=pivoting: linalg_qr.qr(x, full_matrices=f, pivoting=p),
         oracle=lambda x, f=full_matrices, p=pivoting: qr_in_numpy(x, f, p), diff=(0,), tolerance=30,
         label=label, **{"second": False, **options})


def compact_in_scipy(x, pivoting=False):
    if x.ndim > 2:
        return [np.stack(part) for part in zip(*[compact_in_scipy(m, pivoting) for m in x])]
    if x.size == 0:
        return [x, np.zeros(min(x.shape))]
    (qr, taus), _, *order = scipy.linalg.qr(x, mode="raw", pivoting=pivoting)
    return [qr, *[i.astype(np.int32) + 1 for i in order], taus]


def q_in_numpy(a, taus, columns):
    """The product of the reflections that the columns of ``a`` hold."""
    if a.ndim > 2:
        return np.stack([q_in_numpy(*pair, columns) for pair in zip(a, taus)]) if a.size else a
    m = a.shape[0]
    q = np.eye(m, dtype=a.dtype)
    for i, tau in enumerate(taus):
        v = np.where(np.arange(m) > i, a[:, i], 0) + np.eye(m)[i]
        q = q @ (np.eye(m) - tau * np.outer(v, v.conj()))
    return q[:, :columns]


def multiplied(a, taus, c, left, transpose):
    q = q_in_numpy(a, taus, a.shape[-2])
    q = H(q) if transpose else q
    return q @ c if left else c @ q


case("geqrf", Arg((2, 4, 3)), oracle=compact_in_scipy, kinds=WIDTHS, shapes=(((0, 2),), ((2, 3),)), tolerance=3)
case("geqp3", Arg((2, 4, 3)), Arg((2, 3), 0, 0, "int32"), fn=linalg_qr.geqp3, kinds=WIDTHS, mapped=(0,),
     oracle=lambda x, order: compact_in_scipy(x, True) if x.size else [x, order, np.zeros((*x.shape[:-2], 0))],
     shapes=(((2, 0), (0,)), ((2, 3), (3,))), tolerance=10)
case("householder_product", Arg((2, 4, 3)), Arg((2, 3)), fn=linalg_qr.householder_product, tolerance=10,
     oracle=lambda a, taus: q_in_numpy(a, taus, a.shape[-1]), kinds=WIDTHS,
     shapes=(((3, 3), (2,)), ((0, 3, 2), (0, 2)), ((3, 0), (0,))))
for label, shape, left, transpose, dtype, options in (
        ("", (2, 4, 1), True, False, "float64", {"kinds": WIDTHS, "shapes": (((4, 0), (0,), (4, 2)), ((3, 2), (2,), (3, 0)))}),
        ("transposed", (2, 3, 4), False, True, "complex128", {}),
        ("right", (2, 3, 4), False, False, "complex128", {"second": False})):
    case("ormqr", Arg((2, 4, 3)), Arg((2, 3)), Arg(shape), fn=lambda a, taus, c, o={"left": left, "transpose": transpose}:
         linalg_qr.ormqr(a, taus, c, **o), oracle=lambda a, taus, c, o=(left, transpose): multiplied(a, taus, c, *o), diff=(2,),
         linear=True, label=label, tolerance=10, dtype=dtype, **options)

# --- products -----------------------------------------------------------------------------------

case("symmetric_product", Arg((2, 3, 4)), Arg((2, 3, 3)), params={"alpha": 2.0, "beta": -0.5}, diff=(0, 1), tolerance=3,
     oracle=lambda a, c: 2 * a @ H(a) - 0.5 * c, kinds=("float32", "bfloat16", "float16"),
     shapes=(((2, 0), (2, 2)), ((0, 3), (0, 0))))
case("symmetric_product", Arg((3, 2)), Arg((3, 3)), label="symmetrized", diff=(0,),
     oracle=lambda a, c: a @ H(a) + 3 * np.tril(c) + 3 * H(np.tril(c, -1)),
     fn=lambda a, c: symmetric_product(a, c, beta=3.0, symmetrize_output=True))

# --- systems whose matrix has been factored -----------------------------------------------------


def by_factors(a, b, transposed=False):
    a = shifted(a)
    factors, _, order = lu(a)
    return lu_solve(a, factors, order, b, transposed=transposed)


case("lu_solve", Arg((2, 3, 3)), Arg((2, 3, 4)), fn=by_factors, diff=(0, 1), linear=True,
     oracle=lambda a, b: np.linalg.solve(shifted_in_numpy(a), b), kinds=("float32",),
     shapes=(((0, 0), (0, 2)), ((3, 3), (3, 0))), second=False, tolerance=10)
case("lu_solve", Arg((3, 3)), Arg((3, 1)), fn=lambda a, b: by_factors(a, b, transposed=True), dtype="complex128",
     oracle=lambda a, b: np.linalg.solve(np.swapaxes(shifted_in_numpy(a), -1, -2), b), diff=(0, 1), linear=True,
     second=False, tolerance=10, label="transposed")
