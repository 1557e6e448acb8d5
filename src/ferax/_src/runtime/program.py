"""A compiled program: an executable with all that a call of it needs, prepared once.

`compile_program` takes a closed jaxpr and the signatures of its arguments: it decides where the program runs, lowers,
compiles, and makes the shortest possible function from argument buffers to result arrays. In the common case (one
device, all arguments used where they lie, no effects) that function is one call into C++ and one wrapper per result.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ferax._src import engine
from ferax._src.engine import buffers
from ferax._src.engine.callbacks import original_error
from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.runtime import compile as compile_
from ferax._src.runtime import devices, lowering
from ferax._src.runtime.array import ArrayImpl, Signature, signature
from ferax._src.runtime.transfer import as_array
from ferax._src.types.avals import ShapedArray
from ferax._src.types.shardings import GSPMDSharding, NamedSharding, SingleDeviceSharding, named_from_hlo


# --- where a program runs -----------------------------------------------------------------------

class Placement:
    """The devices of a program, where it wants each argument, and whether its results are committed."""

    __slots__ = ("devices", "in_shardings", "committed")

    def __init__(self, device_list, in_shardings, committed: bool):
        self.devices = device_list
        self.in_shardings = in_shardings
        self.committed = committed

    @property
    def single(self) -> bool:
        return len(self.devices) == 1


def _describe(sig: Signature, name: str) -> str:
    ids = [d.id for d in sig.sharding._device_list]
    platform = sig.sharding._device_list[0].platform.upper()
    return (f"{name} with shape {sig.aval.str_short(short_dtypes=False)} and with device ids {ids} on platform {platform}")


def incompatible_devices(in_sigs: Sequence[Signature], arg_names, fun_name: str) -> ValueError:
    """The error for committed arguments on different devices."""
    seen: dict[Any, str] = {}
    for i, sig in enumerate(in_sigs):
        if sig.committed:
            name = arg_names[i] if arg_names is not None and i < len(arg_names) else f"argument {i}"
            place = sig.sharding._device_list
            if not any(place == other for other in seen):
                seen[place] = _describe(sig, f"argument {name} of {fun_name}")
    text = " and ".join(list(seen.values())[:2])
    return ValueError(f"Received incompatible devices for jitted computation. Got {text}. "
                      "Move them to the same devices with `device_put`.")


def place(in_sigs: Sequence[Signature], *, sharding=None, arg_names=None, fun_name: str = "the function") -> Placement:
    """Where a program with these arguments runs: where the committed ones lie, else on the default device.

    Parameters
    ----------
    sharding : Sharding or None; a place that was asked for by name, which all arguments then go to
    """
    chosen = sharding
    if chosen is None:
        for sig in in_sigs:
            if not sig.committed or sig.sharding is chosen:
                continue
            if chosen is None:
                chosen = sig.sharding
            elif sig.sharding._device_list != chosen._device_list:
                raise incompatible_devices(in_sigs, arg_names, fun_name)
    committed = chosen is not None
    if chosen is None:
        chosen = devices.default_sharding()
    places = chosen._device_list
    if len(places) == 1:
        here = SingleDeviceSharding(places[0]) if not isinstance(chosen, SingleDeviceSharding) else chosen
        wanted = [here if not s.single or s.sharding._device is not places[0] else s.sharding for s in in_sigs]
    else:
        whole = GSPMDSharding.get_replicated(places)
        wanted = [s.sharding if s.sharding._device_list == places else whole for s in in_sigs]
    return Placement(places, wanted, committed)


# --- running ------------------------------------------------------------------------------------

class CompiledProgram:
    """An executable ready to be called.

    ``run_buffers(buffers)`` takes the physical buffers of the arguments, of exactly the signatures that the program was
    made for, and answers the list of result arrays; ``run(arrays)`` takes the arrays.
    """

    __slots__ = ("run_buffers", "executable", "lowered", "in_sigs", "out_sigs", "placement", "is_plain", "name",
                 "donates", "__weakref__")

    run_buffers: Callable[[list], list[ArrayImpl]]
    executable: Any
    lowered: lowering.Lowered
    in_sigs: tuple[Signature, ...]
    out_sigs: list[Signature]
    placement: Placement
    is_plain: bool          # a call is the executable and nothing else: no hidden, dropped or moved arguments, no effects
    name: str
    donates: bool           # whether a call takes the memory of some argument

    def run(self, args: Sequence[ArrayImpl]) -> list[ArrayImpl]:
        """Run on arrays; answers the list of results."""
        return self.run_buffers([a._buf for a in args])

    def single_runner(self) -> Callable[[list], ArrayImpl]:
        """`run_buffers` for a program of one result, answering it without a list around."""
        if not self.is_plain:
            run = self.run_buffers
            return lambda bufs: run(bufs)[0]
        execute, (sig,) = self.executable.execute_sharded, self.out_sigs
        handlers = [sig.handler]

        def run_one(bufs):
            try:
                return ArrayImpl(execute(bufs).consume_with_handlers(handlers)[0], sig)
            except Exception as error:
                raise failure(error, bufs) from None
        return run_one

    def __repr__(self) -> str:
        return f"<CompiledProgram {self.name}>"


def failure(error: Exception, bufs: Sequence[Any]) -> Exception:
    """What to raise when an execution failed: the callback's own exception, or that an argument was deleted."""
    for buf in bufs:
        if buf.is_deleted():
            try:
                buffers.check_alive(buf)
            except engine.DeletedArrayError as deleted:
                return deleted
    original = original_error(error)
    return error if original is None else original


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


def _mover(sig: Signature, target):
    """A function that brings a buffer from where ``sig`` says to another sharding."""
    places = target._device_list
    source = sig.sharding._device_list
    if places[0].client is not source[0].client or not (sig.single or len(places) == len(source)):
        def through_host(buf):
            value = ArrayImpl(buf, sig)._fetch()
            where = target.addressable_devices_indices_map(value.shape)
            here = list(places.addressable_device_list)
            return engine.put(sig.physical, target, [np.ascontiguousarray(value[where[d]]) for d in here], here, True)
        return through_host
    if len(places) == 1:
        return lambda buf: buffers.copy_to_devices(buf, places, target, reuse=True)
    if sig.single and target.is_fully_replicated:
        here = list(places.addressable_device_list)
        return lambda buf: engine.put(sig.physical, target, [buf] * len(here), here, True)
    return _mover(signature(sig.aval, GSPMDSharding.get_replicated(source), True), target)


def _general_runner(program: CompiledProgram, hidden: list):
    """A call that prepends hidden arguments, drops and moves others, and threads the tokens of its effects."""
    low, placement, out_sigs = program.lowered, program.placement, program.out_sigs
    execute = program.executable.execute_sharded
    plan = [(i, None if sig.sharding is target else _mover(sig, target))
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


# --- effects ------------------------------------------------------------------------------------

class _Tokens:
    """The tokens that order the side effects of successive programs, and those still to be waited for."""

    def __init__(self):
        self.lock = threading.RLock()
        self.ordered: dict[tuple, ArrayImpl] = {}       # (effect, devices) -> bool[0]
        self.running: list = []

    def take(self, effect, placement: Placement):
        key = effect, placement.devices
        token = self.ordered.get(key)
        if token is None:
            sig = token_signature(placement)
            here = list(placement.devices.addressable_device_list)
            token = ArrayImpl(engine.put(sig.physical, sig.sharding, [np.zeros(0, bool)] * len(here), here, False), sig)
        return token._buf

    def give(self, effect, placement: Placement, token: ArrayImpl) -> None:
        self.ordered[effect, placement.devices] = token

    def watch(self, token) -> None:
        self.running.append(token)
        if len(self.running) > 32:              # those that have long finished need no waiting for
            del self.running[:16]

    def wait(self) -> None:
        with self.lock:
            ordered, running = list(self.ordered.values()), self.running
            self.running = []
        try:
            for token in ordered:
                token._buf.block_until_ready()
            for token in running:
                token.block_until_ready()
        except engine.JaxRuntimeError as error:
            self.ordered.clear()
            raise failure(error, ()) from None

    def clear(self) -> None:
        self.ordered.clear()
        self.running.clear()


tokens = _Tokens()
devices.on_clear(tokens.clear)


def token_signature(placement: Placement) -> Signature:
    """What a token is on the outside: an empty bool array."""
    where = (SingleDeviceSharding(placement.devices[0]) if placement.single
             else GSPMDSharding.get_replicated(placement.devices))
    return signature(ShapedArray((0,), np.dtype(bool)), where, False)


def effects_barrier() -> None:
    """Wait until the side effects of all programs called so far have happened."""
    tokens.wait()


# --- compiling ----------------------------------------------------------------------------------

def compile_program(closed: ClosedJaxpr, in_sigs: Sequence[Signature], *, name: str = "main",
                    donated: Sequence[bool] | None = None, keep_unused: bool = False, sharding=None,
                    in_shardings: Sequence[Any] | None = None, out_shardings: Sequence[Any] | None = None,
                    compiler_options=None) -> CompiledProgram:
    """Lower and compile a closed jaxpr for arguments of the given signatures.

    Parameters
    ----------
    name : of the function, for HLO and messages
    donated : for each argument, whether its memory may be reused
    keep_unused : keep arguments that nothing reads
    sharding : Sharding or None; run there wherever the arguments lie
    in_shardings, out_shardings : for each argument and result a sharding, or None for where it is, or what the
        compiler chooses
    compiler_options : mapping of XLA options
    """
    low, placement = lower_program(closed, in_sigs, name=name, donated=donated, keep_unused=keep_unused, sharding=sharding,
                                   in_shardings=in_shardings, out_shardings=out_shardings)
    return finish_program(closed, low, placement, in_sigs, compiler_options=compiler_options)


def lower_program(closed: ClosedJaxpr, in_sigs: Sequence[Signature], *, name: str = "main", donated=None,
                  keep_unused: bool = False, sharding=None, in_shardings=None,
                  out_shardings=None) -> tuple[lowering.Lowered, Placement]:
    """The first half of `compile_program`: where the program runs, and its module."""
    consts = [c._sig for c in lowering.hidden_constants(closed) if isinstance(c, ArrayImpl)]
    asked = [s for s in (*(in_shardings or ()), *(out_shardings or ())) if s is not None]
    if sharding is None and asked:
        sharding = max(asked, key=lambda s: len(s._device_list))
    placement = place([*in_sigs, *consts], sharding=sharding, arg_names=closed.debug_info.arg_names, fun_name=name)
    targets = placement.in_shardings[:len(in_sigs)]
    if in_shardings is not None:
        targets = [t if s is None else s for s, t in zip(in_shardings, targets)]
    placement.in_shardings = targets
    several = not placement.single
    low = lowering.lower_jaxpr(
        closed, name=name, platform=placement.devices[0].platform, donated=donated, keep_unused=keep_unused,
        in_shardings=targets if several else None, out_shardings=out_shardings if several else None,
        devices=list(placement.devices) if several else None)
    if low.unusable_donations:
        types = ", ".join(a.str_short(short_dtypes=False) for a in low.unusable_donations)
        warnings.warn(f"Some donated buffers were not usable: {types}: no result of {name} has the same shape and dtype",
                      stacklevel=2)
    return low, placement


def finish_program(closed: ClosedJaxpr, low: lowering.Lowered, placement: Placement, in_sigs: Sequence[Signature], *,
                   compiler_options=None) -> CompiledProgram:
    """The second half of `compile_program`: the executable, and the function that calls it."""
    program = CompiledProgram()
    program.lowered, program.placement, program.name = low, placement, low.name
    program.in_sigs = tuple(in_sigs)
    program.executable = executable = compile_.compile_lowered(low, tuple(placement.devices), compiler_options)
    program.out_sigs = out_sigs = _out_signatures(low, placement, executable)
    program.donates = any(low.donated)
    hidden = [_place_const(c, placement) for c in low.const_args]
    moved = any(s.sharding is not t for s, t, kept in zip(in_sigs, placement.in_shardings, low.kept) if kept)
    program.is_plain = not (hidden or moved or low.effects or low.ordered_effects or not all(low.kept))
    program.run_buffers = _plain_runner(executable, out_sigs) if program.is_plain else _general_runner(program, hidden)
    return program


def _place_const(const, placement: Placement):
    """The buffer of a hidden argument, where the program wants it."""
    array = as_array(const)
    target = (SingleDeviceSharding(placement.devices[0]) if placement.single
              else GSPMDSharding.get_replicated(placement.devices))
    return array._buf if array._sig.sharding is target else _mover(array._sig, target)(array._buf)


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
    mesh = next((s.mesh for s in (*placement.in_shardings, *low.out_shardings) if isinstance(s, NamedSharding)), None)
    sigs = []
    for aval, hlo, asked in zip(low.out_avals, found, low.out_shardings):
        sharding = asked
        if sharding is None and mesh is not None and mesh.device_list == placement.devices:
            sharding = named_from_hlo(mesh, hlo, aval.ndim)
        if sharding is None:
            sharding = GSPMDSharding(placement.devices, hlo)
        sigs.append(signature(aval.update(sharding=None) if aval.sharding is not None else aval, sharding, True))
    return sigs
