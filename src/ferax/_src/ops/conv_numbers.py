"""The arithmetic of convolutions: which dimension is which, padding by name, sizes of results.

A convolution slides a kernel, ``rhs``, over an array, ``lhs``. In both, and in the result, one dimension has examples
(of the kernel: output features), one has features (input features), and the others are spatial. `ConvDimensionNumbers`
says where each of them is; a string such as 'NHWC' says the same by letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ferax._src.ops.static import as_static_int, as_static_ints


class ConvDimensionNumbers(NamedTuple):
    """Where the dimensions of a convolution's operands and result are.

    Attributes
    ----------
    lhs_spec : tuple of int, the operand's (batch, feature, *spatial)
    rhs_spec : tuple of int, the kernel's (output feature, input feature, *spatial)
    out_spec : tuple of int, the result's (batch, feature, *spatial)
    """

    lhs_spec: Sequence[int]
    rhs_spec: Sequence[int]
    out_spec: Sequence[int]


ConvGeneralDilatedDimensionNumbers = None | ConvDimensionNumbers | tuple[str, str, str]

_LETTERS = ("NC", "OI", "NC")                   # of the two dimensions that are not spatial, in the order of the specs
_DEFAULT_TRANSPOSE = (("NC", "IO", "NC"), ("NHC", "HIO", "NHC"), ("NHWC", "HWIO", "NHWC"), ("NHWDC", "HWDIO", "NHWDC"))


# --- dimension numbers --------------------------------------------------------------------------

def conv_dimension_numbers(lhs_shape, rhs_shape, dimension_numbers):
    """The dimension numbers of a convolution, from any of the forms in which they may be given.

    Parameters
    ----------
    lhs_shape, rhs_shape : shapes of the operand and the kernel
    dimension_numbers : ConvDimensionNumbers; or three strings, of the operand, the kernel and the result, with a letter
        for each dimension: N and C for examples and features (in the kernel O and I for output and input features),
        others for the spatial dimensions, whose order is that of the kernel's string; or three sequences of ints like
        those of ConvDimensionNumbers; or None for NCHW, OIHW, NCHW and their like

    Returns
    -------
    ConvDimensionNumbers

    Raises
    ------
    TypeError : if they do not fit the shapes or each other.
    """
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        return dimension_numbers
    ndim = len(lhs_shape)
    if ndim != len(rhs_shape):
        raise TypeError("a convolution requires lhs and rhs to have the same number of dimensions, got "
                        f"shapes {tuple(lhs_shape)} and {tuple(rhs_shape)}")
    if dimension_numbers is None:
        return ConvDimensionNumbers(*[tuple(range(ndim))] * 3)
    if not isinstance(dimension_numbers, (list, tuple)):
        raise TypeError("the dimension_numbers of a convolution must be None, ConvDimensionNumbers or a tuple of three "
                        f"strings such as ('NHWC', 'HWIO', 'NHWC'), got {dimension_numbers!r}")
    if len(dimension_numbers) != 3:
        raise TypeError("the dimension_numbers of a convolution must be three, for lhs, rhs and the result, got "
                        f"{len(dimension_numbers)}: {dimension_numbers}")
    in_strings = [isinstance(spec, str) for spec in dimension_numbers]
    if any(in_strings) != all(in_strings) or not all(isinstance(s, (str, list, tuple)) for s in dimension_numbers):
        raise TypeError("the dimension_numbers of a convolution must be three strings, such as ('NHWC', 'HWIO', 'NHWC'), or "
                        f"three tuples of int, got {dimension_numbers}")
    for i, spec in enumerate(dimension_numbers):
        if len(spec) != ndim:
            raise TypeError(f"dimension_numbers[{i}] of a convolution must have an entry for each dimension, got {spec!r} for "
                            f"lhs of shape {tuple(lhs_shape)} and rhs of shape {tuple(rhs_shape)}")
    if not all(in_strings):
        return ConvDimensionNumbers(*[as_static_ints(s, f"dimension_numbers[{i}]") for i, s in enumerate(dimension_numbers)])
    return ConvDimensionNumbers(*conv_general_permutations(dimension_numbers))


def check_dimension_numbers(name: str, numbers: ConvDimensionNumbers, ndim: int) -> ConvDimensionNumbers:
    """The dimension numbers as tuples of Python ints.

    Raises
    ------
    ValueError : if they are not permutations of ``range(ndim)``, or have no place for examples and features.
    """
    if ndim < 2:
        raise ValueError(f"{name}: operands must have at least two dimensions, for examples and features, got {ndim}")
    found = ConvDimensionNumbers(*[as_static_ints(s, f"{field} of dimension_numbers") for field, s in numbers._asdict().items()])
    for field, spec in found._asdict().items():
        if sorted(spec) != list(range(ndim)):
            raise ValueError(f"{name}: {field} of dimension_numbers must name each of the {ndim} dimensions once, got {spec}")
    return found


def conv_general_permutations(dimension_numbers):
    """Three strings of dimension numbers as permutations.

    Parameters
    ----------
    dimension_numbers : three strings, as of `conv_dimension_numbers`

    Returns
    -------
    three tuples of int : where the operand's batch, feature and spatial dimensions are; the kernel's output feature,
        input feature and spatial dimensions; the result's batch, feature and spatial dimensions

    Raises
    ------
    TypeError : if a letter is missing or there twice, or the spatial letters differ.
    """
    lhs, kernel, out = dimension_numbers
    for i, (spec, letters) in enumerate(zip((lhs, kernel, out), _LETTERS)):
        if any(spec.count(letter) != 1 for letter in letters):
            raise TypeError(f"dimension_numbers[{i}] of a convolution must have the letters {letters[0]} and {letters[1]} once "
                            f"each, got {spec!r}")
        if len(set(spec)) != len(spec):
            raise TypeError(f"dimension_numbers[{i}] of a convolution must have each letter once, got {spec!r}")
    spatial = [c for c in kernel if c not in _LETTERS[1]]
    for spec, letters in ((lhs, _LETTERS[0]), (out, _LETTERS[2])):
        if set(spec) - set(letters) != set(spatial):
            raise TypeError("the dimension_numbers of a convolution must have the same spatial letters in all three, got "
                            f"{tuple(dimension_numbers)}")
    return tuple([tuple([spec.index(c) for c in (*letters, *spatial)])
                  for spec, letters in zip((lhs, kernel, out), _LETTERS)])


def transpose_dimension_numbers(ndim: int):
    """What `conv_transpose` takes where no dimension numbers are given: features last."""
    if not 2 <= ndim <= 5:
        raise ValueError("conv_transpose: dimension_numbers must be given for operands with other than 2 to 5 dimensions, got "
                         f"operands with {ndim}")
    return _DEFAULT_TRANSPOSE[ndim - 2]


# --- sizes and padding --------------------------------------------------------------------------

def dilated(size: int, dilation: int) -> int:
    """The size of a dimension with ``dilation - 1`` zeros between every two elements."""
    return (size - 1) * dilation + 1 if size else 0


def window_count(size: int, window: int, stride: int) -> int:
    """How many windows there are."""
    return max((size - window) // stride + 1, 0)


def padtype_to_pads(in_shape, window_shape, window_strides, padding):
    """Padding by name as numbers.

    Parameters
    ----------
    in_shape, window_shape, window_strides : a size, a window's size and a stride for each dimension
    padding : 'VALID' for none; 'SAME' for as much as makes ``ceil(size / stride)`` windows, with the odd one after the
        elements; 'SAME_LOWER' with the odd one before; in upper or lower case

    Returns
    -------
    list of (int, int), how much before and how much after the elements

    Raises
    ------
    RuntimeError : if there is no such name.
    TypeError : if ``padding`` is not a string.
    ValueError : if the three sequences differ in length, or a stride is not positive.
    """
    if not isinstance(padding, str):
        raise TypeError(f"padding must be 'VALID', 'SAME' or 'SAME_LOWER' here, got {padding!r}")
    kind = padding.upper()
    if kind not in ("VALID", "SAME", "SAME_LOWER"):
        raise RuntimeError(f"padding must be 'VALID', 'SAME' or 'SAME_LOWER', got {padding!r}")
    sizes, windows, strides = [as_static_ints(values, name) for values, name in (
        (in_shape, "in_shape"), (window_shape, "window_shape"), (window_strides, "window_strides"))]
    if not len(sizes) == len(windows) == len(strides):
        raise ValueError("padtype_to_pads: there must be as many window sizes and strides as dimensions, got shape "
                         f"{sizes}, window {windows} and strides {strides}")
    check_strides("padtype_to_pads", "window_strides", strides)
    if kind == "VALID":
        return [(0, 0)] * len(sizes)
    pads = []
    for size, window, stride in zip(sizes, windows, strides):
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        less, more = total // 2, total - total // 2
        pads.append((less, more) if kind == "SAME" else (more, less))
    return pads


def check_strides(name: str, what: str, strides) -> None:
    if any(s < 1 for s in strides):
        raise ValueError(f"{name}: {what} must be positive, got {strides}")


def explicit_pads(name: str, padding) -> tuple[tuple[int, int], ...]:
    """Padding as pairs of Python ints.

    Raises
    ------
    ValueError : if it is not a sequence of pairs of integers.
    """
    try:
        pads = tuple([as_static_ints(pair, "padding") for pair in padding])
    except TypeError:
        pads = None
    if pads is None or any(len(pair) != 2 for pair in pads):
        raise ValueError(f"{name}: padding must be 'SAME', 'SAME_LOWER', 'VALID' or a (low, high) pair of integers for each "
                         f"spatial dimension, got {padding!r}")
    return pads  # type: ignore[return-value]


def conv_transpose_pads(window: int, stride: int, padding) -> tuple[int, int]:
    """The padding with which a convolution of an array dilated by ``stride`` transposes one with ``padding``.

    Parameters
    ----------
    window : size of the kernel, dilation included
    padding : 'SAME' or 'VALID', or the pair of the convolution that is transposed
    """
    if padding == "SAME":                       # the result is `stride` times as long
        total = window + stride - 2
        low = window - 1 if stride > window - 1 else -(-total // 2)
    elif padding == "VALID":
        total = window + stride - 2 + max(window - stride, 0)
        low = window - 1
    elif isinstance(padding, (list, tuple)):
        before, after = padding
        low = window - 1 - before
        total = low + window - 1 - after
    else:
        raise ValueError(f"conv_transpose: padding must be 'SAME', 'VALID' or pairs of integers, got {padding!r}")
    return low, total - low


# --- shapes -------------------------------------------------------------------------------------

def conv_shape_tuple(lhs_shape, rhs_shape, strides, pads, batch_group_count=1):
    """The shape of a convolution's result, all shapes in the order of `ConvDimensionNumbers`.

    Parameters
    ----------
    lhs_shape : (batch, feature, *spatial), of the operand with its dilation
    rhs_shape : (output feature, input feature, *spatial), of the kernel with its dilation
    strides : one int for each spatial dimension
    pads : a name of padding, or a pair of int for each spatial dimension
    batch_group_count : number of groups of examples

    Returns
    -------
    tuple of int : (batch, feature, *spatial)

    Raises
    ------
    TypeError : if there are more or fewer pads than spatial dimensions.
    ValueError : if negative padding takes away more than there is, or the groups do not come out even.
    """
    sizes, windows = as_static_ints(lhs_shape[2:], "lhs_shape"), as_static_ints(rhs_shape[2:], "rhs_shape")
    strides = as_static_ints(strides, "strides")
    if isinstance(pads, str):
        pads = padtype_to_pads(sizes, windows, strides, pads)
    if len(pads) != len(sizes):
        raise TypeError(f"a convolution requires a pair of padding for each of its {len(sizes)} spatial dimensions, got {len(pads)}:"
                        f" {pads}")
    padded = [n + low + high for n, (low, high) in zip(sizes, pads)]
    if any(n < 0 for n in padded):
        raise ValueError(f"a convolution's negative padding takes away more than there is: padding {tuple(pads)} for spatial "
                         f"sizes {sizes}")
    batch, uneven = divmod(as_static_int(lhs_shape[0], "lhs_shape"), batch_group_count)
    if uneven:
        raise ValueError(f"batch_group_count must divide the number of examples, got {batch_group_count} for {lhs_shape[0]}")
    return (batch, as_static_int(rhs_shape[0], "rhs_shape"), *map(window_count, padded, windows, strides))


def conv_general_shape_tuple(lhs_shape, rhs_shape, window_strides, padding, dimension_numbers):
    """The shape of the result of a convolution without dilation and groups.

    Parameters
    ----------
    lhs_shape, rhs_shape : shapes of the operand and the kernel
    window_strides : one int for each spatial dimension
    padding : a name, or a pair of int for each spatial dimension
    dimension_numbers : three strings

    Returns
    -------
    tuple of int
    """
    lhs, kernel, out = conv_general_permutations(dimension_numbers)
    shape = conv_shape_tuple([lhs_shape[i] for i in lhs], [rhs_shape[i] for i in kernel], window_strides, padding)
    return placed_by(shape, out)


def conv_transpose_shape_tuple(lhs_shape, rhs_shape, window_strides, padding, dimension_numbers):
    """The shape of the result of `conv_transpose` without dilation of the kernel.

    Parameters
    ----------
    lhs_shape, rhs_shape : shapes of the operand and the kernel
    window_strides : one int for each spatial dimension
    padding : 'SAME' or 'VALID', or the pairs of int by which the dilated operand is padded
    dimension_numbers : three strings

    Returns
    -------
    tuple of int
    """
    lhs, kernel, out = conv_general_permutations(dimension_numbers)
    sizes, windows = [lhs_shape[i] for i in lhs], [rhs_shape[i] for i in kernel]
    if isinstance(padding, str):
        padding = [conv_transpose_pads(k, s, padding) for k, s in zip(windows[2:], window_strides)]
    spatial = [(n - 1) * s - k + 2 + sum(pair) for n, k, s, pair in zip(sizes[2:], windows[2:], window_strides, padding)]
    return placed_by((sizes[0], windows[0], *spatial), out)


def placed_by(values, spec) -> tuple:
    """A tuple with ``values[i]`` at ``spec[i]``."""
    out = [0] * len(spec)
    for value, i in zip(values, spec):
        out[i] = as_static_int(value, "size")
    return tuple(out)
