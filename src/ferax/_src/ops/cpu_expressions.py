"""Arithmetic on values of a program under construction, written with Python's operators.

    x = Expr.of(ctx, value, shape, dtype)
    r = (x - k * P1) - k * P2

Each operator writes one StableHLO operation, at the place where ``ctx`` has come to, and checks nothing. Numbers become
constants of the other operand's shape and dtype; both operands have one shape and one dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferax._src.types.avals import ShapedArray

BOOL, I32, U32 = (np.dtype(name) for name in ("bool", "int32", "uint32"))
I64, U64 = (np.dtype(name) for name in ("int64", "uint64"))
F32, F64 = np.dtype("float32"), np.dtype("float64")


class Expr:
    """A value of the program: the context that writes, the MLIR value, and its type as an abstract value."""

    __slots__ = ("ctx", "value", "aval")

    def __init__(self, ctx: Any, value: Any, aval: ShapedArray):
        self.ctx, self.value, self.aval = ctx, value, aval

    # --- writing --------------------------------------------------------------------------------

    def _like(self, y) -> Any:
        """The MLIR value of an operand."""
        return y.value if type(y) is Expr else self.ctx.const(y, self.aval)

    def _op(self, name: str, *operands) -> Expr:
        return Expr(self.ctx, self.ctx.elementwise("stablehlo." + name, *operands), self.aval)

    def _compare(self, y, direction: str) -> Expr:
        aval = self.aval
        value = self.ctx.compare(self.value, self._like(y), direction, aval.shape, aval.dtype)
        return Expr(self.ctx, value, ShapedArray(aval.shape, BOOL))

    def constant(self, number) -> Expr:
        """A constant of this value's type."""
        return Expr(self.ctx, self.ctx.const(number, self.aval), self.aval)

    # --- arithmetic -----------------------------------------------------------------------------

    def __add__(self, y):
        return self._op("add", self.value, self._like(y))

    def __radd__(self, y):
        return self._op("add", self._like(y), self.value)

    def __sub__(self, y):
        return self._op("subtract", self.value, self._like(y))

    def __rsub__(self, y):
        return self._op("subtract", self._like(y), self.value)

    def __mul__(self, y):
        return self._op("multiply", self.value, self._like(y))

    __rmul__ = __mul__

    def __truediv__(self, y):
        return self._op("divide", self.value, self._like(y))

    def __rtruediv__(self, y):
        return self._op("divide", self._like(y), self.value)

    def __neg__(self):
        return self._op("negate", self.value)

    def __abs__(self):
        return self._op("abs", self.value)

    def round(self) -> Expr:
        """The nearest integer, of two the even one."""
        return self._op("round_nearest_even", self.value)

    def sqrt(self) -> Expr:
        return self._op("sqrt", self.value)

    # --- bits -----------------------------------------------------------------------------------

    def __and__(self, y):
        return self._op("and", self.value, self._like(y))

    def __or__(self, y):
        return self._op("or", self.value, self._like(y))

    def __xor__(self, y):
        return self._op("xor", self.value, self._like(y))

    def __lshift__(self, y):
        return self._op("shift_left", self.value, self._like(y))

    def __rshift__(self, y):
        """Arithmetic for signed integers, logical for unsigned ones."""
        kind = "arithmetic" if self.aval.dtype.kind == "i" else "logical"
        return self._op("shift_right_" + kind, self.value, self._like(y))

    # --- comparing ------------------------------------------------------------------------------

    def __lt__(self, y):
        return self._compare(y, "LT")

    def __le__(self, y):
        return self._compare(y, "LE")

    def __gt__(self, y):
        return self._compare(y, "GT")

    def __ge__(self, y):
        return self._compare(y, "GE")

    def __eq__(self, y):
        return self._compare(y, "EQ")

    def __ne__(self, y):
        return self._compare(y, "NE")

    __hash__ = None

    def where(self, which: Expr, otherwise) -> Expr:
        """This value where ``which`` is true, ``otherwise`` elsewhere."""
        return Expr(self.ctx, self.ctx.select(which.value, self.value, self._like(otherwise)), self.aval)

    # --- dtypes ---------------------------------------------------------------------------------

    def to(self, dtype: np.dtype) -> Expr:
        """Converted to a dtype."""
        aval = self.aval
        if aval.dtype == dtype:
            return self
        return Expr(self.ctx, self.ctx.convert(self.value, aval.shape, dtype), ShapedArray(aval.shape, dtype))

    def bits(self, dtype: np.dtype) -> Expr:
        """The bits as a number of another dtype of the same size."""
        aval = ShapedArray(self.aval.shape, dtype)
        op = self.ctx.op("stablehlo.bitcast_convert", (self.value,), [self.ctx.type(aval)])
        return Expr(self.ctx, op.result, aval)


def polynomial(z: Expr, coefficients: Sequence[float]) -> Expr:
    """Horner's rule; the coefficient of the highest power comes first."""
    total = z * coefficients[0]
    for c in coefficients[1:-1]:
        total = (total + c) * z
    return total + coefficients[-1]
