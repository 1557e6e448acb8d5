"""Rows of the functions that are `numpy.ufunc` objects, and of the methods that all of them have."""

import numpy as np
from api_draw import BOOL, NUMBERS, REAL, call
from api_harness import Refusal, Row, Value
from api_table_elementwise import MIXABLE, integers, one, refused, two, whole_pair, wide

BITS = MIXABLE
TRUTH = NUMBERS + BOOL

CALLS = [
    Row("numpy.add", np.add, two(TRUTH, narrow=True), "same"),
    Row("numpy.subtract", np.subtract, two(NUMBERS, narrow=True), "same"),
    Row("numpy.multiply", np.multiply, two(TRUTH, narrow=True), "same"),
    Row("numpy.negative", np.negative, one(NUMBERS), "same"),
    Row("numpy.maximum", np.maximum, two(TRUTH, -2, 2, coarse=True), "same"),
    Row("numpy.minimum", np.minimum, two(TRUTH, -2, 2, coarse=True), "same"),
    Row("numpy.logaddexp", wide(np.logaddexp), two(REAL), "inexact"),
    Row("numpy.logaddexp2", wide(np.logaddexp2), two(REAL), "inexact"),
    Row("numpy.bitwise_and", integers(np.bitwise_and), whole_pair(), "same"),
    Row("numpy.bitwise_or", integers(np.bitwise_or), whole_pair(), "same"),
    Row("numpy.bitwise_xor", integers(np.bitwise_xor), whole_pair(), "same"),
    Row("numpy.logical_and", np.logical_and, two(TRUTH, -1, 1, coarse=True), "bool"),
    Row("numpy.logical_or", np.logical_or, two(TRUTH, -1, 1, coarse=True), "bool"),
    Row("numpy.logical_xor", np.logical_xor, two(TRUTH, -1, 1, coarse=True), "bool"),
]


# --- the methods: reduce, accumulate, reduceat, outer, at ---------------------------------------

def reducing(kinds, identity=True, one_axis=False, dtypes=(), finite=False, **bounds):
    """An array with ``axis``, ``keepdims``, ``dtype``, ``initial`` and ``where``; an initial value where there is no identity.

    finite : no derivatives of what may be the identity because nothing is left, for it is infinite
    """
    def calls(d):
        x = d.array(kinds, d.shape(1, 3, empty=identity), **bounds)
        kwargs = d.some(keepdims=(True, False))
        if d.flag():
            kwargs["axis"] = d.axis(x.ndim) if one_axis else d.axes(x.ndim)
        if dtypes and x.dtype.kind != "c" and d.flag():
            kwargs["dtype"] = d.pick(*dtypes) if not d.smooth else x.dtype.name
        if d.integer(0, 2) == 2:
            kwargs["initial"] = d.pick(1, 3)
        if ("initial" in kwargs or identity and not (finite and d.smooth)) and d.flag():
            kwargs["where"] = d.array(BOOL, d.pick(x.shape, x.shape[1:]))
        return call(x, **kwargs)
    return calls


def accumulating(kinds, dtypes=(), **bounds):
    def calls(d):
        x = d.array(kinds, d.shape(1, 3), **bounds)
        kwargs = {"axis": d.axis(x.ndim)} if d.flag() else {}
        if dtypes and x.dtype.kind != "c" and d.flag():
            kwargs["dtype"] = d.pick(*dtypes) if not d.smooth else x.dtype.name
        return call(x, **kwargs)
    return calls


def stretches(kinds, dtypes=(), **bounds):
    """Indices in any order, also counted from the end; each starts a stretch."""
    def calls(d):
        x = d.array(kinds, d.shape(1, 3, empty=False), **bounds)
        axis = d.axis(x.ndim)
        at = d.rng.integers(0, x.shape[axis], d.pick(1, 2, 3)).astype(d.pick("int32", "uint8", "int64"))
        kwargs = {"axis": axis} if axis != 0 or d.flag() else {}
        if dtypes and x.dtype.kind != "c" and not d.smooth and d.flag():
            kwargs["dtype"] = d.pick(*dtypes)
        return call(x, at, **kwargs)
    return calls


def outer(kinds, **bounds):
    def calls(d):
        same = d.dtype(kinds) if d.flag() else None
        x, y = (d.array(kinds, d.shape(0, 2), dtype=same, **bounds) for _ in "xy")
        return call(x, y if d.smooth or d.flag() else d.pick(2, y))
    return calls


