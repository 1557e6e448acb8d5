"""What a cluster's launcher says of this process: where the coordinator is, how many processes there are, which this is.

Each launcher that is known is a class; `detect` asks them in turn.  Slurm, Open MPI and TPU pods say it by environment
variables, mpi4py by messages.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import re
import socket
import zlib
from typing import Any, NamedTuple

logger = logging.getLogger(__name__)

_FIRST_PORT, _PORTS = 61440, 4096               # the last 4096 ports: nobody's, and enough to tell jobs apart
_TPU_PORT = 8482


class Process(NamedTuple):
    """One process of a job; None where the launcher does not say."""

    coordinator_address: str | None
    num_processes: int | None
    process_id: int | None
    local_device_ids: list[int] | None


class Slurm:
    """``srun``. The job's first host coordinates; it opens the list, which may be contracted: ``a[01-04,07],b3``."""

    name = "slurm"
    asked_only = False
    _needed = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")

    def is_present(self) -> bool:
        return all(variable in os.environ for variable in self._needed)

    def process(self, port: str | None) -> Process:
        job, hosts, count, index, local = (os.environ[v] for v in self._needed)
        found = re.match(r"([^,\[]+)(?:\[(\w+))?", hosts)
        if found is None:
            raise RuntimeError(f"SLURM_STEP_NODELIST={hosts!r} names no host")
        host = found[1] + (found[2] or "")
        return Process(f"{host}:{port or _FIRST_PORT + int(job) % _PORTS}", int(count), int(index), [int(local)])


class OpenMpi:
    """``mpirun`` of Open MPI. The URI of its daemon has the job's number and the launching host's addresses."""

    name = "ompi"
    asked_only = False

    def is_present(self) -> bool:
        return "OMPI_MCA_orte_hnp_uri" in os.environ

    def process(self, port: str | None) -> Process:
        uri = os.environ["OMPI_MCA_orte_hnp_uri"]                       # 1531576320.0;tcp://10.96.0.1,10.1.0.1:34911
        found = re.search(r"tcp://([^,:]+)|tcp6://\[([^,\]]+)", uri)
        job = re.match(r"\d+", uri)
        if found is None or job is None:
            raise RuntimeError(f"OMPI_MCA_orte_hnp_uri={uri!r} has no address of the coordinator")
        own = _FIRST_PORT + (int(job[0]) >> 12) % _PORTS                # the lowest 12 bits are not the job's
        count, index, local = (int(os.environ[f"OMPI_COMM_WORLD_{v}"]) for v in ("SIZE", "RANK", "LOCAL_RANK"))
        return Process(f"{found[1] or found[2]}:{port or own}", count, index, [local])


class Mpi4py:
    """Any MPI, asked through mpi4py; only if asked for, since importing mpi4py starts MPI."""

    name = "mpi4py"
    asked_only = True

    def is_present(self) -> bool:
        return importlib.util.find_spec("mpi4py") is not None

    def process(self, port: str | None) -> Process:
        mpi: Any = importlib.import_module("mpi4py.MPI")  # lazy: starts MPI
        world = mpi.COMM_WORLD
        host = socket.gethostname()
        address = world.bcast(f"{host}:{port or _FIRST_PORT + zlib.crc32(host.encode()) % _PORTS}", root=0)
        local = world.Split_type(mpi.COMM_TYPE_SHARED).Get_rank()
        return Process(address, int(world.Get_size()), int(world.Get_rank()), [int(local)])


class TpuPod:
    """TPU hosts started by Kubernetes Engine, of one slice or several."""

    name = "gketpu"
    asked_only = False

    def _hosts(self) -> list[str]:
        text = os.environ.get("TPU_PROCESS_ADDRESSES") or os.environ.get("TPU_WORKER_HOSTNAMES") or ""
        return [host for host in text.split(",") if host]

    def is_present(self) -> bool:
        return bool(self._hosts()) and "TPU_WORKER_ID" in os.environ

    def process(self, port: str | None) -> Process:
        hosts = self._hosts()
        slices = int(os.environ.get("MEGASCALE_NUM_SLICES") or 1)
        slice_id = int(os.environ.get("MEGASCALE_SLICE_ID") or 0)
        host = (os.environ.get("MEGASCALE_COORDINATOR_ADDRESS") or hosts[0]).split(":")[0]
        index = int(os.environ["TPU_WORKER_ID"]) + slice_id * len(hosts)
        return Process(f"{host}:{port or _TPU_PORT}", len(hosts) * slices, index, None)


CLUSTERS = (OpenMpi(), Slurm(), Mpi4py(), TpuPod())


def detect(method: str | None = None) -> Process:
    """What the launcher of this process says of it; all None if no launcher is known.

    Parameters
    ----------
    method : str or None
        The launcher's name; by default all are tried that need not be asked for. A name that is not known, or of a launcher
        that did not start this process, is logged as an error: nothing is lost if the caller knows all that is needed.
    """
    if method is not None:
        cluster = next((c for c in CLUSTERS if c.name == method), None)
        if cluster is None:
            names = ", ".join(c.name for c in CLUSTERS)
            logger.error("cluster_detection_method %r is not known: choose one of %s, or 'deactivate'", method, names)
        elif not cluster.is_present():
            logger.error("cluster_detection_method %r: this process was not started that way", method)
            cluster = None
    else:
        cluster = next((c for c in CLUSTERS if not c.asked_only and c.is_present()), None)
    if cluster is None:
        return Process(None, None, None, None)
    return cluster.process(os.environ.get("FERAX_COORDINATOR_PORT") or os.environ.get("JAX_COORDINATOR_PORT"))
