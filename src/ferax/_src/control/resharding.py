"""``sharding.reshard``, ``auto_axes`` and ``explicit_axes``: shardings that the program says, on meshes whose axes are Explicit.

Types do not carry shardings from operation to operation here: between two places where a program says how a value is cut, the
compiler chooses, whatever the type of the axes. So going from Explicit to Auto axes and back is no more than setting the mesh
with its axes of the other type, and to cut arguments or results as asked.
"""

from __future__ import annotations

import functools
from contextlib import nullcontext

from ferax._src.control.sharding_constraint import sharding_constraint_p
from ferax._src.ops.convert import as_array
from ferax._src.types.meshes import AbstractMesh, AxisType, get_abstract_mesh, get_mesh, use_abstract_mesh
from ferax._src.types.pytrees import flatten_axes, tree_flatten, tree_leaves, tree_unflatten
from ferax._src.types.shardings import NamedSharding, PartitionSpec, spec_names
from ferax._src.util.tracebacks import api_boundary


def _target(sharding) -> NamedSharding:
    """What a sharding or a spec given to `reshard` means, over devices where they are known."""
    if isinstance(sharding, PartitionSpec):
        mesh = get_abstract_mesh()
        if mesh.empty:
            raise ValueError(f"reshard: the PartitionSpec {sharding} means nothing without a mesh. Set one with "
                             "jax.set_mesh(mesh), or pass NamedSharding(mesh, spec)")
        sharding = NamedSharding(mesh, sharding)
    if not isinstance(sharding, NamedSharding):
        kind = ValueError if sharding is None else TypeError
        raise kind(f"reshard: out_shardings must be of type NamedSharding or PartitionSpec, got {sharding!r}")
    if sharding.mesh.empty:
        raise ValueError(f"reshard: the mesh of {sharding} is empty")
    types = dict(zip(sharding.mesh.axis_names, sharding.mesh.axis_types))
    for part in sharding.spec:
        for name in spec_names(part):
            if types[name] is not AxisType.Explicit:
                raise ValueError(f"reshard: {sharding.spec} must name axes of type Explicit, but {name!r} is of type "
                                 f"{types[name]!r}. For such axes use lax.with_sharding_constraint")
    mesh = get_mesh()
    if isinstance(sharding.mesh, AbstractMesh) and mesh.axis_names == sharding.mesh.axis_names:
        return NamedSharding(mesh, sharding.spec, sharding.memory_kind)
    return sharding


@api_boundary
def reshard(xs, out_shardings):
    """``xs``, cut among the devices as ``out_shardings`` say.

    Parameters
    ----------
    xs : pytree of arrays
    out_shardings : `NamedSharding`, or `PartitionSpec` where a mesh is set, or a pytree of them, a prefix of ``xs``; they name
        axes of type Explicit only

    Returns
    -------
    pytree of the same values. Outside of programs they are moved there

    Raises
    ------
    ValueError : for axes of another type, where no mesh is set, or where a dimension cannot be cut evenly.
    """
    leaves, tree = tree_flatten(xs)
    outs = []
    for x, sharding in zip(leaves, flatten_axes("reshard out_shardings", tree, out_shardings)):
        x, target = as_array(x), _target(sharding)
        parts = list(target.spec)
        while len(parts) > x.ndim and parts[-1] is None:
            parts.pop()
        if len(parts) > x.ndim:
            raise ValueError(f"reshard: {target.spec} is of more dimensions than the array, of shape {x.shape}")
        target = target.with_spec(target.spec.update(partitions=parts + [None] * (x.ndim - len(parts))))
        if target._is_concrete:
            target.check_compatible_aval(x.shape)
        outs += sharding_constraint_p.bind(x, sharding=target)
    return tree_unflatten(tree, outs)


def _mesh_with(axes, kind: AxisType, name: str, shardings=None) -> tuple[AbstractMesh, AbstractMesh] | None:
    """The mesh in force, or that of ``shardings``, and the same with ``axes`` (None: all) of a type; None for no mesh at all."""
    mesh = get_abstract_mesh()
    for sharding in tree_leaves(shardings):
        if isinstance(sharding, NamedSharding):
            named = sharding.mesh.abstract_mesh
            if not mesh.empty and mesh != named:
                raise ValueError(f"{name}: the mesh in force or of another sharding, {mesh}, is not that of {sharding}")
            mesh = named
    if mesh.empty:
        return None
    chosen = mesh.axis_names if axes is None else axes if isinstance(axes, tuple) else (axes,)
    types = dict(zip(mesh.axis_names, mesh.axis_types))
    for axis in chosen:
        if axis not in types:
            raise ValueError(f"{name}: axes must be names of the mesh's axes, {mesh.axis_names}, got {axis!r}")
        if types[axis] is AxisType.Manual:
            raise NotImplementedError(f"{name}: the axis {axis!r} is of type Manual, and stays so to the end of its shard_map")
    return mesh, mesh.update_axis_types(dict.fromkeys(chosen, kind))


def _given(sharding, kwargs: dict, name: str):
    if sharding is not None:
        return sharding
    if name not in kwargs:
        raise TypeError(f"Missing required keyword argument: {name!r}; give it to the decorator or to the call")
    return kwargs.pop(name)


def auto_axes(f=None, /, *, axes=None, out_sharding=None):
    """Let the compiler choose shardings inside of a function: it runs with mesh axes of type Auto.

    Parameters
    ----------
    f : function of arrays; None makes ``auto_axes(axes=...)`` a decorator
    axes : name, or tuple of names, of mesh axes; None for all
    out_sharding : shardings of the result, as of `reshard`; None if each call gives them as keyword argument ``out_sharding``

    Returns
    -------
    function like ``f``
    """
    if f is None:
        return functools.partial(auto_axes, axes=axes, out_sharding=out_sharding)

    @functools.wraps(f)
    @api_boundary
    def call(*args, **kwargs):
        wanted = _given(out_sharding, kwargs, "out_sharding")
        found = _mesh_with(axes, AxisType.Auto, "auto_axes", wanted)
        if found is None or found[0] == found[1]:
            return f(*args, **kwargs)
        with use_abstract_mesh(found[1]):
            out = f(*args, **kwargs)
        with nullcontext() if not get_abstract_mesh().empty else use_abstract_mesh(found[0]):
            return reshard(out, wanted)
    return call


def explicit_axes(f=None, /, *, axes=None, in_sharding=None):
    """Say shardings inside of a function: it runs with mesh axes of type Explicit.

    Parameters
    ----------
    f : function of arrays; None makes ``explicit_axes(axes=...)`` a decorator
    axes : name, or tuple of names, of mesh axes; None for all
    in_sharding : shardings of the positional arguments, as of `reshard`; None if each call gives them as keyword argument
        ``in_sharding``

    Returns
    -------
    function like ``f``

    Raises
    ------
    ValueError : by the function, where no mesh is set.
    """
    if f is None:
        return functools.partial(explicit_axes, axes=axes, in_sharding=in_sharding)

    @functools.wraps(f)
    @api_boundary
    def call(*args, **kwargs):
        wanted = _given(in_sharding, kwargs, "in_sharding")
        found = _mesh_with(axes, AxisType.Explicit, "explicit_axes")
        if found is None:
            raise ValueError("explicit_axes: no mesh is set; set one with jax.set_mesh(mesh)")
        with use_abstract_mesh(found[1]):
            return f(*reshard(args, wanted), **kwargs)
    return call
