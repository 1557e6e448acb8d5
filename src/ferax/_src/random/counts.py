"""Poisson, binomial and multinomial numbers, by loops that turn until all numbers are accepted.

Both distributions are drawn in two ways, one for small and one for great means, and each number taken from the one that suits
it. The other way computes with a harmless parameter instead.
"""

from __future__ import annotations

import numpy as np

from ferax._src.control.scan_api import scan
from ferax._src.control.while_loop import while_loop
from ferax._src.numpy.taking import take
from ferax._src.numpy.util import check_arraylike, promote_dtypes_inexact
from ferax._src.ops.axes import move_axis
from ferax._src.ops.broadcasting import broadcast_to
from ferax._src.ops.compare import eq, ge, gt, le, lt, ne
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.cumulative import cumsum
from ferax._src.ops.elementwise import (
    abs as abs_, add, ceil, div, floor, log, log1p, mul, neg, sqrt, sub)
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not, bitwise_or
from ferax._src.ops.elementwise_special import lgamma
from ferax._src.ops.reduce import reduce_and, reduce_or
from ferax._src.ops.select import clamp, select
from ferax._src.ops.zeros import full
from ferax._src.random.arguments import as_shape, constrained, float_dtype, sample_shape, shape_of
from ferax._src.random.keys import fresh, single
from ferax._src.random.prng import random_clone_p, random_split_p
from ferax._src.random.uniform import unit
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes
from ferax._src.util.tracebacks import api_boundary

_FLOAT32 = np.dtype(np.float32)


def _any(x):
    return reduce_or(x, tuple(range(x.ndim)))


def _all(x):
    return reduce_and(x, tuple(range(x.ndim)))


# --- poisson ------------------------------------------------------------------------------------

