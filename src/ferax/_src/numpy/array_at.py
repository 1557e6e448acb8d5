"""Writing by index: ``x.at[index].set(values)`` and the other updates, which answer a new array.

Compiled, an update happens in place where nobody needs the old array any more.

An index without arrays means one window: the elements are read, changed and put back by ``dynamic_update_slice``. All
else is a scatter, which also says what happens to elements that are met several times.
"""

from __future__ import annotations

import warnings

import numpy as np

from ferax._src.api.vmap import vmap
from ferax._src.numpy import util
from ferax._src.numpy.arithmetic import add, maximum, minimum, multiply, subtract
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.division import true_divide
from ferax._src.numpy.fills import ones_like
from ferax._src.numpy.index_parsing import out_of_bounds, parse
from ferax._src.numpy.indexing import (
    CLIP, FILL, apply_index, indexes_nothing, position, positions_as_operands, same_dtype, take_index, windows, within_bounds)
from ferax._src.numpy.places import put, sharding_for
from ferax._src.numpy.powers import power
from ferax._src.ops import scatter as ops
from ferax._src.ops.broadcasting import broadcast_in_dim, expand_dims
from ferax._src.ops.convert import convert
from ferax._src.ops.dynamic_slicing import dynamic_update_slice_p
from ferax._src.ops.indexing import GatherScatterMode, scatter_numbers
from ferax._src.ops.select import select_n_p
from ferax._src.ops.shape import reshape, squeeze
from ferax._src.runtime.array import ArrayImpl
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, Tracer, eval_trace, state
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.util import errors
from ferax._src.util.tracebacks import api_boundary

# What is done to the elements of one window, and the scatter that does it to many.
_UPDATES = {
    "set": (lambda old, new: new, ops.scatter),
    "add": (add, ops.scatter_add),
    "subtract": (subtract, ops.scatter_sub),
    "multiply": (multiply, ops.scatter_mul),
    "min": (minimum, ops.scatter_min),
    "max": (maximum, ops.scatter_max),
}


class IndexUpdateHelper:
    """``x.at``: index it, ``x.at[index]``, to read or update elements.

    An update answers a new array and leaves ``x`` as it is:

    =============================  ==========================
    ``x.at[index].set(v)``         ``x[index] = v``
    ``x.at[index].add(v)``         ``x[index] += v``
    ``x.at[index].subtract(v)``    ``x[index] -= v``
    ``x.at[index].multiply(v)``    ``x[index] *= v``
    ``x.at[index].divide(v)``      ``x[index] /= v``
    ``x.at[index].power(v)``       ``x[index] **= v``
    ``x.at[index].min(v)``         ``x[index] = minimum(x[index], v)``
    ``x.at[index].max(v)``         ``x[index] = maximum(x[index], v)``
    ``x.at[index].apply(f)``       ``x[index] = f(x[index])``
    ``x.at[index].get()``          ``x[index]``
    =============================  ==========================

    An element that the index meets several times is updated each time; for ``set`` it is not defined which value wins.

    Parameters
    ----------
    mode : str or GatherScatterMode
        What happens to positions out of bounds. "promise_in_bounds": there are none, says the user (default of ``get``);
        "clip": they are moved within; "drop" or "fill": updates are left out (default of updates), and ``get`` gives
        ``fill_value``.
    fill_value : number, for ``get``; by default nan, the least signed or the greatest unsigned integer, or True
    indices_are_sorted, unique_indices : bool
        Promises that make some updates quicker on accelerators, and those of ``multiply`` differentiable.
    wrap_negative_indices : bool; whether negative positions count from the end
    out_sharding : NamedSharding or PartitionSpec of the result

    Examples
    --------
    >>> x = jnp.arange(5.0)
    >>> x.at[1:3].add(10.0)
    Array([ 0., 11., 12.,  3.,  4.], dtype=float32)
    >>> x.at[jnp.array([0, 9])].get(mode="fill", fill_value=-1.0)
    Array([ 0., -1.], dtype=float32)
    """

    __slots__ = ("array",)

    def __init__(self, array):
        self.array = array

    def __getitem__(self, index) -> IndexUpdateRef:
        return IndexUpdateRef(self.array, index)

    def __repr__(self) -> str:
        return f"IndexUpdateHelper({self.array!r})"


