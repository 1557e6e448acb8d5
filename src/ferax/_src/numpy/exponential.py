"""Exponentials and logarithms."""

from __future__ import annotations

import math

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.numpy import util
from ferax._src.numpy.rows import INEXACT, composite, unary
from ferax._src.ops import elementwise as ops
from ferax._src.ops.base import numpy_scalar
from ferax._src.ops.compare import eq, ne

exp = unary("exp", ops.exp, INEXACT, "``e ** x``.")
exp2 = unary("exp2", ops.exp2, INEXACT, "``2 ** x``.")
expm1 = unary("expm1", ops.expm1, INEXACT, "``e ** x - 1``, exact for small x too.")
log = unary("log", ops.log, INEXACT, "Natural logarithm; nan for negative reals, -inf for 0.")
log1p = unary("log1p", ops.log1p, INEXACT, "``log(1 + x)``, exact for small x too.")


def _scaled(y, op, number: float):
    """``op(y, number)`` for a real number, part by part of a complex ``y``."""
    if util.dtype_kind(y) == "c":
        return ops.complex(*[op(part, numpy_scalar(number, part.dtype)) for part in (ops.real(y), ops.imag(y))])
    return op(y, numpy_scalar(number, y.dtype))


@composite("log2", INEXACT, "Logarithm to the base 2.", params=("x",))
def log2(x):
    return _scaled(ops.log(x), ops.div, math.log(2))        # a quotient is exact for powers of two


@composite("log10", INEXACT, "Logarithm to the base 10.", params=("x",))
def log10(x):
    return _scaled(ops.log(x), ops.mul, 1 / math.log(10))


# --- sums of exponentials -----------------------------------------------------------------------
# log(b^x + b^y) = m + log(1 + b^-|x - y|) with m the greater of the two. Its derivative by x is the share that b^x has
# in the sum, b^(x - result), which is stable and is 0, not nan, for x = -inf.

def _wrapped(z, period: float):
    """The imaginary part brought to within half a period of 0."""
    im = ops.imag(z)
    turns = ops.round(ops.div(im, util.const(im, period)), ops.RoundingMethod.TO_NEAREST_EVEN)
    return ops.complex(ops.real(z), ops.sub(im, ops.mul(turns, util.const(im, period))))


def _log_of_sum(x, y, exp_, base: float):
    """``log(base**x + base**y)`` to the base."""
    greater = ops.max(x, y)
    scale = util.literal(greater, 1 / math.log(base))
    if util.dtype_kind(x) == "c":
        delta = ops.sub(ops.add(x, y), ops.mul(greater, util.literal(greater, 2)))
        return _wrapped(ops.add(greater, ops.mul(ops.log1p(exp_(delta)), scale)), 2 * math.pi / math.log(base))
    delta = ops.sub(x, y)
    rest = ops.log1p(exp_(ops.neg(ops.abs(delta))))
    rest = rest if base == math.e else ops.mul(rest, scale)
    # inf - inf: either the operands are infinities of one sign, which is the result then, or one of them is nan.
    return util.choose(ne(delta, delta), ops.add(x, y), ops.add(greater, rest))


def _share(x, result, exp_):
    """``base**(x - result)``, where -inf - -inf is 0, for nothing plus nothing has no shares."""
    delta = ops.sub(x, result)
    same = eq(x, result)
    return exp_(util.choose(same, util.const(delta, 0), delta))


def _log_of_sum_with_derivative(exp_, base: float):
    fun = custom_jvp(lambda x, y: _log_of_sum(x, y, exp_, base))

    @fun.defjvp
    def jvp(primals, tangents):
        x, y = primals
        result = fun(x, y)
        shares = [ops.mul(t, _share(p, result, exp_)) for p, t in zip(primals, tangents)]
        return result, ops.add(*shares)
    return fun


_logaddexp = _log_of_sum_with_derivative(ops.exp, math.e)
_logaddexp2 = _log_of_sum_with_derivative(ops.exp2, 2.0)


@composite("logaddexp", INEXACT, "``log(exp(x1) + exp(x2))``, without overflow.")
def logaddexp(x1, x2):
    return _logaddexp(*util.broadcast_all("logaddexp", x1, x2))


@composite("logaddexp2", INEXACT, "``log2(2**x1 + 2**x2)``, without overflow.")
def logaddexp2(x1, x2):
    return _logaddexp2(*util.broadcast_all("logaddexp2", x1, x2))
