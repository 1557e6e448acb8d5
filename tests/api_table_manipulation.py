"""Rows of `numpy`: other shapes and orders of the same elements, joining and splitting, repeating, editing, padding."""

import numpy as np
from api_draw import ANY, FLOATS, REAL, Draw, Fixed, call, cases, kind
from api_harness import Refusal, Row, find

NO_ARRAYS = "takes no arrays"
AS_NUMPY = "bounds beyond the end or in any order, as in NumPy"
BY_VALUE = "the shape of the result depends on values"


def array(d: Draw, low=0, high=4, sizes=(2, 3, 1), kinds=ANY):
    return d.array(kinds, d.shape(low, high, sizes=sizes))


def of_array(low=0, high=4, **more):
    """An array of so many dimensions, with some of the options."""
    return lambda d: call(array(d, low, high), **d.some(**more))


# --- shapes -------------------------------------------------------------------------------------

def reshape(d: Draw, method=False):
    x = array(d)
    n = x.size
    shape = d.pick(x.shape[::-1], (n,), -1, (1, -1) if n else (0, 5), [n, 1], (-1, *x.shape[:1]) if n else (0,), np.int64(n),
                   tuple(map(np.int32, x.shape)))
    spread = method and isinstance(shape, tuple) and d.flag()
    return call(x, *(shape if spread else (shape,)), **d.some(order=("C", "F"), **({} if method else {"copy": (None, True)})))


def reshaped(x, *shape, order="C", copy=None):
    shape = shape[0] if len(shape) == 1 else shape
    return np.reshape(x, tuple(map(int, shape)) if np.ndim(shape) else int(shape), order=order)


def resize(d: Draw):
    return call(array(d), d.pick((2, 3), (5,), 7, (), (0, 2), [4, 4]))


def permuted(*, method=False, optional=True):
    def calls(d: Draw):
        x = array(d)
        if optional and d.flag():
            return call(x) if method or d.flag() else call(x, None)
        left = list(range(x.ndim))
        axes = [left.pop(d.integer(0, len(left) - 1)) for _ in range(x.ndim)]
        axes = [a - x.ndim if d.flag() else a for a in axes]
        if method and d.flag():
            return call(x, *axes)
        return call(x, tuple(axes) if d.flag() else axes)
    return calls


def transposed(x, *axes):
    return np.transpose(x, *axes) if len(axes) <= 1 and (not axes or axes[0] is None or np.ndim(axes[0])) else np.transpose(x, axes)


def swap(d: Draw):
    x = array(d, 1)
    return call(x, d.axis(x.ndim), d.axis(x.ndim))


def move(d: Draw):
    x = array(d, 1)
    if d.flag():
        return call(x, d.axis(x.ndim), d.axis(x.ndim))
    order = range(x.ndim)[::d.pick(1, -1)]
    source, to = [a for a in order if d.flag()], list(order)
    return call(x, tuple(source), [a - x.ndim if d.flag() else a for a in to[:len(source)]])


def rollaxis(d: Draw):
    x = array(d, 1)
    return call(x, d.axis(x.ndim), **d.some(start=tuple(range(-x.ndim, x.ndim + 1))))


def expand(d: Draw):
    x = array(d, 0, 3)
    return call(x, d.pick(0, -1, -x.ndim - 1, (0, 1), (0, -1), [x.ndim + 1, 0], (), np.int32(0)))


def squeeze(d: Draw):
    x = d.array(ANY, d.shape(0, 4, sizes=(1, 2)))
    ones = [a - x.ndim if d.flag() else a for a, n in enumerate(x.shape) if n == 1]
    return call(x, **({"axis": d.pick(None, tuple(ones), *ones[:1], ())} if d.flag() else {}))


def several(low=0, high=3, most=3, kinds=ANY):
    def calls(d: Draw):
        return call(*[d.pick(d.array(kinds, d.shape(low, high)), 2.5, 3) for _ in range(d.integer(1, most))])
    return calls


def broadcasting(d: Draw):
    n = d.integer(1, 3)
    return call(*[d.array(ANY, s) for s in d.broadcasting(n)])


