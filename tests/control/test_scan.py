"""`scan` against Python loops: values, derivatives of first and second order, batching, and what it says to bad input."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax


def python_scan(f, init, xs, length=None, reverse=False):
    """The meaning of scan, unrolled."""
    n = length if length is not None else len(ferax.tree.leaves(xs)[0])
    carry, ys = init, []
    for i in reversed(range(n)) if reverse else range(n):
        carry, y = f(carry, ferax.tree.map(lambda x, i=i: x[i], xs))
        ys.append(y)
    if reverse:
        ys.reverse()
    return carry, ferax.tree.map(lambda *rows: jnp.stack(rows), *ys)


def assert_close(a, b, tol=2e-5):
    a, b = ferax.tree.leaves(a), ferax.tree.leaves(b)
    assert len(a) == len(b)
    for x, y in zip(a, b):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tol, atol=tol)


def step(carry, x):
    h = jnp.sin(carry["h"] * x["a"] + x["b"])
    return {"h": h, "n": carry["n"] + 1}, (h * carry["h"], x["a"] + 1)


INIT = {"h": np.float32([0.3, -0.2]), "n": np.int32(0)}
XS = {"a": np.linspace(0.1, 1, 10, dtype=np.float32).reshape(5, 2), "b": np.float32([1, 2, 3, 4, 5])}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [0, 2, 3, 5, 7, True])
def test_values(reverse, unroll):
    expected = python_scan(step, INIT, XS, reverse=reverse)
    assert_close(lax.scan(step, INIT, XS, reverse=reverse, unroll=unroll), expected)
    assert_close(ferax.jit(lambda c, x: lax.scan(step, c, x, reverse=reverse, unroll=unroll))(INIT, XS), expected)


def test_values_keep_types():
    (h, n), ys = lax.scan(lambda c, x: ((c[0] + x, c[1] + 1), c[0]), (np.float16(0), np.uint8(3)), np.ones(4, np.float16))
    assert h.dtype == jnp.float16 and n.dtype == jnp.uint8 and ys.dtype == jnp.float16
    assert n == 7 and ys.tolist() == [0, 1, 2, 3]


def test_length_without_xs():
    carry, ys = lax.scan(lambda c, _: (2 * c, c), 1, None, length=5)
    assert carry == 32 and ys.tolist() == [1, 2, 4, 8, 16]
    assert lax.scan(lambda c, x: (c + x, None), 0, jnp.arange(3))[1] is None


@pytest.mark.parametrize("unroll", [1, 4])
def test_length_zero(unroll):
    carry, ys = lax.scan(lambda c, x: (c + x, (c, x)), 1.5, jnp.zeros((0,)), unroll=unroll)
    assert carry == 1.5 and ys[0].shape == ys[1].shape == (0,)
    g = ferax.grad(lambda c: lax.scan(lambda c, x: (c * c + x, c), c, jnp.zeros((0,)))[0])(3.0)
    assert g == 1.0


def test_weak_carry_takes_the_type_of_a_step():
    carry, _ = lax.scan(lambda c, x: (c + x, None), 0, np.float32([1, 2.5]))
    assert carry.dtype == jnp.float32 and carry == 3.5


def test_carry_that_does_not_change():
    w = np.float32([2, 3])

    def f(w, x):
        (w, h), y = lax.scan(lambda c, x: ((c[0], c[1] * c[0] + x), c[0] * x), (w, x[0]), x)
        return jnp.sum(w * h) + jnp.sum(y)

    x = np.float32([[1, 2], [3, 4], [5, 6]])
    expected = ferax.grad(lambda w, x: _unrolled_fixed(w, x), (0, 1))(w, x)
    assert_close(ferax.grad(f, (0, 1))(w, x), expected)


def _unrolled_fixed(w, x):
    (w, h), y = python_scan(lambda c, x: ((c[0], c[1] * c[0] + x), c[0] * x), (w, x[0]), x)
    return jnp.sum(w * h) + jnp.sum(y)


# --- derivatives ----------------------------------------------------------------------------------

def with_consts(run):
    """A loss through a loop with closed-over values, carry, xs, and results of both kinds."""
    def loss(w, h, xs):
        def body(c, x):
            new = jnp.tanh(c @ w + x) * jnp.sin(w[0])           # sin(w[0]) does not vary from step to step
            return new, (new * x, jnp.cos(w).sum())
        last, (ys, zs) = run(body, h, xs)
        return jnp.sum(last ** 2) + jnp.sum(ys * ys) + zs[-1] * last[0]
    return loss


ARGS = (np.float32([[0.5, -0.3], [0.2, 0.8]]), np.float32([0.1, 0.4]),
        np.float32([[1, 0.5], [0.2, -0.7], [0.3, 0.9], [-1, 0.1]]))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [1, 3])
def test_grad(reverse, unroll):
    looped = with_consts(lambda f, c, xs: lax.scan(f, c, xs, reverse=reverse, unroll=unroll))
    unrolled = with_consts(lambda f, c, xs: python_scan(f, c, xs, reverse=reverse))
    expected = ferax.grad(unrolled, (0, 1, 2))(*ARGS)
    assert_close(ferax.grad(looped, (0, 1, 2))(*ARGS), expected)
    assert_close(ferax.jit(ferax.grad(looped, (0, 1, 2)))(*ARGS), expected)
    assert_close(ferax.grad(ferax.jit(looped), (0, 1, 2))(*ARGS), expected)


def test_jvp():
    tangents = tuple(np.cos(np.arange(a.size, dtype=np.float32)).reshape(a.shape) for a in ARGS)
    looped, unrolled = with_consts(lax.scan), with_consts(python_scan)
    assert_close(ferax.jvp(looped, ARGS, tangents), ferax.jvp(unrolled, ARGS, tangents))
    assert_close(ferax.jvp(lambda w: looped(w, *ARGS[1:]), ARGS[:1], tangents[:1]),
                 ferax.jvp(lambda w: unrolled(w, *ARGS[1:]), ARGS[:1], tangents[:1]))


def test_second_order_in_all_mixtures():
    looped, unrolled = with_consts(lax.scan), with_consts(python_scan)
    expected = ferax.jacrev(ferax.grad(unrolled))(*ARGS)
    for outer, inner in ((ferax.jacfwd, ferax.grad), (ferax.jacrev, ferax.jacfwd)):
        assert_close(outer(inner(looped))(*ARGS), expected, 1e-4)
    assert_close(ferax.jit(ferax.hessian(looped))(*ARGS), expected, 1e-4)


def test_grad_against_finite_differences(x64):
    args = tuple(np.float64(a) for a in ARGS)
    loss = with_consts(lax.scan)
    directions = tuple(np.cos(np.arange(a.size, dtype=float)).reshape(a.shape) for a in args)
    eps = 1e-6
    up, down = (loss(*(a + s * eps * d for a, d in zip(args, directions))) for s in (1, -1))
    along = sum(jnp.vdot(g, d) for g, d in zip(ferax.grad(loss, (0, 1, 2))(*args), directions))
    np.testing.assert_allclose(along, (up - down) / (2 * eps), rtol=1e-7)


def test_integer_carry_beside_a_differentiated_one():
    def f(x):
        (x, i), ys = lax.scan(lambda c, _: ((c[0] * c[0] + c[1], c[1] + 1), c[0] * c[1]), (x, 0), None, length=3)
        return x + ys.sum() + i
    g = ferax.grad(f)(0.5)
    eps = 1e-2
    np.testing.assert_allclose(g, (f(0.5 + eps) - f(0.5 - eps)) / (2 * eps), rtol=1e-2)


def test_what_depends_on_constants_alone_is_computed_once_and_not_stacked():
    def loss(w, xs):
        return lax.scan(lambda c, x: (c * jnp.exp(w) + x, None), 0.0, xs)[0]
    text = str(ferax.make_jaxpr(ferax.grad(loss))(1.0, jnp.ones(7)))
    assert text.count("exp") == 1
    assert text.count("f32[7]") <= 3                # xs, and the carry that the backward pass needs


def test_linear_transpose_with_a_counter():
    def f(x):
        return lax.scan(lambda c, _: ((c[0] * 2 + c[1], c[1], c[2] + 1), c[0]), (x, x, 0), None, length=3)[0][0]
    (ct,) = ferax.linear_transpose(f, 1.0)(1.0)
    assert ct == f(1.0)


# --- vmap -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("in_axes", [(0, None, None), (None, 0, None), (None, None, 0), (None, None, 1), (1, 1, 2), (0, 0, 0)])
def test_vmap(in_axes):
    f = lambda w, h, xs: lax.scan(lambda c, x: (jnp.tanh(c @ w + x), c * 2), h, xs)
    args = [a if d is None else np.stack([a, 2 * a, -a], d) for a, d in zip(ARGS, in_axes)]
    out = ferax.vmap(f, in_axes)(*args)
    for i in range(3):
        one = f(*(a if d is None else a.take(i, d) for a, d in zip(args, in_axes)))
        assert_close(ferax.tree.map(lambda x, i=i: x[i], out), one)


def test_vmap_of_grad_and_grad_of_vmap():
    looped, unrolled = with_consts(lax.scan), with_consts(python_scan)
    hs = np.stack([ARGS[1], -ARGS[1], 2 * ARGS[1]])
    per_example = ferax.vmap(ferax.grad(looped), (None, 0, None))(ARGS[0], hs, ARGS[2])
    assert_close(per_example, np.stack([ferax.grad(unrolled)(ARGS[0], h, ARGS[2]) for h in hs]))
    total = ferax.grad(lambda w: ferax.vmap(looped, (None, 0, None))(w, hs, ARGS[2]).sum())(ARGS[0])
    assert_close(total, per_example.sum(0))


def test_carry_becomes_mapped_after_some_steps():
    def f(x):                                       # b is mapped after one step, a after two
        return lax.scan(lambda c, _: ((c[1], c[2] * 1.0, c[2]), c[0]), (0.0, 0.0, x), None, length=4)
    out = ferax.vmap(f)(np.float32([1, 2]))
    assert out[1].tolist() == [[0, 0, 1, 1], [0, 0, 2, 2]]


# --- nesting, effects, disable_jit ----------------------------------------------------------------

def test_scan_in_scan():
    def outer(run):
        def f(w):
            def body(c, x):
                inner, ys = run(lambda d, y: (d * w + y, d), c, jnp.stack([x, x + 1]))
                return inner, ys.sum()
            return run(body, 1.0, jnp.arange(1.0, 4.0))
        return lambda w: sum(jnp.sum(v) for v in f(w))
    assert_close(outer(lax.scan)(0.3), outer(python_scan)(0.3))
    assert_close(ferax.grad(outer(lax.scan))(0.3), ferax.grad(outer(python_scan))(0.3))
    assert_close(ferax.hessian(outer(lax.scan))(0.3), ferax.hessian(outer(python_scan))(0.3), 1e-4)


def test_closing_over_tracers_of_outer_transformations():
    def f(a, b):
        return lax.scan(lambda c, x: (c * a + b * x, None), a * b, jnp.arange(3.0))[0]
    expected = ferax.grad(lambda a, b: python_scan(lambda c, x: (c * a + b * x, 0), a * b, jnp.arange(3.0))[0], (0, 1))(2.0, 3.0)
    assert_close(ferax.grad(f, (0, 1))(2.0, 3.0), expected)
    assert_close(ferax.vmap(ferax.grad(f, (0, 1)), (0, None))(np.float32([2, 2]), 3.0)[0], np.full(2, expected[0]))


def test_disable_jit_runs_python():
    seen = []
    with ferax.disable_jit():
        carry, ys = lax.scan(lambda c, x: (seen.append(float(c)) or c + x, c * x), 1.0, np.float32([1, 2, 3]), reverse=True)
    assert seen == [1, 4, 6] and carry == 7 and ys.tolist() == [6, 8, 3]


def test_fresh_lambdas_share_one_program():
    from ferax._src.control.tracing_utils import trace_function
    from ferax._src.types.avals import ShapedArray
    tree = ferax.tree.structure((0,))
    closed = [trace_function(lambda x: x + 1.0, tree, [ShapedArray((), np.float32)], "test").closed for _ in range(2)]
    assert closed[0] is closed[1]


def test_rebinding_an_outer_variable_is_seen():
    scale = 2.0

    def body(c, x):
        return c + scale * x, None
    assert lax.scan(body, 0.0, np.float32([1, 2]))[0] == 6
    scale = 3.0
    assert lax.scan(body, 0.0, np.float32([1, 2]))[0] == 9


# --- bad input ------------------------------------------------------------------------------------

def test_carry_of_another_type():
    def step(carry, x):
        return {"count": carry["count"] + x, "w": carry["w"]}, None
    with pytest.raises(TypeError) as e:
        lax.scan(step, {"count": np.int32(0), "w": 1.0}, np.ones(3, np.float32))
    text = str(e.value)
    assert text.startswith("scan: the carry changed type after one step of `step` (test_scan.py:")
    assert "carry['count']  started as int32[]  and came back as  float32[]" in text
    assert "carry['w']" not in text and "docs/errors/scan-carry.md" in text


def test_carry_of_another_shape():
    with pytest.raises(TypeError, match=r"carry\[1\]  started as float32\[2\]  and came back as  float32\[3\]"):
        lax.scan(lambda c, x: ((c[0], jnp.zeros(3)), None), (0.0, jnp.zeros(2)), jnp.ones(3))


def test_carry_of_another_structure():
    with pytest.raises(TypeError, match="the carry changed its structure") as e:
        lax.scan(lambda c, x: ({"a": c["a"]}, None), {"a": 0.0, "b": 1.0}, jnp.ones(3))
    assert "different" in str(e.value)


@pytest.mark.parametrize("call, error, text", [
    (lambda: lax.scan(lambda c, x: (c, x), 0, (jnp.ones(3), jnp.ones(4))), ValueError,
     "different leading axis sizes"),
    (lambda: lax.scan(lambda c, x: (c, x), 0, {"a": jnp.ones(3), "s": 1.0}), ValueError, r"no leading axis.*xs\['s'\]"),
    (lambda: lax.scan(lambda c, x: (c, x), 0, jnp.ones(3), length=2), ValueError, "`length` argument of 2"),
    (lambda: lax.scan(lambda c, x: (c, x), 0), ValueError, "`length` not provided"),
    (lambda: lax.scan(lambda c, x: (c, x), 0, jnp.ones(3), unroll=-1), ValueError, "`unroll` must be"),
    (lambda: lax.scan(lambda c, x: (c, x), 0, jnp.ones(3), unroll=1.5), TypeError, "`unroll` must be"),
    (lambda: lax.scan(lambda c, x: (c, x), 0, None, length="a"), ValueError, "`length` argument must be an integer"),
    (lambda: lax.scan(lambda c, x: (c, x), 0, None, length=-1), ValueError, "must not be negative"),
    (lambda: lax.scan(lambda c, x: c, 0, jnp.ones(3)), TypeError, "must be a pair"),
    (lambda: lax.scan(lambda c, x: (c, "hi"), 0, jnp.ones(3)), TypeError, r"type str at result\[1\]"),
    (lambda: lax.scan(lambda c, x: (c, x), "hi", jnp.ones(3)), TypeError, "init is of type str"),
    (lambda: lax.scan(3, 0, jnp.ones(3)), TypeError, "must be a function"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_traced_length():
    with pytest.raises(ferax.errors.ConcretizationTypeError, match="must be known while tracing"):
        ferax.jit(lambda n: lax.scan(lambda c, x: (c, x), 0, None, length=n))(3)
