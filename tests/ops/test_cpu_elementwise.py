"""The CPU's quick forms of elementwise operations: exact to the last places, and like XLA's at special values."""

import ml_dtypes
import numpy as np
import pytest

from ferax._src.api.autodiff import grad
from ferax._src.api.jit import jit
from ferax._src.api.vmap import vmap
from ferax._src.control.scan_api import scan
from ferax._src.numpy import array_methods  # noqa: F401  (operators of arrays)
from ferax._src.ops import cpu_elementwise as cpu
from ferax._src.ops import elementwise as el
from ferax._src.ops.accuracy import AccuracyMode
from ferax._src.ops.reduce import reduce_sum
from ferax._src.util import config

RNG = np.random.default_rng(0)
TINY, HUGE = np.finfo(np.float32).tiny, np.finfo(np.float32).max


def both(f, *xs):
    """The results of the quick form and of the plain one."""
    def compiled(mode):
        with config.cpu_lowerings(mode):
            lowered = jit(lambda *xs: f(*xs)).lower(*xs)
            assert ("call @" in lowered.as_text()) == (mode == "fast")
            return np.asarray(lowered.compile()(*xs))
    return compiled("fast"), compiled("plain")


def ulps(found, exact) -> float:
    """The largest error in units of the last place of the exact result; both must be finite at the same places, with the same signs."""
    wanted = exact.astype(found.dtype)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_array_equal(np.signbit(found)[~np.isnan(found)], np.signbit(wanted)[~np.isnan(wanted)])
    np.testing.assert_array_equal(found[~np.isfinite(wanted)], wanted[~np.isfinite(wanted)])
    at = np.isfinite(wanted)
    error = np.abs(found[at].astype(exact.dtype) - exact[at])
    return float((error / np.spacing(np.abs(wanted[at])).astype(exact.dtype)).max())


def spread(low, high, n=20_000):
    """Numbers of either sign whose logarithms are spread evenly."""
    return np.exp(RNG.uniform(np.log(low), np.log(high), n)) * RNG.choice([-1, 1], n)


SPECIAL = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 2, -2, 0.5, -0.5, TINY, -TINY, HUGE, -HUGE, 2.0**20, 2.0**-60])
DENORMAL = np.array([1e-39, -1e-39, 1e-45, -1e-45, 6e-42])
ANGLES = np.concatenate([
    np.linspace(-100, 100, 30_000), spread(1e-30, 1e4), spread(2.0**20, HUGE), np.arange(-20_000, 20_000) * (np.pi / 2),
    [16367173 * 2.0**72, -11044801, 2.0**127, HUGE], 2.0**np.arange(-126, 128), np.arange(40) * (np.pi / 8), SPECIAL])
NUMBERS = np.concatenate([spread(TINY, HUGE), np.linspace(-3, 3, 20_000), SPECIAL])
FRACTIONS = np.concatenate([np.linspace(-1, 1, 40_000), spread(TINY, 1), 1 - 2.0**-np.arange(1, 30), SPECIAL])
POSITIVE = np.concatenate([np.exp(RNG.uniform(-20, 20, 20_000)), [0.0, -0.0, np.inf, np.nan, 1, 4, 100]])
DOUBLES = np.concatenate([spread(1e-290, 1e290), NUMBERS])

# operation, oracle, arguments, greatest error: of single precision against double, of double against extended
ROWS = [
    ("sin", np.sin, ANGLES, 0.51), ("cos", np.cos, ANGLES, 0.51), ("tan", np.tan, ANGLES, 0.51),
    ("asin", np.arcsin, FRACTIONS, 0.51), ("acos", np.arccos, FRACTIONS, 0.51), ("atan", np.arctan, NUMBERS, 0.51),
    ("cbrt", np.cbrt, np.concatenate([NUMBERS, DENORMAL]), 0.51)]
ROWS_64 = [("asin", np.arcsin, FRACTIONS, 1.6), ("acos", np.arccos, FRACTIONS, 1.4), ("atan", np.arctan, DOUBLES, 2.2),
           ("cbrt", np.cbrt, DOUBLES, 1.0)]


@pytest.mark.parametrize("name, oracle, x, bound", ROWS, ids=[row[0] for row in ROWS])
def test_single(name, oracle, x, bound):
    x = x.astype(np.float32)
    with np.errstate(all="ignore"):
        assert ulps(both(getattr(el, name), x)[0], oracle(x.astype(np.float64))) < bound


@pytest.mark.parametrize("name, oracle, x, bound", ROWS_64, ids=[row[0] for row in ROWS_64])
def test_double(name, oracle, x, bound):
    with config.enable_x64(True), np.errstate(all="ignore"):
        assert ulps(both(getattr(el, name), x)[0], oracle(x.astype(np.longdouble))) < bound


def test_atan2():
    a, b = [g.ravel() for g in np.meshgrid(np.concatenate([SPECIAL, DENORMAL]), np.concatenate([SPECIAL, DENORMAL]))]
    y = np.concatenate([spread(1e-15, 1e15), RNG.normal(size=20_000), a]).astype(np.float32)
    x = np.concatenate([spread(1e-15, 1e15), RNG.normal(size=20_000), b]).astype(np.float32)
    assert ulps(both(el.atan2, y, x)[0], np.arctan2(y.astype(np.float64), x.astype(np.float64))) < 0.52


