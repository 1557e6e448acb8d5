"""Every primitive through every check; see `op_harness` for the checks and the tables `op_table*` for the cases."""

import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import ferax._src.control
import ferax._src.ops
import ferax._src.random
import ferax._src.runtime
import ferax._src.transforms
from ferax._src.tracing import core

PACKAGES = ferax._src.ops, ferax._src.control, ferax._src.random, ferax._src.runtime, ferax._src.transforms
for package in PACKAGES:
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)

from interpreter import Interpreter  # noqa: E402
from op_harness import (  # noqa: E402
    Coverage, check, check_dtypes, check_extremes, check_plain_form, checked_jaxprs, rules_of)

TABLES = [importlib.import_module(path.stem) for path in sorted(Path(__file__).parent.glob("op_table*.py"))]
CASES = [case for table in TABLES for case in table.CASES]
REFUSALS = [refusal for table in TABLES for refusal in getattr(table, "REFUSALS", ())]

#: Primitives that no case can apply.
EXEMPT = {
    "program": "stands for the equations it holds, and is never in a jaxpr: every derivative and every vmap here runs through it",
    "dim_as_value": "exists only while a function is traced for export; tools/test_export.py",
    "call_exported": "has a type and a lowering only, and its parameter is made by export; tools/test_export.py",
}
#: Rules that nothing can reach, and why they are there all the same.
UNREACHED = {
    ("debug_callback", "transpose"): "a call without results has no cotangents, so transposition leaves it out",
    ("axis_index", "jvp"): "it has no operands, so no tangents",
    **{(name, "jvp"): "keys and words have no tangents; the rule says so for whoever asks it directly" for name in (
        "random_seed", "random_wrap", "random_unwrap", "random_clone", "random_split", "random_fold_in", "random_bits", "threefry2x32")},
}


@pytest.fixture(scope="module")
def coverage():
    with Coverage() as coverage, checked_jaxprs():
        yield coverage


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_case(case, coverage):
    check(case)
    missing = {rule for rule in case.expected_rules() if (case.primitive, rule) not in coverage.reached}
    assert not missing, f"the case was to reach the rules {missing} of {case.primitive}"


@pytest.mark.parametrize("case", SWEPT := [case for case in CASES if case.kinds or case.shapes], ids=[case.id for case in SWEPT])
def test_dtypes_and_shapes(case, coverage):
    check_dtypes(case)


@pytest.fixture(scope="module")
def interpreter():
    interpreter = Interpreter()
    yield interpreter
    interpreter.stop()


INTERPRETED: list[bool] = []        # of the cases that were tried, whether the reference interpreter knew their operations


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_plain_form(case, interpreter):
    INTERPRETED.append(check_plain_form(case, interpreter))


def test_the_interpreter_knows_most_cases():
    assert len(INTERPRETED) < 100 or np.mean(INTERPRETED) > 0.75


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_values(dtype):
    check_extremes(CASES, dtype)


@pytest.mark.parametrize("refusal", REFUSALS, ids=[refusal.id for refusal in REFUSALS])
def test_refusals(refusal, coverage):
    with pytest.raises(refusal.error, match=refusal.text):
        refusal.call()
    assert (refusal.primitive, refusal.rule) in coverage.reached


def test_every_primitive_has_a_case():
    covered = {case.primitive for case in CASES}
    names = {p.name for p in core.all_primitives()}
    assert names - covered - set(EXEMPT) == set()
    assert covered <= names and set(EXEMPT) <= names


def test_primitives_are_registered_in_the_packages_imported_here():
    """A primitive elsewhere would not be seen by these tests."""
    root = Path(ferax._src.ops.__path__[0]).parent
    registers = re.compile(r"core\.register\(|from ferax\._src\.tracing\.core import (\([^)]*\bregister\b|.*\bregister\b)")
    found = {path.relative_to(root).parts[0] for path in root.rglob("*.py") if registers.search(path.read_text())}
    assert found <= {package.__name__.rpartition(".")[2] for package in PACKAGES}


@pytest.mark.parametrize("primitive", PRIMITIVES := sorted(core.all_primitives(), key=str), ids=map(str, PRIMITIVES))
def test_every_rule_is_reached(primitive):
    """Each case asserts that the rules it expects to reach are reached; here, that all rules are expected of some case."""
    expected = {rule for case in CASES if case.primitive == primitive.name for rule in case.expected_rules()}
    expected |= {refusal.rule for refusal in REFUSALS if refusal.primitive == primitive.name}
    left = {rule for rule in rules_of(primitive) if (primitive.name, rule) not in UNREACHED} - expected
    assert primitive.name in EXEMPT or not left, f"no case reaches the rules {left} of {primitive}"
