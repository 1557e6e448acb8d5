"""Operators and methods of arrays beside their rows in `api_table_elementwise`: operands of all kinds, jaxprs, protocols."""

import inspect
import operator

import ferax as jax
import ferax.numpy as jnp
import numpy as np
import pytest

A = np.array([[1.0, -2.0, 3.5], [0.5, 4.0, -1.0]], np.float32)
B = np.array([[2.0, 0.5, -1.5], [1.0, 3.0, 2.0]], np.float32)
I = np.array([[5, -3, 7], [2, 6, 1]], np.int32)          # noqa: E741

@pytest.mark.parametrize("op", [operator.sub, operator.mod, operator.lt], ids=lambda op: op.__name__)
def test_binary_operators_with_operands_of_all_kinds(op):
    x = jnp.asarray(A)
    for other in (B, np.float32(2.0), 2.0, 2, B[0]):
        ours = other if np.ndim(other) == 0 else jnp.asarray(other)
        expected, flipped = op(A, other), op(other, A)
        for result in (op(x, ours), op(x, other), jax.jit(op)(x, other), jax.jit(lambda x: op(x, ours))(x)):
            assert isinstance(result, jax.Array)
            np.testing.assert_allclose(result, expected, rtol=1e-6)
        for result in (op(other, x), jax.jit(lambda x: op(ours, x))(x)):
            assert isinstance(result, jax.Array)
            np.testing.assert_allclose(result, flipped, rtol=1e-6)


def test_unary_operators_and_friends():
    x = jnp.asarray(A)
    np.testing.assert_array_equal(-x, -A)
    np.testing.assert_array_equal(+x, A)
    np.testing.assert_array_equal(abs(x), abs(A))
    np.testing.assert_array_equal(~jnp.asarray(I), ~I)
    np.testing.assert_array_equal(~(x > 0), ~(A > 0))
    np.testing.assert_allclose(round(x * 1.234, 1), (A * np.float32(1.234)).round(1), rtol=1e-6)
    np.testing.assert_array_equal(round(x), A.round())
    np.testing.assert_allclose(x @ x.T, A @ A.T, rtol=1e-6)
    np.testing.assert_allclose(A @ x.T, A @ A.T, rtol=1e-6)
    for ours, theirs in zip(divmod(x, 2), divmod(A, 2)):
        np.testing.assert_allclose(ours, theirs)
    for ours, theirs in zip(divmod(7, jnp.asarray(B)), divmod(7, B)):
        np.testing.assert_allclose(ours, theirs)
    assert 3.5 in x and 9.0 not in x
    assert [row.shape for row in x] == [(3,), (3,)]
    assert [float(v) for v in reversed(x[0])] == [3.5, -2.0, 1.0]
    assert jax.jit(lambda x: sum(list(x)))(x).shape == (3,)


def test_powers():
    x = jnp.asarray(B)
    np.testing.assert_allclose(x ** 2, B ** 2)
    np.testing.assert_allclose(x ** -2, B ** -2.0, rtol=1e-6)
    np.testing.assert_allclose(2 ** x, 2 ** B, rtol=1e-6)
    np.testing.assert_allclose(abs(x) ** 0.5, abs(B) ** 0.5, rtol=1e-6)
    np.testing.assert_allclose(abs(x) ** x, abs(B) ** B, rtol=1e-6)
    assert (jnp.asarray(I) ** 2).dtype == jnp.int32
    equations = jax.make_jaxpr(lambda x: x ** 2)(x).jaxpr.eqns
    assert [e.primitive.name for e in equations] == ["integer_pow"]


def test_numbers_are_literals_and_conversions_are_not_written():
    for f in (lambda x: x + 1, lambda x: 1 + x, lambda x: x * 2.0, lambda x: x > 0, lambda x: jnp.maximum(x, 0)):
        closed = jax.make_jaxpr(f)(A)
        assert len(closed.eqns) == 1 and not closed.consts, closed


def test_weak_types():
    x = jnp.ones(2, jnp.bfloat16)
    assert (x + 1).dtype == (x * 2.5).dtype == (1 - x).dtype == jnp.bfloat16
    assert (jnp.ones(2, jnp.int8) + 1).dtype == jnp.int8
    assert (jnp.ones(2, jnp.int8) + 1.0).dtype == jnp.float32
    assert (jnp.ones(2) + np.float32(1)).dtype == jnp.float32
    assert (jnp.asarray(1) + 1).weak_type and not (jnp.asarray(1) + np.int32(1)).weak_type
    assert (jnp.asarray(True) + 1).dtype == jnp.int32
    np.testing.assert_array_equal(jnp.ones(2, jnp.int8) + 300, np.full(2, 45, np.int8))


