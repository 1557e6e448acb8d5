"""Sums, differences, products, signs; the greater and the lesser of two."""

from __future__ import annotations

from ferax._src.numpy import util
from ferax._src.numpy.comparison import greater, less
from ferax._src.numpy.rows import INEXACT, NUMERIC, SAME, binary, composite, renamed, unary
from ferax._src.ops import compare, elementwise as ops
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_or

add = binary("add", ops.add, SAME, "Sum ``x1 + x2``; logical or of booleans.", kinds=NUMERIC, otherwise=bitwise_or,
             params=("x", "y"))
subtract = binary("subtract", ops.sub, SAME, "Difference ``x1 - x2``.", kinds=NUMERIC, params=("x", "y"))
multiply = binary("multiply", ops.mul, SAME, "Product ``x1 * x2``; logical and of booleans.", kinds=NUMERIC,
                  otherwise=bitwise_and, params=("x", "y"), static={"out_dtype": None})
negative = unary("negative", ops.neg, SAME, "Negation ``-x``.", kinds=NUMERIC)
maximum = binary("maximum", ops.max, SAME, "The greater of two elements; nan if one of them is. Complex numbers are "
                 "compared by their real part, then by the imaginary one.", params=("x", "y"))
minimum = binary("minimum", ops.min, SAME, "The lesser of two elements; nan if one of them is. Complex numbers are "
                 "compared by their real part, then by the imaginary one.", params=("x", "y"))
sign = unary("sign", ops.sign, SAME, "-1, 0 or 1, or ``x / abs(x)`` of a complex number; nan for nan.", kinds=NUMERIC)


positive = unary("positive", util.as_array, SAME, "``+x``: the operand as an array.", kinds="", unchanged="biufc")
absolute = unary("absolute", ops.abs, SAME, "Magnitude of each element.", kinds="ifc", unchanged="bu",
                 gives="the dtype of x, real if that is complex")
abs = renamed(absolute, "abs")                              # noqa: A001 (NumPy's name)
square = unary("square", ops.square, NUMERIC, "``x * x``.")
fabs = unary("fabs", ops.abs, INEXACT, "Magnitude of each element, as a float.", kinds="f",
             otherwise=lambda x: _no_complex("fabs", x))


def _no_complex(name: str, x):
    raise TypeError(f"ufunc {name!r} does not support complex dtypes, got {util.aval_of(x).dtype}")


@composite("fmax", SAME, "The greater of two elements, ignoring nan unless both are.", keyword=True)
def fmax(x1, x2):
    return util.choose(bitwise_or(greater(x1, x2), compare.ne(x2, x2)), x1, x2)


@composite("fmin", SAME, "The lesser of two elements, ignoring nan unless both are.", keyword=True)
def fmin(x1, x2):
    return util.choose(bitwise_or(less(x1, x2), compare.ne(x2, x2)), x1, x2)


@composite("heaviside", INEXACT, "The step function: 0 for negative x1, 1 for positive, x2 where x1 is 0.")
def heaviside(x1, x2):
    zero, one = util.literal(x1, 0), util.literal(x1, 1)
    positive_or_nan = util.choose(compare.gt(x1, zero), one, x1)
    return util.choose(compare.lt(x1, zero), zero, util.choose(compare.eq(x1, zero), x2, positive_or_nan))
