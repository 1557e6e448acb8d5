"""Comparisons, element by element; the results are booleans.

NaN compares unequal to everything, itself included. The total orders (``eq_to``, ``le_to``, ``lt_to``) put
floats in the order -nan, -inf, ..., -0, +0, ..., inf, nan instead; sorting is made of them.
"""

from __future__ import annotations

from ferax._src.ops.base import ANY, ORDERED, Elementwise, binary
from ferax._src.runtime.array import physical_aval
from ferax._src.types import dtypes

KEYS = "V"      # the kind of extended dtypes: their elements can be told apart, but not ordered


class Compare(Elementwise):
    """``x direction y``, where ``op`` is the direction: EQ, NE, LT, LE, GT or GE."""

    handles_extended_dtypes = True
    total_order = False

    def __init__(self, name, op, accepts, derivatives):
        super().__init__(name, op, accepts, derivatives, result=lambda dtype: dtypes.bool_)

    def abstract_eval(self, *avals):
        if any([a.dtype == dtypes.float0 for a in avals]):
            raise TypeError(f"{self.name} does not accept dtype float0, that of tangents of integers and booleans")
        return super().abstract_eval(*avals)

    def lower(self, ctx, x, y):
        (aval, _), (out,) = ctx.avals_in, ctx.avals_out
        physical = physical_aval(aval.update(shape=out.shape))
        inner = physical.ndim - out.ndim        # the dimensions of one element of an extended dtype
        values = []
        for value, a in zip((x, y), ctx.avals_in):
            if a.shape != out.shape:
                dims = (*range(a.ndim), *range(out.ndim, physical.ndim))
                value = ctx.broadcast_in_dim(value, physical.shape, physical.dtype, dims)
            values.append(value)
        found = ctx.compare(*values, self.op, physical.shape, physical.dtype, total_order=self.total_order)
        if inner:                               # all parts are equal, or some part is not
            reducer, init = ("stablehlo.and", True) if self.op == "EQ" else ("stablehlo.or", False)
            axes = range(out.ndim, physical.ndim)
            return ctx.reduce(reducer, [found], [init], axes, dtypes_=[dtypes.bool_])
        return [found]


class TotalOrder(Compare):
    """A comparison in which NaN and signed zeros have their places."""

    total_order = True


eq = binary("eq", "EQ", ANY + KEYS, kind=Compare, doc="Whether ``x == y``, element by element.")
ne = binary("ne", "NE", ANY + KEYS, kind=Compare, doc="Whether ``x != y``, element by element.")
ge = binary("ge", "GE", ORDERED, kind=Compare, doc="Whether ``x >= y``, element by element.")
gt = binary("gt", "GT", ORDERED, kind=Compare, doc="Whether ``x > y``, element by element.")
le = binary("le", "LE", ORDERED, kind=Compare, doc="Whether ``x <= y``, element by element.")
lt = binary("lt", "LT", ORDERED, kind=Compare, doc="Whether ``x < y``, element by element.")
eq_to = binary("eq_to", "EQ", ANY, kind=TotalOrder, doc="Whether ``x`` and ``y`` are the same in the total order.")
le_to = binary("le_to", "LE", ORDERED, kind=TotalOrder, doc="Whether ``x`` is not after ``y`` in the total order.")
lt_to = binary("lt_to", "LT", ORDERED, kind=TotalOrder, doc="Whether ``x`` is before ``y`` in the total order.")

eq_p, ne_p, ge_p, gt_p, le_p, lt_p = eq.p, ne.p, ge.p, gt.p, le.p, lt.p
eq_to_p, le_to_p, lt_to_p = eq_to.p, le_to.p, lt_to.p
