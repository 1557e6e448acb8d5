"""Products of matrices whose rows, or contracted columns, fall into groups of sizes that are data.

    rows:     [b..., m..., k...] x [g, b..., k..., n...] -> [b..., m..., n...]      each row by the matrix of its group
    columns:  [b..., m..., k...] x [b..., k..., n...] -> [g, b..., m..., n...]      a product for each group of columns

The elements along the ragged dimension are in the order of their groups; what is left behind the last group counts as zeros. A
product that is ragged in a batch dimension is `dot_general`, since no group depends on another.

``group_sizes`` has the shape (g,), or has in front the batch dimensions and those that precede the ragged one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ferax._src.ops.axes import move_axis, place_axis, shift_axes
from ferax._src.ops.base import add, inline
from ferax._src.ops.broadcasting import broadcast_in_dim, inverse_permutation, transpose
from ferax._src.ops.compare import le, lt
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.cumulative import cumsum
from ferax._src.ops.dot import dot_general, dot_general_p
from ferax._src.ops.elementwise import sub
from ferax._src.ops.elementwise_bits import bitwise_and
from ferax._src.ops.placing import placed
from ferax._src.ops.precision import canonicalize_precision
from ferax._src.ops.select import select
from ferax._src.ops.shape import broadcasted_iota
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of


@dataclasses.dataclass(frozen=True)
class RaggedDotDimensionNumbers:
    """Which dimensions a ragged product contracts and batches, and which are ragged.

    Attributes
    ----------
    dot_dimension_numbers : as of `dot_general`
    lhs_ragged_dimensions : one dimension of the left operand, in which the groups follow each other
    rhs_group_dimensions : the dimension of the right operand with a matrix for each group, if the left one is ragged in one that remains
    """

    dot_dimension_numbers: Any
    lhs_ragged_dimensions: Sequence[int]
    rhs_group_dimensions: Sequence[int]

    def __post_init__(self):
        numbers = tuple([tuple([tuple(dims) for dims in pair]) for pair in self.dot_dimension_numbers])
        object.__setattr__(self, "dot_dimension_numbers", numbers)
        object.__setattr__(self, "lhs_ragged_dimensions", tuple(self.lhs_ragged_dimensions))
        object.__setattr__(self, "rhs_group_dimensions", tuple(self.rhs_group_dimensions))


class _Dims:
    """The dimension numbers taken apart, for operands of given numbers of dimensions."""

    def __init__(self, numbers: RaggedDotDimensionNumbers, x_ndim: int, y_ndim: int):
        (self.x_contract, self.y_contract), (self.x_batch, self.y_batch) = numbers.dot_dimension_numbers
        (self.ragged,) = numbers.lhs_ragged_dimensions
        self.group = numbers.rhs_group_dimensions
        self.x_kept = tuple([i for i in range(x_ndim) if i not in self.x_contract and i not in self.x_batch])
        self.y_kept = tuple([i for i in range(y_ndim) if i not in (*self.y_contract, *self.y_batch, *self.group)])
        self.by_rows, self.by_columns = self.ragged in self.x_kept, self.ragged in self.x_contract
        among = self.x_kept if self.by_rows else self.x_contract
        #: Dimensions of the left operand that full group sizes have in front.
        self.prefix = (*self.x_batch, *among[:among.index(self.ragged)]) if self.ragged in among else ()


def _numbers(contract, batch, ragged, group=()) -> RaggedDotDimensionNumbers:
    return RaggedDotDimensionNumbers((contract, batch), (ragged,), group)


def check(x, y, sizes, numbers, precision, preferred_element_type) -> tuple[_Dims, ShapedArray, Any]:
    """Check types; answers the dimensions, the type of the product without groups, and how many groups there are."""
    name = "ragged_dot_general"
    if len(numbers.lhs_ragged_dimensions) != 1:
        raise TypeError(f"{name} expects exactly one lhs ragged dimension, got {numbers.lhs_ragged_dimensions}.")
    (ragged,) = numbers.lhs_ragged_dimensions
    if not 0 <= ragged < x.ndim:
        raise TypeError(f"{name} requires lhs ragged dimension numbers to be nonnegative and less than the number of axes of the lhs "
                        f"value, got {ragged} for lhs of rank {x.ndim}.")
    if dtypes.kind_of(sizes.dtype) not in "iu":
        raise TypeError(f"{name} requires that group_sizes.dtype is subtype of np.integer, got {dtypes.dtype_name(sizes.dtype)}.")
    if sizes.ndim == 0:
        raise TypeError(f"{name}: expected rank of group_sizes to be >=1.")
    dims = _Dims(numbers, x.ndim, y.ndim)
    prefix = dims.prefix
    if ragged in dims.x_batch:
        prefix = dims.x_batch[:dims.x_batch.index(ragged)]
    expected = (*[x.shape[i] for i in prefix], sizes.shape[-1])
    if sizes.ndim != 1 and sizes.shape != expected:
        raise TypeError(f"{name}: expected group_sizes to have shape {expected} or {expected[-1:]}, got {sizes.shape}.")
    if not dims.by_rows:
        if dims.group:
            raise TypeError(f"{name} requires zero group dimensions in the rhs when lhs ragged dimension is contracting or batch.")
    elif len(dims.group) != 1:
        raise TypeError(f"{name} requires exactly one rhs group dimension when lhs ragged dimension is noncontracting.")
    else:
        (group,) = dims.group
        if not 0 <= group < y.ndim:
            raise TypeError(f"{name} requires rhs group dimension numbers to be nonnegative and less than the number of axes of the "
                            f"rhs value, got {group} for rhs of rank {y.ndim}.")
        if group in dims.y_batch or group in dims.y_contract:
            raise TypeError(f"{name} requires rhs group dimension numbers to be distinct from contracting and batch dimensions.")
        if y.shape[group] != sizes.shape[-1]:
            raise TypeError(f"{name}: expected rhs group dimension size to be {sizes.shape[-1]}, got {y.shape[group]}.")
    (out,) = dot_general_p.abstract_eval(x, y, dimension_numbers=numbers.dot_dimension_numbers, precision=precision,
                                         preferred_element_type=preferred_element_type, out_sharding=None)
    if dims.by_rows:                            # there the dimension of groups counted as one that remains
        kept = [x.shape[i] for i in (*dims.x_batch, *dims.x_kept)] + [y.shape[i] for i in dims.y_kept]
        out = out.update(shape=tuple(kept))
    return dims, out, sizes.shape[-1]


# --- the primitive ------------------------------------------------------------------------------

class RaggedDotGeneral(Primitive):
    """A product that is ragged in a dimension that remains, or in a contracted one; bilinear."""

    name = "ragged_dot_general"

    def abstract_eval(self, x, y, sizes, *, ragged_dot_dimension_numbers, precision, preferred_element_type):
        dims, out, groups = check(x, y, sizes, ragged_dot_dimension_numbers, precision, preferred_element_type)
        return [out.update(shape=(groups, *out.shape)) if dims.by_columns else out]

    def lower(self, ctx, x, y, sizes, **params):
        if ctx.platform == "tpu":
            return self.lower_whole(ctx, x, y, sizes, **params)
        return inline(ctx, _as_dense, (x, y, sizes), ctx.avals_in, params)

    def lower_whole(self, ctx, x, y, sizes, *, ragged_dot_dimension_numbers, precision, preferred_element_type):
        """As CHLO's operation, where the compiler has something better for it than zeros."""
        dims = _Dims(ragged_dot_dimension_numbers, ctx.avals_in[0].ndim, ctx.avals_in[1].ndim)
        names = [p.name for p in precision] if isinstance(precision, tuple) else ["DEFAULT"] * 2
        return ctx.emit("chlo.ragged_dot", (x, y, sizes), {
            "ragged_dot_dimension_numbers": ctx.ragged_dot_dimension_numbers(
                dims.x_batch, dims.y_batch, dims.x_contract, dims.y_contract, (dims.ragged,), dims.group),
            "precision_config": ctx.precision(*names)})

    def jvp(self, primals, tangents, **params):
        (x, y, sizes), (t_x, t_y, _) = primals, tangents
        outs = self.bind(x, y, sizes, **params)
        terms = []
        if type(t_x) is not Zero:
            terms += self.bind(t_x, y, sizes, **params)
        if type(t_y) is not Zero:
            terms += self.bind(x, t_y, sizes, **params)
        if not terms or dtypes.tangent_dtype(aval_of(outs[0]).dtype) == dtypes.float0:
            return outs, [Zero.of(outs[0])]
        return outs, [terms[0] if len(terms) == 1 else add(*terms)]

    def transpose(self, cts, x, y, sizes, *, ragged_dot_dimension_numbers, **params):
        (ct,) = cts
        dims = _Dims(ragged_dot_dimension_numbers, x.ndim, y.ndim)
        b, m, n = len(dims.x_batch), len(dims.x_kept), len(dims.y_kept)
        lead = int(dims.by_columns)             # of the dimension of groups in ct
        ct_batch = tuple(range(lead, lead + b))
        ct_x, ct_y = tuple(range(lead + b, lead + b + m)), tuple(range(lead + b + m, lead + b + m + n))
        to_x = isinstance(x, ShapedArray)
        if dims.by_rows and to_x:               # each row of ct by the transposed matrix of its group
            numbers = _numbers((ct_y, dims.y_kept), (ct_batch, dims.y_batch), b + dims.x_kept.index(dims.ragged), dims.group)
            args, layout = (ct, y), (*dims.x_batch, *dims.x_kept, *_sorted_by(dims.x_contract, dims.y_contract))
        elif dims.by_rows:                      # for each group the product of its rows
            numbers = _numbers((dims.x_kept, ct_x), (dims.x_batch, ct_batch), dims.ragged)
            args, layout = (x, ct), (*dims.group, *dims.y_batch, *_sorted_by(dims.y_contract, dims.x_contract), *dims.y_kept)
        elif to_x:                              # each column of y, as a row, by the ct of its group
            return [self.by_columns(dims, x, y, dims.y_batch, dims.y_contract, dims.y_kept, ct, ct_batch, ct_y, sizes, params,
                                    (dims.x_batch, dims.x_contract, dims.x_kept)), None, None]
        else:
            return [None, self.by_columns(dims, y, x, dims.x_batch, dims.x_contract, dims.x_kept, ct, ct_batch, ct_x, sizes, params,
                                          (dims.y_batch, dims.y_contract, dims.y_kept)), None]
        (found,) = self.bind(*args, sizes, ragged_dot_dimension_numbers=numbers, **params)
        found = _like(transpose(found, inverse_permutation(layout)), x if to_x else y)
        return [found, None, None] if to_x else [None, found, None]

    def by_columns(self, dims, wanted, other, batch, contract, kept, ct, ct_batch, ct_kept, sizes, params, layout):
        """The cotangent of ``wanted``, where the groups are of contracted columns.

        The other operand is laid out with the contracted dimensions in the order that the group sizes mean.
        """
        other = transpose(other, (*batch, *contract, *kept))
        b, k = len(batch), len(contract)
        numbers = _numbers((tuple(range(b + k, other.ndim)), ct_kept), (tuple(range(b)), ct_batch),
                           b + dims.x_contract.index(dims.ragged), (0,))
        (found,) = self.bind(other, ct, sizes, ragged_dot_dimension_numbers=numbers, **params)
        own_batch, own_contract, own_kept = layout
        return _like(transpose(found, inverse_permutation((*own_batch, *own_contract, *own_kept))), wanted)

    def batch(self, axis, args, dims, *, ragged_dot_dimension_numbers, **params):
        (x, y, sizes), (d_x, d_y, d_sizes) = args, dims
        old = _Dims(ragged_dot_dimension_numbers, aval_of(x).ndim - (d_x is not None), aval_of(y).ndim - (d_y is not None))
        lead = int(old.by_columns)
        x_contract, x_batch, y_contract, y_batch = old.x_contract, old.x_batch, old.y_contract, old.y_batch
        ragged, group = old.ragged, old.group
        if d_sizes is None and d_y is None:     # one more dimension that remains
            if aval_of(sizes).ndim > 1:         # and does not precede the ragged one
                x, d_x = move_axis(x, d_x, aval_of(x).ndim - 1), aval_of(x).ndim - 1
            x_contract, x_batch, (ragged,) = [shift_axes(a, d_x) for a in (x_contract, x_batch, (ragged,))]
            to = lead + len(x_batch) + sum([i not in x_contract and i not in x_batch for i in range(d_x)])
        elif d_sizes is None and d_x is None:
            y_contract, y_batch, group = [shift_axes(a, d_y) for a in (y_contract, y_batch, group)]
            before = sum([i not in (*y_contract, *y_batch, *group) for i in range(d_y)])
            to = lead + len(x_batch) + len(old.x_kept) + before
        else:
            x = place_axis(x, d_x, axis.size, 0)
            x_contract, x_batch, (ragged,) = [shift_axes(a, 0) for a in (x_contract, x_batch, (ragged,))]
            shared = d_y is None and old.by_rows
            if d_sizes is not None:             # written out in full
                sizes = move_axis(sizes, d_sizes, 0)
                if sizes.ndim == 2:
                    shape = (axis.size, *[x.shape[i + 1] for i in old.prefix], sizes.shape[-1])
                    sizes = broadcast_in_dim(sizes, shape, (0, len(shape) - 1))
            elif aval_of(sizes).ndim > 1:
                sizes = place_axis(sizes, None, axis.size, 0)
            if shared:                          # the same matrices for all: one more dimension of rows, before the others
                to = len(old.x_batch)
                sizes = move_axis(sizes, 0, to) if aval_of(sizes).ndim > 1 else sizes
            else:
                y = place_axis(y, d_y, axis.size, 0)
                y_contract, y_batch, group = [shift_axes(a, 0) for a in (y_contract, y_batch, group)]
                x_batch, y_batch, to = (0, *x_batch), (0, *y_batch), lead
        numbers = _numbers((x_contract, y_contract), (x_batch, y_batch), ragged, group)
        return self.bind(x, y, sizes, ragged_dot_dimension_numbers=numbers, **params), [to]


