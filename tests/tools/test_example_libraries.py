"""`ferax.example_libraries`: steps of the optimizers against NumPy, layers against their definitions, JAX's first parameters."""

import math

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax.example_libraries import optimizers, stax

RNG = np.random.default_rng(0)
PARAMS = {"w": RNG.normal(size=(3, 4)).astype(np.float32), "b": (RNG.normal(size=4).astype(np.float32),)}
GRADS = [{"w": RNG.normal(size=(3, 4)).astype(np.float32), "b": (RNG.normal(size=4).astype(np.float32),)} for _ in range(3)]
GRADS[0]["w"][0, 1] = 0.                        # a weight without a gradient yet
KEY = ferax.random.key(3)


# --- optimizers, each again in double precision ------------------------------------------------

def _root(s):
    return np.where(s > 0, 1 / np.sqrt(np.where(s > 0, s, 1)), 0)


def _sgd(x, grads):
    for g in grads:
        x = x - .1 * g
    return x


def _momentum(x, grads, nesterov=False):
    v = 0
    for g in grads:
        v = .8 * v + g
        x = x - .1 * (.8 * v + g if nesterov else v)
    return x


def _adagrad(x, grads):
    s = m = 0
    for g in grads:
        s = s + g ** 2
        m = .1 * g * _root(s) + .9 * m
        x = x - .1 * m
    return x


def _rmsprop(x, grads, momentum=0.):
    s = m = 0
    for g in grads:
        s = .9 * s + .1 * g ** 2
        m = momentum * m + .1 * g / np.sqrt(s + 1e-8)
        x = x - m
    return x


def _adam(x, grads):
    m = v = 0
    for i, g in enumerate(grads, 1):
        m, v = .1 * g + .9 * m, .001 * g ** 2 + .999 * v
        x = x - .1 * (m / (1 - .9 ** i)) / (np.sqrt(v / (1 - .999 ** i)) + 1e-8)
    return x


def _adamax(x, grads):
    m = u = 0
    for i, g in enumerate(grads, 1):
        m, u = .1 * g + .9 * m, np.maximum(.999 * u, abs(g))
        x = x - .1 / (1 - .9 ** i) * m / (u + 1e-8)
    return x


def _sm3(x, grads):
    sums, m = [np.zeros(n) for n in x.shape], 0
    for g in grads:
        s = sums[0] if x.ndim == 1 else np.minimum(sums[0][:, None], sums[1])
        s = s + g ** 2
        m = .1 * g * _root(s) + .9 * m
        x = x - .1 * m
        sums = [s] if x.ndim == 1 else [s.max(1), s.max(0)]
    return x


@pytest.mark.parametrize("made, expected", [
    (optimizers.sgd(.1), _sgd),
    (optimizers.momentum(.1, mass=.8), _momentum),
    (optimizers.nesterov(.1, mass=.8), lambda x, grads: _momentum(x, grads, nesterov=True)),
    (optimizers.adagrad(.1), _adagrad),
    (optimizers.rmsprop(.1), _rmsprop),
    (optimizers.rmsprop_momentum(.1), lambda x, grads: _rmsprop(x, grads, .9)),
    (optimizers.adam(.1), _adam),
    (optimizers.adamax(.1), _adamax),
    (optimizers.sm3(.1), _sm3),
], ids="sgd momentum nesterov adagrad rmsprop rmsprop_momentum adam adamax sm3".split())
def test_optimizers(made, expected):
    state = made.init_fn(PARAMS)
    for i, g in enumerate(GRADS):
        state = made.update_fn(i, g, state)
    found = made.params_fn(state)
    assert ferax.tree.structure(found) == ferax.tree.structure(PARAMS)
    for leaf, x, *grads in zip(*map(ferax.tree.leaves, [found, PARAMS, *GRADS])):
        assert leaf.dtype == np.float32
        np.testing.assert_allclose(leaf, expected(x.astype(float), [g.astype(float) for g in grads]), rtol=1e-5, atol=1e-6)


def test_optimizers_compile_and_states_are_pytrees():
    init, update, get_params = optimizers.sm3(optimizers.exponential_decay(.1, 2, .5))
    params = (jnp.float32(.3), jnp.ones(2))
    grads = (jnp.float32(1.), jnp.array([1., -2.]))

    @ferax.jit
    def step(i, grads, state):
        state = update(i, grads, state)
        return state, get_params(state)

    state, found = step(2, grads, init(params))
    assert isinstance(state, optimizers.OptimizerState) and isinstance(state.packed_state, tuple)
    np.testing.assert_allclose(found[0], .3 - .05 * .1, rtol=1e-6)
    np.testing.assert_allclose(found[1], [1 - .05 * .1, 1 + .05 * .1], rtol=1e-6)
    marked = optimizers.unpack_optimizer_state(state)
    assert isinstance(marked, tuple) and all(isinstance(point, optimizers.JoinPoint) for point in marked)
    assert [len(list(point)) for point in marked] == [1, 1]
    packed = optimizers.pack_optimizer_state(marked)
    assert ferax.tree.structure(packed) == ferax.tree.structure(state)
    assert all(a is b for a, b in zip(ferax.tree.leaves(packed), ferax.tree.leaves(state)))