@pytest.mark.parametrize("exponent", sorted(cpu.HALF_POWERS))
def test_half_powers(exponent):
    with config.enable_x64(True), np.errstate(all="ignore"):
        for dtype, wider, bound in ((np.float32, np.float64, 0.51), (np.float64, np.longdouble, 3.0)):
            x = np.concatenate([POSITIVE, DENORMAL, [-1, -np.inf, -TINY]]).astype(dtype)
            found, plain = both(lambda x: el.pow(x, x.dtype.type(exponent)), x)
            assert ulps(found, x.astype(wider) ** wider(exponent)) < bound
            normal = np.abs(x) >= TINY
            np.testing.assert_allclose(found[normal], plain[normal], rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("large", [False, True])
def test_remainder_is_exact(large, monkeypatch):
    n = 3_001 + large                           # another shape, for what is written is kept by shape
    monkeypatch.setattr(cpu, "LARGE", 1 if large else 10**9)
    a, b = [g.ravel() for g in np.meshgrid(SPECIAL, SPECIAL)]
    with np.errstate(all="ignore"):
        for low, high in ((0.1, 100), (TINY, HUGE)):
            x = np.concatenate([spread(low, high, n), np.arange(n), a]).astype(np.float32)
            y = np.concatenate([spread(low, high, n), np.arange(n)[::-1], b]).astype(np.float32)
            x, y = np.append(x, DENORMAL).astype(np.float32), np.append(y, np.ones(len(DENORMAL), np.float32))
            wanted = np.fmod(x, y)
            for found in both(el.rem, x, y):
                np.testing.assert_array_equal(found, wanted)
                np.testing.assert_array_equal(np.signbit(found)[~np.isnan(wanted)], np.signbit(wanted)[~np.isnan(wanted)])
        few = np.abs(spread(0.5, 2, n)).astype(np.float32)      # of which no quotient is long
        np.testing.assert_array_equal(both(el.rem, few, few[::-1])[0], np.fmod(few, few[::-1]))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_narrow(dtype):
    dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))
    with np.errstate(all="ignore"):
        x = np.concatenate([RNG.normal(size=300) * 10, RNG.uniform(-1, 1, 300), SPECIAL]).astype(dtype)
    for name in ("sin", "cos", "tan", "asin", "acos", "atan", "cbrt"):
        found, plain = both(getattr(el, name), x)
        found, plain = found.astype(np.float32), plain.astype(np.float32)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(plain))
        np.testing.assert_allclose(found, plain, rtol=float(ml_dtypes.finfo(dtype).eps), atol=TINY)
    for found, plain in (both(el.rem, x, x[::-1]), both(el.atan2, x, x[::-1])):
        found, plain = found.astype(np.float32), plain.astype(np.float32)
        np.testing.assert_allclose(found, plain, rtol=float(ml_dtypes.finfo(dtype).eps), atol=TINY)


# --- where they are taken -----------------------------------------------------------------------

X = np.linspace(-3, 3, 2 * cpu.SMALL, dtype=np.float32)


def text(f, *xs) -> str:
    return jit(lambda *xs: f(*xs)).lower(*xs).as_text()


def test_plain_where_it_is_as_good():
    assert "call @" not in text(el.sin, X[:cpu.SMALL - 1])
    assert "call @" not in text(lambda x: el.sin(x, accuracy=AccuracyMode.HIGHEST), X)
    assert "call @" not in text(lambda x: el.pow(x, np.float32(0.5)), X)
    assert "call @" not in text(el.pow, X, X)
    with config.enable_x64(True):
        assert "call @" not in text(el.sin, X.astype(np.float64))
        assert "call @" not in text(el.atan2, X.astype(np.float64), X.astype(np.float64))


def test_each_form_is_written_once_in_a_module():
    def f(x):
        for _ in range(cpu.MOST - 2):
            x = el.sin(x)
        return [el.cos(x), el.sin(x.reshape(2, -1)), el.sin(x)]

    module = text(f, X)
    assert module.count("call @sin(") == cpu.MOST - 2 and module.count("func private @sin(") == 1
    assert module.count("call @cos(") == 1 and module.count("call @sin_0(") == 1
    assert module.count("stablehlo.sine") == 1              # the one too many
    assert "func private @sin(" in text(el.sin, X)          # copied from the module before


def test_operations_are_ascribed_to_the_users_line():
    hlo = jit(lambda x: el.sin(x)).lower(X).compile().as_text()
    assert __file__ in hlo
    body = hlo[hlo.index("fused_computation"):hlo.index("ENTRY")]
    rounds = [line for line in body.splitlines() if "round-nearest-even(" in line]
    assert rounds and all('op_name="jit(<lambda>)/sin" stack_frame_id=' in line for line in rounds)


def test_under_transformations_and_in_loops():
    def f(x):
        return reduce_sum(el.sin(x) * el.atan(x) + el.tan(x * 0.1), axes=(0,))

    x = X.astype(np.float64)
    slope = np.cos(x) * np.arctan(x) + np.sin(x) / (1 + x * x) + 0.1 / np.cos(0.1 * x)**2
    np.testing.assert_allclose(jit(grad(f))(X), slope, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(grad(f)(X), slope, rtol=1e-5, atol=1e-6)
    columns = np.asarray(vmap(el.cos, in_axes=1, out_axes=1)(X.reshape(-1, 8)))
    np.testing.assert_allclose(columns, np.cos(x).reshape(-1, 8), atol=1e-7)
    last, all_steps = jit(lambda x: scan(lambda c, _: (el.cos(c), el.rem(c, np.float32(0.3))), x, None, length=5))(X)
    steps = [x]
    for _ in range(5):
        steps.append(np.cos(steps[-1]))
    np.testing.assert_allclose(last, steps[-1], atol=1e-6)
    np.testing.assert_allclose(all_steps[0], np.fmod(X, np.float32(0.3)), atol=0)
