"""Every public name of the array API through its row; see `api_harness` for the checks, `api_table_*` for the rows."""

import contextlib
import importlib
import os
from pathlib import Path

import pytest
from api_draw import Draw, arrays_of
from api_harness import Elsewhere, Row, Value, check_derivatives, check_transformed, check_values, find
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

import ferax

TABLES = [importlib.import_module(path.stem) for path in sorted(Path(__file__).parent.glob("api_table_*.py"))]
ENTRIES = [entry for table in TABLES for entry in table.ROWS]
REFUSALS = [refusal for table in TABLES for refusal in getattr(table, "REFUSALS", ())]
#: The modules whose every public name must have an entry.
MODULES = ("numpy", "numpy.linalg", "numpy.fft", "nn", "nn.initializers", "random", "image", "ops", "tree", "tree_util",
           "dtypes", "errors", "flatten_util", "scipy.linalg", "scipy.special", "dlpack", "typing", "custom_derivatives",
           "custom_batching", "test_util")


ROWS = [entry for entry in ENTRIES if isinstance(entry, Row)]
EXAMPLES = float(os.environ.get("FERAX_TEST_EXAMPLES", 1))      # factor on the number of examples, for a long search

SETTINGS = settings(phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False, print_blob=False)


def drawn(row, examples, smooth=False, traced=False):
    """Runs a test of a `Draw` and the `Call` of the row that it led to, on so many examples."""
    def decorate(check):
        @settings(SETTINGS, max_examples=int(examples * EXAMPLES))
        @given(st.randoms(use_true_random=False))
        def run(random):
            draw = Draw(random.randrange, smooth=smooth, traced=traced)
            call = row.calls(draw)
            note(f"{row.name}{call}")
            with compiled_quickly(row) if row.quick else contextlib.nullcontext():
                check(draw, call)
        run()
    return decorate


@contextlib.contextmanager
def compiled_quickly(row):
    before = ferax.config.jax_disable_most_optimizations
    ferax.config.update("jax_disable_most_optimizations", row.quick or before)
    try:
        yield
    finally:
        ferax.config.update("jax_disable_most_optimizations", before)


def each(rows):
    return pytest.mark.parametrize("row", rows, ids=[row.name for row in rows])


@each(ROWS)
def test_values(row):
    """The first name in full; further names, which may be functions of their own, in brief."""
    for name in row.names.split():
        @drawn(row, row.examples if name == row.name else 2)
        def check(draw, call):
            check_values(ferax, row, name, call)


@each([row for row in ROWS if row.jit or row.vmap])
def test_jit_and_vmap(row):
    @drawn(row, 1 if row.exact else min(2, row.examples), traced=True)      # random streams are long programs
    def check(draw, call):
        axes = [draw.pick(0, x.ndim, None) for x in arrays_of(call)]
        check_transformed(ferax, row, call, row.calls(draw.again(1)), axes)


@each([row for row in ROWS if row.grad])
def test_derivatives(row):
    @drawn(row, 2, smooth=True)
    def check(draw, call):
        check_derivatives(ferax, row, call)


@pytest.mark.parametrize("entry", VALUES := [e for e in ENTRIES if isinstance(e, Value)], ids=[e.names[:60] for e in VALUES])
def test_constants(entry):
    for name in entry.names.split():
        found, expected = find(ferax, name), entry.expected(name.rpartition(".")[2])
        assert found == expected or (found != found and expected != expected), name


@pytest.mark.parametrize("entry", OTHERS := [e for e in ENTRIES if isinstance(e, Elsewhere)], ids=[e.names[:60] for e in OTHERS])
def test_names_checked_elsewhere(entry):
    text = (Path(__file__).parent / entry.file).read_text()
    mentions = {name: name.rpartition(".")[2].removesuffix("_p") for name in entry.names.split()}      # primitives go by their names
    assert [name for name, word in mentions.items() if word not in text] == []


@pytest.mark.parametrize("refusal", REFUSALS, ids=[r.id for r in REFUSALS])
def test_refusals(refusal):
    with pytest.raises(refusal.error, match=refusal.text):
        refusal.call(ferax)


def public_names():
    for name in MODULES:
        module = importlib.import_module(f"ferax.{name}")
        yield from (f"{name}.{n}" for n in getattr(module, "__all__", None) or dir(module) if not n.startswith("_"))
    array = ferax.numpy.zeros(1)
    yield from (f"Array.{n}" for n in {*dir(ferax.Array), *dir(array)} if not n.startswith("_"))
    yield from (f"Array.at.{n}" for n in dir(array.at[0]) if not n.startswith("_"))


def test_every_public_name_has_an_entry():
    entered = [name for entry in ENTRIES for name in entry.names.split()]
    assert len(entered) == len(set(entered)), sorted({name for name in entered if entered.count(name) > 1})
    assert set(public_names()) - set(entered) == set()
    for name in entered:
        find(ferax, name)
