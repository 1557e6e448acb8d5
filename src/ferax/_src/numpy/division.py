"""Division and remainders, in their many kinds; greatest common divisors.

For integers, ``floor_divide`` and ``remainder`` go together: ``x == y * (x // y) + x % y`` with the remainder of
the sign of y; ``fmod`` has the sign of x. A remainder by zero is x, as the hardware has it; NumPy warns and gives 0.
"""

from __future__ import annotations

from ferax._src.numpy import util
from ferax._src.numpy.rows import INEXACT, NUMERIC, SAME, binary, composite, renamed
from ferax._src.ops import elementwise as ops
from ferax._src.ops.compare import eq, lt, ne
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise_bits import bitwise_and
from ferax._src.ops.reduce import reduce_or

true_divide = binary("true_divide", ops.div, INEXACT, "Quotient ``x1 / x2``, of an inexact dtype.")
divide = renamed(true_divide, "divide")


def _other_sign(x, y):
    """Where two numbers, one of them perhaps zero, have different signs."""
    zero = util.const(x, 0)
    return ne(lt(x, zero), lt(y, zero))


@composite("floor_divide", NUMERIC, "The greatest integer not above ``x1 / x2``, in the dtype of the operands.", refuse="c")
def floor_divide(x1, x2):
    kind = util.dtype_kind(x1)
    if kind == "u":
        return ops.div(x1, x2)
    if kind == "f":
        return _float_divmod(x1, x2)[0]
    quotient = ops.div(x1, x2)                              # towards zero; one too many where there is a fraction below it
    inexact = ne(ops.rem(x1, x2), util.const(x1, 0))
    below = bitwise_and(ne(ops.sign(x1), ops.sign(x2)), inexact)
    return util.choose(below, ops.sub(quotient, util.const(quotient, 1)), quotient)


@composite("remainder", NUMERIC, "Remainder of ``floor_divide``, with the sign of x2.")
def remainder(x1, x2):
    if util.dtype_kind(x1) != "f":
        x2 = _nonzero(x2)
    rest = ops.rem(x1, x2)
    if util.dtype_kind(x1) == "u":
        return rest
    wrong = bitwise_and(_other_sign(rest, x2), ne(rest, util.const(rest, 0)))
    return util.choose(wrong, ops.add(rest, x2), rest)


mod = renamed(remainder, "mod")


@composite("fmod", NUMERIC, "Remainder of the division towards zero, with the sign of x1.")
def fmod(x1, x2):
    return ops.rem(x1, x2 if util.dtype_kind(x1) == "f" else _nonzero(x2))


def _nonzero(x):
    """Ones in place of zeros: a remainder by one is defined, and zero."""
    return util.choose(eq(x, util.const(x, 0)), util.const(x, 1), x)


@composite("divmod", NUMERIC, "The pair ``(x1 // x2, x1 % x2)``.")
def divmod(x1, x2):                                         # noqa: A001 (NumPy's name)
    if util.dtype_kind(x1) == "f":
        return _float_divmod(x1, x2)
    return floor_divide(x1, x2), remainder(x1, x2)


def _float_divmod(x, y):
    """Quotient and remainder from the remainder towards zero, which is exact; as Python does for floats."""
    rest = ops.rem(x, y)
    zero = util.const(rest, 0)
    whole = util.choose(eq(y, util.const(y, 0)), x, ops.sub(x, rest))
    quotient = ops.div(whole, y)
    wrong = bitwise_and(ne(rest, zero), ne(ops.sign(y), ops.sign(rest)))
    rest = util.choose(wrong, ops.add(rest, y), rest)
    quotient = util.choose(wrong, ops.sub(quotient, util.const(quotient, 1)), quotient)
    return ops.round(quotient), rest


# --- common divisors ----------------------------------------------------------------------------

def _integers(name: str, *args) -> None:
    for x in args:
        if util.dtype_kind(x) not in "iu":
            raise ValueError(f"Arguments to jax.numpy.{name} must be integers, got {util.aval_of(x).dtype}.")


def _abs(x):
    return x if util.dtype_kind(x) == "u" else ops.abs(x)


def _gcd(x, y):
    """Euclid's algorithm, on all elements until the last is done."""
    x, y = util.broadcast_all("gcd", _abs(x), _abs(y))
    weak = x.weak_type and y.weak_type and not x.ndim
    x, y = convert(x, x.dtype, weak), convert(y, y.dtype, weak)     # a loop's values keep their types
    zero = util.const(y, 0)

    def unfinished(pair):
        _, y = pair
        return reduce_or(ne(y, zero), tuple(range(util.aval_of(y).ndim)))

    def step(pair):
        x, y = pair
        done = eq(y, zero)
        divisor = util.choose(done, util.const(y, 1), y)
        return util.choose(done, x, y), util.choose(done, zero, ops.rem(x, divisor))

    from ferax._src.control.while_loop import while_loop  # lazy: control flow is much to load for one function
    return while_loop(unfinished, step, (x, y))[0]


@composite("gcd", SAME, "Greatest common divisor of integers; that of 0 and 0 is 0.", keyword=True)
def gcd(x1, x2):
    _integers("gcd", x1, x2)
    return _gcd(x1, x2)


@composite("lcm", SAME, "Least common multiple of integers; 0 if one of them is 0.", keyword=True)
def lcm(x1, x2):
    _integers("lcm", x1, x2)
    x1, x2 = util.broadcast_all("lcm", _abs(x1), _abs(x2))
    divisor = _gcd(x1, x2)
    zero = util.const(divisor, 0)
    none = eq(divisor, zero)
    return util.choose(none, zero, ops.mul(x1, ops.div(x2, util.choose(none, util.const(divisor, 1), divisor))))
