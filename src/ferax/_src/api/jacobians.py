"""Whole Jacobians and Hessians, by mapping directional derivatives over the standard basis."""

from __future__ import annotations

import functools

import numpy as np

from ferax._src.api.arguments import as_index_tuple, check_callable, name_of, resolve_indices
from ferax._src.api.autodiff import _check_input, jvp, vjp
from ferax._src.api.vmap import vmap
from ferax._src.ops.shape import broadcasted_iota, reshape
from ferax._src.ops.compare import eq
from ferax._src.ops.elementwise import add
from ferax._src.ops.convert import convert_element_type
from ferax._src.ops.slicing import slice as slice_op
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import tree_flatten, tree_map, tree_structure, tree_transpose, tree_unflatten
from ferax._src.util.tracebacks import api_boundary


def jacfwd(fun, argnums=0, has_aux=False, holomorphic=False):
    """The Jacobian of a function by forward mode, one column for each input element; best for tall Jacobians.

    Parameters
    ----------
    fun : callable
    argnums : int or sequence of int
    has_aux : bool; ``fun`` answers ``(result, aux)``
    holomorphic : bool

    Returns
    -------
    callable answering a pytree of the structure of the result, at whose leaves are trees of the structure of the
    argument: each array has shape ``result.shape + argument.shape``.
    """
    check_callable(fun, "jacfwd")

    @api_boundary
    def jacobian_f(*args, **kwargs):
        dynamic, call = _select(fun, argnums, args, kwargs, "jacfwd")
        leaves, tree = tree_flatten(dynamic)
        for x in leaves:
            _check_input(x, holomorphic, False, "jacfwd", lambda: dynamic)
            if not holomorphic and dtypes.issubdtype(aval_of(x).dtype, np.complexfloating):
                raise TypeError("jacfwd requires real-valued inputs (input dtype that is a sub-dtype of np.floating), "
                                f"but got {dtypes.dtype_name(aval_of(x).dtype)}. For holomorphic differentiation, "
                                "pass holomorphic=True.")

        def push(tangents):
            return jvp(call, (dynamic,), (tangents,), has_aux=has_aux)

        if has_aux:
            y, jac, aux = vmap(push, out_axes=(None, -1, None))(_basis(leaves, tree))
        else:
            y, jac = vmap(push, out_axes=(None, -1))(_basis(leaves, tree))
        _check_outputs(y, holomorphic, "jacfwd")
        result = tree_map(lambda j: tree_unflatten(tree, _unravel(j, leaves, last=True)), jac)
        return (result, aux) if has_aux else result

    return _named(jacobian_f, fun, "Jacobian")


def jacrev(fun, argnums=0, has_aux=False, holomorphic=False, allow_int=False):
    """The Jacobian of a function by reverse mode, one row for each result element; best for wide Jacobians.

    Parameters and results as in `jacfwd`; ``allow_int`` as in `grad`.
    """
    check_callable(fun, "jacrev")

    @api_boundary
    def jacobian_f(*args, **kwargs):
        dynamic, call = _select(fun, argnums, args, kwargs, "jacrev")
        leaves, tree = tree_flatten(dynamic)
        for x in leaves:
            _check_input(x, holomorphic, allow_int, "jacrev", lambda: dynamic)
        if has_aux:
            y, pullback, aux = vjp(call, dynamic, has_aux=True)
        else:
            y, pullback = vjp(call, dynamic)
        _check_outputs(y, holomorphic, "jacrev", reverse=True)
        y_leaves, y_tree = tree_flatten(y)
        (jac,) = vmap(pullback)(_basis(y_leaves, y_tree))
        rows = tree_map(lambda j: tree_unflatten(y_tree, _unravel(j, y_leaves, last=False)), jac)
        result = tree_transpose(tree_structure(dynamic), y_tree, rows)
        return (result, aux) if has_aux else result

    return _named(jacobian_f, fun, "Jacobian")


jacobian = jacrev


