"""The stages between a jitted function and its executable: `Traced`, `Lowered`, `Compiled`."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from ferax._src import engine
from ferax._src.runtime.array import ArrayImpl, signature
from ferax._src.runtime.calls import Call, as_sharding
from ferax._src.runtime.devices import default_sharding, devices
from ferax._src.runtime.program import finish_program
from ferax._src.runtime.transfer import as_array
from ferax._src.tracing.core import Tracer
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import tree_flatten, tree_unflatten
from ferax._src.types.shape_dtype import ShapeDtypeStruct
from ferax._src.util import errors
from ferax._src.util.tracebacks import api_boundary


#: What `compiler_options` may be.
CompilerOptions = dict[str, Any]


@runtime_checkable
class Wrapped(Protocol):
    """A jitted function: callable, with ``trace``, ``lower``, ``eval_shape`` and ``clear_cache``."""

    def __call__(self, *args, **kwargs): ...

    def trace(self, *args, **kwargs) -> Traced: ...

    def lower(self, *args, **kwargs) -> Lowered: ...

    def eval_shape(self, *args, **kwargs): ...

    def clear_cache(self) -> None: ...


def _struct(aval) -> ShapeDtypeStruct:
    return ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


class ArgInfo:
    """What is known of one argument: its type, and whether it is donated."""

    __slots__ = ("aval", "donated")

    def __init__(self, aval, donated: bool):
        self.aval = aval
        self.donated = donated

    @property
    def shape(self):
        return self.aval.shape

    @property
    def dtype(self):
        return self.aval.dtype

    def __repr__(self) -> str:
        return f"ArgInfo(aval={self.aval!r}, donated={self.donated})"


class Stage:
    """Common to the three: the structures of arguments and result."""

    def __init__(self, in_tree, out_tree, in_avals, donated):
        self.in_tree = in_tree
        self.out_tree = out_tree
        self._in_avals = in_avals
        self._donated = donated or (False,) * len(in_avals)

    @property
    def args_info(self):
        """A pytree of `ArgInfo` in the structure ``(args, kwargs)``."""
        return tree_unflatten(self.in_tree, [ArgInfo(a, d) for a, d in zip(self._in_avals, self._donated)])

    @property
    def in_avals(self):
        """A pytree of the arguments' types."""
        return tree_unflatten(self.in_tree, self._in_avals)

    @property
    def donate_argnums(self) -> tuple[int, ...]:
        """The flat positions of donated arguments."""
        return tuple(i for i, d in enumerate(self._donated) if d)


class Traced(Stage):
    """A function traced to a jaxpr, for certain argument types."""

    def __init__(self, jitted, closed, leaves, in_tree, out_tree, donated):
        super().__init__(in_tree, out_tree, closed.in_avals, donated)
        self._jitted = jitted
        self._leaves = leaves
        self.jaxpr = closed
        self.fun_name = jitted.name

    @property
    def out_info(self):
        """A pytree of `ShapeDtypeStruct` of the result."""
        return tree_unflatten(self.out_tree, [_struct(a) for a in self.jaxpr.out_avals])

    @property
    def out_avals(self):
        return tree_unflatten(self.out_tree, self.jaxpr.out_avals)

    @property
    def effects(self):
        """What a call does besides computing its result."""
        return self.jaxpr.effects

    @api_boundary
    def lower(self, *, lowering_platforms=None) -> Lowered:
        """Lower to StableHLO for the platform of the arguments, or of the default device."""
        jitted = self._jitted
        if any(isinstance(c, Tracer) for c in self.jaxpr.consts):
            raise errors.UnexpectedTracerError(next(c for c in self.jaxpr.consts if isinstance(c, Tracer)))
        call = jitted.prepare(self.jaxpr, self._donated, self.in_tree, self.out_tree)
        if lowering_platforms is not None:
            call.sharding = as_sharding(devices(tuple(lowering_platforms)[0])[0])
        sigs = tuple(x._sig if type(x) is ArrayImpl else signature(aval, default_sharding(), False)
                     for x, aval in zip(self._leaves, self._in_avals))
        lowered, placement = call.lower(sigs)
        return Lowered(self, call, sigs, lowered, placement)


