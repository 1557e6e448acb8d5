"""`export`: a jitted function for chosen platforms and argument types, lowered once and for all.

    jit(f).trace(*specs) -> jaxpr -> StableHLO with all constants in it -> portable artifact -> `Exported`
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ferax._src.api.autodiff import vjp
from ferax._src.api.jit import jit
from ferax._src.api.stages import Traced, Wrapped
from ferax._src.api.staging import abstract_of
from ferax._src.ops import dimensions  # noqa: F401 (symbolic dimensions have values)
from ferax._src.runtime import devices as runtime_devices
from ferax._src.runtime.lowering_export import lower_for_export, to_artifact
from ferax._src.runtime.lowering_module import ordered_effects
from ferax._src.runtime.lowering_shardings import shardings_inside
from ferax._src.runtime.lowering_symbolic import context_for
from ferax._src.tools.export_checks import (
    DisabledSafetyCheck,
    check_custom_calls,
    maximum_supported_calling_convention_version,
    minimum_supported_calling_convention_version,
)
from ferax._src.tools.exported import Exported, argument_name, argument_names
from ferax._src.tracing.core import Tracer
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.types.meshes import AbstractMesh, empty_abstract_mesh
from ferax._src.types.pytrees import broadcast_prefix, prefix_errors, tree_flatten, tree_leaves_with_path
from ferax._src.types.shape_dtype import ShapeDtypeStruct
from ferax._src.types.shardings import GSPMDSharding, NamedSharding, PartitionSpec, SingleDeviceSharding
from ferax._src.types.symbolic_dims import is_symbolic_dim
from ferax._src.types.symbolic_solving import plan
from ferax._src.types.symbolic_parser import SymbolicScope, symbolic_shape
from ferax._src.util import config, errors
from ferax._src.util.tracebacks import api_boundary

_version = config.FLAGS["jax_export_calling_convention_version"]


def default_export_platform() -> str:
    """The platform that `export` lowers for if it is told none, the default device's: 'cpu', 'cuda', 'rocm' or 'tpu'."""
    client = runtime_devices.get_backend()
    if client.platform != "gpu":
        return client.platform
    return "rocm" if "rocm" in client.platform_version.lower() else "cuda"


def export(fun_jit: Wrapped, *, platforms: Sequence[str] | None = None, disabled_checks: Sequence[DisabledSafetyCheck] = (),
           _override_lowering_rules: Sequence[tuple[Any, Any]] | None = None) -> Callable[..., Exported]:
    """Lower a function once and for all, to be kept as bytes and called in other processes.

    Parameters
    ----------
    fun_jit : callable; what `jit` answers
    platforms : sequence of str
        Of 'cpu', 'cuda', 'rocm' and 'tpu'; by default the platform of the default device. None of the devices need be here.
    disabled_checks : sequence of DisabledSafetyCheck
        Checks to leave out, of custom calls now and of the platform at calls.

    Returns
    -------
    callable
        Takes what the function takes, or `ShapeDtypeStruct`s in the place of arrays, with symbolic dimensions where sizes shall
        be free (`symbolic_args_specs`). Answers an `Exported`.

    Raises
    ------
    ValueError : if the function is not jitted, for custom calls that another process may not have, or symbolic dimensions of
        different scopes
    NotImplementedError : for functions that call Python, and operations that cannot have symbolic sizes

    Examples
    --------
    >>> import ferax, ferax.numpy as jnp
    >>> from ferax import export
    >>> specs = export.symbolic_args_specs((jnp.zeros((2, 3)),), "n, ...")
    >>> exported = export.export(ferax.jit(lambda x: x.sum(axis=1)))(*specs)
    >>> exported.in_avals, exported.out_avals
    ((ShapedArray(float32[n,3]),), (ShapedArray(float32[n]),))
    >>> export.deserialize(exported.serialize()).call(jnp.ones((4, 3))).tolist()
    [3.0, 3.0, 3.0, 3.0]
    """
    if not isinstance(fun_jit, Wrapped):
        raise ValueError(f"Function to be exported must be the result of `jit` but is: {fun_jit}")
    if _override_lowering_rules:
        raise ValueError("export: _override_lowering_rules has rules in the form of JAX's own lowering, which Ferax does not have")
    if isinstance(platforms, str):
        raise ValueError(f"export: platforms must be a sequence of names, such as [{platforms!r}], got the text {platforms!r}")
    chosen = (default_export_platform(),) if platforms is None else tuple(platforms)
    if not chosen:
        raise ValueError("export: platforms must name at least one platform, got none")
    checks = tuple(disabled_checks)

    @api_boundary
    def do_export(*args_specs: Any, **kwargs_specs: Any) -> Exported:
        _check_scopes(args_specs, kwargs_specs)
        with config.cpu_lowerings("plain"):
            traced = fun_jit.trace(*args_specs, **kwargs_specs)
        return _export_traced(traced, chosen, checks)

    return do_export


