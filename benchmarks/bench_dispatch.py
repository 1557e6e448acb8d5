"""What does calling a compiled function cost? Programs so small that hardly anything but the call remains."""

import numpy as np

from harness import Suite

suite = Suite("Dispatch of jitted functions")


@suite.row("jit(x + 1)", bar=1.05)
def scalar_increment(jax):
    x = jax.numpy.zeros(3)
    increment = jax.jit(lambda x: x + 1)
    return lambda: increment(x)


@suite.row("jit of a pytree of 22 arrays", bar=1.05)
def pytree_increment(jax):
    ones = jax.numpy.ones
    layers = [{"w": ones((4, 4)), "b": ones(4)} for _ in range(10)]
    state = {"layers": layers, "scale": ones(4), "count": ones(())}
    increment = jax.jit(lambda state: jax.tree.map(lambda a: a + 1, state))
    return lambda: increment(state)


@suite.row("jit of no arguments")
def no_arguments(jax):
    return jax.jit(lambda: jax.numpy.zeros(3))


@suite.row("jit of two arguments, one static")
def static_argument(jax):
    x = jax.numpy.zeros(3)
    power = jax.jit(lambda x, n: x**n, static_argnums=1)
    return lambda: power(x, 3)


@suite.row("jit(x + 1) of a NumPy array")
def numpy_argument(jax):
    x = np.zeros(3, np.float32)
    increment = jax.jit(lambda x: x + 1)
    return lambda: increment(x)


if __name__ == "__main__":
    suite.main()
