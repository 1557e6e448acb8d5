"""Rows of the functions about dtypes, the scalar types and constants of `numpy`, and of arrays as text."""

import ml_dtypes
import numpy as np
from api_draw import ANY, NARROW, call, kind, np_dtype
from api_harness import Elsewhere, Refusal, Row, Value

PYTHON = {"jit": False, "vmap": False, "grad": False, "why": "answers a Python value about dtypes"}

#: JAX's lattice of promotion: what lies directly above each dtype; the starred ones are those of Python numbers.
ABOVE = {
    "bool": ("int*",), "int*": ("uint8", "int8"), "int8": ("int16",), "int16": ("int32",), "int32": ("int64",), "int64": ("float*",),
    "uint8": ("int16", "uint16"), "uint16": ("int32", "uint32"), "uint32": ("int64", "uint64"), "uint64": ("float*",),
    "float*": ("bfloat16", "float16", "complex*"), "bfloat16": ("float32",), "float16": ("float32",),
    "float32": ("float64", "complex64"), "float64": ("complex128",), "complex*": ("complex64",), "complex64": ("complex128",),
    "complex128": (),
}
WEAK = {bool: "bool", int: "int*", float: "float*", complex: "complex*"}


def upwards(node) -> set:
    return {node}.union(*map(upwards, ABOVE[node]))


def join(*args):
    """The dtype that arrays, numbers, dtypes and Python's types promote to, by the lattice."""
    nodes = [WEAK.get(x) if isinstance(x, type) and x in WEAK else WEAK.get(type(x)) or (
        x.dtype.name if hasattr(x, "dtype") else np_dtype(x).name) for x in args]
    common = set.intersection(*map(upwards, nodes))
    least = next(node for node in common if upwards(node) == common)
    wide = any(node in ("int64", "uint64", "float64", "complex128") for node in nodes)
    plain = {"int*": "int64", "float*": "float64", "complex*": "complex128"} if wide else {
        "int*": "int32", "float*": "float32", "complex*": "complex64"}
    return np_dtype(plain.get(least, least))


def of_numpy(x):
    """A dtype as NumPy files it: the narrow ones by one that is like them."""
    dtype = np_dtype(x)
    return dtype if dtype.isbuiltin == 1 else np.dtype({"f": "float16", "i": "int8", "u": "uint8"}[kind(dtype)])


def a_dtype(d):
    return d.pick(*ANY, *NARROW, float, int, bool)


def promotable(d):
    return d.pick(*ANY, int, float, complex)


def operands(d):
    """Arrays, numbers and dtypes."""
    options = (lambda: d.array(ANY, (2,)), lambda: d.pick(1, 2.0, 1j, True), lambda: promotable(d), lambda: np_dtype(d.pick(*ANY)))
    return call(*[d.pick(*options)() for _ in range(d.integer(1, 3))])


