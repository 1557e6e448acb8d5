"""Activation functions, and softmax and its kin.

Each is composed of operations so that all its derivatives are right, at the joints of pieces too: the pieces are chosen
with ``select``, whose derivative is that of the piece chosen, and what overflows is kept out of the piece not chosen.
Called eagerly each is one program.

`softmax` and `log1mexp` have derivatives of their own: they need less than what their definitions would give.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.control.stop_gradient import stop_gradient
from ferax._src.numpy import reductions
from ferax._src.numpy.fusing import fused_optional
from ferax._src.numpy.joining import split
from ferax._src.numpy.logsumexp import logsumexp
from ferax._src.numpy.reductions import axes_of, check_where
from ferax._src.numpy.util import (
    check_arraylike_or_none, choose, const, ensure_arraylike, promote_args_inexact, promote_dtypes_inexact)
from ferax._src.ops.broadcasting import expand_dims, reduce_sum
from ferax._src.ops.compare import eq, ge, gt, le, lt
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import abs as ops_abs
from ferax._src.ops.elementwise import (
    add, div, exp, expm1, integer_pow, log, log1p, logistic, max as ops_max, min as ops_min, mul, neg, rsqrt, sqrt, square, sub,
    tanh as ops_tanh)
from ferax._src.ops.elementwise_special import erfc
from ferax._src.ops.reduce import reduce_max
from ferax._src.ops.select import select_n
from ferax._src.ops.shape import broadcasted_iota
from ferax._src.ops.static import as_static_int, normalize_axis
from ferax._src.runtime.fused import fused, is_eager
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes
from ferax._src.util import config

_SELU_ALPHA = 1.6732632423543772848170429916717     # Klambauer et al. 2017, arXiv:1706.02515, equation (14)
_SELU_SCALE = 1.0507009873554804934193349852946


def _activation(fun):
    """A function of one array: checks it, and runs as one program eagerly."""
    name = fun.__name__
    program = fused(fun)

    def call(x):
        if not isinstance(x, Array):
            x = ensure_arraylike(name, x)
        return program(x)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = fun.__doc__
    call.__module__ = fun.__module__
    return call


def _inexact(x, weak: bool = False):
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
    """
    x = _inexact(x, weak=True)
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
    """
    return _elu(*_pair("elu", x, alpha))


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
    """
    x = _inexact(x)
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
    """
    return _softplus(_inexact(x))


@_activation
def log_sigmoid(x):
    """Logarithm of the sigmoid: ``-log(1 + exp(-x))``.

    Parameters
    ----------
    x : array-like

    Returns
    -------
    array
    """
    return neg(_softplus(neg(_inexact(x))))


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
    """
    x = _inexact(x)
    return mul(x, ops_tanh(_softplus(x)))


@fused(static=("approximate",))
def _gelu(x, *, approximate):
    x = _inexact(x)
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
    """
    x = _inexact(x)
    size = ops_abs(x)
    size = add(size, const(size, 1))
    return div(x, size if size.dtype == x.dtype else convert(size, x.dtype))


@fused
def _squareplus(x, b):
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
    """
    x = _inexact(x, weak=True)
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
    """
    x = _inexact(x, weak=True)
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
    """
    return _hard_sigmoid(_inexact(x, weak=True))


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
    """
    x = _inexact(x, weak=True)
    return mul(x, _hard_sigmoid(x))


hard_swish = hard_silu


# --- of slices ----------------------------------------------------------------------------------

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
    """
    x = ensure_arraylike("glu", x)
    axis = normalize_axis(axis, x.ndim)
    if x.shape[axis] % 2:
        raise ValueError(f"glu: axis size must be divisible by 2, got {x.shape[axis]} for axis {axis} of shape {x.shape}")
    return _glu(x, axis=axis)