def hessian(fun, argnums=0, has_aux=False, holomorphic=False):
    """The matrix of second derivatives, by forward over reverse mode.

    Each array has shape ``result.shape + argument.shape + argument.shape``.
    """
    return jacfwd(jacrev(fun, argnums, has_aux=has_aux, holomorphic=holomorphic), argnums, has_aux=has_aux,
                  holomorphic=holomorphic)


def _named(wrapper, fun, what: str):
    functools.update_wrapper(wrapper, fun, assigned=[a for a in functools.WRAPPER_ASSIGNMENTS if hasattr(fun, a)])
    wrapper.__doc__ = f"{what} of {name_of(fun)}.\n\n{getattr(fun, '__doc__', None) or ''}"
    return wrapper


def _select(fun, argnums, args, kwargs, api):
    """The arguments to differentiate, as one pytree, and the function of them alone."""
    nums = resolve_indices(as_index_tuple(argnums, "argnums", api), len(args), "argnums", api)
    single = not isinstance(argnums, (tuple, list)) and np.ndim(argnums) == 0

    def call(dynamic):
        given = list(args)
        for i, value in zip(nums, (dynamic,) if single else dynamic):
            given[i] = value
        return fun(*given, **kwargs)

    return (args[nums[0]] if single else tuple(args[i] for i in nums)), call


def _basis(leaves, tree):
    """The standard basis of the space of ``leaves``: trees of arrays with one more axis, first."""
    n = sum(aval_of(x).size for x in leaves)
    offset, blocks = 0, []
    for x in leaves:
        aval = aval_of(x).to_tangent_aval()
        rows = broadcasted_iota(np.int32, (n, aval.size), 0)
        columns = broadcasted_iota(np.int32, (n, aval.size), 1)
        block = eq(rows, add(columns, np.int32(offset))) if offset else eq(rows, columns)
        offset += aval.size
        if aval.dtype == dtypes.float0:
            blocks.append(np.zeros((n, *aval.shape), dtypes.float0))
        else:
            blocks.append(reshape(convert_element_type(block, aval.dtype), (n, *aval.shape)))
    return tree_unflatten(tree, blocks)


def _unravel(j, leaves, *, last: bool) -> list:
    """Cut the axis over the basis, the last or the first, into one piece for each leaf, in its shape."""
    shapes = [aval_of(x).shape for x in leaves]
    sizes = [aval_of(x).size for x in leaves]
    shape = j.shape
    rest = shape[:-1] if last else shape[1:]
    pieces, start = [], 0
    for leaf_shape, size in zip(shapes, sizes):
        piece = j
        if len(sizes) > 1:
            lower, upper = [0] * len(shape), list(shape)
            axis = len(shape) - 1 if last else 0
            lower[axis], upper[axis] = start, start + size
            piece = np_or_op_slice(j, lower, upper)
        start += size
        target = (*rest, *leaf_shape) if last else (*leaf_shape, *rest)
        pieces.append(piece.reshape(target) if isinstance(piece, np.ndarray) else reshape(piece, target))
    return pieces


def np_or_op_slice(x, lower, upper):
    """A slice; arrays of dtype float0 are NumPy's."""
    if isinstance(x, np.ndarray):
        return x[tuple(map(slice, lower, upper))]
    return slice_op(x, tuple(lower), tuple(upper))


def _check_outputs(y, holomorphic, api, reverse=False) -> None:
    for x in tree_flatten(y)[0]:
        dtype = aval_of(x).dtype
        name = dtypes.dtype_name(dtype)
        if holomorphic:
            if not dtypes.issubdtype(dtype, np.complexfloating):
                raise TypeError(f"{api} with holomorphic=True requires outputs with dtype that is a sub-dtype of "
                                f"np.complexfloating, but got {name}.")
        elif reverse and not dtypes.issubdtype(dtype, np.floating):
            raise TypeError(f"{api} requires real-valued outputs (output dtype that is a sub-dtype of np.floating), but "
                            f"got {name}. For holomorphic differentiation, pass holomorphic=True; otherwise use "
                            "ferax.vjp directly.")
