"""Compile options, compiling, running, analysing and storing executables."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ferax._src.engine.lib import JAXLIB_VERSION, _jax, xc

LoadedExecutable = _jax.LoadedExecutable
CompileOptions = xc.CompileOptions
ShardedToken = _jax.ShardedToken

# Options of the build itself; every other name is a field of XLA's DebugOptions and goes through overrides.
_BUILD_OPTIONS = frozenset(
    (
        "optimization_level",
        "memory_fitting_level",
        "exec_time_optimization_effort",
        "memory_fitting_effort",
        "fdo_profile",
    )
)


def compile_options(
    options: Mapping[str, Any] | None = None,
    *,
    num_replicas: int = 1,
    num_partitions: int = 1,
    device_ids: Any = None,
    shardy: bool = True,
    spmd: bool | None = None,
    propagate_to_parameters: Sequence[bool] | None = None,
    propagate_to_outputs: Sequence[bool] | None = None,
    portable: bool = False,
    argument_layouts: Sequence[Any] | None = None,
    result_layout: Any = None,
) -> Any:
    """``CompileOptions`` from plain values.

    ``options`` maps option names of XLA's DebugOptions (``xla_cpu_...``) to int, float, bool or text; a repeated enum is
    a comma-separated text of full names, and the empty text empties it.  ``device_ids[replica][partition]`` is needed for
    more than one device.  ``shardy`` says which partitioner reads the module's shardings.
    """
    result = xc.CompileOptions()  # must outlive the views on its parts below
    build = result.executable_build_options
    result.num_replicas, result.num_partitions = num_replicas, num_partitions
    if device_ids is not None:
        ids = np.asarray(device_ids, np.int32).reshape(num_replicas, num_partitions)
        result.device_assignment = xc.DeviceAssignment.create(ids)
    build.use_spmd_partitioning = (num_partitions > 1) if spmd is None else spmd
    build.use_shardy_partitioner = shardy
    if propagate_to_parameters is not None:
        build.allow_spmd_sharding_propagation_to_parameters = list(propagate_to_parameters)
    if propagate_to_outputs is not None:
        build.allow_spmd_sharding_propagation_to_output = list(propagate_to_outputs)
    if portable:
        result.compile_portable_executable = True
    if argument_layouts is not None:
        result.argument_layouts = list(argument_layouts)
    if result_layout is not None:
        build.result_layout = result_layout
    overrides = []
    for name, value in (options or {}).items():
        if name in _BUILD_OPTIONS:
            if not hasattr(build, name):
                raise ValueError(
                    f"compile option {name!r} does not exist in jaxlib {'.'.join(map(str, JAXLIB_VERSION))}"
                )
            setattr(build, name, value)
        else:
            overrides.append((name, value))
    result.env_option_overrides = overrides
    return result


def compile_module(
    client: Any,
    module: Any,
    devices: Sequence[Any],
    options: Any,
    host_callbacks: Sequence[Callable[..., Any]] = (),
) -> Any:
    """Compiles and loads an ``ir.Module``, its text or its bytecode.  Host callbacks need the ``ir.Module`` itself.

    XLA releases the GIL meanwhile.  The executable keeps its callbacks alive.
    """
    device_list = devices if isinstance(devices, xc.DeviceList) else xc.DeviceList(tuple(devices))
    if host_callbacks:
        return client.compile_and_load(module, device_list, options, list(host_callbacks))
    return client.compile_and_load(module, device_list, options)


def execute(executable: Any, buffers: list, handlers: list) -> list:
    """Runs an executable on buffers; one ``result_handler`` per output makes the results.

    C++ compares neither dtypes nor shapes with the program's parameters: the caller must have.
    """
    return executable.execute_sharded(buffers).consume_with_handlers(handlers)


def execute_with_token(executable: Any, buffers: list, handlers: list) -> tuple[list, Any]:
    """As :func:`execute`, with a token to wait on until the program's side effects have happened."""
    results = executable.execute_sharded(buffers, with_tokens=True)
    token = results.consume_token()
    return results.consume_with_handlers(handlers), token


