"""``ferax.test_util``: derivatives checked against finite differences."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.tools.gradient_checks": "check_grads check_jvp check_vjp",
    },
)
