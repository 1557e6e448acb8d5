"""Backends, devices, and where values go that nobody placed."""

import subprocess
import sys

import numpy as np
import pytest

from ferax._src.runtime import devices
from ferax._src.runtime.transfer import array_from_host
from ferax._src.types.shardings import SingleDeviceSharding
from ferax._src.util import config


def child(code, **environment):
    """Run code in a fresh process; answers what it printed."""
    import os
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("FERAX_", "JAX_", "XLA_"))}
    done = subprocess.run([sys.executable, "-c", code], env={**keep, **environment, "PYTHONPATH": "src"},
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_devices():
    assert devices.default_backend() == "cpu" and devices.device_count() == len(devices.devices()) >= 4
    assert devices.local_devices() == devices.devices() == devices.devices("cpu") and devices.local_device_count() >= 4
    assert devices.process_index() == 0 and devices.process_count() == 1 and devices.process_indices() == [0]
    assert devices.are_backends_initialized() and list(devices.backends()) == ["cpu"]
    assert devices.get_backend("cpu") is devices.get_backend() is devices.get_backend(devices.get_backend())
    assert devices.local_devices(process_index=0) == devices.devices()
    with pytest.raises(ValueError, match="process_index"):
        devices.local_devices(process_index=1)


def test_unknown_platforms():
    with pytest.raises(RuntimeError, match="Unknown backend: 'gpu' requested.*Platforms present are: cpu"):
        devices.devices("gpu")
    with pytest.raises(RuntimeError, match="Unknown backend"):
        devices.device_count("nonsense")


def test_default_device():
    first, second = devices.devices()[:2]
    assert devices.default_device() is first and devices.default_sharding() is SingleDeviceSharding(first)
    with config.default_device(second):
        assert devices.default_device() is second
        assert array_from_host(np.ones(2)).device is second
    with config.default_device("cpu"):
        assert devices.default_device() is first
    with pytest.raises(ValueError, match="default_device"):
        config.default_device(3)


def test_the_number_of_cpu_devices_is_fixed_once_used():
    devices.devices()
    with pytest.raises(RuntimeError, match="before the first use"):
        config.config.update("jax_num_cpu_devices", 7)


SHOW = "from ferax._src.runtime import devices as d; print(d.device_count(), d.default_backend())"


@pytest.mark.parametrize("environment, answer", [
    ({}, "1 cpu"),
    ({"FERAX_NUM_CPU_DEVICES": "3"}, "3 cpu"),
    ({"JAX_NUM_CPU_DEVICES": "2"}, "2 cpu"),
    ({"XLA_FLAGS": "--xla_force_host_platform_device_count=5"}, "5 cpu"),
    ({"JAX_PLATFORMS": "cpu"}, "1 cpu"),
])
def test_environment(environment, answer):
    assert child(SHOW, **environment) == answer


def test_a_platform_that_is_not_there():
    code = ("from ferax._src.runtime import devices as d\n"
            "try: d.devices()\n"
            "except RuntimeError as e: print(e)")
    text = child(code, FERAX_PLATFORMS="tpu")
    assert "Unable to initialize backend 'tpu'" in text and "libtpu" in text and "FERAX_PLATFORMS" in text


def test_a_plugin_that_does_not_start_leaves_the_cpu():
    code = ("import warnings; warnings.simplefilter('error')\n"
            "from ferax._src.runtime import devices as d\n"
            "try: d.devices()\n"
            "except RuntimeWarning as w: print(w)\n"
            "warnings.simplefilter('ignore'); print(d.default_backend())")
    text = child(code, PJRT_NAMES_AND_LIBRARY_PATHS="strange:/nowhere/plugin.so")
    assert "did not start" in text and text.endswith("cpu")


def test_starting_over():
    code = ("from ferax._src.runtime import devices as d, dispatch\n"
            "from ferax._src.runtime.transfer import array_from_host, scalar_array\n"
            "from ferax._src.ops.elementwise import add\n"
            "first = d.devices()[0]; x = add(array_from_host([1., 2.]), 1)\n"
            "d.clear_backends()\n"
            "assert not d.are_backends_initialized()\n"
            "y = add(array_from_host([1., 2.]), 1)\n"
            "assert d.devices()[0] is not first and y.tolist() == [2, 3] == x.tolist()\n"
            "print('well')")
    assert child(code) == "well"
