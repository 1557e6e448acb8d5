"""Clients: the connection to a platform's devices.

The CPU client is inside jaxlib.  GPU, TPU and other platforms are PJRT plugins: a shared library found in installed
packages, in an environment variable, or told to us.  The plugin packages' own Python modules import the real jax, so they
are never imported; their folders are found by name and the libraries loaded here.

Which platform to prefer is decided above (``runtime/devices.py``); this file only knows how to start each.
"""

import ctypes
import functools
import importlib.util
import json
import os
import pathlib
import sys
import threading
from typing import Any, NamedTuple

from ferax._src.engine import fork
from ferax._src.engine.lib import _jax, xc

Client = _jax.Client


class PluginError(RuntimeError):
    """A platform's plugin is missing, cannot be loaded, or found no device."""


class Plugin(NamedTuple):
    """An accelerator library that was found; ``name`` is PJRT's ('cuda', 'rocm', 'tpu', ...)."""

    name: str
    platform: str  # 'gpu', 'tpu', or the plugin's own name
    library: str
    package: str  # the package that holds it, '' when the path was given by hand
    options: dict[str, Any]


def make_cpu_client(
    num_devices: int | None = None,
    *,
    distributed: Any = None,
    node_id: int = 0,
    num_nodes: int = 1,
    collectives: Any = None,
    asynchronous: bool = True,
) -> Any:
    """A CPU client; ``num_devices`` virtual devices (default: one, or what XLA_FLAGS says)."""
    fork.watch()
    return xc.make_cpu_client(
        asynchronous=asynchronous,
        distributed_client=distributed,
        node_id=node_id,
        num_nodes=num_nodes,
        collectives=collectives,
        num_devices=num_devices,
    )


# Finding plugins ----------------------------------------------------------------------------------------------------

_GPU_MODULES = {  # folder in jax_plugins -> (plugin name, kernel package)
    "xla_cuda13": ("cuda", "jax_cuda13_plugin"),
    "xla_cuda12": ("cuda", "jax_cuda12_plugin"),
    "xla_rocm10": ("rocm", "jax_rocm10_plugin"),
    "xla_rocm7": ("rocm", "jax_rocm7_plugin"),
    "xla_rocm60": ("rocm", "jax_rocm60_plugin"),
    "xla_oneapi": ("oneapi", "jax_oneapi_plugin"),
}
_LIBRARY_NAMES = {
    "cuda": ("xla_cuda_plugin.so",),
    "rocm": ("xla_rocm_plugin.so",),
    "oneapi": ("xla_oneapi_plugin.so",),
}
_PLATFORM = {"cuda": "gpu", "rocm": "gpu"}


def available_plugins() -> dict[str, Plugin]:
    """Plugins that are installed or named by the environment, by name; a cheap look at folders, nothing is loaded."""
    found: dict[str, Plugin] = {}
    for plugin in (*_from_environment(), *_from_namespace_package(), *_tpu()):
        found.setdefault(plugin.name, plugin)
    return found


def _from_environment() -> list[Plugin]:
    """PJRT_NAMES_AND_LIBRARY_PATHS=name:path,...; a path may be a JSON file with library_path and create_options."""
    found = []
    for entry in filter(None, os.environ.get("PJRT_NAMES_AND_LIBRARY_PATHS", "").split(",")):
        name, colon, path = entry.partition(":")
        if not colon:
            raise PluginError(
                f"PJRT_NAMES_AND_LIBRARY_PATHS wants name:path entries separated by commas, got {entry!r}"
            )
        options: dict[str, Any] = {}
        if path.endswith(".json"):
            described = json.loads(pathlib.Path(path).read_text())
            path, options = described["library_path"], dict(described.get("create_options", {}))
        found.append(Plugin(name, _PLATFORM.get(name, name), path, "", options))
    return found


