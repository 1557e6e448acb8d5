"""Making arrays: values and dtypes as in JAX, values as in NumPy, places, and what cannot be an array."""

import ferax as jax
import ferax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest


def same(ours, theirs):
    assert isinstance(ours, jax.Array)
    np.testing.assert_array_equal(ours, theirs)


# value -> dtype and weak type of asarray(value), without 64 bits
VALUES = [
    (1, "int32", True), (1.5, "float32", True), (1j, "complex64", True), (True, "bool", False), ([1, 2], "int32", False),
    ([1, 2.5], "float32", False), ([True, 2], "int32", False), ([[1, 2], [3, 4]], "int32", False), ([], "float32", False),
    ([[], []], "float32", False), ((1, 2), "int32", False), (np.float64(1), "float32", False), (np.int8(1), "int8", False),
    (np.arange(3), "int32", False), ([np.float16(1), 2.0], "float16", False), ([np.int8(1), 2], "int8", False),
    (range(3), "int32", False), (np.ones(2, ml_dtypes.bfloat16), "bfloat16", False), (memoryview(b"ab"), "uint8", False),
]


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_values(number):
    value, dtype, weak = VALUES[number]
    for make in (jnp.asarray, jnp.array):
        made = make(value)
        assert (made.dtype.name, made.weak_type) == (dtype, weak)
        assert made.shape == np.shape(value) and made.size == np.size(value)
    if np.size(value):
        np.testing.assert_array_equal(np.asarray(made, np.complex64), np.asarray(value).astype(np.complex64))


def test_lists_with_arrays():
    x = jnp.arange(2)
    same(jnp.array([x, x + 1]), [[0, 1], [1, 2]])
    same(jnp.array([x[0], 2.5]), [0, 2.5])
    assert jnp.array([x, [1.5, 2]]).dtype == jnp.float32 and not jnp.array([x[0], 1]).weak_type
    same(jax.jit(lambda x: jnp.array([x[0], 2, [x[1], 1][0]]))(x), [0, 2, 1])
    same(jax.jit(lambda x: jnp.array([[x[0], 1.5], [2, x[1]]]))(x), [[0, 1.5], [2, 1]])
    same(jnp.array([jnp.float32(i) for i in range(50)]), np.arange(50))
    np.testing.assert_array_equal(jax.grad(lambda v: jnp.array([v, v ** 2]).sum())(3.0), 7.0)


def test_dtype_copy_order_ndmin():
    x = jnp.ones(3)
    assert jnp.asarray(x) is x and jnp.array(x) is not x
    assert jnp.array(x).unsafe_buffer_pointer() != x.unsafe_buffer_pointer()
    assert jnp.asarray([1, 2], dtype="int8").dtype == jnp.int8 and jnp.asarray(x, dtype=jnp.bfloat16).dtype == jnp.bfloat16
    assert jnp.asarray(2.7, dtype=int) == 2 and jnp.array(1, ndmin=3).shape == (1, 1, 1)
    assert not jnp.asarray(jnp.asarray(1), dtype=jnp.int32).weak_type
    source = np.ones(3, np.float32)
    made = jnp.asarray(source)
    source[0] = 5
    same(made, [1, 1, 1])
    with pytest.raises(NotImplementedError, match="order"):
        jnp.array([1], order="F")
    with pytest.warns(DeprecationWarning, match="positionally"):
        jnp.array([1], None, True)
    with pytest.raises(TypeError, match="at most 5"):
        jnp.array([1], None, True, "K", 0, 0)


