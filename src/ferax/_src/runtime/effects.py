"""Side effects of programs that have been called: their order, waiting for them, and what went wrong in them.

A program with ordered effects takes a token for each and answers a new one, which the next such program takes: so the
effects happen in the order of the calls. `effects_barrier` waits for all that is under way.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from ferax._src import engine
from ferax._src.engine import buffers
from ferax._src.engine.callbacks import original_error
from ferax._src.runtime import devices
from ferax._src.runtime.array import ArrayImpl, Signature, scatter, signature
from ferax._src.runtime.placement import Placement
from ferax._src.types.avals import ShapedArray
from ferax._src.types.shardings import GSPMDSharding, SingleDeviceSharding


def failure(error: Exception, bufs: Sequence[Any]) -> BaseException:
    """What to raise when an execution failed: the callback's own exception, or that an argument was deleted."""
    for buf in bufs:
        if buf.is_deleted():
            try:
                buffers.check_alive(buf)
            except engine.DeletedArrayError as deleted:
                return deleted
    original = original_error(error)
    return error if original is None else original


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
            token = ArrayImpl(scatter(np.zeros(0, bool), sig.physical, sig.sharding, False), sig)
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
