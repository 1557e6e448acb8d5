"""Mutable array references: eager and traced, in loops and branches, mapped and differentiated; NumPy is the oracle."""

import copy
import pickle

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax
from ferax._src.ir.checker import check_jaxpr
from ferax._src.types.refs import AccumEffect, ReadEffect, WriteEffect
from ferax.ref import AbstractRef, addupdate, get, swap
from ferax.ref import set as ref_set

SHAPE = (3, 4)


def _is_array(x) -> bool:
    """Whether ``x`` is an array, written as lists of numbers."""
    return isinstance(x, list) and not any(hasattr(y, "dtype") for y in x)


def assert_close(a, b):
    for x, y in zip(ferax.tree.leaves(a, is_leaf=_is_array), ferax.tree.leaves(b, is_leaf=_is_array), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=2e-5, atol=1e-6)


def value(ref):
    return np.asarray(ref[...])


# --- a sequence of reads and writes against a NumPy array -----------------------------------------

INDICES = [
    ..., (), 1, -1, (2, 3), (0, -4), slice(1, None), slice(None, None, 2), (slice(0, 2), 1), (..., 2), (1, slice(1, 3)),
    np.array([2, 0]), (slice(None), np.array([3, 1])), (np.array([0, 2]), np.array([1, 1])), (np.array([[0], [2]]), slice(0, 2)),
    np.array([1, 1, 0]), (0, np.array([2, 2])),
]
OPERATIONS = st.lists(st.tuples(st.sampled_from(["get", "set", "swap", "add", "iadd"]), st.sampled_from(range(len(INDICES))),
                                st.integers(-3, 3)), min_size=1, max_size=8)


def new_values(array, index, k):
    """Something to write; equal where an index names a place twice, so that the order does not matter."""
    return np.full(array[index].shape, k + 0.5, np.float32)


def expected(operations):
    """What the operations read, and the array afterwards."""
    array, found = np.arange(12, dtype=np.float32).reshape(SHAPE), []
    for name, i, k in operations:
        index = INDICES[i]
        new = new_values(array, index, k)
        if name in ("get", "swap"):
            found.append(array[index].copy())
        if name in ("set", "swap"):
            array[index] = new
        elif name == "add":
            np.add.at(array, index, new)
        elif name == "iadd":
            array[index] += new
    return found, array


def perform(ref, operations):
    found = []
    array = np.zeros(SHAPE, np.float32)
    for name, i, k in operations:
        index = INDICES[i]
        new = new_values(array, index, k)
        if name == "get":
            found.append(ref[index])
        elif name == "set":
            ref[index] = new
        elif name == "swap":
            found.append(swap(ref, index, new))
        elif name == "add":
            addupdate(ref, index, new)
        else:
            ref[index] += new
    return found


def start():
    return jnp.arange(12, dtype=jnp.float32).reshape(SHAPE)


@hypothesis.given(OPERATIONS)
@hypothesis.settings(max_examples=25, deadline=None)
def test_eager_sequences(operations):
    ref = ferax.new_ref(start())
    assert_close(perform(ref, operations), expected(operations)[0])
    assert_close(value(ref), expected(operations)[1])


@hypothesis.given(OPERATIONS)
@hypothesis.settings(max_examples=6, deadline=None)
def test_traced_sequences(operations):
    """Given as an argument, closed over, and made inside: three programs, all as NumPy does."""
    found, last = expected(operations)
    options = {"compiler_options": {"xla_backend_optimization_level": 0}}
    ref, other = ferax.new_ref(start()), ferax.new_ref(start())

    @ferax.jit(**options)
    def both(given):
        made = ferax.new_ref(start())
        return perform(given, operations), perform(other, operations), perform(made, operations), ferax.freeze(made)

    assert_close(both(ref), (found, found, found, last))
    assert_close((value(ref), value(other)), (last, last))


