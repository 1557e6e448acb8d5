"""What must be known while tracing: integers, axes and shapes, checked and put in their one form.

A user may write an axis from the end, a size as a NumPy integer, a shape as a list or a single number.
Here they become Python ints and tuples of them; errors say which argument was wrong and what it was.
"""

from __future__ import annotations

import operator

import numpy as np

from ferax._src.tracing.core import Tracer
from ferax._src.types.symbolic_dims import is_symbolic_dim
from ferax._src.util import errors


def as_static_int(value, name: str) -> int:
    """A Python int from anything that is one already; tracers are refused with their own error."""
    if isinstance(value, Tracer):
        raise errors.ConcretizationTypeError(value, f"{name} must be an integer known while tracing")
    try:
        return operator.index(value)
    except TypeError:
        if is_symbolic_dim(value):
            return value
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}") from None


def as_static_ints(values, name: str) -> tuple[int, ...]:
    """A tuple of Python ints from a sequence of integers."""
    if type(values) is tuple:
        for value in values:
            if type(value) is not int:
                break
        else:
            return values
    if isinstance(values, Tracer):
        raise errors.ConcretizationTypeError(values, f"{name} must be integers known while tracing")
    try:
        given = tuple(values)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of integers, got {values!r}") from None
    return tuple([_one_of(value, name, given) for value in given])


def _one_of(value, name: str, given) -> int:
    if isinstance(value, Tracer):
        raise errors.ConcretizationTypeError(value, f"{name} must be integers known while tracing")
    try:
        return operator.index(value)
    except TypeError:
        if is_symbolic_dim(value):
            return value
        raise TypeError(f"{name} must be a sequence of integers, got {given!r}: {value!r} is of type "
                        f"{type(value).__name__}") from None


def canonical_shape(shape, name: str = "shape") -> tuple[int, ...]:
    """A shape as a tuple of Python ints; a single integer is not a shape here.

    Raises
    ------
    TypeError : if it is not a sequence of integers, or one of them is negative or not known while tracing.
    """
    sizes = as_static_ints(shape, name)
    for size in sizes:
        if size < 0:
            raise TypeError(f"{name} must have sizes that are not negative, got {sizes}")
    return sizes


def shape_or_size(shape, name: str = "shape") -> tuple[int, ...]:
    """`canonical_shape`, where a single integer is a shape of one dimension."""
    return canonical_shape((shape,) if isinstance(shape, (int, np.integer)) else shape, name)


def normalize_axis(axis, ndim: int, name: str = "axis") -> int:
    """``axis`` counted from the front.

    Parameters
    ----------
    axis : int; negative ones count from the end
    ndim : number of dimensions
    name : what the error calls it

    Raises
    ------
    ValueError : if there is no such axis.
    TypeError : if it is not an integer.
    """
    if type(axis) is not int:
        axis = as_static_int(axis, name)
    if 0 <= axis < ndim:
        return axis
    if -ndim <= axis < 0:
        return axis + ndim
    raise ValueError(f"{name} {axis} is out of bounds for array of dimension {ndim}")


def normalize_axes(axes, ndim: int, name: str = "axis") -> tuple[int, ...]:
    """Several axes counted from the front; None means all of them, one integer that axis alone.

    Raises
    ------
    ValueError : if one does not exist or is given twice.
    """
    if axes is None:
        return tuple(range(ndim))
    if type(axes) is int:
        return (normalize_axis(axes, ndim, name),)
    try:
        given = tuple(axes)
    except TypeError:
        given = (axes,)
    found = tuple([normalize_axis(a, ndim, name) for a in given])
    if len(set(found)) != len(found):
        raise ValueError(f"duplicate value in {name}: {given} for array of dimension {ndim}")
    return found
