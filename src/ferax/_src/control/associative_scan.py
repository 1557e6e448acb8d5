"""``lax.associative_scan``: all partial results of an associative operation, in few steps one after the other.

Pairs of neighbours are combined, the partial results of the pairs found in the same way, and those between them
filled in: about 2n operations, 2 log n of them in sequence (Ladner and Fischer 1980; Blelloch 1990).
"""

from __future__ import annotations

from ferax._src.control.tracing_utils import flatten_arrays
from ferax._src.ops.convert import as_array
from ferax._src.ops.joining import concatenate
from ferax._src.ops.shape import reshape, rev
from ferax._src.ops.broadcasting import transpose
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import normalize_axis
from ferax._src.types.pytrees import explain_mismatch, tree_flatten, tree_unflatten
from ferax._src.util.tracebacks import api_boundary


@api_boundary
def associative_scan(fn, elems, reverse: bool = False, axis: int = 0):
    """All partial results of an associative operation along an axis.

    Parameters
    ----------
    fn : callable (a, b) -> c on pytrees like ``elems``, elementwise along ``axis``: ``fn(fn(a, b), c) == fn(a, fn(b, c))``
    elems : pytree of arrays of equal size along ``axis``
    reverse : combine from the last element to the first
    axis : int

    Returns
    -------
    pytree like ``elems``: element i is the combination of elements 0 to i (with ``reverse``, of i to the last)

    Examples
    --------
    >>> associative_scan(jnp.add, jnp.arange(4))
    Array([0, 1, 3, 6], dtype=int32)
    """
    if not callable(fn):
        raise TypeError("lax.associative_scan: fn argument should be callable.")
    leaves, avals, tree = flatten_arrays(elems, "associative_scan", "elems")
    if not leaves:
        return elems
    arrays = [as_array(x) for x in leaves]
    if any(a.ndim == 0 for a in avals):
        raise ValueError(f"associative_scan: elems must have an axis {axis} to go along, got a scalar among shapes "
                         f"{[a.shape for a in avals]}")
    axes = [normalize_axis(axis, a.ndim) for a in avals]
    sizes = {a.shape[d] for a, d in zip(avals, axes)}
    if len(sizes) > 1:
        raise ValueError("Array inputs to associative_scan must have the same first dimension. (saw: "
                         f"{[a.shape for a in avals]} along axis {axis})")
    arrays = [_to_front(x, d) for x, d in zip(arrays, axes)]
    if reverse:
        arrays = [rev(x, (0,)) for x in arrays]

    def combine(a, b):
        given_a = tree_unflatten(tree, [_from_front(x, d) for x, d in zip(a, axes)])
        given_b = tree_unflatten(tree, [_from_front(x, d) for x, d in zip(b, axes)])
        out = fn(given_a, given_b)
        outs, out_tree = tree_flatten(out)
        if out_tree != tree:
            raise TypeError("associative_scan: fn must answer a pytree like its arguments.\n"
                            + explain_mismatch(tree, out_tree, names=("an argument", "the result")))
        return [_to_front(as_array(x), d) for x, d in zip(outs, axes)]

    arrays = partial_results(combine, arrays)
    if reverse:
        arrays = [rev(x, (0,)) for x in arrays]
    return tree_unflatten(tree, [_from_front(x, d) for x, d in zip(arrays, axes)])


def partial_results(combine, arrays) -> list:
    """Partial results along the first axis."""
    n = arrays[0].shape[0]
    if n < 2:
        return arrays
    pairs = combine([slice_in_dim(x, 0, n - 1, stride=2) for x in arrays], [slice_in_dim(x, 1, n, stride=2) for x in arrays])
    odd = partial_results(combine, pairs)       # the results 1, 3, 5, ...
    if n == 2:
        even = [slice_in_dim(x, 0, 1) for x in arrays]
    else:
        before = [slice_in_dim(x, 0, (n - 1) // 2) for x in odd]
        later = combine(before, [slice_in_dim(x, 2, n, stride=2) for x in arrays])
        even = [concatenate([slice_in_dim(x, 0, 1), y], 0) for x, y in zip(arrays, later)]
    return [interleave(a, b) for a, b in zip(even, odd)]


def interleave(even, odd):
    """Rows of ``even`` and ``odd`` in turn; ``even`` may have one more."""
    n, shape = odd.shape[0], odd.shape[1:]
    head = slice_in_dim(even, 0, n) if even.shape[0] > n else even
    pairs = concatenate([reshape(head, (n, 1, *shape)), reshape(odd, (n, 1, *shape))], 1)
    joined = reshape(pairs, (2 * n, *shape))
    return concatenate([joined, slice_in_dim(even, n, n + 1)], 0) if even.shape[0] > n else joined


def _to_front(x, d: int):
    return x if d == 0 else transpose(x, (d, *[i for i in range(x.ndim) if i != d]))


def _from_front(x, d: int):
    if d == 0:
        return x
    order = list(range(1, x.ndim))
    order.insert(d, 0)
    return transpose(x, tuple(order))
