"""Linear algebra that needs no decomposition: norms, and the products under the names of ``numpy.linalg``."""

from __future__ import annotations

import numpy as np

from ferax._src.numpy import matrices, products, reductions
from ferax._src.numpy.arithmetic import abs as jnp_abs
from ferax._src.numpy.manipulation import index_tuple
from ferax._src.numpy.manipulation import matrix_transpose as _matrix_transpose
from ferax._src.numpy.util import cast, const, ensure_arraylike, promote_dtypes_inexact
from ferax._src.ops.compare import ne
from ferax._src.ops.elementwise import add, mul, pow as ops_pow, sqrt, square
from ferax._src.ops.elementwise_complex import imag, real
from ferax._src.ops.static import normalize_axes
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


def _squares(x):
    """The squared absolute value of each element."""
    if dtypes.kind_of(x.dtype) == "c":
        return add(square(real(x)), square(imag(x)))
    return mul(x, x)


def _vector_norm(x, axes, keepdims, ord):
    if ord is None or ord == 2:
        return sqrt(reductions.sum(_squares(x), axes, keepdims=keepdims))
    if isinstance(ord, str):
        hint = {"inf": " Use jax.numpy.inf instead.", "-inf": " Use -jax.numpy.inf instead."}.get(ord, "")
        raise ValueError(f"Invalid order '{ord}' for vector norm.{hint}")
    if ord == 0:
        return reductions.sum(ne(x, cast(0, x.dtype)), axes, dtype=dtypes.to_floating_dtype(x.dtype), keepdims=keepdims)
    size = jnp_abs(x)
    if ord == np.inf:
        return reductions.max(size, axes, keepdims=keepdims, initial=0)
    if ord == -np.inf:
        return reductions.min(size, axes, keepdims=keepdims)
    if ord == 1:
        return reductions.sum(size, axes, keepdims=keepdims)
    total = reductions.sum(ops_pow(size, const(size, ord)), axes, keepdims=keepdims)
    return ops_pow(total, const(total, 1.0 / ord))


