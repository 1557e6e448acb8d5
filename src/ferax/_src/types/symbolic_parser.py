"""Symbolic shapes from text: ``symbolic_shape("b, 2*n + 1, ...")``, and the constraints of scopes.

    shape   dimensions, separated by commas, in parentheses or not; ``_`` and ``...`` take theirs from another shape
    sum     [-] product (+|- product) ...
    product factor (* factor) ...
    factor  a number, a variable, mod(e, e), floordiv(e, e), max(e, e), min(e, e), (e), each perhaps with ^ and a number
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ferax._src.types.symbolic_dims import Scope, divide, maximum, minimum, variable

_TOKEN = re.compile(r"\s*(\.\.\.|[A-Za-z_]\w*|\d+|>=|<=|==|\S)")
_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "mod": lambda x, y: divide(x, y)[1] if not isinstance(x, int) or not isinstance(y, int) else x % y,
    "floordiv": lambda x, y: divide(x, y)[0] if not isinstance(x, int) or not isinstance(y, int) else x // y,
    "max": maximum,
    "min": minimum,
}


class SymbolicScope(Scope):
    """Where symbolic dimensions belong, with the constraints that they are known to fulfil.

    Dimensions meet (in arithmetic, in the arguments of one program) only if they are of one scope.

    Parameters
    ----------
    constraints_str : sequence of str; each of the form ``e1 >= e2``, ``e1 <= e2`` or ``e1 == e2``. The left side of an equality
        is a product with a coefficient; it is replaced by the right side wherever it occurs.

    Raises
    ------
    ValueError : for a constraint that is none, or that nothing fulfils
    """

    def __init__(self, constraints_str: Sequence[str] = ()):
        super().__init__()
        if isinstance(constraints_str, str):
            raise ValueError(f"The symbolic constraints should be a sequence of strings. Got {constraints_str!r}")
        for text in constraints_str:
            if not isinstance(text, str):
                raise ValueError(f"SymbolicScope constraint must be a string: got {text!r}")
            parts = re.split("(==|>=|<=)", text)
            if len(parts) != 3:
                raise ValueError("Constraint parsing error: must contain one of '==' or '>=' or '<=', with an expression on each "
                                 f"side: got {text!r}")
            x, y = (_Parser(side, self).single() for side in (parts[0], parts[2]))
            self.add(text, x, parts[1], y)


class _Parser:
    def __init__(self, text: str, scope: Scope, like: Sequence[int | None] | None = None):
        self.text, self.scope, self.like = text, scope, like
        found = list(_TOKEN.finditer(text))
        self.tokens = [m[1] for m in found] + [""]
        self.starts = [m.start(1) for m in found] + [len(text)]
        self.at = 0
        self.dims: list[Any] = []

    def error(self, what: str) -> ValueError:
        start = self.starts[self.at]
        return ValueError(f"syntax error in symbolic shape {self.text!r} in dimension {len(self.dims)}: {what}. "
                          f"Parsed {self.text[:start]!r}, remaining {self.text[start:]!r}.")

    def peek(self) -> str:
        return self.tokens[self.at]

    def take(self, *wanted: str) -> str | None:
        """The next token, if it is one of those."""
        token = self.tokens[self.at]
        if token and token in wanted:
            self.at += 1
            return token
        return None

    def expect(self, token: str) -> None:
        if self.take(token) is None:
            raise self.error(f"expecting {token!r} but found {self.peek()!r}" if self.peek() else f"expecting {token!r} at the end")

    def single(self) -> Any:
        """The whole text as one expression."""
        found = self.sum()
        if self.peek():
            raise self.error(f"unexpected {self.peek()!r}")
        return found

    def shape(self) -> tuple:
        closed = self._encloses()
        self.at += closed
        last = len(self.tokens) - 1 - closed
        while self.at < last:
            self.dimension(last)
            if self.at < last:
                self.expect(",")
        if self.like is not None and len(self.dims) != len(self.like):
            raise ValueError(f"symbolic shape {self.text!r} has {len(self.dims)} dimensions, but the shape it is to be like, "
                             f"{tuple(self.like)}, has {len(self.like)}")
        return tuple(self.dims)

    def _encloses(self) -> bool:
        """Whether the first and the last token are a pair of parentheses around all."""
        if self.tokens[0] != "(":
            return False
        depth = 0
        for i, token in enumerate(self.tokens[:-1]):
            depth += (token == "(") - (token == ")")
            if depth == 0:
                return i == len(self.tokens) - 2
        return False

    def dimension(self, last: int) -> None:
        token = self.peek()
        if token not in ("_", "..."):
            found = self.sum()
            known = self.like[len(self.dims)] if self.like is not None and len(self.dims) < len(self.like) else None
            if isinstance(found, int) and known is not None and not (isinstance(known, int) and found == known):
                raise self.error(f"the dimension is {found}, but {known} in the shape it is to be like, {tuple(self.like or ())}")
            self.dims.append(found)
            return
        if self.like is None:
            raise self.error("spec contains ... but no 'like' shape was given")
        self.at += 1
        if token == "..." and self.at < last:
            raise self.error("... can only be the last of the dimensions")
        stop = len(self.like) if token == "..." else len(self.dims) + 1
        taken = self.like[len(self.dims) : stop]
        if token == "_" and not taken:
            raise self.error(f"cannot resolve the placeholder '_': the shape it is to be like, {tuple(self.like)}, is shorter")
        if None in taken:
            raise self.error(f"cannot resolve the placeholder {token!r}: dimension {len(self.dims) + list(taken).index(None)} of the "
                             "shape it is to be like is not known")
        self.dims += taken

    def sum(self) -> Any:
        negative = self.take("-") is not None
        total = self.product()
        total = -total if negative else total
        while sign := self.take("+", "-"):
            term = self.product()
            total = total + term if sign == "+" else total - term
        return total

    def product(self) -> Any:
        total = self.factor()
        while self.take("*"):
            total = total * self.factor()
        return total

    def factor(self) -> Any:
        token = self.peek()
        if token == "(":
            self.at += 1
            found = self.sum()
            self.expect(")")
        elif token.isdigit():
            self.at += 1
            found = int(token)
        elif token in _FUNCTIONS and self.tokens[self.at + 1] == "(":
            self.at += 2
            x = self.sum()
            self.expect(",")
            y = self.sum()
            self.expect(")")
            found = _FUNCTIONS[token](x, y)
        elif token != "_" and re.fullmatch(r"[A-Za-z_]\w*", token):
            self.at += 1
            found = variable(token, self.scope)
        else:
            raise self.error(f"expecting a name, a number, '-' or '(' but found {token!r}" if token else
                             "expecting a name, a number, '-' or '(' but found the end")
        if self.take("^"):
            if not self.peek().isdigit():
                raise self.error(f"expecting a number after '^' but found {self.peek()!r}")
            found = found ** int(self.peek())
            self.at += 1
        return found


def symbolic_shape(shape_spec: str | None, *, constraints: Sequence[str] = (), scope: SymbolicScope | None = None,
                   like: Sequence[int | None] | None = None) -> tuple:
    """A shape with symbolic dimensions, from text.

    Parameters
    ----------
    shape_spec : str or None
        Dimensions separated by commas: numbers, variables, and expressions of them with ``+ - * ^``, ``floordiv(e, e)``,
        ``mod(e, e)``, ``max(e, e)`` and ``min(e, e)``. ``_`` takes the dimension, and a final ``...`` all further ones, from
        ``like``. None is ``"..."``.
    constraints : sequence of str; what is known of the variables besides being at least 1, as for `SymbolicScope`
    scope : SymbolicScope; one that other shapes have, by default a new one with the constraints
    like : sequence of int or None; a shape to take dimensions from

    Returns
    -------
    tuple of int and symbolic dimensions

    Raises
    ------
    ValueError : for text that is no shape, with where it stops to be one

    Examples
    --------
    >>> symbolic_shape("b, 2*n + 1, ...", like=(8, 5, 3))
    (b, 2*n + 1, 3)
    """
    if shape_spec is not None and not isinstance(shape_spec, str):
        raise ValueError(f"polymorphic shape spec should be None or a string. Found {shape_spec!r}.")
    if scope is None:
        scope = SymbolicScope(constraints)
    elif constraints:
        raise ValueError("Cannot specify both a `scope` and `constraints`.")
    return _Parser("..." if shape_spec is None else shape_spec, scope, like).shape()
