"""Rows of reading and updating by index, of `numpy`'s functions that take and put, and of `vectorize`."""

import numpy as np
from api_draw import ANY, FLOATS, INTS, NUMBERS, Draw, Fixed, call
from api_harness import Refusal, Row

# --- an index, and what it means ----------------------------------------------------------------

def position(d: Draw, n, shape, far=False, distinct=False):
    """Positions along an axis of ``n`` elements as an integer array: from either end, or beyond, or all different."""
    dtype = d.pick("int32", "uint8", "int64", "int8")
    beyond = d.pick(0, n) if far else 0
    count = int(np.prod(shape))
    i = d.rng.permutation(n)[:count].reshape(shape) if distinct else d.rng.integers(0, n, shape)
    if dtype != "uint8":
        i = i - n * d.rng.integers(0, 2, shape)         # from the end, some of them
        beyond = d.pick(beyond, -beyond)
    return np.asarray(i + beyond).astype(dtype)


def index(d: Draw, shape, *, far=False, distinct=False, masks=True):
    """What can stand between brackets: ints, slices, None, Ellipsis, truth values, integer arrays, masks."""
    entries, axis, dots, kinds_of_arrays = [], 0, False, d.pick("arrays", "masks", "none") if masks else "arrays"
    array_shapes = d.pick([(2,), (), (1,)], [(2, 1), (2,), ()], [(0,), (1,)])
    while axis < len(shape) and len(entries) < 6:
        n = shape[axis]
        what = d.pick("slice", "int", "array", "new", "dots", "stop", "array")
        if what == "stop":
            break
        if what == "new":
            entries.append(None)
            continue
        if what == "dots":
            if not dots:
                entries.append(Ellipsis)
                dots, axis = True, axis + d.integer(0, len(shape) - axis)
            continue
        if what == "array" and kinds_of_arrays == "arrays" and n:
            entries.append(position(d, n, d.pick(*array_shapes), far, distinct) if distinct or far or d.flag() else [d.integer(-n, n - 1)])
        elif what == "array" and kinds_of_arrays == "masks":
            of = d.pick(shape[axis:axis + 1], shape[axis:axis + 2], *[()] * (not entries))     # JAX counts wrong after None, True
            entries.append(Fixed(np.array([d.flag() for _ in range(int(np.prod(of)))], bool).reshape(of)) if of else d.flag())
            axis += len(of) - 1
            kinds_of_arrays = "none"                    # what it finds must fit no other array
        elif what == "int" and n:
            entries.append(d.pick(*range(-n, n)) + (d.pick(0, n, -2 * n) if far else 0))
        else:
            entries.append(d.pick(*np.s_[:, 1:, :-1, ::-1, ::2, 3:0:-2, -9:9, 2:1, np.int64(0):2]))
        axis += 1
    if d.flag():
        entries = entries + [Ellipsis] if not dots else entries
    return entries[0] if len(entries) == 1 and not isinstance(entries[0], list) and d.flag() else tuple(entries)


def is_basic(i) -> bool:
    return not any(isinstance(e, (np.ndarray, Fixed, bool, list)) for e in (i if isinstance(i, tuple) else (i,)))


def is_mask(e) -> bool:
    return isinstance(e, np.ndarray) and e.dtype == np.bool_


def places(shape, i, mode, wrap=True):
    """Where in the flattened array the elements at an index are; -1 for those out of bounds, unless ``mode`` is "clip"."""
    ids = np.full([n + 1 for n in shape], -1)
    ids[tuple(slice(0, n) for n in shape)] = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    entries = list(i) if isinstance(i, tuple) else [i]
    entries = [e.array if isinstance(e, Fixed) else np.array(e) if isinstance(e, list) else e for e in entries]
    used = sum(0 if e is None or e is Ellipsis or isinstance(e, bool) else e.ndim if is_mask(e) else 1 for e in entries)
    out, axis = [], 0
    for e in entries:
        if e is None or isinstance(e, bool):
            out.append(e)
        elif e is Ellipsis:
            rest = len(shape) - used
            out += [slice(0, n) for n in shape[axis:axis + rest]] or [...]      # it parts arrays even where it stands for nothing
            axis += rest
        elif isinstance(e, slice):
            start, stop, step = e.indices(shape[axis])
            out.append(slice(start, stop if stop >= 0 else None, step))
            axis += 1
        elif is_mask(e):
            out += list(e.nonzero())
            axis += e.ndim
        else:
            n, e = shape[axis], np.asarray(e).astype(int)
            e = np.where((e < 0) & wrap, e + n, e)
            e = np.clip(e, 0, n - 1) if mode == "clip" else np.where((e < 0) | (e >= n), n, e)
            out.append(e if e.ndim else int(e))
            axis += 1
    out += [slice(0, n) for n in shape[axis:]]
    return ids[tuple(out)]


