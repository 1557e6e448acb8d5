"""Cases for incomplete gamma and beta functions, random bits of the engine, tokens, and arrays of no content."""

import numpy as np
import scipy.special
from op_harness import Arg, Case, Refusal, bind, primitive

from ferax._src.api.autodiff import jvp
from ferax._src.api.vmap import vmap
from ferax._src.ops.elementwise import add, mul
from ferax._src.ops.elementwise_bits import bitwise_and
from ferax._src.ops.compare import ge, lt
from ferax._src.ops.rng import RandomAlgorithm
from ferax._src.ops.tokens import after_all, create_token

CASES: list[Case] = []
REFUSALS: list[Refusal] = []


def case(name: str, fn, *args: Arg, **options) -> None:
    CASES.append(Case(name, fn or bind(name), args, **options))


# --- incomplete gamma and beta functions --------------------------------------------------------

A, X = Arg((2, 3), 0.4, 3.5), Arg((2, 3), 0.3, 4.0)


def by_a(a, x):
    h = 2e-3
    f = [scipy.special.gammainc(a + k * h, x) for k in (-3, -2, -1, 1, 2, 3)]
    return (45 * (f[3] - f[2]) - 9 * (f[4] - f[1]) + (f[5] - f[0])) / (60 * h)


def sample_by_a(a, x):
    return -by_a(a, x) / np.exp((a - 1) * np.log(x) - x - scipy.special.gammaln(a))


# Each of these takes long to compile: few cases, then.
SHAPES = (((0, 3),) * 2,)
for name, oracle in (("igamma", scipy.special.gammainc), ("igammac", scipy.special.gammaincc)):
    case(name, None, Arg((2,), 0.4, 3.5), Arg((2,), 0.3, 4.0), oracle=oracle, diff=(0, 1), mapped=(0,), second=False, tolerance=20)
for name, oracle in (("igamma_grad_a", by_a), ("random_gamma_grad", sample_by_a)):
    case(name, None, A, X, oracle=oracle, mapped=(1,), kinds=("bfloat16",), shapes=SHAPES, tolerance=20)
    for i in (0, 1):
        one = np.ones(())
        REFUSALS.append(Refusal(name, f"derivative {i}", lambda name=name, i=i, one=one: jvp(
            lambda t: bind(name)(*[t if k == i else one for k in (0, 1)]), (one,), (one,)), NotImplementedError, "is itself a derivative"))
BETA = (Arg((2, 3), 0.5, 4), Arg((2, 3), 0.5, 4), Arg((2, 3), 0.1, 0.9))
case("regularized_incomplete_beta", None, *BETA, oracle=scipy.special.betainc, diff=(2,), mapped=(0,), kinds=("bfloat16",),
     shapes=(((0, 3),) * 3,), second=False, tolerance=20)
for i in (0, 1):
    half = np.full((), 0.5)
    REFUSALS.append(Refusal("regularized_incomplete_beta", f"derivative {i}", lambda i=i, half=half: jvp(
        lambda t: bind("regularized_incomplete_beta")(*[t if k == i else half for k in (0, 1, 2)]), (half,), (half,)),
        ValueError, "gradient with respect to a and b not supported"))

# --- random bits --------------------------------------------------------------------------------

KEY = Arg((4,), values=np.array([3, 77780, 155557, 233334]), dtype="uint32")
for width in (8, 32, 64):
    generate = bind("rng_bit_generator", shape=(2, 3), dtype=np.dtype(f"uint{width}"), algorithm=RandomAlgorithm.RNG_PHILOX,
                    out_sharding=None)
    case("rng_bit_generator", generate, KEY, mapped=(), label=str(width))
case("rng_bit_generator", lambda keys: vmap(generate, in_axes=1)(keys), Arg((4, 3), 0, 99, dtype="uint32"), mapped=(), reaches=("batch",),
     label="vmap")


def within_bounds(a, b):
    (x,) = primitive("rng_uniform").bind(a, b, shape=(2, 3))
    return bitwise_and(ge(x, a), lt(x, b))


case("rng_uniform", within_bounds, Arg((), 1, 2), Arg((), 3, 4), oracle=lambda a, b: np.ones((2, 3), bool), mapped=())

# --- tokens and the like ------------------------------------------------------------------------

VECTOR = Arg((3,))


def with_token(x):
    token = after_all(create_token(), create_token())
    return [add(x, x), mul(x, x)][:1 + (after_all(token) is not None)]


for name in ("create_token", "after_all"):
    case(name, with_token, VECTOR, oracle=lambda x: [x + x, x * x], diff=(0,))


def used(x, prevent):
    primitive("dce_sink").bind(mul(x, x), prevent_mlir_dce=prevent)
    return mul(x, 3)


for prevent in (False, True):
    case("dce_sink", lambda x, prevent=prevent: used(x, prevent), VECTOR, oracle=lambda x: 3 * x, diff=(0,), label=str(prevent))
case("empty", lambda x: add(x, primitive("empty").bind(shape=(3,), dtype=np.dtype(np.float64), out_sharding=None)[0]), VECTOR,
     oracle=lambda x: x, diff=(0,))