def _from_namespace_package() -> list[Plugin]:
    spec = importlib.util.find_spec("jax_plugins")
    if spec is None or spec.submodule_search_locations is None:
        return []
    found = []
    for place in map(pathlib.Path, spec.submodule_search_locations):
        if not place.is_dir():
            continue
        for folder in sorted(place.iterdir(), reverse=True):  # newest first
            name, _ = _GPU_MODULES.get(folder.name, (folder.name, ""))
            wanted = _LIBRARY_NAMES.get(name)
            libraries = (
                [folder / n for n in wanted]
                if wanted
                else sorted(folder.glob("*pjrt*.so")) + sorted(folder.glob("*.so"))
            )
            for library in libraries:
                if library.is_file():
                    found.append(Plugin(name, _PLATFORM.get(name, name), str(library), folder.name, {}))
                    break
    return found


def _tpu() -> list[Plugin]:
    path = os.environ.get("TPU_LIBRARY_PATH")
    if path is None:
        spec = importlib.util.find_spec("libtpu")
        if spec is None or not spec.origin:
            return []
        path = str(pathlib.Path(spec.origin).parent / "libtpu.so")
    return [Plugin("tpu", "tpu", path, "libtpu", {})] if os.path.exists(path) else []


# Starting one -------------------------------------------------------------------------------------------------------

_loaded: dict[str, Any] = {}
_load_lock = threading.Lock()


def make_plugin_client(name: str, *, distributed: Any = None, options: dict[str, Any] | None = None) -> Any:
    """Loads the plugin ``name`` ('cuda', 'rocm', 'tpu', ...) and connects to its devices.

    Raises
    ------
    PluginError : with what was looked for, when the plugin is missing, does not load, or finds no device.
    """
    plugin = available_plugins().get(name)
    if plugin is None:
        raise PluginError(_missing(name))
    fork.watch()
    try:
        with _load_lock:
            capsule = _load(plugin)
    except Exception as error:
        raise PluginError(f"the {name} plugin could not be loaded from {plugin.library}: {error}") from error
    settings = dict(plugin.options)
    if plugin.platform == "gpu":
        settings |= xc.generate_pjrt_gpu_plugin_options()
    settings |= options or {}
    try:
        client = xc.make_c_api_client(name, settings, distributed)
    except Exception as error:
        raise PluginError(
            f"the {name} plugin was loaded but no client could be made: {error}. "
            f"To run on the CPU instead, set FERAX_PLATFORMS=cpu (or JAX_PLATFORMS=cpu)."
        ) from error
    if plugin.platform == "gpu":
        _register_gpu_kernels(plugin, capsule)
    return client


def _missing(name: str) -> str:
    hints = {
        "cuda": "pip install 'jax-cuda13-plugin' 'jax-cuda13-pjrt' of jaxlib's version, with the nvidia CUDA packages",
        "rocm": "pip install the jax-rocm plugin and pjrt packages of jaxlib's version",
        "tpu": "pip install libtpu, or set TPU_LIBRARY_PATH",
    }
    have = ", ".join(sorted(available_plugins())) or "none"
    hint = hints.get(name, "set PJRT_NAMES_AND_LIBRARY_PATHS=name:/path/to/plugin.so")
    return f"no plugin for platform {name!r} is installed (found: {have}). To get it: {hint}."


def _load(plugin: Plugin) -> Any:
    if plugin.name not in _loaded:
        if xc.pjrt_plugin_loaded(plugin.name):  # by the real jax, or by a program of the user's
            capsule = _jax.get_pjrt_plugin(plugin.name) if hasattr(_jax, "get_pjrt_plugin") else None
        else:
            if plugin.name == "cuda":
                _check_versions(plugin)
                _load_nvidia_libraries()
            capsule = xc.load_pjrt_plugin_dynamically(plugin.name, plugin.library)
            _register_profiler(capsule)
        if not xc.pjrt_plugin_initialized(plugin.name):
            xc.initialize_pjrt_plugin(plugin.name)
        _loaded[plugin.name] = capsule
    return _loaded[plugin.name]


