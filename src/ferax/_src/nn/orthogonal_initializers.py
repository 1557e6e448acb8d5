"""Initializers of orthogonal matrices, which neither stretch nor shrink what passes through them."""

from __future__ import annotations

import math

from ferax._src.nn.initializers import Initializer, initializer_dtype, scaled
from ferax._src.numpy import fills
from ferax._src.numpy.manipulation import moveaxis, reshape
from ferax._src.ops.slicing import pad
from ferax._src.ops.static import canonical_shape, normalize_axis
from ferax._src.random.matrices import orthogonal as random_orthogonal


def _check_not_sharded(name: str, out_sharding) -> None:
    if out_sharding is not None:
        raise NotImplementedError(f"{name} initializer: out_sharding is not supported; lay the result out with device_put")


def orthogonal(scale=1.0, column_axis=-1, dtype=None) -> Initializer:
    """An initializer that draws orthogonal matrices, each as likely as any other.

    A shape that is not square gives matrices whose rows or columns are orthonormal, whichever are fewer; all axes but
    ``column_axis`` together are the rows.

    Parameters
    ----------
    scale : number that the matrices are multiplied with
    column_axis : the axis that columns are counted along
    dtype : dtype-like, by default the default float

    Returns
    -------
    initializer, for shapes of at least two dimensions

    References
    ----------
    Saxe, McClelland and Ganguli 2013, arXiv:1312.6120.

    Examples
    --------
    >>> ferax.nn.initializers.orthogonal()(ferax.random.key(0), (4, 3)).shape
    (4, 3)
    """
    def init(key, shape, dtype=dtype, out_sharding=None):
        _check_not_sharded("orthogonal", out_sharding)
        dtype = initializer_dtype(dtype)
        shape = canonical_shape(shape)
        if len(shape) < 2:
            raise ValueError(f"orthogonal initializer requires at least a 2D shape, got {shape}")
        if 0 in shape:
            return fills.zeros(shape, dtype)
        axis = normalize_axis(column_axis, len(shape), "column_axis")
        rest = (*shape[:axis], *shape[axis + 1:])
        q = random_orthogonal(key, math.prod(rest), (), dtype, shape[axis])
        return scaled(moveaxis(reshape(q, (*rest, shape[axis])), -1, axis), scale)
    return init


def delta_orthogonal(scale=1.0, column_axis=-1, dtype=None) -> Initializer:
    """An initializer of convolution kernels that are an orthogonal matrix in the middle of the window, and zero around it.

    Parameters
    ----------
    scale, column_axis, dtype : as of `orthogonal`

    Returns
    -------
    initializer, for shapes (*window, fan_in, fan_out) with one to three window dimensions and fan_in <= fan_out

    References
    ----------
    Xiao et al. 2018, arXiv:1806.05393.

    Examples
    --------
    >>> ferax.nn.initializers.delta_orthogonal()(ferax.random.key(0), (3, 2, 4)).shape
    (3, 2, 4)
    """
    def init(key, shape, dtype=dtype, out_sharding=None):
        _check_not_sharded("delta_orthogonal", out_sharding)
        dtype = initializer_dtype(dtype)
        shape = canonical_shape(shape)
        if len(shape) not in (3, 4, 5):
            raise ValueError(f"Delta orthogonal initializer requires a 3D, 4D or 5D shape, got {shape}")
        if shape[-1] < shape[-2]:
            raise ValueError(f"`fan_in` must be less or equal than `fan_out`, got shape {shape}")
        matrix = orthogonal(scale, column_axis, dtype)(key, shape[-2:])
        window = shape[:-2]
        if 0 in window:
            return fills.zeros(shape, dtype)
        matrix = reshape(matrix, (*[1 for _ in window], *shape[-2:]))
        around = [((k - 1) // 2, k - 1 - (k - 1) // 2, 0) for k in window]
        return pad(matrix, matrix.dtype.type(0), [*around, (0, 0, 0), (0, 0, 0)])
    return init