def test_optimizers_refuse():
    init, update, _ = optimizers.sgd(.1)
    with pytest.raises(TypeError, match="structure of its parameters"):
        update(0, [1.], init((1.,)))
    grows = optimizers.optimizer(lambda: (lambda x: x, lambda i, g, x: (x, g), lambda x: x))()
    with pytest.raises(TypeError, match="keep the structure"):
        grows.update_fn(0, [1.], grows.init_fn([1.]))
    with pytest.raises(AssertionError, match="JoinPoint"):
        optimizers.pack_optimizer_state([1.])
    with pytest.raises(ValueError):
        optimizers.zip([1], [])


def test_schedules():
    def values(schedule, *steps):
        return [float(schedule(i)) for i in steps]
    assert values(optimizers.constant(.5), 0, 9) == [.5, .5]
    assert values(optimizers.exponential_decay(1., 2, .25), 0, 1, 4) == [1., .5, .0625]
    assert values(optimizers.inverse_time_decay(1., 2, 1.), 0, 1, 2) == [1., 1 / 1.5, .5]
    assert values(optimizers.inverse_time_decay(1., 2, 1., staircase=True), 0, 1, 2, 3) == [1., 1., .5, .5]
    np.testing.assert_allclose(values(optimizers.polynomial_decay(1., 4, .5, 2.), 0, 2, 4, 9), [1., .625, .5, .5])
    assert values(optimizers.piecewise_constant([1, 3], [4., 2., 1.]), 0, 1, 2, 3, 4) == [4., 4., 2., 2., 1.]
    assert optimizers.make_schedule(math.sqrt) is math.sqrt
    with pytest.raises(TypeError, match="2 dimensions"):
        optimizers.make_schedule(np.ones((2, 2)))
    for boundaries, values_ in (([1], [2.]), (1, [2.])):
        with pytest.raises(ValueError, match="boundaries"):
            optimizers.piecewise_constant(boundaries, values_)


def test_norm_and_clipping():
    tree = {"a": jnp.array([3., 0.]), "b": jnp.array(-4.)}
    assert float(optimizers.l2_norm(tree)) == 5. and float(optimizers.l2_norm(())) == 0.
    clipped = optimizers.clip_grads(tree, 1.)
    np.testing.assert_allclose(clipped["a"], [.6, 0.], rtol=1e-6)
    np.testing.assert_allclose(clipped["b"], -.8, rtol=1e-6)
    assert float(optimizers.clip_grads(tree, 6.)["b"]) == -4.


# --- layers ------------------------------------------------------------------------------------

def made(layer, shape, seed=0, **kwargs):
    """The layer's parameters, an input and the output, whose shape must be as announced."""
    init_fun, apply_fun = layer
    announced, params = init_fun(KEY, shape)
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    y = apply_fun(params, x, **kwargs)
    assert tuple(announced) == y.shape
    return params, x, y


def test_dense_has_jax_first_parameters():
    (w, b), x, y = made(stax.Dense(2), (4, 3))
    # Of JAX 0.10.2, for the same key, to the last bit.
    assert [float(v).hex() for v in (w[0, 0], w[0, 1], b[1])] == [
        "-0x1.5763a20000000p+0", "-0x1.1713720000000p+0", "0x1.12c4e40000000p-10"]
    np.testing.assert_allclose(y, x @ np.asarray(w) + b, rtol=1e-5)


def test_convolutions():
    (w, b), x, y = made(stax.Conv(4, (3, 2), padding="SAME"), (2, 5, 6, 3))
    assert w.shape == (3, 2, 3, 4) and b.shape == (1, 1, 1, 4) and y.shape == (2, 5, 6, 4)
    expected = np.einsum("nhwi,hwio->no", x[:, 1:4, 2:4], w) + np.asarray(b)[0, 0, 0]
    np.testing.assert_allclose(y[:, 2, 2], expected, rtol=1e-4, atol=1e-5)
    (w, b), x, y = made(stax.GeneralConv(("NCH", "OIH", "NCH"), 4, (3,), (2,)), (2, 3, 7))
    assert w.shape == (4, 3, 3) and b.shape == (1, 4, 1) and y.shape == (2, 4, 3)
    (w, b), x, y = made(stax.Conv1DTranspose(4, (2,), (2,)), (2, 5, 3))
    assert y.shape == (2, 10, 4)
    np.testing.assert_allclose(y[:, 2:4], np.einsum("ni,hio->nho", x[:, 1], np.asarray(w)[::-1]) + b, rtol=1e-4, atol=1e-5)
    assert made(stax.ConvTranspose(1, (3, 3), (2, 2), "SAME"), (1, 2, 3, 2))[2].shape == (1, 4, 6, 1)


