"""A compiled program: an executable with all that a call of it needs, prepared once.

`compile_program` takes a closed jaxpr and the signatures of its arguments: it decides where the program runs, lowers and
compiles it, and makes the shortest possible function from argument buffers to result arrays. In the common case (one
device, all arguments used where they lie, no effects) that function is one call into C++ and one wrapper per result.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ferax._src import engine
from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.runtime import checks, compile as compile_, key_reuse, lowering, lowering_module, lowering_shardings
from ferax._src.runtime.array import ArrayImpl, Signature, signature
from ferax._src.runtime.effects import failure, token_signature, tokens
from ferax._src.runtime.placement import Placement, mover, place
from ferax._src.runtime.transfer import as_array, from_numpy
from ferax._src.types.shardings import (
    GSPMDSharding,
    NamedSharding,
    SingleDeviceSharding,
    named_from_hlo,
)
from ferax._src.util import config, monitoring


class CompiledProgram:
    """An executable ready to be called.

    ``run_buffers(buffers)`` takes the physical buffers of the arguments, of exactly the signatures that the program was
    made for, and answers the list of result arrays; ``run(arrays)`` takes the arrays.
    """

    __slots__ = ("run_buffers", "executable", "lowered", "placement", "in_sigs", "out_sigs", "is_plain", "is_direct",
                 "pick", "name", "donates", "hidden", "__weakref__")

    run_buffers: Callable[[list], list[ArrayImpl]]
    executable: Any
    lowered: lowering.Lowered
    placement: Placement
    in_sigs: tuple[Signature, ...]
    out_sigs: list[Signature]
    is_plain: bool          # a call is the executable and nothing else: no hidden, dropped or moved arguments, no effects
    is_direct: bool         # the same, but for hidden and dropped arguments: for those there is `pick`
    pick: Callable[[list], list] | None     # from the buffers of the arguments to those that the executable takes
    name: str
    donates: bool           # whether a call takes the memory of some argument
    hidden: list            # buffers of the hidden arguments

    def run(self, args: Sequence[Any]) -> list[ArrayImpl]:
        """Run on arrays, NumPy arrays or numbers; answers the list of results."""
        return self.run_buffers([a._buf if type(a) is ArrayImpl else as_array(a)._buf for a in args])

    def runner(self, unflatten: Callable[[Any], Any] | None) -> Callable[..., Any]:
        """`run_buffers` that gives the results another form: ``unflatten(results)``, or the only result for None.

        The function takes and ignores a second argument, to be called as those of `callpath` are.
        """
        if not self.is_plain:
            run = self.run_buffers
            if unflatten is None:
                return lambda bufs, _=None: run(bufs)[0]
            return lambda bufs, _=None: unflatten(run(bufs))
        execute, sigs = self.executable.execute_sharded, self.out_sigs
        handlers = [s.handler for s in sigs]
        if unflatten is not None:
            def run_many(bufs, _=None):
                try:
                    return unflatten(map(ArrayImpl, execute(bufs).consume_with_handlers(handlers), sigs))
                except Exception as error:
                    raise failure(error, bufs) from None
            return run_many
        (sig,) = sigs

        def run_one(bufs, _=None):
            try:
                return ArrayImpl(execute(bufs).consume_with_handlers(handlers)[0], sig)
            except Exception as error:
                raise failure(error, bufs) from None
        return run_one

    def __repr__(self) -> str:
        return f"<CompiledProgram {self.name}>"


def _plain_runner(executable, out_sigs: Sequence[Signature]):
    """The whole of a call in the common case."""
    execute = executable.execute_sharded
    handlers = [s.handler for s in out_sigs]
    if len(out_sigs) == 1:
        (sig,) = out_sigs

        def run_one(bufs):
            try:
                return [ArrayImpl(execute(bufs).consume_with_handlers(handlers)[0], sig)]
            except Exception as error:
                raise failure(error, bufs) from None
        return run_one

    def run(bufs):
        try:
            return list(map(ArrayImpl, execute(bufs).consume_with_handlers(handlers), out_sigs))
        except Exception as error:
            raise failure(error, bufs) from None
    return run


def _picker(hidden: list, kept: Sequence[bool]):
    """A function that prepends hidden arguments and leaves out those that nothing reads."""
    places = [i for i, keep in enumerate(kept) if keep]
    if len(places) == len(kept):
        return lambda bufs: hidden + bufs
    if not places:
        return lambda bufs: hidden
    return lambda bufs: [*hidden, *map(bufs.__getitem__, places)]


def _direct_runner(program: CompiledProgram):
    """A call of the executable on the buffers that `CompiledProgram.pick` answers."""
    run, pick = _plain_runner(program.executable, program.out_sigs), program.pick
    return lambda bufs: run(pick(bufs))


def _general_runner(program: CompiledProgram):
    """A call that prepends hidden arguments, drops and moves others, and threads the tokens of its effects."""
    low, placement, out_sigs, hidden = program.lowered, program.placement, program.out_sigs, program.hidden
    execute = program.executable.execute_sharded
    plan = [(i, None if sig.sharding is target else mover(sig, target))
            for i, (sig, target, kept) in enumerate(zip(program.in_sigs, placement.in_shardings, low.kept)) if kept]
    ordered = low.ordered_effects
    token_handler = token_signature(placement).handler if ordered else None
    handlers = [token_handler] * len(ordered) + [s.handler for s in out_sigs]
    watched = bool(low.effects) and bool(low.host_callbacks)

    def call(leading, bufs):
        full = [*leading, *hidden, *[bufs[i] if move is None else move(bufs[i]) for i, move in plan]]
        try:
            results = execute(full, with_tokens=watched)
            if watched:
                tokens.watch(results.consume_token())
            return results.consume_with_handlers(handlers)
        except Exception as error:
            raise failure(error, full) from None

    def run(bufs):
        if not ordered:
            return list(map(ArrayImpl, call((), bufs), out_sigs))
        with tokens.lock:
            outs = call([tokens.take(e, placement) for e in ordered], bufs)
            sig = token_signature(placement)
            for effect, token in zip(ordered, outs):
                tokens.give(effect, placement, ArrayImpl(token, sig))
        return list(map(ArrayImpl, outs[len(ordered):], out_sigs))
    return run


# --- compiling ----------------------------------------------------------------------------------

def compile_program(closed: ClosedJaxpr, in_sigs: Sequence[Signature], *, compiler_options=None,
                    **options) -> CompiledProgram:
    """Lower and compile a closed jaxpr for arguments of the given signatures; ``options`` as of `lower_program`."""
    low, placement = lower_program(closed, in_sigs, **options)
    return finish_program(closed, low, placement, in_sigs, compiler_options=compiler_options)


def lower_program(closed: ClosedJaxpr, in_sigs: Sequence[Signature], *, name: str = "main",
                  donated: Sequence[bool] | None = None, keep_unused: bool = False, sharding=None,
                  in_shardings: Sequence[Any] | None = None,
                  out_shardings: Sequence[Any] | None = None) -> tuple[lowering.Lowered, Placement]:
    """The first half: where the program runs, and its module.

    Parameters
    ----------
    name : of the function, for HLO and messages
    donated : for each argument, whether its memory may be reused
    keep_unused : keep arguments that nothing reads
    sharding : Sharding or None; run there wherever the arguments lie
    in_shardings, out_shardings : for each argument and result a sharding, or None for where it is, or what the
        compiler chooses
    """
    consts = [c.value._sig for c in lowering_module.hidden_constants(closed) if isinstance(c.value, ArrayImpl)]
    asked = [s for s in (*(in_shardings or ()), *(out_shardings or ())) if s is not None]
    if sharding is None and asked:
        sharding = max(asked, key=lambda s: len(s._device_list))
    inside = lowering_shardings.shardings_inside(closed)
    if inside and sharding is None:
        sharding = _place_of_constraints(inside, in_sigs, closed.debug_info.arg_names, name)
    placement = place([*in_sigs, *consts], sharding=sharding, arg_names=closed.debug_info.arg_names, fun_name=name)
    placement.inside = inside
    targets = placement.in_shardings[:len(in_sigs)]
    if in_shardings is not None:
        targets = [t if s is None else s for s, t in zip(in_shardings, targets)]
    placement.in_shardings = targets
    several = not placement.single
    with monitoring.timed(monitoring.LOWER, f"jit({name})"):
        low = lowering.lower_jaxpr(
            closed, name=name, platform=placement.devices[0].platform, donated=donated, keep_unused=keep_unused,
            in_shardings=targets if several else None, out_shardings=out_shardings if several else None,
            devices=list(placement.devices))
    if low.unusable_donations:
        types = ", ".join(a.str_short(short_dtypes=False) for a in low.unusable_donations)
        warnings.warn(f"Some donated buffers were not usable: {types}: no result of {name} has the same shape and dtype",
                      stacklevel=2)
    return low, placement


def _place_of_constraints(inside: list, in_sigs: Sequence[Signature], arg_names, name: str):
    """The place of a program that nobody was asked for but by shardings inside it; committed arguments must be there."""
    wanted = inside[0]
    for i, sig in enumerate(in_sigs):
        if sig.committed and sig.sharding._device_list != wanted._device_list:
            argument = arg_names[i] if arg_names is not None and i < len(arg_names) else f"argument {i}"
            raise ValueError(
                f"Received incompatible devices for jitted computation. Got argument {argument} of {name} with shape "
                f"{sig.aval.str_short(short_dtypes=False)} and with device ids {[d.id for d in sig.sharding._device_list]} and a sharding "
                f"inside of {name}, {wanted}, with device ids {[d.id for d in wanted._device_list]}. Move the argument with `device_put`.")
    return wanted


def finish_program(closed: ClosedJaxpr, low: lowering.Lowered, placement: Placement, in_sigs: Sequence[Signature], *,
                   compiler_options=None) -> CompiledProgram:
    """The second half: the executable, and the function that calls it.

    Parameters
    ----------
    compiler_options : mapping of XLA options
    """
    program = CompiledProgram()
    program.lowered, program.placement, program.name = low, placement, low.name
    program.in_sigs = tuple(in_sigs)
    with monitoring.timed(monitoring.COMPILE, f"jit({low.name})"):
        executable = compile_.compile_lowered(low, tuple(placement.devices), compiler_options)
    program.executable = executable
    program.out_sigs = out_sigs = _out_signatures(low, placement, executable)
    program.donates = any(low.donated)
    program.hidden = [_place_const(c, a, placement) for c, a in zip(low.const_args, low.const_avals)]
    moved = any(s.sharding is not t for s, t, kept in zip(program.in_sigs, placement.in_shardings, low.kept) if kept)
    program.is_direct = not (moved or low.effects or low.ordered_effects)
    picks = program.hidden or not all(low.kept)
    program.pick = _picker(program.hidden, low.kept) if program.is_direct and picks else None
    program.is_plain = program.is_direct and program.pick is None
    if program.is_plain:
        run = _plain_runner(executable, out_sigs)
    else:
        run = _direct_runner(program) if program.is_direct else _general_runner(program)
    if checks.wanted():                         # the flags are part of every key under which programs are kept
        program.is_plain = program.is_direct = False
        run = checks.checked(run, closed, program.in_sigs, program.name)
    if key_reuse.wanted.value:
        checked = key_reuse.checked(run, closed, program.name)
        if checked is not run:
            program.is_plain = program.is_direct = False
            run = checked
    if config.no_execution.value:               # the flag is part of those keys too
        program.is_plain = program.is_direct = False
        run = _refuse_to_run(program.name)
    program.run_buffers = run
    return program


def _refuse_to_run(name: str):
    def run(bufs):
        raise RuntimeError(f"{name} would run on a device, but the option jax_no_execution forbids it")
    return run


def _place_const(const, aval, placement: Placement):
    """The buffer of a hidden argument, of the type it was traced with, where the program wants it."""
    array = const if type(const) is ArrayImpl else from_numpy(np.asarray(const, aval.dtype))
    target = (SingleDeviceSharding(placement.devices[0]) if placement.single
              else GSPMDSharding.get_replicated(placement.devices))
    return array._buf if array._sig.sharding is target else mover(array._sig, target)(array._buf)


def _out_signatures(low: lowering.Lowered, placement: Placement, executable) -> list[Signature]:
    """What the results are: on one device there is no choice, on several the compiler says."""
    if placement.single:
        kinds = [getattr(s, "memory_kind", None) for s in low.out_shardings]
        here = SingleDeviceSharding(placement.devices[0])
        return [signature(aval.update(sharding=None) if aval.sharding is not None else aval,
                          here if kind is None else SingleDeviceSharding(placement.devices[0], kind), placement.committed)
                for aval, kind in zip(low.out_avals, kinds)]
    chosen = engine.compiler.output_shardings(executable)
    found = chosen[len(low.ordered_effects):] if chosen is not None else [engine.sharding.REPLICATED] * len(low.out_avals)
    asked_for = (*placement.in_shardings, *low.out_shardings, *placement.inside)
    mesh = next((s.mesh for s in asked_for if isinstance(s, NamedSharding)), None)
    sigs = []
    for aval, hlo, asked in zip(low.out_avals, found, low.out_shardings):
        sharding = asked
        if sharding is None and mesh is not None and mesh.device_list == placement.devices:
            sharding = named_from_hlo(mesh, hlo, aval.ndim)
        if sharding is None:
            sharding = GSPMDSharding(placement.devices, hlo)
        sigs.append(signature(aval.update(sharding=None) if aval.sharding is not None else aval, sharding, True))
    return sigs
