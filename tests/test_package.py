"""The package as a whole: what importing it does and does not do, its version, its names, the code in its README."""

import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ferax

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = sorted(
    ".".join(("ferax", *path.relative_to(ROOT / "src" / "ferax").with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    for path in (ROOT / "src" / "ferax").rglob("*.py")
    if "_src" not in path.parts and path.name != "__main__.py"
)


def run(code: str, **environment: str) -> str:
    """What ``code`` prints in a new process, warnings being errors."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")} | environment
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_is_light():
    """What a first operation does not need is not loaded by the import, and neither starts a device."""
    code = """
import sys
import ferax, ferax.numpy
heavy = ("jax", "scipy", "jaxlib.mlir", "opt_einsum", "matplotlib")
print([name for name in heavy if name in sys.modules])
"""
    assert run(code).strip() == "[]"


def test_jax_stays_out_of_a_working_process():
    code = """
import sys, pickle
import numpy as np
import ferax as jax, ferax.numpy as jnp
x = jnp.arange(6.0)
jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(x) ** 2)))(x)
jax.vmap(jnp.sin)(x), np.asarray(x), pickle.loads(pickle.dumps(x)), list(x), repr(x), np.from_dlpack(x)
jax.device_get(jax.random.normal(jax.random.key(0), (3,)))
print([name for name in sys.modules if name.split(".")[0] == "jax"])
"""
    assert run(code).strip() == "[]"


def test_importing_prints_nothing():
    assert run("import ferax, ferax.numpy as jnp; jnp.zeros(3) + 1") == ""


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_there(name):
    """Lazy loading must not promise what is not there: every name listed can be had."""
    module = importlib.import_module(name)
    listed = [n for n in dir(module) if not n.startswith("_")]
    missing = [n for n in (*getattr(module, "__all__", ()), *listed) if not hasattr(module, n)]
    assert not missing
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", ferax.__version__)
    assert ferax.version.__version__ == ferax.__version__
    assert ferax.version.__version_info__[:2] == tuple(map(int, ferax.__version__.split(".")[:2]))


def test_version_is_the_installed_one():
    try:
        installed = importlib.metadata.version("ferax")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("run from the sources, not installed")
    assert installed == ferax.__version__


def code_blocks(name: str) -> str:
    return "\n".join(
        re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(encoding="utf-8"), re.S | re.M)
    )


def test_readme_runs():
    printed = run(code_blocks("README.md"))
    value, shape, *_, jaxpr = printed.strip().splitlines()
    assert float(value) < 0.1
    assert shape == "(256, 3, 32)"
    assert "sin" in printed and jaxpr.rstrip().endswith("}")


def test_readmes_show_the_same_program():
    def uncommented(name):
        return [line.split("#")[0].rstrip() for line in code_blocks(name).splitlines()]

    assert uncommented("README.md") == uncommented("README.es.md")


def test_typed():
    assert (ROOT / "src" / "ferax" / "py.typed").exists()


def test_every_module_can_be_imported():
    """Lazy names and platform-only corners included; ``TYPE_CHECKING`` and function bodies are left to mypy."""
    for path in sorted((ROOT / "src" / "ferax").rglob("*.py")):
        if path.name != "__main__.py":
            name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
            importlib.import_module(name)
