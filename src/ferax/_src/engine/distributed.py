"""Several processes as one: the coordination service, its clients, and the CPU's collectives."""

from typing import Any

from ferax._src.engine.lib import _jax

make_service = (
    _jax.get_distributed_runtime_service
)  # (address, num_nodes, heartbeat_timeout=, ...) on process 0
make_client = (
    _jax.get_distributed_runtime_client
)  # (address, node_id, rpc_timeout=, init_timeout=, ...); then .connect()
create_preemption_sync_manager = _jax.create_preemption_sync_manager


def make_cpu_collectives(
    kind: str, client: Any, hostname: str | None = None, interface: str | None = None
) -> Any:
    """'gloo', 'mpi', or 'none' (None): how CPU processes exchange data in collectives."""
    if kind == "none":
        return None
    if kind == "gloo":
        return _jax.make_gloo_tcp_collectives(
            distributed_client=client, hostname=hostname, interface=interface
        )
    if kind == "mpi":
        collectives = _jax.make_mpi_collectives()
        collectives.Init()
        return collectives
    raise ValueError(f"unknown CPU collectives {kind!r}: choose 'gloo', 'mpi' or 'none'")
