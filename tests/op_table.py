"""A handful of cases for every primitive; `op_harness` says what each goes through.

Elementwise operations are rows: name, oracle, where to draw operands from, dtypes. The rest are cases with their shapes
and parameters. Primitives that hold jaxprs, keys, callbacks and collectives are in `op_table_control`.
"""

import numpy as np
import scipy.special
from op_harness import Arg, Case, bind

from ferax._src.ops.accuracy import AccuracyMode
from ferax._src.ops.dot import Precision
from ferax._src.ops.elementwise import RoundingMethod
from ferax._src.ops.indexing import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers

HALF = ("bfloat16", "float16")
FLOATS = (*HALF, "float32", "float64")
COMPLEX = ("complex64", "complex128")
INEXACT = FLOATS + COMPLEX
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTS = SIGNED + UNSIGNED
NUMBER = INTS + INEXACT
BITS = ("bool", *INTS)
ANY = ("bool", *NUMBER)
SHAPE = (2, 3)

CASES: list[Case] = []


def case(name: str, *args: Arg, params=None, fn=None, **options) -> None:
    """Enter a case. ``params`` bind the primitive itself, ``fn`` is a function that applies it."""
    CASES.append(Case(name, fn or bind(name, **(params or {})), args, **options))


# --- elementwise --------------------------------------------------------------------------------

def row(name: str, oracle, arity: int = 1, low=-2.0, high=2.0, *, kinds=FLOATS, diff=None, ranges=None, shapes=None,
        complex_range=None, linear=(), **options) -> None:
    """Enter the cases of an elementwise operation: float64, or the first of ``kinds``, and complex128 if it takes that.

    ``ranges`` are intervals of single operands; ``diff`` the operands to differentiate by, by default all.
    """
    diff = tuple(range(arity)) if diff is None else diff
    spans = [(ranges or {}).get(i, (low, high)) for i in range(arity)]
    args = [Arg(SHAPE, *span) for span in spans]
    real = "float64" in kinds
    empty = [((0, 3),) * arity, ((),) * arity]
    first = "float64" if real else "complex128" if "complex128" in kinds else kinds[-1]
    active = first in ("float64", "complex128")
    case(name, *args, oracle=oracle, dtype=first, diff=diff if active else (), linear=bool(linear) and active,
         kinds=tuple([k for k in kinds if k != first]), shapes=tuple([*empty, *(shapes or ())]), **options)
    if real and "complex128" in kinds:
        spans = [complex_range] * arity if complex_range else spans
        label = {"label": "-".join(filter(None, [options.pop("label", ""), "complex"]))}
        case(name, *[Arg((3,), *span) for span in spans], oracle=oracle, dtype="complex128", diff=diff, linear=bool(linear),
             **{**options, **label})


def broadcasting(name: str, oracle, *spans, **options) -> None:
    """Enter cases of an elementwise operation where scalars and sizes of 1 are repeated."""
    for label, shapes in (("scalar", [(), (2, 3)]), ("last-scalar", [(2, 3), ()]), ("ones", [(2, 1), (1, 3)])):
        shapes = [*shapes, *[(2, 3)] * (len(spans) - 2)]
        case(name, *[Arg(shape, *span) for shape, span in zip(shapes, spans)], oracle=oracle, label=label, **options)


def truncated_quotient(x, y):
    return np.trunc(x / y).astype(x.dtype) if x.dtype.kind in "iu" else x / y


def away_from_zero(x):
    return np.trunc(x + np.copysign(0.5, x))


def complex_sign(x):
    return x / np.abs(x) if x.dtype.kind == "c" else np.sign(x)


def clz(x):
    return np.array([bits_of(x) - int(v).bit_length() if v >= 0 else 0 for v in x.ravel()], x.dtype).reshape(x.shape)


def bits_of(x) -> int:
    return x.dtype.itemsize * 8


def mulhi(x, y):
    flat = [(int(a) * int(b)) >> bits_of(x) for a, b in zip(x.ravel(), y.ravel())]
    return np.array(flat, object).astype(x.dtype).reshape(x.shape)


row("neg", np.negative, kinds=NUMBER, linear=(0,))
row("add", np.add, 2, kinds=NUMBER, linear=(0, 1))
row("sub", np.subtract, 2, kinds=NUMBER, linear=(0, 1))
row("mul", np.multiply, 2, kinds=NUMBER, linear=(0, 1), fn=bind("mul", out_dtype=None))
row("div", truncated_quotient, 2, kinds=NUMBER, ranges={1: (1, 3)}, linear=(0,), tolerance=5)
row("rem", np.fmod, 2, kinds=INTS + FLOATS, ranges={0: (2.3, 2.9), 1: (0.6, 0.7)}, label="float", shapes=()) \
    if False else None
