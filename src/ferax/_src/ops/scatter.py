"""The scatters that overwrite, multiply, and take the smaller or greater; and the functions of all scatters.

Where several updates go to one element and only one can win, the derivative must know which one did.
`ScatterOverwrite` finds out by scattering the numbers of the updates and looking which are still there.
"""

from __future__ import annotations

import math
import weakref

import numpy as np

from ferax._src.ops.base import add_p
from ferax._src.ops.broadcasting import broadcast_in_dim_p
from ferax._src.ops.compare import eq
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import div, max, min, mul
from ferax._src.ops.gather import Scatter, inverse_gather, scatter_add_p, scatter_sub_p
from ferax._src.ops.indexing import GatherScatterMode, ScatterDimensionNumbers, hashable_numbers
from ferax._src.ops.select import select
from ferax._src.ops.shape import iota, reshape
from ferax._src.ops.static import canonical_shape
from ferax._src.ops.zeros import full, instantiate_zeros, zeros
from ferax._src.tracing.core import Zero, register
from ferax._src.tracing.staging import has_tracer_consts, trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of


class ScatterOverwrite(Scatter):
    """The operand with windows replaced by updates, or (``update_jaxpr``) by a function of both."""

    name = "scatter"

    def combine(self, ctx, region, *, update_jaxpr, update_consts):
        dtype = ctx.avals_in[0].dtype
        ctx.reducer_region(region, [dtype], (lambda x, y: [y]) if update_jaxpr is None else update_jaxpr)

    def jvp(self, primals, tangents, **params):
        x, indices, updates = primals
        t, _, t_updates = tangents
        if type(t) is Zero and type(t_updates) is Zero:
            outs = self.bind(*primals, **params)
            return outs, [Zero.of(outs[0])]
        if params["update_jaxpr"] is not None:
            raise NotImplementedError("scatter_apply has no derivative: use gather, the function and scatter instead")
        t, t_updates = instantiate_zeros(t), instantiate_zeros(t_updates)
        if params["unique_indices"]:
            return self.bind(*primals, **params), self.bind(t, indices, t_updates, **params)
        # Which update wins is not specified, and primal and tangent must be of the same one. So losers are
        # masked, and the winners, at most one for each element, are added.
        untouched, won = _winners(x, indices, updates, params)
        def put(operand, new):
            return scatter_add_p.bind(select(untouched, operand, 0), indices, select(won, new, 0), **params)
        return put(x, updates), put(t, t_updates)

    def transpose(self, cts, x, indices, updates, *, dimension_numbers, mode, unique_indices, indices_are_sorted, **params):
        if not unique_indices:
            raise NotImplementedError("scatter transpose is only implemented where unique_indices=True")
        (ct,) = cts
        ct_x = ct_updates = None
        if isinstance(x, ShapedArray):          # what was overwritten has no influence
            nothing = zeros(ShapedArray(np.shape(updates), ct.dtype))
            (ct_x,) = self.bind(ct, indices, nothing, dimension_numbers=dimension_numbers, mode=mode, unique_indices=True,
                                indices_are_sorted=indices_are_sorted, **params)
        if isinstance(updates, ShapedArray):
            ct_updates = inverse_gather(ct, indices, updates.shape, dimension_numbers, mode, indices_are_sorted, True)
        return [ct_x, None, ct_updates]


def _winners(x, indices, updates, params):
    """Which elements no update touched, and which updates still stand at the end."""
    numbers = params["dimension_numbers"]
    shape = aval_of(updates).shape
    rows = tuple([1 if i in numbers.update_window_dims else size for i, size in enumerate(shape)])
    count = math.prod(rows)
    dtype = np.dtype(np.uint32 if count < 2 ** 32 else np.uint64)
    ids = add_p.bind(iota(dtype, count), dtype.type(1))[0]          # 0 says that nothing came
    ids = broadcast_in_dim_p.bind(reshape(ids, rows), shape=shape, broadcast_dimensions=tuple(range(len(shape))),
                                  sharding=None)[0]
    (last,) = scatter_p.bind(zeros(ShapedArray(aval_of(x).shape, dtype)), indices, ids, **params)
    found = inverse_gather(last, indices, shape, numbers, params["mode"])
    return eq(last, dtype.type(0)), eq(ids, found)