def at_places(kinds, unary=False, **bounds):
    """An array, an index that may meet an element more than once, and the other operand."""
    def calls(d):
        x = d.array(kinds, d.pick((4,), (3, 2), (2, 2, 2)), special=False, **bounds)
        index = d.pick(0, slice(0, 2), (slice(None), -1) if x.ndim > 1 else -1, np.array([1, 0, 1], np.int32), np.array([0, -1], np.int8))
        if unary:
            return call(x, index, inplace=False)
        updated = x[index]
        y = d.array(kinds, updated.shape if d.flag() else updated.shape[1:], dtype=x.dtype, special=False, **bounds)
        return call(x, index, y, inplace=False)
    return calls


def at(f):
    def oracle(x, index, *y, inplace):
        assert not inplace
        f.at(x, index, *y)
        return x
    return oracle


def unmasked(reduce):
    """A reduction of NumPy, which has ``where=True`` and no ``initial=None``; float16 as its dtype is computed in float64."""
    def oracle(x, **kwargs):
        if kwargs.get("dtype") in ("bfloat16", "float16", "float32"):
            kwargs["dtype"] = "float64"
        return reduce(x, **kwargs)
    return oracle


STRETCHED = "JAX does not heed dtype, and keeps the dtype of the elements where the function has another"
PLACED = "JAX takes no slices as indices here, and does not broadcast the other operand"


def stretched(f, as_wide):
    """NumPy's ``reduceat`` with the indices in their place."""
    return lambda x, indices, **kwargs: as_wide(unmasked(lambda x, **kw: f.reduceat(x, indices, **kw)))(x, **kwargs)


def methods(name, kinds, wide_oracle=False, dtypes=(), identity=True, one_axis=False, no=(), **bounds):
    """The rows of the five methods of a ufunc of two operands; those left out go the same way as others' that are here."""
    f = getattr(np, name)
    as_wide = wide if wide_oracle else (lambda g: g)
    yield Row(f"numpy.{name}.reduce", as_wide(unmasked(f.reduce)), reducing(kinds, identity, one_axis, dtypes, wide_oracle, **bounds),
              tolerance=4, examples=4, differs="JAX fails where `where` needs broadcasting" if wide_oracle else "")
    yield Row(f"numpy.{name}.accumulate", as_wide(unmasked(f.accumulate)), accumulating(kinds, dtypes, **bounds), tolerance=4,
              examples=4)
    if "reduceat" in no:
        return
    yield Row(f"numpy.{name}.reduceat", stretched(f, as_wide), stretches(kinds, dtypes, **bounds), tolerance=4, examples=4,
              differs=STRETCHED)
    yield Row(f"numpy.{name}.outer", as_wide(f.outer), outer(kinds, **bounds), examples=4)
    if "at" not in no:
        yield Row(f"numpy.{name}.at", at(f), at_places(kinds, **bounds), examples=4, differs=PLACED)


FEW = ("float32", "int32", "float64", "int8", "complex64")
METHODS = [
    *methods("add", FEW, dtypes=("float32", "int32"), low=0),
    *methods("multiply", ("float32", "int32", "float64", "int8"), dtypes=("float32", "int32"), low=0, high=3),
    *methods("subtract", FEW, identity=False, one_axis=True),
    *methods("maximum", ("float32", "int32", "float64", "uint8"), identity=False),
    *methods("minimum", ("float32", "int32", "float64", "uint8"), identity=False),
    *methods("logaddexp", ("float32", "float64", "int32"), True, special=False, no=("at",)),
    *methods("logaddexp2", ("float32", "float64", "int32"), True, special=False, no=("at",)),
    *methods("bitwise_and", ("int32", "uint8")),
    *methods("bitwise_or", ("int32", "uint8"), no=("reduceat",)),
    *methods("bitwise_xor", ("int32", "uint8"), no=("reduceat",)),
    *methods("logical_and", ("bool", "int32"), no=("at",)),
    *methods("logical_or", ("bool", "int32"), no=("reduceat",)),
    *methods("logical_xor", ("bool", "int32"), no=("reduceat",)),
    Row("numpy.negative.at", at(np.negative), at_places(("float32", "int32", "float64"), unary=True), examples=4, differs=PLACED),
    Row("numpy.logaddexp.at", at(np.logaddexp), at_places(("float32", "float64")), examples=4, differs=PLACED),
    Row("numpy.logical_and.at", at(np.logical_and), at_places(("bool",)), examples=4, differs=PLACED),
]


