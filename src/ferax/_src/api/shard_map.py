"""`shard_map` and `smap`: a function of the parts that the devices of a mesh hold."""

from __future__ import annotations

import functools
import math
import warnings

from ferax._src.api.arguments import check_callable, name_of, signature_of
from ferax._src.control.manual_axes import manual_axes
from ferax._src.control.manual_context import in_mesh_order
from ferax._src.control.shard_map import local_aval, mentioned, shard_map_p
from ferax._src.control.tracing_utils import flatten_arrays, trace_function
from ferax._src.control.varying import with_varying_outputs
from ferax._src.types.avals import aval_of
from ferax._src.types.meshes import AbstractMesh, AxisType, Mesh, get_abstract_mesh, get_mesh
from ferax._src.types.pytrees import (
    broadcast_prefix, flatten_axes, keystr, prefix_errors, tree_flatten, tree_leaves, tree_leaves_with_path, tree_map, tree_structure,
    tree_unflatten)
from ferax._src.types.shardings import NamedSharding, PartitionSpec, spec_names
from ferax._src.util.tracebacks import api_boundary


class InferFromArgs:
    """The value of ``in_specs`` and ``in_axes`` that takes them from where the arguments lie."""

    def __repr__(self) -> str:
        return "ferax.sharding.Infer"

    def __reduce__(self):
        return "Infer"


Infer = InferFromArgs()


def shard_map(f=None, /, *, out_specs, in_specs=Infer, mesh=None, axis_names=frozenset(), check_vma=True):
    """Map a function over the parts of arrays that the devices of a mesh hold.

    Each device runs ``f`` on its own part of the arguments. Named mesh axes are bound inside, so that collectives
    (`lax.psum`, `lax.all_gather`, ...) can exchange data along them.

    Parameters
    ----------
    f : callable of positional arguments; left out, `shard_map` answers a decorator
    in_specs : pytree of `PartitionSpec`, a prefix of the tuple of arguments
        How each argument is cut; along an axis that a spec does not name all get the same. None marks an argument that
        is no array, and is passed as it is. Left out, it is taken from where arguments lie, if all axes are ``Explicit``.
    out_specs : pytree of `PartitionSpec`, a prefix of the result
        How the parts of a result are joined. Along an axis that a spec does not name, all must have computed the same:
        one is taken.
    mesh : Mesh or AbstractMesh; by default that of the context (`set_mesh`)
    axis_names : set of mesh axes that specs and ``f`` may name, by default all; the others are left to the compiler
    check_vma : bool
        Keep track of the axes along which values vary, which finds results that ``out_specs`` wrongly calls the same,
        and makes derivatives taken inside those of the whole.

    Returns
    -------
    callable of the same positional arguments, of whole arrays

    Raises
    ------
    TypeError : if specs or mesh are none.
    ValueError : if no mesh is set, if a spec names an axis that is not there, has more dimensions than its array or does
        not divide it evenly.

    Examples
    --------
    >>> import ferax, ferax.numpy as jnp
    >>> mesh = ferax.make_mesh((1,), ("x",), axis_types=(ferax.sharding.AxisType.Auto,))
    >>> def normalized(part):
    ...     return part / ferax.lax.psum(part.sum(), "x")
    >>> f = ferax.shard_map(normalized, mesh=mesh, in_specs=ferax.P("x"), out_specs=ferax.P("x"))
    >>> f(jnp.array([1.0, 3.0])).tolist()
    [0.25, 0.75]
    """
    options = dict(mesh=mesh, in_specs=in_specs, out_specs=out_specs, axis_names=axis_names, check_vma=check_vma)
    if f is None:
        return lambda g: _mapped(g, **options)
    return _mapped(f, **options)


