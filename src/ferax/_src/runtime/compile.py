"""From a StableHLO module to a loaded executable, with options that suit the program.

On the CPU, XLA can hand matrix products and reductions to its YNN kernels.  Which of them pays was measured (see
`default_options`); jaxlib's own default is kept for programs without matrix products and convolutions.  The user's
``compiler_options`` and ``XLA_FLAGS`` win over ours, ``FERAX_CPU_LOWERINGS=plain`` turns ours off, and a program that does
not compile with ours is compiled once more without.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ferax._src import engine
from ferax._src.engine import compiler
from ferax._src.runtime.lowering import Lowered
from ferax._src.util import config

logger = logging.getLogger(__name__)

_FUSION_OPTION = "xla_cpu_experimental_ynn_fusion_type"
_FUSION = "LIBRARY_FUSION_TYPE_"
_DOT_REDUCE = f"{_FUSION}DOT,{_FUSION}REDUCE"
_INDIVIDUAL_DOT_REDUCE = f"{_FUSION}INDIVIDUAL_DOT,{_FUSION}REDUCE"

_failed_modules: set[bytes] = set()  # hashes of modules that our options could not compile
_dump_numbers = itertools.count()
_option_unknown = False  # this jaxlib does not know the option


def default_options(platform: str, contractions: frozenset) -> dict[str, Any]:
    """Ferax's XLA options for a program with these matrix products and convolutions.

    Nothing to win without any.  16-bit products are slower when fused (1.3 to 2.5 times), so they stay single.  YNN's
    convolution wins for forward convolutions of few channels, its default; elsewhere products with what surrounds them
    and reductions in YNN, convolutions in XLA, are 1.1 to 2.4 times as fast as jaxlib's default. That is so for whole models;
    where all there is are a few products, one of them fused with what makes its operands may do that work many times over
    (a covariance: 2.5 times slower).
    """
    if platform != "cpu" or not contractions or _option_unknown or config.cpu_lowerings.value == "plain":
        return {}
    if _FUSION_OPTION in os.environ.get("XLA_FLAGS", ""):
        return {}
    if "half_dot" in contractions:
        return {_FUSION_OPTION: _INDIVIDUAL_DOT_REDUCE}
    if contractions in ({"small_conv"}, {"dot"}):
        return {}
    return {_FUSION_OPTION: _DOT_REDUCE}


def options_for(
    lowered: Lowered,
    devices: Sequence[Any],
    compiler_options: Mapping[str, Any] | None = None,
    defaults: bool = True,
) -> Any:
    """The engine's compile options for a lowered program on ``devices``."""
    options = default_options(lowered.platform, lowered.contractions) if defaults else {}
    options |= _effort_options()
    options |= compiler_options or {}
    partitions, replicas = lowered.num_partitions, lowered.num_replicas
    if partitions * replicas != len(devices):
        raise ValueError(
            f"{lowered.name} is a program for {partitions * replicas} devices, but {len(devices)} were given"
        )
    many = partitions > 1
    return compiler.compile_options(
        options,
        num_replicas=replicas,
        num_partitions=partitions,
        device_ids=[d.id for d in devices],
        propagate_to_parameters=_propagate(lowered, lowered.in_shardings, len(lowered.const_args))
        if many
        else None,
        propagate_to_outputs=_propagate(lowered, lowered.out_shardings, 0) if many else None,
    )


_most_optimizations = config.FLAGS["jax_disable_most_optimizations"]
_optimization_level = config.FLAGS["jax_optimization_level"]
_memory_fitting_level = config.FLAGS["jax_memory_fitting_level"]
_dump_to = config.FLAGS["jax_dump_ir_to"]
_LEVELS = {"O0": 0, "O1": 1, "O2": 2, "O3": 3}


def _effort_options() -> dict[str, Any]:
    """The options that say how hard to work, from the user's configuration."""
    options: dict[str, Any] = {}
    if _most_optimizations.value:
        options |= {
            "xla_backend_optimization_level": 0,
            "xla_llvm_disable_expensive_passes": True,
        }
    if _optimization_level.value != "UNKNOWN":
        options["optimization_level"] = _LEVELS[_optimization_level.value]
    if _memory_fitting_level.value != "O2":
        options["memory_fitting_level"] = _LEVELS[_memory_fitting_level.value]
    return options


