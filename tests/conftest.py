"""What every test runs under: no ``jax``, repeatable random choices, and a checker behind every jaxpr.

Test files are found by path (``--import-mode=importlib``): two may bear one name, and no folder here has an
``__init__.py``. ``tests/`` is on the path, so shared tables and strategies are imported by their bare names.
"""

import gc
import importlib.abc
import os
import pathlib
import sys
import traceback

# Options are read from the environment when Ferax is first imported. A test run on an accelerator names it
# itself.
os.environ.setdefault("FERAX_PLATFORMS", "cpu")
os.environ.setdefault("FERAX_NUM_CPU_DEVICES", "4")  # virtual devices: enough for a 2 x 2 mesh
os.environ.setdefault("FERAX_ENABLE_CHECKS", "1")


class NoJax(importlib.abc.MetaPathFinder):
    """Refuses to import ``jax`` and remembers who tried.

    Raising is not enough: some of jaxlib's C++ imports jax by itself and swallows the failure. So each test
    fails that left a name in ``attempts``. (Ferax's own way around those calls, a ``None`` in
    ``sys.modules``, never gets here.)
    """

    def __init__(self):
        self.attempts: list[str] = []

    def find_spec(self, name, path=None, target=None):
        if name == "jax" or name.startswith("jax."):
            self.attempts.append(f"import {name}\n{''.join(traceback.format_stack()[-8:-1])}")
            raise ModuleNotFoundError(f"Ferax's tests run without {name}", name=name)
        return None


no_jax = NoJax()
sys.meta_path.insert(0, no_jax)

# Only now, with the hook in place, what might import it.
import hypothesis  # noqa: E402
import pytest  # noqa: E402

hypothesis.settings.register_profile(
    "ferax",
    derandomize=True,  # the same examples on every machine and every day
    deadline=None,  # a first call compiles, and takes as long as it takes
    database=None,
    max_examples=int(40 * float(os.environ.get("FERAX_TEST_EXAMPLES", 1))),  # more of them for a long search
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("ferax")


@pytest.fixture(autouse=True)
def _jax_is_never_imported():
    no_jax.attempts.clear()
    yield
    assert not no_jax.attempts, "something imported jax:\n" + "\n".join(no_jax.attempts)


MOST_MAPS = 30_000       # of the 65530 memory maps that Linux lets a process have; each compiled program takes some


@pytest.fixture(scope="module", autouse=True)
def _programs_are_dropped_in_time():
    yield
    maps = pathlib.Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        import ferax

        ferax.clear_caches()
        gc.collect()


@pytest.fixture
def x64():
    """The test runs with 64-bit dtypes switched on."""
    import ferax

    with ferax.enable_x64(True):
        yield


@pytest.fixture
def strict_promotion():
    """In the test, arrays of two dtypes never meet without a cast written out."""
    import ferax

    with ferax.numpy_dtype_promotion("strict"):
        yield
