"""Owen's T function."""

from __future__ import annotations

import math

import numpy as np

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.numpy import util
from ferax._src.numpy.reductions import sum as sum_of
from ferax._src.numpy.selection import where
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import abs as absolute, exp, max as maximum, min as minimum, sign, square
from ferax._src.ops.elementwise_special import erf, erfc
from ferax._src.scipy.elementwise import FLOAT32, elementwise

_HALF_ROOT = math.sqrt(0.5)


def _integral(h, a):
    """By Gauss and Legendre's rule, for a from 0 to 1, as far as ``exp(-h^2 x^2/2)`` matters."""
    nodes, weights = np.polynomial.legendre.leggauss(48 if h.dtype == np.float64 else 20)
    end = minimum(a, 9 / maximum(h, np.asarray(1, h.dtype)))
    x2 = square(end[..., None] * ((nodes + 1) / 2).astype(h.dtype))
    values = exp(-0.5 * square(h)[..., None] * (1 + x2)) / (1 + x2)
    return end * sum_of(values * weights.astype(h.dtype), axis=-1) * (1 / (4 * math.pi))


def _value(h, a):
    h, a = util.broadcast_all("owens_t", as_array(h), as_array(a))
    h, size = absolute(h), absolute(a)
    above = size > 1
    left, both = 0.5 * erfc(h * _HALF_ROOT), 0.5 * erfc(h * size * _HALF_ROOT)
    part = _integral(where(above, h * size, h), where(above, 1 / where(above, size, 1), size))
    found = where(above, 0.5 * (left + both) - left * both - part, part)
    found = where(h == math.inf, 0, where((h == 0) & (size == math.inf), 0.25, found))
    found = where((h != h) | (a != a), math.nan, found)
    return sign(a) * found


@custom_jvp
def _owens_t(h, a):
    return _value(h, a)


@_owens_t.defjvp
def _owens_t_jvp(primals, tangents):
    (h, a), (dh, da) = primals, tangents
    by_h = exp(-0.5 * square(h)) * erf(a * h * _HALF_ROOT) * (-0.5 / math.sqrt(2 * math.pi))
    by_a = exp(-0.5 * square(h) * (1 + square(a))) / ((1 + square(a)) * (2 * math.pi))
    return _owens_t(h, a), dh * by_h + da * by_a


@elementwise(complexes=True)
def owens_t(h, a):
    """Owen's T function: the probability that X > h and 0 < Y < a X, for independent standard normal variables.

    Parameters
    ----------
    h, a : array-likes of real numbers

    Returns
    -------
    Array of floats, of 32 bits at least

    References
    ----------
    Owen, *Tables for computing bivariate normal probabilities* (1956), whose formula 2.3 brings ``a`` below 1.
    ``scipy.special.owens_t``

    Examples
    --------
    >>> print(jnp.round(owens_t(0.0, 1.0), 4))
    0.125
    """
    return _owens_t(*[convert(x, FLOAT32) if x.dtype.itemsize < 4 else x for x in (h, a)])
