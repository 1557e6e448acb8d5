"""Rows of `nn` and `nn.initializers`: activations, softmax and its kin, attention, block-scaled products, initial weights."""

import functools

import ml_dtypes
import numpy as np
import scipy.special
import scipy.stats
from api_draw import FLOATS, Draw, call, kind, np_dtype, unary
from api_harness import Elsewhere, Refusal, Row, find

expit = scipy.special.expit
SOME = (*FLOATS, "int32", "int8", "uint8", "bool")


def softplus(x):
    return np.logaddexp(x, 0.0)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def gelu(x, approximate=True):
    inside = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)) if approximate else scipy.special.erf(x / np.sqrt(2))
    return x * (1 + inside) / 2


def number(f):
    """The oracle on float64, whatever the array holds."""
    return lambda x, *rest, **options: f(np.asarray(x, np.float64), *rest, **options)


def away(*kinks, kinds=SOME, **arguments):
    """One array; for derivatives its elements stay away from where pieces meet. Further arguments are Python numbers or arrays."""
    def calls(d: Draw):
        x = d.array(kinds, low=-9.0, high=9.0)
        for kink in kinks if d.smooth else ():
            x = np.where(abs(x - kink) < 0.1, kink + 0.25, x)
        return call(x, **d.some(**arguments))
    return calls


def activation(name, oracle, *kinks, kinds=SOME, examples=6, **arguments):
    return Row(name, number(oracle), away(*kinks, kinds=kinds, **arguments), examples=examples)


# --- softmax and its kin ------------------------------------------------------------------------

def along(where=False, none=True, special=True, keepdims=False):
    """An array with an axis, some axes, or all of them, and a mask."""
    def calls(d: Draw):
        x = d.array((*FLOATS, "int32"), d.shape(1, 3, empty=False), special=special)
        given = d.some(axis=(d.axes(x.ndim) if none else d.axis(x.ndim), d.axis(x.ndim)))
        if where and d.flag():
            given["where"] = np.asarray(d.rng.uniform(size=d.pick(x.shape, x.shape[-1:])) > 0.3)
        return call(x, **given, **(d.some(keepdims=(True, False)) if keepdims else {}))
    return calls


def all_axes(x, axis):
    return tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def log_softmax(x, axis=-1, where=None):
    x = np.asarray(x, np.float64)
    low = x if where is None else np.where(where, x, -np.inf)
    axes = all_axes(x, axis)
    top = np.max(low, axes, keepdims=True)
    shifted = low - np.where(np.isinf(top) & (top < 0), 0 if where is not None else top, top)
    if where is not None:
        shifted = np.where(where, low - top, -np.inf)
    return shifted - np.log(np.sum(np.exp(shifted), axes, keepdims=True))


def softmax(x, axis=-1, where=None):
    x = np.asarray(x, np.float64)
    axes = all_axes(x, axis)
    low = x if where is None else np.where(where, x, -np.inf)
    terms = np.exp(low - np.max(low, axes, keepdims=True))
    if where is not None:
        terms = np.where(where, terms, 0)
    total = np.sum(terms, axes, keepdims=True)
    return terms / np.where(total == 0, 1, total)                   # of nothing: zeros


