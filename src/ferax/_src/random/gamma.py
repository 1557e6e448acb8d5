"""Gamma numbers, and the distributions that are functions of them.

Marsaglia and Tsang, *A simple method for generating gamma variables*, 2000: for ``a >= 1`` the cube of a slightly shifted normal
number is nearly gamma distributed; a number is drawn until one is accepted, nineteen times in twenty the first. Below 1,
``G(a) = G(a + 1) * U^(1 / a)`` for uniform U, in logarithms, since for small ``a`` the power underflows.

How often a loop turns depends on its key, so each number has a key of its own, split off the one given.
"""

from __future__ import annotations

import operator

import numpy as np

from ferax._src.control.map import map as one_by_one
from ferax._src.control.while_loop import while_loop
from ferax._src.numpy.arithmetic import abs as jnp_abs, add as jnp_add, multiply as jnp_multiply
from ferax._src.numpy.division import true_divide
from ferax._src.numpy.powers import power
from ferax._src.numpy.reductions import sum as jnp_sum
from ferax._src.ops.axes import place_axis
from ferax._src.ops.broadcasting import broadcast_to, expand_dims
from ferax._src.ops.compare import eq, ge, le
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import add, div, exp, log, max as maximum, mul, neg, pow as pow_, sqrt, sub
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_or
from ferax._src.ops.elementwise_gamma import random_gamma_grad
from ferax._src.ops.reduce import reduce_max
from ferax._src.ops.select import select
from ferax._src.ops.shape import reshape
from ferax._src.random.arguments import (
    as_shape, check_safe_to_cast, constrained, float_dtype, parameter, sample_shape, shape_of)
from ferax._src.random.continuous import exponential_, normal_, signs_
from ferax._src.random.keys import fresh, single
from ferax._src.random.prng import KeyPrimitive, map_over, random_split_p, threefry_impl
from ferax._src.random.uniform import unit
from ferax._src.runtime.fused import fused
from ferax._src.runtime.lowering import lower_as
from ferax._src.tracing.core import Zero, register
from ferax._src.types import dtypes
from ferax._src.util.tracebacks import api_boundary


# --- one number ---------------------------------------------------------------------------------

def _draw(key, a, log_space: bool):
    """A gamma number of parameter ``a``, a scalar, or its logarithm."""
    dtype = np.dtype(a.dtype)
    zero, one, third = dtype.type(0), dtype.type(1), dtype.type(1 / 3)
    large = ge(a, one)
    d = sub(select(large, a, add(a, one)), third)
    c = div(third, sqrt(d))

    def rejected(state):
        _, x2, v, u = state                     # the square of a normal number, the cube of a shifted one, a uniform one
        squeeze = sub(one, mul(dtype.type(0.0331), mul(x2, x2)))
        bound = add(mul(x2, dtype.type(0.5)), mul(d, add(sub(one, v), log(v))))
        return bitwise_and(ge(u, squeeze), ge(log(u), bound))

    def shifted(state):
        key, next_key = fresh(state[0])
        x = normal_(next_key, shape=(), dtype=dtype)
        return key, x, add(one, mul(x, c))

    def attempt(state):
        key, normal_key, uniform_key = fresh(state[0], 3)
        _, x, v = while_loop(lambda s: le(s[2], zero), shifted, (normal_key, zero, dtype.type(-1)))
        return key, mul(x, x), mul(mul(v, v), v), unit(uniform_key, shape=(), dtype=dtype)

    key, boost_key = fresh(key)
    _, _, v, _ = while_loop(rejected, attempt, (key, zero, one, dtype.type(2)))     # the first state is rejected
    if log_space:
        boost = neg(exponential_(boost_key, shape=(), dtype=dtype))
        boost = select(bitwise_or(large, eq(boost, zero)), zero, mul(boost, div(one, a)))
        return add(add(log(d), log(v)), boost)
    boost = pow_(sub(one, unit(boost_key, shape=(), dtype=dtype)), div(one, a))
    return mul(mul(d, v), select(large, one, boost))


def _draw_all(keys, a, *, log_space):
    """Numbers for an array of keys and one of parameters, whose first dimensions are those of the keys."""
    n = keys.ndim
    count = int(np.prod(a.shape[n:], dtype=np.int64))
    split = reshape(random_split_p.bind(keys, shape=(count,))[0], (a.size,))
    flat = reshape(a, (a.size,))
    if keys.dtype._impl is threefry_impl:
        drawn = map_over(lambda key, x: _draw(key, x, log_space), 1, split, flat)
    else:                                       # other generators may draw all from the first key if mapped over several
        drawn = one_by_one(lambda pair: _draw(*pair, log_space), (split, flat))
    return reshape(drawn, a.shape)


def _by_parameter(a, drawn, log_space: bool):
    """The derivative of numbers by their parameters; of a logarithm that of the number, over it."""
    if not log_space:
        return random_gamma_grad(a, drawn)
    x = exp(drawn)
    x = select(eq(x, 0), dtypes.finfo(a.dtype).tiny.astype(a.dtype), x)
    return div(random_gamma_grad(a, x), x)