def smap(f=None, /, *, in_axes=Infer, out_axes, axis_name):
    """`shard_map` over one axis of the mesh of the context, with array axes in the manner of `vmap`.

    Parameters
    ----------
    f : callable; left out, `smap` answers a decorator
    in_axes : int, None, or a tuple of them (or of pytree prefixes), one for each positional argument
        The axis of the argument that is cut over the mesh axis; None for none. Left out, it is taken from where arguments
        lie, if the mesh axis is ``Explicit``.
    out_axes : int, None, or pytree prefix of the result: the axis along which parts are joined
    axis_name : name of the mesh axis

    Returns
    -------
    callable of the same positional arguments. Unlike `vmap`, the axis stays in the parts, with its share of the size
    """
    if f is None:
        return lambda g: smap(g, in_axes=in_axes, out_axes=out_axes, axis_name=axis_name)
    if isinstance(axis_name, (list, tuple)):
        raise TypeError(f"smap axis_name should be a `str` or a `Hashable`, but got {axis_name}")
    if in_axes is not Infer:
        if in_axes is not None and not isinstance(in_axes, (int, tuple)):
            raise TypeError("smap in_axes must be an int, None, ferax.sharding.Infer, or a tuple of entries corresponding to the "
                            f"positional arguments passed to the function, but got {in_axes}.")
        if not all(isinstance(leaf, int) for leaf in tree_leaves(in_axes)):
            raise TypeError("smap in_axes must be an int, None, ferax.sharding.Infer, or (nested) container with those types as leaves, "
                            f"but got {in_axes}.")
    if not all(isinstance(leaf, int) for leaf in tree_leaves(out_axes)):
        raise TypeError(f"smap out_axes must be an int, None, or (nested) container with those types as leaves, but got {out_axes}.")
    options = dict(mesh=None, out_specs=axes_to_specs(axis_name, out_axes, "smap out_axes"), axis_names={axis_name}, check_vma=True)
    if in_axes is Infer or all(leaf >= 0 for leaf in tree_leaves(in_axes)):
        in_specs = Infer if in_axes is Infer else axes_to_specs(axis_name, in_axes, "smap in_axes")
        return _mapped(f, in_specs=in_specs, of_smap=True, **options)

    def from_the_end(*args):
        """Axes counted from the end are known once there are arguments."""
        leaves, tree = tree_flatten(args)
        axes = [d if d is None or d >= 0 else d + aval_of(x).ndim
                for d, x in zip(flatten_axes("smap in_axes", tree, in_axes, tupled_args=True), leaves)]
        specs = axes_to_specs(axis_name, tree_unflatten(tree, axes), "smap in_axes")
        return _mapped(f, in_specs=specs, of_smap=True, **options)(*args)

    return functools.update_wrapper(api_boundary(from_the_end), f, [a for a in functools.WRAPPER_ASSIGNMENTS if hasattr(f, a)])


def axes_to_specs(axis_name, axes, what: str):
    """A pytree of array axes as one of specs that cut these axes over a mesh axis.

    Raises
    ------
    ValueError : for an axis counted from the end.
    """
    def spec(axis):
        if axis is None:
            return PartitionSpec()
        if axis < 0:
            raise ValueError(f"{what}: an axis must not be negative here, got {axis} in {axes}")
        return PartitionSpec(*[None] * axis, axis_name)

    return tree_map(spec, axes, is_leaf=lambda x: x is None)


def _mapped(f, *, mesh, in_specs, out_specs, axis_names, check_vma, of_smap=False):
    if not callable(f):
        raise TypeError(f"shard_map requires a callable for its first argument, but got {f} of type {type(f)}.")
    check_callable(f, "shard_map")

    def wrapped(*args):
        here, names = _checked_mesh(mesh, axis_names, in_specs, out_specs, of_smap)
        try:
            specs = broadcast_prefix(in_specs, args, is_leaf=lambda x: x is None)
        except ValueError:
            error, *_ = prefix_errors(in_specs, args)
            raise error("shard_map in_specs") from None
        if in_specs is Infer:
            specs = [_spec_of(x, names) for x in tree_leaves(args)]
        leaves, in_tree = tree_flatten(args)
        if any(spec is None for spec in specs):
            return _with_static(f, leaves, in_tree, specs, here, names, out_specs, check_vma)
        return _call(f, leaves, in_tree, specs, in_specs, here, names, out_specs, check_vma)

    wrapper = api_boundary(wrapped)
    return functools.update_wrapper(wrapper, f, [a for a in functools.WRAPPER_ASSIGNMENTS if hasattr(f, a)])


