"""Rows of `numpy`: arrays from values, of one value, of numbers in a row, matrices with a structure, files."""

import functools
import io

import numpy as np
from api_draw import ANY, FLOATS, NARROW, NUMBERS, REAL, Draw, Fixed, call, cases
from api_harness import Elsewhere, Refusal, Row, Value, find

TYPES = ("float32", "int32", "bool", "bfloat16", "complex64", "int8", "uint8", "float64", "float16", "int64", float, int, "int4")
NO_ARRAYS = "takes no arrays"
ON_HOST = "its argument is no array"


def placed(name):
    """The function with ``device`` and ``out_sharding`` made of words, which stand for places of the library in hand."""
    def fn(root):
        found, device = find(root, name), root.devices()[0]
        places = {"device": device, "sharding": root.sharding.SingleDeviceSharding(device),
                  "named": root.sharding.NamedSharding(root.sharding.Mesh(np.array([device]), ("x",)), root.P())}

        def call_there(*args, **kwargs):
            kwargs.update({k: places[kwargs[k]] for k in ("device", "out_sharding") if isinstance(kwargs.get(k), str)})
            return found(*args, **kwargs)
        return call_there
    return fn


def anywhere(oracle):
    """The oracle, without what it does not know: dtype (the result is compared in the dtype found) and place."""
    def unplaced(*args, **kwargs):
        return oracle(*args, **{k: v for k, v in kwargs.items() if k not in ("dtype", "device", "out_sharding")})
    return unplaced


def place(d: Draw, *more):
    return {} if d.smooth else d.pick({}, {"device": "device"}, {"device": "sharding"}, *more)


SHARDED = {"out_sharding": "named"}


def shape(d: Draw):
    """A shape as it may be written."""
    s = d.shape()
    return d.pick(s, list(s), tuple(map(np.int64, s)), s[0] if s else (), np.int32(s[0]) if s else ())


# --- from values --------------------------------------------------------------------------------

def number(d: Draw):
    return d.pick(1, 2.5, True, -3, 1j, 0)


def value(d: Draw):
    """What an array can be made of."""
    match d.integer(0, 6):
        case 0:
            return d.array(ANY)
        case 1:
            return number(d)
        case 2:
            return [[number(d) for _ in range(3)] for _ in range(d.integer(1, 3))]
        case 3:
            return [d.array(NUMBERS, (2,)) for _ in range(d.integer(1, 3))]
        case 4:
            return (d.array(REAL, ()), number(d), d.array(FLOATS, ()))
        case 5:
            return d.pick([], [[]], ((), ()), [[], [1.0]][:1], range(3), [range(2), range(2)], [np.float16(1), 2])
        case 6:
            return [[d.array(REAL, ()), 2.5], (number(d), 3)]


def is_complex(x) -> bool:
    return isinstance(x, (list, tuple)) and any(map(is_complex, x)) or not isinstance(x, (list, tuple)) and np.asarray(x).dtype.kind == "c"


def making(*, copies, ndmin=False):
    def calls(d: Draw):
        x, kwargs = value(d), {}
        if d.flag() and not d.smooth:
            real = ("float32", "bfloat16", "complex64", float, "float64")
            kwargs["dtype"] = d.pick("complex64", "complex128") if is_complex(x) else d.pick(*real)
        if ndmin and d.flag():
            kwargs["ndmin"] = d.integer(0, 4)
        if d.flag():
            kwargs["copy"] = d.pick(*copies)
        return call(x, **kwargs, **d.some(order=(None, "K")), **place(d, SHARDED))
    return calls


def make(x, ndmin=0, copy=None, order=None):
    return np.array(x, ndmin=ndmin)


def buffer(d: Draw):
    dtype = d.pick("float32", "uint8", "int16", "int32")
    data = (np.arange(24) % 7).astype(dtype).tobytes()
    return call(d.pick(data, bytearray(data)), **d.some(dtype=(dtype,), count=(3, -1, 2), offset=(8, 16)))


def other_library(x):
    """For dlpack: an array that is not a tracer and holds its own memory."""
    return Fixed(np.asarray(x).copy())