class RandomGamma(KeyPrimitive):
    """Gamma numbers, or their logarithms, of the parameters ``a``; a key for each of its leading elements."""

    name = "random_gamma"

    def abstract_eval(self, key, a, *, log_space):
        return [a]

    def jvp(self, primals, tangents, *, log_space):
        (key, a), (_, t) = primals, tangents
        outs = self.bind(key, a, log_space=log_space)
        if type(t) is Zero:
            return outs, [Zero.of(out) for out in outs]
        return outs, [mul(t, _by_parameter(a, outs[0], log_space))]

    def batch(self, axis, args, dims, *, log_space):
        key, a = [place_axis(x, d, axis.size, 0) for x, d in zip(args, dims)]
        return self.bind(key, a, log_space=log_space), [0]

    lower = lower_as(_draw_all)


random_gamma_p = register(RandomGamma())


@fused(static=("shape", "dtype", "log_space"))
def _gamma(key, a, *, shape, dtype, log_space):
    return random_gamma_p.bind(key, broadcast_to(convert(a, dtype), shape), log_space=log_space)[0]


# --- samplers -----------------------------------------------------------------------------------

@api_boundary
def gamma(key, a, shape=None, dtype=None, *, out_sharding=None):
    """Gamma numbers: of density proportional to ``x^(a - 1) exp(-x)``.

    Parameters
    ----------
    key : a key
    a : positive array or number
    shape : tuple of int that ``a`` broadcasts to; by default its own
    dtype : floating dtype

    Notes
    -----
    Multiply by a scale, or divide by a rate, for those of other scales. A sample can be differentiated by ``a``: it moves so that its
    place in the distribution stays the same.

    Examples
    --------
    >>> ferax.random.gamma(ferax.random.key(0), jnp.array([0.5, 2.0])).shape
    (2,)
    """
    key, shape, dtype = _arguments("gamma", key, shape, dtype, a)
    return constrained(_gamma(key, a, shape=shape, dtype=dtype, log_space=False), out_sharding)


@api_boundary
def loggamma(key, a, shape=None, dtype=None, *, out_sharding=None):
    """Logarithms of gamma numbers, exact also where these would underflow: the same numbers as those of `gamma`.

    Examples
    --------
    >>> ferax.random.loggamma(ferax.random.key(0), 1e-3).dtype
    dtype('float32')
    """
    key, shape, dtype = _arguments("loggamma", key, shape, dtype, a)
    return constrained(_gamma(key, a, shape=shape, dtype=dtype, log_space=True), out_sharding)


def _arguments(name: str, key, shape, dtype, *parameters):
    key = single(key, name)
    dtype = float_dtype(dtype, name)
    return key, sample_shape(name, shape, *parameters), dtype


def _safe_arguments(name: str, key, shape, dtype, *parameters):
    found = _arguments(name, key, shape, dtype, *parameters)
    check_safe_to_cast(name, found[2], *parameters)
    return found


