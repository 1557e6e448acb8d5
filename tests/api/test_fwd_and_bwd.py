"""`fwd_and_bwd`: gradients in two functions, traced once."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp

X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("jitted", [True, False])
def test_gradients(jitted):
    traced = []

    def f(x, y, unused):
        traced.append(x)
        return x @ y, {"aux": x}

    fwd, bwd = ferax.fwd_and_bwd(f, argnums=(1, 0), has_aux=True, jitted=jitted)
    for _ in range(3):
        out, residuals, aux = fwd(X, X.T, 0)
        to_y, to_x = bwd(residuals, jnp.ones_like(out))
    assert len(traced) == (1 if jitted else 3)
    np.testing.assert_array_equal(out, X @ X.T)
    np.testing.assert_array_equal(aux["aux"], X)
    np.testing.assert_array_equal(to_x, np.ones((2, 2)) @ X)
    np.testing.assert_array_equal(to_y, X.T @ np.ones((2, 2)))


def test_argnums():
    fwd, bwd = ferax.fwd_and_bwd(lambda x, y: x * y, -1)
    assert float(bwd(fwd(2., 3.)[1], 1.)) == 2.
    fwd, bwd = ferax.fwd_and_bwd(lambda x, y: x * y, [0])
    assert [float(g) for g in bwd(fwd(2., 3.)[1], 1.)] == [3.]
    with pytest.raises(ValueError, match="argument 2"):
        ferax.fwd_and_bwd(lambda x: x, 2)[0](1.)
    with pytest.raises(TypeError, match="argnums"):
        ferax.fwd_and_bwd(lambda x: x, "x")
    with pytest.raises(TypeError, match="callable"):
        ferax.fwd_and_bwd(3, 0)
