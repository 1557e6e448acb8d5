"""Several processes as one: two of them compute together, and what cannot work is refused."""

import os
import socket
import subprocess
import sys
import textwrap

import pytest

from ferax import distributed
from ferax._src.runtime import devices
from ferax._src.tools import clusters
from ferax._src.tools import distributed as internals

PROGRAM = textwrap.dedent("""
    import sys
    import numpy as np
    import ferax as jax
    from ferax import distributed
    from ferax.sharding import Mesh, NamedSharding, PartitionSpec as P

    address, index = sys.argv[1], int(sys.argv[2])
    assert not distributed.is_initialized()
    options = dict(initialization_timeout=60, shutdown_timeout_seconds=60, cluster_detection_method="deactivate")
    distributed.initialize(address, 2, index, **options)
    assert distributed.is_initialized()
    try:
        distributed.initialize(address, 2, index, **options)
    except RuntimeError as error:
        assert "only be called once" in str(error), error
    assert jax.process_index() == index and jax.process_count() == 2
    assert jax.device_count() == 4 and jax.local_device_count() == 2

    mesh = Mesh(np.array(jax.devices()), ("x",))
    parts, whole = NamedSharding(mesh, P("x")), NamedSharding(mesh, P())
    x = jax.make_array_from_callback((8,), parts, lambda where: np.arange(8.0)[where])
    assert not x.is_fully_addressable and len(x.addressable_shards) == 2
    total = jax.jit(lambda x: (x * x).sum(), out_shardings=whole)(x)
    assert float(total.addressable_shards[0].data) == 140.0

    distributed.shutdown()
    assert not distributed.is_initialized()
    try:
        distributed.initialize(address, 2, index, **options)
    except RuntimeError as error:
        assert "before any use of a device" in str(error), error
    print("fine", index)
""")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


def start(program, *args, **environment):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "OMPI_", "JAX_"))}
    env |= {"FERAX_PLATFORMS": "cpu", "FERAX_NUM_CPU_DEVICES": "2", **environment}
    return subprocess.Popen([sys.executable, "-c", program, *args], env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_two_processes_compute_together():
    address = f"localhost:{free_port()}"
    processes = [start(PROGRAM, address, str(i)) for i in range(2)]
    try:
        for i, process in enumerate(processes):
            out, _ = process.communicate(timeout=120)
            assert process.returncode == 0 and f"fine {i}" in out, out
    finally:
        for process in processes:
            process.kill()


def test_a_process_alone():
    """One process is enough; a second time, after the first has ended, is allowed; the end of the program is a shutdown."""
    program = textwrap.dedent("""
        import sys
        from ferax import distributed
        distributed.shutdown()                      # nothing happens
        for address in sys.argv[1:]:
            distributed.shutdown()
            assert not distributed.is_initialized()
            distributed.initialize(address, 1, 0, local_device_ids=0, partition_index=0)
            assert distributed.is_initialized()
        print("fine")
    """)
    process = start(program, f"localhost:{free_port()}", f"localhost:{free_port()}")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "fine" in out, out


@pytest.fixture
def before_devices(monkeypatch):
    """As if no device had been used yet, and no launcher was there."""
    monkeypatch.setattr(devices, "are_backends_initialized", lambda: False)
    for name in ("JAX_COORDINATOR_ADDRESS", "FERAX_COORDINATOR_ADDRESS", "JAX_LOCAL_DEVICE_IDS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(clusters, "CLUSTERS", ())


@pytest.mark.parametrize("arguments, error, text", [
    ({}, ValueError, "coordinator_address should be defined"),
    ({"coordinator_address": "h:1"}, ValueError, "Number of processes must be defined"),
    ({"coordinator_address": "h:1", "num_processes": 2}, ValueError, "process id of the current process must be defined"),
    ({"coordinator_address": "h:1", "num_processes": 2, "process_id": 1.0}, TypeError, "process_id must be a nonnegative int"),
    ({"coordinator_address": "h:1", "num_processes": "2", "process_id": 1}, TypeError, "num_processes must be a positive int"),
    ({"coordinator_address": "h:1", "num_processes": 2, "process_id": 2}, ValueError, "process_id < num_processes"),
    ({"coordinator_address": "host", "num_processes": 2, "process_id": 1}, ValueError, "'host:port', got 'host'"),
])
def test_what_is_missing_is_named(before_devices, arguments, error, text):
    with pytest.raises(error, match=text):
        distributed.initialize(**arguments)
    assert not distributed.is_initialized()


def test_after_the_first_device_it_is_too_late():
    devices.get_backend()
    with pytest.raises(RuntimeError, match="before any use of a device"):
        distributed.initialize("localhost:1", 1, 0)


def test_unknown_launchers_are_logged(before_devices, caplog):
    with pytest.raises(ValueError, match="coordinator_address"):
        distributed.initialize(cluster_detection_method="pigeons")
    assert "'pigeons' is not known" in caplog.text


def test_proxies_are_mentioned(monkeypatch, caplog):
    monkeypatch.setenv("some_proxy", "here")
    internals._mention_proxies()
    assert "some_proxy" in caplog.text


SLURM = {"SLURM_JOB_ID": "8193", "SLURM_NTASKS": "16", "SLURM_PROCID": "5", "SLURM_LOCALID": "1"}
OMPI = {"OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_LOCAL_RANK": "0"}


@pytest.mark.parametrize("environment, expected", [
    ({**SLURM, "SLURM_STEP_NODELIST": "node001"}, ("node001:61441", 16, 5, [1])),
    ({**SLURM, "SLURM_STEP_NODELIST": "node001,host2"}, ("node001:61441", 16, 5, [1])),
    ({**SLURM, "SLURM_STEP_NODELIST": "node[001-015],host2"}, ("node001:61441", 16, 5, [1])),
    ({**SLURM, "SLURM_STEP_NODELIST": "gpu-a[7,9-15]", "JAX_COORDINATOR_PORT": "1234"}, ("gpu-a7:1234", 16, 5, [1])),
    ({**OMPI, "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911"}, ("10.96.0.1:62624", 8, 3, [0])),
    ({**OMPI, "OMPI_MCA_orte_hnp_uri": "4096.0;tcp6://[fe80::b9b,2620:10d::2]:43370"}, ("fe80::b9b:61441", 8, 3, [0])),
    ({"TPU_WORKER_HOSTNAMES": "t0,t1", "TPU_WORKER_ID": "1"}, ("t0:8482", 2, 1, None)),
    ({"TPU_PROCESS_ADDRESSES": "t0:1,t1:1", "TPU_WORKER_ID": "1", "MEGASCALE_NUM_SLICES": "2", "MEGASCALE_SLICE_ID": "1",
      "MEGASCALE_COORDINATOR_ADDRESS": "m0:99"}, ("m0:8482", 4, 3, None)),
    ({}, (None, None, None, None)),
])
def test_what_launchers_say(monkeypatch, environment, expected):
    for name in ("TPU_WORKER_ID", "SLURM_JOB_ID", "OMPI_MCA_orte_hnp_uri", "JAX_COORDINATOR_PORT", "FERAX_COORDINATOR_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert tuple(clusters.detect()) == expected


def test_a_launcher_that_was_asked_for_but_is_not_there(monkeypatch, caplog):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert clusters.detect("slurm") == clusters.Process(None, None, None, None)
    assert "'slurm': this process was not started that way" in caplog.text
