"""What all functions of a module under construction share, and which constants and effects a program has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ferax._src.ir.jaxpr import ClosedJaxpr, Jaxpr, jaxprs_in_params
from ferax._src.runtime.array import ArrayImpl
from ferax._src.types import dtypes

#: Constants with more elements than this become hidden arguments instead of being written into the program.
EMBED_LIMIT = 16

#: Programs with at most so many matrix products are few products with little around them: see `compile.default_options`.
FEW_PRODUCTS = 3


class Slots:
    """Functions of higher floors that lowering calls; each is filled once, at import, by the file named."""

    #: ``physical_rule(primitive, avals, params) -> ClosedJaxpr``, filled by ``transforms``: a primitive that knows nothing
    #: of extended dtypes (PRNG keys), mapped over the axes that their elements have physically.
    physical_rule: Callable[..., ClosedJaxpr] | None = None


slots = Slots()


class ModuleState:
    """What all functions of one module share."""

    __slots__ = (
        "bench",
        "module",
        "platform",
        "gpu_kind",
        "symbols",
        "functions",
        "host_callbacks",
        "keep_alive",
        "process_bound",
        "channels",
        "meshes",
        "num_replicas",
        "num_partitions",
        "device_ids",
        "contractions",
        "products",
        "written_calls",
        "embeds_constants",
        "name",
    )

    def __init__(
        self, bench: Any, module: Any, platform: str, name: str, num_replicas: int, num_partitions: int
    ):
        self.bench = bench
        self.module = module
        self.platform = "gpu" if platform in ("cuda", "rocm") else platform
        self.gpu_kind = platform if platform in ("cuda", "rocm") else "cuda"
        self.name = name
        self.symbols: set[str] = {"main"}
        self.functions: dict[Any, SubFunction] = {}
        self.host_callbacks: list[Callable[..., Any]] = []
        self.keep_alive: list[Any] = []
        self.process_bound = False  # a rule that writes an address into the program sets it
        self.channels = 0
        self.meshes: dict[Any, str] = {}  # mesh -> symbol of its sdy.mesh
        self.num_replicas = num_replicas
        self.num_partitions = num_partitions
        self.device_ids: tuple[int, ...] | None = None
        self.written_calls = 0  # of `LoweringContext.call_written`
        self.embeds_constants = False  # write all constants into the program: it has to stand alone
        self.contractions: set[str] = (
            set()
        )  # 'dot', 'dots', 'half_dot', 'conv', 'small_conv': for the compile options
        self.products = 0  # how many of 'dot' there are

    def hidden_constants(self, closed: ClosedJaxpr) -> list[HiddenConstant]:
        """The constants that a function with the jaxpr's operations takes as leading arguments."""
        return [] if self.embeds_constants else hidden_constants(closed)

    def fresh_symbol(self, name: str) -> str:
        """A function name nobody has in this module."""
        symbol, count = name, 0
        while symbol in self.symbols:
            symbol, count = f"{name}_{count}", count + 1
        self.symbols.add(symbol)
        return symbol

    def write_mesh(self, name: str, axes: Sequence[tuple[str, int]], device_order: Sequence[int]) -> str:
        """Writes an ``sdy.mesh`` and answers its symbol; an empty ``device_order`` means 0, 1, 2, ..."""
        symbol = self.fresh_symbol(name)
        self.bench.new_mesh(self.module, symbol, axes, device_order)
        return symbol


class SubFunction:
    """A private function of the module, emitted once per jaxpr."""

    __slots__ = ("symbol", "hidden", "effects", "out_types", "in_types")

    def __init__(self, symbol: str, hidden: list, effects: list, out_types: list, in_types: list | None = None):
        self.symbol = symbol
        self.hidden = hidden  # constants it takes as leading arguments
        self.effects = effects  # ordered effects: a token each, before everything else
        self.out_types = out_types
        self.in_types = in_types  # where it is a function of another module: what that one takes


def ordered_effects(effects) -> list:
    """The effects whose order the program must keep, in an order that does not depend on the run."""
    found = [e for e in effects if getattr(e, "ordered", False)] if effects else []
    return sorted(found, key=repr)


class HiddenConstant(NamedTuple):
    """A constant that the program takes as an argument."""

    value: Any
    aval: Any


def hidden_constants(closed: ClosedJaxpr) -> list[HiddenConstant]:
    """Constants that become hidden arguments: those of ``closed`` and of the jaxprs inside, each once."""
    found = closed.cache.get("hidden_constants")
    if found is None:
        seen: dict[int, HiddenConstant] = {}
        _collect(closed, seen)
        found = closed.cache["hidden_constants"] = list(seen.values())
    return found


def _collect(program: ClosedJaxpr | Jaxpr, seen: dict[int, HiddenConstant]) -> None:
    if isinstance(program, ClosedJaxpr):
        for var, const in zip(program.jaxpr.constvars, program.consts):
            if not _embeds(const):
                seen[id(const)] = HiddenConstant(const, var.aval)
    for eqn in program.eqns:
        if eqn.primitive.holds_jaxprs:
            for inner in jaxprs_in_params(eqn.params):
                _collect(inner, seen)


def _embeds(const: Any) -> bool:
    """Whether a constant is written into the program."""
    if isinstance(const, ArrayImpl):
        return const.aval.size <= EMBED_LIMIT and const._sig.sharding.is_fully_addressable
    return np.size(const) <= EMBED_LIMIT


def physical_value(const: Any, aval: Any) -> np.ndarray:
    """The value of a constant of type ``aval`` on the host, in its physical form."""
    if isinstance(const, ArrayImpl):
        return const._fetch()
    return np.asarray(const).astype(aval.dtype) if aval.dtype != dtypes.float0 else np.zeros(aval.shape, bool)


def has_extended(avals_in: Sequence[Any], avals_out: Sequence[Any]) -> bool:
    """Whether a PRNG key or another extended dtype is among the types."""
    for aval in avals_in:
        if isinstance(getattr(aval, "dtype", None), dtypes.ExtendedDType):
            return True
    for aval in avals_out:
        if isinstance(getattr(aval, "dtype", None), dtypes.ExtendedDType):
            return True
    return False


def symbol_text(name: str) -> str:
    """A name as MLIR symbols and HLO computations take it."""
    text = "".join(c if c.isalnum() or c in "_.-" else "_" for c in name)
    return text.replace("<lambda>", "lambda") or "function"
