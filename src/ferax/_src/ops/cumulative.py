"""Cumulative sums, products, extrema and logarithms of sums; and reduce_prod, whose derivative is made of them.

They are lowered by `scan_pairs`: combine neighbours, scan the half as many results, and combine once more
for the elements between. That is 2n operations in 2 log n steps, each of them wide. The same scan over pairs
(value, tangent) is the derivative of those that are not linear.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.ops.base import add, lower_as, numpy_scalar
from ferax._src.ops.broadcasting import inverse_permutation, reduce_sum_p, reduced_shape  # noqa: F401
from ferax._src.ops.compare import ne
from ferax._src.ops.elementwise import abs, exp, log1p, max, min, mul, neg, sub
from ferax._src.ops.gather import take_along
from ferax._src.ops.joining import concatenate_p
from ferax._src.ops.linear import Linear
from ferax._src.ops.reduce import Reduction, greatest, least  # noqa: F401
from ferax._src.ops.select import select
from ferax._src.ops.shape import iota_p, reshape_p
from ferax._src.ops.slicing import pad_p, slice_in_dim, slice_p
from ferax._src.ops.static import as_static_ints, normalize_axis
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of

# --- the scan -----------------------------------------------------------------------------------


def scan_pairs(combine, xs: list, axis: int, reverse: bool = False) -> list:
    """All prefixes ``x0, combine(x0, x1), combine(combine(x0, x1), x2), ...`` along an axis.

    Parameters
    ----------
    combine : associative; two lists of arrays -> a list
    xs : list of arrays, of one size along the axis
    axis : int
    reverse : suffixes instead; then ``combine`` gets its operands in order all the same
    """
    n = xs[0].shape[axis]
    if n < 2:
        return xs
    # Pairs are formed from the end where the scan starts: a prefix ends with a pair, or one element after it.
    first = n % 2 if reverse else 0
    evens = [_every_other(x, axis, first) for x in xs]
    odds = [_every_other(x, axis, first + 1) for x in xs]
    pairs = n // 2
    if not reverse and n % 2:                   # the last element has no partner
        evens, last = [slice_in_dim(x, 0, pairs, 1, axis) for x in evens], [slice_in_dim(x, n - 1, n, 1, axis) for x in xs]
    scanned = scan_pairs(combine, combine(evens, odds), axis, reverse)
    if reverse:                                 # scanned: suffixes from each even place; those from odd ones are missing
        if pairs > 1:
            after = [slice_in_dim(s, 1, pairs, 1, axis) for s in scanned]
            inner = combine([slice_in_dim(x, 0, pairs - 1, 1, axis) for x in odds], after)
            missing = [_joined([i, slice_in_dim(x, pairs - 1, pairs, 1, axis)], axis) for i, x in zip(inner, odds)]
        else:
            missing = odds
        out = [_interleave(s, m, axis) for s, m in zip(scanned, missing)]
        if first:
            head = combine([slice_in_dim(x, 0, 1, 1, axis) for x in xs], [slice_in_dim(o, 0, 1, 1, axis) for o in out])
            out = [_joined([h, o], axis) for h, o in zip(head, out)]
        return out
    if n % 2:
        evens = [_joined([e, t], axis) for e, t in zip(evens, last)]
    count = evens[0].shape[axis]                # scanned: prefixes up to each odd place; those up to even ones are missing
    head = [slice_in_dim(x, 0, 1, 1, axis) for x in evens]
    if count > 1:
        inner = combine([slice_in_dim(s, 0, count - 1, 1, axis) for s in scanned],
                        [slice_in_dim(x, 1, count, 1, axis) for x in evens])
        head = [_joined([h, i], axis) for h, i in zip(head, inner)]
    return [_interleave(h, s, axis) for h, s in zip(head, scanned)]
