"""Products of matrices in block-scaled narrow formats: blocks of elements share a scale.

`scaled_dot_general` quantises its operands: in each block the scale is such that the greatest element is about the greatest number
of the narrow dtype. The formats are MXFP8 and NVFP4: *OCP Microscaling Formats (MX) Specification*, version 1.0 (2023), with
scales that are powers of two, rounded up; and NVIDIA's, with scales in float8_e4m3fn and one global scale in float32 above them.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import Any

import numpy as np

from ferax._src.control.barrier import optimization_barrier
from ferax._src.control.custom_vjp import custom_vjp
from ferax._src.numpy.products import matmul
from ferax._src.numpy.util import ensure_arraylike
from ferax._src.ops.broadcasting import broadcast_in_dim, inverse_permutation, transpose
from ferax._src.ops.compare import eq, le, lt
from ferax._src.ops.convert import as_array, bitcast_convert_type, convert
from ferax._src.ops.dot import dot_general
from ferax._src.ops.elementwise import abs, add, div, mul
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_not, shift_left, shift_right_logical
from ferax._src.ops.reduce import reduce_max
from ferax._src.ops.scaled_dot import spread
from ferax._src.ops.select import clamp, select
from ferax._src.ops.shape import reshape
from ferax._src.types import dtypes

_F32, _U8, _U32 = np.dtype(np.float32), np.dtype(np.uint8), np.dtype(np.uint32)


@dataclasses.dataclass(slots=True)
class BlockScaleConfig:
    """How an operand is quantised.

    Attributes
    ----------
    mode : "mxfp8" or "nvfp4"
    block_size : elements that share a scale
    data_type, scale_type : dtypes of elements and scales
    global_scale : float32 array of shape (1,), of nvfp4; None for mxfp8
    infer_only : bool
    """

    mode: str
    block_size: int
    data_type: Any
    scale_type: Any
    global_scale: Any
    infer_only: bool


def get_scaled_dot_general_config(mode, global_scale=None):
    """The configuration of a block-scaled format, for `scaled_dot_general`.

    Parameters
    ----------
    mode : "nvfp4" or "mxfp8"
    global_scale : float32 array of shape (1,), for nvfp4; by default 1

    Returns
    -------
    BlockScaleConfig

    Raises
    ------
    ValueError : for another mode

    Examples
    --------
    >>> ferax.nn.get_scaled_dot_general_config('mxfp8').block_size
    32
    """
    if mode == "nvfp4":
        scale = as_array(np.ones((1,), np.float32)) if global_scale is None else global_scale
        return BlockScaleConfig(mode, 16, dtypes.as_dtype("float4_e2m1fn"), dtypes.as_dtype("float8_e4m3fn"), scale, False)
    if mode == "mxfp8":
        return BlockScaleConfig(mode, 32, dtypes.as_dtype("float8_e4m3fn"), dtypes.as_dtype("float8_e8m0fnu"), None, False)
    raise ValueError(f"Unsupported mode: {mode}; known are 'nvfp4' and 'mxfp8'")


# --- a product of scaled operands ---------------------------------------------------------------

def scaled_matmul(lhs, rhs, lhs_scales, rhs_scales, preferred_element_type=np.float32):
    """Products of matrices whose elements share scales in blocks along the last dimension, which is contracted.

    Parameters
    ----------
    lhs : array, shape (b, m, k)
    rhs : array, shape (b, n, k)
    lhs_scales : array, shape (b, m, s), where s divides k
    rhs_scales : array, shape (b, n, s)
    preferred_element_type : dtype of the result; products are added up in float32

    Returns
    -------
    array, shape (b, m, n)

    Raises
    ------
    ValueError : for shapes that do not fit

    Examples
    --------
    >>> ferax.nn.scaled_matmul(jnp.ones((1, 2, 8)), jnp.ones((1, 3, 8)), jnp.ones((1, 2, 2)), jnp.ones((1, 3, 2))).shape
    (1, 2, 3)
    """
    given = ensure_arraylike("scaled_matmul", lhs, rhs, lhs_scales, rhs_scales)
    a, b, a_scales, b_scales = given
    shapes = ", ".join([f"{name}: {x.shape}" for name, x in zip(("lhs", "rhs", "lhs_scales", "rhs_scales"), given)])
    if any([x.ndim != 3 for x in given]):
        raise ValueError(f"scaled_matmul requires all inputs to be 3-dimensional arrays, got shapes {shapes}")
    for what, x, y in (("inputs a and b", a, b), ("scales", a_scales, b_scales)):
        if (x.shape[0], x.shape[2]) != (y.shape[0], y.shape[2]):
            raise ValueError(f"scaled_matmul requires {what} to have matching batch (B) and contract (K) dimensions, but got shapes "
                             f"{x.shape} and {y.shape}")
    if a.shape[:2] != a_scales.shape[:2] or b.shape[:2] != b_scales.shape[:2]:
        raise ValueError(f"scaled_matmul requires scales to match batch and non-contract dimensions of inputs, but got shapes {shapes}")
    if a_scales.shape[2] == 0 or a.shape[2] % a_scales.shape[2]:
        raise ValueError(f"scaled_matmul requires the number of scales to divide the contract dimension (K), but got shapes {shapes}")
    wanted = dtypes.check_user_dtype(preferred_element_type, "scaled_matmul")
    return _product(a, b, a_scales, b_scales, wanted)


def _product(a, b, a_scales, b_scales, wanted):
    factors = [mul(convert(x, _F32), spread(convert(s, _F32), x.shape)) for x, s in ((a, a_scales), (b, b_scales))]
    return convert(dot_general(*factors, (((2,), (2,)), ((0,), (0,))), preferred_element_type=_F32), wanted)


# --- quantising ---------------------------------------------------------------------------------

def _number(x, value):
    """A number in the dtype of ``x``, rounded once."""
    return np.asarray(value, np.float64).astype(x.dtype)[()]


def _exponents_rounded_up(x):
    """The exponents of the least powers of two that are not below positive numbers, as float8_e8m0fnu has them."""
    bits = bitcast_convert_type(convert(x, _F32), _U32)
    exponent, mantissa = shift_right_logical(bits, np.uint32(23)), bitwise_and(bits, np.uint32(0x7FFFFF))
    up = bitwise_and(lt(np.uint32(0), mantissa), lt(exponent, np.uint32(0xFE)))
    up = bitwise_and(up, bitwise_not(bitwise_and(eq(exponent, np.uint32(0)), le(mantissa, np.uint32(0x400000)))))
    return convert(add(exponent, convert(up, _U32)), _U8)


def _power_of(exponents, dtype):
    """The powers of two for exponents in float8_e8m0fnu; the least, which float32 has no normal number for, is kept off 0."""
    value = bitcast_convert_type(shift_left(convert(exponents, _U32), np.uint32(23)), _F32)
    least = 2.0 ** (-15 if dtype == np.float16 else -127)
    return convert(select(eq(value, np.float32(0)), np.float32(least), value), dtype)


def _quantize(x, config: BlockScaleConfig):
    """An array of shape (b, m, k) in a narrow format: its elements, and its scales of shape (b, m, k / block_size)."""
    n, size = x.shape[-1], config.block_size
    if n < size or n % size:
        raise ValueError(f"scaled_dot_general: the contracted dimensions have {n} elements in all, which is not a multiple of the "
                         f"block size of {config.mode}, {size}")
    most = _number(x, dtypes.finfo(config.data_type).max)
    blocks = reshape(x, (*x.shape[:-1], n // size, size))

    def greatest(blocks):
        return div(reduce_max(abs(blocks), (3,)), _number(blocks, most))

    def scaled(blocks, scale):
        return div(blocks, broadcast_in_dim(scale, blocks.shape, (0, 1, 2)))

    if config.mode == "mxfp8":
        exponents = _exponents_rounded_up(greatest(blocks))
        scales = bitcast_convert_type(exponents, config.scale_type)
        blocks = scaled(blocks, _power_of(exponents, x.dtype))
    else:
        blocks = _by_global(blocks, config.global_scale, div)
        most_scale = _number(blocks, dtypes.finfo(config.scale_type).max)
        scales = optimization_barrier(convert(clamp(_number(blocks, 0), greatest(blocks), most_scale), config.scale_type))
        blocks = scaled(blocks, convert(scales, _F32))
    most = _number(blocks, most)
    return reshape(convert(clamp(-most, blocks, most), config.data_type), x.shape), scales


def _by_global(x, scale, op):
    """``op(x, scale)`` in float32, with a scale of shape (1,) or ()."""
    return op(convert(x, _F32), broadcast_in_dim(reshape(as_array(scale), ()), x.shape, ()))


# --- general products ---------------------------------------------------------------------------

def _as_matrices(x, contract, batch):
    """An array with its dimensions joined to (batch, remaining, contracted)."""
    kept = [i for i in range(x.ndim) if i not in contract and i not in batch]
    groups = tuple(batch), tuple(kept), tuple(contract)
    return reshape(transpose(x, sum(groups, ())), tuple([math.prod([x.shape[i] for i in group]) for group in groups]))


def _kept(x, contract, batch) -> tuple[int, ...]:
    return tuple([i for i in range(x.ndim) if i not in contract and i not in batch])


def _forward(lhs, rhs, numbers, wanted, configs):
    (l_contract, r_contract), (l_batch, r_batch) = numbers
    a, b = _as_matrices(lhs, l_contract, l_batch), _as_matrices(rhs, r_contract, r_batch)
    quantized = [_quantize(x, config) for x, config in zip((a, b), configs)]
    (a, a_scales), (b, b_scales) = quantized
    nvfp4 = configs[0].mode == "nvfp4"
    out = _product(a, b, a_scales, b_scales, _F32 if nvfp4 else wanted)
    if nvfp4:
        for config in configs[:2]:
            out = _by_global(out, config.global_scale, mul)
        out = convert(out, wanted)
    shape = [lhs.shape[i] for i in l_batch] + [lhs.shape[i] for i in _kept(lhs, l_contract, l_batch)]
    return reshape(out, (*shape, *[rhs.shape[i] for i in _kept(rhs, r_contract, r_batch)]))


def _cotangent(x, x_dims, y, y_dims, ct, ct_batch, ct_y, wanted, config, y_config):
    """The cotangent of one operand: of the result's cotangent and the other operand, quantised again but for nvfp4."""
    (x_contract, x_batch), (y_contract, y_batch) = x_dims, y_dims
    y_kept = _kept(y, y_contract, y_batch)
    g, other = _as_matrices(ct, ct_y, ct_batch), _as_matrices(y, y_kept, y_batch)
    if config.mode == "nvfp4":
        out = matmul(g, transpose(other, (0, 2, 1)), preferred_element_type=wanted)
    else:
        (g, g_scales), (other, other_scales) = _quantize(g, config), _quantize(other, y_config)
        out = _product(g, other, g_scales, other_scales, wanted)
    x_kept = _kept(x, x_contract, x_batch)
    order = sorted(range(len(y_contract)), key=y_contract.__getitem__)
    layout = (*x_batch, *x_kept, *[x_contract[i] for i in order])
    return transpose(reshape(out, tuple([x.shape[i] for i in layout])), inverse_permutation(layout))


