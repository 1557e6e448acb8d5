"""Rows of the elementwise functions of `numpy`, and of the operators and elementwise members of arrays.

Integers and booleans reach the oracle as they are; where NumPy would compute them in a narrow float, `wide` makes them
float64 first.
"""

import operator

import ml_dtypes
import numpy as np
from api_draw import ANY, BOOL, COMPLEX, FLOATS, INEXACT, INTS, NARROW, NUMBERS, REAL, call, kind
from api_harness import Refusal, Row

NP_FLOATS = ("float32", "float16", "float64")       # the floats that NumPy has
MIXABLE = tuple(t for t in INTS if t != "uint64") + BOOL        # whole numbers of which any two promote to one
LISTS = ("must be given as arrays", "requires ndarray or scalar arguments")


# --- generators ---------------------------------------------------------------------------------

def python_number(x):
    """The first element of an array as a Python number; the array itself if there is none."""
    casts = {"b": bool, "i": int, "u": int, "f": float, "c": complex}
    return casts[kind(x.dtype)](x.reshape(-1)[0]) if x.size and x.dtype.kind != "V" else x


def one(kinds=NUMBERS, low=-4.0, high=4.0, inside=None, steps=False, whole=False, **more):
    """One array, at times a Python number; for derivatives with elements in ``inside``, and off the integers if ``steps``."""
    def calls(d):
        bounds = inside if inside and d.smooth else (low, high)
        x = d.array(kinds, None, *bounds, **more)
        if steps and d.smooth:
            x = np.floor(x.real) + 0.3 + (0j if x.dtype.kind == "c" else 0)
        if whole and x.dtype.kind in "fc":
            x = np.round(x)
        return call(python_number(x) if not d.smooth and d.integer(0, 7) == 7 else x)
    return calls


def two(kinds=NUMBERS, low=-4.0, high=4.0, inside=None, second=None, coarse=False, nonzero=False, narrow=False, **more):
    """Two arrays that broadcast, of different dtypes or of one; at times a Python or NumPy scalar in place of one of them.

    second : bounds of the second operand; coarse : multiples of 1/4, so that all dtypes give the same and ties occur;
    nonzero : no zeros in the second operand
    """
    def calls(d):
        bounds = inside if inside and d.smooth else (low, high)
        a, b = d.broadcasting(2)
        same = d.dtype(kinds + (NARROW if narrow and not d.smooth else ())) if d.flag() or d.smooth else None
        x = d.array(kinds, a, *bounds, dtype=same, **more)
        y = d.array(kinds, b, *(second or bounds), dtype=same, **more)
        if coarse and not d.smooth:
            x, y = (np.asarray(np.round(v.astype(v.dtype) * 4) / 4).astype(v.dtype) if v.dtype.kind in "fc" else v for v in (x, y))
        if nonzero and y.size:
            y = np.where(y == 0, np.ones_like(y), y)
        if nonzero and d.smooth:                    # a divisor: the quotients stay away from whole numbers, where they jump
            y = np.where(abs(y) < 1, y + np.copysign(1, y), y)
            shape = np.broadcast_shapes(a, b)
            x = (y * (d.rng.integers(-3, 3, shape) + d.rng.uniform(0.2, 0.8, shape))).astype(y.dtype)
        if not d.smooth:
            match d.integer(0, 9):
                case 6:
                    x = python_number(x)
                case 7:
                    y = python_number(y)
                case 8 if y.size:
                    y = y.reshape(-1)[0]            # a NumPy scalar
        return call(x, y)
    return calls


def whole_pair(low=-9.0, high=9.0, second=None, kinds=MIXABLE):
    """Two arrays of integers or booleans, of dtypes that mix or of one."""
    mixed = two(kinds, low, high, second=second)
    def calls(d):
        same = d.pick(None, "uint64", "int32", "uint8")
        return mixed(d) if same is None else two((same,), low, high, second=second)(d)
    return calls


# --- oracles ------------------------------------------------------------------------------------

def wide(f):
    """``f`` of NumPy with integers and booleans as float64."""
    def oracle(*args, **kwargs):
        return f(*[np.asarray(x, np.float64) if np.asarray(x).dtype.kind in "biu" else x for x in args], **kwargs)
    return oracle


def integers(f):
    """``f`` with integers and booleans as int64, so that any two of them mix."""
    def oracle(*args):
        together = np.result_type(*[np.asarray(x).dtype for x in args])
        if together.kind == "f" and all(np.asarray(x).dtype.kind in "biu" for x in args):
            args = [np.asarray(x, np.int64) for x in args]
        return f(*args)
    return oracle


def magnitude(x):
    return np.abs(x) if np.asarray(x).dtype.kind != "b" else x


