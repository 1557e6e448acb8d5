"""`ragged_all_to_all_p`: slices of rows, of sizes that are computed, from all places of a named axis to all others."""

from __future__ import annotations

import numpy as np

from ferax._src.control import collectives_lowering as talk
from ferax._src.control.collectives import Collective, all_gather_p, all_to_all_p, axis_index_p, take_rows
from ferax._src.control.map import map as lax_map
from ferax._src.ops.axes import move_axis, place_axis
from ferax._src.ops.base import add
from ferax._src.ops.broadcasting import broadcast_in_dim, reduce_sum, transpose
from ferax._src.ops.compare import eq, ge, lt
from ferax._src.ops.convert import convert
from ferax._src.ops.dynamic_slicing import dynamic_index_in_dim
from ferax._src.ops.elementwise import div, mul, sub
from ferax._src.ops.elementwise_bits import bitwise_and
from ferax._src.ops.reduce import reduce_max, reduce_or
from ferax._src.ops.select import clamp, select
from ferax._src.ops.shape import broadcasted_iota, reshape
from ferax._src.ops.zeros import instantiate_zeros, zeros
from ferax._src.runtime.lowering import lower_by_tracing
from ferax._src.tracing.core import MappedAxis, Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of


class RaggedAllToAll(Collective):
    """Operands: data, output, input offsets, send sizes, output offsets, receive sizes; see `collectives_api.ragged_all_to_all`."""

    name = "ragged_all_to_all"

    def abstract_eval(self, operand, output, *indices, axis_name, axis_index_groups, axis_size):
        if operand.ndim == 0 or operand.dtype != output.dtype or operand.shape[1:] != output.shape[1:]:
            raise ValueError("ragged_all_to_all: operand and output must have one dtype, and the same shape but for their first dimension; "
                             f"got {operand.str_short(False)} and {output.str_short(False)}")
        names = "input_offsets", "send_sizes", "output_offsets", "recv_sizes"
        for name, aval in zip(names, indices):
            if not dtypes.issubdtype(aval.dtype, np.integer):
                raise ValueError(f"ragged_all_to_all {name} must be integer type, got {aval.str_short(False)}")
            if aval.ndim != 1 or aval.size == 0 or aval.shape != indices[0].shape:
                raise ValueError(f"ragged_all_to_all {name} must be rank 1 with positive dimension size, as long as input_offsets; got "
                                 f"{aval.str_short(False)} beside {indices[0].str_short(False)}")
        if indices[0].size % axis_size:
            raise ValueError(f"ragged_all_to_all: the number of slices, {indices[0].size}, must be a multiple of the size {axis_size} of "
                             f"the axis {axis_name!r}")
        return [ShapedArray(output.shape, output.dtype, output.weak_type)]

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        if all(type(t) is Zero for t in tangents[:2]):
            return outs, [Zero.of(outs[0])]
        return outs, self.bind(*map(instantiate_zeros, tangents[:2]), *primals[2:], **params)

    def transpose(self, cts, operand, output, input_offsets, send_sizes, output_offsets, recv_sizes, **params):
        (ct,) = cts
        here, there = (self.exchanged(x, **params) for x in (output_offsets, input_offsets))
        answers: list = [None] * 6
        if isinstance(operand, ShapedArray):    # what came in goes back where it came from
            (answers[0],) = self.bind(ct, zeros(operand.to_tangent_aval()), here, recv_sizes, there, send_sizes, **params)
        if isinstance(output, ShapedArray):
            came_in = reduce_or(_covered(here, recv_sizes, aval_of(ct).shape[0]), (0,))
            answers[1] = select(broadcast_in_dim(came_in, aval_of(ct).shape, (0,)), zeros(aval_of(ct)), ct)
        return answers

    def exchanged(self, x, **params):
        """Numbers about slices that are sent as numbers about slices that come in."""
        return all_to_all_p.bind(x, split_axis=0, concat_axis=0, tiled=True, **params)[0]

    def along(self, axis, args, dims, *, axis_size, **params):
        data, output, *indices = [place_axis(x, d, axis.size, 0) for x, d in zip(args, dims)]
        starts, _, targets, sizes = [convert(x, np.dtype(np.int32)) for x in indices]
        p, k = aval_of(starts).shape
        starts, targets = ((reshape(transpose(reshape(x, (p, p, k // p)), (1, 0, 2)), (p, k))) for x in (starts, targets))
        n, m = aval_of(data).shape[1], aval_of(output).shape[1]
        covered = _covered(targets, sizes, m)                       # receiver, slice, row
        slices = broadcasted_iota(np.int32, (p, k, m), 1)
        which = reduce_max(select(covered, slices, broadcast_in_dim(np.int32(-1), (p, k, m), ())), (1,))
        chosen = eq(slices, broadcast_in_dim(which, (p, k, m), (0, 2)))
        shift = broadcast_in_dim(sub(starts, targets), (p, k, m), (0, 1))
        shift = reduce_sum(select(chosen, shift, broadcast_in_dim(np.int32(0), (p, k, m), ())), (1,))
        row = clamp(np.int32(0), add(broadcasted_iota(np.int32, (p, m), 1), shift), np.int32(max(n - 1, 0)))
        came_in = ge(which, broadcast_in_dim(np.int32(0), (p, m), ()))
        if not n or not m:
            return [output], [0]
        sender = div(which, broadcast_in_dim(np.int32(k // p), (p, m), ()))
        flat = add(mul(sender, broadcast_in_dim(np.int32(n), (p, m), ())), row)
        flat = reshape(clamp(np.int32(0), flat, np.int32(p * n - 1)), (p * m,))
        rest = aval_of(data).shape[2:]
        rows = reshape(take_rows(reshape(data, (p * n, *rest)), flat), (p, m, *rest))
        return [select(broadcast_in_dim(came_in, (p, m, *rest), (0, 1)), rows, output)], [0]

    def lower(self, ctx, *values, axis_name, axis_index_groups, axis_size):
        """Among devices: all rows are gathered, for XLA has an operation of its own on some platforms only."""
        talk.groups_of(ctx, self.name, (axis_name,))

        def own_rows(*args, axis_name, axis_index_groups, axis_size):
            gathered = [all_gather_p.bind(x, all_gather_dimension=0, axis_name=(axis_name,), axis_index_groups=axis_index_groups,
                                          axis_size=axis_size, tiled=False)[0] for x in args]
            (rows,), _ = self.along(MappedAxis(axis_size), gathered, [0] * len(gathered), axis_size=axis_size)
            (here,) = axis_index_p.bind(axis_name=axis_name)
            if axis_index_groups is not None:
                order = np.argsort(np.array(axis_index_groups).ravel()).astype(np.int32) % np.int32(axis_size)
                here = dynamic_index_in_dim(order, here, 0, False)
            return dynamic_index_in_dim(rows, here, 0, False)

        params = dict(axis_name=axis_name, axis_index_groups=axis_index_groups, axis_size=axis_size)
        return lower_by_tracing(ctx, self, own_rows, values, params)

    def beside(self, axis, args, dims, **params):
        """Sizes differ from example to example: one after the other."""
        def one(rows):
            given = iter(rows)
            return self.bind(*(next(given) if d is not None else x for x, d in zip(args, dims)), **params)

        return lax_map(one, [move_axis(x, d, 0) for x, d in zip(args, dims) if d is not None]), [0]


def _covered(starts, sizes, m: int):
    """Which of ``m`` rows each slice covers: bool, of the shape of ``starts`` and one more dimension."""
    shape = (*aval_of(starts).shape, m)
    dims = tuple(range(len(shape) - 1))
    starts, sizes = (convert(x, np.dtype(np.int32)) for x in (starts, sizes))
    rows = broadcasted_iota(np.int32, shape, len(dims))
    return bitwise_and(ge(rows, broadcast_in_dim(starts, shape, dims)), lt(rows, broadcast_in_dim(add(starts, sizes), shape, dims)))


ragged_all_to_all_p = register(RaggedAllToAll())
