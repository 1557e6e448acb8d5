"""Samplers of continuous distributions that are functions of uniform or normal numbers."""

from __future__ import annotations

import numpy as np

from ferax._src.control.stop_gradient import stop_gradient
from ferax._src.numpy.arithmetic import add as jnp_add, multiply as jnp_multiply
from ferax._src.numpy.division import true_divide
from ferax._src.numpy.powers import power
from ferax._src.ops.accuracy import AccuracyMode
from ferax._src.ops.compare import eq, ge, le, lt
from ferax._src.ops.convert import bitcast_convert_type, convert
from ferax._src.ops.elementwise import (
    abs as abs_, add, complex as complex_, div, exp, integer_pow, log, log1p, max as maximum, min as minimum, mul, neg, nextafter,
    sign, sqrt, sub, tan)
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not, bitwise_or, clz, shift_left, shift_right_logical
from ferax._src.ops.elementwise_special import erf, erf_inv
from ferax._src.ops.joining import unstack
from ferax._src.ops.select import select
from ferax._src.random.arguments import (
    as_shape, check_safe_to_cast, constrained, float_dtype, inexact_dtype, parameter, sample_shape)
from ferax._src.random.keys import fresh, random_bits, single
from ferax._src.random.prng import random_split_p, threefry_impl
from ferax._src.random.uniform import uniform_between, unit
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes
from ferax._src.util import config
from ferax._src.util.tracebacks import api_boundary

_FLOAT32, _UINT32 = np.dtype(np.float32), np.dtype(np.uint32)


# --- normal -------------------------------------------------------------------------------------

@api_boundary
def normal(key, shape=(), dtype=None, *, out_sharding=None):
    """Standard normal numbers; complex ones have independent parts of variance 1/2.

    Parameters
    ----------
    key : a key
    shape : tuple of int
    dtype : floating or complex dtype

    Examples
    --------
    >>> ferax.random.normal(ferax.random.key(0), (3,))
    Array([ 1.6226422 ,  2.0252647 , -0.43359444], dtype=float32)
    """
    return constrained(normal_(single(key, "normal"), shape=as_shape(shape), dtype=inexact_dtype(dtype, "normal")),
                       out_sharding)


@fused(static=("shape", "dtype"))
def normal_(key, *, shape, dtype):
    """`normal` with all arguments checked."""
    if dtypes.kind_of(dtype) == "c":
        part = dtypes.to_floating_dtype(dtype)
        keys = random_split_p.bind(key, shape=(2,))[0]
        if key.dtype._impl is threefry_impl:
            real, imag = unstack(normal_(keys, shape=shape, dtype=part))
        else:                                   # other generators may draw all from the first of several keys
            real, imag = [normal_(k, shape=shape, dtype=part) for k in unstack(keys)]
        return div(complex_(real, imag), dtype.type(np.sqrt(2)))
    low = np.nextafter(np.array(-1, dtype), np.array(0, dtype), dtype=dtype)[()]
    return mul(dtype.type(np.sqrt(2)), erf_inv(uniform_between(key, low, dtype.type(1), shape=shape, dtype=dtype)))


