"""The polar decomposition with a test of convergence, ``lax.linalg.qdwh``."""

from __future__ import annotations

import operator

import numpy as np

from ferax._src.control.while_loop import fori_loop, while_loop
from ferax._src.numpy.comparison import less
from ferax._src.numpy.linalg_norms import norm
from ferax._src.numpy.util import ensure_arraylike
from ferax._src.ops.compare import gt, lt
from ferax._src.ops.dynamic_slicing import dynamic_index_in_dim
from ferax._src.ops.elementwise import cbrt, sub
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not
from ferax._src.ops.linalg_matrices import hermitian_part, matmul, mH
from ferax._src.ops.linalg_polar import (
    HALLEY,
    bounded,
    cholesky_numbers,
    qr_numbers,
    refined,
    step_by_cholesky,
    step_by_qr,
    weights,
)
from ferax._src.ops.select import select
from ferax._src.ops.shape import broadcasted_iota
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes
from ferax._src.util.tracebacks import api_boundary


@api_boundary
def qdwh(x, *, is_hermitian=False, max_iterations=None, eps=None, dynamic_shape=None):
    """The polar decomposition ``x = u @ h`` of a matrix of full rank.

    Parameters
    ----------
    x : array of floating or complex dtype, shape (m, n), m at least n
    is_hermitian : not used
    max_iterations : int, how many steps there may be; by default 10
    eps : float, for how small a ratio of singular values the steps are to suffice; by default the machine precision
    dynamic_shape : pair of integers, possibly traced: how many rows and columns of ``x`` count; the others are taken for zero

    Returns
    -------
    (u, h, num_iters, is_converged)
        ``u`` of shape (m, n) has orthonormal columns, ``h`` of shape (n, n) is Hermitian and positive definite; the number
        of steps, an int; and whether the last step changed little, bool

    Raises
    ------
    ValueError : if ``x`` is not a matrix with at least as many rows as columns.

    References
    ----------
    Nakatsukasa, Bai and Gygi, "Optimizing Halley's iteration for computing the matrix polar decomposition", SIAM Journal on
    Matrix Analysis and Applications 31 (2010), 2700-2720.
    """
    x = ensure_arraylike("qdwh", x)
    if x.ndim != 2:
        raise ValueError(f"qdwh: the input must be a matrix, got shape {x.shape}")
    if x.shape[0] < x.shape[1]:
        raise ValueError(f"The input matrix of shape M x N must have M >= N, got {x.shape}")
    if dtypes.kind_of(x.dtype) not in "fc":
        raise TypeError(f"qdwh does not accept dtype {dtypes.dtype_name(x.dtype)}, only floating and complex ones")
    limit = 10 if max_iterations is None else operator.index(max_iterations)
    eps = float(dtypes.finfo(x.dtype).eps if eps is None else eps)
    return tuple(_qdwh(x, *(dynamic_shape or ()), limit=limit, eps=eps))


@fused(static=("limit", "eps"))
def _qdwh(x, *counts, limit, eps):
    for axis, count in enumerate(counts):
        within = less(broadcasted_iota(np.dtype(np.int32), x.shape, axis), count)
        x = select(within, x, x.dtype.type(0))
    number = dtypes.to_floating_dtype(x.dtype).type
    tolerance = cbrt(number(5.0 * eps))

    def run(step, numbers, u):
        """The steps whose numbers are given, and whether the last one changed much."""
        table = np.array(numbers, number).reshape(-1, 3)

        def body(i, state):
            u, _ = state
            given = dynamic_index_in_dim(table, i, 0, keepdims=False)
            new = step(u, given[0], given[1], given[2])
            return new, gt(norm(sub(new, u)), tolerance)
        return fori_loop(0, len(table), body, (u, True)) if len(table) else (u, np.bool_(True))

    by_qr, by_cholesky = weights(eps, limit)
    u, _ = run(step_by_qr, [qr_numbers(*w) for w in by_qr], bounded(x))
    u, moves = run(step_by_cholesky, [cholesky_numbers(*w) for w in by_cholesky], u)
    halley = [number(v) for v in cholesky_numbers(*HALLEY)]

    def body(state):
        k, u, _ = state
        new = step_by_cholesky(u, *halley)
        return k + 1, new, gt(norm(sub(new, u)), tolerance)

    steps = len(by_qr) + len(by_cholesky)
    steps, u, moves = while_loop(lambda state: bitwise_and(state[2], lt(state[0], limit)), body, (steps, u, moves))
    u = refined(u)
    return u, hermitian_part(matmul(mH(u), x)), steps, bitwise_not(moves)