def text(d: Draw):
    return call(d.pick("1 2 3", "4", "1 -2  3"), **d.some(dtype=(int, "float32", "int8"), count=(1, -1)), sep=" ")


# --- of one value -------------------------------------------------------------------------------

def filled(d: Draw):
    return call(shape(d), **({"dtype": d.pick(*TYPES)} if d.flag() else {}), **place(d, SHARDED))


def full(d: Draw):
    s = d.shape()
    fill = d.pick(number(d), d.array(ANY, s[d.integer(0, len(s)):]))
    dtype = {} if is_complex(fill) or d.flag() else {"dtype": d.pick("float32", "bfloat16", "complex64", "float64")}
    weak = not dtype and not isinstance(fill, np.ndarray)       # with a device it is not, but under jit it is
    return call(s, fill, **dtype, **({} if weak else place(d, SHARDED)))


def like(*, fill=False, where=({"out_sharding": "named"},)):
    def calls(d: Draw):
        x = d.pick(d.array(ANY + NARROW), number(d))
        s = d.pick(np.shape(x), d.shape())
        options = {"shape": s} if s != np.shape(x) or d.flag() else {}
        if d.flag():
            options["dtype"] = d.pick("complex64", "complex128") if fill else d.pick(*TYPES)
        kept = is_complex(x) or "dtype" in options
        value = (d.pick(number(d), d.array(NUMBERS, s[1:])) if kept else d.pick(1, 0, d.array(("uint8",), s[1:], 0, 2)),) if fill else ()
        weak = not isinstance(x, np.ndarray) and "dtype" not in options     # as in `full`
        return call(x, *value, **options, **({} if weak else place(d, *where)))
    return calls


def full_like(a, value, shape=None):
    return np.broadcast_to(value, np.shape(a) if shape is None else shape)


# --- numbers in a row ---------------------------------------------------------------------------

def arange(d: Draw):
    whole = ("float32", "bfloat16", "complex64", "float64")
    args = d.pick((5,), (0,), (-2,), (2, 7), (7, 2), (2.5,), (0, 10, 3), (5, 0, -2), (0.0, 1.0, 0.25), (1, 4.5), (np.int8(3),),
                  (np.float32(0.5), 4), (3, None, 2), (np.uint8(2), np.uint8(9), np.uint8(3)), (10, 2, 3))
    integers = all(a is None or a >= 0 and not isinstance(a, (float, np.floating)) for a in args)
    dtype = {"dtype": d.pick(*whole, "int8", "uint8") if integers else d.pick(*whole)} if d.flag() else {}
    return call(*args, **dtype, **place(d, SHARDED))


def arange_oracle(start, stop=None, step=None):
    start, stop = (0, start) if stop is None else (start, stop)
    return np.arange(start, stop, 1 if step is None else step)


def spaced(low=-4.0, high=4.0, kinds=("float32", "int32", "complex64", "float64", "bfloat16", "int8"), step=False, base=False, place_=True):
    def calls(d: Draw):
        a, b = d.broadcasting(2, 0, 2)
        ends = (d.array(kinds, a, low, high, special=False), d.array(kinds, b, low, high, special=False))
        if d.flag() and not d.smooth:
            ends = d.pick((0.5, 3), (1, 2.5), (3, 1), (ends[0], 2))
        kwargs = d.some(num=(4, 1, 2, 0, 7), endpoint=(False, True))
        if step:
            kwargs.update(d.some(retstep=(True, False)))
        if base:
            kwargs.update(d.some(base=(2, 2.5, d.array(("float32", "float64"), (), 1.0, 4.0, special=False))))
        if d.flag():
            kwargs["axis"] = d.axis(max(map(np.ndim, ends)) + 1)
        if d.flag() and not d.smooth:
            kwargs["dtype"] = d.pick("complex64", "complex128") if any(map(is_complex, ends)) else d.pick("float32", "float64", "complex64")
        return call(*ends, **kwargs, **(place(d) if place_ else {}))
    return calls


def logspace(start, stop, num=50, endpoint=True, base=10.0, axis=0):
    # NumPy would broadcast base with the ends before it moves the axis
    return np.power(base, np.linspace(start, stop, num, endpoint, axis=axis))


