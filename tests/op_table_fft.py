"""Cases for Fourier transforms."""

import numpy as np
from op_harness import Arg, Case, bind

from ferax._src.ops.fft import FftType

CASES: list[Case] = []


def case(kind: FftType, lengths, oracle, shape, dtype, label, **options):
    other = {"complex128": "complex64", "float64": "float32"}[dtype]
    CASES.append(Case("fft", bind("fft", fft_type=kind, fft_lengths=lengths), (Arg(shape),), oracle, dtype, diff=(0,), linear=True,
                      kinds=(other,), label=label, tolerance=3, **options))


def over(fn, n, **kwargs):
    return lambda x: fn(x, axes=tuple(range(-n, 0)), **kwargs)


for kind, fn in ((FftType.FFT, np.fft.fftn), (FftType.IFFT, np.fft.ifftn)):
    case(kind, (6,), over(fn, 1), (2, 6), "complex128", kind.name, shapes=(((0, 6),), ((6,),)))
    case(kind, (2, 3, 2, 4), over(fn, 4), (2, 3, 2, 4), "complex128", f"{kind.name}-4d")
for n in (6, 7):                                # the highest frequency is one of its own, or not
    case(FftType.RFFT, (n,), over(np.fft.rfftn, 1), (2, n), "float64", f"RFFT-{n}", shapes=(((0, n),),))
    case(FftType.IRFFT, (n,), over(np.fft.irfftn, 1, s=(n,)), (2, n // 2 + 1), "complex128", f"IRFFT-{n}", shapes=(((0, n // 2 + 1),),))
case(FftType.RFFT, (3, 4), over(np.fft.rfftn, 2), (2, 3, 4), "float64", "RFFT-2d")
case(FftType.IRFFT, (3, 4), over(np.fft.irfftn, 2, s=(3, 4)), (2, 3, 3), "complex128", "IRFFT-2d")
case(FftType.RFFT, (2, 2, 3, 3), over(np.fft.rfftn, 4), (2, 2, 3, 3), "float64", "RFFT-4d")
case(FftType.IRFFT, (2, 2, 3, 3), over(np.fft.irfftn, 4, s=(2, 2, 3, 3)), (2, 2, 3, 2), "complex128", "IRFFT-4d")
case(FftType.IRFFT, (1,), over(np.fft.irfftn, 1, s=(1,)), (3, 1), "complex128", "IRFFT-1")
