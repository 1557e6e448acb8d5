"""Matrices with a structure: identities, triangles, diagonals, and the positions of their elements."""

from __future__ import annotations

import operator

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.array_at import update
from ferax._src.numpy.finding import nonzero
from ferax._src.numpy.fills import ones
from ferax._src.numpy.indexing import take_index
from ferax._src.numpy.places import made_on_host, put, sharding_for
from ferax._src.ops.axes import move_axis
from ferax._src.ops.broadcasting import broadcast_in_dim
from ferax._src.ops.compare import eq, ge
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import add
from ferax._src.ops.shape import broadcasted_iota, iota, reshape
from ferax._src.ops.slicing import pad, slice_in_dim
from ferax._src.ops.static import as_static_int, normalize_axis
from ferax._src.runtime import transfer
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Tracer
from ferax._src.types import dtypes

_INT32 = np.dtype(np.int32)


def _size(value, name: str) -> int:
    size = as_static_int(value, name)
    if size < 0:
        raise ValueError(f"negative dimensions are not allowed, got {name}={size}")
    return size


def _diagonal_number(k, name: str) -> int:
    k = as_static_int(k, name)
    return max(-2**30, min(k, 2**30))           # beyond any matrix; sums with positions stay within 32 bits


# --- identity and triangles ---------------------------------------------------------------------

def eye(N, M=None, k=0, dtype=None, *, device=None):
    """A matrix with ones on a diagonal and zeros elsewhere.

    Parameters
    ----------
    N, M : number of rows and of columns, by default as many
    k : which diagonal; 0 is the main one, positive ones are above it. It may be a traced integer
    dtype : dtype-like, by default the default float dtype
    device : Device or Sharding

    Examples
    --------
    >>> jnp.eye(2, 3, k=1)
    Array([[0., 1., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    dtype = dtypes.check_user_dtype(float if dtype is None else dtype, "eye")
    n = _size(N, "N")
    m = n if M is None else _size(M, "M")
    if isinstance(k, Tracer):
        if k.shape or util.dtype_kind(k) not in "iu":
            raise ValueError(f"k must be a scalar integer; got {k}")
        made = _eye(k, n=n, m=m, dtype=dtype)
    else:
        if util.shape_of(k) or not isinstance(np.asarray(k)[()], (int, np.integer)):
            raise ValueError(f"k must be a scalar integer; got {k}")
        k = _diagonal_number(k, "k")
        if made_on_host(n * m):
            made = transfer.from_numpy(np.eye(n, m, k, dtype), own=True)
        else:
            made = _eye(k, n=n, m=m, dtype=dtype)
    return put(made, sharding_for(device, None, "jnp.eye"))


@fused(static=("n", "m", "dtype"))
def _eye(k, *, n, m, dtype):
    row, column = [broadcasted_iota(_INT32, (n, m), d) for d in (0, 1)]
    return convert(eq(add(row, util.cast(k, _INT32)), column), dtype)


def identity(n, dtype=None):
    """The identity matrix of n rows; see `eye`.

    Examples
    --------
    >>> jnp.identity(2)
    Array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    return eye(n, dtype=dtype)


def _on_or_below(n: int, m: int, k: int):
    """Whether elements of an n x m matrix lie on the k-th diagonal or below it."""
    row, column = [broadcasted_iota(_INT32, (n, m), d) for d in (0, 1)]
    return ge(add(row, np.int32(k)) if k else row, column)