def _check_scopes(args: Any, kwargs: Any) -> None:
    """All symbolic dimensions of the arguments must be of one scope."""
    first = None
    for path, leaf in tree_leaves_with_path((args, kwargs)):
        for d in getattr(leaf, "shape", ()):
            if is_symbolic_dim(d):
                where = argument_name(path)
                if first is None:
                    first = d.scope, where
                first[0].check_same(d, "when exporting", f"current (from {first[1]}) ", f"({where}) ")


def _export_traced(traced: Traced, platforms: tuple[str, ...], checks: tuple[DisabledSafetyCheck, ...]) -> Exported:
    version = _version.value
    low, high = minimum_supported_calling_convention_version, maximum_supported_calling_convention_version
    if not low <= version <= high:
        raise ValueError(f"The requested export calling convention version {version} is outside the range of supported versions "
                         f"[{low}..{high}]")
    closed = traced.jaxpr
    tracer = next((c for c in closed.consts if isinstance(c, Tracer)), None)
    if tracer is not None:
        raise errors.UnexpectedTracerError(tracer)
    call = traced._jitted.prepare(closed, traced._donated, traced.in_tree, traced.out_tree)
    n_in, n_out = len(closed.in_avals), len(closed.out_avals)
    given = [getattr(leaf, "sharding", None) if isinstance(leaf, ShapeDtypeStruct) else None for leaf in traced._leaves]
    in_shardings = [s if s is not None else g for s, g in zip(call.in_shardings or (None,) * n_in, given)]
    out_shardings = list(call.out_shardings or (None,) * n_out)
    asked = [s for s in (*in_shardings, *out_shardings, *shardings_inside(closed)) if s is not None]
    widest = max(asked, key=_count_devices, default=None)
    count = 1 if widest is None else _count_devices(widest)
    several = count > 1
    devices = list(widest._device_list) if several and not isinstance(getattr(widest, "mesh", None), AbstractMesh) else None
    symbolic = context_for(closed.in_avals)
    if symbolic is not None:                    # raises where the variables cannot be told from shapes
        plan([a.shape for a in closed.in_avals], argument_names(traced.in_tree))
    lowered, module = lower_for_export(
        closed, platforms, name=traced.fun_name, donated=call.donated, keep_unused=call.keep_unused or symbolic is not None,
        in_shardings=in_shardings if several else None, out_shardings=out_shardings if several else None,
        devices=devices, num_partitions=count, make_context=symbolic)
    check_custom_calls(module, checks)
    effects = ordered_effects(closed.effects)
    return Exported(
        fun_name=traced.fun_name, in_tree=traced.in_tree, in_avals=tuple(closed.in_avals), out_tree=traced.out_tree,
        out_avals=tuple(closed.out_avals), _has_named_shardings=True, in_shardings_hlo=(None,) * n_in,
        out_shardings_hlo=(None,) * n_out,
        _in_named_shardings=tuple([_named(s, a.ndim) for s, a in zip(in_shardings, closed.in_avals)]),
        _out_named_shardings=tuple([_named(s, a.ndim) for s, a in zip(out_shardings, closed.out_avals)]),
        nr_devices=count, platforms=platforms, ordered_effects=tuple(effects),
        unordered_effects=tuple(sorted((e for e in closed.effects if e not in effects), key=repr)),
        disabled_safety_checks=checks, mlir_module_serialized=to_artifact(module), calling_convention_version=version,
        module_kept_var_idx=tuple([i for i, kept in enumerate(lowered.kept) if kept]),
        uses_global_constants=len(platforms) > 1 or symbolic is not None,
        _get_vjp=lambda exported: _export_vjp(exported, closed))


