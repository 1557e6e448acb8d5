"""What the functions of `scipy.linalg` do to their operands first. They take lists, unlike those of `numpy.linalg`."""

from __future__ import annotations

from ferax._src.numpy.creation import asarray
from ferax._src.numpy.products import matmul
from ferax._src.numpy.util import promote_dtypes_inexact
from ferax._src.ops.linalg_matrices import mH
from ferax._src.ops.precision import Precision


def inexact(*args) -> list:
    """Array-likes as arrays of the inexact dtype that they promote to."""
    return promote_dtypes_inexact(*[asarray(x) for x in args])


def check_square(name: str, x, what: str = "a"):
    """Raise a ValueError unless there are square matrices in the last two dimensions."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name}: {what} must be a square matrix or a batch of such, got shape {x.shape}")


def times(x, y):
    """The product of matrices in full precision."""
    return matmul(x, y, precision=Precision.HIGHEST)


def adjoint_times(x, y):
    """``x^H @ y``"""
    return times(mH(x), y)


def signature_of(a, b, more: str = "") -> str:
    """How a system of equations broadcasts: ``b`` holds vectors if it has one dimension, or one less than ``a`` and fits."""
    vectors = b.ndim == 1 or (a.ndim == b.ndim + 1 and a.shape[-1] == b.shape[-1])
    return f"(n,n),{more}(n)->(n)" if vectors else f"(n,n),{more}(n,k)->(n,k)"
