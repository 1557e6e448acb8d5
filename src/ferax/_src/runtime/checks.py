"""debug_nans and debug_infs: looking at results, and finding the operation that was the first to go wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ferax._src.ir.jaxpr import ClosedJaxpr
from ferax._src.runtime.array import ArrayImpl, Signature
from ferax._src.tracing import core
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.types import dtypes
from ferax._src.util import config, source as source_info


def wanted() -> bool:
    """Whether results are to be looked at. The flags are part of every key of compiled programs."""
    return config.debug_nans.value or config.debug_infs.value


def what_is_wrong(arrays) -> str | None:
    """"nan" or "inf" if an array holds one and the configuration asks to look for it."""
    nans, infs = config.debug_nans.value, config.debug_infs.value
    for x in arrays:
        if type(x) is ArrayImpl and dtypes.kind_of(x.aval.dtype) in "fc" and x._sig.physical is x.aval:
            value = np.asarray(x)
            if value.dtype.kind not in "fc":    # ml_dtypes: NumPy cannot look into all of them
                value = value.astype(np.float32)
            if nans and np.isnan(value).any():
                return "nan"
            if infs and np.isinf(value).any():
                return "inf"
    return None


def checked(run: Callable, closed: ClosedJaxpr, in_sigs: Sequence[Signature], name: str) -> Callable:
    """``run(buffers)`` with a look at its results; raises FloatingPointError that names the operation."""
    def run_and_look(bufs):
        outs = run(bufs)
        wrong = what_is_wrong(outs)
        if wrong is not None:
            eqns = closed.jaxpr.eqns
            if len(eqns) > 1 or any(e.primitive.holds_jaxprs and not hasattr(e.primitive, "program_for") for e in eqns):
                _blame(closed, [ArrayImpl(b, s) for b, s in zip(bufs, in_sigs)], wrong, name)
            where = f" at {source_info.summarize(eqns[0].source)}" if eqns and eqns[0].source is not None else ""
            raise FloatingPointError(f"invalid value ({wrong}) encountered in {name}{where}")
        return outs
    return run_and_look


def _blame(closed: ClosedJaxpr, args, wrong: str, name: str) -> None:
    """Run a program again operation by operation: the first one whose result is wrong raises."""
    if any(x.is_deleted() for x in args):
        raise FloatingPointError(f"invalid value ({wrong}) encountered in {name}; its arguments were donated, so it "
                                 "cannot be run again to find the operation: do not donate them while debugging")
    with core.set_current_trace(core.eval_trace):
        eval_closed(_opened(closed), *args)
    raise FloatingPointError(f"invalid value ({wrong}) encountered in {name}; run operation by operation, it does not "
                             "occur, so it comes from the way the compiler rearranged the program")


def _opened(closed: ClosedJaxpr) -> ClosedJaxpr:
    """What to look into: the inner program where a program only calls another."""
    eqns = closed.jaxpr.eqns
    if len(eqns) == 1 and list(eqns[0].invars) == list(closed.jaxpr.invars) and not hasattr(eqns[0].primitive, "program_for"):
        inner = [v for v in eqns[0].params.values() if isinstance(v, ClosedJaxpr)]
        if len(inner) == 1 and inner[0].in_avals == closed.in_avals:
            return _opened(inner[0])
    return closed
