"""``ferax.example_libraries``: small libraries of optimizers and layers, to start from and to read."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, {}, submodules="optimizers stax")
