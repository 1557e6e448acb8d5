"""The one import of jaxlib's core, and what is known about the release that was found.

Everything of jaxlib's C++ module comes into Ferax through the names here: ``_jax`` (the bindings) and ``xc``
(the thin Python layer over them).  Loading the shared library costs some 60 ms; nothing else happens at import.
"""

import os

import jaxlib
from jaxlib import _jax as _jax, utils as _utils, xla_client as xc  # _jax and xc: for the rest of `engine`

#: The release as a tuple, for instance ``(0, 10, 2)``; for messages and the disk cache key.
JAXLIB_VERSION: tuple[int, ...] = tuple(int(part) for part in jaxlib.__version__.split(".") if part.isdigit())

#: Counts every change of the C++ boundary; comparisons of behaviour use this one and not the release.
BOUNDARY_VERSION: int = xc._version

_OLDEST, _NEWEST = (0, 10, 2), (0, 13)
if JAXLIB_VERSION < _OLDEST:
    raise ImportError(
        f"ferax needs jaxlib >= {'.'.join(map(str, _OLDEST))} and < {'.'.join(map(str, _NEWEST))}, but found "
        f"jaxlib {jaxlib.__version__}. Install one with: pip install 'jaxlib>=0.10.2,<0.13'"
    )

#: True from the release on in which ``array_result_handler`` lost its 4th argument, deleted arrays raise
#: instead of crashing, and ``_to_np_array_did_copy`` exists (jaxlib 0.11).
SINCE_0_11: bool = JAXLIB_VERSION >= (0, 11)
SINCE_0_12: bool = JAXLIB_VERSION >= (0, 12)


def set_log_level(level: int) -> None:
    """Drops the C++ side's messages on stderr below ``level``: 0 info, 1 warning, 2 error, 3 fatal."""
    _utils.absl_set_min_log_level(level)


# XLA logs INFO lines about ordinary work; users asked for none of them.  The variable is TensorFlow's convention.
set_log_level(int(os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2")))
