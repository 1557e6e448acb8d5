"""Rows of `scipy.special`: SciPy is the oracle."""

import numpy as np
import scipy.special as sp
from api_draw import COMPLEX, FLOATS, Draw, call
from api_harness import Refusal, Row

REAL = (*FLOATS, "int32")
WIDE = ("float32", "float64")
E = 2                                           # calls of each row


OF_OPERATION = {"grad": False, "why": "derivatives are those of the operation, checked in its own table"}


def row(names, oracle, calls, **options):
    names = " ".join(f"scipy.special.{n}" for n in names.split())
    return Row(names, oracle, calls, **{"gives": "inexact", "examples": E, **options})


def one(low, high, kinds=REAL, special=True, shape=(0, 2)):
    return lambda d: call(d.array(kinds, d.shape(*shape), low, high, special=special))


def ranged(*ranges, kinds=FLOATS, special=False):
    """Arrays that broadcast, each with a range of its own."""
    def calls(d: Draw):
        dtype = d.dtype(kinds)
        shapes = d.broadcasting(len(ranges), high=2)
        return call(*[d.array(shape=s, low=low, high=high, special=special, dtype=dtype) for s, (low, high) in zip(shapes,
            ranges)])
    return calls


def with_poles(f):
    """SciPy answers inf with a sign where gamma's kin have poles, we NaN; at -inf it differs too."""
    return lambda x: np.where((x < 0) & (x == np.floor(x)), np.nan, f(x))


def summed(d: Draw):
    x = d.array(("float32", "float64", "complex64", "int32"), d.shape(1, 3, empty=False), special=False)
    kwargs = d.some(axis=(d.axes(x.ndim),), keepdims=(True,))
    if d.flag():
        kwargs["b"] = d.array(("float32",), x.shape[-1:], 0.5, 2.0, special=False)
    return call(x, **kwargs)


def soft(d: Draw):
    x = d.array(("float32", "bfloat16", "float64", "int32"), d.shape(1, 3, empty=False), special=False)
    return call(x, **d.some(axis=(d.axis(x.ndim, none=True),)))


def legendre(m, n, z, is_normalized=None):
    """All orders and degrees, and without the last argument their derivatives too."""
    parts = [sp.assoc_legendre_p_all(n, m, x, norm=False, diff_n=1) for x in z]
    p, slopes = np.moveaxis(np.stack(parts, -1)[:, :, :m + 1], 1, 2)
    if is_normalized is None:
        return p, slopes
    k, j = np.arange(m + 1)[:, None], np.arange(n + 1)[None, :]
    scale = np.sqrt((2 * j + 1) / (4 * np.pi) * sp.factorial(np.maximum(j - k, 0)) / sp.factorial(j + k))
    return p * scale[..., None] if is_normalized else p


def harmonics(d: Draw):
    n = d.array(("int32",), (4,), 0, 3)
    m = (n * d.pick(1, -1, 0)).astype("int32")
    dtype = d.dtype(WIDE)
    return call(n, m, *[d.array(shape=(4,), low=0.2, high=2.9, special=False, dtype=dtype) for _ in range(2)], n_max=3)


