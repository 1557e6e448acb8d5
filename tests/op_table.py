"""A handful of cases for every primitive; `op_harness` says what each goes through.

Elementwise operations are rows: name, oracle, where to draw operands from, dtypes. The rest are cases with their shapes
and parameters. Primitives that hold jaxprs, keys, callbacks and collectives are in `op_table_control`; larger
families have tables of their own, `op_table_*`.
"""

import ml_dtypes
import numpy as np
import scipy.special
from op_harness import Arg, Case, bind, wide

from ferax._src.control import reductions
from ferax._src.ops import elementwise, select
from ferax._src.ops.accuracy import AccuracyMode
from ferax._src.ops.elementwise import RoundingMethod
from ferax._src.ops.indexing import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers
from ferax._src.ops.precision import Precision
from ferax._src.types import dtypes

HALF = ("bfloat16", "float16")
FLOATS = (*HALF, "float32", "float64")
COMPLEX = ("complex64", "complex128")
INEXACT = FLOATS + COMPLEX
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTS = SIGNED + UNSIGNED
NUMBER = INTS + INEXACT
REAL = INTS + FLOATS
BITS = ("bool", *INTS)
ANY = ("bool", *NUMBER)
SHAPE = (2, 3)

CASES: list[Case] = []


def case(name: str, *args: Arg, params=None, fn=None, **options) -> None:
    """Enter a case. ``params`` bind the primitive itself, ``fn`` is a function that applies it."""
    CASES.append(Case(name, fn or bind(name, **(params or {})), args, **options))


# --- elementwise --------------------------------------------------------------------------------

def row(name: str, oracle, arity: int = 1, low=-2.0, high=2.0, *, kinds=FLOATS, diff=None, ranges=None,
        linear=False, **options) -> None:
    """Enter the cases of an elementwise operation: float64, or the first of ``kinds``, and complex128 if it takes that.

    ``ranges`` are intervals of single operands; ``diff`` the operands to differentiate by, by default all.
    """
    diff = tuple(range(arity)) if diff is None else diff
    spans = [(ranges or {}).get(i, (low, high)) for i in range(arity)]
    args = [Arg(SHAPE, *span) for span in spans]
    real = "float64" in kinds
    first = "float64" if real else "complex128" if "complex128" in kinds else kinds[-1]
    active = first in ("float64", "complex128")
    case(name, *args, oracle=oracle, dtype=first, diff=diff if active else (), linear=linear and active,
         kinds=tuple([k for k in kinds if k != first]), shapes=(((0, 3),) * arity, ((),) * arity), **options)
    if real and "complex128" in kinds:
        label = {"label": "-".join(filter(None, [options.pop("label", ""), "complex"]))}
        case(name, *[Arg((3,), *span) for span in spans], oracle=oracle, dtype="complex128", diff=diff, linear=linear,
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


def clz(x):
    return np.array([bits_of(x) - int(v).bit_length() if v >= 0 else 0 for v in x.ravel()], x.dtype).reshape(x.shape)


def bits_of(x) -> int:
    return x.dtype.itemsize * 8


def mulhi(x, y):
    flat = [(int(a) * int(b)) >> bits_of(x) for a, b in zip(x.ravel(), y.ravel())]
    return np.array(flat, object).astype(x.dtype).reshape(x.shape)


row("neg", np.negative, kinds=NUMBER, linear=True)
row("add", np.add, 2, kinds=NUMBER, linear=True)
row("sub", np.subtract, 2, kinds=NUMBER, linear=True)
row("mul", np.multiply, 2, kinds=NUMBER, linear=True, fn=bind("mul", out_dtype=None))
row("div", truncated_quotient, 2, kinds=NUMBER, ranges={1: (1, 3)}, linear=True, tolerance=5)
row("rem", np.fmod, 2, kinds=INTS + FLOATS, ranges={0: (4.3, 5.9), 1: (3.1, 3.9)}, tolerance=5)
row("max", np.maximum, 2, kinds=ANY)
row("min", np.minimum, 2, kinds=ANY)
row("abs", np.abs, kinds=SIGNED + INEXACT, low=0.3)
row("sign", np.sign, kinds=INTS + FLOATS)
case("sign", Arg((2, 3)), oracle=np.sign, dtype="complex128", label="complex")
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
row("real", np.real, kinds=COMPLEX, linear=True)
row("imag", np.imag, kinds=COMPLEX, linear=True)
row("conj", np.conj, kinds=COMPLEX, linear=True, fn=bind("conj", input_dtype=np.dtype("complex64")))
row("conj", lambda x: x + 0j, kinds=("float32", "float64"), linear=True, fn=bind("conj", input_dtype=np.dtype("float32")),
    label="real")
row("complex", lambda x, y: x + 1j * y, 2, kinds=("float32", "float64"), linear=True)
row("erf", scipy.special.erf)
row("erfc", scipy.special.erfc)
row("erf_inv", scipy.special.erfinv, low=-0.8, high=0.8, tolerance=3)
row("lgamma", scipy.special.gammaln, low=0.5, high=4.0, tolerance=20)
row("digamma", scipy.special.digamma, low=0.5, high=4.0, tolerance=20)
row("polygamma", lambda m, x: scipy.special.polygamma(np.round(m), x), 2, ranges={0: (1, 1), 1: (0.7, 3)}, diff=(1,),
    tolerance=20, second=False, kinds=("bfloat16", "float32", "float64"))
row("zeta", scipy.special.zeta, 2, low=1.5, high=3.0, diff=(1,), tolerance=20, second=False, kinds=("bfloat16", "float32", "float64"))
row("bessel_i0e", scipy.special.i0e, low=0.3, high=12.0)
row("bessel_i1e", scipy.special.i1e, low=0.3, high=12.0)
row("not", np.invert, kinds=BITS)
row("and", np.bitwise_and, 2, -100, 100, kinds=BITS)
row("or", np.bitwise_or, 2, -100, 100, kinds=BITS)
row("xor", np.bitwise_xor, 2, -100, 100, kinds=BITS)
row("shift_left", np.left_shift, 2, kinds=INTS, ranges={0: (-100, 100), 1: (0, 7)})
row("shift_right_arithmetic", np.right_shift, 2, kinds=SIGNED, ranges={0: (-100, 100), 1: (0, 7)})
row("shift_right_logical", np.right_shift, 2, kinds=UNSIGNED, ranges={0: (0, 100), 1: (0, 7)})
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
     oracle=lambda x, y: x.astype(np.float64) * y, diff=(0, 1), tangent=lambda x, y, tx, ty: [wide(tx) * y + wide(x) * ty],
     linear=True, second=False)
