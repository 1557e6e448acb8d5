"""Products of arrays, einsum and norms against NumPy."""

import numpy as np
import pytest
from numpy_compare import assert_close

import ferax
import ferax.numpy as jnp
import ferax.numpy.linalg

rng = np.random.default_rng(0)


def rand(*shape):
    return rng.normal(size=shape).astype(np.float32)


A, B, V3, V4 = rand(3, 4), rand(4, 2), rand(3), rand(4)
T, C = rand(2, 3, 4), (rand(3) + 1j * rand(3)).astype(np.complex64)
INTS = np.arange(12).reshape(3, 4)

def test_einsum_repeats_a_letter_of_size_one():
    """NumPy does not any more."""
    x, y = rand(3, 4), rand(1)
    assert_close(jnp.einsum("ij,j->i", x, y), (x * y).sum(1))


def test_einsum_options():
    expected = np.einsum("ij,jk,kl->il", A, B, B.T)
    for optimize in (True, False, "greedy", [(1, 2), (0, 1)], ["einsum_path", (1, 2), (0, 1)]):
        assert_close(jnp.einsum("ij,jk,kl->il", A, B, B.T, optimize=optimize), expected)
    assert_close(jnp.einsum(A, [0, 1], B, [1, 2], [2, 0]), (A @ B).T)
    assert_close(jnp.einsum(A, [0, 1], B, [1, 2]), A @ B)
    path, report = jnp.einsum_path("ij,jk,kl->il", A, B, B.T)
    assert len(path) == 2 and "il" in str(report)
    low = jnp.asarray(A, jnp.bfloat16)
    assert jnp.einsum("ij,kj->ik", low, low).dtype == jnp.bfloat16
    assert jnp.einsum("ij,kj->ik", low, low, preferred_element_type="float32").dtype == jnp.float32


def test_einsum_needs_no_transpose_where_the_operands_can_change_places():
    jaxpr = ferax.make_jaxpr(lambda a, b: jnp.einsum("ba,cb->ca", a, b))(A, rand(2, 3))
    assert [e.primitive.name for e in jaxpr.eqns] == ["dot_general"]
    jaxpr = ferax.make_jaxpr(lambda q, k: jnp.einsum("bqhd,bkhd->bhqk", q, k))(rand(2, 3, 4, 5), rand(2, 6, 4, 5))
    assert [e.primitive.name for e in jaxpr.eqns] == ["dot_general"]


def test_dtypes():
    def dtype(x, y, **k):
        return str(jnp.matmul(jnp.ones((2, 2), x), jnp.ones((2, 2), y), **k).dtype)
    assert dtype("int8", "uint8") == "int16" and dtype("int32", "bfloat16") == "bfloat16"
    assert dtype("bfloat16", "bfloat16", preferred_element_type="float32") == "float32"
    assert jnp.dot(2.0, 3.0).weak_type and not jnp.dot(2.0, jnp.float32(3)).weak_type


@pytest.mark.parametrize("call, error, text", [
    (lambda: jnp.matmul(A, A), TypeError, r"\(3, 4\) and \(3, 4\) do not fit"),
    (lambda: jnp.matmul(2.0, A), ValueError, "operand 0 must have ndim at least 1"),
    (lambda: jnp.matmul(T, rand(3, 4, 3)), ValueError, "Incompatible shapes"),
    (lambda: jnp.dot(A, A), TypeError, "do not fit"),
    (lambda: jnp.tensordot(A, A, 3), TypeError, "exceeds input ranks"),
    (lambda: jnp.tensordot(A, A, 1), TypeError, "differ in size"),
    (lambda: jnp.vecdot(A, V3), ValueError, "axes must match"),
    (lambda: jnp.einsum("ij,jk", A), ValueError, "for 2 operands, but 1 were given"),
    (lambda: jnp.einsum("ij,jk->ik", A, A), ValueError, "given the letter 'j'"),
    (lambda: jnp.einsum("ij->k", A), ValueError, "letters that no operand has"),
    (lambda: jnp.einsum("ijk", A), ValueError, "does not fit an operand of shape"),
    (lambda: jnp.cross(V4, V4), ValueError, "Dimension must be either 2 or 3"),
    (lambda: jnp.trace(V3), ValueError, "at least two dimensions"),
    (lambda: jnp.linalg.norm(T, axis=(0, 1, 2)), ValueError, "Improper number of axes"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