def tri(N, M=None, k=0, dtype=None):
    """A matrix with ones on the k-th diagonal and below, and zeros above.

    Parameters
    ----------
    N, M : number of rows and of columns, by default as many
    k : which diagonal; 0 is the main one, positive ones are above it. It may be a traced integer
    dtype : dtype-like, by default float32

    Examples
    --------
    >>> jnp.tri(2, 3)
    Array([[1., 0., 0.],
           [1., 1., 0.]], dtype=float32)
    """
    dtype = dtypes.check_user_dtype(np.float32 if dtype is None else dtype, "tri")
    n = _size(N, "N")
    m = n if M is None else _size(M, "M")
    if isinstance(k, Tracer):
        if k.shape or util.dtype_kind(k) not in "iu":
            raise TypeError(f"tri: k must be a scalar integer; got {k}")
        return _tri(k, n=n, m=m, dtype=dtype)
    k = _diagonal_number(k, "k")
    if made_on_host(n * m):
        return transfer.from_numpy(np.tri(n, m, k, dtype), own=True)
    return _tri(k, n=n, m=m, dtype=dtype)


@fused(static=("n", "m", "dtype"))
def _tri(k, *, n, m, dtype):
    row, column = [broadcasted_iota(_INT32, (n, m), d) for d in (0, 1)]
    return convert(ge(add(row, util.cast(k, _INT32)), column), dtype)


@fused(static=("k", "lower"))
def _triangle(x, *, k, lower):
    x = util.as_array(x)
    if x.ndim < 2:
        raise ValueError(f"Argument to jax.numpy.{'tril' if lower else 'triu'} must be at least 2D, got shape {x.shape}")
    n, m = x.shape[-2:]
    mask = _on_or_below(n, m, k if lower else k - 1)
    mask = broadcast_in_dim(mask, x.shape, (x.ndim - 2, x.ndim - 1)) if x.ndim > 2 else mask
    zero = util.const(x, 0)
    return util.choose(mask, x, zero) if lower else util.choose(mask, zero, x)


def tril(m, k=0):
    """The lower triangle of matrices: elements above the k-th diagonal become zero.

    Parameters
    ----------
    m : array, shape (..., n, m)
    k : which diagonal; 0 is the main one, positive ones are above it

    Examples
    --------
    >>> jnp.tril(jnp.ones((2, 3), int), 1)
    Array([[1, 1, 0],
           [1, 1, 1]], dtype=int32)
    """
    util.check_arraylike("tril", m)
    return _triangle(util.operand(m), k=_diagonal_number(k, "k"), lower=True)


def triu(m, k=0):
    """The upper triangle of matrices: elements below the k-th diagonal become zero; see `tril`.

    Examples
    --------
    >>> jnp.triu(jnp.ones((3, 3), int))
    Array([[1, 1, 1],
           [0, 1, 1],
           [0, 0, 1]], dtype=int32)
    """
    util.check_arraylike("triu", m)
    return _triangle(util.operand(m), k=_diagonal_number(k, "k"), lower=False)


# --- diagonals ----------------------------------------------------------------------------------

def diagonal(a, offset=0, axis1=0, axis2=1):
    """Diagonals of an array.

    Parameters
    ----------
    a : array of at least two dimensions
    offset : which diagonal; 0 is the main one, positive ones are above it
    axis1, axis2 : the dimensions of the matrices

    Returns
    -------
    Array without those dimensions, and with the diagonals along a new last one

    Examples
    --------
    >>> jnp.diagonal(jnp.arange(6).reshape(2, 3))
    Array([0, 4], dtype=int32)
    """
    util.check_arraylike("diagonal", a)
    offset, axis1, axis2 = [as_static_int(v, name) for v, name in ((offset, "offset"), (axis1, "axis1"), (axis2, "axis2"))]
    return _diagonal(util.operand(a), offset=offset, axis1=axis1, axis2=axis2)


