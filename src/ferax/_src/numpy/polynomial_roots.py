"""Polynomials: products and quotients, roots and the way back, and fits to data.

Coefficients are given with that of the highest power first, as in `polynomials`.
"""

from __future__ import annotations

import numpy as np

from ferax._src.control.scan_api import scan
from ferax._src.numpy.convolutions import convolve
from ferax._src.numpy.editing import trim_zeros
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.linalg_solve import inv, lstsq
from ferax._src.numpy.linalg_spectral import eigvals
from ferax._src.numpy.polynomials import check_coefficients, vander
from ferax._src.numpy.reductions import sum as jnp_sum
from ferax._src.numpy.sorting import argsort
from ferax._src.numpy.util import choose, const, ensure_arraylike, promote_dtypes_inexact
from ferax._src.ops.broadcasting import broadcast_in_dim, expand_dims, transpose
from ferax._src.ops.compare import eq, lt
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.cumulative import cumprod
from ferax._src.ops.dot import dot
from ferax._src.ops.dynamic_slicing import dynamic_slice_in_dim, dynamic_update_slice_in_dim
from ferax._src.ops.elementwise import abs, add, div, mul, neg, sqrt, square, sub
from ferax._src.ops.gather import take_along
from ferax._src.ops.shape import iota, reshape
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import as_static_int
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors


# --- products and quotients ---------------------------------------------------------------------

def _two(name: str, a, b, first: str, second: str, trim: bool):
    a, b = map(as_array, promote_dtypes_inexact(*ensure_arraylike(name, a, b)))
    check_coefficients(name, a, first)
    check_coefficients(name, b, second)
    if trim:
        a, b = trim_zeros(a, "f"), trim_zeros(b, "f")
    return a, b


def polymul(a1, a2, *, trim_leading_zeros=False):
    """The product of two polynomials.

    Parameters
    ----------
    a1, a2 : arrays of coefficients, the highest power first
    trim_leading_zeros : bool, whether to leave out leading zeros first, as NumPy does; the values must then be known

    Returns
    -------
    array of an inexact dtype

    References
    ----------
    ``numpy.polymul``

    Examples
    --------
    >>> jnp.polymul(jnp.array([1, 2]), jnp.array([1, -2]))
    Array([ 1.,  0., -4.], dtype=float32)
    """
    a1, a2 = _two("polymul", a1, a2, "a1", "a2", trim_leading_zeros)
    a1, a2 = [a if a.size else full((1,), 0, a.dtype) for a in (a1, a2)]
    return convolve(a1, a2, mode="full")


@fused
def _divided(u, v):
    n, m = u.shape[0], v.shape[0]
    lead = slice_in_dim(v, 0, 1)

    def step(rest, k):
        part = dynamic_slice_in_dim(rest, k, m)
        digit = div(slice_in_dim(part, 0, 1), lead)
        # The first coefficient is gone by construction, whatever rounding would leave of it.
        tail = sub(slice_in_dim(part, 1, m), mul(broadcast_in_dim(digit, (m - 1,), (0,)), slice_in_dim(v, 1, m)))
        part = concatenate([full((1,), 0, u.dtype), tail])
        return dynamic_update_slice_in_dim(rest, part, k, 0), reshape(digit, ())

    rest, quotient = scan(step, u, iota(np.dtype(np.int32), n - m + 1))
    return quotient, rest


def polydiv(u, v, *, trim_leading_zeros=False):
    """Quotient and remainder of two polynomials, by long division.

    Parameters
    ----------
    u, v : arrays of coefficients, the highest power first
    trim_leading_zeros : bool, whether to leave out the leading zeros of the remainder, as NumPy does; the values must then
        be known

    Returns
    -------
    quotient, remainder : arrays of an inexact dtype; the remainder has as many coefficients as ``u`` if it is not trimmed

    References
    ----------
    ``numpy.polydiv``

    Examples
    --------
    >>> jnp.polydiv(jnp.array([1., 0., -3.]), jnp.array([1., -2.]))
    (Array([1., 2.], dtype=float32), Array([0., 0., 1.], dtype=float32))
    """
    u, v = _two("polydiv", u, v, "u", "v", False)
    if not v.size:
        raise ValueError("jnp.polydiv: the divisor v has no coefficients")
    quotient, rest = _divided(u, v) if u.size >= v.size else (full((1,), 0, u.dtype), u)
    return quotient, trim_zeros(rest, "f") if trim_leading_zeros else rest


# --- roots --------------------------------------------------------------------------------------

