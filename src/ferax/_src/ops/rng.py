"""Random bits and numbers from the engine's own generators.

`rng_bit_generator` is a function of its key, fast on accelerators, and the same on CPU and GPU for a named algorithm; keys
of the kinds ``rbg`` and ``unsafe_rbg`` draw from it. `rng_uniform` has a state that no program sees: two runs differ.
"""

from __future__ import annotations

import enum

import numpy as np

from ferax._src.ops.axes import move_axis
from ferax._src.ops.convert import as_array
from ferax._src.ops.dynamic_slicing import dynamic_update_index_in_dim
from ferax._src.ops.placing import placed
from ferax._src.ops.slicing import index_in_dim
from ferax._src.ops.static import canonical_shape
from ferax._src.tracing.core import Primitive, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of

_U8, _U16, _U32, _U64 = (np.dtype(f"uint{n}") for n in (8, 16, 32, 64))
_KEYS = {(_U32, (4,)), (_U64, (2,))}


class RandomAlgorithm(enum.IntEnum):
    """The generator that `rng_bit_generator` uses.

    RNG_DEFAULT : what the device does best; Philox on CPU and GPU.
    RNG_THREE_FRY : Threefry-2x32.
    RNG_PHILOX : Philox-4x32.
    """

    RNG_DEFAULT = 0
    RNG_THREE_FRY = 1
    RNG_PHILOX = 2

    def __str__(self) -> str:
        return self.name


class RngBitGenerator(Primitive):
    """Key -> next key, random unsigned integers.  StableHLO: ``rng_bit_generator``, whose key is uint64[2].

    Under `vmap` over keys all the bits come from the first key; only its successor differs from what went in.
    """

    name = "rng_bit_generator"

    def abstract_eval(self, key, *, shape, dtype, algorithm, out_sharding=None):
        if (key.dtype, key.shape) not in _KEYS:
            raise TypeError(f"rng_bit_generator: the key must be a uint32 array of shape (4,) or a uint64 array of shape (2,), got {key}")
        return [key, ShapedArray(shape, dtype)]

    def lower(self, ctx, key, *, shape, dtype, algorithm, out_sharding=None):
        (aval,), (_, out) = ctx.avals_in, ctx.avals_out
        if out.size == 0:
            return [key, ctx.const(0, out)]
        wide, halves = ctx.tensor((2,), _U64), ctx.tensor((2, 2), _U32)
        if aval.dtype == _U32:
            key = ctx.op("stablehlo.bitcast_convert", (ctx.reshape(key, (2, 2), _U32),), [wide]).result
        attrs = {"rng_algorithm": ctx.rng_algorithm(algorithm.name.removeprefix("RNG_"))}
        key, bits = ctx.op("stablehlo.rng_bit_generator", (key,), [wide, ctx.type(out)], attrs).results
        if aval.dtype == _U32:
            key = ctx.reshape(ctx.op("stablehlo.bitcast_convert", (key,), [halves]).result, (4,), _U32)
        return [key, bits]

    def batch(self, axis, args, dims, *, shape, **params):
        keys = move_axis(args[0], dims[0], 0)
        size = aval_of(keys).shape[0]
        if size == 0:
            first = np.zeros(aval_of(keys).shape[1:], keys.dtype)
            return [keys, self.bind(first, shape=(0, *shape), **params)[1]], [0, 0]
        key, bits = self.bind(index_in_dim(keys, 0, 0, keepdims=False), shape=(size, *shape), **params)
        return [dynamic_update_index_in_dim(keys, key, 0, 0), bits], [0, 0]


class RngUniform(Primitive):
    """Numbers from ``a`` up to ``b``, other ones at each run.  StableHLO: ``rng``."""

    name = "rng_uniform"

    def abstract_eval(self, a, b, *, shape):
        if a.dtype != b.dtype:
            raise ValueError(f"Arguments to rng_uniform must have identical dtypes, got {dtypes.dtype_name(a.dtype)} and "
                             f"{dtypes.dtype_name(b.dtype)}.")
        if a.shape or b.shape:
            raise ValueError(f"Arguments to rng_uniform must be scalars; got shapes {a.shape} and {b.shape}.")
        if dtypes.kind_of(a.dtype) not in "biuf":
            raise TypeError(f"rng_uniform takes booleans, integers and floats, got {dtypes.dtype_name(a.dtype)}")
        return [ShapedArray(shape, a.dtype, a.weak_type and b.weak_type)]

    def lower(self, ctx, a, b, *, shape):
        attrs = {"rng_distribution": ctx.rng_distribution("UNIFORM")}
        return ctx.emit("stablehlo.rng", (a, b, ctx.dense(np.array(shape, np.int64))), attrs)


rng_bit_generator_p = register(RngBitGenerator())
rng_uniform_p = register(RngUniform())


# --- the functions ------------------------------------------------------------------------------

def rng_bit_generator(key, shape, dtype=np.uint32, algorithm=RandomAlgorithm.RNG_DEFAULT, *, out_sharding=None):
    """Random bits by one of the engine's generators.

    Parameters
    ----------
    key : uint32 array of shape (4,), or uint64 array of shape (2,)
    shape : sequence of int, or one
    dtype : uint8, uint16, uint32 or uint64
    algorithm : RandomAlgorithm
    out_sharding : sharding of the bits, or None

    Returns
    -------
    (the key to go on with, array of ``shape`` and ``dtype``)

    Notes
    -----
    `vmap` over keys draws all bits from the first key. ``ferax.random`` has generators without such surprises.
    """
    shape = canonical_shape((shape,) if isinstance(shape, int) else shape)
    dtype = dtypes.check_user_dtype(dtype, "rng_bit_generator")
    if dtype not in (_U8, _U16, _U32, _U64):
        raise TypeError(f"rng_bit_generator: unsupported dtype {dtypes.dtype_name(dtype)}; bits come as uint8, uint16, uint32 or uint64")
    key, bits = rng_bit_generator_p.bind(as_array(key), shape=shape, dtype=dtype, algorithm=RandomAlgorithm(algorithm), out_sharding=None)
    return key, bits if out_sharding is None else placed(bits, out_sharding, "rng_bit_generator")


def rng_uniform(a, b, shape):
    """Random numbers between bounds, from a generator with a hidden state. Prefer ``ferax.random.uniform``.

    Parameters
    ----------
    a, b : scalars of one dtype; ``a`` is the least number, and for floats and integers all are below ``b``
    shape : sequence of int

    Returns
    -------
    array of ``shape``
    """
    a, b = as_array(a), as_array(b)
    return rng_uniform_p.bind(a, b, shape=canonical_shape(shape))[0]
