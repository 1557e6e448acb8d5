"""The table of configuration options: one row for each option, JAX's names and meanings.

A row says the option's name, its default, what it may be (a type, a tuple of choices or an enum class),
whether Ferax acts on it, which cache keys its value belongs to, and its meaning.  ``config.py`` makes the
flags from it.

An option without effect (``no``) is accepted, checked and kept, so that programs written for JAX run; it
steers machinery that Ferax does not have.

``key`` tells how far a change of the value reaches:

- ``TRACE``  the same function may trace to another program: part of the C++ call key and of
             ``trace_context()``;
- ``CALL``   the program is the same, but a call must take the Python path again or compile anew: call key
             only;
- ``NONE``   read at the moment it matters, nothing is remembered under it.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

NONE, CALL, TRACE = "none", "call", "trace"
yes, no = True, False


class NumpyDtypePromotion(enum.StrEnum):
    """How operands of different dtypes combine: by JAX's lattice, or not at all."""

    STANDARD = "standard"
    STRICT = "strict"


class LegacyPrngKeyState(enum.StrEnum):
    """What happens when a raw uint32 array is used as a random key."""

    ALLOW = "allow"
    WARN = "warn"
    ERROR = "error"


class ExplicitX64Mode(enum.IntEnum):
    """What happens when a 64-bit dtype is asked for by name while x64 is off."""

    WARN = 1
    ERROR = 2
    ALLOW = 3


class RuntimeTracebackMode(enum.StrEnum):
    """How much of the Python traceback travels with each launch to the runtime."""

    OFF = "off"
    ON = "on"
    FULL = "full"


class Option(NamedTuple):
    name: str
    default: Any
    kind: Any  # bool, int, float, str, a tuple of choices, an enum class, or object (checked by its user)
    effect: bool
    key: str
    meaning: str
    nullable: bool  # may be None

    @property
    def short_name(self) -> str:
        """The name of the flag as an attribute of ``ferax._src.util.config`` and as a context manager."""
        return self.name.removeprefix("jax_").removeprefix("ferax_")


