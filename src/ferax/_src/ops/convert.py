"""Changing the element type: conversion of values, reinterpretation of bits, rounding to fewer bits.

`as_array` is how a plain number or NumPy array becomes a value that operations return. This file stands
below the elementwise families: they convert their operands with it.
"""

from __future__ import annotations

import warnings

import numpy as np

from ferax._src.ops.axes import move_axis
from ferax._src.ops.linear import Linear
from ferax._src.ops.static import as_static_int
from ferax._src.runtime import transfer
from ferax._src.tracing.core import Array, Primitive, Zero, register
from ferax._src.tracing.refs import Ref, unpack_error
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of


def as_array(x):
    """``x`` as an array: arrays and tracers as they are, a Python scalar (weakly typed) or NumPy array as a concrete one.

    Raises
    ------
    TypeError : if ``x`` is none of these.
    """
    if isinstance(x, Array):
        return x
    if getattr(x, "__jax_array__", None) is not None:
        return as_array(x.__jax_array__())
    aval = aval_of(x)                           # refuses lists, strings and None with a TypeError
    if type(x) is Ref:
        raise unpack_error(x)
    return transfer.array_from_host(x, aval.dtype, aval.weak_type)


# --- convert_element_type -----------------------------------------------------------------------

class ConvertElementType(Primitive):
    """Each element in another dtype.  StableHLO: ``convert``.

    Floats become integers by dropping the fraction, complex numbers real ones by dropping the imaginary
    part, and numbers booleans by comparing with zero.
    """

    name = "convert_element_type"
    recompute = True

    def abstract_eval(self, x, *, new_dtype, weak_type=False, sharding=None):
        if dtypes.is_extended(x.dtype) or dtypes.is_extended(new_dtype):
            raise ValueError(f"cannot convert from dtype {x.dtype} to {new_dtype}: elements of an extended dtype are not "
                             "numbers. Use random.key_data and random.wrap_key_data to get at what they are made of")
        return [ShapedArray(x.shape, new_dtype, weak_type, x.sharding if sharding is None else sharding)]

    def lower(self, ctx, x, *, new_dtype, weak_type=False, sharding=None):
        (aval,), (out,) = ctx.avals_in, ctx.avals_out
        if aval.dtype == new_dtype:
            return [x]
        if new_dtype == dtypes.float0:
            return [ctx.const(0, out)]
        if new_dtype == dtypes.bool_:
            return [ctx.compare(x, ctx.const(0, aval), "NE", aval.shape, aval.dtype)]
        if dtypes.kind_of(aval.dtype) == "c" and dtypes.kind_of(new_dtype) != "c":
            real = aval.update(dtype=dtypes.to_floating_dtype(aval.dtype))
            x = ctx.op("stablehlo.real", [x], [ctx.type(real)]).result
            if real.dtype == new_dtype:
                return [x]
        return ctx.emit("stablehlo.convert", (x,))

    def jvp(self, primals, tangents, *, new_dtype, weak_type=False, sharding=None):
        (x,), (t,) = primals, tangents
        outs = self.bind(x, new_dtype=new_dtype, weak_type=weak_type, sharding=sharding)
        if type(t) is Zero or dtypes.tangent_dtype(new_dtype) == dtypes.float0:
            return outs, [Zero.of(outs[0])]
        return outs, self.bind(t, new_dtype=new_dtype, weak_type=weak_type, sharding=sharding)

    def transpose(self, cts, x, *, new_dtype, weak_type=False, sharding=None):
        if dtypes.tangent_dtype(x.dtype) == dtypes.float0:
            return [None]
        return self.bind(cts[0], new_dtype=x.dtype, weak_type=x.weak_type, sharding=None)

    def batch(self, axis, args, dims, *, new_dtype, weak_type=False, sharding=None):
        return self.bind(*args, new_dtype=new_dtype, weak_type=weak_type, sharding=None), list(dims)


convert_element_type_p = register(ConvertElementType())


def convert_element_type(operand, new_dtype):
    """Convert each element to another dtype.

    Parameters
    ----------
    operand : array or number
    new_dtype : dtype-like

    Returns
    -------
    array of the operand's shape; the operand itself if that is its dtype
    """
    return convert(operand, dtypes.check_user_dtype(new_dtype, "convert_element_type"))


def convert(x, dtype, weak_type: bool = False):
    """`convert_element_type` to a canonical dtype, given; the result may be weakly typed.

    Numbers that are not yet arrays are converted on the host.
    """
    if not isinstance(x, Array):
        return _from_host(x, dtype, weak_type)
    aval = x.aval
    if aval.dtype == dtype and aval.weak_type == weak_type:
        return x
    if dtypes.kind_of(aval.dtype) == "c" and dtypes.kind_of(dtype) not in "cb":
        warnings.warn("Casting complex values to real discards the imaginary part; say which part is meant, by real(x) or "
                      "imag(x)", np.exceptions.ComplexWarning, stacklevel=3)
    return convert_element_type_p.bind(x, new_dtype=dtype, weak_type=weak_type, sharding=None)[0]


def _from_host(x, dtype, weak_type):
    if getattr(x, "__jax_array__", None) is not None:
        return convert(x.__jax_array__(), dtype, weak_type)
    if type(x) is not int:                      # a Python int of any size may fit the dtype asked for
        aval_of(x)
    return transfer.array_from_host(np.asarray(x), dtype, weak_type)


