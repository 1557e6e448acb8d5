"""The orthogonal initializers."""

import numpy as np
import pytest

from ferax import random
from ferax.nn import initializers

KEY = random.key(17)


def test_recorded():
    """Of JAX 0.10.2 on a CPU."""
    np.testing.assert_allclose(initializers.orthogonal(2.0, 0)(KEY, (2, 3)), [
        [-1.1356902122497559, 1.2327371835708618, 1.0911309719085693],
        [1.5140695571899414, 1.3025829792022705, 0.10426938533782959]], atol=1e-6)
    np.testing.assert_allclose(initializers.delta_orthogonal()(KEY, (3, 1, 2)), [
        [[0.0, 0.0]], [[-0.4883192777633667, 0.8726650476455688]], [[0.0, 0.0]]], atol=1e-6)


@pytest.mark.parametrize("shape, axis", [((3, 5), -1), ((5, 3), -1), ((2, 3, 4), -1), ((2, 3, 4), 0), ((4, 2, 3), 1)])
def test_orthogonal(shape, axis):
    x = np.asarray(initializers.orthogonal(3.0, axis)(KEY, shape))
    assert x.shape == shape and x.dtype == np.float32
    rows = np.moveaxis(x, axis, -1).reshape(-1, shape[axis]) / 3
    product = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 2, 4), (4, 2, 3, 3), (1, 2, 3, 2, 2)])
def test_delta_orthogonal(shape):
    x = np.array(initializers.delta_orthogonal()(KEY, shape))
    middle = tuple((k - 1) // 2 for k in shape[:-2])
    np.testing.assert_allclose(x[middle] @ x[middle].T, np.eye(shape[-2]), atol=1e-5)
    x[middle] = 0
    assert not x.any()


def test_empty_and_dtypes():
    assert initializers.orthogonal()(KEY, (0, 3)).shape == (0, 3)
    assert initializers.orthogonal(dtype="complex64")(KEY, (2, 2)).dtype == np.complex64
    assert initializers.delta_orthogonal()(KEY, (3, 2, 2), "complex64").dtype == np.complex64


@pytest.mark.parametrize("make, shape, text", [
    (initializers.orthogonal, (3,), "at least a 2D shape"),
    (initializers.delta_orthogonal, (3, 3), "3D, 4D or 5D"),
    (initializers.delta_orthogonal, (3, 4, 2), "`fan_in` must be less or equal"),
])
def test_refusals(make, shape, text):
    with pytest.raises(ValueError, match=text):
        make()(KEY, shape)
