"""Several processes as one: they find each other, share what devices each has, and notice when one is gone.

Process 0 runs a service, every process a client of it.  Both must be there before the first device is used, since a
platform's client is told of the others when it starts (`runtime.devices`).
"""

from __future__ import annotations

import atexit
import logging
import os
import warnings
from collections.abc import Sequence

from ferax._src import engine
from ferax._src.runtime import devices
from ferax._src.tools import clusters
from ferax._src.util import config

logger = logging.getLogger(__name__)
_state = devices.distributed


def _from_environment(name: str) -> str | None:
    return os.environ.get(f"FERAX_{name}") or os.environ.get(f"JAX_{name}")


def initialize(coordinator_address: str | None = None, num_processes: int | None = None, process_id: int | None = None,
               local_device_ids: int | Sequence[int] | None = None, cluster_detection_method: str | None = None,
               initialization_timeout: int = 300, heartbeat_timeout_seconds: int = 100,
               shutdown_timeout_seconds: int = 300, coordinator_bind_address: str | None = None,
               slice_index: int | None = None, partition_index: int | None = None) -> None:
    """Join the other processes of this program; call it before any device is used.

    What is left out is taken from ``FERAX_...`` or ``JAX_...`` variables (``COORDINATOR_ADDRESS``, ``LOCAL_DEVICE_IDS``), then
    from the launcher, if that is Slurm, Open MPI, or Kubernetes with TPUs.

    Parameters
    ----------
    coordinator_address : str; "host:port" of process 0, reachable from all; the port must be free there
    num_processes, process_id : int; ``0 <= process_id < num_processes``
    local_device_ids : int or ints; the devices of this machine that this process uses, all by default
    cluster_detection_method : str; "slurm", "ompi", "mpi4py", "gketpu", or "deactivate" to ask no launcher
    initialization_timeout : int; seconds to wait for the others
    heartbeat_timeout_seconds : int; a process that was silent so long is taken for dead
    shutdown_timeout_seconds : int; seconds to wait for the others at the end
    coordinator_bind_address : str; where process 0 listens, by default at that port of all its addresses
    slice_index : deprecated name of ``partition_index``
    partition_index : int; the partition of the devices of this process; all processes give one or none does

    Raises
    ------
    RuntimeError : when called twice, after the first use of a device, or if the others do not appear
    ValueError, TypeError : for what is missing, or process numbers that do not fit
    """
    if devices.are_backends_initialized():
        raise RuntimeError("distributed.initialize() must be called before any use of a device: before computations, and before "
                           "calls such as ferax.devices() and ferax.device_put().")
    if _state.client is not None:
        raise RuntimeError("distributed.initialize should only be called once.")
    if slice_index is not None and partition_index is None:
        warnings.warn("distributed.initialize: slice_index is deprecated, use partition_index", DeprecationWarning, stacklevel=2)
        partition_index = slice_index
    address = coordinator_address or _from_environment("COORDINATOR_ADDRESS")
    local = _device_ids(local_device_ids)
    if cluster_detection_method != "deactivate" and None in (address, num_processes, process_id, local):
        found = clusters.detect(cluster_detection_method)
        address = address if address is not None else found.coordinator_address
        num_processes = num_processes if num_processes is not None else found.num_processes
        process_id = process_id if process_id is not None else found.process_id
        local = local if local is not None else found.local_device_ids
    address, count, index = _checked(address, num_processes, process_id)
    if partition_index is None and (text := _from_environment("PARTITION_INDEX")) is not None:
        partition_index = int(text)
    bind_address = coordinator_bind_address or _from_environment("COORDINATOR_BIND_ADDRESS") or f"[::]:{address.rsplit(':', 1)[1]}"
    if local:
        visible = ",".join(map(str, local))
        config.config.update("jax_cuda_visible_devices", visible)
        config.config.update("jax_rocm_visible_devices", visible)
    _mention_proxies()
    _state.coordinator_address, _state.num_processes, _state.process_id = address, count, index
    _state.partition_index = partition_index
    try:
        if index == 0:
            _state.service = engine.distributed.make_service(
                bind_address, count, heartbeat_timeout=heartbeat_timeout_seconds, shutdown_timeout=shutdown_timeout_seconds,
                recoverable=config.FLAGS["jax_enable_recoverability"].value)
        client = engine.distributed.make_client(
            address, index, init_timeout=initialization_timeout, shutdown_timeout=shutdown_timeout_seconds,
            heartbeat_timeout=heartbeat_timeout_seconds, use_compression=True)
        client.connect()
    except BaseException:
        if _state.service is not None:
            _state.service.shutdown()
        _reset()
        raise
    _state.client = client
    if config.FLAGS["jax_enable_preemption_service"].value:
        _state.preemption = engine.distributed.create_preemption_sync_manager()
        _state.preemption.initialize(client)
    atexit.register(shutdown)


def _device_ids(local_device_ids: int | Sequence[int] | None) -> list[int] | None:
    if local_device_ids is None:
        text = _from_environment("LOCAL_DEVICE_IDS")
        return [int(i) for i in text.split(",")] if text else None
    return [local_device_ids] if isinstance(local_device_ids, int) else [int(i) for i in local_device_ids]


def _checked(address, num_processes, process_id) -> tuple[str, int, int]:
    if address is None:
        raise ValueError("coordinator_address should be defined: distributed.initialize needs 'host:port' of process 0, and no "
                         "launcher told it.")
    if num_processes is None:
        raise ValueError("Number of processes must be defined: distributed.initialize needs num_processes.")
    if process_id is None:
        raise ValueError("The process id of the current process must be defined: distributed.initialize needs process_id.")
    if not isinstance(process_id, int):
        raise TypeError(f"process_id must be a nonnegative int. Got process_id={process_id} of type {type(process_id)}.")
    if not isinstance(num_processes, int):
        raise TypeError(f"num_processes must be a positive int. Got num_processes={num_processes} of type {type(num_processes)}.")
    if not 0 <= process_id < num_processes:
        raise ValueError("process_id and num_processes must be nonnegative, with process_id < num_processes. "
                         f"Got process_id={process_id}, num_processes={num_processes}.")
    if not str(address).rpartition(":")[2].isdigit():
        raise ValueError(f"coordinator_address must be 'host:port', got {address!r}")
    return str(address), num_processes, process_id


def _mention_proxies() -> None:
    found = [name for name in os.environ if "_proxy" in name.lower()]
    if found and config.FLAGS["jax_check_proxy_envs"].value:
        logger.warning("distributed.initialize: with the proxy settings %s in the environment, processes may wait for each other "
                       "for ever on some systems. Unset them if that happens.", " ".join(sorted(found)))


def is_initialized() -> bool:
    """Whether this process has joined others."""
    return _state.client is not None


def shutdown() -> None:
    """Leave the others, once all have come as far; nothing happens if there are none. Also done when the program ends."""
    preemption, client, service = _state.preemption, _state.client, _state.service
    _reset()
    atexit.unregister(shutdown)
    if preemption is not None:
        preemption.shutdown()                   # before the client, which it uses
    if client is not None:
        client.shutdown()
    if service is not None:
        service.shutdown()


def _reset() -> None:
    _state.client = _state.service = _state.preemption = None
    _state.process_id, _state.num_processes = 0, 1
    _state.coordinator_address = _state.partition_index = None
