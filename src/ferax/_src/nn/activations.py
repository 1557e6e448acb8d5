"""Activation functions: functions of one number, applied to each element.

Each is composed of operations so that all its derivatives are right, at the joints of pieces too: the pieces are chosen
with ``select``, whose derivative is that of the piece chosen, and what overflows is kept out of the piece not chosen.
Called eagerly each is one program.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.numpy.joining import split
from ferax._src.numpy.util import const, ensure_arraylike, promote_args_inexact, promote_dtypes_inexact
from ferax._src.ops.compare import ge, gt, le, lt
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import abs as ops_abs
from ferax._src.ops.elementwise import (
    add, div, exp, expm1, integer_pow, log, log1p, logistic, max as ops_max, min as ops_min, mul, neg, sqrt, square,
    tanh as ops_tanh)
from ferax._src.ops.elementwise_special import erfc
from ferax._src.ops.select import select_n
from ferax._src.ops.static import normalize_axis
from ferax._src.runtime.fused import fused, is_eager, of_one_array
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes

_SELU_ALPHA = 1.6732632423543772848170429916717     # Klambauer et al. 2017, arXiv:1706.02515, equation (14)
_SELU_SCALE = 1.0507009873554804934193349852946


def _activation(fun):
    """A function of one array: checks it, and runs as one program eagerly."""
    name = fun.__name__
    program = of_one_array(fun)

    def call(x):
        if not isinstance(x, Array):
            x = ensure_arraylike(name, x)
        return program(x)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = fun.__doc__
    call.__module__ = fun.__module__
    return call


def inexact(x, weak: bool = False):
    """Integers as floats: of the default width, or ``weak`` as next to a Python number."""
    if dtypes.kind_of(x.dtype) in "fc":
        return x
    return convert(x, dtypes.default_float_dtype(), True) if weak else as_array(promote_dtypes_inexact(x)[0])


def _ramp(x):
    """max(x, 0), with derivative 0 at 0, and nan for nan."""
    return select_n(le(x, const(x, 0)), x, const(x, 0))


# --- rectifiers ---------------------------------------------------------------------------------

@_activation
def identity(x):
    """The argument itself.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array

    Examples
    --------
    >>> ferax.nn.identity(jnp.array([-2.0, 0.0, 3.0]))
    Array([-2.,  0.,  3.], dtype=float32)
    """
    return x


@_activation
def relu(x):
    """Rectified linear unit: ``max(x, 0)``.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array; the derivative at 0 is 0

    References
    ----------
    Nair and Hinton 2010.

    Examples
    --------
    >>> ferax.nn.relu(jnp.array([-2.0, 0.0, 3.0]))
    Array([0., 0., 3.], dtype=float32)
    """
    if dtypes.kind_of(x.dtype) == "b":
        x = convert(x, dtypes.default_int_dtype(), True)
    return _ramp(x)


@_activation
def relu6(x):
    """Rectified linear unit that is 6 at most: ``min(max(x, 0), 6)``.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array of floats; the derivative at 0 and at 6 is 0

    Examples
    --------
    >>> ferax.nn.relu6(jnp.array([-2.0, 0.0, 3.0]))
    Array([0., 0., 3.], dtype=float32)
    """
    x = inexact(x, weak=True)
    return select_n(ge(x, const(x, 6)), _ramp(x), const(x, 6))


@fused
def _leaky_relu(x, slope):
    x, slope = promote_args_inexact("leaky_relu", x, slope)
    return select_n(ge(x, const(x, 0)), mul(slope, x), x)


def leaky_relu(x, negative_slope=0.01):
    """``x`` where that is not negative, else ``negative_slope * x``.

    Parameters
    ----------
    x : array-like
    negative_slope : array-like

    Returns
    -------
    array; the derivative at 0 is 1

    Examples
    --------
    >>> ferax.nn.leaky_relu(jnp.array([-2.0, 0.0, 3.0]))
    Array([-0.02,  0.  ,  3.  ], dtype=float32)
    """
    return _leaky_relu(*_pair("leaky_relu", x, negative_slope))


def _pair(name: str, x, number):
    """An array and a parameter; a Python number of the same dtype costs no argument."""
    return ensure_arraylike(name, x), number if isinstance(number, (int, float)) else ensure_arraylike(name, number)


@fused
def _elu(x, alpha):
    x, alpha = promote_args_inexact("elu", x, alpha)
    positive = gt(x, const(x, 0))
    return select_n(positive, mul(alpha, expm1(select_n(positive, x, const(x, 0)))), x)


def elu(x, alpha=1.0):
    """Exponential linear unit: ``x`` where that is positive, else ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    x : array-like
    alpha : array-like

    Returns
    -------
    array

    References
    ----------
    Clevert et al. 2015, arXiv:1511.07289.

    Examples
    --------
    >>> ferax.nn.elu(jnp.array([-2.0, 0.0, 3.0]))
    Array([-0.86466473,  0.        ,  3.        ], dtype=float32)
    """
    return _elu(*_pair("elu", x, float(alpha) if type(alpha) is int else alpha))


@fused
def _celu(x, alpha):
    x, alpha = promote_args_inexact("celu", x, alpha)
    zero = const(x, 0)
    return add(ops_max(x, zero), mul(alpha, expm1(div(ops_min(x, zero), alpha))))


def celu(x, alpha=1.0):
    """Exponential linear unit with a continuous derivative: ``max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)``.

    Parameters
    ----------
    x : array-like
    alpha : array-like

    Returns
    -------
    array

    References
    ----------
    Barron 2017, arXiv:1704.07483.

    Examples
    --------
    >>> ferax.nn.celu(jnp.array([-2.0, 0.0, 3.0]))
    Array([-0.86466473,  0.        ,  3.        ], dtype=float32)
    """
    return _celu(*_pair("celu", x, alpha))


@_activation
def selu(x):
    """Scaled exponential linear unit, which keeps mean 0 and variance 1 from layer to layer.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array

    References
    ----------
    Klambauer et al. 2017, arXiv:1706.02515.

    Examples
    --------
    >>> ferax.nn.selu(jnp.array([-2.0, 0.0, 3.0]))
    Array([-1.5201665,  0.       ,  3.152103 ], dtype=float32)
    """
    x = inexact(x, weak=True)
    return mul(_elu(x, _SELU_ALPHA), _SELU_SCALE)


# --- smooth -------------------------------------------------------------------------------------

def sigmoid(x):
    """Logistic sigmoid: ``1 / (1 + exp(-x))``.

    Parameters
    ----------
    x : array of floats or complex numbers

    Returns
    -------
    array

    Examples
    --------
    >>> ferax.nn.sigmoid(jnp.array([-2.0, 0.0, 3.0]))
    Array([0.11920292, 0.5       , 0.95257413], dtype=float32)
    """
    return logistic(x if isinstance(x, Array) else ensure_arraylike("sigmoid", x))


def _softplus(x):
    """max(x, 0) + log(1 + exp(-|x|)): one formula on each side of 0, so that all derivatives are right at 0 as well."""
    zero = const(x, 0)
    positive = gt(x, zero)
    return add(select_n(positive, zero, x), log1p(exp(select_n(positive, x, neg(x)))))


@_activation
def softplus(x):
    """``log(1 + exp(x))``, without overflow.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array

    Examples
    --------
    >>> ferax.nn.softplus(jnp.array([-2.0, 0.0, 3.0]))
    Array([0.126928 , 0.6931472, 3.0485873], dtype=float32)
    """
    return _softplus(inexact(x, weak=x.dtype == np.bool_))


@_activation
def log_sigmoid(x):
    """Logarithm of the sigmoid: ``-log(1 + exp(-x))``.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array

    Examples
    --------
    >>> ferax.nn.log_sigmoid(jnp.array([-2.0, 0.0, 3.0]))
    Array([-2.126928  , -0.6931472 , -0.04858735], dtype=float32)
    """
    return neg(_softplus(neg(inexact(x))))


@_activation
def silu(x):
    """Sigmoid linear unit, or swish: ``x * sigmoid(x)``.

    Parameters
    ----------
    x : array of floats

    Returns
    -------
    array

    References
    ----------
    Hendrycks and Gimpel 2016, arXiv:1606.08415; Ramachandran et al. 2017, arXiv:1710.05941.

    Examples
    --------
    >>> ferax.nn.silu(jnp.array([-2.0, 0.0, 3.0]))
    Array([-0.23840584,  0.        ,  2.8577223 ], dtype=float32)
    """
    return mul(x, logistic(x))


swish = silu


@_activation
def mish(x):
    """``x * tanh(softplus(x))``.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array

    References
    ----------
    Misra 2019, arXiv:1908.08681.

    Examples
    --------
    >>> ferax.nn.mish(jnp.array([-2.0, 0.0, 3.0]))
    Array([-0.25250146,  0.        ,  2.9865355 ], dtype=float32)
    """
    x = inexact(x, weak=x.dtype == np.bool_)
    return mul(x, ops_tanh(_softplus(x)))


@fused(static=("approximate",))
def _gelu(x, *, approximate):
    x = inexact(x)
    x = convert(x, x.dtype)
    if approximate:                                         # Hendrycks and Gimpel 2016, section 2
        inner = mul(add(x, mul(integer_pow(x, 3), 0.044715)), math.sqrt(2 / math.pi))
        return mul(x, mul(add(ops_tanh(inner), 1.0), 0.5))
    return mul(mul(x, 0.5), erfc(mul(x, -math.sqrt(0.5))))


def gelu(x, approximate=True):
    """Gaussian error linear unit: ``x`` times the chance that a standard normal number is smaller.

    Parameters
    ----------
    x : array-like
    approximate : whether to take the formula with tanh that comes close to it

    Returns
    -------
    array

    References
    ----------
    Hendrycks and Gimpel 2016, arXiv:1606.08415.

    Examples
    --------
    >>> ferax.nn.gelu(jnp.array([-2.0, 0.0, 3.0]))
    Array([-0.04540235,  0.        ,  2.9963627 ], dtype=float32)
    """
    return _gelu(ensure_arraylike("gelu", x), approximate=bool(approximate))


@_activation
def soft_sign(x):
    """``x / (1 + |x|)``.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array

    Examples
    --------
    >>> ferax.nn.soft_sign(jnp.array([-2.0, 0.0, 3.0]))
    Array([-0.6666667,  0.       ,  0.75     ], dtype=float32)
    """
    x = inexact(x, weak=x.dtype == np.bool_)
    size = ops_abs(x)
    size = add(size, const(size, 1))
    return div(x, size if size.dtype == x.dtype else convert(size, x.dtype))


@fused
def _squareplus(x, b):
    if x.dtype == np.bool_:
        x = inexact(x)
    x, b = promote_args_inexact("squareplus", x, b)
    return mul(add(x, sqrt(add(square(x), b))), 0.5)


def squareplus(x, b=4):
    """``(x + sqrt(x**2 + b)) / 2``.

    Parameters
    ----------
    x : array-like
    b : array-like: smoothness

    Returns
    -------
    array

    References
    ----------
    Barron 2021, arXiv:2112.11687.

    Examples
    --------
    >>> ferax.nn.squareplus(jnp.array([-2.0, 0.0, 3.0]))
    Array([0.41421354, 1.        , 3.3027756 ], dtype=float32)
    """
    return _squareplus(*_pair("squareplus", x, b))


@_activation
def sparse_plus(x):
    """0 up to -1, ``(x + 1)**2 / 4`` between, ``x`` from 1 on: the integral of `sparse_sigmoid`.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array

    Examples
    --------
    >>> ferax.nn.sparse_plus(jnp.array([-2.0, 0.0, 3.0]))
    Array([0.  , 0.25, 3.  ], dtype=float32)
    """
    x = inexact(x, weak=True)
    inner = mul(square(add(x, 1)), 0.25)
    return select_n(le(x, const(x, -1)), select_n(ge(x, const(x, 1)), inner, x), const(x, 0))


@_activation
def sparse_sigmoid(x):
    """0 up to -1, ``(x + 1) / 2`` between, 1 from 1 on.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array

    Examples
    --------
    >>> ferax.nn.sparse_sigmoid(jnp.array([-2.0, 0.0, 3.0]))
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    x = inexact(x, weak=True)
    return mul(ops_min(ops_max(add(x, 1), 0), 2), 0.5)


