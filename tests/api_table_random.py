"""Rows of `random`: bit for bit JAX's numbers (`compare_jax`), and here each sample against its distribution.

A call holds the words of a key and how the key is made of them, then the sampler's arguments. Samples are large where their
distribution is tested: their places in it must be uniform, by a Kolmogorov-Smirnov test. Of whole numbers, the places are
spread over the step that the distribution function makes there. Examples repeat (Hypothesis is derandomized), so the least
p-value allowed only has to be small against the number of tests.
"""

import contextlib

import numpy as np
import scipy.stats as st
from api_draw import Draw, call
from api_harness import Elsewhere, Row, find

LEAST = 1e-4
WIDER = ("float32", "float64", "bfloat16")
MANY, FEW = 3000, 700   # numbers of a sample; of one drawn in a loop
HOW = ("typed", "raw", "original", "rbg", "unsafe_rbg", "raw rbg")
WORDS = {"rbg": 4, "unsafe_rbg": 4, "raw rbg": 4}

TYPES = (None, "float32", "bfloat16", "float16", "float64")


# --- keys ---------------------------------------------------------------------------------------

def key_words(d: Draw, shape=(), hows=HOW):
    """Words of keys, and how to make keys of them: under vmap, other generators than threefry draw from the first key."""
    how = d.pick("typed", "raw") if d.traced else d.pick(*hows)
    return d.rng.integers(0, 2 ** 32, (*shape, WORDS.get(how, 2)), dtype=np.uint32), how


@contextlib.contextmanager
def keys_of(root, words, how):
    impl = how.removeprefix("raw ") if "rbg" in how else "threefry2x32"
    with contextlib.ExitStack() as stack:
        if how == "original":
            stack.enter_context(root.threefry_partitionable(False))
        if how == "raw rbg":
            stack.enter_context(root.default_prng_impl(impl))
        yield words if "raw" in how else root.random.wrap_key_data(words, impl=impl)


def keyed(name):
    """The function with its key made from words."""
    def fn(root):
        def sample(words, how, *args, **kwargs):
            with keys_of(root, words, how) as key:
                return find(root, name)(key, *args, **kwargs)
        return sample
    return fn


# --- a distribution as the oracle -----------------------------------------------------------------

def places(x, law, whole):
    """Where a sample lies in its distribution: uniform in [0, 1] if it is of that."""
    if whole:
        below, at = law.cdf(x - 1), law.pmf(x)
        return below + at * np.random.default_rng(0).uniform(size=np.shape(below))
    return law.cdf(x)


def assert_uniform(u, resolution=0.0):
    """A Kolmogorov-Smirnov test; ``resolution`` is how far rounding may move all places."""
    u = np.sort(np.ravel(u))
    steps = np.arange(u.size + 1) / u.size
    distance = max(np.max(steps[1:] - u), np.max(u - steps[:-1])) - resolution
    p = 2 * np.exp(-2 * u.size * max(distance, 0.0) ** 2)            # the limit for many numbers
    assert p > LEAST, f"p-value {p:.2g}, distance {distance:.3f} of {u.size} numbers"


#: By the mantissa's bits: uniform numbers are multiples of this.
RESOLUTION = {"bfloat16": 2 ** -7, "float16": 2 ** -10}


def follows(law, whole=False, transform=None):
    """Compares a sample with ``law(*parameters)``, a frozen distribution of SciPy."""
    def compare(found, _, given):
        x = np.asarray(found)
        resolution = RESOLUTION.get(x.dtype.name, 0.0)
        parameters, options = given.args[2:], dict(given.kwargs)
        shape = options.pop("shape", None)
        parameters = [float64(p) for p in parameters]
        resolution += sum(RESOLUTION.get(getattr(p, "dtype", np.dtype(float)).name, 0.0) for p in given.args[2:])
        if shape is not None and not isinstance(shape, str):
            assert x.shape[:len(shape)] == tuple(shape), f"shape {x.shape}, asked for {shape}"
        if options.get("dtype"):
            assert x.dtype.name == str(options["dtype"]), x.dtype
        if x.size < 500:
            return
        x = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
        law_args = {k: v for k, v in options.items() if k not in ("dtype", "mode")}
        for part in ([x.real, x.imag] if x.dtype.kind == "c" else [x]):
            part = transform(part, *parameters) if transform else part
            found_law = law(*parameters, **law_args) if x.dtype.kind != "c" else st.norm(scale=0.5 ** 0.5)
            assert_uniform(places(part, found_law, whole), resolution)
    return compare


