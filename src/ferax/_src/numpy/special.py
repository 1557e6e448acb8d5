"""Clipping, and the special functions that NumPy itself has."""

from __future__ import annotations

from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.numpy import util
from ferax._src.numpy.complexes import iscomplexobj
from ferax._src.ops import elementwise as ops
from ferax._src.ops.elementwise_special import bessel_i0e, bessel_i1e
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes


_BOUNDS = frozenset({int, float, type(None)})


def clip(arr=None, /, min=None, max=None):
    """Keep elements within bounds.

    Parameters
    ----------
    arr : array of real numbers
    min, max : bounds, broadcast against ``arr``; None for no bound. Where ``min`` is above ``max``, the result is ``max``

    Returns
    -------
    Array of the dtype that ``arr`` and the bounds promote to

    Raises
    ------
    ValueError : for complex numbers, which have no order.

    Examples
    --------
    >>> jnp.clip(jnp.arange(5), 1, 3)
    Array([1, 1, 2, 3, 3], dtype=int32)
    """
    if isinstance(arr, Array) and type(min) in _BOUNDS and type(max) in _BOUNDS and dtypes.kind_of(arr.aval.dtype) != "c":
        return _clip(arr, *[b for b in (min, max) if b is not None], given=(min is not None, max is not None))
    if arr is None:
        raise ValueError("No input was provided to the clip function.")
    util.check_arraylike("clip", arr)
    util.check_arraylike_or_none("clip", arr, min, max)
    if any([iscomplexobj(x) for x in (arr, min, max)]):
        raise ValueError("Clip received a complex value either through the input or the min/max keywords. Complex values have "
                         "no ordering and cannot be clipped. Clip jnp.real(x) and jnp.imag(x) instead.")
    bounds = [util.operand(b) for b in (min, max) if b is not None]
    return _clip(util.operand(arr), *bounds, given=(min is not None, max is not None))


@fused(static=("given",))
def _clip(x, *bounds, given):
    rest = iter(bounds)
    for op, own in zip((ops.max, ops.min), given):
        if own:
            x = op(*util.promote_args("clip", next(rest), x))
    return util.as_array(x)


@custom_jvp
def _bessel_i0(x):
    size = ops.abs(x)
    return ops.mul(ops.exp(size), bessel_i0e(size))


@_bessel_i0.defjvp
def _bessel_i0_jvp(primals, tangents):
    (x,), (t,) = primals, tangents                          # the derivative of I0 is I1
    return _bessel_i0(x), ops.mul(t, ops.mul(ops.exp(ops.abs(x)), bessel_i1e(x)))


@fused
def _i0(x):
    (x,) = util.promote_args_inexact("i0", x)
    x = util.as_array(x)
    if util.dtype_kind(x) != "f":
        raise ValueError(f"Unsupported input type to jax.numpy.i0: {x.dtype}")
    return _bessel_i0(x)


def i0(x):
    """Modified Bessel function of the first kind, of order 0.

    Parameters
    ----------
    x : array of real numbers

    Returns
    -------
    Array of floats

    Examples
    --------
    >>> print(jnp.round(jnp.i0(1.0), 3))
    1.266
    """
    util.check_arraylike("i0", x)
    return _i0(util.operand(x))
