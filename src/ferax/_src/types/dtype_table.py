"""The dtypes there are, and what is known of each: kind, names, width, kin of other kinds.

A dtype is a ``np.dtype``. NumPy's own and those of ``ml_dtypes`` (bfloat16, the 8-, 6- and 4-bit floats, the
1- to 4-bit integers) are treated alike here, which NumPy does not: to it they are opaque, so `issubdtype`,
`finfo` and friends exist anew. Two more things are dtypes:

- ``float0``, the dtype of tangents of integers and booleans: it has no bits, its one value is zero;
- an `ExtendedDType`, whose elements are small arrays of an ordinary dtype, for example random keys.

A *canonical* dtype is one that the x64 switch allows: with it off, the four 64-bit dtypes stand for their
32-bit kin. Every canonical dtype is one object, so comparing by ``is`` is sound and tables are quick.

Python scalars and values are in ``scalars.py``, how dtypes combine is in ``promotion.py``; users of all three
import ``dtypes``.
"""

from __future__ import annotations

import functools
from typing import Any

import ml_dtypes
import numpy as np

from ferax._src.util import config

finfo = ml_dtypes.finfo
iinfo = ml_dtypes.iinfo


# -- extended dtypes ----------------------------------------------------------------------------------------------


class extended(np.generic):
    """Scalar type above all extended dtypes, for ``issubdtype(x.dtype, extended)``. It has no instances."""

    __module__ = "ferax.dtypes"


class prng_key(extended):
    """Scalar type above all dtypes of random keys, for ``issubdtype(x.dtype, prng_key)``. It has no instances."""

    __module__ = "ferax.dtypes"


class ExtendedDType:
    """A dtype whose elements are, physically, arrays of shape ``element_shape`` and dtype ``element_dtype``.

    An array of shape ``(a, b)`` of such a dtype is stored as one of shape ``(a, b, *element_shape)``.
    A subclass gives the attributes below; equality is by class and name unless it says otherwise.
    """

    __slots__ = ()

    name: str  # as printed, for example 'key<fry>'
    type: type = extended  # its scalar type, for issubdtype
    element_shape: tuple[int, ...] = ()
    element_dtype: np.dtype = np.dtype(np.uint32)

    @property
    def itemsize(self) -> int:
        """Bytes for each element."""
        size = self.element_dtype.itemsize
        for n in self.element_shape:
            size *= n
        return size

    def physical_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape, *self.element_shape)

    @property
    def tangent_dtype(self) -> Any:
        """The dtype of tangents; ``float0`` says that values cannot be differentiated."""
        return float0

    def __eq__(self, other):
        return type(self) is type(other) and self.name == other.name

    def __hash__(self):
        return hash((type(self), self.name))

    def __repr__(self):
        return self.name

    __str__ = __repr__


# -- the table ----------------------------------------------------------------------------------------------------


def _ml(*names: str) -> tuple[np.dtype, ...]:
    """The dtypes of these names that the installed ml_dtypes has (1-bit integers are recent)."""
    return tuple(np.dtype(getattr(ml_dtypes, name)) for name in names if hasattr(ml_dtypes, name))


def _np(*names: str) -> tuple[np.dtype, ...]:
    return tuple(np.dtype(name) for name in names)


bool_ = np.dtype(np.bool_)
float0 = np.dtype([("float0", np.void, 0)])
bfloat16 = ml_dtypes.bfloat16
string_dtype = np.dtypes.StringDType()

NARROW_UNSIGNED = _ml("uint1", "uint2", "uint4")
NARROW_SIGNED = _ml("int1", "int2", "int4")
NARROW_INTS = NARROW_UNSIGNED + NARROW_SIGNED
FLOAT4 = _ml("float4_e2m1fn")
FLOAT6 = _ml("float6_e2m3fn", "float6_e3m2fn")
FLOAT8 = _ml(
    "float8_e3m4",
    "float8_e4m3",
    "float8_e8m0fnu",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
)
NARROW_FLOATS = FLOAT4 + FLOAT6 + FLOAT8

BOOL = (bool_,)
UNSIGNED = NARROW_UNSIGNED + _np("uint8", "uint16", "uint32", "uint64")
SIGNED = NARROW_SIGNED + _np("int8", "int16", "int32", "int64")
INTS = UNSIGNED + SIGNED
FLOATS = NARROW_FLOATS + _ml("bfloat16") + _np("float16", "float32", "float64")
COMPLEX = _np("complex64", "complex128")
NUMERIC = INTS + FLOATS + COMPLEX
ALL = BOOL + NUMERIC

