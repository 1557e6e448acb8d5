"""Norms of vectors and matrices, and the condition number, in the manner of ``numpy.linalg``."""

from __future__ import annotations

import numpy as np

from ferax._src.numpy import reductions
from ferax._src.numpy.arithmetic import abs as jnp_abs
from ferax._src.numpy.linalg_solve import inv
from ferax._src.numpy.linalg_spectral import svdvals
from ferax._src.numpy.manipulation import index_tuple, moveaxis
from ferax._src.numpy.util import cast, const, ensure_arraylike, promote_dtypes_inexact
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.compare import ne
from ferax._src.ops.elementwise import add, div, mul, sqrt, square
from ferax._src.ops.elementwise import pow as ops_pow
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not
from ferax._src.ops.elementwise_complex import imag, real
from ferax._src.ops.select import select
from ferax._src.ops.static import normalize_axes
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


def _root_of_squares(x, axes, keepdims):
    (x,) = promote_dtypes_inexact(x)
    if dtypes.kind_of(x.dtype) == "c":
        squares = add(square(real(x)), square(imag(x)))
    else:
        squares = mul(x, x)
    return sqrt(reductions.sum(squares, axes, keepdims=keepdims))


def _vector_norm(x, axes, keepdims, ord):
    if ord is None or ord == 2:
        return _root_of_squares(x, axes, keepdims)
    if isinstance(ord, str):
        hint = {"inf": " Use jax.numpy.inf instead.", "-inf": " Use -jax.numpy.inf instead."}.get(ord, "")
        raise ValueError(f"Invalid order '{ord}' for vector norm.{hint}")
    if ord == 0:
        (inexact,) = promote_dtypes_inexact(x)
        return reductions.sum(ne(x, cast(0, x.dtype)), axes, dtype=dtypes.to_floating_dtype(inexact.dtype), keepdims=keepdims)
    size = jnp_abs(x)
    if ord == np.inf:
        return reductions.max(size, axes, keepdims=keepdims, initial=0)
    if ord == -np.inf:
        return reductions.min(size, axes, keepdims=keepdims)
    if ord == 1:
        return reductions.sum(size, axes, keepdims=keepdims)
    (size,) = promote_dtypes_inexact(size)
    total = reductions.sum(ops_pow(size, const(size, ord)), axes, keepdims=keepdims)
    return ops_pow(total, const(total, 1.0 / ord))


