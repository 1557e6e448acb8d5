"""Options: validation, environment, threads, context managers, keys."""

import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

from ferax._src.util import config as c
from ferax._src.util.config import config
from ferax._src.util.config_options import NONE, OPTIONS, TRACE


@pytest.fixture(autouse=True)
def restore(monkeypatch):
    # What higher floors check (that no device has been used yet, say) is theirs to test.
    for flag in c.FLAGS.values():
        monkeypatch.setattr(flag, "_checks", [])
    before = {name: flag.get_global() for name, flag in c.FLAGS.items()}
    yield
    for name, value in before.items():
        if c.FLAGS[name].get_global() != value:
            c.FLAGS[name].set(value)


def in_fresh_python(code, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "FERAX_"))}
    done = subprocess.run([sys.executable, "-c", code], env={**clean, **env}, capture_output=True, text=True)
    return done.stdout.strip(), done.stderr


# -- values ---------------------------------------------------------------------------------------------------


def test_update_and_read():
    assert config.jax_enable_x64 is False
    config.update("jax_enable_x64", True)
    assert config.jax_enable_x64 is True and config.read("jax_enable_x64") is True and config.x64_enabled
    assert c.enable_x64.value is True and config.values["jax_enable_x64"] is True


def test_every_option_takes_its_own_default():
    for option in OPTIONS.values():
        config.update(option.name, option.default)
        assert getattr(config, option.name) == option.default
        assert option.meaning and len(option.meaning) < 100


def test_unknown_option_suggests():
    with pytest.raises(
        AttributeError,
        match=re.escape("Unrecognized config option: jax_enable_x65. Did you mean 'jax_enable_x64'"),
    ):
        config.update("jax_enable_x65", True)
    with pytest.raises(AttributeError, match="Did you mean 'jax_debug_nans'"):
        config.debug_nans
    with pytest.raises(AttributeError, match=r"^Unrecognized config option: qqqqqqqqqq\.$"):
        config.read("qqqqqqqqqq")
    assert not hasattr(config, "__wrapped__")


@pytest.mark.parametrize(
    "name, given, kept",
    [
        ("jax_enable_x64", 1, True),
        ("jax_enable_x64", "true", True),
        ("jax_enable_x64", "off", False),
        ("jax_enable_x64", np.bool_(True), True),
        ("jax_enable_x64", None, False),
        ("jax_num_cpu_devices", np.int64(3), 3),
        ("jax_num_cpu_devices", None, -1),
        ("jax_persistent_cache_min_compile_time_secs", 0, 0.0),
        ("jax_numpy_dtype_promotion", "strict", "strict"),
        ("jax_default_matmul_precision", None, None),
        ("jax_explicit_x64_dtypes", "error", 2),
        ("jax_default_device", "cpu", "cpu"),
    ],
)
def test_accepted(name, given, kept):
    config.update(name, given)
    value = config.read(name)
    assert value == kept and (not isinstance(kept, (bool, float)) or type(value) is type(kept))


