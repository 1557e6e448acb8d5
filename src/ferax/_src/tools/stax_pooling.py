"""Pooling layers of `stax`: the maximum, the sum or the mean of the elements in a sliding window."""

from __future__ import annotations

import numpy as np

from ferax._src.control.reduce_window import reduce_window
from ferax._src.numpy.fills import ones
from ferax._src.numpy.manipulation import expand_dims
from ferax._src.ops.conv_numbers import padtype_to_pads
from ferax._src.ops.elementwise import add, max as larger
from ferax._src.ops.windows import reduce_window_shape_tuple


def _not_spatial(spec, ndim: int) -> list[int]:
    """The dimensions of examples and of features, the lesser one first: the first and the last if there is no ``spec``."""
    return [0, ndim - 1] if spec is None else sorted((spec.index("N"), spec.index("C")))


def _with_ones(sizes, where: list[int]) -> tuple[int, ...]:
    sizes = list(sizes)
    for i in where:
        sizes.insert(i, 1)
    return tuple(sizes)


def _pooling(reducer, start, window_shape, strides, padding, spec, finish=None):
    """The layer ``reduce_window(inputs, start, reducer)`` over the spatial dimensions, then ``finish(output, inputs)``."""
    strides = strides or (1,) * len(window_shape)
    plain = _not_spatial(spec, len(window_shape) + 2)
    window, steps = _with_ones(window_shape, plain), _with_ones(strides, plain)

    def init_fun(rng, input_shape):
        pads = padtype_to_pads(input_shape, window, steps, padding)
        return reduce_window_shape_tuple(input_shape, window, steps, pads), ()

    def apply_fun(params, inputs, **kwargs):
        out = reduce_window(inputs, start, reducer, window, steps, padding)
        return finish(out, inputs) if finish else out
    return init_fun, apply_fun


def MaxPool(window_shape, strides=None, padding="VALID", spec=None):
    """The largest element of each window.

    Parameters
    ----------
    window_shape : sequence of int, the sizes of the window in the spatial dimensions
    strides : sequence of int, between one window and the next; None for ones
    padding : 'SAME' or 'VALID'
    spec : str such as 'NCHW', where the dimensions of examples (N) and of features (C) are; None for the first and the last
    """
    return _pooling(larger, -np.inf, window_shape, strides, padding, spec)


def SumPool(window_shape, strides=None, padding="VALID", spec=None):
    """The sum of each window. Parameters as of `MaxPool`."""
    return _pooling(add, 0., window_shape, strides, padding, spec)


def AvgPool(window_shape, strides=None, padding="VALID", spec=None):
    """The mean of each window, padding not counted. Parameters as of `MaxPool`."""
    def divided(out, inputs):
        plain = _not_spatial(spec, inputs.ndim)
        spatial = [size for i, size in enumerate(inputs.shape) if i not in plain]
        counts = reduce_window(ones(spatial, dtype=inputs.dtype), 0., add, window_shape, strides or (1,) * len(window_shape),
                               padding)
        return out / expand_dims(counts, plain)
    return _pooling(add, 0., window_shape, strides, padding, spec, divided)
