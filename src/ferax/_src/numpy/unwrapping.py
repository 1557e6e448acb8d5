"""unwrap: phases without jumps."""

from __future__ import annotations

import math

from ferax._src.numpy.arithmetic import abs
from ferax._src.numpy.cumulative import cumsum
from ferax._src.numpy.differences import diff
from ferax._src.numpy.division import mod
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.util import choose, const, ensure_arraylike
from ferax._src.ops.base import numpy_scalar
from ferax._src.ops.compare import eq, gt, lt
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import add, sub
from ferax._src.ops.elementwise_bits import bitwise_and
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import normalize_axis
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


@fused(static=("discont", "axis", "period", "dtype"))
def _unwrapped(p, *, discont, axis, period, dtype):
    p = convert(p, dtype)
    n = p.shape[axis]
    if n < 2:
        return p
    # Each step is moved by whole periods to where it is shortest: into [-period / 2, period / 2).
    half = period / 2
    even = True
    if dtypes.kind_of(dtype) in "iu":
        half, even = period // 2, period % 2 == 0
    step = diff(p, axis=axis)
    low = numpy_scalar(-half, step.dtype)             # of unsigned integers all this is modulo their range
    short = add(mod(sub(step, low), numpy_scalar(period, step.dtype)), low)
    if even:                                                # of two that are as short, the one that goes the same way
        tie = bitwise_and(eq(short, low), gt(step, const(step, 0)))
        short = choose(tie, numpy_scalar(half, step.dtype), short)
    moved = choose(lt(abs(step), numpy_scalar(half if discont is None else discont, step.dtype)), const(step, 0), sub(short, step))
    rest = add(slice_in_dim(p, 1, n, axis=axis), cumsum(moved, axis=axis, dtype=dtype))
    return concatenate([slice_in_dim(p, 0, 1, axis=axis), rest], axis=axis)


def unwrap(p, discont=None, axis=-1, period=2 * math.pi):
    """Move elements by whole periods so that the steps between neighbours become as short as may be.

    Parameters
    ----------
    p : array of real numbers, such as phases
    discont : number, steps shorter than which stay as they are; half a period by default, and never less has an effect
    axis : int
    period : number

    Returns
    -------
    array like ``p``, of the dtype that ``p`` and ``period`` promote to

    Raises
    ------
    ValueError : for complex numbers.

    References
    ----------
    ``numpy.unwrap``

    Examples
    --------
    >>> jnp.unwrap(jnp.array([0., 3., 2.]), period=4)
    Array([ 0., -1., -2.], dtype=float32)
    """
    p = ensure_arraylike("unwrap", p)
    if dtypes.kind_of(p.dtype) == "c":
        raise ValueError("jnp.unwrap does not support complex inputs. Unwrap jnp.angle(p), the phases.")
    axis = normalize_axis(axis, p.ndim)
    return _unwrapped(p, discont=discont, axis=axis, period=period, dtype=dtypes.result_type(p, period))
