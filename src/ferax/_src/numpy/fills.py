"""Arrays of one value: zeros, ones, full, empty, and the same like another array."""

from __future__ import annotations

import math
import types

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.places import made_on_host, put, sharding_for
from ferax._src.ops import zeros as ops
from ferax._src.ops.static import canonical_shape
from ferax._src.runtime import transfer
from ferax._src.tracing.core import Array, eval_trace, state
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.util.tracebacks import filter_at_exit


def shape_argument(shape, name: str = "shape") -> tuple[int, ...]:
    """A shape given as one integer or as a sequence of them."""
    if type(shape) is int:
        if shape < 0:
            raise TypeError(f"{name} must not be negative, got {shape}")
        return (shape,)
    if isinstance(shape, types.GeneratorType):
        raise TypeError("expected sequence object with len >= 0 or a single integer")
    if not isinstance(shape, (tuple, list)) and np.ndim(shape) == 0:
        return canonical_shape((shape,), name)
    return canonical_shape(shape, name)


def _check_forgotten_tuple(name: str, shape, dtype) -> None:
    if isinstance(dtype, int) and isinstance(shape, int):
        raise TypeError(f"Cannot interpret '{dtype}' as a data type.\n\nDid you accidentally write `jnp.{name}({shape}, "
                        f"{dtype})` when you meant `jnp.{name}(({shape}, {dtype}))`, i.e. with a single tuple argument for "
                        "the shape?")


def _filled(name: str, fill, value, shape, dtype, device, out_sharding):
    """``fill`` is what NumPy fills with: np.zeros or np.ones."""
    if type(dtype) is int:
        _check_forgotten_tuple(name, shape, dtype)
    dtype = dtypes.default_float_dtype() if dtype is None else dtypes.check_user_dtype(dtype, name)
    shape = shape_argument(shape)
    if dtypes.is_extended(dtype):
        raise TypeError(f"{name}: an array of dtype {dtype} cannot be filled with a number")
    if made_on_host(math.prod(shape)):
        made = transfer.from_numpy(fill(shape, dtype), own=True)
    else:
        made = ops.full(shape, value, dtype)
    if device is None and out_sharding is None:
        return made
    return put(made, sharding_for(device, out_sharding, f"jnp.{name}"))


