"""Reductions, beyond their rows in `api_table_reductions`: dtypes of results, promotion, precision of sums."""

import numpy as np
import pytest
from numpy_compare import check

import ferax
import ferax.numpy as jnp

X = (np.arange(24) * 7 % 11 - 3).reshape(2, 3, 4).astype(np.float32)

# What JAX gives, where NumPy gives something else: by function and dtype of the operand, dtype of the result.
RECORDED = {
    "sum": {"bool": "int32", "int8": "int32", "uint8": "uint32", "int32": "int32", "float16": "float16",
            "bfloat16": "bfloat16", "float32": "float32", "complex64": "complex64"},
    "mean": {"bool": "float32", "int8": "float32", "float16": "float16", "bfloat16": "bfloat16", "complex64": "complex64"},
    "var": {"bool": "float32", "int32": "float32", "float16": "float16", "bfloat16": "bfloat16", "complex64": "float32"},
    "max": {"bool": "bool", "int8": "int8", "uint8": "uint8", "bfloat16": "bfloat16"},
    "any": {"float32": "bool", "int8": "bool"},
    "cumsum": {"bool": "int32", "int8": "int8", "bfloat16": "bfloat16"},
    "cumulative_sum": {"bool": "int32", "int8": "int32", "uint8": "uint32"},
    "argmax": {"float32": "int32"},
    "median": {"int8": "float32", "bfloat16": "bfloat16"},
    "count_nonzero": {"float32": "int32"},
    "nansum": {"int8": "int32", "bfloat16": "bfloat16"},
}


@pytest.mark.parametrize("name, dtype, expected", [(n, d, e) for n, row in RECORDED.items() for d, e in row.items()])
def test_dtypes(name, dtype, expected):
    x = jnp.asarray(np.ones(3), dtype=dtype)
    assert str(getattr(jnp, name)(x).dtype) == expected
    assert not getattr(jnp, name)(x).weak_type


def test_weak_types_are_made_strong():
    for name in ("sum", "prod", "max", "mean", "var"):
        assert not getattr(jnp, name)(2.0).weak_type


def test_halves_are_summed_in_single_precision():
    x = jnp.full(4096, 1.0, dtype=jnp.bfloat16)
    assert float(jnp.sum(x)) == 4096 and float(jnp.mean(x)) == 1
    assert float(jnp.mean(jnp.full(4096, 300.0, jnp.float16))) == 300         # the sum is more than float16 holds


def test_promotion_of_integers():
    x = jnp.array([100, 100], jnp.int8)
    assert jnp.sum(x).dtype == jnp.int32 and int(jnp.sum(x)) == 200
    assert jnp.sum(x, promote_integers=False).dtype == jnp.int8 and int(jnp.sum(x, promote_integers=False)) == -56
    assert jnp.sum(x, dtype="float32").dtype == jnp.float32


def test_moments():
    check(jnp.var, np.var, [X], {"axis": 1, "mean": np.ones((2, 1, 4), np.float32)})
    assert np.isnan(jnp.var(jnp.ones(2), ddof=2))


def test_few_equations():
    eqns = [e.primitive.name for e in ferax.make_jaxpr(lambda x: jnp.mean(x, -1))(X).eqns]
    assert eqns == ["reduce_sum", "div"]
    assert [e.primitive.name for e in ferax.make_jaxpr(jnp.sum)(X).eqns] == ["reduce_sum"]
