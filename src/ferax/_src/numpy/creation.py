"""Arrays from values: `array` and `asarray`, and the ways around them.

Numbers and NumPy arrays are copied to the default device. Nested lists become arrays of the dtype that their elements
promote to; lists with arrays or tracers in them are stacked on the device. Only what is weakly typed itself gives a
weakly typed array: ``asarray(1)`` does, ``asarray([1])`` does not.
"""

from __future__ import annotations

import warnings

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.places import put, sharding_for
from ferax._src.ops.convert import convert, copy_p
from ferax._src.ops.joining import stack
from ferax._src.runtime import devices, transfer
from ferax._src.runtime.array import ArrayImpl
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, Tracer, eval_trace, state
from ferax._src.types import dtypes
from ferax._src.util.tracebacks import filter_at_exit

_HOST_STACK = 32        # from so many pieces on, a list of arrays in host memory is joined there, without compiling


def array(object, dtype=None, *args, copy=True, order="K", ndmin=0, device=None, out_sharding=None):     # noqa: A002
    """Make an array.

    Parameters
    ----------
    object : array, number, nested lists of them, or anything that NumPy can make an array of
    dtype : dtype-like; by default the dtype that the elements promote to
    copy : bool; whether an array is copied that could be given back as it is
    order : None or "K"
    ndmin : int; leading dimensions of size 1 are added until there are so many
    device : Device or Sharding; by default arrays stay where they are and values go to the default device
    out_sharding : NamedSharding or PartitionSpec

    Returns
    -------
    Array

    Raises
    ------
    TypeError : if there is something in ``object`` that is not a number.
    ValueError : for lists of different lengths, and for None.

    Examples
    --------
    >>> jnp.array([[1, 2], [3, 4.5]])
    Array([[1. , 2. ],
           [3. , 4.5]], dtype=float32)
    """
    try:
        if args:
            copy, order, ndmin = _positional(args, copy, order, ndmin)
        return _make("array", object, dtype, copy, order, ndmin, device, out_sharding)
    except Exception as e:
        filter_at_exit(e)
        raise


def asarray(a, dtype=None, order=None, *, copy=None, device=None, out_sharding=None):
    """Make an array of what is not one yet.

    Parameters
    ----------
    a : array, number, nested lists of them, or anything that NumPy can make an array of
    dtype : dtype-like; by default the dtype that the elements promote to
    order : None or "K"
    copy : bool or None; True for a copy in any case, False to refuse one
    device : Device or Sharding; by default arrays stay where they are and values go to the default device
    out_sharding : NamedSharding or PartitionSpec

    Returns
    -------
    Array, ``a`` itself if it is one of that dtype

    Examples
    --------
    >>> jnp.asarray(np.arange(3), dtype=float)
    Array([0., 1., 2.], dtype=float32)
    """
    try:
        if dtype is None and device is None and out_sharding is None and not copy and order is None:
            if isinstance(a, Array):
                return a
            if type(a) is list:                                 # the usual case, quickly
                kinds = set(map(type, a))
                if kinds <= util.SCALARS and kinds and copy is None:
                    return _checked_list(a, None)
        if copy is False and not isinstance(a, Array) and _platform_of(device) != "cpu" and _has_buffer(a):
            raise ValueError(f"jnp.asarray: cannot convert object of type {type(a)} to an array on platform="
                             f"{_platform_of(device)} with copy=False. Use copy=None or copy=True instead.")
        return _make("asarray", a, dtype, bool(copy), order, 0, device, out_sharding)
    except Exception as e:
        filter_at_exit(e)
        raise


def _positional(args, copy, order, ndmin):
    """Arguments that used to be allowed by position."""
    if len(args) > 3:
        raise TypeError(f"array() takes at most 5 positional arguments but {len(args) + 2} were given")
    given = [copy, order, ndmin]
    for i, (name, value, default) in enumerate(zip(("copy", "order", "ndmin"), given, (True, "K", 0))):
        if i < len(args) and value != default:
            raise TypeError(f"array() got multiple values for argument {name!r}")
    warnings.warn("Passing the copy, order, and ndmin arguments to jnp.array positionally is deprecated. Use keyword "
                  "arguments instead.", DeprecationWarning, stacklevel=3)
    return [*args, *given[len(args):]]


