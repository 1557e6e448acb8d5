"""How long do the functions that programs call most take to trace and to lower?

Each is traced and lowered in a function that no cache has seen; the functions are those of `bench_numpy_eager`.
"""

import re

from bench_numpy_eager import calls, operands, spaces
from harness import Suite

suite = Suite("Tracing and lowering of the array API", geometric_mean_bar=0.7, turns=15)

for call in calls():
    def setup(jax, call=call):
        given = operands(jax)
        used = [name for name in given if re.search(rf"(?<![\w.]){name}(?!\w|=)", call)]
        source = compile(f"lambda {', '.join(used)}: {call}", "<call>", "eval")
        scope = spaces(jax)
        arrays = [given[name] for name in used]
        return lambda: jax.jit(eval(source, scope)).trace(*arrays).lower()

    suite.row(call)(setup)


if __name__ == "__main__":
    suite.main()