# --- hard ---------------------------------------------------------------------------------------

@_activation
def hard_tanh(x):
    """``x`` kept between -1 and 1.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array

    Examples
    --------
    >>> ferax.nn.hard_tanh(jnp.array([-2.0, 0.0, 3.0]))
    Array([-1.,  0.,  1.], dtype=float32)
    """
    if dtypes.kind_of(x.dtype) == "b":
        x = convert(x, dtypes.default_int_dtype(), True)
    one, minus_one = const(x, 1), const(x, -1)
    return select_n(gt(x, one), select_n(lt(x, minus_one), x, minus_one), one)


def _hard_sigmoid(x):
    return div(relu6(add(x, 3)), 6)


@_activation
def hard_sigmoid(x):
    """``relu6(x + 3) / 6``: straight lines in place of the sigmoid.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array

    Examples
    --------
    >>> ferax.nn.hard_sigmoid(jnp.array([-2.0, 0.0, 3.0]))
    Array([0.16666667, 0.5       , 1.        ], dtype=float32)
    """
    return _hard_sigmoid(inexact(x, weak=True))


@_activation
def hard_silu(x):
    """``x * hard_sigmoid(x)``.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array

    References
    ----------
    Howard et al. 2019, arXiv:1905.02244.

    Examples
    --------
    >>> ferax.nn.hard_silu(jnp.array([-2.0, 0.0, 3.0]))
    Array([-0.33333334,  0.        ,  3.        ], dtype=float32)
    """
    x = inexact(x, weak=True)
    return mul(x, _hard_sigmoid(x))


