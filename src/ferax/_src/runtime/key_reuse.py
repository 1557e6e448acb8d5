"""The option ``jax_debug_key_reuse``: which keys a program uses up, and whether it gets one that is used up already.

A program's `Usage` is found from its jaxpr: an operation *consumes* a key (drawing bits, splitting), *makes* one (seeding, splitting,
folding in) or *passes it on* (reshaping, picking). A key that is consumed twice is an error. `checked` does the same between
programs, where a key array is known by its buffer.

Of a key array a part may be used up: what is used up is True, False, or a mask of the array's shape.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferax._src.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal
from ferax._src.runtime.array import ArrayImpl
from ferax._src.types import dtypes
from ferax._src.util import config, source as source_info
from ferax._src.util.errors import KeyReuseError

wanted = config.debug_key_reuse             # the flag is part of every key under which traces and programs are kept


def _is_key(aval) -> bool:
    return isinstance(getattr(aval, "dtype", None), dtypes.ExtendedDType) and dtypes.issubdtype(aval.dtype, dtypes.prng_key)


# --- what is used up ----------------------------------------------------------------------------

def _either(a, b):
    """What two uses of an array use up together."""
    if a is True or b is True:
        return True
    return a if b is False else b if a is False else _fitting(a, b, np.logical_or)


def _overlap(a, b) -> bool:
    """Whether two uses have an element in common."""
    if a is False or b is False:
        return False
    if a is True or b is True:
        return bool(np.any(a) and np.any(b))
    return bool(np.any(_fitting(a, b, np.logical_and)))


def _fitting(a, b, combine):
    """Masks of an array that was reshaped between its uses no longer say which elements."""
    return combine(a, b) if a.shape == b.shape else True


@dataclass
class Usage:
    """What a program or an operation does with the keys among its operands and results, by their positions.

    consumed : operand -> what of it is used up
    made : results that are new keys
    passed : result -> the operand whose keys it holds
    held : id -> (constant of the program, what of it is used up)
    """

    consumed: dict[int, Any] = field(default_factory=dict)
    made: set[int] = field(default_factory=set)
    passed: dict[int, int] = field(default_factory=dict)
    held: dict[int, tuple[Any, Any]] = field(default_factory=dict)


# --- operations ---------------------------------------------------------------------------------

_CONSUME = Usage({0: True})
_RENEW = Usage({0: True}, {0})
_MAKE = Usage(made={0})
_PASS = Usage(passed={0: 0})

_SIMPLE = {
    "random_bits": _CONSUME, "random_gamma": _CONSUME, "random_split": _RENEW,
    "random_fold_in": _MAKE, "random_seed": _MAKE, "random_wrap": _MAKE, "random_clone": _MAKE,
    "random_unwrap": Usage(), "eq": Usage(), "ne": Usage(), "debug_callback": Usage(),
    "dynamic_update_slice": Usage({1: True}, passed={0: 0}), "scatter": Usage({2: True}, passed={0: 0}),
    **dict.fromkeys(("broadcast_in_dim", "copy", "copy_p", "convert_element_type", "reshape", "squeeze", "expand_dims", "transpose",
                     "rev", "sharding_constraint", "layout_constraint", "reshard", "dynamic_slice", "gather"), _PASS),
}


def _slice(eqn: Eqn) -> Usage:
    shape, params = eqn.invars[0].aval.shape, eqn.params
    starts, limits, strides = (params.get(name) for name in ("start_indices", "limit_indices", "strides"))
    if not all(type(n) is int for n in shape):
        return _PASS
    mask = np.zeros(shape, bool)
    mask[tuple(map(slice, starts, limits, strides or (1,) * len(shape)))] = True
    return Usage({0: mask}, {0})


def _joined(eqn: Eqn) -> Usage:
    if len(eqn.invars) == 1:
        return _PASS
    return Usage(dict.fromkeys(range(len(eqn.invars)), True), {0})


def _parted(eqn: Eqn) -> Usage:
    return Usage({0: True}, set(range(len(eqn.outvars))))


def _chosen(eqn: Eqn) -> Usage:
    return Usage(dict.fromkeys(range(1, len(eqn.invars)), True), {0})


def _cond(eqn: Eqn) -> Usage:
    usages = [usage(branch) for branch in eqn.params["branches"]]
    found = Usage(made=set.intersection(*(u.made for u in usages)))
    for u in usages:
        for i, mask in u.consumed.items():
            found.consumed[i + 1] = _either(found.consumed.get(i + 1, False), mask)
        found.held |= u.held
    for out, i in usages[0].passed.items():
        if all(u.passed.get(out) == i for u in usages):
            found.passed[out] = i + 1
    return found


def _scan(eqn: Eqn) -> Usage:
    consts, carries = eqn.params["num_consts"], eqn.params["num_carry"]
    body = usage(eqn.params["jaxpr"])
    _check_repeated("scan", "body", body, consts, carries, body.made)
    return body


def _while(eqn: Eqn) -> Usage:
    cond, body = usage(eqn.params["cond_jaxpr"]), usage(eqn.params["body_jaxpr"])
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    carries = len(eqn.outvars)
    for what, part, consts in (("cond", cond, n_cond), ("body", body, n_body)):
        _check_repeated("while_loop", what, part, consts, carries, body.made)
    both = {i - n_cond for i in cond.consumed} & {i - n_body for i in body.consumed}
    if both:
        raise KeyReuseError(f"while_loop cond and body functions both use the same key: carry {min(both)}")
    shifted = {i + n_cond: mask for i, mask in body.consumed.items()}
    shifted |= {i + n_body: mask for i, mask in cond.consumed.items() if i >= n_cond}
    return Usage(shifted, body.made, {out: i + n_cond for out, i in body.passed.items()}, cond.held | body.held)


def _check_repeated(loop: str, what: str, part: Usage, consts: int, carries: int, made: set[int]) -> None:
    """What runs again and again must not consume what does not change, and a carry only if it makes a new one."""
    leads = f"{loop} {what} function leads to key reuse when repeatedly executed, because"
    if part.held or any(i < consts for i in part.consumed):
        raise KeyReuseError(f"{leads} key constants are repeatedly consumed")
    old = sorted(i - consts for i in part.consumed if i - consts < carries and i - consts not in made)
    if old:
        raise KeyReuseError(f"{leads} consumed inputs don't match sourced outputs: carry {old[0]} is consumed, "
                            "and the next one is not a new key")


def _checkpoint(eqn: Eqn) -> Usage:
    # The differentiated pass consumes only what the first one did.
    return Usage() if eqn.params.get("differentiated") else _call(eqn)


def _call(eqn: Eqn) -> Usage:
    """An operation around one program of the same operands; an unknown operation consumes all keys it gets."""
    inner = [v for v in eqn.params.values() if isinstance(v, (ClosedJaxpr, Jaxpr))]
    if inner and len(inner[0].invars if isinstance(inner[0], Jaxpr) else inner[0].jaxpr.invars) == len(eqn.invars):
        return usage(inner[0])
    return Usage({i: True for i, x in enumerate(eqn.invars) if _is_key(x.aval)})


_RULES: dict[str, Callable[[Eqn], Usage]] = {
    "slice": _slice, "concatenate": _joined, "stack": _joined, "unstack": _parted, "split": _parted, "select_n": _chosen,
    "cond": _cond, "scan": _scan, "while": _while, "checkpoint": _checkpoint,
    "device_put": lambda eqn: Usage(passed={i: i for i in range(len(eqn.invars))}),
}


def _of_eqn(eqn: Eqn) -> Usage:
    name = eqn.primitive.name
    simple = _SIMPLE.get(name)
    return simple if simple is not None else _RULES.get(name, _call)(eqn)


# --- programs -----------------------------------------------------------------------------------

def usage(program: ClosedJaxpr | Jaxpr) -> Usage:
    """What a program does with keys.

    Raises
    ------
    KeyReuseError : if it consumes one twice
    """
    if isinstance(program, ClosedJaxpr):
        found = program.cache.get("key_usage")
        if found is None:
            consts = {var: const for var, const in zip(program.jaxpr.constvars, program.consts) if _is_key(var.aval)}
            found = program.cache["key_usage"] = _usage(program.jaxpr, consts)
        return found
    return _usage(program, {})


def _usage(jaxpr: Jaxpr, consts: dict) -> Usage:
    used: dict[Any, Any] = {}               # of each key array that was consumed, what of it; True of those not made as new
    origin: dict[Any, Any] = {}             # of a key array that was passed on, the variable it came from
    held: dict[int, Any] = {}

    def root(x):
        if isinstance(x, Literal):
            x = x.val
        if x in consts if not isinstance(x, ArrayImpl) else False:
            x = consts[x]
        if isinstance(x, ArrayImpl):
            held[id(x._buf)] = x
            return id(x._buf)
        while x in origin:
            x = origin[x]
        return x

    def consume(x, mask, eqn, i):
        key = root(x)
        if _overlap(used.get(key, False), mask):
            where = f" at {source_info.summarize(eqn.source)}" if eqn.source is not None else ""
            raise KeyReuseError(f"In {eqn.primitive.name}, argument {i} is already consumed{where}. Split the key before each use; "
                                "ferax.random.clone says that a repetition is meant. See docs/errors/key-reuse.md")
        used[key] = _either(used.get(key, False), mask)

    for eqn in jaxpr.eqns:
        if not any(_is_key(x.aval) for x in (*eqn.invars, *eqn.outvars)) and not eqn.primitive.holds_jaxprs:
            continue
        found = _of_eqn(eqn)
        for i, mask in found.consumed.items():
            if _is_key(eqn.invars[i].aval):
                consume(eqn.invars[i], mask, eqn, i)
        for const, mask in found.held.values():
            consume(Literal(const, const.aval), mask, eqn, "constant")
        for out, var in enumerate(eqn.outvars):
            if _is_key(var.aval):
                if out in found.passed:
                    source = root(eqn.invars[found.passed[out]])
                    if isinstance(source, int):
                        used[var] = used.get(source, False)         # of a constant
                    else:
                        origin[var] = source
                elif out not in found.made:
                    used[var] = True

    places = {var: i for i, var in enumerate(jaxpr.invars)}
    result = Usage()
    for var, i in places.items():
        if _is_key(var.aval) and np.any(used.get(var, False)):
            result.consumed[i] = used[var]
    for out, var in enumerate(jaxpr.outvars):
        if _is_key(var.aval):
            source = root(var)
            if source in places:
                result.passed[out] = places[source]
            elif not np.any(used.get(source, False)):
                result.made.add(out)
    result.held = {name: (const, used[name]) for name, const in held.items() if np.any(used.get(name, False))}
    return result


# --- keys at hand -------------------------------------------------------------------------------

_used: dict[int, tuple[Any, Any]] = {}      # id of a buffer -> (weak reference to it, what of it is used up)


def _mark(buffer, mask) -> None:
    name = id(buffer)
    if np.any(mask):
        _used[name] = weakref.ref(buffer, lambda _: _used.pop(name, None)), mask
    else:
        _used.pop(name, None)


def _used_of(buffer):
    found = _used.get(id(buffer))
    return found[1] if found is not None and found[0]() is buffer else False


def checked(run: Callable, closed: ClosedJaxpr, name: str) -> Callable:
    """``run(buffers)`` that raises a KeyReuseError for keys that are used up, and remembers which ones are afterwards."""
    found = usage(closed)
    outs_with_keys = [i for i, var in enumerate(closed.jaxpr.outvars) if _is_key(var.aval)]
    if not found.consumed and not found.held and not outs_with_keys:
        return run

    def run_and_check(bufs: Sequence):
        held = [(const._buf, mask) for const, mask in found.held.values()]
        uses = [(bufs[i], mask, f"at index {i}") for i, mask in found.consumed.items()]
        uses += [(buffer, mask, "as a constant") for buffer, mask in held]
        for buffer, mask, where in uses:
            if _overlap(_used_of(buffer), mask):
                raise KeyReuseError(f"Previously-consumed key passed to {name} {where}. Split the key before each use; "
                                    "ferax.random.clone says that a repetition is meant. See docs/errors/key-reuse.md")
        outs = run(bufs)
        for buffer, mask, _ in uses:
            _mark(buffer, _either(_used_of(buffer), mask))
        for i in outs_with_keys:
            if i in found.passed:
                mask = _used_of(bufs[found.passed[i]])
                _mark(outs[i]._buf, mask if np.shape(mask) in ((), outs[i].shape) else True)
            else:
                _mark(outs[i]._buf, i not in found.made)
        return outs
    return run_and_check
