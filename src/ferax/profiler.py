"""``ferax.profiler``: traces of what ran when, marks in them, and snapshots of the devices' memory."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.tools.profiler": (
            "ProfileData ProfileEvent ProfileOptions ProfilePlane StepTraceAnnotation TraceAnnotation annotate_function "
            "device_memory_profile register_subprocess save_device_memory_profile start_server start_trace stop_server "
            "stop_trace trace"
        ),
    },
)
