"""``ferax.numpy.linalg``: linear algebra."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.numpy.linalg": (
            "cross diagonal matmul matrix_norm matrix_transpose multi_dot norm outer tensordot trace vecdot vector_norm"),
    },
)
