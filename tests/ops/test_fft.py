"""Fourier transforms of `lax`: how kinds and sizes are given, dtypes, and what is refused."""

import numpy as np
import pytest

import ferax
from ferax import lax
from ferax._src.util import config

X = np.arange(12, dtype=np.float32).reshape(3, 4) ** 2 % 7


@pytest.mark.parametrize("kind", [lax.FftType.FFT, "FFT", "fft"])
@pytest.mark.parametrize("lengths", [(3, 4), [3, 4], np.array([3, 4])])
def test_kinds_and_sizes_have_many_forms(kind, lengths):
    np.testing.assert_allclose(lax.fft(X, kind, lengths), np.fft.fft2(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("kind", "given", "result"), [
    ("FFT", "bool", "complex64"), ("IFFT", "int8", "complex64"), ("FFT", "float16", "complex64"), ("FFT", "bfloat16", "complex64"),
    ("FFT", "complex64", "complex64"), ("RFFT", "int32", "complex64"), ("IRFFT", "float32", "float32"), ("IRFFT", "uint8", "float32")])
def test_dtypes(kind, given, result):
    x = ferax.numpy.asarray(X[:, :3]).astype(given)
    assert lax.fft(x, kind, (4,) if kind == "IRFFT" else (3,)).dtype == result


def test_wide_dtypes():
    with config.enable_x64(True):
        assert lax.fft(X.astype("int64"), "RFFT", (4,)).dtype == "complex128"
        assert lax.fft(X.astype("complex128"), "IRFFT", (6,)).dtype == "float64"


def test_without_sizes_numbers_are_only_converted():
    assert (lax.fft(3.0, "RFFT", ()), lax.fft(X, "IRFFT", ()).dtype) == (3.0, np.complex64)


def test_nothing_to_transform():
    assert lax.fft(np.ones((3, 0), np.float32), "FFT", (0,)).shape == (3, 0)
    assert lax.fft(np.ones((3, 1), np.complex64), "IRFFT", (0,)).shape == (3, 0)
    x = np.ones((3, 0), np.complex64)
    assert ferax.vjp(lambda x: lax.fft(x, "IRFFT", (0,)), x)[1](np.ones((3, 0), np.float32))[0].shape == (3, 0)
    x = np.ones((2, 1), np.complex64)
    np.testing.assert_array_equal(ferax.vjp(lambda x: lax.fft(x, "IRFFT", (0,)), x)[1](np.ones((2, 0), np.float32))[0], 0 * x)


@pytest.mark.parametrize(("args", "error", "message"), [
    ((X, "xx", (4,)), ValueError, "Unknown FFT type 'xx'"),
    ((X, 0, (4,)), TypeError, "Unknown FFT type value '0'"),
    ((X, "FFT", 4), TypeError, "fft_lengths must be a sequence of integers"),
    ((X, "FFT", (4.0,)), TypeError, "fft_lengths must be .*integer"),
    ((X, "FFT", (1, 3, 4)), ValueError, "at least as many input dimensions"),
    ((X, "FFT", (5,)), ValueError, r"FFT input shape \(3, 4\) minor dimensions must be equal to fft_lengths \(5,\)"),
    ((X, "RFFT", (3,)), ValueError, "RFFT input shape"),
    ((X + 0j, "RFFT", (4,)), ValueError, "only real valued inputs"),
    ((X.astype("float16"), "RFFT", (4,)), ValueError, "RFFT input must be float32 or float64, got float16"),
    ((X, "IRFFT", (4,)), ValueError, "must have fft_lengths\\[-1\\] // 2 \\+ 1 = 3 elements"),
    ((X, "IRFFT", (2, 6)), ValueError, "equal to all except the last"),
    ((X[:, :0], "RFFT", (0,)), ValueError, "at least one element"),
    (([1, 2], "FFT", (2,)), TypeError, "list"),
])
def test_refused(args, error, message):
    with pytest.raises(error, match=message):
        lax.fft(*args)


def test_on_a_gpu_inner_and_outer_dimensions_of_irfft_are_transformed_apart():
    from ferax._src.ops.fft import FftType, _by_parts

    y = np.fft.rfft2(X).astype(np.complex64)
    y[:, 0] += 1j                               # not symmetric: only the real part of the outer transform counts
    got = _by_parts(ferax.numpy.asarray(y), fft_type=FftType.IRFFT, fft_lengths=(3, 4), last=1)
    np.testing.assert_allclose(got, np.fft.irfft2(y, (3, 4)), atol=1e-5)
