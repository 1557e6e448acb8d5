"""Building StableHLO quickly: contexts, cached types and attributes, operations, locations.

Loading this module loads MLIR's bindings (40 ms), so it is imported at the first lowering and not before.
Text, bytes and passes are in `mlir_text`, attributes of the dialects in `mlir_attributes`.

An MLIR context may be used by one thread at a time and costs 4 ms, so every thread keeps one: :func:`workbench` answers
the thread's :class:`Workbench`, the context with all that is cached beside it.  MLIR never frees a type, attribute or
location of a living context; a workbench is therefore replaced after some thousand modules (old modules keep their own
context alive).  Operations are made by ``ir.Operation.create`` with their result types given (0.8 us, against 4 us for the
generated builders, which infer and check what the jaxpr already knows).
"""

import math
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir._mlir_libs import _chlo, _jax_mlir_ext, _sdy, _stablehlo  # the attributes of dialects, without their op classes

from ferax._src.engine.mlir_attributes import DialectAttributes

Value = ir.Value
Block = ir.Block
Operation = ir.Operation
InsertionPoint = ir.InsertionPoint
Location = ir.Location
Module = ir.Module
Type = ir.Type
Attribute = ir.Attribute
MLIRError = ir.MLIRError

#: A dimension of a tensor type whose size is not known, ``?``.
DYNAMIC: int = ir.ShapedType.get_dynamic_size()

#: ``create(name, result_types, operands, attributes or None, None, number of regions, loc, ip) -> Operation``
create = ir.Operation.create

_NUMPY_DTYPES = frozenset(map(np.dtype, "?bhiqBHIQefdFD"))

_registry = ir.DialectRegistry()
_jax_mlir_ext.register_dialects(_registry)
_thread_pool = ir.ThreadPool()  # shared by all contexts, which do not keep it alive themselves

#: Files below this folder are Ferax itself: their frames do not appear in locations.
_OWN_FILES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
_FRAME_LIMIT = 4  # of the user's stack, innermost first; deeper chains cost compile time and say little
_MOST_BYTES = 2**63 - 1  # XLA ends the process where a size is more
_MODULES_PER_CONTEXT = 2000
_CONSTANT_BYTES_PER_CONTEXT = 64 << 20


def _shown_file(code: Any) -> str | None:
    name = code.co_filename
    return None if name.startswith((_OWN_FILES, "<frozen")) else name


def _new_context() -> Any:
    context = ir.Context()
    context.append_dialect_registry(_registry)
    context.load_all_available_dialects()
    context.set_thread_pool(_thread_pool)
    for dialect in (_stablehlo, _chlo, _sdy):
        dialect.register_dialect(context)
    return context


def _element_types(context: Any) -> dict[np.dtype, Any]:
    """NumPy dtype -> MLIR type.  Signed integers are signless in StableHLO, unsigned ones are marked."""
    integer = ir.IntegerType
    types: dict[np.dtype, Any] = {np.dtype(bool): integer.get_signless(1, context)}
    for bits in (8, 16, 32, 64):
        types[np.dtype(f"int{bits}")] = integer.get_signless(bits, context)
        types[np.dtype(f"uint{bits}")] = integer.get_unsigned(bits, context)
    for bits in (2, 4):  # one-bit integers have no type of their own: i1 is bool
        if hasattr(ml_dtypes, f"int{bits}"):
            types[np.dtype(getattr(ml_dtypes, f"int{bits}"))] = integer.get_signless(bits, context)
            types[np.dtype(getattr(ml_dtypes, f"uint{bits}"))] = integer.get_unsigned(bits, context)
    types[np.dtype(np.float16)] = ir.F16Type.get(context)
    types[np.dtype(np.float32)] = ir.F32Type.get(context)
    types[np.dtype(np.float64)] = ir.F64Type.get(context)
    types[np.dtype(np.complex64)] = ir.ComplexType.get(ir.F32Type.get(context))
    types[np.dtype(np.complex128)] = ir.ComplexType.get(ir.F64Type.get(context))
    types[np.dtype(ml_dtypes.bfloat16)] = ir.BF16Type.get(context)
    small = (
        "float8_e3m4",
        "float8_e4m3",
        "float8_e4m3b11fnuz",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
        "float6_e2m3fn",
        "float6_e3m2fn",
        "float4_e2m1fn",
    )
    for name in small:
        bits, _, form = name.removeprefix("float").partition("_")
        mlir_name = f"Float{bits}{form[:4].upper()}{form[4:].upper()}Type"  # Float8E4M3FNType
        if hasattr(ml_dtypes, name) and hasattr(ir, mlir_name):
            types[np.dtype(getattr(ml_dtypes, name))] = getattr(ir, mlir_name).get(context)
    return types


