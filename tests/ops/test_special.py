"""Incomplete gamma and beta functions over their domains, against SciPy; edge values; names of arguments."""

import inspect

import numpy as np
import pytest
import scipy.special

import ferax
from ferax import lax
from ferax._src.util import config

RNG = np.random.default_rng(0)
INF, NAN = np.inf, np.nan


def points(n=500):
    """Parameters over thirteen decades, with ``x`` near them or anywhere."""
    a = 10 ** RNG.uniform(-6, 7, n)
    near = np.abs(a + RNG.uniform(-4, 4, n) * np.sqrt(a))
    return a, np.where(RNG.uniform(size=n) < 0.6, near, 10 ** RNG.uniform(-6, 3, n))


def compare(fn, oracle, args, dtype, rtol, atol=0.0):
    args = [x.astype(dtype) for x in args]
    with config.enable_x64(dtype == "float64"):
        found = np.asarray(getattr(lax, fn)(*args))
    assert found.dtype == dtype
    wanted = oracle(*[x.astype(np.float64) for x in args])
    normal = np.abs(wanted) > (1e-290 if dtype == "float64" else 1e-34)
    np.testing.assert_allclose(found[normal], wanted[normal], rtol=rtol, atol=atol)


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 2e-12), ("float32", 2e-5)])
def test_incomplete_gamma(dtype, rtol):
    args = points()
    compare("igamma", scipy.special.gammainc, args, dtype, rtol)
    compare("igammac", scipy.special.gammaincc, args, dtype, rtol)


@pytest.mark.parametrize(("dtype", "rtol", "atol"), [("float64", 1e-11, 0), ("float32", 1e-5, 5e-6)])
def test_incomplete_beta(dtype, rtol, atol):
    a, b = 10 ** RNG.uniform(-2, 5, (2, 500))
    mean = a / (a + b)
    spread = np.sqrt(mean * (1 - mean) / (a + b + 1))
    x = np.where(RNG.uniform(size=500) < 0.6, np.clip(mean + RNG.uniform(-3, 3, 500) * spread, 1e-6, 1 - 1e-6), RNG.uniform(size=500))
    compare("betainc", scipy.special.betainc, (a, b, x), dtype, rtol, atol)


def test_derivatives_by_the_parameter():
    """In each of the ways to compute them, against differences of SciPy's function."""
    a = np.array([0.02, 0.3, 2.5, 9.0, 50.0, 150.0, 150.0, 1e4, 3.0, 40.0, 150.0])
    x = np.array([0.001, 0.9, 1.5, 3.0, 48.0, 150.0, 160.0, 9.95e3, 9.0, 60.0, 200.0])
    h = 1e-3 * np.sqrt(a) * np.minimum(1, a)
    f = [scipy.special.gammaincc(a + k * h, x) for k in (-3, -2, -1, 1, 2, 3)]
    by_a = -(45 * (f[3] - f[2]) - 9 * (f[4] - f[1]) + (f[5] - f[0])) / (60 * h)
    density = np.exp((a - 1) * np.log(x) - x - scipy.special.gammaln(a))
    compare("igamma_grad_a", lambda a, x: by_a, (a, x), "float64", 1e-7)
    compare("random_gamma_grad", lambda a, x: -by_a / density, (a, x), "float64", 1e-7)