@fused(static=("offset", "axis1", "axis2"))
def _diagonal(a, *, offset, axis1, axis2):
    a = util.as_array(a)
    nd = a.ndim
    if nd < 2:
        raise ValueError("diagonal requires an array of at least two dimensions.")
    axis1, axis2 = normalize_axis(axis1, nd, "axis1"), normalize_axis(axis2, nd, "axis2")
    if axis1 == axis2:
        raise ValueError(f"diagonal: axis1 and axis2 must be different, got {axis1} twice")
    n, m = a.shape[axis1], a.shape[axis2]
    size = max(0, min(n + min(offset, 0), m - max(offset, 0)))
    a = move_axis(a, axis1, nd - 1)
    a = move_axis(a, axis2 - (axis2 > axis1), nd - 1)       # (..., axis1, axis2)
    steps = iota(np.dtype(np.int32), size)
    shifted = add(steps, np.int32(abs(offset))) if offset else steps
    i, j = (steps, shifted) if offset >= 0 else (shifted, steps)
    return take_index(a, (Ellipsis, i, j), unique_indices=True, indices_are_sorted=True)


def diag(v, k=0):
    """A matrix with given diagonal, or the diagonal of a matrix.

    Parameters
    ----------
    v : array of one or two dimensions
    k : which diagonal; 0 is the main one, positive ones are above it

    Examples
    --------
    >>> jnp.diag(jnp.array([1, 2]))
    Array([[1, 0],
           [0, 2]], dtype=int32)
    """
    util.check_arraylike("diag", v)
    v = util.as_array(util.operand(v))
    k = operator.index(k)
    if v.ndim == 1:
        return _with_diagonal(v, k=k)
    if v.ndim == 2:
        return diagonal(v, offset=k)
    raise ValueError(f"diag input must be 1d or 2d, got shape {v.shape}")


@fused(static=("k",))
def _with_diagonal(v, *, k):
    n = v.shape[0] + abs(k)
    zero = util.const(v, 0)
    padded = pad(v, v.dtype.type(0), [(max(0, -k), max(0, k), 0)])
    row, column = [broadcasted_iota(_INT32, (n, n), d) for d in (0, 1)]
    on_it = eq(add(row, np.int32(k)) if k else row, column)
    return util.choose(on_it, broadcast_in_dim(padded, (n, n), (0,)), zero)


def diagflat(v, k=0):
    """A matrix with the elements of an array, flattened, on a diagonal; see `diag`.

    Examples
    --------
    >>> jnp.diagflat(jnp.array([[1, 2]]), 1)
    Array([[0, 1, 0],
           [0, 0, 2],
           [0, 0, 0]], dtype=int32)
    """
    util.check_arraylike("diagflat", v)
    v = util.as_array(util.operand(v))
    return _with_diagonal(reshape(v, (v.size,)), k=operator.index(k))


def fill_diagonal(a, val, wrap=False, *, inplace=True):
    """Put values on the diagonal of a matrix, or where all positions are equal in an array of more dimensions.

    Parameters
    ----------
    a : array of at least two dimensions, of equal size if there are more than two
    val : number, or array of values, repeated as needed
    wrap : not supported
    inplace : must be False: arrays cannot be written to

    Examples
    --------
    >>> jnp.fill_diagonal(jnp.zeros((2, 2)), jnp.array([3, 4]), inplace=False)
    Array([[3., 0.],
           [0., 4.]], dtype=float32)
    """
    if inplace:
        raise NotImplementedError("JAX arrays are immutable, must use inplace=False")
    if wrap:
        raise NotImplementedError("wrap=True is not implemented, must use wrap=False")
    util.check_arraylike("fill_diagonal", a, val)
    a, val = util.as_array(util.operand(a)), util.as_array(util.operand(val))
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    if a.ndim > 2 and len(set(a.shape)) > 1:
        raise ValueError("All dimensions of input must be of equal length")
    return _fill_diagonal(a, val)


