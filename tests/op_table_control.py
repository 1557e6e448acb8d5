"""Cases for primitives that hold programs, for keys, callbacks and collectives.

What holds a program is applied by the function that users call. Its rules for partial evaluation and dead code are
reached from inside a ``jit`` that gives away one of its results: see `nested`.
"""

import numpy as np
from op_harness import Arg, Case, Refusal, bind, primitive

from ferax._src.api.autodiff import jvp, linear_transpose, vjp
from ferax._src.api.jit import jit
from ferax._src.api.vmap import vmap
from ferax._src.control import callback, collectives_api
from ferax._src.control.composite import composite
from ferax._src.control.cond import cond, switch
from ferax._src.control.custom_batching import custom_vmap
from ferax._src.control.custom_jvp import custom_jvp
from ferax._src.control.custom_vjp import custom_vjp
from ferax._src.control.debug_sharding import inspect_array_sharding
from ferax._src.control.ffi import ffi_call
from ferax._src.control.linear_call import linear_call
from ferax._src.control.linear_solve import custom_linear_solve
from ferax._src.control.platform_dependent import platform_dependent
from ferax._src.control.remat import checkpoint, checkpoint_name
from ferax._src.control.checkpoint_policies import save_only_these_names
from ferax._src.control.scan_api import scan
from ferax._src.control.sharding_constraint import with_sharding_constraint
from ferax._src.control.while_loop import fori_loop, while_loop
from ferax._src.ops.broadcasting import reduce_sum
from ferax._src.ops.compare import lt
from ferax._src.ops.elementwise import add, cos, div, mul, neg, sin, sub
from ferax._src.ops.elementwise_gamma import random_gamma_grad
from ferax._src.ops.indexing import GatherDimensionNumbers, GatherScatterMode
from ferax._src.engine import custom_calls
from ferax._src.random.prng import threefry_impl
from ferax._src.runtime.devices import devices
from ferax._src.types.meshes import Mesh
from ferax._src.types.shape_dtype import ShapeDtypeStruct
from ferax._src.types.shardings import NamedSharding, PartitionSpec, SingleDeviceSharding



def devices_sharding():
    return SingleDeviceSharding(devices()[0])


CASES: list[Case] = []
REFUSALS: list[Refusal] = []


def case(name: str, fn, *args: Arg, **options) -> None:
    CASES.append(Case(name, fn, args, **options))


def nested(fn, keep: int = 1):
    """``fn`` inside a ``jit`` that gives away all but its first results."""
    return jit(lambda *xs: list(fn(*xs))[:keep])


X = Arg((2, 3))
KNOWN = ("partial_eval", "dce")

# --- calls --------------------------------------------------------------------------------------


def body(x, y):
    """Of several results: one linear in x, one that is an operand, one that depends on y alone, one constant."""
    return [mul(x, sin(y)), x, mul(cos(y), y), 1.5, mul(x, x)]


def body_in_numpy(x, y):
    return [x * np.sin(y), x, np.cos(y) * y, np.float64(1.5), x * x]


def first(x, y):
    return [x * np.sin(y)]


called = jit(body)
case("jit", called, X, X, oracle=body_in_numpy, diff=(0, 1), linear=True)
case("jit", nested(called), X, X, oracle=first, diff=(0, 1), linear=True, label="nested", reaches=KNOWN, mapped=(0,))
saved = checkpoint(body)
case("checkpoint", saved, X, X, oracle=body_in_numpy, diff=(0, 1), linear=True, reaches=("partial_eval",))
case("checkpoint", nested(saved), X, X, oracle=first, diff=(0, 1), linear=True, label="nested", reaches=KNOWN, mapped=(0,))


@lambda f: checkpoint(f, policy=save_only_these_names("sine"), prevent_cse=False)
def saved_by_name(x, y):
    (s,) = primitive("name").bind(sin(y), name="sine")
    return [mul(mul(x, s), cos(x))]


case("checkpoint", saved_by_name, X, X, oracle=lambda x, y: x * np.sin(y) * np.cos(x), diff=(0, 1), linear=True, label="policy")
case("name", bind("name", name="here"), X, oracle=lambda x: x, diff=(0,), linear=True)
case("name", lambda x: checkpoint_name({"a": x}, "there")["a"], X, oracle=lambda x: x, label="tree")
case("optimization_barrier", bind("optimization_barrier"), X, Arg((2,)), oracle=lambda x, y: [x, y], diff=(0, 1), linear=True)
case("stop_gradient", bind("stop_gradient"), X, oracle=lambda x: x, diff=(0,), tangent=lambda x, t: [0 * t], second=False)
case("stop_gradient", lambda x: linear_transpose(bind("stop_gradient"), x)([x])[0], X, oracle=lambda x: 0 * x, label="transposed",
     reaches=("transpose",), hidden=True)

