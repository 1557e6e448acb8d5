"""``ferax.ref``: references to arrays that can be written."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.numpy.refs": "new_ref empty_ref freeze free_ref get set swap addupdate",
        "ferax._src.tracing.refs": "Ref",
        "ferax._src.types.refs": "AbstractRef",
    },
)
