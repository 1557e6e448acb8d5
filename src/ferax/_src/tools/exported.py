"""`Exported`: a function as a StableHLO module, with what is needed to call it in another process."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from ferax._src.control.call_exported import call_exported_p
from ferax._src.control.custom_vjp import custom_vjp
from ferax._src.engine import mlir, mlir_text
from ferax._src.ops.zeros import zeros
from ferax._src.runtime.array import physical_aval
from ferax._src.runtime.lowering_module import symbol_text
from ferax._src.tools import export_format
from ferax._src.tools.export_checks import DisabledSafetyCheck
from ferax._src.types import dtypes
from ferax._src.types.meshes import AbstractMesh, Mesh
from ferax._src.types.pytrees import PyTreeDef, equality_errors_pytreedef, keystr, tree_flatten, tree_leaves_with_path
from ferax._src.types.shardings import NamedSharding
from ferax._src.types.symbolic_dims import has_symbolic
from ferax._src.types.symbolic_solving import Step, plan
from ferax._src.util.tracebacks import api_boundary

_PLATFORM = DisabledSafetyCheck.platform()


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Exported:
    """A function lowered to StableHLO; made by `export`, or by `deserialize` from bytes.

    Attributes
    ----------
    fun_name : str
    in_tree, out_tree : PyTreeDef; of ``(args, kwargs)`` and of the result
    in_avals, out_avals : tuple of ShapedArray; flat, with symbolic dimensions if it was exported so
    in_shardings_hlo, out_shardings_hlo : tuple of None; JAX filled them in the past. See `in_shardings_jax`.
    nr_devices : int; over how many devices the module is partitioned
    platforms : tuple of str
    ordered_effects, unordered_effects : tuple
    disabled_safety_checks : tuple of DisabledSafetyCheck
    mlir_module_serialized : bytes; a portable StableHLO artifact
    calling_convention_version : int
    module_kept_var_idx : tuple of int; the flat arguments that the module takes, the others are not used
    uses_global_constants : bool; whether the module takes a platform's index or has symbolic dimensions
    """

    fun_name: str
    in_tree: PyTreeDef
    in_avals: tuple[Any, ...]
    out_tree: PyTreeDef
    out_avals: tuple[Any, ...]
    _has_named_shardings: bool  # True; this and the two fields of hlo shardings are what JAX's class has
    _in_named_shardings: tuple[NamedSharding | None, ...]
    _out_named_shardings: tuple[NamedSharding | None, ...]
    in_shardings_hlo: tuple[None, ...]
    out_shardings_hlo: tuple[None, ...]
    nr_devices: int
    platforms: tuple[str, ...]
    ordered_effects: tuple[Any, ...]
    unordered_effects: tuple[Any, ...]
    disabled_safety_checks: tuple[DisabledSafetyCheck, ...]
    mlir_module_serialized: bytes
    calling_convention_version: int
    module_kept_var_idx: tuple[int, ...]
    uses_global_constants: bool
    _get_vjp: Callable[[Exported], Exported] | None

    def __repr__(self) -> str:
        return f"Exported(fun_name={self.fun_name}, ...)"

    # -- looking inside --

    def mlir_module(self, serialized: bool = True) -> Any:
        """The StableHLO module, as text, or with ``serialized=False`` as the engine's object."""
        module = mlir_text.deserialize_portable(self.mlir_module_serialized)
        return mlir_text.module_text(module) if serialized else module

    def in_shardings_jax(self, mesh: Mesh | AbstractMesh) -> Sequence[NamedSharding | None]:
        """How the arguments are to be laid out over the devices of a mesh like the one that it was exported for.

        Parameters
        ----------
        mesh : of the same axes: names, sizes and types

        Returns
        -------
        tuple with a NamedSharding for each flat argument, None where nothing was said

        Raises
        ------
        ValueError : if the mesh has other axes
        """
        return tuple([_on_mesh(s, mesh) for s in self._in_named_shardings])

    def out_shardings_jax(self, mesh: Mesh | AbstractMesh) -> Sequence[NamedSharding | None]:
        """How the results lie; see `in_shardings_jax`."""
        return tuple([_on_mesh(s, mesh) for s in self._out_named_shardings])

    # -- derivatives, bytes --

    def has_vjp(self) -> bool:
        """Whether it can be differentiated in reverse mode."""
        return self._get_vjp is not None

    @api_boundary
    def vjp(self) -> Exported:
        """The derivative: flat arguments, then a cotangent for each flat result, to a cotangent for each flat argument.

        Raises
        ------
        ValueError : if it was read from bytes that have none
        """
        if self._get_vjp is None:
            raise ValueError(f"No VJP is available: {self.fun_name} was serialized without one. Give serialize() a vjp_order.")
        return self._vjp

    @functools.cached_property
    def _vjp(self) -> Exported:
        assert self._get_vjp is not None
        return self._get_vjp(self)

    @api_boundary
    def serialize(self, vjp_order: int = 0) -> bytearray:
        """The function as bytes, for `deserialize`.

        Parameters
        ----------
        vjp_order : int; how many times it can be differentiated (in reverse mode) by who reads it
        """
        return export_format.to_bytes(self, vjp_order)

    # -- calling --

    @api_boundary
    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, also from functions that are traced: under `jit`, `grad` (see `has_vjp`), or another `export`.

        The arguments have the structure and the types that it was exported for; sizes that were symbolic are free, up to the
        constraints. It cannot be mapped by `vmap`: export it with a symbolic batch dimension instead.

        Raises
        ------
        ValueError : for arguments of another structure or other types, on other platforms, or in a program for another number
            of devices
        """
        leaves, in_tree = tree_flatten((args, kwargs))
        if in_tree != self.in_tree:
            found = "\n".join(f"   - {argument_name(path)} is {given} in the invocation and {expected} when exported, so {why}."
                              for path, given, expected, why in equality_errors_pytreedef(in_tree, self.in_tree))
            raise ValueError("The invocation args and kwargs must have the same pytree structure as when the function "
                             f"'{self.fun_name}' was exported, but they have the following structural differences:\n{found}")
        return self.out_tree.unflatten(self._flat(*leaves))

    @functools.cached_property
    def _flat(self) -> Callable[..., Any]:
        """The function of flat arguments, with its derivative."""
        call = custom_vjp(lambda *leaves: call_exported_p.bind(*leaves, exported=self))

        def fwd(*leaves):
            return self._flat(*leaves), leaves

        def bwd(leaves, cts):
            derivative = self.vjp()
            expected = derivative.in_avals[len(leaves):]
            cts = [zeros(a) if a.dtype == dtypes.float0 else ct for ct, a in zip(cts, expected)]
            return tuple(derivative._flat(*leaves, *cts))

        call.defvjp(fwd, bwd)
        return call

    # -- for the primitive --

    @functools.cached_property
    def steps(self) -> list[Step]:
        """How the dimension variables follow from the shapes of arguments."""
        return plan([a.shape for a in self.in_avals], self.describe)

    @functools.cached_property
    def describe(self) -> Callable[..., str]:
        """The names of arguments; see `argument_names`."""
        return argument_names(self.in_tree)

    @property
    def symbol(self) -> str:
        return symbol_text(self.fun_name)

    @property
    def allows_platforms(self) -> bool:
        return _PLATFORM in self.disabled_safety_checks

    @functools.cached_property
    def custom_calls(self) -> tuple[str, ...]:
        return tuple(mlir_text.custom_call_targets(self.mlir_module(serialized=False)))

    @functools.cached_property
    def _static_modules(self) -> dict[tuple, bytes]:
        return {}

    def module_for(self, shapes: tuple | None, bench: mlir.Workbench) -> Any:
        """The module in the context of ``bench``; with ``shapes``, those of the arguments, all symbolic sizes made numbers."""
        module = mlir_text.deserialize_portable(self.mlir_module_serialized, bench.context)
        if shapes is None or not any(has_symbolic(a.shape) for a in self.in_avals):
            return module
        found = self._static_modules.get(shapes)
        if found is None:
            main = mlir_text.function_named(module, "main")
            types, _ = mlir_text.function_types(main)
            first = len(types) - len(self.module_kept_var_idx)
            for at, i in enumerate(self.module_kept_var_idx, first):
                physical = physical_aval(self.in_avals[i].update(shape=shapes[i]))
                types[at] = bench.tensor_type(physical.shape, physical.dtype)
            mlir_text.set_argument_types(main, types)
            found = mlir_text.refine_polymorphic_shapes(mlir_text.module_bytecode(module), enable_shardy=True)
            self._static_modules[shapes] = found
        return mlir_text.parse_module(found, bench.context)


def argument_names(in_tree: PyTreeDef) -> Callable[..., str]:
    """The function ``(argument, axis)`` to a name: ``args[0].shape[1]``, of the shape for axis -1, of the argument for none."""
    tree = in_tree.unflatten(range(in_tree.num_leaves))
    names = [argument_name(path) for path, _ in tree_leaves_with_path(tree)]

    def describe(argument: int, axis: int | None = None) -> str:
        return names[argument] + ("" if axis is None else ".shape" if axis < 0 else f".shape[{axis}]")

    return describe


def argument_name(path: Sequence[Any]) -> str:
    """``args[0]['w']`` for a key path in ``(args, kwargs)``."""
    if not path:
        return "args, kwargs"
    return ("args", "kwargs")[path[0].idx] + keystr(tuple(path[1:]))


def _on_mesh(sharding: NamedSharding | None, mesh: Mesh | AbstractMesh | None) -> NamedSharding | None:
    if sharding is None or mesh is None:
        return sharding
    own = sharding.mesh
    given = mesh.abstract_mesh
    if (given.axis_sizes, given.axis_names, given.axis_types) != (own.axis_sizes, own.axis_names, own.axis_types):
        raise ValueError(f"the mesh {mesh} does not match the mesh used for export, {own}: names, sizes and types of the axes must "
                         "be the same")
    return sharding.update(mesh=mesh)


def deserialize(blob: bytes | bytearray) -> Exported:
    """An exported function from the bytes of `Exported.serialize`.

    Only read what you trust: the program in it may call everything that is registered in this process.

    Raises
    ------
    ValueError : for bytes that are none of Ferax's, or of a later version
    """
    return _from_fields(export_format.from_bytes(blob))


def _from_fields(fields: dict[str, Any]) -> Exported:
    derivative = fields.pop("vjp")
    get_vjp = None if derivative is None else lambda _: _from_fields(dict(derivative))
    return Exported(**fields, _has_named_shardings=True, in_shardings_hlo=(None,) * len(fields["in_avals"]),
                    out_shardings_hlo=(None,) * len(fields["out_avals"]), _get_vjp=get_vjp)
