"""How exactly products of matrices are computed: precisions by name, and algorithms.

`Precision` leaves the choice of the algorithm to the device; `DotAlgorithmPreset` and `DotAlgorithm` name it.
None of them changes the dtype of the result.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

import numpy as np

from ferax._src.types import dtypes
from ferax._src.util import config

_f32, _f64, _f16, _bf16 = (np.dtype(t) for t in (np.float32, np.float64, np.float16, dtypes.bfloat16))
_FLOAT8 = tuple([d for d in dtypes.NARROW_FLOATS if dtypes.itemsize_bits(d) == 8])
_FLOAT8_RESULTS = tuple([d for d in _FLOAT8 if dtypes.dtype_name(d) in (
    "float8_e4m3fn", "float8_e5m2", "float8_e5m2fnuz", "float8_e4m3fnuz", "float8_e4m3b11fnuz")])


class Precision(enum.Enum):
    """Speed against accuracy of float32 products on accelerators; on CPU all are the same.

    DEFAULT : the fastest: bfloat16 passes on TPU, tensorfloat32 where a GPU has it.
    HIGH : three bfloat16 passes or tensorfloat32.
    HIGHEST : float32.
    """

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2

    @classmethod
    def _missing_(cls, value):
        return precision_names.get(value)

    def __repr__(self) -> str:
        return f"Precision.{self.name}"

    def __str__(self) -> str:
        return self.name


precision_names: dict[Any, Precision] = {
    None: Precision.DEFAULT, "default": Precision.DEFAULT, "fastest": Precision.DEFAULT, "bfloat16": Precision.DEFAULT,
    "high": Precision.HIGH, "bfloat16_3x": Precision.HIGH, "tensorfloat32": Precision.HIGH,
    "highest": Precision.HIGHEST, "float32": Precision.HIGHEST,
}


class DotAlgorithm(NamedTuple):
    """The algorithm of a product of matrices, in full.

    Attributes
    ----------
    lhs_precision_type, rhs_precision_type : dtypes to which the operands are rounded
    accumulation_type : dtype in which products are added up
    lhs_component_count, rhs_component_count : in how many parts of that dtype each operand is split
    num_primitive_operations : how many products of parts are computed
    allow_imprecise_accumulation : whether some additions may be in lower precision
    """

    lhs_precision_type: Any
    rhs_precision_type: Any
    accumulation_type: Any
    lhs_component_count: int = 1
    rhs_component_count: int = 1
    num_primitive_operations: int = 1
    allow_imprecise_accumulation: bool = False

    def operand_types(self, lhs, rhs, out) -> tuple:
        """The dtypes in which operands enter and the result leaves the product."""
        return tuple([np.dtype(t) for t in self[:3]])

    def attribute(self, ctx, lhs, rhs):
        return ctx.dot_algorithm(*[np.dtype(t) for t in self[:3]], *self[3:])


class DotAlgorithmPreset(enum.Enum):
    """Algorithms of products of matrices by name: types of the operands, type of accumulation, number of passes."""

    DEFAULT = enum.auto()
    ANY_F8_ANY_F8_F32 = enum.auto()
    ANY_F8_ANY_F8_F32_FAST_ACCUM = enum.auto()
    ANY_F8_ANY_F8_ANY = enum.auto()
    ANY_F8_ANY_F8_ANY_FAST_ACCUM = enum.auto()
    F16_F16_F16 = enum.auto()
    F16_F16_F32 = enum.auto()
    BF16_BF16_BF16 = enum.auto()
    BF16_BF16_F32 = enum.auto()
    BF16_BF16_F32_X3 = enum.auto()
    BF16_BF16_F32_X6 = enum.auto()
    BF16_BF16_F32_X9 = enum.auto()
    TF32_TF32_F32 = enum.auto()
    TF32_TF32_F32_X3 = enum.auto()
    F32_F32_F32 = enum.auto()
    F64_F64_F64 = enum.auto()

    def __repr__(self) -> str:
        return f"DotAlgorithmPreset.{self.name}"

    def __str__(self) -> str:
        return self.name

    @property
    def supported_lhs_types(self) -> tuple | None:
        """The dtypes that operands may have; others are converted to the first. None: any."""
        return _PRESETS[self].operands if self in _PRESETS else None

    @property
    def supported_rhs_types(self) -> tuple | None:
        return self.supported_lhs_types

    @property
    def accumulation_type(self):
        """The dtype in which products are added up; None: it depends."""
        return _PRESETS[self].accumulation if self in _PRESETS else _FLOAT8_ACCUMULATION.get(self.name)

    def supported_output_types(self, lhs_dtype, rhs_dtype) -> tuple | None:
        """The dtypes that the product may have; others are converted from the first. None: any."""
        if self.name in _FLOAT8_ACCUMULATION:
            return (_f32, _f16, _bf16, *_FLOAT8_RESULTS)
        narrow = {"F16_F16_F32": _f16, "BF16_BF16_F32": _bf16}.get(self.name)
        if narrow is not None and dtypes.promote_types(lhs_dtype, rhs_dtype) == narrow:
            return (_f32, narrow)
        accumulation = self.accumulation_type
        return None if accumulation is None else (accumulation,)

    def operand_types(self, lhs, rhs, out) -> tuple:
        """The dtypes in which operands enter and the result leaves the product."""
        lhs, rhs = _one_of(lhs, self.supported_lhs_types), _one_of(rhs, self.supported_rhs_types)
        return lhs, rhs, _one_of(out, self.supported_output_types(lhs, rhs))

    def attribute(self, ctx, lhs, rhs):
        if self is DotAlgorithmPreset.DEFAULT:
            return None
        if self in _PRESETS:
            preset = _PRESETS[self]
            return ctx.dot_algorithm(preset.type, preset.type, preset.accumulation, 1, 1, preset.passes, False)
        if lhs not in _FLOAT8 or rhs not in _FLOAT8:
            raise ValueError(f"The dot algorithm '{self}' requires both inputs to have float8 dtypes. Got "
                             f"{dtypes.dtype_name(lhs)} and {dtypes.dtype_name(rhs)} instead.")
        return ctx.dot_algorithm(lhs, rhs, _f32, 1, 1, 1, self is DotAlgorithmPreset.ANY_F8_ANY_F8_F32_FAST_ACCUM)


class _Preset(NamedTuple):
    type: Any                                   # to which operands are rounded
    operands: tuple                             # dtypes in which they may come
    accumulation: Any
    passes: int = 1


_PRESETS = {getattr(DotAlgorithmPreset, name): _Preset(*row) for name, row in {
    "F16_F16_F16": (_f16, (_f16,), _f16),
    "F16_F16_F32": (_f16, (_f16,), _f32),
    "BF16_BF16_BF16": (_bf16, (_bf16, _f32), _bf16),
    "BF16_BF16_F32": (_bf16, (_bf16, _f32), _f32),
    "BF16_BF16_F32_X3": (_bf16, (_f32,), _f32, 3),
    "BF16_BF16_F32_X6": (_bf16, (_f32,), _f32, 6),
    "BF16_BF16_F32_X9": (_bf16, (_f32,), _f32, 9),
    "TF32_TF32_F32": ("tf32", (_f32,), _f32),
    "TF32_TF32_F32_X3": ("tf32", (_f32,), _f32, 3),
    "F32_F32_F32": (_f32, (_f32,), _f32),
    "F64_F64_F64": (_f64, (_f64,), _f64),
}.items()}
_FLOAT8_ACCUMULATION = {"ANY_F8_ANY_F8_F32": _f32, "ANY_F8_ANY_F8_F32_FAST_ACCUM": _f32}

#: What the CPU computes as it says; XLA would silently do something else for the others.
CPU_ALGORITHMS = frozenset(getattr(DotAlgorithmPreset, name) for name in (
    "DEFAULT", "F16_F16_F16", "F32_F32_F32", "F64_F64_F64", "BF16_BF16_F32", "BF16_BF16_F32_X3", "BF16_BF16_F32_X6"))


def _one_of(dtype, supported):
    return dtype if supported is None or dtype in supported else supported[0]


def canonicalize_precision(precision):
    """A precision as products have it in their parameters: None, a pair of `Precision`, or an algorithm.

    Parameters
    ----------
    precision : None (the option jax_default_matmul_precision decides), a `Precision` or its name, a pair of
        these for the two operands, a `DotAlgorithmPreset` or its name, or a `DotAlgorithm`
    """
    if precision is None:
        default = config.default_matmul_precision.value
        if default is None:
            return None
        try:
            return canonicalize_precision(default)
        except ValueError:
            raise ValueError(f"jax_default_matmul_precision must be None, one of {_names()}, or the name of a "
                             f"lax.DotAlgorithmPreset, got {default!r}") from None
    if isinstance(precision, str):
        found = precision_names.get(precision)
        if found is not None:
            return found, found
        if precision in DotAlgorithmPreset.__members__:
            return DotAlgorithmPreset[precision]
    elif isinstance(precision, Precision):
        return precision, precision
    elif isinstance(precision, (DotAlgorithm, DotAlgorithmPreset)):
        return precision
    elif isinstance(precision, (tuple, list)) and len(precision) == 2:
        pair = tuple([p if isinstance(p, Precision) else precision_names.get(p) if isinstance(p, str) else None
                      for p in precision])
        if None not in pair:
            return pair
    raise ValueError(f"precision must be None, one of {_names()}, a lax.Precision, a pair of these, a lax.DotAlgorithmPreset "
                     f"or its name, or a lax.DotAlgorithm; got {precision!r}")


def _names() -> list[str]:
    return [name for name in precision_names if name is not None]
