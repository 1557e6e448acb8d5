"""`shard_map`: collectives against `vmap`, derivatives against the same function of whole arrays, meshes, specs and errors."""

import re

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax
from ferax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec as P

pytestmark = pytest.mark.skipif(len(ferax.devices()) < 4, reason="needs four devices")
DEVICES = np.array(ferax.devices()[:4])
MESH = Mesh(DEVICES.reshape(2, 2), ("x", "y"))
SHUFFLED = Mesh(DEVICES[[2, 0, 3, 1]].reshape(2, 2), ("x", "y"))
LINE = Mesh(DEVICES, ("i",))
X = np.linspace(0.1, 2.0, 32, dtype=np.float32).reshape(8, 4)
W = np.float32([0.5, -1.0, 2.0, 0.25])


def mapped(f, in_specs=P("x", "y"), out_specs=P("x", "y"), mesh=MESH, **options):
    return ferax.shard_map(f, mesh=mesh, in_specs=in_specs, out_specs=out_specs, **options)


def quick(f):
    """``f`` compiled with little work for LLVM, which is what most of the time here would go into."""
    return ferax.jit(f, compiler_options={"xla_backend_optimization_level": 0})


def same(found, wanted, **tolerance):
    for a, b in zip(ferax.tree.leaves(found), ferax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, **({"rtol": 2e-5, "atol": 1e-5} | tolerance))


# --- collectives: each device one element, against vmap ------------------------------------------------

def on_line(v):
    ring = [(0, 1), (1, 2), (3, 0)]
    pairs = [[0, 3], [2, 1]]
    return {
        "psum": lax.psum(v, "i"), "pmean": lax.pmean(v, "i"), "pmax": lax.pmax(v, "i"), "pmin": lax.pmin(v, "i"),
        "number": v * lax.psum(1, "i") * lax.axis_size("i"), "index": lax.axis_index("i"),
        "gather": [lax.all_gather(v, "i", axis=k, tiled=t) for k in (0, 1) for t in (False, True)],
        "scatter": [lax.psum_scatter(v, "i"), lax.psum_scatter(v, "i", tiled=True), lax.psum_scatter(v.T, "i", scatter_dimension=1)],
        "exchange": [lax.all_to_all(v, "i", 0, k, tiled=t) for k in (0, 1) for t in (False, True)],
        "exchange last": [lax.all_to_all(v.T, "i", 1, k) for k in (0, 1)],
        "permute": [lax.ppermute(v, "i", ring), lax.ppermute(v, "i", []), lax.pshuffle(v, "i", [3, 1, 0, 2])],
        "swap": lax.pswapaxes(v, "i", 0), "broadcast": lax.pbroadcast(v, "i", 2),
        "groups": [lax.psum(v, "i", axis_index_groups=pairs), lax.pmax(v, "i", axis_index_groups=pairs),
                   lax.all_gather(v, "i", axis_index_groups=pairs), lax.psum_scatter(v, "i", tiled=True, axis_index_groups=pairs),
                   lax.all_to_all(v, "i", 0, 0, tiled=True, axis_index_groups=pairs)],
        "dtypes": [lax.psum((v % 2).astype(d), "i") for d in ("bool", "int8", "uint16", "bfloat16", "complex64")]
                  + [lax.pmax((v % 2).astype(d), "i") for d in ("bool", "int8", "uint16", "bfloat16")],
    }


@pytest.mark.parametrize("mesh, check", [(LINE, True), (Mesh(DEVICES[[2, 0, 3, 1]], ("i",)), False)])
def test_collectives(mesh, check):
    v = np.arange(48, dtype=np.float32).reshape(4, 4, 3)
    wanted = quick(ferax.vmap(on_line, axis_name="i"))(v)
    found = quick(mapped(lambda v: ferax.tree.map(lambda u: u[None], on_line(v[0])), P("i"), P("i"), mesh, check_vma=check))(v)
    for (path, a), (_, b) in zip(ferax.tree.leaves_with_path(found), ferax.tree.leaves_with_path(wanted), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, err_msg=str(path))


