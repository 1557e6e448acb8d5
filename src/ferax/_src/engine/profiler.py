"""The profiler of jaxlib: sessions, marks in a trace, and reading a trace back.  Loaded when first asked for."""

from typing import Any

from jaxlib import _profiler

ProfilerSession = _profiler.ProfilerSession
ProfileOptions = _profiler.ProfileOptions
TraceMe = _profiler.TraceMe  # context manager, 0.1 us outside a session; keyword arguments are its metadata
start_server = _profiler.start_server
register_subprocess = _profiler.register_subprocess
set_metadata = _profiler.set_metadata  # (key, value): words about the next session, kept in its file
clear_metadata = _profiler.clear_metadata
get_fdo_profile = _profiler.get_fdo_profile
aggregate_profiled_instructions = _profiler.aggregate_profiled_instructions


def profile_data_classes() -> tuple[Any, Any, Any]:
    """The classes ``ProfileData`` (``from_serialized_xspace``, ``from_file``), ``ProfileEvent`` and ``ProfilePlane``."""
    from jaxlib import _profile_data  # lazy: only reading a trace needs it

    return _profile_data.ProfileData, _profile_data.ProfileEvent, _profile_data.ProfilePlane
