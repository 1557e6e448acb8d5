"""Singular value decompositions.

On CPU they are LAPACK's ``gesdd`` (divide and conquer) or ``gesvd`` (QR iteration), on GPUs those of the solver library.
Elsewhere, or where `SvdAlgorithm.POLAR` asks for it, the polar decomposition ``a = q h`` is computed first, and then the
eigenvalues of ``h``, which are the singular values of ``a`` (Nakatsukasa and Higham 2013).
"""

from __future__ import annotations

import enum

from ferax._src.ops.base import inline
from ferax._src.ops.compare import eq
from ferax._src.ops.convert import as_array
from ferax._src.ops.elementwise import add, mul, reciprocal, sub
from ferax._src.ops.elementwise_complex import real
from ferax._src.ops.linalg_decomposition import (
    Decomposition,
    as_column,
    as_range,
    as_row,
    check_choice,
    checked_range,
    cut,
    off_diagonal_reciprocal,
    on_diagonal,
    part,
    times,
)
from ferax._src.ops.linalg_lapack import info_aval, lapack_call, nan_where_failed, solver_call
from ferax._src.ops.linalg_matrices import diagonal, matmul, mH
from ferax._src.ops.linalg_polar import svd_by_polar
from ferax._src.ops.select import select
from ferax._src.tracing.core import Zero, register
from ferax._src.types import dtypes

_JACOBI_LIMIT = 1024        # GPUs: up to this size Jacobi rotations are quicker than bidiagonalization
_BATCHED_JACOBI_LIMIT = 32  # up to this one they come with a kernel for batches, which always forms full matrices


class SvdAlgorithm(enum.Enum):
    """How `svd` is computed: by QR iteration, Jacobi rotations, the polar decomposition, or divide and conquer."""

    DEFAULT = "default"
    QR = "QR"
    JACOBI = "Jacobi"
    POLAR = "polar"
    DIVIDE_AND_CONQUER = "divide_and_conquer"


class Svd(Decomposition):
    """Singular values ``s`` in descending order, and with ``compute_uv`` ``u`` and ``vh``: ``a = u diag(s) vh``."""

    name = "svd"

    def shapes(self, shape, *, full_matrices, compute_uv, subset_by_index, **_):
        m, n = shape
        k = min(m, n)
        start, end = checked_range("svd", subset_by_index, k)
        if full_matrices and compute_uv and (start, end) != (0, k):
            raise ValueError("full_matrices and subset_by_index cannot both be set")
        rank = end - start
        if not compute_uv:
            return [(rank,)]
        return [(rank,), (m, m if full_matrices else rank), (n if full_matrices else rank, n)]

    def dtypes(self, count, aval, **_):
        return [dtypes.to_floating_dtype(aval.dtype), aval.dtype, aval.dtype][:count]

    def lower_matrices(self, ctx, x, *, full_matrices, compute_uv, subset_by_index, algorithm):
        (aval,) = ctx.avals_in
        *batch, m, n = aval.shape
        k = min(m, n)
        start, end = checked_range("svd", subset_by_index, k)
        full_matrices = full_matrices and compute_uv
        if ctx.platform == "tpu" or ctx.platform == "cpu" and algorithm is SvdAlgorithm.POLAR:
            return _by_polar(ctx, x, aval, full_matrices, compute_uv, algorithm, start, end)
        avals = [aval.update(shape=(*batch, k), dtype=dtypes.to_floating_dtype(aval.dtype)),
                 aval.update(shape=(*batch, m, m if full_matrices else k)),
                 aval.update(shape=(*batch, n if full_matrices else k, n))]
        lower = _by_lapack if ctx.platform == "cpu" else _by_gpu_solver
        values, failed = lower(ctx, x, aval, avals, full_matrices, compute_uv, algorithm or SvdAlgorithm.DEFAULT)
        count = 3 if compute_uv else 1
        values = nan_where_failed(ctx, failed, values[:count], avals[:count])
        return [cut(ctx, value, a, axis, start, end) if (start, end) != (0, k) else value
                for value, a, axis in zip(values, avals, (-1, -1, -2))]

    def jvp(self, primals, tangents, *, full_matrices, compute_uv, subset_by_index, algorithm):
        """Derivatives for distinct singular values (Giles 2008, section 3.1; Townsend 2016).

        The phases of the singular vectors are held such that ``v^H dv`` has a diagonal of zeros.
        """
        (a,), (da,) = primals, tangents
        if type(da) is Zero:
            outs = self.bind(a, full_matrices=full_matrices, compute_uv=compute_uv, subset_by_index=subset_by_index,
                             algorithm=algorithm)
            return outs, [Zero.of(out) for out in outs]
        m, n = a.shape[-2:]
        if compute_uv and full_matrices and m != n:
            raise NotImplementedError(
                "svd: singular vectors beyond the first min(m, n) have no derivative, for they are any basis of the space that "
                f"is left; differentiate with full_matrices=False. The operand has shape {a.shape}")
        s, u, vh = self.bind(a, full_matrices=False, compute_uv=True, subset_by_index=None, algorithm=algorithm)
        uh, v = mH(u), mH(vh)
        turned = matmul(matmul(uh, da), v)
        ds = diagonal(real(turned) if dtypes.kind_of(turned.dtype) == "c" else turned)
        start, end = checked_range("svd", subset_by_index, min(m, n))
        outs, tangents_out = [s], [ds]
        if compute_uv:
            du, dv = _vector_tangents(u, s, v, uh, vh, da, turned)
            outs, tangents_out = [s, u, vh], [ds, du, mH(dv)]
        chosen = [[part(x, axis, start, end) for x, axis in zip(xs, (-1, -1, -2))] for xs in (outs, tangents_out)]
        return chosen[0], chosen[1]


