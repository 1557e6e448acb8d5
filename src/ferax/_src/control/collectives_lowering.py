"""StableHLO's collectives, for the bodies of `shard_map`: devices of a mesh exchange data along its axes.

Each takes *groups*, an array of program partitions with a row for each group that exchanges data among itself. Where the
rows have one entry there is nobody to talk to, and no collective is written.
"""

from __future__ import annotations

import numpy as np

from ferax._src.control.manual_context import ManualContext


def groups_of(ctx, who: str, names: tuple, axis_index_groups=None) -> np.ndarray:
    """The partitions that take part in a collective over named axes.

    Raises
    ------
    NameError : if the names are not manual mesh axes here.
    """
    context = ctx.axis_context
    unbound = [n for n in names if not isinstance(context, ManualContext) or n not in context.names]
    if unbound:
        raise NameError(f"unbound axis name: {unbound[0]}. {who} needs an axis of vmap(..., axis_name={unbound[0]!r}), or a mesh axis that "
                        "is manual in a shard_map or pmap around it. See docs/errors/unbound-axis.md")
    return context.groups(names, axis_index_groups)


def channel(ctx, groups, **attrs) -> dict:
    """The attributes that all collectives but permutations have, and ``attrs``."""
    return {"replica_groups": ctx.i64_tensor(groups), "channel_handle": ctx.channel_handle(), **attrs}


def all_reduce(ctx, x, aval, groups, operation: str):
    """``operation`` (of StableHLO, on scalars) over the values of each group."""
    if groups.shape[1] == 1:
        return x
    op = ctx.op("stablehlo.all_reduce", (x,), [x.type], channel(ctx, groups, use_global_device_ids=ctx.unit), regions=1)
    ctx.reducer_region(op.regions[0], [aval.dtype], operation)
    return op.result


def all_gather(ctx, x, shape, dtype, groups, dimension: int):
    """The values of each group joined along a dimension; ``shape`` is that of one value."""
    size = groups.shape[1]
    if size == 1:
        return x
    out = ctx.tensor((*shape[:dimension], shape[dimension] * size, *shape[dimension + 1:]), dtype)
    return ctx.op("stablehlo.all_gather", (x,), [out], channel(
        ctx, groups, use_global_device_ids=ctx.unit, all_gather_dim=ctx.i64(dimension))).result


def reduce_scatter(ctx, x, shape, dtype, groups, dimension: int):
    """The sum of each group's values, of which each keeps its part along a dimension."""
    size = groups.shape[1]
    if size == 1:
        return x
    out = ctx.tensor((*shape[:dimension], shape[dimension] // size, *shape[dimension + 1:]), dtype)
    op = ctx.op("stablehlo.reduce_scatter", (x,), [out], channel(
        ctx, groups, use_global_device_ids=ctx.unit, scatter_dimension=ctx.i64(dimension)), regions=1)
    ctx.reducer_region(op.regions[0], [dtype], "stablehlo.add")
    return op.result


def all_to_all(ctx, x, shape, dtype, groups, split: int, concat: int):
    """Parts along the dimension ``split`` go round each group, and are joined along ``concat``."""
    size = groups.shape[1]
    if size == 1:
        return x
    shape = list(shape)
    shape[split] //= size
    shape[concat] *= size
    return ctx.op("stablehlo.all_to_all", (x,), [ctx.tensor(tuple(shape), dtype)], channel(
        ctx, groups, split_dimension=ctx.i64(split), concat_dimension=ctx.i64(concat), split_count=ctx.i64(size))).result


def permute(ctx, x, groups, perm):
    """Values sent within each group, from place to place; zeros where none arrives."""
    pairs = np.array([[row[source], row[target]] for row in groups for source, target in perm], np.int64).reshape(-1, 2)
    attrs = {"source_target_pairs": ctx.i64_tensor(pairs), "channel_handle": ctx.channel_handle()}
    return ctx.op("stablehlo.collective_permute", (x,), [x.type], attrs).result


def place_in_group(ctx, groups):
    """The place of the present device in its group, int32."""
    here = ctx.op("stablehlo.partition_id", (), [ctx.tensor((), np.uint32)]).result
    places = np.empty(groups.size, np.int32)
    places[groups.ravel()] = np.tile(np.arange(groups.shape[1], dtype=np.int32), len(groups))
    row = ctx.op("stablehlo.dynamic_slice", (ctx.dense(places), here), [ctx.tensor((1,), np.int32)], {"slice_sizes": ctx.i64s((1,))}).result
    return ctx.reshape(row, (), np.int32)