class ScatterMul(Scatter):
    """The operand times all updates."""

    name = "scatter-mul"
    reducer = "stablehlo.multiply"
    accepts = "iufc"

    def jvp(self, primals, tangents, **params):
        x, indices, updates = primals
        t, _, t_updates = tangents
        outs = self.bind(*primals, **params)
        terms = []
        if type(t) is not Zero:
            terms += self.bind(t, indices, updates, **params)
        if type(t_updates) is not Zero:
            if not params["unique_indices"]:
                raise NotImplementedError("scatter_mul gradients are only implemented if `unique_indices=True`")
            (spread,) = scatter_add_p.bind(zeros(aval_of(x).strip_weak_type()), indices, t_updates, **params)
            terms.append(mul(x, spread))
        if not terms:
            return outs, [Zero.of(outs[0])]
        return outs, [terms[0] if len(terms) == 1 else add_p.bind(*terms)[0]]

    def transpose(self, cts, x, indices, updates, **params):
        if not isinstance(x, ShapedArray) or isinstance(updates, ShapedArray):
            raise self.missing_rule("transpose", "a transpose for the updates: it is linear in the operand alone")
        return [self.bind(cts[0], indices, updates, **params)[0], None, None]


class _ScatterExtremum(Scatter):
    """The smallest or greatest of an element and all its updates; several that are equal share its derivative."""

    function = staticmethod(max)

    def combine(self, ctx, region, **params):
        dtype = ctx.avals_in[0].dtype
        if dtypes.kind_of(dtype) == "c":        # ordered by real, then imaginary part: several operations
            scalar = ShapedArray((), dtype)
            ctx.reducer_region(region, [dtype], trace_to_jaxpr(lambda x, y: [self.function(x, y)], [scalar, scalar]))
        else:
            ctx.reducer_region(region, [dtype], self.reducer)

    def jvp(self, primals, tangents, **params):
        x, indices, updates = primals
        t, _, t_updates = tangents
        outs = self.bind(*primals, **params)
        if type(t) is Zero and type(t_updates) is Zero:
            return outs, [Zero.of(outs[0])]
        dtype = aval_of(outs[0]).dtype
        best = inverse_gather(outs[0], indices, aval_of(updates).shape, params["dimension_numbers"], params["mode"],
                              fill_value=np.nan)
        x_is, update_is = convert(eq(x, outs[0]), dtype), convert(eq(updates, best), dtype)
        (count,) = scatter_add_p.bind(x_is, indices, update_is, **params)
        masked = [zeros(aval_of(m)) if type(g) is Zero else mul(g, m) for g, m in ((t, x_is), (t_updates, update_is))]
        (total,) = scatter_add_p.bind(masked[0], indices, masked[1], **params)
        return outs, [div(total, count)]


class ScatterMin(_ScatterExtremum):
    name = "scatter-min"
    reducer = "stablehlo.minimum"
    function = staticmethod(min)


class ScatterMax(_ScatterExtremum):
    name = "scatter-max"
    reducer = "stablehlo.maximum"
    function = staticmethod(max)


scatter_p = register(ScatterOverwrite())
scatter_mul_p = register(ScatterMul())
scatter_min_p = register(ScatterMin())
scatter_max_p = register(ScatterMax())


# --- the functions ------------------------------------------------------------------------------