# Where two are equal, and where a factor is 0.
case("max", Arg((3,), values=[1, 2, 2]), Arg((3,), values=[1, 1, 3]), oracle=np.maximum, diff=(0, 1), label="ties",
     tangent=lambda x, y, tx, ty: [np.array([(tx[0] + ty[0]) / 2, tx[1], ty[2]])], second=False)
case("abs", Arg((3,), values=[0, 1, -1]), oracle=np.abs, diff=(0,), label="zero", tangent=lambda x, t: [t * [1, 1, -1]], second=False)
case("abs", Arg((2,), values=[0, 3 + 4j]), oracle=np.abs, dtype="complex128", diff=(0,), label="complex-zero", second=False,
     tangent=lambda x, t: [np.array([0.0, (0.6 - 0.8j) * t[1]]).real])
case("clamp", Arg((), values=-1), Arg((4,), values=[-1, 1, 0, 2]), Arg((), values=1), oracle=lambda a, x, b: np.clip(x, a, b), diff=(1,),
     label="at-bounds", tangent=lambda x, t: [t * [0, 0, 1, 0]], second=False)
case("pow", Arg((3,), values=[0, 0, -2.0]), Arg((3,), values=[1, 2, 2]), oracle=np.power, diff=(0,), label="base-zero")
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

NARROW = ("float8_e4m3fn", "float8_e5m2", "int4", "uint4")


def converted(dtype):
    def oracle(x):
        if x.dtype.kind == "c" and dtypes.kind_of(dtype) not in "cb":
            x = x.real
        return x != 0 if dtype == np.bool_ else x.astype(dtype)
    return oracle


for new in ("float64", "float32", "complex128", "int32", "bool", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn):
    new = np.dtype(new)
    for old in ("float64", "complex128"):
        smooth = new.name in ("float64", "complex128")
        case("convert_element_type", Arg((2, 3)), params={"new_dtype": new, "weak_type": False, "sharding": None}, dtype=old,
             oracle=converted(new), diff=(0,) if smooth else (), linear=smooth, label=f"{old}-to-{new}",
             kinds=(*ANY, *NARROW) if old == "float64" and new.name in ("float32", "int32", "bool") else (), shapes=(((0,),), ((),)))
case("bitcast_convert_type", Arg((2, 3), dtype="float32"), params={"new_dtype": np.dtype("int32")}, diff=(0,),
     oracle=lambda x: x.view(np.int32))
