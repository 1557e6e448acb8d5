"""Arrays of other libraries, given where they can and cannot be taken; and what others can read of ours.

PyTorch and the real jax are not here: what they offer is imitated by small classes.
"""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp


class Tensor:
    """What DLPack asks of a library: the memory of a NumPy array, on the CPU."""

    def __init__(self, value):
        self.value = value

    def __dlpack__(self, **kwargs):
        return self.value.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.value.__dlpack_device__()


class Offers:
    """An array by NumPy's protocol alone."""

    def __init__(self, value):
        self.value = value

    def __array__(self, dtype=None, copy=None):
        return self.value if dtype is None else self.value.astype(dtype)


def aligned(shape, dtype=np.float32):
    """A NumPy array in memory that XLA can use as it is."""
    n = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(n + 128, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:start + n].view(dtype).reshape(shape)


# --- DLPack ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "bool", "float16", "complex64", "int8"])
def test_from_dlpack(dtype):
    value = np.arange(6).reshape(2, 3).astype(dtype)
    for source in (value, Tensor(value)):
        x = jnp.from_dlpack(source)
        assert isinstance(x, ferax.Array) and x.dtype == dtype
        np.testing.assert_array_equal(x, value)
        np.testing.assert_array_equal(ferax.jit(lambda x: x[::-1])(x), value[::-1])


def test_memory_is_shared_and_kept_alive():
    value = aligned((4,))
    x = jnp.from_dlpack(Tensor(value))
    value[0] = 7
    assert x[0] == 7
    y = jnp.from_dlpack(Tensor(value), copy=True)
    value[0] = 8
    assert y[0] == 7
    del value
    assert float(x.sum()) == 8


def test_strides_read_only_memory_and_wide_types():
    value = np.arange(12, dtype=np.float32).reshape(3, 4)
    for source in (value.T, value[:, 1:], value[:, ::2], value[::-1][:2], value[:0], value.T.astype(np.int8, order="K")):
        for given in (source, Tensor(source)):
            x = jnp.from_dlpack(given)
            np.testing.assert_array_equal(x, source)
            np.testing.assert_array_equal(x + 0, source)        # programs see it in the right order too
            np.testing.assert_array_equal(ferax.jit(lambda x: x.T)(x), source.T)
    with pytest.raises(ValueError, match="row-major"):
        jnp.from_dlpack(Tensor(value.T), copy=False)
    frozen = value.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(jnp.from_dlpack(frozen), frozen)
    wide = np.arange(3.0)
    assert jnp.from_dlpack(wide).dtype == jnp.float32
    with pytest.raises(ValueError, match="x64"):
        jnp.from_dlpack(wide, copy=False)
    with ferax.enable_x64(True):
        assert jnp.from_dlpack(wide).dtype == jnp.float64


def test_to_dlpack():
    x = jnp.arange(6.0).reshape(2, 3)
    y = np.from_dlpack(x)
    np.testing.assert_array_equal(y, x)
    assert y.ctypes.data == x.unsafe_buffer_pointer()
    z = jnp.from_dlpack(x)
    np.testing.assert_array_equal(z, x)
    assert x.__dlpack_device__()[0] == 1
    with pytest.raises((TypeError, BufferError)):
        np.from_dlpack(ferax.random.key(0))
    w = jnp.arange(3.0) + 0
    view = np.from_dlpack(w)
    ferax.jit(lambda w: w + 1, donate_argnums=0)(w)             # not taken: its memory is in use
    assert view.tolist() == [0, 1, 2]


def test_what_is_no_dlpack_producer():
    with pytest.raises(TypeError, match="__dlpack__"):
        jnp.from_dlpack([1, 2, 3])
    with pytest.raises(TypeError, match="__dlpack__"):
        jnp.from_dlpack(Offers(np.ones(2)))


# --- given to our functions -----------------------------------------------------------------------


def test_objects_with_an_array_method_are_taken_where_arrays_are_made():
    offered = Offers(np.arange(3.0))
    assert jnp.asarray(offered).tolist() == [0, 1, 2] and jnp.array(offered).dtype == jnp.float32
    assert ferax.device_put(offered).tolist() == [0, 1, 2]


@pytest.mark.parametrize("call", [
    lambda t: ferax.jit(lambda x: x)(t), lambda t: ferax.vmap(lambda x: x)(t), lambda t: ferax.grad(lambda x: x.sum())(t),
    lambda t: ferax.vjp(lambda x: x, t), lambda t: ferax.jvp(lambda x: x, (t,), (t,)), lambda t: ferax.make_jaxpr(lambda x: x)(t),
    lambda t: jnp.sin(t), lambda t: jnp.ones(3) + t, lambda t: ferax.lax.add(jnp.ones(3), t)])
