"""``ferax.numpy.fft`` against NumPy: sizes, axes, norms, derivatives; frequencies; what is refused."""

import numpy as np
import pytest

import ferax
from ferax import numpy as fnp
from ferax._src.util import config

FFT, NP = fnp.fft, np.fft
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
Z = (X + 1j * RNG.normal(size=X.shape)).astype(np.complex64)
NORMS = (None, "backward", "ortho", "forward")
ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
MANY = ("fftn", "ifftn", "rfftn", "irfftn")
TWO = ("fft2", "ifft2", "rfft2", "irfft2")


def given(name):
    return X if name.startswith(("rfft", "ihfft")) else Z


def agree(name, *args, x=None, **kwargs):
    x = given(name) if x is None else x
    got, wanted = getattr(FFT, name)(x, *args, **kwargs), getattr(NP, name)(x, *args, **kwargs)
    assert got.shape == wanted.shape and got.dtype == {"f": np.float32, "c": np.complex64}[wanted.dtype.kind]
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-5 * max(1, np.abs(wanted).max(initial=0)))


@pytest.mark.parametrize("name", MANY)
def test_more_axes_than_the_compiler_takes(name):
    x = RNG.normal(size=(2, 3, 2, 3, 4)).astype(np.float32)
    agree(name, x=x)
    agree(name, (3, 2, 5, 2), (3, 0, 1, 4), x=x)


def test_sizes_of_the_last_axes():
    x = fnp.asarray(Z)
    np.testing.assert_allclose(FFT.fftn(x, (2, 7)), NP.fftn(Z, (2, 7), axes=(1, 2)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(FFT.irfftn(x, s=(4,)), NP.irfftn(Z, (4,), axes=(2,)), rtol=1e-4, atol=1e-5)


def test_axes_none_and_empty():
    assert FFT.fft(X[0, 0], axis=None).shape == (5,)
    assert FFT.fftn(X, axes=()).dtype == np.complex64
    np.testing.assert_array_equal(FFT.rfftn(X, axes=()), X)
    assert FFT.fftn(np.float32(2)) == 2 and FFT.fftn(np.float32(2)).dtype == np.complex64


def test_nothing_to_transform():
    assert FFT.fft(np.ones((3, 0))).shape == (3, 0) and FFT.irfft(np.ones((3, 0))).shape == (3, 0)
    assert FFT.irfft(np.ones((3, 1))).shape == (3, 0) and FFT.rfft(np.ones((0, 3))).shape == (0, 2)
    assert FFT.fft(np.ones((3, 0)), 4).shape == (3, 4) and FFT.fft2(np.ones((2, 3, 0)), norm="ortho").shape == (2, 3, 0)


def test_transformed_and_staged():
    rows = ferax.vmap(lambda x: FFT.rfft(x, axis=0), in_axes=1, out_axes=1)(fnp.asarray(X))
    np.testing.assert_allclose(rows, NP.rfft(X, axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ferax.jit(lambda x: FFT.ifftn(FFT.fftn(x)))(Z), Z, atol=1e-6)
    real = ferax.grad(lambda x: fnp.sum(fnp.abs(FFT.rfft(x, norm="ortho")) ** 2))(fnp.asarray(X[0, 0]))
    count = np.array([1, 2, 2])
    np.testing.assert_allclose(real, 2 * NP.irfft(NP.rfft(X[0, 0]) / count, 5), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: FFT.fft([1, 2, 3]), TypeError, "jax.numpy.fft.fft requires ndarray"),
    (lambda: FFT.fft(3.0), ValueError, "axis -1 is out of bounds"),
    (lambda: FFT.fft(X, 0), ValueError, "Shape should be positive"),
    (lambda: FFT.fft(X, 2.5), TypeError, "integer"),
    (lambda: FFT.fft(X, axis=3), ValueError, "axis 3 is out of bounds"),
    (lambda: FFT.fft(X, axis=1.5), TypeError, "integer"),
    (lambda: FFT.fft(X, axis=(0,)), ValueError, "does not support multiple axes. Please use jax.numpy.fft.fftn"),
    (lambda: FFT.ihfft(X, norm="x"), ValueError, "Invalid norm value x"),
    (lambda: FFT.irfftn(X, norm=1), ValueError, "Invalid norm value 1"),
    (lambda: FFT.rfft(Z), ValueError, "only real valued inputs"),
    (lambda: FFT.rfft(X.astype("float16")), ValueError, "float32 or float64"),
    (lambda: FFT.rfft(X[..., :0]), ValueError, "at least one element"),
    (lambda: FFT.fftn(X, (1, 2, 3, 4)), ValueError, "more elements than the array has dimensions"),
    (lambda: FFT.fftn(X, (2,), (0, 1)), ValueError, "Shape and axes have different lengths"),
    (lambda: FFT.fftn(X, axes=(0, -3)), ValueError, "repeated axes"),
    (lambda: FFT.fftn(X, 5), TypeError, "not iterable"),
    (lambda: FFT.fft2(X, axes=(0,)), ValueError, "only supports 2 axes"),
    (lambda: FFT.fftfreq([4]), ValueError, "only takes an int"),
    (lambda: FFT.rfftfreq(4, [0.1]), ValueError, "only takes a single value"),
    (lambda: FFT.fftfreq(4, 1j), TypeError, "complex"),
    (lambda: ferax.jit(FFT.fftfreq)(4), ferax.errors.ConcretizationTypeError, "known while tracing"),
    (lambda: FFT.fftshift(X, 3), ValueError, "axis 3 is out of bounds"),
])
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
def test_frequencies(name):
    ours, theirs = getattr(FFT, name), getattr(NP, name)
    for n in (1, 4, 5, 9):
        np.testing.assert_allclose(ours(n, 0.1), theirs(n, 0.1), rtol=1e-6)
    assert ours(4).dtype == np.float32 and ours(4, dtype="float16").dtype == np.float16
    assert ours(0).shape == ((0,) if name == "fftfreq" else (1,))
    np.testing.assert_allclose(ours(4, dtype=np.complex64), theirs(4).astype(np.complex64))
    np.testing.assert_allclose(ferax.jit(lambda d: ours(6, d))(0.5), theirs(6, 0.5))
    device = ferax.devices()[0]
    assert ours(4, device=device).devices() == {device}
    with config.enable_x64(True):
        np.testing.assert_array_equal(ours(7, 0.3), theirs(7, 0.3))


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
def test_shifts(name):
    for axes in (None, 0, -1, (0, 2), [1], ()):
        np.testing.assert_array_equal(getattr(FFT, name)(X, axes), getattr(NP, name)(X, axes))
    np.testing.assert_array_equal(getattr(FFT, name)(np.arange(7)), getattr(NP, name)(np.arange(7)))
