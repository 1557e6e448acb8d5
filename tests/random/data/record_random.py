"""Records what JAX draws into ``random.json``, for ``test_random.py``.

Run it in an environment that has JAX, never in Ferax's own: ``python tests/random/data/record_random.py``.

The table has a section for each configuration, and in it for each expression the dtype, the shape and the bytes of the
result. Expressions are over ``random``, ``jnp``, ``np`` and the names of ``VALUES``.
"""

import json
import pathlib
import warnings

import jax
import jax.numpy as jnp
import ml_dtypes  # noqa: F401  dtypes by name
import numpy as np
from jax import random

VALUES = {
    "K": "random.key(17)",
    "R": "random.PRNGKey(17)",
    "P": "np.array([0.1, 0.2, 0.3, 0.15, 0.25], 'float32')",
    "X": "np.arange(12, dtype='float32').reshape(3, 4)",
    "L": "np.sin(np.arange(12, dtype='float32')).reshape(3, 4) * 3",
}

SEEDS = """
0 42 -1 -2**31 2**31 2**32-1 2**32+5 -2**40 2**63-1 -2**63 True np.int8(-3) np.uint8(3) np.int32(-3) np.uint32(2**32-1)
np.int64(2**40+3) np.uint64(2**63+7) np.array(5) jnp.int32(-9)
""".split()

KEYS = """
random.split(K)
random.split(R)
random.split(K, 1)
random.split(R, 5)
random.split(K, 0)
random.split(K, (2, 3))
random.split(R, (2, 2))
random.fold_in(K, 0)
random.fold_in(R, 7)
random.fold_in(K, 2**32 - 1)
random.fold_in(K, np.int64(-5))
random.fold_in(K, np.int64(2**40 + 3))
random.fold_in(K, jnp.int32(-7))
random.fold_in(K, True)
random.fold_in(K, 2.7)
random.bits(K)
random.bits(R, (5,))
random.bits(K, (2, 3), 'uint8')
random.bits(K, (7,), 'uint16')
random.bits(K, (0,))
""".strip().splitlines()

FLOATS = """
random.uniform(K, (7,), D)
random.uniform(K, (7,), D, -2.5, 3)
random.normal(K, (7,), D)
random.truncated_normal(K, -1., 2., (7,), D)
random.exponential(K, (7,), D)
random.gumbel(K, (7,), D)
random.gumbel(K, (7,), D, mode='high')
random.laplace(K, (7,), D)
random.logistic(K, (7,), D)
""".strip().splitlines()

REALS = """
random.uniform(K)
random.uniform(R, (2, 3))
random.uniform(K, (0,))
random.uniform(K, 4)
random.uniform(K, (2, 3), minval=np.zeros(3, 'f'), maxval=np.ones((2, 1), 'f'))
random.uniform(K, (5,), 'float8_e5m2')
random.normal(K)
random.normal(R, (3,))
random.normal(K, (0, 2))
random.normal(K, (2, 3), 'complex64')
random.cauchy(K, (7,))
random.maxwell(K, (7,))
random.gumbel(K, (7,), mode='highest')
random.rayleigh(K, 1.7, (7,))
random.rayleigh(K, np.array([1., 2, 3]), (2, 3))
random.pareto(K, np.array([1, 2, 3]), (2, 3))
random.wald(K, 1.7, (7,))
random.triangular(K, np.zeros((2, 1)), np.array([.1, .2, .3]), 1.)
random.lognormal(K, np.array([1., 2, 3]))
random.lognormal(K, 1., (3,), 'complex64')
random.truncated_normal(K, np.array([0., -1, -2]), np.ones((2, 1)))
random.truncated_normal(K, 2., 1., (3,))
random.weibull_min(K, 1.3, 2.7, (7,))
random.weibull_min(K, np.ones(3, 'f'), 2, (2, 3), 'bfloat16')
random.double_sided_maxwell(K, np.zeros(3), np.ones((2, 1)), (4,))
random.gamma(K, np.array([.1, 2, 30.]), (2, 3))
random.dirichlet(K, np.ones(3, 'f'), (2,))
random.t(K, 2.5, (3,))
random.f(K, 2.5, 3., (3,))
random.ball(K, 3, 2, (2,))
""".strip().splitlines()

INTEGERS = """
random.randint(K, (9,), 0, 10, D)
random.randint(K, (9,), np.array(np.iinfo(D).min, D), np.array(np.iinfo(D).max, D), D)
random.randint(K, (9,), -70000, 70000, D)
""".strip().splitlines()

