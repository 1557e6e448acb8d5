"""``ferax.scipy.linalg``: linear algebra."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.scipy.linalg_systems": (
            "cho_factor cho_solve cholesky det inv lu lu_factor lu_solve solve solve_triangular"),
    },
    first="ferax._src.numpy.array_methods",
)