def broadcast(d: Draw):
    small, whole = d.broadcasting(2)
    whole = np.broadcast_shapes(small, whole)
    x = d.pick(d.array(ANY, small), d.array(ANY, small), 3.5)
    return call(x, 3 if whole == (3,) and d.flag() else d.pick(whole, list(whole), (2, *whole)))


def flip(d: Draw):
    x = array(d)
    return call(x, **({"axis": d.axes(x.ndim)} if d.flag() else {}))


def rot90(d: Draw):
    x = array(d, 2)
    a = d.axis(x.ndim)
    b = (a + d.integer(1, x.ndim - 1)) % x.ndim
    return call(x, **d.some(k=(1, 2, 3, -1, 4, 0), axes=((a, b), [b, a])))


def roll(d: Draw):
    x = array(d)
    match d.integer(0, 3 if x.ndim else 1):
        case 0:
            return call(x, d.pick(1, -2, 0, 7))
        case 1:
            return call(x, d.indices(4, (), dtype="int32"))
        case 2:
            return call(x, d.pick((1, -2), (3,), 2), axis=d.pick((0, -1), 0)) if x.ndim > 1 else call(x, 2, axis=d.axis(1))
        case 3:
            axes = tuple(range(x.ndim))[:2]
            shift = d.pick(d.indices(4, (len(axes),)), d.indices(4, (1,)), d.indices(4, ()))
            return call(x, shift, axis=d.pick(axes, axes[0]) if len(axes) == 1 else axes)


def astype(d: Draw):
    x = array(d)
    if d.smooth:
        return call(x, "complex128")
    to = {"c": ("complex64", "complex128", complex), "f": ("float32", "bfloat16", "float64", "complex64", float, "float16"),
          "b": (int, "float32", "bool", "uint8", "int4", "complex64")}
    to = to.get(kind(x.dtype), ("float32", "int32", "int64", "uint8", "complex64", "bool"))
    return call(x, d.pick(*to) if kind(x.dtype) != "b" or not d.flag() else None, **d.some(copy=(True, False)))


def sized(d: Draw):
    x = d.pick(array(d), 3, 2.5)
    return call(x, **({"axis": d.pick(None, *range(-np.ndim(x), np.ndim(x)), tuple(range(np.ndim(x))))} if d.flag() else {}))


# --- joining and splitting ----------------------------------------------------------------------

def joined(*, rank=1, high=3, axis=False, dtype=True, fit="axis", none=True, whole=True):
    """A list of arrays that fit each other.

    fit : "axis": all sizes but that of the axis agree; "all": all sizes; "axis 0": the axis is 0, vectors are rows, ... ; an
        int: the axis along which sizes may differ
    """
    def calls(d: Draw):
        shape = d.shape(rank, high, sizes=(2, 1, 3))
        ndim = len(shape)
        kinds = d.pick(ANY, REAL)
        where = (d.axis(ndim, none=none) if fit == "axis" else d.axis(ndim + 1)) if axis and d.flag() else None if axis == "none" else 0
        along = where if fit == "axis" else fit
        if whole and d.integer(0, 5) == 5:
            xs = d.array(kinds, (2, *shape))
        else:
            def one():
                s = list(shape)
                if along is not None and along != "all" and ndim and -ndim <= along < ndim:
                    s[along] = d.pick(s[along], 1, 2, 0) if not d.smooth else s[along]
                return d.array(kinds, tuple(s))
            xs = [one() for _ in range(d.integer(1, 3))]
            xs = xs if d.flag() else tuple(xs)
        kwargs = {"axis": where} if axis and not (where == 0 and d.flag()) else {}
        if dtype and d.flag() and not d.smooth:
            of = xs if isinstance(xs, np.ndarray) else xs[0]
            kwargs["dtype"] = d.pick("complex64", "complex128")
            if all(kind(x.dtype) != "c" for x in ([of] if isinstance(xs, np.ndarray) else xs)):
                kwargs["dtype"] = d.pick("float32", "bfloat16", "complex64", "float64")
        return call(xs, **kwargs)
    return calls


def without(*names):
    """An oracle that does not know these arguments."""
    return lambda f: lambda *args, **kwargs: f(*args, **{k: v for k, v in kwargs.items() if k not in names})


no_dtype = without("dtype")