# fmt: off
MATMUL_PRECISIONS = (
    "default", "high", "highest", "bfloat16", "tensorfloat32", "float32",
    "ANY_F8_ANY_F8_F32", "ANY_F8_ANY_F8_F32_FAST_ACCUM", "ANY_F8_ANY_F8_ANY", "ANY_F8_ANY_F8_ANY_FAST_ACCUM",
    "F16_F16_F16", "F16_F16_F32", "BF16_BF16_BF16", "BF16_BF16_F32", "BF16_BF16_F32_X3", "BF16_BF16_F32_X6",
    "BF16_BF16_F32_X9", "TF32_TF32_F32", "TF32_TF32_F32_X3", "F32_F32_F32", "F64_F64_F64",
)
PRNG_IMPLS = ("threefry2x32", "threefry4x32", "rbg", "unsafe_rbg", "philox2x32", "philox4x32")
GUARD = ("allow", "log", "disallow", "log_explicit", "disallow_explicit")
IGNORE_RAISE = ("ignore", "raise")
LEVELS = ("UNKNOWN", "O0", "O1", "O2", "O3")
LOGGING = ("NOTSET", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FILTERING = ("off", "tracebackhide", "remove_frames", "quiet_remove_frames", "auto")

_ROWS: tuple[tuple[str, Any, Any, bool, str, str], ...] = (
    # -- numbers: dtypes, promotion, precision ---------------------------------------------------------------
    ("jax_enable_x64", False, bool, yes, TRACE,
     "64-bit dtypes exist; otherwise they become their 32-bit kin"),
    ("jax_explicit_x64_dtypes", ExplicitX64Mode.WARN, ExplicitX64Mode, yes, TRACE,
     "asking for a 64-bit dtype by name while x64 is off: warn, error, or allow"),
    ("jax_numpy_dtype_promotion", NumpyDtypePromotion.STANDARD, NumpyDtypePromotion, yes, TRACE,
     "'strict' refuses to combine different dtypes implicitly"),
    ("jax_numpy_rank_promotion", "allow", ("allow", "warn", "raise"), yes, TRACE,
     "what happens when operands of different rank broadcast"),
    ("jax_default_matmul_precision", None, MATMUL_PRECISIONS, yes, TRACE,
     "precision of matrix products and convolutions that do not name one"),
    ("jax_allow_f16_reductions", True, bool, no, NONE, "reduce float16 in float16"),
    ("jax_softmax_custom_jvp", False, bool, yes, TRACE, "softmax with its own derivative rule"),
    ("jax_accurate_erf_inv", False, bool, no, NONE, "a slower, more exact erf_inv"),
    ("jax_use_hlo_logistic_lowering", None, bool, no, NONE,
     "lower logistic to the HLO operation of that name"),
    # -- where things run ------------------------------------------------------------------------------------
    ("jax_platforms", None, str, yes, NONE,
     "comma-separated platforms to start, the first being the default"),
    ("jax_platform_name", "", str, yes, NONE, "the default platform (older spelling)"),
    ("jax_default_device", None, object, yes, TRACE,
     "device (or platform name) for values that are not placed"),
    ("jax_num_cpu_devices", -1, int, yes, NONE, "number of virtual CPU devices; set it before the first use"),
    ("jax_xla_backend", "", str, no, NONE, "another name for the platform; only the default is known"),
    ("jax_backend_target", "", str, no, NONE, "address of a remote backend"),
    ("jax_cuda_visible_devices", "all", str, yes, NONE, "CUDA devices to use: 'all' or comma-separated ids"),
    ("jax_rocm_visible_devices", "all", str, yes, NONE, "ROCm devices to use: 'all' or comma-separated ids"),
    ("jax_oneapi_visible_devices", "all", str, no, NONE, "oneAPI devices to use"),
    ("jax_pjrt_client_create_options", None, object, yes, NONE,
     "options for a plugin's client: 'k1:v1;k2:v2' or a dict"),
    ("mock_num_gpu_processes", 0, int, no, NONE, "pretend that many GPU processes"),
    ("jax_mock_gpu_topology", "", str, no, NONE, "pretend that GPU topology"),
    ("jax_cpu_enable_async_dispatch", True, bool, yes, NONE,
     "the CPU client runs programs in the background"),
    ("jax_sort_devices_by_process_index", True, bool, no, NONE, "order devices by process, then id"),
    ("jax_check_proxy_envs", True, bool, no, NONE, "look for proxy settings that break distributed start"),
    ("ferax_cpu_lowerings", "fast", ("fast", "plain"), yes, TRACE,
     "'plain' turns off the lowerings and XLA options that Ferax chooses for the CPU"),
    # -- tracing and calling ---------------------------------------------------------------------------------
    ("jax_disable_jit", False, bool, yes, TRACE, "run jitted functions as plain Python"),
    ("jax_no_tracing", False, bool, yes, NONE, "an error when a function would be traced"),
    ("jax_no_execution", False, bool, yes, TRACE, "an error when a program would run"),
    ("eager_constant_folding", False, bool, no, NONE, "fold constants while tracing"),
    ("jax_use_direct_linearize", True, bool, no, NONE, "linearize by its own rules; Ferax always does"),
    ("jax_use_simplified_jaxpr_constants", False, bool, no, NONE, "how constants sit in a jaxpr"),
    ("jax_embedded_constants_max_bytes", 32, int, no, NONE,
     "constants up to this size are written into the program"),
    ("jax_captured_constants_warn_bytes", 2_000_000_000, int, yes, NONE,
     "warn when a program captures more bytes; -1: never"),
    ("jax_captured_constants_report_frames", 0, int, no, NONE, "frames shown for each captured constant"),
    ("jax_custom_jvp3", False, bool, no, NONE, "JAX-internal transition switch"),
    ("jax_custom_vjp3", False, bool, no, NONE, "JAX-internal transition switch"),
    ("jax_scan3", False, bool, no, NONE, "JAX-internal transition switch"),
    ("jax_remat3", False, bool, no, NONE, "JAX-internal transition switch"),
    ("jax_use_rgv3", True, bool, no, NONE, "JAX-internal transition switch"),
    ("jax_refs_to_pins", False, bool, no, NONE, "JAX-internal transition switch"),
    ("jax_use_emit_pipeline_primitive", False, bool, no, NONE, "JAX-internal transition switch"),
    ("jax_use_cpp_shard_args", False, bool, no, NONE, "JAX-internal transition switch"),
    ("jax_disable_bwd_checks", False, bool, no, NONE, "skip checks of custom_vjp's backward results"),
    ("jax_remat_barrier_no_cotangents", False, bool, no, NONE, "which values a remat barrier holds"),
    ("jax_mutable_array_checks", True, bool, yes, TRACE, "check that references are not aliased"),
    ("jax_auto_pcast", True, bool, no, NONE, "cast varying axes automatically in shard_map"),
    ("check_vma", False, bool, no, NONE,
     "check varying axes in shard_map (see the argument of the same name)"),
    ("jax_disable_vmap_shmap_error", False, bool, no, NONE, "let vmap(spmd_axis_name) meet shard_map"),
    ("jax_raise_on_ppermute_sort_diff", True, bool, no, NONE, "refuse a ppermute whose order matters"),
    ("jax_remove_size_one_mesh_axis_from_type", False, bool, no, NONE,
     "drop mesh axes of size one from types"),
    ("jax_disallow_mesh_context_manager", False, bool, yes, NONE, "an error for `with mesh:`; use set_mesh"),
    ("jax_use_shardy_partitioner", True, bool, no, NONE, "partition with Shardy; Ferax always does"),
    ("jax2tf_associative_scan_reductions", False, bool, no, NONE, "for jax2tf"),
    ("jax2tf_default_native_serialization", True, bool, no, NONE, "for jax2tf"),
    # -- looking for mistakes --------------------------------------------------------------------------------
    ("jax_debug_nans", False, bool, yes, TRACE, "look for nan in every result, then name the operation"),
    ("jax_debug_infs", False, bool, yes, TRACE, "look for inf in every result, then name the operation"),
    ("jax_error_checking_behavior_nan", "ignore", IGNORE_RAISE, yes, TRACE,
     "for jax.experimental.error_check"),
    ("jax_error_checking_behavior_divide", "ignore", IGNORE_RAISE, yes, TRACE,
     "for jax.experimental.error_check"),
    ("jax_error_checking_behavior_oob", "ignore", IGNORE_RAISE, yes, TRACE,
     "for jax.experimental.error_check"),
    ("jax_check_static_indices", False, bool, yes, TRACE, "refuse static indices that are out of bounds"),
    ("jax_check_tracer_leaks", False, bool, yes, TRACE, "an error when a tracer outlives its trace"),
    ("jax_enable_checks", False, bool, yes, NONE, "check every jaxpr and every rule's results; slow"),
    ("jax_debug_key_reuse", False, bool, yes, TRACE, "an error when a random key is used twice"),
    ("jax_log_compiles", False, bool, yes, NONE,
     "say (at WARNING) what is traced and compiled, and how long it takes"),
    ("jax_explain_cache_misses", False, bool, yes, NONE, "say (at WARNING) why a function was traced anew"),
    ("jax_log_checkpoint_residuals", False, bool, yes, NONE, "say what checkpoint keeps"),
    ("jax_thread_guard", False, bool, yes, NONE, "an error when several threads use multi-process arrays"),
    ("jax_debug_leaked_clients_on_clear_backends", False, bool, no, NONE,
     "look for clients that outlive clear_backends"),
    ("jax_transfer_guard", None, GUARD, yes, NONE, "all three transfer guards together"),
    ("jax_transfer_guard_host_to_device", None, GUARD, yes, NONE,
     "what happens at implicit transfers to a device"),
    ("jax_transfer_guard_device_to_device", None, GUARD, yes, NONE,
     "what happens at implicit transfers between devices"),
    ("jax_transfer_guard_device_to_host", None, GUARD, yes, NONE,
     "what happens at implicit transfers to the host"),
    ("jax_array_garbage_collection_guard", None, ("allow", "log", "fatal"), yes, NONE,
     "what happens when an array lives in a reference cycle"),
    # -- errors, tracebacks, logging, printing ---------------------------------------------------------------
    ("jax_traceback_filtering", "auto", FILTERING, yes, NONE,
     "how Ferax's own frames are kept out of tracebacks"),
    ("jax_tracer_error_num_traceback_frames", 5, int, yes, NONE, "frames shown in errors about tracers"),
    ("jax_traceback_in_locations_limit", 100, int, yes, NONE, "frames kept for each operation's location"),
    ("jax_include_full_tracebacks_in_locations", True, bool, yes, NONE,
     "whole tracebacks in operations' locations"),
    ("jax_hlo_source_file_canonicalization_regex", None, str, yes, NONE,
     "pattern removed from file names in locations"),
    ("jax_source_url_schema", None, str, no, NONE, "link format for source lines in reports"),
    ("jax_send_traceback_to_runtime", RuntimeTracebackMode.OFF, RuntimeTracebackMode, no, NONE,
     "send the Python traceback with each launch"),
    ("jax_experimental_unsafe_xla_runtime_errors", False, bool, no, NONE,
     "the runtime's own error texts, unfiltered"),
    ("jax_debug_log_modules", "", str, yes, NONE, "comma-separated loggers to print at DEBUG"),
    ("jax_logging_level", "NOTSET", LOGGING, yes, NONE, "level of the 'ferax' logger"),
    ("jax_pprint_use_color", True, bool, yes, NONE, "colours in printed jaxprs, on terminals that have them"),
    ("jax_dump_ir_to", "", str, yes, NONE, "directory for each program's StableHLO"),
    ("jax_dump_ir_modes", "stablehlo", str, yes, NONE, "what to dump: comma-separated of stablehlo, jaxpr"),
    ("jax_include_debug_info_in_dumps", True, bool, yes, NONE, "locations in dumped programs"),
    # -- random numbers --------------------------------------------------------------------------------------
    ("jax_default_prng_impl", "threefry2x32", PRNG_IMPLS, yes, TRACE,
     "generator behind random.key and PRNGKey"),
    ("jax_enable_custom_prng", False, bool, yes, TRACE, "random.PRNGKey makes typed keys"),
    ("jax_legacy_prng_key", LegacyPrngKeyState.ALLOW, LegacyPrngKeyState, yes, NONE,
     "raw uint32 keys: allow, warn, error"),
    ("jax_random_seed_offset", 0, int, yes, TRACE, "added to every seed"),
    ("jax_threefry_partitionable", True, bool, yes, TRACE, "threefry streams that do not depend on sharding"),
    ("jax_threefry_gpu_kernel_lowering", False, bool, no, NONE, "threefry by a hand-written kernel on GPUs"),
    ("jax_high_dynamic_range_gumbel", False, bool, yes, TRACE, "gumbel with a finer tail"),
    # -- compiling -------------------------------------------------------------------------------------------
    ("jax_disable_most_optimizations", False, bool, yes, CALL, "compile quickly, run slowly"),
    ("jax_optimization_level", "UNKNOWN", LEVELS, yes, CALL, "how hard the compiler works"),
    ("jax_memory_fitting_level", "O2", LEVELS, yes, CALL, "how hard the compiler saves memory"),
    ("jax_exec_time_optimization_effort", 0.0, float, no, NONE, "older spelling of the optimization level"),
    ("jax_memory_fitting_effort", 0.0, float, no, NONE, "older spelling of the memory fitting level"),
    ("jax_compiler_enable_remat_pass", True, bool, no, NONE, "the compiler may recompute to save memory"),
    ("jax_compiler_detailed_logging_min_ops", 10, int, no, NONE,
     "log details of programs at least this large"),
    ("jax_use_magma", "auto", ("off", "on", "auto"), no, NONE, "MAGMA for eigenproblems on GPUs"),
    ("jax_bcoo_cusparse_lowering", False, bool, no, NONE, "cuSPARSE for BCOO products on GPUs"),
    ("jax_ragged_dot_use_ragged_dot_instruction", True, bool, no, NONE, "how ragged_dot is lowered"),
    ("jax_ragged_dot_use_gpu_pallas_triton_lowering", False, bool, no, NONE,
     "how ragged_dot is lowered on GPUs"),
    ("jax_xla_profile_version", 0, int, no, NONE, "version of a profile for feedback-directed optimization"),
    ("jax_enable_pgle", False, bool, no, NONE, "profile, then compile again with the latencies"),
    ("jax_pgle_profiling_runs", 3, int, no, NONE, "runs to profile for that"),
    ("jax_pgle_aggregation_percentile", 90, int, no, NONE, "percentile of the profiled latencies"),
    # -- the disk cache of compiled programs -----------------------------------------------------------------
    ("jax_enable_compilation_cache", True, bool, yes, NONE, "use the disk cache, once it has a directory"),
    ("jax_compilation_cache_dir", None, str, yes, NONE, "directory of the disk cache"),
    ("jax_compilation_cache_max_size", -1, int, yes, NONE,
     "bytes before the least used entries go; -1: no limit"),
    ("jax_persistent_cache_min_compile_time_secs", 1.0, float, yes, NONE,
     "only programs that took this long are kept"),
    ("jax_persistent_cache_min_entry_size_bytes", 0, int, yes, NONE, "only programs of this size are kept"),
    ("jax_persistent_cache_enable_xla_caches", "xla_gpu_per_fusion_autotune_cache_dir", str, no, NONE,
     "XLA's own caches to keep beside ours"),
    ("jax_raise_persistent_cache_errors", False, bool, yes, NONE,
     "errors of the disk cache are raised, not warned of"),
    ("jax_compilation_cache_include_metadata_in_key", False, bool, no, NONE,
     "names and lines are part of the key"),
    ("jax_compilation_cache_check_contents", False, bool, no, NONE,
     "compile anyway and compare with the entry"),
    ("jax_compilation_cache_expect_pgle", False, bool, no, NONE,
     "warn when an entry lacks a latency profile"),
    ("jax_remove_custom_partitioning_ptr_from_cache_key", False, bool, no, NONE,
     "leave callback addresses out of the key"),
    ("jax_share_binary_between_hosts", False, bool, no, NONE, "one host compiles for all"),
    ("jax_share_binary_between_hosts_timeout_ms", 1_200_000, int, no, NONE, "how long the others wait"),
    # -- several processes -----------------------------------------------------------------------------------
    ("jax_cpu_collectives_implementation", "gloo", ("gloo", "mpi", "megascale"), yes, NONE,
     "collectives of the CPU client"),
    ("jax_cpu_get_local_topology_timeout_minutes", 2, int, no, NONE,
     "timeout while the processes find each other"),
    ("jax_cpu_get_global_topology_timeout_minutes", 5, int, no, NONE,
     "timeout while the processes find each other"),
    ("jax_distributed_debug", False, bool, no, NONE, "log the distributed service's messages"),
    ("jax_distributed_verify_secure_credentials", False, bool, no, NONE, "check the peers' credentials"),
    ("jax_enable_recoverability", False, bool, yes, NONE, "other processes go on when one fails"),
    ("jax_enable_preemption_service", True, bool, no, NONE, "listen for preemption notices"),
    ("jax_force_dcn_cross_host_transfers", False, bool, no, NONE, "transfers between hosts over sockets"),
    ("jax_cross_host_transfer_socket_address", "", str, no, NONE, "address for those"),
    ("jax_cross_host_transport_addresses", "", str, no, NONE, "addresses for those"),
    ("jax_cross_host_transfer_timeout_seconds", None, int, no, NONE, "timeout for those"),
    ("jax_cross_host_transfer_transfer_size", None, int, no, NONE, "chunk size for those"),
    ("jax_mtls_ca_file", None, str, no, NONE, "certificates of the distributed service"),
    ("jax_mtls_cert_file", None, str, no, NONE, "certificates of the distributed service"),
    ("jax_mtls_key_file", None, str, no, NONE, "certificates of the distributed service"),
    ("jax_mtls_peer_uri_prefix", None, str, no, NONE, "certificates of the distributed service"),
    # -- export ----------------------------------------------------------------------------------------------
    ("jax_export_calling_convention_version", 10, int, no, NONE, "version written by export"),
    ("jax_export_ignore_forward_compatibility", False, bool, no, NONE, "export newer custom calls"),
    ("jax_export_deserialize_expired_versions", False, bool, no, NONE,
     "read programs of versions no longer promised"),
    ("jax_serialization_version", 0, int, no, NONE, "older spelling of the calling convention version"),
    # -- hand-written kernels --------------------------------------------------------------------------------
    ("jax_pallas_enable_debug_checks", False, bool, no, NONE, "pallas"),
    ("jax_pallas_poison_buffers", False, bool, no, NONE, "pallas"),
    ("jax_pallas_use_mosaic_gpu", True, bool, no, NONE, "pallas"),
    ("jax_pallas_verbose_errors", False, bool, no, NONE, "pallas"),
    ("jax_pallas_auto_assign_collective_ids", "no", ("no", "yes", "override"), no, NONE, "pallas"),
    ("jax_pallas_auto_assign_collective_ids_limit", 25, int, no, NONE, "pallas"),
    ("jax_mosaic_allow_hlo", False, bool, no, NONE, "pallas"),
    ("jax_mosaic_unzip_debug_locations", True, bool, no, NONE, "pallas"),
)
# fmt: on

# Options that may be None although their default is something else.
_ALSO_NONE = {
    "jax_logging_level",
    "jax_cpu_collectives_implementation",
    "jax_persistent_cache_enable_xla_caches",
}

OPTIONS: dict[str, Option] = {
    row[0]: Option(*row, nullable=row[1] is None or row[0] in _ALSO_NONE) for row in _ROWS
}