@api_boundary
def lognormal(key, sigma=np.float32(1), shape=None, dtype=None, *, out_sharding=None):
    """Numbers whose logarithm is normal with standard deviation ``sigma``.

    Examples
    --------
    >>> ferax.random.lognormal(ferax.random.key(0), 0.5).shape
    ()
    """
    key = single(key, "lognormal")
    dtype = inexact_dtype(dtype, "lognormal")
    shape = sample_shape("lognormal", shape, sigma)
    check_safe_to_cast("lognormal", dtype, sigma)
    return constrained(_lognormal(key, sigma, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _lognormal(key, sigma, *, shape, dtype):
    return exp(mul(normal_(key, shape=shape, dtype=dtype), parameter(sigma, dtype, len(shape))))


@api_boundary
def truncated_normal(key, lower, upper, shape=None, dtype=None, *, out_sharding=None):
    """Standard normal numbers, given that they lie in (lower, upper).

    Examples
    --------
    >>> ferax.random.truncated_normal(ferax.random.key(0), -1.0, 1.0, (100,)).max() < 1
    Array(True, dtype=bool)
    """
    shape = sample_shape("truncated_normal", shape, lower, upper)
    key = single(key, "truncated_normal")
    dtype = float_dtype(dtype, "truncated_normal")
    return constrained(_truncated_normal(key, lower, upper, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _truncated_normal(key, lower, upper, *, shape, dtype):
    lower, upper = [parameter(x, dtype, len(shape)) for x in (lower, upper)]
    root = dtype.type(np.sqrt(2))
    u = uniform_between(key, erf(div(lower, root)), erf(div(upper, root)), shape=shape, dtype=dtype)
    # Rounding may reach the bounds, which are not part of the interval.
    least = nextafter(stop_gradient(lower), dtype.type(np.inf))
    most = nextafter(stop_gradient(upper), dtype.type(-np.inf))
    return minimum(maximum(mul(root, erf_inv(u)), least), most)


# --- without parameters -------------------------------------------------------------------------

def _sampler(name: str, doc: str, transform):
    """A public sampler with arguments (key, shape, dtype) from ``transform(key, *, shape, dtype)``."""
    def sampler(key, shape=(), dtype=None, *, out_sharding=None):
        key = single(key, name)
        dtype = float_dtype(dtype, name)
        return constrained(transform(key, shape=as_shape(shape), dtype=dtype), out_sharding)

    sampler.__name__ = sampler.__qualname__ = name
    sampler.__doc__ = doc + f"""

    Parameters
    ----------
    key : a key
    shape : tuple of int
    dtype : floating dtype

    Examples
    --------
    >>> ferax.random.{name}(ferax.random.key(0), (2, 3)).shape
    (2, 3)
    """
    return api_boundary(sampler)


@fused(static=("shape", "dtype"))
def exponential_(key, *, shape, dtype):
    return neg(log1p(neg(unit(key, shape=shape, dtype=dtype))))


@fused(static=("shape", "dtype"))
def _laplace(key, *, shape, dtype):
    low = dtype.type(-1.0 + float(dtypes.finfo(dtype).epsneg))
    u = uniform_between(key, low, dtype.type(1), shape=shape, dtype=dtype)
    return mul(sign(u), log1p(neg(abs_(u))))


@fused(static=("shape", "dtype"))
def _logistic(key, *, shape, dtype):
    u = uniform_between(key, dtypes.finfo(dtype).tiny, dtype.type(1), shape=shape, dtype=dtype)
    return sub(log(u), log1p(neg(u)))


@fused(static=("shape", "dtype"))
def _cauchy(key, *, shape, dtype):
    u = uniform_between(key, dtypes.finfo(dtype).eps, dtype.type(1), shape=shape, dtype=dtype)
    # XLA's tangent, not a quicker one: the numbers are JAX's to the last bit.
    return tan(mul(dtype.type(np.pi), sub(u, dtype.type(0.5))), accuracy=AccuracyMode.DEFAULT)


def _maxwell(key, *, shape, dtype):
    # XLA rounds the sum of squares in another way where it compiles both steps as one, in float32 other than JAX.
    shape = (*shape, 3)
    return _lengths(key, shape, dtype) if dtype == _FLOAT32 else _lengths_fused(key, shape=shape, dtype=dtype)


def _lengths(key, shape, dtype):
    from ferax._src.numpy.linalg_norms import norm  # lazy: it comes with all decompositions
    return norm(normal_(key, shape=shape, dtype=dtype), axis=-1)


@fused(static=("shape", "dtype"))
def _lengths_fused(key, *, shape, dtype):
    return _lengths(key, shape, dtype)


exponential = _sampler("exponential", "Exponential numbers of rate 1.", exponential_)
laplace = _sampler("laplace", "Laplace numbers, of density exp(-|x|) / 2.", _laplace)
logistic = _sampler("logistic", "Numbers of the standard logistic distribution.", _logistic)
cauchy = _sampler("cauchy", "Numbers of the standard Cauchy distribution.", _cauchy)
maxwell = _sampler("maxwell", "Lengths of standard normal vectors in three dimensions.", _maxwell)


# --- gumbel -------------------------------------------------------------------------------------

@api_boundary
def gumbel(key, shape=(), dtype=None, mode=None, *, out_sharding=None):
    """Numbers of the standard Gumbel distribution.

    Parameters
    ----------
    key : a key
    shape : tuple of int
    dtype : floating dtype
    mode : "low", "high" or "highest": how finely the upper tail is resolved, in float32 up to about 16, 32 or 44; by default
        as ``jax_high_dynamic_range_gumbel`` says

    Examples
    --------
    >>> ferax.random.gumbel(ferax.random.key(0), (2, 3)).shape
    (2, 3)
    """
    key = single(key, "gumbel")
    dtype = float_dtype(dtype, "gumbel")
    return constrained(gumbel_(key, shape=as_shape(shape), dtype=dtype, mode=gumbel_mode(mode)), out_sharding)


def gumbel_mode(mode) -> str:
    """The mode asked for; None is the one that the option names."""
    if mode is None:
        return "high" if config.high_dynamic_range_gumbel.value else "low"
    if mode not in ("low", "high", "highest"):
        raise ValueError(f"Must provide valid mode for gumbel got: {mode}")
    return mode


@fused(static=("shape", "dtype", "mode"))
def gumbel_(key, *, shape, dtype, mode):
    """`gumbel` with all arguments checked."""
    info = dtypes.finfo(dtype)
    if mode == "low":
        return neg(log(neg(log(uniform_between(key, info.tiny, dtype.type(1), shape=shape, dtype=dtype)))))
    if mode == "highest" and dtype == _FLOAT32:
        return _finest_gumbel(key, shape)
    high, low = unstack(unit(key, shape=(2, *shape), dtype=dtype))
    # Below 1/2 there are floats between the numbers of a uniform sample: a second one goes there.
    finer = add(add(high, mul(dtype.type(2.0 ** -info.nmant), low)), info.tiny)
    return neg(log(neg(log1p(neg(select(ge(high, dtype.type(0.5)), high, finer))))))


def _finest_gumbel(key, shape):
    """From 64 random bits as a number in (0, 1): ``x`` up to 1/2, above it ``1 - x``, exact also near 1."""
    words = random_bits(key, 32, (2, *shape))
    high, low = unstack(words)
    inverse_high, inverse_low = unstack(bitwise_not(words))
    full = np.uint32(2 ** 32 - 1)
    # The two's complement of the 64 bits is their inverse plus 1.
    inverse_high = add(inverse_high, convert(eq(inverse_low, full), _UINT32))
    inverse_low = add(inverse_low, np.uint32(1))
    small = lt(high, np.uint32(2 ** 31))
    x = _fraction(select(small, high, inverse_high), select(small, low, inverse_low))
    return neg(log(neg(select(small, log1p(neg(x)), log(x)))))


def _fraction(high, low):
    """The float32 nearest below ``(high, low) / 2^64``."""
    zeros, low_zeros = clz(high), clz(low)
    width, mantissa_bits = np.uint32(32), np.uint32(23)
    none = eq(zeros, width)
    rest = select(none, shift_left(low, low_zeros), shift_right_logical(low, sub(width, zeros)))
    mantissa = bitwise_or(shift_left(high, zeros), rest)
    mantissa = bitwise_and(shift_right_logical(mantissa, np.uint32(8)), np.uint32(2 ** 23 - 1))
    exponent = shift_left(sub(np.uint32(126), select(none, add(width, low_zeros), zeros)), mantissa_bits)
    exponent = bitwise_and(exponent, np.uint32(2 ** 30 - 2 ** 22))
    return bitcast_convert_type(bitwise_or(exponent, mantissa), _FLOAT32)


# --- with parameters ----------------------------------------------------------------------------

def _checked(name: str, key, shape, dtype, *parameters):
    """The key, shape and dtype of a sampler whose parameters broadcast to the shape and fit the dtype."""
    key = single(key, name)
    dtype = float_dtype(dtype, name)
    shape = sample_shape(name, shape, *parameters)
    check_safe_to_cast(name, dtype, *parameters)
    return key, shape, dtype


@api_boundary
def rayleigh(key, scale, shape=None, dtype=None, *, out_sharding=None):
    """Lengths of normal vectors in two dimensions with standard deviation ``scale``.

    Examples
    --------
    >>> ferax.random.rayleigh(ferax.random.key(0), jnp.array([1.0, 2.0])).shape
    (2,)
    """
    key, shape, dtype = _checked("rayleigh", key, shape, dtype, scale)
    return constrained(_rayleigh(key, scale, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _rayleigh(key, scale, *, shape, dtype):
    u = unit(key, shape=shape, dtype=dtype)
    return mul(parameter(scale, dtype, len(shape)), sqrt(mul(log(u), dtype.type(-2))))


@api_boundary
def pareto(key, b, shape=None, dtype=None, *, out_sharding=None):
    """Numbers of density ``b / x^(b + 1)`` on [1, inf).

    Examples
    --------
    >>> ferax.random.pareto(ferax.random.key(0), 3.0, (100,)).min() >= 1
    Array(True, dtype=bool)
    """
    key, shape, dtype = _checked("pareto", key, shape, dtype, b)
    return constrained(_pareto(key, b, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _pareto(key, b, *, shape, dtype):
    return exp(div(exponential_(key, shape=shape, dtype=dtype), parameter(b, dtype, len(shape))))


@api_boundary
def triangular(key, left, mode, right, shape=None, dtype=None, *, out_sharding=None):
    """Numbers of the triangular distribution on [left, right] with its peak at ``mode``.

    Examples
    --------
    >>> ferax.random.triangular(ferax.random.key(0), 0.0, 1.0, 3.0, (2,)).shape
    (2,)
    """
    key, shape, dtype = _checked("triangular", key, shape, dtype, left, mode, right)
    return constrained(_triangular(key, left, mode, right, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _triangular(key, left, mode, right, *, shape, dtype):
    left, mode, right = [parameter(x, dtype, len(shape)) for x in (left, mode, right)]
    width, rise = sub(right, left), sub(mode, left)
    u = unit(key, shape=shape, dtype=dtype)
    below = add(left, sqrt(mul(mul(u, width), rise)))
    above = sub(right, sqrt(mul(mul(sub(dtype.type(1), u), width), sub(right, mode))))
    return select(lt(u, div(rise, width)), below, above)


@api_boundary
def wald(key, mean, shape=None, dtype=None, *, out_sharding=None):
    """Numbers of the Wald (inverse Gaussian) distribution of scale 1.

    References
    ----------
    Michael, Schucany and Haas, *Generating random variates using transformations with multiple roots*, 1976.

    Examples
    --------
    >>> ferax.random.wald(ferax.random.key(0), 2.0, (2,)).shape
    (2,)
    """
    key, shape, dtype = _checked("wald", key, shape, dtype, mean)
    return constrained(_wald(key, mean, shape=shape, dtype=dtype), out_sharding)


@fused(static=("shape", "dtype"))
def _wald(key, mean, *, shape, dtype):
    normal_key, uniform_key = fresh(key)
    mean = parameter(mean, dtype, len(shape))
    y = integer_pow(normal_(normal_key, shape=shape, dtype=dtype), 2)
    square = integer_pow(mean, 2)
    root = sqrt(add(mul(mul(dtype.type(4), mean), y), mul(square, integer_pow(y, 2))))
    two = dtype.type(2)
    x = sub(add(mean, div(mul(square, y), two)), mul(div(mean, two), root))
    u = unit(uniform_key, shape=shape, dtype=dtype)
    return select(le(u, div(mean, add(mean, x))), x, div(square, x))


# These two promote their parameters with the sample, as NumPy does, instead of casting them.

@api_boundary
def weibull_min(key, scale, concentration, shape=(), dtype=None):
    """Numbers of the Weibull distribution: of density proportional to ``x^(c - 1) exp(-(x / scale)^c)``.

    Parameters
    ----------
    key : a key
    scale, concentration : arrays or numbers, both positive
    shape : tuple of int, to which the parameters' shapes are broadcast
    dtype : floating dtype

    Examples
    --------
    >>> ferax.random.weibull_min(ferax.random.key(0), 1.0, 2.0, (4,)).shape
    (4,)
    """
    key = single(key, "weibull_min")
    dtype = float_dtype(dtype, "weibull_min")
    return _weibull_min(key, scale, concentration, shape=as_shape(shape), dtype=dtype)


@fused(static=("shape", "dtype"))
def _weibull_min(key, scale, concentration, *, shape, dtype):
    return jnp_multiply(power(exponential_(key, shape=shape, dtype=dtype), true_divide(1.0, concentration)), scale)


@api_boundary
def double_sided_maxwell(key, loc, scale, shape=(), dtype=None):
    """Numbers ``loc + scale * s * m`` with a random sign ``s`` and ``m`` of the Maxwell distribution.

    Parameters
    ----------
    key : a key
    loc, scale : arrays or numbers
    shape : tuple of int, put before the shape to which ``loc`` and ``scale`` broadcast; if empty that shape itself
    dtype : floating dtype

    Examples
    --------
    >>> ferax.random.double_sided_maxwell(ferax.random.key(0), 0.0, 1.0, (4,)).shape
    (4,)
    """
    key = single(key, "double_sided_maxwell")
    dtype = float_dtype(dtype, "double_sided_maxwell")
    own = sample_shape("double_sided_maxwell", None, loc, scale)
    shape = (as_shape(shape) or own) + own
    maxwell_key, sign_key = fresh(key)
    return _signed(sign_key, _maxwell(maxwell_key, shape=shape, dtype=dtype), loc, scale)


@fused
def _signed(key, lengths, loc, scale):
    signs = signs_(key, shape=lengths.shape, dtype=np.dtype(lengths.dtype))
    return jnp_add(jnp_multiply(mul(signs, lengths), scale), loc)


@fused(static=("shape", "dtype"))
def signs_(key, *, shape, dtype):
    """1 or -1, each with probability 1/2; -1 of unsigned dtypes is their greatest number, of bool True."""
    drawn = dtypes.default_float_dtype()
    heads = lt(unit(key, shape=shape, dtype=drawn), drawn.type(0.5))
    return select(heads, np.ones((), dtype)[()], np.array(-1).astype(dtype)[()])
