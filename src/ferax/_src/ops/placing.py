"""Where results lie: the option ``out_sharding`` of operations, as a sharding put on their results."""

from __future__ import annotations

from ferax._src.runtime.transfer import put_leaf
from ferax._src.types.meshes import get_abstract_mesh, get_mesh
from ferax._src.types.shardings import NamedSharding, PartitionSpec, Sharding


def placed(x, out_sharding, name: str):
    """``x`` laid out as ``out_sharding``: moved there, or inside a program constrained to be there.

    Parameters
    ----------
    x : array
    out_sharding : Sharding, or PartitionSpec over the mesh in use
    name : of the operation, for errors
    """
    if isinstance(out_sharding, PartitionSpec):
        mesh = get_mesh()
        if mesh.empty:
            mesh = get_abstract_mesh()
        if mesh.empty:
            raise ValueError(f"{name}: out_sharding={out_sharding} names axes of a mesh, and no mesh is in use; use a "
                             "NamedSharding, or ferax.set_mesh")
        out_sharding = NamedSharding(mesh, out_sharding)
    if not isinstance(out_sharding, Sharding):
        raise TypeError(f"{name}: out_sharding must be a NamedSharding or a PartitionSpec, got {out_sharding!r}")
    return put_leaf(x, out_sharding)
