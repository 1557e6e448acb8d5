"""What does one operation cost outside of ``jit``? Ten that every program is full of, on eight numbers."""

from harness import Suite

BAR = 1.1  # for each; the geometric mean has its own
suite = Suite("Eager operations on small arrays", geometric_mean_bar=0.8)


def small(jax):
    return jax.numpy.asarray([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])


@suite.row("x + x", BAR)
def add(jax):
    x = small(jax)
    return lambda: x + x


@suite.row("x + 1", BAR)
def add_scalar(jax):
    x = small(jax)
    return lambda: x + 1


@suite.row("jnp.sin(x)", BAR)
def sin(jax):
    x, jnp = small(jax), jax.numpy
    return lambda: jnp.sin(x)


@suite.row("jnp.where(c, x, y)", BAR)
def where(jax):
    x, jnp = small(jax), jax.numpy
    c, y = x > 2, -x
    return lambda: jnp.where(c, x, y)


@suite.row("x.sum()", BAR)
def reduce_sum(jax):
    x = small(jax)
    return lambda: x.sum()


@suite.row("jnp.mean(x)", BAR)
def mean(jax):
    x, jnp = small(jax), jax.numpy
    return lambda: jnp.mean(x)


@suite.row("x[0]", BAR)
def first(jax):
    x = small(jax)
    return lambda: x[0]


@suite.row("x[1:]", BAR)
def rest(jax):
    x = small(jax)
    return lambda: x[1:]


@suite.row("jnp.asarray([1.0, 2.0, 3.0])", BAR)
def from_list(jax):
    jnp = jax.numpy
    return lambda: jnp.asarray([1.0, 2.0, 3.0])


@suite.row("jnp.zeros(8)", BAR)
def zeros(jax):
    jnp = jax.numpy
    return lambda: jnp.zeros(8)


if __name__ == "__main__":
    suite.main()
