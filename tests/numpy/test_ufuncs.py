"""Elementwise functions beside their rows in `api_table_elementwise`: dtypes against a recorded table, hard points, errors."""

import json
import pathlib
import pickle

import ferax as jax
import ferax.numpy as jnp
import numpy as np
import pytest
import numpy_dtypes


def check(ours, theirs, rtol=2e-5):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    if theirs.dtype.kind in "fc":
        np.testing.assert_allclose(ours, theirs.astype(ours.dtype), rtol=rtol, atol=1e-6)
    else:
        np.testing.assert_array_equal(ours, theirs)


def test_integer_powers():
    x, y = np.array([-3, -1, 0, 1, 2, 3], np.int32), np.arange(6, dtype=np.int32)
    check(jnp.power(x[:, None], y), np.power(x[:, None], y))
    check(2 ** jnp.asarray(y), 2 ** y)
    assert jnp.power(jnp.asarray(x), 3).dtype == jnp.int32
    with pytest.raises(TypeError, match="negative powers"):
        jnp.asarray(x) ** -1


def test_parts_of_floats():
    x = np.array([0.0, -0.0, 1.0, -3.75, 1e30, 1e-30, np.inf, -np.inf, np.nan, 1e-40, -3e-39, 1.4e-45], np.float32)
    for ours, theirs in zip(jnp.frexp(x), np.frexp(x)):
        np.testing.assert_array_equal(ours, theirs)
    mantissa, exponent = np.frexp(x)
    check(jnp.ldexp(mantissa, exponent), x)
    check(jnp.ldexp(np.float32(0.75), np.array([127, 128, 129, -100])), np.float32([0.75 * 2.0**127, 0.75 * 2.0**128, np.inf,
                                                                                   0.75 * 2.0**-100]))
    for ours, theirs in zip(jnp.modf(x[:6]), np.modf(x[:6])):
        check(ours, theirs)


# --- dtypes -------------------------------------------------------------------------------------

RECORDED = json.loads(pathlib.Path(__file__).with_name("dtypes.json").read_text())


@pytest.mark.parametrize("mode", ["x32", "x64"])
def test_result_dtypes_are_those_of_jax(mode):
    expected = {f: group["results"] for group in RECORDED[mode] for f in group["functions"].split()}
    found = numpy_dtypes.table(jax)[mode]
    names = [d for d in numpy_dtypes.DTYPES if mode == "x64" or d not in ("int64", "uint64", "float64", "complex128")]
    wrong = []
    for f, results in expected.items():
        for i, (a, b) in enumerate(zip(found[f].split(), results.split(), strict=True)):
            if a != b and not ("Error" in a and "Error" in b):          # which error it is may differ
                operands = [names[i]] if f in numpy_dtypes.UNARY else [names[i // len(names)], names[i % len(names)]]
                if "Error" in b and {"int4", "float8_e5m2"} & set(operands):
                    continue                                            # narrow dtypes work in more places than in JAX
                wrong.append(f"{f}({', '.join(operands)}): {a}, but {b} in JAX")
    assert not wrong, "\n".join([f"{len(wrong)} differ", *wrong[:60]])


# --- derivatives --------------------------------------------------------------------------------

def test_derivatives_at_hard_points():
    grad = jax.grad
    assert grad(jnp.sinc)(0.0) == 0.0
    np.testing.assert_allclose(grad(grad(jnp.sinc))(0.0), -np.pi**2 / 3, rtol=1e-5)
    np.testing.assert_allclose(grad(jnp.logaddexp)(1.0, 2.0), 1 / (1 + np.e), rtol=1e-5)
    assert grad(jnp.logaddexp)(-np.inf, 0.0) == 0.0
    np.testing.assert_allclose(grad(jnp.i0)(1.0), 0.5651591, rtol=1e-5)
    np.testing.assert_allclose(grad(lambda x: jnp.frexp(x)[0])(3.0), 0.25)
    np.testing.assert_allclose(grad(lambda x: jnp.ldexp(x, 3))(3.0), 8.0)
    assert grad(lambda x: x ** 2)(0.0) == 0.0 and grad(lambda x: jnp.power(x, 3))(2.0) == 12.0
    assert grad(jnp.hypot)(3.0, 4.0) == pytest.approx(0.6, rel=1e-5)


# --- what is no array ---------------------------------------------------------------------------

def test_errors_name_function_position_and_way_out():
    with pytest.raises(TypeError, match=r"sin requires ndarray or scalar arguments, got <class 'list'> at position 0\..*asarray"):
        jnp.sin([1.0, 2.0])
    with pytest.raises(TypeError, match="add requires ndarray or scalar arguments, got <class 'str'> at position 1"):
        jnp.add(jnp.ones(3), "a")
    with pytest.raises(TypeError, match="got <class 'NoneType'> at position 0.*forgotten"):
        jnp.floor_divide(None, 1)
    with pytest.raises(TypeError, match=r"add got incompatible shapes for broadcasting: \(3,\), \(2,\)"):
        jnp.add(jnp.ones(3), jnp.ones(2))
    with pytest.raises(ValueError, match=r"shapes=\[\(2, 3\), \(2,\)\]"):
        jnp.multiply(jnp.ones((2, 3)), jnp.ones(2))
    with pytest.raises(TypeError, match="float0"):
        jnp.add(np.zeros(2, jax.float0), 1.0)
    with pytest.raises(ValueError, match="rank_promotion"), jax.numpy_rank_promotion("raise"):
        jnp.add(jnp.ones((2, 3)), jnp.ones(3))
    with pytest.raises(ValueError, match="strict"), jax.numpy_dtype_promotion("strict"):
        jnp.add(jnp.ones(2), jnp.arange(2))
    with jax.numpy_dtype_promotion("strict"):
        assert (jnp.ones(2) + 1).dtype == jnp.float32


def test_arrays_by_protocol():
    class Wrapped:
        def __jax_array__(self):
            return jnp.arange(3.0)

    check(jnp.sin(Wrapped()), np.sin(np.arange(3.0)))
    check(jnp.ones(3) + Wrapped(), np.arange(3.0) + 1)
    check(jnp.maximum(Wrapped(), 1), [1, 1, 2])


# --- ufuncs -------------------------------------------------------------------------------------

def test_frompyfunc():
    f = jnp.frompyfunc(lambda a, b: a + 2 * b, 2, 1, identity=0)
    x = jnp.arange(4.0)
    check(f(x, 1.0), np.arange(4.0) + 2)
    check(f.reduce(x), 12.0)
    check(f.accumulate(x), [0, 2, 6, 12])
    with pytest.raises(TypeError, match="positional arguments"):
        f(x)
    same = [jnp.frompyfunc(f.__wrapped__, 2, 1, identity=0) for _ in range(2)]
    assert same[0] == same[1] and hash(same[0]) == hash(same[1]) and same[0] != jnp.frompyfunc(f.__wrapped__, 2, 1)
    assert pickle.loads(pickle.dumps(jnp.add)) is jnp.add


def test_complex_numbers_do_not_become_real_ones_unnoticed():
    with pytest.raises(TypeError, match="complex"):
        jnp.float32(1j)
    assert jnp.bool_(1j)
