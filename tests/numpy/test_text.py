"""Arrays as text, and the options for it, which are NumPy's own."""

import ferax.numpy as jnp
import numpy as np


def test_arrays_as_text():
    x = jnp.array([1.0, 2.5, 1 / 3])
    assert jnp.array_str(x) == np.array_str(np.asarray(x)) == str(x) == "[1.         2.5        0.33333334]"
    assert jnp.array_str(x, precision=2) == "[1.   2.5  0.33]"
    assert "[1.  , 2.5 , 0.33], dtype=float32" in jnp.array_repr(x, precision=2)
    assert repr(jnp.zeros((0, 2))) == "Array([], shape=(0, 2), dtype=float32)"
    assert repr(jnp.asarray(1.0)) == "Array(1., dtype=float32, weak_type=True)"
    assert repr(jnp.ones(2, jnp.bfloat16)) == "Array([1, 1], dtype=bfloat16)"
    assert f"{jnp.asarray(2.0):.3f}" == "2.000"


def test_options():
    before = jnp.get_printoptions()
    assert before == np.get_printoptions()
    with jnp.printoptions(precision=2):
        assert repr(jnp.array([1 / 3])) == "Array([0.33], dtype=float32)"
    jnp.set_printoptions(precision=3)
    try:
        assert repr(jnp.array([1 / 3])) == "Array([0.333], dtype=float32)" and np.get_printoptions()["precision"] == 3
    finally:
        jnp.set_printoptions(**before)
    assert jnp.get_printoptions() == before
