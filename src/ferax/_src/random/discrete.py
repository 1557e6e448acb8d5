"""Samplers of discrete distributions, permutations and choices."""

from __future__ import annotations

import math

import numpy as np

from ferax._src.ops.broadcasting import broadcast_to
from ferax._src.ops.compare import lt
from ferax._src.ops.convert import as_array, convert_element_type
from ferax._src.ops.elementwise import floor, log, log1p, neg
from ferax._src.ops.joining import unstack
from ferax._src.ops.reduce import argmax
from ferax._src.ops.shape import iota
from ferax._src.ops.sort import sort_key_val, top_k
from ferax._src.ops.static import canonical_shape, normalize_axis
from ferax._src.random.continuous import _gumbel, gumbel_mode
from ferax._src.random.keys import random_bits, single, split
from ferax._src.random.uniform import randint, sample_shape, uniform, uniform_between
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes


def bernoulli(key, p=0.5, shape=None, mode="low", *, out_sharding=None):
    """Booleans that are True with probability ``p``.

    Parameters
    ----------
    key : a key
    p : float array
    shape : tuple of int; by default that of ``p``
    mode : "low", or "high" for probabilities below the spacing of uniform numbers
    """
    if mode not in ("low", "high"):
        raise ValueError(f"got mode={mode!r}, expected 'high' or 'low'")
    dtype = dtypes.canonicalize_dtype(dtypes.lattice_result_type(float, p)[0])
    if dtypes.kind_of(dtype) != "f":
        raise TypeError(f"bernoulli probability `p` must have a floating dtype, got {dtypes.dtype_name(dtype)}.")
    return _bernoulli(single(key, "bernoulli"), p, shape=sample_shape(shape, p, name="bernoulli"), dtype=dtype, mode=mode)


@fused(static=("shape", "dtype", "mode"))
def _bernoulli(key, p, *, shape, dtype, mode):
    p = broadcast_to(convert_element_type(p, dtype), shape)
    if mode == "low":
        return lt(uniform_between(key, 0.0, 1.0, shape=shape, dtype=dtype), p)
    high, low = unstack(uniform_between(key, 0.0, 1.0, shape=(2, *shape), dtype=dtype))
    return lt(high, p - low * np.array(2.0 ** -dtypes.finfo(dtype).nmant, dtype))


def rademacher(key, shape=(), dtype=None, *, out_sharding=None):
    """Numbers that are 1 or -1, each with probability 1/2."""
    dtype = dtypes.default_int_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "rademacher")
    return _rademacher(single(key, "rademacher"), shape=canonical_shape(shape), dtype=dtype)


@fused(static=("shape", "dtype"))
def _rademacher(key, *, shape, dtype):
    heads = _bernoulli(key, 0.5, shape=shape, dtype=np.dtype(np.float32) if dtypes.default_float_dtype() == np.float32
                       else dtypes.default_float_dtype(), mode="low")
    return convert_element_type(np.array(2, dtype) * convert_element_type(heads, dtype) - np.array(1, dtype), dtype)


def geometric(key, p, shape=None, dtype=None, *, out_sharding=None):
    """The number of trials, each of success probability ``p``, up to the first success."""
    dtype = dtypes.default_int_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "geometric")
    if dtypes.kind_of(dtype) not in "iu":
        raise ValueError(f"dtype argument to `geometric` must be an int dtype, got {dtypes.dtype_name(dtype)}")
    return _geometric(single(key, "geometric"), p, shape=sample_shape(shape, p, name="geometric"), dtype=dtype)


@fused(static=("shape", "dtype"))
def _geometric(key, p, *, shape, dtype):
    drawn = dtypes.canonicalize_dtype(dtypes.lattice_result_type(float, p)[0])
    u = uniform_between(key, 0.0, 1.0, shape=shape, dtype=drawn)
    misses = log1p(neg(broadcast_to(convert_element_type(p, drawn), shape)))
    return convert_element_type(floor(log1p(neg(u)) / misses) + np.array(1, drawn), dtype)


def categorical(key, logits, axis=-1, shape=None, replace=True, mode=None, *, out_sharding=None):
    """Indices drawn with probabilities proportional to ``exp(logits)`` along an axis.

    Parameters
    ----------
    key : a key
    logits : float array
    axis : int; the axis of the categories
    shape : tuple of int that ends with the shape of ``logits`` without ``axis``, or None for just that
    replace : bool; False draws distinct indices along the leading part of ``shape``
    mode : "low" or "high", see `gumbel`

    Returns
    -------
    integer Array of ``shape``
    """
    logits = as_array(logits)
    axis = normalize_axis(axis, logits.ndim)
    batch = logits.shape[:axis] + logits.shape[axis + 1:]
    shape = batch if shape is None else canonical_shape(shape)
    prefix = shape[:len(shape) - len(batch)]
    if shape[len(prefix):] != batch:
        raise ValueError(f"categorical: shape={shape} must end with the shape of logits without the axis of categories, {batch}")
    if dtypes.kind_of(logits.dtype) != "f":
        raise TypeError(f"categorical: logits must have a floating dtype, got {dtypes.dtype_name(logits.dtype)}")
    if not replace and math.prod(prefix) > logits.shape[axis]:
        raise ValueError(f"categorical: {math.prod(prefix)} distinct indices were asked for of only {logits.shape[axis]} "
                         "categories; use replace=True.")
    return _categorical(single(key, "categorical"), logits, axis=axis, prefix=prefix, replace=bool(replace),
                        mode=gumbel_mode(mode))


