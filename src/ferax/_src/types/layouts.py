"""In which order the elements of an array lie in the memory of a device."""

from __future__ import annotations

from ferax._src import engine


class _Auto:
    """The layout that the compiler is to choose."""

    def __repr__(self) -> str:
        return "AUTO"

    def __reduce__(self):
        return _auto, ()


def _auto() -> _Auto:
    return Layout.AUTO


class Layout:
    """The order of the elements of an array in memory.

    Attributes
    ----------
    major_to_minor : tuple of int, the dimensions from the slowest to the fastest: ``(0, 1)`` for rows one after another
    tiling : tuple of tuples of int, the tiles into which the array is cut, on devices that do so; or None
    sub_byte_element_size_in_bits : int, of elements that lie closer than bytes; 0 for others
    """

    AUTO = _Auto()

    def __init__(self, major_to_minor, tiling=None, sub_byte_element_size_in_bits=0):
        self.major_to_minor = tuple(major_to_minor)
        self.tiling = None if tiling is None else tuple(map(tuple, tiling))
        self.sub_byte_element_size_in_bits = sub_byte_element_size_in_bits

    @staticmethod
    def from_pjrt_layout(pjrt_layout) -> Layout:
        """The layout that the engine tells of a buffer."""
        found = pjrt_layout._xla_layout()
        return Layout(found.minor_to_major()[::-1], found.tiling(), found.element_size_in_bits())

    def update(self, **kwargs) -> Layout:
        """The layout with some attributes replaced."""
        return Layout(**(vars(self) | kwargs))

    def check_compatible_aval(self, aval_shape) -> None:
        """Raise ValueError if the layout is of another number of dimensions than ``aval_shape``."""
        if len(self.major_to_minor) != len(aval_shape):
            raise ValueError(f"a layout must name as many dimensions as the array has: major_to_minor={self.major_to_minor} for "
                             f"the shape {tuple(aval_shape)}")

    def _key(self) -> tuple:
        return self.major_to_minor, self.tiling, self.sub_byte_element_size_in_bits

    def __eq__(self, other) -> bool:
        return isinstance(other, Layout) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return "Layout(" + ", ".join(f"{name}={value}" for name, value in vars(self).items()) + ")"


class Format:
    """A layout and a sharding: all of how an array lies in memory.

    Attributes
    ----------
    layout : Layout, `Layout.AUTO`, or None where it is left open
    sharding : Sharding, or None where it is left open; needed where the layout is given
    """

    __slots__ = ("layout", "sharding")

    def __init__(self, layout=None, sharding=None):
        if not (layout is None or isinstance(layout, (Layout, _Auto))):
            raise TypeError(f"Format: layout must be a Layout, Layout.AUTO or None, got {layout!r}, of type "
                            f"{type(layout).__name__}")
        if not (sharding is None or isinstance(sharding, engine.Sharding)):
            raise TypeError(f"Format: sharding must be a Sharding or None, got {sharding!r} of type {type(sharding).__name__}")
        if isinstance(layout, Layout) and sharding is None:
            raise ValueError(f"Format: a layout of its own needs a sharding too, got {layout} and sharding=None")
        self.layout = layout
        self.sharding = sharding

    def __eq__(self, other) -> bool:
        return isinstance(other, Format) and self.layout == other.layout and self.sharding == other.sharding

    def __hash__(self) -> int:
        return hash((self.layout, self.sharding))

    def __repr__(self) -> str:
        return f"Format(layout={self.layout}, sharding={self.sharding})"
