"""A traced function as something to call: one compiled program for each combination of argument signatures.

How the program for a call is found again quickly is `callpath`; here it is made.
"""

from __future__ import annotations

from ferax._src import engine
from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.runtime import devices
from ferax._src.runtime.array import ArrayImpl
from ferax._src.runtime.program import CompiledProgram, finish_program, lower_program
from ferax._src.runtime.transfer import as_array
from ferax._src.types.shardings import SingleDeviceSharding


class Call:
    """A traced function and the options under which it is compiled."""

    __slots__ = ("closed", "name", "donated", "keep_unused", "sharding", "compiler_options", "in_shardings", "out_shardings")

    def __init__(self, closed: ClosedJaxpr, *, name: str, donated=(), keep_unused=False, device=None, compiler_options=None,
                 in_shardings=None, out_shardings=None):
        self.closed = closed
        self.name = name
        self.donated = donated if any(donated) else None
        self.keep_unused = keep_unused
        self.sharding = None if device is None else as_sharding(device)
        self.compiler_options = compiler_options        # a sorted tuple of pairs, or None
        self.in_shardings = in_shardings                # for each argument a sharding or None; None if none is asked for
        self.out_shardings = out_shardings

    def program(self, arrays) -> CompiledProgram:
        """The compiled program for arguments like these."""
        sigs = tuple([x._sig for x in arrays])
        key = ("call", sigs, self.donated, self.keep_unused, self.sharding, self.compiler_options,
               self.in_shardings, self.out_shardings, devices.default_sharding())
        found = self.closed.cache.get(key)
        if found is None:
            for x in arrays:
                if x.is_deleted():
                    x.block_until_ready()       # raises; before anything is compiled in vain
            lowered, placement = self.lower(sigs)
            found = finish_program(self.closed, lowered, placement, sigs, compiler_options=dict(self.compiler_options or ()))
            self.closed.cache[key] = found
        return found

    def lower(self, sigs):
        """The module for arguments of these signatures, and where it runs."""
        return lower_program(self.closed, sigs, name=self.name, donated=self.donated, keep_unused=self.keep_unused,
                             sharding=self.sharding, in_shardings=self.in_shardings, out_shardings=self.out_shardings)

    def run(self, leaves) -> tuple[list[ArrayImpl], CompiledProgram]:
        """Run on flat arguments; answers the flat results and the program that ran."""
        arrays = [x if type(x) is ArrayImpl else as_array(x) for x in leaves]
        compiled = self.program(arrays)
        return compiled.run(arrays), compiled


def as_sharding(place):
    """A device or sharding as a sharding."""
    return place if isinstance(place, engine.Sharding) else SingleDeviceSharding(place)
