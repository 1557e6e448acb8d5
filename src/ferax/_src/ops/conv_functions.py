"""The public functions of convolution: conv_general_dilated and what is written with it."""

from __future__ import annotations

import math

from ferax._src.ops.base import operand
from ferax._src.ops.broadcasting import transpose_p
from ferax._src.ops.conv import conv_general_dilated_p
from ferax._src.ops.conv_numbers import (
    check_dimension_numbers,
    check_strides,
    conv_dimension_numbers,
    conv_transpose_pads,
    dilated,
    explicit_pads,
    padtype_to_pads,
    placed_by,
    transpose_dimension_numbers,
)
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.dot import dot_general
from ferax._src.ops.joining import stack_p
from ferax._src.ops.placing import placed
from ferax._src.ops.precision import canonicalize_precision, precision_names
from ferax._src.ops.shape import reshape_p, rev_p
from ferax._src.ops.slicing import pad_p, slice_p
from ferax._src.ops.static import as_static_int, as_static_ints, canonical_shape
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of


def conv_general_dilated(lhs, rhs, window_strides, padding, lhs_dilation=None, rhs_dilation=None, dimension_numbers=None,
                         feature_group_count=1, batch_group_count=1, precision=None, preferred_element_type=None,
                         out_sharding=None):
    """Convolve an array with a kernel: sums of products over windows and input features.

    The kernel is not turned round; strictly speaking this is cross-correlation.

    Parameters
    ----------
    lhs, rhs : array and kernel, of one dtype and the same number n + 2 of dimensions: n of them spatial, n >= 0
    window_strides : n ints, by how much the window moves on
    padding : 'VALID', 'SAME' or 'SAME_LOWER' (see `padtype_to_pads`), or n pairs of int, by how much ``lhs`` is padded
        before and after; negative ones take elements away
    lhs_dilation : n ints; ``lhs`` is used with ``lhs_dilation - 1`` zeros between every two elements. None for ones
    rhs_dilation : n ints; so is the kernel
    dimension_numbers : which dimension is which, see `conv_dimension_numbers`; None for NCHW, OIHW, NCHW and their like
    feature_group_count : int g; input and output features are in g groups, each convolved for itself. The kernel has as
        many input features as one group
    batch_group_count : int g; examples and output features are in g groups, and the result has the examples of one group
    precision : None, a `Precision` or its name, or a pair of these for the two operands
    preferred_element_type : dtype of the result, and of sums on the way to it; None for that of the operands
    out_sharding : sharding of the result, or None

    Returns
    -------
    array

    Raises
    ------
    TypeError : if dtypes differ, or dimension numbers or numbers of dimensions do not fit, or a dilation is not positive.
    ValueError : if sizes, groups, strides or padding do not fit.
    RuntimeError : if there is no padding of that name.
    """
    name = "conv_general_dilated"
    lhs, rhs = operand(name, lhs, 0), operand(name, rhs, 1)
    x, y = aval_of(lhs), aval_of(rhs)
    params = _parameters(name, x, y.shape, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers)
    if preferred_element_type is not None:
        preferred_element_type = dtypes.check_user_dtype(preferred_element_type, name)
    (out,) = conv_general_dilated_p.bind(
        lhs, rhs, **params, feature_group_count=as_static_int(feature_group_count, "feature_group_count"),
        batch_group_count=as_static_int(batch_group_count, "batch_group_count"), precision=canonicalize_precision(precision),
        preferred_element_type=preferred_element_type, out_sharding=None)
    return out if out_sharding is None else placed(out, out_sharding, name)


def _checked_numbers(name: str, x, kernel_shape, dimension_numbers):
    if x.ndim != len(kernel_shape):
        raise TypeError(f"{name}: lhs and rhs must have the same number of dimensions, got shapes {x.shape} and {kernel_shape}")
    return check_dimension_numbers(name, conv_dimension_numbers(x.shape, kernel_shape, dimension_numbers), x.ndim)


