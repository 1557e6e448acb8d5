"""Ferax: composable transformations of Python functions over a NumPy API, compiled by XLA.

>>> import ferax, ferax.numpy as jnp
>>> @ferax.jit
... def loss(w, x):
...     return jnp.sum((x @ w) ** 2)
>>> ferax.grad(loss)(jnp.ones(2), jnp.eye(2)).tolist()
[2.0, 2.0]
"""

from ferax._src.util.lazy import lazy_names
from ferax.version import __version__, __version_info__

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.api.autodiff": "grad value_and_grad vjp jvp linearize linear_transpose",
        "ferax._src.api.environment": "checking_leaks make_mesh",
        "ferax._src.api.fwd_and_bwd": "fwd_and_bwd",
        "ferax._src.api.jacobians": "jacfwd jacrev jacobian hessian",
        "ferax._src.api.jit": "jit clear_caches",
        "ferax._src.api.pmap": "pmap",
        "ferax._src.api.shard_map": "shard_map smap",
        "ferax._src.api.staging": (
            "make_jaxpr eval_shape named_call named_scope ensure_compile_time_eval typeof block_until_ready "
            "copy_to_host_async"),
        "ferax._src.api.vmap": "vmap",
        "ferax._src.control.callback": "pure_callback",
        "ferax._src.control.custom_jvp": "custom_jvp",
        "ferax._src.control.custom_gradient": "custom_gradient closure_convert",
        "ferax._src.control.custom_vjp": "custom_vjp",
        "ferax._src.control.remat": "checkpoint remat checkpoint_policies",
        "ferax._src.control.resharding": "reshard",
        "ferax._src.numpy.refs": "new_ref empty_ref freeze free_ref",
        "ferax._src.numpy.slices": "ds",
        "ferax._src.runtime.devices": (
            "devices local_devices device_count local_device_count process_index process_count process_indices "
            "default_backend host_id=process_index host_ids=process_indices host_count=process_count"),
        "ferax._src.engine.sharding": "Device",
        "ferax._src.runtime.array": "live_arrays Shard",
        "ferax._src.runtime.effects": "effects_barrier",
        "ferax._src.runtime.process_local": "make_array_from_process_local_data",
        "ferax._src.runtime.transfer": (
            "device_put device_get make_array_from_callback make_array_from_single_device_arrays"),
        "ferax._src.tools.environment": "print_environment_info",
        "ferax._src.tracing.core": "Array",
        "ferax._src.tracing.refs": "Ref",
        "ferax._src.types.dtypes": "float0",
        "ferax._src.types.shape_dtype": "ShapeDtypeStruct",
        "ferax._src.types.shardings": "NamedSharding P=PartitionSpec",
        "ferax._src.types.meshes": "get_abstract_mesh get_mesh set_mesh use_abstract_mesh",
        "ferax._src.util.config": (
            "config enable_x64 disable_jit debug_nans debug_infs check_tracer_leaks numpy_dtype_promotion "
            "numpy_rank_promotion default_matmul_precision default_device default_prng_impl log_compiles enable_checks "
            "transfer_guard transfer_guard_host_to_device transfer_guard_device_to_device transfer_guard_device_to_host "
            "array_garbage_collection_guard thread_guard threefry_partitionable softmax_custom_jvp make_user_context "
            "debug_key_reuse enable_custom_prng legacy_prng_key explain_cache_misses no_tracing no_execution"),
    },
    submodules=(
        "ad_checkpoint core custom_batching custom_derivatives debug distributed dlpack dtypes errors example_libraries "
        "experimental export ffi flatten_util image lax memory monitoring nn numpy ops profiler random ref scipy sharding stages "
        "test_util tree tree_util typing version"),
    first="ferax._src.numpy.array_methods",
)
