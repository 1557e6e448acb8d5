"""Backends and devices: which platforms there are, and where values go that nobody placed.

Nothing starts before it is needed. The platforms come from the option ``platforms`` (``FERAX_PLATFORMS``, then
``JAX_PLATFORMS``), the first being the default; without it every accelerator plugin that is installed is tried, and
the CPU is always there. A plugin that was not asked for and does not start is left out with a warning.
"""

from __future__ import annotations

import copyreg
import dataclasses
import threading
import warnings
from typing import Any

import numpy as np

from ferax._src import engine
from ferax._src.types.meshes import Mesh
from ferax._src.types.shardings import SingleDeviceSharding
from ferax._src.util import config

_ALIASES = {"gpu": ("cuda", "rocm"), "cuda": ("cuda",), "rocm": ("rocm",)}
_PRIORITY = ("tpu", "cuda", "rocm")


@dataclasses.dataclass
class Distributed:
    """This process among several; filled by `distributed.initialize` before the first device is used."""

    client: Any = None
    service: Any = None
    process_id: int = 0
    num_processes: int = 1
    coordinator_address: str | None = None
    partition_index: int | None = None
    preemption: Any = None              # listens for notices that this machine will be taken away


distributed = Distributed()

_lock = threading.RLock()
_clients: dict[str, Any] = {}           # by plugin name: "cpu", "cuda", "tpu", ...; in order of preference
_complete = False                       # whether all wanted platforms have been started
_default_sharding: SingleDeviceSharding | None = None
_clear_hooks: list = []


def _cpu_client():
    count = config.num_cpu_devices.value
    collectives = None
    if distributed.client is not None:
        kind = getattr(config.config, "jax_cpu_collectives_implementation", None) or "gloo"
        collectives = engine.distributed.make_cpu_collectives(kind, distributed.client)
    return engine.make_cpu_client(
        count if count is not None and count >= 0 else None, distributed=distributed.client,
        node_id=distributed.process_id, num_nodes=distributed.num_processes, collectives=collectives,
        asynchronous=config.FLAGS["jax_cpu_enable_async_dispatch"].value)


def _plugin_client(name: str):
    options: dict[str, Any] = {}
    visible = config.FLAGS.get(f"jax_{name}_visible_devices")
    if visible is not None and visible.value not in ("all", "", None):
        options["visible_devices"] = [int(i) for i in visible.value.split(",")]
    given = config.FLAGS["jax_pjrt_client_create_options"].value
    if given:
        options |= given if isinstance(given, dict) else dict(o.split(":", 1) for o in given.split(";") if o)
    if distributed.client is not None:
        options |= {"node_id": distributed.process_id, "num_nodes": distributed.num_processes}
        if distributed.partition_index is not None:
            options["partition_index"] = distributed.partition_index
    return engine.make_plugin_client(name, distributed=distributed.client, options=options)


def _start(name: str):
    """The client of one platform, by plugin name, made at the first call."""
    client = _clients.get(name)
    if client is None:
        config.install_process_switches()
        client = _cpu_client() if name == "cpu" else _plugin_client(name)
        _clients[name] = client
    return client


def _wanted() -> list[str]:
    text = config.platforms.value or config.platform_name.value or ""
    return [name.strip().lower() for name in text.split(",") if name.strip()]


def _start_all() -> None:
    """Start every wanted platform; afterwards `_clients` is complete, the default first."""
    global _complete
    if _complete:
        return
    with _lock:
        if _complete:
            return
        wanted = _wanted()
        if wanted:
            for name in wanted:
                _start_alias(name)
            order = [n for w in wanted for n in _ALIASES.get(w, (w,)) if n in _clients]
        else:
            plugins = engine.available_plugins()
            for name in sorted(plugins, key=lambda n: (_PRIORITY.index(n) if n in _PRIORITY else 99, n)):
                try:
                    _start(name)
                except engine.PluginError as error:
                    warnings.warn(f"An accelerator plugin ({name}) is installed but did not start, so ferax runs on "
                                  f"the CPU: {error}", RuntimeWarning, stacklevel=2)
            _start("cpu")
            order = [n for n in _clients if n != "cpu"] + ["cpu"]
        for name in order:
            _clients[name] = _clients.pop(name)
        _complete = True


def _start_alias(name: str):
    errors = []
    for plugin in _ALIASES.get(name, (name,)):
        try:
            return _start(plugin)
        except engine.PluginError as error:
            errors.append(str(error))
    raise RuntimeError(f"Unable to initialize backend '{name}': {' '.join(errors)} "
                       "(set FERAX_PLATFORMS='' to choose an available backend automatically)")


def backends() -> dict[str, Any]:
    """All started clients by plugin name, the default first."""
    _start_all()
    return dict(_clients)


def are_backends_initialized() -> bool:
    return bool(_clients)


