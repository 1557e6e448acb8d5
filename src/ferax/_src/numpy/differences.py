"""Differences and what is near them: diff, ediff1d, gradient, trapezoid, interp."""

from __future__ import annotations

import numpy as np

from ferax._src.numpy import joining
from ferax._src.numpy.fusing import fused_optional
from ferax._src.numpy.gathering import take_along
from ferax._src.numpy.histograms import search
from ferax._src.numpy.manipulation import broadcast_to, index_tuple, moveaxis
from ferax._src.numpy.util import (
    check_arraylike, choose, const, ensure_arraylike, promote_dtypes, promote_dtypes_inexact, promote_shapes, shape_of)
from ferax._src.numpy.division import remainder
from ferax._src.ops.broadcasting import expand_dims, reduce_sum
from ferax._src.ops.compare import gt, le, lt, ne
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import abs as ops_abs
from ferax._src.ops.elementwise import add, div, mul, neg, sub
from ferax._src.ops.select import clamp
from ferax._src.ops.shape import reshape, squeeze
from ferax._src.ops.slicing import index_in_dim, slice_in_dim
from ferax._src.ops.sort import sort_key_val
from ferax._src.ops.static import as_static_int, normalize_axis
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


@fused_optional(static=("n", "axis"))
def _diff(a, before, after, *, n, axis):
    parts = [p if p.ndim else broadcast_to(p, (*a.shape[:axis], 1, *a.shape[axis + 1:]))
             for p in (before, a, after) if p is not None]
    if len(parts) > 1:
        a = joining.concatenate(parts, axis)
    op = ne if a.dtype == dtypes.bool_ else sub
    for _ in range(n):
        size = a.shape[axis]
        cut = min(1, size)
        a = op(slice_in_dim(a, cut, size, axis=axis), slice_in_dim(a, 0, max(size - 1, 0), axis=axis))
    return a


def diff(a, n=1, axis=-1, prepend=None, append=None):
    """Differences of neighbours along an axis.

    Parameters
    ----------
    a : array-like of at least one dimension
    n : how often differences are taken
    axis : int
    prepend, append : array-likes to join to ``a`` before; a number stands for one element

    Returns
    -------
    array, ``n`` shorter along the axis; for booleans whether neighbours differ

    References
    ----------
    ``numpy.diff``

    Examples
    --------
    >>> jnp.diff(jnp.array([1, 4, 9, 16]), n=2)
    Array([2, 2], dtype=int32)
    """
    a = ensure_arraylike("diff", a)
    n = as_static_int(n, "n")
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if a.ndim == 0:
        raise ValueError(f"diff requires input that is at least one dimensional; got shape {a.shape}")
    extra = [None if p is None else ensure_arraylike("diff", p) for p in (prepend, append)]
    return _diff(a, *extra, n=n, axis=normalize_axis(axis, a.ndim))


def ediff1d(ary, to_end=None, to_begin=None):
    """Differences of neighbours in the flattened array.

    Parameters
    ----------
    ary : array-like
    to_end, to_begin : array-likes to join to the result, or None

    Returns
    -------
    array of one dimension

    References
    ----------
    ``numpy.ediff1d``

    Examples
    --------
    >>> jnp.ediff1d(jnp.array([1, 4, 9]), to_begin=0)
    Array([0, 3, 5], dtype=int32)
    """
    ary = ensure_arraylike("ediff1d", ary)
    out = diff(reshape(ary, (ary.size,)))
    begin, end = [None if p is None else convert(ensure_arraylike("ediff1d", p), ary.dtype) for p in (to_begin, to_end)]
    parts = [p if p is out else reshape(p, (p.size,)) for p in (begin, out, end) if p is not None]
    return joining.concatenate(parts) if len(parts) > 1 else out


# --- derivative and integral of samples ---------------------------------------------------------

def _slope(a, h, axis: int):
    """Central differences inside, one-sided ones at both ends; exact for parabolas inside."""
    size = a.shape[axis]

    def part(x, start, stop, axis=axis):
        return slice_in_dim(x, start, stop, axis=axis)

    first, last = sub(part(a, 1, 2), part(a, 0, 1)), sub(part(a, size - 1, size), part(a, size - 2, size - 1))
    if not shape_of(h):
        inner = div(mul(sub(part(a, 2, size), part(a, 0, size - 2)), 0.5), h)
        return joining.concatenate([div(first, h), inner, div(last, h)], axis)
    if len(h.shape) != 1:
        raise ValueError(f"Spacing arrays must be 1D arrays or scalars, got shape {h.shape}.")
    if h.shape[0] != size:
        raise ValueError("Spacing arrays must have the same length as the dimension along which the gradient is "
                         f"calculated, {size}; got {h.shape[0]}.")
    d = sub(part(h, 1, size, 0), part(h, 0, size - 1, 0))
    d = expand_dims(d, tuple([i for i in range(a.ndim) if i != axis]))
    d1, d2 = part(d, 0, size - 2), part(d, 1, size - 1)
    both = add(d1, d2)
    before = div(neg(d2), mul(d1, both))
    here = div(sub(d2, d1), mul(d1, d2))
    after = div(d1, mul(d2, both))
    inner = add(add(mul(before, part(a, 0, size - 2)), mul(here, part(a, 1, size - 1))), mul(after, part(a, 2, size)))
    return joining.concatenate([div(first, part(d, 0, 1)), inner, div(last, part(d, size - 2, size - 1))], axis)


