"""Checks of derivatives: forward mode against finite differences, reverse mode against both by an inner product.

A derivative J is right where ``J t`` agrees with a central difference along a random direction t, and its transpose where
``<ct, J t> = <J^T ct, t>`` for a random ct: one number, which depends on every element of J.
"""

from __future__ import annotations

import numpy as np

from ferax._src.api.autodiff import jvp, vjp
from ferax._src.types import dtypes
from ferax._src.types.pytrees import tree_leaves, tree_map

_EPS = 1e-4         # of finite differences
#: Of each dtype, how far apart two results may be: the error of differences over `_EPS`, with room.
_TOLERANCE = {
    "bfloat16": 1e-1, "float16": 1e-2, "float32": 2e-3, "float64": 1e-5, "complex64": 1e-3, "complex128": 1e-5,
}


def _host(tree):
    return tree_map(np.asarray, tree)


def _random_like(rng, x):
    x = np.asarray(x)
    kind = dtypes.kind_of(dtypes.as_dtype(x.dtype))
    if kind not in "fc":                        # what is not differentiable has no directions
        return np.zeros(x.shape, dtypes.float0)
    t = rng.normal(size=x.shape)
    if kind == "c":
        t = t + 1j * rng.normal(size=x.shape)
    return np.asarray(t).astype(x.dtype)


def _moved(x, t, step):
    x = np.asarray(x)
    return x if t.dtype == dtypes.float0 else (x + step * t).astype(x.dtype)


def _difference(f, args, tangents, eps):
    """The derivative of ``f`` along ``tangents``, by a central difference."""
    ahead, behind = [_host(f(*tree_map(lambda x, t: _moved(x, t, s), args, tangents))) for s in (eps / 2, -eps / 2)]

    def quotient(a, b):
        if dtypes.kind_of(dtypes.as_dtype(a.dtype)) not in "fc":
            return np.zeros(a.shape, dtypes.float0)
        wide = np.complex128 if np.iscomplexobj(a) else np.float64
        return ((a.astype(wide) - b.astype(wide)) / eps).astype(a.dtype)
    return tree_map(quotient, ahead, behind)


def _tolerance(given, arrays) -> float:
    """The tolerance for comparing ``arrays``: what the user gave, as a number or by dtype, or the default."""
    names = [dtypes.dtype_name(dtypes.as_dtype(x.dtype)) for x in arrays if x.dtype != dtypes.float0]
    if given is None:
        return max([_TOLERANCE.get(name, 0.0) for name in names], default=0.0)
    if isinstance(given, dict):
        by_name = {dtypes.dtype_name(dtypes.as_dtype(k)): v for k, v in given.items()}
        return max([by_name.get(name, _TOLERANCE.get(name, 0.0)) for name in names], default=0.0)
    return given


def _assert_close(found, expected, atol, rtol, what: str) -> None:
    found, expected = tree_leaves(_host(found)), tree_leaves(_host(expected))
    assert len(found) == len(expected), f"{what}: {len(found)} arrays instead of {len(expected)}"
    for a, b in zip(found, expected):
        if a.dtype == dtypes.float0 or b.dtype == dtypes.float0:
            assert a.dtype == b.dtype, f"{what}: dtype {a.dtype} instead of {b.dtype}"
            continue
        wide = np.complex128 if np.iscomplexobj(a) or np.iscomplexobj(b) else np.float64
        np.testing.assert_allclose(a.astype(wide), b.astype(wide), atol=_tolerance(atol, [a, b]), rtol=_tolerance(rtol, [a, b]),
                                   err_msg=what)


def _inner(xs, ys):
    """``Re sum(conj(x) y)`` over all leaves, in double precision."""
    total = 0.0
    for x, y in zip(tree_leaves(_host(xs)), tree_leaves(_host(ys)), strict=True):
        if x.dtype != dtypes.float0 and y.dtype != dtypes.float0:
            total += np.real(np.vdot(x.astype(np.complex128), y.astype(np.complex128)))
    return total


