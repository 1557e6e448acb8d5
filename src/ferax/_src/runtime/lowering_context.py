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
from typing import Any, NamedTuple

import numpy as np

from ferax._src.engine import callbacks
from ferax._src.engine import mlir
from ferax._src.ir.jaxpr import ClosedJaxpr, Jaxpr, Literal, jaxprs_in_params
from ferax._src.runtime.array import ArrayImpl, physical_aval
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, abstract_token, aval_of
from ferax._src.util import source as source_info

create = mlir.create

#: Constants with more elements than this become hidden arguments instead of being written into the program.
EMBED_LIMIT = 16

_CONTRACTIONS = frozenset(("dot_general", "ragged_dot_general", "ragged_dot", "conv_general_dilated"))


class Slots:
    """Functions of higher floors that lowering calls; each is filled once, at import, by the file named."""

    #: ``physical_rule(primitive, avals, params) -> ClosedJaxpr``, filled by ``transforms``: a primitive that knows nothing
    #: of extended dtypes (PRNG keys), mapped over the axes that their elements have physically.
    physical_rule: Callable[..., ClosedJaxpr] | None = None


slots = Slots()


class ModuleState:
    """What all functions of one module share."""

    __slots__ = ("bench", "module", "platform", "gpu_kind", "symbols", "functions", "host_callbacks", "keep_alive", "channels",
                 "meshes", "num_replicas", "num_partitions", "device_ids", "contractions", "name")  # fmt: skip

    def __init__(self, bench: Any, module: Any, platform: str, name: str, num_replicas: int, num_partitions: int):
        self.bench = bench
        self.module = module
        self.platform = "gpu" if platform in ("cuda", "rocm") else platform
        self.gpu_kind = platform if platform in ("cuda", "rocm") else "cuda"
        self.name = name
        self.symbols: set[str] = {"main"}
        self.functions: dict[Any, SubFunction] = {}
        self.host_callbacks: list[Callable[..., Any]] = []
        self.keep_alive: list[Any] = []
        self.channels = 0
        self.meshes: dict[Any, str] = {}  # mesh -> symbol of its sdy.mesh
        self.num_replicas = num_replicas
        self.num_partitions = num_partitions
        self.device_ids: tuple[int, ...] | None = None
        self.contractions: set[str] = set()  # 'dot', 'half_dot', 'conv', 'small_conv': for the compile options

    def fresh_symbol(self, name: str) -> str:
        """A function name nobody has in this module."""
        symbol, count = name, 0
        while symbol in self.symbols:
            symbol, count = f"{name}_{count}", count + 1
        self.symbols.add(symbol)
        return symbol


class SubFunction:
    """A private function of the module, emitted once per jaxpr."""

    __slots__ = ("symbol", "hidden", "effects", "out_types")

    def __init__(self, symbol: str, hidden: list, effects: list, out_types: list):
        self.symbol = symbol
        self.hidden = hidden  # constants it takes as leading arguments
        self.effects = effects  # ordered effects: a token each, before everything else
        self.out_types = out_types


def ordered_effects(effects) -> list:
    """The effects whose order the program must keep, in an order that does not depend on the run."""
    found = [e for e in effects if getattr(e, "ordered", False)] if effects else []
    return sorted(found, key=repr)


class HiddenConstant(NamedTuple):
    """A constant that the program takes as an argument."""

    value: Any
    aval: Any


def hidden_constants(closed: ClosedJaxpr) -> list[HiddenConstant]:
    """Constants that become hidden arguments: those of ``closed`` and of the jaxprs inside, each once."""
    found = closed.cache.get("hidden_constants")
    if found is None:
        seen: dict[int, HiddenConstant] = {}
        _collect(closed, seen)
        found = closed.cache["hidden_constants"] = list(seen.values())
    return found


def _collect(program: ClosedJaxpr | Jaxpr, seen: dict[int, HiddenConstant]) -> None:
    if isinstance(program, ClosedJaxpr):
        for var, const in zip(program.jaxpr.constvars, program.consts):
            if not _embeds(const):
                seen[id(const)] = HiddenConstant(const, var.aval)
    for eqn in program.eqns:
        if eqn.primitive.holds_jaxprs:
            for inner in jaxprs_in_params(eqn.params):
                _collect(inner, seen)


def _embeds(const: Any) -> bool:
    """Whether a constant is written into the program."""
    if isinstance(const, ArrayImpl):
        return const.aval.size <= EMBED_LIMIT and const._sig.sharding.is_fully_addressable
    return np.size(const) <= EMBED_LIMIT


