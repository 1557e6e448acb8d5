"""Is the array API as quick under ``jit`` as in JAX? Each common function on a thousand and on a million numbers.

A row is an expression. The names in it say what it is given, and each is an argument of the jitted function:

* ``x, y, z`` single precision in (-3, 3), ``p, q`` positive, ``u`` in (-1, 1), ``c`` complex: ``n`` of each;
* ``i, j`` indices below ``n``, ``a, b`` truth values: ``n`` of each; ``e`` the same as ``x``, sorted;
* ``m, w`` matrices of ``r`` times ``r`` with ``r`` the root of ``n``; ``s`` one that is symmetric and positive definite;
* ``t`` a table of ``n / 8`` rows of 8, ``v`` a vector of ``r``, ``g`` an image of ``r`` times ``r``,
  ``h`` queries of (1, r, 4, 8);
* ``key`` for ``random``.

A call with a thousand numbers is mostly dispatch, so those calls follow each other without waiting.
"""

import math
import re

import numpy as np

from harness import Suite

SMALL, LARGE = 1_000, 1_000_000
BAR = 1.1
suite = Suite("The array API under jit", geometric_mean_bar=1.0, turns=20)

# Expressions for both sizes; a number in front is what takes the place of a million, where that would need more
# than about 50 ms.
ELEMENTWISE = """
    jnp.abs(x) | x + y | x - y | x * y | x / p | x // p | jnp.mod(x, p) | jnp.fmod(x, p) | jnp.power(p, x) | x ** 2
    jnp.sqrt(p) | jnp.square(x) | jnp.reciprocal(p) | jnp.exp(x) | jnp.exp2(x) | jnp.expm1(x) | jnp.log(p)
    jnp.log1p(p) | jnp.log2(p) | jnp.log10(p) | jnp.sin(x) | jnp.cos(x) | jnp.tan(x) | jnp.arcsin(u) | jnp.arctan(x)
    jnp.arctan2(x, y) | jnp.sinh(x) | jnp.cosh(x) | jnp.tanh(x) | jnp.arctanh(u) | jnp.arcsinh(x) | jnp.hypot(x, y)
    jnp.sign(x) | jnp.floor(x) | jnp.ceil(x) | jnp.round(x) | jnp.round(x, 2) | jnp.trunc(x) | jnp.maximum(x, y)
    jnp.minimum(x, y) | jnp.clip(x, -1.0, 1.0) | jnp.logaddexp(x, y) | jnp.isnan(x) | jnp.isinf(x) | jnp.isfinite(x)
    jnp.isclose(x, y) | jnp.nan_to_num(x) | jnp.where(a, x, y) | jnp.logical_and(a, b) | jnp.logical_not(a) | x == y
    x > y | jnp.bitwise_and(i, j) | i << 2 | jnp.heaviside(x, y) | jnp.copysign(x, y) | jnp.sinc(x) | jnp.deg2rad(x)
    jnp.conj(c) | jnp.real(c) | jnp.angle(c) | jnp.abs(c) | c * c | jnp.exp(c) | jnp.divmod(x, p) | jnp.modf(x)
    jnp.i0(x) | jnp.ldexp(x, i & 7) | jnp.gcd(i, j) | x.astype(jnp.int32) | x.astype(jnp.bfloat16)
    jnp.select([a, b], [x, y], 0.0) | jnp.polyval(v[:5], x) | jnp.float_power(p, x)
"""
REDUCTIONS = """
    jnp.sum(x) | jnp.sum(m, 0) | jnp.sum(m, 1) | jnp.mean(x) | jnp.mean(m, 0) | jnp.mean(m, 1) | jnp.prod(u)
    jnp.max(x) | jnp.max(m, 0) | jnp.max(m, 1) | jnp.min(x) | jnp.all(a) | jnp.any(a) | jnp.argmax(x)
    jnp.argmax(m, 0) | jnp.argmax(m, 1) | jnp.argmin(x) | jnp.var(x) | jnp.var(m, 0) | jnp.std(x) | jnp.std(m, 1)
    jnp.ptp(x) | jnp.nansum(x) | jnp.nanmean(x) | jnp.nanmax(x) | jnp.nanargmax(x) | jnp.count_nonzero(a)
    jnp.average(x, weights=p) | jnp.cumsum(x) | jnp.cumsum(m, 0) | jnp.cumsum(m, 1) | jnp.cumprod(u) | jnp.median(x)
    jnp.median(m, 1) | jnp.quantile(x, 0.3) | jnp.percentile(m, 30.0, axis=1) | jnp.allclose(x, y)
    jnp.array_equal(x, y) | jnp.trapezoid(x) | jnp.cov(m) | jnp.corrcoef(m) | x.sum(dtype=jnp.int32)
"""
SHAPES = """
    x.reshape(-1, 8) | jnp.ravel(m) | m.T | jnp.swapaxes(t.reshape(-1, 2, 4), 0, 1) | jnp.moveaxis(t, 0, -1)
    jnp.concatenate([x, y]) | jnp.concatenate([m, w], 1) | jnp.stack([x, y]) | jnp.stack([x, y], -1)
    jnp.vstack([m, w]) | jnp.hstack([x, y]) | jnp.column_stack([x, y]) | jnp.dstack([x, y]) | jnp.split(x, 4)
    jnp.array_split(x, 3) | jnp.tile(x, 3) | jnp.tile(m, (2, 2)) | jnp.repeat(x, 3) | jnp.repeat(m, 2, axis=0)
    jnp.repeat(m, 2, axis=1) | jnp.flip(x) | jnp.fliplr(m) | jnp.roll(x, 5) | jnp.roll(m, 3, axis=1)
    jnp.roll(x, i[0]) | jnp.pad(x, 3) | jnp.pad(m, 2, mode='edge') | jnp.pad(m, 2, mode='reflect')
    jnp.broadcast_to(v, (r, r)) | jnp.expand_dims(x, 1) | jnp.squeeze(x[None]) | jnp.rot90(m) | jnp.diag(v)
    jnp.diag(m) | jnp.diagonal(m) | jnp.trace(m) | jnp.tril(m) | jnp.triu(m, 1) | jnp.meshgrid(v, v)
    jnp.append(x, y) | jnp.kron(v, v) | jnp.atleast_2d(x) | jnp.insert(x, 5, 1.0) | jnp.delete(x, 5) | jnp.zeros(n)
    jnp.ones(n) | jnp.full(n, 2.0) | jnp.zeros_like(x) | jnp.full_like(x, 3.0) | jnp.arange(n)
    jnp.linspace(0.0, 1.0, n) | jnp.logspace(0.0, 1.0, n) | jnp.eye(r) | jnp.identity(r) | jnp.indices((r, r))
    jnp.tri(r) | jnp.vander(v, 8) | jnp.array([x, y])
"""
INDEXING = """
    jnp.take(x, i) | x[i] | t[i // 8] | jnp.take(t, i // 8, axis=0, mode='clip')
    jnp.take_along_axis(m, i[:r * r].reshape(r, r) % r, 1) | x[::2] | x[::-1] | x[1:] - x[:-1] | m[:, 3] | m[i[0]]
    x.at[i].set(y) | x.at[i].add(y) | x.at[3].set(1.0) | x.at[2:-2].add(1.0) | m.at[:, 0].set(v)
    jnp.where(a, x, 0.0).sum() | jnp.nonzero(a, size=n) | jnp.argwhere(a, size=n) | jnp.searchsorted(e, x)
    jnp.searchsorted(e[:100], x) | jnp.digitize(x, e[:100]) | jnp.histogram(x, 20) | jnp.bincount(i % 64, length=64)
    jnp.interp(x, e, y) | 100000 jnp.sort(x) | jnp.sort(m, 1) | 100000 jnp.argsort(x) | jnp.argsort(m, 1)
    100000 jnp.lexsort((i, j)) | 100000 jnp.partition(x, 5) | 100000 jnp.unique(i, size=n) | jnp.diff(x)
    jnp.gradient(x) | jnp.ediff1d(x) | jnp.convolve(x, v[:9]) | jnp.correlate(x, v[:9], mode='same')
    jnp.isin(i, j[:30]) | jnp.compress(a, x, size=n) | lax.top_k(m, 4) | lax.dynamic_slice(x, i[:1], (8,))
    lax.dynamic_update_slice(x, y[:8], i[:1]) | jax.ops.segment_sum(x, i % 64, 64)
    jax.vmap(lambda k: lax.dynamic_slice(x, (k,), (8,)))(i[:n // 8])
"""
PRODUCTS = """
    jnp.dot(x, y) | m @ v | 250000 m @ w | jnp.vdot(x, y) | jnp.inner(x, y) | jnp.outer(v, v)
    250000 jnp.tensordot(m, w, 1) | 250000 jnp.einsum('ij,kj->ik', m, w) | jnp.einsum('ij,ij->i', m, w)
    jnp.einsum('i,j->ij', v, v) | jnp.cross(x[:n // 3 * 3].reshape(-1, 3), y[:n // 3 * 3].reshape(-1, 3))
    jnp.matmul(x[:n // 16 * 16].reshape(-1, 4, 4), y[:n // 16 * 16].reshape(-1, 4, 4)) | jnp.linalg.norm(x)
    jnp.linalg.norm(m, axis=1) | jnp.linalg.norm(x, 1) | jnp.linalg.vector_norm(x) | 90000 jnp.linalg.inv(s)
    90000 jnp.linalg.solve(s, v) | 90000 jnp.linalg.solve(s, m) | 90000 jnp.linalg.det(s)
    90000 jnp.linalg.slogdet(s) | 90000 jnp.linalg.cholesky(s) | 40000 jnp.linalg.qr(m) | 10000 jnp.linalg.svd(m)
    10000 jnp.linalg.svd(m, compute_uv=False) | 10000 jnp.linalg.eigh(s) | 10000 jnp.linalg.eigvalsh(s)
    2500 jnp.linalg.eig(m) | 10000 jnp.linalg.pinv(m) | 10000 jnp.linalg.lstsq(m, v)
    10000 jnp.linalg.matrix_rank(m) | 90000 jnp.linalg.matrix_power(m, 3) | 10000 jnp.linalg.cond(m)
    90000 jnp.linalg.multi_dot([m, w, m]) | jnp.linalg.inv(jnp.eye(3) + u[:n // 9 * 9].reshape(-1, 3, 3))
    jnp.linalg.det(u[:n // 9 * 9].reshape(-1, 3, 3)) | jnp.linalg.cholesky(s[:3, :3] + jnp.zeros((n // 90, 1, 1)))
    90000 jnp.linalg.tensorsolve(s, v)
"""
FFT = """
    jnp.fft.fft(c) | jnp.fft.ifft(c) | jnp.fft.rfft(x) | jnp.fft.irfft(c) | jnp.fft.fft2(m) | jnp.fft.ifft2(m)
    jnp.fft.fftn(m) | jnp.fft.rfft2(m) | jnp.fft.fft(m, axis=0) | jnp.fft.fft(m, norm='ortho') | jnp.fft.fftshift(c)
    jnp.fft.ifftshift(m) | jnp.fft.fftfreq(n) | jnp.fft.rfftfreq(n)
"""
NN = """
    nn.relu(x) | nn.relu6(x) | nn.leaky_relu(x) | nn.elu(x) | nn.selu(x) | nn.celu(x) | nn.gelu(x)
    nn.gelu(x, approximate=False) | nn.silu(x) | nn.sigmoid(x) | nn.hard_sigmoid(x) | nn.hard_tanh(x)
    nn.softplus(x) | nn.log_sigmoid(x) | nn.mish(x) | nn.softmax(x) | nn.softmax(m) | nn.softmax(m, axis=0)
    nn.log_softmax(m) | nn.logsumexp(m, axis=1) | nn.standardize(m) | nn.glu(t) | nn.one_hot(i[:n // 8] % 8, 8)
    10000 nn.dot_product_attention(h, h, h) | 10000 nn.dot_product_attention(h, h, h, is_causal=True)
    jax.grad(lambda x: nn.softmax(x).max())(x) | jax.grad(lambda x: nn.gelu(x).sum())(x) | nn.soft_sign(x)
    nn.squareplus(x)
"""
RANDOM = """
    random.key(i[0]) | random.split(key) | random.split(key, n // 10) | random.fold_in(key, 3)
    random.bits(key, (n,)) | random.uniform(key, (n,)) | random.normal(key, (n,)) | random.bernoulli(key, 0.3, (n,))
    random.randint(key, (n,), 0, 100) | random.categorical(key, m) | random.exponential(key, (n,))
    100000 random.permutation(key, n) | 100000 random.permutation(key, x) | random.choice(key, x, (n,))
    random.choice(key, 10, (n,), p=nn.softmax(x[:10])) | random.gumbel(key, (n,)) | random.laplace(key, (n,))
    random.truncated_normal(key, -2.0, 2.0, (n,)) | 100000 random.gamma(key, 2.0, (n,))
    20000 random.beta(key, 2.0, 3.0, (n,)) | 100000 random.poisson(key, 3.0, (n,)) | random.cauchy(key, (n,))
    random.logistic(key, (n,)) | random.rademacher(key, (n,))
    random.multivariate_normal(key, v[:3], s[:3, :3], (n // 10,)) | 20000 random.dirichlet(key, p[:4], (n // 4,))
    20000 random.t(key, 3.0, (n,)) | random.rayleigh(key, p) | random.orthogonal(key, r // 10)
    random.normal(key, (n,), jnp.bfloat16) | random.multivariate_normal(key, v[:3], s[:3, :3])
"""
IMAGE = """
    image.resize(g, (r * 2, r * 2), 'bilinear') | image.resize(g, (r * 2, r * 2), 'nearest')
    image.resize(g, (r // 2, r // 2), 'bilinear') | image.resize(g, (r // 2, r // 2), 'linear', antialias=False)
    image.resize(g, (r // 2 * 3, r), 'cubic') | image.resize(g, (r // 2, r // 2), 'lanczos3')
    image.scale_and_translate(g, (r, r), (0, 1), jnp.ones(2) * 0.9, jnp.ones(2), 'linear')
"""
FAMILIES = {
    "elementwise": ELEMENTWISE,
    "reductions": REDUCTIONS,
    "shapes": SHAPES,
    "indexing": INDEXING,
    "products": PRODUCTS,
    "fft": FFT,
    "nn": NN,
    "random": RANDOM,
    "image": IMAGE,
}


