"""Samplers of continuous distributions that are functions of uniform or normal numbers."""

from __future__ import annotations

import numpy as np

from ferax._src.ops.convert import convert_element_type
from ferax._src.ops.elementwise import abs as abs_
from ferax._src.ops.elementwise import complex as complex_
from ferax._src.ops.elementwise import div, exp, log, log1p, max as maximum, neg, pow as power, sign, sqrt, tan
from ferax._src.ops.elementwise_special import erf, erf_inv
from ferax._src.ops.broadcasting import broadcast_to
from ferax._src.ops.joining import unstack
from ferax._src.ops.elementwise import nextafter
from ferax._src.ops.select import clamp, select
from ferax._src.ops.static import canonical_shape
from ferax._src.random.keys import single, split
from ferax._src.random.uniform import float_dtype, sample_shape, uniform_between
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes
from ferax._src.util import config


def _inexact_dtype(dtype, name: str) -> np.dtype:
    if dtype is None:
        return dtypes.default_float_dtype()
    found = dtypes.check_user_dtype(dtype, name)
    if dtypes.kind_of(found) not in "fc":
        raise ValueError(f"dtype argument to `{name}` must be a float or complex dtype, got {dtypes.dtype_name(found)}")
    return found


def normal(key, shape=(), dtype=None, *, out_sharding=None):
    """Standard normal numbers; complex ones have independent parts of variance 1/2.

    Parameters
    ----------
    key : a key
    shape : tuple of int
    dtype : floating or complex dtype
    """
    return _normal(single(key, "normal"), shape=canonical_shape(shape), dtype=_inexact_dtype(dtype, "normal"))


@fused(static=("shape", "dtype"))
def _normal(key, *, shape, dtype):
    if dtypes.kind_of(dtype) == "c":
        real_key, imag_key = unstack(split(key))
        real = np.dtype(np.float32) if dtype == np.complex64 else np.dtype(np.float64)
        parts = complex_(_normal(real_key, shape=shape, dtype=real), _normal(imag_key, shape=shape, dtype=real))
        return div(parts, convert_element_type(np.sqrt(2), dtype))
    low = np.nextafter(np.array(-1, dtype), np.array(0, dtype), dtype=dtype)
    u = uniform_between(key, low, np.array(1, dtype), shape=shape, dtype=dtype)
    return np.array(np.sqrt(2), dtype) * erf_inv(u)


def lognormal(key, sigma=np.float32(1), shape=None, dtype=None, *, out_sharding=None):
    """Numbers whose logarithm is normal with standard deviation ``sigma``."""
    dtype = float_dtype(dtype, "lognormal")
    shape = sample_shape(shape, sigma, name="lognormal")
    return _lognormal(single(key, "lognormal"), sigma, shape=shape, dtype=dtype)


@fused(static=("shape", "dtype"))
def _lognormal(key, sigma, *, shape, dtype):
    return exp(_normal(key, shape=shape, dtype=dtype) * broadcast_to(convert_element_type(sigma, dtype), shape))


def truncated_normal(key, lower, upper, shape=None, dtype=None, *, out_sharding=None):
    """Standard normal numbers, given that they lie in (lower, upper)."""
    dtype = float_dtype(dtype, "truncated_normal")
    shape = sample_shape(shape, lower, upper, name="truncated_normal")
    return _truncated_normal(single(key, "truncated_normal"), lower, upper, shape=shape, dtype=dtype)


@fused(static=("shape", "dtype"))
def _truncated_normal(key, lower, upper, *, shape, dtype):
    lower, upper = convert_element_type(lower, dtype), convert_element_type(upper, dtype)
    root = np.array(np.sqrt(2), dtype)
    a, b = erf(lower / root), erf(upper / root)
    out = root * erf_inv(uniform_between(key, a, b, shape=shape, dtype=dtype))
    # Rounding may reach the bounds, which are not part of the interval.
    least, most = nextafter(lower, np.array(np.inf, dtype)), nextafter(upper, np.array(-np.inf, dtype))
    return clamp(broadcast_to(least, shape), out, broadcast_to(most, shape))


def _sampler(name: str, doc: str, transform):
    """A public sampler with arguments (key, shape, dtype) from ``transform(key, shape, dtype)``."""
    @fused(static=("shape", "dtype"))
    def sample(key, *, shape, dtype):
        return transform(key, shape, dtype)

    def sampler(key, shape=(), dtype=None, *, out_sharding=None):
        return sample(single(key, name), shape=canonical_shape(shape), dtype=float_dtype(dtype, name))

    sampler.__name__ = sampler.__qualname__ = name
    sampler.__doc__ = doc + """

    Parameters
    ----------
    key : a key
    shape : tuple of int
    dtype : floating dtype
    """
    return sampler


def _number(value, dtype):
    return np.array(value, dtype)


def _exponential(key, shape, dtype):
    return neg(log1p(neg(uniform_between(key, 0.0, 1.0, shape=shape, dtype=dtype))))


def _laplace(key, shape, dtype):
    low = _number(-1.0 + dtypes.finfo(dtype).epsneg, dtype)
    u = uniform_between(key, low, _number(1, dtype), shape=shape, dtype=dtype)
    return sign(u) * log1p(neg(abs_(u)))


def _logistic(key, shape, dtype):
    x = uniform_between(key, _number(dtypes.finfo(dtype).tiny, dtype), 1.0, shape=shape, dtype=dtype)
    return log(div(x, _number(1, dtype) - x))


