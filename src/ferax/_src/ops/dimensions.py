"""The value of a symbolic dimension as an array, known when the exported program is called."""

from __future__ import annotations

from ferax._src.tracing import core
from ferax._src.tracing.core import Primitive
from ferax._src.types import symbolic_dims
from ferax._src.types.avals import scalar_aval


class DimAsValue(Primitive):
    """The size that a symbolic dimension has: a weakly typed integer, as a Python int is."""

    name = "dim_as_value"

    def abstract_eval(self, *, dim):
        return [scalar_aval(int)]

    def lower(self, ctx, *, dim):
        return [ctx.dimension_value(dim)]

    def evaluate(self, args, params):
        raise TypeError(f"the symbolic dimension {params['dim']} has a value only while a function is traced for export: pass the "
                        "symbolic shape to export(jit(f))(...), or use a number")


dim_as_value_p = core.register(DimAsValue())


def dim_as_value(dim):
    """A dimension as an integer array of no dimensions."""
    return dim_as_value_p.bind(dim=dim)[0]


symbolic_dims.slots.as_value = dim_as_value     # the slot that `symbolic_dims` documents
