"""Resampling: resize and scale_and_translate.

Pixel j covers the interval [j, j + 1] and stands for its middle. An output pixel i is looked up at the place
``(i + 1/2 - translation) / scale`` of the input, where the value is a weighted mean of the pixels around it; the weights come
from a kernel. Where the image shrinks, ``antialias`` widens the kernel by as much, so that every input pixel counts.
Dimensions are resampled one after the other, each by a product with a matrix of weights.

References
----------
Turkowski, "Filters for common resampling tasks", Graphics Gems (1990). Keys, "Cubic convolution interpolation for digital
image processing", IEEE Transactions on Acoustics, Speech and Signal Processing 29 (1981).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import numpy as np

from ferax._src.numpy.gathering import take_along
from ferax._src.numpy.trigonometric import sinc
from ferax._src.numpy.util import choose, const, ensure_arraylike, promote_dtypes_inexact
from ferax._src.ops.broadcasting import broadcast_in_dim, reduce_sum
from ferax._src.ops.compare import eq, ge, gt, le, lt
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.dot import dot_general
from ferax._src.ops.elementwise import abs, add, div, floor, max as maximum, min as minimum, mul, reciprocal, sub
from ferax._src.ops.elementwise_bits import bitwise_and
from ferax._src.ops.axes import move_axis
from ferax._src.ops.precision import Precision
from ferax._src.ops.shape import iota
from ferax._src.ops.static import canonical_shape, normalize_axis
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


class ResizeMethod(enum.Enum):
    """How the value between pixels is found."""

    NEAREST = 0
    LINEAR = 1
    LANCZOS3 = 2
    LANCZOS5 = 3
    CUBIC = 4
    CUBIC_PYTORCH = 5
    AREA = 6

    @staticmethod
    def from_string(s: str) -> ResizeMethod:
        """The method of a name.

        Raises
        ------
        ValueError : if there is none of that name.
        """
        try:
            return _BY_NAME[s]
        except KeyError:
            raise ValueError(f'Unknown resize method "{s}"; the methods are {", ".join(_BY_NAME)}') from None


_BY_NAME = {
    "nearest": ResizeMethod.NEAREST,
    "linear": ResizeMethod.LINEAR, "bilinear": ResizeMethod.LINEAR, "trilinear": ResizeMethod.LINEAR,
    "triangle": ResizeMethod.LINEAR,
    "lanczos3": ResizeMethod.LANCZOS3, "lanczos5": ResizeMethod.LANCZOS5,
    "cubic": ResizeMethod.CUBIC, "bicubic": ResizeMethod.CUBIC, "tricubic": ResizeMethod.CUBIC,
    "cubic-pytorch": ResizeMethod.CUBIC_PYTORCH, "bicubic-pytorch": ResizeMethod.CUBIC_PYTORCH,
    "area": ResizeMethod.AREA,
}


def _method(method, name: str) -> ResizeMethod:
    if isinstance(method, str):
        return ResizeMethod.from_string(method)
    if not isinstance(method, ResizeMethod):
        raise TypeError(f"image.{name}: method must be a string or a ResizeMethod, got {method!r}")
    return method


# --- kernels: weights of distances that are not negative -----------------------------------------

def _triangle(x):
    return maximum(sub(const(x, 1), x), const(x, 0))


def _cubic(a: float):
    """The piecewise cubic that is 1 at 0, 0 at other integers, and smooth; ``a`` is its slope at 1 (Keys, equation 15)."""
    def kernel(x):
        near = _polynomial(x, (a + 2, -(a + 3), 0, 1))
        far = _polynomial(x, (a, -5 * a, 8 * a, -4 * a))
        return choose(le(x, const(x, 1)), near, choose(lt(x, const(x, 2)), far, const(x, 0)))
    return kernel


def _polynomial(x, coefficients):
    value = const(x, coefficients[0])
    for c in coefficients[1:]:
        value = add(mul(value, x), const(x, c))
    return value


def _lanczos(radius: int):
    def kernel(x):
        window = mul(sinc(x), sinc(mul(x, const(x, 1 / radius))))
        return choose(lt(x, const(x, radius)), window, const(x, 0))
    return kernel


_KERNELS = {
    ResizeMethod.LINEAR: _triangle,
    ResizeMethod.CUBIC: _cubic(-0.5),
    ResizeMethod.CUBIC_PYTORCH: _cubic(-0.75),
    ResizeMethod.LANCZOS3: _lanczos(3),
    ResizeMethod.LANCZOS5: _lanczos(5),
}


def _weights(n: int, m: int, scale, translation, method: ResizeMethod, antialias: bool):
    """The (n, m) matrix of what each of n input pixels is to each of m output pixels; ``scale`` a number of inexact dtype."""
    dtype = scale.dtype
    step = reciprocal(scale)

    def along_columns(x):
        return broadcast_in_dim(x, (n, m), (1,) if x.ndim else ())

    ends = mul(sub(iota(dtype, m), broadcast_in_dim(translation, (m,), ())), broadcast_in_dim(step, (m,), ()))
    middle = sub(add(ends, broadcast_in_dim(mul(step, const(step, 0.5)), (m,), ())), dtype.type(0.5))
    places = broadcast_in_dim(iota(dtype, n), (n, m), (0,))
    # As in PyTorch: smoothing uses the usual cubic; without it, the border pixels are repeated beyond the border.
    repeats = method is ResizeMethod.CUBIC_PYTORCH and not antialias
    if method is ResizeMethod.AREA:             # the part of each input pixel that the output pixel covers
        low = along_columns(ends)
        weights = maximum(sub(minimum(add(low, along_columns(step)), add(places, dtype.type(1))), maximum(low, places)), dtype.type(0))
    else:
        width = maximum(step, const(step, 1)) if antialias else as_array(dtype.type(1))
        kernel = _KERNELS[ResizeMethod.CUBIC if method is ResizeMethod.CUBIC_PYTORCH and antialias else method]
        weights = kernel(div(abs(sub(along_columns(middle), places)), along_columns(width)))
        for place, edge in ((-2, 0), (-1, 0), (n, n - 1), (n + 1, n - 1)) if repeats else ():
            beyond = kernel(abs(sub(along_columns(middle), dtype.type(place))))
            weights = choose(eq(places, dtype.type(edge)), add(weights, beyond), weights)
    total = along_columns(reduce_sum(weights, (0,)))
    there = gt(abs(total), dtype.type(1000 * dtypes.finfo(np.float32).eps))
    weights = choose(there, div(weights, choose(there, total, dtype.type(1))), dtype.type(0))
    if repeats:                                 # there are pixels beyond the border
        return weights
    inside = bitwise_and(ge(middle, dtype.type(-0.5)), le(middle, dtype.type(n - 0.5)))
    return choose(along_columns(inside), weights, dtype.type(0))


def _resampled(x, sizes, scales, translations, method, antialias, precision):
    """``x`` with dimension d of size ``sizes[d]``, for the dimensions in the dict ``sizes``."""
    for d, m in sizes.items():
        weights = _weights(x.shape[d], m, scales[d], translations[d], method, antialias)
        out = dot_general(x, convert(weights, x.dtype), (((d,), (0,)), ((), ())), precision=precision,
                          preferred_element_type=x.dtype)
        x = move_axis(out, x.ndim - 1, d)
    return x


# --- resize -------------------------------------------------------------------------------------

@fused(static=("shape",))
def _nearest(x, *, shape):
    for d, (n, m) in enumerate(zip(x.shape, shape)):
        if n != m:
            places = floor(div(mul(add(iota(np.dtype(np.float32), m), np.float32(0.5)), np.float32(n)), np.float32(m)))
            x = take_along(x, convert(places, np.dtype(np.int32)), d)
    return x


@fused(static=("shape", "method", "antialias", "precision"))
def _resize(x, *, shape, method, antialias, precision):
    dtype = _weight_dtype(x.dtype)
    sizes = {d: m for d, (n, m) in enumerate(zip(x.shape, shape)) if n != m}
    scales = {d: as_array(dtype.type(m / x.shape[d] if x.shape[d] else 1)) for d, m in sizes.items()}
    zero = as_array(dtype.type(0))
    return _resampled(x, sizes, scales, dict.fromkeys(sizes, zero), method, antialias, precision)


def _weight_dtype(dtype):
    """The dtype in which weights for values of a dtype are computed."""
    return np.dtype(np.float64) if dtypes.to_floating_dtype(dtype).itemsize == 8 else np.dtype(np.float32)


def resize(image, shape: Sequence[int], method: str | ResizeMethod, antialias: bool = True, precision=Precision.HIGHEST):
    """An image of another size.

    Parameters
    ----------
    image : array of any number of dimensions
    shape : the size of each dimension of the result; dimensions that keep their sizes are left alone
    method : name or `ResizeMethod`:
        "nearest": the nearest pixel;
        "linear" (also "bilinear", "trilinear", "triangle"): between neighbours;
        "cubic" (also "bicubic", "tricubic"): Keys' cubic, smoother;
        "cubic-pytorch" (also "bicubic-pytorch"): what PyTorch does: without ``antialias`` another constant, and border pixels
        repeated;
        "lanczos3", "lanczos5": a windowed sinc over 3 or 5 pixels to each side;
        "area": the mean over the area that a pixel of the result covers
    antialias : whether to smooth where the image shrinks; without effect on "nearest" and "area"
    precision : of the products, as of `lax.dot_general`

    Returns
    -------
    array of that shape; integers become floats, but by "nearest"

    Raises
    ------
    ValueError : if ``shape`` has another number of dimensions than ``image``, or there is no such method.

    Examples
    --------
    >>> ferax.image.resize(jnp.array([0.0, 1.0]), (4,), 'linear')
    Array([0.  , 0.25, 0.75, 1.  ], dtype=float32)
    """
    image = ensure_arraylike("image.resize", image)
    shape = canonical_shape(shape)
    if len(shape) != image.ndim:
        raise ValueError(f"image.resize: shape must have a size for each dimension of image, got {shape} for an image of shape "
                         f"{image.shape}")
    method = _method(method, "resize")
    if any(n == 0 and m for n, m in zip(image.shape, shape)):
        raise ValueError(f"image.resize: an image of shape {image.shape} has no pixels to make one of shape {shape} of")
    if method is ResizeMethod.NEAREST:
        return _nearest(image, shape=shape)
    image = as_array(promote_dtypes_inexact(image)[0])
    return _resize(image, shape=shape, method=method, antialias=bool(antialias), precision=precision)


# --- scale_and_translate ------------------------------------------------------------------------

@fused(static=("shape", "dims", "method", "antialias", "precision"))
def _scale_and_translate(x, scale, translation, *, shape, dims, method, antialias, precision):
    dtype = _weight_dtype(x.dtype)
    scale, translation = convert(scale, dtype), convert(translation, dtype)
    sizes = {d: shape[d] for d in dims}
    where = [as_array(np.int32(i)) for i in range(len(dims))]
    scales = {d: take_along(scale, i, 0) for d, i in zip(dims, where)}
    translations = {d: take_along(translation, i, 0) for d, i in zip(dims, where)}
    return _resampled(x, sizes, scales, translations, method, antialias, precision)


def scale_and_translate(image, shape: Sequence[int], spatial_dims: Sequence[int], scale, translation,
                        method: str | ResizeMethod, antialias: bool = True, precision=Precision.HIGHEST):
    """An image of another size, scaled by any factors and then moved.

    The pixel at x of the input is found at ``x scale + translation`` of the result, where places are counted from the edge of
    the first pixel. Pixels of the result that lie outside of the image are 0, but by "cubic-pytorch" without
    ``antialias``, which repeats the border pixels twice.

    Parameters
    ----------
    image : array of any number of dimensions
    shape : the size of each dimension of the result
    spatial_dims : the dimensions that are scaled and moved, K of them
    scale, translation : arrays of shape (K,); they may be traced and differentiated by
    method : as of `resize`, but "nearest"
    antialias : whether to smooth where the image shrinks
    precision : of the products, as of `lax.dot_general`

    Returns
    -------
    array of that shape, of an inexact dtype

    Raises
    ------
    ValueError : if shapes do not fit, a dimension does not exist or is named twice, or the method is "nearest".

    Examples
    --------
    >>> ferax.image.scale_and_translate(jnp.array([1.0, 2.0]), (3,), (0,), jnp.ones(1), jnp.ones(1), 'linear')
    Array([0., 1., 2.], dtype=float32)
    """
    image, scale, translation = ensure_arraylike("image.scale_and_translate", image, scale, translation)
    shape = canonical_shape(shape)
    if len(shape) != image.ndim:
        raise ValueError(f"image.scale_and_translate: shape must have a size for each dimension of image, got {shape} for an image "
                         f"of shape {image.shape}")
    dims = tuple([normalize_axis(d, image.ndim, "spatial_dims") for d in spatial_dims])
    if len(set(dims)) != len(dims):
        raise ValueError(f"image.scale_and_translate: spatial_dims names a dimension twice: {tuple(spatial_dims)}")
    for name, x in (("scale", scale), ("translation", translation)):
        if x.shape != (len(dims),):
            raise ValueError(f"image.scale_and_translate: {name} must have shape ({len(dims)},), a number for each of spatial_dims, "
                             f"got {x.shape}")
    others = [d for d in range(image.ndim) if d not in dims and image.shape[d] != shape[d]]
    if others:
        raise ValueError(f"image.scale_and_translate: dimensions {others} change their size but are not among spatial_dims {dims}")
    method = _method(method, "scale_and_translate")
    if method is ResizeMethod.NEAREST:
        raise ValueError("image.scale_and_translate: the method 'nearest' is for image.resize; take 'linear' here")
    image = as_array(promote_dtypes_inexact(image)[0])
    return _scale_and_translate(image, scale, translation, shape=shape, dims=dims, method=method, antialias=bool(antialias),
                                precision=precision)