def _with_static(f, leaves, in_tree, specs, mesh, names, out_specs, check_vma):
    """A call with arguments that are no arrays: those for which the spec is None."""
    def dynamic_only(*dynamic):
        given = iter(dynamic)
        return f(*tree_unflatten(in_tree, [x if s is None else next(given) for x, s in zip(leaves, specs)]))

    functools.update_wrapper(dynamic_only, f, [a for a in ("__name__", "__qualname__", "__doc__") if hasattr(f, a)])
    dynamic = [x for x, s in zip(leaves, specs) if s is not None]
    kept = tuple([s for s in specs if s is not None])
    return _call(dynamic_only, dynamic, tree_structure(tuple(dynamic)), kept, kept, mesh, names, out_specs, check_vma)


def experimental_shard_map(f, mesh, in_specs, out_specs, check_rep=True):
    """The older form of `ferax.shard_map`; ``check_rep`` is ``check_vma``."""
    warnings.warn("ferax.experimental.shard_map is deprecated. Use ferax.shard_map instead.", DeprecationWarning, stacklevel=2)
    return shard_map(f, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=check_rep)


def _call(f, leaves, in_tree, specs, in_specs, mesh, names, out_specs, check_vma):
    values, avals, _ = flatten_arrays(leaves, "shard_map", f"an argument of {name_of(f)}")
    _check_arguments(f, mesh, in_tree, in_specs, specs, avals)
    check_vma = bool(check_vma)
    parts = tuple([local_aval(mesh, spec, aval, check_vma) for spec, aval in zip(specs, avals)])
    with manual_axes(mesh, names, check_vma):
        traced = trace_function(f, in_tree, parts, "shard_map")
        joined = _result_specs(f, traced, out_specs)
        closed = traced.closed
        if check_vma:
            _check_replicated(f, mesh, names, traced, out_specs, joined)
            closed = with_varying_outputs(closed, map(mentioned, joined))
    outs = shard_map_p.bind(
        *traced.consts, *values, jaxpr=closed, mesh=mesh, in_specs=(*[PartitionSpec()] * len(traced.consts), *specs),
        out_specs=joined, check_vma=check_vma, newly_manual_axes=names)
    return tree_unflatten(traced.out_tree, outs)


# --- checks -----------------------------------------------------------------------------------------

def _checked_mesh(mesh, axis_names, in_specs, out_specs, of_smap):
    """The mesh of a call and the axes that become manual."""
    context = get_abstract_mesh()
    if mesh is None:
        if context.empty:
            raise ValueError("The context mesh cannot be empty. Use `ferax.set_mesh(mesh)` to enter into a mesh context, or pass "
                             "mesh=... to shard_map")
        mesh = get_mesh() if get_mesh().abstract_mesh is context else context
    elif not isinstance(mesh, (Mesh, AbstractMesh)):
        raise TypeError("shard_map requires a `ferax.sharding.Mesh` or a `ferax.sharding.AbstractMesh` instance for its second "
                        f"argument, but got {mesh} of type {type(mesh)}.")
    elif not context.empty and mesh.abstract_mesh != context:
        raise ValueError(f"The context mesh {context} should match the mesh passed to shard_map {mesh}")
    if mesh.empty:
        raise ValueError(f"shard_map requires a non-empty mesh. Got {mesh}")
    if not isinstance(axis_names, (frozenset, set)):
        raise TypeError(f"`axis_names` argument of shard_map should be of type `frozenset` or `set`. Got type: {type(axis_names)}")
    names = frozenset(axis_names) or frozenset(mesh.axis_names)
    if not names <= {*mesh.axis_names}:
        raise ValueError(f"shard_map requires axis_names={names} to be a subset of mesh.axis_names={frozenset(mesh.axis_names)}")
    types = dict(zip(mesh.axis_names, mesh.axis_types))
    if in_specs is Infer and not all(types[name] is AxisType.Explicit for name in names):
        which = ", ".join(str(types[name]) for name in in_mesh_order(mesh, names))
        if of_smap:
            raise TypeError(f"in_axes was not specified when axis_name={set(names)} was of type {which}")
        raise TypeError("shard_map in_specs argument must be a pytree of `PartitionSpec` instances, but it was left out when "
                        f"axis_names={set(names)} are of type {which}")
    if in_specs is None:
        raise TypeError("shard_map in_specs argument must be a pytree of `PartitionSpec` instances, but it was None.\n"
                        "Instead of `in_specs=None`, did you mean `in_specs=P()`, where `P = ferax.sharding.PartitionSpec`?")
    if in_specs is not Infer:
        _check_specs("in", in_specs, names)
    _check_specs("out", out_specs, names)
    return mesh, names - {*mesh.manual_axes}