@fused
def _fill_diagonal(a, val):
    n = min(a.shape)
    if val.ndim:
        val = reshape(val, (val.size,))
        if val.size < n:
            times = -(-n // val.size)
            val = reshape(broadcast_in_dim(val, (times, val.size), (1,)), (times * val.size,))
        val = slice_in_dim(val, 0, n)
    index = (np.arange(n, dtype=np.int32),) * a.ndim
    return update(a, index, "set", val, unique_indices=True, indices_are_sorted=True)


# --- positions ----------------------------------------------------------------------------------

def diag_indices(n, ndim=2):
    """The index of the main diagonal of an array of ``ndim`` dimensions of size n.

    Examples
    --------
    >>> jnp.diag_indices(2)
    (Array([0, 1], dtype=int32), Array([0, 1], dtype=int32))
    """
    n, ndim = as_static_int(n, "n"), as_static_int(ndim, "ndim")
    if n < 0:
        raise ValueError(f"n argument to diag_indices must be nonnegative, got {n}")
    if ndim < 0:
        raise ValueError(f"ndim argument to diag_indices must be nonnegative, got {ndim}")
    return (iota(dtypes.default_int_dtype(), n),) * ndim


def diag_indices_from(arr):
    """The index of the main diagonal of an array; see `diag_indices`.

    Examples
    --------
    >>> jnp.diag_indices_from(jnp.ones((2, 2)))
    (Array([0, 1], dtype=int32), Array([0, 1], dtype=int32))
    """
    util.check_arraylike("diag_indices_from", arr)
    shape = util.shape_of(util.operand(arr))
    if len(shape) < 2:
        raise ValueError("input array must be at least 2-d")
    if len(set(shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    return diag_indices(shape[0], ndim=len(shape))


def _triangle_positions(n, k, m, find):
    n, k = _size(n, "n"), _diagonal_number(k, "k")
    m = n if m is None else _size(m, "m")
    dtype = dtypes.default_int_dtype()
    return tuple([util.as_array(i.astype(dtype)) for i in find(n, k, m)])


def tril_indices(n, k=0, m=None):
    """The positions of the elements on the k-th diagonal and below, of a matrix of n rows and m columns.

    Examples
    --------
    >>> jnp.tril_indices(2)
    (Array([0, 1, 1], dtype=int32), Array([0, 0, 1], dtype=int32))
    """
    return _triangle_positions(n, k, m, np.tril_indices)


def triu_indices(n, k=0, m=None):
    """The positions of the elements on the k-th diagonal and above, of a matrix of n rows and m columns.

    Examples
    --------
    >>> jnp.triu_indices(2)
    (Array([0, 0, 1], dtype=int32), Array([0, 1, 1], dtype=int32))
    """
    return _triangle_positions(n, k, m, np.triu_indices)


def _matrix_shape(name: str, arr):
    util.check_arraylike(name, arr)
    shape = util.shape_of(util.operand(arr))
    if len(shape) != 2:
        raise ValueError("Only 2-D inputs are accepted")
    return shape


def tril_indices_from(arr, k=0):
    """`tril_indices` for the shape of a matrix.

    Examples
    --------
    >>> jnp.tril_indices_from(jnp.ones((2, 2)))
    (Array([0, 1, 1], dtype=int32), Array([0, 0, 1], dtype=int32))
    """
    n, m = _matrix_shape("tril_indices_from", arr)
    return tril_indices(n, k, m)


def triu_indices_from(arr, k=0):
    """`triu_indices` for the shape of a matrix.

    Examples
    --------
    >>> jnp.triu_indices_from(jnp.ones((2, 2)))
    (Array([0, 0, 1], dtype=int32), Array([0, 1, 1], dtype=int32))
    """
    n, m = _matrix_shape("triu_indices_from", arr)
    return triu_indices(n, k, m)


def mask_indices(n, mask_func, k=0, *, size=None):
    """The positions that a masking function, such as `tril`, keeps in an n x n matrix.

    Parameters
    ----------
    n : int
    mask_func : function of a matrix and ``k``
    k : int, given to the function
    size : as for `nonzero`

    Examples
    --------
    >>> jnp.mask_indices(2, jnp.triu)
    (Array([0, 0, 1], dtype=int32), Array([0, 1, 1], dtype=int32))
    """
    return nonzero(mask_func(ones((n, n)), k), size=size)