def zeros(shape, dtype=None, *, device=None, out_sharding=None):
    """An array of zeros.

    Parameters
    ----------
    shape : int or sequence of int
    dtype : dtype-like, by default the default float dtype
    device : Device or Sharding, by default the default device
    out_sharding : NamedSharding or PartitionSpec

    Examples
    --------
    >>> jnp.zeros((2, 3))
    Array([[0., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    try:
        return _filled("zeros", np.zeros, 0, shape, dtype, device, out_sharding)
    except Exception as e:
        filter_at_exit(e)
        raise


def ones(shape, dtype=None, *, device=None, out_sharding=None):
    """An array of ones; see `zeros`.

    Examples
    --------
    >>> jnp.ones(3, dtype=int)
    Array([1, 1, 1], dtype=int32)
    """
    try:
        return _filled("ones", np.ones, 1, shape, dtype, device, out_sharding)
    except Exception as e:
        filter_at_exit(e)
        raise


def empty(shape, dtype=None, *, device=None, out_sharding=None):
    """An array whose values do not matter; they are zeros. See `zeros`.

    Examples
    --------
    >>> jnp.empty((2, 2)).shape
    (2, 2)
    """
    return _filled("empty", np.zeros, 0, shape, dtype, device, out_sharding)


def full(shape, fill_value, dtype=None, *, device=None, out_sharding=None):
    """An array of one value.

    Parameters
    ----------
    shape : int or sequence of int
    fill_value : number, or array that broadcasts to the shape
    dtype : dtype-like, by default that of ``fill_value``
    device : Device or Sharding, by default the default device
    out_sharding : NamedSharding or PartitionSpec

    Examples
    --------
    >>> jnp.full((2, 2), 7.5)
    Array([[7.5, 7.5],
           [7.5, 7.5]], dtype=float32, weak_type=True)
    """
    try:
        if dtype is not None:
            dtype = dtypes.check_user_dtype(dtype, "full")
        util.check_arraylike("full", fill_value)
        sharding = sharding_for(device, out_sharding, "jnp.full")
        value = util.operand(fill_value)
        if dtype is None and device is not None and state.trace is eval_trace and not util.shape_of(value):
            dtype = aval_of(value).dtype                    # no weak type, as where another array is the model
        return put(_full(shape_argument(shape), value, dtype), sharding)
    except Exception as e:
        filter_at_exit(e)
        raise


def _full(shape, value, dtype):
    if util.shape_of(value):
        return _repeated(asarray(value, dtype=dtype), shape)
    if isinstance(value, Array) or not made_on_host(math.prod(shape)) or (dtype is not None and dtypes.is_extended(dtype)):
        return ops.full(shape, value, dtype)
    weak = dtype is None and type(value) in (int, float, complex)
    single = transfer.array_from_host(value, dtype, weak)
    return transfer.from_numpy(np.full(shape, single._value), weak, own=True)


def _repeated(x, shape):
    try:
        if util.broadcast_shapes(x.shape, shape) == shape:
            return util.broadcast_to(x, shape)
    except ValueError:
        shape = tuple(shape)
    raise ValueError(f"full: a fill_value of shape {x.shape} cannot be broadcast to shape {shape}")


# --- like another array -------------------------------------------------------------------------

def _like(name: str, value, a, dtype, shape, device, out_sharding):
    if not (hasattr(a, "dtype") and hasattr(a, "shape")):   # a description, such as ShapeDtypeStruct, will do
        util.check_arraylike(name, a)
        a = util.operand(a)
        a = a if isinstance(a, Array) else aval_of(a)
    if dtype is not None:
        dtype = dtypes.check_user_dtype(dtype, name)
    shape = tuple(a.shape) if shape is None else shape_argument(shape)
    if util.shape_of(value):
        made = _repeated(asarray(value, dtype=dtypes.canonicalize(a.dtype) if dtype is None else dtype), shape)
    elif dtype is None and getattr(a, "weak_type", False) and (device is None or state.trace is not eval_trace):
        made = ops.full_like(a, value, shape=shape)         # weak, as what it is like; not where it is put at once
    else:
        made = _full(shape, value, dtypes.canonicalize(a.dtype) if dtype is None else dtype)
    return put(made, sharding_for(device, out_sharding, f"jnp.{name}"))


def zeros_like(a, dtype=None, shape=None, *, device=None, out_sharding=None):
    """Zeros of the shape and dtype of another array.

    Parameters
    ----------
    a : array, number, or anything with ``shape`` and ``dtype``
    dtype, shape : other ones than those of ``a``
    device : Device or Sharding, by default the default device
    out_sharding : NamedSharding or PartitionSpec

    Examples
    --------
    >>> jnp.zeros_like(jnp.arange(3))
    Array([0, 0, 0], dtype=int32)
    """
    return _like("zeros_like", 0, a, dtype, shape, device, out_sharding)


def ones_like(a, dtype=None, shape=None, *, device=None, out_sharding=None):
    """Ones of the shape and dtype of another array; see `zeros_like`.

    Examples
    --------
    >>> jnp.ones_like(jnp.arange(3), dtype=float)
    Array([1., 1., 1.], dtype=float32)
    """
    return _like("ones_like", 1, a, dtype, shape, device, out_sharding)


def empty_like(prototype, dtype=None, shape=None, *, device=None):
    """An array of the shape and dtype of another whose values do not matter; they are zeros. See `zeros_like`.

    Examples
    --------
    >>> jnp.empty_like(jnp.ones((2, 3))).shape
    (2, 3)
    """
    return _like("empty_like", 0, prototype, dtype, shape, device, None)


def full_like(a, fill_value, dtype=None, shape=None, *, device=None, out_sharding=None):
    """One value in the shape and dtype of another array; see `zeros_like`.

    Parameters
    ----------
    fill_value : number, or array that broadcasts to the shape

    Examples
    --------
    >>> jnp.full_like(jnp.arange(3), 5)
    Array([5, 5, 5], dtype=int32)
    """
    util.check_arraylike("full_like", 0, fill_value)
    return _like("full_like", util.operand(fill_value), a, dtype, shape, device, out_sharding)


for _function in (zeros, ones, full):
    _function.filters_tracebacks = True         # type: ignore[attr-defined]
