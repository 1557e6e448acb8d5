"""Teaches small networks to read handwritten digits, in three ways that differ by one transformation each.

The data are the 1,797 scans of 8 x 8 pixels that come with scikit-learn. The same loss function, written
once in plain array code, is trained

1. as it stands, every operation run by itself: nothing to wait for, and every value can be printed and
   inspected;
2. with the whole step compiled by ``jit``;
3. with ``vmap(grad(...))``: the gradient of every single example, each cut to a greatest length before they
   are averaged, so that no one odd scan can pull the network its way (the core of differentially private
   training).

A second network then takes the place of the first, compiled by ``jit`` again: it sees the scans as images, by
convolutions and pooling.

Run it with ``make demo`` or ``python examples/digits.py``. It prints how fast each way goes, checks what
the network has learnt on scans that it never saw, and draws the loss curves and the misread digits.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import ferax as jax
import ferax.numpy as jnp
from ferax import lax

matplotlib.use("Agg")  # draw into a file, with or without a screen
from matplotlib import pyplot as plt

SIZES = (64, 128, 64, 10)
CHANNELS = (1, 16, 32)  # of the images, and after each convolution
BATCH = 64
LEARNING_RATE = 0.1
MOMENTUM = 0.9
CLIP = 2.0  # greatest length of one example's gradient in the third way
MIN_ACCURACY = {"jit": 0.96, "jit, convolutions": 0.975}


# --------------------------------------------------------------------------------------------- the networks


def init_params(key):
    """Weights for each pair of neighbouring layers, of the size that suits ReLU networks (He et al. 2015)."""
    layers = zip(SIZES, SIZES[1:])
    keys = jax.random.split(key, len(SIZES) - 1)
    return [
        {"w": jax.random.normal(k, (n, m)) * jnp.sqrt(2 / n), "b": jnp.zeros(m)}
        for k, (n, m) in zip(keys, layers)
    ]


def predict(params, image):
    """The scores of the ten digits for one image, or for a batch of them."""
    *hidden, last = params
    x = image
    for layer in hidden:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x @ last["w"] + last["b"]


def init_conv_params(key):
    """Kernels of 3 x 3 pixels, and weights that read the digit from the 2 x 2 pixels that pooling leaves."""
    *keys, last = jax.random.split(key, len(CHANNELS))
    layers = [
        {"w": jax.random.normal(k, (3, 3, n, m)) * jnp.sqrt(2 / (9 * n)), "b": jnp.zeros(m)}
        for k, n, m in zip(keys, CHANNELS, CHANNELS[1:])
    ]
    n = 2 * 2 * CHANNELS[-1]
    return [*layers, {"w": jax.random.normal(last, (n, 10)) * jnp.sqrt(2 / n), "b": jnp.zeros(10)}]


def conv_predict(params, images):
    """The scores of the ten digits for a batch of images: twice a convolution, then the largest of 2 x 2 pixels."""
    *hidden, last = params
    x = images.reshape(-1, 8, 8, 1)
    for layer in hidden:
        numbers = ("NHWC", "HWIO", "NHWC")  # which dimension is which: of the images, the kernel and the result
        x = lax.conv_general_dilated(x, layer["w"], (1, 1), "SAME", dimension_numbers=numbers)
        x = jax.nn.relu(x + layer["b"])
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return x.reshape(len(x), -1) @ last["w"] + last["b"]


def loss(params, images, labels, network=predict):
    """Mean cross-entropy in nats."""
    wanted = jax.nn.one_hot(labels, SIZES[-1])
    return -jnp.mean(jnp.sum(wanted * jax.nn.log_softmax(network(params, images)), axis=-1))


# -------------------------------------------------------------------------------------- three ways to train


def descend(params, velocity, grads):
    """One move of gradient descent with momentum."""
    velocity = jax.tree.map(lambda v, g: MOMENTUM * v - LEARNING_RATE * g, velocity, grads)
    return jax.tree.map(lambda p, v: p + v, params, velocity), velocity


def step(params, velocity, images, labels, network=predict):
    """A training step in plain array code. It runs as it is, and compiled by ``jit`` without a change."""
    value, grads = jax.value_and_grad(loss)(params, images, labels, network)
    return *descend(params, velocity, grads), value


def clipped_step(params, velocity, images, labels):
    """A training step that looks at each example's own gradient, and shortens those longer than ``CLIP``."""
    each = jax.vmap(jax.value_and_grad(loss), in_axes=(None, 0, 0))
    values, grads = each(params, images, labels)  # every leaf of grads has a leading axis of BATCH examples
    lengths = jnp.sqrt(sum(jnp.sum(g.reshape(BATCH, -1) ** 2, axis=1) for g in jax.tree.leaves(grads)))
    weights = jnp.minimum(1.0, CLIP / (lengths + 1e-6))
    grads = jax.tree.map(lambda g: jnp.tensordot(weights, g, axes=1) / BATCH, grads)
    return *descend(params, velocity, grads), jnp.mean(values)