case("stage", bind("stage"), X, oracle=lambda x: x, diff=(0,), linear=True)


def scaled_sine(x, y, *, power=2):
    return [mul(sin(x), y), y]


known_by_name = composite(scaled_sine, name="test.scaled_sine", version=1)
case("composite", lambda x, y: known_by_name(x, y, power=3), X, X, oracle=lambda x, y: [np.sin(x) * y, y])
REFUSALS += [
    Refusal("composite", "jvp", lambda: jvp(known_by_name, (np.ones(2), np.ones(2)), (np.ones(2), np.ones(2))), ValueError,
            "JVP rule for composite 'test.scaled_sine'"),
    Refusal("composite", "transpose", lambda: linear_transpose(lambda x: known_by_name(np.ones(2), x), np.ones(2))([np.ones(2)] * 2), ValueError,
            "Transpose rule for composite"),
]


def laid_out(spec):
    return NamedSharding(Mesh(np.array(devices()[:1]), ("m",)), PartitionSpec(*spec))


case("sharding_constraint", lambda x: with_sharding_constraint(x, laid_out([None, "m"])), X, oracle=lambda x: x, diff=(0,), linear=True)
case("sharding_constraint", lambda x: with_sharding_constraint({"a": [x]}, devices_sharding())["a"][0], X, oracle=lambda x: x, label="tree")

# --- branches -----------------------------------------------------------------------------------


def left(x, y):
    return [mul(x, sin(y)), mul(y, 2.0), cos(y)]


def right(x, y):
    return [mul(sin(x), y), mul(y, y), mul(y, 3.0)]


def chosen(p, x, y):
    return np.where(p, x * np.sin(y), np.sin(x) * y)


def branch(p, x, y):
    return cond(p, left, right, x, y)


case("cond", branch, Arg((), dtype="bool"), X, X, diff=(1, 2), linear=True,
     oracle=lambda p, x, y: [chosen(p, x, y), np.where(p, 2 * y, y * y), np.where(p, np.cos(y), 3 * y)])
case("cond", nested(branch), Arg((), dtype="bool"), X, X, oracle=lambda *xs: [chosen(*xs)], diff=(1, 2), linear=True, label="nested",
     reaches=KNOWN, mapped=(0, 1))
case("cond", lambda i, x: switch(i, [sin, cos, neg], x), Arg((), -2, 4, "int32"), X, diff=(1,), linear=True, label="switch",
     oracle=lambda i, x: [np.sin, np.cos, np.negative][np.clip(i, 0, 2)](x))
case("cond", lambda i, x: cond(lt(reduce_sum(x, (0, 1)), i), sin, cos, x), Arg(()), X, diff=(1,), linear=True, label="computed",
     oracle=lambda i, x: np.sin(x) if x.sum() < i else np.cos(x))


def on_platforms(x, y):
    return platform_dependent(x, y, cpu=left, default=right)


case("platform_dependent", on_platforms, X, X, oracle=lambda x, y: [x * np.sin(y), 2 * y, np.cos(y)], diff=(0, 1), linear=True)
case("platform_dependent", nested(on_platforms), X, X, oracle=first, diff=(0, 1), linear=True, label="nested", reaches=KNOWN, mapped=(0,))

# --- loops --------------------------------------------------------------------------------------


def step(reverse):
    def run(c, init, xs):
        def body(carry, x):
            i, a, b = carry
            return (add(i, 1), add(mul(a, sin(c)), x), mul(b, c)), (mul(a, x), cos(c), i)
        (_, a, b), ys = scan(body, (np.int32(0), init, c), xs, reverse=reverse)
        return [a, *ys, b]
    return run


def looped(reverse):
    def oracle(c, init, xs):
        a, b, rows = init, c, []
        for i, x in enumerate(xs[::-1] if reverse else xs):
            rows.append((a * x, np.cos(c), np.int32(i)))
            a, b = a * np.sin(c) + x, b * c
        return [a, *[np.stack(ys[::-1] if reverse else ys) for ys in zip(*rows)], b]
    return oracle


LOOP = Arg((2,), 0.5, 1.5), Arg((2,)), Arg((4, 2))
forward, backward = step(False), step(True)
case("scan", forward, *LOOP, oracle=looped(False), diff=(0, 1, 2), linear=True)
case("scan", backward, *LOOP, oracle=looped(True), diff=(0, 1, 2), linear=True, label="reverse", second=False, mapped=(1,))
case("scan", nested(forward), *LOOP, oracle=lambda *xs: looped(False)(*xs)[:1], diff=(0, 1, 2), linear=True, label="nested",
     reaches=KNOWN, second=False, mapped=(0,))
case("scan", nested(lambda c, a, xs: step(False)(c, a, xs)[2:]), *LOOP, oracle=lambda *xs: looped(False)(*xs)[2:3], diff=(0, 1, 2),
     label="needs-little", second=False, mapped=(2,))