DISCRETE = """
random.randint(K, (), 0, 5)
random.randint(R, (2, 3), -5, 5)
random.randint(K, (3,), 7, 3)
random.randint(K, (3,), 4, 4)
random.randint(K, (9,), -2**31, 2**31 - 1)
random.randint(K, (9,), 0, 256, 'uint8')
random.randint(K, (9,), -128, 128, 'int8')
random.randint(K, (9,), np.uint32(5), np.uint32(4000000000))
random.randint(K, (2, 3), np.array([0, -3, 9]), 10)
random.randint(K, (2, 3), np.array([[0], [5]]), np.array([3, 3, 8], 'uint8'), 'int16')
random.randint(K, (3,), np.array([-1, 1, 2], 'int16'), 300, 'uint8')
random.randint(K, (3,), np.array([0.5, 1.5, 2.9]), 9.9)
random.bernoulli(K)
random.bernoulli(R, 0.7, (2, 5))
random.bernoulli(K, np.array([.1, .5, .9]), (2, 3))
random.bernoulli(K, np.float16(0.3), (9,), mode='high')
random.rademacher(K, (7,))
random.rademacher(K, (7,), 'uint8')
random.rademacher(K, (7,), 'float32')
random.geometric(K, np.array([.1, .5, .9]), (2, 3))
random.geometric(K, 0.3, (7,), 'int8')
random.poisson(K, np.array([0, .1, 9.9, 10, 100, 1000]))
random.binomial(K, np.array([0, 1, 10, 100, -1]), np.array([[.2], [.9], [np.nan]]))
random.multinomial(K, 20, np.array([[.2, .3, .5], [.1, .1, .8]]))
random.categorical(K, L)
random.categorical(R, L, axis=0)
random.categorical(K, L, shape=(5, 3))
random.categorical(K, L, mode='high')
random.categorical(K, L.astype('bfloat16'), axis=0, shape=(2, 4))
random.categorical(K, L, shape=(2, 3), replace=False)
random.categorical(K, L, axis=0, shape=(2, 4), replace=False)
random.categorical(K, np.zeros((1, 3), 'float32'), shape=(2, 4))
random.permutation(K, 9)
random.permutation(R, 2000)[:20]
random.permutation(K, 0)
random.permutation(K, X)
random.permutation(K, X, axis=1)
random.permutation(K, X, axis=-1, independent=True)
random.permutation(K, np.arange(6) > 2)
random.choice(K, 10)
random.choice(R, 10, (2, 3))
random.choice(K, 10, (4,), replace=False)
random.choice(K, 10, (0,))
random.choice(K, X, (2,))
random.choice(K, X, (2, 2), axis=1)
random.choice(K, X, (2,), axis=1, replace=False)
random.choice(K, 5, (6,), p=P)
random.choice(K, 5, (3,), replace=False, p=P)
random.choice(K, np.arange(5.), (2, 2), p=P)
""".strip().splitlines()


def expressions(x64: bool, partitionable: bool) -> list[str]:
    seeds = [f"random.key({s})" for s in SEEDS] + ["random.PRNGKey(42)", "random.PRNGKey(-1)"]
    if not partitionable:
        chosen = ["random.normal(K, (7,))", "random.uniform(K, (5,), 'bfloat16')", "random.permutation(K, 9)",
                  "random.randint(K, (9,), 0, 10, 'int8')", "random.normal(K, (3,), 'complex64')"]
        return KEYS + chosen
    if x64:
        wide = [e.replace("D", "'float64'") for e in FLOATS]
        wide += [e.replace("D", repr(d)) for e in INTEGERS for d in ("int64", "uint64")]
        return seeds + wide + [
            "random.bits(K, (3,))", "random.bits(K, (3,), 'uint64')", "random.normal(K, (3,), 'complex128')",
            "random.normal(K, (3,))", "random.randint(K, (3,), 0, 9)", "random.randint(K, (3,), -2**62, 2**62)",
            "random.randint(K, (5,), -2**40, 2**40, 'int32')", "random.randint(K, (5,), 0, 2**32, 'uint32')",
            "random.bernoulli(K, shape=(5,))", "random.rademacher(K, (5,))", "random.permutation(K, 5)",
            "random.choice(K, 5, (3,), p=P)", "random.categorical(K, L)", "random.fold_in(K, np.int64(2**40 + 3))",
            "random.categorical(K, L, shape=(2, 3), replace=False)", "random.gamma(K, 2.5, (3,))"]
    found = seeds + KEYS + REALS + DISCRETE
    found += [e.replace("D", repr(d)) for e in FLOATS for d in ("float32", "bfloat16", "float16")]
    return found + [e.replace("D", repr(d)) for e in INTEGERS for d in ("int8", "int16", "uint16", "uint32")]


def main() -> None:
    table: dict = {"values": VALUES}
    for section, x64, partitionable in (("x32", False, True), ("x64", True, True), ("original", False, False)):
        with jax.enable_x64(x64), jax.threefry_partitionable(partitionable):
            names = {"random": random, "jnp": jnp, "np": np}
            names |= {name: eval(text, names) for name, text in VALUES.items()}
            rows = table[section] = {}
            for text in expressions(x64, partitionable):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    value = eval(text, names)
                keys = jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)
                data = np.asarray(random.key_data(value) if keys else value)
                rows[text] = [str(value.dtype), list(value.shape), data.tobytes().hex()]
    lines = [f"{json.dumps(section)}: {{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items()) + "\n}"
             for section, rows in table.items()]
    pathlib.Path(__file__).with_name("random.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
