"""The dtype of a value, of a Python scalar, of whatever a user wrote for a dtype.

Python's ``int``, ``float`` and ``complex`` have no width of their own: they are *weakly typed* and yield to whatever
they meet (``promotion.py``). Alone, they take the default width of the x64 switch. ``bool`` is an ordinary dtype.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from ferax._src.types.dtype_table import (
    ExtendedDType,
    as_dtype,
    bool_,
    canonicalize,
    default_dtype,
    iinfo,
    is_supported,
    kind_of,
)
from ferax._src.util import config
from ferax._src.util.config_options import ExplicitX64Mode

python_scalar_types: tuple[type, ...] = (bool, int, float, complex)
weak_scalar_types: tuple[type, ...] = (int, float, complex)

# The widest dtype of each Python scalar type; `python_scalar_dtype` gives the one under the x64 switch.
python_scalar_dtypes: dict[type, np.dtype] = {
    bool: bool_,
    int: np.dtype(np.int64),
    float: np.dtype(np.float64),
    complex: np.dtype(np.complex128),
}
_LETTER = {bool: "b", int: "i", float: "f", complex: "c"}
_SCALAR_OF_LETTER = {"b": bool, "i": int, "u": int, "f": float, "c": complex}


def is_python_scalar(x: Any) -> bool:
    """Whether ``x`` is a Python ``bool``, ``int``, ``float`` or ``complex`` itself, not of a subclass."""
    return type(x) in _LETTER


def python_scalar_dtype(kind: type) -> np.dtype:
    """The dtype that a Python scalar of type ``kind`` gets when nothing else decides."""
    return default_dtype(_LETTER[kind])


def python_scalar_base(kind: type) -> type:
    """Which of bool, int, float, complex a subclass of one of them is: ``IntEnum`` gives ``int``."""
    for base in python_scalar_types:
        if issubclass(kind, base):
            return base
    raise TypeError(f"{kind.__name__} is not a subclass of bool, int, float or complex")


def check_python_int(value: int, dtype: Any = None) -> None:
    """Check that a Python int fits ``dtype``, by default the default integer dtype.

    Raises
    ------
    OverflowError : if it does not.
    """
    dtype = default_dtype("i") if dtype is None else dtype
    info = _INT_RANGE.get(dtype)
    if info is None:
        found = iinfo(dtype)
        info = _INT_RANGE[dtype] = (int(found.min), int(found.max))
    if not info[0] <= value <= info[1]:
        raise OverflowError(f"Python int {value} too large to convert to {dtype}")


_INT_RANGE: dict[Any, tuple[int, int]] = {}


def scalar_type_to_dtype(typ: type, value: Any = None) -> np.dtype:
    """The dtype of a Python scalar type; given its value too, an int is checked to fit."""
    dtype = python_scalar_dtype(typ)
    if typ is int and value is not None:
        check_python_int(value, dtype)
    return dtype


def coerce_to_array(x: Any, dtype: Any = None) -> np.ndarray:
    """``np.asarray``, with Ferax's dtypes for Python scalars and the check that an int fits."""
    if dtype is None and type(x) in _LETTER:
        dtype = scalar_type_to_dtype(type(x), x)
    return np.asarray(x, dtype)


def scalar_type_of(x: Any) -> type:
    """The Python scalar type (bool, int, float or complex) that a value's or dtype's elements correspond to."""
    found = _SCALAR_OF_LETTER.get(kind_of(dtype_of(x)))
    if found is None:
        raise TypeError(f"Invalid scalar value {x}")
    return found


# -- the dtype of anything ----------------------------------------------------------------------------------------


def is_weakly_typed(x: Any) -> bool:
    """Whether ``x`` yields in promotion: a Python int, float or complex, or an array made from only such."""
    kind = type(x)
    if kind is int or kind is float or kind is complex:
        return True
    if isinstance(x, type):  # a class may have ``aval`` as a property; it is no array
        return False
    return bool(getattr(getattr(x, "aval", None), "weak_type", False))


is_weak = is_weakly_typed