def test_computed_positions():
    """Scalars and slices of computed start stay within bounds; positions in arrays beyond are left out when written."""
    @ferax.jit
    def run(ref, i, far, rows):
        before = ref[i, lax.full((), 1, jnp.int32)], ref[far, ferax.ds(far, 2)], ref[rows, 0]
        ref[far, ferax.ds(far, 2)] = jnp.array([50.0, 60.0])
        ref[rows, 0] = jnp.array([70.0, 80.0])
        addupdate(ref, (i, ferax.ds(0, 2, 2)), jnp.array([100.0, 200.0]))
        return before

    ref = ferax.new_ref(start())
    assert_close(run(ref, -2, 9, np.array([9, 0])), (5.0, [10.0, 11.0], [8.0, 0.0]))
    assert_close(value(ref), [[80, 1, 2, 3], [104, 5, 206, 7], [8, 9, 50, 60]])
    assert jnp.arange(6)[ferax.ds(2, 3)].tolist() == [2, 3, 4]
    assert ferax.jit(lambda x, i: x[ferax.ds(i, 2)])(jnp.arange(6), 3).tolist() == [3, 4]
    assert (ferax.ds(3), ferax.ds(None)) == (ferax.ds(0, 3), slice(None))


def test_views():
    def run(ref):
        view = ref.at[1:].at[:, 1:3]
        view[0] = jnp.array([50.0, 60.0])
        view.addupdate(jnp.ones((2, 2)))
        return view.shape, view[...], ref.at[0].get(1), swap(ref.at[2], 0, 7.0)

    eager, traced = ferax.new_ref(start()), ferax.new_ref(start())
    array = np.array(start())
    array[1, 1:3] = 50, 60
    array[1:, 1:3] += 1
    array[2, 0] = 7
    expect = (2, 2), array[1:, 1:3], 1.0, 8.0
    assert_close(run(eager), expect)
    assert_close(ferax.jit(run)(traced), expect)
    assert_close((value(eager), value(traced)), (array, array))
    assert float(ferax.jit(lambda view: view[1])(eager.at[0])) == 1.0          # a view is a pytree with a reference in it


# --- the reference as an object -------------------------------------------------------------------

def test_attributes_and_identity():
    x = jnp.arange(6.0).reshape(2, 3)
    ref = ferax.new_ref(x)
    assert isinstance(ref, ferax.Ref) and not isinstance(ref, ferax.Array)
    assert (ref.shape, ref.ndim, ref.size, ref.dtype, len(ref)) == ((2, 3), 2, 6, np.float32, 2)
    assert ref.aval is AbstractRef(x.aval) is ferax.typeof(ref) and repr(ref.aval) == "Ref{float32[2,3]}"
    assert ref.sharding == x.sharding and ref.committed == x.committed and ref.format == x.format
    assert repr(ref) == repr(x).replace("Array", "Ref")
    assert ref == ref and ref != ferax.new_ref(x) and {ref: 1}[ref] == 1
    assert ferax.tree.leaves([ref]) == [ref]
    ref[0, 0] = 5.0
    assert float(x[0, 0]) == 0.0                            # what it was made of stays what it was
    read = ref[...]
    ref.set(jnp.zeros(3), 0)
    assert float(read[0, 0]) == 5.0 and ref.get(0).tolist() == [0.0, 0.0, 0.0]
    twin, shared = copy.deepcopy(ref), copy.copy(ref)
    ref[1, 1] = 9.0
    assert float(twin[1, 1]) == 4.0 and float(shared[1, 1]) == 9.0
    assert_close(pickle.loads(pickle.dumps(ref))[...], ref[...])
    assert ferax.new_ref(2.0)[...].weak_type and get(ferax.new_ref(3)).dtype == np.int32
    assert ferax.empty_ref(ferax.ShapeDtypeStruct((2,), "float32")).shape == (2,)
    key = ferax.new_ref(ferax.random.key(0))
    key[...] = ferax.random.key(1)
    assert key[...] == ferax.random.key(1)


@pytest.mark.parametrize("dtype, new, fits", [
    (np.float32, 1.0, True), (np.float32, np.float64(1), True), (np.float32, 1, False), (np.float32, True, False),
    (np.float32, 1j, False), (np.int8, 1, True), (np.uint32, -1, True), (np.int32, 1.5, False), (np.bool_, True, True),
    (np.bool_, 1, False), (np.float16, 1.0, True), (np.float32, np.float16(1), False), (np.complex64, 1.0, False)])
def test_dtypes_of_writes(dtype, new, fits):
    ref = ferax.new_ref(jnp.zeros(3, dtype))
    if fits:
        ref[0] = new
        assert_close(value(ref), np.array([new, 0, 0]).astype(dtype))
    else:
        with pytest.raises(ValueError, match="Invalid dtype for `swap`. Ref dtype"):
            ref[0] = new
    exact = np.result_type(dtype) == jnp.asarray(new).dtype
    if exact:
        addupdate(ref, 1, new)
        assert_close(value(ref)[1], np.asarray(new).astype(dtype))
    else:
        with pytest.raises(ValueError, match="Invalid dtype for `addupdate`"):
            addupdate(ref, 1, new)


@pytest.mark.parametrize("use, error, text", [
    (lambda r: r[3], ValueError, "Out of bound indexer: idx=3, dim=3"),
    (lambda r: r[0, jnp.array(4)], ValueError, "Out of bound indexer: idx=4, dim=4"),
    (lambda r: r[3:], ValueError, "Out of bound slice: start=3, dim=3"),
    (lambda r: r[ferax.ds(2, 2)], ValueError, "Out of bound slice: start=2, size=2, stride=1, dim=3"),
    (lambda r: r[::-1], ValueError, "step >= 1"),
    (lambda r: r[..., ...], ValueError, "one ellipsis"),
    (lambda r: r[0, 0, 0], ValueError, "must not be longer than `shape`"),
    (lambda r: r[None, 0], ValueError, "new dimensions"),
    (lambda r: r["a"], TypeError, "indexed by integers"),
    (lambda r: r[[0, 1]], TypeError, "indexed by integers"),
    (lambda r: r[0.5], TypeError, "indexed by integers"),
    (lambda r: r[np.array([True, False, True])], TypeError, "For a mask"),
    (lambda r: ref_set(r, ..., 0.0), ValueError, r"Invalid shape for `swap`. Ref shape: \(3, 4\). Expected shape: \(3, 4\)"),
    (lambda r: ref_set(r, 0, jnp.zeros(3)), ValueError, r"Expected shape: \(4,\). Value shape: \(3,\)"),
    (lambda r: ref_set(r, 0, [1.0]), TypeError, "list"),
    (lambda r: addupdate(r, 0, 1.0), ValueError, "Invalid shape for `addupdate`"),
    (lambda r: r + 1, TypeError, "unsupported operand"),
    (lambda r: jnp.zeros(4) + r, TypeError, "Ref|operand"),
    (lambda r: jnp.sin(r), TypeError, "sin requires"),
    (lambda r: lax.exp(r), TypeError, "Ref"),
    (lambda r: lax.associative_scan(jnp.add, r), TypeError, "did you forget to unpack"),
    (lambda r: ferax.new_ref(r), TypeError, "cannot hold a reference"),
    (lambda r: get(jnp.zeros(3), 0), ValueError, "Can only call `ref_get` on a `Ref`"),
    (lambda r: swap(jnp.zeros(3), 0, 1.0), ValueError, "Can only call `ref_swap` on a `Ref`"),
    (lambda r: ferax.new_ref([1.0]), TypeError, "Error interpreting argument to new_ref"),
    (lambda r: ferax.empty_ref(3), TypeError, "expected the type of an array"),
    (lambda r: ferax.ds(0, 1.5), TypeError, "size and stride must be ints"),
    (lambda r: ferax.grad(lambda s: s[0, 0])(r), TypeError, "cannot be differentiated"),
    (lambda r: ferax.jvp(lambda s: s[0, 0], (r,), (1.0,)), TypeError, "must be a reference of type"),
])
def test_bad_use(use, error, text):
    ref = ferax.new_ref(start())
    with pytest.raises(error, match=text):
        use(ref)
    if "ds" not in text and "new_ref" not in text:
        with pytest.raises((error, ValueError, TypeError)):
            ferax.jit(lambda r: (use(r), 0)[1])(ref)
    assert_close(value(ref), start())


# --- traced functions -----------------------------------------------------------------------------

