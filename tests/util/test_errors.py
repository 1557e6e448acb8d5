"""The texts of errors about tracers: the value, its type, its origin, the line, the way out."""

import copy
import importlib.util
import os
import pathlib
import pickle
import re

import numpy as np
import pytest

import ferax.errors
from ferax._src import engine
from ferax._src.util import config, errors, source

HERE = os.path.basename(__file__)


class Aval:
    def __init__(self, text):
        self.text = text

    def str_short(self):
        return self.text


class Eqn:
    def __init__(self):
        self.source = source.current()


class FakeTracer:
    """As much of a tracer as the messages look at."""

    def __init__(self, aval, eqn=None, origin=""):
        self.aval, self.eqn, self._origin_text = Aval(aval), eqn, origin

    def _origin(self):
        return self._origin_text

    def __bool__(self):
        raise errors.TracerBoolConversionError(self)

    def __index__(self):
        raise errors.TracerIntegerConversionError(self)

    def __float__(self):
        raise errors.ConcretizationTypeError(self, "float() was called on it")

    def __array__(self, *args, **kwargs):
        raise errors.TracerArrayConversionError(self)


@pytest.fixture(autouse=True)
def tracers_are_internal(monkeypatch):
    frames = source._raw
    monkeypatch.setattr(
        source,
        "_raw",
        lambda where: [
            (c, o)
            for c, o in frames(where)
            if not c.co_qualname.startswith(("FakeTracer.", "Eqn.", "computed"))
        ],
    )


def argument(aval="int32[]"):
    return FakeTracer(aval, origin="the argument x of step at train.py:3, traced for jit")


def computed(aval="bool[]"):
    eqn = Eqn()
    return FakeTracer(aval, eqn, "the result of `gt` at " + source.summarize(eqn.source))


def text_of(info):
    return str(info.value)


def test_bool():
    def step():
        positive = computed()
        if positive:
            return 1

    with pytest.raises(errors.TracerBoolConversionError) as info:
        step()
    line = step.__code__.co_firstlineno
    assert text_of(info) == (
        "Python asked whether `positive`, of type bool[], is true, but it is traced: it stands for values that exist "
        "only when the compiled program runs.\n"
        f"  The value is the result of `gt` at {HERE}:{line + 1} (test_bool.step).\n"
        f"  It was needed at {HERE}:{line + 2} (test_bool.step):  if positive:\n"
        "Use jnp.where(condition, a, b) to choose between values, lax.cond to choose between computations, "
        "lax.while_loop to repeat, and &, |, ~ instead of and, or, not. If the condition depends on arguments that may "
        "be fixed, make them static: jit(f, static_argnames=...). See docs/errors/tracer-bool.md"
    )


def test_an_argument_goes_by_its_name():
    with pytest.raises(errors.TracerBoolConversionError) as info:
        bool(argument("bool[]"))
    assert text_of(info).startswith("Python asked whether `x`, of type bool[], is true")
    assert "  The value is the argument x of step at train.py:3, traced for jit.\n" in text_of(info)


def test_an_expression_goes_by_its_text():
    with pytest.raises(errors.TracerBoolConversionError) as info:
        if computed("bool[3]") or False:
            pass
    assert text_of(info).startswith('Python asked whether `computed("bool[3]")`, of type bool[3], is true')


def test_concretization():
    n = argument("float32[]")
    with pytest.raises(errors.ConcretizationTypeError) as info:
        float(n)
    assert "A concrete value is needed here, but `x`, of type float32[], is traced: it stands for" in text_of(
        info
    )
    assert ":  float(n)\n  float() was called on it.\nConvert with x.astype(...)" in text_of(info)
    assert text_of(info).endswith("See docs/errors/concretization.md")


def test_integer():
    with pytest.raises(errors.TracerIntegerConversionError) as info:
        [1, 2][argument()]
    assert text_of(info).startswith("Python needs `x`, of type int32[], as an integer, but it is traced")
    assert ":  [1, 2][argument()]\n" in text_of(info)
    assert "lax.fori_loop instead of range" in text_of(info)
    assert text_of(info).endswith("See docs/errors/tracer-integer.md")


