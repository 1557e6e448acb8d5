"""Differentiation: `grad`, `value_and_grad`, `vjp`, `jvp`, `linearize`, `linear_transpose`."""

from __future__ import annotations

import functools

import numpy as np

from ferax._src.api.arguments import (
    as_index_tuple, check_arraylike, check_callable, name_of, not_an_array_error, resolve_indices)
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.runtime.devices import default_sharding, on_clear
from ferax._src.runtime.transfer import as_array as as_device_array
from ferax._src.tracing import core
from ferax._src.tracing.core import Zero
from ferax._src.tracing.refs import Ref
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.transforms.jvp import jvp_flat
from ferax._src.transforms.linearize import Tape, TapeEntry, linearize_flat
from ferax._src.transforms.transpose import transpose_flat
from ferax._src.types import dtypes, pytrees
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import keystr, tree_flatten, tree_leaves_with_path, tree_unflatten
from ferax._src.types.refs import AbstractRef
from ferax._src.util.tracebacks import api_boundary

_WRAPPER = functools.WRAPPER_ASSIGNMENTS


def grad(fun, argnums=0, has_aux=False, holomorphic=False, allow_int=False, reduce_axes=()):
    """The gradient of a scalar function, as a function of the same arguments.

    Parameters
    ----------
    fun : callable
        Answers a scalar (shape ``()``), or with ``has_aux`` a pair ``(scalar, aux)``.
    argnums : int or sequence of int
        Which positional arguments to differentiate; pytrees of arrays of floating dtype.
    has_aux : bool
        ``fun`` answers a pair whose second part is handed through.
    holomorphic : bool
        ``fun`` is holomorphic and its arguments and result complex.
    allow_int : bool
        Accept integer and boolean arguments; their gradients have dtype ``float0``.
    reduce_axes : accepted for compatibility; must be empty

    Returns
    -------
    callable answering the gradient, of the structure of the argument (a tuple for a sequence of
    ``argnums``), or ``(gradient, aux)``.

    Raises
    ------
    TypeError : if the result is not a scalar of real floating dtype, or an argument cannot be differentiated

    Examples
    --------
    >>> import ferax
    >>> float(ferax.grad(lambda x: x ** 3)(2.0))
    12.0
    """
    value_and_grad_f = _value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, reduce_axes, "grad")
    if has_aux:
        def grad_f(*args, **kwargs):
            (_, aux), g = value_and_grad_f(*args, **kwargs)
            return g, aux
    else:
        def grad_f(*args, **kwargs):
            return value_and_grad_f(*args, **kwargs)[1]
    return _describe(api_boundary(grad_f), fun, "Gradient of {fun} with respect to positional argument(s) "
                     f"{argnums}. Takes the same arguments as {{fun}}.\n\n{{doc}}")


def value_and_grad(fun, argnums=0, has_aux=False, holomorphic=False, allow_int=False, reduce_axes=()):
    """Like `grad`, but the function answers ``(value, gradient)``, with ``has_aux`` ``((value, aux), gradient)``."""
    value_and_grad_f = _value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, reduce_axes,
                                       "value_and_grad")
    return _describe(api_boundary(value_and_grad_f), fun, "Value and gradient of {fun} with respect to "
                     f"positional argument(s) {argnums}.\n\n{{doc}}")


def _describe(wrapper, fun, doc: str):
    functools.update_wrapper(wrapper, fun, assigned=[a for a in _WRAPPER if hasattr(fun, a)])
    wrapper.__doc__ = doc.format(fun=name_of(fun), doc=getattr(fun, "__doc__", None) or "")
    return wrapper


