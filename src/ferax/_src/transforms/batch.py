"""Batching: one function over one more axis of its arguments.

`BatchTrace` carries (value, axis) pairs. For each operation with a mapped operand it looks up the batched
program of (primitive, params, types, axes), traced once from the primitive's rule, and calls it on its
parent. `batch_jaxpr` does the same for a whole program, once.
"""

from __future__ import annotations

from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.ops.axes import move_axis, place_axis
from ferax._src.ops.refs import read, write
from ferax._src.tracing import core
from ferax._src.tracing.core import (
    MappedAxis, NamedAxisEffect, Primitive, Trace, Tracer, ascribe, remember, set_current_trace)
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.tracing.leaks import check_leaks
from ferax._src.tracing.refs import Ref, ValueCell
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.transforms.program import call_program, rule_cache
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.refs import AbstractRef
from ferax._src.util import config


class BatchTracer(Tracer):
    """A value with an axis that the function does not see."""

    __slots__ = ("val", "dim")

    def __init__(self, trace: BatchTrace, val, dim: int):
        self._trace = trace
        self.aval = unbatched_aval(aval_of(val), dim)
        self.val = val
        self.dim = dim

    def _origin(self) -> str:
        return self.val._origin() if isinstance(self.val, Tracer) else "a value mapped by vmap"


def unbatched_aval(aval: ShapedArray, dim: int | None) -> ShapedArray:
    """The type of one element along ``dim``."""
    if dim is None:
        return aval
    shape = aval.shape
    return ShapedArray(shape[:dim] + shape[dim + 1:], aval.dtype, aval.weak_type, varying=aval.varying)


def batched_aval(aval: ShapedArray, dim: int | None, size: int) -> ShapedArray:
    """The type of ``size`` elements along a new axis ``dim``."""
    if dim is None:
        return aval
    shape = aval.shape
    return ShapedArray(shape[:dim] + (size,) + shape[dim:], aval.dtype, aval.weak_type, varying=aval.varying)


class BatchTrace(Trace):
    """Maps operations over the axis."""

    __slots__ = ("axis",)

    def __init__(self, parent: Trace, axis: MappedAxis):
        super().__init__(parent)
        self.axis = axis

    def process(self, primitive, args, params) -> list:
        if core.match_varying is not None:
            args = core.match_varying(self, primitive, args)
        values, dims, mapped = self.split(args)
        if not mapped and not self.concerns(primitive, values, params):
            return self.parent.process(primitive, args, params)
        avals = tuple([aval_of(v) for v in values])
        program, out_dims = batch_program(primitive, params, avals, dims, self.axis)
        return self.wrap(call_program(self.parent, program, values), out_dims)

    def refuses_write(self, value):
        return "with vmapped value on an unbatched", "to the vmapped function"

    def concerns(self, primitive, values, params) -> bool:
        """Whether an operation without mapped operands uses this axis by its name all the same."""
        name = self.axis.name
        if name is None or not primitive.has_effects:
            return False
        effects = primitive.effects_of(*[aval_of(v) for v in values], **params)
        return NamedAxisEffect(name) in effects

    def split(self, args):
        values, dims = [], []
        mapped = False
        for x in args:
            if type(x) is BatchTracer and x._trace is self:
                values.append(x.val)
                dims.append(x.dim)
                mapped = True
            else:
                values.append(x)
                dims.append(None)
        return values, tuple(dims), mapped

    def wrap(self, results, out_dims) -> list:
        return [x if d is None else BatchTracer(self, x, d) for x, d in zip(results, out_dims)]

    def custom_jvp(self, call, args) -> list:
        values, dims, mapped = self.split(args)
        with set_current_trace(self.parent):
            if not mapped:
                return self.parent.custom_jvp(call, args)
            batched, out_dims = call.batch(self.axis, dims)
            results = self.parent.custom_jvp(batched, values)
            return self.wrap(results, out_dims())

    def custom_vjp(self, call, args) -> list:
        values, dims, mapped = self.split(args)
        with set_current_trace(self.parent):
            if not mapped:
                return self.parent.custom_vjp(call, args)
            batched, out_dims = call.batch(self.axis, dims)
            results = self.parent.custom_vjp(batched, values)
            return self.wrap(results, out_dims())


def batch_program(primitive: Primitive, params, avals: tuple, dims: tuple, axis: MappedAxis):
    """One operation mapped over an axis, as a program.

    Parameters
    ----------
    primitive, params : the operation
    avals : types of its operands, the mapped axes included
    dims : the mapped axis of each operand, or None
    axis : MappedAxis

    Returns
    -------
    program : ClosedJaxpr
    out_dims : tuple; the mapped axis of each result, or None
    """
    if primitive.splices:
        return batch_jaxpr(params["jaxpr"], dims, axis)
    cache = rule_cache(primitive, params)
    key = ("batch", primitive, tuple(params.items()), avals, dims, axis, config.axis_env.value,
           config.enable_x64.value)
    found = cache.get(key)
    if found is not None:
        return found
    out_dims: tuple = ()

    def rule(*values):
        nonlocal out_dims
        outs, dims_out = primitive.batch(axis, list(values), list(dims), **params)
        out_dims = tuple(dims_out)
        return outs

    with ascribe(False):
        program = trace_to_jaxpr(rule, avals)
    found = program, out_dims
    remember(cache, key, found)
    return found


