"""How the elementwise functions of NumPy are made from operations: a row each.

    sin = unary("sin", ops.sin, INEXACT, "Sine of each element, in radians.")
    add = binary("add", ops.add, NUMERIC, "Sum ``x1 + x2``.", on_bool=ops.bitwise_or)

A row says which operation, what operands are promoted to, and for which kinds of dtype the operation applies as it
is. A function first tests the case that is nearly all of what happens: operands of one type that need nothing, or one
of them a Python number that fits. Then the primitive is bound at once. All else goes the *long way*, which checks,
promotes and broadcasts, as one compiled program in eager use.

`composite` is for functions of several operations: always the long way.

`operator` makes from a row the method ``__add__`` or ``__radd__`` of arrays, with the quick test in it.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable

import numpy as np

from ferax._src.numpy import util
from ferax._src.numpy.examples import EXAMPLES
from ferax._src.runtime.array import ArrayImpl
from ferax._src.runtime.fused import fused, of_one_array
from ferax._src.tracing.core import Array, state
from ferax._src.tracing.staging import JaxprTracer
from ferax._src.types import dtypes
from ferax._src.util import config
from ferax._src.util.tracebacks import filter_at_exit

# What operands are promoted to, and the kinds of dtype that this leaves alone.
SAME = "biufc"          # the join of their dtypes
NUMERIC = "iufc"        # ... booleans become integers
INEXACT = "fc"          # ... booleans and integers become floats

_PROMOTED = {SAME: dtypes.promoted, NUMERIC: dtypes.promoted_numeric, INEXACT: dtypes.promoted_inexact}
_x64 = config.enable_x64
_plain_type = util._PLAIN.get


# What needs no check: the arrays of eager use and of staging, and plain numbers.
_READY = frozenset({ArrayImpl, JaxprTracer, *util.SCALARS})


def _operands(name: str, *args) -> list:
    """Operands that are checked to be arrays, and unwrapped."""
    util.check_arraylike(name, *args)
    args = [util.operand(x) for x in args]                  # type: ignore[assignment]
    util.check_no_float0s(name, *args)
    return list(args)


def dtypes_of(letters: str) -> frozenset:
    """The dtypes of these kinds."""
    return frozenset(d for d in dtypes.ALL if dtypes.kind_of(d) in letters)


def _named(fun, name: str, doc: str, module: str):
    fun.__name__ = fun.__qualname__ = name
    fun.__doc__ = doc
    fun.__module__ = module
    return fun


_GIVES = {
    SAME: "the dtype that the operands promote to",
    NUMERIC: "the dtype that the operands promote to; of booleans, integers",
    INEXACT: "the dtype that the operands promote to; of booleans and integers, floats",
}


def _docstring(name: str, doc: str, params: tuple[str, ...], to: str, gives: str = "", refuse: str = "") -> str:
    """What there is to say of any elementwise function, around the sentences of its own."""
    example = EXAMPLES.get(name)
    several = len(params) > 1
    parts = [
        doc, "",
        "Parameters", "----------",
        f"{', '.join(params)} : {'arrays or numbers, broadcast against each other' if several else 'array or number'}", "",
        "Returns", "-------",
        f"Array of {gives or _GIVES[to]}; {'the shape is that to which they broadcast' if several else 'the shape is that of x'}", "",
        "Raises", "------",
        "TypeError : for what is neither array nor number, such as a list"
        f"{', and for complex operands' if refuse else ''}.",
    ]
    if several:
        parts.append("TypeError or ValueError : for shapes that do not broadcast.")
    parts += ["", "References", "----------", f"``numpy.{name}``"]
    if example:
        parts += ["", "Examples", "--------", f">>> print(jnp.{example[0]})", example[1]]
    return "\n".join(parts)


def _caller() -> str:
    frame = inspect.currentframe()
    while frame.f_globals["__name__"] == __name__:          # type: ignore[union-attr]
        frame = frame.f_back                                # type: ignore[union-attr]
    return frame.f_globals["__name__"]                      # type: ignore[union-attr]


def renamed(fun, name: str):
    """The same function under another name, for the second name that NumPy has for many."""
    other = types.FunctionType(fun.__code__, fun.__globals__, name, fun.__defaults__, fun.__closure__)
    other.__dict__.update(fun.__dict__)
    other.__kwdefaults__ = fun.__kwdefaults__
    other.__annotations__ = fun.__annotations__
    return _named(other, name, f"Another name of `{fun.__name__}`. {fun.__doc__}", fun.__module__)


def unary(name: str, op: Callable, to: str, doc: str, *, kinds: str | None = None, otherwise: Callable | None = None,
          unchanged: str = "", gives: str = ""):
    """A function of one operand.

    Parameters
    ----------
    name : public name
    op : function of one array
    to : SAME, NUMERIC or INEXACT; what the operand is promoted to
    doc : docstring
    kinds : kinds of dtype for which ``op`` is right as it is; by default those that ``to`` leaves alone
    otherwise : function of a promoted array of another kind; by default ``op``
    unchanged : kinds of dtype whose elements the function leaves as they are
    gives : the dtype of the result, for the docstring, if it is not what operands are promoted to
    """
    kinds = to if kinds is None else kinds
    direct, same = dtypes_of(kinds), dtypes_of(unchanged)
    promoted = _PROMOTED[to]

    @fused
    def long(x):
        x = util.cast(x, *promoted(x))
        if unchanged and util.dtype_kind(x) in unchanged:
            return util.as_array(x)
        return op(x) if otherwise is None or util.dtype_kind(x) in kinds else otherwise(x)

    at_once = of_one_array(op)

    def fun(x, /):
        try:
            if type(x) is ArrayImpl and x.aval.dtype in direct:
                return at_once(x)
            if isinstance(x, Array):
                if x.aval.dtype in direct:
                    return op(x)
                if x.aval.dtype in same:
                    return x
            return long(x) if type(x) in _READY else long(*_operands(name, x))
        except Exception as e:
            filter_at_exit(e)
            raise

    long.__name__ = name
    fun.op, fun.direct, fun.filters_tracebacks = op, direct, True
    return _named(fun, name, _docstring(name, doc, ("x",), to, gives), _caller())


def binary(name: str, op: Callable, to: str, doc: str, *, kinds: str | None = None, otherwise: Callable | None = None,
           params: tuple[str, str] = ("x1", "x2"), static: dict | None = None, gives: str = ""):
    """A function of two operands; see `unary`. ``op`` must be one primitive, ``op.p``.

    Parameters
    ----------
    params : the public names of the two operands
    static : parameters of the primitive
    gives : as of `unary`
    """
    kinds = to if kinds is None else kinds
    direct = dtypes_of(kinds)
    promoted = _PROMOTED[to]
    p = op.p
    static = static or {}

    @fused
    def long(x, y):
        x, y = util.promote_shapes(name, *util._cast_all((x, y), *promoted(x, y)))
        if otherwise is None or util.dtype_kind(x) in kinds:
            return op(x, y)
        return otherwise(x, y)

    def checked(x, y):
        if type(x) in _READY and type(y) in _READY:
            return long(x, y)
        return long(*_operands(name, x, y))

    def fun(x, y, /):
        try:
            if isinstance(x, Array):
                aval = x.aval
                if aval.dtype in direct:
                    if isinstance(y, Array):
                        if y.aval is aval:
                            return state.trace.process(p, (x, y), static.copy())[0]
                    else:
                        kind = type(y)
                        plain = _plain_type((kind, aval.dtype, _x64.value))
                        if plain is not None:
                            return state.trace.process(p, (x, y if plain is kind else plain(y)), static.copy())[0]
            return checked(x, y)
        except Exception as e:
            filter_at_exit(e)
            raise

    long.__name__ = name
    fun.p, fun.direct, fun.checked, fun.static, fun.filters_tracebacks = p, direct, checked, static, True
    fun.__signature__ = _binary_signature(params)
    return _named(fun, name, _docstring(name, doc, params, to, gives), _caller())


def _binary_signature(params):
    return inspect.Signature([inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in params])


def composite(name: str, to: str, doc: str, *, params: tuple[str, ...] = ("x1", "x2"), refuse: str = "",
              keyword: bool = False, gives: str = ""):
    """Decorator: a function of several operations, given its operands promoted; one program in eager use.

    Parameters
    ----------
    name, to, doc : as of `unary`
    params : the public names of the operands, one or two
    refuse : letters of the kinds of dtype that have no meaning here
    keyword : whether the two operands may be given by name, x1 and x2
    gives : as of `unary`
    """
    promoted = _PROMOTED[to]

    def decorate(body):
        @fused
        def long(*args):
            args = util._cast_all(args, *promoted(*args))
            if refuse and util.dtype_kind(args[0]) in refuse:
                raise TypeError(f"{name} does not support dtype {dtypes.dtype_name(util.aval_of(args[0]).dtype)}")
            return body(*util.promote_shapes(name, *args))

        long.__name__ = name

        if len(params) == 1:
            def fun(x, /):
                try:
                    return long(x) if type(x) in _READY else long(*_operands(name, x))
                except Exception as e:
                    filter_at_exit(e)
                    raise
        else:
            def checked(x1, x2):
                if type(x1) in _READY and type(x2) in _READY:
                    return long(x1, x2)
                return long(*_operands(name, x1, x2))

            if keyword:
                fun = checked
            else:
                def fun(x1, x2, /):                         # type: ignore[misc]
                    return checked(x1, x2)
                fun.__signature__ = _binary_signature(params)
            fun.checked = checked
        return _named(fun, name, _docstring(name, doc, params, to, gives, refuse), body.__module__)
    return decorate


# --- operators ----------------------------------------------------------------------------------

_OPERANDS = (Array, np.ndarray, np.generic, bool, int, float, complex)


def operator(fun: Callable, name: str, *, reflected: bool = False):
    """The method of arrays for a binary operator, from the row that `binary` or `composite` made.

    Other types are left to their own method: it answers NotImplemented for them.
    """
    checked = fun.checked
    if not hasattr(fun, "p"):
        def method(self, other):
            try:
                if isinstance(other, _OPERANDS) or getattr(other, "__jax_array__", None) is not None:
                    return checked(other, self) if reflected else checked(self, other)
                return _refuse(self, other, name)
            except Exception as e:
                filter_at_exit(e)
                raise
        return _named(method, name, fun.__doc__, "ferax")

    p, direct, static = fun.p, fun.direct, fun.static
    if reflected:
        def method(self, other):
            try:
                aval = self.aval
                kind = type(other)
                if aval.dtype in direct:
                    plain = _plain_type((kind, aval.dtype, _x64.value))
                    if plain is not None:
                        return state.trace.process(p, (other if plain is kind else plain(other), self), static.copy())[0]
                if isinstance(other, _OPERANDS) or getattr(other, "__jax_array__", None) is not None:
                    return checked(other, self)
                return _refuse(self, other, name)
            except Exception as e:
                filter_at_exit(e)
                raise
    else:
        def method(self, other):
            try:
                aval = self.aval
                if aval.dtype in direct:
                    if isinstance(other, Array):
                        if other.aval is aval:
                            return state.trace.process(p, (self, other), static.copy())[0]
                    else:
                        kind = type(other)
                        plain = _plain_type((kind, aval.dtype, _x64.value))
                        if plain is not None:
                            return state.trace.process(p, (self, other if plain is kind else plain(other)), static.copy())[0]
                if isinstance(other, _OPERANDS) or getattr(other, "__jax_array__", None) is not None:
                    return checked(self, other)
                return _refuse(self, other, name)
            except Exception as e:
                filter_at_exit(e)
                raise
    return _named(method, name, fun.__doc__, "ferax")


def _refuse(x, other, name: str):
    """NotImplemented, so that Python asks the other operand; lists would be asked in vain and get their own error."""
    if isinstance(other, (list, tuple)):
        raise TypeError(f"unsupported operand type(s) for {_SYMBOLS.get(name, name)}: {type(x).__name__!r} and "
                        f"{type(other).__name__!r}. Lists and tuples are not converted by themselves; call jnp.asarray(...) "
                        "on it first.")
    return NotImplemented


_SYMBOLS = {
    f"__{prefix}{name}__": symbol
    for name, symbol in {
        "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "matmul": "@",
        "and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>", "divmod": "divmod", "lt": "<", "le": "<=",
        "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}.items()
    for prefix in ("", "r")
}
