"""Questions about dtypes, as NumPy asks them."""

from __future__ import annotations

import numpy as np

from ferax._src.numpy import util
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes

finfo = dtypes.finfo
iinfo = dtypes.iinfo


def issubdtype(arg1, arg2) -> bool:
    """Whether a dtype is below another one in the hierarchy of dtypes.

    Parameters
    ----------
    arg1, arg2 : dtype-like, or a category such as ``jnp.floating``

    Notes
    -----
    bfloat16 and the small floats are ``jnp.floating``, unlike in NumPy.

    Examples
    --------
    >>> jnp.issubdtype(jnp.bfloat16, jnp.floating)
    True
    """
    return dtypes.issubdtype(arg1, arg2)


def isdtype(dtype, kind) -> bool:
    """Whether a dtype is of a kind.

    Parameters
    ----------
    dtype : dtype-like
    kind : dtype-like, one of 'bool', 'signed integer', 'unsigned integer', 'integral', 'real floating',
        'complex floating', 'numeric', or a tuple of such

    Examples
    --------
    >>> jnp.isdtype(jnp.int8, ('bool', 'integral'))
    True
    """
    return dtypes.isdtype(dtype, kind)


def promote_types(a, b):
    """The dtype that an operation on operands of two dtypes gives.

    Parameters
    ----------
    a, b : dtype-likes; Python's int, float and complex yield to other dtypes of their kind

    Returns
    -------
    dtype

    Examples
    --------
    >>> jnp.promote_types('int8', 'uint8')
    dtype('int16')
    """
    return dtypes.promote_types(a, b)


def result_type(*args):
    """The dtype that an operation on arrays, numbers or dtypes gives.

    Parameters
    ----------
    *args : arrays, numbers, dtype-likes

    Examples
    --------
    >>> jnp.result_type(jnp.ones(2, jnp.bfloat16), 2.5)
    dtype(bfloat16)
    """
    return dtypes.result_type(*args)


def can_cast(from_, to, casting="safe") -> bool:
    """Whether values of a dtype can become another one by a rule; as ``numpy.can_cast``.

    Parameters
    ----------
    from_, to : dtype-likes
    casting : 'no', 'equiv', 'safe', 'same_kind' or 'unsafe'

    Examples
    --------
    >>> jnp.can_cast(jnp.int32, jnp.float32)
    False
    """
    return np.can_cast(from_, to, casting=casting)


def isscalar(element) -> bool:
    """Whether a value is a number, or an array without dimensions.

    Examples
    --------
    >>> jnp.isscalar(jnp.float32(1)), jnp.isscalar(jnp.ones(1))
    (True, False)
    """
    if isinstance(element, (np.ndarray, Array)):
        return element.ndim == 0
    if np.isscalar(element):
        return True
    return hasattr(element, "__jax_array__") and not util.shape_of(util.operand(element))


def iterable(y) -> bool:
    """Whether a value can be iterated over.

    Examples
    --------
    >>> jnp.iterable(jnp.ones(2)), jnp.iterable(1)
    (True, False)
    """
    try:
        iter(y)
    except TypeError:
        return False
    return True
