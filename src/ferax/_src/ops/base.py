"""Elementwise operations as rows of a table: name, StableHLO operation, dtypes, derivative for each operand.

    sin = unary("sin", "stablehlo.sine", INEXACT, lambda t, ans, x: mul(t, cos(x)))
    mul = binary("mul", "stablehlo.multiply", NUMBER,
                 lambda t, ans, x, y: mul(t, y), lambda t, ans, x, y: mul(x, t), linear_in=(0, 1))

`unary`, `binary` and `nary` answer the public function; its primitive is the function's attribute ``p``. A
derivative gets the tangent ``t`` of its operand, the result ``ans`` and all operands, and answers the
tangent of the result. An elementwise operation has a diagonal Jacobian, which is its own transpose: for
the operands named in ``linear_in`` the derivative is the transpose rule too (``ans`` is None there).

Operands have the same dtype. They have the same shape, or are scalars, or have the same number of
dimensions with size 1 where another has more: so a scalar operand, a literal above all, costs no equation
of its own, and an operand that `vmap` does not map is not copied for each element.

Dtypes are given as letters of kinds: b(ool), i(nteger), u(nsigned), f(loat), c(omplex).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ferax._src.ops.accuracy import as_accuracy
from ferax._src.ops.axes import move_axis
from ferax._src.ops.broadcasting import broadcast_in_dim_p, reduce_sum_p
from ferax._src.ops.convert import convert
from ferax._src.runtime import dispatch  # noqa: F401  fills the slot of evaluation
from ferax._src.tracing.core import Array, Primitive, Zero, ascribe, register, state
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.symbolic_dims import SymbolicDim, as_value
from ferax._src.util import config
from ferax._src.util.caches import trace_memoize

BOOL, INT, FLOAT, COMPLEX = "b", "iu", "f", "c"
SIGNED, INEXACT, REAL, NUMBER = "ifc", "fc", "iuf", "iufc"
BITS, ORDERED, ANY = "biu", "biuf", "biufc"

_KIND_NAMES = (("i", "signedinteger"), ("u", "unsignedinteger"), ("f", "floating"), ("c", "complexfloating"), ("b", "bool"))


# --- what operands may be -----------------------------------------------------------------------

_PYTHON_SCALARS = {bool: "b", int: "iufc", float: "fc", complex: "c"}   # and the kinds of dtype each can become
_SCALARS = frozenset((*_PYTHON_SCALARS, SymbolicDim))                 # a size, known or not, is a plain number too
_LETTER_TYPE = {"b": bool, "i": int, "f": float, "c": complex}
# (type of a scalar, dtype wanted, x64?) -> the type of Python scalar that has this dtype by default.
_PLAIN = {
    (kind, np.dtype(name), x64): _LETTER_TYPE[letter]
    for x64, names in ((False, "bool int32 float32 complex64"), (True, "bool int64 float64 complex128"))
    for letter, name in zip("bifc", names.split())
    for kind, letters in _PYTHON_SCALARS.items() if letter in letters
}
_x64 = config.enable_x64


def operand(name: str, x, position: int | None = None):
    """A value that `bind` takes: arrays, NumPy arrays and plain numbers as they are.

    Raises
    ------
    TypeError : if it is none of these.
    """
    if isinstance(x, (Array, np.ndarray, np.generic)) or type(x) in _PYTHON_SCALARS:
        if type(x) is np.ndarray and x.dtype == dtypes.float0:
            raise float0_error(name, position)
        return x
    if getattr(x, "__jax_array__", None) is not None:
        return operand(name, x.__jax_array__(), position)
    if isinstance(x, (bool, int, float, complex)):          # of a subclass, such as an IntEnum
        return dtypes.python_scalar_base(type(x))(x)
    kind = type(x)
    where = "" if position is None else f" at position {position}"
    if hasattr(x, "__dlpack__") or hasattr(x, "aval"):
        raise TypeError(f"{name}: the argument{where} is an array of another library ({kind.__module__}.{kind.__qualname__}); "
                        "convert it first, with ferax.numpy.asarray(x) or ferax.numpy.from_dlpack(x)")
    raise TypeError(f"{name}: the argument{where} is of type {kind.__name__}, which is neither an array nor a number; "
                    "ferax.numpy functions convert lists, for others use ferax.numpy.asarray(x)")


def prepare(name: str, *operands) -> Sequence:
    """Operands for `bind`: a Python scalar takes the dtype of the other operands, where its kind allows that.

    What does not fit is left as it is, for the type rule to complain of.
    """
    aval = next((x.aval for x in operands if isinstance(x, Array)), None)
    out = [x if isinstance(x, Array) or type(x) is SymbolicDim else operand(name, x, i) for i, x in enumerate(operands)]
    if aval is None:
        aval = next((aval_of(x) for x in out if type(x) not in _SCALARS), None)
        if aval is None and SymbolicDim in map(type, out):
            return prepare(name, *[as_value(x) if type(x) is SymbolicDim else x for x in out])
        if aval is None:                                    # Python scalars only: of one type from here on
            kind = max((type(x) for x in out), key=list(_PYTHON_SCALARS).index)
            return out if kind is bool else [kind(x) for x in out]
    return [scalar_like(x, aval) if type(x) in _SCALARS else x for x in out]


def scalar_like(value, aval):
    """A Python scalar as a number of ``aval``'s dtype and weak type; unchanged if its kind does not allow that."""
    dtype = aval.dtype
    kind = type(value)
    plain = _PLAIN.get((kind, dtype, _x64.value))
    if plain is not None:                                   # a plain number stays one: it is a literal in jaxprs
        return value if plain is kind else plain(value)
    if kind is SymbolicDim:
        return convert(as_value(value), dtype, aval.weak_type) if dtypes.kind_of(dtype) in _PYTHON_SCALARS[int] else as_value(value)
    if dtypes.kind_of(dtype) not in _PYTHON_SCALARS[kind]:
        return value
    return convert(value, dtype, True) if aval.weak_type else numpy_scalar(value, dtype)


