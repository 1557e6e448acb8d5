"""Arrays of numbers in a row: arange, linspace and their like, and grids made of them."""

from __future__ import annotations

import math
import operator

import numpy as np

from ferax._src.api.vmap import vmap
from ferax._src.numpy import util
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.fills import shape_argument
from ferax._src.numpy.places import made_on_host, put, sharding_for
from ferax._src.numpy.powers import power
from ferax._src.ops import elementwise as ops
from ferax._src.ops.axes import move_axis
from ferax._src.ops.broadcasting import broadcast_in_dim
from ferax._src.ops.convert import convert
from ferax._src.ops.joining import concatenate, stack
from ferax._src.ops.shape import broadcasted_iota, iota
from ferax._src.ops.static import normalize_axis
from ferax._src.ops.zeros import full
from ferax._src.runtime import transfer
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Tracer
from ferax._src.types import dtypes
from ferax._src.types.symbolic_dims import has_symbolic, is_symbolic_dim, maximum
from ferax._src.util import errors


# --- arange -------------------------------------------------------------------------------------

def _static_scalar(value, name: str):
    """A bound of `arange` as a number that is known now."""
    if value is None or type(value) in (int, float) or is_symbolic_dim(value):
        return value
    if isinstance(value, Tracer):
        concrete = value.concrete_value()
        if concrete is None:
            raise errors.ConcretizationTypeError(
                value, f"It arose in the jnp.arange argument {name!r}: how many elements there are must be known while tracing")
        value = concrete
    if util.shape_of(value):
        raise ValueError(f"jax.numpy.arange: arguments must be scalars; got {name}={value}")
    return np.asarray(value)[()] if not isinstance(value, (bool, complex)) else value


