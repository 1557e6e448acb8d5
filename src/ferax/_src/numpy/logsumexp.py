"""logsumexp: the logarithm of a sum of exponentials, with the greatest taken out so that nothing overflows."""

from __future__ import annotations

import numpy as np

from ferax._src.control.stop_gradient import stop_gradient
from ferax._src.numpy import reductions
from ferax._src.numpy.fusing import fused_optional
from ferax._src.numpy.reductions import axes_of, check_where
from ferax._src.numpy.util import broadcast_to, choose, const, ensure_arraylike, promote_args_inexact, shape_of
from ferax._src.ops.broadcasting import broadcast_shapes, expand_dims, reduce_sum
from ferax._src.ops.compare import lt, ne
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import abs as ops_abs
from ferax._src.ops.elementwise import add, exp, is_finite, log, mul, sign as ops_sign, sub
from ferax._src.ops.elementwise_complex import real
from ferax._src.ops.select import select_n
from ferax._src.ops.shape import squeeze
from ferax._src.types import dtypes


@fused_optional(static=("axes", "keepdims", "return_sign"))
def _logsumexp(a, b, where, *, axes, keepdims, return_sign):
    if where is not None:
        a = choose(where, a, const(a, 0))                   # what is left out must not spoil derivatives
    if b is None:
        (a,) = promote_args_inexact("logsumexp", a)
    else:
        a, b = promote_args_inexact("logsumexp", a, b)
        a = choose(ne(b, const(b, 0)), a, const(a, -np.inf))
    is_complex = dtypes.kind_of(a.dtype) == "c"
    top = reductions.max(real(a) if is_complex else a, axes, keepdims=True, where=where, initial=-np.inf)
    top = stop_gradient(select_n(is_finite(top), const(top, 0), top))
    terms = exp(sub(a, convert(top, a.dtype)))
    if b is not None:
        terms = mul(terms, b)
    if where is not None:
        terms = choose(where, terms, const(terms, 0))
    total = reduce_sum(convert(terms, terms.dtype), axes)
    top = squeeze(top, axes)
    sign = ops_sign(total) if return_sign or b is not None else None
    if b is not None or (return_sign and is_complex):
        total = ops_abs(total) if return_sign or not is_complex else total
    out = add(log(total), convert(top, total.dtype))
    if b is not None and not return_sign and not is_complex:
        out = choose(lt(sign, const(sign, 0)), const(out, np.nan), out)
    if keepdims:
        out = expand_dims(out, axes)
        sign = expand_dims(sign, axes) if return_sign else None
    return (out, sign) if return_sign else out


def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False, where=None):
    """``log(sum(b * exp(a)))``, without overflow.

    Parameters
    ----------
    a : array-like
    axis : int, tuple of int, or None for all axes
    b : array-like that broadcasts with ``a``: factors, 1 by default; they may be negative
    keepdims : whether the axes stay, with size 1
    return_sign : whether to answer the logarithm of the absolute value of the sum, and its sign
    where : boolean array that broadcasts to ``a``: which terms to take

    Returns
    -------
    array, or a pair of arrays if ``return_sign``
        Of a negative sum, the sign not being asked for, the result is nan; of no terms it is minus infinity.

    References
    ----------
    ``scipy.special.logsumexp``

    Examples
    --------
    >>> print(jnp.round(ferax.nn.logsumexp(jnp.array([1000.0, 1000.0])), 2))
    1000.69
    """
    a = ensure_arraylike("logsumexp", a)
    where = check_where("logsumexp", where)
    if b is not None:
        b = ensure_arraylike("logsumexp", b)
        shape = broadcast_shapes(a.shape, b.shape)
        a = broadcast_to(as_array(a), shape)
    if where is not None:
        a = broadcast_to(a, broadcast_shapes(a.shape, shape_of(where)))
    axes = axes_of(axis, a.ndim)
    return _logsumexp(a, b, where, axes=axes, keepdims=bool(keepdims), return_sign=bool(return_sign))