case("bitcast_convert_type", Arg((2, 3), dtype="float32"), params={"new_dtype": np.dtype("uint16")}, label="narrower",
     oracle=lambda x: x.view(np.uint16).reshape(2, 3, 2))
case("bitcast_convert_type", Arg((3, 2), dtype="float32"), params={"new_dtype": np.dtype("int64")}, label="wider",
     oracle=lambda x: x.view(np.int64).reshape(3))
case("reduce_precision", Arg((2, 3)), params={"exponent_bits": 11, "mantissa_bits": 52}, oracle=lambda x: x, diff=(0,),
     linear=True, kinds=FLOATS)
case("reduce_precision", Arg((2, 3)), params={"exponent_bits": 8, "mantissa_bits": 7}, label="bfloat16",
     oracle=lambda x: x.astype(ml_dtypes.bfloat16).astype(x.dtype))
case("copy", Arg((2, 3)), oracle=lambda x: x, diff=(0,), linear=True, kinds=ANY, shapes=(((0, 3),), ((),)))
case("device_put", Arg((2, 3)), params={"sharding": None}, oracle=lambda x: x, diff=(0,), linear=True, kinds=ANY)

# --- shapes -------------------------------------------------------------------------------------

ONE = dict(diff=(0,), linear=True)              # of one operand, and linear in it
MOVES = dict(ONE, kinds=ANY)


def broadcast(shape, dims):
    def oracle(x):
        order = sorted(range(len(dims)), key=dims.__getitem__)
        column = [x.shape[dims.index(d)] if d in dims else 1 for d in range(len(shape))]
        return np.broadcast_to(x.transpose(order).reshape(column), shape)
    return oracle


for label, given, shape, dims in (
        ("leading", (2, 3), (4, 2, 3), (1, 2)), ("trailing", (2, 3), (2, 3, 4), (0, 1)), ("ones", (2, 1), (2, 3), (0, 1)),
        ("permuted", (2, 3), (3, 4, 2), (2, 0)), ("scalar", (), (2, 3), ()), ("empty", (0, 1), (0, 3), (0, 1)),
        ("permuted-ones", (1, 3, 2), (2, 3, 4), (2, 1, 0)), ("nothing", (), (), ())):
    case("broadcast_in_dim", Arg(given), params={"shape": shape, "broadcast_dimensions": dims, "sharding": None}, label=label,
         oracle=broadcast(shape, dims), **(MOVES if label == "leading" else ONE))
for axes in ((), (0,), (1,), (0, 2), (0, 1, 2)):
    case("reduce_sum", Arg((2, 3, 4)), params={"axes": axes, "out_sharding": None}, oracle=lambda x, a=axes: x.sum(a, dtype=x.dtype),
         label=str(len(axes)) + "".join(map(str, axes)), diff=(0,), linear=True, kinds=NUMBER if axes == (0, 2) else (),
         shapes=(((0, 3, 0),), ((2, 0, 3),)))
for p in ((0, 1, 2), (2, 0, 1), (1, 0, 2)):
    case("transpose", Arg((2, 3, 4)), params={"permutation": p}, oracle=lambda x, p=p: x.transpose(p), label="".join(map(str, p)),
         **(MOVES if p == (2, 0, 1) else ONE))
for label, given, new, dims in (
        ("split", (4, 3), (2, 2, 3), None), ("merge", (2, 3, 4), (6, 4), None), ("permuted", (2, 3, 4), (6, 4), (1, 2, 0)),
        ("scalar", (1, 1), (), None), ("from-scalar", (), (1, 1), None), ("empty", (0, 3), (3, 0), None), ("mix", (4, 3), (6, 2), None)):
    case("reshape", Arg(given), params={"new_sizes": new, "dimensions": dims, "sharding": None}, label=label,
         oracle=lambda x, n=new, d=dims: (x if d is None else x.transpose(d)).reshape(n), **(MOVES if label == "split" else ONE))
case("squeeze", Arg((1, 3, 1)), params={"dimensions": (0, 2)}, oracle=np.squeeze, **MOVES)
case("squeeze", Arg((1, 3, 1)), params={"dimensions": (2,)}, oracle=lambda x: x[..., 0], label="last", **ONE)
case("rev", Arg((2, 3, 4)), params={"dimensions": (0, 2)}, oracle=lambda x: x[::-1, :, ::-1], shapes=(((0, 2, 3),),), **MOVES)
case("tile", Arg((2, 3)), params={"reps": (2, 3)}, oracle=lambda x: np.tile(x, (2, 3)), shapes=(((0, 2),),), **MOVES)
case("tile", Arg(()), params={"reps": ()}, oracle=lambda x: x, label="scalar", **ONE)
for dtype in ("int32", "float32", "uint8", "complex64"):
    case("iota", params={"dtype": np.dtype(dtype), "shape": (2, 3), "dimension": 1, "sharding": None}, label=dtype,
         oracle=lambda d=dtype: np.broadcast_to(np.arange(3), (2, 3)).astype(d))
