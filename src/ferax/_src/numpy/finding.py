"""Where elements are that are not zero; positions from flat to several dimensions and back."""

from __future__ import annotations

import math
import operator

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.arithmetic import add, multiply
from ferax._src.numpy.division import divmod as floor_divmod, remainder
from ferax._src.numpy.special import clip
from ferax._src.ops import elementwise as ops
from ferax._src.ops.broadcasting import reduce_sum
from ferax._src.ops.compare import ge, gt, lt
from ferax._src.ops.convert import convert
from ferax._src.ops.cumulative import cumsum
from ferax._src.ops.indexing import GatherScatterMode, ScatterDimensionNumbers
from ferax._src.ops.joining import stack
from ferax._src.ops.scatter import scatter
from ferax._src.ops.shape import iota, reshape
from ferax._src.ops.static import as_static_int
from ferax._src.runtime import transfer
from ferax._src.runtime.array import ArrayImpl
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors


def nonzero(a, *, size=None, fill_value=None):
    """The positions of elements that are not zero.

    Parameters
    ----------
    a : array of at least one dimension
    size : int or None
        How many positions there are in the result. It must be given where ``a`` is a tracer: too few elements are
        followed by ``fill_value``, too many are left out.
    fill_value : number, or one for each dimension; by default 0

    Returns
    -------
    tuple of integer Arrays of one dimension, one for each dimension of ``a``, in row-major order

    Raises
    ------
    ValueError : for an array without dimensions.
    ConcretizationTypeError : for a tracer, if ``size`` is None.

    Examples
    --------
    >>> jnp.nonzero(jnp.array([0, 2, 0, 1]), size=3, fill_value=-1)
    (Array([ 1,  3, -1], dtype=int32),)
    """
    util.check_arraylike("nonzero", a)
    a = util.as_array(util.operand(a))
    if not a.ndim:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use jnp.atleast_1d(scalar).nonzero() instead.")
    fills = _fill_values(fill_value, a.ndim)
    if size is None:
        return _all_of_them(a)
    if isinstance(size, Tracer):
        raise errors.ConcretizationTypeError(size, "The size argument of jnp.nonzero must be static")
    size = as_static_int(size, "nonzero: size")
    if isinstance(size, int) and size < 0:
        raise TypeError(f"nonzero: size must not be negative, got {size}")
    if isinstance(size, int) and size > int(dtypes.iinfo(dtypes.default_int_dtype()).max):
        raise ValueError(f"nonzero: size must fit into the dtype of positions, {dtypes.default_int_dtype()}; got {size}")
    return _some_of_them(a, *fills, size=size)


def _fill_values(fill_value, ndim: int) -> list:
    if fill_value is None:
        return []
    fills = list(fill_value) if isinstance(fill_value, tuple) else [fill_value] * ndim
    if len(fills) != ndim or any([util.shape_of(f) for f in fills]):
        raise ValueError(f"fill_value must be a scalar or a tuple of length {ndim}; got {fill_value}")
    return [util.operand(f) for f in fills]


def _all_of_them(a) -> tuple:
    """On the host: how many there are is different each time, and each would be a program of its own."""
    if isinstance(a, Tracer):
        a = a.concrete_value() if a.concrete_value() is not None else _refuse(a)
    dtype = dtypes.default_int_dtype()
    committed, sharding = False, None
    if type(a) is ArrayImpl and a._sig.single:
        committed, sharding = a._sig.committed, a._sig.sharding
    return tuple([transfer.from_numpy(i.astype(dtype), sharding=sharding, own=True, committed=committed)
                  for i in np.nonzero(np.asarray(a))])


def _refuse(a):
    raise errors.ConcretizationTypeError(
        a, "The size argument of jnp.nonzero must be statically specified to use jnp.nonzero within JAX transformations")


@fused(static=("size",))
def _some_of_them(a, *fills, size):
    dtype = dtypes.default_int_dtype()
    shape, n = a.shape, a.size
    if not n or not size:
        return tuple([util.broadcast_to(dtype.type(0), (size,)) for _ in shape])
    mask = convert(reshape(util.as_bool(a), (n,)), dtype)
    # Each true element goes to its rank among them; what has none, or is too late, goes out of bounds and is dropped.
    rank = ops.sub(cumsum(mask, 0), dtype.type(1))
    place = util.choose(util.as_bool(mask), rank, dtype.type(size))
    flat = scatter(util.broadcast_to(dtype.type(0), (size,)), reshape(place, (n, 1)), iota(dtype, n),
                   ScatterDimensionNumbers((), (0,), (0,)), mode=GatherScatterMode.FILL_OR_DROP, unique_indices=False)
    out = _unravelled(flat, shape)
    if fills:
        missing = ge(iota(dtype, size), reduce_sum(mask, (0,)))
        out = [util.choose(missing, fill, i) for fill, i in zip(fills, out)]
    return tuple(out)


def _unravelled(flat, shape) -> list:
    """Positions in each dimension from valid flat positions."""
    dtype = flat.dtype
    out = []
    for n in reversed(shape[1:]):
        out.append(ops.rem(flat, dtype.type(n)))
        flat = ops.div(flat, dtype.type(n))
    return [flat, *reversed(out)]


def argwhere(a, *, size=None, fill_value=None):
    """The positions of elements that are not zero, one in each row: the transpose of `nonzero`.

    Returns
    -------
    integer Array, shape (size, a.ndim)

    Examples
    --------
    >>> jnp.argwhere(jnp.array([[0, 2], [1, 0]]))
    Array([[0, 1],
    [1, 0]], dtype=int32)
    """
    util.check_arraylike("argwhere", a)
    a = util.as_array(util.operand(a))
    if not a.ndim:
        found = nonzero(reshape(a, (1,)), size=size, fill_value=fill_value)[0]
        return util.as_array(np.zeros((found.shape[0], 0), found.dtype))
    return stack(list(nonzero(a, size=size, fill_value=fill_value)), 1)