def _vector_tangents(u, s, v, uh, vh, da, turned):
    """The tangents of ``u`` and ``v``; ``turned`` is ``u^H da v``."""
    row, column = as_row(s), as_column(s)
    mixing = off_diagonal_reciprocal(mul(add(row, column), sub(row, column)))   # 1 / (s_j^2 - s_i^2)
    right, left = times(turned, row), times(turned, column)                     # turned diag(s), diag(s) turned
    turn_u = times(add(right, mH(right)), mixing)
    turn_v = times(add(left, mH(left)), mixing)
    if dtypes.kind_of(turned.dtype) == "c":     # the phases: those of v stay, and u makes up for both
        skew = times(sub(turned, mH(turned)), as_row(_reciprocal_or_zero(s)))
        half = turned.dtype.type(0.5)
        turn_u = add(turn_u, select(on_diagonal(skew), mul(skew, half), turned.dtype.type(0)))
    du, dv = matmul(u, turn_u), matmul(v, turn_v)
    m, n = u.shape[-2], v.shape[-2]
    if m > n:                                   # what leaves the space that u spans
        out = matmul(da, v)
        du = add(du, times(sub(out, matmul(u, matmul(uh, out))), reciprocal(row)))
    if n > m:
        out = matmul(mH(da), u)
        dv = add(dv, times(sub(out, matmul(v, matmul(vh, out))), reciprocal(row)))
    return du, dv


def _reciprocal_or_zero(s):
    """``1 / s``, and 0 where that is infinite."""
    is_zero, dtype = eq(s, s.dtype.type(0)), s.dtype
    return select(is_zero, dtype.type(0), reciprocal(select(is_zero, dtype.type(1), s)))


# --- lowering -----------------------------------------------------------------------------------

def _by_polar(ctx, x, aval, full_matrices, compute_uv, algorithm, start, end):
    """By the polar decomposition: it is made of others, and tells by itself where it fails."""
    if algorithm not in (None, SvdAlgorithm.DEFAULT, SvdAlgorithm.POLAR):
        raise NotImplementedError(f"svd: {algorithm} is not there on {ctx.platform}, only POLAR")

    return inline(ctx, _polar_parts, [x], [aval], {"full_matrices": full_matrices, "compute_uv": compute_uv, "start": start,
                                                   "end": end})


def _polar_parts(x, *, full_matrices, compute_uv, start, end):
    found = svd_by_polar(x, full_matrices=full_matrices, compute_uv=compute_uv, eigh_algorithm=None)
    if (start, end) == (0, found[0].shape[-1]):
        return found
    return [part(v, axis, start, end) for v, axis in zip(found, (-1, -1, -2))]


# Each of these answers the MLIR values s, u, vh (of types ``avals``; u and vh need not be there without ``compute_uv``)
# and the kernel's info.

def _by_lapack(ctx, x, aval, avals, full_matrices, compute_uv, algorithm):
    if algorithm is SvdAlgorithm.JACOBI:
        raise NotImplementedError("svd: Jacobi's method is not there on cpu; leave `algorithm` out, or take another one")
    mode = "N" if not compute_uv else "A" if full_matrices else "S"
    info = info_aval(aval.shape[:-2])
    _, s, u, vh, failed = lapack_call(ctx, "gesvd" if algorithm is SvdAlgorithm.QR else "gesdd", [x], [aval],
                                      [aval, *avals, info], {"mode": mode}, {0: 0})
    return [s, u, vh], failed


