"""Tokens, values kept from being dropped, arrays of no content, dtypes and shapes as values."""

import numpy as np
import pytest

import ferax
from ferax import lax, random


def test_tokens_at_once_and_in_programs():
    token = lax.after_all(lax.create_token(), lax.create_token(3), lax.after_all())
    assert token.block_until_ready() is token
    assert ferax.jit(lambda x: (lax.after_all(lax.create_token(x), token), x + 1)[1])(3) == 4
    assert ferax.grad(lambda x: (lax.after_all(lax.create_token(x)), x * x)[1])(3.0) == 6
    names = [eqn.primitive.name for eqn in ferax.make_jaxpr(lambda x: (lax.after_all(lax.create_token()), x)[1])(1).eqns]
    assert names == ["create_token", "after_all"]
    for x in (3, np.ones(2)):
        with pytest.raises(TypeError, match="Arguments to after_all must be tokens"):
            lax.after_all(x)


def test_used_values_stay():
    def f(x):
        lax.dce_sink({"a": x, "b": x * 2})
        return x + 1
    assert lax.dce_sink(3.0) is None and ferax.jit(f)(2.0) == 3
    assert [eqn.primitive.name for eqn in ferax.make_jaxpr(ferax.jit(f))(2.0).eqns[0].params["jaxpr"].eqns].count("dce_sink") == 2
    np.testing.assert_array_equal(ferax.vmap(f)(np.ones(3)), [2, 2, 2])
    assert ferax.grad(f)(2.0) == 1


def test_empty():
    assert lax.empty((2, 3), "int8").shape == (2, 3) and lax.empty(3, bool).dtype == bool
    assert ferax.jit(lambda: lax.empty((2,), "bfloat16"))().dtype == ferax.numpy.bfloat16
    assert lax.empty((2,), random.key(0).dtype).dtype == random.key(0).dtype
    with pytest.raises(TypeError, match="not negative"):
        lax.empty((-2,), int)


def test_dtype():
    wanted = ((3, "int32"), (3.0, "float32"), (True, "bool"), (np.ones(2), "float32"), (np.ones(2, "int8"), "int8"), (float, "float32"))
    assert [str(lax.dtype(x)) for x, _ in wanted] == [name for _, name in wanted]
    with pytest.raises(ValueError, match="None"):
        lax.dtype(None)
    with pytest.raises(TypeError, match="list"):
        lax.dtype([1])


def test_shapes_as_values():
    assert lax.shape_as_value(()).shape == (0,) and lax.shape_as_value(()).dtype == np.int32
    np.testing.assert_array_equal(lax.shape_as_value([2, np.int64(3)]), [2, 3])
    np.testing.assert_array_equal(ferax.jit(lambda n: lax.shape_as_value((n, 3)))(2), [2, 3])
    with pytest.raises(TypeError, match="float"):
        lax.shape_as_value((2.5,))
