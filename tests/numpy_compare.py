"""Comparing functions of ``ferax.numpy`` with NumPy's: one call of each on the same arguments."""

import numpy as np

import ferax
import ferax.numpy as jnp

TOLERANCE = {"float32": 2e-5, "complex64": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


def as_numpy(x):
    """A result as NumPy arrays that can be compared: the small floats as float32."""
    if isinstance(x, (tuple, list)):
        return [as_numpy(v) for v in x]
    x = np.asarray(x)
    return x if x.dtype.kind in "biufc" else x.astype(np.float32)


def assert_close(found, expected, dtypes=False):
    """Equal structure, shapes and, up to rounding, values; of expected 64 bits 32 are found."""
    if isinstance(expected, (tuple, list)):
        assert isinstance(found, (tuple, list)) and len(found) == len(expected)
        for f, e in zip(found, expected):
            assert_close(f, e, dtypes)
        return
    expected = np.asarray(expected)
    assert isinstance(found, ferax.Array), type(found)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    if dtypes:
        assert found.dtype == jnp.result_type(expected.dtype), (found.dtype, expected.dtype)
    rtol = TOLERANCE.get(str(found.dtype), 1e-9)
    np.testing.assert_allclose(as_numpy(found).astype(np.complex128), expected.astype(np.complex128), rtol=rtol, atol=rtol)


def check(fun, oracle, args, kwargs=None, dtypes=False):
    """``fun`` on Ferax's arrays against ``oracle`` on NumPy's."""
    kwargs = kwargs or {}
    expected = oracle(*args, **kwargs)
    found = fun(*[to_array(x) for x in args], **{k: to_array(v) for k, v in kwargs.items()})
    assert_close(found, expected, dtypes)


def to_array(x):
    """NumPy arrays, also in lists, as Ferax's; all else as it is."""
    if isinstance(x, np.ndarray):
        return jnp.asarray(x)
    if isinstance(x, list) and any(isinstance(v, np.ndarray) for v in x):
        return [to_array(v) for v in x]
    return x


def check_gradient(fun, x, tolerance=1e-2, step=1e-2):
    """The gradient of ``sum(cos(fun(x)))`` along a direction against central differences."""
    rng = np.random.default_rng(0)
    direction = rng.normal(size=np.shape(x)).astype(np.float32)

    def scalar(x):
        return jnp.sum(jnp.cos(fun(x)))
    x = np.asarray(x, np.float32)
    slope = float(jnp.sum(ferax.grad(scalar)(jnp.asarray(x)) * direction))
    higher, lower = float(scalar(jnp.asarray(x + step * direction))), float(scalar(jnp.asarray(x - step * direction)))
    expected = (higher - lower) / (2 * step)
    assert abs(slope - expected) <= tolerance * max(1.0, abs(expected)), (slope, expected)
