"""The operators and methods of arrays: the one place that hangs them on `tracing.core.Array`.

Most methods are functions of the array API as they are: their first parameter is the array. Operators are made by
`rows.operator`, so that ``x + y`` of two arrays of one type is one short Python function away from its program.

Every program that uses Ferax loads this file, so it loads little: what operators need, at once; the modules of the other
methods when one of them is first used.
"""

from __future__ import annotations

import importlib
import warnings
from types import FunctionType

import numpy as np

from ferax._src.numpy import arithmetic, bitwise, comparison, division, powers, util
from ferax._src.numpy.rows import operator
from ferax._src.ops import elementwise as ops
from ferax._src.ops.convert import bitcast_convert_type, convert
from ferax._src.ops.joining import stack, unstack
from ferax._src.ops.shape import reshape as reshape_to, rev
from ferax._src.runtime import transfer
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array
from ferax._src.tracing.refs import Ref
from ferax._src.types import dtypes
from ferax._src.types.shardings import as_sharding
from ferax._src.util.lazy import LazyModule
from ferax._src.util.tracebacks import api_boundary, is_boundary

complexes, creation, manipulation, products, reductions, rounding, special, taking = (
    LazyModule(f"ferax._src.numpy.{name}") for name in (
        "complexes", "creation", "manipulation", "products", "reductions", "rounding", "special", "taking"))

# --- operators ----------------------------------------------------------------------------------

_BINARY = {
    "add": arithmetic.add, "sub": arithmetic.subtract, "mul": arithmetic.multiply, "truediv": division.true_divide,
    "floordiv": division.floor_divide, "mod": division.remainder, "divmod": division.divmod, "and": bitwise.bitwise_and,
    "or": bitwise.bitwise_or, "xor": bitwise.bitwise_xor, "lshift": bitwise.left_shift, "rshift": bitwise.right_shift,
}
_COMPARISONS = {
    "lt": comparison.less, "le": comparison.less_equal, "gt": comparison.greater, "ge": comparison.greater_equal,
    "eq": comparison.equal, "ne": comparison.not_equal,
}
_OPERANDS = (Array, np.ndarray, np.generic, bool, int, float, complex)
_integer_power, _powers = ops.integer_pow, powers.power.direct


def _pow(self, other):
    """``self ** other``"""
    if type(other) is int and self.aval.dtype in _powers:
        return _integer_power(self, other)
    return powers.power(self, other) if isinstance(other, _OPERANDS) else NotImplemented


def _rpow(self, other):
    """``other ** self``"""
    return powers.power(other, self) if isinstance(other, _OPERANDS) else NotImplemented


def _matmul(self, other):
    """``self @ other``"""
    return products.matmul(self, other) if isinstance(other, _OPERANDS) else NotImplemented


def _rmatmul(self, other):
    """``other @ self``"""
    return products.matmul(other, self) if isinstance(other, _OPERANDS) else NotImplemented


def _round(self, ndigits=None):
    """``round(self, ndigits)``: whole numbers, of the default integer dtype, if no number of digits is given."""
    return manipulation.astype(rounding.round(self), int) if ndigits is None else rounding.round(self, ndigits)


def _contains(self, item):
    """``item in self``: whether an element is equal to it."""
    return bool(reductions.any(comparison.equal(self, item)))


def _iter(self):
    """The elements along the first dimension."""
    if not self.ndim:
        raise TypeError("iteration over a 0-d array")
    return iter(unstack(self, 0))


def _reversed(self):
    """The elements along the first dimension, the last one first."""
    return iter(list(self)[::-1])


def _setitem(self, index, value):
    """Arrays cannot be written to; ``x.at[index].set(value)`` answers a new one."""
    raise TypeError("JAX arrays are immutable and do not support in-place item assignment. Instead of x[idx] = y, use x = "
                    "x.at[idx].set(y) or another .at[] method, which answer a new array. See docs/errors/immutable-array.md")


_OPERATORS = {
    "__setitem__": api_boundary(_setitem), "__iter__": _iter, "__reversed__": _reversed,
    "__contains__": _contains, "__neg__": arithmetic.negative, "__pos__": arithmetic.positive,
    "__abs__": arithmetic.absolute, "__invert__": bitwise.invert, "__round__": _round, "__pow__": api_boundary(_pow),
    "__rpow__": api_boundary(_rpow), "__matmul__": api_boundary(_matmul), "__rmatmul__": api_boundary(_rmatmul),
}
for _name, _row in _BINARY.items():
    _OPERATORS[f"__{_name}__"] = operator(_row, f"__{_name}__")
    _OPERATORS[f"__r{_name}__"] = operator(_row, f"__r{_name}__", reflected=True)
