"""`shard_map_p`: a program that each device of a mesh runs on its own part of the operands.

Operands and results are whole arrays; ``in_specs`` says how each operand is cut over the manual mesh axes, ``out_specs``
how the parts of a result are joined. The program, ``jaxpr``, has the types of the parts. An axis that a spec does not
mention: each device along it gets the same part, or is taken to have computed the same.

That makes derivatives what they are. With f the program, T the cutting and joining, the whole is linear algebra with
copies: a part given to n devices has n cotangents, which are added up (``psum``); a result that n devices have
computed and one of which is taken has its cotangent shared out, 1/n to each.

What users call is in `api.shard_map`.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.control.collectives import psum_p
from ferax._src.control.manual_axes import manual_axes
from ferax._src.control.manual_context import ManualContext, in_mesh_order
from ferax._src.control.tracing_utils import eqn_like
from ferax._src.control.varying import summed_to
from ferax._src.ir.dce import dce_closed, keeps_alive
from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from ferax._src.ops.elementwise import div
from ferax._src.ops.shape import reshape
from ferax._src.runtime.array import physical_aval
from ferax._src.runtime.calls import Call
from ferax._src.runtime.lowering_module import ordered_effects
from ferax._src.runtime.lowering_shardings import manual_computation, mesh_symbol, named_dims
from ferax._src.runtime.program import CompiledProgram
from ferax._src.tracing.core import MappedAxis, NamedAxisEffect, Primitive, Zero, register, remember, state
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.transforms.batch import batch_jaxpr
from ferax._src.transforms.jvp import jvp_jaxpr
from ferax._src.transforms.split import rematerialize_jaxpr, split_jaxpr
from ferax._src.transforms.transpose import transpose_jaxpr
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.meshes import AbstractMesh, Mesh, get_mesh
from ferax._src.types.shardings import NamedSharding, PartitionSpec, spec_names
from ferax._src.util import source as source_info


# --- specs and types --------------------------------------------------------------------------------

def local_aval(mesh, spec, aval: ShapedArray, check_vma: bool) -> ShapedArray:
    """The type of the part of an array that is cut as ``spec`` says; sizes must be divisible.

    ``check_vma`` : whether the type says that the part varies along the axes of the spec
    """
    pieces = [math.prod(mesh.shape[name] for name in spec_names(part)) for part in spec]
    shape = [size // n for size, n in zip(aval.shape, pieces)]
    varying = aval.varying | mentioned(spec) if check_vma else aval.varying
    return ShapedArray((*shape, *aval.shape[len(shape):]), aval.dtype, aval.weak_type, varying=varying)


def global_aval(mesh, names, spec, aval: ShapedArray) -> ShapedArray:
    """The type of the array whose parts, along the manual axes ``names``, have type ``aval``."""
    pieces = [math.prod(mesh.shape[name] for name in spec_names(part)) for part in spec]
    shape = [size * n for size, n in zip(aval.shape, pieces)]
    return ShapedArray((*shape, *aval.shape[len(shape):]), aval.dtype, aval.weak_type, varying=aval.varying - names)


def mentioned(spec) -> set:
    """The mesh axes that a spec names."""
    return {name for part in spec for name in spec_names(part)}


def unmentioned(mesh, names, spec) -> tuple:
    """The axes among ``names`` along which a spec says that all have the same."""
    return in_mesh_order(mesh, set(names) - mentioned(spec))


def batched_spec(spec: PartitionSpec, d: int | None, part) -> PartitionSpec:
    """The spec of an array with one more dimension ``d``, cut as ``part`` says."""
    if d is None:
        return spec
    parts = [*spec, *[None] * (d - len(spec))]
    parts.insert(d, part)
    return spec.update(partitions=parts)


# --- the primitive ----------------------------------------------------------------------------------

class ShardMap(Primitive):
    """Operands are cut by ``in_specs``, ``jaxpr`` runs everywhere, its results are joined by ``out_specs``.

    ``mesh`` may be abstract; ``newly_manual_axes`` are the axes that the specs and the program may name, beside those that
    are manual in the mesh already. ``check_vma`` says whether the program's types know along which axes values vary.
    """

    name = "shard_map"
    has_effects = True
    holds_jaxprs = True
    types_varying = True
    handles_extended_dtypes = True

    def abstract_eval(self, *avals, jaxpr, mesh, out_specs, newly_manual_axes, **params):
        return [global_aval(mesh, newly_manual_axes, spec, aval) for spec, aval in zip(out_specs, jaxpr.out_avals)]

    def effects_of(self, *avals, jaxpr, newly_manual_axes, **params):
        return jaxpr.effects - {NamedAxisEffect(name) for name in newly_manual_axes}

    def program_for(self, args, params):
        return compiled_for(args, params)

    def lower(self, ctx, *values, jaxpr, mesh, in_specs, out_specs, newly_manual_axes, **params):
        context = ManualContext.inside(ctx, mesh, newly_manual_axes)
        names = in_mesh_order(context.mesh, newly_manual_axes)
        if math.prod(context.mesh.shape[name] for name in names) == 1:
            with ctx.named_axes(context):
                return ctx.inline(jaxpr, *values, scope="shard_map")
        if ctx.state.num_partitions != context.mesh.size:
            raise ValueError(f"shard_map: the program is lowered for {ctx.state.num_partitions} devices, but the mesh has "
                             f"{context.mesh.size}: {mesh}")
        if ordered_effects(jaxpr.effects):
            raise ValueError("Ordered effects are not supported for more than 1 device, but the function given to shard_map has "
                             f"some: {ordered_effects(jaxpr.effects)}.")
        symbol = mesh_symbol(ctx.state, context.mesh)
        partly = len(context.names) < len(context.mesh.axis_names)      # the compiler may cut along the other axes

        def attribute(spec, ndim):
            return ctx.bench.sdy_sharding(symbol, named_dims(spec, ndim, open_dims=partly))

        in_shardings = [attribute(s, physical_aval(a).ndim) for s, a in zip(in_specs, ctx.avals_in)]
        types, places = ctx.types(jaxpr.in_avals), []
        if partly or getattr(ctx.axis_context, "holds_values", False):  # there the number of the partition may not be asked for
            for name in context.names:
                places.append(_numbers(ctx, context.mesh.shape[name]) if name in names else ctx.axis_context.places[name])
                in_shardings.insert(len(places) - 1, attribute(PartitionSpec(name if name in names else None), 1))
            types = [ctx.tensor((1,), np.int32)] * len(places) + types

        def body(*parts):
            inner = context.with_places(parts[:len(places)]) if places else context
            with ctx.named_axes(inner):
                return ctx.inline(jaxpr, *parts[len(places):], scope="shard_map")

        return manual_computation(
            ctx, context.mesh, names, [*places, *values], in_shardings,
            [attribute(s, physical_aval(a).ndim) for s, a in zip(out_specs, ctx.avals_out)],
            types, ctx.types(ctx.avals_out), body, hidden=ctx.state.hidden_constants(jaxpr), axis_context=context)

    def jvp(self, primals, tangents, *, jaxpr, mesh, in_specs, out_specs, check_vma, newly_manual_axes):
        active = [type(t) is not Zero for t in tangents]
        with manual_axes(mesh, newly_manual_axes, check_vma):
            program, out_active = jvp_jaxpr(jaxpr, active)
        results = self.bind(*primals, *(t for t in tangents if type(t) is not Zero), jaxpr=program, mesh=mesh,
                            in_specs=(*in_specs, *_chosen(in_specs, active)), out_specs=(*out_specs, *_chosen(out_specs, out_active)),
                            check_vma=check_vma, newly_manual_axes=newly_manual_axes)
        outs, given = results[:len(out_active)], iter(results[len(out_active):])
        return outs, [next(given) if a else Zero.of(out) for a, out in zip(out_active, outs)]

    def transpose(self, cts, *args, jaxpr, mesh, in_specs, out_specs, check_vma, newly_manual_axes):
        linear = [isinstance(x, ShapedArray) for x in args]
        active = [type(ct) is not Zero for ct in cts]
        program, in_active = transposed(jaxpr, linear, active, mesh, in_specs, out_specs, newly_manual_axes, check_vma)
        linear_specs = _chosen(in_specs, linear)
        results = iter(self.bind(
            *(x for x in args if not isinstance(x, ShapedArray)), *(ct for ct in cts if type(ct) is not Zero), jaxpr=program, mesh=mesh,
            in_specs=(*_chosen(in_specs, [not is_linear for is_linear in linear]), *_chosen(out_specs, active)),
            out_specs=_chosen(linear_specs, in_active), check_vma=check_vma, newly_manual_axes=newly_manual_axes))
        answered = iter(in_active)
        return [(next(results) if next(answered) else Zero.of(x)) if is_linear else None for x, is_linear in zip(args, linear)]

    def batch(self, axis, args, dims, *, jaxpr, mesh, in_specs, out_specs, check_vma, newly_manual_axes):
        part = axis.spmd_name if axis.spmd_name is None or isinstance(axis.spmd_name, tuple) else (axis.spmd_name,)
        local = axis
        if part is not None:                    # the mapped axis is cut too, over mesh axes that nothing else here names
            for what, specs in (("in_specs", in_specs), ("out_specs", out_specs)):
                if any(mentioned(spec) & {*part} for spec in specs):
                    raise ValueError(f"vmap spmd_axis_name cannot appear in shard_map {what}: {axis.spmd_name!r} is in {specs}")
            local = MappedAxis(axis.size // math.prod(mesh.shape[name] for name in part), axis.name, axis.spmd_name)
        with manual_axes(mesh, newly_manual_axes, check_vma):
            program, out_dims = batch_jaxpr(jaxpr, dims, local)
        return self.bind(*args, jaxpr=program, mesh=mesh, in_specs=tuple([batched_spec(s, d, part) for s, d in zip(in_specs, dims)]),
                         out_specs=tuple([batched_spec(s, d, part) for s, d in zip(out_specs, out_dims)]),
                         check_vma=check_vma, newly_manual_axes=newly_manual_axes), out_dims

    def partial_eval(self, eqn: Eqn, unknown):
        params = eqn.params
        with manual_axes_of(params):
            split = split_jaxpr(params["jaxpr"], unknown)
        n = split.n_known_out
        known_vars = [v for v, u in zip(eqn.invars, unknown) if not u]
        known_outs = [v for v, u in zip(eqn.outvars, split.out_unknown) if not u]
        known_specs = _chosen(params["in_specs"], [not u for u in unknown])
        known_out_specs = _chosen(params["out_specs"], [not u for u in split.out_unknown])
        residuals = Residuals(params, split.known.out_avals[n:])
        results = [*known_outs, *residuals.variables]
        eqns = []
        if results or split.known.effects:
            jaxpr = residuals.handed_out(split.known, n)
            eqns.append(_shard_map_eqn(eqn, known_vars, results, dict(
                params, jaxpr=jaxpr, in_specs=known_specs, out_specs=(*known_out_specs, *residuals.specs))))
        sources = {"in": (known_vars, known_specs), "out": (known_outs, known_out_specs), "extra": (residuals.variables, residuals.specs)}
        second = _shard_map_eqn(
            eqn, [*(sources[kind][0][i] for kind, i in split.residuals), *(v for v, u in zip(eqn.invars, unknown) if u)],
            [v for v, u in zip(eqn.outvars, split.out_unknown) if u], dict(
                params, jaxpr=residuals.taken_in(split.unknown, split.residuals),
                in_specs=(*(sources[kind][1][i] for kind, i in split.residuals), *_chosen(params["in_specs"], unknown)),
                out_specs=_chosen(params["out_specs"], split.out_unknown)))
        return eqns, [second], list(split.out_unknown)

    def rematerialize(self, eqn: Eqn, needed, saveable):
        """The policy of a `checkpoint` around the call is about the operations in it."""
        params = eqn.params
        with manual_axes_of(params):
            split = rematerialize_jaxpr(params["jaxpr"], needed, saveable)
        residuals = Residuals(params, split.extra_avals)
        first = _shard_map_eqn(eqn, eqn.invars, [*eqn.outvars, *residuals.variables], dict(
            params, jaxpr=residuals.handed_out(split.first, len(eqn.outvars)), out_specs=(*params["out_specs"], *residuals.specs)))
        sources = {"in": (eqn.invars, params["in_specs"]), "out": (eqn.outvars, params["out_specs"]),
                   "extra": (residuals.variables, residuals.specs)}
        wanted = [asked and not kept for asked, kept in zip(needed, split.kept)]
        again = _shard_map_eqn(eqn, [sources[kind][0][i] for kind, i in split.residuals], _chosen(eqn.outvars, wanted), dict(
            params, jaxpr=residuals.taken_in(split.again, split.residuals),
            in_specs=tuple([sources[kind][1][i] for kind, i in split.residuals]), out_specs=_chosen(params["out_specs"], wanted)))
        return [first], [again]

    def dce(self, eqn: Eqn, used):
        if not any(used) and not keeps_alive(eqn):
            return None
        params = eqn.params
        program, used_ins = dce_closed(params["jaxpr"], used)
        return _shard_map_eqn(eqn, _chosen(eqn.invars, used_ins), _chosen(eqn.outvars, used), dict(
            params, jaxpr=program, in_specs=_chosen(params["in_specs"], used_ins), out_specs=_chosen(params["out_specs"], used)))


shard_map_p = register(ShardMap())


def _numbers(ctx, size: int):
    return ctx.op("stablehlo.iota", (), [ctx.tensor((size,), np.int32)], {"iota_dimension": ctx.i64(0)}).result


def _chosen(items, mask) -> tuple:
    return tuple([x for x, chosen in zip(items, mask, strict=True) if chosen])


def _shard_map_eqn(like: Eqn, invars, outvars, params) -> Eqn:
    return eqn_like(like, shard_map_p, invars, outvars, params, shard_map_p.effects_of(**params))


def manual_axes_of(params):
    """What is in force in the program of a `shard_map`."""
    return manual_axes(params["mesh"], params["newly_manual_axes"], params["check_vma"])


def transposed(jaxpr: ClosedJaxpr, linear, active, mesh, in_specs, out_specs, names, check_vma) -> tuple[ClosedJaxpr, tuple]:
    """The program that each device runs in reverse: known operands ++ cotangents -> cotangents of the linear operands.

    Returns
    -------
    program : ClosedJaxpr; cached on ``jaxpr``
    in_active : one bool per linear operand: whether the program answers a cotangent for it
    """
    key = ("shard_map transpose", tuple(linear), tuple(active), mesh, in_specs, out_specs, names, check_vma)
    found = jaxpr.cache.get(key)
    if found is not None:
        return found
    with manual_axes(mesh, names, check_vma):
        program, in_active = transpose_jaxpr(jaxpr, linear, active)
        if check_vma:                           # sums and shares are in the program, as transposes of casts
            avals = [aval for aval, is_linear in zip(jaxpr.in_avals, linear) if is_linear]

            def run_checked(*values):
                return [summed_to(ct, aval.varying) for ct, aval in zip(eval_closed(program, *values), _chosen(avals, in_active))]

            found = trace_to_jaxpr(run_checked, program.in_avals), in_active
            remember(jaxpr.cache, key, found)
            return found
        known = len(linear) - sum(linear)
        shares = [math.prod(mesh.shape[name] for name in unmentioned(mesh, names, spec)) for spec in _chosen(out_specs, active)]
        sums = [unmentioned(mesh, names, spec) for spec in _chosen(_chosen(in_specs, linear), in_active)]

        def run(*values):
            cts = [ct if n == 1 else div(ct, aval_of(ct).dtype.type(n)) for ct, n in zip(values[known:], shares, strict=True)]
            outs = eval_closed(program, *values[:known], *cts)
            return [psum_p.bind(ct, axes=axes, axis_index_groups=None)[0] if axes else ct for ct, axes in zip(outs, sums, strict=True)]

        found = trace_to_jaxpr(run, program.in_avals), in_active
    remember(jaxpr.cache, key, found)
    return found


class Residuals:
    """Values of the devices that one part of a program hands to a later one.

    Outside they are arrays of which each device has its own piece, along the first dimension; a scalar gets one for it.

    Where types say along which axes values vary, those that do not vary stay as they are.

    Parameters
    ----------
    params : of the `shard_map`
    avals : types of the values on one device
    """

    def __init__(self, params, avals):
        mesh, names = params["mesh"], params["newly_manual_axes"]
        cut = [in_mesh_order(mesh, names & aval.varying if params["check_vma"] else names) for aval in avals]
        self.params, self.avals = params, avals
        self.promoted = [bool(axes) and not aval.ndim for axes, aval in zip(cut, avals)]
        self.specs = tuple([PartitionSpec(axes) if axes else PartitionSpec() for axes in cut])
        self.variables = [Var(global_aval(mesh, names, spec, _with_dimension(aval) if p else aval))
                          for spec, aval, p in zip(self.specs, avals, self.promoted)]

    def handed_out(self, closed: ClosedJaxpr, first: int) -> ClosedJaxpr:
        """A program whose results from ``first`` on are the residuals, with those that are scalars made arrays."""
        if not any(self.promoted):
            return closed

        def run(*args):
            outs = eval_closed(closed, *args)
            return [*outs[:first], *(reshape(x, (1,)) if p else x for x, p in zip(outs[first:], self.promoted, strict=True))]

        with manual_axes_of(self.params):
            return trace_to_jaxpr(run, closed.in_avals, closed.jaxpr.debug_info)

    def taken_in(self, closed: ClosedJaxpr, sources) -> ClosedJaxpr:
        """A program whose leading operands come from ``sources``, pairs of kind and index, with residuals as they are outside."""
        promoted = [kind == "extra" and self.promoted[i] for kind, i in sources]
        if not any(promoted):
            return closed
        avals = [_with_dimension(aval) if i < len(promoted) and promoted[i] else aval for i, aval in enumerate(closed.in_avals)]

        def run(*args):
            return eval_closed(closed, *(reshape(x, ()) if i < len(promoted) and promoted[i] else x for i, x in enumerate(args)))

        with manual_axes_of(self.params):
            return trace_to_jaxpr(run, avals, closed.jaxpr.debug_info._replace(arg_names=None))


def _with_dimension(aval: ShapedArray) -> ShapedArray:
    return aval if aval.ndim else aval.update(shape=(1,))


# --- evaluation -------------------------------------------------------------------------------------

def compiled_for(args, params) -> CompiledProgram:
    """The program of a `shard_map` outside of any other: operands are brought to where the specs say, results stay so.

    Raises
    ------
    ValueError : if an operand is committed to other devices, or the mesh is abstract and no operand lies on a real one.
    """
    names = params["newly_manual_axes"]
    mesh = concrete_mesh(args, params["mesh"])
    for x in args:
        if x.committed and x.sharding._device_list != mesh.device_list and x.sharding.device_set != {*mesh.devices.flat}:
            raise ValueError("Received incompatible devices for jitted computation. Got an argument of shard_map with "
                             f"shape {x.aval.str_short(short_dtypes=False)} and device ids {[d.id for d in x.sharding._device_list]} "
                             f"and the mesh {mesh} with device ids {[d.id for d in mesh.devices.flat]}. Move the argument with "
                             "`device_put`.")
    params = dict(params, mesh=mesh)
    invars, outvars = [Var(x.aval) for x in args], [Var(aval) for aval in shard_map_p.abstract_eval(**params)]
    effects = shard_map_p.effects_of(**params)
    where = source_info.current() if state.source is None else state.source or None
    eqn = Eqn(shard_map_p, invars, outvars, params, effects, where, state.name_stack)
    in_shardings = out_shardings = None
    if {*names} == {*mesh.axis_names}:          # along other axes operands may be cut, and results will be, as they like
        in_shardings, out_shardings = (tuple([NamedSharding(mesh, spec) for spec in params[specs]]) for specs in ("in_specs", "out_specs"))
    return Call(ClosedJaxpr(Jaxpr([], invars, outvars, [eqn], effects)), name="shard_map", in_shardings=in_shardings,
                out_shardings=out_shardings).program(args)


def concrete_mesh(args, mesh):
    """The mesh of devices to run on: the one given, that of the context, or the one that an argument lies on."""
    if isinstance(mesh, Mesh):
        return mesh
    context = get_mesh()
    if context.shape_tuple == mesh.shape_tuple:
        return context
    for x in args:
        found = getattr(getattr(x, "sharding", None), "mesh", None)
        if isinstance(found, Mesh):
            if found.shape_tuple != mesh.shape_tuple:
                raise ValueError(f"Mesh shape of the input {found.shape_tuple} does not match the mesh shape passed to shard_map "
                                 f"{mesh.shape_tuple} for shape {aval_of(x).str_short()}")
            return found
    raise ValueError("Please pass arrays with a `NamedSharding` as input to `shard_map` when passing `AbstractMesh` to the mesh argument; "
                     f"got {AbstractMesh.__name__} {mesh}")
