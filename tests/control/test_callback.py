"""Callbacks into Python: values, order, what vmap and derivatives do, printing, and what they say to bad input."""

import logging

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax
from ferax._src.control.callback import debug_callback, io_callback, pure_callback
from ferax._src.control.debug_print import debug_log, debug_print

F32 = ferax.ShapeDtypeStruct((), jnp.float32)


def sine(x):
    return np.sin(x)


# --- pure -----------------------------------------------------------------------------------------

def test_pure_values():
    f = lambda x: pure_callback(sine, F32, x)
    for g in (f, ferax.jit(f)):
        np.testing.assert_allclose(g(0.5), np.sin(0.5), rtol=1e-6)
    tree = pure_callback(lambda a, k: {"s": a["x"] + k, "n": np.int32(3)}, {"s": F32, "n": np.int32(0)}, {"x": 1.0}, k=2.0)
    assert tree["s"] == 3 and tree["n"] == 3
    assert pure_callback(lambda x: x * 2, jnp.arange(3), jnp.arange(3)).tolist() == [0, 2, 4]
    assert pure_callback(lambda: 2.5, F32) == 2.5


@pytest.mark.parametrize("method", ["sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized"])
def test_pure_vmap(method):
    shapes = []

    def cb(x, y):
        shapes.append((np.shape(x), np.shape(y)))
        return np.asarray(x) * np.asarray(y)
    f = lambda x, y: pure_callback(cb, F32, x, y, vmap_method=method)
    xs = np.float32([1, 2, 3])
    assert ferax.vmap(f, (0, None))(xs, 2.0).tolist() == [2, 4, 6]
    expected = {"expand_dims": [((3,), (1,))], "broadcast_all": [((3,), (3,))], "legacy_vectorized": [((3,), ())]}
    assert shapes == expected.get(method, [((), ())] * 3)


def test_pure_inside_control_flow_and_with_a_custom_derivative():
    @ferax.custom_jvp
    def f(x):
        return pure_callback(sine, F32, x, vmap_method="sequential")
    f.defjvp(lambda p, t: (f(*p), pure_callback(np.cos, F32, *p, vmap_method="sequential") * t[0]))
    np.testing.assert_allclose(ferax.grad(f)(0.3), np.cos(0.3), rtol=1e-6)
    np.testing.assert_allclose(ferax.vmap(ferax.grad(f))(np.float32([0.3, 1])), np.cos([0.3, 1]), rtol=1e-6)
    np.testing.assert_allclose(lax.scan(lambda c, _: (f(c), None), 0.5, None, length=2)[0], np.sin(np.sin(0.5)), rtol=1e-6)


def test_the_callback_evaluates_at_once_wherever_it_is_called():
    def cb(x):
        return np.asarray(jnp.sin(x) * 2)                       # ferax inside: not traced
    f = ferax.jit(ferax.vmap(lambda x: pure_callback(cb, F32, x, vmap_method="sequential")))
    np.testing.assert_allclose(f(np.float32([1, 2])), 2 * np.sin([1, 2]), rtol=1e-6)


# --- io -------------------------------------------------------------------------------------------

def test_io_in_order():
    seen = []

    def note(x):
        seen.append(float(x))

    @ferax.jit
    def f(x):
        io_callback(note, None, x, ordered=True)
        lax.fori_loop(0, 3, lambda i, c: (io_callback(note, None, c + i, ordered=True), c)[1], x)
        lax.cond(x > 0, lambda: io_callback(note, None, -x, ordered=True), lambda: None)
        return io_callback(lambda x: (note(100.0), x)[1], F32, x, ordered=True)
    assert f(1.0) == 1
    ferax.effects_barrier()
    assert seen == [1, 1, 2, 3, -1, 100]


def test_io_is_never_dropped_or_joined():
    seen = []
    f = ferax.jit(lambda x: [io_callback(lambda v: seen.append(1), None, x) for _ in range(2)] and x)
    f(1.0)
    ferax.effects_barrier()
    assert seen == [1, 1]


def test_io_vmap():
    seen = []
    f = lambda x: io_callback(lambda v: (seen.append(float(v)), v)[1], F32, x)
    assert ferax.vmap(f)(np.float32([1, 2])).tolist() == [1, 2] and sorted(seen) == [1, 2]


# --- debug ----------------------------------------------------------------------------------------

