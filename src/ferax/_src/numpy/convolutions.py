"""Products of sequences: convolve and correlate."""

from __future__ import annotations

from ferax._src.numpy.util import ensure_arraylike, promote_dtypes, promote_dtypes_inexact
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.conv_functions import conv_general_dilated
from ferax._src.ops.convert import as_array
from ferax._src.ops.elementwise_complex import conj
from ferax._src.ops.shape import reshape, rev
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


@fused(static=("mode", "precision", "preferred"))
def _convolved(x, kernel, *, mode, precision, preferred):
    """``x`` with a shorter kernel that is turned round already."""
    n = kernel.shape[0]
    padding = {"full": (n - 1, n - 1), "same": (n // 2, n - 1 - n // 2), "valid": (0, 0)}[mode]
    out = conv_general_dilated(expand_dims(x, (0, 1)), expand_dims(kernel, (0, 1)), (1,), [padding], precision=precision,
                               preferred_element_type=preferred)
    return reshape(out, (out.shape[2],))


def _prepared(name: str, a, v, mode, preferred):
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"jnp.{name}: mode must be one of ['full', 'same', 'valid'], got {mode!r}")
    a, v = ensure_arraylike(name, a, v)
    if a.ndim != 1 or v.ndim != 1:
        raise ValueError(f"{name}() only support 1-dimensional inputs; got shapes {a.shape} and {v.shape}.")
    if not a.size or not v.size:
        raise ValueError(f"{name}: inputs cannot be empty, got shapes {a.shape} and {v.shape}.")
    if preferred is None:
        return *map(as_array, promote_dtypes_inexact(a, v)), None
    return *map(as_array, promote_dtypes(a, v)), dtypes.check_user_dtype(preferred, name)


def convolve(a, v, mode="full", *, precision=None, preferred_element_type=None):
    """The convolution ``out[n] = sum_k a[k] v[n - k]``.

    Parameters
    ----------
    a, v : arrays of one dimension, of N and M elements
    mode : "full" for N + M - 1 elements; "same" for max(N, M) in the middle; "valid" for those without missing terms
    precision : precision of the products, as of `lax.conv_general_dilated`
    preferred_element_type : dtype to accumulate in and of the result

    Returns
    -------
    array of an inexact dtype

    Raises
    ------
    ValueError : if an array is empty or has not one dimension, or there is no such mode.

    References
    ----------
    ``numpy.convolve``

    Examples
    --------
    >>> jnp.convolve(jnp.array([1, 2, 3]), jnp.array([1, 1]))
    Array([1., 3., 5., 3.], dtype=float32)
    """
    a, v, preferred = _prepared("convolve", a, v, mode, preferred_element_type)
    if len(a) < len(v):
        a, v = v, a
    return _convolved(a, rev(v, (0,)), mode=mode, precision=precision, preferred=preferred)


def correlate(a, v, mode="valid", *, precision=None, preferred_element_type=None):
    """The correlation ``out[n] = sum_k a[k + n] conj(v[k])``.

    Parameters
    ----------
    a, v : arrays of one dimension, of N and M elements
    mode : "full" for N + M - 1 elements; "same" for max(N, M) in the middle; "valid" for those without missing terms
    precision : precision of the products, as of `lax.conv_general_dilated`
    preferred_element_type : dtype to accumulate in and of the result

    Returns
    -------
    array of an inexact dtype

    Raises
    ------
    ValueError : if an array is empty or has not one dimension, or there is no such mode.

    References
    ----------
    ``numpy.correlate``

    Examples
    --------
    >>> jnp.correlate(jnp.array([1, 2, 3]), jnp.array([0, 1]))
    Array([2., 3.], dtype=float32)
    """
    a, v, preferred = _prepared("correlate", a, v, mode, preferred_element_type)
    if dtypes.kind_of(v.dtype) == "c":
        v = conj(v)
    if len(a) >= len(v):
        return _convolved(a, v, mode=mode, precision=precision, preferred=preferred)
    return rev(_convolved(v, a, mode=mode, precision=precision, preferred=preferred), (0,))