def on_square(v):
    both, perm = ("y", "x"), [(0, 1), (1, 2), (3, 0)]
    return [lax.psum(v, "x"), lax.psum(v, both), lax.all_gather(v, both), lax.all_gather(v, both, tiled=True), lax.psum_scatter(v, both),
            lax.psum_scatter(v, both, tiled=True), lax.all_to_all(v, both, 0, 1), lax.all_to_all(v, both, 0, 1, tiled=True),
            lax.ppermute(v, both, perm), v * lax.axis_index("x") - lax.axis_index(both) + 10 * lax.axis_index("y")]


@pytest.mark.parametrize("mesh", [MESH, SHUFFLED])
def test_collectives_over_several_axes(mesh):
    v = np.arange(48, dtype=np.float32).reshape(2, 2, 4, 3)
    wanted = quick(ferax.vmap(ferax.vmap(on_square, axis_name="y"), axis_name="x"))(v)
    found = quick(mapped(lambda v: [u[None, None] for u in on_square(v[0, 0])], mesh=mesh))(v)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_ragged_all_to_all():
    rows, out = np.arange(48, dtype=np.float32).reshape(4, 6, 2), -np.ones((4, 8, 2), np.float32)
    sizes = np.int32([[1, 2, 0, 3], [0, 1, 1, 1], [2, 2, 2, 0], [1, 1, 1, 1]])
    starts = np.int32([[0, 1, 3, 3], [0, 0, 1, 2], [0, 2, 4, 6], [0, 1, 2, 3]])
    targets = np.cumsum(sizes, 0).astype(np.int32) - sizes
    def f(*args):
        total = lambda rows: lax.ragged_all_to_all(rows, *args[1:], axis_name="i")
        return total(args[0]), ferax.grad(lambda rows: (total(rows) ** 2).sum())(args[0])

    args = rows, out, starts, sizes, targets, sizes.T.copy()
    wanted = quick(ferax.vmap(f, axis_name="i"))(*args)
    found = quick(mapped(lambda *a: [v[None] for v in f(*(x[0] for x in a))], P("i"), P("i"), LINE))(*args)
    same(found, wanted)
    pairs = [[0, 3], [2, 1]]
    g = lambda *a: lax.ragged_all_to_all(*a, axis_name="i", axis_index_groups=pairs)
    args = rows, out, starts[:, :2], sizes[:, :2], targets[:, :2], sizes[:, :2]
    same(quick(mapped(lambda *a: g(*(x[0] for x in a))[None], P("i"), P("i"), LINE))(*args), quick(ferax.vmap(g, axis_name="i"))(*args))


# --- where results lie, and how functions are called ---------------------------------------------------------

def test_results_lie_as_specs_say():
    f = mapped(lambda a, b: (a * b, lax.psum(a.sum(), ("x", "y"))), (P("x", "y"), P(None, "y")), (P("x", "y"), P()))
    for g in (f, ferax.jit(f)):
        outs = g(X, X[:1])
        same(outs, (X * X[:1], X.sum()))
        assert [y.sharding.spec for y in outs] == [P("x", "y"), P()] and len(outs[0].devices()) == 4
        assert outs[0].addressable_shards[0].data.shape == (4, 2)


def test_arguments_are_brought_to_where_specs_say():
    f = mapped(lambda a: a + 10 * lax.axis_index("x"), P("x"), P("x"))
    for spec in (P("y", "x"), P(), P("x")):
        placed = ferax.device_put(X, NamedSharding(MESH, spec))
        same(f(placed), X + np.repeat([0, 10], 4)[:, None])
        same(ferax.jit(f, in_shardings=NamedSharding(MESH, P("x")))(placed), f(X))
    differs = mapped(lambda a: a + lax.axis_index("y"), P("x"), P("x"), check_vma=False)(X)
    same(differs, X)                            # of what is said to be equal the first device's counts


def test_nans_are_found():
    f = mapped(lambda a: jnp.log(a - 1 + 0 * lax.psum(a, "x")), P(), P())
    f(X)
    with ferax.debug_nans(True):
        for g in (f, ferax.jit(f), ferax.jit(ferax.jit(f)), ferax.jit(lambda x: f(x) + 1)):
            with pytest.raises(FloatingPointError, match=r"nan.*at test_shard_map.py"):
                g(X)


