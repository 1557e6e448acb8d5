"""The runtime has threads of its own; a forked child has none of them and hangs at its first computation."""

import os
import warnings

_watching = False


def _warn() -> None:
    warnings.warn(
        "os.fork() was called after ferax started its runtime. The runtime is multithreaded, so using ferax in the child "
        "will likely hang. Use multiprocessing's 'spawn' or 'forkserver' start method instead.",
        RuntimeWarning,
        stacklevel=2,
    )


def watch() -> None:
    """From now on a fork of this process warns.  Called by the first client; once."""
    global _watching
    if not _watching and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_warn)
        _watching = True
