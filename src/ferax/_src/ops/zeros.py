"""Zeros and other constant arrays; symbolic zeros made into arrays, and cotangents added up.

A tangent or cotangent that is known to be zero is a `Zero`, which costs nothing. Only where an operation
needs an array does `instantiate_zeros` make one.
"""

from __future__ import annotations

import numpy as np

from ferax._src.ops.base import add, numpy_scalar, operand, scalar_like
from ferax._src.ops.broadcasting import broadcast_in_dim_p
from ferax._src.ops.convert import convert
from ferax._src.ops.placing import placed
from ferax._src.ops.static import shape_or_size
from ferax._src.runtime.transfer import real_part
from ferax._src.tracing.core import Array, Zero
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of


def instantiate_zeros(t):
    """An array of zeros for a `Zero`; anything else as it is."""
    return zeros(t.aval) if type(t) is Zero else t


def accumulate(a, b):
    """The sum of two cotangents of one value; either may be `Zero`. Those of dtype float0 have no value to add."""
    if type(a) is Zero:
        return b
    if type(b) is Zero or aval_of(a).dtype == dtypes.float0:
        return a
    return add(a, b)


def zeros(aval: ShapedArray):
    """An array of zeros of a given type."""
    return filled(aval, 0)


def filled(aval: ShapedArray, value):
    """An array of a given type, each element the number ``value``: one equation, with a literal operand."""
    dtype = aval.dtype
    if dtype == dtypes.float0:
        return np.zeros(aval.shape, dtypes.float0)
    if dtypes.is_extended(dtype):
        raise TypeError(f"an array of dtype {dtype} cannot be filled with the number {value}")
    if dtype == dtypes.bool_:
        number = bool(value)
    elif aval.weak_type:
        number = scalar_like(value, aval)
    else:
        number = numpy_scalar(value, dtype)
    return broadcast_in_dim_p.bind(number, shape=aval.shape, broadcast_dimensions=(), sharding=aval.sharding)[0]


def full(shape, fill_value, dtype=None, *, sharding=None):
    """An array of ``shape`` with ``fill_value`` everywhere.

    Parameters
    ----------
    shape : tuple of int, or an int for one dimension
    fill_value : number or 0-dimensional array
    dtype : dtype-like, by default that of ``fill_value``
    sharding : Sharding of the result, or None

    Returns
    -------
    array
    """
    shape = shape_or_size(shape)
    fill_value = operand("full", fill_value)
    given = None if type(fill_value) is int else aval_of(fill_value)    # an int of any size may fit ``dtype``
    if given is not None and given.shape:
        raise TypeError(f"full: fill_value must be a number or an array without dimensions, got shape {given.shape}. "
                        "To repeat an array, use lax.broadcast_in_dim")
    if dtype is not None:
        dtype = dtypes.check_user_dtype(dtype, "full")
        if isinstance(fill_value, Array):
            fill_value = convert(fill_value, dtype)
        else:
            fill_value = _cast_number(fill_value, dtype)
    (out,) = broadcast_in_dim_p.bind(fill_value, shape=shape, broadcast_dimensions=(), sharding=None)
    return out if sharding is None else placed(out, sharding, "full")


def _cast_number(value, dtype):
    """A Python or NumPy scalar as a NumPy scalar of a dtype, as `astype` would cast it."""
    if dtypes.is_extended(dtype):
        raise TypeError(f"full: an array of dtype {dtype} cannot be filled with the number {value!r}")
    if isinstance(value, (np.ndarray, np.generic, complex)) or dtypes.kind_of(dtype) in "biu":
        with np.errstate(all="ignore"):
            array = np.asarray(value)
            if array.dtype.kind == "c" and dtypes.kind_of(dtype) not in "cb":
                array = real_part(value, array, dtype)
            return array.astype(dtype)[()]
    return numpy_scalar(value, dtype)


def full_like(x, fill_value, dtype=None, shape=None, sharding=None):
    """An array like ``x`` with ``fill_value`` everywhere.

    Parameters
    ----------
    x : array, or anything with a shape and a dtype
    fill_value : number or 0-dimensional array
    dtype, shape : by default those of ``x``
    sharding : Sharding of the result, or None

    Returns
    -------
    array
    """
    if isinstance(x, Array) or not (hasattr(x, "shape") and hasattr(x, "dtype")):
        aval = aval_of(x)
        weak = aval.weak_type
    else:                                       # a NumPy array or a description, such as ShapeDtypeStruct
        aval, weak = x, bool(getattr(x, "weak_type", False))
    shape = aval.shape if shape is None else shape_or_size(shape)
    if dtype is not None or not weak:
        return full(shape, fill_value, aval.dtype if dtype is None else dtype, sharding=sharding)
    fill = fill_value if isinstance(fill_value, Array) else operand("full_like", fill_value)
    if not isinstance(fill, Array) and type(fill) is not bool and not isinstance(fill, np.ndarray):
        fill = fill.item() if isinstance(fill, np.generic) else fill
        fill = scalar_like(fill, ShapedArray((), aval.dtype, True))
    if not (type(fill) in (int, float, complex) and aval_of(fill).dtype == aval.dtype):
        fill = convert(fill, aval.dtype, True)
    (out,) = broadcast_in_dim_p.bind(fill, shape=shape, broadcast_dimensions=(), sharding=None)
    return out if sharding is None else placed(out, sharding, "full_like")