case("iota", params={"dtype": np.dtype("int32"), "shape": (0,), "dimension": 0, "sharding": None}, label="empty",
     oracle=lambda: np.zeros(0, np.int32))

# --- joining and parting ------------------------------------------------------------------------

case("concatenate", Arg((2, 3)), Arg((1, 3)), Arg((0, 3)), params={"dimension": 0}, oracle=lambda *xs: np.concatenate(xs), diff=(0, 1, 2),
     linear=True, kinds=ANY)
case("concatenate", Arg((2, 3)), Arg((2, 4)), params={"dimension": 1}, oracle=lambda *xs: np.concatenate(xs, 1), diff=(0, 1),
     linear=True, label="last")
case("concatenate", *[Arg((1,))] * 18, params={"dimension": 0}, oracle=lambda *xs: np.concatenate(xs), diff=(0, 17), mapped=(0, 3),
     linear=True, label="many")
case("stack", Arg((2, 3)), Arg((2, 3)), params={"axis": 1}, oracle=lambda *xs: np.stack(xs, 1), diff=(0, 1), linear=True, kinds=ANY,
     shapes=(((0, 3), (0, 3)),))
case("stack", Arg(()), Arg(()), params={"axis": 0}, oracle=lambda *xs: np.stack(xs), diff=(0, 1), linear=True, label="scalars")
case("split", Arg((6, 2)), params={"sizes": (2, 0, 4), "axis": 0}, oracle=lambda x: np.split(x, (2, 2)), **MOVES)
case("split", Arg((2, 3)), params={"sizes": (1, 2), "axis": 1}, oracle=lambda x: np.split(x, (1,), 1), label="last", **ONE)
case("unstack", Arg((3, 2)), params={"axis": 0}, oracle=list, **MOVES)
case("unstack", Arg((2, 3)), params={"axis": 1}, oracle=lambda x: list(x.T), label="last", **ONE)

# --- slices -------------------------------------------------------------------------------------

case("slice", Arg((4, 6)), params={"start_indices": (1, 0), "limit_indices": (3, 6), "strides": (1, 4)},
     oracle=lambda x: x[1:3, 0:6:4], **MOVES)
case("slice", Arg((4, 6)), params={"start_indices": (1, 2), "limit_indices": (1, 6), "strides": None}, oracle=lambda x: x[1:1, 2:],
     label="empty", **ONE)
case("slice", Arg(()), params={"start_indices": (), "limit_indices": (), "strides": None}, oracle=lambda x: x, label="scalar", **ONE)


def padded(config):
    def oracle(x, value):
        for axis, (low, high, interior) in enumerate(config):
            x = np.moveaxis(x, axis, 0)
            n = len(x) + max(len(x) - 1, 0) * interior
            out = np.full((max(low, 0) + n + max(high, 0), *x.shape[1:]), value, x.dtype)
            if n:
                out[max(low, 0):max(low, 0) + n:interior + 1] = x
            x = np.moveaxis(out[max(-low, 0):len(out) - max(-high, 0)], 0, axis)
        return x
    return oracle


for label, config in (("around", ((1, 2, 0), (0, 1, 0))), ("between", ((0, 0, 1), (1, 0, 2))), ("away", ((-1, 2, 0), (1, -2, 0))),
                      ("all", ((-1, 1, 1), (2, -1, 2))), ("none", ((0, 0, 0), (0, 0, 0)))):
    case("pad", Arg((3, 4)), Arg(()), params={"padding_config": config}, oracle=padded(config), diff=(0, 1), linear=True, label=label,
         kinds=ANY if label == "all" else (), shapes=(((0, 4), ()),) if label == "around" else ())
case("pad", Arg(()), Arg(()), params={"padding_config": ()}, oracle=lambda x, v: x, diff=(0, 1), linear=True, label="scalar")


def placed(start, sizes, shape):
    start = [int(np.clip(i, 0, n - s)) for i, s, n in zip(start, sizes, shape)]
    return tuple([slice(i, i + s) for i, s in zip(start, sizes)])


def updated(x, update, *start):
    x = x.copy()
    x[placed(start, update.shape, x.shape)] = update
    return x