# --- bitcast_convert_type -----------------------------------------------------------------------

class BitcastConvertType(Primitive):
    """The same bits read as another dtype.  StableHLO: ``bitcast_convert``.

    Wider elements become several along a new last dimension; narrower ones are joined along the last.
    """

    name = "bitcast_convert_type"

    def abstract_eval(self, x, *, new_dtype):
        kinds = dtypes.kind_of(x.dtype), dtypes.kind_of(new_dtype)
        if x.dtype != new_dtype and any(kind not in "iuf" for kind in kinds):
            raise TypeError(f"bitcast_convert_type does not accept bool or complex values unless the dtypes are the same; "
                            f"got operand dtype {x.dtype} and new_dtype {new_dtype}. Consider x.view(dtype)")
        shape = x.shape
        if x.dtype != new_dtype:
            old, new = dtypes.itemsize_bits(x.dtype), dtypes.itemsize_bits(new_dtype)
            if old > new:
                shape = (*shape, old // new)
            elif old < new:
                if not shape or shape[-1] * old != new:
                    raise ValueError(f"bitcast_convert_type: {new} bits of {new_dtype} must be made of the last dimension "
                                     f"with {old} bits each; got operand of shape {x.shape} and dtype {x.dtype}")
                shape = shape[:-1]
        return [ShapedArray(shape, new_dtype)]

    def lower(self, ctx, x, *, new_dtype):
        return ctx.emit("stablehlo.bitcast_convert", (x,))

    def jvp(self, primals, tangents, *, new_dtype):
        outs = self.bind(*primals, new_dtype=new_dtype)
        return outs, [Zero.of(outs[0])]         # a step function of the value

    def batch(self, axis, args, dims, *, new_dtype):
        (x,), (d,) = args, dims
        aval = aval_of(x)
        if d == aval.ndim - 1 and dtypes.itemsize_bits(aval.dtype) < dtypes.itemsize_bits(new_dtype):
            x, d = move_axis(x, d, 0), 0        # the last dimension is the one that is joined
        return self.bind(x, new_dtype=new_dtype), [d]


bitcast_convert_type_p = register(BitcastConvertType())


def bitcast_convert_type(operand, new_dtype):
    """Read the bits of each element as another dtype.

    Parameters
    ----------
    operand : array of integers or floats
    new_dtype : dtype-like. If it is k times narrower, the result has a new last dimension of size k; if it
        is k times wider, the operand's last dimension must have size k and is gone.

    Returns
    -------
    array of ``new_dtype``
    """
    operand = as_array(operand)
    return bitcast_convert_type_p.bind(
        operand, new_dtype=dtypes.check_user_dtype(new_dtype, "bitcast_convert_type"))[0]


# --- reduce_precision ---------------------------------------------------------------------------

class ReducePrecision(Linear):
    """Round to a float format of fewer bits, and back.  StableHLO: ``reduce_precision``.

    Its derivative is that of the identity, rounded likewise.
    """

    name = "reduce_precision"

    def abstract_eval(self, x, *, exponent_bits, mantissa_bits):
        if dtypes.kind_of(x.dtype) != "f":
            raise TypeError(f"reduce_precision does not accept dtype {dtypes.dtype_name(x.dtype)}. Accepted dtypes are subtypes of "
                            "floating.")
        if exponent_bits < 1 or mantissa_bits < 0:
            raise ValueError("reduce_precision: exponent_bits must be positive and mantissa_bits not negative; got "
                             f"exponent_bits={exponent_bits}, mantissa_bits={mantissa_bits}")
        return [x]

    def lower(self, ctx, x, *, exponent_bits, mantissa_bits):
        attrs = {"exponent_bits": ctx.i32(exponent_bits), "mantissa_bits": ctx.i32(mantissa_bits)}
        return ctx.emit("stablehlo.reduce_precision", (x,), attrs)

    def transpose(self, cts, x, *, exponent_bits, mantissa_bits):
        return self.bind(*cts, exponent_bits=exponent_bits, mantissa_bits=mantissa_bits)

    def batch(self, axis, args, dims, *, exponent_bits, mantissa_bits):
        return self.bind(*args, exponent_bits=exponent_bits, mantissa_bits=mantissa_bits), list(dims)


reduce_precision_p = register(ReducePrecision())


def reduce_precision(operand, exponent_bits: int, mantissa_bits: int):
    """Round each element as a float format with fewer bits would.

    Parameters
    ----------
    operand : array of floats
    exponent_bits : int, at least 1
    mantissa_bits : int, at least 0

    Returns
    -------
    array like ``operand``
    """
    operand = as_array(operand)
    return reduce_precision_p.bind(operand, exponent_bits=as_static_int(exponent_bits, "exponent_bits"),
                                   mantissa_bits=as_static_int(mantissa_bits, "mantissa_bits"))[0]


# --- copy ---------------------------------------------------------------------------------------

class Copy(Linear):
    """The operand, in memory of its own."""

    name = "copy"

    def abstract_eval(self, x):
        return [x]

    def lower(self, ctx, x):
        return [x]

    def transpose(self, cts, x):
        return [cts[0]]

    def batch(self, axis, args, dims):
        return self.bind(*args), list(dims)


copy_p = register(Copy())
