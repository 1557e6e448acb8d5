"""`fused` for functions with optional array arguments.

`runtime.fused` takes arrays only. Here an argument may be None: whether it was given becomes part of the program's key.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from ferax._src.runtime.fused import fused


def fused_optional(fun: Callable | None = None, *, static: tuple[str, ...] = ()) -> Callable:
    """`fused`, with positional arguments that may be None.

    Parameters
    ----------
    fun : function of arrays or None, and of static keyword arguments
    static : names of the keyword arguments
    """
    if fun is None:
        return lambda f: fused_optional(f, static=static)

    @fused(static=(*static, "given"))
    @functools.wraps(fun)
    def packed(*arrays, given, **statics):
        rest = iter(arrays)
        return fun(*[next(rest) if there else None for there in given], **statics)

    @functools.wraps(fun)
    def call(*args, **statics):
        return packed(*[x for x in args if x is not None], given=tuple([x is not None for x in args]), **statics)

    return call
