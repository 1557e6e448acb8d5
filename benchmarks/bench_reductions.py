"""What do reductions over windows, cumulative operations and the search for extrema cost, under ``jit`` on the CPU?

The axis of a cumulative operation is named as in ``(512, [1000])``: the brackets are around it. Pooling takes
windows of 2x2 and 3x3 over images with channels last.
"""

from functools import partial

import numpy as np
from harness import Suite

suite = Suite("Windows, cumulative operations and extrema")


def numbers(jax, *shape):
    """Normal float32 numbers."""
    return jax.numpy.asarray(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


def jitted(jax, f, *args):
    """The call ``f(*args)``, compiled."""
    f = jax.jit(f)
    return lambda: f(*args)


# --- cumulative operations ----------------------------------------------------------------------------------

FIRST, MIDDLE, LAST = ((1000, 512), 0), ((50, 200, 100), 1), ((512, 1000), 1)
LONG = ((200_000,), 0)


def described(shape, axis):
    return "(" + ", ".join(f"[{n}]" if i == axis else str(n) for i, n in enumerate(shape)) + ")"


def cumulative(name, shape, axis, bar):
    @suite.row(f"{name} {described(shape, axis)}", bar)
    def row(jax):
        return jitted(jax, partial(getattr(jax.lax, name), axis=axis), numbers(jax, *shape))


def cumulative_gradient(name, shape, axis, bar):
    @suite.row(f"gradient of {name} {described(shape, axis)}", bar)
    def row(jax):
        f = partial(getattr(jax.lax, name), axis=axis)
        return jitted(jax, jax.grad(lambda x: (f(x) ** 2).sum()), numbers(jax, *shape))


for name in ("cumsum", "cumprod", "cummax", "cumlogsumexp"):
    for where, bar in ((FIRST, 0.1), (MIDDLE, 0.1), (LAST, 1.1), (LONG, 1.1)):
        cumulative(name, *where, bar)
    cumulative_gradient(name, *FIRST, 1.1)


# --- where the extremum is ----------------------------------------------------------------------------------


def extremum(name, shape, axis):
    @suite.row(f"{name} {described(shape, axis) if axis is not None else f'{shape}, flat'}", 0.4)
    def row(jax):
        return jitted(jax, partial(getattr(jax.numpy, name), axis=axis), numbers(jax, *shape))


for name in ("argmax", "argmin"):
    for axis in (0, 1, None):
        extremum(name, (1000, 512), axis)


# --- pooling ------------------------------------------------------------------------------------------------


def pooling(jax, kind, window, stride, padding):
    init, combine = (-np.inf, jax.lax.max) if kind == "max" else (0.0, jax.lax.add)
    sizes, strides = (1, window, window, 1), (1, stride, stride, 1)
    return lambda x: jax.lax.reduce_window(x, init, combine, sizes, strides, padding)


def pools(kind, window, stride, padding, bar, gradient_bar):
    what = f"pool {window}x{window}, stride {stride}, {padding}"

    @suite.row(f"{kind} {what}", bar)
    def forward(jax):
        return jitted(jax, pooling(jax, kind, window, stride, padding), numbers(jax, 4, 56, 56, 64))

    @suite.row(f"gradient of {kind} {what}", gradient_bar)
    def gradient(jax):
        f, x = pooling(jax, kind, window, stride, padding), numbers(jax, 4, 56, 56, 64)
        ct = f(x)
        return jitted(jax, lambda x, ct: jax.vjp(f, x)[1](ct)[0], x, ct)


for kind, gradient_bar in (("max", 0.1), ("sum", 1.1)):
    pools(kind, 2, 2, "VALID", 1.1, gradient_bar)
    pools(kind, 3, 2, "SAME", 1.1, gradient_bar)


if __name__ == "__main__":
    suite.main()
