"""Weighted means and spread: average, var, std."""

from __future__ import annotations

import numpy as np

from ferax._src.numpy.fusing import fused_optional, one_array_with
from ferax._src.numpy.reductions import axes_of, check_where, count, mean as jnp_mean, reject_out, sum as jnp_sum, upcast_half
from ferax._src.numpy.util import broadcast_to, choose, const, ensure_arraylike, promote_dtypes_inexact
from ferax._src.ops import compare, elementwise, elementwise_complex
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.shape import reshape
from ferax._src.ops.zeros import full
from ferax._src.types import dtypes
from ferax._src.types.symbolic_dims import is_symbolic_dim


def average(a, axis=None, weights=None, returned=False, keepdims=False):
    """Weighted mean, over all or some axes.

    Parameters
    ----------
    a : array-like
    axis : int, tuple of int, or None for all axes
    weights : array-like of the shape of ``a``, or of its shape along the axes
    returned : whether to answer the sum of the weights too
    keepdims : whether the axes stay, with size 1

    Returns
    -------
    array, or a pair of arrays if ``returned``

    References
    ----------
    ``numpy.average``

    Examples
    --------
    >>> jnp.average(jnp.array([1., 2., 4.]), weights=jnp.array([1, 1, 2]))
    Array(2.75, dtype=float32)
    """
    if weights is None:
        (a,) = promote_dtypes_inexact(ensure_arraylike("average", a))
        avg = jnp_mean(a, axis=axis, keepdims=keepdims)
        weights_sum = full((), count(a, axis, False, None, avg.dtype), avg.dtype) if returned else None
    else:
        a, weights = map(as_array, promote_dtypes_inexact(*ensure_arraylike("average", a, weights)))
        axes = axes_of(axis, a.ndim)
        if a.shape != weights.shape:
            if axis is None:
                raise ValueError("Axis must be specified when shapes of a and weights differ; got shapes "
                                 f"{a.shape} and {weights.shape}.")
            if weights.shape != tuple([a.shape[i] for i in axes]):
                raise ValueError("Shape of weights must be consistent with shape of a along specified axis: got weights of "
                                 f"shape {weights.shape} for a of shape {a.shape} along {axis}.")
            order = tuple(sorted(range(len(axes)), key=axes.__getitem__))
            weights = reshape(weights, tuple([n if i in axes else 1 for i, n in enumerate(a.shape)]), order)
        weights_sum = jnp_sum(weights, axis=axis, keepdims=keepdims)
        avg = elementwise.div(jnp_sum(elementwise.mul(a, weights), axis=axis, keepdims=keepdims),
                              broadcast_to(weights_sum, _reduced_shape(a, axes, keepdims)))
    if not returned:
        return avg
    return avg, broadcast_to(weights_sum, avg.shape)


def _reduced_shape(a, axes, keepdims) -> tuple[int, ...]:
    return tuple([1 if i in axes else n for i, n in enumerate(a.shape) if keepdims or i not in axes])


def var_dtypes(name: str, dtype, asked):
    """The dtype in which a variance is computed, and that of the result, which is real."""
    if asked is not None:
        asked = dtypes.check_user_dtype(asked, name)
        if dtypes.kind_of(dtype) == "c" and dtypes.kind_of(asked) != "c":
            raise ValueError(f"jax.numpy.{name} does not take a real dtype for complex values: what the result should be is "
                             "not clear. Take the variance of jnp.real(a) and jnp.imag(a)")
        return upcast_half(asked), asked
    compute = dtypes.to_inexact_dtype(dtype)
    return upcast_half(compute), dtypes.to_floating_dtype(compute)


@one_array_with
def _simple_var(a, how):
    return _var_of(a, None, None, None, how[:-1], how[-1])


@fused_optional(static=("how", "root"))
def _general_var(a, where, given_mean, correction, *, how, root):
    return _var_of(a, where, given_mean, correction, how, root)