@fused(static=("axis", "prefix", "replace", "mode"))
def _categorical(key, logits, *, axis, prefix, replace, mode):
    index_dtype = dtypes.default_int_dtype()
    if replace:
        full = (*prefix, *logits.shape)
        noise = _gumbel(key, shape=full, dtype=np.dtype(logits.dtype), mode=mode)
        return argmax(noise + broadcast_to(logits, full), len(prefix) + axis, index_dtype)
    noisy = logits + _gumbel(key, shape=logits.shape, dtype=np.dtype(logits.dtype), mode=mode)
    k = math.prod(prefix)
    _, found = top_k(noisy, k, axis=axis)
    from ferax._src.ops.axes import move_axis  # lazy: only here
    return convert_element_type(move_axis(found, axis, 0).reshape((*prefix, *noisy.shape[:axis], *noisy.shape[axis + 1:])),
                                index_dtype)


# --- permutations and choices -------------------------------------------------------------------

def permutation(key, x, axis=0, independent=False, *, out_sharding=None):
    """An array in random order along an axis.

    Parameters
    ----------
    key : a key
    x : array, or int ``n`` for ``arange(n)``
    axis : int
    independent : bool; permute each vector along ``axis`` on its own
    """
    key = single(key, "permutation")
    x = x if isinstance(x, (int, np.integer)) and not isinstance(x, bool) else as_array(x)
    if not isinstance(x, Array):
        return _shuffled(key, iota(dtypes.default_int_dtype(), int(x)), axis=0)
    if x.ndim == 0:
        raise TypeError("permutation: x must be an int or an array of at least one dimension; got a scalar array. "
                        "Convert it with int(x).")
    axis = normalize_axis(axis, x.ndim)
    if independent or x.ndim == 1:
        return _shuffled(key, x, axis=axis)
    order = _shuffled(key, iota(dtypes.default_int_dtype(), x.shape[axis]), axis=0)
    return x[(slice(None),) * axis + (order,)]


@fused(static=("axis",))
def _shuffled(key, x, *, axis):
    """Sort by random keys, as often as makes ties in all rounds improbable: three times the entropy of an order."""
    size = max(1, math.prod(x.shape))
    rounds = int(np.ceil(3 * np.log(size) / np.log(np.iinfo(np.uint32).max)))
    for _ in range(rounds):
        key, subkey = unstack(split(key))
        _, x = sort_key_val(random_bits(subkey, 32, x.shape), x, axis)
    return x


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
    mode : "low" or "high", see `gumbel`

    Raises
    ------
    ValueError : where more distinct elements are asked for than there are, or ``p`` does not fit
    """
    key = single(key, "choice")
    shape = canonical_shape(shape)
    if not isinstance(a, (int, np.integer)) or isinstance(a, bool):
        a = as_array(a)
        if a.ndim == 0:
            a = int(a)
    n = int(a) if not isinstance(a, Array) else a.shape[normalize_axis(axis, a.ndim)]
    drawn = math.prod(shape)
    if drawn == 0:
        rest = () if not isinstance(a, Array) else a.shape[1:]
        return as_array(np.zeros((*shape, *rest), np.int32 if not isinstance(a, Array) else a.dtype))
    if n <= 0:
        raise ValueError("choice: a must have at least one element, unless no samples are drawn")
    if not replace and drawn > n:
        raise ValueError(f"choice: cannot draw {drawn} distinct samples of {n} elements; use replace=True")
    if p is None:
        if replace:
            index = randint(key, shape, 0, n)
        elif isinstance(a, Array):
            axis = normalize_axis(axis, a.ndim)
            found = permutation(key, a, axis)[(slice(None),) * axis + (slice(drawn),)]
            return found.reshape((*a.shape[:axis], *shape, *a.shape[axis + 1:]))
        else:
            return permutation(key, n)[:drawn].reshape(shape)
    else:
        p = as_array(p)
        if p.shape != (n,):
            raise ValueError(f"choice: p must have the shape ({n},) of the elements of a, got {p.shape}")
        index = (_weighted if replace else _weighted_distinct)(key, p, shape=shape, mode=gumbel_mode(mode))
    if not isinstance(a, Array):
        return index
    axis = normalize_axis(axis, a.ndim)
    return a[(slice(None),) * axis + (index,)]


@fused(static=("shape", "mode"))
def _weighted(key, p, *, shape, mode):
    from ferax._src.numpy.histograms import searchsorted  # lazy: one sampler's need
    total = p.cumsum()
    u = total[-1] * (np.array(1, p.dtype) - uniform(key, shape, p.dtype))
    return convert_element_type(searchsorted(total, u), dtypes.default_int_dtype())


@fused(static=("shape", "mode"))
def _weighted_distinct(key, p, *, shape, mode):
    noisy = _gumbel(key, shape=p.shape, dtype=np.dtype(p.dtype), mode=mode) + log(p)
    _, found = top_k(noisy, math.prod(shape))
    return convert_element_type(found, dtypes.default_int_dtype()).reshape(shape)


