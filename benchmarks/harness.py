"""Runs one program on Ferax and on JAX, in turn, and prints what each needed.

A benchmark file makes a ``Suite``, hangs rows on it and ends with ``suite.main()``:

* a **row** is a function of the library (``def sin(jax): ...``) that prepares and gives back the call to be
  timed;
* **fresh** measurements, for what happens once in a process (imports, first calls), are made by one
  function that gives ``{row name: seconds}``. It runs in a process of its own, before anything else was
  imported.

Each library has its own interpreter: Ferax the one that runs this file, JAX the one in ``.venv-jax`` (``make
bench-env``). One *round* is a process of the one and then a process of the other, the order swapped from
round to round, so that a machine that grows slow for a while hurts both. Within a process a call is
repeated in blocks of about ``BLOCK_SECONDS`` and the quickest block counts, for noise only ever adds. A
table shows, over the rounds, the median time of each library, the spread (half the distance from best to
worst, as a share of the median), the median of the rounds' ratios, and beside it the ratio of the best times
of all, which says more where the spread is wide. A suite of hundreds of short rows asks for *turns*: both
processes of a round stay alive, and each row is timed in the one and in the other, ``turns`` times over, so
that the two are milliseconds apart. Ratios under the bar are marked ``ok``, others ``over``; the
exit code is 0 either way: a benchmark informs, it does not judge.
"""

import argparse
import gc
import importlib
import itertools
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("ferax", "jax")
BLOCK_SECONDS = 0.01  # of calls between two looks at the clock; long against the clock's grain, short against the gusts of a shared machine
ROW_SECONDS = 0.4  # what the blocks of one row may take together in one process ...
TURN_SECONDS = 0.001  # the same where processes take turns: such a short time may pass undisturbed
LEAST_BLOCKS = 5  # ... unless the call is so slow that this many take longer


@dataclass
class Row:
    name: str
    bar: float | None  # greatest wanted ratio Ferax / JAX; None where the row is there for information
    setup: Callable[[Any], Callable[[], Any]] | None  # None for rows that the suite's `fresh` function fills


@dataclass
class Suite:
    """The rows of one question, such as "what does an eager operation cost"."""

    title: str
    geometric_mean_bar: float | None = None
    turns: int = 0  # blocks of each library for a row, in turn; 0: a row is timed in one piece
    rows: list[Row] = field(default_factory=list)
    fresh: Callable[[str], dict[str, float]] | None = None

    def row(self, name: str, bar: float | None = None):
        """Decorate a function of the library that gives the call to be timed."""

        def add(setup):
            self.rows.append(Row(name, bar, setup))
            return setup

        return add

    def fresh_rows(self, bars: dict[str, float | None]):
        """Decorate the function that fills the rows in ``bars``, given a library not yet imported."""

        def add(measure):
            self.rows += [Row(name, bar, None) for name, bar in bars.items()]
            self.fresh = measure
            return measure

        return add

    def main(self) -> None:
        """What a benchmark file does when it is run: drive the rounds, or be one of the processes driven."""
        options = _parse(self)
        if options.worker and options.kind == "turns":
            _serve(self, options.worker)
        elif options.worker:
            print(json.dumps(_measure(self, options.worker, options.kind, re.compile(options.only))))
        else:
            _report(self, _drive(self, options), options)


# ----------------------------------------------------------------------------------------- inside one process


def _measure(suite: Suite, library: str, kind: str, only: re.Pattern) -> dict[str, float | str]:
    """Seconds for every row of ``kind`` ('fresh' or 'timed'), or the text of the error that it ended in."""
    if kind == "fresh":
        assert suite.fresh is not None
        return dict(suite.fresh(library))
    lib = importlib.import_module(library)
    importlib.import_module(f"{library}.numpy")
    seconds: dict[str, float | str] = {}
    for row in suite.rows:
        if row.setup is not None and only.search(row.name):
            try:
                seconds[row.name] = _time(row.setup(lib))
            except Exception as error:  # a row that one library cannot run must not hide the others
                seconds[row.name] = f"{type(error).__name__}: {error}".splitlines()[0]
    return seconds


def _serve(suite: Suite, library: str) -> None:
    """Time one block of each row that is asked for on the standard input, until that ends."""
    lib = importlib.import_module(library)
    importlib.import_module(f"{library}.numpy")
    rows = {row.name: row for row in suite.rows}
    current, call, repeats = None, None, 1
    for line in sys.stdin:
        name = json.loads(line)
        try:
            if name != current:
                current, call = name, rows[name].setup(lib)
                gc.enable()
                gc.collect()
                repeats, _ = _warm(call, TURN_SECONDS)
                gc.disable()
            answer = _block(call, repeats) / repeats
        except Exception as error:
            answer = f"{type(error).__name__}: {error}".splitlines()[0]
        print(json.dumps(answer), flush=True)


