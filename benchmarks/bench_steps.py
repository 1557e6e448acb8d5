"""Does the compiled program run as fast? Whole jitted training steps, from the call to the last array."""

import workloads
from harness import Suite, ready

suite = Suite("Jitted training steps")


def jitted_step(jax, workload):
    loss, params, data = workload
    step = jax.jit(workloads.sgd_step(jax, loss))
    return lambda: ready(jax, step(params, *data))


@suite.row("MLP, 784-512-256-10, batch 128", bar=1.0)
def mlp(jax):
    return jitted_step(jax, workloads.mlp(jax, sizes=(784, 512, 256, 10), batch=128))


@suite.row("transformer, 2 layers of 128, 8 x 64 tokens", bar=0.9)
def transformer(jax):
    return jitted_step(
        jax, workloads.transformer(jax, 2, width=128, heads=4, vocabulary=256, length=64, batch=8)
    )


@suite.row("scan RNN, 64 steps of 128, batch 32", bar=1.0)
def rnn(jax):
    return jitted_step(jax, workloads.rnn(jax, width=128, features=32, length=64, batch=32))


if __name__ == "__main__":
    suite.main()
