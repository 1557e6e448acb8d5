"""Orthogonal matrices and normal vectors of a given covariance: what they are, and the numbers that JAX draws."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import random

KEY = random.key(17)
COV = np.array([[2, 0.5], [0.5, 1]], np.float32)
MEAN = np.array([1.0, -1.0], np.float32)

# Recorded of JAX 0.10.2 on a CPU.
ORTHOGONAL = [[-0.8620318174362183, -0.3101649880409241, 0.4008726179599762],
              [-0.42068198323249817, -0.0033246204257011414, -0.9072021245956421],
              [-0.2827150523662567, 0.9506769776344299, 0.127614825963974]]
UNITARY_ROWS = [[[0.31402814388275146-0.001306723803281784j, 0.946486234664917+0.07448852062225342j]],
                [[0.08473777770996094-0.9496408700942993j, -0.20913907885551453-0.21739955246448517j]]]
NORMAL = {
    "cholesky": [[0.05603504180908203, -0.12018519639968872], [2.0246286392211914, -1.048545002937317]],
    "eigh": [[-0.8646883964538574, -1.129050612449646], [1.6939808130264282, -1.4108459949493408]],
    "svd": [[1.5096797943115234, 0.36079537868499756], [0.1165589690208435, -1.6798853874206543]],
}


def test_recorded():
    np.testing.assert_allclose(random.orthogonal(KEY, 3), ORTHOGONAL, atol=1e-6)
    np.testing.assert_allclose(random.orthogonal(KEY, 1, (2,), "complex64", 2), UNITARY_ROWS, atol=1e-6)
    for method, wanted in NORMAL.items():
        np.testing.assert_allclose(random.multivariate_normal(KEY, MEAN, COV, (2,), method=method), wanted, atol=1e-6)


def test_orthogonal_is_uniform():
    """The entries of a uniform orthogonal matrix have mean 0 and variance 1/n; both determinants are as likely."""
    q = np.asarray(random.orthogonal(KEY, 3, (2000,)))
    np.testing.assert_allclose(q.mean(0), 0, atol=0.06)
    np.testing.assert_allclose((q ** 2).mean(0), 1 / 3, atol=0.04)
    assert abs(np.linalg.det(q).mean()) < 0.1


def test_multivariate_normal_shapes_and_dtypes():
    for mean, cov, shape, wanted in ((MEAN, COV, None, (2,)), (np.zeros((4, 1, 2)), np.stack([COV] * 3), None, (4, 3, 2)),
                                     (MEAN, np.stack([COV] * 3), (5, 3), (5, 3, 2)), (MEAN, COV, (0,), (0, 2))):
        assert random.multivariate_normal(KEY, mean, cov, shape).shape == wanted
    assert random.multivariate_normal(KEY, np.zeros(2, int), np.eye(2, dtype=int)).dtype == jnp.float32
    singular = np.ones((2, 2), np.float32)
    found = np.asarray(random.multivariate_normal(KEY, MEAN, singular, (9,), method="svd")) - MEAN
    np.testing.assert_allclose(found[:, 0], found[:, 1], atol=1e-5)


def test_gradient_by_mean_and_covariance():
    """The draw is ``mean + factor @ numbers``: its derivative by the mean is 1, and by a scale of the covariance half the rest."""
    def draw(mean, scale):
        return random.multivariate_normal(KEY, mean, scale * COV).sum()
    by_mean, by_scale = ferax.grad(draw, (0, 1))(jnp.asarray(MEAN), 1.0)
    np.testing.assert_allclose(by_mean, 1)
    np.testing.assert_allclose(by_scale, (draw(MEAN, 1.0) - MEAN.sum()) / 2, rtol=1e-5)


@pytest.mark.parametrize("call, text", [
    (lambda: random.orthogonal(KEY, -1), "negative"),
    (lambda: random.orthogonal(KEY, 2, dtype="int32"), "float or complex dtype"),
    (lambda: random.multivariate_normal(KEY, MEAN, COV, method="lu"), "method must be one of"),
    (lambda: random.multivariate_normal(KEY, MEAN, COV, dtype="complex64"), "float dtype"),
    (lambda: random.multivariate_normal(KEY, MEAN[0], COV), "mean.ndim >= 1"),
    (lambda: random.multivariate_normal(KEY, MEAN, COV[0]), "cov.ndim >= 2"),
    (lambda: random.multivariate_normal(KEY, np.zeros(3), COV), "for n=3"),
    (lambda: random.multivariate_normal(KEY, np.zeros((3, 2)), COV, ()), "broadcast to the shape"),
])
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()
