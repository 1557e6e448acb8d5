"""What do transformations cost outside of ``jit``? The way that people write and debug them first."""

import workloads
from harness import Suite, ready

suite = Suite("Transformations without jit")


def total(jax):
    jnp = jax.numpy
    return lambda x: jnp.sum(jnp.sin(x) ** 2)


@suite.row("grad(sum(sin(x)**2))(x)", bar=0.15)
def gradient(jax):
    x, grad = jax.numpy.linspace(0.0, 1.0, 8), jax.grad(total(jax))
    return lambda: grad(x)


@suite.row("hessian(sum(sin(x)**2))(x)", bar=0.15)
def hessian(jax):
    x, hessian = jax.numpy.linspace(0.0, 1.0, 8), jax.hessian(total(jax))
    return lambda: hessian(x)


@suite.row("vmap(sin(x) * 2)(x)", bar=0.15)
def vectorised(jax):
    jnp = jax.numpy
    x, mapped = jnp.linspace(0.0, 1.0, 8), jax.vmap(lambda x: jnp.sin(x) * 2)
    return lambda: mapped(x)


@suite.row("MLP training step", bar=0.6)
def training_step(jax):
    loss, params, data = workloads.mlp(jax, sizes=(64, 128, 128, 10), batch=64)
    step = workloads.sgd_step(jax, loss)
    return lambda: ready(jax, step(params, *data))


if __name__ == "__main__":
    suite.main()