def _softmax_value(x, where, axes):
    x = _inexact(x)
    x = convert(x, x.dtype)
    if where is None:
        top = _kept(_max(x, axes), axes)
        terms = exp(sub(x, stop_gradient(top)))
        return div(terms, _kept(reduce_sum(terms, axes), axes))
    low = const(x, -np.inf)
    top = reductions.max(x, axes, keepdims=True, where=where, initial=-np.inf)
    terms = exp(sub(choose(where, x, low), stop_gradient(top)))
    out = div(terms, reductions.sum(terms, axes, keepdims=True, where=where))
    return choose(where, out, const(out, 0))


def _max(x, axes):
    if 0 in x.shape:
        return reductions.max(x, axes, initial=-np.inf)
    return reduce_max(x, axes)


def _kept(x, axes):
    return expand_dims(x, axes)


@fused_optional(static=("axes",))
def _softmax_program(x, where, *, axes):
    return _softmax_value(x, where, axes)


def _softmax_fun(axes, x, where):
    return _softmax_value(x, where, axes)


_softmax = custom_jvp(_softmax_fun, nondiff_argnums=(0,))


@_softmax.defjvp
def _softmax_jvp(axes, primals, tangents):
    # d softmax = y (t - sum(y t)): of all that was computed only the result is needed.
    (x, where), (t, _) = primals, tangents
    y = _softmax(axes, x, where)
    weighted = mul(y, t)
    if where is not None:
        weighted = choose(where, weighted, const(weighted, 0))
    return y, mul(y, sub(t, _kept(reduce_sum(weighted, axes), axes)))


def softmax(x, axis=-1, where=None):
    """``exp(x) / sum(exp(x))``: positive numbers that add up to 1, without overflow.

    Parameters
    ----------
    x : array-like
    axis : int, tuple of int, or None for all axes: over which to add up
    where : boolean array that broadcasts to ``x``: which elements take part; the others are 0

    Returns
    -------
    array of the shape of ``x``
    """
    x = ensure_arraylike("softmax", x)
    where = check_where("softmax", where)
    axes = axes_of(axis, x.ndim)
    if is_eager():
        return _softmax_program(x, where, axes=axes)
    if config.softmax_custom_jvp.value:
        return _softmax(axes, _inexact(x), where)
    return _softmax_value(x, where, axes)


@fused_optional(static=("axes",))
def _log_softmax(x, where, *, axes):
    x = _inexact(x)
    x = convert(x, x.dtype)
    if where is None:
        shifted = sub(x, stop_gradient(_kept(_max(x, axes), axes)))
        return sub(shifted, log(_kept(reduce_sum(exp(shifted), axes), axes)))
    low = const(x, -np.inf)
    top = reductions.max(x, axes, keepdims=True, where=where, initial=-np.inf)
    shifted = sub(choose(where, x, low), stop_gradient(top))
    out = sub(shifted, log(reductions.sum(exp(shifted), axes, keepdims=True, where=where)))
    return choose(where, out, low)


def log_softmax(x, axis=-1, where=None):
    """Logarithm of the softmax: ``x - log(sum(exp(x)))``, without overflow.

    Parameters
    ----------
    x, axis, where : as of `softmax`; the elements that do not take part are minus infinity

    Returns
    -------
    array of the shape of ``x``
    """
    x = ensure_arraylike("log_softmax", x)
    return _log_softmax(x, check_where("log_softmax", where), axes=axes_of(axis, x.ndim))


def logmeanexp(x, axis=None, where=None, keepdims=False):
    """``log(mean(exp(x)))``, without overflow.

    Parameters
    ----------
    x : array-like
    axis : int, tuple of int, or None for all axes
    where : boolean array that broadcasts to ``x``: which elements to take
    keepdims : whether the axes stay, with size 1

    Returns
    -------
    array
    """
    x = ensure_arraylike("logmeanexp", x)
    out = logsumexp(x, axis=axis, where=where, keepdims=keepdims)
    n = reductions.count(x, axis, keepdims, check_where("logmeanexp", where), out.dtype)
    if type(n) is int:
        return sub(out, const(out, math.log(n) if n else -np.inf))
    return sub(out, log(n))


