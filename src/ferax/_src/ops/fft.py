"""Discrete Fourier transforms over the last dimensions.

With ``w = exp(-2 pi i / n)`` the transform of ``x`` is ``y[k] = sum_j w^(jk) x[j]``, its inverse has ``w^(-jk) / n``. Over
several dimensions one is applied after the other. RFFT is the transform of a real array, of which the last dimension
has only the first half, the other half being its conjugate; IRFFT is the inverse of that.

All are linear. FFT and IFFT are their own transposes. Pairing ``Re sum(ct * y)``, as everywhere, that of RFFT is the real
part of a transform of the half, which an IRFFT computes when each element that stands for two is halved: with N elements and
m[k] = 1 for ``k = 0`` and ``k = n/2`` and 2 for the others,

    rfft^T(ct) = N irfft(conj(ct) / m)          irfft^T(ct) = m conj(rfft(ct)) / N
"""

from __future__ import annotations

import enum
import math

import numpy as np

from ferax._src.ops.axes import move_axis
from ferax._src.ops.base import inline
from ferax._src.ops.broadcasting import inverse_permutation, transpose_p
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import mul
from ferax._src.ops.elementwise_complex import conj
from ferax._src.ops.linear import Linear
from ferax._src.ops.static import as_static_ints
from ferax._src.tracing.core import Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of

_REAL = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
_NATIVE = 3                                     # dimensions that one StableHLO operation transforms


class FftType(enum.IntEnum):
    """Which transform: forward or inverse, of complex arrays or of real ones."""

    FFT = 0
    IFFT = 1
    RFFT = 2
    IRFFT = 3


