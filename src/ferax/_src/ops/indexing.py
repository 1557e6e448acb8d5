"""What gather and scatter share: their dimension numbers, their modes, and the rules for shapes.

A gather takes windows out of an operand; where each starts is said by an *index vector*, the last dimension
of the indices. A scatter puts windows in. The dimensions of the operand are

* *window* dimensions, which appear in the result (of a gather) or the updates (of a scatter);
* *collapsed* or *inserted* ones, along which a window has size 1 and which it does not show;
* *batching* ones, which run in step with dimensions of the indices.

The dimension numbers of a gather and of the scatter that puts the same windows back say the same thing in
other words: `scatter_numbers` and `gather_numbers` translate.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple

from ferax._src.ops.static import as_static_ints
from ferax._src.types import dtypes


class GatherDimensionNumbers(NamedTuple):
    """Which dimension is what in a gather.

    Attributes
    ----------
    offset_dims : dimensions of the result that run within a window
    collapsed_slice_dims : dimensions of the operand, with window size 1, that the result does not have
    start_index_map : for each entry of an index vector the dimension of the operand that it is for
    operand_batching_dims, start_indices_batching_dims : dimensions of operand and indices that run in step

    The last dimension of the indices always holds the index vectors.
    """

    offset_dims: tuple[int, ...]
    collapsed_slice_dims: tuple[int, ...]
    start_index_map: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    start_indices_batching_dims: tuple[int, ...] = ()


class ScatterDimensionNumbers(NamedTuple):
    """Which dimension is what in a scatter.

    Attributes
    ----------
    update_window_dims : dimensions of the updates that run within a window
    inserted_window_dims : dimensions of the operand, with window size 1, that the updates do not have
    scatter_dims_to_operand_dims : for each entry of an index vector the dimension of the operand that it is for
    operand_batching_dims, scatter_indices_batching_dims : dimensions of operand and indices that run in step

    The last dimension of the indices always holds the index vectors.
    """

    update_window_dims: Sequence[int]
    inserted_window_dims: Sequence[int]
    scatter_dims_to_operand_dims: Sequence[int]
    operand_batching_dims: Sequence[int] = ()
    scatter_indices_batching_dims: Sequence[int] = ()


class GatherScatterMode(enum.Enum):
    """What happens to windows that are not within the operand.

    CLIP : they are moved to the nearest place within it.
    FILL_OR_DROP : a gather fills them with a constant, a scatter leaves them out.
    PROMISE_IN_BOUNDS : the user promises that there are none; what happens is not specified.
    ONE_HOT : a gather of rows by a product with one-hot vectors; only array indexing (``x.at[...]``) takes it.
    """

    CLIP = enum.auto()
    FILL_OR_DROP = enum.auto()
    PROMISE_IN_BOUNDS = enum.auto()
    ONE_HOT = enum.auto()

    @staticmethod
    def from_any(s) -> GatherScatterMode:
        """A mode from itself, its name in array indexing ("clip", "fill", "drop", ...), or None (FILL_OR_DROP)."""
        if isinstance(s, GatherScatterMode):
            return s
        found = _MODES.get(s) if s is None or isinstance(s, str) else None
        if found is None:
            raise ValueError(f'Unknown gather mode "{s}"')
        return found


_MODES = {
    None: GatherScatterMode.FILL_OR_DROP,
    "fill": GatherScatterMode.FILL_OR_DROP,
    "drop": GatherScatterMode.FILL_OR_DROP,
    "clip": GatherScatterMode.CLIP,
    "promise_in_bounds": GatherScatterMode.PROMISE_IN_BOUNDS,
    "one_hot": GatherScatterMode.ONE_HOT,
}


def hashable_numbers(numbers, kind: Any):
    """Dimension numbers with all their entries as tuples of Python ints, fit for an equation's parameters.

    Raises
    ------
    TypeError : if they are not a ``kind``, or an entry is not a sequence of integers.
    """
    if not isinstance(numbers, kind):
        raise TypeError(f"dimension_numbers must be of type {kind.__name__}, got {numbers!r} of type {type(numbers).__name__}")
    if all([type(entry) is tuple and all([type(d) is int for d in entry]) for entry in numbers]):
        return numbers
    return kind(*[as_static_ints(entry, f"{name} in dimension_numbers") for name, entry in zip(numbers._fields, numbers)])


def scatter_numbers(numbers: GatherDimensionNumbers) -> ScatterDimensionNumbers:
    """The numbers of the scatter that puts back what a gather took."""
    return ScatterDimensionNumbers(*numbers)


def gather_numbers(numbers: ScatterDimensionNumbers) -> GatherDimensionNumbers:
    """The numbers of the gather that takes what a scatter put."""
    return GatherDimensionNumbers(*numbers)


def window_dims(ndim: int, numbers) -> list[int]:
    """The dimensions of an operand of ``ndim`` that the windows show; ``numbers`` of either kind."""
    hidden = {*numbers[1], *numbers[3]}
    return [i for i in range(ndim) if i not in hidden]


def window_sizes(operand_shape, updates_shape, numbers: ScatterDimensionNumbers) -> tuple[int, ...]:
    """The window size in each dimension of a scatter's operand."""
    sizes = [1] * len(operand_shape)
    for d in numbers.operand_batching_dims:
        sizes[d] = min(1, operand_shape[d])
    for d, u in zip(window_dims(len(operand_shape), numbers), numbers.update_window_dims):
        sizes[d] = updates_shape[u]
    return tuple(sizes)


