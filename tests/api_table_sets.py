"""Rows of arrays as sets: unique and its kin, unions, intersections, differences, membership."""

import numpy as np
from api_draw import ANY, BOOL, INTS, REAL, Draw, call, kind
from api_harness import Refusal, Row

EXACT = INTS + BOOL + ("float32", "bfloat16", "float64", "complex64")


def sized(d: Draw, fills=(9, 0), sizes=(4, 2, 9, 1)):
    """``size`` and perhaps ``fill_value``; nothing where sizes may depend on values."""
    if not (d.traced or d.flag()):
        return {}
    return {"size": d.pick(*sizes), **d.some(fill_value=fills)}


def few(d: Draw, kinds=EXACT, shape=None):
    """An array in which elements repeat."""
    x = d.array(kinds, d.shape(0, 2) if shape is None else shape, low=-2.0, high=3.0)
    return np.round(x.astype(np.float32)).astype(x.dtype) if kind(x.dtype) == "f" else x


def filled(values, size, fill, start=None):
    """Cut off, or filled up with ``fill``, or with the first of the values."""
    if size is None:
        return values
    fill = fill if fill is not None else values[0] if len(values) else 0 if start is None else start
    return np.concatenate([values[:size], np.full((max(size - len(values), 0), *values.shape[1:]), fill, values.dtype)])


def unique_oracle(x, return_index=False, return_inverse=False, return_counts=False, axis=None, equal_nan=True, size=None,
                  fill_value=None, sorted=True):  # noqa: A002
    values, index, inverse, counts = np.unique(x, True, True, True, axis, equal_nan=equal_nan)
    if axis is not None:
        values = np.moveaxis(values, axis, 0)
    if np.size(fill_value) > 1 or fill_value is None or np.ndim(fill_value) == 0:
        values = filled(values, size, fill_value)
    index = filled(index, size, None)
    counts = filled(counts, size, 0)
    out = values if axis is None else np.moveaxis(values, 0, axis)
    more = [a for a, asked in ((index, return_index), (inverse, return_inverse), (counts, return_counts)) if asked]
    return (out, *more) if more else out


def uniques(d: Draw):
    with_axis = d.flag()
    x = few(d, shape=d.shape(1, 2, empty=False) if with_axis else d.shape(0, 2, empty=not d.traced))
    kwargs = d.some(return_index=True, return_inverse=True, return_counts=True)
    if with_axis:
        kwargs["axis"] = d.axis(x.ndim)
    if kind(x.dtype) == "f" and d.flag():
        kwargs["equal_nan"] = d.flag()
    return call(x, **kwargs, **sized(d), **d.some(sorted=(True, False)))


def uniques_of_one(d: Draw):
    size = sized(d)
    return call(few(d, shape=d.shape(0, 2, empty=not size)), **size)


def unique_pieces(*names):
    """The functions of the array API standard: each nan counts by itself."""
    def oracle(x, size=None, fill_value=None):
        values, index, inverse, counts = unique_oracle(x, True, True, True, size=size, fill_value=fill_value, equal_nan=False)
        found = {"values": values, "index": index, "inverse": inverse, "counts": counts}
        return tuple(found[n] for n in names) if len(names) > 1 else values
    return oracle


def two(unique=True):
    def calls(d: Draw):
        kwargs = sized(d)
        if unique and d.flag():
            dtype = d.dtype(INTS + ("float32", "complex64"))
            x, y = (d.array(dtype=dtype, shape=(d.integer(0, 4),), low=-2.0, special=False, distinct=True) for _ in range(2))
            return call(x, y, assume_unique=True, **kwargs)
        x, y = few(d), few(d)
        if {"uint64"} < {x.dtype.name, y.dtype.name} and "i" in kind(x.dtype) + kind(y.dtype):
            y = y.astype(x.dtype)               # together they are floats, weakly in JAX
        return call(x, y, **kwargs)
    return calls


