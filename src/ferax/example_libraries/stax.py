"""``ferax.example_libraries.stax``: layers of neural networks as pairs of functions."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.nn.initializers": "glorot=glorot_normal randn=normal",
        "ferax._src.nn.softmax": "logsoftmax=log_softmax",
        "ferax._src.tools.stax": (
            "BatchNorm Conv Conv1DTranspose ConvTranspose Dense Dropout Elu Exp FanInConcat FanInSum FanOut Flatten Gelu "
            "GeneralConv GeneralConvTranspose Identity LeakyRelu LogSoftmax Relu Selu Sigmoid Softmax Softplus Tanh "
            "elementwise parallel serial shape_dependent"),
        "ferax._src.tools.stax_pooling": "AvgPool MaxPool SumPool",
    },
    first="ferax._src.numpy.array_methods",
)