def get_backend(platform=None):
    """The client of a platform ("cpu", "gpu", "cuda", "tpu", ...); the default one for None. A client is passed through."""
    if platform is not None and not isinstance(platform, str):
        return platform
    _start_all()
    if platform is None:
        return next(iter(_clients.values()))
    name = platform.lower()
    for plugin in _ALIASES.get(name, (name,)):
        if plugin in _clients:
            return _clients[plugin]
    if name == "cpu":                           # not among the wanted ones, but always to be had
        with _lock:
            return _start("cpu")
    raise RuntimeError(f"Unknown backend: '{platform}' requested, but no platforms that are instances of {platform} "
                       f"are present. Platforms present are: {', '.join(c.platform for c in _clients.values())}")


def default_backend() -> str:
    """The platform of the default devices: "cpu", "gpu" or "tpu"."""
    return get_backend().platform


def devices(backend=None) -> list:
    """All devices of a backend, those of other processes included.

    Parameters
    ----------
    backend : str or None; "cpu", "gpu", "tpu", by default the default backend
    """
    return get_backend(backend).devices()


def local_devices(process_index: int | None = None, backend=None, host_id: int | None = None) -> list:
    """The devices of one process, by default this one."""
    client = get_backend(backend)
    index = process_index if process_index is not None else host_id
    if index is None:
        index = client.process_index()
    if not 0 <= index < process_count(client):
        raise ValueError(f"Unknown process_index {index}")
    return [d for d in client.devices() if d.process_index == index]


def device_count(backend=None) -> int:
    return int(get_backend(backend).device_count())


def local_device_count(backend=None) -> int:
    return int(get_backend(backend).local_device_count())


def process_index(backend=None) -> int:
    """The number of this process among all."""
    return get_backend(backend).process_index()


def process_count(backend=None) -> int:
    return max((d.process_index for d in get_backend(backend).devices()), default=0) + 1


def process_indices(backend=None) -> list[int]:
    return list(range(process_count(backend)))


# --- the default device -------------------------------------------------------------------------

def default_device():
    """Where values go that nobody placed: the option ``default_device``, else the first local device."""
    return default_sharding()._device


def default_sharding() -> SingleDeviceSharding:
    """The sharding of values that nobody placed."""
    choice = config.default_device.value
    if choice is None:
        return _default_sharding if _default_sharding is not None else _find_default_sharding()
    if isinstance(choice, str):
        choice = local_devices(backend=choice)[0]
    elif isinstance(choice, SingleDeviceSharding):
        return choice
    return SingleDeviceSharding(choice)


def _find_default_sharding() -> SingleDeviceSharding:
    global _default_sharding
    _default_sharding = SingleDeviceSharding(get_backend().local_devices()[0])
    return _default_sharding


def _check_default_device(value) -> None:
    if value is None or isinstance(value, (str, engine.Device, SingleDeviceSharding)):
        return
    raise ValueError(f"jax_default_device must be a Device, a platform name such as 'cpu', or None; got {value!r} of "
                     f"type {type(value).__name__}.")


def _check_not_started(value) -> None:
    if _clients and value != config.num_cpu_devices.value:
        raise RuntimeError("the number of CPU devices can only be changed before the first use of a device; set "
                           "jax_num_cpu_devices at the start of the program, or FERAX_NUM_CPU_DEVICES")


config.default_device.add_check(_check_default_device)
config.num_cpu_devices.add_check(_check_not_started)


# --- starting over, pickling --------------------------------------------------------------------

def on_clear(hook) -> None:
    """Call ``hook()`` when the backends are cleared: for caches that hold devices or executables."""
    _clear_hooks.append(hook)


def clear_backends() -> None:
    """Forget all clients and what was compiled for them; arrays made before keep their memory but no longer combine
    with new ones."""
    global _complete, _default_sharding
    with _lock:
        for hook in _clear_hooks:
            hook()
        _clients.clear()
        _complete = False
        _default_sharding = None


def find_device(platform: str, device_id: int):
    """The device of that id, for unpickling."""
    for device in get_backend(platform).devices():
        if device.id == device_id:
            return device
    raise ValueError(f"there is no {platform} device with id {device_id} in this process")


def _make_single(platform, device_id, memory_kind) -> SingleDeviceSharding:
    return SingleDeviceSharding(find_device(platform, device_id), memory_kind)


def _make_mesh(platform, ids, names, types) -> Mesh:
    grid = np.empty(ids.shape, dtype=object)
    for at, i in np.ndenumerate(ids):
        grid[at] = find_device(platform, int(i))
    return Mesh(grid, names, types)


def _reduce_single(sharding):
    device = sharding._device
    return _make_single, (device.platform, device.id, sharding.memory_kind)


def _reduce_mesh(mesh):
    platform = mesh.devices.flat[0].platform if mesh.size else ""
    return _make_mesh, (platform, mesh.device_ids, mesh.axis_names, mesh.axis_types)


# Devices are found again by their ids, which only this floor can do; hence here and not in the classes.
copyreg.pickle(SingleDeviceSharding, _reduce_single)
copyreg.pickle(Mesh, _reduce_mesh)
