"""Checks of an operation's rules against its values: derivative, transpose, batching.

All take a function of arrays, ``f``, and NumPy arguments; ``f`` answers an array or a sequence of arrays.
"""

import numpy as np

from ferax._src.ops.axes import place_axis
from ferax._src.runtime import dispatch  # noqa: F401  (lets operations run)
from ferax._src.tracing.core import MappedAxis, Zero
from ferax._src.tracing.staging import make_jaxpr_of
from ferax._src.transforms.batch import batch_flat
from ferax._src.transforms.jvp import jvp_flat
from ferax._src.transforms.linearize import linearize_flat
from ferax._src.transforms.transpose import transpose_flat
from ferax._src.util import config

STEP = 1e-5


def flat(f):
    """``f`` answering a list."""
    def fun(*args):
        out = f(*args)
        return list(out) if isinstance(out, (list, tuple)) else [out]
    return fun


def jvp(f, primals, tangents):
    """Results and tangents of ``f``; arrays of zeros where a tangent is known to be zero."""
    outs, out_tangents = jvp_flat(flat(f), primals, tangents)
    return outs, [np.zeros(t.shape, t.dtype) if type(t) is Zero else t for t in out_tangents]


def vjp(f, primals, cts):
    """The cotangents of all arguments; zeros where there is none."""
    _, out_ids, tape = linearize_flat(flat(f), primals, (True,) * len(primals))
    pulled = tape.pull(out_ids, cts, len(primals))
    return [np.zeros(np.shape(x)) if ct is None else np.asarray(ct) for ct, x in zip(pulled, primals)]


def transposed(f, x):
    """The transpose of a linear function of one argument like ``x``."""
    return lambda ct: transpose_flat(make_jaxpr_of(flat(f), x), (True,), [], [ct])


def vmap(f, in_axes, out_axis=0):
    """``f`` over an axis of its arguments; the results have it at ``out_axis``."""
    def fun(*args):
        size = next(np.shape(x)[d] for x, d in zip(args, in_axes) if d is not None)
        outs, dims = batch_flat(flat(f), args, in_axes, MappedAxis(size))
        outs = [place_axis(x, d, size, out_axis) for x, d in zip(outs, dims)]
        return outs if len(outs) > 1 else outs[0]
    return fun


def x64():
    """Where 64-bit dtypes are on."""
    return config.enable_x64(True)


def draw(shape, seed=0, dtype=np.float64, low=-2.0, high=2.0):
    """Random numbers of a shape."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.uniform(low, high, shape)
    return x.astype(dtype)


def distinct(shape, seed=0, dtype=np.float64):
    """Numbers no two of which are equal or close, in random order."""
    n = int(np.prod(shape))
    return (np.random.default_rng(seed).permutation(n).reshape(shape) - n / 3).astype(dtype) / 2


def arrays(out) -> list:
    """The results of a function as NumPy arrays."""
    return [np.asarray(x) for x in (out if isinstance(out, (list, tuple)) else [out])]


def check_values(f, oracle, *args, rtol=1e-6, exact=False):
    """``f`` against NumPy: values, dtypes and shapes."""
    got, wanted = arrays(f(*args)), [np.asarray(w) for w in _sequence(oracle(*args))]
    assert len(got) == len(wanted)
    for g, w in zip(got, wanted):
        assert g.shape == w.shape
        if exact:
            np.testing.assert_array_equal(g, w)
        else:
            np.testing.assert_allclose(g, w, rtol=rtol, atol=1e-12)


def _sequence(out):
    return out if isinstance(out, (list, tuple)) else [out]


def check_derivative(f, *args, active=None, rtol=1e-6, atol=1e-7):
    """The jvp in a random direction against finite differences, and the vjp against the jvp by inner products.

    ``active`` are the arguments to differentiate by, all floating ones by default. Runs in float64.
    """
    with x64():
        args = [np.asarray(a) for a in args]
        if active is None:
            active = [i for i, a in enumerate(args) if a.dtype.kind == "f"]

        @flat
        def g(*xs):
            full = list(args)
            for i, x in zip(active, xs):
                full[i] = x
            return f(*full)

        point = [args[i] for i in active]
        direction = [draw(x.shape, seed=10 + i) for i, x in enumerate(point)]
        tangents = arrays(jvp(g, point, direction)[1])
        ahead, behind = [arrays(g(*[x + s * STEP * t for x, t in zip(point, direction)])) for s in (1, -1)]
        floats = [i for i, y in enumerate(ahead) if y.dtype.kind == "f"]
        for i in floats:
            difference = (ahead[i] - behind[i]) / (2 * STEP)
            np.testing.assert_allclose(tangents[i], difference, rtol=rtol, atol=atol + 1e-6 * np.abs(difference).max(initial=0))

        cts = [draw(tangents[i].shape, seed=20 + i) for i in floats]
        pulled = vjp(lambda *xs: [g(*xs)[i] for i in floats], point, cts)
        assert [p.shape for p in pulled] == [x.shape for x in point]
        inner = sum(np.vdot(ct, tangents[i]) for ct, i in zip(cts, floats))
        np.testing.assert_allclose(sum(np.vdot(p, t) for p, t in zip(pulled, direction)), inner, rtol=1e-8, atol=1e-9)


def check_batch(f, args, *in_axes, rtol=1e-6):
    """`vmap` with each of the given ``in_axes`` against a loop.

    ``args`` are unbatched; where an axis is given, three variants of the argument are stacked there.
    """
    for axes in in_axes:
        variants = [args] + [[_variant(a, seed) for a in args] for seed in (1, 2)]
        mapped = [np.stack([v[i] for v in variants], axis) if axis is not None else args[i] for i, axis in enumerate(axes)]
        got = arrays(vmap(f, tuple(axes))(*mapped))
        rows = [arrays(f(*[v[i] if axis is not None else args[i] for i, axis in enumerate(axes)])) for v in variants]
        wanted = [np.stack(column) for column in zip(*rows)]
        for g, w in zip(got, wanted):
            assert g.shape == w.shape and g.dtype == w.dtype
            np.testing.assert_allclose(g, w, rtol=rtol, atol=1e-6, err_msg=f"in_axes={axes}")


def _variant(a, seed):
    """The same elements in another order, so that integers stay the indices they are."""
    a = np.asarray(a)
    return np.random.default_rng(seed).permutation(a.ravel()).reshape(a.shape)


def primitives(f, *args) -> list[str]:
    """The names of the equations of ``f``'s jaxpr."""
    return [str(eqn.primitive) for eqn in make_jaxpr_of(flat(f), *args).eqns]
