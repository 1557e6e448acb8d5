"""``ferax.stages``: what ``jit(f).trace``, ``.lower`` and ``.compile`` answer."""

from ferax._src.api.stages import ArgInfo, Compiled, CompilerOptions, Lowered, Traced, Wrapped

__all__ = ["ArgInfo", "Compiled", "CompilerOptions", "Lowered", "Traced", "Wrapped"]
