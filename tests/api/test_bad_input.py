"""What people get wrong: each is an error of the class known from JAX, that says what, where, and what to do.

*Where* is the user's own line: the traceback that leaves Ferax ends in it, or the message shows it.
"""

import copy
import pickle
import re
import threading
import traceback
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax
from ferax.errors import (
    ConcretizationTypeError,
    NonConcreteBooleanIndexError,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    UnexpectedTracerError,
)

HERE = "test_bad_input.py"


def fails(f, error, *parts, ends_here=True):
    """Check that ``f()`` raises ``error``, that the message has all ``parts``, and that the traceback ends in this file."""
    with pytest.raises(error) as info:
        f()
    message = str(info.value)
    for part in parts:
        assert part in message, f"{part!r} is missing in:\n{message}"
    if ends_here:
        last = traceback.extract_tb(info.value.__traceback__)[-1]
        assert last.filename == __file__, f"the traceback ends in {last.filename}:{last.lineno}, not in the user's line"
    return message


X3, X4 = jnp.ones(3), jnp.ones(4)


# --- shapes and dtypes ----------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda f: f, ferax.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("f, args, error, parts", [
    (lambda a, b: a + b, (X3, X4), TypeError, ["add got incompatible shapes for broadcasting: (3,), (4,)", "x[:, None]"]),
    (lambda a, b: jnp.where(a, b, 0.0), (X3 > 0, X4), (TypeError, ValueError), ["(3,)", "(4,)"]),
    (lambda a, b: jnp.dot(a, b), (jnp.ones((2, 3)), jnp.ones((2, 3))), TypeError, ["dot", "(2, 3) and (2, 3)", "last dimension"]),
    (lambda a, b: a @ b, (jnp.ones((2, 3)), X4), TypeError, ["(2, 3)", "(4,)"]),
    (lambda a, b: jnp.concatenate([a, b]), (jnp.ones((2, 3)), jnp.ones((2, 4))), TypeError, ["(2, 3), (2, 4)", "dimension 0"]),
    (lambda a, b: jnp.stack([a, b]), (X3, X4), ValueError, ["shape"]),
    (lambda a: a.reshape(2, 2), (X3,), TypeError, ["cannot reshape array of shape (3,) (size 3) into shape (2, 2) (size 4)"]),
    (lambda a, b: lax.add(a, b), (X3, X4), TypeError, ["(3,), (4,)", "ferax.numpy broadcast"]),
    (lambda a, b: lax.mul(a, b), (X3, X3.astype(int)), TypeError, ["float32, int32", "convert_element_type"]),
    (lambda a: lax.sin(a), (X3.astype(int),), TypeError, ["sin", "int32"]),
    (lambda a: lax.dot(a, a), (jnp.ones((2, 3)),), (TypeError, ValueError), ["(2, 3)"]),
    (lambda a: a.at[0].set(jnp.ones(2)), (X3,), (TypeError, ValueError), ["(2,)"]),
    (lambda a: jnp.broadcast_to(a, (2, 4)), (X3,), ValueError, ["(3,)", "(2, 4)"]),
    (lambda a: a @ 2.0, (X3,), (TypeError, ValueError), ["matmul"]),
    (lambda a: jnp.trace(a), (X3,), (TypeError, ValueError), []),
])
def test_mismatched_shapes_and_dtypes(wrap, f, args, error, parts):
    fails(lambda: wrap(f)(*args), error, *parts)


# Arguments of `lax` that say which dimensions, which shape, which dtype. Row: call, error, what the message must say.

