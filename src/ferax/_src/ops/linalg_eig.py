"""Eigenvalues and eigenvectors of square matrices of any kind.

On CPU they are LAPACK's ``geev``: QR iteration to Schur form, then back substitution. GPUs have cuSOLVER's, which knows no
left eigenvectors, or a mixture of the GPU and LAPACK on the host. Results are complex, and each eigenvector has length 1
and a real number for its largest component.
"""

from __future__ import annotations

import enum
import warnings

import numpy as np

from ferax._src.engine import custom_calls
from ferax._src.ops.base import add, inline
from ferax._src.ops.broadcasting import reduce_sum_p
from ferax._src.ops.compare import eq
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.cumulative import cumsum
from ferax._src.ops.elementwise import abs as ops_abs
from ferax._src.ops.elementwise import div, mul, neg, sub
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not, bitwise_or
from ferax._src.ops.elementwise_complex import complex as ops_complex
from ferax._src.ops.elementwise_complex import conj, imag, real
from ferax._src.ops.linalg_decomposition import (
    Decomposition,
    as_column,
    as_row,
    check_choice,
    off_diagonal_reciprocal,
)
from ferax._src.ops.linalg_lapack import gpu_prefix, info_aval, kernel_call, lapack_call, nan_where_failed, solver_call
from ferax._src.ops.linalg_lu import lu_p
from ferax._src.ops.linalg_matrices import check_square, diagonal, matmul, mH, mT
from ferax._src.ops.linalg_solve import lu_solve
from ferax._src.ops.arg_extrema import argmax
from ferax._src.ops.select import select
from ferax._src.ops.shape import broadcasted_iota
from ferax._src.ops.slicing import pad_p
from ferax._src.tracing.core import Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.util import config

_INT32 = np.dtype(np.int32)


class EigImplementation(enum.Enum):
    """What computes `eig`: cuSOLVER, MAGMA and the host, or LAPACK on the host alone."""

    CUSOLVER = "cusolver"
    MAGMA = "magma"
    LAPACK = "lapack"


class Eig(Decomposition):
    """Eigenvalues ``w``, then left and right eigenvectors if asked for: ``vl^H a = diag(w) vl^H`` and ``a vr = vr diag(w)``."""

    name = "eig"

    def shapes(self, shape, *, compute_left_eigenvectors, compute_right_eigenvectors, **_):
        n = check_square("eig", shape)
        return [(n,)] + [(n, n)] * (compute_left_eigenvectors + compute_right_eigenvectors)

    def dtypes(self, count, aval, **_):
        return [dtypes.to_complex_dtype(aval.dtype)] * count

    def lower_matrices(self, ctx, x, *, compute_left_eigenvectors, compute_right_eigenvectors, enable_eigvec_derivs,
                       implementation):
        (aval,) = ctx.avals_in
        w_aval = ctx.avals_out[0]
        vectors = aval.update(dtype=w_aval.dtype)
        lower = {"cpu": _by_lapack, "gpu": _by_gpu}.get(ctx.platform)
        if lower is None:
            raise NotImplementedError(f"eig: there is no lowering for {ctx.platform}")
        values, failed = lower(ctx, x, aval, w_aval, vectors, compute_left_eigenvectors, compute_right_eigenvectors, implementation)
        wanted = [True, compute_left_eigenvectors, compute_right_eigenvectors]
        return nan_where_failed(ctx, failed, [v for v, is_wanted in zip(values, wanted) if is_wanted], ctx.avals_out)

    def jvp(self, primals, tangents, *, compute_left_eigenvectors, compute_right_eigenvectors, enable_eigvec_derivs,
            implementation):
        (a,), (da,) = primals, tangents
        vectors = compute_left_eigenvectors or compute_right_eigenvectors
        if type(da) is Zero:
            outs = self.bind(a, compute_left_eigenvectors=compute_left_eigenvectors,
                             compute_right_eigenvectors=compute_right_eigenvectors,
                             enable_eigvec_derivs=enable_eigvec_derivs, implementation=implementation)
            return outs, [Zero.of(out) for out in outs]
        if vectors and not enable_eigvec_derivs:
            raise NotImplementedError(
                "eig: eigenvectors have derivatives only where all eigenvalues are distinct and each eigenvector has one component "
                "that is larger than the others, and that cannot be checked beforehand. If it is so, ask for them with "
                "lax.linalg.eig(..., enable_eigvec_derivs=True); eigenvalues alone (numpy.linalg.eigvals) have them anyway")
        # The derivative of eigenvalues does not depend on how eigenvectors are normalized, so theirs may be taken in turn.
        outs = self.bind(a, compute_left_eigenvectors=compute_left_eigenvectors, compute_right_eigenvectors=True,
                         enable_eigvec_derivs=True, implementation=implementation)
        w, vr = outs[0], outs[-1]
        da = convert(da, vr.dtype)
        if not vectors:
            return [w], reduce_sum_p.bind(mul(_solve(vr, da), mT(vr)), axes=(aval_of(vr).ndim - 1,), out_sharding=None)
        dw, dvr = _tangents(w, vr, da)
        found, moved = [w], [dw]
        if compute_left_eigenvectors:
            vl = outs[1]                        # right eigenvectors of a^H
            found.append(vl)
            moved.append(_tangents(conj(w), vl, mH(da))[1])
        if compute_right_eigenvectors:
            found.append(vr)
            moved.append(dvr)
        return found, moved


