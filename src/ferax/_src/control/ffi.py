"""``ferax.ffi``: native functions, called from programs through XLA's foreign function interface.

A handler is compiled against the headers in `include_dir` and registered under a name; `ffi_call` puts a call of that
name into the program. What the handler does is not known here: its derivative is the user's to give, with
`custom_jvp` or `custom_vjp`, and ``vmap_method`` says how it takes many examples.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

from ferax._src.control.attributes import Attributes
from ferax._src.control.callback import VMAP_METHODS, Effect, one_by_one
from ferax._src.engine import custom_calls
from ferax._src.ops.axes import move_axis, place_axis
from ferax._src.ops.broadcasting import expand_dims
from ferax._src.tracing.core import Primitive, register
from ferax._src.transforms.batch import batched_aval
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, abstract_token, aval_of
from ferax._src.util.tracebacks import api_boundary


class FfiEffect(Effect):
    """A native function does something besides computing its results."""

    __str__ = lambda self: "FFI"


ffi_effect = FfiEffect()


# --- the primitive --------------------------------------------------------------------------------

class FfiCall(Primitive):
    """Call the target ``target_name``. Layouts are minor to major."""

    name = "ffi_call"
    has_effects = True
    handles_extended_dtypes = True

    def abstract_eval(self, *avals, result_avals, **params):
        return list(result_avals)

    def effects_of(self, *avals, has_side_effect, **params):
        return frozenset([ffi_effect]) if has_side_effect else frozenset()

    def lower(self, ctx, *values, result_avals, vmap_method, target_name, has_side_effect, input_layouts, output_layouts,
              input_output_aliases, custom_call_api_version, legacy_backend_config, attributes):
        rule = build_ffi_lowering_function(
            target_name, backend_config=legacy_backend_config, api_version=custom_call_api_version, has_side_effect=has_side_effect,
            operand_layouts=input_layouts, result_layouts=output_layouts, operand_output_aliases=dict(input_output_aliases))
        return list(rule(ctx, *values, **attributes.values).results)

    def jvp(self, primals, tangents, *, target_name, **params):
        raise ValueError(_no_derivative(target_name))

    def transpose(self, cts, *args, target_name, **params):
        raise ValueError(_no_derivative(target_name))

    def batch(self, axis, args, dims, *, vmap_method, result_avals, input_layouts, output_layouts, **params):
        if vmap_method is None:
            raise NotImplementedError(
                "vmap is only supported for ffi_call when vmap_method is one of 'sequential', 'sequential_unrolled', 'expand_dims', "
                f"'broadcast_all' or 'legacy_vectorized', and the call of {params['target_name']!r} gives none. Say how the target takes "
                "many examples. See docs/errors/callback-vmap.md")

        def call(values, avals, in_layouts, out_layouts):
            return self.bind(*values, vmap_method=vmap_method, result_avals=avals, input_layouts=in_layouts, output_layouts=out_layouts,
                             **params)

        if vmap_method in ("sequential", "sequential_unrolled"):
            outs = one_by_one(lambda values: call(values, result_avals, input_layouts, output_layouts), args, dims, axis.size,
                              unrolled=vmap_method == "sequential_unrolled")
            return outs, [0] * len(outs)
        values, layouts = [], []
        for x, d, layout in zip(args, dims, input_layouts):
            if d is not None:
                x = move_axis(x, d, 0)
            elif vmap_method == "expand_dims":
                x = expand_dims(x, (0,))
            elif vmap_method == "broadcast_all":
                x = place_axis(x, None, axis.size, 0)
            values.append(x)
            layouts.append(layout if d is None and vmap_method == "legacy_vectorized" else _with_leading_axis(layout))
        avals = tuple([a if a is abstract_token else batched_aval(a, 0, axis.size) for a in result_avals])
        outs = call(values, avals, tuple(layouts), tuple(map(_with_leading_axis, output_layouts)))
        return outs, [0] * len(outs)


ffi_call_p = register(FfiCall())


def _no_derivative(target_name: str) -> str:
    return (f"The FFI call to `{target_name}` cannot be differentiated: nothing is known of the function but its name. Use "
            "ferax.custom_jvp or ferax.custom_vjp to add support. See docs/errors/callback-jvp.md")


def _with_leading_axis(layout: tuple) -> tuple:
    """A layout, minor to major, of an array with one more first dimension."""
    return (*(n + 1 for n in layout), 0)


# --- lowering -------------------------------------------------------------------------------------

def build_ffi_lowering_function(call_target_name: str, *, operand_layouts=None, result_layouts=None, backend_config=None,
                                skip_ffi_layout_processing: bool = False, **lowering_args):
    """A function that writes a call of an FFI target, for lowering rules.

    Parameters
    ----------
    call_target_name : name that the target is registered under
    operand_layouts, result_layouts : one for each operand or result: None for row-major, a ``Layout``, or the order of its dimensions from
        the minor to the major one (the reverse of what `ffi_call` takes)
    backend_config : dict of attributes, to which those of the call are added; before API version 4 a string
    skip_ffi_layout_processing : say nothing of layouts
    **lowering_args : ``api_version`` (4), ``has_side_effect``, ``operand_output_aliases`` (operand -> result), ``result_types``,
        ``extra_attributes``

    Returns
    -------
    callable (ctx, *values, **attributes) -> the operation
    """
    unknown = set(lowering_args) - {"api_version", "has_side_effect", "operand_output_aliases", "result_types", "extra_attributes"}
    if unknown:
        raise TypeError(f"build_ffi_lowering_function() got unexpected keyword arguments {sorted(unknown)}")
    version = lowering_args.get("api_version", 4)
    aliases = {result: operand for operand, result in (lowering_args.get("operand_output_aliases") or {}).items()}

    def lowering_op(ctx, *operands, **attributes):
        if version >= 4:
            if backend_config is not None and not isinstance(backend_config, Mapping):
                raise ValueError("When api_version > 4, backend_config must be a dictionary.")
            config: Any = {**(backend_config or {}), **attributes}
        else:
            if attributes:
                raise ValueError("The use of ffi_call attributes requires a custom call API version of at least 4; got "
                                 f"api_version={version}.")
            config = backend_config
        in_layouts = out_layouts = None
        if not skip_ffi_layout_processing:
            in_layouts = _minor_to_major(ctx.avals_in, operand_layouts)
            out_layouts = _minor_to_major(ctx.avals_out, result_layouts)
        results = ctx.custom_call(
            call_target_name, operands, lowering_args.get("result_types"), config, operand_layouts=in_layouts, result_layouts=out_layouts,
            has_side_effect=lowering_args.get("has_side_effect", False), aliases=aliases, api_version=version,
            attrs=lowering_args.get("extra_attributes"))
        return results[0].owner if results else list(ctx.ip.block.operations)[-1]

    return lowering_op


def ffi_lowering(call_target_name: str, *, operand_layouts=None, result_layouts=None, backend_config=None,
                 skip_ffi_layout_processing: bool = False, **lowering_args):
    """A lowering rule that is a call of an FFI target; parameters as for `build_ffi_lowering_function`.

    Returns
    -------
    callable (ctx, *values, **params) -> list of values; ``params`` are the call's attributes
    """
    build = build_ffi_lowering_function(
        call_target_name, operand_layouts=operand_layouts, result_layouts=result_layouts, backend_config=backend_config,
        skip_ffi_layout_processing=skip_ffi_layout_processing, **lowering_args)

    def lowering(ctx, *operands, **params):
        return list(build(ctx, *operands, **params).results)

    return lowering


def _minor_to_major(avals, layouts) -> list:
    layouts = [None] * len(avals) if layouts is None else layouts
    return [_converted(aval, layout) for aval, layout in zip(avals, layouts)]


def _converted(aval, layout) -> tuple:
    """A layout in the order that the engine takes."""
    if layout is None:
        return tuple(reversed(range(_ndim(aval))))
    major_to_minor = getattr(layout, "major_to_minor", None)
    if major_to_minor is None:
        return tuple(layout)
    if getattr(layout, "tiling", None) is not None:
        raise ValueError("The FFI does not support layouts with tiling")
    return tuple(reversed(major_to_minor))


def _ndim(aval) -> int:
    return 0 if aval is abstract_token else len(dtypes.physical_shape(aval.shape, aval.dtype))


# --- for the user ---------------------------------------------------------------------------------

@api_boundary
def ffi_call(target_name: str, result_shape_dtypes, *, has_side_effect: bool = False, vmap_method: str | None = None, input_layouts=None,
             output_layouts=None, input_output_aliases=None, custom_call_api_version: int = 4, legacy_backend_config: str | None = None):
    """A function that calls a native one.

    Parameters
    ----------
    target_name : name that the handler is registered under, with `register_ffi_target`
    result_shape_dtypes : object with ``shape`` and ``dtype``, such as `ShapeDtypeStruct`, or a sequence of them; that this is what the
        handler writes only the handler itself can check
    has_side_effect : whether to call it even if nothing reads its results
    vmap_method : what ``vmap`` does: 'sequential' (a call for each example), 'sequential_unrolled' (the same, written out), 'expand_dims'
        (one call; arguments have a leading axis, of size 1 if not mapped), 'broadcast_all' (one call; all arguments have the mapped
        axis), 'legacy_vectorized' (one call; arguments that are not mapped stay as they are), None (an error)
    input_layouts, output_layouts : one for each argument or result: None for row-major, a ``Layout``, or the order of its dimensions
        from the major to the minor one: (0, 2, 1) is a batch of column-major matrices
    input_output_aliases : dict, number of an argument -> number of the result that takes its memory
    custom_call_api_version : of the interface that the handler is written for; 4 is that of the headers in `include_dir`
    legacy_backend_config : text that a handler of an earlier version gets

    Returns
    -------
    callable ``(*arrays, **attributes)`` that answers an array, or a list or tuple of arrays. Attributes reach the handler by name: a
        Python int as int64 and a float as double, NumPy scalars and arrays with their dtype, strings, and dicts of these

    Raises
    ------
    ValueError : for an unknown ``vmap_method``, or layouts or aliases that do not fit the arguments and results.

    Examples
    --------
    >>> rms_norm = ffi_call("rms_norm", ShapeDtypeStruct((4,), jnp.float32))        # doctest: +SKIP
    >>> rms_norm(x, eps=np.float32(1e-5))                                           # doctest: +SKIP
    """
    if vmap_method not in VMAP_METHODS:
        raise ValueError(f"vmap_method must be one of the allowed methods {list(VMAP_METHODS)}, but got: {vmap_method!r}")
    if custom_call_api_version >= 4 and legacy_backend_config is not None:
        raise ValueError("The use of the legacy_backend_config parameter requires custom_call_api_version < 4; got "
                         f"{custom_call_api_version}.")
    several = isinstance(result_shape_dtypes, Sequence)
    result_avals = tuple(map(_result_aval, result_shape_dtypes if several else [result_shape_dtypes]))
    out_layouts = output_layouts if several else (output_layouts,)

    @api_boundary
    def wrapped(*args, **kwargs):
        in_avals = [aval_of(x) for x in args]
        layouts_in = _layouts(in_avals, input_layouts, "input arguments", "input layouts")
        layouts_out = _layouts(result_avals, out_layouts, "outputs", "output layouts")
        aliases = _aliases(input_output_aliases, in_avals, result_avals, layouts_in, layouts_out)
        attributes = Attributes(kwargs)
        results = ffi_call_p.bind(
            *args, result_avals=result_avals, vmap_method=vmap_method, target_name=target_name, has_side_effect=bool(has_side_effect),
            input_layouts=layouts_in, output_layouts=layouts_out, input_output_aliases=aliases,
            custom_call_api_version=custom_call_api_version, legacy_backend_config=legacy_backend_config, attributes=attributes)
        if not several:
            return results[0]
        return tuple(results) if isinstance(result_shape_dtypes, tuple) else list(results)

    return wrapped


def _result_aval(x):
    if x is abstract_token:
        return x
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        raise ValueError("ffi_call: all elements of result_shape_dtypes must have 'shape' and 'dtype' attributes, such as "
                         f"ferax.ShapeDtypeStruct, got {type(x).__name__}")
    return ShapedArray(tuple(x.shape), dtypes.as_dtype(x.dtype))


def _layouts(avals, layouts, what: str, name: str) -> tuple:
    """Layouts as given by the user, major to minor, in the engine's order."""
    if layouts is None:
        return tuple([_converted(a, None) for a in avals])
    if len(layouts) != len(avals):
        raise ValueError(f"ffi_call: The number of {what} ({len(avals)}) must equal the number of {name} ({len(layouts)}).")
    found = []
    for i, (aval, layout) in enumerate(zip(avals, layouts)):
        if isinstance(layout, Sequence):
            layout = tuple(reversed(layout))
        order = _converted(aval, layout)
        if sorted(order) != list(range(_ndim(aval))):
            raise ValueError(f"ffi_call: layout {i} of the {name}, {tuple(reversed(order))}, must be an order of the {_ndim(aval)} "
                             f"dimensions of {aval.str_short(False)}")
        found.append(order)
    return tuple(found)