def numpy_scalar(value, dtype):
    """A number as a NumPy scalar of a dtype; integers wrap around, floats overflow to infinity."""
    with np.errstate(all="ignore"):
        try:
            return dtype.type(value)
        except OverflowError:
            dtypes.check_python_int(value)
        except ValueError:                                  # NaN as an integer
            pass
        return np.asarray(value).astype(dtype)[()]


def check_dtypes(primitive: Elementwise, avals) -> None:
    """Check that operands are of accepted kinds and, unless the primitive mixes them, of one dtype."""
    name = primitive.name
    for i, (aval, accepts) in enumerate(zip(avals, primitive.accepts, strict=True)):
        if dtypes.kind_of(aval.dtype) in accepts:
            continue
        if aval.dtype == dtypes.float0:
            raise float0_error(name, i)
        at = f" at position {i}" if len(avals) > 1 else ""
        raise TypeError(f"{name} does not accept dtype {dtypes.dtype_name(aval.dtype)}{at}. "
                        f"Accepted dtypes{at} are subtypes of {kinds_text(accepts)}.")
    if not primitive.mixes_dtypes:
        check_same_dtypes(name, avals)


def check_same_dtypes(name: str, avals) -> None:
    """Check that all are of one dtype."""
    first = avals[0].dtype
    for aval in avals:
        if aval.dtype is not first and aval.dtype != first:
            names = ", ".join(dtypes.dtype_name(a.dtype) for a in avals)
            raise TypeError(f"lax.{name} requires arguments to have the same dtypes, got {names}. Convert one of them with "
                            f"lax.convert_element_type; the functions of ferax.numpy promote dtypes by themselves.")


def float0_error(name: str, position: int | None) -> TypeError:
    """The error for arithmetic with a value that stands for no tangent."""
    return TypeError(
        f"{name} was called with a float0 at position {position or 0}. float0 is the dtype of tangents of integers and booleans "
        "and takes part in no operation. If you did not expect one, a gradient with respect to an integer argument may have "
        "been asked for; np.zeros(x.shape, float) makes ordinary zeros of it.")