class IndexUpdateRef:
    """``x.at[index]``: some elements of an array, to read or update. See `IndexUpdateHelper`."""

    __slots__ = ("array", "index")

    def __init__(self, array, index):
        self.array = array
        self.index = index

    def __repr__(self) -> str:
        return f"IndexUpdateRef({self.array!r}, {self.index!r})"

    def get(self, *, indices_are_sorted=False, unique_indices=False, mode=None, fill_value=None, out_sharding=None,
            wrap_negative_indices=True):
        """``x[index]``, with a say in what happens to positions out of bounds.

        Examples
        --------
        >>> jnp.arange(3).at[5].get(mode="fill", fill_value=-1)
        Array(-1, dtype=int32)
        """
        found = take_index(self.array, self.index, mode=mode, fill_value=fill_value, indices_are_sorted=indices_are_sorted,
                           unique_indices=unique_indices, wrap=wrap_negative_indices)
        return put(found, sharding_for(None, out_sharding, "jnp.ndarray.at[...].get"))

    def _update(self, how, values, indices_are_sorted, unique_indices, mode, out_sharding, wrap_negative_indices, array=None):
        made = update(self.array if array is None else array, self.index, how, values,
                      indices_are_sorted=indices_are_sorted, unique_indices=unique_indices, mode=mode,
                      wrap=wrap_negative_indices)
        return put(made, sharding_for(None, out_sharding, f"jnp.ndarray.at[...].{how}"))

    def set(self, values, *, indices_are_sorted=False, unique_indices=False, mode=None, out_sharding=None,
            wrap_negative_indices=True):
        """``x[index] = values``, as a new array.

        Examples
        --------
        >>> jnp.zeros(3).at[0].set(5.0)
        Array([5., 0., 0.], dtype=float32)
        """
        return self._update("set", values, indices_are_sorted, unique_indices, mode, out_sharding, wrap_negative_indices)

    def add(self, values, *, indices_are_sorted=False, unique_indices=False, mode=None, out_sharding=None,
            wrap_negative_indices=True):
        """``x[index] += values``, as a new array.

        Examples
        --------
        >>> jnp.zeros(3).at[jnp.array([0, 0, 2])].add(1.0)
        Array([2., 0., 1.], dtype=float32)
        """
        return self._update("add", values, indices_are_sorted, unique_indices, mode, out_sharding, wrap_negative_indices)

    def subtract(self, values, *, indices_are_sorted=False, unique_indices=False, mode=None, out_sharding=None,
                 wrap_negative_indices=True):
        """``x[index] -= values``, as a new array.

        Examples
        --------
        >>> jnp.zeros(3).at[1].subtract(2.0)
        Array([ 0., -2.,  0.], dtype=float32)
        """
        return self._update("subtract", values, indices_are_sorted, unique_indices, mode, out_sharding,
                            wrap_negative_indices)

    def multiply(self, values, *, indices_are_sorted=False, unique_indices=False, mode=None, out_sharding=None,
                 wrap_negative_indices=True):
        """``x[index] *= values``, as a new array.

        Examples
        --------
        >>> jnp.ones(3).at[:2].multiply(3.0)
        Array([3., 3., 1.], dtype=float32)
        """
        return self._update("multiply", values, indices_are_sorted, unique_indices, mode, out_sharding,
                            wrap_negative_indices)

    mul = multiply

    def divide(self, values, *, indices_are_sorted=False, unique_indices=False, mode=None, out_sharding=None,
               wrap_negative_indices=True):
        """``x[index] /= values``, as a new array of an inexact dtype.

        Examples
        --------
        >>> jnp.ones(3).at[0].divide(4.0)
        Array([0.25, 1.  , 1.  ], dtype=float32)
        """
        divisors = self._update("multiply", values, indices_are_sorted, unique_indices, mode, out_sharding,
                                wrap_negative_indices, array=ones_like(self.array))
        return true_divide(self.array, divisors)

    def power(self, values, *, indices_are_sorted=False, unique_indices=False, mode=None, out_sharding=None,
              wrap_negative_indices=True):
        """``x[index] **= values``, as a new array.

        Examples
        --------
        >>> jnp.arange(3.0).at[2].power(3.0)
        Array([0., 1., 8.], dtype=float32)
        """
        exponents = self._update("multiply", values, indices_are_sorted, unique_indices, mode, out_sharding,
                                 wrap_negative_indices, array=ones_like(self.array))
        return power(self.array, exponents)

    def min(self, values, *, indices_are_sorted=False, unique_indices=False, mode=None, out_sharding=None,
            wrap_negative_indices=True):
        """``x[index] = minimum(x[index], values)``, as a new array.

        Examples
        --------
        >>> jnp.arange(3).at[:].min(1)
        Array([0, 1, 1], dtype=int32)
        """
        return self._update("min", values, indices_are_sorted, unique_indices, mode, out_sharding, wrap_negative_indices)

    def max(self, values, *, indices_are_sorted=False, unique_indices=False, mode=None, out_sharding=None,
            wrap_negative_indices=True):
        """``x[index] = maximum(x[index], values)``, as a new array.

        Examples
        --------
        >>> jnp.arange(3).at[0].max(7)
        Array([7, 1, 2], dtype=int32)
        """
        return self._update("max", values, indices_are_sorted, unique_indices, mode, out_sharding, wrap_negative_indices)

    def apply(self, func, *, indices_are_sorted=False, unique_indices=False, mode=None, wrap_negative_indices=True):
        """``x[index] = func(x[index])``, element by element, as a new array; again for elements met several times.

        Examples
        --------
        >>> jnp.arange(3).at[1:].apply(lambda v: -v)
        Array([ 0, -1, -2], dtype=int32)
        """
        if not callable(func):
            raise TypeError(f"at[...].apply: func must be callable, got {func!r} of type {type(func).__name__}")
        return update(self.array, self.index, func, 0, indices_are_sorted=indices_are_sorted, unique_indices=unique_indices,
                      mode=mode, wrap=wrap_negative_indices)