def by_bits(f):
    """A comparison that computes each result with ``f`` from the call's own arrays, also the bfloat16 ones."""
    def compare(found, _, given):
        with np.errstate(all="ignore"):
            expected = f(*given.args)
        for a, b in zip(*[v if isinstance(v, tuple) else (v,) for v in (found, expected)], strict=True):
            np.testing.assert_array_equal(np.asarray(a).astype(np.float64), np.asarray(b).astype(np.float64))
            assert a.shape == b.shape
    return compare


TRIG = one(INEXACT + INTS + BOOL)
STEPS = "flat: the derivative is zero everywhere"

UNARY = [
    # --- exponentials, powers
    Row("numpy.exp", wide(np.exp), TRIG, "inexact"),
    Row("numpy.exp2", wide(np.exp2), TRIG, "inexact"),
    Row("numpy.expm1", wide(np.expm1), TRIG, "inexact"),
    Row("numpy.log", wide(np.log), one(ANY, -1, 9, inside=(0.2, 4)), "inexact"),
    Row("numpy.log2", wide(np.log2), one(ANY, -1, 9, inside=(0.2, 4)), "inexact"),
    Row("numpy.log10", wide(np.log10), one(ANY, -1, 9, inside=(0.2, 4)), "inexact"),
    Row("numpy.log1p", wide(np.log1p), one(ANY, -2, 9, inside=(-0.8, 4)), "inexact"),
    Row("numpy.sqrt", wide(np.sqrt), one(ANY, -1, 9, inside=(0.2, 4)), "inexact"),
    Row("numpy.cbrt", wide(np.cbrt), one(FLOATS + INTS, -9, 9, inside=(0.2, 4)), "inexact"),
    Row("numpy.square", lambda x: np.multiply(x, x) if np.asarray(x).dtype.kind != "b" else np.asarray(x, int), one(ANY)),
    Row("numpy.reciprocal", wide(np.reciprocal), one(ANY, inside=(0.5, 4), special=True), "inexact"),
    # --- angles
    Row("numpy.sin", wide(np.sin), TRIG, "inexact"),
    Row("numpy.cos", wide(np.cos), TRIG, "inexact"),
    Row("numpy.tan", wide(np.tan), one(ANY, inside=(-1.2, 1.2)), "inexact", tolerance=4),
    Row("numpy.sinh", wide(np.sinh), TRIG, "inexact"),
    Row("numpy.cosh", wide(np.cosh), TRIG, "inexact"),
    Row("numpy.tanh", wide(np.tanh), one(ANY, inside=(-1.2, 1.2)), "inexact"),
    Row("numpy.arcsin numpy.asin", wide(np.arcsin), one(ANY, -1.2, 1.2, inside=(-0.8, 0.8)), "inexact"),
    Row("numpy.arccos numpy.acos", wide(np.arccos), one(ANY, -1.2, 1.2, inside=(-0.8, 0.8)), "inexact"),
    Row("numpy.arctan numpy.atan", wide(np.arctan), one(ANY, inside=(-0.8, 0.8)), "inexact"),
    Row("numpy.arcsinh numpy.asinh", wide(np.arcsinh), one(ANY, inside=(0.3, 2)), "inexact"),
    Row("numpy.arccosh numpy.acosh", wide(np.arccosh), one(ANY, 0, 9, inside=(1.3, 4)), "inexact"),
    Row("numpy.arctanh numpy.atanh", wide(np.arctanh), one(ANY, -1.2, 1.2, inside=(-0.8, 0.8)), "inexact"),
    Row("numpy.deg2rad numpy.radians", wide(np.deg2rad), one(FLOATS + INTS, -400, 400), "inexact"),
    Row("numpy.rad2deg numpy.degrees", wide(np.rad2deg), one(FLOATS + INTS), "inexact"),
    Row("numpy.sinc", wide(np.sinc), one(FLOATS + INTS), "inexact"),
    Row("numpy.i0", wide(np.i0), one(FLOATS + INTS), "inexact"),
    # --- signs and magnitudes
    Row("numpy.abs numpy.absolute", np.abs, one(ANY)),
    Row("numpy.fabs", wide(np.fabs), one(REAL), "inexact"),
    Row("numpy.sign", np.sign, lambda d: one(FLOATS if d.smooth else NUMBERS)(d)),     # as in JAX, constant on complex numbers
    Row("numpy.positive", lambda x: np.asarray(x), one(ANY), "same"),
    Row("numpy.signbit", wide(np.signbit), one(REAL + BOOL), "bool"),
    Row("numpy.conjugate numpy.conj", np.conjugate, one(ANY), "same"),
    Row("numpy.real", np.real, one(ANY)),
    Row("numpy.imag", np.imag, one(ANY)),
    # --- whole numbers
    Row("numpy.floor", np.floor, one(REAL + BOOL, steps=True), "same"),
    Row("numpy.ceil", np.ceil, one(REAL + BOOL, steps=True), "same"),
    Row("numpy.trunc", np.trunc, one(REAL + BOOL, steps=True), "same"),
    Row("numpy.rint", wide(np.rint), one(ANY, steps=True)),
    # --- questions
    Row("numpy.isfinite", np.isfinite, one(ANY), "bool"),
    Row("numpy.isinf", np.isinf, one(ANY), "bool"),
    Row("numpy.isnan", np.isnan, one(ANY), "bool"),
    Row("numpy.isposinf", np.isposinf, one(REAL + BOOL), "bool"),
    Row("numpy.isneginf", np.isneginf, one(REAL + BOOL), "bool"),
    Row("numpy.iscomplex", np.iscomplex, one(ANY, whole=True), "bool"),
    Row("numpy.isreal", np.isreal, one(ANY, whole=True), "bool"),
    Row("numpy.iscomplexobj", np.iscomplexobj, one(ANY)),
    Row("numpy.isrealobj", np.isrealobj, one(ANY)),
    Row("numpy.logical_not", np.logical_not, one(ANY, whole=True), "bool"),
    # --- bits
    Row("numpy.invert numpy.bitwise_invert numpy.bitwise_not", np.invert, one(INTS + BOOL), "same"),
    Row("numpy.bitwise_count", np.bitwise_count, one(INTS, -128, 255), "uint8"),
]


