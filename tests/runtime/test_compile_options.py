"""The options that programs are compiled with, and that arrays which they close over stay out of them."""

import pickle

import ml_dtypes
import numpy as np
import pytest

import ferax as fx
from ferax import lax
from ferax import numpy as jnp
from ferax._src.engine import compiler
from ferax._src.runtime import compile as compiling
from ferax._src.runtime import disk_cache
from ferax._src.util import config

OPTION = "xla_cpu_experimental_ynn_fusion_type"
DOT, SINGLE, REDUCE = (f"LIBRARY_FUSION_TYPE_{kind}" for kind in ("DOT", "INDIVIDUAL_DOT", "REDUCE"))


def chosen(f, *xs) -> str | None:
    """The option that a program is compiled with."""
    return options_of(lowered(f, *xs)).get(OPTION)


def lowered(f, *xs):
    """The `Lowered` of a function."""
    return fx.jit(lambda *xs: f(*xs)).lower(*xs)._lowered


def options_of(low) -> dict:
    return compiling.default_options(low.platform, low.contractions)


def convolve(**options):
    return lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", **options)


def images(channels, groups=1):
    """Images and a kernel for as many channels, in as many groups."""
    return np.ones((2, channels * groups, 5, 5), np.float32), np.ones((4, channels, 3, 3), np.float32)


X = np.ones((4, 4), np.float32)
HALF = X.astype(ml_dtypes.bfloat16)
WHOLE = f"{DOT},{REDUCE}"
CHOICES = {
    "no product": (None, lambda x: jnp.sin(x).sum(), (X,)),
    "product": (None, jnp.matmul, (X, X)),
    "three products": (None, lambda x: x @ x @ x @ x, (X,)),
    "four products": (WHOLE, lambda x: x @ x @ x @ x @ x, (X,)),
    "product of 16 bits": (f"{SINGLE},{REDUCE}", jnp.matmul, (HALF, HALF)),
    "both": (f"{SINGLE},{REDUCE}", lambda x, y: (x @ x, (y @ y).sum()), (X, HALF)),
    "product of integers": (None, jnp.matmul, (X.astype(np.int16), X.astype(np.int16))),
    "product in a loop": (WHOLE, lambda x: lax.scan(lambda c, _: (c @ c, None), x, None, length=3), (X,)),
    "few channels": (None, convolve(), images(47)),
    "many channels": (WHOLE, convolve(), images(48)),
    "few channels in each group": (None, convolve(feature_group_count=2), images(47, 2)),
    "few channels in phases": (None, fx.grad(lambda x, w: lax.conv(x, w, (2, 2), "SAME").sum()),
                               (np.ones((2, 8, 12, 12), np.float32), images(8)[1])),
    "gradient of the kernel": (WHOLE, fx.grad(lambda x, w: lax.conv(x, w, (1, 1), "SAME").sum(), argnums=1),
                               (np.ones((2, 8, 12, 12), np.float32), images(8)[1])),
    "convolution and product": (WHOLE, lambda x, w: (convolve()(x, w), x @ x), images(8)),
}


@pytest.mark.parametrize("wanted, f, xs", CHOICES.values(), ids=CHOICES)
def test_choice(wanted, f, xs):
    assert chosen(f, *xs) == wanted


def test_channels_are_found_by_the_dimension_numbers():
    for channels, wanted in ((47, None), (48, f"{DOT},{REDUCE}")):
        x, w = np.ones((2, 5, 5, channels), np.float32), np.ones((3, 3, channels, 64), np.float32)
        f = lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        assert chosen(f, x, w) == wanted


def test_users_options_win():
    def fingerprint(compiler_options=None, defaults=True):
        devices = fx.devices("cpu")[:1]
        found = compiling.options_for(low, devices, compiler_options, defaults)
        return compiler.options_fingerprint(found), disk_cache.key_of(low, devices, found)

    low = lowered(lambda x: x @ x @ x @ x @ x, X)
    ours, theirs, none = fingerprint(), fingerprint({OPTION: ""}), fingerprint(defaults=False)
    assert len({ours[0], theirs[0], none[0]}) == len({ours[1], theirs[1], none[1]}) == 3
    assert theirs == fingerprint({OPTION: ""}, False)
    with config.cpu_lowerings("plain"):
        assert fingerprint() == none