def _platform_of(device) -> str:
    sharding = devices.default_sharding() if device is None else sharding_for(device, None, "jnp.asarray")
    return next(iter(sharding.device_set)).platform


def _has_buffer(x) -> bool:
    try:
        memoryview(x)
    except TypeError:
        return False
    return True


def _make(name, x, dtype, copy, order, ndmin, device, out_sharding):
    if order is not None and order != "K":
        raise NotImplementedError(f"{name}: only order='K' is supported, got {order!r}: arrays have no memory order")
    if dtype is not None:
        dtype = dtypes.check_user_dtype(dtype, name)
    sharding = None
    if device is not None or out_sharding is not None:
        sharding = sharding_for(device, out_sharding, f"jnp.{name}")
    made = _from_value(x, dtype, copy)
    if ndmin > made.ndim:
        made = util.broadcast_to(made, (1,) * (ndmin - made.ndim) + made.shape)
    return put(made, sharding)


def _from_value(x, dtype, copy: bool):
    if isinstance(x, Array):
        if dtype is not None and (x.aval.dtype != dtype or x.aval.weak_type):
            return convert(x, dtype)
        if not copy:
            return x
        if type(x) is ArrayImpl and state.trace is eval_trace:
            return x.copy()
        return copy_p.bind(x)[0]
    kind = type(x)
    if kind in util.SCALARS:
        return transfer.array_from_host(x, dtype, dtype is None and kind is not bool)
    if isinstance(x, (np.ndarray, np.generic)):
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError("numpy masked arrays are not supported; fill it in first, with x.filled(value)")
        return transfer.array_from_host(x, dtype)
    if isinstance(x, (list, tuple)):
        return _from_list(x, dtype)
    if getattr(x, "__jax_array__", None) is not None:
        return _from_value(x.__jax_array__(), dtype, copy)
    if x is None:
        raise ValueError("None is not a valid value for jnp.array. Was a value forgotten, or does a function return nothing?")
    if isinstance(x, (bool, int, float, complex)):
        return _from_value(dtypes.python_scalar_base(kind)(x), dtype, copy)
    return transfer.array_from_host(_foreign(x), dtype)


def _foreign(x) -> np.ndarray:
    """The values of an object that NumPy knows how to read."""
    if hasattr(x, "__cuda_array_interface__") and hasattr(x, "__dlpack__"):
        return np.asarray(transfer.from_dlpack(x))
    if not isinstance(x, (str, bytes)):
        value = np.asarray(x)
        if value.dtype != object:
            return value
    raise TypeError(f"Unexpected input type for array: {type(x)}. Arrays are made of numbers, nested lists of numbers, and "
                    "arrays of other libraries.")


# --- lists --------------------------------------------------------------------------------------

def _leaves(x, out: list):
    """Collect the elements of nested lists; answers the nesting, with the number of each element in its place."""
    if isinstance(x, (list, tuple)):
        return tuple([_leaves(item, out) for item in x])
    if x is None:
        raise ValueError("None is not a valid value for jnp.array: there is one in the list")
    if getattr(x, "__jax_array__", None) is not None:
        x = x.__jax_array__()
    elif not util.is_arraylike(x):
        x = _foreign(x)
    out.append(x)
    return len(out) - 1


def _from_list(x, dtype):
    if not x:
        return transfer.array_from_host(np.zeros(0, dtypes.default_float_dtype() if dtype is None else dtype))
    leaves: list = []
    nesting = _leaves(x, leaves)
    kinds = set(map(type, leaves))
    if dtype is None and not kinds <= util.SCALARS:
        dtype = dtypes.lattice_result_type(*leaves)[0]
    if any([issubclass(kind, Array) for kind in kinds]):
        return _stacked(nesting, leaves, dtype)
    if kinds <= util.SCALARS:
        return _checked_list(x, dtype)
    return transfer.array_from_host(_rebuilt(nesting, leaves), dtype)


def _checked_list(x, dtype):
    try:
        return transfer.array_from_host(x, dtype)
    except ValueError as error:
        raise ValueError(f"jnp.array: the nested lists do not make a rectangular array: {error}") from None
    except TypeError:
        large = [item for item in x if type(item) is int and not -2**63 <= item < 2**64]
        if large:
            raise OverflowError(f"jnp.array: {large[0]} is too large for any integer dtype") from None
        raise