def test_array():
    with pytest.raises(errors.TracerArrayConversionError) as info:
        np.sin(argument("float32[3]"))
    assert text_of(info).startswith("NumPy needs the values of `x`, of type float32[3], but it is traced")
    assert "ferax.numpy (jnp) instead of NumPy's" in text_of(info)
    assert text_of(info).endswith("See docs/errors/tracer-array.md")


def test_boolean_index():
    message = str(errors.NonConcreteBooleanIndexError(argument("bool[3]")))
    assert message.startswith(
        "The shape of the result depends on how many elements of `x`, of type bool[3], are true, "
        "but it is traced"
    )
    assert "jnp.where(mask, x, fill)" in message and message.endswith("See docs/errors/boolean-index.md")


def test_leak():
    def step():
        return computed("float32[3]")

    message = str(errors.UnexpectedTracerError(step()))
    line = step.__code__.co_firstlineno + 1
    assert message.startswith(
        'A traced value left the function in which it was made: `computed("float32[3]")`, of type float32[3], is used '
        "after the transformation that it belongs to has ended.\n  The value is the result of `gt`"
    )
    assert (
        f'\n    {HERE}:{line} (test_leak.step):  return computed("float32[3]")\n  It was used at {HERE}:'
        in message
    )
    assert "ferax.checking_leaks()" in message and message.endswith("See docs/errors/leaked-tracer.md")


def test_leak_shows_as_many_frames_as_asked():
    def deep(n):
        return deep(n - 1) if n else computed()

    tracer = deep(6)
    with config.tracer_error_num_traceback_frames(2):
        assert str(errors.UnexpectedTracerError(tracer)).count("\n    ") == 2
    with config.tracer_error_num_traceback_frames(0):
        message = str(errors.UnexpectedTracerError(tracer))
    assert "It was made at" not in message


@pytest.mark.parametrize(
    "name, bases",
    [
        ("ConcretizationTypeError", (errors.JAXTypeError, TypeError)),
        ("TracerBoolConversionError", (errors.ConcretizationTypeError, TypeError)),
        ("TracerArrayConversionError", (errors.JAXTypeError, TypeError)),
        ("TracerIntegerConversionError", (errors.JAXTypeError, TypeError)),
        ("NonConcreteBooleanIndexError", (errors.JAXIndexError, IndexError)),
        ("UnexpectedTracerError", (errors.JAXTypeError, TypeError)),
        ("KeyReuseError", (errors.JAXTypeError, TypeError)),
        ("JaxprTypeError", (TypeError,)),
        ("InconclusiveDimensionOperation", (Exception,)),
        ("JaxRuntimeError", (RuntimeError,)),
    ],
)
def test_public_names_and_bases(name, bases):
    cls = getattr(ferax.errors, name)
    assert all(issubclass(cls, base) for base in bases)
    assert name == "JaxRuntimeError" or cls.__module__ == "ferax.errors"


def test_runtime_error_is_the_engines():
    assert ferax.errors.JaxRuntimeError is engine.JaxRuntimeError


def test_copies_and_pickles():
    error = errors.TracerBoolConversionError(argument())
    assert str(copy.copy(error)) == str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(errors.UnexpectedTracerError("mine")) == "mine"
    assert str(errors.KeyReuseError("twice")) == "twice"


def test_a_bare_tracer_still_gives_a_message():
    message = str(errors.ConcretizationTypeError(object()))
    assert message.startswith("A concrete value is needed here, but a value, of type object, is traced")


def test_every_page_named_exists():
    root = pathlib.Path(__file__).parents[2]
    text = pathlib.Path(importlib.util.find_spec("ferax._src.util.errors").origin).read_text()
    named = set(re.findall(r'"([a-z-]+)"(?:,|\))', text.split("# -- tracers where")[1])) & {
        "concretization",
        "tracer-bool",
        "tracer-array",
        "tracer-integer",
        "boolean-index",
    }
    named |= set(re.findall(r"docs/errors/([a-z-]+)\.md", text))
    assert len(named) >= 8
    for page in named:
        lines = (root / "docs" / "errors" / f"{page}.md").read_text()
        assert "**Cause.**" in lines and "**Example.**" in lines and "**Cure.**" in lines, page
