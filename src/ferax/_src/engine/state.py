"""State that the C++ dispatch reads: options in the dispatch key, the three switches, transfer guards.

jaxlib's dispatch insists on three option objects (64-bit mode, "do not compile", a hook after each call), one slot
each in the process and no way to ask who filled it.  When the real ``jax`` is in the process too, the slots are left
to it: Ferax converts host values in Python before C++ sees them, so it does not depend on them.
"""

import sys
from typing import Any

from ferax._src.engine.lib import _jax

#: An option: thread-local over global value, optionally part of every dispatch key and of :func:`trace_context`.
Config = _jax.config.Config
#: What ``Config.get_local`` answers when nothing was set in this thread.
unset = _jax.config.unset
#: The values of all options made with ``include_in_trace_context``; hashable, and 0.03 us to get.
trace_context = _jax.config.trace_context
trace_context_names = _jax.config.trace_context_names

guard_lib = _jax.guard_lib
TransferGuardLevel = guard_lib.TransferGuardLevel
GarbageCollectionGuardLevel = guard_lib.GarbageCollectionGuardLevel


def real_jax_loaded() -> bool:
    """Whether the real jax is in this process (it then owns jaxlib's process-wide switches)."""
    return sys.modules.get("jax") is not None and hasattr(_jax.ArrayImpl, "shape")


def set_switches(enable_x64: Any, disable_jit: Any, post_hook: Any) -> bool:
    """Gives C++ the ``Config`` objects that it reads at each dispatch; called once, where options are defined.

    Returns False when the real jax got there first and keeps its own.
    """
    if real_jax_loaded():
        return False
    _jax.jax_jit.set_enable_x64_state(enable_x64)
    _jax.jax_jit.set_disable_jit_state(disable_jit)
    _jax.jax_jit.set_post_hook_state(post_hook)
    return True
