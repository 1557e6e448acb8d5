"""Reductions over segments: the rows of an array that have the same number are added up, multiplied, or compared.

Each is a scatter into an array of the operation's identities. With a bucket size, each bucket of so many rows is reduced
by itself first, so that sums of many numbers lose fewer digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ferax._src.numpy import reductions, util
from ferax._src.numpy.fills import full
from ferax._src.numpy.ranges import arange
from ferax._src.ops.placing import placed
from ferax._src.ops.static import as_static_int
from ferax._src.tracing.core import Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors


def _extreme(dtype, greatest: bool):
    """The greatest or least number of a dtype."""
    kind = dtypes.kind_of(dtype)
    if kind == "b":
        return greatest
    if kind in "iu":
        info = dtypes.iinfo(dtype)
        return int(info.max if greatest else info.min)
    return math.inf if greatest else -math.inf


# For each reduction its update of elements, its identity, and the reduction of the results of buckets.
_KINDS: dict[str, tuple[str, Callable, Callable]] = {
    "segment_sum": ("add", lambda dtype: 0, reductions.sum),
    "segment_prod": ("multiply", lambda dtype: 1, reductions.prod),
    "segment_max": ("max", lambda dtype: _extreme(dtype, False), reductions.max),
    "segment_min": ("min", lambda dtype: _extreme(dtype, True), reductions.min),
}


def _reduced(name: str, data, segment_ids, num_segments, indices_are_sorted, unique_indices, bucket_size, mode, out_sharding):
    update, identity, reduce_ = _KINDS[name]
    data, ids = util.ensure_arraylike(name, data, segment_ids)
    if dtypes.kind_of(ids.dtype) not in "iub":
        raise TypeError(f"{name}: segment_ids must be integers, got dtype {dtypes.dtype_name(ids.dtype)}")
    if dtypes.kind_of(data.dtype) == "b" and name in ("segment_sum", "segment_prod"):
        raise TypeError(f"{name} does not accept dtype bool; convert data to integers first")
    if num_segments is None:
        if isinstance(ids, Tracer) and ids.concrete_value() is None:
            raise errors.ConcretizationTypeError(ids, f"{name}: without num_segments the segment_ids must be known, since their "
                                                 "maximum decides the shape of the result; pass num_segments")
        if ids.size == 0:
            raise ValueError(f"{name}: without segment_ids, num_segments must be given: their maximum has no identity")
        num_segments = int(np.max(np.asarray(ids))) + 1
    num_segments = as_static_int(num_segments, f"{name}: num_segments")
    if num_segments < 0:
        raise ValueError(f"{name}: num_segments must be non-negative, got {num_segments}.")
    mode = "drop" if mode is None else mode
    options = {"indices_are_sorted": indices_are_sorted, "unique_indices": unique_indices, "mode": mode, "wrap_negative_indices": False}
    shape = (num_segments, *data.shape[1:])
    if bucket_size is None:
        out = full(shape, identity(data.dtype), data.dtype)
        out = getattr(out.at[ids], update)(data, **options)
    else:
        bucket_size = as_static_int(bucket_size, f"{name}: bucket_size")
        if bucket_size < 1:
            raise ValueError(f"{name}: bucket_size must be positive, got {bucket_size}")
        out = full((-(-ids.size // bucket_size), *shape), identity(data.dtype), data.dtype)
        out = getattr(out.at[arange(ids.shape[0]) // bucket_size, ids], update)(data, **options)
        out = reduce_(out, axis=0).astype(data.dtype)
    return out if out_sharding is None else placed(out, out_sharding, name)


def segment_sum(data, segment_ids, num_segments=None, indices_are_sorted=False, unique_indices=False, bucket_size=None,
                mode=None, out_sharding=None):
    """Sums over segments: row i of the result is the sum of the rows of ``data`` with the number i.

    Parameters
    ----------
    data : array
    segment_ids : array of integers, shape ``data.shape[:1]``; numbers of segments. They may repeat, and be in any order
    num_segments : int; rows of the result, by default one more than the greatest number. It must be known while tracing
    indices_are_sorted, unique_indices : bool; promises about ``segment_ids``
    bucket_size : int; rows that are reduced together first, for more exact sums
    mode : str or GatherScatterMode; what happens to rows with numbers out of bounds. By default they are left out
    out_sharding : sharding of the result, or None

    Returns
    -------
    array, shape ``(num_segments, *data.shape[1:])``; segments without rows have 0

    Raises
    ------
    ValueError : for a negative ``num_segments``, or none where there are no ``segment_ids``

    Examples
    --------
    >>> segment_sum(jnp.arange(5), jnp.array([0, 0, 1, 1, 2]))
    Array([1, 5, 4], dtype=int32)
    """
    return _reduced("segment_sum", data, segment_ids, num_segments, indices_are_sorted, unique_indices, bucket_size, mode, out_sharding)


def segment_prod(data, segment_ids, num_segments=None, indices_are_sorted=False, unique_indices=False, bucket_size=None,
                 mode=None, out_sharding=None):
    """Products over segments; parameters as of `segment_sum`. Segments without rows have 1.

    Examples
    --------
    >>> ferax.ops.segment_prod(jnp.array([2, 3, 4]), jnp.array([0, 0, 1]))
    Array([6, 4], dtype=int32)
    """
    return _reduced("segment_prod", data, segment_ids, num_segments, indices_are_sorted, unique_indices, bucket_size, mode, out_sharding)


def segment_max(data, segment_ids, num_segments=None, indices_are_sorted=False, unique_indices=False, bucket_size=None,
                mode=None, out_sharding=None):
    """The greatest elements of segments; parameters as of `segment_sum`. Segments without rows have the least number.

    Examples
    --------
    >>> ferax.ops.segment_max(jnp.array([2, 3, 4]), jnp.array([0, 0, 1]))
    Array([3, 4], dtype=int32)
    """
    return _reduced("segment_max", data, segment_ids, num_segments, indices_are_sorted, unique_indices, bucket_size, mode, out_sharding)


def segment_min(data, segment_ids, num_segments=None, indices_are_sorted=False, unique_indices=False, bucket_size=None,
                mode=None, out_sharding=None):
    """The least elements of segments; parameters as of `segment_sum`. Segments without rows have the greatest number.

    Examples
    --------
    >>> ferax.ops.segment_min(jnp.array([2, 3, 4]), jnp.array([0, 0, 1]))
    Array([2, 4], dtype=int32)
    """
    return _reduced("segment_min", data, segment_ids, num_segments, indices_are_sorted, unique_indices, bucket_size, mode, out_sharding)
