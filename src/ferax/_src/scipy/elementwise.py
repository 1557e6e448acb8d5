"""How the elementwise special functions are made: their operands are checked, promoted, and computed with as one program."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import numpy as np

import ferax._src.numpy.array_methods  # noqa: F401 (hangs the operators on arrays, with which formulas are written here)
from ferax._src.numpy import util
from ferax._src.ops.convert import convert
from ferax._src.runtime.fused import fused

FLOAT32 = np.dtype(np.float32)


def elementwise(body: Callable | None = None, *, complexes: bool = False):
    """Decorator: a function of arrays of one inexact dtype becomes one of array-likes, run as one program in eager use.

    Parameters
    ----------
    body : function of positional arrays, whose signature and docstring the result has
    complexes : whether ``body`` takes complex numbers, or refuses them itself
    """
    if body is None:
        return lambda f: elementwise(f, complexes=complexes)
    name = body.__name__
    bind = inspect.signature(body).bind

    @fused
    def program(*args):
        args = [util.as_array(x) for x in util.promote_args_inexact(name, *args)]
        if not complexes:
            refuse_complex(name, *args)
        return body(*args)
    program.__name__ = name

    @functools.wraps(body)
    def call(*args, **kwargs):
        args = bind(*args, **kwargs).args
        util.check_arraylike(name, *args)
        return program(*[util.operand(x) for x in args])
    return call


def refuse_complex(name: str, *args) -> None:
    """Raise a ValueError if there are complex numbers."""
    for x in args:
        if util.dtype_kind(x) == "c":
            raise ValueError(f"{name} does not support complex-valued inputs; got dtype {x.dtype}.")


def at_least_32_bits(body: Callable):
    """Decorator: arrays of fewer than 32 bits are computed with in float32."""
    @functools.wraps(body)
    def call(*args):
        args = [util.as_array(x) for x in args]     # in rules of derivatives, operands may be numbers
        dtype = args[0].dtype
        if dtype.itemsize >= 4:
            return body(*args)
        found = body(*[convert(x, FLOAT32) for x in args])
        return tuple([convert(y, dtype) for y in found]) if isinstance(found, tuple) else convert(found, dtype)
    return call


def only_wide(name: str, x):
    """The operand as an array of float32 or float64, or a TypeError."""
    x = util.ensure_arraylike(name, x)
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name}: x.dtype={x.dtype} is not supported, only float32 and float64 are")
    return convert(x, x.dtype)                      # not weak any more