def _register_profiler(capsule: Any) -> None:
    from jaxlib import _profiler  # lazy: only accelerators need it here

    if capsule is not None:
        _profiler.register_plugin_profiler(capsule)


def _check_versions(plugin: Plugin) -> None:
    """Plugin and jaxlib share C++ structures and must be of one release."""
    import importlib.metadata  # lazy: 14 ms, and only accelerators need it

    cuda = plugin.package.removeprefix("xla_")
    for package in (f"jax-{cuda}-pjrt", f"jax-{cuda}-plugin"):
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # a plugin that was built by hand
        ours = importlib.metadata.version("jaxlib")
        if version.split(".")[:3] != ours.split(".")[:3]:
            raise PluginError(
                f"{package} {version} does not fit jaxlib {ours}; install the same release of both"
            )


# (name of the package below nvidia/, name in nvidia.cu13/lib or own lib, soname)
_NVIDIA = (
    ("cuda_runtime", "libcudart.so"),
    ("nvjitlink", "libnvJitLink.so"),
    ("cuda_nvrtc", "libnvrtc.so"),
    ("cublas", "libcublasLt.so"),
    ("cublas", "libcublas.so"),
    ("nccl", "libnccl.so"),
    ("cuda_cupti", "libcupti.so"),
    ("cusparse", "libcusparse.so"),
    ("cusolver", "libcusolver.so"),
    ("cufft", "libcufft.so"),
    ("nvshmem", "libnvshmem_host.so"),
    ("cudnn", "libcudnn.so"),
)


def _load_nvidia_libraries() -> None:
    """Loads CUDA's libraries from the ``nvidia`` packages so that the plugin finds them; system-wide ones need nothing."""
    spec = importlib.util.find_spec("nvidia")
    if spec is None or spec.submodule_search_locations is None:
        return
    roots = [pathlib.Path(p) for p in spec.submodule_search_locations]
    for package, soname in _NVIDIA:
        for root in roots:
            found = [
                f
                for sub in (package, "cu13", "cu12")
                for f in sorted((root / sub / "lib").glob(soname + "*"))
            ]
            if found:
                try:
                    ctypes.CDLL(str(found[0]), mode=ctypes.RTLD_GLOBAL)
                except OSError as error:
                    raise PluginError(f"the CUDA library {found[0]} could not be loaded: {error}") from error
                break


_gpu_registered: set[str] = set()


def _register_gpu_kernels(plugin: Plugin, capsule: Any) -> None:
    """Connects custom-call registration to the plugin and registers its kernels (cuSOLVER, callbacks, ...)."""
    if plugin.name in _gpu_registered or capsule is None:
        return
    _, kernels = _GPU_MODULES.get(plugin.package, ("", ""))
    extension_name = "cuda_plugin_extension" if plugin.name == "cuda" else "rocm_plugin_extension"
    if not kernels or importlib.util.find_spec(kernels) is None:
        return  # the kernel package is optional: linear algebra and callbacks then say that they are missing
    extension = importlib.import_module(f"{kernels}.{extension_name}")
    target = "CUDA" if plugin.name == "cuda" else "ROCM"
    xc.register_custom_call_handler(target, functools.partial(extension.register_custom_call_target, capsule))
    if hasattr(extension, "register_custom_type"):
        xc.register_custom_type_handler(target, functools.partial(extension.register_custom_type, capsule))
    if hasattr(extension, "ffi_types"):
        for type_name, type_info in extension.ffi_types().items():
            xc.register_custom_type(type_name, type_info, platform=target)
    for call_name, call in extension.ffi_handlers().items():
        xc.register_custom_call_target(call_name, call, platform=target, api_version=1)
    _gpu_registered.add(plugin.name)


def gpu_extension(name: str = "cuda") -> Any:
    """The kernel package's extension module of the loaded GPU plugin, or None (for Triton compilation and the like)."""
    for kernels_of, kernels in _GPU_MODULES.values():
        module = sys.modules.get(f"{kernels}.{name}_plugin_extension")
        if kernels_of == name and module is not None:
            return module
    return None
