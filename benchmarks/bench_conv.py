"""How fast are convolutions? Forward and gradients, of the kinds that networks are made of; small images."""

import numpy as np
from harness import Suite, ready

suite = Suite("Convolutions")

CHANNELS_LAST = {3: ("NHC", "HIO", "NHC"), 4: ("NHWC", "HWIO", "NHWC"), 5: ("NDHWC", "DHWIO", "NDHWC")}


def drawn(jax, *shape):
    return jax.numpy.asarray(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


def convolution(jax, stride=1, groups=1, padding="SAME", transposed=False):
    """A function of an array and a kernel, channels last."""

    def f(x, w):
        strides, numbers = (stride,) * (x.ndim - 2), CHANNELS_LAST[x.ndim]
        if transposed:
            return jax.lax.conv_transpose(x, w, strides, padding, dimension_numbers=numbers)
        return jax.lax.conv_general_dilated(
            x, w, strides, padding, dimension_numbers=numbers, feature_group_count=groups
        )

    return f


def forward(jax, f, x, w):
    f, x, w = jax.jit(f), drawn(jax, *x), drawn(jax, *w)
    return lambda: ready(jax, f(x, w))


def gradient(jax, f, x, w, of):
    """The call for the cotangent of operand ``of``, 0 for the array and 1 for the kernel."""
    x, w = drawn(jax, *x), drawn(jax, *w)
    cotangent = drawn(jax, *jax.eval_shape(f, x, w).shape)
    other = (x, w)[1 - of]

    def pulled(other, ct):
        operands = [other, other]
        operands[of] = (x, w)[of]
        along = (lambda v: f(v, other)) if of == 0 else (lambda v: f(other, v))
        return jax.vjp(along, operands[of])[1](ct)[0]

    pulled = jax.jit(pulled)
    return lambda: ready(jax, pulled(other, cotangent))


# name: (convolution's options, shape of the array, of the kernel, bars of forward and the gradients by array and kernel)
KINDS = {
    "dense 3x3, 32 channels": ({}, (8, 14, 14, 32), (3, 3, 32, 32), (1.1, 1.1, 1.1)),
    "dense 3x3, stride 2": ({"stride": 2}, (8, 14, 14, 32), (3, 3, 32, 32), (1.1, 1.1, 1.1)),
    "depthwise 3x3": ({"groups": 64}, (4, 28, 28, 64), (3, 3, 1, 64), (0.1, 0.1, 0.25)),
    "depthwise 3x3, two for each": ({"groups": 32}, (4, 28, 28, 32), (3, 3, 1, 64), (0.2, None, None)),
    "depthwise of 4, sequences": ({"groups": 64}, (4, 256, 64), (4, 1, 64), (0.1, None, None)),
    "4 groups 3x3": ({"groups": 4}, (8, 14, 14, 32), (3, 3, 8, 32), (0.8, 0.8, 0.1)),
    "transposed 4x4, stride 2": (
        {"stride": 2, "transposed": True},
        (4, 14, 14, 32),
        (4, 4, 32, 32),
        (0.8, None, 0.2),
    ),
    "3-D 3x3x3": ({}, (1, 8, 16, 16, 16), (3, 3, 3, 16, 16), (0.4, 0.5, 0.4)),
    "one channel 15x15": ({}, (1, 128, 128, 1), (15, 15, 1, 1), (0.2, 0.2, 0.3)),
}

for name, (options, x, w, bars) in KINDS.items():
    for kind, bar in zip(("", ", gradient by array", ", gradient by kernel"), bars):
        if bar is not None:

            @suite.row(name + kind, bar)
            def setup(jax, options=options, x=x, w=w, kind=kind):
                f = convolution(jax, **options)
                if not kind:
                    return forward(jax, f, x, w)
                return gradient(jax, f, x, w, int("kernel" in kind))


if __name__ == "__main__":
    suite.main()