def together(x, y):
    dtype = np.result_type(x, y)
    return np.ravel(x).astype(dtype), np.ravel(y).astype(dtype)


def union(x, y, size=None, fill_value=None):
    return filled(np.union1d(*together(x, y)), size, fill_value)


def intersection(x, y, assume_unique=False, return_indices=False, size=None, fill_value=None):
    a, b = together(x, y)
    values, i, j = np.intersect1d(a, b, return_indices=True)
    out = filled(values, size, fill_value)
    return (out, filled(i, size, a.size), filled(j, size, b.size)) if return_indices else out


def intersections(d: Draw):
    given = two()(d)
    return call(*given.args, **given.kwargs, **d.some(return_indices=(True, False)))


def difference(x, y, assume_unique=False, size=None, fill_value=None):
    x, y = np.ravel(x), np.ravel(y)
    if assume_unique:
        return filled(x[~np.isin(x, y)], size, fill_value or 0)
    values = np.unique(x)
    return filled(values[~np.isin(values, y)], size, fill_value or 0)


def symmetric_difference(x, y, assume_unique=False, size=None, fill_value=None):
    return filled(np.setxor1d(*together(x, y)), size, fill_value)


def members(d: Draw):
    kwargs = d.some(assume_unique=(False,), invert=(True, False), method=("auto", "compare_all", "binary_search", "sort"))
    return call(few(d, ANY), few(d, REAL), **kwargs)


def isin(x, y, assume_unique=False, invert=False, method=None):
    return np.isin(x, y, invert=invert)


ROWS = [
    Row("numpy.unique", unique_oracle, uniques),
    Row("numpy.unique_values", unique_pieces("values"), uniques_of_one, examples=5),
    Row("numpy.unique_counts", unique_pieces("values", "counts"), uniques_of_one, examples=5),
    Row("numpy.unique_inverse", unique_pieces("values", "inverse"), uniques_of_one, examples=5),
    Row("numpy.unique_all", unique_pieces("values", "index", "inverse", "counts"), uniques_of_one, examples=5),
    Row("numpy.union1d", union, two(unique=False)),
    Row("numpy.intersect1d", intersection, intersections),
    Row("numpy.setdiff1d", difference, two()),
    Row("numpy.setxor1d", symmetric_difference, two()),
    Row("numpy.isin", isin, members, "bool", grad=False, why="its results are booleans"),
]
V = np.arange(3, dtype=np.int32)

REFUSALS = [
    Refusal("numpy.unique", lambda m: m.numpy.unique([1]), TypeError, "unique requires.*list", "list"),
    Refusal("numpy.unique", lambda m: m.numpy.unique(V, size=-1), TypeError, "size must not be negative, got -1", "negative size"),
    Refusal("numpy.unique", lambda m: m.numpy.unique(V, size=1.5), TypeError, "size must be an integer, got 1.5", "float as size"),
    Refusal("numpy.unique", lambda m: m.numpy.unique(V, axis=1), ValueError, "axis 1 is out of bounds", "axis"),
    Refusal("numpy.unique", lambda m: m.numpy.unique(V[:0], size=2), ValueError, "fill_value must be specified", "nothing to fill with"),
    *[Refusal(f"numpy.{name}", lambda m, name=name, n=n: m.jit(getattr(m.numpy, name))(*(V,) * n), TypeError, "size", "no size under jit")
      for name, n in (("unique", 1), ("unique_values", 1), ("union1d", 2), ("intersect1d", 2), ("setdiff1d", 2), ("setxor1d", 2))],
    Refusal("numpy.setxor1d", lambda m: m.numpy.setxor1d(V, [1]), TypeError, "setxor1d requires.*list.* at position 1", "list"),
    Refusal("numpy.isin", lambda m: m.numpy.isin(V, V, method="x"), ValueError, "method='x'", "method"),
    Refusal("numpy.isin", lambda m: m.numpy.isin([1], V), TypeError, "isin requires.*list.* at position 0", "list"),
]
