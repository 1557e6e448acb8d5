"""Gather and scatter as loops, straight from StableHLO's definition of what dimension numbers mean."""

import itertools

import numpy as np
from hypothesis import strategies as st

from ferax._src.ops.indexing import GatherDimensionNumbers


def windows(shape, indices, numbers, sizes, mode):
    """For each index vector the place of its window: (row of the indices, start in the operand or None if left out)."""
    _, _, index_map, operand_batch, indices_batch = numbers
    for row in np.ndindex(indices.shape[:-1]):
        start = [0] * len(shape)
        for d, i in zip(index_map, indices[row]):
            start[d] = int(i)
        for d, r in zip(operand_batch, indices_batch):
            start[d] = row[r]
        inside = all(0 <= start[d] <= shape[d] - sizes[d] for d in range(len(shape)))
        if not inside and mode == "fill":
            start = None
        elif not inside:
            start = [min(max(s, 0), n - w) for s, n, w in zip(start, shape, sizes)]
        yield row, start


def pairs(shape, indices, numbers, sizes, mode):
    """Element of the windowed array <-> element of the operand (None: left out)."""
    window, hidden, _, operand_batch, _ = numbers
    shown = [d for d in range(len(shape)) if d not in hidden and d not in operand_batch]
    ndim = len(window) + indices.ndim - 1
    rows = [d for d in range(ndim) if d not in window]
    for row, start in windows(shape, indices, numbers, sizes, mode):
        for offset in itertools.product(*[range(sizes[d]) for d in shown]):
            out = [0] * ndim
            for d, r in zip(rows, row):
                out[d] = r
            for d, o in zip(window, offset):
                out[d] = o
            at = None
            if start is not None:
                place = list(start)
                for d, o in zip(shown, offset):
                    place[d] += o
                at = tuple(place)
            yield tuple(out), at


def windowed_shape(indices, numbers, sizes) -> tuple:
    """The shape of a gather's result, and of a scatter's updates."""
    window, hidden, _, operand_batch, _ = numbers
    shown = iter([size for d, size in enumerate(sizes) if d not in hidden and d not in operand_batch])
    rows = iter(indices.shape[:-1])
    return tuple(next(shown) if d in window else next(rows) for d in range(len(window) + indices.ndim - 1))


def gathered(x, indices, numbers, sizes, mode, fill=np.nan):
    out = np.full(windowed_shape(indices, numbers, sizes), fill, x.dtype)
    for o, at in pairs(x.shape, indices, numbers, sizes, mode):
        if at is not None:
            out[o] = x[at]
    return out


def scattered(combine, x, indices, updates, numbers, sizes, mode):
    out = x.copy()
    for o, at in pairs(x.shape, indices, numbers, sizes, mode):
        if at is not None:
            out[at] = combine(out[at], updates[o])
    return out


@st.composite
def problems(draw, sizes=st.integers(1, 3), index_dtypes=("int8", "int32", "uint8", "uint32")):
    """Any gather: (shape of the operand, indices, dimension numbers, slice sizes); about every third window leads out."""
    shape = tuple(draw(st.lists(sizes, min_size=1, max_size=4)))
    roles = draw(st.lists(st.sampled_from(["window", "window", "hidden", "batch"]), min_size=len(shape), max_size=len(shape)))
    operand_batch = [d for d, role in enumerate(roles) if role == "batch"]
    hidden = [d for d, role in enumerate(roles) if role == "hidden"]
    shown = [d for d, role in enumerate(roles) if role == "window"]
    movable = draw(st.permutations([d for d in range(len(shape)) if d not in operand_batch]))
    index_map = movable[:draw(st.integers(0, len(movable)))]
    slices = tuple(draw(st.integers(0 if size == 1 else 1, size)) if d in shown else 1 for d, size in enumerate(shape))

    kinds = draw(st.permutations([*operand_batch, *[None] * draw(st.integers(0, 2))]))  # of the rows: in step with what
    rows = tuple(draw(st.integers(1, 2)) if d is None else shape[d] for d in kinds)
    indices_batch = [kinds.index(d) for d in operand_batch]
    offsets = sorted(draw(st.permutations(range(len(rows) + len(shown))))[:len(shown)])
    numbers = GatherDimensionNumbers(*map(tuple, (offsets, hidden, index_map, operand_batch, indices_batch)))

    dtype = np.dtype(draw(st.sampled_from(index_dtypes)))
    seed = draw(st.integers(0, 2**16))
    indices = np.random.default_rng(seed).integers(-1 if dtype.kind == "i" else 0, 4, (*rows, len(index_map)))
    return shape, indices.astype(dtype), numbers, slices