def test_jaxprs_say_what_happens_to_which_reference():
    a, b = ferax.new_ref(jnp.zeros(3)), ferax.new_ref(jnp.ones(3))

    def f(a, x):
        a[0] = x
        addupdate(a, slice(1, None), b[1:])
        old = swap(a, 2, x)
        local = ferax.new_ref(old)
        local[...] = local[...] * 2
        return ferax.freeze(local)

    closed = ferax.make_jaxpr(f)(a, np.float32(1.0))
    check_jaxpr(closed)
    (given, _), (closed_over,) = closed.jaxpr.invars, closed.jaxpr.constvars
    assert closed.effects == {WriteEffect(given), AccumEffect(given), ReadEffect(closed_over)}
    text = [line.strip() for line in str(closed).split("\n")]
    assert text[0] == "{ lambda a:Ref{f32[3]}; b:Ref{f32[3]} c:f32[]. let"
    assert text[1:5] == ["b[0] <- c", "d:f32[2] <- a[1:]", "b[1:] += d", "e:f32[], b[2] <- b[2], c"]
    assert value(a).tolist() == [0.0, 0.0, 0.0]             # only traced
    by_type = ferax.make_jaxpr(lambda r, i: r[i])(ferax.ShapeDtypeStruct((3,), "float32", is_ref=True), 0)
    assert "c:f32[] <- a[b]" in str(by_type)
    assert ferax.eval_shape(f, a, 1.0).shape == ()
    assert not ferax.make_jaxpr(lambda: ferax.new_ref(1.0)[...])().effects


def test_jit_writes_in_place_and_leaves_other_arrays_alone():
    x = jnp.zeros(3)
    ref = ferax.new_ref(x)

    @ferax.jit
    def step(ref, y):
        ref[...] = ref[...] + y
        return ref[...], y

    first, _ = step(ref, 1.0)
    second, _ = step(ref, 1.0)
    read = ref[...]
    step(ref, 1.0)
    for array, n in ((x, 0), (first, 1), (second, 2), (read, 2), (ref[...], 3)):
        assert array.tolist() == [n] * 3
    double = ferax.jit(lambda r: r.set(2 * r[...]))
    big = ferax.new_ref(jnp.ones(100))
    double(big)
    place = big.unsafe_buffer_pointer()
    double(big)
    assert big.unsafe_buffer_pointer() == place and float(big[99]) == 4.0
    other = ferax.new_ref(x)
    ferax.jit(lambda a, b: a.set(b[...]))(other, ref)
    ref[0] = 9.0
    assert value(other).tolist() == [3.0] * 3
    static = ferax.jit(lambda r, n: r[n], static_argnums=(1,))
    assert float(static(ref, 0)) == 9.0
    pair = ferax.jit(lambda d, *, s: d["a"][...] + s[...])({"a": ref}, s=other)
    assert pair.tolist() == [12.0, 6.0, 6.0]
    with ferax.disable_jit():
        step(ref, 1.0)
    assert value(ref).tolist() == [10.0, 4.0, 4.0]


def test_jit_in_jit_and_ahead_of_time():
    ref, seen = ferax.new_ref(jnp.zeros(2)), ferax.new_ref(0)

    @ferax.jit
    def inner(r, x):
        r[0] = x
        seen[...] += 1
        return r[1]

    def outer(r, x):
        local = ferax.new_ref(jnp.zeros(2))
        return inner(r, x) + inner(local, 3.0) + ferax.jit(inner, inline=True)(local, 4.0) + local[0]

    assert float(ferax.jit(outer)(ref, 2.0)) == 4.0
    compiled = ferax.jit(outer).lower(ref, 5.0).compile()
    assert float(compiled(ref, 7.0)) == 4.0
    assert (value(ref).tolist(), int(seen[...])) == ([7.0, 0.0], 6)
    with pytest.raises(ValueError, match="only one reference"):
        ferax.jit(lambda a, b: a[0] + b[0]).lower(ref, ferax.new_ref(jnp.zeros(2))).compile()(ref, ref)


def test_aliases_are_refused():
    r = ferax.new_ref(jnp.zeros(2))
    twice = "only one reference to a mutable array may be passed as an argument"
    closed = "was both closed over and passed as the argument"

    def add(a, b):
        return a[...] + b[...]

    for call, text in [
        (lambda: ferax.jit(add)(r, r), f"{twice}.* for jit .* at both a and b"),
        (lambda: ferax.jit(lambda a: a[...] + r[...])(r), f"{closed} a"),
        (lambda: ferax.make_jaxpr(add)(r, r), twice),
        (lambda: ferax.vmap(add)(r, r), twice),
        (lambda: lax.cond(True, add, add, r, r), twice),
        (lambda: lax.cond(True, lambda a: a[0], lambda a: r[0] + a[0], r), closed),
        (lambda: lax.scan(lambda c, x: (c, x[0][...] + x[1][...]), 0.0, (r, r)), twice),
        (lambda: lax.scan(lambda c, x: (c + r[0], x[...]), 0.0, r), closed),
        (lambda: ferax.jit(lambda: ferax.jit(add)(r, r))(), twice),
    ]:
        with pytest.raises(ValueError, match=text):
            call()
    assert add(r, r).tolist() == [0.0, 0.0]                 # eagerly nothing is wrong with it