# --- of two operands ----------------------------------------------------------------------------

POINTS = two(FLOATS + INTS, inside=(0.3, 4))

BINARY = [
    Row("numpy.divide numpy.true_divide", wide(np.divide), two(NUMBERS, second=(0.5, 4)), "inexact"),
    Row("numpy.arctan2 numpy.atan2", wide(np.arctan2), POINTS, "inexact"),
    Row("numpy.hypot", wide(np.hypot), POINTS, "inexact"),
    Row("numpy.heaviside", wide(np.heaviside), two(FLOATS + INTS, inside=(0.5, 4), coarse=True), "inexact"),
    Row("numpy.copysign", wide(np.copysign), two(REAL, inside=(0.5, 4)), "inexact"),
    Row("numpy.fmax", np.fmax, two(REAL, coarse=True)),
    Row("numpy.fmin", np.fmin, two(REAL, coarse=True)),
    Row("numpy.floor_divide", np.floor_divide, two(REAL, coarse=True, nonzero=True, special=False)),
    Row("numpy.remainder numpy.mod", np.remainder, two(REAL, coarse=True, nonzero=True, special=False)),
    Row("numpy.fmod", np.fmod, two(REAL, coarse=True, nonzero=True, special=False)),
    Row("numpy.divmod", np.divmod, two(REAL, coarse=True, nonzero=True, special=False)),
    Row("numpy.gcd", integers(np.gcd), whole_pair(-20, 20, kinds=tuple(t for t in MIXABLE if t != "bool"))),
    Row("numpy.lcm", integers(np.lcm), whole_pair(-20, 20, kinds=tuple(t for t in MIXABLE if t != "bool"))),
    # --- bits
    Row("numpy.left_shift numpy.bitwise_left_shift", np.left_shift, whole_pair(second=(0, 6), kinds=MIXABLE)),
    Row("numpy.right_shift numpy.bitwise_right_shift", np.right_shift, whole_pair(-120, 120, second=(0, 6), kinds=MIXABLE)),
    # --- comparisons
    Row("numpy.equal", np.equal, two(ANY, -2, 2, coarse=True, narrow=True), "bool"),
    Row("numpy.not_equal", np.not_equal, two(ANY, -2, 2, coarse=True, narrow=True), "bool"),
    Row("numpy.less", np.less, two(ANY, -2, 2, coarse=True, narrow=True), "bool"),
    Row("numpy.less_equal", np.less_equal, two(ANY, -2, 2, coarse=True, narrow=True), "bool"),
    Row("numpy.greater", np.greater, two(ANY, -2, 2, coarse=True, narrow=True), "bool"),
    Row("numpy.greater_equal", np.greater_equal, two(ANY, -2, 2, coarse=True, narrow=True), "bool"),
]

# --- with further arguments -----------------------------------------------------------------------

def rounding(d):
    """Halves, and decimals on either side of the point."""
    x = d.array(NUMBERS, None, -40, 40)
    if d.smooth:
        return call(np.floor(x.real) + 0.3, d.pick(0, 1, -1))
    decimals = d.pick(0, 1, 2, -1, 40) if x.dtype.kind in "fc" else d.integer(0, 2)
    if d.flag():
        x = np.asarray(np.floor(x.real) + 0.5).astype(x.dtype) if x.dtype.kind in "fc" else x
    return call(x, **d.some(decimals=decimals)) if d.flag() else call(x, decimals)


