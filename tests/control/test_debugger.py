"""`debug.breakpoint`: the debugger sees the variables of a running program, goes on, or ends it."""

import bdb
import functools
import io

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax.debug import breakpoint as stop


def talk(f, *args, commands: str):
    """What ``f(*args)`` answers and what the debugger says to the commands, one a line."""
    said = io.StringIO()
    out = f(functools.partial(stop, stdin=io.StringIO(commands), stdout=said), *args)
    ferax.effects_barrier()
    return out, said.getvalue()


def test_values_frames_and_source():
    def outer(breakpoint, x):
        factor = 5

        @ferax.jit
        def inner(x, tree):
            y = {"a": jnp.sin(x), "b": "text", 1j: 2} if factor == 4 else {"a": x * factor, "b": "text"}
            breakpoint()
            return y["a"]
        return inner(x, (x, None))

    out, said = talk(outer, 2., commands="p x, y\np tree[1]\nl\nw\nu\np factor * 2\ns\nd\np x + 1\nc\n")
    assert float(out) == 10.
    answers = said.split("(fdb) ")
    assert answers[1].strip() == ("(Array(2., dtype=float32, weak_type=True), "
                                  "{'a': Array(10., dtype=float32, weak_type=True), 'b': 'text'})")
    assert answers[2].strip() == "None"
    assert "->" in answers[3] and "breakpoint()" in answers[3]
    assert answers[4].index("outer()") < answers[4].index("inner()")
    assert "outer()" in answers[5] and answers[6].strip() == "10"
    assert "cannot be stepped" in answers[7]
    assert "inner()" in answers[8] and answers[9].strip() == "Array(3., dtype=float32, weak_type=True)"


def test_under_transformations():
    def f(breakpoint, xs):
        def square(x):
            breakpoint(num_frames=1)
            return x ** 2
        return ferax.vmap(ferax.grad(square))(xs)

    out, said = talk(f, jnp.arange(1., 3.), commands="p float(x)\nw\nc\np float(x)\nc\n")
    np.testing.assert_array_equal(out, [2., 4.])
    answers = said.split("(fdb) ")
    assert answers[1].strip() == "1.0" and answers[4].strip() == "2.0"
    assert answers[2].count("->") == 1              # one frame alone was kept


def test_quitting_ends_the_program():
    def f(breakpoint, x):
        @ferax.jit
        def g(x):
            breakpoint()
            return x + 1
        y = g(x)
        ferax.effects_barrier()
        return y

    with pytest.raises(bdb.BdbQuit):
        talk(f, 1., commands="q\n")


def test_token():
    def f(breakpoint, x):
        return ferax.jit(lambda x: breakpoint(token=x * 3) * 2)(x)

    out, said = talk(f, 1., commands="p x\n")       # the end of the input goes on too
    assert float(out) == 6. and "Array(1., dtype=float32, weak_type=True)" in said


def test_refusals():
    with pytest.raises(ValueError, match="token"):
        stop(token=1., ordered=True)
    with pytest.raises(ValueError, match="'web'"):
        stop(backend="web")
    out, said = talk(lambda breakpoint: breakpoint(num_frames=0), commands="")
    assert out is None and "no frame" in said
