"""The profiler: a trace has the marks that were set, its formats can be read, and mistakes are named."""

import gzip
import json
import socket
import threading
import urllib.error
import urllib.request

import pytest

import ferax as jax
import ferax.numpy as jnp
from ferax import profiler
from ferax._src.tools import profiler as internals


@profiler.annotate_function
def doubled(x):
    """Twice x."""
    return (x * 2).block_until_ready()


def events_of(path):
    data = profiler.ProfileData.from_file(str(path))
    for plane in data.planes:
        assert isinstance(plane, profiler.ProfilePlane)
        for line in plane.lines:
            yield from line.events


def test_a_trace_has_the_marks_that_were_set(tmp_path):
    options = profiler.ProfileOptions()
    options.python_tracer_level = 0
    named = profiler.annotate_function(doubled, name="renamed", colour="red")
    with profiler.trace(tmp_path, create_perfetto_trace=True, profiler_options=options):
        assert profiler.TraceAnnotation.is_enabled()
        for i in range(3):
            with profiler.StepTraceAnnotation("train", step_num=i), profiler.TraceAnnotation("inner", k="v") as mark:
                mark.set_metadata(late=1)
                doubled(jnp.ones(3))
        assert named(jnp.ones(2)).tolist() == [2, 2]
        with pytest.raises(RuntimeError, match="already been started"):
            profiler.start_trace(tmp_path / "other")
    assert not profiler.TraceAnnotation.is_enabled()

    (path,) = tmp_path.glob("plugins/profile/*/*.xplane.pb")
    marks: dict[str, list[dict]] = {}
    for event in events_of(path):
        if event.name in ("train", "inner", "doubled", "renamed"):
            assert isinstance(event, profiler.ProfileEvent) and event.duration_ns > 0
            marks.setdefault(event.name, []).append(dict(event.stats))
    assert [m["step_num"] for m in marks["train"]] == [0, 1, 2]
    assert marks["inner"] == [{"k": "v", "late": 1}] * 3
    assert len(marks["doubled"]) == 4 and marks["renamed"] == [{"colour": "red"}]

    (path,) = tmp_path.glob("plugins/profile/*/perfetto_trace.json.gz")
    content = json.loads(gzip.decompress(path.read_bytes()))
    assert "metadata" not in content and any(e.get("name") == "inner" for e in content["traceEvents"])


def test_perfetto_gets_the_file_once(tmp_path, capsys):
    path = tmp_path / "perfetto_trace.json.gz"
    path.write_bytes(b"a trace")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = threading.Thread(target=internals._offer, args=(path, port))
    server.start()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _fetch(f"http://127.0.0.1:{port}/something-else")
    answer = _fetch(f"http://127.0.0.1:{port}/{path.name}")
    assert answer.read() == b"a trace" and answer.headers["Access-Control-Allow-Origin"] == "*"
    server.join(10)
    assert not server.is_alive()
    assert f"url=http://127.0.0.1:{port}/{path.name}" in capsys.readouterr().out


def _fetch(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(200):
        try:
            return opener.open(url, timeout=10)
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:           # the server has not started yet
            threading.Event().wait(0.02)
    raise TimeoutError(url)


def test_a_folder_without_a_trace_is_named(tmp_path):
    (tmp_path / "plugins" / "profile" / "now").mkdir(parents=True)
    with pytest.raises(ValueError, match="Invalid trace folder.*found 0"):
        internals._write_perfetto_trace(str(tmp_path))


def test_annotated_functions_keep_their_names():
    assert doubled.__name__ == "doubled" and doubled.__doc__ == "Twice x."
    assert doubled(jnp.ones(2)).tolist() == [2, 2]


def test_what_is_not_running_cannot_be_stopped():
    with pytest.raises(RuntimeError, match="No profile started"):
        profiler.stop_trace()
    with pytest.raises(ValueError, match="No active profiler server"):
        profiler.stop_server()


def test_one_server_at_a_time():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    assert profiler.start_server(port) is not None
    try:
        with pytest.raises(ValueError, match="Only one profiler server"):
            profiler.start_server(port)
    finally:
        profiler.stop_server()


def test_a_memory_profile_is_a_gzipped_pprof_file(tmp_path):
    x = jax.device_put(jnp.ones((64, 64)))
    profile = profiler.device_memory_profile()
    content = gzip.decompress(profile)
    assert content[:2] != b"\x1f\x8b" and b"buffer" in content
    profiler.save_device_memory_profile(tmp_path / "memory.prof", backend="cpu")
    assert gzip.decompress((tmp_path / "memory.prof").read_bytes())
    assert x.shape == (64, 64)
