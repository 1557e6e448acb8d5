"""The checks that every row of the tables `api_table_*` goes through.

A `Row` is a public function, who to believe about it, and how to draw its arguments. Its name is looked up below the root
module, so the same rows serve Ferax here and JAX in `compare_jax`. `check_values` runs a call eagerly against the oracle;
`check_transformed` runs it under ``jit`` and ``vmap`` against the eager call; `check_derivatives` compares derivatives of
first and second order with finite differences in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from api_draw import Call, Draw, arrays_of, kind, np_dtype, with_arrays
from quick_compile import quick

#: Of each dtype, how far a result may be off, relative to the largest number in it.
TOLERANCE = {
    "bfloat16": 2e-2, "float16": 4e-3, "float32": 2e-5, "float64": 1e-10, "complex64": 2e-5, "complex128": 1e-10,
}
STEP = 1e-3         # of fourth-order differences in float64: truncation and rounding are both near 1e-11
MAPPED = 2          # size of the axis that vmap adds


# --- rows -----------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Row:
    """A public function, or several names of one.

    names : dotted names below the root module, separated by spaces; ``Array.sum`` is a method, called on the first argument
    oracle : the same function on NumPy arrays: floating ones come as float64 and complex128, integers as they are. None if
        there is none but JAX (see `compare_jax`) or the call itself asserts
    calls : given a `Draw`, answers a `Call`
    gives : dtype of the result: ``"same"`` as the arguments promote to, ``"inexact"``: the same but for integers and
        booleans the default floating dtype, ``"bool"``, ``"index"``: the default integer; or the name of a dtype; None: not
        said (`compare_jax` compares all dtypes with JAX's)
    jit, vmap, grad : what the function works under. A row that says False says in ``why`` what stands in the way
    why : that reason
    narrow : whether the oracle gets float16 and bfloat16 arrays as they are
    tolerance : factor on the tolerance, for values
    slack : factor on the tolerance, for derivatives
    second : whether derivatives of second order are checked
    fn : ``fn(root)`` answers the callable to check, where it is not just what the name stands for
    compare : how two results are compared, if not element by element: ``compare(found, expected, call)`` asserts
    examples : how many calls to draw
    exact : whether `compare_jax` asks for the same bits
    quick : whether the tests compile with few optimizations: for large programs
    differs : why results differ from JAX's on purpose, if they do
    wider : which calls are answered that JAX refuses, if there are some
    """

    names: str
    oracle: Callable | None
    calls: Callable[[Draw], Call]
    gives: str | None = None
    jit: bool = True
    vmap: bool = True
    grad: bool = True
    why: str = ""
    narrow: bool = False
    tolerance: float = 1.0
    slack: float = 1.0
    second: bool = True
    fn: Callable | None = None
    compare: Callable | None = None
    examples: int = 4
    exact: bool = False
    quick: bool = False
    differs: str = ""
    wider: str = ""

    def __post_init__(self):
        assert self.jit and self.vmap and self.grad or self.why, f"{self.names}: say why a transformation is left out"
        assert self.oracle or self.compare, f"{self.names}: say whom to believe"

    @property
    def name(self) -> str:
        return self.names.split()[0]

    def function(self, root, name=None):
        """The callable below ``root``."""
        return self.fn(root) if self.fn else find(root, name or self.name)


@dataclass(frozen=True)
class Value:
    """Names that stand for a value, not a function: ``expected(root)`` is compared by ``==`` with each of them."""

    names: str
    expected: Callable


@dataclass(frozen=True)
class Elsewhere:
    """Names that no call on arrays can check: the test file that does. It must mention each of them."""

    names: str
    file: str


@dataclass(frozen=True)
class Refusal:
    """A call with bad arguments: the exception and what its message says. ``call(root)`` makes the call."""

    name: str
    call: Callable
    error: type | tuple
    text: str
    label: str = ""

    @property
    def id(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name


def find(root, name):
    """What a dotted name below the root module stands for."""
    if name.startswith("Array.at."):
        def update(x, index, *args, **kwargs):
            return getattr(x.at[index], name[len("Array.at."):])(*args, **kwargs)
        return update
    if name.startswith("Array."):
        method = name[len("Array."):]
        def member(x, *args, **kwargs):
            found = getattr(root.numpy.asarray(x), method)
            return found(*args, **kwargs) if callable(found) else found     # a property
        return member
    found = root
    for part in name.split("."):
        found = getattr(found, part)
    return found


# --- calls and results ------------------------------------------------------------------------

class Outcome:
    """The arrays in a result, and the structure around them."""

    def __init__(self, result):
        self.leaves: list = []
        self.structure = self._walk(result)

    def _walk(self, x):
        if isinstance(x, (list, tuple)):
            return (("list" if isinstance(x, list) else "tuple"), *map(self._walk, x))
        if isinstance(x, dict):
            return ("dict", *((k, self._walk(v)) for k, v in sorted(x.items(), key=lambda item: str(item[0]))))
        if x is None or isinstance(x, (str, bytes, type, np.dtype)):
            return x
        self.leaves.append(x)
        return "*"

    @cached_property
    def host(self) -> list[np.ndarray]:
        return [np.asarray(x) for x in self.leaves]


def needs_x64(given: Call) -> bool:
    """Whether a call uses dtypes of 64 bits, which must be switched on."""
    wide = ("int64", "uint64", "float64", "complex128")
    said = [str(v) for v in [*given.args, *given.kwargs.values()] if isinstance(v, (str, type, np.dtype))]
    return any(x.dtype.name in wide for x in arrays_of(given)) or any(w in s for s in said for w in wide)


def on_arrays(root, fn, given: Call, *more):
    """A function of the arrays in the call, with its other arguments held, and these arrays as ``root``'s."""
    def of_arrays(*arrays):
        left = with_arrays(given, iter(arrays))
        return fn(*left.args, *more, **left.kwargs)
    return of_arrays, [root.numpy.asarray(x) for x in arrays_of(given)]


def widened(given: Call, narrow: bool) -> Call:
    """The call as the oracle gets it."""
    def wide(x):
        match kind(x.dtype):
            case "f" if not narrow or x.dtype.kind == "V":
                return x.astype(np.float64)
            case "c":
                return x.astype(np.complex128)
            case "i" | "u" if x.dtype.kind == "V":
                return x.astype(np.int8 if kind(x.dtype) == "i" else np.uint8)
        return x.copy()
    return with_arrays(given, iter([wide(x) for x in arrays_of(given)]))


def cast(expected, dtype):
    """An expected array in a result's dtype: what is too large becomes infinite, integers wrap around."""
    expected = np.asarray(expected)
    with np.errstate(all="ignore"):
        if kind(dtype) in "iub" and kind(expected.dtype) in "fc":
            assert np.all(expected == np.round(expected.real)), f"integers found where the oracle has {expected}"
        if kind(dtype) in "bfiu" and kind(expected.dtype) == "c":
            assert not np.any(expected.imag), f"real numbers found where the oracle has {expected}"
            expected = expected.real
        return expected.astype(dtype)


def assert_same(found, expected, tolerance, what):
    """Elements equal up to rounding, NaN and infinities included."""
    found = np.asarray(found)
    assert found.shape == np.shape(expected), f"{what}: shape {found.shape}, expected {np.shape(expected)}"
    expected = cast(expected, found.dtype)
    if kind(found.dtype) not in "fc":
        wide = [x.astype(np.int64) if x.dtype.kind == "V" else x for x in (found, expected)]
        np.testing.assert_array_equal(*wide, err_msg=what)
        return
    rtol = tolerance * TOLERANCE.get(found.dtype.name, 0.2)         # the 8-bit ones and narrower
    wide = np.complex128 if kind(found.dtype) == "c" else np.float64
    found, expected = found.astype(wide), expected.astype(wide)
    finite = expected[np.isfinite(expected)]
    scale = max(1.0, np.abs(finite).max()) if finite.size else 1.0
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale, err_msg=what)