FLOAT_NAMES = ("float32", "float16", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2", "complex64", "complex128")
LIMITS = ("bits", "eps", "epsneg", "max", "min", "maxexp", "minexp", "nmant", "nexp", "machep", "negep", "iexp", "precision",
          "resolution", "tiny", "smallest_normal", "smallest_subnormal")
KINDS = ("bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric")
CATEGORIES = ("generic", "number", "integer", "signedinteger", "unsignedinteger", "inexact", "floating", "complexfloating")


def limits(info, names):
    return tuple(float(getattr(info, name)) for name in names)


def limits_of(name, names):
    """``fn`` of a row: what ``finfo`` or ``iinfo`` says of a dtype, as numbers."""
    return lambda root: lambda dtype: limits(getattr(root.numpy, name)(dtype), names)


FUNCTIONS = [
    Row("numpy.finfo", lambda t: limits(ml_dtypes.finfo(np_dtype(t)), LIMITS), lambda d: call(d.pick(*FLOAT_NAMES)),
        fn=limits_of("finfo", LIMITS), **PYTHON),
    Row("numpy.iinfo", lambda t: limits(ml_dtypes.iinfo(np_dtype(t)), ("bits", "min", "max")),
        lambda d: call(d.pick("int8", "uint8", "int32", "uint32", "int16", "uint16", "int4", "uint4")),
        fn=limits_of("iinfo", ("bits", "min", "max")), **PYTHON),
    Row("numpy.promote_types", join, lambda d: call(promotable(d), promotable(d)), examples=40, **PYTHON),
    Row("numpy.result_type", join, operands, examples=40, **PYTHON),
    Row("numpy.can_cast", np.can_cast, lambda d: call(np_dtype(d.pick(*ANY)), np_dtype(d.pick(*ANY)), **d.some(
        casting=("safe", "same_kind", "no", "equiv", "unsafe"))), examples=20, **PYTHON),
    Row("numpy.isdtype", lambda t, k: np.isdtype(of_numpy(t), k if k != "float32" else np.float32), lambda d: call(
        a_dtype(d), d.pick(*KINDS, ("bool", "integral"))), examples=20, **PYTHON),
    Row("numpy.issubdtype", lambda t, c: np.issubdtype(of_numpy(t), c), lambda d: call(a_dtype(d), getattr(np, d.pick(*CATEGORIES))),
        examples=20, **PYTHON),
    Row("numpy.isscalar", lambda x: np.ndim(x) == 0 if isinstance(x, np.ndarray) else np.isscalar(x), lambda d: call(d.pick(
        1, 2.5, 1j, True, "a", b"a", None, [1], np.float32(1), np.ones(()), np.ones(1))), examples=12, **PYTHON),
    Row("numpy.iterable", np.iterable, lambda d: call(d.pick(1, [1], (1,), "ab", None, {}, np.ones(2))), **PYTHON),
]


# --- types and constants ------------------------------------------------------------------------

TYPES = """bool int1 int2 int4 int8 int16 int32 int64 uint1 uint2 uint4 uint8 uint16 uint32 uint64 float16 float32 float64 bfloat16
float4_e2m1fn float6_e2m3fn float6_e3m2fn float8_e3m4 float8_e4m3 float8_e4m3b11fnuz float8_e4m3fn
float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu complex64 complex128""".split()
ALIASES = {"bool_": np.bool_, "int_": np.int64, "uint": np.uint64, "float_": np.float64, "complex_": np.complex128,
           "single": np.float32, "double": np.float64, "csingle": np.complex64, "cdouble": np.complex128}


def public(names):
    return " ".join(f"numpy.{name}" for name in names)


def constructed(d):
    """The name of a scalar type, and a number, a list or an array to make an array of it."""
    name = d.pick("float32", "int8", "bool", "bfloat16", "complex64", "uint8", "float16", "int32")
    x = d.pick(3, 1.5 if kind(np_dtype(name)) in "fc" else 2, True, [1, 2], ((1, 2), (0, 3)), d.array(("int32", "uint8"), low=0))
    return call(name, x)


ROWS = [
    *FUNCTIONS,
    Row("numpy.float32", lambda name, x: np.asarray(x, np_dtype(name)), constructed, examples=16, grad=False,
        why="most of them hold integers", fn=lambda root: lambda name, x: getattr(root.numpy, name)(x)),
    Value(public(name for name in TYPES if name != "float32"), lambda name: np_dtype(name).type),
    Value(public(ALIASES), ALIASES.get),
    Value(public(CATEGORIES) + " numpy.flexible numpy.character numpy.object_ numpy.dtype", lambda name: getattr(np, name)),
    Value("numpy.pi numpy.e numpy.inf numpy.nan numpy.euler_gamma numpy.newaxis", lambda name: getattr(np, name)),
    Value("numpy.ComplexWarning", lambda name: np.exceptions.ComplexWarning),
    Elsewhere("numpy.array_repr numpy.array_str numpy.get_printoptions numpy.printoptions numpy.set_printoptions",
              "numpy/test_text.py"),
]


# --- refusals -----------------------------------------------------------------------------------

REFUSALS = [
    Refusal("numpy.finfo", lambda root: root.numpy.finfo("int32"), ValueError, "int32|inexact", "integers"),
    Refusal("numpy.finfo", lambda root: root.numpy.finfo("what"), ValueError, "not inexact", "unknown"),
    Refusal("numpy.iinfo", lambda root: root.numpy.iinfo("float32"), ValueError, "float32|integer", "floats"),
    Refusal("numpy.promote_types", lambda root: root.numpy.promote_types("what", int), TypeError, "what", "unknown"),
    Refusal("numpy.promote_types", lambda root: root.numpy.promote_types("int4", "int8"), ValueError, "int4.*int8", "narrow"),
    Refusal("numpy.promote_types", lambda root: root.numpy.promote_types(1, int), TypeError, "1", "number"),
    Refusal("numpy.result_type", lambda root: root.numpy.result_type(), ValueError, "at least one", "nothing"),
    Refusal("numpy.result_type", lambda root: root.numpy.result_type([1]), TypeError, "list|dtype", "list"),
    Refusal("numpy.isdtype", lambda root: root.numpy.isdtype("int8", "what"), ValueError, "kind='what'", "unknown"),
    Refusal("numpy.isdtype", lambda root: root.numpy.isdtype("int8", 1), TypeError, "kind=1", "number"),
    Refusal("numpy.isdtype", lambda root: root.numpy.isdtype("what", "bool"), TypeError, "what", "dtype"),
    Refusal("numpy.can_cast", lambda root: root.numpy.can_cast(1, "int8"), TypeError, "Python ints", "number"),
    Refusal("numpy.can_cast", lambda root: root.numpy.can_cast("int8", "int8", casting="what"), ValueError, "casting", "casting"),
    Refusal("numpy.issubdtype", lambda root: root.numpy.issubdtype("what", np.floating), TypeError, "what", "unknown"),
    Refusal("numpy.float32", lambda root: root.numpy.float32("a"), ValueError, "'a'", "text"),
    Refusal("numpy.float32", lambda root: root.numpy.float32(None), ValueError, "None", "None"),
    Refusal("numpy.float32", lambda root: root.numpy.float32([[1], [1, 2]]), ValueError, "inhomogeneous|ragged|shape", "ragged"),
    Refusal("numpy.int8", lambda root: root.numpy.int8(300), OverflowError, "300", "too large"),
    Refusal("numpy.float32", lambda root: root.numpy.float32(object()), TypeError, "object", "object"),
]