@api_boundary
def poisson(key, lam, shape=None, dtype=None, *, out_sharding=None):
    """Poisson numbers: of probability proportional to ``lam^k / k!``.

    Parameters
    ----------
    key : a key
    lam : array or number, not negative; the mean
    shape : tuple of int that ``lam`` broadcasts to; by default its own
    dtype : integer dtype

    References
    ----------
    Below a mean of 10 Knuth, *The art of computer programming*, volume 2, section 3.4.1; above Hormann, *The transformed
    rejection method for generating Poisson random variables*, 1993.

    Examples
    --------
    >>> ferax.random.poisson(ferax.random.key(0), jnp.array([0.0, 100.0])).shape
    (2,)
    """
    key = single(key, "poisson")
    dtype = dtypes.default_int_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "poisson")
    if dtypes.kind_of(dtype) not in "iu":
        raise ValueError(f"dtype argument to `poisson` must be an int dtype, got {dtypes.dtype_name(dtype)}")
    shape = sample_shape("poisson", shape, lam)
    return constrained(_poisson(key, lam, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _poisson(key, lam, *, shape, dtype):
    lam = convert(broadcast_to(lam, shape), _FLOAT32)
    small = bitwise_or(ne(lam, lam), lt(lam, np.float32(10)))
    again = random_clone_p.bind(key)[0]         # of the two numbers for each element only one is used
    drawn = select(small, _poisson_by_product(key, select(small, lam, np.float32(0)), dtype),
                   _poisson_by_rejection(again, select(small, np.float32(1e5), lam), dtype))
    return select(eq(lam, np.float32(0)), dtype.type(0), drawn)


def _poisson_by_product(key, lam, dtype):
    """How many uniform numbers can be multiplied before the product falls below ``exp(-lam)``."""
    one, most = dtype.type(1), _steps(dtypes.iinfo(dtype).max)
    bound = neg(lam)

    def go_on(state):
        i, _, _, logs = state
        return bitwise_and(_any(gt(logs, bound)), lt(i, most))

    def step(state):
        i, k, key, logs = state
        key, subkey = fresh(key)
        k = select(gt(logs, bound), add(k, one), k)
        return add(i, 1), k, key, add(logs, log(unit(subkey, shape=lam.shape, dtype=_FLOAT32)))

    start = 0, full(lam.shape, 0, dtype), key, full(lam.shape, 0, _FLOAT32)
    return sub(while_loop(go_on, step, start)[1], one)


def _steps(most) -> int:
    """A number of steps that no loop reaches, in the range of the counter."""
    return int(min(float(most), float(dtypes.iinfo(dtypes.default_int_dtype()).max // 2)))


def _poisson_by_rejection(key, lam, dtype):
    number = np.float32
    log_lam = log(lam)
    b = add(number(0.931), mul(number(2.53), sqrt(lam)))
    a = add(number(-0.059), mul(number(0.02483), b))
    inverse_alpha = add(number(1.1239), div(number(1.1328), sub(b, number(3.4))))
    squeeze = sub(number(0.9277), div(number(3.6224), sub(b, number(2))))
    most = _steps(dtypes.iinfo(dtype).max)

    def go_on(state):
        i, _, accepted, _ = state
        return bitwise_and(_any(bitwise_not(accepted)), lt(i, most))

    def step(state):
        i, found, accepted, key = state
        key, key_u, key_v = fresh(key, 3)
        u = sub(unit(key_u, shape=lam.shape, dtype=_FLOAT32), number(0.5))
        v = unit(key_v, shape=lam.shape, dtype=_FLOAT32)
        us = sub(number(0.5), abs_(u))
        k = floor(add(add(mul(add(div(mul(number(2), a), us), b), u), lam), number(0.43)))
        s = log(div(mul(v, inverse_alpha), add(div(a, mul(us, us)), b)))
        t = sub(add(neg(lam), mul(k, log_lam)), lgamma(add(k, number(1))))
        at_once = bitwise_and(ge(us, number(0.07)), le(v, squeeze))
        out = bitwise_or(lt(k, number(0)), bitwise_and(lt(us, number(0.013)), gt(v, us)))
        accept = bitwise_or(at_once, bitwise_and(bitwise_not(out), le(s, t)))
        return add(i, 1), select(accept, k, found), bitwise_or(accepted, accept), key

    start = 0, full(lam.shape, -1, _FLOAT32), full(lam.shape, False, dtypes.bool_), key
    return convert(while_loop(go_on, step, start)[1], dtype)


# --- binomial -----------------------------------------------------------------------------------

@api_boundary
def binomial(key, n, p, shape=None, dtype=None):
    """Binomial numbers: how many of ``n`` trials, each of success probability ``p``, succeed.

    Parameters
    ----------
    key : a key
    n, p : arrays or numbers
    shape : tuple of int that ``n`` and ``p`` broadcast to; by default the shape they broadcast to
    dtype : floating dtype

    Returns
    -------
    Array of whole numbers as floats; nan for a negative or nan ``n``, or a nan ``p``

    References
    ----------
    Up to a mean of 10 by sums of geometric numbers; above Hormann, *The generation of binomial random variates*, 1993.

    Examples
    --------
    >>> ferax.random.binomial(ferax.random.key(0), 10, 1.0)
    Array(10., dtype=float32)
    """
    key = single(key, "binomial")
    check_arraylike("binomial", n, p)
    dtype = float_dtype(dtype, "binomial")
    return _binomial(key, n, p, shape=sample_shape("binomial", shape, n, p), dtype=dtype)


@fused(static=("shape", "dtype"))
def _binomial(key, count, prob, *, shape, dtype):
    (prob,) = promote_dtypes_inexact(prob)
    own = np.dtype(as_array(prob).dtype)
    number = own.type
    count, prob = broadcast_to(convert(count, own), shape), broadcast_to(convert(prob, own), shape)
    below_half = lt(prob, number(0.5))
    q = select(below_half, prob, sub(number(1), prob))
    bad_count = bitwise_or(ne(count, count), lt(count, number(0)))
    infinite = eq(abs_(count), number(np.inf))
    bad_q = bitwise_or(ne(q, q), lt(q, number(0)))
    nan_q = ne(q, q)
    q = select(bad_q, number(0.01), q)
    small = bitwise_or(bad_count, le(mul(count, q), number(10)))
    count = floor(count)
    again = random_clone_p.bind(key)[0]         # of the two numbers for each element only one is used
    drawn = select(small, _binomial_by_sums(key, select(small, count, number(0)), q, dtype),
                   _binomial_by_rejection(again, select(small, number(1e4), count), select(small, number(0.5), q), dtype))
    invalid = bitwise_or(bad_q, bad_count)
    drawn = select(invalid, dtype.type(np.nan), drawn)
    drawn = select(bitwise_and(infinite, bitwise_not(invalid)), dtype.type(np.inf), drawn)
    direct = bitwise_or(bitwise_or(bitwise_or(below_half, bad_count), nan_q), infinite)
    return select(direct, drawn, sub(convert(count, dtype), drawn))


def _binomial_by_sums(key, count, prob, dtype):
    """How many geometric numbers, the trials up to a success, fit into ``count`` trials."""
    own = np.dtype(prob.dtype)
    one = own.type(1)
    misses = log1p(neg(prob))
    most = _steps(dtypes.finfo(dtype).max)

    def go_on(state):
        i, _, trials, _ = state
        return bitwise_and(_any(le(trials, count)), lt(i, most))

    def step(state):
        i, k, trials, key = state
        subkey, key = fresh(key)
        k = select(le(trials, count), add(k, one), k)
        return add(i, 1), k, add(trials, ceil(div(log(unit(subkey, shape=prob.shape, dtype=own)), misses))), key

    start = 0, full(prob.shape, 0, own), full(prob.shape, 0, own), key
    return convert(sub(while_loop(go_on, step, start)[1], one), dtype)


def _binomial_by_rejection(key, count, prob, dtype):
    own = np.dtype(prob.dtype)
    number = own.type
    one, half = number(1), number(0.5)
    stddev = sqrt(mul(mul(count, prob), sub(one, prob)))
    b = add(number(1.15), mul(number(2.53), stddev))
    a = add(add(number(-0.0873), mul(number(0.0248), b)), mul(number(0.01), prob))
    c = add(mul(count, prob), half)
    squeeze = sub(number(0.92), div(number(4.2), b))
    odds = div(prob, sub(one, prob))
    alpha = mul(add(number(2.83), div(number(5.1), b)), stddev)
    m = floor(mul(add(count, one), prob))
    most = _steps(dtypes.finfo(dtype).max)

    def go_on(state):
        i, _, accepted, _ = state
        return bitwise_and(bitwise_not(_all(accepted)), lt(i, most))

    def step(state):
        i, found, accepted, key = state
        key, key_u, key_v = fresh(key, 3)
        u = sub(unit(key_u, shape=prob.shape, dtype=own), half)
        v = unit(key_v, shape=prob.shape, dtype=own)
        us = sub(half, abs_(u))
        at_once = bitwise_and(ge(us, number(0.07)), le(v, squeeze))
        k = floor(add(mul(add(div(mul(number(2), a), us), b), u), c))
        out = bitwise_or(lt(k, number(0)), gt(k, count))
        v = log(div(mul(v, alpha), add(div(a, mul(us, us)), b)))
        rest, rest_m = add(sub(count, k), one), add(sub(count, m), one)
        bound = mul(add(m, half), log(div(add(m, one), mul(odds, rest_m))))
        bound = add(bound, mul(add(count, one), log(div(rest_m, rest))))
        bound = add(bound, mul(add(k, half), log(div(mul(odds, rest), add(k, one)))))
        bound = sub(add(add(bound, _stirling_tail(m)), _stirling_tail(sub(count, m))), _stirling_tail(k))
        bound = sub(bound, _stirling_tail(sub(count, k)))
        accept = bitwise_or(at_once, bitwise_and(bitwise_not(out), le(v, bound)))
        return add(i, 1), select(accept, k, found), bitwise_or(accepted, accept), key

    start = 0, full(prob.shape, -1, own), full(prob.shape, False, dtypes.bool_), key
    return convert(while_loop(go_on, step, start)[1], dtype)


#: ``log(k!)`` minus Stirling's formula for it, for k from 0 to 9.
_TAILS = (0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
          0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287)


def _stirling_tail(k):
    """``log(k!)`` minus ``(k + 1/2) log(k + 1) - (k + 1) + log(2 pi) / 2``."""
    number = np.dtype(k.dtype).type
    small = le(k, number(9))
    k = clamp(number(0), k, number(9))
    next_k = add(k, number(1))
    square = mul(next_k, next_k)
    series = sub(number(1 / 360), div(number(1 / 1260), square))
    series = div(sub(number(1 / 12), div(series, square)), next_k)
    table = as_array(np.array(_TAILS, k.dtype))
    index = convert(floor(k), np.dtype(np.int32))
    return select(small, take(table, index, mode="clip"), series)


# --- multinomial --------------------------------------------------------------------------------

@api_boundary
def multinomial(key, n, p, *, shape=None, dtype=None, unroll=1):
    """How often each of k outcomes occurs in ``n`` trials.

    Parameters
    ----------
    key : a key
    n : array or number that broadcasts to ``p.shape[:-1]``; the number of trials
    p : array, shape (..., k); the outcomes' probabilities
    shape : tuple of int that ``p`` broadcasts to; by default its own shape
    dtype : floating dtype
    unroll : as of `ferax.lax.scan`

    Returns
    -------
    Array of ``shape``, of whole numbers as floats

    Examples
    --------
    >>> ferax.random.multinomial(ferax.random.key(0), 10, jnp.array([0.5, 0.5])).sum()
    Array(10., dtype=float32)
    """
    key = single(key, "multinomial")
    check_arraylike("multinomial", n, p)
    n, p = [as_array(x) for x in promote_dtypes_inexact(n, p)]
    dtype = float_dtype(dtype, "multinomial")
    shape = shape_of(p) if shape is None else as_shape(shape)
    return _multinomial(key, n, p, shape=shape, dtype=dtype, unroll=unroll)


@fused(static=("shape", "dtype", "unroll"))
def _multinomial(key, n, p, *, shape, dtype, unroll):
    own = np.dtype(p.dtype)
    zero, one = own.type(0), own.type(1)
    p = move_axis(broadcast_to(p, shape), len(shape) - 1, 0)
    left = cumsum(p, 0, reverse=True)
    shares = div(p, select(eq(left, zero), one, left))          # of an outcome among those that are left
    keys = random_split_p.bind(key, shape=(shape[-1],))[0]

    def step(remaining, share_and_key):
        share, key = share_and_key
        count = _binomial(key, remaining, clamp(zero, share, one), shape=shape[:-1], dtype=own)
        return sub(remaining, count), count

    _, counts = scan(step, broadcast_to(n, shape[:-1]), (shares, keys), unroll=unroll)
    return convert(move_axis(counts, 0, len(shape) - 1), dtype)
