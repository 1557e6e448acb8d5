"""Modules that stand alone: all constants written in, no operation that only this process knows, one or several platforms.

``main`` takes

    the platform's index (if there are several), tokens of ordered effects, the arguments that the program reads

and returns tokens, then results.  For several platforms the program is lowered for each.  Where the texts agree, as they
mostly do, one of them is the module; where not, ``main`` chooses among private functions by the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferax._src.engine import mlir, mlir_text
from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.runtime.lowering import Lowered, lower_jaxpr
from ferax._src.runtime.lowering_module import ModuleState
from ferax._src.util import config

#: Of the age that other releases read, as in JAX.
_WEEKS = 4


def lower_for_export(closed: ClosedJaxpr, platforms: Sequence[str], **options: Any) -> tuple[Lowered, Any]:
    """Lower a program for platforms; ``options`` are those of `lower_jaxpr`.

    Returns
    -------
    the program as lowered for the first platform, and the module for all
    """
    with config.cpu_lowerings("plain"):
        lowered = [lower_jaxpr(closed, platform=p, embed_constants=True, **options) for p in platforms]
    for low in lowered:
        if low.host_callbacks or low.process_bound:
            raise NotImplementedError(
                f"export: {low.name} calls Python (pure_callback, io_callback, debug.print or debug.callback), or holds an "
                "address of this process: serialization of host_callbacks is not possible, since another process has no such "
                "function. Leave the callbacks out of what is exported.")
    if len(lowered) == 1:
        return lowered[0], lowered[0].module
    texts = [mlir_text.module_bytecode(low.module, locations=False) for low in lowered]
    different = list(dict.fromkeys(texts))
    chosen = [different.index(text) for text in texts]
    return lowered[0], _with_index([lowered[texts.index(text)] for text in different], chosen)


def _with_index(variants: list[Lowered], chosen: list[int]) -> Any:
    """One module whose ``main`` first takes a platform's index; platform i has the variant ``chosen[i]``."""
    first = variants[0]
    bench = mlir.workbench()
    parsed = [mlir_text.parse_module(mlir_text.module_bytecode(low.module), bench.context) for low in variants]
    attributes = parsed[0].operation.attributes
    partitions, replicas = first.num_partitions, first.num_replicas
    module = bench.new_module(mlir_text.string_of(attributes["sym_name"]), replicas, partitions)
    state = ModuleState(bench, module, "cpu", first.name, replicas, partitions)
    main = mlir_text.function_named(parsed[0], "main")
    inputs, results = mlir_text.function_types(main)
    described = [mlir_text.value_attributes(main, name) for name in ("arg_attrs", "res_attrs")]
    symbols = [mlir_text.merge_modules(module, m, state.fresh_symbol)["main"] for m in parsed]

    function, block = bench.new_function(module, "main", [bench.tensor_type((), np.dtype(np.int32)), *inputs], public=True)
    index, *arguments = block.arguments
    here = mlir.InsertionPoint(block)
    # Refinement changes the types of main's arguments; a conversion of dynamic ones keeps their users as they are.
    arguments = [mlir.create("stablehlo.convert", [v.type], [v], None, None, 0, bench.unknown, here).result
                 if mlir.is_dynamic(v.type) else v for v in arguments]

    def call(symbol: str, place: Any) -> list:
        attrs = {"callee": bench.symbol(symbol)}
        return list(mlir.create("func.call", results, arguments, attrs, None, 0, bench.unknown, place).results)

    if len(symbols) == 1:
        values = call(symbols[0], here)
    else:
        case = mlir.create("stablehlo.case", results, [index], None, None, len(chosen), bench.unknown, here)
        for region, variant in zip(case.regions, chosen):
            branch = region.blocks.append()
            place = mlir.InsertionPoint(branch)
            answers = call(symbols[variant], place)
            mlir.create("stablehlo.return", [], answers, None, None, 0, bench.unknown, place)
        values = list(case.results)
    of_arguments = described[0] and [{}, *described[0]]
    bench.finish_function(function, block, values, of_arguments, described[1])
    return module


def to_artifact(module: Any) -> bytes:
    """A module as bytes for other releases."""
    return mlir_text.serialize_portable(module, mlir_text.stablehlo_version_of_age(_WEEKS), mixed=True)