def _check_specs(which: str, specs, names) -> None:
    """Leaves must be specs that name manual axes only."""
    leaves = tree_leaves_with_path(specs)
    bad = [f"  {which}_specs{keystr(path)} is {x} of type {type(x).__name__}" for path, x in leaves if not isinstance(x, PartitionSpec)]
    if bad:
        raise TypeError(f"shard_map {which}_specs argument must be a pytree of `PartitionSpec` instances, but:\n\n" + "\n\n".join(bad)
                        + f"\n\nCheck the {which}_specs values passed to shard_map.")
    bad = [f"  {which}_specs{keystr(path)} refers to {name!r}" for path, spec in leaves for name in mentioned(spec) - names]
    if bad:
        raise ValueError(f"shard_map {which}_specs argument must refer to an axis marked as manual ({names}), but:\n\n"
                         + "\n\n".join(bad) + f"\n\nCheck the {which}_specs values passed to shard_map.")
    partial = [f"  {which}_specs{keystr(path)} is {spec}" for path, spec in leaves if spec.unreduced or spec.reduced]
    if partial:
        raise NotImplementedError("shard_map: specs with unreduced or reduced axes are not supported; add up with lax.psum inside. Got:\n\n"
                                  + "\n\n".join(partial))


def _check_arguments(f, mesh, in_tree, in_specs, specs, avals) -> None:
    """Each spec fits the rank of its argument, and divides its dimensions."""
    long = [i for i, (spec, aval) in enumerate(zip(specs, avals)) if len(spec) > aval.ndim]
    if long:
        lines = [f"* {_where('in', in_specs, in_tree, i)} is {specs[i]} which has length {len(specs[i])}, but the passed "
                 f"{_argument(f, in_tree, i)} has shape {avals[i].str_short()}, which has rank {avals[i].ndim} "
                 f"(and {avals[i].ndim} < {len(specs[i])})" for i in long]
        raise ValueError(_too_long("in", f, lines, any(avals[i].ndim == 0 for i in long)))
    lines = []
    for i, (spec, aval) in enumerate(zip(specs, avals)):
        for k, part in enumerate(spec):
            over = spec_names(part)
            n = math.prod(mesh.shape[name] for name in over)
            if aval.shape[k] % n:
                axes = f"axes {over} (of total size {n})" if len(over) > 1 else f"axis {over[0]!r} (of size {n})"
                lines.append(f"* the passed {_argument(f, in_tree, i)} of shape {aval.str_short()} corresponds to "
                             f"{_where('in', in_specs, in_tree, i)} of value {spec}, which maps array axis {k} (of size {aval.shape[k]}) "
                             f"to mesh {axes}, but {n} does not evenly divide {aval.shape[k]}")
    if lines:
        raise ValueError(
            f"shard_map applied to the function '{name_of(f)}' was given argument arrays with axis sizes that are not evenly divisible by "
            f"the corresponding mesh axis sizes:\n\nThe mesh given has shape {tuple(mesh.shape.values())} with corresponding axis names "
            f"{mesh.axis_names}.\n\n{_listed(lines)}\n\nPad the arguments, change the mesh, or revise in_specs.")


def _result_specs(f, traced, out_specs) -> tuple:
    """One spec for each flat result."""
    skeleton = tree_unflatten(traced.out_tree, list(traced.closed.out_avals))
    try:
        specs = broadcast_prefix(out_specs, skeleton)
    except ValueError:
        error, *_ = prefix_errors(out_specs, skeleton)
        raise error("shard_map out_specs") from None
    avals = traced.closed.out_avals
    long = [i for i, (spec, aval) in enumerate(zip(specs, avals)) if len(spec) > aval.ndim]
    if long:
        lines = [f"* {_where('out', out_specs, traced.out_tree, i)} is {specs[i]} which has length {len(specs[i])}, but "
                 f"{name_of(f)}(*args){_path(traced.out_tree, i)} has shape {avals[i].str_short()}, which has rank {avals[i].ndim} "
                 f"(and {avals[i].ndim} < {len(specs[i])})" for i in long]
        message = _too_long("out", f, lines, any(avals[i].ndim == 0 for i in long))
        if any(avals[i].ndim == 0 for i in long):
            message += (" In particular, for rank 0 outputs which are not constant over the mesh, add at least one (singleton) axis to "
                        "them so that they can be concatenated using out_specs.")
        raise ValueError(message)
    return tuple(specs)


