"""Block-scaled products: against products of what the formats hold, and their derivatives."""

import numpy as np
import pytest
from api_table_nn import rounded

import ferax
import ferax.numpy as jnp
from ferax import nn

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 32, 64)).astype("f"), RNG.normal(size=(2, 64, 32)).astype("f")
NUMBERS = (((2,), (1,)), ((0,), (0,)))


def config(mode):
    return [nn.get_scaled_dot_general_config(mode, jnp.array([0.5], "float32") if mode == "nvfp4" else None)] * 3


def test_scaled_matmul():
    scales = (2.0 ** RNG.integers(-2, 3, (2, 32, 4))).astype("f")
    b = np.swapaxes(B, 1, 2)
    wanted = np.einsum("bmk,bnk->bmn", A * np.repeat(scales, 16, 2), b * np.repeat(scales[::-1], 16, 2))
    found = nn.scaled_matmul(A, b, scales, scales[::-1])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)
    assert nn.scaled_matmul(A, b, scales, scales, preferred_element_type=jnp.bfloat16).dtype == jnp.bfloat16
    for args, message in (((A[0], b, scales, scales), "3-dimensional"), ((A, b[:, :, :32], scales, scales), "inputs a and b to have"),
                          ((A, b, scales, scales[:1]), "scales to have matching"), ((A, b, scales[:, :5], scales), "non-contract"),
                          ((A, b, scales[..., :3], scales[..., :3]), "divide the contract dimension")):
        with pytest.raises(ValueError, match=message):
            nn.scaled_matmul(*args)


def transposed(x):
    return np.swapaxes(x, 1, 2)


@pytest.mark.parametrize("mode", ["mxfp8", "nvfp4"])
def test_scaled_dot_general(mode):
    out, pull = ferax.vjp(ferax.jit(lambda a, b: nn.scaled_dot_general(a, b, NUMBERS, configs=config(mode))), A, B)
    np.testing.assert_allclose(out, rounded(A, mode) @ transposed(rounded(transposed(B), mode)), rtol=1e-4, atol=1e-4)
    ct = RNG.normal(size=out.shape).astype("f")
    by_a, by_b = pull(ct)
    if mode == "nvfp4":                         # cotangents are not rounded
        wanted = ct @ transposed(B), transposed(A) @ ct
    else:
        by_rows, by_columns = rounded(ct, mode), rounded(transposed(ct), mode)
        wanted = by_rows @ transposed(rounded(B, mode)), rounded(transposed(A), mode) @ transposed(by_columns)
    np.testing.assert_allclose(by_a, wanted[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(by_b, wanted[1], rtol=1e-4, atol=1e-4)


def test_without_batch_dimensions():
    found = nn.scaled_dot_general(A[0], B[0], (((1,), (0,)), ((), ())), np.float16, config("mxfp8"))
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, rounded(A[0], "mxfp8") @ rounded(B[0].T, "mxfp8").T, rtol=2e-3, atol=2e-3)


def test_without_configurations():
    np.testing.assert_allclose(nn.scaled_dot_general(A, B, NUMBERS), A @ B, rtol=1e-4, atol=1e-4)
    with pytest.warns(DeprecationWarning, match="implementation"):
        nn.scaled_dot_general(A, B, NUMBERS, implementation="cudnn")


def test_refused():
    with pytest.raises(ValueError, match="Unsupported mode: int4"):
        nn.get_scaled_dot_general_config("int4")
    with pytest.raises(TypeError, match="preferred_element_type must be"):
        nn.scaled_dot_general(A, B, NUMBERS, np.int32, config("mxfp8"))
    with pytest.raises(ValueError, match="multiple of the block size"):
        nn.scaled_dot_general(A[..., :40], B[:, :40], NUMBERS, configs=config("mxfp8"))
    with pytest.raises(ValueError, match="configs must be three"):
        nn.scaled_dot_general(A, B, NUMBERS, configs=config("mxfp8")[:2])
