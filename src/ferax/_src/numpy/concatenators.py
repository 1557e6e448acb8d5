"""``r_`` and ``c_``: concatenation written as an index.

    r_[x, 0, 1:4]       rows one after the other; slices are ranges, an imaginary step is a number of points
    c_[x, y]            vectors as the columns of a matrix
    r_["1,2,0", x, y]   a directive: the axis, the least number of dimensions, where the dimensions of smaller items go

References
----------
``numpy.r_`` and ``numpy.c_``
"""

from __future__ import annotations

from typing import NamedTuple

from ferax._src.numpy.creation import asarray
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.ranges import slice_points
from ferax._src.ops.shape import reshape
from ferax._src.tracing.core import Array


class _Directive(NamedTuple):
    """How items are put together.

    axis : along which
    ndmin : the least number of dimensions of an item
    place : where the dimensions of an item with fewer go among the ``ndmin``; -1 means last
    matrix : None, or "r" and "c" for a matrix of one row or one column where the result is a vector
    """

    axis: int
    ndmin: int
    place: int
    matrix: str | None = None

    def updated(self, text: str, name: str) -> _Directive:
        """With what a directive says, such as ``"0,2"``; what it leaves out is kept."""
        if text in ("r", "c"):
            return self._replace(matrix=text)
        try:
            numbers = [int(part) for part in text.split(",")]
        except ValueError:
            numbers = []
        if not 1 <= len(numbers) <= 3:
            raise ValueError(f"jnp.{name}: {text!r} is no directive; write 'r', 'c', or one to three integers such as '0,2,-1': the "
                             "axis, the least number of dimensions, and where the dimensions of smaller items go")
        return self._replace(**dict(zip(self._fields, numbers)))


class _Concatenator:
    """An object that concatenates what it is indexed with.

    Examples
    --------
    >>> jnp.r_[jnp.arange(2), 7, 0:3]
    Array([0, 1, 7, 0, 1, 2], dtype=int32)
    >>> jnp.c_[jnp.arange(2), jnp.ones(2, int)]
    Array([[0, 1],
           [1, 1]], dtype=int32)
    """

    def __init__(self, name: str, directive: _Directive):
        self.name = name
        self.directive = directive

    def __repr__(self) -> str:
        return f"<jnp.{self.name}>"

    def __len__(self) -> int:
        return 0

    def __getitem__(self, key):
        items = key if isinstance(key, tuple) else (key,)
        directive = self.directive
        if items and isinstance(items[0], str):
            directive, items = directive.updated(items[0], self.name), items[1:]
        if not items:
            raise ValueError(f"jnp.{self.name}: there is nothing to concatenate")
        if any([isinstance(item, str) for item in items]):
            raise ValueError(f"jnp.{self.name}: a directive must come first")
        parts = [_with_dimensions(self._array(item), directive) for item in items]
        out = concatenate(parts, axis=directive.axis)
        if directive.matrix is not None and out.ndim == 1:
            out = reshape(out, (1, out.size) if directive.matrix == "r" else (out.size, 1))
        return out

    def _array(self, item):
        if isinstance(item, slice):
            return slice_points(item, self.name)
        return item if isinstance(item, Array) else asarray(item)


def _with_dimensions(x, directive: _Directive):
    """An item with new dimensions around its own, so that there are ``ndmin``."""
    new = directive.ndmin - x.ndim
    if new <= 0:
        return x
    before = directive.place if directive.place >= 0 else directive.place + new + 1
    before = min(max(before, 0), new)
    return reshape(x, (1,) * before + x.shape + (1,) * (new - before))


r_ = _Concatenator("r_", _Directive(axis=0, ndmin=1, place=-1))
c_ = _Concatenator("c_", _Directive(axis=-1, ndmin=2, place=0))