def nothing_there(dtype, fill_value=None):
    """What stands for elements that are not there."""
    if fill_value is not None:
        return fill_value
    if dtype.kind in "iu":
        return np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max
    return True if dtype.kind == "b" else np.nan


def got(x, i, mode="clip", fill_value=None, wrap_negative_indices=True, indices_are_sorted=False, unique_indices=False):
    at = places(x.shape, i, "clip" if mode is None else mode, wrap_negative_indices)
    if not x.size:
        return np.zeros(at.shape, x.dtype)
    return np.where(at < 0, np.asarray(nothing_there(x.dtype, fill_value)).astype(x.dtype), x.reshape(-1)[at])


def options(d: Draw, i, distinct=False, fill=False):
    """Keyword arguments of reading and updating."""
    kwargs = {}
    if d.flag():
        kwargs["mode"] = d.pick("clip", "fill", "drop", None) if not fill else d.pick("clip", "fill", None)
    if kwargs.get("mode") == "fill" and fill and d.flag():
        kwargs["fill_value"] = d.pick(0, 1)
    if is_basic(i) and d.flag():
        kwargs["indices_are_sorted"] = True
    if (is_basic(i) or distinct) and kwargs.get("mode") != "clip" and d.flag():
        kwargs["unique_indices"] = True
    if d.integer(0, 4) == 4:
        kwargs["wrap_negative_indices"] = d.pick(True, False)
    return kwargs


# --- reading ------------------------------------------------------------------------------------

def read(d: Draw):
    x = d.array(ANY, d.shape(0, 4, sizes=(3, 2, 4, 1)))
    return call(x, index(d, x.shape, far=not d.smooth and d.flag()))


def get(d: Draw):
    x = d.array(ANY, d.shape(1, 3, sizes=(3, 2, 4)))
    i = index(d, x.shape, far=not d.smooth)         # nan for what is not there has no derivative
    return call(x, i, **options(d, i, fill=True))


# --- updating -----------------------------------------------------------------------------------

def update(*, kinds=ANY, distinct=False, unique=False, low=-3.0, high=3.0, values=None, most=3):
    """Draws an array, an index, values that fit what is there, and options.

    distinct : no element is met twice, so that it is known what becomes of it
    unique : that is promised wherever derivatives are taken, which some need
    """
    def calls(d: Draw):
        x = d.array(kinds, d.shape(1, most, sizes=(3, 2, 4)), low, high)
        apart = distinct or unique and d.smooth
        i = index(d, x.shape, far=True, distinct=apart)
        kwargs = options(d, i, apart)
        if distinct or unique and d.smooth:
            kwargs.pop("wrap_negative_indices", None)
            if kwargs.get("mode") == "clip":            # it would make some of them the same
                kwargs["mode"] = "drop"
        if unique and d.smooth:
            kwargs["unique_indices"] = True
        shape = places(x.shape, i, "clip").shape
        of = values(d, x) if values else dict(kinds=(x.dtype.name,), low=low, high=high)
        value = d.pick(d.array(shape=shape, **of), d.array(shape=(), **of), d.array(shape=shape[1:], **of), True if x.dtype == bool else 2)
        return call(x, i, value, **kwargs)
    return calls