row("rem", np.fmod, 2, kinds=INTS + FLOATS, ranges={0: (4.3, 5.9), 1: (3.1, 3.9)}, tolerance=5)
row("max", np.maximum, 2, kinds=ANY)
row("min", np.minimum, 2, kinds=ANY)
row("abs", np.abs, kinds=SIGNED + INEXACT, low=0.3)
row("sign", complex_sign, kinds=NUMBER)
row("floor", np.floor, low=0.2, high=0.8)
row("ceil", np.ceil, low=0.2, high=0.8)
row("round", away_from_zero, low=0.1, high=0.4, fn=bind("round", rounding_method=RoundingMethod.AWAY_FROM_ZERO))
row("round", np.round, low=-0.4, high=0.4, fn=bind("round", rounding_method=RoundingMethod.TO_NEAREST_EVEN), label="even")
row("is_finite", np.isfinite)
row("nextafter", np.nextafter, 2, kinds=("float32", "float64"), diff=(0,), tolerance=1e3)
row("pow", np.power, 2, low=0.5, high=2.0, kinds=INEXACT, tolerance=3)
row("square", np.square, kinds=NUMBER)
row("one_minus_square", lambda x: 1 - x * x, low=-1.0, high=1.0, kinds=NUMBER, tolerance=3)
row("sqrt", np.sqrt, low=0.3, kinds=INEXACT, fn=bind("sqrt", accuracy=None))
row("rsqrt", lambda x: 1 / np.sqrt(x), low=0.3, kinds=INEXACT, fn=bind("rsqrt", accuracy=None), tolerance=2)
row("cbrt", np.cbrt, low=0.3, fn=bind("cbrt", accuracy=None))
for exponent, kinds in ((0, NUMBER), (1, NUMBER), (2, NUMBER), (3, NUMBER), (-1, INEXACT), (-2, INEXACT)):
    row("integer_pow", lambda x, y=exponent: 1 / x ** -y if y < 0 else x ** y, kinds=kinds, low=0.6, high=1.9,
        fn=bind("integer_pow", y=exponent), label=f"{exponent}", tolerance=5)
for name, oracle, low, high in (
        ("exp", np.exp, -2, 2), ("exp2", np.exp2, -2, 2), ("expm1", np.expm1, -1, 2), ("log", np.log, 0.3, 3),
        ("log1p", np.log1p, -0.5, 2), ("log2", np.log2, 0.3, 3), ("logistic", lambda x: 1 / (1 + np.exp(-x)), -2, 2),
        ("sin", np.sin, -2, 2), ("cos", np.cos, -2, 2), ("tan", np.tan, -1, 1), ("tanh", np.tanh, -1, 1)):
    row(name, oracle, low=low, high=high, kinds=INEXACT, fn=bind(name, accuracy=None), tolerance=3)
for name, oracle, low, high in (
        ("asin", np.arcsin, -0.7, 0.7), ("acos", np.arccos, -0.7, 0.7), ("atan", np.arctan, 0.1, 1.5), ("sinh", np.sinh, -2, 2),
        ("cosh", np.cosh, -2, 2), ("asinh", np.arcsinh, -0.9, 0.9), ("acosh", np.arccosh, 1.3, 3),
        ("atanh", np.arctanh, -0.7, 0.7)):
    row(name, oracle, low=low, high=high, kinds=INEXACT, tolerance=3)
row("tanh", np.tanh, low=-1.0, high=1.0, kinds=("float64",), fn=bind("tanh", accuracy=AccuracyMode.HIGHEST), label="accurate")
row("atan2", np.arctan2, 2, low=0.3, tolerance=2)
row("real", np.real, kinds=COMPLEX, linear=(0,))
row("imag", np.imag, kinds=COMPLEX, linear=(0,))
row("conj", np.conj, kinds=COMPLEX, linear=(0,), fn=bind("conj", input_dtype=np.dtype("complex64")))
row("conj", lambda x: x + 0j, kinds=("float32", "float64"), linear=(0,), fn=bind("conj", input_dtype=np.dtype("float32")),
    label="real")
row("complex", lambda x, y: x + 1j * y, 2, kinds=("float32", "float64"), linear=(0, 1))
row("erf", scipy.special.erf)
row("erfc", scipy.special.erfc)
row("erf_inv", scipy.special.erfinv, low=-0.8, high=0.8, tolerance=3)
row("lgamma", scipy.special.gammaln, low=0.5, high=4.0, tolerance=20)
row("digamma", scipy.special.digamma, low=0.5, high=4.0, tolerance=20)
row("polygamma", lambda m, x: scipy.special.polygamma(np.round(m), x), 2, ranges={0: (1, 1), 1: (0.7, 3)}, diff=(1,),
    tolerance=20, second=False)