def linspace(start, stop, num=50, endpoint=True, retstep=False, axis=0):
    start, stop = np.broadcast_arrays(start, stop)
    values = np.linspace(start, stop, num, endpoint, axis=axis)
    steps = num - 1 if endpoint else num
    return (values, (stop - start) / steps if steps > 0 else np.float64(np.nan)) if retstep else values


def geomspace(start, stop, num=50, endpoint=True, axis=0):
    start, stop = np.broadcast_arrays(start, stop)
    logs = np.linspace(np.log(start.astype(complex)), np.log(stop.astype(complex)), num, endpoint)
    out = np.moveaxis(np.exp(logs), 0, axis)
    return out if start.dtype.kind == "c" or stop.dtype.kind == "c" else out.real


def grid(d: Draw):
    vectors = [d.array(REAL, d.pick((3,), (2,), (1,), (0,)) if not d.smooth else (2,)) for _ in range(d.integer(0, 3))]
    return call(*vectors, **d.some(sparse=(True, False), indexing=("ij", "xy"), copy=(True,)))


def positions(d: Draw):
    return call(d.pick((2, 3), (2,), (), (0, 2), [3, 1], (2, 3, 2)), **d.some(sparse=(True, False), dtype=("int8", float, "bfloat16")))


def open_mesh(d: Draw):
    return call(*[d.indices(4, (d.integer(0, 3),)) for _ in range(d.integer(0, 3))])


def indexed(name):
    """An object that is indexed, as a function of the index."""
    return lambda root: find(root, name).__getitem__


def of_numpy(obj):
    return lambda key: obj[key]


GRIDS = cases(*map(call, [
    np.s_[0:3], np.s_[1:3, 2:5], np.s_[0:1:5j], np.s_[0:4:2, 0:1:0.5], np.s_[:3, :2, 1:2], np.s_[0:0], np.s_[-1:1:3j, 4:2:-1], (np.s_[:2],),
    np.s_[0:2.5]]))


def of_positions(d: Draw):
    s = d.pick((2, 3), (3,), (2, 1, 2), [2, 2], ())
    return call((lambda *i: sum(i, 1)) if s else (lambda: np.float32(3)), s, **d.some(dtype=("float32", int, "int8")))


# --- matrices -----------------------------------------------------------------------------------

def eye(d: Draw):
    return call(d.integer(0, 4), **d.some(M=(3, 0, None, 5), k=(0, 1, -1, 7, -7, np.int32(1)), dtype=TYPES), **place(d))


def tri(d: Draw):
    return call(d.integer(0, 4), **d.some(M=(3, 0, None, 5), k=(0, 1, -1, 7, -7), dtype=TYPES))


def triangle(d: Draw):
    return call(d.array(ANY, d.shape(2, 4, sizes=(2, 3, 1))), **d.some(k=(0, 1, -1, 5, -5)))


def corner(d: Draw):
    return call(d.integer(0, 4), **d.some(k=(0, 1, -1, 5, -5), m=(2, 5, None, 0)))


def diagonals(d: Draw):
    x = d.array(ANY, d.shape(2, 4, sizes=(2, 3, 1)))
    axes = {}
    if d.flag():
        a = d.axis(x.ndim)
        b = (a + d.integer(1, x.ndim - 1)) % x.ndim
        axes = {"axis1": a, "axis2": b - x.ndim if d.flag() else b}
    return call(x, **d.some(offset=(0, 1, -1, 5, -5)), **axes)


def filling(d: Draw):
    n = d.integer(1, 3)
    x = d.array(ANY, d.pick((2, 3), (3, 2), (n, n), (n,) * 3, (4, 1)), special=False)
    value = d.array((x.dtype.name,), d.pick((), (2,), (1,), (5,), (2, 2)), special=False)
    return call(x, value, inplace=False)


def fill_diagonal(a, val, inplace):
    np.fill_diagonal(a, val)
    return a


def named_mask(name):
    """``mask_indices`` of the library's function of a name."""
    def fn(root):
        return lambda n, which, k=0, size=None: find(root, name)(n, getattr(root.numpy, which), k, size=size)
    return fn


def mask_indices(n, which, k=0, size=None):
    found = np.mask_indices(n, getattr(np, which), k)
    return tuple(np.concatenate([i, np.zeros(size, int)])[:size] if size is not None else i for i in found)