START = Arg((), -1, 3, "int32")
case("dynamic_slice", Arg((4, 3)), START, START, params={"slice_sizes": (2, 2)}, diff=(0,), linear=True, kinds=ANY,
     oracle=lambda x, *i: x[placed(i, (2, 2), x.shape)])
case("dynamic_slice", Arg((4, 3)), Arg((), 0, 9, "uint8"), Arg((), 0, 9, "uint8"), params={"slice_sizes": (2, 3)}, diff=(0,),
     linear=True, oracle=lambda x, *i: x[placed(i, (2, 3), x.shape)], label="one-moves")
case("dynamic_slice", Arg(()), params={"slice_sizes": ()}, oracle=lambda x: x, label="scalar", **ONE)
case("dynamic_update_slice", Arg((4, 3)), Arg((2, 2)), START, START, oracle=updated, diff=(0, 1), linear=True, kinds=ANY)
case("dynamic_update_slice", Arg((4, 3)), Arg((1, 3)), START, START, oracle=updated, diff=(0, 1), linear=True, label="row")

# --- gather and scatter -------------------------------------------------------------------------

CLIP, FILL, PROMISE = GatherScatterMode.CLIP, GatherScatterMode.FILL_OR_DROP, GatherScatterMode.PROMISE_IN_BOUNDS
ROWS = GatherDimensionNumbers((1,), (0,), (0,))                         # x[i, :]
WINDOWS = GatherDimensionNumbers((1, 2), (), (0, 1))                    # x[i:i+2, j:j+3]
STEPPED = GatherDimensionNumbers((), (1,), (1,), (0,), (0,))            # x[b, i[b]]


def windows(x, indices, sizes, numbers):
    """For each index vector the start that it asks for, in all dimensions, and its place among the windows."""
    for where in np.ndindex(indices.shape[:-1]):
        start = np.zeros(x.ndim, int)
        start[list(numbers[2])] = indices[where]
        for d, k in zip(numbers[3], numbers[4]):
            start[d] = where[k]
        yield where, start


def gathered(numbers, sizes, mode, fill):
    def oracle(x, indices):
        rows = []
        for _, start in windows(x, indices, sizes, numbers):
            inside = all(0 <= i <= n - s for i, s, n in zip(start, sizes, x.shape))
            window = x[placed(start, sizes, x.shape)] if inside or mode is not FILL else np.full(sizes, fill, x.dtype)
            rows.append(window.squeeze((*numbers[1], *numbers[3])))
        out = np.array(rows).reshape(*indices.shape[:-1], *rows[0].shape)
        n = indices.ndim - 1
        return np.moveaxis(out, range(n, out.ndim), numbers[0])
    return oracle


for label, numbers, shape, indices, sizes, mode, span in (
        ("clip", ROWS, (4, 3), (2, 1), (1, 3), CLIP, (-3, 6)), ("fill", ROWS, (4, 3), (2, 1), (1, 3), FILL, (-3, 6)),
        ("promise", ROWS, (4, 3), (2, 1), (1, 3), PROMISE, (0, 3)), ("windows", WINDOWS, (4, 6), (2, 2), (2, 3), FILL, (-1, 3)),
        ("clipped-windows", WINDOWS, (4, 6), (2, 2), (2, 3), CLIP, (-1, 3)), ("batching", STEPPED, (2, 4), (2, 3, 1), (1, 1), FILL, (-1, 4)),
        ("batching-clip", STEPPED, (2, 4), (2, 3, 1), (1, 1), CLIP, (-1, 4))):
    case("gather", Arg(shape), Arg(indices, *span, "int32"), oracle=gathered(numbers, sizes, mode, 2), diff=(0,), linear=True,
         params={"dimension_numbers": numbers, "slice_sizes": sizes, "unique_indices": False, "indices_are_sorted": False,
                 "mode": mode, "fill_value": 2 if mode is FILL else None}, label=label, kinds=NUMBER if label == "fill" else ())
case("gather", Arg((4, 3)), Arg((2, 1), 0, 9, "uint8"), oracle=gathered(ROWS, (1, 3), FILL, np.nan),
     params={"dimension_numbers": ROWS, "slice_sizes": (1, 3), "unique_indices": False, "indices_are_sorted": False, "mode": FILL,
             "fill_value": np.nan}, label="nan")
case("gather", Arg((4, 0)), Arg((2, 1), 0, 3, "int32"), diff=(0,), linear=True, oracle=lambda x, i: np.zeros((2, 0)),
     params={"dimension_numbers": ROWS, "slice_sizes": (1, 0), "unique_indices": False, "indices_are_sorted": False, "mode": CLIP,
             "fill_value": None}, label="empty")


