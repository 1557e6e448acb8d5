"""Mutable array references for the user: `new_ref`, `freeze`, reading and writing by index, and views (``ref.at``).

What happens to a reference is in `ops.refs`; what an index means, in `ref_indexing`.
"""

from __future__ import annotations

import numpy as np

from ferax._src.numpy.ref_indexing import RefIndex, parse_index
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.refs import add_to, addupdate_p, get_p, is_variable, read, swap_p, write
from ferax._src.ops.zeros import zeros
from ferax._src.tracing.core import Array, eval_trace, state
from ferax._src.tracing.refs import DeadCell, Ref, ValueCell
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.pytree_registry import register_pytree_node
from ferax._src.types.refs import AbstractRef
from ferax._src.util.tracebacks import api_boundary


def new_ref(init_val, *, memory_space=None, kind=None) -> Ref:
    """A reference to an array that can be written: ``ref[...]`` reads, ``ref[...] = x`` writes.

    Parameters
    ----------
    init_val : array or number; what the reference holds at first. It is not changed by writes
    memory_space : hashable or None; only inside of `jit`
    kind : str or None; accepted and kept

    Returns
    -------
    Ref

    Raises
    ------
    TypeError : if ``init_val`` is not an array or a number.

    Notes
    -----
    A reference may be given to functions under `jit`, `vmap`, `grad`, `scan` and the like, be closed over by them, and be
    made in them. It may not be returned from a function that is traced, nor reach one in two ways.

    Examples
    --------
    >>> ref = new_ref(jnp.zeros(3))
    >>> ref[1] = 5.0
    >>> ref[...]
    Array([0., 5., 0.], dtype=float32)
    """
    if isinstance(init_val, Ref):
        raise TypeError(f"new_ref: a reference cannot hold a reference, got {init_val.aval}; use its array, ref[...]")
    if memory_space is not None and state.trace is eval_trace:
        raise NotImplementedError("array ref with memory space only works inside of a `jit`.")
    try:
        value = as_array(init_val)
    except TypeError as error:
        raise TypeError("Error interpreting argument to new_ref as a JAX value. The problematic value is of type "
                        f"{type(init_val)} and was passed to new_ref at position 0.") from error
    return Ref(AbstractRef(value.aval, memory_space, kind), state.trace, ValueCell(value))


def empty_ref(ty, memory_space=None) -> Ref:
    """A reference whose array has not been written yet.

    Parameters
    ----------
    ty : the type of the array: a ShapeDtypeStruct or anything with ``shape`` and ``dtype``
    memory_space : hashable or None

    Notes
    -----
    What it holds before it is written is not defined; here, zeros.
    """
    if not hasattr(ty, "shape") or not hasattr(ty, "dtype"):
        raise TypeError(f"empty_ref: expected the type of an array, with shape and dtype, got {ty!r} of type {type(ty).__name__}")
    aval = ShapedArray(ty.shape, dtypes.canonicalize_dtype(ty.dtype))
    return Ref(AbstractRef(aval, memory_space), state.trace, ValueCell(zeros(aval)))


def freeze(ref):
    """The array that a reference holds, which ends it: in a traced function it may not be used afterwards.

    Parameters
    ----------
    ref : Ref made in the same function

    Returns
    -------
    Array

    Raises
    ------
    ValueError : if the reference was frozen or freed before, or was made outside of a function that is traced.
    """
    if not isinstance(ref, Ref):
        return as_array(ref)
    _check_own(ref, "freeze")
    value = read(ref)
    if ref._trace is not eval_trace:
        ref._cell = DeadCell("frozen")
    return value


def free_ref(ref) -> None:
    """Let go of the array that a reference holds. The reference may not be used afterwards.

    Parameters
    ----------
    ref : Ref made in the same function
    """
    if isinstance(ref, Ref):
        _check_own(ref, "free_ref")
        ref._cell = DeadCell("freed")


