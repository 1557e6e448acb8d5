"""Products of matrices against NumPy; precisions, derivatives, transposes and batching rules."""

import itertools

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from rule_checks import check_batch, check_derivative, check_values, draw, primitives, transposed, vmap, x64

from ferax._src.ops import dot as do
from ferax._src.ops.precision import DotAlgorithm, DotAlgorithmPreset, Precision, canonicalize_precision
from ferax._src.util import config

BF16 = np.dtype(ml_dtypes.bfloat16)


def oracle(x, y, numbers):
    """dot_general by einsum."""
    (x_contract, y_contract), (x_batch, y_batch) = numbers
    xs = list(range(x.ndim))
    ys = list(range(x.ndim, x.ndim + y.ndim))
    for a, b in zip((*x_contract, *x_batch), (*y_contract, *y_batch)):
        ys[b] = xs[a]
    out = [xs[i] for i in x_batch] + [i for k, i in enumerate(xs) if k not in x_contract and k not in x_batch]
    out += [i for k, i in enumerate(ys) if k not in y_contract and k not in y_batch]
    return np.einsum(x, xs, y, ys, out)


CASES = {
    "inner": ((3,), (3,), (((0,), (0,)), ((), ()))),
    "outer": ((3,), (2,), (((), ()), ((), ()))),
    "matmul": ((2, 3), (3, 4), (((1,), (0,)), ((), ()))),
    "transposed": ((3, 2), (4, 3), (((0,), (1,)), ((), ()))),
    "batched": ((5, 2, 3), (5, 3, 4), (((2,), (1,)), ((0,), (0,)))),
    "batch_last": ((3, 2, 5), (4, 5, 3), (((0,), (2,)), ((2,), (1,)))),
    "two_contracted": ((2, 3, 4), (4, 5, 3), (((2, 1), (0, 2)), ((), ()))),
    "no_elements": ((2, 0), (0, 3), (((1,), (0,)), ((), ()))),
}


@pytest.mark.parametrize("name", CASES)
def test_dot_general(name):
    x_shape, y_shape, numbers = CASES[name]
    x, y = draw(x_shape), draw(y_shape, 1)
    f = lambda x, y: do.dot_general(x, y, numbers)
    with x64():
        check_values(f, lambda x, y: oracle(x, y, numbers), x, y)
        check_derivative(f, x, y)
        axes = [(0, None), (None, y.ndim), (1, 0)]
        check_batch(f, (x, y), *axes)


@given(st.data())
@settings(max_examples=8)
def test_any_dimension_numbers(data):
    sizes = (2, 3, 2, 1)
    roles = data.draw(st.lists(st.sampled_from("bcxy"), min_size=1, max_size=4))
    dims = list(enumerate(roles))
    x_dims = data.draw(st.permutations([i for i, r in dims if r != "y"]))
    y_dims = data.draw(st.permutations([i for i, r in dims if r != "x"]))
    contract = data.draw(st.permutations([i for i, r in dims if r == "c"]))
    batch = data.draw(st.permutations([i for i, r in dims if r == "b"]))
    numbers = tuple(tuple(tuple(side.index(i) for i in kind) for side in (x_dims, y_dims)) for kind in (contract, batch))
    x, y = draw([sizes[i] for i in x_dims]), draw([sizes[i] for i in y_dims], 1)
    with x64():
        f = lambda x, y: do.dot_general(x, y, numbers)
        check_values(f, lambda x, y: oracle(x, y, numbers), x, y)
        check_derivative(f, x, y)


def test_dot_and_batch_matmul():
    x, y = draw((2, 3)), draw((3, 4), 1)
    with x64():
        check_values(lambda x, y: do.dot(x, y), np.dot, x, y)
        check_values(lambda x, y: do.dot(x, y), np.dot, x, y[:, 0])
        check_values(do.batch_matmul, np.matmul, np.stack([x, -x]), np.stack([y, y]))
    with pytest.raises(ValueError, match="dimension_numbers must be given"):
        do.dot(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="at least 2D"):
        do.batch_matmul(np.ones(3), np.ones(3))


# --- dtypes and precisions ----------------------------------------------------------------------

DTYPES = {"i8": np.int8, "u8": np.uint8, "i32": np.int32, "f16": np.float16, "bf16": BF16, "f32": np.float32, "c64": np.complex64}


@pytest.mark.parametrize("x_name, y_name, result", [
    ("i8", "i8", "i8"), ("i8", "i32", "i32"), ("i8", "u8", "i8"), ("i32", "f16", "f16"), ("bf16", "bf16", "bf16"),
    ("f16", "f32", "f32"), ("bf16", "f16", "bf16"), ("f32", "c64", "c64")])
