"""Running sums and products: cumsum, cumprod, nancumsum, nancumprod, cumulative_sum, cumulative_prod."""

from __future__ import annotations

from ferax._src.numpy.nan_reductions import is_inexact, isnan
from ferax._src.numpy.reductions import promote_integer_dtype, reject_out
from ferax._src.numpy.util import as_bool, choose, const, ensure_arraylike
from ferax._src.ops import cumulative
from ferax._src.ops.convert import convert
from ferax._src.ops.joining import concatenate
from ferax._src.ops.shape import reshape
from ferax._src.ops.static import normalize_axis
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes

_bool = dtypes.bool_


@fused(static=("name", "axis", "compute", "result", "fill"))
def _cumulate(a, *, name, axis, compute, result, fill):
    if axis is None:
        a, axis = reshape(a, (a.size,)), 0
    if fill is not None and is_inexact(a):
        a = choose(isnan(a), const(a, fill), a)
    if result == _bool:
        a = as_bool(a)
    return convert(getattr(cumulative, name)(convert(a, compute), axis), result)


def _running(name: str, kind: str, a, axis, dtype, out=None, fill=None, promote=False):
    reject_out(name, out)
    a = ensure_arraylike(name, a)
    if a.ndim == 0:
        a = reshape(a, (1,))
    if axis is not None:
        axis = normalize_axis(axis, a.ndim)
    if dtype is not None:
        result = dtypes.check_user_dtype(dtype, name)
        compute = promote_integer_dtype(result) if result == _bool else result
    else:
        result = compute = promote_integer_dtype(a.dtype) if promote or a.dtype == _bool else a.dtype
    return _cumulate(a, name=kind, axis=axis, compute=compute, result=result, fill=fill)


def cumsum(a, axis=None, dtype=None, out=None):
    """Running sum along an axis.

    Parameters
    ----------
    a : array-like
    axis : int, or None for the flattened array
    dtype : dtype of the result; by default that of ``a``, or the default integer for booleans
    out : not supported

    Returns
    -------
    array

    References
    ----------
    ``numpy.cumsum``, which sums narrow integers in the default integer

    Examples
    --------
    >>> jnp.cumsum(jnp.array([[1, 2], [3, 4]]), axis=0)
    Array([[1, 2],
    [4, 6]], dtype=int32)
    """
    return _running("cumsum", "cumsum", a, axis, dtype, out)


def cumprod(a, axis=None, dtype=None, out=None):
    """Running product along an axis.

    Parameters
    ----------
    a, axis, dtype, out : as in `cumsum`

    Returns
    -------
    array

    References
    ----------
    ``numpy.cumprod``

    Examples
    --------
    >>> jnp.cumprod(jnp.array([1, 2, 3, 4]))
    Array([ 1,  2,  6, 24], dtype=int32)
    """
    return _running("cumprod", "cumprod", a, axis, dtype, out)


def nancumsum(a, axis=None, dtype=None, out=None):
    """Running sum in which nan counts as 0.

    Parameters
    ----------
    a, axis, dtype, out : as in `cumsum`

    Returns
    -------
    array

    References
    ----------
    ``numpy.nancumsum``

    Examples
    --------
    >>> jnp.nancumsum(jnp.array([1., jnp.nan, 3.]))
    Array([1., 1., 4.], dtype=float32)
    """
    return _running("nancumsum", "cumsum", a, axis, dtype, out, fill=0)


def nancumprod(a, axis=None, dtype=None, out=None):
    """Running product in which nan counts as 1.

    Parameters
    ----------
    a, axis, dtype, out : as in `cumsum`

    Returns
    -------
    array

    References
    ----------
    ``numpy.nancumprod``

    Examples
    --------
    >>> jnp.nancumprod(jnp.array([2., jnp.nan, 3.]))
    Array([2., 2., 6.], dtype=float32)
    """
    return _running("nancumprod", "cumprod", a, axis, dtype, out, fill=1)


def _standard(name: str, kind: str, x, axis, dtype, include_initial, initial, promote):
    x = ensure_arraylike(name, x)
    if x.ndim == 0:
        raise ValueError(f"{name}: the input must be non-scalar to take a cumulative {kind[3:]}, however a scalar value or "
                         "scalar array was given.")
    if axis is None:
        if x.ndim > 1:
            raise ValueError(f"{name}: the input array has rank {x.ndim}, however axis was not set to an explicit value. "
                             "The axis argument is only optional for one-dimensional arrays.")
        axis = 0
    axis = normalize_axis(axis, x.ndim)
    out = _running(name, kind, x, axis, dtype, promote=promote)
    if include_initial:
        first = full((*x.shape[:axis], 1, *x.shape[axis + 1:]), initial, out.dtype)
        out = concatenate([first, out], axis)
    return out


def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False):
    """Running sum along an axis, as the array API standard has it.

    Parameters
    ----------
    x : array-like of at least one dimension
    axis : int; optional for vectors
    dtype : dtype of the result; by default that of ``x``, at least the default integer
    include_initial : whether to start with 0, which makes the result one longer

    Returns
    -------
    array

    References
    ----------
    ``numpy.cumulative_sum``

    Examples
    --------
    >>> jnp.cumulative_sum(jnp.array([1, 2, 3]), include_initial=True)
    Array([0, 1, 3, 6], dtype=int32)
    """
    return _standard("cumulative_sum", "cumsum", x, axis, dtype, include_initial, 0, True)


def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False):
    """Running product along an axis, as the array API standard has it.

    Parameters
    ----------
    x, axis, dtype : as in `cumulative_sum`
    include_initial : whether to start with 1, which makes the result one longer

    Returns
    -------
    array

    References
    ----------
    ``numpy.cumulative_prod``

    Examples
    --------
    >>> jnp.cumulative_prod(jnp.array([1, 2, 3]), include_initial=True)
    Array([1, 1, 2, 6], dtype=int32)
    """
    return _standard("cumulative_prod", "cumprod", x, axis, dtype, include_initial, 1, False)
