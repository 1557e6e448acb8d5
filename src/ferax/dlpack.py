"""``ferax.dlpack``: arrays shared with other libraries, without a copy where the memory allows."""

from ferax._src.runtime.transfer import from_dlpack, is_supported_dtype

__all__ = ["from_dlpack", "is_supported_dtype"]
