"""Checks of an operation's rules against its values: derivative, transpose, batching.

All take a function of arrays, ``f``, and NumPy arguments; ``f`` answers an array or a sequence of arrays.
"""

import numpy as np

import ferax
from ferax._src.runtime import dispatch  # noqa: F401  (lets operations run)

STEP = 1e-5


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
    with ferax.enable_x64(True):
        args = [np.asarray(a) for a in args]
        if active is None:
            active = [i for i, a in enumerate(args) if a.dtype.kind == "f"]

        def g(*xs):
            full = list(args)
            for i, x in zip(active, xs):
                full[i] = x
            out = f(*full)
            return list(out) if isinstance(out, (list, tuple)) else [out]

        point = [args[i] for i in active]
        direction = [draw(x.shape, seed=10 + i) for i, x in enumerate(point)]
        _, tangents = ferax.jvp(g, tuple(point), tuple(direction))
        tangents = arrays(tangents)
        ahead, behind = [arrays(g(*[x + s * STEP * t for x, t in zip(point, direction)])) for s in (1, -1)]
        floats = [i for i, y in enumerate(ahead) if y.dtype.kind == "f"]
        for i in floats:
            difference = (ahead[i] - behind[i]) / (2 * STEP)
            np.testing.assert_allclose(tangents[i], difference, rtol=rtol, atol=atol + 1e-6 * np.abs(difference).max(initial=0))

        def h(*xs):
            out = g(*xs)
            return [out[i] for i in floats]

        _, pull = ferax.vjp(h, *point)
        cts = [draw(tangents[i].shape, seed=20 + i) for i in floats]
        pulled = arrays(pull(cts))
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
        got = arrays(ferax.vmap(f, in_axes=tuple(axes))(*mapped))
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
    return [str(eqn.primitive) for eqn in ferax.make_jaxpr(f)(*args).eqns]
