"""Cases of reductions over windows, of their derivatives and of the approximate greatest elements; see `op_table`."""

import functools
import operator

import numpy as np
from op_harness import Arg, Case, bind, primitive
from op_table import ANY, FLOATS, NUMBER, REAL
from window_reference import gathered, reduced, scattered, window

from ferax._src.control import reduce_window
from ferax._src.ops import elementwise
from ferax._src.ops.select import select
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types.avals import ShapedArray

CASES: list[Case] = []


def case(name: str, *args: Arg, params=None, fn=None, **options) -> None:
    CASES.append(Case(name, fn or bind(name, **(params or {})), args, **options))


PLAIN = window((2, 2))
ALL = window((2, 2), (2, 1), ((1, 2), (0, 1)), (1, 2), (2, 1))
CUT = window((2, 1), (1, 2), ((-1, 1), (0, -1)))
WINDOWS = {"plain": PLAIN, "all": ALL, "cut": CUT}
OTHER_SHAPES = (((0, 3),), ((1, 0),))

# --- sums and extrema ---------------------------------------------------------------------------

for name, combine, init, kinds in (("sum", np.add, 0, NUMBER), ("max", np.maximum, -np.inf, ANY), ("min", np.minimum, np.inf, ANY)):
    def neutral(dtype, init=init):
        if np.isfinite(init) or dtype.kind in "fc":
            return init
        return (init > 0) if dtype.kind == "b" else (np.iinfo(dtype).max if init > 0 else np.iinfo(dtype).min)

    for label, w in WINDOWS.items():
        full = label == "all"
        case(f"reduce_window_{name}", Arg((4, 3), distinct=True), params=w, label=label, diff=(0,), linear=name == "sum",
             oracle=lambda x, w=w, c=combine, n=neutral: reduced(x, n(x.dtype), c, w),
             kinds=tuple([k for k in kinds if k != "float64" and "complex" not in k]) if full else (),
             shapes=OTHER_SHAPES if full else (), second=full, tolerance=3)
    case(f"reduce_window_{name}", Arg((3, 3)), params=PLAIN, label="complex", dtype="complex128", diff=(0,) if name == "sum" else (),
         oracle=lambda x, c=combine, i=init: reduced(x, i, c, PLAIN))
case("reduce_window_max", Arg((6,)), params=window((30,), padding=((15, 15),)), label="many-taps", diff=(0,), second=False,
     oracle=lambda x: reduced(x, -np.inf, np.maximum, window((30,), padding=((15, 15),))))
case("reduce_window_sum", Arg(()), params=window(()), label="scalar", oracle=lambda x: x, diff=(0,), second=False)

# --- their derivatives --------------------------------------------------------------------------

for prim, stays, worst in (("ge", operator.ge, -np.inf), ("le", operator.le, np.inf)):
    for label, w in WINDOWS.items():
        if label == "all" or prim == "ge":
            case("select_and_gather_add", Arg((4, 3)), Arg((4, 3), distinct=True), label=f"{prim}-{label}", diff=(0,), linear=True,
                 fn=lambda t, x, p=prim, w=w: primitive("select_and_gather_add").bind(t, x, select_prim=primitive(p), **w),
                 oracle=lambda t, x, s=stays, w=w, v=worst: gathered(t, x, s, w, v), kinds=FLOATS[:-1] if label == "all" else (),
                 shapes=(((0, 3),) * 2,) if label == "all" else (), second=False)
    for label, w, shape in (("plain", PLAIN, (3, 2)), ("gaps", window((1, 2), (2, 3), ((0, 1), (1, 0))), (3, 1)),
                            ("overlap", window((3, 2), (2, 1), ((1, 1), (0, 0))), (2, 2))):
        if label == "overlap" or prim == "ge":
            plain = {key: w[key] for key in ("window_dimensions", "window_strides", "padding")}
            case("select_and_scatter_add", Arg(shape), Arg((4, 3), distinct=True), label=f"{prim}-{label}", diff=(0,), linear=True,
                 fn=lambda s, x, p=prim, w=plain: primitive("select_and_scatter_add").bind(s, x, select_prim=primitive(p), **w),
                 oracle=lambda ct, x, s=stays, w=w: scattered(ct, x, s, w), kinds=FLOATS[:-1] if label == "overlap" else (),
                 second=False)


@functools.cache
def program(fn, dtype):
    """A function of two scalars as a jaxpr."""
    scalar = ShapedArray((), dtype)
    return trace_to_jaxpr(lambda a, b: [fn(a, b)], [scalar, scalar])


def is_farther(x, y):
    return elementwise.ge(elementwise.abs(x), elementwise.abs(y))