def _cauchy(key, shape, dtype):
    u = uniform_between(key, _number(dtypes.finfo(dtype).eps, dtype), 1.0, shape=shape, dtype=dtype)
    return tan(_number(np.pi, dtype) * (u - _number(0.5, dtype)))


def _maxwell(key, shape, dtype):
    from ferax._src.numpy.linalg import norm  # lazy: one sampler's need
    return norm(_normal(key, shape=(*shape, 3), dtype=dtype), axis=-1)


exponential = _sampler("exponential", "Exponential numbers of rate 1.", _exponential)
laplace = _sampler("laplace", "Laplace numbers, of density exp(-|x|) / 2.", _laplace)
logistic = _sampler("logistic", "Numbers of the standard logistic distribution.", _logistic)
cauchy = _sampler("cauchy", "Numbers of the standard Cauchy distribution.", _cauchy)
maxwell = _sampler("maxwell", "Lengths of standard normal vectors in three dimensions.", _maxwell)


def gumbel(key, shape=(), dtype=None, mode=None, *, out_sharding=None):
    """Numbers of the standard Gumbel distribution.

    Parameters
    ----------
    key : a key
    shape : tuple of int
    dtype : floating dtype
    mode : "low" or "high": how finely the upper tail is resolved; by default as ``jax_high_dynamic_range_gumbel`` says
    """
    return _gumbel(single(key, "gumbel"), shape=canonical_shape(shape), dtype=float_dtype(dtype, "gumbel"),
                   mode=gumbel_mode(mode))


def gumbel_mode(mode) -> str:
    if mode is None:
        mode = "high" if config.high_dynamic_range_gumbel.value else "low"
    if mode not in ("low", "high"):
        raise ValueError(f"Must provide valid mode for gumbel: 'low' or 'high', got {mode!r}")
    return mode


@fused(static=("shape", "dtype", "mode"))
def _gumbel(key, *, shape, dtype, mode):
    tiny = _number(dtypes.finfo(dtype).tiny, dtype)
    if mode == "low":
        return neg(log(neg(log(uniform_between(key, tiny, 1.0, shape=shape, dtype=dtype)))))
    high, low = unstack(uniform_between(key, tiny, 1.0, shape=(2, *shape), dtype=dtype))
    # Near 1 the numbers of a uniform sample are far apart: the second one tells apart what lies between them.
    scale = _number(2.0 ** -dtypes.finfo(dtype).nmant, dtype)
    return neg(log(neg(log1p(neg(maximum(high, low * scale))))))


def rayleigh(key, scale, shape=None, dtype=None, *, out_sharding=None):
    """Lengths of normal vectors in two dimensions with standard deviation ``scale``."""
    dtype = float_dtype(dtype, "rayleigh")
    shape = sample_shape(shape, scale, name="rayleigh")
    return _rayleigh(single(key, "rayleigh"), scale, shape=shape, dtype=dtype)


@fused(static=("shape", "dtype"))
def _rayleigh(key, scale, *, shape, dtype):
    u = uniform_between(key, 0.0, 1.0, shape=shape, dtype=dtype)
    scale = broadcast_to(convert_element_type(scale, dtype), shape)
    return scale * sqrt(log(u) * _number(-2, dtype))


def pareto(key, b, shape=None, dtype=None, *, out_sharding=None):
    """Numbers of density ``b / x^(b + 1)`` on [1, inf)."""
    dtype = float_dtype(dtype, "pareto")
    shape = sample_shape(shape, b, name="pareto")
    return _pareto(single(key, "pareto"), b, shape=shape, dtype=dtype)


@fused(static=("shape", "dtype"))
def _pareto(key, b, *, shape, dtype):
    b = broadcast_to(convert_element_type(b, dtype), shape)
    return exp(_exponential(key, shape, dtype) / b)


def weibull_min(key, scale, concentration, shape=(), dtype=None):
    """Numbers of the Weibull distribution."""
    dtype = float_dtype(dtype, "weibull_min")
    shape = sample_shape(shape, scale, concentration, name="weibull_min")
    return _weibull_min(single(key, "weibull_min"), scale, concentration, shape=shape, dtype=dtype)


@fused(static=("shape", "dtype"))
def _weibull_min(key, scale, concentration, *, shape, dtype):
    u = uniform_between(key, 0.0, 1.0, shape=shape, dtype=dtype)
    scale, concentration = (broadcast_to(convert_element_type(x, dtype), shape) for x in (scale, concentration))
    return power(neg(log1p(neg(u))), _number(1, dtype) / concentration) * scale


def triangular(key, left, mode, right, shape=None, dtype=None, *, out_sharding=None):
    """Numbers of the triangular distribution on [left, right] with its peak at ``mode``."""
    dtype = float_dtype(dtype, "triangular")
    shape = sample_shape(shape, left, mode, right, name="triangular")
    return _triangular(single(key, "triangular"), left, mode, right, shape=shape, dtype=dtype)


@fused(static=("shape", "dtype"))
def _triangular(key, left, mode, right, *, shape, dtype):
    left, mode, right = (broadcast_to(convert_element_type(x, dtype), shape) for x in (left, mode, right))
    peak = (mode - left) / (right - left)
    u = uniform_between(key, 0.0, 1.0, shape=shape, dtype=dtype)
    below = left + sqrt(u * (right - left) * (mode - left))
    above = right - sqrt((_number(1, dtype) - u) * (right - left) * (right - mode))
    return select(u < peak, below, above)


