"""What options do beyond being read: jaxlib's guards, and Python's logging.

jaxlib checks transfers, arrays in reference cycles and use from several threads by itself; it has a global
and a thread-local level for each, and these hooks keep them equal to the options'.  ``config`` calls
``connect`` with its flags.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ferax._src.engine import state

LOGGER = "ferax"


def connect(flags: Mapping[str, Any]) -> None:
    """Give the flags their hooks."""
    for direction in ("host_to_device", "device_to_device", "device_to_host"):
        _guard(flags[f"jax_transfer_guard_{direction}"], direction, state.TransferGuardLevel)
    _guard(
        flags["jax_array_garbage_collection_guard"],
        "garbage_collect_array",
        state.GarbageCollectionGuardLevel,
    )

    def thread_guard(on: bool | None) -> None:
        state.guard_lib.update_thread_guard_global_state(bool(on))

    flags["jax_thread_guard"].on_change(thread_guard, thread_guard)
    flags["jax_logging_level"].on_change(_set_level)
    flags["jax_debug_log_modules"].on_change(_log_modules)


def _guard(flag: Any, field: str, levels: Any) -> None:
    def level(value: str | None) -> Any:
        return None if value is None else getattr(levels, value.upper())

    flag.on_change(
        lambda value: setattr(state.guard_lib.global_state(), field, level(value)),
        lambda value: setattr(state.guard_lib.thread_local_state(), field, level(value)),
    )


def _set_level(level: str | None) -> None:
    logging.getLogger(LOGGER).setLevel(level or "NOTSET")


_handler: logging.Handler | None = None
_debugged: list[str] = []  # loggers that print at DEBUG now


def _log_modules(names: str) -> None:
    """Print the given loggers' messages at DEBUG on stderr; names of JAX's loggers mean ours."""
    global _handler
    if _handler is None:
        _handler = logging.StreamHandler()
        _handler.setFormatter(logging.Formatter("%(levelname)s:%(asctime)s:%(name)s:%(lineno)d: %(message)s"))
    for name in _debugged:
        logger = logging.getLogger(name)
        logger.removeHandler(_handler)
        logger.setLevel(logging.NOTSET)
    _debugged[:] = [_our_name(name.strip()) for name in names.split(",") if name.strip()]
    for name in _debugged:
        logger = logging.getLogger(name)
        logger.addHandler(_handler)
        logger.setLevel(logging.DEBUG)


def _our_name(name: str) -> str:
    return LOGGER + name.removeprefix("jax") if name == "jax" or name.startswith("jax.") else name
