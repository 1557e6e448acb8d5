"""Quicker forms of convolutions for the CPU, where XLA has loops of single products or none that suit the shape.

`quicker_form` answers a convolution as a program of other operations, or None where XLA's own is best. The forms:

- shifted products: of a depthwise convolution, or of one with one feature, the sum over the kernel's elements of the
  array, shifted, times the element;
- row products: of a depthwise convolution whose kernel is large and whose result is small (the gradient of a kernel),
  products of rows, added up in a loop over rows, for each element of the result;
- phases: with a dilated array, every ``lhs_dilation``-th element of the result sees the same part of the kernel, so a
  convolution without dilation for each of these phases, and their results side by side;
- groups apart: one convolution for each group;
- batched products: for many groups, a product of matrices for each element of the kernel, or of the result;
- depth apart: with three spatial dimensions, a convolution with two for each element of the kernel along the first, or
  for each element of the result.

Convolutions inside of a form are lowered as any other, and may take another form in turn. All are sums of the same
products in another order, so results differ by rounding; but where padding meets an infinite or NaN element of the kernel
the result is NaN, for the zeros of the padding are multiplied, as XLA does in its dense convolutions too.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from ferax._src.ops.base import add
from ferax._src.ops.broadcasting import broadcast_in_dim_p, reduce_sum_p, transpose_p
from ferax._src.ops.conv_numbers import ConvDimensionNumbers
from ferax._src.ops.convert import convert_element_type_p
from ferax._src.ops.dot import dot_general
from ferax._src.ops.dynamic_slicing import dynamic_slice_p, dynamic_update_slice_p
from ferax._src.ops.elementwise import div, mul, rem
from ferax._src.ops.joining import concatenate_p, stack_p
from ferax._src.ops.shape import reshape_p
from ferax._src.ops.slicing import pad_p, slice_p
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray

# What was measured on two cores; beyond the limits XLA's own form is as quick, or the program too long to compile.
_LEAST_WORK = 1 << 15           # products of numbers; groups of examples are slow, and slow to compile, even with fewer
_TAP_LIMIT = 64                 # shifted products
_GREAT_TAP_LIMIT = 256          # shifted products if there is much to do ...
_GREAT_WORK = 1 << 20           # ... that is, so many products of numbers
_ROW_LIMIT = 1024               # elements of the result by row products
_LEAST_ROW = 64                 # elements of a row, if there is one group
_TOGETHER_LIMIT = 16            # elements of the result that are summed side by side
_PHASE_LIMIT = 16               # phases, of all dimensions together
_SPLIT_LIMIT = 16               # groups of features
_SPLIT_BATCH_LIMIT = 64         # groups of examples; XLA's own form is slow without limit
_PRODUCT_LIMIT = 64             # products of matrices
_DEPTH_LIMIT = 16               # convolutions with one spatial dimension less


class Geometry:
    """The sizes of a convolution, spatial ones in the order of the dimension numbers."""

    def __init__(self, primitive, x, y, out, *, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers,
                 feature_group_count, batch_group_count, **others):
        self.conv_p = primitive
        self.strides, self.pads, self.lhs_dilation, self.rhs_dilation = window_strides, padding, lhs_dilation, rhs_dilation
        self.lhs_spec, self.rhs_spec, self.out_spec = self.numbers = dimension_numbers
        self.feature_groups, self.batch_groups = feature_group_count, batch_group_count
        self.groups = max(feature_group_count, batch_group_count)
        self.others = others                                    # precision and the like: handed on
        self.rank = len(window_strides)
        self.batch, self.features = x.shape[self.lhs_spec[0]], x.shape[self.lhs_spec[1]]
        self.out_features, self.kernel_features = y.shape[self.rhs_spec[0]], y.shape[self.rhs_spec[1]]
        self.sizes = [x.shape[i] for i in self.lhs_spec[2:]]
        self.window = [y.shape[i] for i in self.rhs_spec[2:]]
        self.count = [out.shape[i] for i in self.out_spec[2:]]
        self.shape, self.dtype = out.shape, out.dtype
        self.ndim = self.rank + 2

    def conv(self, x, y, **changed):
        """A convolution like this one but for the parameters given."""
        params = {
            "window_strides": self.strides, "padding": self.pads, "lhs_dilation": self.lhs_dilation,
            "rhs_dilation": self.rhs_dilation, "dimension_numbers": self.numbers, "feature_group_count": self.feature_groups,
            "batch_group_count": self.batch_groups, **self.others}
        return self.conv_p.bind(x, y, **{**params, **changed})[0]


def quicker_form(ctx, primitive, x, y, params) -> list | None:
    """The result of a convolution by a form that suits the CPU better than XLA's own; None if there is no such.

    Parameters
    ----------
    ctx : lowering context, at the convolution's equation
    primitive : conv_general_dilated_p
    x, y : values of its operands, not empty
    params : its parameters
    """
    (x_aval, y_aval), (out,) = ctx.avals_in, ctx.avals_out
    if x_aval.dtype not in _DTYPES or out.dtype not in _DTYPES:
        return None
    g = Geometry(primitive, x_aval, y_aval, out, **params)
    form = _choose(g)
    if form is None:
        return None
    if form is by_row_products:
        return [by_row_products(ctx, g, x, y)]
    return ctx.inline(trace_to_jaxpr(lambda x, y: [form(g, x, y)], [x_aval, y_aval]), x, y, here=True)


_DTYPES = frozenset([dtypes.as_dtype(t) for t in (dtypes.bfloat16, np.float16, np.float32, np.float64)])


def _choose(g: Geometry):
    """The form for a convolution, or None."""
    taps, places = math.prod(g.window), math.prod(g.count)
    work = math.prod(g.shape) * taps * g.kernel_features
    if work < _LEAST_WORK and g.batch_groups == 1:
        return None
    if any(d > 1 for d in g.lhs_dilation) and math.prod(_phases(g)) <= _PHASE_LIMIT:
        return by_phases
    if g.kernel_features == 1 and g.batch_groups == 1 and (g.groups > 1 or g.out_features == 1):
        few = taps <= _TAP_LIMIT or taps <= _GREAT_TAP_LIMIT and work >= _GREAT_WORK
        if 1 <= g.rank and taps <= places and few:
            return by_shifted_products
    if g.batch_groups == g.batch and g.feature_groups == 1 and g.rank and places <= min(_ROW_LIMIT, taps):
        long_enough = g.groups > 1 or g.out_features == 1 and g.window[_last(g)] >= _LEAST_ROW
        if long_enough and min(places, g.count[_last(g)]) <= _TOGETHER_LIMIT:
            return by_row_products
    if g.groups == 1:
        return by_depth if g.rank > 2 and min(g.window[0], g.count[0]) <= _DEPTH_LIMIT else None
    if g.groups <= (_SPLIT_LIMIT if g.batch_groups == 1 else _SPLIT_BATCH_LIMIT):
        return by_groups
    if min(taps, places) <= _PRODUCT_LIMIT:
        return by_batched_products
    return None


# --- parts of arrays ----------------------------------------------------------------------------

def reshaped(x, shape):
    """``x`` in another shape, which is known to fit."""
    return reshape_p.bind(x, new_sizes=tuple(shape), dimensions=None, sharding=None)[0]


def _transpose(x, order):
    order = tuple(order)
    return x if order == tuple(range(x.ndim)) else transpose_p.bind(x, permutation=order)[0]


def _cut(x, parts: dict):
    """A slice: for some dimensions (start, number of elements, step), the others whole."""
    starts, limits, strides = [0] * x.ndim, list(x.shape), [1] * x.ndim
    for d, (start, n, step) in parts.items():
        starts[d], limits[d], strides[d] = start, start + (n - 1) * step + 1, step
    if limits == list(x.shape) and not any(starts) and max(strides, default=1) == 1:
        return x
    return slice_p.bind(x, start_indices=tuple(starts), limit_indices=tuple(limits), strides=tuple(strides))[0]


def _padded(g: Geometry, x, dims=None):
    """``x`` padded and dilated along spatial dimensions, by default all."""
    config = [(0, 0, 0)] * x.ndim
    for i in range(g.rank) if dims is None else dims:
        config[g.lhs_spec[2 + i]] = (*g.pads[i], g.lhs_dilation[i] - 1)
    return pad_p.bind(x, x.dtype.type(0), padding_config=tuple(config))[0] if any(map(any, config)) else x


def _sum_dtype(dtype):
    """In what dtype to add up products for a result of ``dtype``, so that 16 bits are rounded once."""
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


def _converted(x, dtype):
    return x if x.dtype == dtype else convert_element_type_p.bind(x, new_dtype=dtype, weak_type=False, sharding=None)[0]


def _indices(sizes):
    return itertools.product(*map(range, sizes))


def _total(terms):
    total = None
    for term in terms:
        total = term if total is None else add(total, term)
    return total


# --- depthwise ----------------------------------------------------------------------------------

def by_shifted_products(g: Geometry, x, y):
    """``sum_k shift_k(x) * y[k]``, in the layout of ``x``, with a dimension for the output features of each feature."""
    dtype, feature, multiplier = _sum_dtype(g.dtype), g.lhs_spec[1], g.out_features // g.groups
    x = _padded(g, x)
    y = reshaped(_transpose(_converted(y, dtype), (*g.rhs_spec[2:], *g.rhs_spec[:2])), (*g.window, g.features, multiplier))
    sizes = list(x.shape)
    for d, n in zip(g.lhs_spec[2:], g.count):
        sizes[d] = n
    shape = (*sizes[:feature + 1], multiplier, *sizes[feature + 1:])

    def spread(v, dims):
        return broadcast_in_dim_p.bind(v, shape=shape, broadcast_dimensions=tuple(dims), sharding=None)[0]

    def term(k):
        part = _cut(x, {d: (j * dilation, n, stride) for d, j, dilation, n, stride in
                        zip(g.lhs_spec[2:], k, g.rhs_dilation, g.count, g.strides)})
        weights = reshaped(_cut(y, {i: (j, 1, 1) for i, j in enumerate(k)}), (g.features, multiplier))
        return mul(spread(_converted(part, dtype), [d for d in range(g.ndim + 1) if d != feature + 1]),
                   spread(weights, (feature, feature + 1)))
    sizes[feature] *= multiplier
    total = reshaped(_total(map(term, _indices(g.window))), sizes)
    return _converted(_transpose(total, _between(g.lhs_spec, g.out_spec)), g.dtype)


def _between(given, wanted):
    """The permutation that takes dimensions from the places ``given`` to the places ``wanted``."""
    order = [0] * len(given)
    for a, b in zip(given, wanted):
        order[b] = a
    return order


def _last(g: Geometry) -> int:
    """Which spatial dimension is the last of the array."""
    return max(range(g.rank), key=g.lhs_spec[2:].__getitem__)


def by_row_products(ctx, g: Geometry, x, y):
    """Sums of products of rows for each element of the result, in a loop over all rows; MLIR values.

    A row is the last spatial dimension with all groups. Group i has one example and ``m`` output features. If the
    result has many elements, only those along the row are summed side by side, in a loop over the others.
    """
    spatial = g.lhs_spec[2:]
    last = _last(g)
    outer = sorted([i for i in range(g.rank) if i != last], key=spatial.__getitem__)
    example, feature = g.lhs_spec[:2]
    dtype = _sum_dtype(g.dtype)
    index = ShapedArray((), np.dtype(np.int32))

    def prepare(x, y):                          # y as (m, *the layout of x)
        y = reshaped(_transpose(y, g.rhs_spec), (g.groups, g.out_features // g.groups, g.kernel_features, *g.window))
        order = [0] * g.ndim
        for place, d in zip(g.lhs_spec, (0, *range(2, g.ndim + 1))):
            order[place] = d
        return [_padded(g, x), _transpose(y, (1, *order))]
    x, y = ctx.inline(before := trace_to_jaxpr(prepare, ctx.avals_in), x, y, here=True)
    x_aval, y_aval = before.out_avals

    together = math.prod(g.count) <= _TOGETHER_LIMIT
    loops = [(feature, g.kernel_features), *[(spatial[i], g.window[i]) for i in outer]]
    block, row = list(x_aval.shape), list(y_aval.shape)
    for d, _ in loops:
        row[1 + d] = block[d] = 1
    for i in outer if together else ():
        block[spatial[i]] = (g.count[i] - 1) * g.strides[i] + 1
    places = list(_indices([n if together or i == last else 1 for i, n in enumerate(g.count)]))
    sums = ShapedArray(tuple(row), dtype)

    def step(turn, i, x, y, *totals):           # turn: which of the other elements; i: which row
        starts = _counted(i, loops, g.ndim)
        (part_y,) = dynamic_slice_p.bind(y, np.int32(0), *starts, slice_sizes=tuple(row))
        shift = _counted(turn, [(spatial[j], 1 if together else g.count[j]) for j in outer], g.ndim)
        for j in outer:
            d = spatial[j]
            starts[d] = add(mul(starts[d], np.int32(g.rhs_dilation[j])), mul(shift[d], np.int32(g.strides[j])))
        (part_x,) = dynamic_slice_p.bind(x, *starts, slice_sizes=tuple(block))
        part_x, part_y = _converted(part_x, dtype), _converted(part_y, dtype)
        out = []
        for place, total in zip(places, totals):
            cut = {spatial[j]: (place[j] * g.strides[j], 1, 1) for j in outer}
            cut[spatial[last]] = (place[last] * g.strides[last], g.window[last], g.rhs_dilation[last])
            (seen,) = broadcast_in_dim_p.bind(_cut(part_x, cut), shape=sums.shape, sharding=None,
                                              broadcast_dimensions=tuple(range(1, g.ndim + 1)))
            out.append(add(total, mul(seen, part_y)))
        return out

    def added_up(*totals):                      # each (m, .., groups, ..) -> (number, m, groups)
        axes = tuple([1 + d for d in range(g.ndim) if d != example])
        return stack_p.bind(*[reduce_sum_p.bind(t, axes=axes, out_sharding=None)[0] for t in totals], axis=0)
    body = trace_to_jaxpr(step, [index, index, x_aval, y_aval, *[sums] * len(places)])
    end = trace_to_jaxpr(added_up, [sums] * len(places))
    part = end.out_avals[0]

    def next_turn(i):
        return ctx.elementwise("stablehlo.add", i, ctx.scalar(1, index.dtype))

    def fewer_than(n):
        return lambda i, *_: ctx.compare(i, ctx.scalar(n, index.dtype), "LT", (), index.dtype)

    def sums_of_turn(turn):
        _, *totals = ctx.while_loop(
            [ctx.scalar(0, index.dtype), *[ctx.const(0, sums)] * len(places)], fewer_than(math.prod([n for _, n in loops])),
            lambda i, *totals: [next_turn(i), *ctx.inline(body, turn, i, x, y, *totals, here=True)])
        return ctx.inline(end, *totals, here=True)[0]
    if together:
        found, shape = sums_of_turn(ctx.scalar(0, index.dtype)), part
        order = [*g.count]
    else:
        order = [*[g.count[i] for i in outer], g.count[last]]
        turns = math.prod(order[:-1])
        shape = part.update(shape=(turns, *part.shape))

        def put(all_sums, one, turn):
            (one,) = broadcast_in_dim_p.bind(one, shape=(1, *part.shape), broadcast_dimensions=(1, 2, 3), sharding=None)
            return dynamic_update_slice_p.bind(all_sums, one, turn, *[np.int32(0)] * 3)
        putting = trace_to_jaxpr(put, [shape, part, index])
        _, found = ctx.while_loop(
            [ctx.scalar(0, index.dtype), ctx.const(0, shape)], fewer_than(turns),
            lambda turn, all_sums: [next_turn(turn), *ctx.inline(putting, all_sums, sums_of_turn(turn), turn, here=True)])

    def finish(found):                          # (*count in the loops' order, m, groups) -> (1, features, *count)
        out = reshaped(found, (*order, *part.shape[1:]))
        dims = range(g.rank) if together else [(*outer, last).index(i) for i in range(g.rank)]
        out = reshaped(transpose_p.bind(out, permutation=(g.rank + 1, g.rank, *dims))[0], (1, g.out_features, *g.count))
        return [_converted(_transpose(out, _between(range(g.ndim), g.out_spec)), g.dtype)]
    return ctx.inline(trace_to_jaxpr(finish, [shape]), found, here=True)[0]


def _counted(i, loops, ndim: int) -> list:
    """The start of each dimension at turn ``i`` of nested loops over dimensions, of which the last is the quickest."""
    starts = [np.int32(0)] * ndim
    for at, (d, n) in enumerate(reversed(loops)):
        starts[d] = rem(i, np.int32(n)) if at + 1 < len(loops) else i
        i = div(i, np.int32(n))
    return starts


# --- groups -------------------------------------------------------------------------------------

def by_groups(g: Geometry, x, y):
    """A convolution for each group, side by side."""
    split = g.lhs_spec[1] if g.batch_groups == 1 else g.lhs_spec[0]
    n, m = x.shape[split] // g.groups, g.out_features // g.groups
    parts = [g.conv(_cut(x, {split: (i * n, n, 1)}), _cut(y, {g.rhs_spec[0]: (i * m, m, 1)}), feature_group_count=1,
                    batch_group_count=1) for i in range(g.groups)]
    return concatenate_p.bind(*parts, dimension=g.out_spec[1])[0]


def by_batched_products(g: Geometry, x, y):
    """Matrix products, batched over groups, summed over the elements of the kernel, or one for each element of the result."""
    groups, spatial = g.groups, tuple(range(2, g.rank + 2))
    batch, m = g.batch // g.batch_groups, g.out_features // groups
    x = _transpose(_padded(g, x), g.lhs_spec)
    sizes = x.shape[2:]
    if g.batch_groups > 1:                      # (groups, n, *spatial, c)
        x = _transpose(reshaped(x, (groups, batch, g.features, *sizes)), (0, 1, *[i + 1 for i in spatial], 2))
    else:
        x = _transpose(reshaped(x, (batch, groups, g.kernel_features, *sizes)), (1, 0, *[i + 1 for i in spatial], 2))
    y = _transpose(reshaped(_transpose(y, g.rhs_spec), (groups, m, g.kernel_features, *g.window)),
                   (0, *[i + 1 for i in spatial], 2, 1))        # (groups, *window, c, m)
    dtype = _sum_dtype(g.dtype)

    def product(a, b, a_axes, b_axes):
        return dot_general(a, b, ((a_axes, b_axes), ((0,), (0,))), g.others["precision"], dtype)
    if math.prod(g.window) <= math.prod(g.count):
        def term(k):
            seen = _cut(x, {2 + i: (j * d, n, s) for i, (j, d, n, s) in enumerate(zip(k, g.rhs_dilation, g.count, g.strides))})
            weights = reshaped(_cut(y, {1 + i: (j, 1, 1) for i, j in enumerate(k)}), (groups, g.kernel_features, m))
            return product(seen, weights, (g.rank + 2,), (1,))
        out = _total(map(term, _indices(g.window)))             # (groups, n, *count, m)
    else:
        def at(place):
            seen = _cut(x, {2 + i: (j * s, n, d) for i, (j, s, n, d) in enumerate(zip(place, g.strides, g.window, g.rhs_dilation))})
            return product(seen, y, tuple(range(2, g.rank + 3)), tuple(range(1, g.rank + 2)))
        (out,) = stack_p.bind(*map(at, _indices(g.count)), axis=2)
        out = reshaped(out, (groups, batch, *g.count, m))
    out = reshaped(_transpose(out, (1, 0, g.rank + 2, *spatial)), (batch, g.out_features, *g.count))
    return _converted(_transpose(out, _between(range(g.ndim), g.out_spec)), g.dtype)


# --- a dilated array ----------------------------------------------------------------------------

def _phases(g: Geometry) -> list[int]:
    """For each spatial dimension after how many elements of the result the same part of the kernel is seen again."""
    return [min(d // math.gcd(s, d), n) for d, s, n in zip(g.lhs_dilation, g.strides, g.count)]


class _Phase(NamedTuple):
    """One spatial dimension of the convolution of a phase."""

    kernel: tuple[int, int, int]                # the elements of the kernel that it sees: first, number, step
    first: int                                  # where in the array its first window begins; may be outside
    stride: int
    dilation: int


def _phase(g: Geometry, i: int, a: int) -> _Phase | None:
    """The phase ``a`` along dimension ``i``; None if it sees no element of the kernel.

    Its element u, which is ``u * number + a`` of the result, and element k of the kernel meet at place
    ``(u * number + a) * stride + k * dilation - low`` of the dilated array, which is one of the array's if a multiple of
    lhs_dilation. The k for which it is are evenly spaced.
    """
    spread, stride, dilation, low = g.lhs_dilation[i], g.strides[i], g.rhs_dilation[i], g.pads[i][0]
    step = spread // math.gcd(dilation, spread)
    for k in range(min(step, g.window[i])):
        at = a * stride + k * dilation - low
        if at % spread == 0:
            return _Phase((k, -(-(g.window[i] - k) // step), step), at // spread, stride // math.gcd(stride, spread),
                          step * dilation // spread)
    return None


def by_phases(g: Geometry, x, y):
    """For each phase of the result a convolution of the array, undilated, with part of the kernel."""
    numbers = _phases(g)
    lengths = [-(-n // p) for n, p in zip(g.count, numbers)]
    parts = {}
    for which in _indices(numbers):
        phases = [_phase(g, i, a) for i, a in enumerate(which)]
        part = None if None in phases else _convolved_phase(g, x, y, phases, lengths)
        if part is None:
            shape = list(g.shape)
            for i, n in zip(g.out_spec[2:], lengths):
                shape[i] = n
            (part,) = broadcast_in_dim_p.bind(g.dtype.type(0), shape=tuple(shape), broadcast_dimensions=(), sharding=None)
        parts[which] = part
    for i in reversed(range(g.rank)):           # put the phases of one dimension after the other side by side
        axis, p = g.out_spec[2 + i], numbers[i]
        if p == 1:
            parts = {which[:-1]: part for which, part in parts.items()}
            continue
        joined = {}
        for which in dict.fromkeys([w[:-1] for w in parts]):
            (out,) = stack_p.bind(*[parts[*which, a] for a in range(p)], axis=axis + 1)
            out = reshaped(out, (*out.shape[:axis], lengths[i] * p, *out.shape[axis + 2:]))
            joined[which] = _cut(out, {axis: (0, g.count[i], 1)})
        parts = joined
    return parts[()]


def _convolved_phase(g: Geometry, x, y, phases, lengths):
    """The convolution of one phase, with what it does not see of the array cut off; None if it sees padding only."""
    cuts, pads = {}, []
    for d, phase, n, size in zip(g.lhs_spec[2:], phases, lengths, g.sizes):
        last = phase.first + (n - 1) * phase.stride + (phase.kernel[1] - 1) * phase.dilation
        start, stop = max(phase.first, 0), min(last + 1, size)
        if start >= stop:
            return None
        cuts[d] = (start, stop - start, 1)
        pads.append((start - phase.first, last + 1 - stop))
    kernel = _cut(y, {d: phase.kernel for d, phase in zip(g.rhs_spec[2:], phases)})
    return g.conv(_cut(x, cuts), kernel, padding=tuple(pads), window_strides=tuple([p.stride for p in phases]),
                  lhs_dilation=(1,) * g.rank, rhs_dilation=tuple([p.dilation for p in phases]))


# --- many spatial dimensions --------------------------------------------------------------------

def by_depth(g: Geometry, x, y):
    """Convolutions with the first spatial dimension, the depth, made examples or features."""
    x = _padded(g, x, [0])
    by_kernel = g.window[0] <= g.count[0]
    (n, c, depth, *_), (_, i, k_depth, *_) = g.lhs_spec, g.rhs_spec
    stride, dilation, window, count = g.strides[0], g.rhs_dilation[0], g.window[0], g.count[0]
    x_spec, y_spec, out_spec = [_without(spec) for spec in g.numbers]
    dtype = _sum_dtype(g.dtype) if by_kernel else g.dtype
    numbers = {
        "dimension_numbers": ConvDimensionNumbers(x_spec, y_spec, out_spec), "window_strides": g.strides[1:],
        "padding": g.pads[1:], "lhs_dilation": g.lhs_dilation[1:], "rhs_dilation": g.rhs_dilation[1:],
        "preferred_element_type": None if dtype == x.dtype else dtype}
    if by_kernel:                               # an example for each depth; the sum over the kernel's depths
        terms = [g.conv(_merged(_cut(x, {depth: (k * dilation, count, stride)}), n, depth),
                        reshaped(_cut(y, {k_depth: (k, 1, 1)}), [m for d, m in enumerate(y.shape) if d != k_depth]), **numbers)
                 for k in range(window)]
        return _converted(_parted(_total(terms), out_spec[0], count, g.out_spec[2]), g.dtype)
    y = _merged(y, i, k_depth)                  # a feature for each depth of the kernel; the result's depths one by one
    rows = [g.conv(_merged(_cut(x, {depth: (o * stride, window, dilation)}), c, depth), y, **numbers) for o in range(count)]
    return stack_p.bind(*rows, axis=g.out_spec[2])[0]


def _without(spec):
    """Dimensions renumbered for an array without the depth."""
    return tuple([d - (d > spec[2]) for d in (*spec[:2], *spec[3:])])


def _merged(x, axis: int, other: int):
    """The axis ``other`` made the quicker part of ``axis``."""
    order = [d for d in range(x.ndim) if d != other]
    order.insert(order.index(axis) + 1, other)
    at = axis - (other < axis)
    x = _transpose(x, order)
    return reshaped(x, (*x.shape[:at], x.shape[at] * x.shape[at + 1], *x.shape[at + 2:]))


def _parted(x, axis: int, size: int, to: int):
    """The quicker part, of ``size``, of an axis as an axis of its own at ``to``: the inverse of `_merged`."""
    x = reshaped(x, (*x.shape[:axis], x.shape[axis] // size, size, *x.shape[axis + 1:]))
    order = [d for d in range(x.ndim) if d != axis + 1]
    order.insert(to, axis + 1)
    return _transpose(x, order)
