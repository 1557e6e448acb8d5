"""Reading and writing references, and programs without them.

`get_p`, `swap_p` and `addupdate_p` are what `Ref` operations leave in a jaxpr, for references that come from outside of
the traced function. They have no rules: where a program with such equations is called, evaluated or transformed it is
first *discharged*, that is, made one that takes the values of its references and answers those that it writes. To
discharge is to evaluate the program on references that hold values (`tracing.refs`): their reads and writes are no
operations at all.

A primitive that holds jaxprs is a `ProgramCaller`: given references it discharges its programs, passes values, and
writes back what comes out. So no equation but those here ever has a reference as an operand (and calls of functions with
derivative rules of their own, that the rule may find it).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ferax._src.ir.dce import dce_closed
from ferax._src.ir.jaxpr import ClosedJaxpr, Effects
from ferax._src.ops.convert import as_array, copy_p
from ferax._src.ops.elementwise import add
from ferax._src.ops.elementwise_bits import bitwise_or
from ferax._src.ops.program_holder import ProgramHolder
from ferax._src.tracing import core
from ferax._src.tracing.core import Primitive, Trace, state
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.tracing.refs import CarrierCell, Ref, ValueCell
from ferax._src.tracing.staging import JaxprTrace, trace_to_jaxpr
from ferax._src.types.avals import ShapedArray
from ferax._src.types.refs import AbstractRef, AccumEffect, PassEffect, ReadEffect, WriteEffect, passed_vars, written_vars
from ferax._src.util import config

_OPERATION = {"swap": "a set/swap", "addupdate": "an addupdate"}


# --- whole values ---------------------------------------------------------------------------------

def is_variable(ref: Ref, trace: Trace) -> bool:
    """Whether operations on ``ref`` are to be written down by ``trace``, because it comes from outside of it."""
    return isinstance(trace, JaxprTrace) and (ref._trace is not trace or ref._cell is None)


def read(ref: Ref, trace: Trace | None = None):
    """The whole value of a reference, as seen by a trace; by default by the current one."""
    trace = state.trace if trace is None else trace
    if is_variable(ref, trace):
        return stage(trace, get_p, ref, (), {"index": None})[0]
    if ref._trace is trace:
        return ref._cell.read(trace)
    if trace.parent is None:
        raise core.escaped_tracer_error(ref)
    return read(ref, trace.parent)


def write(ref: Ref, value, operation: str = "swap", trace: Trace | None = None) -> None:
    """Replace the whole value of a reference.

    Raises
    ------
    ValueError : if a transformation between the reference's owner and the trace has a part in the value: the reference
        has no room for a mapped axis, nor for a tangent.
    """
    trace = state.trace if trace is None else trace
    if is_variable(ref, trace):
        stage(trace, swap_p, ref, (value,), {"index": None})
    elif ref._trace is trace:
        ref._cell.write(trace, as_array(value))
    elif trace.parent is None:
        raise core.escaped_tracer_error(ref)
    else:
        why = trace.refuses_write(value)
        if why is not None:
            raise ValueError(f"performing {_OPERATION[operation]} operation {why[0]} array reference of type {ref.aval}. Move the "
                             f"array reference to be an argument {why[1]}?")
        write(ref, value, operation, trace.parent)


# --- the equations --------------------------------------------------------------------------------

class RefPrimitive(Primitive):
    """An operation on a reference: the first operand. Parameter ``index`` says which part of the array, None for all."""

    has_effects = True
    effect: type = ReadEffect

    def bind(self, ref, *operands, index=None):
        trace = state.trace
        if is_variable(ref, trace):
            return stage(trace, self, ref, operands, {"index": index})
        return self.apply(ref, operands, index)

    def apply(self, ref: Ref, operands, index) -> list:
        raise NotImplementedError

    def abstract_eval(self, ref, *operands, index=None):
        if not isinstance(ref, AbstractRef):
            raise TypeError(f"{self.name}: the first operand must be a reference, got {ref}")
        return self.result(ref.inner_aval, operands, index)

    def result(self, aval: ShapedArray, operands, index) -> list:
        return []


class Get(RefPrimitive):
    """The elements of a reference: ``ref[index]``."""

    name = "get"

    def apply(self, ref, operands, index):
        value = read(ref)
        return [value if index is None else index.take(value, *operands)]

    def result(self, aval, operands, index):
        return [aval if index is None else index.result(aval, *operands)]

    def text(self, outs, ref, operands, index):
        return f"{outs} <- {ref}[{_inside(index, operands)}]"


class Swap(RefPrimitive):
    """Replace elements; answers those that were there. Operands after the reference: the new ones, those of the index."""

    name = "swap"
    effect = WriteEffect

    def apply(self, ref, operands, index):
        new, *rest = operands
        old = read(ref)
        if index is None:
            write(ref, new)
            return [old]
        write(ref, index.put(old, new, *rest))
        return [index.take(old, *rest)]

    def result(self, aval, operands, index):
        return [aval if index is None else index.result(aval, *operands[1:])]

    def text(self, outs, ref, operands, index):
        place = f"{ref}[{_inside(index, operands[1:])}]"
        if outs.startswith("_"):
            return f"{place} <- {operands[0]}"
        return f"{outs}, {place} <- {place}, {operands[0]}"


class AddUpdate(RefPrimitive):
    """Add to elements; an element that the index names twice is added to twice. Operands as those of `Swap`."""

    name = "addupdate"
    effect = AccumEffect

    def apply(self, ref, operands, index):
        new, *rest = operands
        write(ref, add_to(read(ref), new, index, rest), "addupdate")
        return []

    def text(self, outs, ref, operands, index):
        return f"{ref}[{_inside(index, operands[1:])}] += {operands[0]}"


def add_to(value, new, index, operands):
    """An array with something added to some of its elements."""
    if index is not None:
        return index.add(value, new, *operands)
    return bitwise_or(value, new) if value.dtype == np.bool_ else add(value, new)


def _inside(index, operands) -> str:
    return "..." if index is None else index.text(operands)


# Not registered among the primitives whose rules are tested: nothing ever asks them for a rule.
get_p = Get()
swap_p = Swap()
addupdate_p = AddUpdate()


def stage(trace: JaxprTrace, primitive: RefPrimitive, ref: Ref, operands, params) -> list:
    """Write an equation for an operation on a reference from outside."""
    var = trace.ref_var(ref)
    invars = [var, *map(trace.atom, operands)]
    out_avals = core.abstract_eval(primitive, tuple([v.aval for v in invars]), params)
    return trace.emit(primitive, invars, out_avals, params, frozenset([primitive.effect(var)]))


# --- programs without references ------------------------------------------------------------------

def discharged(closed: ClosedJaxpr, carry: bool = False) -> tuple[ClosedJaxpr, tuple[int, ...]]:
    """A program that takes the values of its references, and answers those that it writes; cached on it.

    Parameters
    ----------
    closed : ClosedJaxpr, with references among its inputs but not among its constants
    carry : whether those handed to derivative rules count as written: see `control.custom_refs`

    Returns
    -------
    program : ClosedJaxpr; its results are those of ``closed`` and then the last values of the references written
    written : the numbers of the inputs that these are
    """
    key = "discharged", carry
    found = closed.cache.get(key)
    if found is not None:
        return found
    in_avals = closed.in_avals
    carried = passed_vars(closed.jaxpr.effects) if carry else frozenset()
    changed = written_vars(closed.jaxpr.effects) | carried
    written = tuple([i for i, v in enumerate(closed.jaxpr.invars) if v in changed])

    def run(*flat):
        args = [x if type(v.aval) is not AbstractRef else Ref(v.aval, state.trace, (CarrierCell if v in carried else ValueCell)(x))
                for v, x in zip(closed.jaxpr.invars, flat)]
        outs = eval_closed(closed, *args)
        return [*outs, *(read(args[i]) for i in written)]

    program = trace_to_jaxpr(run, [a.inner_aval if type(a) is AbstractRef else a for a in in_avals],
                             closed.debug_info._replace(result_paths=None))
    program, _ = dce_closed(program, (True,) * len(program.jaxpr.outvars), True)    # what swaps answered and nobody read
    found = closed.cache[key] = program, written
    return found


class PureCall(NamedTuple):
    """A traced function as one of values.

    program : takes the values of ``refs`` and then the arguments, of which references are given by their values; answers its
        results and then the last values of what it writes
    refs : the references that the function closes over
    written : the numbers, among refs ++ arguments, of what it writes
    """

    program: ClosedJaxpr
    refs: list[Ref]
    written: tuple[int, ...]


def as_pure(closed: ClosedJaxpr) -> PureCall | None:
    """A program that uses references, as one that does not; None if it uses none. Cached on it."""
    if not has_refs(closed.consts) and not any(type(a) is AbstractRef for a in closed.in_avals):
        return None
    found = closed.cache.get("pure")
    if found is None:
        refs = [c for c in closed.consts if type(c) is Ref]
        others = [c for c in closed.consts if type(c) is not Ref]
        ref_vars = [v for v, c in zip(closed.jaxpr.constvars, closed.consts) if type(c) is Ref]
        other_vars = [v for v, c in zip(closed.jaxpr.constvars, closed.consts) if type(c) is not Ref]
        debug = closed.debug_info
        if debug.arg_names is not None:
            debug = debug._replace(arg_names=(_CLOSED_OVER,) * len(refs) + debug.arg_names)
        jaxpr = closed.jaxpr.replace(constvars=other_vars, invars=[*ref_vars, *closed.jaxpr.invars], debug_info=debug)
        program, written = discharged(ClosedJaxpr(jaxpr, others))
        found = closed.cache["pure"] = PureCall(program, refs, written)
    return found


def values_of(args) -> list:
    """The operands, references read."""
    return [read(x) if type(x) is Ref else x for x in args]


def lent_values(args, written) -> list:
    """The operands of a compiled program that writes over the memory of the references it writes (donation)."""
    values = values_of([None if i in written else x for i, x in enumerate(args)])
    for i in written:
        cell = args[i]._cell
        if isinstance(cell, ValueCell) and cell.owned:
            values[i], cell.owned = cell.value, False
        else:
            values[i] = copy_p.bind(read(args[i]))[0]
    return values


def take_back(args, written, values) -> None:
    """`write_back` after `lent_values`: the arrays are nobody else's."""
    for i, value in zip(written, values, strict=True):
        cell = args[i]._cell
        cell.value, cell.owned = value, True


