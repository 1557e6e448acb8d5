"""Shardings inside a module: on arguments and results, as constraints, and regions where each device has its own part.

All are written for the Shardy partitioner, as ``#sdy.sharding`` over an ``sdy.mesh`` of the module.  A named sharding
brings its mesh; one in XLA's own terms gets a mesh made for it, with an axis per tiled dimension.  (XLA's text form in
``mhlo.sharding`` is read only by the older partitioner.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ferax._src.engine.sharding import REPLICATED, OpSharding
from ferax._src.ir.jaxpr import ClosedJaxpr, jaxprs_in_params
from ferax._src.runtime.array import physical_aval
from ferax._src.runtime.lowering_module import ModuleState
from ferax._src.types.meshes import AbstractMesh, Mesh
from ferax._src.types.shardings import UNCONSTRAINED, NamedSharding, PartitionSpec, Sharding, spec_names

if TYPE_CHECKING:
    from ferax._src.runtime.lowering_context import LoweringContext


def mesh_symbol(state: ModuleState, mesh: Any) -> str:
    """The name of the module's ``sdy.mesh`` for ``mesh``, written at its first use.

    Meshes that differ only in the types of their axes, or in that one has no devices, have one symbol.
    """
    found = state.meshes.get(mesh)
    if found is None:
        axes, order = tuple(_axes(mesh)), tuple(partition_order(state, mesh))
        found = state.meshes[mesh] = _write_mesh(state, (axes, order), axes, order)
    return found


def _write_mesh(state: ModuleState, key: Any, axes: Sequence[tuple[str, int]], order: Sequence[int]) -> str:
    found = state.meshes.get(key)
    if found is None:
        found = state.meshes[key] = state.write_mesh("mesh", axes, order)
    return found


def _axes(mesh: Any) -> list[tuple[str, int]]:
    return [(str(name), size) for name, size in zip(mesh.axis_names, mesh.axis_sizes)]


def partition_order(state: ModuleState, mesh: Any) -> Sequence[int]:
    """Positions of the mesh's devices in the program's device list; empty where they are 0, 1, 2, ..."""
    devices = getattr(mesh, "device_list", None)
    if state.device_ids is None or devices is None or state.num_partitions == 1:
        return ()
    position = {device: i for i, device in enumerate(state.device_ids)}
    order = [position[d.id] for d in devices]
    return () if order == list(range(len(order))) else order


def named_sharding_attribute(state: ModuleState, sharding: NamedSharding, ndim: int) -> Any:
    """``#sdy.sharding<...>``."""
    spec = sharding.spec
    return state.bench.sdy_sharding(
        mesh_symbol(state, sharding.mesh), named_dims(spec, ndim), (), sorted(map(str, spec.unreduced))
    )


def named_dims(spec: PartitionSpec, ndim: int, open_dims: bool = False) -> list[tuple[tuple[str, ...], bool]]:
    """For each dimension the axes that cut it, and whether it is closed; ``open_dims``: all may be cut further."""
    dims = []
    for i in range(ndim):
        part = spec[i] if i < len(spec) else None
        is_open = part is UNCONSTRAINED or open_dims
        dims.append((tuple(map(str, spec_names(part))), not is_open))
    return dims


def tiled_sharding_attribute(state: ModuleState, hlo: Any, ndim: int) -> Any:
    """``#sdy.sharding<...>`` for a sharding in XLA's own terms."""
    bench = state.bench
    if not hlo.is_tiled():  # replicated, or nothing that an array can have
        return bench.sdy_sharding(_tile_mesh(state, (state.num_partitions,), ()), [((), True)] * ndim)
    tiles = tuple(hlo.tile_assignment_dimensions())
    order = tuple(hlo.tile_assignment_devices())
    symbol = _tile_mesh(state, tiles, () if order == tuple(range(len(order))) else order)
    dims = [((f"d{i}",) if tiles[i] > 1 else (), True) for i in range(ndim)]
    unreduced = [
        f"d{ndim + i}" for i, kind in enumerate(hlo.subgroup_types()) if kind == OpSharding.Type.UNREDUCED
    ]
    return bench.sdy_sharding(symbol, dims, (), unreduced)


def _tile_mesh(state: ModuleState, tiles: tuple[int, ...], order: tuple[int, ...]) -> str:
    """The module's mesh with an axis ``d<i>`` for each entry of a tile assignment."""
    return _write_mesh(
        state, ("tiles", tiles, order), [(f"d{i}", size) for i, size in enumerate(tiles)], order
    )


