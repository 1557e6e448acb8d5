"""Generators besides Threefry-2x32: bit for bit what JAX draws (``data/record_generators.py``), and what is refused."""

import json
import pathlib
import pickle
import warnings

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax, random

TABLE = json.loads((pathlib.Path(__file__).parent / "data" / "generators.json").read_text())
Q = np.array([3, 77780, 155557, 233334], np.uint32)


def data_of(value):
    is_key = ferax.dtypes.issubdtype(value.dtype, ferax.dtypes.prng_key)
    return np.asarray(random.key_data(value) if is_key else value).tobytes().hex()


@pytest.mark.parametrize("section", TABLE)
def test_same_bits_as_jax(section):
    impl = "rbg" if section == "engine" else section.split()[0]
    wrong = []
    with (ferax.enable_x64(section.endswith("x64")), ferax.threefry_partitionable(not section.endswith("original")),
          warnings.catch_warnings()):
        warnings.simplefilter("ignore")         # seeds that lose bits
        names = {"random": random, "jnp": jnp, "np": np, "jax": ferax, "lax": lax, "IMPL": impl, "K": random.key(42, impl=impl), "Q": Q}
        names["KS"] = random.split(names["K"], 6).reshape(2, 3)
        for text, (dtype, shape, data) in TABLE[section].items():
            value = eval(text, names)
            if (str(value.dtype), list(value.shape), data_of(value)) != (dtype, shape, data):
                wrong.append(f"{text}: {value!r}, of JAX {dtype}{shape} {data}")
    assert not wrong, "\n".join(wrong)


def test_which_generators_there_are():
    for impl, words in (("rbg", 4), ("unsafe_rbg", 4), ("philox2x32", 1), ("philox4x32", 2), ("threefry4x32", 4), ("threefry2x32", 2)):
        key = random.key(0, impl=impl)
        assert random.key_impl(key) == impl and random.key_data(key).shape == (words,)
        assert pickle.loads(pickle.dumps(key.dtype)) == key.dtype
        assert random.key_impl(random.wrap_key_data(random.key_data(key), impl=impl)) == impl


def test_default_generator():
    with ferax.default_prng_impl("rbg"):
        assert random.PRNGKey(3).tolist() == [0, 3, 0, 3]
        assert random.split(random.PRNGKey(3)).shape == (2, 4)
        with pytest.raises(TypeError, match=r"shape to end with \(4,\)"):
            random.uniform(np.zeros(2, np.uint32))
    with pytest.raises(ValueError, match="unrecognized PRNG implementation"):
        random.key(0, impl="rbgg")


@pytest.mark.parametrize(("args", "error", "message"), [
    ((Q[:2], (3,)), TypeError, r"uint32 array of shape \(4,\)"),
    ((Q, (-3,)), TypeError, "not negative"),
    ((Q, (3,), "int32"), TypeError, "unsupported dtype int32"),
    ((Q, (3,), "uint32", 5), ValueError, "5"),
    (([1, 2, 3, 4], (3,)), TypeError, "list"),
])
def test_bits_refused(args, error, message):
    with pytest.raises(error, match=message):
        lax.rng_bit_generator(*args)


def test_algorithms_by_number_and_sizes_by_one():
    key, bits = lax.rng_bit_generator(Q, 3, "uint32", 1)
    np.testing.assert_array_equal(bits, lax.rng_bit_generator(Q, (3,), "uint32", lax.RandomAlgorithm.RNG_THREE_FRY)[1])
    assert str(lax.RandomAlgorithm.RNG_PHILOX) == "RNG_PHILOX" and key.shape == (4,)


def test_uniform_numbers_of_a_hidden_state():
    x = lax.rng_uniform(2.0, 3.0, (100,))
    assert x.dtype == np.float32 and x.weak_type and 2 <= float(x.min()) and float(x.max()) < 3
    n = lax.rng_uniform(np.int32(2), np.int32(5), (100,))
    assert n.dtype == np.int32 and set(n.tolist()) <= {2, 3, 4}
    with pytest.raises(ValueError, match="identical dtypes, got int32 and float32"):
        lax.rng_uniform(0, 1.0, (3,))
    with pytest.raises(ValueError, match="must be scalars"):
        lax.rng_uniform(np.zeros(2, np.float32), np.float32(1), (3,))
    with pytest.raises(TypeError, match="complex64"):
        lax.rng_uniform(np.complex64(0), np.complex64(1), (3,))
    with pytest.raises(NotImplementedError, match="rng_uniform: the primitive has no"):
        ferax.grad(lambda a: lax.rng_uniform(a, 1.0, ()))(0.0)


def test_gamma_numbers_have_a_derivative():
    """Of the place in the distribution: the mean of it is that of the mean, 1."""
    slope = ferax.jit(ferax.grad(lambda a: random.gamma(random.key(0), a, (2000,)).mean()))(2.5)
    assert abs(slope - 1) < 0.05