def _parameters(name: str, x, kernel_shape, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers) -> dict:
    """The parameters that say where the windows are, in their one form."""
    numbers = _checked_numbers(name, x, kernel_shape, dimension_numbers)
    n = x.ndim - 2
    strides = as_static_ints(window_strides, "window_strides")
    dilation = (1,) * n if lhs_dilation is None else as_static_ints(lhs_dilation, "lhs_dilation")
    kernel_dilation = (1,) * n if rhs_dilation is None else as_static_ints(rhs_dilation, "rhs_dilation")
    if isinstance(padding, str):
        if any(d != 1 for d in dilation):
            raise ValueError(f"{name}: padding must be given in numbers where lhs_dilation is, got padding {padding!r} and "
                             f"lhs_dilation {dilation}; conv_transpose takes 'SAME' and 'VALID'")
        for what, values in (("window_strides", strides), ("rhs_dilation", kernel_dilation)):
            if len(values) != n:
                raise ValueError(f"{name}: {what} must have an entry for each of the {n} spatial dimensions, got {values}")
        check_strides(name, "window_strides", strides)
        windows = [dilated(kernel_shape[i], d) for i, d in zip(numbers.rhs_spec[2:], kernel_dilation)]
        pads = tuple(padtype_to_pads([x.shape[i] for i in numbers.lhs_spec[2:]], windows, strides, padding))
    else:
        pads = explicit_pads(name, padding)
    return {"window_strides": strides, "padding": pads, "lhs_dilation": dilation, "rhs_dilation": kernel_dilation,
            "dimension_numbers": numbers}


def conv(lhs, rhs, window_strides, padding, precision=None, preferred_element_type=None):
    """Convolve an array with a kernel, in the order of dimensions NCHW, OIHW, NCHW and their like.

    Parameters
    ----------
    lhs : array, shape (batch, input features, *spatial)
    rhs : array, shape (output features, input features, *window)
    window_strides, padding, precision, preferred_element_type : as of `conv_general_dilated`

    Returns
    -------
    array, shape (batch, output features, *spatial)
    """
    return conv_general_dilated(lhs, rhs, window_strides, padding, precision=precision,
                                preferred_element_type=preferred_element_type)


def conv_with_general_padding(lhs, rhs, window_strides, padding, lhs_dilation, rhs_dilation, precision=None,
                              preferred_element_type=None):
    """Convolve an array with a kernel, in the order of dimensions NCHW, OIHW, NCHW and their like, with dilations.

    Parameters
    ----------
    lhs : array, shape (batch, input features, *spatial)
    rhs : array, shape (output features, input features, *window)
    window_strides, padding, lhs_dilation, rhs_dilation, precision, preferred_element_type : as of `conv_general_dilated`

    Returns
    -------
    array, shape (batch, output features, *spatial)
    """
    return conv_general_dilated(lhs, rhs, window_strides, padding, lhs_dilation, rhs_dilation, precision=precision,
                                preferred_element_type=preferred_element_type)


