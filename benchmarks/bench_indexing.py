"""What do indices cost: Python's part, from ``x[...]`` to StableHLO, and the program's, of gathers and scatters?

Each expression is traced and lowered as a function that no cache has seen; what is cached per operation helps, as
it would in a program with many of them. The executions are jitted functions on arrays of a few megabytes.
"""

import numpy as np
from harness import Suite, ready

suite = Suite("Indexing")

EXPRESSIONS = {
    "x[0]": lambda jnp, x, i, rows: x[0],
    "x[-1, 2]": lambda jnp, x, i, rows: x[-1, 2],
    "x[1:5]": lambda jnp, x, i, rows: x[1:5],
    "x[:, ::2]": lambda jnp, x, i, rows: x[:, ::2],
    "x[::-1]": lambda jnp, x, i, rows: x[::-1],
    "x[..., None]": lambda jnp, x, i, rows: x[..., None],
    "x[None, 1, ..., 2:4]": lambda jnp, x, i, rows: x[None, 1, ..., 2:4],
    "x[i]": lambda jnp, x, i, rows: x[i],
    "x[i, :, 3]": lambda jnp, x, i, rows: x[i, :, 3],
    "x[rows]": lambda jnp, x, i, rows: x[rows],
    "x[rows, 1:]": lambda jnp, x, i, rows: x[rows, 1:],
    "x[rows[:, None], rows]": lambda jnp, x, i, rows: x[rows[:, None], rows],
    "x.at[rows].get(mode='fill')": lambda jnp, x, i, rows: x.at[rows].get(mode="fill", fill_value=0),
    "x.at[i].set(0)": lambda jnp, x, i, rows: x.at[i].set(0.0),
    "x.at[1:5].add(1)": lambda jnp, x, i, rows: x.at[1:5].add(1.0),
    "x.at[rows].add(x)": lambda jnp, x, i, rows: x.at[rows].add(x[:4]),
    "x.at[rows, 1].multiply(2)": lambda jnp, x, i, rows: x.at[rows, 1].multiply(2.0),
    "jnp.take(x, rows, axis=1)": lambda jnp, x, i, rows: jnp.take(x, rows, axis=1),
    "jnp.take_along_axis": lambda jnp, x, i, rows: jnp.take_along_axis(x, rows[:, None, None], 0),
}


def traced(expression):
    def setup(lib):
        jnp = lib.numpy
        x = jnp.zeros((8, 8, 8), jnp.float32)
        rows = jnp.asarray([3, 0, 5, 1], jnp.int32)

        def call():
            return lib.jit(lambda x, i, rows: expression(jnp, x, i, rows)).trace(x, 3, rows).lower()
        return call
    return setup


for name, expression in EXPRESSIONS.items():
    suite.row(f"trace + lower {name}", bar=0.7)(traced(expression))


EXECUTIONS = {
    "rows of a table": lambda lib, x, i, j, v: x[i],
    "rows of a table, fill": lambda lib, x, i, j, v: lib.numpy.take(x, i, axis=0),
    "elements": lambda lib, x, i, j, v: x[i, j],
    "an element of each row": lambda lib, x, i, j, v: lib.numpy.take_along_axis(x, j[: x.shape[0], None], 1),
    "windows, mapped": lambda lib, x, i, j, v: lib.vmap(lambda s: lib.lax.dynamic_slice(x, (s, 0), (4, 128)))(i),
    "rows added": lambda lib, x, i, j, v: x.at[i].add(v),
    "rows set": lambda lib, x, i, j, v: x.at[i].set(v),
    "elements added": lambda lib, x, i, j, v: x.at[i, j].add(v[:, 0]),
    "the gradient of rows": lambda lib, x, i, j, v: lib.grad(lambda x: (x[i] * v).sum())(x),
    "sort": lambda lib, x, i, j, v: lib.numpy.sort(x, axis=1),
    "argsort": lambda lib, x, i, j, v: lib.numpy.argsort(x, axis=1),
    "top_k": lambda lib, x, i, j, v: lib.lax.top_k(x, 8),
    "searchsorted": lambda lib, x, i, j, v: lib.numpy.searchsorted(lib.numpy.arange(4096.0), v[:, 0] * 4096),
}


def executed(function):
    def setup(lib):
        rng = np.random.default_rng(0)
        x = lib.numpy.asarray(rng.random((4096, 128)), lib.numpy.float32)
        i = lib.numpy.asarray(rng.integers(0, 4092, 4096), lib.numpy.int32)
        j = lib.numpy.asarray(rng.integers(0, 128, 4096), lib.numpy.int32)
        v = lib.numpy.asarray(rng.random((4096, 128)), lib.numpy.float32)
        compiled = lib.jit(lambda x, i, j, v: function(lib, x, i, j, v))
        return lambda: ready(lib, compiled(x, i, j, v))
    return setup


for name, function in EXECUTIONS.items():
    suite.row(f"run: {name}", bar=1.1)(executed(function))


if __name__ == "__main__":
    suite.main()
