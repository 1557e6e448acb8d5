"""The stages between a jitted function and its executable: `Traced`, `Lowered`, `Compiled`."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from ferax._src import engine
from ferax._src.ops.refs import PureCall, as_pure, check_aliases, read, values_of, write_back
from ferax._src.runtime.array import ArrayImpl, signature
from ferax._src.runtime.calls import Call, as_sharding
from ferax._src.runtime.devices import default_sharding, devices
from ferax._src.runtime.program import finish_program
from ferax._src.runtime.transfer import as_array
from ferax._src.tracing.core import Tracer
from ferax._src.tracing.refs import Ref
from ferax._src.types.avals import aval_of
from ferax._src.types.layouts import Format, Layout
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

    __slots__ = ("_aval", "donated")

    def __init__(self, _aval, donated: bool):
        self._aval = _aval
        self.donated = donated

    @property
    def shape(self):
        return self._aval.shape

    @property
    def dtype(self):
        return self._aval.dtype

    def __eq__(self, other) -> bool:
        return isinstance(other, ArgInfo) and (self._aval, self.donated) == (other._aval, other.donated)

    def __hash__(self) -> int:
        return hash((self._aval, self.donated))

    def __repr__(self) -> str:
        return f"ArgInfo(_aval={self._aval!r}, donated={self.donated})"


class Stage:
    """Common to the three: the structures of arguments and result."""

    def __init__(self, in_tree, out_tree, in_avals, donated):
        self._in_tree = in_tree
        self._out_tree = out_tree
        self._in_avals = in_avals
        self._donated = donated or (False,) * len(in_avals)

    @property
    def in_tree(self):
        """The structure of the arguments, as a pair of positional and keyword arguments; static ones are left out."""
        return self._in_tree

    @property
    def out_tree(self):
        """The structure of the result."""
        return self._out_tree

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
        self._jaxpr = closed

    @property
    def jaxpr(self):
        """The program, a `ClosedJaxpr`."""
        return self._jaxpr

    @property
    def fun_name(self) -> str:
        """The name of the function."""
        return self._jitted.name

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
        closed, donated, leaves, in_avals = self.jaxpr, self._donated, self._leaves, self._in_avals
        pure = as_pure(closed)
        if pure is not None:
            closed = pure.program
            leaves = [*pure.refs, *leaves]
            leaves = [read(x) if type(x) is Ref else x for x in leaves]
            in_avals = closed.in_avals
            donated = (False,) * len(pure.refs) + tuple(donated)
        call = jitted.prepare(closed, donated, self.in_tree, self.out_tree)
        if lowering_platforms is not None:
            call.sharding = as_sharding(devices(tuple(lowering_platforms)[0])[0])
        sigs = tuple(x._sig if type(x) is ArrayImpl else signature(aval, default_sharding(), False)
                     for x, aval in zip(leaves, in_avals))
        lowered, placement = call.lower(sigs)
        return Lowered(self, call, sigs, lowered, placement, pure)


class Lowered(Stage):
    """A function lowered to StableHLO."""

    def __init__(self, traced: Traced, call: Call, sigs, lowered, placement, pure: PureCall | None = None):
        super().__init__(traced.in_tree, traced.out_tree, traced._in_avals, traced._donated)
        self._traced = traced
        self._call = call
        self._sigs = sigs
        self._lowered = lowered
        self._placement = placement
        self._pure = pure                       # of a function that uses array references

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
    def compile(self, compiler_options=None, *, device_assignment=None) -> Compiled:
        """Compile for the devices of the arguments.

        Parameters
        ----------
        compiler_options : mapping of XLA options, which go before those of ``jit``; or None
        device_assignment : sequence of devices to compile for; None for those of the arguments. A program on one device can
            be compiled for any other one of its platform

        Raises
        ------
        ValueError : if there are more or fewer devices than the program was lowered for, if they are of another platform, or
            for other devices than those that the shardings of a program on several devices name.
        """
        if device_assignment is not None and list(device_assignment) != list(self._placement.devices):
            return self._on(tuple(device_assignment)).compile(compiler_options)
        options = {**dict(self._call.compiler_options or ()), **(compiler_options or {})}
        return Compiled(self, finish_program(
            self._call.closed, self._lowered, self._placement, self._sigs, compiler_options=options))

    def _on(self, places: tuple) -> Lowered:
        """The same, lowered for another device."""
        before = list(self._placement.devices)
        if len(places) != len(before):
            raise ValueError(f"compile: device_assignment must have as many devices as the program was lowered for, "
                             f"{len(before)}, got {len(places)}: {places}")
        if len(places) > 1:
            raise ValueError(f"compile: the shardings of this program name the devices {before}; device_assignment cannot "
                             f"replace them by {list(places)}. Lower it for arguments with other shardings.")
        if places[0].platform != before[0].platform:
            raise ValueError(f"compile: the program was lowered for the platform {before[0].platform}, device_assignment is "
                             f"{list(places)}")
        traced = self._traced
        call = traced._jitted.prepare(self._call.closed, self._donated, self.in_tree, self.out_tree)
        call.sharding = as_sharding(places[0])
        return Lowered(traced, call, self._sigs, *call.lower(self._sigs))


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

    @property
    def input_formats(self):
        """A pytree of the formats in which arguments are wanted; None for the layout of one that nothing reads."""
        program = self._compiled
        layouts = engine.compiler.parameter_layouts(program.executable)
        given = iter(layouts[len(layouts) - sum(program.lowered.kept):])            # tokens and hidden arguments come first
        return tree_unflatten(self.in_tree, [
            Format(Layout.from_pjrt_layout(next(given)) if kept else None, sharding)
            for kept, sharding in zip(program.lowered.kept, program.placement.in_shardings)])

    @property
    def output_formats(self):
        """A pytree of the formats of the results."""
        program = self._compiled
        layouts = engine.compiler.result_layouts(program.executable)
        return tree_unflatten(self.out_tree, [
            Format(Layout.from_pjrt_layout(layout), sig.sharding)
            for layout, sig in zip(layouts[len(layouts) - len(program.out_sigs):], program.out_sigs)])

    @staticmethod
    def call(*args, **kwargs):
        """Call a compiled function: ``Compiled.call(compiled, *args, **kwargs)``."""
        compiled, *args = args
        return compiled(*args, **kwargs)

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
        pure = self._lowered._pure
        if pure is not None:
            args = [*pure.refs, *leaves]
            check_aliases(args, pure.program.debug_info)
            outs = self._run(values_of(args))
            m = len(outs) - len(pure.written)
            write_back(args, pure.written, outs[m:])
            return tree_unflatten(self.out_tree, outs[:m])
        return tree_unflatten(self.out_tree, self._run(leaves))

    def _run(self, leaves) -> list:
        arrays = [x if type(x) is ArrayImpl else as_array(x) for x in leaves]
        if all(x._sig is sig for x, sig in zip(arrays, self._compiled.in_sigs)):
            return self._compiled.run(arrays)
        outs, _ = self._lowered._call.run(arrays)       # arguments that lie elsewhere
        return outs
