"""Source locations: where in the user's program something happened, captured cheaply and read late.

``current()`` takes the Python stack as code objects and instruction offsets (0.1 us) and makes no text.  The
other functions turn such a *source* into a frame, a line or a variable name when an error or a report needs
it:

    here = current()
    summarize(here)         'train.py:41 (step)'
    assigned_name(here)     'loss', when line 41 is  loss = jnp.mean(residual)
    expression(here)        'jnp.mean(residual)'

The *user frame* is the innermost one outside of ferax and of the paths given to ``register_exclusion``.  All
of it works as far as it can where there is no source file: notebooks and IPython publish theirs through
``linecache``, a plain ``exec`` or the classic prompt does not, and then lines and names are simply absent.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import itertools
import linecache
import os
import sys
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple

from ferax._src import engine

#: Take the stack as it is now: an opaque, hashable object (None while tracebacks are switched off).
current = engine.get_traceback


class Frame(NamedTuple):
    """A place in a program.  Columns count from 0 as in ``ast``; they and ``end_line`` are None where unknown."""

    file: str
    line: int
    function: str
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None


# -- whose code it is ----------------------------------------------------------------------------------------

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep

# contextlib and functools stand between ferax and the user, and never are what the user wants to read about.
_exclusions: list[str] = [
    _PACKAGE,
    *(os.path.abspath(m.__file__) for m in (contextlib, functools) if m.__file__),
]
_is_internal: dict[str, bool] = {}  # file name as in the code object -> verdict


def register_exclusion(path: str) -> None:
    """Treat files whose path starts with ``path`` like ferax's own: never the user's frame, filtered from tracebacks."""
    _exclusions.append(os.path.abspath(path))
    _is_internal.clear()


def is_internal_file(file: str) -> bool:
    """Whether a code object's file belongs to ferax or to a registered exclusion."""
    verdict = _is_internal.get(file)
    if verdict is None:
        if file.startswith("<"):  # '<stdin>', '<string>', '<frozen runpy>', IPython's older cells
            verdict = file.startswith(("<frozen ", "<ferax"))
        else:
            verdict = os.path.abspath(file).startswith(tuple(_exclusions))
        _is_internal[file] = verdict
    return verdict


# -- frames --------------------------------------------------------------------------------------------------


def _frame(code: CodeType, offset: int) -> Frame:
    """The frame of an instruction; ``offset`` counts bytes, as ``f_lasti`` does."""
    positions = next(itertools.islice(code.co_positions(), offset // 2, None), (None,) * 4)
    line, end_line, column, end_column = positions
    if line is None:
        line = next(
            (n for start, end, n in code.co_lines() if start <= offset < end and n), code.co_firstlineno
        )
    return Frame(code.co_filename, line, code.co_qualname, column, end_line, end_column)


def _raw(source: Any) -> list[tuple[CodeType, int]]:
    """(code, offset) from the innermost frame outward, of anything that remembers a stack."""
    if source is None:
        return []
    if isinstance(source, BaseException):
        source = source.__traceback__
    if isinstance(source, TracebackType):
        raw = []
        tb: TracebackType | None = source
        while tb is not None:
            raw.append((tb.tb_frame.f_code, tb.tb_lasti))
            tb = tb.tb_next
        return raw[::-1]
    if isinstance(source, FrameType):
        raw = []
        frame: FrameType | None = source
        while frame is not None:
            raw.append((frame.f_code, frame.f_lasti))
            frame = frame.f_back
        return raw
    codes, offsets = source.raw_frames()
    return list(zip(codes, offsets))


def user_frames(source: Any, limit: int | None = None) -> list[Frame]:
    """The user's frames, innermost first; ``source`` may also be an exception, a Python traceback or a frame."""
    mine = ((code, offset) for code, offset in _raw(source) if not is_internal_file(code.co_filename))
    return [_frame(code, offset) for code, offset in itertools.islice(mine, limit)]


def user_frame(source: Any) -> Frame | None:
    """The innermost frame outside of ferax, or None."""
    if isinstance(source, Frame):
        return source
    return next(iter(user_frames(source, 1)), None)


def summarize(source: Any, *, full_path: bool = False) -> str:
    """The user's place in short, ``'train.py:41 (step)'``; ``'unknown'`` where there is none."""
    frame = user_frame(source)
    if frame is None:
        return "unknown"
    file = frame.file if full_path or frame.file.startswith("<") else os.path.basename(frame.file)
    function = "" if frame.function == "<module>" else f" ({frame.function.replace('.<locals>', '')})"
    return f"{file}:{frame.line}{function}"


def function_location(fun: Any) -> str:
    """Where a Python function is defined, ``'train.py:12'``; ``''`` for what has no Python code."""
    fun = inspect.unwrap(fun)
    while isinstance(fun, functools.partial):
        fun = inspect.unwrap(fun.func)
    if not hasattr(fun, "__code__"):  # an object with a __call__ of its own
        fun = getattr(type(fun), "__call__", None)  # noqa: B004
    code = getattr(fun, "__code__", None)
    return "" if code is None else f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}"


# -- text ----------------------------------------------------------------------------------------------------


def _lines(file: str) -> list[str]:
    """The lines of a file.  What ``exec`` runs is called '<string>', and so is, since Python 3.13, the program of
    ``python -c``, of which linecache knows the text: that of the one must not be taken for the other's."""
    return [] if file == "<string>" else linecache.getlines(file)


def source_line(source: Any) -> str:
    """The user's line of text, stripped; ``''`` where the source is missing."""
    frame = user_frame(source)
    if frame is None:
        return ""
    lines = _lines(frame.file)
    return lines[frame.line - 1].strip() if 0 < frame.line <= len(lines) else ""


def expression(source: Any) -> str:
    """The text of the expression being evaluated, on one line: ``'jnp.mean(residual)'``; ``''`` where unknown."""
    frame = user_frame(source)
    if frame is None or frame.column is None or frame.end_column is None or frame.end_line is None:
        return ""
    lines = _lines(frame.file)[frame.line - 1 : frame.end_line]
    if len(lines) != frame.end_line - frame.line + 1:
        return ""
    raw = [line.encode() for line in lines]  # columns count bytes of UTF-8
    raw[-1] = raw[-1][: frame.end_column]
    raw[0] = raw[0][frame.column :]
    return " ".join(line.decode(errors="replace").strip() for line in raw)


_trees: dict[str, tuple[int, ast.Module | None]] = {}  # file -> (hash of its text, tree)


def _tree(file: str) -> ast.Module | None:
    text = "".join(_lines(file))
    if not text:
        return None
    key = hash(text)
    known = _trees.get(file)
    if known is None or known[0] != key:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):  # a notebook cell with magics; not Python after all
            tree = None
        known = _trees[file] = (key, tree)
    return known[1]