# name -> dtype, for whoever makes the scalar constructors (`jnp.float32`, ...)
named_dtypes: dict[str, np.dtype] = {d.name: d for d in ALL}

_supported = {*ALL, float0, string_dtype}

# The kinds of the Python array API standard.
_KINDS: dict[str, tuple[np.dtype, ...]] = {
    "bool": BOOL,
    "signed integer": SIGNED,
    "unsigned integer": UNSIGNED,
    "integral": INTS,
    "real floating": FLOATS,
    "complex floating": COMPLEX,
    "numeric": NUMERIC,
}

# A dtype's letter says its kind; NumPy's ``.kind`` does not for ml_dtypes ('V').
_kind_letter: dict[np.dtype, str] = {
    **dict.fromkeys(BOOL, "b"),
    **dict.fromkeys(SIGNED, "i"),
    **dict.fromkeys(UNSIGNED, "u"),
    **dict.fromkeys(FLOATS, "f"),
    **dict.fromkeys(COMPLEX, "c"),
}

# Where each ml_dtypes scalar type would stand in NumPy's hierarchy, had it been put there.
_ancestors: dict[type, frozenset] = {
    **{
        d.type: frozenset({d.type, np.floating, np.inexact, np.number, np.generic})
        for d in NARROW_FLOATS + _ml("bfloat16")
    },
    **{
        d.type: frozenset({d.type, np.signedinteger, np.integer, np.number, np.generic})
        for d in NARROW_SIGNED
    },
    **{
        d.type: frozenset({d.type, np.unsignedinteger, np.integer, np.number, np.generic})
        for d in NARROW_UNSIGNED
    },
}

_NO_INF = {
    getattr(ml_dtypes, n)
    for n in ("float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2fnuz")
}


def is_supported(dtype: Any) -> bool:
    """Whether arrays of this dtype exist: numbers, booleans, ``float0``, strings and extended dtypes."""
    return isinstance(dtype, ExtendedDType) or dtype in _supported


def kind_of(dtype: Any) -> str:
    """One letter for the kind: b, i, u, f, c as in NumPy (with ml_dtypes in their place), 'V' for all else."""
    return _kind_letter.get(dtype, "V")


def is_extended(dtype: Any) -> bool:
    return isinstance(dtype, ExtendedDType)


# -- the x64 switch -----------------------------------------------------------------------------------------------

_TO_32 = dict(
    zip(
        _np("int64", "uint64", "float64", "complex128"),
        _np("int32", "uint32", "float32", "complex64"),
        strict=True,
    )
)
# What people write for a dtype -> the one object for it. The first table holds what no switch changes, the
# second the 64-bit ones. Both grow with use; only short-lived garbage (objects with a ``dtype``) is left out.
_fixed: dict[Any, Any] = {d: d for d in (*ALL, float0, string_dtype) if d not in _TO_32}
_fixed.update({d.type: d for d in ALL if d not in _TO_32})
_fixed[bool] = bool_
_wide: dict[Any, np.dtype] = {d: d for d in _TO_32}
_wide.update({d.type: d for d in _TO_32})
_wide.update({int: np.dtype(np.int64), float: np.dtype(np.float64), complex: np.dtype(np.complex128)})
_own = {d: d for d in (*ALL, float0, string_dtype)}  # any equal dtype ('longlong', one with metadata) -> ours


def as_dtype(dtype: Any) -> Any:
    """The dtype that ``dtype`` names, as the one object for it; 64-bit stays 64-bit.

    Raises
    ------
    TypeError : if it names none.
    """
    try:
        found = _fixed.get(dtype)
        if found is None:
            found = _wide.get(dtype)
        if found is not None:
            return found
    except TypeError:  # unhashable: something with a ``dtype`` attribute
        pass
    if isinstance(dtype, ExtendedDType):
        return dtype
    try:
        found = np.dtype(dtype)
    except TypeError as e:
        raise TypeError(f"dtype {dtype!r} not understood") from e
    found = _own.get(found, found)
    if isinstance(dtype, (np.dtype, type, str)):
        (_wide if found in _TO_32 else _fixed)[dtype] = found
    return found


