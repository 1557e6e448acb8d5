"""Samplers of discrete distributions."""

from __future__ import annotations

import math

import numpy as np

from ferax._src.numpy.util import check_arraylike, promote_dtypes_inexact
from ferax._src.ops.axes import move_axis
from ferax._src.ops.compare import eq, lt
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import add, div, floor, log, log1p, mul, neg, sub
from ferax._src.ops.joining import unstack
from ferax._src.ops.arg_extrema import argmax
from ferax._src.ops.select import select
from ferax._src.ops.shape import reshape
from ferax._src.ops.sort import top_k
from ferax._src.ops.static import normalize_axis
from ferax._src.random.arguments import as_shape, constrained, int_dtype, parameter, sample_shape
from ferax._src.random.continuous import gumbel_, gumbel_mode, signs_
from ferax._src.random.keys import single
from ferax._src.random.uniform import unit
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.util.tracebacks import api_boundary


@api_boundary
def bernoulli(key, p=0.5, shape=None, mode="low", *, out_sharding=None):
    """Booleans that are True with probability ``p``.

    Parameters
    ----------
    key : a key
    p : float array
    shape : tuple of int; by default that of ``p``
    mode : "low", or "high" for probabilities below the spacing of uniform numbers

    Examples
    --------
    >>> ferax.random.bernoulli(ferax.random.key(0), 0.9, (4,)).dtype
    dtype('bool')
    """
    shape = sample_shape("bernoulli", shape, p)
    if mode not in ("low", "high"):
        raise ValueError(f"got {mode=}, expected 'high' or 'low'")
    key = single(key, "bernoulli")
    dtype = dtypes.dtype_of(p)
    if dtypes.kind_of(dtype) != "f":
        raise TypeError(f"bernoulli probability `p` must have a floating dtype, got {dtypes.dtype_name(dtype)}.")
    return constrained(_bernoulli(key, p, shape=shape, dtype=dtype, mode=mode), out_sharding)


@fused(static=("shape", "dtype", "mode"))
def _bernoulli(key, p, *, shape, dtype, mode):
    p = parameter(p, dtype, len(shape))
    if mode == "low":
        return lt(unit(key, shape=shape, dtype=dtype), p)
    first, second = unstack(unit(key, shape=(2, *shape), dtype=dtype))
    return lt(mul(second, dtype.type(2.0 ** -dtypes.finfo(dtype).nmant)), sub(p, first))


@api_boundary
def rademacher(key, shape=(), dtype=None, *, out_sharding=None):
    """Numbers that are 1 or -1, each with probability 1/2.

    Examples
    --------
    >>> abs(ferax.random.rademacher(ferax.random.key(0), (3,)))
    Array([1, 1, 1], dtype=int32)
    """
    key = single(key, "rademacher")
    dtype = dtypes.default_int_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "rademacher")
    return constrained(signs_(key, shape=as_shape(shape), dtype=dtype), out_sharding)


@api_boundary
def geometric(key, p, shape=None, dtype=None, *, out_sharding=None):
    """The number of trials, each of success probability ``p``, up to the first success.

    Examples
    --------
    >>> ferax.random.geometric(ferax.random.key(0), 0.5, (100,)).min()
    Array(1, dtype=int32)
    """
    key = single(key, "geometric")
    dtype = int_dtype(dtype, "geometric")
    shape = sample_shape("geometric", shape, p)
    check_arraylike("geometric", p)
    return constrained(_geometric(key, p, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _geometric(key, p, *, shape, dtype):
    (p,) = promote_dtypes_inexact(p)
    drawn = aval_of(p).dtype
    one = drawn.type(1)
    u = unit(key, shape=shape, dtype=drawn)
    u = select(eq(u, drawn.type(0)), one, u)
    misses = log1p(neg(parameter(p, drawn, len(shape))))
    return convert(add(floor(div(log(u), misses)), one), dtype)


@api_boundary
def categorical(key, logits, axis=-1, shape=None, replace=True, mode=None, *, out_sharding=None):
    """Indices drawn with probabilities proportional to ``exp(logits)`` along an axis.

    Parameters
    ----------
    key : a key
    logits : float array
    axis : int; the axis of the categories
    shape : tuple of int that the shape of ``logits`` without ``axis`` broadcasts to, or None for just that
    replace : bool; False draws distinct indices along the leading part of ``shape``
    mode : "low", "high" or "highest", see `gumbel`

    Returns
    -------
    integer Array of ``shape``

    References
    ----------
    Kool, van Hoof and Welling, *Stochastic beams and where to find them*, 2019: with Gumbel noise added, the greatest logit is
    a draw, and the k greatest are k draws without replacement.

    Examples
    --------
    >>> ferax.random.categorical(ferax.random.key(0), jnp.array([0.0, 100.0, 0.0]), shape=(4,))
    Array([1, 1, 1, 1], dtype=int32)
    """
    key = single(key, "categorical")
    check_arraylike("categorical", logits)
    logits = as_array(logits)
    axis = normalize_axis(axis, logits.ndim)
    batch = logits.shape[:axis] + logits.shape[axis + 1:]
    if dtypes.kind_of(logits.dtype) != "f":
        raise ValueError(f"categorical: logits must have a float dtype, got {dtypes.dtype_name(logits.dtype)}")
    if shape is None:
        shape = batch
    else:
        shape = sample_shape("categorical", shape, np.broadcast_to(False, batch))
    lead = len(shape) - len(batch)
    drawn = math.prod(shape[:lead])
    if not replace:
        if drawn > logits.shape[axis]:
            raise ValueError(f"Number of samples without replacement ({drawn}) cannot exceed number of categories "
                             f"({logits.shape[axis]}).")
        if shape[lead:] != batch:
            raise ValueError(f"categorical: shape={shape} must end with {batch} for replace=False, the shape of logits without "
                             "the axis of categories")
    return constrained(_categorical(key, logits, axis=axis, shape=shape, replace=bool(replace), mode=gumbel_mode(mode)),
                       out_sharding)


@fused(static=("axis", "shape", "replace", "mode"))
def _categorical(key, logits, *, axis, shape, replace, mode):
    dtype = np.dtype(logits.dtype)
    lead = len(shape) - logits.ndim + 1
    if replace:
        full = (*shape[:lead + axis], logits.shape[axis], *shape[lead + axis:])
        noise = gumbel_(key, shape=full, dtype=dtype, mode=mode)
        return argmax(add(noise, parameter(logits, dtype, len(full))), lead + axis, dtypes.default_int_dtype())
    noisy = add(logits, gumbel_(key, shape=logits.shape, dtype=dtype, mode=mode))
    _, found = top_k(noisy, math.prod(shape[:lead]), axis=axis)
    return reshape(move_axis(found, axis, 0), shape)