def expected_dtype(root, gives, given: Call):
    """The dtype that ``gives`` promises for a call."""
    jnp = root.numpy
    match gives:
        case "bool":
            return np.dtype(bool)
        case "index":
            return np.dtype("int64" if needs_x64(given) else "int32")
        case "same" | "inexact":
            numbers = [x for x in given.args if isinstance(x, (bool, int, float, complex, np.generic))]
            together = jnp.result_type(*arrays_of(given), *numbers)
            return np.dtype(jnp.result_type(together, 1.0)) if gives == "inexact" else np.dtype(together)
    return np_dtype(gives)


# --- the checks ---------------------------------------------------------------------------------

def check_values(root, row: Row, name: str, given: Call):
    """An eager call against the oracle: structure, shapes, dtypes and values."""
    with root.enable_x64(needs_x64(given)):
        fn, arrays = on_arrays(root, row.function(root, name), given)
        result = fn(*arrays)
        if row.oracle is None:
            if row.compare:
                row.compare(result, None, given)
            return
        with np.errstate(all="ignore"):
            wide = widened(given, row.narrow)
            expected = row.oracle(*wide.args, **wide.kwargs)
        if row.compare:
            row.compare(result, expected, given)
            return
        found, known = Outcome(result), Outcome(expected)
        assert len(found.leaves) == len(known.leaves), f"{len(found.leaves)} results, expected {len(known.leaves)}"
        for f, k in zip(found.leaves, known.leaves):
            assert_same(f, k, row.tolerance, "eager against the oracle")
            if row.gives:
                dtype = expected_dtype(root, row.gives, given)
                assert f.dtype == dtype, f"dtype {f.dtype}, expected {dtype}"