case("scan", lambda x: list(scan(lambda c, x: (add(c, x), mul(c, x)), np.zeros(3), x, unroll=3)), Arg((4, 3)),
     oracle=lambda x: [x.sum(0), np.stack([x[:i].sum(0) * x[i] for i in range(4)])], diff=(0,), linear=True, label="unrolled")
case("scan", lambda a, x: list(scan(lambda c, x: (mul(c, x), c), a, x)), Arg((3,)), Arg((0, 3)), diff=(0, 1), label="no-steps",
     oracle=lambda a, x: [a, x], linear=True)
case("scan", lambda x: fori_loop(0, 3, lambda i, x: mul(x, sin(x)), x), Arg((3,)), diff=(0,), linear=True, label="fori",
     oracle=lambda x: (f := lambda x: x * np.sin(x))(f(f(x))))


def doubled(n, x, y):
    """``n`` times: x grows, y does what it does without looking at x."""
    _, x, y = while_loop(lambda s: lt(s[0], n), lambda s: (add(s[0], 1), mul(s[1], s[2]), sin(s[2])), (np.int32(0), x, y))
    return [x, y]


def doubled_in_numpy(n, x, y):
    for _ in range(n):
        x, y = x * y, np.sin(y)
    return [x, y]


COUNT = Arg((), 1, 4, "int32")
case("while", doubled, COUNT, X, X, oracle=doubled_in_numpy, diff=(1, 2), reverse=False)
case("while", nested(doubled), COUNT, X, X, oracle=lambda *xs: doubled_in_numpy(*xs)[:1], diff=(1,), reverse=False, label="nested",
     reaches=KNOWN, mapped=(0, 1))
case("while", nested(lambda n, x, y: doubled(n, x, y)[::-1]), COUNT, X, X, oracle=lambda *xs: doubled_in_numpy(*xs)[1:], diff=(2,),
     reverse=False, label="needs-little", reaches=("dce",))
REFUSALS.append(Refusal("while", "transpose", lambda: vjp(doubled, np.int32(2), np.ones(2), np.ones(2))[1](2 * [np.ones(2)]),
                        ValueError, "Reverse-mode differentiation does not work"))

# --- functions with rules of their own ------------------------------------------------------------


@custom_jvp
def own_sine(x, y):
    return mul(sin(x), y)


@own_sine.defjvp
def _(primals, tangents):
    (x, y), (tx, ty) = primals, tangents
    return own_sine(x, y), add(mul(mul(cos(x), y), tx), mul(sin(x), ty))


@custom_vjp
def own_product(x, y):
    return mul(sin(x), y)


own_product.defvjp(lambda x, y: (mul(sin(x), y), (x, y)), lambda res, ct: (mul(ct, mul(cos(res[0]), res[1])), mul(ct, sin(res[0]))))


@custom_vmap
def own_map(x, y):
    return mul(sin(x), y)


@own_map.def_vmap
def _(size, batched, x, y):
    return mul(sin(x), y) if all(batched) else vmap(lambda x, y: mul(sin(x), y), tuple([0 if b else None for b in batched]))(x, y), True


@custom_jvp
def own_double(x):
    return mul(x, 2.0)


@custom_vjp
def own_triple(x):
    return mul(x, 3.0)


own_double.defjvp(lambda primals, tangents: (own_double(*primals), mul(tangents[0], 2.0)))
own_triple.defvjp(lambda x: (mul(x, 3.0), None), lambda _, ct: (mul(ct, 3.0),))


def sine_product(x, y):
    return np.sin(x) * y


case("custom_jvp_call", jit(own_sine), X, X, oracle=sine_product, diff=(0, 1))
case("custom_jvp_call", nested(lambda x, y: [own_sine(x, mul(y, y)), y]), X, X, oracle=lambda x, y: sine_product(x, y * y), diff=(0, 1),
     label="nested")
case("custom_jvp_call", jit(lambda x: [linear_transpose(jit(own_double), x)(x)[0], own_double(x)]), X, oracle=lambda x: [2 * x, 2 * x],
     label="transposed", reaches=("transpose",))
case("custom_vjp_call", jit(own_product), X, X, oracle=sine_product, diff=(0, 1), forward=False)
case("custom_vjp_call", jit(lambda x: [linear_transpose(jit(own_triple), x)(x)[0], own_triple(x)]), X, oracle=lambda x: [3 * x, 3 * x],
     label="transposed", reaches=("transpose",))
case("custom_lin", nested(lambda x, y: [own_product(x, mul(y, y)), y]), X, X, oracle=lambda x, y: sine_product(x, y * y), diff=(0, 1),
     forward=False, linear=True, mapped=(), hidden=True)