def test_foreign_tensors_are_refused_with_the_way_out(call):
    tensor = Tensor(np.ones(3, np.float32))
    with pytest.raises(TypeError) as info:
        call(tensor)
    text = str(info.value)
    assert "Tensor" in text
    if "not a valid type: arrays" in text:
        assert "from_dlpack" in text


def test_foreign_arrays_in_the_tree_are_named():
    with pytest.raises(TypeError, match=r"p\['w'\].*Tensor.*from_dlpack"):
        ferax.jit(lambda p: p)({"w": Tensor(np.ones(3))})


def test_results_of_foreign_types_are_refused():
    with pytest.raises(TypeError, match="result of .*Tensor"):
        ferax.jit(lambda x: Tensor(np.ones(3)))(1.0)


# --- NumPy ----------------------------------------------------------------------------------------


def test_numpy_reads_our_arrays():
    x = jnp.arange(4.0)
    np.testing.assert_allclose(np.sin(x), np.sin(np.arange(4.0)), rtol=1e-6)
    assert isinstance(np.sin(x), np.ndarray)
    assert np.concatenate([x, np.ones(2)]).shape == (6,) and np.mean(x) == 1.5
    assert np.asarray(x).flags.writeable is False and np.array(x).flags.writeable
    assert np.array(x, dtype=int).tolist() == [0, 1, 2, 3]
    assert [10, 20, 30][jnp.int32(1)] == 20 and np.arange(5)[jnp.array([1, 3])].tolist() == [1, 3]
    assert list(range(jnp.int32(3))) == [0, 1, 2] and f"{jnp.float32(1.5):.2f}" == "1.50"
    assert np.asarray(jnp.ones(2, jnp.bfloat16)).dtype == jnp.bfloat16


def test_operators_with_numpy_arrays_give_ours():
    a, b = np.arange(3, dtype=np.float32), jnp.ones(3)
    for result in (a + b, b + a, a * b, a @ b, b @ a, a < b, np.float32(2) * b, a - b, a ** b):
        assert isinstance(result, ferax.Array), type(result)
    c = np.ones(3, np.float32)
    c += b                                      # NumPy's own array stays NumPy's
    assert isinstance(c, np.ndarray) or isinstance(c, ferax.Array)
    np.testing.assert_array_equal(c, [2, 2, 2])


def test_numpy_values_as_arguments_and_constants():
    @ferax.jit
    def f(x):
        return x * np.float32(2) + np.ones(3, np.float32)[1] + np.array([1.0, 2.0, 3.0])

    for x in (np.ones(3, np.float32), np.float32(1), 1, np.ones((1,))):
        np.testing.assert_array_equal(f(x), [4, 5, 6])
    big_endian = np.arange(3, dtype=">f4")
    np.testing.assert_array_equal(jnp.asarray(big_endian), [0, 1, 2])
    np.testing.assert_array_equal(ferax.jit(lambda x: x + 1)(np.arange(6)[::2]), [1, 3, 5])
    masked = np.ma.masked_array([1.0, 2.0], mask=[True, False])
    with pytest.raises((TypeError, ValueError), match="(?i)mask"):
        jnp.asarray(masked)


def test_pickles_and_processes():
    tree = {"w": jnp.arange(3, dtype=jnp.bfloat16), "k": ferax.random.key(3), "n": 1.5}
    back = pickle.loads(pickle.dumps(tree))
    np.testing.assert_array_equal(back["w"], tree["w"])
    assert back["w"].dtype == jnp.bfloat16 and back["k"].dtype == tree["k"].dtype
    for function in (jnp.sin, jnp.where, jnp.add, ferax.lax.add, ferax.random.normal, jnp.sum, ferax.tree.map, ferax.grad):
        assert pickle.loads(pickle.dumps(function)) is function


def test_a_class_named_like_jaxs_array_gets_a_hint():
    class ArrayImpl:
        __module__ = "jaxlib._jax"

        def __array__(self, dtype=None, copy=None):
            return np.ones(3, np.float32)

    with pytest.raises(TypeError, match="array of jax; convert it with numpy.asarray"):
        ferax.jit(lambda x: x)(ArrayImpl())
    assert jnp.asarray(ArrayImpl()).tolist() == [1, 1, 1]




def test_jax_is_not_imported_by_importing_us():
    code = "import ferax, ferax.numpy as jnp, sys; jnp.ones(3) + 1; print('jax' in sys.modules and sys.modules['jax'] is not None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr
