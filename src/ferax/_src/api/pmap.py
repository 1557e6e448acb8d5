"""`pmap`: `jit` of a `shard_map` over a mesh with one axis, each device with one element of the mapped axis."""

from __future__ import annotations

import functools

from ferax._src.api.arguments import as_index_tuple, check_arraylike, check_callable, debug_info_for, name_of
from ferax._src.api.jit import jit
from ferax._src.api.shard_map import axes_to_specs, shard_map
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.ops.shape import squeeze
from ferax._src.runtime import devices as devices_
from ferax._src.tracing import core
from ferax._src.types.avals import aval_of
from ferax._src.types.meshes import Mesh
from ferax._src.types.pytrees import flatten_axes, tree_flatten, tree_leaves, tree_map, tree_unflatten
from ferax._src.types.shardings import NamedSharding
from ferax._src.util.tracebacks import api_boundary

#: The axis of a `pmap` that gives it no name.
UNNAMED = "_internal_pmap_axis_name"


def pmap(fun, axis_name=None, *, in_axes=0, out_axes=0, static_broadcasted_argnums=(), devices=None, backend=None, axis_size=None,
         donate_argnums=()):
    """Map a function over an axis of its arguments, each element on a device of its own.

    The function is compiled as by `jit` and may exchange data with the other devices by collectives (`lax.psum`, ...).
    `shard_map` does the same with more freedom, over meshes of several axes.

    Parameters
    ----------
    fun : callable
    axis_name : hashable; the name of the mapped axis
    in_axes : int, None, or a tuple of them (or of pytree prefixes), one for each positional argument
        The mapped axis; None gives the whole argument to each device. Keyword arguments are mapped over their first axis.
    out_axes : int, None, or pytree prefix of the result
        Where the mapped axis goes; None for results that are the same on all devices, of which one is taken.
    static_broadcasted_argnums : int, or sequence of them: arguments that are part of the program; hashable
    devices : sequence of Device, default the first ones there are
    backend : str or None; the platform whose devices are meant
    axis_size : int or None; checked against the arguments
    donate_argnums : int, or sequence of them: arguments whose memory results may take

    Returns
    -------
    callable of the same signature, with a method ``lower``
        Results are cut along their mapped axis, one element on each device.

    Raises
    ------
    ValueError : if no argument is mapped, if mapped axes differ in size, or if there are fewer devices than elements.
    TypeError : for axes that are no ints.

    Examples
    --------
    >>> import ferax, ferax.numpy as jnp
    >>> ferax.pmap(lambda x: x / ferax.lax.psum(x, "i"), axis_name="i")(jnp.array([2.0])).tolist()
    [1.0]
    """
    check_callable(fun, "pmap")
    if devices is not None and not len(devices):
        raise ValueError("'devices' argument to pmap must be non-empty, or None.")
    for what, axes in (("in_axes", in_axes), ("out_axes", out_axes)):
        if not all(type(leaf) is int for leaf in tree_leaves(axes)):
            raise TypeError(f"pmap {what} must be an int, None, or (nested) container with those types as leaves, but got {axes}.")
    if isinstance(axis_name, (tuple, list)):
        raise TypeError(f"pmap: axis_name must be one name, got {axis_name!r}")
    static = as_index_tuple(static_broadcasted_argnums, "static_broadcasted_argnums", "pmap")
    donated = as_index_tuple(donate_argnums, "donate_argnums", "pmap")
    if {*static} & {*donated}:
        raise ValueError(f"pmap: static_broadcasted_argnums {static} and donate_argnums {donated} cannot intersect.")
    info = _Mapped(fun, UNNAMED if axis_name is None else axis_name, in_axes, out_axes, static, donated,
                   None if devices is None else tuple(devices), backend, axis_size)

    def mapped(*args, **kwargs):
        program, leaves = info.program(args, kwargs)
        return program(*leaves)

    def lower(*args, **kwargs):
        """The program for these arguments, lowered; it takes their leaves."""
        program, leaves = info.program(args, kwargs)
        return program.lower(*leaves)

    wrapper = api_boundary(mapped)
    functools.update_wrapper(wrapper, fun, [a for a in functools.WRAPPER_ASSIGNMENTS if hasattr(fun, a)])
    wrapper.lower = api_boundary(lower)
    return wrapper