def updated(ufunc, real=False):
    """``ufunc.at`` with the positions out of bounds left out; None: the values themselves."""
    def oracle(x, i, value, mode=None, wrap_negative_indices=True, indices_are_sorted=False, unique_indices=False):
        at = places(x.shape, i, mode, wrap_negative_indices)
        out = x.astype(np.result_type(x, np.float64)) if real else x.copy()
        value = np.broadcast_to(value, at.shape).astype(out.dtype)[at >= 0]
        flat = out.reshape(-1)
        if ufunc is None:
            flat[at[at >= 0]] = value
        else:
            ufunc.at(flat, at[at >= 0], value)
        return flat.reshape(x.shape)
    return oracle


def applied(x, i, f, mode=None, wrap_negative_indices=True, indices_are_sorted=False, unique_indices=False):
    at = places(x.shape, i, mode, wrap_negative_indices)
    flat = x.copy().reshape(-1)
    at = at[at >= 0]
    flat[at] = f(flat[at])
    return flat.reshape(x.shape)


def apply(d: Draw):
    drawn = update(kinds=NUMBERS, distinct=True, most=2)(d)
    x, i, _ = drawn.args
    return call(x, i, d.pick(lambda v: v * 2, lambda v: v * v + 1), **drawn.kwargs)


def small(d: Draw, x):
    return dict(kinds=(x.dtype.name,), low=1.0, high=3.0, special=False)


# --- taking and putting -------------------------------------------------------------------------

def take(d: Draw):
    x = d.array(ANY, d.shape(1, 3, sizes=(3, 2, 4)))
    axis = d.axis(x.ndim, none=True)
    n = x.size if axis is None else x.shape[axis]
    shape = d.pick((2,), (), (2, 2), (0,)) if n else (0,)
    i = d.pick(position(d, n, shape, far=not d.smooth), *range(-n, n)[:2], *[2 * n] * (not d.smooth)) if n else np.zeros(0, np.int32)
    kwargs = {} if axis is None and d.flag() else {"axis": axis}
    if d.flag():
        kwargs["mode"] = d.pick("wrap", "clip", "fill", None)
    if kwargs.get("mode", "fill") in (None, "fill"):
        kwargs.update(d.some(fill_value=(0, 1, None)))
    return call(x, i, **kwargs)


def taken(x, i, axis=None, mode=None, fill_value=None):
    if axis is None:
        x, axis = x.reshape(-1), 0
    if mode in ("wrap", "clip"):
        return np.take(x, i, axis, mode=mode)
    i, axis = np.asarray(i).astype(int), axis % x.ndim
    n = x.shape[axis]
    there = (i >= -n) & (i < n)
    found = np.take(x, np.where(there, i, 0), axis) if n else np.zeros((*x.shape[:axis], *i.shape, *x.shape[axis + 1:]))
    there = there.reshape((1,) * axis + i.shape + (1,) * (x.ndim - 1 - axis))
    return np.where(there, found, np.asarray(nothing_there(x.dtype, fill_value)).astype(x.dtype))


def along(*, putting=False):
    def calls(d: Draw):
        x = d.array(ANY, d.shape(1, 3, sizes=(3, 2, 4), empty=not putting))
        axis = d.axis(x.ndim, none=True)
        n = x.size if axis is None else x.shape[axis]
        if axis is None:
            shape = (d.integer(1, 2),) if n else (0,)
        else:
            shape = tuple(min(n, 2) if k == axis % x.ndim else m if putting else d.pick(m, 1) for k, m in enumerate(x.shape))
        far = not putting and not d.smooth and d.flag()
        if putting:
            i = np.argsort(d.rng.uniform(size=(n if axis is None else x.shape)), axis=0 if axis is None else axis)
            i = np.take(i, range(shape[0] if axis is None else min(n, 2)), 0 if axis is None else axis).astype(d.pick("int32", "int64"))
            values = d.array((x.dtype.name,), d.pick(i.shape, (), i.shape[1:]))
            return call(x, i, values, axis, inplace=False, **d.some(mode=("drop", "clip", "promise_in_bounds")))
        i = position(d, max(n, 1), shape, far)
        kwargs = {} if axis == x.ndim - 1 and d.flag() else {"axis": axis}
        if d.flag():
            kwargs["mode"] = d.pick(None, "fill", "clip")
        elif not far and d.flag():
            kwargs["mode"] = "promise_in_bounds" if i.dtype.kind == "u" else "one_hot"
            if kwargs["mode"] == "one_hot" and not np.isfinite(x.astype(complex)).all():
                kwargs["mode"] = None
        if kwargs.get("mode") in (None, "fill"):
            kwargs.update(d.some(fill_value=(0, 1)))
        return call(x, i, **kwargs, **d.some(wrap_negative_indices=(True,)))
    return calls


