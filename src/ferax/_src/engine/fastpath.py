"""The C++ call path: a callable that, for arguments seen before, runs the executable without entering Python.

Arguments are flattened by a registry; the key is made of the treedefs, of each leaf's shape, dtype, weak type, sharding
and committed flag, of static arguments by value, and of every option made with ``include_in_jit_key``.  On a miss the
Python function given here is called with the user's arguments and returns ``(result, FastpathData | None, remove)``:
``None`` means "always ask Python for this key", ``remove=True`` "forget this key".
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ferax._src.engine.lib import _jax

PjitFunction = _jax.PjitFunction

#: ``FastpathCache(capacity)``: may be shared by several callables; its capacity counts the entries of all of them.
#: Choose it so that it does not overflow (jaxlib 0.10 miscounts after evictions).
FastpathCache = _jax.PjitFunctionCache
clear_all_fastpath_caches = _jax.PjitFunctionCache.clear_all

#: Signature (dtype, shape, weak_type) C++ gives to a leaf: ``argument_signature(value, x64)``.
argument_signature = _jax.jax_jit._ArgSignatureOfValue


class FastpathData(NamedTuple):
    """What C++ needs to run a call by itself; it reads these attributes by name."""

    xla_executable: Any
    out_pytree_def: Any  # of the same registry as the callable's
    in_shardings: Sequence[Any]
    out_shardings: Sequence[Any]
    out_avals: Sequence[Any]
    out_committed: Sequence[bool]
    kept_var_bitvec: Sequence[bool]  # which flat arguments the executable takes
    in_device_local_layouts: Sequence[Any]  # None each, unless a layout was asked for
    const_args: Sequence[Any]  # buffers put before the arguments: the hidden arguments


def make_fastpath(
    name: str,
    fun: Callable[..., Any] | None,
    miss: Callable[..., Any],
    static_argnums: Sequence[int],
    static_argnames: Sequence[str],
    key: Any,
    registry: Any,
    shard_argument: Callable[[Any, Any, Any], Any],
    cache: Any = None,
) -> Any:
    """The C++ callable.

    ``fun`` identifies the function (entries of a shared cache are shared between callables with the same ``fun`` and
    an equal ``key``; None never shares) and is what ``disable_jit`` calls.  ``shard_argument(value, sharding, layout)``
    answers a buffer for a leaf that does not lie where the executable wants it.
    """
    args = (
        name,
        fun,
        miss,
        list(static_argnums),
        list(static_argnames),
        () if key is None else key,
        registry,
        shard_argument,
    )
    return _jax.pjit(*args) if cache is None else _jax.pjit(*args, cache)
