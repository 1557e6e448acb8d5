"""The facade over jaxlib: the only package of Ferax that imports it, and where differences between its releases end.

Importing this package is cheap: the C++ library and nothing else.  The MLIR bindings live in ``engine.mlir`` and the
profiler in ``engine.profiler``; import those modules where (and when) they are needed.

==================  =====================================================================
``lib``             the jaxlib that was found
``state``           options in the dispatch key, process-wide switches, transfer guards
``pytree``          the C++ pytree registry
``sharding``        device lists, XLA shardings, bases for our sharding classes
``client``          CPU client; finding and starting accelerator plugins
``buffers``         device buffers: put, read, DLPack, life and death
``fastpath``        the C++ call path
``compiler``        options, compile, execute, analyse, store
``callbacks``       Python functions called from compiled programs
``custom_calls``    native functions called from compiled programs; LAPACK
``helpers``         checked map and zip, weak caches, tracebacks
``distributed``     several processes
``mlir``            building StableHLO (loaded at the first lowering)
``profiler``        jaxlib's profiler (loaded on demand)
==================  =====================================================================
"""

from ferax._src.engine import (
    buffers,
    callbacks,
    client,
    compiler,
    custom_calls,
    distributed,
    fastpath,
    helpers,
    pytree,
    sharding,
    state,
)
from ferax._src.engine.buffers import (
    ArrayImpl,
    DeletedArrayError,
    assemble,
    check_alive,
    put,
    result_handler,
    rewrap,
    shards,
    to_numpy,
)
from ferax._src.engine.client import PluginError, available_plugins, make_cpu_client, make_plugin_client
from ferax._src.engine.compiler import compile_module, compile_options, execute, execute_with_token
from ferax._src.engine.fastpath import FastpathCache, FastpathData, make_fastpath
from ferax._src.engine.helpers import (
    JaxRuntimeError,
    Traceback,
    TracebackScope,
    get_traceback,
    safe_map,
    safe_zip,
    weakref_lru_cache,
)
from ferax._src.engine.jaxguard import without_jax
from ferax._src.engine.lib import BOUNDARY_VERSION, JAXLIB_VERSION, set_log_level
from ferax._src.engine.pytree import PyTreeDef, PyTreeRegistry
from ferax._src.engine.sharding import (
    Device,
    DeviceList,
    HloSharding,
    Sharding,
    SingleDeviceShardingBase,
    TiledShardingBase,
)
from ferax._src.engine.state import (
    Config,
    guard_lib,
    real_jax_loaded,
    set_switches,
    trace_context,
    trace_context_names,
    unset,
)
