"""What samplers do to their arguments first: shapes, dtypes, and whether parameters fit them."""

from __future__ import annotations

import numpy as np

from ferax._src.ops.broadcasting import broadcast_in_dim_p
from ferax._src.ops.convert import convert
from ferax._src.ops.static import canonical_shape
from ferax._src.runtime.transfer import device_put
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes


def as_shape(shape) -> tuple[int, ...]:
    """A shape as a tuple; an integer ``n`` means ``(n,)``.

    Raises
    ------
    TypeError : if it is no sequence of integers known while tracing, or one of them is negative
    """
    if type(shape) is not tuple and hasattr(shape, "__index__") and not getattr(shape, "ndim", 0):
        shape = (shape,)
    return canonical_shape(shape)


def shape_of(x) -> tuple[int, ...]:
    """The shape of an array, NumPy array or number."""
    return x.shape if isinstance(x, Array) else np.shape(x)


def sample_shape(name: str, shape, *parameters) -> tuple[int, ...]:
    """The shape of a sample: the given one, which parameters must broadcast to, or for None the one they broadcast to.

    Raises
    ------
    ValueError : if the parameters do not fit each other or the shape
    """
    given = [shape_of(p) for p in parameters]
    if shape is not None:
        shape = as_shape(shape)
        if given.count(()) == len(given):
            return shape
        given.insert(0, shape)
    try:
        found = np.broadcast_shapes(*given)
    except ValueError:
        raise ValueError(f"{name}: Incompatible shapes for broadcasting: shapes={given}") from None
    if shape is not None and found != shape:
        raise ValueError(f"{name} parameter shapes must be broadcast-compatible with shape argument, and the result of "
                         f"broadcasting the shapes must equal the shape argument, but got result {found} for shape argument "
                         f"{shape}.")
    return found


def float_dtype(dtype, name: str) -> np.dtype:
    """The floating dtype a sampler was asked for; None is the default one.

    Raises
    ------
    ValueError : for other dtypes
    """
    if dtype is None:
        return dtypes.default_float_dtype()
    return _of_kind(dtype, "f", name, "a float dtype")


def inexact_dtype(dtype, name: str) -> np.dtype:
    """The floating or complex dtype a sampler was asked for; None is the default floating one."""
    if dtype is None:
        return dtypes.default_float_dtype()
    return _of_kind(dtype, "fc", name, "a float or complex dtype")


def int_dtype(dtype, name: str) -> np.dtype:
    """The integer dtype a sampler was asked for; None is the default one."""
    if dtype is None:
        return dtypes.default_int_dtype()
    return _of_kind(dtype, "iu", name, "an int dtype")


def _of_kind(dtype, kinds: str, name: str, what: str) -> np.dtype:
    found = dtypes.check_user_dtype(dtype, name)
    if dtypes.kind_of(found) not in kinds:
        raise ValueError(f"dtype argument to `{name}` must be {what}, got {dtypes.dtype_name(found)}")
    return found


def check_safe_to_cast(name: str, dtype, *parameters) -> None:
    """Raise a TypePromotionError if a parameter is of a wider dtype than the sample."""
    for x in parameters:
        if type(x) is not float and type(x) is not int and not dtypes.safe_to_cast(x, dtype):
            raise dtypes.TypePromotionError(f"In arguments to {name}, cannot safely cast argument of type "
                                            f"{dtypes.dtype_name(dtypes.dtype_of(x))} to {dtypes.dtype_name(dtype)}")


def parameter(x, dtype, rank: int):
    """A parameter in the dtype of the sample and with as many dimensions as it; a scalar stays one."""
    if not isinstance(x, Array):
        x = np.asarray(x).astype(dtype)[()]     # a literal
        return x if not x.ndim else np.reshape(x, (1,) * (rank - x.ndim) + x.shape)
    x = convert(x, dtype)
    lead = rank - x.ndim
    if x.ndim and lead > 0:
        shape = (1,) * lead + x.shape
        x = broadcast_in_dim_p.bind(x, shape=shape, broadcast_dimensions=tuple(range(lead, rank)), sharding=None)[0]
    return x


def constrained(x, out_sharding):
    """A sample, laid out as asked for."""
    return x if out_sharding is None else device_put(x, out_sharding)
