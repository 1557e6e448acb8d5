"""What annotations call the things that functions of arrays take."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ferax._src.tracing.core import Array


class SupportsDType(Protocol):
    """Anything that says its dtype."""

    @property
    def dtype(self) -> np.dtype: ...


#: What may be given where an array is wanted: arrays, tracers, NumPy's, and numbers; not lists.
ArrayLike = Array | np.ndarray | np.bool_ | np.number | bool | int | float | complex
#: What may be given where a dtype is wanted.
DTypeLike = str | type[Any] | np.dtype | SupportsDType