def _tangents(w, v, da):
    """The tangents of eigenvalues and right eigenvectors, for distinct eigenvalues (Giles 2008, section 3.1).

    The equation leaves a multiple of ``v`` open. As each eigenvector keeps its length 1 and its largest component stays
    real, the multiple is ``-Re(v^H u) - i Im(u_k) / v_k``, where u is the part that the equation says and k the place of
    that component.
    """
    turned = matmul(_solve(v, da), v)
    u = matmul(v, mul(turned, off_diagonal_reciprocal(sub(as_row(w), as_column(w)))))
    rows = aval_of(v).ndim - 2
    largest = as_row(argmax(ops_abs(v), rows, np.int32))
    here = eq(broadcasted_iota(_INT32, v.shape, rows), largest)

    def sum_rows(x):
        return reduce_sum_p.bind(x, axes=(rows,), out_sharding=None)[0]

    zero = real(v).dtype.type(0)
    lengthwise = neg(sum_rows(real(mul(conj(v), u))))
    phase = neg(div(sum_rows(select(here, imag(u), zero)), sum_rows(select(here, real(v), zero))))
    return diagonal(turned), add(u, mul(v, as_row(ops_complex(lengthwise, phase))))


def _solve(a, b):
    """``a^-1 b``, by elimination with row pivoting."""
    factors, _, order = lu_p.bind(a)
    return lu_solve(a, factors, order, b)


# --- lowering -----------------------------------------------------------------------------------
# Each of these answers [w, vl, vr] as MLIR values, and the kernel's info.

def _by_lapack(ctx, x, aval, w_aval, vectors, left, right, implementation):
    if implementation not in (None, EigImplementation.LAPACK):
        raise ValueError(f"eig: on CPU the implementation must be LAPACK, got {implementation}")
    values = _parts(aval, w_aval)
    *w, vl, vr, failed = lapack_call(ctx, "geev", [x], [aval], [*values, vectors, vectors, info_aval(aval.shape[:-2])],
                                     {"compute_left": "V" if left else "N", "compute_right": "V" if right else "N"})
    return [_joined(ctx, w, w_aval), vl, vr], failed


def _by_gpu(ctx, x, aval, w_aval, vectors, left, right, implementation):
    info = info_aval(aval.shape[:-2])
    by_cusolver = implementation is EigImplementation.CUSOLVER
    if by_cusolver and (left or ctx.gpu_kind == "rocm"):
        raise NotImplementedError("eig: cuSOLVER has no left eigenvectors, and is there on NVIDIA GPUs only; leave `implementation` "
                                  "out or take LAPACK")
    if by_cusolver or implementation is None and not left and ctx.gpu_kind != "rocm":
        _, w, vl, vr, failed = solver_call(ctx, "geev", [x], [aval], [aval, w_aval, aval, aval, info],
                                           {"left": bool(left), "right": bool(right)})
        if right and vectors != aval:
            (vr,) = inline(ctx, _unpacked, [w, vr], [w_aval, aval], {})
        return [w, vl, vr], failed
    if implementation is None:
        magma = config.use_magma.value
    else:
        magma = "on" if implementation is EigImplementation.MAGMA else "off"
    custom_calls.ensure_gpu_hybrid()
    target = f"{gpu_prefix(ctx)}hybrid_eig_{'comp' if vectors == aval else 'real'}"
    *w, vl, vr, failed = kernel_call(ctx, target, [x], [aval], [*_parts(aval, w_aval), vectors, vectors, info],
                                     {"magma": magma, "left": bool(left), "right": bool(right)})
    return [_joined(ctx, w, w_aval), vl, vr], failed