case("custom_vmap_call", own_map, X, X, oracle=sine_product, diff=(0, 1))
case("custom_vmap_call", nested(lambda x, y: [own_map(x, mul(y, y)), y]), X, X, oracle=lambda x, y: sine_product(x, y * y), diff=(0, 1),
     label="nested", reaches=("partial_eval",))


def with_kernel(fun, fwd, bwd):
    """A `custom_vjp` whose forward rule may turn back into the function."""
    f = custom_vjp(fun)
    f.defvjp(fwd, bwd, optimize_remat=True)
    return f


kernel = with_kernel(lambda x, y: mul(sin(x), y), lambda x, y: (mul(sin(x), y), (x, y)),
                     lambda res, ct: (mul(ct, mul(cos(res[0]), res[1])), mul(ct, sin(res[0]))))
bilinear = with_kernel(mul, lambda x, y: (mul(x, y), (x, y)), lambda res, ct: (mul(ct, res[1]), mul(ct, res[0])))
halved = with_kernel(lambda x: mul(x, 0.5), lambda x: (mul(x, 0.5), None), lambda _, ct: (mul(ct, 0.5),))
square_of = custom_jvp(lambda x: mul(x, x))
square_of.defjvp(lambda primals, tangents: (square_of(*primals), mul(vjp(bilinear, *primals, *tangents)[0], 2.0)))


def forward_and_back(x, y):
    out, pull = vjp(kernel, x, y)
    return [out, *pull(x)]


case("remat_opt", jit(forward_and_back), X, X, oracle=lambda x, y: [np.sin(x) * y, x * np.cos(x) * y, x * np.sin(x)], diff=(0, 1),
     hidden=True, reaches=("jvp", "batch"), second=False)
case("remat_opt", checkpoint(kernel), X, X, oracle=sine_product, diff=(0, 1), forward=False, hidden=True, label="checkpoint", reaches=("dce",))
case("remat_opt", jit(lambda x: [linear_transpose(jit(lambda x: vjp(halved, x)[0]), x)(x)[0]]), X, oracle=lambda x: x / 2, hidden=True,
     label="transposed", reaches=("transpose",))
case("remat_opt", lambda x: vjp(square_of, x)[1](x)[0], X, oracle=lambda x: 2 * x * x, hidden=True, label="of-a-tangent",
     reaches=("partial_eval",), mapped=())


@custom_vmap
def own_half(x):
    return mul(x, 0.5)


own_half.def_vmap(lambda size, batched, x: (mul(x, 0.5), True))
case("custom_vmap_call", lambda x: [linear_transpose(own_half, x)(x)[0], own_half(x)], X, oracle=lambda x: [x / 2, x / 2],
     label="transposed", reaches=("transpose",))


def solve(d, b):
    return custom_linear_solve(lambda x: mul(d, x), b, lambda _, b: div(b, d), lambda _, b: div(b, d))


case("custom_linear_solve", solve, Arg((3,), 1, 2), Arg((3,)), oracle=lambda d, b: b / d, diff=(0, 1), linear=True)
case("custom_linear_solve", lambda d, b: custom_linear_solve(lambda x: mul(d, x), b, lambda _, b: div(b, d), symmetric=True),
     Arg((3,), 1, 2), Arg((3,)), oracle=lambda d, b: b / d, diff=(1,), linear=True, label="symmetric")



def scaled(r, x):
    return linear_call(lambda r, x: [mul(sin(r), x), neg(x)], lambda r, cts: sub(mul(sin(r), cts[0]), cts[1]), r, x)


case("linear_call", scaled, X, X, oracle=lambda r, x: [np.sin(r) * x, -x], diff=(1,), linear=True)
case("linear_call", nested(lambda r, x: scaled(r, mul(x, x))), X, X, oracle=lambda r, x: np.sin(r) * x * x, diff=(1,), linear=True,
     label="nested", mapped=(0,))

# --- keys ---------------------------------------------------------------------------------------

WORDS = Arg((2,), 0, 2 ** 31, "uint32")
MANY = Arg((3, 2), 0, 2 ** 31, "uint32")


def wrap(words):
    return primitive("random_wrap").bind(words, impl=threefry_impl)[0]


def unwrap(keys):
    return primitive("random_unwrap").bind(keys)[0]


def on_keys(name, **params):
    """A primitive from keys to keys as a function of their words."""
    return lambda words, *xs: unwrap(bind(name, **params)(wrap(words), *xs)[0])


def rotate(x, r):
    return (x << np.uint32(r)) | (x >> np.uint32(32 - r))


def threefry(k0, k1, x0, x1):
    """Threefry-2x32 with 20 rounds, from the paper."""
    with np.errstate(over="ignore"):
        keys = [np.uint32(k) for k in (k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA))] if np.ndim(k0) == 0 else [
            k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA)]
        x0, x1 = x0 + keys[0], x1 + keys[1]
        for group in range(5):
            for r in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
                x0 = x0 + x1
                x1 = rotate(x1, r) ^ x0
            x0, x1 = x0 + keys[(group + 1) % 3], x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return [x0, x1]