def test_print(capfd):
    def f(x):
        debug_print("x = {:.2f}, {y} {name}", x, y=x * 2, name="text")
        return x
    f(1.0)
    ferax.jit(f)(2.0)
    ferax.vmap(f)(np.float32([3, 4]))
    ferax.grad(lambda x: f(x) ** 2)(5.0)
    lax.scan(lambda c, x: (f(c + x), None), 0.0, np.float32([6, 7]))
    ferax.effects_barrier()
    assert capfd.readouterr().out.splitlines() == [
        f"x = {v:.2f}, {2 * v:.1f} text" for v in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 13.0)]


def test_print_in_order_and_of_trees(capfd):
    @ferax.jit
    def f(x):
        for i in range(4):
            debug_print("{}: {}", i, {"a": x + i}, ordered=True)
    f(np.float32([1, 2]))
    ferax.effects_barrier()
    assert capfd.readouterr().out.splitlines() == [f"{i}: {{'a': array([{i + 1}., {i + 2}.], dtype=float32)}}" for i in range(4)]


def test_print_of_equal_formats_shares_one_program():
    from ferax._src.control.callback import debug_callback_p
    jaxprs = [ferax.make_jaxpr(lambda x: debug_print("{}", x))(1.0) for _ in range(2)]
    params = [j.eqns[0].params for j in jaxprs]
    assert jaxprs[0].eqns[0].primitive is debug_callback_p and params[0] == params[1]


def test_log(caplog):
    with caplog.at_level(logging.INFO, logger="ferax"):
        ferax.jit(lambda x: debug_log("value {}", x))(1.0)
        ferax.effects_barrier()
    assert [r.getMessage() for r in caplog.records if r.name == "ferax"] == ["value 1.0"]


def test_debug_callback():
    seen = []
    f = ferax.jit(lambda x: debug_callback(lambda v, tag: seen.append((float(v), tag)), x, tag="t") or x)
    f(1.0)
    ferax.effects_barrier()
    ferax.vmap(f)(np.float32([2, 3]))
    ferax.effects_barrier()
    assert seen == [(1.0, "t"), (2.0, "t"), (3.0, "t")]


# --- bad input ------------------------------------------------------------------------------------

def raising(x):
    raise KeyError("from the user's function")


@pytest.mark.parametrize("call, error, text", [
    (lambda: pure_callback(raising, F32, 1.0), KeyError, "from the user's function"),
    (lambda: pure_callback(lambda x: np.zeros(3, np.float32), F32, 1.0), ValueError, r"shape \(3,\).*shape \(\)"),
    (lambda: pure_callback(sine, "float32", 1.0), TypeError, "ShapeDtypeStruct"),
    (lambda: pure_callback(sine, np.zeros(3), np.zeros(3)), ValueError, "cannot specify 64-bit types"),
    (lambda: pure_callback(sine, F32, "text"), TypeError, "an argument is of type str"),
    (lambda: pure_callback(3, F32), TypeError, "must be a function"),
    (lambda: pure_callback(sine, F32, 1.0, vmap_method="fast"), ValueError, "vmap_method must be one of"),
    (lambda: ferax.vmap(lambda x: pure_callback(sine, F32, x))(jnp.ones(2)), NotImplementedError, "non-None vmap_method"),
    (lambda: ferax.grad(lambda x: pure_callback(sine, F32, x))(1.0), ValueError, "do not support JVP.*custom_jvp"),
    (lambda: ferax.grad(lambda x: io_callback(sine, F32, x))(1.0), ValueError, "IO callbacks do not support JVP"),
    (lambda: ferax.vmap(lambda x: io_callback(sine, F32, x, ordered=True))(jnp.ones(2)), ValueError, "Cannot `vmap` ordered"),
    (lambda: debug_print("{} {}", 1), IndexError, "more places"),
    (lambda: debug_print("{}", 1, 2), ValueError, "Unused arguments to `debug.print`: argument 1"),
    (lambda: debug_print("{x}", y=1), KeyError, "'x'"),
    (lambda: debug_print("plain", x=1), ValueError, "Unused arguments to `debug.print`: 'x'"),
    (lambda: debug_print(1.0), TypeError, "the format must be a str"),
    (lambda: debug_callback("no function"), TypeError, "must be a function"),
])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
        ferax.effects_barrier()
