"""The rows of `api_table_*` run by Ferax and by JAX, and compared: structure, shapes, dtypes, weak types, values, exceptions.

    python tests/compare_jax.py                        all rows, 6 calls each
    python tests/compare_jax.py --only 'numpy.fft' --examples 40

Each library runs in its own process and environment (`make compare` makes JAX's). Calls are drawn from the same seeds, so both
make the same ones. Ends with status 1 if something differs that no row gives a reason for.
"""

import argparse
import importlib
import pickle
import random
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PEER = HERE.parent / ".venv-jax" / "bin" / "python"
sys.path.insert(0, str(HERE))

from api_draw import Draw  # noqa: E402
from api_harness import Outcome, Row, assert_same, needs_x64, on_arrays  # noqa: E402


def rows(only):
    """The rows whose name matches, with each of their names."""
    for path in sorted(HERE.glob("api_table_*.py")):
        for row in importlib.import_module(path.stem).ROWS:
            if isinstance(row, Row):
                yield from ((row, name) for name in row.names.split() if re.search(only, name))


def drawn(row, i):
    return row.calls(Draw(random.Random(f"{row.names} {i}").randrange, seed=i))


def outcome(root, row, name, i):
    """What a call leads to: its structure and arrays with their types, or the names of the exception's classes."""
    given = drawn(row, i)
    with root.enable_x64(needs_x64(given)):
        try:
            fn, arrays = on_arrays(root, row.function(root, name), given)
            found = Outcome(fn(*arrays))
            return found.structure, [(np.asarray(x), bool(getattr(x, "weak_type", False))) for x in map(data_of(root), found.leaves)]
        except Exception as error:
            return [c.__name__ for c in type(error).__mro__ if c not in (object, BaseException, Exception)], str(error)


def data_of(root):
    """Typed keys by their bits."""
    def data(x):
        is_key = hasattr(x, "dtype") and root.dtypes.issubdtype(x.dtype, root.dtypes.prng_key)
        return root.random.key_data(x) if is_key else x
    return data


def work(library, only, examples, path):
    """Run all calls with one library and pickle what they led to."""
    root = importlib.import_module(library)
    # not loaded by themselves
    for module in ("dlpack", "flatten_util", "image", "nn.initializers", "ops", "scipy.linalg", "scipy.special", "test_util"):
        importlib.import_module(f"{library}.{module}")
    warnings.simplefilter("ignore")
    found, todo = {}, list(rows(only))
    for k, (row, name) in enumerate(todo):
        for i in range(examples):
            found[name, i] = outcome(root, row, name, i)
        print(f"\r{library} {k + 1}/{len(todo)} {name:40.40}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    Path(path).write_bytes(pickle.dumps(found))


def difference(row, ours, theirs):
    """What differs between two outcomes; None if nothing does."""
    if isinstance(theirs[1], str):
        if re.match(r"module '.*' has no attribute", theirs[1]):
            return None                                     # a name of older versions that libraries still use
        if isinstance(ours[1], str):
            return None if set(ours[0]) & set(theirs[0]) else f"raised {ours}, JAX {theirs}"
        return None if row.wider else f"answered where JAX raises {theirs[0][0]}: {theirs[1][:150]}"
    if isinstance(ours[1], str):
        return f"raised {ours[0][0]}: {ours[1][:150]}"
    if ours[0] != theirs[0]:
        return f"structure {ours[0]}, JAX {theirs[0]}"
    for (x, weak), (y, their_weak) in zip(ours[1], theirs[1]):
        if (x.shape, x.dtype, weak) != (y.shape, y.dtype, their_weak):
            return f"(shape, dtype, weak_type) {x.shape, x.dtype.name, weak}, JAX {y.shape, y.dtype.name, their_weak}"
        try:
            assert_same(x, y, 0.0 if row.exact else 4 * row.tolerance, "")
        except AssertionError as error:
            return " ".join(str(error).split())[:400]
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a regular expression for names")
    parser.add_argument("--examples", type=int, default=6, help="calls of each row")
    parser.add_argument("--worker", nargs=2, metavar=("LIBRARY", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return work(given.worker[0], given.only, given.examples, given.worker[1])
    if not PEER.exists():
        sys.exit("JAX's environment is missing: make bench-env")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for library, python in (("ferax", sys.executable), ("jax", PEER)):
            path = Path(folder) / library
            command = [python, __file__, "--only", given.only, "--examples", str(given.examples), "--worker", library, path]
            subprocess.run(list(map(str, command)), check=True)
            results[library] = pickle.loads(path.read_bytes())
    count = 0
    for row, name in rows(given.only):
        found = [(i, difference(row, results["ferax"][name, i], results["jax"][name, i])) for i in range(given.examples)]
        found = [(i, text) for i, text in found if text]
        if found and not row.differs:
            count += 1
            i, text = found[0]
            print(f"{name}: {len(found)} of {given.examples} calls differ, first of them\n    {drawn(row, i)!r:.400}\n    {text}")
    print(f"{count} rows differ without a reason")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
