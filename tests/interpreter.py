"""StableHLO's reference interpreter, in a process of its own: on what it does not know it ends the process.

`Interpreter.run` answers what a module computes, or None where the interpreter does not know the operations or the
dtypes. What is known of it beforehand is asked first (`is_known`), for a new process takes half a second.
"""

import os
import pickle
import re
import select
import subprocess
import sys
from pathlib import Path

import numpy as np

SECONDS = 20            # for one module
# It knows no dimensions of size 0, and cannot hand out floats of fewer than 32 bits. Calls that leave the program and random
# numbers have no meaning to it. Operations that widen their operands it has not got.
_UNKNOWN = re.compile(r"bf16|f8E|f6E|f4E|tensor<(?:\d+x)*0x|i4>|i2>|custom_call|token|stablehlo\.rng|fft|infeed|outfeed|sdy\.")
_PRODUCTS = re.compile(
    r"stablehlo\.(?:convolution|dot_general)\b.*: \(tensor<(?:\d+x)*(\w+)>, tensor<(?:\d+x)*(\w+)>\) -> tensor<(?:\d+x)*(\w+)>")


def is_known(text: str) -> bool:
    """Whether the interpreter may know what a module's text holds."""
    return not _UNKNOWN.search(text) and all(len(set(types)) == 1 for types in _PRODUCTS.findall(text))


class Interpreter:
    """The process, started when it is first needed and again after it has ended."""

    def __init__(self):
        self.process = None

    def run(self, text: str, inputs) -> list[np.ndarray] | None:
        """The results of a module given as text, or None."""
        if not is_known(text):
            return None
        if self.process is None:
            folders = os.pathsep.join([str(Path(__file__).parent), *sys.path])
            self.process = subprocess.Popen(
                [sys.executable, "-c", "import interpreter; interpreter.serve()"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": folders})
        try:
            pickle.dump((text, inputs), self.process.stdin)
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], SECONDS)[0]:
                raise EOFError
            return pickle.load(self.process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            self.stop()
            return None

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def serve() -> None:
    """What the process does: read modules and arguments, answer results, or None after an error."""
    from ferax._src.engine import mlir_text  # lazy: here it loads MLIR's bindings, in this process alone

    while True:
        try:
            text, inputs = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            module = mlir_text.parse_module(text)
            mlir_text.run_passes(module, "builtin.module(func.func(chlo-legalize-to-stablehlo))")
            answer = mlir_text.interpret(module, inputs)
        except Exception:
            answer = None
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.flush()
