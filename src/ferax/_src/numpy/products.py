"""Products of arrays: matmul, dot, inner, outer, tensordot and their like, all by `dot_general`; cross, kron, trace.

Operands are promoted to one dtype, which is the dtype of the result and of the sums on the way, unless
``preferred_element_type`` says otherwise. ``precision`` matters on accelerators only.
"""

from __future__ import annotations

from ferax._src.numpy import reductions
from ferax._src.numpy.manipulation import index_tuple, moveaxis
from ferax._src.numpy.util import cast, ensure_arraylike, promote_dtypes
from ferax._src.ops.broadcasting import expand_dims, transpose
from ferax._src.ops.compare import eq
from ferax._src.ops.convert import convert
from ferax._src.ops.dot import dot_general, dot_general_p
from ferax._src.ops.elementwise import add, mul, neg, sub
from ferax._src.ops.elementwise_complex import conj
from ferax._src.ops.joining import stack
from ferax._src.ops.precision import canonicalize_precision
from ferax._src.ops.select import select_n
from ferax._src.ops.shape import broadcasted_iota, reshape, squeeze
from ferax._src.ops.slicing import index_in_dim
from ferax._src.ops.static import as_static_int, normalize_axis
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, state
from ferax._src.types import dtypes


def _prepared(name: str, a, b, preferred):
    """Operands in one dtype, and the dtype of the result."""
    if not (isinstance(a, Array) and isinstance(b, Array)):
        a, b = ensure_arraylike(name, a, b)
    if preferred is not None:
        preferred = dtypes.check_user_dtype(preferred, name)
    if a.aval.dtype == b.aval.dtype:
        return a, b, a.aval.dtype if preferred is None else preferred
    if preferred is not None and not _promotes(a, b):       # small floats, say: the engine multiplies them as they are
        return a, b, preferred
    a, b = promote_dtypes(a, b)
    return a, b, a.dtype if preferred is None else preferred


# Contract the last dimension of a vector, or of a matrix, with the first one.
_PLAIN_PRODUCT = {1: (((0,), (0,)), ((), ())), 2: (((1,), (0,)), ((), ()))}


def _promotes(a, b) -> bool:
    try:
        dtypes.result_type(a, b)
    except dtypes.TypePromotionError:
        return False
    return True


# --- matrices -----------------------------------------------------------------------------------

def matmul(a, b, *, precision=None, preferred_element_type=None, out_sharding=None):
    """Matrix product ``a @ b``; leading dimensions broadcast.

    Parameters
    ----------
    a : array-like of shape (..., m, k), or (k,)
    b : array-like of shape (..., k, n), or (k,)
    precision : see `lax.dot_general`
    preferred_element_type : dtype of the result and of the sums; by default what the operands promote to
    out_sharding : sharding of the result, or None

    Returns
    -------
    array of shape (..., m, n); a vector among the operands takes its dimension with it

    References
    ----------
    ``numpy.matmul``

    Examples
    --------
    >>> jnp.matmul(jnp.array([[1, 2], [3, 4]]), jnp.array([5, 6]))
    Array([17, 39], dtype=int32)
    """
    a, b, preferred = _prepared("matmul", a, b, preferred_element_type)
    sa, sb = a.aval.shape, b.aval.shape
    na, nb = len(sa), len(sb)
    if na <= 2 >= nb and na and nb:                         # no batch
        if sa[-1] != sb[0]:
            raise _mismatch("matmul", sa, sb)
        return state.trace.process(dot_general_p, (a, b), {
            "dimension_numbers": _PLAIN_PRODUCT[na], "precision": canonicalize_precision(precision),
            "preferred_element_type": preferred, "out_sharding": out_sharding})[0]
    for i, n in enumerate((na, nb)):
        if n < 1:
            raise ValueError(f"matmul input operand {i} must have ndim at least 1, but it has ndim {n}")
    if sa[-1] != (sb[-2] if nb > 1 else sb[0]):
        raise _mismatch("matmul", sa, sb)
    if nb <= 2:                                             # one matrix for all of a batch
        return dot_general(a, b, (((na - 1,), (0,)), ((), ())), precision, preferred, out_sharding=out_sharding)
    batch = range(max(na, nb) - 2)
    if sa[:-2] == sb[:-2]:
        numbers = (((na - 1,), (nb - 2,)), (tuple(batch), tuple(batch)))
        return dot_general(a, b, numbers, precision, preferred, out_sharding=out_sharding)
    return _broadcast_matmul(a, b, preferred, precision, out_sharding)