def scatter_farthest(x, source):
    """`select_and_scatter`: to the element of greatest size; what comes there is multiplied."""
    return primitive("select_and_scatter").bind(
        x, source, source.dtype.type(1), select_jaxpr=program(is_farther, x.dtype), scatter_jaxpr=program(elementwise.mul, x.dtype),
        window_dimensions=(2, 2), window_strides=(2, 1), padding=((0, 0), (0, 0)))


def scattered_farthest(x, source):
    out = np.ones_like(x)
    for i, j in np.ndindex(*source.shape):
        a, b = np.unravel_index(np.abs(x[2 * i:2 * i + 2, j:j + 2]).argmax(), (2, 2))
        out[2 * i + a, j + b] *= source[i, j]
    return out


case("select_and_scatter", Arg((4, 3), distinct=True), Arg((2, 2)), fn=scatter_farthest, oracle=scattered_farthest,
     kinds=tuple([k for k in REAL if k[0] != "u" and k not in ("float64", "int8", "int16")]))

# --- the approximate greatest elements ----------------------------------------------------------


def extreme(k, axis, sign):
    def oracle(x):
        order = np.argsort(-sign * x.astype(np.float64), axis, kind="stable").take(range(k), axis)
        return [np.take_along_axis(x, order, axis), order.astype(np.int32)]
    return oracle


for label, axis, sign in (("max", 1, 1), ("min", 0, -1)):
    case("approx_top_k", Arg((4, 3), distinct=True), label=label, diff=(0,), oracle=extreme(2, axis, sign), kinds=FLOATS[:-1],
         shapes=(((3, 2),),), params={"k": 2, "reduction_dimension": axis, "recall_target": 0.95, "is_max_k": sign > 0,
                                      "reduction_input_size_override": -1, "aggregate_to_topk": True})

# --- linear recurrences -------------------------------------------------------------------------


def recurrence(axis, reverse):
    def oracle(w, b):
        w, b = [np.flip(np.moveaxis(x, axis, 0), 0) if reverse else np.moveaxis(x, axis, 0) for x in (w, b)]
        h, rows = np.zeros_like(b[:1]).sum(0), []
        for v, c in zip(w, b):
            h = v * h + c
            rows.append(h)
        out = np.stack(rows) if rows else b
        return np.moveaxis(np.flip(out, 0) if reverse else out, 0, axis)
    return oracle


for label, shape, axis, reverse in (("forward", (4, 3), 0, False), ("reverse", (2, 6), 1, True)):
    case("linear_recurrence", Arg(shape), Arg(shape), params={"axis": axis, "reverse": reverse}, oracle=recurrence(axis, reverse),
         diff=(0, 1), linear=True, label=label, tolerance=5, kinds=("bfloat16", "float16", "float32", "complex64") if reverse else (),
         shapes=(((0, 3),) * 2, ((2, 1),) * 2) if reverse else (), second=not reverse)

# --- any function -------------------------------------------------------------------------------


def over_windows(init, computation, w):
    return lambda *xs: _list(reduce_window.reduce_window(
        xs if len(xs) > 1 else xs[0], tuple(init) if len(xs) > 1 else xs[0].dtype.type(init), computation, *[w[k] for k in (
            "window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")]))


def _list(out):
    return list(out) if isinstance(out, (list, tuple)) else [out]


def larger_first(x, y):
    """Of two pairs (key, value) that with the larger key."""
    first = elementwise.ge(x[0], y[0])
    return select(first, x[0], y[0]), select(first, x[1], y[1])


for label, w in WINDOWS.items():
    case("reduce_window", Arg((4, 3), 0.5, 1.5), fn=over_windows(1, elementwise.mul, w), diff=(0,), label=f"mul-{label}",
         oracle=lambda x, w=w: reduced(x, 1, np.multiply, w), kinds=("int32", "uint8", "bfloat16", "float32") if label == "all" else (),
         shapes=OTHER_SHAPES if label == "all" else (), second=label == "plain", tolerance=10)
case("reduce_window", Arg((5,), distinct=True), fn=over_windows(0.25, elementwise.max, window((3,), padding=((1, 1),))), diff=(0,),
     label="not-neutral", oracle=lambda x: reduced(x, 0.25, np.maximum, window((3,), padding=((1, 1),))), second=False)
case("reduce_window", Arg((4, 3), distinct=True), Arg((4, 3)), diff=(0, 1), label="pairs", second=False,
     fn=over_windows((np.float64(-9), np.float64(0)), larger_first, PLAIN),
     oracle=lambda k, v: [reduced(k, -9, np.maximum, PLAIN), gathered(v, k, operator.ge, PLAIN, -9)])
case("reduce_window", Arg((6,)), Arg((), 0.5, 1.0), label="mapped-start", mapped=(0, 1),
     fn=lambda x, init: [reduce_window.reduce_window(x, init, elementwise.mul, (2,), (3,))],
     oracle=lambda x, init: reduced(x, init, np.multiply, window((2,), (3,))))
