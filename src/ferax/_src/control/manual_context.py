"""What named axes mean where a program is lowered: axes of a mesh, along which devices run it by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ferax._src.runtime.lowering_shardings import partition_order
from ferax._src.types.meshes import AbstractMesh, Mesh


def in_mesh_order(mesh, names) -> tuple:
    """The names, in the order that the mesh has its axes."""
    return tuple([name for name in mesh.axis_names if name in names])


@dataclass(frozen=True)
class ManualContext:
    """What named axes mean in a region of a module: axes of a mesh whose devices run the program.

    names : the manual axes
    partitions : the program's partition at each place of the mesh
    places : for each manual axis a value of shape (1,), the place of the present device along it; None where the number
        of the partition says it. They may be read in the region, not in functions that it calls
    """

    mesh: Mesh | AbstractMesh
    names: tuple
    partitions: np.ndarray = field(compare=False, repr=False)
    places: dict | None = field(default=None, compare=False, repr=False)

    @property
    def holds_values(self) -> bool:
        return self.places is not None

    @staticmethod
    def inside(ctx, mesh, names) -> ManualContext:
        """The context of a region in which ``names`` are manual too, beside those that are already."""
        outer = ctx.axis_context
        if isinstance(outer, ManualContext):
            mesh, names = outer.mesh, {*outer.names, *names}
        order = np.asarray(partition_order(ctx.state, mesh) or np.arange(mesh.size))
        return ManualContext(mesh, in_mesh_order(mesh, names), order.reshape(mesh.axis_sizes))

    def with_places(self, values) -> ManualContext:
        """The same with the places along all axes."""
        return replace(self, places=dict(zip(self.names, values, strict=True)))

    def groups(self, names, axis_index_groups=None) -> np.ndarray:
        """Partitions that take part in a collective over axes together: a row for each group, the last axis fastest.

        ``axis_index_groups`` parts each row further, by places in it.
        """
        axes = [self.mesh.axis_names.index(name) for name in names]
        rest = [i for i in range(self.partitions.ndim) if i not in axes]
        size = int(np.prod([self.mesh.axis_sizes[i] for i in axes], dtype=int))
        rows = self.partitions.transpose(*rest, *axes).reshape(-1, size)
        if axis_index_groups is None:
            return rows
        return np.concatenate([row[np.asarray(axis_index_groups, int)] for row in rows])
