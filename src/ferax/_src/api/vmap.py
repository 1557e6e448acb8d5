"""`vmap`: a function of one element mapped over an axis of arrays."""

from __future__ import annotations

import functools

import numpy as np

from ferax._src.api.arguments import check_arraylike, check_callable, debug_info_for, name_of
from ferax._src.ops.axes import place_axis
from ferax._src.ops.refs import check_aliases, has_refs
from ferax._src.tracing.core import MappedAxis
from ferax._src.tracing.refs import Ref
from ferax._src.transforms.batch import batch_flat, move_batch_axis
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import (
    flatten_axes, keystr, tree_flatten, tree_leaves, tree_leaves_with_path, tree_unflatten)
from ferax._src.util.tracebacks import api_boundary


def vmap(fun, in_axes=0, out_axes=0, axis_name=None, axis_size=None, spmd_axis_name=None, sum_match=False):
    """Map a function over an axis of its arguments, all elements at once.

    Parameters
    ----------
    fun : callable
    in_axes : int, None, or a tuple or list of them, one for each positional argument; each may be a pytree prefix of
        its argument. None does not map. Keyword arguments are mapped over their first axis.
    out_axes : int, None, or a pytree prefix of the result: where the mapped axis goes. None asks for a result that
        does not depend on the mapped arguments.
    axis_name : hashable or None; the name by which collectives (`lax.psum`, ...) know the axis
    axis_size : int or None; needed only if no argument is mapped
    spmd_axis_name : the mesh axis, or axes, over which `shard_map` and sharding constraints inside lay out the mapped axis
    sum_match : accepted for compatibility

    Returns
    -------
    callable of the same signature

    Raises
    ------
    ValueError : if the mapped axes differ in size, do not exist, or ``in_axes`` does not fit the arguments

    Examples
    --------
    >>> import ferax, ferax.numpy as jnp
    >>> ferax.vmap(jnp.dot, in_axes=(0, None))(jnp.eye(2), jnp.array([3., 4.])).tolist()
    [3.0, 4.0]
    """
    check_callable(fun, "vmap")
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)                # a tuple, so that it is a prefix of the positional arguments
    if not (in_axes is None or isinstance(in_axes, (int, tuple))) or isinstance(in_axes, bool):
        raise TypeError("vmap in_axes must be an int, None, or a tuple of entries corresponding to the positional "
                        f"arguments passed to the function, but got {in_axes!r}.")
    for leaf in tree_leaves(in_axes):
        if not isinstance(leaf, int) or isinstance(leaf, bool):
            raise TypeError("vmap in_axes must be an int, None, or (nested) container with those types as leaves, "
                            f"but got {in_axes!r}.")
    for leaf in tree_leaves(out_axes):
        if not isinstance(leaf, int) or isinstance(leaf, bool):
            raise TypeError("vmap out_axes must be an int, None, or (nested) container with those types as leaves, "
                            f"but got {out_axes!r}.")

    def mapped(*args, **kwargs):
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise ValueError("vmap in_axes must be an int, None, or a tuple of entries corresponding to the positional "
                             f"arguments passed to the function, but got {len(in_axes)} entries for {len(args)} "
                             f"positional arguments of {name_of(fun)}.")
        leaves, in_tree = tree_flatten((args, kwargs))
        check_arraylike(leaves, "vmap", lambda: tuple(_argument_names(fun, args, kwargs)))
        if type(in_axes) is int:
            dims = [in_axes] * len(leaves)
        else:
            dims = flatten_axes("vmap in_axes", in_tree, (in_axes, 0), kws=True)
        dims = [_normalize(d, x, fun, i, args, kwargs) for i, (d, x) in enumerate(zip(dims, leaves))]
        size = _mapped_size(fun, leaves, dims, axis_size, args, kwargs)
        axis = MappedAxis(size, axis_name, spmd_axis_name)
        if has_refs(leaves):
            check_aliases(leaves, debug_info_for("vmap", fun, args, kwargs))
        out_tree = None

        def flat_fun(*xs):
            nonlocal out_tree
            given, named = tree_unflatten(in_tree, xs)
            out = fun(*given, **named)
            out_leaves, out_tree = tree_flatten(out)
            check_arraylike(out_leaves, f"vmap: the result of {name_of(fun)}",
                            lambda: tuple(keystr(p) or "itself" for p, _ in tree_leaves_with_path(out)))
            return out_leaves

        outs, out_dims = batch_flat(flat_fun, leaves, dims, axis)
        if type(out_axes) is int:
            wanted = [out_axes] * len(outs)
        else:
            wanted = flatten_axes("vmap out_axes", out_tree, out_axes)
        results = [_place(x, d, w, size, fun, i, out_tree) for i, (x, d, w) in enumerate(zip(outs, out_dims, wanted))]
        return tree_unflatten(out_tree, results)

    wrapper = api_boundary(mapped)
    functools.update_wrapper(wrapper, fun, assigned=[a for a in functools.WRAPPER_ASSIGNMENTS if hasattr(fun, a)])
    wrapper.__doc__ = (f"Vectorized version of {name_of(fun)}. Takes similar arguments as {name_of(fun)} but with "
                       f"additional array axes over which {name_of(fun)} is mapped.\n\n"
                       f"{getattr(fun, '__doc__', None) or ''}")
    return wrapper