def _warm(call: Callable[[], Any], seconds: float) -> tuple[int, float]:
    """How many calls make a block of at least so many seconds, and the seconds of the last one tried."""
    for _ in range(3):  # compile, fill caches, take the fast path
        call()
    repeats = 1
    while (taken := _block(call, repeats)) < seconds:
        repeats = max(repeats + 1, min(10 * repeats, int(repeats * 1.2 * seconds / max(taken, 1e-9))))
    return repeats, taken


def _time(call: Callable[[], Any]) -> float:
    """Seconds of one ``call``: the quickest of several blocks, the garbage collector off as in ``timeit``."""
    repeats, taken = _warm(call, BLOCK_SECONDS)
    collecting = gc.isenabled()
    gc.disable()
    try:
        blocks = max(LEAST_BLOCKS, int(ROW_SECONDS / max(taken, BLOCK_SECONDS)))
        return min(_block(call, repeats) for _ in range(blocks)) / repeats
    finally:
        if collecting:
            gc.enable()


def _block(call, repeats: int) -> float:
    times = itertools.repeat(None, repeats)
    start = perf_counter()
    for _ in times:
        result = call()
    if hasattr(result, "block_until_ready"):  # the queue empty again: what was started here is paid here
        result.block_until_ready()
    return perf_counter() - start


def ready(lib, tree):
    """Wait for every array in ``tree``; the timed calls of whole training steps end with this."""
    return lib.block_until_ready(tree)


# ------------------------------------------------------------------------------------- between the processes


def _drive(suite: Suite, options) -> dict[str, dict[str, list]]:
    """``{row: {library: [seconds or error of each round]}}``."""
    kinds = [
        k for k, wanted in (("fresh", suite.fresh), ("timed", any(r.setup for r in suite.rows))) if wanted
    ]
    results: dict[str, dict[str, list]] = {row.name: {name: [] for name in LIBRARIES} for row in suite.rows}
    for kind in kinds:
        if kind == "fresh":  # files read and byte code written once before it counts
            for library in LIBRARIES:
                _worker(library, kind, options)
        for turn in range(options.rounds):
            _progress(f"{suite.title}: {kind}, round {turn + 1} of {options.rounds}")
            order = LIBRARIES[:: 1 if turn % 2 == 0 else -1]
            if kind == "timed" and suite.turns:
                _take_turns(suite, order, results, options)
                continue
            for library in order:
                for name, value in _worker(library, kind, options).items():
                    results[name][library].append(value)
    _progress("")
    return results


def _take_turns(suite: Suite, order: Sequence[str], results, options) -> None:
    """One round of a suite with turns: to each row and library the quickest of its blocks is added."""
    only = re.compile(options.only)
    rows = [row for row in suite.rows if row.setup is not None and only.search(row.name)]
    workers = {}
    for library in order:
        command, environment = _command(library, "turns", options)
        workers[library] = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    for number, row in enumerate(rows):
        _progress(f"{suite.title}: row {number + 1} of {len(rows)}, {row.name}")
        answers: dict[str, list] = {library: [] for library in order}
        for _ in range(suite.turns):
            for library in order:
                worker = workers[library]
                worker.stdin.write(json.dumps(row.name) + "\n")
                worker.stdin.flush()
                answer = worker.stdout.readline()
                if not answer:
                    sys.exit(f"{library}: the process that measured {row.name!r} ended with code {worker.wait()}")
                answers[library].append(json.loads(answer))
            if any(isinstance(times[-1], str) for times in answers.values()):
                break
        for library, times in answers.items():
            failed = isinstance(times[-1], str)
            results[row.name][library].append(times[-1] if failed else min(times))
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()