# --- ufuncs of one's own ------------------------------------------------------------------------

def cost(x, y):
    """Not associative, so that the order is seen."""
    return x * 2 + y


numpy_cost = np.frompyfunc(cost, 2, 1)


def made(method=None, **more):
    """``fn`` of a row: `cost` as a ufunc, or one of its methods."""
    def fn(root):
        ufunc = root.numpy.frompyfunc(cost, 2, 1, **more)
        return getattr(ufunc, method) if method else ufunc
    return fn


def numeric(f):
    """What NumPy's ufuncs of Python functions answer, as numbers."""
    return lambda x, *args, **kwargs: np.asarray(f(x, *args, **kwargs), dtype=np.asarray(x).dtype)


SMALL = ("float32", "int32", "float64")
OWN = [
    Row("numpy.frompyfunc", cost, two(("float32", "int32", "float64", "complex64")), fn=made()),
    Row("numpy.ufunc.reduce", numeric(numpy_cost.reduce), lambda d: call(d.array(SMALL, d.shape(1, 3, empty=False)), axis=0),
        fn=made("reduce"), tolerance=4),
    Row("numpy.ufunc.accumulate", numeric(numpy_cost.accumulate), lambda d: call(d.array(SMALL, d.shape(1, 3, empty=False))),
        fn=made("accumulate"), tolerance=4),
    Row("numpy.ufunc", cost, two(SMALL), fn=lambda root: root.numpy.ufunc(cost, 2, 1, name="cost", identity=0)),
]

OF_TWO = """add multiply subtract maximum minimum bitwise_and bitwise_or bitwise_xor logical_and logical_or logical_xor
logaddexp logaddexp2""".split()
ROWS = [
    *CALLS, *METHODS, *OWN,
    Value(" ".join(f"numpy.{n}.nin" for n in OF_TWO), lambda name: 2),
    Value(" ".join(f"numpy.{n}.nargs" for n in OF_TWO), lambda name: 3),
    Value(" ".join(f"numpy.{n}.nout" for n in [*OF_TWO, "negative"]) + " numpy.negative.nin", lambda name: 1),
    Value("numpy.negative.nargs", lambda name: 2),
    Value("numpy.add.identity numpy.bitwise_or.identity numpy.bitwise_xor.identity", lambda name: 0),
    Value("numpy.multiply.identity", lambda name: 1),
    Value("numpy.bitwise_and.identity", lambda name: -1),
    Value("numpy.logical_and.identity", lambda name: True),
    Value("numpy.logical_or.identity numpy.logical_xor.identity", lambda name: False),
    Value("numpy.logaddexp.identity numpy.logaddexp2.identity", lambda name: -np.inf),
    Value("numpy.subtract.identity numpy.maximum.identity numpy.minimum.identity numpy.negative.identity", lambda name: None),
]


# --- refusals -----------------------------------------------------------------------------------

ONES, WHOLE = np.ones(2, np.float32), np.arange(2, dtype=np.int32)


def of(name, method, *args, error, text, label, **kwargs):
    """A refusal by a method of a ufunc."""
    return Refusal(f"numpy.{name}.{method}", lambda root: getattr(getattr(root.numpy, name), method)(*map(
        lambda x: root.numpy.asarray(x) if isinstance(x, np.ndarray) else x, args), **kwargs), error, text, label)


