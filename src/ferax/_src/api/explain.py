"""Why a function was traced anew, for the option ``jax_explain_cache_misses``."""

from __future__ import annotations

import logging

from ferax._src.types.pytrees import explain_mismatch, tree_unflatten
from ferax._src.util import config

logger = logging.getLogger("ferax")


def explain_miss(fun_name: str, location: str, arg_names, seen: list[tuple], key: tuple) -> None:
    """Log (at WARNING) what is new about a call of a jitted function.

    Parameters
    ----------
    fun_name, location : the function
    arg_names : of the flat arguments
    seen, key : keys of the traces there are, and the new one: (structure, types, static arguments, their types, configuration)
    """
    where = f"{fun_name} ({location})" if location else fun_name
    if not seen:
        logger.warning("%s is traced: it is called for the first time", where)
        return
    nearest = max(seen, key=lambda other: sum(a == b for a, b in zip(other, key)))
    reasons = [reason for compare in (_structure, _types, _static, _context) for reason in compare(nearest, key, arg_names)]
    logger.warning("%s is traced again; other than in the call most like it,\n  %s", where, "\n  ".join(reasons))


def _structure(old, new, arg_names) -> list[str]:
    if old[0] == new[0]:
        return []
    before, after = (tree_unflatten(tree, range(tree.num_leaves)) for tree in (old[0], new[0]))
    return ["the arguments have another structure: " + explain_mismatch(before, after, names=("the earlier call", "this one"),
                                                                        root="(args, kwargs)")]


def _types(old, new, arg_names) -> list[str]:
    if len(old[1]) != len(new[1]):
        return []
    name = lambda i: arg_names[i] if arg_names and i < len(arg_names) else f"argument {i}"
    return [f"{name(i)} is {b} instead of {a}" for i, (a, b) in enumerate(zip(old[1], new[1])) if a is not b]


def _static(old, new, arg_names) -> list[str]:
    if old[2] == new[2] and old[3] == new[3]:
        return []
    return [f"static arguments are {dict(new[2])} instead of {dict(old[2])}"]


def _context(old, new, arg_names) -> list[str]:
    return [f"the option {name} is {b!r} instead of {a!r}"
            for name, a, b in zip(config.trace_context_names(), old[4], new[4]) if a != b]