def _progress(text: str) -> None:
    """A line that replaces itself, for people only: nothing of it reaches a file or a log."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _worker(library: str, kind: str, options) -> dict[str, Any]:
    command, environment = _command(library, kind, options)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{library}: {sys.argv[0]} ended with code {done.returncode}\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _command(library: str, kind: str, options) -> tuple[list[str], dict[str, str]]:
    """The command line of a process that measures, and its environment."""
    python = sys.executable if library == "ferax" else options.peer_python
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "FERAX_", "XLA_"))}
    environment |= {"FERAX_PLATFORMS": "cpu", "JAX_PLATFORMS": "cpu", "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONPATH", None)
    if library == "ferax":
        environment["PYTHONPATH"] = str(ROOT / "src")
    return [str(python), sys.argv[0], "--worker", library, "--kind", kind, "--only", options.only], environment


# ------------------------------------------------------------------------------------------------- the table


def _report(suite: Suite, results: dict[str, dict[str, list]], options) -> None:
    print(f"\n{suite.title}")
    print(_machine(options))
    print(f"  {'':44} {'ferax':>10} {'±':>4} {'jax':>10} {'±':>4} {'ratio':>7} {'best':>6}  bar")
    bars, ratios, summary = {row.name: row.bar for row in suite.rows}, [], {}
    over_bar: list[tuple[str, float]] = []
    for name, by_library in results.items():
        ferax, jax = (by_library[library] for library in LIBRARIES)
        if not ferax and not jax:
            continue  # left out by --only
        if errors := {v for v in (*ferax, *jax) if isinstance(v, str)}:
            print(f"  {name:44} {' | '.join(sorted(errors))[:110]}")
            summary[name] = {"ferax": ferax, "jax": jax, "ratio": None}
            continue
        ratio = statistics.median(a / b for a, b in zip(ferax, jax))
        ratios.append(ratio)
        if (bar := bars[name]) is not None and ratio > bar:
            over_bar.append((name, ratio))
        best = min(ferax) / min(jax)
        summary[name] = {"ferax": ferax, "jax": jax, "ratio": ratio}
        columns = " ".join(f"{_duration(statistics.median(t)):>10} {_spread(t):>4}" for t in (ferax, jax))
        print(f"  {name:44} {columns} {ratio:7.2f} {best:6.2f}  {_verdict(ratio, bars[name])}")
    if suite.geometric_mean_bar and ratios:
        mean = statistics.geometric_mean(ratios)
        print(
            f"  {'geometric mean':44} {'':31} {mean:7.2f} {'':6}  {_verdict(mean, suite.geometric_mean_bar)}"
        )
    over = [f"{name} {ratio:.2f}" for name, ratio in over_bar]
    if len(ratios) > 20:
        print(f"  {len(ratios)} rows, {len(over)} over the bar{': ' if over else ''}{', '.join(over)}")
    if options.json:
        Path(options.json).write_text(json.dumps({suite.title: summary}, indent=1))


def _machine(options) -> str:
    script = "import numpy, jaxlib, {0}; print({0}.__version__, jaxlib.__version__, numpy.__version__)"
    versions = []
    for library, python in zip(LIBRARIES, (sys.executable, options.peer_python)):
        environment = os.environ | (
            {"PYTHONPATH": str(ROOT / "src")} if library == "ferax" else {"PYTHONPATH": ""}
        )
        command = [str(python), "-c", script.format(library)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        version, jaxlib, numpy = done.stdout.split()
        versions.append(f"{library} {version} (jaxlib {jaxlib}, numpy {numpy})")
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (model := re.search(r"model name\s*:\s*(.+)", info.read_text())):
        cpu = model[1]
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    python_version = platform.python_version()
    return (
        f"  {cpu}, {os.cpu_count()} cores{load}; Python {python_version}; {'; '.join(versions)}\n"
        f"  {options.rounds} rounds, processes in turn; medians, ± half the range from best to worst"
    )


def _duration(seconds: float) -> str:
    unit, size = ("s ", 1.0) if seconds >= 1 else ("ms", 1e-3) if seconds >= 1e-3 else ("us", 1e-6)
    return f"{seconds / size:.3g} {unit}"


def _spread(times: list[float]) -> str:
    return f"{50 * (max(times) - min(times)) / statistics.median(times):.0f}%"


def _verdict(ratio: float, bar: float | None) -> str:
    return "" if bar is None else f"<= {bar:g} {'ok' if ratio <= bar else 'over'}"


def _parse(suite: Suite):
    parser = argparse.ArgumentParser(description=suite.title)
    parser.add_argument("--rounds", type=int, default=3 if suite.turns else 6, help="pairs of processes (default 6, with turns 3)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only the timed rows whose name matches")
    parser.add_argument("--json", metavar="FILE", help="write the raw times there as well")
    peer = ROOT / ".venv-jax" / "bin" / "python"
    parser.add_argument("--peer-python", default=peer, help="interpreter that has JAX (default .venv-jax)")
    parser.add_argument("--worker", choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=("fresh", "timed", "turns"), default="timed", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.worker and not Path(options.peer_python).exists():
        parser.error(f"no interpreter at {options.peer_python}: run `make bench-env` first")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options