def canonicalize(dtype: Any) -> Any:
    """The canonical dtype for anything that names a dtype, extended dtypes included."""
    try:
        found = _fixed.get(dtype)
    except TypeError:
        found = None
    if found is None:
        found = as_dtype(dtype)
        if found in _TO_32 and not config.enable_x64.value:
            return _TO_32[found]
    return found


def canonicalize_dtype(dtype: Any, allow_extended_dtype: bool = False) -> Any:
    """The dtype that ``dtype`` stands for under the present x64 setting.

    With ``jax_enable_x64`` off, the 64-bit dtypes become their 32-bit kin; all others stay.

    Raises
    ------
    ValueError : for an extended dtype, unless ``allow_extended_dtype``.
    """
    if isinstance(dtype, ExtendedDType) and not allow_extended_dtype:
        raise ValueError(
            f"canonicalize_dtype got the extended dtype {dtype}, which has no NumPy dtype; "
            "pass allow_extended_dtype=True to let it through"
        )
    return canonicalize(dtype)


_X32_DEFAULTS = {
    "b": bool_,
    "i": _np("int32")[0],
    "u": _np("uint32")[0],
    "f": _np("float32")[0],
    "c": COMPLEX[0],
}
_X64_DEFAULTS = {
    "b": bool_,
    "i": _np("int64")[0],
    "u": _np("uint64")[0],
    "f": _np("float64")[0],
    "c": COMPLEX[1],
}


def default_dtype(kind: str) -> np.dtype:
    """The dtype that an untyped number of a kind ('b', 'i', 'u', 'f' or 'c') gets."""
    return (_X64_DEFAULTS if config.enable_x64.value else _X32_DEFAULTS)[kind]


def default_int_dtype() -> np.dtype:
    return default_dtype("i")


def default_uint_dtype() -> np.dtype:
    return default_dtype("u")


def default_float_dtype() -> np.dtype:
    return default_dtype("f")


def default_complex_dtype() -> np.dtype:
    return default_dtype("c")


def jax_dtype(obj: Any, *, align: bool = False, copy: bool = False) -> Any:
    """``np.dtype`` where None and the Python types ``int``, ``float``, ``complex`` mean Ferax's defaults."""
    if obj is None:
        return default_float_dtype()
    if isinstance(obj, ExtendedDType):
        return obj
    if obj is int or obj is float or obj is complex:
        return canonicalize(obj)
    return np.dtype(obj, align=align, copy=copy)


# -- questions ----------------------------------------------------------------------------------------------------

_HASHABLE_DTYPES = (type, np.dtype, ExtendedDType)


def issubdtype(a: Any, b: Any) -> bool:
    """Whether dtype ``a`` is ``b`` or lies below it in the hierarchy of scalar types.

    Like ``numpy.issubdtype``, but bfloat16 and the other small floats are ``np.floating``, the small integers
    are ``np.integer``, and extended dtypes lie below ``ferax.dtypes.extended``.
    """
    return _issubdtype(
        a if isinstance(a, _HASHABLE_DTYPES) else np.dtype(a),
        b if isinstance(b, _HASHABLE_DTYPES) else np.dtype(b),
    )


@functools.lru_cache(4096)
def _issubdtype(a: Any, b: Any) -> bool:
    if isinstance(b, ExtendedDType):
        return a == b
    a_type, b_type = _scalar_type(a), _scalar_type(b)
    if a_type in _ancestors:
        return b_type in _ancestors[a_type]
    return issubclass(a_type, b_type)