ROWS = [
    # gamma and its kin
    row("gammaln", lambda x: np.where(np.isinf(x), np.inf, sp.gammaln(x)), one(-3.7, 8), **OF_OPERATION),
    row("digamma", with_poles(sp.digamma), one(0.1, 8, special=False), tolerance=4, **OF_OPERATION),
    row("gammasgn", sp.gammasgn, one(-4, 4), grad=False, why="it is a step"),
    row("gamma", sp.gamma, one(0.2, 4.5, (*REAL, *COMPLEX), special=False), tolerance=10),
    row("loggamma", sp.loggamma, one(0.3, 8, (*REAL, *COMPLEX), special=False), tolerance=10, examples=4),
    row("factorial", lambda n: sp.factorial(np.asarray(n, float)), one(0, 5, special=False), tolerance=8),
    row("comb", sp.comb, lambda d: call(*ranged((2.5, 6), (0.1, 2.4))(d).args, **d.some(repetition=(True, False))),
        tolerance=20),
    row("poch", sp.poch, ranged((0.5, 4), (0.2, 3)), tolerance=20),
    row("beta", sp.beta, ranged((0.5, 20), (0.5, 20)), tolerance=8),
    row("betaln", sp.betaln, ranged((0.5, 40), (0.5, 40)), tolerance=8),
    row("betainc", sp.betainc, ranged((0.5, 4), (0.5, 4), (0.05, 0.95)), tolerance=20, grad=False,
        why="there are no derivatives by a and b"),
    row("gammainc", sp.gammainc, ranged((0.5, 4), (0.1, 6)), tolerance=10, **OF_OPERATION),
    row("gammaincc", sp.gammaincc, ranged((0.5, 4), (0.1, 6)), tolerance=10, **OF_OPERATION),
    row("polygamma", lambda n, x: sp.polygamma(n, x), lambda d: call(np.asarray(d.pick(1, 2, 3), "int32"), d.array(FLOATS,
        d.shape(0, 2), 0.8, 5, special=False)),
        tolerance=20, gives=None),
    row("zeta", sp.zeta, ranged((1.6, 5), (0.7, 4)), tolerance=20, second=False),
    row("multigammaln", lambda a, d: sp.multigammaln(a, d), lambda d: call(d.array(REAL, d.shape(0, 2, empty=False), 3, 8,
        special=False), d.pick(2, 3, 1)),
        tolerance=10),
    row("bernoulli", lambda n: sp.bernoulli(max(n, 2))[:n + 1], lambda d: call(d.pick(4, 0, 1, 2, 9, 20)), gives=None,
        jit=False, vmap=False,
        grad=False, why="its argument is a size", tolerance=10),
    # exponentials and logarithms
    row("expit", sp.expit, one(-4, 4), **OF_OPERATION),
    row("logit", sp.logit, one(0.02, 0.98, FLOATS)),
    row("entr", sp.entr, one(0.1, 3)),
    row("xlogy", sp.xlogy, ranged((-2, 2), (0.3, 3), kinds=(*FLOATS, *COMPLEX))),
    row("xlog1py", sp.xlog1py, ranged((-2, 2), (-0.6, 3), kinds=(*FLOATS, *COMPLEX))),
    row("rel_entr", sp.rel_entr, ranged((0.2, 3), (0.2, 3), special=True)),
    row("kl_div", sp.kl_div, ranged((0.2, 3), (0.2, 3), special=True)),
    row("boxcox", sp.boxcox, ranged((0.3, 4), (-1.5, 1.5)), tolerance=4),
    row("boxcox1p", sp.boxcox1p, ranged((-0.5, 4), (-1.5, 1.5)), tolerance=4),
    row("logsumexp", sp.logsumexp, summed, gives=None, tolerance=4),
    row("softmax", sp.softmax, soft, tolerance=2),
    row("log_softmax", sp.log_softmax, soft, tolerance=2),
    # error functions and the normal distribution
    row("erf", sp.erf, one(-3, 3), **OF_OPERATION),
    row("erfc", sp.erfc, one(-3, 3), **OF_OPERATION),
    row("erfinv", sp.erfinv, one(-0.9, 0.9, FLOATS), tolerance=4, **OF_OPERATION),
    row("ndtr", sp.ndtr, one(-4, 4, WIDE)),
    row("ndtri", sp.ndtri, one(0.01, 0.99, WIDE), tolerance=4, second=False),
    row("log_ndtr", sp.log_ndtr, lambda d: call(d.array(WIDE, d.shape(0, 2), -30, 6)), tolerance=4),
    row("erfcx", sp.erfcx, one(-2, 6, (*REAL, *COMPLEX), special=False)),
    row("dawsn", sp.dawsn, one(-6, 6)),
    row("wofz", sp.wofz, one(-3, 3, (*FLOATS, *COMPLEX), special=False), gives=None),
    row("owens_t", sp.owens_t, ranged((-3, 3), (-3, 3)), tolerance=4, gives=None,
        differs="JAX rounds parts of it to the operands' narrow dtype"),
    # integrals
    row("expi", sp.expi, one(0.5, 30, special=False), tolerance=4),
    row("exp1", sp.exp1, one(0.1, 6, special=False), tolerance=4),
    row("expn", lambda n, x: sp.expn(np.asarray(n, int), x), lambda d: call(d.pick(2, 1, 3, 12), d.array(FLOATS, d.shape(0, 2),
        0.1, 5, special=False)),
        tolerance=4, gives=None,
        differs="JAX's is NaN in float16"),
    row("sici", sp.sici, one(-8, 8, special=False), tolerance=4),
    row("fresnel", sp.fresnel, one(-3, 3), tolerance=4),
    row("spence", sp.spence, one(0.1, 5, WIDE), tolerance=4),
    # hypergeometric functions
    row("hyp1f1", sp.hyp1f1, ranged((0.3, 3), (0.6, 4), (-6, 6), kinds=WIDE), tolerance=40, second=False, slack=10, examples=1),
    row("hyp2f1", sp.hyp2f1, ranged((0.3, 2), (0.4, 2), (1.1, 4), (-1.8, 0.7), kinds=WIDE), tolerance=40, second=False,
        slack=10, examples=1,
        differs="JAX sums a divergent series below -1"),
    # Legendre functions
    row("lpmn", legendre, lambda d: call(*[d.pick(3, 0, 1, 5)] * 2, d.array(WIDE, (3,), -0.9, 0.9, special=False)),
        tolerance=10, gives=None),
    row("lpmn_values", legendre, lambda d: call(*[d.pick(3, 0, 1, 5)] * 2, d.array(WIDE, (3,), -0.9, 0.9, special=False),
        d.flag()), tolerance=10, gives=None),
    row("sph_harm_y", lambda n, m, theta, phi, n_max: sp.sph_harm_y(n, m, theta, phi), harmonics, tolerance=10, gives=None),
    # Bessel functions
    row("bessel_jn", lambda z, v: np.stack([sp.jv(k, z) for k in range(v + 1)]), lambda d: call(d.array(REAL, d.shape(0, 2),
        0.5, 8, special=False), v=d.pick(2, 0, 5)),
        tolerance=4, differs="JAX's is NaN in float16, and near 0"),
    row("i0e", sp.i0e, one(-12, 12), **OF_OPERATION),
    row("i1e", sp.i1e, one(-12, 12), **OF_OPERATION),
    row("i0", sp.i0, one(-4, 4)),
    row("i1", sp.i1, one(-4, 4)),
]