hard_swish = hard_silu


# --- others -------------------------------------------------------------------------------------

@fused(static=("axis",))
def _glu(x, *, axis):
    x, gate = split(x, 2, axis)
    return mul(x, logistic(gate))


def glu(x, axis=-1):
    """Gated linear unit: the first half times the sigmoid of the second.

    Parameters
    ----------
    x : array of floats
    axis : int: which axis is halved; its size must be even

    Returns
    -------
    array

    References
    ----------
    Dauphin et al. 2016, arXiv:1612.08083.

    Examples
    --------
    >>> ferax.nn.glu(jnp.array([1.0, 2.0, 0.0, 0.0]))
    Array([0.5, 1. ], dtype=float32)
    """
    x = ensure_arraylike("glu", x)
    axis = normalize_axis(axis, x.ndim)
    if x.shape[axis] % 2:
        raise ValueError(f"glu: axis size must be divisible by 2, got {x.shape[axis]} for axis {axis} of shape {x.shape}")
    return _glu(x, axis=axis)


@fused
def _log1mexp_program(x):
    small = lt(x, const(x, math.log(2)))
    return select_n(small, log1p(neg(exp(neg(x)))), log(neg(expm1(neg(x)))))


def _log1mexp_fun(x):
    return _log1mexp_program(x)


_log1mexp = custom_jvp(_log1mexp_fun)
_log1mexp.defjvps(lambda t, ans, x: div(t, expm1(x)))


def log1mexp(x):
    """``log(1 - exp(-x))`` for positive ``x``, accurate near 0 and far from it.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array; nan where ``x`` is negative

    References
    ----------
    Maechler 2012, "Accurately computing log(1 - exp(-|a|))".

    Examples
    --------
    >>> ferax.nn.log1mexp(jnp.array([0.1, 10.0]))
    Array([-2.3521686e+00, -4.5400961e-05], dtype=float32)
    """
    x = inexact(ensure_arraylike("log1mexp", x))
    return _log1mexp_program(x) if is_eager() else _log1mexp(x)
