"""Prefixes of an associative operation along an axis, in few wide steps; shifts and cuts along an axis."""

from __future__ import annotations

from ferax._src.ops.base import add
from ferax._src.ops.joining import concatenate_p
from ferax._src.ops.slicing import pad_p, slice_p
from ferax._src.types.avals import aval_of


def scan_pairs(combine, xs: list, axis: int) -> list:
    """All prefixes ``x0, combine(x0, x1), combine(combine(x0, x1), x2), ...`` along an axis.

    Neighbours are combined, the half as many results are scanned, which gives every other prefix, and each
    of these is combined with the next element for those between: 2n operations in 2 log n wide steps.

    Parameters
    ----------
    combine : associative; two lists of arrays -> a list
    xs : list of arrays, of one size along the axis
    axis : int
    """
    n = aval_of(xs[0]).shape[axis]
    if n < 2:
        return xs
    firsts = [cut(x, axis, 0, n - n % 2, 2) for x in xs]
    seconds = [cut(x, axis, 1, n, 2) for x in xs]
    odd = scan_pairs(combine, combine(firsts, seconds), axis)           # prefixes that end with a second
    even = [cut(x, axis, 0, 1) for x in xs]                            # prefixes that end with a first
    if n > 2:
        known = (n - 1) // 2
        between = combine([cut(o, axis, 0, known) for o in odd], [cut(x, axis, 2, n, 2) for x in xs])
        even = [concatenate_p.bind(e, b, dimension=axis)[0] for e, b in zip(even, between)]
    return [_interleave(e, o, axis) for e, o in zip(even, odd)]


def cut(x, axis: int, start: int, limit: int, stride: int = 1):
    shape = aval_of(x).shape
    ndim = len(shape)
    starts = (0,) * axis + (start,) + (0,) * (ndim - axis - 1)
    strides = None if stride == 1 else (1,) * axis + (stride,) + (1,) * (ndim - axis - 1)
    return slice_p.bind(x, start_indices=starts, limit_indices=(*shape[:axis], limit, *shape[axis + 1:]),
                        strides=strides)[0]


def _interleave(x, y, axis: int):
    """``x0, y0, x1, y1, ...``; x may have one element more."""
    n, m = aval_of(x).shape[axis], aval_of(y).shape[axis]
    zero = aval_of(x).dtype.type(0)

    def spread(a, low, high):
        config = [(0, 0, 0)] * aval_of(a).ndim
        config[axis] = (low, high, 1)
        return pad_p.bind(a, zero, padding_config=tuple(config))[0]
    return add(spread(x, 0, 1 if n == m else 0), spread(y, 1, 0 if n == m else 1))


def shifted(x, axis: int, value, reverse: bool):
    """For each element the one before it (after it, if ``reverse``); ``value`` for the first (the last)."""
    config = [(0, 0, 0)] * aval_of(x).ndim
    config[axis] = (-1, 1, 0) if reverse else (1, -1, 0)
    return pad_p.bind(x, aval_of(x).dtype.type(value), padding_config=tuple(config))[0]
