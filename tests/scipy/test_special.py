"""`scipy.special` over its whole domain, by relative errors: tails, large and small arguments, and derivatives where pieces meet."""

import numpy as np
import pytest
import scipy.special as sp

import ferax
import ferax.numpy as jnp
from ferax.scipy import special

WIDE = np.concatenate([np.linspace(-60, 60, 97) + 0.0013, [0.0, 1e-10, -1e-10, 1e-200, 500.0, -500.0, np.inf, -np.inf, np.nan]])
SMALL = 10.0 ** -np.arange(1, 300, 13)
RNG = np.random.default_rng(0)
POSITIVE = 10.0 ** RNG.uniform(-2, 2.5, (2, 60))
PLANE = RNG.normal(size=80) * 10.0 ** RNG.uniform(-1, 2, 80) + 1j * RNG.normal(size=80) * 10.0 ** RNG.uniform(-1, 1, 80)
A, B = RNG.uniform(-3, 3, 60), RNG.uniform(0.2, 5, 60)

# name, arguments, relative tolerance in units of 1e-14, oracle if it is not the function of that name
CASES = [
    ("erfcx", (WIDE[WIDE > -20],), 1, None),
    ("dawsn", (WIDE,), 1, None),
    ("log_ndtr", (np.concatenate([WIDE, [-1e4, 37.0]]),), 1, None),
    ("ndtri", (np.concatenate([SMALL, 1 - SMALL, np.linspace(0.01, 0.99, 41), [0.0, 1.0, -0.1, 1.1]]),), 2, None),
    ("expi", (WIDE,), 20, None),
    ("exp1", (np.abs(WIDE),), 2, None),
    ("spence", (np.concatenate([np.abs(WIDE[:-3]), [1e9, 0.5, 2.0, -1.0]]),), 5, None),
    ("owens_t", (WIDE[:97] / 4, RNG.normal(size=97) * 5), 100, None),
    ("wofz", (PLANE[PLANE.imag > -3],), 5, None),
    ("loggamma", (PLANE,), 50, None),
    ("betaln", tuple(POSITIVE), 2000, None),                 # of SciPy's own error
    ("hyp1f1", (A, B, RNG.uniform(-1, 1, 60) * 10.0 ** RNG.uniform(-1, 2.6, 60)), 2000, None),
    ("hyp2f1", (A, A[::-1], B, np.where(A > 0, 1 - 10.0 ** -B, -(10.0 ** (B - 2)))), 500, None),
    *[("expn", (float(n), np.abs(WIDE[:-3])), 5, lambda n, x: sp.expn(int(n), x)) for n in (0, 3, 40, 6000)],
    ("sici", (WIDE[:-3],), 100, None),
    ("fresnel", (np.concatenate([WIDE[:-3] / 10, [1e4]]),), 10, None),
]


@pytest.mark.parametrize("name, args, tolerance, oracle", CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_relative_errors(name, args, tolerance, oracle):
    with ferax.enable_x64(True), np.errstate(all="ignore"):
        found = getattr(special, name)(*args)
        expected = (oracle or getattr(sp, name))(*args)
    pairs = zip(found, expected) if isinstance(expected, tuple) else [(found, expected)]
    for f, e in pairs:
        near_root = 1e-15 * np.nanmax(np.abs(np.where(np.isfinite(e), e, 0))) if name in ("expi", "loggamma", "hyp1f1") else 0
        np.testing.assert_allclose(np.asarray(f), e, rtol=tolerance * 1e-14, atol=min(near_root, 1e-14))


@pytest.mark.parametrize("name, x, slope", [
    ("xlogy", (0.0, 2.0), (np.log(2), 0)), ("xlog1py", (0.0, 2.0), (np.log(3), 0)), ("rel_entr", (1.0, 1.0), (1, -1)),
    ("spence", (1.0,), (-1,)), ("sici", (0.0,), (1,)), ("logit", (0.5,), (4,)), ("bessel_jn", (0.0,), (0,)),
    ("poch", (2.0, 0.0), (0, sp.digamma(2))),
])
def test_derivatives_where_pieces_meet(name, x, slope):
    def fun(*x):
        out = getattr(special, name)(*x, **({"v": 0} if name == "bessel_jn" else {}))
        return out[0] if isinstance(out, tuple) else jnp.sum(out)
    np.testing.assert_allclose(ferax.grad(fun, argnums=tuple(range(len(x))))(*x), slope, rtol=1e-5, atol=1e-6)


def test_bernoulli_numbers_beyond_the_range_of_floats():
    with ferax.enable_x64(True):
        found = np.asarray(special.bernoulli(262))
    np.testing.assert_allclose(found[:256:2], sp.bernoulli(255)[::2], rtol=1e-11)
    assert found[260] == -np.inf and found[262] == np.inf and not found[3::2].any()
