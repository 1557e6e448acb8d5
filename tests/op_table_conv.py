"""Cases of convolution: every parameter, with its derivatives and every way to map the operands."""

import numpy as np
from conv_reference import conv
from op_harness import Arg, Case

from ferax._src.ops import conv_functions
from ferax._src.ops.conv_numbers import ConvDimensionNumbers
from ferax._src.ops.precision import Precision

FLOATS = ("bfloat16", "float16", "float32")
INTS = ("int8", "uint8", "int64")
NHWC = ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
MIXED = ConvDimensionNumbers((2, 0, 3, 1), (1, 3, 0, 2), (3, 2, 1, 0))

CASES: list[Case] = []


def case(label, lhs, rhs, strides, pads, lhs_dilation=None, rhs_dilation=None, numbers=None, groups=(1, 1), dtype="float64",
         tolerance=10.0, **options):
    """Enter a case; ``groups`` are those of features and those of examples."""
    extra = {k: options.pop(k) for k in ("precision", "preferred_element_type") if k in options}

    def fn(x, y):
        return conv_functions.conv_general_dilated(x, y, strides, pads, lhs_dilation, rhs_dilation, numbers, *groups, **extra)

    def oracle(x, y):
        return conv(x, y, strides, pads, lhs_dilation, rhs_dilation, numbers, *groups)

    CASES.append(Case("conv_general_dilated", fn, (Arg(lhs), Arg(rhs)), oracle=oracle, dtype=dtype, label=label,
                      tolerance=tolerance, **{"diff": (0, 1), "linear": True, **options}))


FEW = {"second": False, "mapped": ()}       # checks for cases that differ from others in little

case("1d", (2, 3, 7), (4, 3, 3), (1,), [(1, 0)], kinds=(*FLOATS, *INTS, "complex64"),
     shapes=(((0, 3, 7), (4, 3, 3)), ((2, 0, 7), (4, 0, 3)), ((2, 3, 0), (4, 3, 3)), ((2, 3, 1), (4, 3, 7))))
case("strides, dilations", (1, 2, 4, 3), (2, 2, 2, 3), (3, 2), [(2, 1), (-1, 3)], (2, 3), (1, 2), mapped=())
case("NHWC", (2, 4, 6, 3), (3, 2, 3, 2), (1, 2), [(1, 1), (0, 1)], numbers=NHWC, second=False,
     precision=(Precision.HIGHEST, Precision.DEFAULT))
case("mixed dimensions", (3, 4, 2, 6), (3, 2, 2, 3), (2, 1), [(1, 1), (0, 1)], None, (1, 2), MIXED, second=False)
case("feature groups", (2, 4, 4), (6, 2, 2), (2,), [(0, 1)], (2,), groups=(2, 1), kinds=("float32",))
case("batch groups", (4, 3, 4), (6, 3, 2), (1,), [(1, 1)], (1,), (2,), groups=(1, 2), kinds=("float32",))
case("depthwise", (2, 4, 4, 3), (4, 1, 2, 2), (1, 2), [(0, 1), (1, 1)], groups=(4, 1), kinds=("bfloat16", "float32"), second=False)
case("0d", (2, 3), (4, 3), (), [], kinds=("float32", "int32"), shapes=(((0, 3), (4, 3)), ((2, 0), (4, 0))))
case("0d, groups", (2, 4), (4, 2), (), [], groups=(2, 1), second=False)
case("3d", (1, 2, 3, 4, 2), (2, 2, 2, 3, 1), (1, 2, 1), [(1, 0), (1, 1), (0, 1)], (1, 1, 2), **FEW)
case("complex", (2, 2, 4), (4, 1, 3), (1,), [(1, 1)], groups=(2, 1), dtype="complex128", **FEW)
case("int", (2, 2, 4), (2, 2, 3), (1,), [(1, 1)], dtype="int32", diff=(), linear=False)
case("bool", (2, 2, 4), (2, 2, 3), (1,), [(1, 1)], dtype="bool", diff=(), linear=False, mapped=())
case("to a wider type", (2, 2, 4), (2, 2, 3), (1,), [(1, 1)], dtype="float32", preferred_element_type=np.float64, second=False,
     tolerance=1e5)
case("to a float", (2, 2, 4), (2, 2, 3), (1,), [(1, 1)], dtype="int8", preferred_element_type=np.float32, diff=(), linear=False,
     tolerance=1e4)
