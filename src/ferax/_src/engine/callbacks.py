"""Python functions called from inside compiled programs.

jaxlib calls them with read-only NumPy arrays and believes whatever comes back: a result of another shape or dtype would be
copied as bytes.  :func:`guarded` wraps a function so that results are checked, and keeps an exception aside so that
the user sees the original and not only its text inside a runtime error.
"""

import itertools
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ferax._src.engine.helpers import JaxRuntimeError

CPU_TARGET = "xla_ffi_python_cpu_callback"
GPU_TARGET = "xla_ffi_python_gpu_callback"
PARTITIONED_CPU_TARGET = "xla_ffi_partitioned_python_cpu_callback"
PARTITIONED_GPU_TARGET = "xla_ffi_partitioned_python_gpu_callback"

_errors: dict[int, BaseException] = {}
_errors_lock = threading.Lock()
_numbers = itertools.count(1)
_MARK = re.compile(r"ferax callback error #(\d+)")
_KEPT = 64  # an error whose program nobody waits for would otherwise stay for ever


class _CallbackFailed(RuntimeError):
    pass


def _keep(error: BaseException) -> int:
    with _errors_lock:
        number = next(_numbers)
        _errors[number] = error
        while len(_errors) > _KEPT:
            del _errors[next(iter(_errors))]
        return number


def guarded(
    fn: Callable[..., Any],
    out_specs: Sequence[tuple[tuple[int, ...], np.dtype]],
    *,
    ordered: bool = False,
    name: str = "callback",
) -> Callable[..., Any]:
    """``fn(*arrays) -> sequence of arrays`` as jaxlib wants it: a tuple of contiguous arrays of exactly these types.

    With ``ordered`` a token comes first among the arguments and goes back first among the results.
    """
    specs = [(tuple(shape), np.dtype(dtype)) for shape, dtype in out_specs]

    def call(*args: Any) -> tuple:
        try:
            token, args = (args[:1], args[1:]) if ordered else ((), args)
            results = fn(*args)
            results = () if results is None and not specs else tuple(results)
            if len(results) != len(specs):
                raise ValueError(
                    f"{name}: the function returned {len(results)} results where {len(specs)} were declared"
                )
            return token + tuple(_checked(r, s, name, i) for i, (r, s) in enumerate(zip(results, specs)))
        except BaseException as error:
            raise _CallbackFailed(
                f"ferax callback error #{_keep(error)}: {type(error).__name__}: {error}"
            ) from error

    return call


def _checked(value: Any, spec: tuple[tuple[int, ...], np.dtype], name: str, position: int) -> np.ndarray:
    shape, dtype = spec
    value = np.asarray(value)
    if value.shape != shape or value.dtype != dtype:
        raise ValueError(
            f"{name}: result {position} has shape {value.shape} and dtype {value.dtype}, "
            f"but shape {shape} and dtype {dtype} were declared"
        )
    return np.ascontiguousarray(value).reshape(shape)


def original_error(error: BaseException) -> BaseException | None:
    """The exception that a callback raised, when ``error`` is the runtime error that reports it."""
    if not isinstance(error, JaxRuntimeError):
        return None
    match = _MARK.search(str(error))
    if match is None:
        return None
    with _errors_lock:
        return _errors.pop(int(match.group(1)), None)
