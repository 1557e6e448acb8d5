"""What a lowering rule sees: values in, builders of StableHLO, values out.

A rule ``lower(self, ctx, *values, **params)`` gets MLIR values and answers a list of them, one per result.  ``ctx`` knows
the equation's types (``ctx.avals_in``, ``ctx.avals_out``), the ``platform``, and builds operations at the place where the
walk has come to:

    return ctx.emit("stablehlo.add", (x, y))                                   # results have the types of avals_out
    return ctx.emit("stablehlo.transpose", (x,), {"permutation": ctx.i64s(permutation)})
    return [ctx.op("stablehlo.iota", (), [ctx.tensor((n,), dtype)], {"iota_dimension": ctx.i64(0)}).result]

Attributes are MLIR attributes: the helpers here make them, cached.  Result types are given and not inferred, and nothing is
verified op by op: the compiler verifies the whole module.  One context object serves a whole module; what is particular
to an equation, a region or a function is saved and put back around it.

Values that a region of ``while`` and ``case`` uses may come from outside of it.  Regions that XLA keeps apart (reducers,
comparators, bodies of ``manual_computation``) may use constants only, which are then written again inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ferax._src.engine import callbacks, mlir
from ferax._src.ir.jaxpr import ClosedJaxpr, Literal
from ferax._src.runtime.array import physical_aval
from ferax._src.runtime.lowering_builder import Builder
from ferax._src.runtime.lowering_module import (
    FEW_PRODUCTS,
    SubFunction,
    has_extended,
    ordered_effects,
    slots,
    symbol_text,
)
from ferax._src.types import dtypes
from ferax._src.util import source as source_info

create = mlir.create

_CONTRACTIONS = frozenset(("dot_general", "ragged_dot_general", "ragged_dot"))


class LoweringContext(Builder):
    """What lowering rules see; see the module's text."""

    def enter_main(self, avals: Sequence[Any], values: Sequence[Any]) -> list:
        """The arguments of ``main`` as its operations are to use them."""
        return list(values)

    # Programs inside programs -------------------------------------------------------------------------------------

    def inline(self, closed: ClosedJaxpr, *values: Any, scope: str | None = None, here: bool = False) -> list:
        """The operations of a jaxpr, at this place.  ``scope`` is added to the name stack.

        ``here``: ascribe all operations to the present equation, for jaxprs that a rule made.
        """
        jaxpr = closed.jaxpr
        saved = (
            self.avals_in,
            self.avals_out,
            self.loc,
            self.scope,
            self.fixed_source,
            self.source,
            self.effects,
            self.params,
        )
        if scope:
            self.scope = f"{self.scope}/{scope}"
        if here and self.fixed_source is None:
            self.fixed_source = self.source
        env = {v: self.closed_over(c, v.aval) for v, c in zip(jaxpr.constvars, closed.consts)}
        if len(values) != len(jaxpr.invars):
            raise TypeError(f"the jaxpr takes {len(jaxpr.invars)} values, got {len(values)}")
        env.update(zip(jaxpr.invars, values))
        self.run_eqns(jaxpr.eqns, env)
        results = [self.literal(v) if type(v) is Literal else env[v] for v in jaxpr.outvars]
        (
            self.avals_in,
            self.avals_out,
            self.loc,
            self.scope,
            self.fixed_source,
            self.source,
            self.effects,
            self.params,
        ) = saved
        return results

    call = inline

    def literal(self, literal: Literal) -> Any:
        return self.const(literal.val, literal.aval)

    def run_eqns(self, eqns: Sequence[Any], env: dict[Any, Any]) -> None:
        """Lowers equations in order; ``env`` maps variables to values and grows."""
        bench = self.bench
        scope, fixed = self.scope, self.fixed_source
        eqn = None
        try:
            for eqn in eqns:
                primitive = eqn.primitive
                invars, outvars, params = eqn.invars, eqn.outvars, eqn.params
                stack = eqn.name_stack
                self.scope = f"{scope}/{stack}" if stack else scope
                self.source = source = eqn.source if fixed is None else fixed
                self.loc = bench.location(f"{self.scope}/{primitive.name}", source)
                values = [self.literal(v) if type(v) is Literal else env[v] for v in invars]
                self.avals_in = avals_in = [v.aval for v in invars]
                self.avals_out = avals_out = [v.aval for v in outvars]
                self.effects, self.params = eqn.effects, params
                if primitive.handles_extended_dtypes or not has_extended(avals_in, avals_out):
                    if primitive.name in _CONTRACTIONS:
                        dtype = avals_in[0].dtype
                        half = dtype.itemsize == 2 and dtypes.kind_of(dtype) == "f"
                        self.note_contraction("half_dot" if half else "dot")
                    results = primitive.lower(self, *values, **params)
                else:
                    results = self._lower_physically(primitive, values, params)
                if len(results) != len(outvars):
                    raise TypeError(
                        f"{primitive.name}: its lowering rule answered {len(results)} values for {len(outvars)} results"
                    )
                for var, value in zip(outvars, results):
                    env[var] = value
        except Exception as error:
            if eqn is not None and not any(
                n.startswith("while lowering ") for n in getattr(error, "__notes__", ())
            ):
                error.add_note(f"while lowering {eqn.primitive.name} at {source_info.summarize(self.source)}")
            raise
        finally:
            self.scope = scope

    def note_contraction(self, kind: str) -> None:
        """Remembers, for the compile options, that there is a 'dot', 'half_dot', 'conv' or 'small_conv'.

        Of a 'dot' in a loop, and from more than a few of them on, there are 'dots'.
        """
        if kind == "dot":
            self.state.products += 1
            if self.state.products > FEW_PRODUCTS:
                kind = "dots"
        self.state.contractions.add(kind)

    def _lower_physically(self, primitive: Any, values: Sequence[Any], params: Mapping[str, Any]) -> list:
        """A primitive that knows nothing of extended dtypes, on their physical form."""
        if slots.physical_rule is None:
            raise NotImplementedError(
                f"{primitive.name}: extended dtypes cannot be lowered before ferax._src.transforms is imported"
            )
        closed = slots.physical_rule(primitive, tuple(self.avals_in), params)
        return self.inline(closed, *values, here=True)

    def call_function(self, closed: ClosedJaxpr, *values: Any, name: str = "function") -> list:
        """A call of a private function that has the jaxpr's operations; it is written once per jaxpr in a module."""
        if self.isolated or getattr(self.axis_context, "holds_values", False):
            return self.inline(closed, *values, scope=name)
        function = self.state.functions.get(self._function_key(closed)) or self._emit_function(closed, name)
        leading = [self.tokens[e] for e in function.effects] + [
            self.closed_over(c.value, c.aval) for c in function.hidden
        ]
        attrs = {"callee": self.bench.symbol(function.symbol)}
        op = create("func.call", function.out_types, [*leading, *values], attrs, None, 0, self.loc, self.ip)
        results = list(op.results)
        n = len(function.effects)
        self.tokens.update(zip(function.effects, results))
        return results[n:]

    def composite(
        self, closed: ClosedJaxpr, *values: Any, name: str, attributes: Mapping[str, Any], version: int
    ) -> list:
        """An operation that the compiler may know by name, with a private function for its parts."""
        if self.isolated or ordered_effects(closed.effects) or getattr(self.axis_context, "holds_values", False):
            return self.inline(closed, *values, scope=name)
        bench = self.bench
        function = self.state.functions.get(self._function_key(closed)) or self._emit_function(closed, name)
        hidden = [self.closed_over(c.value, c.aval) for c in function.hidden]
        attrs = {
            "name": bench.string(name),
            "decomposition": bench.symbol(function.symbol),
            "composite_attributes": bench.dictionary(
                {k: bench.dense(v) if isinstance(v, np.ndarray) else bench.attribute(v) for k, v in attributes.items()}
            ),
            "version": bench.i32(version),
        }
        return list(self.op("stablehlo.composite", [*hidden, *values], function.out_types, attrs).results)

    def call_written(self, key: Any, write: Callable[..., Any], operands: Sequence[Any], name: str) -> Any:
        """A call of a private function with the one result that ``write(ctx, *arguments)`` answers.

        It is written once per ``key`` in a module, and copied into the thread's next modules. Its operations have no
        place, so that the compiler ascribes them to the call.
        """
        bench, state = self.bench, self.state
        state.written_calls += 1
        if self.isolated:
            return write(self, *operands)
        key = (key, state.num_partitions)
        function = state.functions.get((key, self.axis_context))
        if function is None:
            symbol = state.fresh_symbol(name)
            known = bench.memo.get(key)
            if known is None:
                written, block = bench.new_function(state.module, symbol, [v.type for v in operands], public=False)
                with self._inside(block, isolated=False):
                    self.loc = bench.unknown
                    result = write(self, *block.arguments)
                    bench.finish_function(written, block, [result])
                known = bench.remember_function(key, written, result.type)
            else:
                bench.copy_function(known[0], state.module, symbol)
            function = state.functions[key, self.axis_context] = SubFunction(symbol, [], [], [known[1]])
        attrs = {"callee": bench.symbol(function.symbol)}
        return create("func.call", function.out_types, operands, attrs, None, 0, self.loc, self.ip).result

    def function_symbols(self, jaxprs: Sequence[ClosedJaxpr], name: str) -> Any:
        """An attribute that names private functions with the operations of jaxprs, for custom calls that call them."""
        for closed in jaxprs:
            if self._function_key(closed) not in self.state.functions:
                self._emit_function(closed, name)
        functions = [self.state.functions[self._function_key(closed)] for closed in jaxprs]
        return self.bench.array([self.bench.symbol(function.symbol) for function in functions])

    def _function_key(self, closed: ClosedJaxpr) -> tuple:
        """By what a jaxpr's function is known in the module: collectives in it depend on the meaning of named axes."""
        return id(closed), self.axis_context

    def _emit_function(self, closed: ClosedJaxpr, name: str) -> SubFunction:
        bench, state = self.bench, self.state
        state.keep_alive.append(closed)
        hidden = state.hidden_constants(closed)
        effects = ordered_effects(closed.effects)
        types = (
            [bench.token_type] * len(effects)
            + [self.type(c.aval) for c in hidden]
            + self.types(closed.in_avals)
        )
        symbol = state.fresh_symbol(symbol_text(name))
        function, block = bench.new_function(state.module, symbol, types, public=False, loc=self.loc)
        saved = self.hidden, self.tokens
        arguments = list(block.arguments)
        tokens, arguments = arguments[: len(effects)], arguments[len(effects) :]
        self.tokens = dict(zip(effects, tokens))
        self.hidden = {id(c.value): v for c, v in zip(hidden, arguments)}
        avals = self.avals_in, self.avals_out
        with self._inside(block, isolated=False):
            results = self.inline(closed, *arguments[len(hidden) :], scope=name)
            results = [self.tokens[e] for e in effects] + results
            bench.finish_function(function, block, results)
        self.avals_in, self.avals_out = avals
        self.hidden, self.tokens = saved
        found = state.functions[self._function_key(closed)] = SubFunction(symbol, hidden, effects, [r.type for r in results])
        return found

    # Calls that leave the program -----------------------------------------------------------------------------------

    def token(self, effect: Any) -> Any:
        """The token of an ordered effect, to be taken as an operand."""
        return self.tokens[effect]

    def set_token(self, effect: Any, token: Any) -> None:
        """The token after the operation: a result of it."""
        self.tokens[effect] = token

    def custom_call(
        self,
        target: str,
        operands: Sequence[Any],
        out_types: Sequence[Any] | None = None,
        backend_config: Mapping[str, Any] | str | None = None,
        *,
        has_side_effect: bool = False,
        operand_layouts: Sequence[Sequence[int]] | None = None,
        result_layouts: Sequence[Sequence[int]] | None = None,
        aliases: Mapping[int, int] | None = None,
        api_version: int = 4,
        attrs: Mapping[str, Any] | None = None,
    ) -> list:
        """``stablehlo.custom_call``; the list of its results.

        ``backend_config``: a dict for the FFI (``api_version=4``; NumPy scalars keep their types), text before it.  Layouts are
        minor to major, one per operand or result.  ``aliases`` maps results to the operands whose memory they take.
        """
        bench = self.bench
        if out_types is None:
            out_types = self.types(self.avals_out)
        described = {
            "call_target_name": bench.string(target),
            "api_version": bench.i32(api_version),
            "has_side_effect": bench.boolean(has_side_effect),
        }
        if api_version == 4:
            described["backend_config"] = bench.attribute(dict(backend_config or {}))
        else:
            described["backend_config"] = bench.attribute(backend_config or "")
        if operand_layouts is not None or result_layouts is not None:
            described["operand_layouts"] = self._layouts(operand_layouts, [o.type for o in operands])
            described["result_layouts"] = self._layouts(result_layouts, out_types)
        if aliases:
            single = len(out_types) == 1
            described["output_operand_aliases"] = bench.array(
                [
                    bench.output_operand_alias([] if single else [result], operand)
                    for result, operand in aliases.items()
                ]
            )
        if attrs:
            described.update(attrs)
        return list(self.op("stablehlo.custom_call", operands, out_types, described).results)

    def _layouts(self, layouts: Sequence[Sequence[int]] | None, types: Sequence[Any]) -> Any:
        if layouts is None:
            layouts = [() if t == self.bench.token_type else tuple(range(t.rank - 1, -1, -1)) for t in types]
        return self.bench.array([self.bench.index_tensor(layout) for layout in layouts])

    def host_callback(
        self,
        fn: Callable[..., Any],
        operands: Sequence[Any],
        out_avals: Sequence[Any],
        *,
        effect: Any = None,
        has_side_effect: bool = True,
        partitioned: bool = False,
        name: str = "callback",
    ) -> list:
        """Calls Python: ``fn(*numpy arrays) -> sequence of numpy arrays`` of exactly the types ``out_avals``.

        ``effect``: an ordered effect, whose token orders the calls.  ``partitioned`` runs ``fn`` on each device with the shards
        there; otherwise a program over several devices runs it once, on the first.
        """
        if self.platform not in ("cpu", "gpu"):
            raise NotImplementedError(f"{name}: callbacks into Python are not supported on {self.platform}")
        targets = {
            ("cpu", False): callbacks.CPU_TARGET,
            ("gpu", False): callbacks.GPU_TARGET,
            ("cpu", True): callbacks.PARTITIONED_CPU_TARGET,
            ("gpu", True): callbacks.PARTITIONED_GPU_TARGET,
        }
        physical = [physical_aval(a) for a in out_avals]
        ordered = effect is not None
        index = len(self.state.host_callbacks)
        self.state.host_callbacks.append(
            callbacks.guarded(fn, [(a.shape, a.dtype) for a in physical], ordered=ordered, name=name)
        )
        types = self.types(out_avals)
        if ordered:
            operands, types = [self.tokens[effect], *operands], [self.bench.token_type, *types]
        on_one = self.state.num_partitions > 1 and not partitioned and self.axis_context is None
        attrs = {"sdy.sharding": self._on_one_device(max(1, len(types)))} if on_one else None
        results = self.custom_call(
            targets[self.platform, partitioned],
            operands,
            types,
            {"index": np.uint64(index)},
            has_side_effect=has_side_effect or ordered,
            attrs=attrs,
        )
        if ordered:
            self.tokens[effect], results = results[0], results[1:]
        return [self._on_all_devices(r) for r in results] if on_one else results

    def _on_one_device(self, count: int) -> Any:
        """The sharding of an operation with ``count`` results that the program's first device alone runs."""
        symbol = self._mesh("first_device", (), (0,))
        return self.bench.sdy_shardings([self.bench.sdy_sharding(symbol, ())] * count)

    def _on_all_devices(self, value: Any) -> Any:
        """A value that one device has, as one that all have."""
        symbol = self._mesh("all_devices", [("all", self.state.num_partitions)], ())
        attrs = {"sharding": self.bench.sdy_sharding(symbol, [((), True)] * value.type.rank)}
        return self.op("sdy.sharding_constraint", (value,), [value.type], attrs).result

    def _mesh(self, name: str, axes: Sequence[tuple[str, int]], order: Sequence[int]) -> str:
        found = self.state.meshes.get(name)
        if found is None:
            found = self.state.meshes[name] = self.state.write_mesh(name, axes, order)
        return found

    # Several devices ------------------------------------------------------------------------------------------------

    def channel_handle(self) -> Any:
        """A fresh channel for a collective in a program of several partitions."""
        self.state.channels += 1
        return self.bench.channel_handle(self.state.channels, 1)

    @contextmanager
    def named_axes(self, axis_context: Any):
        """Within, ``ctx.axis_context`` says what named axes mean; lowerings of collectives read it."""
        saved, self.axis_context = self.axis_context, axis_context
        try:
            yield
        finally:
            self.axis_context = saved