UINT = Arg((2, 3), 0, 2 ** 31, "uint32")
case("threefry2x32", bind("threefry2x32"), UINT, UINT, UINT, UINT, oracle=threefry, mapped=(0, 2, 3))
case("threefry2x32", bind("threefry2x32"), *[Arg((), 0, 2 ** 31, "uint32")] * 2, UINT, UINT, oracle=threefry, label="one-key", mapped=(0, 2))
for shape in ((2, 3), (), (0, 3), (1, 4)):
    case("iota_2x32_shape", bind("iota_2x32_shape", shape=shape), label="x".join(map(str, shape)),
         oracle=lambda s=shape: [np.zeros(s, np.uint32), np.arange(np.prod(s), dtype=np.uint32).reshape(s)])
case("random_wrap", lambda words: unwrap(wrap(words)), MANY, oracle=lambda x: x)
case("random_unwrap", lambda words: unwrap(wrap(words)), WORDS, oracle=lambda x: x)
case("random_clone", on_keys("random_clone"), MANY, oracle=lambda x: x)
case("random_seed", lambda seeds: unwrap(bind("random_seed", impl=threefry_impl)(seeds)[0]), Arg((3,), -2 ** 31, 2 ** 31, "int32"),
     oracle=lambda s: np.stack([0 * s, s], -1).astype(np.uint32))
case("random_split", on_keys("random_split", shape=(2, 2)), MANY,
     oracle=lambda k: np.stack([np.stack(threefry(*row, np.zeros(4, np.uint32), np.arange(4, dtype=np.uint32)), -1).reshape(2, 2, 2)
                                for row in k]))
case("random_fold_in", on_keys("random_fold_in"), MANY, Arg((3,), 0, 99, "uint32"),
     oracle=lambda k, n: np.stack(threefry(k[:, 0], k[:, 1], 0 * n, n), -1))
for width in (8, 16, 32, 64):
    def bits(k, width=width):
        high, low = zip(*[threefry(*row, np.zeros(4, np.uint32), np.arange(4, dtype=np.uint32)) for row in k])
        high, low = np.stack(high), np.stack(low)
        return high.astype(np.uint64) << np.uint64(32) | low if width == 64 else (high ^ low).astype(f"uint{width}")

    case("random_bits", lambda words, width=width: bind("random_bits", bit_width=width, shape=(4,))(wrap(words)), MANY, oracle=bits,
         label=str(width))


def sample_tangent(log_space):
    """A sample keeps its place in the distribution: what it moves by is no limit of differences, for which words would be kept."""
    def tangent(a, t):
        x = np.asarray(bind("random_gamma", log_space=log_space)(wrap(np.zeros(2, np.uint32)), a)[0])
        x = np.exp(x) if log_space else x
        slope = np.asarray(random_gamma_grad(a, x))
        return [t * (slope / x if log_space else slope)]
    return tangent


case("random_gamma", lambda words, a: bind("random_gamma", log_space=False)(wrap(words), a), MANY, Arg((3,), 0.5, 3), mapped=(0,))
case("random_gamma", lambda a: bind("random_gamma", log_space=True)(wrap(np.zeros(2, np.uint32)), a), Arg((2,), 0.5, 3), diff=(0,),
     mapped=(), second=False, tangent=sample_tangent(True), label="slope")


def on_words(oracle, n_keys):
    """An oracle for arrays of keys from one that moves numbers about: it does the same to both words."""
    def both(*xs):
        halves = [oracle(*[x[..., word] for x in xs[:n_keys]], *xs[n_keys:]) for word in (0, 1)]
        return [np.stack(pair, -1) for pair in zip(*[h if isinstance(h, list) else [h] for h in halves])]
    return both


def key_case(name, shapes, oracle, *more, **params):
    """A primitive that moves elements about, on keys: operands of these shapes, then ``more`` that are no keys."""
    n = len(shapes)
    first = n if name != "select_n" else 0

    def fn(*xs):
        keys = [wrap(x) for x in xs[:n]]
        outs = primitive(name).bind(*keys[:first], *xs[n:], *keys[first:], **params)
        return [unwrap(y) for y in outs]

    case(name, fn, *[Arg((*shape, 2), 0, 2 ** 31, "uint32") for shape in shapes], *more, oracle=on_words(oracle, n), label="keys")


