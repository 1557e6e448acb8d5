"""Listeners hear what is recorded: by the program, and by Ferax when it traces, lowers, compiles and finds programs on disk."""

import pytest

import ferax as jax
from ferax import monitoring

KINDS = {
    "event": (monitoring.register_event_listener, monitoring.unregister_event_listener),
    "duration": (monitoring.register_event_duration_secs_listener, monitoring.unregister_event_duration_listener),
    "span": (monitoring.register_event_time_span_listener, monitoring.unregister_event_time_span_listener),
    "scalar": (monitoring.register_scalar_listener, monitoring.unregister_scalar_listener),
}


@pytest.fixture
def heard():
    """All that is recorded, by kind."""
    heard: dict[str, list] = {kind: [] for kind in KINDS}
    listeners = {kind: lambda *args, _to=to, **kwargs: _to.append((args, kwargs)) for kind, to in heard.items()}
    for kind, (register, _) in KINDS.items():
        register(listeners[kind])
    yield heard
    monitoring.clear_event_listeners()


def test_each_kind_goes_to_its_own_listeners(heard):
    monitoring.record_event("/a", colour="red")
    monitoring.record_event_duration_secs("/b", 1.5)
    monitoring.record_event_time_span("/c", 1.0, 3.0, n=1)
    monitoring.record_scalar("/d", 7)
    assert heard == {"event": [(("/a",), {"colour": "red"})], "duration": [(("/b", 1.5), {})],
                     "span": [(("/c", 1.0, 3.0), {"n": 1})], "scalar": [(("/d", 7), {})]}
    monitoring.clear_event_listeners()
    monitoring.record_scalar("/d", 8)
    monitoring.record_event("/a")
    assert len(heard["scalar"]) == len(heard["event"]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_listeners_go_when_they_are_taken_back(kind):
    register, unregister = KINDS[kind]
    heard = []

    def listener(event, *numbers):
        heard.append(event)
        unregister(listener)                    # while it is being called

    register(listener)
    for _ in range(2):
        monitoring.record_event("/x")
        monitoring.record_event_duration_secs("/x", 0.0)
        monitoring.record_event_time_span("/x", 0.0, 0.0)
        monitoring.record_scalar("/x", 0)
    assert heard == ["/x"]
    with pytest.raises(AssertionError, match="is not registered"):
        unregister(listener)


def test_compiling_is_heard(heard):
    def watched(x):
        return x * 3 + 1

    f = jax.jit(watched)
    f(2.0)
    count = len(heard["duration"])
    names = [(args[0], kwargs["fun_name"]) for args, kwargs in heard["duration"]]
    assert names == [("/jax/core/compile/jaxpr_trace_duration", "watched"),
                     ("/jax/core/compile/jaxpr_to_mlir_module_duration", "jit(watched)"),
                     ("/jax/core/compile/backend_compile_duration", "jit(watched)")]
    assert all(args[1] > 0 for args, _ in heard["duration"])
    assert [(args[0], kwargs["fun_name"]) for args, kwargs in heard["span"]] == names
    f(3.0)
    assert len(heard["duration"]) == count      # nothing was compiled


def test_the_disk_cache_is_heard(heard, tmp_path):
    old = {name: jax.config.read(name) for name in ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")}
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        for _ in range(2):
            jax.jit(lambda x: x - 5)(1.0)
    finally:
        for name, value in old.items():
            jax.config.update(name, value)
    events = [args[0].rpartition("/")[2] for args, _ in heard["event"]]
    assert events == ["compile_requests_use_cache", "cache_misses", "compile_requests_use_cache", "cache_hits"]
    names = [args[0] for args, _ in heard["duration"]]
    assert "/jax/compilation_cache/cache_retrieval_time_sec" in names and "/jax/compilation_cache/compile_time_saved_sec" in names
