"""How long until the first result? The import, and with it a first finished operation, in a new process."""

import importlib
from time import perf_counter

from harness import Suite

suite = Suite("From import to the first finished operation")


@suite.fresh_rows({"import the library and its numpy": None, "... and a first finished operation": 0.6})
def start_up(library):
    start = perf_counter()
    importlib.import_module(library)
    jnp = importlib.import_module(f"{library}.numpy")
    imported = perf_counter()
    (jnp.zeros(3) + 1).block_until_ready()
    return {
        "import the library and its numpy": imported - start,
        "... and a first finished operation": perf_counter() - start,
    }


if __name__ == "__main__":
    suite.main()
