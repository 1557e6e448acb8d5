"""Sizes that are not known yet: the algebra of symbolic dimensions.

A symbolic dimension is an integer polynomial over *factors*: dimension variables (``a``, ``b``, ... each at least 1) and the
operations ``floordiv``, ``mod``, ``max`` and ``min`` of two dimensions.  Polynomials are kept in a normal form, so that equal
ones are equal objects in all that matters (``==``, ``hash``), and one without factors is a plain ``int``.  Integers and
symbolic dimensions mix freely in ``+ - * // % **``.

A comparison is decided by *bounds*: ``a + 1 > a`` holds since the difference is 1.  One that holds for some sizes only raises
`InconclusiveDimensionOperation`, but for ``==``, which says False then, since dictionaries and sets ask it.

All symbolic dimensions of a program belong to one `SymbolicScope` (``symbolic_parser.py``), which has what is known of the variables.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

_INF = math.inf
#: What exported programs count sizes in is int32: a comparison with a greater number has its answer.
LARGEST = 2**31 - 1
#: How many facts a proof that an expression is not negative may use, one after the other.
_PROOF_DEPTH = 3


class InconclusiveDimensionOperation(Exception):
    """A question about symbolic dimensions that has different answers for different sizes.

    Cause: a comparison such as ``a >= 2``, or ``int(a)``, while a function is traced for symbolic shapes.
    Cure: say more of the variables (``symbolic_shape("a", constraints=["a >= 2"])``), export for several shapes, or write the
    function so that it does not ask: with ``ferax.numpy.where`` on the value instead of ``if`` on the size.
    """

    def __init__(self, message: str):
        super().__init__(
            f"{message}\nThe sizes of symbolic dimensions are known only when the exported function is called, so a comparison that "
            "holds for some sizes and not for others, or the use of a size as a number, has no answer here. Constraints on the "
            "variables help: symbolic_shape('a', constraints=['a >= 2'])."
        )


class Operation(NamedTuple):
    """A factor that is no variable."""

    kind: str  # "floordiv", "mod", "max", "min"
    x: Any
    y: Any

    def __str__(self) -> str:
        return f"{self.kind}({self.x}, {self.y})"


Factor = str | Operation
#: A product of powers: (factor, exponent) in order.  The empty one stands for 1.
Monomial = tuple[tuple[Factor, int], ...]
_ONE: Monomial = ()


def _factor_key(factor: Factor) -> tuple:
    return (0, factor) if type(factor) is str else (1, *map(str, factor))


def _monomial_key(monomial: Monomial) -> tuple:
    expanded = tuple(key for factor, power in monomial for key in [_factor_key(factor)] * power)
    return len(expanded), expanded


class SymbolicDim:
    """A dimension whose size is a polynomial of dimension variables; made by `symbolic_shape`."""

    __slots__ = ("terms", "scope", "_hash")

    terms: tuple[tuple[Monomial, int], ...]  # the greatest monomial first
    scope: Scope

    def __init__(self, terms: tuple[tuple[Monomial, int], ...], scope: Scope):
        self.terms, self.scope = terms, scope
        self._hash = hash(terms)

    # -- arithmetic --

    def __add__(self, other: Any) -> Any:
        return self._with(other, "+", _sum)

    def __radd__(self, other: Any) -> Any:
        return self._with(other, "+", _sum, swapped=True)

    def __sub__(self, other: Any) -> Any:
        return self._with(other, "-", lambda x, y: _sum(x, y, -1))

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, "-", lambda x, y: _sum(x, y, -1), swapped=True)

    def __neg__(self) -> Any:
        return make([(m, -k) for m, k in self.terms], self.scope)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, "*", _product)

    def __rmul__(self, other: Any) -> Any:
        return self._with(other, "*", _product, swapped=True)

    def __pow__(self, other: Any, modulo: Any = None) -> Any:
        if type(other) is int and other >= 0 and modulo is None:
            return math.prod([self] * other)
        return operator.pow(as_value(self), other)

    def __rpow__(self, other: Any) -> Any:
        return operator.pow(other, as_value(self))

    def __floordiv__(self, other: Any) -> Any:
        return self._with(other, "//", lambda x, y: divide(x, y)[0])

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with(other, "//", lambda x, y: divide(x, y)[0], swapped=True)

    def __mod__(self, other: Any) -> Any:
        return self._with(other, "%", lambda x, y: divide(x, y)[1])

    def __rmod__(self, other: Any) -> Any:
        return self._with(other, "%", lambda x, y: divide(x, y)[1], swapped=True)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __truediv__(self, other: Any) -> Any:
        return operator.truediv(as_value(self), other)

    def __rtruediv__(self, other: Any) -> Any:
        return operator.truediv(other, as_value(self))

    def _with(self, other: Any, sign: str, combine: Callable[[Any, Any], Any], swapped: bool = False) -> Any:
        """The result for another dimension; for all else, arithmetic with the dimension's value as an array."""
        if type(other) is SymbolicDim:
            _check_scopes(self, other, f"for {sign}")
        elif not _is_int(other):
            values = (other, as_value(self)) if swapped else (as_value(self), other)
            return _OPERATORS[sign](*values)
        else:
            other = operator.index(other)
        return combine(other, self) if swapped else combine(self, other)

    # -- questions --

    def __eq__(self, other: Any) -> bool:
        return type(other) is SymbolicDim and self.terms == other.terms and self.scope is other.scope

    def __hash__(self) -> int:
        return self._hash

    def __ge__(self, other: Any) -> bool:
        return _decide(self, other, ">=")

    def __gt__(self, other: Any) -> bool:
        return _decide(self, other, ">")

    def __le__(self, other: Any) -> bool:
        return _decide(self, other, "<=")

    def __lt__(self, other: Any) -> bool:
        return _decide(self, other, "<")

    def __int__(self) -> int:
        raise InconclusiveDimensionOperation(f"Symbolic dimension '{self}' used in a context that requires a constant")

    __float__ = __complex__ = __int__

    def variables(self) -> set[str]:
        """The names of the dimension variables that it depends on."""
        return {v for m, _ in self.terms for factor, _ in m for v in _variables_of(factor)}

    def __str__(self) -> str:
        text = ""
        for monomial, k in self.terms:
            product = "*".join(f"{f}^{p}" if p > 1 else str(f) for f, p in monomial)
            body = product if product and abs(k) == 1 else f"{abs(k)}*{product}" if product else str(abs(k))
            sign = "-" if k < 0 else "+"
            text += f" {sign} {body}" if text else f"- {body}" if k < 0 else body
        return text

    __repr__ = __str__

    def __copy__(self) -> SymbolicDim:
        return self

    def __deepcopy__(self, memo: Any) -> SymbolicDim:
        return self

    def __reduce__(self) -> Any:
        raise TypeError(f"the symbolic dimension {self} cannot be pickled or copied to another process: its scope is this process's")

    def __jax_array__(self) -> Any:
        return as_value(self)


