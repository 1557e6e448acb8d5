"""Operations on shapes against NumPy; their derivatives, transposes and batching rules."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from rule_checks import arrays, check_batch, check_derivative, check_values, draw, primitives, vjp, vmap, x64

from ferax._src.ops import axes, broadcasting, joining, shape
from ferax._src.runtime import devices
from ferax._src.types.avals import ShapedArray
from ferax._src.types.meshes import make_mesh
from ferax._src.types.shardings import NamedSharding, PartitionSpec

X = draw((2, 3, 4))


# --- each operation: (function, NumPy's, example) ------------------------------------------------

CASES = {
    "transpose": (lambda x: shape.transpose(x, (2, 0, 1)), lambda x: x.transpose(2, 0, 1), X),
    "reshape": (lambda x: shape.reshape(x, (4, 6)), lambda x: x.reshape(4, 6), X),
    "reshape_scalar": (lambda x: shape.reshape(x, ()), lambda x: x.reshape(()), X[:1, :1, :1]),
    "reshape_permuted": (lambda x: shape.reshape(x, (6, 4), (1, 2, 0)), lambda x: x.transpose(1, 2, 0).reshape(6, 4), X),
    "squeeze": (lambda x: shape.squeeze(x, (0, -1)), lambda x: x[0, ..., 0], X[:1, :, :1]),
    "expand_dims": (lambda x: shape.expand_dims(x, (0, -1)), lambda x: x[None, ..., None], X),
    "rev": (lambda x: shape.rev(x, (0, 2)), lambda x: x[::-1, :, ::-1], X),
    "tile": (lambda x: shape.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3)), X),
    "broadcast": (lambda x: shape.broadcast(x, (2, 1)), lambda x: np.broadcast_to(x, (2, 1, 2, 3, 4)), X),
    "broadcast_to": (lambda x: broadcasting.broadcast_to(x, (5, 3)), lambda x: np.broadcast_to(x, (5, 3)), X[0, :, 0]),
    "broadcast_ones": (lambda x: shape.broadcast_in_dim(x, (3, 5, 2), (2, 0, 1)),
                       lambda x: np.broadcast_to(x.transpose(1, 2, 0), (3, 5, 2)), X[:, :, :1]),
    "collapse": (lambda x: shape.collapse(x, 1), lambda x: x.reshape(2, 12), X),
    "concatenate_many": (lambda x: joining.concatenate([x] * 40, 0), lambda x: np.concatenate([x] * 40, 0), X[0]),
    "stack": (lambda x: joining.stack([x, x], -1), lambda x: np.stack([x, x], -1), X),
    "split": (lambda x: joining.split(x, (1, 0, 2), 1), lambda x: np.split(x, (1, 1), 1), X),
    "unstack": (lambda x: joining.unstack(x, 1), lambda x: [x[:, i] for i in range(3)], X),
    "reduce_sum": (lambda x: broadcasting.reduce_sum(x, (0, 2)), lambda x: x.sum((0, 2)), X),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    f, oracle, x = CASES[name]
    with x64():
        check_values(f, oracle, x)
        check_derivative(f, x)
        check_batch(f, (x,), *[(d,) for d in range(x.ndim + 1)])


def test_concatenate_of_two():
    x, y = X, X[:, :1]
    with x64():
        f = lambda a, b: joining.concatenate([a, b], 1)
        check_values(f, lambda a, b: np.concatenate([a, b], 1), x, y)
        check_derivative(f, x, y)
        check_derivative(f, x, y, active=[1])
        check_batch(f, (x, y), (0, 0), (None, 1), (2, None), (3, 1))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "bfloat16", "float16", "complex64"])
def test_all_dtypes_move(dtype):
    x = np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    for f, oracle in ((lambda a: shape.transpose(a, (1, 0)), lambda a: a.T),
                      (lambda a: shape.reshape(a, (3, 2)), lambda a: a.reshape(3, 2)),
                      (lambda a: joining.concatenate([a, a], 0), lambda a: np.concatenate([a, a]))):
        got = f(x)
        assert got.dtype == x.dtype
        np.testing.assert_array_equal(np.asarray(got).astype(np.complex64), oracle(x).astype(np.complex64))


def test_zero_size():
    x = np.zeros((0, 3), np.float32)
    assert shape.reshape(x, (3, 0)).shape == (3, 0)
    assert shape.transpose(x, (1, 0)).shape == (3, 0)
    assert joining.concatenate([x, x], 1).shape == (0, 6)
    assert np.asarray(broadcasting.reduce_sum(x, (0,))).tolist() == [0, 0, 0]
    assert vmap(lambda a: shape.reshape(a, (3, 1)), (0,))(x).shape == (0, 3, 1)


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.float32, np.complex64])
def test_iota(dtype):
    got = np.asarray(shape.broadcasted_iota(dtype, (2, 3), 1))
    np.testing.assert_array_equal(got, np.broadcast_to(np.arange(3), (2, 3)).astype(dtype))
    assert got.dtype == dtype and shape.iota(dtype, 3).shape == (3,)


# --- properties -----------------------------------------------------------------------------------

sizes = st.integers(0, 3)


@given(st.data())
@settings(max_examples=15)
def test_broadcast_in_dim_and_its_transpose(data):
    """Any placement of dimensions, ones repeated or not: values, and transpose by inner products."""
    out_shape = tuple(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    dims = tuple(data.draw(st.permutations(range(len(out_shape))))[:data.draw(st.integers(0, len(out_shape)))])
    in_shape = tuple(1 if data.draw(st.booleans()) else out_shape[d] for d in dims)
    x = draw(in_shape)
    order = sorted(range(len(dims)), key=dims.__getitem__)
    oracle = np.broadcast_to(x.transpose(order).reshape(
        [in_shape[dims.index(d)] if d in dims else 1 for d in range(len(out_shape))]), out_shape)
    with x64():
        f = lambda a: shape.broadcast_in_dim(a, out_shape, dims)
        check_values(f, lambda a: oracle, x)
        ct = draw(out_shape, 1)
        (pulled,) = vjp(f, [x], [ct])
        t = draw(in_shape, 2)
        np.testing.assert_allclose(np.vdot(pulled, t), np.vdot(ct, arrays(f(t))[0]), rtol=1e-10)
        check_batch(f, (x,), (data.draw(st.integers(0, len(in_shape))),))


@given(st.lists(st.lists(st.integers(1, 3), max_size=3).map(tuple), min_size=1, max_size=3))
def test_broadcast_shapes(shapes):
    try:
        wanted = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ValueError, match="Incompatible shapes"):
            broadcasting.broadcast_shapes(*shapes)
    else:
        assert broadcasting.broadcast_shapes(*shapes) == wanted


@given(st.integers(1, 4), st.data())
def test_axes(ndim, data):
    axis = data.draw(st.integers(-6, 6))
    if -ndim <= axis < ndim:
        assert axes.normalize_axis(axis, ndim) == axis % ndim
    else:
        with pytest.raises(ValueError, match=f"axis {axis} is out of bounds for array of dimension {ndim}"):
            axes.normalize_axis(axis, ndim)


def test_out_sharding():
    mesh = make_mesh((4,), ("x",), devices=devices.devices())
    rows = NamedSharding(mesh, PartitionSpec("x"))
    for f in (lambda s: shape.broadcast_in_dim(np.ones(4, np.float32), (4, 2), (0,), out_sharding=s),
              lambda s: shape.broadcast(np.float32(1), (4, 2), out_sharding=s),
              lambda s: shape.reshape(np.ones(8, np.float32), (4, 2), out_sharding=s),
              lambda s: shape.broadcasted_iota(np.int32, (4, 2), 0, out_sharding=s),
              lambda s: broadcasting.reduce_sum(np.ones((4, 2), np.float32), (1,), out_sharding=s)):
        got = f(rows)
        assert got.sharding == rows
        np.testing.assert_array_equal(np.asarray(got), np.asarray(f(None)))
    with pytest.raises(ValueError, match="no mesh is in use"):
        shape.broadcast(1., (4,), out_sharding=PartitionSpec("x"))
    with pytest.raises(TypeError, match="must be a NamedSharding"):
        shape.broadcast(1., (4,), out_sharding="x")


# --- what is written ----------------------------------------------------------------------------

def test_nothing_is_written_for_nothing():
    x = np.ones((2, 3), np.float32)
    f = lambda a: shape.reshape(shape.transpose(shape.squeeze(shape.rev(shape.broadcast(a, ()), ()), ()), (0, 1)), (2, 3))
    assert primitives(f, x) == []
    assert primitives(lambda a: joining.concatenate([a], 0), x) == []


def test_batched_reshape_moves_no_data_where_the_axis_may_stay():
    x = np.ones((2, 3, 4), np.float32)
    assert primitives(vmap(lambda a: shape.reshape(a, (2, 2, 2)), (1,), 1), x) == ["reshape"]
    assert primitives(vmap(lambda a: shape.reshape(a, (4, 2)), (1,)), x) == ["transpose", "reshape"]


def test_types():
    aval = ShapedArray((2, 3), np.float32, True)
    assert shape.transpose_p.abstract_eval(aval, permutation=(1, 0)) == [ShapedArray((3, 2), np.float32, True)]


@pytest.mark.parametrize("call, error, text", [
    (lambda x: shape.reshape(x, (4, 2)), TypeError, r"new shape \(4, 2\) \(size 8\) for shape \(2, 3\)"),
    (lambda x: shape.reshape(x, (-1, 6)), TypeError, "not negative"),
    (lambda x: shape.transpose(x, (0, 0)), TypeError, "permutation"),
    (lambda x: shape.squeeze(x, (0,)), ValueError, "not equal to one"),
    (lambda x: shape.broadcast_in_dim(x, (2, 4), (0, 1)), TypeError, r"target shape \(2, 4\)"),
    (lambda x: shape.broadcast_in_dim(x, (2, 3), (0,)), TypeError, "one entry for each dimension"),
    (lambda x: shape.expand_dims(x, (0, 0)), ValueError, "repeated"),
    (lambda x: shape.rev(x, (2,)), TypeError, "out of bounds"),
    (lambda x: joining.concatenate([x, x[:1]], 1), TypeError, "differ in dimensions"),
    (lambda x: joining.concatenate([x, x.astype(np.int32)], 1), TypeError, "same dtypes"),
    (lambda x: joining.concatenate([], 0), ValueError, "non-empty"),
    (lambda x: joining.split(x, (1, 1), 1), ValueError, "Sum of sizes 2"),
    (lambda x: broadcasting.reduce_sum(x, (2,)), ValueError, "out of bounds"),
    (lambda x: broadcasting.reduce_sum(x > 0, (1,)), TypeError, "bool"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(np.ones((2, 3), np.float32))