def test_programs_with_other_options_are_other_programs():
    f = fx.jit(lambda x: x @ x)
    f(X)
    with config.cpu_lowerings("plain"):
        with pytest.raises(RuntimeError, match="compil"):
            with pytest.MonkeyPatch.context() as patch:
                def refuse(*args):
                    raise RuntimeError("to be compiled")
                patch.setattr(compiling, "compile_lowered", refuse)
                f(X)
    f(X)


# --- arrays that a program closes over ----------------------------------------------------------

BIG = jnp.arange(1_000_000, dtype=jnp.float32)
OTHER = np.arange(1_000_000, dtype=np.float32)


@fx.custom_jvp
def with_jvp(x):
    return x * BIG


@with_jvp.defjvp
def _(primals, tangents):
    return with_jvp(*primals), tangents[0] * OTHER


@fx.custom_vjp
def with_vjp(x):
    return x * BIG


with_vjp.defvjp(lambda x: (with_vjp(x), None), lambda _, ct: (ct * OTHER,))


@fx.custom_batching.custom_vmap
def with_vmap(x):
    return x * BIG


@with_vmap.def_vmap
def _(size, batched, x):
    return x * OTHER, True


def total(f):
    return lambda x: f(x).sum()


def mapped(f):
    return lambda x: fx.vmap(f)(jnp.stack([x, x]))


CLOSURES = {
    "jit": lambda x: x * BIG + OTHER,
    "inner jit": lambda x: fx.jit(lambda x: x * BIG)(x) + fx.jit(lambda x: x * OTHER)(x),
    "grad of jit": fx.grad(total(fx.jit(lambda x: jnp.sin(x * BIG) * OTHER))),
    "scan": lambda x: lax.scan(lambda c, _: (c * BIG + OTHER, c[0]), x, None, length=3),
    "grad of scan": fx.grad(total(lambda x: lax.scan(lambda c, _: (jnp.sin(c * BIG) + OTHER, c[0]), x, None, length=3)[0])),
    "while": lambda x: lax.while_loop(lambda c: (c * OTHER)[0] < 3, lambda c: c * BIG, x),
    "cond": lambda x: lax.cond(x[0] > 0, lambda x: x * BIG, lambda x: x + OTHER, x),
    "grad of cond": fx.grad(total(lambda x: lax.cond(x[0] > 0, lambda x: jnp.sin(x) * BIG, lambda x: x + OTHER, x))),
    "vmap": mapped(lambda x: x * BIG + OTHER),
    "vmap of scan": mapped(lambda x: lax.scan(lambda c, _: (c * BIG, c[0]), x, None, length=2)),
    "custom_jvp": with_jvp, "grad of custom_jvp": fx.grad(total(with_jvp)),
    "custom_vjp": with_vjp, "grad of custom_vjp": fx.grad(total(with_vjp)), "vmap of custom_vjp": mapped(with_vjp),
    "custom_vmap": with_vmap, "vmap of custom_vmap": mapped(with_vmap),
    "checkpoint": fx.grad(total(fx.checkpoint(lambda x: jnp.sin(x * BIG) * OTHER))),
    "map": lambda x: lax.map(lambda i: jnp.take(BIG, i), x[:5].astype(int)),
}


@pytest.mark.parametrize("f", CLOSURES.values(), ids=CLOSURES)
def test_no_big_constant_is_written_into_a_program(f):
    low = lowered(f, OTHER)
    assert 1 <= len(low.const_args) <= 2
    assert len(low.as_text()) < 20_000          # one such array as hexadecimal digits has 8 million


def test_constants_that_were_pickled():
    """NumPy does not call their dtype its own."""
    for value in (np.float64(3) * np.ones((), np.float32), np.arange(3.0), np.arange(3)):
        copy = pickle.loads(pickle.dumps(value))
        np.testing.assert_array_equal(fx.jit(lambda x: x * copy)(2), 2 * value)
