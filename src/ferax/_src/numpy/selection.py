"""Choosing elements by conditions: where, select, piecewise."""

from __future__ import annotations

from ferax._src.numpy import finding, util
from ferax._src.numpy.util import (
    as_bool, broadcast_all, check_arraylike, choose, ensure_arraylike, operand, promote_dtypes)
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.select import select_n, select_n_p
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Array, state
from ferax._src.types import dtypes
from ferax._src.util import config
from ferax._src.util.tracebacks import filter_at_exit

_bool = dtypes.bool_


_plain_type = util._PLAIN.get
_x64 = config.enable_x64


def _number_like(value, aval):
    """A Python number as one that has the dtype of ``aval``, to be an operand beside it; None if it is not so simple."""
    kind = type(value)
    if kind is bool:
        return None
    plain = _plain_type((kind, aval.dtype, _x64.value))
    return None if plain is None else value if plain is kind else plain(value)


@fused
def _where(condition, x, y):
    util.check_broadcast("where", condition, x, y)
    return choose(condition, x, y)


def where(condition, x=None, y=None, /, *, size=None, fill_value=None):
    """``x`` where a condition holds, else ``y``, element by element; given the condition alone, where it holds.

    Parameters
    ----------
    condition : array-like; what is not a boolean is compared with zero
    x, y : array-likes; the three broadcast against each other
    size, fill_value : only for the condition alone, see `nonzero`

    Returns
    -------
    array of the dtype that ``x`` and ``y`` promote to; a tuple of index arrays for the condition alone
        Under differentiation the branch not taken is still computed: a nan in its derivative spoils the result. To keep
        it away, choose a harmless argument with ``where`` first.

    References
    ----------
    ``numpy.where``

    Examples
    --------
    >>> jnp.where(jnp.array([True, False]), 1, jnp.array([5, 6]))
    Array([1, 6], dtype=int32)
    """
    try:
        if isinstance(condition, Array) and condition.aval.dtype is _bool and size is fill_value is None:
            shape = condition.aval.shape
            if isinstance(x, Array):
                aval = x.aval
                other = y if isinstance(y, Array) and y.aval is aval else _number_like(y, aval)
                if other is not None and (shape == aval.shape or not shape):
                    return state.trace.process(select_n_p, (condition, other, x), {})[0]
            elif isinstance(y, Array):
                aval = y.aval
                other = _number_like(x, aval)
                if other is not None and (shape == aval.shape or not shape):
                    return state.trace.process(select_n_p, (condition, y, other), {})[0]
        if x is None and y is None:
            check_arraylike("where", condition)
            return finding.nonzero(condition, size=size, fill_value=fill_value)
        if size is not None or fill_value is not None:
            raise ValueError("size and fill_value arguments cannot be used in three-term where function.")
        if x is None or y is None:
            raise TypeError("Either both or neither of the x and y arguments should be provided to jax.numpy.where, "
                            f"got {x} and {y}.")
        check_arraylike("where", condition, x, y)
        return _where(operand(condition), operand(x), operand(y))
    except Exception as e:
        filter_at_exit(e)
        raise


@fused(static=("n",))
def _select(*arrays, n):
    conditions, choices, default = arrays[:n], arrays[n:2 * n], arrays[2 * n]
    default, *choices = promote_dtypes(default, *choices)
    everything = broadcast_all("select", *[as_bool(c) for c in conditions], default, *choices)
    conditions, (out, *choices) = everything[:n], everything[n:]
    for condition, choice in reversed(list(zip(conditions, choices))):
        out = select_n(condition, out, choice)              # the first condition that holds wins: it comes last here
    return out


def select(condlist, choicelist, default=0):
    """The choice whose condition holds first, element by element.

    Parameters
    ----------
    condlist : sequence of array-likes
    choicelist : sequence of as many array-likes
    default : what to take where no condition holds

    Returns
    -------
    array; all arguments broadcast against each other, choices and default are promoted to one dtype

    References
    ----------
    ``numpy.select``

    Examples
    --------
    >>> jnp.select([jnp.array([True, False])], [jnp.array([1, 2])], default=9)
    Array([1, 9], dtype=int32)
    """
    if len(condlist) != len(choicelist):
        raise ValueError(f"condlist must have length equal to choicelist ({len(condlist)} vs {len(choicelist)})")
    if len(condlist) == 0:
        raise ValueError("condlist must be non-empty")
    check_arraylike("select", *condlist, *choicelist, default)
    return _select(*[operand(x) for x in (*condlist, *choicelist, default)], n=len(condlist))


def piecewise(x, condlist, funclist, *args, **kw):
    """A function given in pieces: where a condition holds, the function that belongs to it.

    Parameters
    ----------
    x : array-like
    condlist : sequence of boolean arrays that broadcast to ``x``, or one array of them
    funclist : a function of an array, or a number, for each condition; one more is for where none holds, otherwise 0
    args, kw : further arguments of the functions

    Returns
    -------
    array of the shape and dtype of ``x``
        Of several conditions that hold the last one wins. All functions are applied to all of ``x``.

    References
    ----------
    ``numpy.piecewise``

    Examples
    --------
    >>> jnp.piecewise(jnp.array([-2, 3]), [jnp.array([True, False])], [lambda x: -x, 7])
    Array([2, 7], dtype=int32)
    """
    x = ensure_arraylike("piecewise", x)
    condlist = condlist if isinstance(condlist, (list, tuple)) else list(condlist)
    n, m = len(condlist), len(funclist)
    if m == n + 1:
        funclist = [funclist[-1], *funclist[:-1]]
    elif m == n:
        funclist = [0, *funclist]
    else:
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected; got {m}")
    values = [convert(as_array(f(x, *args, **kw)) if callable(f) else operand(f), x.dtype) for f in funclist]
    out, *values = [full(x.shape, v) if not v.shape else v for v in values]
    for condition, value in zip(condlist, values):
        out = choose(convert(as_array(condition), _bool), value, out)
    return out

for _function in (where,):
    _function.filters_tracebacks = True         # type: ignore[attr-defined]
