"""Along which mesh axes values vary: the part of types that `shard_map` with ``check_vma`` keeps track of.

Inside such a `shard_map` the type of a value says along which manual mesh axes devices may hold different values
(`ShapedArray.varying`); `psum` takes an axis off, `pvary` puts one on. Operands of an operation must vary along the same
axes: where they do not, those that vary along fewer are cast, by `pvary`. The cast computes nothing, but its transpose is
a sum: so the derivative by a value that all devices share is the sum of what each of them contributes.

What is not said so is constant: literals, closed-over values, what operations make of nothing.
"""

from __future__ import annotations

from ferax._src.control.collectives import psum_invariant_p, pvary_p
from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.tracing import core
from ferax._src.tracing.core import remember
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types.avals import nowhere
from ferax._src.util import config


def keep_track() -> None:
    """From now on traces match the operands of operations. Without any `shard_map` that checks there is nothing to match."""
    core.match_varying = matched


def varying_of(x) -> frozenset:
    """The mesh axes along which a value may vary."""
    return getattr(getattr(x, "aval", None), "varying", nowhere)


def matched(trace, primitive, args):
    """The operands of an operation, on a trace, cast so that all vary along the same axes."""
    if primitive.types_varying or primitive.splices or len(args) < 2:
        return args
    first = varying_of(args[0])
    for x in args:
        if varying_of(x) != first:
            break
    else:
        return args
    everywhere = nowhere.union(*map(varying_of, args))
    return [trace.process(pvary_p, (x,), {"axes": in_order(everywhere - varying_of(x))})[0] if varying_of(x) != everywhere else x
            for x in args]


def in_order(names) -> tuple:
    """Axis names, in an order that does not depend on the run."""
    return tuple(sorted(names, key=str))


def vary(x, names):
    """``x``, varying along those of the axes that types keep track of here."""
    return cast_to(x, config.varying_axes.value.intersection(names))


def cast_to(x, names):
    """``x``, varying along these axes too."""
    missing = frozenset(names) - varying_of(x)
    return pvary_p.bind(x, axes=in_order(missing))[0] if missing else x


def summed_to(ct, names):
    """A cotangent for a value that varies along these axes only: over others, what the devices have of it is added up."""
    more = varying_of(ct) - names
    return psum_invariant_p.bind(ct, axes=in_order(more), axis_index_groups=None)[0] if more else ct


def with_varying_outputs(closed: ClosedJaxpr, wanted) -> ClosedJaxpr:
    """A program whose results vary along some axes more: one set of names for each result."""
    missing = tuple([in_order(frozenset(names) - aval.varying) for names, aval in zip(wanted, closed.out_avals, strict=True)])
    if not any(missing):
        return closed
    key = ("varying", missing)
    found = closed.cache.get(key)
    if found is None:
        def run(*args):
            outs = eval_closed(closed, *args)
            return [pvary_p.bind(x, axes=axes)[0] if axes else x for x, axes in zip(outs, missing)]

        found = trace_to_jaxpr(run, closed.in_avals, closed.jaxpr.debug_info)
        remember(closed.cache, key, found)
    return found