def _rebuilt(nesting, leaves):
    """The nested list with its elements as they are now."""
    if type(nesting) is int:
        return leaves[nesting]
    return [_rebuilt(item, leaves) for item in nesting]


def _stacked(nesting, leaves, dtype):
    """An array of lists in which there are arrays."""
    if state.trace is eval_trace and len(leaves) > _HOST_STACK and all([_is_on_host(x) for x in leaves]):
        return transfer.array_from_host(np.array(_rebuilt(nesting, [np.asarray(x) for x in leaves])), dtype)
    return _stack_leaves(*leaves, nesting=nesting, dtype=dtype)


def _is_on_host(x) -> bool:
    if type(x) is ArrayImpl:
        sig = x._sig
        return sig.single and not sig.committed and sig.physical is x.aval and sig.sharding._device.platform == "cpu"
    return not isinstance(x, Tracer)


@fused(static=("nesting", "dtype"))
def _stack_leaves(*leaves, nesting, dtype):
    arrays = [util.as_array(util.cast(x, dtype)) for x in leaves]

    def build(part):
        if type(part) is int:
            return arrays[part]
        pieces = [build(item) for item in part]
        if not pieces:
            return util.as_array(np.zeros(0, dtype))
        shapes = {p.shape for p in pieces}
        if len(shapes) > 1:
            raise ValueError("jnp.array: the nested lists do not make a rectangular array; elements at one level have shapes "
                             f"{sorted(shapes)}")
        return stack(pieces, 0)
    made = build(nesting)
    return convert(made, made.dtype) if made.aval.weak_type else made


# --- other ways ---------------------------------------------------------------------------------

def copy(a, order=None):
    """A copy of an array, in memory of its own.

    Examples
    --------
    >>> jnp.copy(jnp.arange(3))
    Array([0, 1, 2], dtype=int32)
    """
    util.check_arraylike("copy", a)
    return array(a, copy=True, order=order)


def frombuffer(buffer, dtype=float, count=-1, offset=0):
    """An array of the numbers in a buffer of bytes.

    Parameters
    ----------
    buffer : bytes or other object with the buffer interface
    dtype : dtype-like, of the numbers in the buffer
    count : how many there are; -1 for all
    offset : bytes to leave out at the beginning

    Returns
    -------
    Array of one dimension

    Examples
    --------
    >>> jnp.frombuffer(b"\\x01\\x02\\x03", dtype=np.uint8)
    Array([1, 2, 3], dtype=uint8)
    """
    return asarray(np.frombuffer(buffer=buffer, dtype=dtype, count=count, offset=offset))


def from_dlpack(x, /, *, device=None, copy=None):
    """An array from one of another library, by DLPack; see `ferax.dlpack.from_dlpack`.

    Parameters
    ----------
    x : object with ``__dlpack__`` and ``__dlpack_device__``
    device : Device or Sharding; by default where it is
    copy : bool or None; None copies only where that is needed, False refuses to

    Examples
    --------
    >>> jnp.from_dlpack(np.arange(3, dtype=np.int32))
    Array([0, 1, 2], dtype=int32)
    """
    return transfer.from_dlpack(x, device=device, copy=copy)


def fromfile(*args, **kwargs):
    """Not possible: reading a file is not a pure function; use ``jnp.asarray(np.fromfile(...))``."""
    raise NotImplementedError("jnp.fromfile is not implemented, because it may be non-pure and thus unsafe for use with JIT "
                              "and other transformations. Use jnp.asarray(np.fromfile(...)) instead.")


def fromiter(*args, **kwargs):
    """Not possible: an iterator changes when it is read; use ``jnp.asarray(np.fromiter(...))``."""
    raise NotImplementedError("jnp.fromiter is not implemented, because it may be non-pure and thus unsafe for use with JIT "
                              "and other transformations. Use jnp.asarray(np.fromiter(...)) instead.")


def fromstring(string, dtype=float, count=-1, *, sep):
    """An array of the numbers in a text, which ``sep`` separates; as ``numpy.fromstring``.

    Examples
    --------
    >>> jnp.fromstring("1 2 3", dtype=int, sep=" ")
    Array([1, 2, 3], dtype=int32)
    """
    return asarray(np.fromstring(string=string, dtype=dtype, count=count, sep=sep))

for _function in (array, asarray):
    _function.filters_tracebacks = True         # type: ignore[attr-defined]
