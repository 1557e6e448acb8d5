"""``ferax.nn.initializers``: functions that make the first weights of a layer."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.nn.initializers": (
            "Initializer constant glorot_normal glorot_uniform he_normal he_uniform kaiming_normal kaiming_uniform lecun_normal "
            "lecun_uniform normal ones truncated_normal uniform variance_scaling xavier_normal xavier_uniform zeros"),
        "ferax._src.nn.orthogonal_initializers": "delta_orthogonal orthogonal",
    },
    first="ferax._src.numpy.array_methods",
)