def test_references_are_not_returned():
    r = ferax.new_ref(jnp.zeros(2))
    for call, text in [
        (lambda: ferax.jit(lambda a: a)(r), "passed in as the argument a"),
        (lambda: ferax.jit(lambda: {"a": ferax.new_ref(1.0)})(), "made inside of the function"),
        (lambda: ferax.jit(lambda: r)(), "traced for jit"),
        (lambda: ferax.make_jaxpr(lambda: r)(), "make_jaxpr"),
        (lambda: lax.scan(lambda c, x: (c, None), r, None, length=2), "traced for scan"),
        (lambda: lax.cond(True, lambda a: a, lambda a: a, r), "traced for cond"),
        (lambda: lax.while_loop(lambda c: False, lambda c: c, r), "traced for while_loop"),
    ]:
        with pytest.raises(ValueError, match="returned a mutable array reference of type Ref") as caught:
            call()
        assert text in str(caught.value)


def test_references_that_have_ended():
    kept = []

    def keep(x):
        kept.append(ferax.new_ref(x))
        return x * 1.0

    for transformed in (ferax.jit(keep), ferax.vmap(keep), ferax.grad(lambda x: keep(x).sum())):
        transformed(jnp.arange(3.0))
        for use in (lambda: kept[-1][...], lambda: kept[-1].set(jnp.zeros(3)), lambda: ferax.jit(lambda: kept[-1][...])()):
            with pytest.raises((ferax.errors.UnexpectedTracerError, ValueError)):
                use()
        with pytest.raises(ferax.errors.UnexpectedTracerError):
            kept[-1][...]
    ref = ferax.new_ref(1.0)
    assert float(ferax.freeze(ref)) == 1.0
    ferax.free_ref(ref)
    with pytest.raises(ValueError, match="has been freed"):
        ref[...]
    with pytest.raises(ValueError, match="has been freed"):
        ferax.jit(lambda r: r[...])(ref)
    for end, again, text in ((ferax.freeze, lambda a: a[...], "frozen"), (ferax.freeze, ferax.freeze, "frozen"),
                             (ferax.free_ref, lambda a: a.set(2.0), "freed")):
        with pytest.raises(ValueError, match=f"has been {text}"):
            ferax.jit(lambda x: (lambda a: (end(a), again(a))[1])(ferax.new_ref(x)))(1.0)
        with pytest.raises(ValueError, match="made outside of the function"):
            ferax.jit(lambda a: (end(a), 0)[1])(ferax.new_ref(1.0))


# --- loops and branches ---------------------------------------------------------------------------

def loops(r, rows, n):
    """All kinds of loops, on a reference from outside, one made here, and one of rows; returns what they find."""
    local = ferax.new_ref(jnp.zeros(3))

    def step(c, x):
        i, row = x
        r[0] += c
        local[i] = row[0] + r[0]
        row[1] = c
        inside = ferax.new_ref(c)
        inside[...] *= 2.0
        return c + 1.0, inside[...]

    last, ys = lax.scan(step, 1.0, (jnp.arange(3), rows))
    lax.fori_loop(0, 3, lambda i, _: r.set(r[2] + i, 2), None)
    lax.fori_loop(0, n, lambda i, _: addupdate(local, 0, 1.0), None)
    turns = lax.while_loop(lambda c: r[1] < 3.0, lambda c: (addupdate(r, 1, 1.0), c + 1)[1], 0)
    lax.cond(last > 0, lambda: r.set(10.0, 0), lambda: local.set(jnp.zeros(3)))
    lax.switch(n, [lambda q: None, lambda q: q.set(-1.0, 1), lambda q: q.set(q[0], 1)], r)
    return last, ys, turns, local[...]


