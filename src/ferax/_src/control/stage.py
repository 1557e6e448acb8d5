"""``lax.stage``: a number or array as a value of the transformation that is going on."""

from __future__ import annotations

from ferax._src.ops.convert import as_array
from ferax._src.tracing.core import Array, Primitive, Tracer, Zero, is_evaluating, register
from ferax._src.types.avals import aval_of
from ferax._src.util.tracebacks import api_boundary


class Stage(Primitive):
    """The operand."""

    name = "stage"
    handles_extended_dtypes = True
    recompute = True

    def abstract_eval(self, x):
        return [x]

    def evaluate(self, args, params):
        return [as_array(args[0])]

    def lower(self, ctx, x):
        return [x]

    def jvp(self, primals, tangents):
        (t,) = tangents
        return self.bind(*primals), [t] if type(t) is Zero else self.bind(t)

    def transpose(self, cts, x):
        return list(cts)

    def batch(self, axis, args, dims):
        return self.bind(*args), dims


stage_p = register(Stage())


@api_boundary
def stage(x, /):
    """``x`` as a value of the program that is being traced or, where nothing is traced, as an array.

    Parameters
    ----------
    x : array, NumPy array or number

    Returns
    -------
    array
    """
    if isinstance(x, Tracer):
        return x
    try:
        aval_of(x)
    except TypeError:
        raise TypeError(f"Error interpreting argument to stage as an array or a number: got {x!r} of type {type(x).__name__}") from None
    if is_evaluating():
        return x if isinstance(x, Array) else as_array(x)
    return stage_p.bind(x)[0]