def test_result_dtype(x_name, y_name, result):
    x, y = np.array([[1, 2]]).astype(DTYPES[x_name]), np.array([[3], [1]]).astype(DTYPES[y_name])
    got = np.asarray(do.dot(x, y))
    assert got.dtype == DTYPES[result] and complex(got[0, 0]) == 5


def test_preferred_element_type():
    x = np.full((1, 300), 100, np.int8)
    got = np.asarray(do.dot(x, x.T, preferred_element_type=np.int32))
    assert got.dtype == np.int32 and got == 3_000_000
    x = np.ones((1, 400), BF16)
    got = do.dot(x, x.T, preferred_element_type=np.float32)
    assert got.dtype == np.float32 and np.asarray(got) == 400
    with pytest.raises(TypeError, match="narrower"):
        do.dot(np.ones(2, np.int32), np.ones(2, np.int32), preferred_element_type=np.int8)


def test_cotangents_have_the_dtypes_of_the_operands():
    x, y = np.ones((2, 3), BF16), np.ones((3, 4), BF16)
    f = transposed(lambda x: do.dot(x, y, preferred_element_type=np.float32), x)
    (ct,) = f(np.ones((2, 4), np.float32))
    assert ct.dtype == BF16 and ct.shape == (2, 3)


def test_precisions():
    assert canonicalize_precision("highest") == canonicalize_precision(Precision.HIGHEST) == (Precision.HIGHEST,) * 2
    assert canonicalize_precision(("high", "default")) == (Precision.HIGH, Precision.DEFAULT)
    assert canonicalize_precision("BF16_BF16_F32") is DotAlgorithmPreset.BF16_BF16_F32
    assert canonicalize_precision(None) is None and Precision("tensorfloat32") is Precision.HIGH
    with config.default_matmul_precision("float32"):
        assert canonicalize_precision(None) == (Precision.HIGHEST,) * 2
    for wrong in ("exact", 3, ("high",), (1, 2)):
        with pytest.raises(ValueError, match="precision must be"):
            canonicalize_precision(wrong)


@pytest.mark.parametrize("precision", [None, "high", Precision.HIGHEST, ("default", "highest"), "F32_F32_F32", "BF16_BF16_F32",
                                       "BF16_BF16_F32_X3", "F16_F16_F16", DotAlgorithmPreset.DEFAULT])
def test_precisions_run(precision):
    x, y = draw((2, 3), dtype=np.float32), draw((3, 2), 1, dtype=np.float32)
    got = do.dot(x, y, precision=precision)
    assert got.dtype == np.float32
    np.testing.assert_allclose(np.asarray(got), x @ y, rtol=3e-2, atol=3e-2)
    f = transposed(lambda x: do.dot(x, y, precision=precision), x)
    np.testing.assert_allclose(np.asarray(f(np.eye(2, dtype=np.float32))[0]), y.T, rtol=1e-2)


def test_algorithms_that_the_cpu_does_not_have():
    x = np.ones((2, 2), np.float32)
    for precision in ("TF32_TF32_F32", DotAlgorithm(np.float32, np.float32, np.float32)):
        with pytest.raises(ValueError, match="not supported by dot_general on CPU"):
            do.dot(x, x, precision=precision)
    assert DotAlgorithmPreset.BF16_BF16_F32.supported_lhs_types == (BF16, np.float32)
    assert DotAlgorithmPreset.TF32_TF32_F32_X3.accumulation_type == np.float32


# --- what is written ----------------------------------------------------------------------------

@pytest.mark.parametrize("side", [0, 1])
def test_the_transpose_of_a_matrix_product_transposes_nothing(side):
    x, y = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
    f = [lambda x: do.dot(x, y), lambda y: do.dot(x, y)][side]
    assert primitives(transposed(f, (x, y)[side]), np.ones((2, 4), np.float32)) == ["dot_general"]


def test_batching_is_one_product():
    x, y = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
    for dims in itertools.product((None, 0, 1, 2), repeat=2):
        if dims != (None, None):
            args = [a if d is None else np.stack([a, a], d) for a, d in zip((x, y), dims)]
            assert primitives(vmap(do.dot, dims, 0), *args).count("dot_general") == 1


@pytest.mark.parametrize("numbers, text", [
    ((((2,), (0,)), ((), ())), "lhs dimension numbers"),
    ((((1,), (1,)), ((), ())), "contracting dimensions to have the same shape"),
    ((((0,), (0,)), ((0,), (1,))), "to be distinct"),
    ((((), ()), ((0,), (0,))), "batch dimensions to have the same shape"),
])
def test_errors(numbers, text):
    with pytest.raises(TypeError, match=text):
        do.dot_general(np.ones((2, 3), np.float32), np.ones((3, 4), np.float32), numbers)
