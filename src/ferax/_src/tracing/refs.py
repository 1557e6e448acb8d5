"""`Ref`: a reference to an array that can be written.

A reference is a box. It belongs to the trace that was current when it was made, its *owner*, and holds the array, or
the tracer of its owner, that was written last. So within one function nothing is recorded: reading gives the value,
writing replaces it, and any transformation of the operations in between is right by itself.

A function that is traced to a jaxpr and uses a reference from outside, given as an argument or closed over, gets a
variable for it (`AbstractRef`), and reading and writing are equations. `ops.refs` writes them, and turns such a program
into one without references where it is called.

What a reference holds is its *cell*:

* `ValueCell`: a value, which belongs to the owner;
* None: nothing, the reference is a variable of its owner, a `JaxprTrace`;
* any other object with ``read(trace)`` and ``write(trace, value)``: a view of references of an outer trace, as `vmap`
  makes one of a reference that it maps over.
"""

from __future__ import annotations

from typing import Any

from ferax._src.tracing import core
from ferax._src.types.refs import AbstractRef


class ValueCell:
    """A value. It is ``owned`` while nobody else has the array, so that a program may write over its memory."""

    __slots__ = ("value", "owned")

    def __init__(self, value):
        self.value = value
        self.owned = False

    def read(self, trace):
        self.owned = False
        return self.value

    def write(self, trace, value) -> None:
        self.value = value
        self.owned = False


class CarrierCell(ValueCell):
    """A value whose cotangent is what the reference holds in the backward pass, for derivative rules that write then."""

    __slots__ = ()


class DeadCell:
    """What a reference holds that has been freed or frozen."""

    __slots__ = ("why",)

    def __init__(self, why: str):
        self.why = why

    def read(self, trace):
        raise ValueError(f"the array reference has been {self.why} and cannot be used any more")

    def write(self, trace, value) -> None:
        self.read(trace)


class Ref:
    """A reference to an array: ``ref[...]`` reads, ``ref[...] = x`` writes in place. Made by `new_ref`.

    References have identity: two of them are equal only if they are the same. They are leaves of pytrees, may be given
    to transformed functions or closed over by them, and may not be returned from those that are traced.
    """

    __slots__ = ("aval", "_trace", "_cell", "__weakref__")

    aval: AbstractRef

    def __init__(self, aval: AbstractRef, trace: core.Trace, cell: Any):
        self.aval = aval
        self._trace = trace
        self._cell = cell

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dimension of the array."""
        return self.aval.shape

    @property
    def dtype(self):
        """The element type."""
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.aval.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.aval.size

    @property
    def sharding(self):
        """Where the array lies."""
        return self._concrete("sharding").sharding

    @property
    def committed(self) -> bool:
        """Whether the array was put to its place by the user."""
        return self._concrete("committed").committed

    @property
    def format(self):
        """Layout and place of the array."""
        return self._concrete("format").format

    def unsafe_buffer_pointer(self) -> int:
        """The address of the array's memory, now; writing may move it."""
        return self._concrete("unsafe_buffer_pointer").unsafe_buffer_pointer()

    def _concrete(self, name: str):
        """The array, where it is known."""
        cell = self._cell
        if isinstance(cell, DeadCell):
            cell.read(self._trace)
        value = cell.value if isinstance(cell, ValueCell) else None
        if value is None or isinstance(value, core.Tracer):
            raise AttributeError(f"The '{name}' attribute is not available on a reference inside of a transformation, "
                                 f"{self.aval}: its array has no place yet. ferax.typeof(ref) tells its type.")
        return value

    def __len__(self) -> int:
        return len(self.aval)

    def __repr__(self) -> str:
        cell = self._cell
        if isinstance(cell, ValueCell) and not isinstance(cell.value, core.Tracer):
            return repr(cell.value).replace("Array", "Ref", 1)
        return f"{self.aval}"

    def __copy__(self):
        return Ref(self.aval, self._trace, self._cell)

    def __deepcopy__(self, memo):
        self._concrete("__deepcopy__")
        return Ref(self.aval, self._trace, ValueCell(self._cell.read(self._trace)))

    def __reduce__(self):
        return _rebuild, (self.aval, self._concrete("__reduce__"))


def _rebuild(aval: AbstractRef, value) -> Ref:
    return Ref(aval, core.eval_trace, ValueCell(value))


def is_live(ref: Ref) -> bool:
    """Whether the reference belongs to no transformation, so that it outlives them all."""
    return ref._trace is core.eval_trace


def returned_error(ref: Ref, trace: Any, index: int) -> ValueError:
    """The error for a function that is traced, and returns a reference."""
    debug = trace.debug_info
    at = f" at {debug.func_location}" if debug.func_location else ""
    origin = ""
    own = ref._trace is trace
    position = trace.invars.index(trace.ref_var(ref)) if own and ref._cell is None else None
    if position is not None and debug.arg_names is not None and position < len(debug.arg_names):
        origin = f"\n\nThe returned mutable array was passed in as the argument {debug.arg_names[position]}."
    elif own and position is None:
        origin = "\n\nThe returned mutable array was made inside of the function."
    return ValueError(f"function {debug.func_name}{at} traced for {debug.transform} returned a mutable array reference of type "
                      f"{ref.aval}, as its flat result number {index}, but mutable array references cannot be returned. Return "
                      f"the array that it holds, ref[...].{origin}")


def unpack_error(what) -> TypeError:
    """The error for a reference where an array is needed."""
    return TypeError(f"Attempting to pass a Ref, {what.aval}, where an array is needed -- did you forget to unpack ([...]) "
                     "the ref? Write ref[...] for the array that it holds. (An operation that calls a function which closes over a "
                     "reference needs its array, too, if it is not one of jit, scan, while_loop, cond, checkpoint and their kin.)")