def _by_gpu_solver(ctx, x, aval, avals, full_matrices, compute_uv, algorithm):
    *batch, m, n = aval.shape
    if algorithm is SvdAlgorithm.DIVIDE_AND_CONQUER and ctx.gpu_kind != "rocm":
        raise NotImplementedError("svd: DIVIDE_AND_CONQUER is there on CPUs and AMD GPUs only; leave `algorithm` out")
    if algorithm is SvdAlgorithm.DEFAULT:
        algorithm = SvdAlgorithm.JACOBI if max(m, n) <= _JACOBI_LIMIT else SvdAlgorithm.QR
    if algorithm in (SvdAlgorithm.JACOBI, SvdAlgorithm.POLAR):
        return _by_gpu_iteration(ctx, x, aval, avals, full_matrices, compute_uv, algorithm)
    s_aval, u_aval, vh_aval = avals if compute_uv else [avals[0], *[aval.update(shape=())] * 2]
    info = info_aval(batch)
    attrs = {"full_matrices": bool(full_matrices), "compute_uv": bool(compute_uv), "transposed": False}
    if algorithm is SvdAlgorithm.DIVIDE_AND_CONQUER or m >= n:
        routine = "gesdd" if algorithm is SvdAlgorithm.DIVIDE_AND_CONQUER else "gesvd"
        _, s, u, vh, failed = solver_call(ctx, routine, [x], [aval], [aval, s_aval, u_aval, vh_aval, info], attrs, {0: 0})
        return [s, u, vh], failed
    # gesvd wants m >= n. A wide matrix row by row is its transpose column by column, whose u is our vh.
    attrs["transposed"] = True
    _, s, vh, u, failed = solver_call(ctx, "gesvd", [x], [aval], [aval, s_aval, vh_aval, u_aval, info], attrs, {0: 0},
                                      row_major=True)
    return [s, u, vh], failed


def _by_gpu_iteration(ctx, x, aval, avals, full_matrices, compute_uv, algorithm):
    """``gesvdj`` or ``gesvdp``, which answer v instead of vh, and always have room for the vectors."""
    *batch, m, n = aval.shape
    k = min(m, n)
    thin = not full_matrices and (algorithm is SvdAlgorithm.POLAR or k > _BATCHED_JACOBI_LIMIT)
    u_aval = aval.update(shape=(*batch, m, k if thin else m))
    v_aval = aval.update(shape=(*batch, n, k if thin else n))
    routine = "gesvdp" if algorithm is SvdAlgorithm.POLAR else "gesvdj"
    attrs = {"full_matrices": not thin, "compute_uv": bool(compute_uv)}
    _, s, u, v, failed = solver_call(ctx, routine, [x], [aval], [aval, avals[0], u_aval, v_aval, info_aval(batch)], attrs, {0: 0})
    if not compute_uv:
        return [s], failed
    if not full_matrices:
        u, v = cut(ctx, u, u_aval, -1, 0, k), cut(ctx, v, v_aval, -1, 0, k)
        v_aval = v_aval.update(shape=(*batch, n, k))
    (vh,) = inline(ctx, mH, [v], [v_aval], {})
    return [s, u, vh], failed


svd_p = register(Svd())


def svd(x, *, full_matrices=True, compute_uv=True, subset_by_index=None, algorithm=None):
    """Singular value decomposition ``x = u diag(s) vh``.

    Parameters
    ----------
    x : array of floating or complex dtype, shape (..., m, n)
    full_matrices : whether ``u`` and ``vh`` are square, made full with a basis of what is left
    compute_uv : whether to answer ``u`` and ``vh``
    subset_by_index : pair (start, end) of the descending singular values to answer, all by default; needs
        ``full_matrices=False`` to choose among vectors
    algorithm : `SvdAlgorithm` or None, for what is best on the platform. CPUs have all but JACOBI.

    Returns
    -------
    (u, s, vh), or s alone
        ``u`` of shape (..., m, m) or (..., m, k) and ``vh`` of shape (..., n, n) or (..., k, n), of the dtype of ``x``,
        ``s`` real of shape (..., k), where k = min(m, n) or the number chosen. NaN for matrices where the method failed.

    Raises
    ------
    TypeError : if ``x`` is not of floating or complex dtype, or has fewer than two dimensions.
    ValueError : if ``subset_by_index`` is out of range, or does not go with ``full_matrices``.

    Notes
    -----
    Derivatives of ``u`` and ``vh`` need distinct singular values that are not zero, and ``full_matrices=False`` unless the
    matrices are square.

    References
    ----------
    Golub and Van Loan, Matrix Computations, section 8.6.
    """
    full_matrices, compute_uv = bool(full_matrices), bool(compute_uv)
    outs = svd_p.bind(as_array(x), full_matrices=full_matrices, compute_uv=compute_uv,
                      subset_by_index=as_range("svd", subset_by_index),
                      algorithm=check_choice("svd", "algorithm", algorithm, SvdAlgorithm))
    if not compute_uv:
        return outs[0]
    s, u, vh = outs
    return u, s, vh
