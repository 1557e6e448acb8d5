"""Layers of neural networks, each a pair of functions.

``init_fun(key, input_shape)`` answers the shape of the layer's output and its first parameters, ``apply_fun(params, inputs,
**kwargs)`` the output. Layers without parameters have ``()``. The keyword argument ``rng`` of ``apply_fun``, a key or None, is
for layers that are random (`Dropout`); `serial` and `parallel` split it among their layers, and hand other ones on.
"""

from __future__ import annotations

import functools
import math

from ferax._src.nn.activations import elu, gelu, leaky_relu, relu, selu, sigmoid, softplus
from ferax._src.nn.initializers import glorot_normal, normal, ones, zeros
from ferax._src.nn.softmax import log_softmax, softmax, standardize
from ferax._src.numpy.dtype_functions import isscalar
from ferax._src.numpy.exponential import exp
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.manipulation import ndim, reshape
from ferax._src.numpy.products import dot
from ferax._src.numpy.selection import where
from ferax._src.numpy.trigonometric import tanh
from ferax._src.ops.conv_functions import conv_general_dilated, conv_transpose
from ferax._src.ops.conv_numbers import conv_general_shape_tuple, conv_transpose_shape_tuple
from ferax._src.random.discrete import bernoulli
from ferax._src.random.keys import split

# --- with parameters ----------------------------------------------------------------------------


def Dense(out_dim, W_init=glorot_normal(), b_init=normal()):
    """``inputs @ W + b``.

    Parameters
    ----------
    out_dim : int, the size of the last dimension of the output
    W_init, b_init : initializers of the weights, (last dimension of the input, out_dim), and of the bias, (out_dim,)
    """
    def init_fun(rng, input_shape):
        weights_key, bias_key = split(rng)
        weights = W_init(weights_key, (input_shape[-1], out_dim))
        return (*input_shape[:-1], out_dim), (weights, b_init(bias_key, (out_dim,)))

    def apply_fun(params, inputs, **kwargs):
        weights, bias = params
        return dot(inputs, weights) + bias
    return init_fun, apply_fun


def _convolution(convolve, result_shape, dimension_numbers, out_chan, filter_shape, strides, padding, W_init, b_init):
    """The layer ``convolve(inputs, W, strides) + b``; its output has the shape ``result_shape(input_shape, kernel_shape, ...)``."""
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    strides = strides or (1,) * len(filter_shape)
    W_init = W_init or glorot_normal(rhs_spec.index("I"), rhs_spec.index("O"))

    def init_fun(rng, input_shape):
        sizes = iter(filter_shape)
        features = {"O": out_chan, "I": input_shape[lhs_spec.index("C")]}
        kernel_shape = [features[c] if c in features else next(sizes) for c in rhs_spec]
        output_shape = result_shape(input_shape, kernel_shape, strides, padding, dimension_numbers)
        weights_key, bias_key = split(rng)
        weights = W_init(weights_key, kernel_shape)
        return output_shape, (weights, b_init(bias_key, [out_chan if c == "C" else 1 for c in out_spec]))

    def apply_fun(params, inputs, **kwargs):
        weights, bias = params
        return convolve(inputs, weights, strides, padding, dimension_numbers=dimension_numbers) + bias
    return init_fun, apply_fun


def GeneralConv(dimension_numbers, out_chan, filter_shape, strides=None, padding="VALID", W_init=None, b_init=normal(1e-6)):
    """A convolution with a bias for each output feature.

    Parameters
    ----------
    dimension_numbers : three strings such as ``('NHWC', 'HWIO', 'NHWC')``, see `ferax.lax.conv_general_dilated`
    out_chan : int, number of output features
    filter_shape : sequence of int, the sizes of the window
    strides : sequence of int; None for ones
    padding : 'SAME', 'VALID' or pairs of int
    W_init : initializer of the kernel; None for glorot_normal over the kernel's feature dimensions
    b_init : initializer of the bias, whose shape has 1 for all but the feature dimension
    """
    return _convolution(conv_general_dilated, conv_general_shape_tuple, dimension_numbers, out_chan, filter_shape,
                        strides, padding, W_init, b_init)


def GeneralConvTranspose(dimension_numbers, out_chan, filter_shape, strides=None, padding="VALID", W_init=None,
                         b_init=normal(1e-6)):
    """A transposed convolution, which makes images larger by its strides, with a bias. Parameters as of `GeneralConv`."""
    return _convolution(conv_transpose, conv_transpose_shape_tuple, dimension_numbers, out_chan, filter_shape,
                        strides, padding, W_init, b_init)


Conv = functools.partial(GeneralConv, ("NHWC", "HWIO", "NHWC"))
Conv1DTranspose = functools.partial(GeneralConvTranspose, ("NHC", "HIO", "NHC"))
ConvTranspose = functools.partial(GeneralConvTranspose, ("NHWC", "HWIO", "NHWC"))


def BatchNorm(axis=(0, 1, 2), epsilon=1e-5, center=True, scale=True, beta_init=zeros, gamma_init=ones):
    """``gamma * z + beta``, with z the inputs shifted and scaled to mean 0 and variance 1 over some dimensions.

    Parameters
    ----------
    axis : int or tuple of int, the dimensions over which means are taken, counted from the first one
    epsilon : number, added to the variance
    center, scale : bool, whether there is a beta, a gamma; in place of one that is missing, the parameters have ``()``
    beta_init, gamma_init : initializers; their shape is that of the inputs without the dimensions ``axis``
    """
    axis = (axis,) if isscalar(axis) else axis

    def init_fun(rng, input_shape):
        shape = tuple(size for i, size in enumerate(input_shape) if i not in axis)
        beta_key, gamma_key = split(rng)
        beta = beta_init(beta_key, shape) if center else ()
        return input_shape, (beta, gamma_init(gamma_key, shape) if scale else ())

    def apply_fun(params, x, **kwargs):
        beta, gamma = params
        spread = tuple(None if i in axis else slice(None) for i in range(ndim(x)))
        z = standardize(x, axis, epsilon=epsilon)
        if scale:
            z = gamma[spread] * z
        return z + beta[spread] if center else z
    return init_fun, apply_fun


