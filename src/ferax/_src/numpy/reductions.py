"""Reductions: sum, prod, max, min, any, all, and what is made of them: mean, ptp, count_nonzero.

All take ``axis`` (None, an int or a tuple), ``keepdims``, and most ``where`` (a mask that broadcasts against the array)
and ``initial``. `reduce` does the work, on the dtype that the table says: sums of booleans and small integers are
taken in the default integer, those of 16-bit floats in float32, and rounded at the end.

A sum over a float32 array, the common case, is one operation and is dispatched as such. All else is one fused program.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ferax._src.numpy.fusing import fused_optional, one_array_with
from ferax._src.numpy.util import (
    broadcast_to, check_arraylike, choose, const, ensure_arraylike, shape_of)
from ferax._src.ops import compare, elementwise, elementwise_bits
from ferax._src.ops.base import numpy_scalar
from ferax._src.ops.broadcasting import expand_dims, reduce_sum, reduce_sum_p
from ferax._src.ops.convert import convert
from ferax._src.ops.cumulative import reduce_prod
from ferax._src.ops.reduce import (
    reduce_and, reduce_and_p, reduce_max, reduce_max_p, reduce_min, reduce_min_p, reduce_or, reduce_or_p, reduce_xor)
from ferax._src.ops.static import normalize_axes
from ferax._src.runtime.fused import of_one_array
from ferax._src.tracing.core import Array, Primitive, state
from ferax._src.types import dtypes
from ferax._src.util.tracebacks import filter_at_exit

_bool = dtypes.bool_
_float32 = np.dtype(np.float32)
_HALVES = (np.dtype(np.float16), dtypes.bfloat16)
_PLAIN = frozenset({_float32, np.dtype(np.float64), np.dtype(np.complex64), np.dtype(np.complex128)})


# --- the table ----------------------------------------------------------------------------------

class Reduction(NamedTuple):
    """What a reduction does with numbers and with booleans, and what it gives for nothing at all."""

    reduce: Callable
    combine: Callable
    reduce_bools: Callable
    combine_bools: Callable
    identity: float
    has_identity: bool = True
    p: Primitive | None = None              # the primitive, where it takes numbers as they are


_TABLE = {
    "sum": Reduction(reduce_sum, elementwise.add, reduce_or, elementwise_bits.bitwise_or, 0,
                     p=reduce_sum_p),
    "prod": Reduction(reduce_prod, elementwise.mul, reduce_and, elementwise_bits.bitwise_and, 1),
    "max": Reduction(reduce_max, elementwise.max, reduce_or, elementwise_bits.bitwise_or, -np.inf, False,
                     reduce_max_p),
    "min": Reduction(reduce_min, elementwise.min, reduce_and, elementwise_bits.bitwise_and, np.inf, False,
                     reduce_min_p),
    "any": Reduction(reduce_or, elementwise_bits.bitwise_or, reduce_or, elementwise_bits.bitwise_or, 0),
    "all": Reduction(reduce_and, elementwise_bits.bitwise_and, reduce_and, elementwise_bits.bitwise_and, 1),
    "bitwise_and": Reduction(reduce_and, elementwise_bits.bitwise_and, reduce_and, elementwise_bits.bitwise_and, -1),
    "bitwise_or": Reduction(reduce_or, elementwise_bits.bitwise_or, reduce_or, elementwise_bits.bitwise_or, 0),
    "bitwise_xor": Reduction(reduce_xor, elementwise_bits.bitwise_xor, reduce_xor, elementwise_bits.bitwise_xor, 0),
}


def identity_of(kind: str, dtype):
    """What the reduction of nothing is, as a number of ``dtype``: minus infinity, or the smallest there is, for max."""
    value = _TABLE[kind].identity
    if dtype == _bool:
        return np.bool_(value > 0 or kind == "bitwise_and")
    if value not in (np.inf, -np.inf):
        return numpy_scalar(value, dtype)
    letter = dtypes.kind_of(dtype)
    if letter == "c" or (letter == "f" and dtypes.supports_inf(dtype)):
        return dtype.type(value)
    info = dtypes.finfo(dtype) if letter == "f" else dtypes.iinfo(dtype)
    return dtype.type(info.min if value < 0 else info.max)


# --- the work -----------------------------------------------------------------------------------

@one_array_with
def _simple(a, how):
    """Reduce an array in its own dtype; ``how``: kind, axes, keepdims."""
    kind, axes, keepdims = how
    out = (_TABLE[kind].reduce_bools if a.dtype == _bool else _TABLE[kind].reduce)(convert(a, a.dtype), axes)
    return expand_dims(out, axes) if keepdims else out


@fused_optional(static=("how",))
def _general(a, where, initial, *, how):
    """Reduce an array; ``how``: kind, axes, keepdims, dtype of the computation, dtype of the result."""
    kind, axes, keepdims, compute, result = how
    row = _TABLE[kind]
    is_bool = compute == _bool
    a = convert(a, compute)
    if where is not None:
        a = choose(where, a, identity_of(kind, compute))
    out = (row.reduce_bools if is_bool else row.reduce)(a, axes)
    if initial is not None:
        out = (row.combine_bools if is_bool else row.combine)(convert(initial, compute), out)
    if keepdims:
        out = expand_dims(out, axes)
    return convert(out, result)


def reduce(name: str, kind: str, a, axis, keepdims, where=None, initial=None, *, compute=None, result=None):
    """Reduce with row ``kind`` of the table, in dtype ``compute`` (by default that of ``a``), giving dtype ``result``."""
    aval = a.aval
    shape, dtype = aval.shape, aval.dtype
    axes = axes_of(axis, len(shape))
    if where is not None:
        where = check_where(name, where, shape)
    if initial is not None:
        check_arraylike(name, initial)
        if shape_of(initial):
            raise ValueError(f"initial value must be a scalar. Got array of shape {shape_of(initial)}")
    elif not _TABLE[kind].has_identity:
        if where is not None:
            raise ValueError(f"reduction operation {name} does not have an identity, so to use a where mask one has to "
                             "specify 'initial'")
        if 0 in shape and not builtins.all([shape[i] for i in axes]):
            raise ValueError(f"zero-size array to reduction operation {name} which has no identity: shape {shape}, "
                             f"axes {axes}. Give it one with initial=")
    if compute is None:
        compute = dtype
    if result is None:
        result = compute
    if where is None and initial is None and compute is dtype and result is dtype:
        return _simple(a, (kind, axes, bool(keepdims)))
    return _general(a, where, initial, how=(kind, axes, bool(keepdims), compute, result))


_ALL_AXES = [tuple(range(n)) for n in range(16)]


def axes_of(axis, ndim: int) -> tuple[int, ...]:
    """The axes that an ``axis=`` argument names, counted from the front."""
    if axis is None:
        return _ALL_AXES[ndim] if ndim < 16 else tuple(range(ndim))
    return normalize_axes(axis, ndim)


def check_where(name: str, where, shape=None, within=False):
    """A ``where=`` argument as an array of booleans, whose shape broadcasts with ``shape``; ``within``: without making it larger."""
    if where is None:
        return None
    where = ensure_arraylike(name, where)
    if where.dtype != _bool:
        raise ValueError(f"jnp.{name}: where must be None or a boolean array; got where.dtype={where.dtype!r}.")
    if shape is not None:
        pairs = list(zip(reversed(where.shape), reversed(shape)))
        if builtins.any([n != m and n != 1 and (within or m != 1) for n, m in pairs]) or within and where.ndim > len(shape):
            raise ValueError(f"jnp.{name}: where, of shape {where.shape}, does not broadcast to the shape {tuple(shape)} of the array")
    return where


def reject_out(name: str, out) -> None:
    """Refuse ``out=``: arrays cannot be written to."""
    if out is not None:
        raise NotImplementedError(f"The 'out' argument to jnp.{name} is not supported.")


def promote_integer_dtype(dtype):
    """The dtype in which integers are added up: at least the default width."""
    letter = dtypes.kind_of(dtype)
    if letter == "b":
        return dtypes.default_int_dtype()
    if letter in "iu":
        default = dtypes.default_int_dtype() if letter == "i" else dtypes.default_uint_dtype()
        if dtypes.itemsize_bits(dtype) < dtypes.itemsize_bits(default):
            return default
    return dtype


def upcast_half(dtype):
    """The dtype in which floats are added up: float32 for those of 16 bits."""
    return _float32 if dtype in _HALVES else dtype


def _over_all(kind: str):
    """A reduction over all axes of an array of floats."""
    def reduce_all(a):
        return _TABLE[kind].reduce(a, tuple(range(len(a.aval.shape))))

    reduce_all.__name__ = kind
    return of_one_array(reduce_all)


_OVER_ALL = {kind: _over_all(kind) for kind, row in _TABLE.items() if row.p is not None}


def _at_once(kind: str, a: Array, axis, keepdims):
    """The common case: an array of floats, its axes not empty, in its own dtype. None if it is not this case."""
    aval = a.aval
    shape = aval.shape
    if aval.dtype not in _PLAIN or aval.weak_type or 0 in shape:
        return None
    if axis is None and not keepdims:
        return _OVER_ALL[kind](a)
    axes = axes_of(axis, len(shape))
    if keepdims:
        return _simple(a, (kind, axes, True))
    params = {"axes": axes, "out_sharding": None} if kind == "sum" else {"axes": axes}
    return state.trace.process(_TABLE[kind].p, (a,), params)[0]


def _arithmetic(name: str, kind: str, a, axis, dtype, out, keepdims, initial, where, promote_integers):
    """sum and prod."""
    reject_out(name, out)
    a = ensure_arraylike(name, a)
    if dtype is None:
        result = dtypes.to_numeric_dtype(a.dtype)
        if promote_integers:
            result = promote_integer_dtype(result)
        compute = upcast_half(result)
    else:
        result = compute = dtypes.check_user_dtype(dtype, name)
    return reduce(name, kind, a, axis, keepdims, where, initial, compute=compute, result=result)


def sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None,  # noqa: A001
        promote_integers=True):
    """Sum of the elements, over all or some axes.

    Parameters
    ----------
    a : array-like
    axis : int, tuple of int, or None for all axes
    dtype : dtype of the result and of the computation; by default that of ``a``, at least the default integer
    out : not supported
    keepdims : whether the axes stay, with size 1
    initial : number to start from
    where : boolean array that broadcasts to ``a``; what it leaves out counts as 0
    promote_integers : whether integers narrower than the default are summed in the default

    Returns
    -------
    array
        Sums of float16 and bfloat16 are computed in float32.

    References
    ----------
    ``numpy.sum``

    Examples
    --------
    >>> jnp.sum(jnp.ones((2, 3)), axis=0)
    Array([2., 2., 2.], dtype=float32)
    """
    try:
        if dtype is None and out is None and initial is None and where is None and isinstance(a, Array):
            found = _at_once("sum", a, axis, keepdims)
            if found is not None:
                return found
        return _arithmetic("sum", "sum", a, axis, dtype, out, keepdims, initial, where, promote_integers)
    except Exception as e:
        filter_at_exit(e)
        raise


def prod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None, promote_integers=True):
    """Product of the elements, over all or some axes.

    Parameters
    ----------
    a, axis, dtype, out, keepdims, initial, where, promote_integers : as in `sum`; what ``where`` leaves out counts as 1

    Returns
    -------
    array

    References
    ----------
    ``numpy.prod``

    Examples
    --------
    >>> jnp.prod(jnp.array([2, 3, 4]))
    Array(24, dtype=int32)
    """
    try:
        return _arithmetic("prod", "prod", a, axis, dtype, out, keepdims, initial, where, promote_integers)
    except Exception as e:
        filter_at_exit(e)
        raise


def max(a, axis=None, out=None, keepdims=False, initial=None, where=None):  # noqa: A001
    """Largest element, over all or some axes; nan if there is one.

    Parameters
    ----------
    a : array-like
    axis : int, tuple of int, or None for all axes
    out : not supported
    keepdims : whether the axes stay, with size 1
    initial : smallest value that the result may have; needed for empty axes and with ``where``
    where : boolean array that broadcasts to ``a``: which elements to look at

    Returns
    -------
    array of the dtype of ``a``

    Raises
    ------
    ValueError : for an axis of size 0, or ``where``, without ``initial``.

    References
    ----------
    ``numpy.max``

    Examples
    --------
    >>> jnp.max(jnp.array([[1, 5], [7, 3]]), axis=1)
    Array([5, 7], dtype=int32)
    """
    try:
        if out is None and initial is None and where is None and isinstance(a, Array):
            found = _at_once("max", a, axis, keepdims)
            if found is not None:
                return found
        reject_out("max", out)
        return reduce("max", "max", ensure_arraylike("max", a), axis, keepdims, where, initial)
    except Exception as e:
        filter_at_exit(e)
        raise


def min(a, axis=None, out=None, keepdims=False, initial=None, where=None):  # noqa: A001
    """Smallest element, over all or some axes; nan if there is one.

    Parameters
    ----------
    a, axis, out, keepdims, where : as in `max`
    initial : largest value that the result may have

    Returns
    -------
    array of the dtype of ``a``

    References
    ----------
    ``numpy.min``

    Examples
    --------
    >>> jnp.min(jnp.array([4., 2.]), initial=3)
    Array(2., dtype=float32)
    """
    try:
        if out is None and initial is None and where is None and isinstance(a, Array):
            found = _at_once("min", a, axis, keepdims)
            if found is not None:
                return found
        reject_out("min", out)
        return reduce("min", "min", ensure_arraylike("min", a), axis, keepdims, where, initial)
    except Exception as e:
        filter_at_exit(e)
        raise


def amax(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """Another name of `max`.

    Examples
    --------
    >>> jnp.amax(jnp.array([1, 3, 2]))
    Array(3, dtype=int32)
    """
    return max(a, axis=axis, out=out, keepdims=keepdims, initial=initial, where=where)


def amin(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """Another name of `min`.

    Examples
    --------
    >>> jnp.amin(jnp.array([1, 3, 2]))
    Array(1, dtype=int32)
    """
    return min(a, axis=axis, out=out, keepdims=keepdims, initial=initial, where=where)


def minmax(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """`min` and `max` at once, as a pair.

    Parameters
    ----------
    a, axis, out, keepdims, initial, where : as in `max`; ``initial`` may be a pair, for min and for max

    Returns
    -------
    tuple of two arrays

    Examples
    --------
    >>> jnp.minmax(jnp.array([4, 1, 3]))
    (Array(1, dtype=int32), Array(4, dtype=int32))
    """
    reject_out("minmax", out)
    low, high = initial if isinstance(initial, (tuple, list)) else (initial, initial)
    return min(a, axis, None, keepdims, low, where), max(a, axis, None, keepdims, high, where)


def all(a, axis=None, out=None, keepdims=False, *, where=None):  # noqa: A001
    """Whether all elements are true (not zero), over all or some axes.

    Parameters
    ----------
    a : array-like
    axis : int, tuple of int, or None for all axes
    out : not supported
    keepdims : whether the axes stay, with size 1
    where : boolean array that broadcasts to ``a``: which elements to look at

    Returns
    -------
    array of bool

    References
    ----------
    ``numpy.all``

    Examples
    --------
    >>> jnp.all(jnp.array([[True, True], [False, True]]), axis=1)
    Array([ True, False], dtype=bool)
    """
    try:
        if out is None and where is None and not keepdims and isinstance(a, Array):
            aval = a.aval
            if aval.dtype is _bool:
                return state.trace.process(reduce_and_p, (a,), {"axes": axes_of(axis, len(aval.shape))})[0]
        reject_out("all", out)
        return reduce("all", "all", ensure_arraylike("all", a), axis, keepdims, where, compute=_bool)
    except Exception as e:
        filter_at_exit(e)
        raise


def any(a, axis=None, out=None, keepdims=False, *, where=None):  # noqa: A001
    """Whether any element is true (not zero), over all or some axes.

    Parameters
    ----------
    a, axis, out, keepdims, where : as in `all`

    Returns
    -------
    array of bool

    References
    ----------
    ``numpy.any``

    Examples
    --------
    >>> jnp.any(jnp.array([0, 0, 2]))
    Array(True, dtype=bool)
    """
    try:
        if out is None and where is None and not keepdims and isinstance(a, Array):
            aval = a.aval
            if aval.dtype is _bool:
                return state.trace.process(reduce_or_p, (a,), {"axes": axes_of(axis, len(aval.shape))})[0]
        reject_out("any", out)
        return reduce("any", "any", ensure_arraylike("any", a), axis, keepdims, where, compute=_bool)
    except Exception as e:
        filter_at_exit(e)
        raise


def reduce_bits(kind: str, a, axis=None, keepdims=False, initial=None, where=None):
    """Reduce integers or booleans with ``kind``: bitwise_and, bitwise_or or bitwise_xor."""
    a = ensure_arraylike(f"reduce_{kind}", a)
    if dtypes.kind_of(a.dtype) not in "biu":
        raise ValueError(f"integer argument required; got dtype={a.dtype}")
    return reduce(f"reduce_{kind}", kind, a, axis, keepdims, where, initial)


# --- means --------------------------------------------------------------------------------------

def count(a, axis, keepdims, where, dtype):
    """How many elements a mean is over: a number, or an array where a mask decides it."""
    if where is None:
        return math.prod([a.shape[i] for i in axes_of(axis, a.ndim)])
    return sum(broadcast_to(where, a.shape), axis, dtype=dtype, keepdims=keepdims)


@one_array_with
def _simple_mean(a, how):
    """Mean of floats in their own dtype; ``how``: axes, keepdims."""
    axes, keepdims = how
    total = reduce_sum(convert(a, a.dtype), axes)
    if keepdims:
        total = expand_dims(total, axes)
    return elementwise.div(total, math.prod([a.shape[i] for i in axes]))


@of_one_array
def _whole_mean(a):
    """Mean of all elements, floats in their own dtype."""
    return elementwise.div(reduce_sum(convert(a, a.dtype), tuple(range(a.ndim))), math.prod(a.shape))


@fused_optional(static=("how",))
def _general_mean(a, where, *, how):
    """Mean; ``how``: axes, keepdims, dtype of the computation, dtype of the result."""
    axes, keepdims, compute, result = how
    n = count(a, axes, keepdims, where, compute)
    a = convert(a, compute)
    if where is not None:
        a = choose(where, a, identity_of("sum", compute))
    total = reduce_or(a, axes) if compute == _bool else reduce_sum(a, axes)
    if keepdims:
        total = expand_dims(total, axes)
    return convert(elementwise.div(total, n), result)


def mean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=None):
    """Arithmetic mean, over all or some axes.

    Parameters
    ----------
    a : array-like
    axis : int, tuple of int, or None for all axes
    dtype : dtype of the result and of the computation; by default that of ``a``, or float for integers
    out : not supported
    keepdims : whether the axes stay, with size 1
    where : boolean array that broadcasts to ``a``: which elements to take

    Returns
    -------
    array
        The mean of nothing is nan. Means of float16 and bfloat16 are computed in float32.

    References
    ----------
    ``numpy.mean``

    Examples
    --------
    >>> jnp.mean(jnp.array([[1, 2], [3, 4]]), axis=1)
    Array([1.5, 3.5], dtype=float32)
    """
    try:
        if out is not None:
            reject_out("mean", out)
        if not isinstance(a, Array):
            a = ensure_arraylike("mean", a)
        aval = a.aval
        if axis is None and dtype is None and where is None and not keepdims and aval.dtype in _PLAIN:
            return _whole_mean(a)
        axes = axes_of(axis, len(aval.shape))
        if dtype is None:
            result = aval.dtype
            if result in _PLAIN and where is None:
                return _simple_mean(a, (axes, bool(keepdims)))
            result = dtypes.to_inexact_dtype(result)
            compute = upcast_half(result)
        else:
            result = compute = dtypes.check_user_dtype(dtype, "mean")
        if where is not None:
            where = check_where("mean", where, a.shape, within=True)
        return _general_mean(a, where, how=(axes, bool(keepdims), compute, result))
    except Exception as e:
        filter_at_exit(e)
        raise


# --- others -------------------------------------------------------------------------------------

def ptp(a, axis=None, out=None, keepdims=False):
    """Peak to peak: the largest element minus the smallest, over all or some axes.

    Parameters
    ----------
    a, axis, out, keepdims : as in `max`

    Returns
    -------
    array of the dtype of ``a``

    References
    ----------
    ``numpy.ptp``

    Examples
    --------
    >>> jnp.ptp(jnp.array([3, 9, 4]))
    Array(6, dtype=int32)
    """
    reject_out("ptp", out)
    a = ensure_arraylike("ptp", a)
    return elementwise.sub(max(a, axis, keepdims=keepdims), min(a, axis, keepdims=keepdims))


def count_nonzero(a, axis=None, keepdims=False):
    """How many elements are not zero, over all or some axes.

    Parameters
    ----------
    a : array-like
    axis : int, tuple of int, or None for all axes
    keepdims : whether the axes stay, with size 1

    Returns
    -------
    array of the default integer dtype

    References
    ----------
    ``numpy.count_nonzero``

    Examples
    --------
    >>> jnp.count_nonzero(jnp.array([0, 2, 0, 1]))
    Array(2, dtype=int32)
    """
    a = ensure_arraylike("count_nonzero", a)
    integer = dtypes.default_int_dtype()
    if a.dtype != _bool:
        a = compare.ne(a, const(a, 0))
    return reduce("count_nonzero", "sum", a, axis, keepdims, compute=integer)

for _function in (sum, prod, max, min, all, any, mean):
    _function.filters_tracebacks = True         # type: ignore[attr-defined]
