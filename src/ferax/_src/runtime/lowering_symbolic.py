"""Lowering with symbolic dimensions: rules write static StableHLO, and what cannot be static becomes dynamic here.

`SymbolicContext` is the context that rules see when an argument of the program has a symbolic dimension.  A dimension that is
not known is ``?`` in MLIR's types, so that most operations need nothing: their results are sized by their operands.  The few
whose results are sized by attributes (broadcasts, reshapes, iota, slices, pads, gathers, constants) have dynamic forms that take
sizes as operands.  The sizes of arguments, ``get_dimension_size``, give the dimension variables, and those all other sizes.

Everything is written into ``main``: private functions would have to be handed the dimension variables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ferax._src.engine import mlir
from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.runtime.array import physical_aval
from ferax._src.runtime.lowering_context import LoweringContext
from ferax._src.runtime.lowering_module import ModuleState
from ferax._src.types.avals import ShapedArray, scalar_aval
from ferax._src.types.symbolic_dims import Operation, bounds, has_symbolic, is_symbolic_dim
from ferax._src.types.symbolic_solving import plan

create = mlir.create

_I32 = np.dtype(np.int32)


class Sizes:
    """A list of integers for an attribute, of which some are symbolic."""

    def __init__(self, values: Sequence[Any]):
        self.values = tuple(values)


class SymbolicContext(LoweringContext):
    """See the module's text."""

    def __init__(self, state: ModuleState):
        super().__init__(state)
        self.tuned = False
        self._types = {}                        # types of symbolic avals belong to this module, not to the thread
        self._symbolic_types: dict[tuple, Any] = {}     # (shape, dtype) -> an object of its own for MLIR's type
        self._shapes: dict[int, tuple] = {}     # id of such an object -> the symbolic shape: the type itself has only ?
        self._variables: dict[str, Any] = {}    # dimension variable -> its value, in main
        self._plain_i64s = self.i64s
        self.i64s = self._sizes_or_i64s

    def enter_main(self, avals: Sequence[Any], values: Sequence[Any]) -> list:
        """Finds the dimension variables; answers the arguments as the program is to use them."""
        shapes = [getattr(a, "shape", ()) for a in avals]
        for variable, i, axis, coefficient, rest in plan(shapes, lambda i, axis: f"argument {i}"):
            attrs = {"dimension": self.i64(axis)}
            size = create("stablehlo.get_dimension_size", [self._scalar_type()], (values[i],), attrs, None, 0, self.loc,
                          self.ip).result
            if rest != 0:
                size = self._scalar_op("subtract", size, self.dimension(rest))
            if coefficient != 1:
                size = self._scalar_op("divide", size, self.scalar(coefficient, _I32))
            self._variables[variable] = size
        # The only further use of an argument is a conversion, so that refinement may change the argument's type.
        return [create("stablehlo.convert", [v.type], (v,), None, None, 0, self.loc, self.ip).result
                if has_symbolic(shape) else v for v, shape in zip(values, shapes)]

    # Sizes as values ----------------------------------------------------------------------------------------------------

    def _scalar_type(self) -> Any:
        return self.bench.tensor_type((), _I32)

    def _scalar_op(self, name: str, x: Any, y: Any) -> Any:
        return create(f"stablehlo.{name}", [x.type], (x, y), None, None, 0, self.loc, self.ip).result

    def dimension(self, dim: Any) -> Any:
        """The size of a dimension as a 0-d int32 value."""
        if not is_symbolic_dim(dim):
            return self.scalar(int(dim), _I32)
        if self.isolated:
            raise self.unsupported("a symbolic size inside of a region that XLA keeps apart")
        found = self._constants.get(("dimension", dim))
        if found is None:
            total = None
            for monomial, k in dim.terms:
                product = self.scalar(k, _I32) if k != 1 or not monomial else None
                for factor, power in monomial:
                    value = self._factor(factor)
                    for _ in range(power):
                        product = value if product is None else self._scalar_op("multiply", product, value)
                total = product if total is None else self._scalar_op("add", total, product)
            found = self._constants["dimension", dim] = total
        return found

    def _factor(self, factor: str | Operation) -> Any:
        if isinstance(factor, str):
            return self._variables[factor]
        x, y = self.dimension(factor.x), self.dimension(factor.y)
        if factor.kind == "max":
            return self._scalar_op("maximum", x, y)
        if factor.kind == "min":
            return self._scalar_op("minimum", x, y)
        rest = self._scalar_op("remainder", x, y)               # has the sign of x, as the quotient is cut towards zero
        if bounds(factor.x)[0] < 0 or bounds(factor.y)[0] < 1:
            zero = self.scalar(0, _I32)
            signs = self._scalar_op("multiply", self._sign(rest), self._sign(y))
            apart = self.compare(signs, zero, "LT", (), _I32)
            rest = self.select(apart, self._scalar_op("add", rest, y), rest)
        if factor.kind == "mod":
            return rest
        return self._scalar_op("divide", self._scalar_op("subtract", x, rest), y)

    def _sign(self, x: Any) -> Any:
        return create("stablehlo.sign", [x.type], (x,), None, None, 0, self.loc, self.ip).result

    def dimension_value(self, dim: Any) -> Any:
        """The size of a dimension in the type that a Python int has."""
        return self.convert(self.dimension(dim), (), scalar_aval(int).dtype)

    def sizes(self, values: Sequence[Any]) -> Any:
        """A one-dimensional int32 value of sizes."""
        if not any(map(is_symbolic_dim, values)):
            return self.dense(np.array(values, np.int32))
        one = self.bench.tensor_type((1,), _I32)
        parts = [create("stablehlo.reshape", [one], (self.dimension(v),), None, None, 0, self.loc, self.ip).result for v in values]
        if len(parts) == 1:
            return parts[0]
        whole, attrs = self.bench.tensor_type((len(parts),), _I32), {"dimension": self.i64(0)}
        return create("stablehlo.concatenate", [whole], parts, attrs, None, 0, self.loc, self.ip).result

    def _sizes_or_i64s(self, values: Sequence[Any]) -> Any:
        values = tuple(values)
        return Sizes(values) if any(map(is_symbolic_dim, values)) else self._plain_i64s(values)

    # Types --------------------------------------------------------------------------------------------------------------

    def tensor(self, shape: Sequence[Any], dtype: Any) -> Any:
        shape = tuple(shape)
        if not has_symbolic(shape):
            return self.bench.tensor_type(shape, np.dtype(dtype))
        found = self._symbolic_types.get((shape, dtype))
        if found is None:
            sizes = [mlir.DYNAMIC if is_symbolic_dim(d) else d for d in shape]
            found = self._symbolic_types[shape, dtype] = self.bench.tensor_of(sizes, self.bench.element_type(np.dtype(dtype)))
            self._shapes[id(found)] = shape
        return found

    def _shape_of(self, position: int, out_types: Sequence[Any] | None) -> tuple:
        """The shape of an operation's result."""
        if out_types is None:
            return physical_aval(self.avals_out[position]).shape
        type_ = out_types[position]
        known = self._shapes.get(id(type_))
        if known is None and mlir.is_dynamic(type_):
            raise self.unsupported("an operation whose lowering says its result's type without its sizes")
        return known if known is not None else tuple(getattr(type_, "shape", ()))

    # Operations ---------------------------------------------------------------------------------------------------------

    def op(self, name: str, operands: Sequence[Any], out_types: Sequence[Any] | None = None, attrs: dict[str, Any] | None = None,
           regions: int = 0) -> Any:
        attrs = attrs or {}
        count = len(self.avals_out) if out_types is None else len(out_types)
        shapes = [self._shape_of(i, out_types) for i in range(count)] if name in _DYNAMIC or name in _SIZED else []
        sized = any(map(has_symbolic, shapes)) or any(isinstance(a, Sizes) for a in attrs.values())
        if name in _SIZED and sized:
            raise self.unsupported(f"{name.removeprefix('stablehlo.')} with symbolic sizes")
        if out_types is None:
            out_types = [self.type(a) for a in self.avals_out]
        if name in _DYNAMIC and sized:
            name, operands, attrs = _DYNAMIC[name](self, operands, attrs, shapes[0])
        if any(isinstance(a, Sizes) for a in attrs.values()):
            raise self.unsupported(f"{name.removeprefix('stablehlo.')} with an attribute that is symbolic")
        return create(name, out_types, operands, attrs or None, None, regions, self.loc, self.ip)

    def emit(self, name: str, operands: Sequence[Any], attrs: dict[str, Any] | None = None) -> list:
        return list(self.op(name, operands, None, attrs).results)

    def unsupported(self, what: str) -> NotImplementedError:
        return NotImplementedError(
            f"export: {what} is not possible yet. Give the dimension a number, or have the operation along dimensions with numbers "
            "only. The list of what symbolic shapes can do is in docs/differences.md.")

    def const(self, value: Any, aval: ShapedArray | None = None) -> Any:
        if is_symbolic_dim(value):
            aval = scalar_aval(int) if aval is None else aval
            return self.broadcast_in_dim(self.convert(self.dimension(value), (), aval.dtype), aval.shape, aval.dtype)
        if aval is None or not has_symbolic(aval.shape):
            return super().const(value, aval)
        physical = physical_aval(aval)
        scalar = super().const(np.asarray(value)[()] if np.ndim(value) == 0 else value, ShapedArray((), physical.dtype))
        return self.broadcast_in_dim(scalar, physical.shape, physical.dtype)

    def reshape(self, value: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        return self.op("stablehlo.reshape", (value,), [self.tensor(shape, dtype)]).result

    def broadcast_in_dim(self, value: Any, shape: tuple[int, ...], dtype: Any, dims: Sequence[int] = ()) -> Any:
        attrs = {"broadcast_dimensions": self.i64s(dims)}
        return self.op("stablehlo.broadcast_in_dim", (value,), [self.tensor(shape, dtype)], attrs).result

    # Programs inside programs -------------------------------------------------------------------------------------------

    def call_function(self, closed: ClosedJaxpr, *values: Any, name: str = "function") -> list:
        return self.inline(closed, *values, scope=name)

    def composite(self, closed: ClosedJaxpr, *values: Any, name: str, attributes: Any, version: int) -> list:
        return self.inline(closed, *values, scope=name)

    def call_written(self, key: Any, write: Callable[..., Any], operands: Sequence[Any], name: str) -> Any:
        return write(self, *operands)

    def custom_call(self, target: str, operands: Sequence[Any], out_types: Sequence[Any] | None = None, *args: Any,
                    **kwargs: Any) -> list:
        count = len(self.avals_out) if out_types is None else len(out_types)
        if any(has_symbolic(self._shape_of(i, out_types)) for i in range(count)):
            raise self.unsupported(f"the custom call {target} with a result of symbolic sizes")
        return super().custom_call(target, operands, out_types, *args, **kwargs)


# Dynamic forms: (context, operands, attributes, shape of the result) -> name, operands, attributes -----------------------


def _values(attribute: Any) -> tuple:
    return attribute.values if isinstance(attribute, Sizes) else mlir.integers(attribute)


def _broadcast(ctx: SymbolicContext, operands: Any, attrs: dict, shape: tuple) -> tuple:
    return "stablehlo.dynamic_broadcast_in_dim", (*operands, ctx.sizes(shape)), attrs


def _reshape(ctx: SymbolicContext, operands: Any, attrs: dict, shape: tuple) -> tuple:
    return "stablehlo.dynamic_reshape", (*operands, ctx.sizes(shape)), attrs


def _iota(ctx: SymbolicContext, operands: Any, attrs: dict, shape: tuple) -> tuple:
    return "stablehlo.dynamic_iota", (ctx.sizes(shape),), attrs


def _slice(ctx: SymbolicContext, operands: Any, attrs: dict, shape: tuple) -> tuple:
    bounds_ = [ctx.sizes(_values(attrs[name])) for name in ("start_indices", "limit_indices", "strides")]
    return "stablehlo.real_dynamic_slice", (*operands, *bounds_), {}


def _pad(ctx: SymbolicContext, operands: Any, attrs: dict, shape: tuple) -> tuple:
    names = ("edge_padding_low", "edge_padding_high", "interior_padding")
    return "stablehlo.dynamic_pad", (*operands, *[ctx.sizes(_values(attrs[n])) for n in names]), {}


def _gather(ctx: SymbolicContext, operands: Any, attrs: dict, shape: tuple) -> tuple:
    sizes = attrs["slice_sizes"]
    if not isinstance(sizes, Sizes):
        return "stablehlo.gather", operands, attrs
    kept = {name: value for name, value in attrs.items() if name != "slice_sizes"}
    return "stablehlo.dynamic_gather", (*operands, ctx.sizes(sizes.values)), kept


def _dynamic_slice(ctx: SymbolicContext, operands: Any, attrs: dict, shape: tuple) -> tuple:
    sizes = attrs["slice_sizes"]
    if not isinstance(sizes, Sizes):
        return "stablehlo.dynamic_slice", operands, attrs
    x, *starts = operands
    one = ctx.bench.tensor_type((1,), _I32)
    placed = []
    for axis, (start, size) in enumerate(zip(starts, sizes.values)):
        full = create("stablehlo.get_dimension_size", [ctx._scalar_type()], (x,), {"dimension": ctx.i64(axis)}, None, 0, ctx.loc,
                      ctx.ip).result
        last = ctx._scalar_op("subtract", full, ctx.dimension(size))
        start = create("stablehlo.convert", [ctx._scalar_type()], (start,), None, None, 0, ctx.loc, ctx.ip).result
        start = create("stablehlo.clamp", [start.type], (ctx.scalar(0, _I32), start, last), None, None, 0, ctx.loc, ctx.ip).result
        placed.append(create("stablehlo.reshape", [one], (start,), None, None, 0, ctx.loc, ctx.ip).result)
    whole, attrs = ctx.bench.tensor_type((len(placed),), _I32), {"dimension": ctx.i64(0)}
    begin = create("stablehlo.concatenate", [whole], placed, attrs, None, 0, ctx.loc, ctx.ip).result
    end = ctx._scalar_op("add", begin, ctx.sizes(sizes.values))
    strides = ctx.dense(np.ones(len(placed), np.int32))
    return "stablehlo.real_dynamic_slice", (x, begin, end, strides), {}


_DYNAMIC: dict[str, Callable[..., tuple]] = {
    "stablehlo.broadcast_in_dim": _broadcast,
    "stablehlo.reshape": _reshape,
    "stablehlo.iota": _iota,
    "stablehlo.slice": _slice,
    "stablehlo.pad": _pad,
    "stablehlo.gather": _gather,
    "stablehlo.dynamic_slice": _dynamic_slice,
}

#: Operations whose results are sized by attributes and that have no dynamic form here.
_SIZED = frozenset(("stablehlo.rng_bit_generator", "stablehlo.custom_call", "stablehlo.all_gather",
                    "stablehlo.reduce_scatter", "stablehlo.all_to_all"))


def context_for(avals: Sequence[Any]) -> Callable[[ModuleState], SymbolicContext] | None:
    """The context in which a program with such arguments is to be lowered; None for the ordinary one."""
    return SymbolicContext if any(has_symbolic(getattr(a, "shape", ())) for a in avals) else None