@pytest.mark.parametrize(
    "name, given, error, text",
    [
        (
            "jax_enable_x64",
            "maybe",
            ValueError,
            "jax_enable_x64: 'maybe' is neither true (1, true, yes, on) nor false (0, false, no, off).",
        ),
        (
            "jax_enable_x64",
            2,
            ValueError,
            "jax_enable_x64: got 2 of type int; expected a value of type bool.",
        ),
        ("jax_enable_x64", np.ones(2), ValueError, "jax_enable_x64: got array("),
        (
            "jax_num_cpu_devices",
            "2",
            ValueError,
            "jax_num_cpu_devices: got '2' of type str; expected a value of type int.",
        ),
        (
            "jax_num_cpu_devices",
            2.5,
            ValueError,
            "jax_num_cpu_devices: got 2.5 of type float; expected a value of type int.",
        ),
        (
            "jax_platforms",
            2,
            ValueError,
            "jax_platforms: got 2 of type int; expected a value of type str, or None.",
        ),
        (
            "jax_numpy_rank_promotion",
            "shout",
            ValueError,
            "jax_numpy_rank_promotion: got 'shout' of type str; expected 'allow', 'warn', 'raise'.",
        ),
        (
            "jax_numpy_dtype_promotion",
            "lax",
            ValueError,
            "jax_numpy_dtype_promotion: got 'lax' of type str; expected 'standard', 'strict'.",
        ),
        ("jax_numpy_dtype_promotion", 3, TypeError, "expected 'standard', 'strict'."),
        ("jax_explicit_x64_dtypes", "shout", ValueError, "expected 'warn', 'error', 'allow'."),
        ("jax_debug_log_modules", None, ValueError, "jax_debug_log_modules: got None"),
        (
            "jax_transfer_guard",
            "x",
            ValueError,
            "expected 'allow', 'log', 'disallow', 'log_explicit', 'disallow_explicit', or None.",
        ),
    ],
)
def test_rejected(name, given, error, text):
    before = config.read(name)
    with pytest.raises(error) as info:
        config.update(name, given)
    assert text in str(info.value)
    assert config.read(name) == before


def test_attributes_are_read_only():
    with pytest.raises(AttributeError, match=re.escape("use config.update('jax_enable_x64', True)")):
        config.jax_enable_x64 = True


# -- context managers --------------------------------------------------------------------------------------------


def test_context_manager_nests_and_restores():
    with c.enable_x64(True):
        assert config.jax_enable_x64
        with c.enable_x64(False):
            assert not config.jax_enable_x64
        with pytest.raises(KeyError), c.enable_x64():
            raise KeyError
        assert config.jax_enable_x64
    assert not config.jax_enable_x64 and c.enable_x64.get_local() is c.unset


def test_context_manager_may_be_entered_again():
    strict = c.numpy_dtype_promotion("strict")
    with strict, c.numpy_dtype_promotion("standard"), strict:
        assert config.jax_numpy_dtype_promotion == "strict"
    assert config.jax_numpy_dtype_promotion == "standard"


def test_decorator():
    @c.default_matmul_precision("float32")
    def f(depth):
        return [config.jax_default_matmul_precision] + (f(depth - 1) if depth else [])

    assert f(2) == ["float32"] * 3
    assert config.jax_default_matmul_precision is None


def test_context_manager_checks_before_entering():
    with pytest.raises(ValueError, match="expected 'standard', 'strict'"):
        c.numpy_dtype_promotion("x")
    with pytest.raises(
        TypeError, match=re.escape("numpy_rank_promotion() needs the new value: 'allow', 'warn', 'raise'.")
    ):
        c.numpy_rank_promotion()
    with pytest.raises(TypeError, match="read enable_x64.value"):
        bool(c.enable_x64)


def test_a_flag_that_was_set_to_none_for_a_while():
    config.update("jax_default_matmul_precision", "high")
    with c.default_matmul_precision(None):
        assert config.jax_default_matmul_precision is None
    assert config.jax_default_matmul_precision == "high"


def test_disable_jit_names_its_argument():
    with c.disable_jit():
        assert c.disable_jit.value is True
        with c.disable_jit(disable=False):
            assert c.disable_jit.value is False


def test_local_values_stay_in_their_thread():
    seen = {}
    inside, done = threading.Event(), threading.Event()

    def other():
        with c.enable_x64(True):
            seen["other"] = config.jax_enable_x64
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    seen["here"] = config.jax_enable_x64
    done.set()
    thread.join()
    assert seen == {"other": True, "here": False}


def test_global_values_reach_other_threads_but_not_inside_with():
    seen = []
    with c.enable_x64(False):
        config.update("jax_enable_x64", True)
        assert config.jax_enable_x64 is False
        thread = threading.Thread(target=lambda: seen.append(config.jax_enable_x64))
        thread.start()
        thread.join()
    assert seen == [True] and config.jax_enable_x64 is True