key_case("broadcast_in_dim", [(3,)], lambda x: np.broadcast_to(x, (2, 3)), shape=(2, 3), broadcast_dimensions=(1,), sharding=None)
key_case("transpose", [(3, 4)], np.transpose, permutation=(1, 0))
key_case("reshape", [(3, 4)], lambda x: x.reshape(6, 2), new_sizes=(6, 2), dimensions=None, sharding=None)
key_case("squeeze", [(3, 1)], lambda x: x[:, 0], dimensions=(1,))
key_case("rev", [(3,)], lambda x: x[::-1], dimensions=(0,))
key_case("tile", [(3,)], lambda x: np.tile(x, 2), reps=(2,))
key_case("concatenate", [(3, 1), (3, 2)], lambda x, y: np.concatenate([x, y], 1), dimension=1)
key_case("stack", [(3,), (3,)], lambda x, y: np.stack([x, y], 1), axis=1)
key_case("split", [(3,)], lambda x: [x[:1], x[1:]], sizes=(1, 2), axis=0)
key_case("unstack", [(3,)], list, axis=0)
key_case("slice", [(6,)], lambda x: x[1:6:2], start_indices=(1,), limit_indices=(6,), strides=(2,))
key_case("pad", [(3,), ()], lambda x, v: np.concatenate([[v], x[:-1]]), padding_config=((1, -1, 0),))
key_case("dynamic_slice", [(4, 3)], lambda x, i, j: x[i:i + 2, j:j + 2], Arg((), 0, 2, "int32"), Arg((), 0, 1, "int32"), slice_sizes=(2, 2))
key_case("dynamic_update_slice", [(4,), (2,)], lambda x, y, i: np.concatenate([x[:i], y, x[i + 2:]]), Arg((), 0, 2, "int32"))
key_case("gather", [(4, 3)], lambda x, i: x[i[:, 0]], Arg((2, 1), 0, 3, "int32"), slice_sizes=(1, 3), unique_indices=False,
         dimension_numbers=GatherDimensionNumbers((1,), (0,), (0,)), indices_are_sorted=False, mode=GatherScatterMode.CLIP, fill_value=None)
key_case("select_n", [(3,), (3,)], lambda x, y, w: np.where(w, y, x), Arg((3,), dtype="bool"))
key_case("copy", [(3,)], lambda x: x)
key_case("optimization_barrier", [(3,), ()], lambda x, y: [x, y])
for name, sign in (("eq", 1), ("ne", 0)):
    case(name, lambda x, y, name=name: bind(name)(wrap(x), wrap(y)), *[Arg((4, 2), 0, 1, "uint32")] * 2, label="keys",
         oracle=lambda x, y, sign=sign: (x == y).all(-1) == bool(sign))
case("cond", lambda p, x, y: unwrap(cond(p, lambda x, y: x, lambda x, y: y, wrap(x), wrap(y))), Arg((), dtype="bool"), MANY, MANY, label="keys",
     oracle=lambda p, x, y: x if p else y)
case("scan", lambda k, ks: [unwrap(x) for x in scan(lambda c, k: (k, c), wrap(k), wrap(ks))], WORDS, Arg((3, 2), 0, 9, "uint32"), label="keys",
     oracle=lambda k, ks: [ks[-1], np.stack([k, *ks[:-1]])])
case("while", lambda n, k: unwrap(while_loop(lambda s: lt(s[0], n), lambda s: (add(s[0], 1), bind("rev", dimensions=(0,))(s[1])[0]),
                                             (np.int32(0), wrap(k)))[1]), Arg((), 1, 2, "int32"), MANY, label="keys",
     oracle=lambda n, k: k[::-1] if n % 2 else k)
for name in ("polygamma", "zeta"):
    REFUSALS.append(Refusal(name, "derivative 0", lambda name=name: jvp(lambda m: bind(name)(m, np.full(2, 1.5)), (np.ones(2),), (np.ones(2),)),
                            ValueError, "cannot be differentiated with respect to their first argument"))

# --- callbacks ----------------------------------------------------------------------------------


def on_host(method):
    def fn(x, y):
        shape = ShapeDtypeStruct(x.shape, x.dtype)
        return callback.pure_callback(lambda x, y: np.sin(np.asarray(x)) * np.asarray(y), shape, x, y, vmap_method=method)
    return fn


for method in ("sequential", "sequential_unrolled", "expand_dims", "broadcast_all"):
    case("pure_callback", on_host(method), X, X, oracle=sine_product, label=method)
case("io_callback", lambda x: callback.io_callback(lambda x: np.sin(np.asarray(x)), ShapeDtypeStruct(x.shape, x.dtype), x), X, oracle=np.sin)
case("inspect_sharding", lambda x: [inspect_array_sharding(x, callback=str), mul(x, 2.0)][1:], X, oracle=lambda x: 2 * x, diff=(0,))
case("debug_callback", lambda x: [callback.debug_callback(lambda x: None, x), mul(x, 2.0)][1:], X, oracle=lambda x: 2 * x, diff=(0,))
for name, fn in (("pure_callback", on_host(None)), ("io_callback", lambda x, y: callback.io_callback(np.sin, x, x))):
    REFUSALS.append(Refusal(name, "jvp", lambda fn=fn: jvp(lambda x: fn(x, x), (np.ones(2),), (np.ones(2),)), ValueError, "do not support JVP"))
    REFUSALS.append(Refusal(name, "transpose", lambda fn=fn: linear_transpose(lambda x: fn(x, x), np.ones(2))(np.ones(2)), ValueError,
                            "not linear"))