def taken_along(x, i, axis=-1, mode=None, fill_value=None, wrap_negative_indices=True):
    if axis is None:
        x, axis = x.reshape(-1), 0
    n = x.shape[axis]
    whole = np.broadcast_shapes(i.shape, tuple(1 if k == axis % x.ndim else m for k, m in enumerate(x.shape)))
    i = np.broadcast_to(i.astype(int), whole)
    if not n or 0 in whole:
        return np.zeros(whole)
    x = np.broadcast_to(x, tuple(n if k == axis % x.ndim else m for k, m in enumerate(whole)))
    i = np.where(i < 0, i + n, i)
    there = (i >= 0) & (i < n)
    found = np.take_along_axis(x, np.clip(i, 0, n - 1), axis)
    return found if mode == "clip" else np.where(there, found, np.asarray(nothing_there(x.dtype, fill_value)).astype(x.dtype))


def put_along(x, i, values, axis, inplace, mode=None):
    np.put_along_axis(x, i, np.broadcast_to(values, i.shape), axis)
    return x


def put(d: Draw):
    x = d.array(ANY, d.shape(1, 3, sizes=(3, 2, 4), empty=False))
    mode = d.pick(None, "wrap", "clip")
    i = position(d, x.size, d.pick((2,), (), (1,), (1, 2), (0,)), far=mode != "clip", distinct=True)
    if mode == "clip" and i.dtype.kind == "i":
        i = i % i.dtype.type(x.size)
    return call(x, i, d.array((x.dtype.name,), d.pick((2,), (), (1,), (5,))), inplace=False, **({"mode": mode} if mode or d.flag() else {}))


def was_put(x, i, values, mode=None, inplace=False):
    if mode is None:
        i = i.astype(int).reshape(-1)
        values = np.resize(values, i.shape)
        there = (i >= -x.size) & (i < x.size)
        i, values = i[there], values[there]
    np.put(x, i, values, mode=mode or "raise")
    return x


def place(d: Draw):
    x = d.array(ANY, d.shape(0, 3, empty=False))
    return call(x, d.array(("bool", "int32"), x.shape, 0, 2), d.array((x.dtype.name,), d.pick((2,), (1,), (5,), ())), inplace=False)


def was_placed(x, mask, values, inplace):
    np.place(x, mask, values)
    return x


def choose(d: Draw):
    n = d.integer(1, 3)
    shapes = d.broadcasting(n + 1, empty=False)
    mode = d.pick("wrap", "clip")
    choices = [d.array(("float32", "int32", "complex64") if d.flag() else ("float64",), s) for s in shapes[1:]]
    return call(d.indices(2 * n, shapes[0], negative=True), choices if d.flag() else tuple(choices), mode=mode)


def condition(d: Draw, n):
    """A condition that is known, with as many elements or fewer, and no ``size``; or one that is not, with it."""
    if d.flag():
        return Fixed(np.array([d.flag() for _ in range(d.pick(n, max(n - 1, 0)))], bool)), {}
    return d.array(("bool", "int32"), (n,), 0, 2), {"size": d.integer(0, min(n, 3)), **d.some(fill_value=(0, 1))}


def compress(d: Draw, method=False):
    x = d.array(ANY, d.shape(1, 3))
    axis = d.axis(x.ndim, none=True)
    keep, kwargs = condition(d, x.size if axis is None else x.shape[axis])
    if not (axis is None and d.flag()):
        kwargs["axis"] = axis
    return call(*((x, keep) if method else (keep, x)), **kwargs)


def compressed(keep, x, axis=None, size=None, fill_value=0):
    found = np.compress(keep, x, axis)
    if size is None:
        return found
    axis = 0 if axis is None else axis
    shape = list(found.shape)
    shape[axis] = size
    more = np.full(shape, np.asarray(fill_value).astype(x.dtype))
    return np.take(np.concatenate([found, more], axis), range(size), axis)


