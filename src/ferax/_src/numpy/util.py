"""What functions of the array API do to their operands first: check them, promote their dtypes, match their ranks.

An *array-like* is an array, a tracer, a NumPy array or scalar, a Python number, or an object with ``__jax_array__``.
Lists are not: a function that took them would make a slow constant of a thousand numbers without anybody noticing.

Numbers stay numbers: next to an array of float32 a Python ``1`` becomes ``1.0``, a literal in the jaxpr and a
cached argument in eager use. Nor is a weakly typed operand made strong when another one makes the result so:
both would be equations that do nothing.
"""

from __future__ import annotations

import warnings

import numpy as np

from ferax._src.ops.base import numpy_scalar
from ferax._src.ops.broadcasting import broadcast_in_dim_p, broadcast_shapes
from ferax._src.ops.compare import ne
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.select import select_n_p
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.symbolic_dims import is_symbolic_dim
from ferax._src.util import config

SCALARS = frozenset({bool, int, float, complex})
_ARRAYS = (Array, np.ndarray, np.generic)
_NUMBERS = (bool, int, float, complex)
_rank_promotion = config.numpy_rank_promotion
_x64 = config.enable_x64


# --- checks -------------------------------------------------------------------------------------

def is_arraylike(x) -> bool:
    """Whether functions of the array API take ``x`` as an array."""
    return (isinstance(x, _ARRAYS) or type(x) in SCALARS or isinstance(x, _NUMBERS)
            or (getattr(x, "__jax_array__", None) is not None and not isinstance(x, type)))


def check_arraylike(name: str, *args) -> None:
    """Raise a TypeError that names the function, the argument and its type unless all are array-like."""
    for position, x in enumerate(args):
        if not isinstance(x, _ARRAYS) and type(x) not in SCALARS and not is_arraylike(x):
            raise not_arraylike(name, x, position)


def check_arraylike_or_none(name: str, *args) -> None:
    """`check_arraylike` for optional arguments."""
    for position, x in enumerate(args):
        if x is not None and not is_arraylike(x):
            raise not_arraylike(name, x, position)


def not_arraylike(name: str, x, position: int) -> TypeError:
    """The error for an argument that is not an array, with the way out."""
    kind = type(x)
    if isinstance(x, (list, tuple)):
        hint = "Lists and tuples are not converted by themselves; call jnp.asarray(...) on it first."
    elif hasattr(x, "__dlpack__") or hasattr(x, "__array__"):
        hint = "It is an array of another library; call jnp.from_dlpack(...) or jnp.asarray(...) on it first."
    elif x is None:
        hint = "Was a value forgotten, or does a function return nothing?"
    else:
        hint = "Arrays and numbers are accepted."
    return TypeError(f"{name} requires ndarray or scalar arguments, got {kind} at position {position}. {hint}")


def ensure_arraylike(name: str, *args):
    """The arguments as arrays: one for one argument, else a list."""
    check_arraylike(name, *args)
    if len(args) == 1:
        return as_array(args[0])
    return [as_array(x) for x in args]


def operand(x):
    """An array-like as what operations take: arrays and numbers as they are, the rest unwrapped."""
    if isinstance(x, _ARRAYS) or type(x) in SCALARS:
        return x
    if getattr(x, "__jax_array__", None) is not None:
        return operand(x.__jax_array__())
    return dtypes.python_scalar_base(type(x))(x)            # of a subclass, such as an IntEnum


def check_no_float0s(name: str, *args) -> None:
    """Refuse float0, the dtype of tangents of integers, which takes part in no arithmetic."""
    for x in args:
        if getattr(x, "dtype", None) == dtypes.float0:
            raise TypeError(
                f"Called {name} with a float0 array. float0 is the dtype of gradients with respect to integers and "
                "booleans, and takes part in no operation. Use np.zeros(x.shape, float) for ordinary zeros; if you did "
                "not expect one, look for a gradient taken with respect to an integer argument.")


# --- dtypes -------------------------------------------------------------------------------------

# (type of a number, dtype, x64?) -> the Python type whose numbers have that dtype by default
_PLAIN = {
    (kind, np.dtype(name), x64): base
    for x64, names in ((False, "bool int32 float32 complex64"), (True, "bool int64 float64 complex128"))
    for base, name, rank in zip(_NUMBERS, names.split(), range(4))
    for kind in _NUMBERS[:rank + 1] if base is not bool or kind is bool
}


