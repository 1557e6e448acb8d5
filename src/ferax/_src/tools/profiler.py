"""The profiler: traces of what ran when, marks in them, and snapshots of the devices' memory.

A trace goes to a directory that TensorBoard and XProf read (``plugins/profile/<time>/<host>.xplane.pb``), as JSON for
ui.perfetto.dev if asked for; `ProfileData` reads the first kind back.  One trace at a time is taken in a process.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import json
import os
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ferax._src import engine
from ferax._src.engine import profiler as _engine
from ferax._src.runtime import devices

ProfileData, ProfileEvent, ProfilePlane = _engine.profile_data_classes()

#: Where ui.perfetto.dev allows a page of its own to load a trace from.
_PERFETTO_PORT = 9001


class ProfileOptions(_engine.ProfileOptions):
    """What a trace records: ``host_tracer_level`` (0 to 3), ``python_tracer_level`` (0, 1), ``advanced_configuration``, ..."""


class TraceAnnotation(_engine.TraceMe):
    """A mark in the trace that lasts as long as the context.

    Parameters
    ----------
    name : str
    **kwargs : what else the trace should say of it

    Examples
    --------
    >>> import ferax
    >>> with ferax.profiler.TraceAnnotation("evaluation", epoch=3):
    ...     x = ferax.numpy.arange(3) * 2
    """


class StepTraceAnnotation(TraceAnnotation):
    """A `TraceAnnotation` for one step of a training loop; ``step_num=`` is its number.

    Tools show the steps of a trace beside each other, and what of them the devices took.
    """

    def __init__(self, name: str, **kwargs):
        super().__init__(name, _r=1, **kwargs)         # _r: the root of a step, for XProf


def annotate_function(func: Callable[..., Any], name: str | None = None, **decorator_kwargs):
    """The function with a `TraceAnnotation` around each call.

    Parameters
    ----------
    func : callable
    name : str; of the mark, by default the function's
    **decorator_kwargs : what else the trace should say of it
    """
    label = name or getattr(func, "__qualname__", None) or func.__name__

    @functools.wraps(func)
    def annotated(*args, **kwargs):
        with TraceAnnotation(label, **decorator_kwargs):
            return func(*args, **kwargs)

    return annotated


# Taking a trace -------------------------------------------------------------------------------------------------------


class _Session:
    """The trace that is being taken."""

    def __init__(self, session: Any, log_dir: str, as_json: bool, with_link: bool):
        self.session, self.log_dir, self.as_json, self.with_link = session, log_dir, as_json, with_link


_lock = threading.Lock()
_session: _Session | None = None


def start_trace(log_dir: os.PathLike | str, create_perfetto_link: bool = False, create_perfetto_trace: bool = False,
                profiler_options: Any = None) -> None:
    """Start to record what the host and the devices do, until `stop_trace`.

    Parameters
    ----------
    log_dir : where the trace is written, for ``tensorboard --logdir``
    create_perfetto_link : print a link that opens the trace in ui.perfetto.dev; `stop_trace` then waits until it was followed
    create_perfetto_trace : also write ``perfetto_trace.json.gz``, to be opened there by hand
    profiler_options : ProfileOptions

    Raises
    ------
    RuntimeError : if a trace is being taken already
    """
    global _session
    with _lock:
        if _session is not None:
            raise RuntimeError("Profile has already been started. Only one profile may be run at a time: call stop_trace() "
                               f"first; the one that is running writes to {_session.log_dir}.")
        _engine.clear_metadata()
        clients = devices.backends()            # a plugin's tracer exists once its client does
        _engine.set_metadata("jaxlib_version", ".".join(map(str, engine.JAXLIB_VERSION)))
        for client in clients.values():
            _engine.set_metadata(f"{client.platform}_version", client.platform_version)
        session = _engine.ProfilerSession(profiler_options if profiler_options is not None else ProfileOptions())
        _session = _Session(session, os.fspath(log_dir), create_perfetto_trace or create_perfetto_link, create_perfetto_link)


def stop_trace() -> None:
    """End the trace and write it to the directory that `start_trace` was given.

    Raises
    ------
    RuntimeError : if no trace is being taken
    """
    global _session
    with _lock:
        if _session is None:
            raise RuntimeError("No profile started: call start_trace(log_dir) first")
        taken, _session = _session, None
        taken.session.stop_and_export(taken.log_dir)
        _engine.clear_metadata()
        if taken.as_json:
            path = _write_perfetto_trace(taken.log_dir)
            if taken.with_link:
                _offer(path)


@contextlib.contextmanager
def trace(log_dir: os.PathLike | str, create_perfetto_link=False, create_perfetto_trace=False,
          profiler_options: Any = None) -> Iterator[None]:
    """Record what happens in the context; the parameters are those of `start_trace`."""
    start_trace(log_dir, create_perfetto_link, create_perfetto_trace, profiler_options)
    try:
        yield
    finally:
        stop_trace()


def _write_perfetto_trace(log_dir: str) -> pathlib.Path:
    """The newest trace below ``log_dir`` as Perfetto wants it: without the field ``metadata``, which it rejects."""
    newest = max((pathlib.Path(log_dir).absolute() / "plugins" / "profile").iterdir(), key=os.path.getmtime)
    found = list(newest.glob("*.trace.json.gz"))
    if len(found) != 1:
        raise ValueError(f"Invalid trace folder: {newest}: expected one file *.trace.json.gz, found {len(found)}")
    with gzip.open(found[0], "rb") as file:
        content = json.load(file)
    content.pop("metadata", None)
    path = newest / "perfetto_trace.json.gz"
    with gzip.open(path, "wb") as file:
        file.write(json.dumps(content).encode())
    return path


def _offer(path: pathlib.Path, port: int = _PERFETTO_PORT) -> None:
    """Serve one file to ui.perfetto.dev, once."""
    body, served = path.read_bytes(), threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path != f"/{path.name}":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            served.set()

        def log_message(self, *args):
            """Nothing: a line for each request would only disturb the program's output."""

    with http.server.HTTPServer(("127.0.0.1", port), Handler) as server:
        print(f"Open URL in browser: https://ui.perfetto.dev/#!/?url=http://127.0.0.1:{server.server_port}/{path.name}", flush=True)
        while not served.is_set():
            server.handle_request()