@pytest.mark.parametrize("center, scale", [(True, True), (True, False), (False, True), (False, False)])
def test_batch_norm(center, scale):
    def twos(key, shape):
        return jnp.full(shape, 2.)
    layer = stax.BatchNorm(0, center=center, scale=scale, beta_init=twos, gamma_init=twos)
    (beta, gamma), x, y = made(layer, (5, 3))
    assert isinstance(beta, tuple) == (not center) and isinstance(gamma, tuple) == (not scale)
    z = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    np.testing.assert_allclose(y, z * (2 if scale else 1) + (2 if center else 0), rtol=1e-3, atol=1e-4)


def test_layers_of_elements():
    for layer, function in (
        (stax.Tanh, np.tanh), (stax.Relu, lambda x: np.maximum(x, 0)), (stax.Exp, np.exp),
        (stax.Softplus, lambda x: np.log1p(np.exp(x))), (stax.Sigmoid, lambda x: 1 / (1 + np.exp(-x))),
        (stax.Elu, lambda x: np.where(x > 0, x, np.expm1(x))), (stax.LeakyRelu, lambda x: np.where(x > 0, x, .01 * x)),
        (stax.Selu, lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * np.expm1(x))),
        (stax.Gelu, lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + .044715 * x ** 3)))),
        (stax.Softmax, lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
        (stax.LogSoftmax, lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))),
        (stax.Flatten, lambda x: x.reshape(2, 6)), (stax.Identity, lambda x: x),
        (stax.elementwise(jnp.clip, max=.5), lambda x: np.minimum(x, .5)),
    ):
        params, x, y = made(layer, (2, 3, 2))
        assert params == ()
        np.testing.assert_allclose(y, function(x), rtol=2e-5, atol=2e-6)


def test_pooling():
    shape = (2, 5, 6, 3)
    _, x, largest = made(stax.MaxPool((2, 3)), shape)
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 3), (1, 2))
    np.testing.assert_array_equal(largest, windows.max((-1, -2)))
    np.testing.assert_allclose(made(stax.SumPool((2, 3)), shape)[2], windows.sum((-1, -2)), rtol=1e-4, atol=1e-5)
    _, x, mean = made(stax.AvgPool((2, 2), (1, 2), "SAME"), shape)
    np.testing.assert_allclose(mean[:, -1, 0], x[:, -1, :2].mean(1), rtol=1e-5)         # padding is not counted
    channels_first = stax.AvgPool((2, 2), (1, 2), "SAME", "NCHW")[1]((), np.moveaxis(x, 3, 1))
    np.testing.assert_allclose(np.moveaxis(channels_first, 1, 3), mean, rtol=1e-6)


def test_combinators():
    net = stax.serial(
        stax.FanOut(2), stax.parallel(stax.Dense(3), stax.Identity), stax.FanInSum,
        stax.FanOut(2), stax.parallel(stax.shape_dependent(lambda shape: stax.Dense(shape[-1] - 1)), stax.Identity),
        stax.FanInConcat(),
    )
    params, x, y = made(net, (4, 3))
    (w1, b1), (w2, b2) = params[1][0], params[4][0]
    hidden = x @ np.asarray(w1) + b1 + x
    np.testing.assert_allclose(y, np.concatenate([hidden @ np.asarray(w2) + b2, hidden], 1), rtol=1e-4, atol=1e-5)


def test_dropout():
    x = np.full((50, 20), 3., np.float32)
    dropout = stax.Dropout(.75)[1]
    y = np.asarray(dropout((), x, rng=KEY))
    assert set(np.unique(y)) == {0., 4.} and .7 < (y > 0).mean() < .8
    assert stax.Dropout(.75, mode="test")[1]((), x, rng=KEY) is x
    with pytest.raises(ValueError, match="key"):
        dropout((), x)
    _, net = stax.serial(stax.FanOut(2), stax.parallel(stax.Dropout(.5), stax.Dropout(.5)))
    a, b = net([(), ((), ())], x, rng=KEY)
    assert (np.asarray(a) != np.asarray(b)).any()           # each has a key of its own