def test_a_function_inside_and_outside():
    """A private function of the module may be called by the whole program and by the devices."""
    norm = ferax.jit(lambda v: jnp.sqrt((v * v).sum()))
    f = ferax.jit(lambda x: norm(x) + mapped(lambda a: norm(a)[None], P("x"), P("x"))(x) + norm(x[:4]))
    same(f(X), np.linalg.norm(X) + [np.linalg.norm(X[:4]), np.linalg.norm(X[4:])] + np.linalg.norm(X[:4]))


def test_trees_prefixes_and_closed_over_values():
    big = np.arange(32, dtype=np.float32).reshape(4, 8)         # a hidden argument of the program
    f = mapped(lambda d, k: {"u": d["a"] @ big, "v": [d["b"] + k, lax.pmean(d["b"], "x")]}, (P("x"), P()),
               {"u": P("x"), "v": [P("x"), P()]})
    d = {"a": X, "b": X[:, 0]}
    wanted = {"u": X @ big, "v": [X[:, 0] + 3, (X[:4, 0] + X[4:, 0]) / 2]}
    same(f(d, 3.0), wanted)
    same(ferax.jit(lambda d: f(d, jnp.float32(3)))(d), wanted)
    g = ferax.shard_map(mesh=MESH, in_specs=(P("x"), None), out_specs=P("x"))(lambda a, text: a * len(text))
    same(g(X, "three"), 5 * X)


def test_the_mesh_of_the_context():
    double = lambda a: lax.psum(a, "y")
    with pytest.raises(ValueError, match="context mesh cannot be empty"):
        ferax.shard_map(double, in_specs=P("x", "y"), out_specs=P("x"))(X)
    with ferax.set_mesh(MESH):
        y = ferax.shard_map(double, in_specs=P("x", "y"), out_specs=P("x"))(X)
        assert y.sharding == NamedSharding(MESH, P("x"))
        with pytest.raises(ValueError, match="should match the mesh passed"):
            mapped(double, mesh=SHUFFLED.update(axis_names=("y", "x")))(X)
    same(y, X[:, :2] + X[:, 2:])
    f = ferax.shard_map(double, mesh=MESH.abstract_mesh, in_specs=P("x", "y"), out_specs=P("x"))
    same(f(ferax.device_put(X, NamedSharding(MESH, P("x")))), y)
    with pytest.raises(ValueError, match="NamedSharding"):
        f(X)


def test_specs_from_where_arguments_lie():
    mesh = ferax.make_mesh((2, 2), ("x", "y"), axis_types=(AxisType.Explicit,) * 2, devices=list(DEVICES))
    placed = ferax.device_put(X, NamedSharding(mesh, P(None, "x")))
    with ferax.set_mesh(mesh):
        assert ferax.shard_map(lambda a: jnp.array(a.shape)[None], out_specs=P())(placed).tolist() == [[8, 2]]
    with pytest.raises(TypeError, match="in_specs"):
        ferax.shard_map(lambda a: a, mesh=MESH, out_specs=P())(X)


def test_smap():
    with ferax.set_mesh(MESH):
        f = ferax.smap(lambda a, b: a * b + lax.axis_index("x"), in_axes=(-1, None), out_axes=1, axis_name="x")
        same(f(X, 2.0), 2 * X + np.repeat([0, 1], 2))
        both = ferax.smap(ferax.smap(lambda a: lax.psum(a, ("x", "y")), in_axes=1, out_axes=None, axis_name="y"), in_axes=0, out_axes=None,
                          axis_name="x")
        same(ferax.jit(both)(X), X.reshape(2, 4, 2, 2).sum((0, 2)))
    with pytest.raises(TypeError, match="axis_name should be"):
        ferax.smap(lambda a: a, in_axes=0, out_axes=0, axis_name=("x",))
    with pytest.raises(TypeError, match="in_axes must be"):
        ferax.smap(lambda a: a, in_axes=[0], out_axes=0, axis_name="x")
    with pytest.raises(ValueError, match="must not be negative"):
        ferax.smap(lambda a: a, in_axes=0, out_axes=-1, axis_name="x")


