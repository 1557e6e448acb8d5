"""Small things that are not about elements: tokens, values kept from being dropped, arrays of no particular content.

A token is a value without content: what depends on it comes after what made it. Outside of programs a token is a `Token`.
"""

from __future__ import annotations

import numpy as np

from ferax._src.ops.convert import as_array
from ferax._src.ops.joining import stack
from ferax._src.ops.placing import placed
from ferax._src.ops.static import canonical_shape
from ferax._src.tracing.core import Array, Primitive, eval_trace, register, state
from ferax._src.tracing.staging import JaxprTrace
from ferax._src.types import dtypes
from ferax._src.types.avals import AbstractToken, ShapedArray, abstract_token
from ferax._src.types.pytrees import tree_leaves


class Token:
    """A token outside of programs: all that it could wait for has been handed to the device."""

    def block_until_ready(self) -> Token:
        return self


def _is_at_once() -> bool:
    """Whether operations happen now, if below transformations."""
    trace = state.trace
    while trace is not eval_trace and not isinstance(trace, JaxprTrace):
        trace = trace.parent
    return trace is eval_trace


# --- tokens -------------------------------------------------------------------------------------

class CreateToken(Primitive):
    """A token that waits for nothing.  StableHLO: ``create_token``."""

    name = "create_token"

    def abstract_eval(self):
        return [abstract_token]

    def lower(self, ctx):
        return ctx.emit("stablehlo.create_token", ())


class AfterAll(Primitive):
    """A token that waits for all its operands.  StableHLO: ``after_all``."""

    name = "after_all"

    def abstract_eval(self, *tokens):
        if not all([isinstance(t, AbstractToken) for t in tokens]):
            raise TypeError(f"Arguments to after_all must be tokens, got {', '.join(map(str, tokens))}")
        return [abstract_token]

    def lower(self, ctx, *tokens):
        return ctx.emit("stablehlo.after_all", tokens)


create_token_p = register(CreateToken())
after_all_p = register(AfterAll())


def create_token(_=None):
    """A token that waits for nothing.

    Parameters
    ----------
    _ : not used
    """
    return Token() if _is_at_once() else create_token_p.bind()[0]


def after_all(*operands):
    """A token that waits for all given ones.

    Parameters
    ----------
    *operands : tokens

    Raises
    ------
    TypeError : if one is not a token
    """
    for x in operands:
        if not isinstance(x, Token) and not isinstance(getattr(x, "aval", None), AbstractToken):
            raise TypeError(f"Arguments to after_all must be tokens, got {type(x).__name__}")
    if _is_at_once():
        return Token()
    return after_all_p.bind(*[create_token_p.bind()[0] if isinstance(x, Token) else x for x in operands])[0]


# --- dce_sink -----------------------------------------------------------------------------------

class _Used:
    """The effect of equations that stay though nothing reads them."""

    ordered = False
    keeps_alive = True

    def __eq__(self, other) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return "Used"


_used = frozenset([_Used()])


class DceSink(Primitive):
    """Counts its operand as used, without results. With ``prevent_mlir_dce`` the compiler may not drop it either."""

    name = "dce_sink"
    has_effects = True
    handles_extended_dtypes = True

    def abstract_eval(self, x, *, prevent_mlir_dce):
        return []

    def effects_of(self, x, *, prevent_mlir_dce):
        return _used

    def lower(self, ctx, x, *, prevent_mlir_dce):
        if prevent_mlir_dce:
            ctx.custom_call("dce_sink", [x], [], has_side_effect=True)
        return []

    def jvp(self, primals, tangents, **params):
        return self.bind(*primals, **params), []

    def batch(self, axis, args, dims, **params):
        return self.bind(*args, **params), []


dce_sink_p = register(DceSink())


def dce_sink(val, *, prevent_mlir_dce=False) -> None:
    """Keep the computation of values that nothing else uses.

    Parameters
    ----------
    val : pytree of arrays
    prevent_mlir_dce : whether the compiler has to keep it as well, not only transformations
    """
    for leaf in tree_leaves(val):
        leaf = leaf if isinstance(leaf, Array) else as_array(leaf)
        if state.trace is not eval_trace:
            dce_sink_p.bind(leaf, prevent_mlir_dce=bool(prevent_mlir_dce))


# --- empty --------------------------------------------------------------------------------------

class Empty(Primitive):
    """An array of which only the type is promised; here it is of zeros."""

    name = "empty"
    handles_extended_dtypes = True

    def abstract_eval(self, *, shape, dtype, out_sharding):
        return [ShapedArray(shape, dtype)]

    def lower(self, ctx, *, shape, dtype, out_sharding):
        (out,) = ctx.avals_out
        return [ctx.const(False if dtype == dtypes.bool_ else 0, out)]


empty_p = register(Empty())


def empty(shape, dtype, *, out_sharding=None):
    """An array of no particular content.

    Parameters
    ----------
    shape : sequence of int, or one
    dtype : dtype-like, of keys as well
    out_sharding : sharding of the array, or None

    Returns
    -------
    array
    """
    shape = canonical_shape((shape,) if isinstance(shape, int) else shape)
    if not dtypes.is_extended(dtype):
        dtype = dtypes.check_user_dtype(dtype, "empty")
    (out,) = empty_p.bind(shape=shape, dtype=dtype, out_sharding=None)
    return out if out_sharding is None else placed(out, out_sharding, "empty")


# --- questions ----------------------------------------------------------------------------------

def dtype(x):
    """The dtype of a value, or that which a dtype-like means, under the present x64 setting.

    Parameters
    ----------
    x : array, number, dtype, type of numbers, or name of a dtype

    Raises
    ------
    TypeError : if it has none
    ValueError : for None
    """
    if x is None:
        raise ValueError("Invalid argument to dtype: None.")
    return dtypes.dtype_of(x)


def shape_as_value(shape):
    """A shape as an array of int32.

    Parameters
    ----------
    shape : sequence of int, or of integer scalars

    Returns
    -------
    array, shape (len(shape),)
    """
    sizes = tuple(shape)
    if not sizes:
        return as_array(np.zeros(0, np.int32))
    if any([isinstance(n, Array) for n in sizes]):
        return stack([as_array(n) if isinstance(n, Array) else as_array(np.int32(n)) for n in sizes])
    return np.array(canonical_shape(sizes), np.int32)