def flatnonzero(a, *, size=None, fill_value=None):
    """The positions, in the flattened array, of elements that are not zero; see `nonzero`.

    Examples
    --------
    >>> jnp.flatnonzero(jnp.array([[0, 2], [1, 0]]))
    Array([1, 2], dtype=int32)
    """
    util.check_arraylike("flatnonzero", a)
    a = util.as_array(util.operand(a))
    return nonzero(reshape(a, (a.size,)), size=size, fill_value=fill_value)[0]


# --- flat positions -----------------------------------------------------------------------------

def unravel_index(indices, shape):
    """Positions in each dimension from positions in the flattened array.

    Parameters
    ----------
    indices : integer array; negative ones count from the end, those out of bounds are moved within
    shape : sequence of int, or int

    Returns
    -------
    tuple of Arrays, one for each dimension

    Examples
    --------
    >>> jnp.unravel_index(4, (2, 3))
    (Array(1, dtype=int32, weak_type=True), Array(1, dtype=int32, weak_type=True))
    """
    util.check_arraylike("unravel_index", indices)
    try:
        shape = list(shape)
    except TypeError:
        shape = [shape]
    if any([np.ndim(s) for s in shape]):
        raise ValueError("unravel_index: shape should be a scalar or 1D sequence.")
    return tuple(_unravel(util.operand(indices), *shape))


@fused
def _unravel(indices, *shape):
    rest = util.as_array(indices)
    out: list = [0] * len(shape)
    for axis in range(len(shape) - 1, -1, -1):
        rest, out[axis] = floor_divmod(rest, shape[axis])
    above = gt(rest, util.const(rest, 0))
    results = []
    for n, i in zip(shape, out):
        last = add(n, -1)
        if util.dtype_kind(rest) == "i":
            i = util.choose(lt(rest, util.const(rest, -1)), 0, i)
        results.append(util.choose(above, last, i))
    return results


def ravel_multi_index(multi_index, dims, mode="raise", order="C", *, dtype=None):
    """Positions in the flattened array from positions in each dimension.

    Parameters
    ----------
    multi_index : sequence of integer arrays, one for each dimension
    dims : sequence of int, the shape
    mode : what to do with positions out of bounds: "raise" (only where values are known), "wrap", "clip" or "ignore"
    order : "C" or "F"
    dtype : integer dtype of the result, by default that of the positions, at least the default integer dtype

    Returns
    -------
    integer Array

    Examples
    --------
    >>> jnp.ravel_multi_index((jnp.array([1, 0]), jnp.array([1, 2])), (2, 3))
    Array([4, 2], dtype=int32)
    """
    if len(multi_index) != len(dims):
        raise ValueError(f"ravel_multi_index: there must be one index for each dimension; got len(multi_index)="
                         f"{len(multi_index)} and len(dims)={len(dims)}")
    util.check_arraylike("ravel_multi_index", *multi_index)
    dims = tuple([operator.index(d) for d in dims])
    arrays = [util.as_array(util.operand(i)) for i in multi_index]
    dtype = dtypes.result_type(int, *arrays) if dtype is None else dtypes.check_user_dtype(dtype, "ravel_multi_index")
    if dtypes.kind_of(dtype) not in "iu":
        raise ValueError(f"ravel_multi_index: dtype={dtype} is not an integer type.")
    if any([util.dtype_kind(i) not in "iu" for i in arrays]):
        raise TypeError(f"ravel_multi_index: only int indices permitted, got dtypes {', '.join(str(i.dtype) for i in arrays)}")
    if math.prod(dims) - 1 > int(dtypes.iinfo(dtype).max):
        raise ValueError(f"jnp.ravel_multi_index: dtype={dtype} not large enough to hold flattened index for dims={dims}. Use "
                         "the dtype argument to pass a suitable dtype (e.g. dtype=np.min_scalar_type(prod(dims))).")
    if mode == "raise":
        _check_positions(arrays, dims)
    elif mode not in ("clip", "wrap", "ignore"):
        raise ValueError(f"invalid mode={mode!r}. Expected 'raise', 'wrap', 'clip', or 'ignore'.")
    if order not in ("C", "F"):
        raise ValueError(f"invalid order={order!r}. Expected 'C' or 'F'")
    return _ravel_index(*arrays, dims=dims, mode=mode, order=order, dtype=dtype)


def _check_positions(arrays, dims) -> None:
    for i, n in zip(arrays, dims):
        if isinstance(i, Tracer) and i.concrete_value() is None:
            raise errors.ConcretizationTypeError(
                i, "The error occurred because ravel_multi_index was jit-compiled with mode='raise'. Use mode='wrap' or "
                   "mode='clip' instead.")
        value = np.asarray(i)
        if ((value < 0) | (value >= n)).any():
            bad = value[(value < 0) | (value >= n)].flat[0]
            raise ValueError(f"ravel_multi_index: invalid entry in coordinates array: {bad} for a dimension of size {n}")


@fused(static=("dims", "mode", "order", "dtype"))
def _ravel_index(*arrays, dims, mode, order, dtype):
    if mode == "clip":
        arrays = tuple([clip(i, 0, n - 1) for i, n in zip(arrays, dims)])
    elif mode == "wrap":
        arrays = tuple([remainder(i, n) for i, n in zip(arrays, dims)])
    result = util.as_array(dtype.type(0))
    pairs = list(zip(arrays, dims))
    stride = 1
    for i, n in pairs if order == "F" else reversed(pairs):
        result = add(result, multiply(convert(i, dtype), dtype.type(stride)))
        stride *= n
    return result
