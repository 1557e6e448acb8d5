"""``debug.breakpoint``: Python's debugger, at a line of a program while it runs.

When the line is traced, the frames above it and the variables in them are noted. Those that are traced values become
operands of a callback; when the program comes there, the debugger shows the frames with their values. They can be looked
at, and nothing more: the program does not take anything back, and cannot be stepped.
"""

from __future__ import annotations

import ast
import bdb
import pdb
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

from ferax._src.control.callback import bind_debug, pure_callback
from ferax._src.control.stop_gradient import stop_gradient
from ferax._src.tracing.core import Tracer
from ferax._src.types.pytrees import tree_flatten, tree_map, tree_unflatten
from ferax._src.types.shape_dtype import ShapeDtypeStruct
from ferax._src.util.source import is_internal_file
from ferax._src.util.tracebacks import api_boundary

_one_at_a_time = threading.Lock()


@dataclass(frozen=True, eq=False)
class _Scene:
    """A frame as it was when its line was traced."""

    file: str
    line: int
    function: str
    globals: dict[str, Any]
    locals: dict[str, Any]

    def frame(self, values: dict[str, Any]) -> FrameType:
        """A frame of Python with these variables, at that line."""
        tree = ast.parse("__frame__()", self.file, "eval")
        ast.increment_lineno(tree, self.line - 1)
        code = compile(tree, self.file, "eval").replace(co_name=self.function)
        return eval(code, self.globals | {"__frame__": lambda: sys._getframe(1)}, values)


def _scenes(frame: FrameType | None, filter_frames: bool, num_frames: int | None) -> list[_Scene]:
    """The frames from ``frame`` outwards, the innermost first."""
    found: list[_Scene] = []
    while frame is not None and (num_frames is None or len(found) < num_frames):
        code = frame.f_code
        if not (filter_frames and is_internal_file(code.co_filename)):
            found.append(_Scene(code.co_filename, frame.f_lineno, code.co_name, frame.f_globals, dict(frame.f_locals)))
        frame = frame.f_back
    return found


_HOLE = object()                                # in place of a traced value among the leaves of a variable


def _is_traced(x) -> bool:
    """Whether a leaf is a value of a trace under way, not left over from one that has ended."""
    return isinstance(x, Tracer) and x._trace.alive


class _Stop:
    """What the program calls at the breakpoint, with the values of the traced variables of all frames in a row."""

    def __init__(self, scenes: list[_Scene], options: dict[str, Any]):
        self.scenes = scenes
        self.options = options
        self.holes: list[dict[str, Any]] = [{} for _ in scenes]     # of each frame: variable -> its leaves and structure

    def take_traced(self) -> list:
        """The traced values of all variables, which are left without them."""
        traced: list[Any] = []
        for scene, holes in zip(self.scenes, self.holes):
            for name, value in list(scene.locals.items()):
                try:
                    leaves, tree = tree_flatten(value, is_leaf=lambda x: isinstance(x, Iterator))
                except (TypeError, ValueError):             # a dict whose keys have no order: shown as it is
                    continue
                mine = [x for x in leaves if _is_traced(x)]
                if mine:
                    traced += mine
                    holes[name] = [_HOLE if _is_traced(x) else x for x in leaves], tree
                    scene.locals[name] = None
        return traced

    def __call__(self, *values) -> None:
        given = iter(values)
        frames = []
        for scene, holes in zip(self.scenes, self.holes):
            filled = {name: tree_unflatten(tree, [next(given) if x is _HOLE else x for x in leaves])
                      for name, (leaves, tree) in holes.items()}
            frames.append(scene.frame(scene.locals | filled))
        with _one_at_a_time:
            Debugger(frames, **self.options).run()


class Debugger(pdb.Pdb):
    """Python's debugger over frames that are only to be looked at.

    ``p x`` and ``pp x`` print, ``u`` and ``d`` go to the frames outside and inside, ``w`` lists them, ``l`` shows the source,
    ``c`` continues the program, ``q`` ends it.
    """

    def __init__(self, frames: list[FrameType], completekey="tab", stdin=None, stdout=None):
        super().__init__(completekey, stdin, stdout, nosigint=True, readrc=False)
        self.prompt = "(fdb) "
        self.use_rawinput = stdin is None and stdout is None
        self.frames = frames[::-1]              # the debugger wants the innermost last

    def get_stack(self, f, t):
        return [(frame, frame.f_lineno) for frame in self.frames], len(self.frames) - 1

    def run(self) -> None:                      # type: ignore[override]
        """Talk with the user until the program shall go on."""
        if not self.frames:
            self.message("breakpoint: no frame to show; see filter_frames")
            return
        self.botframe = self.frames[0]
        self.interaction(self.frames[-1], None)

    def do_continue(self, arg):
        """c(ont(inue)): go on with the program."""
        return 1

    def do_quit(self, arg):
        """q(uit): end the program with an error."""
        raise bdb.BdbQuit("quit in the debugger of a breakpoint")

    def do_EOF(self, arg):
        """EOF: go on with the program."""
        self.message("")
        return 1

    def _cannot(self, arg):
        """Not possible: the program is compiled."""
        self.error("the program is compiled: it cannot be stepped, only looked at (p, pp, u, d, w, l) and continued (c)")

    do_c = do_cont = do_continue
    do_q = do_exit = do_quit
    do_step = do_s = do_next = do_n = do_until = do_unt = do_return = do_r = do_jump = do_j = do_run = do_restart = _cannot
    do_break = do_b = do_tbreak = do_debug = do_interact = _cannot


@api_boundary
def breakpoint(*, backend=None, filter_frames=True, num_frames=None, ordered=False, token=None, **kwargs):  # noqa: A001
    """Stop in Python's debugger when the program comes here, with the values that the variables have then.

    Works in all transformed functions. The debugger is `pdb`, with what concerns looking: ``p``, ``pp``, ``u``, ``d``, ``w``,
    ``l``; ``c`` goes on, ``q`` ends the program with an error.

    Parameters
    ----------
    backend : None or 'cli'
    filter_frames : bool; leave out Ferax's own frames
    num_frames : int, how many frames are kept, from this line outwards; None for all
    ordered : bool; whether it is kept in order with other ordered breakpoints and prints
    token : pytree of arrays, instead of ``ordered``; it is answered as it is, without derivatives, and where it is computed and
        used, the program stops in between
    **kwargs : ``stdin``, ``stdout`` and ``completekey``, as of `pdb.Pdb`

    Returns
    -------
    ``token``

    Raises
    ------
    ValueError : if both ``ordered`` and ``token`` are given, or for another backend.
    """
    if token is not None and ordered:
        raise ValueError("breakpoint: `ordered` and `token` are two ways to say the same, give one of them")
    if backend not in (None, "cli"):
        raise ValueError(f"breakpoint: backend must be 'cli' or None, got {backend!r}")
    frame = sys._getframe(1)
    while frame.f_back is not None and is_internal_file(frame.f_code.co_filename):     # of this function's own wrapper
        frame = frame.f_back
    stop = _Stop(_scenes(frame, filter_frames, num_frames), kwargs)
    traced = stop.take_traced()
    if token is None:
        bind_debug(stop, traced, {}, bool(ordered), False)
        return None

    def pass_on(value, *values):
        stop(*values)
        return value
    token, traced = stop_gradient((token, traced))
    return pure_callback(pass_on, tree_map(lambda x: ShapeDtypeStruct(x.shape, x.dtype), token), token, *traced)