def kinds_text(letters: str) -> str:
    """The kinds of dtype that letters stand for, in words."""
    names = ["integer"] if "i" in letters and "u" in letters else []
    names += [name for letter, name in _KIND_NAMES if letter in letters and not (names and letter in "iu")]
    return ", ".join(names)


def common_shape(name: str, avals) -> tuple[int, ...]:
    """The shape of an elementwise result.

    Raises
    ------
    TypeError : if the shapes are not equal, up to scalars and sizes of 1.
    """
    shapes = list(dict.fromkeys([a.shape for a in avals if a.shape]))
    if len(shapes) < 2:
        return shapes[0] if shapes else ()
    if len({len(s) for s in shapes}) == 1:
        sizes = [{n for n in dim if n != 1} for dim in zip(*shapes)]
        if all(len(s) < 2 for s in sizes):
            return tuple([s.pop() if s else 1 for s in sizes])
    given = ", ".join(str(a.shape) for a in avals)
    raise TypeError(f"{name} requires arguments to have equal shapes, or the same number of dimensions with sizes of 1 where "
                    f"they differ; got {given}. The functions of ferax.numpy broadcast as NumPy does; here, use "
                    "lax.broadcast_in_dim or lax.expand_dims.")


# --- the primitive ------------------------------------------------------------------------------

class Elementwise(Primitive):
    """An operation on corresponding elements.

    Parameters
    ----------
    name : as in jaxprs
    op : StableHLO or CHLO operation, or None where `lower_values` says more
    accepts : for each operand the letters of the kinds of dtype it may have
    derivatives : for each operand ``(t, ans, *operands, **params) -> tangent``, or None where it is zero
    result : ``dtype -> dtype`` of the result, if that is not the operands'
    linear_in : operands in which the operation is linear, the others held fixed
    lower : ``(ctx, *values, **params) -> value``, with values of the result's shape
    quick : whether the CPU has a quicker form, in `cpu_elementwise`
    """

    mixes_dtypes = False

    def __init__(self, name: str, op: str | None, accepts: Sequence[str], derivatives: Sequence, *,
                 result: Callable | None = None, linear_in: Sequence[int] = (), lower: Callable | None = None,
                 quick: bool = False):
        super().__init__(name)
        self.op = op
        self.accepts = tuple(accepts)
        self.derivatives = tuple(derivatives)
        self.result = result
        self.linear_in = frozenset(linear_in)
        self.custom_lower = lower
        self.quick = quick

    def abstract_eval(self, *avals, **params):
        check_dtypes(self, avals)
        first = avals[0]
        if self.result is None and all([a is first for a in avals]):
            return [first]
        dtype = self.result_dtype(avals, **params)
        weak = all([a.weak_type for a in avals])
        shape = common_shape(self.name, avals)
        sharding = next((a.sharding for a in avals if a.shape == shape), None)
        return [ShapedArray(shape, dtype, weak, sharding)]

    def result_dtype(self, avals, **params):
        dtype = avals[0].dtype
        return dtype if self.result is None else self.result(dtype)

    def lower(self, ctx, *values, **params):
        shape = ctx.avals_out[0].shape
        avals = ctx.avals_in
        if any([a.shape != shape for a in avals]):
            values = [v if a.shape == shape else ctx.broadcast_in_dim(v, shape, a.dtype, tuple(range(a.ndim)))
                      for v, a in zip(values, avals)]
        if self.quick and ctx.tuned:
            from ferax._src.ops.cpu_elementwise import FORMS  # lazy: most programs need none of them
            value = FORMS[self.name](ctx, *values, **params)
            if value is not None:
                return [value]
        if self.custom_lower is not None:
            return [self.custom_lower(ctx, *values, **params)]
        accuracy = params.get("accuracy")
        return ctx.emit(self.op, values, None if accuracy is None else {"result_accuracy": accuracy.attribute(ctx)})

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        (ans,) = outs
        aval = aval_of(ans)
        total = None
        if dtypes.tangent_dtype(aval.dtype) != dtypes.float0:
            for derivative, t in zip(self.derivatives, tangents, strict=True):
                if derivative is not None and type(t) is not Zero and t.dtype != dtypes.float0:
                    term = derivative(t, ans, *primals, **params)
                    total = term if total is None else add(total, term)
        if total is None:
            return outs, [Zero.of(ans)]
        return outs, [broadcast_shape(total, aval.shape)]

    def transpose(self, cts, *args, **params):
        (ct,) = cts
        out: list = []
        for i, (x, derivative) in enumerate(zip(args, self.derivatives, strict=True)):
            if not isinstance(x, ShapedArray):
                out.append(None)
            elif type(ct) is Zero:
                out.append(Zero.of(x))
            elif i in self.linear_in:
                out.append(unbroadcast(derivative(ct, None, *args, **params), x.shape))
            else:
                raise self.missing_rule("transpose", f"a transpose for operand {i}: it is not linear in it")
        return out

    def batch(self, axis, args, dims, **params):
        operands, to = align(args, dims)
        outs = self.bind(*operands, **params)
        return outs, [to] * len(outs)


