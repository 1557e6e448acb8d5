"""How long does Python work before XLA may start? The gradient of a 12-layer transformer, about 2,800
equations.

``first`` is the wait in a new process, when nothing of the library has been warmed up. ``again`` is a new
function of the same kind in the same process: only what is cached per operation, not per function, can help
there.
"""

import importlib
from time import perf_counter

import workloads
from harness import Suite

suite = Suite("Tracing and lowering")


def problem(lib):
    return workloads.transformer(lib, layers=12, width=64, heads=4, vocabulary=128, length=32, batch=2)


def new_gradient(lib, loss):
    """The jitted gradient as a function that no cache has seen."""
    return lib.jit(lib.grad(lambda *args: loss(*args)))


@suite.fresh_rows({"first: trace": 0.6, "first: trace + lower": 0.6})
def first(library):
    lib = importlib.import_module(library)
    importlib.import_module(f"{library}.numpy")
    loss, params, data = problem(lib)
    gradient = new_gradient(lib, loss)
    start = perf_counter()
    traced = gradient.trace(params, *data)
    middle = perf_counter()
    traced.lower()
    return {"first: trace": middle - start, "first: trace + lower": perf_counter() - start}


@suite.row("again: trace", bar=0.6)
def again_trace(lib):
    loss, params, data = problem(lib)
    return lambda: new_gradient(lib, loss).trace(params, *data)


@suite.row("again: trace + lower", bar=0.6)
def again_lower(lib):
    loss, params, data = problem(lib)
    return lambda: new_gradient(lib, loss).trace(params, *data).lower()


if __name__ == "__main__":
    suite.main()