def _check_own(ref: Ref, name: str) -> None:
    if not isinstance(ref._cell, (ValueCell, DeadCell)) or is_variable(ref, state.trace):
        raise ValueError(f"{name}: the array reference of type {ref.aval} was made outside of the function that is traced; it can only "
                         "be ended where it was made. Read it instead, ref[...].")


# --- reading and writing --------------------------------------------------------------------------

def get(ref, idx=None):
    """``ref[idx]``: elements of the array that a reference holds.

    Parameters
    ----------
    ref : Ref, or a view of one, ``ref.at[...]``
    idx : integers, slices, `ds`, integer arrays, or a tuple with one for each dimension; None and ``...`` mean all

    Returns
    -------
    Array

    Raises
    ------
    ValueError : if an integer or slice known now is out of bounds, or ``ref`` is no reference.
    TypeError : if ``idx`` is none of these.
    """
    _check_ref(ref, "ref_get")
    index, operands = parse_index(ref.shape, idx)
    return _get(ref, index, operands)


def set(ref, idx, value) -> None:                              # noqa: A001 (JAX's name)
    """``ref[idx] = value``: replace elements of the array that a reference holds.

    Parameters
    ----------
    ref : Ref, or a view of one
    idx : as for `get`
    value : array of just the shape of ``ref[idx]``, and of its dtype; a weakly typed one of the same kind

    Raises
    ------
    ValueError : if shape or dtype differ.
    """
    _check_ref(ref, "ref_set")
    index, operands = parse_index(ref.shape, idx)
    _set(ref, index, operands, _fitting(ref, index, operands, value, "swap"))


def swap(ref, idx, value, _function_name="ref_swap"):
    """Replace elements of the array that a reference holds; answers those that were there. See `set`."""
    _check_ref(ref, _function_name)
    index, operands = parse_index(ref.shape, idx)
    value = _fitting(ref, index, operands, value, "swap")
    if type(ref) is Ref:
        return swap_p.bind(ref, value, *operands, index=index)[0]
    old = _get(ref, index, operands)
    _set(ref, index, operands, value)
    return old


def addupdate(ref, idx, x) -> None:
    """``ref[idx] += x``: add to elements of the array that a reference holds.

    Parameters
    ----------
    ref : Ref, or a view of one
    idx : as for `get`; what an array names twice is added to twice
    x : array of just the shape and dtype of ``ref[idx]``
    """
    _check_ref(ref, "ref_addupdate")
    index, operands = parse_index(ref.shape, idx)
    _add(ref, index, operands, _fitting(ref, index, operands, x, "addupdate"))


def _check_ref(ref, name: str) -> None:
    if not isinstance(ref, (Ref, RefView)):
        raise ValueError(f"Can only call `{name}` on a `Ref`: {ref}.")


def _fitting(ref, index: RefIndex | None, operands, value, operation: str):
    """A value to be written, checked; of the type of the part."""
    if not isinstance(value, (Array, *_NUMBERS)):
        value = as_array(value)
    aval, dtype = aval_of(value), ref.dtype
    shape = ref.shape if index is None else index.part_shape([aval_of(x) for x in operands])
    if aval.shape != shape:
        raise ValueError(f"Invalid shape for `{operation}`. Ref shape: {ref.shape}. Expected shape: {shape}. Value shape: {aval.shape}. "
                         "An array reference does not broadcast what is written; use jnp.full or jnp.broadcast_to.")
    if aval.dtype != dtype and not (operation == "swap" and aval.weak_type and not dtypes.is_extended(dtype)
                                    and _kind(aval.dtype) == _kind(dtype)):
        raise ValueError(f"Invalid dtype for `{operation}`. Ref dtype: {dtype}. Value dtype: {aval.dtype}. Convert the value, "
                         "with .astype(ref.dtype).")
    weak = ref.aval.weak_type
    if aval.dtype == dtype and aval.weak_type == weak:
        return value
    if isinstance(value, _NUMBERS) and not weak:
        return np.asarray(value).astype(dtype)[()]          # a literal of the program
    return convert(value, dtype, weak)