class Workbench(DialectAttributes):
    """An MLIR context with its types, attributes and locations cached.  Belongs to one thread."""

    def __init__(self) -> None:
        self.context = context = _new_context()
        self.modules_made = 0
        self.constant_bytes = 0
        self.unknown = ir.Location.unknown(context)
        self.element_types = _element_types(context)
        self.token_type = _stablehlo.TokenType.get(context)
        self.index_type = ir.IndexType.get(context)
        self.unit = ir.UnitAttr.get(context)
        self.true = ir.BoolAttr.get(True, context)
        self.false = ir.BoolAttr.get(False, context)
        self.i32_type = ir.IntegerType.get_signless(32, context)
        self.i64_type = ir.IntegerType.get_signless(64, context)
        self.i1_type = ir.IntegerType.get_signless(1, context)
        self.physical_types: dict[Any, Any] = {}  # aval -> type; the lowering's own table
        self.memo: dict[Any, Any] = {}  # free for the layers above: anything that belongs to this context
        self._tensors: dict[tuple, Any] = {}
        self._i64s: dict[tuple, Any] = {}
        self._bools: dict[tuple, Any] = {}
        self._ints: dict[tuple, Any] = {}
        self._strings: dict[str, Any] = {}
        self._parsed: dict[str, Any] = {}
        self._splats: dict[tuple, Any] = {}
        self._traceback_location = _jax_mlir_ext.TracebackToLocationCache(
            code_to_filename=_shown_file, frame_limit=_FRAME_LIMIT, context=context
        ).get

    # Types ------------------------------------------------------------------------------------------------------

    def element_type(self, dtype: Any) -> Any:
        """The MLIR type of one element."""
        try:
            return self.element_types[dtype]
        except KeyError:
            dtype = np.dtype(dtype)
            if dtype.names == ("float0",):  # the dtype of no tangent: any one-byte stand-in does
                return self.i1_type
            if dtype in self.element_types:
                return self.element_types[dtype]
            raise TypeError(f"dtype {dtype} has no StableHLO type in this jaxlib") from None

    def tensor_type(self, shape: tuple[int, ...], dtype: Any) -> Any:
        key = (shape, dtype)
        found = self._tensors.get(key)
        if found is None:
            element = self.element_type(dtype)
            if math.prod(shape) > _MOST_BYTES // max(dtype.itemsize, 1):
                raise ValueError(f"an array of shape {shape} and dtype {dtype.name} is too big: it has more than 2**63 - 1 bytes")
            found = ir.RankedTensorType.get(shape, element, loc=self.unknown)
            self._tensors[key] = found
        return found

    def tensor_of(self, shape: Sequence[int], element: Any) -> Any:
        """A tensor type from an MLIR element type."""
        return ir.RankedTensorType.get(shape, element, loc=self.unknown)

    def function_type(self, inputs: Sequence[Any], results: Sequence[Any]) -> Any:
        return ir.FunctionType.get(list(inputs), list(results), context=self.context)

    # Small attributes -------------------------------------------------------------------------------------------

    def i64s(self, values: Sequence[int]) -> Any:
        """``array<i64: ...>``"""
        key = tuple(values)
        found = self._i64s.get(key)
        if found is None:
            found = self._i64s[key] = ir.DenseI64ArrayAttr.get(list(map(int, key)), self.context)
        return found

    def i32s(self, values: Sequence[int]) -> Any:
        return ir.DenseI32ArrayAttr.get(list(map(int, values)), self.context)

    def bools(self, values: Sequence[bool]) -> Any:
        """``array<i1: ...>``"""
        key = tuple(values)
        found = self._bools.get(key)
        if found is None:
            found = self._bools[key] = ir.DenseBoolArrayAttr.get(list(map(bool, key)), self.context)
        return found

    def i64(self, value: int) -> Any:
        key = ("i64", value)
        found = self._ints.get(key)
        if found is None:
            found = self._ints[key] = ir.IntegerAttr.get(self.i64_type, int(value))
        return found

    def i32(self, value: int) -> Any:
        key = ("i32", value)
        found = self._ints.get(key)
        if found is None:
            found = self._ints[key] = ir.IntegerAttr.get(self.i32_type, int(value))
        return found

    def integer(self, dtype: Any, value: int) -> Any:
        """An integer attribute of a NumPy integer dtype (``ui64``, ``i8``, ...)."""
        key = (dtype, value)
        found = self._ints.get(key)
        if found is None:
            found = self._ints[key] = ir.IntegerAttr.get(self.element_type(np.dtype(dtype)), int(value))
        return found

    def boolean(self, value: bool) -> Any:
        return self.true if value else self.false

    def string(self, text: str) -> Any:
        found = self._strings.get(text)
        if found is None:
            found = ir.StringAttr.get(text, self.context)
            if len(self._strings) < 4096:
                self._strings[text] = found
        return found

    def symbol(self, name: str) -> Any:
        return ir.FlatSymbolRefAttr.get(name, self.context)

    def type_attribute(self, type_: Any) -> Any:
        return ir.TypeAttr.get(type_, self.context)

    def array(self, attributes: Sequence[Any]) -> Any:
        return ir.ArrayAttr.get(list(attributes), self.context)

    def dictionary(self, attributes: Mapping[str, Any]) -> Any:
        return ir.DictAttr.get(dict(attributes), self.context)

    def parse_attribute(self, text: str) -> Any:
        """An attribute from its text, remembered: ``#stablehlo<comparison_type TOTALORDER>``."""
        found = self._parsed.get(text)
        if found is None:
            found = ir.Attribute.parse(text, self.context)
            if len(self._parsed) < 4096:
                self._parsed[text] = found
        return found

    def attribute(self, value: Any) -> Any:
        """The natural attribute of a Python or NumPy value, as FFI handlers see it.

        bool -> i1, int -> i64, float -> f64, str, None -> unit; NumPy scalars keep their type; one-dimensional arrays
        become ``array<...>`` of their type, other arrays dense tensors; lists, tuples and dicts go element by element.
        Attributes pass through.
        """
        if isinstance(value, ir.Attribute):
            return value
        if value is None:
            return self.unit
        if isinstance(value, (bool, np.bool_)):
            return self.boolean(bool(value))
        if isinstance(value, np.integer):
            return self.integer(value.dtype, int(value))
        if isinstance(value, int):
            return self.i64(value)
        if isinstance(value, (np.generic,)) and value.dtype in self.element_types and value.dtype.kind != "c":
            return ir.FloatAttr.get(self.element_type(value.dtype), float(value), loc=self.unknown)
        if isinstance(value, float):
            return ir.FloatAttr.get_f64(value, self.context)
        if isinstance(value, (str, bytes)):
            return ir.StringAttr.get(value, self.context)
        if isinstance(value, np.ndarray):
            return self._array_attribute(value)
        if isinstance(value, Mapping):
            return self.dictionary({str(k): self.attribute(v) for k, v in value.items()})
        if isinstance(value, (list, tuple)):
            return self.array([self.attribute(v) for v in value])
        raise TypeError(f"cannot make an attribute of a {type(value).__name__}: {value!r}")

    def _array_attribute(self, value: np.ndarray) -> Any:
        if value.ndim == 1:
            makers = {
                "bool": ir.DenseBoolArrayAttr,
                "int8": ir.DenseI8ArrayAttr,
                "int16": ir.DenseI16ArrayAttr,
                "int32": ir.DenseI32ArrayAttr,
                "int64": ir.DenseI64ArrayAttr,
                "float32": ir.DenseF32ArrayAttr,
                "float64": ir.DenseF64ArrayAttr,
            }
            maker = makers.get(value.dtype.name)
            if maker is not None:
                return maker.get(value.tolist(), self.context)
        return self.dense(value)

    # Constants --------------------------------------------------------------------------------------------------

    def dense(self, value: np.ndarray) -> Any:
        """A dense constant of any supported dtype, with the bits of ``value``."""
        value = np.asarray(value)
        if value.dtype.names == ("float0",):
            value = np.zeros(value.shape, bool)
        if value.ndim and value.size > 1 and value.strides == (0,) * value.ndim:
            return self.splat(value[(0,) * value.ndim], value.shape)
        shape, element = value.shape, self.element_type(value.dtype)
        value = np.ascontiguousarray(value).reshape(shape)
        self.constant_bytes += value.nbytes
        return ir.DenseElementsAttr.get(
            _plain_bits(value), type=element, shape=list(shape), context=self.context
        )

    def splat(self, scalar: Any, shape: Sequence[int]) -> Any:
        """A constant with ``scalar`` (a NumPy scalar or 0-d array) everywhere."""
        scalar = np.asarray(scalar)
        if scalar.dtype.names == ("float0",):
            scalar = np.zeros((), bool)
        element = self.element_type(scalar.dtype)
        if 0 in shape:
            scalar = np.zeros(shape, scalar.dtype)
        return ir.DenseElementsAttr.get(
            _plain_bits(scalar), type=element, shape=list(shape), context=self.context
        )

    def scalar_splat(self, value: Any, shape: tuple[int, ...], dtype: np.dtype) -> dict[str, Any]:
        """The attribute dictionary of a ``stablehlo.constant`` filled with a scalar, remembered.

        Zeros are told apart by their text (0.0 == -0.0), complex numbers too, and numbers of different classes by class.
        """
        kind = type(value)
        key = (value if value and kind is not complex else repr(value), kind, shape, dtype)
        found = self._splats.get(key)
        if found is None:
            found = {"value": self.splat(_as_scalar(value, dtype), shape)}
            if len(self._splats) < 8192:
                self._splats[key] = found
        return found

    # Locations --------------------------------------------------------------------------------------------------

    def location(self, name: str, source: Any) -> Any:
        """``name`` (which becomes ``op_name``) at the user's frames of a traceback (None: no place known)."""
        if source is None:
            return ir.Location.name(name, self.unknown, self.context)
        return ir.Location.name(name, self._traceback_location(source), self.context)

    def named_location(self, name: str) -> Any:
        return ir.Location.name(name, self.unknown, self.context)

    # Modules and functions ----------------------------------------------------------------------------------------

    def new_module(self, name: str, num_replicas: int = 1, num_partitions: int = 1) -> Any:
        self.modules_made += 1
        module = ir.Module.create(loc=self.unknown)
        attributes = module.operation.attributes
        attributes["sym_name"] = ir.StringAttr.get(name, self.context)
        attributes["mhlo.num_replicas"] = self.i32(num_replicas)
        attributes["mhlo.num_partitions"] = self.i32(num_partitions)
        return module

    def new_function(
        self, module: Any, name: str, inputs: Sequence[Any], public: bool, loc: Any = None
    ) -> tuple[Any, Any]:
        """A ``func.func`` with an entry block; call :meth:`finish_function` when its results are known."""
        attributes = {
            "sym_name": ir.StringAttr.get(name, self.context),
            "function_type": ir.TypeAttr.get(self.function_type(inputs, ()), self.context),
            "sym_visibility": self.string("public" if public else "private"),
        }
        function = create(
            "func.func", [], [], attributes, None, 1, loc or self.unknown, ir.InsertionPoint(module.body)
        )
        block = function.regions[0].blocks.append(*inputs, arg_locs=[self.unknown] * len(inputs))
        return function, block

    def remember_function(self, key: Any, function: Any, result_type: Any) -> tuple:
        """Keeps a copy of a function for further modules, under ``memo[key]``: (the copy, the type of its result)."""
        found = self.memo[key] = (function.clone(), result_type)
        return found

    def copy_function(self, function: Any, module: Any, name: str) -> None:
        """A copy of a remembered function in ``module``."""
        copy = function.clone(ir.InsertionPoint(module.body))
        copy.attributes["sym_name"] = ir.StringAttr.get(name, self.context)

    def new_mesh(
        self, module: Any, name: str, axes: Sequence[tuple[str, int]], device_order: Sequence[int]
    ) -> None:
        """An ``sdy.mesh``; an empty ``device_order`` means 0, 1, 2, ..."""
        attributes = {"sym_name": self.string(name), "mesh": self.sdy_mesh(axes, device_order)}
        place = ir.InsertionPoint.at_block_begin(module.body)
        create("sdy.mesh", [], [], attributes, None, 0, self.unknown, place)

    def finish_function(
        self,
        function: Any,
        block: Any,
        results: Sequence[Any],
        arg_attributes: Sequence[Any] | None = None,
        result_attributes: Sequence[Any] | None = None,
    ) -> None:
        """Returns ``results`` and sets the type; the attribute lists have a dict for each argument or result."""
        create("func.return", [], list(results), None, None, 0, self.unknown, ir.InsertionPoint(block))
        type_ = self.function_type([a.type for a in block.arguments], [r.type for r in results])
        function.attributes["function_type"] = ir.TypeAttr.get(type_, self.context)
        if arg_attributes is not None and any(arg_attributes):
            function.attributes["arg_attrs"] = self.array([self.dictionary(d) for d in arg_attributes])
        if result_attributes is not None and any(result_attributes):
            function.attributes["res_attrs"] = self.array([self.dictionary(d) for d in result_attributes])