def sharding_attribute(state: ModuleState, sharding: Any, ndim: int) -> Any:
    """The Shardy attribute for an array of ``ndim`` (physical) dimensions."""
    if isinstance(sharding, NamedSharding):
        return named_sharding_attribute(state, sharding, ndim)
    return tiled_sharding_attribute(state, sharding._to_xla_hlo_sharding(ndim), ndim)


def sharding_attributes(state: ModuleState, sharding: Any, aval: Any) -> dict[str, Any]:
    """The attributes that pin an argument or a result to a sharding."""
    if sharding is None or state.num_partitions == 1:
        return {}
    return {"sdy.sharding": sharding_attribute(state, sharding, physical_aval(aval).ndim)}


def replicated_attributes(state: ModuleState, aval: Any) -> dict[str, Any]:
    """The attributes of an argument that each device gets whole."""
    if state.num_partitions == 1:
        return {}
    return {"sdy.sharding": tiled_sharding_attribute(state, REPLICATED, physical_aval(aval).ndim)}


def constrain(ctx: LoweringContext, value: Any, aval: Any, sharding: Any) -> Any:
    """``value``, asked to be laid out as ``sharding``."""
    if sharding is None or ctx.state.num_partitions == 1:
        return value
    attrs = {"sharding": sharding_attribute(ctx.state, sharding, physical_aval(aval).ndim)}
    return ctx.op("sdy.sharding_constraint", (value,), [value.type], attrs).result


def shardings_inside(closed: ClosedJaxpr) -> list:
    """The shardings over several devices that a program's equations ask for; kept on it."""
    found = closed.cache.get("shardings inside")
    if found is None:
        shardings: dict[Any, None] = {}
        for eqn in closed.jaxpr.eqns:
            params = eqn.params
            given = params.get("in_shardings") or (), params.get("out_shardings") or (), (params.get("sharding"),)
            mesh = params.get("mesh")
            if isinstance(mesh, Mesh) and mesh.size:                    # of a shard_map: it runs on all of the mesh
                given = (*given, (NamedSharding(mesh, PartitionSpec()),))
            for sharding in (s for group in given for s in group if isinstance(s, Sharding)):
                if not isinstance(getattr(sharding, "mesh", None), AbstractMesh) and len(sharding._device_list) > 1:
                    shardings[sharding] = None
            for inner in jaxprs_in_params(params):
                if isinstance(inner, ClosedJaxpr):
                    shardings.update(dict.fromkeys(shardings_inside(inner)))
        found = closed.cache["shardings inside"] = list(shardings)
    return found


def manual_computation(
    ctx: LoweringContext,
    mesh: Any,
    manual_axes: Sequence[Any],
    operands: Sequence[Any],
    in_shardings: Sequence[Any],
    out_shardings: Sequence[Any],
    local_types: Sequence[Any],
    out_types: Sequence[Any],
    build: Callable[..., Sequence[Any]],
    *,
    hidden: Sequence[Any] = (),
    axis_context: Any = None,
) -> list:
    """A region in which each device computes on its own part: ``build(*local values) -> local results``.

    Parameters
    ----------
    operands, in_shardings : global values and how each is cut (``#sdy.sharding`` attributes)
    out_shardings, out_types : how the local results make up global ones, and the types of those
    local_types : types of the parts
    hidden : constants the body closes over (``hidden_constants``); they enter whole, as further operands
    axis_context : what named axes mean inside (``ctx.axis_context``)
    """
    bench = ctx.bench
    carried = [ctx.closed_over(c.value, c.aval) for c in hidden]
    symbol = mesh_symbol(ctx.state, mesh)
    whole = [bench.sdy_sharding(symbol, [((), True)] * v.type.rank) for v in carried]
    attrs = {
        "in_shardings": bench.sdy_shardings([*whole, *in_shardings]),
        "out_shardings": bench.sdy_shardings(out_shardings),
        "manual_axes": bench.sdy_manual_axes([str(a) for a in manual_axes]),
    }
    op = ctx.op("sdy.manual_computation", [*carried, *operands], out_types, attrs, regions=1)
    saved_hidden = ctx.hidden

    def body(*values: Any) -> Sequence[Any]:
        ctx.hidden = {id(c.value): v for c, v in zip(hidden, values)}
        with ctx.named_axes(axis_context):
            return build(*values[len(hidden) :])

    with ctx.own_values():
        ctx.region(
            op.regions[0], [v.type for v in carried] + list(local_types), body, terminator="sdy.return"
        )
    ctx.hidden = saved_hidden
    return list(op.results)