def append(d: Draw):
    shape = d.shape(1, 3, sizes=(2, 1, 3))
    axis = d.axis(len(shape), none=True)
    other = list(shape)
    if axis is not None:
        other[axis] = d.pick(1, 2)
    values = d.array(ANY, tuple(other)) if axis is not None or d.flag() else d.pick(d.array(ANY), 2.5)
    return call(d.array(ANY, shape), values, *(() if axis is None and d.flag() else (axis,)))


def block(d: Draw):
    m, n = d.integer(1, 2), d.integer(1, 3)
    match d.integer(0, 4):
        case 0:
            return call([[d.array(ANY, (m, n)), d.array(ANY, (m, 2))], [d.array(ANY, (1, n)), d.array(ANY, (1, 2))]])
        case 1:
            return call([d.array(ANY, (n,)), d.array(ANY, (2,)), d.pick(1, 2.5, d.array(ANY, ()))])
        case 2:
            return call(d.pick(d.array(ANY), 3))
        case 3:
            return call([[d.array(ANY, (n,))], [d.array(ANY, (m, n))]])
        case 4:
            return call([[[d.array(ANY, (m, n)), d.array(ANY, (2, m, 1))]], [[d.array(ANY, (2, m, n + 1))]]][1:])


def unstack(d: Draw):
    x = array(d, 1)
    return call(x, **d.some(axis=(d.axis(x.ndim),)))


def splitting(*, rank=1, axis=None, uneven=False):
    def calls(d: Draw):
        x = array(d, rank, sizes=(4, 2, 6))
        kwargs = d.some(axis=(d.axis(x.ndim),)) if axis is None else {}
        n = x.shape[kwargs.get("axis", 0) if axis is None else axis(x)]
        parts = [k for k in (1, 2, 3, 4, 6) if uneven or n % k == 0]
        return call(x, d.pick(*parts, [1], (1, 3), [3, 1, 9], [], (-1,), (0, 0), Fixed([2, 3]), np.int32(1), (np.int32(1),)), **kwargs)
    return calls


# --- repeating and editing ----------------------------------------------------------------------

def tile(d: Draw):
    return call(d.pick(array(d, 0, 3), 3), d.pick(2, (2, 1), (1, 2, 3), (), (0, 2), [3], 0, 1, np.int64(2)))


def repeat(d: Draw):
    x = d.pick(array(d, 0, 3), 3)
    axis = d.axis(np.ndim(x), none=True) if np.ndim(x) else None
    n = np.size(x) if axis is None else x.shape[axis]
    kwargs = {} if axis is None and d.flag() else {"axis": axis}
    match d.integer(0, 2):
        case 0:
            return call(x, d.pick(2, 1, 0, 3, np.int32(2), Fixed([2])), **kwargs)
        case 1:
            return call(x, Fixed([(1, 0, 2, 3)[(i + d.integer(0, 1)) % 4] for i in range(n)]), **kwargs)
        case 2:
            times = d.pick(d.rng.integers(0, 3, n).astype("int32"), d.rng.integers(0, 3, 1).astype("int32"), 2)
            return call(x, times, total_repeat_length=d.integer(0, 6), **kwargs)


def repeated(x, repeats, axis=None, total_repeat_length=None):
    out = np.repeat(x, repeats, axis)
    if total_repeat_length is None:
        return out
    axis = 0 if axis is None else axis
    if np.size(x) == 0 or np.shape(x if np.ndim(x) else [x])[axis] == 0:
        return np.zeros([total_repeat_length if i == axis % out.ndim else n for i, n in enumerate(out.shape)])
    last = np.take(np.ravel(x) if out.ndim != np.ndim(x) or axis is None else x, [-1], axis) if np.ndim(x) == out.ndim else np.ravel(x)[-1:]
    return np.take(np.concatenate([out, *[last] * total_repeat_length], axis), range(total_repeat_length), axis)