def test_keys_and_callbacks():
    keys = ferax.random.split(ferax.random.key(0), 4)
    draw = lambda k: ferax.random.normal(k, (3,))
    split = lambda k: ferax.random.split(ferax.random.fold_in(k, lax.axis_index("i")), 1)
    f = mapped(lambda k: (ferax.vmap(draw)(k), split(k[0])), P("i"), P("i"), LINE)
    normals, new = f(keys)
    same(normals, ferax.vmap(draw)(keys))
    wanted = [ferax.random.split(ferax.random.fold_in(k, i), 1)[0] for i, k in enumerate(keys)]
    assert ferax.random.key_data(new).tolist() == [ferax.random.key_data(k).tolist() for k in wanted]
    seen = []

    def look(a):
        ferax.debug.callback(lambda v: seen.append(float(v)), a.sum())
        return ferax.pure_callback(lambda v: np.asarray(v) * 2, ferax.ShapeDtypeStruct(a.shape, a.dtype), a)

    same(ferax.jit(mapped(look))(X), 2 * X)
    ferax.effects_barrier()
    same(sorted(seen), sorted(X.reshape(2, 4, 2, 2).sum((1, 3)).ravel()))


def test_one_device():
    mesh = Mesh(DEVICES[:1].reshape(1, 1), ("x", "y"))
    f = lambda a: lax.psum(a, "y") + lax.axis_index("x") + lax.all_gather(a, "x", tiled=True) + lax.ppermute(a, "x", [(0, 0)])
    same(ferax.jit(mapped(f, mesh=mesh))(X), 3 * X)


# --- axes left to the compiler -------------------------------------------------------------------------------

def test_some_axes_are_manual():
    def f(a):
        here = lax.axis_index("x")
        a = lax.with_sharding_constraint(a + jnp.linalg.norm(a) * 0, P(None, "y"))
        return a + lax.psum(a, "x") + here + lax.all_gather(a, "x")[0] * 0

    g = mapped(f, P("x"), P("x"), axis_names={"x"})
    wanted = X + np.tile(X[:4] + X[4:], (2, 1)) + np.repeat([0, 1], 4)[:, None]
    same(g(X), wanted)
    out = ferax.jit(g)(ferax.device_put(X, NamedSharding(MESH, P(None, "y"))))
    same(out, wanted)
    assert out.sharding.spec == P("x", "y")
    with pytest.raises(ValueError, match="refers to 'y'"):
        mapped(f, P("x", "y"), P("x"), axis_names={"x"})(X)


def test_a_shard_map_in_another():
    def inner(b):
        return lax.psum(b, "y") * lax.psum(1, "x") + 10 * lax.axis_index("x") + lax.axis_index("y")

    def outer(a):
        return ferax.shard_map(inner, in_specs=P(None, "y"), out_specs=P(None, "y"), axis_names={"y"})(a) + 100 * lax.axis_index("x")

    f = mapped(outer, P("x"), P("x"), axis_names={"x"})
    both = mapped(lambda b: inner(b) + 100 * lax.axis_index("x"))
    same(ferax.jit(f)(X), both(X))
    same(*(quick(ferax.grad(lambda x, g=g: (g(x) * X).sum()))(X) for g in (f, both)))


# --- derivatives: against the function of the whole ----------------------------------------------------------------

def parts(x):
    """A whole array as (x, y, rows, columns), as the mesh cuts it."""
    return jnp.transpose(x.reshape(2, 4, 2, 2), (0, 2, 1, 3))


def whole(p):
    return jnp.transpose(p, (0, 2, 1, 3)).reshape(8, 4)