def operands(jax, n: int) -> dict:
    """Every name that an expression may use and that is an argument of it: a function that draws it."""
    rng, r = np.random.default_rng(0), math.isqrt(n)
    jnp = jax.numpy

    def floats(low, high, *shape):
        return lambda: jnp.asarray(rng.uniform(low, high, shape), jnp.float32)

    def indices():
        return jnp.asarray(rng.integers(0, n, n), jnp.int32)

    def definite():
        half = rng.uniform(-1, 1, (r, r))
        return jnp.asarray(half @ half.T + r * np.eye(r), jnp.float32)

    names = dict.fromkeys("xyz", floats(-3, 3, n)) | dict.fromkeys("pq", floats(0.01, 3, n))
    names |= dict.fromkeys("ij", indices) | dict.fromkeys("ab", lambda: jnp.asarray(rng.random(n) < 0.5))
    names |= dict.fromkeys("mwg", floats(-1, 1, r, r)) | {"v": floats(-1, 1, r), "u": floats(-1, 1, n)}
    names["t"] = floats(-1, 1, n // 8, 8)
    names["h"] = floats(-1, 1, 1, r, 4, 8)
    names["c"] = lambda: floats(-1, 1, n)() + 1j * floats(-1, 1, n)()
    names["e"] = lambda: jnp.sort(floats(-3, 3, n)())
    names["s"] = definite
    names["key"] = lambda: jax.random.key(0)
    return names


def setup(expression: str, n: int):
    def prepare(jax):
        draws = operands(jax, n)
        used = [name for name in draws if re.search(rf"(?<![\w.]){name}(?!\w|=)", expression)]
        used = used or ["x"]  # a function without arguments is called otherwise; bench_dispatch has one
        r = math.isqrt(n)
        spaces = {"jax": jax, "jnp": jax.numpy, "lax": jax.lax, "nn": jax.nn, "random": jax.random, "image": jax.image}
        function = jax.jit(eval(f"lambda {', '.join(used)}: {expression}", spaces | {"n": n, "r": r}))
        given = [draws[name]() for name in used]
        if n == SMALL:
            return lambda: function(*given)

        def call():
            result = function(*given)
            first = result[0] if isinstance(result, (tuple, list)) else result
            return first.block_until_ready()

        return call

    return prepare


for family, text in FAMILIES.items():
    for cell in re.split(r"[|\n]", text):
        if cell := cell.strip():
            count, expression = re.fullmatch(r"(\d+ )?(.*)", cell).groups()
            for size in (SMALL, int(count or LARGE)):
                suite.row(f"{family}, {size:.0e}: {expression}".replace("e+0", "e"), BAR)(setup(expression, size))


if __name__ == "__main__":
    suite.main()