MATRIX = np.array([[4.0, 1.0, 2.0], [1.0, 3.0, 0.5], [2.0, 0.5, 5.0]])


def cholesky(method):
    """LAPACK's, whose matrices are column-major; the triangle that it does not write is that of the operand."""
    def fn(a):
        custom_calls.ensure_lapack()
        shapes = [ShapeDtypeStruct(a.shape, a.dtype), ShapeDtypeStruct(a.shape[:-2], np.int32)]
        order = (*range(a.ndim - 2), a.ndim - 1, a.ndim - 2)
        return ffi_call(f"lapack_{'d' if a.dtype == np.float64 else 's'}potrf_ffi", shapes, vmap_method=method, input_layouts=[order], output_layouts=[order, None],
                        input_output_aliases={0: 0})(a, uplo=np.uint8(ord("L")))
    return fn


for method in ("sequential", "broadcast_all"):
    case("ffi_call", cholesky(method), Arg((3, 3), values=MATRIX), label=method,
         oracle=lambda a: [np.tril(np.linalg.cholesky(a)) + np.triu(a, 1), np.int32(0)])
REFUSALS += [
    Refusal("ffi_call", "jvp", lambda: jvp(cholesky(None), (np.float32(MATRIX),), (np.float32(MATRIX),)), ValueError, "cannot be differentiated"),
    Refusal("ffi_call", "transpose", lambda: linear_transpose(lambda a: cholesky(None)(a)[0], np.float32(MATRIX))(np.float32(MATRIX)), ValueError,
            "cannot be differentiated"),
    Refusal("custom_lin", "jvp", lambda: jvp(lambda x: jvp(own_triple, (x,), (x,))[1], (np.ones(2),), (np.ones(2),)), TypeError,
            "forward-mode"),
    Refusal("custom_lin", "batch", lambda: vmap(lambda x: jvp(jit(own_triple), (x,), (x,))[1])(np.ones(2)), TypeError, "forward-mode"),
]

# --- collectives --------------------------------------------------------------------------------
# Each over a mapped axis of size 4: alone, beside another mapped axis, and its derivatives taken inside the map.


def same(x):
    """The same for all four."""
    return np.broadcast_to(x, (4, *x.shape))


def permuted(pairs):
    def oracle(x):
        out = np.zeros_like(x)
        for source, target in pairs:
            out[target] = x[source]
        return out
    return oracle


def only(place, x):
    out = np.zeros((4, *x.shape), x.dtype)
    out[place] = x
    return out


def parts(x):
    return x.reshape(4, 4, 2).swapaxes(0, 1).reshape(4, 8)


RING = ((0, 1), (1, 2), (3, 3))
BACK = tuple([(target, source) for source, target in RING])
for name, label, shape, out_shape, fn, oracle, transposed in (
        ("psum", "", (3,), (3,), lambda v: collectives_api.psum(v, "i"), lambda x: same(x.sum(0)), lambda ct: same(ct.sum(0))),
        ("all_gather", "", (3,), (4, 3), lambda v: collectives_api.all_gather(v, "i"), same, lambda ct: ct.sum(0)),
        ("all_gather", "tiled", (2,), (8,), lambda v: collectives_api.all_gather(v, "i", tiled=True), lambda x: same(x.reshape(8)),
         lambda ct: ct.sum(0).reshape(4, 2)),
        ("reduce_scatter", "", (4, 3), (3,), lambda v: collectives_api.psum_scatter(v, "i"), lambda x: x.sum(0), same),
        ("reduce_scatter", "tiled", (8,), (2,), lambda v: collectives_api.psum_scatter(v, "i", tiled=True),
         lambda x: x.sum(0).reshape(4, 2), lambda ct: same(ct.reshape(8))),
        ("all_to_all", "", (4, 3), (4, 3), lambda v: collectives_api.all_to_all(v, "i", 0, 0), lambda x: x.swapaxes(0, 1),
         lambda ct: ct.swapaxes(0, 1)),
        ("all_to_all", "tiled", (8,), (8,), lambda v: collectives_api.all_to_all(v, "i", 0, 0, tiled=True), parts, parts),
        ("ppermute", "", (3,), (3,), lambda v: collectives_api.ppermute(v, "i", RING), permuted(RING), permuted(BACK)),
        ("pbroadcast", "", (3,), (3,), lambda v: collectives_api.pbroadcast(v, "i", 2), lambda x: same(x[2]),
         lambda ct: only(2, ct.sum(0)))):
    options = {"hidden": True}
    name_of = lambda more: "-".join(filter(None, [label, more]))
    case(name, lambda x, f=fn: vmap(f, axis_name="i")(x), Arg((4, *shape)), oracle=oracle, diff=(0,), label=name_of("alone"),
         reaches=("batch",), tangent=lambda x, t, o=oracle: [o(t)], **options)
    case(name, lambda x, f=fn: vmap(vmap(f, 1, 1), axis_name="i")(x), Arg((4, shape[0], 2, *shape[1:])), label=name_of("beside"),
         oracle=lambda x, o=oracle: np.stack([o(x[:, :, k]) for k in range(2)], 2), reaches=("batch",), **options)
    case(name, lambda x, t, f=fn: vmap(lambda v, t: jvp(f, (v,), (t,)), axis_name="i")(x, t), *[Arg((4, *shape))] * 2,
         oracle=lambda x, t, o=oracle: [o(x), o(t)], label=name_of("jvp"), reaches=("jvp",), **options)
    case(name, lambda x, ct, f=fn: vmap(lambda v, ct: vjp(f, v)[1](ct)[0], axis_name="i")(x, ct), Arg((4, *shape)), Arg((4, *out_shape)),
         oracle=lambda x, ct, o=transposed: o(ct), label=name_of("vjp"), reaches=("transpose",), **options)
