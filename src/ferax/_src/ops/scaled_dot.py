"""Products of matrices in narrow formats whose elements share scales, a scale for each block along the contracted dimensions."""

from __future__ import annotations

import numpy as np

from ferax._src.ops.broadcasting import broadcast_in_dim
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.dot import dot_general
from ferax._src.ops.elementwise import mul
from ferax._src.ops.shape import reshape
from ferax._src.ops.static import as_static_ints
from ferax._src.types import dtypes

_BF16 = np.dtype(dtypes.bfloat16)


def spread(scale, shape):
    """Scales, one for each block of elements, as an array of ``shape``."""
    for d, (n, m) in enumerate(zip(shape, scale.shape)):
        if n != m:
            given = scale.shape
            wide = (*given[:d + 1], n // m, *given[d + 1:])
            kept = tuple([i for i in range(len(wide)) if i != d + 1])
            scale = reshape(broadcast_in_dim(scale, wide, kept), (*given[:d], n, *given[d + 1:]))
    return scale


def _check_scale(side: str, x, scale, contracting) -> None:
    for i, (n, m) in enumerate(zip(x.shape, scale.shape)):
        if i not in contracting:
            if n != m:
                raise TypeError(f"scaled_dot: {side} dim {i} of size {n} does not match scale dim size {m}.")
        elif m == 0 or n % m:
            raise TypeError(f"scaled_dot: {side} contracting dim {i} of size {n} must be divisible by its scale's dim size {m}.")
        elif n // m < 2:
            raise TypeError(f"scaled_dot: the ratio of {side} contracting dim {i} to its scale's dim size ({n // m}) must be at least 2.")


def scaled_dot(lhs, rhs, *, lhs_scale=None, rhs_scale=None, dimension_numbers=None, preferred_element_type=None):
    """The product of two arrays, each multiplied by scales of its blocks before.

    Parameters
    ----------
    lhs, rhs : arrays of one number of dimensions, at least two
    lhs_scale, rhs_scale : arrays of as many dimensions, or None for no scale. Their sizes are those of the operand, but in contracted
        dimensions an integer part of it, at most a half
    dimension_numbers : as of `dot_general`; by default matrices are the last two dimensions and the others batch dimensions
    preferred_element_type : dtype of the result, by default bfloat16, in which operands and scales are multiplied in any case

    Returns
    -------
    array

    Raises
    ------
    TypeError : for numbers of dimensions or sizes that do not fit
    """
    given = {"lhs": lhs, "rhs": rhs, "lhs_scale": lhs_scale, "rhs_scale": rhs_scale}
    arrays = {name: as_array(x) for name, x in given.items() if x is not None}
    x, y = arrays["lhs"], arrays["rhs"]
    if len({a.ndim for a in arrays.values()}) != 1:
        raise TypeError("scaled_dot: all input arrays must have the same number of dimensions, got "
                        + ", ".join([f"{name} of shape {a.shape}" for name, a in arrays.items()]))
    if dimension_numbers is None:
        if x.ndim < 2:
            raise TypeError("scaled_dot does not support operands of no or one dimension without dimension_numbers.")
        batch = tuple(range(x.ndim - 2))
        dimension_numbers = ((x.ndim - 1,), (x.ndim - 2,)), (batch, batch)
    contracting = [as_static_ints(dims, "contracting dimensions") for dims in dimension_numbers[0]]
    factors = []
    for side, a, dims in (("lhs", x, contracting[0]), ("rhs", y, contracting[1])):
        factor = convert(a, _BF16)
        scale = arrays.get(f"{side}_scale")
        if scale is not None:
            _check_scale(side.upper(), a, scale, dims)
            factor = mul(factor, spread(convert(scale, _BF16), a.shape))
        factors.append(factor)
    wanted = _BF16 if preferred_element_type is None else dtypes.check_user_dtype(preferred_element_type, "scaled_dot")
    return dot_general(*factors, dimension_numbers, preferred_element_type=wanted)