# -- keys --------------------------------------------------------------------------------------------------------


def test_trace_context_follows_exactly_the_options_that_say_so():
    other = {"jax_default_device": "cpu", "jax_num_cpu_devices": 2}
    for name, flag in c.FLAGS.items():
        option = flag.option
        if isinstance(option.kind, type) and issubclass(option.kind, bool):
            new = not flag.value
        elif name in other:
            new = other[name]
        else:
            continue
        before = c.trace_context()
        flag.set_local(new)
        try:
            assert (c.trace_context() != before) == (option.key == TRACE), name
        finally:
            flag.set_local(c.unset)
        assert c.trace_context() == before


def test_options_without_effect_are_in_no_key():
    assert [o.name for o in OPTIONS.values() if not o.effect and o.key != NONE] == []


def test_internal_state_is_part_of_the_context():
    before = c.trace_context()
    with c.axis_env((("i", 3),)):
        assert c.trace_context() != before and c.axis_env.value == (("i", 3),)
    user = c.make_user_context("a")
    with user("b"):
        assert user.value == "b" and "b" in c.trace_context()
    assert user.value == "a"


# -- hooks -------------------------------------------------------------------------------------------------------


def test_transfer_guard_sets_all_three():
    narrow = (
        c.transfer_guard_host_to_device,
        c.transfer_guard_device_to_device,
        c.transfer_guard_device_to_host,
    )
    with c.transfer_guard("disallow"):
        assert [f.value for f in narrow] == ["disallow"] * 3
        with c.transfer_guard_device_to_host("allow"):
            assert [f.value for f in narrow] == ["disallow", "disallow", "allow"]
    assert [f.value for f in narrow] == [None] * 3
    config.update("jax_transfer_guard", "log")
    assert [f.value for f in narrow] == ["log"] * 3


def test_transfer_guard_reaches_jaxlib():
    from ferax._src.engine import state

    with c.transfer_guard("disallow"):
        assert state.guard_lib.thread_local_state().host_to_device == state.TransferGuardLevel.DISALLOW
    assert state.guard_lib.thread_local_state().host_to_device is None
    config.update("jax_transfer_guard_device_to_host", "log")
    assert state.guard_lib.global_state().device_to_host == state.TransferGuardLevel.LOG


def test_checks_run_before_and_hooks_after():
    flag = c.FLAGS["jax_distributed_debug"]
    log = []

    def refuse(value):
        if value:
            raise RuntimeError("too late")

    flag.add_check(refuse)
    flag.on_change(lambda v: log.append(("global", v)), lambda v: log.append(("local", v)))
    try:
        with pytest.raises(RuntimeError, match="too late"):
            flag.set(True)
        assert flag.value is False and log == []
        flag.set(False)
        with flag(False):
            pass
        assert log == [("global", False), ("local", False), ("local", None)]
    finally:
        flag._checks.clear(), flag._global_hooks.clear(), flag._local_hooks.clear()


def test_log_modules_prints_debug_messages(capsys):
    out, err = in_fresh_python(
        "import logging; from ferax._src.util.config import config\n"
        "config.update('jax_debug_log_modules', 'jax.compiler, other')\n"
        "logging.getLogger('ferax.compiler').debug('one'); logging.getLogger('other').debug('two')\n"
        "config.update('jax_debug_log_modules', '')\n"
        "logging.getLogger('ferax.compiler').debug('three')"
    )
    assert "DEBUG" in err and "one" in err and "two" in err and "three" not in err


# -- where values come from ------------------------------------------------------------------------------------

SHOW = (
    "import json; from ferax._src.util.config import config as c; "
    "print(json.dumps([c.jax_enable_x64, c.jax_num_cpu_devices, c.jax_numpy_rank_promotion, c.jax_platforms]))"
)