for name, fn, best in (("pmax", collectives_api.pmax, np.argmax), ("pmin", collectives_api.pmin, np.argmin)):
    here = lambda x, t, best=best: np.take_along_axis(t, best(x, 0)[None], 0)[0]
    inner = lambda v, f=fn: f(v, "i")
    case(name, lambda x, f=inner: vmap(f, axis_name="i")(x), Arg((4, 3), distinct=True), diff=(0,), reaches=("batch",), label="alone",
         oracle=lambda x, h=here: same(h(x, x)), hidden=True)
    case(name, lambda x, t, f=inner: vmap(lambda v, t: jvp(f, (v,), (t,)), axis_name="i")(x, t), Arg((4, 3), distinct=True), Arg((4, 3)),
         oracle=lambda x, t, h=here: [same(h(x, x)), same(h(x, t))], label="jvp", reaches=("jvp",), hidden=True)
    case(name, lambda x, f=inner: vmap(vmap(f, 1, 1), axis_name="i")(x), Arg((4, 3, 2), distinct=True), label="beside",
         oracle=lambda x, u=np.maximum if name == "pmax" else np.minimum: same(u.reduce(x)), hidden=True)
case("axis_index", lambda x: vmap(lambda v: [collectives_api.axis_index("i"), v], axis_name="i")(x), Arg((4, 3)), hidden=True,
     oracle=lambda x: [np.arange(4, dtype=np.int32), x], reaches=("batch",))


# --- ragged: two places send three rows each --------------------------------------------------------

STARTS, SIZES = np.int32([[0, 1], [0, 1]]), np.int32([[1, 2], [1, 1]])
TARGETS, RECEIVED = np.int32([[0, 0], [1, 2]]), np.int32([[1, 1], [2, 1]])
RAGGED = [Arg((2, 3, 2)), Arg((2, 4, 2))]


def send_rows(x, out):
    rows = lambda *args: collectives_api.ragged_all_to_all(*args, axis_name="i")
    return vmap(rows, axis_name="i")(x, out, STARTS, SIZES, TARGETS, RECEIVED)


def send_rows_inside(x, out, t, u, ct):
    """Derivatives taken inside of the map."""
    def one(x, out, t, u, ct, *indices):
        rows = lambda x, out: collectives_api.ragged_all_to_all(x, out, *indices, axis_name="i")
        return [jvp(rows, (x, out), (t, u))[1], *vjp(rows, x, out)[1](ct)]
    return vmap(one, axis_name="i")(x, out, t, u, ct, STARTS, SIZES, TARGETS, RECEIVED)


def sent_rows(x, out):
    out = out.copy()
    out[0, 0], out[0, 1] = x[0, 0], x[1, 0]
    out[1, 0:2], out[1, 2] = x[0, 1:3], x[1, 1]
    return out


def sent_back(ct):
    dx, dout = np.zeros((2, 3, 2)), ct.copy()
    dx[0, 0], dx[1, 0], dx[0, 1:3], dx[1, 1] = ct[0, 0], ct[0, 1], ct[1, 0:2], ct[1, 2]
    dout[0, :2], dout[1, :3] = 0, 0
    return [dx, dout]


case("ragged_all_to_all", send_rows, *RAGGED, oracle=sent_rows, diff=(0, 1), hidden=True, reaches=("batch",), second=False)
case("ragged_all_to_all", send_rows_inside, *RAGGED, *RAGGED, Arg((2, 4, 2)), label="inside", hidden=True, reaches=("jvp", "transpose"),
     oracle=lambda x, out, t, u, ct: [sent_rows(t, u), *sent_back(ct)], mapped=())
