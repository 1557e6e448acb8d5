"""Every primitive through every check; see `op_harness` for the checks and `op_table` for the cases."""

import importlib
import pkgutil

import pytest

import ferax._src.control
import ferax._src.ops
import ferax._src.random
import ferax._src.runtime
import ferax._src.transforms
from ferax._src.tracing import core

for package in (ferax._src.ops, ferax._src.control, ferax._src.random, ferax._src.runtime, ferax._src.transforms):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)

from op_harness import Coverage, check, check_dtypes, checked_jaxprs, rules_of  # noqa: E402
from op_table import CASES  # noqa: E402


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