def update(x, index, how, values, *, indices_are_sorted=False, unique_indices=False, mode=None, wrap=True):
    """An array with the elements at an index updated.

    Parameters
    ----------
    x : Array
    index : anything between brackets
    how : one of set, add, subtract, multiply, min, max, or a function of one element
    values : array that broadcasts to the shape of ``x[index]``
    mode, indices_are_sorted, unique_indices, wrap : see `IndexUpdateHelper`
    """
    mode = FILL if mode is None else GatherScatterMode.from_any(mode)
    if not callable(how):
        values = _fitting(util.operand(values) if util.is_arraylike(values) else asarray(values), x)
    masked = _single_mask(x, index, values)
    if masked is not None:
        return _masked(x, masked, values, how=how)
    parsed = parse(x.aval.shape, index, wrap=wrap)
    entries, operands = parsed.entries, parsed.operands
    if mode is not FILL or 0 in parsed.shape:
        bounded = within_bounds(parsed)         # raises the error for an integer that is for an empty dimension
        entries = bounded if mode is not FILL else entries
    program = _apply_update
    if state.trace is eval_trace and isinstance(x, ArrayImpl) and not callable(how):
        program = _update_program
        if mode is not FILL or out_of_bounds(parsed, wrap) is None:
            entries, operands = positions_as_operands(entries, operands, parsed.shape)
    return program(x, values, *operands, how=how, entries=entries, together=parsed.together, expand=parsed.expand, mode=mode,
                   indices_are_sorted=bool(indices_are_sorted), unique_indices=bool(unique_indices), wrap=bool(wrap))


def _fitting(values, x):
    """The values, as numbers of x's dtype where they are plain integers that fit; with a warning where they do not."""
    aval = x.aval
    if type(values) is int and dtypes.kind_of(aval.dtype) in "iu":
        info = dtypes.iinfo(aval.dtype)
        if int(info.min) <= values <= int(info.max):
            return util.cast(values, aval.dtype, aval.weak_type)
    if aval_of(values).dtype != aval.dtype and not dtypes.safe_to_cast(values, x):
        warnings.warn(
            f"scatter inputs have incompatible types: cannot safely cast value from dtype={aval_of(values).dtype} to "
            f"dtype={aval.dtype}. Convert it first, for example by values.astype(x.dtype).", FutureWarning, stacklevel=4)
    return values


# --- masks --------------------------------------------------------------------------------------

def _single_mask(x, index, values):
    """The mask, where the index is one and each of its elements gets the same values: then no position is needed."""
    if type(index) is tuple and len(index) == 1:
        index = index[0]
    if not isinstance(index, (Array, np.ndarray)) or index.dtype != dtypes.bool_ or not index.ndim:
        return None
    shape = x.aval.shape
    if index.shape != shape[:index.ndim]:
        return None                             # the error is raised where indices are parsed
    if len(util.shape_of(values)) > len(shape) - index.ndim:
        if isinstance(index, Tracer) and index.concrete_value() is None:
            raise errors.NonConcreteBooleanIndexError(index)
        return None
    return index


def _masked(x, mask, values, *, how):
    if callable(how):
        return _masked_apply(x, mask, how)
    return _masked_update(x, mask, values, how=how)


def _masked_apply(x, mask, func):
    return _masked_update(x, mask, _each(func, x), how="set")


def _each(func, x):
    """``func`` of each element."""
    def of_one(element):
        y = util.as_array(func(element))
        if y.shape:
            raise ValueError(f"at[...].apply: func must give a scalar for a scalar, got a result of shape {y.shape}")
        return y
    return reshape(vmap(of_one)(reshape(x, (x.size,))), x.shape) if x.shape else of_one(x)


@fused(static=("how",))
def _masked_update(x, mask, values, *, how):
    new = util.as_array(values if how == "set" else _UPDATES[how][0](x, values))
    dtype = dtypes.promoted(x, new)[0]
    shape, ndim = x.shape, mask.ndim
    if mask.shape != shape:
        mask = broadcast_in_dim(mask, shape, tuple(range(ndim)))
    given = util.shape_of(new)
    if not _fits(given, shape):
        raise ValueError(f"at[mask].{how}: values of shape {given} cannot be broadcast to the shape {shape} of the array")
    new = util.broadcast_to(util.cast(new, dtype), shape)
    (out,) = select_n_p.bind(mask, util.cast(x, dtype), new)
    return _as_before(out, x)