def _companion_roots(p):
    """The eigenvalues of the companion matrix of a polynomial whose first coefficient is not zero."""
    n = p.shape[0] - 1
    row = neg(div(slice_in_dim(p, 1, n + 1), broadcast_in_dim(slice_in_dim(p, 0, 1), (n,), (0,))))
    return eigvals(concatenate([expand_dims(row, (0,)), as_array(np.eye(n - 1, n, dtype=p.dtype))], axis=0))


@fused
def _all_roots(p):
    """As many roots as there are coefficients less one; nan, at the end, for each leading zero."""
    n = p.shape[0]
    nonzero = convert(eq(p, const(p, 0)), np.dtype(np.int32))
    leading = jnp_sum(cumprod(nonzero), dtype=np.dtype(np.int32))
    places = iota(np.dtype(np.int32), n)
    moved = add(places, broadcast_in_dim(leading, (n,), ()))
    inside = lt(moved, np.int32(n))
    p = choose(inside, take_along(p, choose(inside, moved, np.int32(0)), 0), const(p, 0))
    # The zeros that came in at the end are so many roots at zero: the smallest ones, which do not count.
    found = _companion_roots(p)
    smallness = argsort(argsort(abs(found)))
    extra = lt(convert(smallness, np.dtype(np.int32)), broadcast_in_dim(leading, (n - 1,), ()))
    found = choose(extra, full((), complex(np.nan, np.nan), found.dtype), found)
    return take_along(found, convert(argsort(extra), np.dtype(np.int32)), 0)


def roots(p, *, strip_zeros=True):
    """The roots of a polynomial, as eigenvalues of its companion matrix.

    Parameters
    ----------
    p : array of coefficients, the highest power first
    strip_zeros : bool. True leaves leading zeros out of the computation, for which the values must be known;
        False can be traced and answers ``p.size - 1`` numbers, nan for each leading zero

    Returns
    -------
    array of a complex dtype

    References
    ----------
    ``numpy.roots``. Horn and Johnson, Matrix Analysis, section 3.3.

    Examples
    --------
    >>> jnp.roots(jnp.array([1., -3., 0.]))
    Array([0.+0.j, 3.+0.j], dtype=complex64)
    """
    p = as_array(promote_dtypes_inexact(ensure_arraylike("roots", p))[0])
    if p.ndim != 1:
        raise ValueError(f"Input must be a rank-1 array, got shape {p.shape}")
    result = dtypes.to_complex_dtype(p.dtype)
    if not strip_zeros:
        return convert(_all_roots(p), result) if p.size > 1 else full((0,), 0, result)
    if isinstance(p, Tracer):
        raise errors.ConcretizationTypeError(p, "How many roots jnp.roots(p) finds depends on the values of p. Use "
                                             "jnp.roots(p, strip_zeros=False), which fills up with nan")
    there = np.flatnonzero(np.asarray(p) != 0)
    if not there.size:
        return full((0,), 0, result)
    p = slice_in_dim(p, int(there[0]), p.size)
    return convert(_companion_roots(p), result) if p.size > 1 else full((0,), 0, result)


def poly(seq_of_zeros):
    """The polynomial with given roots, or the characteristic polynomial of a matrix.

    Parameters
    ----------
    seq_of_zeros : array of roots, of one dimension, or square matrix

    Returns
    -------
    array of coefficients, the highest power first, of an inexact dtype; complex for a matrix

    Raises
    ------
    ValueError : if it is neither a vector nor a square matrix.

    References
    ----------
    ``numpy.poly``

    Examples
    --------
    >>> jnp.poly(jnp.array([1, 2]))
    Array([ 1., -3.,  2.], dtype=float32)
    """
    zeros = as_array(promote_dtypes_inexact(ensure_arraylike("poly", seq_of_zeros))[0])
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] and zeros.size:
        zeros = eigvals(zeros)
    if zeros.ndim > 1:
        raise ValueError(f"input must be 1d or non-empty square 2d array, got shape {zeros.shape}.")
    if not zeros.size:
        return full((), 1, zeros.dtype)
    return _product_of_roots(reshape(zeros, (zeros.size,)))


@fused
def _product_of_roots(zeros):
    n = zeros.shape[0]
    start = concatenate([full((1,), 1, zeros.dtype), full((n,), 0, zeros.dtype)])

    def step(p, root):                                      # times x - root: shifted, minus root times
        shifted = concatenate([full((1,), 0, p.dtype), slice_in_dim(p, 0, n)])
        return sub(p, mul(broadcast_in_dim(root, (n + 1,), ()), shifted)), None
    return scan(step, start, zeros)[0]