def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False, where=None):
    a = np.asarray(a, np.float64)
    if where is not None:
        a = np.where(where, a, -np.inf)
    axes = all_axes(a, axis)
    top = np.max(a, axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    terms = np.exp(a - top)
    if b is not None:
        terms = np.where(b == 0, 0, terms * b)
    total = np.sum(terms, axes, keepdims=True)
    sign = np.sign(total)
    out = np.log(np.abs(total) if return_sign else total) + top
    if b is not None and not return_sign:
        out = np.where(sign < 0, np.nan, out)
    if not keepdims:
        out, sign = np.squeeze(out, axes), np.squeeze(sign, axes)
    return (out, sign) if return_sign else out


def logsumexp_calls(d: Draw):
    x = d.array((*FLOATS, "int32"), d.shape(1, 3, empty=False), special=False)
    given = d.some(axis=(d.axes(x.ndim),), keepdims=True)
    if d.flag():
        given["b"] = d.array(("float64",) if d.smooth else (x.dtype.name,) if kind(x.dtype) == "f" else ("float32",),
                             d.pick(x.shape, x.shape[-1:]), 0.5, 2, special=False)
        given |= {} if d.smooth else d.some(return_sign=True)
    elif d.flag():
        given["where"] = np.asarray(d.rng.uniform(size=x.shape) > 0.3)
        if d.smooth:
            given["where"][...] = True
    return call(x, **given)


def logmeanexp(x, axis=None, where=None, keepdims=False):
    x = np.asarray(x, np.float64)
    axes = all_axes(x, axis)
    weight = np.ones(x.shape) if where is None else np.broadcast_to(where, x.shape).astype(float)
    return np.log(np.sum(np.exp(x) * weight, axes, keepdims=keepdims) / np.sum(weight, axes, keepdims=keepdims))


def standardize(x, axis=-1, mean=None, variance=None, epsilon=1e-5, where=None, algorithm="fast"):
    x = np.asarray(x, np.float64)
    axes = all_axes(x, axis)
    some = {} if where is None else {"where": where}
    mean = np.mean(x, axes, keepdims=True, **some) if mean is None else mean
    variance = np.mean((x - mean) ** 2, axes, keepdims=True, **some) if variance is None else variance
    return (x - mean) / np.sqrt(variance + epsilon)


def standardize_calls(d: Draw):
    x = d.array(("float32", "float64", "int32"), d.shape(1, 3, empty=False, sizes=(3, 4)), special=False)
    given = d.some(axis=(d.axis(x.ndim), tuple(range(x.ndim))), epsilon=(1e-2, 0.5), algorithm=("stable", "fast"))
    if d.flag():
        variance = d.array((x.dtype.name if kind(x.dtype) == "f" else "float32",), (1,), 1, 2, special=False)
        given |= d.some(mean=0.5) | {"variance": d.pick(2.0, variance)}
    elif d.flag():
        mask = np.asarray(d.rng.uniform(size=x.shape) > 0.2)
        mask[..., 0] = True
        given["where"] = mask if "axis" not in given else np.ones_like(mask)
    return call(x, **given)


def one_hot(x, num_classes, dtype=None, axis=-1):
    found = np.expand_dims(np.asarray(x), -1) == np.arange(num_classes)
    return np.moveaxis(found, -1, axis).astype(np.float64)


def one_hot_calls(d: Draw):
    x = d.array(("int32", "int8", "uint8", "int64"), d.shape(0, 2), -2, 5)
    return call(x, d.pick(3, 1, 5, 0), **d.some(axis=(0, -1, x.ndim), dtype=("int32", "bfloat16", "bool", "float16")))


def glu_calls(d: Draw):
    x = d.array(FLOATS, d.shape(1, 3, sizes=(2, 4)))
    return call(x, **d.some(axis=(d.axis(x.ndim),))) if x.shape[-1] else call(x)


def glu(x, axis=-1):
    a, b = np.split(np.asarray(x), 2, axis)
    return a * expit(b)


# --- attention ----------------------------------------------------------------------------------

def attention_calls(d: Draw):
    """Queries (B, T, N, H), keys and values (B, S, K, H) with N a multiple of K; or all without B."""
    batch, t, s, heads, size = 2, d.pick(3, 1), d.pick(4, 5), d.pick(1, 2), d.pick(2, 3)
    groups = d.pick(1, 2, 3)
    dtype = d.dtype(("float32", "bfloat16", "float64", "float16"))
    array = functools.partial(d.array, dtype=dtype, low=-1.5, high=1.5, special=False)
    n = heads * groups
    given: dict = d.some(is_causal=(True, False), scale=(0.3, 1.0), local_window_size=(1, (2, 0), (1, 3)), implementation=("xla", None))
    lead = () if d.integer(0, 3) == 3 else (batch,)
    if d.flag():
        given["bias"] = array(shape=d.pick((1, n, t, s), (1, 1, t, s), (batch if lead else 1, n, t, s)))
    if d.flag():
        mask = np.asarray(d.rng.uniform(size=d.pick((1, n, t, s), (1, 1, t, s), (batch if lead else 1, 1, t, s))) > 0.4)
        mask[..., 0] = True
        given["mask"] = mask
    if lead and d.flag():
        given["key_value_seq_lengths"] = d.rng.integers(1, s + 1, (batch,)).astype(np.int32)
    if lead and d.flag():
        given["query_seq_lengths"] = d.rng.integers(1, t + 1, (batch,)).astype(np.int32)
    given |= d.some(return_residual=True) if not d.smooth else {}
    return call(array(shape=(*lead, t, n, size)), array(shape=(*lead, s, heads, size)), array(shape=(*lead, s, heads, size)), **given)


def attention(q, k, v, bias=None, mask=None, scale=None, is_causal=False, local_window_size=None, query_seq_lengths=None,
              key_value_seq_lengths=None, implementation=None, return_residual=False):
    """By the definition; where nothing may be attended to, JAX's softmax of equal logits."""
    batched = q.ndim == 4
    q, k, v = (x if batched else x[None] for x in (q, k, v))
    groups = q.shape[2] // k.shape[2]
    k, v = np.repeat(k, groups, 2), np.repeat(v, groups, 2)
    logits = np.einsum("btnh,bsnh->bnts", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if bias is not None:
        logits = logits + bias
    t, row, column = q.shape[1], np.arange(q.shape[1])[:, None], np.arange(k.shape[1])
    allowed = np.ones(logits.shape, bool) if mask is None else np.broadcast_to(mask, logits.shape).copy()
    if is_causal:
        allowed &= column <= row
    if local_window_size is not None:
        left, right = (local_window_size,) * 2 if isinstance(local_window_size, int) else local_window_size
        allowed &= (row <= column + left) & (row >= column - right)
    if key_value_seq_lengths is not None:
        allowed &= column < key_value_seq_lengths[:, None, None, None]
    if query_seq_lengths is not None:
        allowed &= row < query_seq_lengths[:, None, None, None]
    logits = np.where(allowed, logits, -1e30)
    residual = np.moveaxis(scipy.special.logsumexp(logits, -1), 1, -1)
    out = np.einsum("bnts,bsnh->btnh", scipy.special.softmax(logits, -1), v)
    if query_seq_lengths is not None:
        out = np.where(np.arange(t)[:, None, None] < query_seq_lengths[:, None, None, None], out, 0)
    if not batched:
        out, residual = out[0], residual[0]
    return (out, residual) if return_residual else out


def same_attention(found, expected, given):
    """Rows in which no place may be attended to are an average of everything: their sizes, but not their residuals, are told."""
    pairs = zip(found, expected) if isinstance(found, tuple) else [(found, expected)]
    for x, y in pairs:
        assert x.shape == y.shape
        tolerance = {"bfloat16": 4e-2, "float16": 8e-3, "float32": 3e-5}.get(given.args[0].dtype.name, 1e-5)
        told = np.abs(y) < 1e20
        np.testing.assert_allclose(np.asarray(x, np.float64)[told], y[told], rtol=tolerance, atol=tolerance)


# --- block-scaled products ------------------------------------------------------------------------

def scaled_calls(d: Draw):
    b, m, n, k, blocks = d.pick(1, 2), d.pick(2, 3), d.pick(3, 4), 8, d.pick(2, 4)
    kinds = ("float32", "bfloat16", "float8_e4m3fn")
    scale = lambda rows: (2.0 ** d.rng.integers(-2, 3, (b, rows, blocks))).astype(np_dtype("float8_e8m0fnu"))
    return call(d.array(kinds, (b, m, k), special=False), d.array(kinds, (b, n, k), special=False), scale(m), scale(n),
                **d.some(preferred_element_type=("bfloat16", "float16")))


def scaled_matmul(a, b, a_scales, b_scales, preferred_element_type=None):
    wide = lambda x, s: x.astype(float) * np.repeat(np.asarray(s, float), x.shape[2] // s.shape[2], 2)
    return np.einsum("bmk,bnk->bmn", wide(a, a_scales), wide(b, b_scales))


def scaled_general_calls(d: Draw):
    dtype = d.pick("float32", "bfloat16")
    if d.flag():
        a, b, numbers = (2, 3, 64), (2, 64, 4), (((2,), (1,)), ((0,), (0,)))
    else:
        a, b, numbers = (3, 32), (4, 32), (((1,), (1,)), ((), ()))
    array = functools.partial(d.array, dtype=dtype, special=False)
    return call(array(shape=a), array(shape=b), numbers, d.pick("mxfp8", None, "nvfp4"),
                **d.some(preferred_element_type=("float32", "bfloat16")))


def with_mode(root):
    def product(a, b, numbers, mode, **options):
        scale = root.numpy.array([0.5], "float32") if mode == "nvfp4" else None
        configs = mode and [root.nn.get_scaled_dot_general_config(mode, scale)] * 3
        return root.nn.scaled_dot_general(a, b, numbers, configs=configs, **options)
    return product


def rounded(x, mode):
    """What a format keeps of the rows of an array, by the definition of the format."""
    if mode is None:
        return x
    blocks = x.astype("f").reshape(*x.shape[:-1], -1, {"mxfp8": 32, "nvfp4": 16}[mode])
    if mode == "mxfp8":
        scale = 2 ** np.ceil(np.log2(np.abs(blocks).max(-1, keepdims=True) / 448))
        return ((blocks / scale).astype(ml_dtypes.float8_e4m3fn).astype("f") * scale).reshape(x.shape)
    blocks = blocks / np.float32(0.5)
    scale = (np.abs(blocks).max(-1, keepdims=True) / 6).astype(ml_dtypes.float8_e4m3fn).astype("f")
    return (np.clip(blocks / scale, -6, 6).astype(ml_dtypes.float4_e2m1fn).astype("f") * scale * 0.5).reshape(x.shape)


def scaled_general(a, b, numbers, mode, preferred_element_type=None):
    if a.ndim == 2:
        return rounded(a, mode) @ rounded(b, mode).T
    return rounded(a, mode) @ np.swapaxes(rounded(np.swapaxes(b, 1, 2), mode), 1, 2)


# --- initializers -------------------------------------------------------------------------------

def initializer(makes):
    """What the initializer of the name and options draws."""
    def fn(name):
        def of(root):
            def draw(words, options, shape, *dtype):
                made = find(root, f"nn.initializers.{name}")
                return (made(**options) if makes else made)(root.random.wrap_key_data(words), shape, *dtype)
            return draw
        return of
    return fn


def drawn_calls(shapes, dtypes=("float32", "bfloat16", "complex64", "float64"), few=((3, 4), (2, 3, 4)), **options):
    def calls(d: Draw):
        shape = d.pick(*few) if d.traced else d.pick(*shapes)
        words = d.rng.integers(0, 2 ** 32, (2,), dtype=np.uint32)
        return call(words, d.some(**options), shape, *d.pick((), (d.pick(*dtypes),)))
    return calls


def fans(shape, in_axis=-2, out_axis=-1, batch_axis=()):
    axes = lambda a: [a] if isinstance(a, int) else list(a)
    size = lambda a: float(np.prod([shape[i] for i in axes(a)]))
    rest = np.prod(shape) / size(in_axis) / size(out_axis) / size(batch_axis)
    return size(in_axis) * rest, size(out_axis) * rest


SHAPES = dict(in_axis=0, out_axis=(-1, 1), batch_axis=((), ))
VARIANCE = {"glorot": lambda i, o: 2 / (i + o), "xavier": lambda i, o: 2 / (i + o), "lecun": lambda i, o: 1 / i,
            "he": lambda i, o: 2 / i, "kaiming": lambda i, o: 2 / i}


def checked_size(x, given):
    x, dtype = np.asarray(x), given.args[3] if len(given.args) > 3 else given.args[1].get("dtype", "float32")
    assert x.shape == given.args[2] and x.dtype == np_dtype(dtype), (x.shape, x.dtype)
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def moments(variance, bound=None):
    """Mean 0 and the variance of ``variance(options, shape)``, to five standard errors; and a bound if there is one."""
    def compare(found, _, given):
        x = checked_size(found, given)
        wanted = variance(given.args[1], x.shape)
        if x.size > 500:
            assert abs(x.mean()) < 5 * np.sqrt(wanted / x.size)
            np.testing.assert_allclose((abs(x) ** 2).mean(), wanted, rtol=8 / np.sqrt(x.size))
        if bound is not None and not np.iscomplexobj(x):
            assert abs(x).max() <= bound(given.args[1], x.shape) * 1.01
    return compare


def of_scaling(name):
    kind, distribution = name.rsplit("_", 1)
    variance = lambda options, shape: VARIANCE[kind](*fans(shape, **{k: v for k, v in options.items() if k != "dtype"}))
    bound = {"uniform": lambda o, s: np.sqrt(3 * variance(o, s)), "normal": lambda o, s: 2 * np.sqrt(variance(o, s)) / 0.8796}[distribution]
    return moments(variance, bound)


def scaling_variance(options, shape):
    n_in, n_out = fans(shape, **{k: v for k, v in options.items() if "axis" in k})
    n = {"fan_in": n_in, "fan_out": n_out, "fan_avg": (n_in + n_out) / 2, "fan_geo_avg": np.sqrt(n_in * n_out)}[options["mode"]]
    return options["scale"] / n


def scaling_calls(d: Draw):
    given = drawn_calls(((30, 40), (3, 20, 30)), ("float32", "bfloat16", "float64"), in_axis=-2, batch_axis=0)(d)
    given.args[1].update(scale=d.pick(1.0, 2.5), mode=d.pick("fan_in", "fan_out", "fan_avg", "fan_geo_avg"),
                         distribution=d.pick("truncated_normal", "normal", "uniform"))
    if len(given.args[2]) < 3:
        given.args[1].pop("batch_axis", None)
    return given


def orthogonal(found, _, given):
    """Rows or columns are orthogonal along the column axis, all of length ``scale``."""
    x, options = checked_size(found, given), given.args[1]
    axis = options.get("column_axis", -1)
    q = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    small = np.conj(q.T) @ q if q.shape[0] >= q.shape[1] else q @ np.conj(q.T)
    np.testing.assert_allclose(small, options.get("scale", 1.0) ** 2 * np.eye(len(small)), atol=1e-4)


def delta_orthogonal(found, _, given):
    """Only the middle of the kernel is not 0, and that is a matrix with orthogonal rows."""
    x, options = checked_size(found, given), given.args[1]
    middle = tuple((n - 1) // 2 for n in x.shape[:-2])
    q = x[middle]
    np.testing.assert_allclose(q @ np.conj(q.T), options.get("scale", 1.0) ** 2 * np.eye(len(q)), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(x), np.linalg.norm(q), rtol=1e-5)


def constant(found, _, given):
    x = checked_size(found, given)
    np.testing.assert_allclose(x, np.broadcast_to(given.args[1].get("value", 0), x.shape), rtol=1e-2)


def constant_calls(d: Draw):
    words = d.rng.integers(0, 2 ** 32, (2,), dtype=np.uint32)
    options = {"value": d.pick(1.5, 2, np.array([1, 2, 3], np.float32))} | d.some(dtype=("float32", "bfloat16"))
    return call(words, options, d.pick((2, 3), (3,)), *d.pick((), ("float16",), ("float32",)))


def filled(value):
    def compare(found, _, given):
        assert np.all(checked_size(found, given) == value)
    return compare


def uniform_law(found, _, given):
    x, scale = checked_size(found, given), given.args[1].get("scale", 0.01)
    if not np.iscomplexobj(x):
        assert x.min() >= 0 and x.max() <= scale
        assert x.size < 500 or abs(x.mean() / scale - 0.5) < 0.1


def truncated_law(found, _, given):
    x, options = checked_size(found, given), given.args[1]
    law = scipy.stats.truncnorm(options.get("lower", -2), options.get("upper", 2))
    if not np.iscomplexobj(x) and x.size > 500:
        z = x / options.get("stddev", 0.01)
        assert abs(z.mean() - law.mean()) < 6 * law.std() / np.sqrt(x.size) + 0.01
        assert z.min() >= options.get("lower", -2) * 1.01 and z.max() <= options.get("upper", 2) * 1.01


KEYED = dict(grad=False, why="answers new weights of a key", exact=True, examples=3, quick=True)


def init(name, calls, compare, makes=True, **more):
    return Row(f"nn.initializers.{name}", None, calls, fn=initializer(makes)(name), compare=compare, **KEYED | more)


def scaled(names):
    """A scaled initializer, which has two names."""
    first = names.split()[0]
    def shapes(*dtypes):
        return drawn_calls(((30, 40), (5, 20, 30)), dtypes, in_axis=(-2, 0), out_axis=-1, dtype=dtypes[:2])
    # Complex numbers are made in several steps, which round otherwise when they are compiled as one.
    return [init(name, shapes("float32", "bfloat16", "float64"), of_scaling(name)) if name == first else
            init(name, shapes("complex64", "complex128"), of_scaling(name), examples=1, exact=False) for name in names.split()]


# --- rows ---------------------------------------------------------------------------------------

FLOATING = FLOATS

ROWS = [
    activation("nn.identity", lambda x: x),
    activation("nn.relu", lambda x: np.maximum(x, 0), 0),
    activation("nn.relu6", lambda x: np.clip(x, 0, 6), 0, 6),
    activation("nn.leaky_relu", lambda x, negative_slope=0.01: np.where(x >= 0, x, negative_slope * x), 0, negative_slope=(0.2, 0.5)),
    activation("nn.elu", elu, 0, alpha=(2.0, 0.5)),
    activation("nn.celu", lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)), 0, alpha=(2.0, 0.5)),
    activation("nn.selu", lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772), 0),
    activation("nn.sigmoid", expit, kinds=FLOATING),
    activation("nn.softplus", softplus),
    activation("nn.log_sigmoid", lambda x: -softplus(-x), kinds=(*FLOATS, "int32", "int8")),
    activation("nn.silu nn.swish", lambda x: np.where(x == -np.inf, np.nan, x * expit(x)), kinds=FLOATING),
    activation("nn.mish", lambda x: np.where(x == -np.inf, np.nan, x * np.tanh(softplus(x)))),
    activation("nn.gelu", gelu, approximate=(False, True), kinds=FLOATING),
    activation("nn.soft_sign", lambda x: x / (1 + abs(x)), 0),
    activation("nn.squareplus", lambda x, b=4: (x + np.sqrt(x * x + b)) / 2, b=(2.0, 1)),
    activation("nn.sparse_plus", lambda x: np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4)), -1, 1),
    activation("nn.sparse_sigmoid", lambda x: np.clip((x + 1) / 2, 0, 1), -1, 1),
    activation("nn.hard_tanh", lambda x: np.clip(x, -1, 1), -1, 1),
    activation("nn.hard_sigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, -3, 3),
    activation("nn.hard_silu nn.hard_swish", lambda x: x * np.clip(x + 3, 0, 6) / 6, -3, 3),
    activation("nn.tanh", np.tanh),
    Row("nn.log1mexp", number(lambda x: np.log(-np.expm1(-x))), unary(FLOATS, low=0.1, high=9, special=False), examples=6),
    Row("nn.glu", glu, glu_calls, examples=6),

    Row("nn.softmax", softmax, along(where=True, special=False)),
    Row("nn.log_softmax", log_softmax, along(special=False)),
    Row("nn.logsumexp", logsumexp, logsumexp_calls, examples=10),
    Row("nn.logmeanexp", logmeanexp, along(special=False, keepdims=True)),
    Row("nn.standardize", standardize, standardize_calls, tolerance=30.0, slack=10.0, examples=10),
    Row("nn.one_hot", one_hot, one_hot_calls),
    Row("nn.dot_product_attention", attention, attention_calls, compare=same_attention, tolerance=4.0,
        slack=1000.0),         # of float64 arrays too, the weights are float32,
    Row("nn.scaled_matmul", scaled_matmul, scaled_calls, tolerance=4.0, grad=False, why="numbers of 8 bits", examples=3,
        differs="JAX has it on GPUs only"),
    Row("nn.scaled_dot_general", scaled_general, scaled_general_calls, fn=with_mode, tolerance=4.0, grad=False, examples=3,
        differs="JAX has it on GPUs only",
        why="its derivatives are those of the product without rounding: nn/test_scaled_matmul.py"),
    Elsewhere("nn.get_scaled_dot_general_config", "nn/test_scaled_matmul.py"),

    *scaled("glorot_normal xavier_normal"), *scaled("glorot_uniform xavier_uniform"), *scaled("lecun_normal"),
    *scaled("lecun_uniform"), *scaled("he_normal kaiming_normal"), *scaled("he_uniform kaiming_uniform"),
    init("variance_scaling", scaling_calls, moments(scaling_variance), examples=5),
    init("normal", drawn_calls(((40, 30), (3,)), stddev=(0.3, 2), dtype=("float32", "bfloat16")),
         moments(lambda options, shape: options.get("stddev", 0.01) ** 2)),
    init("uniform", drawn_calls(((40, 30), (3,)), ("float32", "bfloat16", "float64"), scale=(2.0, 3), dtype="float16"), uniform_law),
    init("truncated_normal", drawn_calls(((40, 30), (3,)), ("float32", "bfloat16", "float64"),
                                          stddev=(0.3, 2.0), lower=(-1.0, -0.5), upper=1.5),
         truncated_law),
    init("orthogonal", drawn_calls(((8, 5), (2, 3, 6)), ("float32", "float64", "complex64"), scale=(2.0,),
                                    column_axis=(0, -1)), orthogonal),
    init("delta_orthogonal", drawn_calls(((3, 2, 4), (3, 3, 2, 4), (3, 3, 3, 2, 2)), ("float32", "float64", "complex64"), scale=(2.0,),
                                         few=((3, 2, 4),)), delta_orthogonal),
    init("constant", constant_calls, constant),
    init("zeros", drawn_calls(((2, 3), (), (0, 2)), ("float32", "bfloat16", "int32", "complex64")), filled(0), makes=False),
    init("ones", drawn_calls(((2, 3), (), (0, 2)), ("float32", "bfloat16", "int32", "bool")), filled(1), makes=False),
    Elsewhere("nn.initializers nn.initializers.Initializer", "nn/test_nn.py"),
]

