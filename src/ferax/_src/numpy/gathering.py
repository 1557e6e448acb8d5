"""Taking and adding along one axis, by indices that are known to be good: what functions with their own indices need.

Indexing by users, with all its forms and modes, is `indexing`.
"""

from __future__ import annotations

from ferax._src.numpy.util import shape_of
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.gather import gather, scatter_add_p
from ferax._src.ops.indexing import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers


def take_along(a, indices, axis: int, mode: str = "clip"):
    """``a`` with the entries at ``indices`` in place of the axis: shapes (..., n, ...) and s give (..., *s, ...)."""
    shape = a.shape
    k, n = len(shape_of(indices)), len(shape)
    numbers = GatherDimensionNumbers(
        offset_dims=(*range(axis), *range(axis + k, n + k - 1)), collapsed_slice_dims=(axis,), start_index_map=(axis,))
    sizes = (*shape[:axis], 1, *shape[axis + 1:])
    return gather(a, expand_dims(indices, (k,)), numbers, sizes, mode=mode)


def add_at(a, indices, values):
    """A vector with values added at indices, both vectors; indices past the end are left out, as are negative ones."""
    numbers = ScatterDimensionNumbers(update_window_dims=(), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))
    return scatter_add_p.bind(
        a, expand_dims(indices, (1,)), values, dimension_numbers=numbers, indices_are_sorted=False, unique_indices=False,
        mode=GatherScatterMode.FILL_OR_DROP, update_jaxpr=None, update_consts=())[0]