def extract(d: Draw):
    x = d.array(ANY, d.shape(0, 3))
    if d.flag():
        return call(Fixed(np.array([d.flag() for _ in range(x.size)], bool).reshape(x.shape)), x)
    return call(d.array(("bool",), x.shape), x, size=d.integer(0, min(x.size, 3)), **d.some(fill_value=(0, 1)))


def extracted(keep, x, size=None, fill_value=0):
    return compressed(keep.reshape(-1), x.reshape(-1), None, size, fill_value)


# --- vectorize ----------------------------------------------------------------------------------

def vectorized(root):
    return lambda f, options, *args, **kwargs: root.numpy.vectorize(f, **options)(*args, **kwargs)


def by_numpy(f, options, *args, **kwargs):
    """The function of single elements does the same to whole arrays; signatures are left to NumPy."""
    return np.vectorize(f, **options)(*args, **kwargs) if "signature" in options else f(*args, **kwargs)


def mapping(d: Draw):
    kinds = ("float32", "int32", "complex64", "float64")
    a, b = d.broadcasting(2, empty=False)
    match d.integer(0, 6):
        case 0:
            return call(lambda x, y: x * y + 1, {}, d.array(kinds, a), d.array(kinds, b))
        case 1:
            return call(lambda x, y: (x, y * 2), {}, d.array(kinds, a), d.pick(2, 2.5))
        case 2:
            return call(lambda x, y: x * y, {"excluded": {1}}, d.array(kinds, a), 3)
        case 3:
            return call(lambda x, k=1: x * k, {"excluded": d.pick({"k"}, frozenset(["k"]))}, d.array(kinds, a), k=2)
        case 4:
            signature = d.pick("(n),(n)->()", " ( n ) , (n) -> () ")
            return call(lambda x, y: (x * y).sum(), {"signature": signature}, d.array(kinds, (*a, 3)), d.array(kinds, (*b, 3)))
        case 5:
            m, v = d.array(("float32",), (*a, 2, 3)), d.array(("float32",), (*b, 3))
            return call(lambda m, v: m @ v, {"signature": "(m,n),(n)->(m)"}, m, v)
        case 6:
            return call(lambda x: (x * 2, x.sum()), {"signature": "(n)->(n),()"}, d.array(("float32", "complex64"), (*a, 2)))


NEAR = dict(slack=10)
OF_TRUTH = "sums and products of truth values"

ROWS = [
    Row("Array.__getitem__", got, read, examples=10),
    Row("Array.at.get", got, get, examples=8),
    Row("Array.at.set", updated(None), update(distinct=True), examples=8),
    Row("Array.at.add", updated(np.add), update(), wider=OF_TRUTH, examples=8),
    Row("Array.at.subtract", updated(np.subtract), update(kinds=NUMBERS), examples=4),
    Row("Array.at.multiply Array.at.mul", updated(np.multiply), update(unique=True, low=-2.0, high=2.0), tolerance=4,
        wider=OF_TRUTH, examples=4, **NEAR),
    Row("Array.at.divide", updated(np.divide, real=True), update(kinds=INTS + FLOATS, unique=True, low=1.0, values=small), tolerance=10,
        examples=4, **NEAR),
    Row("Array.at.power", updated(np.power), update(kinds=FLOATS, unique=True, low=0.5, high=2.0, values=small), tolerance=50,
        examples=4, **NEAR),
    Row("Array.at.min", updated(np.minimum), update(), examples=4),
    Row("Array.at.max", updated(np.maximum), update(), examples=4),
    Row("Array.at.apply", applied, apply, examples=4, grad=False, why="only windows have a derivative: see numpy/test_at.py"),
    Row("Array.at.array", lambda x, i: x, lambda d: call(d.array(ANY), d.pick(0, slice(None))), examples=2,
        fn=lambda root: lambda x, i: x.at[i].array),
    Row("Array.at.index", lambda x, i: i, lambda d: call(d.array(ANY), d.array(INTS, (2,))), examples=2,
        fn=lambda root: lambda x, i: x.at[i].index),

    Row("numpy.take Array.take", taken, take, examples=8),
    Row("numpy.take_along_axis", taken_along, along(), examples=8),
    Row("numpy.put_along_axis", put_along, along(putting=True), examples=5),
    Row("numpy.put", was_put, put, examples=6),
    Row("numpy.place", was_placed, place, examples=4),
    Row("numpy.choose Array.choose", np.choose, choose, examples=5),
    Row("numpy.compress", compressed, compress, examples=6),
    Row("Array.compress", lambda x, keep, **k: compressed(keep, x, **k), lambda d: compress(d, method=True), examples=4),
    Row("numpy.extract", extracted, extract, examples=4),
    Row("numpy.vectorize", by_numpy, mapping, fn=vectorized, wider="blanks in signatures", examples=7),
]

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def at(call, error, text, label, name="Array.__getitem__"):
    """A call of the library's 2 x 3 array that is refused."""
    return Refusal(name, lambda root: call(root.numpy.asarray(X), root.numpy), error, text, label)