for _name, _row in _COMPARISONS.items():
    _OPERATORS[f"__{_name}__"] = operator(_row, f"__{_name}__")


# --- methods that are not just functions --------------------------------------------------------

def reshape(self, *args, order="C", out_sharding=None):
    """The elements in another shape: ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``. See `ferax.numpy.reshape`.

    Examples
    --------
    >>> jnp.arange(6).reshape(2, -1)
    Array([[0, 1, 2],
           [3, 4, 5]], dtype=int32)
    """
    shape = args[0] if len(args) == 1 else args
    return manipulation.reshape(self, shape, order=order, out_sharding=out_sharding)


def transpose(self, *args):
    """The dimensions in another order: ``x.transpose(1, 0)``, ``x.transpose((1, 0))``, or all reversed.

    Examples
    --------
    >>> jnp.ones((2, 3, 4)).transpose(2, 0, 1).shape
    (4, 2, 3)
    """
    if not args:
        return manipulation.transpose(self)
    axes = args[0] if len(args) == 1 and not isinstance(args[0], (int, np.integer)) else args
    return manipulation.transpose(self, axes)


def flatten(self, order="C", *, out_sharding=None):
    """The elements in one dimension. See `ferax.numpy.ravel`.

    Examples
    --------
    >>> jnp.ones((2, 2)).flatten()
    Array([1., 1., 1., 1.], dtype=float32)
    """
    return manipulation.ravel(self, order=order, out_sharding=out_sharding)


def astype(self, dtype, copy=False, device=None):
    """The elements in another dtype. See `ferax.numpy.astype`.

    Examples
    --------
    >>> jnp.array([1.7, -1.7]).astype(int)
    Array([ 1, -1], dtype=int32)
    """
    return manipulation.astype(self, dtype, copy=copy, device=device)


def compress(self, condition, axis=None, *, out=None, size=None, fill_value=0):
    """The slices along an axis for which a condition holds. See `ferax.numpy.compress`.

    Examples
    --------
    >>> jnp.arange(3).compress(jnp.array([True, False, True]))
    Array([0, 2], dtype=int32)
    """
    return taking.compress(condition, self, axis=axis, out=out, size=size, fill_value=fill_value)


def clip(self, min=None, max=None):
    """The elements kept within bounds. See `ferax.numpy.clip`.

    Examples
    --------
    >>> jnp.arange(5).clip(1, 3)
    Array([1, 1, 2, 3, 3], dtype=int32)
    """
    return special.clip(self, min, max)


def copy(self):
    """A copy of the array, in memory of its own.

    Examples
    --------
    >>> jnp.arange(3).copy()
    Array([0, 1, 2], dtype=int32)
    """
    return creation.array(self, copy=True)


def to_device(self, device, *, stream=None):
    """The array on another device.

    Parameters
    ----------
    device : Device or Sharding
    stream : not supported

    Examples
    --------
    >>> jnp.arange(3).to_device(ferax.devices()[0])
    Array([0, 1, 2], dtype=int32)
    """
    if stream is not None:
        raise NotImplementedError("stream argument of array.to_device()")
    return transfer.put_leaf(self, as_sharding(device))


def conjugate(self):
    """The complex conjugate. See `ferax.numpy.conj`.

    Examples
    --------
    >>> jnp.array([1 + 2j]).conj()
    Array([1.-2.j], dtype=complex64)
    """
    return complexes.conjugate(self)


def array_namespace(self, *, api_version=None):
    """The module that implements the Python array API standard for this array.

    Parameters
    ----------
    api_version : None or "2024.12"
    """
    if api_version not in (None, "2024.12"):
        raise ValueError(f"api_version={api_version!r} is not available; there is '2024.12'")
    return importlib.import_module("ferax.numpy")           # lazy: the standard asks an array for its public package


def array_module(self, types):
    """The module of functions for arrays of these types together (NEP 37), or NotImplemented."""
    ours = all(issubclass(t, (Array, np.ndarray)) for t in types)
    return importlib.import_module("ferax.numpy") if ours else NotImplemented       # lazy: as in `array_namespace`


# --- bits ---------------------------------------------------------------------------------------

