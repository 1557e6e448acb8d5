"""Elementwise operations against NumPy and SciPy."""

import math
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import pytest
import scipy.special

from ferax._src.ops import compare, convert, select, zeros
from ferax._src.ops import elementwise as el
from ferax._src.ops import elementwise_bits as bits
from ferax._src.ops import elementwise_complex as cx
from ferax._src.ops import elementwise_special as sp
from ferax._src.ops.accuracy import AccuracyMode, Tolerance
from ferax._src.runtime import dispatch  # noqa: F401  (lets operations run)
from ferax._src.tracing import core
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.transforms.batch import batch_flat
from ferax._src.transforms.jvp import jvp_flat
from ferax._src.transforms.linearize import linearize_flat
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray
from ferax._src.util import config

HALF = ("bfloat16", "float16")
FLOATS = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
TOLERANCE = {"bfloat16": 2e-2, "float16": 3e-3, "float32": 3e-5, "float64": 1e-12, "complex64": 3e-5, "complex128": 1e-11}


@dataclass
class Row:
    """An operation, its oracle, and from where to draw operands: one interval for all, or one for each."""

    fn: object
    oracle: object
    arity: int = 1
    low: float = -3.0
    high: float = 3.0
    kinds: tuple = HALF + FLOATS
    smooth: bool = True         # whether it has a derivative that finite differences can check
    active: tuple = ()          # operands with a derivative, all if empty
    name: str = ""
    ranges: dict = field(default_factory=dict)
    tolerance: float = 1.0      # factor on the tolerance

    def __post_init__(self):
        self.name = self.name or self.fn.__name__
        self.active = self.active or tuple(range(self.arity))

    def operands(self, dtype, shape=(2, 3), seed=0):
        rng = np.random.default_rng(seed)
        kind = dtypes.kind_of(np.dtype(dtype))
        out = []
        for i in range(self.arity):
            low, high = self.ranges.get(i, (self.low, self.high))
            x = rng.uniform(low, high, shape)
            if kind == "c":
                x = x + 1j * rng.uniform(low, high, shape)
            elif kind == "u":
                x = np.round(np.abs(x))
            elif kind == "i":
                x = np.round(x)
            elif kind == "b":
                x = rng.integers(0, 2, shape)
            out.append(x.astype(dtype))
        return out


INEXACT = HALF + FLOATS + COMPLEX
NUMBER = INTS + INEXACT
BITS = ("bool", *INTS)


def truncated_div(x, y):
    return np.trunc(x / y).astype(x.dtype) if x.dtype.kind in "iu" else x / y


