"""Records what JAX draws from its other generators into ``generators.json``, for ``test_generators.py``.

Run it in an environment that has JAX, never in Ferax's own: ``python tests/random/data/record_generators.py``.

The table has a section for each generator, and in it for each expression the dtype, the shape and the bytes of the result. In
expressions K is a key and KS an array of six, shape (2, 3). Sections whose names end in "x64" are with 64-bit dtypes, in
"original" without the partitionable numbering. The section "engine" is of `lax.rng_bit_generator`, with a key Q of words.
"""

import json
import pathlib
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random

COUNTERS = ("philox2x32", "philox4x32", "threefry4x32")
ENGINE = ("rbg", "unsafe_rbg")

KEYS = """
K
random.key(-5, impl=IMPL)
random.key(2**40 + 3, impl=IMPL)
random.PRNGKey(7, impl=IMPL)
random.split(K)
random.split(K, (2, 3))
random.split(K, 0)
random.fold_in(K, 9)
random.bits(K, (3, 2), 'uint8')
random.bits(K, (3,), 'uint16')
random.bits(K, (2, 3))
random.bits(K)
jax.vmap(lambda k: random.bits(k, (2,)))(KS[0])
jax.vmap(jax.vmap(lambda k: random.bits(k, (2,))))(KS)
jax.vmap(lambda k: random.split(k, 3))(KS[1])
jax.vmap(lambda k: random.fold_in(k, 3))(KS[0])
jax.vmap(lambda i: random.fold_in(K, i))(jnp.arange(3))
jax.vmap(random.fold_in)(KS[0], jnp.arange(3))
jax.vmap(jax.vmap(lambda k: random.fold_in(k, 3)))(KS)
jax.vmap(lambda k: jax.vmap(lambda i: random.fold_in(k, i))(jnp.arange(2)))(KS[0])
""".strip().splitlines()

SAMPLES = """
random.uniform(K, (4,))
random.normal(K, (3, 3))
random.randint(K, (7,), 0, 1000)
random.permutation(K, 10)
random.categorical(K, np.zeros(5, 'f'), shape=(6,))
random.gamma(K, np.array([.5, 2, 30], 'f'))
jax.vmap(lambda k: random.gamma(k, np.array([.5, 30], 'f')))(KS[0])
""".strip().splitlines()

WIDE = ["random.bits(K, (3,), 'uint64')", "random.key(2**40 + 3, impl=IMPL)", "random.fold_in(K, 2**31 + 9)"]
ORIGINAL = ["random.split(K, 5)", "random.bits(K, (3, 2))"]
BITS = [f"lax.rng_bit_generator(Q, {shape}, {dtype!r}, lax.RandomAlgorithm.RNG_{name})[{i}]"
        for name in ("DEFAULT", "THREE_FRY", "PHILOX") for shape, dtype in (((5,), "uint8"), ((2, 3), "uint16"), ((3, 4), "uint32"))
        for i in (0, 1)]
BITS += [f"jax.vmap(lambda q: lax.rng_bit_generator(q, (2,)))(np.stack([Q, Q + 1, Q + 5]))[{i}]" for i in (0, 1)]
BITS += [f"lax.rng_bit_generator(Q, {shape})[{i}]" for shape in ((), (0, 3)) for i in (0, 1)]


def sections():
    """Name, generator, expressions, x64, partitionable."""
    yield "engine", "rbg", BITS, False, True
    for impl in ENGINE + COUNTERS:
        yield impl, impl, KEYS + (SAMPLES if impl in ("rbg", "philox2x32") else SAMPLES[:1]), False, True
        yield f"{impl} x64", impl, WIDE, True, True
    for impl in ENGINE:
        yield f"{impl} original", impl, ORIGINAL, False, False


def main() -> None:
    table: dict = {}
    for section, impl, texts, x64, partitionable in sections():
        with jax.enable_x64(x64), jax.threefry_partitionable(partitionable), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = {"random": random, "jnp": jnp, "np": np, "jax": jax, "lax": lax, "IMPL": impl, "K": random.key(42, impl=impl),
                     "Q": np.array([3, 77780, 155557, 233334], np.uint32)}
            names["KS"] = random.split(names["K"], 6).reshape(2, 3)
            rows = table[section] = {}
            for text in texts:
                value = eval(text, names)
                keys = jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)
                data = np.asarray(random.key_data(value) if keys else value)
                rows[text] = [str(value.dtype), list(value.shape), data.tobytes().hex()]
    lines = [f"{json.dumps(section)}: {{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items()) + "\n}"
             for section, rows in table.items()]
    pathlib.Path(__file__).with_name("generators.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
