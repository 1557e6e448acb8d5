"""What may be exported: which custom calls another process can be trusted to have, and how a check is turned off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ferax._src.engine import mlir_text

minimum_supported_calling_convention_version = 9
maximum_supported_calling_convention_version = 10

_CUSTOM = "custom_call:"


class DisabledSafetyCheck:
    """A check that export or a call leaves out; made by `platform` and `custom_call`."""

    __slots__ = ("_impl",)

    def __init__(self, _impl: str):
        self._impl = _impl

    @classmethod
    def platform(cls) -> DisabledSafetyCheck:
        """Allow a call on a platform that the function was not exported for."""
        return cls("platform")

    @classmethod
    def custom_call(cls, target_name: str) -> DisabledSafetyCheck:
        """Allow custom calls of that target in what is exported; who calls it must have the target registered."""
        return cls(_CUSTOM + target_name)

    def is_custom_call(self) -> str | None:
        """The target that is allowed, if this is such a check."""
        return self._impl.removeprefix(_CUSTOM) or None if self._impl.startswith(_CUSTOM) else None

    def __repr__(self) -> str:
        return self._impl

    def __eq__(self, other) -> bool:
        return isinstance(other, DisabledSafetyCheck) and self._impl == other._impl

    def __hash__(self) -> int:
        return hash(self._impl)


_LAPACK = {                                     # routine -> the letters of the dtypes that have it, real and complex
    "potrf": "sdcz", "geqrf": "sdcz", "orgqr": "sd", "ungqr": "cz", "ormqr": "sd", "unmqr": "cz", "syevd": "sd", "heevd": "cz",
    "geev": "sdcz", "gesdd": "sdcz", "getrf": "sdcz", "sytrd": "sd", "hetrd": "cz", "gehrd": "sdcz", "gees": "sdcz",
    "trsm": "sdcz", "gtsv": "sdcz", "geqp3": "sdcz",
}
_SOLVER = ("getrf", "geqrf", "orgqr", "potrf", "syevd", "gesvd", "gesvdj", "gesdd", "sytrd")

#: Targets that jaxlib and the plugins promise to keep.
STABLE_TARGETS = frozenset((
    *(f"lapack_{letter}{routine}_ffi" for routine, letters in _LAPACK.items() for letter in letters),
    *(f"{library}_{routine}_ffi" for library in ("cusolver", "hipsolver") for routine in _SOLVER),
    *(f"{prefix}_{kernel}" for prefix in ("cu", "hip") for kernel in ("lu_pivots_to_permutation", "threefry2x32_ffi")),
    "cusparse_gtsv2_ffi", "hipsparse_gtsv2_ffi",
    "Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape", "annotate_device_placement",
    "Eigh", "Qr", "ProductOfElementaryHouseholderReflectors", "LuDecomposition", "ApproxTopK",
    "stablehlo.dynamic_approx_top_k", "stablehlo.dynamic_reduce_window", "stablehlo.dynamic_rng_bit_generator",
    "stablehlo.dynamic_top_k", "shape_assertion", "AllocateBuffer", "tpu_custom_call", "mosaic_gpu_v2",
))


def check_custom_calls(module: Any, disabled_checks: Iterable[DisabledSafetyCheck]) -> None:
    """Refuse a module with custom calls that are neither stable nor allowed; ``custom_call("ALL")`` allows every one."""
    allowed = {check.is_custom_call() for check in disabled_checks}
    if "ALL" in allowed:
        return
    found = {t: op for t, op in mlir_text.custom_call_targets(module).items() if t not in STABLE_TARGETS and t not in allowed}
    if found:
        examples = "\n".join(f"  {target}, at {op.location}" for target, op in sorted(found.items()))
        raise ValueError(
            "Cannot serialize code with custom calls whose targets have no compatibility guarantees. Allow each that you know "
            f"to be there when the function is called with disabled_checks=[DisabledSafetyCheck.custom_call(name)]. They are:\n"
            f"{examples}")