def _count_devices(sharding: Any) -> int:
    mesh = getattr(sharding, "mesh", None)
    return math.prod(mesh.axis_sizes) if isinstance(mesh, AbstractMesh) else len(sharding._device_list)


def _named(sharding: Any, ndim: int) -> NamedSharding | None:
    """A sharding as one that can be kept: over a mesh without devices."""
    if sharding is None:
        return None
    if isinstance(sharding, NamedSharding):
        mesh = sharding.mesh
        return sharding.update(mesh=mesh if isinstance(mesh, AbstractMesh) else mesh.abstract_mesh)
    whole = PartitionSpec(*(None,) * ndim)
    if isinstance(sharding, SingleDeviceSharding):
        return NamedSharding(empty_abstract_mesh, whole, memory_kind=sharding.memory_kind)
    if isinstance(sharding, GSPMDSharding) and sharding.is_fully_replicated:
        return NamedSharding(empty_abstract_mesh, whole)
    raise TypeError(f"export: the sharding {sharding} cannot be kept; use a NamedSharding")


def _export_vjp(exported: Exported, closed: Any) -> Exported:
    """The derivative of what was exported, exported for the same platforms."""
    n = len(exported.in_avals)

    def fun_vjp(*primals_and_cotangents):
        _, pullback = vjp(lambda *xs: eval_closed(closed, *xs), *primals_and_cotangents[:n])
        return pullback(list(primals_and_cotangents[n:]))

    avals = [*exported.in_avals, *(a.to_tangent_aval() for a in exported.out_avals)]
    in_shardings = exported._in_named_shardings + exported._out_named_shardings
    shardings: dict[str, Any] = {}
    if any(s is not None for s in in_shardings):
        shardings = {"in_shardings": in_shardings, "out_shardings": exported._in_named_shardings}
    specs = [ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in avals]
    return export(jit(fun_vjp, **shardings), platforms=exported.platforms, disabled_checks=exported.disabled_safety_checks)(*specs)


def symbolic_args_specs(args: Any, shapes_specs: Any, constraints: Sequence[str] = (), scope: SymbolicScope | None = None) -> Any:
    """Arguments as `ShapeDtypeStruct`s with symbolic dimensions, for `export`.

    Parameters
    ----------
    args : pytree of arrays or of things with shape and dtype
    shapes_specs : None, str, or a pytree of them that is a prefix of ``args``
        Shapes as text, as for `symbolic_shape`; ``_`` and ``...`` take dimensions from ``args``, None all of them.
    constraints, scope : as for `symbolic_shape`

    Returns
    -------
    pytree like ``args``

    Raises
    ------
    ValueError : for text that is no shape, or specifications that are no prefix of the arguments
    """
    if scope is None:
        scope = SymbolicScope(constraints)
    elif constraints:
        raise ValueError("Cannot use both `scope` and `constraints`")
    if isinstance(args, tuple) and isinstance(shapes_specs, list):
        shapes_specs = tuple(shapes_specs)
    leaves, tree = tree_flatten(args)
    try:
        specs = broadcast_prefix(shapes_specs, args, is_leaf=lambda x: x is None)
    except ValueError:
        found = next(iter(prefix_errors(shapes_specs, args, is_leaf=lambda x: x is None)), None)
        if found is None:
            raise
        raise found("export.symbolic_args_specs shapes_specs") from None
    structs = []
    for leaf, spec in zip(leaves, specs, strict=True):
        known = leaf if isinstance(leaf, ShapeDtypeStruct) else abstract_of(leaf)
        structs.append(ShapeDtypeStruct(symbolic_shape(spec, like=known.shape, scope=scope), known.dtype))
    return tree.unflatten(structs)
