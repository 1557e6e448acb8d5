"""Arguments for the calls of `api_table`: shapes, dtypes, axes and arrays, drawn choice by choice.

A row's generator takes a `Draw` and answers a `Call`. Everything it needs it asks the `Draw` for, which asks a
``choose(n)`` for a number below n: Hypothesis stands behind it in the tests, so that failures shrink; a random generator
where the same calls are made by two libraries (`compare_jax`). Smaller choices are the simpler ones.

The numbers in an array come from a seed, not from choices, so that `Draw.again` repeats a call with the same structure
and other numbers: that is how what ``vmap`` maps over is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np

BOOL = ("bool",)
SIGNED = ("int32", "int8", "int16", "int64")
UNSIGNED = ("uint8", "uint32", "uint16", "uint64")
INTS = SIGNED + UNSIGNED
FLOATS = ("float32", "bfloat16", "float16", "float64", "float32")
COMPLEX = ("complex64", "complex128")
INEXACT = FLOATS + COMPLEX
REAL = FLOATS + INTS            # what has an order
NUMBERS = FLOATS + INTS + COMPLEX
ANY = NUMBERS + BOOL
NARROW = ("int4", "uint4", "float8_e4m3fn", "float8_e5m2")      # which never promote by themselves


def np_dtype(name) -> np.dtype:
    """The dtype of that name, of NumPy or of ml_dtypes."""
    return np.dtype(getattr(ml_dtypes, name, None) or name) if isinstance(name, str) else np.dtype(name)


def kind(dtype) -> str:
    """``b``, ``i``, ``u``, ``f`` or ``c``: also of the dtypes that NumPy files under ``V``."""
    dtype = np_dtype(dtype)
    if dtype.kind != "V":
        return dtype.kind
    return "f" if "float" in dtype.name else "u" if dtype.name.startswith("u") else "i"


@dataclass
class Call:
    """Arguments of one call. NumPy arrays in them, also within lists, tuples and dicts, are what transformations vary."""

    args: tuple
    kwargs: dict = field(default_factory=dict)

    def __repr__(self):
        parts = [show(x) for x in self.args] + [f"{k}={show(v)}" for k, v in self.kwargs.items()]
        return f"({', '.join(parts)})"


def call(*args, **kwargs) -> Call:
    return Call(args, kwargs)


class Fixed:
    """A NumPy array that no transformation varies, because its values decide shapes; handed on as it is."""

    def __init__(self, array):
        self.array = np.asarray(array)

    def __repr__(self):
        return show(self.array)


def show(x) -> str:
    """An argument, for the report of a failure."""
    if isinstance(x, np.ndarray):
        return f"{x.dtype.name}{list(x.shape)}{np.array2string(x, threshold=20, separator=', ')}".replace("\n", "")
    if isinstance(x, (list, tuple)):
        inside = ", ".join(map(show, x))
        return f"[{inside}]" if isinstance(x, list) else f"({inside},)"
    return repr(x)


class Draw:
    """Draws the arguments of one call.

    choose : callable, given n answers an int in ``range(n)``
    seed : of the numbers in arrays
    smooth : whether the call is for derivatives: arrays are then float64 or complex128 with elements well apart
        and no special values, and have at least one element
    traced : whether the call will be traced: sizes that depend on values must then be given
    """

    def __init__(self, choose: Callable[[int], int], seed=0, smooth=False, traced=False):
        self.smooth = smooth
        self.traced = traced or smooth
        self.rng = np.random.default_rng(seed)
        self._choose = choose
        self._chosen: list[int] = []

    def again(self, seed) -> Draw:
        """A `Draw` that makes the same choices with other numbers."""
        chosen = iter(self._chosen)
        return Draw(lambda n: next(chosen), seed, self.smooth, self.traced)

    # --- choices ----------------------------------------------------------------------------------

    def pick(self, *options):
        """One of the options; the first is the simplest."""
        n = self._choose(len(options)) if len(options) > 1 else 0
        if len(options) > 1:
            self._chosen.append(n)
        return options[n]

    def integer(self, low, high) -> int:
        """An int between two, both included."""
        return self.pick(*range(low, high + 1))

    def flag(self) -> bool:
        return self.pick(False, True)

    def some(self, **options) -> dict:
        """A part of the options, as keyword arguments: each is there or not; a tuple of values stands for one of them."""
        given = {}
        for name, value in options.items():
            if self.flag():
                given[name] = self.pick(*value) if isinstance(value, tuple) else value
        return given

    # --- shapes -----------------------------------------------------------------------------------

    def shape(self, low=0, high=3, empty=True, sizes=(2, 3, 1, 4)) -> tuple:
        """A shape of between ``low`` and ``high`` dimensions; with ``empty`` some have no elements."""
        rank = self.integer(low, high)
        shape = [self.pick(*sizes) for _ in range(rank)]
        if empty and not self.smooth and rank and self.integer(0, 9) == 9:
            shape[self.integer(0, rank - 1)] = 0
        return tuple(shape)

    def broadcasting(self, n=2, low=0, high=3, empty=True) -> list[tuple]:
        """Shapes that broadcast with each other: dimensions left out in front or of size 1."""
        whole = self.shape(low, high, empty)
        shapes = []
        for i in range(n):
            cut = self.integer(0, len(whole)) if self.flag() else 0
            shapes.append(tuple(1 if self.integer(0, 3) == 3 else size for size in whole[cut:]) if i else whole)
        return shapes if self.flag() else shapes[::-1]

    def axis(self, ndim, none=False):
        """An axis of an array of ``ndim`` dimensions, counted from either end; or, if ``none``, at times None."""
        options = [*range(-ndim, ndim)]
        return self.pick(*([None] if none or not options else []), *options)

    def axes(self, ndim):
        """What reductions take: None, an axis, or a tuple of different ones, perhaps none."""
        if self.flag():
            return self.axis(ndim, none=True)
        chosen = [a for a in range(ndim) if self.flag()]
        return tuple(a - ndim if self.flag() else a for a in (reversed(chosen) if self.flag() else chosen))

    # --- arrays -----------------------------------------------------------------------------------

    def dtype(self, kinds=NUMBERS) -> np.dtype:
        """One of the dtypes; for derivatives the widest floating or complex ones among them."""
        if self.smooth and any(kind(k) in "fc" for k in kinds):
            wide = {"f": "float64", "c": "complex128"}
            kinds = tuple(dict.fromkeys(wide[kind(k)] for k in kinds if kind(k) in "fc"))
        return np_dtype(self.pick(*kinds))

    def array(self, kinds=NUMBERS, shape=None, low=-4.0, high=4.0, special=True, distinct=False, dtype=None) -> np.ndarray:
        """An array.

        kinds : names of the dtypes that are possible, or ``dtype`` the one
        shape : of it; drawn if None
        low, high : of its elements; of complex ones, for both parts
        special : whether some floating elements may be NaN, infinite or zeros of either sign
        distinct : whether all elements differ, however the dtype allows
        """
        dtype = self.dtype(kinds) if dtype is None else np_dtype(dtype)
        shape = self.shape() if shape is None else shape
        x = self._numbers(dtype, shape, low, high, distinct or self.smooth)
        if kind(dtype) == "f" and special and not self.smooth and x.size and self.integer(0, 4) == 4:
            places = self.rng.integers(x.size, size=max(1, x.size // 3))
            x.reshape(-1)[places] = self.rng.choice(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0]), len(places)).astype(dtype)
        return x

    def _numbers(self, dtype, shape, low, high, distinct):
        def real():
            n = int(np.prod(shape))
            if distinct:
                spread = (self.rng.permutation(n) + self.rng.uniform(0.3, 0.7, n)) / max(n, 1)
                return (low + (high - low) * spread).reshape(shape)
            return self.rng.uniform(low, high, shape)
        match kind(dtype):
            case "c":
                return np.asarray(real() + 1j * real()).astype(dtype)
            case "b":
                return np.asarray(real() > (low + high) / 2)
            case "i" | "u" as k:
                info = ml_dtypes.iinfo(dtype)
                least, most = (max(np.ceil(low), info.min), min(np.floor(high), info.max))
                if k == "u" and high <= 0:
                    least, most = 0, 3
                if distinct:
                    return np.asarray(least + self.rng.permutation(int(np.prod(shape)))).reshape(shape).astype(dtype)
                return np.asarray(self.rng.integers(int(least), int(most) + 1, shape)).astype(dtype)
        return np.asarray(real()).astype(dtype)

    def indices(self, n, shape, negative=True, dtype=None) -> np.ndarray:
        """Indices into an axis of ``n`` elements, also from its end."""
        dtype = dtype or self.pick("int32", "uint8", "int64", "int8")
        low = -n if negative and kind(dtype) == "i" else 0
        return self.rng.integers(low, max(n, 1), shape).astype(dtype)


def arrays_of(x) -> list[np.ndarray]:
    """The NumPy arrays in an argument or a call, in order."""
    if isinstance(x, Call):
        return arrays_of(list(x.args)) + arrays_of(list(x.kwargs.values()))
    if isinstance(x, np.ndarray):
        return [x]
    if isinstance(x, dict):
        return arrays_of(list(x.values()))
    return [a for v in x for a in arrays_of(v)] if isinstance(x, (list, tuple)) else []


def with_arrays(x, arrays):
    """An argument or a call with its NumPy arrays replaced by those an iterator yields, in the order of `arrays_of`."""
    if isinstance(x, Call):
        return Call(tuple(with_arrays(v, arrays) for v in x.args), with_arrays(x.kwargs, arrays))
    if isinstance(x, np.ndarray):
        return next(arrays)
    if isinstance(x, Fixed):
        return x.array
    if isinstance(x, dict):
        return {k: with_arrays(v, arrays) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        inside = [with_arrays(v, arrays) for v in x]
        return type(x)(*inside) if hasattr(x, "_fields") else type(x)(inside)
    return x


# --- generators that many rows share ------------------------------------------------------------

def unary(kinds=NUMBERS, low=-4.0, high=4.0, **options):
    """One array."""
    return lambda d: call(d.array(kinds, low=low, high=high, **options))


def binary(kinds=NUMBERS, low=-4.0, high=4.0, **options):
    """Two arrays of shapes that broadcast; now and then one operand is a Python number."""
    def calls(d):
        a, b = d.broadcasting(2)
        x, y = d.array(kinds, a, low, high, **options), d.array(kinds, b, low, high, **options)
        if not d.smooth and d.integer(0, 5) == 5:
            y = next((cast(y.reshape(-1)[0]) for k, cast in (("b", bool), ("i", int), ("u", int), ("f", float), ("c", complex))
                      if y.size and kind(y.dtype) == k), y)
        return call(x, y)
    return calls


def reduction(kinds=NUMBERS, where=False, initial=False, low=-4.0, high=4.0, empty=True, **options):
    """An array with ``axis``, ``keepdims``, and at times ``where`` and ``initial``."""
    def calls(d: Draw):
        x = d.array(kinds, d.shape(empty=empty), low, high, **options)
        kwargs: dict = d.some(axis=(d.axes(x.ndim),), keepdims=(True, False))
        if where and d.flag():
            kwargs["where"] = d.array(BOOL, d.pick(x.shape, x.shape[1:]))
        if initial and ("where" in kwargs or d.flag() or not x.size):
            kwargs["initial"] = 2
        return call(x, **kwargs)
    return calls


def cases(*calls: Call | Sequence):
    """One of the given calls: for arguments that are not arrays."""
    return lambda d: d.pick(*calls)