def clipping(d):
    shapes = d.broadcasting(3)
    same = d.dtype(REAL) if d.flag() else None
    x, low, high = (d.array(REAL, s, *b, dtype=same) for s, b in zip(shapes, ((-4, 4), (-3, 0), (0, 3))))
    numbers = -1 if x.dtype.kind == "i" else 1, 2.5 if x.dtype.kind == "f" else 2
    bounds = [d.pick(array, None if d.flag() else number) for array, number in zip((low, high), numbers)]
    return call(x, *bounds) if d.flag() else call(x, min=bounds[0], max=bounds[1])


def replacing(d):
    x = d.array(NP_FLOATS + ("bfloat16", "int32", "complex64"), special=True)
    kwargs = d.some(copy=(True, False), nan=(1.5, np.float32(2)), posinf=(7.0, 3), neginf=(-7.0, np.array(2.0, np.float16)))
    if x.dtype.name == "bfloat16":
        kwargs |= {"posinf": 9.0, "neginf": -9.0}           # the oracle's floats have other limits
    if "complex" in x.dtype.name and x.size and not d.smooth:
        x.reshape(-1)[0] = complex(*[d.pick(np.nan, 1.0) for _ in "ri"])
    return call(x, **kwargs)


def nearly_equal(kinds=("float32", "float64", "float16", "int32", "complex64", "bfloat16")):
    """Arrays that differ by far less or far more than the tolerance, or are nan or infinite together."""
    def calls(d):
        a, b = d.broadcasting(2)
        dtype = d.dtype(kinds)
        y = np.asarray(np.round(d.array(kinds, b, 1, 4, dtype=dtype).astype(np.complex128).real)).astype(dtype)
        step = d.rng.choice([0.0, 0.0, 1.0], y.shape) * d.pick(1, 0)
        x = np.asarray(np.broadcast_to(y.astype(np.complex128) + step, y.shape)).astype(np.complex128)
        x = x.astype(dtype) if dtype.kind == "c" else x.real.astype(dtype)
        if dtype.kind in "fV" and y.size and d.flag():
            for _ in range(2):
                x.reshape(-1)[d.integer(0, x.size - 1)] = y.reshape(-1)[d.integer(0, y.size - 1)] = d.pick(np.nan, np.inf, -np.inf)
        y = y[:1] if y.ndim and d.flag() else y
        return call(x, y, **d.some(equal_nan=(True, False)))
    return calls


def close(d):
    given = nearly_equal()(d)
    given.kwargs.update(d.some(rtol=(0.3, 1e-3, np.array(0.5)), atol=(2.0, 0.01, 0)))
    return given


def in_parts(d):
    """For ``ldexp``: a float and whole exponents, also far out of range."""
    a, b = d.broadcasting(2)
    reach = d.pick(4, 40, 300)
    x = d.array(FLOATS + ("int32", "int8"), a)
    return call(x, d.array(("int32", "int8", "uint8", "int64"), b, *((-4, 4) if d.smooth else (-reach, reach))))


def powers(d):
    """Bases and exponents: whole ones that are known, whole arrays, floats, complex numbers."""
    a, b = d.broadcasting(2)
    match d.integer(0, 5):
        case 0:
            return call(d.array(INEXACT, a, 0.5, 3, special=False), d.pick(2, 3, 0, 1, -1, -2, np.int32(2), 2.5, np.float32(0.5)))
        case 1:
            return call(d.array(FLOATS, a, 0.2, 3, special=False), d.array(FLOATS, b, -2, 2, special=False))
        case 2:
            return call(d.array(COMPLEX, a, 0.5, 3), d.array(INEXACT, b, -2, 2, special=False))
        case 3:
            return call(d.array(FLOATS, a, 0.5, 3, special=False), d.array(INTS, b, 0, 3))
        case 4 if not d.smooth:
            return call(d.array(("int32", "int8", "uint8", "int64", "bool"), a), d.array(("int32", "int8", "uint8", "bool"), b, 0, 4))
        case 5:
            return call(d.pick(2, 3, 2.5, 1j), d.array(INEXACT, b, -2, 2, special=False))
    return call(d.array(("int32", "int8", "uint8", "float32"), a), d.pick(2, 3, 0, 1, True))


def float_powers(d):
    given = powers(d)
    x, y = given.args
    return call(x, np.float64(y) if isinstance(y, int) else y)


def raised(x, y):
    """Integers to a power as float64 where NumPy has a narrow float for them; 0 ** 0 is 1."""
    return np.power(*[np.asarray(v, np.int64) if np.asarray(v).dtype.kind in "biu" else v for v in (x, y)])


def power_of(x, y):
    if np.asarray(x).dtype.kind in "fc" or np.asarray(y).dtype.kind in "fc":
        return np.power(x, np.asarray(y, np.float64) if np.asarray(y).dtype.kind in "biu" else y)
    return raised(x, y)


