"""``ferax.nn``: activation functions, softmax and its kin, attention, and initializers."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.nn.attention": "dot_product_attention",
        "ferax._src.nn.functions": (
            "celu elu gelu glu hard_sigmoid hard_silu hard_swish hard_tanh identity leaky_relu log1mexp log_sigmoid "
            "log_softmax logmeanexp mish one_hot relu relu6 selu sigmoid silu soft_sign softmax softplus sparse_plus "
            "sparse_sigmoid squareplus standardize swish"),
        "ferax._src.numpy.logsumexp": "logsumexp",
        "ferax._src.numpy.trigonometric": "tanh",
    },
    submodules="initializers",
    first="ferax._src.numpy.array_methods",
)
