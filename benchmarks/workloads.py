"""The networks that the benchmarks trace and train, each written once for any library with JAX's face.

Every function takes the library (``ferax`` or ``jax``) as its first argument and uses nothing but its
public names, so that both libraries run the same program to the letter. Parameters and data come from NumPy
with a fixed seed: the two start from the same numbers.
"""

import numpy as np


def draw(lib, seed, *shape):
    """Normal numbers of ``shape``, scaled so that a product over the next-to-last axis keeps its variance."""
    fan_in = shape[-2] if len(shape) > 1 else shape[-1]
    values = np.random.default_rng(seed).standard_normal(shape) / np.sqrt(fan_in)
    return lib.numpy.asarray(values, dtype=lib.numpy.float32)


def sgd_step(lib, loss, learning_rate=0.01):
    """One step of gradient descent on ``loss(params, *data)``, not yet jitted."""

    def step(params, *data):
        value, grads = lib.value_and_grad(loss)(params, *data)
        return lib.tree.map(lambda p, g: p - learning_rate * g, params, grads), value

    return step


# ------------------------------------------------------------------------------------------------ a plain MLP


def mlp(lib, sizes, batch):
    """``loss, params, data`` of a ReLU network with softmax cross-entropy over ``sizes[-1]`` classes."""
    jnp = lib.numpy
    params = [
        {"w": draw(lib, i, n, m), "b": jnp.zeros(m, jnp.float32)}
        for i, (n, m) in enumerate(zip(sizes, sizes[1:]))
    ]
    x = draw(lib, 100, batch, sizes[0])
    labels = jnp.asarray(np.random.default_rng(101).integers(0, sizes[-1], batch), dtype=jnp.int32)

    def loss(params, x, labels):
        *hidden, last = params
        for layer in hidden:
            x = lib.nn.relu(x @ layer["w"] + layer["b"])
        log_probs = lib.nn.log_softmax(x @ last["w"] + last["b"])
        return -jnp.mean(jnp.sum(log_probs * lib.nn.one_hot(labels, sizes[-1]), axis=-1))

    return loss, params, (x, labels)


# -------------------------------------------------------------------------------- a decoder-only transformer


def transformer(lib, layers, width, heads, vocabulary, length, batch):
    """``loss, params, data`` of a pre-norm causal transformer that predicts the next token."""
    jnp, nn = lib.numpy, lib.nn
    depth = width // heads

    def block_params(seed):
        return {
            "norm1": {"scale": jnp.ones(width), "bias": jnp.zeros(width)},
            "qkv": {"w": draw(lib, seed, width, 3 * width), "b": jnp.zeros(3 * width)},
            "out": {"w": draw(lib, seed + 1, width, width), "b": jnp.zeros(width)},
            "norm2": {"scale": jnp.ones(width), "bias": jnp.zeros(width)},
            "up": {"w": draw(lib, seed + 2, width, 4 * width), "b": jnp.zeros(4 * width)},
            "down": {"w": draw(lib, seed + 3, 4 * width, width), "b": jnp.zeros(width)},
        }

    params = {
        "tokens": draw(lib, 0, vocabulary, width),
        "positions": draw(lib, 1, length, width),
        "blocks": [block_params(10 * (i + 1)) for i in range(layers)],
        "norm": {"scale": jnp.ones(width), "bias": jnp.zeros(width)},
    }
    text = np.random.default_rng(5).integers(0, vocabulary, (batch, length + 1))
    tokens, targets = (jnp.asarray(t, dtype=jnp.int32) for t in (text[:, :-1], text[:, 1:]))

    def dense(p, x):
        return x @ p["w"] + p["b"]

    def layer_norm(p, x):
        mean = jnp.mean(x, axis=-1, keepdims=True)
        variance = jnp.mean(jnp.square(x - mean), axis=-1, keepdims=True)
        return (x - mean) / jnp.sqrt(variance + 1e-5) * p["scale"] + p["bias"]

    def attention(p, x):
        q, k, v = jnp.split(dense(p["qkv"], x), 3, axis=-1)
        q, k, v = (a.reshape(batch, length, heads, depth).transpose(0, 2, 1, 3) for a in (q, k, v))
        scores = q @ jnp.swapaxes(k, -1, -2) / np.sqrt(depth).astype(np.float32)
        causal = jnp.tril(jnp.ones((length, length), dtype=bool))
        weights = nn.softmax(jnp.where(causal, scores, -1e9), axis=-1)
        mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(batch, length, width)
        return dense(p["out"], mixed)

    def loss(params, tokens, targets):
        x = params["tokens"][tokens] + params["positions"]
        for p in params["blocks"]:
            x = x + attention(p, layer_norm(p["norm1"], x))
            x = x + dense(p["down"], nn.gelu(dense(p["up"], layer_norm(p["norm2"], x))))
        log_probs = nn.log_softmax(layer_norm(params["norm"], x) @ params["tokens"].T)
        return -jnp.mean(jnp.take_along_axis(log_probs, targets[..., None], axis=-1))

    return loss, params, (tokens, targets)


# -------------------------------------------------------------------------------------- a recurrent network


def rnn(lib, width, features, length, batch):
    """``loss, params, data`` of a gated recurrent network over a sequence, its time loop a ``lax.scan``."""
    jnp = lib.numpy
    params = {
        "input": draw(lib, 0, features, 2 * width),
        "state": draw(lib, 1, width, 2 * width),
        "bias": jnp.zeros(2 * width),
        "readout": draw(lib, 2, width, features),
    }
    xs = draw(lib, 3, length, batch, features)
    ys = draw(lib, 4, length, batch, features)

    def loss(params, xs, ys):
        def step(h, x):
            gate, candidate = jnp.split(
                x @ params["input"] + h @ params["state"] + params["bias"], 2, axis=-1
            )
            gate = lib.nn.sigmoid(gate)
            h = gate * h + (1 - gate) * jnp.tanh(candidate)
            return h, h @ params["readout"]

        _, predictions = lib.lax.scan(step, jnp.zeros((batch, width)), xs)
        return jnp.mean(jnp.square(predictions - ys))

    return loss, params, (xs, ys)
