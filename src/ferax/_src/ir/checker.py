"""Checking jaxprs: every variable defined once and before it is read, every equation of the right type.

Tests run it on every jaxpr they make; `config.jax_enable_checks` runs it on every program traced.
"""

from __future__ import annotations

from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, jaxprs_in_params
from ferax._src.ir.printer import pp_eqn_alone
from ferax._src.types.avals import ShapedArray
from ferax._src.util.errors import JaxprTypeError


def check_jaxpr(jaxpr: Jaxpr | ClosedJaxpr) -> None:
    """Check a jaxpr and those inside it.

    Raises
    ------
    JaxprTypeError : naming the equation at fault
    """
    inner = jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr
    defined: set = set()

    def define(v, where):
        if v in defined:
            raise JaxprTypeError(f"the variable {v} is defined twice, the second time by {where}")
        defined.add(v)

    def read(v, where):
        if type(v) is Literal:
            if getattr(v.aval, "shape", None) != ():
                raise JaxprTypeError(f"the literal {v} in {where} is not a scalar")
        elif v not in defined:
            raise JaxprTypeError(f"the variable {v} is read by {where} before it is defined")

    for v in [*inner.constvars, *inner.invars]:
        define(v, "the inputs")
    for eqn in inner.eqns:
        for v in eqn.invars:
            read(v, f"`{eqn.primitive.name}`")
        _check_eqn(eqn)
        for v in eqn.outvars:
            define(v, f"`{eqn.primitive.name}`")
        if not eqn.effects <= inner.effects:
            raise JaxprTypeError(f"the effects {set(eqn.effects - inner.effects)} of `{eqn.primitive.name}` "
                                 f"are missing from those of the jaxpr, {set(inner.effects)}")
        for sub in jaxprs_in_params(eqn.params):
            check_jaxpr(sub)
    for v in inner.outvars:
        read(v, "the results")
    if isinstance(jaxpr, ClosedJaxpr) and len(jaxpr.consts) != len(inner.constvars):
        raise JaxprTypeError(f"{len(inner.constvars)} constvars but {len(jaxpr.consts)} constants")


def _check_eqn(eqn: Eqn) -> None:
    avals = [v.aval for v in eqn.invars]
    try:
        found = eqn.primitive.abstract_eval(*avals, **eqn.params)
    except (TypeError, ValueError) as error:
        raise JaxprTypeError(f"the operands do not fit the primitive: {error}\n{pp_eqn_alone(eqn)}") from error
    expected = [v.aval for v in eqn.outvars]
    if len(found) != len(expected):
        raise JaxprTypeError(f"`{eqn.primitive.name}` gives {len(found)} results, "
                             f"the equation has {len(expected)}\n{pp_eqn_alone(eqn)}")
    for have, want in zip(found, expected):
        if not types_match(have, want):
            raise JaxprTypeError(f"`{eqn.primitive.name}` gives {have}, the equation says {want}\n"
                                 f"{pp_eqn_alone(eqn)}")


def types_match(a, b) -> bool:
    """Whether two types agree in all but weak type, which transformations may drop."""
    if isinstance(a, ShapedArray) and isinstance(b, ShapedArray):
        return a.shape == b.shape and a.dtype == b.dtype
    return type(a) is type(b)