A, B, K = jnp.ones((4, 3)), jnp.ones((4, 3)) > 0, jnp.ones((4, 3), int)
BAD_DIMENSIONS = {
    # repeated, out of range, of the wrong number
    "broadcast_in_dim: rank": (lambda: lax.broadcast_in_dim(A, (4,), (0, 1)), TypeError, ["(4, 3)", "(4,)"]),
    "broadcast_in_dim: repeated": (lambda: lax.broadcast_in_dim(A, (4, 3), (0, 0)), TypeError, ["broadcast_dimensions", "(0, 0)"]),
    "broadcast_in_dim: size": (lambda: lax.broadcast_in_dim(A, (5, 3), (0, 1)), TypeError, ["(4, 3)", "(5, 3)", "(0, 1)"]),
    "broadcast_in_dim: range": (lambda: lax.broadcast_in_dim(A, (4, 3), (0, 2)), TypeError, ["broadcast_dimensions", "(0, 2)"]),
    "broadcast: negative": (lambda: lax.broadcast(A, (-1,)), (TypeError, ValueError), ["sizes", "-1"]),
    "reshape: size": (lambda: lax.reshape(A, (5,)), TypeError, ["(5,)", "(4, 3)"]),
    "reshape: negative": (lambda: lax.reshape(A, (-1,)), TypeError, ["new_sizes", "(-1,)"]),
    "reshape: dimensions": (lambda: lax.reshape(A, (12,), (0, 0)), (TypeError, ValueError), ["dimensions", "(0, 0)"]),
    "transpose: number": (lambda: lax.transpose(A, (0,)), TypeError, ["permutation", "(0,)", "(4, 3)"]),
    "transpose: repeated": (lambda: lax.transpose(A, (0, 0)), TypeError, ["permutation", "(0, 0)"]),
    "squeeze: size": (lambda: lax.squeeze(A, (0,)), ValueError, ["(4, 3)", "(0,)"]),
    "squeeze: range": (lambda: lax.squeeze(A, (2,)), ValueError, ["dimension 2 is out of bounds"]),
    "expand_dims: range": (lambda: lax.expand_dims(A, (5,)), ValueError, ["5", "out of bounds"]),
    "expand_dims: repeated": (lambda: lax.expand_dims(A, (0, 0)), ValueError, ["(0, 0)"]),
    "rev: repeated": (lambda: lax.rev(A, (0, 0)), TypeError, ["dimensions", "(0, 0)"]),
    "rev: range": (lambda: lax.rev(A, (2,)), TypeError, ["dimensions", "(2,)", "(4, 3)"]),
    "tile: number": (lambda: lax.tile(A, (2,)), (TypeError, ValueError), ["reps", "(2,)", "(4, 3)"]),
    "tile: negative": (lambda: lax.tile(A, (2, -1)), TypeError, ["reps", "(2, -1)"]),
    "reduce_sum: range": (lambda: lax.reduce_sum(A, (2,)), ValueError, ["reduce_sum", "(2,)", "(4, 3)"]),
    "reduce_max: repeated": (lambda: lax.reduce_max(A, (0, 0)), ValueError, ["reduce_max", "(0, 0)"]),
    "reduce_and: range": (lambda: lax.reduce_and(K, (-1,)), ValueError, ["reduce_and", "(-1,)"]),
    "reduce: number of inits": (lambda: lax.reduce((A, A), (np.float32(0),), lambda x, y: x, (0,)), ValueError, ["init"]),
    "argmax: range": (lambda: lax.argmax(A, 2, np.int32), ValueError, ["argmax", "2", "(4, 3)"]),
    "argmax: empty": (lambda: lax.argmax(A[:0], 0, np.int32), ValueError, ["non-empty", "(0, 3)"]),
    "cumsum: range": (lambda: lax.cumsum(A, 2), ValueError, ["axis 2"]),
    "iota: dimension": (lambda: lax.broadcasted_iota(np.int32, (2, 3), 2), ValueError, ["dimension", "(2, 3)", "2"]),
    "iota: negative": (lambda: lax.iota(np.int32, -1), (TypeError, ValueError), ["shape", "-1"]),
    "full: negative": (lambda: lax.full((2, -1), 0.0), TypeError, ["shape", "(2, -1)"]),
    "collapse: range": (lambda: lax.collapse(A, 1, 0), ValueError, ["collapse", "(4, 3)"]),
    "dot_general: contracting": (lambda: lax.dot_general(A, A, (((0,), (1,)), ((), ()))), TypeError, ["contracting", "(4, 3)"]),
    "dot_general: batch": (lambda: lax.dot_general(A, A, (((), ()), ((0,), (1,)))), TypeError, ["batch", "(4, 3)"]),
    "dot_general: form": (lambda: lax.dot_general(A, A, ((0,), (0,))), ValueError, ["dimension_numbers", "lhs_contracting"]),
    "dot_general: none": (lambda: lax.dot_general(A, A, None), ValueError, ["dimension_numbers", "None"]),
    "dot": (lambda: lax.dot(A, A), ValueError, ["(4, 3)"]),
    "batch_matmul": (lambda: lax.batch_matmul(A, A[0]), ValueError, ["2, 1"]),
    "concatenate: dimension": (lambda: lax.concatenate([A, A], 2), TypeError, ["dimension 2", "(4, 3)"]),
    "split": (lambda: lax.split(A, (1, 1)), ValueError, ["Sum of sizes 2", "(4, 3)"]),
    "sort": (lambda: lax.sort(A, 2), ValueError, ["dimension 2"]),
    # of the wrong type
    "broadcast_in_dim: type": (lambda: lax.broadcast_in_dim(A, (4, 3), (0, 1.0)), TypeError, ["broadcast_dimensions", "(0, 1.0)", "float"]),
    "reshape: type": (lambda: lax.reshape(A, "ab"), TypeError, ["new_sizes", "'a'"]),
    "transpose: type": (lambda: lax.transpose(A, None), TypeError, ["permutation", "None"]),
    "squeeze: type": (lambda: lax.squeeze(A, 0), TypeError, ["dimensions", "0"]),
    "reduce_sum: type": (lambda: lax.reduce_sum(A, 0), TypeError, ["axes", "0"]),
    "argmax: type": (lambda: lax.argmax(A, (0,), np.int32), TypeError, ["axis", "(0,)", "tuple"]),
    "collapse: type": (lambda: lax.collapse(A, 0.5), TypeError, ["start_dimension", "0.5"]),
    "dot_general: type": (lambda: lax.dot_general(A, A, (((0.0,), (0,)), ((), ()))), TypeError, ["lhs_contracting", "0.0"]),
    "reduce_precision: type": (lambda: lax.reduce_precision(A, 5.5, 2), TypeError, ["exponent_bits", "5.5"]),
    "integer_pow: type": (lambda: lax.integer_pow(A, 1.5), TypeError, ["y must be an integer", "1.5"]),
    "concatenate: type": (lambda: lax.concatenate([A, A], "0"), TypeError, ["dimension", "'0'"]),
    # dtypes
    "reduce_and: dtype": (lambda: lax.reduce_and(A, (0,)), TypeError, ["reduce_and", "float32"]),
    "reduce_sum: dtype": (lambda: lax.reduce_sum(B, (0,)), TypeError, ["reduce_sum", "bool"]),
    "argmax: index_dtype": (lambda: lax.argmax(A, 0, np.float32), TypeError, ["index_dtype", "float32"]),
    "iota: dtype": (lambda: lax.iota("text", 3), TypeError, ["text"]),
    "convert_element_type": (lambda: lax.convert_element_type(A, "text"), TypeError, ["text"]),
    "bitcast: size": (lambda: lax.bitcast_convert_type(A.astype(jnp.int8), np.int32), ValueError, ["32", "8", "(4, 3)"]),
    "bitcast: bool": (lambda: lax.bitcast_convert_type(A, bool), TypeError, ["float32", "bool"]),
    "select_n: none": (lambda: lax.select_n(B), ValueError, ["at least one case"]),
    "select_n: which": (lambda: lax.select_n(A, A, A), TypeError, ["which", "float32"]),
    "select_n: number": (lambda: lax.select_n(B, A, A, A), TypeError, ["boolean", "3"]),
    "select_n: dtypes": (lambda: lax.select_n(B, A, K), TypeError, ["float32", "int32"]),
    "select_n: shapes": (lambda: lax.select_n(B[0], A, A), TypeError, ["(3,)", "(4, 3)"]),
    "clamp: dtypes": (lambda: lax.clamp(np.int32(0), A, np.int32(1)), TypeError, ["clamp", "int32, float32, int32"]),
    "clamp: shapes": (lambda: lax.clamp(A[0], A, A[0]), TypeError, ["clamp", "(3,)", "(4, 3)"]),
    "reduce_precision: bits": (lambda: lax.reduce_precision(A, 0, 2), ValueError, ["exponent_bits=0"]),
    "gather: indices": (lambda: lax.gather(A, A, lax.GatherDimensionNumbers((), (0,), (0,)), (1, 3)), ValueError, ["float32"]),
}


