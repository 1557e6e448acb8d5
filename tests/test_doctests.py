"""The examples in docstrings, run as they stand."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import ferax
import ferax._src
import ferax.numpy as jnp

ROOT = Path(ferax._src.__path__[0])
MODULES = [module.name for module in pkgutil.walk_packages(ferax._src.__path__, "ferax._src.")
           if not module.ispkg and ">>>" in (ROOT / (module.name.removeprefix("ferax._src.").replace(".", "/") + ".py")).read_text()]
#: What an example may use without importing it.
NAMES = {"ferax": ferax, "jnp": jnp, "np": np, "lax": ferax.lax}


def documented(module):
    """The module, and what it defines: functions, classes, and objects of other kinds that stand for functions."""
    yield module.__name__, module.__doc__
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) == module.__name__:
            yield f"{module.__name__}.{name}", value.__doc__
            members = vars(value).items() if isinstance(value, type) else ()
            yield from ((f"{module.__name__}.{name}.{m}", v.__doc__) for m, v in members if hasattr(v, "__doc__"))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    parser = doctest.DocTestParser()
    report: list[str] = []
    module = importlib.import_module(name)
    for where, text in documented(module):
        if isinstance(text, str) and ">>>" in text:
            runner.run(parser.get_doctest(text, {**vars(module), **NAMES}, where, None, 0), out=report.append)
    assert not report, "".join(report)