def _broadcast_matmul(a, b, preferred, precision, out_sharding):
    """A product in which a batch dimension of one operand may be missing, or of size 1, in the other.

    Such a dimension is not repeated: it is one more dimension that the product leaves in place, and is moved after it.
    """
    n = max(a.ndim, b.ndim, 2) - 2
    sizes_a = (None,) * (n - max(a.ndim - 2, 0)) + a.shape[:-2]
    sizes_b = (None,) * (n - (b.ndim - 2)) + b.shape[:-2]
    drop_a, drop_b, batch_a, batch_b = [], [], [], []
    shared, only_a, only_b, ones = [], [], [], []
    for i, (p, q) in enumerate(zip(sizes_a, sizes_b)):
        at_a, at_b = i - (n - max(a.ndim - 2, 0)), i - (n - (b.ndim - 2))
        if p is None:
            only_b.append(i)
        elif q is None:
            only_a.append(i)
        elif p == 1 and q == 1:
            ones.append(i)
            drop_a.append(at_a)
            drop_b.append(at_b)
        elif p == 1:
            only_b.append(i)
            drop_a.append(at_a)
        elif q == 1:
            only_a.append(i)
            drop_b.append(at_b)
        elif p == q:
            shared.append(i)
            batch_a.append(at_a - len(drop_a))
            batch_b.append(at_b - len(drop_b))
        else:
            raise ValueError(f"Incompatible shapes for matmul arguments: {a.shape} and {b.shape}. The dimensions before the "
                             "last two must broadcast")
    if a.ndim > 1:
        only_a.append(n)
    only_b.append(n + 1)
    a, b = squeeze(a, tuple(drop_a)), squeeze(b, tuple(drop_b))
    numbers = (((a.ndim - 1,), (b.ndim - 2,)), (tuple(batch_a), tuple(batch_b)))
    out = dot_general(a, b, numbers, precision, preferred, out_sharding=out_sharding)
    places = [*shared, *only_a, *only_b]
    out = transpose(out, tuple(sorted(range(len(places)), key=places.__getitem__)))
    return expand_dims(out, tuple(ones)) if ones else out


def _mismatch(name: str, a, b) -> TypeError:
    return TypeError(f"{name}: the shapes {a} and {b} do not fit: the last dimension of the first operand must be of the size "
                     "of the second to last of the second operand (of the only one of a vector), and those before must "
                     "broadcast")


@fused(static=("conjugate", "precision", "preferred"))
def _vector_product(x, y, *, conjugate, precision, preferred):
    """(..., n) and (..., n) to (...), as a product of a row and a column."""
    if conjugate and dtypes.kind_of(x.dtype) == "c":
        x = conj(x)
    ndim = max(x.ndim, y.ndim)
    x, y = expand_dims(x, (x.ndim - 1,)), expand_dims(y, (y.ndim,))
    out = matmul(x, y, precision=precision, preferred_element_type=preferred)
    return squeeze(out, (ndim - 1, ndim))


def vecdot(x1, x2, /, *, axis=-1, precision=None, preferred_element_type=None):
    """Dot products of vectors along an axis, the first conjugated; the other dimensions broadcast.

    Parameters
    ----------
    x1, x2 : array-likes
    axis : int
    precision, preferred_element_type : as of `matmul`

    Returns
    -------
    array without the axis

    References
    ----------
    ``numpy.vecdot``

    Examples
    --------
    >>> jnp.vecdot(jnp.array([[1, 2], [3, 4]]), jnp.array([5, 6]))
    Array([17, 39], dtype=int32)
    """
    x1, x2 = ensure_arraylike("jnp.vecdot", x1, x2)
    i, j = normalize_axis(axis, x1.ndim), normalize_axis(axis, x2.ndim)
    if x1.shape[i] != x2.shape[j]:
        raise ValueError(f"axes must match; got shapes {x1.shape} and {x2.shape} with axis={axis!r}")
    return _vector_product(moveaxis(x1, i, -1), moveaxis(x2, j, -1), conjugate=True, precision=precision,
                           preferred=preferred_element_type)


@fused
def _matvec(x1, x2):
    return squeeze(matmul(x1, expand_dims(x2, (x2.ndim,))), (max(x1.ndim, x2.ndim + 1) - 1,))