def _matrix_norm(x, axes, keepdims, ord):
    rows, columns = axes
    if ord is None or ord in ("f", "fro"):
        return sqrt(reductions.sum(_squares(x), axes, keepdims=keepdims))
    if ord in (1, -1, np.inf, -np.inf):
        first, second = (rows, columns) if ord in (1, -1) else (columns, rows)
        sums = reductions.sum(jnp_abs(x), first, keepdims=keepdims)
        second -= not keepdims and second > first
        if ord > 0:
            return reductions.max(sums, second, keepdims=keepdims, initial=0)
        return reductions.min(sums, second, keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        raise NotImplementedError(f"norm: ord={ord!r} needs the singular values, which are not there yet; 'fro', 1, -1, inf "
                                  "and -inf are")
    raise ValueError(f"Invalid order '{ord}' for matrix norm.")


@fused(static=("axes", "keepdims", "ord"))
def _norm(x, *, axes, keepdims, ord):
    (x,) = promote_dtypes_inexact(x)
    if axes is None:
        return sqrt(reductions.sum(_squares(x), keepdims=keepdims))
    if len(axes) == 1:
        return _vector_norm(x, axes, keepdims, ord)
    return _matrix_norm(x, axes, keepdims, ord)


def norm(x, ord=None, axis=None, keepdims=False):  # noqa: A002
    """Norm of vectors or matrices.

    Parameters
    ----------
    x : array-like
    ord : for vectors a number or inf, for matrices "fro", 1, -1, inf or -inf; None: the square root of the sum of squares
    axis : int for vectors along it, pair of int for matrices in their plane; None for all of ``x``
    keepdims : whether the axes stay, with size 1

    Returns
    -------
    array of real numbers

    References
    ----------
    ``numpy.linalg.norm``
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
    (x,) = promote_dtypes_inexact(x)
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

    References
    ----------
    ``numpy.linalg.vector_norm``
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
    """
    return norm(x, ord=ord, axis=(-2, -1), keepdims=keepdims)


def matrix_transpose(x, /):
    """Swap the last two dimensions, see `numpy.matrix_transpose`."""
    return _matrix_transpose(x)


def matmul(x1, x2, /, *, precision=None, preferred_element_type=None):
    """Matrix product, see `numpy.matmul`."""
    return products.matmul(x1, x2, precision=precision, preferred_element_type=preferred_element_type)


def vecdot(x1, x2, /, *, axis=-1, precision=None, preferred_element_type=None):
    """Dot products of vectors, see `numpy.vecdot`."""
    return products.vecdot(x1, x2, axis=axis, precision=precision, preferred_element_type=preferred_element_type)


def tensordot(x1, x2, /, *, axes=2, precision=None, preferred_element_type=None, out_sharding=None):
    """Sums of products over several dimensions, see `numpy.tensordot`."""
    return products.tensordot(x1, x2, axes=axes, precision=precision, preferred_element_type=preferred_element_type,
                              out_sharding=out_sharding)


def outer(x1, x2, /):
    """All products of the elements of two vectors.

    Parameters
    ----------
    x1, x2 : vectors

    Returns
    -------
    array of shape (x1.size, x2.size)

    References
    ----------
    ``numpy.linalg.outer``
    """
    x1, x2 = ensure_arraylike("jnp.linalg.outer", x1, x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"Input arrays must be one-dimensional, but they are {x1.ndim=} {x2.ndim=}")
    return products.outer(x1, x2)


def cross(x1, x2, /, *, axis=-1):
    """Cross products of vectors of three components, see `numpy.cross`."""
    x1, x2 = ensure_arraylike("jnp.linalg.cross", x1, x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(f"Both input arrays must be (arrays of) 3-dimensional vectors, but they are {x1.shape[axis]} and "
                         f"{x2.shape[axis]} dimensional instead.")
    return products.cross(x1, x2, axis=axis)


def trace(x, /, *, offset=0, dtype=None):
    """Sum of a diagonal of matrices in the last two dimensions, see `numpy.trace`."""
    return products.trace(x, offset=offset, axis1=-2, axis2=-1, dtype=dtype)


def diagonal(x, /, *, offset=0):
    """A diagonal of matrices in the last two dimensions, see `numpy.diagonal`."""
    return matrices.diagonal(ensure_arraylike("jnp.linalg.diagonal", x), offset=offset, axis1=-2, axis2=-1)


def multi_dot(arrays, *, precision=None):
    """Product of several matrices, in the order that takes the fewest multiplications.

    Parameters
    ----------
    arrays : sequence of matrices; the first and the last may be vectors
    precision : as of `numpy.matmul`

    Returns
    -------
    array

    References
    ----------
    ``numpy.linalg.multi_dot``. The order: Cormen et al., Introduction to Algorithms, matrix-chain multiplication.
    """
    arrays = [ensure_arraylike("jnp.linalg.multi_dot", a) for a in arrays]
    n = len(arrays)
    if n < 2:
        raise ValueError(f"multi_dot requires at least two arrays; got {n}")
    for i, a in enumerate(arrays):
        if a.ndim != 2 and not (a.ndim == 1 and i in (0, n - 1)):
            raise ValueError(f"multi_dot: array {i} must be a matrix, or a vector if it is first or last; got shape {a.shape}")
    sizes = [arrays[0].shape[0] if arrays[0].ndim == 2 else 1,
             *[a.shape[0] for a in arrays[1:]],
             arrays[-1].shape[-1] if arrays[-1].ndim == 2 else 1]
    best: dict[tuple[int, int], tuple[float, int]] = {(i, i): (0, i) for i in range(n)}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            best[i, j] = min((best[i, k][0] + best[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                             for k in range(i, j))

    def product(i: int, j: int):
        if i == j:
            return arrays[i]
        k = best[i, j][1]
        return products.matmul(product(i, k), product(k + 1, j), precision=precision)
    return product(0, n - 1)
