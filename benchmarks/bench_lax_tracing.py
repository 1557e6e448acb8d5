"""How long does Python work on one operation before XLA may start? Sixty functions of ``lax``, each the whole of a program.

Each call traces and lowers a new function, so that nothing helps but what a process keeps per operation and per type.
"""

import numpy as np

from harness import Suite

suite = Suite("Tracing and lowering of single operations", geometric_mean_bar=0.7)


def row(name, f, *args):
    """A row for the program ``f(lax, *args)``; an argument is the shape of an array of floats, or (dtype, *shape)."""
    def setup(jax):
        lax, jnp = jax.lax, jax.numpy
        xs = [jnp.zeros(a[1:], a[0]) if a and isinstance(a[0], str) else jnp.zeros(a, "float32") for a in args]
        return lambda: jax.jit(lambda *xs: f(lax, *xs)).trace(*xs).lower()

    suite.row(name)(setup)


V, M, SQUARE, IMAGE = (8,), (4, 8), (4, 4), (2, 3, 8, 8)
INT, KEYS, FLAG = ("int32", 8), ("uint32", 8), ("bool", 8)
SCALAR, INDEX = (), ("int32",)

# --- elementwise
row("add", lambda lax, x, y: lax.add(x, y), V, V)
row("mul by a number", lambda lax, x: lax.mul(x, 2.0), V)
row("div", lambda lax, x, y: lax.div(x, y), V, V)
row("rem", lambda lax, x, y: lax.rem(x, y), V, V)
row("neg", lambda lax, x: lax.neg(x), V)
row("max", lambda lax, x, y: lax.max(x, y), V, V)
row("exp", lambda lax, x: lax.exp(x), V)
row("log1p", lambda lax, x: lax.log1p(x), V)
row("sin", lambda lax, x: lax.sin(x), V)
row("sin of 1000", lambda lax, x: lax.sin(x), (1000,))
row("atan2 of 1000", lambda lax, x, y: lax.atan2(x, y), (1000,), (1000,))
row("tanh", lambda lax, x: lax.tanh(x), V)
row("logistic", lambda lax, x: lax.logistic(x), V)
row("erf_inv", lambda lax, x: lax.erf_inv(x), V)
row("lgamma", lambda lax, x: lax.lgamma(x), V)
row("pow", lambda lax, x, y: lax.pow(x, y), V, V)
row("integer_pow", lambda lax, x: lax.integer_pow(x, 3), V)
row("square", lambda lax, x: lax.square(x), V)
row("round", lambda lax, x: lax.round(x), V)
row("eq", lambda lax, x, y: lax.eq(x, y), V, V)
row("bitwise_and", lambda lax, x, y: lax.bitwise_and(x, y), INT, INT)
row("shift_left", lambda lax, x, y: lax.shift_left(x, y), KEYS, KEYS)
row("select", lambda lax, c, x, y: lax.select(c, x, y), FLAG, V, V)
row("clamp", lambda lax, x: lax.clamp(0.0, x, 1.0), V)
row("convert_element_type", lambda lax, x: lax.convert_element_type(x, "int32"), V)
row("bitcast_convert_type", lambda lax, x: lax.bitcast_convert_type(x, "int32"), V)

# --- shapes
row("broadcast_in_dim", lambda lax, x: lax.broadcast_in_dim(x, (4, 8), (1,)), V)
row("reshape", lambda lax, x: lax.reshape(x, (8, 4)), M)
row("transpose", lambda lax, x: lax.transpose(x, (1, 0)), M)
row("squeeze", lambda lax, x: lax.squeeze(x, (0,)), (1, 8))
row("expand_dims", lambda lax, x: lax.expand_dims(x, (0,)), V)
row("rev", lambda lax, x: lax.rev(x, (0,)), V)
row("concatenate", lambda lax, x, y: lax.concatenate([x, y], 0), V, V)
row("pad", lambda lax, x: lax.pad(x, 0.0, [(1, 1, 0)]), V)
row("slice", lambda lax, x: lax.slice(x, (1,), (5,)), V)
row("iota", lambda lax: lax.iota("int32", 8))

# --- indexing
row("dynamic_slice", lambda lax, x, i: lax.dynamic_slice(x, (i,), (3,)), V, INDEX)
row("dynamic_update_slice", lambda lax, x, y, i: lax.dynamic_update_slice(x, y, (i,)), V, (3,), INDEX)
row("dynamic_index_in_dim", lambda lax, x, i: lax.dynamic_index_in_dim(x, i), M, INDEX)
GATHER = dict(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))
row("gather", lambda lax, x, i: lax.gather(x, i, lax.GatherDimensionNumbers(**GATHER), (1, 8)), M, ("int32", 3, 1))
SCATTER = dict(update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))
row("scatter_add", lambda lax, x, i, u: lax.scatter_add(x, i, u, lax.ScatterDimensionNumbers(**SCATTER)),
    M, ("int32", 3, 1), (3, 8))

# --- reductions, sorting
row("reduce_sum", lambda lax, x: lax.reduce_sum(x, (0,)), M)
row("reduce_max", lambda lax, x: lax.reduce_max(x, (1,)), M)
row("argmax", lambda lax, x: lax.argmax(x, 0, "int32"), V)
row("cumsum", lambda lax, x: lax.cumsum(x), V)
row("reduce", lambda lax, x: lax.reduce(x, np.float32(0), lax.add, (0,)), M)
row("reduce_window", lambda lax, x: lax.reduce_window(x, -np.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"), IMAGE)
row("sort", lambda lax, x: lax.sort(x), V)
row("top_k", lambda lax, x: lax.top_k(x, 3), V)

# --- products
row("dot", lambda lax, x, y: lax.dot(x, y), SQUARE, M)
row("dot_general, batched", lambda lax, x, y: lax.dot_general(x, y, (((2,), (1,)), ((0,), (0,)))), (2, 4, 8), (2, 8, 3))
row("conv_general_dilated", lambda lax, x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME"), IMAGE, (4, 3, 3, 3))
row("fft", lambda lax, x: lax.fft(x, "RFFT", (8,)), V)
row("linalg.cholesky", lambda lax, x: lax.linalg.cholesky(x), SQUARE)
row("linalg.triangular_solve", lambda lax, a, b: lax.linalg.triangular_solve(a, b, left_side=True), SQUARE, M)
row("linalg.qr", lambda lax, x: lax.linalg.qr(x), SQUARE)

# --- control flow
row("cond", lambda lax, c, x: lax.cond(c > 0, lambda x: x + 1, lambda x: x * 2, x), SCALAR, V)
row("switch", lambda lax, i, x: lax.switch(i, [lambda x: x + 1, lambda x: x * 2, lambda x: -x], x), INDEX, V)
row("while_loop", lambda lax, x: lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] + 1, c[1] * 2), (0, x)), V)
row("fori_loop", lambda lax, x: lax.fori_loop(0, 9, lambda i, x: x * 2, x), V)
row("scan", lambda lax, x: lax.scan(lambda c, x: (c + x, c * x), x[0], x), V)


if __name__ == "__main__":
    suite.main()
