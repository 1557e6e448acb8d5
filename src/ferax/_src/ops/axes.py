"""Axes: naming them, checking them, and moving the mapped axis of a batched value.

`normalize_axis` and `normalize_axes` make a user's axes count from the front. `move_axis` and `place_axis`
are what batching rules use to bring operands to one layout.
"""

from __future__ import annotations

from ferax._src.ops.broadcasting import broadcast_in_dim_p, transpose_p
from ferax._src.ops.static import normalize_axes, normalize_axis  # noqa: F401
from ferax._src.types.avals import aval_of


def move_axis(x, source: int, destination: int):
    """``x`` with the axis ``source`` at ``destination``; the others keep their order."""
    if source == destination:
        return x
    order = [i for i in range(aval_of(x).ndim) if i != source]
    order.insert(destination, source)
    return transpose_p.bind(x, permutation=tuple(order))[0]


def place_axis(x, d: int | None, size: int, to: int):
    """``x`` with the mapped axis ``d`` at ``to``; one that has none (None) is repeated along a new axis."""
    if d is not None:
        return move_axis(x, d, to)
    shape = aval_of(x).shape
    kept = tuple([i for i in range(len(shape) + 1) if i != to])
    return broadcast_in_dim_p.bind(
        x, shape=(*shape[:to], size, *shape[to:]), broadcast_dimensions=kept, sharding=None)[0]


def shift_axes(axes, d: int) -> tuple[int, ...]:
    """Axes of a value renamed for the mapped axis that was put in at ``d``."""
    return tuple([a + (a >= d) for a in axes])