def _value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, reduce_axes, api):
    check_callable(fun, api)
    if reduce_axes:
        raise NotImplementedError(f"{api}: reduce_axes is not supported; sum the gradient with lax.psum instead")
    nums = as_index_tuple(argnums, "argnums", api)
    single = not isinstance(argnums, (tuple, list)) and np.ndim(argnums) == 0

    def value_and_grad_f(*args, **kwargs):
        positions = resolve_indices(nums, len(args), "argnums", api)
        leaves, in_tree = tree_flatten(args[positions[0]] if single else tuple([args[i] for i in positions]))
        for x in leaves:
            _check_input(x, holomorphic, allow_int, api, lambda: tree_unflatten(in_tree, leaves))
        out_tree = None

        def flat_fun(*xs):
            nonlocal out_tree
            given = list(args)
            values = tree_unflatten(in_tree, xs)
            for i, value in zip(positions, (values,) if single else values):
                given[i] = value
            out = fun(*given, **kwargs)
            if has_aux:
                out, aux = _check_aux(out, fun, api)
                aux_leaves, out_tree = tree_flatten(aux)
                return [_only_leaf(out, fun, api), *aux_leaves]
            return [_only_leaf(out, fun, api)]

        active = tuple([core.is_active_dtype(aval_of(x).dtype) for x in leaves])
        outs, out_ids, tape = linearize_flat(flat_fun, leaves, active)
        ans = outs[0]
        ct = _unit_cotangent(ans, holomorphic, fun, api)
        cts = tape.pull(out_ids[:1], [ct], sum(active), free=True)
        it = iter(cts)
        grads = [_gradient_of(x, next(it) if is_active else None) for x, is_active in zip(leaves, active)]
        g = tree_unflatten(in_tree, grads)
        if has_aux:
            return (ans, tree_unflatten(out_tree, outs[1:])), g
        return ans, g

    return value_and_grad_f


def _gradient_of(x, ct):
    if ct is not None:
        return as_weak_as(aval_of(x), ct)
    tangent = aval_of(x).to_tangent_aval()
    if tangent.dtype == dtypes.float0:
        return np.zeros(tangent.shape, dtypes.float0)
    return instantiate_zeros(Zero(tangent))


def as_weak_as(aval, t):
    """A tangent or cotangent as an array, weakly typed just where the value it belongs to, of type ``aval``, is."""
    if isinstance(t, core.Array) and t.aval.weak_type == aval.weak_type:
        return t
    from ferax._src.ops.convert import as_array, convert  # lazy: only for gradients of the identity, and by plain numbers
    t = as_array(t)
    return t if t.aval.weak_type == aval.weak_type else convert(t, t.aval.dtype, aval.weak_type)


def _unit_cotangent(ans, holomorphic, fun, api):
    aval = aval_of(ans)
    if aval.shape != ():
        raise TypeError(f"Gradient only defined for scalar-output functions. {api}: {name_of(fun)} gave an array of "
                        f"shape {aval.shape} and dtype {dtypes.dtype_name(aval.dtype)}. Reduce it to a scalar, for "
                        "example with jnp.sum or jnp.mean, or use ferax.jacrev for all derivatives. See "
                        "docs/errors/grad-output.md")
    if holomorphic:
        if not dtypes.issubdtype(aval.dtype, np.complexfloating):
            raise TypeError(f"{api} with holomorphic=True requires outputs with dtype that is a sub-dtype of "
                            f"np.complexfloating, but got {dtypes.dtype_name(aval.dtype)}.")
    elif not dtypes.issubdtype(aval.dtype, np.floating):
        if dtypes.issubdtype(aval.dtype, np.complexfloating):
            hint = "For holomorphic differentiation, pass holomorphic=True. For the derivative of a non-holomorphic " \
                   "function involving complex outputs, use ferax.vjp directly."
        else:
            hint = "If you use integer inputs, use ferax.vjp directly, or convert the result to a floating dtype."
        raise TypeError(f"{api} requires real-valued outputs (output dtype that is a sub-dtype of np.floating), but "
                        f"{name_of(fun)} gave {dtypes.dtype_name(aval.dtype)}. {hint} See docs/errors/grad-output.md")
    return _one(aval.dtype, aval.weak_type)


_ones: dict[tuple, core.Array] = {}              # (dtype, weak type, default device) -> the array 1, for eager gradients
on_clear(_ones.clear)


def _one(dtype, weak_type):
    """The number 1, where everything is eager as an array that is already on the device."""
    one = dtype.type(1)
    if weak_type and aval_of(one.item()).dtype == dtype:
        one = one.item()                        # a Python number is weakly typed
    if not core.is_evaluating():
        return one
    key = dtype, weak_type, default_sharding()
    found = _ones.get(key)
    if found is None or found.is_deleted():
        found = _ones[key] = as_device_array(one)
    return found