row("zeta", scipy.special.zeta, 2, low=1.5, high=3.0, diff=(1,), tolerance=20)
row("bessel_i0e", scipy.special.i0e, low=0.3, high=12.0)
row("bessel_i1e", scipy.special.i1e, low=0.3, high=12.0)
row("not", np.invert, kinds=BITS)
row("and", np.bitwise_and, 2, -100, 100, kinds=BITS)
row("or", np.bitwise_or, 2, -100, 100, kinds=BITS)
row("xor", np.bitwise_xor, 2, -100, 100, kinds=BITS)
row("shift_left", np.left_shift, 2, kinds=INTS, ranges={0: (-100, 100), 1: (0, 7)})
row("shift_right_arithmetic", np.right_shift, 2, kinds=SIGNED, ranges={0: (-100, 100), 1: (0, 7)})
row("shift_right_logical", np.right_shift, 2, kinds=UNSIGNED, ranges={0: (0, 100), 1: (0, 7)})
row("population_count", lambda x: np.bitwise_count(x.view(f"u{x.itemsize}")), -100, 100, kinds=INTS) if False else None
row("population_count", lambda x: np.bitwise_count(x).astype(x.dtype), low=0, high=100, kinds=INTS)
row("clz", clz, low=-100, high=100, kinds=INTS)
row("mulhi", mulhi, 2, -100, 100, kinds=INTS)
case("mulhi", Arg((6,), -2 ** 62, 2 ** 62), Arg((6,), -2 ** 62, 2 ** 62), oracle=mulhi, dtype="int64", label="large")
for name, oracle in (("eq", np.equal), ("ne", np.not_equal), ("eq_to", np.equal)):
    row(name, oracle, 2, kinds=ANY)
for name, oracle in (("lt", np.less), ("le", np.less_equal), ("gt", np.greater), ("ge", np.greater_equal), ("lt_to", np.less),
                     ("le_to", np.less_equal)):
    row(name, oracle, 2, kinds=BITS + FLOATS)
row("clamp", lambda low, x, high: np.clip(x, low, high), 3, kinds=INTS + FLOATS, ranges={0: (-2, -1), 1: (-3, 3), 2: (1, 2)})
case("clamp", Arg((), -2, -1), Arg((2, 3), -3, 3), Arg((), 1, 2), oracle=lambda low, x, high: np.clip(x, low, high), diff=(0, 1, 2),
     label="scalars")
broadcasting("add", np.add, (-2, 2), (-2, 2), diff=(0, 1), linear=True)
broadcasting("sub", np.subtract, (-2, 2), (-2, 2), diff=(0, 1), linear=True)
broadcasting("mul", np.multiply, (-2, 2), (-2, 2), diff=(0, 1), linear=True, fn=bind("mul", out_dtype=None))
broadcasting("div", np.divide, (-2, 2), (1, 3), diff=(0, 1), linear=True)
broadcasting("max", np.maximum, (-2, 2), (-2, 2), diff=(0, 1))
broadcasting("complex", lambda x, y: x + 1j * y, (-2, 2), (-2, 2), diff=(0, 1), linear=True)
broadcasting("lt", np.less, (-2, 2), (-2, 2))
case("mul", Arg((2, 3), dtype="float32"), Arg((2, 3), dtype="float32"), params={"out_dtype": np.dtype("float64")}, label="wider",
     oracle=lambda x, y: x.astype(np.float64) * y, diff=())
case("pow", Arg((2, 3), 0.5, 2), Arg((2, 3), -3, 3, "int32"), oracle=np.power, diff=(0,), label="integer")
case("pow", Arg((3,), 0.0, 0.0), Arg((3,), 1.5, 3), oracle=np.power, diff=(1,), label="of-zero")

# --- choosing -----------------------------------------------------------------------------------

case("select_n", Arg((2, 3), dtype="bool"), Arg((2, 3)), Arg((2, 3)), oracle=lambda w, x, y: np.where(w, y, x), diff=(1, 2),
     linear=True, kinds=ANY, shapes=(((0, 3),) * 3, ((),) * 3))
case("select_n", Arg((2, 3), 0, 2, "int32"), Arg((2, 3)), Arg((2, 3)), Arg((2, 3)), oracle=lambda w, *xs: np.choose(w, xs),
     diff=(1, 2, 3), linear=True, label="three")
case("select_n", Arg((), dtype="bool"), Arg((2, 3)), Arg((2, 3)), oracle=lambda w, x, y: np.where(w, y, x), diff=(1, 2),
     linear=True, label="scalar")
case("select_n", Arg((2, 3), dtype="bool"), Arg(()), Arg((2, 3)), oracle=lambda w, x, y: np.where(w, y, x), diff=(1, 2),
     linear=True, label="scalar-case")

# --- conversions --------------------------------------------------------------------------------

for new in ("float64", "float32", "complex128", "int32", "bool", "bfloat16"):
    dtype = np.dtype(new) if new != "bfloat16" else __import__("ml_dtypes").bfloat16