def view(self, dtype=None, type=None):                      # noqa: A002 (NumPy's name)
    """The same bits as another dtype.

    Parameters
    ----------
    dtype : dtype-like; one of another width makes the last dimension so much longer or shorter
    type : not supported

    Raises
    ------
    ValueError : where the last dimension cannot be divided, or there is none.

    Examples
    --------
    >>> jnp.array([1.0, -2.0]).view("uint32")
    Array([1065353216, 3221225472], dtype=uint32)
    """
    if type is not None:
        raise NotImplementedError("`type` argument of array.view() is not supported.")
    if dtype is None:
        return self
    dtype = dtypes.check_user_dtype(dtype, "view")
    old, new = dtypes.itemsize_bits(self.dtype), dtypes.itemsize_bits(dtype)
    if old != new:
        if not self.ndim:
            raise ValueError("view() of a 0d array is only supported if the itemsize is unchanged.")
        if (self.shape[-1] * old) % new:
            raise ValueError("When changing to a larger dtype, its size must be a divisor of the total size in bytes of the "
                             f"last axis of the array; got {self.shape[-1]} elements of {self.dtype} for {dtype}")
    return _view(self, dtype=dtype)


@fused(static=("dtype",))
def _view(x, *, dtype):
    if x.dtype == dtype:
        return x
    if x.dtype == dtypes.bool_:
        x = convert(x, np.dtype(np.uint8))
    if util.dtype_kind(x) == "c":                           # real and imaginary part follow each other in memory
        parts = stack([ops.real(x), ops.imag(x)], x.ndim)
        if not x.ndim:
            raise NotImplementedError("view() of a complex number without dimensions")
        x = reshape_to(parts, (*x.shape[:-1], x.shape[-1] * 2))
    if dtype == dtypes.bool_:
        return util.as_bool(_reread(x, np.dtype(np.uint8)))
    if dtypes.kind_of(dtype) == "c":
        parts = _reread(x, dtypes.to_floating_dtype(dtype))
        parts = reshape_to(parts, (*parts.shape[:-1], parts.shape[-1] // 2, 2))
        return ops.complex(*unstack(parts, parts.ndim - 1))
    return _reread(x, dtype)


def _reread(x, dtype):
    """The bits read as another dtype, with the last dimension longer or shorter."""
    old, new = dtypes.itemsize_bits(x.dtype), dtypes.itemsize_bits(dtype)
    if x.dtype == dtype:
        return x
    if new > old:
        x = reshape_to(x, (*x.shape[:-1], x.shape[-1] * old // new, new // old))
    y = bitcast_convert_type(x, dtype)
    return reshape_to(y, (*x.shape[:-1], x.shape[-1] * (old // new))) if new < old else y


def byteswap(self):
    """The elements with their bytes in the opposite order.

    Examples
    --------
    >>> jnp.array([1, 256]).byteswap()
    Array([16777216,    65536], dtype=int32)
    """
    return _byteswap(self)


@fused
def _byteswap(x):
    if util.dtype_kind(x) == "c":
        return ops.complex(*[_byteswap(part(x)) for part in (ops.real, ops.imag)])
    if x.dtype.itemsize == 1:
        return x
    parts = bitcast_convert_type(x, np.uint8)
    return bitcast_convert_type(rev(parts, (x.ndim,)), x.dtype)


# --- properties ---------------------------------------------------------------------------------

def _flat(self):
    """Not supported; use ``x.flatten()``."""
    raise NotImplementedError("JAX Arrays do not implement the arr.flat property: consider arr.flatten() instead.")


def _matrix_transpose(self):
    """The matrices of the last two dimensions, transposed."""
    return manipulation.matrix_transpose(self)


def _transposed(self):
    """The dimensions in reverse order."""
    return manipulation.transpose(self)


def _real(self):
    """The real parts."""
    return complexes.real(self)


def _imag(self):
    """The imaginary parts."""
    return complexes.imag(self)


def _numpy_dtype(self):
    """What NumPy takes an array for where it asks for a dtype. Deprecated: write ``dtype=x.dtype``."""
    warnings.warn("Implicit conversion of an array to a dtype is deprecated: write dtype=x.dtype in place of dtype=x. It will be "
                  "an error.", DeprecationWarning, stacklevel=2)
    return self.aval.dtype


_PROPERTIES = {"T": _transposed, "mT": _matrix_transpose, "real": _real, "imag": _imag, "flat": _flat,
               "__numpy_dtype__": _numpy_dtype}
_METHODS = {
    "astype": astype, "byteswap": byteswap, "clip": clip, "clone": copy, "compress": compress, "conj": conjugate,
    "conjugate": conjugate, "copy": copy, "flatten": flatten, "ravel": flatten, "reshape": reshape, "to_device": to_device,
    "transpose": transpose, "view": view, "__array_module__": array_module, "__array_namespace__": array_namespace,
}
# Methods that are functions of the array API: module -> names.
_FUNCTIONS = {
    "cumulative": "cumprod cumsum", "extrema": "argmax argmin", "finding": "nonzero", "histograms": "searchsorted",
    "joining": "repeat", "manipulation": "squeeze swapaxes", "matrices": "diagonal", "moments": "std var",
    "products": "dot trace", "reductions": "all any max mean min prod ptp sum", "rounding": "round",
    "sorting": "argpartition argsort sort",
    "taking": "choose take",
}


# Keyword arguments that the functions have and the methods, in JAX, have not: their signatures leave them out.
_OF_FUNCTIONS_ONLY = {"argsort": ("dtype",), "dot": ("out_sharding",), "std": ("mean",), "var": ("mean",)}


def _as_method(function: FunctionType, name: str) -> FunctionType:
    """The function as a method of arrays: the same code, so as quick to call, with ``self`` in its signature."""
    import inspect  # lazy: for the few methods that a program uses, when each is first used
    method = FunctionType(function.__code__, function.__globals__, name, function.__defaults__, function.__closure__)
    method.__kwdefaults__ = function.__kwdefaults__
    method.__dict__.update(function.__dict__)
    method.__doc__, method.__annotations__ = function.__doc__, function.__annotations__
    method.__module__, method.__qualname__ = "ferax", f"Array.{name}"           # where pickle finds it
    signature = inspect.signature(function)
    first, *others = signature.parameters.values()
    others = [p for p in others if p.name not in _OF_FUNCTIONS_ONLY.get(name, ())]
    method.__signature__ = signature.replace(parameters=[first.replace(name="self"), *others])  # type: ignore[attr-defined]
    return method


class _Deferred:
    """A function of a module not yet loaded; puts the function in its own place when it is first looked up."""

    def __init__(self, module: str, name: str, method: str | None = None):
        self.module = module
        self.name = name
        self.method = method or name

    def __get__(self, array, owner=None):
        function = getattr(importlib.import_module(f"ferax._src.numpy.{self.module}"), self.name)
        if not is_boundary(function):
            function = api_boundary(function)
        if self.method == self.name:                        # `__getitem__` is an operator: Python names its parameters
            function = _as_method(function, self.name)
        setattr(Array, self.method, function)
        return function if array is None else function.__get__(array, owner)


class _At:
    """The property ``x.at``: ``x.at[i].set(y)`` is ``x`` with ``y`` at ``i``."""

    def __get__(self, array, owner=None):
        from ferax._src.numpy.array_at import IndexUpdateHelper  # lazy: then it hangs itself here, in place of this
        Array.at = _LoadedAt(IndexUpdateHelper)             # type: ignore[attr-defined]
        return Array.at if array is None else IndexUpdateHelper(array)  # type: ignore[attr-defined]


class _LoadedAt:
    """The property ``x.at`` once its module is loaded: called for every ``x.at[i]``, so without a function in between."""

    def __init__(self, helper):
        self.helper = helper
        self.__doc__ = helper.__doc__

    def __get__(self, array, owner=None):
        return self if array is None else self.helper(array)


class _OfRefs:
    """A method of references, until the module is loaded that hangs them there: few programs need it."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, ref, owner=None):
        importlib.import_module("ferax._src.numpy.refs")     # lazy: see above
        return getattr(owner if ref is None else ref, self.name)


def _hang() -> None:
    for name in ("__getitem__", "__setitem__", "get", "set", "swap", "addupdate", "at"):
        setattr(Ref, name, _OfRefs(name))
    for name, method in _OPERATORS.items():
        setattr(Array, name, method)
    for name, method in _METHODS.items():
        setattr(Array, name, api_boundary(method))
    for module, names in _FUNCTIONS.items():
        for name in names.split():
            setattr(Array, name, _Deferred(module, name))
    Array.__getitem__ = _Deferred("indexing", "getitem", "__getitem__")     # type: ignore[method-assign]
    for name, getter in _PROPERTIES.items():
        setattr(Array, name, property(getter))
    Array.at = _At()                                        # type: ignore[attr-defined]


_hang()