@pytest.mark.parametrize("call, error, parts", BAD_DIMENSIONS.values(), ids=BAD_DIMENSIONS)
def test_dimensions_shapes_and_dtypes_of_lax(call, error, parts):
    fails(call, error, *parts)


NO_ARRAYS = {
    "broadcast": lambda x: lax.broadcast(x, (2,)), "broadcast_in_dim": lambda x: lax.broadcast_in_dim(x, (3,), (0,)),
    "reshape": lambda x: lax.reshape(x, (1,)), "transpose": lambda x: lax.transpose(x, (0,)), "rev": lambda x: lax.rev(x, (0,)),
    "squeeze": lambda x: lax.squeeze(x, (0,)), "expand_dims": lambda x: lax.expand_dims(x, (0,)), "tile": lambda x: lax.tile(x, (2,)),
    "reduce_sum": lambda x: lax.reduce_sum(x, (0,)), "argmax": lambda x: lax.argmax(x, 0, np.int32), "cumsum": lambda x: lax.cumsum(x, 0),
    "convert_element_type": lambda x: lax.convert_element_type(x, np.int32), "collapse": lambda x: lax.collapse(x, 0),
    "bitcast_convert_type": lambda x: lax.bitcast_convert_type(x, np.int32), "dot": lambda x: lax.dot(x, X3),
    "dot_general": lambda x: lax.dot_general(X3, x, (((0,), (0,)), ((), ()))), "batch_matmul": lambda x: lax.batch_matmul(x, A),
    "dynamic_slice": lambda x: lax.dynamic_slice(x, (0,), (1,)), "slice": lambda x: lax.slice(x, (0,), (1,)),
    "dynamic_update_slice": lambda x: lax.dynamic_update_slice(X3, x, (0,)), "sort": lambda x: lax.sort(x),
    "top_k": lambda x: lax.top_k(x, 1), "pad": lambda x: lax.pad(x, 0.0, [(0, 0, 0)]), "split": lambda x: lax.split(x, (1,)),
    "sin": lambda x: lax.sin(x), "clamp": lambda x: lax.clamp(0.0, x, 1.0), "select_n": lambda x: lax.select_n(True, x, x),
}


@pytest.mark.parametrize("name", NO_ARRAYS)
def test_no_arrays_for_lax(name):
    """The message names the function, and the argument or its position, also inside of `jit`."""
    for value, shown in ((None, "None"), ("text", "str"), (np.array(["a"]), "U1")):
        for wrap in (lambda f: f, ferax.jit):
            message = fails(lambda: wrap(lambda _: NO_ARRAYS[name](value))(X3), TypeError, name, shown, "the argument")
            assert message.startswith(name)


def test_the_function_names_the_argument_at_fault():
    fails(lambda: lax.concatenate([X3, "text"], 0), TypeError, "concatenate: the argument operands[1]")
    fails(lambda: lax.dynamic_slice([1.0, 2.0], (0,), (1,)), TypeError, "dynamic_slice: the argument operand", "list")
    fails(lambda: lax.dynamic_update_slice(X3, None, (0,)), TypeError, "dynamic_update_slice: the argument update", "None")
    fails(lambda: jnp.take(X3, 1.5), ValueError, "indices must be integers, got float32")