ROWS = [
    Row(el.neg, np.negative, kinds=NUMBER),
    Row(el.add, np.add, 2, kinds=NUMBER),
    Row(el.sub, np.subtract, 2, kinds=NUMBER),
    Row(el.mul, np.multiply, 2, kinds=NUMBER),
    Row(el.div, truncated_div, 2, kinds=NUMBER, ranges={1: (1, 3)}),
    Row(el.rem, np.fmod, 2, kinds=INTS + HALF + FLOATS, ranges={0: (2, 9), 1: (1.1, 1.9)}),
    Row(el.max, np.maximum, 2, kinds=NUMBER + ("bool",)),
    Row(el.min, np.minimum, 2, kinds=NUMBER + ("bool",)),
    Row(el.abs, np.abs, kinds=INTS[:4] + INEXACT),
    Row(el.sign, np.sign, kinds=NUMBER, smooth=False),
    Row(el.floor, np.floor, smooth=False),
    Row(el.ceil, np.ceil, smooth=False),
    Row(el.round, lambda x: np.trunc(x + np.copysign(0.5, x).astype(x.dtype)), smooth=False),
    Row(lambda x: el.round(x, 1), np.round, smooth=False, name="round_even"),
    Row(el.is_finite, np.isfinite, smooth=False),
    Row(el.nextafter, np.nextafter, 2, kinds=FLOATS, smooth=False),
    Row(el.pow, np.power, 2, low=0.3, high=2.0, kinds=INEXACT),
    Row(lambda x: el.integer_pow(x, 3), lambda x: x ** 3, kinds=NUMBER, name="integer_pow_3"),
    Row(lambda x: el.integer_pow(x, 7), lambda x: x ** 7, kinds=NUMBER, low=-1.5, high=1.5, name="integer_pow_7", tolerance=5),
    Row(lambda x: el.integer_pow(x, -2), lambda x: 1 / x ** 2, low=1, high=2, kinds=INEXACT, name="integer_pow_m2"),
    Row(el.reciprocal, np.reciprocal, low=1, kinds=INEXACT),
    Row(el.square, np.square, kinds=NUMBER),
    Row(el.one_minus_square, lambda x: 1 - x * x, low=-1, high=1, kinds=INEXACT, tolerance=3),
    Row(el.sqrt, np.sqrt, low=0.1, kinds=INEXACT),
    Row(el.rsqrt, lambda x: 1 / np.sqrt(x), low=0.1, kinds=INEXACT),
    Row(el.cbrt, np.cbrt, low=0.2),
    Row(el.exp, np.exp, kinds=INEXACT),
    Row(el.exp2, np.exp2, kinds=INEXACT),
    Row(el.expm1, np.expm1, kinds=INEXACT),
    Row(el.log, np.log, low=0.1, kinds=INEXACT),
    Row(el.log1p, np.log1p, low=-0.5, kinds=INEXACT),
    Row(el.log2, np.log2, low=0.1, kinds=INEXACT),
    Row(el.logistic, lambda x: 1 / (1 + np.exp(-x)), kinds=INEXACT),
    Row(el.sin, np.sin, kinds=INEXACT),
    Row(el.cos, np.cos, kinds=INEXACT),
    Row(el.tan, np.tan, low=-1.2, high=1.2, kinds=INEXACT),
    Row(el.asin, np.arcsin, low=-0.8, high=0.8, kinds=INEXACT),
    Row(el.acos, np.arccos, low=-0.8, high=0.8, kinds=INEXACT),
    Row(el.atan, np.arctan, low=0.2, high=2.0, kinds=INEXACT),
    Row(el.atan2, np.arctan2, 2, low=0.3),
    Row(el.sinh, np.sinh, kinds=INEXACT),
    Row(el.cosh, np.cosh, kinds=INEXACT),
    Row(el.tanh, np.tanh, kinds=INEXACT, low=-1.2, high=1.2),
    Row(el.asinh, np.arcsinh, kinds=INEXACT, low=-0.9, high=0.9),
    Row(el.acosh, np.arccosh, low=1.2, high=3.0, kinds=INEXACT),
    Row(el.atanh, np.arctanh, low=-0.8, high=0.8, kinds=INEXACT),
    Row(cx.real, np.real, kinds=COMPLEX),
    Row(cx.imag, np.imag, kinds=COMPLEX),
    Row(cx.conj, np.conj, kinds=COMPLEX),
    Row(cx.conj, lambda x: x + 0j, kinds=FLOATS, name="conj_of_real"),
    Row(cx.complex, lambda x, y: x + 1j * y, 2, kinds=FLOATS),
    Row(sp.erf, scipy.special.erf),
    Row(sp.erfc, scipy.special.erfc),
    Row(sp.erf_inv, scipy.special.erfinv, low=-0.9, high=0.9),
    Row(sp.lgamma, scipy.special.gammaln, low=0.3, tolerance=10),
    Row(sp.digamma, scipy.special.digamma, low=0.3, tolerance=10),
    Row(sp.polygamma, lambda m, x: scipy.special.polygamma(np.round(np.asarray(m, float)), x), 2, low=0.5, active=(1,),
        ranges={0: (1, 1)}, tolerance=10),
    Row(sp.zeta, scipy.special.zeta, 2, low=1.5, active=(1,), tolerance=10),
    Row(sp.bessel_i0e, scipy.special.i0e, low=0.2, high=12.0),
    Row(sp.bessel_i1e, scipy.special.i1e, low=0.2, high=12.0),
    Row(bits.bitwise_not, np.invert, kinds=BITS),
    Row(bits.bitwise_and, np.bitwise_and, 2, kinds=BITS, low=-100, high=100),
    Row(bits.bitwise_or, np.bitwise_or, 2, kinds=BITS, low=-100, high=100),
    Row(bits.bitwise_xor, np.bitwise_xor, 2, kinds=BITS, low=-100, high=100),
    Row(bits.shift_left, np.left_shift, 2, kinds=INTS, low=-100, high=100, ranges={1: (0, 7)}),
    Row(bits.shift_right_arithmetic, np.right_shift, 2, kinds=INTS[:4], low=-100, high=100, ranges={1: (0, 7)}),
    Row(bits.shift_right_logical, np.right_shift, 2, kinds=INTS[4:], low=0, high=100, ranges={1: (0, 7)}),
    Row(bits.population_count, np.bitwise_count, kinds=INTS[4:], low=0, high=200),
    Row(select.clamp, lambda a, x, b: np.clip(x, a, b), 3, kinds=INTS + HALF + FLOATS, ranges={0: (-3, -1), 2: (1, 3)}),
    Row(compare.eq, np.equal, 2, kinds=BITS + INEXACT, smooth=False),
    Row(compare.ne, np.not_equal, 2, kinds=BITS + INEXACT, smooth=False),
    Row(compare.lt, np.less, 2, kinds=BITS + HALF + FLOATS, smooth=False),
    Row(compare.le, np.less_equal, 2, kinds=BITS + HALF + FLOATS, smooth=False),
    Row(compare.gt, np.greater, 2, kinds=BITS + HALF + FLOATS, smooth=False),
    Row(compare.ge, np.greater_equal, 2, kinds=BITS + HALF + FLOATS, smooth=False),
]

