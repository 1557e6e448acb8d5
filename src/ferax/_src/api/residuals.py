"""What a function keeps for its backward pass, for people who save memory with `checkpoint`."""

from __future__ import annotations

from ferax._src.api.autodiff import vjp
from ferax._src.api.staging import make_jaxpr
from ferax._src.control.call import jit_p
from ferax._src.control.remat import checkpoint_p, name_p
from ferax._src.control.tracing_utils import argument_names
from ferax._src.ir.jaxpr import Literal
from ferax._src.types.pytrees import tree_leaves, tree_structure
from ferax._src.util import source as source_info


def saved_residuals(f, *args, **kwargs) -> list[tuple]:
    """The values that ``f`` keeps between its forward and its backward pass.

    Returns
    -------
    list of (ShapedArray, text), the text saying where the value comes from
    """
    def residuals(*args, **kwargs):
        return tree_leaves(vjp(lambda *a: f(*a, **kwargs), *args)[1])

    jaxpr = make_jaxpr(residuals)(*args, **kwargs).jaxpr
    names = argument_names(f, tree_structure((args, kwargs)), kwargs=True)
    found, seen = [], set()
    for v in jaxpr.outvars:
        if type(v) is Literal or v in seen:
            continue
        seen.add(v)
        found.append((v.aval, _origin(jaxpr, v, names)))
    return found


def _origin(jaxpr, v, names, place: str = "unknown") -> str:
    """Where a variable of a jaxpr comes from, in words; looks into the calls that made it, the innermost at ``place``."""
    if v in jaxpr.invars:
        i = jaxpr.invars.index(v)
        return f"from the argument {names[i] if i < len(names) else i}"
    eqn = next((eqn for eqn in jaxpr.eqns if v in eqn.outvars), None)
    if eqn is None:
        return "from a constant"
    where = source_info.summarize(eqn.source)
    where = place if where == "unknown" else where          # equations that a rule wrote have no place of their own
    if eqn.primitive is name_p:
        return f"named '{eqn.params['name']}' from {where}"
    inner = eqn.params.get("jaxpr")
    if eqn.primitive in (jit_p, checkpoint_p):
        result = inner.jaxpr.outvars[eqn.outvars.index(v)]
        if type(result) is not Literal and result in inner.jaxpr.invars:        # handed through
            outer = eqn.invars[inner.jaxpr.invars.index(result)]
            return "from a literal" if type(outer) is Literal else _origin(jaxpr, outer, names, place)
        if type(result) is not Literal:
            return _origin(inner.jaxpr, result, (), where)
    return f"output of {eqn.primitive.name} from {where}"


def print_saved_residuals(f, *args, **kwargs) -> None:
    """Print what ``f`` keeps between its forward and its backward pass: a line for each value, with its origin.

    Parameters
    ----------
    f : callable
    *args, **kwargs : example arguments; those by position are differentiated
    """
    for aval, text in saved_residuals(f, *args, **kwargs):
        print(f"{aval.str_short()} {text}")
