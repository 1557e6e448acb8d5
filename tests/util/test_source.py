"""Source locations: frames, lines, expressions and names recovered from a captured stack."""

import code
import contextlib
import io
import linecache
import os
import threading

import pytest

from ferax._src.util import source

HERE = os.path.basename(__file__)


class Capture:
    """Operations that give the stack where they are used."""

    def __call__(self, *args):
        return source.current()

    def __add__(self, other):
        return source.current()

    __matmul__ = __getitem__ = __add__

    def sum(self):
        return source.current()

    @property
    def w(self):
        return source.current()


op = Capture()


@pytest.fixture(autouse=True)
def capture_is_internal(monkeypatch):
    """Take the methods of Capture for ferax's own, so that the user's frame is the one that uses them."""
    frames = source._raw

    def skipping(where):
        return [(c, o) for c, o in frames(where) if not c.co_qualname.startswith("Capture.")]

    monkeypatch.setattr(source, "_raw", skipping)


def test_user_frame_and_summary():
    here = op()
    frame = source.user_frame(here)
    assert frame.file == __file__ and frame.function == "test_user_frame_and_summary"
    assert source.summarize(here) == f"{HERE}:{frame.line} (test_user_frame_and_summary)"
    assert source.source_line(here) == "here = op()"
    assert source.expression(here) == "op()"
    assert source.summarize(here, full_path=True).startswith(__file__)


def test_nested_functions_are_named_without_locals():
    def step():
        return op()

    assert source.summarize(step()).endswith("(test_nested_functions_are_named_without_locals.step)")


def test_nothing_is_known():
    assert source.user_frame(None) is None
    assert source.summarize(None) == "unknown"
    assert source.source_line(None) == source.expression(None) == ""
    assert source.assigned_name(None) is None


def test_assigned_names():
    loss = op(1)
    assert source.assigned_name(loss) == "loss"
    product = op @ op
    assert source.assigned_name(product) == "product"
    total = op.sum()
    assert source.assigned_name(total) == "total"
    item = op[3]
    assert source.assigned_name(item) == "item"
    weight = op.w
    assert source.assigned_name(weight) == "weight"
    annotated: object = op()
    assert source.assigned_name(annotated) == "annotated"
    over_lines = op(
        1,
        2,
    )
    assert source.assigned_name(over_lines) == "over_lines"
    assert source.expression(over_lines) == "op( 1, 2, )"
    acc = op
    acc += 1
    assert source.assigned_name(acc) == "acc"
    if walrus := op():
        assert source.assigned_name(walrus) == "walrus"


def test_assigned_names_in_blocks_and_targets():
    class Model:
        pass

    model, table = Model(), {}
    for _ in range(1):
        with contextlib.suppress(ValueError):
            try:
                model.loss = op()
            finally:
                table["key"] = op()
    assert source.assigned_name(model.loss) == "model.loss"
    assert source.assigned_name(table["key"]) == "table['key']"


def test_no_name_for_a_part_of_the_value():
    kept = []
    value = kept.append(op()) or 1
    assert value == 1 and source.assigned_name(kept[0]) is None
    assert source.expression(kept[0]) == "op()"
    assert source.assigned_name((lambda: op())()) is None


def test_tuple_targets_need_an_index():
    def two():
        nonlocal where
        where = source.current()
        return 1, 2

    where = None
    first, second = two()
    raw = source._raw(where)
    at_call = source._frame(*raw[1])
    assert source.assigned_name(at_call) is None
    assert source.assigned_name(at_call, 0) == "first" and source.assigned_name(at_call, 1) == "second"
    assert source.assigned_name(at_call, 2) is None


def test_non_ascii_columns():
    größe = "äöü"; wert = op(größe)  # fmt: skip  # noqa: E702
    assert source.expression(wert) == "op(größe)"
    assert source.assigned_name(wert) == "wert"


def test_exec_without_source():
    scope = {"op": op}
    exec("x = op()\n", scope)
    frame = source.user_frame(scope["x"])
    assert frame.file == "<string>" and frame.line == 1
    assert source.summarize(scope["x"]) == "<string>:1"
    assert source.source_line(scope["x"]) == "" and source.assigned_name(scope["x"]) is None
    assert source.expression(scope["x"]) == ""


def test_prompt():
    console = code.InteractiveConsole({"op": op})
    with contextlib.redirect_stderr(io.StringIO()):
        console.push("x = op()")
    assert source.summarize(console.locals["x"]) == "<console>:1"


def test_notebook_cells_come_from_linecache():
    text = "def step():\n    loss = op(1)\n    return loss\nx = step()\n"
    name = "<ipython-input-7-abc>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    try:
        scope = {"op": op}
        exec(compile(text, name, "exec"), scope)
        assert source.summarize(scope["x"]) == f"{name}:2 (step)"
        assert source.source_line(scope["x"]) == "loss = op(1)"
        assert source.assigned_name(scope["x"]) == "loss"
    finally:
        del linecache.cache[name]


def test_a_cell_that_is_not_python():
    name = "<ipython-input-8-abc>"
    text = "x = op()\n%timeit x\n"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    try:
        scope = {"op": op}
        exec(compile("x = op()\n", name, "exec"), scope)
        assert source.assigned_name(scope["x"]) is None
        assert source.source_line(scope["x"]) == "x = op()"
    finally:
        del linecache.cache[name]


def test_exclusion(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_exclusions", list(source._exclusions))
    helper = tmp_path / "lib" / "helper.py"
    helper.parent.mkdir()
    helper.write_text("def run(op):\n    return op()\n")
    scope = {}
    exec(compile(helper.read_text(), str(helper), "exec"), scope)
    assert source.summarize(scope["run"](op)) == "helper.py:2 (run)"
    source.register_exclusion(str(tmp_path / "lib"))
    assert source.summarize(scope["run"](op)).startswith(HERE)
    source._is_internal.clear()


def test_ferax_itself_is_internal():
    assert source.is_internal_file(source.__file__)
    assert source.is_internal_file(contextlib.__file__)
    assert source.is_internal_file("<frozen runpy>")
    assert not source.is_internal_file(__file__) and not source.is_internal_file("<stdin>")


def test_threads_have_their_own_stack():
    seen = []

    def worker():
        seen.append(op())

    thread = threading.Thread(target=worker)
    thread.start()
    thread.join()
    assert source.summarize(seen[0]).endswith("worker)")


def test_other_things_that_remember_a_stack():
    try:
        raise ValueError
    except ValueError as e:
        assert source.source_line(e) == "raise ValueError"
        assert source.user_frame(e.__traceback__) == source.user_frame(e)
    assert len(source.user_frames(source.current(), 2)) == 2


def test_function_location():
    def f():
        pass

    line = f.__code__.co_firstlineno
    assert source.function_location(f) == f"{HERE}:{line}"
    assert source.function_location(op) == f"{HERE}:{Capture.__call__.__code__.co_firstlineno}"
    assert source.function_location(len) == ""


def test_user_context_notes_once():
    error = ValueError("internal")
    source.user_context(error, op(), doing="lowering sin")
    source.user_context(error)
    (note,) = error.__notes__
    assert note.startswith("This came up while lowering sin, for " + HERE)
    assert note.endswith('source.user_context(error, op(), doing="lowering sin")')