class Fft(Linear):
    """A transform over the last ``len(fft_lengths)`` dimensions.  StableHLO: ``fft``.

    ``fft_lengths`` are the sizes of these in the signal: of the operand, and for IRFFT of the result.
    """

    name = "fft"

    def abstract_eval(self, x, *, fft_type, fft_lengths):
        kind, n = fft_type.name, len(fft_lengths)
        if n > x.ndim:
            raise ValueError(f"FFT input shape {x.shape} must have at least as many input dimensions as fft_lengths {fft_lengths}.")
        real = fft_type is FftType.RFFT
        if real and x.dtype not in _REAL:
            raise ValueError(f"RFFT input must be float32 or float64, got {dtypes.dtype_name(x.dtype)}")
        if not real and dtypes.kind_of(x.dtype) != "c":
            raise ValueError(f"{kind} input must be complex64 or complex128, got {dtypes.dtype_name(x.dtype)}")
        lead, given = x.shape[:x.ndim - n], x.shape[x.ndim - n:]
        half = (*fft_lengths[:-1], fft_lengths[-1] // 2 + 1)
        if fft_type is FftType.IRFFT:
            if given[:-1] != fft_lengths[:-1]:
                raise ValueError(f"IRFFT input shape {x.shape} minor dimensions must be equal to all except the last fft_length, "
                                 f"got fft_lengths={fft_lengths}")
            if fft_lengths[-1] < 0 or given != half and not (fft_lengths[-1] == 0 == given[-1]):
                raise ValueError(f"IRFFT input shape {x.shape} must have fft_lengths[-1] // 2 + 1 = {half[-1]} elements in the last "
                                 f"dimension, got fft_lengths={fft_lengths}")
            return [x.update(shape=(*lead, *fft_lengths), dtype=dtypes.to_floating_dtype(x.dtype), sharding=None)]
        if given != fft_lengths:
            raise ValueError(f"{kind} input shape {x.shape} minor dimensions must be equal to fft_lengths {fft_lengths}")
        if not real:
            return [x]
        if fft_lengths[-1] == 0:
            raise ValueError(f"RFFT needs at least one element in the last dimension, got input shape {x.shape}")
        return [x.update(shape=(*lead, *half), dtype=dtypes.to_complex_dtype(x.dtype), sharding=None)]

    def lower(self, ctx, x, *, fft_type, fft_lengths):
        (aval,), (out,) = ctx.avals_in, ctx.avals_out
        if out.size == 0:
            return [ctx.const(0, out.strip_weak_type())]
        n = len(fft_lengths)
        if n > _NATIVE:
            return inline(ctx, _by_parts, (x,), (aval,), {"fft_type": fft_type, "fft_lengths": fft_lengths, "last": _NATIVE})
        if fft_type is FftType.IRFFT and n > 1 and ctx.platform == "gpu":   # cuFFT takes more symmetry for granted
            return inline(ctx, _by_parts, (x,), (aval,), {"fft_type": fft_type, "fft_lengths": fft_lengths, "last": 1})
        return ctx.emit("stablehlo.fft", (x,), {"fft_type": ctx.fft_type(fft_type.name), "fft_length": ctx.i64s(fft_lengths)})

    def transpose(self, cts, x, *, fft_type, fft_lengths):
        (ct,) = cts
        if type(ct) is Zero or x.size == 0 or math.prod(fft_lengths) == 0:
            return [Zero.of(x)]
        n, total = fft_lengths[-1], math.prod(fft_lengths)
        count = np.full(n // 2 + 1, 2.0)        # how many elements of the whole each one of the half stands for
        count[0] = 1
        if n % 2 == 0:
            count[-1] = 1
        if fft_type is FftType.RFFT:
            return fft_p.bind(mul(conj(ct), _row(total / count, ct)), fft_type=FftType.IRFFT, fft_lengths=fft_lengths)
        if fft_type is FftType.IRFFT:
            (y,) = fft_p.bind(ct, fft_type=FftType.RFFT, fft_lengths=fft_lengths)
            return [mul(conj(y), _row(count / total, y))]
        return self.bind(ct, fft_type=fft_type, fft_lengths=fft_lengths)

    def batch(self, axis, args, dims, *, fft_type, fft_lengths):
        (x,), (d,) = args, dims
        if d >= aval_of(x).ndim - len(fft_lengths):
            x, d = move_axis(x, d, 0), 0
        return self.bind(x, fft_type=fft_type, fft_lengths=fft_lengths), [d]


def _row(values, like):
    """Numbers along the last dimension, in the dtype and the number of dimensions of ``like``."""
    aval = aval_of(like)
    return values.astype(aval.dtype).reshape((1,) * (aval.ndim - 1) + values.shape)


def _by_parts(x, *, fft_type, fft_lengths, last):
    """The ``last`` dimensions together, and those before them by another transform, of complex numbers."""
    n = len(fft_lengths)
    ndim = aval_of(x).ndim
    order = (*range(ndim - n), *range(ndim - last, ndim), *range(ndim - n, ndim - last))
    inner, outer = fft_lengths[-last:], fft_lengths[:-last]
    forward = fft_type in (FftType.FFT, FftType.RFFT)

    def over_outer(x):
        (x,) = transpose_p.bind(x, permutation=order)
        (x,) = fft_p.bind(x, fft_type=FftType.FFT if forward else FftType.IFFT, fft_lengths=outer)
        return transpose_p.bind(x, permutation=inverse_permutation(order))[0]

    if forward:
        return over_outer(fft_p.bind(x, fft_type=fft_type, fft_lengths=inner)[0])
    return fft_p.bind(over_outer(x), fft_type=fft_type, fft_lengths=inner)[0]


fft_p = register(Fft())


def fft(x, fft_type, fft_lengths):
    """A discrete Fourier transform over the last dimensions.

    Parameters
    ----------
    x : array; of real numbers for RFFT
    fft_type : FftType, or its name
    fft_lengths : sequence of int; the sizes of the dimensions to transform, for IRFFT those of the result. Without any,
        ``x`` is only converted

    Returns
    -------
    array of complex numbers, for IRFFT of real ones. RFFT makes of a last dimension of n elements one of ``n // 2 + 1``, IRFFT
    the reverse

    Raises
    ------
    ValueError : for an unknown name, sizes that ``x`` does not have, complex numbers for RFFT, or floats of less than 32 bits there
    TypeError : for anything else as ``fft_type``

    Notes
    -----
    IFFT and IRFFT divide by the number of elements. Of the elements that are conjugates of themselves IRFFT does not
    read the imaginary part.
    """
    if isinstance(fft_type, str):
        if fft_type not in _NAMES:
            raise ValueError(f"Unknown FFT type '{fft_type}'; known are {', '.join(FftType.__members__)}")
        fft_type = _NAMES[fft_type]
    elif not isinstance(fft_type, FftType):
        raise TypeError(f"Unknown FFT type value '{fft_type}'; it must be a lax.FftType or the name of one")
    lengths = as_static_ints(fft_lengths, "fft_lengths")
    x = as_array(x)
    if fft_type is FftType.RFFT:
        if dtypes.kind_of(x.dtype) == "c":
            raise ValueError("only real valued inputs supported for rfft")
        x = convert(x, dtypes.to_inexact_dtype(x.dtype))
    else:
        x = convert(x, dtypes.to_complex_dtype(x.dtype))
    return fft_p.bind(x, fft_type=fft_type, fft_lengths=lengths)[0] if lengths else x


_NAMES = {spelling: kind for kind in FftType for spelling in (kind.name, kind.name.lower())}
