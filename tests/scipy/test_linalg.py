"""`scipy.linalg` where rows of the table do not reach: generalised eigenvalues, selections."""

import numpy as np
import pytest
import scipy.linalg as sl

import ferax
from ferax.scipy import linalg


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_generalised_eigenvalues(kind):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 4, 4)) + 1j * rng.normal(size=(2, 4, 4))
    a, b = x + x.conj().T, y @ y.conj().T + np.eye(4)
    with ferax.enable_x64(True):
        w, v = map(np.asarray, linalg.eigh(a, b, type=kind))
        some = linalg.eigh(a, b, type=kind, eigvals=(1, 2), eigvals_only=True)
    np.testing.assert_allclose(w, sl.eigh(a, b, type=kind, eigvals_only=True), atol=1e-10)
    np.testing.assert_allclose(some, w[1:3], atol=1e-12)
    left, right = {1: (a @ v, b @ v * w), 2: (a @ b @ v, v * w), 3: (b @ a @ v, v * w)}[kind]
    np.testing.assert_allclose(left, right, atol=1e-9)