def scattered(numbers, sizes, mode, combine):
    def oracle(x, indices, updates):
        x = x.copy()
        n = indices.ndim - 1
        updates = np.moveaxis(updates, numbers[0], range(n, updates.ndim))
        for where, start in windows(x, indices, sizes, numbers):
            inside = all(0 <= i <= n - s for i, s, n in zip(start, sizes, x.shape))
            if inside or mode is CLIP:
                place = placed(start, sizes, x.shape)
                x[place] = combine(x[place], updates[where].reshape(sizes))
        return x
    return oracle


def scatter_case(name, combine, label, numbers, shape, indices, updates, sizes, mode, unique=False, **options):
    case(name, Arg(shape, distinct=True), indices, Arg(updates, distinct=True),
         oracle=scattered(numbers, sizes, mode, combine),
         params={"dimension_numbers": ScatterDimensionNumbers(*numbers), "indices_are_sorted": False, "unique_indices": unique,
                 "mode": mode, "update_jaxpr": None, "update_consts": ()}, **{"diff": (0, 2), "label": label, **options})


UNIQUE = Arg((3, 1), -0.5, 5.5, "int32", distinct=True)
for name, combine, kinds, linear, linear_if_unique in (
        ("scatter", lambda x, y: y, ANY, False, True), ("scatter-add", np.add, NUMBER, True, True),
        ("scatter-sub", np.subtract, NUMBER, True, True), ("scatter-mul", np.multiply, NUMBER, False, True),
        ("scatter-min", np.minimum, ANY[:-2], False, False), ("scatter-max", np.maximum, ANY[:-2], False, False)):
    shapes = (4, 3), Arg((3, 1), -1, 4, "int32"), (3, 3), (1, 3)
    by = {"diff": (0,)} if name == "scatter-mul" else {}   # by the updates only if they do not meet
    scatter_case(name, combine, "drop", ROWS, *shapes, FILL, linear=linear, kinds=kinds, tolerance=3, **by)
    scatter_case(name, combine, "clip", ROWS, *shapes, CLIP, linear=linear, **by)
    scatter_case(name, combine, "unique", ROWS, (6, 3), UNIQUE, (3, 3), (1, 3), FILL, unique=True, linear=linear_if_unique)
    if name in ("scatter", "scatter-add"):
        scatter_case(name, combine, "windows", WINDOWS, (4, 6), Arg((2, 2), -1, 3, "int32"), (2, 2, 3), (2, 3), FILL, linear=linear)
        scatter_case(name, combine, "batching", STEPPED, (2, 4), Arg((2, 3, 1), -1, 4, "int32"), (2, 3), (1, 1), FILL, linear=linear)

# --- reductions ---------------------------------------------------------------------------------

for name, ufunc, kinds in (("reduce_prod", np.multiply, NUMBER), ("reduce_max", np.maximum, ANY), ("reduce_min", np.minimum, ANY)):
    for axes in ((0,), (1,), (0, 2)):
        case(name, Arg((2, 3, 4), distinct=True), params={"axes": axes}, oracle=lambda x, a=axes, u=ufunc: u.reduce(x, axis=a, dtype=x.dtype),
             diff=(0,), kinds=kinds if axes == (0, 2) else (), label="".join(map(str, axes)), tolerance=5)
    case(name, Arg((3,), distinct=True), params={"axes": (0,)}, oracle=lambda x, u=ufunc: u.reduce(x), dtype="complex128", diff=(0,),
         label="complex", second=name == "reduce_prod")
    case(name, Arg((2, 3)), params={"axes": ()}, oracle=lambda x: x, diff=(0,), label="nothing")
case("reduce_prod", Arg((0, 3)), params={"axes": (0,)}, oracle=lambda x: x.prod(0), diff=(0,), label="empty", mapped=(0,))
case("reduce_max", Arg((2, 3), values=[[1, 1, 0], [2, 2, 2]]), params={"axes": (1,)}, oracle=lambda x: x.max(1), diff=(0,), label="ties",
     tangent=lambda x, t: [np.array([t[0, :2].mean(), t[1].mean()])], second=False)
case("reduce_prod", Arg((3,), values=[0.0, 0.0, 2.0]), params={"axes": (0,)}, oracle=lambda x: x.prod(), diff=(0,), label="zeros")
case("reduce_prod", Arg((4,), values=[1.5, 0.0, -2.0, 0.5]), params={"axes": (0,)}, oracle=lambda x: x.prod(), diff=(0,), label="zero")
for name, ufunc in (("reduce_and", np.bitwise_and), ("reduce_or", np.bitwise_or), ("reduce_xor", np.bitwise_xor)):
    case(name, Arg((2, 3, 4), -100, 100), params={"axes": (0, 2)}, oracle=lambda x, u=ufunc: u.reduce(x, axis=(0, 2)), dtype="int32",
         kinds=BITS, shapes=(((0, 3, 0),),))