def test_loops_and_branches():
    found = (4.0, [2.0, 4.0, 6.0], 3, [4.0, 7.0, 12.0])
    for run in (loops, ferax.jit(loops)):
        r, rows = ferax.new_ref(jnp.zeros(3)), ferax.new_ref(jnp.arange(6.0).reshape(3, 2))
        assert_close(run(r, rows, 2), (found[0], found[1], found[2], [1.0 + 2.0, 5.0, 10.0]))
        assert_close(value(r), [10.0, 10.0, 3.0])
        assert_close(value(rows), [[0, 1], [2, 2], [4, 3]])


def test_a_condition_that_writes():
    def run(r):
        def more(c):
            r[0] += 1
            return r[0] < 4

        return lax.while_loop(more, lambda c: c + r[0], 0)

    for f in (run, ferax.jit(run)):
        r = ferax.new_ref(jnp.zeros(2, jnp.int32))
        assert int(f(r)) == 1 + 2 + 3 and value(r).tolist() == [4, 0]


def test_checkpoint_map_and_callbacks():
    r, shown = ferax.new_ref(0.0), []

    @ferax.checkpoint
    def f(x):
        r[...] = lax.stop_gradient(x)
        local = ferax.new_ref(x)
        local[...] = jnp.sin(local[...])
        return local[...] * x

    x = 0.7
    assert_close(ferax.grad(ferax.jit(f))(x), np.cos(x) * x + np.sin(x))
    assert float(r[...]) == np.float32(x)
    assert_close(f(0.5), np.sin(0.5) * 0.5)
    rows = ferax.new_ref(jnp.arange(3.0))
    assert lax.map(lambda row: row[...] + r[...], rows).tolist() == [0.5, 1.5, 2.5]
    ferax.jit(lambda q: ferax.debug.callback(lambda v: shown.append(float(v)), q))(r)
    ferax.effects_barrier()
    assert shown == [0.5]


# --- vmap -----------------------------------------------------------------------------------------

def test_vmap():
    def f(r, x):
        local = ferax.new_ref(0.0)                          # not mapped when it is made, mapped when it is written
        local[...] = x
        r[0] = x + local[...]
        lax.fori_loop(0, 2, lambda i, _: addupdate(r, 1, x * i), None)
        lax.cond(x > 1.0, lambda: r.set(-1.0, 2), lambda: None)
        return r[...].sum() + shared[0]

    shared = ferax.new_ref(jnp.array([5.0]))
    xs = np.arange(3, dtype=np.float32)
    table = np.ones((3, 3), np.float32)
    table[:, 0], table[:, 1], table[2, 2] = 2 * xs, 1 + xs, -1
    for axis, wrap in ((0, lambda g: g), (1, ferax.jit)):
        r = ferax.new_ref(jnp.ones((3, 3)))
        assert_close(wrap(ferax.vmap(f, in_axes=(axis, 0)))(r, xs), table.sum(1) + 5)
        assert_close(value(r), table if axis == 0 else table.T)
    r = ferax.new_ref(jnp.zeros((2, 3)))
    ferax.vmap(ferax.vmap(lambda a, x: a.set(x)))(r, jnp.arange(6.0).reshape(2, 3))
    assert_close(value(r), np.arange(6).reshape(2, 3))
    assert ferax.vmap(lambda i: r[1, i])(np.array([2, 0])).tolist() == [5.0, 3.0]
    doubled = ferax.vmap(lambda x: ferax.new_ref(x * 2))(xs)        # eagerly a mapped function may return references
    assert_close(doubled[...], 2 * xs)
    ferax.vmap(lambda a: a.set(7.0))(doubled)               # a number for all
    assert_close(value(doubled), [7, 7, 7])


@pytest.mark.parametrize("write", [
    lambda r, x: r.set(x, 0), lambda r, x: addupdate(r, 0, x), lambda r, x: r.set(1.0, 0), lambda r, x: r.set(2.0, x.astype(int)),
    lambda r, x: lax.fori_loop(0, 2, lambda i, _: r.set(x, 0), None), lambda r, x: ferax.jit(lambda: r.set(x, 0))()])
def test_vmap_does_not_write_to_what_is_not_mapped(write):
    r = ferax.new_ref(jnp.zeros(3))
    for f, in_axes, args in ((lambda x: write(r, x), 0, ()), (lambda x, q: write(q, x), (0, None), (r,))):
        for wrap in (lambda g: g, ferax.make_jaxpr):
            with pytest.raises(ValueError, match="with vmapped value on an unbatched array reference of type Ref{float32"):
                wrap(ferax.vmap(f, in_axes))(jnp.arange(3.0), *args)
    assert value(r).tolist() == [0.0, 0.0, 0.0]