def batch_jaxpr(closed: ClosedJaxpr, dims, axis: MappedAxis, force_out=False) -> tuple[ClosedJaxpr, tuple]:
    """A program mapped over an axis, as a program; cached on it.

    Parameters
    ----------
    closed : ClosedJaxpr
    dims : for each input the position of the mapped axis in the batched input, or None
    axis : MappedAxis
    force_out : bool, or one per output: outputs that get the mapped axis, first, in any case

    Returns
    -------
    program : ClosedJaxpr
    out_dims : tuple; forced outputs have 0
    """
    dims = tuple(dims)
    force = (force_out,) * len(closed.jaxpr.outvars) if isinstance(force_out, bool) else tuple(force_out)
    key = ("batch", dims, axis, force)
    found = closed.cache.get(key)
    if found is not None:
        return found
    out_dims: tuple = ()

    def run(*values):
        nonlocal out_dims
        outs, dims_out = batch_flat(lambda *xs: eval_closed(closed, *xs), values, dims, axis)
        outs = [place_axis(x, d, axis.size, 0) if must else x for x, d, must in zip(outs, dims_out, force)]
        out_dims = tuple([0 if must else d for d, must in zip(dims_out, force)])
        return outs

    avals = [batched_aval(aval, d, axis.size) for aval, d in zip(closed.in_avals, dims, strict=True)]
    program = trace_to_jaxpr(run, avals, closed.debug_info._replace(arg_names=None))
    found = program, out_dims
    remember(closed.cache, key, found)
    return found


def batch_flat(fun, values, dims, axis: MappedAxis) -> tuple[list, list]:
    """Map a flat function over an axis of its arguments.

    Parameters
    ----------
    fun : callable on flat arguments, answering a list
    values : flat arrays
    dims : for each the axis to map over, or None
    axis : MappedAxis; while ``fun`` runs its name is bound

    Returns
    -------
    outs : list of arrays
    out_dims : for each the axis that holds the mapped results, or None where it does not depend on it
    """
    trace = BatchTrace(core.current_trace(), axis)
    try:
        with set_current_trace(trace), extend_axis_env(axis):
            results = fun(*[v if d is None else BatchTracer(trace, v, d) if type(v) is not Ref else mapped_ref(trace, v, d)
                            for v, d in zip(values, dims)])
    finally:
        trace.invalidate()
    outs, out_dims = [], []
    for x in results:
        if type(x) is BatchTracer and x._trace is trace:
            outs.append(x.val)
            out_dims.append(x.dim)
        elif type(x) is Ref and x._trace is trace:
            ref, dim = outer_ref(x)
            outs.append(ref)
            out_dims.append(dim)
        else:
            outs.append(x)
            out_dims.append(None)
    x = results = None
    check_leaks(trace)
    return outs, out_dims


class extend_axis_env:
    """Bind the name of an axis while a function runs."""

    __slots__ = ("axis", "context")

    def __init__(self, axis: MappedAxis):
        self.axis = axis

    def __enter__(self) -> None:
        self.context = None
        if self.axis.name is not None:
            self.context = config.axis_env((*config.axis_env.value, (self.axis.name, self.axis.size)))
            self.context.__enter__()

    def __exit__(self, *exc) -> None:
        if self.context is not None:
            self.context.__exit__(*exc)


def move_batch_axis(x, d: int | None, size: int, to: int):
    """``x`` with the mapped axis at ``to``, broadcast there if it is not mapped."""
    return place_axis(x, d, size, to) if d is None else move_axis(x, d, to)


# --- references ---------------------------------------------------------------------------------

class MappedCell:
    """A reference that is mapped over: each example sees its part of an outer reference along ``dim``."""

    __slots__ = ("outer", "dim")

    def __init__(self, outer: Ref, dim: int):
        self.outer = outer
        self.dim = dim

    def read(self, trace: BatchTrace):
        return BatchTracer(trace, read(self.outer, trace.parent), self.dim)

    def write(self, trace: BatchTrace, value) -> None:
        dim = None
        if type(value) is BatchTracer and value._trace is trace:
            value, dim = value.val, value.dim
        with set_current_trace(trace.parent):
            value = move_batch_axis(value, dim, trace.axis.size, self.dim)
            write(self.outer, value)


def mapped_ref(trace: BatchTrace, ref: Ref, dim: int) -> Ref:
    """What a mapped function gets for a reference to map over."""
    aval = ref.aval
    return Ref(AbstractRef(unbatched_aval(aval.inner_aval, dim), aval.memory_space, aval.kind), trace, MappedCell(ref, dim))


def outer_ref(ref: Ref) -> tuple[Ref, int | None]:
    """A reference that a mapped function returns, as one of the trace outside, and the axis that is mapped."""
    cell, trace = ref._cell, ref._trace
    if isinstance(cell, MappedCell):
        return cell.outer, cell.dim
    value, dim = cell.read(trace), None
    if type(value) is BatchTracer and value._trace is trace:
        value, dim = value.val, value.dim
    aval = AbstractRef(aval_of(value), ref.aval.memory_space, ref.aval.kind)
    return Ref(aval, trace.parent, ValueCell(value)), dim
