"""`ds`: a slice of a known size that starts anywhere, for indices of references and arrays."""

from __future__ import annotations

import operator
from typing import Any

from ferax._src.tracing.core import Array


class Slice:
    """``size`` elements from ``start`` on, ``stride`` apart. Unlike those of a Python slice, ``start`` may be computed."""

    __slots__ = ("start", "size", "stride")

    def __init__(self, start: Any, size: int, stride: int = 1):
        self.start = start
        self.size = size
        self.stride = stride

    def __eq__(self, other) -> bool:
        return isinstance(other, Slice) and (self.start, self.size, self.stride) == (other.start, other.size, other.stride)

    def __hash__(self) -> int:
        return hash((self.start, self.size, self.stride))

    def __repr__(self) -> str:
        return f"Slice(start={self.start}, size={self.size}, stride={self.stride})"

    @property
    def is_dynamic_start(self) -> bool:
        """Whether the start is an array."""
        return isinstance(self.start, Array)

    @property
    def span(self) -> int:
        """How many elements lie between the first and the last one, both counted."""
        return (self.size - 1) * self.stride + 1 if self.size else 0

    def positions(self) -> range:
        """The positions, where the start is a number."""
        return range(self.start, self.start + self.size * self.stride, self.stride)


def ds(start, size=None, stride=None):
    """A slice of ``size`` elements from ``start`` on, which may be computed: ``ref[ds(i, 8)]``, ``x[ds(i, 8)]``.

    Parameters
    ----------
    start : int or integer scalar array; alone it is the size, and the start is 0. None stands for the whole dimension
    size : int
    stride : int, the distance between two elements; by default 1

    Returns
    -------
    Slice, or ``slice(None)``

    Raises
    ------
    TypeError : if ``size`` or ``stride`` is not an int.

    Examples
    --------
    >>> jnp.arange(10)[ds(3, 4)]
    Array([3, 4, 5, 6], dtype=int32)
    """
    if start is None:
        return slice(None)
    if size is None:
        start, size = 0, start
    try:
        return Slice(start, operator.index(size), 1 if stride is None else operator.index(stride))
    except TypeError:
        raise TypeError("ds: size and stride must be ints, since they are part of the type of the result; got "
                        f"size={size!r}, stride={stride!r}") from None
