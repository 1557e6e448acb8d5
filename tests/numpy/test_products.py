"""Products of arrays, einsum and norms against NumPy."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from numpy_compare import assert_close, check, check_gradient

import ferax
import ferax.numpy as jnp
import ferax.numpy.linalg

rng = np.random.default_rng(0)


def rand(*shape):
    return rng.normal(size=shape).astype(np.float32)


A, B, V3, V4 = rand(3, 4), rand(4, 2), rand(3), rand(4)
T, C = rand(2, 3, 4), (rand(3) + 1j * rand(3)).astype(np.complex64)
INTS = np.arange(12).reshape(3, 4)

SAME_AS_NUMPY = [
    ("matmul", [A, B]), ("matmul", [A, V4]), ("matmul", [V3, A]), ("matmul", [V4, V4]), ("matmul", [T, B]), ("matmul", [A, T.mT]),
    ("matmul", [T, T.mT]), ("matmul", [T[:, None], T.mT[None]]), ("matmul", [T[:1], rand(5, 4, 2)]), ("matmul", [V4, rand(5, 4, 2)]),
    ("matmul", [rand(5, 2, 4), V4]), ("matmul", [rand(1, 2, 3), rand(1, 3, 2)]), ("matmul", [rand(3, 1, 1, 2, 3), rand(4, 1, 3, 2)]),
    ("matmul", [INTS, INTS.T]), ("matmul", [INTS, A.T]), ("dot", [A, B]), ("dot", [2.0, A]), ("dot", [V4, V4]),
    ("dot", [T, rand(5, 4, 2)]), ("vdot", [A, A]), ("vdot", [C, C[::-1]]), ("vecdot", [T, A]), ("vecdot", [A, A], {"axis": 0}),
    ("inner", [A, T]), ("inner", [A, 3.0]), ("outer", [A, V4]), ("tensordot", [T, A]), ("tensordot", [A, B, 1]),
    ("tensordot", [T, A, ((2, 1), (1, 0))]), ("tensordot", [T, A, (2, 1)]), ("tensordot", [A, B, 0]), ("kron", [A, B]),
    ("kron", [V3, A]), ("cross", [T[..., :3], A[:, :3]]), ("cross", [A, A[::-1]], {"axis": 0}),
    ("cross", [A, A[::-1]], {"axisa": 0, "axisb": 0, "axisc": 1}), ("trace", [A]), ("trace", [T], {"offset": 1, "axis1": 1, "axis2": 2}),
    ("trace", [INTS, -1]), ("matvec", [T, V4]), ("vecmat", [C, rand(2, 3, 2)]),
]
EINSUMS = [
    ("ij,jk->ik", A, B), ("ij,jk", A, B), ("ij->ji", A), ("ii->i", A[:, :3]), ("ii", A[:, :3]), ("ij->", A), ("...j,j->...", T, V4),
    ("...j,...j", T, A), ("bij,bjk->kbi", T, T.mT), ("ij,ij->ij", A, A), ("i,j->ij", V3, V4), ("i,i->i", V3, C),
    ("ij,jk,kl->il", A, B, B.T), ("ij,kj,lj->ikl", A, A, A), ("ij,k->i", A, V3), ("iij,j->i", rand(3, 3, 2), rand(2)),
    ("i...->...i", T), ("...,...", T, V4), ("bqhd,bkhd->bhqk", T[:, :, None], T[:, :, None]), ("ba,cb->ca", A, rand(2, 3)),
    ("ij,j->i", A, rand(1)), ("...ij,...jk->...ik", rand(1, 2, 3), rand(5, 3, 2)), ("ab,bc,cd,de->ea", A, B, B.T, A.T),
]


@pytest.mark.parametrize("row", SAME_AS_NUMPY, ids=lambda row: row[0])
def test_same_as_numpy(row):
    name, args, *kwargs = row
    if not hasattr(np, name):
        pytest.skip(f"this NumPy has no {name}")
    check(getattr(jnp, name), getattr(np, name), args, *kwargs)


@pytest.mark.parametrize("subscripts, operands", [(row[0], row[1:]) for row in EINSUMS], ids=lambda v: v if isinstance(v, str) else "")
def test_einsum(subscripts, operands):
    if subscripts == "ij,j->i":                             # NumPy does not broadcast a letter of size 1 any more
        assert_close(jnp.einsum(subscripts, *operands), (operands[0] * operands[1]).sum(1))
        return
    assert_close(jnp.einsum(subscripts, *operands), np.einsum(subscripts, *operands))


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


@pytest.mark.parametrize("order", [None, 1, 2, 3, 0.5, 0, np.inf, -np.inf])
def test_vector_norms(order):
    check(lambda x: jnp.linalg.norm(x, order, axis=1), lambda x: np.linalg.norm(x, order, axis=1), [T])
    if order is not None:
        check(lambda x: jnp.linalg.vector_norm(x, ord=order, axis=(0, 2)),
              lambda x: np.linalg.norm(x.transpose(1, 0, 2).reshape(3, 8), order, axis=1), [T])


@pytest.mark.parametrize("order", ["fro", 1, -1, np.inf, -np.inf])
def test_matrix_norms(order):
    check(lambda x: jnp.linalg.norm(x, order), lambda x: np.linalg.norm(x, order), [A])
    for axis in ((0, 2), (2, 0)):
        check(lambda x: jnp.linalg.norm(x, order, axis, True), lambda x: np.linalg.norm(x, order, axis, True), [T])


def test_more_of_linalg():
    check(jnp.linalg.norm, np.linalg.norm, [C])
    check(jnp.linalg.multi_dot, np.linalg.multi_dot, [[V3, A, B, rand(2)]])
    check(jnp.linalg.outer, np.outer, [V3, V4])


@hypothesis.settings(max_examples=12)
@hypothesis.given(st.data())
def test_batches_broadcast(data):
    batch = data.draw(st.lists(st.integers(1, 3), max_size=3))
    left, right = [[n if data.draw(st.booleans()) else 1 for n in batch][data.draw(st.integers(0, len(batch))):] for _ in (0, 1)]
    x, y = rand(*left, 2, 3), rand(*right, 3, 2)
    check(jnp.matmul, np.matmul, [x, y])
    check(lambda x, y: jnp.einsum("...ij,...jk->...ik", x, y), np.matmul, [x, y])


@pytest.mark.parametrize("fun", [
    lambda x: x @ B, lambda x: jnp.matmul(T, x.T), lambda x: jnp.einsum("ij,kj,kl->il", x, x, x), lambda x: jnp.outer(x, x[0]),
    lambda x: jnp.tensordot(x, T, ((0, 1), (1, 2))), lambda x: jnp.linalg.norm(x, axis=1), lambda x: jnp.trace(x),
    lambda x: jnp.vecdot(x, T), lambda x: jnp.einsum("ii->i", x[:, :3])])
def test_gradients(fun):
    check_gradient(fun, A / 2, step=3e-3)