def test_places():
    device = jax.devices()[1]
    for made in (jnp.asarray([1.0], device=device), jnp.zeros(3, device=device), jnp.arange(3, device=device), jnp.eye(2, device=device),
                 jnp.full(3, 1.0, device=device), jnp.zeros_like(jnp.ones(3), device=device), jnp.linspace(0, 1, 3, device=device)):
        assert made.devices() == {device} and made.committed
    assert not jnp.zeros(3).committed
    for make in (lambda **place: jnp.full(3, 1, **place), lambda **place: jnp.zeros_like(1, **place)):
        assert make().weak_type and not make(device=device).weak_type and jax.jit(lambda: make(device=device))().weak_type
    with pytest.raises(ValueError, match="Only one of"):
        jnp.zeros(3, device=device, out_sharding=jax.NamedSharding(jax.make_mesh((2,), ("x",)), jax.P()))


def test_what_cannot_be_an_array():
    for value in ("a", b"a", {}, object()):
        with pytest.raises(TypeError, match="Unexpected input type for array"):
            jnp.array(value)
    with pytest.raises(ValueError, match="None is not a valid value"):
        jnp.array(None)
    with pytest.raises(ValueError, match="None is not a valid value.*in the list"):
        jnp.array([1, None])
    with pytest.raises(ValueError, match="rectangular"):
        jnp.array([[1, 2], [3]])
    with pytest.raises(ValueError, match="rectangular"):
        jnp.array([jnp.ones(2), jnp.ones(3)])
    for value, dtype in ((2**40, None), ([2**40], None), ([2**70], None), (300, "int8"), ([300], "uint8")):
        with pytest.raises(OverflowError):
            jnp.array(value, dtype)
    with pytest.raises(TypeError, match="not understood"):
        jnp.array(1, dtype="no dtype")
    with pytest.raises(TypeError, match="masked"):
        jnp.array(np.ma.array([1, 2], mask=[True, False]))


def test_x64():
    with jax.enable_x64(True):
        assert jnp.array(1).dtype == jnp.int64 and jnp.array([1.0]).dtype == jnp.float64 and jnp.zeros(2).dtype == jnp.float64
        assert jnp.arange(3).dtype == jnp.int64 and jnp.array([np.float32(1), 2.0]).dtype == jnp.float32
        assert jnp.linspace(0, 1, 3).dtype == jnp.float64 and jnp.array(2**40) == 2**40


# --- one value ----------------------------------------------------------------------------------

def test_fills():
    same(jnp.zeros(3), np.zeros(3))
    same(jnp.ones((2, 3), int), np.ones((2, 3)))
    same(jnp.empty((2,), bool), [False, False])
    same(jnp.full((2, 2), 7), np.full((2, 2), 7))
    same(jnp.full((2, 3), jnp.arange(3)), [[0, 1, 2]] * 2)
    assert jnp.zeros(3).dtype == jnp.float32 and jnp.zeros((), jnp.int8).shape == () and jnp.full(2, 7).weak_type
    assert jnp.full(2, 7.5, int).dtype == jnp.int32 and jnp.zeros(np.int64(3)).shape == (3,) and jnp.zeros([2, 3]).shape == (2, 3)
    same(jax.jit(lambda: jnp.full((2,), 3.0) + jnp.zeros(2) + jnp.ones(2))(), [4, 4])
    with pytest.raises(TypeError, match=r"Did you accidentally write `jnp\.zeros\(3, 4\)`"):
        jnp.zeros(3, 4)
    with pytest.raises((TypeError, ValueError), match="negative"):
        jnp.zeros(-1)
    with pytest.raises(ValueError, match="cannot be broadcast"):
        jnp.full((2,), jnp.arange(3))
    with pytest.raises(jax.errors.ConcretizationTypeError):
        jax.jit(lambda n: jnp.zeros(n))(3)