def cast(x, dtype, weak_type: bool = False):
    """An operand in another dtype; numbers stay numbers, and an array of that dtype is left as it is.

    The result may be weaker than asked for, never stronger: see the module's docstring.
    """
    if isinstance(x, Array):
        aval = x.aval
        if aval.dtype == dtype and (aval.weak_type or not weak_type):
            return x
        return convert(x, dtype, weak_type)
    kind = type(x)
    if kind in SCALARS:
        plain = _PLAIN.get((kind, dtype, _x64.value))
        if plain is not None and (plain is not bool or not weak_type):
            return x if plain is kind else plain(x)
        if weak_type or dtypes.is_extended(dtype):
            return convert(x, dtype, weak_type)
        if kind is complex and dtypes.kind_of(dtype) != "c":
            return convert(x, dtype, weak_type)
        return numpy_scalar(x, dtype)
    if weak_type or is_symbolic_dim(x):
        return convert(x, dtype, weak_type)
    if dtypes.canonicalize(x.dtype) == dtype or dtypes.is_extended(dtype):
        return x
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def promote_dtypes(*args) -> list:
    """Operands in the dtype that they promote to."""
    return _cast_all(args, *dtypes.promoted(*args))


def promote_dtypes_numeric(*args) -> list:
    """`promote_dtypes`, with booleans made integers."""
    return _cast_all(args, *dtypes.promoted_numeric(*args))


def promote_dtypes_inexact(*args) -> list:
    """`promote_dtypes`, with booleans and integers made floats."""
    return _cast_all(args, *dtypes.promoted_inexact(*args))


def promote_dtypes_complex(*args) -> list:
    """`promote_dtypes`, with all else made complex."""
    return _cast_all(args, *dtypes.promoted_complex(*args))


def _cast_all(args, dtype, weak_type: bool) -> list:
    return [cast(x, dtype, weak_type) for x in args]


# --- shapes -------------------------------------------------------------------------------------

def shape_of(x) -> tuple[int, ...]:
    """The shape of an array-like."""
    return () if type(x) in SCALARS else x.shape if isinstance(x, _ARRAYS) else np.shape(x)


def promote_shapes(name: str, *args) -> list:
    """Operands with the same number of dimensions, leading ones added; scalars stay scalars.

    Raises
    ------
    ValueError : if the shapes do not broadcast.
    """
    shapes = [shape_of(x) for x in args]
    shaped = [s for s in shapes if s]
    if not shaped or shaped.count(shaped[0]) == len(shaped):
        return list(args)
    ndim = max([len(s) for s in shaped])
    if any([len(s) != ndim for s in shaped]):
        if _rank_promotion.value != "allow":
            _rank_promotion_was_forbidden(name, shapes)
        args = tuple([_add_dimensions(x, s, ndim) if s and len(s) != ndim else x for x, s in zip(args, shapes)])
        shaped = [(1,) * (ndim - len(s)) + s for s in shaped]
    for sizes in zip(*shaped):
        if len({n for n in sizes if n != 1}) > 1:
            raise incompatible_shapes(name, shapes)
    return list(args)


def incompatible_shapes(name: str, shapes) -> Exception:
    """The error for shapes that do not broadcast: a TypeError if the numbers of dimensions are equal, as in JAX."""
    hint = ("Sizes are matched from the last dimension to the first, and must be equal or 1; x[:, None] or "
            "jnp.expand_dims adds a dimension.")
    shapes = [tuple(s) for s in shapes]
    if len({len(s) for s in shapes if s}) == 1:
        return TypeError(f"{name} got incompatible shapes for broadcasting: {', '.join(map(str, shapes))}. {hint}")
    return ValueError(f"{name}: Incompatible shapes for broadcasting: shapes={shapes}. {hint}")


def _add_dimensions(x, shape, ndim: int):
    lead = ndim - len(shape)
    if not isinstance(x, Array):
        return np.reshape(x, (1,) * lead + shape)
    return broadcast_in_dim_p.bind(x, shape=(1,) * lead + shape, broadcast_dimensions=tuple(range(lead, ndim)),
                                   sharding=None)[0]


