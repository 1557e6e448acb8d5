"""A pytree of arrays as one vector, and back: `ravel_pytree`."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import numpy as np

from ferax._src.numpy.creation import asarray
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.joining import concatenate, split
from ferax._src.ops.shape import reshape
from ferax._src.ops.zeros import full
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes
from ferax._src.types.pytrees import PyTreeDef, tree_flatten, tree_unflatten


class Unravel(NamedTuple):
    """Takes a vector apart into a pytree. Equal ones do the same, so that it can be a static argument.

    ``given`` are the dtypes of the leaves, or None where all had that of the vector: then vectors of any dtype are taken.
    """

    tree: PyTreeDef
    shapes: tuple[tuple[int, ...], ...]
    given: tuple | None
    dtype: object

    def __call__(self, flat):
        if not self.shapes:
            return tree_unflatten(self.tree, [])
        flat = flat if isinstance(flat, Array) else asarray(flat) if isinstance(flat, (np.ndarray, np.generic)) else as_array(flat)
        if self.given is not None and flat.dtype != self.dtype:
            raise TypeError(f"unravel function given array of dtype {dtypes.dtype_name(flat.dtype)}, but expected dtype "
                            f"{dtypes.dtype_name(self.dtype)}")
        sizes = [math.prod(shape) for shape in self.shapes]
        if not flat.ndim or flat.shape[0] != sum(sizes):
            raise ValueError(f"unravel function given array of shape {flat.shape}, but expected shape {(sum(sizes),)}: the pytree has "
                             f"leaves of shapes {', '.join(map(str, self.shapes))}")
        leaves = [reshape(part, shape) for part, shape in zip(split(flat, sizes), self.shapes)]
        if self.given is not None:
            with warnings.catch_warnings():     # a real leaf of a complex vector loses nothing that it had
                warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
                leaves = [convert(leaf, dtype) for leaf, dtype in zip(leaves, self.given)]
        return tree_unflatten(self.tree, leaves)


def ravel_pytree(pytree):
    """Write the elements of a pytree of arrays into one vector.

    Parameters
    ----------
    pytree : pytree of arrays and numbers

    Returns
    -------
    flat : array of one dimension, of the dtype that those of the leaves promote to; float32 if there are none
    unravel : callable; from a vector of that size to a pytree of the same structure, shapes and dtypes. Where all leaves have one
        dtype it takes vectors of any

    Examples
    --------
    >>> flat, unravel = ravel_pytree({"w": jnp.ones((2, 2)), "b": jnp.zeros(2)})
    >>> flat
    Array([0., 0., 1., 1., 1., 1.], dtype=float32)
    """
    leaves, tree = tree_flatten(pytree)
    if not leaves:
        return full((0,), 0, np.dtype(np.float32)), Unravel(tree, (), None, None)
    given = tuple([dtypes.dtype_of(leaf) for leaf in leaves])
    for dtype in given:
        if dtypes.is_extended(dtype):
            raise TypeError(f"ravel_pytree: a leaf has the dtype {dtype}, and its elements are no numbers; see ferax.random.key_data")
    arrays = [as_array(leaf) for leaf in leaves]
    wanted = dtypes.result_type(*given)
    same = all([dtype == wanted for dtype in given])
    if not same:
        arrays = [convert(x, wanted) for x in arrays]
    flat = concatenate([reshape(x, (x.size,)) for x in arrays], 0)
    return flat, Unravel(tree, tuple([x.shape for x in arrays]), None if same else given, wanted)