def broadcast_shape(x, shape):
    """A scalar, or an array with sizes of 1, repeated to ``shape``."""
    given = aval_of(x).shape
    if given == shape:
        return x
    return broadcast_in_dim_p.bind(x, shape=shape, broadcast_dimensions=tuple(range(len(given))), sharding=None)[0]


def unbroadcast(ct, shape):
    """The transpose of `broadcast_shape`: sum over what was repeated."""
    given = aval_of(ct).shape
    if given == shape:
        return ct
    if not shape:
        return reduce_sum_p.bind(ct, axes=tuple(range(len(given))), out_sharding=None)[0]
    axes = tuple([i for i, (a, b) in enumerate(zip(given, shape)) if a != b])
    summed = reduce_sum_p.bind(ct, axes=axes, out_sharding=None)[0]
    kept = tuple([i for i in range(len(shape)) if i not in axes])
    return broadcast_in_dim_p.bind(summed, shape=shape, broadcast_dimensions=kept, sharding=None)[0]


def align(args, dims) -> tuple[list, int]:
    """Operands of an elementwise operation with their mapped axes at one place, and the place.

    Scalars that are not mapped stay scalars, other operands that are not mapped get an axis of size 1.
    """
    shapes = [aval_of(x).shape for x in args]
    ranks = [len(s) - (d is not None) for s, d in zip(shapes, dims)]
    rank = max(ranks)
    to = next((d for d, r in zip(dims, ranks) if d is not None and r == rank), 0)
    out = []
    for x, d, r, shape in zip(args, dims, ranks, shapes):
        if d is None:
            if r:
                kept = tuple([i for i in range(r + 1) if i != to])
                x = broadcast_in_dim_p.bind(x, shape=(*shape[:to], 1, *shape[to:]), broadcast_dimensions=kept,
                                            sharding=None)[0]
        elif r == rank:
            x = move_axis(x, d, to)
        else:                                               # one number for each element along the axis
            column = (1,) * to + shape + (1,) * (rank - to)
            x = broadcast_in_dim_p.bind(x, shape=column, broadcast_dimensions=(to,), sharding=None)[0]
        out.append(x)
    return out, to


# --- rows ---------------------------------------------------------------------------------------

