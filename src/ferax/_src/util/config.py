"""Configuration: one ``Flag`` for each row of ``config_options``, and the public ``config`` object over them.

A flag has a global value and, inside a ``with`` block, a value of this thread: ``flag.value`` is the latter
if there is one.  The flags are jaxlib ``Config`` objects, so the C++ call path sees them: a flag whose key is
``CALL`` or ``TRACE`` separates cached calls, one whose key is ``TRACE`` also separates traces
(``trace_context()`` is the tuple of those values, and belongs into every cache key that holds something
traced).

    config.update("jax_enable_x64", True)       # for the whole process
    with enable_x64(True): ...                  # for this thread, for a while; also a decorator
    enable_x64.value                            # 0.04 us

Reads in hot code go through the module's flag objects, never through ``config.jax_...``, which is for users.
An option starts from the environment: ``FERAX_ENABLE_X64``, else ``JAX_ENABLE_X64``, else the default.
"""

from __future__ import annotations

import contextlib
import enum
import operator
import os
import sys
from collections.abc import Callable
from typing import Any

from ferax._src.engine import state as engine
from ferax._src.util import config_hooks
from ferax._src.util.config_options import CALL, NONE, OPTIONS, TRACE, Option

unset = engine.unset
trace_context = engine.trace_context
trace_context_names = engine.trace_context_names

_TRUE = {"1", "true", "yes", "on", "t", "y"}
_FALSE = {"0", "false", "no", "off", "f", "n"}


# -- from what the user gave to a value of the option's kind -------------------------------------------------


def _allowed(option: Option) -> str:
    """The values an option takes, in words, for errors."""
    kind = option.kind
    if isinstance(kind, tuple):
        text = ", ".join(map(repr, kind))
    elif isinstance(kind, enum.EnumMeta):
        text = ", ".join(repr(m.value) if isinstance(m.value, str) else repr(m.name.lower()) for m in kind)
    else:
        text = f"a value of type {kind.__name__}" if kind is not object else "an object"
    return text + (", or None" if option.nullable else "")


def _reject(option: Option, value: Any, error: type[Exception] = ValueError) -> Exception:
    return error(f"{option.name}: got {value!r} of type {type(value).__name__}; expected {_allowed(option)}.")


def _convert(option: Option, value: Any) -> Any:
    """``value`` as a value of the option's kind; raises if it cannot be one."""
    kind = option.kind
    if value is None:
        if option.nullable:
            return None
        if kind in (int, float, bool):  # "back to the default", as for options that may be None
            return option.default
        raise _reject(option, value, TypeError if isinstance(kind, enum.EnumMeta) else ValueError)
    if kind is object:
        return value
    if kind is bool:
        if isinstance(value, str):
            return _parse_bool(option, value)
        try:
            if value in (0, 1):  # bools and numpy's, and C-like numbers
                return bool(value)
        except ValueError:  # an array of many truths
            pass
        raise _reject(option, value)
    if kind is int:
        try:
            return operator.index(value)
        except TypeError:
            raise _reject(option, value) from None
    if kind is float:
        if isinstance(value, str) or not hasattr(value, "__float__"):
            raise _reject(option, value)
        return float(value)
    if kind is str:
        if not isinstance(value, str):
            raise _reject(option, value)
        return value
    if isinstance(kind, tuple):
        if not isinstance(value, str) or value not in kind:
            raise _reject(option, value)
        return value
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise _reject(option, value, TypeError)
    if issubclass(kind, str):
        if value not in kind._value2member_map_:
            raise _reject(option, value)
        return kind(value)
    try:
        return kind[value.upper()]
    except KeyError:
        raise _reject(option, value) from None


