"""``ferax.ffi``: native functions, called from programs."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.control.ffi": (
            "build_ffi_lowering_function ffi_call ffi_lowering include_dir pycapsule register_ffi_target "
            "register_ffi_target_as_batch_partitionable register_ffi_type register_ffi_type_id"
        ),
    },
    first="ferax._src.numpy.array_methods",
)
