"""Ways to `fused` for functions of the array API.

`fused_optional`: an array argument may be None; whether it was given becomes part of the program's key.
`one_array_with`: one array and one static argument, by the shortest way.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from ferax._src.runtime.fused import fused, of_one_array
from ferax._src.tracing.core import eval_trace, state


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


def one_array_with(fun: Callable) -> Callable:
    """`of_one_array` for functions ``fun(x, how)`` of an array and a static, hashable argument.

    A function is made for each value of ``how`` and kept, so values must be few: axes and dtypes, not numbers of users.
    """
    made: dict = {}

    @functools.wraps(fun)
    def call(x, how):
        if state.trace is not eval_trace:
            return fun(x, how)
        one = made.get(how)
        if one is None:
            def bound(x):
                return fun(x, how)
            bound.__name__ = fun.__name__
            one = made[how] = of_one_array(bound)
        return one(x)

    return call
