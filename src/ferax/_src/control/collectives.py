"""Collectives: operations over a named axis, that of ``vmap(..., axis_name=...)`` or of a device mesh.

Under ``vmap`` the axis is an axis of an array, and each collective is an ordinary operation along it: a sum, a
transposition, a permutation of rows. Batching rules bring the mapped axis to the front, do that, and hand on what
concerns other names. Using a name is an effect of the equation: so a transformation that binds the name sees
equations whose operands it does not map (``axis_index``, a ``psum`` of a constant).

This file has the primitives; what users call is in `collectives_api`.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.control import collectives_lowering as talk
from ferax._src.ops.axes import move_axis, place_axis
from ferax._src.ops.broadcasting import broadcast_in_dim, reduce_sum
from ferax._src.ops.compare import eq
from ferax._src.ops.convert import convert
from ferax._src.ops.dynamic_slicing import dynamic_index_in_dim
from ferax._src.ops.elementwise import add, div, mul
from ferax._src.ops.gather import gather
from ferax._src.ops.indexing import GatherDimensionNumbers
from ferax._src.ops.reduce import reduce_max, reduce_min
from ferax._src.ops.select import select
from ferax._src.ops.shape import iota, reshape
from ferax._src.ops.slicing import index_in_dim
from ferax._src.ops.zeros import instantiate_zeros, zeros
from ferax._src.tracing.core import MappedAxis, NamedAxisEffect, Primitive, Zero, register
from ferax._src.transforms.batch import batch_flat, unbatched_aval
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.util import config


class Collective(Primitive):
    """Base: the names that an equation uses are its effects, and its parameter ``axis_name`` (or ``axes``) says them."""

    has_effects = True

    def names(self, params) -> tuple:
        names = params["axes"] if "axes" in params else params["axis_name"]
        return names if isinstance(names, tuple) else (names,)

    def effects_of(self, *avals, **params):
        return frozenset([NamedAxisEffect(name) for name in self.names(params)])

    def lower(self, ctx, *values, **params):
        groups = talk.groups_of(ctx, self.name, self.names(params), params.get("axis_index_groups"))
        return self.exchange(ctx, groups, *values, **params)

    def exchange(self, ctx, groups, *values, **params):
        """The collective among the devices of each of ``groups``, which are rows of partitions."""
        raise self.missing_rule("exchange", "a lowering for the devices of a mesh")

    def batch(self, axis, args, dims, **params):
        self.abstract_eval(*[unbatched_aval(aval_of(x), d) for x, d in zip(args, dims)], **params)      # checks sizes
        if axis.name is not None and axis.name in self.names(params):
            if params.get("axis_index_groups") is not None:
                return self.in_groups(axis, args, dims, **params)
            return self.along(axis, args, dims, **params)
        return self.beside(axis, args, dims, **params)

    def in_groups(self, axis, args, dims, *, axis_index_groups, **params):
        """The collective among the places of each group: the mapped axis becomes two, of groups and of places in them."""
        if len(self.names(params)) != 1:
            raise NotImplementedError(f"{self.name}: axis_index_groups with several axes, {self.names(params)}, are not supported under "
                                      "vmap. Map over one axis of their joint size.")
        n, size = len(axis_index_groups), len(axis_index_groups[0])
        order = np.array(axis_index_groups, np.int32).ravel()
        if len(order) != axis.size:
            raise ValueError(f"{self.name}: axis_index_groups must hold every index of the axis {axis.name!r}, 0 to {axis.size - 1}, "
                             f"once; got {axis_index_groups}")
        inner = MappedAxis(size, axis.name)
        inner_dims = [None if d is None else 0 for d in dims]

        def one_group(*xs):
            outs, out_dims = self.along(inner, list(xs), inner_dims, axis_index_groups=None, **params)
            return [place_axis(x, d, size, 0) for x, d in zip(outs, out_dims)]

        rows = [x if d is None else cut(take_rows(move_axis(x, d, 0), order), 0, n) for x, d in zip(args, dims)]
        outs, out_dims = batch_flat(one_group, rows, inner_dims, MappedAxis(n))
        back = np.argsort(order).astype(np.int32)
        return [take_rows(merge(place_axis(x, d, n, 0), 0), back) for x, d in zip(outs, out_dims)], [0] * len(outs)

    def along(self, axis, args, dims, **params):
        """The collective where the mapped axis is the one it is over."""
        raise self.missing_rule("along", "a batching rule for its own axis")

    def beside(self, axis, args, dims, **params):
        """The collective where another axis is mapped."""
        return self.bind(*args, **params), dims


class LinearCollective(Collective):
    """A collective of one operand, linear in it."""

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        (t,) = tangents
        return outs, [Zero.of(outs[0])] if type(t) is Zero else self.bind(t, **params)


# --- reductions -----------------------------------------------------------------------------------

class Reduction(Collective):
    """All operands, each reduced over the axes ``axes``."""

    types_varying = True
    reduce = None                               # (x, (d,)) -> x reduced along d
    operation = ""                              # StableHLO's, on two scalars

    def abstract_eval(self, *avals, axes, axis_index_groups):
        return [ShapedArray(a.shape, a.dtype, a.weak_type, varying=self.varying_of(a, axes, axis_index_groups)) for a in avals]

    def varying_of(self, aval, axes, axis_index_groups) -> frozenset:
        """Along which mesh axes the result varies: not along those it is reduced over, if by all together."""
        return aval.varying.difference(axes) if axis_index_groups is None else aval.varying

    def along(self, axis, args, dims, *, axes, axis_index_groups):
        args = [self.unmapped(x, axis.size) if d is None else type(self).reduce(x, (d,)) for x, d in zip(args, dims)]
        rest = tuple([name for name in axes if name != axis.name])
        outs = self.bind(*args, axes=rest, axis_index_groups=axis_index_groups) if rest else args
        return outs, [None] * len(outs)

    def unmapped(self, x, size: int):
        """The reduction of ``size`` equal values."""
        return x

    def exchange(self, ctx, groups, *values, axes, axis_index_groups):
        return [talk.all_reduce(ctx, x, aval, groups, self.operation) for x, aval in zip(values, ctx.avals_in)]


class PSum(Reduction):
    name = "psum"
    reduce = staticmethod(reduce_sum)
    operation = "stablehlo.add"

    def varying_of(self, aval, axes, axis_index_groups):
        return aval.varying                     # it is its own transpose, where nobody keeps track; see `PSumInvariant`

    def unmapped(self, x, size: int):
        return mul(x, aval_of(x).dtype.type(size))

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        active = [t for t in tangents if type(t) is not Zero]
        sums = iter(self.bind(*active, **params) if active else ())
        return outs, [t if type(t) is Zero else next(sums) for t in tangents]

    def transpose(self, cts, *args, axes, axis_index_groups):
        active = [instantiate_zeros(ct) for ct in cts if type(ct) is not Zero]
        sums = iter(self.bind(*active, axes=axes, axis_index_groups=axis_index_groups) if active else ())
        return [ct if type(ct) is Zero else next(sums) for ct in cts]


class PSumInvariant(PSum):
    """`psum` over mesh axes where types say along which of them values vary: a result that does not, of values that may.

    The cotangent of the result is one and the same everywhere, and is that of every operand.
    """

    name = "psum_invariant"
    varying_of = Reduction.varying_of

    def transpose(self, cts, *args, axes, axis_index_groups):
        return [ct if type(ct) is Zero else pvary_p.bind(ct, axes=axes)[0] for ct in cts]


class PVary(Primitive):
    """The operand, from now on said to vary along the mesh axes ``axes``; nothing is done."""

    name = "pvary"
    types_varying = True
    handles_extended_dtypes = True
    recompute = True

    def abstract_eval(self, x, *, axes):
        return [x.update(varying=x.varying.union(axes))]

    def lower(self, ctx, x, *, axes):
        return [x]

    def jvp(self, primals, tangents, *, axes):
        outs = self.bind(*primals, axes=axes)
        (t,) = tangents
        return outs, [Zero.of(outs[0])] if type(t) is Zero else self.bind(t, axes=axes)

    def transpose(self, cts, x, *, axes):
        return psum_invariant_p.bind(*cts, axes=axes, axis_index_groups=None)

    def batch(self, axis, args, dims, *, axes):
        return self.bind(*args, axes=axes), dims


class PExtremum(Reduction):
    """The largest, or least; its tangent is the mean of the tangents where it is attained."""

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        out_tangents = []
        for x, t, out in zip(primals, tangents, outs):
            if type(t) is Zero:
                out_tangents.append(Zero.of(out))
                continue
            attained = convert(eq(x, out), aval_of(t).dtype)
            add_up = psum_p if aval_of(x).varying.isdisjoint(params["axes"]) or params["axis_index_groups"] else psum_invariant_p
            (count,) = add_up.bind(attained, **params)          # apart from the tangents: it does not depend on them
            (total,) = add_up.bind(mul(attained, t), **params)
            out_tangents.append(div(total, count))
        return outs, out_tangents


class PMax(PExtremum):
    name = "pmax"
    reduce = staticmethod(reduce_max)
    operation = "stablehlo.maximum"


class PMin(PExtremum):
    name = "pmin"
    reduce = staticmethod(reduce_min)
    operation = "stablehlo.minimum"


psum_p = register(PSum())
psum_invariant_p = register(PSumInvariant())
pvary_p = register(PVary())
pmax_p = register(PMax())
pmin_p = register(PMin())


# --- the place along the axis ---------------------------------------------------------------------

class AxisIndex(Collective):
    name = "axis_index"

    def abstract_eval(self, *, axis_name):
        return [ShapedArray((), np.dtype(np.int32))]

    def jvp(self, primals, tangents, **params):
        outs = self.bind(**params)
        return outs, [Zero.of(outs[0])]

    def along(self, axis, args, dims, *, axis_name):
        return [iota(np.int32, axis.size)], [0]

    def exchange(self, ctx, groups, *, axis_name):
        places = ctx.axis_context.places
        if groups.shape[1] == 1:
            return [ctx.scalar(0, np.int32)]
        return [talk.place_in_group(ctx, groups) if places is None else ctx.reshape(places[axis_name], (), np.int32)]


axis_index_p = register(AxisIndex())


# --- moving data ----------------------------------------------------------------------------------

class AllGather(LinearCollective):
    """The values of all, stacked along ``all_gather_dimension`` or, ``tiled``, joined along it."""

    name = "all_gather"

    def abstract_eval(self, x, *, all_gather_dimension, axis_name, axis_index_groups, axis_size, tiled):
        shape = list(x.shape)
        if tiled:
            shape[all_gather_dimension] *= axis_size
        else:
            shape.insert(all_gather_dimension, axis_size)
        return [ShapedArray(tuple(shape), x.dtype, x.weak_type)]

    def transpose(self, cts, x, *, all_gather_dimension, **params):
        return reduce_scatter_p.bind(*cts, scatter_dimension=all_gather_dimension, **params)

    def along(self, axis, args, dims, *, all_gather_dimension, tiled, **params):
        (x,), (d,), k = args, dims, all_gather_dimension
        x = place_axis(x, d, axis.size, k)
        if tiled:
            x = merge(x, k)
        return [x], [None]

    def exchange(self, ctx, groups, x, *, all_gather_dimension, tiled, **params):
        shape, dtype, k = ctx.avals_in[0].shape, ctx.avals_in[0].dtype, all_gather_dimension
        if not tiled:
            shape = (*shape[:k], 1, *shape[k:])
            x = ctx.reshape(x, shape, dtype)
        return [talk.all_gather(ctx, x, shape, dtype, groups, k)]

    def beside(self, axis, args, dims, *, all_gather_dimension, **params):
        x = move_axis(args[0], dims[0], 0)
        return self.bind(x, all_gather_dimension=all_gather_dimension + 1, **params), [0]


class ReduceScatter(LinearCollective):
    """The sum over all, of which each keeps its part along ``scatter_dimension``."""

    name = "reduce_scatter"

    def abstract_eval(self, x, *, scatter_dimension, axis_name, axis_index_groups, axis_size, tiled):
        shape = list(x.shape)
        if tiled:
            if shape[scatter_dimension] % axis_size:
                raise ValueError(f"tiled reduce_scatter operand scatter dimension size {shape[scatter_dimension]} must be divisible by "
                                 f"shard count {axis_size}; the operand has shape {x.shape}")
            shape[scatter_dimension] //= axis_size
        else:
            if shape[scatter_dimension] != axis_size:
                raise ValueError(f"reduce_scatter operand scatter dimension size {shape[scatter_dimension]} must match shard count "
                                 f"{axis_size}; the operand has shape {x.shape}")
            del shape[scatter_dimension]
        return [ShapedArray(tuple(shape), x.dtype, x.weak_type)]

    def transpose(self, cts, x, *, scatter_dimension, **params):
        return all_gather_p.bind(*cts, all_gather_dimension=scatter_dimension, **params)

    def along(self, axis, args, dims, *, scatter_dimension, tiled, **params):
        (x,), (d,), k = args, dims, scatter_dimension
        total = mul(x, aval_of(x).dtype.type(axis.size)) if d is None else reduce_sum(x, (d,))
        return [cut(total, k, axis.size) if tiled else total], [k]

    def exchange(self, ctx, groups, x, *, scatter_dimension, tiled, **params):
        (aval,), (out,) = ctx.avals_in, ctx.avals_out
        x = talk.reduce_scatter(ctx, x, aval.shape, aval.dtype, groups, scatter_dimension)
        return [x if tiled else ctx.reshape(x, out.shape, out.dtype)]

    def beside(self, axis, args, dims, *, scatter_dimension, **params):
        x = move_axis(args[0], dims[0], 0)
        return self.bind(x, scatter_dimension=scatter_dimension + 1, **params), [0]


class AllToAll(LinearCollective):
    """Each cuts its value along ``split_axis``, sends the parts around, and joins what it gets along ``concat_axis``.

    Not ``tiled``, the parts lose the split axis and are stacked.
    """

    name = "all_to_all"

    def abstract_eval(self, x, *, split_axis, concat_axis, axis_name, axis_index_groups, axis_size, tiled):
        shape = list(x.shape)
        if tiled:
            if shape[split_axis] % axis_size:
                raise ValueError(f"all_to_all: the size {shape[split_axis]} of split_axis {split_axis} must be divisible by the size "
                                 f"{axis_size} of the axis {axis_name!r}; the operand has shape {x.shape}")
            shape[split_axis] //= axis_size
            shape[concat_axis] *= axis_size
        else:
            if shape[split_axis] != axis_size:
                raise ValueError(f"all_to_all requires the size of the mapped axis axis_name to equal x.shape[split_axis], but they are "
                                 f"{axis_size} and {shape[split_axis]} respectively; the operand has shape {x.shape}")
            del shape[split_axis]
            shape.insert(concat_axis, axis_size)
        return [ShapedArray(tuple(shape), x.dtype, x.weak_type)]

    def transpose(self, cts, x, *, split_axis, concat_axis, **params):
        return self.bind(*cts, split_axis=concat_axis, concat_axis=split_axis, **params)

    def along(self, axis, args, dims, *, split_axis, concat_axis, axis_name, tiled, **params):
        if len(names := self.names({"axis_name": axis_name})) > 1:
            return batch_flat(lambda x: [exchange_over_several(x, names, split_axis, concat_axis, tiled)], args, dims, axis)
        x = place_axis(args[0], dims[0], axis.size, 0)          # sender, value
        x = cut(x, split_axis + 1, axis.size) if tiled else x
        x = move_axis(x, split_axis + 1, 0)                     # receiver, sender, part
        x = move_axis(x, 1, concat_axis + 1)
        return [merge(x, concat_axis + 1) if tiled else x], [0]

    def exchange(self, ctx, groups, x, *, split_axis, concat_axis, tiled, **params):
        (aval,), (out,) = ctx.avals_in, ctx.avals_out
        shape, split, concat = aval.shape, split_axis, concat_axis
        if not tiled:                           # parts of size 1, joined along a dimension that is new
            concat += concat > split
            split += concat <= split
            shape = (*shape[:concat], 1, *shape[concat:])
            x = ctx.reshape(x, shape, aval.dtype)
        x = talk.all_to_all(ctx, x, shape, aval.dtype, groups, split, concat)
        return [x if tiled else ctx.reshape(x, out.shape, out.dtype)]

    def beside(self, axis, args, dims, *, split_axis, concat_axis, **params):
        x = move_axis(args[0], dims[0], 0)
        return self.bind(x, split_axis=split_axis + 1, concat_axis=concat_axis + 1, **params), [0]


class PPermute(LinearCollective):
    """Values sent from place to place, ``perm`` being (source, destination) pairs; who gets none has zeros."""

    name = "ppermute"

    def abstract_eval(self, x, *, axis_name, perm):
        return [ShapedArray(x.shape, x.dtype, x.weak_type)]

    def transpose(self, cts, x, *, axis_name, perm):
        return self.bind(*cts, axis_name=axis_name, perm=tuple([(dst, src) for src, dst in perm]))

    def along(self, axis, args, dims, *, axis_name, perm):
        if len(axis_name) > 1:
            return batch_flat(lambda x: [permute_over_several(x, axis_name, perm)], args, dims, axis)
        x = place_axis(args[0], dims[0], axis.size, 0)
        source = {dst: src for src, dst in perm}
        rows = take_rows(x, np.array([source.get(i, 0) for i in range(axis.size)], np.int32))
        if len(source) < axis.size:
            received = np.array([i in source for i in range(axis.size)])
            aval = aval_of(rows)
            rows = select(broadcast_in_dim(received, aval.shape, (0,)), rows, zeros(aval))
        return [rows], [0]

    def exchange(self, ctx, groups, x, *, axis_name, perm):
        return [talk.permute(ctx, x, groups, perm)]


class PBroadcast(LinearCollective):
    """The value of place ``source``, everywhere."""

    name = "pbroadcast"

    def abstract_eval(self, x, *, axis_name, source):
        return [ShapedArray(x.shape, x.dtype, x.weak_type)]

    def transpose(self, cts, x, *, axis_name, source):
        (ct,) = cts
        (total,) = psum_p.bind(ct, axes=(axis_name,), axis_index_groups=None)
        here = eq(axis_index_p.bind(axis_name=axis_name)[0], np.int32(source))
        return [select(broadcast_in_dim(here, aval_of(total).shape, ()), total, zeros(aval_of(total)))]

    def along(self, axis, args, dims, *, axis_name, source):
        (x,), (d,) = args, dims
        return [x if d is None else index_in_dim(x, source, d, keepdims=False)], [None]

    def exchange(self, ctx, groups, x, *, axis_name, source):
        (aval,), size = ctx.avals_in, groups.shape[1]
        if size == 1:
            return [x]
        if ctx.platform != "cpu":
            groups = np.concatenate([groups[:, source:source + 1], np.delete(groups, source, axis=1)], axis=1)
            return [ctx.op("stablehlo.collective_broadcast", (x,), [x.type], talk.channel(ctx, groups)).result]
        # XLA's CPU has no broadcast: all are gathered, and one is taken.
        shape = (1, *aval.shape)
        x = talk.all_gather(ctx, ctx.reshape(x, shape, aval.dtype), shape, aval.dtype, groups, 0)
        ends = [(source, source + 1), *((0, n) for n in aval.shape)]
        one = ctx.op("stablehlo.slice", (x,), [ctx.tensor(shape, aval.dtype)], {
            "start_indices": ctx.i64s([a for a, _ in ends]), "limit_indices": ctx.i64s([b for _, b in ends]),
            "strides": ctx.i64s([1] * len(ends))}).result
        return [ctx.reshape(one, aval.shape, aval.dtype)]


all_gather_p = register(AllGather())
reduce_scatter_p = register(ReduceScatter())
all_to_all_p = register(AllToAll())
ppermute_p = register(PPermute())
pbroadcast_p = register(PBroadcast())


# --- several axes as one: the last one varies fastest -----------------------------------------------

def exchange_over_several(x, names, split_axis: int, concat_axis: int, tiled: bool):
    """`all_to_all` over several axes, one after the other: each moves its own part of the index of the receiver."""
    sizes = [size_of_axis(name, "all_to_all") for name in names]
    if tiled:
        x = cut(x, split_axis, math.prod(sizes))
    for i, (name, size) in enumerate(zip(names, sizes)):
        k = split_axis + i
        if i + 1 < len(names):
            x = cut(x, k, size)
        (x,) = all_to_all_p.bind(x, split_axis=k, concat_axis=k, axis_name=name, axis_index_groups=None, axis_size=size, tiled=False)
    for _ in names[1:]:
        x = merge(x, split_axis)
    x = move_axis(x, split_axis, concat_axis)
    return merge(x, concat_axis) if tiled else x


def permute_over_several(x, names, perm):
    """`ppermute` over several axes: of the values of all, the one of the source."""
    size, here = 1, np.int32(0)
    for name in names:
        n = size_of_axis(name, "ppermute")
        size *= n
        here = add(mul(here, np.int32(n)), axis_index_p.bind(axis_name=name)[0])
    for i, name in enumerate(reversed(names)):
        (x,) = all_gather_p.bind(x, all_gather_dimension=0, axis_name=(name,), axis_index_groups=None,
                                 axis_size=size_of_axis(name, "ppermute"), tiled=False)
        x = merge(x, 0) if i else x
    source = {dst: src for src, dst in perm}
    rows = np.array([source.get(i, 0) for i in range(size)], np.int32)
    received = np.array([i in source for i in range(size)])
    value = dynamic_index_in_dim(x, dynamic_index_in_dim(rows, here, 0, False), 0, False)
    if len(source) == size:
        return value
    mine = broadcast_in_dim(dynamic_index_in_dim(received, here, 0, False), aval_of(value).shape, ())
    return select(mine, value, zeros(aval_of(value)))


def size_of_axis(name, who: str) -> int:
    """The size of the innermost axis of a name.

    Raises
    ------
    NameError : if no such axis is bound here.
    """
    for bound, size in reversed(config.axis_env.value):
        if bound == name:
            return size
    names = [repr(bound) for bound, _ in config.axis_env.value]
    there = f"The axes bound here are {', '.join(names)}." if names else "No axis is bound here."
    raise NameError(f"unbound axis name: {name}. {who} works inside a function mapped with that name, such as vmap(f, axis_name={name!r}). "
                    f"{there} See docs/errors/unbound-axis.md")


# --- dimensions -----------------------------------------------------------------------------------

def merge(x, k: int):
    """Dimensions k and k + 1 as one."""
    shape = aval_of(x).shape
    return reshape(x, (*shape[:k], shape[k] * shape[k + 1], *shape[k + 2:]))


def cut(x, k: int, size: int):
    """Dimension k as two, the first of ``size``."""
    shape = aval_of(x).shape
    return reshape(x, (*shape[:k], size, shape[k] // size, *shape[k + 1:]))


def take_rows(x, indices):
    """Rows of ``x``, by an array of indices."""
    shape = aval_of(x).shape
    numbers = GatherDimensionNumbers(tuple(range(1, len(shape))), (0,), (0,))
    return gather(x, reshape(indices, (len(indices), 1)), numbers, (1, *shape[1:]))