def check_jvp(f, f_jvp, args, atol=None, rtol=None, eps=_EPS, err_msg=""):
    """Check a forward derivative against a finite difference along a random direction.

    Parameters
    ----------
    f : function of pytrees of arrays
    f_jvp : function ``(args, tangents) -> (results, their tangents)``
    args : tuple of arguments
    atol, rtol : tolerances, numbers or dicts from dtype to number; by default according to the dtypes
    eps : step of the difference
    err_msg : what an error begins with

    Raises
    ------
    AssertionError : if results or derivatives differ.
    """
    rng = np.random.default_rng(0)
    args = tuple(args)
    tangents = tree_map(lambda x: _random_like(rng, x), args)
    out, out_tangents = f_jvp(args, tangents)
    _assert_close(out, f(*args), atol, rtol, f"{err_msg} result of the JVP function".strip())
    _assert_close(out_tangents, _difference(f, args, tangents, eps), atol, rtol, f"{err_msg} tangents".strip())


def check_vjp(f, f_vjp, args, atol=None, rtol=None, eps=_EPS, err_msg=""):
    """Check a reverse derivative against a finite difference, by an inner product with a random cotangent.

    Parameters
    ----------
    f : function of pytrees of arrays
    f_vjp : function ``*args -> (results, function from cotangents to a tuple of cotangents)``
    args : tuple of arguments
    atol, rtol : tolerances, numbers or dicts from dtype to number; by default according to the dtypes
    eps : step of the difference
    err_msg : what an error begins with

    Raises
    ------
    AssertionError : if results or derivatives differ.
    """
    rng = np.random.default_rng(0)
    args = tuple(args)
    out, pull = f_vjp(*args)
    _assert_close(out, f(*args), atol, rtol, f"{err_msg} result of the VJP function".strip())
    tangents = tree_map(lambda x: _random_like(rng, x), args)
    out_tangents = _difference(f, args, tangents, eps)
    cts = tree_map(lambda x: _random_like(rng, x), _host(out))
    # Cotangents pair with tangents without conjugation; to use an inner product both sides are conjugated.
    pulled = tree_map(_conjugate, _host(pull(tree_map(_conjugate, cts))))
    arrays = tree_leaves((_host(args), _host(out)))
    found, expected = _inner(pulled, tangents), _inner(cts, out_tangents)
    np.testing.assert_allclose(found, expected, atol=_tolerance(atol, arrays), rtol=_tolerance(rtol, arrays),
                               err_msg=f"{err_msg} cotangents projected".strip())


def _conjugate(x):
    return np.conj(x) if np.iscomplexobj(x) else x


def check_grads(f, args, order, modes=("fwd", "rev"), atol=None, rtol=None, eps=None):
    """Check the derivatives of a function, up to an order, against finite differences.

    Parameters
    ----------
    f : function of pytrees of arrays
    args : tuple of arguments
    order : int, up to which; the derivatives of derivatives are checked in all mixtures of the modes
    modes : sequence of "fwd" and "rev", or one of them
    atol, rtol : tolerances, numbers or dicts from dtype to number; by default according to the dtypes
    eps : step of the differences, by default 1e-4

    Raises
    ------
    AssertionError : if a derivative differs from its difference.
    ValueError : if there is no such mode.
    """
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    for mode in modes:
        if mode not in ("fwd", "rev"):
            raise ValueError(f"check_grads: modes must be among 'fwd' and 'rev', got {mode!r}")
    eps = eps or _EPS
    rng = np.random.default_rng(1)

    def check(f, args, order: int, path: str) -> None:
        if "fwd" in modes:
            check_jvp(f, lambda primals, tangents: jvp(f, primals, tangents), args, atol, rtol, eps, f"JVP{path}")
            if order > 1:
                tangents = tree_map(lambda x: _random_like(rng, x), args)
                check(lambda *xs: jvp(f, xs, tangents), args, order - 1, f"{path} of JVP")
        if "rev" in modes:
            check_vjp(f, lambda *xs: vjp(f, *xs), args, atol, rtol, eps, f"VJP{path}")
            if order > 1:
                cts = tree_map(lambda x: _random_like(rng, x), _host(f(*args)))
                check(lambda *xs: vjp(f, *xs)[1](cts), args, order - 1, f"{path} of VJP")

    check(f, tuple(args), order, "")