def float64(x):
    return x.astype(np.float64) if isinstance(x, np.ndarray) else x


# --- calls --------------------------------------------------------------------------------------

def lead(d: Draw, own=(), many=MANY):
    """The shape before that of the parameters: many numbers for their distribution, few for other checks."""
    if d.traced:
        return () if d.smooth else d.pick((5,), (1,), (0,))
    return (many // int(np.prod(own)),) if d.integer(0, 5) < 5 else d.pick((), (3, 2), (0,), (7,))


def free(d: Draw, types=TYPES, **more):
    """A sampler without parameters: key, shape and dtype."""
    dtype = d.pick(*types)
    return call(*key_words(d), **d.some(dtype=dtype) if dtype else {}, shape=lead(d), **more)


def plain(types=TYPES, **options):
    def calls(d: Draw):
        return free(d, types, **d.some(**options))
    return calls


def parameters(*ranges, types=TYPES, cast_types=None, shaped=None, full=False, hows=HOW, many=MANY, **options):
    """A sampler with parameters from ranges, of shapes that broadcast, or Python numbers.

    types : of the sample, and of the parameters with it, which must not be wider
    cast_types : of the parameters, where these are free
    shaped : whether ``shape`` is always given
    full : whether parameters have as many dimensions as the sample
    hows : how keys are made
    """
    def calls(d: Draw):
        dtype = "float64" if d.smooth else d.pick(*types)
        own = cast_types or ((dtype, "bfloat16") if dtype == "float32" else (dtype,) if dtype else ("float32", "bfloat16", "float16"))
        shapes = d.broadcasting(len(ranges), 0, 2, empty=False) if len(ranges) > 1 else [d.shape(0, 2, empty=False)]
        values = [d.array((own[0],) if d.smooth else own, shape, low, high, special=False) for shape, (low, high) in zip(shapes, ranges)]
        if not d.smooth and d.integer(0, 3) == 3:
            values[-1] = float(values[-1].reshape(-1)[0])
        whole = np.broadcast_shapes(*(np.shape(v) for v in values))
        given = {"dtype": dtype} if dtype else {}
        if shaped is not False and (not d.smooth and d.integer(0, 2) < 2 or shaped):
            given["shape"] = (*lead(d, whole, many), *whole)
        if full:
            rank = len(given.get("shape", whole))
            values = [v.reshape((1,) * (rank - v.ndim) + v.shape) if np.ndim(v) else v for v in values]
        return call(*key_words(d, hows=hows), *values, **given, **d.some(**options))
    return calls


def uniform_calls(d: Draw):
    dtype = "float64" if d.smooth else d.pick(*TYPES)
    bounds = d.pick("none", "arrays", "numbers") if not d.smooth else "arrays"
    shape = (*lead(d, (2, 3)), 2, 3)
    given = {}
    if bounds == "arrays":
        own = (dtype,) if dtype else ("float32", "bfloat16")
        low = d.array(own, d.pick((3,), (), (2, 1)), -3, 0, special=False)
        given = {"minval": low, "maxval": d.array(own, d.pick((), (2, 3)), 0.5, 4, special=False)}
    elif bounds == "numbers":
        given = {"minval": d.pick(-1.5, 2, -40.0), "maxval": d.pick(3.25, 10)}
    return call(*key_words(d), shape=shape, **({"dtype": dtype} if dtype else {}), **given)


def uniform_law(minval=0.0, maxval=1.0):
    low, high = float64(minval), float64(maxval)
    return st.uniform(low, np.asarray(high) - low)


INT_TYPES = (None, "int32", "uint8", "int8", "int16", "uint16", "uint32", "int64", "uint64")


def randint_calls(d: Draw):
    dtype = d.pick(*INT_TYPES)
    info = np.iinfo(dtype or "int32")
    match d.integer(0, 3):
        case 0:
            bounds = d.pick((0, 10), (5, 100), (3, 4), (9, 2), (4, 4))
        case 1:
            bounds = d.pick((int(info.min), int(info.max)), (int(info.min), int(info.max) + 1), (max(-3, int(info.min)), 3))
        case 2:
            own = d.pick(dtype or "int32", "int8", "uint8")
            bounds = d.array((own,), (3,), 0, 5), d.array((own,), d.pick((), (2, 3)), 6, 100)
        case _:
            bounds = d.array(("float32",), (3,), 0, 5, special=False), 50.5
    return call(*key_words(d), (*lead(d, (2, 3)), 2, 3), *bounds, **({"dtype": dtype} if dtype else {}))


def randint_law(found, _, given):
    words, how, shape, low, high = given.args
    x = np.asarray(found)
    dtype = given.kwargs.get("dtype")
    assert x.shape == shape and (not dtype or x.dtype == dtype)
    info = np.iinfo(x.dtype)
    low, high = [np.clip(np.trunc(np.asarray(v, np.float64)), info.min, float(info.max) + 1) for v in (low, high)]
    if x.size >= 500:
        x = x.astype(np.float64)
        width = np.maximum(high - low, 1)
        assert np.all(x >= low) and np.all(x - low <= width)
        u = (x - low + np.random.default_rng(0).uniform(size=x.shape)) / width
        assert_uniform(u)


def bits_law(found, _, given):
    x = np.asarray(found)
    dtype = given.kwargs.get("dtype") or "uint32"
    assert x.dtype == dtype and x.shape == given.kwargs["shape"]
    if given.args[1] in ("typed", "raw"):
        np.testing.assert_array_equal(x, threefry_bits(given.args[0], x.shape, x.dtype))
    elif x.size >= 500:
        assert_uniform((x.astype(np.float64) + 0.5) / 2.0 ** (8 * x.dtype.itemsize))


def bernoulli_calls(d: Draw):
    own = ("float64",) if d.smooth else ("float32", "bfloat16", "float16", "float64")
    p = d.array(own, d.shape(0, 2, empty=False), 0.05, 0.95, special=False)
    p = d.pick(p, p, 0.3, 1e-3, 1.0, 0.0)
    given = {} if p is not None and d.flag() else {"shape": (*lead(d, np.shape(p)), *np.shape(p))}
    return call(*key_words(d), p, **given, **d.some(mode=("high", "low")))


def categorical_calls(d: Draw):
    kinds = ("float64",) if d.smooth else ("float32", "bfloat16", "float16", "float64")
    logits = d.array(kinds, (*d.shape(0, 2, empty=False), 4), -1.5, 1.5, special=False)
    axis = d.pick(-1, *range(-logits.ndim, logits.ndim))
    batch = list(logits.shape)
    n = batch.pop(axis)
    given = d.some(mode=("low", "high", "highest"))
    if d.flag():
        given["shape"] = (*lead(d, batch), *batch)
    if "shape" in given and d.integer(0, 2) == 2:
        given |= {"replace": False, "shape": (d.integer(0, n), *batch)}
    return call(*key_words(d), logits, **({"axis": axis} if axis != -1 or d.flag() else {}), **given)


def categorical_law(found, _, given):
    x, (_, _, logits), options = np.asarray(found), given.args, given.kwargs
    logits = np.moveaxis(logits.astype(np.float64), options.get("axis", -1), -1)
    assert x.shape == options.get("shape", logits.shape[:-1]) and np.all((x >= 0) & (x < logits.shape[-1]))
    if not options.get("replace", True):
        assert all(len(set(column)) == len(column) for column in x.reshape(x.shape[0], -1).T.tolist())
    elif x.size >= 500:
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        assert_choice(x, np.broadcast_to(p, (*x.shape, p.shape[-1])), RESOLUTION.get(given.args[2].dtype.name, 0.0))


def assert_choice(x, p, resolution=0.0):
    """Indices against the probabilities of all indices."""
    before = np.concatenate([np.zeros((*p.shape[:-1], 1)), np.cumsum(p, -1)], -1)
    low = np.take_along_axis(before, x[..., None], -1)
    high = np.take_along_axis(before, x[..., None] + 1, -1)
    assert_uniform(low + (high - low) * np.random.default_rng(0).uniform(size=low.shape), resolution)


def choice_calls(d: Draw):
    n = d.pick(5, 3, 8)
    if d.flag():
        a, options = n, {}
    else:
        axis = d.pick(0, 1, -1)
        shape = [2, 2] if axis else [4]
        shape.insert(axis if axis >= 0 else 2, n)
        a = d.array(("float32", "int32", "bfloat16", "float64"), tuple(shape), special=False, distinct=True)
        options = {"axis": axis} if axis else d.some(axis=0)
        n = a.shape[axis]
    if d.flag():
        p = d.array(("float64",) if d.smooth else ("float32", "float64"), (n,), 0.1, 1, special=False)
        options["p"] = p / p.sum()
    if d.flag():
        options |= {"replace": False, "shape": d.pick((), (2,), (3, 1), (0,), (n,))}
        if d.flag() and "p" in options:
            options["mode"] = d.pick("high", "low")
    else:
        options["shape"] = d.pick(lead(d), (2, 3))
    return call(*key_words(d), a, **options)


def choice_law(found, _, given):
    x, a, options = np.asarray(found), given.args[2], given.kwargs
    shape = options["shape"]
    if isinstance(a, int):
        assert x.shape == shape and np.all((x >= 0) & (x < a))
        index, n = x, a
    elif x.size:
        axis = options.get("axis", 0) % a.ndim
        assert x.dtype == a.dtype
        n, drawn = a.shape[axis], int(np.prod(shape))
        first = x.reshape(*a.shape[:axis], drawn, *a.shape[axis + 1:]).astype(np.float64)
        slices, elements = np.moveaxis(first, axis, 0).reshape(drawn, -1), np.moveaxis(a.astype(np.float64), axis, 0).reshape(n, -1)
        match = (slices[:, None] == elements).all(-1)
        assert match.any(1).all()
        index = match.argmax(1)
    else:
        return
    if not options.get("replace", True):
        assert len(set(index.ravel().tolist())) == index.size
    elif index.size >= 500:
        p = np.full(n, 1 / n) if options.get("p") is None else options["p"].astype(np.float64)
        assert_choice(index, np.broadcast_to(p, (*index.shape, n)))


def permutation_calls(d: Draw):
    if d.integer(0, 2) == 2:
        return call(*key_words(d), d.pick(6, 0, 1, 30))
    x = d.array(("float32", "int32", "bool", "bfloat16", "complex64", "float64"), d.shape(1, 3), special=False)
    axis = d.axis(x.ndim)
    return call(*key_words(d), x, **({"axis": axis} if axis else d.some(axis=0)), **d.some(independent=True))


def permutation_law(found, _, given):
    x, a = np.asarray(found), given.args[2]
    if isinstance(a, int):
        np.testing.assert_array_equal(np.sort(x), np.arange(a))
        return
    axis = given.kwargs.get("axis", 0)
    assert x.shape == a.shape and x.dtype == a.dtype
    if given.kwargs.get("independent"):
        np.testing.assert_array_equal(np.sort(x, axis), np.sort(a, axis))
    else:
        rows = [sorted(np.moveaxis(v, axis, 0).reshape(v.shape[axis], -1).astype(complex).view(float).tolist()) for v in (x, a)]
        assert rows[0] == rows[1]


def counts_calls(d: Draw):
    """`multinomial`: a number of trials and probabilities."""
    own = ("float64",) if d.smooth else ("float32", "float64", "bfloat16")
    p = d.array(own, (*d.shape(0, 1, empty=False), 3), 0.1, 1, special=False)
    p = (p / p.sum(-1, keepdims=True)).astype(p.dtype)
    n = d.pick(10, 40.0, d.array(own, p.shape[:-1], 1, 30, special=False).round())
    given = {"shape": (*lead(d, p.shape[:-1]), *p.shape)} if d.flag() else {}
    return call(*key_words(d), n, p, **given, **d.some(unroll=(2, True)), **({} if d.smooth else d.some(dtype=("float32", "bfloat16"))))


def counts_law(found, _, given):
    x, (_, _, n, p) = np.asarray(found).astype(np.float64), given.args
    assert x.shape == given.kwargs.get("shape", p.shape)
    if p.dtype.name != "bfloat16":
        np.testing.assert_allclose(x.sum(-1), np.broadcast_to(float64(n), x.shape[:-1]))
    if x.size >= 500:
        trials = np.asarray(float64(n))[..., None]
        assert_uniform(places(x[..., 1:2], st.binom(trials, float64(p)[..., 1:2]), True), RESOLUTION.get(p.dtype.name, 0.0))


def dirichlet_calls(d: Draw):
    dtype = "float64" if d.smooth else d.pick(*TYPES)
    alpha = d.array((dtype or "float32",), (*d.shape(0, 1, empty=False), 3), 0.3, 4, special=False)
    given = {"shape": (*lead(d, alpha.shape[:-1], FEW), *alpha.shape[:-1])} if d.flag() else {}
    return call(*key_words(d), alpha, **given, **({"dtype": dtype} if dtype else {}))


def dirichlet_law(found, _, given):
    x, alpha = np.asarray(found).astype(np.float64), float64(given.args[2])
    assert x.shape == (*given.kwargs.get("shape", alpha.shape[:-1]), alpha.shape[-1])
    np.testing.assert_allclose(x.sum(-1), 1, atol=2e-2 if found.dtype == "bfloat16" else 2e-3)
    if x.size >= 500:
        rest = alpha[..., 1:].sum(-1)
        assert_uniform(st.beta(alpha[..., 0], rest).cdf(x[..., 0]), RESOLUTION.get(found.dtype.name, 0.0))


def ball_calls(d: Draw):
    return call(*key_words(d), d.pick(3, 1, 2), **d.some(p=(2, 1, 3.5)), shape=lead(d, (), FEW),
                **d.some(dtype=("float32", "float64", "float16")))


def ball_law(found, _, given):
    """The volume inside of a point's distance from the center is uniform."""
    x, n, p = np.asarray(found).astype(np.float64), given.args[2], given.kwargs.get("p", 2)
    assert x.shape == (*given.kwargs["shape"], n)
    if x.size >= 500:
        assert_uniform(np.sum(np.abs(x) ** p, -1) ** (n / p), RESOLUTION.get(found.dtype.name, 0.0))
        assert_uniform((np.sign(x[..., 0]) + 1) / 4 + np.random.default_rng(0).uniform(0, 0.5, x.shape[:-1]))


def normal_vectors(d: Draw):
    own = ("float64",) if d.smooth else ("float32", "float64", "int32")
    mean = d.array(own, (*d.shape(0, 1, empty=False), 2), special=False)
    shape = (*d.shape(0, 1, sizes=(1, 3), empty=False), 2, 2)
    root = d.array(("float64",) if d.smooth else ("float32", "float64"), shape, -1, 1, special=False)
    cov = (root @ np.swapaxes(root, -1, -2) + np.eye(2)).astype(root.dtype)
    try:
        batch = np.broadcast_shapes(mean.shape[:-1], cov.shape[:-2])
    except ValueError:
        mean, batch = mean[(0,) * (mean.ndim - 1)], cov.shape[:-2]
    given = {"shape": (*lead(d, batch), *batch)} if d.flag() else {}
    method = d.some(method=("cholesky",) if d.traced else ("cholesky", "svd", "eigh"))     # the others' signs are free
    return call(*key_words(d), mean, cov, **given, **method)


def normal_vectors_law(found, _, given):
    """Along any direction they are normal."""
    x, (_, _, mean, cov) = np.asarray(found).astype(np.float64), given.args
    mean, cov = float64(mean), float64(cov)
    assert x.shape[-1] == 2 and x.shape[:-1] == given.kwargs.get("shape", np.broadcast_shapes(mean.shape[:-1], cov.shape[:-2]))
    if x.size >= 500:
        for v in ((1.0, 0.0), (1.0, 1.0), (1.0, -2.0)):
            assert_uniform(st.norm(mean @ v, np.sqrt(np.einsum("i,...ij,j->...", v, cov, v))).cdf(x @ v))


def orthogonal_calls(d: Draw):
    n = d.pick(3, 2, 1, 0)
    return call(*key_words(d), n, **d.some(shape=((200,) if not d.traced else (2,), (), (2, 3)), m=(3, 2, 1),
                                             dtype=("float32", "complex64", "float64")))


def orthogonal_law(found, _, given):
    q, n = np.asarray(found), given.args[2]
    m = given.kwargs.get("m", n)
    assert q.shape == (*given.kwargs.get("shape", ()), n, m)
    short = np.conj(np.swapaxes(q, -1, -2)) @ q if m <= n else q @ np.conj(np.swapaxes(q, -1, -2))
    np.testing.assert_allclose(short, np.broadcast_to(np.eye(min(n, m)), short.shape), atol=1e-5)
    if q.size >= 500 and not np.iscomplexobj(q):                 # a coordinate of a point on a sphere
        k = max(n, m)
        x = q[..., 0, 0].astype(np.float64)
        assert_uniform(st.beta(0.5, (k - 1) / 2).cdf(x ** 2) if k > 1 else np.random.default_rng(0).uniform(size=x.shape))
        assert abs(np.sign(x).mean()) < 0.3


def two_sided_calls(d: Draw):
    found = shape_first((-2, 2), (0.5, 3))(d)
    words, how, loc, scale = found.args
    own = np.broadcast_shapes(np.shape(loc), np.shape(scale))
    found.kwargs["shape"] = lead(d, own) if own else found.kwargs["shape"]
    return found


def two_sided_law(found, _, given):
    x, (_, _, loc, scale), shape = np.asarray(found), given.args, given.kwargs["shape"]
    own = np.broadcast_shapes(np.shape(loc), np.shape(scale))
    assert x.shape == (shape or own) + own
    if x.size >= 500:
        z = (x.astype(np.float64) - float64(loc)) / float64(scale)
        assert_uniform((1 + np.sign(z) * st.maxwell.cdf(np.abs(z))) / 2, 3 * RESOLUTION.get(x.dtype.name, 0.0))


def shape_first(*ranges):
    """Parameters that promote with the sample: of its dtype, and broadcast to a shape that is given."""
    inner = parameters(*ranges, types=("float32", "float64", "float16"), shaped=True, many=FEW)

    def calls(d: Draw):
        return inner(d)
    return calls


def binomial_calls(d: Draw):
    own = ("float32", "float64", "float16")
    dtype = d.pick(*own)
    n, p = d.broadcasting(2, 0, 1, empty=False)
    count = d.pick(12.0, d.array((dtype, "int32"), n, 1, 60, special=False).round())
    prob = d.array((dtype,), p, 0.05, 0.95, special=False)
    whole = np.broadcast_shapes(np.shape(count), p)
    given = {"shape": (*lead(d, whole), *whole)} if d.flag() else {}
    return call(*key_words(d), count, prob, **given, **d.some(dtype=("float32", dtype)))


def moved_words(words, how):
    return words[..., None, :].swapaxes(words.ndim - 1, 0) if words.ndim > 1 else words


def says_impl(found, given):
    how = given.args[1]
    assert found == (how.removeprefix("raw ") if "rbg" in how else "threefry2x32")


def same_text(found, expected):
    assert found == expected


# --- threefry, from the paper of Salmon, Moraes, Dror and Shaw (SC 2011) ---------------------------------

def threefry(key, x0, x1):
    """The hash of two-word counters under a two-word key."""
    k = [int(key[0]), int(key[1]), int(key[0]) ^ int(key[1]) ^ 0x1BD11BDA]
    mask = np.uint64(0xFFFFFFFF)
    x0, x1 = ((np.asarray(x, np.uint64) + np.uint64(w)) & mask for x, w in ((x0, k[0]), (x1, k[1])))
    for group in range(5):
        for by in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            x0 = (x0 + x1) & mask
            x1 = ((x1 << np.uint64(by)) | (x1 >> np.uint64(32 - by))) & mask ^ x0
        x0 = (x0 + np.uint64(k[(group + 1) % 3])) & mask
        x1 = (x1 + np.uint64(k[(group + 2) % 3]) + np.uint64(group + 1)) & mask
    return x0, x1


def threefry_of_indices(words, shape):
    n = np.arange(int(np.prod(shape)), dtype=np.uint64).reshape(shape)
    return threefry(words, n >> np.uint64(32), n & np.uint64(0xFFFFFFFF))


def threefry_bits(words, shape, dtype):
    high, low = threefry_of_indices(words, shape)
    return (high << np.uint64(32) | low if dtype == np.uint64 else high ^ low).astype(dtype)


def split_oracle(words, how, num=2):
    if how not in ("typed", "raw"):
        return None
    return np.stack(threefry_of_indices(words, num if isinstance(num, tuple) else (num,)), -1).astype(np.uint32)


def fold_in_oracle(words, how, data):
    if how not in ("typed", "raw"):
        return None
    data = int(data) % 2 ** 32
    return np.stack(threefry(words, 0, data), -1).astype(np.uint32)


def same_words(found, expected, given):
    assert found.dtype == np.uint32
    if expected is not None:
        np.testing.assert_array_equal(found, expected)
    else:
        assert len(np.unique(np.asarray(found).reshape(-1, found.shape[-1]), axis=0)) == np.size(found) // found.shape[-1]


def words_after(name):
    """The function with keys as words, before and after."""
    def fn(root):
        def words(words, how, *args, **kwargs):
            with keys_of(root, words, how) as key:
                found = find(root, name)(key, *args, **kwargs)
                return found if found.dtype == np.uint32 else root.random.key_data(found)
        return words
    return fn


def split_calls(d: Draw):
    return call(*key_words(d), *d.pick((), (3,), ((2, 3),), (0,), (1,), ((),), ((2, 0),)))


def fold_in_calls(d: Draw):
    data = d.array(("int32", "uint8", "uint32", "int64", "int8"), (), 0, 100)
    if d.flag() and not d.traced:
        data = d.pick(0, 7, 2 ** 32 - 1, True)
    return call(*key_words(d), data)


def seeds(d: Draw):
    seed = d.array(("int32", "uint32", "int8", "int64", "uint8"), (), -100, 100)
    if d.flag() and not d.traced:
        seed = d.pick(0, 42, -1, 2 ** 31, 2 ** 40 + 3, 2 ** 63 - 1, -2 ** 63)
    return call(seed, **d.some(impl=("threefry2x32", "rbg", "unsafe_rbg")))


def seed_oracle(seed, impl="threefry2x32"):
    """The upper and lower words of the seed in 64 bits; without x64, a seed keeps 32 bits."""
    number = int(seed)
    wide = isinstance(seed, np.ndarray) and seed.dtype.itemsize == 8
    high = (number >> 32) % 2 ** 32 if wide else 0
    return np.array([high, number % 2 ** 32] * (1 if impl == "threefry2x32" else 2), np.uint32)


def seeded(name):
    return lambda root: lambda seed, **options: root.random.key_data(find(root, name)(seed, **options)) if "Key" not in name else (
        find(root, name)(seed, **options))


def named_impl(root):
    """What `key_impl` and `key_dtype` say, in words."""
    def impl(words, how):
        with keys_of(root, words, how) as key:
            return str(root.random.key_impl(key))
    return impl


def whole_keys(d: Draw):
    return call(*key_words(d, d.shape(0, 2)))


def there_and_back(root):
    def wrapped(words, how):
        impl = how.removeprefix("raw ") if "rbg" in how else "threefry2x32"
        keys = root.random.wrap_key_data(words, impl=impl)
        return root.random.key_data(keys[..., None].swapaxes(-1, 0)) if keys.ndim else root.random.key_data(keys)
    return wrapped


# --- rows ---------------------------------------------------------------------------------------

def sampler(name, calls, compare, grad=True, why="", **options):
    """A row of a sampler: the same bits as JAX's."""
    return Row(f"random.{name}", None, calls, fn=keyed(f"random.{name}"), compare=compare, grad=grad, why=why, quick=True,
               **{"examples": 3, "exact": True} | options)


WHOLE = dict(grad=False, why="whole numbers have no derivative")
LOOP = dict(examples=1)             # large programs
PLACE = dict(LOOP, grad=False, why="the derivative is that of the place in the distribution: random/test_implicit_derivatives.py")
NONE = dict(grad=False, why="no parameters to differentiate by")

ROWS = [
    sampler("bits", lambda d: free(d, (None, "uint8", "uint16", "uint32", "uint64")), bits_law, **WHOLE),
    sampler("uniform", uniform_calls, follows(uniform_law)),
    sampler("randint", randint_calls, randint_law, **WHOLE),
    sampler("normal", plain((*TYPES, "complex64", "complex128")), follows(st.norm), **NONE),
    sampler("exponential", plain(), follows(st.expon), **NONE),
    sampler("laplace", plain(), follows(st.laplace), **NONE),
    sampler("logistic", plain(), follows(st.logistic), **NONE),
    sampler("cauchy", plain(), follows(st.cauchy), **NONE),
    sampler("maxwell", plain(), follows(st.maxwell), **NONE),
    sampler("gumbel", plain(mode=("low", "high", "highest")), follows(st.gumbel_r), **NONE),
    sampler("rademacher", plain((None, "int32", "int8", "float32", "bfloat16", "int64")),
            follows(lambda: st.bernoulli(0.5), True, lambda x: (x + 1) / 2), **NONE),
    sampler("lognormal", parameters((0.3, 1.5)), follows(st.lognorm)),
    sampler("truncated_normal", parameters((-3, 0), (0.5, 3), cast_types=("float64", "float32")), follows(st.truncnorm)),
    sampler("rayleigh", parameters((0.5, 3)), follows(lambda scale: st.rayleigh(scale=scale))),
    sampler("pareto", parameters((0.5, 4)), follows(st.pareto)),
    sampler("triangular", parameters((-3, -1), (-0.5, 0.5), (1, 3)),
            follows(lambda left, mode, right: st.triang((mode - left) / (np.asarray(right) - left), left, np.asarray(right) - left))),
    sampler("wald", parameters((0.5, 3)), follows(st.invgauss)),
    sampler("weibull_min", parameters((0.5, 3), (0.7, 4), shaped=True), follows(lambda scale, c: st.weibull_min(c, scale=scale))),
    sampler("double_sided_maxwell", two_sided_calls, two_sided_law),
    sampler("generalized_normal", shape_first((0.7, 3)), follows(st.gennorm), **PLACE),
    sampler("ball", ball_calls, ball_law, **PLACE),
    sampler("gamma", parameters((0.3, 5), cast_types=WIDER, many=FEW), follows(st.gamma), **PLACE),
    sampler("loggamma", parameters((0.3, 5), cast_types=WIDER, many=FEW), follows(st.loggamma), **PLACE),
    sampler("beta", parameters((0.5, 4), (0.5, 4), many=FEW), follows(st.beta), **PLACE),
    sampler("dirichlet", dirichlet_calls, dirichlet_law, **PLACE),
    sampler("chisquare", parameters((0.7, 8), many=FEW), follows(st.chi2), **PLACE),
    sampler("f", parameters((1, 6), (2, 8), full=True, many=FEW), follows(st.f), **PLACE),
    sampler("t", parameters((1, 8), many=FEW), follows(st.t), **PLACE),
    sampler("bernoulli", bernoulli_calls, follows(lambda p, **_: st.bernoulli(p), True), **WHOLE),
    sampler("geometric", parameters((0.1, 0.9), types=(None, "int32", "int16", "uint8", "int64"), cast_types=("float32", "float64")),
            follows(st.geom, True), **WHOLE),
    sampler("poisson", parameters((0.2, 30), types=(None, "int32", "int16", "uint8", "int64"), cast_types=("float32", "float64", "float16"),
            hows=("typed", "raw", "original"), many=FEW), follows(st.poisson, True), **WHOLE, **LOOP),
    sampler("binomial", binomial_calls, follows(st.binom, True), **WHOLE, **LOOP),
    sampler("multinomial", counts_calls, counts_law, **WHOLE, **LOOP),
    sampler("categorical", categorical_calls, categorical_law, **WHOLE),
    sampler("choice", choice_calls, choice_law, examples=8, **WHOLE),
    sampler("permutation", permutation_calls, permutation_law, **WHOLE),
    sampler("multivariate_normal", normal_vectors, normal_vectors_law, exact=False),      # products round as the engine's options say
    sampler("orthogonal", orthogonal_calls, orthogonal_law, **NONE),

    Row("random.key", seed_oracle, seeds, "uint32", fn=seeded("random.key"), exact=True, **WHOLE),
    Row("random.PRNGKey", seed_oracle, seeds, "uint32", fn=seeded("random.PRNGKey"), exact=True, **WHOLE),
    Row("random.split", split_oracle, split_calls, fn=words_after("random.split"), compare=same_words, exact=True, **WHOLE),
    Row("random.fold_in", fold_in_oracle, fold_in_calls, fn=words_after("random.fold_in"), compare=same_words, exact=True, **WHOLE),
    Row("random.clone", lambda words, how: words, whole_keys, "uint32", fn=words_after("random.clone"), exact=True, **WHOLE),
    Row("random.key_data", lambda words, how: words, whole_keys, "uint32", fn=keyed("random.key_data"), exact=True, **WHOLE),
    Row("random.wrap_key_data", moved_words, whole_keys, "uint32", fn=there_and_back, exact=True, **WHOLE),
    Row("random.key_impl", None, whole_keys, fn=named_impl, compare=lambda found, _, given: says_impl(found, given),
        jit=False, vmap=False, grad=False, why="answers a name"),
    Row("random.key_dtype", lambda impl=None: {None: "key<fry>", "rbg": "key<rbg>", "unsafe_rbg": "key<urbg>"}.get(impl, "key<fry>"),
        lambda d: call(*d.pick((), (None,), ("threefry2x32",), ("rbg",), ("unsafe_rbg",))),
        fn=lambda root: lambda *impl: str(root.random.key_dtype(*impl)),
        compare=lambda found, expected, given: same_text(found, expected), jit=False, vmap=False, grad=False, why="answers a dtype"),
    Elsewhere("random.random_gamma_p", "op_table_control.py"),
]
