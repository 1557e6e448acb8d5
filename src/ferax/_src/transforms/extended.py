"""Operations on arrays of extended dtypes (PRNG keys), in terms of the arrays that hold them.

An element of an extended dtype is physically a small array: a key is ``uint32[2]``. An operation that only moves
elements about (reshape, slice, gather, select, ...) does to the physical array the same as to the logical one, mapped over
the trailing axis. So its lowering is its batching rule, and no operation need know of keys.
"""

from __future__ import annotations

from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.ops.axes import place_axis
from ferax._src.ops.reduce import reduce_and, reduce_or
from ferax._src.runtime.lowering_module import slots
from ferax._src.tracing.core import MappedAxis, Primitive, abstract_eval, ascribe
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray


def physical_rule(primitive: Primitive, avals, params) -> ClosedJaxpr:
    """A primitive on operands of extended dtypes, as a program on the physical arrays.

    Parameters
    ----------
    primitive, params : the operation
    avals : logical types of its operands

    Returns
    -------
    ClosedJaxpr from physical operands to physical results
    """
    elements = {a.dtype.element_shape for a in avals if dtypes.is_extended(a.dtype)}
    elements.update(a.dtype.element_shape for a in abstract_eval(primitive, tuple(avals), params)
                    if dtypes.is_extended(a.dtype))
    if len(elements) != 1 or len(next(iter(elements))) != 1:
        raise NotImplementedError(f"{primitive.name}: operands of several extended dtypes, or of elements that are not "
                                  f"vectors, cannot be lowered; got {', '.join(map(str, avals))}")
    ((size,),) = elements
    out_avals = abstract_eval(primitive, tuple(avals), params)
    dims = [a.ndim if dtypes.is_extended(a.dtype) else None for a in avals]

    def run(*values):
        outs, out_dims = primitive.batch(MappedAxis(size), list(values), list(dims), **params)
        return [_restore(primitive, out, d, size, aval) for out, d, aval in zip(outs, out_dims, out_avals)]

    with ascribe(False):
        return trace_to_jaxpr(run, [_physical(a) for a in avals])


def _physical(aval: ShapedArray) -> ShapedArray:
    if not dtypes.is_extended(aval.dtype):
        return aval
    return ShapedArray(dtypes.physical_shape(aval.shape, aval.dtype), dtypes.physical_dtype(aval.dtype))


def _restore(primitive: Primitive, x, d, size: int, aval: ShapedArray):
    """A result with its elements' axis last; comparisons of keys compare whole elements."""
    if dtypes.is_extended(aval.dtype):
        return place_axis(x, d, size, aval.ndim)
    if d is None:
        return x
    if primitive.name == "eq":
        return reduce_and(x, (d,))
    if primitive.name == "ne":
        return reduce_or(x, (d,))
    raise TypeError(f"{primitive.name}: not defined for operands of an extended dtype")


slots.physical_rule = physical_rule