# --- files --------------------------------------------------------------------------------------

def through_file(writer):
    """What is read back of what was written."""
    def fn(root):
        jnp = root.numpy

        def trip(*args, **kwargs):
            file = io.BytesIO()
            getattr(jnp, writer)(file, *args, **kwargs)
            file.seek(0)
            read = jnp.load(file)
            return {k: read[k] for k in read.files} if writer == "savez" else read
        return trip
    return fn


STORED = ("float32", "int8", "complex64", "bool", "float64", "float16", "uint32")
IN_FILES = "writes to a file"

ROWS = [
    Row("numpy.array", anywhere(make), making(copies=(True, False), ndmin=True), fn=placed("numpy.array"), examples=10),
    Row("numpy.asarray", anywhere(make), making(copies=(None, True)), fn=placed("numpy.asarray"), examples=6),
    Row("numpy.copy", lambda a, order=None: a, lambda d: call(d.pick(d.array(ANY), d.pick(2, 1.5)), **d.some(order=(None, "K")))),
    Row("Array.copy Array.clone", lambda a: a, lambda d: call(d.array(ANY + NARROW)), gives="same", fn=None),
    Row("numpy.frombuffer", lambda b, **k: np.frombuffer(b, **{"dtype": float, **k}), buffer, vmap=False, why=ON_HOST),
    Row("numpy.fromstring", np.fromstring, text, vmap=False, why=ON_HOST),
    Row("numpy.from_dlpack", lambda x, **k: x, lambda d: call(other_library(d.array(("float32", "int8", "complex64"), special=False)),
        **d.some(copy=(True, None))), jit=False, vmap=False, grad=False, why="takes memory, not values"),

    Row("numpy.zeros", lambda s, **k: np.zeros(s), filled, fn=placed("numpy.zeros"), vmap=False, why=NO_ARRAYS),
    Row("numpy.empty", lambda s, **k: np.zeros(s), filled, fn=placed("numpy.empty"), vmap=False, why=NO_ARRAYS),
    Row("numpy.ones", lambda s, **k: np.ones(s), filled, fn=placed("numpy.ones"), vmap=False, why=NO_ARRAYS),
    Row("numpy.full", lambda s, v, **k: np.broadcast_to(v, s), full, fn=placed("numpy.full"), examples=8),
    Row("numpy.zeros_like", lambda a, shape=None, **k: full_like(a, 0, shape), like(), fn=placed("numpy.zeros_like")),
    Row("numpy.ones_like", lambda a, shape=None, **k: full_like(a, 1, shape), like(), fn=placed("numpy.ones_like")),
    Row("numpy.empty_like", lambda a, shape=None, **k: full_like(a, 0, shape), like(where=()), fn=placed("numpy.empty_like")),
    Row("numpy.full_like", anywhere(full_like), like(fill=True), fn=placed("numpy.full_like"), examples=8),

    Row("numpy.arange", anywhere(arange_oracle), arange, fn=placed("numpy.arange"), vmap=False, why=NO_ARRAYS, examples=12),
    Row("numpy.linspace", anywhere(linspace), spaced(step=True), fn=placed("numpy.linspace"), examples=8),
    Row("numpy.logspace", anywhere(logspace), spaced(low=-1.0, high=2.0, base=True, place_=False), tolerance=4.0, examples=5),
    Row("numpy.geomspace", anywhere(geomspace), spaced(low=1.0, high=9.0, place_=False), tolerance=4.0, examples=5),
    Row("numpy.meshgrid", np.meshgrid, grid),
    Row("numpy.indices", anywhere(np.indices), positions, vmap=False, why=NO_ARRAYS),
    Row("numpy.ix_", np.ix_, open_mesh),
    Row("numpy.fromfunction", lambda f, s, dtype=float: np.fromfunction(f, s, dtype=float) * np.ones(s), of_positions,
        vmap=False, why=NO_ARRAYS),
    Row("numpy.mgrid", of_numpy(np.mgrid), GRIDS, fn=indexed("numpy.mgrid"), vmap=False, why=NO_ARRAYS, examples=12),
    Row("numpy.ogrid", of_numpy(np.ogrid), GRIDS, fn=indexed("numpy.ogrid"), vmap=False, why=NO_ARRAYS, examples=12),
    Value("numpy.s_ numpy.index_exp", lambda name: getattr(np, name)),

    Row("numpy.eye", anywhere(lambda N, M=None, k=0: np.eye(N, M, int(k))), eye, fn=placed("numpy.eye"), vmap=False, why=NO_ARRAYS),
    Row("numpy.identity", anywhere(np.identity), lambda d: call(d.integer(0, 4), **d.some(dtype=TYPES)), vmap=False, why=NO_ARRAYS),
    Row("numpy.tri", anywhere(np.tri), tri, vmap=False, why=NO_ARRAYS),
    Row("numpy.tril", np.tril, triangle, gives="same"),
    Row("numpy.triu", np.triu, triangle, gives="same", examples=4),
    Row("numpy.diagonal", np.diagonal, diagonals, gives="same"),
    Row("Array.diagonal", np.diagonal, diagonals, gives="same", examples=4),
    Row("numpy.diag", np.diag, lambda d: call(d.array(ANY, d.shape(1, 2)), **d.some(k=(0, 1, -1, 3, -4))), gives="same"),
    Row("numpy.diagflat", np.diagflat, lambda d: call(d.pick(d.array(ANY), 3), **d.some(k=(0, 1, -1))), gives="same", examples=4),
    Row("numpy.fill_diagonal", fill_diagonal, filling, gives="same", examples=5),
    Row("numpy.diag_indices", np.diag_indices, lambda d: call(d.integer(0, 4), **d.some(ndim=(1, 2, 3))), gives="index",
        vmap=False, why=NO_ARRAYS),
    Row("numpy.diag_indices_from", np.diag_indices_from, lambda d: call(d.array(REAL, d.pick((2, 2), (3,) * 3, (1, 1), (0, 0)))),
        gives="index"),
    Row("numpy.tril_indices", np.tril_indices, corner, gives="index", vmap=False, why=NO_ARRAYS),
    Row("numpy.triu_indices", np.triu_indices, corner, gives="index", vmap=False, why=NO_ARRAYS),
    Row("numpy.tril_indices_from", np.tril_indices_from, lambda d: call(d.array(REAL, d.shape(2, 2)), **d.some(k=(0, 1, -1, 5))),
        gives="index"),
    Row("numpy.triu_indices_from", np.triu_indices_from, lambda d: call(d.array(REAL, d.shape(2, 2)), **d.some(k=(0, 1, -1, 5))),
        gives="index"),
    Row("numpy.mask_indices", mask_indices, lambda d: call(d.integer(0, 3), d.pick("tril", "triu"), **d.some(k=(0, 1, -1), size=(2, 7))),
        fn=named_mask("numpy.mask_indices"), jit=False, vmap=False, why="how many positions there are depends on values"),

    Row("numpy.save", lambda x, allow_pickle=True: x, lambda d: call(d.array(STORED), **d.some(allow_pickle=(True, False))),
        fn=through_file("save"), jit=False, vmap=False, grad=False, why=IN_FILES),
    Row("numpy.savez", lambda *args, **k: {**{f"arr_{i}": x for i, x in enumerate(args)}, **k},
        lambda d: call(*[d.array(STORED) for _ in range(d.integer(1, 2))], **({"b": d.array(STORED)} if d.flag() else {})),
        fn=through_file("savez"), jit=False, vmap=False, grad=False, why=IN_FILES),
    Row("numpy.load", lambda x: x, lambda d: call(d.array(STORED + ("bfloat16",))), fn=through_file("save"), jit=False, vmap=False,
        grad=False, why=IN_FILES, examples=4),
    Elsewhere("numpy.fromfile numpy.fromiter", "numpy/test_creation.py"),
]

