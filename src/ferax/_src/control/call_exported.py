"""Calling a function that was exported: its StableHLO module becomes part of the program that calls it.

The primitive's parameter is an `Exported` (``tools/exported.py``): fixed types, and a module that a process long gone may have
made.  Symbolic dimensions get their sizes from the operands here: the module's functions are made static, then copied.
Derivatives are no rule of the primitive: an exported function brings its own (`Exported.vjp`).
"""

from __future__ import annotations

from typing import Any

from ferax._src.engine import custom_calls
from ferax._src.runtime import lowering_shardings
from ferax._src.runtime.array import physical_aval
from ferax._src.runtime.lowering_module import SubFunction
from ferax._src.tracing import core
from ferax._src.tracing.core import Primitive
from ferax._src.types.avals import ShapedArray
from ferax._src.types.symbolic_dims import evaluate, has_symbolic
from ferax._src.types.symbolic_solving import solve


class CallExported(Primitive):
    """The flat arguments of an exported function to its flat results."""

    name = "call_exported"
    has_effects = True
    handles_extended_dtypes = True

    def abstract_eval(self, *avals, exported):
        self.check_types(avals, exported)
        env = self.variables(avals, exported)
        return [ShapedArray(tuple([evaluate(d, env) for d in a.shape]), a.dtype, a.weak_type) for a in exported.out_avals]

    def effects_of(self, *avals, exported):
        return frozenset((*exported.ordered_effects, *exported.unordered_effects))

    def check_types(self, avals, exported) -> None:
        """Rank, dtype and sizes that are numbers must be those of the export."""
        for i, (expected, given) in enumerate(zip(exported.in_avals, avals, strict=True)):
            if not isinstance(given, ShapedArray):
                raise ValueError(f"call_exported: expected an array for {exported.describe(i)} but got: {given}")
            if expected.ndim != given.ndim:
                raise ValueError(f"Rank mismatch for {exported.describe(i)}: expected {expected.shape} and called with {given.shape}")
            if expected.dtype != given.dtype:
                raise ValueError(f"Dtype mismatch for {exported.describe(i)}: expected {expected.dtype} and called with {given.dtype}")
            for j, (d, size) in enumerate(zip(expected.shape, given.shape)):
                if isinstance(d, int) and not (isinstance(size, int) and d == size):
                    raise ValueError(f"Shape mismatch for {exported.describe(i, j)} (expected same constant): expected "
                                     f"{expected.shape} and called with {given.shape}")

    def variables(self, avals, exported) -> dict[str, Any]:
        """What the dimension variables of the export are for arguments of these types."""
        if not exported.steps:
            return {}
        return solve(exported.steps, [a.shape for a in exported.in_avals], [a.shape for a in avals], exported.describe)

    def lower(self, ctx, *values, exported):
        state = ctx.state
        if "cpu" in exported.platforms:
            custom_calls.ensure_lapack_if(exported.custom_calls)
        devices = state.num_partitions * state.num_replicas
        if devices != exported.nr_devices and exported.nr_devices != 1:
            raise ValueError(f"Function {exported.fun_name} was exported for {exported.nr_devices} devices and is called in a context "
                             f"with {devices} devices, which is not allowed.")
        index = self._platform_index(ctx, exported)
        shapes = None if any(has_symbolic(a.shape) for a in ctx.avals_in) else tuple([a.shape for a in ctx.avals_in])
        function = self._function(ctx, exported, shapes)

        out_avals = [physical_aval(a) for a in ctx.avals_out]
        values = [lowering_shardings.constrain(ctx, v, a, s) if _cuts(s) else v
                  for v, a, s in zip(values, ctx.avals_in, exported._in_named_shardings)]
        order = list(exported.ordered_effects)
        operands = [ctx.scalar(index, "int32")] if len(exported.platforms) > 1 else []
        operands += [ctx.token(e) for e in order] + [values[i] for i in exported.module_kept_var_idx]
        operands = [_as_type(ctx, v, t) for v, t in zip(operands, function.in_types, strict=True)]
        outs = list(ctx.op("func.call", operands, function.out_types, {"callee": ctx.bench.symbol(function.symbol)}).results)
        for effect, token in zip(order, outs):
            ctx.set_token(effect, token)
        outs = [_as_type(ctx, v, ctx.tensor(a.shape, a.dtype)) for v, a in zip(outs[len(order):], out_avals, strict=True)]
        return [lowering_shardings.constrain(ctx, v, a, s) if _cuts(s) else v
                for v, a, s in zip(outs, ctx.avals_out, exported._out_named_shardings)]

    def _platform_index(self, ctx, exported) -> int:
        platform = ctx.gpu_kind if ctx.platform == "gpu" else ctx.platform
        if platform in exported.platforms:
            return exported.platforms.index(platform)
        if exported.allows_platforms:
            return 0
        raise ValueError(f"Function '{exported.fun_name}' was exported for platforms '{exported.platforms}' but it is used on "
                         f"'({platform!r},)'.")

    def _function(self, ctx, exported, shapes) -> SubFunction:
        """The function to call; its module is copied into ``ctx``'s the first time."""
        from ferax._src.engine import mlir_text  # lazy: loads MLIR's bindings

        key = "exported", exported, shapes
        found = ctx.state.functions.get(key)
        if found is None:
            module = exported.module_for(shapes, ctx.bench)
            inputs, results = mlir_text.function_types(mlir_text.function_named(module, "main"))
            names = mlir_text.merge_modules(ctx.state.module, module, lambda name: ctx.state.fresh_symbol(
                f"call_exported_{exported.symbol}" if name == "main" else name))
            found = ctx.state.functions[key] = SubFunction(names["main"], [], [], results, inputs)
        return found


def _cuts(sharding: Any) -> bool:
    """Whether a sharding says anything: those of programs for one device have an empty mesh."""
    return sharding is not None and not sharding.mesh.empty


def _as_type(ctx, value, wanted):
    """A value whose shape is known better, or less well, in the module that it goes to."""
    return value if value.type == wanted else ctx.op("stablehlo.convert", (value,), [wanted]).result


call_exported_p = core.register(CallExported())