LAWS = {        # name: (body of x[4, 2], w[2], s), out_specs, the same of whole x[8, 4], w[4], s
    "cut": (lambda x, w, s: jnp.sin(x * w) * s, P("x", "y"), lambda x, w, s: jnp.sin(x * w) * s),
    "sum": (lambda x, w, s: lax.psum((jnp.sin(x) * w).sum(), ("x", "y")) * s, P(), lambda x, w, s: (jnp.sin(x) * w).sum() * s),
    "mean": (lambda x, w, s: lax.pmean(jnp.sin(x) * w, "x") * s, P(None, "y"),
             lambda x, w, s: (jnp.sin(x) * w * s).reshape(2, 4, 4).mean(0)),
    "gather": (lambda x, w, s: lax.all_gather(jnp.sin(x) * w, "x", tiled=True)[::2] * s, P("x", "y"),
               lambda x, w, s: jnp.tile((jnp.sin(x) * w * s)[::2], (2, 1))),
    "ring": (lambda x, w, s: lax.ppermute(x * w, "x", [(0, 1)]) * s, P("x", "y"),
             lambda x, w, s: jnp.concatenate([jnp.zeros((4, 4)), (x * w * s)[:4]])),
    "scan": (lambda x, w, s: lax.scan(lambda c, v: (jnp.sin(c * s + v * w), c * lax.pmean(v, "x")), jnp.zeros(2), x),
             (P(("x", "y")), P("x", "y")),
             lambda x, w, s: scanned_parts(x, w, s)),
    "scalar": (lambda x, w, s: jnp.exp(jnp.sin(s) * jnp.sin(lax.psum(x.sum(), "x"))) * x * w, P("x", "y"),
               lambda x, w, s: jnp.exp(jnp.sin(s) * jnp.sin(jnp.repeat(x.reshape(8, 2, 2).sum((0, 2)), 2))) * x * w),
    "branch": (lambda x, w, s: lax.cond(lax.axis_index("x") == 1, lambda x, w: x * w, lambda x, w: jnp.sin(x), x, w * s), P("x", "y"),
               lambda x, w, s: jnp.concatenate([jnp.sin(x[:4]), x[4:] * w * s])),
    "again": (ferax.checkpoint(lambda x, w, s: jnp.sin(lax.psum(ferax.jit(jnp.sin)(x * s), "x") * w)), P(None, "y"),
              lambda x, w, s: jnp.sin(jnp.sin(x * s).reshape(2, 4, 4).sum(0) * w)),
    "shared": (lambda x, w, s: s * 2, P(), lambda x, w, s: s * 2),
}


def scanned_parts(x, w, s):
    p, w = parts(x), w.reshape(2, 2)
    mean = p.mean(0)
    step = lambda c, v: (jnp.sin(c * s + v[0] * w), c * v[1])
    last, ys = lax.scan(step, jnp.zeros((2, 2, 2)), (jnp.moveaxis(p, 2, 0), jnp.moveaxis(jnp.broadcast_to(mean, p.shape), 2, 0)))
    return last.reshape(8), whole(jnp.moveaxis(ys, 0, 2))


def loss(out):
    return sum(jnp.sum(jnp.cos(v + 0.3)) for v in ferax.tree.leaves(out))


@pytest.mark.parametrize("name", LAWS)
def test_derivatives(name):
    """Of the whole, from outside; in reverse, forward, compiled and not; whether types say what varies or not."""
    body, out_specs, law = LAWS[name]
    args = X, W, np.float32(1.3)
    tangents = np.cos(X), np.sin(W), np.float32(0.7)

    def everything(f):
        of = lambda *a: loss(f(*a))
        return quick(lambda *a: (f(*a), ferax.grad(of, (0, 1, 2))(*a), ferax.jvp(of, a, tangents)))(*args)

    wanted = everything(law)
    for check in (True, False):
        same(everything(mapped(body, (P("x", "y"), P("y"), P()), out_specs, check_vma=check)), wanted, rtol=1e-4)


def test_derivatives_outside_of_programs():
    body, out_specs, law = LAWS["scalar"]
    f = mapped(body, (P("x", "y"), P("y"), P()), out_specs)
    same(ferax.grad(lambda s: loss(f(X, W, s)))(np.float32(1.3)), ferax.grad(lambda s: loss(law(X, W, s)))(np.float32(1.3)))