def unary(name: str, op: str | None, accepts: str, derivative: Callable | None = None, *, doc: str = "",
          public: str | None = None, accuracy: bool = False, linear: bool = False, kind: type = Elementwise, **options):
    """A function of one operand.

    Parameters
    ----------
    name, op, accepts, derivative, options : as of `Elementwise`
    doc : docstring of the function
    public : name of the function, if it is not that of the primitive
    accuracy : whether it takes the option ``accuracy``
    linear : whether it is linear
    """
    p = register(kind(name, op, (accepts,), (derivative,), linear_in=(0,) if linear else (), **options))

    if accuracy:
        def fn(x, *, accuracy=None):
            if not isinstance(x, Array):
                x = operand(name, x)
            return state.trace.process(p, (x,), {"accuracy": as_accuracy(accuracy)})[0]
    else:
        def fn(x):
            if not isinstance(x, Array):
                x = operand(name, x)
            return state.trace.process(p, (x,), {})[0]
    return _named(fn, p, public or name, doc)


def binary(name: str, op: str | None, accepts: str, by_x: Callable | None = None, by_y: Callable | None = None, *,
           doc: str = "", public: str | None = None, kind: type = Elementwise, parameters: str | None = None, **options):
    """A function of two operands; see `unary`. ``by_x`` and ``by_y`` are its derivatives.

    ``parameters`` are the operands' names if they are not x and y; "x y /" makes them positional only.
    """
    p = register(kind(name, op, (accepts, accepts), (by_x, by_y), **options))

    def fn(x, y):
        if isinstance(x, Array):
            if not isinstance(y, Array):
                y = scalar_like(y, x.aval) if type(y) in _SCALARS else operand(name, y, 1)
        else:
            x, y = prepare(name, x, y)
        return state.trace.process(p, (x, y), {})[0]
    if parameters is not None:                  # another name costs no call
        first, second, *slash = parameters.split()
        fn.__code__ = fn.__code__.replace(co_varnames=(first, second), co_posonlyargcount=2 * len(slash))
    return _named(fn, p, public or name, doc)


def nary(name: str, op: str | None, accepts: Sequence[str], derivatives: Sequence, *, doc: str = "",
         public: str | None = None, kind: type = Elementwise, **options):
    """A function of any fixed number of operands; see `unary`."""
    p = register(kind(name, op, accepts, derivatives, **options))

    def fn(*operands):
        if len(operands) != len(p.accepts):
            raise TypeError(f"{name} takes {len(p.accepts)} arguments, got {len(operands)}")
        return state.trace.process(p, tuple(prepare(name, *operands)), {})[0]
    return _named(fn, p, public or name, doc)


def _named(fn, p: Primitive, name: str, doc: str):
    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = doc or None
    fn.p = p
    return fn


def lower_as(fn: Callable):
    """A `lower` rule from a function on arrays, for primitives that are made of others.

    ``fn(*operands, **params)`` answers an array or a list of them. It is traced once for each type.
    """
    def lower(self, ctx, *values, **params):
        return inline(ctx, fn, values, ctx.avals_in, params)
    return lower


def lower_with(fn: Callable):
    """`lower_as` for the option ``lower`` of a row: ``fn`` gets operands of one shape and answers an array."""
    def lower(ctx, *values, **params):
        shape = ctx.avals_out[0].shape
        avals = [a if a.shape == shape else a.update(shape=shape, sharding=None) for a in ctx.avals_in]
        return inline(ctx, fn, values, avals, params)[0]
    return lower


def inline(ctx, fn: Callable, values, avals, params) -> list:
    """Write what ``fn`` does, a function on arrays, as part of a lowering."""
    return ctx.inline(_traced(fn, tuple(avals), tuple(params.items())), *values, here=True)


@trace_memoize
def _traced(fn: Callable, avals: tuple, params: tuple):
    def run(*xs):
        found = fn(*xs, **dict(params))
        return found if isinstance(found, (list, tuple)) else [found]
    with ascribe(False):
        return trace_to_jaxpr(run, avals)


# --- addition -----------------------------------------------------------------------------------
# It stands here and not with its like because the terms of a derivative are added up.

add = binary(
    "add", "stablehlo.add", NUMBER,
    lambda t, ans, x, y: t, lambda t, ans, x, y: t, linear_in=(0, 1),
    doc="Sum ``x + y``, element by element.")
add_p = add.p