# --- without parameters -------------------------------------------------------------------------


def _plain(output_shape, fun):
    """The layer ``fun(inputs)`` without parameters; ``output_shape`` is a function of the input's shape."""
    def init_fun(rng, input_shape):
        return output_shape(input_shape), ()

    def apply_fun(params, inputs, **kwargs):
        return fun(inputs)
    return init_fun, apply_fun


def _same(x):
    return x


def elementwise(fun, **fun_kwargs):
    """The layer ``fun(inputs, **fun_kwargs)``, whose output has the shape of its input."""
    return _plain(_same, functools.partial(fun, **fun_kwargs))


Tanh = elementwise(tanh)
Relu = elementwise(relu)
Exp = elementwise(exp)
LogSoftmax = elementwise(log_softmax, axis=-1)
Softmax = elementwise(softmax, axis=-1)
Softplus = elementwise(softplus)
Sigmoid = elementwise(sigmoid)
Elu = elementwise(elu)
LeakyRelu = elementwise(leaky_relu)
Selu = elementwise(selu)
Gelu = elementwise(gelu)
#: All dimensions but the first become one.
Flatten = _plain(lambda shape: (shape[0], math.prod(shape[1:])), lambda x: reshape(x, (x.shape[0], -1)))
Identity = _plain(_same, _same)
#: The sum of a list of inputs of one shape.
FanInSum = _plain(lambda shapes: shapes[0], sum)


def FanOut(num):
    """The layer that answers a list with its input ``num`` times, to be followed by `parallel`."""
    return _plain(lambda shape: [shape] * num, lambda x: [x] * num)


def FanInConcat(axis=-1):
    """The layer that joins a list of inputs along the dimension ``axis``."""
    def joined(shapes):
        first = shapes[0]
        i = axis % len(first)
        return (*first[:i], sum(shape[i] for shape in shapes), *first[i + 1:])
    return _plain(joined, lambda inputs: concatenate(inputs, axis))


def Dropout(rate, mode="train"):
    """Elements put to zero at random, and those that stay divided by the probability that they do.

    Parameters
    ----------
    rate : number, the probability that an element *stays*
    mode : 'train'; with any other the layer answers its input

    Raises
    ------
    ValueError : by ``apply_fun``, if it is given no key as ``rng``.
    """
    def init_fun(rng, input_shape):
        return input_shape, ()

    def apply_fun(params, inputs, **kwargs):
        rng = kwargs.get("rng")
        if rng is None:
            raise ValueError("a Dropout layer chooses at random: call apply_fun(params, inputs, rng=key) with a key such as "
                             "jax.random.key(0)")
        if mode != "train":
            return inputs
        return where(bernoulli(rng, rate, inputs.shape), inputs / rate, 0)
    return init_fun, apply_fun


# --- layers of layers ---------------------------------------------------------------------------


def _keys(rng, count: int):
    return [None] * count if rng is None else split(rng, count)


def serial(*layers):
    """One layer after another.

    Parameters
    ----------
    *layers : pairs ``(init_fun, apply_fun)``

    Returns
    -------
    layer; its parameters are the list of those of its layers
    """
    init_funs, apply_funs = zip(*layers)

    def init_fun(rng, input_shape):
        params = []
        for init in init_funs:
            rng, key = split(rng)
            input_shape, param = init(key, input_shape)
            params.append(param)
        return input_shape, params

    def apply_fun(params, inputs, *, rng=None, **kwargs):
        for apply, param, key in zip(apply_funs, params, _keys(rng, len(layers))):
            inputs = apply(param, inputs, rng=key, **kwargs)
        return inputs
    return init_fun, apply_fun


def parallel(*layers):
    """Layers side by side: each has an input and an output of its own.

    Parameters
    ----------
    *layers : pairs ``(init_fun, apply_fun)``

    Returns
    -------
    layer from a sequence of inputs to a list of outputs, one for each of ``layers``; `FanOut` makes such inputs, and
    `FanInSum` and `FanInConcat` take them. Its shapes and parameters are tuples of those of the layers.
    """
    init_funs, apply_funs = zip(*layers)

    def init_fun(rng, input_shape):
        made = [init(key, shape) for init, key, shape in zip(init_funs, split(rng, len(layers)), input_shape)]
        return tuple(shape for shape, _ in made), tuple(param for _, param in made)

    def apply_fun(params, inputs, *, rng=None, **kwargs):
        return [apply(param, x, rng=key, **kwargs)
                for apply, param, x, key in zip(apply_funs, params, inputs, _keys(rng, len(layers)))]
    return init_fun, apply_fun


def shape_dependent(make_layer):
    """A layer that is made when the shape of its input is known.

    Parameters
    ----------
    make_layer : function from the shape of the input, a tuple of int, to a pair ``(init_fun, apply_fun)``
    """
    def init_fun(rng, input_shape):
        return make_layer(input_shape)[0](rng, input_shape)

    def apply_fun(params, inputs, **kwargs):
        return make_layer(inputs.shape)[1](params, inputs, **kwargs)
    return init_fun, apply_fun
