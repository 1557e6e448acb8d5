"""``ferax.numpy.linalg``: linear algebra."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.numpy.linalg": (
            "cross diagonal matmul matrix_transpose multi_dot outer tensordot trace vecdot"),
        "ferax._src.numpy.linalg_det": "det slogdet",
        "ferax._src.numpy.linalg_factors": "cholesky qr",
        "ferax._src.numpy.linalg_norms": "cond matrix_norm norm vector_norm",
        "ferax._src.numpy.linalg_solve": "inv lstsq matrix_power solve tensorinv tensorsolve",
        "ferax._src.numpy.linalg_spectral": "eig eigh eigvals eigvalsh matrix_rank pinv svd svdvals",
    },
)