def floats_as_numpy(f):
    """For `by_bits`: NumPy or ml_dtypes on float arrays, float64 (float32 without x64) for whole ones."""
    def oracle(*args):
        return f(*[np.float32(x) if isinstance(x, (int, float)) or x.dtype.kind in "iu" else x for x in args])
    return oracle


def alike(kinds=("float32", "float16", "float64", "bfloat16"), **more):
    """Two arrays of one dtype."""
    def calls(d):
        dtype = d.dtype(kinds)
        a, b = d.broadcasting(2)
        return call(*[d.array(kinds, s, dtype=dtype, **more) for s in (a, b)])
    return calls


def neighbours(x, y):
    return np.nextafter(*np.broadcast_arrays(x, y))


def shapes_and_values(d):
    """Two arrays, or lists, that are equal, or of different shapes."""
    x = d.array(("float32", "int32", "bool", "complex64"))
    y = d.pick(x.copy(), x[..., None], x + x.dtype.type(1) if x.dtype.kind != "b" else ~x, np.broadcast_to(x, (2, *x.shape)).copy())
    if d.traced or d.flag():
        return call(x, y)
    return call(x.tolist(), y.tolist())


MORE = [
    Row("numpy.round numpy.around", lambda x, decimals=0: np.asarray(np.round(x, decimals)), rounding, "same"),
    Row("numpy.clip", lambda x, min=None, max=None: np.clip(x, min, max), clipping),
    Row("numpy.nan_to_num", np.nan_to_num, replacing, narrow=True),
    Row("numpy.angle", lambda z, deg=False: wide(np.angle)(z, deg=deg), lambda d: call(d.array(ANY), **d.some(deg=(True, False)))),
    Row("numpy.isclose", np.isclose, close, "bool"),
    Row("numpy.allclose", np.allclose, close, "bool"),
    Row("numpy.array_equal", np.array_equal, lambda d: nearly_equal()(d) if d.flag() else shapes_and_values(d), "bool"),
    Row("numpy.array_equiv", np.array_equiv, shapes_and_values, "bool"),
    Row("numpy.frexp", None, one(("float32", "float16", "float64", "bfloat16", "int32")), compare=by_bits(floats_as_numpy(np.frexp))),
    Row("numpy.modf", wide(np.modf), one(FLOATS + INTS, steps=True, special=False)),
    Row("numpy.ldexp", lambda x, e: np.ldexp(np.asarray(x, np.float64), np.asarray(e, np.int32)), in_parts),
    Row("numpy.nextafter", None, alike(), compare=by_bits(neighbours), grad=False, why="the derivative is not defined"),
    Row("numpy.spacing", None, one(("float32", "float64", "float16")), compare=by_bits(floats_as_numpy(np.spacing)), grad=False,
        why="the derivative is not defined"),
    Row("numpy.power numpy.pow", power_of, powers, tolerance=4),
    Row("numpy.float_power", wide(np.float_power), float_powers, "inexact", tolerance=4),
]

# --- operators of arrays ----------------------------------------------------------------------------

def of_array(pair):
    """The calls of a pair whose first operand is an array, as methods need it; the second may be a number."""
    def calls(d):
        given = pair(d)
        x, y = given.args
        return given if isinstance(x, np.ndarray) else call(y, x) if isinstance(y, np.ndarray) else call(np.asarray(x), y)
    return calls


def flipped(f):
    return lambda x, y: f(y, x)


def methods(name, f, calls, reflected=True, **more):
    """The rows of an operator and, its operands in the other order, of its reflection."""
    yield Row(f"Array.__{name}__", f, of_array(calls), examples=4, **more)
    if reflected:
        yield Row(f"Array.__r{name}__", flipped(f), of_array(calls), examples=4, **more)


EXACT = two(NUMBERS, coarse=True)
QUOTIENTS = two(REAL, low=0.5, high=9, coarse=True, nonzero=True, special=False)
BITS = whole_pair(kinds=("int32", "int8", "uint8", "bool"))
SHIFTS = whole_pair(0, 6, kinds=("int32", "int8", "uint8"))


def matrices(d):
    n, k, m = (d.integer(1, 3) for _ in "nkm")
    x, y = d.pick(((n, k), (k, m)), ((k,), (k,)), ((n, k), (k,)), ((2, n, k), (k, m)))
    same = d.dtype(("float32", "int32", "complex64", "float64"))
    return call(d.array((), x, dtype=same, special=False), d.array((), y, dtype=same, special=False))


def power_pair(d):
    given = powers(d)
    if isinstance(given.args[0], np.ndarray):
        return given
    return call(np.full(np.shape(given.args[1]), 1.5, np.float64 if d.smooth else np.float32), given.args[1])


def bases(d):
    """``y ** x`` for an array x: called with x first."""
    given = powers(d)
    x, y = given.args
    return call(y, x) if isinstance(y, np.ndarray) else call(d.array(("float32",), low=-2, high=2, special=False), d.pick(2, 2.5))


