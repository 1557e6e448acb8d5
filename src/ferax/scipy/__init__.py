"""``ferax.scipy``: parts of SciPy's API."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, {}, submodules="linalg special")
