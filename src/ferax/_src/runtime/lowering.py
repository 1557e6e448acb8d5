"""From a jaxpr to a StableHLO module.

`lower_jaxpr` walks the equations once and asks each primitive's ``lower`` rule for operations.  The module's ``main`` takes

    tokens of ordered effects, hidden arguments, the arguments that the program reads

and returns tokens, then results.  *Hidden arguments* are the arrays that the traced function closed over: they are not
written into the program, where XLA would fold them element by element (seconds of compile time), but passed at each call by
the caller, who finds them in `Lowered.const_args`.  Arguments that nothing reads are dropped (`Lowered.kept`).

How rules build operations is in `lowering_context`, shardings in `lowering_shardings`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ferax._src import engine
from ferax._src.ir.dce import keeps_alive
from ferax._src.ir.jaxpr import ClosedJaxpr, DebugInfo, Literal
from ferax._src.runtime.array import physical_aval
from ferax._src.runtime.lowering_module import (
    EMBED_LIMIT,
    ModuleState,
    Slots,
    ordered_effects,
    slots,
)
from ferax._src.runtime.lowering_shardings import replicated_attributes, sharding_attributes
from ferax._src.tracing.core import Primitive, remember
from ferax._src.tracing.staging import trace_to_jaxpr

if TYPE_CHECKING:
    from ferax._src.runtime.lowering_context import LoweringContext


__all__ = [
    "EMBED_LIMIT",
    "Lowered",
    "Slots",
    "lower_as",
    "lower_by_tracing",
    "lower_jaxpr",
    "slots",
]


class Lowered:
    """A StableHLO module and what is needed to compile and call it."""

    __slots__ = (
        "module",
        "name",
        "platform",
        "kept",
        "const_args",
        "const_avals",
        "ordered_effects",
        "effects",
        "host_callbacks",
        "keep_alive",
        "process_bound",
        "in_avals",
        "out_avals",
        "donated",
        "unusable_donations",
        "in_shardings",
        "out_shardings",
        "num_replicas",
        "num_partitions",
        "contractions",
        "debug_info",
        "__weakref__",
    )

    module: Any  # ir.Module
    name: str
    platform: str
    kept: list[bool]  # which of the jaxpr's inputs main takes
    const_args: list[Any]  # values of the hidden arguments, in order (arrays as they were closed over)
    const_avals: list[Any]
    ordered_effects: list[Any]  # one token each, first among main's arguments and results
    effects: frozenset
    host_callbacks: list[Callable[..., Any]]
    keep_alive: list[Any]
    process_bound: bool  # holds addresses of this process: of no use to another
    in_avals: list[Any]  # of the kept arguments
    out_avals: list[Any]
    donated: list[bool]  # of the kept arguments: whether the call takes their memory
    unusable_donations: list[Any]  # avals of donated arguments whose memory no result can take
    in_shardings: list[Any]  # of the kept arguments; None: the compiler chooses
    out_shardings: list[Any]
    num_replicas: int
    num_partitions: int
    contractions: frozenset  # which matrix products and convolutions there are; see `compile.default_options`
    debug_info: DebugInfo

    def __init__(self, **fields: Any):
        for name, value in fields.items():
            setattr(self, name, value)

    def as_text(self, *, debug_info: bool = False) -> str:
        """The module as MLIR text."""
        from ferax._src.engine import mlir_text  # lazy: see lower_jaxpr

        return mlir_text.module_text(self.module, debug_info=debug_info)

    def as_hlo_text(self) -> str:
        """The module as (unoptimised) HLO text."""
        from ferax._src.engine import mlir_text  # lazy: see lower_jaxpr

        return engine.compiler.xla_computation(mlir_text.module_bytecode(self.module)).as_hlo_text()

    @property
    def main_avals(self) -> list[Any]:
        """Types of all of main's arguments but the tokens: hidden ones, then kept ones."""
        return self.const_avals + self.in_avals

    def __repr__(self) -> str:
        return f"Lowered({self.name}, {self.platform}, {len(self.in_avals)} arguments, {len(self.out_avals)} results)"


