"""Traceback filtering: what leaves the door ends in the user's line; nothing is lost."""

import inspect
import sys
import threading
import traceback
import types

import pytest

from ferax._src.util import config, source, tracebacks
from ferax._src.util.tracebacks import UnfilteredStackTrace, api_boundary

INTERNAL = """
def fail(x):
    raise TypeError("bad operand")

def calls_back(f, *args):
    return inner(f, *args)

def inner(f, *args):
    return f(*args)

def chained(x):
    try:
        fail(x)
    except TypeError as e:
        raise ValueError("chained") from e
"""


@pytest.fixture
def lib(tmp_path, monkeypatch):
    """A module that counts as ferax's own, with a public door for each function."""
    monkeypatch.setattr(source, "_exclusions", list(source._exclusions))
    path = tmp_path / "internal.py"
    path.write_text(INTERNAL)
    module = types.ModuleType("internal")
    exec(compile(INTERNAL, str(path), "exec"), module.__dict__)
    source.register_exclusion(str(path))
    yield types.SimpleNamespace(
        **{name: api_boundary(fn) for name, fn in vars(module).items() if inspect.isfunction(fn)}
    )
    source._is_internal.clear()


def frames(e):
    return [f.name for f in traceback.extract_tb(e.__traceback__)]


def last_line(e):
    return traceback.extract_tb(e.__traceback__)[-1].line


def test_ends_in_the_users_line(lib):
    with pytest.raises(TypeError) as info:
        lib.fail(1)
    assert frames(info.value) == ["test_ends_in_the_users_line"]
    assert last_line(info.value) == "lib.fail(1)"
    assert not hasattr(info.value, "__notes__")


def test_the_users_function_inside_is_kept(lib):
    def loss(x):
        return lib.fail(x)

    with pytest.raises(TypeError) as info:
        lib.calls_back(loss, 1)
    assert frames(info.value) == ["test_the_users_function_inside_is_kept", "loss"]
    assert last_line(info.value) == "return lib.fail(x)"


def test_the_complete_traceback_is_kept(lib):
    def loss(x):
        return lib.fail(x)

    with pytest.raises(TypeError) as info:
        lib.calls_back(loss, 1)
    complete = [f.name for f in traceback.extract_tb(info.value.__unfiltered_traceback__)]
    assert complete == ["boundary", "calls_back", "inner", "loss", "boundary", "fail"]


def test_an_error_of_the_users_own(lib):
    def loss(x):
        raise KeyError(x)

    with pytest.raises(KeyError) as info:
        lib.calls_back(loss, 1)
    assert frames(info.value)[-1] == "loss" and last_line(info.value) == "raise KeyError(x)"


def test_only_the_outermost_door_filters(lib):
    seen = []

    def loss(x):
        try:
            lib.fail(x)
        except TypeError as e:
            seen.append(frames(e))
            raise

    with pytest.raises(TypeError) as info:
        lib.calls_back(loss, 1)
    assert seen == [["loss", "boundary", "fail"]]
    assert frames(info.value) == ["test_only_the_outermost_door_filters", "loss"]


def test_chained_exceptions_are_filtered(lib):
    def user():
        raise KeyError("k")

    @api_boundary
    def door():
        try:
            lib.calls_back(user)
        except KeyError as e:
            raise ValueError("chained") from e

    with pytest.raises(ValueError) as info:
        door()
    assert frames(info.value.__cause__) == ["door", "user"]
    with pytest.raises(ValueError) as info:
        lib.chained(1)
    assert str(info.value.__cause__) == "bad operand" and frames(info.value)[-1].startswith("test_")


def test_off(lib):
    with config.traceback_filtering("off"), pytest.raises(TypeError) as info:
        lib.fail(1)
    assert frames(info.value) == ["test_off", "boundary", "fail"]


def test_remove_frames_says_so_and_shows_all(lib):
    with config.traceback_filtering("remove_frames"), pytest.raises(TypeError) as info:
        lib.fail(1)
    e = info.value
    assert frames(e) == ["test_remove_frames_says_so_and_shows_all"]
    assert "For simplicity, ferax has removed its internal frames" in e.__notes__[0]
    assert isinstance(e.__cause__, UnfilteredStackTrace) and frames(e.__cause__) == ["boundary", "fail"]
    text = "".join(traceback.format_exception(e))
    assert text.index("internal.py") < text.index("direct cause") < text.index("bad operand\n---")


def test_tracebackhide_marks_frames(lib):
    with config.traceback_filtering("tracebackhide"), pytest.raises(TypeError) as info:
        lib.fail(1)
    tb, hidden = info.value.__traceback__, []
    while tb is not None:
        hidden.append(bool(tb.tb_frame.f_locals.get("__tracebackhide__")))
        tb = tb.tb_next
    assert hidden == [False, True, True]


def test_auto_folds_in_ipython(monkeypatch):
    assert tracebacks.filtering_mode() == "quiet_remove_frames"
    shell = types.ModuleType("IPython")
    shell.get_ipython = lambda: object()
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert tracebacks.filtering_mode() == "tracebackhide"


def test_unknown_mode():
    with pytest.raises(
        ValueError, match="'off', 'tracebackhide', 'remove_frames', 'quiet_remove_frames', 'auto'"
    ):
        config.traceback_filtering("all")


def test_signature_and_name_are_kept():
    @api_boundary
    def door(x, *, axis: int = 0):
        """Doc."""
        return x, axis

    assert (
        str(inspect.signature(door)) == "(x, *, axis: 'int' = 0)"
        or str(inspect.signature(door)) == "(x, *, axis: int = 0)"
    )
    assert door.__name__ == "door" and door.__doc__ == "Doc." and door.__wrapped__(1) == (1, 0)
    assert door(1, axis=2) == (1, 2)


def test_methods():
    class Model:
        @api_boundary
        def apply(self, x):
            return self, x

    model = Model()
    assert model.apply(3) == (model, 3)


def test_threads(lib):
    seen = []

    def worker():
        try:
            lib.fail(1)
        except TypeError as e:
            seen.append(frames(e))

    thread = threading.Thread(target=worker)
    thread.start()
    thread.join()
    assert seen == [["worker"]]


def test_exits_pass_untouched():
    @api_boundary
    def door():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as info:
        door()
    assert frames(info.value) == ["test_exits_pass_untouched", "boundary", "door"]
