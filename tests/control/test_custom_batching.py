"""`custom_vmap` and `sequential_vmap`: the rule is used under vmap, also of derivatives, and nowhere else."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax
from ferax._src.control.custom_batching import custom_vmap, sequential_vmap

XS = np.float32([1, 2, 3])


def marked():
    """x y, but mapped ten times that: so one sees that the rule was used."""
    calls = []

    @custom_vmap
    def f(x, y):
        return {"out": x * y}

    @f.def_vmap
    def rule(axis_size, in_batched, x, y):
        calls.append((axis_size, *in_batched))
        return {"out": 10 * x * y}, {"out": any(in_batched)}
    return lambda x, y: f(x, y)["out"], calls


def test_the_rule_is_used_under_vmap_alone():
    f, calls = marked()
    assert f(2.0, 3.0) == 6 and ferax.jit(f)(2.0, 3.0) == 6
    assert not calls
    assert ferax.vmap(f, (0, None))(XS, 2.0).tolist() == [20, 40, 60]
    assert ferax.vmap(f, (None, 0))(2.0, XS).tolist() == [20, 40, 60]
    assert calls == [(3, True, False), (3, False, True)]
    assert ferax.jit(ferax.vmap(ferax.jit(f)))(XS, XS).tolist() == [10, 40, 90]


def test_the_mapped_axis_comes_first():
    seen = []
    f = custom_vmap(lambda x: x.sum())
    f.def_vmap(lambda n, b, x: (seen.append(x.shape), (x.sum(1), True))[1])
    ferax.vmap(f, in_axes=1)(np.ones((4, 3), np.float32))
    assert seen == [(3, 4)]


def test_derivatives():
    f, _ = marked()
    assert ferax.jvp(f, (2.0, 3.0), (1.0, 0.0))[1] == 3
    assert [float(g) for g in ferax.grad(f, (0, 1))(2.0, 3.0)] == [3, 2]
    push = lambda x, t: ferax.jvp(f, (x, 3.0), (t, 0.0))[1]
    assert ferax.vmap(push)(XS, XS).tolist() == [30, 60, 90]
    assert ferax.vmap(push, (0, None))(XS, 1.0).tolist() == [30, 30, 30]
    mapped = ferax.vmap(f, (0, None))
    assert ferax.grad(lambda x, y: mapped(x, y).sum(), 1)(XS, 2.0) == 60


def test_tangents_alone_are_mapped():
    """Where the argument is not mapped, nor is the function: no rule runs, and the result is not mapped."""
    f = ferax.custom_batching.custom_vmap(jnp.sin)
    f.def_vmap(lambda size, batched, x: (5 * jnp.sin(x), batched[0]))
    np.testing.assert_allclose(ferax.jacfwd(ferax.jacfwd(f))(0.7), -np.sin(0.7), rtol=1e-6)
    out, tangents = ferax.vmap(lambda t: ferax.jvp(f, (0.7,), (t,)), out_axes=(None, 0))(np.float32([1, 2]))
    np.testing.assert_allclose(tangents, np.cos(0.7) * np.array([1, 2]), rtol=1e-6)
    np.testing.assert_allclose(out, np.sin(0.7), rtol=1e-6)
    np.testing.assert_allclose(ferax.vmap(lambda x: ferax.jvp(f, (x,), (1.0,))[1])(np.float32([0.7])), [5 * np.cos(0.7)], rtol=1e-6)


def test_under_control_flow():
    f, _ = marked()
    loop = lambda x: lax.scan(lambda c, _: (f(c, x), None), 1.0, None, length=2)[0]
    assert ferax.vmap(loop)(XS).tolist() == [100, 400, 900]


def test_sequential_vmap():
    order = []

    @sequential_vmap
    def f(x, y):
        ferax.debug.callback(lambda v: order.append(float(v)), x)
        return x * y, y
    a, b = ferax.vmap(f, (0, None))(XS, 2.0)
    ferax.effects_barrier()
    assert a.tolist() == [2, 4, 6] and b.tolist() == [2, 2, 2] and order == [1, 2, 3]


def with_rule(rule):
    f = custom_vmap(lambda x: (x, x))
    f.def_vmap(rule)
    return f


@pytest.mark.parametrize("call, error, text", [
    (lambda: custom_vmap(lambda x: x)(1.0), AttributeError, "No batching rule defined"),
    (lambda: ferax.vmap(with_rule(lambda n, b, x: x))(XS), TypeError, "must return a pair"),
    (lambda: ferax.vmap(with_rule(lambda n, b, x: (x, True)))(XS), ValueError, "does not match the structure"),
    (lambda: ferax.vmap(with_rule(lambda n, b, x: ((x, x), (True, True, True))))(XS), ValueError, "batching specification"),
    (lambda: ferax.vmap(lambda w: marked_closure(w))(XS), NotImplementedError, "closes over a value that is mapped"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


def marked_closure(w):
    f = custom_vmap(lambda x: x * w)
    f.def_vmap(lambda n, b, x: (x, b[0]))
    return f(jnp.float32(1))