# --- the rules for shapes -----------------------------------------------------------------------

class _Checker:
    """Checks that say which argument of which operation is at fault."""

    def __init__(self, op: str):
        self.op = op

    def dims(self, name: str, dims, ndim: int, *, ascending: bool) -> None:
        if ascending and any(b < a for a, b in zip(dims, dims[1:])):
            raise TypeError(f"{name} in {self.op} op must be sorted; got {dims}")
        if len(set(dims)) != len(dims):
            raise TypeError(f"{name} in {self.op} op must not repeat; got: {dims}.")
        for d in dims:
            if not 0 <= d < ndim:
                raise TypeError(f"Invalid {name} set in {self.op} op; valid range is [0, {ndim}); got: {d}.")

    def disjoint(self, name: str, dims, other_name: str, others) -> None:
        if not set(dims).isdisjoint(others):
            raise TypeError(f"{name} and {other_name} in {self.op} op must be disjoint; got: {dims} and {others}.")

    def index_dtype(self, indices) -> None:
        if dtypes.kind_of(indices.dtype) not in "iu":
            raise ValueError(f"{self.op}: indices must have an integer type, got {dtypes.dtype_name(indices.dtype)}")

    def shared(self, operand, indices, numbers) -> None:
        """What holds for gather and scatter alike, on the entries they have in common."""
        self.index_dtype(indices)
        names = numbers._fields
        if indices.ndim < 1:
            raise TypeError(f"{self.op}: the last dimension of indices holds the index vectors, so there must be one; "
                            f"got indices of shape {indices.shape}")
        vector_dim = indices.ndim - 1
        _, hidden, index_map, operand_batch, indices_batch = numbers
        if len(index_map) != indices.shape[-1]:
            raise TypeError(f"{self.op} op has {len(index_map)} elements in {names[2]}, and index vectors of size "
                            f"{indices.shape[-1]}. These two numbers must be equal.")
        self.dims(names[2], index_map, operand.ndim, ascending=False)
        self.dims(names[1], hidden, operand.ndim, ascending=True)
        self.dims(names[3], operand_batch, operand.ndim, ascending=True)
        self.dims(names[4], indices_batch, indices.ndim, ascending=False)
        self.disjoint(names[1], hidden, names[3], operand_batch)
        self.disjoint(names[2], index_map, names[3], operand_batch)
        if vector_dim in indices_batch:
            raise TypeError(f"{self.op} op cannot have the index vector dimension as a batching dimension; got "
                            f"{names[4]} {indices_batch}.")
        batches = [operand.shape[i] for i in operand_batch], [indices.shape[i] for i in indices_batch]
        if batches[0] != batches[1]:
            raise TypeError(f"{self.op} op requires operand batching dimensions and indices batching dimensions to have the "
                            f"same shape, got {tuple(batches[0])} and {tuple(batches[1])}.")