BAD_STATIC = {
    "reshape": lambda n: lax.reshape(A, (n, 3)), "broadcast_in_dim": lambda n: lax.broadcast_in_dim(X3, (n, 3), (1,)),
    "transpose": lambda n: lax.transpose(A, (n, 0)), "squeeze": lambda n: lax.squeeze(A[:1], (n,)), "rev": lambda n: lax.rev(A, (n,)),
    "expand_dims": lambda n: lax.expand_dims(A, (n,)), "reduce_sum": lambda n: lax.reduce_sum(A, (n,)),
    "argmax": lambda n: lax.argmax(A, n, np.int32), "cumsum": lambda n: lax.cumsum(A, n), "iota": lambda n: lax.iota(np.int32, n),
    "full": lambda n: lax.full((n,), 0.0), "tile": lambda n: lax.tile(A, (n, 1)), "sort": lambda n: lax.sort(A, n),
    "dot_general": lambda n: lax.dot_general(A, A, (((n,), (n,)), ((), ()))), "integer_pow": lambda n: lax.integer_pow(A, n),
    "collapse": lambda n: lax.collapse(A, 0, n), "split": lambda n: lax.split(A, (n, 3)), "top_k": lambda n: lax.top_k(A, n),
    "concatenate": lambda n: lax.concatenate([A, A], n), "pad": lambda n: lax.pad(A, 0.0, [(n, 0, 0), (0, 0, 0)]),
    "slice": lambda n: lax.slice(A, (n, 0), (4, 3)), "slice_in_dim": lambda n: lax.slice_in_dim(A, n, 3),
    "dynamic_slice": lambda n: lax.dynamic_slice(A, (0, 0), (n, 1)), "reduce_precision": lambda n: lax.reduce_precision(A, n, 5),
    "broadcast_to_rank": lambda n: lax.broadcast_to_rank(A, n), "num_keys": lambda n: lax.sort((A, A), num_keys=n),
    "fill_value": lambda n: lax.gather(A, K[:1, :1], lax.GatherDimensionNumbers((1,), (0,), (0,)), (1, 3), mode="fill", fill_value=n),
}


@pytest.mark.parametrize("name", BAD_STATIC)
def test_tracers_for_static_arguments_of_lax(name):
    fails(lambda: ferax.jit(BAD_STATIC[name])(1), (ConcretizationTypeError, TracerIntegerConversionError), "`n`", "i32[]")


def test_strict_promotion():
    with ferax.numpy_dtype_promotion("strict"):
        fails(lambda: X3 + X3.astype(int), ferax.dtypes.TypePromotionError, "float32", "int32")


@pytest.mark.parametrize("f", [
    lambda: jnp.sum(X3, axis=1), lambda: X3.sum(1), lambda: jnp.concatenate([X3, X3], axis=2), lambda: jnp.argmax(X3, axis=-2),
    lambda: jnp.expand_dims(X3, 3), lambda: jnp.sort(X3, axis=4), lambda: jnp.flip(X3, 1),
    lambda: jnp.squeeze(X3, 2), lambda: jnp.moveaxis(X3, 0, 3), lambda: ferax.nn.softmax(X3, axis=1), lambda: jnp.cumsum(X3, 1),
    lambda: ferax.jit(lambda x: x.mean(axis=5))(X3)])
def test_axes_out_of_range(f):
    fails(f, (ValueError, IndexError), "out of bounds", "dimension")


def test_bad_indices():
    fails(lambda: X3[0, 1], IndexError, "array is 1-dimensional, but 2 were indexed")
    fails(lambda: X3[1.5], TypeError, "integer or boolean", "float")
    fails(lambda: X3["a"], TypeError, "string indexing", "'a'")
    fails(lambda: X3[[0, 1]], TypeError, "sequence", "array")
    fails(lambda: X3.__setitem__(0, 1.0), TypeError, "immutable", "x.at[idx].set(y)")
    fails(lambda: X3[jnp.ones(4, bool)], IndexError, "4", "3")


# --- tracers where values are needed --------------------------------------------------------------


def traced(f, *args):
    return lambda: ferax.jit(f)(*args)


def test_a_tracer_as_bool():
    def step(x):
        big = x > 0
        if big:
            return x
        return -x

    text = fails(traced(step, 1.0), TracerBoolConversionError, "`big`", "bool[]", "jnp.where", "lax.cond", "static_argnames",
                 "if big:", HERE, "docs/errors/tracer-bool.md")
    assert "result of `gt`" in text
    fails(traced(lambda x: x > 0 and x < 3, 1.0), TracerBoolConversionError, "& ".strip(), "instead of and")
    fails(traced(lambda x: max(x, 0.0), 1.0), TracerBoolConversionError)
    fails(traced(lambda x: [i for i in range(3) if i < x], 1.0), TracerBoolConversionError)

    def asserts(x):
        assert x > 0
    fails(traced(asserts, 1.0), TracerBoolConversionError)

    def loops(x):
        while x < 10:
            x = x * 2
        return x
    fails(traced(loops, 1.0), TracerBoolConversionError, "lax.while_loop")
    # Also where it is not a comparison, and in every transformation that traces.
    fails(lambda: ferax.vmap(step)(X3), TracerBoolConversionError)
    fails(lambda: lax.scan(lambda c, x: (step(c), x), 1.0, X3), TracerBoolConversionError)
    fails(lambda: ferax.grad(ferax.jit(step))(1.0), TracerBoolConversionError)
    assert isinstance(TracerBoolConversionError("text"), ConcretizationTypeError)


