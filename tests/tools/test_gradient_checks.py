"""`ferax.test_util` passes right derivatives and finds wrong ones."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax.test_util import check_grads, check_jvp, check_vjp

X = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)


@pytest.mark.parametrize("f, args", [
    (lambda x: jnp.sin(x) @ x.T, (X,)),
    (lambda tree: {"sum": tree["a"].sum() * tree["b"], "int": tree["n"] + 1}, ({"a": X, "b": X[0], "n": np.int32(3)},)),
    (lambda x, y: jnp.real(x * jnp.conj(y)), ((X + 1j * X[::-1]).astype(np.complex64), X)),
    (lambda z: jnp.exp(z), ((X + 1j * X[::-1]).astype(np.complex64),)),
])
def test_right_derivatives_pass(f, args):
    check_grads(f, args, order=2, eps=1e-2, atol=2e-2, rtol=2e-2)
    check_grads(f, args, 1, modes="rev", eps=1e-2, atol={np.dtype(np.float32): 2e-2, np.dtype(np.complex64): 2e-2}, rtol=2e-2)


def test_wrong_derivatives_are_found():
    @ferax.custom_jvp
    def f(x):
        return jnp.sin(x)

    f.defjvp(lambda primals, tangents: (f(*primals), 1.1 * tangents[0] * jnp.cos(primals[0])))
    for modes in ("fwd", "rev"):
        with pytest.raises(AssertionError):
            check_grads(f, (X,), 1, modes=(modes,), eps=1e-2)
    with pytest.raises(AssertionError, match="result"):
        check_jvp(jnp.sin, lambda xs, ts: ferax.jvp(jnp.cos, xs, ts), (X,))
    with pytest.raises(AssertionError, match="cotangents"):
        check_vjp(jnp.sin, lambda x: (jnp.sin(x), lambda ct: (ct,)), (X,))

    @ferax.custom_vjp
    def g(x):
        return x ** 3

    # Right at first, wrong once differentiated again.
    g.defvjp(lambda x: (x ** 3, x), lambda x, ct: (ct * ferax.lax.stop_gradient(3 * x ** 2),))
    check_grads(g, (X,), 1, modes="rev", eps=1e-2, atol=2e-2, rtol=2e-2)
    with pytest.raises(AssertionError):
        check_grads(g, (X,), 2, modes="rev", eps=1e-2, atol=2e-2, rtol=2e-2)


def test_modes():
    with pytest.raises(ValueError, match="sideways"):
        check_grads(jnp.sin, (X,), 1, modes=("sideways",))