def _aliases(aliases, in_avals, out_avals, in_layouts, out_layouts) -> tuple:
    """Pairs (argument, result), checked."""
    pairs = []
    for i, o in sorted((aliases or {}).items()):
        i, o = int(i), int(o)
        start = f"input_output_aliases contains the mapping '{i}:{o}' "
        for what, index, count in (("input", i, len(in_avals)), ("output", o, len(out_avals))):
            if not 0 <= index < count:
                raise ValueError(f"{start}with {what} index {index} outside the range [0, {count}).")
        a, b = in_avals[i], out_avals[o]
        if b is abstract_token or a.shape != b.shape or a.dtype != b.dtype:
            raise ValueError(f"{start}referring to an input with abstract value {a} and an output with a different abstract value {b}.")
        if in_layouts[i] != out_layouts[o]:
            raise ValueError(f"{start}referring to an input with layout {in_layouts[i]} and an output with a different layout "
                             f"{out_layouts[o]}.")
        pairs.append((i, o))
    return tuple(pairs)


# --- registering ----------------------------------------------------------------------------------

def register_ffi_target(name: str, fn, platform: str = "cpu", api_version: int = 1, **kwargs) -> None:
    """Register a native function as an FFI target.

    Parameters
    ----------
    name : what `ffi_call` calls it by; a name can be given once
    fn : capsule made by `pycapsule`, or a dict of capsules by stage: "instantiate", "prepare", "initialize", "execute"
    platform : "cpu", "CUDA", "ROCM", ...
    api_version : 1 for handlers made with the headers in `include_dir`, 0 for the interface before
    **kwargs : ``traits``, of the engine
    """
    custom_calls.register(name, fn, platform, api_version, **kwargs)