def _as_before(out, x):
    aval = x.aval
    return out if out.aval is aval else convert(out, aval.dtype, aval.weak_type)


# --- windows ------------------------------------------------------------------------------------

def _apply_update(x, values, *operands, how, entries, together, expand, mode, indices_are_sorted, unique_indices, wrap):
    original = x
    if expand:
        x = expand_dims(x, expand)
    w = windows(x.shape, entries, operands, together, wrap)
    if 0 in w.shape or indexes_nothing(x.shape, entries) is not None:
        return original
    if callable(how):
        dtype, values = x.dtype, None
        update_shape = tuple([n for i, n in enumerate(w.shape) if i not in w.new])
    else:
        dtype = dtypes.promoted(x, values)[0]
        x = util.cast(x, dtype)
        values = _shaped(util.cast(values, dtype), w, how)
    function, scatter = _UPDATES[how] if isinstance(how, str) else (lambda old, new: _each(how, old), None)
    starts = _one_window(x.shape, entries, operands, mode, wrap) if w.distinct and not w.indices.shape[:-1] else None
    if starts is not None:
        if how != "set":
            old = apply_index(x, *operands, entries=_without_new(entries), together=together, expand=(), mode=CLIP,
                              fill_value=None, indices_are_sorted=False, unique_indices=False, wrap=wrap)
            values = util.cast(function(old, values), dtype)
        piece = reshape(values, w.sizes)
        (out,) = dynamic_update_slice_p.bind(x, piece, *starts)
    else:
        promises = dict(indices_are_sorted=indices_are_sorted or w.distinct, unique_indices=unique_indices or w.distinct,
                        mode=mode)
        numbers = scatter_numbers(w.numbers)
        if scatter is None:
            out = ops.scatter_apply(x, w.indices, how, numbers, update_shape=update_shape, **promises)
        elif dtype == dtypes.bool_ and how in _OF_TRUTH:
            out = _of_truth(x, w.indices, values, numbers, how, promises)
        else:
            out = scatter(x, w.indices, values, numbers, **promises)
    if expand:
        out = squeeze(out, expand)
    return _as_before(out, original)


_update_program = fused(_apply_update, static=("how", "entries", "together", "expand", "mode", "indices_are_sorted",
                                               "unique_indices", "wrap"))


def _fits(shape, wanted) -> bool:
    """Whether a shape broadcasts to another."""
    return len(shape) <= len(wanted) and all([n in (1, m) for n, m in zip(reversed(shape), reversed(wanted))])


def _without_new(entries):
    return tuple([e for e in entries if e[0] != "new"])


def _shaped(values, w, how):
    """Values in the shape of what is updated, without the dimensions that None put in."""
    given = util.shape_of(values)
    if not _fits(given, w.shape):
        raise ValueError(f"at[...].{how}: values of shape {given} cannot be broadcast to "
                         f"the shape {w.shape} of the elements at the index")
    values = util.broadcast_to(values, w.shape)
    return squeeze(values, w.new) if w.new else values


def _one_window(shape, entries, operands, mode, wrap: bool):
    """Where the window starts, if the index means a single one that is within bounds; else None.

    A computed position may be out of bounds; then it is a single window only if it is to be moved within.
    """
    starts, given, axis = [], iter(operands), 0
    for entry in entries:
        kind = entry[0]
        if kind == "new":
            continue
        n = shape[axis]
        axis += 1
        if kind == "scalar":
            if mode is FILL:
                return None
            starts.append(position(next(given), n, wrap))
        elif kind in ("at", "window"):
            starts.append(position(next(given), n, False))
        elif kind == "int":
            if not 0 <= entry[1] < n:
                return None
            starts.append(entry[1])
        else:
            starts.append(entry[1])
    return same_dtype(starts)


for _method in ("get", "set", "add", "subtract", "multiply", "divide", "power", "min", "max", "apply"):
    setattr(IndexUpdateRef, _method, api_boundary(vars(IndexUpdateRef)[_method]))


# --- booleans -----------------------------------------------------------------------------------
# Sums and products of truth values are or and and: the greatest and the least of them.

_OF_TRUTH = {"add": ops.scatter_max, "multiply": ops.scatter_min, "max": ops.scatter_max, "min": ops.scatter_min}


def _of_truth(x, indices, values, numbers, how, promises):
    byte = np.dtype(np.uint8)
    out = _OF_TRUTH[how](convert(x, byte), indices, convert(values, byte), numbers, **promises)
    return convert(out, dtypes.bool_)