def _parse_bool(option: Option, text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise ValueError(
        f"{option.name}: {text!r} is neither true (1, true, yes, on) nor false (0, false, no, off)."
    )


def _parse(option: Option, text: str) -> Any:
    """The value that ``text``, from the environment or the command line, stands for."""
    if option.kind in (int, float):
        try:
            return option.kind(text)
        except ValueError:
            raise ValueError(
                f"{option.name}: {text!r} is not a number of type {option.kind.__name__}."
            ) from None
    if option.nullable and text == "None":
        return None
    return _convert(option, text)


def _initial(option: Option) -> Any:
    names = [f"FERAX_{option.short_name.upper()}", option.name.upper()]
    for name in names:
        text = os.environ.get(name)
        if text:
            try:
                return _parse(option, text)
            except ValueError as e:
                raise ValueError(f"environment variable {name}: {e}") from None
    return option.default


# -- flags ---------------------------------------------------------------------------------------------------


#: Counts changes for the whole process of values that are part of keys; see `Marked`.
changes = 0
#: Of each thread: another object after each change of its own values; see `Marked`.
mark = engine.Config("ferax_mark", object())


class Marked(engine.Config):
    """A value that is part of keys, with its changes marked.

    As long as ``mark.value`` is the same object and ``changes`` the same number, ``trace_context()`` answers the same
    in this thread. Hot code asks these two (0.06 us) instead of comparing two dozen values (0.15 us).
    """

    def __init__(self, name: str, value: Any, **keys: bool):
        global changes
        super().__init__(name, value, **keys)
        changes += 1

    def set_local(self, value: Any) -> None:
        super().set_local(value)
        mark.set_local(object())

    def swap_local(self, value: Any) -> Any:
        previous = super().swap_local(value)
        mark.set_local(object())
        return previous

    def set_global(self, value: Any) -> None:
        global changes
        super().set_global(value)
        changes += 1


class Flag(Marked):
    """One option: ``value``, ``set`` for the process, and called with a value, a context manager for this thread.

    ``set_local``, ``swap_local``, ``get_local``, ``set_global``, ``get_global`` are jaxlib's and check
    nothing.
    """

    def __init__(self, option: Option):
        super().__init__(
            option.name,
            _initial(option),
            include_in_jit_key=option.key != NONE,
            include_in_trace_context=option.key == TRACE,
        )
        self.option = option
        self.__name__ = option.short_name
        self.__doc__ = f"Context manager and decorator for the option ``{option.name}``: {option.meaning}."
        self.with_it: tuple[Flag, ...] = ()  # flags that always follow this one
        self._checks: list[Callable[[Any], None]] = []
        self._global_hooks: list[Callable[[Any], None]] = []
        self._local_hooks: list[Callable[[Any], None]] = []

    def convert(self, value: Any) -> Any:
        """``value`` checked and brought to the option's type."""
        value = _convert(self.option, value)
        for check in self._checks:
            check(value)
        return value

    def add_check(self, check: Callable[[Any], None]) -> None:
        """``check(value)`` may raise, before any change, for reasons that only a higher floor knows."""
        self._checks.append(check)

    def on_change(
        self, global_hook: Callable[[Any], None] | None, local_hook: Callable[[Any], None] | None = None
    ) -> None:
        """Call a hook with each new global value, or each new value of a thread (None when it has none now)."""
        if global_hook is not None:
            self._global_hooks.append(global_hook)
            if self.get_global() != self.option.default:  # the environment had its say before the hook came
                global_hook(self.get_global())
        if local_hook is not None:
            self._local_hooks.append(local_hook)

    def set(self, value: Any) -> None:
        """Set the value for the process."""
        value = self.convert(value)
        for flag in (self, *self.with_it):
            flag.set_global(value)
            for hook in flag._global_hooks:
                hook(value)

    def _swap(self, value: Any) -> Any:
        previous = self.swap_local(value)
        for hook in self._local_hooks:
            hook(None if value is unset else value)
        return previous

    def __call__(self, new_val: Any = unset) -> Override:
        if new_val is unset:
            if self.option.kind is not bool:
                raise TypeError(f"{self.option.short_name}() needs the new value: {_allowed(self.option)}.")
            new_val = True
        return Override((self, *self.with_it), self.convert(new_val))

    def __bool__(self) -> bool:
        name = self.option.short_name
        raise TypeError(f"the flag {name} itself has no truth value; read {name}.value")

    def __repr__(self) -> str:
        return f"<option {self.option.name} = {self.value!r}>"


class DisableJit(Flag):
    """Run jitted functions as plain Python, operation by operation, for the length of a block."""

    def __call__(self, disable: Any = True) -> Override:
        return super().__call__(disable)


class TransferGuard(Flag):
    """What happens at implicit transfers of all kinds; the level must be given."""

    def __call__(self, new_val: Any) -> Override:  # type: ignore[override]
        return super().__call__(new_val)


class Override(contextlib.ContextDecorator):
    """Flags with another value in this thread, for the length of a block or of a call; may be entered again."""

    __slots__ = ("_flags", "_value", "_saved")

    def __init__(self, flags: tuple[Flag, ...], value: Any):
        self._flags = flags
        self._value = value
        self._saved: list[list[Any]] = []

    def _recreate_cm(self) -> Override:  # a decorated function may run in many threads at once
        return Override(self._flags, self._value)

    def __enter__(self) -> None:
        self._saved.append([flag._swap(self._value) for flag in self._flags])

    def __exit__(self, *exc_info: Any) -> None:
        for flag, previous in zip(self._flags, self._saved.pop()):
            flag._swap(previous)


_KINDS = {"jax_disable_jit": DisableJit, "jax_transfer_guard": TransferGuard}
FLAGS: dict[str, Flag] = {
    option.name: _KINDS.get(option.name, Flag)(option) for option in OPTIONS.values()
}
_SHORT = {flag.option.short_name: flag for flag in FLAGS.values()}


def __getattr__(name: str) -> Flag:
    """Every option is an attribute of this module by its short name; those with effect are also listed below."""
    try:
        return _SHORT[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


enable_x64 = FLAGS["jax_enable_x64"]
cpu_lowerings = FLAGS["ferax_cpu_lowerings"]
explicit_x64_dtypes = FLAGS["jax_explicit_x64_dtypes"]
numpy_dtype_promotion = FLAGS["jax_numpy_dtype_promotion"]
numpy_rank_promotion = FLAGS["jax_numpy_rank_promotion"]
default_matmul_precision = FLAGS["jax_default_matmul_precision"]
softmax_custom_jvp = FLAGS["jax_softmax_custom_jvp"]
platforms = FLAGS["jax_platforms"]
platform_name = FLAGS["jax_platform_name"]
default_device = FLAGS["jax_default_device"]
num_cpu_devices = FLAGS["jax_num_cpu_devices"]
disable_jit = FLAGS["jax_disable_jit"]
no_tracing = FLAGS["jax_no_tracing"]
no_execution = FLAGS["jax_no_execution"]
debug_nans = FLAGS["jax_debug_nans"]
debug_infs = FLAGS["jax_debug_infs"]
check_static_indices = FLAGS["jax_check_static_indices"]
check_tracer_leaks = FLAGS["jax_check_tracer_leaks"]
enable_checks = FLAGS["jax_enable_checks"]
debug_key_reuse = FLAGS["jax_debug_key_reuse"]
log_compiles = FLAGS["jax_log_compiles"]
explain_cache_misses = FLAGS["jax_explain_cache_misses"]
transfer_guard = FLAGS["jax_transfer_guard"]
transfer_guard_host_to_device = FLAGS["jax_transfer_guard_host_to_device"]
transfer_guard_device_to_device = FLAGS["jax_transfer_guard_device_to_device"]
transfer_guard_device_to_host = FLAGS["jax_transfer_guard_device_to_host"]
array_garbage_collection_guard = FLAGS["jax_array_garbage_collection_guard"]
thread_guard = FLAGS["jax_thread_guard"]
traceback_filtering = FLAGS["jax_traceback_filtering"]
default_prng_impl = FLAGS["jax_default_prng_impl"]
enable_custom_prng = FLAGS["jax_enable_custom_prng"]
legacy_prng_key = FLAGS["jax_legacy_prng_key"]
random_seed_offset = FLAGS["jax_random_seed_offset"]
threefry_partitionable = FLAGS["jax_threefry_partitionable"]

transfer_guard.with_it = (
    transfer_guard_host_to_device,
    transfer_guard_device_to_device,
    transfer_guard_device_to_host,
)
if transfer_guard.value is not None:  # given by the environment: for all three, but a narrower one prevails
    for _flag in transfer_guard.with_it:
        if _flag.value is None:
            _flag.set_global(transfer_guard.value)

config_hooks.connect(FLAGS)


# -- state of the tracing machinery that belongs into the same keys ------------------------------------------


class Internal(Marked):
    """A thread-local value that is no option: not settable by users, but part of keys.  Called, a context manager."""

    def __init__(self, name: str, default: Any, *, key: str = TRACE):
        super().__init__(name, default, include_in_jit_key=key != NONE, include_in_trace_context=key == TRACE)

    @contextlib.contextmanager
    def __call__(self, value: Any):
        previous = self.swap_local(value)
        try:
            yield
        finally:
            self.set_local(previous)


axis_env = Internal("ferax_axis_env", ())  # named axes in scope: ((name, size), ...), innermost last
varying_axes = Internal("ferax_varying_axes", frozenset())  # manual mesh axes along which types say whether values vary
tracing_depth = Internal("ferax_tracing_depth", 0)  # how many traces are under way in this thread
tracing = Internal("ferax_tracing", False, key=CALL)  # the current trace is not the base one


def make_user_context(default_value: Any = None) -> Internal:
    """A thread-local value of the user's own: ``with context(value):``; functions are traced anew for each value.

    Values must be hashable.
    """
    return Internal("user_context", default_value)


# -- the public object ---------------------------------------------------------------------------------------


def _flag_named(name: str) -> Flag:
    try:
        return FLAGS[name]
    except KeyError:
        name_in_full = name if name.startswith("jax") else f"jax_{name}"
        import difflib  # lazy: only to word an error
        near = difflib.get_close_matches(name_in_full, FLAGS, n=3)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise AttributeError(f"Unrecognized config option: {name}.{hint}") from None


class Config:
    """All options by JAX's names: ``config.update(name, value)``, ``config.<name>``."""

    use_absl = False

    def update(self, name: str, val: Any) -> None:
        """Set an option for the process."""
        _flag_named(name).set(val)

    def read(self, name: str) -> Any:
        """The option's value in this thread."""
        return _flag_named(name).value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _flag_named(name).value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FLAGS:
            raise AttributeError(f"config.{name} is read-only; use config.update({name!r}, {value!r}).")
        object.__setattr__(self, name, value)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *FLAGS})

    @property
    def values(self) -> dict[str, Any]:
        """All options and their values."""
        return {name: flag.value for name, flag in FLAGS.items()}

    @property
    def meta(self) -> dict[str, tuple[Any, list, dict[str, str]]]:
        """For each option its type, and its meaning as ``help``."""
        return {
            name: ("enum" if isinstance(option.kind, tuple) else option.kind, [], {"help": option.meaning})
            for name, option in OPTIONS.items()
        }

    @property
    def x64_enabled(self) -> bool:
        return enable_x64.value

    def add_option(
        self,
        name: str,
        holder: Any = None,
        opt_type: Any = object,
        meta_args: Any = (),
        meta_kwargs: Any = None,
    ) -> None:
        """Add an option of the caller's own; ``holder.value``, if there is one, is where it starts."""
        if name in FLAGS:
            raise Exception(f"Config option {name} already defined")
        meaning = (meta_kwargs or {}).get("help", "added by config.add_option")
        kind = opt_type if opt_type in (bool, int, float, str) else object
        default = getattr(holder, "value", None)
        FLAGS[name] = Flag(Option(name, default, kind, True, NONE, meaning, default is None))

    def parse_flags_with_absl(self) -> None:
        """Take options from the command line: ``--jax_name=value``, ``--jax_name value``, ``--[no]jax_name``.

        Other arguments are left alone, and all stay in ``sys.argv``.
        """
        arguments = iter(sys.argv[1:])
        for argument in arguments:
            if argument == "--":
                return
            name, has_value, text = argument.lstrip("-").partition("=")
            if not argument.startswith("-") or (name not in FLAGS and name.removeprefix("no") not in FLAGS):
                continue
            if name not in FLAGS:
                FLAGS[name.removeprefix("no")].set(False)
            elif not has_value and FLAGS[name].option.kind is bool:
                FLAGS[name].set(True)
            else:
                option = FLAGS[name].option
                value = text if has_value else next(arguments, None)
                if value is None:
                    raise ValueError(f"--{name} needs a value: {_allowed(option)}.")
                FLAGS[name].set(_parse(option, value))

    def config_with_absl(self) -> None:
        """Define each option as an absl flag, and take the values when ``absl.app.run`` starts the program."""
        import absl.app  # lazy: absl is only there for programs that use it themselves
        import absl.flags  # lazy: the same

        for name, flag in FLAGS.items():
            if name in absl.flags.FLAGS:
                continue
            option, value = flag.option, flag.value
            if option.kind is bool:
                absl.flags.DEFINE_bool(name, value, option.meaning)
            else:
                absl.flags.DEFINE_string(name, None if value is None else str(value), option.meaning)
        absl.app.call_after_init(lambda: self.complete_absl_config(absl.flags))

    def complete_absl_config(self, absl_flags: Any) -> None:
        """Take over the values of the absl flags that were given."""
        for name, flag in FLAGS.items():
            if name in absl_flags.FLAGS and absl_flags.FLAGS[name].present:
                value = absl_flags.FLAGS[name].value
                flag.set(_parse(flag.option, value) if isinstance(value, str) else value)


config = Config()


# -- one of each per process ---------------------------------------------------------------------------------

_post_hook = engine.Config("ferax_post_hook", None)  # C++ wants one to exist; nan checks go by the call key


def install_process_switches() -> bool:
    """Tell jaxlib's C++ which flags switch x64 and disable_jit; called once, when the first client is made.

    These slots exist once in a process.  If the real jax is loaded they are its own, and we leave them: our
    x64 state then separates calls through the call key, and numpy arguments are squashed before C++ sees
    them. Returns whether the switches were installed.
    """
    return engine.set_switches(enable_x64, disable_jit, _post_hook)