traced = functools.partial(lambda f: lambda root: root.jit(lambda n: f(root.numpy, n))(3))
X = np.ones((2, 3), np.float32)


def ferax_array(root):
    return root.numpy.asarray(X)


REFUSALS = [
    Refusal("numpy.array", lambda r: r.numpy.array("a"), TypeError, "Unexpected input type for array.*str", "text"),
    Refusal("numpy.array", lambda r: r.numpy.array({}), TypeError, "Unexpected input type for array.*dict", "dict"),
    Refusal("numpy.array", lambda r: r.numpy.array(np.array([None, 1])), TypeError, "object", "object"),
    Refusal("numpy.array", lambda r: r.numpy.array(np.array(["a"])), TypeError, "<U1|str", "string"),
    Refusal("numpy.array", lambda r: r.numpy.array([[1, 2], [3]]), (TypeError, ValueError), "rectangular", "ragged"),
    Refusal("numpy.array", lambda r: r.numpy.array(None), ValueError, "None is not a valid value", "none"),
    Refusal("numpy.array", lambda r: r.numpy.array([1, None]), ValueError, "None is not a valid value", "none-inside"),
    Refusal("numpy.array", lambda r: r.numpy.array(1, order="F"), NotImplementedError, "order.*F", "order"),
    Refusal("numpy.array", lambda r: r.numpy.array(1, dtype="no dtype"), TypeError, "no dtype", "dtype"),
    Refusal("numpy.array", lambda r: r.numpy.array(2 ** 40), OverflowError, "int32|too large|out of bounds", "too-large"),
    Refusal("numpy.asarray", lambda r: r.numpy.asarray(object()), TypeError, "Unexpected input type for array.*object", "object"),
    Refusal("numpy.copy", lambda r: r.numpy.copy([1, 2]), TypeError, "copy.*list", "list"),
    Refusal("numpy.zeros", lambda r: r.numpy.zeros(-1), TypeError, "-1", "negative"),
    Refusal("numpy.zeros", lambda r: r.numpy.zeros((2, 1.5)), TypeError, "1.5", "float"),
    Refusal("numpy.zeros", lambda r: r.numpy.zeros("ab"), TypeError, "ab|'a'", "text"),
    Refusal("numpy.zeros", lambda r: r.numpy.zeros(3, 4), TypeError, r"jnp\.zeros\(\(3, 4\)\)", "forgotten-tuple"),
    Refusal("numpy.zeros", lambda r: r.numpy.zeros(2, str), TypeError, "str", "string-dtype"),
    Refusal("numpy.zeros", lambda r: r.numpy.zeros(2, object), TypeError, "object", "object-dtype"),
    Refusal("numpy.zeros", traced(lambda jnp, n: jnp.zeros(n)), TypeError, "shape|Shapes", "traced"),
    Refusal("numpy.full", lambda r: r.numpy.full((2,), np.arange(3)), ValueError, r"full.*\(3,\).*\(2,\)|\(3,\)", "shape"),
    Refusal("numpy.full_like", lambda r: r.numpy.full_like("a", 1), TypeError, "full_like.*str", "text"),
    Refusal("numpy.zeros_like", lambda r: r.numpy.zeros_like([1]), TypeError, "zeros_like.*list", "list"),
    Refusal("numpy.arange", lambda r: r.numpy.arange("a"), TypeError, "arange.*str", "text"),
    Refusal("numpy.arange", lambda r: r.numpy.arange(np.arange(2)), (TypeError, ValueError), "arange.*scalar", "vector"),
    Refusal("numpy.arange", lambda r: r.numpy.arange(0, 3, 0), ZeroDivisionError, "step must not be 0|zero", "zero-step"),
    Refusal("numpy.arange", lambda r: r.numpy.arange(1j), (TypeError, ValueError), "complex", "complex"),
    Refusal("numpy.arange", traced(lambda jnp, n: jnp.arange(n)), TypeError, "jnp.arange argument 'stop'", "traced"),
    Refusal("numpy.arange", lambda r: r.numpy.arange(True), TypeError, "iota.*bool", "boolean"),
    Refusal("numpy.linspace", lambda r: r.numpy.linspace(0, 1, -1), ValueError, "-1.*non-negative", "negative"),
    Refusal("numpy.linspace", lambda r: r.numpy.linspace(0, 1, 2.5), TypeError, "num.*2.5", "float"),
    Refusal("numpy.linspace", lambda r: r.numpy.linspace(0, [1], 2), TypeError, "linspace.*list", "list"),
    Refusal("numpy.linspace", lambda r: r.numpy.linspace(0, 1, 3, axis=2), (ValueError, IndexError), "axis 2", "axis"),
    Refusal("numpy.linspace", lambda r: r.numpy.linspace(np.ones(2), np.ones(3)), ValueError, r"\(2,\).*\(3,\)", "shapes"),
    Refusal("numpy.logspace", traced(lambda jnp, n: jnp.logspace(0, 1, n)), TypeError, "'num' argument of jnp.logspace", "traced"),
    Refusal("numpy.meshgrid", lambda r: r.numpy.meshgrid(X), ValueError, r"1D.*\(2, 3\)", "rank"),
    Refusal("numpy.meshgrid", lambda r: r.numpy.meshgrid(X[0], indexing="ab"), ValueError, "indexing.*ab", "indexing"),
    Refusal("numpy.meshgrid", lambda r: r.numpy.meshgrid(X[0], copy=False), ValueError, "copy", "copy"),
    Refusal("numpy.indices", lambda r: r.numpy.indices((2, -1)), (TypeError, ValueError), "-1", "negative"),
    Refusal("numpy.ix_", lambda r: r.numpy.ix_(X), ValueError, r"1-dimensional.*\(2, 3\)", "rank"),
    Refusal("numpy.ix_", lambda r: r.numpy.ix_(np.array([True])), NotImplementedError, "[Bb]oolean", "mask"),
    Refusal("numpy.eye", lambda r: r.numpy.eye(-1), ValueError, "-1", "negative"),
    Refusal("numpy.eye", lambda r: r.numpy.eye(2.5), TypeError, "2.5", "float"),
    Refusal("numpy.eye", lambda r: r.numpy.eye(2, k=1.5), (TypeError, ValueError), "k.*1.5", "k"),
    Refusal("numpy.tril", lambda r: r.numpy.tril(X[0]), ValueError, r"at least 2D.*\(3,\)|tril.*2D", "rank"),
    Refusal("numpy.triu", lambda r: r.numpy.triu([[1, 2]]), TypeError, "triu.*list", "list"),
    Refusal("numpy.diagonal", lambda r: r.numpy.diagonal(X[0]), ValueError, "two dimensions", "rank"),
    Refusal("numpy.diagonal", lambda r: r.numpy.diagonal(X, 0, 0, 2), ValueError, "axis2?.*2", "axis"),
    Refusal("numpy.diagonal", lambda r: r.numpy.diagonal(X, 0, 1, 1), ValueError, "axis1 and axis2|different", "same-axes"),
    Refusal("numpy.diag", lambda r: r.numpy.diag(np.ones((1, 1, 1))), ValueError, "1d or 2d", "rank"),
    Refusal("numpy.diag", lambda r: r.numpy.diag(X, k=1.5), TypeError, "float", "k"),
    Refusal("numpy.fill_diagonal", lambda r: r.numpy.fill_diagonal(X, 1), NotImplementedError, "inplace=False", "inplace"),
    Refusal("numpy.fill_diagonal", lambda r: r.numpy.fill_diagonal(X[0], 1, inplace=False), ValueError, "2-d", "rank"),
    Refusal("numpy.fill_diagonal", lambda r: r.numpy.fill_diagonal(np.ones((1, 2, 1)), 1, inplace=False), ValueError, "equal length",
            "shape"),
    Refusal("numpy.diag_indices", lambda r: r.numpy.diag_indices(-1), ValueError, "nonnegative, got -1", "negative"),
    Refusal("numpy.diag_indices_from", lambda r: r.numpy.diag_indices_from(X), ValueError, "equal length", "shape"),
    Refusal("numpy.tril_indices_from", lambda r: r.numpy.tril_indices_from(X[0]), ValueError, "2-D", "rank"),
    Refusal("numpy.save", lambda r: r.jit(lambda x: r.numpy.save(io.BytesIO(), x))(X), TypeError, "save|traced", "traced"),
    Refusal("numpy.frombuffer", lambda r: r.numpy.frombuffer(b"abc", dtype="float32"), ValueError, "buffer size", "size"),
    Refusal("numpy.fromstring", lambda r: r.numpy.fromstring("1 2"), TypeError, "sep", "sep"),
]