def _check_input(x, holomorphic, allow_int, api, tree) -> None:
    """Raise TypeError where an input cannot be differentiated."""
    if isinstance(x, core.Array) and not holomorphic and dtypes.kind_of(x.dtype) == "f":
        return
    if type(x) is Ref:
        raise TypeError(f"{api}: the argument{_path_of(x, tree())} is an array reference of type {x.aval}, which cannot be "
                        "differentiated. Give its array, ref[...], and make a reference to it inside of the function.")
    try:
        dtype = aval_of(x).dtype
    except TypeError as error:
        if hasattr(x, "__dlpack__"):
            raise not_an_array_error(x, api, _path_of(x, tree()).strip() or "itself") from error
        raise TypeError(f"{api}: the argument{_path_of(x, tree())} of type {type(x).__name__} is not a valid type: "
                        "only arrays and numbers can be differentiated. Select the arguments to differentiate with "
                        "argnums, or close over the others.") from error
    name = dtypes.dtype_name(dtype)
    if isinstance(dtype, dtypes.ExtendedDType):
        raise TypeError(f"{api}: the argument{_path_of(x, tree())} has dtype {name}, which has no derivative.")
    if holomorphic:
        if not dtypes.issubdtype(dtype, np.complexfloating):
            raise TypeError(f"{api} with holomorphic=True requires inputs with dtype that is a sub-dtype of "
                            f"np.complexfloating, but the argument{_path_of(x, tree())} has {name}.")
    elif dtypes.kind_of(dtype) not in "fc":
        if not allow_int:
            raise TypeError(f"{api} requires real- or complex-valued inputs (input dtype that is a sub-dtype of "
                            f"np.inexact), but the argument{_path_of(x, tree())} has {name}. If you want to use "
                            "Boolean- or integer-valued inputs, use vjp or set allow_int to True.")


def _path_of(x, tree) -> str:
    for path, leaf in tree_leaves_with_path(tree):
        if leaf is x:
            return f" {keystr(path)}" if path else ""
    return ""


def _check_aux(out, fun, api):
    if not isinstance(out, tuple) or len(out) != 2:
        what = f"a tuple of length {len(out)}" if isinstance(out, tuple) else f"a {type(out).__name__}"
        raise TypeError(f"{api} with has_aux=True: {name_of(fun)} must return a pair (value, aux), it returned {what}.")
    return out


def _only_leaf(out, fun, api):
    if isinstance(out, core.Array):
        return out
    leaves, tree = tree_flatten(out)
    if not pytrees.treedef_is_leaf(tree):
        raise TypeError(f"Gradient only defined for scalar-output functions. {api}: {name_of(fun)} returned the pytree "
                        f"{tree}. Return one scalar; for further results use has_aux=True. See docs/errors/grad-output.md")
    try:
        aval_of(out)
    except TypeError as error:
        raise TypeError(f"Gradient only defined for scalar-output functions. {api}: {name_of(fun)} returned "
                        f"{out!r} of type {type(out).__name__}.") from error
    return out


# --- vjp ----------------------------------------------------------------------------------------

@api_boundary
def vjp(fun, *primals, has_aux=False, reduce_axes=()):
    """The value of a function and its vector-Jacobian product.

    Parameters
    ----------
    fun : callable; any pytree of arrays as result
    *primals : pytrees of arrays; where to linearise
    has_aux : bool; ``fun`` answers ``(result, aux)``

    Returns
    -------
    ``(result, vjp_fun)`` or ``(result, vjp_fun, aux)``; ``vjp_fun`` takes a cotangent of the structure of the
    result and answers a tuple of cotangents, one for each primal. It is a pytree, so that it may be returned
    from transformed functions.
    """
    check_callable(fun, "vjp")
    if reduce_axes:
        raise NotImplementedError("vjp: reduce_axes is not supported; sum the cotangent with lax.psum instead")
    leaves, in_tree = tree_flatten(primals)
    check_arraylike(leaves, "vjp", lambda: _leaf_names(primals))
    outs, out_ids, tape, out_tree, aux = _linearized(fun, leaves, in_tree, has_aux, "vjp")
    active = _active(leaves)
    out_avals = tuple([aval_of(x) for x in outs])
    pullback = Pullback(tape, tuple(out_ids), in_tree, tuple([aval_of(x) for x in leaves]), active, out_tree, out_avals)
    result = tree_unflatten(out_tree, outs)
    return (result, pullback, aux) if has_aux else (result, pullback)


