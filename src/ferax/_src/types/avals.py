"""Abstract values: what is known of an array before it has a value.

A `ShapedArray` is the type in a jaxpr: shape, dtype, weak type and (where arrays are laid out over
devices in the type) a sharding. Instances are interned: two equal ones are the same object, so
comparing them is ``is``, hashing them is free, and a cache keyed by abstract values is a plain
dictionary.
"""

from __future__ import annotations

import math
import weakref
from typing import Any, NamedTuple

import numpy as np

from ferax._src.types import dtypes
from ferax._src.util.tracebacks import at_fault

_interned: weakref.WeakValueDictionary[tuple, ShapedArray] = weakref.WeakValueDictionary()
_strong: dict[tuple, ShapedArray] = {}      # the avals in use lately; spares the weak table's slower look-up
_STRONG_LIMIT = 8192


class AbstractValue:
    """Base of everything that can be the type of a jaxpr variable."""

    __slots__ = ()

    def str_short(self) -> str:
        raise NotImplementedError

    def to_tangent_aval(self) -> AbstractValue:
        raise NotImplementedError


#: The axes along which an ordinary value varies: it is the same everywhere.
nowhere: frozenset = frozenset()


class ManualAxisType(NamedTuple):
    """The mesh axes along which a value varies, and along which it is, or was, a partial sum (never, as yet)."""

    varying: frozenset = nowhere
    unreduced: frozenset = nowhere
    reduced: frozenset = nowhere


class ShapedArray(AbstractValue):
    """The type of an array: ``ShapedArray((3, 4), float32)`` prints as ``f32[3,4]``.

    Parameters
    ----------
    shape : sequence of int
    dtype : dtype-like or ExtendedDType
    weak_type : bool; True for values that came from Python scalars and yield in promotion
    sharding : Sharding or None
    varying : frozenset; inside a `shard_map`, the mesh axes along which devices may have different values
    """

    __slots__ = ("shape", "dtype", "weak_type", "sharding", "varying", "ndim", "size", "_tangent", "__weakref__")

    shape: tuple[int, ...]
    dtype: Any
    weak_type: bool
    sharding: Any
    varying: frozenset
    ndim: int
    size: int
    _tangent: ShapedArray | None

    def __new__(cls, shape, dtype, weak_type: bool = False, sharding=None, varying: frozenset = nowhere) -> ShapedArray:
        key = (shape, dtype, weak_type, sharding, varying)
        try:
            return _strong[key]
        except KeyError:
            pass
        except TypeError:                       # an unhashable shape, such as a list
            pass
        shape = tuple(shape)
        if not isinstance(dtype, (np.dtype, dtypes.ExtendedDType)):
            dtype = np.dtype(dtype)
        shape = tuple(int(d) if isinstance(d, np.integer) else d for d in shape)
        key = (shape, dtype, bool(weak_type), sharding, varying)
        self = _interned.get(key)
        if self is None:
            self = object.__new__(cls)
            set_ = object.__setattr__
            set_(self, "shape", shape)
            set_(self, "dtype", dtype)
            set_(self, "weak_type", bool(weak_type))
            set_(self, "sharding", sharding)
            set_(self, "varying", varying)
            set_(self, "ndim", len(shape))
            set_(self, "size", math.prod(shape))
            set_(self, "_tangent", None)
            self = _interned.setdefault(key, self)
        if len(_strong) > _STRONG_LIMIT:
            _strong.clear()
        _strong[key] = self
        return self

    def __setattr__(self, name, value):
        raise AttributeError(f"ShapedArray is immutable; use .update({name}=...) to get another one")

    def __reduce__(self):
        return ShapedArray, (self.shape, self.dtype, self.weak_type, self.sharding, self.varying)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def update(self, **changes) -> ShapedArray:
        """The abstract value with some fields replaced."""
        return ShapedArray(
            changes.pop("shape", self.shape),
            changes.pop("dtype", self.dtype),
            changes.pop("weak_type", self.weak_type),
            changes.pop("sharding", self.sharding),
            changes.pop("varying", self.varying),
            **changes,
        )

    def strip_weak_type(self) -> ShapedArray:
        return ShapedArray(self.shape, self.dtype, False, self.sharding, self.varying) if self.weak_type else self

    def to_tangent_aval(self) -> ShapedArray:
        """The type of a tangent or cotangent: the same for inexact dtypes, ``float0`` for the others."""
        tangent = self._tangent
        if tangent is None:
            dtype = dtypes.tangent_dtype(self.dtype)
            weak = self.weak_type and dtype == self.dtype
            tangent = ShapedArray(self.shape, dtype, weak, self.sharding, self.varying)
            object.__setattr__(self, "_tangent", tangent)
        return tangent

    @property
    def is_differentiable(self) -> bool:
        """Whether a nonzero tangent of this type can exist."""
        return self.to_tangent_aval().dtype != dtypes.float0

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def T(self):
        return self.update(shape=self.shape[::-1])

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def str_short(self, short_dtypes: bool = True) -> str:
        name = dtypes.short_dtype_name(self.dtype) if short_dtypes else dtypes.dtype_name(self.dtype)
        return f"{name}[{','.join(map(str, self.shape))}]{self._varying_text()}"

    def _varying_text(self) -> str:
        names = sorted(map(str, self.varying))
        return "" if not names else f"{{V:{names[0]}}}" if len(names) == 1 else f"{{V:({','.join(names)})}}"

    @property
    def mat(self) -> ManualAxisType:
        """How the value relates to the manual mesh axes."""
        return ManualAxisType(self.varying)

    def __str__(self) -> str:
        return ("~" if self.weak_type else "") + self.str_short()

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapedArray({self.str_short(short_dtypes=False)}{weak})"


class AbstractToken(AbstractValue):
    """The type of a token, the value that orders side effects."""

    __slots__ = ()

    def str_short(self) -> str:
        return "token[]"

    def to_tangent_aval(self) -> AbstractToken:
        return self

    is_differentiable = False

    def __repr__(self) -> str:
        return "AbstractToken()"


abstract_token = AbstractToken()


def scalar_aval(kind: type) -> ShapedArray:
    """The abstract value of a Python scalar of type ``kind``: weakly typed, but for bool, that nothing yields to."""
    return ShapedArray((), dtypes.python_scalar_dtype(kind), kind is not bool)


def aval_of(value) -> Any:
    """The abstract value of an array, a tracer, a NumPy array or a Python scalar.

    Raises
    ------
    TypeError : if ``value`` is none of these.
    """
    aval = getattr(value, "aval", None)
    if type(aval) is ShapedArray or isinstance(aval, AbstractValue):       # not that of the real jax
        return aval
    kind = type(value)
    if kind is int or kind is float or kind is bool or kind is complex:
        if kind is int:
            dtypes.check_python_int(value)
        return scalar_aval(kind)
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype == dtypes.float0:
            return ShapedArray(value.shape, dtypes.float0)
        if value.dtype.kind in "OSUMmV" and not dtypes.is_supported(value.dtype):
            raise at_fault(TypeError(f"a NumPy array of dtype {value.dtype} is not a valid ferax type"), value)
        return ShapedArray(value.shape, dtypes.canonicalize_dtype(value.dtype))
    if isinstance(value, (bool, int, float, complex)):
        return scalar_aval(dtypes.python_scalar_base(kind))
    raise at_fault(TypeError(f"{value!r} of type {kind.__name__} is not an array, a number or a tracer"), value)