def _scatter_function(primitive, what: str):
    def fn(operand, scatter_indices, updates, dimension_numbers, *, indices_are_sorted=False, unique_indices=False,
           mode=None):
        return _bind(primitive, operand, scatter_indices, updates, dimension_numbers, indices_are_sorted, unique_indices,
                     mode)
    fn.__name__ = fn.__qualname__ = primitive.name.replace("-", "_")
    fn.__doc__ = f"""{what}

    Parameters
    ----------
    operand : array
    scatter_indices : integer array; its last dimension holds index vectors, which say where windows start
    updates : array of the operand's dtype: the windows
    dimension_numbers : ScatterDimensionNumbers
    indices_are_sorted : a promise that the index vectors ascend
    unique_indices : a promise that no two windows meet
    mode : GatherScatterMode or its name; what to do with windows that are not within bounds: "drop" (the
        default) leaves them out, "clip" moves them to the nearest place, "promise_in_bounds" says there are none

    Returns
    -------
    array like ``operand``
    """
    return fn


def _bind(primitive, operand, indices, updates, numbers, indices_are_sorted, unique_indices, mode, update_jaxpr=None):
    mode = GatherScatterMode.from_any(mode)
    if mode is GatherScatterMode.ONE_HOT:
        raise ValueError(f"{primitive.name}: the mode 'one_hot' is for gathers only")
    return primitive.bind(operand, indices, updates, dimension_numbers=hashable_numbers(numbers, ScatterDimensionNumbers),
                          indices_are_sorted=bool(indices_are_sorted), unique_indices=bool(unique_indices), mode=mode,
                          update_jaxpr=update_jaxpr, update_consts=())[0]


scatter = _scatter_function(scatter_p, "Put windows into an array in place of what is there. Where several meet, one wins.")
scatter_add = _scatter_function(scatter_add_p, "Add windows to an array.")
scatter_sub = _scatter_function(scatter_sub_p, "Subtract windows from an array.")
scatter_mul = _scatter_function(scatter_mul_p, "Multiply an array by windows.")
scatter_min = _scatter_function(scatter_min_p, "Take the smaller of each element and the updates that meet it.")
scatter_max = _scatter_function(scatter_max_p, "Take the greater of each element and the updates that meet it.")

_apply_jaxprs: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # function -> {dtype: its jaxpr}


def scatter_apply(operand, scatter_indices, func, dimension_numbers, *, update_shape=(), indices_are_sorted=False,
                  unique_indices=False, mode=None):
    """Replace elements by a function of them, once for each window that they are in.

    Parameters
    ----------
    operand : array
    scatter_indices : integer array; its last dimension holds index vectors, which say where windows start
    func : callable of one scalar
    dimension_numbers : ScatterDimensionNumbers
    update_shape : shape that updates would have: it says which windows there are
    indices_are_sorted, unique_indices, mode : as in `scatter`

    Returns
    -------
    array like ``operand``
    """
    if not callable(func):
        raise TypeError(f"scatter_apply: func must be callable, got {func!r} of type {type(func).__name__}")
    dtype = aval_of(operand).dtype
    unused = full(canonical_shape(update_shape, "update_shape"), 0, dtype)
    return _bind(scatter_p, operand, scatter_indices, unused, dimension_numbers, indices_are_sorted, unique_indices, mode,
                 _applied(func, dtype))


def _applied(func, dtype):
    """The jaxpr ``x, unused -> func(x)``; one object for one function, so that programs are found again."""
    try:
        known = _apply_jaxprs.setdefault(func, {})
    except TypeError:                           # no weak reference to it is possible
        known = {}
    closed = known.get(dtype)
    if closed is None:
        scalar = ShapedArray((), dtype)
        closed = trace_to_jaxpr(lambda x, unused: [_as_element(func(x), dtype)], [scalar, scalar])
        if has_tracer_consts(closed):
            raise NotImplementedError("scatter_apply: the function closes over a traced value; pass it another way, for "
                                      "instance by gathering, applying the function and scattering")
        known[dtype] = closed
    return closed


def _as_element(y, dtype):
    """What the function gave, as an element of the array."""
    shape = aval_of(y).shape
    if shape:
        raise ValueError(f"scatter_apply: func must give a scalar for a scalar, got a result of shape {shape}")
    return convert(y, dtype)
