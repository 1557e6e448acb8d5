"""Sorting: sort, argsort, lexsort, sort_complex, partition, argpartition, top_k.

nan comes last, as in NumPy; complex numbers are ordered by their real parts and then by their imaginary ones.
"""

from __future__ import annotations

from ferax._src.numpy.util import ensure_arraylike
from ferax._src.ops import sort as ops_sort
from ferax._src.ops.convert import convert
from ferax._src.ops.joining import concatenate, split
from ferax._src.ops.shape import broadcasted_iota, reshape, rev
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import as_static_int, normalize_axis
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


def _reject(name: str, kind, order) -> None:
    if kind is not None:
        raise TypeError(f"'kind' argument to {name} is not supported. Use stable=True or stable=False to specify sort stability.")
    if order is not None:
        raise TypeError(f"'order' argument to {name} is not supported.")


@fused(static=("axis", "stable", "descending"))
def _sort(a, *, axis, stable, descending):
    if axis is None:
        a, axis = reshape(a, (a.size,)), 0
    out = ops_sort.sort(a, dimension=axis, is_stable=stable)
    return rev(out, (axis,)) if descending else out


def sort(a, axis=-1, *, kind=None, order=None, stable=True, descending=False):
    """Sort along an axis.

    Parameters
    ----------
    a : array-like
    axis : int, or None for the flattened array
    kind, order : not supported
    stable : whether equal elements, such as 0.0 and -0.0, keep their order
    descending : whether to sort from the largest to the smallest; nan comes first then

    Returns
    -------
    array

    References
    ----------
    ``numpy.sort``

    Examples
    --------
    >>> jnp.sort(jnp.array([3, 1, 2]), descending=True)
    Array([3, 2, 1], dtype=int32)
    """
    _reject("sort", kind, order)
    a = ensure_arraylike("sort", a)
    return _sort(a, axis=None if axis is None else normalize_axis(axis, a.ndim), stable=bool(stable),
                 descending=bool(descending))


@fused(static=("axis", "stable", "descending", "dtype"))
def _argsort(a, *, axis, stable, descending, dtype):
    if axis is None:
        a, axis = reshape(a, (a.size,)), 0
    places = broadcasted_iota(dtype, a.shape, axis)
    if descending and stable:                               # reversed before and after, equal elements keep their order
        a, places = rev(a, (axis,)), rev(places, (axis,))
    places = ops_sort.sort_key_val(a, places, dimension=axis, is_stable=stable)[1]
    return rev(places, (axis,)) if descending else places


def argsort(a, axis=-1, *, kind=None, order=None, stable=True, descending=False, dtype=None):
    """The indices that sort an array.

    Parameters
    ----------
    a, axis, kind, order, stable, descending : as of `sort`
    dtype : dtype of the result, by default the default integer

    Returns
    -------
    array of integers

    References
    ----------
    ``numpy.argsort``

    Examples
    --------
    >>> jnp.argsort(jnp.array([3, 1, 2]))
    Array([1, 2, 0], dtype=int32)
    """
    _reject("argsort", kind, order)
    a = ensure_arraylike("argsort", a)
    dtype = dtypes.default_int_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "argsort")
    return _argsort(a, axis=None if axis is None else normalize_axis(axis, a.ndim), stable=bool(stable),
                    descending=bool(descending), dtype=dtype)


@fused(static=("axis",))
def _lexsort(*keys, axis):
    places = broadcasted_iota(dtypes.default_int_dtype(), keys[0].shape, axis)
    return ops_sort.sort((*keys[::-1], places), dimension=axis, num_keys=len(keys))[-1]


def lexsort(keys, axis=-1):
    """The indices that sort by several keys, the last one first.

    Parameters
    ----------
    keys : sequence of array-likes of one shape, or an array of them
    axis : int

    Returns
    -------
    array of integers

    References
    ----------
    ``numpy.lexsort``

    Examples
    --------
    >>> jnp.lexsort((jnp.array([2, 1, 3]), jnp.array([1, 1, 0])))
    Array([2, 1, 0], dtype=int32)
    """
    keys = tuple(keys)
    if not keys:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    keys = [ensure_arraylike("lexsort", key) for key in keys]
    if len({key.shape for key in keys}) > 1:
        raise ValueError(f"all keys need to be the same shape, got {', '.join(str(key.shape) for key in keys)}")
    if not keys[0].ndim:
        return full((), 0, dtypes.default_int_dtype())
    return _lexsort(*keys, axis=normalize_axis(axis, keys[0].ndim))