def conv_transpose(lhs, rhs, strides, padding, rhs_dilation=None, dimension_numbers=None, transpose_kernel=False, precision=None,
                   preferred_element_type=None, use_consistent_padding=False):
    """Convolve with fractional strides: the result is about ``strides`` times as large as the array.

    With ``transpose_kernel`` this is the transpose of a convolution: what its gradient does.

    Parameters
    ----------
    lhs, rhs : array and kernel, as of `conv_general_dilated`
    strides : one int for each spatial dimension, the dilation of ``lhs``
    padding : 'SAME' or 'VALID', that of the convolution which is transposed; or a pair of int for each spatial dimension,
        by how much the dilated array is padded
    rhs_dilation : one int for each spatial dimension, or None for ones
    dimension_numbers : as of `conv_dimension_numbers`; None for NHWC, HWIO, NHWC and their like
    transpose_kernel : whether to turn the kernel round and exchange its input and output features
    precision, preferred_element_type : as of `conv_general_dilated`
    use_consistent_padding : whether pairs of padding, too, are those of the convolution which is transposed

    Returns
    -------
    array

    Raises
    ------
    TypeError, ValueError : as `conv_general_dilated` does.
    """
    name = "conv_transpose"
    lhs, rhs = operand(name, lhs, 0), operand(name, rhs, 1)
    x, y = aval_of(lhs), aval_of(rhs)
    if dimension_numbers is None and x.ndim == y.ndim:
        dimension_numbers = transpose_dimension_numbers(x.ndim)
    numbers = _checked_numbers(name, x, y.shape, dimension_numbers)
    n = x.ndim - 2
    strides = as_static_ints(strides, "strides")
    dilation = (1,) * n if rhs_dilation is None else as_static_ints(rhs_dilation, "rhs_dilation")
    for what, values in (("strides", strides), ("rhs_dilation", dilation)):
        if len(values) != n:
            raise TypeError(f"{name}: {what} must have an entry for each of the {n} spatial dimensions, got {values}")
    by_name = isinstance(padding, str)
    if use_consistent_padding or by_name and padding in ("SAME", "VALID"):
        pairs = [padding] * n if by_name else explicit_pads(name, padding)
        if len(pairs) != n:
            raise TypeError(f"{name}: padding must have a pair for each of the {n} spatial dimensions, got {padding}")
        windows = [dilated(y.shape[i], d) for i, d in zip(numbers.rhs_spec[2:], dilation)]
        padding = tuple(map(conv_transpose_pads, windows, strides, pairs))
    if transpose_kernel:
        (rhs,) = rev_p.bind(rhs, dimensions=tuple(numbers.rhs_spec[2:]))
        order = list(range(y.ndim))
        o, i = numbers.rhs_spec[:2]
        order[o], order[i] = i, o
        (rhs,) = transpose_p.bind(rhs, permutation=tuple(order))
    return conv_general_dilated(lhs, rhs, (1,) * n, padding, strides, dilation, numbers, precision=precision,
                                preferred_element_type=preferred_element_type)


def conv_general_dilated_patches(lhs, filter_shape, window_strides, padding, lhs_dilation=None, rhs_dilation=None,
                                 dimension_numbers=None, precision=None, preferred_element_type=None):
    """The windows that a convolution would look at, each as a vector of features.

    Parameters
    ----------
    lhs : array with n spatial dimensions
    filter_shape : n ints, the size of the windows, in the order of the kernel's spatial dimensions
    window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers : as of `conv_general_dilated`
    precision : accepted as `conv_general_dilated` does; no arithmetic takes place
    preferred_element_type : dtype of the result; None for that of ``lhs``

    Returns
    -------
    array whose features are ordered (features of ``lhs``, *filter_shape), the last the quickest
    """
    name = "conv_general_dilated_patches"
    lhs = as_array(lhs)
    x = aval_of(lhs)
    window = canonical_shape(filter_shape, "filter_shape")
    if len(window) != x.ndim - 2:
        raise TypeError(f"{name}: filter_shape must have an entry for each spatial dimension of lhs, got {window} for lhs of shape "
                        f"{x.shape}")
    numbers = _checked_numbers(name, x, (1, 1, *window), dimension_numbers)
    # The checks and the spatial sizes are those of the convolution with a kernel that takes each element for itself.
    channels = x.shape[numbers.lhs_spec[1]]
    kernel = ShapedArray(placed_by((channels * math.prod(window), 1, *window), numbers.rhs_spec), x.dtype, x.weak_type)
    params = _parameters(name, x, kernel.shape, window_strides, padding, lhs_dilation, rhs_dilation, numbers)
    if precision is not None and precision not in precision_names.values():
        precision = canonicalize_precision((precision, "default"))
    if preferred_element_type is not None:
        preferred_element_type = dtypes.check_user_dtype(preferred_element_type, name)
    (out,) = conv_general_dilated_p.abstract_eval(
        x, kernel, **params, feature_group_count=max(channels, 1), batch_group_count=1, precision=precision,
        preferred_element_type=preferred_element_type, out_sharding=None)
    patches = _patches(lhs, window, out, **params)
    return patches if patches.dtype == out.dtype else convert(patches, out.dtype, out.weak_type)