def arange(start, stop=None, step=None, dtype=None, *, device=None, out_sharding=None):
    """Numbers from ``start`` to before ``stop``, with equal distances.

    Parameters
    ----------
    start, stop, step : numbers that are known while tracing. ``arange(n)`` begins at 0
    dtype : dtype-like, by default that which the arguments promote to
    device : Device or Sharding
    out_sharding : NamedSharding or PartitionSpec

    Returns
    -------
    Array of one dimension

    Examples
    --------
    >>> jnp.arange(2, 10, 3)
    Array([2, 5, 8], dtype=int32)
    """
    if dtype is not None:
        dtype = dtypes.check_user_dtype(dtype, "arange")
    util.check_arraylike_or_none("arange", start, stop, step)
    if dtype is None:
        dtype = dtypes.result_type(*[util.operand(x) for x in (start, stop, step) if x is not None])
    first = "stop" if stop is None and step is None else "start"
    start, stop, step = (_static_scalar(start, first), _static_scalar(stop, "stop"), _static_scalar(step, "step"))
    if any([isinstance(x, (complex, np.complexfloating)) for x in (start, stop, step)]):
        raise ValueError("Passing complex start/stop/step to jnp.arange is not supported: they have no order.")
    if stop is None:
        start, stop = 0, start
    if step is not None and step == 0:
        raise ZeroDivisionError("arange: step must not be 0")
    if has_symbolic((start, stop, step)):
        size = maximum(-((start - stop) // (1 if step is None else step)), 0)
    else:
        size = max(0, math.ceil((stop - start) / step if step is not None else stop - start))
    made = _progression(start, step, size, dtype)
    if device is None and out_sharding is None:
        return made
    return put(made, sharding_for(device, out_sharding, "jnp.arange"))


def _progression(start, step, size: int, dtype):
    """``start + step * [0, 1, ...]``, computed at once on the host where that is quickest."""
    if dtype.kind in "iuf" and not has_symbolic((start, step, size)) and made_on_host(size) and dtype.itemsize >= 4:
        values = np.arange(size, dtype=dtype)
        if step is not None:
            values = values * _wrapped(step, dtype)
        if start:
            values = values + _wrapped(start, dtype)
        return transfer.from_numpy(values, own=True)
    working = np.dtype(np.float32) if dtypes.kind_of(dtype) == "f" and dtype.itemsize < 4 else dtype
    values = iota(working, size)
    if step is not None:
        values = ops.mul(values, util.cast(step, working))
    if start:
        values = ops.add(values, convert(start, working) if is_symbolic_dim(start) else util.cast(start, working))
    return convert(values, dtype)


def _wrapped(value, dtype):
    """A number of a dtype, as a conversion on the device gives it."""
    with np.errstate(all="ignore"):
        return np.asarray(value).astype(dtype)[()]


# --- linspace -----------------------------------------------------------------------------------

def _static_index(value, what: str) -> int:
    if isinstance(value, Tracer):
        raise errors.ConcretizationTypeError(value, f"{what} must be known while tracing")
    try:
        return operator.index(value)
    except TypeError:
        if is_symbolic_dim(value):
            return value
        raise TypeError(f"{what} must be an integer, got {value!r}") from None


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    """Numbers from ``start`` to ``stop``, with equal distances.

    Parameters
    ----------
    start, stop : numbers, or arrays that broadcast against each other
    num : int; how many numbers
    endpoint : whether ``stop`` is the last of them, or the first that is left out
    retstep : whether the distance is returned too
    dtype : dtype-like, by default the inexact dtype that start and stop promote to
    axis : where in the result the numbers run
    device : Device or Sharding

    Returns
    -------
    Array, or the pair (Array, step)

    Examples
    --------
    >>> jnp.linspace(0, 1, 5)
    Array([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    num = _static_index(num, "'num' argument of jnp.linspace")
    axis = _static_index(axis, "'axis' argument of jnp.linspace")
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    util.check_arraylike("linspace", start, stop)
    start, stop = util.operand(start), util.operand(stop)
    dtype = _result_dtype(dtype, "linspace", start, stop)
    if not retstep:
        values = _linspace_values(start, stop, num=num, endpoint=bool(endpoint), dtype=dtype, axis=axis)
        return values if device is None else put(values, sharding_for(device, None, "jnp.linspace"))
    values, step = _linspace(start, stop, num=num, endpoint=bool(endpoint), dtype=dtype, axis=axis)
    return put(values, sharding_for(device, None, "jnp.linspace")), step


def _result_dtype(dtype, name: str, *args):
    if dtype is None:
        return dtypes.to_inexact_dtype(dtypes.result_type(*args))
    return dtypes.check_user_dtype(dtype, name)


@fused(static=("num", "endpoint", "dtype", "axis"))
def _linspace(start, stop, *, num, endpoint, dtype, axis):
    working = dtypes.to_inexact_dtype(dtype)
    start, stop = [convert(x, working) for x in (start, stop)]
    shape = util.broadcast_shapes(start.shape, stop.shape)
    start, stop = util.broadcast_to(start, shape), util.broadcast_to(stop, shape)
    axis = normalize_axis(axis, len(shape) + 1)
    kept = tuple([i for i in range(len(shape) + 1) if i != axis])
    steps = num - 1 if endpoint else num

    def along(x, size):                         # x at each of ``size`` places along the axis
        return broadcast_in_dim(x, (*shape[:axis], size, *shape[axis:]), kept)

    if num > 1:
        difference = ops.div(ops.sub(stop, start), working.type(steps))
        real = dtypes.to_floating_dtype(working)
        part = convert(ops.div(broadcasted_iota(real, (1,) * axis + (steps,) + (1,) * (len(shape) - axis), axis),
                               real.type(steps)), working)
        # Weighing both ends meets them exactly, which start + i * difference does not.
        out = ops.add(ops.mul(along(start, 1), ops.sub(working.type(1), part)), ops.mul(along(stop, 1), part))
        if endpoint:
            out = concatenate([out, along(stop, 1)], axis)
    elif num == 1:
        difference = full((), math.nan, working) if endpoint else ops.sub(stop, start)
        out = along(start, 1)
    else:
        difference = full((), math.nan, working)
        out = along(start, 0)
    if dtypes.kind_of(dtype) in "iu":
        out = ops.floor(out)
    return convert(out, dtype), difference


@fused(static=("num", "endpoint", "dtype", "axis"))
def _linspace_values(start, stop, **how):
    return _linspace(start, stop, **how)[0]


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """Numbers with equal ratios, from ``base ** start`` to ``base ** stop``; see `linspace`.

    Parameters
    ----------
    base : number or array

    Examples
    --------
    >>> jnp.logspace(0, 3, 4, base=2)
    Array([1., 2., 4., 8.], dtype=float32)
    """
    num = _static_index(num, "'num' argument of jnp.logspace")
    axis = _static_index(axis, "'axis' argument of jnp.logspace")
    util.check_arraylike("logspace", start, stop, base)
    start, stop, base = util.operand(start), util.operand(stop), util.operand(base)
    dtype = _result_dtype(dtype, "logspace", start, stop)
    return _logspace(start, stop, base, num=num, endpoint=bool(endpoint), dtype=dtype, axis=axis)


@fused(static=("num", "endpoint", "dtype", "axis"))
def _logspace(start, stop, base, *, num, endpoint, dtype, axis):
    exponents, _ = _linspace(start, stop, num=num, endpoint=endpoint, dtype=dtypes.to_inexact_dtype(dtype), axis=axis)
    return convert(power(base, exponents), dtype)


def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """Numbers with equal ratios, from ``start`` to ``stop``; see `linspace`.

    Examples
    --------
    >>> jnp.geomspace(1, 8, 4).round(3)
    Array([1., 2., 4., 8.], dtype=float32)
    """
    num = _static_index(num, "'num' argument of jnp.geomspace")
    axis = _static_index(axis, "'axis' argument of jnp.geomspace")
    util.check_arraylike("geomspace", start, stop)
    start, stop = util.operand(start), util.operand(stop)
    dtype = _result_dtype(dtype, "geomspace", start, stop)
    return _geomspace(start, stop, num=num, endpoint=bool(endpoint), dtype=dtype, axis=axis)


@fused(static=("num", "endpoint", "dtype", "axis"))
def _geomspace(start, stop, *, num, endpoint, dtype, axis):
    working = dtypes.to_inexact_dtype(dtype)
    start, stop = [convert(x, working) for x in (start, stop)]
    sign = ops.sign(start)
    start, stop, sign = util.broadcast_all("geomspace", *util.promote_shapes("geomspace", start, stop, sign))
    logs = [ops.mul(ops.log(ops.div(x, sign)), util.const(x, 1 / math.log(10))) for x in (start, stop)]
    out = ops.mul(*util.promote_shapes("geomspace", sign, _logspace(
        *logs, 10.0, num=num, endpoint=endpoint, dtype=working, axis=0)))
    return convert(move_axis(out, 0, normalize_axis(axis, out.ndim)), dtype)


# --- grids --------------------------------------------------------------------------------------

def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """Grids of coordinates from coordinates along each axis.

    Parameters
    ----------
    *xi : arrays of one dimension
    copy : must be True
    sparse : whether each grid has size 1 in all dimensions but its own
    indexing : "xy", where the first two dimensions change places as in plots, or "ij"

    Returns
    -------
    list of Arrays

    Examples
    --------
    >>> x, y = jnp.meshgrid(jnp.arange(3), jnp.arange(2))
    >>> y
    Array([[0, 0, 0],
           [1, 1, 1]], dtype=int32)
    """
    util.check_arraylike("meshgrid", *xi)
    args = [util.as_array(util.operand(x)) for x in xi]
    if not copy:
        raise ValueError("jax.numpy.meshgrid only supports copy=True")
    if indexing not in ("xy", "ij"):
        raise ValueError(f"Valid values for indexing are 'xy' and 'ij', got {indexing}")
    if any([a.ndim != 1 for a in args]):
        raise ValueError(f"Arguments to jax.numpy.meshgrid must be 1D, got shapes {[a.shape for a in args]}")
    return _meshgrid(*args, sparse=bool(sparse), swap=indexing == "xy" and len(args) >= 2)


@fused(static=("sparse", "swap"))
def _meshgrid(*args, sparse, swap):
    order = [1, 0, *range(2, len(args))] if swap else list(range(len(args)))      # argument -> dimension
    whole = [0] * len(args)
    for a, d in zip(args, order):
        whole[d] = a.shape[0]
    grids = []
    for a, d in zip(args, order):
        shape = [n if i == d or not sparse else 1 for i, n in enumerate(whole)]
        grids.append(broadcast_in_dim(a, tuple(shape), (d,)))
    return grids


def indices(dimensions, dtype=None, sparse=False):
    """The positions of the elements of an array of some shape.

    Parameters
    ----------
    dimensions : sequence of int, the shape
    dtype : dtype-like, by default the default integer dtype
    sparse : whether a tuple of arrays is answered that broadcast against each other

    Returns
    -------
    Array, shape ``(len(dimensions), *dimensions)``, or a tuple

    Examples
    --------
    >>> rows, columns = jnp.indices((2, 3))
    >>> columns
    Array([[0, 1, 2],
           [0, 1, 2]], dtype=int32)
    """
    dtype = dtypes.check_user_dtype(int if dtype is None else dtype, "indices")
    shape = shape_argument(tuple(dimensions), "dimensions")
    n = len(shape)
    if sparse:
        return tuple([broadcast_in_dim(iota(dtype, s), tuple([s if i == d else 1 for i in range(n)]), (d,))
                      for d, s in enumerate(shape)])
    if not n:
        return asarray(np.zeros((0,), dtype))
    return _indices(shape=shape, dtype=dtype)


@fused(static=("shape", "dtype"))
def _indices(*, shape, dtype):
    return stack([broadcasted_iota(dtype, shape, d) for d in range(len(shape))], 0)


def ix_(*args):
    """An index that takes the product of several lists of positions: ``x[ix_(rows, columns)]``.

    Parameters
    ----------
    *args : integer arrays of one dimension

    Returns
    -------
    tuple of Arrays that broadcast against each other

    Examples
    --------
    >>> jnp.arange(6).reshape(2, 3)[jnp.ix_(jnp.array([0, 1]), jnp.array([2, 0]))]
    Array([[2, 0],
           [5, 3]], dtype=int32)
    """
    util.check_arraylike("ix", *args)
    out = []
    for i, a in enumerate(args):
        a = util.as_array(util.operand(a))
        if a.ndim != 1:
            raise ValueError(f"Arguments to jax.numpy.ix_ must be 1-dimensional, got shape {a.shape}")
        if a.dtype == dtypes.bool_:
            raise NotImplementedError("Boolean arguments to jax.numpy.ix_ are not implemented")
        if not a.size:
            a = convert(a, dtypes.default_int_dtype())
        out.append(broadcast_in_dim(a, tuple([a.shape[0] if j == i else 1 for j in range(len(args))]), (i,)))
    return tuple(out)


def fromfunction(function, shape, *, dtype=float, **kwargs):
    """An array from a function of positions.

    Parameters
    ----------
    function : function of one number for each dimension; it is mapped over all positions
    shape : sequence of int
    dtype : dtype-like, of the positions
    **kwargs : further arguments of the function

    Returns
    -------
    Array of that shape, or what the function answers with leading dimensions of that shape

    Examples
    --------
    >>> jnp.fromfunction(lambda i, j: 10 * i + j, (2, 3), dtype=int)
    Array([[ 0,  1,  2],
           [10, 11, 12]], dtype=int32)
    """
    shape = shape_argument(shape)
    for i in range(len(shape)):
        in_axes = tuple([0 if i == j else None for j in range(len(shape))])
        function = vmap(function, in_axes=in_axes[::-1])
    return function(*[arange(n, dtype=dtype) for n in shape], **kwargs)


# --- index expressions --------------------------------------------------------------------------

class _Grid:
    """``mgrid`` and ``ogrid``: index with slices; an imaginary step is a number of points, both ends included.

    Examples
    --------
    >>> rows, columns = jnp.mgrid[0:2, 0:3]
    >>> rows
    Array([[0, 0, 0],
           [1, 1, 1]], dtype=int32)
    >>> jnp.ogrid[0:1:3j]
    Array([0. , 0.5, 1. ], dtype=float32)
    """

    def __init__(self, name: str, sparse: bool):
        self.name = name
        self.sparse = sparse

    def __repr__(self) -> str:
        return f"<jnp.{self.name}>"

    def __getitem__(self, key):
        if isinstance(key, slice):
            return slice_points(key, self.name)
        axes = [slice_points(k, self.name) for k in key]
        axes = util.promote_dtypes(*axes) if len(axes) > 1 else axes
        grids = meshgrid(*axes, indexing="ij", sparse=self.sparse)
        return grids if self.sparse else stack(grids, 0)


def slice_points(key: slice, name: str):
    if any([isinstance(v, Tracer) for v in (key.start, key.stop, key.step)]):
        raise errors.ConcretizationTypeError(next(v for v in (key.start, key.stop, key.step) if isinstance(v, Tracer)),
                                             f"slices of jnp.{name} must be known while tracing")
    start = 0 if key.start is None else key.start
    step = 1 if key.step is None else key.step
    if isinstance(step, complex):
        count = int(abs(step))
        return linspace(start, key.stop, count)
    return arange(start, key.stop, step)


mgrid = _Grid("mgrid", False)
ogrid = _Grid("ogrid", True)
s_ = np.s_
index_exp = np.index_exp