def sort_complex(a):
    """Sort, and give the result as complex numbers.

    Parameters
    ----------
    a : array-like

    Returns
    -------
    array of complex numbers

    References
    ----------
    ``numpy.sort_complex``

    Examples
    --------
    >>> jnp.sort_complex(jnp.array([2, 1]))
    Array([1.+0.j, 2.+0.j], dtype=complex64)
    """
    a = sort(ensure_arraylike("sort_complex", a))
    return convert(a, dtypes.to_complex_dtype(a.dtype))


def _checked_kth(name: str, a, kth, axis):
    a = ensure_arraylike(name, a)
    if dtypes.kind_of(a.dtype) == "c":
        raise NotImplementedError(f"jnp.{name} for complex dtype is not implemented.")
    axis = normalize_axis(axis, a.ndim)
    return a, axis, normalize_axis(kth, a.shape[axis], "kth")


def partition(a, kth, axis=-1):
    """Put the k-th smallest element in its place, those that are smaller before and those that are larger after it.

    Parameters
    ----------
    a : array-like
    kth : int: which place
    axis : int

    Returns
    -------
    array; here the elements before are in ascending order and those after in descending, which no program may rely on

    References
    ----------
    ``numpy.partition``

    Examples
    --------
    >>> jnp.partition(jnp.array([5, 1, 4, 2]), 1)
    Array([1, 2, 5, 4], dtype=int32)
    """
    a, axis, kth = _checked_kth("partition", a, kth, axis)
    return _partition(a, kth=kth, axis=axis)


@fused(static=("kth", "axis"))
def _partition(a, *, kth, axis):
    a = ops_sort.sort(a, dimension=axis)
    before, after = split(a, (kth + 1, a.shape[axis] - kth - 1), axis)
    return concatenate([before, rev(after, (axis,))], axis)


def argpartition(a, kth, axis=-1):
    """The indices that partition an array, see `partition`.

    Parameters
    ----------
    a, kth, axis : as of `partition`

    Returns
    -------
    array of int32

    References
    ----------
    ``numpy.argpartition``

    Examples
    --------
    >>> jnp.argpartition(jnp.array([5, 1, 4, 2]), 1)
    Array([1, 3, 0, 2], dtype=int32)
    """
    a, axis, kth = _checked_kth("argpartition", a, kth, axis)
    return _argpartition(a, kth=kth, axis=axis)


@fused(static=("kth", "axis"))
def _argpartition(a, *, kth, axis):
    places = broadcasted_iota(dtypes.as_dtype("int32"), a.shape, axis)
    places = ops_sort.sort_key_val(a, places, dimension=axis)[1]
    before, after = split(places, (kth + 1, a.shape[axis] - kth - 1), axis)
    return concatenate([before, ops_sort.sort(after, dimension=axis)], axis)


def top_k(a, k, /, *, axis=-1, mode="largest", sorted=True):  # noqa: A002
    """The largest, or smallest, elements along an axis and where they are.

    Parameters
    ----------
    a : array-like
    k : int: how many
    axis : int
    mode : "largest" or "smallest"
    sorted : accepted for the standard's sake; they always come in order

    Returns
    -------
    pair of arrays: values, and indices as int32

    Examples
    --------
    >>> jnp.top_k(jnp.array([5, 1, 4]), 2)
    (Array([5, 4], dtype=int32), Array([0, 2], dtype=int32))
    """
    a = ensure_arraylike("top_k", a)
    axis = normalize_axis(axis, a.ndim)
    if mode not in ("largest", "smallest"):
        raise ValueError(f"top_k: mode must be 'largest' or 'smallest', got {mode!r}")
    k = as_static_int(k, "k")
    if not 0 <= k <= a.shape[axis]:
        raise ValueError(f"top_k: k must be between 0 and the size of the axis, {a.shape[axis]}; got {k}")
    return _top_k(a, k=k, axis=axis, largest=mode == "largest")


@fused(static=("k", "axis", "largest"))
def _top_k(a, *, k, axis, largest):
    places = _argsort(a, axis=axis, stable=True, descending=largest, dtype=dtypes.as_dtype("int32"))
    values = _sort(a, axis=axis, stable=True, descending=largest)
    return slice_in_dim(values, 0, k, axis=axis), slice_in_dim(places, 0, k, axis=axis)