@api_boundary
def beta(key, a, b, shape=None, dtype=None, *, out_sharding=None):
    """Beta numbers: of density proportional to ``x^(a - 1) (1 - x)^(b - 1)`` on [0, 1].

    Examples
    --------
    >>> ferax.random.beta(ferax.random.key(0), 2.0, 3.0, (100,)).max() < 1
    Array(True, dtype=bool)
    """
    key, shape, dtype = _safe_arguments("beta", key, shape, dtype, a, b)
    return constrained(_beta(key, a, b, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _beta(key, a, b, *, shape, dtype):
    a, b = [_gamma(k, x, shape=shape, dtype=dtype, log_space=True) for k, x in zip(fresh(key), (a, b))]
    greatest = maximum(a, b)
    a, b = exp(sub(a, greatest)), exp(sub(b, greatest))
    return div(a, add(a, b))


@api_boundary
def dirichlet(key, alpha, shape=None, dtype=None, *, out_sharding=None):
    """Vectors of positive numbers with sum 1: of density proportional to ``prod(x^(alpha - 1))``.

    Parameters
    ----------
    key : a key
    alpha : array, shape (..., n)
    shape : tuple of int that ``alpha.shape[:-1]`` broadcasts to; by default that itself
    dtype : floating dtype

    Returns
    -------
    Array of shape ``(*shape, n)``

    Examples
    --------
    >>> ferax.random.dirichlet(ferax.random.key(0), jnp.ones(3), (4,)).shape
    (4, 3)
    """
    key = single(key, "dirichlet")
    dtype = float_dtype(dtype, "dirichlet")
    own = shape_of(alpha)
    if not own:
        raise ValueError("dirichlet requires alpha.ndim >= 1, got alpha.ndim == 0")
    shape = sample_shape("dirichlet", shape, np.broadcast_to(False, own[:-1]))
    return constrained(_dirichlet(key, alpha, shape=(*shape, own[-1]), dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _dirichlet(key, alpha, *, shape, dtype):
    logs = _gamma(key, alpha, shape=shape, dtype=dtype, log_space=True)
    last = len(shape) - 1
    parts = exp(sub(logs, expand_dims(reduce_max(logs, (last,)), (last,))))
    return div(parts, jnp_sum(parts, last, keepdims=True))


@api_boundary
def chisquare(key, df, shape=None, dtype=None, *, out_sharding=None):
    """Chi-square numbers of ``df`` degrees of freedom: sums of so many squares of normal numbers.

    Examples
    --------
    >>> ferax.random.chisquare(ferax.random.key(0), 3.0, (2,)).shape
    (2,)
    """
    key, shape, dtype = _safe_arguments("chisquare", key, shape, dtype, df)
    return constrained(_chisquare(key, df, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _chisquare(key, df, *, shape, dtype):
    two = dtype.type(2)
    return mul(exp(_gamma(key, div(convert(df, dtype), two), shape=shape, dtype=dtype, log_space=True)), two)


@api_boundary
def f(key, dfnum, dfden, shape=None, dtype=None, *, out_sharding=None):
    """Numbers of Fisher's F distribution: ratios of two chi-square numbers, each divided by its degrees of freedom.

    Examples
    --------
    >>> ferax.random.f(ferax.random.key(0), 3.0, 5.0, (2,)).shape
    (2,)
    """
    key, shape, dtype = _safe_arguments("f", key, shape, dtype, dfnum, dfden)
    dfnum, dfden = [dtype.type(x) if type(x) in (int, float) else x for x in (dfnum, dfden)]
    return constrained(_f(key, dfnum, dfden, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _f(key, dfnum, dfden, *, shape, dtype):
    lower_key, upper_key = fresh(key)
    upper, lower = [div(_chisquare(k, df, shape=shape, dtype=dtype), parameter(df, dtype, len(shape)))
                    for k, df in ((upper_key, dfnum), (lower_key, dfden))]
    return div(upper, lower)


@api_boundary
def t(key, df, shape=None, dtype=None, *, out_sharding=None):
    """Numbers of Student's t distribution of ``df`` degrees of freedom.

    Examples
    --------
    >>> ferax.random.t(ferax.random.key(0), 3.0, (2,)).shape
    (2,)
    """
    key, shape, dtype = _safe_arguments("t", key, shape, dtype, df)
    return constrained(_t(key, df, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _t(key, df, *, shape, dtype):
    normal_key, gamma_key = fresh(key)
    half = div(parameter(df, dtype, len(shape)), dtype.type(2))
    g = _gamma(gamma_key, half, shape=shape, dtype=dtype, log_space=False)
    return mul(normal_(normal_key, shape=shape, dtype=dtype), sqrt(div(half, g)))


@api_boundary
def generalized_normal(key, p, shape=(), dtype=None, *, out_sharding=None):
    """Numbers of density proportional to ``exp(-|x|^p)``.

    Parameters
    ----------
    key : a key
    p : positive number
    shape : tuple of int
    dtype : floating dtype

    Examples
    --------
    >>> ferax.random.generalized_normal(ferax.random.key(0), 1.5, (2,)).shape
    (2,)
    """
    shape = as_shape(shape)
    key = single(key, "generalized_normal")
    dtype = float_dtype(dtype, "generalized_normal")
    return constrained(_generalized_normal(key, p, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _generalized_normal(key, p, *, shape, dtype):
    gamma_key, sign_key = fresh(key)
    inverse = true_divide(1, p)
    g = _gamma(gamma_key, inverse, shape=shape, dtype=dtype, log_space=False)
    return jnp_multiply(signs_(sign_key, shape=shape, dtype=dtype), power(g, inverse))


@api_boundary
def ball(key, d, p=2, shape=(), dtype=None, *, out_sharding=None):
    """Points uniform in the unit ball of the p-norm in ``d`` dimensions.

    Parameters
    ----------
    key : a key
    d : int; dimensions
    p : positive number
    shape : tuple of int
    dtype : floating dtype

    Returns
    -------
    Array of shape ``(*shape, d)``

    References
    ----------
    Barthe, Guedon, Mendelson and Naor, *A probabilistic approach to the geometry of the l_p^n-ball*, 2005.

    Examples
    --------
    >>> jnp.linalg.norm(ferax.random.ball(ferax.random.key(0), 3)) <= 1
    Array(True, dtype=bool)
    """
    shape = as_shape(shape)
    key = single(key, "ball")
    dtype = float_dtype(dtype, "ball")
    return constrained(_ball(key, p, d=operator.index(d), shape=shape, dtype=dtype), out_sharding)


@fused(static=("d", "shape", "dtype"))
def _ball(key, p, *, d, shape, dtype):
    normal_key, exponential_key = fresh(key)
    g = _generalized_normal(normal_key, p, shape=(*shape, d), dtype=dtype)
    e = exponential_(exponential_key, shape=shape, dtype=dtype)
    size = power(jnp_add(jnp_sum(power(jnp_abs(g), p), -1), e), true_divide(1, p))
    return true_divide(g, expand_dims(size, (len(shape),)))