def dtype_of(x: Any) -> Any:
    """The canonical dtype of a value, or of something that names a dtype.

    Arrays and tracers keep theirs even where the x64 switch would not allow it now: the value exists. All else
    (Python scalars and types, NumPy values, dtypes, names) is canonicalized; a 64-bit dtype asked for by name
    while x64 is off gives a warning.

    Raises
    ------
    TypeError : if ``x`` has no dtype, or one that arrays cannot have.
    ValueError : for None.
    """
    kind = type(x)
    letter = _LETTER.get(kind)
    if letter is not None:
        return default_dtype(letter)
    if kind is np.ndarray:
        return canonicalize(_check_supported(x.dtype, x))
    if isinstance(x, type):
        letter = _LETTER.get(x)
        if letter is not None:
            return default_dtype(letter)
        if issubclass(x, np.generic):
            return _check_supported(explicit_dtype(as_dtype(x), "dtype"), x)
    elif isinstance(x, (str, np.dtype, ExtendedDType)):
        return explicit_dtype(_check_supported(as_dtype(x), x), "dtype")
    elif x is None:
        raise ValueError("None has no dtype")
    else:
        aval = getattr(x, "aval", None)
        if aval is not None and hasattr(aval, "dtype"):
            return aval.dtype
    dtype = getattr(x, "dtype", None)
    if not isinstance(dtype, (np.dtype, ExtendedDType)):
        try:
            dtype = np.result_type(x)
        except TypeError as e:
            raise TypeError(f"cannot determine the dtype of {x!r}, of type {type(x).__name__}") from e
    return canonicalize(_check_supported(dtype, x))


def _check_supported(dtype: Any, x: Any) -> Any:
    if not is_supported(dtype):
        raise TypeError(
            f"Value '{x}' with dtype {dtype} is not a valid array type. "
            "Only arrays of numeric types are supported."
        )
    return dtype


def dtype_and_weak_type(x: Any) -> tuple[Any, bool]:
    """The pair that decides promotion; also for dtypes and Python scalar types (``float`` is weak, ``bool`` not)."""
    kind = type(x)
    letter = _LETTER.get(kind)
    if letter is not None:
        return default_dtype(letter), letter != "b"
    aval = getattr(x, "aval", None)
    if aval is not None:
        try:
            return aval.dtype, aval.weak_type
        except AttributeError:  # ``x`` is a class and ``aval`` its property, or has no dtype
            return dtype_of(x), False
    return dtype_of(x), x is int or x is float or x is complex


# -- dtypes that a user asked for ---------------------------------------------------------------------------------


def explicit_dtype(dtype: Any, fun_name: str = "") -> Any:
    """The canonical form of a dtype that the user named, with a warning if that loses bits.

    What happens to a 64-bit dtype while x64 is off is the option ``jax_explicit_x64_dtypes``.
    """
    canonical = canonicalize(dtype)
    if canonical is dtype or canonical == dtype:
        return canonical
    mode = config.explicit_x64_dtypes.value
    if mode == ExplicitX64Mode.ALLOW:
        return dtype
    where = f" requested in {fun_name}" if fun_name else ""
    if mode == ExplicitX64Mode.ERROR:
        raise ValueError(
            f"Explicitly requested dtype {dtype}{where} is not available. To enable 64-bit dtypes, set "
            "jax_enable_x64, or allow named ones with jax_explicit_x64_dtypes."
        )
    warnings.warn(
        f"Explicitly requested dtype {dtype}{where} is not available, and will be truncated to dtype {canonical}. "
        "To enable more dtypes, set the jax_enable_x64 configuration option "
        "(ferax.config.update('jax_enable_x64', True)) or the environment variable FERAX_ENABLE_X64 or JAX_ENABLE_X64.",
        UserWarning,
        stacklevel=_frames_to_user(),
    )
    return canonical


def _frames_to_user() -> int:
    """The ``stacklevel`` with which a warning raised by the caller points at the user's line."""
    frame, level = sys._getframe(1), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "ferax":
        frame, level = frame.f_back, level + 1
    return level


def check_user_dtype(dtype: Any, fun_name: str | None = None) -> Any:
    """The canonical dtype for a ``dtype=`` argument of a public function.

    Parameters
    ----------
    dtype : dtype-like, Python scalar type or extended dtype; not None
    fun_name : name of the public function, for messages

    Raises
    ------
    ValueError : for None and for arrays.
    TypeError : if it names no dtype, or one that arrays cannot have.
    """
    if dtype is None:
        raise ValueError("dtype must be specified.")
    if isinstance(dtype, ExtendedDType):
        return dtype
    if isinstance(dtype, type):
        letter = _LETTER.get(dtype)
        if letter is not None:
            return default_dtype(letter)
    elif hasattr(dtype, "aval"):
        raise ValueError(
            "Passing an array as a dtype argument is not supported; instead of dtype=arr use dtype=arr.dtype."
        )
    found = as_dtype(dtype)
    if not is_supported(found):
        where = f" in {fun_name}" if fun_name else ""
        raise TypeError(f"only numeric, boolean and string dtypes are supported, got dtype {dtype}{where}")
    return explicit_dtype(found, fun_name or "")


check_and_canonicalize_user_dtype = check_user_dtype


def check_valid_dtype(dtype: Any) -> None:
    """Raise a TypeError unless arrays of ``dtype`` can exist."""
    if not is_supported(dtype):
        raise TypeError(
            f"Dtype {dtype} is not a valid array type. Only arrays of numeric types are supported."
        )