def check_transformed(root, row: Row, given: Call, other: Call, axes: list):
    """``jit`` and ``vmap`` against eager calls; ``other`` has the same structure, ``axes`` the axis to map of each array."""
    with root.enable_x64(needs_x64(given)):
        fn, first = on_arrays(root, row.function(root), given)
        second = [root.numpy.asarray(x) if axis is not None else f for x, axis, f in zip(arrays_of(other), axes, first)]
        eager = [Outcome(fn(*first)), Outcome(fn(*second))]
        leaves_of = lambda *xs: Outcome(fn(*xs)).leaves
        mapped = row.vmap and any(a is not None for a in axes)
        pairs = zip(map(np.asarray, first), map(np.asarray, second), axes)
        stacked = [x if a is None else np.stack([x, y], a) for x, y, a in pairs]

        def both(xs, stacked):
            out = leaves_of(*xs) if row.jit else []
            return out, root.vmap(leaves_of, axes, axis_size=MAPPED)(*stacked) if mapped else []
        run = root.jit(both, compiler_options=quick(root)) if row.jit else both
        jitted, batched = run(first, stacked)
        for found, known in zip(jitted, eager[0].leaves if row.jit else []):
            same_type(found, known, "jit")
            assert_same(found, known, 10 * row.tolerance, "jit against eager")
        for i, found in enumerate(batched):
            for j in range(MAPPED):
                known = eager[j].leaves[i]
                same_type(found[j], known, "vmap")
                assert_same(found[j], known, 10 * row.tolerance, f"element {j} of vmap over {axes} against eager")


def same_type(found, known, what):
    """Equal dtype and weak type of two results."""
    types = [(getattr(x, "dtype", type(x)), getattr(x, "weak_type", None)) for x in (found, known)]
    assert types[0] == types[1] or not hasattr(known, "weak_type"), f"{what}: (dtype, weak_type) {types[0]}, eager {types[1]}"


def check_derivatives(root, row: Row, given: Call):
    """Forward and reverse mode and the second derivative along a direction, against fourth-order differences in float64.

    One compiled program answers the function, its derivative along ``t``, its gradient and that gradient's derivative
    along ``t``; run at points along ``t``, it supplies what the differences are made of.
    """
    with root.enable_x64(True):
        fn, arrays = on_arrays(root, row.function(root), given)
        varied = [i for i, x in enumerate(arrays) if kind(x.dtype) in "fc"]
        if not varied:
            return
        def of_varied(*xs):
            full = dict(zip(varied, xs))
            return [y for y in Outcome(fn(*[full.get(i, a) for i, a in enumerate(arrays)])).leaves
                    if hasattr(y, "dtype") and kind(y.dtype) in "fc"]
        rng = np.random.default_rng(0)
        xs = [np.asarray(arrays[i]) for i in varied]

        def like(v):
            x = rng.normal(size=v.shape)
            return np.asarray(x + 1j * rng.normal(size=v.shape) if kind(v.dtype) == "c" else x).astype(v.dtype)
        ts, outs = [like(x) for x in xs], root.eval_shape(of_varied, *xs)
        if not outs:
            return
        cts = [like(y) for y in outs]

        def gradient(*xs):
            # of a function whose second derivative is not zero even where the first of fn is constant
            def scalar(*xs):
                return sum(root.numpy.real(root.numpy.sum(ct * y + 0.1 * y * y)) for ct, y in zip(cts, of_varied(*xs)))
            return root.vjp(scalar, *xs)[1](root.numpy.ones(()))

        def program(xs, ts):
            values, tangents = root.jvp(of_varied, tuple(xs), tuple(ts))
            cotangents = root.vjp(of_varied, *xs)[1](list(cts))
            second = root.jvp(gradient, tuple(xs), tuple(ts)) if row.second else ([], [])
            return values, tangents, cotangents, *second
        run = root.jit(program, compiler_options=quick(root))
        values, tangents, cotangents, slopes, curved = run(xs, ts)
        at = {k: run([x + k * STEP * t for x, t in zip(xs, ts)], ts) for k in (-2, -1, 1, 2)}

        def difference(part, i):
            far, near = (np.asarray(at[k][part][i]) - np.asarray(at[-k][part][i]) for k in (2, 1))
            return (8 * near - far) / (12 * STEP)
        tolerance = 1e-6 * row.slack / TOLERANCE["float64"]
        for i, tangent in enumerate(tangents):
            assert_same(tangent, difference(0, i), tolerance, f"forward derivative of result {i} against finite differences")
        inner = lambda us, vs: sum(np.sum(np.asarray(u) * np.asarray(v)).real for u, v in zip(us, vs))
        np.testing.assert_allclose(inner(cotangents, ts), inner(cts, tangents), rtol=1e-8 * row.slack, atol=1e-8 * row.slack,
                                   err_msg="reverse mode against forward mode")
        for i, slope in enumerate(curved):
            assert_same(slope, difference(3, i), tolerance, f"second derivative by argument {i} against finite differences")