@dataclass
class Run:
    """What came of one way of training."""

    name: str
    params: list
    losses: np.ndarray
    network: Callable


def train(name, step, params, images, labels, steps, network=predict):
    """Take ``steps`` steps over shuffled batches, show how it goes, and say how fast it went."""
    velocity = jax.tree.map(jnp.zeros_like, params)
    batches = shuffled_batches(len(images), steps)
    losses = []
    # disable=None: no bar where nobody watches, such as in a log.
    bar = tqdm(batches, desc=name, total=steps, unit="step", leave=False, disable=None)
    start = perf_counter()
    for i, rows in enumerate(bar):
        params, velocity, value = step(params, velocity, images[rows], labels[rows])
        losses.append(value)  # not a float yet: asking for the number would make Python wait for every step
        if i == 0:
            value.block_until_ready()
            first = perf_counter() - start
    jax.block_until_ready(params)
    seconds = perf_counter() - start
    losses = np.array(jax.device_get(losses))
    print(
        f"{name:22} {(steps - 1) / (seconds - first):9,.0f} steps/s   first step {1000 * first:6.0f} ms"
        f"   {steps:5} steps in {seconds:5.2f} s   loss {losses[:20].mean():.3f} -> {losses[-20:].mean():.3f}"
    )
    return Run(name, params, losses, network)


def shuffled_batches(examples, steps):
    """``steps`` arrays of BATCH row numbers: pass after pass over the examples, in a new order each time."""
    rng = np.random.default_rng(0)
    per_pass = examples // BATCH
    for i in range(steps):
        if i % per_pass == 0:
            order = rng.permutation(examples)
        yield order[i % per_pass * BATCH :][:BATCH]


# ------------------------------------------------------------------------------------------------ the picture


def draw(runs, images, labels, guesses, path):
    """Loss curves on the left; on the right the scans that the network trained by ``jit`` misread."""
    figure = plt.figure(figsize=(12, 5), layout="constrained")
    curves, gallery = figure.subfigures(1, 2, width_ratios=(3, 2))

    axes = curves.subplots()
    for run, width in zip(runs, (5, 1.5, 1.5, 1.5)):  # the first two coincide: one is drawn around the other
        window = min(25, len(run.losses))
        smooth = np.convolve(run.losses, np.ones(window) / window, mode="valid")
        axes.plot(np.arange(len(smooth)) + window, smooth, label=run.name, linewidth=width)
    axes.set(xlabel="step", ylabel="training loss (nats, running mean)", xscale="log", yscale="log")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)

    wrong = np.flatnonzero(guesses != labels)
    gallery.suptitle(f"{len(wrong)} of {len(labels)} test digits misread")
    columns = 4
    rows = max(1, -(-len(wrong) // columns))
    for axes in gallery.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, i in zip(gallery.axes, wrong):
        axes.imshow(images[i].reshape(8, 8), cmap="gray_r")
        axes.set_title(f"{labels[i]}, read as {guesses[i]}", fontsize=8)

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/digits.png"), help="where the picture goes")
    out = parser.parse_args().out

    pixels, digits = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)  # from 0..16 to 0..1
    train_x, test_x, train_y, test_y = train_test_split(
        pixels, digits.astype(np.int32), test_size=0.2, random_state=0, stratify=digits
    )
    print(
        f"Ferax {jax.__version__} on {jax.devices()[0]}: {len(train_x)} digits to learn from, {len(test_x)} to test"
    )

    params = init_params(jax.random.key(0))
    conv_params = init_conv_params(jax.random.key(0))
    conv_step = jax.jit(partial(step, network=conv_predict))
    runs = [
        train("as it stands", step, params, train_x, train_y, steps=200),
        train("jit", jax.jit(step), params, train_x, train_y, steps=1500),
        train("jit, vmap(grad), clip", jax.jit(clipped_step), params, train_x, train_y, steps=1500),
        train("jit, convolutions", conv_step, conv_params, train_x, train_y, steps=600, network=conv_predict),
    ]
    accuracy = {}
    for run in runs:
        guesses = np.asarray(jnp.argmax(run.network(run.params, test_x), axis=-1))
        accuracy[run.name] = np.mean(guesses == test_y)
        print(f"{run.name:22} {accuracy[run.name]:9.2%} of the test digits read right")
        if run.name == "jit":
            draw(runs, test_x, test_y, guesses, out)
    print(f"Loss curves and misread digits: {out}")
    for name, least in MIN_ACCURACY.items():
        assert accuracy[name] >= least, (
            f"test accuracy {accuracy[name]:.2%} of {name!r} is below {least:.1%}: something is broken"
        )


if __name__ == "__main__":
    main()