def test_a_tracer_as_a_number():
    fails(traced(lambda n: int(n), 3), ConcretizationTypeError, "`n`", "i32[]", "argument n", "int() was called", "astype")
    fails(traced(lambda x: float(x), 3.0), ConcretizationTypeError, "float() was called")
    fails(traced(lambda x: complex(x), 3.0), ConcretizationTypeError, "complex() was called")
    fails(traced(lambda x: x.item(), 3.0), ConcretizationTypeError, "item")
    fails(traced(lambda x: x.tolist(), X3), ConcretizationTypeError, "tolist")
    fails(traced(lambda x: f"{x:.2f}", 3.0), ConcretizationTypeError, "'.2f'", "debug.print")
    fails(traced(lambda x: pickle.dumps(x), 3.0), ConcretizationTypeError, "pickled")
    fails(traced(lambda x: round(float(x)), 3.0), ConcretizationTypeError)
    fails(traced(lambda n: jnp.zeros(n), 3), ConcretizationTypeError, "`n`", "shape")
    fails(traced(lambda n: jnp.arange(n), 3), ConcretizationTypeError, "stop")
    fails(traced(lambda n: X4.reshape(n, -1), 2), (ConcretizationTypeError, TracerIntegerConversionError), "`n`")
    fails(traced(lambda a: X3.sum(axis=a), 0), (ConcretizationTypeError, TypeError), "axis")
    fails(traced(lambda x: jnp.nonzero(x), X3), ConcretizationTypeError, "size")
    fails(traced(lambda x: jnp.unique(x), X3), ConcretizationTypeError, "size")


def test_a_tracer_as_an_index():
    fails(traced(lambda i: [1, 2, 3][i], 1), TracerIntegerConversionError, "`i`", "jnp.array(items)[i]", "lax.switch", "[1, 2, 3][i]")
    fails(traced(lambda n: sum(range(n)), 3), TracerIntegerConversionError, "lax.fori_loop", "docs/errors/tracer-integer.md")
    fails(traced(lambda n: (1,) * n, 3), TypeError, "'tuple'")
    fails(traced(lambda i: np.arange(3)[i], 1), (TracerIntegerConversionError, TracerArrayConversionError), "jnp.asarray")
    fails(traced(lambda x: x[: x.sum().astype(int)], X3), (TracerIntegerConversionError, IndexError, ConcretizationTypeError, TypeError),
          "slice")
    fails(traced(lambda d: {0: "a"}[d], 0), TypeError, "unhashable type")


def test_a_tracer_as_a_numpy_array():
    fails(traced(lambda x: np.sin(x), 1.0), TracerArrayConversionError, "`x`", "f32[]", "ferax.numpy", "pure_callback", "np.sin(x)",
          "docs/errors/tracer-array.md")
    fails(traced(lambda x: np.asarray(x), X3), TracerArrayConversionError)
    fails(traced(lambda x: np.float32(x), 1.0), (TracerArrayConversionError, ConcretizationTypeError))
    fails(traced(lambda x: np.concatenate([x, np.ones(2)]), X3), TracerArrayConversionError)


def test_a_traced_mask_as_an_index():
    fails(traced(lambda x: x[x > 0], X3), NonConcreteBooleanIndexError, "`x > 0`", "bool[3]", "jnp.where(mask, x, fill)",
          "docs/errors/boolean-index.md")
    fails(traced(lambda x: X3[jnp.isnan(x)], X3), NonConcreteBooleanIndexError, "jnp.isnan(x)")
    np.testing.assert_array_equal(ferax.jit(lambda x: x.at[x > 0].set(5.0))(X3), [5, 5, 5])


# --- leaked tracers -------------------------------------------------------------------------------


@pytest.fixture
def leaked():
    store = []

    def leak(x):
        kept = x * 2
        store.append(kept)
        return x

    ferax.jit(leak)(X3)
    return store[0]


@pytest.mark.parametrize("use", [
    lambda t: t + 1, lambda t: 1 + t, lambda t: jnp.sin(t), lambda t: ferax.jit(lambda x: x + t)(1.0), lambda t: ferax.jit(jnp.sin)(t),
    lambda t: ferax.jit(lambda: t)(), lambda t: ferax.grad(lambda x: (x * t).sum())(1.0), lambda t: ferax.grad(lambda x: x.sum())(t),
    lambda t: ferax.vmap(lambda x: x + 1)(t), lambda t: ferax.vmap(lambda x: x + t)(X3), lambda t: t.sum(), lambda t: t[0],
    lambda t: lax.scan(lambda c, _: (c + t.sum(), None), 0.0, length=2), lambda t: lax.cond(True, lambda: t, lambda: t * 2),
    lambda t: ferax.jvp(jnp.sin, (t,), (X3,)), lambda t: bool(t.sum()), lambda t: np.asarray(t), lambda t: ferax.device_put(t),
    lambda t: jnp.concatenate([t, X3]), lambda t: t.at[0].set(1.0), lambda t: X3.at[0].set(t[0]), lambda t: jnp.asarray([t[0], 1.0]),
    lambda t: ferax.make_jaxpr(lambda x: x + t)(1.0), lambda t: ferax.checkpoint(lambda x: x * t)(1.0),
    lambda t: ferax.jit(lambda x: ferax.jit(lambda y: y * t)(x))(X3)])
def test_leaked_tracers(leaked, use):
    fails(lambda: use(leaked), UnexpectedTracerError, "`kept`", "f32[3]", "kept = x * 2", HERE, "has ended", "checking_leaks",
          "docs/errors/leaked-tracer.md")


def test_tracers_of_all_transformations_leak():
    store = []

    def leak(x):
        store.append(x)
        return x.sum()

    ferax.grad(leak)(X3), ferax.vmap(leak)(jnp.ones((2, 3))), ferax.jvp(leak, (X3,), (X3,)), ferax.linearize(leak, X3)
    lax.scan(lambda c, x: (c, leak(x)), 0.0, jnp.ones((2, 3)))
    lax.while_loop(lambda c: leak(c) < 0, lambda c: c, X3)
    ferax.checkpoint(leak)(X3), ferax.eval_shape(leak, X3), ferax.make_jaxpr(leak)(X3)
    ferax.jit(ferax.vmap(ferax.grad(leak)))(jnp.ones((2, 3)))
    assert len(store) == 10
    for t in store:
        fails(lambda t=t: t + 1, UnexpectedTracerError)
        fails(lambda t=t: ferax.jit(lambda x: x * t)(1.0), UnexpectedTracerError)


