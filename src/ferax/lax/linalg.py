"""``ferax.lax.linalg``: factorizations of matrices and solutions of linear systems, explicit in dtypes and shapes."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.numpy.linalg_polar": "qdwh",
        "ferax._src.ops.linalg_cholesky": "cholesky cholesky_p cholesky_update cholesky_update_p",
        "ferax._src.ops.linalg_eig": "EigImplementation eig eig_p",
        "ferax._src.ops.linalg_eigh": "EighImplementation eigh eigh_p",
        "ferax._src.ops.linalg_hessenberg": "hessenberg hessenberg_p tridiagonal tridiagonal_p",
        "ferax._src.ops.linalg_lu": "lu lu_p lu_pivots_to_permutation lu_pivots_to_permutation_p",
        "ferax._src.ops.linalg_products": "symmetric_product symmetric_product_p",
        "ferax._src.ops.linalg_qr": "householder_product householder_product_p ormqr ormqr_p qr qr_p",
        "ferax._src.ops.linalg_schur": "schur schur_p",
        "ferax._src.ops.linalg_svd": "SvdAlgorithm svd svd_p",
        "ferax._src.ops.linalg_triangular": "triangular_solve triangular_solve_p",
        "ferax._src.ops.linalg_tridiagonal": "tridiagonal_solve tridiagonal_solve_p",
    },
    first="ferax._src.numpy.array_methods",
)
