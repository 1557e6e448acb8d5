"""`while_loop` and `fori_loop` against Python loops; derivatives, batching with examples that stop apart, bad input."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax


def collatz(n):
    """Number of steps of the Collatz sequence: examples stop at different times."""
    return lax.while_loop(lambda s: s[0] != 1, lambda s: (jnp.where(s[0] % 2 == 0, s[0] // 2, 3 * s[0] + 1), s[1] + 1), (n, 0))[1]


def python_collatz(n):
    steps = 0
    while n != 1:
        n, steps = n // 2 if n % 2 == 0 else 3 * n + 1, steps + 1
    return steps


def test_values():
    assert [int(collatz(n)) for n in (1, 6, 7)] == [python_collatz(n) for n in (1, 6, 7)]
    assert int(ferax.jit(collatz)(27)) == python_collatz(27)
    out = lax.while_loop(lambda s: s["i"] < 3, lambda s: {"i": s["i"] + 1, "x": s["x"] * 2}, {"i": 0, "x": np.float32([1, 2])})
    assert out["x"].tolist() == [8, 16]


def test_vmap_with_a_mapped_condition():
    n = np.arange(1, 12)
    assert ferax.vmap(collatz)(n).tolist() == [python_collatz(i) for i in n]
    assert ferax.jit(ferax.vmap(ferax.vmap(collatz)))(n[:10].reshape(2, 5)).tolist() == [
        [python_collatz(i) for i in row] for row in n[:10].reshape(2, 5)]


def test_vmap_with_mapped_constants_of_the_condition():
    f = lambda limit: lax.while_loop(lambda x: x < limit, lambda x: 2 * x, 1)
    assert ferax.vmap(f)(np.int32([1, 5, 100])).tolist() == [1, 8, 128]


def test_vmap_with_an_unmapped_condition():
    f = lambda x: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * x), (0, x))[1]
    assert ferax.vmap(f)(np.float32([1, 2, 3])).tolist() == [1, 16, 81]


def test_jvp():
    def f(x, y):
        return lax.while_loop(lambda s: s[0] < 50, lambda s: (s[0] * s[1] + 1, s[1] * 1.1), (x, y))

    def python(x, y):
        while x < 50:
            x, y = x * y + 1, y * 1.1
        return x, y
    primals, tangents = (1.5, 2.0), (1.0, -0.5)
    out, t = ferax.jvp(f, primals, tangents)
    expected, expected_t = ferax.jvp(python, primals, tangents)
    np.testing.assert_allclose(out, expected, rtol=1e-6)
    np.testing.assert_allclose(t, expected_t, rtol=1e-5)
    np.testing.assert_allclose(ferax.jit(lambda *a: ferax.jvp(f, a, tangents))(*primals)[1], expected_t, rtol=1e-5)
    np.testing.assert_allclose(ferax.jacfwd(ferax.jacfwd(lambda x: f(x, 2.0)[0]))(1.5), 0.0, atol=1e-4)
    np.testing.assert_allclose(ferax.jacfwd(ferax.jacfwd(lambda y: f(1.5, y)[0]))(2.0),
                               ferax.jacfwd(ferax.jacfwd(lambda y: python(1.5, y)[0]))(2.0), rtol=1e-4)


def test_linearize_forward():
    f = lambda x: lax.while_loop(lambda s: s < 50, lambda s: s * s, x)
    out, f_lin = ferax.linearize(f, 2.0)
    assert out == 256 and f_lin(1.0) == 8 * 2.0 ** 7


def test_reverse_mode_is_refused_with_the_ways_out():
    f = lambda x: lax.while_loop(lambda s: s < 50, lambda s: s * s, x)
    for g in (ferax.grad(f), ferax.jit(ferax.grad(f))):
        with pytest.raises(ValueError, match="Reverse-mode differentiation does not work for lax.while_loop") as e:
            g(2.0)
        assert "lax.scan" in str(e.value) and "docs/errors/while-reverse.md" in str(e.value)


def test_reverse_mode_past_a_loop_that_is_not_differentiated():
    def f(x):
        n = lax.while_loop(lambda i: i < 5, lambda i: i + 2, 0)
        return x * n
    assert ferax.grad(f)(3.0) == 6


# --- fori_loop ------------------------------------------------------------------------------------

def test_fori_values():
    assert lax.fori_loop(0, 5, lambda i, x: x + i, 0) == 10
    assert lax.fori_loop(np.int32(2), np.int64(5), lambda i, x: x + i, 0) == 9
    assert lax.fori_loop(5, 2, lambda i, x: x + 1, 7) == 7
    assert ferax.jit(lambda n: lax.fori_loop(0, n, lambda i, x: x + i, 0))(5) == 10
    assert lax.fori_loop(0, 7, lambda i, x: x * 2 + i, 1, unroll=3) == lax.fori_loop(0, 7, lambda i, x: x * 2 + i, 1)
    assert lax.fori_loop(0, 3, lambda i, x: x.at[i].add(i), jnp.zeros(3)).tolist() == [0, 1, 2]


def test_fori_weak_start_takes_the_type_of_a_step():
    out = lax.fori_loop(0, 3, lambda i, x: x + np.float32(0.5), 0)
    assert out.dtype == jnp.float32 and out == 1.5


def test_fori_with_known_bounds_has_a_reverse_mode():
    f = lambda x, y: lax.fori_loop(1, 4, lambda i, s: s * y + i, x)
    python = lambda x, y: ((x * y + 1) * y + 2) * y + 3
    np.testing.assert_allclose(ferax.grad(f, (0, 1))(2.0, 3.0), ferax.grad(python, (0, 1))(2.0, 3.0))
    np.testing.assert_allclose(ferax.hessian(f, (0, 1))(2.0, 3.0), ferax.hessian(python, (0, 1))(2.0, 3.0))


def test_fori_with_traced_bounds():
    f = lambda n, x: lax.fori_loop(0, n, lambda i, s: s * x, 1.0)
    assert ferax.vmap(f, (0, None))(np.arange(4), 2.0).tolist() == [1, 2, 4, 8]
    assert ferax.jvp(lambda x: ferax.jit(f)(3, x), (2.0,), (1.0,))[1] == 12
    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
        ferax.grad(ferax.jit(f), 1)(3, 2.0)


def test_fori_bounds():
    last = lambda i, _: i
    for bounds, dtype, weak in [((0, 3), np.int32, True), ((np.int8(0), 3), np.int8, False), ((False, True), np.int32, True)]:
        out = lax.fori_loop(*bounds, last, dtype(0) if not weak else 0)
        assert (out.dtype, out.weak_type, int(out)) == (dtype, weak, int(bounds[1]) - 1)
    assert lax.fori_loop(5, 2, last, 7) == 7 and lax.fori_loop(-2, 1, lambda i, x: x + i, 0) == -3
    for unroll in (False, 1):                                   # no more than one step in a turn: the bounds may be traced
        assert ferax.jit(lambda n: lax.fori_loop(0, n, lambda i, x: x + i, 0, unroll=unroll))(4) == 6
    mapped = ferax.vmap(lambda n: lax.fori_loop(0, n, lambda i, x: x + i, 0))(np.arange(4, dtype=np.int32))
    assert mapped.tolist() == [0, 0, 1, 3] and mapped.weak_type


def test_disable_jit_runs_python():
    seen = []
    with ferax.disable_jit():
        assert lax.while_loop(lambda x: bool(x < 10), lambda x: seen.append(int(x)) or x * 2, 1) == 16
        assert lax.fori_loop(0, 3, lambda i, x: x + int(i), 0) == 3
    assert seen == [1, 2, 4, 8]


@pytest.mark.parametrize("call, error, text", [
    (lambda: lax.while_loop(lambda x: x, lambda x: x, 1.0), TypeError, r"boolean scalar, but got output type float32\[\]"),
    (lambda: lax.while_loop(lambda x: x < 1, lambda x: x, jnp.ones(2)), TypeError, r"got output type bool\[2\].*jnp.any"),
    (lambda: lax.while_loop(lambda x: (x < 1, x), lambda x: x, 1.0), TypeError, "boolean scalar, but got pytree"),
    (lambda: lax.while_loop(lambda x: x < 1, lambda x: jnp.ones(2), np.float32(1)), TypeError,
     r"value  started as float32\[\]  and came back as  float32\[2\]"),
    (lambda: lax.while_loop(lambda x: x[0] < 1, lambda x: x[0], (1.0, 2.0)), TypeError, "changed its structure"),
    (lambda: lax.while_loop(1, 2, 3), TypeError, "should be callable"),
    (lambda: lax.fori_loop(0, 3, lambda i, x: (x, x), 1.0), TypeError, "fori_loop: the carry changed its structure"),
    (lambda: lax.fori_loop(0.0, 3, lambda i, x: x, 1.0), TypeError, "must have integer types"),
    (lambda: lax.fori_loop(np.int8(0), np.int32(3), lambda i, x: x, 1.0), TypeError, "must have equal types"),
    (lambda: ferax.jit(lambda n: lax.fori_loop(0, n, lambda i, x: x, 1.0, unroll=2))(3), ValueError, "statically known"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