for name, oracle in (("argmax", np.argmax), ("argmin", np.argmin)):
    for axis in (0, 1):
        case(name, Arg((3, 4), distinct=True), params={"axes": (axis,), "index_dtype": np.dtype("int32")}, diff=(0,), label=str(axis),
             oracle=lambda x, a=axis, o=oracle: o(x, axis=a).astype(np.int32), kinds=BITS + FLOATS if axis else (),
             shapes=(((3, 1),), ((0, 2),)) if axis else ())
    case(name, Arg((3,), values=[1.0, np.nan, 3.0]), params={"axes": (0,), "index_dtype": np.dtype("uint8")}, label="nan",
         oracle=lambda x: np.uint8(1))
for label, reverse, shape, axis in (("forward", False, (4, 3), 0), ("reverse", True, (3, 4), 1), ("odd", False, (6,), 0),
                                    ("odd-reverse", True, (6,), 0), ("one", False, (2, 1), 1)):
    def along(ufunc, reverse=reverse, axis=axis):
        flip = (lambda x: np.flip(x, axis)) if reverse else (lambda x: x)
        return lambda x: flip(ufunc.accumulate(flip(x), axis=axis, dtype=x.dtype))

    first = label == "reverse"
    for name, ufunc, kinds in (("cumsum", np.add, NUMBER), ("cumprod", np.multiply, NUMBER), ("cummax", np.maximum, REAL),
                               ("cummin", np.minimum, REAL), ("cumlogsumexp", np.logaddexp, FLOATS)):
        case(name, Arg(shape, distinct=True), params={"axis": axis, "reverse": reverse}, oracle=along(ufunc), diff=(0,), label=label,
             linear=name == "cumsum", kinds=kinds if first else (), shapes=(((3, 0),), ((0, 2),)) if first else (), tolerance=5,
             second=label in ("forward", "one") or name == "cumprod" and label == "odd")
for name, ufunc in (("cumsum", np.add), ("cumprod", np.multiply), ("cummax", np.maximum)):
    case(name, Arg((4,)), params={"axis": 0, "reverse": False}, oracle=ufunc.accumulate, dtype="complex128", diff=(0,), label="complex")
case("cumlogsumexp", Arg((4,), -1, 1), params={"axis": 0, "reverse": True}, dtype="complex128", diff=(0,), label="complex",
     oracle=lambda x: np.log(np.cumsum(np.exp(x[::-1])))[::-1])


case("cumprod", Arg((4,), values=[0.0, 2.0, 0.0, 3.0]), params={"axis": 0, "reverse": False}, oracle=np.cumprod, diff=(0,), label="zeros")
case("cummax", Arg((4,), values=[1, 1, 0, 1]), params={"axis": 0, "reverse": False}, oracle=np.maximum.accumulate, diff=(0,), label="ties",
     tangent=lambda x, t: [np.full(4, t[0])], second=False)
case("cumlogsumexp", Arg((4,), values=[-np.inf, 1, -np.inf, 2]), params={"axis": 0, "reverse": False}, oracle=np.logaddexp.accumulate,
     diff=(0,), label="infinite", second=False,
     tangent=lambda x, t: [np.array([t[0], t[1], t[1], (np.exp(1) * t[1] + np.exp(2) * t[3]) / (np.exp(1) + np.exp(2))])])


def log_sum_exp(x, y):
    high = elementwise.max(x, y)
    return elementwise.add(high, elementwise.log1p(elementwise.exp(elementwise.neg(elementwise.abs(elementwise.sub(x, y))))))


def larger_first(x, y):
    """Of two pairs (key, value) that with the larger key."""
    first = elementwise.ge(x[0], y[0])
    return select.select(first, x[0], y[0]), select.select(first, x[1], y[1])


case("reduce", Arg((3, 4)), fn=lambda x: reductions.reduce(x, x.dtype.type(-1e30), log_sum_exp, (0,)), diff=(0,),
     oracle=lambda x: np.logaddexp.reduce(x, axis=0))
case("reduce", Arg((3, 4), distinct=True), Arg((3, 4)), diff=(0, 1), label="pairs",
     fn=lambda x, y: list(reductions.reduce((x, y), (np.float64(-9), np.float64(0)), larger_first, (1,))),
     oracle=lambda x, y: [x.max(1), np.take_along_axis(y, x.argmax(1)[:, None], 1)[:, 0]])

