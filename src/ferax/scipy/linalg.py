"""``ferax.scipy.linalg``: linear algebra."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.scipy.linalg_factors": "eigh eigh_tridiagonal hessenberg polar qr qr_multiply rsf2csf schur svd",
        "ferax._src.scipy.linalg_functions": "expm expm_frechet funm solve_sylvester sqrtm",
        "ferax._src.scipy.linalg_matrices": (
            "block_diag circulant companion convolution_matrix dft fiedler fiedler_companion hadamard hankel helmert hilbert "
            "invhilbert invpascal leslie pascal toeplitz"),
        "ferax._src.scipy.linalg_systems": (
            "cho_factor cho_solve cholesky det inv lu lu_factor lu_solve solve solve_triangular"),
    },
    first="ferax._src.numpy.array_methods",
)