# --- derivatives ----------------------------------------------------------------------------------

def with_refs(x):
    """Sums and products with references for temporaries, in loops, branches and calls."""
    total, product = ferax.new_ref(jnp.zeros(())), ferax.new_ref(jnp.ones(()))
    table = ferax.new_ref(jnp.zeros(4))

    def step(c, xi):
        addupdate(total, ..., jnp.sin(xi) * c)
        product[...] = product[...] * xi
        return c * xi, None

    c, _ = lax.scan(step, 1.0, x)
    lax.fori_loop(0, 3, lambda i, _: table.set(table[i] * c + x[i], i + 1), None)
    lax.cond(c > 0, lambda: table.set(total[...], 0), lambda: table.set(product[...], 0))
    ferax.jit(lambda t: addupdate(t, 1, total[...] ** 2))(table)
    return (ferax.freeze(table) ** 2).sum() + total[...] * product[...]


def without_refs(x):
    total, product, c = 0.0, 1.0, 1.0
    for xi in x:
        total, product, c = total + jnp.sin(xi) * c, product * xi, c * xi
    table = [0.0]
    for i in range(3):
        table.append(table[i] * c + x[i])
    table[0] = jnp.where(c > 0, total, product)
    table[1] = table[1] + total ** 2
    return sum(t ** 2 for t in table) + total * product


@pytest.mark.parametrize("x", [[0.5, -1.2, 0.8], [1.1, 0.4, 0.9]])
def test_derivatives_through_references(x):
    x, v = jnp.array(x), jnp.array([0.3, -0.7, 1.1])
    assert_close(with_refs(x), without_refs(x))
    expect = ferax.grad(without_refs)(x)
    assert_close(ferax.grad(with_refs)(x), expect)
    assert_close(ferax.grad(ferax.jit(with_refs))(x), expect)
    assert_close(ferax.jvp(ferax.jit(with_refs), (x,), (v,))[1], expect @ v)


def test_higher_derivatives_and_mapped_ones():
    def cubes(x):
        acc = ferax.new_ref(jnp.zeros(()))
        lax.fori_loop(0, 3, lambda i, _: addupdate(acc, ..., (x * i) ** 3), None)
        return acc[...]

    assert_close(ferax.grad(ferax.grad(cubes))(2.0), 6 * 9 * 2)
    assert_close(ferax.jit(ferax.vmap(ferax.grad(cubes)))(jnp.arange(3.0)), 27 * np.arange(3.0) ** 2)
    assert_close(ferax.hessian(cubes)(1.0), 54)
    out, push = ferax.linearize(cubes, 2.0)
    assert_close((out, push(1.0)), (72, 108))


def test_logging_in_differentiated_functions():
    log = ferax.new_ref(jnp.zeros(3))

    def f(x, log):
        def step(c, i):
            log[i] = lax.stop_gradient(c)
            return c * x, None
        return lax.scan(step, x, jnp.arange(3))[0] + 0.0 * lax.stop_gradient(log[0])

    for g in (ferax.grad(f), ferax.jit(ferax.grad(f)), ferax.grad(ferax.jit(f)), lambda *a: ferax.vjp(f, *a)[1](1.0)[0]):
        log[...] = jnp.zeros(3)
        assert_close(g(2.0, log), 4 * 2.0 ** 3)
        assert value(log).tolist() == [2.0, 4.0, 8.0]
    assert_close(ferax.grad(lambda x: log[1] * x)(3.0), 4.0)


@pytest.mark.parametrize("wrap", [lambda f: f, ferax.jit, lambda f: lambda x: lax.fori_loop(0, 1, lambda i, c: f(x), 0.0)])
def test_derivatives_have_no_room_in_a_reference_from_outside(wrap):
    log = ferax.new_ref(0.0)
    text = "operation with a differentiated value on a non-differentiated array reference of type Ref"
    for write in (lambda x: log.set(2 * x), lambda x: addupdate(log, ..., x)):
        f = wrap(lambda x: (write(x), x * x)[1])
        with pytest.raises(ValueError, match=text):
            ferax.grad(f)(3.0)
        with pytest.raises(ValueError, match=text):
            ferax.jvp(f, (3.0,), (1.0,))
    assert float(log[...]) == 0.0