def _statement_at(body: list[ast.stmt], line: int) -> ast.stmt | None:
    """The innermost statement that contains the line (the last, if several share it)."""
    found: ast.stmt | None = None
    for statement in body:
        if statement.lineno <= line <= (statement.end_lineno or statement.lineno):
            found = statement
    if found is None:
        return None
    blocks = [getattr(found, name, []) for name in ("body", "orelse", "finalbody")]
    blocks += [h.body for h in getattr(found, "handlers", [])] + [c.body for c in getattr(found, "cases", [])]
    return next((inner for block in blocks if (inner := _statement_at(block, line))), found)


def _span(node: ast.AST) -> tuple:
    return tuple(getattr(node, name) for name in ("lineno", "end_lineno", "col_offset", "end_col_offset"))


def assigned_name(source: Any, index: int | None = None) -> str | None:
    """The name of the variable that gets the value computed at ``source``, or None.

    ``'loss'`` where the user wrote ``loss = f(x)`` and the source is the call of ``f``: the expression must
    be all of the right-hand side, so that a name is never given to a mere part of the value.  Attributes and
    items count (``'self.w'``).  With a tuple on the left, ``index`` chooses which.
    """
    frame = user_frame(source)
    if frame is None or frame.column is None:
        return None
    tree = _tree(frame.file)
    statement = None if tree is None else _statement_at(tree.body, frame.line)
    if statement is None:
        return None
    span = (frame.line, frame.end_line, frame.column, frame.end_column)
    if isinstance(statement, ast.AugAssign) and span == _span(statement):
        return ast.unparse(statement.target)
    value = getattr(statement, "value", None)
    if isinstance(statement, (ast.Assign, ast.AnnAssign)) and value is not None and span == _span(value):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        if isinstance(target, (ast.Tuple, ast.List)):
            if (
                index is None
                or any(isinstance(t, ast.Starred) for t in target.elts)
                or index >= len(target.elts)
            ):
                return None
            target = target.elts[index]
        return ast.unparse(target)
    for node in ast.walk(statement):
        if isinstance(node, ast.NamedExpr) and span == _span(node.value):
            return node.target.id
    return None


# -- notes on exceptions -------------------------------------------------------------------------------------


def user_context(exception: BaseException, source: Any = None, *, doing: str = "") -> BaseException:
    """Add a note to an exception raised inside ferax: where in the user's program it came up; returns the exception.

    ``source`` is the place of the operation concerned (the present one by default), ``doing`` says what was
    going on, for example ``"lowering sin"``.  A second note for one exception is left out: the innermost
    knows best.
    """
    if getattr(exception, "_ferax_context", False):
        return exception
    if source is None:
        source = sys._getframe(1)
    frame = user_frame(source)
    if frame is not None:
        line = source_line(frame)
        during = f"while {doing}, for" if doing else "for"
        exception.add_note(f"This came up {during} {summarize(frame)}" + (f":  {line}" if line else ""))
        # Exceptions with __slots__ take no mark; they only risk a second note.
        if hasattr(exception, "__dict__"):
            exception.__dict__["_ferax_context"] = True
    return exception
