"""All of control flow inside each other, under all transformations, against the same program in plain Python."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax


@ferax.custom_jvp
def soft(x):
    return jnp.tanh(x)


soft.defjvp(lambda p, t: (soft(*p), (1 - soft(*p) ** 2) * t[0]))


@ferax.custom_vjp
def swish(x):
    return x * jnp.sin(x)


swish.defvjp(lambda x: (x * jnp.sin(x), x), lambda x, ct: (ct * (jnp.sin(x) + x * jnp.cos(x)),))


# Each layer takes a function of (w, x) to another, and comes with its meaning in plain Python.
def scanned(f):
    return lambda w, x: lax.scan(lambda c, s: (f(w * s, c), None), x, jnp.float32([1, 0.5, -1]))[0]


def scanned_python(f):
    return lambda w, x: f(w * -1, f(w * 0.5, f(w, x)))


def stacked(f):
    def g(w, x):
        c, ys = lax.scan(lambda c, _: (f(w, c), c * w), x, None, length=2, reverse=True)
        return c + ys.sum(0)
    return g


def stacked_python(f):
    def g(w, x):
        a = f(w, x)
        return f(w, a) + x * w + a * w
    return g


def chosen(f):
    return lambda w, x: lax.cond(jnp.sum(x) > 0, lambda x: f(w, x), lambda x: x * w, x)


def chosen_python(f):
    return lambda w, x: jnp.where(jnp.sum(x) > 0, f(w, x), x * w)


def looped(f):
    return lambda w, x: lax.fori_loop(0, 2, lambda i, c: f(w, c) * (i + 1), x)


def looped_python(f):
    return lambda w, x: f(w, f(w, x)) * 2


LAYERS = {
    "scan": (scanned, scanned_python), "ys": (stacked, stacked_python), "cond": (chosen, chosen_python),
    "fori": (looped, looped_python), "remat": (ferax.checkpoint, lambda f: f), "jit": (ferax.jit, lambda f: f),
}


def innermost(w, x):
    return soft(swish(x * w)) + 0.3 * x


def innermost_python(w, x):
    y = x * w
    return jnp.tanh(y * jnp.sin(y)) + 0.3 * x


W, X = np.float32([0.7, -0.4]), np.float32([0.5, 0.2])


def close(a, b):
    for x, y in zip(ferax.tree.leaves(a), ferax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=2e-4, atol=2e-5)


ORDER = list(LAYERS)
PAIRS = [(a, ORDER[(i + k) % len(ORDER)]) for i, a in enumerate(ORDER) for k in (1, 3)]


@pytest.mark.parametrize("names", [*PAIRS, ("scan", "remat", "cond"), ("fori", "cond", "jit"), ("ys", "ys", "ys")])
def test_values_and_reverse_mode(names):
    f, g = innermost, innermost_python
    for name in names:
        f, g = LAYERS[name][0](f), LAYERS[name][1](g)
    close(f(W, X), g(W, X))
    loss = lambda f: lambda w, x: jnp.sum(f(w, x) ** 2)
    expected = ferax.grad(loss(g), (0, 1))(W, X)
    close(ferax.grad(loss(f), (0, 1))(W, X), expected)
    close(ferax.jit(ferax.grad(loss(f), (0, 1)))(W, X), expected)
    xs = np.stack([X, -X, 3 * X])
    close(ferax.vmap(ferax.grad(loss(f)), (None, 0))(W, xs), np.stack([ferax.grad(loss(g))(W, x) for x in xs]))
    close(ferax.grad(lambda w: ferax.vmap(f, (None, 0))(w, xs).sum())(W), ferax.grad(lambda w: ferax.vmap(g, (None, 0))(w, xs).sum())(W))
    # The inner function's rule for reverse mode is all there is of it: second derivatives are reverse twice.
    close(ferax.jacrev(ferax.grad(loss(f)))(W, X), ferax.jacrev(ferax.grad(loss(g)))(W, X))


@pytest.mark.parametrize("names", [("scan", "cond"), ("cond", "remat", "scan"), ("ys", "jit", "fori"), ("remat", "ys", "cond")])
def test_forward_mode(names):
    f = lambda w, x: soft(x * w) + 0.3 * x
    g = lambda w, x: jnp.tanh(x * w) + 0.3 * x
    for name in names:
        f, g = LAYERS[name][0](f), LAYERS[name][1](g)
    close(ferax.jvp(f, (W, X), (X, W)), ferax.jvp(g, (W, X), (X, W)))
    hessian = lambda f: ferax.jacfwd(ferax.jacrev(lambda w: jnp.sum(f(w, X))))(W)
    close(hessian(f), hessian(g))
    close(ferax.jacfwd(ferax.jacfwd(lambda w: jnp.sum(f(w, X))))(W), hessian(g))
    out, f_lin = ferax.linearize(f, W, X)
    close(f_lin(X, W), ferax.jvp(g, (W, X), (X, W))[1])


def test_nothing_carried_and_nothing_answered():
    assert lax.scan(lambda c, x: (None, x + 1), None, jnp.arange(3))[1].tolist() == [1, 2, 3]
    assert lax.scan(lambda c, x: ((), None), (), jnp.arange(3)) == ((), None)
    assert lax.cond(True, lambda: None, lambda: None) is None
    assert lax.while_loop(lambda _: jnp.array(False), lambda _: (), ()) == ()
    assert lax.fori_loop(0, 3, lambda i, _: None, None) is None
    assert ferax.checkpoint(lambda: {})() == {}
    assert ferax.vmap(lambda x: lax.cond(x > 0, lambda: (), lambda: ()))(jnp.arange(2)) == ()
    f = ferax.custom_jvp(lambda x: ())
    f.defjvp(lambda p, t: ((), ()))
    assert f(1.0) == () and ferax.jvp(f, (1.0,), (1.0,)) == ((), ())


def test_random_keys_go_everywhere():
    keys = ferax.random.split(ferax.random.key(0), 3)
    key = keys[0]
    draw = lambda key: ferax.random.uniform(key)
    by_hand = [draw(k) for k in keys]
    assert lax.scan(lambda c, k: (k, draw(k)), key, keys)[1].tolist() == [float(u) for u in by_hand]
    assert lax.map(draw, keys, batch_size=2).tolist() == [float(u) for u in by_hand]
    walk = lambda k, n: lax.while_loop(lambda s: s[1] < n, lambda s: (ferax.random.split(s[0])[0], s[1] + 1), (k, 0))[0]
    walked = ferax.vmap(walk)(keys, np.arange(3))
    assert ferax.random.key_data(walked[1]).tolist() == ferax.random.key_data(ferax.random.split(keys[1])[0]).tolist()
    picked = ferax.vmap(lambda p, k: lax.cond(p, lambda k: k, lambda k: ferax.random.split(k)[1], k))(np.array([True, False, True]), keys)
    assert ferax.random.key_data(picked[0]).tolist() == ferax.random.key_data(keys[0]).tolist()
    f = lambda x, k: lax.scan(lambda c, k: (c * draw(k), None), x, ferax.random.split(k))[0]
    assert abs(ferax.grad(ferax.checkpoint(f))(1.0, key) - f(1.0, key)) < 1e-6
