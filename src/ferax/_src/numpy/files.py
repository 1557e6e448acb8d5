"""Arrays in NumPy's files: save, savez, load."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from ferax._src.numpy.creation import asarray
from ferax._src.numpy.util import is_arraylike
from ferax._src.tracing.core import Tracer
from ferax._src.util import errors


def _on_host(name: str, x):
    if isinstance(x, Tracer):
        raise errors.ConcretizationTypeError(x, f"jnp.{name} writes values, which are not there while tracing")
    return np.asarray(x) if is_arraylike(x) else x


def save(file, arr, allow_pickle=True):
    """Write an array to a ``.npy`` file.

    Parameters
    ----------
    file : path, to which ``.npy`` is added if it has no such ending, or file open for writing bytes
    arr : array-like
    allow_pickle : bool, whether arrays of Python objects may be written

    References
    ----------
    ``numpy.save``

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> jnp.save(file, jnp.arange(3))
    >>> _ = file.seek(0)
    >>> jnp.load(file)
    Array([0, 1, 2], dtype=int32)
    """
    np.save(file, _on_host("save", arr), allow_pickle=allow_pickle)


def savez(file, *args, allow_pickle=True, **kwds):
    """Write several arrays to an ``.npz`` file.

    Parameters
    ----------
    file : path, to which ``.npz`` is added if it has no such ending, or file open for writing bytes
    *args : array-likes, found again as ``arr_0``, ``arr_1``, ...
    allow_pickle : bool, whether arrays of Python objects may be written
    **kwds : array-likes, found again by their names

    References
    ----------
    ``numpy.savez``

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> jnp.savez(file, a=jnp.arange(3))
    >>> _ = file.seek(0)
    >>> jnp.load(file)["a"]
    array([0, 1, 2], dtype=int32)
    """
    np.savez(file, *[_on_host("savez", x) for x in args], allow_pickle=allow_pickle,
             **{k: _on_host("savez", x) for k, x in kwds.items()})


def load(file, *args, **kwargs):
    """Read what `save` or `savez` has written.

    Parameters
    ----------
    file : path, or file open for reading bytes
    *args, **kwargs : further arguments of ``numpy.load``

    Returns
    -------
    Array; of an ``.npz`` file NumPy's object, which reads each array when it is asked for

    Raises
    ------
    TypeError : if the array's dtype is not known to NumPy's format, bfloat16 excepted.

    References
    ----------
    ``numpy.load``

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> jnp.save(file, jnp.ones(2))
    >>> _ = file.seek(0)
    >>> jnp.load(file)
    Array([1., 1.], dtype=float32)
    """
    out = np.load(file, *args, **kwargs)
    if not isinstance(out, np.ndarray):
        return out
    if out.dtype == np.dtype("V2"):             # the format has no bfloat16, and no other dtype of ours is written so
        out = out.view(ml_dtypes.bfloat16)
    elif out.dtype.kind == "V":
        raise TypeError(f"jnp.load: the file says of its elements only that they have {out.dtype.itemsize} bytes, as it does of "
                        "8-bit floats and the like. Read it with numpy.load(...).view(dtype)")
    return asarray(out)