def matvec(x1, x2, /):
    """Products of matrices and vectors; leading dimensions broadcast.

    Parameters
    ----------
    x1 : array-like of shape (..., m, n)
    x2 : array-like of shape (..., n)

    Returns
    -------
    array of shape (..., m)

    References
    ----------
    ``numpy.matvec``

    Examples
    --------
    >>> jnp.matvec(jnp.array([[1, 2], [3, 4]]), jnp.array([5, 6]))
    Array([17, 39], dtype=int32)
    """
    x1, x2 = ensure_arraylike("matvec", x1, x2)
    if x1.ndim < 2 or x2.ndim < 1:
        raise ValueError(f"matvec: a matrix and a vector are needed at least, got shapes {x1.shape} and {x2.shape}")
    return _matvec(x1, x2)


@fused
def _vecmat(x1, x2):
    x1 = conj(x1) if dtypes.kind_of(x1.dtype) == "c" else x1
    ndim = max(x1.ndim + 1, x2.ndim)
    return squeeze(matmul(expand_dims(x1, (x1.ndim - 1,)), x2), (ndim - 2,))


def vecmat(x1, x2, /):
    """Products of vectors, conjugated, and matrices; leading dimensions broadcast.

    Parameters
    ----------
    x1 : array-like of shape (..., n)
    x2 : array-like of shape (..., n, m)

    Returns
    -------
    array of shape (..., m)

    References
    ----------
    ``numpy.vecmat``

    Examples
    --------
    >>> jnp.vecmat(jnp.array([5, 6]), jnp.array([[1, 2], [3, 4]]))
    Array([23, 34], dtype=int32)
    """
    x1, x2 = ensure_arraylike("vecmat", x1, x2)
    if x1.ndim < 1 or x2.ndim < 2:
        raise ValueError(f"vecmat: a vector and a matrix are needed at least, got shapes {x1.shape} and {x2.shape}")
    return _vecmat(x1, x2)


# --- dot and its kin ----------------------------------------------------------------------------

def dot(a, b, *, precision=None, preferred_element_type=None, out_sharding=None):
    """Dot product: sums over the last dimension of ``a`` and the second to last, or only, one of ``b``.

    Parameters
    ----------
    a, b : array-likes; a scalar multiplies all of the other
    precision, preferred_element_type, out_sharding : as of `matmul`

    Returns
    -------
    array with the other dimensions of ``a``, then those of ``b``; for batches of matrices `matmul` is meant

    References
    ----------
    ``numpy.dot``

    Examples
    --------
    >>> jnp.dot(jnp.array([1., 2.]), jnp.array([3., 4.]))
    Array(11., dtype=float32)
    """
    a, b, preferred = _prepared("dot", a, b, preferred_element_type)
    na, nb = a.ndim, b.ndim
    dims = ((), ()) if not na or not nb else ((na - 1,), (max(nb - 2, 0),))
    if dims[0] and a.shape[-1] != b.shape[dims[1][0]]:
        raise _mismatch("dot", a.shape, b.shape)
    return dot_general(a, b, (dims, ((), ())), precision, preferred, out_sharding=out_sharding)


def vdot(a, b, *, precision=None, preferred_element_type=None):
    """Dot product of two flattened arrays, the first conjugated.

    Parameters
    ----------
    a, b : array-likes of one size
    precision, preferred_element_type : as of `matmul`

    Returns
    -------
    array without dimensions

    References
    ----------
    ``numpy.vdot``

    Examples
    --------
    >>> jnp.vdot(jnp.array([1j, 2.]), jnp.array([1j, 1.]))
    Array(3.+0.j, dtype=complex64)
    """
    a, b = ensure_arraylike("vdot", a, b)
    if dtypes.kind_of(a.dtype) == "c":
        a = conj(a)
    return dot(reshape(a, (a.size,)), reshape(b, (b.size,)), precision=precision,
               preferred_element_type=preferred_element_type)


def inner(a, b, *, precision=None, preferred_element_type=None):
    """Inner product: sums over the last dimension of both.

    Parameters
    ----------
    a, b : array-likes; a scalar multiplies all of the other
    precision, preferred_element_type : as of `matmul`

    Returns
    -------
    array with the other dimensions of ``a``, then those of ``b``

    References
    ----------
    ``numpy.inner``

    Examples
    --------
    >>> jnp.inner(jnp.array([[1, 2], [3, 4]]), jnp.array([5, 6]))
    Array([17, 39], dtype=int32)
    """
    a, b, preferred = _prepared("inner", a, b, preferred_element_type)
    if not a.ndim or not b.ndim:
        return dot_general(a, b, (((), ()), ((), ())), precision, preferred)
    if a.shape[-1] != b.shape[-1]:
        raise TypeError(f"inner: the last dimensions must be of one size, got shapes {a.shape} and {b.shape}")
    return dot_general(a, b, (((a.ndim - 1,), (b.ndim - 1,)), ((), ())), precision, preferred)


