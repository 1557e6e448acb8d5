"""Reductions that leave out nan: nansum, nanprod, nanmax, nanmin, nanmean, nanvar, nanstd.

Each replaces nan by what does not change the result and reduces as usual. Arrays that cannot hold nan go
to the ordinary reduction straight away.
"""

from __future__ import annotations

import numpy as np

from ferax._src.numpy import reductions
from ferax._src.numpy.fusing import fused_optional
from ferax._src.numpy.moments import var_dtypes
from ferax._src.numpy.reductions import axes_of, check_where, identity_of, reject_out
from ferax._src.numpy.util import choose, const, ensure_arraylike
from ferax._src.ops import compare, elementwise, elementwise_bits, elementwise_complex
from ferax._src.ops.convert import convert
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.types import dtypes


def isnan(x):
    """Where an inexact array is nan: it is not equal to itself."""
    return compare.ne(x, x)


def is_inexact(a) -> bool:
    """Whether an array could hold nan."""
    return dtypes.kind_of(a.dtype) in "fc"


@fused_optional(static=("kind", "axes", "dtype", "keepdims"))
def _nan_reduce(a, where, initial, *, kind, axes, dtype, keepdims):
    missing = isnan(a)
    filled = choose(missing, identity_of(kind, a.dtype), a)
    if kind in ("sum", "prod"):
        return getattr(reductions, kind)(filled, axes, dtype=dtype, keepdims=keepdims, initial=initial, where=where)
    out = getattr(reductions, kind)(filled, axes, keepdims=keepdims, initial=initial, where=where)
    if initial is None:                                     # nothing but nan is nan
        out = choose(reductions.all(missing, axes, keepdims=keepdims), np.nan, out)
    return out


def _nan_reduction(name: str, kind: str, a, axis, dtype, out, keepdims, initial, where):
    reject_out(name, out)
    a = ensure_arraylike(name, a)
    where = check_where(name, where, a.shape)
    if dtype is not None:
        dtype = dtypes.check_user_dtype(dtype, name)
    if is_inexact(a):
        if initial is not None:
            initial = ensure_arraylike(name, initial)
        return _nan_reduce(a, where, initial, kind=kind, axes=axes_of(axis, a.ndim), dtype=dtype, keepdims=bool(keepdims))
    extra = {"dtype": dtype} if kind in ("sum", "prod") else {}
    return getattr(reductions, kind)(a, axis, keepdims=keepdims, initial=initial, where=where, **extra)


def nansum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """Sum of the elements that are not nan.

    Parameters
    ----------
    a, axis, dtype, out, keepdims, initial, where : as in `sum`

    Returns
    -------
    array

    References
    ----------
    ``numpy.nansum``

    Examples
    --------
    >>> jnp.nansum(jnp.array([1., jnp.nan, 3.]))
    Array(4., dtype=float32)
    """
    return _nan_reduction("nansum", "sum", a, axis, dtype, out, keepdims, initial, where)


def nanprod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """Product of the elements that are not nan.

    Parameters
    ----------
    a, axis, dtype, out, keepdims, initial, where : as in `prod`

    Returns
    -------
    array

    References
    ----------
    ``numpy.nanprod``

    Examples
    --------
    >>> jnp.nanprod(jnp.array([2., jnp.nan, 3.]))
    Array(6., dtype=float32)
    """
    return _nan_reduction("nanprod", "prod", a, axis, dtype, out, keepdims, initial, where)