def is_dynamic(type_: Any) -> bool:
    """Whether a type is that of a tensor with sizes that are not known."""
    return isinstance(type_, ir.RankedTensorType) and not type_.has_static_shape


def integers(attribute: Any) -> tuple[int, ...]:
    """The numbers of an ``array<i64: ...>``."""
    return tuple(ir.DenseI64ArrayAttr(attribute))


def constant_number(value: Any) -> float | None:
    """The number that a value is, if it is a float constant of 32 or 64 bits without dimensions."""
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "stablehlo.constant":
        return None
    attribute = owner.attributes["value"]
    type_ = attribute.type
    if type_.rank or not isinstance(type_.element_type, (ir.F32Type, ir.F64Type)):
        return None
    return attribute[0]


def _plain_bits(value: np.ndarray) -> np.ndarray:
    """An array whose buffer MLIR can read: ml_dtypes as unsigned integers of the same width, which hold the bits."""
    if value.dtype in _NUMPY_DTYPES:  # not `isbuiltin`: it is 0 of dtypes that were pickled
        return value
    return value.view(np.uint16 if value.dtype.itemsize == 2 else np.uint8)


def _as_scalar(value: Any, dtype: np.dtype) -> np.ndarray:
    if dtype.names == ("float0",):
        return np.zeros((), bool)
    return np.asarray(value).astype(dtype)  # astype wraps and rounds; asarray(value, dtype) would refuse


class _PerThread(threading.local):
    bench: Workbench | None = None


_local = _PerThread()


def workbench() -> Workbench:
    """This thread's workbench, for one module: ask again for the next."""
    bench = _local.bench
    if (
        bench is None
        or bench.modules_made >= _MODULES_PER_CONTEXT
        or bench.constant_bytes >= _CONSTANT_BYTES_PER_CONTEXT
    ):
        bench = _local.bench = Workbench()
    return bench