def test_tracers_leak_from_failed_functions():
    store = []

    @ferax.jit
    def f(x):
        store.append(x + 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        f(1.0)
    fails(lambda: store[0] * 2, UnexpectedTracerError)
    fails(lambda: ferax.jit(lambda y: y + store[0])(1.0), UnexpectedTracerError)


def test_tracers_in_other_threads(leaked):
    found = []

    def run(use):
        try:
            use()
        except Exception as e:
            found.append(e)

    def in_thread(use):
        thread = threading.Thread(target=run, args=(use,))
        thread.start(), thread.join()

    in_thread(lambda: leaked + 1)

    @ferax.jit
    def f(x):                                   # while the trace is still running
        in_thread(lambda: x + 1)
        in_thread(lambda: ferax.jit(lambda y: y * x)(2.0))
        in_thread(lambda: ferax.jit(lambda y: y * 2)(x))
        return x

    f(1.0)
    assert [type(e) for e in found] == [UnexpectedTracerError] * 4
    assert "in another thread" in str(found[1])


def test_the_leak_checker_names_the_holder():
    class Model:
        pass

    model, results = Model(), []

    def attribute(x):
        model.loss = x * 2
        return x

    def in_list(x):
        results.append({"y": x + 1})
        return x

    def clean(x):
        y = [x * i for i in range(3)]
        return lax.scan(lambda c, t: (c + t, c), x, jnp.arange(3.0))[0] + sum(y)

    def cyclic(x):
        node = {"x": x}
        node["self"] = node                     # garbage that only the collector frees is no leak
        return x

    with ferax.checking_leaks():
        fails(lambda: ferax.jit(attribute)(1.0), UnexpectedTracerError, "the attribute loss of an object of type Model", "`model.loss`",
              "model.loss = x * 2", "still referred to")
        fails(lambda: ferax.jit(in_list)(1.0), UnexpectedTracerError, "held by a dict, at 'y'")
        for transform in (ferax.grad, lambda f: lambda x: ferax.vmap(f)(jnp.ones(2)), lambda f: lambda x: ferax.jvp(f, (x,), (x,))):
            fails(lambda: transform(attribute)(1.0), UnexpectedTracerError, "Model")
            model.loss = None
            transform(clean)(1.0), transform(cyclic)(1.0)
        assert ferax.jit(ferax.grad(clean))(1.0) == 4
        model.loss = None
    ferax.jit(attribute)(1.0)                   # without it: nothing, until the tracer is used


# --- derivatives, mapping, loops (more in their own files) -----------------------------------------


def test_outputs_and_inputs_of_grad():
    fails(lambda: ferax.grad(lambda x: x * 2)(X3), TypeError, "scalar-output", "(3,)", "jnp.sum", "docs/errors/grad-output.md")
    fails(lambda: ferax.grad(lambda x: x.astype(int).sum())(X3), TypeError, "int32", "real-valued outputs")
    fails(lambda: ferax.grad(lambda x: x ** 2)(3), TypeError, "int32", "allow_int")
    fails(lambda: ferax.grad(lambda p: p["w"] ** 2)({"w": 3}), TypeError, "['w']", "int32")


def test_mapping():
    fails(lambda: ferax.vmap(lambda x, y: x + y)(X3, X4), ValueError, "inconsistent sizes", "x of type f32[3]", "y of type f32[4]",
          "docs/errors/vmap-sizes.md")
    fails(lambda: ferax.vmap(lambda x: x, in_axes=1)(X3), ValueError, "axis 1", "rank 1")
    fails(lambda: ferax.vmap(lambda x: x, in_axes=(0, 0))(X3), ValueError, "2 entries for 1 positional")
    fails(lambda: ferax.vmap(lambda x: x)(1.0), ValueError, "scalar", "in_axes")


def test_carries_that_change():
    fails(lambda: lax.scan(lambda c, x: (c.astype(int), x), 0.5, X3), TypeError, "carry", "float32[]", "int32[]", ".astype",
          "docs/errors/scan-carry.md", HERE)
    fails(lambda: lax.scan(lambda c, x: ({"a": c["a"][None]}, x), {"a": 0.5}, X3), TypeError, "carry['a']", "float32[]", "float32[1]")
    fails(lambda: lax.scan(lambda c, x: ((c, c), x), 0.5, X3), TypeError, "structure", "leaf", "tuple")
    fails(lambda: lax.scan(lambda c, x: c, 0.5, X3), TypeError, "pair (carry, y)")
    fails(lambda: lax.while_loop(lambda c: c.sum() < 3, lambda c: jnp.append(c, 1.0), X3), TypeError, "float32[3]", "float32[4]")
    fails(lambda: lax.while_loop(lambda c: c, lambda c: c, 1), TypeError, "cond_fun must return a boolean scalar")
    fails(lambda: lax.while_loop(lambda c: c > X3, lambda c: c, 1.0), TypeError, "boolean scalar", "bool[3]")
    fails(lambda: lax.fori_loop(0, 3, lambda i, c: (c, c), 1), TypeError, "structure", "fori_loop")
    fails(lambda: lax.fori_loop(0, 3, lambda i, c: c[:2], X3), TypeError, "float32[3]", "float32[2]")
    fails(lambda: lax.cond(True, lambda: 1, lambda: X3), TypeError, "false_fun", "true_fun", "float32[3]", "int32[]")
    fails(lambda: lax.cond(True, lambda: {"a": 1}, lambda: {"b": 1}), TypeError, "structure", "'a'", "'b'")
    fails(lambda: lax.cond(X3 > 0, lambda: 1, lambda: 2), TypeError, "Pred must be a scalar", "bool[3]", "jnp.where")
    fails(lambda: lax.switch(0, [lambda: 1.0, lambda: X3]), TypeError, "branch 0", "branch 1", "float32[3]")
    fails(lambda: lax.scan(lambda c, x: (c, x), 0, (X3, X4)), ValueError, "different leading axis sizes", "xs[1]", "(4,)")
    fails(lambda: lax.scan(lambda c, x: (c, x), 0, 1.0), ValueError, "no leading axis")
    fails(lambda: ferax.grad(lambda x: lax.while_loop(lambda c: c < 3.0, lambda c: c * 2.0, x))(1.0), ValueError, "Reverse-mode",
          "lax.scan")


# --- static arguments, pytrees, options -----------------------------------------------------------


def test_static_arguments_that_cannot_be_hashed():
    f = ferax.jit(lambda x, opts: x, static_argnames="opts")
    fails(lambda: f(1.0, opts={"a": 1}), ValueError, "Non-hashable", "'opts'", "dict", "frozen dataclass")
    fails(lambda: f(1.0, X3), ValueError, "Non-hashable", "index 1", "Arrays cannot be static")
    fails(lambda: ferax.jit(f)(1.0, opts=[1]), ValueError, "Non-hashable", "list")
    fails(lambda: ferax.jit(lambda s: f(1.0, s))(2), ValueError, "Non-hashable", "Tracer")


def test_mismatched_pytrees():
    a, b = {"w": X3, "b": 1.0}, {"w": X3}
    fails(lambda: ferax.tree.map(jnp.add, a, b), ValueError, "'b'", "tree number 2")
    fails(lambda: ferax.jvp(lambda p: p["w"], (a,), (b,)), TypeError, "same structure")
    fails(lambda: ferax.vjp(lambda p: p, a)[1](b), ValueError, "structure")
    Point = namedtuple("Point", "x y")
    fails(lambda: ferax.tree.map(jnp.add, Point(1, 2), (1, 2)), ValueError, "Point", "tuple")
    fails(lambda: ferax.tree.map(jnp.add, {1: 1, "a": 2}), (ValueError, TypeError), "keys")
    fails(lambda: ferax.jit(lambda t: t)({1: 1.0, "a": 2.0}), (ValueError, TypeError), "cannot be sorted")
    fails(lambda: ferax.jit(lambda t: t)({"w": object()}), TypeError, "t['w']", "object", "register")
    fails(lambda: ferax.jit(lambda t: t)([1.0, "text"]), TypeError, "t[1]", "str", "static_argnums")
    fails(lambda: ferax.jit(lambda t: {"out": {1, 2}})(1.0), TypeError, "['out']", "set")
    fails(lambda: lax.scan(lambda c, x: (c, object()), 0, X3), TypeError, "object")


def test_options_that_are_not_there():
    fails(lambda: ferax.config.update("jax_enable_x65", True), AttributeError, "jax_enable_x65", "Did you mean 'jax_enable_x64'",
          ends_here=False)
    fails(lambda: ferax.config.jax_nothing, AttributeError, "jax_nothing", ends_here=False)
    fails(lambda: ferax.config.update("jax_enable_x64", "maybe"), ValueError, "'maybe'", ends_here=False)
    fails(lambda: ferax.config.update("jax_default_matmul_precision", "best"), ValueError, "'best'", "'highest'", ends_here=False)
    fails(lambda: ferax.numpy_dtype_promotion("lax"), ValueError, "'lax'", "'strict'", ends_here=False)
    fails(lambda: ferax.no_such_function, AttributeError, "no attribute 'no_such_function'", ends_here=False)
    fails(lambda: ferax.devices("quantum"), RuntimeError, "quantum")


# --- arrays that are gone -------------------------------------------------------------------------


@pytest.fixture(params=["deleted", "donated"])
def gone(request):
    x = jnp.arange(3.0) + 0
    if request.param == "deleted":
        x.delete()
    else:
        ferax.jit(lambda x: x + 1, donate_argnums=0)(x)
    return x


@pytest.mark.parametrize("use", [
    lambda x: x + 1, lambda x: jnp.sin(x), lambda x: x[0], lambda x: x.sum(), lambda x: ferax.jit(lambda x: x * 2)(x),
    lambda x: ferax.jit(lambda: x + 1)(), lambda x: ferax.grad(lambda y: (y * x).sum())(X3), lambda x: ferax.vmap(jnp.cos)(x),
    lambda x: ferax.grad(lambda y: (y * y).sum())(x), lambda x: lax.scan(lambda c, t: (c, t), 0.0, x), lambda x: np.asarray(x),
    lambda x: np.sin(x), lambda x: float(x[0]), lambda x: repr(x), lambda x: str(x), lambda x: f"{x}",
    lambda x: list(x), lambda x: x.tolist(), lambda x: x.copy(), lambda x: pickle.dumps(x),
    lambda x: x.block_until_ready(), lambda x: x.devices(), lambda x: np.from_dlpack(x), lambda x: x.at[0].set(1.0),
    lambda x: X3.at[0].set(x[1]), lambda x: x == x, lambda x: jnp.where(x > 0, x, 0), lambda x: jnp.asarray(x) + 1,
    lambda x: jnp.concatenate([X3, x]), lambda x: ferax.device_put(x, ferax.devices()[1]), lambda x: ferax.device_get(x),
    lambda x: ferax.jit(lambda y: y @ x)(X3), lambda x: ferax.jit(lambda x: x).lower(x).compile()(x), lambda x: jnp.array([x, x])])
def test_deleted_and_donated_arrays(gone, use):
    fails(lambda: use(gone), RuntimeError, "Array has been deleted with shape=float32[3]", "donate_argnums", "Keep a copy")


def test_what_is_left_of_deleted_arrays(gone):
    assert gone.shape == (3,) and gone.dtype == jnp.float32 and len(gone) == 3 and gone.is_deleted()
    gone.delete()
    fails(lambda: copy.copy(gone), RuntimeError, "deleted", ends_here=False)
    assert str(ferax.typeof(gone)) == "f32[3]" and ferax.eval_shape(jnp.sin, gone).shape == (3,)


def test_reading_a_value_does_not_hide_the_deletion():
    x = jnp.arange(3.0) + 0
    host = np.asarray(x)
    x.delete()
    fails(lambda: np.asarray(x), RuntimeError, "deleted")
    assert host[2] == 2                         # what was read stays readable


# --- things that are no arrays --------------------------------------------------------------------


@pytest.mark.parametrize("value, parts", [
    (np.array([object()]), ["object", "not numbers"]), (np.array(["a", "b"]), ["<U1"]), ("abc", ["str"]), ({"a": 1}, ["dict"]),
    ({1, 2}, ["set"]), (object(), ["object"]), (np.array(["2020-01-01"], "M8[D]"), ["datetime64"]), (b"bytes", ["bytes"]),
    (np.zeros(2, [("a", int)]), ["'a'"]), (lambda: 1, ["function"]), ([1, "a"], ["str"]), ([object()], ["object"])])
def test_values_that_cannot_be_arrays(value, parts):
    fails(lambda: jnp.asarray(value), TypeError, *parts)


def test_ragged_lists():
    fails(lambda: jnp.asarray([[1, 2], [3]]), ValueError, "rectangular")
    fails(lambda: jnp.array([[1.0], 2.0]), ValueError, "rectangular")
    fails(lambda: jnp.array([X3, X4]), ValueError, "(3,)", "(4,)")
    fails(traced(lambda x: jnp.array([[x, x], [x]]), 1.0), ValueError, "rectangular")


def test_lists_and_none_as_operands():
    fails(lambda: jnp.sin([1.0, 2.0]), TypeError, "list", "position 0", "jnp.asarray")
    fails(lambda: X3 + [1, 2, 3], TypeError, "'list'", "jnp.asarray")
    fails(lambda: jnp.add(X3, None), TypeError, "NoneType", "position 1")
    fails(lambda: X3 + "a", TypeError, "str")
    fails(lambda: jnp.sum([1.0, 2.0]), TypeError, "list")
    fails(lambda: ferax.nn.relu(None), TypeError, "NoneType")
    fails(lambda: X3 + None, TypeError, "NoneType")


def test_numbers_that_do_not_fit():
    fails(lambda: jnp.asarray(2**40), OverflowError, "1099511627776")
    fails(lambda: X3.astype(int) + 2**40, OverflowError, "1099511627776")
    fails(traced(lambda x: x + 2**40, 1), OverflowError, "1099511627776")
    fails(lambda: jnp.zeros(3, "float99"), TypeError, "float99")
    fails(lambda: jnp.zeros(-1), (ValueError, TypeError), "-1")
    fails(lambda: jnp.zeros((2, 1.5)), TypeError, "1.5")


def test_arrays_as_truth_and_keys():
    fails(lambda: 1 if X3 > 0 else 2, ValueError, "ambiguous", "any()")
    fails(lambda: bool(jnp.ones(0)), ValueError, "empty")
    fails(lambda: int(X3), TypeError, "scalar")
    fails(lambda: {X3: 1}, TypeError, "unhashable")
    fails(lambda: [1, 2][jnp.float32(1)], TypeError, "integer")


def test_calls_that_do_not_fit():
    fails(lambda: ferax.jit(lambda x, y: x)(1.0), TypeError, "missing", ends_here=False)
    fails(lambda: ferax.jit(lambda x: x)(1.0, z=3), TypeError, "unexpected keyword", ends_here=False)
    fails(lambda: ferax.jit("f"), TypeError, "callable", "str")
    fails(lambda: ferax.jit(ferax.custom_jvp(lambda x: x))(1.0), (AttributeError, TypeError), "defjvp")
    fails(lambda: ferax.random.normal("seed"), TypeError, "str")
    fails(lambda: ferax.device_put(X3, "gpu:7"), ValueError, "gpu:7")


# --- the pages ------------------------------------------------------------------------------------


def test_the_pages_that_errors_name_are_there():
    root = Path(__file__).resolve().parents[2]
    named = {page for path in (root / "src").rglob("*.py") for page in re.findall(r"docs/errors/([\w-]+)\.md", path.read_text())}
    pages = {path.stem for path in (root / "docs" / "errors").glob("*.md")} - {"README"}
    assert named <= pages, f"missing: {sorted(named - pages)}"
    listed = set(re.findall(r"\]\(([\w-]+)\.md\)", (root / "docs" / "errors" / "README.md").read_text()))
    assert listed == pages
