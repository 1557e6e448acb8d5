"""Mesh axes taken by hand: what is in force while the body of a `shard_map` is traced and transformed."""

from __future__ import annotations

import contextlib

from ferax._src.control.manual_context import in_mesh_order
from ferax._src.control.varying import keep_track
from ferax._src.types.meshes import AbstractMesh, AxisType, Mesh, use_abstract_mesh
from ferax._src.util import config


@contextlib.contextmanager
def manual_axes(mesh: Mesh | AbstractMesh, names, check_vma: bool):
    """Within, the names of mesh axes are bound, and the mesh of the context has them as manual ones.

    Parameters
    ----------
    mesh : the mesh of the `shard_map`; axes of an outer one are manual in it already
    names : the axes that become manual here
    check_vma : whether types say along which of them values vary
    """
    tracked = config.varying_axes.value | names if check_vma else config.varying_axes.value - names
    if check_vma:
        keep_track()
    inner = mesh.abstract_mesh.update_axis_types(dict.fromkeys(names, AxisType.Manual))
    bound = tuple([(name, mesh.shape[name]) for name in in_mesh_order(mesh, names)])
    with use_abstract_mesh(inner), config.axis_env((*config.axis_env.value, *bound)), config.varying_axes(tracked):
        yield
