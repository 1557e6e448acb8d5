"""``lax.composite``: a program that compilers may know by name, and have something better for."""

from __future__ import annotations

import functools
from collections.abc import Callable

from ferax._src.control.attributes import Attributes
from ferax._src.control.call import jit_p, jit_params
from ferax._src.control.tracing_utils import described, flatten_arrays, trace_function
from ferax._src.ops.program_holder import ProgramHolder
from ferax._src.tracing.core import Tracer, register
from ferax._src.transforms.batch import batch_jaxpr
from ferax._src.types.pytrees import tree_unflatten
from ferax._src.util import errors
from ferax._src.util.tracebacks import api_boundary


class Composite(ProgramHolder):
    """Run ``jaxpr``, known to compilers as ``name``.  StableHLO: ``composite``."""

    name = "composite"

    def lower(self, ctx, *values, jaxpr, name, attributes, version):
        return ctx.composite(jaxpr, *values, name=name, attributes=attributes.values, version=version)

    def jvp(self, primals, tangents, *, name, **params):
        raise ValueError(f"JVP rule for composite {name!r} not implemented: a compiler may have a program of its own for it. You can use "
                         "`ferax.custom_jvp` to add support.")

    def transpose(self, cts, *args, name, **params):
        raise ValueError(f"Transpose rule for composite {name!r} not implemented. You can use `ferax.custom_jvp` or `ferax.custom_vjp` to "
                         "add support.")

    def batch(self, axis, args, dims, *, jaxpr, name, **params):
        """Many examples are no longer the operation of that name, so its parts stand for it."""
        program, out_dims = batch_jaxpr(jaxpr, dims, axis)
        return jit_p.bind(*args, **jit_params(program, name=name, inline=True)), out_dims


composite_p = register(Composite())


@api_boundary
def composite(decomposition: Callable, name: str, version: int = 0):
    """A function that programs show to the compiler under a name, with its parts for compilers that do not know it.

    Parameters
    ----------
    decomposition : callable on pytrees of arrays. Keyword arguments are values that are known while tracing
    name : of the operation, such as "my.softmax"
    version : int, for changes of its meaning

    Returns
    -------
    callable. Its keyword arguments become attributes of the operation, but for those that are None

    Notes
    -----
    It cannot be differentiated; wrap it in `custom_jvp` or `custom_vjp`. Mapped by ``vmap`` it is replaced by its parts.

    Examples
    --------
    >>> tangent = composite(lambda x: lax.sin(x) / lax.cos(x), name="my.tangent")
    >>> tangent(0.0)
    Array(0., dtype=float32, weak_type=True)
    """
    if not callable(decomposition):
        raise TypeError(f"composite: the decomposition must be a function, got {type(decomposition).__name__}")
    if not isinstance(name, str):
        raise TypeError(f"composite: the name must be a str, got {type(name).__name__}")

    @functools.wraps(decomposition)
    @api_boundary
    def wrapped(*args, **kwargs):
        leaves, avals, tree = flatten_arrays(args, f"composite {name!r}", "argument")
        fun = functools.partial(decomposition, **kwargs) if kwargs else decomposition
        closed, consts, out_tree = trace_function(fun, tree, avals, "composite")
        for c in consts:
            if isinstance(c, Tracer):
                raise errors.UnexpectedTracerError(
                    f"composite {name!r}: {described(closed.debug_info)} closes over a traced value, {c}. An operation with a name has no "
                    "other values than its arguments; pass the value as one.")
        attributes = Attributes({key: value for key, value in kwargs.items() if value is not None})
        outs = composite_p.bind(*consts, *leaves, jaxpr=closed, name=name, attributes=attributes, version=version)
        return tree_unflatten(out_tree, outs)

    return wrapped
