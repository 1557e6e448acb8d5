"""Modules as text and bytes, their versions, passes over them, and the reference interpreter."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo as _stablehlo

from ferax._src.engine.lib import _jax
from ferax._src.engine.mlir import workbench


def module_text(module: Any, *, debug_info: bool = False, large_elements_limit: int | None = None) -> str:
    """A module as MLIR text, optionally with locations and with big constants cut."""
    return module.operation.get_asm(enable_debug_info=debug_info, large_elements_limit=large_elements_limit)


def module_bytecode(module: Any, *, locations: bool = True) -> bytes:
    """MLIR bytecode.  Without ``locations`` equal programs from different lines give equal bytes, as cache keys want."""
    operation = module.operation
    if not locations:
        from jaxlib.mlir import passmanager  # lazy: only the disk cache needs it

        with module.context:
            operation = operation.clone()
            passmanager.PassManager.parse("builtin.module(strip-debuginfo)").run(operation)
    out = io.BytesIO()
    operation.write_bytecode(out)
    return out.getvalue()


def parse_module(source: str | bytes, context: Any = None) -> Any:
    """A module from its text or bytecode, in this thread's context unless another is given."""
    return ir.Module.parse(source, workbench().context if context is None else context)


def verify(module: Any) -> None:
    """Checks a whole module (the compiler does so anyway); for tests and for hand-written rules that fail to compile."""
    module.operation.verify()


def stablehlo_version() -> str:
    return _stablehlo.get_current_version()


def stablehlo_minimum_version() -> str:
    return _stablehlo.get_minimum_version()


def stablehlo_version_of_age(weeks: int) -> str:
    """The StableHLO version that consumers of that age (4 or 12 weeks) can read."""
    ages = _stablehlo.StablehloCompatibilityRequirement
    return _stablehlo.get_version_from_compatibility_requirement(ages.WEEK_4 if weeks <= 4 else ages.WEEK_12)


def serialize_portable(module: Any, version: str | None = None) -> bytes:
    """A portable artifact (VHLO), readable by other releases; ``module`` is left as it is.

    The function of the same name in jaxlib's StableHLO bindings converts its module in place and must not be used.
    """
    source = module if isinstance(module, (str, bytes)) else module_bytecode(module)
    parsed = ir.Module.parse(source, workbench().context)
    return _jax.mlir.serialize_portable_artifact(parsed, version or stablehlo_version_of_age(12))


def deserialize_portable(artifact: bytes, context: Any = None) -> Any:
    return _stablehlo.deserialize_portable_artifact(
        workbench().context if context is None else context, artifact
    )


def refine_polymorphic_shapes(source: bytes, *, enable_shardy: bool = False) -> bytes:
    """Makes a module with ``?`` dimensions static once main's arguments are, and evaluates its shape assertions."""
    return _jax.mlir.refine_polymorphic_shapes(
        source, enable_shape_assertions=True, validate_static_shapes=True, enable_shardy=enable_shardy
    )


def run_passes(module: Any, pipeline: str) -> None:
    """Runs a pass pipeline on a module in place: ``builtin.module(func.func(chlo-legalize-to-stablehlo))``."""
    from jaxlib.mlir import passmanager  # lazy: lowering runs no passes

    _stablehlo.register_stablehlo_passes()
    with module.context:
        passmanager.PassManager.parse(pipeline).run(module.operation)


def interpret(module: Any, arguments: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Runs a module by StableHLO's reference interpreter: tests of lowerings without XLA."""
    bench = workbench()
    with module.context:
        results = _stablehlo.eval_module(module, [bench.dense(np.asarray(a)) for a in arguments])
    return [np.array(r) for r in results]