def _matrix_norm(x, axes, keepdims, ord):
    rows, columns = axes
    if ord is None or ord in ("f", "fro"):
        return _root_of_squares(x, axes, keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        first, second = (rows, columns) if ord in (1, -1) else (columns, rows)
        sums = reductions.sum(jnp_abs(x), first, keepdims=keepdims)
        second -= not keepdims and second > first
        if ord > 0:
            return reductions.max(sums, second, keepdims=keepdims, initial=0)
        return reductions.min(sums, second, keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        s = svdvals(moveaxis(x, axes, (-2, -1)))
        if ord == "nuc":
            found = reductions.sum(s, -1)
        else:
            found = reductions.max(s, -1, initial=0) if ord == 2 else reductions.min(s, -1)
        return expand_dims(found, axes) if keepdims else found
    raise ValueError(f"Invalid order '{ord}' for matrix norm.")


@fused(static=("axes", "keepdims", "ord"))
def _norm(x, *, axes, keepdims, ord):
    (x,) = promote_dtypes_inexact(x)
    if axes is None:
        return _root_of_squares(x, None, keepdims)
    if len(axes) == 1:
        return _vector_norm(x, axes, keepdims, ord)
    return _matrix_norm(x, axes, keepdims, ord)


def norm(x, ord=None, axis=None, keepdims=False):  # noqa: A002
    """Norm of vectors or matrices.

    Parameters
    ----------
    x : array-like
    ord : for vectors a number or inf; for matrices "fro", "nuc" (the sum of singular values), 1, -1 (by columns), inf, -inf
        (by rows), 2 or -2 (the greatest and the least singular value). None: the square root of the sum of squares.
    axis : int for vectors along it, pair of int for matrices in their plane; None for all of ``x``
    keepdims : whether the axes stay, with size 1

    Returns
    -------
    array of real numbers

    Raises
    ------
    ValueError : if there is no such norm, or there are neither one nor two axes.

    References
    ----------
    ``numpy.linalg.norm``

    Examples
    --------
    >>> jnp.linalg.norm(jnp.array([3., 4.]))
    Array(5., dtype=float32)
    >>> jnp.linalg.norm(jnp.array([[3., 4.], [0., 5.]]), axis=1)
    Array([5., 5.], dtype=float32)
    """
    x = ensure_arraylike("jnp.linalg.norm", x)
    if axis is None:
        axes = None if ord is None else tuple(range(x.ndim))
    else:
        axes = normalize_axes(index_tuple(axis), x.ndim)
    if axes is not None and len(axes) not in (1, 2):
        raise ValueError(f"Improper number of axes for norm: {axis=}. Pass one axis to compute a vector-norm, or two axes to "
                         "compute a matrix-norm.")
    return _norm(x, axes=axes, keepdims=bool(keepdims), ord=ord)


@fused(static=("axes", "keepdims", "ord"))
def _norm_of_vectors(x, *, axes, keepdims, ord):
    return _vector_norm(x, axes, keepdims, ord)


def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):  # noqa: A002
    """Norm of vectors, as the array API standard has it.

    Parameters
    ----------
    x : array-like
    axis : int, tuple of int, or None for all axes: the vectors are made of all elements along them
    keepdims : whether the axes stay, with size 1
    ord : number or inf

    Returns
    -------
    array of real numbers

    Raises
    ------
    ValueError : if there is no such norm.

    References
    ----------
    ``numpy.linalg.vector_norm``

    Examples
    --------
    >>> jnp.linalg.vector_norm(jnp.array([[3., 4.], [0., -5.]]), ord=1)
    Array(12., dtype=float32)
    """
    x = ensure_arraylike("jnp.linalg.vector_norm", x)
    axes = normalize_axes(None if axis is None else index_tuple(axis), x.ndim)
    return _norm_of_vectors(x, axes=axes, keepdims=bool(keepdims), ord=ord)


def matrix_norm(x, /, *, keepdims=False, ord="fro"):  # noqa: A002
    """Norm of matrices in the last two dimensions, as the array API standard has it.

    Parameters
    ----------
    x : array-like of at least two dimensions
    keepdims : whether the two stay, with size 1
    ord : as of `norm`

    Returns
    -------
    array of real numbers

    References
    ----------
    ``numpy.linalg.matrix_norm``

    Examples
    --------
    >>> jnp.linalg.matrix_norm(jnp.array([[3., 4.], [0., -5.]]), ord=jnp.inf)
    Array(7., dtype=float32)
    """
    return norm(x, ord=ord, axis=(-2, -1), keepdims=keepdims)


def cond(x, p=None):
    """The condition number ``norm(x, p) * norm(inv(x), p)``, which says how much errors may grow in solving with ``x``.

    Parameters
    ----------
    x : array-like, shape (..., m, n), not empty; square unless ``p`` is None, 2 or -2
    p : order of the norm, as of `norm`; None and 2 stand for the ratio of the greatest to the least singular value

    Returns
    -------
    array of real numbers, shape (...); inf for singular matrices

    Raises
    ------
    ValueError : if ``x`` has fewer than two dimensions, or no elements, or is not square where it must be.

    References
    ----------
    ``numpy.linalg.cond``

    Examples
    --------
    >>> print(f'{jnp.linalg.cond(jnp.array([[2., 0.], [0., 0.5]])):.3f}')
    4.000
    """
    x = ensure_arraylike("cond", x)
    if x.ndim < 2:
        raise ValueError(f"jnp.linalg.cond: input array must be at least 2D; got shape {x.shape}")
    if x.shape[-1] == 0 or x.shape[-2] == 0:
        raise ValueError(f"jnp.linalg.cond: input array must not be empty; got shape {x.shape}")
    if p not in (None, 2, -2) and x.shape[-2] != x.shape[-1]:
        raise ValueError(f"jnp.linalg.cond: for {p=}, array must be square; got shape {x.shape}")
    return _cond(x, p=p)


@fused(static=("p",))
def _cond(x, *, p):
    if p is None or p == 2:
        s = svdvals(x)
        return div(s[..., 0], s[..., -1])
    if p == -2:
        s = svdvals(x)
        found = div(s[..., -1], s[..., 0])
    else:
        found = mul(norm(x, p, (-2, -1)), norm(inv(x), p, (-2, -1)))
    # NaN only where the matrix has some: 0 * inf stands for a singular matrix.
    has_nan = reductions.any(ne(x, x), (-2, -1))
    return select(bitwise_and(ne(found, found), bitwise_not(has_nan)), found.dtype.type(np.inf), found)