def rounds(d):
    x = np.floor(d.array(FLOATS)) + 0.31 if d.smooth else d.array(("float32", "float64", "int32"), None, -40, 40)
    return call(x, *d.pick((), (0,), (None,), (1,)))


def through(builtin):
    """A method that Python itself calls: through the builtin function."""
    return lambda root: lambda x, *args: builtin(root.numpy.asarray(x), *args)


def scalar(*kinds):
    return lambda d: call(d.array(kinds, (), 0, 9, special=False))


CONCRETE = {"jit": False, "vmap": False, "grad": False, "why": "answers a Python value, which needs a concrete array"}
PYTHON = {"grad": False, "vmap": False, "why": "answers no array"}

OPERATORS = [
    *methods("add", operator.add, EXACT),
    *methods("sub", operator.sub, EXACT),
    *methods("mul", operator.mul, EXACT),
    *methods("truediv", wide(operator.truediv), two(NUMBERS, second=(0.5, 4), low=0.5, special=False)),
    *methods("floordiv", operator.floordiv, QUOTIENTS),
    *methods("mod", operator.mod, QUOTIENTS),
    *methods("divmod", divmod, QUOTIENTS),
    Row("Array.__pow__", power_of, power_pair, tolerance=4),
    Row("Array.__rpow__", flipped(power_of), bases, tolerance=4),
    *methods("matmul", operator.matmul, matrices, reflected=False),
    Row("Array.__rmatmul__", flipped(operator.matmul), lambda d: call(*reversed(matrices(d).args)), examples=4),
    *methods("and", operator.and_, BITS),
    *methods("or", operator.or_, BITS),
    *methods("xor", operator.xor, BITS),
    *methods("lshift", operator.lshift, SHIFTS),
    *methods("rshift", operator.rshift, SHIFTS),
    *(row for name in ("eq", "ne", "lt", "le", "gt", "ge")
      for row in methods(name, getattr(operator, name), two(NUMBERS + BOOL, -2, 2, coarse=True), reflected=False, gives="bool")),
    Row("Array.__neg__", operator.neg, one(NUMBERS)),
    Row("Array.__pos__", operator.pos, one(NUMBERS)),
    Row("Array.__abs__", abs, one(ANY)),
    Row("Array.__invert__", operator.invert, one(INTS + BOOL)),
    Row("Array.__round__", lambda x, n=None: np.asarray(np.round(x, n or 0)).astype(x.dtype if n is not None else int), rounds),
    Row("Array.__contains__", operator.contains, lambda d: call(
        np.asarray(np.round(d.array(("float32", "int32"), d.pick((3,), (0,), (2, 2))))), d.pick(1, 2.0)), **CONCRETE,
        differs="arrays of any number of dimensions are looked through, as in NumPy"),
    Row("Array.__iter__", list, lambda d: call(d.array(ANY, d.shape(1, 3))), fn=through(list)),
    Row("Array.__len__", len, lambda d: call(d.array(ANY, d.shape(1, 3))), fn=through(len), **PYTHON),
    Row("Array.__bool__", bool, scalar("float32", "int8", "bool", "complex64"), fn=through(bool), **CONCRETE),
    Row("Array.__int__", int, scalar("float32", "int8", "bool"), fn=through(int), **CONCRETE),
    Row("Array.__float__", float, scalar("float32", "int8", "bool"), fn=through(float), **CONCRETE),
    Row("Array.__complex__", complex, scalar("float32", "int8", "bool", "complex64"), fn=through(complex), **CONCRETE),
    Row("Array.__index__", operator.index, scalar("int32", "int8", "uint8"), fn=through(operator.index), **CONCRETE),
]


# --- members of arrays --------------------------------------------------------------------------------

def converting(d):
    """Dtypes to convert between; floats out of an integer's range are left out, as the hardware decides."""
    x = d.array(ANY, low=0, high=9, special=False)
    to = d.pick("float32", "int32", "bfloat16", "int8", "bool", "complex64", "float16", "uint8", float, int)
    if x.dtype.kind == "c" and to not in ("complex64",):
        to = "complex64"
    if d.smooth:
        to = "complex128" if x.dtype.kind == "c" else "float64"
    return call(x, to, **d.some(copy=(True, False)))


def cast_to(x, dtype):
    return x.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def viewing(d):
    """The bits as another dtype, of the same width or of one that divides the last axis."""
    x = d.array(("float32", "int32", "uint8", "int16", "complex64", "bool"), d.pick((2, 4), (8,), (3, 8), (0, 4)))
    return call(x, *d.pick(("float32",), ("int32",), ("uint8",), ("int8",), ("uint16",), ()))


def viewed(x, dtype=None):
    return x.astype(np.complex64).view(dtype) if dtype and x.dtype.kind == "c" else x.view(dtype) if dtype else x


