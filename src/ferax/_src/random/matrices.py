"""Samplers made of matrix decompositions: orthogonal matrices, and normal vectors of a given covariance."""

from __future__ import annotations

import math

from ferax._src.numpy.arithmetic import add
from ferax._src.numpy.einsum import einsum
from ferax._src.numpy.linalg_factors import cholesky, qr
from ferax._src.numpy.linalg_spectral import eigh, svd
from ferax._src.numpy.manipulation import matrix_transpose
from ferax._src.numpy.util import broadcast_to, ensure_arraylike, promote_dtypes_inexact
from ferax._src.ops.broadcasting import broadcast_shapes, expand_dims
from ferax._src.ops.elementwise import mul, sign, sqrt
from ferax._src.ops.linalg_matrices import diagonal
from ferax._src.ops.shape import reshape
from ferax._src.ops.static import as_static_int
from ferax._src.random.arguments import as_shape, constrained, float_dtype, inexact_dtype
from ferax._src.random.continuous import normal_
from ferax._src.random.keys import single
from ferax._src.runtime.fused import fused
from ferax._src.util.tracebacks import api_boundary

_METHODS = ("cholesky", "eigh", "svd")


@api_boundary
def orthogonal(key, n, shape=(), dtype=None, m=None, *, out_sharding=None):
    """Orthogonal matrices, each as likely as any other; for a complex dtype unitary ones.

    Parameters
    ----------
    key : a key
    n : number of rows
    shape : tuple of int, the batch dimensions
    dtype : floating or complex dtype
    m : number of columns, by default ``n``. If it is another, the rows or the columns are orthonormal, whichever are fewer.

    Returns
    -------
    array, shape (*shape, n, m)

    References
    ----------
    Mezzadri 2007, "How to generate random matrices from the classical compact groups", arXiv:math-ph/0609050.

    Examples
    --------
    >>> ferax.random.orthogonal(ferax.random.key(0), 3, (2,)).shape
    (2, 3, 3)
    """
    shape = as_shape(shape)
    key = single(key, "orthogonal")
    dtype = inexact_dtype(dtype, "orthogonal")
    n = as_static_int(n, "n")
    m = n if m is None else as_static_int(m, "m")
    if n < 0 or m < 0:
        raise ValueError(f"orthogonal: n and m must not be negative, got n={n} and m={m}")
    return constrained(_orthogonal(key, n=n, m=m, shape=shape, dtype=dtype), out_sharding)


@fused(static=("n", "m", "shape", "dtype"))
def _orthogonal(key, *, n, m, shape, dtype):
    k = min(n, m)
    q, r = qr(normal_(key, shape=(*shape, max(n, m), k), dtype=dtype))
    # The factors are unique only up to the phases of the diagonal of r; these are taken out.
    q = mul(q, broadcast_to(expand_dims(sign(diagonal(r)), (len(shape),)), q.shape))
    return matrix_transpose(q) if n < m else q


@api_boundary
def multivariate_normal(key, mean, cov, shape=None, dtype=None, method="cholesky", *, out_sharding=None):
    """Normal vectors with a given mean and covariance.

    Parameters
    ----------
    key : a key
    mean : array, shape (..., n)
    cov : array, shape (..., n, n): positive definite, or semidefinite for the methods "eigh" and "svd"
    shape : tuple of int, the batch dimensions, to which those of ``mean`` and ``cov`` must broadcast; by default theirs
    dtype : floating dtype of the normal numbers, by default that of ``mean`` and ``cov``
    method : "cholesky", "eigh" or "svd", the decomposition that finds a square root of ``cov``

    Returns
    -------
    array, shape (*shape, n)

    Raises
    ------
    ValueError : if the shapes do not fit, or the method is unknown.

    Examples
    --------
    >>> ferax.random.multivariate_normal(ferax.random.key(0), jnp.zeros(2), jnp.eye(2), (5,)).shape
    (5, 2)
    """
    key = single(key, "multivariate_normal")
    mean, cov = promote_dtypes_inexact(*ensure_arraylike("multivariate_normal", mean, cov))
    if method not in _METHODS:
        raise ValueError(f"method must be one of {set(_METHODS)}, got {method!r}")
    dtype = float_dtype(mean.dtype if dtype is None else dtype, "multivariate_normal")
    if mean.ndim < 1:
        raise ValueError(f"multivariate_normal requires mean.ndim >= 1, got mean.ndim == {mean.ndim}")
    if cov.ndim < 2:
        raise ValueError(f"multivariate_normal requires cov.ndim >= 2, got cov.ndim == {cov.ndim}")
    n = mean.shape[-1]
    if cov.shape[-2:] != (n, n):
        raise ValueError(f"multivariate_normal requires cov.shape == (..., n, n) for n={n}, but got cov.shape == {cov.shape}.")
    batches = mean.shape[:-1], cov.shape[:-2]
    if shape is None:
        shape = broadcast_shapes(*batches)
    else:
        shape = as_shape(shape)
        if broadcast_shapes(shape, *batches) != shape:
            raise ValueError("multivariate_normal: the batch dimensions of mean and cov must broadcast to the shape argument; got "
                             f"{batches[0]} and {batches[1]} for shape {shape}")
    return constrained(_multivariate_normal(key, mean, cov, shape=shape, dtype=dtype, method=method), out_sharding)


@fused(static=("shape", "dtype", "method"))
def _multivariate_normal(key, mean, cov, *, shape, dtype, method):
    if method == "cholesky":
        factor = cholesky(cov)
    else:
        vectors, sizes = svd(cov)[:2] if method == "svd" else eigh(cov)[::-1]
        factor = mul(vectors, broadcast_to(expand_dims(sqrt(sizes), (sizes.ndim - 1,)), vectors.shape))
    # Drawn in a row: XLA computes many at once, which it does not for rows as short as ``mean``.
    numbers = reshape(normal_(key, shape=(math.prod(shape) * mean.shape[-1],), dtype=dtype), (*shape, mean.shape[-1]))
    found = einsum("...ij,...j->...i", factor, numbers)
    return add(broadcast_to(mean, found.shape), found)
