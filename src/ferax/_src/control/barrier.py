"""`optimization_barrier`: values that the compiler may not look through."""

from __future__ import annotations

from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.types.pytrees import tree_flatten, tree_unflatten


class OptimizationBarrier(Primitive):
    """Its operands, all computed before any of them is used.  StableHLO: ``optimization_barrier``."""

    name = "optimization_barrier"
    handles_extended_dtypes = True

    def abstract_eval(self, *avals):
        return list(avals)

    def lower(self, ctx, *values):
        return barrier_of(ctx, values)

    def jvp(self, primals, tangents):
        outs = self.bind(*primals)
        active = [t for t in tangents if type(t) is not Zero]
        passed = iter(self.bind(*active)) if active else iter(())
        return outs, [t if type(t) is Zero else next(passed) for t in tangents]

    def transpose(self, cts, *args):
        active = [ct for ct in cts if type(ct) is not Zero]
        passed = iter(self.bind(*map(instantiate_zeros, active)))
        return [ct if type(ct) is Zero else next(passed) for ct in cts]

    def batch(self, axis, args, dims):
        return self.bind(*args), dims


optimization_barrier_p = register(OptimizationBarrier())


def barrier_of(ctx, values) -> list:
    """The values of a lowering rule behind a barrier."""
    if not values:
        return []
    return list(ctx.op("stablehlo.optimization_barrier", list(values), [v.type for v in values]).results)


def optimization_barrier(operand, /):
    """``operand``, such that the compiler neither moves its computation past this point nor joins it with another.

    Parameters
    ----------
    operand : pytree of arrays

    Returns
    -------
    pytree of the same values, all of them available before any of them is used

    Examples
    --------
    >>> lax.optimization_barrier((1, 2))
    (Array(1, dtype=int32, weak_type=True), Array(2, dtype=int32, weak_type=True))
    """
    leaves, tree = tree_flatten(operand)
    return tree_unflatten(tree, optimization_barrier_p.bind(*leaves) if leaves else [])
