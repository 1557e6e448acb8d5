"""The call path of compiled functions: from the user's arguments to the program seen before, in as few steps as can be.

`make_call` gives a function that flattens its arguments, compares their signatures with those of the last call (no
hashing: lists of identical objects are compared by address), and runs the program; another known combination is found in
a table; anything else goes to the ``miss`` function, which traces and compiles.

Why this is Python: jaxlib's C++ path must unwrap and wrap each `ArrayImpl` as a pytree node, 0.24 us for an argument and
its result. For a pytree of 22 arrays that is a tenth more than the path here takes; for one array both are equal.
"""

from __future__ import annotations

import functools
import operator
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from ferax._src.runtime.array import ArrayImpl
from ferax._src.runtime.effects import failure
from ferax._src.runtime.program import CompiledProgram
from ferax._src.runtime.transfer import as_array, put_leaf
from ferax._src.tracing.core import eval_trace, state
from ferax._src.types.pytree_registry import PyTreeDef, registry
from ferax._src.types.pytrees import tree_flatten
from ferax._src.util import caches, config
from ferax._src.util.tracebacks import filter_at_exit

_trace_context = config.trace_context
_mark = config.mark
_flatten = registry.flatten
_signature_of = operator.attrgetter("_sig")
_buffer_of = operator.attrgetter("_buf")

# Stands for the structure of arguments all of which are arrays: those need not be flattened.
_FLAT = _flatten("", None)[1]
_MISSING = object()

# What the table of one function may hold: a limit against unbounded growth, not a working set.
_TABLE_LIMIT = 4096


class Entry:
    """What a miss leaves for the next call with the same signatures.

    Parameters
    ----------
    program : CompiledProgram, whose arguments are the flattened arguments of the call
    out_tree : structure of the results
    routes : for each flat result an index into the program's results, or (``~index``) into the arguments; None
        when they are the program's results, in order. An argument that a function answers unchanged need not go
        through the program.
    """

    __slots__ = ("program", "run", "donates", "direct")

    def __init__(self, program: CompiledProgram, out_tree: PyTreeDef, routes: Sequence[int] | None = None):
        self.program = program
        self.donates = program.donates
        unflatten = None if out_tree.num_nodes == 1 and len(program.out_sigs) == 1 else _unflatten(out_tree)
        self.run: Callable[[list, Sequence[ArrayImpl]], Any] = _runner(program, unflatten, routes)
        # What `call` needs to run the program without a further function call, where that is possible: a function
        # that chooses the buffers or None, the executable, how to make the results, their signatures, and how to put
        # them together, None for one array.
        self.direct: tuple | None = None
        if program.is_direct and routes is None:
            sigs = program.out_sigs
            self.direct = (program.pick, program.executable.execute_sharded, [s.handler for s in sigs],
                           sigs[0] if unflatten is None else sigs, unflatten)


def _unflatten(out_tree: PyTreeDef) -> Callable[[Any], Any]:
    """From the results, flat, to their structure."""
    if out_tree.num_nodes == out_tree.num_leaves + 1 and out_tree.node_data()[0] in (tuple, list):
        return out_tree.node_data()[0]          # the same, in half the time
    return out_tree.unflatten


def _runner(program: CompiledProgram, unflatten, routes) -> Callable[[list, list], Any]:
    """``run(buffers, arrays) -> results in their structure``."""
    if routes is None:
        return program.runner(unflatten)
    run_flat = program.run_buffers

    def run_routed(bufs, arrays):
        outs = run_flat(bufs)
        routed = [outs[r] if r >= 0 else arrays[~r] for r in routes]
        return routed[0] if unflatten is None else unflatten(routed)
    return run_routed


def make_call(fun: Callable, miss: Callable[[tuple, dict], tuple[Any, Entry | None]], *, static_argnums: Sequence[int] = (),
              static_argnames: Sequence[str] = ()) -> Callable:
    """A function with the face of ``fun`` that runs compiled programs.

    Parameters
    ----------
    fun : the user's function; for its name and docstring
    miss : ``miss(args, kwargs) -> (result, Entry or None)``; with None the next call asks again
    static_argnums, static_argnames : arguments that are part of the program, compared by ``==`` and ``hash``

    Returns
    -------
    function with the attribute ``clear``, which forgets all programs
    """
    table: dict[tuple, Entry] = {}
    if static_argnums or static_argnames:
        call = _static_call(table, miss, tuple(static_argnums), frozenset(static_argnames))
    else:
        call = _plain_call(table, miss)
    if not hasattr(call, "clear"):
        call.clear = table.clear                # type: ignore[attr-defined]
    call.size = table.__len__                   # type: ignore[attr-defined]
    _calls.add(call)
    return functools.update_wrapper(call, fun, functools.WRAPPER_ASSIGNMENTS, ())


_calls: weakref.WeakSet = weakref.WeakSet()             # all functions of `make_call`


def _forget_programs() -> None:
    for call in list(_calls):
        call.clear()


caches.register_cache(_forget_programs)