def lower_jaxpr(
    closed: ClosedJaxpr,
    *,
    name: str = "main",
    platform: str = "cpu",
    donated: Sequence[bool] | None = None,
    keep_unused: bool = False,
    in_shardings: Sequence[Any] | None = None,
    out_shardings: Sequence[Any] | None = None,
    in_layouts: Sequence[str | None] | None = None,
    out_layouts: Sequence[str | None] | None = None,
    devices: Sequence[Any] | None = None,
    num_replicas: int = 1,
    num_partitions: int | None = None,
    axis_context: Any = None,
    alias_outputs: bool = True,
    embed_constants: bool = False,
    make_context: Callable[[ModuleState], LoweringContext] | None = None,
) -> Lowered:
    """Lowers a closed jaxpr to a StableHLO module.

    Parameters
    ----------
    name : of the traced function; the module is called ``jit_<name>``
    platform : 'cpu', 'gpu' ('cuda', 'rocm'), 'tpu'
    donated : for each input, whether the caller gives its memory away
    keep_unused : keep arguments that nothing reads
    in_shardings, out_shardings : a sharding or None (unspecified) for each input and output
    in_layouts, out_layouts : 'auto', a layout's text such as '{0,1}', or None for the default
    devices : the devices in the order of the program's partitions; needed for meshes in another order
    num_replicas, num_partitions : defaults to one replica, and a partition for each device
    axis_context : what named axes mean in the whole program (for pmap)
    alias_outputs : pair donated arguments with results here; False leaves the pairing to XLA
    embed_constants : write all constants into the module instead of making big ones hidden arguments
    make_context : another context for the rules than `LoweringContext`; its ``enter_main(avals, values)`` prepares the arguments
    """
    from ferax._src.engine import mlir  # lazy: MLIR's bindings take 40 ms to load
    from ferax._src.runtime.lowering_context import LoweringContext  # lazy: the same

    jaxpr = closed.jaxpr
    debug_info = jaxpr.debug_info
    if num_partitions is None:
        num_partitions = len(devices) // num_replicas if devices is not None else 1
    bench = mlir.workbench()
    module = bench.new_module(f"jit_{_module_name(name)}", num_replicas, num_partitions)
    state = ModuleState(bench, module, platform, name, num_replicas, num_partitions)
    if devices is not None:
        state.device_ids = tuple(d.id for d in devices)
    state.embeds_constants = embed_constants
    ctx = LoweringContext(state) if make_context is None else make_context(state)
    ctx.axis_context = axis_context

    eqns, live = _live_eqns(jaxpr)
    kept = [True] * len(jaxpr.invars) if keep_unused else [v in live for v in jaxpr.invars]
    invars = _select(jaxpr.invars, kept)
    donated = _select(donated, kept) if donated is not None else [False] * len(invars)
    in_shardings = _select(in_shardings, kept) if in_shardings is not None else [None] * len(invars)
    in_layouts = _select(in_layouts, kept) if in_layouts is not None else [None] * len(invars)
    out_shardings = list(out_shardings) if out_shardings is not None else [None] * len(jaxpr.outvars)
    out_layouts = list(out_layouts) if out_layouts is not None else [None] * len(jaxpr.outvars)

    effects = ordered_effects(jaxpr.effects)
    hidden = state.hidden_constants(closed)
    in_avals = [v.aval for v in invars]
    out_avals = [v.aval for v in jaxpr.outvars]
    types = [bench.token_type] * len(effects) + [ctx.type(c.aval) for c in hidden] + ctx.types(in_avals)
    function, block = bench.new_function(module, "main", types, public=True)
    arguments = list(block.arguments)
    _name_arguments(bench, arguments[len(effects) + len(hidden) :], debug_info.arg_names, kept)
    ctx.block, ctx.ip = block, mlir.InsertionPoint(block)
    ctx.tokens = dict(zip(effects, arguments))
    arguments = arguments[len(effects) :]
    ctx.hidden = {id(c.value): v for c, v in zip(hidden, arguments)}
    env = {v: ctx.closed_over(c, v.aval) for v, c in zip(jaxpr.constvars, closed.consts)}
    env.update(zip(invars, ctx.enter_main(in_avals, arguments[len(hidden) :])))
    ctx.run_eqns(eqns, env)
    results = [ctx.tokens[e] for e in effects]
    results += [ctx.literal(v) if type(v) is Literal else env[v] for v in jaxpr.outvars]

    first_result = len(effects)
    aliases, unusable = _match_donations(donated, in_avals, in_shardings, out_avals, out_shardings)
    leading = [{} for _ in effects] + [replicated_attributes(state, c.aval) for c in hidden]
    arg_attributes = leading + [
        _value_attributes(state, aval, sharding, layout)
        | _donation_attribute(state, target, first_result, alias_outputs)
        for aval, sharding, layout, target in zip(in_avals, in_shardings, in_layouts, aliases)
    ]
    result_attributes = [{} for _ in effects] + [
        _value_attributes(state, aval, sharding, layout)
        for aval, sharding, layout in zip(out_avals, out_shardings, out_layouts)
    ]
    bench.finish_function(function, block, results, arg_attributes, result_attributes)
    return Lowered(
        module=module,
        name=name,
        platform=state.platform,
        kept=kept,
        const_args=[c.value for c in hidden],
        const_avals=[c.aval for c in hidden],
        ordered_effects=effects,
        effects=jaxpr.effects,
        host_callbacks=state.host_callbacks,
        keep_alive=state.keep_alive,
        process_bound=state.process_bound,
        in_avals=in_avals,
        out_avals=out_avals,
        donated=[t is not None for t in aliases],
        unusable_donations=unusable,
        in_shardings=in_shardings,
        out_shardings=out_shardings,
        num_replicas=num_replicas,
        num_partitions=num_partitions,
        contractions=frozenset(state.contractions),
        debug_info=debug_info,
    )