def _active(leaves) -> tuple[bool, ...]:
    return tuple([type(x) is not Ref and core.is_active_dtype(aval_of(x).dtype) for x in leaves])


class _FlatFunction:
    """A function of pytrees as one of flat arguments; knows afterwards the structure of what it answered."""

    __slots__ = ("fun", "in_tree", "has_aux", "api", "out_tree", "aux_tree", "n_out")

    def __init__(self, fun, in_tree, has_aux: bool, api: str):
        self.fun = fun
        self.in_tree = in_tree
        self.has_aux = has_aux
        self.api = api

    def __call__(self, *xs) -> list:
        """The leaves of the result, then those of the auxiliary result."""
        out = self.fun(*tree_unflatten(self.in_tree, xs))
        aux_leaves: list = []
        if self.has_aux:
            out, aux = _check_aux(out, self.fun, self.api)
            aux_leaves, self.aux_tree = tree_flatten(aux)
        leaves, self.out_tree = tree_flatten(out)
        check_arraylike(leaves, f"{self.api}: the result of {name_of(self.fun)}", lambda: _leaf_names(out))
        self.n_out = len(leaves)
        return [*leaves, *aux_leaves]

    def aux(self, outs):
        """The auxiliary result, from all that the function answered."""
        return tree_unflatten(self.aux_tree, outs[self.n_out:]) if self.has_aux else None


def _linearized(fun, leaves, in_tree, has_aux, api):
    """Linearise a function of pytrees; answers flat results, their ids, the tape, the out tree and aux."""
    flat = _FlatFunction(fun, in_tree, has_aux, api)
    outs, ids, tape = linearize_flat(flat, leaves, _active(leaves))
    return outs[:flat.n_out], ids[:flat.n_out], tape, flat.out_tree, flat.aux(outs)


def _leaf_names(tree) -> tuple[str, ...]:
    return tuple(keystr(path) or "itself" for path, _ in tree_leaves_with_path(tree))


class _LinearFunction:
    """A tape with the structures of its two ends: a pytree whose leaves are the residuals."""

    __slots__ = ("tape", "out_ids", "in_tree", "in_avals", "active", "out_tree", "out_avals")

    def __init__(self, tape, out_ids, in_tree, in_avals, active, out_tree, out_avals):
        self.tape = tape
        self.out_ids = out_ids
        self.in_tree = in_tree
        self.in_avals = in_avals
        self.active = active
        self.out_tree = out_tree
        self.out_avals = out_avals

    def flatten(self):
        """The residuals, and all the rest, which is static."""
        entries = self.tape.entries
        skeleton = tuple([(e.linear, len(e.residuals), tuple(e.ins), tuple(e.outs)) for e in entries])
        residuals = [list(e.residuals) for e in entries]
        return residuals, (skeleton, tuple(self.tape.avals), self.out_ids, self.in_tree, self.in_avals, self.active,
                           self.out_tree, self.out_avals)

    @classmethod
    def unflatten(cls, aux, residuals):
        skeleton, avals, *rest = aux
        tape = Tape(avals)
        tape.entries = [TapeEntry(linear, values, list(ins), list(outs), None)
                        for (linear, _, ins, outs), values in zip(skeleton, residuals)]
        return cls(tape, *rest)