def _patches(lhs, window, out, *, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers):
    """Windows by slices, one dimension after the other: as many slices as the sum of the window's sizes."""
    lhs_spec, _, out_spec = dimension_numbers
    n = len(window)
    (x,) = transpose_p.bind(lhs, permutation=tuple(lhs_spec))                   # (N, C, *spatial)
    config = ((0, 0, 0), (0, 0, 0), *[(low, high, d - 1) for (low, high), d in zip(padding, lhs_dilation)])
    (x,) = pad_p.bind(x, x.dtype.type(0), padding_config=config)
    for i in range(n):                          # (N, C, k0, .., k(i-1), *spatial) -> (N, C, k0, .., ki, *spatial)
        axis = 2 + 2 * i
        count, stride, dilation = out.shape[out_spec[2 + i]], window_strides[i], rhs_dilation[i]
        starts, limits, strides = [0] * x.ndim, list(x.shape), [1] * x.ndim
        strides[axis] = stride
        slices = []
        for k in range(window[i]):
            starts[axis] = k * dilation if count else 0
            limits[axis] = starts[axis] + (count - 1) * stride + 1 if count else 0
            slices += slice_p.bind(x, start_indices=tuple(starts), limit_indices=tuple(limits), strides=tuple(strides))
        (x,) = stack_p.bind(*slices, axis=2 + i)
    order = [0] * (n + 2)
    for i, d in enumerate(out_spec):
        order[d] = i
    kept = {0: [0], 1: list(range(1, 2 + n)), **{2 + i: [2 + n + i] for i in range(n)}}
    (x,) = transpose_p.bind(x, permutation=tuple([d for i in order for d in kept[i]]))
    return reshape_p.bind(x, new_sizes=out.shape, dimensions=None, sharding=None)[0]


def conv_general_dilated_local(lhs, rhs, window_strides, padding, filter_shape, lhs_dilation=None, rhs_dilation=None,
                               dimension_numbers=None, precision=None):
    """A convolution with a kernel of its own for each window.

    Parameters
    ----------
    lhs : array with n spatial dimensions
    rhs : array of kernels; its dimensions are output features, features of windows, and the spatial ones of the result, in
        the order of the kernel's dimension numbers. The features of windows are those of `conv_general_dilated_patches`
    window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers : as of `conv_general_dilated`
    filter_shape : n ints, the size of the windows
    precision : None, a `Precision` or its name, or a pair of these for the two operands

    Returns
    -------
    array

    Raises
    ------
    TypeError : if ``rhs`` does not have a kernel for each window.
    """
    name = "conv_general_dilated_local"
    precision = canonicalize_precision(precision)
    if precision is not None and not (type(precision) is tuple and len(precision) == 2):
        raise ValueError(f"{name}: precision must be None, a lax.Precision, its name, or a pair of these, got {precision}")
    patches = conv_general_dilated_patches(lhs, filter_shape, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers)
    shape = aval_of(patches).shape
    kernel = (1, 1, *as_static_ints(filter_shape, "filter_shape"))
    numbers = conv_dimension_numbers(shape, kernel, dimension_numbers)
    _, rhs_spec, out_spec = numbers
    rhs = as_array(rhs)
    wanted = {rhs_spec[1]: shape[out_spec[1]], **dict(zip(rhs_spec[2:], [shape[i] for i in out_spec[2:]]))}
    if rhs.ndim != len(shape) or any(rhs.shape[i] != size for i, size in wanted.items()):
        want = ["output features" if i == rhs_spec[0] else str(wanted[i]) for i in range(len(shape))]
        raise TypeError(f"{name}: rhs must have a kernel for each window, that is be of shape ({', '.join(want)}); got shape "
                        f"{rhs.shape}")
    spatial = sorted(zip(out_spec[2:], rhs_spec[2:]))
    out = dot_general(patches, rhs, (((out_spec[1],), (rhs_spec[1],)), ([a for a, _ in spatial], [b for _, b in spatial])), precision)
    n, f = out_spec[:2]                         # now (*spatial, N, O)
    places = sorted([(n, len(shape) - 2), (f, len(shape) - 1)])
    order = list(range(len(shape) - 2))
    for to, source in places:
        order.insert(to, source)
    return transpose_p.bind(out, permutation=tuple(order))[0]


