"""`ufunc`: an elementwise function of two operands that also reduces, accumulates, and updates arrays.

``jnp.add(x, y)`` is `arithmetic.add`; ``jnp.add.reduce(x)`` is ``jnp.sum``. Where NumPy has a reduction of its own for a
ufunc, that is used; all others go element by element, in a scan. `frompyfunc` makes a ufunc of any function of numbers.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator

import numpy as np

from ferax._src.api.vmap import vmap
from ferax._src.control.scan_api import scan
from ferax._src.numpy import arithmetic, bitwise, comparison, cumulative, exponential, reductions, util
from ferax._src.numpy.array_at import IndexUpdateHelper
from ferax._src.numpy.indexing import take_index
from ferax._src.numpy.taking import take
from ferax._src.ops import elementwise as ops
from ferax._src.ops.axes import move_axis
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.compare import ge, gt, lt
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise_bits import bitwise_and as both
from ferax._src.ops.joining import concatenate
from ferax._src.ops.shape import iota, reshape
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import normalize_axes, normalize_axis
from ferax._src.types import dtypes
from ferax._src.types.pytrees import tree_map
from ferax._src.util.tracebacks import api_boundary

_SIGNATURE = inspect.signature(lambda *args, out=None, where=None: None)


class ufunc:
    """A function of numbers that is applied element by element.

    Parameters
    ----------
    func : function of ``nin`` numbers
    nin, nout : how many operands and results it has
    name : by default that of ``func``
    nargs : ``nin + nout``
    identity : the number that changes nothing, with which a reduction starts; None if there is none
    call : the function for whole arrays; by default ``func``, mapped over them
    reduce, accumulate, at, reduceat : functions that do quicker what the methods of these names do

    Examples
    --------
    >>> jnp.add.reduce(jnp.arange(4)), jnp.add.identity
    (Array(6, dtype=int32), 0)
    """

    def __init__(self, func, /, nin, nout, *, name=None, nargs=None, identity=None, call=None, reduce=None, accumulate=None,
                 at=None, reduceat=None):
        self.__doc__ = func.__doc__
        self.__name__ = name or func.__name__
        self.__wrapped__ = func
        self.__signature__ = _SIGNATURE
        self._nin, self._nout = operator.index(nin), operator.index(nout)
        self._nargs = operator.index(self._nin + self._nout if nargs is None else nargs)
        self._identity = identity
        self._function = call or functools.partial(_mapped, func)
        self._reduce, self._accumulate, self._at, self._reduceat = reduce, accumulate, at, reduceat

    nin = property(lambda self: self._nin, doc="How many operands there are.")
    nout = property(lambda self: self._nout, doc="How many results there are.")
    nargs = property(lambda self: self._nargs, doc="How many operands and results there are.")
    identity = property(lambda self: self._identity, doc="The number that changes nothing, or None.")

    def __repr__(self) -> str:
        return f"<jnp.ufunc '{self.__name__}'>"

    def _fields(self) -> tuple:
        return self.__wrapped__, self.__name__, self._nin, self._nout, self._nargs, self._identity

    def __hash__(self) -> int:
        return hash(self._fields())

    def __eq__(self, other) -> bool:
        return self is other or (isinstance(other, ufunc) and self._fields() == other._fields())

    def __reduce__(self):
        return _find, (self.__name__,) if _table.get(self.__name__) is self else (None, self.__wrapped__, self._nin,
                                                                                  self._nout, self._identity)

    @api_boundary
    def __call__(self, *args, out=None, where=None):
        if out is not None:
            raise NotImplementedError(f"out argument of {self}")
        if where is not None:
            raise NotImplementedError(f"where argument of {self}")
        if len(args) != self._nin:
            raise TypeError(f"{self.__name__} takes {self._nin} positional arguments but {len(args)} were given")
        return self._function(*args)

    def _need(self, method: str) -> None:
        if self._nin != 2 or self._nout != 1:
            raise ValueError(f"{self.__name__}.{method} only supported for binary functions that return a single value")

    def _refuse_out(self, method: str, out) -> None:
        if out is not None:
            raise NotImplementedError(f"out argument of {self.__name__}.{method}()")

    def reduce(self, a, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=None):
        """Combine the elements along axes.

        Parameters
        ----------
        a : array
        axis : int, tuple of int, or None for all
        dtype : dtype-like, in which to compute
        out : not supported
        keepdims : whether the axes stay, with size 1
        initial : number to start with
        where : boolean array; which elements to combine

        Returns
        -------
        Array

        Raises
        ------
        ValueError : for functions of other than two operands; for ``where``, or no elements, without an identity or ``initial``.

        Examples
        --------
        >>> jnp.multiply.reduce(jnp.array([[1, 2], [3, 4]]), axis=1)
        Array([ 2, 12], dtype=int32)
        """
        self._need("reduce")
        self._refuse_out("reduce", out)
        util.check_arraylike(f"{self.__name__}.reduce", a)
        util.check_arraylike_or_none(f"{self.__name__}.reduce", initial, where)
        if where is not None and self._identity is None and initial is None:
            raise ValueError(f"reduction operation {self.__name__!r} does not have an identity, so to use a where mask one has "
                             "to specify 'initial'.")
        if self._reduce is not None:
            return self._reduce(a, axis=axis, dtype=dtype, keepdims=keepdims, initial=initial, where=where)
        a = util.as_array(util.operand(a))
        axes = normalize_axes(axis, a.ndim)
        if dtype is not None:
            a = convert(a, dtypes.check_user_dtype(dtype, f"{self.__name__}.reduce"))
        start = self._identity if initial is None else initial
        if start is None and any([a.shape[i] == 0 for i in axes]):
            raise ValueError(f"zero-size array to reduction operation {self.__name__} which has no identity")
        shape = a.shape
        rows = _flat_rows(a, axes)
        if where is not None:
            where = _flat_rows(util.broadcast_to(util.as_bool(util.as_array(util.operand(where))), shape), axes)
        result = self._fold(rows, start, where)
        if keepdims:
            result = reshape(result, tuple([1 if i in axes else n for i, n in enumerate(shape)]))
        return result

    def _fold(self, rows, start, where):
        """Combine the rows of an array, from the first to the last."""
        dtype = self._result_dtype(rows)
        if start is None:
            carry, rows = convert(take_index(rows, 0), dtype), slice_in_dim(rows, 1, None)
        else:
            carry = util.broadcast_to(convert(util.as_array(start), dtype), rows.shape[1:])

        def step(carry, row):
            value, keep = row if where is not None else (row, None)
            new = convert(self(carry, value), dtype)
            return (new if keep is None else util.choose(keep, new, carry)), None
        return scan(step, carry, rows if where is None else (rows, where))[0]

    def _result_dtype(self, a):
        one = util.const(a, 1)
        return util.aval_of(self(one, one)).dtype if util.dtype_kind(a) != "V" else a.dtype

    def accumulate(self, a, axis=0, dtype=None, out=None):
        """All the partial results of `reduce` along an axis.

        Parameters
        ----------
        a : array of at least one dimension
        axis : int
        dtype : dtype-like, in which to compute
        out : not supported

        Returns
        -------
        Array, of the shape of ``a``

        Raises
        ------
        ValueError : for functions of other than two operands, and for an axis that does not exist.

        Examples
        --------
        >>> jnp.maximum.accumulate(jnp.array([1, 3, 2, 5]))
        Array([1, 3, 3, 5], dtype=int32)
        """
        self._need("accumulate")
        self._refuse_out("accumulate", out)
        util.check_arraylike(f"{self.__name__}.accumulate", a)
        a = util.as_array(util.operand(a))
        if self._accumulate is not None and (axis is None or a.ndim):
            return self._accumulate(a, axis=axis, dtype=dtype)
        if axis is None:
            raise ValueError(f"{self.__name__}.accumulate goes along one axis, got axis=None")
        axis = normalize_axis(axis, a.ndim)
        result = self._result_dtype(a) if dtype is None else dtypes.check_user_dtype(dtype, f"{self.__name__}.accumulate")
        rows = convert(move_axis(a, axis, 0), result)
        if not rows.shape[0]:
            return convert(a, result)

        def step(carry, row):
            new = convert(self(carry, row), result)
            return new, new
        first = take_index(rows, 0)
        _, rest = scan(step, first, slice_in_dim(rows, 1, None))
        return move_axis(concatenate([expand_dims(first, (0,)), rest], 0), 0, axis)

    def reduceat(self, a, indices, axis=0, dtype=None, out=None):
        """`reduce` over stretches: from each index to before the next one, the last to the end.

        Parameters
        ----------
        a : array of at least one dimension
        indices : integer array of one dimension; where one is not less than the next, the result is that element
        axis : int
        dtype : dtype-like, in which to compute
        out : not supported

        Returns
        -------
        Array, with as many elements along the axis as there are indices

        Raises
        ------
        ValueError : for functions of other than two operands; for indices that are not integers in one dimension.

        Examples
        --------
        >>> jnp.add.reduceat(jnp.arange(6), jnp.array([0, 3, 1]))
        Array([ 3,  3, 15], dtype=int32)
        """
        self._need("reduceat")
        self._refuse_out("reduceat", out)
        util.check_arraylike(f"{self.__name__}.reduceat", a, indices)
        if self._reduceat is not None:
            return self._reduceat(a, indices, axis=axis, dtype=dtype)
        if axis is None or isinstance(axis, (tuple, list)):
            raise ValueError(f"{self.__name__}.reduceat goes along one axis, got axis={axis!r}")
        a, indices = util.as_array(util.operand(a)), util.as_array(util.operand(indices))
        if not a.ndim:
            raise ValueError(f"{self.__name__}.reduceat needs an array of at least one dimension, got one without dimensions")
        if indices.ndim != 1 or util.dtype_kind(indices) not in "iu":
            raise ValueError(f"{self.__name__}.reduceat: the indices must be integers in one dimension, got {indices.aval}")
        axis = normalize_axis(axis, a.ndim)
        result = self._result_dtype(a) if dtype is None else dtypes.check_user_dtype(dtype, f"{self.__name__}.reduceat")
        rows = convert(move_axis(a, axis, 0), result)
        n, place = rows.shape[0], np.dtype(np.int32)
        start = convert(indices, place)
        end = concatenate([start[1:], np.full(min(1, start.shape[0]), n, place)], 0)
        column = (start.shape[0],) + (1,) * (rows.ndim - 1)
        start, end = reshape(start, column), reshape(end, column)

        def step(carry, item):                  # one carry for each stretch
            k, row = item
            inside = both(gt(k, start), lt(k, end))
            return util.choose(inside, convert(self(carry, util.broadcast_to(row, carry.shape)), result), carry), None
        firsts = take(rows, indices, axis=0)
        return move_axis(scan(step, firsts, (iota(place, n), rows))[0], 0, axis)

    def at(self, a, indices, b=None, /, *, inplace=True):
        """The array with elements at an index replaced by the function of them, as often as each is met.

        Parameters
        ----------
        a : array
        indices : anything between brackets
        b : second operand, if there is one
        inplace : must be False: arrays cannot be written to

        Returns
        -------
        Array like ``a``

        Examples
        --------
        >>> jnp.add.at(jnp.zeros(3), jnp.array([0, 0, 2]), 1.0, inplace=False)
        Array([2., 0., 1.], dtype=float32)
        """
        if inplace:
            raise NotImplementedError("JAX arrays are immutable; use inplace=False")
        if self._nout != 1 or self._nin not in (1, 2):
            raise ValueError(f"{self.__name__}.at is there for functions of one or two operands with one result")
        if (b is None) != (self._nin == 1):
            given, needed = ("no", "a") if b is None else ("a", "no")
            raise TypeError(f"{self.__name__}.at got {given} second operand b, and needs {needed} second operand")
        util.check_arraylike(f"{self.__name__}.at", a)
        a = util.as_array(util.operand(a))
        if b is None:
            return IndexUpdateHelper(a)[indices].apply(self)
        util.check_arraylike(f"{self.__name__}.at", b)
        if self._at is not None:
            return self._at(a, indices, b)
        places = take_index(reshape(iota(np.dtype(np.int32), a.size), a.shape), indices)
        values = util.broadcast_to(util.as_array(util.operand(b)), places.shape)

        def step(flat, item):
            i, value = item
            new = convert(self(take_index(flat, i), value), flat.dtype)
            return IndexUpdateHelper(flat)[i].set(new, mode="promise_in_bounds"), None
        flat, _ = scan(step, reshape(a, (a.size,)), (reshape(places, (places.size,)), reshape(values, (values.size,))))
        return reshape(flat, a.shape)

    def outer(self, A, B, /):
        """The function of all pairs of elements.

        Parameters
        ----------
        A, B : arrays

        Returns
        -------
        Array, shape ``(*A.shape, *B.shape)``

        Examples
        --------
        >>> jnp.multiply.outer(jnp.arange(2), jnp.arange(3))
        Array([[0, 0, 0],
               [0, 1, 2]], dtype=int32)
        """
        self._need("outer")
        util.check_arraylike(f"{self.__name__}.outer", A, B)
        A, B = util.as_array(util.operand(A)), util.as_array(util.operand(B))
        return self(reshape(A, A.shape + (1,) * B.ndim), B)


def _flat_rows(a, axes):
    """An array with the given axes made one, in front."""
    kept = [i for i in range(a.ndim) if i not in axes]
    for place, axis in enumerate(axes):
        a = move_axis(a, axis, place) if axis != place else a
    rest = a.shape[len(axes):] if kept else ()
    return reshape(a, (math.prod(a.shape[:len(axes)]), *rest))


def _mapped(func, *args):
    """A function of numbers, mapped over arrays that broadcast against each other."""
    util.check_arraylike(getattr(func, "__name__", "ufunc"), *args)
    args = util.broadcast_all(getattr(func, "__name__", "ufunc"), *[util.operand(x) for x in args])
    shape = args[0].shape
    if not shape:
        return func(*args)
    out = vmap(func)(*[reshape(x, (x.size,)) for x in args])
    return tree_map(lambda x: reshape(x, (*shape, *x.shape[1:])), out)


def frompyfunc(func, /, nin, nout, *, identity=None):
    """A ufunc of a function of numbers.

    Parameters
    ----------
    func : function of ``nin`` numbers with ``nout`` results, which can be traced
    nin, nout : int
    identity : the number that changes nothing, if there is one

    Returns
    -------
    ufunc

    Examples
    --------
    >>> jnp.frompyfunc(lambda x, y: x + 2 * y, 2, 1)(jnp.arange(3), 1)
    Array([2, 3, 4], dtype=int32)
    """
    return ufunc(func, nin, nout, identity=identity)


# --- NumPy's ------------------------------------------------------------------------------------

def _reduction(fun):
    """A reduction that knows nothing of ``dtype`` or ``initial``, which it is given all the same."""
    def reduce(a, axis, dtype, keepdims, initial, where):
        if dtype is not None:
            a = convert(util.as_array(util.operand(a)), dtypes.check_user_dtype(dtype, "reduce"))
        return fun(a, axis=axis, keepdims=keepdims, initial=initial, where=where)
    return reduce


def _bits(kind: str):
    return _reduction(lambda a, **how: reductions.reduce_bits(kind, a, **how))


def _truth(kind: str):
    def reduce(a, axis, dtype, keepdims, initial, where):
        a = util.as_bool(util.as_array(util.operand(a)))
        initial = None if initial is None else util.as_bool(util.as_array(util.operand(initial)))
        result = reductions.reduce_bits(kind, a, axis=axis, keepdims=keepdims, initial=initial, where=where)
        return result if dtype is None else convert(result, dtypes.check_user_dtype(dtype, "reduce"))
    return reduce


def _log_of_sum(combine, exp, log):
    """Reduction of ``logaddexp``: the greatest element, and the logarithm of the sum relative to it."""
    def reduce(a, axis, keepdims, initial, where):
        (a,) = util.promote_args_inexact("logaddexp.reduce", a)
        a = util.as_array(a)
        if where is not None:
            a = util.choose(where, a, util.const(a, -np.inf))
        if not a.size:
            total = reductions.sum(a, axis=axis, keepdims=keepdims) - np.inf
        else:
            top = reductions.max(a.real, axis=axis, keepdims=True)
            top = util.choose(ge(ops.abs(top), util.const(top, np.inf)), util.const(top, 0), top)
            total = log(reductions.sum(exp(a - top), axis=axis, keepdims=True)) + top
            total = total if keepdims else reshape(total, reductions.max(a.real, axis=axis).shape)
        return total if initial is None else combine(total, initial)
    return _reduction(reduce)


def _as_integers(method: str):
    """Sums and products of truth values at an index: by integers."""
    def at(a, indices, b):
        if a.dtype == dtypes.bool_:
            whole = np.dtype(np.int32)
            b = convert(util.as_bool(util.as_array(util.operand(b))), whole)
            return convert(getattr(IndexUpdateHelper(convert(a, whole))[indices], method)(b), dtypes.bool_)
        return getattr(IndexUpdateHelper(a)[indices], method)(b)
    return at


_minus_infinity = -np.inf
add = ufunc(arithmetic.add, 2, 1, identity=0, call=arithmetic.add, reduce=reductions.sum, accumulate=cumulative.cumsum,
            at=_as_integers("add"))
multiply = ufunc(arithmetic.multiply, 2, 1, identity=1, call=arithmetic.multiply, reduce=reductions.prod,
                 accumulate=cumulative.cumprod, at=_as_integers("multiply"))
subtract = ufunc(arithmetic.subtract, 2, 1, call=arithmetic.subtract,
                 at=lambda a, indices, b: IndexUpdateHelper(a)[indices].subtract(b))
maximum = ufunc(arithmetic.maximum, 2, 1, call=arithmetic.maximum, reduce=_reduction(reductions.max))
minimum = ufunc(arithmetic.minimum, 2, 1, call=arithmetic.minimum, reduce=_reduction(reductions.min))
negative = ufunc(arithmetic.negative, 1, 1, call=arithmetic.negative)
bitwise_and = ufunc(bitwise.bitwise_and, 2, 1, identity=-1, call=bitwise.bitwise_and, reduce=_bits("bitwise_and"))
bitwise_or = ufunc(bitwise.bitwise_or, 2, 1, identity=0, call=bitwise.bitwise_or, reduce=_bits("bitwise_or"))
bitwise_xor = ufunc(bitwise.bitwise_xor, 2, 1, identity=0, call=bitwise.bitwise_xor, reduce=_bits("bitwise_xor"))
logical_and = ufunc(comparison.logical_and, 2, 1, identity=True, call=comparison.logical_and, reduce=_truth("bitwise_and"))
logical_or = ufunc(comparison.logical_or, 2, 1, identity=False, call=comparison.logical_or, reduce=_truth("bitwise_or"))
logical_xor = ufunc(comparison.logical_xor, 2, 1, identity=False, call=comparison.logical_xor, reduce=_truth("bitwise_xor"))
logaddexp = ufunc(exponential.logaddexp, 2, 1, identity=_minus_infinity, call=exponential.logaddexp,
                  reduce=_log_of_sum(exponential.logaddexp, exponential.exp, exponential.log))
logaddexp2 = ufunc(exponential.logaddexp2, 2, 1, identity=_minus_infinity, call=exponential.logaddexp2,
                   reduce=_log_of_sum(exponential.logaddexp2, exponential.exp2, exponential.log2))

_table = {f.__name__: f for f in (add, multiply, subtract, maximum, minimum, negative, bitwise_and, bitwise_or, bitwise_xor,
                                  logical_and, logical_or, logical_xor, logaddexp, logaddexp2)}


def _find(name, *parts):
    """Unpickle a ufunc."""
    if name is not None:
        return _table[name]
    func, nin, nout, identity = parts
    return ufunc(func, nin, nout, identity=identity)
