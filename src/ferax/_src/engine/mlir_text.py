"""Modules as text and bytes, their versions, passes over them, and the reference interpreter."""

import io
from collections.abc import Callable, Sequence
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


def merge_modules(target: Any, source: Any, fresh_symbol: Callable[[str], str]) -> dict[str, str]:
    """Moves copies of all that stands in ``source`` into ``target``; both are of one context, and ``source`` is used up.

    ``fresh_symbol`` answers names that are free in ``target``.  The answer maps old names to new ones; functions are private.
    """
    operations = list(source.body.operations)
    taken = {ir.StringAttr(op.attributes["sym_name"]).value for op in operations}
    names = {}
    for old in sorted(taken):
        new = fresh_symbol(old)
        while new != old and new in taken:
            new = fresh_symbol(old)
        names[old] = new
        taken.add(new)
    for op in operations:
        old = ir.StringAttr(op.attributes["sym_name"]).value
        if names[old] != old:
            ir.SymbolTable.replace_all_symbol_uses(old, names[old], source.operation)
    place = ir.InsertionPoint(target.body)
    for op in operations:
        copy = op.operation.clone(place).operation  # an OpView's `name` would be the function's
        name = names[ir.StringAttr(copy.attributes["sym_name"]).value]
        copy.attributes["sym_name"] = ir.StringAttr.get(name, target.context)
        if copy.name == "func.func":
            copy.attributes["sym_visibility"] = ir.StringAttr.get("private", target.context)
            _drop_donations(copy)
    return names


def _drop_donations(function: Any) -> None:
    """Only the arguments of ``main`` can give their memory away."""
    described = value_attributes(function, "arg_attrs")
    if described is not None:
        kept = [{k: v for k, v in d.items() if k not in _OF_MAIN} for d in described]
        context = function.context
        function.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(d, context) for d in kept], context)


_OF_MAIN = ("tf.aliasing_output", "jax.buffer_donor", "mhlo.layout_mode", "mhlo.memory_kind", "jax.global_constant")


def function_named(module: Any, name: str) -> Any:
    """A function of a module."""
    return next(op for op in module.body.operations if ir.StringAttr(op.attributes["sym_name"]).value == name)


def function_types(function: Any) -> tuple[list[Any], list[Any]]:
    """The types of a function's arguments and results."""
    type_ = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    return list(type_.inputs), list(type_.results)


def string_of(attribute: Any) -> str:
    """The text of a string attribute."""
    return ir.StringAttr(attribute).value


def value_attributes(function: Any, name: str) -> list[dict[str, Any]] | None:
    """The attributes of a function's arguments (``arg_attrs``) or results (``res_attrs``)."""
    if name not in function.attributes:
        return None
    return [{a.name: a.attr for a in ir.DictAttr(d)} for d in ir.ArrayAttr(function.attributes[name])]


def set_argument_types(function: Any, types: Sequence[Any]) -> None:
    """Gives a function's arguments other types, for shape refinement to spread from there."""
    for argument, type_ in zip(function.regions[0].blocks[0].arguments, types):
        argument.set_type(type_)
    _, results = function_types(function)
    changed = ir.FunctionType.get(list(types), results, context=function.context)
    function.attributes["function_type"] = ir.TypeAttr.get(changed, function.context)


def custom_call_targets(module: Any) -> dict[str, Any]:
    """The targets of a module's custom calls, each with one operation that calls it."""
    found: dict[str, Any] = {}

    def visit(op: Any) -> Any:
        if op.name == "stablehlo.custom_call":
            found.setdefault(ir.StringAttr(op.attributes["call_target_name"]).value, op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return found


def serialize_portable(module: Any, version: str | None = None, *, mixed: bool = False) -> bytes:
    """A portable artifact (VHLO), readable by other releases; ``module`` is left as it is.

    ``mixed`` lets operations of other dialects (Shardy's) stand in it as they are.

    The function of the same name in jaxlib's StableHLO bindings converts its module in place and must not be used.
    """
    source = module if isinstance(module, (str, bytes)) else module_bytecode(module)
    parsed = ir.Module.parse(source, workbench().context)
    return _jax.mlir.serialize_portable_artifact(parsed, version or stablehlo_version_of_age(12), mixed)


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