def _var_of(a, where, given_mean, correction, how, root):
    """Variance, or its ``root``; ``how``: correction, axes, keepdims, dtype of the computation, dtype of the result."""
    static_correction, axes, keepdims, compute, result = how
    a = convert(a, compute)
    if given_mean is None:
        given_mean = jnp_mean(a, axes, dtype=compute, keepdims=True, where=where)
    else:
        given_mean = convert(given_mean, compute)
    centered = elementwise.sub(a, _same_rank(given_mean, a.ndim))
    if dtypes.kind_of(compute) == "c":
        centered = elementwise_complex.real(elementwise.mul(centered, elementwise_complex.conj(centered)))
        compute = centered.dtype
    else:
        centered = elementwise.square(centered)
    total = jnp_sum(centered, axes, dtype=compute, keepdims=keepdims, where=where)
    n = count(a, axes, keepdims, where, compute)
    if correction is None and type(n) is int:
        n = n - static_correction
        out = elementwise.div(total, n) if n > 0 else full(total.shape, np.nan, total.dtype)
    else:
        c = static_correction if correction is None else convert(correction, compute)
        if type(n) is int:
            n = compute.type(n)
        elif is_symbolic_dim(n):
            n = convert(n, compute)
        n = elementwise.sub(n, c)
        out = elementwise.div(total, n)
        out = choose(compare.gt(n, const(n, 0)), out, np.nan)
    out = convert(out, result)
    return elementwise.sqrt(out) if root else out


def _same_rank(x, ndim: int):
    return x if x.ndim in (0, ndim) else expand_dims(x, tuple(range(ndim - x.ndim)))


def _variance(name, a, axis, dtype, out, ddof, keepdims, where, mean, correction, root):
    if correction is None:
        correction = ddof
    elif not isinstance(ddof, int) or ddof != 0:
        raise ValueError("ddof and correction can't be provided simultaneously.")
    reject_out(name, out)
    a = ensure_arraylike(name, a)
    if root and dtype is not None and dtypes.kind_of(dtypes.check_user_dtype(dtype, name)) not in "fc":
        raise ValueError(f"dtype argument to jnp.{name} must be inexact; got {dtype}")
    compute, result = var_dtypes(name, a.dtype, dtype)
    where = check_where(name, where, a.shape, within=True)
    if mean is not None:
        mean = ensure_arraylike(name, mean)
    static = type(correction) in (int, float)
    how = (correction if static else 0, axes_of(axis, a.ndim), bool(keepdims), compute, result)
    if static and where is None and mean is None:
        return _simple_var(a, (*how, root))
    return _general_var(a, where, mean, None if static else ensure_arraylike(name, correction), how=how, root=root)


def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None):
    """Variance: the mean of squared distances from the mean, over all or some axes.

    Parameters
    ----------
    a : array-like; for complex numbers the distance is the absolute value
    axis : int, tuple of int, or None for all axes
    dtype : dtype of the result; by default the real dtype of ``a``, or float for integers
    out : not supported
    ddof, correction : the sum is divided by ``n - correction``; two names of one number
    keepdims : whether the axes stay, with size 1
    where : boolean array that broadcasts to ``a``: which elements to take
    mean : the mean, if known, with the axes kept

    Returns
    -------
    array; nan where ``n - correction`` is not positive

    References
    ----------
    ``numpy.var``

    Examples
    --------
    >>> jnp.var(jnp.array([1., 2., 3.]), ddof=1)
    Array(1., dtype=float32)
    """
    return _variance("var", a, axis, dtype, out, ddof, keepdims, where, mean, correction, False)


def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None):
    """Standard deviation: the square root of the variance, over all or some axes.

    Parameters
    ----------
    a, axis, dtype, out, ddof, keepdims, where, mean, correction : as in `var`

    Returns
    -------
    array

    References
    ----------
    ``numpy.std``

    Examples
    --------
    >>> jnp.std(jnp.array([1., 5.]))
    Array(2., dtype=float32)
    """
    return _variance("std", a, axis, dtype, out, ddof, keepdims, where, mean, correction, True)