class _Slots:
    """Filled by ``ops/dimensions.py``: a symbolic dimension as an array, whose value is known when the program is called."""

    as_value: Callable[[SymbolicDim], Any] | None = None


slots = _Slots()


def as_value(dim: SymbolicDim) -> Any:
    """The size as an integer array of no dimensions, for arithmetic with arrays."""
    if slots.as_value is None:
        raise TypeError(f"the symbolic dimension {dim} has a value only while a function is traced for export")
    return slots.as_value(dim)


_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod}


def is_symbolic_dim(p: Any) -> bool:
    """Whether a dimension is symbolic."""
    return type(p) is SymbolicDim


def has_symbolic(shape: Iterable[Any]) -> bool:
    """Whether some dimension of a shape is symbolic."""
    return any([type(d) is SymbolicDim for d in shape])


def scope_of(dims: Iterable[Any]) -> Scope | None:
    """The scope of the first symbolic dimension, or None."""
    return next((d.scope for d in dims if type(d) is SymbolicDim), None)


def dimension_variables(dims: Iterable[Any]) -> list[str]:
    """The names of all variables in dimensions, sorted."""
    return sorted({v for d in dims if type(d) is SymbolicDim for v in d.variables()})


def _is_int(x: Any) -> bool:
    """Whether ``x`` is an integer known now (of Python or NumPy; not a tracer, and not an array)."""
    return isinstance(x, int) or (hasattr(x, "dtype") and not getattr(x, "shape", (1,)) and type(x).__module__ == "numpy"
                                  and x.dtype.kind in "iu")


