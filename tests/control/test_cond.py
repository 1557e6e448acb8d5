"""`cond` and `switch`: values, derivatives, mapped predicates, forms of the call, and what they say to bad input."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax


def assert_close(a, b):
    for x, y in zip(ferax.tree.leaves(a), ferax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=2e-5, atol=1e-6)


def branches(w):
    return (lambda x: {"a": jnp.sin(x) * w, "n": 1}, lambda x: {"a": x * x * x, "n": 2})


def chosen(pred, w, x):
    return lax.cond(pred, *branches(w), x)


@pytest.mark.parametrize("pred", [True, False])
def test_values(pred):
    expected = branches(2.0)[0 if pred else 1](np.float32([1, 2]))
    for p in (pred, np.bool_(pred), jnp.asarray(pred), int(pred), 0.5 * pred):
        assert_close(chosen(p, 2.0, np.float32([1, 2])), expected)
        assert_close(ferax.jit(chosen)(p, 2.0, np.float32([1, 2])), expected)


def test_forms_of_the_call():
    assert lax.cond(True, lambda: 1, lambda: 2) == 1
    assert lax.cond(False, lambda x, y: x, lambda x, y: y, 3, 4) == 4
    assert lax.cond(True, lambda t: t[0], lambda t: t[1], operand=(5, 6)) == 5
    assert lax.cond(True, lambda _: 1, lambda _: 2, operand=None) == 1
    assert lax.cond(False, 1, lambda x: x, 2, lambda x: x * 10) == 20          # the old form
    assert lax.cond(pred=True, true_fun=lambda x: x, false_fun=lambda x: -x, operand=3) == 3
    assert lax.switch(1, [lambda x: x, lambda x: 2 * x], 3) == 6


def test_switch_clamps():
    f = lambda i: lax.switch(i, [lambda: 10, lambda: 20, lambda: 30])
    assert [int(f(i)) for i in (-5, 0, 1, 2, 9)] == [10, 10, 20, 30, 30]
    assert ferax.jit(f)(np.uint8(200)) == 30
    assert ferax.vmap(f)(np.arange(-1, 4)).tolist() == [10, 10, 20, 30, 30]
    assert lax.switch(3, [lambda x: x + 1], 1) == 2


def test_weak_types_of_results():
    """Numbers have the dtype of numbers; where dtypes agree the result is as weakly typed as that of the first branch, false."""
    x = np.float32(3)
    same, one, two = lambda x: x, lambda x: 1.0, lambda x: 2.0
    for weak, if_true, if_false in [(True, same, one), (False, one, same), (True, two, one)]:
        out = lax.cond(True, if_true, if_false, x)
        assert (out.dtype, out.weak_type) == (np.float32, weak)
    assert lax.switch(1, [lambda x: 2.0, lambda x: x], x).weak_type
    for number, other in ((1.0, np.float16(2)), (0, x)):
        with pytest.raises(TypeError, match="must have identical types"):
            lax.cond(True, lambda x, n=number: n, lambda x: x, other)


@pytest.mark.parametrize("pred", [True, False])
def test_derivatives(pred):
    w, x = np.float32(0.7), np.float32([0.3, -1.2])
    loss = lambda run: lambda w, x: jnp.sum(run(w, x)["a"] ** 2)
    looped, plain = loss(lambda w, x: chosen(pred, w, x)), loss(lambda w, x: branches(w)[0 if pred else 1](x))
    traced = loss(lambda w, x: ferax.jit(chosen)(pred, w, x))
    for f in (looped, traced):
        assert_close(ferax.grad(f, (0, 1))(w, x), ferax.grad(plain, (0, 1))(w, x))
        assert_close(ferax.jvp(f, (w, x), (np.float32(1), x)), ferax.jvp(plain, (w, x), (np.float32(1), x)))
        expected = ferax.jacfwd(ferax.grad(plain, (0, 1)), (0, 1))(w, x)
        assert_close(ferax.jacfwd(ferax.grad(f, (0, 1)), (0, 1))(w, x), expected)
        assert_close(ferax.jacrev(ferax.grad(f, (0, 1)), (0, 1))(w, x), expected)
        assert_close(ferax.jacrev(ferax.jacfwd(f, (0, 1)), (0, 1))(w, x), expected)


def test_derivative_with_respect_to_what_one_branch_only_reads():
    f = lambda p, a, b: lax.cond(p, lambda: a * a, lambda: b)
    assert [float(g) for g in ferax.grad(f, (1, 2))(True, 3.0, 4.0)] == [6, 0]
    assert [float(g) for g in ferax.grad(f, (1, 2))(False, 3.0, 4.0)] == [0, 1]


def test_residuals_of_branches_share_places():
    f = lambda p, x: lax.cond(p, lambda x: jnp.sin(x), lambda x: jnp.cos(x), x)
    jaxpr = ferax.make_jaxpr(lambda p, x: ferax.vjp(lambda x: f(p, x), x)[1](1.0))(True, 1.0)
    first = next(e for e in jaxpr.eqns if e.primitive.name == "cond")
    assert len(first.outvars) == 2                              # the result, and one residual for both


def test_vmap_of_operands_with_one_predicate():
    xs = np.float32([[1, 2], [3, 4], [5, 6]])
    for p in (True, False):
        out = ferax.vmap(chosen, (None, None, 0))(p, 2.0, xs)
        assert_close(out["a"], np.stack([chosen(p, 2.0, x)["a"] for x in xs]))
        assert out["n"].tolist() == [1 if p else 2] * 3


def test_vmap_with_a_mapped_predicate():
    ps, xs = np.array([True, False, True]), np.float32([[1, 2], [3, 4], [5, 6]])
    out = ferax.vmap(chosen, (0, None, 1))(ps, 2.0, xs.T)
    assert_close(out["a"], np.stack([chosen(p, 2.0, x)["a"] for p, x in zip(ps, xs)]))
    assert out["n"].tolist() == [1, 2, 1]
    g = ferax.vmap(ferax.grad(lambda x, p: jnp.sum(chosen(p, 2.0, x)["a"])))(xs, ps)
    assert_close(g, np.stack([ferax.grad(lambda x: jnp.sum(chosen(p, 2.0, x)["a"]))(x) for p, x in zip(ps, xs)]))


def test_mapped_predicate_and_effects():
    def f(p, x):
        return lax.cond(p, lambda x: (ferax.debug.print("{}", x), x)[1], lambda x: x, x)
    with pytest.raises(NotImplementedError, match="mapped predicate"):
        ferax.vmap(f)(np.array([True, False]), np.float32([1, 2]))


def test_inside_scan():
    def f(x, run_cond):
        def body(c, i):
            return run_cond(i % 2 == 0, lambda c: c * x, lambda c: c + jnp.sin(x) * c, c), c
        return lax.scan(body, x, jnp.arange(5))[0]
    looped = lambda x: f(x, lax.cond)
    plain = lambda x: f(x, lambda p, true_fun, false_fun, c: jnp.where(p, true_fun(c), false_fun(c)))
    for order in (lambda g: g, ferax.grad, ferax.hessian):
        assert_close(order(looped)(0.8), order(plain)(0.8))
    xs = np.float32([0.1, 0.5])
    assert_close(ferax.vmap(ferax.grad(looped))(xs), np.stack([ferax.grad(plain)(x) for x in xs]))


def test_unused_results_are_pruned():
    f = lambda p, x: lax.cond(p, lambda x: (x, jnp.sin(x)), lambda x: (2 * x, jnp.cos(x)), x)[0]
    text = str(ferax.make_jaxpr(ferax.grad(f, 1))(True, 1.0))
    assert "sin" not in text.split("cond", 2)[-1]


def test_disable_jit_runs_python():
    seen = []
    with ferax.disable_jit():
        lax.cond(True, lambda: seen.append("yes"), lambda: seen.append("no"))
        lax.switch(7, [lambda: seen.append(0), lambda: seen.append(1)])
    assert seen == ["yes", 1]


def test_results_of_other_types():
    with pytest.raises(TypeError) as e:
        lax.cond(True, lambda x: {"loss": x}, lambda x: {"loss": jnp.ones(3)}, np.float32(1))
    text = str(e.value)
    assert "result['loss']  is float32[3] in false_fun and float32[] in true_fun" in text and "test_cond.py" in text


def test_results_of_other_structures():
    with pytest.raises(TypeError, match="same type structure") as e:
        lax.cond(True, lambda x: (x, x), lambda x: x, 1.0)
    assert "true_fun" in str(e.value)


@pytest.mark.parametrize("call, error, text", [
    (lambda: lax.cond(jnp.ones(2) > 0, lambda: 1, lambda: 2), TypeError, r"Pred must be a scalar, got bool\[2\].*jnp.where"),
    (lambda: lax.cond("yes", lambda: 1, lambda: 2), TypeError, "boolean or number"),
    (lambda: lax.cond(True, 1, 2), TypeError, "should be callable"),
    (lambda: lax.cond(True, lambda x: x, lambda x: x, 1, operand=2), TypeError, "no positional operands"),
    (lambda: lax.cond(True, lambda x: x, lambda x: x, 1, linear=(True, False)), TypeError, "linear must have the structure"),
    (lambda: lax.cond(1j, lambda: 1, lambda: 2), TypeError, r"boolean or number, got complex64\[\]"),
    (lambda: lax.switch(0, []), ValueError, "Empty branch sequence"),
    (lambda: lax.switch(0.5, [lambda: 1, lambda: 2]), TypeError, r"must be an integer, got float32\[\]"),
    (lambda: lax.switch(jnp.arange(2), [lambda: 1, lambda: 2]), TypeError, "must be scalar"),
    (lambda: lax.cond(True, lambda x: "a", lambda x: x, 1), TypeError, "returned a value of type str"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