class Pullback(_LinearFunction):
    """The vector-Jacobian product of a function at a point; what `vjp` answers."""

    __slots__ = ()

    @api_boundary
    def __call__(self, ct):
        """Cotangents of the inputs, a tuple, from a cotangent of the result."""
        cts, tree = tree_flatten(ct)
        if tree != self.out_tree:
            raise ValueError("vjp: the cotangent must have the structure of the function's result, "
                             f"{self.out_tree}, but it has {tree}.")
        for x, aval in zip(cts, self.out_avals):
            _check_tangent(x, aval, "vjp", "cotangent", "result")
        n = sum(self.active)
        inexact = [None if aval.to_tangent_aval().dtype == dtypes.float0 else x for x, aval in zip(cts, self.out_avals)]
        found = iter(self.tape.pull(self.out_ids, inexact, n))
        results = []
        for aval, is_active in zip(self.in_avals, self.active):
            if not is_active:
                results.append(np.zeros(aval.shape, dtypes.float0))
            else:
                x = next(found)
                results.append(instantiate_zeros(Zero(aval.to_tangent_aval())) if x is None else as_weak_as(aval, x))
        return tree_unflatten(self.in_tree, results)


def _check_tangent(x, aval, api: str, what: str, of: str) -> None:
    """Raise where a tangent or cotangent does not fit the value it belongs to."""
    expected = aval.to_tangent_aval()
    given = aval_of(x)
    if given.dtype != expected.dtype:
        note = " (integer and boolean values have tangents of dtype float0)" if expected.dtype == dtypes.float0 else ""
        raise TypeError(f"{api}: the {what} has dtype {dtypes.dtype_name(given.dtype)}, but for a {of} of dtype "
                        f"{dtypes.dtype_name(aval.dtype)} it must have {dtypes.dtype_name(expected.dtype)}{note}.")
    if given.shape != expected.shape:
        raise ValueError(f"{api}: the {what} has shape {given.shape}, but the {of} has shape {aval.shape}.")


# --- jvp, linearize, linear_transpose -----------------------------------------------------------

@api_boundary
def jvp(fun, primals, tangents, has_aux=False):
    """The value of a function and its derivative in one direction.

    Parameters
    ----------
    fun : callable
    primals, tangents : tuples or lists of pytrees of the same structure, shapes and tangent dtypes
    has_aux : bool; ``fun`` answers ``(result, aux)``

    Returns
    -------
    ``(result, tangent)`` or ``(result, tangent, aux)``
    """
    check_callable(fun, "jvp")
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError("jvp: primals and tangents must be tuples or lists, one entry per positional argument; found "
                        f"{type(primals).__name__} and {type(tangents).__name__}.")
    ps, in_tree = tree_flatten(tuple(primals))
    ts, t_tree = tree_flatten(tuple(tangents))
    if in_tree != t_tree:
        raise TypeError(f"jvp: primals and tangents must have the same structure; primals have {in_tree}, "
                        f"tangents have {t_tree}.")
    check_arraylike(ps, "jvp", lambda: _leaf_names(tuple(primals)))
    check_arraylike(ts, "jvp", lambda: _leaf_names(tuple(tangents)))
    for p, t in zip(ps, ts):
        if type(p) is Ref:
            _check_tangent_ref(p, t)
        else:
            _check_tangent(t, aval_of(p), "jvp", "tangent", "primal")
    directions = [t if core.is_active_dtype(aval_of(p).dtype) else None for p, t in zip(ps, ts)]
    flat = _FlatFunction(fun, in_tree, has_aux, "jvp")
    outs, out_tangents = jvp_flat(flat, ps, directions)
    result = tree_unflatten(flat.out_tree, outs[:flat.n_out])
    tangent = tree_unflatten(flat.out_tree, [_tangent_array(t, aval_of(x)) for t, x in zip(out_tangents[:flat.n_out], outs)])
    return (result, tangent, flat.aux(outs)) if has_aux else (result, tangent)


def _check_tangent_ref(p: Ref, t) -> None:
    """Raise TypeError unless ``t`` is a reference for the tangents of what the reference ``p`` holds."""
    wanted = AbstractRef(p.aval.inner_aval.to_tangent_aval())
    if type(t) is not Ref or t.shape != wanted.shape or t.dtype != wanted.dtype:
        raise TypeError(f"jvp: the tangent of an array reference of type {p.aval} must be a reference of type {wanted}, got "
                        f"{t.aval if type(t) is Ref else type(t).__name__}.")


