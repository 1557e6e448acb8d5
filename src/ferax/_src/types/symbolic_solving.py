"""From the shapes of arguments to the values of dimension variables.

Exported arguments have shapes such as ``f32[b, 2*n + 1]``. A dimension with one variable that is not known yet, to the first
power, gives that variable; what it gives may make another dimension such a one. `plan` finds the order, once, from the
symbolic shapes alone. `solve` then does it for shapes at hand, which may be symbolic themselves, and checks all other dimensions
and the constraints of the scope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ferax._src.types.symbolic_dims import (
    LARGEST,
    InconclusiveDimensionOperation,
    SymbolicDim,
    bounds,
    dimension_variables,
    evaluate,
    is_symbolic_dim,
    make,
    scope_of,
)


class Step(NamedTuple):
    """``variable = (size of that dimension of that argument - rest) / coefficient``."""

    variable: str
    argument: int
    axis: int
    coefficient: int
    rest: Any  # a dimension of variables known by then


def all_dims(shapes: Sequence[Sequence[Any]]) -> list[tuple[int, int, Any]]:
    """(argument, axis, dimension) for each symbolic dimension."""
    return [(i, j, d) for i, shape in enumerate(shapes) for j, d in enumerate(shape) if is_symbolic_dim(d)]


def plan(shapes: Sequence[Sequence[Any]], describe: Callable[[int, int], str]) -> list[Step]:
    """The steps that give all variables in the shapes of arguments.

    Raises
    ------
    ValueError : if a variable occurs only where it cannot be solved for
    """
    dims = all_dims(shapes)
    wanted = set(dimension_variables([d for *_, d in dims]))
    steps: list[Step] = []
    known: set[str] = set()
    while wanted - known:
        step = next((s for i, j, d in dims if (s := _step(d, known, i, j)) is not None), None)
        if step is None:
            raise ValueError(
                f"Cannot solve for values of dimension variables {sorted(wanted - known)}: each must occur somewhere in a dimension "
                f"such as 'a', 'a + 1' or '2*a', with no other that is not known. {_specification(shapes, describe)}")
        steps.append(step)
        known.add(step.variable)
    return steps


def _step(dim: SymbolicDim, known: set[str], argument: int, axis: int) -> Step | None:
    unknown = dim.variables() - known
    if len(unknown) != 1:
        return None
    (name,) = unknown
    alone = ((name, 1),)
    coefficient = dict(dim.terms).get(alone)
    if coefficient is None:
        return None
    rest = make([term for term in dim.terms if term[0] != alone], dim.scope)
    if is_symbolic_dim(rest) and name in rest.variables():
        return None
    return Step(name, argument, axis, coefficient, rest)


def solve(steps: Sequence[Step], shapes: Sequence[Sequence[Any]], actual: Sequence[Sequence[Any]],
          describe: Callable[[int, int], str]) -> dict[str, Any]:
    """The value of each variable.

    Parameters
    ----------
    shapes, actual : of the exported function's arguments, and of those at hand
    describe : the name of a dimension of an argument, for errors

    Raises
    ------
    ValueError : if the shapes at hand do not fit, or break a constraint
    """
    env: dict[str, Any] = {}

    def wrong(what: str) -> ValueError:
        found = "; ".join(f"'{s.variable}' = {env[s.variable]} from the dimension '{shapes[s.argument][s.axis]}' of "
                          f"{describe(s.argument, s.axis)} (= {actual[s.argument][s.axis]})" for s in steps if s.variable in env)
        return ValueError(f"Input shapes do not match the polymorphic shapes specification. {what} "
                          f"{_specification(shapes, describe)} Obtained dimension variables: {found or 'none'}.")

    for variable, i, j, coefficient, rest in steps:
        size = actual[i][j]
        value, left = divmod(size - evaluate(rest, env), coefficient)
        env[variable] = value
        if not (isinstance(left, int) and left == 0):
            raise wrong(f"Division had remainder {left} when computing the value of '{variable}'.")
        if isinstance(value, int) and value > LARGEST:
            raise wrong(f"The value of '{variable}' does not fit into int32, in which exported programs count sizes.")
        if bounds(value)[0] < 1:
            raise wrong(f"Expected value >= 1 for dimension variable '{variable}'.")
    for i, j, dim in all_dims(shapes):
        value = evaluate(dim, env)
        if value != actual[i][j]:
            raise wrong(f"Found inconsistency between dimension size {describe(i, j)} (= {actual[i][j]}) and the specification "
                        f"'{dim}' (= {value}).")
    scope = scope_of([dim for *_, dim in all_dims(shapes)])
    for fact in scope.facts if scope is not None else ():
        if fact.variables() <= env.keys() and not _holds(fact, env):
            raise wrong(f"Found inconsistency with the constraint that '{fact}' (= {evaluate(fact, env)}) is not negative.")
    for text, difference in scope.equal_to_zero if scope is not None else ():
        if difference.variables() <= env.keys() and evaluate(difference, env) != 0:
            raise wrong(f"Found inconsistency with the constraint {text}: the sides differ by {evaluate(difference, env)}.")
    return env


def _holds(fact: SymbolicDim, env: dict[str, Any]) -> bool:
    try:
        return evaluate(fact, env) >= 0
    except InconclusiveDimensionOperation:
        return False


def _specification(shapes: Sequence[Sequence[Any]], describe: Callable[[int, int], str]) -> str:
    lines = "".join(f"\n  {describe(i, -1)} = ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
                    for i, shape in enumerate(shapes) if any(map(is_symbolic_dim, shape)))
    return f"Using the following polymorphic shapes specifications:{lines}\n"
