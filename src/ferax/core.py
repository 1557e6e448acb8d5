"""``ferax.core``: the parts that programs are made of, for tools that read and write them."""

from ferax._src.api.staging import ensure_compile_time_eval
from ferax._src.ir.checker import check_jaxpr
from ferax._src.ir.jaxpr import (
    Atom,
    ClosedJaxpr,
    DebugInfo,
    DropVar,
    Effects,
    Eqn as JaxprEqn,
    Jaxpr,
    Literal,
    Var,
    no_effects,
)
from ferax._src.runtime.dispatch import is_concrete
from ferax._src.tracing.core import Primitive, Trace, Tracer, eval_context
from ferax._src.tracing.evaluate import eval_jaxpr
from ferax._src.types.avals import AbstractValue, ShapedArray
from ferax._src.util.errors import InconclusiveDimensionOperation, JaxprTypeError

__all__ = [
    "AbstractValue",
    "Atom",
    "ClosedJaxpr",
    "DebugInfo",
    "DropVar",
    "Effects",
    "InconclusiveDimensionOperation",
    "Jaxpr",
    "JaxprEqn",
    "JaxprTypeError",
    "Literal",
    "Primitive",
    "ShapedArray",
    "Trace",
    "Tracer",
    "Var",
    "check_jaxpr",
    "ensure_compile_time_eval",
    "eval_context",
    "eval_jaxpr",
    "is_concrete",
    "no_effects",
]
