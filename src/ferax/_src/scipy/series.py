"""Loops for series and continued fractions: they turn until every element has converged."""

from __future__ import annotations

import numpy as np

from ferax._src.control.while_loop import while_loop
from ferax._src.numpy.reductions import any as any_of
from ferax._src.numpy.selection import where
from ferax._src.ops.elementwise import abs as absolute
from ferax._src.types import dtypes


def rounding(x) -> float:
    """Half the distance of 1 and the next number."""
    return float(dtypes.finfo(x.dtype).eps) / 2


def series(first, ratio, limit: int = 500, total=None):
    """The sum of terms, each the one before times ``ratio(k, *)``, k = 1, 2, ... , until terms no longer matter.

    Parameters
    ----------
    first : array, the term number 0
    ratio : function of the number k, a scalar of the dtype of the terms, that answers an array
    limit : int, how many terms there may be
    total : array, of what the sum starts; the first term by default
    """
    eps = rounding(first)

    def goes_on(state):
        k, term, total = state
        return (k < limit) & any_of(absolute(term) > eps * absolute(total))

    def step(state):
        k, term, total = state
        term = term * ratio(k)
        return k + 1, term, total + term
    start = np.asarray(1, first.dtype), first, first if total is None else total
    return while_loop(goes_on, step, start)[2]


def fraction(b, terms, limit: int = 500):
    """The continued fraction ``b + a1/(b1 + a2/(b2 + ...))`` by Lentz's method (modified by Thompson and Barnett).

    Parameters
    ----------
    b : array, not 0
    terms : function of the number k = 1, 2, ..., a scalar, that answers (a[k], b[k])
    limit : int, how many terms there may be
    """
    eps = rounding(b)
    tiny = float(dtypes.finfo(b.dtype).tiny)

    def not_zero(x):
        return where(x == 0, tiny, x)

    def goes_on(state):
        k, c, d, f, step = state
        return (k < limit) & any_of(absolute(step - 1) > 2 * eps)

    def turn(state):
        k, c, d, f, _ = state
        a_k, b_k = terms(k)
        c, d = not_zero(b_k + a_k / c), 1 / not_zero(b_k + a_k * d)
        return k + 1, c, d, f * c * d, c * d
    start = np.asarray(1, b.dtype), b, 0 * b, b, 0 * b
    return while_loop(goes_on, turn, start)[3]
