"""softmax and its kin: log_softmax, logmeanexp, standardize; and one-hot vectors.

`softmax` has a derivative of its own, which needs nothing of what was computed but the result. The greatest element is
taken out before exponentials are taken, so that nothing overflows; derivatives do not see it, for it cancels.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.control.stop_gradient import stop_gradient
from ferax._src.nn.activations import inexact
from ferax._src.numpy import reductions
from ferax._src.numpy.fusing import fused_optional, one_array_with
from ferax._src.numpy.logsumexp import logsumexp
from ferax._src.numpy.reductions import axes_of, check_where
from ferax._src.numpy.util import check_arraylike_or_none, choose, const, ensure_arraylike, promote_args_inexact
from ferax._src.ops.broadcasting import expand_dims, reduce_sum
from ferax._src.ops.compare import eq
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import add, div, exp, log, max as ops_max, mul, rsqrt, square, sub
from ferax._src.ops.reduce import reduce_max
from ferax._src.ops.shape import broadcasted_iota
from ferax._src.ops.static import as_static_int, normalize_axis
from ferax._src.runtime.fused import fused, is_eager
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes
from ferax._src.util import config


def _softmax_of_all(x, axes):
    x = inexact(x)
    x = convert(x, x.dtype)
    terms = exp(sub(x, stop_gradient(expand_dims(_max(x, axes), axes))))
    return div(terms, expand_dims(reduce_sum(terms, axes), axes))


def _softmax_of_some(x, where, *, axes):
    x = inexact(x)
    top = reductions.max(x, axes, keepdims=True, where=where, initial=-np.inf)
    terms = exp(sub(choose(where, x, const(x, -np.inf)), stop_gradient(top)))
    out = div(terms, reductions.sum(terms, axes, keepdims=True, where=where))
    return choose(where, out, const(out, 0))


def _softmax_value(x, where, axes):
    return _softmax_of_all(x, axes) if where is None else _softmax_of_some(x, where, axes=axes)


def _max(x, axes):
    if 0 in x.shape:
        return reductions.max(x, axes, initial=-np.inf)
    return reduce_max(x, axes)


_softmax_program = one_array_with(_softmax_of_all)
_masked_softmax_program = fused(_softmax_of_some, static=("axes",))


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
    return y, mul(y, sub(t, expand_dims(reduce_sum(weighted, axes), axes)))


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

    Examples
    --------
    >>> ferax.nn.softmax(jnp.array([0.0, 0.0]))
    Array([0.5, 0.5], dtype=float32)
    """
    x = x if isinstance(x, Array) else ensure_arraylike("softmax", x)
    where = check_where("softmax", where)
    axes = axes_of(axis, x.ndim)
    if is_eager():
        return _softmax_program(x, axes) if where is None else _masked_softmax_program(x, where, axes=axes)
    if config.softmax_custom_jvp.value:
        return _softmax(axes, inexact(x), where)
    return _softmax_value(x, where, axes)


@one_array_with
def _log_softmax(x, axes):
    x = inexact(x)
    x = convert(x, x.dtype)
    shifted = sub(x, stop_gradient(expand_dims(_max(x, axes), axes)))
    return sub(shifted, log(expand_dims(reduce_sum(exp(shifted), axes), axes)))


@fused(static=("axes",))
def _masked_log_softmax(x, where, *, axes):
    x = inexact(x)
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

    Examples
    --------
    >>> ferax.nn.log_softmax(jnp.array([0.0, 0.0]))
    Array([-0.6931472, -0.6931472], dtype=float32)
    """
    x = x if isinstance(x, Array) else ensure_arraylike("log_softmax", x)
    axes = axes_of(axis, x.ndim)
    if where is None:
        return _log_softmax(x, axes)
    return _masked_log_softmax(x, check_where("log_softmax", where), axes=axes)


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

    Examples
    --------
    >>> ferax.nn.logmeanexp(jnp.array([1.0, 1.0]))
    Array(1., dtype=float32)
    """
    x = ensure_arraylike("logmeanexp", x)
    out = logsumexp(x, axis=axis, where=where, keepdims=keepdims)
    n = reductions.count(x, axis, keepdims, check_where("logmeanexp", where), out.dtype)
    if type(n) is int:
        return sub(out, const(out, math.log(n) if n else -np.inf))
    return sub(out, log(n))


@fused_optional(static=("axes", "algorithm"))
def _standardize(x, mean, variance, epsilon, where, *, axes, algorithm):
    shifted = inexact(x, weak=mean is not None)     # next to a given number, integers are weak
    x = inexact(x)
    if mean is None:
        mean = reductions.mean(x, axes, keepdims=True, where=where)
    if variance is None:
        if algorithm == "stable":
            variance = reductions.mean(square(sub(*promote_args_inexact("standardize", x, mean))), axes, keepdims=True, where=where)
        else:
            squares = reductions.mean(square(x), axes, keepdims=True, where=where)
            variance = sub(*promote_args_inexact("standardize", squares, square(mean)))
            variance = ops_max(variance, const(variance, 0))    # rounding may make it negative
    scale = rsqrt(add(*promote_args_inexact("standardize", variance, epsilon)))
    centered = sub(*promote_args_inexact("standardize", shifted, mean))
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

    Examples
    --------
    >>> ferax.nn.standardize(jnp.array([1.0, 3.0]), epsilon=0.0)
    Array([-1.,  1.], dtype=float32)
    """
    x = ensure_arraylike("standardize", x)
    check_arraylike_or_none("standardize", mean, variance, where)
    if algorithm not in ("fast", "stable"):
        raise ValueError(f"Unknown algorithm '{algorithm}'. Expected 'fast' or 'stable'.")
    mean, variance = [None if v is None else ensure_arraylike("standardize", v) for v in (mean, variance)]
    return _standardize(x, mean, variance, epsilon, check_where("standardize", where), axes=axes_of(axis, x.ndim),
                        algorithm=algorithm)


# --- one-hot vectors ----------------------------------------------------------------------------

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

    Examples
    --------
    >>> ferax.nn.one_hot(jnp.array([0, 2]), 3)
    Array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    x = ensure_arraylike("one_hot", np.asarray(x) if isinstance(x, (list, tuple)) else x)
    if dtypes.kind_of(x.dtype) not in "iu":
        warnings.warn(f"jax.nn.one_hot input should be integer-typed; got dtype={x.dtype}", DeprecationWarning, stacklevel=2)
        if dtypes.kind_of(x.dtype) == "b":
            x = convert(x, dtypes.default_int_dtype())
    dtype = dtypes.default_float_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "one_hot")
    return _one_hot(x, num_classes=as_static_int(num_classes, "num_classes"), dtype=dtype,
                    axis=normalize_axis(axis, x.ndim + 1))
