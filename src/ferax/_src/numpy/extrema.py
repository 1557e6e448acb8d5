"""Where the extremes are: argmax, argmin and their versions that leave out nan."""

from __future__ import annotations

import numpy as np

from ferax._src.numpy import reductions
from ferax._src.numpy.fusing import one_array_with
from ferax._src.numpy.nan_reductions import is_inexact, isnan
from ferax._src.numpy.reductions import reject_out
from ferax._src.numpy.util import choose, const, ensure_arraylike
from ferax._src.ops import arg_extrema
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.shape import reshape
from ferax._src.ops.static import normalize_axis
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes


@one_array_with
def _arg_extreme(a, how):
    """``how``: argmax or argmin, axis or None, keepdims."""
    name, axis, keepdims = how
    ndim = a.ndim
    if axis is None:
        a, axis, kept = reshape(a, (a.size,)), 0, tuple(range(ndim))
    else:
        kept = (axis,)
    out = getattr(arg_extrema, name)(a, axis, dtypes.default_int_dtype())
    return expand_dims(out, kept) if keepdims else out


def _checked(name, a, axis, out):
    reject_out(name, out)
    if not isinstance(a, Array):
        a = ensure_arraylike(name, a)
    shape = a.aval.shape
    if axis is not None:
        axis = normalize_axis(axis, len(shape))
    if 0 in shape and (a.size if axis is None else shape[axis]) == 0:
        raise ValueError(f"attempt to get {name} of an empty sequence")
    return a, axis


def argmax(a, axis=None, out=None, keepdims=None):
    """Index of the largest element: of the first one if there are several, of the first nan if there is one.

    Parameters
    ----------
    a : array-like
    axis : int, or None for the index in the flattened array
    out : not supported
    keepdims : whether the axis stays, with size 1

    Returns
    -------
    array of the default integer dtype

    Raises
    ------
    ValueError : if there is no element.

    References
    ----------
    ``numpy.argmax``

    Examples
    --------
    >>> jnp.argmax(jnp.array([[1, 5, 2], [7, 3, 7]]), axis=1)
    Array([1, 0], dtype=int32)
    """
    a, axis = _checked("argmax", a, axis, out)
    return _arg_extreme(a, ("argmax", axis, bool(keepdims)))


def argmin(a, axis=None, out=None, keepdims=None):
    """Index of the smallest element: of the first one if there are several, of the first nan if there is one.

    Parameters
    ----------
    a, axis, out, keepdims : as in `argmax`

    Returns
    -------
    array of the default integer dtype

    References
    ----------
    ``numpy.argmin``

    Examples
    --------
    >>> jnp.argmin(jnp.array([3, 1, 2]))
    Array(1, dtype=int32)
    """
    a, axis = _checked("argmin", a, axis, out)
    return _arg_extreme(a, ("argmin", axis, bool(keepdims)))


@one_array_with
def _nan_arg_extreme(a, how):
    """As `_arg_extreme`, without regard to nan."""
    name, axis, keepdims = how
    missing = isnan(a)
    a = choose(missing, const(a, -np.inf if name == "argmax" else np.inf), a)
    found = _arg_extreme(a, how)
    return choose(reductions.all(missing, axis, keepdims=keepdims), const(found, -1), found)


def nanargmax(a, axis=None, out=None, keepdims=None):
    """Index of the largest element that is not nan; -1 where there is none.

    Parameters
    ----------
    a, axis, out, keepdims : as in `argmax`

    Returns
    -------
    array of the default integer dtype

    References
    ----------
    ``numpy.nanargmax``, which raises where there is none

    Examples
    --------
    >>> jnp.nanargmax(jnp.array([1., jnp.nan, 3.]))
    Array(2, dtype=int32)
    """
    a, axis = _checked("nanargmax", a, axis, out)
    fun = _nan_arg_extreme if is_inexact(a) else _arg_extreme
    return fun(a, ("argmax", axis, bool(keepdims)))


def nanargmin(a, axis=None, out=None, keepdims=None):
    """Index of the smallest element that is not nan; -1 where there is none.

    Parameters
    ----------
    a, axis, out, keepdims : as in `argmax`

    Returns
    -------
    array of the default integer dtype

    References
    ----------
    ``numpy.nanargmin``, which raises where there is none

    Examples
    --------
    >>> jnp.nanargmin(jnp.array([jnp.nan, 1., 3.]))
    Array(1, dtype=int32)
    """
    a, axis = _checked("nanargmin", a, axis, out)
    fun = _nan_arg_extreme if is_inexact(a) else _arg_extreme
    return fun(a, ("argmin", axis, bool(keepdims)))