_NUMBERS = (bool, int, float, complex, np.generic)


def _kind(dtype) -> str:
    kind = dtypes.kind_of(dtype)
    return "i" if kind == "u" else kind


def _get(target, index, operands):
    if type(target) is Ref:
        return get_p.bind(target, *operands, index=index)[0]
    part = target.read()
    return part if index is None else index.take(part, *operands)


def _set(target, index, operands, value) -> None:
    if type(target) is not Ref:
        target.write(value if index is None else index.put(target.read(), value, *operands))
    elif is_variable(target, state.trace):
        swap_p.bind(target, value, *operands, index=index)
    else:                                       # at once, and without looking at what was there
        write(target, value if index is None else index.put(read(target), value, *operands))


def _add(target, index, operands, value) -> None:
    if type(target) is Ref:
        addupdate_p.bind(target, value, *operands, index=index)
    else:
        target.write(add_to(target.read(), value, index, operands))


# --- views ----------------------------------------------------------------------------------------

class RefView:
    """Part of what a reference holds, ``ref.at[index]``: reads and writes go to the reference."""

    __slots__ = ("_base", "_index", "_operands")

    def __init__(self, base, index: RefIndex | None, operands):
        self._base = base
        self._index = index
        self._operands = operands

    @property
    def aval(self) -> AbstractRef:
        """The type of a reference to the part."""
        inner = self._base.aval.inner_aval
        return AbstractRef(inner if self._index is None else self._index.result(inner, *[aval_of(x) for x in self._operands]))

    shape = property(lambda self: self.aval.shape)
    dtype = property(lambda self: self.aval.dtype)
    ndim = property(lambda self: self.aval.ndim)
    size = property(lambda self: self.aval.size)

    def read(self) -> Array:
        """The part."""
        return _get(self._base, self._index, self._operands)

    def write(self, value) -> None:
        """Replace the part."""
        _set(self._base, self._index, self._operands, value)

    def __repr__(self) -> str:
        return f"RefView({self._base!r}, {self._index})"


register_pytree_node(RefView, lambda view: ((view._base, *view._operands), view._index),
                     lambda index, children: RefView(children[0], index, list(children[1:])))


class RefIndexer:
    """``ref.at``: ``ref.at[index]`` is a view of a part of the array, which reads and writes the reference."""

    __slots__ = ("_ref",)

    def __init__(self, ref):
        self._ref = ref

    def __getitem__(self, index) -> RefView:
        return RefView(self._ref, *parse_index(self._ref.shape, index))

    def __repr__(self) -> str:
        return f"RefIndexer({self._ref!r})"


def _getitem(self, index):
    return get(self, index)


def _setitem(self, index, value) -> None:
    set(self, index, value)


def _get_method(self, idx=()):
    """The elements at an index, ``ref[idx]``; by default all."""
    return get(self, idx)


def _set_method(self, value, idx=()) -> None:
    """Replace the elements at an index, ``ref[idx] = value``."""
    set(self, idx, value)


def _swap_method(self, value, idx=()):
    """Replace the elements at an index; answers those that were there."""
    return swap(self, idx, value)


def _addupdate_method(self, x, idx=()) -> None:
    """Add to the elements at an index, ``ref[idx] += x``."""
    addupdate(self, idx, x)


def _at(self) -> RefIndexer:
    """``ref.at[index]``: a view of a part, which reads and writes the reference."""
    return RefIndexer(self)


for _cls in (Ref, RefView):
    for _name, _method in (("__getitem__", _getitem), ("__setitem__", _setitem), ("get", _get_method), ("set", _set_method),
                           ("swap", _swap_method), ("addupdate", _addupdate_method)):
        _method.__name__ = _name                # as errors call it
        setattr(_cls, _name, api_boundary(_method))
    _cls.at = property(_at)                     # type: ignore[attr-defined]