def _sorted_by(dims, order) -> tuple[int, ...]:
    """Dimensions paired with those of ``order``, as these are when sorted."""
    return tuple([dims[i] for i in sorted(range(len(order)), key=order.__getitem__)])


def _like(found, aval):
    dtype = aval.to_tangent_aval().dtype
    return found if found.dtype == dtype else convert(found, dtype, aval.weak_type)


def _as_dense(x, y, sizes, *, ragged_dot_dimension_numbers, precision, preferred_element_type):
    """One product of matrices, with zeros where an element is not of a group."""
    dims = _Dims(ragged_dot_dimension_numbers, x.ndim, y.ndim)
    how = {"precision": precision, "preferred_element_type": preferred_element_type, "out_sharding": None}
    apart = _apart(x, sizes, dims.ragged, dims.prefix)

    def later(axes):
        return tuple([i + 1 for i in axes])

    if dims.by_rows:                            # sum over the groups as well
        contract = (0, *later(dims.x_contract)), (*dims.group, *dims.y_contract)
        return dot_general_p.bind(apart, y, dimension_numbers=(contract, (later(dims.x_batch), dims.y_batch)), **how)
    # The groups are one more batch dimension. It is enough that the left operand has zeros, but for infinities in the right one.
    place = dims.x_contract.index(dims.ragged)
    y_apart = _apart(y, sizes, dims.y_contract[place], (*dims.y_batch, *dims.y_contract[:place]))
    contract = later(dims.x_contract), later(dims.y_contract)
    return dot_general_p.bind(apart, y_apart, dimension_numbers=(contract, ((0, *later(dims.x_batch)), (0, *later(dims.y_batch)))), **how)


