"""Python functions that programs call: from the runtime's NumPy views to the arrays a user's function takes, and back.

Primitives of callbacks lower to ``ctx.host_callback(host_function(f, ...), ...)``. The engine checks the number, shapes and
dtypes of what comes back, and keeps an exception aside so that the original is raised where the program was called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ferax._src.engine import callbacks as engine_callbacks
from ferax._src.runtime import devices
from ferax._src.runtime.array import ArrayImpl, physical_aval, signature
from ferax._src.runtime.transfer import from_numpy
from ferax._src.tracing.core import eval_context
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray
from ferax._src.types.shardings import SingleDeviceSharding


def host_function(fun: Callable[..., Sequence[Any]], in_avals: Sequence[ShapedArray], out_avals: Sequence[ShapedArray], *,
                  name: str = "callback", as_arrays: bool = True) -> Callable[..., tuple]:
    """A flat function of arrays as the function of NumPy arrays that a program calls.

    Parameters
    ----------
    fun : of as many positional arrays as ``in_avals``, answering a sequence of as many values as ``out_avals``
    as_arrays : give ``fun`` ferax arrays on the host's CPU; False gives read-only NumPy arrays
    """
    wanted = [physical_aval(a) for a in out_avals]

    def call(*values: np.ndarray) -> tuple:
        with eval_context():                    # the thread may be in the middle of tracing something else
            args = [to_array(v, a) for v, a in zip(values, in_avals)] if as_arrays else list(values)
            results = fun(*args)
            results = () if results is None and not wanted else results
            return tuple([from_result(r, w, name, i) for i, (r, w) in enumerate(zip(results, wanted, strict=True))])

    return call


def to_array(value: np.ndarray, aval: ShapedArray) -> ArrayImpl:
    """A view that a program gave, as an array of its own; the view dies when the call ends."""
    place = SingleDeviceSharding(devices.local_devices(backend="cpu")[0])
    array = from_numpy(np.array(value), aval.weak_type, place, own=True)
    if not isinstance(aval.dtype, dtypes.ExtendedDType):
        return array
    return ArrayImpl(array._buf, signature(aval, place, False))


def from_result(value, aval: ShapedArray, name: str, position: int) -> np.ndarray:
    """What the user's function answered, on the host, in its physical form.

    A Python number or a NumPy value of 64 bits takes the declared dtype if it is of the same kind; the engine compares
    all else.
    """
    if isinstance(value, ArrayImpl):
        return value._fetch()
    found = np.asarray(value)
    if found.dtype != aval.dtype and found.dtype.kind == aval.dtype.kind and (
            not isinstance(value, (np.ndarray, np.generic)) or dtypes.canonicalize(found.dtype) == aval.dtype):
        found = found.astype(aval.dtype)
    return found


def original_error(error: BaseException) -> BaseException:
    """The exception that a callback raised, when ``error`` only reports it; else ``error`` itself."""
    return engine_callbacks.original_error(error) or error
