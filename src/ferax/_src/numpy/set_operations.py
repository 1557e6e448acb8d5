"""Operations on two sets, given as arrays: intersect1d, setdiff1d, setxor1d.

Each sorts an array, marks the elements to keep, and takes them out. How many there are is not known while tracing: there
``size`` says how many to give.
"""

from __future__ import annotations

from ferax._src.numpy.finding import nonzero
from ferax._src.numpy.gathering import take_along
from ferax._src.numpy.histograms import searchsorted
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.sets import isin, sorted_unique
from ferax._src.numpy.sorting import argsort
from ferax._src.numpy.util import choose, ensure_arraylike, promote_dtypes
from ferax._src.ops.compare import lt
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not
from ferax._src.ops.shape import reshape
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import as_static_int
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


def _flat(name: str, ar1, ar2):
    return [reshape(a, (a.size,)) for a in map(as_array, ensure_arraylike(name, ar1, ar2))]


def _size(size):
    return None if size is None else as_static_int(size, "size")


def _places(mask, size):
    """Where the mask holds; the number of elements where it holds less than ``size`` times."""
    return nonzero(mask, size=size, fill_value=mask.shape[0])[0]


@fused
def _taken(values, places, *fill):
    """The values at places, ``fill`` where the place is past the end; without it, the first of those taken."""
    n = values.shape[0]
    if n == 0:
        return full(places.shape, fill[0] if fill else 0, values.dtype)
    out = take_along(values, places, 0)
    inside = lt(places, places.dtype.type(n))
    if fill:
        filler = convert(fill[0], out.dtype)
    elif out.shape[0]:
        first = slice_in_dim(out, 0, 1)
        filler = choose(slice_in_dim(inside, 0, 1), first, full((1,), 0, out.dtype))
    else:
        return out
    return choose(inside, out, filler)


def _fill(fill_value) -> tuple:
    return () if fill_value is None else (as_array(fill_value),)


def _ordered(a, assume_unique: bool):
    """The array sorted, whether each is the first of its kind, and where it came from."""
    if not assume_unique:
        return sorted_unique(a, axis=0, equal_nan=True)
    places = argsort(a)
    return take_along(a, places, 0), full(a.shape, True), places


def intersect1d(ar1, ar2, assume_unique=False, return_indices=False, *, size=None, fill_value=None):
    """The elements that are in both of two arrays, sorted, each once.

    Parameters
    ----------
    ar1, ar2 : array-likes, flattened
    assume_unique : whether no element occurs twice in one of them
    return_indices : whether to answer also where in ``ar1`` and in ``ar2`` each is found first
    size : how many to give, needed where the arrays are not known while tracing: cut off, or filled up
    fill_value : what to fill up with, by default the smallest; indices are filled up with the sizes of the arrays

    Returns
    -------
    array, or three arrays if ``return_indices``

    References
    ----------
    ``numpy.intersect1d``

    Examples
    --------
    >>> jnp.intersect1d(jnp.array([3, 1, 2]), jnp.array([2, 3]))
    Array([2, 3], dtype=int32)
    """
    ar1, ar2 = _flat("intersect1d", ar1, ar2)
    size = _size(size)
    x, y = map(as_array, promote_dtypes(ar1, ar2))
    values, first, order = _ordered(x, assume_unique)
    places = _places(bitwise_and(first, isin(values, y)), size)
    common = _taken(values, places, *_fill(fill_value))
    if not return_indices:
        return common
    integer = dtypes.default_int_dtype()
    order_of_y = argsort(y)
    in_y = searchsorted(y, _taken(values, places), sorter=order_of_y)
    past_x, past_y = [full((), a.size, integer) for a in (x, y)]
    inside = lt(places, places.dtype.type(x.size))
    found_x = convert(_taken(order, places, past_x), integer)
    found_y = convert(_taken(order_of_y, in_y, past_y), integer)
    return common, found_x, choose(inside, found_y, past_y)


def setdiff1d(ar1, ar2, assume_unique=False, *, size=None, fill_value=None):
    """The elements of one array that are not in another.

    Parameters
    ----------
    ar1, ar2 : array-likes, flattened
    assume_unique : whether no element occurs twice in one of them; the result is then in the order of ``ar1``, else sorted
    size : how many to give, needed where the arrays are not known while tracing: cut off, or filled up
    fill_value : what to fill up with, by default 0

    Returns
    -------
    array of the dtype of ``ar1``

    References
    ----------
    ``numpy.setdiff1d``

    Examples
    --------
    >>> jnp.setdiff1d(jnp.array([3, 1, 2]), jnp.array([2, 3]))
    Array([1], dtype=int32)
    """
    ar1, ar2 = _flat("setdiff1d", ar1, ar2)
    size = _size(size)
    values, first = (ar1, full(ar1.shape, True)) if assume_unique else sorted_unique(ar1, axis=0, equal_nan=True)[:2]
    mask = bitwise_and(first, isin(values, ar2, invert=True))
    return _taken(values, _places(mask, size), *_fill(0 if fill_value is None else fill_value))


def setxor1d(ar1, ar2, assume_unique=False, *, size=None, fill_value=None):
    """The elements that are in one of two arrays and not in the other, sorted.

    Parameters
    ----------
    ar1, ar2 : array-likes, flattened
    assume_unique : whether no element occurs twice in one of them
    size : how many to give, needed where the arrays are not known while tracing: cut off, or filled up
    fill_value : what to fill up with, by default the smallest

    Returns
    -------
    array

    References
    ----------
    ``numpy.setxor1d``

    Examples
    --------
    >>> jnp.setxor1d(jnp.array([3, 1]), jnp.array([2, 3]))
    Array([1, 2], dtype=int32)
    """
    ar1, ar2 = map(as_array, promote_dtypes(*_flat("setxor1d", ar1, ar2)))
    size = _size(size)
    parts = []
    for a, other in ((ar1, ar2), (ar2, ar1)):
        values, first, _ = _ordered(a, assume_unique)
        parts.append((values, bitwise_and(first, bitwise_not(isin(values, other)))))
    values, mask = [concatenate(pair) for pair in zip(*parts)]
    order = argsort(values)
    return _taken(take_along(values, order, 0), _places(take_along(mask, order, 0), size), *_fill(fill_value))
