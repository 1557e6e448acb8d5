"""Random orders and random choices of elements."""

from __future__ import annotations

import math

import numpy as np

from ferax._src.numpy.cumulative import cumsum
from ferax._src.numpy.histograms import searchsorted
from ferax._src.numpy.taking import take
from ferax._src.numpy.util import check_arraylike, promote_dtypes_inexact
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import add, log, mul, sub
from ferax._src.ops.shape import iota, reshape
from ferax._src.ops.slicing import index_in_dim, slice_in_dim
from ferax._src.ops.sort import sort_key_val, top_k
from ferax._src.ops.static import canonical_shape, normalize_axis
from ferax._src.ops.zeros import full
from ferax._src.random.arguments import constrained, shape_of
from ferax._src.random.continuous import gumbel_, gumbel_mode
from ferax._src.random.keys import fresh, random_bits, single
from ferax._src.random.uniform import randint, unit
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, Tracer
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.util import errors
from ferax._src.util.tracebacks import api_boundary


def _elements(name: str, x):
    """An array of elements, or for an integer ``n``, that stands for ``arange(n)``, a Python int."""
    check_arraylike(name, x)
    if shape_of(x):
        return as_array(x)
    if isinstance(x, Tracer) and x.concrete_value() is None:
        raise errors.ConcretizationTypeError(x, f"the number of elements given to ferax.random.{name}() must be known")
    return x


@api_boundary
def permutation(key, x, axis=0, independent=False, *, out_sharding=None):
    """An array in random order along an axis.

    Parameters
    ----------
    key : a key
    x : array, or int ``n`` for ``arange(n)``
    axis : int
    independent : bool; permute each vector along ``axis`` on its own

    Raises
    ------
    TypeError : for a scalar that is no integer

    Examples
    --------
    >>> jnp.sort(ferax.random.permutation(ferax.random.key(0), 4))
    Array([0, 1, 2, 3], dtype=int32)
    """
    key = single(key, "permutation")
    x = _elements("permutation", x)
    if not isinstance(x, Array) or not x.ndim:
        if isinstance(x, bool) or dtypes.kind_of(aval_of(x).dtype) not in "iu":
            raise TypeError("x must be an integer or at least 1-dimensional")
        normalize_axis(axis, 1)
        return constrained(_shuffled_range(key, n=max(int(x), 0)), out_sharding)
    axis = normalize_axis(axis, x.ndim)
    return constrained(_permutation(key, x, axis=axis, independent=bool(independent)), out_sharding)


@fused(static=("axis", "independent"))
def _permutation(key, x, *, axis, independent):
    if independent or x.ndim == 1:
        return _shuffled(key, x, axis)
    return take(x, _shuffled_range(key, n=x.shape[axis]), axis, unique_indices=True)


@fused(static=("n",))
def _shuffled_range(key, *, n):
    return _shuffled(key, iota(dtypes.default_int_dtype(), n), 0)


def _shuffled(key, x, axis):
    """Sorted by random words, in so many rounds that two elements with the same words in all of them are improbable:
    three times as many bits as an order of all elements has for each of them."""
    rounds = int(np.ceil(3 * np.log(max(1, math.prod(x.shape))) / np.log(np.iinfo(np.uint32).max)))
    for _ in range(rounds):
        key, subkey = fresh(key)
        _, x = sort_key_val(random_bits(subkey, 32, x.shape), x, axis)
    return x


@api_boundary
def choice(key, a, shape=(), replace=True, p=None, axis=0, mode=None):
    """Elements of an array drawn at random.

    Parameters
    ----------
    key : a key
    a : array, or int ``n`` for ``arange(n)``
    shape : tuple of int; how many to draw
    replace : bool; whether an element can be drawn more than once
    p : probabilities along ``axis``; uniform by default
    axis : int; which axis holds the elements
    mode : "low", "high" or "highest", see `gumbel`

    Raises
    ------
    ValueError : where more distinct elements are asked for than there are, or ``p`` does not fit

    Examples
    --------
    >>> ferax.random.choice(ferax.random.key(0), 10, (2, 3)).shape
    (2, 3)
    """
    key = single(key, "choice")
    if not hasattr(shape, "__len__"):
        raise TypeError(f"shape argument of ferax.random.choice must be a sequence, got {shape}")
    shape = canonical_shape(tuple(shape))
    a = _elements("choice", a)
    if isinstance(a, Array) and a.ndim:
        axis = normalize_axis(axis, a.ndim)
        n, dtype = a.shape[axis], a.dtype
    else:
        n, dtype, a = int(a), aval_of(a).dtype, None
    drawn = math.prod(shape)
    if drawn == 0:
        return full(shape, 0, dtype)
    if n <= 0:
        raise ValueError("a must be greater than 0 unless no samples are taken")
    if not replace and drawn > n:
        raise ValueError(f"Cannot take a larger sample (size {drawn}) than population (size {n}) when 'replace=False'")
    if p is None:
        if replace:
            index = randint(key, shape, 0, n)
        elif a is None:
            return _some_of_range(key, n=n, shape=shape)
        else:
            return _some(key, a, axis=axis, shape=shape)
    else:
        check_arraylike("choice", p)
        (p,) = promote_dtypes_inexact(as_array(p))
        if p.shape != (n,):
            raise ValueError("p must be None or a 1D vector with the same size as a.shape[axis]. "
                             f"p has shape {p.shape} and a.shape[axis] is {n}.")
        index = _weighted(key, p, shape=shape) if replace else _weighted_distinct(key, p, shape=shape, mode=gumbel_mode(mode))
    return index if a is None else take(a, index, axis, mode="clip")        # nothing to clip, and so nothing to fill in


@fused(static=("axis", "shape"))
def _some(key, a, *, axis, shape):
    found = slice_in_dim(_permutation(key, a, axis=axis, independent=False), 0, math.prod(shape), axis=axis)
    return reshape(found, (*a.shape[:axis], *shape, *a.shape[axis + 1:]))


@fused(static=("n", "shape"))
def _some_of_range(key, *, n, shape):
    return reshape(slice_in_dim(_shuffled_range(key, n=n), 0, math.prod(shape)), shape)


@fused(static=("shape",))
def _weighted(key, p, *, shape):
    total = cumsum(p)
    dtype = np.dtype(total.dtype)
    u = sub(dtype.type(1), unit(key, shape=shape, dtype=dtype))
    found = searchsorted(total, mul(index_in_dim(total, -1, 0, keepdims=False), u))
    return convert(found, dtypes.default_int_dtype())


@fused(static=("shape", "mode"))
def _weighted_distinct(key, p, *, shape, mode):
    noisy = add(gumbel_(key, shape=p.shape, dtype=np.dtype(p.dtype), mode=mode), log(p))
    _, found = top_k(noisy, math.prod(shape))
    return reshape(convert(found, dtypes.default_int_dtype()), shape)
