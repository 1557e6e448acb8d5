"""The benchmarks measure what they say: their programs learn, and the harness's sums and table are right."""

import argparse
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import ferax

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


def load(name):
    """The module ``benchmarks/name.py``, which expects its neighbours on the path."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where a neighbour's import, and dataclasses, look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def harness():
    return load("harness")


@pytest.fixture(scope="module")
def workloads():
    return load("workloads")


@pytest.mark.parametrize(
    "make",
    [
        lambda w: w.mlp(ferax, sizes=(8, 16, 4), batch=6),
        lambda w: w.transformer(ferax, layers=1, width=16, heads=2, vocabulary=12, length=5, batch=2),
        lambda w: w.rnn(ferax, width=8, features=3, length=6, batch=2),
    ],
    ids=["mlp", "transformer", "rnn"],
)
def test_workloads_learn(workloads, make):
    loss, params, data = make(workloads)
    step = ferax.jit(workloads.sgd_step(ferax, loss, learning_rate=0.1))
    values = []
    for _ in range(20):
        params, value = step(params, *data)
        values.append(float(value))
    assert np.all(np.isfinite(values)) and values[-1] < values[0]


@pytest.mark.parametrize("name", sorted(p.stem for p in FOLDER.glob("bench_*.py")))
def test_rows_run(harness, workloads, name):
    """Of long tables a part, spread evenly: `make bench` runs them all."""
    suite = load(name).suite
    assert suite.rows
    for row in suite.rows[::len(suite.rows) // 12 + 1]:
        if row.setup is not None and name != "bench_tracing":  # the large one is traced by `make bench`
            row.setup(ferax)()


def options(**given):
    return argparse.Namespace(rounds=2, json=None, peer_python=sys.executable, only="", **given)


def test_table(harness, capsys, monkeypatch):
    monkeypatch.setattr(harness, "_machine", lambda options: "  a machine")
    suite = harness.Suite("Things", geometric_mean_bar=1.0)
    for name, bar in (("quick", 0.5), ("slow", 1.1), ("broken", None)):
        suite.row(name, bar)(lambda lib: None)
    results = {
        "quick": {"ferax": [1e-6, 3e-6], "jax": [4e-6, 12e-6]},
        "slow": {"ferax": [4e-3, 4e-3], "jax": [2e-3, 2e-3]},
        "broken": {"ferax": ["TypeError: no"], "jax": [1.0]},
    }
    harness._report(suite, results, options())
    lines = {line[2:30].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert lines["quick"].split()[1:] == [
        "2",
        "us",
        "50%",
        "8",
        "us",
        "50%",
        "0.25",
        "0.25",
        "<=",
        "0.5",
        "ok",
    ]
    assert lines["slow"].endswith("2.00   2.00  <= 1.1 over")
    assert "TypeError: no" in lines["broken"]
    assert lines["geometric mean"].endswith("0.71         <= 1 ok")


def test_timing_counts_single_calls(harness, monkeypatch):
    clock = iter(np.arange(0, 1000, 0.5))  # every look at the clock is half a second after the one before
    monkeypatch.setattr(harness, "perf_counter", lambda: next(clock))
    calls = []
    assert harness._time(lambda: calls.append(1)) == 0.5
    assert len(calls) == 3 + 1 + harness.LEAST_BLOCKS
