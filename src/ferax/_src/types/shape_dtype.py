"""`ShapeDtypeStruct`: shape and dtype of an array that need not exist, as users write and get them."""

from __future__ import annotations

import math

from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray
from ferax._src.types.refs import AbstractRef


class ShapeDtypeStruct:
    """A container for the shape, dtype and other static attributes of an array.

    Parameters
    ----------
    shape : sequence of int
    dtype : dtype-like
    sharding : Sharding or None
    weak_type : bool
    is_ref : bool; whether a reference to such an array is meant
    """

    __slots__ = ("shape", "dtype", "sharding", "weak_type", "manual_axis_type", "is_ref")

    def __init__(self, shape, dtype, *, sharding=None, weak_type=False, manual_axis_type=None, is_ref=False):
        if dtype is None:
            raise ValueError("ShapeDtypeStruct: dtype must be specified.")
        self.shape = tuple(shape)
        self.dtype = dtypes.as_dtype(dtype)
        self.sharding = sharding
        self.weak_type = weak_type
        self.manual_axis_type = manual_axis_type
        self.is_ref = is_ref

    @classmethod
    def like(cls, x) -> ShapeDtypeStruct:
        """The struct that describes the array ``x``."""
        return cls(x.shape, x.dtype, sharding=getattr(x, "sharding", None),
                   weak_type=getattr(x, "weak_type", False))

    def update(self, **changes) -> ShapeDtypeStruct:
        """The struct with some attributes replaced."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields.update(changes)
        return ShapeDtypeStruct(fields.pop("shape"), fields.pop("dtype"), **fields)

    @property
    def aval(self) -> ShapedArray | AbstractRef:
        aval = ShapedArray(self.shape, self.dtype, self.weak_type)
        return AbstractRef(aval) if self.is_ref else aval

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def format(self):
        return None

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __repr__(self) -> str:
        extra = f", sharding={self.sharding}" if self.sharding is not None else ""
        weak = ", weak_type=True" if self.weak_type else ""
        ref = ", is_ref=True" if self.is_ref else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={dtypes.dtype_name(self.dtype)}{extra}{weak}{ref})"

    def _key(self):
        return self.shape, self.dtype, self.sharding, self.weak_type, self.is_ref

    def __eq__(self, other) -> bool:
        return isinstance(other, ShapeDtypeStruct) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())