# --- sorting ------------------------------------------------------------------------------------

for label, dimension in (("first", 0), ("last", 1)):
    case("sort", Arg((4, 3), distinct=True), params={"dimension": dimension, "is_stable": True, "num_keys": 1}, diff=(0,), label=label,
         oracle=lambda x, d=dimension: np.sort(x, d), kinds=BITS + FLOATS if dimension else (), shapes=(((0, 3),),))
case("sort", Arg((4,), distinct=True), params={"dimension": 0, "is_stable": False, "num_keys": 1}, dtype="complex128", diff=(0,),
     oracle=np.sort, label="complex")
case("sort", Arg((6,), 0, 2, "int32"), Arg((6,), distinct=True), Arg((6,)), params={"dimension": 0, "is_stable": True, "num_keys": 2},
     diff=(1, 2), label="keys", oracle=lambda k, x, y: [a[np.lexsort((x, k))] for a in (k, x, y)])
case("sort", Arg((5 + 2,), values=[np.nan, 1.0, -np.inf, 0.0, -0.0, np.inf, np.nan]), oracle=np.sort, label="nan",
     params={"dimension": 0, "is_stable": True, "num_keys": 1})


def largest(k, axis):
    def oracle(x):
        order = np.argsort(-x.astype(np.float64), axis, kind="stable").take(range(k), axis)
        return [np.take_along_axis(x, order, axis), order.astype(np.int32)]
    return oracle


for label, axis in (("first", 0), ("last", 1)):
    case("top_k", Arg((4, 3), distinct=True), params={"k": 2, "axis": axis}, oracle=largest(2, axis), diff=(0,), label=label,
         kinds=("int32", "uint8", *FLOATS) if axis else ())
case("top_k", Arg((3,)), params={"k": 0, "axis": 0}, diff=(0,), oracle=lambda x: [x[:0], np.zeros(0, np.int32)], label="none")

# --- products -----------------------------------------------------------------------------------

def contracted(numbers):
    (a, b), (c, d) = numbers

    def oracle(x, y):
        letters = iter("abcdefghijklmnopqrstuvwxyz")
        left = [next(letters) for _ in range(x.ndim)]
        right = [left[a[b.index(i)]] if i in b else left[c[d.index(i)]] if i in d else next(letters) for i in range(y.ndim)]
        out = [left[i] for i in c] + [left[i] for i in range(x.ndim) if i not in a + c] + [right[i] for i in range(y.ndim) if i not in b + d]
        return np.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", x, y, dtype=np.result_type(x, y))
    return oracle


for label, left, right, numbers in (
        ("vectors", (3,), (3,), (((0,), (0,)), ((), ()))), ("matrices", (2, 3), (3, 4), (((1,), (0,)), ((), ()))),
        ("transposed", (3, 2), (4, 3), (((0,), (1,)), ((), ()))), ("batch", (2, 3, 4), (2, 4, 3), (((2,), (1,)), ((0,), (0,)))),
        ("inner-batch", (3, 2, 4), (4, 3, 2), (((2,), (0,)), ((1,), (2,)))), ("outer", (2,), (3,), (((), ()), ((), ()))),
        ("two", (2, 3, 4), (4, 2, 3), (((0, 2), (1, 0)), ((), ()))), ("scalars", (), (), (((), ()), ((), ()))),
        ("empty", (2, 0), (0, 3), (((1,), (0,)), ((), ()))), ("elementwise", (2, 3), (3, 2), (((), ()), ((0, 1), (1, 0))))):
    for dtype in ("float64", "complex128") if label == "batch" else ("float64",):
        case("dot_general", Arg(left), Arg(right), oracle=contracted(numbers), diff=(0, 1), linear=True, dtype=dtype,
             params={"dimension_numbers": numbers, "precision": None, "preferred_element_type": None, "out_sharding": None},
             label=label if dtype == "float64" else f"{label}-complex", kinds=ANY if label == "matrices" else (), tolerance=3)
case("dot_general", Arg((2, 3), dtype="float32"), Arg((3, 4), dtype="float32"), diff=(0, 1), label="wider", linear=True, second=False,
     tangent=lambda x, y, tx, ty: [wide(tx) @ wide(y) + wide(x) @ wide(ty)],
     params={"dimension_numbers": (((1,), (0,)), ((), ())), "precision": (Precision.HIGHEST,) * 2,
             "preferred_element_type": np.dtype("float64"), "out_sharding": None}, oracle=lambda x, y: wide(x) @ wide(y))