def _argument_names(fun, args, kwargs):
    return debug_info_for("vmap", fun, args, kwargs).arg_names


def _normalize(d, x, fun, i, args, kwargs):
    """A mapped axis counted from the front."""
    if d is None:
        return None
    aval = aval_of(x)
    if not -aval.ndim <= d < aval.ndim:
        name = _argument_names(fun, args, kwargs)[i]
        hint = ("It is a scalar: pass None in in_axes for arguments that are not mapped." if aval.ndim == 0 else
                f"Its axes run from {-aval.ndim} to {aval.ndim - 1}.")
        raise ValueError(f"vmap was requested to map its argument along axis {d}, which implies that its rank should be "
                         f"at least {d + 1 if d >= 0 else -d}, but {name} of {name_of(fun)} has rank {aval.ndim} "
                         f"(shape {aval.shape}). {hint}")
    return d % aval.ndim


def _mapped_size(fun, leaves, dims, axis_size, args, kwargs) -> int:
    sizes = {aval_of(x).shape[d] for x, d in zip(leaves, dims) if d is not None}
    if axis_size is not None:
        sizes.add(axis_size)
    if len(sizes) == 1:
        return sizes.pop()
    if not sizes:
        raise ValueError(f"vmap of {name_of(fun)} must have at least one mapped argument (in_axes not None), or "
                         "axis_size must be given.")
    names = _argument_names(fun, args, kwargs)
    lines = [f"  * {name} of type {aval_of(x).str_short()} has axis {d} of size {aval_of(x).shape[d]}"
             for name, x, d in zip(names, leaves, dims) if d is not None]
    if axis_size is not None:
        lines.append(f"  * axis_size is {axis_size}")
    raise ValueError(f"vmap of {name_of(fun)} got inconsistent sizes for array axes to be mapped:\n" + "\n".join(lines) +
                     "\nGive each argument the same size there, or pass None in in_axes for those not to map. See "
                     "docs/errors/vmap-sizes.md")


def _place(x, d, wanted, size, fun, i, out_tree):
    """A result with the mapped axis where it is wanted."""
    if type(x) is Ref:
        if d != wanted:
            raise ValueError(f"vmap: {name_of(fun)} returns an array reference of type {x.aval}, "
                             + (f"mapped along axis {d}" if d is not None else "that is not mapped")
                             + f", but out_axes asks for {wanted}: a reference cannot be rearranged")
        return x
    if wanted is None:
        if d is not None:
            path = keystr(tree_leaves_with_path(tree_unflatten(out_tree, list(range(out_tree.num_leaves))))[i][0])
            raise ValueError(f"vmap has mapped output but out_axes is None: the result{path and ' ' + path} of "
                             f"{name_of(fun)} depends on the mapped arguments. Give its axis in out_axes.")
        return x
    ndim = aval_of(x).ndim + (d is None)
    if not -ndim <= wanted < ndim:
        raise ValueError(f"vmap out_axes is {wanted}, but the result of {name_of(fun)} has {ndim} dimension"
                         f"{'s' if ndim != 1 else ''}, the mapped one included.")
    if d is None and aval_of(x).dtype == dtypes.float0:         # NumPy's: no device knows this dtype
        shape = list(aval_of(x).shape)
        shape.insert(wanted % ndim, size)
        return np.zeros(shape, dtypes.float0)
    if d is None:
        return place_axis(x, None, size, wanted % ndim)
    return move_batch_axis(x, d, size, wanted % ndim)