@fused
def _outer(a, b):
    a, b = promote_dtypes(a, b)
    return mul(reshape(a, (a.size, 1)), reshape(b, (1, b.size)))


def outer(a, b, out=None):
    """All products of an element of ``a`` and one of ``b``, both flattened.

    Parameters
    ----------
    a, b : array-likes
    out : not supported

    Returns
    -------
    array of shape (a.size, b.size)

    References
    ----------
    ``numpy.outer``

    Examples
    --------
    >>> jnp.outer(jnp.array([1, 2]), jnp.array([3, 4, 5]))
    Array([[ 3,  4,  5],
           [ 6,  8, 10]], dtype=int32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.outer is not supported.")
    return _outer(*ensure_arraylike("outer", a, b))


def tensordot(a, b, axes=2, *, precision=None, preferred_element_type=None, out_sharding=None):
    """Sums of products over several dimensions.

    Parameters
    ----------
    a, b : array-likes
    axes : int n for the last n dimensions of ``a`` and the first n of ``b``, or a pair of ints or of sequences of them:
        the dimensions of ``a`` and those of ``b``
    precision, preferred_element_type, out_sharding : as of `matmul`

    Returns
    -------
    array with the other dimensions of ``a``, then those of ``b``

    References
    ----------
    ``numpy.tensordot``

    Examples
    --------
    >>> jnp.tensordot(jnp.ones((2, 3, 4)), jnp.ones((4, 3)), axes=((1, 2), (1, 0)))
    Array([12., 12.], dtype=float32)
    """
    a, b, preferred = _prepared("tensordot", a, b, preferred_element_type)
    na, nb = a.ndim, b.ndim
    if isinstance(axes, (tuple, list)):
        if len(axes) != 2:
            raise TypeError("tensordot axes argument must be an int, a pair of ints, or a pair of lists/tuples of ints.")
        kinds = [isinstance(side, (tuple, list)) for side in axes]
        if kinds[0] != kinds[1]:
            raise TypeError(f"tensordot requires both axes lists to be either ints, tuples or lists, got {axes[0]} and {axes[1]}")
        left, right = [index_tuple(side, "axes") for side in axes]
        if len(left) != len(right):
            raise TypeError(f"tensordot requires axes lists to have equal length, got {axes[0]} and {axes[1]}.")
        dims = (tuple([normalize_axis(i, na) for i in left]), tuple([normalize_axis(i, nb) for i in right]))
    else:
        n = as_static_int(axes, "tensordot axes")
        if n > min(na, nb):
            raise TypeError(f"Number of tensordot axes (axes {n}) exceeds input ranks ({a.shape} and {b.shape})")
        dims = (tuple(range(na - n, na)), tuple(range(n)))
    if any(a.shape[i] != b.shape[j] for i, j in zip(*dims)):
        raise TypeError(f"tensordot: the dimensions {dims[0]} of shape {a.shape} and {dims[1]} of shape {b.shape} are to be "
                        "summed over together, but differ in size")
    return dot_general(a, b, (dims, ((), ())), precision, preferred, out_sharding=out_sharding)


# --- others -------------------------------------------------------------------------------------

@fused
def _kron(a, b):
    a, b = promote_dtypes(a, b)
    n = max(a.ndim, b.ndim)
    a, b = [expand_dims(x, tuple(range(n - x.ndim))) for x in (a, b)]
    shape = tuple([p * q for p, q in zip(a.shape, b.shape)])
    a, b = expand_dims(a, tuple(range(1, 2 * n, 2))), expand_dims(b, tuple(range(0, 2 * n, 2)))
    return reshape(mul(a, b), shape)


def kron(a, b):
    """Kronecker product: ``a`` with each element replaced by its product with all of ``b``.

    Parameters
    ----------
    a, b : array-likes

    Returns
    -------
    array of the shape ``a.shape * b.shape``

    References
    ----------
    ``numpy.kron``

    Examples
    --------
    >>> jnp.kron(jnp.array([1, 10]), jnp.array([1, 2, 3]))
    Array([ 1,  2,  3, 10, 20, 30], dtype=int32)
    """
    return _kron(*ensure_arraylike("kron", a, b))


@fused(static=("axes",))
def _cross(a, b, *, axes):
    a, b = promote_dtypes(a, b)
    i, j, k = axes
    x = [index_in_dim(a, n, i, keepdims=False) for n in range(a.shape[i])]
    y = [index_in_dim(b, n, j, keepdims=False) for n in range(b.shape[j])]
    rank = max(x[0].ndim, y[0].ndim)
    x, y = [[expand_dims(v, tuple(range(rank - v.ndim))) for v in side] for side in (x, y)]
    if len(x) == len(y) == 2:
        return sub(mul(x[0], y[1]), mul(x[1], y[0]))
    if len(x) == 2:
        parts = [mul(x[1], y[2]), neg(mul(x[0], y[2])), sub(mul(x[0], y[1]), mul(x[1], y[0]))]
    elif len(y) == 2:
        parts = [neg(mul(x[2], y[1])), mul(x[2], y[0]), sub(mul(x[0], y[1]), mul(x[1], y[0]))]
    else:
        parts = [sub(mul(x[1], y[2]), mul(x[2], y[1])), sub(mul(x[2], y[0]), mul(x[0], y[2])),
                 sub(mul(x[0], y[1]), mul(x[1], y[0]))]
    return convert(stack(parts, k), a.aval.dtype)           # strongly typed, as JAX's is


def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """Cross products of vectors of three components, or two; the other dimensions broadcast.

    Parameters
    ----------
    a, b : array-likes
    axisa, axisb : where their vectors lie
    axisc : where those of the result lie
    axis : the three in one

    Returns
    -------
    array; of vectors of two components the third component of the product

    References
    ----------
    ``numpy.cross``

    Examples
    --------
    >>> jnp.cross(jnp.array([1, 0, 0]), jnp.array([0, 1, 0]))
    Array([0, 0, 1], dtype=int32)
    """
    a, b = ensure_arraylike("cross", a, b)
    if axis is not None:
        axisa = axisb = axisc = axis
    i, j = normalize_axis(axisa, a.ndim), normalize_axis(axisb, b.ndim)
    if a.shape[i] not in (2, 3) or b.shape[j] not in (2, 3):
        raise ValueError(f"Dimension must be either 2 or 3 for cross product, got shapes {a.shape} and {b.shape}")
    rank = max(a.ndim, b.ndim)
    k = 0 if a.shape[i] == b.shape[j] == 2 else normalize_axis(axisc, rank)
    return _cross(a, b, axes=(i, j, k))


@fused(static=("offset", "axes", "result"))
def _trace(a, *, offset, axes, result):
    a = moveaxis(a, axes, (-2, -1))
    rows, columns = a.shape[-2:]
    i, j = broadcasted_iota("int32", (rows, columns), 0), broadcasted_iota("int32", (rows, columns), 1)
    diagonal = expand_dims(eq(add(i, offset), j), tuple(range(a.ndim - 2)))
    return reductions.sum(select_n(diagonal, cast(0, a.dtype), a), (-2, -1), dtype=result)


def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    """Sum of a diagonal.

    Parameters
    ----------
    a : array-like of at least two dimensions
    offset : which diagonal; positive ones are above the main one
    axis1, axis2 : the two dimensions of the matrices
    dtype : dtype of the result; by default as of `sum`
    out : not supported

    Returns
    -------
    array without the two dimensions

    References
    ----------
    ``numpy.trace``

    Examples
    --------
    >>> jnp.trace(jnp.array([[1, 2], [3, 4]]))
    Array(5, dtype=int32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.trace is not supported.")
    a = ensure_arraylike("trace", a)
    if a.ndim < 2:
        raise ValueError(f"trace requires an array of at least two dimensions, got shape {a.shape}")
    i, j = normalize_axis(axis1, a.ndim), normalize_axis(axis2, a.ndim)
    if i == j:
        raise ValueError(f"axis1 and axis2 can not be same. axis1={axis1} and axis2={axis2}")
    if dtype is not None:
        dtype = dtypes.check_user_dtype(dtype, "trace")
    return _trace(a, offset=as_static_int(offset, "offset"), axes=(i, j), result=dtype)
