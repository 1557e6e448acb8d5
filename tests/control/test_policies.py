"""What a `checkpoint` policy keeps of programs inside the checkpointed function: it is about operations, wherever they stand."""

import numpy as np
import pytest
from quick_compile import quick

import ferax
import ferax.numpy as jnp
from ferax import checkpoint_policies as policies
from ferax import lax
from ferax._src.ir.jaxpr import subjaxprs
from ferax.ad_checkpoint import checkpoint_name, print_saved_residuals

W, X = np.float32([[0.5, -0.3], [0.2, 0.8]]), np.float32([0.3, -0.4])
XS = np.float32([[1, 2], [-1, 0.5], [0.3, 0.2]])


def in_scan(w, x):
    return lax.scan(lambda c, x: (jnp.sin(checkpoint_name(w @ jnp.sin(c), "d")) + x, c), x, XS)


def in_cond(w, x):
    return lax.cond(x[0] < 1, lambda w, x: jnp.sin(checkpoint_name(w @ jnp.sin(x), "d")), lambda w, x: jnp.sin((w @ w)[0] * x), w, x)


def in_jit(w, x):
    return ferax.jit(lambda w, x: jnp.sin(checkpoint_name(w @ jnp.sin(x), "d")))(w, x)


def in_inner_checkpoint(w, x):
    return ferax.checkpoint(in_jit)(w, x)


def in_all(w, x):
    step = lambda c, x: (lax.cond(x[0] < 3, lambda c: jnp.sin(checkpoint_name(w @ jnp.sin(c), "d")), lambda c: c, c) + x, None)
    return ferax.jit(lambda x: lax.scan(step, x, XS)[0])(x)


FUNCTIONS = in_scan, in_cond, in_jit, in_inner_checkpoint, in_all
ONLY_D = policies.save_only_these_names("d")
OFFLOAD = policies.save_and_offload_only_these_names(
    names_which_can_be_saved=[], names_which_can_be_offloaded=["d"], offload_src="device", offload_dst="pinned_host")


def total(f):
    return lambda w, x: sum(jnp.sum(y) for y in ferax.tree.leaves(f(w, x)))


def operations(jaxpr, counts=None):
    counts = {} if counts is None else counts
    inner = getattr(jaxpr, "jaxpr", jaxpr)
    for eqn in inner.eqns:
        counts[eqn.primitive.name] = counts.get(eqn.primitive.name, 0) + 1
    for sub in subjaxprs(inner):
        operations(sub, counts)
    return counts


def counted(f, policy, *names):
    g = ferax.grad(ferax.checkpoint(total(f), policy=policy), (0, 1))
    counts = operations(ferax.make_jaxpr(g)(W, X))
    return [counts.get(name, 0) for name in names]


# Counts of (matrix products, sines) in the gradient: the forward pass, what is done again, and the backward pass. They are JAX's.
@pytest.mark.parametrize("f, nothing, dots, everything", [
    (in_scan, [4, 4], [3, 4], [3, 2]), (in_cond, [8, 4], [6, 4], [6, 3]), (in_jit, [4, 3], [3, 3], [3, 2]),
    (in_inner_checkpoint, [4, 3], [3, 3], [3, 2]), (in_all, [4, 4], [3, 4], [3, 2])])
def test_what_is_computed_again(f, nothing, dots, everything):
    names = "dot_general", "sin"
    assert counted(f, None, *names) == counted(f, policies.nothing_saveable, *names) == nothing
    assert counted(f, policies.dots_saveable, *names) == dots
    assert counted(f, policies.everything_saveable, *names) == everything
    if f is not in_cond:
        assert counted(f, ONLY_D, *names) == counted(f, OFFLOAD, *names) == dots
        assert counted(f, policies.save_anything_except_these_names("d"), *names)[0] == dots[0]     # the product itself, not its name


@pytest.mark.parametrize("policy", [policies.dots_saveable, policies.everything_saveable, ONLY_D, OFFLOAD],
                         ids=["dots", "everything", "names", "offload"])