def test_derivatives_taken_inside():
    """With ``check_vma`` they are those of the whole: what all devices share has the sum of what each contributes."""
    def step(x, w):
        mean = lambda w: lax.pmean(jnp.mean((x @ w) ** 2), ("x", "y"))
        local = lambda w: jnp.mean((x @ w) ** 2)
        return ferax.value_and_grad(mean)(w), ferax.grad(local)(w)

    (value, slope), summed = quick(mapped(step, (P(("x", "y")), P()), P()))(X, W)
    total = ferax.value_and_grad(lambda w: jnp.mean((X @ w) ** 2))(W)
    same((value, slope), total)
    same(summed, 4 * total[1])
    with_psum = lambda x: ferax.grad(lambda x: lax.psum(jnp.sum(x * x), ("x", "y")))(x)
    same(mapped(with_psum)(X), 2 * X)
    same(mapped(with_psum, check_vma=False)(X), 8 * X)          # a psum that nobody keeps track of is its own transpose


def test_second_derivatives():
    f = mapped(lambda x, w: lax.psum((jnp.sin(x * w) ** 2).sum(0), "x"), (P("x", "y"), P("y")), P("y"))
    wanted = quick(ferax.hessian(lambda w: (jnp.sin(X * w) ** 2).sum()))(W)
    same(quick(ferax.hessian(lambda w: f(X, w).sum()))(W), wanted, atol=1e-4)


def test_own_derivative_rules_inside():
    @ferax.custom_vjp
    def product(w, x):
        return w * x

    product.defvjp(lambda w, x: (w * x, (w, x)), lambda res, ct: (jnp.sum(ct * res[1]), ct * res[0]))

    @ferax.custom_jvp
    def shifted(w):
        return w + 1

    shifted.defjvp(lambda primals, tangents: (primals[0] + 1, 3 * tangents[0]))
    inside = lambda w, x: ferax.grad(lambda w: jnp.sum(product(shifted(w), x)))(w)
    same(mapped(inside, (P(), P("x", "y")), P())(np.float32(2), X), 3 * X.sum())
    outside = mapped(lambda w, x: product(shifted(w), x), (P(), P("x", "y")))
    same(ferax.grad(lambda w: outside(w, X).sum())(np.float32(2)), 3 * X.sum())


def test_vmap():
    f = mapped(lambda x, w: (lax.psum(x * w, "x"), w), (P("x", "y"), P("y")), (P(None, "y"), P("y")))
    ws = np.stack([W, 2 * W, 3 * W])
    same(ferax.vmap(f, (None, 0), (2, 1))(X, ws), (np.stack([X[:4] * w + X[4:] * w for w in ws], 2), ws.T))
    named = ferax.vmap(mapped(lambda x: lax.psum(x, ("v", "x")), P("x"), P()), axis_name="v")
    same(named(np.stack([X, 2 * X])), np.tile(3 * (X[:4] + X[4:]), (2, 1, 1)))
    cut = ferax.vmap(mapped(lambda x: lax.psum(x, "y"), P("y"), P()), spmd_axis_name="x")
    text = ferax.jit(cut).lower(np.stack([X, 2 * X])).as_text()
    assert re.search(r'in_shardings=\[<@mesh, \[\{"x"\}, \{"y"\}, \{\}\]>\]', text)
    same(cut(np.stack([X, 2 * X])), np.stack([X[:4] + X[4:], 2 * (X[:4] + X[4:])]))
    with pytest.raises(ValueError, match="spmd_axis_name cannot appear"):
        ferax.vmap(f, (0, None), spmd_axis_name="x")(np.stack([X, X]), W)


# --- along which axes values vary -----------------------------------------------------------------------------------

def test_types_say_what_varies():
    seen = {}

    def f(x, w):
        seen["x"], seen["w"] = ferax.typeof(x), ferax.typeof(w)
        seen["sum"] = ferax.typeof(lax.psum(x, "x"))
        seen["both"] = ferax.typeof(x * w + 1)
        seen["max"] = ferax.typeof(lax.pmax(x, ("x", "y")))
        seen["cast"] = ferax.typeof(lax.pcast(w, ("x",), to="varying"))
        seen["index"] = ferax.typeof(lax.axis_index("y"))
        with pytest.raises(ValueError, match="from=varying"):
            lax.pcast(x, "x", to="varying")
        return x

    ferax.eval_shape(mapped(f, (P("x", "y"), P())), X, W[:2])
    varying = {name: set(aval.mat.varying) for name, aval in seen.items()}
    assert varying == {"x": {"x", "y"}, "w": set(), "sum": {"y"}, "both": {"x", "y"}, "max": set(), "cast": {"x"}, "index": {"y"}}
    assert str(seen["sum"]) == "f32[4,2]{V:y}" and str(seen["x"]) == "f32[4,2]{V:(x,y)}"


