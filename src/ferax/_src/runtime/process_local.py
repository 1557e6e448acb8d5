"""`make_array_from_process_local_data`: each process gives what its own devices shall hold."""

from __future__ import annotations

import numpy as np

from ferax._src.runtime import devices
from ferax._src.runtime.transfer import device_put, make_array_from_callback
from ferax._src.types import pytrees
from ferax._src.types.shardings import Sharding
from ferax._src.util.tracebacks import api_boundary


@api_boundary
def make_array_from_process_local_data(sharding, local_data, global_shape=None):
    """Arrays over the devices of all processes, of which each gives the part that its devices hold.

    Parameters
    ----------
    sharding : Sharding, or pytree of them that is a prefix of ``local_data``
    local_data : pytree of arrays
    global_shape : None, a shape, or pytree of shapes like ``local_data``
        Where it is None, or has a None for a dimension, the size follows from that of the local data and from how many of
        the pieces along the dimension lie on devices of this process. A process whose local data has the size of the
        whole gives more than it needs, and its part is taken.

    Returns
    -------
    pytree of Array

    Raises
    ------
    ValueError : if shapes do not fit.
    """
    if devices.process_count() == 1:
        leaves, tree = pytrees.tree_flatten(local_data)
        for data, shape in zip(leaves, _shapes(global_shape, local_data)):
            if shape is not None and tuple(shape) != np.shape(data):
                raise ValueError(
                    "When calling `make_array_from_process_local_data` on a single process, global_shape should be None or equal to "
                    f"local_data.shape. Got global_shape={shape} and local_data.shape={np.shape(data)}.")
        return device_put(tree.unflatten(leaves), sharding)
    leaves, tree = pytrees.tree_flatten(local_data)
    places = pytrees.broadcast_prefix(sharding, local_data, lambda x: isinstance(x, Sharding))
    return tree.unflatten([_from_local(s, np.asarray(data), shape)
                           for s, data, shape in zip(places, leaves, _shapes(global_shape, local_data))])


def _shapes(global_shape, local_data) -> list:
    """A shape, or None, for each leaf."""
    is_shape = lambda x: x is None or (isinstance(x, tuple) and all(n is None or isinstance(n, (int, np.integer)) for n in x))
    return pytrees.broadcast_prefix(global_shape, local_data, is_shape)


def _from_local(sharding, data: np.ndarray, shape):
    cuts, pieces = sharding._cuts(data.ndim)
    mine = set(sharding._device_list.addressable_device_list)
    held = [piece for piece, device in zip(pieces, sharding._device_list) if device in mine]
    whole, starts = global_extent(data.shape, shape, cuts, held)

    def part(index):
        bounds = [s.indices(n) for s, n in zip(index, whole)]
        return data[tuple([slice(a - first, b - first) for (a, b, _), first in zip(bounds, starts)])]

    return make_array_from_callback(whole, sharding, part, data.dtype)


def global_extent(local_shape, global_shape, cuts, held) -> tuple[tuple, tuple]:
    """The shape of the whole, and where in it the local data begins.

    Parameters
    ----------
    local_shape : of the data of this process
    global_shape : None, or a shape in which None stands for sizes that are not known
    cuts : for each dimension the number of pieces
    held : the pieces on this process's devices: for each device an index for each dimension

    Raises
    ------
    ValueError : if the pieces along a dimension are not consecutive, or sizes do not fit.
    """
    global_shape = global_shape if global_shape is not None else (None,) * len(local_shape)
    if len(global_shape) != len(local_shape):
        raise ValueError(f"make_array_from_process_local_data: global_shape {tuple(global_shape)} and local data of shape {local_shape} "
                         "must have equally many dimensions")
    whole, starts = [], []
    for k, (size, wanted, n) in enumerate(zip(local_shape, global_shape, cuts)):
        places = sorted({piece[k] for piece in held})
        if places != list(range(places[0], places[0] + len(places))):
            raise ValueError(f"make_array_from_process_local_data: the pieces that this process holds along dimension {k} are not "
                             f"consecutive: {places} of {n}. Use make_array_from_callback.")
        full = wanted if wanted is not None else size * n // len(places)
        if size == full:                        # the process has all of it
            starts.append(0)
        elif size * n == full * len(places):
            starts.append(places[0] * (full // n))
        else:
            raise ValueError(f"make_array_from_process_local_data: along dimension {k} the local data has size {size} and the whole has "
                             f"{full}, but this process holds {len(places)} of {n} pieces")
        whole.append(full)
    return tuple(whole), tuple(starts)
