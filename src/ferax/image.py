"""``ferax.image``: resampling of images, and of arrays with any number of dimensions."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.image.resize": "ResizeMethod resize scale_and_translate",
    },
)