REFUSALS = [
    *refused("add maximum logaddexp bitwise_and", ([1.0, 2.0], ONES), TypeError, "{} requires.*<class 'list'> at position 0", "list"),
    *refused("subtract minimum logical_and", (ONES, None), TypeError, "{} requires.*<class 'NoneType'> at position 1", "None"),
    *refused("multiply logaddexp2", (np.ones((2, 3)), np.ones(2)), ValueError, r"[Ii]ncompatible shapes.*\(2, 3\), \(2,\)", "shapes"),
    *refused("add logical_or", (np.ones(3), np.ones(2)), TypeError, r"incompatible shapes.*\(3,\), \(2,\)", "sizes"),
    *refused("subtract", (ONES > 0, ONES > 0), TypeError, "bool", "booleans"),
    *refused("negative", (ONES > 0,), TypeError, "bool", "booleans"),
    *refused("bitwise_and bitwise_or bitwise_xor", (ONES, 1), TypeError, "float32", "floats"),
    *refused("add", (ONES,), TypeError, "positional argument", "one operand"),
    *refused("negative", (ONES, ONES), TypeError, "positional argument", "two operands"),
    Refusal("numpy.add", lambda root: root.numpy.add(ONES, 1.0, out=ONES), NotImplementedError, "out", "out"),
    Refusal("numpy.add", lambda root: root.numpy.add(ONES, 1.0, where=True), NotImplementedError, "where", "where"),
    of("add", "reduce", [1.0], error=TypeError, text="list", label="list"),
    of("add", "reduce", ONES, axis=1, error=ValueError, text="axis 1", label="axis"),
    of("add", "reduce", ONES, axis=(0, 0), error=ValueError, text="duplicate", label="axes twice"),
    of("add", "reduce", ONES, axis=0.5, error=TypeError, text="axis|float", label="axis no integer"),
    of("add", "reduce", ONES, dtype="what", error=TypeError, text="what", label="dtype"),
    of("maximum", "reduce", np.ones((0, 2)), error=ValueError, text="no identity", label="nothing"),
    of("subtract", "reduce", np.ones((0, 2)), error=ValueError, text="no identity", label="nothing"),
    of("maximum", "reduce", ONES, where=ONES > 0, error=ValueError, text="'initial'|identity", label="where without initial"),
    of("bitwise_and", "reduce", ONES, error=(TypeError, ValueError), text="integer|float32", label="floats"),
    of("negative", "reduce", ONES, error=ValueError, text="reduce only supported for binary", label="one operand"),
    of("negative", "accumulate", ONES, error=ValueError, text="accumulate only supported for binary", label="one operand"),
    of("negative", "outer", ONES, ONES, error=ValueError, text="outer only supported for binary", label="one operand"),
    of("negative", "reduceat", ONES, WHOLE, error=ValueError, text="reduceat only supported for binary", label="one operand"),
    of("add", "accumulate", [1.0], error=TypeError, text="list", label="list"),
    of("add", "accumulate", ONES, axis=3, error=ValueError, text="axis 3", label="axis"),
    of("add", "accumulate", np.ones(()), error=ValueError, text="axis 0", label="no dimensions"),
    of("maximum", "accumulate", ONES, axis=None, error=ValueError, text="axis=None|axes", label="no axis"),
    of("add", "reduceat", ONES, [0, 1], error=TypeError, text="list.*position 1", label="list"),
    of("add", "reduceat", ONES, WHOLE[None], error=ValueError, text="one-?.dimension", label="matrix of indices"),
    of("add", "reduceat", ONES, ONES, error=ValueError, text="integer", label="floats"),
    of("add", "reduceat", ONES, WHOLE, axis=None, error=ValueError, text="axis", label="no axis"),
    of("add", "reduceat", np.ones(()), WHOLE, error=ValueError, text="dimension", label="no dimensions"),
    of("add", "at", ONES, 0, 1.0, error=NotImplementedError, text="inplace=False", label="in place"),
    of("add", "at", ONES, 0, inplace=False, error=TypeError, text="b", label="no operand"),
    of("negative", "at", ONES, 0, 1.0, inplace=False, error=TypeError, text="operand|positional", label="an operand"),
    of("add", "at", ONES, "a", 1.0, inplace=False, error=TypeError, text="'a'|str", label="index"),
    of("add", "at", ONES, 0.5, 1.0, inplace=False, error=TypeError, text="integer or boolean", label="index no integer"),
    of("add", "outer", [1.0], 2.0, error=TypeError, text="list", label="list"),
    Refusal("numpy.frompyfunc", lambda root: root.numpy.frompyfunc(cost, 1.5, 1), TypeError, "float", "nin"),
    Refusal("numpy.frompyfunc", lambda root: root.numpy.frompyfunc(cost, 2, 1)(ONES), TypeError, "positional", "one operand"),
    Refusal("numpy.frompyfunc", lambda root: root.numpy.frompyfunc(cost, 2, 1)(ONES, [1.0]), TypeError, "list", "list"),
    Refusal("numpy.frompyfunc", lambda root: root.numpy.frompyfunc(cost, 2, 1)(ONES, np.ones(3)), ValueError, "shapes", "sizes"),
]
