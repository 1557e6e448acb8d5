"""Operations on bits: logic, shifts, counts. Booleans are one bit. None of them has a derivative but zero."""

from __future__ import annotations

from ferax._src.ops.base import BITS, INT, binary, unary
from ferax._src.types import dtypes

bitwise_not = unary("not", "stablehlo.not", BITS, public="bitwise_not",
                    doc="Each bit inverted; for booleans the logical not.")
bitwise_and = binary("and", "stablehlo.and", BITS, public="bitwise_and",
                     doc="Bits set in both; for booleans the logical and.")
bitwise_or = binary("or", "stablehlo.or", BITS, public="bitwise_or",
                    doc="Bits set in either; for booleans the logical or.")
bitwise_xor = binary("xor", "stablehlo.xor", BITS, public="bitwise_xor",
                     doc="Bits set in exactly one; for booleans the exclusive or.")

shift_left = binary("shift_left", "stablehlo.shift_left", INT,
                    doc="``x`` shifted left by ``y`` bits; 0 where ``y`` is no valid bit position.")
shift_right_arithmetic = binary("shift_right_arithmetic", "stablehlo.shift_right_arithmetic", INT,
                                doc="``x`` shifted right by ``y`` bits, filled with the sign bit.")
shift_right_logical = binary("shift_right_logical", "stablehlo.shift_right_logical", INT,
                             doc="``x`` shifted right by ``y`` bits, filled with zeros.")

population_count = unary("population_count", "stablehlo.popcnt", INT, doc="The number of bits that are set.")
clz = unary("clz", "stablehlo.count_leading_zeros", INT, doc="The number of zeros before the highest bit that is set.")


# --- the upper half of a product ----------------------------------------------------------------

def _mulhi_wide(ctx, x, y):
    """The upper half of a product of up to 32 bits, by way of twice as many."""
    (aval,) = ctx.avals_out
    bits = dtypes.itemsize_bits(aval.dtype)
    wide = aval.update(dtype=dtypes.as_dtype(f"{'u' if dtypes.kind_of(aval.dtype) == 'u' else ''}int{2 * bits}"))
    x, y = (ctx.convert(v, wide.shape, wide.dtype) for v in (x, y))
    product = ctx.elementwise("stablehlo.multiply", x, y)
    upper = ctx.elementwise("stablehlo.shift_right_logical", product, ctx.const(bits, wide))
    return ctx.convert(upper, aval.shape, aval.dtype)


def _mulhi_64(ctx, x, y):
    """The upper half of a product of 64 bits, from four products of 32 bits (Knuth, TAOCP 4.3.1, algorithm M)."""
    (aval,) = ctx.avals_out
    unsigned = aval.update(dtype=dtypes.as_dtype("uint64"))

    def op(name, a, b):
        return ctx.elementwise(f"stablehlo.{name}", a, b)

    a, b = (ctx.convert(v, unsigned.shape, unsigned.dtype) for v in (x, y))
    low, half = ctx.const(0xFFFFFFFF, unsigned), ctx.const(32, unsigned)
    a0, a1 = op("and", a, low), op("shift_right_logical", a, half)
    b0, b1 = op("and", b, low), op("shift_right_logical", b, half)
    carry = op("shift_right_logical", op("multiply", a0, b0), half)
    middle = op("add", op("multiply", a1, b0), carry)           # at most (2^32 - 1)^2 + 2^32 - 1: fits
    other = op("add", op("multiply", a0, b1), op("and", middle, low))
    upper = op("add", op("multiply", a1, b1),
               op("add", op("shift_right_logical", middle, half), op("shift_right_logical", other, half)))
    if dtypes.kind_of(aval.dtype) == "u":
        return upper
    # As unsigned numbers negative operands count 2^64 too much: take the other operand off again.
    upper = ctx.convert(upper, aval.shape, aval.dtype)
    sign = ctx.const(63, aval)
    for p, q in ((x, y), (y, x)):
        upper = op("subtract", upper, op("and", op("shift_right_arithmetic", p, sign), q))
    return upper


def _mulhi(ctx, x, y):
    wide = dtypes.itemsize_bits(ctx.avals_out[0].dtype) == 64
    return _mulhi_64(ctx, x, y) if wide else _mulhi_wide(ctx, x, y)


mulhi = binary("mulhi", None, INT, lower=_mulhi, parameters="x y /",
               doc="The upper half of the double-width product ``x * y``.")

not_p, and_p, or_p, xor_p = bitwise_not.p, bitwise_and.p, bitwise_or.p, bitwise_xor.p
shift_left_p, shift_right_logical_p = shift_left.p, shift_right_logical.p
shift_right_arithmetic_p = shift_right_arithmetic.p
population_count_p, clz_p, mulhi_p = population_count.p, clz.p, mulhi.p