def no(name, call, error, text, label):
    return Refusal(f"numpy.{name}", lambda root: call(getattr(root.numpy, name), root.numpy.asarray(X)), error, text, label)


REFUSALS = [
    at(lambda x, jnp: x[0, 0, 0], IndexError, "2-dimensional, but 3", "rank"),
    at(lambda x, jnp: x[[0, 1]], TypeError, r"array\(seq\)", "list"),
    at(lambda x, jnp: x[[slice(None), 0]], TypeError, r"tuple\(seq\)", "list-of-slices"),
    at(lambda x, jnp: x[1.0], (TypeError, IndexError), "float|1.0", "float"),
    at(lambda x, jnp: x[jnp.ones(2)], TypeError, "integer or boolean type, got.*float32", "floats"),
    at(lambda x, jnp: x["a"], TypeError, "string indexing", "text"),
    at(lambda x, jnp: x[..., ...], IndexError, "single ellipsis", "dots"),
    at(lambda x, jnp: x[object()], (IndexError, TypeError), "only integers", "object"),
    at(lambda x, jnp: x[jnp.ones(3, bool)], IndexError, r"\(3,\).*\(2,\)", "mask"),
    at(lambda x, jnp: x[1.0:], TypeError, "[Ss]lice", "slice"),
    at(lambda x, jnp: x[::0], (ValueError, TypeError), "zero|0", "step"),
    at(lambda x, jnp: x[np.zeros(2, int), np.zeros(3, int)], (ValueError, TypeError, IndexError), r"\(2,\)|2.*3", "shapes"),
    at(lambda x, jnp: x[:, :0][0, 0], IndexError, "size 0", "empty"),
    at(lambda x, jnp: x[np.array(["a"])], TypeError, "str|<U1|integer", "strings"),
    at(lambda x, jnp: list(x[0, 0]), TypeError, "0-d", "scalar", "Array.__iter__"),
    at(lambda x, jnp: x.__setitem__(0, 1), TypeError, "immutable", "write", "Array.__setitem__"),
    at(lambda x, jnp: x.at[0].set(jnp.ones(5)), ValueError, r"\(5,\).*\(3,\)", "shape", "Array.at.set"),
    at(lambda x, jnp: x.at[0].set(None), (TypeError, ValueError), "None", "none", "Array.at.set"),
    at(lambda x, jnp: x.at[0].set("a"), TypeError, "str", "text", "Array.at.set"),
    at(lambda x, jnp: x.at[0, 0, 0].add(1), IndexError, "2-dimensional, but 3", "rank", "Array.at.add"),
    at(lambda x, jnp: x.at[0].set(1, mode="no mode"), ValueError, "mode.*no mode", "mode", "Array.at.set"),
    at(lambda x, jnp: x.at[0].apply(3), TypeError, "callable|3", "function", "Array.at.apply"),
    at(lambda x, jnp: x.at[9].get(mode="fill", fill_value="a"), (TypeError, ValueError), "a", "fill-value", "Array.at.get"),
    at(lambda x, jnp: x.at[0].set(1, 2), TypeError, "positional", "positional", "Array.at.set"),
    no("take", lambda f, x: f(x, np.array([0.5])), ValueError, "integers?.*float", "float"),
    no("take", lambda f, x: f(x, [0]), TypeError, "take.*list", "list"),
    no("take", lambda f, x: f(x, 0, axis=2), ValueError, "axis 2.*dimension 2", "axis"),
    no("take", lambda f, x: f(x, 0, mode="raise"), NotImplementedError, "raise", "raise"),
    no("take", lambda f, x: f(x, 0, mode="no mode"), ValueError, "no mode", "mode"),
    no("take", lambda f, x: f(x, 0, out=x), NotImplementedError, "out", "out"),
    no("take", lambda f, x: f(x[:, :0], 0, axis=1), IndexError, "empty axis", "empty"),
    no("take_along_axis", lambda f, x: f(x, np.array([0.5])), TypeError, "integer.*float", "float"),
    no("take_along_axis", lambda f, x: f(x, np.array([0]), axis=0), ValueError, "dimensions; 1 vs. 2", "rank"),
    no("take_along_axis", lambda f, x: f(x, np.zeros((3, 1), int), axis=1), ValueError, r"broadcast|\(3, 1\)", "shape"),
    no("take_along_axis", lambda f, x: f(x, np.zeros((2, 1), int), axis=None), ValueError, "1D", "axis-none"),
    no("put_along_axis", lambda f, x: f(x, np.zeros((2, 1), int), 1, 1), ValueError, "inplace=False", "inplace"),
    no("put_along_axis", lambda f, x: f(x, np.zeros((2,), int), 1, 1, inplace=False), ValueError, "ndim", "rank"),
    no("put_along_axis", lambda f, x: f(x, np.zeros((2, 1), int), np.ones(3), 1, inplace=False), ValueError, r"\(3,\).*\(2, 1\)", "values"),
    no("put", lambda f, x: f(x, 0, 1), ValueError, "inplace=False", "inplace"),
    no("put", lambda f, x: f(x, 0, 1, mode="no mode", inplace=False), ValueError, "no mode", "mode"),
    no("put", lambda f, x: f(x, 0.5, 1, inplace=False), TypeError, "float", "float"),
    no("place", lambda f, x: f(x, x > 1, 1), ValueError, "inplace=False", "inplace"),
    no("place", lambda f, x: f(x, x[0] > 1, 1, inplace=False), ValueError, "same size", "shape"),
    no("place", lambda f, x: f(x, x > 1, x[:0], inplace=False), ValueError, "empty", "empty"),
    no("choose", lambda f, x: f(np.array([0, 5]), [1, 2]), ValueError, "invalid entry", "number"),
    no("choose", lambda f, x: f(x, [1, 2]), (TypeError, ValueError), "integer", "float"),
    no("choose", lambda f, x: f(np.array([0]), [1], mode="no mode"), ValueError, "no mode", "mode"),
    no("compress", lambda f, x: f(x > 1, x), ValueError, "1D", "rank"),
    no("compress", lambda f, x: f(np.ones(3, bool), x, axis=0), ValueError, "out of bounds", "length"),
    no("compress", lambda f, x: f(np.ones(2, bool), x, axis=0, size=5), ValueError, "size=5", "size"),
    no("extract", lambda f, x: f([True], x), TypeError, "extract.*list", "list"),
    no("vectorize", lambda f, x: f(len, signature="(n)"), ValueError, r"\(n\)", "signature"),
    no("vectorize", lambda f, x: f(len, excluded={1.5}), TypeError, "excluded", "excluded"),
    no("vectorize", lambda f, x: f(len, excluded={-1}), ValueError, "excluded", "excluded-negative"),
    no("vectorize", lambda f, x: f(lambda a: a, signature="(n),(n)->(n)")(x), TypeError, "2 arguments?.*1|arguments", "number"),
    no("vectorize", lambda f, x: f(lambda a, b: a, signature="(n),(n)->(n)")(x, x[:, :2]), ValueError, "'n'|3.*2", "sizes"),
    no("vectorize", lambda f, x: f(lambda a: a[0], signature="(n)->(n)")(x), (ValueError, TypeError), "result|output", "result"),
    no("vectorize", lambda f, x: f(lambda a, b: a)(x, x[:, :2]), ValueError, r"\(2, 3\).*\(2, 2\)", "shapes"),
]