def same_member(name):
    """A comparison: the property is that of the NumPy array."""
    def compare(found, _, given):
        assert found == getattr(given.args[0], name)
    return compare


BACK = {"grad": False, "why": "answers bits or no array"}

MEMBERS = [
    Row("Array.real", np.real, lambda d: call(d.array(ANY))),
    Row("Array.imag", np.imag, lambda d: call(d.array(ANY))),
    Row("Array.conj Array.conjugate", np.conj, lambda d: call(d.array(ANY)), "same"),
    Row("Array.astype", lambda x, t, copy=False: cast_to(x, t), converting),
    Row("Array.round", lambda x, decimals=0: np.asarray(np.round(x, decimals)), rounding, "same"),
    Row("Array.clip", lambda x, min=None, max=None: np.clip(x, min, max), clipping),
    Row("Array.view", viewed, viewing, narrow=True, **BACK),
    Row("Array.byteswap", lambda x: x.byteswap(), lambda d: call(d.array(("int32", "uint16", "int8"))), **BACK),
    Row("Array.T", np.transpose, lambda d: call(d.array(ANY)), "same"),
    Row("Array.mT", lambda x: np.swapaxes(x, -1, -2), lambda d: call(d.array(ANY, d.shape(2, 4))), "same"),
    *(Row(f"Array.{name}", None, lambda d: call(d.array(ANY + NARROW)), compare=same_member(name), **BACK)
      for name in ("dtype", "shape", "ndim", "size", "itemsize", "nbytes")),
    Row("Array.weak_type", lambda x: not isinstance(x, np.ndarray) and not isinstance(x, bool),
        lambda d: call(d.pick(1, 2.0, True, np.ones(2, np.float32))), **BACK),
]


ROWS = [*UNARY, *BINARY, *MORE, *OPERATORS, *MEMBERS]

# --- refusals -----------------------------------------------------------------------------------

ONES, WHOLE, COMPLEXES = np.ones(2, np.float32), np.arange(2, dtype=np.int32), np.ones(2, np.complex64)


def refused(names, args, error, text, label):
    """The same refusal of several functions of `numpy`; ``{}`` in the text is the function's name."""
    def calling(name):
        return lambda root: getattr(root.numpy, name)(*args)
    return [Refusal(f"numpy.{name}", calling(name), error, text.format(name), label) for name in names.split()]


UNARY_NAMES = "sin logical_not isnan floor bitwise_count exp log2 sinc positive square iscomplex"
BINARY_NAMES = "equal divide arctan2 fmax floor_divide divmod hypot left_shift heaviside float_power power gcd isclose"