def _tangent_array(t, aval):
    if type(t) is Zero:
        if t.aval.dtype == dtypes.float0:
            return np.zeros(t.aval.shape, dtypes.float0)
        return instantiate_zeros(t)
    return as_weak_as(aval, t)


class Pushforward(_LinearFunction):
    """The Jacobian-vector product of a function at a point; what `linearize` answers."""

    __slots__ = ()

    @api_boundary
    def __call__(self, *tangents):
        """The tangent of the result, from one tangent per input."""
        ts, tree = tree_flatten(tangents)
        if tree != self.in_tree:
            raise TypeError("linearize: the tangents must have the structure of the primals, "
                            f"{self.in_tree}, but they have {tree}.")
        for t, aval in zip(ts, self.in_avals):
            _check_tangent(t, aval, "linearize", "tangent", "primal")
        given = [t for t, is_active in zip(ts, self.active) if is_active]
        found = self.tape.push(given, self.out_ids)
        outs = [_tangent_array(Zero(aval.to_tangent_aval()) if t is None else t, aval)
                for t, aval in zip(found, self.out_avals)]
        return tree_unflatten(self.out_tree, outs)


for _cls in (Pullback, Pushforward):
    pytrees.register_pytree_node(_cls, _cls.flatten, _cls.unflatten)


@api_boundary
def linearize(fun, *primals, has_aux=False):
    """The value of a function and its derivative as a linear function, evaluated once, applied many times.

    Returns
    -------
    ``(result, jvp_fun)`` or ``(result, jvp_fun, aux)``; ``jvp_fun(*tangents)`` costs no new run of ``fun``.
    """
    check_callable(fun, "linearize")
    leaves, in_tree = tree_flatten(primals)
    check_arraylike(leaves, "linearize", lambda: _leaf_names(primals))
    outs, out_ids, tape, out_tree, aux = _linearized(fun, leaves, in_tree, has_aux, "linearize")
    pushforward = Pushforward(tape, tuple(out_ids), in_tree, tuple([aval_of(x) for x in leaves]), _active(leaves),
                              out_tree, tuple([aval_of(x) for x in outs]))
    result = tree_unflatten(out_tree, outs)
    return (result, pushforward, aux) if has_aux else (result, pushforward)


@api_boundary
def linear_transpose(fun, *primals, reduce_axes=()):
    """Transpose a function that is linear in its arguments.

    Parameters
    ----------
    fun : callable, linear
    *primals : pytrees of arrays or of `ShapeDtypeStruct`; only their shapes and dtypes matter

    Returns
    -------
    callable taking a cotangent of the result and answering a tuple of cotangents of the arguments
    """
    check_callable(fun, "linear_transpose")
    if reduce_axes:
        raise NotImplementedError("linear_transpose: reduce_axes is not supported")
    leaves, in_tree = tree_flatten(primals)
    in_avals = [x.aval if hasattr(x, "aval") else aval_of(x) for x in leaves]
    for aval in in_avals:
        if not core.is_active_dtype(aval.dtype):
            raise TypeError("linear_transpose: only functions of floating or complex arguments can be transposed, got "
                            f"an argument of type {aval}.")
    out_tree = None

    def flat_fun(*xs):
        nonlocal out_tree
        outs, out_tree = tree_flatten(fun(*tree_unflatten(in_tree, xs)))
        return outs

    closed = trace_to_jaxpr(flat_fun, in_avals)
    out_avals = closed.out_avals

    @api_boundary
    def transposed(ct):
        cts, tree = tree_flatten(ct)
        if tree != out_tree:
            raise TypeError(f"linear_transpose: the cotangent must have the structure {out_tree}, it has {tree}.")
        for x, aval in zip(cts, out_avals):
            _check_tangent(x, aval, "linear_transpose", "cotangent", "result")
        results = transpose_flat(closed, [True] * len(in_avals), [], cts)
        return tree_unflatten(in_tree, [_tangent_array(r, aval) for r, aval in zip(results, in_avals)])

    return transposed
