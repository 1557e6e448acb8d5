"""Logic and shifts of bits."""

from __future__ import annotations

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.rows import NUMERIC, SAME, binary, composite, renamed, unary
from ferax._src.ops import elementwise as ops, elementwise_bits as bits
from ferax._src.ops.convert import convert

_XY = ("x", "y")

bitwise_and = binary("bitwise_and", bits.bitwise_and, SAME, "And of the bits.", kinds="biu", params=_XY)
bitwise_or = binary("bitwise_or", bits.bitwise_or, SAME, "Or of the bits.", kinds="biu", params=_XY)
bitwise_xor = binary("bitwise_xor", bits.bitwise_xor, SAME, "Exclusive or of the bits.", kinds="biu", params=_XY)
invert = unary("invert", bits.bitwise_not, SAME, "All bits inverted; logical not of booleans.", kinds="biu")
bitwise_invert, bitwise_not = renamed(invert, "bitwise_invert"), renamed(invert, "bitwise_not")

left_shift = binary("left_shift", bits.shift_left, NUMERIC, "``x * 2**y``: the bits moved up, with zeros after them.",
                    kinds="iu", params=_XY)
bitwise_left_shift = renamed(left_shift, "bitwise_left_shift")


@composite("right_shift", NUMERIC, "``x1 // 2**x2``: the bits moved down, with copies of the sign before them.")
def right_shift(x1, x2):
    shift = bits.shift_right_logical if util.dtype_kind(x1) == "u" else bits.shift_right_arithmetic
    return shift(x1, x2)


bitwise_right_shift = renamed(right_shift, "bitwise_right_shift")


@composite("bitwise_count", NUMERIC, "How many bits of the magnitude are set.", params=("x",), gives="uint8")
def bitwise_count(x):
    magnitude = x if util.dtype_kind(x) == "u" else ops.abs(x)
    return convert(bits.population_count(magnitude), np.dtype(np.uint8))