def register_ffi_type(name: str, type_registration, platform: str = "cpu") -> None:
    """Register a type for the state that FFI handlers keep.

    Parameters
    ----------
    name : of the type; a name can be given once
    type_registration : dict with the capsules ``type_id`` and, if there is one, ``type_info``
    platform : "cpu", "CUDA", ...
    """
    custom_calls.register_type(name, type_registration, platform=platform)


def register_ffi_type_id(name: str, obj, platform: str = "cpu") -> None:
    """Refused by the engine: `register_ffi_type` registers a type with its id.

    Raises
    ------
    ValueError : always.
    """
    raise ValueError("register_ffi_type_id is not supported by this jaxlib. Use register_ffi_type(name, {'type_id': ...}).")


def register_ffi_target_as_batch_partitionable(name: str) -> None:
    """Say of a target that programs over several devices may cut its leading dimensions, and call it on each part."""
    custom_calls.register_batch_partitionable(name)


def pycapsule(funcptr):
    """A capsule for `register_ffi_target`, from a function of a library loaded with ``ctypes``.

    Parameters
    ----------
    funcptr : ctypes function, or the address of one
    """
    if not isinstance(funcptr, (int, ctypes._CFuncPtr, ctypes.c_void_p)):     # type: ignore[attr-defined]
        raise TypeError(f"pycapsule: expected a function of a library loaded with ctypes, got {type(funcptr).__name__}")
    return custom_calls.capsule(funcptr)


def include_dir() -> str:
    """The folder of the headers that FFI handlers are compiled against: ``#include "xla/ffi/api/ffi.h"``."""
    return custom_calls.include_dir()