def refusals(name, error, text, *calls):
    return [Refusal(f"scipy.special.{name}", lambda root, c=c: c(root.scipy.special), error, text, str(i)) for i,
        c in enumerate(calls)]


REFUSALS = [
    *refusals("gammaln", TypeError, "gamma", lambda s: s.gammaln([1.0]), lambda s: s.gammaln("a"), lambda s: s.gammaln(1j)),
    *[r for name in ("gammasgn", "entr", "dawsn", "expi", "exp1", "sici") for r in refusals(name, ValueError, "complex",
        lambda s, n=name: getattr(s, n)(1j))],
    *[r for name in ("beta", "rel_entr", "kl_div", "poch", "expn") for r in refusals(name, ValueError, "complex", lambda s,
        n=name: getattr(s, n)(1j, 1.0))],
    *refusals("polygamma", ValueError, "integer type", lambda s: s.polygamma(1.0, 2.0)),
    *refusals("beta-shapes", (TypeError, ValueError), "ncompatible", lambda s: s.beta(np.ones(2), np.ones(3))),
    *refusals("ndtr", TypeError, "not supported", lambda s: s.ndtr(1), lambda s: s.ndtri(np.float16(0.5)),
        lambda s: s.log_ndtr(1j)),
    *refusals("log_ndtr", TypeError, "Python integer", lambda s: s.log_ndtr(1.0, 2.0)),
    *refusals("log_ndtr-order", ValueError, "series_order", lambda s: s.log_ndtr(1.0, -1), lambda s: s.log_ndtr(1.0, 31)),
    *refusals("spence", TypeError, "not supported", lambda s: s.spence(1)),
    *refusals("lpmn", TypeError, "not supported", lambda s: s.lpmn(1, 1, np.ones(2, int)), lambda s: s.lpmn_values(1, 1,
        np.ones(2, int), True)),
    *refusals("lpmn-shape", ValueError, "1D", lambda s: s.lpmn(1, 1, np.ones((1, 2), "float32"))),
    *refusals("bessel_jn", ValueError, "complex", lambda s: s.bessel_jn(1j, v=1)),
    *refusals("bernoulli", ValueError, "non-negative", lambda s: s.bernoulli(-1)),
    *refusals("factorial", NotImplementedError, "exact", lambda s: s.factorial(3, exact=True)),
]
