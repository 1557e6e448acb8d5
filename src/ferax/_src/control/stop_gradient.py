"""`stop_gradient`: the identity, without a derivative."""

from __future__ import annotations

from ferax._src.ops.convert import as_array
from ferax._src.tracing.core import Array, Primitive, Tracer, Zero, is_active_dtype, register
from ferax._src.types.pytrees import tree_map
from ferax._src.util.tracebacks import api_boundary


class StopGradient(Primitive):
    """The operand; its tangent is zero."""

    name = "stop_gradient"
    handles_extended_dtypes = True
    recompute = True

    def abstract_eval(self, x):
        return [x]

    def lower(self, ctx, x):
        return [x]

    def jvp(self, primals, tangents):
        outs = self.bind(*primals)
        return outs, [Zero.of(outs[0])]

    def transpose(self, cts, x):
        return [Zero.of(x)]

    def batch(self, axis, args, dims):
        return self.bind(*args), dims


stop_gradient_p = register(StopGradient())


@api_boundary
def stop_gradient(x):
    """``x``, a constant as far as derivatives are concerned.

    Parameters
    ----------
    x : pytree of arrays

    Returns
    -------
    pytree of the same values
    """
    return tree_map(_stopped, x)


def _stopped(x):
    if isinstance(x, Tracer):
        return stop_gradient_p.bind(x)[0] if is_active_dtype(x.aval.dtype) else x
    return x if isinstance(x, Array) else as_array(x)