# --- fits ---------------------------------------------------------------------------------------

def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """The polynomial that fits data best, in the sense of least squares.

    Parameters
    ----------
    x : array of shape (m,)
    y : array of shape (m,) or (m, k)
    deg : int, the degree, not negative and known while tracing
    rcond : number; singular values less than this part of the largest count as zero. By default m times the machine's epsilon
    full : bool, whether to answer what `linalg.lstsq` says too
    w : array of shape (m,), by which the differences are multiplied before they are squared
    cov : bool, whether to answer the covariance of the coefficients too; "unscaled" if the weights are 1 / sigma

    Returns
    -------
    p : array of shape (deg + 1,) or (deg + 1, k)
    residuals, rank, singular values, rcond : if ``full``
    V : array of shape (deg + 1, deg + 1) or (deg + 1, deg + 1, k), if ``cov``

    Raises
    ------
    TypeError : if shapes do not fit.
    ValueError : if ``deg`` is negative, or there are too few points to scale the covariance.

    References
    ----------
    ``numpy.polyfit``

    Examples
    --------
    >>> jnp.polyfit(jnp.array([0., 1., 2.]), jnp.array([1., 3., 5.]), 1).round(4)
    Array([2., 1.], dtype=float32)
    """
    arrays = [as_array(a) for a in promote_dtypes_inexact(*ensure_arraylike("polyfit", x, y, *([] if w is None else [w])))]
    x, y, *weights = arrays
    order = as_static_int(deg, "deg") + 1
    if order < 1:
        raise ValueError(f"expected deg >= 0, got {deg}")
    if x.ndim != 1:
        raise TypeError(f"expected 1D vector for x, got shape {x.shape}")
    if not x.size:
        raise TypeError("expected non-empty vector for x")
    if y.ndim not in (1, 2):
        raise TypeError(f"expected 1D or 2D array for y, got shape {y.shape}")
    if x.shape[0] != y.shape[0]:
        raise TypeError(f"expected x and y to have same length, got shapes {x.shape} and {y.shape}")
    if weights and weights[0].ndim != 1:
        raise TypeError(f"expected a 1-d array for weights, got shape {weights[0].shape}")
    if weights and weights[0].shape[0] != y.shape[0]:
        raise TypeError(f"expected w and y to have the same length, got shapes {weights[0].shape} and {y.shape}")
    if cov and not full and cov != "unscaled" and len(x) <= order:
        raise ValueError(f"the number of data points must exceed order to scale the covariance matrix, got {len(x)} points for "
                         f"order {order}")
    if rcond is None:
        rcond = len(x) * float(dtypes.finfo(x.dtype).eps)
    A, target, scale = _weighted(x, y, *weights, order=order)
    c, residuals, rank, s = lstsq(A, target, rcond)
    c = _unscaled(c, scale)
    if full:
        return c, residuals, rank, s, as_array(rcond)
    if not cov:
        return c
    factor = None if cov == "unscaled" else residuals
    return c, _covariance(A, scale, *([] if factor is None else [factor]), freedom=len(x) - order, columns=y.ndim == 2)


@fused(static=("order",))
def _weighted(x, y, *w, order):
    """The least-squares problem, its columns brought to length 1, and the lengths they had."""
    A = vander(x, order)
    if w:
        A = mul(A, broadcast_in_dim(w[0], A.shape, (0,)))
        y = mul(y, broadcast_in_dim(w[0], y.shape, (0,)))
    scale = sqrt(jnp_sum(square(abs(A)), axis=0))
    return div(A, convert(broadcast_in_dim(scale, A.shape, (1,)), A.dtype)), y, scale


@fused
def _unscaled(c, scale):
    return div(c, convert(broadcast_in_dim(scale, c.shape, (0,)), c.dtype))


@fused(static=("freedom", "columns"))
def _covariance(A, scale, *residuals, freedom, columns):
    from_columns = inv(dot(transpose(A, (1, 0)), A))
    outer = mul(expand_dims(scale, (1,)), expand_dims(scale, (0,)))
    V = div(from_columns, convert(outer, from_columns.dtype))
    if not residuals:
        return V
    spread = div(residuals[0], const(residuals[0], freedom))
    if not columns:
        return mul(V, convert(broadcast_in_dim(reshape(spread, ()), V.shape, ()), V.dtype))
    shape = (*V.shape, spread.shape[0])
    return mul(broadcast_in_dim(V, shape, (0, 1)), convert(broadcast_in_dim(spread, shape, (2,)), V.dtype))

