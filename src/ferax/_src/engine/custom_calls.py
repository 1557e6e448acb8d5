"""Custom-call targets: names under which compiled programs find native functions."""

import ctypes
import pathlib
import threading
from collections.abc import Iterable
from typing import Any

import jaxlib

from ferax._src.engine.lib import _jax, xc

CustomCallTargetTraits = xc.CustomCallTargetTraits

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = (
    ctypes.py_object,
    [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p],
)
_CAPSULE_NAME = b"xla._CUSTOM_CALL_TARGET"  # must outlive every capsule

_PLATFORM_NAMES = {"cpu": "cpu", "host": "cpu", "cuda": "CUDA", "gpu": "CUDA", "rocm": "ROCM", "tpu": "tpu"}


def register(name: str, target: Any, platform: str = "cpu", api_version: int = 1, traits: Any = None) -> None:
    """Registers a capsule (or a dict of capsules by stage).  The same handler twice is fine, another one is an error."""
    platform = _PLATFORM_NAMES.get(platform.lower(), platform)
    if traits is None:
        xc.register_custom_call_target(name, target, platform=platform, api_version=api_version)
    else:
        xc.register_custom_call_target(
            name, target, platform=platform, api_version=api_version, traits=traits
        )


def register_type(name: str, info: Any, platform: str = "cpu") -> None:
    xc.register_custom_type(name, info, platform=_PLATFORM_NAMES.get(platform.lower(), platform))


def registered(platform: str = "Host") -> dict[str, Any]:
    """Targets known to a platform ('Host' is the CPU)."""
    return xc.custom_call_targets(platform)


def capsule(function: Any) -> Any:
    """A capsule for a C function (a ctypes function, or its address as an int)."""
    address = function if isinstance(function, int) else ctypes.cast(function, ctypes.c_void_p).value
    return _new_capsule(address, _CAPSULE_NAME, None)


def approx_top_k_size(size: int, rank: int, k: int, recall: float, aggregate: bool, size_override: int) -> int:
    """How many elements the custom call ``ApproxTopK`` finds along a dimension of ``size``."""
    return _jax.approx_top_k_reduction_output_size(size, rank, k, recall, aggregate, size_override)[0]


def include_dir() -> str:
    """Folder of the FFI headers that native handlers are compiled against."""
    return str(pathlib.Path(jaxlib.__file__).parent / "include")


register_batch_partitionable = _jax.register_custom_call_as_batch_partitionable
register_partitioner = _jax.register_custom_call_partitioner
# (function of an HloSharding) -> backend_config of a custom call ``InspectSharding``, for which the partitioner calls it.  The
# function must live as long as the program may be compiled.
inspect_sharding_key = _jax.encode_inspect_sharding_callback

# LAPACK and friends ---------------------------------------------------------------------------------------------------

_lock = threading.Lock()
_done: set[str] = set()


def ensure_lapack() -> None:
    """Registers the CPU's LAPACK targets (``lapack_{s,d,c,z}NAME_ffi``); the first call imports scipy.linalg, 350 ms."""
    with _lock:
        if "lapack" in _done:
            return
        from jaxlib import lapack  # lazy: few programs use linear algebra
        from jaxlib.cpu import _lapack

        for name, target, version in lapack.registrations()["cpu"]:
            register(name, target, "cpu", version)
        for name in lapack.batch_partitionable_targets():
            register_batch_partitionable(name)
        _lapack.initialize()
        _done.add("lapack")


def ensure_lapack_if(targets: Iterable[str]) -> None:
    """`ensure_lapack`, if some target is one of its."""
    if any(target.startswith("lapack_") for target in targets):
        ensure_lapack()


def ensure_cpu_sparse() -> None:
    with _lock:
        if "cpu_sparse" in _done:
            return
        from jaxlib import cpu_sparse  # lazy: few programs use sparse matrices

        for name, target, *version in cpu_sparse.registrations().get("cpu", []):
            register(name, target, "cpu", version[0] if version else 1)
        _done.add("cpu_sparse")


def ensure_gpu(family: str, platform: str = "CUDA") -> None:
    """Registers a family of GPU kernels: 'solver', 'linalg', 'prng', 'rnn' or 'sparse'."""
    with _lock:
        if (key := f"{family}:{platform}") in _done:
            return
        import importlib  # lazy: accelerators only

        module = importlib.import_module(f"jaxlib.gpu_{family}")
        for name, target, *version in module.registrations().get(platform, []):
            register(name, target, platform, version[0] if version else 1)
        for name in module.batch_partitionable_targets() if hasattr(module, "batch_partitionable_targets") else ():
            register_batch_partitionable(name)
        if family == "solver" and hasattr(module, "initialize_hybrid_kernels"):
            _done.add(f"hybrid:{platform}")  # cuhybrid_* targets are started by ensure_gpu_hybrid
        _done.add(key)


def ensure_gpu_hybrid() -> None:
    """Starts the kernels that mix GPU and host LAPACK (``cuhybrid_*``)."""
    ensure_gpu("solver")
    ensure_lapack()
    from jaxlib import gpu_solver  # lazy: accelerators only

    gpu_solver.initialize_hybrid_kernels()