def _variables_of(factor: Factor) -> Iterator[str]:
    if type(factor) is str:
        yield factor
    else:
        for operand in factor[1:]:
            if type(operand) is SymbolicDim:
                yield from operand.variables()


def _check_scopes(x: SymbolicDim, y: SymbolicDim, when: str) -> None:
    if x.scope is not y.scope:
        x.scope.check_same(y, when)


# Normal form ----------------------------------------------------------------------------------------------------------


def make(terms: Iterable[tuple[Monomial, int]], scope: Scope) -> Any:
    """The dimension that is the sum of terms: an int if nothing symbolic is left."""
    total: dict[Monomial, int] = {}
    pending = list(terms)
    while pending:
        monomial, k = pending.pop()
        if k:
            replaced = scope.replace(monomial, k) if scope.rules and monomial else None
            if replaced is not None:
                pending += replaced
            else:
                total[monomial] = total.get(monomial, 0) + k
    left = {m: k for m, k in total.items() if k}
    if not left:
        return 0
    if len(left) == 1 and _ONE in left:
        return left[_ONE]
    return SymbolicDim(tuple(sorted(left.items(), key=lambda term: _monomial_key(term[0]), reverse=True)), scope)


def variable(name: str, scope: Scope) -> Any:
    """The dimension variable of that name."""
    return make([(((name, 1),), 1)], scope)


def terms_of(x: Any) -> tuple[tuple[Monomial, int], ...]:
    return x.terms if type(x) is SymbolicDim else ((_ONE, x),) if x else ()


def _scope(x: Any, y: Any) -> Scope:
    return x.scope if type(x) is SymbolicDim else y.scope


def _sum(x: Any, y: Any, k: int = 1) -> Any:
    return make([*terms_of(x), *((m, k * c) for m, c in terms_of(y))], _scope(x, y))


def _times(x: Monomial, y: Monomial) -> Monomial:
    powers = dict(x)
    for factor, power in y:
        powers[factor] = powers.get(factor, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: _factor_key(item[0])))


def _over(x: Monomial, y: Monomial) -> Monomial | None:
    """``x / y``, if that is a monomial."""
    powers = dict(x)
    for factor, power in y:
        powers[factor] = powers.get(factor, 0) - power
        if powers[factor] < 0:
            return None
    return tuple((factor, power) for factor, power in powers.items() if power)


def _product(x: Any, y: Any) -> Any:
    return make([(_times(m, n), j * k) for m, j in terms_of(x) for n, k in terms_of(y)], _scope(x, y))


