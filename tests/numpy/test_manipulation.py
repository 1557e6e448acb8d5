"""Shape and order of elements, joining, padding, choosing and editing against NumPy."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from numpy_compare import assert_close, check, check_gradient

import ferax
import ferax.numpy as jnp

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
M = X[0]
V = np.array([3.0, 1.0, 4.0, 1.5, 0.5], np.float32)
INTS = (np.arange(12) * 5 % 7).reshape(3, 4).astype(np.int32)
MASK = M % 3 > 0

SAME_AS_NUMPY = [
    ("reshape", [X, (4, 6)]), ("reshape", [X, -1]), ("reshape", [X, (2, -1)]), ("reshape", [X, (6, 4)], {"order": "F"}),
    ("ravel", [X]), ("ravel", [X], {"order": "F"}), ("resize", [M, (5, 5)]), ("resize", [M, 3]),
    ("transpose", [X]), ("transpose", [X, (1, 2, 0)]), ("swapaxes", [X, 0, -1]), ("moveaxis", [X, 0, -1]),
    ("moveaxis", [X, (0, 1), (-1, 0)]), ("rollaxis", [X, 2]), ("rollaxis", [X, 0, 3]), ("expand_dims", [X, (0, -1)]),
    ("squeeze", [X[:, :1]]), ("squeeze", [X[:, :1], 1]), ("broadcast_to", [V, (2, 5)]), ("flip", [X]), ("flip", [X, (0, 2)]),
    ("fliplr", [M]), ("flipud", [M]), ("rot90", [M]), ("rot90", [X, -1, (0, 2)]), ("rot90", [M, 2]), ("roll", [X, 5]),
    ("roll", [M, (1, 2), (0, 1)]), ("roll", [M, -3, 1]), ("atleast_2d", [V]), ("atleast_3d", [V]), ("atleast_3d", [M]),
    ("concatenate", [[M, INTS]]), ("concatenate", [[M, M], None]), ("concatenate", [X, 1]), ("stack", [[M, M], -1]),
    ("vstack", [[V, V]]), ("hstack", [[V, V]]), ("hstack", [[M, M]]), ("dstack", [[M, M]]), ("column_stack", [[V, V]]),
    ("append", [M, V]), ("append", [M, M, 1]), ("block", [[M, M]]),
    ("split", [M, 2, 1]), ("split", [V, [1, 3]]), ("split", [V, [3, 1, 9]]), ("array_split", [V, 3]), ("array_split", [V, 7]),
    ("vsplit", [M, 3]), ("hsplit", [M, 2]), ("dsplit", [X, [1]]), ("tile", [M, (2, 1, 2)]), ("tile", [V, 2]),
    ("repeat", [M, 2]), ("repeat", [M, 2, 1]), ("repeat", [M, np.array([1, 0, 2]), 0]), ("where", [MASK, M, 0.0]),
    ("where", [MASK, M, INTS]), ("where", [MASK[0], M, M[:, :1]]), ("select", [[M > 5, M > 3], [M, -M], 7.0]),
    ("diff", [V]), ("diff", [X], {"axis": 1, "n": 2}), ("diff", [MASK]), ("diff", [V], {"prepend": 2.0, "append": V}),
    ("ediff1d", [M]), ("gradient", [M]), ("gradient", [V, np.array([0.0, 1, 3, 4, 8], np.float32)]),
    ("gradient", [X], {"axis": (0, 2)}), ("trapezoid", [M], {"axis": 0}), ("trapezoid", [V], {"x": V[::-1] ** 2}),
    ("interp", [np.array([-1, 0.5, 2.2, 9], np.float32), np.arange(5.0, dtype=np.float32), V]),
    ("interp", [np.array([-1, 9], np.float32), np.arange(5.0, dtype=np.float32), V], {"left": 7, "right": -7}),
    ("interp", [np.array([-1, 5.5], np.float32), np.arange(5.0, dtype=np.float32), V], {"period": 4}),
    ("delete", [V, 1]), ("delete", [M, np.array([0, 2]), 1]), ("delete", [V, slice(0, 4, 2)]), ("insert", [V, 1, 99]),
    ("insert", [M, 1, np.arange(3), 1]), ("insert", [V, np.array([1, 3, 3]), np.array([7, 8, 9])]), ("insert", [M, 2, 5]),
    ("insert", [V, slice(1, 4), 5]), ("trim_zeros", [np.array([0, 0, 1, 0, 2, 0])]), ("ptp", [M, 1]),
    ("searchsorted", [np.sort(V), V]), ("searchsorted", [np.arange(50), INTS], {"side": "right"}),
    ("digitize", [V, np.arange(4.0)]), ("digitize", [V, np.arange(4.0)[::-1]], {"right": True}),
    ("bincount", [INTS[0]]), ("bincount", [INTS[0]], {"weights": M[0], "minlength": 9}), ("histogram", [V, 3]),
    ("histogram", [M, np.array([0.0, 1, 5, 20])], {"density": True}), ("histogram", [M], {"bins": 4, "range": (0, 8)}),
    ("histogram2d", [V, V[::-1], 3]), ("histogramdd", [M], {"bins": 2, "density": True}),
    ("histogram_bin_edges", [V, 4]), ("apply_over_axes", [lambda a, axis: a.sum(axis, keepdims=True), X, [0, 2]]),
]


@pytest.mark.parametrize("row", SAME_AS_NUMPY, ids=lambda row: row[0])
def test_same_as_numpy(row):
    name, args, *kwargs = row
    check(getattr(jnp, name), getattr(np, name), args, *kwargs)


PADS = [(mode, x, width, {}) for mode in ("constant", "edge", "linear_ramp", "maximum", "mean", "median", "minimum", "reflect",
                                          "symmetric", "wrap")
        for x, width in ((M, ((1, 2), (0, 3))), (V, (7, 12)))]
PADS += [
    ("constant", M, 1, {"constant_values": ((1, 2), (3, 4))}), ("linear_ramp", V, (2, 3), {"end_values": (5, -4)}),
    ("mean", INTS, 3, {"stat_length": ((1, 2), (2, 3))}), ("reflect", V, 9, {"reflect_type": "odd"}),
    ("symmetric", V, (4, 9), {"reflect_type": "odd"}), ("edge", np.ones((1, 2), np.float32), 3, {}), ("constant", MASK, 1, {})]


@pytest.mark.parametrize("mode, x, width, options", PADS)
def test_pad(mode, x, width, options):
    check(lambda x, **k: jnp.pad(x, width, mode, **k), lambda x, **k: np.pad(x, width, mode, **k), [x], options)


def test_pad_by_a_function():
    def marks(vector, widths, axis, options):
        return vector.at[:widths[0]].set(options["mark"]).at[len(vector) - widths[1]:].set(-1.0)

    def numpy_marks(vector, widths, axis, options):
        vector[:widths[0]] = options["mark"]
        vector[len(vector) - widths[1]:] = -1
    assert_close(jnp.pad(jnp.asarray(X), 1, marks, mark=7.0), np.pad(X, 1, numpy_marks, mark=7.0))


def test_shapes_and_lists():
    assert jnp.broadcast_shapes((2, 1), (3,), 1) == (2, 3)
    assert jnp.shape(X) == X.shape and jnp.ndim(2) == 0 and jnp.size(X, (0, 2)) == 8
    assert_close(jnp.broadcast_arrays(M, 1.0), np.broadcast_arrays(M, np.float32(1)))
    assert_close(jnp.unstack(jnp.asarray(X), axis=1), [X[:, i] for i in range(3)])
    assert_close(jnp.atleast_1d(1.0, V), [np.ones(1), V])
    assert jnp.reshape(X, (4, 6)) is not None and jnp.asarray(X).reshape(4, -1).shape == (4, 6)


def test_dtypes_of_joining():
    assert jnp.concatenate([jnp.ones(2, jnp.int8), jnp.ones(2, jnp.uint8)]).dtype == jnp.int16
    assert jnp.stack([1, 2.0]).dtype == jnp.float32 and jnp.stack([1, 2.0]).weak_type
    assert jnp.where(M > 1, jnp.asarray(M, jnp.bfloat16), 2.0).dtype == jnp.bfloat16
    assert jnp.where(True, 1, 2).weak_type and not jnp.where(True, jnp.int32(1), 2).weak_type
    assert jnp.astype(jnp.asarray(V), "int8").dtype == jnp.int8 and jnp.astype(INTS, None).dtype == jnp.float32


@pytest.mark.parametrize("call, error, text", [
    (lambda: jnp.reshape(X, (5, -1)), TypeError, "cannot reshape array of shape"),
    (lambda: jnp.reshape(X, (-1, -1)), TypeError, "only specify one unknown"),
    (lambda: jnp.transpose(X, (0, 1)), TypeError, "axes don't match array"),
    (lambda: jnp.squeeze(M, 0), ValueError, "size not equal to one"),
    (lambda: jnp.broadcast_to(V, (5, 2)), ValueError, "Incompatible shapes for broadcasting"),
    (lambda: jnp.concatenate([]), ValueError, "Need at least one array to concatenate"),
    (lambda: jnp.concatenate([1, 2]), ValueError, "Zero-dimensional arrays cannot be concatenated"),
    (lambda: jnp.concatenate([M, V]), TypeError, "different numbers of dimensions"),
    (lambda: jnp.split(V, 2), ValueError, "does not result in an equal division"),
    (lambda: jnp.where(MASK, M), TypeError, "Either both or neither"),
    (lambda: jnp.where(MASK, M, V), ValueError, "Incompatible shapes for broadcasting"),
    (lambda: jnp.pad(M, 1, mode="foo"), NotImplementedError, "Unimplemented padding mode"),
    (lambda: jnp.pad(M, 1.5), TypeError, "must be of integral type"),
    (lambda: jnp.pad(M, -1), ValueError, "can't contain negative values"),
    (lambda: jnp.pad(M, 1, stat_length=2), ValueError, "unsupported keyword arguments for mode 'constant'"),
    (lambda: jnp.rot90(V), ValueError, "ndim at least two"),
    (lambda: jnp.delete(V, 9), ValueError, "out of bounds"),
    (lambda: jnp.stack([M, V]), ValueError, "same shape"),
    (lambda: jnp.block([[V], 1]), ValueError, "Mismatched list depths"),
    (lambda: jnp.bincount(V), TypeError, "must have an integer type"),
    (lambda: jnp.searchsorted(M, 1), ValueError, "a should be 1-dimensional"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_known_only_while_running():
    roll = ferax.jit(lambda shift: jnp.roll(M, shift, (0, 1)))
    assert_close(roll(jnp.array([1, -6])), np.roll(M, (1, -6), (0, 1)))
    repeat = ferax.jit(lambda r: jnp.repeat(V, r, total_repeat_length=6))
    assert_close(repeat(jnp.array([0, 1, 2, 0, 1])), V[[1, 2, 2, 4, 4, 4]])
    assert_close(repeat(jnp.array([3, 1, 2, 3, 4])), np.repeat(V, [3, 1, 2, 3, 4])[:6])
    delete = ferax.jit(lambda i: jnp.delete(M, i, axis=1, assume_unique_indices=True))
    assert_close(delete(jnp.array([3, -4])), np.delete(M, [3, -4], 1))
    with pytest.raises(ferax.errors.ConcretizationTypeError, match="total_repeat_length"):
        ferax.jit(lambda r: jnp.repeat(V, r))(jnp.arange(5))
    with pytest.raises(ferax.errors.ConcretizationTypeError, match="length"):
        ferax.jit(jnp.bincount)(INTS[0])
    assert_close(ferax.jit(lambda x: jnp.bincount(x, length=3))(INTS[0]), np.bincount(INTS[0])[:3])


def test_insert_at_places_of_one_element():
    assert_close(jnp.insert(jnp.asarray(M), jnp.array([1]), jnp.arange(3)[:, None], axis=1),
                 np.insert(M, [1], np.arange(3)[:, None], 1))


def test_piecewise_takes_the_last_condition_that_holds():
    check(lambda v: jnp.piecewise(v, [v > 1, v > 2], [-1, lambda x: 2 * x, lambda x: x + 10]),
          lambda v: np.piecewise(v, [v > 1, v > 2], [-1, lambda x: 2 * x, lambda x: x + 10]), [V])


@hypothesis.settings(max_examples=12)
@hypothesis.given(st.lists(st.integers(0, 3), min_size=1, max_size=3), st.data())
def test_axes(shape, data):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    check(jnp.flip, np.flip, [x, axis])
    check(lambda x: jnp.concatenate([x, x], axis), lambda x: np.concatenate([x, x], axis), [x])
    check(lambda x: jnp.moveaxis(x, axis, 0), lambda x: np.moveaxis(x, axis, 0), [x])
    check(lambda x: jnp.pad(x, (0, 2)), lambda x: np.pad(x, (0, 2)), [x])


@pytest.mark.parametrize("fun", [
    lambda x: jnp.where(x > 0, x * x, jnp.sin(x)), lambda x: jnp.concatenate([x, x * 2], 1), lambda x: jnp.pad(x, 2, "wrap"),
    lambda x: jnp.pad(x, 2, "reflect"), lambda x: jnp.roll(x, 1, 0), lambda x: jnp.repeat(x, 2, 1), lambda x: jnp.tile(x, 2),
    lambda x: jnp.split(x, 2, 1)[1], lambda x: jnp.gradient(x)[0], lambda x: jnp.insert(x, 1, x[0], axis=0),
    lambda x: jnp.interp(x, jnp.arange(-2.0, 3.0), jnp.array([1.0, 3, 2, 5, 4])), lambda x: jnp.rot90(x),
    lambda x: jnp.repeat(x, jnp.array([1, 0, 2]), 0)])
def test_gradients(fun):
    rng = np.random.default_rng(2)
    check_gradient(fun, rng.permutation(12).reshape(3, 4) / 5 - 1.13, step=2e-3)


def test_where_is_one_equation():
    jaxpr = ferax.make_jaxpr(lambda c, x: jnp.where(c, x, 0.0))(MASK, M)
    assert [e.primitive.name for e in jaxpr.eqns] == ["select_n"]