def test_results_that_differ_must_be_joined():
    for body, out_specs, text in (
            (lambda x: x, P("x"), r"out_specs is P\('x',\).*replicated across mesh axis 'y'"),
            (lambda x: {"a": [x.sum()]}, {"a": P()}, r"out_specs\['a'\] is P\(\).*\['a'\]\[0\].*axes 'x', 'y'"),
            (lambda x: lax.cond(lax.axis_index("x") == 0, lambda: 1.0, lambda: 2.0), P(), "mesh axis 'x'"),
            (lambda x: lax.while_loop(lambda c: c < x[0, 0], lambda c: c + 1, 0.0), P(), "axes 'x', 'y'"),
            (lambda x: lax.scan(lambda c, v: (c + v.sum(), None), 0.0, x)[0], P(), "axes 'x', 'y'")):
        with pytest.raises(ValueError, match=f"(?s)can't be statically inferred.*{text}"):
            ferax.eval_shape(mapped(body, out_specs=out_specs), X)
    assert mapped(lambda x: x, out_specs=P("x"), check_vma=False)(X).shape == (8, 2)


# --- errors ---------------------------------------------------------------------------------------------------------

def test_errors():
    f = lambda a, b: a
    for call, error, text in (
            (lambda: mapped(f, (P("x"), P()))(X[:7], X), ValueError,
             r"(?s)args\[0\], bound to <lambda>'s parameter 'a'.*f32\[7,4\].*in_specs\[0\].*array axis 0 \(of size 7\).*'x' \(of size 2\)"),
            (lambda: mapped(f, P(("x", "y")))(X, X[:6]), ValueError, r"axes \('x', 'y'\) \(of total size 4\)"),
            (lambda: mapped(f, (P(), P(None, "x")))(X, W), ValueError, r"(?s)in_specs\[1\] is P\(None, 'x'\).*length 2.*'b'.*rank 1"),
            (lambda: mapped(lambda a: a.sum(), out_specs=P("x"))(X), ValueError, "(?s)out_specs is.*rank 0.*add at least one"),
            (lambda: mapped(f, (P(),))(X, X), ValueError, "shard_map in_specs"),
            (lambda: mapped(lambda a: a, out_specs=(P(), P()))(X), ValueError, "shard_map out_specs"),
            (lambda: mapped(lambda a: a, P("z"))(X), ValueError, "in_specs refers to 'z'"),
            (lambda: mapped(lambda a: a, "x")(X), TypeError, "in_specs is x of type str"),
            (lambda: mapped(lambda a: a, out_specs=None)(X), ValueError, "out_specs"),
            (lambda: mapped(lambda a: a, None)(X), TypeError, "did you mean `in_specs=P"),
            (lambda: mapped(lambda a: a, axis_names={"z"})(X), ValueError, "subset of mesh.axis_names"),
            (lambda: mapped(lambda a: a, axis_names="x")(X), TypeError, "`axis_names` argument"),
            (lambda: mapped(lambda a: a, mesh=3)(X), TypeError, "requires a `ferax.sharding.Mesh`"),
            (lambda: mapped(3), TypeError, "requires a callable"),
            (lambda: mapped(lambda a: lax.psum(a, "q"))(X), NameError, "unbound axis name: q"),
            (lambda: mapped(lambda a: a)("text"), TypeError, "not an array or a number"),
            (lambda: mapped(lambda a: lax.with_sharding_constraint(a, P("x")))(X), ValueError, "'x' is manual"),
            (lambda: lax.pcast(X, (), to="else"), ValueError, "Allowed `to` values"),
            (lambda: mapped(lambda a: a)(ferax.device_put(X, DEVICES[3])), ValueError, "incompatible devices")):
        with pytest.raises(error, match=text):
            call()


def test_the_older_name():
    from ferax.experimental.shard_map import shard_map

    with pytest.warns(DeprecationWarning):
        f = shard_map(lambda a: a * 2, MESH, P("x"), P("x"), check_rep=False)
    same(f(X), 2 * X)
