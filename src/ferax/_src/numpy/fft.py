"""Discrete Fourier transforms, as in ``numpy.fft``: over any axes, cropped or padded, and scaled.

All are `_transform`: it puts the axes last, gives them the sizes asked for, and leaves the rest to the primitive.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.complexes import conj
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.manipulation import roll
from ferax._src.numpy.places import put, sharding_for
from ferax._src.ops.axes import normalize_axis
from ferax._src.ops.broadcasting import inverse_permutation, transpose
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import div, mul
from ferax._src.ops.fft import FftType, fft as ops_fft
from ferax._src.ops.shape import iota
from ferax._src.ops.slicing import pad
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors

# --- the transform ------------------------------------------------------------------------------

_NORMS = (None, "backward", "ortho", "forward")
_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


@fused(static=("kind", "sizes", "axes", "norm"))
def _transform(x, *, kind, sizes, axes, norm):
    """A transform over ``axes``, which count from the front, of a signal of the given sizes there."""
    order = (*[i for i in range(x.ndim) if i not in axes], *axes)
    in_place = order == tuple(range(x.ndim))
    if not in_place:
        x = transpose(x, order)
    lead = x.ndim - len(axes)
    wanted = (*sizes[:-1], sizes[-1] // 2 + 1) if kind is FftType.IRFFT and sizes else sizes
    if sizes and sizes[-1] and x.shape[lead:] != wanted:
        config = [(0, 0, 0)] * lead + [(0, n - m, 0) for n, m in zip(wanted, x.shape[lead:])]
        x = pad(x, x.dtype.type(0), config)             # a negative amount crops
    x = ops_fft(x, kind, sizes)
    total = math.prod(sizes)
    inverse = kind in (FftType.IFFT, FftType.IRFFT)
    if norm == "ortho" and total:
        x = mul(x, math.sqrt(total) if inverse else 1 / math.sqrt(total))
    elif norm == "forward" and total:
        x = mul(x, float(total) if inverse else 1 / total)
    return x if in_place else transpose(x, inverse_permutation(order))


def _transformed(name: str, kind: FftType, a, s, axes, norm):
    """The arguments of an n-dimensional transform, checked, and the transform."""
    a = util.ensure_arraylike(f"jax.numpy.fft.{name}", a)
    if norm not in _NORMS:
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    if s is not None:
        s = tuple([operator.index(n) for n in s])
        if any([n <= 0 for n in s]):
            raise ValueError(f"{name}: Shape should be positive. Got {s}")
    if axes is not None:
        axes = tuple([operator.index(i) for i in axes])
        if s is not None and len(s) != len(axes):
            raise ValueError(f"{name}: Shape and axes have different lengths. Got s={s} and axes={axes}")
        places = tuple([normalize_axis(i, a.ndim) for i in axes])
        if len(set(places)) != len(places):
            raise ValueError(f"jax.numpy.fft.{name} does not support repeated axes. Got axes {axes}.")
    else:
        first = 0 if s is None else a.ndim - len(s)
        if first < 0:
            raise ValueError(f"{name}: s={s} has more elements than the array has dimensions, which are {a.ndim}")
        places = tuple(range(first, a.ndim))
    sizes = tuple([a.shape[i] for i in places]) if s is None else s
    if s is None and kind is FftType.IRFFT and sizes:
        sizes = (*sizes[:-1], max(0, 2 * (sizes[-1] - 1)))
    return _transform(a, kind=kind, sizes=sizes, axes=places, norm=None if norm == "backward" else norm)


def _over_one(name: str, kind: FftType, a, n, axis, norm, of: str | None = None):
    if isinstance(axis, (tuple, list)):
        raise ValueError(f"jax.numpy.fft.{of or name} does not support multiple axes. "
                         f"Please use jax.numpy.fft.{of or name}n. Got axis = {axis!r}.")
    axes = None if axis is None else (operator.index(axis),)
    return _transformed(name, kind, a, None if n is None else (operator.index(n),), axes, norm)


def _over_two(name: str, kind: FftType, a, s, axes, norm):
    if len(axes) != 2:
        raise ValueError(f"jax.numpy.fft.{name} only supports 2 axes. Got axes = {axes!r}.")
    return _transformed(name, kind, a, s, axes, norm)


# --- one axis -----------------------------------------------------------------------------------

def fft(a, n=None, axis=-1, norm=None):
    """Discrete Fourier transform along an axis: ``y[k] = sum_j a[j] exp(-2 pi i j k / n)``.

    Parameters
    ----------
    a : array of numbers
    n : int; size along the axis, to which ``a`` is cropped, or padded with zeros. By default that of ``a``
    axis : int
    norm : "backward" (or None): the inverse divides by n. "forward": the forward transform does. "ortho": each divides by its root

    Returns
    -------
    Array of complex numbers

    Raises
    ------
    ValueError : for an axis that is not there, several of them, ``n`` below 1, or an unknown ``norm``

    Examples
    --------
    >>> jnp.fft.fft(jnp.array([1., 0., 0., 0.]))
    Array([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j], dtype=complex64)
    """
    return _over_one("fft", FftType.FFT, a, n, axis, norm)


def ifft(a, n=None, axis=-1, norm=None):
    """The inverse of `fft`; parameters as there.

    Examples
    --------
    >>> jnp.fft.ifft(jnp.array([4., 0., 0., 0.]))
    Array([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j], dtype=complex64)
    """
    return _over_one("ifft", FftType.IFFT, a, n, axis, norm)


def rfft(a, n=None, axis=-1, norm=None):
    """Discrete Fourier transform of real numbers: the first ``n // 2 + 1`` elements of `fft`; the rest are conjugates of them.

    Parameters
    ----------
    a : array of real numbers, float32 or float64 if of floats
    n, axis, norm : as of `fft`

    Returns
    -------
    Array of complex numbers, with ``n // 2 + 1`` elements along the axis

    Raises
    ------
    ValueError : as `fft`, and for complex or narrower floating numbers

    Examples
    --------
    >>> jnp.fft.rfft(jnp.array([1., 0., 0., 0.]))
    Array([1.+0.j, 1.+0.j, 1.+0.j], dtype=complex64)
    """
    return _over_one("rfft", FftType.RFFT, a, n, axis, norm)


def irfft(a, n=None, axis=-1, norm=None):
    """The inverse of `rfft`.

    Parameters
    ----------
    a : array of numbers; of what conjugates itself, the first element and for even n the last, the imaginary part is not read
    n : int; size of the result along the axis, by default ``2 * (size of a - 1)``
    axis, norm : as of `fft`

    Returns
    -------
    Array of real numbers

    Examples
    --------
    >>> jnp.fft.irfft(jnp.array([4., 0., 0.]))
    Array([1., 1., 1., 1.], dtype=float32)
    """
    return _over_one("irfft", FftType.IRFFT, a, n, axis, norm)


def hfft(a, n=None, axis=-1, norm=None):
    """Discrete Fourier transform of a signal that is conjugate-symmetric, which makes the transform real.

    Parameters
    ----------
    a : array; the first ``n // 2 + 1`` elements of the signal along the axis
    n : int; size of the result along the axis, by default ``2 * (size of a - 1)``
    axis, norm : as of `fft`

    Returns
    -------
    Array of real numbers

    Examples
    --------
    >>> jnp.fft.hfft(jnp.array([1., 0., 0.]))
    Array([1., 1., 1., 1.], dtype=float32)
    """
    util.check_arraylike("conjugate", a)
    return _over_one("hfft", FftType.IRFFT, conj(a), n, axis, _swapped(norm))


def ihfft(a, n=None, axis=-1, norm=None):
    """The inverse of `hfft`.

    Parameters
    ----------
    a : array of real numbers
    n, axis, norm : as of `fft`

    Returns
    -------
    Array of complex numbers, with ``n // 2 + 1`` elements along the axis

    Examples
    --------
    >>> jnp.fft.ihfft(jnp.array([4., 0., 0., 0.]))
    Array([1.+0.j, 1.+0.j, 1.+0.j], dtype=complex64)
    """
    a = asarray(a)
    spectrum = _over_one("ihfft", FftType.RFFT, a, n, axis, None)
    size = a.size if axis is None else a.shape[operator.index(axis)]
    size = size if n is None else operator.index(n)
    return _conj_scaled(spectrum, factor=1.0 if _swapped(norm) == "backward" else 1 / size if norm != "ortho" else 1 / math.sqrt(size))


@fused(static=("factor",))
def _conj_scaled(x, *, factor):
    return mul(conj(x), factor)


def _swapped(norm):
    """The norm with which a transform in the other direction scales as is asked for."""
    if norm not in _NORMS:
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    return _SWAPPED[norm]


# --- several axes -------------------------------------------------------------------------------

def fftn(a, s=None, axes=None, norm=None):
    """Discrete Fourier transform along several axes.

    Parameters
    ----------
    a : array of numbers
    s : sequence of int; sizes along the axes, to which ``a`` is cropped, or padded with zeros. By default those of ``a``
    axes : sequence of int, all different; by default the last ``len(s)`` axes, or all
    norm : as of `fft`

    Returns
    -------
    Array of complex numbers

    Raises
    ------
    ValueError : for axes that are not there or repeated, sizes below 1 or not as many as axes, or an unknown ``norm``

    Examples
    --------
    >>> jnp.fft.fftn(jnp.ones((2, 2))).real
    Array([[4., 0.],
           [0., 0.]], dtype=float32)
    """
    return _transformed("fftn", FftType.FFT, a, s, axes, norm)


def ifftn(a, s=None, axes=None, norm=None):
    """The inverse of `fftn`; parameters as there.

    Examples
    --------
    >>> jnp.fft.ifftn(jnp.ones((2, 2))).real
    Array([[1., 0.],
           [0., 0.]], dtype=float32)
    """
    return _transformed("ifftn", FftType.IFFT, a, s, axes, norm)


def rfftn(a, s=None, axes=None, norm=None):
    """Discrete Fourier transform of real numbers along several axes, of the last one the first ``n // 2 + 1`` elements.

    Parameters
    ----------
    a : array of real numbers, float32 or float64 if of floats
    s, axes, norm : as of `fftn`

    Returns
    -------
    Array of complex numbers

    Examples
    --------
    >>> jnp.fft.rfftn(jnp.ones((2, 4))).shape
    (2, 3)
    """
    return _transformed("rfftn", FftType.RFFT, a, s, axes, norm)


def irfftn(a, s=None, axes=None, norm=None):
    """The inverse of `rfftn`.

    Parameters
    ----------
    a : array of numbers
    s : sequence of int; sizes of the result along the axes, the last by default ``2 * (size of a - 1)``
    axes, norm : as of `fftn`

    Returns
    -------
    Array of real numbers

    Examples
    --------
    >>> jnp.fft.irfftn(jnp.ones((2, 3))).shape
    (2, 4)
    """
    return _transformed("irfftn", FftType.IRFFT, a, s, axes, norm)


def fft2(a, s=None, axes=(-2, -1), norm=None):
    """Discrete Fourier transform along two axes; parameters as of `fftn`.

    Examples
    --------
    >>> jnp.fft.fft2(jnp.ones((2, 2))).real
    Array([[4., 0.],
           [0., 0.]], dtype=float32)
    """
    return _over_two("fft2", FftType.FFT, a, s, axes, norm)


def ifft2(a, s=None, axes=(-2, -1), norm=None):
    """The inverse of `fft2`; parameters as of `fftn`.

    Examples
    --------
    >>> jnp.fft.ifft2(jnp.ones((2, 2))).real
    Array([[1., 0.],
           [0., 0.]], dtype=float32)
    """
    return _over_two("ifft2", FftType.IFFT, a, s, axes, norm)


def rfft2(a, s=None, axes=(-2, -1), norm=None):
    """Discrete Fourier transform of real numbers along two axes; parameters as of `rfftn`.

    Examples
    --------
    >>> jnp.fft.rfft2(jnp.ones((2, 4))).shape
    (2, 3)
    """
    return _over_two("rfft2", FftType.RFFT, a, s, axes, norm)


def irfft2(a, s=None, axes=(-2, -1), norm=None):
    """The inverse of `rfft2`; parameters as of `irfftn`.

    Examples
    --------
    >>> jnp.fft.irfft2(jnp.ones((2, 3))).shape
    (2, 4)
    """
    return _over_two("irfft2", FftType.IRFFT, a, s, axes, norm)


# --- frequencies --------------------------------------------------------------------------------

def _frequency_arguments(name: str, n, d, dtype):
    if isinstance(n, (list, tuple)):
        raise ValueError(f"The n argument of jax.numpy.fft.{name} only takes an int. Got n = {list(n)}.")
    if isinstance(d, (list, tuple)):
        raise ValueError(f"The d argument of jax.numpy.fft.{name} only takes a single value. Got d = {list(d)}.")
    if isinstance(n, Tracer):
        concrete = n.concrete_value()
        if concrete is None:
            raise errors.ConcretizationTypeError(n, f"The n argument of jax.numpy.fft.{name} must be known while tracing")
        n = concrete
    if np.ndim(n):
        raise ValueError(f"The n argument of jax.numpy.fft.{name} only takes an int. Got n = {n}.")
    dtype = dtypes.check_user_dtype(dtype, name) if dtype else dtypes.default_float_dtype()
    return n, dtype


def _over_period(k, n, d, dtype):
    """``k / (d n)``, in ``dtype``."""
    if isinstance(d, Array):
        period = convert(mul(d, n) if dtypes.kind_of(d.dtype) != "b" else d, dtype)
    else:
        if isinstance(d, complex) and dtypes.kind_of(dtype) != "c":
            raise TypeError("float() argument must be a string or a real number, not 'complex'")
        period = convert(np.asarray(d * n), dtype)
    return div(k, period)


def fftfreq(n, d=1.0, *, dtype=None, device=None):
    """The frequencies that belong to the elements of `fft`.

    Parameters
    ----------
    n : int; size of the signal
    d : number; distance of two samples
    dtype : dtype-like, by default the default float
    device : Device or Sharding

    Returns
    -------
    Array of shape (n,): ``0, 1, ..., -2, -1`` over ``d n``

    Examples
    --------
    >>> jnp.fft.fftfreq(4)
    Array([ 0.  ,  0.25, -0.5 , -0.25], dtype=float32)
    """
    n, out_dtype = _frequency_arguments("fftfreq", n, d, dtype)
    dtype = dtypes.to_floating_dtype(out_dtype)
    size = max(0, math.ceil(n))
    k = np.arange(size)
    k = np.where(k < (n + 1) // 2, k, k - int(n)) if size else k
    made = convert(_over_period(convert(k, dtype), n, d, dtype), out_dtype)
    return put(made, sharding_for(device, None, "jnp.fft.fftfreq"))


def rfftfreq(n, d=1.0, *, dtype=None, device=None):
    """The frequencies that belong to the elements of `rfft`.

    Parameters
    ----------
    n, d, dtype, device : as of `fftfreq`

    Returns
    -------
    Array of shape ``(n // 2 + 1,)``

    Examples
    --------
    >>> jnp.fft.rfftfreq(4)
    Array([0.  , 0.25, 0.5 ], dtype=float32)
    """
    n, dtype = _frequency_arguments("rfftfreq", n, d, dtype)
    dtype = dtypes.to_inexact_dtype(dtype)
    k = iota(dtype, max(0, int(n // 2 + 1)))
    return put(_over_period(k, n, d, dtype), sharding_for(device, None, "jnp.fft.rfftfreq"))


def _shifted(name: str, x, axes, sign: int):
    x = util.ensure_arraylike(name, x)
    if axes is None:
        axes = tuple(range(x.ndim))
    elif isinstance(axes, int):
        axes = (axes,)
    places = tuple([normalize_axis(i, x.ndim) for i in axes])
    shift = tuple([sign * (x.shape[i] // 2) for i in places])
    return roll(x, shift, places) if places else x


def fftshift(x, axes=None):
    """Bring the frequency 0 to the middle: roll each axis by half its size.

    Parameters
    ----------
    x : array
    axes : int or sequence of int; by default all

    Returns
    -------
    Array like ``x``

    Examples
    --------
    >>> jnp.fft.fftshift(jnp.arange(5))
    Array([3, 4, 0, 1, 2], dtype=int32)
    """
    return _shifted("fftshift", x, axes, 1)


def ifftshift(x, axes=None):
    """The inverse of `fftshift`; parameters as there.

    Examples
    --------
    >>> jnp.fft.ifftshift(jnp.arange(5))
    Array([2, 3, 4, 0, 1], dtype=int32)
    """
    return _shifted("ifftshift", x, axes, -1)