@fused(static=("axes",))
def _gradient(*arrays, axes):
    a, *spacing = [as_array(x) for x in promote_dtypes_inexact(*arrays)]
    if len(spacing) == 1:
        spacing = spacing * len(axes)
    return [_slope(a, h, axis) for axis, h in zip(axes, spacing or [1.0] * len(axes))]


def gradient(f, *varargs, axis=None, edge_order=None):
    """Derivative of sampled values: central differences inside, one-sided ones at the edges.

    Parameters
    ----------
    f : array-like of samples
    *varargs : distance between samples: one number for all axes, or for each axis a number or the places of its samples
    axis : int or tuple of int, or None for all axes
    edge_order : not supported

    Returns
    -------
    array for one axis, else a list of arrays; each of the shape of ``f``

    References
    ----------
    ``numpy.gradient``

    Examples
    --------
    >>> jnp.gradient(jnp.array([1., 4., 9., 16.]))
    Array([3., 4., 6., 7.], dtype=float32)
    """
    if edge_order is not None:
        raise NotImplementedError("The 'edge_order' argument to jnp.gradient is not supported.")
    f = ensure_arraylike("gradient", f)
    spacing = [ensure_arraylike("gradient", h) for h in varargs]
    axes = tuple(range(f.ndim)) if axis is None else tuple([normalize_axis(i, f.ndim) for i in index_tuple(axis)])
    if not axes:
        return []
    if min([f.shape[i] for i in axes]) < 2:
        raise ValueError("Shape of array too small to calculate a numerical gradient, at least 2 elements are required; got "
                         f"shape {f.shape}.")
    if len(spacing) not in (0, 1, len(axes)):
        raise TypeError(f"Invalid number of spacing arguments {len(spacing)} for {axis=}")
    out = _gradient(f, *spacing, axes=axes)
    return out[0] if len(axes) == 1 else out


@fused(static=("axis",))
def _trapezoid_by_distance(y, dx, *, axis):
    (y,) = promote_dtypes_inexact(y)
    y, size = moveaxis(y, axis, -1), y.shape[axis]
    if dx.ndim:
        dx = moveaxis(expand_dims(dx, tuple(range(y.ndim - dx.ndim))), axis, -1)
        if dx.shape[-1] == 1:
            dx = squeeze(dx, (dx.ndim - 1,))
            return _uniform(y, dx, size)
        return _summed(y, dx, size)
    return _uniform(y, dx, size)


def _uniform(y, dx, size: int):
    if size == 0:
        return reduce_sum(y, (y.ndim - 1,))
    ends = add(index_in_dim(y, 0, -1, keepdims=False), index_in_dim(y, size - 1, -1, keepdims=False))
    return mul(*promote_shapes("trapezoid", *promote_dtypes(
        dx, sub(reduce_sum(y, (y.ndim - 1,)), mul(ends, 0.5)))))


def _summed(y, dx, size: int):
    pairs = add(slice_in_dim(y, 1, size, axis=-1), slice_in_dim(y, 0, size - 1, axis=-1))
    areas = mul(*promote_shapes("trapezoid", *promote_dtypes(dx, pairs)))
    return mul(reduce_sum(areas, (areas.ndim - 1,)), 0.5)


@fused(static=("axis",))
def _trapezoid_by_place(y, x, *, axis):
    y, x = promote_dtypes_inexact(y, x)
    size = y.shape[axis]
    dx = diff(x) if x.ndim == 1 else moveaxis(diff(x, axis=axis), axis, -1)
    y = moveaxis(y, axis, -1)
    if dx.shape[-1] == 1:                                   # two samples, or one distance for all
        return _uniform(y, squeeze(dx, (dx.ndim - 1,)), size)
    return _summed(y, dx, size)


