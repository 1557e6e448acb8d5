"""``lax.with_sharding_constraint``: how a value inside a program over several devices shall be cut among them.

A program runs on the devices of its committed arguments; if there are none, on those of the shardings inside it. Where
that is one device a constraint says nothing.
"""

from __future__ import annotations

from ferax._src.ops.convert import as_array
from ferax._src.runtime.lowering_shardings import constrain
from ferax._src.runtime.transfer import put_leaf
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.types.meshes import get_abstract_mesh, get_mesh
from ferax._src.types.pytrees import flatten_axes, tree_flatten, tree_unflatten
from ferax._src.types.shardings import UNCONSTRAINED, NamedSharding, PartitionSpec, Sharding, spec_names
from ferax._src.util.tracebacks import api_boundary


class ShardingConstraint(Primitive):
    """The operand, cut as ``sharding`` says.  Shardy: ``sharding_constraint``."""

    name = "sharding_constraint"
    handles_extended_dtypes = True

    def abstract_eval(self, x, *, sharding):
        return [x]

    def evaluate(self, args, params):
        return [put_leaf(as_array(args[0]), params["sharding"])]

    def lower(self, ctx, x, *, sharding):
        return [constrain(ctx, x, ctx.avals_in[0], sharding)]

    def jvp(self, primals, tangents, *, sharding):
        outs = self.bind(*primals, sharding=sharding)
        (t,) = tangents
        return outs, [t] if type(t) is Zero else self.bind(t, sharding=sharding)

    def transpose(self, cts, x, *, sharding):
        return self.bind(*cts, sharding=sharding)

    def batch(self, axis, args, dims, *, sharding):
        (d,) = dims
        if isinstance(sharding, NamedSharding) and d is not None:
            parts = list(sharding.spec)
            parts += [None] * (d - len(parts))
            parts.insert(d, UNCONSTRAINED if axis.spmd_name is None else axis.spmd_name)
            sharding = sharding.update(spec=sharding.spec.update(partitions=parts))
        elif len(sharding._device_list) > 1 and not sharding.is_fully_replicated:
            return list(args), dims             # how it would cut one dimension more is not said
        return self.bind(args[0], sharding=sharding), [d]


sharding_constraint_p = register(ShardingConstraint())


@api_boundary
def with_sharding_constraint(x, shardings):
    """``x``, with shardings that the compiler keeps to.

    Parameters
    ----------
    x : pytree of arrays
    shardings : pytree of shardings, a prefix of ``x``: `NamedSharding`, or `PartitionSpec` where a mesh is set.
        ``PartitionSpec.UNCONSTRAINED`` leaves a dimension to the compiler

    Returns
    -------
    pytree of the same values. Outside of programs they are moved there

    Raises
    ------
    ValueError : if a sharding has more dimensions than its array or, outside of a program, does not divide it evenly.
    RuntimeError : for a `PartitionSpec` where no mesh is set.
    TypeError : for what is no sharding.
    """
    leaves, tree = tree_flatten(x)
    flat = [_as_sharding(s) for s in flatten_axes("with_sharding_constraint shardings", tree, shardings)]
    outs = []
    for leaf, sharding in zip(leaves, flat):
        leaf = as_array(leaf)
        if isinstance(sharding, NamedSharding) and len(sharding.spec) > leaf.ndim:
            raise ValueError(f"One of with_sharding_constraint arguments is incompatible with its sharding annotation {sharding}: the spec "
                             f"{sharding.spec} is only valid for values of rank at least {len(sharding.spec)}, but was applied to a value "
                             f"of rank {leaf.ndim}, of shape {leaf.shape}")
        if isinstance(sharding, NamedSharding):
            by_hand = [n for part in sharding.spec for n in spec_names(part) if n in get_abstract_mesh().manual_axes]
            if by_hand:
                raise ValueError("The spec of a sharding passed to with_sharding_constraint can only refer to axes of the mesh that are "
                                 f"left to the compiler. Got spec={sharding.spec}, but {', '.join(map(repr, by_hand))} is manual in the "
                                 "shard_map around it.")
        outs += sharding_constraint_p.bind(leaf, sharding=sharding)
    return tree_unflatten(tree, outs)


def _as_sharding(leaf) -> Sharding:
    if leaf is None:
        raise ValueError("One of with_sharding_constraint arguments got sharding None which is not allowed. Please only pass "
                         "`ferax.sharding.Sharding` instances.")
    if not isinstance(leaf, (Sharding, PartitionSpec)) and isinstance(getattr(leaf, "sharding", None), Sharding):
        leaf = leaf.sharding                    # a Format: layout and sharding
    if isinstance(leaf, Sharding):
        return leaf
    if not isinstance(leaf, PartitionSpec):
        raise TypeError("with_sharding_constraint: shardings leaf specifications are expected to be PartitionSpec or Sharding instances, "
                        f"but got {leaf!r}")
    mesh = get_mesh()
    if mesh.empty:
        mesh = get_abstract_mesh()
    if mesh.empty:
        raise RuntimeError("with_sharding_constraint requires a non-empty mesh in context if you are passing `PartitionSpec`s to "
                           "shardings. Set one with ferax.set_mesh(mesh), or pass NamedSharding(mesh, spec). See "
                           "docs/errors/sharding-mesh.md")
    return NamedSharding(mesh, leaf)
