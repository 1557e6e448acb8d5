"""Compiler options for tests whose programs run once: as little work for the compiler as may be, whatever the speed of the code."""

import functools


@functools.cache
def quick(root) -> dict:
    """The options that ``root``'s engine knows, of those that shorten compiling (by half to two thirds together)."""
    known = {}
    for option in ({"xla_backend_optimization_level": 0}, {"xla_cpu_use_fusion_emitters": False}):
        try:
            root.jit(lambda: 0, compiler_options=option)()
        except root.errors.JaxRuntimeError:                 # an engine older or newer than the option
            continue
        known |= option
    return known
