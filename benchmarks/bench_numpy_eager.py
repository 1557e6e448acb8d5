"""What do the functions that programs call most cost outside of ``jit``, on small arrays?

The functions are the sixty of ``jax.numpy``, ``jax.nn``, ``jax.random`` and the indexed updates that the libraries built
on JAX call most, counted over their sources; `bench_numpy_tracing` has the same ones.
"""

from harness import Suite

suite = Suite("Eager calls of the array API", geometric_mean_bar=0.9, turns=20)

# By the number of libraries that call them. x, y: vectors of 8; m, w: 4 by 4; i: indices; a, b: truth values.
CALLS = """
    jnp.asarray(x) | jnp.array([1.0, 2.0]) | jnp.zeros((4, 4)) | jnp.concatenate([x, y]) | jnp.where(a, x, y) | jnp.sum(x)
    jnp.ones(8) | jnp.stack([x, y]) | jnp.arange(8) | jnp.expand_dims(x, 0) | jnp.max(x) | jnp.sqrt(x) | jnp.abs(x)
    jnp.zeros_like(x) | x.at[0].set(1.0) | jnp.dot(m, w) | jnp.ones_like(x) | jnp.isfinite(x) | jnp.eye(4)
    jnp.broadcast_to(x, (4, 8)) | jnp.maximum(x, y) | jnp.reshape(x, (2, 4)) | jnp.mean(x) | random.normal(key, (8,))
    jnp.minimum(x, y) | jnp.all(a) | jnp.repeat(x, 2) | jnp.squeeze(m[None]) | jnp.any(a) | random.PRNGKey(0)
    random.split(key) | jnp.exp(x) | jnp.square(x) | jnp.clip(x, 0.0, 1.0) | jnp.einsum('ij,jk->ik', m, w) | jnp.full(8, 2.0)
    nn.relu(x) | jnp.logical_and(a, b) | jnp.sign(x) | jnp.split(x, 2) | jnp.power(x, y) | random.uniform(key, (8,))
    jnp.matmul(m, w) | jnp.diag(x) | jnp.moveaxis(m, 0, 1) | jnp.pad(x, 2) | jnp.isinf(x) | jnp.log(x) | jnp.isnan(x)
    jnp.linalg.norm(x) | jnp.transpose(m) | jnp.cos(x) | jnp.conj(x) | random.bernoulli(key, 0.5, (8,)) | jnp.cumsum(x)
    nn.one_hot(i, 8) | jnp.take(x, i) | nn.sigmoid(x) | jnp.argmax(x) | jnp.tanh(x)
"""


def calls() -> list[str]:
    return [cell.strip() for line in CALLS.strip().splitlines() for cell in line.split("|")]


def operands(jax) -> dict:
    jnp = jax.numpy
    x = jnp.asarray([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])
    m = jnp.arange(16.0).reshape(4, 4)
    return {"x": x, "y": x[::-1], "m": m, "w": m + 1, "i": jnp.asarray([0, 3, 2]), "a": x > 2, "b": x > 4,
            "key": jax.random.key(0)}


def spaces(jax) -> dict:
    return {"jax": jax, "jnp": jax.numpy, "nn": jax.nn, "random": jax.random}


for call in calls():
    def setup(jax, call=call):
        return eval(f"lambda: {call}", spaces(jax) | operands(jax))

    suite.row(call)(setup)


if __name__ == "__main__":
    suite.main()