def physical_value(const: Any, aval: Any) -> np.ndarray:
    """The value of a constant of type ``aval`` on the host, in its physical form."""
    if isinstance(const, ArrayImpl):
        return const._fetch()
    return np.asarray(const).astype(aval.dtype) if aval.dtype != dtypes.float0 else np.zeros(aval.shape, bool)


class LoweringContext:
    """Builders for lowering rules; see the module's text."""

    def __init__(self, state: ModuleState):
        self.state = state
        self.bench = bench = state.bench
        self.platform: str = state.platform
        self.gpu_kind: str = state.gpu_kind
        self.avals_in: list[Any] = []
        self.avals_out: list[Any] = []
        self.effects: Any = frozenset()
        self.params: Mapping[str, Any] = {}
        self.loc = bench.unknown
        self.ip: Any = None
        self.block: Any = None
        self.source: Any = None
        self.fixed_source: Any = None  # while the jaxpr of a rule is inlined: the place of the equation it stands for
        self.scope = f"jit({state.name})"
        self.isolated = False  # inside a region that may not use values from outside
        self.hidden: dict[int, Any] = {}  # id(constant) -> the function's argument that carries it
        self.tokens: dict[Any, Any] = {}  # ordered effect -> its token now
        self.axis_context: Any = None  # what named axes mean here; belongs to collectives and shard_map
        self._constants: dict[Any, Any] = {}  # of the current block
        self._types: dict[Any, Any] = bench.physical_types
        # Attribute helpers, as they are on the workbench.
        self.i64s, self.bools, self.i64, self.i32 = bench.i64s, bench.bools, bench.i64, bench.i32
        self.boolean, self.string, self.attribute, self.dense_attribute = bench.boolean, bench.string, bench.attribute, bench.dense
        self.i64_tensor, self.parse_attribute, self.unit = bench.i64_tensor, bench.parse_attribute, bench.unit
        self.dot_dimension_numbers = bench.dot_dimension_numbers
        self.ragged_dot_dimension_numbers = bench.ragged_dot_dimension_numbers
        self.dot_algorithm, self.precision = bench.dot_algorithm, bench.precision_config
        self.conv_dimension_numbers = bench.conv_dimension_numbers
        self.gather_dimension_numbers = bench.gather_dimension_numbers
        self.scatter_dimension_numbers = bench.scatter_dimension_numbers
        self.comparison_direction, self.comparison_type = bench.comparison_direction, bench.comparison_type
        self.fft_type, self.rng_algorithm, self.rng_distribution = bench.fft_type, bench.rng_algorithm, bench.rng_distribution
        self.transpose_kind, self.result_accuracy = bench.transpose, bench.result_accuracy

    # Types ------------------------------------------------------------------------------------------------------

    def type(self, aval: Any) -> Any:
        """The MLIR type of an abstract value; of its physical form for extended dtypes, a token for tokens."""
        found = self._types.get(aval)
        if found is None:
            if aval is abstract_token:
                found = self.bench.token_type
            else:
                physical = physical_aval(aval)
                found = self.bench.tensor_type(physical.shape, physical.dtype)
            self._types[aval] = found
        return found

    def types(self, avals: Sequence[Any]) -> list:
        return [self.type(a) for a in avals]

    def tensor(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """The MLIR type of a tensor."""
        return self.bench.tensor_type(tuple(shape), np.dtype(dtype))

    # Operations -------------------------------------------------------------------------------------------------

    def op(self, name: str, operands: Sequence[Any], out_types: Sequence[Any] | None = None, attrs: dict[str, Any] | None = None, regions: int = 0) -> Any:
        """One operation; ``.result`` or ``.results`` are its values.  Result types default to those of ``avals_out``."""
        if out_types is None:
            out_types = [self.type(a) for a in self.avals_out]
        return create(name, out_types, operands, attrs, None, regions, self.loc, self.ip)

    def emit(self, name: str, operands: Sequence[Any], attrs: dict[str, Any] | None = None) -> list:
        """One operation with the types of ``avals_out``; the list of its results, as rules answer."""
        types = self._types
        avals = self.avals_out
        if len(avals) == 1:
            aval = avals[0]
            return [create(name, [types.get(aval) or self.type(aval)], operands, attrs, None, 0, self.loc, self.ip).result]
        return list(create(name, [self.type(a) for a in avals], operands, attrs, None, 0, self.loc, self.ip).results)

    def const(self, value: Any, aval: ShapedArray | None = None) -> Any:
        """A constant: a scalar (spread over ``aval``'s shape, in its dtype) or a NumPy array."""
        if isinstance(value, np.ndarray) and value.ndim:
            if aval is not None and value.dtype != aval.dtype:
                value = value.astype(aval.dtype)
            return self.dense(value)
        if isinstance(value, np.ndarray):
            value = value[()]
        if aval is None:
            aval = aval_of(value)
        kind = type(value)
        key = (value if value and kind is not complex else repr(value), kind, aval)
        found = self._constants.get(key)
        if found is None:
            physical = physical_aval(aval)
            attrs = self.bench.scalar_splat(value, physical.shape, physical.dtype)
            found = create("stablehlo.constant", [self.type(aval)], (), attrs, None, 0, self.bench.unknown, self.ip).result
            self._constants[key] = found
        return found

    def scalar(self, value: Any, dtype: Any) -> Any:
        """A 0-d constant."""
        return self.const(value, ShapedArray((), np.dtype(dtype)))

    def dense(self, value: np.ndarray) -> Any:
        """A constant written out element by element."""
        attr = self.bench.dense(value)
        return create("stablehlo.constant", [attr.type], (), {"value": attr}, None, 0, self.bench.unknown, self.ip).result

    def closed_over(self, const: Any, aval: Any) -> Any:
        """The value of a jaxpr's constant of type ``aval``: a hidden argument, or written into the program."""
        found = self.hidden.get(id(const))
        if found is not None and not self.isolated:
            return found
        key = ("closed over", id(const))  # id: the jaxpr being lowered keeps the constant alive
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self.dense(physical_value(const, aval))
        return found

    # The operations that rules use most besides their own -----------------------------------------------------------

    def convert(self, value: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        """``value`` (of ``shape``) converted to ``dtype``."""
        return create("stablehlo.convert", [self.tensor(shape, dtype)], (value,), None, None, 0, self.loc, self.ip).result

    def reshape(self, value: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        return create("stablehlo.reshape", [self.tensor(shape, dtype)], (value,), None, None, 0, self.loc, self.ip).result

    def broadcast_in_dim(self, value: Any, shape: tuple[int, ...], dtype: Any, dims: Sequence[int] = ()) -> Any:
        """Dimension i of ``value`` becomes dimension ``dims[i]`` of ``shape``."""
        attrs = {"broadcast_dimensions": self.i64s(dims)}
        return create("stablehlo.broadcast_in_dim", [self.tensor(shape, dtype)], (value,), attrs, None, 0, self.loc, self.ip).result

    def transpose(self, value: Any, shape: tuple[int, ...], dtype: Any, permutation: Sequence[int]) -> Any:
        """``shape`` is that of the result."""
        attrs = {"permutation": self.i64s(permutation)}
        return create("stablehlo.transpose", [self.tensor(shape, dtype)], (value,), attrs, None, 0, self.loc, self.ip).result

    def compare(self, x: Any, y: Any, direction: str, shape: tuple[int, ...], dtype: Any, *, total_order: bool = False) -> Any:
        """``x direction y`` for operands of ``shape`` and ``dtype``; ``total_order`` orders NaN and signed zeros too."""
        attrs = {"comparison_direction": self.comparison_direction(direction), "compare_type": self.comparison_type(comparison_kind(dtype, total_order))}
        return create("stablehlo.compare", [self.tensor(shape, np.bool_)], (x, y), attrs, None, 0, self.loc, self.ip).result

    def select(self, which: Any, on_true: Any, on_false: Any) -> Any:
        return create("stablehlo.select", [on_true.type], (which, on_true, on_false), None, None, 0, self.loc, self.ip).result

    def elementwise(self, name: str, *operands: Any) -> Any:
        """An operation whose result has the type of its first operand: ``ctx.elementwise("stablehlo.add", x, y)``."""
        return create(name, [operands[0].type], operands, None, None, 0, self.loc, self.ip).result

    # Regions ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _inside(self, block: Any, isolated: bool):
        saved = self.block, self.ip, self._constants, self.isolated, self.loc
        self.block, self.ip, self._constants = block, mlir.InsertionPoint(block), {}
        self.isolated = self.isolated or isolated
        try:
            yield
        finally:
            self.block, self.ip, self._constants, self.isolated, self.loc = saved

    @contextmanager
    def own_values(self):
        """Within, a region may not use values from outside, but has hidden arguments of its own (``ctx.hidden``)."""
        saved_tokens, self.tokens = self.tokens, {}
        try:
            yield
        finally:
            self.tokens = saved_tokens

    def region(
        self, region: Any, arg_types: Sequence[Any], build: Callable[..., Sequence[Any]], *, isolated: bool = False,
        terminator: str = "stablehlo.return",
    ) -> None:  # fmt: skip
        """Fills a region of an operation with one block: ``build(*block arguments) -> values`` that the block returns."""
        block = region.blocks.append(*arg_types, arg_locs=[self.bench.unknown] * len(arg_types))
        avals = self.avals_in, self.avals_out
        with self._inside(block, isolated):
            results = build(*block.arguments)
            create(terminator, [], list(results), None, None, 0, self.bench.unknown, self.ip)
        self.avals_in, self.avals_out = avals

    def reducer_region(self, region: Any, dtypes_: Sequence[Any], reducer: str | ClosedJaxpr | Callable[..., Sequence[Any]]) -> None:
        """A region over pairs of scalars: of an operation's name (one operand), a jaxpr of 2n scalars, or a builder.

        ``dtypes_`` are the operands' element types; the block takes the n running values, then the n new ones.
        """
        scalars = [self.bench.tensor_type((), np.dtype(d)) for d in dtypes_]
        if isinstance(reducer, str):
            self.region(region, scalars * 2, lambda x, y: [self.elementwise(reducer, x, y)], isolated=True)
        elif isinstance(reducer, ClosedJaxpr):
            self.region(region, scalars * 2, lambda *values: self.inline(reducer, *values), isolated=True)
        else:
            self.region(region, scalars * 2, reducer, isolated=True)

    def reduce(
        self, reducer: str | ClosedJaxpr | Callable[..., Sequence[Any]], operands: Sequence[Any], inits: Sequence[Any], axes: Sequence[int],
        out_types: Sequence[Any] | None = None, dtypes_: Sequence[Any] | None = None,
    ) -> list:  # fmt: skip
        """``stablehlo.reduce``.  ``inits`` are values or scalars; ``dtypes_`` default to those of ``avals_in``."""
        if dtypes_ is None:
            dtypes_ = [a.dtype for a in self.avals_in[: len(operands)]]
        inits = [i if isinstance(i, mlir.Value) else self.scalar(i, d) for i, d in zip(inits, dtypes_)]
        if out_types is None:
            out_types = [self.type(a) for a in self.avals_out]
        op = create("stablehlo.reduce", out_types, [*operands, *inits], {"dimensions": self.i64s(axes)}, None, 1, self.loc, self.ip)
        self.reducer_region(op.regions[0], dtypes_, reducer)
        return list(op.results)

    def while_loop(
        self, init: Sequence[Any], cond: Callable[..., Any], body: Callable[..., Sequence[Any]], effects: Any = ()
    ) -> list:
        """``stablehlo.while``: ``cond(*carry) -> an i1 value``, ``body(*carry) -> carry``.  Both may use outer values.

        ``effects``: those of the two jaxprs; the tokens of the ordered ones are carried along.
        """
        order = ordered_effects(effects)
        carry = [self.tokens[e] for e in order] + list(init)
        types = [v.type for v in carry]
        op = create("stablehlo.while", types, carry, None, None, 2, self.loc, self.ip)
        n = len(order)
        outer = dict(self.tokens)

        def run_cond(*values: Any) -> list:
            self.tokens.update(zip(order, values))
            return [cond(*values[n:])]

        def run_body(*values: Any) -> list:
            self.tokens.update(zip(order, values))
            results = list(body(*values[n:]))
            return [self.tokens[e] for e in order] + results

        self.region(op.regions[0], types, run_cond)
        self.tokens = dict(outer)
        self.region(op.regions[1], types, run_body)
        self.tokens = outer
        results = list(op.results)
        self.tokens.update(zip(order, results))
        return results[n:]

    def case(self, index: Any, branches: Sequence[Callable[[], Sequence[Any]]], out_types: Sequence[Any], effects: Any = ()) -> list:
        """``stablehlo.case``: runs the branch that the int32 scalar ``index`` names (the last one if there is none such)."""
        order = ordered_effects(effects)
        types = [self.bench.token_type] * len(order) + list(out_types)
        op = create("stablehlo.case", types, (index,), None, None, len(branches), self.loc, self.ip)
        outer = dict(self.tokens)
        for region, branch in zip(op.regions, branches):
            self.tokens = dict(outer)

            def run(branch=branch) -> list:
                results = list(branch())
                return [self.tokens[e] for e in order] + results

            self.region(region, (), run)
        self.tokens = outer
        results = list(op.results)
        self.tokens.update(zip(order, results))
        return results[len(order) :]

    # Programs inside programs -------------------------------------------------------------------------------------

    def inline(self, closed: ClosedJaxpr, *values: Any, scope: str | None = None, here: bool = False) -> list:
        """The operations of a jaxpr, at this place.  ``scope`` is added to the name stack.

        ``here``: ascribe all operations to the present equation, for jaxprs that a rule made.
        """
        jaxpr = closed.jaxpr
        saved = self.avals_in, self.avals_out, self.loc, self.scope, self.fixed_source, self.source, self.effects, self.params
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
        self.avals_in, self.avals_out, self.loc, self.scope, self.fixed_source, self.source, self.effects, self.params = saved
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
                        self._note_contraction(primitive.name, params)
                    results = primitive.lower(self, *values, **params)
                else:
                    results = self._lower_physically(primitive, values, params)
                if len(results) != len(outvars):
                    raise TypeError(f"{primitive.name}: its lowering rule answered {len(results)} values for {len(outvars)} results")
                for var, value in zip(outvars, results):
                    env[var] = value
        except Exception as error:
            if eqn is not None and not any(n.startswith("while lowering ") for n in getattr(error, "__notes__", ())):
                error.add_note(f"while lowering {eqn.primitive.name} at {source_info.summarize(self.source)}")
            raise
        finally:
            self.scope = scope

    def _note_contraction(self, name: str, params: Mapping[str, Any]) -> None:
        """Remembers what kinds of matrix products and convolutions there are, for the compile options."""
        found = self.state.contractions
        if name != "conv_general_dilated":
            half = self.avals_in[0].dtype.itemsize == 2
            found.add("half_dot" if half else "dot")
            return
        numbers = params.get("dimension_numbers")
        kernel = getattr(numbers, "rhs_spec", None)
        channels = self.avals_in[1].shape[kernel[1]] if kernel is not None else self.avals_in[1].size
        plain = all(d == 1 for d in params.get("lhs_dilation") or ()) and params.get("batch_group_count", 1) == 1
        found.add("small_conv" if channels < 48 and plain else "conv")

    def _lower_physically(self, primitive: Any, values: Sequence[Any], params: Mapping[str, Any]) -> list:
        """A primitive that knows nothing of extended dtypes, on their physical form."""
        if slots.physical_rule is None:
            raise NotImplementedError(f"{primitive.name}: extended dtypes cannot be lowered before ferax._src.transforms is imported")
        closed = slots.physical_rule(primitive, tuple(self.avals_in), params)
        return self.inline(closed, *values, here=True)

    def call_function(self, closed: ClosedJaxpr, *values: Any, name: str = "function") -> list:
        """A call of a private function that has the jaxpr's operations; it is written once per jaxpr in a module."""
        if self.isolated:
            return self.inline(closed, *values, scope=name)
        function = self.state.functions.get(id(closed))
        if function is None:
            function = self._emit_function(closed, name)
        leading = [self.tokens[e] for e in function.effects] + [self.closed_over(c.value, c.aval) for c in function.hidden]
        attrs = {"callee": self.bench.symbol(function.symbol)}
        op = create("func.call", function.out_types, [*leading, *values], attrs, None, 0, self.loc, self.ip)
        results = list(op.results)
        n = len(function.effects)
        self.tokens.update(zip(function.effects, results))
        return results[n:]

    def _emit_function(self, closed: ClosedJaxpr, name: str) -> SubFunction:
        bench, state = self.bench, self.state
        state.keep_alive.append(closed)
        hidden = hidden_constants(closed)
        effects = ordered_effects(closed.effects)
        types = [bench.token_type] * len(effects) + [self.type(c.aval) for c in hidden] + self.types(closed.in_avals)
        symbol = state.fresh_symbol(_symbol_text(name))
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
        found = state.functions[id(closed)] = SubFunction(symbol, hidden, effects, [r.type for r in results])
        return found

    # Calls that leave the program -----------------------------------------------------------------------------------

    def token(self, effect: Any) -> Any:
        """The token of an ordered effect, to be taken as an operand."""
        return self.tokens[effect]

    def set_token(self, effect: Any, token: Any) -> None:
        """The token after the operation: a result of it."""
        self.tokens[effect] = token

    def custom_call(
        self, target: str, operands: Sequence[Any], out_types: Sequence[Any] | None = None, backend_config: Mapping[str, Any] | str | None = None, *,
        has_side_effect: bool = False, operand_layouts: Sequence[Sequence[int]] | None = None,
        result_layouts: Sequence[Sequence[int]] | None = None, aliases: Mapping[int, int] | None = None, api_version: int = 4,
        attrs: Mapping[str, Any] | None = None,
    ) -> list:  # fmt: skip
        """``stablehlo.custom_call``; the list of its results.

        ``backend_config``: a dict for the FFI (``api_version=4``; NumPy scalars keep their types), text before it.  Layouts are
        minor to major, one per operand or result.  ``aliases`` maps results to the operands whose memory they take.
        """
        bench = self.bench
        if out_types is None:
            out_types = self.types(self.avals_out)
        described = {"call_target_name": bench.string(target), "api_version": bench.i32(api_version), "has_side_effect": bench.boolean(has_side_effect)}
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
                [bench.output_operand_alias([] if single else [result], operand) for result, operand in aliases.items()]
            )
        if attrs:
            described.update(attrs)
        return list(self.op("stablehlo.custom_call", operands, out_types, described).results)

    def _layouts(self, layouts: Sequence[Sequence[int]] | None, types: Sequence[Any]) -> Any:
        if layouts is None:
            layouts = [() if t == self.bench.token_type else tuple(range(t.rank - 1, -1, -1)) for t in types]
        return self.bench.array([self.bench.index_tensor(layout) for layout in layouts])

    def host_callback(
        self, fn: Callable[..., Any], operands: Sequence[Any], out_avals: Sequence[Any], *, effect: Any = None, has_side_effect: bool = True,
        partitioned: bool = False, sharding: Any = None, name: str = "callback",
    ) -> list:  # fmt: skip
        """Calls Python: ``fn(*numpy arrays) -> sequence of numpy arrays`` of exactly the types ``out_avals``.

        ``effect``: an ordered effect, whose token orders the calls.  ``partitioned`` runs ``fn`` on each device with the shards
        there; otherwise a program over several devices runs it once, on the first, or where ``sharding`` (an attribute) says.
        """
        if self.platform not in ("cpu", "gpu"):
            raise NotImplementedError(f"{name}: callbacks into Python are not supported on {self.platform}")
        targets = {
            ("cpu", False): callbacks.CPU_TARGET, ("gpu", False): callbacks.GPU_TARGET,
            ("cpu", True): callbacks.PARTITIONED_CPU_TARGET, ("gpu", True): callbacks.PARTITIONED_GPU_TARGET,
        }  # fmt: skip
        physical = [physical_aval(a) for a in out_avals]
        ordered = effect is not None
        index = len(self.state.host_callbacks)
        self.state.host_callbacks.append(callbacks.guarded(fn, [(a.shape, a.dtype) for a in physical], ordered=ordered, name=name))
        types = self.types(out_avals)
        if ordered:
            operands, types = [self.tokens[effect], *operands], [self.bench.token_type, *types]
        attrs = {}
        if self.state.num_partitions > 1 and not partitioned and self.axis_context is None:
            attrs["mhlo.sharding"] = sharding or self.string("{maximal device=0}")
        results = self.custom_call(
            targets[self.platform, partitioned], operands, types, {"index": np.uint64(index)}, has_side_effect=has_side_effect or ordered, attrs=attrs
        )  # fmt: skip
        if ordered:
            self.tokens[effect], results = results[0], results[1:]
        return results

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


def comparison_kind(dtype: Any, total_order: bool = False) -> str:
    """StableHLO's ``compare_type`` for operands of a dtype."""
    if dtypes.issubdtype(dtype, np.inexact):
        return "TOTALORDER" if total_order and not dtypes.issubdtype(dtype, np.complexfloating) else "FLOAT"
    return "SIGNED" if dtypes.issubdtype(dtype, np.signedinteger) else "UNSIGNED"


def has_extended(avals_in: Sequence[Any], avals_out: Sequence[Any]) -> bool:
    """Whether a PRNG key or another extended dtype is among the types."""
    for aval in avals_in:
        if isinstance(getattr(aval, "dtype", None), dtypes.ExtendedDType):
            return True
    for aval in avals_out:
        if isinstance(getattr(aval, "dtype", None), dtypes.ExtendedDType):
            return True
    return False


def _symbol_text(name: str) -> str:
    """A name as MLIR symbols and HLO computations take it."""
    text = "".join(c if c.isalnum() or c in "_.-" else "_" for c in name)
    return text.replace("<lambda>", "lambda") or "function"
