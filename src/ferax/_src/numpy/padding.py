"""pad: putting elements before and after an array, of all kinds.

The modes that repeat the array itself (edge, wrap, reflect, symmetric) are worked out on indices: the padded indices of an
axis fall into runs that go up, go down or stand still, which are slices, reversed slices and repetitions.
"""

from __future__ import annotations

import numpy as np

from ferax._src.api.vmap import vmap
from ferax._src.numpy import quantiles, reductions
from ferax._src.numpy.util import ensure_arraylike
from ferax._src.ops.broadcasting import broadcast_to, expand_dims
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import RoundingMethod, add, floor, mul, sub
from ferax._src.ops.elementwise import round as ops_round
from ferax._src.ops.joining import concatenate
from ferax._src.ops.shape import iota, reshape, rev, squeeze
from ferax._src.ops.slicing import index_in_dim, pad as ops_pad, slice_in_dim
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors

_OPTIONS = {
    "constant": ("constant_values",), "linear_ramp": ("end_values",), "maximum": ("stat_length",), "minimum": ("stat_length",),
    "mean": ("stat_length",), "median": ("stat_length",), "reflect": ("reflect_type",), "symmetric": ("reflect_type",),
    "edge": (), "wrap": (), "empty": ()}
_STATISTICS = {"maximum": reductions.max, "minimum": reductions.min, "mean": reductions.mean, "median": quantiles.median}


def _pairs(value, ndim: int, name: str) -> tuple[tuple[int, int], ...]:
    """A number, a pair, or a pair for each axis, as a pair of ints for each axis."""
    if isinstance(value, Tracer):
        raise errors.ConcretizationTypeError(value, f"{name} argument of jnp.pad")
    try:
        given = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"`{name}` entries must be the same shape: {value}") from error
    if given.dtype.kind not in "iu" and given.size:
        raise TypeError(f"`{name}` must be of integral type, got {value}")
    if given.shape not in ((ndim, 2), (1, 2), (2,), (1,), ()):
        raise ValueError(f"jnp.pad: {name} with nd={ndim} has unsupported shape {given.shape}. Valid shapes are ({ndim}, 2), "
                         "(1, 2), (2,), (1,), or ().")
    return tuple([(int(low), int(high)) for low, high in np.broadcast_to(given, (ndim, 2))])


def _replaced(shape, axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[axis + 1:])


# --- by indices ---------------------------------------------------------------------------------

def _runs(indices) -> list[tuple[int, int, int]]:
    """Indices as runs (first, step, length) of step 1, -1 or 0."""
    # A run that reaches a turning point leaves it to the next one, so that the array itself stays whole.
    runs: list[tuple[int, int, int]] = []
    i = 0
    while i < len(indices):
        step = int(indices[i + 1] - indices[i]) if i + 1 < len(indices) else 1
        step = step if step in (1, -1, 0) else 1
        n = 1
        while i + n < len(indices) and indices[i + n] - indices[i + n - 1] == step:
            n += 1
        if n > 1 and step < 1 and i + n < len(indices) and indices[i + n] - indices[i + n - 1] == 1:
            n -= 1
        runs.append((int(indices[i]), step, n))
        i += n
    return runs


def _by_indices(a, axis: int, indices):
    parts = []
    for first, step, n in _runs(indices):
        if step == 1:
            parts.append(slice_in_dim(a, first, first + n, axis=axis))
        elif step == -1:
            parts.append(rev(slice_in_dim(a, first - n + 1, first + 1, axis=axis), (axis,)))
        else:
            parts.append(broadcast_to(slice_in_dim(a, first, first + 1, axis=axis), _replaced(a.shape, axis, n)))
    return concatenate(parts, axis)