def test_jvp_of_references():
    primal, tangent = ferax.new_ref(jnp.array([3.0, 4.0])), ferax.new_ref(jnp.array([1.0, 0.5]))

    def f(r, x):
        r[0] = r[1] * x
        return r[...].sum()

    for g in (f, ferax.jit(f)):
        primal[...], tangent[...] = jnp.array([3.0, 4.0]), jnp.array([1.0, 0.5])
        assert_close(ferax.jvp(g, (primal, 2.0), (tangent, 1.0)), (12.0, 0.5 * 2 + 4.0 + 0.5))
        assert_close((value(primal), value(tangent)), ([8.0, 4.0], [5.0, 0.5]))


@ferax.custom_vjp
def stash(seen, x):
    """The identity, whose backward rule leaves the cotangent in a reference."""
    return x


def stash_backward(seen, ct):
    seen[...] = ct
    return None, ct


stash.defvjp(lambda seen, x: (x, seen), stash_backward)


def test_a_backward_rule_that_writes():
    def f(x, seen):
        return jnp.sin(stash(seen, x ** 2)) * 3.0

    x = 0.8
    ct = np.cos(x ** 2) * 3
    for g in (ferax.grad(f), ferax.jit(ferax.grad(f)), ferax.grad(ferax.jit(f)), ferax.jit(ferax.grad(ferax.jit(f)))):
        seen = ferax.new_ref(0.0)
        assert_close(g(x, seen), ct * 2 * x)
        assert_close(value(seen), ct)
        assert_close(g(x, seen), ct * 2 * x)                # again, from the caches
    assert_close(ferax.jit(f)(x, seen), np.sin(x ** 2) * 3)
    check_jaxpr(ferax.make_jaxpr(f)(x, seen))

    assert_close(f(x, seen), np.sin(x ** 2) * 3)


def test_a_backward_rule_that_writes_in_a_loop():
    """The loop's backward pass carries what the reference holds; of a reference scanned over each step has its row."""
    def f(x, seen, rows):
        def step(c, row):
            c = lax.cond(c > 0, lambda: jnp.sin(stash(row, c)), lambda: c)
            return ferax.checkpoint(lambda c: stash(seen, c) * c)(c), None
        return lax.scan(step, x, rows)[0]

    x, cts = 0.8, []
    values = [x]
    for _ in range(3):
        values.append(np.sin(values[-1]) ** 2)
    ct = 1.0
    for c in values[2::-1]:
        factor, ct = ct * np.sin(c), ct * 2 * np.sin(c) * np.cos(c)
        cts.insert(0, ct)
    for g in (ferax.grad(f), ferax.jit(ferax.grad(f)), ferax.grad(ferax.jit(f))):
        seen, rows = ferax.new_ref(0.0), ferax.new_ref(jnp.zeros(3))
        assert_close(g(x, seen, rows), ct)
        assert_close(value(rows), np.array(cts))
        assert_close(value(seen), factor)                   # of the first step, the last in the backward pass
    assert_close(ferax.jit(f)(x, seen, rows), values[-1])
    assert_close(value(rows), np.array(cts))
    count = ferax.new_ref(0)
    for refused in (lambda x: f(x, count, rows), lambda x: ferax.vmap(lambda y: f(y, seen, rows))(x * jnp.ones(2)).sum()):
        with pytest.raises(TypeError, match="cannot be differentiated here"):
            ferax.grad(refused)(x)


def test_a_function_with_a_rule_that_writes_itself():
    log = ferax.new_ref(0.0)

    @ferax.custom_jvp
    def f(x):
        log[...] = x
        return x * x

    f.defjvp(lambda primals, tangents: (f(*primals), 2 * primals[0] * tangents[0]))
    assert float(f(3.0)) == 9.0 and float(log[...]) == 3.0
    assert float(ferax.grad(f)(4.0)) == 8.0 and float(log[...]) == 4.0
    with pytest.raises(NotImplementedError, match="custom_jvp_call: `f`.*writes to an array reference"):
        ferax.jit(f)(3.0)


def test_names():
    assert ferax.ref.Ref is ferax.Ref
    assert set(dir(ferax.ref)) >= {"AbstractRef", "Ref", "addupdate", "empty_ref", "free_ref", "freeze", "get", "new_ref", "set", "swap"}
