"""What a function keeps for its backward pass, for people who save memory with `checkpoint`."""

from __future__ import annotations

from ferax._src.api.autodiff import vjp
from ferax._src.api.staging import make_jaxpr
from ferax._src.ir.jaxpr import Literal
from ferax._src.types.pytrees import tree_leaves
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
    names = jaxpr.debug_info.arg_names or ()
    made = {v: eqn for eqn in jaxpr.eqns for v in eqn.outvars}
    found, seen = [], set()
    for v in jaxpr.outvars:
        if type(v) is Literal or v in seen:
            continue
        seen.add(v)
        if v in made:
            text = f"output of {made[v].primitive.name} from {source_info.summarize(made[v].source)}"
        elif v in jaxpr.invars:
            i = jaxpr.invars.index(v)
            text = f"from the argument {names[i] if i < len(names) else i}"
        else:
            text = "a constant"
        found.append((v.aval, text))
    return found


def print_saved_residuals(f, *args, **kwargs) -> None:
    """Print what ``f`` keeps between its forward and its backward pass: a line for each value, with its origin.

    Parameters
    ----------
    f : callable
    *args, **kwargs : example arguments; those by position are differentiated
    """
    for aval, text in saved_residuals(f, *args, **kwargs):
        print(f"{aval.str_short()} {text}")