class Lowered(Stage):
    """A function lowered to StableHLO."""

    def __init__(self, traced: Traced, call: Call, sigs, lowered, placement):
        super().__init__(traced.in_tree, traced.out_tree, traced._in_avals, traced._donated)
        self._traced = traced
        self._call = call
        self._sigs = sigs
        self._lowered = lowered
        self._placement = placement

    @property
    def out_info(self):
        return self._traced.out_info

    def as_text(self, dialect: str | None = None, *, debug_info: bool = False) -> str:
        """The program as text.

        Parameters
        ----------
        dialect : "stablehlo" (the default) or "hlo"
        debug_info : bool; with locations
        """
        if dialect in (None, "stablehlo"):
            return self._lowered.as_text(debug_info=debug_info)
        if dialect == "hlo":
            return self._lowered.as_hlo_text()
        raise ValueError(f"as_text: dialect must be 'stablehlo' or 'hlo', got {dialect!r}")

    def compiler_ir(self, dialect: str | None = None):
        """The module itself, as the engine holds it."""
        if dialect not in (None, "stablehlo"):
            raise ValueError(f"compiler_ir: dialect must be 'stablehlo', got {dialect!r}")
        return self._lowered.module

    def cost_analysis(self):
        """Costs as the compiler estimates them: a dict with "flops" and others."""
        return self.compile().cost_analysis()

    @api_boundary
    def compile(self, compiler_options=None) -> Compiled:
        """Compile for the devices of the arguments."""
        options = {**dict(self._call.compiler_options or ()), **(compiler_options or {})}
        return Compiled(self, finish_program(
            self._call.closed, self._lowered, self._placement, self._sigs, compiler_options=options))


class Compiled(Stage):
    """An executable for certain argument types."""

    def __init__(self, lowered: Lowered, compiled):
        super().__init__(lowered.in_tree, lowered.out_tree, lowered._in_avals, lowered._donated)
        self._lowered = lowered
        self._compiled = compiled

    @property
    def out_info(self):
        return self._lowered.out_info

    def as_text(self) -> str:
        """The optimized program of the compiler, as text."""
        return engine.compiler.hlo_text(self._compiled.executable)

    def cost_analysis(self):
        """Costs as the compiler estimates them: a dict with "flops", "bytes accessed" and others."""
        return engine.compiler.cost_analysis(self._compiled.executable)

    def memory_analysis(self):
        """Bytes for arguments, results, temporaries and code."""
        return engine.compiler.memory_analysis(self._compiled.executable)

    def runtime_executable(self):
        """The engine's executable."""
        return self._compiled.executable

    @property
    def input_shardings(self):
        """A pytree of the shardings in which arguments are wanted."""
        return tree_unflatten(self.in_tree, self._compiled.placement.in_shardings)

    @property
    def output_shardings(self):
        """A pytree of the shardings of the results."""
        return tree_unflatten(self.out_tree, [sig.sharding for sig in self._compiled.out_sigs])

    @api_boundary
    def __call__(self, *args, **kwargs):
        """Run on arguments of exactly the types that it was compiled for."""
        leaves, tree = tree_flatten((args, kwargs))
        if tree != self.in_tree:
            raise TypeError(f"the compiled {self._lowered._traced.fun_name} takes arguments of the structure "
                            f"{self.in_tree}, but was called with {tree}. Static arguments are left out.")
        for i, (x, aval) in enumerate(zip(leaves, self._in_avals)):
            if isinstance(x, Tracer):
                raise TypeError("Cannot apply ferax transformations to a function lowered and compiled for a particular "
                                f"signature. Detected argument of Tracer type: {x!r}.")
            given = aval_of(x)
            if given.shape != aval.shape or given.dtype != aval.dtype:
                raise TypeError(f"Argument types differ from the types for which this computation was compiled: argument "
                                f"{i} was {aval.str_short()}, called with {given.str_short()}.")
        arrays = [x if type(x) is ArrayImpl else as_array(x) for x in leaves]
        if all(x._sig is sig for x, sig in zip(arrays, self._compiled.in_sigs)):
            return tree_unflatten(self.out_tree, self._compiled.run(arrays))
        outs, _ = self._lowered._call.run(arrays)       # arguments that lie elsewhere
        return tree_unflatten(self.out_tree, outs)