def gather_shape(operand, indices, numbers: GatherDimensionNumbers, slice_sizes) -> tuple[int, ...]:
    """The shape of a gather's result, or the error."""
    check = _Checker("gather")
    offset_dims, collapsed, _, operand_batch, _ = numbers
    check.shared(operand, indices, numbers)
    ndim_out = len(offset_dims) + indices.ndim - 1
    check.dims("offset_dims", offset_dims, ndim_out, ascending=True)
    if len(slice_sizes) != operand.ndim:
        raise TypeError("gather op must have one slice size for every input dimension; got "
                        f"slice_sizes {slice_sizes} for operand of shape {operand.shape}")
    if len(slice_sizes) != len(offset_dims) + len(collapsed) + len(operand_batch):
        raise TypeError("gather: each dimension of the operand must be in offset_dims, collapsed_slice_dims or "
                        f"operand_batching_dims; got {numbers} for operand of shape {operand.shape}")
    if 0 not in indices.shape:
        for i, (window, size) in enumerate(zip(slice_sizes, operand.shape)):
            if not 0 <= window <= size:
                raise TypeError(f"Slice size at index {i} in gather op is out of range, must be within [0, {size} + 1), "
                                f"got {window}.")
    for d in collapsed:
        if slice_sizes[d] != 1:
            raise TypeError("gather op can only collapse slice dims with bound 1, but bound is "
                            f"{slice_sizes[d]} for dimension {d}.")
    for d in operand_batch:
        if slice_sizes[d] > 1:
            raise TypeError("gather op can only have operand batching dims with bound 0/1, but bound is "
                            f"{slice_sizes[d]} for dimension {d}.")
    windows = iter([slice_sizes[i] for i in window_dims(operand.ndim, numbers)])
    rows = iter(indices.shape[:-1])
    return tuple([next(windows) if i in offset_dims else next(rows) for i in range(ndim_out)])


def check_scatter(operand, indices, updates, numbers: ScatterDimensionNumbers) -> None:
    """Raise the error if a scatter's operands do not fit."""
    check = _Checker("scatter")
    window, inserted, _, operand_batch, _ = numbers
    check.shared(operand, indices, numbers)
    if operand.dtype != updates.dtype:
        raise TypeError("scatter requires operand and updates to have the same dtype, got "
                        f"{dtypes.dtype_name(operand.dtype)} and {dtypes.dtype_name(updates.dtype)}.")
    if updates.ndim != indices.ndim - 1 + len(window):
        raise TypeError(f"Updates tensor must be of rank {indices.ndim - 1 + len(window)}; got {updates.ndim}.")
    check.dims("update_window_dims", window, updates.ndim, ascending=True)
    if operand.ndim != len(window) + len(inserted) + len(operand_batch):
        raise TypeError("scatter: each dimension of the operand must be in update_window_dims, inserted_window_dims or "
                        f"operand_batching_dims; got {numbers} for operand of shape {operand.shape}")
    for d, u in zip(window_dims(operand.ndim, numbers), window):
        if updates.shape[u] > operand.shape[d]:
            raise TypeError("Bounds of the window dimensions of updates must not exceed the bounds of the corresponding "
                            f"dimensions of operand. For dimension {u}, updates bound is {updates.shape[u]}, operand bound "
                            f"is {operand.shape[d]}.")
    rows = tuple([size for i, size in enumerate(updates.shape) if i not in window])
    if rows != indices.shape[:-1]:
        raise TypeError("Bounds of the scatter dimensions of updates must be the same as the bounds of the corresponding "
                        f"dimensions of scatter indices, got updates of shape {updates.shape} with update_window_dims "
                        f"{window} and indices of shape {indices.shape}.")


# --- a mapped axis ------------------------------------------------------------------------------

def batch_operand(numbers, ndim: int, d: int):
    """The numbers when the operand (and what it is exchanged with) has one more axis that every window spans.

    Parameters
    ----------
    numbers : of a gather or scatter
    ndim : dimensions of the operand, without the new axis
    d : where in the operand the new axis is

    Returns
    -------
    numbers, and where the axis is in the result of the gather (in the updates of the scatter)
    """
    window, hidden, index_map, operand_batch, indices_batch = numbers
    k = sum([i < d for i in window_dims(ndim, numbers)])        # the axis is the k-th that windows show
    to = window[k] if k < len(window) else window[-1] + 1 if window else 0
    shifted = [w + (w >= to) for w in window]
    shift = _shift_past(d)
    return type(numbers)((*shifted[:k], to, *shifted[k:]), shift(hidden), shift(index_map), shift(operand_batch),
                         indices_batch), to


def batch_indices(numbers):
    """The numbers when the indices, and the windows' rows, have one more axis in front."""
    window, hidden, index_map, operand_batch, indices_batch = numbers
    shift = _shift_past(0)
    return type(numbers)(shift(window), hidden, index_map, operand_batch, shift(indices_batch))


def batch_both(numbers):
    """The numbers when operand and indices have one more axis in front, that runs in step."""
    shift = _shift_past(0)
    window, hidden, index_map, operand_batch, indices_batch = [shift(dims) for dims in numbers]
    return type(numbers)(window, hidden, index_map, (0, *operand_batch), (0, *indices_batch))


def _shift_past(d: int):
    return lambda dims: tuple([i + (i >= d) for i in dims])
