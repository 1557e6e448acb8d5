"""Linear algebra that needs no decomposition: products and parts of matrices, under the names of ``numpy.linalg``."""

from __future__ import annotations

from ferax._src.numpy import matrices, products
from ferax._src.numpy.einsum import einsum
from ferax._src.numpy.manipulation import matrix_transpose as _matrix_transpose
from ferax._src.numpy.util import ensure_arraylike, promote_dtypes


def matrix_transpose(x, /):
    """Swap the last two dimensions, see `numpy.matrix_transpose`.

    Examples
    --------
    >>> jnp.linalg.matrix_transpose(jnp.array([[1, 2], [3, 4]]))
    Array([[1, 3],
           [2, 4]], dtype=int32)
    """
    return _matrix_transpose(x)


def matmul(x1, x2, /, *, precision=None, preferred_element_type=None):
    """Matrix product, see `numpy.matmul`.

    Examples
    --------
    >>> jnp.linalg.matmul(jnp.array([[1, 2], [3, 4]]), jnp.array([5, 6]))
    Array([17, 39], dtype=int32)
    """
    return products.matmul(x1, x2, precision=precision, preferred_element_type=preferred_element_type)


def vecdot(x1, x2, /, *, axis=-1, precision=None, preferred_element_type=None):
    """Dot products of vectors, see `numpy.vecdot`.

    Examples
    --------
    >>> jnp.linalg.vecdot(jnp.array([[1, 2], [3, 4]]), jnp.array([5, 6]))
    Array([17, 39], dtype=int32)
    """
    return products.vecdot(x1, x2, axis=axis, precision=precision, preferred_element_type=preferred_element_type)


def tensordot(x1, x2, /, *, axes=2, precision=None, preferred_element_type=None, out_sharding=None):
    """Sums of products over several dimensions, see `numpy.tensordot`.

    Examples
    --------
    >>> jnp.linalg.tensordot(jnp.array([1., 2.]), jnp.array([3., 4.]), axes=1)
    Array(11., dtype=float32)
    """
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

    Examples
    --------
    >>> jnp.linalg.outer(jnp.array([1, 2]), jnp.array([3, 4]))
    Array([[3, 4],
           [6, 8]], dtype=int32)
    """
    x1, x2 = ensure_arraylike("jnp.linalg.outer", x1, x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"Input arrays must be one-dimensional, but they are {x1.ndim=} {x2.ndim=}")
    return products.outer(x1, x2)


def cross(x1, x2, /, *, axis=-1):
    """Cross products of vectors of three components, see `numpy.cross`.

    Examples
    --------
    >>> jnp.linalg.cross(jnp.array([1, 0, 0]), jnp.array([0, 1, 0]))
    Array([0, 0, 1], dtype=int32)
    """
    x1, x2 = ensure_arraylike("jnp.linalg.cross", x1, x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(f"Both input arrays must be (arrays of) 3-dimensional vectors, but they are {x1.shape[axis]} and "
                         f"{x2.shape[axis]} dimensional instead.")
    return products.cross(x1, x2, axis=axis)


def trace(x, /, *, offset=0, dtype=None):
    """Sum of a diagonal of matrices in the last two dimensions, see `numpy.trace`.

    Examples
    --------
    >>> jnp.linalg.trace(jnp.array([[1, 2], [3, 4]]))
    Array(5, dtype=int32)
    """
    return products.trace(x, offset=offset, axis1=-2, axis2=-1, dtype=dtype)


def diagonal(x, /, *, offset=0):
    """A diagonal of matrices in the last two dimensions, see `numpy.diagonal`.

    Examples
    --------
    >>> jnp.linalg.diagonal(jnp.array([[1, 2], [3, 4]]), offset=1)
    Array([2], dtype=int32)
    """
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

    Examples
    --------
    >>> jnp.linalg.multi_dot([jnp.ones((2, 9)), jnp.ones((9, 9)), jnp.ones(9)])
    Array([81., 81.], dtype=float32)
    """
    arrays = promote_dtypes(*[ensure_arraylike("jnp.linalg.multi_dot", a) for a in arrays])
    n = len(arrays)
    if n < 2:
        raise ValueError(f"multi_dot requires at least two arrays; got {n}")
    for i, a in enumerate(arrays):
        if a.ndim != 2 and not (a.ndim == 1 and i in (0, n - 1)):
            raise ValueError(f"multi_dot: array {i} must be a matrix, or a vector if it is first or last; got shape {a.shape}")
        if i and arrays[i - 1].shape[-1] != a.shape[0]:
            raise ValueError(f"multi_dot: the last dimension of each array must match the first one of the next; got shapes "
                             f"{[x.shape for x in arrays]}")
    letters = [chr(97 + i) for i in range(n + 1)]
    names = ["".join(letters[i:i + 2]) for i in range(n)]
    if arrays[0].ndim == 1:
        names[0] = letters[1]
    if arrays[-1].ndim == 1:
        names[-1] = letters[n - 1]
    ends = (letters[0] if arrays[0].ndim == 2 else "") + (letters[n] if arrays[-1].ndim == 2 else "")
    return einsum(f"{','.join(names)}->{ends}", *arrays, optimize="optimal", precision=precision)
