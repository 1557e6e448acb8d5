"""``ferax.nn``: activation functions, softmax and its kin, attention, and initializers."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.nn.attention": "dot_product_attention",
        "ferax._src.nn.activations": (
            "celu elu gelu glu hard_sigmoid hard_silu hard_swish hard_tanh identity leaky_relu log1mexp log_sigmoid mish relu "
            "relu6 selu sigmoid silu soft_sign softplus sparse_plus sparse_sigmoid squareplus swish"),
        "ferax._src.nn.scaled_matmul": "get_scaled_dot_general_config scaled_dot_general scaled_matmul",
        "ferax._src.nn.softmax": "log_softmax logmeanexp one_hot softmax standardize",
        "ferax._src.numpy.logsumexp": "logsumexp",
        "ferax._src.numpy.trigonometric": "tanh",
    },
    submodules="initializers",
    first="ferax._src.numpy.array_methods",
)
