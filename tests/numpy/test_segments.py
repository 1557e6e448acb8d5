"""Reductions over segments, beyond their rows in `api_table_reductions`; and pytrees as vectors."""

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import ops
from ferax.flatten_util import ravel_pytree

DATA, IDS = np.array([3, 1, 4, 1, 5, 9]), np.array([0, 0, 2, -1, 7, 2])


def test_derivatives():
    x = jnp.asarray([1., 2, 3, 3, 5, 6])
    np.testing.assert_array_equal(ferax.grad(lambda x: ops.segment_sum(x, np.abs(IDS) % 3, 3).sum())(x), np.ones(6))
    np.testing.assert_array_equal(ferax.grad(lambda x: ops.segment_max(x, np.abs(IDS) % 3, 3).sum())(x), [0, 1, 0, 0, 1, 1])
    square = ferax.grad(lambda x: (ops.segment_prod(x, np.arange(6), 6, unique_indices=True) ** 2).sum())(x)
    np.testing.assert_array_equal(square, 2 * x)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: ops.segment_sum(DATA, IDS, -1), ValueError, "num_segments must be non-negative"),
    (lambda: ops.segment_sum(DATA, IDS, 3.0), TypeError, "num_segments must be an integer"),
    (lambda: ops.segment_sum(DATA > 2, IDS, 3), TypeError, "does not accept dtype bool"),
    (lambda: ops.segment_max(DATA, IDS.astype(float), 3), TypeError, "segment_ids must be integers, got dtype float32"),
    (lambda: ops.segment_min([1, 2], [0, 1]), TypeError, "segment_min requires ndarray or scalar arguments"),
    (lambda: ops.segment_min(np.zeros(0), np.zeros(0, int)), ValueError, "num_segments must be given"),
    (lambda: ops.segment_min(DATA, IDS, 3, bucket_size=0), ValueError, "bucket_size must be positive"),
    (lambda: ops.segment_sum(DATA, IDS[:3], 3), ValueError, "broadcast"),
    (lambda: ops.segment_sum(DATA, IDS, 3, mode="xx"), ValueError, "xx"),
    (lambda: ferax.jit(ops.segment_sum)(DATA, IDS), ferax.errors.ConcretizationTypeError, "pass num_segments"),
])
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- vectors of pytrees -------------------------------------------------------------------------

def test_ravel_and_unravel():
    tree = {"a": jnp.ones((2, 2)), "b": [jnp.zeros(3), None]}
    flat, unravel = ravel_pytree(tree)
    assert flat.tolist() == [1, 1, 1, 1, 0, 0, 0]
    back = unravel(np.arange(7))                # all of one dtype: any dtype will do
    assert back["a"].tolist() == [[0, 1], [2, 3]] and back["b"][1] is None and back["a"].dtype == np.int32
    assert ferax.vmap(unravel)(jnp.ones((3, 7)))["b"][0].shape == (3, 3)
    assert unravel == ravel_pytree({"a": jnp.zeros((2, 2)), "b": [jnp.ones(3), None]})[1] and hash(unravel)
    with pytest.raises(ValueError, match=r"shape \(6,\), but expected shape \(7,\)"):
        unravel(jnp.zeros(6))
    np.testing.assert_array_equal(ferax.grad(lambda v: (unravel(v)["a"] ** 2).sum())(flat), [2, 2, 2, 2, 0, 0, 0])


def test_ravel_of_several_dtypes():
    flat, unravel = ravel_pytree([1, 2.0, np.ones(2, "int8"), 1j])
    assert flat.dtype == np.complex64
    assert [str(x.dtype) for x in unravel(flat)] == ["int32", "float32", "int8", "complex64"]
    with pytest.raises(TypeError, match="dtype float32, but expected dtype complex64"):
        unravel(jnp.zeros(5))


def test_ravel_of_little():
    flat, unravel = ravel_pytree([])
    assert (flat.shape, flat.dtype, unravel(flat)) == ((0,), np.float32, [])
    flat, unravel = ravel_pytree(3.0)
    assert flat.weak_type and unravel(flat).weak_type and unravel(flat).shape == ()
    for bad in (["text"], [object()], ferax.random.key(0)):
        with pytest.raises(TypeError, match="dtype"):
            ravel_pytree(bad)