def scaled_dot_general(lhs, rhs, dimension_numbers, preferred_element_type=np.float32, configs=None, implementation=None):
    """A general product of arrays, computed in a block-scaled narrow format.

    Parameters
    ----------
    lhs, rhs : arrays of floats
    dimension_numbers : as of ``lax.dot_general``
    preferred_element_type : float32, bfloat16 or float16; of the result
    configs : three configurations, of `get_scaled_dot_general_config`: for ``lhs``, ``rhs`` and the cotangents of the result.
        None means an ordinary product
    implementation : not used any more

    Returns
    -------
    array, of the dimensions of ``lax.dot_general``

    Raises
    ------
    TypeError : for another ``preferred_element_type``
    ValueError : if the number of contracted elements is not a multiple of the block size

    Notes
    -----
    It can be differentiated in reverse mode. The derivatives are those of the product without rounding (but for operands that are
    out of range in nvfp4, which get 0), and are themselves computed in the narrow format of the third configuration, or for
    nvfp4 in full.

    Examples
    --------
    >>> ferax.nn.scaled_dot_general(jnp.ones((2, 3)), jnp.ones((3, 4)), (((1,), (0,)), ((), ()))).shape
    (2, 4)
    """
    if implementation is not None:
        warnings.warn("scaled_dot_general: implementation is ignored; the system chooses by itself", DeprecationWarning, stacklevel=2)
    if configs is None:
        return dot_general(lhs, rhs, dimension_numbers, preferred_element_type=preferred_element_type)
    lhs, rhs = ensure_arraylike("scaled_dot_general", lhs, rhs)
    wanted = dtypes.check_user_dtype(preferred_element_type, "scaled_dot_general")
    if wanted not in (_F32, np.dtype(dtypes.bfloat16), np.dtype(np.float16)):
        raise TypeError("scaled_dot_general: preferred_element_type must be float32, bfloat16 or float16, got "
                        f"{dtypes.dtype_name(wanted)}")
    if len(configs) != 3:
        raise ValueError(f"scaled_dot_general: configs must be three, for lhs, rhs and cotangents; got {len(configs)}")
    for config in configs:
        if config.mode not in ("nvfp4", "mxfp8"):
            raise ValueError(f"Unrecognized mode: {config.mode}.")
    (l_contract, r_contract), (l_batch, r_batch) = [tuple([tuple(dims) for dims in pair]) for pair in dimension_numbers]
    numbers = (l_contract, r_contract), (l_batch, r_batch)

    @custom_vjp
    def product(lhs, rhs):
        return _forward(lhs, rhs, numbers, wanted, configs)

    def forward(lhs, rhs):
        return product(lhs, rhs), (lhs, rhs)

    def backward(residuals, ct):
        lhs, rhs = residuals
        b, m = len(l_batch), len(_kept(lhs, l_contract, l_batch))
        ct_batch, ct_l, ct_r = tuple(range(b)), tuple(range(b, b + m)), tuple(range(b + m, ct.ndim))
        l_dims, r_dims = (l_contract, l_batch), (r_contract, r_batch)
        found = [_cotangent(lhs, l_dims, rhs, r_dims, ct, ct_batch, ct_r, wanted, configs[2], configs[1]),
                 _cotangent(rhs, r_dims, lhs, l_dims, ct, ct_batch, ct_l, wanted, configs[2], configs[0])]
        if configs[2].mode == "nvfp4":
            found = [_within_range(ct, x, config) for ct, x, config in zip(found, (lhs, rhs), configs)]
        return tuple([convert(ct, x.dtype) for ct, x in zip(found, (lhs, rhs))])

    product.defvjp(forward, backward)
    return product(lhs, rhs)


def _within_range(ct, x, config: BlockScaleConfig):
    """The cotangent of an operand, 0 where rounding cut the operand off."""
    most = float(dtypes.finfo(config.data_type).max) * float(dtypes.finfo(config.scale_type).max)
    limit = mul(reshape(as_array(config.global_scale), ()), np.float32(most))
    return select(le(abs(convert(x, _F32)), limit), ct, ct.dtype.type(0))