def test_like():
    x = jnp.ones((2, 3), jnp.int8)
    assert jnp.zeros_like(x).dtype == jnp.int8 and jnp.ones_like(x, dtype=float).dtype == jnp.float32
    assert jnp.zeros_like(x, shape=(4,)).shape == (4,) and jnp.empty_like(x).shape == (2, 3)
    assert jnp.zeros_like(1.0).weak_type and jnp.zeros_like(jnp.asarray(1)).weak_type and not jnp.zeros_like(x).weak_type
    same(jnp.full_like(x, 5), np.full((2, 3), 5))
    same(jnp.full_like(x, jnp.arange(3)), [[0, 1, 2]] * 2)
    assert jnp.zeros_like(jax.ShapeDtypeStruct((3,), jnp.float16)).dtype == jnp.float16
    same(jax.jit(jnp.zeros_like)(x), np.zeros((2, 3)))
    assert jnp.zeros_like(np.ones(2)).dtype == jnp.float32


# --- rows of numbers ----------------------------------------------------------------------------

def test_arange_dtypes_and_errors():
    for dtype in ("int8", "uint8", "bfloat16", "float16", "complex64"):
        assert jnp.arange(3, dtype=dtype).dtype.name == dtype
        np.testing.assert_array_equal(np.asarray(jnp.arange(1, 7, 2, dtype=dtype)).astype(np.complex64), [1, 3, 5])
    with pytest.raises(jax.errors.ConcretizationTypeError, match="'stop'"):
        jax.jit(jnp.arange)(3)
    with pytest.raises(ValueError, match="scalars"):
        jnp.arange(jnp.arange(2))
    with pytest.raises(ValueError, match="complex"):
        jnp.arange(3j)


def test_linspace_meets_its_ends():
    for stop in (0.1, 1 / 3, 12345.678):
        values = jnp.linspace(0.0, stop, 7)
        assert values[-1] == np.float32(stop) and values[0] == 0
    with pytest.raises(ValueError, match="non-negative"):
        jnp.linspace(0, 1, -1)


# --- matrices -----------------------------------------------------------------------------------

def test_traced_diagonals_and_gradients():
    same(jax.jit(lambda k: jnp.eye(3, k=k))(1), np.eye(3, k=1))
    same(jax.jit(lambda k: jnp.tri(3, 4, k))(-1), np.tri(3, 4, -1))
    np.testing.assert_array_equal(jax.grad(lambda v: jnp.diag(v).sum() + jnp.trace(jnp.diag(v)))(jnp.ones(3)), [2, 2, 2])


def test_not_from_files_and_iterators():
    with pytest.raises(NotImplementedError, match=r"jnp\.asarray\(np\.fromfile"):
        jnp.fromfile("x")
    with pytest.raises(NotImplementedError, match=r"jnp\.asarray\(np\.fromiter"):
        jnp.fromiter([1])


@pytest.mark.parametrize("call", [
    lambda: jnp.full((2,), 1j, dtype="float32"), lambda: jnp.array([1j, 2], dtype="float32"), lambda: jnp.asarray(1j, dtype="int32"),
    lambda: jnp.full_like(jnp.ones(2), 1j), lambda: jax.lax.full((2,), 1j, "float32"), lambda: jax.lax.full_like(jnp.ones(2), 1j),
    lambda: jax.jit(lambda: jnp.full((2,), 1j, dtype="float32"))()])
def test_imaginary_parts_are_not_lost_silently(call):
    with pytest.raises(TypeError, match="imaginary part would be lost"):
        call()


def test_a_warning_for_arrays_that_lose_their_imaginary_part():
    for x in (np.array([1j, 2]), jnp.array([1j, 2])):
        with pytest.warns(np.exceptions.ComplexWarning):
            assert jnp.array(x, dtype="float32").tolist() == [0, 2]
    with pytest.warns(np.exceptions.ComplexWarning):
        assert jax.lax.full((2,), np.complex64(3 + 1j), "float32").tolist() == [3, 3]
    assert jnp.array([1j, 0], dtype=bool).tolist() == [True, False]


def test_sizes_that_nothing_can_address():
    """XLA would end the process."""
    for call in (lambda: jax.lax.full((2**62, 2**10), 1.0), lambda: jax.jit(lambda x: jnp.broadcast_to(x, (2**62, 8)))(1.0)):
        with pytest.raises(ValueError, match="too big"):
            call()