CASES = [pytest.param(row, dtype, id=f"{row.name}-{dtype}") for row in ROWS for dtype in row.kinds]
DIFFERENTIABLE = [pytest.param(row, dtype, id=f"{row.name}-{dtype}") for row in ROWS if row.smooth
                  for dtype in row.kinds if dtype in ("float64", "complex128")]


@pytest.fixture(autouse=True)
def x64():
    with config.enable_x64(True):
        yield


def wide(x):
    """The same numbers with enough precision for the oracle."""
    return x.astype(np.float64) if x.dtype.name in (*HALF, "float32") else x.astype(np.complex128) if x.dtype.kind == "c" else x


def close(found, wanted, dtype, factor=1.0):
    found, wanted = np.asarray(found), np.asarray(wanted)
    tol = factor * TOLERANCE.get(str(dtype), 0)
    if found.dtype.name in HALF:
        found = found.astype(np.float64)
    np.testing.assert_allclose(found, wanted, rtol=tol, atol=tol)


def flat(fn):
    return lambda *xs: [fn(*xs)]


@pytest.mark.parametrize("row, dtype", CASES)
def test_values(row, dtype):
    xs = row.operands(dtype)
    found = row.fn(*xs)
    with np.errstate(all="ignore"):
        wanted = row.oracle(*map(wide, xs))
    assert found.shape == wanted.shape
    close(found, wanted, dtype, row.tolerance)
    same = np.asarray(wanted).dtype.kind == np.dtype(dtype).kind or dtype in HALF and np.asarray(wanted).dtype.kind == "f"
    if same:
        assert found.dtype == np.dtype(dtype)


def pair(ct, t):
    """The pairing of cotangents and tangents: Re(ct t), summed."""
    return np.sum(np.real(np.asarray(ct) * np.asarray(t)))


@pytest.mark.parametrize("dims, shapes", [((0, None), ((4,), (2, 3))), ((None, 0), ((), (4,))), ((0, 1), ((4,), (3, 4))),
                                          ((0, 0), ((4,), (4, 2, 3))), ((0, None), ((4, 2), ()))])
