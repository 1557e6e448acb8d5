"""Builders of StableHLO: types, operations, constants, regions, loops.

`Builder` knows the place in the module where the next operation goes.  `lowering_context.LoweringContext` adds what walks
jaxprs and what leaves the program; rules see only that one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ferax._src.engine import mlir
from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.runtime.array import physical_aval
from ferax._src.runtime.lowering_module import FEW_PRODUCTS, ModuleState, ordered_effects, physical_value
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, abstract_token, aval_of
from ferax._src.util import config

create = mlir.create


class Builder:
    """Writes operations at a place of a module that moves along with the walk over the program."""

    inline: Callable[..., list]  # `LoweringContext` has it: to lower a program needs the rules

    def __init__(self, state: ModuleState):
        self.state = state
        self.bench = bench = state.bench
        self.platform: str = state.platform
        self.gpu_kind: str = state.gpu_kind
        #: Whether rules are to take the forms that were measured to be quicker on the CPU; see ``ferax_cpu_lowerings``.
        self.tuned: bool = state.platform == "cpu" and config.cpu_lowerings.value == "fast"
        self.avals_in: list[Any] = []
        self.avals_out: list[Any] = []
        self.effects: Any = frozenset()
        self.params: Mapping[str, Any] = {}
        self.loc = bench.unknown
        self.ip: Any = None
        self.block: Any = None
        self.source: Any = None
        self.fixed_source: Any = (
            None  # while the jaxpr of a rule is inlined: the place of the equation it stands for
        )
        self.scope = f"jit({state.name})"
        self.isolated = False  # inside a region that may not use values from outside
        self.hidden: dict[int, Any] = {}  # id(constant) -> the function's argument that carries it
        self.tokens: dict[Any, Any] = {}  # ordered effect -> its token now
        self.axis_context: Any = None  # what named axes mean here; belongs to collectives and shard_map
        self._constants: dict[Any, Any] = {}  # of the current block
        self._types: dict[Any, Any] = bench.physical_types
        # Attribute helpers, as they are on the workbench.
        self.i64s, self.bools, self.i64, self.i32 = bench.i64s, bench.bools, bench.i64, bench.i32
        self.boolean, self.string, self.attribute, self.dense_attribute = (
            bench.boolean,
            bench.string,
            bench.attribute,
            bench.dense,
        )
        self.i64_tensor, self.parse_attribute, self.unit = bench.i64_tensor, bench.parse_attribute, bench.unit
        self.dot_dimension_numbers = bench.dot_dimension_numbers
        self.ragged_dot_dimension_numbers = bench.ragged_dot_dimension_numbers
        self.dot_algorithm, self.precision = bench.dot_algorithm, bench.precision_config
        self.conv_dimension_numbers = bench.conv_dimension_numbers
        self.gather_dimension_numbers = bench.gather_dimension_numbers
        self.scatter_dimension_numbers = bench.scatter_dimension_numbers
        self.comparison_direction, self.comparison_type = bench.comparison_direction, bench.comparison_type
        self.fft_type, self.rng_algorithm, self.rng_distribution = (
            bench.fft_type,
            bench.rng_algorithm,
            bench.rng_distribution,
        )
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
                found = self.tensor(physical.shape, physical.dtype)
            self._types[aval] = found
        return found

    def types(self, avals: Sequence[Any]) -> list:
        return [self.type(a) for a in avals]

    def tensor(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """The MLIR type of a tensor."""
        return self.bench.tensor_type(tuple(shape), np.dtype(dtype))

    # Operations -------------------------------------------------------------------------------------------------

    def op(
        self,
        name: str,
        operands: Sequence[Any],
        out_types: Sequence[Any] | None = None,
        attrs: dict[str, Any] | None = None,
        regions: int = 0,
    ) -> Any:
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
            return [
                create(
                    name, [types.get(aval) or self.type(aval)], operands, attrs, None, 0, self.loc, self.ip
                ).result
            ]
        return list(
            create(name, [self.type(a) for a in avals], operands, attrs, None, 0, self.loc, self.ip).results
        )

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
            found = create(
                "stablehlo.constant", [self.type(aval)], (), attrs, None, 0, self.bench.unknown, self.ip
            ).result
            self._constants[key] = found
        return found

    def scalar(self, value: Any, dtype: Any) -> Any:
        """A 0-d constant."""
        return self.const(value, ShapedArray((), np.dtype(dtype)))

    def dense(self, value: np.ndarray) -> Any:
        """A constant written out element by element."""
        attr = self.bench.dense(value)
        return create(
            "stablehlo.constant", [attr.type], (), {"value": attr}, None, 0, self.bench.unknown, self.ip
        ).result

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
        return create(
            "stablehlo.convert", [self.tensor(shape, dtype)], (value,), None, None, 0, self.loc, self.ip
        ).result

    def reshape(self, value: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        return create(
            "stablehlo.reshape", [self.tensor(shape, dtype)], (value,), None, None, 0, self.loc, self.ip
        ).result

    def broadcast_in_dim(
        self, value: Any, shape: tuple[int, ...], dtype: Any, dims: Sequence[int] = ()
    ) -> Any:
        """Dimension i of ``value`` becomes dimension ``dims[i]`` of ``shape``."""
        attrs = {"broadcast_dimensions": self.i64s(dims)}
        return create(
            "stablehlo.broadcast_in_dim",
            [self.tensor(shape, dtype)],
            (value,),
            attrs,
            None,
            0,
            self.loc,
            self.ip,
        ).result

    def transpose(self, value: Any, shape: tuple[int, ...], dtype: Any, permutation: Sequence[int]) -> Any:
        """``shape`` is that of the result."""
        attrs = {"permutation": self.i64s(permutation)}
        return create(
            "stablehlo.transpose", [self.tensor(shape, dtype)], (value,), attrs, None, 0, self.loc, self.ip
        ).result

    def compare(
        self, x: Any, y: Any, direction: str, shape: tuple[int, ...], dtype: Any, *, total_order: bool = False
    ) -> Any:
        """``x direction y`` for operands of ``shape`` and ``dtype``; ``total_order`` orders NaN and signed zeros too."""
        attrs = {
            "comparison_direction": self.comparison_direction(direction),
            "compare_type": self.comparison_type(comparison_kind(dtype, total_order)),
        }
        return create(
            "stablehlo.compare", [self.tensor(shape, np.bool_)], (x, y), attrs, None, 0, self.loc, self.ip
        ).result

    def select(self, which: Any, on_true: Any, on_false: Any) -> Any:
        return create(
            "stablehlo.select", [on_true.type], (which, on_true, on_false), None, None, 0, self.loc, self.ip
        ).result

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
        self,
        region: Any,
        arg_types: Sequence[Any],
        build: Callable[..., Sequence[Any]],
        *,
        isolated: bool = False,
        terminator: str = "stablehlo.return",
    ) -> None:
        """Fills a region of an operation with one block: ``build(*block arguments) -> values`` that the block returns."""
        block = region.blocks.append(*arg_types, arg_locs=[self.bench.unknown] * len(arg_types))
        avals = self.avals_in, self.avals_out
        with self._inside(block, isolated):
            results = build(*block.arguments)
            create(terminator, [], list(results), None, None, 0, self.bench.unknown, self.ip)
        self.avals_in, self.avals_out = avals

    def reducer_region(
        self, region: Any, dtypes_: Sequence[Any], reducer: str | ClosedJaxpr | Callable[..., Sequence[Any]]
    ) -> None:
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
        self,
        reducer: str | ClosedJaxpr | Callable[..., Sequence[Any]],
        operands: Sequence[Any],
        inits: Sequence[Any],
        axes: Sequence[int],
        out_types: Sequence[Any] | None = None,
        dtypes_: Sequence[Any] | None = None,
    ) -> list:
        """``stablehlo.reduce``.  ``inits`` are values or scalars; ``dtypes_`` default to those of ``avals_in``."""
        if dtypes_ is None:
            dtypes_ = [a.dtype for a in self.avals_in[: len(operands)]]
        inits = [i if isinstance(i, mlir.Value) else self.scalar(i, d) for i, d in zip(inits, dtypes_)]
        if out_types is None:
            out_types = [self.type(a) for a in self.avals_out]
        op = create(
            "stablehlo.reduce",
            out_types,
            [*operands, *inits],
            {"dimensions": self.i64s(axes)},
            None,
            1,
            self.loc,
            self.ip,
        )
        self.reducer_region(op.regions[0], dtypes_, reducer)
        return list(op.results)

    def while_loop(
        self,
        init: Sequence[Any],
        cond: Callable[..., Any],
        body: Callable[..., Sequence[Any]],
        effects: Any = (),
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
        self.state.products += FEW_PRODUCTS  # one product in a loop is many
        self.region(op.regions[1], types, run_body)
        self.state.products -= FEW_PRODUCTS
        self.tokens = outer
        results = list(op.results)
        self.tokens.update(zip(order, results))
        return results[n:]

    def case(
        self,
        index: Any,
        branches: Sequence[Callable[[], Sequence[Any]]],
        out_types: Sequence[Any],
        effects: Any = (),
    ) -> list:
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


def comparison_kind(dtype: Any, total_order: bool = False) -> str:
    """StableHLO's ``compare_type`` for operands of a dtype."""
    if dtypes.issubdtype(dtype, np.inexact):
        return "TOTALORDER" if total_order and not dtypes.issubdtype(dtype, np.complexfloating) else "FLOAT"
    return "SIGNED" if dtypes.issubdtype(dtype, np.signedinteger) else "UNSIGNED"