@pytest.mark.parametrize(("fn", "args", "wanted"), [
    # The first columns are outside of the domain. For a = 0 and a = inf the limits, as SciPy has them.
    ("igamma", [[NAN, 1, -1, 1, 0, 0, 0, 1, 1, INF, INF, 1e30], [1, NAN, 1, -1, 0, 0.5, 2, 0, INF, 3, INF, 1e30]],
     [NAN, NAN, NAN, NAN, NAN, 1, 1, 0, 1, 0, 1, 0.5]),
    ("igammac", [[NAN, 1, -1, 1, 0, 0, 0, 1, 1, INF, INF, 1e30], [1, NAN, 1, -1, 0, 0.5, 2, 0, INF, 3, INF, 1e30]],
     [NAN, NAN, NAN, NAN, NAN, 0, 0, 1, 0, 1, 0, 0.5]),
    ("igamma_grad_a", [[NAN, 1, -1, 1, 0, 0, 1, 1], [1, NAN, 1, -1, 1, 0, 0, INF]], [NAN, NAN, NAN, NAN, NAN, NAN, 0, 0]),
    ("random_gamma_grad", [[NAN, 1, -1, 1, 0, 1], [1, NAN, 1, -1, 1, 0]], [NAN, NAN, NAN, NAN, NAN, 0]),
    ("betainc", [[NAN, -1, 1, 1, 0, 0, INF, 1, 0, 1, 1, INF, 0, 2.5], [1, 1, -1, 1, 0, INF, INF, 0, 1, INF, 2, 1, 1, 2.5],
                 [0.5, 0.5, 0.5, 1.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 1, 0, 0.5]],
     [NAN, NAN, NAN, NAN, NAN, 1, NAN, 0, 1, 1, 0, 1, 0, 0.5]),
    ("lgamma", [[0, -1, INF, -INF, NAN, 0.5]], [INF, INF, INF, INF, NAN, 0.5723649]),
    ("digamma", [[0, -1, INF, 1]], [NAN, NAN, INF, -0.5772157]),
    ("erf_inv", [[-1, 1, 0, 1.1, NAN]], [-INF, INF, 0, NAN, NAN]),
    ("bessel_i0e", [[0, INF, -INF, NAN]], [1, 0, 0, NAN]),
    ("bessel_i1e", [[0, INF, -INF, NAN]], [0, 0, 0, NAN]),
    ("zeta", [[1, 2, 2, -1.5], [2, 1, 0, 1]], [INF, 1.644934, INF, NAN]),
    ("polygamma", [[0, 1, 0.5, 1], [1, 1, 1, 0]], [-0.5772157, 1.644934, NAN, INF]),
])
def test_edges(fn, args, wanted):
    np.testing.assert_allclose(getattr(lax, fn)(*np.float32(args)), wanted, rtol=1e-5)


def test_narrow_dtypes():
    x = ferax.numpy.asarray([0.5, 1.5]).astype("float8_e4m3fn")
    assert lax.igamma(x, x).dtype == x.dtype
    np.testing.assert_allclose(lax.igamma(x, x).astype("float32"), scipy.special.gammainc([0.5, 1.5], [0.5, 1.5]), rtol=0.07)


def test_what_is_refused():
    x = np.float32([0.5])
    for fn, n in (("igamma", 2), ("igammac", 2), ("igamma_grad_a", 2), ("random_gamma_grad", 2), ("betainc", 3)):
        with pytest.raises(TypeError, match="does not accept dtype int32"):
            getattr(lax, fn)(*[np.int32([1])] * n)
        with pytest.raises(TypeError, match="requires arguments to have equal shapes|same number of dimensions"):
            getattr(lax, fn)(*[x] * (n - 1), np.float32([1, 2, 3])[None])
    with pytest.raises(ValueError, match="gradient with respect to a and b not supported"):
        ferax.grad(lambda a: lax.betainc(a, 2.0, 0.5))(1.0)
    with pytest.raises(NotImplementedError, match="igamma_grad_a is itself a derivative"):
        ferax.grad(ferax.grad(lambda a: lax.igamma(a, 2.0)))(1.0)


def test_names_of_arguments():
    for fn, names in ((lax.polygamma, "(m, x)"), (lax.zeta, "(x, q)"), (lax.nextafter, "(x1, x2)"), (lax.mulhi, "(x, y, /)"),
                      (lax.igamma, "(a, x)"), (lax.betainc, "(a, b, x)")):
        assert str(inspect.signature(fn)) == names
    assert lax.nextafter(x1=np.float32(1), x2=np.float32(2)) > 1
    with pytest.raises(TypeError, match="positional-only"):
        lax.mulhi(x=1, y=2)