def test_batching_scalars_with_arrays(dims, shapes):
    from ferax._src.tracing.core import MappedAxis

    rng = np.random.default_rng(0)
    xs = [rng.normal(size=s) for s in shapes]
    (found,), (to,) = batch_flat(flat(el.sub), xs, dims, MappedAxis(4))
    each = [np.subtract(*[x if d is None else np.take(x, k, d) for x, d in zip(xs, dims)]) for k in range(4)]
    np.testing.assert_array_equal(np.asarray(found), np.stack(each, to))


# --- scalars, sizes of one, weak types ------------------------------------------------------------

@pytest.mark.parametrize("fn", [el.add, el.sub, el.mul, el.div, el.max, el.pow])
@pytest.mark.parametrize("shapes", [((2, 3), ()), ((), (2, 3)), ((2, 1), (1, 3)), ((2, 3), (1, 3)), ((1, 1), (2, 3))])
def test_scalars_and_sizes_of_one_are_repeated_and_their_cotangents_summed(fn, shapes):
    rng = np.random.default_rng(0)
    xs = [rng.uniform(1, 2, s) for s in shapes]
    ts = [rng.normal(size=s) for s in shapes]
    outs, out_ids, tape = linearize_flat(flat(fn), xs, (True, True))
    _, (t_out,) = jvp_flat(flat(fn), xs, ts)
    assert outs[0].shape == t_out.shape == np.broadcast_shapes(*shapes)
    ct = rng.normal(size=outs[0].shape)
    cts = tape.pull(out_ids, [ct], 2)
    assert [c.shape for c in cts] == list(shapes)
    np.testing.assert_allclose(sum(pair(c, t) for c, t in zip(cts, ts)), pair(ct, t_out), rtol=1e-12)


def jaxpr_of(fn, *avals):
    return trace_to_jaxpr(lambda *xs: [fn(*xs)], avals)


def aval(shape, dtype, weak=False):
    return ShapedArray(shape, np.dtype(dtype), weak)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64", "int32", "uint8", "complex64"])
def test_a_python_number_takes_the_dtype_of_the_array_and_costs_no_equation(dtype):
    closed = jaxpr_of(lambda x: el.add(2, el.add(x, 1)), aval((3,), dtype))
    assert len(closed.eqns) == 2
    assert closed.out_avals == [aval((3,), dtype)]
    closed = jaxpr_of(lambda x: el.mul(x, 3), aval((3,), dtype, True))
    assert closed.out_avals == [aval((3,), dtype, True)]


def test_weak_types_join():
    weak, strong = aval((3,), "float32", True), aval((3,), "float32")
    assert jaxpr_of(el.add, weak, weak).out_avals == [weak]
    assert jaxpr_of(el.add, weak, strong).out_avals == [strong]
    assert jaxpr_of(el.sin, weak).out_avals == [weak]
    assert el.add(2, 3.5).weak_type and el.add(2, 3.5).dtype == np.float64


def test_python_integers_wrap_around_or_overflow():
    x = np.ones(2, np.uint8)
    assert np.asarray(el.add(x, -1)).tolist() == [0, 0]
    with pytest.raises(OverflowError):
        el.add(np.ones(2, np.int32), 2 ** 70)


