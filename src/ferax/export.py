"""``ferax.export``: functions lowered once and for all, as bytes that other processes call."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.tools.export": "default_export_platform export symbolic_args_specs",
        "ferax._src.tools.export_checks": (
            "DisabledSafetyCheck maximum_supported_calling_convention_version minimum_supported_calling_convention_version"
        ),
        "ferax._src.tools.export_format": "register_namedtuple_serialization register_pytree_node_serialization",
        "ferax._src.tools.exported": "Exported deserialize",
        "ferax._src.types.symbolic_dims": "is_symbolic_dim",
        "ferax._src.types.symbolic_parser": "SymbolicScope symbolic_shape",
    },
    first="ferax._src.numpy.array_methods",
)