def _oddly_reflected(a, axis: int, low: int, high: int, offset: int):
    """Reflection about the point at the edge: ``2 * edge - x``, again and again until the padding is full."""
    for first, missing in ((True, low), (False, high)):
        while missing > 0:
            size = a.shape[axis]
            n = min(missing, max(size - offset, 1))
            edge = slice_in_dim(a, 0, 1, axis=axis) if first else slice_in_dim(a, size - 1, size, axis=axis)
            shift = offset if size > 1 else 0
            part = (slice_in_dim(a, shift, shift + n, axis=axis) if first
                    else slice_in_dim(a, size - n - shift, size - shift, axis=axis))
            part = sub(mul(edge, 2), rev(part, (axis,)))
            a = concatenate([part, a] if first else [a, part], axis)
            missing -= n
    return a


# --- by values ----------------------------------------------------------------------------------

def _ramp(start, edge, n: int, axis: int, dtype):
    """``n`` values that start at ``start`` and end just before ``edge``, along the axis."""
    compute = dtypes.to_inexact_dtype(dtype)
    t = mul(convert(iota(np.dtype(np.int32), n), compute), np.asarray(1 / max(n, 1), compute)[()])
    t = expand_dims(t, tuple([i for i in range(edge.ndim) if i != axis]))
    edge, start = convert(edge, compute), convert(start, compute)
    out = add(start, mul(sub(edge, start), t))
    if dtype != compute:
        out = floor(out)
    return convert(out, dtype)


def _statistic(fun, a, axis: int):
    out = fun(a, axis=axis, keepdims=True)
    if dtypes.kind_of(a.dtype) in "iu" and dtypes.kind_of(out.dtype) == "f":
        out = ops_round(out, RoundingMethod.TO_NEAREST_EVEN)
    return convert(out, a.dtype, a.weak_type)


@fused(static=("widths", "mode", "stat_length", "reflect_type"))
def _pad(a, values, *, widths, mode, stat_length, reflect_type):
    ndim = a.ndim
    if mode == "constant":
        return _constant(a, convert(values, a.dtype, a.weak_type), widths)
    for axis, (low, high) in enumerate(widths):
        size = a.shape[axis]
        if low == high == 0:
            continue
        before, after = _replaced(a.shape, axis, low), _replaced(a.shape, axis, high)
        if mode == "empty":
            left, right = full(before, 0, a.dtype), full(after, 0, a.dtype)
        elif mode == "linear_ramp":
            ends = broadcast_to(values, (ndim, 2))
            ends = [index_in_dim(index_in_dim(ends, axis, 0, keepdims=False), k, 0, keepdims=False) for k in (0, 1)]
            left = _ramp(ends[0], slice_in_dim(a, 0, 1, axis=axis), low, axis, a.dtype)
            right = rev(_ramp(ends[1], slice_in_dim(a, size - 1, size, axis=axis), high, axis, a.dtype), (axis,))
        elif mode in _STATISTICS:
            parts = [a, a]
            if stat_length is not None:
                n_left, n_right = [min(n, size) for n in stat_length[axis]]
                if n_left == 0 or n_right == 0:
                    raise ValueError("stat_length of 0 yields no value for padding")
                parts = [slice_in_dim(a, 0, n_left, axis=axis), slice_in_dim(a, size - n_right, size, axis=axis)]
            left, right = [broadcast_to(_statistic(_STATISTICS[mode], part, axis), shape)
                           for part, shape in zip(parts, (before, after))]
        else:
            if size == 0:
                raise ValueError(f"Cannot apply '{mode}' padding to empty axis")
            if reflect_type == "odd" and mode in ("reflect", "symmetric"):
                a = _oddly_reflected(a, axis, low, high, int(mode == "reflect"))
            else:
                a = _by_indices(a, axis, np.pad(np.arange(size), (low, high), mode))
            continue
        a = concatenate([left, a, right], axis)
    return a