# --- errors ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("call, error, text", [
    (lambda: el.add(np.ones(3), np.ones(4)), TypeError, "equal shapes.*(3,), (4,)"),
    (lambda: el.add(np.ones(3), np.ones((2, 3))), TypeError, "equal shapes"),
    (lambda: el.add(np.ones(3), np.ones(3, np.float32)), TypeError, "same dtypes, got float64, float32"),
    (lambda: el.add(np.ones(3, np.int32), 1.5), TypeError, "same dtypes"),
    (lambda: el.add(np.ones(3), True), TypeError, "add does not accept dtype bool at position 1"),
    (lambda: el.sin(np.arange(3)), TypeError, "sin does not accept dtype int64. Accepted dtypes are subtypes of floating"),
    (lambda: el.add([1.0], 2.0), TypeError, "neither an array nor a number"),
    (lambda: el.add(np.zeros(3, dtypes.float0), np.ones(3)), TypeError, "float0"),
    (lambda: el.pow(np.arange(3), 2), TypeError, "pow does not accept dtype int64"),
    (lambda: el.integer_pow(np.arange(3), -1), TypeError, "negative powers"),
    (lambda: cx.complex(np.ones(3, np.float16), np.ones(3, np.float16)), TypeError, "float32, float64"),
    (lambda: cx.real(np.ones(3)), TypeError, "real does not accept dtype float64"),
    (lambda: bits.bitwise_and(1.5, 2.5), TypeError, "integer, bool"),
    (lambda: select.select_n(np.ones(3), np.ones(3), np.ones(3)), TypeError, "boolean or integer dtype"),
    (lambda: select.select_n(np.ones(3, bool), *[np.ones(3)] * 3), TypeError, "between two cases, got 3"),
    (lambda: compare.lt(np.ones(3, complex), np.ones(3, complex)), TypeError, "lt does not accept dtype complex128"),
    (lambda: el.sin(np.ones(3), accuracy=3), TypeError, "AccuracyMode"),
])
def test_errors_say_what_is_wrong(call, error, text):
    with pytest.raises(error, match=text.replace("(", r"\(").replace(")", r"\)")):
        call()


def test_arrays_of_other_libraries_are_named():
    class Foreign:
        def __dlpack__(self):
            raise AssertionError

    with pytest.raises(TypeError, match="position 1 is an array of another library .*Foreign"):
        el.add(np.ones(3), Foreign())


# --- single facts -----------------------------------------------------------------------------------

def derivative(fn, *xs, i=0):
    tangents = [np.ones_like(x) if j == i else None for j, x in enumerate(xs)]
    return np.asarray(jvp_flat(flat(fn), xs, tangents)[1][0])


def test_extrema_share_their_derivative_at_ties():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    for i in (0, 1):
        assert derivative(el.max, x, y, i=i).tolist() == [[0, 0.5, 1], [1, 0.5, 0]][i]
        assert derivative(el.min, x, y, i=i).tolist() == [[1, 0.5, 0], [0, 0.5, 1]][i]


def test_pow_at_its_corners():
    x = np.array([0.0, 0.0, 0.0, -2.0])
    y = np.array([0.0, 1.0, 2.0, 3.0])
    assert derivative(el.pow, x, y).tolist() == [0, 1, 0, 12]
    assert derivative(el.pow, x, y, i=1)[:3].tolist() == [0, 0, 0]
    n = np.array([0, 1, 2, 3])
    assert np.asarray(el.pow(x, n)).tolist() == [1, 0, 0, -8]
    assert derivative(el.pow, x, n).tolist() == [0, 1, 0, 12]
    assert np.asarray(el.pow(x, 2)).tolist() == [0, 0, 0, 4]


def test_abs_at_zero():
    assert derivative(el.abs, np.array([0.0, -1.0, 2.0])).tolist() == [1, -1, 1]
    assert np.isfinite(derivative(el.abs, np.array([0j, 1j]))).all()


def test_extrema_of_complex_numbers_go_by_real_part_then_imaginary_part():
    x, y = np.array([1 + 1j, 1 + 2j, 2 + 0j]), np.array([1 + 2j, 1 + 1j, 1 + 9j])
    assert np.asarray(el.max(x, y)).tolist() == [1 + 2j, 1 + 2j, 2]
    assert np.asarray(el.min(x, y)).tolist() == [1 + 1j, 1 + 1j, 1 + 9j]


def test_integer_division_truncates():
    x, y = np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2])
    assert np.asarray(el.div(x, y)).tolist() == [3, -3, -3, 3]
    assert np.asarray(el.rem(x, y)).tolist() == [1, -1, 1, -1]


def test_complex_sine_far_from_the_real_axis():
    found = np.asarray(el.sin(np.array([1000j, 0.5 + 1j], np.complex64)))
    assert found[0].real == 0 and found[0].imag == np.inf
    assert np.asarray(el.cos(np.array([1000j], np.complex64)))[0] == complex(np.inf, 0)