def _rank_promotion_was_forbidden(name: str, shapes) -> None:
    given = " ".join(map(str, shapes))
    if _rank_promotion.value == "warn":
        warnings.warn(f"Following NumPy automatic rank promotion for {name} on shapes {given}. Set the "
                      "jax_numpy_rank_promotion config option to 'allow' to disable this warning.", stacklevel=4)
        return
    raise ValueError(f"Operands could not be broadcast together for {name} on shapes {given} and with the config option "
                     "jax_numpy_rank_promotion='raise'. Add the missing dimensions, for example by x[None, :].")


def broadcast_to(x, shape):
    """An operand repeated to ``shape``, which it must fit."""
    given = shape_of(x)
    if given == shape and isinstance(x, Array):
        return x
    lead = len(shape) - len(given)
    return broadcast_in_dim_p.bind(x, shape=shape, broadcast_dimensions=tuple(range(lead, len(shape))), sharding=None)[0]


def broadcast_all(name: str, *args) -> list:
    """Operands as arrays of one shape.

    Raises
    ------
    ValueError : if the shapes do not broadcast.
    """
    shape = check_broadcast(name, *args)
    return [broadcast_to(x, shape) for x in args]


def check_broadcast(name: str, *args) -> tuple[int, ...]:
    """The shape that operands broadcast to, or a ValueError."""
    shapes = [shape_of(x) for x in args]
    try:
        return broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(*incompatible_shapes(name, shapes).args) from None


# --- all of it ----------------------------------------------------------------------------------

def _prepared(name: str, args, promoted) -> list:
    check_arraylike(name, *args)
    args = [operand(x) for x in args]
    check_no_float0s(name, *args)
    return promote_shapes(name, *_cast_all(args, *promoted(*args)))


def promote_args(name: str, *args) -> list:
    """Operands checked, in their common dtype and with the same number of dimensions; scalars stay scalars."""
    return _prepared(name, args, dtypes.promoted)


def promote_args_numeric(name: str, *args) -> list:
    """`promote_args`, with booleans made integers."""
    return _prepared(name, args, dtypes.promoted_numeric)


def promote_args_inexact(name: str, *args) -> list:
    """`promote_args`, with booleans and integers made floats."""
    return _prepared(name, args, dtypes.promoted_inexact)


def promote_args_complex(name: str, *args) -> list:
    """`promote_args`, with all else made complex."""
    return _prepared(name, args, dtypes.promoted_complex)


def const(x, value):
    """A number of the dtype and weak type of the array ``x``, to compute with it: a literal in jaxprs."""
    aval = aval_of(x)
    return cast(value, aval.dtype, aval.weak_type)


def strong(x, value):
    """A number of the dtype of the array ``x`` that makes a result strongly typed; `const` if ``x`` is a number itself.

    Which of the two a function uses is of no importance but for this: the results' weak types are to be those of JAX.
    """
    return numpy_scalar(value, x.aval.dtype) if isinstance(x, Array) else const(x, value)


def literal(x, value):
    """`const` for ``x`` without dimensions, else `strong`: of a weakly typed array, as in JAX, a result becomes ordinary."""
    return strong(x, value) if shape_of(x) else const(x, value)


def dtype_kind(x) -> str:
    """The letter of the kind of an operand's dtype: b, i, u, f, c, or V."""
    return dtypes.kind_of(aval_of(x).dtype)


# --- choosing -----------------------------------------------------------------------------------

def as_bool(x):
    """Whether each element is not zero."""
    aval = aval_of(x)
    return x if aval.dtype == dtypes.bool_ else ne(x, strong(x, 0))


def choose(condition, x, y):
    """``x`` where the condition holds, else ``y``: `where` for operands that are checked, promoted and broadcast here."""
    condition = as_bool(operand(condition))
    x, y = operand(x), operand(y)
    if not (isinstance(x, Array) and isinstance(y, Array) and x.aval is y.aval):
        x, y = promote_dtypes(x, y)
    if not shape_of(condition) == shape_of(x) == shape_of(y):
        condition, x, y = promote_shapes("where", condition, x, y)      # the rest of broadcasting the primitive does
    return select_n_p.bind(condition, y, x)[0]


def scalar_aval(dtype, weak_type: bool = False) -> ShapedArray:
    """The type of a scalar."""
    return ShapedArray((), dtype, weak_type)