def test_derivatives(policy):
    def gathered(wrap):
        def run(w, x, xs):
            out = {}
            for f in FUNCTIONS:
                g = total(wrap(f))
                grad = ferax.grad(g, (0, 1))
                out[f.__name__] = (g(w, x), grad(w, x), ferax.jvp(grad, (w, x), (w, x))[1], ferax.vmap(ferax.grad(g, 1), (None, 0))(w, xs),
                                   ferax.grad(lambda x: grad(w, x)[1].sum())(x))
            return out
        return ferax.jit(run, compiler_options=quick(ferax))(W, X, XS)

    found, wanted = gathered(lambda f: ferax.checkpoint(f, policy=policy)), gathered(lambda f: f)
    for a, b in zip(ferax.tree.leaves(found), ferax.tree.leaves(wanted)):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


def test_what_a_loop_hands_over():
    """A product that changes from step to step is stacked; one that does not leaves the loop once; the carry is done again."""
    def f(w, x):
        same = lambda c: jnp.sin(c) * jnp.sin(checkpoint_name(w @ w, "d")).sum()
        return lax.scan(lambda c, x: (same(c), None), x, XS)[0].sum()

    def kept(f, policy):
        leaves = ferax.tree.leaves(ferax.vjp(ferax.checkpoint(f, policy=policy), W, X)[1])
        return sorted(np.shape(leaf) for leaf in leaves)

    assert kept(f, ONLY_D) == [(2,), (2, 2), (2, 2)]            # x, w and w @ w
    assert kept(total(lambda w, x: in_scan(w, x)[0]), ONLY_D) == [(2,), (2, 2), (3, 2), (3, 2)]     # and the rows of XS
    assert kept(total(lambda w, x: in_scan(w, x)[0]), None) == [(2,), (2, 2), (3, 2)]


def test_a_new_carry_that_is_kept_is_not_computed_again():
    f = lambda w, x: lax.scan(lambda c, x: (checkpoint_name(jnp.sin(w @ c), "d"), c * x), x, XS)[1].sum()
    assert counted(f, ONLY_D, "dot_general", "sin") == [3 + 1, 1]
    plain, saved = ferax.grad(f, (0, 1))(W, X), ferax.grad(ferax.checkpoint(f, policy=ONLY_D), (0, 1))(W, X)
    for a, b in zip(plain, saved):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_offloaded_values_are_moved_and_brought_back():
    g = ferax.grad(ferax.checkpoint(total(in_jit), policy=OFFLOAD), (0, 1))
    assert operations(ferax.make_jaxpr(g)(W, X))["device_put"] == 2
    dots = policies.offload_dot_with_no_batch_dims("device", "pinned_host")
    assert counted(in_scan, dots, "dot_general", "device_put") == [3, 2]


def test_effects_inside_programs_happen_once(capsys):
    def f(w, x):
        def step(c, x):
            ferax.debug.print("{}", x[0], ordered=True)
            return jnp.sin(w @ c), None
        return ferax.jit(lambda x: lax.scan(step, x, XS)[0].sum())(x)

    assert counted(f, None, "debug_callback", "sin") == [1, 2]  # the second loop is without the print
    ferax.grad(ferax.checkpoint(f))(W, X)
    ferax.effects_barrier()
    assert capsys.readouterr().out == "1.0\n-1.0\n0.30000001192092896\n"


def test_collectives_are_computed_again():
    f = ferax.checkpoint(lambda x: jnp.sin(lax.psum(jnp.sin(x), "i")))
    jaxpr = ferax.make_jaxpr(ferax.grad(f), axis_env=[("i", 2)])(1.0)
    assert operations(jaxpr)["psum"] == 3                       # forward, again, and the cotangent's


def test_print_saved_residuals(capsys):
    def layer(p, x):
        return ferax.jit(lambda a: jnp.sin(a))(x @ p["w"]).sum() + total(lambda w, x: checkpoint_name(jnp.sin(w @ x), "d") ** 2)(p["w"], x)

    print_saved_residuals(ferax.checkpoint(layer, policy=ONLY_D), {"w": W}, X)
    lines = sorted(line.split(" from test_policies.py")[0] for line in capsys.readouterr().out.splitlines())
    assert lines == ["f32[2,2] from the argument p['w']", "f32[2] from the argument x", "f32[2] named 'd'"]