def delete(d: Draw):
    x = array(d, 1, 3, sizes=(4, 3, 2))
    axis = d.axis(x.ndim, none=True)
    n = x.size if axis is None else x.shape[axis]
    kwargs = {} if axis is None and d.flag() else {"axis": axis}
    if not n:
        return call(x, d.pick(slice(None), slice(0, 1), Fixed(np.array([], int))), **kwargs)
    match d.integer(0, 3):
        case 0:
            return call(x, d.pick(0, -1, n - 1, -n, np.int32(0)), **kwargs)
        case 1:
            return call(x, d.pick(slice(1, None), slice(None, None, 2), slice(None, None, -1), slice(-2, None), slice(0, 0)), **kwargs)
        case 2:
            mask = Fixed([d.flag() for _ in range(n)])
            return call(x, d.pick(Fixed([0, -1, 0]), Fixed(np.array([], int)), mask, Fixed([[0], [n - 1]])), **kwargs)
        case 3:
            gone = d.rng.permutation(n)[:d.integer(0, min(n, 2))].astype("int32") - d.pick(0, n)
            return call(x, gone, assume_unique_indices=True, **kwargs)


def insert(d: Draw):
    x = d.array(ANY, d.shape(1, 3, sizes=(3, 2, 4), empty=False))
    axis = d.axis(x.ndim, none=True)
    n = x.size if axis is None else x.shape[axis]
    kwargs = {} if axis is None and d.flag() else {"axis": axis}
    two, three, one = d.indices(n, (2,), dtype="int32"), d.indices(n, (3,), dtype="int32"), d.indices(n, (1,))
    if axis is None or x.ndim == 1:
        places, count = d.pick((0, 1), (-1, 1), (n, 1), (two, 2), (slice(None, None, 2), -(-n // 2)), (one, 1))
        shape = d.pick((), (count,))
    else:
        rest = tuple(m for i, m in enumerate(x.shape) if i != axis % x.ndim)
        whole = tuple(3 if i == axis % x.ndim else m for i, m in enumerate(x.shape))
        places, shape = d.pick((0, ()), (n, rest), (-1, ()), (two, ()), (three, whole), (three, (1,)))
    return call(x, places, d.array((x.dtype.name,), shape), **kwargs)


def trim(d: Draw):
    x = array(d, 1, 3, sizes=(4, 3, 2), kinds=REAL)
    x = x * (d.rng.uniform(size=x.shape) < 0.4).astype(x.dtype)
    return call(Fixed(x), **d.some(trim=("fb", "f", "b", "bf", "F"), axis=(None, d.axis(x.ndim), tuple(range(x.ndim)))))


def trimmed(x, trim="fb", axis=None):
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    there = np.argwhere(x)
    index = [slice(None)] * x.ndim
    for a in axes:
        low, high = (there[:, a].min(), there[:, a].max() + 1) if len(there) else (0, 0)
        index[a] = slice(low if "f" in trim.lower() or not len(there) else 0, high if "b" in trim.lower() or not len(there) else None)
    return x[tuple(index)]


def along_axis(d: Draw):
    x = d.array(("float32", "int32", "complex64"), d.shape(1, 3, empty=False))
    f = d.pick(lambda v: v.sum(), lambda v: v * 2, lambda v, k=1: v[:1] * k, lambda v: (v[:, None] * v[None, :]))
    return call(f, d.axis(x.ndim), x)


def over_axes(d: Draw):
    x = d.array(("float32", "int32", "complex64"), d.shape(1, 3, empty=False))
    f = d.pick(lambda x, axis: x.sum(axis), lambda x, axis: x.sum(axis, keepdims=True), lambda x, axis: x * 2)
    return call(f, x, d.pick([0], (0, -1), [x.ndim - 1], ()))


# --- padding ------------------------------------------------------------------------------------

def pad(d: Draw):
    mode = d.pick("constant", "edge", "linear_ramp", "maximum", "mean", "median", "minimum", "reflect", "symmetric", "wrap", "empty",
                  "default")
    kinds = {"linear_ramp": FLOATS + ("complex64",), "mean": FLOATS, "median": ("float32", "float64", "float16"), "maximum": REAL,
             "minimum": REAL}.get(mode, ANY)
    bare = mode in ("linear_ramp", "mean", "median") or d.smooth
    shape = d.shape(mode not in ("constant", "edge"), 2, empty=mode in ("constant", "default"), sizes=(3, 1, 2, 4))
    x = d.array(kinds, shape, special=not bare)
    widths = (d.pick((1, 2), (2, 2), (0, 3), (5, 4)), *[d.pick((0, 1), (3, 1))] * (x.ndim - 1))[:x.ndim]
    widths = d.pick(1, (2, 1), [1], ((1, 2),), widths, Fixed([2, 0]), 0) if x.ndim else 1
    options = {}
    same = x.dtype.name
    if mode in ("constant", "default") and d.flag():
        options["constant_values"] = d.pick(1, 0, (1, 0), *[d.array((same,), s) for s in ((), (2,), (x.ndim, 2))])
    elif mode == "linear_ramp" and d.flag():
        options["end_values"] = d.pick(2, (1, 3), *[d.array((same,), s, special=False) for s in ((), (x.ndim, 2))])
    elif mode in ("maximum", "mean", "median", "minimum") and d.flag():
        options["stat_length"] = d.pick(None, 1, 2, (1, 2), ((2, 1),) * x.ndim, 9)
    elif mode in ("reflect", "symmetric") and d.flag():
        options["reflect_type"] = d.pick("even", "odd") if kind(x.dtype) in "fc" else "even"
    return call(x, widths, *(() if mode == "default" else (mode,)), **options)


def padded(x, widths, mode="constant", **options):
    # what it holds does not matter, but NumPy leaves what is there
    return np.pad(x, widths, "constant" if mode == "empty" else mode, **options)


# --- directives ---------------------------------------------------------------------------------

def rows(d: Draw, equal=False):
    match d.integer(0, 5):
        case 0:
            return call((d.array(ANY, (2,)), d.array(ANY, (2 if equal else 3,))))
        case 1:
            return call((0, 2.5, True) if equal else (d.array(ANY, (2,)), 0, d.pick(slice(1, 4), slice(0, 1, 5j), slice(3)), 2.5))
        case 2:
            return call((d.pick("-1", "0,2", "0,2,0", "1,2,0", "0,3,1", "r", "c"), d.array(ANY, (2,)), d.array(ANY, (2,))))
        case 3:
            return call(d.pick(d.array(ANY, (2, 3)), slice(0, 3), 5))
        case 4:
            return call((d.array(ANY, (2, 3)), d.array(ANY, (2, 3))))
        case 5:
            return call(([1, 2], d.array(ANY, (2,)), (3, 4)))


def concatenated(name):
    def oracle(key):
        return (np.r_ if name == "r_" else np.c_)[key]
    return oracle


def indexed(name):
    return lambda root: find(root, name).__getitem__


X, V = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(3, dtype=np.float32)

ROWS = [
    Row("numpy.reshape", reshaped, reshape, gives=None, examples=6),
    Row("Array.reshape", reshaped, lambda d: reshape(d, method=True), examples=4),
    Row("numpy.ravel", np.ravel, lambda d: call(d.pick(array(d), 3.5), **d.some(order=("C", "F")))),
    Row("Array.ravel Array.flatten", lambda x, order="C": x.ravel(order), of_array(order=("C", "F")), examples=4),
    Row("numpy.resize", np.resize, resize, wider="shapes given as lists"),
    Row("numpy.transpose", transposed, permuted()),
    Row("Array.transpose", transposed, permuted(method=True), examples=4),
    Row("numpy.permute_dims", np.transpose, permuted(optional=False), wider="axes counted from the end", examples=4),
    Row("numpy.matrix_transpose", lambda x: np.swapaxes(x, -1, -2), of_array(2), gives="same"),
    Row("numpy.swapaxes Array.swapaxes", np.swapaxes, swap),
    Row("numpy.moveaxis", np.moveaxis, move),
    Row("numpy.rollaxis", np.rollaxis, rollaxis),
    Row("numpy.expand_dims", lambda x, axis: np.expand_dims(x, tuple(axis) if isinstance(axis, list) else axis), expand),
    Row("numpy.squeeze Array.squeeze", np.squeeze, squeeze),
    Row("numpy.atleast_1d", np.atleast_1d, several(), examples=4),
    Row("numpy.atleast_2d", np.atleast_2d, several(), examples=4),
    Row("numpy.atleast_3d", np.atleast_3d, several(high=4), examples=4),
    Row("numpy.broadcast_shapes", np.broadcast_shapes, vmap=False, why=NO_ARRAYS, calls=cases(
        call(), call((2, 1), (3,)), call((2, 3), 3), call((0, 1), (1, 4), ()), call(1), call([2, 1], (1, 3)))),
    Row("numpy.broadcast_arrays", lambda *xs: list(np.broadcast_arrays(*xs)), broadcasting),
    Row("numpy.broadcast_to", np.broadcast_to, broadcast),
    Row("numpy.flip", np.flip, flip),
    Row("numpy.fliplr", np.fliplr, of_array(2), examples=3),
    Row("numpy.flipud", np.flipud, of_array(1), examples=3),
    Row("numpy.rot90", np.rot90, rot90, wider="planes given as lists", examples=5),
    Row("numpy.roll", lambda x, shift, axis=None: np.roll(x, tuple(shift) if np.ndim(shift) else shift, axis), roll, examples=8),
    Row("numpy.astype", lambda x, dtype, copy=False: x, astype, examples=8),
    Row("numpy.ndim", np.ndim, lambda d: call(d.pick(array(d), 3, 2.5))),
    Row("numpy.shape", np.shape, lambda d: call(d.pick(array(d), 3, 2.5))),
    Row("numpy.size", lambda x, axis=None: np.size(x, axis) if not isinstance(axis, tuple) else np.size(x), sized),

    Row("numpy.concatenate", no_dtype(np.concatenate), joined(axis=True), examples=8),
    Row("numpy.concat", np.concatenate, joined(axis=True, dtype=False), examples=4),
    Row("numpy.stack", no_dtype(np.stack), joined(rank=0, axis=True, fit="all"), examples=5),
    Row("numpy.unstack", lambda x, axis=0: tuple(np.moveaxis(x, axis, 0)), unstack),
    Row("numpy.vstack", no_dtype(np.vstack), joined(rank=1, fit="all"), examples=5),
    Row("numpy.hstack", no_dtype(np.hstack), joined(rank=1, fit="all"), examples=5),
    Row("numpy.dstack", no_dtype(np.dstack), joined(rank=1, fit="all"), examples=5),
    Row("numpy.column_stack", np.column_stack, joined(rank=1, high=2, fit="all", dtype=False), examples=5),
    Row("numpy.append", np.append, append, examples=5),
    Row("numpy.block", np.block, block, examples=5),
    Row("numpy.split", np.split, splitting(), wider=AS_NUMPY),
    Row("numpy.array_split", np.array_split, splitting(uneven=True), wider=AS_NUMPY, examples=5),
    Row("numpy.vsplit", np.vsplit, splitting(rank=2, axis=lambda x: 0), wider=AS_NUMPY, examples=4),
    Row("numpy.hsplit", np.hsplit, splitting(axis=lambda x: min(x.ndim - 1, 1)), wider=AS_NUMPY, examples=4),
    Row("numpy.dsplit", np.dsplit, splitting(rank=3, axis=lambda x: 2), wider=AS_NUMPY, examples=4),
    Row("numpy.tile", np.tile, tile),
    Row("numpy.repeat Array.repeat", repeated, repeat, examples=8),

    Row("numpy.delete", without("assume_unique_indices")(np.delete), delete, examples=8),
    Row("numpy.insert", np.insert, insert, examples=6),
    Row("numpy.trim_zeros", trimmed, trim, vmap=False, why=BY_VALUE),
    Row("numpy.apply_along_axis", np.apply_along_axis, along_axis, slack=10, examples=4),
    Row("numpy.apply_over_axes", lambda f, x, axes: np.apply_over_axes(f, x, axes), over_axes, examples=4),
    Row("numpy.pad", padded, pad, examples=14, second=False),
    Row("numpy.r_", concatenated("r_"), rows, fn=indexed("numpy.r_"), examples=6),
    Row("numpy.c_", concatenated("c_"), lambda d: rows(d, equal=True), fn=indexed("numpy.c_"), examples=6),
]


def no(name, call, error, text, label):
    """A call of `numpy` that is refused, with the library's arrays in place of NumPy's."""
    def of_root(root):
        function = getattr(root.numpy, name)
        return call(lambda *args, **kwargs: function(*[root.numpy.asarray(x) if isinstance(x, np.ndarray) else x for x in args], **kwargs))
    return Refusal(f"numpy.{name}", of_root, error, text, label)


REFUSALS = [
    no("reshape", lambda f: f(X, (5, -1)), TypeError, r"\(2, 3\).*\(5, -1\)", "size"),
    no("reshape", lambda f: f(X, (-1, -1)), TypeError, "one unknown", "two-unknown"),
    no("reshape", lambda f: f(X, 6.0), TypeError, "6.0", "float"),
    no("reshape", lambda f: f(X, 6, order="A"), NotImplementedError, "order", "order-A"),
    no("reshape", lambda f: f(X, 6, order="Z"), ValueError, "order.*Z", "order"),
    no("reshape", lambda f: f([1, 2], 2), TypeError, "reshape.*list", "list"),
    no("reshape", lambda f: f("ab", 2), TypeError, "reshape.*str", "text"),
    no("ravel", lambda f: f(X, order="K"), NotImplementedError, "order='K'", "order"),
    no("resize", lambda f: f(X, (2, -1)), ValueError, "new_shape.*-1", "negative"),
    no("transpose", lambda f: f(X, (0,)), TypeError, r"axes.*\(0,\).*\(2, 3\)", "axes"),
    no("transpose", lambda f: f(X, (0, 2)), ValueError, "2.*dimension 2", "axis"),
    no("transpose", lambda f: f(X, (0, 0)), (TypeError, ValueError), r"\(0, 0\)", "repeated"),
    no("matrix_transpose", lambda f: f(V), ValueError, "two-dimensional.*1", "rank"),
    no("swapaxes", lambda f: f(X, 0, 2), ValueError, "axis 2.*dimension 2", "axis"),
    no("moveaxis", lambda f: f(X, (0, 1), 0), ValueError, "2 vs 1", "numbers"),
    no("moveaxis", lambda f: f(X, 0, 5), ValueError, "5.*dimension 2", "axis"),
    no("rollaxis", lambda f: f(X, 0, 5), ValueError, "start=5", "start"),
    no("expand_dims", lambda f: f(X, 5), ValueError, "5", "axis"),
    no("expand_dims", lambda f: f(X, (0, 0)), ValueError, "repeated|duplicate|\\(0, 0\\)", "repeated"),
    no("squeeze", lambda f: f(X, 0), ValueError, "size not equal to one", "size"),
    no("squeeze", lambda f: f(X, 1.5), TypeError, "1.5|float", "float"),
    no("broadcast_to", lambda f: f(V, (3, 2)), ValueError, r"\(3,\).*\(3, 2\)", "shape"),
    no("broadcast_to", lambda f: f(X, (3,)), ValueError, r"\(2, 3\).*\(3,\)", "rank"),
    no("broadcast_arrays", lambda f: f(V, X[:, :2]), ValueError, r"\(3,\).*\(2, 2\)", "shapes"),
    no("broadcast_shapes", lambda f: f((2,), (3,)), ValueError, r"\(2,\).*\(3,\)", "shapes"),
    no("flip", lambda f: f(X, 2), ValueError, "axis 2.*dimension 2", "axis"),
    no("fliplr", lambda f: f(V), ValueError, "axis 1.*dimension 1", "rank"),
    no("rot90", lambda f: f(V), ValueError, "ndim at least two", "rank"),
    no("rot90", lambda f: f(X, axes=(0, 0)), ValueError, r"different.*\(0, 0\)", "axes"),
    no("roll", lambda f: f(X, 1, 2), ValueError, "axis 2.*dimension 2", "axis"),
    no("roll", lambda f: f(X, 1.5), TypeError, "1.5|float", "float"),
    no("astype", lambda f: f(X, "no dtype"), TypeError, "no dtype", "dtype"),
    no("astype", lambda f: f([1], int), TypeError, "astype.*list", "list"),
    no("size", lambda f: f(X, 2), ValueError, "axis 2.*dimension 2", "axis"),
    no("shape", lambda f: f("a"), TypeError, "shape.*str", "text"),
    no("concatenate", lambda f: f([]), ValueError, "at least one array", "none"),
    no("concatenate", lambda f: f([1, 2]), ValueError, "[Zz]ero-dimensional", "scalars"),
    no("concatenate", lambda f: f([X, V]), TypeError, r"\(2, 3\).*\(3,\)", "ranks"),
    no("concatenate", lambda f: f([X, X[:, :2]]), TypeError, r"\(2, 3\).*\(2, 2\)", "shapes"),
    no("concatenate", lambda f: f([X, X], 2), ValueError, "axis 2.*dimension 2", "axis"),
    no("concatenate", lambda f: f([V, "a"]), TypeError, "concatenate.*str.*1", "text"),
    no("concatenate", lambda f: f(3), TypeError, "concatenate|iterable", "scalar"),
    no("stack", lambda f: f([X, V]), ValueError, r"same shape.*\(2, 3\), \(3,\)", "shapes"),
    no("stack", lambda f: f([]), ValueError, "at least one array", "none"),
    no("stack", lambda f: f([X], out=X), NotImplementedError, "out", "out"),
    no("stack", lambda f: f([V, V], axis=2), ValueError, "axis 2.*dimension 2", "axis"),
    no("unstack", lambda f: f(np.float32(1)), ValueError, "scalar", "rank"),
    no("split", lambda f: f(V, 2), ValueError, "equal division", "uneven"),
    no("split", lambda f: f(V, 0), (ValueError, ZeroDivisionError), "0|zero", "zero"),
    no("split", lambda f: f(V, 2.5), TypeError, "2.5|float", "float"),
    no("split", lambda f: f(V, 1, axis=1), ValueError, "axis 1.*dimension 1", "axis"),
    no("dsplit", lambda f: f(X, 1), ValueError, "axis 2.*dimension 2", "rank"),
    no("tile", lambda f: f(X, 1.5), TypeError, "1.5|float", "float"),
    no("tile", lambda f: f(X, -1), (TypeError, ValueError), "-1", "negative"),
    no("repeat", lambda f: f(V, np.array([1, 2])), (TypeError, ValueError), "repeats? for|[Ii]ncompatible|broadcast", "number"),
    no("repeat", lambda f: f(V, -1), (TypeError, ValueError), "negative|-1", "negative"),
    no("repeat", lambda f: f(V, 1.5), TypeError, "1.5|float|integer", "float"),
    no("repeat", lambda f: f(X, 2, axis=2), ValueError, "axis 2.*dimension 2", "axis"),
    no("delete", lambda f: f(V, 9), (IndexError, ValueError), "9.*3", "index"),
    no("delete", lambda f: f(V, np.array([0.5])), (ValueError, TypeError), "float", "float"),
    no("delete", lambda f: f(V, np.array([True, False])), ValueError, "length", "mask"),
    no("insert", lambda f: f(V, np.ones((1, 2), int), 1), ValueError, "one-dimensional", "rank"),
    no("insert", lambda f: f(V, 0.5, 1), ValueError, "integer", "float"),
    no("insert", lambda f: f(V, 0, [1]), TypeError, "insert.*list", "list"),
    no("block", lambda f: f([[V], 1]), ValueError, "depth", "depths"),
    no("block", lambda f: f([]), ValueError, "empty", "empty"),
    no("block", lambda f: f((V, V)), ValueError, "tuples", "tuple"),
    no("apply_along_axis", lambda f: f(lambda v: v, 2, X), ValueError, "axis 2.*dimension 2", "axis"),
    no("apply_over_axes", lambda f: f(lambda x, axis: x[0, 0], X, [0]), ValueError, "correct shape", "result"),
    no("pad", lambda f: f(X, -1), ValueError, "negative", "negative"),
    no("pad", lambda f: f(X, 1.5), TypeError, "integral", "float"),
    no("pad", lambda f: f(X, 1, "no mode"), NotImplementedError, "no mode", "mode"),
    no("pad", lambda f: f(X, 1, stat_length=2), ValueError, "stat_length", "option"),
    no("pad", lambda f: f(X, ((1, 2),) * 3), ValueError, "pad_width", "widths"),
    no("pad", lambda f: f(X, 1, "reflect", reflect_type="none"), ValueError, "reflect_type|reflect", "reflect-type"),
    no("pad", lambda f: f(X[:0], 1, "edge"), ValueError, "edge.*empty", "empty"),
    no("pad", lambda f: f(X, 1, "mean", stat_length=0), ValueError, "stat_length", "stat-length"),
    Refusal("numpy.r_", lambda r: r.numpy.r_["no", V], ValueError, "no", "directive"),
    Refusal("numpy.c_", lambda r: r.numpy.c_[()], ValueError, "concatenate", "nothing"),
]