K = np.zeros(2, np.uint32)
X = np.zeros((2, 3, 4, 2), np.float32)


def refuse(name, call, error, text, label=""):
    return Refusal(f"nn.{name}", lambda root: call(root.nn), error, text, label)


REFUSALS = [
    refuse("relu", lambda nn: nn.relu([1.0]), TypeError, "relu.*list", "list"),
    refuse("relu", lambda nn: nn.relu(np.array(["a"])), TypeError, "str|<U1", "strings"),
    refuse("sigmoid", lambda nn: nn.sigmoid(np.arange(3)), TypeError, "int", "integers"),
    refuse("glu", lambda nn: nn.glu(np.zeros((2, 3), np.float32)), ValueError, "divisible by 2"),
    refuse("softmax", lambda nn: nn.softmax(np.zeros(3, np.float32), axis=1), ValueError, "axis 1 is out of bounds"),
    refuse("softmax", lambda nn: nn.softmax([1.0, 2.0]), TypeError, "list", "list"),
    refuse("logsumexp", lambda nn: nn.logsumexp(np.zeros(3, np.float32), axis=2), ValueError, "axis 2 is out of bounds"),
    refuse("standardize", lambda nn: nn.standardize(np.zeros(3, np.float32), algorithm="x"), ValueError, "[Uu]nknown algorithm"),
    refuse("one_hot", lambda nn: nn.one_hot(np.arange(3), 2.5), TypeError, "2.5|float"),
    refuse("one_hot", lambda nn: nn.one_hot(np.arange(3), 3, axis=5), ValueError, "axis 5 is out of bounds", "axis"),
    refuse("dot_product_attention", lambda nn: nn.dot_product_attention(X[:, :, :3], X[:, :, :2], X[:, :, :2]), ValueError, "multiple of"),
    refuse("dot_product_attention", lambda nn: nn.dot_product_attention(X, X, X[:, :2]), ValueError, "value shape", "value"),
    refuse("dot_product_attention", lambda nn: nn.dot_product_attention(X, X, X, mask=np.zeros((2, 1, 3, 3))), ValueError,
           "mask.*bool", "mask"),
    refuse("initializers.he_normal", lambda nn: nn.initializers.he_normal()(K, (3,)), ValueError, "at least 2D"),
    refuse("initializers.variance_scaling", lambda nn: nn.initializers.variance_scaling(1.0, "x", "normal")(K, (2, 3)), ValueError,
           "invalid mode"),
    refuse("initializers.variance_scaling", lambda nn: nn.initializers.variance_scaling(1.0, "fan_in", "x")(K, (2, 3)), ValueError,
           "invalid distribution", "distribution"),
    refuse("initializers.orthogonal", lambda nn: nn.initializers.orthogonal()(K, (3,)), ValueError, "[Oo]rthogonal initializer"),
    refuse("initializers.delta_orthogonal", lambda nn: nn.initializers.delta_orthogonal()(K, (3, 3)), ValueError, "[Dd]elta orthogonal"),
]