REFUSALS = [
    *refused(UNARY_NAMES, ([1.0, 2.0],), TypeError,
             r"{} requires ndarray or scalar arguments, got <class 'list'> at position 0", "list"),
    *refused("tan rint real angle i0 round clip nan_to_num frexp modf trunc isreal", ((1.0, 2.0),), TypeError,
             "got <class 'tuple'> at position 0", "tuple"),
    *refused("cos signbit isinf sqrt sign cbrt rad2deg log10 around imag", (None,), TypeError,
             "got <class 'NoneType'> at position 0", "None"),
    *refused("sinh reciprocal expm1 isfinite ceil invert", ("1",), TypeError, "got <class 'str'> at position 0", "text"),
    *refused("tanh arcsin exp2 negative", (np.array([1, None]),), TypeError, "object", "objects"),
    *refused("cosh arctan log1p absolute", (np.array(["a", "b"]),), TypeError, "str|<U1", "array of text"),
    *refused(BINARY_NAMES, (ONES, [1.0, 2.0]), TypeError, "got <class 'list'> at position 1", "list"),
    *refused("not_equal true_divide less mod fmin copysign nextafter ldexp lcm right_shift", ("a", ONES), TypeError,
             "got <class 'str'> at position 0", "text"),
    *refused("equal divide arctan2 fmax remainder copysign", (np.ones((2, 3)), np.ones(2)), ValueError,
             r"{}.*[Ii]ncompatible shapes.*\(2, 3\), \(2,\)", "shapes"),
    *refused("less true_divide fmin logical_not", (np.ones(3), np.ones(2)), TypeError,
             r"incompatible shapes.*\(3,\), \(2,\)|argument", "sizes"),
    # --- dtypes
    *refused("left_shift right_shift", (ONES, 1), TypeError, "float32", "floats"),
    *refused("invert bitwise_count", (ONES,), TypeError, "float32", "floats"),
    *refused("gcd lcm", (ONES, 2), ValueError, "must be integers, got float32", "floats"),
    *refused("floor ceil cbrt", (COMPLEXES,), TypeError, "complex64", "complex"),
    *refused("floor_divide nextafter fmod", (COMPLEXES, 1.0), TypeError, "complex64", "complex"),
    *refused("hypot", (COMPLEXES, 1.0), ValueError, "complex", "complex"),
    *refused("fabs frexp modf", (COMPLEXES,), TypeError, "complex", "complex"),
    *refused("isposinf isneginf signbit i0 spacing", (COMPLEXES,), ValueError, "complex", "complex"),
    *refused("clip", (COMPLEXES, 0.0, 1.0), ValueError, "complex", "complex"),
    *refused("ldexp", (ONES, 1.5), ValueError, "ldexp.*float32", "exponent"),
    *refused("power", (WHOLE, -1), TypeError, "negative powers", "negative power of integers"),
    *refused("sin", (np.zeros(2, [("float0", np.void, 0)]),), TypeError, "float0", "float0"),
    # --- other arguments
    Refusal("numpy.clip", lambda root: root.numpy.clip(), ValueError, "No input was provided", "no input"),
    Refusal("numpy.clip", lambda root: root.numpy.clip(ONES, [0.0, 1.0]), TypeError, "got <class 'list'> at position 1", "bound"),
    Refusal("numpy.round", lambda root: root.numpy.round(ONES, 1.5), TypeError, "1.5|float", "decimals"),
    Refusal("numpy.round", lambda root: root.numpy.round(WHOLE, -1), NotImplementedError, "decimals < 0", "tens of integers"),
    Refusal("numpy.round", lambda root: root.numpy.round(ONES, out=ONES), NotImplementedError, "'out'", "out"),
    Refusal("numpy.isposinf", lambda root: root.numpy.isposinf(ONES, out=ONES), NotImplementedError, "'out'", "out"),
    Refusal("numpy.modf", lambda root: root.numpy.modf(ONES, out=ONES), NotImplementedError, "'out'", "out"),
    Refusal("numpy.isclose", lambda root: root.numpy.isclose(ONES, 1.0, rtol=[1.0]), TypeError, "list", "rtol"),
    Refusal("numpy.sin", lambda root: root.numpy.sin(x=ONES), TypeError, "positional", "by name"),
    Refusal("numpy.sin", lambda root: root.numpy.sin(), TypeError, "missing", "no operand"),
    Refusal("numpy.divide", lambda root: root.numpy.divide(ONES, 1.0, 2.0), TypeError, "positional", "three operands"),
    # --- arrays
    Refusal("Array.__add__", lambda root: root.numpy.asarray(ONES) + [1.0, 2.0], TypeError, "unsupported operand.*list", "list"),
    Refusal("Array.__radd__", lambda root: "a" + root.numpy.asarray(ONES), TypeError, "concatenate", "text"),
    Refusal("Array.__mul__", lambda root: root.numpy.asarray(ONES) * None, TypeError, "unsupported operand.*None", "None"),
    Refusal("Array.__lt__", lambda root: root.numpy.asarray(ONES) < "a", TypeError, "'<'", "text"),
    Refusal("Array.__and__", lambda root: root.numpy.asarray(ONES) & 1, TypeError, "float32", "floats"),
    Refusal("Array.__matmul__", lambda root: root.numpy.asarray(ONES) @ 2.0, ValueError, "matmul.*operand 1.*ndim 0", "number"),
    Refusal("Array.__bool__", lambda root: bool(root.numpy.asarray(ONES)), ValueError, "ambiguous", "several elements"),
    Refusal("Array.__bool__", lambda root: root.jit(bool)(ONES[0]), TypeError, "bool", "traced"),
    Refusal("Array.__int__", lambda root: int(root.numpy.asarray(ONES)), TypeError, "[Oo]nly.*scalar", "several elements"),
    Refusal("Array.__index__", lambda root: [1][root.numpy.asarray(0.0)], TypeError, "[Oo]nly integer", "float"),
    Refusal("Array.__iter__", lambda root: list(root.numpy.asarray(1.0)), TypeError, "0-d", "no dimensions"),
    Refusal("Array.__len__", lambda root: len(root.numpy.asarray(1.0)), TypeError, "unsized", "no dimensions"),
    Refusal("Array.__hash__", lambda root: hash(root.numpy.asarray(1.0)), TypeError, "unhashable", ""),
    Refusal("Array.view", lambda root: root.numpy.asarray(1.0).view("int8"), ValueError, "0d", "no dimensions"),
    Refusal("Array.view", lambda root: root.numpy.ones(3, "int8").view("int16"), ValueError, "divisor", "sizes"),
    Refusal("Array.view", lambda root: root.numpy.ones(3).view("what"), TypeError, "what", "dtype"),
    Refusal("Array.astype", lambda root: root.numpy.ones(3).astype("what"), TypeError, "what", "dtype"),
    Refusal("Array.astype", lambda root: root.numpy.ones(3).astype(object), TypeError, "object", "objects"),
    Refusal("Array.mT", lambda root: root.numpy.ones(3).mT, ValueError, "ndim|dimension", "one dimension"),
]
