"""Threefry: random bits as a hash of a key and a counter.

The block cipher Threefry-2x32 with 20 rounds, of Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as
easy as 1, 2, 3* (SC 2011), maps a key and a counter, two words of 32 bits each, to two words that look
random. A key here is a uint32 array of shape (2,). All of random number generation is made of four
functions: `threefry_seed`, `threefry_split`, `threefry_fold_in` and `threefry_random_bits`.

There are two ways to number the elements of a result. In the *partitionable* one (the option
``threefry_partitionable``, on by default) the counter of an element is its index, so that each device can
compute its own part; in the *original* one counters pair up the two halves of a flat array.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.ops.base import align, common_shape
from ferax._src.ops.broadcasting import broadcast
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import mul
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_or, bitwise_xor, shift_left, shift_right_logical
from ferax._src.ops.joining import concatenate, stack, unstack
from ferax._src.ops.shape import broadcasted_iota, iota, reshape
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import as_static_ints
from ferax._src.ops.zeros import full
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.util import config

_UINT32 = np.dtype(np.uint32)
_UINT64 = np.dtype(np.uint64)

#: Rotations of the rounds, in two groups of four that take turns (table 2 of the paper).
_ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
#: The third word of the key schedule is the exclusive or of the key's two words and this (Skein's constant).
_PARITY = 0x1BD11BDA


# --- the cipher ---------------------------------------------------------------------------------

class Threefry2x32(Primitive):
    """``k0, k1, x0, x1 -> y0, y1``: the words ``x`` encrypted under the key ``k``, element by element."""

    name = "threefry2x32"

    def abstract_eval(self, *avals):
        if len(avals) != 4 or any([a.dtype != _UINT32 for a in avals]):
            raise TypeError(f"threefry2x32 takes four uint32 arrays, got {', '.join(map(str, avals))}")
        shape = common_shape(self.name, avals)
        return [ShapedArray(shape, _UINT32)] * 2

    def lower(self, ctx, *values):
        aval, _ = ctx.avals_out
        op = ctx.elementwise
        k0, k1, x0, x1 = [v if a.shape == aval.shape else ctx.broadcast_in_dim(v, aval.shape, _UINT32, range(a.ndim))
                          for v, a in zip(values, ctx.avals_in)]
        add, xor = "stablehlo.add", "stablehlo.xor"
        keys = k0, k1, op(xor, op(xor, k0, k1), ctx.const(_PARITY, aval))
        x0, x1 = op(add, x0, k0), op(add, x1, k1)
        for group in range(5):
            for r in _ROTATIONS[group % 2]:
                x0 = op(add, x0, x1)
                x1 = op("stablehlo.or", op("stablehlo.shift_left", x1, ctx.const(r, aval)),
                        op("stablehlo.shift_right_logical", x1, ctx.const(32 - r, aval)))
                x1 = op(xor, x0, x1)
            x0 = op(add, x0, keys[(group + 1) % 3])
            x1 = op(add, op(add, x1, keys[(group + 2) % 3]), ctx.const(group + 1, aval))
        return [x0, x1]

    def jvp(self, primals, tangents):
        outs = self.bind(*primals)
        return outs, [Zero.of(out) for out in outs]

    def batch(self, axis, args, dims):
        operands, to = align(args, dims)
        return self.bind(*operands), [to, to]


threefry2x32_p = register(Threefry2x32())


class Iota2x32Shape(Primitive):
    """The flat index of each element of ``shape`` as a number of 64 bits: its upper and its lower half."""

    name = "iota_2x32_shape"

    def abstract_eval(self, *, shape):
        return [ShapedArray(shape, _UINT32)] * 2

    def lower(self, ctx, *, shape):
        aval, _ = ctx.avals_out
        size = math.prod(shape)
        wide = ShapedArray(shape, _UINT32 if size <= 2 ** 32 else _UINT64)  # wide enough for all indices
        index, stride = None, size
        # In a row XLA computes many at once, whatever the shape; cut over devices, each needs the indices of its part.
        flat = ctx.state.num_partitions == 1 and len(shape) > 1
        if flat:
            row = ShapedArray((size,), wide.dtype)
            index = ctx.op("stablehlo.iota", (), [ctx.type(row)], {"iota_dimension": ctx.i64(0)}).result
            index = ctx.op("stablehlo.reshape", (index,), [ctx.type(wide)]).result
        for d, n in enumerate(() if flat else shape):
            stride //= n or 1
            step = ctx.op("stablehlo.iota", (), [ctx.type(wide)], {"iota_dimension": ctx.i64(d)}).result
            if stride != 1:
                step = ctx.elementwise("stablehlo.multiply", step, ctx.const(stride, wide))
            index = step if index is None else ctx.elementwise("stablehlo.add", index, step)
        if index is None:
            index = ctx.const(0, wide)
        if wide is aval:
            return [ctx.const(0, aval), index]
        upper = ctx.elementwise("stablehlo.shift_right_logical", index, ctx.const(32, wide))
        return [ctx.convert(upper, shape, _UINT32), ctx.convert(index, shape, _UINT32)]


iota_2x32_shape_p = register(Iota2x32Shape())


def iota_2x32_shape(shape) -> list:
    """The flat index of each element of an array of ``shape``, as two uint32 arrays: upper half, lower half."""
    return iota_2x32_shape_p.bind(shape=as_static_ints(shape, "shape"))


def threefry_2x32(keypair, count):
    """Encrypt an array of counters, the first half of it paired with the second.

    Parameters
    ----------
    keypair : key of shape (2,), or its two words
    count : uint32 array

    Returns
    -------
    uint32 array of the shape of ``count``
    """
    k0, k1 = keypair if isinstance(keypair, (tuple, list)) else key_words(keypair)
    count = as_array(count)
    given = [dtypes.dtype_of(x) for x in (k0, k1, count)]
    if any(d != _UINT32 for d in given):
        raise TypeError(f"threefry_2x32 requires uint32 arguments, got {', '.join(map(str, given))}")
    shape, size = count.shape, count.size
    flat = reshape(count, (size,))
    if size % 2:                                # an odd one out is paired with 0
        flat = concatenate([flat, full((1,), 0, _UINT32)], 0)
    half = (size + 1) // 2
    out = threefry2x32_p.bind(k0, k1, slice_in_dim(flat, 0, half), slice_in_dim(flat, half, 2 * half))
    flat = concatenate(out, 0)
    return reshape(slice_in_dim(flat, 0, size) if size % 2 else flat, shape)


# --- keys ---------------------------------------------------------------------------------------

def is_threefry_key(key) -> bool:
    """Whether ``key`` has the shape and dtype of a raw key."""
    return getattr(key, "shape", None) == (2,) and key.dtype == _UINT32


def key_words(key):
    """The two words of a raw key."""
    if not is_threefry_key(key):
        raise TypeError(f"a threefry key is a uint32 array of shape (2,), got {aval_of(key)}")
    return unstack(key)


def threefry_seed(seed):
    """The key for a seed: its upper and lower 32 bits; the upper are 0 for a seed of 32 bits.

    Parameters
    ----------
    seed : integer scalar

    Returns
    -------
    uint32 array of shape (2,)
    """
    seed = as_array(np.asarray(np.int64(seed)) if type(seed) is int else seed)
    if seed.shape:
        raise TypeError(f"PRNG key seed must be a scalar; got an array of shape {seed.shape}")
    if dtypes.kind_of(seed.dtype) not in "iu":
        raise TypeError(f"PRNG key seed must be an integer; got dtype {seed.dtype}")
    if dtypes.itemsize_bits(seed.dtype) > 32:
        upper = convert(shift_right_logical(seed, 32), _UINT32)
    else:
        upper = full((), 0, _UINT32)
    return stack([upper, convert(seed, _UINT32)])


def threefry_split(key, shape):
    """New keys from a key.

    Parameters
    ----------
    key : uint32 array of shape (2,)
    shape : shape of the array of keys

    Returns
    -------
    uint32 array of shape ``(*shape, 2)``
    """
    shape = as_static_ints(shape, "shape")
    if config.threefry_partitionable.value:
        return stack(threefry2x32_p.bind(*key_words(key), *iota_2x32_shape(shape)), len(shape))
    return reshape(threefry_2x32(key, iota(_UINT32, 2 * math.prod(shape))), (*shape, 2))


def threefry_fold_in(key, data):
    """A new key from a key and a number.

    Parameters
    ----------
    key : uint32 array of shape (2,)
    data : integer scalar; its lower 32 bits count

    Returns
    -------
    uint32 array of shape (2,)
    """
    data = convert(np.asarray(data) if type(data) is int else data, _UINT32)
    if data.shape:
        raise TypeError(f"fold_in: data must be a scalar; got an array of shape {data.shape}")
    return stack(threefry2x32_p.bind(*key_words(key), np.uint32(0), data))


# --- bits ---------------------------------------------------------------------------------------

_UINTS = {8: np.dtype(np.uint8), 16: np.dtype(np.uint16), 32: _UINT32, 64: _UINT64}


def threefry_random_bits(key, bit_width: int, shape):
    """Random bits.

    Parameters
    ----------
    key : uint32 array of shape (2,)
    bit_width : 8, 16, 32 or 64
    shape : tuple of int

    Returns
    -------
    array of ``shape`` of unsigned integers of ``bit_width`` bits
    """
    if bit_width not in _UINTS:
        raise TypeError(f"random bits come in widths of 8, 16, 32 or 64, got {bit_width}")
    shape = as_static_ints(shape, "shape")
    k0, k1 = key_words(key)
    if config.threefry_partitionable.value:
        return _bits_by_index(k0, k1, bit_width, shape)
    return _bits_by_halves(key, bit_width, shape)


def _bits_by_index(k0, k1, bit_width, shape):
    upper, lower = threefry2x32_p.bind(k0, k1, *iota_2x32_shape(shape))
    if bit_width == 64:
        return _join_words(upper, lower)
    return convert(bitwise_xor(upper, lower), _UINTS[bit_width])


def _join_words(upper, lower):
    return bitwise_or(shift_left(convert(upper, _UINT64), np.uint64(32)), convert(lower, _UINT64))


def _bits_by_halves(key, bit_width, shape):
    size = math.prod(shape)
    words = -(-bit_width * size // 32)
    blocks, last = divmod(words, 2 ** 32 - 1)   # a counter has 32 bits: more words need more keys
    if blocks:
        keys = unstack(threefry_split(key, (blocks + 1,)))
        counts = [2 ** 32 - 1] * blocks + [last]
        bits = concatenate([threefry_2x32(k, iota(_UINT32, n)) for k, n in zip(keys, counts)], 0)
    else:
        bits = threefry_2x32(key, iota(_UINT32, words))
    if bit_width == 64:
        bits = _join_words(slice_in_dim(bits, 0, size), slice_in_dim(bits, size, 2 * size))
    elif bit_width < 32:                        # each word in its parts, the lowest bits first
        parts = 32 // bit_width
        shifts = mul(broadcasted_iota(_UINT32, (parts, 1), 0), bit_width)
        each = bitwise_and(shift_right_logical(broadcast(bits, (1,)), shifts), 2 ** bit_width - 1)
        bits = reshape(each, (words * parts,), (1, 0))
        bits = slice_in_dim(convert(bits, _UINTS[bit_width]), 0, size)
    return reshape(bits, shape)