def _constant(a, values, widths):
    if values.ndim == 0 or values.shape == (1,):
        value = reshape(values, ()) if values.ndim else values
        return ops_pad(a, value, tuple([(low, high, 0) for low, high in widths]))
    if values.shape[-1] not in (1, 2):
        raise ValueError(f"jnp.pad: constant_values has unsupported shape {values.shape}. If the shape is 1D or 2D, the last "
                         "dimension must be of size 1 or 2.")
    values = broadcast_to(values, (a.ndim, 2))
    for axis, pair in enumerate(widths):
        for side, n in enumerate(pair):
            if n:
                value = squeeze(slice_in_dim(slice_in_dim(values, axis, axis + 1), side, side + 1, axis=1), (0, 1))
                config = [(0, 0, 0)] * a.ndim
                config[axis] = (n, 0, 0) if side == 0 else (0, n, 0)
                a = ops_pad(a, value, config)
    return a


def _by_function(a, widths, fun, options):
    """Padding by a user's function of a padded vector, its two widths, the axis and the options; it answers the vector."""
    a = _constant(a, full((), 0, a.dtype), widths)
    for axis, pair in enumerate(widths):
        def along(vector, axis=axis, pair=pair):
            return fun(vector, pair, axis, options)
        for _ in range(axis + 1, a.ndim):                   # the axes after it first, then those before
            along = vmap(along, in_axes=1, out_axes=1)
        for _ in range(axis):
            along = vmap(along, in_axes=0, out_axes=0)
        a = along(a)
    return a


def pad(array, pad_width, mode="constant", **kwargs):
    """Put elements before and after an array along its axes.

    Parameters
    ----------
    array : array-like
    pad_width : how many: int, pair (before, after), or a pair for each axis
    mode : what they are:
        "constant" - ``constant_values``, 0 by default; a number, a pair, or a pair for each axis
        "edge" - the element at the edge
        "linear_ramp" - from the element at the edge on a straight line to ``end_values``, 0 by default
        "maximum", "minimum", "mean", "median" - of the ``stat_length`` elements next to the edge, by default of all
        "reflect" - the array in a mirror at the edge element; ``reflect_type="odd"`` also turns the values about it
        "symmetric" - the array in a mirror beyond the edge element; ``reflect_type`` likewise
        "wrap" - the elements from the other end
        "empty" - something
        function - called with each padded vector, its two widths, its axis and ``kwargs``; it answers the vector

    Returns
    -------
    array

    References
    ----------
    ``numpy.pad``

    Examples
    --------
    >>> jnp.pad(jnp.arange(3), (1, 2), constant_values=9)
    Array([9, 0, 1, 2, 9, 9], dtype=int32)
    >>> jnp.pad(jnp.arange(4), 2, "reflect")
    Array([2, 1, 0, 1, 2, 3, 2, 1], dtype=int32)
    """
    a = ensure_arraylike("pad", array)
    widths = _pairs(pad_width, a.ndim, "pad_width")
    if callable(mode):
        return _by_function(a, widths, mode, kwargs)
    if mode not in _OPTIONS:
        raise NotImplementedError(f"Unimplemented padding mode '{mode}' for np.pad.")
    if unknown := set(kwargs) - set(_OPTIONS[mode]):
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    if any(n < 0 for pair in widths for n in pair):
        raise ValueError("index can't contain negative values")
    if not a.ndim:
        return a
    values = kwargs.get("constant_values", kwargs.get("end_values", 0))
    values = as_array(values if isinstance(values, Array) else np.asarray(values) if np.ndim(values) else values)
    stat_length = kwargs.get("stat_length")
    if stat_length is not None:
        stat_length = _pairs(stat_length, a.ndim, "stat_length")
    reflect_type = kwargs.get("reflect_type", "even")
    if reflect_type not in ("even", "odd"):
        raise ValueError(f"reflect_type must be 'even' or 'odd', got {reflect_type!r}")
    return _pad(a, values, widths=widths, mode=mode, stat_length=stat_length, reflect_type=reflect_type)