def test_nan_is_unordered_and_the_total_order_orders_it():
    x = np.array([np.nan, -0.0, 0.0, np.nan])
    y = np.array([np.nan, 0.0, -0.0, 1.0])
    assert np.asarray(compare.eq(x, y)).tolist() == [False, True, True, False]
    assert np.asarray(compare.eq_to(x, y)).tolist() == [True, False, False, False]
    assert np.asarray(compare.lt_to(x, y)).tolist() == [False, True, False, False]
    assert np.asarray(compare.le_to(x, y)).tolist() == [True, True, False, False]


def test_select_n():
    a, b, c = (np.full(3, v) for v in (1.0, 2.0, 3.0))
    assert np.asarray(select.select_n(np.array([0, 1, 2]), a, b, c)).tolist() == [1, 2, 3]
    assert np.asarray(select.select_n(np.array([True, False, True]), a, b)).tolist() == [2, 1, 2]
    assert np.asarray(select.select(True, a, b)).tolist() == [1, 1, 1]
    assert np.asarray(select.select_n(np.array([True, False, True]), 0, b)).tolist() == [2, 0, 2]
    which = np.array([0, 2, 1])
    _, ids, tape = linearize_flat(lambda *xs: [select.select_n(which, *xs)], [a, b, c], (True,) * 3)
    cts = tape.pull(ids, [np.array([5.0, 6.0, 7.0])], 3)
    assert [np.asarray(ct).tolist() for ct in cts] == [[5, 0, 0], [0, 0, 7], [0, 6, 0]]


@pytest.mark.parametrize("dims", [(0, None, None), (None, 0, 1), (0, 0, 0), (None, 0, None)])
def test_select_n_is_batched(dims):
    from ferax._src.tracing.core import MappedAxis

    rng = np.random.default_rng(0)
    single = [rng.integers(0, 2, (3,)).astype(bool), rng.normal(size=3), rng.normal(size=3)]
    xs = [x if d is None else np.stack([x * k for k in range(4)], d).astype(x.dtype) for x, d in zip(single, dims)]
    (found,), (to,) = batch_flat(flat(select.select_n), xs, dims, MappedAxis(4))
    each = [np.asarray(select.select_n(*[x if d is None else np.take(x, k, d) for x, d in zip(xs, dims)])) for k in range(4)]
    np.testing.assert_array_equal(np.asarray(found), np.stack(each, to))


def test_clamp_derivatives():
    x = np.array([-2.0, 0.0, 2.0])
    assert derivative(lambda x: select.clamp(-1.0, x, 1.0), x).tolist() == [0, 1, 0]
    low, high = np.array(-1.0), np.array(1.0)
    assert derivative(select.clamp, low, x, high).tolist() == [1, 0, 0]
    assert derivative(select.clamp, low, x, high, i=2).tolist() == [0, 0, 1]


@pytest.mark.parametrize("dtype", INTS)
def test_mulhi(dtype):
    rng = np.random.default_rng(0)
    info = np.iinfo(dtype)
    x, y = (rng.integers(info.min, info.max, 20, dtype, endpoint=True) for _ in range(2))
    wanted = [(int(a) * int(b)) >> info.bits for a, b in zip(x, y)]
    assert np.asarray(bits.mulhi(x, y)).tolist() == wanted


def test_mul_with_out_dtype():
    x = np.array([1.5, 2.5], ml_dtypes.bfloat16)
    found = el.mul(x, x, out_dtype=np.float32)
    assert found.dtype == np.float32 and np.asarray(found).tolist() == [2.25, 6.25]
    _, ids, tape = linearize_flat(lambda x, y: [el.mul(x, y, out_dtype=np.float32)], [x, x], (True, True))
    cts = tape.pull(ids, [np.ones(2, np.float32)], 2)
    assert [ct.dtype for ct in cts] == [x.dtype, x.dtype]