@fused_optional(static=("axes", "algorithm"))
def _standardize(x, mean, variance, epsilon, where, *, axes, algorithm):
    x = _inexact(x)
    if mean is None:
        mean = reductions.mean(x, axes, keepdims=True, where=where)
    if variance is None:
        if algorithm == "stable":
            (centered,) = [sub(*promote_args_inexact("standardize", x, mean))]
            variance = reductions.mean(square(centered), axes, keepdims=True, where=where)
        else:
            squares = reductions.mean(square(x), axes, keepdims=True, where=where)
            variance = sub(*promote_args_inexact("standardize", squares, square(mean)))
            variance = ops_max(variance, const(variance, 0))    # rounding may make it negative
    scale = rsqrt(add(*promote_args_inexact("standardize", variance, epsilon)))
    centered = sub(*promote_args_inexact("standardize", x, mean))
    return mul(*promote_args_inexact("standardize", centered, scale))


def standardize(x, axis=-1, mean=None, variance=None, epsilon=1e-5, where=None, *, algorithm="fast"):
    """Shift and scale to mean 0 and variance 1.

    Parameters
    ----------
    x : array-like
    axis : int, tuple of int, or None for all axes
    mean, variance : those of ``x``, if known; they broadcast to it
    epsilon : number added to the variance before the root is taken
    where : boolean array that broadcasts to ``x``: which elements mean and variance are taken of
    algorithm : "fast" for the mean of squares minus the square of the mean, "stable" for the mean squared distance

    Returns
    -------
    array of the shape of ``x``
    """
    x = ensure_arraylike("standardize", x)
    check_arraylike_or_none("standardize", mean, variance, where)
    if algorithm not in ("fast", "stable"):
        raise ValueError(f"Unknown algorithm '{algorithm}'. Expected 'fast' or 'stable'.")
    mean, variance = [None if v is None else ensure_arraylike("standardize", v) for v in (mean, variance)]
    return _standardize(x, mean, variance, epsilon, check_where("standardize", where), axes=axes_of(axis, x.ndim),
                        algorithm=algorithm)


# --- others -------------------------------------------------------------------------------------

@fused(static=("num_classes", "dtype", "axis"))
def _one_hot(x, *, num_classes, dtype, axis):
    shape = (1,) * axis + (num_classes,) + (1,) * (x.ndim - axis)
    classes = broadcasted_iota(x.dtype, shape, axis)
    return convert(eq(expand_dims(x, (axis,)), classes), dtype)


def one_hot(x, num_classes, *, dtype=None, axis=-1):
    """Vectors that are 1 at one place and 0 elsewhere.

    Parameters
    ----------
    x : array-like of integers: the places; those that are not in range give vectors of zeros
    num_classes : int: size of the vectors
    dtype : dtype of the result, by default the default float
    axis : where in the result the vectors lie

    Returns
    -------
    array with one more dimension than ``x``
    """
    x = ensure_arraylike("one_hot", np.asarray(x) if isinstance(x, (list, tuple)) else x)
    if dtypes.kind_of(x.dtype) not in "iu":
        warnings.warn(f"jax.nn.one_hot input should be integer-typed; got dtype={x.dtype}", DeprecationWarning, stacklevel=2)
        if dtypes.kind_of(x.dtype) == "b":
            x = convert(x, dtypes.default_int_dtype())
    dtype = dtypes.default_float_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "one_hot")
    return _one_hot(x, num_classes=as_static_int(num_classes, "num_classes"), dtype=dtype,
                    axis=normalize_axis(axis, x.ndim + 1))


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
    """
    x = _inexact(ensure_arraylike("log1mexp", x))
    return _log1mexp_program(x) if is_eager() else _log1mexp(x)