def test_environment():
    out, err = in_fresh_python(
        SHOW,
        JAX_ENABLE_X64="yes",
        FERAX_NUM_CPU_DEVICES="4",
        JAX_NUM_CPU_DEVICES="2",
        JAX_NUMPY_RANK_PROMOTION="warn",
        JAX_PLATFORMS="",
    )
    assert json.loads(out) == [True, 4, "warn", None], err


@pytest.mark.parametrize(
    "name, value, text",
    [
        (
            "JAX_ENABLE_X64",
            "maybe",
            "environment variable JAX_ENABLE_X64: jax_enable_x64: 'maybe' is neither true",
        ),
        (
            "FERAX_NUM_CPU_DEVICES",
            "x",
            "environment variable FERAX_NUM_CPU_DEVICES: jax_num_cpu_devices: 'x' is not a number",
        ),
        ("JAX_NUMPY_RANK_PROMOTION", "x", "expected 'allow', 'warn', 'raise'."),
    ],
)
def test_bad_environment(name, value, text):
    _, err = in_fresh_python("import ferax._src.util.config", **{name: value})
    assert text in err


def test_command_line(monkeypatch):
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "prog",
            "--other=3",
            "--jax_enable_x64",
            "--jax_num_cpu_devices=3",
            "file",
            "--jax_numpy_rank_promotion",
            "warn",
            "--nojax_threefry_partitionable",
            "--",
            "--jax_debug_nans",
        ],
    )
    config.parse_flags_with_absl()
    assert (
        config.jax_enable_x64
        and config.jax_num_cpu_devices == 3
        and config.jax_numpy_rank_promotion == "warn"
    )
    assert not config.jax_threefry_partitionable and not config.jax_debug_nans


def test_command_line_without_a_value(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["prog", "--jax_num_cpu_devices"])
    with pytest.raises(ValueError, match="--jax_num_cpu_devices needs a value: a value of type int."):
        config.parse_flags_with_absl()


def test_absl(monkeypatch):
    flags = pytest.importorskip("absl.flags")
    from absl import app

    later = []
    monkeypatch.setattr(app, "call_after_init", later.append)
    monkeypatch.setattr(flags, "FLAGS", flags.FlagValues())
    monkeypatch.setattr(flags, "DEFINE_bool", lambda *a: flags.DEFINE_boolean(*a, flag_values=flags.FLAGS))
    monkeypatch.setattr(
        flags, "DEFINE_string", lambda n, d, h: flags._defines.DEFINE_string(n, d, h, flag_values=flags.FLAGS)
    )
    config.config_with_absl()
    flags.FLAGS(["prog", "--jax_enable_x64", "--jax_num_cpu_devices=3"])
    later[0]()
    assert config.jax_enable_x64 and config.jax_num_cpu_devices == 3


def test_own_option():
    class Holder:
        value = 3

    config.add_option("my_tests_own", Holder(), int, (), {"help": "mine"})
    try:
        assert config.my_tests_own == 3
        config.update("my_tests_own", 4)
        assert config.my_tests_own == 4
        with pytest.raises(Exception, match="already defined"):
            config.add_option("my_tests_own", Holder(), int, (), {})
    finally:
        del c.FLAGS["my_tests_own"]


def test_switches_are_left_to_jax_when_it_is_loaded():
    out, err = in_fresh_python(
        "import sys; from ferax._src.util import config\n"
        "from ferax._src.engine import state\n"
        "print(config.install_process_switches())\n"
        "state.real_jax_loaded = lambda: True\n"
        "print(config.install_process_switches())"
    )
    assert out.split() == ["True", "False"], err


def test_flag_modules_stand_in_the_directory():
    assert "jax_enable_x64" in dir(config) and "update" in dir(config)
    assert c.softmax_custom_jvp.option.name == "jax_softmax_custom_jvp"
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        c.nonsense
    assert pathlib.Path(c.__file__).name == "config.py"