class _Mapped:
    """What a function under `pmap` knows: its options, and the jitted functions for the structures of arguments so far."""

    def __init__(self, fun, axis_name, in_axes, out_axes, static, donated, devices, backend, axis_size):
        self.fun, self.axis_name, self.in_axes, self.out_axes = fun, axis_name, in_axes, out_axes
        self.static, self.donated = static, donated
        self.devices, self.backend, self.axis_size = devices, backend, axis_size
        self.programs: dict = {}

    def program(self, args, kwargs):
        """The jitted function of flat arguments for arguments like these, and the flat arguments."""
        static, dynamic = self.split(args)
        leaves, in_tree = tree_flatten((dynamic, kwargs))
        names = lambda: debug_info_for("pmap", self.fun, args, kwargs, static_argnums={i for i, _ in static}).arg_names
        check_arraylike(leaves, "pmap", names)
        axes = self.flat_axes(static, dynamic, in_tree, leaves)
        mesh = self.mesh(self.size(leaves, axes, names))
        placed = core.is_evaluating() and not any(isinstance(x, core.Tracer) for x in leaves)
        key = (in_tree, axes, tuple([(i, type(x), x) for i, x in static]), mesh, placed)
        try:
            found = self.programs.get(key)
        except TypeError:
            i, x = next((i, x) for i, x in static if not _hashes(x))
            raise ValueError("Non-hashable static arguments are not supported, as this can lead to unexpected cache-misses. Static "
                             f"argument (index {i}) of type {type(x)} for function {name_of(self.fun)} is non-hashable.") from None
        if found is None:
            found = self.programs[key] = self.make(in_tree, axes, static, len(args), mesh, placed, dynamic)
        return found, leaves

    def split(self, args):
        """Static arguments with their positions, and the others."""
        n = len(args)
        if not self.static:
            return (), args
        if max(self.static) >= n:
            raise ValueError(f"pmapped function has static_broadcasted_argnums={self.static} but was called with only {n} positional "
                             f"argument{'s' if n > 1 else ''}. All static broadcasted arguments must be passed positionally.")
        positions = {i % n for i in self.static}
        return tuple([(i, args[i]) for i in sorted(positions)]), tuple([x for i, x in enumerate(args) if i not in positions])

    def flat_axes(self, static, dynamic, in_tree, leaves) -> tuple:
        """For each flat argument its mapped axis, counted from the front, or None."""
        axes = self.in_axes
        if isinstance(axes, tuple) and static and len(axes) == len(static) + len(dynamic):
            positions = {i for i, _ in static}
            axes = tuple([a for i, a in enumerate(axes) if i not in positions])
        flat = flatten_axes("pmap in_axes", in_tree, (axes, 0), kws=True)
        return tuple([self.checked_axis(d, aval_of(x)) for d, x in zip(flat, leaves)])

    def checked_axis(self, d, aval):
        if d is None or (not aval.ndim and d in (0, -1)):       # a number among mapped arguments; `size` says so
            return d
        if not -aval.ndim <= d < aval.ndim:
            raise ValueError(f"pmap in_axes has the axis {d} for an argument of {name_of(self.fun)} of shape {aval.shape}, which has "
                             f"{aval.ndim} dimensions")
        return d % aval.ndim

    def size(self, leaves, axes, names) -> int:
        """The size of the mapped axis."""
        sizes = {aval_of(x).shape[d] for x, d in zip(leaves, axes) if d is not None and aval_of(x).ndim}
        if not sizes or any(d is not None and not aval_of(x).ndim for x, d in zip(leaves, axes)):
            if sizes:
                raise ValueError(f"pmap was asked to map {name_of(self.fun)} over an argument that is a scalar: pass None in in_axes for "
                                 "it.")
            raise ValueError("pmap requires at least one argument with a mapped axis.")
        if len(sizes) > 1:
            lines = [f"  * {name} of type {aval_of(x).str_short()} has axis {d} of size {aval_of(x).shape[d]}"
                     for name, x, d in zip(names(), leaves, axes) if d is not None]
            raise ValueError(f"pmap of {name_of(self.fun)} got inconsistent sizes for array axes to be mapped:\n" + "\n".join(lines))
        (size,) = sizes
        if self.axis_size is not None and self.axis_size != size:
            raise ValueError(f"Specified axis_size {self.axis_size} doesn't match received axis_size {size}.")
        return size

    def mesh(self, size: int) -> Mesh:
        devices = self.devices if self.devices is not None else tuple(devices_.devices(self.backend))
        if size > len(devices):
            raise ValueError(f"pmap of {name_of(self.fun)} over an axis of size {size} needs as many devices, but only {len(devices)} are "
                             f"there: {list(devices)}. Use vmap for what one device can do, or shard_map, where each device gets several "
                             "elements.")
        return Mesh(devices[:size], (self.axis_name,))

    def make(self, in_tree, axes, static, count, mesh, placed, dynamic):
        fun, out_axes = self.fun, self.out_axes

        def one(*leaves):
            """The function of one element, from and to parts in which the mapped axis has size 1."""
            given, named = tree_unflatten(in_tree, [x if d is None else squeeze(x, (d,)) for x, d in zip(leaves, axes)])
            given = list(given)
            for i, x in static:
                given.insert(i, x)
            out = fun(*given, **named)
            outs, out_tree = tree_flatten(out)
            where = flatten_axes("pmap out_axes", out_tree, out_axes)
            return tree_unflatten(out_tree, [x if d is None else expand_dims(x, (d,)) for x, d in zip(outs, where)])

        one.__name__ = one.__qualname__ = name_of(fun)
        in_specs = tuple([axes_to_specs(self.axis_name, d, "pmap in_axes") for d in axes])
        out_specs = axes_to_specs(self.axis_name, out_axes, "pmap out_axes")
        mapped = shard_map(one, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
        donated = []
        positions = [i for i in range(count) if i not in {k for k, _ in static}]
        start = 0
        for i, x in zip(positions, dynamic):
            n = len(tree_leaves(x))
            if i in {k % count for k in self.donated}:
                donated += range(start, start + n)
            start += n
        options: dict = {"donate_argnums": donated}
        if placed:
            options["in_shardings"] = tuple([NamedSharding(mesh, spec) for spec in in_specs])
            options["out_shardings"] = tree_map(lambda spec: NamedSharding(mesh, spec), out_specs)
        return jit(mapped, **options)


def _hashes(x) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True
