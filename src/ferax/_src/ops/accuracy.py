"""How exact an elementwise function has to be: the option ``accuracy`` of `exp`, `sin`, `tanh` and their like."""

from __future__ import annotations

import enum


class AccuracyMode(enum.Enum):
    """The most exact implementation that the platform has, or its usual one."""

    HIGHEST = 1
    DEFAULT = 2

    def attribute(self, ctx):
        """As the attribute of a StableHLO operation."""
        return ctx.result_accuracy(0.0, 0.0, 0, self.name)


class Tolerance:
    """How much a function may be off: absolutely, relatively, and in units of the last place."""

    __slots__ = ("atol", "rtol", "ulps")

    def __init__(self, atol: float = 0.0, rtol: float = 0.0, ulps: int = 0):
        if atol < 0.0 or rtol < 0.0 or ulps < 0:
            raise ValueError(f"Tolerances must be non-negative; got atol={atol}, rtol={rtol}, ulps={ulps}")
        if not (atol or rtol or ulps):
            raise ValueError("At least one of atol, rtol and ulps must be set")
        self.atol, self.rtol, self.ulps = float(atol), float(rtol), int(ulps)

    def _key(self):
        return self.atol, self.rtol, self.ulps

    def __eq__(self, other) -> bool:
        return isinstance(other, Tolerance) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Tolerance(atol={self.atol}, rtol={self.rtol}, ulps={self.ulps})"

    def attribute(self, ctx):
        """As the attribute of a StableHLO operation."""
        return ctx.result_accuracy(self.atol, self.rtol, self.ulps, "TOLERANCE")


def as_accuracy(accuracy):
    """An ``accuracy=`` argument that was checked: None, an `AccuracyMode` or a `Tolerance`."""
    if accuracy is None or isinstance(accuracy, (AccuracyMode, Tolerance)):
        return accuracy
    raise TypeError(f"accuracy must be None, an AccuracyMode or a Tolerance; got {accuracy!r}")