def _apart(x, sizes, ragged: int, prefix):
    """``x`` once for each group, along a new first axis, with zeros for what is not in it."""
    if sizes.ndim == 1:
        prefix = ()
    ends = cumsum(sizes, sizes.ndim - 1)
    shape = (sizes.shape[-1], *x.shape)
    where = (*[i + 1 for i in prefix], 0)       # of the dimensions of ``sizes``
    order = sorted(range(len(where)), key=where.__getitem__)
    starts, ends = [broadcast_in_dim(transpose(v, order), shape, tuple(sorted(where))) for v in (sub(ends, sizes), ends)]
    index = broadcasted_iota(sizes.dtype, shape, ragged + 1)
    inside = bitwise_and(le(starts, index), lt(index, ends))
    return select(inside, broadcast_in_dim(x, shape, tuple(range(1, len(shape)))), x.dtype.type(0))


ragged_dot_general_p = register(RaggedDotGeneral())


# --- the functions ------------------------------------------------------------------------------

def ragged_dot_general(lhs, rhs, group_sizes, ragged_dot_dimension_numbers, precision=None, preferred_element_type=None,
                       group_offset=None, out_sharding=None):
    """A product of matrices in groups, of any dimensions.

    Parameters
    ----------
    lhs, rhs : arrays
    group_sizes : array of integers, shape (g,), or with the batch dimensions in front and those that precede the ragged one among
        its like (rows, contracted or batch dimensions)
    ragged_dot_dimension_numbers : RaggedDotDimensionNumbers
    precision, preferred_element_type, out_sharding : as of `dot_general`
    group_offset : not supported

    Returns
    -------
    array: that of `dot_general`. If the ragged dimension remains, each row is multiplied by the matrix of its group, and rows beyond all
    groups give zeros. If it is contracted, there is a product for each group, along a new first dimension. If it is a
    batch dimension, the groups change nothing

    Raises
    ------
    TypeError : for dimension numbers that do not fit the operands, or group sizes that are not integers or of another shape
    """
    if group_offset is not None:
        raise NotImplementedError("ragged_dot_general: group_offset is not supported; JAX does not support it either")
    x, y, sizes = as_array(lhs), as_array(rhs), as_array(group_sizes)
    numbers = ragged_dot_dimension_numbers
    if not isinstance(numbers, RaggedDotDimensionNumbers):
        raise TypeError("ragged_dot_general: ragged_dot_dimension_numbers must be a RaggedDotDimensionNumbers, got "
                        f"{type(numbers).__name__}")
    precision = canonicalize_precision(precision)
    if preferred_element_type is not None:
        preferred_element_type = dtypes.check_user_dtype(preferred_element_type, "ragged_dot_general")
    dims, _, _ = check(x.aval, y.aval, sizes.aval, numbers, precision, preferred_element_type)
    if not (dims.by_rows or dims.by_columns):
        return dot_general(x, y, numbers.dot_dimension_numbers, precision, preferred_element_type, out_sharding=out_sharding)
    (out,) = ragged_dot_general_p.bind(x, y, sizes, ragged_dot_dimension_numbers=numbers, precision=precision,
                                       preferred_element_type=preferred_element_type)
    return out if out_sharding is None else placed(out, out_sharding, "ragged_dot_general")


def ragged_dot(lhs, rhs, group_sizes, precision=None, preferred_element_type=None, group_offset=None, out_sharding=None):
    """A product of matrices in groups: each row of ``lhs`` by the matrix of its group.

    Parameters
    ----------
    lhs : array, shape (m, k), the rows in the order of their groups
    rhs : array, shape (g, k, n)
    group_sizes : array of integers, shape (g,)
    precision, preferred_element_type, out_sharding : as of `dot_general`
    group_offset : not supported

    Returns
    -------
    array, shape (m, n); rows beyond all groups are zeros
    """
    return ragged_dot_general(lhs, rhs, group_sizes, _ROWS, precision, preferred_element_type, group_offset, out_sharding)


_ROWS = RaggedDotDimensionNumbers((((1,), (1,)), ((), ())), (0,), (0,))