def write_back(args, written, values) -> None:
    """Give the references among the operands their new values."""
    for i, value in zip(written, values, strict=True):
        write(args[i], value)


def has_refs(args) -> bool:
    """Whether references are among the values."""
    return any([type(x) is Ref for x in args])


def handed_to_rules(effects: Effects) -> bool:
    """Whether a program hands references to functions with derivative rules of their own."""
    return any(type(e) is PassEffect for e in effects)


class ProgramCaller(ProgramHolder):
    """A primitive that holds jaxprs, and takes references as operands, too."""

    def bind(self, *args, **params) -> list:
        for x in args:
            if type(x) is Ref:
                return self.bind_refs(args, **params)
        return state.trace.process(self, args, params)

    def bind_refs(self, args, **params) -> list:
        """Apply the primitive where references are among the operands."""
        raise NotImplementedError(f"{self.name}: a function that it calls uses an array reference from outside, which is not "
                                  "supported. Read the reference before (ref[...]), and write it afterwards.")


_CLOSED_OVER = "a closed-over value"
_checks = config.FLAGS["jax_mutable_array_checks"]


def check_aliases(args, debug_info) -> None:
    """Raise ValueError where a reference is given twice, or given and closed over.

    Parameters
    ----------
    args : the operands of a program, of which the first ones may be what a function closes over
    debug_info : of the program, with names for the operands
    """
    seen: dict[int, int] = {}
    for i, x in enumerate(args):
        if type(x) is not Ref or not _checks.value:
            continue
        first = seen.setdefault(id(x), i)
        if first != i:
            raise alias_error(x, _name(debug_info, first), _name(debug_info, i), debug_info)


def _name(debug_info, i: int) -> str:
    names = debug_info.arg_names
    return names[i] if names is not None and i < len(names) else f"argument {i}"


def alias_error(ref: Ref, first: str, second: str, debug_info) -> ValueError:
    """The error for a reference that reaches a function in two ways."""
    where = f"{debug_info.func_name}{f' at {debug_info.func_location}' if debug_info.func_location else ''}"
    if first == _CLOSED_OVER:
        return ValueError(f"when tracing {where} for {debug_info.transform}, a mutable array reference of type {ref.aval} was both "
                          f"closed over and passed as the argument {second}")
    return ValueError("only one reference to a mutable array may be passed as an argument to a function, but when tracing "
                      f"{where} for {debug_info.transform} the mutable array reference of type {ref.aval} appeared at both {first} "
                      f"and {second}.")


def check_given(leaves, debug_info) -> None:
    """`check_aliases` for the flat arguments of a function that is only traced."""
    if has_refs(leaves):
        check_aliases(leaves, debug_info)
