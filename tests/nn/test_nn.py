"""Activation functions, softmax and its kin, attention and initializers: against SciPy and definitions in float64."""

import numpy as np
import pytest
import scipy.special
from numpy_compare import assert_close, check_gradient

import ferax
import ferax.nn as nn
import ferax.nn.initializers as init
import ferax.numpy as jnp

G = np.array([-30, -7, -3, -1, -0.5, 0.0, 0.3, 1, 3, 6, 8, 40], np.float32)
X = (np.arange(12) * 7 % 11 - 4).reshape(3, 4).astype(np.float32)
MASK = np.arange(12).reshape(3, 4) % 3 > 0


def sigmoid(x):
    return scipy.special.expit(x)


def softplus(x):
    return np.logaddexp(x, 0)


FUNCTIONS = {
    "relu": lambda x: np.maximum(x, 0), "relu6": lambda x: np.clip(x, 0, 6), "sigmoid": sigmoid, "softplus": softplus,
    "soft_sign": lambda x: x / (1 + abs(x)), "silu": lambda x: x * sigmoid(x), "log_sigmoid": lambda x: -softplus(-x),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6, "hard_silu": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_tanh": lambda x: np.clip(x, -1, 1), "mish": lambda x: x * np.tanh(softplus(x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)), "celu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "leaky_relu": lambda x: np.where(x >= 0, x, 0.01 * x), "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4)),
    "sparse_sigmoid": lambda x: np.clip(x + 1, 0, 2) / 2, "identity": lambda x: x, "tanh": np.tanh,
    "gelu": lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))) / 2,
}
# Where two pieces meet, the derivative there: what JAX gives.
AT_THE_JOINT = {"relu": (0, 0), "relu6": (0, 0), "leaky_relu": (0, 1), "elu": (0, 1), "celu": (0, 1), "hard_tanh": (1, 1),
                "selu": (0, 1.6732632423543772 * 1.0507009873554805), "softplus": (0, 0.5), "log_sigmoid": (0, 0.5),
                "silu": (0, 0.5), "gelu": (0, 0.5), "sparse_plus": (-1, 0), "mish": (0, 0.6)}


@pytest.mark.parametrize("name", AT_THE_JOINT)
def test_derivatives_where_pieces_meet(name):
    x, expected = AT_THE_JOINT[name]
    np.testing.assert_allclose(float(ferax.grad(getattr(nn, name))(float(x))), expected, rtol=1e-5)


def test_second_derivatives_at_zero():
    for name, expected in (("softplus", 0.25), ("log_sigmoid", -0.25), ("sigmoid", 0.0), ("silu", 0.5)):
        np.testing.assert_allclose(float(ferax.grad(ferax.grad(getattr(nn, name)))(0.0)), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["relu", "softplus", "log_sigmoid", "elu", "selu", "celu", "gelu", "silu", "relu6"])
def test_derivatives_far_out_are_finite(name):
    slopes = np.asarray(ferax.vmap(ferax.grad(getattr(nn, name)))(jnp.array([-200.0, -88.0, 88.0, 200.0])))
    assert np.isfinite(slopes).all()


def test_not_a_number_passes_through():
    for name in FUNCTIONS:
        assert np.isnan(getattr(nn, name)(jnp.float32(np.nan))), name
    assert nn.softplus(jnp.float32(np.inf)) == np.inf and nn.softplus(jnp.float32(-np.inf)) == 0


def test_integers():
    assert nn.relu(jnp.array([-1, 2])).dtype == jnp.int32 and nn.relu(True).dtype == jnp.int32
    assert nn.elu(jnp.array([-1, 2])).dtype == jnp.float32 and nn.hard_tanh(jnp.array([-3, 2])).dtype == jnp.int32
    with pytest.raises(TypeError, match="logistic does not accept dtype int32"):
        nn.sigmoid(3)
    with pytest.raises(TypeError, match="list"):
        nn.relu([1.0])


# --- softmax and its kin ------------------------------------------------------------------------

def test_softmax_of_some():
    weights = np.where(MASK, np.exp(X.astype(float)), 0)
    assert_close(nn.softmax(X, where=MASK), weights / weights.sum(-1, keepdims=True))
    found = np.asarray(nn.log_softmax(X, where=MASK))
    np.testing.assert_allclose(found[MASK], np.log(weights / weights.sum(-1, keepdims=True), where=MASK, out=np.zeros((3, 4)))[MASK],
                               rtol=1e-5, atol=1e-5)
    assert (found[~MASK] == -np.inf).all()
    assert_close(nn.logsumexp(X, where=MASK), np.log(weights.sum()))
    grad = np.asarray(ferax.grad(lambda x: nn.softmax(x, where=MASK)[0, 1])(jnp.asarray(X)))
    assert np.isfinite(grad).all() and (grad[~MASK] == 0).all()