def _scalar_type(dtype: Any) -> type:
    if isinstance(dtype, ExtendedDType):
        return dtype.type
    if isinstance(dtype, type) and issubclass(dtype, np.generic):
        return dtype
    return np.dtype(dtype).type


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether ``dtype`` is of a kind.

    Parameters
    ----------
    dtype : dtype-like
    kind : dtype-like, or one of 'bool', 'signed integer', 'unsigned integer', 'integral', 'real floating',
        'complex floating', 'numeric', or a tuple of such; a tuple asks for any of them.
    """
    found = np.dtype(dtype)
    answer = False
    for k in kind if isinstance(kind, tuple) else (kind,):  # look at all, so that a misspelt one is reported
        if isinstance(k, str) and k in _KINDS:
            answer |= found in _KINDS[k]
            continue
        try:
            answer |= found == np.dtype(k)
        except TypeError as e:
            if isinstance(k, str):
                raise ValueError(
                    f"isdtype: unrecognized kind={k!r}; expected one of {list(_KINDS)}, "
                    "or something that names a dtype"
                ) from e
            raise TypeError(
                f"isdtype: expected kind to be a dtype, a string or a tuple of those; got kind={k!r}"
            ) from e
    return bool(answer)


def itemsize_bits(dtype: Any) -> int:
    """Bits for each element, also where elements are smaller than a byte. Booleans take 8.

    Raises
    ------
    ValueError : for None, and for dtypes that are not booleans or numbers.
    """
    if dtype is None:
        raise ValueError("dtype cannot be None.")
    found = as_dtype(dtype)
    kind = kind_of(found)
    if kind == "b":
        return 8
    if kind in "iu":
        return iinfo(found).bits
    if kind in "fc":
        return finfo(found).bits * (2 if kind == "c" else 1)
    raise ValueError(f"itemsize_bits: {dtype} is neither boolean nor a number")


def supports_inf(dtype: Any) -> bool:
    """Whether the dtype can hold an infinity; some 8-bit floats cannot."""
    return np.dtype(dtype).type not in _NO_INF and issubdtype(dtype, np.inexact)


# -- kin of other kinds -------------------------------------------------------------------------------------------

_F32, _F64 = _np("float32", "float64")
_INEXACT = {d: d for d in FLOATS + COMPLEX} | dict.fromkeys(BOOL + INTS, _F32)
_INEXACT |= dict.fromkeys(_np("int64", "uint64"), _F64)


def to_numeric_dtype(dtype: Any) -> Any:
    """The dtype for arithmetic: booleans count as int32, all else stays."""
    found = as_dtype(dtype)
    return np.dtype(np.int32) if found is bool_ else found


def to_inexact_dtype(dtype: Any) -> Any:
    """The dtype for results that need not be integers: float32 for booleans and integers, float64 for 64-bit ones."""
    found = as_dtype(dtype)
    if isinstance(found, ExtendedDType):
        raise TypeError(f"values of dtype {found} are not numbers")
    return _INEXACT.get(found, found)


def to_floating_dtype(dtype: Any) -> Any:
    """The real dtype of results such as norms: as `to_inexact_dtype`, and the real half for complex dtypes."""
    return np.dtype(finfo(to_inexact_dtype(dtype)).dtype)


def to_complex_dtype(dtype: Any) -> np.dtype:
    """complex128 for 64-bit dtypes, else complex64."""
    return COMPLEX[to_inexact_dtype(dtype) in (_F64, COMPLEX[1])]


_TANGENT = {d: d for d in FLOATS + COMPLEX}


def tangent_dtype(dtype: Any) -> Any:
    """The dtype of tangents and cotangents: the same for inexact dtypes, else ``float0``."""
    found = _TANGENT.get(dtype)
    if found is not None:
        return found
    return dtype.tangent_dtype if isinstance(dtype, ExtendedDType) else float0


def physical_dtype(dtype: Any) -> np.dtype:
    """The dtype that elements are stored in; differs for extended dtypes only."""
    return dtype.element_dtype if isinstance(dtype, ExtendedDType) else dtype


def physical_shape(shape: tuple[int, ...], dtype: Any) -> tuple[int, ...]:
    """The shape that an array of ``shape`` and ``dtype`` is stored in; longer for extended dtypes."""
    return dtype.physical_shape(shape) if isinstance(dtype, ExtendedDType) else shape


# -- names --------------------------------------------------------------------------------------------------------


@functools.cache
def dtype_name(dtype: Any) -> str:
    """The name in full: 'float32', 'bool', 'float0', 'key<fry>'."""
    if isinstance(dtype, ExtendedDType):
        return dtype.name
    dtype = np.dtype(dtype)
    return "float0" if dtype == float0 else dtype.name


@functools.cache
def short_dtype_name(dtype: Any) -> str:
    """The name as jaxprs print it: 'f32', 'bf16', 'i32', 'u8', 'bool', 'c64', 'f8_e4m3fn', 'float0', 'key<fry>'."""
    name = dtype_name(dtype)
    if name == "float0" or isinstance(dtype, ExtendedDType):
        return name
    for long, short in (("float", "f"), ("uint", "u"), ("int", "i"), ("complex", "c")):
        name = name.replace(long, short)
    return name