def _dump(lowered: Lowered) -> None:
    """Writes the module to the directory of ``jax_dump_ir_to``, if that is set."""
    where = os.path.expanduser(_dump_to.value)
    os.makedirs(where, exist_ok=True)
    path = os.path.join(where, f"ferax_ir{next(_dump_numbers)}_jit_{lowered.name}_compile.mlir")
    with open(path, "w", encoding="utf-8") as file:
        file.write(lowered.as_text(debug_info=config.FLAGS["jax_include_debug_info_in_dumps"].value))


def _propagate(lowered: Lowered, shardings: Sequence[Any], hidden: int) -> list[bool]:
    """For each of main's arguments or results whether the compiler may choose its sharding."""
    return [False] * (len(lowered.ordered_effects) + hidden) + [s is None for s in shardings]


def compile_lowered(
    lowered: Lowered, devices: Sequence[Any], compiler_options: Mapping[str, Any] | None = None
) -> Any:
    """Compiles and loads a lowered program.

    Parameters
    ----------
    lowered : Lowered
    devices : sequence of devices, all of one client; in the order of the program's partitions
    compiler_options : XLA options by name, over Ferax's own

    Returns
    -------
    LoadedExecutable
    """
    global _option_unknown
    devices = tuple(devices)
    log = logging.WARNING if config.log_compiles.value else logging.DEBUG
    if logger.isEnabledFor(log):
        logger.log(
            log, "Compiling %s with global shapes and types %s.", _described(lowered), lowered.in_avals
        )
    if _dump_to.value:
        _dump(lowered)
    started = time.perf_counter()
    ours = {
        k: v
        for k, v in default_options(lowered.platform, lowered.contractions).items()
        if k not in (compiler_options or {})
    }
    if ours and _failed_modules and _module_hash(lowered) in _failed_modules:
        ours = {}
    try:
        executable = _compile(lowered, devices, compiler_options, bool(ours))
    except engine.JaxRuntimeError as error:
        if not ours:
            raise _explained(error, lowered) from None
        if "No such compile option" in str(error) and _FUSION_OPTION in str(error):
            _option_unknown = True
        else:
            _failed_modules.add(_module_hash(lowered))
        logger.debug(
            "%s did not compile with ferax's own XLA options, trying without: %s", _described(lowered), error
        )
        try:
            executable = _compile(lowered, devices, compiler_options, False)
        except engine.JaxRuntimeError as again:
            raise _explained(again, lowered) from None
    if logger.isEnabledFor(log):
        logger.log(
            log,
            "Finished XLA compilation of %s in %.9f sec",
            _described(lowered),
            time.perf_counter() - started,
        )
    for kept in lowered.keep_alive:
        executable.keep_alive(kept)
    return executable


def _compile(
    lowered: Lowered, devices: tuple, compiler_options: Mapping[str, Any] | None, defaults: bool
) -> Any:
    options = options_for(lowered, devices, compiler_options, defaults)
    client = devices[0].client

    def run_xla() -> Any:
        return compiler.compile_module(client, lowered.module, devices, options, lowered.host_callbacks)

    if not config.FLAGS["jax_compilation_cache_dir"].value:
        return run_xla()
    from ferax._src.runtime import disk_cache  # lazy: mostly there is none
    return disk_cache.cached(lowered, devices, options, run_xla)


def _described(lowered: Lowered) -> str:
    return f"jit({lowered.name})"


def _module_hash(lowered: Lowered) -> bytes:
    from ferax._src.engine import mlir_text  # lazy: loads MLIR's bindings

    import hashlib  # lazy: only for modules that did not compile
    return hashlib.sha256(mlir_text.module_bytecode(lowered.module, locations=False)).digest()


def _explained(error: Exception, lowered: Lowered) -> Exception:
    where = lowered.debug_info.func_location
    error.add_note(
        f"while compiling {_described(lowered)}{f', defined at {where},' if where else ''} for {lowered.platform}"
    )
    return error