# Traces that others ask for -------------------------------------------------------------------------------------------

_server: Any = None


def start_server(port: int, requires_backend: bool = True):
    """Answer the profiling requests of TensorBoard or XProf on a port.

    Parameters
    ----------
    port : int
    requires_backend : bool; start the devices first, without which a plugin's activity would be missing

    Returns
    -------
    the server; it runs until `stop_server`

    Raises
    ------
    ValueError : if a server runs already
    """
    global _server
    if _server is not None:
        raise ValueError("Only one profiler server can be active at a time. Stop the other one with stop_server().")
    if requires_backend:
        devices.get_backend()
    _server = _engine.start_server(port)
    return _server


def stop_server() -> None:
    """Stop the server; a ValueError if there is none."""
    global _server
    if _server is None:
        raise ValueError("No active profiler server.")
    _server = None                              # its destructor stops it


def register_subprocess(pid: int, port: int) -> Callable[[], None]:
    """Have the profiler of a child process recorded along with this one's.

    Parameters
    ----------
    pid : int; the child
    port : int; where the child's profiler server listens

    Returns
    -------
    callable that ends it; so does its destruction

    Raises
    ------
    RuntimeError : if the child is registered already or its server does not answer
    """
    return _engine.register_subprocess(pid, port)


# Memory ---------------------------------------------------------------------------------------------------------------


def device_memory_profile(backend: str | None = None) -> bytes:
    """What lies in the devices' memory, and where in the program it was made, for the tool ``pprof``.

    Parameters
    ----------
    backend : str or None; a platform

    Returns
    -------
    bytes; a gzipped protocol buffer
    """
    return gzip.compress(devices.get_backend(backend).heap_profile())


def save_device_memory_profile(filename: os.PathLike | str, backend: str | None = None) -> None:
    """`device_memory_profile` written to a file: ``pprof --web filename`` draws it."""
    profile = device_memory_profile(backend)
    with open(filename, "wb") as file:
        file.write(profile)