def nanmax(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """Largest element that is not nan; nan where there is none.

    Parameters
    ----------
    a, axis, out, keepdims, initial, where : as in `max`

    Returns
    -------
    array of the dtype of ``a``

    References
    ----------
    ``numpy.nanmax``

    Examples
    --------
    >>> jnp.nanmax(jnp.array([1., jnp.nan, 3.]))
    Array(3., dtype=float32)
    """
    return _nan_reduction("nanmax", "max", a, axis, None, out, keepdims, initial, where)


def nanmin(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """Smallest element that is not nan; nan where there is none.

    Parameters
    ----------
    a, axis, out, keepdims, initial, where : as in `min`

    Returns
    -------
    array of the dtype of ``a``

    References
    ----------
    ``numpy.nanmin``

    Examples
    --------
    >>> jnp.nanmin(jnp.array([1., jnp.nan, 3.]))
    Array(1., dtype=float32)
    """
    return _nan_reduction("nanmin", "min", a, axis, None, out, keepdims, initial, where)


@fused_optional(static=("axes", "dtype", "keepdims"))
def _nanmean(a, where, *, axes, dtype, keepdims):
    missing = isnan(a)
    n = reductions.sum(elementwise_bits.bitwise_not(missing), axes, dtype=dtype, keepdims=keepdims, where=where)
    filled = choose(missing, const(a, 0), a)
    return elementwise.div(reductions.sum(filled, axes, dtype=dtype, keepdims=keepdims, where=where), n)


def nanmean(a, axis=None, dtype=None, out=None, keepdims=False, where=None):
    """Arithmetic mean of the elements that are not nan; nan where there is none.

    Parameters
    ----------
    a, axis, dtype, out, keepdims, where : as in `mean`

    Returns
    -------
    array

    References
    ----------
    ``numpy.nanmean``

    Examples
    --------
    >>> jnp.nanmean(jnp.array([1., jnp.nan, 3.]))
    Array(2., dtype=float32)
    """
    reject_out("nanmean", out)
    a = ensure_arraylike("nanmean", a)
    where = check_where("nanmean", where, a.shape)
    if not is_inexact(a):
        return reductions.mean(a, axis, dtype, None, keepdims, where=where)
    dtype = a.dtype if dtype is None else dtypes.check_user_dtype(dtype, "nanmean")
    return _nanmean(a, where, axes=axes_of(axis, a.ndim), dtype=dtype, keepdims=bool(keepdims))


@fused_optional(static=("axes", "compute", "result", "keepdims", "root"))
def _nanvar(a, where, given_mean, ddof, *, axes, compute, result, keepdims, root):
    a = convert(a, compute)
    if given_mean is None:
        given_mean = nanmean(a, axes, dtype=compute, keepdims=True, where=where)
    else:
        given_mean = convert(given_mean, compute)
        if given_mean.ndim not in (0, a.ndim):
            given_mean = expand_dims(given_mean, tuple(range(a.ndim - given_mean.ndim)))
    there = elementwise_bits.bitwise_not(isnan(a)) if is_inexact(a) else compare.eq(a, a)
    centered = elementwise.sub(a, given_mean)
    if dtypes.kind_of(compute) == "c":
        squared = elementwise_complex.real(elementwise.mul(centered, elementwise_complex.conj(centered)))
    else:
        squared = elementwise.square(centered)
    total = reductions.sum(choose(there, squared, const(squared, 0)), axes, keepdims=keepdims, where=where)
    n = reductions.sum(there, axes, dtype=total.dtype, keepdims=keepdims, where=where)
    n = elementwise.sub(n, convert(ddof, total.dtype))
    enough = compare.gt(n, const(n, 0))
    total = choose(enough, total, np.nan)
    out = elementwise.div(total, convert(choose(enough, n, const(n, 1)), total.dtype))
    out = convert(out, result)
    return elementwise.sqrt(out) if root else out


def _nan_variance(name, a, axis, dtype, out, ddof, keepdims, where, mean, root):
    reject_out(name, out)
    a = ensure_arraylike(name, a)
    where = check_where(name, where, a.shape)
    compute, result = var_dtypes(name, a.dtype, dtype)
    if mean is not None:
        mean = ensure_arraylike(name, mean)
    return _nanvar(a, where, mean, ensure_arraylike(name, ddof), axes=axes_of(axis, a.ndim), compute=compute,
                   result=result, keepdims=bool(keepdims), root=root)


def nanvar(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None):
    """Variance of the elements that are not nan.

    Parameters
    ----------
    a, axis, dtype, out, ddof, keepdims, where, mean : as in `var`

    Returns
    -------
    array; nan where the number of elements minus ``ddof`` is not positive

    References
    ----------
    ``numpy.nanvar``

    Examples
    --------
    >>> jnp.nanvar(jnp.array([1., jnp.nan, 3.]))
    Array(1., dtype=float32)
    """
    return _nan_variance("nanvar", a, axis, dtype, out, ddof, keepdims, where, mean, False)


def nanstd(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None):
    """Standard deviation of the elements that are not nan.

    Parameters
    ----------
    a, axis, dtype, out, ddof, keepdims, where, mean : as in `std`

    Returns
    -------
    array

    References
    ----------
    ``numpy.nanstd``

    Examples
    --------
    >>> jnp.nanstd(jnp.array([1., jnp.nan, 3.]))
    Array(1., dtype=float32)
    """
    return _nan_variance("nanstd", a, axis, dtype, out, ddof, keepdims, where, mean, True)