def _module_name(name: str) -> str:
    text = "".join(c if c.isalnum() or c in "_.-" else "_" for c in name)
    return text or "main"


def _select(items: Sequence[Any], mask: Sequence[bool]) -> list:
    if len(items) != len(mask):
        raise ValueError(f"lower_jaxpr: expected {len(mask)} entries, one for each input, got {len(items)}")
    return [item for item, keep in zip(items, mask) if keep]


def _live_eqns(jaxpr: Any) -> tuple[list, set]:
    """The equations that must run, and all variables that are read."""
    live = {v for v in jaxpr.outvars if type(v) is not Literal}
    eqns = []
    for eqn in reversed(jaxpr.eqns):
        for var in eqn.outvars:
            if var in live:
                break
        else:
            if not eqn.effects or not keeps_alive(eqn):
                continue
        eqns.append(eqn)
        for var in eqn.invars:
            if type(var) is not Literal:
                live.add(var)
    eqns.reverse()
    return eqns, live


def _name_arguments(
    bench: Any, arguments: Sequence[Any], names: Sequence[str] | None, kept: Sequence[bool]
) -> None:
    """Gives main's arguments the user's names, which show in the HLO as ``op_name``."""
    if names is None or len(names) != len(kept):
        return
    for argument, name in zip(arguments, _select(names, kept)):
        argument.set_location(bench.named_location(name))


def _match_donations(
    donated: Sequence[bool],
    in_avals: Sequence[Any],
    in_shardings: Sequence[Any],
    out_avals: Sequence[Any],
    out_shardings: Sequence[Any],
) -> tuple[list[int | None], list[Any]]:
    """For each argument the result that takes over its memory, and the types of the donated ones without any."""
    if not any(donated):
        return [None] * len(donated), []
    free = defaultdict(list)
    for i, (aval, sharding) in reversed(list(enumerate(zip(out_avals, out_shardings)))):
        physical = physical_aval(aval)
        free[physical.shape, physical.dtype].append((i, sharding))
    targets: list[int | None] = []
    unusable = []
    for gives, aval, sharding in zip(donated, in_avals, in_shardings):
        target = None
        if gives:
            physical = physical_aval(aval)
            candidates = free[physical.shape, physical.dtype]
            for at in range(len(candidates) - 1, -1, -1):
                if sharding is candidates[at][1] or sharding is None or candidates[at][1] is None:
                    target = candidates.pop(at)[0]
                    break
            else:
                unusable.append(aval)
        targets.append(target)
    return targets, unusable


def _donation_attribute(
    state: ModuleState, target: int | None, first_result: int, alias: bool
) -> dict[str, Any]:
    if target is None:
        return {}
    if (
        not alias or state.num_partitions > 1
    ):  # shardings chosen by the compiler may not fit: let it look for a place
        return {"jax.buffer_donor": state.bench.true}
    return {"tf.aliasing_output": state.bench.i32(first_result + target)}


def _value_attributes(state: ModuleState, aval: Any, sharding: Any, layout: str | None) -> dict[str, Any]:
    attributes = sharding_attributes(state, sharding, aval) if sharding is not None else {}
    if layout is not None:
        attributes["mhlo.layout_mode"] = state.bench.string(layout)
    kind = getattr(sharding, "memory_kind", None)
    if kind not in (None, "device", "unpinned_host") or (kind == "unpinned_host" and state.platform != "cpu"):
        attributes["mhlo.memory_kind"] = state.bench.string(kind)
    return attributes


# Rules by tracing -------------------------------------------------------------------------------------------------


def lower_by_tracing(
    ctx: LoweringContext,
    primitive: Primitive,
    fn: Callable[..., Any],
    values: Sequence[Any],
    params: dict[str, Any],
) -> list:
    """Lowers an application of ``primitive`` as ``fn(*arrays, **params)``, written with other operations.

    ``fn`` is traced once per parameters and types; it may answer one array or several.
    """
    key = ("lower", fn, tuple(params.items()), tuple(ctx.avals_in), engine.trace_context())
    closed = primitive.rule_cache.get(key)
    if closed is None:

        def flat(*args: Any) -> Sequence[Any]:
            results = fn(*args, **params)
            return results if isinstance(results, (list, tuple)) else (results,)

        closed = trace_to_jaxpr(flat, ctx.avals_in)
        remember(primitive.rule_cache, key, closed)
    return ctx.inline(closed, *values, here=True)


def lower_as(fn: Callable[..., Any]) -> Callable[..., list]:
    """A ``lower`` rule out of a function of arrays: ``lower = lower_as(lambda x, *, axis: ...)``."""

    def lower(self: Primitive, ctx: LoweringContext, *values: Any, **params: Any) -> list:
        return lower_by_tracing(ctx, self, fn, values, params)

    return lower