def _parts(aval, w_aval) -> list:
    """The types in which a kernel answers eigenvalues: for real matrices their real and their imaginary parts."""
    return [w_aval] if dtypes.kind_of(aval.dtype) == "c" else [w_aval.update(dtype=aval.dtype)] * 2


def _joined(ctx, w, w_aval):
    return w[0] if len(w) == 1 else ctx.op("stablehlo.complex", w, [ctx.type(w_aval)]).result


def _unpacked(w, v):
    """Eigenvectors of real matrices as complex numbers.

    A pair of conjugate eigenvalues has two columns of real numbers, the real and the imaginary parts of the eigenvector of
    the first; that of the second is its conjugate. The first of a pair is where the number of complex eigenvalues so far
    is odd.
    """
    is_real = eq(imag(w), imag(w).dtype.type(0))
    count = cumsum(convert(bitwise_not(is_real), _INT32), aval_of(w).ndim - 1)
    first = as_row(eq(bitwise_and(count, np.int32(1)), np.int32(1)))
    is_real = as_row(is_real)
    first = bitwise_and(first, bitwise_not(is_real))
    zero = v.dtype.type(0)

    def shifted(low, high):
        config = [(0, 0, 0)] * (aval_of(v).ndim - 1) + [(low, high, 0)]
        return pad_p.bind(v, zero, padding_config=tuple(config))[0]

    re = select(bitwise_or(is_real, first), v, shifted(1, -1))
    im = select(is_real, zero, select(first, shifted(-1, 1), neg(v)))
    return ops_complex(re, im)


eig_p = register(Eig())


def eig(x, *, compute_left_eigenvectors=True, compute_right_eigenvectors=True, enable_eigvec_derivs=False,
        implementation=None, use_magma=None):
    """Eigenvalues and eigenvectors of square matrices.

    Parameters
    ----------
    x : array of floating or complex dtype, shape (..., n, n)
    compute_left_eigenvectors, compute_right_eigenvectors : what to answer besides the eigenvalues
    enable_eigvec_derivs : whether eigenvectors may be differentiated. Their derivatives hold where all eigenvalues are
        distinct and each eigenvector has one component larger than the others.
    implementation : `EigImplementation` or None, for what is best on the platform; it is for GPUs, CPUs have LAPACK
    use_magma : deprecated; True stands for the implementation MAGMA, False for LAPACK

    Returns
    -------
    [w, vl, vr], without those not asked for
        ``w`` of shape (..., n) in no particular order, ``vl`` and ``vr`` of shape (..., n, n) with the eigenvectors as
        columns: ``vl^H x = diag(w) vl^H``, ``x vr = vr diag(w)``; all complex. They are NaN for matrices where the method
        did not converge.

    Raises
    ------
    TypeError : if ``x`` is not of floating or complex dtype, or has fewer than two dimensions.
    ValueError : if the matrices are not square.

    References
    ----------
    Golub and Van Loan, Matrix Computations, chapter 7.
    """
    if use_magma is not None:
        warnings.warn("use_magma is deprecated, use implementation=EigImplementation.MAGMA or LAPACK", DeprecationWarning, stacklevel=2)
        implementation = EigImplementation.MAGMA if use_magma else EigImplementation.LAPACK
    implementation = check_choice("eig", "implementation", implementation, EigImplementation)
    return eig_p.bind(as_array(x), compute_left_eigenvectors=bool(compute_left_eigenvectors),
                      compute_right_eigenvectors=bool(compute_right_eigenvectors),
                      enable_eigvec_derivs=bool(enable_eigvec_derivs), implementation=implementation)