# Analyses -------------------------------------------------------------------------------------------------------------


def hlo_text(executable: Any) -> str:
    """The optimised program of an executable."""
    return "\n\n".join(module.to_string() for module in executable.hlo_modules())


def cost_analysis(executable: Any) -> dict[str, float]:
    """'flops', 'bytes accessed', 'transcendentals', ... of the optimised program."""
    return dict(executable.cost_analysis())


def parameter_layouts(executable: Any) -> list:
    """The ``PjRtLayout`` of each parameter."""
    return executable.get_parameter_layouts()


def result_layouts(executable: Any) -> list:
    """The ``PjRtLayout`` of each result."""
    return executable.get_output_layouts()


def unoptimized_cost_analysis(client: Any, module: Any) -> dict[str, float]:
    """The same before compiling, from StableHLO (module, text or bytecode)."""
    return dict(_jax.hlo_module_cost_analysis(client, xla_computation(module).as_hlo_module()))


def xla_computation(module: Any) -> Any:
    """StableHLO (module, text or bytecode) as an ``XlaComputation``: ``as_hlo_text()``, ``as_hlo_dot_graph()``, ..."""
    source = module if isinstance(module, (str, bytes)) else str(module)
    return _jax.mlir.mlir_module_to_xla_computation(source, use_tuple_args=False, return_tuple=False)


def memory_analysis(executable: Any) -> Any:
    """``CompiledMemoryStats``: argument, output, temp, alias and peak sizes in bytes."""
    return executable.get_compiled_memory_stats()


def output_shardings(executable: Any) -> list | None:
    """The ``HloSharding`` XLA chose for each output; None for a program on one device."""
    found = executable.get_output_shardings()
    return None if found is None else [xc.HloSharding.from_proto(s) for s in found]


def parameter_shardings(executable: Any) -> list | None:
    found = executable.get_parameter_shardings()
    return None if found is None else [xc.HloSharding.from_proto(s) for s in found]


# Storing --------------------------------------------------------------------------------------------------------------


def serialize(executable: Any) -> bytes:
    """Bytes from which the same jaxlib on the same kind of machine loads the executable in about a millisecond."""
    return executable.serialize()


def deserialize(
    client: Any,
    data: bytes,
    devices: Sequence[Any],
    options: Any,
    host_callbacks: Sequence[Callable[..., Any]] = (),
) -> Any:
    """Loads an executable.  On the CPU it stays on the device it was compiled for, whatever ``devices`` says."""
    device_list = devices if isinstance(devices, xc.DeviceList) else xc.DeviceList(tuple(devices))
    if host_callbacks:
        return client.deserialize_executable(data, device_list, options, list(host_callbacks))
    return client.deserialize_executable(data, device_list, options)


def options_fingerprint(options: Any) -> bytes:
    """Bytes of compile options for a cache key: deterministic, without paths and without a lone device's id."""
    copy = xc.CompileOptions.ParseFromString(options.SerializeAsString())
    build = copy.executable_build_options
    debug = build.debug_options
    for field in (
        "xla_dump_to",
        "xla_dump_hlo_module_re",
        "xla_dump_hlo_pass_re",
        "xla_gpu_cuda_data_dir",
        "xla_gpu_per_fusion_autotune_cache_dir",
        "xla_gpu_kernel_cache_file",
        "xla_gpu_dump_autotune_results_to",
        "xla_gpu_load_autotune_results_from",
    ):
        if hasattr(debug, field):
            setattr(debug, field, "")
    assignment = copy.device_assignment
    if assignment is not None and assignment.replica_count() * assignment.computation_count() == 1:
        copy.device_assignment = xc.DeviceAssignment.create(np.zeros((1, 1), np.int32))
    return copy.SerializeAsString()
