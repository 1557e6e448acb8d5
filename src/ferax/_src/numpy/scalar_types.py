"""``jnp.float32`` and its like: names of dtypes that are also constructors of arrays without dimensions.

``jnp.float32`` may be given wherever a dtype is asked for, equals ``np.float32``, and ``jnp.float32(3)`` makes an array.
A NumPy scalar of the dtype is an instance of it. The categories (``jnp.floating``, ...) are NumPy's own.
"""

from __future__ import annotations

import numpy as np

from ferax._src.numpy.creation import asarray
from ferax._src.types import dtypes


class ScalarType(type):
    """The class of ``jnp.float32``: instances are dtypes by name, and callable.

    Examples
    --------
    >>> jnp.float32(3)
    Array(3., dtype=float32)
    >>> jnp.zeros(2, jnp.bfloat16).dtype == jnp.bfloat16
    True
    """

    dtype: np.dtype

    def __hash__(self) -> int:
        return hash(self.dtype.type)

    def __eq__(self, other) -> bool:
        return self is other or self.dtype.type == other

    def __ne__(self, other) -> bool:
        return not self == other

    def __call__(self, x):
        """An array of this dtype."""
        return asarray(np.array(x, self.dtype) if isinstance(x, str) else x, dtype=self.dtype)      # text as NumPy reads it

    def __instancecheck__(self, instance) -> bool:
        return isinstance(instance, self.dtype.type)

    def __reduce__(self):
        return _by_name, (self.dtype.name,)


def _make(dtype: np.dtype) -> ScalarType:
    name = dtype.name
    doc = f"The dtype {name}, and a constructor: ``jnp.{name}(x)`` is ``jnp.asarray(x, dtype={name!r})``."
    return ScalarType(name, (), {"dtype": dtype, "__doc__": doc, "__module__": "ferax.numpy"})


_types = {dtype.name: _make(dtype) for dtype in dtypes.ALL}


def _by_name(name: str) -> ScalarType:
    return _types[name]


globals().update(_types)                        # bool, int8, float32, bfloat16, ...: one for each dtype there is

bool_ = _types["bool"]
int_, uint, float_, complex_ = (_types[n] for n in ("int64", "uint64", "float64", "complex128"))
single, double, csingle, cdouble = (_types[n] for n in ("float32", "float64", "complex64", "complex128"))

generic, number, integer, signedinteger, unsignedinteger, inexact, floating, complexfloating, flexible, character, object_ = (
    np.generic, np.number, np.integer, np.signedinteger, np.unsignedinteger, np.inexact, np.floating, np.complexfloating,
    np.flexible, np.character, np.object_)

dtype = np.dtype
ComplexWarning = np.exceptions.ComplexWarning
pi, e, inf, nan, euler_gamma, newaxis = np.pi, np.e, np.inf, np.nan, np.euler_gamma, None
PUBLIC_TYPES = " ".join(_types)
