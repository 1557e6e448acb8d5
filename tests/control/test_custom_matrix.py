"""Functions with rules of their own, under every transformation.

Each has the values of ``sin`` and a derivative that is ``factor`` times too large, so that one sees that its rule was used. A function
of plain operations with the same value and the same derivatives says what must come out.
"""

import numpy as np
import pytest
from quick_compile import quick

import ferax
import ferax.numpy as jnp
from ferax import lax
from ferax.custom_batching import custom_vmap, sequential_vmap
from ferax.custom_derivatives import linear_call

X, XS = np.float32(0.7), np.float32([0.3, 0.7, 1.1])


def own_jvp():
    f = ferax.custom_jvp(jnp.sin)
    f.defjvp(lambda primals, tangents: (f(*primals), 2 * jnp.cos(primals[0]) * tangents[0]))
    return f


def own_vjp():
    f = ferax.custom_vjp(jnp.sin)
    f.defvjp(lambda x: (f(x), x), lambda x, ct: (3 * jnp.cos(x) * ct,))
    return f


def own_optimized_vjp():
    f = ferax.custom_vjp(jnp.sin)
    f.defvjp(lambda x: (f(x), x), lambda x, ct: (3 * jnp.cos(x) * ct,), optimize_remat=True)
    return f


def own_vmap():
    f = custom_vmap(jnp.sin)
    f.def_vmap(lambda size, batched, x: (jnp.sin(x), batched[0]))
    return f


def own_gradient():
    return ferax.custom_gradient(lambda x: (jnp.sin(x), lambda ct: 5 * jnp.cos(x) * ct))


def converted():
    def f(x):
        inner, consts = ferax.closure_convert(lambda y: jnp.sin(y) * x / x, x)
        return inner(x, *consts)
    return f


def solved():
    return lambda x: lax.custom_linear_solve(lambda v: 2 * v, 2 * jnp.sin(x), lambda _, b: b / 2, lambda _, b: b / 2)


def root():
    """y with y - sin x = 0."""
    return lambda x: lax.custom_root(lambda y: y - jnp.sin(x), 0.0 * x, lambda f, y: jnp.sin(x), lambda g, y: y / g(jnp.ones_like(y)))


def linear():
    return lambda x: linear_call(lambda r, x: r * x, lambda r, ct: r * ct, np.float32(2), jnp.sin(x) / 2)


# function, factor of its derivative, whether there is a forward mode
FUNCTIONS = {
    "custom_jvp": (own_jvp, 2, True), "custom_vjp": (own_vjp, 3, False), "optimize_remat": (own_optimized_vjp, 3, False),
    "custom_vmap": (own_vmap, 1, True), "sequential_vmap": (lambda: sequential_vmap(jnp.sin), 1, True),
    "custom_gradient": (own_gradient, 5, False), "closure_convert": (converted, 1, True), "linear_solve": (solved, 1, True),
    "root": (root, 1, True), "linear_call": (linear, 1, True)}


def reference(factor):
    return lambda x: factor * jnp.sin(x) + lax.stop_gradient((1 - factor) * jnp.sin(x))


def scanned(f):
    return lambda a: lax.scan(lambda c, x: (f(c) * x, f(x)), a, XS)[0]


def branched(f):
    return lambda x: lax.cond(x > 0.5, f, lambda x: x * x, x)


def repeated(f):
    return lambda x: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, f(s[1])), (0, x))[1]


def again(f):
    return ferax.checkpoint(lambda x: jnp.sin(f(x)))


REVERSE = {
    "value": lambda f: f(X), "jit": lambda f: ferax.jit(f)(X), "grad": lambda f: ferax.grad(f)(X),
    "vjp of jit": lambda f: ferax.vjp(ferax.jit(f), X)[1](X),
    "vmap": lambda f: ferax.vmap(f)(XS), "vmap of vmap": lambda f: ferax.vmap(ferax.vmap(f))(np.stack([XS, XS])),
    "grad of vmap": lambda f: ferax.grad(lambda x: ferax.vmap(f)(x).sum())(XS), "vmap of grad": lambda f: ferax.vmap(ferax.grad(f))(XS),
    "scan": lambda f: scanned(f)(X), "grad of scan": lambda f: ferax.grad(scanned(f))(X),
    "vmap of scan": lambda f: ferax.vmap(scanned(f))(XS),
    "vmap of grad of scan": lambda f: ferax.vmap(ferax.grad(scanned(f)))(XS), "cond": lambda f: branched(f)(X),
    "vmap of grad of cond": lambda f: ferax.vmap(ferax.grad(branched(f)))(XS), "while": lambda f: ferax.vmap(repeated(f))(XS),
    "checkpoint": lambda f: ferax.grad(again(f))(X), "vmap of grad of checkpoint": lambda f: ferax.vmap(ferax.grad(again(f)))(XS),
    "scan of checkpoint": lambda f: ferax.grad(scanned(again(f)))(X), "second order": lambda f: ferax.grad(ferax.grad(f))(X),
    "second order of scan": lambda f: ferax.grad(ferax.grad(scanned(f)))(X), "map": lambda f: ferax.grad(lambda x: lax.map(f, x).sum())(XS),
    "batches": lambda f: lax.map(f, XS, batch_size=2),
}
FORWARD = {
    "jvp": lambda f: ferax.jvp(f, (X,), (X,)), "linearize": lambda f: ferax.linearize(f, X)[1](X),
    "jvp of jit": lambda f: ferax.jvp(ferax.jit(f), (X,), (X,)), "jvp of vmap": lambda f: ferax.jvp(ferax.vmap(f), (XS,), (XS,)),
    "vmap of jvp": lambda f: ferax.vmap(lambda x: ferax.jvp(f, (x,), (X,)))(XS),
    "jvp of scan": lambda f: ferax.jvp(scanned(f), (X,), (X,)), "jvp of cond": lambda f: ferax.jvp(branched(f), (X,), (X,)),
    "jvp of while": lambda f: ferax.jvp(repeated(f), (X,), (X,)), "jvp of checkpoint": lambda f: ferax.jvp(again(f), (X,), (X,)),
    "forward, twice": lambda f: ferax.jacfwd(ferax.jacfwd(f))(X), "forward over reverse": lambda f: ferax.jacfwd(ferax.grad(f))(X),
    "reverse over forward": lambda f: ferax.grad(ferax.jacfwd(f))(X),
}


@pytest.mark.parametrize("make, factor, forward", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_under_every_transformation(make, factor, forward):
    contexts = {**REVERSE, **(FORWARD if forward else {})}
    if make is own_gradient:                    # its value is differentiated as it is computed, once its rule has been used
        del contexts["second order of scan"]

    def run():
        f, plain = make(), reference(factor)
        return {name: (context(f), context(plain)) for name, context in contexts.items()}

    for name, (found, wanted) in ferax.jit(run, compiler_options=quick(ferax))().items():
        for a, b in zip(ferax.tree.leaves(found), ferax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=name)
    eager = make()
    np.testing.assert_allclose(ferax.grad(eager)(X), factor * np.cos(X), rtol=1e-5)
    wanted = ferax.vmap(ferax.grad(scanned(reference(factor))))(XS)
    np.testing.assert_allclose(ferax.vmap(ferax.grad(scanned(eager)))(XS), wanted, rtol=1e-5)
