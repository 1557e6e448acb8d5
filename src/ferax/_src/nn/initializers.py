"""Initializers: functions ``(key, shape, dtype) -> array`` that make the first weights of a layer.

`variance_scaling` is most of them: numbers of mean 0 whose variance is set by how many numbers go into a unit (*fan in*)
or come out of it (*fan out*), so that what passes through many layers neither fades nor grows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ferax._src.numpy import fills
from ferax._src.ops.elementwise import exp, log, mul, neg, sqrt, sub
from ferax._src.ops.elementwise_complex import complex as ops_complex
from ferax._src.ops.static import canonical_shape
from ferax._src.random.continuous import normal as random_normal
from ferax._src.random.continuous import truncated_normal as random_truncated_normal
from ferax._src.random.keys import split
from ferax._src.random.uniform import uniform as random_uniform
from ferax._src.types import dtypes

# The standard deviation of a standard normal number cut off beyond 2, and the same for a complex one.
_TRUNCATED_STDDEV = 0.87962566103423978
_TRUNCATED_COMPLEX_STDDEV = 0.95311164380491208


@runtime_checkable
class Initializer(Protocol):
    """The type of initializers: what the functions of this module are, or answer."""

    def __call__(self, key, shape, dtype=None, out_sharding=None):
        raise NotImplementedError


def initializer_dtype(dtype):
    """The dtype that an initializer was asked for, by default the default float."""
    return dtypes.default_float_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "initializer")


def scaled(x, factor):
    """``x`` times a number, rounded to the dtype of ``x`` first."""
    with np.errstate(all="ignore"):
        return mul(x, np.asarray(factor).astype(x.dtype)[()])


def zeros(key, shape, dtype=None, out_sharding=None):
    """All zeros.

    Parameters
    ----------
    key : ignored
    shape : tuple of int
    dtype : dtype-like, by default the default float
    out_sharding : sharding of the result, or None

    Returns
    -------
    array
    """
    return fills.zeros(shape, initializer_dtype(dtype), out_sharding=out_sharding)


def ones(key, shape, dtype=None, out_sharding=None):
    """All ones.

    Parameters
    ----------
    key, shape, dtype, out_sharding : as of `zeros`

    Returns
    -------
    array
    """
    return fills.ones(shape, initializer_dtype(dtype), out_sharding=out_sharding)


def constant(value, dtype=None) -> Initializer:
    """An initializer that gives a constant.

    Parameters
    ----------
    value : array-like that broadcasts to the shape
    dtype : dtype-like, by default the default float

    Returns
    -------
    initializer

    Examples
    --------
    >>> ferax.nn.initializers.constant(2.0)(ferax.random.key(0), (2,))
    Array([2., 2.], dtype=float32)
    """
    def init(key, shape, dtype=dtype, out_sharding=None):
        return fills.full(shape, value, dtype=initializer_dtype(dtype), out_sharding=out_sharding)
    return init


def uniform(scale=1e-2, dtype=None) -> Initializer:
    """An initializer that draws uniformly from between 0 and ``scale``.

    Parameters
    ----------
    scale : number
    dtype : dtype-like, by default the default float

    Returns
    -------
    initializer

    Examples
    --------
    >>> ferax.nn.initializers.uniform()(ferax.random.key(0), (3, 4)).shape
    (3, 4)
    """
    def init(key, shape, dtype=dtype, out_sharding=None):
        return scaled(random_uniform(key, shape, initializer_dtype(dtype), out_sharding=out_sharding), scale)
    return init


def normal(stddev=1e-2, dtype=None) -> Initializer:
    """An initializer that draws normal numbers of mean 0.

    Parameters
    ----------
    stddev : their standard deviation
    dtype : dtype-like, by default the default float

    Returns
    -------
    initializer

    Examples
    --------
    >>> ferax.nn.initializers.normal()(ferax.random.key(0), (3, 4)).shape
    (3, 4)
    """
    def init(key, shape, dtype=dtype, out_sharding=None):
        return scaled(random_normal(key, shape, initializer_dtype(dtype), out_sharding=out_sharding), stddev)
    return init


def truncated_normal(stddev=1e-2, dtype=None, lower=-2.0, upper=2.0) -> Initializer:
    """An initializer that draws normal numbers of mean 0, cut off.

    Parameters
    ----------
    stddev : factor; the standard deviation is less, for it is not made up for what is cut off
    dtype : dtype-like, by default the default float
    lower, upper : where they are cut off, before they are multiplied

    Returns
    -------
    initializer

    Examples
    --------
    >>> ferax.nn.initializers.truncated_normal()(ferax.random.key(0), (3, 4)).shape
    (3, 4)
    """
    def init(key, shape, dtype=dtype, out_sharding=None):
        return scaled(random_truncated_normal(key, lower, upper, shape, initializer_dtype(dtype), out_sharding=out_sharding), stddev)
    return init


# --- scaled by the size of the layer ------------------------------------------------------------

def _product(shape, axes) -> int:
    return shape[axes] if isinstance(axes, int) else math.prod([shape[i] for i in axes])


def _fans(shape, in_axis, out_axis, batch_axis) -> tuple[float, float]:
    """How many numbers go into a unit and come out of it; axes that are neither are those of a window."""
    if isinstance(in_axis, int) and in_axis == -2 and len(shape) <= 1:
        raise ValueError(f"Can't compute input and output sizes of a {len(shape)}-dimensional weights tensor with default "
                         "in_axis. Must be at least 2D or specify in_axis explicitly.")
    n_in, n_out, n_batch = [_product(shape, axes) for axes in (in_axis, out_axis, batch_axis)]
    window = math.prod(shape) / n_in / n_out / n_batch
    return n_in * window, n_out * window


def _on_disk(key, shape, dtype, radius):
    """Complex numbers of uniform angle, ``radius(u)`` from 0 for uniform u."""
    key_radius, key_angle = split(key)
    real = dtypes.to_floating_dtype(dtype)
    r = radius(random_uniform(key_radius, shape, real))
    angle = mul(random_uniform(key_angle, shape, real), 2 * math.pi)
    return mul(ops_complex(r, mul(r, 0)), exp(ops_complex(mul(angle, 0), angle)))


def variance_scaling(scale, mode, distribution, in_axis: int | Sequence[int] = -2, out_axis: int | Sequence[int] = -1,
                     batch_axis: int | Sequence[int] = (), dtype: Any = None) -> Initializer:
    """An initializer of mean 0 and variance ``scale / n``.

    Parameters
    ----------
    scale : number
    mode : what n is: "fan_in", "fan_out", "fan_avg" (their mean) or "fan_geo_avg" (their geometric mean)
    distribution : "truncated_normal" (cut off at two standard deviations), "normal" or "uniform"
    in_axis, out_axis : int or sequence of int: axes of the weights that go into a unit, and that come out of it
    batch_axis : axes along which there are separate weights
    dtype : dtype-like, by default the default float; may be complex

    Returns
    -------
    initializer

    References
    ----------
    He et al. 2015, arXiv:1502.01852, and those of the initializers below.

    Examples
    --------
    >>> ferax.nn.initializers.variance_scaling(1.0, 'fan_in', 'normal')(ferax.random.key(0), (3, 4)).shape
    (3, 4)
    """
    def init(key, shape, dtype=dtype, out_sharding=None):
        shape = canonical_shape(shape)
        dtype = initializer_dtype(dtype)
        fan_in, fan_out = _fans(shape, in_axis, out_axis, batch_axis)
        if mode == "fan_in":
            n = fan_in
        elif mode == "fan_out":
            n = fan_out
        elif mode == "fan_avg":
            n = (fan_in + fan_out) / 2
        elif mode == "fan_geo_avg":
            n = (fan_in * fan_out) ** 0.5
        else:
            raise ValueError(f"invalid mode for variance scaling initializer: {mode}")
        is_real = dtypes.kind_of(dtype) == "f"
        variance = np.asarray(scale / n).astype(dtypes.to_floating_dtype(dtype))
        stddev = np.sqrt(variance)
        if distribution == "truncated_normal":
            if is_real:
                x = random_truncated_normal(key, -2, 2, shape, dtype, out_sharding=out_sharding)
                return scaled(x, stddev / variance.dtype.type(_TRUNCATED_STDDEV))
            x = _on_disk(key, shape, dtype, lambda u: sqrt(neg(log(sub(1, mul(u, 1 - math.exp(-4)))))))
            return scaled(x, stddev / variance.dtype.type(_TRUNCATED_COMPLEX_STDDEV))
        if distribution == "normal":
            return scaled(random_normal(key, shape, dtype, out_sharding=out_sharding), stddev)
        if distribution == "uniform":
            if is_real:
                x = random_uniform(key, shape, dtype, -1, out_sharding=out_sharding)
                return scaled(x, np.sqrt(variance.dtype.type(3) * variance))
            return scaled(_on_disk(key, shape, dtype, lambda u: sqrt(mul(u, 2))), stddev)
        raise ValueError(f"invalid distribution for variance scaling initializer: {distribution}")
    return init


def glorot_uniform(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None) -> Initializer:
    """Uniform numbers of variance ``2 / (fan_in + fan_out)``, also called Xavier's.

    Parameters
    ----------
    in_axis, out_axis, batch_axis, dtype : as of `variance_scaling`

    Returns
    -------
    initializer

    References
    ----------
    Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".

    Examples
    --------
    >>> ferax.nn.initializers.glorot_uniform()(ferax.random.key(0), (3, 4)).shape
    (3, 4)
    """
    return variance_scaling(1.0, "fan_avg", "uniform", in_axis, out_axis, batch_axis, dtype)


def glorot_normal(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None) -> Initializer:
    """Truncated normal numbers of variance ``2 / (fan_in + fan_out)``, also called Xavier's.

    Parameters
    ----------
    in_axis, out_axis, batch_axis, dtype : as of `variance_scaling`

    Returns
    -------
    initializer

    References
    ----------
    Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".

    Examples
    --------
    >>> ferax.nn.initializers.glorot_normal()(ferax.random.key(0), (3, 4)).shape
    (3, 4)
    """
    return variance_scaling(1.0, "fan_avg", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def lecun_uniform(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None) -> Initializer:
    """Uniform numbers of variance ``1 / fan_in``.

    Parameters
    ----------
    in_axis, out_axis, batch_axis, dtype : as of `variance_scaling`

    Returns
    -------
    initializer

    References
    ----------
    Klambauer et al. 2017, arXiv:1706.02515.

    Examples
    --------
    >>> ferax.nn.initializers.lecun_uniform()(ferax.random.key(0), (3, 4)).shape
    (3, 4)
    """
    return variance_scaling(1.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def lecun_normal(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None) -> Initializer:
    """Truncated normal numbers of variance ``1 / fan_in``.

    Parameters
    ----------
    in_axis, out_axis, batch_axis, dtype : as of `variance_scaling`

    Returns
    -------
    initializer

    References
    ----------
    Klambauer et al. 2017, arXiv:1706.02515.

    Examples
    --------
    >>> ferax.nn.initializers.lecun_normal()(ferax.random.key(0), (3, 4)).shape
    (3, 4)
    """
    return variance_scaling(1.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def he_uniform(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None) -> Initializer:
    """Uniform numbers of variance ``2 / fan_in``, also called Kaiming's: for layers before a relu.

    Parameters
    ----------
    in_axis, out_axis, batch_axis, dtype : as of `variance_scaling`

    Returns
    -------
    initializer

    References
    ----------
    He et al. 2015, arXiv:1502.01852.

    Examples
    --------
    >>> ferax.nn.initializers.he_uniform()(ferax.random.key(0), (3, 4)).shape
    (3, 4)
    """
    return variance_scaling(2.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def he_normal(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None) -> Initializer:
    """Truncated normal numbers of variance ``2 / fan_in``, also called Kaiming's: for layers before a relu.

    Parameters
    ----------
    in_axis, out_axis, batch_axis, dtype : as of `variance_scaling`

    Returns
    -------
    initializer

    References
    ----------
    He et al. 2015, arXiv:1502.01852.

    Examples
    --------
    >>> ferax.nn.initializers.he_normal()(ferax.random.key(0), (3, 4)).shape
    (3, 4)
    """
    return variance_scaling(2.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal
