"""Where a program runs, and bringing its arguments there.

Committed arguments decide: the program runs on their devices, and all of them must lie on the same. Uncommitted ones
come along; where there are only such, the program runs on the default device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ferax._src import engine
from ferax._src.engine import buffers
from ferax._src.runtime import devices
from ferax._src.runtime.array import ArrayImpl, Signature, scatter
from ferax._src.types.shardings import GSPMDSharding, SingleDeviceSharding


class Placement:
    """The devices of a program, where it wants each argument, and whether its results are committed."""

    __slots__ = ("devices", "in_shardings", "committed", "inside")

    def __init__(self, device_list, in_shardings, committed: bool, inside=()):
        self.devices = device_list
        self.in_shardings = in_shardings
        self.committed = committed
        self.inside = inside                    # shardings that equations of the program ask for

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


def mover(sig: Signature, target):
    """A function that brings a buffer from where ``sig`` says to another sharding."""
    places = target._device_list
    source = sig.sharding._device_list
    if not sig.single and target.is_equivalent_to(sig.sharding, sig.physical.ndim):
        return lambda buf: engine.rewrap(buf, sig.physical, target)
    if places[0].client is not source[0].client or not sig.single or (len(places) > 1 and not target.is_fully_replicated):
        def through_host(buf):
            return scatter(ArrayImpl(buf, sig)._fetch(), sig.physical, target, True)
        return through_host
    if len(places) == 1:
        return lambda buf: buffers.copy_to_devices(buf, places, target, reuse=True)
    here = list(places.addressable_device_list)
    return lambda buf: engine.put(sig.physical, target, [buf] * len(here), here, True)
