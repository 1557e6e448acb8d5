"""Compiled programs kept on disk, so that the next process need not compile them.

Off until it has a directory (``jax_compilation_cache_dir``).  An entry's name is a hash of all that the machine code depends on:
the program without its locations, compile options, jaxlib's version, platform, devices, XLA_FLAGS and, since the CPU's entries
hold machine code for one model, the CPU's features.  Programs that call Python, or hold addresses of this process, are not kept.

A damaged or unreadable entry is a warning and a compilation, never a failure (unless ``jax_raise_persistent_cache_errors``).
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import platform
import re
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Sequence
from typing import Any

from ferax._src import engine
from ferax._src.engine import compiler
from ferax._src.runtime.lowering import Lowered
from ferax._src.util import monitoring
from ferax._src.util.config import FLAGS

logger = logging.getLogger(__name__)

_MAGIC = b"ferax-executable-1\n"
_HEADER = struct.Struct("<d")  # seconds that compiling took
_SUFFIX = "-cache"
_evict_lock = threading.Lock()

_dir = FLAGS["jax_compilation_cache_dir"]
_enabled = FLAGS["jax_enable_compilation_cache"]
_max_size = FLAGS["jax_compilation_cache_max_size"]
_min_seconds = FLAGS["jax_persistent_cache_min_compile_time_secs"]
_min_bytes = FLAGS["jax_persistent_cache_min_entry_size_bytes"]
_raise_errors = FLAGS["jax_raise_persistent_cache_errors"]


def is_used() -> bool:
    """Whether the cache is on and has a directory."""
    return bool(_enabled.value and _dir.value)


def directory() -> str:
    path = os.path.expanduser(_dir.value)
    if "://" in path and not path.startswith("file://"):
        raise ValueError(
            f"jax_compilation_cache_dir={path!r}: the disk cache wants a directory of this machine's file system"
        )
    return path.removeprefix("file://")


def can_keep(lowered: Lowered) -> bool:
    """Whether a program means the same in another process."""
    return not lowered.host_callbacks and not lowered.process_bound


def key_of(lowered: Lowered, devices: Sequence[Any], options: Any) -> str:
    """The name of a program's entry."""
    from ferax._src.engine import mlir_text  # lazy: loads MLIR's bindings

    client = devices[0].client
    digest = hashlib.sha256(mlir_text.module_bytecode(lowered.module, locations=False))
    alone = len(devices) == 1
    facts = [
        engine.JAXLIB_VERSION,
        client.platform,
        client.platform_version,
        [d.device_kind for d in devices],
        # An executable of the CPU stays on the device that it was compiled for.
        [d.local_hardware_id if alone else d.id for d in devices],
        sorted(os.environ.get("XLA_FLAGS", "").split()),
        os.environ.get("LIBTPU_INIT_ARGS", ""),
        cpu_features() if client.platform == "cpu" else "",
    ]
    digest.update(repr(facts).encode())
    digest.update(compiler.options_fingerprint(options))
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", lowered.name)[:64]
    return f"jit_{name}-{digest.hexdigest()}"


@functools.cache
def cpu_features() -> str:
    """What machine code for this CPU may use, as text."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(("flags", "Features")):
                    return " ".join(sorted(line.partition(":")[2].split()))
    except OSError:
        return f"{platform.machine()} {platform.processor()}"  # not Linux
    return f"{platform.machine()} {platform.processor()}"


def load(key: str, devices: Sequence[Any], options: Any) -> Any | None:
    """The executable kept under ``key``, or None."""
    try:
        path = _path(key)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return None
        if not data.startswith(_MAGIC):
            raise ValueError("the entry is not one of ferax's")
        body = zlib.decompress(data[len(_MAGIC) + _HEADER.size :])
        executable = compiler.deserialize(devices[0].client, body, devices, options)
        os.utime(path)  # the entry's age, by which entries go
    except Exception as error:
        _failed("read", key, error)
        return None
    logger.debug("Persistent compilation cache hit for '%s'", key)
    return executable


def store(key: str, executable: Any, seconds: float) -> None:
    """Keeps an executable that took ``seconds`` to compile, if that is worth its place."""
    if seconds < _min_seconds.value:
        logger.debug("Not writing '%s' to the disk cache: it took %.3f s to compile", key, seconds)
        return
    if executable.client.process_index() != 0:
        return  # one process writes for all
    try:
        body = compiler.serialize(executable)
        data = _MAGIC + _HEADER.pack(seconds) + zlib.compress(body, 1)
        if len(data) < _min_bytes.value or 0 <= _max_size.value < len(data):
            return
        where = directory()
        os.makedirs(where, exist_ok=True)
        _make_room(where, len(data))
        import tempfile  # lazy: 5 ms, and few programs are kept

        handle, temporary = tempfile.mkstemp(dir=where, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, _path(key))  # readers see a whole entry or none
        except BaseException:
            os.unlink(temporary)
            raise
    except Exception as error:
        _failed("write", key, error)


def _path(key: str) -> str:
    return os.path.join(directory(), key + _SUFFIX)


def _make_room(where: str, wanted: int) -> None:
    """Removes the entries used longest ago until ``wanted`` more bytes fit."""
    limit = _max_size.value
    if limit < 0:
        return
    with _evict_lock:
        entries = []
        for entry in os.scandir(where):
            if entry.name.endswith(_SUFFIX):
                stat = entry.stat()
                entries.append((stat.st_mtime, stat.st_size, entry.path))
        total = sum(size for _, size, _ in entries) + wanted
        for _, size, path in sorted(entries):
            if total <= limit:
                return
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass  # another process was quicker
            total -= size


def _failed(what: str, key: str, error: Exception) -> None:
    if _raise_errors.value:
        raise error
    warnings.warn(
        f"Could not {what} the disk cache entry {key!r}: {type(error).__name__}: {error}", stacklevel=2
    )


def clear() -> int:
    """Removes all entries; answers how many there were."""
    removed = 0
    if is_used() and os.path.isdir(directory()):
        for entry in os.scandir(directory()):
            if entry.name.endswith(_SUFFIX):
                os.unlink(entry.path)
                removed += 1
    return removed


def compile_time_of(key: str) -> float | None:
    """How long the program kept under ``key`` took to compile, in seconds."""
    try:
        with open(_path(key), "rb") as file:
            head = file.read(len(_MAGIC) + _HEADER.size)
    except FileNotFoundError:
        return None
    return _HEADER.unpack(head[len(_MAGIC) :])[0]


def cached(lowered: Lowered, devices: Sequence[Any], options: Any, compile_: Any) -> Any:
    """The executable from disk, or from ``compile_()``, which is then kept."""
    if not is_used() or not can_keep(lowered):
        return compile_()
    key = key_of(lowered, devices, options)
    monitoring.record_event(monitoring.CACHE_REQUEST)
    started = time.perf_counter()
    executable = load(key, devices, options)
    if executable is None:
        monitoring.record_event(monitoring.CACHE_MISS)
        started = time.perf_counter()
        executable = compile_()
        store(key, executable, time.perf_counter() - started)
    elif monitoring.is_watched():
        seconds = time.perf_counter() - started
        monitoring.record_event(monitoring.CACHE_HIT)
        monitoring.record_event_duration_secs(monitoring.CACHE_SAVED, (compile_time_of(key) or 0.0) - seconds)
        monitoring.record_event_duration_secs(monitoring.CACHE_READ, seconds)
    return executable
