"""Do the forms that lowering chooses for the CPU pay, and is all else as quick as in JAX? Elementwise operations on a million
numbers of single precision, each a program of its own.

The bars of the first rows are what the forms are there for. The others take XLA's own form in both libraries.
"""

import numpy as np

from harness import Suite, ready

N = 1_000_000
suite = Suite("Elementwise operations on a million numbers")


def draw(jax, seed, low=-3.0, high=3.0):
    return jax.numpy.asarray(np.random.default_rng(seed).uniform(low, high, N), dtype=jax.numpy.float32)


def row(name, f, bar, *intervals):
    """A row for ``f(jax, *operands)`` with operands drawn from the intervals."""
    def setup(jax):
        xs = [draw(jax, seed, *interval) for seed, interval in enumerate(intervals or [(-3.0, 3.0)])]
        jitted = jax.jit(lambda *xs: f(jax, *xs))
        return lambda: ready(jax, jitted(*xs))

    suite.row(name, bar)(setup)


ANY, UNIT, POSITIVE, ANGLES = (-3.0, 3.0), (-1.0, 1.0), (0.01, 3.0), (-100.0, 100.0)
row("sin", lambda jax, x: jax.numpy.sin(x), 0.35, ANGLES)
row("cos", lambda jax, x: jax.numpy.cos(x), 0.35, ANGLES)
row("tan", lambda jax, x: jax.numpy.tan(x), 0.2, ANGLES)
row("arctan", lambda jax, x: jax.numpy.arctan(x), 0.2, ANY)
row("arctan2", lambda jax, x, y: jax.numpy.arctan2(x, y), 0.2, ANY, ANY)
row("arcsin", lambda jax, x: jax.numpy.arcsin(x), 0.2, UNIT)
row("arccos", lambda jax, x: jax.numpy.arccos(x), 0.2, UNIT)
row("fmod", lambda jax, x, y: jax.numpy.fmod(x, y), 0.2, ANGLES, POSITIVE)
row("cbrt", lambda jax, x: jax.numpy.cbrt(x), 0.25, ANY)
row("x ** 1.5", lambda jax, x: x**1.5, 0.4, POSITIVE)
row("rotation: cos(x) y - sin(x) z", lambda jax, x, y, z: jax.numpy.cos(x) * y - jax.numpy.sin(x) * z, 0.35, ANGLES, ANY, ANY)
row("gradient of sum(sin(x) ** 2)", lambda jax, x: jax.grad(lambda x: (jax.numpy.sin(x) ** 2).sum())(x), 0.35, ANY)

SAME = 1.1
row("x + y", lambda jax, x, y: x + y, SAME, ANY, ANY)
row("x * y + z", lambda jax, x, y, z: x * y + z, SAME, ANY, ANY, ANY)
row("x / y", lambda jax, x, y: x / y, SAME, ANY, POSITIVE)
row("x ** 2", lambda jax, x: x**2, SAME, ANY)
row("x ** y", lambda jax, x, y: x**y, SAME, POSITIVE, ANY)
row("exp", lambda jax, x: jax.numpy.exp(x), SAME, ANY)
row("log", lambda jax, x: jax.numpy.log(x), SAME, POSITIVE)
row("log1p", lambda jax, x: jax.numpy.log1p(x), SAME, POSITIVE)
row("tanh", lambda jax, x: jax.numpy.tanh(x), SAME, ANY)
row("sinh", lambda jax, x: jax.numpy.sinh(x), SAME, ANY)
row("arctanh", lambda jax, x: jax.numpy.arctanh(x), SAME, UNIT)
row("sqrt", lambda jax, x: jax.numpy.sqrt(x), SAME, POSITIVE)
row("erf", lambda jax, x: jax.lax.erf(x), SAME, ANY)
row("sigmoid", lambda jax, x: jax.nn.sigmoid(x), SAME, ANY)
row("gelu", lambda jax, x: jax.nn.gelu(x), SAME, ANY)
row("where(x > y, x, -y)", lambda jax, x, y: jax.numpy.where(x > y, x, -y), SAME, ANY, ANY)
row("floor", lambda jax, x: jax.numpy.floor(x), SAME, ANY)


if __name__ == "__main__":
    suite.main()