def test_accuracy_reaches_the_program():
    x = np.array([0.1, 1.0], np.float32)
    for accuracy in (AccuracyMode.HIGHEST, AccuracyMode.DEFAULT, Tolerance(1e-5, 1e-5, 2)):
        for fn in (el.exp, el.tanh, el.sin, el.logistic, el.exp2, el.log2):
            close(fn(x, accuracy=accuracy), fn(x), "float32")
    derivative(lambda x: el.tanh(x, accuracy=AccuracyMode.HIGHEST), x)


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz"])
def test_narrow_floats(name):
    x = np.array([0.5, 1.0, 2.0], getattr(ml_dtypes, name))
    assert np.asarray(el.add(x, x)).astype(float).tolist() == [1, 2, 4]
    for fn in (el.exp, el.sin, el.asin, sp.erf, sp.lgamma, el.sqrt, el.tanh, sp.bessel_i0e):
        assert fn(x).dtype == x.dtype


# --- conversions ------------------------------------------------------------------------------------

@pytest.mark.parametrize("source", ["bool", "int8", "uint16", "int64", "bfloat16", "float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("target", ["bool", "int8", "uint16", "int64", "bfloat16", "float16", "float32", "float64", "complex64"])
@pytest.mark.filterwarnings("ignore:Casting complex")
def test_convert_element_type(source, target):
    x = np.array([0, 1, 3]).astype(dtypes.as_dtype(source))
    found = convert.convert_element_type(x, target)
    assert found.dtype == dtypes.as_dtype(target)
    wanted = x.real if source == "complex64" and target != "complex64" else x
    np.testing.assert_array_equal(np.asarray(found), wanted.astype(dtypes.as_dtype(target)))
    array = convert.as_array(x)
    np.testing.assert_array_equal(np.asarray(convert.convert_element_type(array, target)), np.asarray(found))
    traced = jaxpr_of(lambda x: convert.convert_element_type(x, target), aval((3,), dtypes.as_dtype(source)))
    assert len(traced.eqns) == (source != target)


def test_convert_derivative_and_transpose():
    x = np.array([1.0, 2.0])
    fn = flat(lambda x: convert.convert_element_type(x, "float32"))
    outs, ids, tape = linearize_flat(fn, [x], (True,))
    (ct,) = tape.pull(ids, [np.ones(2, np.float32)], 1)
    assert ct.dtype == np.float64
    _, (t,) = jvp_flat(flat(lambda x: convert.convert_element_type(x, "int32")), [x], [x])
    assert isinstance(t, core.Zero) and t.dtype == dtypes.float0


def test_converting_complex_to_real_warns():
    with pytest.warns(np.exceptions.ComplexWarning):
        convert.convert_element_type(convert.as_array(np.ones(2, complex)), "float64")


def test_bitcast():
    x = np.array([1.0, -2.0], np.float32)
    assert np.asarray(convert.bitcast_convert_type(x, "uint32")).tolist() == x.view(np.uint32).tolist()
    narrow = convert.bitcast_convert_type(x, "uint8")
    assert narrow.shape == (2, 4) and np.asarray(narrow).tolist() == x.view(np.uint8).reshape(2, 4).tolist()
    assert np.asarray(convert.bitcast_convert_type(narrow, "float32")).tolist() == x.tolist()
    with pytest.raises(TypeError, match="bool or complex"):
        convert.bitcast_convert_type(x, "complex64")
    with pytest.raises(ValueError, match="last dimension"):
        convert.bitcast_convert_type(np.ones(3, np.float32), "int64")


def test_reduce_precision():
    x = np.array([1.0 + 2.0 ** -10, 3.14159], np.float32)
    found = np.asarray(convert.reduce_precision(x, 8, 7))
    np.testing.assert_array_equal(found, x.astype(ml_dtypes.bfloat16).astype(np.float32))


def test_as_array():
    assert convert.as_array(2.0).weak_type and convert.as_array(2.0).dtype == np.float64
    x = convert.as_array(np.arange(3))
    assert convert.as_array(x) is x and not x.weak_type
    with pytest.raises(TypeError):
        convert.as_array([1, 2])


# --- zeros ------------------------------------------------------------------------------------------

def test_zeros():
    weak = aval((2,), "float32", True)
    for a in (aval((2, 3), "float32"), aval((), "int8"), aval((2,), "bool"), aval((2,), "complex64"), weak):
        found = zeros.instantiate_zeros(core.Zero(a))
        assert found.aval == a and not np.asarray(found).any()
    x = zeros.full((2,), 1.0)
    assert zeros.instantiate_zeros(x) is x
    assert zeros.instantiate_zeros(core.Zero(aval((2,), dtypes.float0))).dtype == dtypes.float0


def test_accumulate():
    x, zero = zeros.full((2,), 1.0), core.Zero(aval((2,), "float64"))
    assert zeros.accumulate(zero, x) is x and zeros.accumulate(x, zero) is x
    assert np.asarray(zeros.accumulate(x, x)).tolist() == [2, 2]
    nothing = np.zeros(2, dtypes.float0)
    assert zeros.accumulate(nothing, nothing) is nothing


def test_full():
    assert zeros.full((2,), 3).weak_type and zeros.full((2,), 3).dtype == np.int64
    assert zeros.full((2,), 3, "float32").dtype == np.float32
    assert np.asarray(zeros.full((2,), 2.7, "int32")).tolist() == [2, 2]
    assert np.asarray(zeros.full((), 255, "uint8")) == 255
    x = zeros.full((2,), 1.0)
    assert zeros.full_like(x, 2).weak_type and zeros.full_like(x, 2).dtype == np.float64
    assert zeros.full_like(np.ones(3, np.float32), 2).dtype == np.float32
    assert zeros.full_like(x, 2, "int8", (4,)).shape == (4,)
    with pytest.raises(TypeError, match="fill_value"):
        zeros.full((2,), np.ones(2))


def test_special_functions_have_no_derivative_in_the_order():
    with pytest.raises(ValueError, match="first argument"):
        derivative(sp.zeta, np.array([2.0]), np.array([1.5]))


def test_second_derivatives():
    x = np.array([0.3, 0.7])

    def first(fn):
        return lambda x: jvp_flat(flat(fn), [x], [np.ones_like(x)])[1][0]

    np.testing.assert_allclose(derivative(first(el.sin), x), -np.sin(x), rtol=1e-12)
    np.testing.assert_allclose(derivative(first(sp.lgamma), x), scipy.special.polygamma(1, x), rtol=1e-10)
    np.testing.assert_allclose(derivative(first(lambda x: el.integer_pow(x, 4)), x), 12 * x ** 2, rtol=1e-12)
    np.testing.assert_allclose(derivative(first(el.tanh), x), -2 * np.tanh(x) / np.cosh(x) ** 2, rtol=1e-10)
    assert math.isclose(float(derivative(first(el.exp), x)[0]), math.exp(0.3), rel_tol=1e-12)


@pytest.mark.parametrize("row", [pytest.param(r, id=r.name) for r in ROWS if r.smooth])
@pytest.mark.parametrize("wide_defaults", [False, True])
def test_tangents_have_the_type_of_the_result(row, wide_defaults):
    for dtype in row.kinds:
        weak_kinds = (False, True) if dtype in ("float32", "complex64") and not wide_defaults else (False,)
        for weak in weak_kinds:
            a = aval((2, 3), dtypes.as_dtype(dtype), weak)
            if not a.is_differentiable or not wide_defaults and dtype in ("float64", "complex128"):
                continue
            active = [i in row.active for i in range(row.arity)]
            with config.enable_x64(wide_defaults):
                closed = trace_to_jaxpr(
                    lambda *xs: sum(jvp_flat(flat(row.fn), xs, [x if on else None for x, on in zip(xs, active)]), []),
                    [a] * row.arity)
            out, tangent = closed.out_avals
            assert tangent == out.to_tangent_aval(), (dtype, weak)


def test_rules_traced_without_x64_do_not_leak_into_x64():
    x = np.ones(3, np.float32)

    def twice(x):
        return jvp_flat(flat(lambda x: el.rsqrt(el.sqrt(x))), [x], [x])[1]

    for wide in (False, True, False):
        with config.enable_x64(wide):
            _, (t,) = jvp_flat(twice, [x], [x])
            assert t.dtype == np.float32