def _check_replicated(f, mesh, names, traced, out_specs, joined) -> None:
    """Results do not vary along manual axes that their specs do not name."""
    lines = []
    for i, (spec, aval) in enumerate(zip(joined, traced.closed.out_avals)):
        wrong = in_mesh_order(mesh, (aval.varying & names) - mentioned(spec))
        if wrong:
            where = _where("out", out_specs, traced.out_tree, i)
            lines.append(f"* {where} is {spec} which implies that the corresponding output value{_path(traced.out_tree, i)} is replicated "
                         f"across mesh {'axis' if len(wrong) == 1 else 'axes'} {', '.join(map(repr, wrong))}, but it may vary along "
                         f"{', '.join(map(repr, in_mesh_order(mesh, aval.varying)))}")
    if lines:
        raise ValueError(
            f"shard_map applied to the function '{name_of(f)}' was given out_specs which require replication which can't be statically "
            f"inferred given the mesh:\n\nThe mesh given has shape {tuple(mesh.shape.values())} with corresponding axis names "
            f"{mesh.axis_names}.\n\n{_listed(lines)}\n\nCheck if these output values are meant to be replicated over those mesh axes. If "
            "not, consider revising the corresponding out_specs entries. If so, consider disabling the check by passing the "
            "check_vma=False argument to `shard_map`.")


def _too_long(which: str, f, lines, scalars: bool) -> str:
    text = (f"shard_map applied to the function '{name_of(f)}' was given an {which}_specs entry which is too long to be compatible with "
            f"the corresponding {which}put value from the function:\n\n{_listed(lines)}\n\nEntries in {which}_specs must be of length no "
            f"greater than the number of axes in the corresponding {which}put value.\n\nEither revise the spec to be shorter, or modify "
            f"'{name_of(f)}' so that its {which}puts have sufficient rank.")
    return text + (f"\n\nFor scalar values (rank 0), consider using an {which}_specs entry of `P()`." if scalars else "")


def _listed(lines) -> str:
    return lines[0][2:] if len(lines) == 1 else "\n\n".join(lines)


def _path(tree, i: int) -> str:
    """The path of leaf ``i``."""
    return keystr(tree_leaves_with_path(tree_unflatten(tree, list(range(tree.num_leaves))))[i][0])


def _where(which: str, specs, tree, i: int) -> str:
    """The entry of a tree of specs that stands for leaf ``i`` of a full tree."""
    paths = [path for path, _ in tree_leaves_with_path(specs, is_leaf=lambda x: x is None)]
    numbered = tree_unflatten(tree_structure(specs), list(range(len(paths)))) if paths else specs
    try:
        entry = broadcast_prefix(numbered, tree_unflatten(tree, [0] * tree.num_leaves))[i]
    except ValueError:                          # specs with None, which are no leaves there
        return f"an entry of {which}_specs"
    return f"{which}_specs{keystr(paths[entry])}"


def _argument(f, in_tree, i: int) -> str:
    """Flat argument ``i`` in words: its place among the arguments, and the parameter it is bound to."""
    path = tree_leaves_with_path(tree_unflatten(in_tree, list(range(in_tree.num_leaves))))[i][0]
    text = f"args{keystr(path)}"
    signature = signature_of(f)
    if signature is None:
        return text
    parameters = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    k = path[0].idx
    if k < len(parameters) and parameters[k].kind != parameters[k].VAR_POSITIONAL:
        return f"{text}, bound to {name_of(f)}'s parameter '{parameters[k].name}',"
    if parameters and parameters[-1].kind == parameters[-1].VAR_POSITIONAL:
        return f"{text}, component {k - len(parameters) + 1} of {name_of(f)}'s varargs parameter '{parameters[-1].name}',"
    return text


def _spec_of(x, names) -> PartitionSpec:
    """How an argument is cut over these axes where it lies."""
    sharding = getattr(x, "sharding", None)
    if not isinstance(sharding, NamedSharding):
        return PartitionSpec()
    parts = [tuple([n for n in spec_names(part) if n in names]) for part in sharding.spec]
    return PartitionSpec(*parts)