def trapezoid(y, x=None, dx=1.0, axis=-1):
    """Integral of sampled values by the trapezoidal rule.

    Parameters
    ----------
    y : array-like of samples
    x : places of the samples, a vector or an array like ``y``; None: they are ``dx`` apart
    dx : distance between samples
    axis : int

    Returns
    -------
    array without the axis

    References
    ----------
    ``numpy.trapezoid``

    Examples
    --------
    >>> jnp.trapezoid(jnp.array([1., 2., 3.]), dx=2.)
    Array(8., dtype=float32)
    """
    if x is None:
        y, dx = ensure_arraylike("trapezoid", y, dx)
        return _trapezoid_by_distance(y, dx, axis=normalize_axis(axis, y.ndim))
    y, x = ensure_arraylike("trapezoid", y, x)
    return _trapezoid_by_place(y, x, axis=normalize_axis(axis, y.ndim))


# --- interpolation ------------------------------------------------------------------------------

@fused_optional(static=("beyond_left", "beyond_right"))
def _interp(x, xp, fp, left, right, period, *, beyond_left, beyond_right):
    x, xp = [as_array(v) for v in promote_dtypes_inexact(x, xp)]
    (fp,) = promote_dtypes_inexact(fp)
    n = xp.shape[0]
    if period is not None:
        period = ops_abs(convert(period, xp.dtype))
        x, xp = remainder(x, period), remainder(xp, period)
        xp, fp = sort_key_val(xp, fp)
        xp = joining.concatenate([sub(slice_in_dim(xp, n - 1, n), period), xp, add(slice_in_dim(xp, 0, 1), period)])
        fp = joining.concatenate([slice_in_dim(fp, n - 1, n), fp, slice_in_dim(fp, 0, 1)])
        n += 2
    i = search(xp, x, "right")
    i = clamp(np.int32(1), i, np.int32(max(n - 1, 1)))
    before = sub(i, np.int32(1))
    x0, f0 = take_along(xp, before, 0), take_along(fp, before, 0)
    dx, df = sub(take_along(xp, i, 0), x0), sub(take_along(fp, i, 0), f0)
    tiny = float(np.spacing(np.finfo(np.float32 if dtypes.itemsize_bits(xp.dtype) < 32 else xp.dtype).eps))
    flat = le(ops_abs(dx), const(dx, tiny))
    ratio = div(sub(x, x0), choose(flat, const(dx, 1), dx))
    f = choose(flat, f0, add(*promote_dtypes(f0, mul(*promote_dtypes(ratio, df)))))
    if not beyond_left and period is None:
        f = choose(lt(x, _first(xp, 0, x)), _first(fp, 0, x) if left is None else left, f)
    if not beyond_right and period is None:
        f = choose(gt(x, _first(xp, n - 1, x)), _first(fp, n - 1, x) if right is None else right, f)
    return f


def _first(v, i: int, x):
    """Element ``i`` of a vector, as a scalar."""
    return index_in_dim(v, i, 0, keepdims=False)


def interp(x, xp, fp, left=None, right=None, period=None):
    """Piecewise linear interpolation between points.

    Parameters
    ----------
    x : array-like: where to evaluate
    xp, fp : vectors of one size: places, ascending, and values of the points
    left, right : values before the first and after the last point; by default those of these points;
        "extrapolate" carries the first or last segment on
    period : the function repeats after it; places need not ascend then

    Returns
    -------
    array of the shape of ``x``

    References
    ----------
    ``numpy.interp``

    Examples
    --------
    >>> jnp.interp(0.5, jnp.array([0., 1.]), jnp.array([10., 20.]))
    Array(15., dtype=float32)
    """
    x, xp, fp = ensure_arraylike("interp", x, xp, fp)
    if xp.shape != fp.shape or xp.ndim != 1:
        raise ValueError(f"xp and fp must be one-dimensional arrays of equal size, got shapes {xp.shape} and {fp.shape}")
    if dtypes.kind_of(dtypes.result_type(x, xp)) == "c":
        raise ValueError("jnp.interp: complex x values not supported.")
    sides = []
    for name, value in (("left", left), ("right", right)):
        if isinstance(value, str) and value != "extrapolate":
            raise ValueError(f"the only valid string value of `{name}` is 'extrapolate', but got: {value!r}")
        if value is not None and not isinstance(value, str):
            value = ensure_arraylike("interp", value)
        sides.append(value)
    if period is not None:
        check_arraylike("interp", period)
        if shape_of(period):
            raise ValueError(f"period must be a scalar; got {period}")
        period = as_array(period)
    beyond = [isinstance(value, str) for value in sides]
    left, right = [None if isinstance(value, str) else value for value in sides]
    return _interp(x, xp, fp, left, right, period, beyond_left=beyond[0], beyond_right=beyond[1])
