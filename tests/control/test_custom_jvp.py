"""`custom_jvp`: the rule is used, wherever the function is called from; and what it says to rules that answer amiss."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax
from ferax._src.control.custom_common import SymbolicZero


def marked():
    """x y + z, with a derivative that is ten times too large: so one sees that the rule was used."""
    @ferax.custom_jvp
    def f(x, y, z):
        return {"a": x * y + z}

    @f.defjvp
    def f_jvp(primals, tangents):
        (x, y, z), (tx, ty, tz) = primals, tangents
        return f(x, y, z), {"a": 10 * (tx * y + x * ty + tz)}
    return lambda x, y, z=0.0: f(x, y, z=z)["a"]


def test_value_and_derivatives():
    f = marked()
    assert f(2.0, 3.0) == 6 and ferax.jit(f)(2.0, 3.0, 1.0) == 7
    for g in (f, ferax.jit(f)):
        assert [float(t) for t in ferax.grad(g, (0, 1, 2))(2.0, 3.0, 1.0)] == [30, 20, 10]
        assert ferax.jvp(g, (2.0, 3.0), (1.0, 2.0)) == (6.0, 70.0)
        assert ferax.grad(ferax.grad(g), 1)(2.0, 3.0) == 10
        assert ferax.jacfwd(ferax.grad(g), 1)(2.0, 3.0) == 10
        assert ferax.linearize(g, 2.0, 3.0)[1](1.0, 0.0) == 30


def test_vmap_in_all_mixtures():
    f = marked()
    xs = np.float32([1, 2, 3])
    for g in (f, ferax.jit(f)):
        assert ferax.vmap(g, (0, None))(xs, 3.0).tolist() == [3, 6, 9]
        assert ferax.vmap(ferax.grad(g), (0, None))(xs, 3.0).tolist() == [30] * 3
        assert ferax.grad(lambda x, y: ferax.vmap(g, (0, None))(x, y).sum(), 1)(xs, 3.0) == 60
        assert ferax.jvp(ferax.vmap(g, (None, 0)), (2.0, xs), (1.0, 0 * xs))[1].tolist() == [10, 20, 30]
        assert ferax.vmap(ferax.vmap(ferax.grad(g, 1), (0, None)), (None, 0))(xs, xs[:2]).tolist() == [[10, 20, 30]] * 2
        assert ferax.jit(ferax.vmap(ferax.jit(ferax.grad(ferax.jit(g))), (0, None)))(xs, 3.0).tolist() == [30] * 3


def test_under_control_flow():
    f = marked()
    loop = lambda x: lax.scan(lambda c, _: (f(c, x), None), 1.0, None, length=2)[0]         # x^2
    assert ferax.grad(loop)(3.0) == 10 * (3.0 + 10 * 3.0)
    assert ferax.grad(lambda x: lax.cond(x > 0, lambda: f(x, x), lambda: x))(3.0) == 60
    assert ferax.grad(ferax.checkpoint(lambda x: jnp.sin(f(x, 2.0))))(0.0) == 20
    assert ferax.jvp(lambda x: lax.while_loop(lambda c: c < 50, lambda c: f(c, x), x), (8.0,), (1.0,))[1] == 160


def test_nondifferentiated_arguments():
    from functools import partial

    @partial(ferax.custom_jvp, nondiff_argnums=(0, 2))
    def apply(fun, x, how):
        return fun(x) if how == "plain" else -fun(x)

    @apply.defjvp
    def apply_jvp(fun, how, primals, tangents):
        assert how == "plain"
        return apply(fun, *primals, how), 10 * tangents[0]
    assert ferax.grad(lambda x: apply(jnp.sin, x, "plain"))(0.3) == 10
    assert ferax.jit(ferax.grad(lambda x: apply(jnp.sin, x, how="plain")))(0.3) == 10
    np.testing.assert_allclose(apply(jnp.sin, 0.3, "minus"), -np.sin(0.3), rtol=1e-6)


def test_traced_nondifferentiated_argument_outlives_its_trace():
    from functools import partial

    @partial(ferax.custom_jvp, nondiff_argnums=(1,))
    def f(x, n):
        return x * n

    @f.defjvp
    def f_jvp(n, primals, tangents):
        return f(*primals, n), 10 * n * tangents[0]
    assert ferax.grad(ferax.jit(f))(3.0, 2.0) == 20             # the rule runs after jit has traced f
    assert ferax.vmap(ferax.grad(ferax.jit(f)), (None, 0))(3.0, np.float32([1, 2])).tolist() == [10, 20]


def test_as_a_method_and_with_names():
    class Model:
        @ferax.custom_jvp
        def f(self, x):
            return x
        f.defjvp(lambda primals, tangents: (primals[1], tangents[1]))
    assert Model.f.__name__ == "f"
    named = ferax.custom_jvp(lambda x, flag: x * 2, nondiff_argnames="flag")
    named.defjvp(lambda flag, p, t: (named(*p, flag), 5 * t[0]))
    assert ferax.grad(named)(1.0, flag=True) == 5


def test_defjvps():
    @ferax.custom_jvp
    def f(x, y):
        return jnp.sin(x) * y
    f.defjvps(lambda t, ans, x, y: 10 * t * y, None)
    assert [float(g) for g in ferax.grad(f, (0, 1))(1.0, 2.0)] == [20, 0]
    with pytest.raises(TypeError, match="nondiff_argnums"):
        ferax.custom_jvp(lambda x, y: x, nondiff_argnums=1).defjvps(None)


def test_symbolic_zeros():
    seen = []

    @ferax.custom_jvp
    def f(x, y):
        return x * y, y

    def rule(primals, tangents):
        seen.append([isinstance(t, SymbolicZero) for t in tangents])
        (x, y), (tx, ty) = primals, tangents
        return f(x, y), (tx * y, ty)
    f.defjvp(rule, symbolic_zeros=True)
    assert ferax.grad(lambda x: f(x, 3.0)[0])(2.0) == 3
    assert ferax.jit(ferax.grad(lambda x: f(x, 3.0)[0]))(2.0) == 3
    assert all(s == [False, True] for s in seen) and seen


def test_integer_arguments():
    @ferax.custom_jvp
    def f(x, i):
        return x * i, i
    f.defjvp(lambda p, t: (f(*p), (t[0] * p[1] * 10, t[1])))
    assert ferax.grad(lambda x: f(x, 3)[0])(2.0) == 30
    assert ferax.jit(ferax.grad(lambda x: f(x, 3)[0]))(2.0) == 30


def test_a_program_is_staged_once():
    calls = []

    @ferax.custom_jvp
    def f(x):
        calls.append(1)
        return x * 2
    f.defjvp(lambda p, t: (f(*p), t[0]))
    ferax.make_jaxpr(lambda x: f(f(f(x))))(1.0)
    assert len(calls) == 1


def rule_of(answer):
    f = ferax.custom_jvp(lambda x: {"v": x * 2})
    f.defjvp(lambda p, t: answer(p[0], t[0]))
    return f


@pytest.mark.parametrize("answer, text", [
    (lambda x, t: x, "must produce a pair"),
    (lambda x, t: ({"v": x}, t), "equal container"),
    (lambda x, t: ({"w": x}, {"w": t}), "the structure that"),
    (lambda x, t: ({"v": x}, {"v": jnp.ones(3)}), r"out\['v'\]  is float32\[\], its tangent float32\[3\]"),
    (lambda x, t: ({"v": x}, {"v": jnp.ones((), jnp.float16)}), r"its tangent float16\[\] where float32\[\]"),
])
def test_rules_that_answer_amiss(answer, text):
    f = rule_of(answer)
    with pytest.raises(TypeError, match=text) as e:
        ferax.jit(lambda x: ferax.jvp(ferax.jit(f), (x,), (x,)))(1.0)
    assert "test_custom_jvp.py" in str(e.value)


def test_primal_output_of_another_shape():
    f = ferax.custom_jvp(lambda x: x)
    f.defjvp(lambda primals, tangents: (jnp.ones(2), jnp.ones(2)))
    with pytest.raises(TypeError, match=r"must produce a pair.* result 0 is float32\[2\] where the function returns float32\[\]"):
        ferax.jvp(ferax.jit(f), (1.0,), (1.0,))


def test_gradients_are_weakly_typed_as_their_functions():
    f = ferax.custom_jvp(lambda x: x)
    f.defjvp(lambda primals, tangents: (f(*primals), tangents[0]))
    assert ferax.grad(f)(2.0).weak_type and ferax.grad(lambda x: x)(2.0).weak_type
    assert not ferax.grad(f)(np.float32(2)).weak_type


def test_other_bad_input():
    with pytest.raises(AttributeError, match="No JVP defined"):
        ferax.custom_jvp(lambda x: x)(1.0)
    with pytest.raises(TypeError, match="expects a function"):
        ferax.custom_jvp(3)
    f = ferax.custom_jvp(lambda x, *, k: x)
    f.defjvp(lambda p, t: (p, t))
    with pytest.raises(TypeError, match="could not be resolved to positions: k"):
        f(1.0, k=2)
    f = ferax.custom_jvp(lambda x: x)
    f.defjvp(lambda p, t: (p, t))
    with pytest.raises(TypeError, match="is of type str"):
        f("hi")


def test_closure_over_a_differentiated_value():
    def loss(w):
        f = ferax.custom_jvp(lambda x: x * w)
        f.defjvp(lambda p, t: (f(*p), t[0]))
        return ferax.jit(lambda x: f(x))(2.0)
    with pytest.raises(TypeError, match="closes over a value that is being differentiated"):
        ferax.grad(ferax.jit(loss))(3.0)