def divide(x: Any, y: Any) -> tuple[Any, Any]:
    """``x // y`` and ``x % y``: by long division if that comes out even, else as factors of their own."""
    if type(y) is int and y == 0:
        raise ZeroDivisionError("integer division or modulo by zero")
    scope = _scope(x, y)
    quotient, rest = 0, x
    lead, k = terms_of(y)[0]
    while type(rest) is SymbolicDim:
        monomial, c = rest.terms[0]
        ratio = _over(monomial, lead)
        if ratio is None or c % k:
            break
        step = make([(ratio, c // k)], scope)
        quotient, rest = quotient + step, rest - step * y
    if type(rest) is int:
        if type(y) is int:
            return quotient + rest // y, rest % y
        if rest == 0:
            return quotient, 0
        low, high = bounds(y)
        if 0 < rest < low or high < rest < 0:
            return quotient, rest
    return (make([(((Operation("floordiv", x, y), 1),), 1)], scope), make([(((Operation("mod", x, y), 1),), 1)], scope))


def maximum(x: Any, y: Any) -> Any:
    """The greater of two dimensions."""
    return _extremum("max", x, y)


def minimum(x: Any, y: Any) -> Any:
    """The smaller of two dimensions."""
    return _extremum("min", x, y)


def _extremum(kind: str, x: Any, y: Any) -> Any:
    if type(x) is not SymbolicDim and type(y) is not SymbolicDim:
        return max(x, y) if kind == "max" else min(x, y)
    if type(x) is SymbolicDim and type(y) is SymbolicDim:
        _check_scopes(x, y, f"for {kind}")
    low, high = bounds(x - y)
    if low >= 0:
        return x if kind == "max" else y
    if high <= 0:
        return y if kind == "max" else x
    return make([(((Operation(kind, x, y), 1),), 1)], _scope(x, y))


def evaluate(dim: Any, env: dict[str, Any]) -> Any:
    """The dimension with values (numbers, or dimensions of another scope) for its variables."""
    if type(dim) is not SymbolicDim:
        return dim
    total: Any = 0
    for monomial, k in dim.terms:
        product: Any = k
        for factor, power in monomial:
            value = env[factor] if type(factor) is str else _apply(factor, env)
            product = product * math.prod([value] * power)
        total = total + product
    return total


def _apply(factor: Operation, env: dict[str, Any]) -> Any:
    x, y = evaluate(factor.x, env), evaluate(factor.y, env)
    if factor.kind == "floordiv":
        return x // y
    if factor.kind == "mod":
        return x % y
    return _extremum(factor.kind, x, y)


# Bounds ---------------------------------------------------------------------------------------------------------------


def bounds(x: Any) -> tuple[float, float]:
    """A lower and an upper bound of a dimension, over all sizes that the variables can have."""
    if type(x) is not SymbolicDim:
        return x, x
    found = x.scope.bounds_cache.get(x)
    if found is None:
        x.scope.bounds_cache[x] = _interval(_rational(x), x.scope)  # for questions that come up while it is answered
        low = _lower(_rational(x), x.scope, _PROOF_DEPTH, {})
        high = -_lower({m: -k for m, k in _rational(x).items()}, x.scope, _PROOF_DEPTH, {})
        found = x.scope.bounds_cache[x] = (_whole(low, math.ceil), _whole(high, math.floor))
    return found


def _whole(bound: Any, rounded: Callable[[Any], int]) -> float:
    return bound if bound in (_INF, -_INF) else rounded(bound)


_Linear = dict[Monomial, Fraction]


def _rational(x: Any) -> _Linear:
    return {m: Fraction(k) for m, k in terms_of(x)}


def _interval(x: _Linear, scope: Scope) -> tuple[Any, Any]:
    """Bounds by interval arithmetic, term by term."""
    low: Any = 0
    high: Any = 0
    for monomial, k in x.items():
        ends = _scaled(_monomial_bounds(monomial, scope), k)
        low, high = low + ends[0], high + ends[1]
    return low, high


def _scaled(ends: tuple[Any, Any], k: Any) -> tuple[Any, Any]:
    low, high = (end * k if end not in (_INF, -_INF) else end if k > 0 else -end for end in ends)
    return (low, high) if k > 0 else (high, low)


def _monomial_bounds(monomial: Monomial, scope: Scope) -> tuple[Any, Any]:
    low: Any = 1
    high: Any = 1
    for factor, power in monomial:
        ends = (1, _INF) if type(factor) is str else _operation_bounds(factor)
        for _ in range(power):
            corners = [_times_ends(a, b) for a in (low, high) for b in ends]
            low, high = min(corners), max(corners)
        if power % 2 == 0 and len(monomial) == 1:
            low = max(low, 0)
    return low, high


def _times_ends(a: Any, b: Any) -> Any:
    return 0 if a == 0 or b == 0 else a * b


def _operation_bounds(factor: Operation) -> tuple[Any, Any]:
    (x_low, x_high), (y_low, y_high) = bounds(factor.x), bounds(factor.y)
    if factor.kind == "max":
        return max(x_low, y_low), max(x_high, y_high)
    if factor.kind == "min":
        return min(x_low, y_low), min(x_high, y_high)
    if factor.kind == "mod":
        if y_low > 0:
            return 0, min(y_high - 1, x_high) if x_low >= 0 else y_high - 1
        return (y_low + 1, 0) if y_high < 0 else (min(y_low + 1, 0), max(y_high - 1, 0))
    if y_low <= 0 <= y_high:                    # a divisor of 1 or -1 leaves x as large as it is
        far = max(abs(x_low), abs(x_high))
        return -far, far
    corners = [_quotient(a, b) for a in (x_low, x_high) for b in (y_low, y_high)]
    return min(corners), max(corners)


def _quotient(a: Any, b: Any) -> Any:
    if b in (_INF, -_INF):
        return 0 if a in (_INF, -_INF) or (a >= 0) == (b > 0) or a == 0 else -1
    if a in (_INF, -_INF):
        return a if b > 0 else -a
    return a // b


def _lower(x: _Linear, scope: Scope, depth: int, seen: dict) -> Any:
    """The best lower bound of ``x`` that is found: by intervals, or of ``x`` less a multiple of something not negative.

    Such a multiple takes one monomial away, as in the elimination of Fourier and Motzkin.
    """
    best = _interval(x, scope)[0]
    if depth == 0 or best == _INF:
        return best
    key = tuple(sorted(((m, k) for m, k in x.items()), key=lambda term: _monomial_key(term[0])))
    known = seen.get(key)
    if known is not None and known[0] >= depth:
        return known[1]
    facts = scope.facts_on(x)
    for fact in facts:
        for monomial, c in fact.items():
            k = x.get(monomial)
            if monomial and k is not None and (k > 0) == (c > 0):
                rest = dict(x)
                for m, f in fact.items():
                    left = rest.get(m, Fraction(0)) - f * (k / c)
                    if left:
                        rest[m] = left
                    else:
                        rest.pop(m, None)
                best = max(best, _lower(rest, scope, depth - 1, seen))
    seen[key] = depth, best
    return best


def _facts_about(factor: Factor, scope: Scope) -> Iterator[_Linear]:
    """Expressions that are not negative, for what the operation means."""
    if type(factor) is str:
        return
    value = make([(((factor, 1),), 1)], scope)
    x, y = factor.x, factor.y
    if factor.kind == "max":
        expressions = [value - x, value - y]
    elif factor.kind == "min":
        expressions = [x - value, y - value]
    elif bounds(y)[0] <= 0:
        return
    elif factor.kind == "mod":
        expressions = [value, y - value - 1, *([x - value] if bounds(x)[0] >= 0 else [])]
    else:                                       # y * (x // y) <= x <= y * (x // y) + y - 1
        expressions = [x - y * value, y * value + y - 1 - x]
    yield from (_rational(e) for e in expressions if type(e) is SymbolicDim)


def _facts_about_product(monomial: Monomial, scope: Scope) -> Iterator[_Linear]:
    """A product is at least what is left of it without a factor that is at least 1."""
    if sum(power for _, power in monomial) > 1 and _monomial_bounds(monomial, scope)[0] >= 0:
        for factor, _ in monomial:
            low = 1 if type(factor) is str else _operation_bounds(factor)[0]
            rest = _over(monomial, ((factor, 1),))
            if low >= 1 and rest:
                yield {monomial: Fraction(1), rest: Fraction(-1)}


def _decide(x: Any, y: Any, sign: str) -> bool:
    if type(y) is SymbolicDim:
        _check_scopes(x, y, f"when comparing '{x}' {sign} '{y}'")
    elif not _is_int(y):
        return getattr(operator, {">=": "ge", ">": "gt", "<=": "le", "<": "lt"}[sign])(as_value(x), y)
    low, high = bounds(x - y)
    if type(y) is int and y >= LARGEST:
        high = min(high, LARGEST - y)
    always, never = {
        ">=": (low >= 0, high < 0), ">": (low > 0, high <= 0), "<=": (high <= 0, low > 0), "<": (high < 0, low >= 0)}[sign]
    if always or never:
        return always
    known = f"\nUsing symbolic scope {x.scope}" if x.scope.explicit_constraints else ""
    raise InconclusiveDimensionOperation(f"Symbolic dimension comparison '{x}' {sign} '{y}' is inconclusive.{known}")


# Scopes ---------------------------------------------------------------------------------------------------------------


class Scope:
    """Where symbolic dimensions belong, with what is known of them; users make the subclass that reads constraints."""

    def __init__(self):
        self.explicit_constraints: list[str] = []
        self.rules: list[tuple[Monomial, int, Any]] = []        # monomial * coefficient -> dimension
        self.facts: list[Any] = []                              # dimensions that are not negative
        self.equal_to_zero: list[tuple[str, Any]] = []          # of each equality: its text, and left side - right side
        self.bounds_cache: dict[SymbolicDim, tuple[float, float]] = {}

    def add(self, text: str, x: Any, sign: str, y: Any) -> None:
        """A constraint, with its two sides as dimensions."""
        if sign == "<=":
            x, y = y, x
        difference = x - y
        if type(difference) is int:
            if difference < 0 or (sign == "==" and difference):
                raise ValueError(f"Unsatisfiable explicit constraint: {text}")
            return
        if sign == "==":
            self._add_rule(text, x, y)
        else:
            self.facts.append(difference)
        self.explicit_constraints.append(text)
        self.bounds_cache.clear()

    def _add_rule(self, text: str, x: Any, y: Any) -> None:
        if type(x) is not SymbolicDim or len(x.terms) != 1:
            raise ValueError(f"Invalid equality constraint: {text}. The left-hand-side must be of the form `term * coefficient`.")
        ((monomial, k),) = x.terms
        self.equal_to_zero.append((text, x - y))
        if any(monomial == other for other, _, _ in self.rules):
            raise NotImplementedError(f"Found multiple equality constraints with the same left-hand-side: {text}")
        self.rules.append((monomial, k, y))
        factor, power = monomial[0]
        if k == 1 and y == 0 and len(monomial) == power == 1 and type(factor) is Operation and factor.kind == "mod" \
                and type(factor.y) is int:
            # mod(e, n) == 0 says also that n * floordiv(e, n) is e.
            quotient = (((Operation("floordiv", factor.x, factor.y), 1),), factor.y, factor.x)
            self.rules.append(quotient)

    def replace(self, monomial: Monomial, k: int) -> list[tuple[Monomial, int]] | None:
        """The terms that ``k * monomial`` is equal to by an equality, or None."""
        for before, coefficient, after in self.rules:
            ratio = _over(monomial, before) if k % coefficient == 0 else None
            if ratio is not None:
                return [(_times(ratio, m), k // coefficient * c) for m, c in terms_of(after)]
        return None

    def facts_on(self, x: _Linear) -> list[_Linear]:
        """What is known not to be negative: the constraints, and what the factors in ``x`` mean."""
        found = [_rational(fact) for fact in self.facts]
        for monomial in x:
            for factor, _ in monomial:
                found += _facts_about(factor, self)
            found += _facts_about_product(monomial, self)
        return found

    def check_same(self, other: SymbolicDim, when: str, own: str = "", others: str = "") -> None:
        """An error for a dimension of another scope."""
        if other.scope is not self:
            raise ValueError(
                f"Invalid mixing of symbolic scopes {when}.\nExpected {own}scope {self}\nand found for '{other}' {others}scope "
                f"{other.scope}\nMake all symbolic shapes of a program by one call of symbolic_shape or symbolic_args_specs, or pass "
                "them the same scope=SymbolicScope().")

    def __repr__(self) -> str:
        if not self.explicit_constraints:
            return f"SymbolicScope at {id(self):#x}"
        return f"SymbolicScope at {id(self):#x} with constraints:" + "".join(f"\n  {c}" for c in self.explicit_constraints)

    __str__ = __repr__
