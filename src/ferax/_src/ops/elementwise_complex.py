"""Complex numbers from their parts, and back.

Cotangents pair with tangents by Re(ct t), without conjugation. So the real part (t -> Re t) has the
transpose ct -> ct + 0i, the imaginary part ct -> 0 - i ct, and conjugation is its own.
"""

from __future__ import annotations

from ferax._src.ops.base import FLOAT, Elementwise, binary, operand, unary, unbroadcast
from ferax._src.tracing.core import Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray


class Part(Elementwise):
    """The real or the imaginary part."""

    def transpose(self, cts, x):
        (ct,) = cts
        if type(ct) is Zero:
            return [Zero.of(x)]
        return [complex(ct, 0) if self.name == "real" else conj(complex(0, ct))]


class Complex(Elementwise):
    """Complex numbers from real and imaginary parts."""

    def abstract_eval(self, *avals):
        for i, aval in enumerate(avals):
            if aval.dtype.name not in ("float32", "float64"):
                raise TypeError(f"complex does not accept dtype {dtypes.dtype_name(aval.dtype)} at position {i}. "
                                f"Accepted dtypes at position {i} are float32, float64.")
        return super().abstract_eval(*avals)

    def transpose(self, cts, x, y):
        (ct,) = cts
        if type(ct) is Zero:
            return [Zero.of(v) if isinstance(v, ShapedArray) else None for v in (x, y)]
        return [unbroadcast(real(ct), x.shape) if isinstance(x, ShapedArray) else None,
                unbroadcast(imag(conj(ct)), y.shape) if isinstance(y, ShapedArray) else None]


class Conj(Elementwise):
    """Complex conjugate; of a real number the complex one. ``input_dtype`` is the operand's dtype."""

    def abstract_eval(self, x, *, input_dtype=None):
        if dtypes.kind_of(x.dtype) != "c" and x.dtype.name not in ("float32", "float64"):
            raise TypeError(f"conj does not accept dtype {dtypes.dtype_name(x.dtype)}. "
                            "Accepted dtypes are float32, float64 and complexfloating.")
        return super().abstract_eval(x)

    def transpose(self, cts, x, *, input_dtype=None):
        (ct,) = cts
        if type(ct) is Zero:
            return [Zero.of(x)]
        return [conj(ct) if dtypes.kind_of(x.dtype) == "c" else real(ct)]


def _lower_conj(ctx, x, *, input_dtype=None):
    (aval,), (out,) = ctx.avals_in, ctx.avals_out
    if aval.dtype == out.dtype:
        return ctx.elementwise("chlo.conj", x)
    return ctx.op("stablehlo.complex", (x, ctx.const(0, aval))).result


real = unary("real", "stablehlo.real", "c", lambda t, ans, x: real(t), result=dtypes.to_floating_dtype,
             linear=True, kind=Part, doc="Real part of complex numbers.")
imag = unary("imag", "stablehlo.imag", "c", lambda t, ans, x: imag(t), result=dtypes.to_floating_dtype,
             linear=True, kind=Part, doc="Imaginary part of complex numbers.")
complex = binary("complex", "stablehlo.complex", FLOAT, lambda t, ans, x, y: complex(t, 0),
                 lambda t, ans, x, y: complex(0, t), result=dtypes.to_complex_dtype, linear_in=(0, 1), kind=Complex,
                 doc="Complex numbers ``x + iy``.")
conj_p = register(Conj("conj", None, ("fc",), (lambda t, ans, x, **_: conj(t),), result=dtypes.to_complex_dtype,
                       linear_in=(0,), lower=_lower_conj))


def conj(x):
    """Complex conjugate of each element; of a real number the complex one.

    Parameters
    ----------
    x : array of complex numbers, or floats of 32 or 64 bits

    Returns
    -------
    array of complex numbers
    """
    x = operand("conj", x)
    return conj_p.bind(x, input_dtype=dtypes.dtype_of(x))[0]


real_p, imag_p, complex_p = real.p, imag.p, complex.p
