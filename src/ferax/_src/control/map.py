"""``lax.map``: a function applied to each row, one after the other or a batch at a time."""

from __future__ import annotations

from ferax._src.control.scan_api import scan, scan_length
from ferax._src.control.tracing_utils import flatten_arrays
from ferax._src.ops.axes import place_axis
from ferax._src.ops.convert import as_array
from ferax._src.ops.joining import concatenate
from ferax._src.ops.shape import reshape
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.tracing.core import MappedAxis, Tracer
from ferax._src.transforms.batch import batch_flat
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import tree_flatten, tree_map, tree_unflatten
from ferax._src.util.tracebacks import api_boundary


@api_boundary
def map(f, xs, *, batch_size: int | None = None):           # noqa: A001 (JAX's name)
    """Apply a function to each row of arrays, one after the other, and stack the results.

    Parameters
    ----------
    f : callable of one row of ``xs``
    xs : pytree of arrays with one first axis
    batch_size : int or None; how many rows to do at a time, as by ``vmap``

    Returns
    -------
    pytree of the results of ``f``, stacked along a new first axis

    Notes
    -----
    Like ``vmap(f)(xs)`` with less memory: what ``f`` needs for itself is needed once, or ``batch_size`` times.

    Examples
    --------
    >>> map(lambda x: x ** 2, jnp.arange(3))
    Array([0, 1, 4], dtype=int32)
    """
    if batch_size is None or batch_size == 0:
        return scan(lambda _, x: ((), f(x)), (), xs)[1]
    if isinstance(batch_size, (bool, Tracer)) or not hasattr(batch_size, "__index__"):
        raise TypeError(f"lax.map: batch_size must be a positive integer, got {batch_size!r}")
    batch_size = batch_size.__index__()
    if batch_size < 0:
        raise ValueError(f"lax.map: batch_size must be a positive integer, got {batch_size}")
    leaves, avals, tree = flatten_arrays(xs, "map", "xs")
    length = scan_length(xs, avals, None)
    leaves = [as_array(x) for x in leaves]
    batches, left = divmod(length, batch_size)

    def mapped(rows):
        return map_rows(f, rows)

    parts = []
    if batches or not left:
        head = [reshape(slice_in_dim(x, 0, batches * batch_size), (batches, batch_size, *x.shape[1:])) for x in leaves]
        _, ys = scan(lambda _, rows: ((), mapped(rows)), (), tree_unflatten(tree, head), length=batches)
        parts.append(tree_map(lambda y: reshape(y, (y.shape[0] * y.shape[1], *y.shape[2:])), ys))
    if left:
        tail = [slice_in_dim(x, batches * batch_size, length) for x in leaves]
        parts.append(mapped(tree_unflatten(tree, tail)))
    return parts[0] if len(parts) == 1 else tree_map(lambda *ys: concatenate(list(ys), 0), *parts)


def map_rows(f, rows):
    """``vmap`` of a function of one pytree over the first axis of all its arrays."""
    leaves, tree = tree_flatten(rows)
    size = aval_of(leaves[0]).shape[0]
    out_tree = None

    def flat(*xs):
        nonlocal out_tree
        outs, out_tree = tree_flatten(f(tree_unflatten(tree, xs)))
        return outs

    axis = MappedAxis(size)
    outs, dims = batch_flat(flat, leaves, [0] * len(leaves), axis)
    return tree_unflatten(out_tree, [place_axis(as_array(x), d, size, 0) for x, d in zip(outs, dims)])