def test_softmax_does_not_overflow():
    assert_close(nn.softmax(X * 1e4), scipy.special.softmax(X.astype(float) * 1e4, -1))
    assert_close(nn.softmax(jnp.array([-jnp.inf, 1.0])), np.array([0.0, 1.0]))
    assert_close(nn.logsumexp(jnp.array([-jnp.inf, -jnp.inf])), -np.inf)
    assert_close(nn.logsumexp(jnp.array([jnp.inf, 1.0])), np.inf)
    assert nn.softmax(jnp.asarray(X, jnp.bfloat16)).dtype == jnp.bfloat16 and nn.softmax(jnp.arange(3)).dtype == jnp.float32


@pytest.mark.parametrize("custom", [True, False])
def test_jacobian_of_softmax(custom):
    with ferax.softmax_custom_jvp(custom):
        x = jnp.asarray(X[0])
        y = scipy.special.softmax(X[0].astype(float))
        assert_close(ferax.jacobian(nn.softmax)(x), np.diag(y) - np.outer(y, y))
        assert_close(ferax.jacfwd(nn.softmax)(x), np.diag(y) - np.outer(y, y))
        assert np.isfinite(np.asarray(ferax.hessian(lambda x: nn.softmax(x)[1])(x))).all()


def test_logsumexp_with_factors():
    b = np.array([1.0, -2, 0, 1])
    expected, sign = scipy.special.logsumexp(X.astype(float), -1, b=b, return_sign=True)
    assert_close(nn.logsumexp(X, -1, b=b.astype(np.float32), return_sign=True), (expected, sign))
    assert np.isnan(nn.logsumexp(jnp.ones(3), b=-1.0))
    grad = ferax.grad(lambda x: nn.logsumexp(x, b=jnp.array([1.0, 2.0, 0.0, 1.0])))(jnp.asarray(X[0]))
    assert np.isfinite(np.asarray(grad)).all() and grad[2] == 0


def test_standardize():
    x = X.astype(float)
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    for algorithm in ("fast", "stable"):
        assert_close(nn.standardize(X, algorithm=algorithm), expected)
    assert_close(nn.standardize(X, mean=1.0, variance=4.0, epsilon=0.0), (x - 1) / 2)
    with pytest.raises(ValueError, match="Unknown algorithm"):
        nn.standardize(X, algorithm="foo")


# --- attention ----------------------------------------------------------------------------------

def attention(q, k, v, bias=0.0, mask=True, scale=None):
    """The definition, in float64: (B, T, N, H), (B, S, K, H)."""
    groups = q.shape[2] // k.shape[2]
    k, v = np.repeat(k, groups, 2), np.repeat(v, groups, 2)
    logits = np.einsum("btnh,bsnh->bnts", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale) + bias
    logits = np.where(mask, logits, -1e30)
    return np.einsum("bnts,bsnh->btnh", scipy.special.softmax(logits, -1), v)


Q, K, V = (np.random.default_rng(i).normal(size=s) for i, s in enumerate([(2, 3, 4, 5), (2, 6, 2, 5), (2, 6, 2, 5)]))
def test_attention_without_batch_and_with_padding():
    q, k, v = [jnp.asarray(x, jnp.float32) for x in (Q, K, V)]
    assert_close(nn.dot_product_attention(q[0], k[0], v[0]), attention(Q, K, V)[0])
    out = np.asarray(nn.dot_product_attention(q, k, v, query_seq_lengths=jnp.array([2, 3])))
    assert (out[0, 2] == 0).all() and (out[1, 2] != 0).all()
    out, residual = nn.dot_product_attention(q, k, v, return_residual=True)
    logits = np.einsum("btnh,bsnh->btns", Q, np.repeat(K, 2, 2)) / np.sqrt(5)
    assert_close(residual, scipy.special.logsumexp(logits, -1))
    assert nn.dot_product_attention(*[x.astype(jnp.bfloat16) for x in (q, k, v)]).dtype == jnp.bfloat16
    check_gradient(lambda q: nn.dot_product_attention(q, k, v, is_causal=True), Q, step=3e-3)
    with pytest.raises(ValueError, match="multiple of key/value heads"):
        nn.dot_product_attention(q[:, :, :3], k, v)
    with pytest.raises(ValueError, match="value shape should be"):
        nn.dot_product_attention(q, k, v[:, :3])


# --- initializers -------------------------------------------------------------------------------

def test_initializers():
    key = ferax.random.key(1)
    assert init.zeros(key, (2, 3)).tolist() == [[0.0] * 3] * 2 and init.ones(key, (2,), "bfloat16").dtype == jnp.bfloat16
    assert init.constant(jnp.arange(3))(key, (2, 3), "int32").tolist() == [[0, 1, 2]] * 2
    assert 0 <= float(init.uniform(2.0)(key, (500,)).min()) < float(init.uniform(2.0)(key, (500,)).max()) <= 2
    np.testing.assert_allclose(float(jnp.std(init.normal(0.3)(key, (4000,)))), 0.3, rtol=0.05)
    assert float(abs(init.truncated_normal(1.0, lower=-1, upper=1)(key, (500,))).max()) <= 1
    assert isinstance(init.zeros, init.Initializer)
    with pytest.raises(ValueError, match="Must be at least 2D"):
        init.he_normal()(key, (3,))
    with pytest.raises(ValueError, match="invalid mode"):
        init.variance_scaling(1.0, "foo", "normal")(key, (2, 3))