def test_what_is_no_operand():
    x = jnp.ones(3)
    for other in ([1, 2, 3], (1, 2, 3)):
        with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \+: 'ArrayImpl' and '(list|tuple)'.*asarray"):
            x + other
    for other in ("a", None, {}):
        with pytest.raises(TypeError, match="unsupported operand"):
            x + other
        with pytest.raises(TypeError, match="unsupported operand"):
            x @ other
    assert (x == None) is False and (x != None) is True and (x == "a") is False  # noqa: E711
    with pytest.raises(TypeError, match="not supported between"):
        x < "a"

    class Other:
        def __radd__(self, other):
            return "mine"

        def __rmatmul__(self, other):
            return "mine"

    assert x + Other() == "mine" and x @ Other() == "mine"


def test_arrays_cannot_be_written_to():
    x = jnp.ones(3)
    with pytest.raises(TypeError, match=r"immutable.*x\.at\[idx\]\.set\(y\)"):
        x[0] = 1.0
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)


def test_methods_with_their_own_arguments():
    x = jnp.asarray(A)
    assert x.reshape(3, 2).shape == x.reshape((3, 2)).shape == x.reshape(-1, 2).shape == (3, 2)
    assert x.transpose(1, 0).shape == x.transpose((1, 0)).shape == x.transpose().shape == x.T.shape == x.mT.shape == (3, 2)
    assert x.astype(int).dtype == jnp.int32 and x.astype(jnp.bfloat16).dtype == jnp.bfloat16
    np.testing.assert_array_equal(x.take(jnp.array([0, 4])), A.take([0, 4]))
    np.testing.assert_array_equal(x.compress(jnp.array([True, False]), axis=0), A.compress([True, False], axis=0))
    np.testing.assert_array_equal(jnp.arange(3).choose([x[0], x[1], x[0]]), np.arange(3).choose([A[0], A[1], A[0]]))
    np.testing.assert_array_equal(jnp.arange(5).searchsorted(2), 2)
    np.testing.assert_allclose(x.dot(x.T), A @ A.T, rtol=1e-6)
    assert x.ptp() == np.ptp(A)
    np.testing.assert_array_equal(x.sort(), np.sort(A))
    np.testing.assert_array_equal(x.byteswap().byteswap(), A)
    assert x.real is x and x.imag.shape == x.shape
    assert x.itemsize == 4 and x.nbytes == 24 and x.size == 6 and x.ndim == 2 and len(x) == 2
    with pytest.raises(NotImplementedError, match="flatten"):
        x.flat
    assert x.to_device(jax.devices()[1]).devices() == {jax.devices()[1]}
    assert x.__array_namespace__() is jnp


def test_view():
    x = jnp.asarray(A)
    for dtype in ("int32", "uint8", "int16", "float32"):
        np.testing.assert_array_equal(x.view(dtype), A.view(dtype))
    np.testing.assert_array_equal(jnp.asarray(A.view(np.int16)).view("float32"), A)
    c = np.array([1 + 2j, 3 - 1j], np.complex64)
    np.testing.assert_array_equal(jnp.asarray(c).view("float32"), c.view(np.float32))
    np.testing.assert_array_equal(jnp.asarray(c.view(np.float32)).view("complex64"), c)
    np.testing.assert_array_equal(jnp.asarray([True, False]).view("uint8"), [1, 0])
    with pytest.raises(ValueError, match="0d"):
        jnp.float32(1).view("int8")
    with pytest.raises(ValueError, match="divisor"):
        jnp.ones(3, jnp.int8).view("int16")


def test_methods_keep_the_signatures_of_functions():
    assert str(inspect.signature(jnp.ones(3).sum)).startswith("(axis=None, dtype=None, out=None, keepdims=False")
    assert list(inspect.signature(jnp.sin).parameters) == ["x"]
    assert list(inspect.signature(jnp.arctan2).parameters) == ["x1", "x2"]
    assert str(inspect.signature(jnp.clip)) == "(arr=None, /, min=None, max=None)"


def test_scalar_types():
    assert jnp.float32 == np.float32 and np.dtype(jnp.float32) == np.float32 and hash(jnp.float32) == hash(np.float32)
    assert jnp.float32(3).dtype == jnp.float32 and jnp.int8(7).dtype == jnp.int8 and not jnp.float32(3).weak_type
    assert {np.float32: 1}[jnp.float32] == 1 and jnp.bool_ is jnp.bool
    assert isinstance(np.float32(1), jnp.float32) and jnp.ones(2, jnp.bfloat16).dtype == jnp.bfloat16
    assert jnp.issubdtype(jnp.bfloat16, jnp.floating) and jnp.iinfo(jnp.int8).max == 127
    with pytest.raises(OverflowError):
        jnp.int8(300)