def _plain_call(table: dict, miss):
    # What the last call was like, so that the next one, which is mostly like it, need not find out.
    nothing: tuple = (None, -1, _FLAT, None, None)
    nothing_few: tuple = (None, -1, *[None] * 8)
    last = nothing                              # mark, changes, structure, signatures, entry
    # For calls of arrays: mark, changes, the signatures of the first two and of the others, and `Entry.direct`.
    last_few = nothing_few
    flat = True                                 # arguments have been arrays, and not containers of them, of late

    def call(x=_MISSING, y=_MISSING, /, *rest, **kwargs):
        nonlocal last, last_few, flat
        try:
            if not kwargs and state.trace is eval_trace:
                seen, count, sig_x, sig_y, others, pick, execute, handlers, out_sig, unflatten = last_few
                if seen is _mark.value and count == config.changes:
                    bufs = None
                    if y is _MISSING:
                        if type(x) is ArrayImpl:
                            if x._sig is sig_x and sig_y is _MISSING:
                                bufs = [x._buf]
                        elif x is _MISSING and sig_x is _MISSING:
                            bufs = []
                    elif type(x) is ArrayImpl and type(y) is ArrayImpl and x._sig is sig_x and y._sig is sig_y:
                        if not rest:
                            if not others:
                                bufs = [x._buf, y._buf]
                        elif others:
                            try:
                                if list(map(_signature_of, rest)) == others:
                                    bufs = [x._buf, y._buf, *map(_buffer_of, rest)]
                            except AttributeError:      # not all are arrays
                                flat = False
                    if bufs is not None:
                        if pick is not None:
                            bufs = pick(bufs)
                        try:
                            if unflatten is None:
                                return ArrayImpl(execute(bufs).consume_with_handlers(handlers)[0], out_sig)
                            return unflatten(map(ArrayImpl, execute(bufs).consume_with_handlers(handlers), out_sig))
                        except Exception as error:
                            raise failure(error, bufs) from None
            args = () if x is _MISSING else (x,) if y is _MISSING else (x, y, *rest)
            if state.trace is not eval_trace:
                return miss(args, kwargs)[0]
            mark, changes = _mark.value, config.changes     # before the values are read: see `config.Marked`
            given, tree = None, _FLAT
            leaves: Any = args
            if flat and not kwargs:
                try:
                    sigs = list(map(_signature_of, args))
                except AttributeError:
                    flat = False
            if not flat or kwargs:
                try:
                    leaves, tree = _flatten((args, kwargs) if kwargs else args, None)
                except ValueError:              # keys that cannot be sorted: says so in the user's terms
                    tree_flatten((args, kwargs))
                try:
                    sigs = list(map(_signature_of, leaves))
                except AttributeError:          # numbers, NumPy arrays, tracers, or what is no value at all
                    given, leaves = leaves, _arrays_of(leaves)
                    if leaves is None:
                        return miss(args, kwargs)[0]
                    sigs = list(map(_signature_of, leaves))
            seen, count, seen_tree, seen_sigs, entry = last
            if (sigs != seen_sigs or (tree is not seen_tree and tree != seen_tree) or seen is not mark
                    or count != changes):
                key = (_trace_context(), tree, *sigs)
                entry = table.get(key)
                if entry is None:
                    return _missed(table, key, miss, args, kwargs)
                last = mark, changes, tree, sigs, entry
                if tree is _FLAT and entry.direct is not None:
                    sig_x, sig_y, *others = sigs if len(sigs) >= 2 else [*sigs, _MISSING, _MISSING][:2]
                    last_few = mark, changes, sig_x, sig_y, others, *entry.direct
                flat = len(leaves) == len(args) and all(type(x) is ArrayImpl for x in args)
            if given is not None and entry.donates:
                leaves = _own_arrays(given, leaves)
            return entry.run(list(map(_buffer_of, leaves)), leaves)
        except Exception as e:
            filter_at_exit(e)
            raise

    def clear():
        nonlocal last, last_few
        table.clear()
        last, last_few = nothing, nothing_few

    call.clear = clear                          # type: ignore[attr-defined]
    return call


def _missed(table: dict, key: tuple, miss, args, kwargs):
    result, entry = miss(args, kwargs)
    if entry is not None:
        if len(table) >= _TABLE_LIMIT:
            table.clear()
        table[key] = entry
    return result


def _own_arrays(given: list, arrays: list) -> list:
    """Arrays whose memory may be given away: those for numbers are shared, and are made anew."""
    return [x if type(g) is ArrayImpl else put_leaf(g) for g, x in zip(given, arrays)]


def _static_call(table: dict, miss, static_argnums: tuple[int, ...], static_argnames: frozenset):
    def call(*args, **kwargs):
        try:
            if state.trace is not eval_trace:
                return miss(args, kwargs)[0]
            count = len(args)
            places = {i + count if i < 0 else i for i in static_argnums}
            dynamic = tuple([a for i, a in enumerate(args) if i not in places])
            static = [(i, type(a), a) for i, a in enumerate(args) if i in places]
            named = kwargs
            if kwargs:
                static += [(k, type(v), v) for k, v in sorted(kwargs.items()) if k in static_argnames]
                named = {k: v for k, v in kwargs.items() if k not in static_argnames}
            try:
                leaves, tree = _flatten((dynamic, named), None)
            except ValueError:
                tree_flatten((dynamic, named))
            arrays = _arrays_of(leaves)
            if arrays is None:
                return miss(args, kwargs)[0]
            key = (_trace_context(), tree, tuple(static), *[x._sig for x in arrays])
            try:
                entry = table.get(key)
            except TypeError:                       # unhashable: the miss function says so in the user's terms
                return miss(args, kwargs)[0]
            if entry is None:
                return _missed(table, key, miss, args, kwargs)
            if entry.donates:
                arrays = _own_arrays(leaves, arrays)
            return entry.run([x._buf for x in arrays], arrays)
        except Exception as e:
            filter_at_exit(e)
            raise

    return call


def _arrays_of(leaves: list) -> list[ArrayImpl] | None:
    """The leaves as arrays; None if one is a tracer or no value, which is for the miss function to deal with."""
    try:
        return [x if type(x) is ArrayImpl else as_array(x) for x in leaves]
    except TypeError:
        return None
